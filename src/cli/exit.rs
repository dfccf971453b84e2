//! How things end: the one place that turns ends into exit codes.

use crate::config::ConfigError;
use crate::engine::{DeskError, RunReport};
use crate::model::Counts;
use std::io;

/// How the program ends. The numbers are published: scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All that was asked for is done and checked.
    Done = 0,
    /// Some jobs failed for good.
    SomeFailed = 1,
    /// Usage, or a bad manifest or settings file.
    Usage = 2,
    /// Stopped with work left that a new run continues.
    Left = 3,
    /// The queue is in use by another process that does not answer.
    Busy = 4,
    /// Local storage: disk full, no permission.
    Storage = 5,
}

impl Exit {
    /// The exit code of the process.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The same end, or that something failed where nothing did.
    pub(super) fn or_failed(self) -> Self {
        if self == Self::Done { Self::SomeFailed } else { self }
    }

    /// The end of a run, and of the jobs it was asked for by number or URL where it was.
    #[must_use]
    pub fn of_run(report: &RunReport, asked: Option<&Counts>) -> Self {
        let failed = report.has_failed() || asked.is_some_and(|c| c.failed + c.cancelled > 0);
        let left = report.has_left() || asked.is_some_and(|c| c.left() + c.paused > 0);
        if report.storage {
            Self::Storage
        } else if report.interrupted && left {
            Self::Left
        } else if failed {
            Self::SomeFailed
        } else if left {
            Self::Left
        } else {
            Self::Done
        }
    }
}

/// Why a command did not come to its end.
#[derive(Debug)]
pub(super) enum Failed {
    /// What the user asked for can't be done; the text says what to do instead.
    Usage(String),
    /// Bad lines, each reported already.
    Manifest,
    /// Settings that can't be used.
    Config(ConfigError),
    /// The queue can't do it.
    Desk(DeskError),
    /// A local file or standard output.
    Io(String, io::Error),
    /// The user stopped it; the text says what was not done.
    Interrupted(&'static str),
    /// The reader of standard output is gone: nothing left to say, and nobody to hear it.
    Unheard,
}

impl Failed {
    /// What to say on standard error, one line.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Usage(text) => Some(text.clone()),
            Self::Config(error) => Some(error.to_string()),
            Self::Desk(error) => Some(match error {
                DeskError::DestinationTaken(_) => {
                    format!("{error}; nothing was queued: give one of them another destination")
                }
                DeskError::Contradiction(_) => format!("{error}; nothing was queued"),
                DeskError::Storage(_)
                | DeskError::StorageFull(_)
                | DeskError::NoAnswer(_)
                | DeskError::OwnerEnded(_) => error.to_string(),
            }),
            Self::Io(what, error) => Some(format!("{what}: {error}")),
            Self::Interrupted(undone) => Some(format!("interrupted: {undone}")),
            Self::Manifest | Self::Unheard => None,
        }
    }

    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_)
            | Self::Manifest
            | Self::Config(_)
            | Self::Desk(DeskError::DestinationTaken(_) | DeskError::Contradiction(_)) => Exit::Usage,
            Self::Desk(DeskError::NoAnswer(_) | DeskError::OwnerEnded(_)) => Exit::Busy,
            Self::Desk(DeskError::Storage(_) | DeskError::StorageFull(_)) | Self::Io(..) => Exit::Storage,
            Self::Interrupted(_) => Exit::Left,
            Self::Unheard => Exit::Done,
        }
    }
}

impl From<DeskError> for Failed {
    fn from(error: DeskError) -> Self {
        Self::Desk(error)
    }
}

impl From<ConfigError> for Failed {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_run_is_told_by_the_worst_of_it() {
        let run = |failed, left, storage, interrupted| RunReport {
            done: 9,
            failed,
            left,
            storage,
            interrupted,
            ..RunReport::default()
        };
        let asked = |failed, paused, done| Counts { paused, done, failed, ..Counts::default() };
        for (report, counts, exit) in [
            (run(0, 0, false, false), None, Exit::Done),
            (run(2, 0, false, false), None, Exit::SomeFailed),
            (run(2, 3, false, false), None, Exit::SomeFailed),
            (run(0, 3, false, false), None, Exit::Left),
            (run(2, 3, false, true), None, Exit::Left),
            (run(2, 3, true, true), None, Exit::Storage),
            (run(0, 0, false, true), None, Exit::Done),
            (run(0, 0, false, false), Some(asked(0, 0, 5)), Exit::Done),
            (run(0, 0, false, false), Some(asked(1, 0, 5)), Exit::SomeFailed),
            (run(0, 0, false, false), Some(asked(0, 1, 5)), Exit::Left),
        ] {
            assert_eq!(Exit::of_run(&report, counts.as_ref()), exit, "{report:?} {counts:?}");
        }
    }

    #[test]
    fn every_failure_has_its_code() {
        assert_eq!(Failed::Usage(String::new()).exit().code(), 2);
        assert_eq!(Failed::Desk(DeskError::NoAnswer(String::new())).exit().code(), 4);
        assert_eq!(Failed::Desk(DeskError::StorageFull(String::new())).exit().code(), 5);
        assert_eq!(Failed::Interrupted("").exit().code(), 3);
        assert_eq!(Failed::Unheard.exit().code(), 0);
    }
}
