//! How the known jobs of a list stand that are done: since when, and whether their files still are as they were recorded. A
//! look at lengths, no reading.

use super::exit::Failed;
use super::words::time;
use crate::engine::Desk;
use crate::model::{IdSet, Job, JobId, JobState, Selection};
use serde::Serialize;
use std::fs::symlink_metadata;
use std::io;

/// Jobs asked for at a time.
const PAGE: usize = 500;

/// What was found of the files of jobs that are done.
#[derive(Debug, Default, Serialize)]
pub(super) struct DoneBefore {
    /// How many files are done.
    #[serde(skip_serializing_if = "is_none")]
    pub(super) done: u64,
    /// When the first of them was finished, in seconds since 1970-01-01 UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest: Option<u64>,
    /// When the last of them was finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    newest: Option<u64>,
    /// Jobs whose file is gone, or has another size than recorded.
    #[serde(skip_serializing_if = "IdSet::is_empty")]
    pub(super) gone: IdSet,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_none(number: &u64) -> bool {
    *number == 0
}

impl DoneBefore {
    /// Looks at those of the jobs that are done, page by page.
    pub(super) async fn look(desk: &dyn Desk, ids: &IdSet) -> Result<Self, Failed> {
        let mut found = Self::default();
        if ids.is_empty() {
            return Ok(found);
        }
        let selection = Selection { ids: Some(ids.clone()), state: Some(JobState::Done), host: None };
        let mut gone: Vec<JobId> = Vec::new();
        let mut after = None;
        loop {
            let page = desk.list(selection.clone(), after, PAGE).await?;
            let Some(last) = page.last().map(|job| job.id) else { break };
            // A file system on a network may keep one waiting.
            let looked = tokio::task::spawn_blocking(move || {
                page.into_iter().map(|job| (stands(&job), job)).collect::<Vec<(bool, Job)>>()
            });
            let looked = looked
                .await
                .map_err(|e| Failed::Io("looking at files came to a halt".to_owned(), io::Error::other(e)))?;
            for (stands, job) in looked.into_iter().filter(|(_, job)| job.spec.folder.is_none()) {
                found.note(job.record.receipt.map(|receipt| receipt.finished_at));
                gone.extend((!stands).then_some(job.id));
            }
            after = Some(last);
        }
        found.gone = gone.into_iter().collect();
        Ok(found)
    }

    fn note(&mut self, finished: Option<u64>) {
        self.done += 1;
        let Some(at) = finished else { return };
        self.oldest = Some(self.oldest.map_or(at, |oldest| oldest.min(at)));
        self.newest = Some(self.newest.map_or(at, |newest| newest.max(at)));
    }

    /// How many are done and since when, in words; nothing where none are.
    pub(super) fn told(&self) -> Option<String> {
        let since = match (self.oldest, self.newest) {
            (Some(oldest), Some(newest)) if oldest != newest => {
                format!(" between {} and {}", time(oldest), time(newest))
            }
            (Some(oldest), _) => format!(" since {}", time(oldest)),
            (None, _) => String::new(),
        };
        (self.done > 0).then(|| format!("{} done{since}", self.done))
    }
}

/// Whether a file of the recorded size stands there. What can't be looked at counts as gone: the run then says why.
fn stands(job: &Job) -> bool {
    let found = symlink_metadata(job.spec.destination.full()).ok().filter(std::fs::Metadata::is_file);
    match (found, &job.record.receipt) {
        (Some(file), Some(receipt)) => file.len() == receipt.size,
        (found, _) => found.is_some(),
    }
}
