//! Every host with work gets a connection: those that have several give way to those that have none.

use super::dispatcher::Dispatcher;
use super::hosts::{Host, Hosts};
use super::lanes::Lane;
use crate::model::{Account, Event, HostKey, JobId};
use crate::policy::{Demand, Transfer, give_way};
use crate::transfer::{Gauge, Phase};
use std::collections::{HashMap, HashSet};

/// Seconds after which a host counts as having waited for long, where no timeout is set.
const PATIENCE: u64 = 60;

impl Hosts {
    /// Takes note of the hosts that have work and no connection, and since when.
    pub(super) fn note_waiting(&mut self, now: u64) {
        let waits = |host: &Host| {
            let is_open = host.open == 0 && host.held.is_none() && host.wait_until <= now;
            is_open && host.accounts.iter().any(|account| !self.is_held(account) && self.is_unserved(account))
        };
        let waiting: HashSet<HostKey> =
            self.known.iter().filter(|(_, host)| waits(host)).map(|(key, _)| key.clone()).collect();
        for (_, host) in self.known.iter_mut().filter(|(key, _)| !waiting.contains(key)) {
            host.waits_since = None;
        }
        self.waiting = u32::try_from(waiting.len()).unwrap_or(u32::MAX);
        for key in waiting {
            if let Some(host) = self.known.get_mut(&key) {
                host.waits_since.get_or_insert(now);
            }
        }
    }

    /// Nobody waits, and has not waited so far.
    fn forget_waiting(&mut self) {
        self.waiting = 0;
        self.known.values_mut().for_each(|host| host.waits_since = None);
    }

    /// Whether an account has jobs to be begun for which nothing is open: its own, or such with mirrors of which none has a
    /// connection either.
    fn is_unserved(&self, account: &Account) -> bool {
        let Some(books) = self.accounts.get(account) else { return false };
        let is_closed = |other: &&Account| self.known.get(&other.host_key()).is_none_or(|host| host.open == 0);
        let is_stuck = |lane: &Lane| {
            let mut sources = lane.accounts.iter().filter(|other| !self.is_held(other)).peekable();
            lane.work.is_there() && sources.peek() == Some(&account) && sources.all(|other| is_closed(&other))
        };
        books.work.is_there() || books.serves.iter().filter_map(|own| self.lanes.get(own)).any(is_stuck)
    }

    /// How many connections may still be opened, and how many hosts wait for one.
    pub(super) fn demand(&self, connections: u32) -> Demand {
        Demand { free: connections.saturating_sub(self.open), waiting: self.waiting }
    }

    /// Whether a host keeps a session that has fetched a file.
    pub(super) fn keeps(&self, account: &Account, connections: u32, now: u64) -> bool {
        let Some(host) = self.known.get(&account.host_key()) else { return true };
        // One that has nothing more to do here is of no use where others wait.
        let seconds = if self.has_work(account) { now.saturating_sub(host.open_since) } else { u64::MAX };
        self.demand(connections).keeps(host.open, seconds)
    }
}

impl Dispatcher {
    /// Takes note of the hosts that have work and no connection, as long as anything new is begun: where nothing is, none waits
    /// for another's connection.
    pub(super) fn note_waiting(&mut self, now: u64) {
        if self.may_begin(now) {
            self.hosts.note_waiting(now);
        } else {
            self.hosts.forget_waiting();
        }
    }

    /// Stops transfers of hosts that have several, or had their turn, where others have waited for long; what came is kept.
    pub(super) fn make_way(&mut self, now: u64) {
        let waiting: Vec<(HostKey, u64)> =
            self.hosts.known.iter().filter_map(|(key, host)| Some((key.clone(), host.waits_since?))).collect();
        let long = |(key, since): &&(HostKey, u64)| now.saturating_sub(*since) >= self.patience_of(key);
        let long: Vec<&HostKey> = waiting.iter().filter(long).map(|(key, _)| key).collect();
        let Some(first) = long.first() else { return };
        let leaving = self.running.values().filter(|it| it.has_link && *it.stop.borrow()).count();
        let free = usize::try_from(self.hosts.demand(self.connections()).free).unwrap_or(usize::MAX);
        let wanted = long.len().saturating_sub(leaving.saturating_add(free));
        if wanted == 0 {
            return;
        }
        let patience = self.patience_of(first);
        let (jobs, transfers) = self.transfers(now);
        for at in give_way(&transfers, wanted, patience) {
            let Some(running) = jobs.get(at).and_then(|job| self.running.get(job)) else { continue };
            running.stop.send_replace(true);
            let text = format!(
                "{}: stopped for now so that files of {first} can begin; it goes on where it stopped",
                running.source
            );
            self.shop.observer.event(&Event::Notice { text });
        }
    }

    /// Seconds after which a host counts as having waited for long: its timeout.
    fn patience_of(&self, key: &HostKey) -> u64 {
        self.order.overrides.or(&self.host_settings(key)).timeout.map_or(PATIENCE, u64::from)
    }

    /// The transfers under way of which bytes arrive.
    fn transfers(&self, now: u64) -> (Vec<JobId>, Vec<Transfer>) {
        let mut numbers: HashMap<HostKey, usize> = HashMap::new();
        let gauges = self.shop.board.gauges();
        let mut jobs = Vec::new();
        let mut transfers = Vec::new();
        for gauge in gauges.iter().filter(|gauge| gauge.phase() == Phase::Receiving) {
            let Some(running) = self.running.get(&gauge.job).filter(|it| it.has_link && !*it.stop.borrow()) else {
                continue;
            };
            let key = running.source.account().host_key();
            let Some(host) = self.hosts.known.get(&key) else { continue };
            let count = numbers.len();
            jobs.push(gauge.job);
            transfers.push(Transfer {
                host: *numbers.entry(key).or_insert(count),
                open: host.open,
                resumable: running.resumable && !host.facts.quirks.no_rest,
                gained: gained(gauge, running.had),
                seconds: now.saturating_sub(running.since),
            });
        }
        (jobs, transfers)
    }
}

fn gained(gauge: &Gauge, had: u64) -> u64 {
    gauge.have().saturating_sub(had)
}

#[cfg(test)]
mod tests {
    use super::super::clock::Time;
    use super::super::lanes::Track;
    use super::*;
    use crate::model::{HostFacts, PerHost};
    use std::time::Duration;

    fn hosts(names: &[&str]) -> (Hosts, Vec<Account>) {
        let mut hosts = Hosts::default();
        let account = |name: &&str| Account::try_from(format!("ftp://{name}")).unwrap();
        let accounts: Vec<Account> = names.iter().map(account).collect();
        for account in &accounts {
            let mut host = Host::new(PerHost::Most(4), HostFacts::default(), Duration::ZERO, Time { day: 0, ticks: 0 });
            host.accounts.push(account.clone());
            hosts.known.insert(account.host_key(), host);
            hosts.note_work(&Track::plain(account), true);
        }
        (hosts, accounts)
    }

    /// Claims of hosts arrive one after the other: the first must not take all before the last has any.
    #[test]
    fn a_connection_is_left_for_each_host_that_has_none_yet() {
        let (mut hosts, accounts) = hosts(&["a", "b", "c"]);
        hosts.note_waiting(7);
        assert_eq!(hosts.waiting, 3);
        for account in &accounts {
            while hosts.admits(account, 4, 7) {
                hosts.opened(account);
                hosts.signed_in(account);
            }
        }
        let open: Vec<u32> = accounts.iter().map(|account| hosts.known[&account.host_key()].open).collect();
        assert_eq!((open, hosts.waiting), (vec![2, 1, 1], 0));
    }

    /// A mirror that nobody needs now keeps nothing from the one that serves.
    #[test]
    fn jobs_with_mirrors_wait_only_where_no_source_has_a_connection() {
        let (mut hosts, accounts) = hosts(&["a", "b"]);
        for account in &accounts {
            hosts.note_work(&Track::plain(account), false);
        }
        hosts.note_mirrors(&accounts[0], accounts.clone());
        hosts.note_work(&Track::mirrored(&accounts[0]), true);
        hosts.note_waiting(7);
        assert_eq!(hosts.waiting, 1, "one connection will do for both");
        hosts.opened(&accounts[1]);
        hosts.note_waiting(8);
        assert_eq!((hosts.waiting, hosts.known[&accounts[0].host_key()].waits_since), (0, None));
    }

    #[test]
    fn a_host_without_work_or_in_trouble_keeps_nothing_from_the_others() {
        let (mut hosts, accounts) = hosts(&["a", "b", "c"]);
        hosts.note_work(&Track::plain(&accounts[1]), false);
        hosts.known.get_mut(&accounts[2].host_key()).unwrap().wait_until = 100;
        hosts.note_waiting(7);
        assert_eq!((hosts.waiting, hosts.known[&accounts[0].host_key()].waits_since), (1, Some(7)));
        // It waits since it was seen first, until it has a connection.
        hosts.note_waiting(9);
        assert_eq!(hosts.known[&accounts[0].host_key()].waits_since, Some(7));
        hosts.opened(&accounts[0]);
        assert_eq!((hosts.waiting, hosts.known[&accounts[0].host_key()].waits_since), (0, None));
        assert!(hosts.keeps(&accounts[0], 1, 9));
        hosts.note_waiting(100);
        assert_eq!(hosts.waiting, 1, "its pause is over");
        assert!(hosts.keeps(&accounts[0], 1, 10) && !hosts.keeps(&accounts[0], 1, 1_000_000));
        hosts.note_work(&Track::plain(&accounts[0]), false);
        assert!(!hosts.keeps(&accounts[0], 1, 10), "it has nothing more to do");
    }
}
