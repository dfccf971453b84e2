//! What is in doubt once the data ended: whether it was all, and whether it was one file.

use super::fetch::Start;
use super::link::Link;
use super::task::{Halt, Run, on_disk};
use super::whole::Ready;
use crate::disk::{PartFile, Place};
use crate::ftp::Verdict;
use crate::model::{Cause, Failure, Identity, Stage, TransferType};
use crate::policy::{OVERLAP, expected_size, same_identity};

impl Run<'_> {
    /// Whether the bytes that came are the whole file. Returns whether the server confirmed it.
    pub(super) fn judge(
        &mut self,
        position: u64,
        size: Option<u64>,
        verdict: Verdict,
        part: &PartFile,
    ) -> Result<bool, Halt> {
        let told = size.filter(|&size| size != 0);
        match (verdict, told) {
            (Verdict::Cut { failure }, _) if size == Some(position) => {
                self.add_note(&format!("all {position} bytes came, but {}", failure.message));
                Ok(true)
            }
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
                self.gained = 0;
                Err(failure.into())
            }
            (Verdict::Cut { failure } | Verdict::Unconfirmed { failure } | Verdict::Refused { failure }, size) => {
                Err(short(failure, position, size).into())
            }
        }
    }

    /// Asks again what the remote file is, after a transfer during which it may have been replaced.
    pub(super) async fn look_again(
        &mut self,
        before: &Identity,
        part: &PartFile,
        confirmed: bool,
        link: &mut Link,
    ) -> Result<(), Halt> {
        let now = match self.inspect(link).await {
            Ok(now) => now,
            Err(Halt::Failed(failure)) => {
                // All bytes are here; a server that takes the file away, or itself, changes nothing about them.
                self.add_note(&format!("the server could not be asked again: {}", failure.message));
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
                self.only_grew(part, old, link).await
            }
            (old, new) if old == new && self.has_unsteady_time(&now, link).await? => Ok(()),
            _ => Err(replaced()),
        }
    }

    /// More bytes came than the file holds: it grew, REST was ignored, or SIZE is wrong.
    pub(super) async fn too_much(
        &mut self,
        place: &Place,
        part: PartFile,
        remote: &Identity,
        start: &Start,
        link: &mut Link,
    ) -> Result<Ready, Halt> {
        if start.have > 0 {
            // Which of the new bytes are right can't be known.
            on_disk(Stage::Store, || part.truncate(start.have))?;
            return Err(Halt::Again(Some("the server sent more than the rest of the file".to_owned())));
        }
        let size = expected_size(remote, &self.task.job.spec.expect).unwrap_or(0);
        match self.grew_beyond(size, &part, link).await {
            Ok(true) => return self.ready(place, part.into(), remote, link).await,
            Ok(false) => {}
            Err(halt) => {
                // Unanswered: a part file of full length would be taken for whole next time.
                on_disk(Stage::Store, || part.truncate(size.saturating_sub(OVERLAP)))?;
                self.gained = 0;
                return Err(halt);
            }
        }
        on_disk(Stage::Store, || place.remove_part())?;
        self.progress = None;
        let message = format!("the server sends more than the {size} bytes that its SIZE tells");
        let advice = "the server's SIZE can't be right: ask its operator";
        Err(Failure::permanent(Stage::Retrieve, Cause::WrongSize, message).with_advice(advice).into())
    }

    /// Whether the server now tells a larger size than it did, and the bytes that were read still begin the file.
    async fn grew_beyond(&mut self, size: u64, part: &PartFile, link: &mut Link) -> Result<bool, Halt> {
        if self.inspect(link).await?.size.is_none_or(|now| now <= size) {
            return Ok(false);
        }
        self.only_grew(part, size, link).await?;
        Ok(true)
    }

    /// Proves that a file which is longer now still begins and goes on with the bytes that were read: a log grows so,
    /// while a file that was written over by a longer one does not.
    async fn only_grew(&mut self, part: &PartFile, size: u64, link: &mut Link) -> Result<(), Halt> {
        let tail = size.saturating_sub(OVERLAP);
        let same = self.agrees(part, 0, link).await?
            && (tail == 0 || link.quirks().no_rest || self.agrees(part, tail, link).await?);
        if !same {
            return Err(replaced());
        }
        self.add_note(&format!("the file grew on the server while its first {size} bytes were read"));
        Ok(())
    }

    /// Whether the server's bytes from an offset on, as many as an overlap has, are those of the part file.
    async fn agrees(&mut self, part: &PartFile, at: u64, link: &mut Link) -> Result<bool, Halt> {
        let length = on_disk(Stage::Verify, || part.len())?;
        let wanted = usize::try_from(OVERLAP.min(length.saturating_sub(at))).unwrap_or(0);
        let (mut theirs, mut ours) = (vec![0; wanted], vec![0; wanted]);
        let path = self.path().clone();
        let session = self.or_stop(link.session()).await??;
        let mut retrieval = match self.or_stop(session.retrieve(&path, TransferType::Image, at)).await? {
            Ok(retrieval) => retrieval,
            // Without REST the file's beginning, which agrees, has to do.
            Err(failure) if at > 0 && failure.stage == Stage::Restart => return Ok(true),
            Err(failure) => return Err(failure.into()),
        };
        let mut filled = 0;
        while filled < wanted {
            let room = theirs.get_mut(filled..).unwrap_or_default();
            match self.or_stop(retrieval.read(room)).await?? {
                0 => break,
                count => {
                    filled += count;
                    self.fetched += count as u64;
                    self.task.gauge.received(count);
                }
            }
        }
        retrieval.abort().await;
        let count = on_disk(Stage::Verify, || part.read_at(&mut ours, at))?;
        if filled < wanted || count < wanted || ours == theirs {
            return Ok(filled == wanted && count == wanted);
        }
        let count = on_disk(Stage::Verify, || part.read_at(&mut ours, 0))?;
        if at > 0 && count == wanted && ours == theirs {
            // REST was ignored: these are the file's first bytes, and they agree.
            link.learn_no_rest();
            return Ok(true);
        }
        Ok(false)
    }

    /// Whether the server tells another time at each look, as some behind a load balancer do: then it proves nothing.
    async fn has_unsteady_time(&mut self, now: &Identity, link: &mut Link) -> Result<bool, Halt> {
        let again = self.inspect(link).await?;
        let unsteady = again.size == now.size && again.modified != now.modified;
        if unsteady {
            self.add_note("the server tells another time at each look, so the time proves nothing");
        }
        Ok(unsteady)
    }
}

/// The failure of a transfer that did not bring all bytes, with how many it brought where that tells something.
fn short(mut failure: Failure, position: u64, size: Option<u64>) -> Failure {
    if let Some(size) = size {
        failure.message = format!("{} ({position} of {size} bytes came)", failure.message);
    }
    failure
}

fn replaced() -> Halt {
    Halt::Again(Some("the file was replaced on the server while it was read".to_owned()))
}
