//! The queue's books: index in memory, store and journal on disk, and the one way a change gets into all three.

use super::backend::{Backend, Batch};
use super::destinations::Destinations;
use super::frame::{self, FrameError};
use super::index::{Index, wide};
use super::intake::{OpenIntake, Packer};
use super::journal::{Entry, Journal, Line, Put};
use super::manifests::Manifests;
use super::{QueueError, keys, pack};
use crate::model::{Counts, HostFacts, Job, JobId, JobRecord, JobSpec, JobState, Wait};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Packs whose jobs are kept unpacked, each of up to some 100 KiB.
const UNPACKED: usize = 64;

/// Numbers of the whole queue, stored under `m`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Numbers {
    /// The queue's own id, mirrored in a file beside the store.
    pub(super) queue: String,
    /// The next job's number. Packs from here on belong to an intake that was never accepted.
    pub(super) next_id: u64,
    /// Number of the last change.
    pub(super) seq: u64,
    /// How many packs there are.
    pub(super) packs: u64,
    /// How many jobs stand where.
    pub(super) counts: Counts,
}

/// What is kept beside the store to rebuild it from.
pub(super) struct Keeper {
    /// Every change.
    pub(super) journal: Journal,
    /// Every accepted manifest.
    pub(super) manifests: Manifests,
}

/// Changes on their way into the store.
#[derive(Default)]
pub(super) struct Staged {
    batch: Batch,
    dirty: BTreeSet<u64>,
    entries: Vec<Entry>,
    /// Who asked for this may end at once: the overview is written before the answer.
    pub(super) is_last_word: bool,
    /// Why nothing can be written any more.
    pub(super) failed: Option<QueueError>,
}

/// Everything known of the queue. One thread owns it.
pub(super) struct Books {
    pub(super) path: PathBuf,
    pub(super) store: Box<dyn Backend>,
    pub(super) keeper: Option<Keeper>,
    pub(super) numbers: Numbers,
    pub(super) index: Index,
    pub(super) facts: BTreeMap<String, HostFacts>,
    /// Jobs in a worker's hands.
    pub(super) held: HashSet<u64>,
    /// Jobs that nobody claims for now.
    pub(super) shelved: HashSet<u64>,
    pub(super) destinations: Option<Destinations>,
    /// Runs that read folders, for which the destinations are kept.
    pub(super) readers: u32,
    pub(super) intake: Option<OpenIntake>,
    pub(super) staged: Staged,
    /// Jobs with a record.
    pub(super) touched: u64,
    pub(super) unpacked: Unpacked,
}

/// Packs that were unpacked last.
#[derive(Default)]
pub(super) struct Unpacked {
    packs: VecDeque<(u64, Arc<pack::Texts>)>,
    /// How many were unpacked in all.
    pub(super) count: u64,
}

impl Books {
    /// Empty books over a store.
    pub(super) fn new(path: &Path, store: Box<dyn Backend>, queue: String) -> Self {
        Self {
            path: path.to_owned(),
            store,
            keeper: None,
            numbers: Numbers { queue, next_id: 1, ..Numbers::default() },
            index: Index::default(),
            facts: BTreeMap::new(),
            held: HashSet::new(),
            shelved: HashSet::new(),
            destinations: None,
            readers: 0,
            intake: None,
            staged: Staged::default(),
            touched: 0,
            unpacked: Unpacked::default(),
        }
    }

    /// The error of a value that isn't what was written.
    pub(super) fn broken(&self, error: &FrameError) -> QueueError {
        match error {
            FrameError::Newer(found) => {
                QueueError::Newer { path: self.path.clone(), found: *found, known: frame::VERSION }
            }
            _ => QueueError::damaged(&self.path, error.to_string()),
        }
    }

    /// The value of a key, staged changes included.
    pub(super) fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, QueueError> {
        match self.staged.batch.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.store.get(key),
        }
    }

    /// A job's record, and whether one is stored.
    pub(super) fn record(&self, id: u64) -> Result<(JobRecord, bool), QueueError> {
        match self.value(&keys::numbered(keys::RECORD, id))? {
            Some(value) => Ok((frame::open_json(&value).map_err(|e| self.broken(&e))?, true)),
            None => Ok((JobRecord::default(), false)),
        }
    }

    /// What is asked for in a job.
    pub(super) fn spec(&mut self, id: u64) -> Result<JobSpec, QueueError> {
        let found = self.index.find(id).or_else(|| self.intake.as_ref()?.find(id));
        let (first, offset) = found.ok_or(QueueError::NoSuchJob(JobId(id)))?;
        let texts = self.texts(first)?;
        let missing = || QueueError::damaged(&self.path, format!("job {id} is missing in its pack"));
        texts.job(offset).map_err(|e| self.broken(&e))?.ok_or_else(missing)
    }

    /// Length of the stored job in bytes.
    pub(super) fn length(&mut self, id: u64) -> Result<usize, QueueError> {
        let Some((first, offset)) = self.index.find(id) else { return Ok(0) };
        Ok(self.texts(first)?.length(offset))
    }

    /// The jobs of a pack.
    pub(super) fn texts(&mut self, first: u64) -> Result<Arc<pack::Texts>, QueueError> {
        if let Some((_, texts)) = self.unpacked.packs.iter().find(|(at, _)| *at == first) {
            return Ok(Arc::clone(texts));
        }
        let value = self.value(&keys::numbered(keys::JOBS, first))?;
        let value = value.ok_or_else(|| QueueError::damaged(&self.path, format!("the pack of job {first} is gone")))?;
        let texts = Arc::new(pack::open_jobs(&value).map_err(|e| self.broken(&e))?);
        self.unpacked.count += 1;
        self.unpacked.packs.truncate(UNPACKED - 1);
        self.unpacked.packs.push_front((first, Arc::clone(&texts)));
        Ok(texts)
    }

    /// Forgets unpacked jobs; their numbers may be given again.
    pub(super) fn forget_unpacked(&mut self) {
        self.unpacked.packs.clear();
    }

    /// A job's state as the world sees it: one in a worker's hands is running, unless the user took it away.
    pub(super) fn effective(&self, id: u64, stored: JobState) -> JobState {
        match stored {
            JobState::Queued | JobState::Waiting if self.held.contains(&id) => JobState::Running,
            stored => stored,
        }
    }

    /// A job with its state and story.
    pub(super) fn job(&mut self, id: u64) -> Result<Option<Job>, QueueError> {
        let Some(stored) = self.index.state(id) else { return Ok(None) };
        let (record, _) = self.record(id)?;
        let mut spec = self.spec(id)?;
        if record.folder.is_some() {
            spec.folder.clone_from(&record.folder);
        }
        if let Some(expect) = &record.expect {
            spec.expect = (**expect).clone();
        }
        Ok(Some(Job { id: JobId(id), state: self.effective(id, stored), spec, record }))
    }

    /// Writes a pack straight to the store; nobody sees it before its numbers are published.
    pub(super) fn write_pack(&mut self, pack: &Packer) -> Result<(), QueueError> {
        let batch = pack.seal().map_err(|e| self.broken(&e))?;
        let written = self.store.apply(&batch);
        if let Err(error) = &written {
            self.staged.failed.get_or_insert_with(|| error.clone());
        }
        written
    }

    /// Stages values as they are.
    pub(super) fn stage_values(&mut self, values: Batch) {
        self.staged.batch.extend(values);
    }

    /// Stages a job's new state and record.
    pub(super) fn stage_job(&mut self, id: u64, to: JobState, record: JobRecord) -> Result<(), QueueError> {
        let key = keys::numbered(keys::RECORD, id);
        let is_new = self.value(&key)?.is_none();
        let value = frame::seal_json(&record).map_err(|e| self.broken(&e))?;
        self.stage_state(id, Some(to), record.wait());
        self.staged.batch.insert(key, Some(value));
        self.touched += u64::from(is_new);
        self.stage_entry(Entry::Job { id: JobId(id), state: to, record: Box::new(record) });
        Ok(())
    }

    /// Stages a job's new state alone; the caller adds the entry.
    pub(super) fn stage_state(&mut self, id: u64, to: Option<JobState>, wait: Option<Wait>) {
        if self.index.state(id) == to && (to != Some(JobState::Waiting) || self.index.wait_of(id) == wait) {
            return;
        }
        if let Some((first, _)) = self.index.find(id) {
            self.index.set(id, to, wait);
            self.staged.dirty.insert(first);
        }
    }

    /// Stages the removal of a job; the caller adds the entry.
    pub(super) fn stage_removal(&mut self, id: u64) -> Result<(), QueueError> {
        let key = keys::numbered(keys::RECORD, id);
        if self.value(&key)?.is_some() {
            self.staged.batch.insert(key, None);
            self.touched = self.touched.saturating_sub(1);
        }
        self.stage_state(id, None, None);
        Ok(())
    }

    /// Stages what was learned of a host.
    pub(super) fn stage_facts(&mut self, host: &str, facts: HostFacts) -> Result<(), QueueError> {
        let value = frame::seal_json(&facts).map_err(|e| self.broken(&e))?;
        self.staged.batch.insert(keys::facts(host), Some(value));
        self.stage_entry(Entry::Facts { host: host.to_owned(), facts: facts.clone() });
        self.facts.insert(host.to_owned(), facts);
        Ok(())
    }

    /// Stages the queue's numbers, which every commit writes anyway.
    pub(super) fn stage_numbers(&mut self) {
        self.staged.batch.insert(keys::meta(), None);
    }

    /// Stages a line of the journal.
    pub(super) fn stage_entry(&mut self, entry: Entry) {
        if self.keeper.is_some() {
            self.staged.entries.push(entry);
        }
    }

    /// How many values a commit would write.
    pub(super) fn staged(&self) -> usize {
        self.staged.batch.len() + self.staged.dirty.len()
    }

    /// Makes everything staged durable, as one change. After a failure the books can't be written any more.
    pub(super) fn commit(&mut self) -> Result<(), QueueError> {
        if let Some(error) = &self.staged.failed {
            return Err(error.clone());
        }
        if self.staged() == 0 && self.staged.entries.is_empty() {
            return Ok(());
        }
        let result = self.write();
        if let Err(error) = &result {
            self.staged.failed = Some(error.clone());
        }
        result
    }

    fn write(&mut self) -> Result<(), QueueError> {
        self.numbers.seq += 1;
        let entries = std::mem::take(&mut self.staged.entries);
        let (batch, emptied) = self.take_batch()?;
        if let Some(keeper) = &mut self.keeper {
            keeper.journal.append(self.numbers.seq, entries)?;
        }
        if let Err(error) = self.store.apply(&batch).and_then(|()| self.store.sync()) {
            if let Some(keeper) = &mut self.keeper {
                keeper.journal.undo()?;
            }
            return Err(error);
        }
        self.drop_manifests(&emptied)?;
        self.renew_journal()
    }

    /// Puts everything staged into the store without journal and sync: it comes from the journal.
    pub(super) fn write_replayed(&mut self, seq: u64) -> Result<(), QueueError> {
        self.numbers.seq = seq;
        self.staged.entries.clear();
        let (batch, _) = self.take_batch()?;
        self.store.apply(&batch)
    }

    /// The staged changes with the states of changed packs and the numbers, and the packs that have no job left.
    fn take_batch(&mut self) -> Result<(Batch, Vec<u64>), QueueError> {
        let mut batch = std::mem::take(&mut self.staged.batch);
        let mut emptied = Vec::new();
        for first in std::mem::take(&mut self.staged.dirty) {
            let Some(pack) = self.index.pack(first) else { continue };
            if pack.states.iter().all(Option::is_none) {
                batch.extend(keys::of_pack(first).map(|key| (key, None)));
                self.index.drop_pack(first);
                emptied.push(first);
            } else if let Some(owner) = self.index.owner(pack) {
                let value = pack::seal_states(&owner, &pack.states).map_err(|e| self.broken(&e))?;
                batch.insert(keys::numbered(keys::STATES, first), Some(value));
            }
        }
        self.numbers.packs = wide(self.index.packs().len());
        self.numbers.counts = self.index.counts();
        batch.insert(keys::meta(), Some(frame::seal_json(&self.numbers).map_err(|e| self.broken(&e))?));
        Ok((batch, emptied))
    }

    /// Removes kept manifests that have no job left.
    fn drop_manifests(&mut self, emptied: &[u64]) -> Result<(), QueueError> {
        let Some(keeper) = &mut self.keeper else { return Ok(()) };
        for &pack in emptied {
            if let Some((first, last)) = keeper.manifests.of(pack)
                && self.index.jobs(first, last).next().is_none()
            {
                keeper.manifests.remove(first)?;
            }
        }
        Ok(())
    }

    /// Rewrites the journal when most of it is history.
    fn renew_journal(&mut self) -> Result<(), QueueError> {
        let live = self.touched + wide(self.facts.len()) + wide(self.index.packs().len());
        match &self.keeper {
            Some(keeper) if keeper.journal.is_stale(live) => self.rewrite_journal(),
            _ => Ok(()),
        }
    }

    /// Writes a new journal that says what the store holds.
    pub(super) fn rewrite_journal(&mut self) -> Result<(), QueueError> {
        let Some(mut keeper) = self.keeper.take() else { return Ok(()) };
        let written = Journal::rewrite(&self.path, &mut |put| self.tell_all(&keeper.manifests, put));
        if let Ok(journal) = written {
            keeper.journal = journal;
            self.keeper = Some(keeper);
            return Ok(());
        }
        self.keeper = Some(keeper);
        written.map(|_| ())
    }

    fn tell_all(&self, manifests: &Manifests, put: Put<'_>) -> Result<(), QueueError> {
        let seq = self.numbers.seq;
        put(Line { seq, entry: Entry::Head { queue: self.numbers.queue.clone(), next_id: self.numbers.next_id } })?;
        for (first, last) in manifests.ranges() {
            put(Line { seq, entry: Entry::Accepted { first, last } })?;
            let gone = (first..=last).filter(|&id| self.index.state(id).is_none());
            for ids in super::change::in_parts(gone) {
                put(Line { seq, entry: Entry::Removed { ids } })?;
            }
        }
        for (&first, pack) in self.index.packs().iter().filter(|&(&first, _)| manifests.of(first).is_none()) {
            let value = self.store.get(&keys::numbered(keys::JOBS, first))?.unwrap_or_default();
            let last = first + wide(pack.states.len()).saturating_sub(1);
            put(Line { seq, entry: Entry::Admitted { first, last, jobs: pack::to_hex(&value) } })?;
            let gone = (first..=last).filter(|&id| self.index.state(id).is_none());
            for ids in super::change::in_parts(gone) {
                put(Line { seq, entry: Entry::Removed { ids } })?;
            }
        }
        for state in JobState::ALL.into_iter().filter(|&s| s != JobState::Queued) {
            let ids = self.index.jobs(1, u64::MAX).filter(|&(_, _, stored)| stored == state).map(|(id, _, _)| id);
            for ids in super::change::in_parts(ids) {
                put(Line { seq, entry: Entry::State { state, ids } })?;
            }
        }
        self.store.scan(&[keys::RECORD], &mut |key, value| {
            let record: JobRecord = frame::open_json(value).map_err(|e| self.broken(&e))?;
            match keys::number(key).and_then(|id| Some((id, self.index.state(id)?))) {
                Some((id, state)) => {
                    put(Line { seq, entry: Entry::Job { id: JobId(id), state, record: Box::new(record) } })
                }
                None => Ok(()),
            }
        })?;
        for (host, facts) in &self.facts {
            put(Line { seq, entry: Entry::Facts { host: host.clone(), facts: facts.clone() } })?;
        }
        Ok(())
    }
}
