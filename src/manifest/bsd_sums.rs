//! What BSD `sum` prints, as Ensembl's CHECKSUMS have it: sum, number of 1024-byte blocks, name.

use super::draft::Draft;
use super::entry::{Entry, Position};
use super::error::{Problem, column_of};
use super::lines::Lines;
use super::reader::Body;
use super::sums::name_file;
use super::warning::Reading;
use std::io::BufRead;

/// Whether a line is one of such a list.
pub(super) fn is_line(line: &str) -> bool {
    split(line).is_some_and(|(sum, blocks, name)| {
        sum.parse::<u16>().is_ok() && blocks.parse::<u64>().is_ok() && !name.is_empty()
    })
}

/// The lines of a list.
pub(super) struct BsdSums(Lines);

impl BsdSums {
    pub(super) fn new(input: Box<dyn BufRead + Send>) -> Self {
        Self(Lines::new(input))
    }
}

impl Body for BsdSums {
    fn next(&mut self, reading: &mut Reading) -> Option<Result<Entry, Problem>> {
        loop {
            match self.0.next()? {
                Ok((_, bytes)) if bytes.trim_ascii().is_empty() || bytes.starts_with(b"#") => {}
                Ok((number, bytes)) => return Some(read(number, bytes, reading)),
                Err(problem) => return Some(Err(problem)),
            }
        }
    }
}

fn read(number: u64, bytes: &[u8], reading: &mut Reading) -> Result<Entry, Problem> {
    let place = |at: usize| Position { line: number, column: column_of(bytes, at) };
    let line = std::str::from_utf8(bytes)
        .map_err(|e| Problem::at(place(e.valid_up_to()), "not UTF-8; write such names as URLs with %XX, one a line"))?;
    let offset = |part: &str| part.as_ptr() as usize - line.as_ptr() as usize;
    let Some((sum, blocks, name)) = split(line) else {
        let message = "no line of a list by BSD `sum`: write the sum, the number of blocks and the name";
        return Err(Problem::at(place(0), message));
    };
    if sum.parse::<u16>().is_err() {
        let message = "a sum beyond 65535; this looks like `cksum`, and ftpq reads what BSD `sum` prints";
        return Err(Problem::at(place(offset(sum)), message));
    }
    let mut draft = Draft::new(place(offset(sum)));
    draft.line().bsd_sum = Some(format!("{sum}:{blocks}"));
    draft.place("bsd-sum", place(offset(blocks)));
    let at = place(offset(name));
    draft.place("path", at);
    draft.place("url", at);
    name_file(&mut draft, name, at, reading)?;
    draft.finish(reading)
}

/// Sum, blocks and name of a line; a name may hold blanks.
fn split(line: &str) -> Option<(&str, &str, &str)> {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let blank = [' ', '\t'];
    let (sum, rest) = line.trim_start_matches(blank).split_once(blank)?;
    let rest = rest.trim_start_matches(blank);
    let (blocks, name) = rest.split_once(blank).unwrap_or((rest, ""));
    (number(sum) && number(blocks)).then(|| (sum, blocks, name.trim_matches(blank)))
}
