//! Reading a store from end to end: fills the index and notices what can't be right.

use super::books::{Books, Numbers};
use super::frame;
use super::index::wide;
use super::order::Class;
use super::{QueueError, keys, pack};
use crate::model::{HostFacts, JobRecord, JobState};
use std::collections::BTreeMap;

impl Books {
    /// Reads everything stored. Returns its size in bytes; nothing when the store is empty.
    ///
    /// Every checksum is verified, packs are whole and apart, and the counters equal what is there.
    pub(super) fn load(&mut self) -> Result<Option<u64>, QueueError> {
        let Some(value) = self.store.get(&keys::meta())? else {
            return self.expect_nothing().map(|()| None);
        };
        let numbers: Numbers = frame::open_json(&value).map_err(|e| self.broken(&e))?;
        let mut live = wide(value.len());
        self.numbers = numbers;
        let unpublished = self.load_states(&mut live)?;
        self.check_packs(&unpublished, &mut live)?;
        self.load_records(&mut live)?;
        self.load_facts(&mut live)?;
        let (stored, found) = (self.numbers.counts, self.index.counts());
        if stored != found || self.numbers.packs != wide(self.index.packs().len()) {
            return Err(self.wrong(format!(
                "{} jobs in {} packs are counted, {} in {} are there",
                stored.total(),
                self.numbers.packs,
                found.total(),
                self.index.packs().len()
            )));
        }
        if !unpublished.is_empty() {
            self.drop_unpublished(&unpublished)?;
        }
        Ok(Some(live))
    }

    fn wrong(&self, why: impl Into<String>) -> QueueError {
        QueueError::damaged(&self.path, why)
    }

    fn expect_nothing(&self) -> Result<(), QueueError> {
        let mut found = false;
        self.store.scan(&[], &mut |_, _| {
            found = true;
            Ok(())
        })?;
        if found { Err(self.wrong("the queue's numbers are gone")) } else { Ok(()) }
    }

    /// Fills the index; returns packs of an intake that was never accepted: first number and length.
    fn load_states(&mut self, live: &mut u64) -> Result<BTreeMap<u64, usize>, QueueError> {
        let mut classes = self.load_classes(live)?;
        let mut found = Vec::new();
        self.store.scan(&[keys::STATES], &mut |key, value| {
            let first = keys::number(key).ok_or_else(|| self.wrong("a pack without number"))?;
            *live += wide(key.len() + value.len());
            let (owner, states) = pack::open_states(value).map_err(|e| self.broken(&e))?;
            found.push((first, owner, states));
            Ok(())
        })?;
        let mut unpublished = BTreeMap::new();
        let mut end = 1;
        for (first, owner, states) in found {
            if first < end {
                return Err(self.wrong(format!("the pack of job {first} overlaps another")));
            }
            end = first + wide(states.len());
            if first >= self.numbers.next_id {
                unpublished.insert(first, states.len());
                continue;
            }
            if end > self.numbers.next_id {
                return Err(self.wrong(format!("the pack of job {first} goes beyond the last job")));
            }
            // They only order the work: what doesn't fit the pack counts as unknown.
            let classes = classes.remove(&first).filter(|classes| classes.len() == states.len()).unwrap_or_default();
            self.index.add(first, &owner, states, classes);
        }
        Ok(unpublished)
    }

    /// Classes of lengths by pack. Packs of earlier versions have none, and are worked on in the order of their numbers.
    fn load_classes(&self, live: &mut u64) -> Result<BTreeMap<u64, Vec<Class>>, QueueError> {
        let mut found = BTreeMap::new();
        self.store.scan(&[keys::CLASSES], &mut |key, value| {
            let first = keys::number(key).ok_or_else(|| self.wrong("a pack without number"))?;
            *live += wide(key.len() + value.len());
            found.insert(first, pack::open_classes(value).map_err(|e| self.broken(&e))?);
            Ok(())
        })?;
        Ok(found)
    }

    /// Every pack has its jobs and its hashes, and nothing else has.
    fn check_packs(&self, unpublished: &BTreeMap<u64, usize>, live: &mut u64) -> Result<(), QueueError> {
        for prefix in [keys::JOBS, keys::HASHES] {
            let mut count = 0;
            self.store.scan(&[prefix], &mut |key, value| {
                *live += wide(key.len() + value.len());
                let first = keys::number(key).unwrap_or(0);
                let known = self.index.pack(first).map(|pack| pack.states.len());
                let expected = known.or_else(|| unpublished.get(&first).copied());
                count += u64::from(known.is_some());
                let len = match prefix {
                    // Unpacking every job is left to whoever needs it: the frame's checksum has to do.
                    keys::JOBS => frame::open(value).map(|_| expected),
                    _ => pack::open_hashes(value).map(|hashes| Some(hashes.len())),
                };
                if expected.is_some() && len.map_err(|e| self.broken(&e))? == expected {
                    Ok(())
                } else {
                    Err(self.wrong(format!("the pack of job {first} is not whole")))
                }
            })?;
            if count != wide(self.index.packs().len()) {
                return Err(self.wrong("packs are missing"));
            }
        }
        Ok(())
    }

    fn load_records(&mut self, live: &mut u64) -> Result<(), QueueError> {
        let mut waits = Vec::new();
        let mut touched = 0;
        self.store.scan(&[keys::RECORD], &mut |key, value| {
            *live += wide(key.len() + value.len());
            touched += 1;
            let id = keys::number(key).unwrap_or(0);
            let state =
                self.index.state(id).ok_or_else(|| self.wrong(format!("a record of job {id}, which is gone")))?;
            let content = frame::open(value).map_err(|e| self.broken(&e))?;
            if state == JobState::Waiting {
                let record: JobRecord = serde_json::from_slice(content).map_err(|e| self.wrong(e.to_string()))?;
                waits.push((id, record.wait()));
            }
            Ok(())
        })?;
        for (id, wait) in waits {
            self.index.set(id, Some(JobState::Waiting), wait);
        }
        self.touched = touched;
        Ok(())
    }

    fn load_facts(&mut self, live: &mut u64) -> Result<(), QueueError> {
        let mut found = BTreeMap::new();
        self.store.scan(&[keys::FACTS], &mut |key, value| {
            *live += wide(key.len() + value.len());
            let host = key.get(1..).and_then(|name| std::str::from_utf8(name).ok());
            let host = host.ok_or_else(|| self.wrong("a host without name"))?.to_owned();
            let facts: HostFacts = frame::open_json(value).map_err(|e| self.broken(&e))?;
            found.insert(host, facts);
            Ok(())
        })?;
        self.facts = found;
        Ok(())
    }

    fn drop_unpublished(&mut self, packs: &BTreeMap<u64, usize>) -> Result<(), QueueError> {
        let batch = packs.keys().flat_map(|&first| keys::of_pack(first)).map(|key| (key, None)).collect();
        self.store.apply(&batch)
    }
}
