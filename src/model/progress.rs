//! What is known of an unfinished file.

use super::Source;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What tells one content of a remote file from another, as far as the server says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Identity {
    /// Length in bytes: SIZE in TYPE I, or MLST's `size`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Modification time as the server wrote it (`YYYYMMDDhhmmss[.f]`, RFC 3659, section 2.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
    /// MLST's `unique` fact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique: Option<String>,
}

/// A range of bytes: from `start` up to, not including, `end`. Stored as `[start, end]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(from = "(u64, u64)", into = "(u64, u64)")]
#[schemars(with = "(u64, u64)")]
pub struct Span {
    /// Offset in bytes of the first byte.
    pub start: u64,
    /// Offset in bytes after the last byte.
    pub end: u64,
}

impl From<(u64, u64)> for Span {
    fn from((start, end): (u64, u64)) -> Self {
        Self { start, end }
    }
}

impl From<Span> for (u64, u64) {
    fn from(span: Span) -> Self {
        (span.start, span.end)
    }
}

/// How far an unfinished file has got. Stored with its first bytes, and after each `fdatasync`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// What the bytes in the part file are the beginning of.
    pub identity: Identity,
    /// Where those bytes came from, where the job has mirrors and it was not its first source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Box<Source>>,
    /// Bytes of the part file that `fdatasync` has made durable.
    pub durable: u64,
    /// The machine's boot id when this was stored. While it is the same, the part file's length can be trusted.
    pub boot_id: String,
    /// What the part file holds, while the boot id is the same, where the file came in pieces: its length tells nothing
    /// then. Two ranges that touch were not yet proved to belong together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<Span>,
    /// Those of them that `fdatasync` has made durable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub durable_ranges: Vec<Span>,
    /// How often all of the file was there, and its checksum wrong.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub wrong: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Progress {
    /// The source that the part file was begun with, of a job whose own source is `own`.
    #[must_use]
    pub fn begun_with<'a>(&'a self, own: &'a Source) -> &'a Source {
        self.source.as_deref().unwrap_or(own)
    }
}
