//! What workers and users do to jobs: claim, settle, change, look.

use super::books::Books;
use super::index::{Index, ranges, set_of};
use super::journal::Entry;
use super::{AccountLoad, Changes, GroupLoad, QueueError};
use crate::model::{
    Account, Cause, Change, Claim, Counts, IdSet, Job, JobId, JobState, Move, Progress, Selection, Settlement,
};
use std::collections::BTreeMap;

/// Values in one change; larger ones are committed in parts.
const BATCH: usize = 1024;

/// Bytes of stored jobs after which a page of [`Books::list`] ends.
const LISTED: usize = 16 * 1024 * 1024;

/// Refused jobs that are named.
const NAMED: usize = 100;

/// Numbers in sets of at most a thousand ranges, so that a line of the journal stays short.
pub(super) fn in_parts(ids: impl Iterator<Item = u64>) -> Vec<IdSet> {
    let mut parts = Vec::new();
    let mut part: Vec<u64> = Vec::new();
    let mut spans = 0;
    for id in ids {
        if part.last().is_none_or(|last| last + 1 != id) {
            spans += 1;
        }
        if spans > 1000 || part.len() >= 1_000_000 {
            parts.push(set_of(part.drain(..)));
            spans = 1;
        }
        part.push(id);
    }
    if !part.is_empty() {
        parts.push(set_of(part));
    }
    parts
}

/// What one job's change came to.
enum Step {
    Moved(JobState),
    Rewritten,
    Removed,
    Refused(String),
}

impl Books {
    /// Takes jobs of an account in hand, those with mirrors or the others, long files first.
    pub(super) fn claim(
        &mut self,
        lane: (&Account, bool),
        max: usize,
        only: Option<&IdSet>,
        now: u64,
    ) -> Result<Vec<Claim>, QueueError> {
        self.index.ripen(lane, now);
        let is_taken = |id| self.held.contains(&id) || self.shelved.contains(&id);
        let ids = self.index.claimable(lane, only, max, is_taken);
        let mut claims = Vec::with_capacity(ids.len());
        for &id in &ids {
            let job = self.job(id)?.ok_or(QueueError::NoSuchJob(JobId(id)))?;
            claims.push(Claim::new(Job { state: JobState::Running, ..job }));
        }
        self.held.extend(ids);
        Ok(claims)
    }

    /// How many of these jobs each account has; accounts without any are left out. A job with mirrors counts with its own
    /// account, and with those of the mirrors that it and the jobs beside it have.
    pub(super) fn accounts(&self, only: Option<&IdSet>) -> Vec<AccountLoad> {
        let lanes = self.index.lanes();
        let mut own = vec![(0, 0); lanes.len()];
        let mut others: BTreeMap<&Account, (u64, u64)> = BTreeMap::new();
        for (low, high) in ranges(only) {
            for (_, pack, state) in self.index.jobs(low, high) {
                let left = u64::from(matches!(state, JobState::Queued | JobState::Waiting | JobState::Running));
                let Some((lane, load)) = lanes.get(pack.lane).zip(own.get_mut(pack.lane)) else { continue };
                *load = (load.0 + 1, load.1 + left);
                for account in Index::mirrors(pack).iter().filter(|&account| *account != lane.account) {
                    let load = others.entry(account).or_default();
                    *load = (load.0 + 1, load.1 + left);
                }
            }
        }
        let mut loads: Vec<AccountLoad> = Vec::new();
        let mut places: BTreeMap<&Account, usize> = BTreeMap::new();
        let own = lanes.iter().map(|lane| &lane.account).zip(own);
        for (account, (jobs, left)) in own.chain(others).filter(|(_, (jobs, _))| *jobs > 0) {
            let at = *places.entry(account).or_insert(loads.len());
            match loads.get_mut(at) {
                Some(load) => (load.jobs, load.left) = (load.jobs + jobs, load.left + left),
                None => loads.push(AccountLoad { account: account.clone(), jobs, left }),
            }
        }
        loads
    }

    /// Takes claims back unsettled; nobody claims these jobs before they are taken from the shelf.
    pub(super) fn shelve(&mut self, claims: &[Claim]) {
        for claim in claims {
            self.held.remove(&claim.job().id.0);
            self.shelved.insert(claim.job().id.0);
        }
    }

    /// What can be claimed and what is claimed, account by account; accounts with neither are left out.
    pub(super) fn groups(&mut self, only: Option<&IdSet>, now: u64) -> Vec<GroupLoad> {
        self.index.lanes_mut().iter_mut().for_each(|lane| lane.ripen(now));
        let mut loads: Vec<GroupLoad> = Vec::new();
        for lane in self.index.lanes() {
            let (waiting, next_due) = lane.due();
            let ready = lane.queued + lane.ripe();
            let (account, mirrors) = (lane.account.clone(), lane.mirrors().into_iter().collect());
            loads.push(GroupLoad { account, mirrors, ready, waiting, claimed: 0, next_due });
        }
        if let Some(only) = only {
            self.narrow(&mut loads, only, now);
        } else {
            for id in self.held.iter().chain(&self.shelved).copied() {
                let Some((first, _)) = self.index.find(id) else { continue };
                let open = matches!(self.index.state(id), Some(JobState::Queued | JobState::Waiting));
                let lane = self.index.pack(first).map(|pack| pack.lane);
                if let Some(load) = lane.filter(|_| open).and_then(|at| loads.get_mut(at)) {
                    load.ready = load.ready.saturating_sub(1);
                    load.claimed += u64::from(self.held.contains(&id));
                }
            }
        }
        loads.retain(|load| load.ready + load.waiting + load.claimed > 0);
        loads
    }

    fn narrow(&self, loads: &mut [GroupLoad], only: &IdSet, now: u64) {
        for load in loads.iter_mut() {
            (load.ready, load.waiting, load.next_due) = (0, 0, None);
        }
        for (low, high) in ranges(Some(only)) {
            for (id, pack, state) in self.index.jobs(low, high) {
                let Some(load) = loads.get_mut(pack.lane).filter(|_| !self.shelved.contains(&id)) else { continue };
                if self.held.contains(&id) {
                    load.claimed += u64::from(matches!(state, JobState::Queued | JobState::Waiting));
                    continue;
                }
                match (state, self.index.wait_of(id)) {
                    (JobState::Waiting, Some(wait)) if !wait.is_over(now) => {
                        load.waiting += 1;
                        load.next_due = Some(load.next_due.map_or(wait.until, |first| first.min(wait.until)));
                    }
                    (JobState::Queued | JobState::Waiting, _) => load.ready += 1,
                    _ => {}
                }
            }
        }
    }

    /// Keeps how far an unfinished file has got.
    pub(super) fn checkpoint(&mut self, id: JobId, progress: Progress) -> Result<(), QueueError> {
        let state = self.index.state(id.0).ok_or(QueueError::NoSuchJob(id))?;
        let (mut record, _) = self.record(id.0)?;
        record.progress = Some(progress);
        self.stage_job(id.0, state, record)
    }

    /// Takes a worker's last word; returns the state after it.
    pub(super) fn settle(&mut self, claim: &Claim, settlement: Settlement) -> Result<JobState, QueueError> {
        let id = claim.job().id;
        self.held.remove(&id.0);
        let stored = self.index.state(id.0).ok_or(QueueError::NoSuchJob(id))?;
        // The claim proves that a worker had it; a user may have paused, cancelled or resumed it meanwhile.
        let from = match stored {
            JobState::Queued | JobState::Waiting => JobState::Running,
            other => other,
        };
        let to = from.apply(settlement.as_move()).map_err(|e| QueueError::Refused(e.to_string()))?;
        let (before, _) = self.record(id.0)?;
        let mut record = before.clone();
        settlement.write_to(&mut record);
        // Meanwhile a list or a listing said something else of the content: by that it was not looked at.
        let is_outdated = record.expect.as_ref().is_some_and(|expect| **expect != claim.job().spec.expect)
            || before.compare && !claim.job().record.compare
            || before.other_content && !claim.job().record.other_content;
        record.other_content |= before.other_content && !claim.job().record.other_content;
        let to = match to {
            JobState::Done | JobState::Failed if is_outdated => to.apply(Move::Retry).unwrap_or(to),
            to => to,
        };
        record.compare |= is_outdated && record.receipt.is_some();
        // Nor does a file of which the server tells no time answer what a listing said first meanwhile.
        let is_untold = record.receipt.as_ref().is_some_and(|receipt| receipt.identity.modified.is_none());
        record.compare |= is_untold && before.listed != claim.job().record.listed;
        if to != stored || record != before {
            self.stage_job(id.0, to, record)?;
        }
        Ok(to)
    }

    /// Changes the selected jobs. A large change is durable in parts, in order of the numbers.
    pub(super) fn change(&mut self, selection: &Selection, change: Change) -> Result<Changes, QueueError> {
        let mut changes = Changes::default();
        if let Some(ids) = &selection.ids {
            self.name_missing(ids, &mut changes);
        }
        // Who wants what failed to be tried again doesn't mean what is done, unless that is said.
        let spares_done = change == Change::Retry && selection.ids.is_none() && selection.state.is_none();
        let meant = self.selected(selection).filter(|&(_, state)| !(spares_done && state == JobState::Done));
        let ids: Vec<u64> = meant.map(|(id, _)| id).collect();
        let mut moved: BTreeMap<JobState, Vec<u64>> = BTreeMap::new();
        let mut removed = Vec::new();
        for id in ids {
            let was_running = self.index.state(id).is_some_and(|s| self.effective(id, s) == JobState::Running);
            match self.change_one(id, change)? {
                Step::Refused(why) => {
                    if selection.ids.is_some() && changes.refused.len() < NAMED {
                        changes.refused.push((JobId(id), why));
                    }
                    continue;
                }
                Step::Moved(to) => moved.entry(to).or_default().push(id),
                Step::Removed => removed.push(id),
                Step::Rewritten => {}
            }
            changes.changed += 1;
            if was_running {
                changes.affected_running.push(JobId(id));
            }
            if self.staged() >= BATCH {
                self.stage_changes(&mut moved, &mut removed);
                self.commit()?;
            }
        }
        self.stage_changes(&mut moved, &mut removed);
        Ok(changes)
    }

    /// Names the numbers that no job has, a gap at a time.
    fn name_missing(&self, ids: &IdSet, changes: &mut Changes) {
        for (low, high) in ids.ranges() {
            let mut next = low.0;
            let there = self.index.jobs(low.0, high.0).map(|(id, _, _)| Some(id));
            // What follows the last job of the range is a gap too.
            for id in there.chain([None]) {
                let end = id.map_or(Some(high.0), |id| id.checked_sub(1)).filter(|&end| next <= end);
                if let Some(end) = end {
                    if changes.refused.len() >= NAMED {
                        return;
                    }
                    changes.refused.push((JobId(next), missing(next, end)));
                }
                match id.map(|id| id.checked_add(1)) {
                    Some(Some(after)) => next = after,
                    _ => break,
                }
            }
        }
    }

    fn stage_changes(&mut self, moved: &mut BTreeMap<JobState, Vec<u64>>, removed: &mut Vec<u64>) {
        for (state, ids) in std::mem::take(moved) {
            for ids in in_parts(ids.into_iter()) {
                self.stage_entry(Entry::State { state, ids });
            }
        }
        for ids in in_parts(removed.drain(..)) {
            self.stage_entry(Entry::Removed { ids });
        }
    }

    fn change_one(&mut self, id: u64, change: Change) -> Result<Step, QueueError> {
        let Some(stored) = self.index.state(id) else { return Ok(Step::Refused("there is no such job".to_owned())) };
        let state = self.effective(id, stored);
        let Some(attempted) = change.as_move() else {
            if self.held.contains(&id) {
                let why = match state {
                    JobState::Running => "it is running; cancel it first",
                    _ => "its worker is still stopping; try again in a moment",
                };
                return Ok(Step::Refused(why.to_owned()));
            }
            self.stage_removal(id)?;
            return Ok(Step::Removed);
        };
        if change == Change::Recheck && state == JobState::Done && self.index.is_folder(id) {
            return Ok(Step::Refused("it is a folder; `ftpq get` and `ftpq add` have it read again".to_owned()));
        }
        let to = match state.apply(attempted) {
            Ok(to) => to,
            Err(e) => return Ok(Step::Refused(e.to_string())),
        };
        if matches!(attempted, Move::Retry | Move::Hold | Move::Resume) {
            let (before, _) = self.record(id)?;
            let mut record = before.clone();
            record.not_before = None;
            if attempted != Move::Resume {
                record.fruitless = 0;
                record.troubles.clear();
                // A folder is read anew; of a file the server is asked whether it is still the same.
                record.receipt.take_if(|receipt| receipt.folder.is_some());
                // Who tries a passing failure again has not said that what is here may be replaced; a wish that was said holds.
                let stood_in_the_way = before.failure.as_ref().is_some_and(|failure| failure.cause == Cause::Exists);
                let is_new =
                    matches!(change, Change::Retry | Change::Hold) && (stored == JobState::Done || stood_in_the_way);
                let stands = before.replace && (stored == JobState::Waiting || change == Change::Retry);
                record.replace = (is_new || stands) && record.receipt.is_some();
            }
            if record != before {
                self.stage_job(id, to, record)?;
                return Ok(Step::Rewritten);
            }
        }
        self.stage_state(id, Some(to), None);
        Ok(Step::Moved(to))
    }

    /// Selected jobs, ascending, with their states.
    pub(super) fn selected<'a>(&'a self, selection: &'a Selection) -> impl Iterator<Item = (u64, JobState)> + 'a {
        let lanes: Vec<bool> = self.index.lanes().iter().map(|lane| on_host(&lane.account, selection)).collect();
        ranges(selection.ids.as_ref())
            .into_iter()
            .flat_map(|(low, high)| self.index.jobs(low, high))
            .filter(move |(_, pack, _)| lanes.get(pack.lane).is_some_and(|&yes| yes))
            .map(|(id, _, stored)| (id, self.effective(id, stored)))
            .filter(|(_, state)| selection.state.is_none_or(|wanted| wanted == *state))
    }

    /// How many of the selected jobs stand where. Without a selection no job is looked at.
    pub(super) fn counts(&self, selection: &Selection) -> Counts {
        if *selection != Selection::default() {
            return self.selected(selection).fold(Counts::default(), |mut counts, (id, state)| {
                *counts.get_mut(state) += 1;
                let is_left = matches!(state, JobState::Queued | JobState::Waiting | JobState::Running);
                counts.folders += u64::from(is_left && self.has_folders() && self.index.is_folder(id));
                counts
            });
        }
        let mut counts = self.index.counts();
        for stored in self.held.iter().filter_map(|&id| self.index.state(id)) {
            if matches!(stored, JobState::Queued | JobState::Waiting) {
                *counts.get_mut(stored) -= 1;
                counts.running += 1;
            }
        }
        counts
    }

    /// Whether any folder is left: then only each job has to be looked at.
    fn has_folders(&self) -> bool {
        self.index.counts().folders > 0
    }

    /// Selected jobs with a higher number than `after`, ascending, `limit` at most.
    pub(super) fn list(
        &mut self,
        mut selection: Selection,
        after: Option<JobId>,
        limit: usize,
    ) -> Result<Vec<Job>, QueueError> {
        if let Some(after) = after {
            let mut all = IdSet::default();
            all.insert_range(JobId(1), JobId(u64::MAX));
            selection.ids = Some(selection.ids.unwrap_or(all).above(after));
        }
        let ids: Vec<u64> = self.selected(&selection).map(|(id, _)| id).take(limit).collect();
        let mut jobs = Vec::new();
        let mut bytes = 0;
        for id in ids {
            // Jobs with many digests of pieces are a hundred times as long as others.
            if bytes >= LISTED {
                break;
            }
            bytes += self.length(id)?;
            jobs.extend(self.job(id)?);
        }
        Ok(jobs)
    }
}

fn missing(first: u64, last: u64) -> String {
    if first == last { "there is no such job".to_owned() } else { format!("there are no jobs {first}-{last}") }
}

fn on_host(account: &Account, selection: &Selection) -> bool {
    selection.host.as_ref().is_none_or(|host| {
        account.host.eq_ignore_ascii_case(host) || account.host_key().to_string().eq_ignore_ascii_case(host)
    })
}
