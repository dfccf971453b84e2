//! Files that are there already: taken for what they are, or gone on with.

use super::gauge::Phase;
use super::known::{NOT_COMPARED, merged};
use super::link::Link;
use super::origin::Compared;
use super::task::{Goal, Halt, Run, on_disk};
use crate::disk::{Found, Place, Wanted};
use crate::model::{Existing, Identity, Proof, Receipt, SameBy, Stage};
use crate::policy::unix_seconds;

impl Run<'_> {
    /// Takes the file under the final name for the server's; nothing where it was changed since it was looked at. Of one that
    /// this job put there, what is known stays, unless a digest says more.
    pub(super) async fn adopt(
        &mut self,
        place: &Place,
        remote: &Identity,
        note: String,
        compared: Compared,
    ) -> Result<Option<Goal>, Halt> {
        let verified = compared.digest_matches == Some(true);
        if !verified && self.own.is_some() && self.own == self.final_file {
            let by = if compared.bytes_match.is_some() { SameBy::Bytes } else { SameBy::Time };
            return Ok(self.stays_compared(place, (by, &note), remote)?.map(Goal::Unchanged));
        }
        let receipt = self.adopted(place, remote, note, verified).await?;
        Ok(receipt.map(|receipt| Goal::Adopted(Box::new(receipt))))
    }

    /// The receipt of a file that stands under its final name; nothing where it was changed since it was looked at.
    /// `verified` tells whether its content was compared.
    async fn adopted(
        &mut self,
        place: &Place,
        remote: &Identity,
        note: String,
        verified: bool,
    ) -> Result<Option<Receipt>, Halt> {
        let mut surveyed = self.final_survey.take().unwrap_or_default();
        if let Some(algorithm) = self.kept_digest().filter(|&algorithm| surveyed.digest(algorithm).is_none()) {
            let wanted = Wanted { whole: vec![algorithm], pieces: None };
            surveyed.digests.extend(self.survey_final(place, wanted).await?.digests);
        }
        let found = stays_there(place)?;
        if found != self.final_file {
            return Ok(None);
        }
        let (size, modified) = (found.map_or(0, |f| f.size), found.and_then(|f| f.modified));
        self.clear_leftovers(place);
        let told = remote.modified.as_deref().and_then(unix_seconds);
        let proved = if verified {
            self.proved(self.word.clone(), surveyed, (remote, size))
        } else {
            super::prove::Proved { proof: self.by_length(remote, size), digests: surveyed.digests, checksum: None }
        };
        let earlier = self.earlier().filter(|it| self.own.is_some() && self.own == found && self.is_of_source(it));
        let identity = earlier.map_or_else(|| remote.clone(), |it| merged(it, remote));
        Ok(Some(self.keep_digests(Receipt {
            size,
            identity,
            modified_here: modified.filter(|&it| told.is_none() || told != Some(it) && self.is_past(it)),
            proof: Some(proved.proof),
            digests: proved.digests,
            checksum: proved.checksum,
            note: Some(self.noted(&note)),
            ..Receipt::default()
        })))
    }

    /// The receipt of a file under its final name that was not compared: nothing of the server's file is known to be its.
    /// Nothing where it is gone.
    pub(super) fn left_alone(&mut self, place: &Place) -> Result<Option<Receipt>, Halt> {
        let Some(Found { size, .. }) = stays_there(place)? else { return Ok(None) };
        self.clear_leftovers(place);
        let note = Some(self.noted(NOT_COMPARED));
        Ok(Some(Receipt { size, left_alone: true, proof: Some(Proof::Nothing), note, ..Receipt::default() }))
    }

    fn noted(&self, note: &str) -> String {
        self.note.as_ref().map_or(note.to_owned(), |told| format!("{note}; {told}"))
    }

    /// Asks the server for the checksum that a file under its final name is to have, once. Returns whether it gave one.
    pub(super) async fn ask_for_adopted(&mut self, place: &Place, link: &mut Link) -> Result<bool, Halt> {
        if self.asked || self.existing() == Existing::Skip || !self.is_asking() {
            return Ok(false);
        }
        self.asked = true;
        let size = on_disk(Stage::Plan, || place.final_file())?.map_or(0, |found| found.size);
        let told = self.ask_server(size, link).await?;
        self.word = told.map(|(word, _)| word);
        self.task.gauge.set_phase(Phase::Checking);
        Ok(self.word.is_some())
    }
}

pub(super) fn stays_there(place: &Place) -> Result<Option<Found>, Halt> {
    on_disk(Stage::Plan, || {
        place.clear_final_label();
        place.sync_dir()?;
        place.final_file()
    })
}
