//! Hosts and accounts of a run: budgets, sessions at rest, and who is left alone.

use super::assist::Helping;
use crate::model::{Account, Claim, Failure, HostFacts, HostKey, Quirks};
use crate::policy::{Budget, delay};
use crate::transfer::Link;
use std::collections::{HashMap, VecDeque};
use tokio::time::{Duration, Instant};

/// One host during a run.
pub(super) struct Host {
    pub(super) budget: Budget,
    /// Links that exist: signing in, at work or at rest.
    pub(super) open: u32,
    /// Links that are signed in.
    pub(super) signed_in: u32,
    /// Nothing is begun before this time, in seconds since 1970-01-01 UTC.
    pub(super) wait_until: u64,
    /// Refusals in a row while no connection of ours stood.
    pub(super) refusals: u32,
    /// Connections in a row that failed while none of ours stood.
    pub(super) troubles: u32,
    /// It is left alone for this run.
    pub(super) held: Option<Failure>,
    pub(super) facts: HostFacts,
    /// The accounts on it that this run has met.
    pub(super) accounts: Vec<Account>,
}

/// Whether an account is known to get in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Not tried yet: one may try.
    Unknown,
    /// One is trying; the others wait, so that a wrong password is sent once.
    Trying,
    /// It gets in.
    Proved,
    /// It was refused: left alone for this run.
    Refused(Failure),
}

/// One account during a run.
pub(super) struct Books {
    pub(super) proof: Proof,
    /// Sessions at rest, the one used last at the end.
    pub(super) idle: Vec<(Link, Instant)>,
    /// Claims taken beforehand.
    pub(super) claims: VecDeque<Claim>,
    /// Whether the queue may have more that can be done now.
    pub(super) more: bool,
    /// Whether it stands among the turns.
    pub(super) has_turn: bool,
}

impl Books {
    /// Whether something could be begun for the account.
    pub(super) fn has_work(&self) -> bool {
        self.more || !self.claims.is_empty()
    }
}

/// A session at rest is closed after this time.
const REST: Duration = Duration::from_secs(15);

/// All hosts and accounts of a run.
#[derive(Default)]
pub(super) struct Hosts {
    pub(super) known: HashMap<HostKey, Host>,
    pub(super) accounts: HashMap<Account, Books>,
    /// Accounts that may have work, in the order of their turns.
    pub(super) turns: VecDeque<Account>,
    /// Links that exist, over all hosts.
    pub(super) open: u32,
    /// Links that are at rest.
    resting: usize,
    /// Sessions that help with a file that another one fetches.
    pub(super) helping: Helping,
}

impl Host {
    pub(super) fn new(allowed: u32, facts: HostFacts, now: u64) -> Self {
        let budget = Budget::new(allowed, facts.connection_limit, now);
        Self {
            budget,
            open: 0,
            signed_in: 0,
            wait_until: 0,
            refusals: 0,
            troubles: 0,
            held: None,
            facts,
            accounts: Vec::new(),
        }
    }

    /// Takes note of what a session learned. Returns whether it is news.
    pub(super) fn learn(&mut self, quirks: Quirks) -> bool {
        let all = self.facts.quirks.merged(quirks);
        std::mem::replace(&mut self.facts.quirks, all) != all
    }

    /// Takes note of a refusal to take one more connection, or, once signed in, one more transfer. Returns whether the
    /// budget changed.
    pub(super) fn too_many(&mut self, at_login: bool, now: u64, dice: f64) -> bool {
        let working = if at_login { self.signed_in } else { self.signed_in.saturating_sub(1) };
        let changed = self.budget.refused(working, now);
        // Refusals of connections that were under way together count once.
        if at_login && self.signed_in == 0 && self.wait_until <= now {
            self.refusals += 1;
            self.wait_until = now + delay(self.refusals, dice).as_secs().max(1);
        }
        if changed {
            self.note_limit(now);
        }
        changed
    }

    /// Takes note of a connection that got in. Returns whether the budget changed.
    pub(super) fn got_in(&mut self, now: u64) -> bool {
        self.signed_in += 1;
        self.troubles = 0;
        self.refusals = 0;
        self.wait_until = 0;
        let changed = self.budget.signed_in(self.signed_in);
        if changed {
            self.note_limit(now);
        }
        changed
    }

    fn note_limit(&mut self, now: u64) {
        self.facts.connection_limit = self.budget.learned();
        self.facts.limit_learned_at = self.facts.connection_limit.map(|_| now);
    }
}

impl Hosts {
    /// The account's books, opened where there are none.
    pub(super) fn books(&mut self, account: &Account) -> &mut Books {
        self.accounts.entry(account.clone()).or_insert_with(|| Books {
            proof: Proof::Unknown,
            idle: Vec::new(),
            claims: VecDeque::new(),
            more: false,
            has_turn: false,
        })
    }

    /// Whether nothing of this account is to be done in this run any more.
    pub(super) fn is_held(&self, account: &Account) -> bool {
        let refused = self.accounts.get(account).is_some_and(|books| matches!(books.proof, Proof::Refused(_)));
        refused || self.known.get(&account.host_key()).is_some_and(|host| host.held.is_some())
    }

    /// Whether a claim of this account could be started now, with a session at rest or a new one.
    pub(super) fn admits(&self, account: &Account, connections: u32, now: u64) -> bool {
        if self.is_held(account) {
            return false;
        }
        let (Some(books), Some(host)) = (self.accounts.get(account), self.known.get(&account.host_key())) else {
            return false;
        };
        if host.wait_until > now {
            return false;
        }
        let may_open = host.budget.admits(host.open, now) && self.open < connections && books.proof != Proof::Trying;
        !books.idle.is_empty() || may_open
    }

    /// Gives accounts whose hosts were waited for their turns again. Returns whether any account has work that could not
    /// be begun.
    pub(super) fn wake(&mut self, now: u64) -> bool {
        let mut waiting = false;
        for (account, books) in &mut self.accounts {
            let host = self.known.get(&account.host_key()).filter(|host| host.held.is_none());
            if !books.has_work() || host.is_none() || matches!(books.proof, Proof::Refused(_)) {
                continue;
            }
            waiting = true;
            let awake = host.is_some_and(|host| host.wait_until <= now);
            if awake && !std::mem::replace(&mut books.has_turn, true) {
                self.turns.push_back(account.clone());
            }
        }
        waiting
    }

    /// Puts an account at the end of the turns, if it has work and its host is not to be waited for.
    /// Returns whether it was put there.
    pub(super) fn next_turn(&mut self, account: Account, now: u64) -> bool {
        let asleep = self.known.get(&account.host_key()).is_none_or(|host| host.wait_until > now);
        let held = self.is_held(&account);
        let books = self.books(&account);
        books.has_turn = books.has_work() && !asleep && !held;
        let stays = books.has_turn;
        if stays {
            self.turns.push_back(account);
        }
        stays
    }

    /// Whether any job could be begun, with a session at rest or a new one.
    pub(super) fn has_room(&self, connections: u32) -> bool {
        self.open < connections || self.resting > 0
    }

    /// Takes note of whether the queue has more for an account, and gives it its turn.
    pub(super) fn note_work(&mut self, account: &Account, more: bool) {
        let books = self.books(account);
        books.more = more;
        if books.has_work() && !std::mem::replace(&mut books.has_turn, true) {
            self.turns.push_back(account.clone());
        }
    }

    /// Takes a session at rest; those that the server has closed meanwhile are gone.
    pub(super) fn take_idle(&mut self, account: &Account) -> Option<Link> {
        while let Some((link, _)) = self.books(account).idle.pop() {
            self.resting = self.resting.saturating_sub(1);
            if link.is_usable() {
                return Some(link);
            }
            self.closed(account, true);
        }
        None
    }

    /// Puts a session to rest.
    pub(super) fn rest(&mut self, account: &Account, link: Link) {
        self.books(account).idle.push((link, Instant::now()));
        self.resting += 1;
    }

    /// The account has to show anew that it gets in, one session ahead of the others; a refusal stands.
    pub(super) fn unprove(&mut self, account: &Account) {
        let books = self.books(account);
        if !matches!(books.proof, Proof::Refused(_)) {
            books.proof = Proof::Unknown;
        }
    }

    /// Takes note that a link is about to be opened.
    pub(super) fn opened(&mut self, account: &Account) {
        let books = self.books(account);
        if books.proof == Proof::Unknown {
            books.proof = Proof::Trying;
        }
        self.open += 1;
        if let Some(host) = self.known.get_mut(&account.host_key()) {
            host.open += 1;
        }
    }

    /// Takes note that a link is gone.
    pub(super) fn closed(&mut self, account: &Account, signed_in: bool) {
        self.open = self.open.saturating_sub(1);
        if let Some(host) = self.known.get_mut(&account.host_key()) {
            host.open = host.open.saturating_sub(1);
            host.signed_in = host.signed_in.saturating_sub(u32::from(signed_in));
        }
    }

    /// Sessions that have rested too long, or that stand in the way of another account's work.
    pub(super) fn drowsy(&mut self, all_without_work: bool) -> Vec<(Account, Link)> {
        let now = Instant::now();
        let mut gone = Vec::new();
        for (account, books) in &mut self.accounts {
            let workless = all_without_work && !books.has_work();
            for (link, since) in std::mem::take(&mut books.idle) {
                if workless || now.duration_since(since) >= REST || !link.is_usable() {
                    gone.push((account.clone(), link));
                } else {
                    books.idle.push((link, since));
                }
            }
        }
        for (account, _) in &gone {
            self.resting = self.resting.saturating_sub(1);
            self.closed(account, true);
        }
        gone
    }
}
