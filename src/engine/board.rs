//! The figures of a run, for whoever wants to look.

use crate::model::{HostKey, JobId, LaxHost, ProofCounts, Protection, Receipt, RunningFile, Snapshot};
use crate::transfer::Gauge;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Hosts told that are less protected than they could be.
const LAX: usize = 100;

/// The figures of a run. Workers count without locks; a look at it costs a lock and a walk over the running files.
#[derive(Debug)]
pub struct Board {
    begun: Instant,
    /// A counter for each host; their sum is what came.
    bytes: Mutex<Vec<Arc<AtomicU64>>>,
    done: AtomicU64,
    done_bytes: AtomicU64,
    /// How the files done were proved.
    proved: Mutex<ProofCounts>,
    failed: AtomicU64,
    left: AtomicU64,
    running: Mutex<Running>,
    /// Hosts that are less protected than they could be.
    lax: Mutex<BTreeMap<String, Protection>>,
}

#[derive(Debug, Default)]
struct Running {
    next: u64,
    files: BTreeMap<u64, (Arc<Gauge>, Rate)>,
    all: Rate,
}

/// Bytes a second over the last seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    last: Option<(Instant, u64)>,
    value: f64,
}

impl Rate {
    const MEMORY: f64 = 3.0;
    const LEAST: Duration = Duration::from_millis(150);

    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    fn sample(&mut self, now: Instant, bytes: u64) -> f64 {
        let Some((then, before)) = self.last else {
            self.last = Some((now, bytes));
            return self.value;
        };
        let passed = now.saturating_duration_since(then);
        if passed >= Self::LEAST {
            let seconds = passed.as_secs_f64();
            let fresh = bytes.saturating_sub(before) as f64 / seconds;
            let weight = if self.value == 0.0 { 1.0 } else { 1.0 - (-seconds / Self::MEMORY).exp() };
            self.value += (fresh - self.value) * weight;
            self.last = Some((now, bytes));
        }
        self.value
    }
}

impl Default for Board {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            bytes: Mutex::default(),
            done: AtomicU64::new(0),
            done_bytes: AtomicU64::new(0),
            proved: Mutex::default(),
            failed: AtomicU64::new(0),
            left: AtomicU64::new(0),
            running: Mutex::default(),
            lax: Mutex::default(),
        }
    }
}

impl Board {
    /// How things stand now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let now = Instant::now();
        let bytes = self.bytes();
        let mut running = self.lock();
        let rate = running.all.sample(now, bytes);
        let files: Vec<RunningFile> = running.files.values_mut().map(|(gauge, rate)| row(gauge, rate, now)).collect();
        drop(running);
        let (files_done, files_left) = (self.done.load(Relaxed), self.left.load(Relaxed));
        let bytes_left = files.iter().filter_map(|f| Some(f.size?.saturating_sub(f.have))).fold(0, u64::saturating_add);
        let unsized_left = files_left.saturating_sub(files.iter().filter(|f| f.size.is_some()).count() as u64);
        let seconds_left = self.guess(rate, bytes_left, unsized_left, files_done);
        Snapshot {
            running: files,
            files_done,
            files_failed: self.failed.load(Relaxed),
            files_left,
            bytes,
            bytes_left,
            unsized_left,
            rate,
            seconds_left,
            seconds: self.begun.elapsed().as_secs_f64(),
            proved: self.proved(),
            lax: self.lax(),
        }
    }

    /// How the files done were proved.
    pub(super) fn proved(&self) -> ProofCounts {
        *self.proved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hosts that are less protected than they could be; the first hundred.
    pub(super) fn lax(&self) -> Vec<LaxHost> {
        let lax = self.lax.lock().unwrap_or_else(PoisonError::into_inner);
        lax.iter().take(LAX).map(|(host, &protection)| LaxHost { host: host.clone(), protection }).collect()
    }

    /// Takes note of how a host is protected. Returns whether it is less than it could be, and that is news.
    pub(super) fn note_protection(&self, host: &HostKey, protection: Protection) -> bool {
        if !protection.is_lax() {
            return false;
        }
        let mut lax = self.lax.lock().unwrap_or_else(PoisonError::into_inner);
        match lax.entry(host.to_string()) {
            // What is known of a session is not forgotten for one that is still to come.
            Entry::Occupied(known) if protection.tls.is_none() || *known.get() == protection => false,
            Entry::Occupied(mut known) => {
                known.insert(protection);
                true
            }
            Entry::Vacant(new) => {
                new.insert(protection);
                true
            }
        }
    }

    /// Bytes that came over the network.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|counter| counter.load(Relaxed)).sum()
    }

    /// Seconds since the run began.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    pub(super) fn is_running(&self, job: JobId) -> bool {
        self.lock().files.values().any(|(gauge, _)| gauge.job == job)
    }

    pub(super) fn running(&self) -> Vec<JobId> {
        self.lock().files.values().map(|(gauge, _)| gauge.job).collect()
    }

    /// The figures of the files under way.
    pub(super) fn gauges(&self) -> Vec<Arc<Gauge>> {
        self.lock().files.values().map(|(gauge, _)| Arc::clone(gauge)).collect()
    }

    /// A new counter of bytes, for one host.
    pub(super) fn bytes_counter(&self) -> Arc<AtomicU64> {
        let counter = Arc::default();
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&counter));
        counter
    }

    pub(super) fn set_left(&self, left: u64) {
        self.left.store(left, Relaxed);
    }

    pub(super) fn count_done(&self, receipt: &Receipt) {
        self.done.fetch_add(1, Relaxed);
        self.done_bytes.fetch_add(receipt.size, Relaxed);
        if receipt.folder.is_none() {
            self.proved.lock().unwrap_or_else(PoisonError::into_inner).add(&receipt.proved_by());
        }
        self.one_less();
    }

    pub(super) fn count_failed(&self) {
        self.failed.fetch_add(1, Relaxed);
        self.one_less();
    }

    /// Shows a file until the returned guard is dropped.
    pub(super) fn show(self: &Arc<Self>, gauge: Arc<Gauge>) -> Shown {
        let mut running = self.lock();
        let key = running.next;
        running.next += 1;
        running.files.insert(key, (gauge, Rate::default()));
        Shown { board: Arc::clone(self), key }
    }

    fn one_less(&self) {
        let _ = self.left.fetch_update(Relaxed, Relaxed, |left| Some(left.saturating_sub(1)));
    }

    /// Seconds left, taking files of unknown size for as long as the finished ones were.
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a guess")]
    fn guess(&self, rate: f64, bytes_left: u64, unsized_left: u64, done: u64) -> Option<u64> {
        if rate < 1.0 || (unsized_left > 0 && done == 0) {
            return None;
        }
        let mean = self.done_bytes.load(Relaxed) as f64 / done.max(1) as f64;
        let seconds = (bytes_left as f64 + mean * unsized_left as f64) / rate;
        (seconds < 3.0e9).then_some(seconds as u64)
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        // Figures stay usable whatever happened to another thread.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn row(gauge: &Gauge, rate: &mut Rate, now: Instant) -> RunningFile {
    RunningFile {
        job: JobId(gauge.job.0),
        name: gauge.name.clone(),
        phase: gauge.phase().name().to_owned(),
        have: gauge.have(),
        size: gauge.size(),
        rate: rate.sample(now, gauge.have()),
    }
}

/// A file is shown while this lives.
pub(super) struct Shown {
    board: Arc<Board>,
    key: u64,
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.board.lock().files.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_shown_while_it_runs_and_counted_when_done() {
        let board = Arc::new(Board::default());
        board.set_left(2);
        let gauge = Arc::new(Gauge::new(JobId(7), "a".to_owned(), Some(10), board.bytes_counter()));
        let shown = board.show(gauge);
        let seen = board.snapshot();
        assert_eq!((seen.running.len(), seen.running[0].job, seen.bytes_left, seen.unsized_left), (1, JobId(7), 10, 1));
        drop(shown);
        board.count_done(&Receipt { size: 10, ..Receipt::default() });
        board.count_failed();
        board.count_failed();
        let seen = board.snapshot();
        assert_eq!((seen.running.len(), seen.files_done, seen.files_failed, seen.files_left), (0, 1, 2, 0));
    }

    #[test]
    fn a_rate_follows_what_came_lately() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        rate.sample(at(0), 0);
        assert!((rate.sample(at(1000), 1000) - 1000.0).abs() < 1.0);
        for second in 2..30 {
            rate.sample(at(second * 1000), 1000 + (second - 1) * 5000);
        }
        assert!((rate.value - 5000.0).abs() < 50.0, "{}", rate.value);
    }
}
