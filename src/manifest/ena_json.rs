//! ENA's file reports in JSON: one array of objects, of which never more than one is held. Objects without an array around
//! them are taken too.

use super::MAX_LINE;
use super::ena::{Cell, EnaRow, chosen, is_known};
use super::entry::{Entry, Position};
use super::error::Problem;
use super::jsonl::{Fields, without_place};
use super::options::EnaColumn;
use super::reader::Body;
use super::warning::Reading;
use serde_json::Value;
use std::collections::VecDeque;
use std::io::{BufRead, ErrorKind};

/// The objects of a report.
pub(super) struct EnaJson {
    input: Box<dyn BufRead + Send>,
    /// The place of the byte that is read next.
    at: Position,
    stage: ScanStage,
    kinds: Option<Vec<EnaColumn>>,
    ready: VecDeque<Result<Entry, Problem>>,
}

/// What may come next, outside objects.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ScanStage {
    /// The array, or an object without one.
    Begin,
    /// An object, in an array or not; or the end of the array where none came yet.
    First,
    /// A comma, or the end of the array.
    After,
    /// An object.
    Next,
    /// Another object, without an array.
    Bare,
    /// Nothing.
    End,
}

/// Where a scan stands in an object.
#[derive(Default)]
struct Inside {
    depth: u32,
    quoted: bool,
    escaped: bool,
}

impl Inside {
    /// Takes a byte, and tells whether the object ends with it.
    fn take(&mut self, byte: u8) -> bool {
        match (self.quoted, byte) {
            (true, _) if self.escaped => self.escaped = false,
            (true, b'\\') => self.escaped = true,
            (true, b'"') => self.quoted = false,
            (false, b'"') => self.quoted = true,
            (false, b'{' | b'[') => self.depth = self.depth.saturating_add(1),
            (false, b'}' | b']') => self.depth = self.depth.saturating_sub(1),
            (true | false, _) => {}
        }
        self.depth == 0
    }
}

impl EnaJson {
    pub(super) fn new(input: Box<dyn BufRead + Send>) -> Self {
        let at = Position { line: 1, column: 1 };
        Self { input, at, stage: ScanStage::Begin, kinds: None, ready: VecDeque::new() }
    }

    fn peek(&mut self) -> Result<Option<u8>, Problem> {
        loop {
            match self.input.fill_buf() {
                Ok(chunk) => return Ok(chunk.first().copied()),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(Problem::fatal_at(self.at, &format!("the rest can't be read: {e}"))),
            }
        }
    }

    fn step(&mut self, byte: u8) {
        self.input.consume(1);
        if byte == b'\n' {
            self.at = Position { line: self.at.line + 1, column: 1 };
        } else if byte & 0xC0 != 0x80 {
            // The second and later bytes of a character take no column.
            self.at.column += 1;
        }
    }

    /// The bytes of the next object, and where it begins.
    fn object(&mut self) -> Result<Option<(Position, Vec<u8>)>, Problem> {
        loop {
            let Some(byte) = self.peek()? else {
                return match self.stage {
                    ScanStage::Begin | ScanStage::Bare | ScanStage::End => Ok(None),
                    _ => Err(Problem::fatal_at(self.at, "the report ends before its array does; fetch it again")),
                };
            };
            match (self.stage, byte) {
                (_, b' ' | b'\t' | b'\r' | b'\n') => {}
                (ScanStage::Begin, b'[') => self.stage = ScanStage::First,
                (ScanStage::First | ScanStage::After, b']') => self.stage = ScanStage::End,
                (ScanStage::After, b',') => self.stage = ScanStage::Next,
                (ScanStage::Begin | ScanStage::Bare, b'{') => {
                    self.stage = ScanStage::Bare;
                    return self.whole_object().map(Some);
                }
                (ScanStage::First | ScanStage::Next, b'{') => {
                    self.stage = ScanStage::After;
                    return self.whole_object().map(Some);
                }
                _ => {
                    let expected = match self.stage {
                        ScanStage::Begin => "an array of objects",
                        ScanStage::First | ScanStage::Next | ScanStage::Bare => "an object in braces",
                        ScanStage::After => "a comma or the end of the array",
                        ScanStage::End => "nothing behind the array",
                    };
                    return Err(Problem::fatal_at(
                        self.at,
                        &format!("no JSON of an ENA report: {expected} belongs here"),
                    ));
                }
            }
            self.step(byte);
        }
    }

    fn whole_object(&mut self) -> Result<(Position, Vec<u8>), Problem> {
        let begin = self.at;
        let (mut inside, mut bytes) = (Inside::default(), Vec::new());
        loop {
            let Some(byte) = self.peek()? else {
                return Err(Problem::fatal_at(begin, "the report ends within this object; fetch it again"));
            };
            if bytes.len() == MAX_LINE {
                return Err(Problem::fatal_at(begin, &format!("an object is longer than {MAX_LINE} bytes")));
            }
            bytes.push(byte);
            self.step(byte);
            if inside.take(byte) {
                return Ok((begin, bytes));
            }
        }
    }

    fn row(&mut self, begin: Position, bytes: &[u8], reading: &Reading) -> Result<(EnaRow, Vec<EnaColumn>), Problem> {
        let place = |at: usize| place_in(begin, bytes, at);
        let text = std::str::from_utf8(bytes)
            .map_err(|e| Problem::at(place(e.valid_up_to()), "not UTF-8; JSON is text in UTF-8"))?;
        let Fields(fields) = serde_json::from_str(text)
            .map_err(|e| Problem::at(place(offset(bytes, e.line(), e.column())), &without_place(&e)))?;
        let mut row = EnaRow { cells: Vec::new(), at: begin };
        for (column, value) in fields {
            if !is_known(&column) {
                continue;
            }
            let found = text.find(&format!("\"{column}\""));
            let at = place(found.map_or(0, |at| value_at(bytes, at + column.len() + 2)));
            let cell = match value {
                Value::String(cell) => cell,
                Value::Number(number) => number.to_string(),
                Value::Null => String::new(),
                _ => return Err(Problem::at(at, &format!("`{column}`: write a text in quotes"))),
            };
            row.cells.push(Cell { column, text: cell, at });
        }
        if self.kinds.is_none() {
            let kinds = chosen(&row.kinds(), reading).map_err(|message| Problem::fatal_at(begin, &message))?;
            self.kinds = Some(kinds);
        }
        Ok((row, self.kinds.clone().unwrap_or_default()))
    }
}

impl Body for EnaJson {
    fn next(&mut self, reading: &mut Reading) -> Option<Result<Entry, Problem>> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Some(ready);
            }
            let read = match self.object() {
                Ok(object) => object.map(|(begin, bytes)| self.row(begin, &bytes, reading))?,
                Err(problem) => Err(problem),
            };
            match read.and_then(|(row, kinds)| row.files(&kinds)) {
                Ok(drafts) => self.ready.extend(drafts.into_iter().map(|draft| draft.finish(reading))),
                Err(problem) => return Some(Err(problem)),
            }
        }
    }
}

/// Where a byte of an object stands in the file.
fn place_in(begin: Position, bytes: &[u8], at: usize) -> Position {
    let before = bytes.get(..at).unwrap_or(bytes);
    let characters = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().count() as u64;
    match before.iter().rposition(|&b| b == b'\n') {
        None => Position { column: begin.column + characters(before), ..begin },
        Some(newline) => Position {
            line: begin.line + (before.split(|&b| b == b'\n').count() - 1) as u64,
            column: characters(before.get(newline + 1..).unwrap_or_default()) + 1,
        },
    }
}

/// The byte at a line and column, from 1, as the parser counts them: it has read up to there.
fn offset(bytes: &[u8], line: usize, column: usize) -> usize {
    let starts = bytes.split_inclusive(|&b| b == b'\n').take(line.saturating_sub(1)).map(<[u8]>::len);
    starts.sum::<usize>() + column.saturating_sub(1)
}

/// Where the value behind a key begins: behind its first quotation mark.
fn value_at(bytes: &[u8], behind_key: usize) -> usize {
    let rest = bytes.get(behind_key..).unwrap_or_default();
    let skipped = rest.iter().take_while(|b| b.is_ascii_whitespace() || **b == b':').count();
    behind_key + skipped + usize::from(rest.get(skipped) == Some(&b'"'))
}
