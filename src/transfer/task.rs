//! The order of steps for one file.

pub(super) use super::aside::{aside, on_disk};
use super::findings::Findings;
use super::finisher::Finisher;
use super::follow::Follower;
use super::gauge::Gauge;
use super::known::UnchangedFile;
use super::link::Link;
use super::origin::{Compared, Foreign};
use super::patch::{Owner, Patch};
use super::prove::Word;
use super::recheck::told;
use super::split::Split;
use super::whole::{Ready, Whole};
use crate::disk::{Found, Place, Surveyed};
use crate::model::{
    Cause, Existing, Failure, FailureKind, Identity, Job, PieceDigests, Progress, Proof, Receipt, RemotePath, SameBy,
    Settings, Source, Stage, TransferType,
};
use crate::policy::{Difference, OVERLAP, Plan};
use crate::queue::Queue;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Tells a worker to stop: becomes `true` once, and stays so.
pub type Stop = watch::Receiver<bool>;

/// Told once bytes of a file begin to arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// Length in bytes, where known.
    pub size: Option<u64>,
    /// Offset in bytes it starts at.
    pub from: u64,
    /// Why bytes that were there are fetched again.
    pub why: Option<String>,
}

/// One file to fetch, and all that it takes besides the link.
pub struct Task<'a> {
    /// The job, as claimed.
    pub job: &'a Job,
    /// Which of its sources this attempt goes to.
    pub source: &'a Source,
    /// Files of the same account that come next and were finished before: the questions about them may go together.
    pub next: &'a [RemotePath],
    /// Its settings, every field filled.
    pub settings: &'a Settings,
    /// Where files go that were changed here and are replaced; beside the new ones where it is `None`.
    pub backup_dir: Option<&'a Path>,
    /// Where progress is recorded.
    pub queue: &'a Queue,
    /// Gives whole files their names.
    pub finisher: &'a Finisher,
    /// Where figures are shown.
    pub gauge: &'a Arc<Gauge>,
    /// This boot of the machine.
    pub boot_id: &'a str,
    /// When to stop.
    pub stop: Stop,
    /// Whom to tell that bytes begin to arrive.
    pub started: &'a (dyn Fn(Started) + Send + Sync),
    /// Whom to tell that what was changed here stands under this path now.
    pub kept: &'a (dyn Fn(&str) + Send + Sync),
    /// Whom to tell that further sessions may join.
    pub offer: &'a (dyn Fn(&Arc<Split>) + Send + Sync),
    /// What all workers found out on servers.
    pub findings: &'a Findings,
    /// Why nothing more is to be put into the job's folder, which lies on that device (`st_dev`), in this run.
    pub held_back: &'a (dyn Fn(u64) -> Option<Cause> + Send + Sync),
    /// The time of day, in seconds since 1970-01-01 UTC.
    pub now: fn() -> u64,
    /// A number below another, by chance.
    pub below: fn(u64) -> u64,
}

/// How an attempt ended, and what it left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Offset in bytes the last transfer began at.
    pub from: u64,
    /// Bytes that came over the network.
    pub fetched: u64,
    /// Bytes by which the file is longer than before.
    pub gained: u64,
    /// Why bytes were fetched again, and what else is worth knowing.
    pub note: Option<String>,
    /// What is kept of the file.
    pub progress: Option<Progress>,
    /// Device of the destination, once known.
    pub device: Option<u64>,
    /// The least time to let pass before the next attempt.
    pub pause: Option<Duration>,
    /// The end itself.
    pub end: End,
}

/// The end of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The whole, checked file stands under its final name. `finished_at` is still 0.
    Completed(Box<Receipt>),
    /// The file stays as it was finished before.
    Unchanged {
        /// What is known of it since then.
        receipt: Box<Receipt>,
        /// By what it is known that the server has the same; nothing where it has not, or that was not to count.
        same: Option<SameBy>,
    },
    /// Told to stop; what was received is kept.
    Stopped,
    /// It failed.
    Failed(Failure),
}

/// Why a step did not lead on.
#[derive(Debug)]
pub(super) enum Halt {
    /// Told to stop.
    Stopped,
    /// Failed.
    Failed(Failure),
    /// Decide anew; with a reason, from the file's first byte.
    Again(Option<String>),
    /// Bytes of two sessions don't belong together: only the file's proved beginning counts.
    Doubt(String),
    /// All bytes are there, and some are wrong: what is missing of the right ones is to be fetched.
    Mend(Patch),
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// A file is planned at most so often in one attempt: each time it was found changed under our hands.
const PLANS: u32 = 6;

/// How far the part of an attempt went that needs a session.
pub enum Fetched<'a> {
    /// To its end: nothing more is to be done.
    Ended(Box<Report>),
    /// All bytes are here; the file is still to be put away.
    Whole(Box<Whole<'a>>),
}

/// What is left of a file to do.
pub(super) enum Goal {
    /// Nothing: it was there already.
    Adopted(Box<Receipt>),
    /// Nothing: it stays as it was finished before.
    Unchanged(UnchangedFile),
    /// To put it away.
    Ready(Box<Ready>),
}

/// Fetches one file: from claim to its last byte. What is left to do needs no session any more.
pub async fn fetch<'a>(task: &'a Task<'a>, link: &mut Link) -> Fetched<'a> {
    let progress = task.job.record.progress.clone();
    let mut run = Run {
        task,
        from: 0,
        fetched: 0,
        gained: 0,
        note: link.protection().and_then(|protection| protection.caveat()).map(str::to_owned),
        progress,
        labelled: false,
        device: None,
        pause: None,
        announced: None,
        line_ends: 0,
        twice: false,
        unfit: false,
        final_file: None,
        seen_at: 0,
        difference: Difference::None,
        digest: None,
        owner: None,
        alone: false,
        refusals: (0, 0),
        foreign: None,
        word: task.job.spec.expect.checksum.clone().map(|checksum| Word { checksum, proof: Proof::Manifest }),
        pieces: task.job.spec.expect.pieces.as_ref().map(|pieces| Arc::new((**pieces).clone())),
        final_survey: None,
        asked: false,
        wrong: 0,
        mends: 0,
        own: None,
    };
    let end = match Box::pin(run.open(link)).await {
        Ok((place, Goal::Ready(mut ready))) => match Box::pin(run.look_again(&mut ready, link)).await {
            Ok(answered) => return Fetched::Whole(Box::new(Whole { run, place, ready: *ready, answered })),
            Err(halt) => Err(run.keep_unnamed(&place, *ready, halt)),
        },
        Ok((_, Goal::Unchanged(UnchangedFile { receipt, same }))) => {
            return Fetched::Ended(Box::new(run.told(End::Unchanged { receipt, same })));
        }
        Ok((_, Goal::Adopted(receipt))) => Ok(*receipt),
        Err(halt) => Err(halt),
    };
    Fetched::Ended(Box::new(run.report(end)))
}

/// An attempt under way.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each with a name")]
pub(super) struct Run<'a> {
    pub(super) task: &'a Task<'a>,
    pub(super) from: u64,
    pub(super) fetched: u64,
    pub(super) gained: u64,
    pub(super) note: Option<String>,
    pub(super) progress: Option<Progress>,
    /// Whether the part file carries its label.
    pub(super) labelled: bool,
    /// Device of the destination; nothing again once only this file is known not to fit there.
    pub(super) device: Option<u64>,
    /// The least time to let pass before the next attempt.
    pub(super) pause: Option<Duration>,
    /// What the reply to the last RETR announced, in bytes.
    pub(super) announced: Option<u64>,
    /// Line ends that came in the last transfer in TYPE A.
    pub(super) line_ends: u64,
    /// Whether the file is to be read twice, since the server's times show nothing.
    pub(super) twice: bool,
    /// Whether the shorter file under the final name may have gaps, and is not to be continued.
    pub(super) unfit: bool,
    /// What stood under the final name when the attempt was planned.
    pub(super) final_file: Option<Found>,
    /// When that was seen first, in seconds since 1970-01-01 UTC.
    pub(super) seen_at: i64,
    /// In what the server's file differs from the one that was fetched before.
    pub(super) difference: Difference,
    /// What hashed the file while it arrived, once all of it is there.
    pub(super) digest: Option<Follower>,
    /// The seat at a file that further sessions may join.
    pub(super) owner: Option<Owner>,
    /// Whether nobody is to join any more in this attempt.
    pub(super) alone: bool,
    /// Data connections in a row that were refused for their TLS session, and what had come until then.
    refusals: (u8, u64),
    /// What was there of another of the job's sources, while this attempt goes on with it.
    pub(super) foreign: Option<Foreign>,
    /// The checksum that the file is to have, as far as it is known beforehand.
    pub(super) word: Option<Word>,
    /// The digests that its pieces are to have.
    pub(super) pieces: Option<Arc<PieceDigests>>,
    /// What was computed of the file under the final name.
    pub(super) final_survey: Option<Surveyed>,
    /// Whether the server was asked for the checksum of a file that was there already.
    pub(super) asked: bool,
    /// How often all of the file was there, and wrong.
    pub(super) wrong: u32,
    /// How often ranges of it were fetched again in this attempt.
    pub(super) mends: u32,
    /// The file under the final name, where it is the one that this job put there, unchanged.
    pub(super) own: Option<Found>,
}

impl Run<'_> {
    /// What there is to tell of the attempt.
    pub(super) fn report(self, end: Result<Receipt, Halt>) -> Report {
        let end = match end {
            Ok(receipt) => End::Completed(Box::new(receipt)),
            Err(Halt::Stopped) => End::Stopped,
            Err(Halt::Failed(failure)) => End::Failed(failure),
            Err(Halt::Again(why)) => End::Failed(keeps_changing(why)),
            Err(Halt::Doubt(why)) => End::Failed(keeps_changing(Some(why))),
            Err(Halt::Mend(patch)) => End::Failed(keeps_changing(patch.why)),
        };
        self.told(end)
    }

    /// The same of an end.
    fn told(self, end: End) -> Report {
        let Self { from, fetched, gained, note, progress, device, pause, .. } = self;
        Report { from, fetched, gained, note, progress, device, pause, end }
    }

    async fn open(&mut self, link: &mut Link) -> Result<(Place, Goal), Halt> {
        let place = on_disk(Stage::Store, || Place::open(&self.task.job.spec.destination))?;
        self.device = Some(place.device());
        if let Some(cause) = (self.task.held_back)(place.device()) {
            return Err(held_back(cause, place.shown()).into());
        }
        let goal = self.go(&place, link).await?;
        Ok((place, goal))
    }

    async fn go(&mut self, place: &Place, link: &mut Link) -> Result<Goal, Halt> {
        if let Some(kept) = self.glance(place, link).await? {
            return Ok(Goal::Unchanged(kept));
        }
        self.look_for_word(link).await?;
        let mut remote = self.look_first(place, link).await?;
        if let Some(kept) = self.compare_known(place, &remote).await? {
            return Ok(Goal::Unchanged(kept));
        }
        let mut compared = Compared::default();
        let mut next: Option<Plan> = None;
        let mut last = None;
        for _ in 0..PLANS {
            // It holds the part file.
            self.owner = None;
            let step = match next.take() {
                Some(step) => step,
                None => self.plan(place, &remote, &mut compared, link.quirks().no_rest)?,
            };
            if step.fetches() && !self.twice {
                self.let_settle(&remote)?;
            }
            let doubts = link.doubts();
            let done = match step {
                Plan::Adopt { .. }
                    if compared.digest_matches.is_none() && self.ask_for_adopted(place, link).await? =>
                {
                    continue;
                }
                Plan::Adopt { note } => {
                    if let Some(goal) = Box::pin(self.adopt(place, &remote, note, compared)).await? {
                        return Ok(goal);
                    }
                    last = Some("the file here was changed while it was compared".to_owned());
                    continue;
                }
                Plan::LeaveAlone => match self.left_alone(place)? {
                    Some(receipt) => return Ok(Goal::Adopted(Box::new(receipt))),
                    None => continue,
                },
                Plan::Refuse(failure) => return Err(self.own_way_out(failure).into()),
                Plan::Compare | Plan::Sample => {
                    Box::pin(self.compare(place, (&step, &remote), &mut compared, link)).await?;
                    continue;
                }
                Plan::TakeOver => {
                    self.take_over(place, &remote).await?;
                    continue;
                }
                Plan::Finish => self.finish_part(place, &remote, link).await,
                Plan::Resume { from, have, why } => {
                    let from = Box::pin(self.look_for_proof(place, from, link)).await?;
                    let start = super::fetch::Start { from, have, why, set_aside: false };
                    self.fetch(place, &remote, start, link).await
                }
                Plan::Patch { held, why } => {
                    let end = held.first().map_or(0, |span| span.end);
                    Box::pin(self.look_for_proof(place, end.saturating_sub(OVERLAP), link)).await?;
                    Box::pin(self.patch(place, &remote, Patch { held, why }, link)).await
                }
                Plan::Fresh { why, set_aside } => {
                    let start = super::fetch::Start { from: 0, have: 0, why, set_aside };
                    self.fetch(place, &remote, start, link).await
                }
            };
            let done = match done {
                Ok(ready) if self.twice => Box::pin(self.read_again(place, ready, link)).await,
                done => done,
            };
            match done {
                Err(Halt::Again(Some(why))) if self.foreign.is_some() => return Err(self.give_back(place, &why)),
                Err(Halt::Mend(Patch { held, why })) => {
                    last.clone_from(&why);
                    next = Some(Plan::Patch { held, why });
                }
                Err(Halt::Again(why)) => {
                    last.clone_from(&why);
                    next = why.map(|why| Plan::Fresh { why: Some(why), set_aside: true });
                    // What the server said of another content is not to be held against this one.
                    self.word.take_if(|word| matches!(word.proof, Proof::Server { .. }));
                    remote = self.look_first(place, link).await?;
                }
                Err(Halt::Failed(failure)) if failure.cause == Cause::TlsReuse => {
                    self.after_refused_reuse(failure.clone(), link)?;
                    remote = match self.look(place, link).await {
                        // The server has no TLS 1.2 to fall back on: that is not what is wrong with it.
                        Err(Halt::Failed(older)) if older.cause == Cause::TlsRefused && link.step_up() => {
                            return Err(reuse_in_vain(failure, self.refusals.0).into());
                        }
                        found => found?,
                    };
                }
                Err(Halt::Failed(failure)) if link.doubts() != doubts && failure.kind == FailureKind::Transient => {
                    self.add_note(&format!("once more with fewer commands at once: {failure}"));
                    remote = self.look(place, link).await?;
                }
                other => return other.map(|ready| Goal::Ready(Box::new(ready))),
            }
        }
        Err(Halt::Again(last))
    }

    /// What follows from a data connection that was refused for its TLS session: a new session, at first with all that
    /// was before, then with TLS 1.2; then nothing is left.
    fn after_refused_reuse(&mut self, failure: Failure, link: &mut Link) -> Result<(), Halt> {
        let (count, fetched) = self.refusals;
        // Where bytes came meanwhile, the tickets had become too old once more.
        let count = if self.fetched > fetched { 1 } else { count + 1 };
        self.refusals = (count, self.fetched);
        if link.step_down(count) {
            let how = if count == 1 { "on a new session" } else { "on a new session with TLS 1.2" };
            self.add_note(&format!("once more {how}: {failure}"));
            return Ok(());
        }
        Err(reuse_in_vain(failure, count).into())
    }

    /// Checks a part file that holds all bytes: it was the same on the server before its first byte, and is now.
    async fn finish_part(&mut self, place: &Place, remote: &Identity, link: &mut Link) -> Result<Ready, Halt> {
        let part = on_disk(Stage::Store, || place.open_part())?;
        let ready = self.ready(place, part.into(), remote, link).await?;
        Ok(Ready { stability: ready.stability.or((!self.twice).then(|| told(remote))), ..ready })
    }

    /// The remote path.
    pub(super) fn path(&self) -> &RemotePath {
        self.task.source.path()
    }

    /// The remote file.
    pub(super) fn source(&self) -> &Source {
        self.task.source
    }

    /// Representation type of the transfer; the URL's `;type=` wins.
    pub(super) fn kind(&self) -> TransferType {
        self.task.source.transfer_type().or(self.task.settings.transfer_type).unwrap_or_default()
    }

    /// Whether the user wants nothing replaced. A kill may take the wish to replace what ftpq put there with it.
    pub(super) fn refuses_existing(&self) -> bool {
        self.task.settings.existing == Some(Existing::Error)
    }

    /// The user's wish for files that are there.
    pub(super) fn existing(&self) -> Existing {
        match self.task.settings.existing.unwrap_or_default() {
            Existing::Check | Existing::Error if self.may_replace_own() => Existing::Overwrite,
            existing => existing,
        }
    }

    /// The future's result, unless the worker is told to stop first.
    pub(super) async fn or_stop<T>(&self, work: impl Future<Output = T>) -> Result<T, Halt> {
        let mut stop = self.task.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|&stop| stop) => Err(Halt::Stopped),
            halt = Split::sent_away(self.owner.as_ref().map(|owner| &owner.seat.split)) => Err(halt),
            result = work => Ok(result),
        }
    }

    /// Adds a remark to the attempt's story.
    pub(super) fn add_note(&mut self, text: &str) {
        match &mut self.note {
            Some(note) if note.contains(text) => {}
            Some(note) => {
                note.push_str("; ");
                note.push_str(text);
            }
            None => self.note = Some(text.to_owned()),
        }
    }
}

/// The failure of a file whose folder was found to take nothing more in this run.
fn held_back(cause: Cause, place: &str) -> Failure {
    let (message, advice) = match cause {
        Cause::DiskFull => (format!("the file system of {place} is full"), "make space, then `ftpq run`"),
        _ => (format!("the folder of {place} can't be written"), "make it writable, then `ftpq run`"),
    };
    Failure::local(Stage::Store, cause, message).with_advice(advice)
}

fn keeps_changing(why: Option<String>) -> Failure {
    let why = why.unwrap_or_else(|| "the server did not take up the transfer where it was left".to_owned());
    Failure::transient(Stage::Plan, Cause::Changed, format!("started again {PLANS} times in a row, last because {why}"))
        .with_advice("the file may be written to right now: try again later")
}

/// The failure of data connections that were refused for their TLS session on as many sessions as there is hope for.
fn reuse_in_vain(failure: Failure, sessions: u8) -> Failure {
    let message = format!("{}, on {sessions} sessions in a row", failure.message);
    let advice = "`ftpq -v` shows by `resumed` and `full` what was agreed upon; ask the server's operator whether it \
                  demands TLS session reuse, and keeps sessions long enough";
    // The server's own words would meet every other file of the account too, at three sessions each; connections that just
    // broke may be whole again later.
    let kind = if failure.reply.is_some() { FailureKind::Permanent } else { failure.kind };
    Failure { kind, message, ..failure }.with_advice(advice)
}
