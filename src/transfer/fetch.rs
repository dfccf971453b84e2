//! The transfer itself: data connection, copy loop, verdict.

use super::copy::{Copier, Took};
use super::failpoint::failpoint;
use super::gauge::Phase;
use super::link::Link;
use super::piece::Met;
use super::split::Split;
use super::task::{Halt, Run, Started, on_disk};
use crate::disk::{PartFile, Place};
use crate::ftp::{Retrieval, Verdict};
use crate::model::{Cause, Durability, Existing, Failure, Identity, Progress, Receipt, Span, Stage, TransferType};
use crate::policy::{Bucket, expected_size};
use crate::queue::QueueError;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Where a transfer starts.
#[derive(Clone, Debug)]
pub(super) struct Start {
    pub(super) from: u64,
    pub(super) have: u64,
    pub(super) why: Option<String>,
    pub(super) set_aside: bool,
}

/// Received bytes that are read from the socket at once.
pub(super) const BUFFER: usize = 256 * 1024;
/// Fewer bytes are written without handing over the thread.
pub(super) const INLINE: usize = 64 * 1024;
/// Bytes, and time, after which what was received is made durable and recorded.
const RECORD_BYTES: u64 = 64 * 1024 * 1024;
const RECORD_TIME: Duration = Duration::from_secs(5);
/// A smaller file isn't worth a record of its own before it is whole.
const SMALL: u64 = 64 * 1024;
/// A transfer that took longer is followed by a second look at the remote file.
const LONG: Duration = Duration::from_secs(2);

/// How the copy loop ended, short of a failure.
pub(super) enum Copied {
    /// The data ended.
    End,
    /// It came to what another session fetched, and was proved to go on with that.
    Met,
    /// More came than the file holds.
    TooMuch,
}

impl Run<'_> {
    /// Fetches the file from `start`, and finishes it.
    pub(super) async fn fetch(
        &mut self,
        place: &Place,
        remote: &Identity,
        start: Start,
        link: &mut Link,
    ) -> Result<Receipt, Halt> {
        let size = self.wanted_size(remote);
        let part = self.open_part(place, &start, size)?;
        if let Some(why) = &start.why {
            self.add_note(why);
        }
        let progress = self.first_progress(remote, &start);
        let recorded = self.progress.as_ref().map_or(0, |old| old.durable);
        let labelled = on_disk(Stage::Store, || part.set_label(&self.task.job.spec.source, &progress))?;
        // A record that says more than is true now has to be replaced before the first byte.
        self.labelled = labelled && recorded <= progress.durable;
        self.progress = Some(progress);
        self.from = start.from;
        self.prepare_split(&part, &start, link.quirks().no_rest)?;
        let begun = Instant::now();
        let kind = self.kind();
        let mut copier = match kind {
            TransferType::Ascii => Copier::ascii(&part),
            TransferType::Image => Copier::new(&part, start.from, start.have, size),
        };
        let outcome = self.transfer(&mut copier, &part, &start, link).await;
        if self.is_shared().await {
            let begun = self.as_begun(outcome);
            return Box::pin(self.gather(place, part, (remote, begun), link)).await;
        }
        let (position, length) = (copier.position(), copier.length());
        if matches!(outcome, Err(Halt::Again(None))) {
            link.learn_no_rest();
        }
        // What has to be fetched again, from the file's start, is no gain until it is whole.
        if start.have > 0 || start.why.is_none() {
            self.gained += length.saturating_sub(start.have);
        }
        let kept = match &outcome {
            Err(Halt::Again(_)) => Ok(()),
            // Whole and well: it is made durable once, with its time, just before its name.
            Ok((Copied::End, Verdict::Confirmed)) if size == Some(position) => Ok(()),
            _ => self.keep(place, &part, length),
        };
        let (ending, verdict) = outcome?;
        kept?;
        if matches!(ending, Copied::TooMuch) {
            return self.too_much(place, part, remote, &start, link).await;
        }
        let confirmed = self.judge(position, size, verdict, &part)?;
        if !confirmed || start.have > 0 || begun.elapsed() > LONG {
            self.look_again(remote, &part, confirmed, link).await?;
        }
        self.finish(place, part, remote, start.have == 0).await
    }

    /// The part file, cut to what is to be kept, with space reserved for the rest.
    fn open_part(&mut self, place: &Place, start: &Start, size: Option<u64>) -> Result<PartFile, Halt> {
        let part = on_disk(Stage::Store, || {
            if start.set_aside {
                place.set_aside()?;
            }
            let part = place.open_part()?;
            part.truncate(start.have)?;
            Ok(part)
        })?;
        let size = size.unwrap_or(0);
        self.reserve(place, &part, size.saturating_sub(start.have), (start.have, size))?;
        Ok(part)
    }

    /// Reserves space for the rest of a file: `needed` bytes, of a part file that ends at one offset in bytes and is to end
    /// at another.
    pub(super) fn reserve(
        &mut self,
        place: &Place,
        part: &PartFile,
        needed: u64,
        reach: (u64, u64),
    ) -> Result<(), Halt> {
        if has_space(place, part, needed, reach)? {
            return Ok(());
        }
        // What is kept of an older version is worth less than the new one.
        on_disk(Stage::Store, || place.drop_old())?;
        if has_space(place, part, needed, reach)? {
            return Ok(());
        }
        // Other files may still fit.
        self.device = None;
        let free = on_disk(Stage::Store, || place.free_bytes())?;
        let message = format!("{needed} more bytes are needed for {}, {free} are free there", place.shown());
        let advice = "make space on that file system, then `ftpq run`: what is there is continued";
        Err(Failure::local(Stage::Store, Cause::DiskFull, message).with_advice(advice).into())
    }

    /// Opens the data connection and copies until the data ends.
    async fn transfer(
        &mut self,
        copier: &mut Copier<'_>,
        part: &PartFile,
        start: &Start,
        link: &mut Link,
    ) -> Result<(Copied, Verdict), Halt> {
        self.task.gauge.set_phase(Phase::Opening);
        self.task.gauge.set_have(start.have);
        let kind = self.kind();
        let path = self.path().clone();
        let session = self.or_stop(link.session()).await??;
        // A resume that was seen to work is as good as an announcement.
        let restarts = session.offers_restart() || start.from > 0;
        let opened = self.or_stop(session.retrieve(&path, kind, start.from)).await?;
        let mut retrieval = match opened {
            Ok(retrieval) => retrieval,
            Err(failure) if start.from > 0 => return Err(self.restart_refused(failure)),
            Err(failure) => return Err(failure.into()),
        };
        let size = self.task.gauge.size();
        (self.task.started)(Started { size, from: start.from, why: start.why.clone() });
        self.task.gauge.set_phase(Phase::Receiving);
        match self.copy(copier, part, &mut retrieval, restarts).await {
            Ok((Copied::End, ignored)) => {
                failpoint("transfer-last-byte");
                let verdict = self.or_stop(retrieval.finish()).await?;
                if ignored {
                    link.learn_no_rest();
                }
                Ok((Copied::End, verdict))
            }
            Ok((ending @ (Copied::TooMuch | Copied::Met), _)) => {
                retrieval.abort().await;
                Ok((ending, Verdict::Confirmed))
            }
            // No time for the server's word on it: dropping the session is as good.
            Err(Halt::Stopped) => Err(Halt::Stopped),
            Err(halt) => {
                retrieval.abort().await;
                Err(halt)
            }
        }
    }

    /// What follows from a transfer that could not be begun in the middle of the file.
    fn restart_refused(&mut self, failure: Failure) -> Halt {
        match (failure.stage, failure.cause) {
            (Stage::Restart, Cause::Refused) => {
                self.add_note(&format!("the server refused to restart: {failure}"));
                Halt::Again(None)
            }
            // 554: the file ends before the offset.
            (_, Cause::Changed) => Halt::Again(Some(failure.to_string())),
            _ => Halt::Failed(failure),
        }
    }

    /// The copy loop. Returns how it ended, and whether the server was found to ignore REST.
    async fn copy(
        &mut self,
        copier: &mut Copier<'_>,
        part: &PartFile,
        retrieval: &mut Retrieval<'_>,
        restarts: bool,
    ) -> Result<(Copied, bool), Halt> {
        let mut buffer = vec![0u8; BUFFER];
        let begun = Instant::now();
        let mut bucket = self.task.settings.limit_rate.map(|rate| Bucket::new(rate, Duration::ZERO));
        let portion = bucket.as_ref().map_or(BUFFER, Bucket::portion);
        let mut ledger = Ledger::new(copier.length());
        let mut ignored = false;
        if self.worth_a_record() {
            ledger.record(self, None).await?;
        }
        loop {
            let most = self.room(portion);
            if most == 0 {
                match self.meet(retrieval).await? {
                    Met::GoOn => continue,
                    Met::Joined => {
                        ledger.finish().await?;
                        return Ok((Copied::Met, ignored));
                    }
                }
            }
            let room = buffer.get_mut(..most).unwrap_or_default();
            let count = self.or_stop(retrieval.read(room)).await??;
            let bytes = buffer.get(..count).unwrap_or_default();
            self.fetched += count as u64;
            self.task.gauge.received(count);
            let took = if count < INLINE {
                // To hand the thread over costs more than such a write to the page cache.
                let took = if count == 0 { copier.end() } else { copier.take(bytes) };
                took.map_err(|error| error.into_failure(Stage::Store))?
            } else {
                on_disk(Stage::Store, || copier.take(bytes))?
            };
            self.reached(copier, restarts && !ignored)?;
            match took {
                Took::Fine => {}
                Took::RestIgnored => {
                    ignored = true;
                    self.owner = None;
                    self.add_note("the server ignored REST and sent the file from its start");
                }
                Took::Differs => return Err(Halt::Again(Some(self.differs(retrieval.announced())))),
                Took::TooMuch => {
                    ledger.finish().await?;
                    return Ok((Copied::TooMuch, ignored));
                }
            }
            if count == 0 {
                ledger.finish().await?;
                return Ok((Copied::End, ignored));
            }
            if self.is_durable() && ledger.is_due(self.held(copier)) {
                // What comes while it is made durable is not part of it.
                let held = self.ranges(copier);
                self.make_durable(part)?;
                ledger.record(self, Some(held)).await?;
            }
            if let Some(bucket) = &mut bucket {
                let wait = bucket.take(count, begun.elapsed());
                self.or_stop(tokio::time::sleep(wait)).await?;
            }
        }
    }

    /// Makes what was received durable, notes it, and lets go of an old part that is no further than the new one.
    fn keep(&mut self, place: &Place, part: &PartFile, length: u64) -> Result<(), Halt> {
        self.make_durable(part)?;
        if self.is_durable()
            && let Some(progress) = &mut self.progress
        {
            progress.durable = length;
        }
        on_disk(Stage::Store, || {
            // Gives back what was reserved for the rest: others may need it first.
            part.truncate(length)
        })?;
        drop_old_part(place, length)
    }

    /// Makes what was received durable.
    pub(super) fn make_durable(&mut self, part: &PartFile) -> Result<(), Halt> {
        if !self.is_durable() {
            return Ok(());
        }
        let synced = on_disk(Stage::Store, || part.sync());
        self.or_distrust(part, synced)
    }

    /// The result of a sync. After a failed one only what was durable before counts: the kernel tells of lost pages once.
    pub(super) fn or_distrust(&mut self, part: &PartFile, synced: Result<(), Halt>) -> Result<(), Halt> {
        if synced.is_err() {
            part.clear_label();
            if let Some(progress) = &mut self.progress {
                progress.boot_id.clear();
            }
        }
        synced
    }

    /// Whether bytes count only once they are durable.
    pub(super) fn is_durable(&self) -> bool {
        self.task.settings.durability != Some(Durability::None)
    }

    fn wanted_size(&self, remote: &Identity) -> Option<u64> {
        match self.kind() {
            TransferType::Image => expected_size(remote, &self.task.job.spec.expect),
            TransferType::Ascii => None,
        }
    }

    /// Whether a record is needed before anything is durable: where the part file can't carry its label, or where after
    /// a crash the file under the final name could not be told from one that another put there.
    fn worth_a_record(&self) -> bool {
        let small = self.task.gauge.size().is_some_and(|size| size <= SMALL);
        let identity = self.progress.as_ref().map(|progress| &progress.identity);
        let told = identity.is_some_and(|identity| identity.size.is_some() && identity.modified.is_some());
        self.existing() == Existing::Error || !told || !(self.labelled || small)
    }

    fn first_progress(&self, remote: &Identity, start: &Start) -> Progress {
        let durable = match &self.progress {
            Some(old) if old.boot_id == self.task.boot_id => old.durable.min(start.have),
            // Another boot: only durable bytes were taken over.
            Some(_) => start.have,
            None => 0,
        };
        let boot_id = self.task.boot_id.to_owned();
        Progress { identity: remote.clone(), durable, boot_id, ..Progress::default() }
    }

    fn differs(&self, announced: Option<u64>) -> String {
        let hint = announced.map_or_else(String::new, |n| format!(" (the server announced {n} bytes)"));
        format!("the bytes at offset {} differ from what was received before: the file changed{hint}", self.from)
    }
}

/// Reserves space, and gives back what it got where that isn't enough. Returns whether there is space.
fn has_space(place: &Place, part: &PartFile, needed: u64, (end, size): (u64, u64)) -> Result<bool, Halt> {
    if needed == 0 {
        return Ok(true);
    }
    if on_disk(Stage::Store, || place.free_bytes())? < needed {
        return Ok(false);
    }
    match on_disk(Stage::Store, || part.allocate(size)) {
        Ok(()) => Ok(true),
        Err(Halt::Failed(failure)) if failure.cause == Cause::DiskFull => {
            on_disk(Stage::Store, || part.truncate(end))?;
            Ok(false)
        }
        Err(halt) => Err(halt),
    }
}

/// Lets go of an old part that is no further than the new one.
pub(super) fn drop_old_part(place: &Place, length: u64) -> Result<(), Halt> {
    on_disk(Stage::Store, || match place.old_part()? {
        Some(old) if old.size < length => place.drop_old(),
        _ => Ok(()),
    })
}

/// When progress was recorded last, and the record that is being written.
pub(super) struct Ledger {
    at: Instant,
    held: u64,
    pending: Option<JoinHandle<Result<(), QueueError>>>,
}

impl Ledger {
    pub(super) fn new(held: u64) -> Self {
        Self { at: Instant::now(), held, pending: None }
    }

    pub(super) fn is_due(&self, held: u64) -> bool {
        let gained = held.saturating_sub(self.held);
        gained >= RECORD_BYTES || (gained > 0 && self.at.elapsed() >= RECORD_TIME)
    }

    /// Starts to record the progress, with the ranges that were made durable; the bytes flow on meanwhile.
    async fn record(&mut self, run: &mut Run<'_>, durable: Option<Vec<Span>>) -> Result<(), Halt> {
        if let Some(owner) = &run.owner {
            return self.record_split(&owner.seat.split, durable).await;
        }
        self.finish().await?;
        let Some(progress) = &mut run.progress else { return Ok(()) };
        if let Some(span) = durable.as_deref().and_then(<[Span]>::first) {
            progress.durable = span.end;
        }
        self.note(durable.as_deref());
        let (queue, id, progress) = (run.task.queue.clone(), run.task.job.id, progress.clone());
        self.pending = Some(tokio::spawn(async move { queue.checkpoint(id, progress).await }));
        Ok(())
    }

    /// As [`Ledger::record`], for a file that may come in pieces.
    pub(super) async fn record_split(&mut self, split: &Arc<Split>, durable: Option<Vec<Span>>) -> Result<(), Halt> {
        self.finish().await?;
        self.note(durable.as_deref());
        let split = Arc::clone(split);
        self.pending = Some(tokio::spawn(async move { split.record(durable).await }));
        Ok(())
    }

    fn note(&mut self, durable: Option<&[Span]>) {
        self.at = Instant::now();
        self.held = durable.map_or(self.held, |spans| spans.iter().map(|span| span.end - span.start).sum());
    }

    pub(super) async fn finish(&mut self) -> Result<(), Halt> {
        let Some(pending) = self.pending.take() else { return Ok(()) };
        match pending.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(unrecorded(&error).into()),
            Err(error) => Err(unrecorded(&error).into()),
        }
    }
}

/// The queue could not take down how far a file has got.
pub(super) fn unrecorded(error: &dyn std::error::Error) -> Failure {
    Failure::local(Stage::Store, Cause::LocalIo, format!("the progress could not be recorded: {error}"))
}
