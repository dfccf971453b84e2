//! Jobs, their states, and the moves between them.

use super::{
    Attempt, Checksum, Destination, Folder, FolderTally, IdSet, Identity, JobId, JobRecord, JobState, Listed, Move,
    PieceDigests, Progress, Proof, Settings, Source, Stability,
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

impl Expectation {
    /// What is known once a later list was read: where it contradicts what was known, it tells of another content, and its
    /// word alone counts; else both add up. Of two checksums by different functions the stronger stays, whichever came
    /// later: a list that gives both is no news when it is read again. Digests of pieces that can't be compared with the
    /// known ones take their place.
    #[must_use]
    pub fn corrected_by(&self, later: &Self) -> Self {
        let Some(joined) = self.joined_with(later) else { return later.clone() };
        // Beside a checksum they are not compared.
        let later = later.pieces.clone().filter(|_| joined.checksum.is_none());
        Self { pieces: later.or(joined.pieces), ..joined }
    }

    /// What two lines say of one content together: of two checksums the stronger. Nothing where no file can be as both say.
    #[must_use]
    pub fn joined_with(&self, other: &Self) -> Option<Self> {
        let stronger = match (&self.checksum, &other.checksum) {
            (Some(own), Some(more)) if own.algorithm() < more.algorithm() => other,
            (Some(_), _) => self,
            (None, _) => other,
        };
        (!self.contradicts(other)).then(|| Self {
            size: self.size.or(other.size),
            checksum: stronger.checksum.clone(),
            pieces: self.pieces.clone().or_else(|| other.pieces.clone()),
        })
    }

    /// Whether no file can be as both say.
    fn contradicts(&self, other: &Self) -> bool {
        let sizes = matches!((self.size, other.size), (Some(a), Some(b)) if a != b);
        let sums =
            matches!((&self.checksum, &other.checksum), (Some(a), Some(b)) if a.algorithm() == b.algorithm() && a != b);
        let alike = |a: &PieceDigests, b: &PieceDigests| (a.length(), a.algorithm()) == (b.length(), b.algorithm());
        let pieces = matches!((&self.pieces, &other.pieces), (Some(a), Some(b)) if alike(a, b) && a != b);
        sizes || sums || pieces
    }
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
    /// When the file here was last changed, in seconds since 1970-01-01 UTC, where that is not what the server told: the
    /// file system does not keep such a time, or the file was there already and its content proved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_here: Option<i64>,
    /// The server told no time of it any more when its bytes were compared last.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untold: bool,
    /// It was there already, and was left as it is: nothing about it was compared.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left_alone: bool,
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
    /// How it is known to be of one version; absent in receipts of versions that did not tell, and for files that were there
    /// already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stability: Option<Stability>,
    /// What is worth knowing: how it was finished without a download, what could not be confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Where the file is kept that was under the final name before, and was not as it was fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// When it was finished, in seconds since 1970-01-01 UTC.
    pub finished_at: u64,
    /// When the server was asked last whether it still has this file, and had it, in seconds since 1970-01-01 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<u64>,
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
        receipt: Box<Receipt>,
        /// The attempt's story.
        attempt: Attempt,
        /// Whether it came from the job's own source: no mirror settles what a listing of that said.
        by_own_source: bool,
    },
    /// The file stays as it was finished before, and its receipt with it.
    Unchanged {
        /// When the server said that it has the same file, in seconds since 1970-01-01 UTC; `None` where it was not to count
        /// what it has.
        checked_at: Option<u64>,
        /// The receipt of then, with what is known of the file since: what the server says of it, and when it was last changed
        /// here.
        receipt: Box<Receipt>,
        /// Whether the job's own source was asked.
        by_own_source: bool,
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
            Self::Done { .. } | Self::Unchanged { .. } => Move::Complete,
            Self::RetryAt { .. } => Move::Defer,
            Self::Release { .. } => Move::Release,
            Self::GiveUp { .. } => Move::GiveUp,
        }
    }

    /// Writes the settlement into the job's record; the one rule for every backend.
    pub fn write_to(self, record: &mut JobRecord) {
        record.not_before = None;
        match self {
            Self::Unchanged { checked_at, receipt: now, by_own_source } => {
                // Another file on the server is still to be compared, and there may be a beginning of it.
                let is_other = checked_at.is_none();
                let progress = record.progress.take().filter(|_| is_other);
                let (compare, other_content) = (record.compare, record.other_content);
                record.end_well();
                record.progress = progress;
                if is_other || !by_own_source {
                    (record.compare, record.other_content) = (is_other || compare, other_content);
                }
                if let Some(receipt) = &mut record.receipt {
                    receipt.checked_at = checked_at.or(receipt.checked_at);
                    (receipt.identity, receipt.source) = (now.identity, now.source);
                    (receipt.modified_here, receipt.untold) = (now.modified_here, now.untold);
                }
            }
            Self::Done { receipt, attempt, by_own_source } => {
                record.remember(attempt);
                let (compare, other_content) = (record.compare, record.other_content);
                record.end_well();
                if !by_own_source && !matches!(receipt.proof, Some(Proof::Manifest | Proof::Pieces)) {
                    (record.compare, record.other_content) = (compare, other_content);
                }
                let (attempts, fetched_in_all, millis) = (record.attempts, record.fetched, record.millis);
                record.receipt = Some(Receipt { attempts, fetched_in_all, millis, ..*receipt });
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

/// What a user does to jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Try again now; counts of failures start anew. Of a file that was finished before, what the server has now is fetched
    /// where it is another.
    Retry,
    /// Ask the server whether a file that was finished before is still the same; what failed or waits is tried again.
    Recheck,
    /// Set a finished job aside until its wrong file is out of the way; taken up then, it is as after a retry.
    Hold,
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
            Self::Retry | Self::Recheck => Some(Move::Retry),
            Self::Hold => Some(Move::Hold),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Algorithm;

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

    /// They stand side by side: a name that stood twice would make the whole unreadable.
    #[test]
    fn no_name_of_a_job_in_json_stands_twice() {
        let (listed, folder) = (Listed { size: Some(1), ..Listed::default() }, Box::<Folder>::default());
        let spec = JobSpec {
            listed: Some(listed.clone()),
            folder: Some(folder.clone()),
            ..JobSpec::new("ftp://h/f".parse().unwrap(), Destination::folder("/d").unwrap())
        };
        let record = JobRecord {
            listed: Some(Listed { size: Some(2), ..listed }),
            folder: Some(folder),
            expect: Some(Box::new(Expectation { size: Some(2), ..Expectation::default() })),
            ..JobRecord::default()
        };
        let job = Job { id: JobId(1), state: JobState::Done, spec, record };
        let text = serde_json::to_string(&job).unwrap();
        assert_eq!(serde_json::from_str::<Job>(&text).unwrap(), job);
        // Records of before.
        let old: JobRecord = serde_json::from_str(r#"{"listed":{"size":2},"expect":{"size":2},"folder":{}}"#).unwrap();
        assert_eq!(
            (&old.listed, &old.expect, &old.folder),
            (&job.record.listed, &job.record.expect, &job.record.folder)
        );
        let names = |schema: schemars::Schema| -> std::collections::BTreeSet<String> {
            schema.as_value()["properties"].as_object().unwrap().keys().cloned().collect()
        };
        let (spec, record) = (names(schemars::schema_for!(JobSpec)), names(schemars::schema_for!(JobRecord)));
        assert_eq!(spec.intersection(&record).collect::<Vec<_>>(), Vec::<&String>::new());
    }

    #[test]
    fn a_receipt_tells_what_all_attempts_cost() {
        let mut record = JobRecord::default();
        let attempt = |fetched, millis| Attempt { fetched, millis, ..Attempt::default() };
        Settlement::RetryAt { at: 9, attempt: attempt(100, 1500), progress: None }.write_to(&mut record);
        Settlement::Release { attempt: Some(attempt(20, 0)), progress: None }.write_to(&mut record);
        Settlement::Done { receipt: Box::default(), attempt: attempt(3, 250), by_own_source: true }
            .write_to(&mut record);
        let receipt = record.receipt.clone().unwrap();
        assert_eq!((receipt.attempts, receipt.fetched_in_all, receipt.millis), (3, 123, 1750));
        assert_eq!((record.attempts, record.fetched, record.millis), (3, 123, 1750));
        // Another download of the same job goes on counting.
        Settlement::Done { receipt: Box::default(), attempt: attempt(7, 1), by_own_source: true }.write_to(&mut record);
        assert_eq!(record.receipt.unwrap().fetched_in_all, 130);
    }

    #[test]
    fn a_later_word_counts_and_takes_away_only_what_it_contradicts() {
        let sum = |text: &str| Some(text.parse::<Checksum>().unwrap());
        let (a, b) = (sum("md5=d41d8cd98f00b204e9800998ecf8427e"), sum("md5=00000000000000000000000000000000"));
        let other = sum("crc32=00000000");
        let expect = |size, checksum: &Option<Checksum>| Expectation { size, checksum: checksum.clone(), pieces: None };
        for (before, later, after) in [
            (expect(Some(5), &a), expect(None, &None), expect(Some(5), &a)),
            (expect(None, &None), expect(Some(5), &a), expect(Some(5), &a)),
            (expect(Some(5), &None), expect(None, &a), expect(Some(5), &a)),
            // The stronger of two that don't contradict each other, in any order.
            (expect(Some(5), &a), expect(None, &other), expect(Some(5), &a)),
            (expect(Some(5), &other), expect(None, &a), expect(Some(5), &a)),
            // Of another content nothing that was said of the first holds.
            (expect(Some(5), &a), expect(None, &b), expect(None, &b)),
            (expect(Some(5), &a), expect(Some(6), &None), expect(Some(6), &None)),
        ] {
            assert_eq!(before.corrected_by(&later), after, "{before:?} {later:?}");
        }
    }

    /// Of another length of pieces they may tell of another content.
    #[test]
    fn later_digests_of_pieces_count() {
        let pieces = |length| Expectation {
            pieces: PieceDigests::new(length, Algorithm::Md5, &[vec![1; 16]]).ok().map(Box::new),
            ..Expectation::default()
        };
        assert_eq!(pieces(4).corrected_by(&pieces(8)), pieces(8));
        assert_eq!(pieces(4).corrected_by(&Expectation::default()), pieces(4));
    }

    #[test]
    fn two_lines_of_one_list_add_up_and_must_not_contradict() {
        let expect = |size, sum: &str| Expectation { size, checksum: sum.parse().ok(), pieces: None };
        let (md5, sha) = (format!("md5={}", "0a".repeat(16)), format!("sha-256={}", "0a".repeat(32)));
        for (one, other, both) in [
            (expect(None, &md5), expect(None, &sha), Some(expect(None, &sha))),
            (expect(Some(5), &sha), expect(None, &md5), Some(expect(Some(5), &sha))),
            (expect(None, ""), expect(Some(5), &md5), Some(expect(Some(5), &md5))),
            (expect(None, &md5), expect(Some(5), ""), Some(expect(Some(5), &md5))),
            (expect(None, &md5), expect(None, "md5=d41d8cd98f00b204e9800998ecf8427e"), None),
            (expect(Some(5), &md5), expect(Some(6), &sha), None),
        ] {
            assert_eq!(one.joined_with(&other), both, "{one:?} {other:?}");
            assert_eq!(other.joined_with(&one), both, "{other:?} {one:?}");
        }
    }

    #[test]
    fn what_stays_as_it_was_keeps_receipt_and_history() {
        let mut record = JobRecord::default();
        Settlement::Done {
            receipt: Box::new(Receipt { size: 7, finished_at: 5, ..Receipt::default() }),
            attempt: Attempt::default(),
            by_own_source: true,
        }
        .write_to(&mut record);
        let before = record.clone();
        let now = || Box::new(before.receipt.clone().unwrap());
        record.replace = true;
        Settlement::Unchanged { checked_at: Some(9), receipt: now(), by_own_source: true }.write_to(&mut record);
        assert!(!record.compare && !record.replace);
        Settlement::Unchanged { checked_at: None, receipt: now(), by_own_source: true }.write_to(&mut record);
        assert_eq!(record.receipt.as_ref().unwrap().checked_at, Some(9));
        assert!(std::mem::take(&mut record.compare), "the server's file is still to be compared");
        record.receipt.as_mut().unwrap().checked_at = None;
        assert_eq!(record, before);
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
