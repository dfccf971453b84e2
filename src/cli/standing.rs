//! Whether the files of jobs that are done still stand as they were recorded: a look at their sizes, no reading.

use super::exit::Failed;
use crate::engine::Desk;
use crate::model::{IdSet, Job, JobId, JobState, Selection};
use std::fs::symlink_metadata;
use std::io;

/// Jobs asked for at a time.
const PAGE: usize = 500;
/// Files that are named one by one.
const NAMED: usize = 20;

/// What was found of the files of jobs that are done.
#[derive(Default)]
pub(super) struct Standing {
    /// Jobs whose file is gone, or has another size than recorded.
    pub(super) gone: IdSet,
    /// The first files that stand.
    pub(super) there: Vec<String>,
    /// How many more stand.
    pub(super) more: u64,
}

/// Looks at the files of those jobs that are done, page by page.
pub(super) async fn look(desk: &dyn Desk, ids: &IdSet) -> Result<Standing, Failed> {
    let mut standing = Standing::default();
    if ids.is_empty() {
        return Ok(standing);
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
        let looked =
            looked.await.map_err(|e| Failed::Io("looking at files came to a halt".to_owned(), io::Error::other(e)))?;
        for (stands, job) in looked {
            match stands {
                false => gone.push(job.id),
                true if job.spec.folder.is_some() => {}
                true if standing.there.len() < NAMED => standing.there.push(job.spec.destination.to_string()),
                true => standing.more += 1,
            }
        }
        after = Some(last);
    }
    standing.gone = gone.into_iter().collect();
    Ok(standing)
}

/// Whether a file of the recorded size stands there. What can't be looked at counts as gone: the run then says why.
fn stands(job: &Job) -> bool {
    if job.spec.folder.is_some() {
        // What is to be had of it is read on the server.
        return true;
    }
    let found = symlink_metadata(job.spec.destination.full()).ok().filter(std::fs::Metadata::is_file);
    match (found, &job.record.receipt) {
        (Some(file), Some(receipt)) => file.len() == receipt.size,
        (found, _) => found.is_some(),
    }
}
