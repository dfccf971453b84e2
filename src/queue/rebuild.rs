//! The queue rebuilt from what is kept beside the store: accepted manifests and the journal.

use super::books::Books;
use super::intake::Packer;
use super::journal::{self, Entry, Line};
use super::manifests::{Manifests, span};
use super::open::{Layout, is_trusted, new_id};
use super::sled_store::SledStore;
use super::{QueueError, files, order, pack};
use crate::model::{IdSet, JobId};

/// Values written at a time.
const BATCH: usize = 1024;

/// What the journal says about what there should be.
#[derive(Default)]
struct Expected {
    queue: Option<String>,
    accepted: Vec<(u64, u64)>,
    removed: Vec<IdSet>,
}

/// Builds a new store, and puts it in the place of the broken one, which is kept aside. Returns what was done, and
/// what could not be.
pub(super) fn rebuild(
    layout: &Layout,
    known_id: Option<String>,
    manifests: &Manifests,
    why: &str,
) -> Result<(String, Vec<String>), QueueError> {
    let mut notices = Vec::new();
    let mut expected = Expected::default();
    let survey = journal::read(&layout.dir, &mut |line| {
        match line.entry {
            Entry::Head { queue, .. } => expected.queue = Some(queue),
            Entry::Accepted { first, last } => expected.accepted.push((first, last)),
            Entry::Removed { ids } => expected.removed.push(ids),
            _ => {}
        }
        Ok(())
    })?;
    if survey.lines == 0 {
        notices.push(
            "the journal is missing too: every job is queued again, and files that are already there are recognized"
                .to_owned(),
        );
    } else if !survey.damaged.is_empty() {
        notices.push(format!(
            "{} lines of the journal are damaged (the first is line {}): what they told is lost, and jobs they told of may be done again",
            survey.damaged.len(),
            survey.damaged.first().copied().unwrap_or_default()
        ));
    }
    let queue = known_id.or_else(|| expected.queue.clone()).unwrap_or_else(new_id);
    files::remove_dir(&layout.fresh)?;
    let mut books = Books::new(&layout.dir, Box::new(SledStore::open(&layout.fresh)?), queue);
    for (first, last) in manifests.ranges() {
        // One without its line in a whole journal was never accepted.
        if is_trusted(&survey) && !expected.accepted.contains(&(first, last)) {
            continue;
        }
        import(&mut books, manifests, (first, last), &mut |note| notices.push(note))?;
    }
    replay(&mut books, manifests, 0, &mut |note| notices.push(note))?;
    notices.extend(expected.lost(manifests));
    books.write_replayed(survey.last_seq + 1)?;
    books.store.sync()?;
    drop(books);
    let aside = set_aside(layout)?;
    layout.swap()?;
    let kept = aside.map(|name| format!("; the damaged store is kept in {name}")).unwrap_or_default();
    Ok((format!("the queue was damaged ({why}) and was rebuilt from its manifests and journal{kept}"), notices))
}

/// Moves the broken store out of the way; returns where to.
fn set_aside(layout: &Layout) -> Result<Option<String>, QueueError> {
    if !layout.store.exists() {
        return Ok(None);
    }
    let mut names = (1..=1000).map(|n| layout.dir.join(format!("store.damaged-{n}")));
    let Some(aside) = names.find(|path| !path.exists()) else {
        let why = "a thousand damaged stores are kept here already; look into the disk, then remove them";
        return Err(QueueError::Io {
            doing: "keeping the damaged store in",
            path: layout.dir.clone(),
            why: why.to_owned(),
        });
    };
    files::rename(&layout.store, &aside)?;
    Ok(Some(aside.display().to_string()))
}

impl Expected {
    /// Jobs that were accepted and that no manifest holds any more.
    fn lost(&self, manifests: &Manifests) -> Vec<String> {
        let missing = self.accepted.iter().filter(|&&(first, _)| manifests.of(first).is_none());
        missing
            .filter_map(|&(first, last)| {
                let gone = |id: u64| self.removed.iter().any(|ids| ids.contains(JobId(id)));
                let lost = (first..=last).filter(|&id| !gone(id)).count();
                (lost > 0).then(|| {
                    format!(
                        "the manifest of jobs {first} to {last} is missing: {lost} of its {} jobs are lost; add that manifest again",
                        span(first, last)
                    )
                })
            })
            .collect()
    }
}

/// Takes the jobs of a kept manifest into the store, all queued.
fn import(
    books: &mut Books,
    manifests: &Manifests,
    (first, last): (u64, u64),
    note: &mut dyn FnMut(String),
) -> Result<(), QueueError> {
    let mut packer: Option<Packer> = None;
    let mut written = Vec::new();
    let wrong = manifests.read(first, last, &mut |kept| {
        let account = kept.spec.source.account();
        let mirrored = kept.spec.is_mirrored();
        let fits = |p: &Packer| p.account() == account && (p.is_empty() || p.is_mirrored() == mirrored);
        if let Some(full) = packer.as_mut().filter(|p| p.is_full() || !fits(p)) {
            written.push(full.write(books)?);
            if full.account() != account {
                packer = None;
            }
        }
        let text = books.text(&kept.spec)?;
        let hash = pack::hash(&kept.spec);
        let class = order::of(&kept.spec);
        let packer = packer.get_or_insert_with(|| Packer::new(account.clone(), kept.id.0));
        packer.push(text, hash, class);
        packer.note_mirrors(&kept.spec);
        Ok(())
    })?;
    if let Some(mut rest) = packer.filter(|p| !p.is_empty()) {
        written.push(rest.write(books)?);
    }
    for pack in written {
        pack.publish(&mut books.index);
    }
    books.numbers.next_id = books.numbers.next_id.max(last + 1);
    if let Some(why) = wrong {
        let path = manifests.path(first, last);
        note(format!("the kept manifest {} is damaged: {why}; add that manifest again", path.display()));
    }
    Ok(())
}

/// Applies the lines of the journal that are later than `since`.
pub(super) fn replay(
    books: &mut Books,
    manifests: &Manifests,
    since: u64,
    note: &mut dyn FnMut(String),
) -> Result<(), QueueError> {
    let dir = books.path.clone();
    let mut last = books.numbers.seq;
    journal::read(&dir, &mut |line| {
        if line.seq <= since {
            return Ok(());
        }
        if books.staged() >= BATCH {
            // The change before this one is complete for sure.
            books.write_replayed(line.seq - 1)?;
        }
        last = last.max(line.seq);
        apply(books, manifests, line, note)
    })?;
    books.write_replayed(last)
}

fn apply(books: &mut Books, manifests: &Manifests, line: Line, note: &mut dyn FnMut(String)) -> Result<(), QueueError> {
    match line.entry {
        Entry::Head { next_id, .. } => books.numbers.next_id = books.numbers.next_id.max(next_id),
        Entry::Accepted { first, last } => {
            let missing = first >= books.numbers.next_id;
            books.numbers.next_id = books.numbers.next_id.max(last + 1);
            if missing && manifests.of(first) == Some((first, last)) {
                import(books, manifests, (first, last), note)?;
            }
        }
        Entry::Admitted { first, jobs, .. } => {
            if books.index.find(first).is_none() {
                readmit(books, first, &jobs)?;
            }
        }
        Entry::State { state, ids } => {
            for id in living(books, &ids) {
                books.stage_state(id, Some(state), None);
            }
        }
        Entry::Removed { ids } => {
            for id in living(books, &ids) {
                books.stage_removal(id)?;
            }
        }
        Entry::Job { id, state, record } => {
            if books.index.state(id.0).is_some() {
                books.stage_job(id.0, state, *record)?;
            }
        }
        Entry::Facts { host, facts } => books.stage_facts(&host, facts)?,
    }
    Ok(())
}

/// Takes the jobs of a pack that the journal holds into the store, all queued.
fn readmit(books: &mut Books, first: u64, jobs: &str) -> Result<(), QueueError> {
    let texts = pack::from_hex(jobs).and_then(|value| pack::open_jobs(&value)).map_err(|e| books.broken(&e))?;
    let mut packer: Option<Packer> = None;
    let mut at = 0;
    while let Some(spec) = texts.job(at).map_err(|e| books.broken(&e))? {
        let text = books.text(&spec)?;
        let pack = packer.get_or_insert_with(|| Packer::new(spec.source.account().clone(), first));
        pack.push(text, pack::hash(&spec), order::of(&spec));
        at += 1;
    }
    if let Some(mut pack) = packer {
        let last = first + super::index::wide(at);
        pack.write(books)?.publish(&mut books.index);
        books.numbers.next_id = books.numbers.next_id.max(last);
    }
    Ok(())
}

fn living(books: &Books, ids: &IdSet) -> Vec<u64> {
    ids.ranges().flat_map(|(low, high)| books.index.jobs(low.0, high.0)).map(|(id, _, _)| id).collect()
}
