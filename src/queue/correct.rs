//! What a later list says of jobs that are known.

use super::books::Books;
use super::index::set_of;
use super::{Accepted, QueueError};
use crate::model::{Cause, Expectation, IdSet, JobId, JobRecord, JobSpec, JobState, Move};

/// What a later list says of a known job, where that is news.
pub(super) struct Correction {
    id: u64,
    expect: Expectation,
    /// It names places that the job does not have.
    has_mirrors: bool,
}

impl Books {
    /// What is news in what a list says of a known job, nothing where nothing is; and whether it gives the checksum once more
    /// that the job is known to have.
    pub(super) fn correction(&mut self, id: u64, spec: &JobSpec) -> Result<(Option<Correction>, bool), QueueError> {
        if spec.folder.is_some() || (spec.expect == Expectation::default() && spec.mirrors.is_empty()) {
            return Ok((None, false));
        }
        let known = self.spec(id)?;
        let has_mirrors = spec.sources().any(|(_, source)| known.sources().all(|(_, other)| other != source));
        let (record, _) = self.record(id)?;
        let before = record.expect.as_deref().unwrap_or(&known.expect);
        let is_news = self.corrected(id, &record, (before, &spec.expect), false) != *before;
        let news = || Correction { id, expect: spec.expect.clone(), has_mirrors };
        let confirms = spec.expect.checksum.is_some() && spec.expect.checksum == before.checksum;
        Ok(((is_news || has_mirrors).then(news), confirms))
    }

    /// What is known of a job's content once a later list was read. A checksum that is the finished file's is no news. The
    /// stronger of two stays, unless it may be that of an older content: the list does not confirm it, and the file
    /// failed by it or was never checked by the other one.
    fn corrected(
        &self,
        id: u64,
        record: &JobRecord,
        (before, later): (&Expectation, &Expectation),
        is_confirmed: bool,
    ) -> Expectation {
        let (Some(known), Some(said)) = (&before.checksum, &later.checksum) else { return before.corrected_by(later) };
        let state = self.index.state(id);
        let is_done = state == Some(JobState::Done);
        if is_done && record.receipt.as_ref().is_some_and(|receipt| receipt.known_digests().any(|sum| sum == said)) {
            return before.corrected_by(&Expectation { checksum: None, ..later.clone() });
        }
        let last = record.history.last().and_then(|attempt| attempt.failure.as_ref());
        let has_failed_by_it =
            state == Some(JobState::Failed) && last.is_some_and(|failure| failure.cause == Cause::WrongChecksum);
        let is_older = !is_confirmed && known.algorithm() > said.algorithm() && (is_done || has_failed_by_it);
        if is_older { later.clone() } else { before.corrected_by(later) }
    }

    /// Those of the jobs that are still to be done.
    pub(super) fn not_done(&self, ids: &[u64]) -> IdSet {
        let left = |id: &u64| self.index.state(*id).is_some_and(|state| state != JobState::Done);
        set_of(ids.iter().copied().filter(left))
    }

    /// Has jobs take what a later list says of them; of the `confirmed` ones it gives the known checksum, too. What is done or
    /// failed by the earlier word is queued again.
    pub(super) fn correct(&mut self, corrections: &[Correction], confirmed: &IdSet) -> Result<Accepted, QueueError> {
        let (mut corrected, mut again, mut mirrors) = (Vec::new(), Vec::new(), Vec::new());
        for Correction { id, expect, has_mirrors } in corrections {
            let Some(stored) = self.index.state(*id) else { continue };
            if *has_mirrors && stored != JobState::Done {
                mirrors.push(*id);
            }
            let (mut record, _) = self.record(*id)?;
            let before = match &record.expect {
                Some(before) => (**before).clone(),
                None => self.spec(*id)?.expect,
            };
            let after = self.corrected(*id, &record, (&before, expect), confirmed.contains(JobId(*id)));
            if after == before {
                continue;
            }
            let is_by_digest = (&after.checksum, &after.pieces) != (&before.checksum, &before.pieces);
            record.compare |= is_by_digest && record.receipt.is_some();
            record.expect = Some(Box::new(after));
            let to = match stored {
                JobState::Done | JobState::Failed => stored.apply(Move::Retry).unwrap_or(stored),
                other => other,
            };
            if to != stored {
                (record.fruitless, record.not_before) = (0, None);
                record.troubles.clear();
            }
            corrected.push(*id);
            again.extend((stored == JobState::Done).then_some(*id));
            self.stage_job(*id, to, record)?;
        }
        let (corrected, again, without_mirrors) = (set_of(corrected), set_of(again), set_of(mirrors));
        Ok(Accepted { corrected, again, without_mirrors, ..Accepted::default() })
    }
}
