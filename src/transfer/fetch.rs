//! The transfer itself: data connection, copy loop, verdict.

use super::copy::{Copier, Took};
use super::failpoint::failpoint;
use super::follow::{self, Follower};
use super::gauge::Phase;
use super::ledger::Ledger;
use super::link::Link;
use super::piece::Met;
use super::space::{drop_old_part, may_write};
use super::task::{Halt, Run, Started, aside, on_disk};
use super::tools::Tools;
use super::whole::Ready;
use crate::disk::{DiskError, PartFile, Place};
use crate::ftp::{Retrieval, Verdict};
use crate::model::{Cause, Durability, Failure, Identity, Progress, Stage, TransferType};
use crate::policy::{Bucket, expected_size};
use std::time::Duration;
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
/// The same for the smallest file.
const LEAST: usize = 8 * 1024;
/// Fewer bytes are written without handing over the thread.
const INLINE: usize = 64 * 1024;
/// Fewer bytes left than this are read and written: a pipe pays for itself only then.
const SPLICE: u64 = 256 * 1024;
/// A smaller file isn't worth a record of its own before it is whole.
pub(super) const SMALL: u64 = 64 * 1024;

/// How the copy loop ended, short of a failure.
pub(super) enum Copied {
    /// The data ended.
    End,
    /// It came to what another session fetched, and was proved to go on with that.
    Met,
    /// More came than the file holds.
    TooMuch,
}

/// Where received bytes go, and who is told.
struct Sink<'a> {
    copier: Copier<'a>,
    ledger: Ledger<'a>,
    /// What hashes the file meanwhile.
    follower: Option<Follower>,
    tools: Tools,
}

/// How received bytes get into the file.
struct Way {
    /// Bytes that are read at once.
    portion: usize,
    /// Bytes to what another session fetched.
    room: usize,
    /// Whether they may be spliced where nothing has to see them.
    may_splice: bool,
    /// Whether some were.
    spliced: bool,
}

/// A transfer that is over, however it ended, and what came of it.
pub(super) struct Sent {
    pub(super) start: Start,
    pub(super) part: PartFile,
    pub(super) outcome: Result<(Copied, Verdict), Halt>,
    /// Offset in bytes after the last byte that came.
    pub(super) position: u64,
    /// Bytes at the start of the part file that are right.
    pub(super) length: u64,
}

impl Run<'_> {
    /// Fetches the file from `start`.
    pub(super) async fn fetch(
        &mut self,
        place: &Place,
        remote: &Identity,
        start: Start,
        link: &mut Link,
    ) -> Result<Ready, Halt> {
        let size = self.wanted_size(remote);
        may_write(place, size)?;
        self.may_back_up(place)?;
        if self.is_small(remote, &start, size) {
            // The disk sees such a file only once it is whole: whether it would take it is asked before.
            on_disk(Stage::Store, || place.check_writable())?;
            return self.fetch_small(place, remote, start, link).await;
        }
        let part = self.begin_part(place, remote, &start)?;
        self.from = start.from;
        self.prepare_split(&part, remote, &start, link.quirks().no_rest)?;
        let copier = match self.kind() {
            TransferType::Ascii => Copier::ascii(&part),
            TransferType::Image => Copier::new(&part, start.from, start.have, size),
        };
        let follower = self.follow(place, &part, size, link);
        let ledger = Ledger::new(place, &part, start.have);
        let mut sink = Sink { copier, ledger, follower, tools: std::mem::take(&mut link.tools) };
        let outcome = Box::pin(self.transfer(&mut sink, &start, link)).await;
        let (position, length) = (sink.copier.position(), sink.copier.length());
        self.line_ends = sink.copier.line_ends();
        let Sink { follower, tools, .. } = sink;
        link.tools = tools;
        self.digest = follower;
        let ready = if self.is_shared().await {
            let begun = self.as_begun(outcome);
            Box::pin(self.gather(place, part, (remote, begun), link)).await
        } else {
            let sent = Sent { start, part, outcome, position, length };
            self.judge_sent(place, remote, sent, link).await
        };
        if ready.is_err() {
            // The next transfer may be of another version of the file.
            self.digest = None;
        }
        ready
    }

    /// The part file, labelled, and ready for its first byte.
    pub(super) fn begin_part(&mut self, place: &Place, remote: &Identity, start: &Start) -> Result<PartFile, Halt> {
        let part = self.open_part(place, start, self.wanted_size(remote))?;
        if let Some(why) = &start.why {
            self.add_note(why);
        }
        let progress = self.first_progress(remote, start);
        let recorded = self.progress.as_ref().map_or(0, |old| old.durable);
        let begun_with = progress.begun_with(&self.task.job.spec.source);
        let labelled = on_disk(Stage::Store, || part.set_label(begun_with, &progress))?;
        // A record that says more than is true now has to be replaced before the first byte.
        self.labelled = labelled && recorded <= progress.durable;
        self.progress = Some(progress);
        Ok(part)
    }

    /// What follows from a transfer: keeps what came, and decides whether it is the whole file.
    pub(super) async fn judge_sent(
        &mut self,
        place: &Place,
        remote: &Identity,
        sent: Sent,
        link: &mut Link,
    ) -> Result<Ready, Halt> {
        let Sent { start, part, outcome, position, length } = sent;
        let size = self.wanted_size(remote);
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
            Ok((Copied::End, Verdict::Confirmed | Verdict::Cut { .. })) if size == Some(position) => Ok(()),
            _ => self.keep(place, &part, length),
        };
        let (ending, verdict) = outcome?;
        kept?;
        if matches!(ending, Copied::TooMuch) {
            return Err(self.too_much(place, part, (remote, &start), link).await);
        }
        on_disk(Stage::Store, || part.must_reach(length))?;
        self.judge(position, size, verdict, &part)?;
        self.ready(place, part.into(), remote, link).await
    }

    /// Begins to hash the file while it arrives, where it is known by what and the file is worth it.
    pub(super) fn follow(&self, place: &Place, part: &PartFile, size: Option<u64>, link: &Link) -> Option<Follower> {
        let wanted = self.wanted(link);
        if wanted.is_empty() || size.is_some_and(|size| size < follow::WORTH) {
            return None;
        }
        // Where the file can't be opened once more, it is hashed at its end.
        let reader = tokio::task::block_in_place(|| part.reader(place)).ok()?;
        Some(Follower::start(reader, wanted))
    }

    /// Opens the data connection: the server has accepted the transfer, or sends already.
    pub(super) async fn begin_transfer<'l>(
        &mut self,
        start: &Start,
        link: &'l mut Link,
    ) -> Result<Retrieval<'l>, Halt> {
        self.task.gauge.set_phase(Phase::Opening);
        self.task.gauge.set_have(start.have);
        let kind = self.kind();
        let path = self.path().clone();
        let session = self.or_stop(link.session()).await??;
        if let Some(owner) = &mut self.owner {
            // A resume that was seen to work is as good as an announcement.
            owner.restarts = session.offers_restart() || start.from > 0;
        }
        let opened = self.or_stop(session.retrieve(&path, kind, start.from)).await?;
        let retrieval = match opened {
            Ok(retrieval) => retrieval,
            Err(failure) if start.from > 0 => return Err(self.restart_refused(failure)),
            Err(failure) => return Err(failure.into()),
        };
        let size = self.task.gauge.size();
        (self.task.started)(Started { size, from: start.from, why: start.why.clone() });
        self.task.gauge.set_phase(Phase::Receiving);
        Ok(retrieval)
    }

    /// Opens the data connection and copies until the data ends.
    async fn transfer(
        &mut self,
        sink: &mut Sink<'_>,
        start: &Start,
        link: &mut Link,
    ) -> Result<(Copied, Verdict), Halt> {
        let mut retrieval = self.begin_transfer(start, link).await?;
        let copied = self.copy(sink, &mut retrieval).await;
        let ignored = matches!(copied, Ok((Copied::End, true)));
        let ended = self.end_transfer(retrieval, copied.map(|(ending, _)| ending)).await?;
        if ignored {
            link.learn_no_rest();
        }
        Ok(ended)
    }

    /// Ends a transfer after its bytes: takes the server's word on it, or breaks it off.
    pub(super) async fn end_transfer(
        &mut self,
        retrieval: Retrieval<'_>,
        copied: Result<Copied, Halt>,
    ) -> Result<(Copied, Verdict), Halt> {
        self.announced = retrieval.announced();
        match copied {
            Ok(Copied::End) => {
                failpoint("transfer-last-byte");
                Ok((Copied::End, self.or_stop(retrieval.finish()).await?))
            }
            Ok(ending @ (Copied::TooMuch | Copied::Met)) => {
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

    /// Copies, and leaves no record behind that is still to be written.
    async fn copy(&mut self, sink: &mut Sink<'_>, retrieval: &mut Retrieval<'_>) -> Result<(Copied, bool), Halt> {
        let copied = self.copy_all(sink, retrieval).await;
        let recorded = sink.ledger.finish(self).await;
        let copied = copied?;
        recorded?;
        Ok(copied)
    }

    /// The copy loop. Returns how it ended, and whether the server was found to ignore REST.
    async fn copy_all(&mut self, sink: &mut Sink<'_>, retrieval: &mut Retrieval<'_>) -> Result<(Copied, bool), Halt> {
        let begun = Instant::now();
        let mut bucket = self.task.settings.limit_rate.map(|rate| Bucket::new(rate, Duration::ZERO));
        let portion = bucket.as_ref().map_or(BUFFER, Bucket::portion).min(self.portion());
        let mut way = Way { portion, room: usize::MAX, may_splice: bucket.is_none(), spliced: false };
        let mut ignored = false;
        if self.worth_a_record() {
            sink.ledger.open(self);
        }
        loop {
            way.room = self.room();
            if way.room == 0 {
                match self.meet(retrieval).await? {
                    Met::GoOn => continue,
                    Met::Joined => return Ok((Copied::Met, ignored)),
                }
            }
            let (count, took) = self.copy_some(sink, &mut way, retrieval).await?;
            self.reached(&sink.copier)?;
            let length = sink.copier.length();
            match took {
                Took::Fine => {}
                Took::RestIgnored => {
                    ignored = true;
                    self.owner = None;
                    self.add_note("the server ignored REST and sent the file from its start");
                }
                Took::Differs => return Err(Halt::Again(Some(self.differs(retrieval.announced())))),
                Took::TooMuch => return Ok((Copied::TooMuch, ignored)),
            }
            if let Some(follower) = &sink.follower {
                follower.mark().reach(length);
            }
            if count == 0 {
                return Ok((Copied::End, ignored));
            }
            sink.ledger.tick(self, length).await?;
            if let Some(bucket) = &mut bucket {
                let wait = bucket.take(count, begun.elapsed());
                // Even the shortest sleep takes a millisecond.
                if !wait.is_zero() {
                    self.or_stop(tokio::time::sleep(wait)).await?;
                }
            }
        }
    }

    /// Receives some bytes; returns how many, 0 at the end of the data, and what became of them.
    async fn copy_some(
        &mut self,
        sink: &mut Sink<'_>,
        way: &mut Way,
        retrieval: &mut Retrieval<'_>,
    ) -> Result<(usize, Took), Halt> {
        let Sink { copier, tools, .. } = sink;
        let unseen = copier.unseen();
        let worth = unseen >= SPLICE || (way.spliced && unseen > 0);
        if way.may_splice
            && worth
            && let Some(pipe) = tools.pipe()
        {
            let most = usize::try_from(unseen).unwrap_or(usize::MAX).min(pipe.capacity()).min(way.room);
            let received = self.or_stop(retrieval.splice(pipe.inlet(), most)).await??;
            way.spliced = received.is_some();
            way.may_splice = received.is_some();
            if let Some(count) = received {
                self.received(count);
                // After an error the pipe is dropped, and what is left in it: the file has not got that.
                way.may_splice = store(count, || copier.take_unseen(&pipe, count))?;
                tools.keep(pipe);
                let took = if count == 0 { store(0, || copier.end())? } else { Took::Fine };
                return Ok((count, took));
            }
            tools.keep(pipe);
        }
        let room = tools.buffer(way.portion.min(way.room));
        let count = self.or_stop(retrieval.read(room)).await??;
        self.received(count);
        let bytes = room.get(..count).unwrap_or_default();
        let took = store(count, || if count == 0 { copier.end() } else { copier.take(bytes) })?;
        Ok((count, took))
    }

    fn received(&mut self, count: usize) {
        self.fetched += count as u64;
        self.task.gauge.received(count);
    }

    /// Bytes to read at once: no more than are to be expected, but for one that shows that there are more.
    fn portion(&self) -> usize {
        let expected = self.task.gauge.size().map_or(u64::MAX, |size| size.saturating_sub(self.from) + 1);
        usize::try_from(expected).unwrap_or(BUFFER).clamp(LEAST, BUFFER)
    }

    /// Makes what was received durable, notes it, and lets go of an old part that is no further than the new one.
    pub(super) fn keep(&mut self, place: &Place, part: &PartFile, length: u64) -> Result<(), Halt> {
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
        let synced = aside(Stage::Store, || part.sync());
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

    pub(super) fn wanted_size(&self, remote: &Identity) -> Option<u64> {
        match self.kind() {
            TransferType::Image => expected_size(remote, &self.task.job.spec.expect),
            TransferType::Ascii => None,
        }
    }

    /// Whether a record is needed before anything is durable: where the part file can't carry its label, or where after
    /// a crash the file under the final name could not be told from one that another put there.
    fn worth_a_record(&self) -> bool {
        let small = self.task.gauge.size().is_some_and(|size| size <= SMALL);
        let told = self.progress.as_ref().is_some_and(|progress| is_told(&progress.identity));
        self.refuses_existing() || !told || !(self.labelled || small)
    }

    fn first_progress(&self, remote: &Identity, start: &Start) -> Progress {
        let durable = match &self.progress {
            Some(old) if old.boot_id == self.task.boot_id => old.durable.min(start.have),
            // Another boot: only durable bytes were taken over.
            Some(_) => start.have,
            None => 0,
        };
        let boot_id = self.task.boot_id.to_owned();
        let (identity, source) = self.origin(remote);
        Progress { identity, source, durable, boot_id, wrong: self.wrong, ..Progress::default() }
    }

    fn differs(&self, announced: Option<u64>) -> String {
        let hint = announced.map_or_else(String::new, |n| format!(" (the server announced {n} bytes)"));
        format!("the bytes at offset {} differ from what was received before: the file changed{hint}", self.from)
    }
}

/// Whether the server tells what a file can be recognized by after a crash.
pub(super) fn is_told(identity: &Identity) -> bool {
    identity.size.is_some() && identity.modified.is_some()
}

/// Puts `count` received bytes where they belong. On a disk that keeps up, to hand the thread over costs more than a
/// write to the page cache does.
pub(super) fn store<T>(count: usize, work: impl FnOnce() -> Result<T, DiskError>) -> Result<T, Halt> {
    if count < INLINE {
        work().map_err(|error| error.into_failure(Stage::Store).into())
    } else {
        on_disk(Stage::Store, work)
    }
}
