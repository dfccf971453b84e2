//! What is wrong with a manifest, and where.

use super::Position;
use crate::model::{printable, without_userinfo};
use std::fmt;

/// What is wrong with one line of a manifest. Never holds user information of a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct LineError {
    /// Name of the file, for people.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
    /// Whether the rest of the file can't be read either.
    pub fatal: bool,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", printable(&self.file, 300), self.line, self.column, self.message)
    }
}

/// The same before the file's name is known.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) at: Position,
    pub(super) message: String,
    pub(super) fatal: bool,
}

impl Problem {
    /// One bad line among others.
    pub(super) fn line(line: u64, column: u64, message: &str) -> Self {
        // The last guard: whatever a parser quoted, nothing that looks like user information gets out.
        let message = printable(&without_userinfo(message), 600);
        Self { at: Position { line, column }, message, fatal: false }
    }

    /// The same at a place that is known.
    pub(super) fn at(at: Position, message: &str) -> Self {
        Self::line(at.line, at.column, message)
    }

    /// The end of all reading, at a place that is known.
    pub(super) fn fatal_at(at: Position, message: &str) -> Self {
        Self { fatal: true, ..Self::at(at, message) }
    }

    /// The end of all reading.
    pub(super) fn fatal(line: u64, message: &str) -> Self {
        Self { fatal: true, ..Self::line(line, 1, message) }
    }

    pub(super) fn in_file(self, file: &str) -> LineError {
        let Self { at, message, fatal } = self;
        LineError { file: file.to_owned(), line: at.line, column: at.column, message, fatal }
    }
}

/// The column, in characters from 1, of a byte offset in a line.
pub(super) fn column_of(line: &[u8], at: usize) -> u64 {
    String::from_utf8_lossy(line.get(..at).unwrap_or(line)).chars().count() as u64 + 1
}
