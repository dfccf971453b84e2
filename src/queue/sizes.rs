//! What the open jobs will still need of the disk, without a look at it.

use super::QueueError;
use super::books::Books;
use super::frame::FrameError;
use super::index::ranges;
use crate::model::{IdSet, JobState};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;

/// Folders that are told apart; what lies in others is counted to the folder that the user chose.
const FOLDERS: usize = 65_536;

/// What is still to be fetched into one folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FolderNeed {
    /// The folder.
    pub folder: PathBuf,
    /// Files of known length.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files of unknown length.
    pub unknown: u64,
    /// Folders of the server that are still to be read.
    pub unread: u64,
}

/// As much of a stored job as is needed.
#[derive(Deserialize)]
struct Needed<'a> {
    #[serde(borrow)]
    destination: Where<'a>,
    #[serde(default)]
    expect: Sized,
    #[serde(default)]
    listed: Sized,
    #[serde(default)]
    folder: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Where<'a> {
    #[serde(borrow)]
    dir: Cow<'a, str>,
    #[serde(borrow)]
    path: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Sized {
    size: Option<u64>,
}

impl Books {
    /// What the jobs that a run would work on need, folder by folder. `only` narrows to these numbers.
    pub(super) fn needs(&mut self, only: Option<&IdSet>) -> Result<Vec<FolderNeed>, QueueError> {
        let mut needs: HashMap<(String, String), FolderNeed> = HashMap::new();
        for (low, high) in ranges(only) {
            let firsts: Vec<u64> = self.packs_of(low, high);
            for first in firsts {
                let open = self.open_in(first, low, high);
                if open.is_empty() {
                    continue;
                }
                let texts = self.texts(first)?;
                // Most jobs of a pack go where the one before went.
                let mut last: Option<((String, String), FolderNeed)> = None;
                for at in open {
                    let Some(text) = texts.text(at) else { continue };
                    let job: Needed<'_> =
                        serde_json::from_slice(text).map_err(|e| self.broken(&FrameError::Content(e.to_string())))?;
                    let below = job.destination.path.rsplit_once('/').map_or("", |(folders, _)| folders);
                    let is_last = last.as_ref().is_some_and(|((d, b), _)| *d == job.destination.dir && b == below);
                    if !is_last {
                        put(&mut needs, last.take());
                        last = Some(((job.destination.dir.into_owned(), below.to_owned()), FolderNeed::default()));
                    }
                    let Some((_, need)) = &mut last else { continue };
                    match job.expect.size.or(job.listed.size) {
                        _ if job.folder.is_some() => need.unread += 1,
                        Some(size) => {
                            need.files += 1;
                            need.bytes = need.bytes.saturating_add(size);
                        }
                        None => need.unknown += 1,
                    }
                }
                put(&mut needs, last);
            }
        }
        let named =
            needs.into_iter().map(|((dir, below), need)| FolderNeed { folder: PathBuf::from(dir).join(below), ..need });
        let mut all: Vec<FolderNeed> = named.collect();
        all.sort_unstable_by(|a, b| a.folder.cmp(&b.folder));
        Ok(all)
    }

    /// The packs that hold numbers from `low` to `high`.
    fn packs_of(&self, low: u64, high: u64) -> Vec<u64> {
        let start = self.index.find(low).map_or(low, |(first, _)| first);
        if start > high {
            return Vec::new();
        }
        self.index.packs().range(start..=high).map(|(&first, _)| first).collect()
    }

    /// Positions of the jobs in a pack that a run would work on.
    fn open_in(&self, first: u64, low: u64, high: u64) -> Vec<usize> {
        let Some(pack) = self.index.pack(first) else { return Vec::new() };
        let is_open = |state: &Option<JobState>| matches!(state, Some(JobState::Queued | JobState::Waiting));
        let all = pack.states.iter().enumerate().zip(first..);
        all.filter(|((_, state), id)| is_open(state) && (low..=high).contains(id)).map(|((at, _), _)| at).collect()
    }
}

fn put(needs: &mut HashMap<(String, String), FolderNeed>, more: Option<((String, String), FolderNeed)>) {
    let Some((mut key, more)) = more else { return };
    if needs.len() >= FOLDERS && !needs.contains_key(&key) {
        key.1.clear();
    }
    let need = needs.entry(key).or_default();
    need.files += more.files;
    need.bytes = need.bytes.saturating_add(more.bytes);
    need.unknown += more.unknown;
    need.unread += more.unread;
}

#[cfg(test)]
mod tests {
    use super::super::Queue;
    use super::super::tests::{account, add, done};
    use super::*;
    use crate::model::{Destination, Expectation, Folder, JobId, JobSpec, Listed, RelPath};

    fn spec(path: &str, size: Option<u64>) -> JobSpec {
        let destination = Destination::new("/d", RelPath::new(path).unwrap()).unwrap();
        let expect = Expectation { size, ..Expectation::default() };
        JobSpec { expect, ..JobSpec::new(format!("ftp://h/{path}").parse().unwrap(), destination) }
    }

    #[tokio::test]
    async fn what_open_jobs_need_is_summed_by_folder() {
        let queue = Queue::in_memory();
        let listed = Some(Listed { size: Some(7), ..Listed::default() });
        let folder = JobSpec {
            folder: Some(Box::new(Folder::default())),
            ..JobSpec::new("ftp://h/x/".parse().unwrap(), Destination::folder("/d").unwrap())
        };
        let jobs = [
            spec("big", Some(1 << 30)),
            spec("a/one", Some(10)),
            spec("a/two \"quoted\"", Some(20)),
            spec("a/three", None),
            JobSpec { listed, ..spec("b/c/four", None) },
            folder,
        ];
        add(&queue, jobs.to_vec()).await.unwrap();
        // The longest is done: it needs nothing more.
        let claim = queue.claim(&account("ftp://h"), 1, None, 0).await.unwrap().remove(0);
        queue.settle(claim, done()).await.unwrap();
        let need = |folder: &str, files, bytes, unknown, unread| FolderNeed {
            folder: folder.into(),
            files,
            bytes,
            unknown,
            unread,
        };
        let all = queue.needs(None).await.unwrap();
        assert_eq!(all, [need("/d", 0, 0, 0, 1), need("/d/a", 2, 30, 1, 0), need("/d/b/c", 1, 7, 0, 0)]);
        let only = [JobId(2)].into_iter().collect();
        assert_eq!(queue.needs(Some(only)).await.unwrap(), [need("/d/a", 1, 10, 0, 0)]);
    }
}
