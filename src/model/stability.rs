//! How it is known that a file did not change on the server while it was fetched.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What shows that a file's bytes are of one version of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stability {
    /// Its digest is the one that was given.
    Digest,
    /// The server told the same size and time before its first byte and after its last.
    SizeAndTime,
    /// The server told the same size, and no time.
    Size,
    /// The server told the same time, and no size.
    Time,
    /// Nothing: the server tells neither size nor time.
    Untold,
    /// The file had not been written to for a while before, and was gone from the server after its last byte.
    Gone,
    /// The server tells another time at each look; the file was read twice, and each byte compared.
    ReadTwice,
}

impl fmt::Display for Stability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Digest => "by its digest",
            Self::SizeAndTime => "same size and time on the server before its first byte and after its last",
            Self::Size => "same size on the server before and after, but the server tells no time",
            Self::Time => "same time on the server before and after, but the server tells no size",
            Self::Untold => "not known: the server tells neither size nor time",
            Self::Gone => "not known: the file was gone from the server after its last byte",
            Self::ReadTwice => "read twice and compared, since the server tells another time at each look",
        })
    }
}
