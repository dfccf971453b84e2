//! The one place that asks the time and rolls the dice.
//!
//! There are two times. What is stored or shown stands in the time of day, which a person or NTP may set by days at any
//! moment. What only this run waits for goes by ticks, which nobody can set.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Both times at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time {
    /// Seconds since 1970-01-01 UTC.
    pub(super) day: u64,
    /// Seconds since a moment before the run.
    pub(super) ticks: u64,
}

impl Time {
    /// Now.
    pub(super) fn now() -> Self {
        Self { day: now(), ticks: ticks() }
    }

    /// How far the time of day is ahead of the ticks, in seconds: another number once somebody has set it.
    pub(super) fn lead(self) -> u64 {
        self.day.wrapping_sub(self.ticks)
    }
}

/// When ticks were asked for first. Far enough from 0 that a wait until 0 is none.
static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Seconds since 1970-01-01 UTC.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs())
}

/// Seconds since a moment before the run.
pub(super) fn ticks() -> u64 {
    FIRST.elapsed().as_secs() + 1
}

/// Milliseconds since 1970-01-01 UTC: when somebody asks for something.
#[must_use]
pub fn now_millis() -> u64 {
    millis()
}

/// Milliseconds since 1970-01-01 UTC.
pub(super) fn millis() -> u64 {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
}

/// How long it is until a time in seconds since 1970-01-01 UTC; nothing once it has come.
pub(super) fn until(at: u64) -> Duration {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_secs(at).saturating_sub(passed)
}

/// How long it is until a number of ticks; nothing once it has come.
pub(super) fn until_tick(at: u64) -> Duration {
    Duration::from_secs(at.saturating_sub(1)).saturating_sub(FIRST.elapsed())
}

/// A number from 0 up to 1, for jitter.
pub(super) fn dice() -> f64 {
    fastrand::f64()
}

/// A number below another, for places chosen by chance.
pub(super) fn below(end: u64) -> u64 {
    fastrand::u64(..end.max(1))
}
