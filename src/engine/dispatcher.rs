//! The one task that decides what is begun: it hears workers, users and the clock in one place.

use super::hosts::{Host, Hosts, Proof};
use super::logins::Logins;
use super::worker::{Desk, Shop, Word};
use super::{RunOrder, RunReport, clock};
use crate::config::Config;
use crate::model::{Account, Claim, Event, HostKey, JobId, Settings};
use crate::queue::QueueError;
use crate::transfer::{Link, Stop};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, Instant};

/// Connections over all hosts, where nobody says otherwise.
const CONNECTIONS: u32 = 16;
/// Connections to one host, where nobody says otherwise.
const PER_HOST: u32 = 4;
/// Claims that are taken beforehand.
const AHEAD: usize = 16;
/// Jobs held back for want of disk space, before the run ends early: each costs memory.
const PARKED: usize = 1_000;
/// Time for the workers to let go when the run is stopped.
pub(super) const LET_GO: Duration = Duration::from_millis(1_500);
/// How often waiting jobs and resting sessions are looked at.
const TICK: Duration = Duration::from_millis(250);

pub(super) struct Dispatcher {
    pub(super) shop: Arc<Shop>,
    pub(super) order: RunOrder,
    pub(super) logins: Logins,
    pub(super) inbox: mpsc::UnboundedReceiver<Word>,
    pub(super) stop: Stop,
    pub(super) hosts: Hosts,
    pub(super) running: HashMap<JobId, watch::Sender<bool>>,
    pub(super) parked: Vec<Claim>,
    pub(super) report: RunReport,
    pub(super) next_due: Option<u64>,
    pub(super) stale: bool,
    pub(super) refreshed: Instant,
}

impl Dispatcher {
    /// Works until nothing is left that can be done now.
    pub(super) async fn run(mut self) -> Result<RunReport, QueueError> {
        let outcome = self.work().await;
        self.let_go().await;
        let released = self.release_all().await;
        outcome?;
        released?;
        let counts = self.shop.queue.counts(self.selection()).await?;
        self.report.left = counts.left();
        let (bytes, seconds) = (self.shop.board.bytes(), self.shop.board.seconds());
        let RunReport { done, failed, left, .. } = self.report;
        self.shop.observer.event(&Event::Summary { done, failed, left, bytes, seconds });
        Ok(self.report)
    }

    async fn work(&mut self) -> Result<(), QueueError> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            if *self.stop.borrow() {
                self.report.interrupted = true;
                return Ok(());
            }
            self.refresh_if_due().await?;
            self.fill().await?;
            self.help_out();
            if self.is_over() {
                return Ok(());
            }
            let mut stop = self.stop.clone();
            let word = tokio::select! {
                biased;
                _ = stop.wait_for(|&stop| stop) => continue,
                word = self.inbox.recv() => word,
                _ = tick.tick() => {
                    self.tick();
                    continue;
                }
            };
            self.hear(word).await?;
        }
    }

    /// Looks at the queue again when something changed there, or a waiting job's time has come.
    async fn refresh_if_due(&mut self) -> Result<(), QueueError> {
        let now = clock::now();
        let due = self.next_due.is_some_and(|due| due <= now);
        // A queue of many hosts is not walked through after every failure.
        let resting = self.refreshed.elapsed() < TICK && !self.running.is_empty();
        if resting || !(self.stale || due) {
            return Ok(());
        }
        self.stale = false;
        self.refreshed = Instant::now();
        let groups = self.shop.queue.groups(self.order.only.clone(), now).await?;
        self.next_due = None;
        for group in groups {
            self.meet(&group.account).await?;
            self.logins.meet(&group.account);
            let held = self.hosts.is_held(&group.account);
            self.hosts.note_work(&group.account, group.ready > 0);
            if !held && let Some(due) = group.next_due.filter(|&due| due > now) {
                self.next_due = Some(self.next_due.map_or(due, |next| next.min(due)));
            }
        }
        let counts = self.shop.queue.counts(self.selection()).await?;
        self.shop.board.set_left(counts.left());
        Ok(())
    }

    /// Opens the books of an account and its host.
    async fn meet(&mut self, account: &Account) -> Result<(), QueueError> {
        let key = account.host_key();
        if !self.hosts.known.contains_key(&key) {
            let facts = self.shop.queue.facts(&key).await?.unwrap_or_default();
            let allowed = self.order.per_host.or_else(|| self.order.config.per_host(&key)).unwrap_or(PER_HOST);
            self.hosts.known.insert(key.clone(), Host::new(allowed, facts, clock::now()));
        }
        if !self.hosts.accounts.contains_key(account)
            && let Some(host) = self.hosts.known.get_mut(&key)
        {
            host.accounts.push(account.clone());
        }
        Ok(())
    }

    /// Begins what can be begun, one account after the other in turns.
    async fn fill(&mut self) -> Result<(), QueueError> {
        if self.parked.len() >= PARKED {
            return Ok(());
        }
        let connections = self.connections();
        let now = clock::now();
        // Each account that has work is looked at once for each job it gets, and once more in vain.
        let mut in_vain = 0;
        while in_vain < self.hosts.turns.len() && self.hosts.has_room(connections) {
            let Some(account) = self.hosts.turns.pop_front() else { break };
            if self.hosts.admits(&account, connections, now)
                && let Some(claim) = self.next_claim(&account, now).await?
            {
                self.begin(&account, claim).await?;
                in_vain = 0;
                self.hosts.next_turn(account, now);
            } else if self.hosts.next_turn(account, now) {
                in_vain += 1;
            }
        }
        Ok(())
    }

    async fn next_claim(&mut self, account: &Account, now: u64) -> Result<Option<Claim>, QueueError> {
        let books = self.hosts.books(account);
        if books.claims.is_empty() && books.more {
            let claims = self.shop.queue.claim(account, AHEAD, self.order.only.clone(), now).await?;
            let books = self.hosts.books(account);
            books.more = claims.len() == AHEAD;
            books.claims.extend(claims);
        }
        Ok(self.hosts.books(account).claims.pop_front())
    }

    async fn begin(&mut self, account: &Account, claim: Claim) -> Result<(), QueueError> {
        let settings = self.settings(&claim, &account.host_key());
        let host = self.hosts.known.get(&account.host_key());
        let quirks = host.map(|host| host.facts.quirks).unwrap_or_default();
        let options = Logins::options(&settings);
        let idle = self.hosts.take_idle(account);
        let reused = idle.is_some();
        let link = match idle {
            Some(link) => Ok(link),
            None if !self.hosts.admits(account, self.connections(), clock::now()) => {
                // The session at rest was dead, and meanwhile there is no room for a new one.
                self.hosts.books(account).claims.push_front(claim);
                return Ok(());
            }
            None => self.logins.dial(account, options.clone(), quirks).map(|dial| {
                self.hosts.opened(account);
                Link::new(dial)
            }),
        };
        let mut link = match link {
            Ok(link) => link,
            Err(failure) => {
                self.hosts.books(account).claims.push_front(claim);
                self.report.storage = true;
                self.hosts.books(account).proof = Proof::Refused(failure.clone());
                return self.hold(std::slice::from_ref(account), account.to_string(), failure, true).await;
            }
        };
        link.set_options(options);
        let (sender, stop) = watch::channel(false);
        self.running.insert(claim.job().id, sender);
        let desk = Desk { link, reused, settings, stop };
        let (job, account, words) = (claim.job().id, account.clone(), self.shop.words.clone());
        let work = tokio::spawn(Arc::clone(&self.shop).work(claim, desk));
        tokio::spawn(async move {
            if work.await.is_err() {
                // Nobody listens any more only when the run is over and the process ends.
                let _ = words.send(Word::Crashed(account, job));
            }
        });
        Ok(())
    }

    /// The job's settings: command line, job, host, everything, built-in.
    fn settings(&self, claim: &Claim, host: &HostKey) -> Settings {
        self.order.overrides.or(&claim.job().spec.settings).or(&self.host_settings(host))
    }

    /// The host's settings: its own, everything's, built-in.
    pub(super) fn host_settings(&self, host: &HostKey) -> Settings {
        self.order.config.settings_for(host).or(&Config::defaults())
    }

    async fn hear(&mut self, word: Option<Word>) -> Result<(), QueueError> {
        match word {
            Some(Word::SignedIn(account)) => self.signed_in(&account).await,
            Some(Word::Ended(ended)) => self.ended(*ended).await,
            Some(Word::Poke) | None => {
                self.stale = true;
                Ok(())
            }
            Some(Word::Halt(jobs)) => self.halt(&jobs).await,
            Some(Word::Offered(offer)) => {
                self.offered(*offer);
                Ok(())
            }
            Some(Word::Helped(helped)) => self.helped(*helped).await,
            Some(Word::HelperLost(number)) => {
                self.helper_lost(number);
                Ok(())
            }
            Some(Word::Crashed(account, job)) => {
                self.crashed(&account, job);
                Ok(())
            }
        }
    }

    async fn signed_in(&mut self, account: &Account) -> Result<(), QueueError> {
        let books = self.hosts.books(account);
        if !matches!(books.proof, Proof::Refused(_)) {
            books.proof = Proof::Proved;
        }
        let Some(host) = self.hosts.known.get_mut(&account.host_key()) else { return Ok(()) };
        if host.got_in(clock::now()) {
            self.remember(&account.host_key(), None).await?;
        }
        Ok(())
    }

    fn tick(&mut self) {
        let now = clock::now();
        for host in self.hosts.known.values_mut() {
            host.budget.grow(now);
        }
        // Sessions at rest may be what keeps another account of the host, or another host, from its turn.
        let crowded = self.hosts.wake(now);
        self.rest(crowded);
    }

    /// Signs off sessions that nobody needs.
    fn rest(&mut self, all_without_work: bool) {
        for (_, link) in self.hosts.drowsy(all_without_work) {
            tokio::spawn(link.quit());
        }
    }

    /// Whether nothing runs and nothing will be due in this run.
    fn is_over(&self) -> bool {
        if !self.running.is_empty() {
            return false;
        }
        if self.parked.len() >= PARKED {
            return true;
        }
        let work =
            |(account, books): (&Account, &super::hosts::Books)| !self.hosts.is_held(account) && books.has_work();
        !self.stale && self.next_due.is_none() && !self.hosts.accounts.iter().any(work)
    }

    pub(super) fn connections(&self) -> u32 {
        self.order.connections.or_else(|| self.order.config.connections()).unwrap_or(CONNECTIONS).max(1)
    }

    fn selection(&self) -> crate::model::Selection {
        crate::model::Selection { ids: self.order.only.clone(), ..crate::model::Selection::default() }
    }
}
