//! Accepted manifests, kept until their jobs are gone: what the queue is rebuilt from.

use super::index::wide;
use super::{QueueError, files};
use crate::model::{JobId, JobSpec};
use flate2::{Compression, bufread::GzDecoder, write::GzEncoder};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Longest line that is read, in bytes.
const LINE: u64 = 4 * 1024 * 1024;

/// A line of a kept manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The job's number.
    pub(super) id: JobId,
    /// What is asked for.
    #[serde(flatten)]
    pub(super) spec: JobSpec,
}

/// The folder of the kept manifests.
#[derive(Clone)]
pub(super) struct Manifests {
    dir: PathBuf,
    /// Last number by first number.
    files: BTreeMap<u64, u64>,
}

/// A manifest that is being taken in.
pub(super) struct Draft {
    path: PathBuf,
    /// The encoder clears its whole buffer at each write: it gets few large ones.
    out: BufWriter<GzEncoder<File>>,
}

impl Manifests {
    /// Lists the manifests of a queue's folder, and makes their folder where it is missing.
    pub(super) fn open(queue: &Path) -> Result<Self, QueueError> {
        let dir = queue.join("manifests");
        files::make_dir(&dir)?;
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(&dir).map_err(|e| QueueError::io("reading", &dir, &e))? {
            let name = entry.map_err(|e| QueueError::io("reading", &dir, &e))?.file_name();
            if let Some((first, last)) = name.to_str().and_then(range_of) {
                found.insert(first, last);
            }
        }
        files::remove(&dir.join("draft"))?;
        Ok(Self { dir, files: found })
    }

    /// First and last numbers of the manifests, ascending.
    pub(super) fn ranges(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.files.iter().map(|(&first, &last)| (first, last))
    }

    /// The manifest that holds a number.
    pub(super) fn of(&self, id: u64) -> Option<(u64, u64)> {
        self.files.range(..=id).next_back().map(|(&a, &b)| (a, b)).filter(|&(_, last)| id <= last)
    }

    /// Begins a manifest.
    pub(super) fn draft(&self) -> Result<Draft, QueueError> {
        let path = self.dir.join("draft");
        let out = GzEncoder::new(files::create(&path)?, Compression::fast());
        Ok(Draft { path, out: BufWriter::with_capacity(256 * 1024, out) })
    }

    /// Makes a draft durable under its numbers.
    pub(super) fn keep(&mut self, draft: Draft, first: u64, last: u64) -> Result<(), QueueError> {
        let failed = |e: std::io::Error| QueueError::io("writing", &draft.path, &e);
        let file = draft.out.into_inner().map_err(std::io::IntoInnerError::into_error).and_then(GzEncoder::finish);
        file.and_then(|file| file.sync_all()).map_err(failed)?;
        files::rename(&draft.path, &self.path(first, last))?;
        self.files.insert(first, last);
        Ok(())
    }

    /// Removes a manifest.
    pub(super) fn remove(&mut self, first: u64) -> Result<(), QueueError> {
        if let Some(last) = self.files.remove(&first) {
            files::remove(&self.path(first, last))?;
        }
        Ok(())
    }

    /// Shows every job of a manifest, ascending; returns what is wrong with it, where something is.
    pub(super) fn read(
        &self,
        first: u64,
        last: u64,
        visit: &mut dyn FnMut(Kept) -> Result<(), QueueError>,
    ) -> Result<Option<String>, QueueError> {
        let path = self.path(first, last);
        let file = File::open(&path).map_err(|e| QueueError::io("reading", &path, &e))?;
        let mut lines = BufReader::new(GzDecoder::new(BufReader::with_capacity(256 * 1024, file)));
        let mut expected = first;
        let mut text = Vec::new();
        while expected <= last {
            text.clear();
            let kept = match lines.by_ref().take(LINE).read_until(b'\n', &mut text) {
                Ok(_) => serde_json::from_slice::<Kept>(&text).map_err(|e| e.to_string()),
                Err(e) => Err(e.to_string()),
            };
            match kept {
                Ok(kept) if kept.id.0 == expected => visit(kept)?,
                Ok(_) => return Ok(Some(format!("job {expected} is not where it should be"))),
                Err(why) => return Ok(Some(format!("it can't be read from job {expected} on: {why}"))),
            }
            expected += 1;
        }
        // Only the end of the stream shows whether the checksum of the whole matches.
        match lines.read_to_end(&mut text) {
            Ok(_) => Ok(None),
            Err(e) => Ok(Some(e.to_string())),
        }
    }

    /// The file of these numbers.
    pub(super) fn path(&self, first: u64, last: u64) -> PathBuf {
        self.dir.join(format!("{first}-{last}.jsonl.gz"))
    }
}

impl Draft {
    /// Adds a job, whose JSON text is at hand.
    pub(super) fn push(&mut self, id: u64, text: &[u8]) -> Result<(), QueueError> {
        let rest = text.strip_prefix(b"{").unwrap_or(text);
        write!(self.out, "{{\"id\":{id},")
            .and_then(|()| self.out.write_all(rest))
            .and_then(|()| self.out.write_all(b"\n"))
            .map_err(|e| QueueError::io("writing", &self.path, &e))
    }

    /// Drops it.
    pub(super) fn discard(self) -> Result<(), QueueError> {
        // What was not written yet need not be.
        drop(self.out.into_parts());
        files::remove(&self.path)
    }
}

fn range_of(name: &str) -> Option<(u64, u64)> {
    let (first, last) = name.strip_suffix(".jsonl.gz")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?)).filter(|(first, last)| first <= last)
}

/// How many numbers a range has.
pub(super) fn span(first: u64, last: u64) -> u64 {
    last.saturating_sub(first).saturating_add(wide(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(n: u64) -> Vec<u8> {
        format!(r#"{{"source":"ftp://h/{n}","destination":{{"dir":"/d","path":"{n}"}},"expect":{{}}}}"#).into_bytes()
    }

    fn kept(dir: &Path) -> Manifests {
        let mut manifests = Manifests::open(dir).unwrap();
        let mut draft = manifests.draft().unwrap();
        for n in 5..=9 {
            draft.push(n, &text(n)).unwrap();
        }
        manifests.keep(draft, 5, 9).unwrap();
        manifests
    }

    #[test]
    fn a_kept_manifest_is_found_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        drop(kept(dir.path()));
        let manifests = Manifests::open(dir.path()).unwrap();
        assert_eq!(manifests.of(7), Some((5, 9)));
        assert_eq!(manifests.of(10), None);
        let mut ids = Vec::new();
        let wrong = manifests.read(5, 9, &mut |kept| {
            ids.push(kept.id.0);
            Ok(())
        });
        assert_eq!((wrong.unwrap(), ids), (None, vec![5, 6, 7, 8, 9]));
    }

    #[test]
    fn damage_is_named_and_a_draft_is_never_taken_for_a_manifest() {
        let dir = tempfile::tempdir().unwrap();
        let manifests = kept(dir.path());
        let path = manifests.path(5, 9);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        fs::write(&path, bytes).unwrap();
        assert!(manifests.read(5, 9, &mut |_| Ok(())).unwrap().is_some());
        drop(manifests.draft().unwrap());
        assert_eq!(Manifests::open(dir.path()).unwrap().ranges().collect::<Vec<_>>(), [(5, 9)]);
    }
}
