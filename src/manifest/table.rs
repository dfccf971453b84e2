//! CSV (RFC 4180) and TSV with a header that names the columns; rclone's `URL,FILENAME` without one.

use super::MAX_LINE;
use super::columns::{Column, are_partners, file_named, last_part};
use super::entry::{Entry, KEYS, MIRRORS, PASSWORD, Position, entry, set, unknown};
use super::error::{Problem, column_of};
use super::reader::Body;
use super::warning::Reading;
use crate::model::{ManifestLine, Settings};
use csv::{ByteRecord, ReaderBuilder, Trim};
use serde_json::Value;
use std::io::{self, BufRead, Read};

/// Bytes that the CSV reader may take ahead of the record it reads.
const AHEAD: usize = 64 << 10;

/// The records of a table.
pub(super) struct Table {
    csv: csv::Reader<Recording>,
    columns: Vec<String>,
    record: ByteRecord,
    started: bool,
    ended: bool,
    separator: u8,
    /// Whether the last columns may be left out.
    short: bool,
}

impl Table {
    pub(super) fn new(input: Box<dyn BufRead + Send>, separator: u8) -> Self {
        let input = Recording { input, kept: Vec::new(), from: 0 };
        let csv = ReaderBuilder::new()
            .delimiter(separator)
            .has_headers(false)
            .flexible(true)
            .trim(Trim::All)
            .buffer_capacity(AHEAD)
            .from_reader(input);
        Self {
            csv,
            columns: Vec::new(),
            record: ByteRecord::new(),
            started: false,
            ended: false,
            separator,
            short: false,
        }
    }

    /// What `rclone copyurl --urls` reads: CSV without a header, a URL and the name of its file; the name may be left out.
    pub(super) fn of_urls_and_names(input: Box<dyn BufRead + Send>) -> Self {
        let columns = ["url", "path"].map(str::to_owned).to_vec();
        Self { columns, started: true, short: true, ..Self::new(input, b',') }
    }
}

impl Body for Table {
    /// The next entry; the header is read before the first.
    fn next(&mut self, reading: &mut Reading) -> Option<Result<Entry, Problem>> {
        if !self.started {
            self.started = true;
            match self.read_record() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(problem) => return Some(Err(problem)),
            }
            if let Err(problem) = self.read_header() {
                // Without knowing the columns no line can be understood.
                self.ended = true;
                return Some(Err(problem));
            }
        }
        match self.read_record() {
            Ok(true) => Some(self.read_entry(reading)),
            Ok(false) => None,
            Err(problem) => Some(Err(problem)),
        }
    }
}

impl Table {
    fn read_record(&mut self) -> Result<bool, Problem> {
        if self.ended {
            return Ok(false);
        }
        let position = self.csv.position().clone();
        self.csv.get_mut().forget_before(position.byte());
        let read = self.csv.read_byte_record(&mut self.record);
        self.ended = !matches!(read, Ok(true));
        read.map_err(|e| {
            let reason = match e.into_kind() {
                csv::ErrorKind::Io(e) => e.to_string(),
                other => format!("{other:?}"),
            };
            Problem::fatal(position.line(), &format!("the rest can't be read: {reason}"))
        })
    }

    fn read_header(&mut self) -> Result<(), Problem> {
        let mut columns: Vec<String> = Vec::new();
        for (index, name) in self.record.iter().enumerate() {
            let name = String::from_utf8_lossy(name).into_owned();
            let problem = |message: &str| Problem { fatal: true, ..self.problem(index, message) };
            if !KEYS.contains(&name.as_str()) && !Settings::KEYS.contains(&name.as_str()) {
                return Err(problem(&format!("the header's column {}", unknown(&name))));
            }
            if Settings::OWN_KEYS.contains(&name.as_str()) {
                let refused = Settings::default().assign_from_list(&name, Value::Null);
                return Err(problem(&refused.map_or_else(|e| e.to_string(), |()| unknown(&name))));
            }
            if columns.contains(&name) {
                return Err(problem(&format!("the column `{name}` comes twice")));
            }
            columns.push(name);
        }
        if !columns.iter().any(|name| name == "url") {
            return Err(Problem { fatal: true, ..self.problem(0, "the header has no column `url`") });
        }
        self.columns = columns;
        Ok(())
    }

    fn read_entry(&self, reading: &mut Reading) -> Result<Entry, Problem> {
        if self.record.len() != self.columns.len() && !(self.short && self.record.len() < self.columns.len()) {
            let index = self.record.len().min(self.columns.len());
            let fields = self.record.len();
            let message = if self.short {
                format!(
                    "{fields} fields; rclone's lists have two, URL,FILENAME: put what holds a comma into quotation marks"
                )
            } else {
                format!("{fields} fields where the header has {}", self.columns.len())
            };
            return Err(self.problem(index, &message));
        }
        let mut line = ManifestLine::default();
        let veiled = self.columns.iter().any(|name| name == PASSWORD);
        for (index, (name, cell)) in self.columns.iter().zip(&self.record).enumerate() {
            if cell.is_empty() {
                continue;
            }
            let cell = std::str::from_utf8(cell).map_err(|e| {
                let Position { line, column } = self.place(index);
                let before = column_of(cell, e.valid_up_to()) - 1;
                Problem::line(line, column + before, "not UTF-8; a table is text in UTF-8")
            })?;
            if self.short && index > 0 && reading.options.format.is_none() {
                set_unnamed(&mut line, cell).map_err(|message| self.problem(index, &message))?;
                continue;
            }
            set(&mut line, name, value(name, cell), veiled).map_err(|message| self.problem(index, &message))?;
        }
        entry(line.into(), self.place(0), reading).map_err(|bad| {
            self.problem(self.columns.iter().position(|name| name == bad.key).unwrap_or(0), &bad.message)
        })
    }

    fn problem(&self, field: usize, message: &str) -> Problem {
        let Position { line, column } = self.place(field);
        Problem::line(line, column, message)
    }

    /// Line and column of a field of this record, found in the bytes as they were written.
    fn place(&self, field: usize) -> Position {
        let Some(start) = self.record.position() else { return Position { line: 1, column: 1 } };
        let raw = self.csv.get_ref().kept_from(start.byte());
        // The CSV reader counts a record from the end of the one before, blank lines included.
        let blank = raw.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        let (mut fields, mut quoted, mut at) = (0, false, blank);
        while fields < field {
            match raw.get(at) {
                None => break,
                Some(b'"') => quoted = !quoted,
                Some(b'\n') if !quoted => break,
                Some(&b) if b == self.separator && !quoted => fields += 1,
                Some(_) => {}
            }
            at += 1;
        }
        let before = raw.get(..at).unwrap_or(raw);
        let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |newline| newline + 1);
        let newlines = before.split(|&b| b == b'\n').count() - 1;
        let line = before.get(line_start..).unwrap_or_default();
        Position { line: start.line() + newlines as u64, column: column_of(line, line.len()) }
    }
}

/// Takes what stands behind the URL where no header tells what it is.
fn set_unnamed(line: &mut ManifestLine, cell: &str) -> Result<(), String> {
    match Column::of(cell)? {
        Column::Url => {
            return Err(
                "a second URL: is it a mirror or another file? a row has one URL and the file's name".to_owned()
            );
        }
        Column::Checksum(sum) => line.checksum = Some(sum.to_string()),
        Column::Size(size) => line.size = Some(size),
        Column::Absent => {}
        Column::Name => {
            let own = file_named(&line.url).unwrap_or_default();
            if are_partners(&own, last_part(cell)) {
                return Err(
                    "a second file that belongs to the first, or a destination? write each URL on a line of its \
                            own, or give destinations in a list in JSON Lines"
                        .to_owned(),
                );
            }
            line.path = Some(cell.to_owned());
        }
    }
    Ok(())
}

/// A cell as JSON would have it.
fn value(key: &str, cell: &str) -> Value {
    match (key, cell) {
        ("size" | "timeout" | "retries" | "min-age", _) => {
            cell.parse::<u64>().map_or_else(|_| Value::from(cell), Value::from)
        }
        (MIRRORS, _) => cell.split('|').map(|url| Value::from(url.trim())).filter(|url| *url != "").collect(),
        ("resume" | "split", "true" | "false") => Value::Bool(cell == "true"),
        _ => Value::from(cell),
    }
}

/// Keeps the bytes of the record that is being read, for positions, and stops a record without end.
struct Recording {
    input: Box<dyn BufRead + Send>,
    kept: Vec<u8>,
    /// Offset of the first kept byte.
    from: u64,
}

impl Recording {
    fn forget_before(&mut self, offset: u64) {
        let gone = usize::try_from(offset.saturating_sub(self.from)).unwrap_or(usize::MAX).min(self.kept.len());
        // Moving the rest down each time would cost the square of the buffer's length.
        if gone >= AHEAD || gone == self.kept.len() {
            self.kept.drain(..gone);
            self.from += gone as u64;
        }
    }

    fn kept_from(&self, offset: u64) -> &[u8] {
        let skip = usize::try_from(offset.saturating_sub(self.from)).unwrap_or(usize::MAX);
        self.kept.get(skip..).unwrap_or_default()
    }
}

impl Read for Recording {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // One record, what was taken ahead of it, and what was not worth forgetting yet.
        if self.kept.len() > MAX_LINE + 2 * AHEAD {
            let message = format!("a record is longer than {MAX_LINE} bytes; is a quotation mark not closed?");
            return Err(io::Error::other(message));
        }
        let count = self.input.read(buffer)?;
        self.kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}
