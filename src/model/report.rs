//! What `report` and `verify` print, one object a line.

use super::{Checksum, Destination, Failure, FolderTally, JobId, JobState, Proof, ProofCounts, Source};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A line of `report --format json`: files and folders in the order of their numbers, and the summary last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum ReportLine {
    /// A file that was asked for.
    File(Box<ReportedFile>),
    /// A folder of a server that was to be read.
    Folder(Box<ReportedFolder>),
    /// All of it in numbers.
    Summary(Box<ReportSummary>),
}

/// A file that was asked for: here and proved, or missing and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportedFile {
    /// The job.
    pub job: JobId,
    /// Where the job stands.
    pub state: JobState,
    /// Whether the file is here: done, and of the length that was recorded.
    pub here: bool,
    /// Remote file; of a job with mirrors the one it came from.
    pub source: Source,
    /// Local file.
    pub destination: Destination,
    /// Length in bytes, where known.
    pub size: Option<u64>,
    /// How it was proved when it was finished.
    pub proof: Option<Proof>,
    /// Digests that are known of it.
    pub digests: Vec<Checksum>,
    /// Attempts that were made.
    pub attempts: u32,
    /// Bytes that came over the network in all attempts.
    pub fetched: u64,
    /// Seconds that all attempts took.
    pub seconds: f64,
    /// When it was finished, in seconds since 1970-01-01 UTC.
    pub finished_at: Option<u64>,
    /// Why it is missing; where the job failed, as `failure` tells.
    pub reason: Option<String>,
    /// The last failure of a job that is not done.
    pub failure: Option<Failure>,
    /// What to do about a missing file.
    pub advice: Option<String>,
}

/// A folder of a server that was to be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportedFolder {
    /// The job.
    pub job: JobId,
    /// Where the job stands.
    pub state: JobState,
    /// The folder.
    pub source: Source,
    /// Where its files go.
    pub destination: Destination,
    /// What was found in it, where it was read to its end.
    pub tally: Option<FolderTally>,
    /// Why it was not.
    pub reason: Option<String>,
    /// The last failure.
    pub failure: Option<Failure>,
    /// What to do about that.
    pub advice: Option<String>,
}

/// A report in numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportSummary {
    /// The numbers as a sentence.
    pub text: String,
    /// Files that were asked for.
    pub files: u64,
    /// Those that are here, and proved by a digest or by their length.
    pub proved: u64,
    /// Those that are here, by how they were proved.
    pub by: ProofCounts,
    /// Those that are missing.
    pub missing: u64,
    /// Bytes of the files that are here.
    pub bytes: u64,
    /// Attempts that were made for all files.
    pub attempts: u64,
    /// Bytes that came over the network for them.
    pub fetched: u64,
    /// Folders that were to be read.
    pub folders: u64,
    /// Those that were not read to their end.
    pub folders_missing: u64,
    /// Entries of folders that no job can be made of.
    pub refused: u64,
    /// Whether the files were looked at; otherwise only the receipts were read.
    pub looked: bool,
}

/// A line of `verify --json`: each file that was looked at, and the summary last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verify", rename_all = "snake_case")]
pub enum VerifyLine {
    /// A finished file.
    File(Box<VerifiedFile>),
    /// All of it in numbers.
    Summary(Box<VerifySummary>),
}

/// How a finished file was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// As the receipt has it.
    Right,
    /// Not as the receipt has it.
    Changed,
    /// It is gone.
    Missing,
    /// It was written to since, and there is no digest to compare.
    Unprovable,
    /// It can't be read.
    Unreadable,
}

impl Standing {
    /// The standing in one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::Unprovable => "unprovable",
            Self::Unreadable => "unreadable",
        }
    }
}

/// A finished file that was looked at again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VerifiedFile {
    /// The job.
    pub job: JobId,
    /// Local file.
    pub destination: Destination,
    /// How it was found.
    pub standing: Standing,
    /// Length in bytes by the receipt.
    pub size: u64,
    /// What was compared: the name of a hash function, `pieces`, or `size and time`.
    pub by: Option<String>,
    /// In what it differs.
    pub difference: Option<String>,
    /// What to do.
    pub advice: Option<String>,
    /// Where it was moved, where it is queued again.
    pub moved_to: Option<String>,
}

/// What came of `verify`, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VerifySummary {
    /// Files that were looked at.
    pub files: u64,
    /// Right by a digest.
    pub by_digest: u64,
    /// Right by length and time, for want of a digest.
    pub by_time: u64,
    /// Not as the receipts have them.
    pub changed: u64,
    /// Gone.
    pub missing: u64,
    /// Written to since, without a digest to compare.
    pub unprovable: u64,
    /// Not to be read.
    pub unreadable: u64,
    /// Queued again.
    pub queued: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Seconds it took.
    pub seconds: f64,
}
