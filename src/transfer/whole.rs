//! A whole file that is still to get its name; no session is needed for that.

use super::failpoint::failpoint;
use super::fetch::Start;
use super::finisher::{Content, Named, Order};
use super::gauge::Phase;
use super::prove::Proved;
use super::recheck::Answer;
use super::task::{Halt, Report, Run, aside, on_disk};
use crate::disk::{PartFile, Place, Stamp, check_backup, move_to_backup, set_changed_aside};
use crate::model::{Cause, Existing, Failure, Identity, Receipt, Stability, Stage};
use crate::policy::unix_seconds;
use tokio::sync::oneshot;

/// All bytes of a file, proved to be right as far as that can be.
pub(super) struct Ready {
    pub(super) content: Content,
    pub(super) remote: Identity,
    /// Length in bytes.
    pub(super) size: u64,
    /// How it is known to be right.
    pub(super) proved: Proved,
    /// How it is known to be of one version; nothing while the server is still to be asked.
    pub(super) stability: Option<Stability>,
    /// The part file's, when its last byte was there.
    pub(super) stamp: Option<Stamp>,
}

/// A file whose bytes are all here, and the story of its attempt.
pub struct Whole<'a> {
    pub(super) run: Run<'a>,
    pub(super) place: Place,
    pub(super) ready: Ready,
    /// Where the server's last word on the file will come from, if it is still to come.
    pub(super) answered: Option<oneshot::Receiver<Answer>>,
}

impl Whole<'_> {
    /// Whether the file is put away in a moment: it is small, and nothing of it is to be computed.
    #[must_use]
    pub fn is_small(&self) -> bool {
        matches!(self.ready.content, Content::Bytes(_))
    }

    /// Makes the file durable and gives it its final name.
    pub async fn put_away(self) -> Report {
        let Self { mut run, place, mut ready, answered } = self;
        if let Some(answered) = answered {
            run.task.gauge.set_phase(Phase::Asking);
            match run.hear_again(&ready.remote, answered).await {
                Ok(stability) => ready.stability = Some(stability),
                Err(halt) => {
                    let halt = run.keep_unnamed(&place, ready, halt);
                    return run.report(Err(halt));
                }
            }
        }
        let end = run.put_away(place, ready).await;
        run.report(end)
    }
}

impl Run<'_> {
    async fn put_away(&mut self, place: Place, ready: Ready) -> Result<Receipt, Halt> {
        let Ready { content, remote, size, proved, stability, stamp } = ready;
        failpoint("transfer-verified");
        self.task.gauge.set_phase(Phase::Storing);
        let time = remote.modified.as_deref().and_then(unix_seconds);
        if let Content::Part(part) = &content {
            if let Some(stamp) = stamp {
                self.look_for_touch(part, stamp)?;
            }
            self.seal(part, time)?;
        }
        let may_replace = matches!(self.existing(), Existing::Overwrite | Existing::Backup | Existing::Resume);
        let kept = match self.keep_changed(&place) {
            Ok(kept) => kept,
            Err(halt) => {
                let ready = Ready { content, remote, size, proved, stability, stamp };
                return Err(self.keep_unnamed(&place, ready, halt));
            }
        };
        let replaces = self.final_file.filter(|_| may_replace && kept.is_none());
        let order = Order { place, content, time, durable: self.is_durable(), replaces };
        let modified = match self.task.finisher.finish(order).await {
            Some(Ok(Named { leftover, modified })) => {
                if let Some(error) = leftover {
                    self.add_note(&format!("a leftover could not be removed: {error}"));
                }
                modified
            }
            Some(Err((stage, error))) => return Err(error.into_failure(stage).into()),
            None => return Err(nobody().into()),
        };
        self.progress = None;
        let (fetched, note) = (self.fetched, self.note.clone());
        let Proved { proof, digests, checksum } = proved;
        let proof = Some(proof);
        Ok(Receipt {
            size,
            fetched,
            identity: remote,
            modified_here: modified.filter(|_| modified != time),
            proof,
            digests,
            checksum,
            stability,
            note,
            kept,
            ..Receipt::default()
        })
    }

    /// Asks, before the first byte is fetched, whether the file that it is to replace can be kept.
    pub(super) fn may_back_up(&self, place: &Place) -> Result<(), Halt> {
        let Some(dir) = self.task.backup_dir.filter(|_| self.existing() == Existing::Backup) else { return Ok(()) };
        if on_disk(Stage::Store, || place.final_file())?.is_none_or(|found| self.own == Some(found)) {
            return Ok(());
        }
        let destination = &self.task.job.spec.destination;
        let (from, to) = (destination.full(), dir.join(destination.path().as_str()));
        let folders = from.parent().zip(to.parent());
        on_disk(Stage::Store, || folders.map_or(Ok(()), |(from, to)| check_backup(from, to)))
    }

    /// Gives a file that is not as it was fetched another name, so that it is not replaced. Returns its path then.
    fn keep_changed(&mut self, place: &Place) -> Result<Option<String>, Halt> {
        if self.existing() != Existing::Backup {
            return Ok(None);
        }
        let Some(found) = on_disk(Stage::Commit, || place.final_file())? else { return Ok(None) };
        if self.own == Some(found) {
            return Ok(None);
        }
        let destination = &self.task.job.spec.destination;
        let kept = on_disk(Stage::Commit, || match self.task.backup_dir {
            Some(dir) => move_to_backup(destination, dir),
            None => set_changed_aside(destination),
        })?;
        let kept = kept.display().to_string();
        // At once: whatever stops the process before the end, the user knows where the file is.
        (self.task.kept)(&kept);
        failpoint("transfer-set-aside");
        // Whatever comes of the new file.
        self.add_note(&format!("the file that was here is kept as {kept}"));
        Ok(Some(kept))
    }

    /// Keeps a file's bytes for the next attempt, which has nothing to fetch then.
    pub(super) fn keep_content(&mut self, place: &Place, ready: Ready) -> Result<(), Halt> {
        match ready.content {
            Content::Part(part) => self.keep(place, &part, ready.size),
            Content::Bytes(bytes) => {
                let start = Start { from: 0, have: 0, why: None, set_aside: false };
                let part = self.begin_part(place, &ready.remote, &start)?;
                on_disk(Stage::Store, || part.write_at(&bytes, 0))?;
                self.keep(place, &part, ready.size)
            }
        }
    }

    /// Lets go of a part file that another program wrote to after its last byte had come.
    fn look_for_touch(&mut self, part: &PartFile, stamp: Stamp) -> Result<(), Halt> {
        let same = on_disk(Stage::Commit, || part.must_be_as(stamp));
        if same.is_err() {
            part.clear_label();
            self.progress = None;
        }
        same
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
