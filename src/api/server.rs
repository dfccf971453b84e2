//! The owner's side: answers requests from the desk it is given.

use super::line;
use super::message::{Answer, Greeting, PAGE, Request, VERSION};
use super::socket::{self, Bound};
use crate::engine::{Credential, Desk, DeskError, Intake};
use crate::model::StatusReport;
use crate::transfer::failpoint;
use serde::Serialize;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::BufReader;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

/// Clients served at a time; further ones wait in the socket's own line.
const CLIENTS: usize = 32;
/// How long a client may say nothing.
const IDLE: Duration = Duration::from_secs(60);
/// How long it may say nothing with an open intake: the manifest may come from a slow program.
const IDLE_INTAKE: Duration = Duration::from_secs(3600);
/// Time between two signs of life.
const ALIVE: Duration = Duration::from_secs(1);

/// How long a client is waited for that does not read its answer, once nothing more is taken.
const PARTING: Duration = Duration::from_secs(1);

/// Listens until it is closed or dropped; then the socket is removed and open intakes are void.
pub struct Server {
    task: JoinHandle<()>,
    closing: watch::Sender<bool>,
    bound: Option<Bound>,
}

impl Server {
    /// Takes no more requests, and returns once those that were taken are answered: what was done is told. A client that
    /// does not read its answer is waited for no longer than a second.
    pub async fn close(mut self) {
        drop(self.bound.take());
        self.closing.send_replace(true);
        // It could only break down, and then there is nobody left to answer.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Listens on the socket of a queue's folder. The caller owns the queue: a socket that is there is a dead process's.
/// Has to be called within a tokio runtime.
///
/// # Errors
/// When the socket can't be made.
pub fn serve(desk: Arc<dyn Desk>, dir: &Path) -> Result<Server, DeskError> {
    serve_within(desk, dir, IDLE_INTAKE)
}

/// The same, where a client with an open intake may say nothing for so long.
pub(super) fn serve_within(desk: Arc<dyn Desk>, dir: &Path, idle_intake: Duration) -> Result<Server, DeskError> {
    let (bound, listener) = Bound::new(dir)
        .map_err(|error| DeskError::Storage(format!("can't listen on {}/control.sock: {error}", dir.display())))?;
    let (sender, closing) = watch::channel(false);
    let host = SessionHost { desk, idle_intake, closing };
    Ok(Server { task: tokio::spawn(host.listen(listener)), closing: sender, bound: Some(bound) })
}

/// What all sessions have in common.
struct SessionHost {
    desk: Arc<dyn Desk>,
    idle_intake: Duration,
    closing: watch::Receiver<bool>,
}

impl SessionHost {
    async fn listen(self, listener: UnixListener) {
        // Sessions end with this task.
        let mut sessions = JoinSet::new();
        tokio::select! {
            biased;
            () = closes(self.closing.clone()) => {}
            () = self.take_in(&listener, &mut sessions) => {}
        }
        // Who waits to be let in goes elsewhere.
        drop(listener);
        while sessions.join_next().await.is_some() {}
    }

    async fn take_in(&self, listener: &UnixListener, sessions: &mut JoinSet<()>) {
        let room = Arc::new(Semaphore::new(CLIENTS));
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            while sessions.try_join_next().is_some() {}
            match listener.accept().await {
                Ok((stream, _)) if socket::is_peer(&stream, 0).unwrap_or(false) => {
                    let session = self.session(stream);
                    sessions.spawn(async move {
                        // A client that goes away in the middle is its own affair.
                        let _ = session.run().await;
                        drop(permit);
                    });
                }
                Ok(_) => {}
                // Out of file descriptors, most likely: not to spin until some are free.
                Err(_) => tokio::time::sleep(ALIVE).await,
            }
        }
    }

    fn session(&self, stream: UnixStream) -> Session {
        let (from, to) = stream.into_split();
        let to = Answers { to, closing: self.closing.clone() };
        let (desk, idle_intake) = (Arc::clone(&self.desk), self.idle_intake);
        Session { desk, idle_intake, from: BufReader::new(from), to, intake: None }
    }
}

/// Returns once nothing more is taken.
async fn closes(mut closing: watch::Receiver<bool>) {
    if closing.wait_for(|&closing| closing).await.is_err() {
        // It was dropped, and all of this with it.
        std::future::pending::<()>().await;
    }
}

struct Session {
    desk: Arc<dyn Desk>,
    from: BufReader<OwnedReadHalf>,
    to: Answers,
    idle_intake: Duration,
    intake: Option<Box<dyn Intake>>,
}

impl Session {
    async fn run(mut self) -> io::Result<()> {
        self.to.write(serde_json::to_vec(&Greeting { ftpq: VERSION })?).await?;
        loop {
            let idle = if self.intake.is_some() { self.idle_intake } else { IDLE };
            let line = tokio::select! {
                biased;
                // A request that was not taken may be put to another process, and one that a killed process took may not.
                () = closes(self.to.closing.clone()) => {
                    return self.to.write(serde_json::to_vec(&Answer::<()>::Closing)?).await;
                }
                line = line::read(&mut self.from, line::REQUEST, idle) => line,
            };
            let line = match line {
                Err(error) if error.kind() == io::ErrorKind::TimedOut && self.intake.is_some() => {
                    let text = "the rest of the list did not come in time (an hour is waited for it), and nothing was \
                                queued; write the list to a file, then add that";
                    return answer::<()>(&mut self.to, async { Err(DeskError::NoAnswer(text.to_owned())) }).await;
                }
                line => line?,
            };
            let Some(line) = line else { return Ok(()) };
            // The parser's own words could repeat a password.
            let Ok(request) = serde_json::from_slice(&line) else {
                let text = "the process that owns the queue doesn't understand the request; it may be of another \
                            version: wait until it has ended, or use the same ftpq";
                return answer::<()>(&mut self.to, async { Err(DeskError::Storage(text.to_owned())) }).await;
            };
            self.handle(request).await?;
        }
    }

    async fn handle(&mut self, request: Request) -> io::Result<()> {
        let (desk, to) = (&self.desk, &mut self.to);
        match request {
            Request::Status => answer(to, async { desk.status().await.map(finite) }).await,
            Request::Counts { selection } => answer(to, desk.counts(selection)).await,
            Request::List { selection, after, limit } => answer(to, desk.list(selection, after, limit.min(PAGE))).await,
            Request::Show { id } => answer(to, desk.show(id)).await,
            Request::Change { selection, change } => answer(to, desk.change(selection, change)).await,
            Request::Begin => {
                let intake = &mut self.intake;
                answer(to, async {
                    *intake = Some(desk.intake().await?);
                    Ok(())
                })
                .await
            }
            Request::Push { jobs } => {
                let intake = &mut self.intake;
                answer(to, async {
                    let pushed = intake.as_mut().ok_or_else(no_intake)?.push(jobs).await;
                    if pushed.is_err() {
                        *intake = None;
                    }
                    pushed
                })
                .await
            }
            Request::Credential { account, secret, tls, stored } => {
                let intake = self.intake.as_mut().ok_or_else(no_intake);
                let given = Credential { account, secret: secret.0, tls, stored };
                answer(to, async { intake?.credential(given).await }).await
            }
            Request::Keep { account, secret, tls, stored } => {
                answer(to, desk.keep(Credential { account, secret: secret.0, tls, stored })).await
            }
            Request::Forget { logins, unused } => answer(to, desk.forget(logins, unused)).await,
            Request::Accounts { ids } => answer(to, desk.accounts(ids)).await,
            Request::Accept => {
                let intake = self.intake.take().ok_or_else(no_intake);
                answer(to, async { intake?.accept().await }).await
            }
        }
    }
}

fn no_intake() -> DeskError {
    DeskError::Storage("no intake is open on this connection; add the manifest again".to_owned())
}

/// JSON has no word for what is no number.
fn finite(mut report: StatusReport) -> StatusReport {
    if let Some(run) = &mut report.run {
        let files = run.running.iter_mut().map(|file| &mut file.rate);
        for rate in files.chain([&mut run.rate, &mut run.seconds]).filter(|rate| !rate.is_finite()) {
            *rate = 0.0;
        }
    }
    report
}

/// The way back to a client.
struct Answers {
    to: OwnedWriteHalf,
    closing: watch::Receiver<bool>,
}

impl Answers {
    async fn write(&mut self, text: Vec<u8>) -> io::Result<()> {
        let parting = async {
            closes(self.closing.clone()).await;
            tokio::time::sleep(PARTING).await;
        };
        tokio::select! {
            biased;
            written = line::write(&mut self.to, text) => written,
            () = parting => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// Writes the answer once it is there, and signs of life until then. A client that went away doesn't stop the work.
async fn answer<T: Serialize>(to: &mut Answers, work: impl Future<Output = Result<T, DeskError>>) -> io::Result<()> {
    let mut work = pin!(work);
    let mut reached = Ok(());
    let result = loop {
        tokio::select! {
            result = &mut work => break result,
            () = tokio::time::sleep(ALIVE), if reached.is_ok() => {
                reached = to.write(serde_json::to_vec(&Answer::<()>::Wait)?).await;
            }
        }
    };
    failpoint("api-done");
    reached?;
    let mut text = serde_json::to_vec(&match result {
        Ok(value) => Answer::Ok(value),
        Err(error) => Answer::Error(error),
    })?;
    if text.len() > line::ANSWER {
        let error = DeskError::Storage("it was done, but the answer is too long to be told".to_owned());
        text = serde_json::to_vec(&Answer::<()>::Error(error))?;
    }
    to.write(text).await
}
