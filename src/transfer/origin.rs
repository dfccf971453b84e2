//! What the part file is the beginning of, and whose: one that was begun with another of the job's sources is gone on with
//! as long as nothing shows that this one has another file.

use super::link::Link;
use super::sample::ALL_COMPARED;
use super::task::{Halt, Run, aside, on_disk};
use crate::disk::{Found, Label, PartFile, Place};
use crate::model::{Cause, Existing, Identity, Progress, Source, Span, Stage};
use crate::policy::{Facts, FinalFile, OVERLAP, Plan, known_progress, other_content, plan, same_identity, variety};

/// Different pieces of 64 bytes that a block has to have to be told from others.
const TELLING: usize = 16;
/// How far back such a block is looked for, in bytes: all behind it is fetched again.
const BACK: u64 = 64 * 1024 * 1024;

/// What was found out of the file under the final name.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Compared {
    /// The file as it stood before it was read.
    pub(super) of: Option<Found>,
    /// Whether its digest is the one it should have.
    pub(super) digest_matches: Option<bool>,
    /// Whether its bytes are the server's in some places.
    pub(super) bytes_match: Option<bool>,
}

/// What was there of another source before this attempt.
pub(super) struct Foreign {
    progress: Progress,
    /// Ranges of the part file, ascending.
    held: Vec<Span>,
}

impl Run<'_> {
    /// Takes note of what stands under the final name.
    pub(super) fn see(&mut self, found: Option<Found>) {
        if self.final_file != found {
            (self.final_file, self.seen_at) = (found, self.now());
        }
    }

    /// Compares what stands under the final name as the plan says.
    pub(super) async fn compare(
        &mut self,
        place: &Place,
        (plan, remote): (&Plan, &Identity),
        compared: &mut Compared,
        link: &mut Link,
    ) -> Result<(), Halt> {
        compared.of = self.final_file;
        if *plan == Plan::Compare {
            compared.digest_matches = Some(self.compare_final(place).await?);
            return Ok(());
        }
        let size = self.wanted_size(remote);
        let mut is_like = self.sample_final(size, link).await?;
        // An edit need not be where samples are taken.
        let is_doubtful = self.is_changed_here() || self.is_just_named(place)?;
        if is_like && size.is_some_and(|size| size > ALL_COMPARED) && !link.quirks().no_rest && is_doubtful {
            self.add_note("its bytes were compared one by one: it may have been changed here since it was named");
            is_like = self.sample_final(None, link).await?;
        }
        compared.bytes_match = Some(is_like);
        Ok(())
    }

    /// Decides what to do, given what is on the disk and what the server says.
    pub(super) fn plan(
        &mut self,
        place: &Place,
        remote: &Identity,
        compared: &mut Compared,
        no_rest: bool,
    ) -> Result<Plan, Halt> {
        let look = || {
            let part = place.part_file()?;
            let label = if part.is_some() { place.part_label()? } else { None };
            Ok((place.final_file()?, part, label))
        };
        let (found, part, label) = on_disk(Stage::Plan, look)?;
        let part = part.map(|f| f.size);
        self.see(found);
        if compared.of != found {
            *compared = Compared::default();
        }
        self.foreign = None;
        self.progress = self.known(label);
        let own = &self.task.job.spec.source;
        let begun_with = self.progress.as_ref().map(|it| it.begun_with(own)).filter(|it| *it != self.task.source);
        if let Some(begun_with) =
            begun_with.filter(|_| found.is_none() && part.is_some_and(|length| length > 0) && self.is_at_odds())
        {
            let why = format!("it has another file than {begun_with}, with which the part file was begun");
            return Ok(Plan::Fresh { why: Some(why), set_aside: true });
        }
        let same = |known: &&Progress| begun_with.is_none() && same_identity(&known.identity, remote);
        if let Some(progress) = self.progress.as_ref().filter(same) {
            self.wrong = self.wrong.max(progress.wrong);
        }
        let Compared { digest_matches, bytes_match, .. } = *compared;
        let final_file = found.map(|f| FinalFile { size: f.size, modified: f.modified, digest_matches, bytes_match });
        // One that may have gaps stands where it is until the new one is whole.
        let existing = if self.unfit { Existing::Overwrite } else { self.existing() };
        let plan = plan(&Facts {
            remote,
            expect: &self.task.job.spec.expect,
            has_digest: self.word.is_some() || self.pieces.is_some(),
            final_file,
            own: self.own.filter(|own| Some(*own) == found).map(|_| self.difference),
            part,
            progress: self.progress.as_ref(),
            begun_with,
            boot_id: self.task.boot_id,
            existing,
            resume: self.task.settings.resume.unwrap_or(true),
            kind: self.kind(),
            no_rest,
        });
        let held = match &plan {
            Plan::Resume { have, .. } => vec![Span { start: 0, end: *have }],
            Plan::Patch { held, .. } => held.clone(),
            _ => Vec::new(),
        };
        if let Some(begun_with) = begun_with.filter(|_| !held.is_empty()).map(Source::to_string) {
            self.foreign = self.progress.clone().map(|progress| Foreign { progress, held });
            self.add_note(&format!("went on with what came from {begun_with}"));
        }
        Ok(plan)
    }

    /// What is known of the part file, from its label and from the queue's record. Bytes of a source that is none of the
    /// job's are not what the queue recorded.
    fn known(&self, label: Option<Label>) -> Option<Progress> {
        let Some(Label { source, progress }) = label else { return self.progress.clone() };
        let spec = &self.task.job.spec;
        if !spec.sources().any(|(_, known)| *known == source) {
            return None;
        }
        let source = (source != spec.source).then(|| Box::new(source));
        known_progress(self.progress.as_ref(), Some(&Progress { source, ..progress }), self.task.boot_id)
    }

    /// Whether this source was found to have another content than the part file before.
    fn is_at_odds(&self) -> bool {
        let trouble = self.task.job.record.trouble(self.task.source);
        trouble.is_some_and(|trouble| trouble.failure.cause == Cause::OtherContent)
    }

    /// How a part file that is begun now is marked: with the source, unless it is the job's own.
    pub(super) fn mark(&self) -> Option<Box<Source>> {
        (*self.task.source != self.task.job.spec.source).then(|| Box::new(self.task.source.clone()))
    }

    /// Whose the part file is and stays, and of which identity.
    pub(super) fn origin(&self, remote: &Identity) -> (Identity, Option<Box<Source>>) {
        match &self.foreign {
            Some(Foreign { progress, .. }) => (progress.identity.clone(), progress.source.clone()),
            None => (remote.clone(), self.mark()),
        }
    }

    /// Sees, before a part file of another source is gone on with, that the file begins as this source's does, and that what
    /// is compared then can tell two files apart: blank blocks are alike in all. A checksum makes both needless. Returns
    /// the offset to begin at.
    pub(super) async fn look_for_proof(&mut self, place: &Place, from: u64, link: &mut Link) -> Result<u64, Halt> {
        let expect = &self.task.job.spec.expect;
        if self.foreign.is_none() || expect.checksum.is_some() || from == 0 {
            return Ok(from);
        }
        // Closed again before the transfer opens it.
        let part = on_disk(Stage::Plan, || place.open_part())?;
        let from = telling(&part, from)?;
        if from > 0 && !self.begins_alike(&part, link).await? {
            drop(part);
            return Err(self.give_back(place, "its first bytes differ"));
        }
        Ok(from)
    }

    /// Leaves the part file as it was before this attempt: this source has another file.
    pub(super) fn give_back(&mut self, place: &Place, why: &str) -> Halt {
        let Some(Foreign { progress, held }) = self.foreign.take() else { return Halt::Again(Some(why.to_owned())) };
        // It holds the part file.
        self.owner = None;
        let end = held.last().map_or(0, |span| span.end);
        let beginning = held.first().filter(|span| span.start == 0).map_or(0, |span| span.end);
        let ranges = if end == beginning { Vec::new() } else { held };
        let progress = Progress {
            durable: progress.durable.min(beginning),
            boot_id: self.task.boot_id.to_owned(),
            durable_ranges: if ranges.is_empty() { Vec::new() } else { progress.durable_ranges.clone() },
            ranges,
            ..progress
        };
        let begun_with = progress.begun_with(&self.task.job.spec.source).clone();
        let restored = on_disk(Stage::Store, || {
            let part = place.open_part()?;
            if part.len()? > end {
                part.truncate(end)?;
            }
            part.set_label(&begun_with, &progress)
        });
        self.gained = 0;
        self.progress = Some(progress);
        match restored {
            Ok(_) => Halt::Failed(other_content(&begun_with, why)),
            Err(halt) => halt,
        }
    }

    /// Makes the shorter file under the final name the part file, unless something speaks against its being the beginning
    /// of the whole one.
    pub(super) async fn take_over(&mut self, place: &Place, remote: &Identity) -> Result<(), Halt> {
        if let Some(why) = aside(Stage::Plan, || place.unfit(&|| *self.task.stop.borrow()))? {
            self.unfit = true;
            self.add_note(&format!("the shorter file under the final name was not continued: {why}"));
            return Ok(());
        }
        if *self.task.stop.borrow() {
            // It was not looked at to its end.
            return Err(Halt::Stopped);
        }
        let (job, boot_id) = (self.task.job, self.task.boot_id.to_owned());
        let durable = on_disk(Stage::Plan, || place.final_file())?.map_or(0, |found| found.size);
        let source = self.mark();
        let progress = Progress { identity: remote.clone(), source, durable, boot_id, ..Progress::default() };
        // Known for what it is before it is renamed: an interruption must not make it nobody's.
        if !on_disk(Stage::Plan, || place.label_final(self.task.source, &progress))? {
            let recorded = self.task.queue.checkpoint(job.id, progress.clone()).await;
            recorded.map_err(|error| super::ledger::unrecorded(&error))?;
        }
        on_disk(Stage::Plan, || {
            if place.part_file()?.is_some() {
                place.remove_part()?;
            }
            place.adopt_final()
        })?;
        self.progress = Some(progress);
        self.add_note("continued a shorter file that stood under the final name");
        Ok(())
    }
}

/// The last offset up to `from` at which the part file has bytes that tell where they stand, and no further back than is worth it.
fn telling(part: &PartFile, from: u64) -> Result<u64, Halt> {
    let mut block = vec![0; usize::try_from(OVERLAP).unwrap_or(0)];
    let mut at = from;
    loop {
        let count = on_disk(Stage::Plan, || part.read_at(&mut block, at))?;
        if variety(block.get(..count).unwrap_or_default()) >= TELLING {
            return Ok(at);
        }
        if at == 0 || from - at >= BACK {
            return Ok(at);
        }
        at = at.saturating_sub(OVERLAP);
    }
}
