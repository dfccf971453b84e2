//! What faces may ask of a queue, wherever it lives: in this process or in the one that owns it.

use crate::model::{
    Account, Change, Clash, Counts, Event, IdSet, Job, JobId, JobSpec, Secret, Selection, StatusReport,
};
use std::{future::Future, pin::Pin};

/// Receives what happens during a run. Called from many tasks; must return quickly.
pub trait Observer: Send + Sync {
    /// Takes note of an event.
    fn event(&self, event: &Event);
}

/// A future that a trait object can return.
pub type Reply<'a, T> = Pin<Box<dyn Future<Output = Result<T, DeskError>> + Send + 'a>>;

/// What became of an added manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Added {
    /// The new jobs.
    pub new: IdSet,
    /// Jobs that were there already: same source, same destination.
    pub known: IdSet,
}

/// What became of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Changed {
    /// Jobs that were changed.
    pub changed: u64,
    /// Jobs that were named but did not allow it, with the reason; the first hundred.
    pub refused: Vec<(JobId, String)>,
}

/// Why a request failed.
#[derive(Clone, Debug, thiserror::Error, serde::Serialize, serde::Deserialize)]
pub enum DeskError {
    /// Another source is queued for the same destination; nothing was added.
    #[error(transparent)]
    DestinationTaken(Box<Clash>),
    /// The queue could not be read or written.
    #[error("{0}")]
    Storage(String),
    /// No space for the queue itself.
    #[error("{0}")]
    StorageFull(String),
    /// The owner of the queue does not answer.
    #[error("{0}")]
    NoAnswer(String),
}

/// An open intake: jobs are handed over in parts and accepted all at once, or not at all.
pub trait Intake: Send {
    /// Hands over some jobs.
    ///
    /// # Errors
    /// When one can't be taken; the whole intake is then void.
    fn push(&mut self, jobs: Vec<JobSpec>) -> Reply<'_, ()>;

    /// Keeps a password for an account, once the jobs are accepted.
    ///
    /// # Errors
    /// When it can't be handed over.
    fn credential(&mut self, account: Account, secret: Secret) -> Reply<'_, ()>;

    /// Accepts all jobs handed over; they are durable when this returns.
    ///
    /// # Errors
    /// When they could not be made durable.
    fn accept(self: Box<Self>) -> Reply<'static, Added>;
}

/// The requests of every face.
pub trait Desk: Send + Sync {
    /// Opens an intake. Dropping it without accepting takes nothing.
    ///
    /// # Errors
    /// When the queue can't be reached.
    fn intake(&self) -> Reply<'_, Box<dyn Intake>>;

    /// Counts, hosts, and the run going on.
    ///
    /// # Errors
    /// When the queue can't be read.
    fn status(&self) -> Reply<'_, StatusReport>;

    /// Counts of the selected jobs alone.
    ///
    /// # Errors
    /// When the queue can't be read.
    fn counts(&self, selection: Selection) -> Reply<'_, Counts>;

    /// Selected jobs with a higher number than `after`, ascending, `limit` at most.
    ///
    /// # Errors
    /// When the queue can't be read.
    fn list(&self, selection: Selection, after: Option<JobId>, limit: usize) -> Reply<'_, Vec<Job>>;

    /// One job.
    ///
    /// # Errors
    /// When the queue can't be read.
    fn show(&self, id: JobId) -> Reply<'_, Option<Job>>;

    /// Changes the selected jobs.
    ///
    /// # Errors
    /// When the queue can't be written.
    fn change(&self, selection: Selection, change: Change) -> Reply<'_, Changed>;
}
