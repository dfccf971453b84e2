//! What a command's folders gave so far: a tree that was interrupted is bounded as one that was not.

use super::books::Books;
use super::{Queue, QueueError};
use crate::model::{Account, Job, JobSpec, JobState, RemotePath};
use std::collections::HashSet;

/// Jobs that the folders of a command gave which are not read again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeSize {
    /// Folders among them, of folders that failed too.
    pub folders: u64,
    /// All of them; of files those that came from folders which were read to their ends.
    pub jobs: u64,
}

impl Queue {
    /// What the folders gave that are done with, for the command of that time, in milliseconds since 1970-01-01 UTC. Every
    /// folder's job is looked at, twice.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn tree_size(&self, asked: u64) -> Result<TreeSize, QueueError> {
        self.ask(move |books| books.tree_size(asked)).await
    }
}

impl Books {
    fn tree_size(&mut self, asked: u64) -> Result<TreeSize, QueueError> {
        let all = self.index.jobs(0, u64::MAX).map(|(id, _, state)| (id, state));
        let folders: Vec<(u64, JobState)> = all.filter(|&(id, _)| self.index.is_folder(id)).collect();
        // What these gave is counted when they are read once more.
        let mut unread: HashSet<(Account, RemotePath)> = HashSet::new();
        for &(id, state) in &folders {
            let is_unread = !matches!(state, JobState::Done | JobState::Failed | JobState::Cancelled);
            let is_asked = |job: &Job| job.spec.folder.as_ref().is_some_and(|rules| rules.asked == asked);
            if let Some(job) = self.job(id)?.filter(|job| is_unread && is_asked(job)) {
                unread.insert((job.spec.source.account().clone(), job.spec.source.path().clone()));
            }
        }
        let mut size = TreeSize::default();
        for (id, _) in folders {
            let job = self.job(id)?;
            let Some((job, rules)) = job.and_then(|job| job.spec.folder.clone().map(|rules| (job, rules))) else {
                continue;
            };
            if rules.asked != asked {
                continue;
            }
            if !rules.below.is_empty() && !above(&job.spec).is_some_and(|above| unread.contains(&above)) {
                size.folders += 1;
                size.jobs += 1;
            }
            if let Some(tally) = job.record.receipt.and_then(|receipt| receipt.folder) {
                size.jobs = size.jobs.saturating_add(tally.files);
            }
        }
        Ok(size)
    }
}

/// The folder that a folder's job came from.
fn above(spec: &JobSpec) -> Option<(Account, RemotePath)> {
    Some((spec.source.account().clone(), spec.source.path().above()?))
}
