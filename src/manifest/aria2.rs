//! aria2's input files: the URLs of a file on one line, with tabs between them, and its options indented below.

use super::columns::file_named;
use super::draft::Draft;
use super::entry::{Entry, Position};
use super::error::{Problem, column_of};
use super::lines::Lines;
use super::mirrors::{MirrorPlace, choose};
use super::reader::Body;
use super::warning::Reading;
use crate::model::{Secret, SettingError, parse_bytes, printable, without_userinfo};
use serde_json::Value;
use std::collections::VecDeque;
use std::io::BufRead;
use std::path::{Component, Path};

/// Most URLs of one file.
const URLS: usize = 1000;

/// Whether a text looks like an input file and not like a plain list: an option below a URL. Several URLs on a line tell
/// nothing: in other lists they are different files.
pub(super) fn is_input(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines.next().is_some_and(|line| !line.starts_with([' ', '\t'])) && lines.any(is_option)
}

/// Whether a line is an indented option.
pub(super) fn is_option(line: &str) -> bool {
    let name = line.trim_start_matches([' ', '\t']).split_once('=').map(|(name, _)| name);
    line.starts_with([' ', '\t'])
        && name.is_some_and(|name| {
            name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
}

/// The lines of an input file.
pub(super) struct Aria2 {
    lines: Lines,
    open: Option<Open>,
    ready: VecDeque<Result<Entry, Problem>>,
}

/// A file whose options are being read.
struct Open {
    draft: Draft,
    urls: Vec<MirrorPlace>,
    dir: Option<String>,
    /// One connection is asked for, whatever else is.
    alone: bool,
    /// What is wrong with it: its other options are passed over.
    problem: Option<Problem>,
}

impl Aria2 {
    pub(super) fn new(input: Box<dyn BufRead + Send>) -> Self {
        Self { lines: Lines::new(input), open: None, ready: VecDeque::new() }
    }
}

impl Body for Aria2 {
    fn next(&mut self, reading: &mut Reading) -> Option<Result<Entry, Problem>> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Some(ready);
            }
            let Some(line) = self.lines.next() else {
                return self.open.take().map(|open| open.close(reading));
            };
            match line {
                Ok((number, bytes)) => match bytes.first() {
                    None | Some(b'#') => {}
                    Some(_) if bytes.trim_ascii().is_empty() => {}
                    Some(b' ' | b'\t') => option(&mut self.open, number, bytes, &mut self.ready, reading),
                    Some(_) => {
                        let next = Open::begin(number, bytes);
                        self.ready.extend(self.open.replace(next).map(|open| open.close(reading)));
                    }
                },
                Err(problem) => {
                    self.ready.extend(self.open.take().map(|open| open.close(reading)));
                    self.ready.push_back(Err(problem));
                }
            }
        }
    }
}

/// The text of a line.
fn text(number: u64, bytes: &[u8]) -> Result<&str, Problem> {
    let problem = |at: usize, message: &str| Problem::line(number, column_of(bytes, at), message);
    let line = std::str::from_utf8(bytes)
        .map_err(|e| problem(e.valid_up_to(), "not UTF-8; write other bytes in URLs as %XX"))?;
    match line.find('\0') {
        Some(at) => Err(problem(at, "a NUL byte; a list is text in UTF-8")),
        None => Ok(line),
    }
}

/// Reads an option, for the file above it.
fn option(
    open: &mut Option<Open>,
    number: u64,
    bytes: &[u8],
    ready: &mut VecDeque<Result<Entry, Problem>>,
    reading: &mut Reading,
) {
    let start = bytes.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let at = Position { line: number, column: column_of(bytes, start) };
    let Some(open) = open else {
        let message = "an indented option without a URL above it; URLs begin at the line's first column";
        ready.push_back(Err(Problem::at(at, message)));
        return;
    };
    if open.problem.is_some() {
        return;
    }
    let read = text(number, bytes).and_then(|line| {
        let line = line.trim_matches([' ', '\t']);
        let Some((name, value)) = line.split_once('=') else {
            return Err(Problem::at(at, "no option; write name=value, or begin a URL at the line's first column"));
        };
        let (name, value) = (name.trim_end(), value.trim());
        open.set(name, value, at, reading).map_err(|message| Problem::at(at, &message))
    });
    open.problem = read.err();
}

impl Open {
    fn begin(number: u64, bytes: &[u8]) -> Self {
        let at = Position { line: number, column: 1 };
        let mut open = Self { draft: Draft::new(at), urls: Vec::new(), dir: None, alone: false, problem: None };
        match text(number, bytes) {
            Ok(line) => {
                let mut start = 0;
                for url in line.split('\t') {
                    if !url.trim().is_empty() {
                        let at = Position { line: number, column: column_of(bytes, start) };
                        open.urls.push(MirrorPlace { url: url.trim().to_owned(), priority: 1, at });
                    }
                    start += url.len() + 1;
                    if open.urls.len() > URLS {
                        open.problem = Some(Problem::at(at, &format!("more than {URLS} URLs of one file")));
                        break;
                    }
                }
            }
            Err(problem) => open.problem = Some(problem),
        }
        open
    }

    fn close(mut self, reading: &mut Reading) -> Result<Entry, Problem> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let at = self.draft.at;
        let mut names = self.urls.iter().map(|place| file_named(&place.url));
        if let Some(first) = names.next().flatten()
            && names.any(|name| name.is_some_and(|name| name != first))
        {
            let message = "URLs with different names are mirrors of one file in aria2's lists, and taken as that, here first; if \
                           they are different files, write each on a line of its own";
            reading.warnings.say_once("other names", at, message);
        }
        let own = choose(self.urls, &mut self.draft.wanted, reading).map_err(|message| Problem::at(at, &message))?;
        self.draft.at = own;
        self.draft.place("mirrors", at);
        self.draft.wanted.below = self.dir;
        if self.alone {
            self.draft.line().settings.split = Some(false);
        }
        self.draft.finish(reading)
    }

    /// Takes an option.
    fn set(&mut self, name: &str, value: &str, at: Position, reading: &mut Reading) -> Result<(), String> {
        if value.is_empty() {
            return Ok(());
        }
        let line = self.draft.line();
        match name {
            "dir" => {
                self.draft.place("path", at);
                self.dir = below(value, &reading.options.into)?;
            }
            "out" => {
                let value = value.strip_prefix("./").unwrap_or(value);
                line.path = Some(value.to_owned());
                self.draft.place("path", at);
            }
            "checksum" => {
                line.checksum = Some(value.to_owned());
                self.draft.place("checksum", at);
            }
            "ftp-user" => {
                line.ftp_user = Some(value.to_owned());
                self.draft.place("ftp-user", at);
            }
            "ftp-passwd" => {
                line.ftp_passwd = Some(Secret::new(value));
                self.draft.place("ftp-passwd", at);
            }
            _ => return self.set_behaviour(name, value, at, reading),
        }
        Ok(())
    }

    /// Takes an option of how to download.
    fn set_behaviour(&mut self, name: &str, value: &str, at: Position, reading: &mut Reading) -> Result<(), String> {
        // No value is shown: a password may stand where it does not belong.
        let wrong = |advice: &str| format!("`{name}`: write {advice}");
        let truth = || match value {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(wrong("true or false")),
        };
        let number = |least: u64| {
            let read = value.parse::<u64>().ok().filter(|n| *n >= least);
            read.ok_or_else(|| wrong(&format!("a number from {least} on")))
        };
        let (key, setting) = match name {
            "ftp-pasv" => ("data-mode", Value::from(if truth()? { "passive" } else { "active" })),
            "ftp-type" => match value {
                "binary" => ("type", Value::from("image")),
                "ascii" => ("type", Value::from("ascii")),
                _ => return Err(wrong("binary or ascii")),
            },
            // One connection is a wish; more of them are as many as nobody else needs.
            "split" => ("split", Value::from(number(1)? > 1)),
            "max-connection-per-server" => {
                self.alone = number(1)? == 1;
                return Ok(());
            }
            "max-download-limit" => match parse_bytes(value).map_err(|e| format!("`{name}`: {e}"))? {
                0 => return Ok(()),
                rate => ("limit-rate", Value::from(rate)),
            },
            // aria2 counts the first attempt too, and takes 0 for no limit.
            "max-tries" => {
                ("retries", Value::from(number(0)?.checked_sub(1).unwrap_or(MOST_RETRIES).min(MOST_RETRIES)))
            }
            "continue" if truth()? => ("existing", Value::from("resume")),
            "continue" => return Ok(()),
            "pause" => {
                if truth()? {
                    let message = "`pause`: jobs are queued ready to run; `ftpq pause ID` sets them aside";
                    reading.warnings.say_once(name, at, message);
                }
                return Ok(());
            }
            _ => {
                let plain =
                    name.len() <= 40 && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
                let message = match name {
                    "gid" => "`gid` is left out: ftpq gives its own numbers".to_owned(),
                    _ if plain => format!("the option `{name}` is left out: ftpq has no use for it"),
                    // A password may stand where it does not belong.
                    _ => return Err("no option of aria2; write name=value with a name in small letters".to_owned()),
                };
                reading.warnings.say_once(name, at, &message);
                return Ok(());
            }
        };
        self.draft.line().settings.assign_from_list(key, setting).map_err(|e| match e {
            SettingError::Value { message, .. } => format!("`{name}`: {message}"),
            SettingError::Unknown(_) => wrong("another value"),
        })
    }
}

/// Most retries that a job can have.
const MOST_RETRIES: u64 = 1_000_000;

/// A folder of an input file as a path below that of `--into`; none where it is that folder itself.
fn below(dir: &str, into: &Path) -> Result<Option<String>, String> {
    let path = Path::new(dir);
    let relative = if path.is_absolute() {
        path.strip_prefix(into).map_err(|_| {
            format!(
                "`dir`: {} does not lie in {}, the folder that --into names; give --into a folder above both, or make \
                 `dir` relative",
                printable(&without_userinfo(dir), 200),
                printable(&into.to_string_lossy(), 200)
            )
        })?
    } else {
        path
    };
    let mut parts = Vec::new();
    for part in relative.components() {
        match part {
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::CurDir => {}
            _ => return Err("`dir`: a `..` component could lead out of the folder that --into names".to_owned()),
        }
    }
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}
