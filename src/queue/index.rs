//! What is kept in memory of every job: a byte of state and one of length, in packs, and by account what can be claimed.

use super::order::{Class, FOLDER, Rank};
use super::pack::{Accounts, Owner, States};
use crate::model::{Account, Counts, IdSet, JobId, JobState, Wait};
use std::cmp::Reverse;
use std::collections::btree_set::Range;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A number of things as the queue counts them.
pub(super) fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The ranges meant by a selection of numbers; all numbers where there is none.
pub(super) fn ranges(only: Option<&IdSet>) -> Vec<(u64, u64)> {
    only.map_or_else(|| vec![(1, u64::MAX)], |set| set.ranges().map(|(a, b)| (a.0, b.0)).collect())
}

/// Jobs with consecutive numbers and one account.
pub(super) struct Pack {
    /// Position of the account's lane.
    pub(super) lane: usize,
    /// Accounts of the jobs' mirrors.
    mirrors: Arc<Accounts>,
    /// States as they are stored.
    pub(super) states: States,
    /// Classes of their lengths; empty where all are short or unknown.
    classes: Box<[Class]>,
}

impl Pack {
    fn class(&self, offset: usize) -> Class {
        self.classes.get(offset).copied().unwrap_or(0)
    }

    /// Whether the job with that number, of this pack that begins with `first`, is a folder's.
    pub(super) fn is_folder(&self, first: u64, id: u64) -> bool {
        usize::try_from(id.saturating_sub(first)).is_ok_and(|offset| self.class(offset) == FOLDER)
    }

    /// Positions of the queued jobs of a class.
    fn queued(&self, class: Class) -> impl Iterator<Item = usize> {
        let queued = move |&(at, state): &(usize, &Option<JobState>)| {
            *state == Some(JobState::Queued) && self.class(at) == class
        };
        self.states.iter().enumerate().filter(queued).map(|(at, _)| at)
    }
}

/// What is to be done for one account; jobs with mirrors have a lane of their own.
pub(super) struct Lane {
    /// The account.
    pub(super) account: Account,
    /// Different sets of accounts that the jobs' mirrors have; none where they have no mirrors.
    mirrors: Vec<Arc<Accounts>>,
    /// Queued jobs.
    pub(super) queued: u64,
    /// Packs by the classes of which they hold queued jobs.
    packs: BTreeSet<Rank>,
    /// Waiting jobs whose time has not come: by end and beginning of their waits, and by beginning and end.
    due: BTreeSet<(u64, u64, Rank)>,
    begun: BTreeSet<(u64, u64, Rank)>,
    /// Waiting jobs whose time has come.
    ripe: BTreeSet<Rank>,
}

impl Lane {
    /// Has a job wait.
    fn wait(&mut self, Wait { since, until }: Wait, rank: Rank) {
        self.due.insert((until, since, rank));
        self.begun.insert((since, until, rank));
    }

    /// The job waits no more.
    fn end_wait(&mut self, Wait { since, until }: Wait, rank: Rank) {
        self.due.remove(&(until, since, rank));
        self.begun.remove(&(since, until, rank));
    }

    /// Moves waiting jobs whose time has come to the claimable ones.
    pub(super) fn ripen(&mut self, now: u64) {
        loop {
            let first = self.due.first().map(|&(until, since, rank)| (Wait { since, until }, rank));
            let last = self.begun.last().map(|&(since, until, rank)| (Wait { since, until }, rank));
            let Some((wait, rank)) = first.into_iter().chain(last).find(|(wait, _)| wait.is_over(now)) else { return };
            self.end_wait(wait, rank);
            self.ripe.insert(rank);
        }
    }

    /// Jobs that are not through: queued, waiting and claimed.
    pub(super) fn left(&self) -> u64 {
        self.queued + self.ripe() + self.due().0
    }

    /// The accounts of its jobs' mirrors.
    pub(super) fn mirrors(&self) -> Accounts {
        self.mirrors.iter().flat_map(|set| set.iter().cloned()).collect()
    }

    /// Waiting jobs that can be claimed.
    pub(super) fn ripe(&self) -> u64 {
        wide(self.ripe.len())
    }

    /// Waiting jobs that can't be claimed yet, and when the first of them can.
    pub(super) fn due(&self) -> (u64, Option<u64>) {
        (wide(self.due.len()), self.due.first().map(|&(until, ..)| until))
    }
}

/// Whether a run would still work on a job that is stored so.
fn is_left(state: JobState) -> bool {
    matches!(state, JobState::Queued | JobState::Waiting | JobState::Running)
}

/// Of so many jobs that are claimed at a time, one may be a folder's while there are files: they are to be fetched while
/// other folders are still being read.
const FOLDERS: usize = 4;

/// Every job's stored state, found by number, by account and by due time.
#[derive(Default)]
pub(super) struct Index {
    packs: BTreeMap<u64, Pack>,
    lanes: Vec<Lane>,
    /// Lanes without and with mirrors.
    by_account: [HashMap<Account, usize>; 2],
    waits: HashMap<u64, Wait>,
    counts: Counts,
}

impl Index {
    /// Adds a pack. Waiting jobs in it can be claimed at once until [`Index::set`] says when. Missing classes are 0.
    pub(super) fn add(&mut self, first: u64, owner: &Owner, states: States, classes: Vec<Class>) {
        let (at, mirrors) = self.lane_of(owner);
        let classes = if classes.iter().all(|&class| class == 0) { Box::default() } else { classes.into_boxed_slice() };
        let pack = Pack { lane: at, mirrors, states, classes };
        if let Some(lane) = self.lanes.get_mut(at) {
            let mut ready = BTreeSet::new();
            for ((offset, id), state) in (0..).zip(first..).zip(&pack.states) {
                let Some(state) = *state else { continue };
                *self.counts.get_mut(state) += 1;
                self.counts.folders += u64::from(is_left(state) && pack.class(offset) == FOLDER);
                match state {
                    JobState::Queued => {
                        lane.queued += 1;
                        ready.insert(pack.class(offset));
                    }
                    JobState::Waiting => {
                        lane.wait(Wait::default(), (Reverse(pack.class(offset)), id));
                        self.waits.insert(id, Wait::default());
                    }
                    _ => {}
                }
            }
            lane.packs.extend(ready.into_iter().map(|class| (Reverse(class), first)));
        }
        self.packs.insert(first, pack);
    }

    /// The accounts of the mirrors of a pack's jobs.
    pub(super) fn mirrors(pack: &Pack) -> &Accounts {
        &pack.mirrors
    }

    /// Whether a job is a folder's.
    pub(super) fn is_folder(&self, id: u64) -> bool {
        self.find(id)
            .and_then(|(first, _)| self.packs.get(&first).map(|pack| pack.is_folder(first, id)))
            .unwrap_or(false)
    }

    /// Forgets a pack; its jobs have been removed before.
    pub(super) fn drop_pack(&mut self, first: u64) {
        self.packs.remove(&first);
    }

    /// The pack of a number: its first number and the job's position in it.
    pub(super) fn find(&self, id: u64) -> Option<(u64, usize)> {
        let (&first, pack) = self.packs.range(..=id).next_back()?;
        let offset = usize::try_from(id - first).ok()?;
        (offset < pack.states.len()).then_some((first, offset))
    }

    /// The pack with that first number.
    pub(super) fn pack(&self, first: u64) -> Option<&Pack> {
        self.packs.get(&first)
    }

    /// All packs, ascending.
    pub(super) fn packs(&self) -> &BTreeMap<u64, Pack> {
        &self.packs
    }

    /// All lanes.
    pub(super) fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    /// All lanes, to be changed.
    pub(super) fn lanes_mut(&mut self) -> &mut [Lane] {
        &mut self.lanes
    }

    /// Whose jobs a pack holds.
    pub(super) fn owner(&self, pack: &Pack) -> Option<Owner> {
        let lane = self.lanes.get(pack.lane)?;
        Some(Owner { account: lane.account.clone(), mirrors: Arc::clone(&pack.mirrors) })
    }

    fn lane(&self, account: &Account, mirrored: bool) -> Option<usize> {
        let [plain, others] = &self.by_account;
        if mirrored { others } else { plain }.get(account).copied()
    }

    /// How many jobs stand where, as stored.
    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// The stored state; `None` when there is no such job.
    pub(super) fn state(&self, id: u64) -> Option<JobState> {
        let (first, offset) = self.find(id)?;
        self.packs.get(&first)?.states.get(offset).copied().flatten()
    }

    /// Gives a job another state, or removes it. A waiting job can be claimed once its wait is over.
    pub(super) fn set(&mut self, id: u64, to: Option<JobState>, wait: Option<Wait>) {
        let Some((first, offset)) = self.find(id) else { return };
        let Some(pack) = self.packs.get_mut(&first) else { return };
        let Some(slot) = pack.states.get_mut(offset) else { return };
        let from = std::mem::replace(slot, to);
        let class = pack.class(offset);
        let rank = (Reverse(class), id);
        let Some(lane) = self.lanes.get_mut(pack.lane) else { return };
        if let Some(from) = from {
            *self.counts.get_mut(from) -= 1;
            self.counts.folders -= u64::from(is_left(from) && class == FOLDER);
        }
        if let Some(to) = to {
            *self.counts.get_mut(to) += 1;
            self.counts.folders += u64::from(is_left(to) && class == FOLDER);
        }
        match from {
            Some(JobState::Queued) => {
                lane.queued -= 1;
                if pack.queued(class).next().is_none() {
                    lane.packs.remove(&(Reverse(class), first));
                }
            }
            Some(JobState::Waiting) => {
                lane.ripe.remove(&rank);
                if let Some(wait) = self.waits.remove(&id) {
                    lane.end_wait(wait, rank);
                }
            }
            _ => {}
        }
        match to {
            Some(JobState::Queued) => {
                lane.queued += 1;
                lane.packs.insert((Reverse(class), first));
            }
            Some(JobState::Waiting) => {
                let wait = wait.unwrap_or_default();
                lane.wait(wait, rank);
                self.waits.insert(id, wait);
            }
            _ => {}
        }
    }

    /// Jobs with numbers from `low` to `high`: number, pack, stored state.
    pub(super) fn jobs(&self, low: u64, high: u64) -> impl Iterator<Item = (u64, &Pack, JobState)> {
        let start = self.find(low).map_or(low, |(first, _)| first);
        (start <= high)
            .then(|| self.packs.range(start..=high))
            .into_iter()
            .flatten()
            .flat_map(|(&first, pack)| (first..).zip(&pack.states).map(move |(id, state)| (id, pack, *state)))
            .filter(move |(id, _, _)| (low..=high).contains(id))
            .filter_map(|(id, pack, state)| state.map(|state| (id, pack, state)))
    }

    /// Numbers that can be claimed, in the order of work, `max` at most.
    pub(super) fn claimable(
        &self,
        (account, mirrored): (&Account, bool),
        only: Option<&IdSet>,
        max: usize,
        held: impl Fn(u64) -> bool,
    ) -> Vec<u64> {
        let Some(lane) = self.lane(account, mirrored).and_then(|at| self.lanes.get(at)) else { return Vec::new() };
        let is_free = |id: u64| only.is_none_or(|only| only.contains(JobId(id))) && !held(id);
        let touched = |first: u64, pack: &Pack| {
            let last = first + wide(pack.states.len()).saturating_sub(1);
            only.is_none_or(|only| only.touches(JobId(first), JobId(last)))
        };
        let queued = |ranks: Range<'_, Rank>| -> Vec<Rank> {
            let packs = ranks.filter_map(|&(Reverse(class), first)| {
                let pack = self.packs.get(&first).filter(|pack| touched(first, pack))?;
                Some(pack.queued(class).map(move |at| (Reverse(class), first + wide(at))))
            });
            packs.flatten().filter(|&(_, id)| is_free(id)).take(max).collect()
        };
        let ripe =
            |ranks: Range<'_, Rank>| -> Vec<Rank> { ranks.copied().filter(|&(_, id)| is_free(id)).take(max).collect() };
        // Folders stand before all files.
        let files_begin = (Reverse(FOLDER - 1), 0);
        let mut folders = queued(lane.packs.range(..files_begin));
        folders.extend(ripe(lane.ripe.range(..files_begin)));
        let mut files = queued(lane.packs.range(files_begin..));
        files.extend(ripe(lane.ripe.range(files_begin..)));
        folders.sort_unstable();
        files.sort_unstable();
        let few = (max / FOLDERS).max(1).max(max.saturating_sub(files.len()));
        folders.into_iter().take(few).chain(files).map(|(_, id)| id).take(max).collect()
    }

    /// Moves the account's waiting jobs whose time has come to the claimable ones.
    pub(super) fn ripen(&mut self, (account, mirrored): (&Account, bool), now: u64) {
        if let Some(lane) = self.lane(account, mirrored).and_then(|at| self.lanes.get_mut(at)) {
            lane.ripen(now);
        }
    }

    /// How long a waiting job waits.
    pub(super) fn wait_of(&self, id: u64) -> Option<Wait> {
        self.waits.get(&id).copied()
    }

    /// The owner's lane, and the set of mirrors as the lane has it: one for all packs that have the same.
    fn lane_of(&mut self, owner: &Owner) -> (usize, Arc<Accounts>) {
        let Owner { account, mirrors } = owner;
        let at = self.lane(account, owner.is_mirrored()).unwrap_or_else(|| {
            let lane = Lane {
                account: account.clone(),
                mirrors: Vec::new(),
                queued: 0,
                packs: BTreeSet::new(),
                due: BTreeSet::new(),
                begun: BTreeSet::new(),
                ripe: BTreeSet::new(),
            };
            self.lanes.push(lane);
            let [plain, others] = &mut self.by_account;
            let lanes = if owner.is_mirrored() { others } else { plain };
            lanes.insert(account.clone(), self.lanes.len() - 1);
            self.lanes.len() - 1
        });
        let Some(lane) = self.lanes.get_mut(at).filter(|_| owner.is_mirrored()) else {
            return (at, Arc::clone(mirrors));
        };
        if let Some(known) = lane.mirrors.iter().find(|known| *known == mirrors) {
            return (at, Arc::clone(known));
        }
        lane.mirrors.push(Arc::clone(mirrors));
        (at, Arc::clone(mirrors))
    }
}

/// The set of ascending or mixed numbers.
pub(super) fn set_of(ids: impl IntoIterator<Item = u64>) -> IdSet {
    ids.into_iter().map(JobId).collect()
}
