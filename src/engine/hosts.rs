//! Hosts and accounts of a run: budgets, sessions at rest, and who is left alone.

use super::assist::Helping;
use super::clock::{self, Time};
use super::lanes::{Lane, Track, Work};
use crate::ftp::Gate;
use crate::model::{Account, Failure, HostFacts, HostKey, PerHost, Quirks};
use crate::policy::{Budget, Learned, Sample, Tuning, delay};
use crate::transfer::{Link, Rechecks};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::time::{Duration, Instant};

/// One host during a run.
pub(super) struct Host {
    pub(super) budget: Budget,
    /// How many connections are worth having.
    tuning: Tuning,
    pub(super) flow: Flow,
    /// Links that exist: signing in, at work or at rest.
    pub(super) open: u32,
    /// Links that are signed in.
    pub(super) signed_in: u32,
    /// When the first of the links that exist was opened, in ticks.
    pub(super) open_since: u64,
    /// Since when it has had work and no link, in ticks.
    pub(super) waits_since: Option<u64>,
    /// Nothing is begun before so many ticks.
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

/// What came from a host in this run.
#[derive(Debug, Default)]
pub(super) struct Flow {
    pub(super) bytes: Arc<AtomicU64>,
    /// Files ended, well or not: each cost its round trips.
    pub(super) files: u64,
    /// Links that are at rest.
    resting: u32,
    /// Bytes a second that a file came with lately.
    speed: Option<u64>,
}

/// Fewer bytes tell nothing of a server's speed.
const TELLING: u64 = 256 * 1024;

/// Whether an account is known to get in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Not tried yet: one signs in at its gate, while the others wait there, so that a wrong password is sent once.
    Unknown,
    /// It gets in.
    Proved,
    /// It was refused: left alone for this run.
    Refused(Failure),
}

/// One account during a run.
pub(super) struct Books {
    pub(super) proof: Proof,
    /// Where sessions wait until one got in.
    gate: Gate,
    /// Links under way that are not signed in yet.
    dialling: u32,
    /// Jobs of it were put back, since another one's login had failed.
    pub(super) turned_away: bool,
    /// Links that exist.
    pub(super) links: u32,
    /// Files that its server is still to be asked about.
    pub(super) rechecks: Rechecks,
    /// Sessions at rest, the one used last at the end.
    pub(super) idle: Vec<(Link, Instant)>,
    /// Its jobs without mirrors.
    pub(super) work: Work,
    /// Accounts with such jobs with mirrors as can be had from this one; among them its own.
    pub(super) serves: Vec<Account>,
}

impl Books {
    /// Whether there are links that are not signed in yet.
    pub(super) fn is_dialling(&self) -> bool {
        self.dialling > 0
    }
}

/// A session at rest is closed after this time.
const REST: Duration = Duration::from_secs(15);
/// After this time it keeps no data connection for a file that does not come: another session may be told its port.
const SOON: Duration = Duration::from_millis(500);

/// All hosts and accounts of a run.
#[derive(Default)]
pub(super) struct Hosts {
    pub(super) known: HashMap<HostKey, Host>,
    pub(super) accounts: HashMap<Account, Books>,
    /// The accounts' jobs with mirrors.
    pub(super) lanes: HashMap<Account, Lane>,
    /// Lines that may have work, in the order of their turns.
    pub(super) turns: VecDeque<Track>,
    /// Links that exist, over all hosts.
    pub(super) open: u32,
    /// Links that are at rest.
    resting: usize,
    /// Hosts that have work and no link, as far as that was looked at.
    pub(super) waiting: u32,
    /// Sessions that help with a file that another one fetches.
    pub(super) helping: Helping,
    /// Accounts of whose files the server may still have to be asked.
    pub(super) unasked: HashSet<Account>,
}

impl Host {
    /// A host of which nothing was done yet; `elapsed` is the time since the run began.
    pub(super) fn new(wish: PerHost, facts: HostFacts, elapsed: Duration, now: Time) -> Self {
        let (allowed, tuning) = match wish {
            PerHost::Most(most) => (most, Tuning::fixed(most)),
            PerHost::Auto => (Tuning::MOST, Tuning::search(remembered(&facts, now.day), elapsed)),
        };
        let budget = Budget::new(allowed, facts.connection_limit, now.ticks);
        Self {
            budget,
            tuning,
            flow: Flow::default(),
            open: 0,
            signed_in: 0,
            open_since: 0,
            waits_since: None,
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
    pub(super) fn too_many(&mut self, at_login: bool, now: Time, dice: f64) -> bool {
        let working = if at_login { self.signed_in } else { self.signed_in.saturating_sub(1) };
        let changed = self.budget.refused(working, now.ticks);
        // Refusals of connections that were under way together count once.
        if at_login && self.signed_in == 0 && self.wait_until <= now.ticks {
            self.refusals += 1;
            self.wait_until = now.ticks + delay(self.refusals, dice).as_secs().max(1);
        }
        if changed {
            self.note_limit(now.day);
        }
        changed
    }

    /// Takes note of a connection that got in, at this time of day. Returns whether the budget changed.
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

    /// Connections at a time, for now.
    pub(super) fn limit(&self) -> u32 {
        self.budget.limit().min(self.tuning.target())
    }

    /// Whether there are more links than are worth having.
    pub(super) fn has_too_many(&self) -> bool {
        self.open > self.tuning.target()
    }

    /// Whether one more link may be opened.
    pub(super) fn admits(&self, now: u64) -> bool {
        self.open < self.tuning.target() && self.budget.admits(self.open, now)
    }

    /// Whether nothing went wrong lately that a single connection should look into.
    pub(super) fn is_calm(&self) -> bool {
        self.troubles == 0 && self.refusals == 0
    }

    /// Looks at what came, and sets the number of connections by it; no more than `cap` can be had. `is_waiting` tells
    /// whether one more would have something to do. Returns whether there is something new to remember.
    pub(super) fn tune(&mut self, elapsed: Duration, cap: u32, is_waiting: bool, now: u64) -> bool {
        let sample = Sample {
            at: elapsed,
            bytes: self.flow.bytes.load(Relaxed),
            files: self.flow.files,
            working: self.signed_in.saturating_sub(self.flow.resting),
            waiting: is_waiting,
        };
        self.tuning.sample(&sample, cap.min(self.budget.limit()));
        let Some(Learned { connections, is_most }) = self.tuning.learned() else { return false };
        if self.facts.useful_connections == Some(connections) && self.facts.useful_learned_at.is_some() == is_most {
            return false;
        }
        self.facts.useful_connections = Some(connections);
        self.facts.useful_learned_at = is_most.then_some(now);
        true
    }

    /// Takes note of how fast a file came. Returns whether that is worth remembering.
    pub(super) fn note_speed(&mut self, bytes: u64, took: Duration, now: u64) -> bool {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
        if bytes < TELLING {
            return false;
        }
        let fresh = bytes.saturating_mul(1000) / millis;
        let (old, learned) = (self.speed(now), self.facts.speed);
        let speed = old.map_or(fresh, |old| (old / 4).saturating_mul(3).saturating_add(fresh / 4));
        self.flow.speed = Some(speed);
        // What is stored need not follow every breath.
        let is_news = old.is_none() || learned.is_none_or(|stored| speed / 2 > stored || stored / 2 > speed);
        if is_news {
            (self.facts.speed, self.facts.speed_learned_at) = (Some(speed), Some(now));
        }
        is_news
    }

    /// Bytes a second that a file comes with, as this run or an earlier one saw it.
    pub(super) fn speed(&self, now: u64) -> Option<u64> {
        let stands = self.facts.speed_learned_at.is_some_and(|at| now.abs_diff(at) < Tuning::STANDS);
        self.flow.speed.or(self.facts.speed.filter(|_| stands))
    }

    fn note_limit(&mut self, now: u64) {
        self.facts.connection_limit = self.budget.learned();
        self.facts.limit_learned_at = self.facts.connection_limit.map(|_| now);
    }
}

/// What an earlier run found out, while it stands.
fn remembered(facts: &HostFacts, now: u64) -> Option<Learned> {
    // Either way: what was learned while the clock was ahead would otherwise stand until it gets there.
    let stands = |at: u64| now.abs_diff(at) < Tuning::STANDS;
    let learned = Learned { connections: facts.useful_connections?, is_most: facts.useful_learned_at.is_some() };
    facts.useful_learned_at.is_none_or(stands).then_some(learned)
}

impl Hosts {
    /// The account's books, opened where there are none.
    pub(super) fn books(&mut self, account: &Account) -> &mut Books {
        self.accounts.entry(account.clone()).or_insert_with(|| Books {
            proof: Proof::Unknown,
            gate: Gate::default(),
            dialling: 0,
            turned_away: false,
            links: 0,
            rechecks: Rechecks::default(),
            idle: Vec::new(),
            work: Work::default(),
            serves: Vec::new(),
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
        // After trouble one goes ahead and looks; otherwise the others come along, as far as the gate.
        let may_try = !books.gate.is_shut() && (books.dialling == 0 || host.is_calm());
        let may_open =
            host.admits(now) && self.demand(connections).admits(host.open) && (books.proof == Proof::Proved || may_try);
        !books.idle.is_empty() || may_open
    }

    /// Whether no session rests and no account has its turn.
    pub(super) fn is_asleep(&self) -> bool {
        self.resting == 0 && self.turns.is_empty()
    }

    /// Whether any job could be begun, with a session at rest or a new one.
    pub(super) fn has_room(&self, connections: u32) -> bool {
        self.open < connections || self.resting > 0
    }

    /// Takes a session at rest; those that the server has closed meanwhile are gone.
    pub(super) fn take_idle(&mut self, account: &Account) -> Option<Link> {
        while let Some((mut link, _)) = self.books(account).idle.pop() {
            self.unrest(account);
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
        if let Some(host) = self.known.get_mut(&account.host_key()) {
            host.flow.resting += 1;
        }
    }

    fn unrest(&mut self, account: &Account) {
        self.resting = self.resting.saturating_sub(1);
        if let Some(host) = self.known.get_mut(&account.host_key()) {
            host.flow.resting = host.flow.resting.saturating_sub(1);
        }
    }

    /// The account has to show anew that it gets in, one session ahead of the others; a refusal stands. While one is
    /// on its way, that one shows it.
    pub(super) fn unprove(&mut self, account: &Account) {
        let books = self.books(account);
        if books.proof == Proof::Proved {
            books.proof = Proof::Unknown;
            books.gate = Gate::default();
        }
    }

    /// Accounts of that name, `user@host:port`, that were refused may show anew whether they get in.
    pub(super) fn forgive(&mut self, name: &str) {
        for (_, books) in self.accounts.iter_mut().filter(|(account, _)| account.credential() == name) {
            if matches!(books.proof, Proof::Refused(_)) {
                books.proof = Proof::Unknown;
                books.gate = Gate::default();
                books.turned_away = false;
            }
        }
    }

    /// The session that went ahead is gone, and did not get in: another may go ahead, unless the account was refused.
    pub(super) fn leader_is_gone(&mut self, account: &Account) {
        let books = self.books(account);
        if books.proof != Proof::Proved {
            books.gate = Gate::default();
        }
    }

    /// The account gets in.
    pub(super) fn signed_in(&mut self, account: &Account) {
        let books = self.books(account);
        books.dialling = books.dialling.saturating_sub(1);
        books.turned_away = false;
        if !matches!(books.proof, Proof::Refused(_)) {
            books.proof = Proof::Proved;
        }
    }

    /// Takes note that a link is about to be opened. Returns the gate it has to pass, if there is one.
    pub(super) fn opened(&mut self, account: &Account) -> Option<Gate> {
        self.open += 1;
        if let Some(host) = self.known.get_mut(&account.host_key()) {
            if host.open == 0 {
                host.open_since = clock::ticks();
            }
            host.open += 1;
            self.waiting = self.waiting.saturating_sub(u32::from(host.waits_since.take().is_some()));
        }
        let books = self.books(account);
        books.dialling += 1;
        books.links += 1;
        (books.proof != Proof::Proved).then(|| books.gate.clone())
    }

    /// Takes note that a link is gone.
    pub(super) fn closed(&mut self, account: &Account, signed_in: bool) {
        self.open = self.open.saturating_sub(1);
        let books = self.books(account);
        books.links = books.links.saturating_sub(1);
        if !signed_in {
            books.dialling = books.dialling.saturating_sub(1);
        }
        if let Some(host) = self.known.get_mut(&account.host_key()) {
            host.open = host.open.saturating_sub(1);
            host.signed_in = host.signed_in.saturating_sub(u32::from(signed_in));
        }
    }

    /// Sessions that have rested too long, or that stand in the way of another account's work.
    pub(super) fn drowsy(&mut self, all_without_work: bool) -> Vec<(Account, Link)> {
        let now = Instant::now();
        let mut gone = Vec::new();
        let rested: Vec<&Account> =
            self.accounts.iter().filter(|(_, it)| !it.idle.is_empty()).map(|(it, _)| it).collect();
        let workless: HashSet<Account> =
            rested.into_iter().filter(|account| all_without_work && !self.has_work(account)).cloned().collect();
        for (account, books) in &mut self.accounts {
            let workless = workless.contains(account) && books.rechecks.is_empty();
            for (mut link, since) in std::mem::take(&mut books.idle) {
                if workless || now.duration_since(since) >= REST || !link.is_usable() {
                    gone.push((account.clone(), link));
                } else {
                    if now.duration_since(since) >= SOON {
                        link.let_go_of_data();
                    }
                    books.idle.push((link, since));
                }
            }
        }
        for (account, _) in &gone {
            self.unrest(account);
            self.closed(account, true);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The dispatcher sleeps until the first of the hosts that are waited for may be tried again.
    #[test]
    fn only_hosts_with_work_are_woken_for() {
        let mut hosts = Hosts::default();
        assert_eq!((hosts.is_asleep(), hosts.next_wake()), (true, None));
        for (name, until) in [("a", 900), ("b", 700), ("c", 500)] {
            let account = Account::try_from(format!("ftp://{name}")).unwrap();
            let host = Host {
                wait_until: until,
                ..Host::new(PerHost::Most(4), HostFacts::default(), Duration::ZERO, Time { day: 0, ticks: 0 })
            };
            hosts.known.insert(account.host_key(), host);
            hosts.note_work(&Track::plain(&account), name != "c");
        }
        assert!(!hosts.is_asleep(), "two accounts have their turn");
        while let Some(track) = hosts.turns.pop_front() {
            assert!(!hosts.next_turn(track, 100));
        }
        assert_eq!((hosts.is_asleep(), hosts.next_wake()), (true, Some(700)));
        assert!(hosts.wake(700) && !hosts.is_asleep());
        let held = Failure::permanent(crate::model::Stage::Login, crate::model::Cause::LoginRefused, "x");
        hosts.books(&Account::try_from("ftp://b".to_owned()).unwrap()).proof = Proof::Refused(held);
        assert_eq!(hosts.next_wake(), Some(900));
    }
}
