//! What happens during a run, as it is shown and printed.

use super::{Checksum, Destination, Failure, FolderTally, JobId, LaxHost, ProofCounts, SameBy, Source};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that happened. `--json` prints one a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Bytes of a file begin to arrive.
    Started {
        /// The job.
        job: JobId,
        /// Remote file.
        source: Source,
        /// Local file.
        destination: Destination,
        /// Length in bytes, where known.
        size: Option<u64>,
        /// Offset in bytes it starts at; not 0 for a resumed file.
        from: u64,
        /// Why bytes that were there are fetched again, where they are.
        why: Option<String>,
    },
    /// A file is whole, checked, and stands under its final name.
    Done {
        /// The job.
        job: JobId,
        /// Remote file.
        source: Source,
        /// Local file.
        destination: Destination,
        /// Length in bytes.
        size: u64,
        /// Bytes that came over the network in this attempt.
        fetched: u64,
        /// Seconds the attempt took.
        seconds: f64,
        /// The checksum that matched.
        checksum: Option<Checksum>,
        /// What is worth knowing.
        note: Option<String>,
        /// It was here already, and the server still has the same: by what that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unchanged: Option<SameBy>,
    },
    /// A folder was read to its end; its files are jobs of their own.
    Folder {
        /// The job.
        job: JobId,
        /// Remote folder.
        source: Source,
        /// Local folder.
        destination: Destination,
        /// What was found in it.
        tally: FolderTally,
    },
    /// An attempt failed and will be repeated.
    Retrying {
        /// The job.
        job: JobId,
        /// Remote file.
        source: Source,
        /// Why it failed.
        failure: Failure,
        /// Seconds until the next attempt.
        seconds: u64,
    },
    /// One of a job's sources failed; the next one follows.
    Switched {
        /// The job.
        job: JobId,
        /// The source that failed.
        source: Source,
        /// Why.
        failure: Failure,
    },
    /// A job failed for good.
    Failed {
        /// The job.
        job: JobId,
        /// Remote file.
        source: Source,
        /// Local file.
        destination: Destination,
        /// Why.
        failure: Failure,
    },
    /// A host's budget of connections changed.
    Budget {
        /// Host and port.
        host: String,
        /// Connections at a time from now on.
        connections: u32,
        /// Why.
        why: String,
    },
    /// Jobs of an account are left alone for this run.
    Held {
        /// The account's URL, without password.
        account: String,
        /// Why.
        failure: Failure,
    },
    /// A file system is full: what goes there is left alone for this run.
    DiskFull {
        /// A folder on it.
        path: String,
        /// What happened.
        failure: Failure,
    },
    /// Local storage refuses: what goes there is kept for another run.
    HeldBack {
        /// A folder that can't be written, a file that may not be so large, or what else is held back.
        path: String,
        /// What happened.
        failure: Failure,
    },
    /// What is to be fetched does not all fit on a file system, as far as lengths are known.
    TooLittleSpace {
        /// A folder on it.
        path: String,
        /// Bytes that are still to come there.
        needed: u64,
        /// Bytes that are free there.
        free: u64,
        /// Files of known length that are to come.
        files: u64,
        /// Files of unknown length that are to come besides.
        unknown: u64,
        /// The run goes on all the same: the user wants it so, or it became known too late.
        goes_on: bool,
    },
    /// A file that was fetched from a folder is not there any more; where it was not deleted, is not listed any more.
    Gone {
        /// The job.
        job: JobId,
        /// Remote file.
        source: Source,
        /// Local file.
        destination: Destination,
        /// Whether the local file was deleted, and the job removed.
        deleted: bool,
    },
    /// Something a person should know that belongs to no job.
    Notice {
        /// The text, one line.
        text: String,
    },
    /// The end of a run.
    Summary {
        /// Files done in this run.
        done: u64,
        /// Files that failed for good in this run.
        failed: u64,
        /// Jobs that failed in earlier runs and still stand as failed; 0 where the run was about some jobs alone.
        #[serde(default, skip_serializing_if = "is_none_failed")]
        failed_before: u64,
        /// Files left for another run.
        left: u64,
        /// Bytes that came over the network in this run.
        bytes: u64,
        /// Seconds the run took.
        seconds: f64,
        /// How the files done were proved; folders that were read are not files.
        #[serde(default)]
        proved: ProofCounts,
        /// Hosts of the run whose TLS is left to the server, or whose certificate is not checked in full; the first 100.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        lax: Vec<LaxHost>,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_none_failed(number: &u64) -> bool {
    *number == 0
}
