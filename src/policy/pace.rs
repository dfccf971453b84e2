//! When bytes that come too slowly count as none.

use std::time::Duration;

/// Bytes a second below which a transfer stands still, whatever trickles in. A modem of 1980 brought 120.
pub const LEAST: u64 = 100;

/// How much came while it was waited for: the time of one's own disk and of a limit set by the user does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// Takes note of a wait for bytes, however it ended.
    pub fn waited(&mut self, time: Duration) {
        self.waited += time;
    }

    /// Takes note of bytes. Returns how many came in `span` where that is a standstill; each span is judged by itself.
    pub fn took(&mut self, count: usize, span: Duration) -> Option<u64> {
        self.bytes = self.bytes.saturating_add(count as u64);
        if self.waited < span {
            return None;
        }
        let Self { waited, bytes } = std::mem::take(self);
        (bytes < waited.as_secs().saturating_mul(LEAST)).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_secs(240);

    /// Bytes a second over some time, in steps of one second; the first standstill.
    fn stands_still(rates: &[(u64, u64)]) -> Option<u64> {
        let mut pace = Pace::default();
        let steps = rates.iter().flat_map(|&(seconds, bytes)| (0..seconds).map(move |_| bytes));
        steps.into_iter().find_map(|bytes| {
            pace.waited(Duration::from_secs(1));
            pace.took(usize::try_from(bytes).unwrap(), SPAN)
        })
    }

    #[test]
    fn a_trickle_is_a_standstill_and_a_slow_line_is_none() {
        assert_eq!(stands_still(&[(300, 1)]), Some(240));
        assert_eq!(stands_still(&[(300, 99)]), Some(240 * 99));
        assert_eq!(stands_still(&[(10_000, 100)]), None);
        assert_eq!(stands_still(&[(200, 0), (1, 30_000), (239, 0), (1, 30_000)]), None);
        assert_eq!(stands_still(&[(240, 5000), (240, 10)]), Some(2400), "what came before does not count");
    }

    #[test]
    fn what_is_held_up_on_this_side_is_no_standstill() {
        let mut pace = Pace::default();
        for _ in 0..1_000_000 {
            assert_eq!(pace.took(1, SPAN), None);
        }
    }
}
