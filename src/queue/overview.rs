//! How things stand, in a small file beside the store, so that nobody has to read a million jobs to be told.
//!
//! It holds for one state of the journal, named by its length and its last bytes: any change of the queue makes an old
//! file void. Nothing is ever decided by it.

use super::books::Books;
use super::{QueueError, files, frame, journal};
use crate::model::{Counts, HostFacts, HostKey, HostStatus};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Last bytes of the journal that are compared: every change has its number there.
const TAIL: u64 = 4096;

/// Longest file that is read, in bytes.
const MOST: u64 = 16 * 1024 * 1024;

/// How the jobs of a queue stand, and its hosts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// How many jobs stand where, as stored: none is running.
    pub jobs: Counts,
    /// Hosts with jobs left or with something learned, by name.
    pub hosts: Vec<HostStatus>,
}

/// A state of the journal.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    len: u64,
    tail: u32,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    journal: Mark,
    overview: Overview,
}

fn path(dir: &Path) -> PathBuf {
    dir.join("overview")
}

fn mark(dir: &Path) -> std::io::Result<Mark> {
    let mut file = File::open(journal::path(dir))?;
    let len = file.metadata()?.len();
    file.seek(SeekFrom::Start(len.saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    Ok(Mark { len, tail: crc32fast::hash(&tail) })
}

/// The overview of a folder that the caller has locked; nothing where there is none that holds.
pub(super) fn read(dir: &Path) -> Option<Overview> {
    let mut value = Vec::new();
    File::open(path(dir)).ok()?.take(MOST).read_to_end(&mut value).ok()?;
    let stored: Stored = frame::open_json(&value).ok()?;
    let is_valid = stored.journal == mark(dir).ok()? && dir.join("store").join("db").exists();
    is_valid.then_some(stored.overview)
}

impl Books {
    /// How the jobs stand, and the hosts.
    pub(super) fn overview(&self) -> Overview {
        let mut hosts: BTreeMap<HostKey, HostStatus> = BTreeMap::new();
        for (name, facts) in &self.facts {
            if let Some(key) = host_key(name) {
                hosts.insert(key.clone(), host_status(&key, facts));
            }
        }
        for lane in self.index.lanes().iter().filter(|lane| lane.left() > 0) {
            let key = lane.account.host_key();
            let row = hosts.entry(key.clone()).or_insert_with(|| host_status(&key, &HostFacts::default()));
            row.left += lane.left();
        }
        Overview { jobs: self.index.counts(), hosts: hosts.into_values().collect() }
    }

    /// Writes the overview, unless the one that is there holds. Where it can't be written, `status` takes longer.
    pub(super) fn write_overview(&self) {
        if self.keeper.is_none() || read(&self.path).is_some() {
            return;
        }
        let stored = mark(&self.path).map(|journal| Stored { journal, overview: self.overview() });
        // Without syncs: what a power cut leaves of it is seen by its checksum.
        let _ = stored.map_err(|e| QueueError::io("reading", &self.path, &e)).and_then(|stored| {
            let value = frame::seal_json(&stored).map_err(|e| self.broken(&e))?;
            let new = self.path.join("overview.new");
            let written = std::io::Write::write_all(&mut files::create(&new)?, &value);
            written.and_then(|()| fs::rename(&new, path(&self.path))).map_err(|e| QueueError::io("writing", &new, &e))
        });
    }
}

/// The host of a key `host:port`.
pub(super) fn host_key(text: &str) -> Option<HostKey> {
    let (host, port) = text.rsplit_once(':')?;
    Some(HostKey { host: host.to_owned(), port: port.parse().ok()? })
}

fn host_status(key: &HostKey, facts: &HostFacts) -> HostStatus {
    HostStatus {
        host: key.to_string(),
        left: 0,
        connection_limit: facts.connection_limit,
        limit_learned_at: facts.limit_learned_at,
        useful_connections: facts.useful_connections,
        useful_learned_at: facts.useful_learned_at,
        protection: facts.protection,
        quirks: facts.quirks,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{account, add, done, specs};
    use super::super::{Queue, books};
    use super::*;
    use crate::model::{Change, JobState, Selection};

    /// What a look at the folder says, and what the queue says once it is opened.
    async fn both(dir: &Path) -> (Option<Overview>, Overview) {
        let seen = Queue::peek(dir).unwrap();
        let (queue, _) = Queue::open(dir).unwrap();
        let said = queue.overview().await.unwrap();
        queue.close().await.unwrap();
        (seen, said)
    }

    #[tokio::test]
    async fn every_end_leaves_an_overview_that_holds() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Queue::peek(dir.path()).unwrap(), None);
        let (queue, _) = Queue::open(dir.path()).unwrap();
        add(&queue, [specs("h", 0..300), specs("b:2121", 0..3)].concat()).await.unwrap();
        assert!(matches!(Queue::peek(dir.path()), Err(QueueError::Locked { .. })), "a run may be going on");
        // The process ends as soon as it has its answer.
        assert_eq!(read(dir.path()).unwrap().jobs.queued, 303);
        queue.change(Selection { host: Some("b".to_owned()), ..Selection::default() }, Change::Pause).await.unwrap();
        assert_eq!(read(dir.path()).unwrap().jobs.paused, 3);
        let claim = queue.claim(&account("ftp://h"), 1, None, 0).await.unwrap().remove(0);
        queue.settle(claim, done()).await.unwrap();
        queue.close().await.unwrap();
        let (seen, said) = both(dir.path()).await;
        let rows: Vec<(&str, u64)> = said.hosts.iter().map(|host| (host.host.as_str(), host.left)).collect();
        assert_eq!((said.jobs.done, rows), (1, vec![("h:21", 299)]));
        assert_eq!(seen, Some(said));
    }

    #[tokio::test]
    async fn an_overview_of_another_state_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let (queue, _) = Queue::open(dir.path()).unwrap();
        add(&queue, specs("h", 0..3)).await.unwrap();
        let old = fs::read(path(dir.path())).unwrap();
        let claim = queue.claim(&account("ftp://h"), 1, None, 0).await.unwrap().remove(0);
        assert_eq!(queue.settle(claim, done()).await.unwrap(), JobState::Done);
        queue.close().await.unwrap();
        // As after a crash.
        fs::write(path(dir.path()), &old).unwrap();
        let (seen, said) = both(dir.path()).await;
        assert_eq!((seen, said.jobs.done), (None, 1));
        let whole = fs::read(path(dir.path())).unwrap();
        for cut in [0, 1, whole.len() - 1] {
            fs::write(path(dir.path()), &whole[..cut]).unwrap();
            assert_eq!(both(dir.path()).await.0, None, "{cut} bytes");
        }
        assert!(both(dir.path()).await.0.is_some());
        fs::remove_dir_all(dir.path().join("store")).unwrap();
        assert_eq!(Queue::peek(dir.path()).unwrap(), None, "there is damage to be told of");
    }

    #[test]
    fn a_queue_in_memory_writes_none() {
        let dir = tempfile::tempdir().unwrap();
        books::Books::new(dir.path(), Box::<super::super::backend::Memory>::default(), String::new()).write_overview();
        assert!(!path(dir.path()).exists());
    }
}
