//! How things stand at one moment.

use super::{Counts, JobId, ProofCounts, Protection, Quirks};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A file whose bytes are arriving.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunningFile {
    /// The job.
    pub job: JobId,
    /// Name of the local file, for people.
    pub name: String,
    /// What is being done, in one or two words: `connecting`, `receiving`, `checking`, …
    pub phase: String,
    /// Bytes of the file that are there.
    pub have: u64,
    /// Length of the file in bytes, where known.
    pub size: Option<u64>,
    /// Bytes a second, averaged over the last seconds.
    pub rate: f64,
}

/// A run at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// Files whose bytes are arriving, in the order they were started.
    pub running: Vec<RunningFile>,
    /// Files done in this run.
    pub files_done: u64,
    /// Files failed for good in this run.
    pub files_failed: u64,
    /// Files that are still to be done, the running ones included.
    pub files_left: u64,
    /// Bytes that came over the network in this run.
    pub bytes: u64,
    /// Bytes known to be still to come; files of unknown size are not in it.
    pub bytes_left: u64,
    /// Files to come whose size is not known yet.
    pub unsized_left: u64,
    /// Bytes a second over all files, averaged over the last seconds.
    pub rate: f64,
    /// Seconds left, where a guess is possible.
    pub seconds_left: Option<u64>,
    /// Seconds since the run began.
    pub seconds: f64,
    /// How the files done in this run were proved.
    #[serde(default)]
    pub proved: ProofCounts,
    /// Hosts of the run whose TLS is left to the server, or whose certificate is not checked in full; the first 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lax: Vec<LaxHost>,
}

/// A host that is less protected than it could be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LaxHost {
    /// Host and port.
    pub host: String,
    /// How its connections are protected.
    pub protection: Protection,
}

/// What is known of one host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostStatus {
    /// Host and port.
    pub host: String,
    /// Jobs left on it: queued, running and waiting.
    pub left: u64,
    /// Most connections it was seen to accept, once it refused one more.
    pub connection_limit: Option<u32>,
    /// When that was learned, in seconds since 1970-01-01 UTC.
    pub limit_learned_at: Option<u64>,
    /// Connections at a time that were worth having.
    pub useful_connections: Option<u32>,
    /// When it was learned that more bring nothing, in seconds since 1970-01-01 UTC; absent while that is not known.
    pub useful_learned_at: Option<u64>,
    /// How its connections were protected; absent where no TLS was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protection: Option<Protection>,
    /// Ways in which it departs from the standards.
    pub quirks: Quirks,
}

/// What `status` tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatusReport {
    /// Folder of the queue.
    pub queue: String,
    /// How many jobs stand where.
    pub jobs: Counts,
    /// Hosts with jobs left or with something learned.
    pub hosts: Vec<HostStatus>,
    /// The run that is going on, where there is one.
    pub run: Option<Snapshot>,
    /// Process id of that run.
    pub pid: Option<u32>,
}
