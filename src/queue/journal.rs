//! The journal: every change as a line of JSON, written before the store sees it.
//!
//! A line is `{"crc":"<CRC-32 of the entry's text, 8 hexadecimal digits>","entry":{..}}`.

use super::{QueueError, files};
use crate::model::{HostFacts, IdSet, JobId, JobRecord, JobState};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Longest line that is read, in bytes.
const LINE: u64 = 4 * 1024 * 1024;

/// A journal is rewritten only from this size on, in bytes.
const WORTH: u64 = 1024 * 1024;

/// Takes one line.
pub(super) type Put<'a> = &'a mut dyn FnMut(Line) -> Result<(), QueueError>;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Entry {
    /// The queue whose journal this is, and the number its next job gets.
    Head {
        /// The queue's own id.
        queue: String,
        /// The next job's number.
        next_id: u64,
    },
    /// A manifest was taken in; its jobs stand in `manifests/`.
    Accepted {
        /// First number.
        first: u64,
        /// Last number.
        last: u64,
    },
    /// A pack of jobs that a folder gave.
    Admitted {
        /// First number.
        first: u64,
        /// Last number.
        last: u64,
        /// The jobs as the store has them, in hexadecimal digits.
        jobs: String,
    },
    /// Jobs changed their state and nothing else.
    State {
        /// From now on.
        state: JobState,
        /// Which.
        ids: IdSet,
    },
    /// Jobs were removed.
    Removed {
        /// Which.
        ids: IdSet,
    },
    /// One job's state and story.
    Job {
        /// Which.
        id: JobId,
        /// From now on.
        state: JobState,
        /// The whole story.
        record: Box<JobRecord>,
    },
    /// What was learned of a host.
    Facts {
        /// `host:port`.
        host: String,
        /// All of it.
        facts: HostFacts,
    },
}

/// A line: the number of the change, and what happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    /// Number of the change that it belongs to.
    pub(super) seq: u64,
    /// What happened.
    #[serde(flatten)]
    pub(super) entry: Entry,
}

/// What reading a journal showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// Number of the last change.
    pub(super) last_seq: u64,
    /// Whole lines.
    pub(super) lines: u64,
    /// Numbers of lines that were skipped because they are damaged.
    pub(super) damaged: Vec<u64>,
    /// Length in bytes up to the last complete line.
    pub(super) whole: u64,
}

/// The open journal.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    len: u64,
    lines: u64,
    last: (u64, u64),
}

/// Where the journal of a queue lies.
pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join("journal.jsonl")
}

/// The line as it is written, with its end.
pub(super) fn render(line: &Line) -> Result<Vec<u8>, serde_json::Error> {
    let entry = serde_json::to_vec(line)?;
    let mut out = format!(r#"{{"crc":"{:08x}","entry":"#, crc32fast::hash(&entry)).into_bytes();
    out.extend_from_slice(&entry);
    out.extend_from_slice(b"}\n");
    Ok(out)
}

/// The line of a text without its end; nothing when it is damaged.
pub(super) fn parse(text: &[u8]) -> Option<Line> {
    let rest = text.strip_prefix(br#"{"crc":""#)?;
    let (crc, rest) = rest.split_at_checked(8)?;
    let entry = rest.strip_prefix(br#"","entry":"#)?.strip_suffix(b"}")?;
    let crc = u32::from_str_radix(std::str::from_utf8(crc).ok()?, 16).ok()?;
    if crc != crc32fast::hash(entry) {
        return None;
    }
    serde_json::from_slice(entry).ok()
}

/// Shows every whole line of the journal in a folder; one that isn't there has none.
///
/// A line without end at the end of the file was never confirmed to anybody and is left out.
pub(super) fn read(dir: &Path, visit: Put<'_>) -> Result<Survey, QueueError> {
    let path = path(dir);
    let mut survey = Survey::default();
    let file = match File::open(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(survey),
        result => result.map_err(|e| QueueError::io("reading", &path, &e))?,
    };
    let mut reader = BufReader::with_capacity(256 * 1024, file);
    let mut text = Vec::new();
    let mut number = 0;
    loop {
        text.clear();
        let n = std::io::Read::take(&mut reader, LINE)
            .read_until(b'\n', &mut text)
            .map_err(|e| QueueError::io("reading", &path, &e))?;
        if n == 0 || text.last() != Some(&b'\n') && super::index::wide(n) < LINE {
            return Ok(survey);
        }
        number += 1;
        survey.whole += super::index::wide(n);
        match parse(text.strip_suffix(b"\n").unwrap_or(&text)) {
            Some(line) => {
                survey.last_seq = survey.last_seq.max(line.seq);
                survey.lines += 1;
                visit(line)?;
            }
            None => survey.damaged.push(number),
        }
    }
}

impl Journal {
    /// Opens the journal of a folder to write on behind what the survey found whole.
    pub(super) fn open(dir: &Path, survey: &Survey) -> Result<Self, QueueError> {
        let path = path(dir);
        let failed = |e: std::io::Error| QueueError::io("opening", &path, &e);
        let mut file = files::own_file().write(true).open(&path).map_err(failed)?;
        file.set_len(survey.whole).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        let at = (survey.whole, survey.lines);
        Ok(Self { path, file, len: survey.whole, lines: survey.lines, last: at })
    }

    /// Puts a new journal in the place of the old one: whole and durable, or not at all.
    pub(super) fn rewrite(
        dir: &Path,
        write: &mut dyn FnMut(Put<'_>) -> Result<(), QueueError>,
    ) -> Result<Self, QueueError> {
        let path = path(dir);
        let new = path.with_extension("new");
        let failed = |e: std::io::Error| QueueError::io("writing", &new, &e);
        let mut out = BufWriter::with_capacity(256 * 1024, files::create(&new)?);
        let (mut len, mut lines) = (0, 0);
        write(&mut |line| {
            let text = render(&line).map_err(|e| failed(e.into()))?;
            len += super::index::wide(text.len());
            lines += 1;
            out.write_all(&text).map_err(failed)
        })?;
        let file = out.into_inner().map_err(|e| failed(e.into_error()))?;
        file.sync_all().map_err(failed)?;
        files::rename(&new, &path)?;
        Ok(Self { path, file, len, lines, last: (len, lines) })
    }

    /// Adds the entries of one change; they are durable when this returns. A failure leaves none of them.
    pub(super) fn append(&mut self, seq: u64, entries: Vec<Entry>) -> Result<(), QueueError> {
        let failed = |path: &Path, e: &std::io::Error| QueueError::io("writing", path, e);
        let mut text = Vec::new();
        let count = super::index::wide(entries.len());
        for entry in entries {
            text.extend(render(&Line { seq, entry }).map_err(|e| failed(&self.path, &e.into()))?);
        }
        self.last = (self.len, self.lines);
        if let Err(e) = self.file.write_all(&text).and_then(|()| self.file.sync_data()) {
            self.undo()?;
            return Err(failed(&self.path, &e));
        }
        self.len += super::index::wide(text.len());
        self.lines += count;
        Ok(())
    }

    /// Takes back what was added last, when the store refused it.
    pub(super) fn undo(&mut self) -> Result<(), QueueError> {
        (self.len, self.lines) = self.last;
        self.file
            .set_len(self.len)
            .and_then(|()| self.file.seek(SeekFrom::End(0)))
            .and_then(|_| self.file.sync_data())
            .map_err(|e| QueueError::io("writing", &self.path, &e))
    }

    /// Whether it is large and mostly history, when `live` lines would do.
    pub(super) fn is_stale(&self, live: u64) -> bool {
        self.len > WORTH && self.lines > live.saturating_add(1).saturating_mul(4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seq: u64) -> Line {
        Line { seq, entry: Entry::State { state: JobState::Paused, ids: [JobId(seq)].into_iter().collect() } }
    }

    fn lines(dir: &Path) -> (Vec<u64>, Survey) {
        let mut seen = Vec::new();
        let survey = read(dir, &mut |line| {
            seen.push(line.seq);
            Ok(())
        });
        (seen, survey.unwrap())
    }

    fn journal(dir: &Path) -> Journal {
        let mut journal = Journal::rewrite(dir, &mut |put| put(line(1))).unwrap();
        journal.append(2, vec![line(2).entry]).unwrap();
        journal.append(3, vec![line(3).entry]).unwrap();
        journal
    }

    #[test]
    fn a_torn_last_line_is_cut_and_writing_goes_on_behind_it() {
        let dir = tempfile::tempdir().unwrap();
        drop(journal(dir.path()));
        let mut text = std::fs::read(path(dir.path())).unwrap();
        text.truncate(text.len() - 5);
        std::fs::write(path(dir.path()), text).unwrap();
        let (seen, survey) = lines(dir.path());
        assert_eq!((seen, survey.damaged.len()), (vec![1, 2], 0));
        Journal::open(dir.path(), &survey).unwrap().append(4, vec![line(4).entry]).unwrap();
        assert_eq!(lines(dir.path()).0, [1, 2, 4]);
    }

    #[test]
    fn a_damaged_line_is_skipped_and_counted() {
        let dir = tempfile::tempdir().unwrap();
        drop(journal(dir.path()));
        let mut text = std::fs::read(path(dir.path())).unwrap();
        let second = text.iter().position(|&b| b == b'\n').unwrap() + 40;
        text[second] ^= 1;
        std::fs::write(path(dir.path()), text).unwrap();
        let (seen, survey) = lines(dir.path());
        assert_eq!((seen, survey.damaged), (vec![1, 3], vec![2]));
    }

    #[test]
    fn what_the_store_refused_is_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = journal(dir.path());
        journal.undo().unwrap();
        assert_eq!(lines(dir.path()).0, [1, 2]);
        journal.append(3, vec![line(3).entry]).unwrap();
        assert_eq!(lines(dir.path()).0, [1, 2, 3]);
    }
}
