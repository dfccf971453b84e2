//! Files that are there already: taken for what they are, or gone on with.

use super::gauge::Phase;
use super::link::Link;
use super::task::{Halt, Run, on_disk};
use crate::disk::{Place, Wanted};
use crate::model::{Existing, Identity, Proof, Receipt, Stage};
use crate::policy::unix_seconds;

impl Run<'_> {
    /// The receipt of a file that stands under its final name. `verified` tells whether its content was compared.
    pub(super) async fn adopted(
        &mut self,
        place: &Place,
        remote: Identity,
        note: String,
        verified: bool,
    ) -> Result<Receipt, Halt> {
        let found = on_disk(Stage::Plan, || {
            place.clear_final_label();
            place.sync_dir()?;
            place.final_file()
        })?;
        let (size, modified) = (found.map_or(0, |f| f.size), found.and_then(|f| f.modified));
        let mut surveyed = self.final_survey.take().unwrap_or_default();
        let skipped = !verified && self.existing() == Existing::Skip;
        let kept_digest = self.kept_digest().filter(|_| !skipped);
        if let Some(algorithm) = kept_digest.filter(|&algorithm| surveyed.digest(algorithm).is_none()) {
            let wanted = Wanted { whole: vec![algorithm], pieces: None };
            surveyed.digests.extend(self.survey_final(place, wanted).await?.digests);
        }
        self.clear_leftovers(place);
        let told = remote.modified.as_deref().filter(|_| !skipped).and_then(unix_seconds);
        let proved = if verified {
            self.proved(self.word.clone(), surveyed, (&remote, size))
        } else {
            let proof = if skipped { Proof::Nothing } else { self.by_length(&remote, size) };
            super::prove::Proved { proof, digests: surveyed.digests, checksum: None }
        };
        let note = self.note.clone().map_or(note.clone(), |told| format!("{note}; {told}"));
        Ok(self.keep_digests(Receipt {
            size,
            // What it was not compared with is not what it is.
            identity: if skipped { Identity::default() } else { remote },
            left_alone: skipped,
            modified_here: modified.filter(|&it| told.is_some_and(|told| told != it) && self.is_past(it)),
            proof: Some(proved.proof),
            digests: proved.digests,
            checksum: proved.checksum,
            note: Some(note),
            ..Receipt::default()
        }))
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
