//! One claim in a worker's hands: sign in, fetch, settle, report.

use super::assist::{Helped, Offer};
use super::board::Shown;
use super::clock;
use super::expand::Found;
use super::lanes::Track;
use super::logins::SignedIn;
use super::settle::{Chosen, Fate, Moment, fate, is_untrusted, not_signed_in, retry_at, verdict};
use super::{Board, Observer};
use crate::ftp::SessionOptions;
use crate::model::{
    Account, Attempt, Cause, Claim, Destination, Event, Failure, Job, JobId, JobState, Progress, Receipt, RemotePath,
    Settings, Settlement, Source,
};
use crate::queue::{Queue, QueueError, Reading};
use crate::transfer::{
    Bounds, End, Fetched, Findings, Finisher, Gauge, Link, Report, Split, Started, Stop, Survey, Task, failpoint, fetch,
};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OnceCell, mpsc};
use tokio::time::{Duration, Instant};

/// What all workers share.
pub(super) struct Shop {
    pub(super) queue: Queue,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) board: Arc<Board>,
    pub(super) boot_id: String,
    /// Where nothing more is put in this run.
    pub(super) blocked: Mutex<HashSet<Blocked>>,
    pub(super) finisher: Finisher,
    pub(super) findings: Findings,
    /// What each command's folders gave so far.
    pub(super) bounds: Bounds,
    pub(super) words: mpsc::UnboundedSender<Word>,
    /// What is seen of folders, where anybody wants to know.
    pub(super) survey: Option<Arc<Survey>>,
    /// Where files go that were changed here and are replaced.
    pub(super) backup_dir: Option<PathBuf>,
    /// Held from the first folder on that is read, to the end of the run.
    pub(super) reading: OnceCell<Reading>,
}

/// Where local storage takes nothing more in this run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Blocked {
    /// A file system by its number: it is full.
    Device(u64),
    /// A folder: it can't be written.
    Folder(PathBuf),
    /// The folder of backups, for files of this folder: what needs none is put there all the same.
    Backup(PathBuf),
}

impl Blocked {
    /// What a failure says of other files than the one it met; nothing where it is that file's alone.
    fn by(failure: &Failure, device: Option<u64>, destination: &Destination) -> Option<Self> {
        match failure.cause {
            Cause::DiskFull => device.map(Self::Device),
            Cause::ReadOnly => Some(Self::Folder(folder_of(destination))),
            Cause::Backup => Some(Self::Backup(folder_of(destination))),
            _ => None,
        }
    }
}

/// The folder that a file goes to.
fn folder_of(destination: &Destination) -> PathBuf {
    destination.full().parent().map(Path::to_owned).unwrap_or_default()
}

/// What the dispatcher is told.
pub(super) enum Word {
    /// A worker signed in with a new session.
    SignedIn(Box<SignedIn>),
    /// A worker has all bytes of a file and gives its session back; the file is still to be put away.
    Freed(Box<Freed>),
    /// A worker is through with a job.
    Ended(Box<Ended>),
    /// Jobs were added or changed.
    Poke,
    /// There is a new password for the accounts of this name.
    NewLogin(String),
    /// These jobs were paused or cancelled while they ran.
    Halt(Vec<JobId>),
    /// The worker of this job broke down.
    Crashed(Account, JobId),
    /// A file under way can be shared with further sessions.
    Offered(Box<Offer>),
    /// A helper is through.
    Helped(Box<Helped>),
    /// A helper broke down.
    HelperLost(u64),
    /// What waited to be asked about once more was asked over this link.
    Rechecked(Box<Link>),
    /// A session broke down over its questions.
    RecheckLost(Account),
    /// A folder gave these jobs.
    Found(Box<Found>),
    /// Jobs of the track were taken beforehand; so many were asked for.
    Claimed { track: Track, asked: usize, claims: Result<Vec<Claim>, QueueError> },
}

/// What a worker works with.
pub(super) struct Desk {
    pub(super) link: Link,
    /// How its connections are to be made from now on.
    pub(super) options: SessionOptions,
    /// The link's session stood already, and counts as signed in.
    pub(super) reused: bool,
    /// Which of the job's sources it goes to: one of the link's account.
    pub(super) chosen: Chosen,
    pub(super) settings: Settings,
    /// Counts the bytes of the host.
    pub(super) bytes: Arc<AtomicU64>,
    pub(super) stop: Stop,
    /// Files that come next and were finished before.
    pub(super) next: Vec<RemotePath>,
}

/// A link that its worker needs no more.
pub(super) struct Freed {
    pub(super) account: Account,
    pub(super) job: JobId,
    /// The link, to be used again if its session stands.
    pub(super) link: Link,
    /// Whether a session was signed in, so that it counts against the host's budget.
    pub(super) signed_in: bool,
}

/// The end of a worker's turn.
pub(super) struct Ended {
    pub(super) account: Account,
    pub(super) job: JobId,
    /// The link, where it was not given back before.
    pub(super) freed: Option<Freed>,
    /// Bytes that came, and the time they took, where mirrors are chosen by that.
    pub(super) sample: Option<(u64, Duration)>,
    pub(super) upshot: Upshot,
    /// It was a folder, and is not counted among the files.
    pub(super) is_folder: bool,
}

/// What the end of a turn means to the dispatcher.
pub(super) enum Upshot {
    /// The file is whole.
    Done,
    /// The job was given up.
    Failed(Failure),
    /// It is to be tried again, or was put back.
    Left,
    /// The host can't be reached; the claim is handed back unsettled.
    HostTrouble { claim: Box<Claim>, attempt: Box<Attempt>, progress: Option<Progress>, failure: Failure },
    /// The host takes no more connections, or no more transfers.
    TooMany { failure: Failure, given_up: bool },
    /// The server refuses the account.
    LoginRefused { failure: Failure, given_up: bool },
    /// The server refused a password in whose place another was given meanwhile.
    LoginOutdated { failure: Failure, given_up: bool },
    /// There is no TLS with the server, or not with the one it should be.
    Untrusted { failure: Failure, given_up: bool },
    /// Local storage refuses; the claim is handed back unsettled.
    HeldBack { claim: Box<Claim>, blocked: Option<Blocked>, failure: Failure },
    /// Too many files and sockets are open; the job was put back.
    NoDescriptors(Failure),
    /// The queue can't be written.
    QueueBroken(QueueError),
}

impl Shop {
    /// Why nothing more is put into a folder on that device; nothing where it may be.
    fn held_back(&self, device: u64, destination: &Destination) -> Option<Cause> {
        let blocked = self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        if blocked.is_empty() {
            None
        } else if blocked.contains(&Blocked::Device(device)) {
            Some(Cause::DiskFull)
        } else {
            blocked.contains(&Blocked::Folder(folder_of(destination))).then_some(Cause::ReadOnly)
        }
    }

    /// Has the queue keep the destinations of its jobs, for as long as this run lasts.
    pub(super) async fn keep_names(&self) -> Result<(), QueueError> {
        self.reading.get_or_try_init(|| self.queue.read_folders()).await.map(|_| ())
    }

    /// Notes where nothing more is to be put. Returns whether that is news.
    pub(super) fn note_blocked(&self, blocked: Blocked) -> bool {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner).insert(blocked)
    }

    /// Tells everybody that a job failed, for now or for good.
    pub(super) fn announce(
        &self,
        job: &Job,
        source: &Source,
        state: JobState,
        failure: &Failure,
        retry_at: Option<u64>,
    ) {
        let (source, failure) = (source.clone(), failure.clone());
        match (state, retry_at) {
            (JobState::Waiting | JobState::Queued, Some(at)) if job.spec.is_mirrored() && at <= clock::now() => {
                self.observer.event(&Event::Switched { job: job.id, source, failure });
            }
            (JobState::Waiting | JobState::Queued, Some(at)) => {
                let seconds = at.saturating_sub(clock::now());
                self.observer.event(&Event::Retrying { job: job.id, source, failure, seconds });
            }
            (JobState::Failed, _) => {
                if job.spec.folder.is_none() {
                    self.board.count_failed();
                }
                let destination = job.spec.destination.clone();
                self.observer.event(&Event::Failed { job: job.id, source, destination, failure });
            }
            _ => {}
        }
    }

    /// Works on one claim and tells the dispatcher how it ended.
    pub(super) async fn work(self: Arc<Self>, claim: Claim, desk: Desk) {
        let Desk { mut link, options, reused, chosen, settings, bytes, stop, next } = desk;
        link.change_options(options).await;
        let account = link.dial().account.clone();
        let (job, is_folder) = (claim.job().id, claim.job().spec.folder.is_some());
        let watch = Watch { shop: &self, worker: Some((account, job)) };
        let (settings, link) = (&settings, Some(link));
        let mut turn =
            Turn { shop: &self, settings, chosen: &chosen, next, link, bytes, stop, signed_in: reused, sample: None };
        let upshot = turn.take(claim).await;
        let Some((account, job)) = watch.worker_is_well() else { return };
        let ended = Ended { freed: turn.freed(job), sample: turn.sample, account, job, upshot, is_folder };
        // Nobody listens any more only when the run is over and the process ends.
        let _ = self.words.send(Word::Ended(Box::new(ended)));
    }
}

/// Tells the dispatcher if a worker breaks down.
struct Watch<'a> {
    shop: &'a Shop,
    worker: Option<(Account, JobId)>,
}

impl Watch<'_> {
    /// Ends the watch.
    fn worker_is_well(mut self) -> Option<(Account, JobId)> {
        self.worker.take()
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some((account, job)) = self.worker.take() {
            // Nobody listens any more only when the run is over and the process ends.
            let _ = self.shop.words.send(Word::Crashed(account, job));
        }
    }
}

/// A worker's turn with one claim.
pub(super) struct Turn<'a> {
    pub(super) shop: &'a Arc<Shop>,
    settings: &'a Settings,
    chosen: &'a Chosen,
    next: Vec<RemotePath>,
    /// The link, until it is given back.
    pub(super) link: Option<Link>,
    bytes: Arc<AtomicU64>,
    pub(super) stop: Stop,
    signed_in: bool,
    /// Bytes that came, and the time they took.
    sample: Option<(u64, Duration)>,
}

impl Turn<'_> {
    /// The link, to be given back.
    fn freed(&mut self, job: JobId) -> Option<Freed> {
        let link = self.link.take()?;
        Some(Freed { account: link.dial().account.clone(), job, link, signed_in: self.signed_in })
    }

    async fn take(&mut self, claim: Claim) -> Upshot {
        let spec = &claim.job().spec;
        let rules = spec.folder.clone();
        let name = match &rules {
            Some(_) => spec.source.to_string(),
            None => spec.destination.path().file_name().to_owned(),
        };
        let gauge = Gauge::new(claim.job().id, name, spec.expect.size, Arc::clone(&self.bytes));
        let gauge = Arc::new(gauge);
        let mut shown = Some(self.shop.board.show(Arc::clone(&gauge)));
        let (started, begun) = (clock::now(), Instant::now());
        let report = match rules {
            None => self.attempt(claim.job(), &gauge, &mut shown).await,
            Some(rules) => match self.expand(claim.job(), &rules, &gauge).await {
                Ok(report) => report,
                Err(error) => return Upshot::QueueBroken(error),
            },
        };
        drop(shown);
        self.sample = claim.job().spec.is_mirrored().then(|| (report.fetched, begun.elapsed()));
        let retries = self.settings.retries.unwrap_or(0);
        let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let moment = Moment { started, now: clock::now(), millis, dice: clock::dice(), retries };
        match fate(claim.job(), self.chosen, &report, moment) {
            Fate::Settle(settlement) => self.settle(claim, *settlement, report, begun).await,
            Fate::Park(progress) => self.park(claim, progress, report).await,
            Fate::Host(attempt) => {
                let End::Failed(failure) = report.end else { return Upshot::Left };
                let (claim, attempt) = (Box::new(claim), Box::new(attempt));
                Upshot::HostTrouble { claim, attempt, progress: report.progress, failure }
            }
        }
    }

    async fn attempt(&mut self, job: &Job, gauge: &Arc<Gauge>, shown: &mut Option<Shown>) -> Report {
        if let Err(report) = self.sign_in(job).await {
            return report;
        }
        let Some(mut link) = self.link.take() else { return not_signed_in(job, stopped()) };
        let tell = |started: Started| {
            self.shop.observer.event(&Event::Started {
                job: job.id,
                source: self.chosen.source.clone(),
                destination: job.spec.destination.clone(),
                size: started.size,
                from: started.from,
                why: started.why,
            });
        };
        let account = link.dial().account.clone();
        let offer = |split: &Arc<Split>| {
            let offer = Offer::new(job.id, &account, split, self.settings);
            let _ = self.shop.words.send(Word::Offered(Box::new(offer)));
        };
        let task = Task {
            job,
            source: &self.chosen.source,
            next: &self.next,
            settings: self.settings,
            backup_dir: self.shop.backup_dir.as_deref(),
            queue: &self.shop.queue,
            finisher: &self.shop.finisher,
            gauge,
            boot_id: &self.shop.boot_id,
            stop: self.stop.clone(),
            started: &tell,
            kept: &|kept| self.tell_of_kept(job, kept),
            findings: &self.shop.findings,
            offer: &offer,
            held_back: &|device| self.shop.held_back(device, &job.spec.destination),
            now: clock::now,
            below: clock::below,
        };
        let fetched = fetch(&task, &mut link).await;
        let account = link.dial().account.clone();
        let freed = Freed { account, job: job.id, link, signed_in: self.signed_in };
        match fetched {
            Fetched::Ended(report) => {
                if matches!(report.end, End::Unchanged { .. }) {
                    // The session goes on with the next question while this answer is made durable.
                    let _ = self.shop.words.send(Word::Freed(Box::new(freed)));
                } else {
                    self.link = Some(freed.link);
                }
                *report
            }
            Fetched::Whole(whole) => {
                // The session goes on with the next file while this one is put away.
                let _ = self.shop.words.send(Word::Freed(Box::new(freed)));
                if whole.is_small() {
                    *shown = None;
                }
                whole.put_away().await
            }
        }
    }

    /// Sees to it that the link's session stands; otherwise returns what there is to tell.
    pub(super) async fn sign_in(&mut self, job: &Job) -> Result<(), Report> {
        let Some(link) = self.link.as_mut() else { return Ok(()) };
        if link.is_usable() {
            return Ok(());
        }
        let mut stop = self.stop.clone();
        let signed_in = tokio::select! {
            biased;
            _ = stop.wait_for(|&stop| stop) => None,
            result = link.session() => Some(result.map(|_| ())),
        };
        match signed_in {
            None => Err(Report { end: End::Stopped, ..not_signed_in(job, stopped()) }),
            // The job had no part in it.
            Some(Err(failure)) if link.is_turned_away() => {
                Err(Report { end: End::Stopped, ..not_signed_in(job, failure) })
            }
            Some(Err(failure)) => Err(not_signed_in(job, remarked(failure, link))),
            // One that stood before and was closed by the server is counted already.
            Some(Ok(())) if self.signed_in => Ok(()),
            Some(Ok(())) => {
                self.signed_in = true;
                let _ = self.shop.words.send(Word::SignedIn(Box::new(SignedIn::over(link))));
                Ok(())
            }
        }
    }

    fn tell_of_kept(&self, job: &Job, kept: &str) {
        let destination = &job.spec.destination;
        let text = format!("{destination}: what was changed here is kept as {kept}; the server's file takes its place");
        self.shop.observer.event(&Event::Notice { text });
    }

    async fn settle(&self, claim: Claim, settlement: Settlement, report: Report, begun: Instant) -> Upshot {
        failpoint("engine-before-settle");
        let job = claim.job().clone();
        let (retry_at, told) = (retry_at(&settlement), verdict(&settlement, &job));
        let state = match self.shop.queue.settle(claim, settlement).await {
            Ok(state) => state,
            Err(error) => return Upshot::QueueBroken(error),
        };
        failpoint("engine-settled");
        if state == JobState::Queued && !matches!(report.end, End::Stopped | End::Failed(_)) {
            // A list said something else of it meanwhile: it is looked at once more.
            return Upshot::Left;
        }
        let (receipt, unchanged) = match report.end {
            End::Completed(receipt) if receipt.folder.is_some() => {
                if let Some(note) = receipt.note {
                    self.shop.observer.event(&Event::Notice { text: format!("{}: {note}", job.spec.source) });
                }
                return Upshot::Done;
            }
            End::Completed(receipt) => (*receipt, None),
            End::Unchanged { receipt, same } => (Receipt { fetched: 0, note: report.note, ..*receipt }, same),
            End::Stopped => return Upshot::Left,
            End::Failed(failure) => {
                let told = told.as_ref().unwrap_or(&failure);
                self.shop.announce(&job, &self.chosen.source, state, told, retry_at);
                return upshot(state, failure);
            }
        };
        self.shop.board.count_done(&receipt);
        self.shop.observer.event(&Event::Done {
            job: job.id,
            source: self.chosen.source.clone(),
            destination: job.spec.destination,
            size: receipt.size,
            fetched: receipt.fetched,
            seconds: begun.elapsed().as_secs_f64(),
            checksum: receipt.checksum,
            note: receipt.note,
            unchanged,
        });
        Upshot::Done
    }

    async fn park(&self, claim: Claim, progress: Option<Progress>, report: Report) -> Upshot {
        let End::Failed(failure) = report.end else { return Upshot::Left };
        if let Some(progress) = progress
            && let Err(error) = self.shop.queue.checkpoint(claim.job().id, progress).await
        {
            return Upshot::QueueBroken(error);
        }
        let blocked = Blocked::by(&failure, report.device, &claim.job().spec.destination);
        Upshot::HeldBack { claim: Box::new(claim), blocked, failure }
    }
}

fn upshot(state: JobState, failure: Failure) -> Upshot {
    // One with mirrors may go on.
    let given_up = matches!(state, JobState::Failed | JobState::Cancelled);
    match failure.cause {
        Cause::Descriptors => Upshot::NoDescriptors(failure),
        Cause::TooManyConnections => Upshot::TooMany { failure, given_up: state == JobState::Failed },
        Cause::LoginRefused => Upshot::LoginRefused { failure, given_up },
        _ if is_untrusted(&failure) => Upshot::Untrusted { failure, given_up },
        _ if state == JobState::Failed => Upshot::Failed(failure),
        _ => Upshot::Left,
    }
}

/// A refusal with what else is known of the password that was refused.
fn remarked(mut failure: Failure, link: &Link) -> Failure {
    if let (Cause::LoginRefused, Some(remark)) = (failure.cause, &link.dial().login.remark) {
        failure.advice = Some(failure.advice.map_or_else(|| remark.clone(), |advice| format!("{advice}; {remark}")));
    }
    failure
}

pub(super) fn stopped() -> Failure {
    Failure::transient(crate::model::Stage::Connect, Cause::Disconnected, "stopped")
}
