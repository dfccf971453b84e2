//! Small files: received into memory, and on the disk only once they are whole.
//!
//! The disk then sees one write a file and no label, and the files of all sessions are put away in groups.

use super::fetch::{Copied, SMALL, Sent, Start, is_told};
use super::finisher::Content;
use super::link::Link;
use super::task::{Halt, Run, on_disk};
use super::whole::Ready;
use crate::disk::Place;
use crate::ftp::Verdict;
use crate::model::{Identity, Stage, TransferType};

impl Run<'_> {
    /// Whether the file may be received into memory: nothing of it is there, its size is known and small, and after a
    /// crash the file under the final name can be told from one that another put there.
    pub(super) fn is_small(&self, remote: &Identity, start: &Start, size: Option<u64>) -> bool {
        let fresh = start.have == 0 && start.from == 0 && start.why.is_none() && !start.set_aside;
        fresh
            && self.kind() == TransferType::Image
            && size.is_some_and(|size| (1..=SMALL).contains(&size))
            && is_told(remote)
            && !self.twice
            && !self.refuses_existing()
            && self.task.settings.limit_rate.is_none()
    }

    /// Fetches a small file. What is not whole and well goes to the part file, and the usual way.
    pub(super) async fn fetch_small(
        &mut self,
        place: &Place,
        remote: &Identity,
        start: Start,
        link: &mut Link,
    ) -> Result<Ready, Halt> {
        let mut bytes = Vec::new();
        let size = self.wanted_size(remote).unwrap_or(0);
        let outcome = self.receive(&mut bytes, size, &start, link).await;
        let received = bytes.len() as u64;
        let well = matches!(outcome, Ok((Copied::End, Verdict::Confirmed | Verdict::Cut { .. })));
        if well && received == size {
            if let Ok((_, Verdict::Cut { failure })) = &outcome {
                self.add_note(&format!("all {size} bytes came, but {}", failure.message));
            }
            self.gained += received;
            return self.ready(place, Content::Bytes(bytes), remote, link).await;
        }
        let outcome = match outcome {
            // Nothing came: there is nothing to keep.
            Err(halt) if bytes.is_empty() => return Err(halt),
            outcome => outcome,
        };
        let part = self.begin_part(place, remote, &start)?;
        on_disk(Stage::Store, || part.write_at(&bytes, 0))?;
        let sent = Sent { start, part, outcome, position: received, length: received };
        self.judge_sent(place, remote, sent, link).await
    }

    /// Receives a file of `size` bytes; `bytes` holds what came, whatever happens, and never more.
    async fn receive(
        &mut self,
        bytes: &mut Vec<u8>,
        size: u64,
        start: &Start,
        link: &mut Link,
    ) -> Result<(Copied, Verdict), Halt> {
        let size = usize::try_from(size).unwrap_or(0);
        let mut retrieval = self.begin_transfer(start, link).await?;
        let mut filled = 0;
        // One byte more than the file has shows whether the server sends too much.
        let mut room = vec![0; size + 1];
        let copied = loop {
            let count = match self.or_stop(retrieval.read(room.get_mut(filled..).unwrap_or_default())).await {
                Ok(Ok(count)) => count,
                Ok(Err(failure)) => break Err(failure.into()),
                Err(halt) => break Err(halt),
            };
            filled += count;
            self.fetched += count as u64;
            self.task.gauge.received(count);
            self.task.gauge.set_have(filled.min(size) as u64);
            match count {
                _ if filled > size => break Ok(Copied::TooMuch),
                0 => break Ok(Copied::End),
                _ => {}
            }
        };
        room.truncate(filled.min(size));
        *bytes = room;
        self.end_transfer(retrieval, copied).await
    }
}
