//! A plain list, as for `wget -i`: a URL a line, and after white space an optional destination.

use super::entry::{Entry, Position, ReadOptions, job};
use super::error::{Problem, column_of};
use super::lines::Lines;
use crate::model::ManifestLine;

/// The next entry of a list.
pub(super) fn next(lines: &mut Lines, options: &ReadOptions) -> Option<Result<Entry, Problem>> {
    loop {
        let (number, bytes) = match lines.next()? {
            Ok(line) => line,
            Err(problem) => return Some(Err(problem)),
        };
        let start = bytes.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        match bytes.get(start) {
            None | Some(b'#') => {}
            Some(_) => return Some(read(number, bytes, start, options)),
        }
    }
}

fn read(number: u64, bytes: &[u8], start: usize, options: &ReadOptions) -> Result<Entry, Problem> {
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
    match job(fields, options) {
        Ok((spec, secret)) => {
            Ok(Entry { spec, secret, position: Position { line: number, column: column_of(bytes, start) } })
        }
        Err(bad) if bad.key == "path" => Err(problem(line.rfind(path).unwrap_or(start), &bad.message)),
        Err(bad) => Err(problem(start, &bad.message)),
    }
}
