//! The one place that asks the time and rolls the dice.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since 1970-01-01 UTC.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs())
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

/// A number from 0 up to 1, for jitter.
pub(super) fn dice() -> f64 {
    fastrand::f64()
}
