//! States of a job and the legal moves between them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Ready to be worked on.
    Queued,
    /// A worker has it. Never stored: after a crash such a job is queued.
    Running,
    /// Failed for now; tried again when its time comes.
    Waiting,
    /// Set aside by the user.
    Paused,
    /// The whole, checked file stands under its final name.
    Done,
    /// Given up.
    Failed,
    /// Called off by the user.
    Cancelled,
}

/// What can happen to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Move {
    /// A worker takes it.
    Claim,
    /// The worker finished it.
    Complete,
    /// The worker failed; it is tried again later.
    Defer,
    /// The worker puts it back untried or unfinished.
    Release,
    /// The worker failed for good.
    GiveUp,
    /// The user sets it aside.
    Pause,
    /// The user takes it up again.
    Resume,
    /// The user calls it off.
    Cancel,
    /// The user wants it tried again now.
    Retry,
    /// It is to be tried again once its file is out of the way.
    Hold,
}

/// A move that the job's state doesn't allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a job that is {state} can't {attempted}")]
pub struct IllegalMove {
    /// Where the job stands.
    pub state: JobState,
    /// What was tried.
    pub attempted: Move,
}

impl JobState {
    /// Every state, in the order of a job's life.
    pub const ALL: [Self; 7] =
        [Self::Queued, Self::Running, Self::Waiting, Self::Paused, Self::Done, Self::Failed, Self::Cancelled];

    /// The state after a move: the one table of legal moves, for every backend.
    ///
    /// A user may pause or cancel a job that is running; the worker's later word then changes nothing, unless it
    /// finished the file. One that is done may be retried: its file may be gone or changed since.
    ///
    /// # Errors
    /// When the move isn't legal from this state.
    pub fn apply(self, attempted: Move) -> Result<Self, IllegalMove> {
        use JobState::{Cancelled, Done, Failed, Paused, Queued, Running, Waiting};
        match (self, attempted) {
            (Queued | Waiting, Move::Claim) => Ok(Running),
            (Running | Paused | Cancelled, Move::Complete) => Ok(Done),
            (Running, Move::Defer) => Ok(Waiting),
            (Running | Paused, Move::GiveUp) => Ok(Failed),
            (Paused, Move::Defer | Move::Release) | (Queued | Waiting | Running, Move::Pause) | (Done, Move::Hold) => {
                Ok(Paused)
            }
            (Queued | Waiting | Running | Paused | Failed, Move::Cancel)
            | (Cancelled, Move::Defer | Move::Release | Move::GiveUp) => Ok(Cancelled),
            (Running, Move::Release) | (Paused, Move::Resume) | (Waiting | Done | Failed | Cancelled, Move::Retry) => {
                Ok(Queued)
            }
            (state, attempted) => Err(IllegalMove { state, attempted }),
        }
    }

    /// Whether nothing more happens to the job by itself.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }

    /// The state as one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Move {
    /// Every move.
    pub const ALL: [Self; 10] = [
        Self::Claim,
        Self::Complete,
        Self::Defer,
        Self::Release,
        Self::GiveUp,
        Self::Pause,
        Self::Resume,
        Self::Cancel,
        Self::Retry,
        Self::Hold,
    ];
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Claim => "be claimed",
            Self::Complete => "be completed",
            Self::Defer => "be put off",
            Self::Release => "be released",
            Self::GiveUp => "be given up",
            Self::Pause => "be paused",
            Self::Resume => "be resumed",
            Self::Cancel => "be cancelled",
            Self::Retry => "be retried",
            Self::Hold => "be held",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use JobState::{Cancelled, Done, Failed, Paused, Queued, Running, Waiting};

    /// The table of `queue-schema/STATES.md`, whole: what isn't listed is illegal.
    #[test]
    fn the_table_of_moves_is_exactly_this() {
        let legal = [
            (Queued, Move::Claim, Running),
            (Queued, Move::Pause, Paused),
            (Queued, Move::Cancel, Cancelled),
            (Running, Move::Complete, Done),
            (Running, Move::Defer, Waiting),
            (Running, Move::Release, Queued),
            (Running, Move::GiveUp, Failed),
            (Running, Move::Pause, Paused),
            (Running, Move::Cancel, Cancelled),
            (Waiting, Move::Claim, Running),
            (Waiting, Move::Pause, Paused),
            (Waiting, Move::Cancel, Cancelled),
            (Waiting, Move::Retry, Queued),
            (Paused, Move::Complete, Done),
            (Paused, Move::Defer, Paused),
            (Paused, Move::Release, Paused),
            (Paused, Move::GiveUp, Failed),
            (Paused, Move::Resume, Queued),
            (Paused, Move::Cancel, Cancelled),
            (Done, Move::Retry, Queued),
            (Done, Move::Hold, Paused),
            (Failed, Move::Cancel, Cancelled),
            (Failed, Move::Retry, Queued),
            (Cancelled, Move::Complete, Done),
            (Cancelled, Move::Defer, Cancelled),
            (Cancelled, Move::Release, Cancelled),
            (Cancelled, Move::GiveUp, Cancelled),
            (Cancelled, Move::Retry, Queued),
        ];
        for from in JobState::ALL {
            for attempted in Move::ALL {
                let listed = legal.iter().find(|&&(s, m, _)| s == from && m == attempted).map(|&(_, _, to)| to);
                assert_eq!(from.apply(attempted).ok(), listed, "{from} {attempted}");
            }
        }
    }
}
