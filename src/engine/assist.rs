//! Sessions without work of their own help with a large file that another session of their account fetches.
//!
//! Helpers count in the host's budget like any session. No job waits for them: as soon as one needs the room, a helper is
//! sent away, and what it has not fetched goes to the others.

use super::clock;
use super::dispatcher::Dispatcher;
use super::hosts::Proof;
use super::logins::Logins;
use super::logins::SignedIn;
use super::settle::{is_host_trouble, is_untrusted};
use super::worker::{Shop, Word};
use crate::model::{Account, Attempt, Cause, Failure, HostKey, JobId, Settings};
use crate::policy::delay;
use crate::queue::QueueError;
use crate::transfer::{Help, Invitation, Link, Split, Stop, assist};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;

/// Helpers in a row that may fail without bringing the file further, before no more are sent.
const PATIENCE: u32 = 3;

/// A file under way that further sessions may join.
pub(super) struct Offer {
    job: JobId,
    account: Account,
    split: Arc<Split>,
    settings: Settings,
    /// Helpers in a row that failed without bringing the file further.
    failures: u32,
    /// No helper is sent before this time, in seconds since 1970-01-01 UTC.
    not_before: u64,
}

impl Offer {
    pub(super) fn new(job: JobId, account: &Account, split: &Arc<Split>, settings: &Settings) -> Self {
        let (account, split, settings) = (account.clone(), Arc::clone(split), settings.clone());
        Self { job, account, split, settings, failures: 0, not_before: 0 }
    }
}

/// The end of a helper's turn.
pub(super) struct Helped {
    pub(super) number: u64,
    /// The link, to be used again if its session stands.
    pub(super) link: Link,
    signed_in: bool,
    help: Help,
}

/// A session that helps.
struct Helper {
    job: JobId,
    account: Account,
    stop: watch::Sender<bool>,
}

/// All files that may be joined, and all who help.
#[derive(Default)]
pub(super) struct Helping {
    offers: HashMap<JobId, Offer>,
    helpers: HashMap<u64, Helper>,
    numbered: u64,
}

impl Helping {
    /// Takes note that a job is out of a worker's hands.
    pub(super) fn withdraw(&mut self, job: JobId) {
        self.offers.remove(&job);
    }

    /// Whether one more session of the account would have something to help with.
    pub(super) fn wants(&self, account: &Account) -> bool {
        self.offers.values().any(|offer| offer.account == *account && offer.split.has_openings())
    }

    /// Whether nobody helps.
    pub(super) fn is_idle(&self) -> bool {
        self.helpers.is_empty()
    }

    /// Sends all helpers away.
    pub(super) fn dismiss_all(&self) {
        for helper in self.helpers.values() {
            helper.stop.send_replace(true);
        }
    }

    /// Takes note that a helper is gone. Returns whose file it was.
    pub(super) fn left(&mut self, number: u64) -> Option<(JobId, Account)> {
        self.helpers.remove(&number).map(|helper| (helper.job, helper.account))
    }

    /// Sends one helper away, of that host where one is named, unless one is on its way out already.
    fn dismiss_one(&self, host: Option<&HostKey>) {
        let mut there = self.helpers.values().filter(|h| host.is_none_or(|host| h.account.host_key() == *host));
        if !there.clone().any(|helper| *helper.stop.borrow())
            && let Some(helper) = there.next()
        {
            helper.stop.send_replace(true);
        }
    }
}

impl Dispatcher {
    /// Takes note of a file that further sessions may join.
    pub(super) fn offered(&mut self, offer: Offer) {
        if self.running.contains_key(&offer.job) {
            self.hosts.helping.offers.insert(offer.job, offer);
        }
    }

    /// Gives sessions without work of their own to files under way, the one with the most left first.
    pub(super) fn help_out(&mut self) {
        if self.hosts.helping.offers.is_empty() {
            return;
        }
        self.make_room();
        while let Some((job, invitation)) = self.next_invitation() {
            if !self.send_helper(job, invitation) {
                return;
            }
        }
    }

    /// Sends helpers away whose room a job needs.
    fn make_room(&mut self) {
        if self.hosts.helping.is_idle() {
            return;
        }
        for (key, host) in &self.hosts.known {
            if host.has_too_many() {
                // More were tried than are worth having.
                self.hosts.helping.dismiss_one(Some(key));
            }
        }
        let (connections, now) = (self.connections(), clock::ticks());
        for track in &self.hosts.turns {
            // Of jobs with mirrors, the first account that could have them.
            let lane = self.hosts.lanes.get(&track.account).filter(|_| track.mirrored);
            let first = lane.and_then(|lane| lane.accounts.iter().find(|account| !self.hosts.is_held(account)));
            let account = first.unwrap_or(&track.account);
            let waits = self.hosts.has_work(account);
            if !waits || self.hosts.is_held(account) || self.hosts.admits(account, connections, now) {
                continue;
            }
            let key = account.host_key();
            let Some(host) = self.hosts.known.get(&key).filter(|host| host.wait_until <= now) else { continue };
            if !host.admits(now) {
                self.hosts.helping.dismiss_one(Some(&key));
            } else if self.hosts.open >= connections {
                self.hosts.helping.dismiss_one(None);
            }
        }
    }

    fn next_invitation(&self) -> Option<(JobId, Invitation)> {
        let (connections, now) = (self.connections(), clock::ticks());
        let mut offers: Vec<&Offer> = self.hosts.helping.offers.values().collect();
        offers.sort_by_key(|offer| std::cmp::Reverse(offer.split.left()));
        offers.into_iter().find_map(|offer| {
            let patient = offer.failures < PATIENCE && offer.not_before <= now;
            let free = patient && self.hosts.admits(&offer.account, connections, now) && !self.has_work_at(offer);
            if free { Some((offer.job, offer.split.invite()?)) } else { None }
        })
    }

    /// Whether the offer's host has jobs to be begun.
    fn has_work_at(&self, offer: &Offer) -> bool {
        let host = self.hosts.known.get(&offer.account.host_key());
        let accounts = host.map(|host| host.accounts.as_slice()).unwrap_or_default();
        accounts.iter().any(|account| !self.hosts.is_held(account) && self.hosts.has_work(account))
    }

    /// Sends a helper. Returns whether there was a session for it.
    fn send_helper(&mut self, job: JobId, invitation: Invitation) -> bool {
        let Some(offer) = self.hosts.helping.offers.get(&job) else { return false };
        let account = offer.account.clone();
        // The session that fetches the file was opened with these settings, so they are free of contradictions.
        let Ok(options) = Logins::options(&offer.settings, account.scheme) else {
            self.hosts.helping.withdraw(job);
            return false;
        };
        let idle = self.hosts.take_idle(&account);
        let reused = idle.is_some();
        let mut link = match idle {
            Some(link) => link,
            None if !self.hosts.admits(&account, self.connections(), clock::ticks()) => return false,
            None => {
                let quirks = self.hosts.known.get(&account.host_key()).map(|host| host.facts.quirks);
                let Ok(mut dial) = self.logins.dial(&account, options.clone(), quirks.unwrap_or_default()) else {
                    // The password file can't be read any more: the next job says so.
                    self.hosts.helping.withdraw(job);
                    return false;
                };
                dial.ticket = self.hosts.opened(&account).map(|gate| gate.ticket());
                Link::new(dial, self.hosts.books(&account).rechecks.clone())
            }
        };
        let helping = &mut self.hosts.helping;
        helping.numbered += 1;
        let number = helping.numbered;
        let (sender, stop) = watch::channel(false);
        helping.helpers.insert(number, Helper { job, account, stop: sender });
        let words = self.shop.words.clone();
        let shared = Arc::clone(&self.shop);
        let work = tokio::spawn(async move {
            link.change_options(options).await;
            shared.help(number, invitation, (link, reused), stop).await;
        });
        tokio::spawn(async move {
            if work.await.is_err() {
                // Nobody listens any more only when the run is over and the process ends.
                let _ = words.send(Word::HelperLost(number));
            }
        });
        true
    }

    /// Takes note of the end of a helper's turn. It never is a job's failure.
    pub(super) async fn helped(&mut self, helped: Helped) -> Result<(), QueueError> {
        let Helped { number, link, signed_in, help } = helped;
        let Some((job, account)) = self.hosts.helping.left(number) else { return Ok(()) };
        let (key, quirks, now) = (account.host_key(), link.quirks(), clock::ticks());
        let is_refused = help.failure.as_ref().is_some_and(|failure| failure.cause == Cause::LoginRefused);
        let is_outdated = is_refused && self.logins.refused(link.dial());
        self.put_by(&account, link, signed_in);
        self.learn(&key, quirks).await?;
        let Some(failure) = help.failure.filter(|_| !is_outdated) else { return Ok(()) };
        if let Some(offer) = self.hosts.helping.offers.get_mut(&job) {
            offer.failures = if help.gained > Attempt::LEAST_GAIN { 0 } else { offer.failures + 1 };
            offer.not_before = now + delay(offer.failures + 1, clock::dice()).as_secs();
        }
        match failure.cause {
            Cause::TooManyConnections => self.too_many(&account, failure).await,
            Cause::LoginRefused => {
                self.hosts.books(&account).proof = Proof::Refused(failure.clone());
                self.hold(std::slice::from_ref(&account), account.to_string(), failure, false).await
            }
            _ if is_untrusted(&failure) => self.distrust(&account, failure).await,
            _ => {
                self.note_trouble(&key, &failure, now);
                Ok(())
            }
        }
    }

    /// A connection that did not get through beside others was one too many, for a while.
    fn note_trouble(&mut self, key: &HostKey, failure: &Failure, now: u64) {
        if is_host_trouble(failure)
            && let Some(host) = self.hosts.known.get_mut(key)
        {
            host.budget.squeeze(host.signed_in, now);
        }
    }

    /// A helper broke down: its session is gone, its piece is the others'.
    pub(super) fn helper_lost(&mut self, number: u64) {
        if let Some((job, account)) = self.hosts.helping.left(number) {
            let proved = self.hosts.books(&account).proof == Proof::Proved;
            self.hosts.closed(&account, proved);
            self.hosts.helping.withdraw(job);
        }
    }
}

impl Shop {
    /// Helps with a file and tells the dispatcher how that ended.
    async fn help(self: Arc<Self>, number: u64, invitation: Invitation, (link, reused): (Link, bool), stop: Stop) {
        let (mut link, mut signed_in) = (link, reused);
        let help = match self.sign_in(&mut link, &mut signed_in, stop.clone()).await {
            Ok(true) => assist(invitation, &mut link, stop).await,
            Ok(false) => Help { gained: 0, failure: None },
            Err(failure) => Help { gained: 0, failure: Some(failure) },
        };
        let _ = self.words.send(Word::Helped(Box::new(Helped { number, link, signed_in, help })));
    }

    /// Sees that the link has a session. Returns whether there is one; there is none when told to stop first.
    async fn sign_in(&self, link: &mut Link, signed_in: &mut bool, mut stop: Stop) -> Result<bool, Failure> {
        if link.is_usable() {
            return Ok(true);
        }
        tokio::select! {
            biased;
            _ = stop.wait_for(|&stop| stop) => return Ok(false),
            session = link.session() => session.map(|_| ())?,
        }
        if !*signed_in {
            *signed_in = true;
            let _ = self.words.send(Word::SignedIn(Box::new(SignedIn::over(link))));
        }
        Ok(true)
    }
}
