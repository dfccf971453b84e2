//! How many connections a host gets.

/// A host's budget of connections: starts at what the user allows, shrinks when the server refuses one more, grows
/// again slowly. Times are seconds since any fixed moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    allowed: u32,
    limit: u32,
    learned: Option<u32>,
    calm_since: u64,
    /// Fewer connections for a while, and until when.
    squeezed: Option<(u32, u64)>,
}

impl Budget {
    /// Seconds without a refusal after which one more connection is tried.
    pub const GROWTH: u64 = 300;
    /// Seconds for which a connection that did not get through beside others keeps the next ones back.
    pub const SQUEEZE: u64 = 30;

    /// A budget of `allowed` connections (at least 1), or of what an earlier run learned.
    #[must_use]
    pub fn new(allowed: u32, remembered: Option<u32>, now: u64) -> Self {
        let allowed = allowed.max(1);
        let limit = remembered.map_or(allowed, |seen| seen.clamp(1, allowed));
        Self { allowed, limit, learned: remembered, calm_since: now, squeezed: None }
    }

    /// Connections at a time, for now.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// What the server was seen to accept, once it had refused one more.
    #[must_use]
    pub fn learned(&self) -> Option<u32> {
        self.learned
    }

    /// Whether one more may be opened beside `open` ones.
    #[must_use]
    pub fn admits(&self, open: u32, now: u64) -> bool {
        let squeezed = self.squeezed.filter(|&(_, until)| now < until).map_or(u32::MAX, |(limit, _)| limit);
        open < self.limit.min(squeezed)
    }

    /// One more connection did not get through beside `signed_in` ones that work. That may be the server's way to say
    /// "too many", or the network's passing trouble: kept in mind for half a minute, and learned as nothing.
    pub fn squeeze(&mut self, signed_in: u32, now: u64) {
        self.squeezed = Some((signed_in.max(1), now + Self::SQUEEZE));
    }

    /// The server refused one more connection beside `signed_in` ones of ours. Returns whether the limit changed.
    pub fn refused(&mut self, signed_in: u32, now: u64) -> bool {
        self.calm_since = now;
        let before = (self.limit, self.learned);
        self.limit = signed_in.clamp(1, self.limit);
        self.learned = Some(self.limit);
        before != (self.limit, self.learned)
    }

    /// A connection got through: now `signed_in` are. A refusal that came while others were still signing in has set the
    /// limit too low; this mends it. Returns whether the limit changed.
    pub fn signed_in(&mut self, signed_in: u32) -> bool {
        let limit = signed_in.min(self.allowed);
        if limit <= self.limit {
            return false;
        }
        self.limit = limit;
        if let Some(learned) = &mut self.learned {
            *learned = (*learned).max(limit);
        }
        true
    }

    /// Lets the limit grow by one when the host has been calm for long. Returns whether the limit changed.
    pub fn grow(&mut self, now: u64) -> bool {
        if self.limit >= self.allowed || now.saturating_sub(self.calm_since) < Self::GROWTH {
            return false;
        }
        self.calm_since = now;
        self.limit += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shrinks_to_what_the_server_took() {
        let mut budget = Budget::new(8, None, 0);
        assert!(budget.admits(7, 0) && !budget.admits(8, 0));
        assert!(budget.refused(2, 0));
        assert_eq!((budget.limit(), budget.learned()), (2, Some(2)));
        assert!(!budget.refused(2, 0));
    }

    /// Eight sign in at once, the server takes two, and a refusal may be read before any welcome.
    #[test]
    fn a_refusal_read_early_does_not_cost_the_connections_that_got_through() {
        let mut budget = Budget::new(8, None, 0);
        budget.refused(0, 0);
        assert_eq!(budget.limit(), 1);
        assert!(!budget.signed_in(1));
        assert!(budget.signed_in(2));
        budget.refused(2, 0);
        assert_eq!((budget.limit(), budget.learned()), (2, Some(2)));
    }

    #[test]
    fn never_falls_below_one_and_grows_slowly() {
        let mut budget = Budget::new(4, Some(2), 1000);
        assert_eq!(budget.limit(), 2);
        budget.refused(0, 1000);
        assert_eq!(budget.limit(), 1);
        assert!(!budget.grow(1299));
        assert!(budget.grow(1300));
        assert!(!budget.grow(1301));
        assert_eq!(budget.limit(), 2);
    }

    #[test]
    fn a_connection_that_silently_fails_beside_others_holds_back_more_of_them_for_a_while() {
        let mut budget = Budget::new(4, None, 0);
        budget.squeeze(1, 100);
        assert!(!budget.admits(1, 129) && budget.admits(1, 130));
        assert_eq!((budget.limit(), budget.learned()), (4, None));
        budget.squeeze(0, 200);
        assert!(budget.admits(0, 200));
    }

    #[test]
    fn connections_beyond_the_users_wish_are_never_a_reason_for_more() {
        let mut budget = Budget::new(2, None, 0);
        assert!(!budget.signed_in(3));
        assert_eq!(budget.limit(), 2);
    }

    #[test]
    fn what_was_remembered_never_exceeds_what_the_user_allows() {
        assert_eq!(Budget::new(2, Some(9), 0).limit(), 2);
        assert_eq!(Budget::new(0, None, 0).limit(), 1);
    }
}
