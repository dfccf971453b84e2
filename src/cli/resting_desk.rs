//! A desk that is not needed for a while: other processes can have the queue when that while grows long, as where nobody
//! reads what is printed (`| less`).

use super::exit::Failed;
use super::face::Face;
use crate::engine::Desk;
use crate::model::{IdSet, Job, JobId, Selection};
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::spawn_blocking;

/// Time after which the desk is given back.
const LONG: Duration = Duration::from_millis(200);

/// A desk that is kept for a moment only.
pub(super) struct RestingDesk(Arc<Rest>);

struct Rest {
    desk: Mutex<Option<Box<dyn Desk>>>,
    taken: Condvar,
}

impl RestingDesk {
    /// Lets a desk rest.
    pub(super) fn new(desk: Box<dyn Desk>) -> Self {
        let rest = Arc::new(Rest { desk: Mutex::new(Some(desk)), taken: Condvar::new() });
        let kept = Arc::clone(&rest);
        // A thread of its own: who prints may hold up the one it is on.
        spawn_blocking(move || {
            let desk = kept.desk.lock().unwrap_or_else(PoisonError::into_inner);
            let waiting = kept.taken.wait_timeout_while(desk, LONG, |desk| desk.is_some());
            drop(waiting.unwrap_or_else(PoisonError::into_inner).0.take());
        });
        Self(rest)
    }

    /// The desk once more: the same, or one opened anew.
    pub(super) async fn take_up(self, face: &mut Face<'_>) -> Result<Box<dyn Desk>, Failed> {
        match self.take() {
            Some(desk) => Ok(desk),
            None => face.desk().await,
        }
    }

    fn take(&self) -> Option<Box<dyn Desk>> {
        let desk = self.0.desk.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.0.taken.notify_one();
        desk
    }
}

impl Drop for RestingDesk {
    fn drop(&mut self) {
        drop(self.take());
    }
}

/// Jobs as they stand by now: others may have had the queue since they were read. Those that are gone are left out.
pub(super) async fn jobs_by_now(desk: &dyn Desk, ids: IdSet) -> Result<BTreeMap<JobId, Job>, Failed> {
    let selection = Selection { ids: Some(ids), state: None, host: None };
    let (mut jobs, mut after) = (BTreeMap::new(), None);
    loop {
        let page = desk.list(selection.clone(), after, 1000).await?;
        let Some(last) = page.last() else { return Ok(jobs) };
        after = Some(last.id);
        jobs.extend(page.into_iter().map(|job| (job.id, job)));
    }
}

/// Whether a job still tells of its file what it told when it was read.
pub(super) fn is_as_read(read: &Job, now: &Job) -> bool {
    (read.state, &read.record.receipt) == (now.state, &now.record.receipt)
}
