//! What the part file is the beginning of, and whose: one that was begun with another of the job's sources is gone on with
//! as long as nothing shows that this one has another file.

use super::task::{Halt, Run, on_disk};
use crate::disk::{Label, Place};
use crate::model::{Cause, Identity, Progress, Source, Span, Stage};
use crate::policy::{Facts, FinalFile, Plan, known_progress, other_content, plan, same_identity};

/// What was there of another source before this attempt.
pub(super) struct Foreign {
    progress: Progress,
    /// Ranges of the part file, ascending.
    held: Vec<Span>,
}

impl Run<'_> {
    /// Decides what to do, given what is on the disk and what the server says.
    pub(super) fn plan(
        &mut self,
        place: &Place,
        remote: &Identity,
        digest: Option<bool>,
        no_rest: bool,
    ) -> Result<Plan, Halt> {
        let look = || {
            let part = place.part_file()?;
            let label = if part.is_some() { place.part_label()? } else { None };
            Ok((place.final_file()?, part, label))
        };
        let (found, part, label) = on_disk(Stage::Plan, look)?;
        let part = part.map(|f| f.size);
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
        let final_file = found.map(|f| FinalFile { size: f.size, modified: f.modified, digest_matches: digest });
        let plan = plan(&Facts {
            remote,
            expect: &self.task.job.spec.expect,
            has_digest: self.word.is_some() || self.pieces.is_some(),
            final_file,
            part,
            progress: self.progress.as_ref(),
            begun_with,
            boot_id: self.task.boot_id,
            existing: self.existing(),
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

    /// Makes the shorter file under the final name the part file.
    pub(super) async fn take_over(&mut self, place: &Place, remote: &Identity) -> Result<(), Halt> {
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
