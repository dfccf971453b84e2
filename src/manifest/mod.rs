//! Readers of lists: one file a format, all streaming.
//!
//! A manifest is a plain list of URLs, JSON Lines, CSV or TSV, or one of the lists that archives and other tools give,
//! packed with gzip or not. Whatever it holds, memory stays bounded: by the longest line allowed, [`MAX_LINE`], not by the
//! number of lines. Errors name file, line and column, and never show what could be a password.

mod aria2;
mod assembly;
mod columns;
mod draft;
mod ena;
mod ena_json;
mod entry;
mod error;
mod folder;
mod format;
mod input;
mod joined;
mod jsonl;
mod lines;
mod list;
mod metalink;
mod mirrors;
mod number_sums;
mod options;
mod prose;
mod raw;
mod reader;
mod row;
mod sequence_index;
mod sums;
mod sums_line;
mod table;
#[cfg(test)]
mod tests;
mod warning;
mod xml;

pub use entry::{Entry, Position};
pub use error::LineError;
pub use format::Format;
pub use options::{Base, EnaColumn, ReadOptions};
pub use reader::{Reader, single};
pub use sums_line::{SumLine, sum_line};
pub use warning::Warning;

/// Longest line, or record of CSV and TSV, or part of JSON and XML, in bytes.
pub const MAX_LINE: usize = 1 << 20;
