//! A whole file that is still to get its name; no session is needed for that.

use super::failpoint::failpoint;
use super::finisher::{Content, Order};
use super::gauge::Phase;
use super::prove::Proved;
use super::task::{Halt, Report, Run, aside, on_disk};
use crate::disk::{PartFile, Place, move_to_backup, set_changed_aside};
use crate::model::{Cause, Existing, Failure, Identity, Listed, Receipt, Stage};
use crate::policy::unix_seconds;

/// All bytes of a file, proved to be right as far as that can be.
pub(super) struct Ready {
    pub(super) content: Content,
    pub(super) remote: Identity,
    /// Length in bytes.
    pub(super) size: u64,
    /// How it is known to be right.
    pub(super) proved: Proved,
}

/// A file whose bytes are all here, and the story of its attempt.
pub struct Whole<'a> {
    pub(super) run: Run<'a>,
    pub(super) place: Place,
    pub(super) ready: Ready,
}

impl Whole<'_> {
    /// Whether the file is put away in a moment: it is small, and nothing of it is to be computed.
    #[must_use]
    pub fn is_small(&self) -> bool {
        matches!(self.ready.content, Content::Bytes(_))
    }

    /// Makes the file durable and gives it its final name.
    pub async fn put_away(self) -> Report {
        let Self { mut run, place, ready } = self;
        let end = run.put_away(place, ready).await;
        run.report(end)
    }
}

impl Run<'_> {
    async fn put_away(&mut self, place: Place, ready: Ready) -> Result<Receipt, Halt> {
        let Ready { content, remote, size, proved } = ready;
        failpoint("transfer-verified");
        self.task.gauge.set_phase(Phase::Storing);
        let time = remote.modified.as_deref().and_then(unix_seconds);
        if let Content::Part(part) = &content {
            self.seal(part, time)?;
        }
        let replace = matches!(self.existing(), Existing::Overwrite | Existing::Backup | Existing::Resume);
        let kept = if self.existing() == Existing::Backup { self.keep_changed(&place)? } else { None };
        let order = Order { place, content, time, durable: self.is_durable(), replace };
        match self.task.finisher.finish(order).await {
            Some(Ok(leftover)) => {
                if let Some(error) = leftover {
                    self.add_note(&format!("a leftover could not be removed: {error}"));
                }
            }
            Some(Err((stage, error))) => return Err(error.into_failure(stage).into()),
            None => return Err(nobody().into()),
        }
        self.progress = None;
        let (fetched, note) = (self.fetched, self.note.clone());
        let Proved { proof, digests, checksum } = proved;
        let proof = Some(proof);
        Ok(Receipt { size, fetched, identity: remote, proof, digests, checksum, note, kept, ..Receipt::default() })
    }

    /// Gives a file that is not as it was fetched another name, so that it is not replaced. Returns its path then.
    fn keep_changed(&self, place: &Place) -> Result<Option<String>, Halt> {
        let Some(found) = on_disk(Stage::Commit, || place.final_file())? else { return Ok(None) };
        let Listed { size, modified, .. } = self.task.job.record.former.as_deref().cloned().unwrap_or_default();
        let time = modified.as_deref().and_then(unix_seconds);
        if size == Some(found.size) && time.is_none_or(|time| Some(time) == found.modified) {
            return Ok(None);
        }
        let destination = &self.task.job.spec.destination;
        let kept = on_disk(Stage::Commit, || match self.task.backup_dir {
            Some(dir) => move_to_backup(destination, dir),
            None => set_changed_aside(destination),
        })?;
        Ok(Some(kept.display().to_string()))
    }

    /// Sets the time of a part file, and makes all of it durable: a large one by itself, for it takes its time.
    fn seal(&mut self, part: &PartFile, time: Option<i64>) -> Result<(), Halt> {
        if let Some(time) = time {
            on_disk(Stage::Commit, || part.set_modified(time))?;
        }
        if !self.is_durable() {
            return Ok(());
        }
        let sealed = aside(Stage::Commit, || part.seal());
        self.or_distrust(part, sealed)
    }
}

fn nobody() -> Failure {
    let message = "the thread that gives files their names did not start, or broke down";
    Failure::local(Stage::Commit, Cause::LocalIo, message)
        .with_advice("check the limits on threads (ulimit -u), then run ftpq again: what is there is continued")
}
