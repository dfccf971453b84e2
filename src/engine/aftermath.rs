//! What follows from the end of a worker's turn, and from the end of a run.

use super::clock::{self, Time};
use super::dispatcher::{Dispatcher, LET_GO};
use super::expand::Found;
use super::hosts::{Host, Proof};
use super::lanes::{Fetch, Track};
use super::settle::{attempt_source, give_up, is_before_login, retry_at, verdict};
use super::worker::{Blocked, Ended, Freed, Upshot, Word};
use crate::ftp::Ticket;
use crate::model::{
    Account, Attempt, Cause, Claim, Destination, Event, Failure, HostKey, JobId, JobState, Progress, Quirks, Settlement,
};
use crate::policy::{Shortage, delay, left_alone};
use crate::queue::QueueError;
use crate::transfer::Link;
use std::sync::Arc;
use tokio::time::{Duration, timeout};

/// Files that local storage refuses for their own sake are told of so often.
const TOLD: u64 = 1_000;

impl Dispatcher {
    pub(super) async fn ended(&mut self, ended: Ended) -> Result<(), QueueError> {
        let Ended { account, job, freed, sample, mut upshot, is_folder } = ended;
        if let Some(freed) = freed {
            upshot = match upshot {
                Upshot::LoginRefused { failure, given_up } if self.logins.refused(freed.link.dial()) => {
                    Upshot::LoginOutdated { failure, given_up }
                }
                other => other,
            };
            self.freed(freed).await?;
        }
        if let Some((bytes, took)) = sample {
            let key = account.host_key();
            if self.hosts.known.get_mut(&key).is_some_and(|host| host.note_speed(bytes, took, clock::now())) {
                self.remember(&key, None).await?;
            }
        }
        self.running.remove(&job);
        self.hosts.helping.withdraw(job);
        if is_folder {
            return self.weigh_folder(&account, upshot).await;
        }
        self.weigh(&account, upshot).await
    }

    /// A folder's end: its files are what counts as done.
    async fn weigh_folder(&mut self, account: &Account, upshot: Upshot) -> Result<(), QueueError> {
        let (done, failed) = (self.report.done, self.report.failed);
        self.weigh(account, upshot).await?;
        self.report.folders += self.report.done - done;
        self.report.folders_failed += self.report.failed - failed;
        (self.report.done, self.report.failed) = (done, failed);
        Ok(())
    }

    /// A folder gave jobs: they are this run's, and are looked for at once.
    pub(super) fn found(&mut self, found: &Found) {
        let Found { account, jobs, folders } = found;
        let mine = if self.order.rehearsal { folders } else { jobs };
        if mine.is_empty() {
            return;
        }
        if let Some(only) = &mut self.order.only {
            only.extend(mine);
        }
        self.hosts.note_work(&Track::plain(account), true);
        self.outlook.is_stale = true;
    }

    /// Takes back the link of a worker that needs it no more.
    pub(super) async fn freed(&mut self, freed: Freed) -> Result<(), QueueError> {
        let Freed { account, job, link, signed_in } = freed;
        if let Some(running) = self.running.get_mut(&job) {
            running.has_link = false;
        }
        self.hosts.helping.withdraw(job);
        let key = account.host_key();
        let quirks = link.quirks();
        if let Some(host) = self.hosts.known.get_mut(&key) {
            host.flow.files += 1;
        }
        self.put_by(&account, link, signed_in);
        self.learn(&key, quirks).await
    }

    /// Takes note of what a session learned of its host.
    pub(super) async fn learn(&mut self, key: &HostKey, quirks: Quirks) -> Result<(), QueueError> {
        if !self.hosts.known.get_mut(key).is_some_and(|host| host.learn(quirks)) {
            return Ok(());
        }
        self.remember(key, None).await
    }

    /// Lets a link rest, or ends it where there are more than are worth having, or another host waits for one.
    pub(super) fn put_by(&mut self, account: &Account, mut link: Link, signed_in: bool) {
        self.hosts.books(account).turned_away |= link.is_turned_away();
        if !self.hosts.books(account).rechecks.is_empty() {
            self.hosts.unasked.insert(account.clone());
        }
        if !link.is_usable() {
            self.hosts.closed(account, signed_in);
            if !signed_in && link.dial().ticket.as_ref().is_some_and(Ticket::leads) {
                self.hosts.leader_is_gone(account);
            }
        } else if self.hosts.known.get(&account.host_key()).is_some_and(Host::has_too_many)
            || !self.hosts.keeps(account, self.connections(), clock::ticks())
        {
            if self.hosts.books(account).rechecks.is_empty() {
                self.hosts.closed(account, true);
                tokio::spawn(link.quit());
            } else {
                // Before it goes: a session of its own for the questions would cost a login.
                tokio::spawn(Arc::clone(&self.shop).recheck(link));
            }
        } else {
            self.hosts.rest(account, link);
        }
    }

    /// Jobs were taken beforehand.
    pub(super) async fn claimed(
        &mut self,
        track: &Track,
        asked: usize,
        claims: Result<Vec<Claim>, QueueError>,
    ) -> Result<(), QueueError> {
        let work = self.hosts.work(track);
        let fetch = std::mem::replace(&mut work.fetch, Fetch::Not);
        let claims = claims?;
        work.more &= fetch == Fetch::Overtaken || claims.len() == asked;
        // What was paused or cancelled on its way here is not begun.
        let (stopped, kept): (Vec<Claim>, Vec<Claim>) =
            claims.into_iter().partition(|claim| self.halted.contains(&claim.job().id));
        if !self.hosts.is_fetching() {
            self.halted.clear();
        }
        self.release(stopped).await?;
        if self.hosts.is_track_held(track) {
            return self.release(kept).await;
        }
        self.hosts.work(track).claims.extend(kept);
        Ok(())
    }

    pub(super) async fn weigh(&mut self, account: &Account, upshot: Upshot) -> Result<(), QueueError> {
        match upshot {
            Upshot::Done => {
                self.report.done += 1;
                self.descriptors.sufficed();
            }
            Upshot::Left => self.outlook.is_stale = true,
            Upshot::Failed(failure) => self.failed(&failure),
            Upshot::HostTrouble { claim, attempt, progress, failure } => {
                self.outlook.is_stale = true;
                self.host_trouble(account, *claim, *attempt, (progress, failure)).await?;
            }
            Upshot::TooMany { failure, given_up } => {
                self.outlook.is_stale = true;
                if given_up {
                    self.failed(&failure);
                }
                self.too_many(account, failure).await?;
            }
            Upshot::LoginRefused { failure, given_up } => {
                self.outlook.is_stale = true;
                if given_up {
                    self.failed(&failure);
                }
                self.hosts.books(account).proof = Proof::Refused(failure.clone());
                self.hold(std::slice::from_ref(account), account.to_string(), failure, false).await?;
            }
            Upshot::LoginOutdated { failure, given_up } => {
                // The others go by the new one.
                self.outlook.is_stale = true;
                if given_up {
                    self.failed(&failure);
                }
            }
            Upshot::Untrusted { failure, given_up } => {
                self.outlook.is_stale = true;
                if given_up {
                    self.failed(&failure);
                }
                self.distrust(account, failure).await?;
            }
            Upshot::HeldBack { claim, blocked, failure } => {
                self.tell_of_held_back(&claim.job().spec.destination, blocked, failure);
                // What goes elsewhere is not held up by however many of these.
                self.shop.queue.shelve(vec![*claim]).await?;
            }
            Upshot::NoDescriptors(failure) => self.out_of_descriptors(failure),
            Upshot::QueueBroken(error) => return Err(error),
        }
        Ok(())
    }

    /// Says that local storage refuses a file: once for all that meet the same.
    fn tell_of_held_back(&mut self, destination: &Destination, blocked: Option<Blocked>, failure: Failure) {
        self.report.storage = true;
        self.held_back += 1;
        let is_news = match &blocked {
            Some(blocked) => self.shop.note_blocked(blocked.clone()),
            None => self.held_back <= TOLD,
        };
        if !is_news {
            return;
        }
        let path = match blocked {
            Some(Blocked::Folder(folder)) => folder,
            _ if failure.cause == Cause::DiskFull => destination.dir().to_owned(),
            _ => destination.full(),
        };
        let path = path.display().to_string();
        let event = match failure.cause {
            Cause::DiskFull => Event::DiskFull { path, failure },
            _ => Event::HeldBack { path, failure },
        };
        self.shop.observer.event(&event);
    }

    /// Descriptors ran short: fewer connections follow, and no job is to blame.
    fn out_of_descriptors(&mut self, failure: Failure) {
        self.outlook.is_stale = true;
        let others = u32::try_from(self.running.len()).unwrap_or(u32::MAX);
        let event = match self.descriptors.ran_short(others, clock::ticks()) {
            Shortage::Fewer(connections) => {
                let s = if connections == 1 { "" } else { "s" };
                let text = format!("{connections} connection{s} at a time from now on: {failure}");
                Event::Notice { text }
            }
            Shortage::Wait => return,
            Shortage::Hopeless => {
                self.report.storage = true;
                Event::HeldBack { path: "everything".to_owned(), failure }
            }
        };
        self.shop.observer.event(&event);
    }

    pub(super) fn failed(&mut self, failure: &Failure) {
        self.report.failed += 1;
        if failure.cause == Cause::LocalIo {
            self.report.storage = true;
        }
    }

    /// Leaves the account alone for this run, and all others that speak to its host in the same way.
    pub(super) async fn distrust(&mut self, account: &Account, failure: Failure) -> Result<(), QueueError> {
        let all = self.hosts.known.get(&account.host_key()).map(|host| host.accounts.clone()).unwrap_or_default();
        let alike: Vec<Account> = all.into_iter().filter(|other| other.scheme == account.scheme).collect();
        for account in &alike {
            self.hosts.books(account).proof = Proof::Refused(failure.clone());
        }
        let name = format!("{}://{}", account.scheme.name(), account.host_key());
        self.hold(&alike, name, failure, false).await
    }

    /// A connection to the host failed before anything could be asked.
    async fn host_trouble(
        &mut self,
        account: &Account,
        claim: Claim,
        attempt: Attempt,
        (progress, failure): (Option<Progress>, Failure),
    ) -> Result<(), QueueError> {
        let (key, now) = (account.host_key(), clock::ticks());
        let patience = self.patience(&key);
        let job = claim.job().clone();
        let Some(host) = self.hosts.known.get_mut(&key) else { return self.release([claim]).await };
        if host.signed_in > 0 || host.wait_until > now {
            // Others of ours work, so it was one too many; or it failed together with another, which counted already.
            host.budget.squeeze(host.signed_in, now);
            self.shop.queue.settle(claim, Settlement::Release { attempt: Some(attempt), progress }).await?;
            return Ok(());
        }
        host.troubles += 1;
        if host.troubles <= patience {
            let wait = delay(host.troubles, clock::dice()).as_secs().max(1);
            host.wait_until = now + wait;
            // One goes ahead and looks; the others follow once it got in.
            self.hosts.unprove(account);
            let settlement = Settlement::Release { attempt: Some(attempt), progress };
            let source = attempt_source(&settlement, &job);
            let state = self.shop.queue.settle(claim, settlement).await?;
            let at = if job.spec.is_mirrored() { clock::now() } else { clock::now() + wait };
            self.shop.announce(&job, &source, state, &failure, Some(at));
            return Ok(());
        }
        host.held = Some(failure.clone());
        let settlement = if job.spec.is_mirrored() {
            self.without_source(&job, attempt, progress, account)
        } else {
            give_up(&job, attempt, progress)
        };
        let (source, told) = (attempt_source(&settlement, &job), verdict(&settlement, &job));
        let retry_at = retry_at(&settlement);
        let state = self.shop.queue.settle(claim, settlement).await?;
        self.shop.announce(&job, &source, state, told.as_ref().unwrap_or(&failure), retry_at);
        if state == JobState::Failed {
            self.failed(&failure);
        }
        self.hold_host(&key, failure, false).await
    }

    pub(super) async fn too_many(&mut self, account: &Account, failure: Failure) -> Result<(), QueueError> {
        let (key, now) = (account.host_key(), Time::now());
        let patience = self.patience(&key);
        let Some(host) = self.hosts.known.get_mut(&key) else { return Ok(()) };
        let changed = host.too_many(is_before_login(&failure), now, clock::dice());
        if host.wait_until > now.ticks {
            let text = format!("{key}: {failure}; trying again in {} s", host.wait_until - now.ticks);
            self.shop.observer.event(&Event::Notice { text });
        }
        let given_up = host.signed_in == 0 && host.refusals > patience;
        if given_up {
            host.held = Some(failure.clone());
        }
        if changed {
            self.remember(&key, Some(failure.to_string())).await?;
        }
        if given_up {
            // No job told of it, since none is to blame.
            self.hold_host(&key, failure, true).await?;
        }
        Ok(())
    }

    /// Failures in a row that a host is allowed.
    fn patience(&self, key: &HostKey) -> u32 {
        self.order.overrides.or(&self.host_settings(key)).retries.unwrap_or(0)
    }

    async fn hold_host(&mut self, key: &HostKey, failure: Failure, aloud: bool) -> Result<(), QueueError> {
        let accounts = self.hosts.known.get(key).map(|host| host.accounts.clone()).unwrap_or_default();
        self.hold(&accounts, key.to_string(), failure, aloud).await
    }

    /// A worker broke down: its session is gone, its job stays as it was stored, and the next run has it again.
    pub(super) fn crashed(&mut self, account: &Account, job: JobId) {
        self.hosts.helping.withdraw(job);
        if self.running.remove(&job).is_some_and(|running| running.has_link) {
            let proved = self.hosts.books(account).proof == Proof::Proved;
            self.hosts.closed(account, proved);
            self.hosts.unprove(account);
            self.hosts.leader_is_gone(account);
        }
        self.report.storage = true;
        let text = format!("the worker of job {job} broke down, which is a fault of ftpq; the next run tries it again");
        self.shop.observer.event(&Event::Notice { text });
    }

    /// Leaves accounts alone for this run, and says so: always where `aloud`, else where that concerns more than the job
    /// that met the trouble.
    pub(super) async fn hold(
        &mut self,
        accounts: &[Account],
        name: String,
        failure: Failure,
        aloud: bool,
    ) -> Result<(), QueueError> {
        let mut concerns_others = aloud;
        for account in accounts {
            let books = self.hosts.books(account);
            // Those that wait for this login hold jobs too, and are turned away, or were.
            concerns_others |= books.is_dialling() || books.turned_away;
            concerns_others |= self.hosts.could_serve(account);
            let claims = std::mem::take(&mut self.hosts.books(account).work.claims);
            self.release(claims).await?;
        }
        self.outlook.is_stale = true;
        if concerns_others {
            self.shop.observer.event(&Event::Held { account: name, failure: left_alone(failure) });
        }
        Ok(())
    }

    /// Stores what was learned of a host; `why` is told to the user as a change of its budget.
    pub(super) async fn remember(&mut self, key: &HostKey, why: Option<String>) -> Result<(), QueueError> {
        let Some(host) = self.hosts.known.get(key) else { return Ok(()) };
        if let Some(why) = why {
            let connections = host.budget.limit();
            self.shop.observer.event(&Event::Budget { host: key.to_string(), connections, why });
        }
        self.shop.queue.set_facts(key.clone(), host.facts.clone()).await
    }

    /// Stops workers whose jobs were paused or cancelled, and hands back such claims not begun yet.
    pub(super) async fn halt(&mut self, jobs: &[JobId]) -> Result<(), QueueError> {
        self.outlook.is_stale = true;
        for job in jobs {
            if let Some(worker) = self.running.get(job) {
                worker.stop.send_replace(true);
            }
        }
        if self.hosts.is_fetching() {
            self.halted.extend(jobs);
        }
        let mut freed: Vec<Claim> = Vec::new();
        for work in self.hosts.all_work() {
            let (stopped, kept) = work.claims.drain(..).partition(|claim| jobs.contains(&claim.job().id));
            work.claims = kept;
            freed.append(&mut Vec::from(stopped));
        }
        self.release(freed).await
    }

    /// Stops the workers and waits, bounded, until they have put everything away.
    pub(super) async fn let_go(&mut self) {
        for worker in self.running.values() {
            worker.stop.send_replace(true);
        }
        self.hosts.helping.dismiss_all();
        let all = async {
            while !(self.running.is_empty() && self.hosts.helping.is_idle()) || self.hosts.is_fetching() {
                let Some(word) = self.inbox.recv().await else { break };
                match word {
                    Word::Crashed(_, job) => drop(self.running.remove(&job)),
                    Word::Freed(freed) => drop(tokio::spawn(freed.link.quit())),
                    Word::Rechecked(link) => drop(tokio::spawn(link.quit())),
                    Word::Ended(ended) => self.last_word(*ended),
                    Word::Helped(helped) => {
                        self.hosts.helping.left(helped.number);
                        tokio::spawn(helped.link.quit());
                    }
                    Word::HelperLost(number) => drop(self.hosts.helping.left(number)),
                    Word::Claimed { track, claims, .. } => {
                        self.hosts.work(&track).fetch = Fetch::Not;
                        self.parked.extend(claims.unwrap_or_default());
                    }
                    Word::Found(found) => self.found(&found),
                    Word::SignedIn(..)
                    | Word::Poke
                    | Word::NewLogin(_)
                    | Word::Halt(_)
                    | Word::Offered(_)
                    | Word::RecheckLost(_) => {}
                }
            }
        };
        // A worker that is late loses nothing: its job is queued again when the queue is opened next.
        let _ = timeout(LET_GO, all).await;
        let idle: Vec<Link> =
            self.hosts.accounts.values_mut().flat_map(|books| books.idle.drain(..)).map(|(link, _)| link).collect();
        let leaving: Vec<_> = idle.into_iter().map(|link| tokio::spawn(link.quit())).collect();
        let patience = Duration::from_millis(if self.report.interrupted { 200 } else { 1_000 });
        let farewells = async {
            for farewell in leaving {
                let _ = farewell.await;
            }
        };
        let _ = timeout(patience, farewells).await;
    }

    /// Takes a worker's word when the run is over.
    fn last_word(&mut self, ended: Ended) {
        self.running.remove(&ended.job);
        match ended.upshot {
            Upshot::Done if ended.is_folder => self.report.folders += 1,
            Upshot::Done => self.report.done += 1,
            Upshot::Failed(_) if ended.is_folder => self.report.folders_failed += 1,
            Upshot::Failed(failure) => self.failed(&failure),
            Upshot::HeldBack { claim, .. } | Upshot::HostTrouble { claim, .. } => self.parked.push(*claim),
            _ => {}
        }
        if let Some(freed) = ended.freed {
            tokio::spawn(freed.link.quit());
        }
    }

    pub(super) async fn release_all(&mut self) -> Result<(), QueueError> {
        let mut claims: Vec<Claim> = std::mem::take(&mut self.parked);
        claims.extend(self.stranded_claims());
        for work in self.hosts.all_work() {
            claims.extend(work.claims.drain(..));
        }
        self.release(claims).await
    }

    pub(super) async fn release(&self, claims: impl IntoIterator<Item = Claim>) -> Result<(), QueueError> {
        for claim in claims {
            self.shop.queue.settle(claim, Settlement::Release { attempt: None, progress: None }).await?;
        }
        Ok(())
    }
}
