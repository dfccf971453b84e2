//! Disk work between the waits of a worker: at once where it is quick, aside where it would hold up other tasks.

use super::task::Halt;
use crate::disk::DiskError;
use crate::model::Stage;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Disk work that is still done aside because the disk was found to be slow: a network file system, or an overloaded one.
static SLOW: AtomicU32 = AtomicU32::new(0);
/// A disk that takes longer for a name or an attribute is slow.
const QUICK: Duration = Duration::from_millis(10);
/// Quick work in a row after which a slow disk counts as quick again.
const CALM: u32 = 64;

/// Does some quick disk work: names, attributes, a few bytes. To hand the thread over to others meanwhile costs more
/// than such work does, but on a slow disk.
pub(super) fn on_disk<T>(stage: Stage, work: impl FnOnce() -> Result<T, DiskError>) -> Result<T, Halt> {
    let slow = SLOW.load(Relaxed);
    let begun = Instant::now();
    let done = if slow > 0 { tokio::task::block_in_place(work) } else { work() };
    // Races between threads make the count inexact, which does no harm.
    if begun.elapsed() > QUICK {
        SLOW.store(CALM, Relaxed);
    } else if slow > 0 {
        SLOW.store(slow - 1, Relaxed);
    }
    done.map_err(|error| Halt::Failed(error.into_failure(stage)))
}

/// Does some long disk work without holding up the other tasks of this thread.
pub(super) fn aside<T>(stage: Stage, work: impl FnOnce() -> Result<T, DiskError>) -> Result<T, Halt> {
    tokio::task::block_in_place(work).map_err(|error| Halt::Failed(error.into_failure(stage)))
}
