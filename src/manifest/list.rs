//! A plain list, as for `wget -i`: a URL a line. Behind white space may follow a destination, a checksum, the size, other
//! URLs: each is told by its looks.

use super::aria2;
use super::columns::{ending, is_digits};
use super::entry::{Entry, MIRRORS, Position, Wanted, entry, scheme_of};
use super::error::{Problem, column_of};
use super::joined::names_folder;
use super::lines::Lines;
use super::mirrors::{MirrorPlace, choose};
use super::reader::Body;
use super::row::{Doubt, Misfit, RowFile, files};
use super::warning::Reading;
use std::collections::VecDeque;
use std::io::BufRead;

/// The lines of a list.
pub(super) struct List {
    lines: Lines,
    ready: VecDeque<Result<Entry, Problem>>,
}

impl List {
    pub(super) fn new(input: Box<dyn BufRead + Send>) -> Self {
        Self { lines: Lines::new(input), ready: VecDeque::new() }
    }
}

impl Body for List {
    fn next(&mut self, reading: &mut Reading) -> Option<Result<Entry, Problem>> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Some(ready);
            }
            let (number, bytes) = match self.lines.next()? {
                Ok(line) => line,
                Err(problem) => return Some(Err(problem)),
            };
            let start = bytes.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
            match bytes.get(start) {
                None | Some(b'#') => {}
                Some(_) => match read(number, bytes, start, reading) {
                    Ok(entries) => self.ready.extend(entries),
                    Err(problem) => return Some(Err(problem)),
                },
            }
        }
    }
}

/// The jobs of a line.
fn read(
    number: u64,
    bytes: &[u8],
    start: usize,
    reading: &mut Reading,
) -> Result<Vec<Result<Entry, Problem>>, Problem> {
    let problem = |at: usize, message: &str| Problem::line(number, column_of(bytes, at), message);
    let line = std::str::from_utf8(bytes)
        .map_err(|e| problem(e.valid_up_to(), "not UTF-8; write other bytes in URLs as %XX"))?;
    if let Some(at) = bytes.iter().position(|&b| b == 0) {
        return Err(problem(at, "a NUL byte; a list is text in UTF-8"));
    }
    let row = line.get(start..).unwrap_or_default();
    let length = row.bytes().position(|b| matches!(b, b' ' | b'\t')).unwrap_or(row.len());
    let url = row.get(..length).unwrap_or(row);
    // A blank within a password would part it, and the rest be taken for something else.
    let before_host = row.get(url.len()..).and_then(|rest| rest.rfind('@')).and_then(|at| row.get(..url.len() + at));
    if before_host.is_some_and(|text| text.rsplit([' ', '\t']).skip(1).any(is_cut_in_password)) {
        return Err(problem(start, "a blank within what looks like user and password; write it as %20"));
    }
    if start > 0 && scheme_of(url).is_none() && aria2::is_option(line) {
        return Err(problem(start, "an option as in aria2's input files; read the list with --format aria2"));
    }
    let files =
        files(line, start, reading.options.base.is_some()).map_err(|Misfit { at, message }| problem(at, &message))?;
    // In a row of many URLs this is asked for each of them.
    let is_ascii = line.is_ascii();
    let before = |at: usize| if is_ascii { at } else { line.get(..at).unwrap_or(line).chars().count() };
    let place = |at: usize| Position { line: number, column: before(at) as u64 + 1 };
    Ok(files.into_iter().map(|file| job(file, &place, reading)).collect())
}

/// Whether a URL ends within a password, as far as it goes: what follows the colon is no port.
fn is_cut_in_password(url: &str) -> bool {
    let Some((_, rest)) = url.rsplit_once("://") else { return false };
    let authority = rest.split('/').next().unwrap_or(rest);
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    !url.contains('@') && port.is_some_and(|port| !is_digits(port) || authority.len() == rest.len())
}

/// The job of a file.
fn job(file: RowFile, place: &dyn Fn(usize) -> Position, reading: &mut Reading) -> Result<Entry, Problem> {
    let RowFile { urls, checksum, size, name, doubt, .. } = file;
    let first = urls.first().map_or(0, |(_, at)| *at);
    let mut wanted = Wanted::default();
    let mut own = place(first);
    warn(doubt, name.as_ref().map(|(name, _)| name.as_str()), urls.first().map(|(url, _)| url.as_str()), own, reading);
    let mut urls = urls;
    match urls.pop() {
        Some((url, _)) if urls.is_empty() => wanted.line.url = url,
        last => {
            let places = urls.into_iter().chain(last).map(|(url, at)| MirrorPlace { url, priority: 1, at: place(at) });
            own = choose(places.collect(), &mut wanted, reading)
                .map_err(|message| Problem::at(place(first), &message))?;
        }
    }
    let sum_at = checksum.as_ref().map(|(_, at)| *at);
    let name_at = name.as_ref().map(|(_, at)| *at);
    wanted.line.checksum = checksum.map(|(sum, _)| sum.to_string());
    wanted.line.size = size.map(|(size, _)| size);
    wanted.line.path = name.map(|(name, _)| name);
    entry(wanted, own, reading).map_err(|bad| match bad.key {
        "path" => Problem::at(place(name_at.unwrap_or(first)), &bad.message),
        "checksum" => Problem::at(place(sum_at.unwrap_or(first)), &bad.message),
        MIRRORS => Problem::at(place(first), &bad.message),
        _ => Problem::at(own, &bad.message),
    })
}

/// Says what may have been meant otherwise.
fn warn(doubt: Option<Doubt>, name: Option<&str>, url: Option<&str>, at: Position, reading: &mut Reading) {
    let mut say = |subject: &str, message: &str| reading.warnings.say_once(subject, at, message);
    match doubt {
        Some(Doubt::OneBlank) => say(
            "one blank",
            "what stands one blank behind a URL is taken as the destination, here first; if the blank is a part of the URL, \
             write it as %20",
        ),
        Some(Doubt::OtherNames) => say(
            "other names",
            "URLs with different names in one row are taken as different files, here first; if they are mirrors of one \
             file, name them in a list in JSON Lines, or say --format aria2",
        ),
        None => {}
    }
    // Most rows have no second column.
    let loses_ending = name.is_some_and(|name| ending(name).is_none());
    if loses_ending && url.filter(|url| !names_folder(url)).and_then(ending).is_some() {
        say(
            "ending",
            "a second column without the ending of the file's name is taken as the destination, here first; if it is \
             something else, leave it out or put a `#` before it",
        );
    }
}
