//! What a command's folders gave so far: a tree that was interrupted is bounded as one that was not.

use super::books::Books;
use super::{Queue, QueueError};

/// Jobs that the folders of a command gave, as far as these were read to their ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeSize {
    /// Folders among them.
    pub folders: u64,
    /// All of them.
    pub jobs: u64,
}

impl Queue {
    /// What the folders gave that were read to their ends for the command of that time, in milliseconds since 1970-01-01
    /// UTC. Every folder's job is looked at.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn tree_size(&self, asked: u64) -> Result<TreeSize, QueueError> {
        self.ask(move |books| books.tree_size(asked)).await
    }
}

impl Books {
    fn tree_size(&mut self, asked: u64) -> Result<TreeSize, QueueError> {
        let all = self.index.jobs(0, u64::MAX).map(|(id, _, _)| id);
        let folders: Vec<u64> = all.filter(|&id| self.index.is_folder(id)).collect();
        let mut size = TreeSize::default();
        for id in folders {
            let Some(job) = self.job(id)?.filter(|job| job.spec.folder.as_ref().is_some_and(|it| it.asked == asked))
            else {
                continue;
            };
            if let Some(tally) = job.record.receipt.and_then(|receipt| receipt.folder) {
                size.folders = size.folders.saturating_add(tally.folders);
                size.jobs = size.jobs.saturating_add(tally.folders).saturating_add(tally.files);
            }
        }
        Ok(size)
    }
}
