//! A file that several sessions fetch at once: what they share.
//!
//! The map of pieces lives here, and is written down so that nothing but a machine crash costs more than half a MiB of a
//! piece: before the first byte beyond the file's beginning is written, and at least every half MiB, the label on the part
//! file says what is held. From then on the part file's length tells nothing.

use super::gauge::Gauge;
use super::ledger::unrecorded;
use super::task::{Halt, Task, on_disk};
use crate::disk::{DiskError, PartFile};
use crate::model::{Failure, Identity, JobId, Progress, RemotePath, Source, Span, Stage};
use crate::policy::{Meeting, OVERLAP, Piece, PieceId, Pieces, Room};
use crate::queue::{Queue, QueueError};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OnceCell, watch};
use tokio::time::Instant;

/// Milliseconds for which a file is watched before the rate of its connections is believed.
const WATCHED: u64 = 500;
/// A piece that got on so far since the label was written has it written again, in bytes.
const LABEL: u64 = 512 * 1024;

/// What is to be fetched, and whom to tell of it.
pub(super) struct Plot {
    job: JobId,
    /// The job's own source.
    own: Source,
    /// The one that the file comes from.
    source: Source,
    pub(super) remote: Identity,
    queue: Queue,
    gauge: Arc<Gauge>,
}

/// A file under way that further sessions may join.
pub struct Split {
    pub(super) plot: Plot,
    state: Mutex<State>,
    /// Whether the map is written down, so that bytes may be written anywhere; `false` where it can't be.
    opened: OnceCell<bool>,
    /// Records are written one after the other, each with what is true when its turn comes.
    recording: tokio::sync::Mutex<()>,
    /// Whether all have to leave.
    over: watch::Sender<bool>,
    /// Helpers at work. Also tells of every change that gives others something to do.
    helpers: watch::Sender<usize>,
    fetched: AtomicU64,
}

struct State {
    /// The part file, until the owner has done with it.
    part: Option<Arc<PartFile>>,
    map: Pieces,
    progress: Progress,
    /// Whether the map is in use: the label says what is held, not the part file's length.
    in_pieces: bool,
    /// Bytes that each piece got on by since the label was written.
    unlabelled: HashMap<PieceId, u64>,
    /// Why all have to leave.
    halt: Option<Trouble>,
    /// Whether nobody more is to join.
    refused: bool,
    /// Sessions that are on their way.
    invited: u64,
    /// Whether the server sent more than the file held.
    overshot: bool,
    notes: Vec<String>,
    /// Pieces that were handed out.
    pieces: u32,
    /// When this began, and how many bytes were held then.
    began: (Instant, u64),
}

/// A session's place at a file, kept for it while it is opened.
pub struct Invitation {
    pub(super) split: Arc<Split>,
}

impl Drop for Invitation {
    fn drop(&mut self) {
        let mut state = self.split.lock();
        state.invited = state.invited.saturating_sub(1);
    }
}

/// What ends the work of all.
#[derive(Clone)]
enum Trouble {
    /// This machine's trouble, as a full disk.
    Failed(Failure),
    /// Bytes of two sessions don't belong together.
    Doubt(String),
}

impl Split {
    /// A file of which `held` is there.
    pub(super) fn new(
        task: &Task<'_>,
        part: &PartFile,
        (remote, progress): (&Identity, &Progress),
        held: &[Span],
    ) -> Result<Self, Halt> {
        let plot = Plot {
            job: task.job.id,
            own: task.job.spec.source.clone(),
            source: task.source.clone(),
            remote: remote.clone(),
            queue: task.queue.clone(),
            gauge: Arc::clone(task.gauge),
        };
        let size = remote.size.unwrap_or(0);
        let part = on_disk(Stage::Store, || part.share())?;
        let state = State {
            part: Some(Arc::new(part)),
            overshot: false,
            map: Pieces::new(size, held),
            progress: progress.clone(),
            in_pieces: false,
            unlabelled: HashMap::new(),
            halt: None,
            refused: false,
            invited: 0,
            notes: Vec::new(),
            pieces: 0,
            began: (Instant::now(), held.iter().map(|span| span.end - span.start).sum()),
        };
        Ok(Self {
            plot,
            state: Mutex::new(state),
            opened: OnceCell::new(),
            recording: tokio::sync::Mutex::default(),
            over: watch::Sender::new(false),
            helpers: watch::Sender::new(0),
            fetched: AtomicU64::new(0),
        })
    }

    /// Invites one more session, where there is something for it to take.
    #[must_use]
    pub fn invite(self: &Arc<Self>) -> Option<Invitation> {
        let mut state = self.lock();
        // A beginning to compare with has to be there.
        state.gauge_rate();
        let ready = !state.refused && state.map.contiguous() >= OVERLAP && !*self.over.borrow();
        if !ready || state.map.openings() <= state.invited {
            return None;
        }
        state.invited += 1;
        Some(Invitation { split: Arc::clone(self) })
    }

    /// Whether one more session would have something to take.
    #[must_use]
    pub fn has_openings(&self) -> bool {
        let state = self.lock();
        !state.refused && state.map.openings() > state.invited
    }

    /// Bytes that are still missing.
    #[must_use]
    pub fn left(&self) -> u64 {
        let state = self.lock();
        self.plot.remote.size.unwrap_or(0).saturating_sub(state.map.total())
    }

    /// Length in bytes of the file's beginning that is whole and proved.
    #[must_use]
    pub fn contiguous(&self) -> u64 {
        self.lock().map.contiguous()
    }

    /// The remote path.
    pub(super) fn path(&self) -> &RemotePath {
        self.plot.source.path()
    }

    /// Writes the map down, if nobody did, so that bytes may be written anywhere. Returns whether that was possible.
    pub(super) async fn open(&self) -> Result<bool, Halt> {
        let opened = self.opened.get_or_try_init(|| async {
            let labelled = on_disk(Stage::Store, || {
                let mut state = self.lock();
                state.in_pieces = true;
                let labelled = self.label(&state, &state.told())?;
                state.in_pieces = labelled;
                state.refused |= !labelled;
                Ok(labelled)
            })?;
            // A label may get lost on the way to another file system; the record must not tell another story then.
            if labelled {
                self.record(None).await.map_err(|error| unrecorded(&error))?;
            }
            Ok::<bool, Halt>(labelled)
        });
        opened.await.copied()
    }

    /// Whether the map is in use.
    pub(super) fn is_in_pieces(&self) -> bool {
        self.lock().in_pieces
    }

    /// Records the progress in the queue; `durable` are the ranges that were made durable just before.
    pub(super) async fn record(&self, durable: Option<Vec<Span>>) -> Result<(), QueueError> {
        let _turn = self.recording.lock().await;
        let progress = {
            let mut state = self.lock();
            if let Some(durable) = durable {
                state.durable_is(durable);
            }
            state.told()
        };
        self.plot.queue.checkpoint(self.plot.job, progress).await
    }

    /// The part file, unless the owner has done with it.
    pub(super) fn part(&self) -> Option<Arc<PartFile>> {
        self.lock().part.clone()
    }

    /// Lets go of the part file.
    pub(super) fn release(&self) {
        self.lock().part = None;
    }

    /// Length in bytes of the file's beginning that was made durable.
    pub(super) fn durable(&self) -> u64 {
        self.lock().progress.durable
    }

    /// Takes note that the server sent more than the file held.
    pub(super) fn overshoot(&self) {
        self.lock().overshot = true;
    }

    /// Whether the server sent more than the file held.
    pub(super) fn overshot(&self) -> bool {
        self.lock().overshot
    }

    /// The ranges that are held.
    pub(super) fn held(&self) -> Vec<Span> {
        self.lock().map.held()
    }

    /// Offset in bytes after the last byte that is held: the part file is that long at least.
    pub(super) fn least(&self) -> u64 {
        self.lock().map.end()
    }

    /// How many bytes are held.
    pub(super) fn total(&self) -> u64 {
        self.lock().map.total()
    }

    /// Whether all is there and proved.
    pub(super) fn is_whole(&self) -> bool {
        self.lock().map.is_whole()
    }

    /// Takes a piece to work on.
    pub(super) fn take(&self) -> Option<Piece> {
        let mut state = self.lock();
        state.gauge_rate();
        let piece = state.map.take()?;
        state.pieces += 1;
        Some(piece)
    }

    /// Offset in bytes of a piece's next byte.
    pub(super) fn place(&self, id: PieceId) -> Option<u64> {
        self.lock().map.position(id)
    }

    /// How far a piece may go.
    pub(super) fn room(&self, id: PieceId) -> Option<Room> {
        self.lock().map.room(id)
    }

    /// Takes note of bytes that were written.
    pub(super) fn advance(&self, id: PieceId, bytes: u64) -> Result<(), Halt> {
        let mut state = self.lock();
        state.map.advance(id, bytes);
        if !state.in_pieces {
            return Ok(());
        }
        self.plot.gauge.set_have(state.map.total());
        let since = state.unlabelled.entry(id).or_default();
        *since += bytes;
        if *since < LABEL {
            return Ok(());
        }
        state.unlabelled.clear();
        let told = state.told();
        // Under the lock, so that an older label never follows a newer one. What it leaves out is only fetched again.
        on_disk(Stage::Store, || self.label(&state, &told)).map(|_| ())
    }

    /// Takes note of what the server sent.
    pub(super) fn received(&self, bytes: usize) {
        self.fetched.fetch_add(bytes as u64, Relaxed);
        self.plot.gauge.received(bytes);
    }

    /// What a piece finds at its end.
    pub(super) fn meet(&self, id: PieceId) -> Option<Meeting> {
        self.lock().map.meet(id, OVERLAP)
    }

    /// Takes note that a piece was proved to go on with the one behind it.
    pub(super) fn join(&self, id: PieceId) {
        self.lock().map.join(id);
        self.stir();
    }

    /// Takes note that the last bytes of a piece are not to be trusted.
    pub(super) fn rewind(&self, id: PieceId, at: u64) {
        self.lock().map.rewind(id, at);
    }

    /// Takes a piece back; what it holds stays.
    pub(super) fn give_back(&self, id: PieceId) {
        self.lock().map.give_back(id);
        self.stir();
    }

    /// Adds a remark to the story.
    pub(super) fn note(&self, text: String) {
        self.lock().notes.push(text);
    }

    /// Lets nobody more join.
    pub(super) fn refuse_more(&self) {
        self.lock().refused = true;
    }

    /// Ends the work of all: this machine can't go on.
    pub(super) fn fail(&self, failure: Failure) {
        self.end(Some(Trouble::Failed(failure)));
    }

    /// Ends the work of all: bytes don't belong together.
    pub(super) fn doubt(&self, why: String) {
        self.end(Some(Trouble::Doubt(why)));
    }

    /// Whether all have to leave.
    pub(super) fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// Returns, once all have to leave, why; never where nothing is shared.
    pub(super) async fn sent_away(split: Option<&Arc<Self>>) -> Halt {
        let Some(split) = split else { return std::future::pending().await };
        // The sender is the split's own.
        let _ = split.over.subscribe().wait_for(|&over| over).await;
        split.halt()
    }

    /// Why all have to leave.
    pub(super) fn halt(&self) -> Halt {
        match self.lock().halt.clone() {
            Some(Trouble::Failed(failure)) => Halt::Failed(failure),
            Some(Trouble::Doubt(why)) => Halt::Doubt(why),
            None => Halt::Stopped,
        }
    }

    /// Helpers at work; what is subscribed tells of every change, too.
    pub(super) fn helpers(&self) -> watch::Receiver<usize> {
        self.helpers.subscribe()
    }

    /// Counts a helper in, unless all have to leave.
    pub(super) fn enter(&self) -> bool {
        let over = self.over.borrow();
        if !*over {
            self.helpers.send_modify(|count| *count += 1);
        }
        !*over
    }

    /// Counts a helper out.
    pub(super) fn leave(&self) {
        self.helpers.send_modify(|count| *count = count.saturating_sub(1));
    }

    /// Sends all away and waits until the last has let go of the part file. Returns why, where it was not at our wish.
    pub(super) async fn close(&self) -> Option<Halt> {
        self.end(None);
        let mut helpers = self.helpers();
        // The sender is our own.
        let _ = helpers.wait_for(|&count| count == 0).await;
        let troubled = self.lock().halt.is_some();
        troubled.then(|| self.halt())
    }

    /// What is to be told of it all, once it is closed: bytes that came, and the story.
    pub(super) fn story(&self) -> (u64, Vec<String>) {
        let mut state = self.lock();
        let mut notes = std::mem::take(&mut state.notes);
        if state.in_pieces && state.pieces > 1 {
            notes.push(format!("came in {} pieces over several connections", state.pieces));
        }
        (self.fetched.load(Relaxed), notes)
    }

    /// Forgets all but the file's beginning. Returns its length in bytes.
    pub(super) fn keep_beginning(&self) -> u64 {
        let mut state = self.lock();
        state.map.keep_beginning();
        let length = state.map.contiguous();
        state.progress.durable = state.progress.durable.min(length);
        state.progress.durable_ranges.clear();
        length
    }

    /// Writes on the part file what is held, and returns it. `durable` tells whether all of it was made durable.
    pub(super) fn conclude(&self, durable: bool) -> Result<Progress, Halt> {
        let mut state = self.lock();
        if durable {
            let held = state.map.held();
            state.durable_is(held);
        }
        let told = state.told_at_last();
        on_disk(Stage::Store, || {
            if let Some(part) = &state.part {
                part.truncate(state.map.end())?;
            }
            self.label(&state, &told)
        })?;
        Ok(told)
    }

    fn label(&self, state: &State, told: &Progress) -> Result<bool, DiskError> {
        state.part.as_ref().map_or(Ok(false), |part| part.set_label(told.begun_with(&self.plot.own), told))
    }

    fn end(&self, why: Option<Trouble>) {
        let mut state = self.lock();
        if state.halt.is_none() {
            state.halt = why;
        }
        drop(state);
        self.over.send_replace(true);
        self.stir();
    }

    fn stir(&self) {
        self.helpers.send_modify(|_| {});
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes note of what a connection brings.
    fn gauge_rate(&mut self) {
        let (at, held) = self.began;
        let millis = u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
        if millis >= WATCHED {
            let rate = self.map.total().saturating_sub(held).saturating_mul(1000) / millis;
            self.map.set_rate(rate / self.map.in_hands().max(1));
        }
    }

    fn durable_is(&mut self, ranges: Vec<Span>) {
        self.progress.durable = ranges.first().filter(|span| span.start == 0).map_or(0, |span| span.end);
        self.progress.durable_ranges = ranges;
    }

    /// What is written down while the file is under way.
    fn told(&self) -> Progress {
        if self.in_pieces {
            return Progress { ranges: self.map.held(), ..self.progress.clone() };
        }
        Progress { ranges: Vec::new(), durable_ranges: Vec::new(), ..self.progress.clone() }
    }

    /// What is written down once the part file ends with the last byte that is held: of nothing but a beginning its length
    /// tells enough.
    fn told_at_last(&self) -> Progress {
        let held = self.map.held();
        if matches!(held.as_slice(), [] | [Span { start: 0, .. }]) {
            return Progress { ranges: Vec::new(), durable_ranges: Vec::new(), ..self.progress.clone() };
        }
        Progress { ranges: held, ..self.progress.clone() }
    }
}
