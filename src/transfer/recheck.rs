//! A file that was finished before and is asked for again.

use super::prove::Word;
use super::task::{Halt, Run, on_disk};
use crate::disk::{Found, Place, Wanted};
use crate::model::{Cause, Existing, Failure, Identity, Receipt, Stage, rfc3339};
use crate::policy::{FinalFile, Sameness, is_as_finished, sameness};

impl Run<'_> {
    /// The receipt of an earlier download that the job still has.
    pub(super) fn earlier(&self) -> Option<&Receipt> {
        self.task.job.record.receipt.as_ref()
    }

    /// Compares what the server says of a file that was finished before with what it said then. Returns the receipt where the
    /// file stays as it is, and whether the server has the same; nothing where it is to be decided upon as any other.
    pub(super) async fn recheck(&mut self, place: &Place, remote: &Identity) -> Result<Option<(Receipt, bool)>, Halt> {
        let Some(receipt) = self.earlier().cloned() else { return Ok(None) };
        let Some(found) = on_disk(Stage::Plan, || place.final_file())? else { return Ok(None) };
        self.is_own = self.is_unchanged(&receipt, found, place).await?;
        if !self.is_own || self.has_news(&receipt) {
            return Ok(None);
        }
        let own = &self.task.job.spec.source;
        let same_source = receipt.source.as_ref().unwrap_or(own) == self.task.source;
        let then = rfc3339(receipt.finished_at);
        let difference = match sameness(&receipt, remote, same_source) {
            Sameness::Same => return Ok(Some(self.stays(place, receipt, "as it was, checked with the server", true))),
            Sameness::SameSize(why) => {
                let note = format!("as it was, checked with the server by its size alone: {why}");
                return Ok(Some(self.stays(place, receipt, &note, true)));
            }
            // The digest that it is to have says which of the two is right.
            _ if self.word.is_some() || self.pieces.is_some() => return Ok(None),
            Sameness::Different(how) => format!("the server has another file than the one fetched at {then}: {how}"),
            Sameness::Untold(what) => {
                format!("the server tells no {what} of the file: it can't be compared with the one fetched at {then}")
            }
        };
        match self.existing() {
            Existing::Overwrite | Existing::Resume => Ok(None),
            Existing::Skip => {
                let note = format!("kept as it is (existing = skip): {difference}");
                Ok(Some(self.stays(place, receipt, &note, false)))
            }
            Existing::Check | Existing::Error => {
                Err(self.own_way_out(Failure::local(Stage::Plan, Cause::Exists, difference)).into())
            }
        }
    }

    /// Whether something is said of the content by which the file here was not checked yet.
    fn has_news(&self, receipt: &Receipt) -> bool {
        let is_unknown = |word: &Word| !receipt.known_digests().any(|sum| *sum == word.checksum);
        let other_size = self.task.job.spec.expect.size.is_some_and(|size| size != receipt.size);
        other_size || self.task.job.record.compare || self.word.as_ref().is_some_and(is_unknown)
    }

    /// Ends the attempt on a file that stays as it is.
    fn stays(&mut self, place: &Place, receipt: Receipt, note: &str, same: bool) -> (Receipt, bool) {
        self.clear_leftovers(place);
        self.progress = None;
        self.add_note(note);
        (receipt, same)
    }

    /// Whether the user wants what the server has in the place of what this job put there.
    pub(super) fn may_replace_own(&self) -> bool {
        self.is_own && self.task.job.record.replace
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
