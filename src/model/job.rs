//! Jobs, their states, and the moves between them.

use super::{
    Checksum, Destination, Failure, Folder, FolderTally, IdSet, Identity, JobId, JobState, Listed, Move, PieceDigests,
    Progress, Proof, Settings, Source,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is known beforehand of a file's content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Expectation {
    /// Length in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Digest of the whole file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
    /// Digests of its pieces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pieces: Option<Box<PieceDigests>>,
}

/// Another place with the same file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mirror {
    /// The remote file there.
    pub source: Source,
    /// Mirrors with a lower number are tried first, as in Metalink (RFC 5854, section 4.2.16.2); those of one number, and
    /// the job's own source, which stands for 1, in the order of what was learned of them.
    pub priority: u32,
}

impl Mirror {
    /// The priority of a job's own source.
    pub const OWN: u32 = 1;
}

/// What is asked for: one remote file in one local place. Never holds a password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobSpec {
    /// The remote file; the folder, where it is a folder's job.
    pub source: Source,
    /// Other places with the same file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<Mirror>,
    /// The local file; of a folder's job, the folder.
    pub destination: Destination,
    /// What is known of the content.
    #[serde(default)]
    pub expect: Expectation,
    /// Settings of this job alone.
    #[serde(default, skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
    /// The rules by which a folder's files become jobs; only a folder's job has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<Box<Folder>>,
    /// What the folder's listing said of the file, where it came from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<Listed>,
}

impl JobSpec {
    /// A file of which nothing more is known.
    #[must_use]
    pub fn new(source: Source, destination: Destination) -> Self {
        Self {
            source,
            mirrors: Vec::new(),
            destination,
            expect: Expectation::default(),
            settings: Settings::default(),
            folder: None,
            listed: None,
        }
    }

    /// Every place to get the file from, with its priority: the job's own source first, then its mirrors.
    pub fn sources(&self) -> impl Iterator<Item = (u32, &Source)> {
        let own = std::iter::once((Mirror::OWN, &self.source));
        own.chain(self.mirrors.iter().map(|mirror| (mirror.priority, &mirror.source)))
    }

    /// Whether the file can be had from more than one place.
    #[must_use]
    pub fn is_mirrored(&self) -> bool {
        !self.mirrors.is_empty()
    }

    /// Length in bytes, as the list or a listing has it: a hint.
    #[must_use]
    pub fn likely_size(&self) -> Option<u64> {
        self.expect.size.or_else(|| self.listed.as_ref()?.size)
    }
}

/// Two sources that want the same local file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{destination} is already the destination of {known} (job {job}); it can't be that of {refused} too")]
pub struct Clash {
    /// The place both want.
    pub destination: Destination,
    /// The job that has it.
    pub job: JobId,
    /// Its source.
    pub known: Source,
    /// The source that was to be added.
    pub refused: Source,
}

/// Proof that a file is whole and stands under its final name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// Length of the file in bytes.
    pub size: u64,
    /// Bytes that came over the network in the attempt that finished it; 0 for a file that was there already.
    pub fetched: u64,
    /// What the server said of the file.
    pub identity: Identity,
    /// Where it came from, where the job has mirrors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// How it was proved; absent in receipts of versions that did not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// Digests that were computed of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub digests: Vec<Checksum>,
    /// Attempts it took.
    #[serde(default)]
    pub attempts: u32,
    /// Bytes that came over the network in all attempts.
    #[serde(default)]
    pub fetched_in_all: u64,
    /// Milliseconds that all attempts took.
    #[serde(default)]
    pub millis: u64,
    /// What became of a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<Box<FolderTally>>,
    /// The checksum that was given and matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
    /// What is worth knowing: how it was finished without a download, what could not be confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When it was finished, in seconds since 1970-01-01 UTC.
    pub finished_at: u64,
}

impl Receipt {
    /// How the file was proved. Receipts of versions that did not tell are judged by what they hold.
    #[must_use]
    pub fn proved_by(&self) -> Proof {
        match (&self.proof, &self.checksum) {
            (Some(proof), _) => proof.clone(),
            (None, Some(_)) => Proof::Manifest,
            (None, None) => Proof::Size,
        }
    }

    /// All digests that are known of the file, the one that was given first; one an algorithm.
    pub fn known_digests(&self) -> impl Iterator<Item = &Checksum> {
        let given = self.checksum.as_ref();
        let other = move |sum: &&Checksum| given.is_none_or(|given| given.algorithm() != sum.algorithm());
        given.into_iter().chain(self.digests.iter().filter(other))
    }
}

/// One try at a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attempt {
    /// When it began, in seconds since 1970-01-01 UTC.
    pub started_at: u64,
    /// When it ended.
    pub ended_at: u64,
    /// Offset in bytes it began at.
    pub from: u64,
    /// Bytes it got over the network, those of the overlap included.
    pub fetched: u64,
    /// Bytes by which it brought the file further.
    #[serde(default)]
    pub gained: u64,
    /// Milliseconds it took by a clock that nobody sets; 0 in attempts of versions that did not tell.
    #[serde(default)]
    pub millis: u64,
    /// Why it began where it began, where that needs a reason: a restart, an overlap that differed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Why it failed; nothing when it finished the file or was stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Where it got the file from, where the job has mirrors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Box<Source>>,
}

/// How one of several sources of a job failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceTrouble {
    /// The source.
    pub source: Source,
    /// Attempts in a row that failed with it; no more than one once any source brought the file further since.
    pub failures: u32,
    /// The last failure.
    pub failure: Failure,
}

impl Attempt {
    /// What an attempt has to gain more than, in bytes, to count as progress: what one resume costs in overlap. A server that hands out less
    /// on each connection would otherwise be tried for ever.
    pub const LEAST_GAIN: u64 = 16 * 1024;

    /// Whether the attempt brought the file far enough to begin counting failures anew.
    #[must_use]
    pub fn is_fruitful(&self) -> bool {
        self.gained > Self::LEAST_GAIN
    }

    /// Milliseconds it took, by the time of day where that is all that is known.
    #[must_use]
    pub fn took(&self) -> u64 {
        if self.millis > 0 { self.millis } else { self.ended_at.saturating_sub(self.started_at).saturating_mul(1000) }
    }
}

/// What happened to a job so far. A job that was never touched has none stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobRecord {
    /// Attempts in a row that failed without bringing the file further.
    #[serde(default)]
    pub fruitless: u32,
    /// All attempts that were made.
    #[serde(default)]
    pub attempts: u32,
    /// A waiting job is not tried before this time, in seconds since 1970-01-01 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<u64>,
    /// The unfinished file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// The last failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Bytes that came over the network in all attempts, and the milliseconds these took.
    #[serde(default)]
    pub fetched: u64,
    /// Milliseconds that all attempts took.
    #[serde(default)]
    pub millis: u64,
    /// What the latest listing said of the file, where that is not what the job was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<Listed>,
    /// How its sources failed, where it has mirrors: one entry each at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<SourceTrouble>,
    /// The rules of a folder as they were asked for last, where those are not the ones the job was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<Box<Folder>>,
    /// Proof of success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// The last attempts, oldest first, [`JobRecord::HISTORY`] at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Attempt>,
}

impl JobRecord {
    /// Attempts whose story is kept.
    pub const HISTORY: usize = 20;

    /// Puts an attempt at the end of the history, adds it to the totals, and drops the oldest beyond the bound.
    pub fn remember(&mut self, attempt: Attempt) {
        if self.fetched == 0 && self.millis == 0 {
            // A record of a version without totals: what its history tells is all that is known.
            self.fetched = self.history.iter().map(|past| past.fetched).fold(0, u64::saturating_add);
            self.millis = self.history.iter().map(Attempt::took).fold(0, u64::saturating_add);
        }
        self.fetched = self.fetched.saturating_add(attempt.fetched);
        self.millis = self.millis.saturating_add(attempt.took());
        self.attempts = self.attempts.saturating_add(1);
        self.history.push(attempt);
        let surplus = self.history.len().saturating_sub(Self::HISTORY);
        self.history.drain(..surplus);
    }
}

/// A job with its state and story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// Where it stands.
    pub state: JobState,
    /// What is asked for.
    #[serde(flatten)]
    pub spec: JobSpec,
    /// What happened so far.
    #[serde(flatten)]
    pub record: JobRecord,
}

/// A job in a worker's hands. It moves, can't be copied, and has to be settled.
#[derive(Debug)]
#[must_use = "a claimed job has to be settled"]
pub struct Claim {
    job: Job,
}

impl Claim {
    /// Takes the job in hand; for queues alone.
    pub fn new(job: Job) -> Self {
        Self { job }
    }

    /// The job as it was when it was claimed.
    #[must_use]
    pub fn job(&self) -> &Job {
        &self.job
    }
}

/// A worker's last word on a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// The whole file stands under its final name.
    Done {
        /// Proof.
        receipt: Receipt,
        /// The attempt's story.
        attempt: Attempt,
    },
    /// Try again, not before a time in seconds since 1970-01-01 UTC.
    RetryAt {
        /// Seconds since 1970-01-01 UTC.
        at: u64,
        /// The attempt's story, with its failure.
        attempt: Attempt,
        /// What is kept of the file.
        progress: Option<Progress>,
    },
    /// Put back as it was; the attempt doesn't count against the job.
    Release {
        /// The attempt's story, where there was one.
        attempt: Option<Attempt>,
        /// What is kept of the file; `None` leaves the stored progress as it is.
        progress: Option<Progress>,
    },
    /// Give up.
    GiveUp {
        /// The attempt's story, with its failure.
        attempt: Attempt,
        /// What is kept of the file.
        progress: Option<Progress>,
    },
}

impl Settlement {
    /// The move that this settlement is.
    #[must_use]
    pub fn as_move(&self) -> Move {
        match self {
            Self::Done { .. } => Move::Complete,
            Self::RetryAt { .. } => Move::Defer,
            Self::Release { .. } => Move::Release,
            Self::GiveUp { .. } => Move::GiveUp,
        }
    }

    /// Writes the settlement into the job's record; the one rule for every backend.
    pub fn write_to(self, record: &mut JobRecord) {
        record.not_before = None;
        match self {
            Self::Done { receipt, attempt } => {
                record.remember(attempt);
                record.fruitless = 0;
                record.progress = None;
                record.failure = None;
                let (attempts, fetched_in_all, millis) = (record.attempts, record.fetched, record.millis);
                record.troubles.clear();
                record.receipt = Some(Receipt { attempts, fetched_in_all, millis, ..receipt });
            }
            Self::RetryAt { at, attempt, progress } => {
                record.note_failure(attempt, progress);
                record.not_before = Some(at);
            }
            Self::GiveUp { attempt, progress } => {
                record.note_failure(attempt, progress);
                record.failure = record.verdict();
            }
            Self::Release { attempt, progress } => {
                if let Some(attempt) = attempt {
                    record.remember(attempt);
                }
                if progress.is_some() {
                    record.progress = progress;
                }
            }
        }
    }
}

impl JobRecord {
    /// What is known of a source's failures.
    #[must_use]
    pub fn trouble(&self, source: &Source) -> Option<&SourceTrouble> {
        self.troubles.iter().find(|trouble| trouble.source == *source)
    }

    /// Writes down by which source an attempt failed.
    pub fn note_trouble(&mut self, attempt: &Attempt) {
        let (Some(source), Some(failure)) = (&attempt.source, &attempt.failure) else { return };
        if attempt.is_fruitful() {
            for trouble in &mut self.troubles {
                trouble.failures = trouble.failures.min(1);
            }
        }
        if let Some(trouble) = self.troubles.iter_mut().find(|trouble| trouble.source == **source) {
            trouble.failures = if attempt.is_fruitful() { 1 } else { trouble.failures.saturating_add(1) };
            trouble.failure = failure.clone();
        } else {
            let (source, failure) = ((**source).clone(), failure.clone());
            self.troubles.push(SourceTrouble { source, failures: 1, failure });
        }
    }

    /// Why the job failed: the last failure, or, where it was one of several sources', those of all of them.
    #[must_use]
    pub fn verdict(&self) -> Option<Failure> {
        let last = self.failure.as_ref()?;
        if self.troubles.len() < 2 || !last.is_of_source() {
            return Some(last.clone());
        }
        let told = |trouble: &SourceTrouble| {
            let SourceTrouble { source, failure, .. } = trouble;
            let words = failure.reply.as_ref().map_or_else(String::new, |reply| format!(" (the server said: {reply})"));
            format!("{source}: {}: {}{words}", failure.stage.name(), failure.message)
        };
        let all: Vec<String> = self.troubles.iter().map(told).collect();
        let message = format!("none of its {} sources gave the file: {}", all.len(), all.join("; "));
        let failure = Failure { message, reply: None, ..last.clone() };
        Some(failure.with_advice("see to one of the sources, then `ftpq retry`; `ftpq show` has what to do about each"))
    }

    fn note_failure(&mut self, attempt: Attempt, progress: Option<Progress>) {
        self.note_trouble(&attempt);
        self.fruitless = if attempt.is_fruitful() { 0 } else { self.fruitless.saturating_add(1) };
        self.failure.clone_from(&attempt.failure);
        self.progress = progress;
        self.remember(attempt);
    }
}

/// What a user does to jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Try again now; counts of failures start anew.
    Retry,
    /// Set aside.
    Pause,
    /// Take up again.
    Resume,
    /// Call off.
    Cancel,
    /// Forget the job. A running one has to be cancelled first.
    Remove,
}

impl Change {
    /// The move it is; removing is none.
    #[must_use]
    pub fn as_move(self) -> Option<Move> {
        match self {
            Self::Retry => Some(Move::Retry),
            Self::Pause => Some(Move::Pause),
            Self::Resume => Some(Move::Resume),
            Self::Cancel => Some(Move::Cancel),
            Self::Remove => None,
        }
    }
}

/// Which jobs are meant. What is `None` does not narrow; all `None` means all jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// These numbers.
    #[serde(default)]
    pub ids: Option<IdSet>,
    /// Jobs in this state.
    #[serde(default)]
    pub state: Option<JobState>,
    /// Jobs on this host (name, or name:port).
    #[serde(default)]
    pub host: Option<String>,
}

/// How many jobs stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Ready.
    pub queued: u64,
    /// In a worker's hands.
    pub running: u64,
    /// To be tried again later.
    pub waiting: u64,
    /// Set aside.
    pub paused: u64,
    /// Finished.
    pub done: u64,
    /// Given up.
    pub failed: u64,
    /// Called off.
    pub cancelled: u64,
    /// How many of those that a run would still work on are folders.
    #[serde(default, skip_serializing_if = "is_none_left")]
    pub folders: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_none_left(number: &u64) -> bool {
    *number == 0
}

impl Counts {
    /// The count of one state.
    #[must_use]
    pub fn get(&self, state: JobState) -> u64 {
        match state {
            JobState::Queued => self.queued,
            JobState::Running => self.running,
            JobState::Waiting => self.waiting,
            JobState::Paused => self.paused,
            JobState::Done => self.done,
            JobState::Failed => self.failed,
            JobState::Cancelled => self.cancelled,
        }
    }

    /// The count of one state, to be changed.
    pub fn get_mut(&mut self, state: JobState) -> &mut u64 {
        match state {
            JobState::Queued => &mut self.queued,
            JobState::Running => &mut self.running,
            JobState::Waiting => &mut self.waiting,
            JobState::Paused => &mut self.paused,
            JobState::Done => &mut self.done,
            JobState::Failed => &mut self.failed,
            JobState::Cancelled => &mut self.cancelled,
        }
    }

    /// All jobs.
    #[must_use]
    pub fn total(&self) -> u64 {
        JobState::ALL.iter().map(|&s| self.get(s)).sum()
    }

    /// Jobs that a run would still work on.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.queued + self.running + self.waiting
    }

    /// Files that a run would still fetch.
    #[must_use]
    pub fn files_left(&self) -> u64 {
        self.left().saturating_sub(self.folders)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_is_bounded_and_keeps_the_latest() {
        let mut record = JobRecord::default();
        for n in 0..50 {
            let attempt = Attempt { started_at: n, ended_at: n, ..Attempt::default() };
            record.remember(attempt);
        }
        assert_eq!(record.attempts, 50);
        assert_eq!(record.history.len(), JobRecord::HISTORY);
        assert_eq!(record.history.last().unwrap().started_at, 49);
    }

    #[test]
    fn a_receipt_tells_what_all_attempts_cost() {
        let mut record = JobRecord::default();
        let attempt = |fetched, millis| Attempt { fetched, millis, ..Attempt::default() };
        Settlement::RetryAt { at: 9, attempt: attempt(100, 1500), progress: None }.write_to(&mut record);
        Settlement::Release { attempt: Some(attempt(20, 0)), progress: None }.write_to(&mut record);
        Settlement::Done { receipt: Receipt::default(), attempt: attempt(3, 250) }.write_to(&mut record);
        let receipt = record.receipt.clone().unwrap();
        assert_eq!((receipt.attempts, receipt.fetched_in_all, receipt.millis), (3, 123, 1750));
        assert_eq!((record.attempts, record.fetched, record.millis), (3, 123, 1750));
        // Another download of the same job goes on counting.
        Settlement::Done { receipt: Receipt::default(), attempt: attempt(7, 1) }.write_to(&mut record);
        assert_eq!(record.receipt.unwrap().fetched_in_all, 130);
    }

    #[test]
    fn the_history_of_an_older_record_is_not_lost_to_the_totals() {
        let old = Attempt { started_at: 5, ended_at: 7, fetched: 10, ..Attempt::default() };
        let mut record = JobRecord { attempts: 1, history: vec![old], ..JobRecord::default() };
        record.remember(Attempt { fetched: 1, millis: 5, ..Attempt::default() });
        assert_eq!((record.attempts, record.fetched, record.millis), (2, 11, 2005));
    }

    #[test]
    fn a_receipt_that_names_no_proof_is_judged_by_what_it_holds() {
        let old: Receipt = serde_json::from_str(r#"{"size":1,"fetched":1,"identity":{},"finished_at":5}"#).unwrap();
        assert_eq!(old.proved_by(), Proof::Size);
        let sum: Checksum = "md5=d41d8cd98f00b204e9800998ecf8427e".parse().unwrap();
        let given = Receipt { checksum: Some(sum.clone()), digests: vec![sum], ..old };
        assert_eq!((given.proved_by(), given.known_digests().count()), (Proof::Manifest, 1));
    }
}
