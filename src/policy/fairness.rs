//! Which host gets a connection when there are fewer than are wanted, and which gives one up.

use super::OVERLAP;

/// Connections over all hosts, and who waits for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Connections that may still be opened.
    pub free: u32,
    /// Hosts that have work and no connection.
    pub waiting: u32,
}

/// A transfer that could be stopped so that another host's files can begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Which host it is of, by any number.
    pub host: usize,
    /// Connections of that host.
    pub open: u32,
    /// Whether it can go on later where it was stopped.
    pub resumable: bool,
    /// Bytes that it brought so far.
    pub gained: u64,
    /// Seconds since it began.
    pub seconds: u64,
}

/// Seconds for which a host keeps its only connection, from file to file, while others wait: a login costs round trips.
const TURN: u64 = 10;
/// What a transfer has to bring before its host's only connection is given to another: several times the overlap that is
/// read once more when it goes on, or a slow one would never come to its end.
const WORTH: u64 = 4 * OVERLAP;

impl Demand {
    /// Whether a host with `open` connections may open one more: what the others wait for is theirs.
    #[must_use]
    pub fn admits(self, open: u32) -> bool {
        if open == 0 { self.free > 0 } else { self.free > self.waiting }
    }

    /// Whether a host with `open` connections keeps one of them after a file; it has had the first for so many seconds.
    #[must_use]
    pub fn keeps(self, open: u32, seconds: u64) -> bool {
        self.free >= self.waiting || (open <= 1 && seconds < TURN)
    }
}

/// Which transfers are to be stopped, by position, so that `wanted` hosts that have waited for long get a connection
/// each. Hosts with several give theirs first, those with the most before all, and of a host's the slowest goes.
#[must_use]
pub fn give_way(transfers: &[Transfer], wanted: usize, patience: u64) -> Vec<usize> {
    let mut chosen: Vec<usize> = Vec::new();
    while chosen.len() < wanted {
        let stopped_of = |host: usize| {
            let stopped = chosen.iter().filter_map(|&at| transfers.get(at)).filter(|it| it.host == host);
            u32::try_from(stopped.count()).unwrap_or(u32::MAX)
        };
        let left = |it: &Transfer| it.open.saturating_sub(stopped_of(it.host));
        let may_go = |it: &Transfer| match left(it) {
            0 => false,
            1 => it.gained >= WORTH && it.seconds >= patience,
            _ => true,
        };
        let candidates =
            transfers.iter().enumerate().filter(|(at, it)| !chosen.contains(at) && it.resumable && may_go(it));
        // Rates are compared as fractions: a / b < c / d.
        let slowest_last = |a: &Transfer, b: &Transfer| {
            let cross = |x: &Transfer, y: &Transfer| u128::from(x.gained) * u128::from(y.seconds.max(1));
            cross(b, a).cmp(&cross(a, b))
        };
        let next = candidates.max_by(|(_, a), (_, b)| left(a).cmp(&left(b)).then_with(|| slowest_last(a, b)));
        let Some((at, _)) = next else { break };
        chosen.push(at);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_hosts_wait_for_is_not_taken_by_those_that_have_a_connection() {
        for (free, waiting, open, admits) in
            [(5, 0, 3, true), (5, 4, 3, true), (4, 4, 3, false), (1, 4, 0, true), (0, 0, 0, false), (0, 1, 2, false)]
        {
            assert_eq!(Demand { free, waiting }.admits(open), admits, "{free} {waiting} {open}");
        }
    }

    #[test]
    fn after_a_file_a_host_gives_way_to_those_that_have_nothing() {
        for (free, waiting, open, seconds, keeps) in [
            (0, 0, 4, 100, true),
            (1, 1, 4, 100, true),
            (0, 1, 4, 0, false),
            (0, 1, 2, 0, false),
            // The only one is kept for a turn, since a login costs round trips, and then goes from host to host.
            (0, 1, 1, 9, true),
            (0, 1, 1, 10, false),
        ] {
            assert_eq!(Demand { free, waiting }.keeps(open, seconds), keeps, "{free} {waiting} {open} {seconds}");
        }
    }

    fn slow(host: usize, open: u32, gained: u64) -> Transfer {
        Transfer { host, open, resumable: true, gained, seconds: 60 }
    }

    #[test]
    fn the_host_with_the_most_connections_gives_its_slowest_transfer() {
        let all = [slow(0, 2, 1), slow(1, 3, 9000), slow(1, 3, 500), slow(1, 3, 7000), slow(0, 2, 1)];
        assert_eq!(give_way(&all, 1, 60), [2]);
        assert_eq!(give_way(&all, 2, 60).len(), 2);
        // Three connections of one host and two of the other: one each is left to them.
        assert_eq!(give_way(&all, 9, 60).len(), 3);
        assert!(give_way(&all, 0, 60).is_empty());
    }

    #[test]
    fn the_only_connection_of_a_host_goes_in_turn_once_it_was_of_use() {
        assert!(give_way(&[slow(0, 1, WORTH - 1)], 1, 60).is_empty(), "it would never come to its end");
        assert_eq!(give_way(&[slow(0, 1, WORTH)], 1, 60), [0]);
        assert!(give_way(&[slow(0, 1, WORTH)], 1, 61).is_empty());
        assert_eq!(give_way(&[slow(0, 1, 9 * WORTH), slow(1, 1, 2 * WORTH)], 1, 60), [1], "the slower of two");
    }

    #[test]
    fn what_can_not_go_on_where_it_stopped_is_never_stopped() {
        let stuck = Transfer { resumable: false, ..slow(0, 4, 9 * WORTH) };
        assert!(give_way(&[stuck], 1, 0).is_empty());
        assert_eq!(give_way(&[stuck, slow(1, 2, 0)], 2, 0), [1]);
    }
}
