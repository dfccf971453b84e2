//! What is kept in memory of every job: one byte of state, in packs, and by account what can be claimed.

use super::pack::States;
use crate::model::{Account, Counts, IdSet, JobId, JobState};
use std::collections::{BTreeMap, BTreeSet, HashMap};

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
    /// States as they are stored.
    pub(super) states: States,
    /// Queued jobs among them.
    queued: usize,
}

/// What is to be done for one account.
pub(super) struct Lane {
    /// The account.
    pub(super) account: Account,
    /// Queued jobs.
    pub(super) queued: u64,
    /// Packs that hold a queued job.
    packs: BTreeSet<u64>,
    /// Waiting jobs whose time has not come: time and number.
    due: BTreeSet<(u64, u64)>,
    /// Waiting jobs whose time has come.
    ripe: BTreeSet<u64>,
}

/// Longer than any wait before a retry, in seconds.
const LONGEST_WAIT: u64 = 3_600;

impl Lane {
    /// Moves waiting jobs whose time has come to the claimable ones.
    pub(super) fn ripen(&mut self, now: u64) {
        while let Some(&(at, id)) = self.due.first().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, id));
            self.ripe.insert(id);
        }
        // No wait is this long: the clock was set back.
        while let Some(&(at, id)) = self.due.last().filter(|(at, _)| *at > now.saturating_add(LONGEST_WAIT)) {
            self.due.remove(&(at, id));
            self.ripe.insert(id);
        }
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

/// Every job's stored state, found by number, by account and by due time.
#[derive(Default)]
pub(super) struct Index {
    packs: BTreeMap<u64, Pack>,
    lanes: Vec<Lane>,
    by_account: HashMap<Account, usize>,
    due_of: HashMap<u64, u64>,
    counts: Counts,
}

impl Index {
    /// Adds a pack. Waiting jobs in it can be claimed at once until [`Index::set_due`] says when.
    pub(super) fn add(&mut self, first: u64, account: &Account, states: States) {
        let lane = self.lane_of(account);
        self.packs.insert(first, Pack { lane, states: vec![None; states.len()], queued: 0 });
        for (id, state) in (first..).zip(states) {
            self.set(id, state, Some(0));
        }
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

    /// The account of a pack.
    pub(super) fn account(&self, pack: &Pack) -> Option<&Account> {
        self.lanes.get(pack.lane).map(|lane| &lane.account)
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
        pack.queued += usize::from(to == Some(JobState::Queued));
        pack.queued -= usize::from(from == Some(JobState::Queued));
        let Some(lane) = self.lanes.get_mut(pack.lane) else { return };
        if let Some(from) = from {
            *self.counts.get_mut(from) -= 1;
        }
        if let Some(to) = to {
            *self.counts.get_mut(to) += 1;
        }
        if from == Some(JobState::Queued) {
            lane.queued -= 1;
        }
        if from == Some(JobState::Waiting) {
            lane.ripe.remove(&id);
            if let Some(at) = self.due_of.remove(&id) {
                lane.due.remove(&(at, id));
            }
        }
        match to {
            Some(JobState::Queued) => lane.queued += 1,
            Some(JobState::Waiting) => {
                let at = due.unwrap_or(0);
                lane.due.insert((at, id));
                self.due_of.insert(id, at);
            }
            _ => {}
        }
        if pack.queued > 0 {
            lane.packs.insert(first);
        } else {
            lane.packs.remove(&first);
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

    /// Numbers that can be claimed, ascending, `max` at most.
    pub(super) fn claimable(
        &self,
        account: &Account,
        within: &[(u64, u64)],
        max: usize,
        held: impl Fn(u64) -> bool,
    ) -> Vec<u64> {
        let Some(lane) = self.by_account.get(account).and_then(|&at| self.lanes.get(at)) else { return Vec::new() };
        let mut found = Vec::new();
        for &(low, high) in within {
            if found.len() >= max || low > high {
                break;
            }
            let start = self.find(low).map_or(low, |(first, _)| first);
            let packs = (start <= high).then(|| lane.packs.range(start..=high)).into_iter().flatten();
            let queued = packs
                .filter_map(|&first| self.packs.get(&first).map(|pack| (first, pack)))
                .flat_map(|(first, pack)| (first..).zip(&pack.states))
                .filter(|&(id, &state)| state == Some(JobState::Queued) && (low..=high).contains(&id) && !held(id))
                .map(|(id, _)| id);
            let ripe = lane.ripe.range(low..=high).copied().filter(|&id| !held(id));
            let mut both: Vec<u64> = queued.take(max).chain(ripe.take(max)).collect();
            both.sort_unstable();
            found.extend(both);
        }
        found.truncate(max);
        found
    }

    /// The time a waiting job is due.
    pub(super) fn due_of(&self, id: u64) -> Option<u64> {
        self.due_of.get(&id).copied()
    }

    fn lane_of(&mut self, account: &Account) -> usize {
        if let Some(&lane) = self.by_account.get(account) {
            return lane;
        }
        let lane = self.lanes.len();
        self.lanes.push(Lane {
            account: account.clone(),
            queued: 0,
            packs: BTreeSet::new(),
            due: BTreeSet::new(),
            ripe: BTreeSet::new(),
        });
        self.by_account.insert(account.clone(), lane);
        lane
    }
}

/// The set of ascending or mixed numbers.
pub(super) fn set_of(ids: impl IntoIterator<Item = u64>) -> IdSet {
    ids.into_iter().map(JobId).collect()
}
