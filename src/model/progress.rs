//! What is known of an unfinished file.

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

/// How far an unfinished file has got. Stored with its first bytes, and after each `fdatasync`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// What the bytes in the part file are the beginning of.
    pub identity: Identity,
    /// Bytes of the part file that `fdatasync` has made durable.
    pub durable: u64,
    /// The machine's boot id when this was stored. While it is the same, the part file's length can be trusted.
    pub boot_id: String,
}
