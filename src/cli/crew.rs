//! Work on many files with all cores: bounded, shown on a terminal, and ended by Ctrl-C within a moment.

use super::add::interrupts;
use super::exit::Failed;
use super::face::Face;
use super::words::{bytes, grouped, rate};
use crate::engine::Interrupt;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Most threads: more only wait for each other's disk.
const MOST: usize = 16;
/// Time between two looks at the figures.
const FRAME: Duration = Duration::from_millis(250);

/// What everybody at work is told, and tells.
#[derive(Debug, Default)]
pub(super) struct Hands {
    stop: AtomicBool,
    files: AtomicU64,
    bytes: AtomicU64,
}

impl Hands {
    /// Whether the work is to end now.
    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Relaxed)
    }

    /// Counts bytes that were read.
    pub(super) fn read(&self, count: u64) {
        self.bytes.fetch_add(count, Relaxed);
    }

    /// Bytes that were read.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }
}

/// What takes a result at once: the item's position, the item, and what came of it.
type Taker<'a, T, R> = dyn FnMut(&mut Face<'_>, (usize, &T), R) -> Result<(), Failed> + Send + 'a;

/// Threads that work on files, page by page.
pub(super) struct Crew {
    hands: Arc<Hands>,
    interrupt: Interrupt,
    begun: Instant,
    /// What is being done, as a sentence begins.
    verb: &'static str,
    /// Files in all.
    total: u64,
    /// What was not done when the work is interrupted.
    undone: &'static str,
}

impl Crew {
    /// Nobody is at work yet. From now on Ctrl-C no longer ends the process by itself.
    pub(super) fn new(verb: &'static str, total: u64, undone: &'static str) -> Result<Self, Failed> {
        let (hands, interrupt) = (Arc::default(), interrupts()?);
        Ok(Self { hands, interrupt, begun: Instant::now(), verb, total, undone })
    }

    /// Bytes that were read, and seconds since the beginning.
    pub(super) fn figures(&self) -> (u64, f64) {
        (self.hands.bytes(), self.begun.elapsed().as_secs_f64())
    }

    /// Does something with each item, those of the greatest weight first, and returns them in their order.
    pub(super) async fn work<T: Send + Sync + 'static, R: Send + 'static>(
        &mut self,
        face: &mut Face<'_>,
        items: Vec<T>,
        weigh: fn(&T) -> u64,
        act: impl Fn(&T, &Hands) -> R + Send + Sync + 'static,
    ) -> Result<Vec<(T, R)>, Failed> {
        let mut results: BTreeMap<usize, R> = BTreeMap::new();
        let mut keep = |_: &mut Face<'_>, (at, _): (usize, &T), result| {
            results.insert(at, result);
            Ok(())
        };
        let items = self.stream(face, items, weigh, act, &mut keep).await?;
        let paired = items.into_iter().enumerate().filter_map(|(at, item)| Some((item, results.remove(&at)?)));
        Ok(paired.collect())
    }

    /// Does something with each item, and hands what came of it over at once, in any order. Returns the items.
    pub(super) async fn stream<T: Send + Sync + 'static, R: Send + 'static>(
        &mut self,
        face: &mut Face<'_>,
        items: Vec<T>,
        weigh: fn(&T) -> u64,
        act: impl Fn(&T, &Hands) -> R + Send + Sync + 'static,
        take: &mut Taker<'_, T, R>,
    ) -> Result<Vec<T>, Failed> {
        let (hands, items) = (Arc::clone(&self.hands), Arc::new(items));
        let (sender, mut results) = mpsc::unbounded_channel();
        let shared = Arc::clone(&items);
        let work = tokio::task::spawn_blocking(move || each(&shared, weigh, &hands, &act, &sender));
        let mut frame = tokio::time::interval(FRAME);
        loop {
            tokio::select! {
                biased;
                () = self.interrupt.recv() => {
                    self.hands.stop.store(true, Relaxed);
                    face.undraw();
                    return Err(Failed::Interrupted(self.undone));
                }
                _ = frame.tick() => self.draw(face),
                result = results.recv() => {
                    let Some((at, result)) = result else { break };
                    if let Some(item) = items.get(at) {
                        take(face, (at, item), result)?;
                    }
                }
            }
        }
        work.await.map_err(|e| Failed::Io("looking at files came to a halt".to_owned(), io::Error::other(e)))?;
        // All others let go of it with their last word.
        Ok(Arc::into_inner(items).unwrap_or_default())
    }

    fn draw(&self, face: &mut Face<'_>) {
        if self.begun.elapsed() < FRAME * 2 {
            return;
        }
        let ((read, seconds), files) = (self.figures(), self.hands.files.load(Relaxed));
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let speed =
            if read > 0 { format!(", {} at {}", bytes(read), rate(read as f64 / seconds)) } else { String::new() };
        face.draw(&format!("{} {} of {} files{speed}", self.verb, grouped(files), grouped(self.total.max(files))));
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        // Whatever goes wrong with what is done with the results: nobody works on.
        self.hands.stop.store(true, Relaxed);
    }
}

/// Acts on each item with several threads, until all is done or the work is stopped.
fn each<T: Sync, R: Send>(
    items: &[T],
    weigh: fn(&T) -> u64,
    hands: &Hands,
    act: &(impl Fn(&T, &Hands) -> R + Sync),
    results: &mpsc::UnboundedSender<(usize, R)>,
) {
    // Long ones first, so that none is left to run alone at the end.
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(items.get(at).map(weigh)));
    let next = AtomicUsize::new(0);
    let turn = || {
        while let Some(&at) = order.get(next.fetch_add(1, Relaxed)) {
            let Some(item) = items.get(at).filter(|_| !hands.stopped()) else { break };
            let result = act(item, hands);
            hands.files.fetch_add(1, Relaxed);
            if results.send((at, result)).is_err() {
                break;
            }
        }
    };
    let threads = available_parallelism().map_or(1, usize::from).min(MOST).min(items.len());
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(turn);
        }
        turn();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_done_once_and_a_stop_is_heard_before_the_next() {
        let items: Vec<u64> = (0..1000).collect();
        let all = |hands: &Hands, act: &(dyn Fn(&u64, &Hands) -> u64 + Sync)| {
            let (sender, mut results) = mpsc::unbounded_channel();
            each(&items, |&n| n % 7, hands, &|n: &u64, hands: &Hands| act(n, hands), &sender);
            let mut got: Vec<(usize, u64)> = std::iter::from_fn(|| results.try_recv().ok()).collect();
            got.sort_unstable();
            got
        };
        let done = all(&Hands::default(), &|&n, _| n * 2);
        assert_eq!(done, (0..1000).map(|at| (at, at as u64 * 2)).collect::<Vec<_>>());
        let stopped = all(&Hands::default(), &|&n, hands| {
            hands.stop.store(true, Relaxed);
            n
        });
        assert!((1..=MOST).contains(&stopped.len()), "{}", stopped.len());
    }
}
