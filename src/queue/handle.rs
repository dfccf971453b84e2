//! The handle that the rest of the program holds, and the thread behind it.
//!
//! The thread takes requests in order, gathers what waits, makes it durable as one change, and only then answers.

use super::backend::Memory;
use super::books::Books;
use super::lock::Lock;
use super::open::Damage;
use super::{
    Accepted, AccountLoad, Changes, FolderNeed, GroupLoad, OpenReport, Overview, QueueError, files, open, overview,
};
use crate::model::{
    Account, Change, Claim, Counts, HostFacts, HostKey, IdSet, Job, JobId, JobSpec, JobState, Progress, Selection,
    Settlement,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Most requests, and most values, that become one change.
const GROUP: usize = 1024;

/// Most jobs of one [`Queue::list`].
const LIST: usize = 10_000;

/// How long more words of workers are waited for: so many times so long.
const MOMENTS: u32 = 5;
const MOMENT: Duration = Duration::from_millis(1);

type Answer = Box<dyn FnOnce(Result<(), QueueError>) + Send>;
type Work = Box<dyn FnOnce(&mut Books) -> Answer + Send>;

enum Request {
    Work(Work),
    /// A worker's word on its job: others are likely to follow at once, and one change for all costs least.
    Word(Work),
    Close(oneshot::Sender<Result<(), QueueError>>),
}

/// The queue. Clones share one store; a thread of its own does all the work.
#[derive(Clone)]
pub struct Queue {
    requests: Sender<Request>,
    intakes: Arc<Semaphore>,
    tokens: Arc<AtomicU64>,
}

/// An open intake. Dropping it takes nothing.
pub struct Intake {
    queue: Queue,
    token: u64,
    _turn: OwnedSemaphorePermit,
}

impl Queue {
    /// Opens the queue in that folder, which is made for its owner alone where it is missing. Blocks.
    ///
    /// # Errors
    /// When another process has it, a later version wrote it, or it can't be read, written or rebuilt.
    pub fn open(dir: &Path) -> Result<(Self, OpenReport), QueueError> {
        files::make_dir(dir)?;
        files::must_be_own(dir)?;
        let lock = Lock::take(dir)?;
        let opened = open::open(dir, Damage::Rebuild)?;
        let report = OpenReport { notices: opened.notices, rebuilt: opened.rebuilt };
        let queue = Self::start(opened.books, Some((dir.to_owned(), lock)))?;
        Ok((queue, report))
    }

    /// A queue that lasts as long as the process.
    ///
    /// # Panics
    /// When the system gives no thread.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a process that gets no thread can't go on")]
    pub fn in_memory() -> Self {
        let books = Books::new(Path::new("memory"), Box::new(Memory::default()), String::new());
        Self::start(books, None).expect("a thread for the queue")
    }

    fn start(books: Books, home: Option<(PathBuf, Lock)>) -> Result<Self, QueueError> {
        let (requests, inbox) = channel();
        let path = books.path.clone();
        std::thread::Builder::new()
            .name("queue".to_owned())
            .spawn(move || serve(books, home, &inbox))
            .map_err(|e| QueueError::io("starting a thread for", &path, &e))?;
        Ok(Self { requests, intakes: Arc::new(Semaphore::new(1)), tokens: Arc::new(AtomicU64::new(0)) })
    }

    /// Sends work to the thread, and returns what came of it once that is durable.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Books) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        self.request(Request::Work, work).await
    }

    async fn request<T: Send + 'static>(
        &self,
        kind: fn(Work) -> Request,
        work: impl FnOnce(&mut Books) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move |books| {
            let result = match &books.staged.failed {
                Some(error) => Err(error.clone()),
                None => work(books),
            };
            if let Err(error @ (QueueError::Damaged { .. } | QueueError::Full { .. } | QueueError::Io { .. })) = &result
                && books.staged() > 0
            {
                // Half a change must not be written along with others.
                books.staged.failed.get_or_insert_with(|| error.clone());
            }
            // Whoever went away has no use for the answer.
            Box::new(move |committed| drop(answer.send(committed.and(result))))
        });
        self.requests.send(kind(work)).map_err(|_| QueueError::Closed)?;
        answered.await.map_err(|_| QueueError::Closed)?
    }

    /// Begins an intake; one at a time, others wait.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn begin_add(&self) -> Result<Intake, QueueError> {
        let turn = self.turn().await?;
        let token = self.tokens.fetch_add(1, Ordering::Relaxed);
        self.ask(move |books| books.begin_intake(token)).await?;
        Ok(Intake { queue: self.clone(), token, _turn: turn })
    }

    /// The turn of whoever wants to take in jobs; while it lasts, others wait.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit, QueueError> {
        Arc::clone(&self.intakes).acquire_owned().await.map_err(|_| QueueError::Closed)
    }

    /// Has the thread do something that nobody waits for.
    pub(super) fn tell(&self, work: impl FnOnce(&mut Books) + Send + 'static) {
        let work: Work = Box::new(move |books| {
            work(books);
            Box::new(drop)
        });
        // A queue that is closed has nothing left to do.
        let _ = self.requests.send(Request::Work(work));
    }

    /// What can be claimed at `now` (seconds since 1970-01-01 UTC), account by account.
    ///
    /// # Errors
    /// When the queue is closed or broken.
    pub async fn groups(&self, only: Option<IdSet>, now: u64) -> Result<Vec<GroupLoad>, QueueError> {
        self.ask(move |books| Ok(books.groups(only.as_ref(), now))).await
    }

    /// Takes jobs of an account without mirrors in hand: queued ones, and waiting ones whose time has come. Long files are first, where
    /// their lengths were given; those of about one length, and all of less than 1 MiB or of unknown length, follow in
    /// the order of their numbers.
    ///
    /// Claims are not stored: after a crash these jobs are as they were. Await it to the end: claims that nobody
    /// takes stay running until the queue is opened again.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn claim(
        &self,
        account: &Account,
        max: usize,
        only: Option<IdSet>,
        now: u64,
    ) -> Result<Vec<Claim>, QueueError> {
        let account = account.clone();
        self.ask(move |books| books.claim((&account, false), max, only.as_ref(), now)).await
    }

    /// As [`Queue::claim`], for the account's jobs with mirrors.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn claim_mirrored(
        &self,
        account: &Account,
        max: usize,
        only: Option<IdSet>,
        now: u64,
    ) -> Result<Vec<Claim>, QueueError> {
        let account = account.clone();
        self.ask(move |books| books.claim((&account, true), max, only.as_ref(), now)).await
    }

    /// Takes claims back as they were, for jobs with which nothing can be done for now: nobody claims them before
    /// [`Queue::clear_shelf`]. Not stored.
    ///
    /// # Errors
    /// When the queue is closed or broken.
    pub async fn shelve(&self, claims: Vec<Claim>) -> Result<(), QueueError> {
        self.ask(move |books| {
            books.shelve(&claims);
            Ok(())
        })
        .await
    }

    /// Lets shelved jobs be claimed again.
    ///
    /// # Errors
    /// When the queue is closed or broken.
    pub async fn clear_shelf(&self) -> Result<(), QueueError> {
        self.ask(move |books| {
            books.shelved.clear();
            Ok(())
        })
        .await
    }

    /// Keeps how far an unfinished file has got; durable on return.
    ///
    /// # Errors
    /// When there is no such job, or it could not be made durable.
    pub async fn checkpoint(&self, id: JobId, progress: Progress) -> Result<(), QueueError> {
        self.ask(move |books| books.checkpoint(id, progress)).await
    }

    /// Takes a worker's last word, durably; returns the state after it: what a user paused or cancelled stays so.
    ///
    /// # Errors
    /// When it could not be made durable; the job is then as it was stored last.
    pub async fn settle(&self, claim: Claim, settlement: Settlement) -> Result<JobState, QueueError> {
        self.request(Request::Word, move |books| books.settle(&claim, settlement)).await
    }

    /// Changes the selected jobs. A large change is durable in parts, lowest numbers first.
    ///
    /// # Errors
    /// When it could not be made durable.
    pub async fn change(&self, selection: Selection, change: Change) -> Result<Changes, QueueError> {
        self.ask(move |books| {
            books.staged.is_last_word = true;
            books.change(&selection, change)
        })
        .await
    }

    /// How many of the selected jobs stand where. With an empty selection no job is looked at.
    ///
    /// # Errors
    /// When the queue is closed or broken.
    pub async fn counts(&self, selection: Selection) -> Result<Counts, QueueError> {
        self.ask(move |books| Ok(books.counts(&selection))).await
    }

    /// How the jobs stand, and the hosts.
    ///
    /// # Errors
    /// When the queue is closed or broken.
    pub async fn overview(&self) -> Result<Overview, QueueError> {
        self.ask(move |books| Ok(books.overview())).await
    }

    /// How things stood when the folder was last left in order, without opening the queue: no job is read, and no
    /// damage noticed. Nothing where that is not known. Blocks for a moment.
    ///
    /// # Errors
    /// When another process has the folder, or it can't be locked.
    pub fn peek(dir: &Path) -> Result<Option<Overview>, QueueError> {
        if overview::read(dir).is_none() {
            return Ok(None);
        }
        files::must_be_own(dir)?;
        let _lock = Lock::take(dir)?;
        Ok(overview::read(dir))
    }

    /// How many of these jobs, or of all, each account has; accounts without any are left out.
    ///
    /// # Errors
    /// When the queue is closed or broken.
    pub async fn accounts(&self, only: Option<IdSet>) -> Result<Vec<AccountLoad>, QueueError> {
        self.ask(move |books| Ok(books.accounts(only.as_ref()))).await
    }

    /// One job.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn get(&self, id: JobId) -> Result<Option<Job>, QueueError> {
        self.ask(move |books| books.job(id.0)).await
    }

    /// Selected jobs with a higher number than `after`, ascending, `limit` at most, and never more than 10,000; fewer where
    /// they are long. None means the end.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn list(&self, selection: Selection, after: Option<JobId>, limit: usize) -> Result<Vec<Job>, QueueError> {
        self.ask(move |books| books.list(selection, after, limit.min(LIST))).await
    }

    /// The highest number that was given to a job; nothing before the first.
    ///
    /// # Errors
    /// When the queue is closed or broken.
    pub async fn newest(&self) -> Result<Option<JobId>, QueueError> {
        self.ask(move |books| Ok(books.numbers.next_id.checked_sub(1).filter(|&id| id > 0).map(JobId))).await
    }

    /// What the jobs that a run would work on need of the disk, folder by folder.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn needs(&self, only: Option<IdSet>) -> Result<Vec<FolderNeed>, QueueError> {
        self.ask(move |books| books.needs(only.as_ref())).await
    }

    /// What was learned of a host.
    ///
    /// # Errors
    /// When the queue is closed or broken.
    pub async fn facts(&self, host: &HostKey) -> Result<Option<HostFacts>, QueueError> {
        let host = host.to_string();
        self.ask(move |books| Ok(books.facts.get(&host).cloned())).await
    }

    /// Keeps what was learned of a host; durable on return.
    ///
    /// # Errors
    /// When it could not be made durable.
    pub async fn set_facts(&self, host: HostKey, facts: HostFacts) -> Result<(), QueueError> {
        self.ask(move |books| books.stage_facts(&host.to_string(), facts)).await
    }

    /// What was learned of all hosts.
    ///
    /// # Errors
    /// When the queue is closed or broken.
    pub async fn all_facts(&self) -> Result<Vec<(HostKey, HostFacts)>, QueueError> {
        self.ask(move |books| {
            Ok(books
                .facts
                .iter()
                .filter_map(|(host, facts)| Some((overview::host_key(host)?, facts.clone())))
                .collect())
        })
        .await
    }

    /// Closes the queue for all its handles, once everything is durable and the folder is free for others.
    ///
    /// # Errors
    /// When something could not be made durable.
    pub async fn close(self) -> Result<(), QueueError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::Close(answer)).map_err(|_| QueueError::Closed)?;
        answered.await.map_err(|_| QueueError::Closed)?
    }
}

impl Intake {
    /// Hands jobs over. Their destinations are compared with all that are there.
    ///
    /// # Errors
    /// When another source has a destination, or the disk is full; the whole intake is then void.
    pub async fn push(&mut self, jobs: Vec<JobSpec>) -> Result<(), QueueError> {
        let token = self.token;
        self.queue.ask(move |books| books.push(token, jobs)).await
    }

    /// Accepts all jobs handed over; they are durable when this returns.
    ///
    /// # Errors
    /// When they could not be made durable.
    pub async fn accept(self) -> Result<Accepted, QueueError> {
        let token = self.token;
        let accept = move |books: &mut Books| {
            books.staged.is_last_word = true;
            books.accept(token)
        };
        self.queue.ask(accept).await
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        let token = self.token;
        // Nothing is lost when it can't be dropped now: what isn't published is removed when the queue is opened.
        let work: Work = Box::new(move |books| {
            let _ = books.abandon_intake(token);
            Box::new(drop)
        });
        let _ = self.queue.requests.send(Request::Work(work));
    }
}

/// Serves requests until the queue is closed or all handles are gone.
fn serve(mut books: Books, home: Option<(PathBuf, Lock)>, inbox: &Receiver<Request>) {
    // Words of workers in the last change.
    let mut words = 0;
    while let Ok(first) = inbox.recv() {
        if let (Some(error), Some((dir, _))) = (books.staged.failed.clone(), &home) {
            books = reopen(books, dir, &error);
        }
        let mut answers: Vec<Answer> = Vec::new();
        let mut closing = None;
        let mut waiting = gather(first, words > 1, inbox).into_iter();
        words = 0;
        let mut next = waiting.next();
        while let Some(request) = next {
            words += usize::from(matches!(request, Request::Word(_)));
            match request {
                Request::Work(work) | Request::Word(work) => answers.push(work(&mut books)),
                Request::Close(answer) => {
                    closing = Some(answer);
                    break;
                }
            }
            let is_full = answers.len() >= GROUP || books.staged() >= GROUP;
            // What was gathered is taken whole: it can't be put back.
            next = waiting.next().or_else(|| if is_full { None } else { inbox.try_recv().ok() });
        }
        let result = books.commit();
        if result.is_ok() && (std::mem::take(&mut books.staged.is_last_word) || closing.is_some()) {
            books.write_overview();
        }
        for answer in answers {
            answer(result.clone());
        }
        if let Some(answer) = closing {
            drop(books);
            drop(home);
            // Whoever went away has no use for the answer.
            let _ = answer.send(result);
            return;
        }
    }
}

/// The first request, and what comes in the next moments: where several workers had their word in the last change, more
/// are about to, and each change costs syncs. Whoever asks for anything else is not kept waiting.
fn gather(first: Request, crowded: bool, inbox: &Receiver<Request>) -> Vec<Request> {
    let mut requests = vec![first];
    let patient = |requests: &[Request]| requests.iter().all(|request| matches!(request, Request::Word(_)));
    for _ in 0..MOMENTS {
        if !crowded || !patient(&requests) || requests.len() >= GROUP / 2 {
            break;
        }
        std::thread::sleep(MOMENT);
        requests.extend(inbox.try_iter().take(GROUP / 2));
    }
    requests
}

/// Opens the folder again after a full disk or another error of the system, which sled can't get over by itself.
/// Damage is left to the next process, which rebuilds the queue and says so.
fn reopen(books: Books, dir: &Path, error: &QueueError) -> Books {
    if !matches!(error, QueueError::Full { .. } | QueueError::Io { .. }) {
        return books;
    }
    let held = books.held.clone();
    drop(books);
    match open::open(dir, Damage::Refuse) {
        Ok(opened) => {
            let mut books = opened.books;
            books.held = held;
            books
        }
        // Damage has to be mended and said: the next process does both.
        Err(error) => broken(dir, error),
    }
}

fn broken(dir: &Path, error: QueueError) -> Books {
    let mut books = Books::new(dir, Box::new(Memory::default()), String::new());
    books.staged.failed = Some(error);
    books
}
