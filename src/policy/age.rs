//! How long ago a remote file was written, by its server's clock: a file that was written to a moment ago may be written to
//! again within the same second, and no time would tell.
//!
//! FTP has no command that tells the server's time. MDTM tells UTC (RFC 3659, section 2.3) on most servers and local time on
//! some, so the clock is taken to be ours but for whole quarters of an hour, until a file that changed under our eyes shows it.

use std::time::Duration;

/// Seconds in the smallest step between time zones.
const ZONE_STEP: i64 = 15 * 60;
/// No zone is further from UTC, in seconds.
const FARTHEST_ZONE: i64 = 14 * 3600;
/// Seconds by which clocks of machines that keep time may differ.
const DRIFT: i64 = 120;
/// Seconds by which a server may be ahead while nothing is known of its clock.
const AHEAD: i64 = 2;

/// How far a server's clock, as its files' times show it, is ahead of ours, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerClock {
    ahead: Option<i64>,
}

impl ServerClock {
    /// Takes note of a file that was seen to change: its new time, in seconds since 1970-01-01 UTC as the server tells it,
    /// lies shortly before `now`. A file that was moved into place brings an older time along, and shows nothing.
    pub fn learn(&mut self, modified: i64, now: i64) {
        let ahead = modified.saturating_sub(now);
        let drift = (ahead + DRIFT).rem_euclid(ZONE_STEP) - DRIFT;
        if ahead.abs() <= FARTHEST_ZONE + DRIFT && drift.abs() <= DRIFT {
            // Each is a bit behind, by the time that passed since the file was written.
            self.ahead = Some(self.ahead.map_or(ahead, |known| known.max(ahead)));
        }
    }

    /// How long to wait until a file of this time is `least` old; `None` where it is. Times are in seconds since 1970-01-01 UTC.
    #[must_use]
    pub fn until_settled(&self, modified: i64, now: i64, least: Duration) -> Option<Duration> {
        let least = i64::try_from(least.as_secs()).unwrap_or(i64::MAX);
        let passed = now.saturating_sub(modified);
        let age = match self.ahead {
            Some(ahead) => passed.saturating_add(ahead),
            None if passed.abs() > FARTHEST_ZONE + AHEAD => return None,
            // In whatever zone it is told.
            None => (passed + AHEAD).rem_euclid(ZONE_STEP) - AHEAD,
        };
        // One from the future will not come of age in any time that can be waited for.
        let young = (-DRIFT..least).contains(&age);
        young.then(|| Duration::from_secs(u64::try_from(least - age).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;
    const LEAST: Duration = Duration::from_secs(5);

    fn wait(clock: ServerClock, modified: i64) -> Option<u64> {
        clock.until_settled(modified, NOW, LEAST).map(|wait| wait.as_secs())
    }

    #[test]
    fn a_file_written_a_moment_ago_is_waited_for() {
        let clock = ServerClock::default();
        let table = [(0, Some(5)), (-1, Some(4)), (-4, Some(1)), (-5, None), (-60, None), (2, Some(7)), (3, None)];
        for (modified, expected) in table {
            assert_eq!(wait(clock, NOW + modified), expected, "{modified} s");
        }
    }

    #[test]
    fn times_of_another_zone_are_told_by_their_minutes() {
        let clock = ServerClock::default();
        for zone in [5 * 3600 + 1800, -8 * 3600, 12 * 3600 + 2700] {
            assert_eq!(wait(clock, NOW + zone - 1), Some(4), "zone {zone}");
            assert_eq!(wait(clock, NOW + zone - 30), None, "zone {zone}");
        }
        assert_eq!(wait(clock, NOW - 20 * 3600), None, "no zone is so far away");
        assert_eq!(wait(clock, NOW + 365 * 86_400), None, "a time from the future");
    }

    #[test]
    fn a_file_that_changed_shows_the_clock() {
        let mut clock = ServerClock::default();
        // Local time, and 40 seconds slow.
        clock.learn(NOW + 3600 - 42, NOW);
        clock.learn(NOW + 3600 - 40, NOW);
        clock.learn(NOW + 3600 - 41, NOW);
        assert_eq!(wait(clock, NOW + 3600 - 41), Some(4));
        assert_eq!(wait(clock, NOW - 1), None, "an hour old by that clock");
        assert_eq!(wait(clock, NOW + 3600), Some(45), "ahead of all that was seen");
    }

    #[test]
    fn a_file_that_was_moved_into_place_shows_no_clock() {
        let mut clock = ServerClock::default();
        for modified in [NOW - 86_400, NOW - 500, NOW + 500, NOW + 30 * 86_400] {
            clock.learn(modified, NOW);
        }
        assert_eq!(clock, ServerClock::default());
    }
}
