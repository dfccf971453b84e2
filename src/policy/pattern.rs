//! Patterns of names and paths.
//!
//! A pattern is compiled into a small machine whose states are all followed at once, one character after the other: the
//! time is the product of both lengths, whatever the pattern (CVE-2017-8817 and CVE-2020-8285 are what recursion and
//! backtracking came to elsewhere).

mod compile;
#[cfg(test)]
mod tests;
mod url;

pub use url::split_pattern;

use compile::{Op, compile};

/// Most bytes of a pattern.
const LONGEST: usize = 1024;
/// What stands for a byte that is part of no character: beyond all characters.
const BYTE: u32 = 0x11_0000;
const SLASH: u32 = '/' as u32;

/// A pattern of paths below a folder: `*` and `?` within a component, `[a-z]`, `[!a-z]`, `{a,b}`, and `**` as a component
/// for any number of them; `\` takes the next character as it is, and `\xFF` is a byte that is no character's.
///
/// One without a slash is laid against the last component, another against the whole path; a slash at its start says so,
/// too. One that ends in a slash matches folders only. Letters are not the same in upper and lower case, and a dot at a
/// name's start is a character like others.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    program: Vec<Op>,
    only_folders: bool,
    deep: bool,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing there.
    #[error("the pattern is empty; `*` is everything in the folder, `**` also what is below it")]
    Empty,
    /// Longer than the limit.
    #[error("the pattern has {0} bytes; the limit is {LONGEST}")]
    TooLong(usize),
    /// A bracket or brace without its end, or a `\` at the end.
    #[error("the pattern has a {mark:?} without its end (at byte {at}); write \\{mark} for the character itself")]
    Open {
        /// The character.
        mark: char,
        /// Offset in bytes.
        at: usize,
    },
    /// `[[:alpha:]]`, or a range whose end is before its start.
    #[error(
        "the pattern has a range that means nothing (at byte {at}); write it as in [a-z], and \\- for the character"
    )]
    Range {
        /// Offset in bytes.
        at: usize,
    },
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it is empty, has more than 1024 bytes, or a bracket is not closed.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > LONGEST {
            return Err(PatternError::TooLong(text.len()));
        }
        let escaped = text.strip_suffix('/').is_some_and(|body| body.ends_with('\\'));
        let (body, only_folders) = match text.strip_suffix('/') {
            Some(body) if !escaped => (body, true),
            _ => (text, false),
        };
        let (body, anchored) = match body.strip_prefix('/') {
            Some(body) => (body, true),
            None => (body, body.contains('/')),
        };
        if body.is_empty() {
            return Err(PatternError::Empty);
        }
        let program = compile(body, !anchored, text.len() - text.trim_start_matches('/').len())?;
        let deep = anchored && body.contains('/') || body.split('/').any(|part| part == "**");
        Ok(Self { text: text.to_owned(), program, only_folders, deep })
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it speaks of what is in folders below: they have to be read.
    #[must_use]
    pub fn is_deep(&self) -> bool {
        self.deep
    }

    /// Whether a path below the folder matches, in the server's bytes; a folder's path ends in a slash.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> bool {
        let (path, is_folder) = match path.strip_suffix(b"/") {
            Some(path) => (path, true),
            None => (path, false),
        };
        (is_folder || !self.only_folders) && Run::of(&self.program, path).has_matched()
    }

    /// Whether anything in this folder, or further down, may match: where it can't, the folder need not be read.
    /// `folder` with or without a final slash; the empty one is where the reading began.
    #[must_use]
    pub fn may_match_below(&self, folder: &[u8]) -> bool {
        let folder = folder.strip_suffix(b"/").unwrap_or(folder);
        if folder.is_empty() {
            return true;
        }
        let mut run = Run::of(&self.program, folder);
        run.step(SLASH);
        run.goes_on()
    }
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pattern({:?})", self.text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

/// The states that a program is in.
struct Run<'a> {
    program: &'a [Op],
    states: Vec<usize>,
    /// Which states are among them, by the round in which they were put there.
    seen: Vec<usize>,
    round: usize,
    /// States that were looked at, for the test that they are few.
    #[cfg(test)]
    steps: usize,
}

impl<'a> Run<'a> {
    fn of(program: &'a [Op], path: &[u8]) -> Self {
        let mut run = Self {
            program,
            states: Vec::new(),
            seen: vec![0; program.len()],
            round: 1,
            #[cfg(test)]
            steps: 0,
        };
        run.enter(vec![0]);
        for chunk in path.utf8_chunks() {
            chunk.valid().chars().for_each(|c| run.step(u32::from(c)));
            chunk.invalid().iter().for_each(|&b| run.step(BYTE + u32::from(b)));
        }
        run
    }

    /// Takes a character.
    fn step(&mut self, unit: u32) {
        let mut next = Vec::new();
        for &at in &self.states {
            if self.program.get(at).is_some_and(|op| op.takes(unit)) {
                next.push(at + 1);
            }
        }
        self.round += 1;
        self.enter(next);
    }

    /// Goes to these states, and on to all that can be reached from them without a character.
    fn enter(&mut self, mut open: Vec<usize>) {
        self.states.clear();
        while let Some(at) = open.pop() {
            #[cfg(test)]
            {
                self.steps += 1;
            }
            let Some(seen) = self.seen.get_mut(at).filter(|seen| **seen != self.round) else { continue };
            *seen = self.round;
            match self.program.get(at) {
                Some(Op::Split(one, other)) => open.extend([*one, *other]),
                Some(Op::Jump(to)) => open.push(*to),
                Some(_) => self.states.push(at),
                None => {}
            }
        }
    }

    fn has_matched(&self) -> bool {
        self.states.iter().any(|&at| matches!(self.program.get(at), Some(Op::Match)))
    }

    fn goes_on(&self) -> bool {
        self.states.iter().any(|&at| !matches!(self.program.get(at), Some(Op::Match)))
    }
}
