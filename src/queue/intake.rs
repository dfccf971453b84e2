//! Taking manifests in: packs are written in parts, and published all at once or not at all.

use super::backend::Batch;
use super::books::Books;
use super::correct::Correction;
use super::destinations::Destinations;
use super::frame::FrameError;
use super::index::{Index, set_of, wide};
use super::journal::Entry;
use super::manifests::Draft;
use super::order::{self, Class};
use super::pack::{Accounts, Owner};
use super::{Accepted, QueueError, keys, pack};
use crate::model::{Account, Clash, Expectation, Folder, JobId, JobSpec, JobState};
use std::collections::HashMap;
use std::sync::Arc;

/// Jobs that are gathered, then sorted into packs by account.
const CHUNK: usize = 8192;

/// Jobs are gathered up to about this many bytes of paths.
const CHUNK_BYTES: usize = 8 * 1024 * 1024;

/// An intake that is going on. Nothing of it is seen before it is accepted.
pub(super) struct OpenIntake {
    token: u64,
    next: u64,
    gathered: Vec<(JobSpec, u64)>,
    gathered_bytes: usize,
    /// Positions in `gathered` by hash.
    by_hash: HashMap<u64, Vec<usize>>,
    /// The packs written.
    packs: Vec<Written>,
    fresh: Destinations,
    known: Vec<u64>,
    /// Folders that are known and asked for once more, with the rules as they are now.
    again: Vec<(u64, Box<Folder>)>,
    /// What is said of known jobs, where that is news.
    corrections: Vec<Correction>,
    /// Jobs whose known checksum it gives once more.
    confirmed: Vec<u64>,
    /// Known jobs that are now given other settings than they have.
    other_settings: Vec<u64>,
    draft: Option<Draft>,
}

impl OpenIntake {
    /// The pack of a number that isn't published yet: its first number and the job's position in it.
    pub(super) fn find(&self, id: u64) -> Option<(u64, usize)> {
        let at = self.packs.partition_point(|pack| pack.first <= id);
        let pack = self.packs.get(at.checked_sub(1)?)?;
        let offset = usize::try_from(id - pack.first).ok()?;
        (offset < pack.classes.len()).then_some((pack.first, offset))
    }

    /// Takes a job that is not stored; of one that was handed over before, what is said of its content.
    fn gather(&mut self, spec: JobSpec, hash: u64) -> Result<(), QueueError> {
        for &at in self.by_hash.get(&hash).into_iter().flatten() {
            if let Some((other, _)) = self.gathered.get_mut(at).filter(|(other, _)| same_place(&spec, other)) {
                same_source(&spec, other, self.next + wide(at))?;
                other.expect = joined(other, &spec)?;
                return Ok(());
            }
        }
        let paths: usize = spec.sources().map(|(_, source)| source.path().as_bytes().len()).sum();
        self.gathered_bytes += paths + spec.destination.path().as_str().len();
        self.by_hash.entry(hash).or_default().push(self.gathered.len());
        self.gathered.push((spec, hash));
        Ok(())
    }
}

impl Books {
    /// Begins an intake; what an earlier one left is dropped.
    pub(super) fn begin_intake(&mut self, token: u64) -> Result<(), QueueError> {
        self.drop_intake()?;
        if self.destinations.is_none() {
            self.destinations = Some(self.load_destinations()?);
        }
        let draft = self.keeper.as_ref().map(|keeper| keeper.manifests.draft()).transpose()?;
        self.intake = Some(OpenIntake {
            token,
            next: self.numbers.next_id,
            gathered: Vec::new(),
            gathered_bytes: 0,
            by_hash: HashMap::new(),
            packs: Vec::new(),
            fresh: Destinations::default(),
            known: Vec::new(),
            again: Vec::new(),
            corrections: Vec::new(),
            confirmed: Vec::new(),
            other_settings: Vec::new(),
            draft,
        });
        Ok(())
    }

    pub(super) fn load_destinations(&self) -> Result<Destinations, QueueError> {
        let mut map = Destinations::default();
        self.store.scan(&[keys::HASHES], &mut |key, value| {
            let hashes = pack::open_hashes(value).map_err(|e| self.broken(&e))?;
            for (id, hash) in (keys::number(key).unwrap_or(0)..).zip(hashes) {
                if self.index.state(id).is_some() {
                    map.insert(hash, id);
                }
            }
            Ok(())
        })?;
        Ok(map)
    }

    /// Drops an intake, if it is still the one that goes on.
    pub(super) fn abandon_intake(&mut self, token: u64) -> Result<(), QueueError> {
        if self.intake.as_ref().is_some_and(|intake| intake.token == token) { self.drop_intake() } else { Ok(()) }
    }

    fn drop_intake(&mut self) -> Result<(), QueueError> {
        let Some(intake) = self.intake.take() else { return Ok(()) };
        self.drop_destinations();
        self.forget_unpacked();
        if let Some(draft) = intake.draft {
            draft.discard()?;
        }
        let batch = intake.packs.iter().flat_map(|pack| keys::of_pack(pack.first)).map(|key| (key, None)).collect();
        self.store.apply(&batch)
    }

    /// Takes jobs into an intake. After an error the intake is void.
    pub(super) fn push(&mut self, token: u64, jobs: Vec<JobSpec>) -> Result<(), QueueError> {
        let mut intake = self.intake.take().filter(|i| i.token == token).ok_or(QueueError::IntakeEnded)?;
        let mut rest = jobs.into_iter();
        loop {
            let part: Vec<JobSpec> = rest.by_ref().take(CHUNK).collect();
            if part.is_empty() {
                break;
            }
            if intake.gathered.len() >= CHUNK || intake.gathered_bytes >= CHUNK_BYTES {
                intake = self.write_or_drop(intake)?;
            }
            // The intake stands in its place while jobs are looked up in it.
            self.intake = Some(intake);
            if let Err(error) = self.gather(part) {
                self.drop_intake()?;
                return Err(error);
            }
            intake = self.intake.take().ok_or(QueueError::IntakeEnded)?;
        }
        self.intake = Some(intake);
        Ok(())
    }

    fn gather(&mut self, jobs: Vec<JobSpec>) -> Result<(), QueueError> {
        let hashes: Vec<u64> = jobs.iter().map(pack::hash).collect();
        let stored = self.stored(&jobs, &hashes)?;
        let (mut news, mut others, mut confirmed) = (Vec::new(), Vec::new(), Vec::new());
        for (&at, &id) in &stored {
            let Some(spec) = jobs.get(at) else { continue };
            if id >= self.numbers.next_id {
                // Of this intake, and in a pack already.
                let both = joined(&self.spec(id)?, spec)?;
                let spec = JobSpec { expect: both, ..spec.clone() };
                news.extend(self.correction(id, &spec)?.0.map(|correction| (at, correction)));
                continue;
            }
            let (correction, confirms) = self.correction(id, spec)?;
            confirmed.extend(confirms.then_some(id));
            news.extend(correction.map(|correction| (at, correction)));
            if !spec.settings.is_empty() {
                let settings = self.spec(id)?.settings;
                others.extend((spec.settings.or(&settings) != settings).then_some(id));
            }
        }
        // In the order of the list: its last word counts.
        news.sort_unstable_by_key(|(at, _)| *at);
        let Some(intake) = &mut self.intake else { return Err(QueueError::IntakeEnded) };
        intake.other_settings.append(&mut others);
        intake.confirmed.append(&mut confirmed);
        intake.corrections.extend(news.into_iter().map(|(_, correction)| correction));
        for (at, (spec, hash)) in jobs.into_iter().zip(hashes).enumerate() {
            match stored.get(&at) {
                Some(&id) if id < self.numbers.next_id => {
                    intake.known.push(id);
                    intake.again.extend(spec.folder.map(|rules| (id, rules)));
                }
                Some(_) => {}
                None => intake.gather(spec, hash)?,
            }
        }
        Ok(())
    }

    /// Published jobs whose destinations have these hashes, and such of an open intake, each with the hash's position. They are
    /// in the order of packs: in a manifest that names hosts in turns each line is of another pack, and a pack is unpacked
    /// whole.
    pub(super) fn candidates(&self, hashes: &[u64], intake: Option<&OpenIntake>) -> Vec<(u64, usize)> {
        let mut candidates: Vec<(u64, usize)> = Vec::new();
        for (at, &hash) in hashes.iter().enumerate() {
            let published = self.destinations.iter().flat_map(|map| map.get(hash));
            candidates.extend(published.filter(|&id| self.index.state(id).is_some()).map(|id| (id, at)));
            candidates.extend(intake.iter().flat_map(|intake| intake.fresh.get(hash)).map(|id| (id, at)));
        }
        candidates.sort_unstable();
        candidates
    }

    /// Which of the jobs are stored already, by their position: same destination, same source.
    fn stored(&mut self, jobs: &[JobSpec], hashes: &[u64]) -> Result<HashMap<usize, u64>, QueueError> {
        let mut found = HashMap::new();
        for (id, at) in self.candidates(hashes, self.intake.as_ref()) {
            let Some(job) = jobs.get(at) else { continue };
            let other = self.spec(id)?;
            if same_place(job, &other) {
                same_source(job, &other, id)?;
                found.insert(at, id);
            }
        }
        Ok(found)
    }

    fn write_or_drop(&mut self, mut intake: OpenIntake) -> Result<OpenIntake, QueueError> {
        let result = self.write_gathered(&mut intake);
        if result.is_err() {
            self.intake = Some(intake);
            // The first error is the one that counts; what is left in the store is dropped when it is opened.
            if let Err(error) = self.drop_intake() {
                self.staged.failed.get_or_insert(error);
            }
            return result.and(Err(QueueError::IntakeEnded));
        }
        Ok(intake)
    }

    /// Gives the gathered jobs their numbers, sorted by account, and writes them in packs.
    fn write_gathered(&mut self, intake: &mut OpenIntake) -> Result<(), QueueError> {
        intake.by_hash.clear();
        intake.gathered_bytes = 0;
        // Jobs with mirrors stand apart: they go on when their own account can't.
        let mut order: [HashMap<Account, usize>; 2] = Default::default();
        let mut groups: Vec<(Account, Vec<(JobSpec, u64)>)> = Vec::new();
        for (spec, hash) in intake.gathered.drain(..) {
            let account = spec.source.account();
            let [plain, mirrored] = &mut order;
            let order = if spec.is_mirrored() { mirrored } else { plain };
            let at = if let Some(&at) = order.get(account) {
                at
            } else {
                order.insert(account.clone(), groups.len());
                groups.push((account.clone(), Vec::new()));
                groups.len() - 1
            };
            if let Some((_, jobs)) = groups.get_mut(at) {
                jobs.push((spec, hash));
            }
        }
        for (account, jobs) in groups {
            let mut packer = Packer::new(account, intake.next);
            for (spec, hash) in jobs {
                let text = self.text(&spec)?;
                if let Some(draft) = &mut intake.draft {
                    draft.push(intake.next, &text)?;
                }
                intake.fresh.insert(hash, intake.next);
                intake.next += 1;
                if packer.is_full() {
                    intake.packs.push(packer.write(self)?);
                }
                packer.push(text, hash, order::of(&spec));
                packer.note_mirrors(&spec);
            }
            intake.packs.push(packer.write(self)?);
        }
        Ok(())
    }

    /// The JSON text of a job.
    pub(super) fn text(&self, spec: &JobSpec) -> Result<Vec<u8>, QueueError> {
        serde_json::to_vec(spec).map_err(|e| QueueError::Io {
            doing: "writing",
            path: self.path.clone(),
            why: e.to_string(),
        })
    }

    /// Publishes all jobs of an intake; they are durable when this returns.
    pub(super) fn accept(&mut self, token: u64) -> Result<Accepted, QueueError> {
        let intake = self.intake.take().filter(|i| i.token == token).ok_or(QueueError::IntakeEnded)?;
        let mut intake = self.write_or_drop(intake)?;
        let first = self.numbers.next_id;
        let known = set_of(std::mem::take(&mut intake.known));
        let again = std::mem::take(&mut intake.again);
        let corrections = std::mem::take(&mut intake.corrections);
        let confirmed = set_of(std::mem::take(&mut intake.confirmed));
        let other_settings = std::mem::take(&mut intake.other_settings);
        if intake.next == first {
            self.intake = Some(intake);
            self.drop_intake()?;
            self.read_again(&again)?;
            let accepted = self.correct(&corrections, &confirmed)?;
            return Ok(Accepted { known, kept_settings: self.not_done(&other_settings), ..accepted });
        }
        let last = intake.next - 1;
        // A manifest without its line in the journal was not accepted: it goes away when the queue is opened.
        if let (Some(keeper), Some(draft)) = (&mut self.keeper, intake.draft.take())
            && let Err(error) = keeper.manifests.keep(draft, first, last)
        {
            self.intake = Some(intake);
            self.drop_intake()?;
            return Err(error);
        }
        for pack in intake.packs {
            pack.publish(&mut self.index);
        }
        self.numbers.next_id = last + 1;
        self.stage_entry(Entry::Accepted { first, last });
        self.stage_numbers();
        if let Some(known) = self.destinations.as_mut().filter(|_| self.readers > 0) {
            known.take_in(intake.fresh);
        }
        self.drop_destinations();
        self.read_again(&again)?;
        let accepted = self.correct(&corrections, &confirmed)?;
        let kept_settings = self.not_done(&other_settings);
        self.commit()?;
        let mut new = set_of([]);
        new.insert_range(JobId(first), JobId(last));
        Ok(Accepted { new, known, kept_settings, ..accepted })
    }
}

/// Whether two jobs want the same place. Several folders may be read into one: they are the same only with the same
/// source and the same rules.
pub(super) fn same_place(one: &JobSpec, other: &JobSpec) -> bool {
    let place = one.destination.to_string() == other.destination.to_string();
    place
        && match (&one.folder, &other.folder) {
            (None, None) => true,
            (Some(rules), Some(others)) => one.source == other.source && rules.is_same_wish(others),
            _ => false,
        }
}

/// What one list says of a file in two places.
fn joined(one: &JobSpec, other: &JobSpec) -> Result<Expectation, QueueError> {
    let both = one.expect.joined_with(&other.expect);
    both.ok_or_else(|| QueueError::Contradiction(Box::new(one.source.clone())))
}

pub(super) fn same_source(refused: &JobSpec, known: &JobSpec, job: u64) -> Result<(), QueueError> {
    // A list may name the same places in another order.
    if known.sources().any(|(_, source)| *source == refused.source) {
        return Ok(());
    }
    Err(QueueError::Clash(Box::new(Clash {
        destination: known.destination.clone(),
        job: JobId(job),
        known: known.source.clone(),
        refused: refused.source.clone(),
    })))
}

/// A pack that was written and is not published yet.
pub(super) struct Written {
    first: u64,
    owner: Owner,
    /// One a job.
    classes: Vec<Class>,
}

impl Written {
    /// Makes its jobs known, all of them queued.
    pub(super) fn publish(self, index: &mut Index) {
        let states = vec![Some(JobState::Queued); self.classes.len()];
        index.add(self.first, &self.owner, states, self.classes);
    }
}

/// Jobs of one account on their way into packs.
pub(super) struct Packer {
    account: Account,
    mirrors: Accounts,
    first: u64,
    texts: Vec<Vec<u8>>,
    hashes: Vec<u64>,
    classes: Vec<Class>,
    bytes: usize,
}

impl Packer {
    /// Packs for an account, from that number on.
    pub(super) fn new(account: Account, first: u64) -> Self {
        Self {
            account,
            mirrors: Accounts::new(),
            first,
            texts: Vec::new(),
            hashes: Vec::new(),
            classes: Vec::new(),
            bytes: 0,
        }
    }

    /// The account.
    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    /// Whether a job may stand in this pack: of the same account, and with mirrors where the others have such.
    pub(super) fn takes(&self, spec: &JobSpec) -> bool {
        let alike = self.is_empty() || spec.is_mirrored() != self.mirrors.is_empty();
        alike && !self.is_full() && self.account == *spec.source.account()
    }

    /// Takes note of where else the job that was added last can be had from.
    pub(super) fn note_mirrors(&mut self, spec: &JobSpec) {
        for mirror in &spec.mirrors {
            if !self.mirrors.contains(mirror.source.account()) {
                self.mirrors.insert(mirror.source.account().clone());
            }
        }
    }

    /// Whether the pack has to be written before another job comes in.
    pub(super) fn is_full(&self) -> bool {
        self.texts.len() >= pack::JOBS || self.bytes >= pack::BYTES
    }

    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Adds a job: its text, its destination's hash, its length's class.
    pub(super) fn push(&mut self, text: Vec<u8>, hash: u64, class: Class) {
        self.bytes += text.len();
        self.texts.push(text);
        self.hashes.push(hash);
        self.classes.push(class);
    }

    fn owner(&self) -> Owner {
        Owner { account: self.account.clone(), mirrors: Arc::new(self.mirrors.clone()) }
    }

    /// How many jobs are in it.
    pub(super) fn len(&self) -> u64 {
        wide(self.texts.len())
    }

    /// Its first number.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The pack's values, all jobs queued.
    pub(super) fn seal(&self) -> Result<Batch, FrameError> {
        let states = vec![Some(JobState::Queued); self.texts.len()];
        let values = [
            (keys::JOBS, Some(pack::seal_jobs(&self.texts)?)),
            (keys::STATES, Some(pack::seal_states(&self.owner(), &states)?)),
            (keys::HASHES, Some(pack::seal_hashes(&self.hashes))),
            (keys::CLASSES, pack::seal_classes(&self.classes)),
        ];
        let stored = values.into_iter().filter(|(_, value)| value.is_some());
        Ok(stored.map(|(prefix, value)| (keys::numbered(prefix, self.first), value)).collect())
    }

    /// Writes the pack, and goes on behind it.
    pub(super) fn write(&mut self, books: &mut Books) -> Result<Written, QueueError> {
        books.write_pack(self)?;
        Ok(self.close())
    }

    /// What was gathered, as written; the next pack begins behind it.
    pub(super) fn close(&mut self) -> Written {
        let classes = std::mem::take(&mut self.classes);
        let written = Written { first: self.first, owner: self.owner(), classes };
        self.mirrors.clear();
        self.first += wide(self.texts.len());
        self.texts.clear();
        self.hashes.clear();
        self.bytes = 0;
        written
    }
}
