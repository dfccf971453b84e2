//! How far a file has got, made durable and recorded while its bytes flow on.

use super::split::Split;
use super::task::{Halt, Run};
use crate::disk::{DiskError, PartFile, PartReader, Place};
use crate::model::{Cause, Failure, Span, Stage};
use crate::queue::QueueError;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;

/// Bytes, and time, after which what was received is made durable and recorded.
const BYTES: u64 = 64 * 1024 * 1024;
const TIME: Duration = Duration::from_secs(5);

/// When progress was recorded last, and the record that is being written.
///
/// The disk writes while the rest arrives: at the end, little is left to wait for. One record is under way at most, so
/// that a disk slower than the network is asked as often as it answers.
pub(super) struct Ledger<'a> {
    place: &'a Place,
    part: &'a PartFile,
    /// The part file for another thread to sync, once that is due.
    reader: Option<Arc<PartReader>>,
    at: Instant,
    length: u64,
    pending: Option<Pending>,
}

struct Pending {
    task: JoinHandle<Result<(), Unwritten>>,
    /// Length that is durable once the record is.
    durable: Option<u64>,
}

/// Why a record was not written.
enum Unwritten {
    Disk(DiskError),
    Queue(QueueError),
    Broken(JoinError),
}

impl<'a> Ledger<'a> {
    /// A ledger of a file of which `length` bytes are there.
    pub(super) fn new(place: &'a Place, part: &'a PartFile, length: u64) -> Self {
        Self { place, part, reader: None, at: Instant::now(), length, pending: None }
    }

    /// Records what is known of the file before anything of it is durable.
    pub(super) fn open(&mut self, run: &Run<'_>) {
        self.start(run, None);
    }

    /// Begins to make the first `length` bytes durable where that is due, and to record it then.
    pub(super) async fn tick(&mut self, run: &mut Run<'_>, length: u64) -> Result<(), Halt> {
        match run.owner.as_ref().map(|owner| Arc::clone(&owner.seat.split)) {
            Some(split) => self.tick_pieces(run, &split).await,
            None => self.tick_for(run, length, None).await,
        }
    }

    /// The same for all pieces of a file that several sessions may fetch.
    pub(super) async fn tick_pieces(&mut self, run: &mut Run<'_>, split: &Arc<Split>) -> Result<(), Halt> {
        self.tick_for(run, split.total(), Some(split)).await
    }

    async fn tick_for(&mut self, run: &mut Run<'_>, length: u64, split: Option<&Arc<Split>>) -> Result<(), Halt> {
        let gained = length.saturating_sub(self.length);
        let due = gained >= BYTES || (gained > 0 && self.at.elapsed() >= TIME);
        let busy = self.pending.as_ref().is_some_and(|pending| !pending.task.is_finished());
        if !due || busy || !run.is_durable() {
            return Ok(());
        }
        self.finish(run).await?;
        if self.reader.is_none() {
            self.reader = tokio::task::block_in_place(|| self.part.reader(self.place)).ok().map(Arc::new);
        }
        // What comes while the disk writes is not part of it.
        let held = split.map(|split| (Arc::clone(split), split.held()));
        if self.reader.is_none() {
            // No more files can be opened: the bytes have to wait, then.
            run.make_durable(self.part)?;
        }
        (self.at, self.length) = (Instant::now(), length);
        match held {
            Some((split, held)) => self.start_pieces(split, held),
            None => self.start(run, Some(length)),
        }
        Ok(())
    }

    /// Waits for the record under way: none may come after a later one, or after the end of the attempt.
    pub(super) async fn finish(&mut self, run: &mut Run<'_>) -> Result<(), Halt> {
        let Some(pending) = self.pending.take() else { return Ok(()) };
        let written = pending.task.await.unwrap_or_else(|error| Err(Unwritten::Broken(error)));
        match written {
            Ok(()) => {
                if let (Some(durable), Some(progress)) = (pending.durable, &mut run.progress) {
                    progress.durable = durable;
                }
                Ok(())
            }
            Err(Unwritten::Disk(error)) => run.or_distrust(self.part, Err(error.into_failure(Stage::Store).into())),
            Err(Unwritten::Queue(error)) => Err(unrecorded(&error).into()),
            Err(Unwritten::Broken(error)) => Err(unrecorded(&error).into()),
        }
    }

    fn start_pieces(&mut self, split: Arc<Split>, held: Vec<Span>) {
        let reader = self.reader.clone();
        let task = tokio::spawn(async move {
            sync(reader).await?;
            split.record(Some(held)).await.map_err(Unwritten::Queue)
        });
        self.pending = Some(Pending { task, durable: None });
    }

    fn start(&mut self, run: &Run<'_>, durable: Option<u64>) {
        let Some(mut progress) = run.progress.clone() else { return };
        let (queue, id) = (run.task.queue.clone(), run.task.job.id);
        let reader = self.reader.clone().filter(|_| durable.is_some());
        let task = tokio::spawn(async move {
            sync(reader).await?;
            if let Some(durable) = durable {
                progress.durable = durable;
            }
            queue.checkpoint(id, progress).await.map_err(Unwritten::Queue)
        });
        self.pending = Some(Pending { task, durable });
    }
}

async fn sync(reader: Option<Arc<PartReader>>) -> Result<(), Unwritten> {
    let Some(reader) = reader else { return Ok(()) };
    let synced = tokio::task::spawn_blocking(move || reader.sync()).await;
    synced.map_err(Unwritten::Broken)?.map_err(Unwritten::Disk)
}

/// The queue could not take down how far a file has got.
pub(super) fn unrecorded(error: &dyn std::error::Error) -> Failure {
    Failure::local(Stage::Store, Cause::LocalIo, format!("the progress could not be recorded: {error}"))
}
