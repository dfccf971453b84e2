//! The other side: a desk in another process.

use super::line;
use super::message::{Answer, Greeting, NOTHING_QUEUED, PAGE, Request, VERSION, Word};
use super::socket;
use crate::engine::{AccountStanding, Added, Changed, Credential, Desk, DeskError, Intake, Reply};
use crate::model::{Change, Counts, IdSet, Job, JobId, JobSpec, Selection, StatusReport};
use serde::de::DeserializeOwned;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::BufReader;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// How long the owner may show no sign of life.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of a request that are left for what stands around the jobs.
const FRAME: usize = 64;

/// The desk of a queue that another process owns. Each request has a connection of its own.
#[derive(Clone, Debug)]
pub struct Client {
    dir: PathBuf,
    patience: Duration,
}

impl Client {
    /// Reaches the process that owns the queue in that folder. Returns at once where nobody listens; an owner that is
    /// only just starting is the caller's to wait for, as it may end as well.
    ///
    /// # Errors
    /// `OwnerEnded` when nobody listens, `NoAnswer` when nothing is said for 5 s.
    pub async fn connect(dir: &Path) -> Result<Self, DeskError> {
        Self::connect_within(dir, PATIENCE).await
    }

    pub(super) async fn connect_within(dir: &Path, patience: Duration) -> Result<Self, DeskError> {
        let client = Self { dir: dir.to_owned(), patience };
        client.open().await?;
        Ok(client)
    }

    async fn open(&self) -> Result<Connection, DeskError> {
        let failed = |error: &io::Error| no_answer(&self.dir, error);
        let stream = socket::connect(&self.dir).await.map_err(|e| failed(&e))?;
        let (from, to) = stream.into_split();
        let from = BufReader::new(from);
        let mut connection = Connection { dir: self.dir.clone(), patience: self.patience, from, to };
        let line = connection.line().await?;
        match serde_json::from_slice::<Greeting>(&line) {
            Ok(Greeting { ftpq: VERSION }) => Ok(connection),
            _ => Err(DeskError::NoAnswer(format!(
                "the queue in {} is in use by another version of ftpq; wait until it has ended, or use the same version",
                self.dir.display()
            ))),
        }
    }

    async fn ask<T: DeserializeOwned>(&self, request: &Request) -> Result<T, DeskError> {
        self.open().await?.ask(request).await
    }
}

struct Connection {
    dir: PathBuf,
    patience: Duration,
    from: BufReader<OwnedReadHalf>,
    to: OwnedWriteHalf,
}

impl Connection {
    async fn ask<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T, DeskError> {
        // A request can always be written as JSON; should it not, its content has no place in the message.
        let text = serde_json::to_vec(request)
            .map_err(|_| DeskError::Storage("the request can't be put into words".to_owned()))?;
        if text.len() > line::REQUEST {
            return Err(DeskError::Storage("too much for one request; name fewer jobs at a time".to_owned()));
        }
        let written = line::write(&mut self.to, text).await;
        if let Err(error) = written.as_ref().map_err(|error| no_answer(&self.dir, error))
            && !matches!(error, DeskError::OwnerEnded(_))
        {
            return Err(error);
        }
        loop {
            // Why nothing more is taken can be read though nothing can be written.
            let line = match self.line().await {
                Err(error) => return Err(self.unanswered(request, written.is_ok(), error)),
                Ok(line) => line,
            };
            match serde_json::from_slice(&line) {
                Ok(Answer::Ok(value)) => return Ok(value),
                Ok(Answer::Error(error)) => return Err(error),
                Ok(Answer::Wait) => {}
                Ok(Answer::Closing) => {
                    let ended = no_answer(&self.dir, &io::ErrorKind::UnexpectedEof.into());
                    return Err(self.unanswered(request, false, ended));
                }
                Err(error) => {
                    return Err(DeskError::NoAnswer(format!(
                        "the process that uses the queue in {} gave an answer that this ftpq does not understand ({error}); \
                         give the command again once its run has ended",
                        self.dir.display()
                    )));
                }
            }
        }
    }

    /// Why a request got no answer, and what is known of it: an owner may have done what it took, and can't have done what
    /// was not wholly sent.
    fn unanswered(&self, request: &Request, was_sent: bool, error: DeskError) -> DeskError {
        let known = match request.doubt() {
            Some(doubt) if was_sent => doubt,
            _ if request.is_of_intake() => NOTHING_QUEUED,
            _ => return error,
        };
        let process = process(&self.dir);
        DeskError::NoAnswer(match error {
            DeskError::OwnerEnded(_) => format!("{process} ended before it confirmed this: {known}"),
            _ => format!("{process} does not answer: {known}; stop that process if it hangs"),
        })
    }

    async fn line(&mut self) -> Result<Vec<u8>, DeskError> {
        let line = line::read(&mut self.from, line::ANSWER, self.patience).await;
        line.and_then(|line| line.ok_or_else(|| io::ErrorKind::UnexpectedEof.into()))
            .map_err(|e| no_answer(&self.dir, &e))
    }
}

fn process(dir: &Path) -> String {
    format!("the process that uses the queue in {}", dir.display())
}

fn no_answer(dir: &Path, error: &io::Error) -> DeskError {
    let process = process(dir);
    let why = match error.kind() {
        io::ErrorKind::TimedOut => "it said nothing for 5 s".to_owned(),
        io::ErrorKind::NotFound
        | io::ErrorKind::ConnectionRefused
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset => {
            return DeskError::OwnerEnded(format!(
                "{process} has just ended, before it took this up; give the command again"
            ));
        }
        _ => error.to_string(),
    };
    DeskError::NoAnswer(format!("{process} does not answer ({why}); try again, and stop that process if it hangs"))
}

impl Desk for Client {
    fn intake(&self) -> Reply<'_, Box<dyn Intake>> {
        Box::pin(async move {
            let mut connection = self.open().await?;
            connection.ask::<()>(&Request::Begin).await?;
            Ok(Box::new(RemoteIntake { connection }) as Box<dyn Intake>)
        })
    }

    fn status(&self) -> Reply<'_, StatusReport> {
        Box::pin(async move { self.ask(&Request::Status).await })
    }

    fn counts(&self, selection: Selection) -> Reply<'_, Counts> {
        Box::pin(async move { self.ask(&Request::Counts { selection }).await })
    }

    fn list(&self, selection: Selection, after: Option<JobId>, limit: usize) -> Reply<'_, Vec<Job>> {
        Box::pin(async move {
            let mut jobs: Vec<Job> = Vec::new();
            let mut connection = self.open().await?;
            while jobs.len() < limit {
                let after = jobs.last().map(|job| job.id).or(after);
                let limit = limit - jobs.len();
                let page: Vec<Job> =
                    connection.ask(&Request::List { selection: selection.clone(), after, limit }).await?;
                let is_short = page.len() < limit.min(PAGE);
                jobs.extend(page);
                // The end, or jobs so long that more of them at a time would fill memory.
                if is_short {
                    break;
                }
            }
            Ok(jobs)
        })
    }

    fn show(&self, id: JobId) -> Reply<'_, Option<Job>> {
        Box::pin(async move { self.ask(&Request::Show { id }).await })
    }

    fn accounts(&self, ids: Option<IdSet>) -> Reply<'_, Vec<AccountStanding>> {
        Box::pin(async move { self.ask(&Request::Accounts { ids }).await })
    }

    fn keep(&self, credential: Credential) -> Reply<'_, bool> {
        Box::pin(async move {
            let Credential { account, secret, tls, stored } = credential;
            self.ask(&Request::Keep { account, secret: Word(secret), tls, stored }).await
        })
    }

    fn forget(&self, logins: Vec<String>, unused: bool) -> Reply<'_, Vec<String>> {
        Box::pin(async move { self.ask(&Request::Forget { logins, unused }).await })
    }

    fn change(&self, selection: Selection, change: Change) -> Reply<'_, Changed> {
        Box::pin(async move { self.ask(&Request::Change { selection, change }).await })
    }
}

struct RemoteIntake {
    connection: Connection,
}

impl Intake for RemoteIntake {
    fn push(&mut self, jobs: Vec<JobSpec>) -> Reply<'_, ()> {
        Box::pin(async move {
            let mut part = Vec::new();
            let mut size = FRAME;
            for job in jobs {
                let more = serde_json::to_vec(&job).map_or(line::REQUEST, |text| text.len() + 1);
                if size + more > line::REQUEST && !part.is_empty() {
                    self.connection.ask::<()>(&Request::Push { jobs: std::mem::take(&mut part) }).await?;
                    size = FRAME;
                }
                size += more;
                part.push(job);
            }
            if part.is_empty() {
                return Ok(());
            }
            self.connection.ask(&Request::Push { jobs: part }).await
        })
    }

    fn credential(&mut self, credential: Credential) -> Reply<'_, ()> {
        Box::pin(async move {
            let Credential { account, secret, tls, stored } = credential;
            self.connection.ask(&Request::Credential { account, secret: Word(secret), tls, stored }).await
        })
    }

    fn accept(mut self: Box<Self>) -> Reply<'static, Added> {
        Box::pin(async move { self.connection.ask(&Request::Accept).await })
    }
}
