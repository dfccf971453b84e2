//! Jobs that can be had from several sources: which one the next attempt goes to, and what becomes of those that none is
//! left for.

use super::clock::{self, Time};
use super::dispatcher::Dispatcher;
use super::lanes::{Fetch, Track};
use super::settle::{Chosen, Moment};
use super::worker::Word;
use crate::model::{Account, Attempt, Claim, Event, Failure, Job, Progress, Settlement, Source, printable};
use crate::policy::{Choice, Door, Rules, Standing, choose};
use crate::queue::QueueError;
use std::sync::Arc;

/// Fewest claims that are taken beforehand.
pub(super) const AHEAD: usize = 16;
/// Jobs without a source left of which is told why.
const TOLD: u64 = 5;

/// Jobs of this run for which no source was left.
#[derive(Default)]
pub(super) struct Stranded {
    claims: Vec<Claim>,
    count: u64,
}

impl Dispatcher {
    /// The next claim of a track that can be begun now, and where it goes; sees to it that more are on their way before the
    /// last is gone.
    pub(super) fn next_claim(&mut self, track: &Track, connections: u32, now: Time) -> Option<(Claim, Chosen)> {
        if !track.mirrored {
            if !self.hosts.admits(&track.account, connections, now.ticks) {
                return None;
            }
            self.fetch_more(track, now.day);
            let claim = self.hosts.work(track).claims.pop_front()?;
            let chosen = Chosen::own(claim.job());
            return Some((claim, chosen));
        }
        self.fetch_more(track, now.day);
        let mut at = 0;
        loop {
            let claim = self.hosts.lanes.get(&track.account)?.work.claims.get(at)?;
            let job = claim.job();
            let standings = self.standings(job, connections, now);
            match choose(&standings, self.rules(job)) {
                Choice::Wait => at += 1,
                Choice::Nothing => {
                    let claim = self.hosts.work(track).claims.remove(at)?;
                    self.stranded.claims.push(claim);
                }
                Choice::Take(which) => {
                    let shut = standings.iter().map(|it| it.door == Door::Shut).collect();
                    let source = job.spec.sources().nth(which).map(|(_, source)| source.clone())?;
                    let claim = self.hosts.work(track).claims.remove(at)?;
                    return Some((claim, Chosen { source, at: which, shut }));
                }
            }
        }
    }

    fn fetch_more(&mut self, track: &Track, now: u64) {
        let lane = self.hosts.lanes.get(&track.account).filter(|_| track.mirrored);
        let accounts = lane.map_or(std::slice::from_ref(&track.account), |lane| lane.accounts.as_slice());
        let hosts = accounts.iter().filter_map(|account| self.hosts.known.get(&account.host_key()));
        let ahead = AHEAD.max(2 * hosts.map(|host| host.limit() as usize).sum::<usize>());
        let work = self.hosts.work(track);
        if !work.more || work.fetch != Fetch::Not || work.claims.len() > ahead {
            return;
        }
        work.fetch = Fetch::Asked;
        let (shop, only, track) = (Arc::clone(&self.shop), self.order.only.clone(), track.clone());
        // The queue may be busy making another change durable: nobody waits for it here.
        tokio::spawn(async move {
            let claims = if track.mirrored {
                shop.queue.claim_mirrored(&track.account, ahead, only, now).await
            } else {
                shop.queue.claim(&track.account, ahead, only, now).await
            };
            let _ = shop.words.send(Word::Claimed { track, asked: ahead, claims });
        });
    }

    fn standings<'j>(&self, job: &'j Job, connections: u32, now: Time) -> Vec<Standing<'j>> {
        let standing = |(priority, source): (u32, &Source)| {
            let account = source.account();
            let host = self.hosts.known.get(&account.host_key());
            let door = match host {
                _ if self.hosts.is_held(account) => Door::Shut,
                Some(host) if host.wait_until > now.ticks => Door::Resting,
                _ if self.hosts.admits(account, connections, now.ticks) => Door::Open,
                Some(host) if !host.is_calm() => Door::Resting,
                _ => Door::Full,
            };
            let speed = host.and_then(|host| host.speed(now.day));
            // A file that came from there before is compared with what is there: each mirror has times of its own. What the
            // folder of the job's own source says is settled there alone.
            let earlier = job.record.receipt.as_ref().filter(|_| !job.record.compare);
            let came_from = earlier.and_then(|receipt| receipt.source.as_ref());
            let priority = if came_from == Some(source) { 0 } else { priority };
            Standing { priority, trouble: job.record.trouble(source), door, speed }
        };
        job.spec.sources().map(standing).collect()
    }

    fn rules(&self, job: &Job) -> Rules {
        let provable = job.spec.expect.checksum.is_some() || job.spec.expect.pieces.is_some();
        if job.record.troubles.is_empty() {
            // What it is allowed does not matter yet.
            return Rules { retries: u32::MAX, provable };
        }
        let settings = self.settings(job, &job.spec.source.account().host_key());
        Rules { retries: settings.retries.unwrap_or(0), provable }
    }

    /// Puts jobs aside that no source is left for in this run, and says why.
    pub(super) async fn put_aside(&mut self) -> Result<(), QueueError> {
        if self.stranded.claims.is_empty() {
            return Ok(());
        }
        let claims = std::mem::take(&mut self.stranded.claims);
        for claim in &claims {
            self.stranded.count += 1;
            if self.stranded.count <= TOLD {
                let job = claim.job();
                let reasons: Vec<String> = job.spec.sources().map(|(_, source)| self.reason(job, source)).collect();
                let text =
                    format!("job {} is left: no source can be tried in this run: {}", job.id, reasons.join("; "));
                self.shop.observer.event(&Event::Notice { text: printable(&text, 1000) });
            }
        }
        self.shop.queue.shelve(claims).await
    }

    /// Why a source is not tried in this run.
    fn reason(&self, job: &Job, source: &Source) -> String {
        let why = self.hosts.why_held(source.account());
        let why = why.or_else(|| job.record.trouble(source).map(|trouble| &trouble.failure));
        why.map_or_else(|| source.to_string(), |failure| format!("{source}: {}", failure.message))
    }

    /// Lets jobs be looked at again that were put aside: something changed.
    pub(super) async fn take_up_again(&mut self) -> Result<(), QueueError> {
        (self.stranded.count, self.held_back) = (0, 0);
        self.shop.queue.clear_shelf().await
    }

    /// Says how many jobs were put aside, where not each was told of.
    pub(super) fn tell_of_stranded(&self) {
        if self.stranded.count > TOLD {
            let text =
                format!("{} jobs are left since no source of theirs can be tried in this run", self.stranded.count);
            self.shop.observer.event(&Event::Notice { text });
        }
    }

    pub(super) fn stranded_claims(&mut self) -> Vec<Claim> {
        std::mem::take(&mut self.stranded.claims)
    }

    /// What becomes of a job one of whose sources can't be reached in this run any more.
    pub(super) fn without_source(
        &self,
        job: &Job,
        attempt: Attempt,
        progress: Option<Progress>,
        account: &Account,
    ) -> Settlement {
        let settings = self.settings(job, &account.host_key());
        let retries = settings.retries.unwrap_or(0);
        let moment = Moment {
            started: attempt.started_at,
            now: clock::now(),
            millis: attempt.took(),
            dice: clock::dice(),
            retries,
        };
        let standings = self.standings(job, self.connections(), Time::now());
        let shut = standings.iter().map(|it| it.door == Door::Shut).collect();
        let source = attempt.source.as_deref().unwrap_or(&job.spec.source).clone();
        let at = job.spec.sources().position(|(_, known)| *known == source).unwrap_or(0);
        super::settle::next_source(job, &Chosen { source, at, shut }, attempt, progress, moment)
    }
}

impl super::hosts::Hosts {
    /// Why an account is left alone in this run.
    fn why_held(&self, account: &Account) -> Option<&Failure> {
        let refused = self.accounts.get(account).and_then(|books| match &books.proof {
            super::hosts::Proof::Refused(failure) => Some(failure),
            _ => None,
        });
        refused.or_else(|| self.known.get(&account.host_key())?.held.as_ref())
    }
}
