//! What is worth saying of a manifest that can be read all the same.

use super::Position;
use super::error::Problem;
use super::options::ReadOptions;
use crate::model::printable;
use std::collections::BTreeSet;
use std::fmt;

/// Warnings that wait to be taken at most: what is beyond them is counted.
const WAITING: usize = 1000;
/// Different things that are said once each.
const ONCE: usize = 200;

/// Something in a manifest that ftpq does without. Never holds user information of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Name of the file, for people.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
    /// What it is, in a sentence without a full stop.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: warning: {}", printable(&self.file, 300), self.line, self.column, self.message)
    }
}

/// The warnings so far, in bounded memory.
#[derive(Default)]
pub(super) struct Warnings {
    waiting: Vec<Problem>,
    /// How many more there were, and where the last of them is.
    more: u64,
    last: Option<Position>,
    said: BTreeSet<String>,
}

impl Warnings {
    pub(super) fn say(&mut self, at: Position, message: &str) {
        if self.waiting.len() < WAITING {
            self.waiting.push(Problem::line(at.line, at.column, message));
        } else {
            self.more += 1;
            self.last = Some(at);
        }
    }

    /// The same, but only the first time for this subject.
    pub(super) fn say_once(&mut self, subject: &str, at: Position, message: &str) {
        if self.said.len() < ONCE && self.said.insert(subject.to_owned()) {
            self.say(at, message);
        }
    }

    pub(super) fn take(&mut self, file: &str) -> Vec<Warning> {
        if let Some(at) = self.last.take() {
            let more = std::mem::take(&mut self.more);
            self.waiting.push(Problem::line(at.line, at.column, &format!("and {more} more such warnings up to here")));
        }
        let named = |problem: Problem| {
            let Problem { at, message, .. } = problem;
            Warning { file: file.to_owned(), line: at.line, column: at.column, message }
        };
        self.waiting.drain(..).map(named).collect()
    }
}

/// What every format's reader has at hand.
pub(super) struct Reading {
    pub(super) options: ReadOptions,
    pub(super) warnings: Warnings,
}
