//! One folder's claim in a worker's hands: read it, and tell of the jobs that it gave.

use super::clock;
use super::settle::not_signed_in;
use super::worker::{Turn, Word};
use crate::model::{Event, Folder, IdSet, Job};
use crate::queue::QueueError;
use crate::transfer::{Expansion, Gauge, Report, expand};
use std::sync::Arc;

/// Jobs that a folder gave, for the run to work on.
pub(super) struct Found {
    pub(super) account: crate::model::Account,
    /// All of them.
    pub(super) jobs: IdSet,
    /// The folders among them.
    pub(super) folders: IdSet,
}

impl Turn<'_> {
    /// Reads a folder.
    pub(super) async fn expand(&mut self, job: &Job, rules: &Folder, gauge: &Arc<Gauge>) -> Result<Report, QueueError> {
        self.shop.keep_names().await?;
        if let Err(report) = self.sign_in(job).await {
            return Ok(report);
        }
        let Some(mut link) = self.link.take() else { return Ok(not_signed_in(job, super::worker::stopped())) };
        let account = link.dial().account.clone();
        let found = |jobs, folders| {
            let found = Found { account: account.clone(), jobs, folders };
            // Nobody listens any more only when the run is over and the process ends.
            let _ = self.shop.words.send(Word::Found(Box::new(found)));
        };
        let task = Expansion {
            job,
            rules,
            queue: &self.shop.queue,
            gauge,
            stop: self.stop.clone(),
            now: clock::now(),
            survey: self.shop.survey.as_deref(),
            bounds: &self.shop.bounds,
            found: &found,
        };
        let read = expand(&task, &mut link).await;
        self.link = Some(link);
        let (report, tally) = read?;
        if let Some(tally) = tally {
            let (source, destination) = (job.spec.source.clone(), job.spec.destination.clone());
            self.shop.observer.event(&Event::Folder { job: job.id, source, destination, tally });
        }
        Ok(report)
    }
}
