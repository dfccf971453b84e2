//! Checksums in decimal digits: what BSD `sum` prints (sum, number of 1024-byte blocks, name), as in Ensembl's CHECKSUMS,
//! and POSIX `cksum` (checksum, length, name). What is written above and below is passed over.

use super::columns::is_digits;
use super::draft::Draft;
use super::entry::{Entry, Position};
use super::error::{Problem, column_of, offset_in};
use super::lines::Lines;
use super::prose::Prose;
use super::reader::Body;
use super::sums::name_file;
use super::warning::Reading;
use std::io::BufRead;

/// The program that printed a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    /// `sum` of BSD.
    Sum,
    /// `cksum` of POSIX.
    Cksum,
}

impl Tool {
    /// The program whose line this may be.
    pub(super) fn of(line: &str) -> Option<Self> {
        let (sum, number, name) = split(line)?;
        number.parse::<u64>().ok().filter(|_| !name.is_empty())?;
        let is_small = sum.parse::<u16>().is_ok();
        sum.parse::<u32>().ok().map(|_| if is_small { Self::Sum } else { Self::Cksum })
    }

    /// What a line looks like, for people.
    fn shape(self) -> &'static str {
        match self {
            Self::Sum => "write the sum, the number of blocks and the name, as BSD `sum` does",
            Self::Cksum => "write the checksum, the length and the name, as POSIX `cksum` does",
        }
    }
}

/// The lines of a list.
pub(super) struct NumberSums {
    lines: Lines,
    tool: Tool,
    prose: Prose,
}

impl NumberSums {
    pub(super) fn new(input: Box<dyn BufRead + Send>, tool: Tool) -> Self {
        Self { lines: Lines::new(input), tool, prose: Prose::default() }
    }
}

impl Body for NumberSums {
    fn next(&mut self, reading: &mut Reading) -> Option<Result<Entry, Problem>> {
        loop {
            match self.lines.next() {
                Some(Ok((_, bytes))) if bytes.trim_ascii().is_empty() || bytes.starts_with(b"#") => {}
                Some(Ok((number, bytes))) if is_prose(bytes) => self.prose.pass(number),
                Some(Ok((number, bytes))) => {
                    self.prose.see_table();
                    return Some(read(number, bytes, self.tool, reading));
                }
                Some(Err(problem)) => return Some(Err(problem)),
                None => return self.prose.close(self.tool.shape(), reading).err().map(Err),
            }
        }
    }
}

/// Whether a line is words: it does not begin with a number.
fn is_prose(bytes: &[u8]) -> bool {
    let first = bytes.trim_ascii_start().split(|b| matches!(b, b' ' | b'\t')).next().unwrap_or_default();
    !std::str::from_utf8(first).is_ok_and(is_digits)
}

fn read(number: u64, bytes: &[u8], tool: Tool, reading: &mut Reading) -> Result<Entry, Problem> {
    let place = |at: usize| Position { line: number, column: column_of(bytes, at) };
    let line = std::str::from_utf8(bytes)
        .map_err(|e| Problem::at(place(e.valid_up_to()), "not UTF-8; write such names as URLs with %XX, one a line"))?;
    let offset = |part: &str| offset_in(line, part);
    let Some((sum, amount, name)) = split(line) else {
        return Err(Problem::at(place(0), &format!("no line of such a list: {}", tool.shape())));
    };
    let mut draft = Draft::new(place(offset(sum)));
    match tool {
        Tool::Sum if sum.parse::<u16>().is_err() => {
            let message = "a sum beyond 65535; if the list is by POSIX `cksum`, say --format cksum";
            return Err(Problem::at(place(offset(sum)), message));
        }
        Tool::Sum => {
            draft.line().bsd_sum = Some(format!("{sum}:{amount}"));
            draft.place("bsd-sum", place(offset(amount)));
        }
        Tool::Cksum => {
            draft.line().checksum = Some(format!("cksum={sum}:{amount}"));
            draft.line().size = amount.parse().ok();
            draft.place("checksum", place(offset(sum)));
        }
    }
    let at = place(offset(name));
    draft.place("path", at);
    draft.place("url", at);
    name_file(&mut draft, name, at, reading)?;
    draft.finish(reading)
}

/// Sum, blocks or bytes, and name of a line; a name may hold blanks.
fn split(line: &str) -> Option<(&str, &str, &str)> {
    let blank = [' ', '\t'];
    let (sum, rest) = line.trim_start_matches(blank).split_once(blank)?;
    let rest = rest.trim_start_matches(blank);
    let (amount, name) = rest.split_once(blank).unwrap_or((rest, ""));
    (is_digits(sum) && is_digits(amount)).then(|| (sum, amount, name.trim_matches([' ', '\t', '\r'])))
}
