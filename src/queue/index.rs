//! What is kept in memory of every job: a byte of state and one of length, in packs, and by account what can be claimed.

use super::order::{Class, FOLDER, Rank};
use super::pack::{Accounts, Owner, States};
use crate::model::{Account, Counts, IdSet, JobId, JobState};
use crate::policy::LONGEST_DELAY;
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
    /// Waiting jobs whose time has not come: time and rank.
    due: BTreeSet<(u64, Rank)>,
    /// Waiting jobs whose time has come.
    ripe: BTreeSet<Rank>,
}

/// Longer than any wait before a retry, in seconds; clocks are put right by some seconds without anybody's doing.
const LONGEST_WAIT: u64 = LONGEST_DELAY + 60;

/// Whether the time has come for a job that waits until `at`. No wait is so long that it ends much later than now: then
/// the clock was set back since.
pub(super) fn has_come(at: u64, now: u64) -> bool {
    at <= now || at > now.saturating_add(LONGEST_WAIT)
}

impl Lane {
    /// Moves waiting jobs whose time has come to the claimable ones.
    pub(super) fn ripen(&mut self, now: u64) {
        while let Some((_, rank)) = self.due.first().copied().filter(|(at, _)| has_come(*at, now)) {
            self.due.pop_first();
            self.ripe.insert(rank);
        }
        while let Some((_, rank)) = self.due.last().copied().filter(|(at, _)| has_come(*at, now)) {
            self.due.pop_last();
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
        (wide(self.due.len()), self.due.first().map(|(at, _)| *at))
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
    due_of: HashMap<u64, u64>,
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
                        lane.due.insert((0, (Reverse(pack.class(offset)), id)));
                        self.due_of.insert(id, 0);
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

    /// Gives a job another state, or removes it. A waiting job can be claimed from the time `due` on.
    pub(super) fn set(&mut self, id: u64, to: Option<JobState>, due: Option<u64>) {
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
                if let Some(at) = self.due_of.remove(&id) {
                    lane.due.remove(&(at, rank));
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
                let at = due.unwrap_or(0);
                lane.due.insert((at, rank));
                self.due_of.insert(id, at);
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

    /// The time a waiting job is due.
    pub(super) fn due_of(&self, id: u64) -> Option<u64> {
        self.due_of.get(&id).copied()
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
