//! What is in doubt once the data ended: whether it was all, and whether it was one file.

use super::fetch::Start;
use super::finisher::Content;
use super::gauge::Phase;
use super::link::Link;
use super::look::TELLTALE;
use super::recheck::as_answer;
use super::task::{Halt, Run, aside, on_disk};
use super::whole::Ready;
use crate::disk::{PartFile, Place};
use crate::ftp::Verdict;
use crate::model::{Algorithm, Cause, Failure, Identity, Stability, Stage, TransferType};
use crate::policy::OVERLAP;
use std::time::Duration;
use tokio::time::sleep;

/// Longest pause between two readings of one file: the session waits for it, and servers end one that does nothing.
const LONGEST: Duration = Duration::from_secs(30);

impl Run<'_> {
    /// Whether the bytes that came are the whole file.
    pub(super) fn judge(
        &mut self,
        position: u64,
        size: Option<u64>,
        verdict: Verdict,
        part: &PartFile,
    ) -> Result<(), Halt> {
        let told = size.filter(|&size| size != 0);
        match (verdict, told) {
            (Verdict::Cut { failure }, _) if size == Some(position) => {
                self.add_note(&format!("all {position} bytes came, but {}", failure.message));
                Ok(())
            }
            (Verdict::Confirmed, Some(size)) if position < size => {
                let message = format!("the server says the transfer is complete, but {position} of {size} bytes came");
                let failure = Failure::transient(Stage::Verdict, Cause::WrongSize, message)
                    .with_advice("if this stays so, the server's SIZE or its file is damaged: ask its operator");
                Err(failure.into())
            }
            (Verdict::Confirmed, _) => Ok(()),
            (Verdict::Unconfirmed { failure }, Some(size)) if position == size => {
                self.add_note(&format!(
                    "all {size} bytes came, but the server did not confirm it ({})",
                    failure.message
                ));
                Ok(())
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

    /// More bytes came than the file holds: it grew, REST was ignored, or SIZE is wrong.
    pub(super) async fn too_much(
        &mut self,
        place: &Place,
        part: PartFile,
        (remote, start): (&Identity, &Start),
        link: &mut Link,
    ) -> Halt {
        match self.look_at_excess(place, part, (remote, start), link).await {
            Ok(()) => {
                let size = self.wanted_size(remote).unwrap_or(0);
                let message = format!("the server sends more than the {size} bytes that its SIZE tells");
                let failure = Failure::permanent(Stage::Retrieve, Cause::WrongSize, message);
                failure.with_advice("the server's SIZE can't be right: ask its operator").into()
            }
            Err(halt) => halt,
        }
    }

    async fn look_at_excess(
        &mut self,
        place: &Place,
        part: PartFile,
        (remote, start): (&Identity, &Start),
        link: &mut Link,
    ) -> Result<(), Halt> {
        if start.have > 0 {
            // Which of the new bytes are right can't be known.
            on_disk(Stage::Store, || part.truncate(start.have))?;
            return Err(Halt::Again(Some("the server sent more than the rest of the file".to_owned())));
        }
        let now = self.inspect(link).await;
        // Whatever the server says: a part file of full length would be taken for whole next time.
        on_disk(Stage::Store, || place.remove_part())?;
        (self.progress, self.gained) = (None, 0);
        self.judge_again(remote, now.map_or_else(as_answer, |now| Ok(Ok(now)))?)?;
        Ok(())
    }

    /// Reads a file once more and compares it with what came, byte by byte.
    pub(super) async fn read_again(&mut self, place: &Place, ready: Ready, link: &mut Link) -> Result<Ready, Halt> {
        if ready.stability.is_some() {
            return Ok(ready);
        }
        let Ready { content, remote, size, .. } = ready;
        // What comes in TYPE A is not compared while it comes.
        let first = self.digest_of_lines(&content)?;
        // It holds the part file.
        drop(content);
        self.alone = true;
        // What is just being written differs by then.
        self.task.gauge.set_phase(Phase::Checking);
        self.or_stop(sleep(self.min_age().clamp(TELLTALE, LONGEST))).await?;
        let start = Start { from: 0, have: size, why: None, set_aside: false };
        let again = self.fetch(place, &remote, start, link).await?;
        if again.size != size || self.digest_of_lines(&again.content)? != first {
            return Err(Halt::Again(Some("it was read twice, and was not the same".to_owned())));
        }
        if self.inspect(link).await?.size != remote.size {
            return Err(Halt::Again(Some("its size changed on the server while it was read".to_owned())));
        }
        Ok(Ready { stability: Some(Stability::ReadTwice), ..again })
    }

    /// The digest of a file that came in TYPE A.
    fn digest_of_lines(&self, content: &Content) -> Result<Option<Vec<u8>>, Halt> {
        match content {
            Content::Part(part) if self.kind() == TransferType::Ascii => {
                let stop = || *self.task.stop.borrow();
                let digest = aside(Stage::Verify, || part.digest(Algorithm::Sha256, &stop))?;
                digest.map(Some).ok_or(Halt::Stopped)
            }
            _ => Ok(None),
        }
    }
}

/// The failure of a transfer that did not bring all bytes, with how many it brought where that tells something.
fn short(mut failure: Failure, position: u64, size: Option<u64>) -> Failure {
    if let Some(size) = size {
        failure.message = format!("{} ({position} of {size} bytes came)", failure.message);
    }
    failure
}
