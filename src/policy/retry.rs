//! Whether and when a failed job is tried again.

use crate::model::{Failure, FailureKind};
use std::time::Duration;

/// What becomes of a job after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Try again after this time.
    RetryIn(Duration),
    /// Don't try again by itself.
    GiveUp,
}

/// Decides over a job whose attempt failed. `fruitless` counts the attempts in a row, this one included, that did not
/// bring the file further; `retries` is what the user allows; `dice` is a number from 0 to 1.
#[must_use]
pub fn decide(failure: &Failure, fruitless: u32, retries: u32, dice: f64) -> Decision {
    match failure.kind {
        FailureKind::Transient if fruitless <= retries => Decision::RetryIn(delay(fruitless, dice)),
        FailureKind::Transient | FailureKind::Permanent | FailureKind::Local => Decision::GiveUp,
    }
}

/// Longest wait before the next try, in seconds: what public archives ask for.
const LONGEST_DELAY: u64 = 300;

/// The wait before the next try after `failures` failures in a row: 1 s, doubling up to 5 min, less up to a quarter by `dice`,
/// so that clients don't return together.
#[must_use]
pub fn delay(failures: u32, dice: f64) -> Duration {
    let doubled = 1u64.checked_shl(failures.saturating_sub(1)).unwrap_or(u64::MAX).min(LONGEST_DELAY);
    Duration::from_secs(doubled).mul_f64(1.0 - 0.25 * dice.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cause, Stage};

    fn failure(kind: FailureKind) -> Failure {
        let mut failure = Failure::transient(Stage::Retrieve, Cause::Disconnected, "x");
        failure.kind = kind;
        failure
    }

    #[test]
    fn only_passing_trouble_is_tried_again_and_only_so_often() {
        let transient = failure(FailureKind::Transient);
        assert_eq!(decide(&transient, 1, 0, 0.0), Decision::GiveUp);
        assert_eq!(decide(&transient, 1, 1, 0.0), Decision::RetryIn(Duration::from_secs(1)));
        assert_eq!(decide(&transient, 2, 1, 0.0), Decision::GiveUp);
        assert_eq!(decide(&transient, 0, 0, 0.0), Decision::RetryIn(Duration::from_secs(1)));
        assert_eq!(decide(&failure(FailureKind::Permanent), 0, 9, 0.0), Decision::GiveUp);
        assert_eq!(decide(&failure(FailureKind::Local), 0, 9, 0.0), Decision::GiveUp);
    }

    #[test]
    fn the_wait_doubles_up_to_five_minutes() {
        let seconds: Vec<u64> = [1, 2, 3, 9, 10, 64, 1000].map(|n| delay(n, 0.0).as_secs()).to_vec();
        assert_eq!(seconds, [1, 2, 4, 256, 300, 300, 300]);
        assert_eq!(delay(10, 1.0), Duration::from_secs(225));
    }
}
