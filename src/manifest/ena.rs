//! ENA's file reports: a row for each run, whose cells are lists with `;` between, matched by their order. With tabs here;
//! as an array in JSON in the file beside this one.

use super::draft::Draft;
use super::entry::{Entry, Position};
use super::error::{Problem, column_of, offset_in};
use super::lines::Lines;
use super::options::EnaColumn;
use super::raw::with_scheme;
use super::reader::Body;
use super::warning::Reading;
use std::collections::VecDeque;
use std::io::BufRead;

/// Most files of one row.
const FILES: usize = 1000;
/// Columns that name what a row is about, the best first.
const NAMES: [&str; 3] = ["run_accession", "analysis_accession", "experiment_accession"];

/// Whether a first line is the header of a report.
pub(super) fn is_header(line: &str) -> bool {
    line.split('\t').any(|name| kind_of(bare(name), "_ftp").is_some())
}

/// Whether a text in JSON is a report.
pub(super) fn is_json(text: &str) -> bool {
    EnaColumn::ALL.iter().any(|kind| text.contains(&format!("\"{}_ftp\"", kind.name())))
}

fn kind_of(column: &str, ending: &str) -> Option<EnaColumn> {
    let stem = column.strip_suffix(ending)?;
    EnaColumn::ALL.into_iter().find(|kind| kind.name() == stem)
}

/// Whether a column is of any use.
pub(super) fn is_known(column: &str) -> bool {
    NAMES.contains(&column) || ["_ftp", "_md5", "_bytes"].iter().any(|ending| kind_of(column, ending).is_some())
}

/// A name or cell without the quotation marks that a spreadsheet puts around it.
fn bare(cell: &str) -> &str {
    let cell = cell.trim();
    cell.strip_prefix('"').and_then(|cell| cell.strip_suffix('"')).unwrap_or(cell)
}

/// One cell of a row.
pub(super) struct Cell {
    pub(super) column: String,
    pub(super) text: String,
    pub(super) at: Position,
}

/// One row of a report, of any form: the cells that are of use.
pub(super) struct EnaRow {
    pub(super) cells: Vec<Cell>,
    pub(super) at: Position,
}

impl EnaRow {
    /// The kinds of files that this row has columns for.
    pub(super) fn kinds(&self) -> Vec<EnaColumn> {
        EnaColumn::ALL.into_iter().filter(|kind| self.cell(*kind, "_ftp").is_some()).collect()
    }

    fn cell(&self, kind: EnaColumn, ending: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| kind_of(&cell.column, ending) == Some(kind))
    }

    fn name(&self) -> Option<&str> {
        let cells = NAMES.iter().filter_map(|name| self.cells.iter().find(|cell| cell.column == *name));
        cells.map(|cell| cell.text.trim()).find(|text| !text.is_empty())
    }

    /// The row's files of these kinds, each with the place of its URL.
    ///
    /// # Errors
    /// When it has none, or its lists don't go together.
    pub(super) fn files(&self, kinds: &[EnaColumn]) -> Result<Vec<Draft>, Problem> {
        let mut drafts = Vec::new();
        for kind in kinds {
            self.files_of(*kind, &mut drafts)?;
        }
        if drafts.is_empty() {
            let names: Vec<String> = kinds.iter().map(|kind| format!("{}_ftp", kind.name())).collect();
            let at = kinds.first().and_then(|kind| self.cell(*kind, "_ftp")).map_or(self.at, |cell| cell.at);
            let plain = |name: &&str| name.len() <= 40 && name.bytes().all(|b| b.is_ascii_alphanumeric());
            let who = self.name().filter(plain).map(|name| format!(" for {name}")).unwrap_or_default();
            let message = format!(
                "no files in {}{who}; take others with --columns, or leave such rows out with --skip-bad",
                names.join(", ")
            );
            return Err(Problem::at(at, &message));
        }
        Ok(drafts)
    }

    fn files_of(&self, kind: EnaColumn, drafts: &mut Vec<Draft>) -> Result<(), Problem> {
        let Some(urls) = self.cell(kind, "_ftp") else { return Ok(()) };
        let parts = parts(&urls.text);
        if parts.len() > FILES {
            return Err(Problem::at(urls.at, &format!("more than {FILES} files in one row")));
        }
        let sums = self.beside(kind, "_md5", parts.len())?;
        let sizes = self.beside(kind, "_bytes", parts.len())?;
        for (index, (start, url)) in parts.into_iter().enumerate() {
            let at = Position { column: urls.at.column + start, ..urls.at };
            let mut draft = Draft::new(at);
            if url.is_empty() {
                return Err(Problem::at(at, &format!("`{}`: address {} is empty", urls.column, index + 1)));
            }
            draft.line().url = with_scheme(url);
            draft.place("path", at);
            if let Some((at, text)) =
                sums.as_ref().and_then(|list| list.get(index)).filter(|(_, text)| !text.is_empty())
            {
                draft.place("md5", *at);
                draft.line().md5 = Some(text.clone());
            }
            if let Some((at, text)) =
                sizes.as_ref().and_then(|list| list.get(index)).filter(|(_, text)| !text.is_empty())
            {
                let size = text.parse().map_err(|_| {
                    let name = kind.name();
                    Problem::at(*at, &format!("`{name}_bytes`: number {} is no whole number of bytes", index + 1))
                })?;
                draft.line().size = Some(size);
            }
            // The other kinds have the run in their names; submitters name their files as they like.
            if kind == EnaColumn::Submitted {
                draft.wanted.below = self.name().map(str::to_owned);
            }
            drafts.push(draft);
        }
        Ok(())
    }

    /// A list beside that of the URLs, where the report has one.
    fn beside(&self, kind: EnaColumn, ending: &str, count: usize) -> Result<Option<Vec<(Position, String)>>, Problem> {
        let Some(cell) = self.cell(kind, ending).filter(|cell| !cell.text.trim().is_empty()) else { return Ok(None) };
        let parts = parts(&cell.text);
        if parts.len() != count {
            let message = format!(
                "`{}_ftp` and `{}` are lists of different length, {count} and {}: which belongs to which is not told",
                kind.name(),
                cell.column,
                parts.len()
            );
            return Err(Problem::at(cell.at, &message));
        }
        let placed =
            |(start, text): (u64, &str)| (Position { column: cell.at.column + start, ..cell.at }, text.to_owned());
        Ok(Some(parts.into_iter().map(placed).collect()))
    }
}

/// The parts of a cell, and where each begins, in characters. A last `;` ends the list.
fn parts(cell: &str) -> Vec<(u64, &str)> {
    if cell.trim().is_empty() {
        return Vec::new();
    }
    let cell = cell.trim_end().strip_suffix(';').unwrap_or(cell);
    let mut next = 0;
    let placed = |part: &'_ str| {
        let start = next;
        next += part.chars().count() as u64 + 1;
        start
    };
    cell.split(';').zip(cell.split(';').map(placed)).map(|(part, start)| (start, part.trim())).collect()
}

/// The kinds to take: those the user named, else the first that the report has.
///
/// # Errors
/// When the report lacks one.
pub(super) fn chosen(has: &[EnaColumn], reading: &Reading) -> Result<Vec<EnaColumn>, String> {
    let list = |kinds: &[EnaColumn]| kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
    let wanted = &reading.options.columns;
    if let Some(lacking) = wanted.iter().find(|kind| !has.contains(kind)) {
        let name = lacking.name();
        return Err(format!(
            "the report has no column `{name}_ftp`, which --columns names; it has {}: ask ENA for the field `{name}_ftp`",
            if has.is_empty() { "none with files".to_owned() } else { list(has) }
        ));
    }
    match (wanted.is_empty(), has.first()) {
        (false, _) => Ok(wanted.clone()),
        (true, Some(first)) => Ok(vec![*first]),
        (true, None) => {
            Err("the report has none of the columns fastq_ftp, submitted_ftp, sra_ftp; ask ENA for one of them"
                .to_owned())
        }
    }
}

/// The rows of a report with tabs.
pub(super) struct EnaTable {
    lines: Lines,
    /// The header, once it is read, and the kinds to take.
    header: Option<(Vec<String>, Vec<EnaColumn>)>,
    ready: VecDeque<Result<Entry, Problem>>,
}

impl EnaTable {
    pub(super) fn new(input: Box<dyn BufRead + Send>) -> Self {
        Self { lines: Lines::new(input), header: None, ready: VecDeque::new() }
    }
}

impl Body for EnaTable {
    fn next(&mut self, reading: &mut Reading) -> Option<Result<Entry, Problem>> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Some(ready);
            }
            match self.lines.next()? {
                Ok((_, bytes)) if bytes.trim_ascii().is_empty() => {}
                Ok((number, bytes)) => match &self.header {
                    None => match read_header(number, bytes, reading) {
                        Ok(header) => self.header = Some(header),
                        Err(problem) => return Some(Err(Problem { fatal: true, ..problem })),
                    },
                    Some((columns, kinds)) => match read_row(number, bytes, columns).and_then(|row| row.files(kinds)) {
                        Ok(drafts) => self.ready.extend(drafts.into_iter().map(|draft| draft.finish(reading))),
                        Err(problem) => return Some(Err(problem)),
                    },
                },
                Err(problem) => return Some(Err(problem)),
            }
        }
    }
}

fn text(number: u64, bytes: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(bytes).map_err(|e| {
        Problem::line(number, column_of(bytes, e.valid_up_to()), "not UTF-8; ENA's reports are text in UTF-8")
    })
}

fn read_header(number: u64, bytes: &[u8], reading: &Reading) -> Result<(Vec<String>, Vec<EnaColumn>), Problem> {
    let columns: Vec<String> = text(number, bytes)?.split('\t').map(|name| bare(name).to_owned()).collect();
    let twice =
        columns.iter().enumerate().find(|(at, name)| is_known(name) && columns.iter().take(*at).any(|n| n == *name));
    if let Some((_, name)) = twice {
        return Err(Problem::line(number, 1, &format!("the column `{name}` comes twice")));
    }
    let has: Vec<EnaColumn> =
        EnaColumn::ALL.into_iter().filter(|kind| columns.contains(&format!("{}_ftp", kind.name()))).collect();
    let kinds = chosen(&has, reading).map_err(|message| Problem::line(number, 1, &message))?;
    Ok((columns, kinds))
}

fn read_row(number: u64, bytes: &[u8], columns: &[String]) -> Result<EnaRow, Problem> {
    let line = text(number, bytes)?;
    let count = line.split('\t').count();
    if count != columns.len() {
        let at = line.split('\t').take(columns.len()).map(|cell| cell.chars().count() as u64 + 1).sum::<u64>();
        let message = format!("{count} cells where the header has {}; is the line cut off?", columns.len());
        return Err(Problem::line(number, at.max(1), &message));
    }
    let mut cells = Vec::new();
    let mut column = 1;
    for (name, cell) in columns.iter().zip(line.split('\t')) {
        if is_known(name) {
            let inner = bare(cell);
            let at = Position { line: number, column: column + offset_in(cell, inner) as u64 };
            cells.push(Cell { column: name.clone(), text: inner.to_owned(), at });
        }
        column += cell.chars().count() as u64 + 1;
    }
    Ok(EnaRow { cells, at: Position { line: number, column: 1 } })
}
