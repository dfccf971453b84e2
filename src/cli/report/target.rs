//! Where a report goes: to standard output, or to a file that appears once it is whole.

use super::{ReportFormat, csv, sums};
use crate::cli::exit::Failed;
use crate::cli::face::Face;
use crate::cli::words;
use crate::disk::NewFile;
use crate::model::json_line;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Where a report goes.
pub(super) struct Target(Option<Out>);

struct Out {
    file: NewFile,
    path: PathBuf,
    /// A file of that name may go.
    replaces: bool,
}

impl Target {
    /// Opens it. A file that is there may only be replaced where it is an earlier report of the same format, or `force` says
    /// so.
    pub(super) fn open(path: Option<PathBuf>, format: ReportFormat, force: bool) -> Result<Self, Failed> {
        let Some(path) = path else { return Ok(Self(None)) };
        let wrong = |why: &str| Failed::Usage(format!("-o {}: {why}", words::path(&path)));
        let failed = |e: io::Error| Failed::Io(format!("can't write {}", words::path(&path)), e);
        let replaces = match fs::symlink_metadata(&path) {
            Ok(meta) if !meta.is_file() => return Err(wrong("what is there is no file; write to another name")),
            Ok(_) if force || is_own(&path, format).map_err(failed)? => true,
            Ok(_) => return Err(wrong("another file is there; --force replaces it")),
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(failed(error)),
        };
        let file = NewFile::create(&path).map_err(failed)?;
        Ok(Self(Some(Out { file, path, replaces })))
    }

    pub(super) fn is_file(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn say(&mut self, face: &mut Face<'_>, line: &str) -> Result<(), Failed> {
        match &mut self.0 {
            None => face.say(line),
            Some(out) => writeln!(out.file, "{line}").map_err(|e| out.failed(e)),
        }
    }

    pub(super) fn say_json(&mut self, face: &mut Face<'_>, value: &impl Serialize) -> Result<(), Failed> {
        let line = json_line(value).map_err(|e| Failed::Io("can't write JSON".to_owned(), io::Error::other(e)))?;
        self.say(face, &line)
    }

    /// Gives the file its name.
    pub(super) fn finish(self, force: bool) -> Result<(), Failed> {
        let Some(Out { file, path, replaces }) = self.0 else { return Ok(()) };
        let shown = words::path(&path);
        file.finish(replaces || force).map_err(|e| Failed::Io(format!("can't write {shown}"), e))
    }
}

impl Out {
    fn failed(&self, error: io::Error) -> Failed {
        Failed::Io(format!("can't write {}", words::path(&self.path)), error)
    }
}

/// Whether a file begins as a report of that format does. Text for people has no mark of its own.
fn is_own(path: &Path, format: ReportFormat) -> io::Result<bool> {
    let mark = match format {
        ReportFormat::Text => return Ok(false),
        ReportFormat::Json => "{\"report\":",
        ReportFormat::Csv => csv::HEADER,
        ReportFormat::Sums(_) => sums::MARK,
    };
    let mut start = Vec::new();
    File::open(path)?.take(mark.len() as u64).read_to_end(&mut start)?;
    Ok(start == mark.as_bytes())
}
