//! The transfer itself: data connection, copy loop, verdict.

use super::copy::{Copier, Took};
use super::failpoint::failpoint;
use super::gauge::Phase;
use super::link::Link;
use super::task::{Halt, Run, Started, on_disk};
use crate::disk::{PartFile, Place};
use crate::ftp::{Retrieval, Verdict};
use crate::model::{Cause, Durability, Existing, Failure, Identity, Progress, Receipt, Stage, TransferType};
use crate::policy::{Bucket, OVERLAP, expected_size, same_identity};
use crate::queue::QueueError;
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
const BUFFER: usize = 256 * 1024;
/// Bytes, and time, after which what was received is made durable and recorded.
const RECORD_BYTES: u64 = 64 * 1024 * 1024;
const RECORD_TIME: Duration = Duration::from_secs(5);
/// A smaller file isn't worth a record of its own before it is whole.
const SMALL: u64 = 64 * 1024;
/// A transfer that took longer is followed by a second look at the remote file.
const LONG: Duration = Duration::from_secs(2);

/// How the copy loop ended, short of a failure.
enum Copied {
    /// The data ended.
    End,
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
        let part = open_part(place, &start, size)?;
        if let Some(why) = &start.why {
            self.add_note(why);
        }
        let progress = self.first_progress(remote, &start);
        self.labelled = on_disk(Stage::Store, || part.set_label(&progress))?;
        self.progress = Some(progress);
        self.from = start.from;
        let begun = Instant::now();
        let kind = self.kind();
        let mut copier = match kind {
            TransferType::Ascii => Copier::ascii(&part),
            TransferType::Image => Copier::new(&part, start.from, start.have, size),
        };
        let outcome = self.transfer(&mut copier, &part, &start, link).await;
        let (position, length) = (copier.position(), copier.length());
        if matches!(outcome, Err(Halt::Again(None))) {
            link.learn_no_rest();
        }
        if start.why.is_none() {
            self.gained += length.saturating_sub(start.have);
        }
        let kept = match &outcome {
            Err(Halt::Again(_)) => Ok(()),
            _ => self.keep(&part, length),
        };
        let (ending, verdict) = outcome?;
        kept?;
        if matches!(ending, Copied::TooMuch) {
            return self.too_much(place, part, remote, &start, link).await;
        }
        let confirmed = self.judge(position, size, verdict, &part)?;
        if !confirmed || start.have > 0 || begun.elapsed() > LONG {
            self.look_again(remote, confirmed, link).await?;
        }
        self.finish(place, part, remote, start.have == 0).await
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
        let opened = self.or_stop(session.retrieve(&path, kind, start.from)).await?;
        let mut retrieval = match opened {
            Ok(retrieval) => retrieval,
            Err(failure) if start.from > 0 => return Err(self.restart_refused(failure)),
            Err(failure) => return Err(failure.into()),
        };
        let size = self.task.gauge.size();
        (self.task.started)(Started { size, from: start.from, why: start.why.clone() });
        self.task.gauge.set_phase(Phase::Receiving);
        match self.copy(copier, part, &mut retrieval).await {
            Ok((Copied::End, ignored)) => {
                failpoint("transfer-last-byte");
                let verdict = self.or_stop(retrieval.finish()).await?;
                if ignored {
                    link.learn_no_rest();
                }
                Ok((Copied::End, verdict))
            }
            Ok((Copied::TooMuch, _)) => {
                retrieval.abort().await;
                Ok((Copied::TooMuch, Verdict::Confirmed))
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
    ) -> Result<(Copied, bool), Halt> {
        let mut buffer = vec![0u8; BUFFER];
        let begun = Instant::now();
        let mut bucket = self.task.settings.limit_rate.map(|rate| Bucket::new(rate, Duration::ZERO));
        let portion = bucket.as_ref().map_or(BUFFER, Bucket::portion);
        let mut ledger = Ledger::new(copier.length());
        let mut ignored = false;
        if self.worth_a_record() {
            ledger.record(self, copier.length(), false).await?;
        }
        loop {
            let room = buffer.get_mut(..portion).unwrap_or_default();
            let count = self.or_stop(retrieval.read(room)).await??;
            let bytes = buffer.get(..count).unwrap_or_default();
            self.fetched += count as u64;
            self.task.gauge.received(count);
            let took = on_disk(Stage::Store, || if count == 0 { copier.end() } else { copier.take(bytes) })?;
            self.task.gauge.set_have(copier.length());
            match took {
                Took::Fine => {}
                Took::RestIgnored => {
                    ignored = true;
                    self.add_note("the server ignored REST and sent the file from its start");
                }
                Took::Differs => return Err(Halt::Again(Some(self.differs(retrieval.announced())))),
                Took::TooMuch => {
                    ledger.finish(self).await?;
                    return Ok((Copied::TooMuch, ignored));
                }
            }
            if count == 0 {
                ledger.finish(self).await?;
                return Ok((Copied::End, ignored));
            }
            if ledger.is_due(copier.length()) && self.task.settings.durability != Some(Durability::None) {
                on_disk(Stage::Store, || part.sync())?;
                ledger.record(self, copier.length(), true).await?;
            }
            if let Some(bucket) = &mut bucket {
                let wait = bucket.take(count, begun.elapsed());
                self.or_stop(tokio::time::sleep(wait)).await?;
            }
        }
    }

    /// Whether the bytes that came are the whole file. Returns whether the server confirmed it.
    fn judge(&mut self, position: u64, size: Option<u64>, verdict: Verdict, part: &PartFile) -> Result<bool, Halt> {
        let size = size.filter(|&size| size != 0);
        match (verdict, size) {
            (Verdict::Confirmed, Some(size)) if position < size => {
                let message = format!("the server says the transfer is complete, but {position} of {size} bytes came");
                let failure = Failure::transient(Stage::Verdict, Cause::WrongSize, message)
                    .with_advice("if this stays so, the server's SIZE or its file is damaged: ask its operator");
                Err(failure.into())
            }
            (Verdict::Confirmed, _) => Ok(true),
            (Verdict::Unconfirmed { failure }, Some(size)) if position == size => {
                self.add_note(&format!(
                    "all {size} bytes came, but the server did not confirm it ({})",
                    failure.message
                ));
                Ok(false)
            }
            (Verdict::Refused { failure }, Some(size)) if position == size => {
                // The next attempt has to get the server's word: it reads the end of the file again.
                on_disk(Stage::Store, || part.truncate(size.saturating_sub(OVERLAP)))?;
                Err(failure.into())
            }
            (Verdict::Unconfirmed { mut failure } | Verdict::Refused { mut failure }, size) => {
                if let Some(size) = size {
                    failure.message = format!("{} ({position} of {size} bytes came)", failure.message);
                }
                Err(failure.into())
            }
        }
    }

    /// Asks again what the remote file is, after a transfer during which it may have been replaced.
    async fn look_again(&mut self, before: &Identity, confirmed: bool, link: &mut Link) -> Result<(), Halt> {
        let now = match self.inspect(link).await {
            Ok(now) => now,
            Err(Halt::Failed(failure)) if failure.kind == crate::model::FailureKind::Transient => {
                if !confirmed {
                    self.add_note("the server could not be asked again");
                }
                return Ok(());
            }
            Err(halt) => return Err(halt),
        };
        if same_identity(before, &now) {
            if !confirmed {
                self.add_note("asked again, it gives the same size and time");
            }
            return Ok(());
        }
        match (before.size, now.size) {
            (Some(old), Some(new)) if new > old && self.kind() == TransferType::Image => {
                self.add_note(&format!("the file grew to {new} bytes on the server while its first {old} were read"));
                Ok(())
            }
            _ => Err(Halt::Again(Some("the file was replaced on the server while it was read".to_owned()))),
        }
    }

    /// More bytes came than the file holds: it grew, REST was ignored, or SIZE is wrong.
    async fn too_much(
        &mut self,
        place: &Place,
        part: PartFile,
        remote: &Identity,
        start: &Start,
        link: &mut Link,
    ) -> Result<Receipt, Halt> {
        if start.have > 0 {
            // Which of the new bytes are right can't be known.
            on_disk(Stage::Store, || part.truncate(start.have))?;
            link.learn_no_rest();
            return Err(Halt::Again(Some("the server sent more than the rest of the file".to_owned())));
        }
        let size = remote.size.unwrap_or(0);
        let now = self.inspect(link).await?;
        if now.size.is_some_and(|now| now > size) {
            self.add_note(&format!("the file grew on the server while its first {size} bytes were read"));
            return self.finish(place, part, remote, true).await;
        }
        on_disk(Stage::Store, || place.remove_part())?;
        self.progress = None;
        let message = format!("the server sends more than the {size} bytes that its SIZE tells");
        let advice = "the server's SIZE can't be right: ask its operator";
        Err(Failure::permanent(Stage::Retrieve, Cause::WrongSize, message).with_advice(advice).into())
    }

    /// Makes what was received durable, and notes it.
    fn keep(&mut self, part: &PartFile, length: u64) -> Result<(), Halt> {
        if self.task.settings.durability != Some(Durability::None) {
            on_disk(Stage::Store, || part.sync())?;
            if let Some(progress) = &mut self.progress {
                progress.durable = length;
            }
        }
        Ok(())
    }

    fn wanted_size(&self, remote: &Identity) -> Option<u64> {
        match self.kind() {
            TransferType::Image => expected_size(remote, &self.task.job.spec.expect),
            TransferType::Ascii => None,
        }
    }

    /// Whether a record is needed before anything is durable: where the part file can't carry its label, or where a
    /// file under the final name has to be told from one that this job put there.
    fn worth_a_record(&self) -> bool {
        let small = self.task.gauge.size().is_some_and(|size| size <= SMALL);
        self.existing() == Existing::Error || !(self.labelled || small)
    }

    fn first_progress(&self, remote: &Identity, start: &Start) -> Progress {
        let durable = match &self.progress {
            Some(old) if old.boot_id == self.task.boot_id => old.durable.min(start.have),
            // Another boot: only durable bytes were taken over.
            Some(_) => start.have,
            None => 0,
        };
        Progress { identity: remote.clone(), durable, boot_id: self.task.boot_id.to_owned() }
    }

    fn differs(&self, announced: Option<u64>) -> String {
        let hint = announced.map_or_else(String::new, |n| format!(" (the server announced {n} bytes)"));
        format!("the bytes at offset {} differ from what was received before: the file changed{hint}", self.from)
    }
}

/// The part file, cut to what is to be kept, with space reserved for the rest.
fn open_part(place: &Place, start: &Start, size: Option<u64>) -> Result<PartFile, Halt> {
    let part = on_disk(Stage::Store, || {
        if start.set_aside {
            place.set_aside()?;
        }
        let part = place.open_part()?;
        part.truncate(start.have)?;
        Ok(part)
    })?;
    let Some(size) = size else { return Ok(part) };
    match on_disk(Stage::Store, || part.allocate(size)) {
        Ok(()) => Ok(part),
        Err(Halt::Failed(mut failure)) if failure.cause == Cause::DiskFull => {
            let (needed, free) = (size.saturating_sub(start.have), on_disk(Stage::Store, || place.free_bytes())?);
            failure.message = format!("{}: {needed} more bytes are needed, {free} are free", failure.message);
            Err(failure.into())
        }
        Err(halt) => Err(halt),
    }
}

/// When progress was recorded last, and the record that is being written.
struct Ledger {
    at: Instant,
    length: u64,
    pending: Option<JoinHandle<Result<(), QueueError>>>,
}

impl Ledger {
    fn new(length: u64) -> Self {
        Self { at: Instant::now(), length, pending: None }
    }

    fn is_due(&self, length: u64) -> bool {
        let gained = length.saturating_sub(self.length);
        gained >= RECORD_BYTES || (gained > 0 && self.at.elapsed() >= RECORD_TIME)
    }

    /// Starts to record the progress; the bytes flow on meanwhile.
    async fn record(&mut self, run: &mut Run<'_>, length: u64, durable: bool) -> Result<(), Halt> {
        self.finish(run).await?;
        let Some(progress) = &mut run.progress else { return Ok(()) };
        if durable {
            progress.durable = length;
        }
        (self.at, self.length) = (Instant::now(), length);
        let (queue, id, progress) = (run.task.queue.clone(), run.task.job.id, progress.clone());
        self.pending = Some(tokio::spawn(async move { queue.checkpoint(id, progress).await }));
        Ok(())
    }

    async fn finish(&mut self, _run: &Run<'_>) -> Result<(), Halt> {
        let Some(pending) = self.pending.take() else { return Ok(()) };
        let error = match pending.await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        let message = format!("the progress could not be recorded: {error}");
        Err(Failure::local(Stage::Store, Cause::LocalIo, message).into())
    }
}
