//! A file that was finished before and is asked for again.

use super::task::{Halt, Run, on_disk};
use crate::disk::{Found, Place, Wanted};
use crate::model::{Cause, Existing, Failure, Identity, Receipt, Stage, rfc3339};
use crate::policy::{FinalFile, Sameness, is_as_finished, sameness};

impl Run<'_> {
    /// The receipt of an earlier download that the job still has.
    pub(super) fn earlier(&self) -> Option<&Receipt> {
        self.task.job.record.receipt.as_ref()
    }

    /// Compares what the server says of a file that was finished before with what it said then. Returns the receipt where it
    /// stays as it is; nothing where the file is to be decided upon as any other.
    pub(super) async fn recheck(&mut self, place: &Place, remote: &Identity) -> Result<Option<Receipt>, Halt> {
        let Some(receipt) = self.earlier().cloned() else { return Ok(None) };
        let Some(found) = on_disk(Stage::Plan, || place.final_file())? else { return Ok(None) };
        self.is_own = self.is_unchanged(&receipt, found, place).await?;
        let is_news = self.word.as_ref().is_some_and(|word| !receipt.known_digests().any(|sum| *sum == word.checksum));
        if !self.is_own || is_news || self.task.job.record.compare {
            return Ok(None);
        }
        let from = receipt.source.as_ref().unwrap_or(&self.task.job.spec.source);
        let difference = match sameness(&receipt, remote, from == self.task.source) {
            Sameness::Same => {
                self.add_note("as it was, checked with the server");
                return Ok(Some(self.confirmed(receipt, true)));
            }
            Sameness::SameSize(why) => {
                self.add_note(&format!("as it was, checked with the server by its size alone: {why}"));
                return Ok(Some(self.confirmed(receipt, true)));
            }
            Sameness::Different(how) => format!("the server has another file than the one fetched at {}: {how}", when(&receipt)),
            Sameness::Untold(what) => {
                format!("the server tells no {what} of the file, so it can't be compared with the one fetched at {}", when(&receipt))
            }
        };
        match self.existing() {
            Existing::Overwrite | Existing::Resume => Ok(None),
            Existing::Skip => {
                self.add_note(&format!("kept as it is (existing = skip), though {difference}"));
                Ok(Some(self.confirmed(receipt, false)))
            }
            Existing::Check | Existing::Error => Err(self.own_way_out(Failure::local(Stage::Plan, Cause::Exists, difference)).into()),
        }
    }

    /// The failure of a file that is not to be replaced: where ftpq itself put it there, it can be asked to do so.
    pub(super) fn own_way_out(&self, failure: Failure) -> Failure {
        if !self.is_own || failure.cause != Cause::Exists {
            return failure;
        }
        let id = self.task.job.id;
        failure.with_advice(format!(
            "`ftpq retry {id}` and then `ftpq run {id}` fetch the server's file; the one here stays until the new one is whole"
        ))
    }

    /// Adds the digests that are known of an unchanged file to those that were computed now.
    pub(super) fn keep_digests(&self, receipt: Receipt) -> Receipt {
        let Some(earlier) = self.earlier().filter(|_| self.is_own) else { return receipt };
        let mut digests = receipt.digests;
        for sum in earlier.known_digests() {
            if !digests.iter().any(|known| known.algorithm() == sum.algorithm()) {
                digests.push(sum.clone());
            }
        }
        let proof = receipt.proof.max(earlier.proof.clone());
        let checksum = receipt.checksum.or_else(|| earlier.checksum.clone());
        Receipt { proof, digests, checksum, ..receipt }
    }

    /// A receipt that stays, with what is to be told of this look.
    fn confirmed(&mut self, receipt: Receipt, _same: bool) -> Receipt {
        receipt
    }

    /// Whether the file is the one that was put there: by length and time, or else by a digest.
    async fn is_unchanged(&self, receipt: &Receipt, found: Found, place: &Place) -> Result<bool, Halt> {
        let file = FinalFile { size: found.size, modified: found.modified, digest_matches: None };
        if is_as_finished(receipt, file) {
            return Ok(true);
        }
        let known = receipt.known_digests().max_by_key(|sum| sum.algorithm());
        let Some(known) = known.filter(|_| found.size == receipt.size) else { return Ok(false) };
        let wanted = Wanted { whole: vec![known.algorithm()], pieces: None };
        let surveyed = self.survey_final(place, wanted).await?;
        Ok(surveyed.digest(known.algorithm()) == Some(known))
    }
}

fn when(receipt: &Receipt) -> String {
    rfc3339(receipt.finished_at)
}
