//! Opening a queue's folder: the healthy way, and the decision that it has to be rebuilt.

use super::backend::{Backend, Batch};
use super::books::{Books, Keeper};
use super::journal::{self, Entry, Journal, Line, Survey};
use super::manifests::Manifests;
use super::sled_store::SledStore;
use super::{QueueError, files, rebuild};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A store smaller than this is never rewritten, in bytes.
const WORTH: u64 = 64 * 1024 * 1024;

/// An open queue, and what a person should know about it.
pub(super) struct Opened {
    pub(super) books: Books,
    pub(super) notices: Vec<String>,
    pub(super) rebuilt: bool,
}

/// The files of a queue's folder.
pub(super) struct Layout {
    pub(super) dir: PathBuf,
    /// The store in use.
    pub(super) store: PathBuf,
    /// One that is being written.
    pub(super) fresh: PathBuf,
    /// One that was replaced, until it is removed.
    pub(super) old: PathBuf,
    /// The queue's own id.
    pub(super) id: PathBuf,
}

impl Layout {
    fn new(dir: &Path) -> Self {
        let at = |name: &str| dir.join(name);
        Self {
            dir: dir.to_owned(),
            store: at("store"),
            fresh: at("store.new"),
            old: at("store.old"),
            id: at("store-id"),
        }
    }

    /// Puts the fresh store in the place of the one in use.
    pub(super) fn swap(&self) -> Result<(), QueueError> {
        if self.store.exists() {
            files::rename(&self.store, &self.old)?;
        }
        files::rename(&self.fresh, &self.store)?;
        files::remove_dir(&self.old)
    }

    /// Ends a swap that was interrupted.
    fn settle(&self) -> Result<(), QueueError> {
        if !self.store.exists() && self.old.exists() {
            // The old store gives way only to a fresh one that is complete.
            files::rename(if self.fresh.exists() { &self.fresh } else { &self.old }, &self.store)?;
        }
        files::remove_dir(&self.fresh)?;
        files::remove_dir(&self.old)
    }
}

/// What to do about damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// Build the store anew, and say so.
    Rebuild,
    /// Fail.
    Refuse,
}

/// Opens the folder, which the caller has locked.
pub(super) fn open(dir: &Path, damage: Damage) -> Result<Opened, QueueError> {
    let layout = Layout::new(dir);
    layout.settle()?;
    let manifests = Manifests::open(dir)?;
    let known_id = fs::read_to_string(&layout.id).ok().map(|id| id.trim().to_owned()).filter(|id| !id.is_empty());
    let was_there = layout.store.join("db").exists();
    let evidence = known_id.is_some() || manifests.ranges().next().is_some() || holds_jobs(dir)?;
    if !was_there && !evidence {
        return create(&layout, manifests);
    }
    let why = if was_there {
        match load(&layout, known_id.as_deref()) {
            Ok(Some(books)) => return attach(&layout, books, manifests),
            Ok(None) if !evidence => return create(&layout, manifests),
            Ok(None) => "its store was empty".to_owned(),
            Err(QueueError::Damaged { why, .. }) => why,
            Err(other) => return Err(other),
        }
    } else {
        "its store was missing".to_owned()
    };
    if damage == Damage::Refuse {
        return Err(QueueError::damaged(dir, why));
    }
    let (told, notices) = rebuild::rebuild(&layout, known_id, &manifests, &why)?;
    let books = load(&layout, None)?.ok_or_else(|| QueueError::damaged(dir, "the rebuilt store is empty"))?;
    // What it would say of journal and manifests has been said by the rebuild.
    let Opened { books, .. } = attach(&layout, books, Manifests::open(dir)?)?;
    let counts = books.index.counts();
    let mut all = vec![format!("{told}: {} jobs, {} of them done", counts.total(), counts.done)];
    all.extend(notices);
    Ok(Opened { books, notices: all, rebuilt: true })
}

/// Whether the journal tells of any job or host.
fn holds_jobs(dir: &Path) -> Result<bool, QueueError> {
    let mut found = false;
    let survey = journal::read(dir, &mut |line| {
        found |= !matches!(line.entry, Entry::Head { next_id: 1, .. });
        Ok(())
    })?;
    Ok(found || !survey.damaged.is_empty())
}

/// The store read from end to end; nothing when it is empty. Rewritten where it has grown far beyond its content.
fn load(layout: &Layout, known_id: Option<&str>) -> Result<Option<Books>, QueueError> {
    let mut books = Books::new(&layout.dir, Box::new(SledStore::open(&layout.store)?), String::new());
    let Some(live) = books.load()? else { return Ok(None) };
    if known_id.is_some_and(|id| id != books.numbers.queue) {
        return Err(QueueError::damaged(&layout.dir, "its store belongs to another queue"));
    }
    if books.store.size() <= WORTH.max(live.saturating_mul(3)) {
        return Ok(Some(books));
    }
    copy(books.store.as_ref(), &layout.fresh)?;
    drop(books);
    layout.swap()?;
    let mut books = Books::new(&layout.dir, Box::new(SledStore::open(&layout.store)?), String::new());
    Ok(books.load()?.map(|_| books))
}

/// Copies a store into a new folder.
fn copy(from: &dyn Backend, into: &Path) -> Result<(), QueueError> {
    let mut fresh = SledStore::open(into)?;
    let mut batch = Batch::new();
    let mut bytes = 0;
    from.scan(&[], &mut |key, value| {
        bytes += value.len();
        batch.insert(key.to_vec(), Some(value.to_vec()));
        if bytes > 1024 * 1024 {
            bytes = 0;
            fresh.apply(&std::mem::take(&mut batch))?;
        }
        Ok(())
    })?;
    fresh.apply(&batch)?;
    fresh.sync()
}

/// A new queue: the store first, then the journal, then the id that says there is something to lose.
fn create(layout: &Layout, manifests: Manifests) -> Result<Opened, QueueError> {
    files::remove_dir(&layout.store)?;
    let store = Box::new(SledStore::open(&layout.store)?);
    let mut books = Books::new(&layout.dir, store, new_id());
    books.write_replayed(1)?;
    books.store.sync()?;
    write_journal(&mut books, manifests)?;
    files::replace(&layout.id, format!("{}\n", books.numbers.queue).as_bytes())?;
    Ok(Opened { books, notices: Vec::new(), rebuilt: false })
}

/// A new queue's id.
pub(super) fn new_id() -> String {
    format!("{:032x}", fastrand::u128(..))
}

fn write_journal(books: &mut Books, manifests: Manifests) -> Result<(), QueueError> {
    let head = Entry::Head { queue: books.numbers.queue.clone(), next_id: books.numbers.next_id };
    let seq = books.numbers.seq;
    let dir = books.path.clone();
    let journal = Journal::rewrite(&dir, &mut |put| put(Line { seq, entry: head.clone() }))?;
    books.keeper = Some(Keeper { journal, manifests });
    books.rewrite_journal()
}

/// Puts journal and manifests beside a healthy store, and mends whichever lags behind.
fn attach(layout: &Layout, mut books: Books, manifests: Manifests) -> Result<Opened, QueueError> {
    let mut notices = Vec::new();
    let stored = books.numbers.seq;
    // Jobs that folders gave stand in the journal.
    let mut admitted = Vec::new();
    let survey = journal::read(&layout.dir, &mut |line| {
        if let Entry::Admitted { first, .. } = line.entry {
            admitted.push(first);
        }
        Ok(())
    })?;
    let admitted: BTreeSet<u64> = admitted.into_iter().filter(|_| is_trusted(&survey)).collect();
    if survey.last_seq > stored {
        rebuild::replay(&mut books, &manifests, stored, &mut |note| notices.push(note))?;
        books.store.sync()?;
    }
    let lost = survey.last_seq.saturating_sub(stored);
    if lost > 1 {
        // A crash between journal and store leaves one change to catch up with, and no more.
        notices.push(format!("the queue's store had lost its last {lost} changes; they were taken from the journal"));
    }
    let mut manifests = manifests;
    if !survey.damaged.is_empty() {
        notices.push(format!(
            "{} damaged lines of the queue's journal were skipped (the first is line {}); it was written anew from the store",
            survey.damaged.len(),
            survey.damaged.first().copied().unwrap_or_default()
        ));
    } else if survey.lines == 0 {
        notices.push("the queue's journal was missing; it was written anew from the store".to_owned());
    }
    let mended = mend_manifests(&mut books, &mut manifests, &admitted)?;
    let is_mended = mended.is_some();
    notices.extend(mended);
    if is_mended || !is_trusted(&survey) || survey.last_seq < stored {
        write_journal(&mut books, manifests)?;
    } else {
        let journal = Journal::open(&layout.dir, &survey)?;
        books.keeper = Some(Keeper { journal, manifests });
    }
    let id = format!("{}\n", books.numbers.queue);
    if fs::read_to_string(&layout.id).ok().as_ref() != Some(&id) {
        files::replace(&layout.id, id.as_bytes())?;
    }
    books.write_overview();
    Ok(Opened { books, notices, rebuilt: false })
}

/// Removes manifests that no job needs, and writes those anew that jobs miss.
fn mend_manifests(
    books: &mut Books,
    manifests: &mut Manifests,
    admitted: &BTreeSet<u64>,
) -> Result<Option<String>, QueueError> {
    let idle: Vec<u64> = manifests
        .ranges()
        .filter(|&(first, last)| books.index.jobs(first, last).next().is_none())
        .map(|(first, _)| first)
        .collect();
    for first in idle {
        manifests.remove(first)?;
    }
    let bare: Vec<(u64, u64)> = {
        let is_bare = |first: u64| manifests.of(first).is_none() && !admitted.contains(&first);
        let packs = books.index.packs().iter().filter(|(first, _)| is_bare(**first));
        let spans = packs.map(|(&first, pack)| (first, first + super::index::wide(pack.states.len()) - 1));
        spans.fold(Vec::new(), |mut merged: Vec<(u64, u64)>, (first, last)| {
            match merged.last_mut() {
                Some(end) if end.1 + 1 == first => end.1 = last,
                _ => merged.push((first, last)),
            }
            merged
        })
    };
    let mended = bare.len();
    for (first, last) in bare {
        let mut draft = manifests.draft()?;
        for id in first..=last {
            // A manifest is read by consecutive numbers: removed jobs stand in it too, and are removed again.
            let spec = books.spec(id)?;
            draft.push(id, &books.text(&spec)?)?;
        }
        manifests.keep(draft, first, last)?;
    }
    Ok((mended > 0)
        .then(|| format!("{mended} kept manifests of the queue were missing; they were written anew from the store")))
}

/// Whether a journal can be believed to be complete.
pub(super) fn is_trusted(survey: &Survey) -> bool {
    survey.lines > 0 && survey.damaged.is_empty()
}
