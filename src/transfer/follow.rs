//! The digests of a file, computed while it arrives.
//!
//! A follower reads what was written from the part file itself, so that it makes no difference how the bytes got there:
//! by a copy loop, by splice, in an earlier run, or as pieces from several sessions. It needs to know one number, up to
//! where they are all there.

use crate::disk::{DiskError, PartReader, Survey, Surveyed, Wanted};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::thread::available_parallelism;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

/// A smaller file is hashed at its end, within milliseconds.
pub(super) const WORTH: u64 = 2 * 1024 * 1024;
/// Bytes that have to be new before the follower is woken.
const STEP: u64 = 4 * 1024 * 1024;
/// Bytes after which others have their turn.
const TURN: u64 = 64 * 1024 * 1024;
/// Bytes read at a time: they are still in the processor's cache when they are hashed.
const PIECE: usize = 256 * 1024;

/// Up to where the bytes of a file are all there.
#[derive(Debug)]
pub(super) struct Watermark {
    reached: AtomicU64,
    /// Where the follower waits.
    wanted: AtomicU64,
    /// No more will come.
    whole: AtomicBool,
    /// Nobody wants the digest any more.
    dropped: AtomicBool,
    wake: Notify,
}

impl Watermark {
    fn new() -> Self {
        let (reached, wanted) = (AtomicU64::new(0), AtomicU64::new(STEP));
        Self { reached, wanted, whole: AtomicBool::new(false), dropped: AtomicBool::new(false), wake: Notify::new() }
    }

    /// All bytes below `length` are there, and none of them will change.
    pub(super) fn reach(&self, length: u64) {
        self.reached.fetch_max(length, SeqCst);
        if length >= self.wanted.load(SeqCst) {
            self.wake.notify_one();
        }
    }

    fn finish(&self, length: u64) {
        self.reached.fetch_max(length, SeqCst);
        self.whole.store(true, SeqCst);
        self.wake.notify_one();
    }

    /// Waits until enough beyond `at`, or the end of it all, is there. Returns false where nobody wants it any more.
    async fn grown(&self, at: u64) -> bool {
        self.wanted.store(at.saturating_add(STEP), SeqCst);
        loop {
            if self.dropped.load(SeqCst) {
                return false;
            }
            if self.whole.load(SeqCst) || self.reached.load(SeqCst) >= self.wanted.load(SeqCst) {
                self.wanted.store(u64::MAX, SeqCst);
                return true;
            }
            self.wake.notified().await;
        }
    }
}

/// A digest that follows a file while it grows. Dropped, it ends.
#[derive(Debug)]
pub(super) struct Follower {
    mark: Arc<Watermark>,
    wanted: Wanted,
    task: JoinHandle<Result<Option<Surveyed>, DiskError>>,
}

impl Follower {
    /// Begins to follow.
    pub(super) fn start(reader: PartReader, wanted: Wanted) -> Self {
        let mark = Arc::new(Watermark::new());
        let trail = Trail { reader, survey: Survey::new(&wanted), at: 0, mark: Arc::clone(&mark) };
        Self { mark, wanted, task: tokio::spawn(trail.follow()) }
    }

    /// Whether it computes all of this.
    pub(super) fn covers(&self, wanted: &Wanted) -> bool {
        wanted.pieces.as_ref().is_none_or(|pieces| self.wanted.pieces.as_ref() == Some(pieces))
            && wanted.whole.iter().all(|algorithm| self.wanted.whole.contains(algorithm))
    }

    /// What tells how far the file has got.
    pub(super) fn mark(&self) -> &Arc<Watermark> {
        &self.mark
    }

    /// What is known of the first `length` bytes, which are the whole file; nothing where the file turns out to be shorter
    /// or can't be read: reading it anew will tell.
    pub(super) async fn finish(mut self, length: u64) -> Option<Surveyed> {
        self.mark.finish(length);
        let surveyed = (&mut self.task).await.ok()?.ok()??;
        (surveyed.length == length).then_some(surveyed)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.mark.dropped.store(true, SeqCst);
        self.mark.wake.notify_one();
    }
}

/// The follower's own part.
struct Trail {
    reader: PartReader,
    survey: Survey,
    at: u64,
    mark: Arc<Watermark>,
}

impl Trail {
    /// Hashes what is there whenever there is enough of it. While it waits it holds neither a thread nor memory.
    async fn follow(mut self) -> Result<Option<Surveyed>, DiskError> {
        loop {
            if !self.mark.grown(self.at).await {
                return Ok(None);
            }
            // Closed never: it lives as long as the process.
            let Ok(_core) = cores().acquire().await else { return Ok(None) };
            match tokio::task::spawn_blocking(move || self.hash()).await {
                Ok(turn) => match turn? {
                    Some(trail) => self = trail,
                    None => return Ok(None),
                },
                // It panicked: the file is read anew at its end.
                Err(_) => return Ok(None),
            }
            if self.mark.dropped.load(SeqCst) {
                return Ok(None);
            }
            if self.mark.whole.load(SeqCst) && self.at == self.mark.reached.load(SeqCst) {
                return Ok(Some(self.survey.finish()));
            }
        }
    }

    /// Hashes all that is there, or as much as one turn takes; nothing where the file is shorter than it was said to be.
    fn hash(mut self) -> Result<Option<Self>, DiskError> {
        let mut buffer = vec![0; PIECE];
        let end = self.at.saturating_add(TURN);
        loop {
            // What arrives meanwhile is taken along.
            let left = self.mark.reached.load(SeqCst).min(end).saturating_sub(self.at);
            let count = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            if count == 0 || self.mark.dropped.load(SeqCst) {
                return Ok(Some(self));
            }
            let room = buffer.get_mut(..count).unwrap_or_default();
            if self.reader.read_at(room, self.at)? < count {
                return Ok(None);
            }
            self.survey.update(room);
            self.at += count as u64;
        }
    }
}

/// As many permits as there are cores: more digests at a time would be no quicker, and take memory each.
fn cores() -> &'static Semaphore {
    static CORES: OnceLock<Semaphore> = OnceLock::new();
    CORES.get_or_init(|| Semaphore::new(available_parallelism().map_or(1, usize::from)))
}

#[cfg(test)]
mod tests;
