//! NCBI's `assembly_summary`: a table with tabs, whose column `ftp_path` names the folder of an assembly.

use super::draft::Draft;
use super::entry::{Entry, Position, is_ftp, scheme_of};
use super::error::{Problem, column_of};
use super::lines::Lines;
use super::raw::encode;
use super::reader::Body;
use super::warning::Reading;
use std::collections::VecDeque;
use std::io::BufRead;

/// Where `ftp_path` stands when no header says so, from 0: the 20th column.
const FTP_PATH: usize = 19;
/// The host whose files are the same over FTP.
const NCBI: &str = "ftp.ncbi.nlm.nih.gov";

/// Whether a text begins as such a table does: with its header among the first lines, or with an assembly of 20 columns.
pub(super) fn is_header(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let named = lines.clone().take(10).take_while(|line| line.starts_with('#')).any(|line| {
        let mut names = line.trim_start_matches(['#', ' ']).split('\t');
        names.any(|name| matches!(name, "assembly_accession" | "ftp_path"))
    });
    let first = lines.next().unwrap_or_default();
    let is_row = first.starts_with("GCF_") || first.starts_with("GCA_");
    named || (is_row && first.split('\t').count() > FTP_PATH)
}

/// The rows of a summary.
pub(super) struct Assembly {
    lines: Lines,
    column: usize,
    ready: VecDeque<Result<Entry, Problem>>,
}

impl Assembly {
    pub(super) fn new(input: Box<dyn BufRead + Send>) -> Self {
        Self { lines: Lines::new(input), column: FTP_PATH, ready: VecDeque::new() }
    }
}

impl Body for Assembly {
    fn next(&mut self, reading: &mut Reading) -> Option<Result<Entry, Problem>> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Some(ready);
            }
            match self.lines.next()? {
                Ok((_, bytes)) if bytes.trim_ascii().is_empty() => {}
                Ok((_, bytes)) if bytes.starts_with(b"#") => {
                    let header = String::from_utf8_lossy(bytes);
                    let mut names = header.trim_start_matches(['#', ' ']).split('\t');
                    self.column = names.position(|name| name == "ftp_path").unwrap_or(self.column);
                }
                Ok((number, bytes)) => match read(number, bytes, self.column, reading) {
                    Ok(drafts) => self.ready.extend(drafts.into_iter().map(|draft| draft.finish(reading))),
                    Err(problem) => return Some(Err(problem)),
                },
                Err(problem) => return Some(Err(problem)),
            }
        }
    }
}

/// The jobs of a row: its folder, or the files in it that the user chose.
fn read(number: u64, bytes: &[u8], column: usize, reading: &Reading) -> Result<Vec<Draft>, Problem> {
    let place = |at: usize| Position { line: number, column: column_of(bytes, at) };
    let line = std::str::from_utf8(bytes)
        .map_err(|e| Problem::at(place(e.valid_up_to()), "not UTF-8; an assembly_summary is text in UTF-8"))?;
    let Some(cell) = line.split('\t').nth(column) else {
        let message = format!("no column {}, which holds `ftp_path`; is the file cut off here?", column + 1);
        return Err(Problem::at(place(line.len()), &message));
    };
    let at = place(cell.as_ptr() as usize - line.as_ptr() as usize);
    let cell = cell.trim().trim_end_matches('/');
    if cell.is_empty() || cell == "na" {
        let message = "the assembly has no `ftp_path`; leave such rows out with --skip-bad";
        return Err(Problem::at(at, message));
    }
    let folder = folder(cell).map_err(|message| Problem::at(at, &message))?;
    let Some((_, name)) = folder.rsplit_once('/').filter(|(above, _)| above.contains("://") && !above.ends_with('/'))
    else {
        return Err(Problem::at(at, "`ftp_path` names no folder of an assembly"));
    };
    let name = name.to_owned();
    let mut drafts = Vec::new();
    let mut draft = |tail: Option<&str>| {
        let mut draft = Draft::new(at);
        draft.wanted.is_folder = tail.is_none();
        draft.line().url = match tail {
            Some(tail) => format!("{folder}/{name}{}", encode(tail)),
            None => format!("{folder}/"),
        };
        draft.line().path = Some(format!("{name}{}", tail.unwrap_or_default()));
        drafts.push(draft);
    };
    if reading.options.suffixes.is_empty() {
        draft(None);
    }
    for suffix in &reading.options.suffixes {
        draft(Some(suffix));
    }
    Ok(drafts)
}

/// The folder's URL over FTP.
fn folder(cell: &str) -> Result<String, String> {
    let Some(scheme) = scheme_of(cell) else {
        return Err("`ftp_path` is no URL; is the header with the column's name missing?".to_owned());
    };
    if is_ftp(scheme) {
        return Ok(cell.to_owned());
    }
    let rest = cell.get(scheme.len() + 3..).unwrap_or_default();
    match rest.split_once('/') {
        // NCBI's tables write https, and have the same tree on FTP.
        Some((host, path)) if host.eq_ignore_ascii_case(NCBI) && matches!(scheme, "https" | "http") => {
            Ok(format!("ftp://{NCBI}/{path}"))
        }
        _ => Err(format!(
            "`ftp_path` is no URL of FTP, and only for {NCBI} is it known that the same files are there over FTP; write \
             the ftp:// address"
        )),
    }
}
