//! Which of a job's sources an attempt goes to, and what follows when it failed.

use super::delay;
use crate::model::{Cause, FailureKind, SourceTrouble};
use std::cmp::Reverse;
use std::time::Duration;

/// A busy source is waited for rather than one that is so many times slower.
const SLOWER: u64 = 4;

/// How a source's server stands in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// A transfer can be begun.
    Open,
    /// All connections that are worth having are at work.
    Full,
    /// It had trouble, and is waited for; or one connection is looking whether that has passed.
    Resting,
    /// It is left alone in this run.
    Shut,
}

/// One of a job's sources.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// Lower numbers go first.
    pub priority: u32,
    /// How it failed for this job.
    pub trouble: Option<&'a SourceTrouble>,
    /// How its server stands.
    pub door: Door,
    /// Bytes a second of a file from that server, where known.
    pub speed: Option<u64>,
}

/// What holds for all sources of a job.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Failures in a row that each source is allowed.
    pub retries: u32,
    /// Whether the list has a checksum, so that the content of any source can be proved right or wrong.
    pub provable: bool,
}

/// Where an attempt goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// To the source at this position.
    Take(usize),
    /// Nowhere yet: the ones to go to are busy, or rest.
    Wait,
    /// Nowhere in this run: each has failed for good or is left alone.
    Nothing,
}

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The next source, at once.
    Source,
    /// All were tried: another round after this time.
    RetryIn(Duration),
    /// All have failed.
    GiveUp,
}

impl Standing<'_> {
    fn failures(&self) -> u32 {
        self.trouble.map_or(0, |trouble| trouble.failures)
    }

    /// Whether it was found to have another content than the part file.
    fn differs(&self) -> bool {
        self.trouble.is_some_and(|trouble| trouble.failure.cause == Cause::OtherContent)
    }

    /// Whether it is not tried any more. A refused login or certificate may be mended: whether to try again is a
    /// question of the account, not of the job.
    fn is_spent(&self, rules: Rules) -> bool {
        self.trouble.is_some_and(|SourceTrouble { failures, failure, .. }| {
            let for_good = match failure.cause {
                Cause::OtherContent => !rules.provable,
                _ => failure.kind == FailureKind::Permanent && !failure.is_before_login(),
            };
            for_good || *failures > rules.retries
        })
    }

    /// Whether it has failed, as far as the job is concerned.
    fn has_failed(&self, rules: Rules) -> bool {
        // A server out of reach that is left alone by now was tried often enough.
        let refused = |trouble: &SourceTrouble| {
            let for_now = trouble.failure.kind == FailureKind::Transient && self.door != Door::Shut;
            trouble.failure.is_before_login() && !for_now
        };
        self.is_spent(rules) || self.trouble.is_some_and(refused)
    }
}

/// Chooses the source of the next attempt: by the fewest failures, then by priority, then by speed, where one that was never
/// seen counts as fast, then by position. A source whose content differs from what is there comes after all others.
#[must_use]
pub fn choose(sources: &[Standing<'_>], rules: Rules) -> Choice {
    let mut open: Vec<(usize, &Standing<'_>)> =
        sources.iter().enumerate().filter(|(_, it)| it.door != Door::Shut && !it.is_spent(rules)).collect();
    if open.is_empty() {
        return Choice::Nothing;
    }
    open.retain(|(_, it)| it.door != Door::Resting);
    let rank = |it: &Standing<'_>| (it.differs(), it.failures(), it.priority);
    let speed = |it: &Standing<'_>| it.speed.unwrap_or(u64::MAX);
    open.sort_by_key(|&(at, it)| (rank(it), Reverse(speed(it)), at));
    let Some(&(_, best)) = open.first() else { return Choice::Wait };
    // As good as the best one, and free.
    let alike = |it: &Standing<'_>| rank(it) == rank(best) && it.speed.is_none_or(|s| s >= speed(best) / SLOWER);
    let best_speed_unknown = best.speed.is_none();
    let free = open
        .iter()
        .find(|(_, it)| it.door == Door::Open && (alike(it) || (best_speed_unknown && rank(it) == rank(best))));
    free.map_or(Choice::Wait, |&(at, _)| Choice::Take(at))
}

/// Decides what follows once the source at position `failed` has failed; its trouble is noted already.
#[must_use]
pub fn after_failure(sources: &[Standing<'_>], failed: usize, rules: Rules, dice: f64) -> Next {
    if sources.iter().all(|it| it.has_failed(rules)) {
        return Next::GiveUp;
    }
    let mut open: Vec<&Standing<'_>> =
        sources.iter().filter(|it| it.door != Door::Shut && !it.has_failed(rules)).collect();
    if open.iter().any(|it| !it.differs()) {
        open.retain(|it| !it.differs());
    }
    let made = sources.get(failed).map_or(0, Standing::failures);
    match open.iter().map(|it| it.failures()).min() {
        Some(least) if least >= made => Next::RetryIn(delay(least, dice)),
        // Where the others are left alone in this run, nobody takes it up before the next.
        _ => Next::Source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Failure, Stage};

    const RULES: Rules = Rules { retries: 2, provable: false };

    fn standing(priority: u32, door: Door, speed: u64) -> Standing<'static> {
        Standing { priority, trouble: None, door, speed: Some(speed).filter(|&s| s > 0) }
    }

    fn trouble(failures: u32, failure: Failure) -> SourceTrouble {
        SourceTrouble { source: "ftp://h/a".parse().unwrap(), failures, failure }
    }

    fn dropped(failures: u32) -> SourceTrouble {
        trouble(failures, Failure::transient(Stage::Retrieve, Cause::Disconnected, "x"))
    }

    fn missing() -> SourceTrouble {
        trouble(1, Failure::permanent(Stage::Inspect, Cause::Missing, "x"))
    }

    fn refused() -> SourceTrouble {
        trouble(1, Failure::permanent(Stage::Login, Cause::LoginRefused, "x"))
    }

    fn other(failures: u32) -> SourceTrouble {
        trouble(failures, Failure::permanent(Stage::Plan, Cause::OtherContent, "x"))
    }

    fn with<'a>(base: Standing<'a>, trouble: &'a SourceTrouble) -> Standing<'a> {
        Standing { trouble: Some(trouble), ..base }
    }

    #[test]
    fn priority_goes_before_speed_and_speed_before_position() {
        use Door::{Full, Open, Resting, Shut};
        let s = standing;
        for (sources, expected) in [
            (vec![s(1, Open, 0)], Choice::Take(0)),
            (vec![s(2, Open, 900), s(1, Open, 10)], Choice::Take(1)),
            (vec![s(1, Open, 10), s(1, Open, 900)], Choice::Take(1)),
            (vec![s(1, Open, 0), s(1, Open, 0)], Choice::Take(0)),
            // What was never seen is looked at once.
            (vec![s(1, Open, 10), s(1, Open, 0)], Choice::Take(1)),
            // A busy one is waited for, unless another is as good.
            (vec![s(1, Full, 100), s(2, Open, 900)], Choice::Wait),
            (vec![s(1, Full, 100), s(1, Open, 30)], Choice::Take(1)),
            (vec![s(1, Full, 100), s(1, Open, 20)], Choice::Wait),
            (vec![s(1, Full, 0), s(1, Open, 20)], Choice::Take(1)),
            // One that rests is not.
            (vec![s(1, Resting, 100), s(2, Open, 1)], Choice::Take(1)),
            (vec![s(1, Resting, 100), s(2, Resting, 1)], Choice::Wait),
            (vec![s(1, Resting, 100), s(2, Full, 1)], Choice::Wait),
            (vec![s(1, Shut, 100), s(2, Open, 1)], Choice::Take(1)),
            (vec![s(1, Shut, 100), s(2, Shut, 1)], Choice::Nothing),
            (vec![s(1, Shut, 100), s(2, Resting, 1)], Choice::Wait),
        ] {
            assert_eq!(choose(&sources, RULES), expected, "{sources:?}");
        }
    }

    #[test]
    fn failures_go_before_priority_and_final_ones_end_it() {
        let (first, second) = (standing(1, Door::Open, 0), standing(2, Door::Open, 0));
        let (once, twice, thrice) = (dropped(1), dropped(2), dropped(3));
        assert_eq!(choose(&[with(first, &once), second], RULES), Choice::Take(1));
        assert_eq!(choose(&[with(first, &once), with(second, &once)], RULES), Choice::Take(0));
        assert_eq!(choose(&[with(first, &twice), with(second, &once)], RULES), Choice::Take(1));
        assert_eq!(choose(&[with(first, &thrice), with(second, &thrice)], RULES), Choice::Nothing);
        assert_eq!(choose(&[with(first, &missing()), with(second, &twice)], RULES), Choice::Take(1));
        assert_eq!(choose(&[with(first, &missing()), with(second, &missing())], RULES), Choice::Nothing);
        // Whether a login is tried again is the account's affair.
        assert_eq!(choose(&[with(first, &refused())], RULES), Choice::Take(0));
    }

    #[test]
    fn other_content_comes_last_and_only_where_it_can_be_proved() {
        let (first, second) = (standing(1, Door::Open, 0), standing(2, Door::Open, 0));
        let provable = Rules { provable: true, ..RULES };
        assert_eq!(choose(&[with(first, &other(1)), with(second, &dropped(2))], provable), Choice::Take(1));
        assert_eq!(choose(&[with(first, &other(1)), with(second, &dropped(3))], provable), Choice::Take(0));
        assert_eq!(choose(&[with(first, &other(1)), with(second, &dropped(3))], RULES), Choice::Nothing);
    }

    #[test]
    fn a_round_goes_over_all_sources_without_waiting_and_then_waits() {
        let (first, second) = (standing(1, Door::Open, 0), standing(2, Door::Open, 0));
        let shut = standing(2, Door::Shut, 0);
        let second_long = |n| Next::RetryIn(Duration::from_secs(n));
        let d = dropped;
        let away = trouble(1, Failure::transient(Stage::Connect, Cause::Unreachable, "x"));
        for (a, b, failed, expected) in [
            (with(first, &d(1)), second, 0, Next::Source),
            (with(first, &d(1)), with(second, &d(1)), 1, second_long(1)),
            (with(first, &d(2)), with(second, &d(1)), 0, Next::Source),
            (with(first, &d(2)), with(second, &d(2)), 1, second_long(2)),
            (with(first, &d(3)), with(second, &d(2)), 0, Next::Source),
            (with(first, &d(3)), with(second, &d(3)), 1, Next::GiveUp),
            (with(first, &missing()), second, 0, Next::Source),
            (with(first, &missing()), with(second, &d(2)), 1, second_long(2)),
            (with(first, &missing()), with(second, &missing()), 1, Next::GiveUp),
            (with(first, &refused()), with(second, &refused()), 1, Next::GiveUp),
            // Nobody hurries for a source that is left alone.
            (with(first, &d(1)), shut, 0, second_long(1)),
            (with(first, &missing()), shut, 0, Next::Source),
            (with(first, &d(3)), with(second, &other(1)), 0, Next::GiveUp),
            (with(standing(1, Door::Shut, 0), &away), shut, 0, Next::Source),
            (with(standing(1, Door::Shut, 0), &away), with(shut, &away), 1, Next::GiveUp),
        ] {
            let next = after_failure(&[a, b], failed, RULES, 0.0);
            assert_eq!(next, expected, "{a:?} {b:?}");
        }
    }
}
