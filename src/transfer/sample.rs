//! Bytes of a file that is here compared with the server's: of one whose length alone is known to be right, and of a part
//! file that another source began.

use super::gauge::Phase;
use super::link::Link;
use super::task::{Halt, Run, on_disk};
use crate::disk::{Finished, PartFile};
use crate::ftp::Verdict;
use crate::model::{Stage, TransferType};
use crate::policy::OVERLAP;

/// Places between a file's head and its tail that are compared. Chance chooses them anew each time.
const SAMPLES: u64 = 3;
/// Files of so many bytes are compared whole.
pub(super) const ALL_COMPARED: u64 = OVERLAP * (SAMPLES + 1);

impl Run<'_> {
    /// Whether the server's file begins as the part file does.
    pub(super) async fn begins_alike(&mut self, part: &PartFile, link: &mut Link) -> Result<bool, Halt> {
        let length = on_disk(Stage::Verify, || part.len())?;
        let mut ours = vec![0; usize::try_from(OVERLAP.min(length)).unwrap_or(0)];
        let theirs = self.read_theirs(0, ours.len(), link).await?;
        let count = on_disk(Stage::Verify, || part.read_at(&mut ours, 0))?;
        Ok(count == ours.len() && theirs.is_some_and(|theirs| theirs == ours))
    }

    /// Whether the file under the final name has the server's bytes: all of them where they are few, their number is not
    /// known or the server can't begin in the middle, else those at its head, its tail and places that chance chooses.
    pub(super) async fn sample_final(&mut self, size: Option<u64>, link: &mut Link) -> Result<bool, Halt> {
        self.task.gauge.set_phase(Phase::Checking);
        let destination = &self.task.job.spec.destination;
        let Some(file) = on_disk(Stage::Verify, || Finished::open(destination))? else { return Ok(false) };
        let last = file.found().size.saturating_sub(OVERLAP);
        if file.found().size <= ALL_COMPARED || size.is_none() {
            return self.compare_all(&file, link).await;
        }
        let mut head = Vec::new();
        for at in [0, last].into_iter().chain((0..SAMPLES).map(|_| (self.task.below)(last))) {
            if link.quirks().no_rest {
                return self.compare_all(&file, link).await;
            }
            let mut ours = vec![0; usize::try_from(OVERLAP).unwrap_or(0)];
            let count = on_disk(Stage::Verify, || file.read_at(&mut ours, at))?;
            match self.read_theirs(at, ours.len(), link).await? {
                Some(theirs) if theirs == ours && count == ours.len() => {}
                // REST was ignored.
                Some(theirs) if at > 0 && theirs == head => link.learn_no_rest(),
                Some(_) => return Ok(false),
                None => link.learn_no_rest(),
            }
            if at == 0 {
                head = ours;
            }
        }
        if link.quirks().no_rest { self.compare_all(&file, link).await } else { Ok(true) }
    }

    /// Compares a file with all of the server's.
    async fn compare_all(&mut self, file: &Finished, link: &mut Link) -> Result<bool, Halt> {
        let path = self.path().clone();
        let session = self.or_stop(link.session()).await??;
        let mut retrieval = self.or_stop(session.retrieve(&path, TransferType::Image, 0)).await??;
        let step = usize::try_from(OVERLAP).unwrap_or(0);
        let (mut theirs, mut ours, mut at) = (vec![0; step], vec![0; step], 0);
        loop {
            let count = self.or_stop(retrieval.read(&mut theirs)).await??;
            self.note_compared(count);
            if count == 0 {
                break;
            }
            let room = ours.get_mut(..count).unwrap_or_default();
            let held = on_disk(Stage::Verify, || file.read_at(room, at))?;
            if held < count || theirs.get(..count) != ours.get(..count) {
                retrieval.abort().await;
                return Ok(false);
            }
            at += count as u64;
        }
        match self.or_stop(retrieval.finish()).await? {
            Verdict::Confirmed | Verdict::Cut { .. } => Ok(at == file.found().size),
            Verdict::Unconfirmed { failure } | Verdict::Refused { failure } => Err(failure.into()),
        }
    }

    /// So many bytes of the server's file from an offset on, as far as there are any; nothing where the server does not begin
    /// there.
    async fn read_theirs(&mut self, at: u64, wanted: usize, link: &mut Link) -> Result<Option<Vec<u8>>, Halt> {
        let path = self.path().clone();
        let session = self.or_stop(link.session()).await??;
        let mut retrieval = match self.or_stop(session.retrieve(&path, TransferType::Image, at)).await? {
            Ok(retrieval) => retrieval,
            Err(failure) if at > 0 && failure.stage == Stage::Restart => return Ok(None),
            Err(failure) => return Err(failure.into()),
        };
        let (mut theirs, mut filled) = (vec![0; wanted], 0);
        while filled < wanted {
            let count = self.or_stop(retrieval.read(theirs.get_mut(filled..).unwrap_or_default())).await??;
            self.note_compared(count);
            if count == 0 {
                break;
            }
            filled += count;
        }
        retrieval.abort().await;
        theirs.truncate(filled);
        Ok(Some(theirs))
    }

    fn note_compared(&mut self, count: usize) {
        self.fetched += count as u64;
        self.task.gauge.received(count);
    }
}
