//! The one reader that all formats share.

use super::entry::{Entry, Position, ReadOptions, job};
use super::error::{LineError, Problem};
use super::lines::Lines;
use super::table::Table;
use super::{Format, input, jsonl, list};
use crate::model::ManifestLine;
use std::io::BufRead;

/// The entries of a manifest, one by one, as they are read. After an error the next line is read, unless the error is
/// fatal.
pub struct Reader {
    name: String,
    options: ReadOptions,
    body: Body,
}

enum Body {
    /// Not looked at yet: opening costs no read, so that it can't fail or wait.
    Raw(Box<dyn BufRead + Send>),
    List(Lines),
    Jsonl(Lines),
    Table(Box<Table>),
    Ended,
}

impl Reader {
    /// A reader of that input, which errors call by that name. Nothing is read yet.
    #[must_use]
    pub fn open(input: Box<dyn BufRead + Send>, name: String, options: ReadOptions) -> Self {
        Self { name, options, body: Body::Raw(input) }
    }

    fn next_entry(&mut self) -> Option<Result<Entry, Problem>> {
        if let Body::Raw(_) = self.body {
            let Body::Raw(raw) = std::mem::replace(&mut self.body, Body::Ended) else { return None };
            match input::open(raw) {
                Ok((text, head)) => self.body = self.choose(text, &head),
                Err(e) => return Some(Err(Problem::fatal(1, &format!("can't be read: {e}")))),
            }
        }
        match &mut self.body {
            Body::List(lines) => list::next(lines, &self.options),
            Body::Jsonl(lines) => jsonl::next(lines, &self.options),
            Body::Table(table) => table.next(&self.options),
            Body::Raw(_) | Body::Ended => None,
        }
    }

    fn choose(&self, text: Box<dyn BufRead + Send>, head: &[u8]) -> Body {
        let format = self.options.format.or_else(|| Format::of_name(&self.name));
        match format.unwrap_or_else(|| Format::of_bytes(head)) {
            Format::List => Body::List(Lines::new(text)),
            Format::Jsonl => Body::Jsonl(Lines::new(text)),
            Format::Csv => Body::Table(Box::new(Table::new(text, b','))),
            Format::Tsv => Body::Table(Box::new(Table::new(text, b'\t'))),
        }
    }
}

impl Iterator for Reader {
    type Item = Result<Entry, LineError>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = self.next_entry()?.map_err(|problem| problem.in_file(&self.name));
        if matches!(&result, Err(error) if error.fatal) {
            self.body = Body::Ended;
        }
        Some(result)
    }
}

/// The entry of one URL that stands in no file, with the destination it is given; `number` counts such URLs from 1.
///
/// # Errors
/// When it is no URL of a file, or the destination can't be used.
pub fn single(url: &str, path: Option<&str>, number: u64, options: &ReadOptions) -> Result<Entry, LineError> {
    let line = ManifestLine { url: url.to_owned(), path: path.map(str::to_owned), ..ManifestLine::default() };
    match job(line, options) {
        Ok((spec, secret)) => Ok(Entry { spec, secret, position: Position { line: number, column: 1 } }),
        Err(bad) => Err(Problem::line(number, 1, &bad.message).in_file("command line")),
    }
}
