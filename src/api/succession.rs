//! A desk that outlives its owner: a request that was not taken is put to whoever has the queue next.

use crate::engine::{AccountStanding, Changed, Credential, Desk, DeskError, Intake, Reply};
use crate::model::{Change, Counts, IdSet, Job, JobId, Selection, StatusReport};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Time for which processes may have the queue one after the other, and end before they take a request.
const PATIENCE: Duration = Duration::from_secs(5);

/// Finds who has the queue now; that may be this process.
pub type FindOwner = Box<dyn Fn() -> Reply<'static, Box<dyn Desk>> + Send + Sync>;

/// The desk of whoever has the queue.
pub struct Succession {
    now: Mutex<Arc<dyn Desk>>,
    find: FindOwner,
}

impl Succession {
    /// Begins with a desk; `find` is asked when its owner has ended.
    #[must_use]
    pub fn new(first: Box<dyn Desk>, find: FindOwner) -> Self {
        Self { now: Mutex::new(Arc::from(first)), find }
    }

    async fn ask<T>(&self, request: impl for<'a> Fn(&'a dyn Desk) -> Reply<'a, T> + Send) -> Result<T, DeskError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let desk = Arc::clone(&*self.now.lock().await);
            match request(&*desk).await {
                Err(DeskError::OwnerEnded(_)) if Instant::now() < deadline => {
                    *self.now.lock().await = Arc::from((self.find)().await?);
                }
                answer => return answer,
            }
        }
    }
}

impl Desk for Succession {
    fn intake(&self) -> Reply<'_, Box<dyn Intake>> {
        Box::pin(self.ask(|desk| desk.intake()))
    }

    fn status(&self) -> Reply<'_, StatusReport> {
        Box::pin(self.ask(|desk| desk.status()))
    }

    fn counts(&self, selection: Selection) -> Reply<'_, Counts> {
        Box::pin(self.ask(move |desk| desk.counts(selection.clone())))
    }

    fn list(&self, selection: Selection, after: Option<JobId>, limit: usize) -> Reply<'_, Vec<Job>> {
        Box::pin(self.ask(move |desk| desk.list(selection.clone(), after, limit)))
    }

    fn show(&self, id: JobId) -> Reply<'_, Option<Job>> {
        Box::pin(self.ask(move |desk| desk.show(id)))
    }

    fn accounts(&self, ids: Option<IdSet>) -> Reply<'_, Vec<AccountStanding>> {
        Box::pin(self.ask(move |desk| desk.accounts(ids.clone())))
    }

    fn keep(&self, credential: Credential) -> Reply<'_, bool> {
        Box::pin(self.ask(move |desk| desk.keep(credential.clone())))
    }

    fn forget(&self, logins: Vec<String>, unused: bool) -> Reply<'_, Vec<String>> {
        Box::pin(self.ask(move |desk| desk.forget(logins.clone(), unused)))
    }

    fn change(&self, selection: Selection, change: Change) -> Reply<'_, Changed> {
        Box::pin(self.ask(move |desk| desk.change(selection.clone(), change)))
    }
}
