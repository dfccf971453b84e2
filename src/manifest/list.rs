//! A plain list, as for `wget -i`: a URL a line, and after white space an optional destination.

use super::aria2;
use super::entry::{Entry, Position, entry};
use super::error::{Problem, column_of};
use super::lines::Lines;
use super::reader::Body;
use super::warning::Reading;
use crate::model::ManifestLine;
use std::io::BufRead;

/// The lines of a list.
pub(super) struct List(Lines);

impl List {
    pub(super) fn new(input: Box<dyn BufRead + Send>) -> Self {
        Self(Lines::new(input))
    }
}

impl Body for List {
    fn next(&mut self, reading: &mut Reading) -> Option<Result<Entry, Problem>> {
        loop {
            let (number, bytes) = match self.0.next()? {
                Ok(line) => line,
                Err(problem) => return Some(Err(problem)),
            };
            let start = bytes.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
            match bytes.get(start) {
                None | Some(b'#') => {}
                Some(_) => return Some(read(number, bytes, start, reading)),
            }
        }
    }
}

fn read(number: u64, bytes: &[u8], start: usize, reading: &mut Reading) -> Result<Entry, Problem> {
    let problem = |at: usize, message: &str| Problem::line(number, column_of(bytes, at), message);
    let line = std::str::from_utf8(bytes)
        .map_err(|e| problem(e.valid_up_to(), "not UTF-8; write other bytes in URLs as %XX"))?;
    if let Some(at) = bytes.iter().position(|&b| b == 0) {
        return Err(problem(at, "a NUL byte; a list is text in UTF-8"));
    }
    let rest = line.get(start..).unwrap_or_default();
    let (url, path) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
    let path = path.trim_matches([' ', '\t']);
    let fields = ManifestLine {
        url: url.to_owned(),
        path: (!path.is_empty()).then(|| path.to_owned()),
        ..ManifestLine::default()
    };
    let place = Position { line: number, column: column_of(bytes, start) };
    entry(fields.into(), place, reading).map_err(|bad| match bad.key {
        "path" => problem(line.rfind(path).unwrap_or(start), &bad.message),
        _ if start > 0 && aria2::is_option(line) => {
            problem(start, "an option as in aria2's input files; read the list with --format aria2")
        }
        _ => problem(start, &bad.message),
    })
}
