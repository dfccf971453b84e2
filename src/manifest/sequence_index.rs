//! Index files of the 1000 Genomes Project, IGSR and GIAB: tables with tabs, each row with one or several files and their
//! MD5. `FASTQ_FILE` and `MD5`, `ENA_FILE_PATH` and `MD5SUM`, `BAM`, `BAM_MD5`, `BAI` and `BAI_MD5`, and so on.

use super::draft::Draft;
use super::entry::{Entry, Position};
use super::error::{Problem, column_of};
use super::lines::Lines;
use super::reader::Body;
use super::sums::name_file;
use super::warning::Reading;
use std::collections::VecDeque;
use std::io::BufRead;

/// Columns of files that have names of their own for the column of their MD5.
const OWN: [(&str, &str); 2] = [("FASTQ_FILE", "MD5"), ("ENA_FILE_PATH", "MD5SUM")];
/// What stands behind the name of a column of files in that of their MD5.
const MD5: [&str; 2] = ["_MD5", " MD5"];
/// Most columns of files.
const FILES: usize = 100;

/// Whether a text begins with the header of such a table; lines of remarks with `##` may stand before it.
pub(super) fn is_header(text: &str) -> bool {
    let first = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("##"));
    first.is_some_and(|line| !files(line).is_empty())
}

fn names(line: &str) -> impl Iterator<Item = &str> {
    line.trim_start_matches('#').split('\t').map(str::trim)
}

/// The columns of files that a header names, and those of their MD5.
fn files(header: &str) -> Vec<(usize, Option<usize>)> {
    let find = |wanted: &str| names(header).position(|name| name == wanted);
    let own = OWN.iter().filter_map(|(file, sum)| Some((find(file)?, find(sum))));
    let pairs = names(header).enumerate().filter_map(|(at, name)| {
        let stem = MD5.iter().find_map(|ending| name.strip_suffix(ending))?;
        // `BAM FILE` and `BAM MD5` stand beside each other, too.
        Some((find(stem).or_else(|| find(&format!("{stem} FILE")))?, Some(at)))
    });
    own.chain(pairs).take(FILES).collect()
}

/// The rows of an index.
pub(super) struct SequenceIndex {
    lines: Lines,
    columns: Option<Columns>,
    ready: VecDeque<Result<Entry, Problem>>,
}

/// Where the columns stand, from 0.
#[derive(Clone)]
struct Columns {
    files: Vec<(usize, Option<usize>)>,
    withdrawn: Option<usize>,
}

impl SequenceIndex {
    pub(super) fn new(input: Box<dyn BufRead + Send>) -> Self {
        Self { lines: Lines::new(input), columns: None, ready: VecDeque::new() }
    }
}

impl Body for SequenceIndex {
    fn next(&mut self, reading: &mut Reading) -> Option<Result<Entry, Problem>> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Some(ready);
            }
            let (number, bytes) = match self.lines.next()? {
                Ok(line) => line,
                Err(problem) => return Some(Err(problem)),
            };
            if bytes.trim_ascii().is_empty() || bytes.starts_with(b"##") {
                continue;
            }
            let Some(columns) = &self.columns else {
                match read_header(number, bytes) {
                    Ok(columns) => self.columns = Some(columns),
                    Err(problem) => return Some(Err(problem)),
                }
                continue;
            };
            match IndexRow::read(number, bytes) {
                Ok(row) => self.ready.extend(row.entries(columns, reading)),
                Err(problem) => return Some(Err(problem)),
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
    let files = files(line);
    if files.is_empty() {
        let message = "the header has no column of files, such as FASTQ_FILE, or BAM beside BAM_MD5; is this an index?";
        return Err(Problem { fatal: true, ..Problem::line(number, 1, message) });
    }
    let withdrawn = names(line).position(|name| name == "WITHDRAWN");
    Ok(Columns { files, withdrawn })
}

/// A row that is being read.
struct IndexRow<'l> {
    line: &'l str,
    number: u64,
}

impl<'l> IndexRow<'l> {
    fn read(number: u64, bytes: &'l [u8]) -> Result<Self, Problem> {
        Ok(Self { line: text(number, bytes)?, number })
    }

    /// What stands in a column, and where.
    fn cell(&self, index: usize) -> Option<(&'l str, Position)> {
        let cell = self.line.split('\t').nth(index)?;
        let skipped = self.line.split('\t').take(index).map(|cell| cell.chars().count() as u64 + 1).sum::<u64>();
        Some((cell.trim(), Position { line: self.number, column: skipped + 1 }))
    }

    /// The jobs of the row; none where its files were withdrawn.
    fn entries(&self, columns: &Columns, reading: &mut Reading) -> Vec<Result<Entry, Problem>> {
        let at = Position { line: self.number, column: 1 };
        if columns.withdrawn.and_then(|index| self.cell(index)).is_some_and(|(mark, _)| mark == "1") {
            let message = "files that the index calls withdrawn are left out, this one first";
            reading.warnings.say_once("withdrawn", at, message);
            return Vec::new();
        }
        let entries: Vec<_> =
            columns.files.iter().filter_map(|(file, sum)| self.entry(*file, *sum, reading).transpose()).collect();
        if entries.is_empty() {
            let message = "no file in this row; leave such rows out with --skip-bad";
            return vec![Err(Problem::at(at, message))];
        }
        entries
    }

    /// The job of a file; none where the row has no file there.
    fn entry(&self, file: usize, sum: Option<usize>, reading: &mut Reading) -> Result<Option<Entry>, Problem> {
        let is_given = |(cell, _): &(&str, Position)| !cell.is_empty() && *cell != "-";
        let Some((file, at)) = self.cell(file).filter(is_given) else { return Ok(None) };
        let mut draft = Draft::new(at);
        draft.place("url", at);
        draft.place("path", at);
        if let Some(sum) = sum {
            let Some(found) = self.cell(sum) else {
                let end = self.line.chars().count() as u64 + 1;
                return Err(Problem::line(self.number, end, "the row ends before its MD5; is it cut off?"));
            };
            if is_given(&found) {
                draft.line().md5 = Some(found.0.to_owned());
                draft.place("md5", found.1);
            }
        }
        name_file(&mut draft, file, at, reading)?;
        draft.finish(reading).map(Some)
    }
}
