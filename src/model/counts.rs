//! How many jobs stand where.

use super::JobState;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many jobs stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Ready.
    pub queued: u64,
    /// In a worker's hands.
    pub running: u64,
    /// To be tried again later.
    pub waiting: u64,
    /// Set aside.
    pub paused: u64,
    /// Finished.
    pub done: u64,
    /// Given up.
    pub failed: u64,
    /// Called off.
    pub cancelled: u64,
    /// How many of those that a run would still work on are folders.
    #[serde(default, skip_serializing_if = "is_none_left")]
    pub folders: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_none_left(number: &u64) -> bool {
    *number == 0
}

impl Counts {
    /// The count of one state.
    #[must_use]
    pub fn get(&self, state: JobState) -> u64 {
        match state {
            JobState::Queued => self.queued,
            JobState::Running => self.running,
            JobState::Waiting => self.waiting,
            JobState::Paused => self.paused,
            JobState::Done => self.done,
            JobState::Failed => self.failed,
            JobState::Cancelled => self.cancelled,
        }
    }

    /// The count of one state, to be changed.
    pub fn get_mut(&mut self, state: JobState) -> &mut u64 {
        match state {
            JobState::Queued => &mut self.queued,
            JobState::Running => &mut self.running,
            JobState::Waiting => &mut self.waiting,
            JobState::Paused => &mut self.paused,
            JobState::Done => &mut self.done,
            JobState::Failed => &mut self.failed,
            JobState::Cancelled => &mut self.cancelled,
        }
    }

    /// All jobs.
    #[must_use]
    pub fn total(&self) -> u64 {
        JobState::ALL.iter().map(|&s| self.get(s)).sum()
    }

    /// Jobs that a run would still work on.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.queued + self.running + self.waiting
    }

    /// Files that a run would still fetch.
    #[must_use]
    pub fn files_left(&self) -> u64 {
        self.left().saturating_sub(self.folders)
    }
}
