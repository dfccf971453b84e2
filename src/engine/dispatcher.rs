//! The one task that decides what is begun: it hears workers, users and the clock in one place.

use super::clock::{self, Time};
use super::hosts::{Host, Hosts, Proof};
use super::lanes::Track;
use super::logins::{Logins, SignedIn};
use super::mirrors::Stranded;
use super::settle::Chosen;
use super::worker::{Desk, Shop, Word};
use super::{RunOrder, RunReport};
use crate::config::Config;
use crate::model::{
    Account, CertificateCheck, Claim, Event, Failure, FailureKind, HostKey, Job, JobId, Protection, Settings, Source,
    TlsInUse,
};
use crate::policy::Descriptors;
use crate::queue::QueueError;
use crate::transfer::{Link, Stop};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, Instant, sleep_until};

/// Connections over all hosts, where nobody says otherwise.
const CONNECTIONS: u32 = 16;
/// Jobs that local storage refused before the run ends early: each is passed over whenever further ones are claimed.
const HELD_BACK: u64 = 100_000;
/// Files that may be on their way to their names besides those that are fetched: each costs memory.
const STORING: usize = 256;
/// Time for the workers to let go when the run is stopped.
pub(super) const LET_GO: Duration = Duration::from_millis(1_500);
/// How often waiting jobs and resting sessions are looked at.
const TICK: Duration = Duration::from_millis(250);
/// Longest sleep when nothing runs: the clock on the wall may be set meanwhile.
const SLEEP: Duration = Duration::from_secs(30);

/// A job in a worker's hands.
pub(super) struct Running {
    /// Tells the worker to stop.
    pub(super) stop: watch::Sender<bool>,
    /// Whether the worker still has its link.
    pub(super) has_link: bool,
    /// Where the file comes from.
    pub(super) source: Source,
    /// Whether it could go on where it was stopped.
    pub(super) resumable: bool,
    /// Bytes that were there before.
    pub(super) had: u64,
    /// When it began, in ticks.
    pub(super) since: u64,
}

pub(super) struct Dispatcher {
    pub(super) shop: Arc<Shop>,
    pub(super) order: RunOrder,
    pub(super) logins: Logins,
    pub(super) inbox: mpsc::UnboundedReceiver<Word>,
    pub(super) stop: Stop,
    pub(super) hosts: Hosts,
    pub(super) running: HashMap<JobId, Running>,
    /// Claims that are given back at the end of the run.
    pub(super) parked: Vec<Claim>,
    /// Jobs that local storage refused; they lie on the queue's shelf.
    pub(super) held_back: u64,
    pub(super) stranded: Stranded,
    pub(super) report: RunReport,
    pub(super) outlook: Outlook,
    /// Jobs that were paused or cancelled while claims were on their way.
    pub(super) halted: HashSet<JobId>,
    pub(super) descriptors: Descriptors,
}

/// How well the queue is known, and when it is looked at again.
pub(super) struct Outlook {
    /// When the next waiting job is due, in seconds since 1970-01-01 UTC.
    pub(super) next_due: Option<u64>,
    /// Something changed in the queue.
    pub(super) is_stale: bool,
    /// What was told is not read: it is held in memory, and nothing new is begun that would tell of more.
    is_behind: bool,
    /// How far the time of day was ahead of the ticks.
    lead: u64,
    begun: Instant,
    refreshed: Option<Instant>,
    /// How long the last look took.
    cost: Duration,
    ticked: Instant,
}

impl Outlook {
    /// Nothing is known yet.
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            next_due: None,
            is_stale: true,
            is_behind: false,
            lead: Time::now().lead(),
            begun: now,
            refreshed: None,
            cost: Duration::ZERO,
            ticked: now,
        }
    }

    /// Somebody may have set the clock: then what is due is another question.
    fn watch_the_clock(&mut self) {
        let lead = Time::now().lead();
        // The two are not asked at the very same moment.
        if lead.abs_diff(self.lead) > 1 {
            (self.lead, self.is_stale) = (lead, true);
        }
    }

    /// Whether a look now would be too soon after the last: a queue of many hosts is not walked through after every
    /// failure, a small one is.
    fn is_fresh(&self) -> bool {
        self.refreshed.is_some_and(|at| at.elapsed() < TICK.min(self.cost * 20))
    }
}

impl Dispatcher {
    /// Works until nothing is left that can be done now.
    pub(super) async fn run(mut self) -> Result<RunReport, QueueError> {
        let mut outcome = Box::pin(self.begin_and_work()).await;
        if outcome.is_ok() {
            outcome = Box::pin(self.look_for_gone()).await;
        }
        self.let_go().await;
        let released = self.release_all().await;
        outcome?;
        released?;
        self.tell_of_stranded();
        self.take_up_again().await?;
        let counts = self.shop.queue.counts(self.selection()).await?;
        (self.report.left, self.report.folders_left) = (counts.files_left(), counts.folders);
        self.report.only = self.order.only.take();
        if self.report.only.is_none() {
            self.report.failed_before = counts.failed.saturating_sub(self.report.failed + self.report.folders_failed);
        }
        let board = &self.shop.board;
        let (bytes, seconds, proved, lax) = (board.bytes(), board.seconds(), board.proved(), board.lax());
        let RunReport { done, failed, failed_before, left, .. } = self.report;
        let event = Event::Summary { done, failed, failed_before, left, bytes, seconds, proved, lax };
        self.shop.observer.event(&event);
        Ok(self.report)
    }

    async fn begin_and_work(&mut self) -> Result<(), QueueError> {
        let (goes, _lookout) = self.look_for_space().await?;
        if goes {
            return Box::pin(self.work()).await;
        }
        self.report.storage = true;
        Ok(())
    }

    async fn work(&mut self) -> Result<(), QueueError> {
        // One timer for all turns: a new one each time would wake the runtime's timer thread each time.
        let mut alarm = std::pin::pin!(sleep_until(self.outlook.ticked + TICK));
        let mut behind = self.shop.observer.behind();
        loop {
            if *self.stop.borrow() {
                self.report.interrupted = true;
                return Ok(());
            }
            // Not left to the select below: where there is always a word, the clock would not be heard.
            if self.outlook.ticked.elapsed() >= TICK {
                self.tick().await?;
            }
            self.refresh_if_due().await?;
            self.recheck();
            self.outlook.is_behind = *behind.borrow_and_update();
            if self.may_begin(clock::ticks()) {
                self.fill().await?;
            }
            self.help_out();
            if self.is_over() {
                return Ok(());
            }
            let (mut stop, next) = (self.stop.clone(), self.outlook.ticked + self.pause());
            if alarm.deadline() != next {
                alarm.as_mut().reset(next);
            }
            let word = tokio::select! {
                biased;
                _ = stop.wait_for(|&stop| stop) => continue,
                word = self.inbox.recv() => word,
                () = &mut alarm => continue,
                // Its sender lives as long as the observer.
                _ = behind.changed(), if self.outlook.is_behind => continue,
            };
            Box::pin(self.hear(word)).await?;
        }
    }

    /// Looks at the queue again when something changed there, or a waiting job's time has come.
    async fn refresh_if_due(&mut self) -> Result<(), QueueError> {
        let now = clock::now();
        let due = self.outlook.next_due.is_some_and(|due| due <= now);
        let resting = self.outlook.is_fresh() && !self.running.is_empty();
        if resting || !(self.outlook.is_stale || due) {
            return Ok(());
        }
        let begun = Instant::now();
        self.outlook.is_stale = false;
        let groups = self.shop.queue.groups(self.order.only.clone(), now).await?;
        self.outlook.next_due = None;
        for group in groups {
            // Before the first of them is called: a password that may be meant for several goes to none.
            for account in std::iter::once(&group.account).chain(&group.mirrors) {
                self.meet(account).await?;
                let settings = self.order.overrides.or(&self.host_settings(&account.host_key()));
                self.logins.meet(account, settings.tls.unwrap_or_default().is_required(account.scheme));
            }
            let track = Track { mirrored: !group.mirrors.is_empty(), account: group.account };
            if track.mirrored {
                self.hosts.note_mirrors(&track.account, group.mirrors);
            }
            let held = self.hosts.is_track_held(&track);
            self.hosts.note_work(&track, group.ready > 0);
            if !held && let Some(due) = group.next_due.filter(|&due| due > now) {
                self.outlook.next_due = Some(self.outlook.next_due.map_or(due, |next| next.min(due)));
            }
        }
        self.note_waiting(clock::ticks());
        let counts = self.shop.queue.counts(self.selection()).await?;
        self.shop.board.set_left(counts.files_left());
        self.outlook.cost = begun.elapsed();
        self.outlook.refreshed = Some(Instant::now());
        Ok(())
    }

    /// Opens the books of an account and its host.
    async fn meet(&mut self, account: &Account) -> Result<(), QueueError> {
        let key = account.host_key();
        if !self.hosts.known.contains_key(&key) {
            let facts = self.shop.queue.facts(&key).await?.unwrap_or_default();
            let wish = self.order.per_host.or_else(|| self.order.config.per_host(&key)).unwrap_or_default();
            let mut host = Host::new(wish, facts, self.outlook.begun.elapsed(), Time::now());
            host.flow.bytes = self.shop.board.bytes_counter();
            self.hosts.known.insert(key.clone(), host);
        }
        if !self.hosts.accounts.contains_key(account)
            && let Some(host) = self.hosts.known.get_mut(&key)
        {
            host.accounts.push(account.clone());
            self.hosts.books(account);
        }
        Ok(())
    }

    /// Whether anything new is begun at all.
    pub(super) fn may_begin(&self, now: u64) -> bool {
        !self.outlook.is_behind && self.held_back < HELD_BACK && self.descriptors.admits(now)
    }

    /// Begins what can be begun, one account after the other in turns.
    async fn fill(&mut self) -> Result<(), QueueError> {
        let (connections, now) = (self.connections(), Time::now());
        // Each track that has work is looked at once for each job it gets, and once more in vain.
        let mut in_vain = 0;
        let storing = self.descriptors.storing(connections, STORING);
        let most = usize::try_from(connections).unwrap_or(usize::MAX).saturating_add(storing);
        while in_vain < self.hosts.turns.len() && self.hosts.has_room(connections) && self.running.len() < most {
            let Some(track) = self.hosts.turns.pop_front() else { break };
            if let Some((claim, chosen)) = self.next_claim(&track, connections, now) {
                self.begin(chosen, claim).await?;
                in_vain = 0;
                self.hosts.next_turn(track, now.ticks);
            } else if self.hosts.next_turn(track, now.ticks) {
                in_vain += 1;
            }
        }
        self.put_aside().await
    }

    async fn begin(&mut self, chosen: Chosen, claim: Claim) -> Result<(), QueueError> {
        let account = &chosen.source.account().clone();
        let settings = self.settings(claim.job(), &account.host_key());
        let host = self.hosts.known.get(&account.host_key());
        let quirks = host.map(|host| host.facts.quirks).unwrap_or_default();
        let bytes = host.map(|host| Arc::clone(&host.flow.bytes)).unwrap_or_default();
        let options = match Logins::options(&settings, account.scheme) {
            Ok(options) => options,
            Err(failure) => return self.cannot_dial(account, claim, failure).await,
        };
        if let Some(protection) = options.tls.protection() {
            self.note_protection(&account.host_key(), protection);
        }
        let idle = self.hosts.take_idle(account);
        let reused = idle.is_some();
        let link = match idle {
            Some(link) => Ok(link),
            None if !self.hosts.admits(account, self.connections(), clock::ticks()) => {
                // The session at rest was dead, and meanwhile there is no room for a new one.
                self.hosts.work(&Track::of(&claim)).claims.push_front(claim);
                return Ok(());
            }
            None => self.logins.dial(account, options.clone(), quirks).map(|mut dial| {
                dial.ticket = self.hosts.opened(account).map(|gate| gate.ticket());
                Link::new(dial, self.hosts.books(account).rechecks.clone())
            }),
        };
        let next = self.hosts.questions_behind(&claim);
        let mut link = match link {
            Ok(link) => link,
            Err(failure) => return self.cannot_dial(account, claim, failure).await,
        };
        link.learn(quirks);
        let (sender, stop) = watch::channel(false);
        let running = Running {
            stop: sender,
            has_link: true,
            source: chosen.source.clone(),
            resumable: settings.is_resumable(chosen.source.transfer_type()),
            had: claim.job().record.progress.as_ref().map_or(0, |progress| progress.durable),
            since: clock::ticks(),
        };
        self.running.insert(claim.job().id, running);
        tokio::spawn(
            Arc::clone(&self.shop).work(claim, Desk { link, options, reused, chosen, settings, bytes, stop, next }),
        );
        Ok(())
    }

    /// Leaves an account alone for this run, since its server can't even be called.
    async fn cannot_dial(&mut self, account: &Account, claim: Claim, failure: Failure) -> Result<(), QueueError> {
        let track = Track::of(&claim);
        self.hosts.work(&track).claims.push_front(claim);
        // Another of its sources may do without.
        self.report.storage |= failure.kind == FailureKind::Local && !track.mirrored;
        self.hosts.books(account).proof = Proof::Refused(failure.clone());
        self.hold(std::slice::from_ref(account), account.to_string(), failure, true).await
    }

    /// The job's settings: command line, job, host, everything, built-in.
    pub(super) fn settings(&self, job: &Job, host: &HostKey) -> Settings {
        self.order.overrides.or(&job.spec.settings).or(&self.host_settings(host))
    }

    /// The host's settings: its own, everything's, built-in.
    pub(super) fn host_settings(&self, host: &HostKey) -> Settings {
        self.order.config.settings_for(host).or(&Config::defaults())
    }

    async fn hear(&mut self, word: Option<Word>) -> Result<(), QueueError> {
        match word {
            Some(Word::SignedIn(signed_in)) => self.signed_in(*signed_in).await,
            Some(Word::Freed(freed)) => self.freed(*freed).await,
            Some(Word::Ended(ended)) => Box::pin(self.ended(*ended)).await,
            Some(Word::Poke) | None => {
                self.outlook.is_stale = true;
                self.take_up_again().await
            }
            Some(Word::NewLogin(name)) => {
                self.hosts.forgive(&name);
                self.outlook.is_stale = true;
                self.take_up_again().await
            }
            Some(Word::Claimed { track, asked, claims }) => self.claimed(&track, asked, claims).await,
            Some(Word::Halt(jobs)) => self.halt(&jobs).await,
            Some(Word::Rechecked(link)) => self.rechecked(*link).await,
            Some(Word::RecheckLost(account)) => {
                self.hosts.closed(&account, true);
                self.hosts.unasked.insert(account);
                Ok(())
            }
            Some(Word::Found(found)) => {
                self.found(&found);
                Ok(())
            }
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

    async fn signed_in(&mut self, signed_in: SignedIn) -> Result<(), QueueError> {
        let SignedIn { account, protection, refused_before } = signed_in;
        self.hosts.signed_in(&account);
        if let Some(secret) = refused_before {
            self.logins.accepted(&account, &secret);
        }
        let key = account.host_key();
        if let Some(protection) = protection {
            self.note_protection(&key, protection);
        }
        let Some(host) = self.hosts.known.get_mut(&key) else { return Ok(()) };
        let is_news = std::mem::replace(&mut host.facts.protection, protection) != protection;
        if host.got_in(clock::now()) || is_news {
            self.remember(&key, None).await?;
        }
        Ok(())
    }

    /// Shows how a host is protected, where that is less than it could be, and says so once.
    fn note_protection(&self, key: &HostKey, protection: Protection) {
        if !self.shop.board.note_protection(key, protection) {
            return;
        }
        let what = match (protection.tls, protection.check) {
            (Some(TlsInUse::None), _) => {
                "the server offers no TLS: passwords and files go in the clear, as tls = \"prefer\" allows"
            }
            (None, CertificateCheck::Nothing) => {
                "its certificate is NOT CHECKED (insecure): whoever sits on the line can read and change everything"
            }
            (None, CertificateCheck::KeyAlone) => "of its certificate only the pinned key is checked (insecure)",
            _ => return,
        };
        self.shop.observer.event(&Event::Notice { text: format!("{key}: {what}") });
    }

    /// Time from one look at the clock to the next: while nothing runs and no session rests, until something is due.
    fn pause(&self) -> Duration {
        if self.outlook.is_stale || !self.running.is_empty() || !self.hosts.is_asleep() {
            return TICK;
        }
        let (due, wake) = (self.outlook.next_due.map(clock::until), self.hosts.next_wake().map(clock::until_tick));
        due.into_iter().chain(wake).min().unwrap_or(SLEEP).clamp(TICK, SLEEP)
    }

    async fn tick(&mut self) -> Result<(), QueueError> {
        self.outlook.ticked = Instant::now();
        self.outlook.watch_the_clock();
        let now = Time::now();
        self.descriptors.grow(now.ticks);
        self.tune(now).await?;
        self.look_for_questions();
        // Sessions at rest may be what keeps another account of the host, or another host, from its turn.
        let crowded = self.hosts.wake(now.ticks);
        self.rest(crowded);
        self.note_waiting(now.ticks);
        self.make_way(now.ticks);
        Ok(())
    }

    /// Sets each host's number of connections by what came from it.
    async fn tune(&mut self, now: Time) -> Result<(), QueueError> {
        let (elapsed, connections) = (self.outlook.begun.elapsed(), self.connections());
        let mut learned = Vec::new();
        let met = self.hosts.known.values().filter(|host| host.open > 0).flat_map(|host| &host.accounts);
        let working: HashSet<Account> = met.filter(|account| self.hosts.has_work(account)).cloned().collect();
        for (key, host) in &mut self.hosts.known {
            host.budget.grow(now.ticks);
            // What others do not use of the connections over all hosts can be had.
            let cap = connections.saturating_sub(self.hosts.open.saturating_sub(host.open));
            let waits = |account: &Account| working.contains(account) || self.hosts.helping.wants(account);
            if host.open > 0 && host.tune(elapsed, cap, host.accounts.iter().any(waits), now.day) {
                learned.push(key.clone());
            }
        }
        for key in learned {
            self.remember(&key, None).await?;
        }
        Ok(())
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
        if self.held_back >= HELD_BACK || self.descriptors.is_hopeless() {
            return true;
        }
        !self.outlook.is_stale && self.outlook.next_due.is_none() && !self.hosts.has_open_work()
    }

    pub(super) fn connections(&self) -> u32 {
        let wished = self.order.connections.or_else(|| self.order.config.connections()).unwrap_or(CONNECTIONS);
        self.descriptors.connections(wished)
    }

    pub(super) fn selection(&self) -> crate::model::Selection {
        crate::model::Selection { ids: self.order.only.clone(), ..crate::model::Selection::default() }
    }
}
