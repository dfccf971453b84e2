//! Readers of lists: one file a format, all streaming.
//!
//! A manifest is a plain list of URLs, JSON Lines, CSV or TSV, packed with gzip or not. Whatever it holds, memory stays
//! bounded: by the longest line allowed, [`MAX_LINE`], not by the number of lines. Errors name file, line and column,
//! and never show what could be a password.

mod entry;
mod error;
mod format;
mod input;
mod jsonl;
mod lines;
mod list;
mod reader;
mod sums_line;
mod table;
#[cfg(test)]
mod tests;

pub use entry::{Base, Entry, Position, ReadOptions};
pub use error::LineError;
pub use format::Format;
pub use reader::{Reader, single};
pub use sums_line::{SumLine, sum_line};

/// Longest line, or record of CSV and TSV, in bytes.
pub const MAX_LINE: usize = 1 << 20;
