//! The desk of a queue that this process owns.

use super::worker::Word;
use super::{AccountStanding, Added, Board, Changed, Credential, Desk, DeskError, Intake, KeptStanding, Reply};
use crate::disk::{check_backup, move_to_backup, remove_file};
use crate::model::{
    Account, Change, Counts, Destination, IdSet, Job, JobId, JobSpec, JobState, Selection, StatusReport,
};
use crate::queue::{Accepted, Credentials, Kept, Overview, Queue, QueueError};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// A run that is going on: where its figures are, and how it hears of changes.
#[derive(Clone)]
pub(super) struct RunLine {
    pub(super) board: Arc<Board>,
    pub(super) words: mpsc::UnboundedSender<Word>,
}

/// The desk of a queue that this process owns.
#[derive(Clone)]
pub struct LocalDesk {
    queue: Queue,
    dir: PathBuf,
    credentials: Arc<Mutex<Credentials>>,
    run: Option<RunLine>,
    /// It stands for another one: passwords are held, and not stored.
    is_rehearsal: bool,
}

impl LocalDesk {
    /// A desk over a queue in memory, which stands for the one in folder `dir` and has its passwords.
    ///
    /// # Errors
    /// When the passwords can't be read.
    pub async fn rehearsal(dir: &Path) -> Result<Self, DeskError> {
        let (folder, read) = (dir.to_owned(), dir.to_owned());
        let credentials = tokio::task::spawn_blocking(move || Credentials::load(&read)).await;
        let credentials = credentials.map_err(|e| DeskError::Storage(e.to_string()))??;
        Ok(Self { is_rehearsal: true, ..Self::new(Queue::in_memory(), folder, credentials) })
    }

    /// Takes in jobs of the queue that this one stands for.
    ///
    /// # Errors
    /// When the queue is closed.
    pub async fn restore(&self, jobs: Vec<Job>) -> Result<(), DeskError> {
        Ok(self.queue.restore(jobs).await?)
    }

    /// A desk over an open queue in folder `dir`.
    #[must_use]
    pub fn new(queue: Queue, dir: PathBuf, credentials: Credentials) -> Self {
        Self { queue, dir, credentials: Arc::new(Mutex::new(credentials)), run: None, is_rehearsal: false }
    }

    /// Closes the queue; everything is durable and the lock released when this returns.
    ///
    /// # Errors
    /// When the last changes can't be made durable.
    pub async fn close(self) -> Result<(), DeskError> {
        Ok(self.queue.close().await?)
    }

    pub(super) fn queue(&self) -> &Queue {
        &self.queue
    }

    pub(super) fn credentials(&self) -> Arc<Mutex<Credentials>> {
        Arc::clone(&self.credentials)
    }

    pub(super) fn with_run(mut self, run: RunLine) -> Self {
        self.run = Some(run);
        self
    }

    /// A password as it may be kept here.
    fn as_held(&self, given: Credential) -> Credential {
        Credential { stored: given.stored && !self.is_rehearsal, ..given }
    }

    fn tell(&self, word: Word) {
        if let Some(run) = &self.run {
            // A run that has just ended needs no telling.
            let _ = run.words.send(word);
        }
    }

    /// Shows a job that was taken beforehand, and is not worked on yet, as what it is to a person: queued.
    fn overlay(&self, mut job: Job) -> Job {
        if job.state == JobState::Running && !self.run.as_ref().is_some_and(|run| run.board.is_running(job.id)) {
            job.state = JobState::Queued;
        }
        job
    }

    async fn count(&self, selection: Selection) -> Result<Counts, DeskError> {
        let mut counts = self.queue.counts(selection.clone()).await?;
        if counts.running > 0 {
            let ids = self.run.as_ref().map(|run| run.board.running()).unwrap_or_default();
            let here = |id: &JobId| selection.ids.as_ref().is_none_or(|ids| ids.contains(*id));
            let running = (ids.iter().filter(|id| here(id)).count() as u64).min(counts.running);
            counts.queued += counts.running - running;
            counts.running = running;
        }
        Ok(counts)
    }

    /// Does something with the credential file; blocks for a moment.
    fn with_credentials<T>(
        &self,
        work: impl FnOnce(&mut Credentials) -> Result<T, QueueError>,
    ) -> Result<T, QueueError> {
        tokio::task::block_in_place(|| work(&mut self.credentials.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    async fn standings(&self, ids: Option<IdSet>) -> Result<Vec<AccountStanding>, DeskError> {
        let loads = self.queue.accounts(ids).await?;
        Ok(self.with_credentials(|credentials| {
            let standing = |kept: &Kept| KeptStanding {
                known: kept.password.is_some(),
                tls: kept.tls,
                refused_at: kept.refused_at,
            };
            let mut rest: BTreeMap<&str, &Kept> = credentials.entries().collect();
            let mut all = Vec::with_capacity(loads.len() + rest.len());
            for load in loads {
                let login = load.account.credential();
                rest.remove(login.as_str());
                let kept = credentials.get(&load.account).map(standing);
                let account = Some(load.account);
                all.push(AccountStanding { login, account, jobs: load.jobs, left: load.left, kept });
            }
            let bare = |(name, kept): (&str, &Kept)| {
                let (login, kept) = (name.to_owned(), Some(standing(kept)));
                AccountStanding { login, account: None, jobs: 0, left: 0, kept }
            };
            all.extend(rest.into_iter().map(bare));
            Ok(all)
        })?)
    }

    async fn drop_logins(&self, logins: Vec<String>, unused: bool) -> Result<Vec<String>, DeskError> {
        let mut named = logins;
        if unused {
            let used: HashSet<String> =
                self.queue.accounts(None).await?.into_iter().map(|load| load.account.credential()).collect();
            named.retain(|login| !used.contains(login));
        }
        Ok(self.with_credentials(|credentials| {
            let mut gone = Vec::new();
            for login in named {
                if credentials.remove(&login)? {
                    gone.push(login);
                }
            }
            Ok(gone)
        })?)
    }

    async fn report(&self) -> Result<StatusReport, DeskError> {
        let jobs = self.count(Selection::default()).await?;
        let hosts = self.queue.overview().await?.hosts;
        let run = self.run.as_ref().map(|run| run.board.snapshot());
        let pid = run.as_ref().map(|_| std::process::id());
        Ok(StatusReport { queue: self.dir.display().to_string(), jobs, hosts, run, pid })
    }
}

/// Deletes a local file of that length, and the folders that are empty then, up to the one that the user chose. Blocks for
/// a moment.
///
/// # Errors
/// When it is another file, or can't be deleted; the text says why.
pub fn remove_local(destination: &Destination, size: u64) -> Result<(), String> {
    remove_file(destination, size).map_err(|e| e.to_string())
}

/// Looks whether files can be moved from one local folder to another. Blocks for a moment.
///
/// # Errors
/// When that can't be done; the text says why.
pub fn check_backup_dir(from: &Path, dir: &Path) -> Result<(), String> {
    check_backup(from, dir).map_err(|e| e.to_string())
}

/// Moves a local file to the same path below another folder. Returns its path there. Blocks for a moment.
///
/// # Errors
/// When that can't be done; the text says why.
pub fn back_up_local(destination: &Destination, dir: &Path) -> Result<PathBuf, String> {
    move_to_backup(destination, dir).map_err(|e| e.to_string())
}

/// What is known of a queue that no process has open; nothing where it has to be opened to be known.
#[must_use]
pub fn peek(dir: &Path) -> Option<StatusReport> {
    // Who has it knows more; and what else is wrong shows when it is opened.
    let Overview { jobs, hosts } = Queue::peek(dir).ok().flatten()?;
    Some(StatusReport { queue: dir.display().to_string(), jobs, hosts, run: None, pid: None })
}

impl Desk for LocalDesk {
    fn intake(&self) -> Reply<'_, Box<dyn Intake>> {
        Box::pin(async move {
            let intake = self.queue.begin_add().await?;
            let desk = self.clone();
            Ok(Box::new(LocalIntake { desk, intake, passwords: HashMap::new() }) as Box<dyn Intake>)
        })
    }

    fn status(&self) -> Reply<'_, StatusReport> {
        Box::pin(self.report())
    }

    fn counts(&self, selection: Selection) -> Reply<'_, Counts> {
        Box::pin(self.count(selection))
    }

    fn list(&self, selection: Selection, after: Option<JobId>, limit: usize) -> Reply<'_, Vec<Job>> {
        Box::pin(async move {
            let wanted = selection.state;
            let jobs = self.queue.list(selection, after, limit).await?;
            let jobs = jobs.into_iter().map(|job| self.overlay(job));
            Ok(jobs.filter(|job| wanted.is_none_or(|state| state == job.state)).collect())
        })
    }

    fn show(&self, id: JobId) -> Reply<'_, Option<Job>> {
        Box::pin(async move { Ok(self.queue.get(id).await?.map(|job| self.overlay(job))) })
    }

    fn accounts(&self, ids: Option<IdSet>) -> Reply<'_, Vec<AccountStanding>> {
        Box::pin(self.standings(ids))
    }

    fn keep(&self, credential: Credential) -> Reply<'_, bool> {
        Box::pin(async move {
            let credential = self.as_held(credential);
            let changed = self.with_credentials(|credentials| store(credentials, &credential))?;
            if changed {
                self.tell(Word::NewLogin(credential.account.credential()));
            }
            Ok(changed)
        })
    }

    fn forget(&self, logins: Vec<String>, unused: bool) -> Reply<'_, Vec<String>> {
        Box::pin(self.drop_logins(logins, unused))
    }

    fn change(&self, selection: Selection, change: Change) -> Reply<'_, Changed> {
        Box::pin(async move {
            let changes = self.queue.change(selection, change).await?;
            if !changes.affected_running.is_empty() {
                self.tell(Word::Halt(changes.affected_running));
            }
            self.tell(Word::Poke);
            Ok(Changed { changed: changes.changed, refused: changes.refused })
        })
    }
}

/// Stores a password, or holds it. Returns whether anything changed.
fn store(credentials: &mut Credentials, given: &Credential) -> Result<bool, QueueError> {
    if given.stored {
        return credentials.put(&given.account, &given.secret, given.tls);
    }
    credentials.lend(&given.account, &given.secret, given.tls).map(|()| true)
}

/// Passwords kept of one intake: one for each account, and no manifest needs more accounts than this.
const ACCOUNTS: usize = 10_000;

struct LocalIntake {
    desk: LocalDesk,
    intake: crate::queue::Intake,
    passwords: HashMap<Account, Credential>,
}

impl Intake for LocalIntake {
    fn push(&mut self, jobs: Vec<JobSpec>) -> Reply<'_, ()> {
        Box::pin(async move { Ok(self.intake.push(jobs).await?) })
    }

    fn credential(&mut self, credential: Credential) -> Reply<'_, ()> {
        Box::pin(async move {
            if self.passwords.len() >= ACCOUNTS && !self.passwords.contains_key(&credential.account) {
                let text = format!("more than {ACCOUNTS} accounts with passwords in one manifest; split it");
                return Err(DeskError::Storage(text));
            }
            self.passwords.insert(credential.account.clone(), credential);
            Ok(())
        })
    }

    fn accept(self: Box<Self>) -> Reply<'static, Added> {
        Box::pin(async move {
            let Self { desk, intake, passwords } = *self;
            // Before the jobs: a job without its password would only fail.
            let changed = desk.with_credentials(|credentials| {
                let mut changed = Vec::new();
                // One that came for TLS stays so, even if the same login stands in an ftp:// URL of the list.
                let mut passwords: Vec<Credential> = passwords.into_values().map(|given| desk.as_held(given)).collect();
                passwords.sort_by_key(|given| given.tls);
                for given in &passwords {
                    if store(credentials, given)? {
                        changed.push(given.account.credential());
                    }
                }
                Ok(changed)
            })?;
            let accepted = intake.accept().await?;
            for name in changed {
                desk.tell(Word::NewLogin(name));
            }
            desk.tell(Word::Poke);
            let Accepted { new, known, corrected, again, without_mirrors, kept_settings } = accepted;
            Ok(Added { new, known, corrected, again, without_mirrors, kept_settings })
        })
    }
}

impl From<QueueError> for DeskError {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Clash(clash) => Self::DestinationTaken(clash),
            error @ QueueError::Contradiction(_) => Self::Contradiction(error.to_string()),
            error @ QueueError::Full { .. } => Self::StorageFull(error.to_string()),
            error => Self::Storage(error.to_string()),
        }
    }
}
