//! `sequence.index` of the 1000 Genomes Project: a table with tabs, whose columns `FASTQ_FILE` and `MD5` name a file each.

use super::draft::Draft;
use super::entry::{Entry, Position};
use super::error::{Problem, column_of};
use super::lines::Lines;
use super::reader::Body;
use super::sums::name_file;
use super::warning::Reading;
use std::io::BufRead;

/// Whether a text begins with the header of such a table; lines of remarks with `##` may stand before it.
pub(super) fn is_header(text: &str) -> bool {
    let first = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("##"));
    first.is_some_and(|line| {
        let mut names = names(line);
        names.any(|name| name == "FASTQ_FILE")
    })
}

fn names(line: &str) -> impl Iterator<Item = &str> {
    line.trim_start_matches('#').split('\t').map(str::trim)
}

/// The rows of an index.
pub(super) struct SequenceIndex {
    lines: Lines,
    columns: Option<Columns>,
}

/// Where the columns stand, from 0.
#[derive(Clone, Copy)]
struct Columns {
    file: usize,
    sum: Option<usize>,
    withdrawn: Option<usize>,
}

impl SequenceIndex {
    pub(super) fn new(input: Box<dyn BufRead + Send>) -> Self {
        Self { lines: Lines::new(input), columns: None }
    }
}

impl Body for SequenceIndex {
    fn next(&mut self, reading: &mut Reading) -> Option<Result<Entry, Problem>> {
        loop {
            let (number, bytes) = match self.lines.next()? {
                Ok(line) => line,
                Err(problem) => return Some(Err(problem)),
            };
            if bytes.trim_ascii().is_empty() || bytes.starts_with(b"##") {
                continue;
            }
            let Some(columns) = self.columns else {
                match read_header(number, bytes) {
                    Ok(columns) => self.columns = Some(columns),
                    Err(problem) => return Some(Err(problem)),
                }
                continue;
            };
            if let Some(read) = read(number, bytes, columns, reading).transpose() {
                return Some(read);
            }
        }
    }
}

fn text(number: u64, bytes: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(bytes)
        .map_err(|e| Problem::line(number, column_of(bytes, e.valid_up_to()), "not UTF-8; an index is text in UTF-8"))
}

fn read_header(number: u64, bytes: &[u8]) -> Result<Columns, Problem> {
    let line = text(number, bytes)?;
    let find = |wanted: &str| names(line).position(|name| name == wanted);
    if let Some(file) = find("FASTQ_FILE") {
        Ok(Columns { file, sum: find("MD5"), withdrawn: find("WITHDRAWN") })
    } else {
        let message = "the header has no column FASTQ_FILE; is this a sequence.index?";
        Err(Problem { fatal: true, ..Problem::line(number, 1, message) })
    }
}

/// The job of a row; none where its file was withdrawn.
fn read(number: u64, bytes: &[u8], columns: Columns, reading: &mut Reading) -> Result<Option<Entry>, Problem> {
    let line = text(number, bytes)?;
    let cell = |index: usize| {
        let cell = line.split('\t').nth(index)?;
        let skipped = line.split('\t').take(index).map(|cell| cell.chars().count() as u64 + 1).sum::<u64>();
        Some((cell.trim(), Position { line: number, column: skipped + 1 }))
    };
    if columns.withdrawn.and_then(cell).is_some_and(|(mark, _)| mark == "1") {
        let at = Position { line: number, column: 1 };
        reading.warnings.say_once("withdrawn", at, "files that the index calls withdrawn are left out, this one first");
        return Ok(None);
    }
    let Some((file, at)) = cell(columns.file).filter(|(file, _)| !file.is_empty() && *file != "-") else {
        let message = "no file in column FASTQ_FILE; leave such rows out with --skip-bad";
        return Err(Problem::line(number, 1, message));
    };
    let mut draft = Draft::new(at);
    draft.place("url", at);
    draft.place("path", at);
    if let Some((sum, at)) = columns.sum.and_then(cell) {
        if !sum.is_empty() && sum != "-" {
            draft.line().md5 = Some(sum.to_owned());
            draft.place("md5", at);
        }
    } else if columns.sum.is_some() {
        return Err(Problem::line(
            number,
            line.chars().count() as u64 + 1,
            "the row ends before column MD5; is it cut off?",
        ));
    }
    name_file(&mut draft, file, at, reading)?;
    draft.finish(reading).map(Some)
}
