//! What a folder holds becomes jobs, while the folder is being read.

use super::books::Books;
use super::intake::{Packer, same_place, same_source};
use super::journal::Entry;
use super::{Queue, QueueError, order, pack};
use crate::model::{Clash, Folder, JobId, JobSpec, JobState, Listed, Move, Receipt};
use std::collections::HashMap;

/// What became of a job that a folder gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is a new one.
    New(JobId),
    /// It was there already: same source, same destination.
    Known(Box<Known>),
    /// Another source has its destination; it was not taken.
    Clash(Box<Clash>),
}

/// A job that was there already, and what was known of it before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its number.
    pub id: JobId,
    /// Where it stands.
    pub state: JobState,
    /// What a listing said of the file when it was fetched last.
    pub listed: Option<Listed>,
    /// Proof of success.
    pub receipt: Option<Receipt>,
    /// When its last attempt began, in seconds since 1970-01-01 UTC.
    pub tried_at: Option<u64>,
    /// When the last attempt ended.
    pub ended_at: Option<u64>,
    /// A folder's rules.
    pub folder: Option<Box<Folder>>,
}

/// What is to be kept of a known file after its folder was read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The job.
    pub id: JobId,
    /// What the listing says of the file now.
    pub listed: Option<Listed>,
    /// Whether it is to be fetched again.
    pub again: bool,
}

/// While this lives, the queue keeps in memory which job has which destination.
pub struct Reading(Queue);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.tell(|books| {
            books.readers = books.readers.saturating_sub(1);
            books.drop_destinations();
        });
    }
}

impl Queue {
    /// Keeps the destinations of all jobs in memory from the next [`Queue::admit`] on: some 30 bytes a job.
    ///
    /// # Errors
    /// When the queue is closed or broken.
    pub async fn read_folders(&self) -> Result<Reading, QueueError> {
        self.ask(|books| {
            books.readers += 1;
            Ok(())
        })
        .await?;
        Ok(Reading(self.clone()))
    }

    /// Takes in what a folder gave, as one change that is durable on return; waits for an open intake. Tells of each
    /// job what became of it, in their order. A folder that is known from an earlier wish is queued again.
    ///
    /// # Errors
    /// When it could not be made durable; then nothing was taken.
    pub async fn admit(&self, jobs: Vec<JobSpec>) -> Result<Vec<Admission>, QueueError> {
        let _turn = self.turn().await?;
        self.ask(move |books| books.admit(jobs)).await
    }

    /// Which jobs have these destinations, whatever their source; nothing is changed.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn at_places(&self, jobs: Vec<JobSpec>) -> Result<Vec<JobId>, QueueError> {
        self.ask(move |books| books.at_places(&jobs)).await
    }

    /// Keeps what a listing says of known files now, and queues again what is to be fetched again; durable on return.
    ///
    /// # Errors
    /// When it could not be made durable.
    pub async fn renew(&self, renewals: Vec<Renewal>) -> Result<(), QueueError> {
        self.ask(move |books| renewals.into_iter().try_for_each(|renewal| books.renew(renewal))).await
    }
}

impl Books {
    /// Lets the destinations go, unless folders are being read.
    pub(super) fn drop_destinations(&mut self) {
        if self.readers == 0 {
            self.destinations = None;
        }
    }

    fn admit(&mut self, jobs: Vec<JobSpec>) -> Result<Vec<Admission>, QueueError> {
        if self.destinations.is_none() {
            self.destinations = Some(self.load_destinations()?);
        }
        let hashes: Vec<u64> = jobs.iter().map(pack::hash).collect();
        let mut found = self.occupied(&jobs, &hashes)?;
        let mut fresh: HashMap<u64, Vec<(u64, JobSpec)>> = HashMap::new();
        let mut admissions = Vec::with_capacity(jobs.len());
        let mut packer: Option<Packer> = None;
        let mut next = self.numbers.next_id;
        for ((at, spec), hash) in jobs.into_iter().enumerate().zip(hashes) {
            let known = match found.remove(&at) {
                Some((id, other)) => Some((id, other)),
                None => {
                    fresh.get(&hash).and_then(|all| all.iter().find(|(_, other)| same_place(&spec, other))).cloned()
                }
            };
            if let Some((id, other)) = known {
                admissions.push(self.known(id, &other, spec)?);
                continue;
            }
            let account = spec.source.account();
            if let Some(full) = packer.as_mut().filter(|p| p.is_full() || p.account() != account) {
                self.stage_pack(full)?;
                if full.account() != account {
                    packer = None;
                }
            }
            let text = self.text(&spec)?;
            packer.get_or_insert_with(|| Packer::new(account.clone(), next)).push(text, hash, order::of(&spec));
            if let Some(map) = &mut self.destinations {
                map.insert(hash, next);
            }
            fresh.entry(hash).or_default().push((next, spec));
            admissions.push(Admission::New(JobId(next)));
            next += 1;
        }
        if let Some(mut rest) = packer.filter(|packer| !packer.is_empty()) {
            self.stage_pack(&mut rest)?;
        }
        self.drop_destinations();
        Ok(admissions)
    }

    /// Stages a pack of new jobs, and makes them known.
    fn stage_pack(&mut self, packer: &mut Packer) -> Result<(), QueueError> {
        let batch = packer.seal().map_err(|e| self.broken(&e))?;
        let (first, last) = (packer.first(), packer.first() + packer.len().saturating_sub(1));
        if self.keeper.is_some() {
            let jobs = batch.get(&super::keys::numbered(super::keys::JOBS, first)).cloned().flatten();
            let jobs = pack::to_hex(&jobs.unwrap_or_default());
            self.stage_entry(Entry::Admitted { first, last, jobs });
        }
        self.stage_values(batch);
        packer.close().publish(&mut self.index);
        self.numbers.next_id = last + 1;
        Ok(())
    }

    /// Which of the jobs have their place already, by position: the job there, and what is asked for in it.
    fn occupied(&mut self, jobs: &[JobSpec], hashes: &[u64]) -> Result<HashMap<usize, (u64, JobSpec)>, QueueError> {
        let mut candidates: Vec<(u64, usize)> = Vec::new();
        for (at, &hash) in hashes.iter().enumerate() {
            let known = self.destinations.iter().flat_map(|map| map.get(hash));
            candidates.extend(known.filter(|&id| self.index.state(id).is_some()).map(|id| (id, at)));
        }
        // Pack after pack: each is unpacked whole.
        candidates.sort_unstable();
        let mut found = HashMap::new();
        for (id, at) in candidates {
            let Some(job) = jobs.get(at) else { continue };
            let other = self.spec(id)?;
            if same_place(job, &other) {
                found.insert(at, (id, other));
            }
        }
        Ok(found)
    }

    fn known(&mut self, id: u64, other: &JobSpec, spec: JobSpec) -> Result<Admission, QueueError> {
        if let Err(error) = same_source(&spec, other, id) {
            return match error {
                QueueError::Clash(clash) => Ok(Admission::Clash(clash)),
                other => Err(other),
            };
        }
        let Some(stored) = self.index.state(id) else { return Err(QueueError::NoSuchJob(JobId(id))) };
        let (record, _) = self.record(id)?;
        if let Some(rules) = spec.folder {
            self.read_again(&[(id, rules)])?;
        }
        Ok(Admission::Known(Box::new(Known {
            id: JobId(id),
            state: self.effective(id, stored),
            listed: record.listed.or_else(|| other.listed.clone()),
            receipt: record.receipt,
            tried_at: record.history.last().map(|attempt| attempt.started_at),
            ended_at: record.history.last().map(|attempt| attempt.ended_at),
            folder: record.folder.or_else(|| other.folder.clone()),
        })))
    }

    /// Queues folders again that were read, or could not be, for an earlier wish. One that is still to be read keeps the
    /// wider of two wishes.
    pub(super) fn read_again(&mut self, folders: &[(u64, Box<Folder>)]) -> Result<(), QueueError> {
        for (id, rules) in folders {
            let id = *id;
            let Some(stored) = self.index.state(id) else { continue };
            let (mut record, _) = self.record(id)?;
            let before = match &record.folder {
                Some(before) => before.clone(),
                None => self.spec(id)?.folder.unwrap_or_default(),
            };
            if before.asked >= rules.asked {
                continue;
            }
            let mut rules = rules.clone();
            let is_over = matches!(stored, JobState::Done | JobState::Failed);
            if !is_over {
                rules.newer = before.newer.and_then(|old| rules.newer.map(|new| old.min(new)));
            }
            record.folder = Some(rules);
            if is_over {
                (record.fruitless, record.not_before, record.receipt) = (0, None, None);
            }
            self.stage_job(id, if is_over { JobState::Queued } else { stored }, record)?;
        }
        Ok(())
    }

    fn at_places(&mut self, jobs: &[JobSpec]) -> Result<Vec<JobId>, QueueError> {
        if self.destinations.is_none() {
            self.destinations = Some(self.load_destinations()?);
        }
        let hashes: Vec<u64> = jobs.iter().map(pack::hash).collect();
        let found = self.occupied(jobs, &hashes)?;
        self.drop_destinations();
        Ok(found.into_values().map(|(id, _)| JobId(id)).collect())
    }

    fn renew(&mut self, renewal: Renewal) -> Result<(), QueueError> {
        let Renewal { id, listed, again } = renewal;
        let Some(stored) = self.index.state(id.0) else { return Ok(()) };
        let (before, _) = self.record(id.0)?;
        let mut record = before.clone();
        let mut to = stored;
        // One in a worker's hands is being fetched anyway.
        if again && let Ok(queued) = self.effective(id.0, stored).apply(Move::Retry) {
            (record.fruitless, record.not_before, record.receipt) = (0, None, None);
            to = queued;
        }
        if listed.is_some() {
            record.listed = listed;
        }
        if to == stored && record == before { Ok(()) } else { self.stage_job(id.0, to, record) }
    }
}
