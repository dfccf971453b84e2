//! What faces may ask of a queue, wherever it lives: in this process or in the one that owns it.

use crate::model::{
    Account, Change, Clash, Counts, Event, IdSet, Job, JobId, JobSpec, Secret, Selection, StatusReport,
};
use std::{future::Future, pin::Pin};
use tokio::sync::watch;

/// Receives what happens during a run.
pub trait Observer: Send + Sync {
    /// Takes note of an event. Called by whoever does the work: it never waits for a terminal, a pipe or a reader.
    fn event(&self, event: &Event);

    /// Is `true` while more events wait for a reader that must miss none than memory should hold: nothing new is begun
    /// meanwhile.
    fn behind(&self) -> watch::Receiver<bool>;
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
    /// Jobs that took another checksum, size or digests of pieces than they had.
    #[serde(default, skip_serializing_if = "IdSet::is_empty")]
    pub corrected: IdSet,
    /// Those of them that were done, and are checked again.
    #[serde(default, skip_serializing_if = "IdSet::is_empty")]
    pub again: IdSet,
    /// Jobs that are not done, and lack mirrors that they are said to have.
    #[serde(default, skip_serializing_if = "IdSet::is_empty")]
    pub without_mirrors: IdSet,
    /// Jobs that are not done, and keep other settings than they are now given.
    #[serde(default, skip_serializing_if = "IdSet::is_empty")]
    pub kept_settings: IdSet,
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
    /// One list says of a file what can't both be; nothing was added.
    #[error("{0}")]
    Contradiction(String),
    /// The queue could not be read or written.
    #[error("{0}")]
    Storage(String),
    /// No space for the queue itself.
    #[error("{0}")]
    StorageFull(String),
    /// The owner of the queue does not answer, or not any more; the text tells what is known of the request.
    #[error("{0}")]
    NoAnswer(String),
    /// The owner of the queue ended before it took up the request, or while it only looked something up: another process may
    /// have the queue by now.
    #[error("{0}")]
    OwnerEnded(String),
}

/// A password for one account.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Whose.
    pub account: Account,
    /// The password.
    pub secret: Secret,
    /// It is never sent without TLS.
    pub tls: bool,
    /// It is stored; otherwise it is held for as long as the process lives that owns the queue.
    pub stored: bool,
}

/// An account with kept passwords or jobs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AccountStanding {
    /// `user@host:port`.
    pub login: String,
    /// The account, where it has jobs.
    pub account: Option<Account>,
    /// Jobs, whatever their state.
    pub jobs: u64,
    /// Jobs that are not through.
    pub left: u64,
    /// What is kept of its password, where it has an entry.
    pub kept: Option<KeptStanding>,
}

/// How a kept password stands; never the password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct KeptStanding {
    /// The password itself is stored, or held by the process that owns the queue.
    pub known: bool,
    /// It is never sent without TLS.
    pub tls: bool,
    /// When the server refused it first, in seconds since 1970-01-01 UTC.
    pub refused_at: Option<u64>,
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
    fn credential(&mut self, credential: Credential) -> Reply<'_, ()>;

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

    /// Selected jobs with a higher number than `after`, ascending, `limit` at most, fewer where they are long; none means the
    /// end.
    ///
    /// # Errors
    /// When the queue can't be read.
    fn list(&self, selection: Selection, after: Option<JobId>, limit: usize) -> Reply<'_, Vec<Job>>;

    /// One job.
    ///
    /// # Errors
    /// When the queue can't be read.
    fn show(&self, id: JobId) -> Reply<'_, Option<Job>>;

    /// All accounts that have jobs, or an entry in the credential file; the jobs counted are those of these numbers, where
    /// some are given.
    ///
    /// # Errors
    /// When the queue can't be read.
    fn accounts(&self, ids: Option<IdSet>) -> Reply<'_, Vec<AccountStanding>>;

    /// Keeps a password at once. A run that left its account alone takes it up again. Returns whether anything changed.
    ///
    /// # Errors
    /// When it can't be stored.
    fn keep(&self, credential: Credential) -> Reply<'_, bool>;

    /// Forgets the entries of these names, `user@host:port`; those with jobs stay where `unused` alone are meant. Returns
    /// the names of those that were there.
    ///
    /// # Errors
    /// When it can't be stored.
    fn forget(&self, logins: Vec<String>, unused: bool) -> Reply<'_, Vec<String>>;

    /// Changes the selected jobs.
    ///
    /// # Errors
    /// When the queue can't be written.
    fn change(&self, selection: Selection, change: Change) -> Reply<'_, Changed>;
}
