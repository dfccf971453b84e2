//! A running file's figures, read by the screen while the worker writes them.

use crate::model::JobId;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

/// What is being done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Signing in.
    Connecting,
    /// Asking for size and time.
    Asking,
    /// Opening the data connection.
    Opening,
    /// Bytes arrive.
    Receiving,
    /// Checksum.
    Checking,
    /// Making it durable.
    Storing,
    /// A folder is being read.
    Listing,
}

impl Phase {
    const ALL: [Self; 7] =
        [Self::Connecting, Self::Asking, Self::Opening, Self::Receiving, Self::Checking, Self::Storing, Self::Listing];

    /// The phase in a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Asking => "asking",
            Self::Opening => "opening",
            Self::Receiving => "receiving",
            Self::Checking => "checking",
            Self::Storing => "storing",
            Self::Listing => "reading",
        }
    }
}

/// A running file's figures.
#[derive(Debug)]
pub struct Gauge {
    /// The job.
    pub job: JobId,
    /// Name of the local file, for people.
    pub name: String,
    phase: AtomicU8,
    have: AtomicU64,
    size: AtomicU64,
    total: Arc<AtomicU64>,
}

const UNKNOWN: u64 = u64::MAX;

impl Gauge {
    /// Figures of a file that is about to start; `total` counts the bytes of the whole run.
    #[must_use]
    pub fn new(job: JobId, name: String, size: Option<u64>, total: Arc<AtomicU64>) -> Self {
        let size = AtomicU64::new(size.unwrap_or(UNKNOWN));
        Self { job, name, phase: AtomicU8::new(0), have: AtomicU64::new(0), size, total }
    }

    /// What is being done.
    pub fn phase(&self) -> Phase {
        let index = usize::from(self.phase.load(Relaxed));
        Phase::ALL.get(index).copied().unwrap_or(Phase::Connecting)
    }

    /// Bytes of the file that are there.
    pub fn have(&self) -> u64 {
        self.have.load(Relaxed)
    }

    /// Length of the file in bytes, where known.
    pub fn size(&self) -> Option<u64> {
        Some(self.size.load(Relaxed)).filter(|&size| size != UNKNOWN)
    }

    pub(super) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    pub(super) fn set_have(&self, have: u64) {
        self.have.store(have, Relaxed);
    }

    pub(super) fn set_size(&self, size: Option<u64>) {
        self.size.store(size.unwrap_or(UNKNOWN), Relaxed);
    }

    pub(super) fn received(&self, bytes: usize) {
        self.total.fetch_add(bytes as u64, Relaxed);
    }
}
