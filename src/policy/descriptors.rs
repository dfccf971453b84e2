//! How many connections and files the limit on open files allows.

use super::delay;

/// The budget of file descriptors of a run: what is begun is held to it, and where it runs short all the same, fewer
/// connections follow after a pause. Times are seconds since any fixed moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// The limit of this process; nothing where there is none.
    limit: Option<u64>,
    /// Connections that are not exceeded since descriptors ran short.
    cap: Option<u32>,
    /// Nothing is begun before this time.
    wait_until: u64,
    calm_since: u64,
    /// How often in a row they ran short though nothing else was going on.
    in_vain: u32,
}

/// What follows when descriptors ran short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// So many connections at a time from now on.
    Fewer(u32),
    /// It goes on as before after a pause.
    Wait,
    /// They do not do for a single transfer.
    Hopeless,
}

impl Descriptors {
    /// What the program itself has open: terminal, runtime, queue, log, resolver.
    const OWN: u64 = 24;
    /// What a transfer takes: control and data connection, listener, folder, part file, a second look at it, a pipe.
    const TRANSFER: u64 = 8;
    /// What a file takes on the way to its name: folder and part file.
    const STORING: u64 = 2;
    /// Seconds without a shortage after which one more connection is tried.
    const GROWTH: u64 = 30;
    /// Shortages in a row, with nothing else going on, before a run is ended.
    const PATIENCE: u32 = 4;

    /// A budget under this limit.
    #[must_use]
    pub fn new(limit: Option<u64>) -> Self {
        Self { limit, cap: None, wait_until: 0, calm_since: 0, in_vain: 0 }
    }

    /// Connections at a time, of those that are wished for; at least 1.
    #[must_use]
    pub fn connections(&self, wished: u32) -> u32 {
        let fits = self.limit.map_or(u64::MAX, |limit| limit.saturating_sub(Self::OWN) / Self::TRANSFER);
        wished.min(u32::try_from(fits).unwrap_or(u32::MAX)).min(self.cap.unwrap_or(u32::MAX)).max(1)
    }

    /// Files that may be on their way to their names beside so many connections, of those that are wished for.
    #[must_use]
    pub fn storing(&self, connections: u32, wished: usize) -> usize {
        let Some(limit) = self.limit else { return wished };
        let rest = limit.saturating_sub(Self::OWN).saturating_sub(u64::from(connections) * Self::TRANSFER);
        usize::try_from(rest / Self::STORING).unwrap_or(usize::MAX).min(wished)
    }

    /// Whether something may be begun now.
    #[must_use]
    pub fn admits(&self, now: u64) -> bool {
        now >= self.wait_until && !self.is_hopeless()
    }

    /// Whether they do not do for a single transfer.
    #[must_use]
    pub fn is_hopeless(&self) -> bool {
        self.in_vain >= Self::PATIENCE
    }

    /// They ran short while `others` transfers besides the one that met it were going on.
    pub fn ran_short(&mut self, others: u32, now: u64) -> Shortage {
        self.calm_since = now;
        self.in_vain = if others == 0 { self.in_vain + 1 } else { 0 };
        self.wait_until = now + delay(self.in_vain.max(1), 0.0).as_secs();
        let cap = others.max(1);
        if self.is_hopeless() {
            Shortage::Hopeless
        } else if self.cap.is_none_or(|old| cap < old) {
            self.cap = Some(cap);
            Shortage::Fewer(cap)
        } else {
            Shortage::Wait
        }
    }

    /// A file was finished.
    pub fn sufficed(&mut self) {
        self.in_vain = 0;
    }

    /// Lets one more connection be tried when they have not run short for long.
    pub fn grow(&mut self, now: u64) {
        if let Some(cap) = &mut self.cap
            && now.saturating_sub(self.calm_since) >= Self::GROWTH
        {
            (*cap, self.calm_since) = (cap.saturating_add(1), now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_sets_how_many_transfers_and_files_fit() {
        for (limit, wished, connections, storing) in [
            (None, 16, 16, 256),
            (Some(1_048_576), 16, 16, 256),
            (Some(1024), 16, 16, 256),
            (Some(1024), 1000, 125, 0),
            (Some(256), 16, 16, 52),
            (Some(64), 16, 5, 0),
            (Some(32), 16, 1, 0),
            (Some(24), 16, 1, 0),
            (Some(0), 16, 1, 0),
        ] {
            let budget = Descriptors::new(limit);
            let fits = budget.connections(wished);
            assert_eq!((fits, budget.storing(fits, 256)), (connections, storing), "{limit:?} {wished}");
        }
    }

    #[test]
    fn a_shortage_costs_connections_and_a_pause_and_passes() {
        let mut budget = Descriptors::new(Some(1024));
        assert_eq!(budget.ran_short(7, 100), Shortage::Fewer(7));
        assert_eq!((budget.connections(16), budget.admits(100), budget.admits(101)), (7, false, true));
        // Those that were begun together meet it together.
        assert_eq!(budget.ran_short(7, 100), Shortage::Wait);
        assert_eq!(budget.ran_short(2, 102), Shortage::Fewer(2));
        budget.grow(131);
        assert_eq!(budget.connections(16), 2);
        budget.grow(132);
        budget.grow(133);
        assert_eq!(budget.connections(16), 3);
    }

    #[test]
    fn a_single_transfer_that_can_not_be_made_ends_the_run_and_nothing_else_does() {
        let mut budget = Descriptors::new(Some(24));
        assert_eq!(budget.ran_short(0, 0), Shortage::Fewer(1));
        assert_eq!([budget.ran_short(0, 1), budget.ran_short(0, 3)], [Shortage::Wait; 2]);
        budget.sufficed();
        for now in 10..13 {
            assert_ne!(budget.ran_short(0, now), Shortage::Hopeless);
        }
        assert_eq!(budget.ran_short(0, 13), Shortage::Hopeless);
        assert!(!budget.admits(1000) && budget.is_hopeless());
        let mut busy = Descriptors::new(None);
        assert!((0..100).all(|now| busy.ran_short(1, now) != Shortage::Hopeless));
    }
}
