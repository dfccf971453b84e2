//! Rate limit of a transfer.

use std::time::Duration;

/// A token bucket that holds at most a quarter of a second's bytes.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    rate: f64,
    tokens: f64,
    last: Duration,
}

impl Bucket {
    /// A full bucket for `rate` bytes a second (at least 1), at time `now` since any fixed moment.
    #[must_use]
    pub fn new(rate: u64, now: Duration) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no 53 bits")]
        let rate = rate.max(1) as f64;
        Self { rate, tokens: rate / 4.0, last: now }
    }

    /// Takes `bytes` out, and returns how long to wait before reading on.
    pub fn take(&mut self, bytes: usize, now: Duration) -> Duration {
        let passed = now.saturating_sub(self.last).as_secs_f64();
        self.last = now;
        #[expect(clippy::cast_precision_loss, reason = "a buffer's length needs no 53 bits")]
        let bytes = bytes as f64;
        self.tokens = (self.tokens + passed * self.rate).min(self.rate / 4.0) - bytes;
        if self.tokens >= 0.0 {
            Duration::ZERO
        } else {
            Duration::from_secs_f64((-self.tokens / self.rate).min(3600.0))
        }
    }

    /// Most bytes to read at once, so that the waits stay short.
    #[must_use]
    pub fn portion(&self) -> usize {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by the clamp")]
        let bytes = (self.rate / 8.0).clamp(1.0, 262_144.0) as usize;
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_keeps_to_the_rate() {
        let mut now = Duration::ZERO;
        let mut bucket = Bucket::new(100_000, now);
        for _ in 0..1000 {
            now += bucket.take(4_000, now);
        }
        let rate = 4_000_000.0 / now.as_secs_f64();
        assert!((99_000.0..102_000.0).contains(&rate), "{rate}");
    }

    #[test]
    fn a_pause_does_not_save_up_a_flood() {
        let mut bucket = Bucket::new(1_000, Duration::ZERO);
        let wait = bucket.take(1_250, Duration::from_secs(3600));
        assert_eq!(wait, Duration::from_secs(1));
    }
}
