//! A file that was finished before and is asked for again.

use super::adopt::stays_there;
use super::gauge::Phase;
use super::link::Link;
use super::prove::Word;
use super::task::{Halt, Run, on_disk};
use crate::disk::{Found, Place, Wanted};
use crate::model::{Cause, Existing, Failure, Identity, Receipt, SameBy, Stage, TransferType, rfc3339};
use crate::policy::{Comparison, Difference, compare_with_receipt, is_as_finished};

/// What is to be told of a file that is the same by size and time.
const AS_IT_WAS: &str = "as it was, checked with the server";
/// What is to be told of one that is not compared, and never was.
pub(super) const NOT_COMPARED: &str = "was there already; not compared (existing = skip)";
/// What is to be told of one that is not compared any more.
const CHANGED_HERE: &str = "kept as it is (existing = skip): it is not the file that was fetched";

/// A file that stays as it was finished before.
pub(super) struct UnchangedFile {
    /// What is known of it since then.
    pub(super) receipt: Box<Receipt>,
    /// By what it is known that the server has the same; nothing where it has not, or that was not to count.
    pub(super) same: Option<SameBy>,
}

impl Run<'_> {
    /// The receipt of an earlier download that the job still has.
    pub(super) fn earlier(&self) -> Option<&Receipt> {
        self.task.job.record.receipt.as_ref()
    }

    /// Has the server asked about the file together with those that come next. Returns what stays, where it is as it was;
    /// everything else is asked and decided upon alone.
    pub(super) async fn glance(&mut self, place: &Place, link: &mut Link) -> Result<Option<UnchangedFile>, Halt> {
        let Some(receipt) = self.earlier() else { return Ok(None) };
        if receipt.left_alone
            && let Some(kept) = self.stays_skipped(place)?
        {
            return Ok(Some(kept));
        }
        if self.task.settings.sidecars == Some(true) {
            return Ok(None);
        }
        let (answers, account) = (&self.task.findings.answers, self.task.source.account());
        let mut remote = answers.take(account, self.path());
        if remote.is_none() {
            self.ask_about_several(link).await?;
            remote = answers.take(account, self.path());
        }
        let Some(remote) = remote else { return Ok(None) };
        match self.compare_with_earlier(place, &remote).await? {
            Some((receipt, Comparison::Same)) if !self.has_news(&receipt, &remote) => {
                Ok(Some(self.stays(place, receipt, AS_IT_WAS, Some((SameBy::Time, &remote)))))
            }
            Some(_) => Ok(None),
            None => self.stays_skipped(place),
        }
    }

    /// A file that is not to be compared, and is not the one that was put there: what is known of that one stays.
    fn stays_skipped(&mut self, place: &Place) -> Result<Option<UnchangedFile>, Halt> {
        let earlier = self.earlier().filter(|_| self.existing() == Existing::Skip && self.own.is_none()).cloned();
        let Some(receipt) = earlier else { return Ok(None) };
        if on_disk(Stage::Plan, || place.final_file())?.is_none() || self.is_just_named(place)? {
            return Ok(None);
        }
        let note = if receipt.left_alone { NOT_COMPARED } else { CHANGED_HERE };
        Ok(Some(self.stays(place, receipt, note, None)))
    }

    async fn ask_about_several(&mut self, link: &mut Link) -> Result<(), Halt> {
        let (answers, account) = (&self.task.findings.answers, self.task.source.account());
        let paths = answers.to_ask(account, self.path(), self.task.next);
        if paths.is_empty() {
            return Ok(());
        }
        self.task.gauge.set_phase(Phase::Asking);
        let asked = async { link.session().await?.inspect_several(&paths).await };
        let told = match self.or_stop(asked).await? {
            Ok(told) => told.unwrap_or_default(),
            Err(failure) => {
                self.add_note(&format!("asked once more about one file at a time: {failure}"));
                answers.note_trouble(account.host_key());
                Vec::new()
            }
        };
        let told = told.into_iter().chain(std::iter::repeat(None));
        answers.put(account, paths.into_iter().zip(told));
        Ok(())
    }

    /// Compares what the server says of a file that was finished before with what it said then. Returns what stays; nothing
    /// where the file is to be decided upon as any other.
    pub(super) async fn compare_known(
        &mut self,
        place: &Place,
        remote: &Identity,
    ) -> Result<Option<UnchangedFile>, Halt> {
        let Some((receipt, comparison)) = self.compare_with_earlier(place, remote).await? else {
            return self.stays_skipped(place);
        };
        let is_news = self.has_news(&receipt, remote);
        let difference = match &comparison {
            Comparison::Same if !is_news => {
                return Ok(Some(self.stays(place, receipt, AS_IT_WAS, Some((SameBy::Time, remote)))));
            }
            // Whoever wants what the server has wants more than its size.
            Comparison::SameSize(why) if !(is_news || self.may_replace() && self.is_of_source(&receipt)) => {
                let note = format!("as it was, checked with the server by its size alone: {why}");
                return Ok(Some(self.stays(place, receipt, &note, Some((SameBy::Size, remote)))));
            }
            _ => told_apart(&receipt, &comparison),
        };
        if self.existing() == Existing::Skip {
            // What was said of it stays as it was: nothing is compared now.
            let note = format!("kept as it is (existing = skip): {difference}");
            return Ok(Some(self.stays(place, receipt, &note, None)));
        }
        // The digest that it is to have says which of the two is right.
        if self.word.is_some() || self.pieces.is_some() {
            return Ok(None);
        }
        self.difference = match comparison {
            // Some of its bytes tell too little.
            Comparison::Different(_) | Comparison::NewTime(_) => Difference::Content,
            // A size tells that it is another one, and its bytes that it is not.
            Comparison::Untold(_) if remote.size.is_none() => Difference::Content,
            _ if self.task.job.record.other_content && !self.settles(&receipt, remote) => Difference::Content,
            // Its bytes are not compared, and size and time are the same.
            Comparison::OtherId if self.kind() == TransferType::Ascii => Difference::None,
            Comparison::Untold(_) | Comparison::OtherId => Difference::Doubt,
            Comparison::Same | Comparison::SameSize(_) if self.is_listed_anew(&receipt, remote) => Difference::Doubt,
            Comparison::Same | Comparison::SameSize(_) => Difference::None,
        };
        match (&comparison, self.existing()) {
            (
                Comparison::Different(_) | Comparison::NewTime(_) | Comparison::Untold(_),
                Existing::Check | Existing::Error,
            ) => Err(self.own_way_out(Failure::local(Stage::Plan, Cause::Exists, difference)).into()),
            (Comparison::Different(_) | Comparison::NewTime(_) | Comparison::Untold(_), _) => {
                self.add_note(&difference);
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// The receipt of a file that stands here as it was finished, and whether the server has the same; nothing where it does
    /// not stand so.
    async fn compare_with_earlier(
        &mut self,
        place: &Place,
        remote: &Identity,
    ) -> Result<Option<(Receipt, Comparison)>, Halt> {
        let Some(receipt) = self.earlier().cloned() else { return Ok(None) };
        let Some(found) = on_disk(Stage::Plan, || place.final_file())? else { return Ok(None) };
        self.see(Some(found));
        self.own = self.is_unchanged(&receipt, found, place).await?.then_some(found);
        if self.own.is_none() {
            return Ok(None);
        }
        let comparison = compare_with_receipt(&receipt, remote, self.is_of_source(&receipt), self.kind());
        Ok(Some((receipt, comparison)))
    }

    /// Whether the file, changed since it was seen first, would have another time, in whole seconds, than this one.
    pub(super) fn is_past(&self, modified: i64) -> bool {
        modified.abs_diff(self.seen_at) > 1
    }

    /// Whether the file came from where this attempt goes.
    pub(super) fn is_of_source(&self, receipt: &Receipt) -> bool {
        receipt.source.as_ref().unwrap_or(&self.task.job.spec.source) == self.task.source
    }

    /// Whether the file under the final name is not the one that this job put there once.
    pub(super) fn is_changed_here(&self) -> bool {
        self.earlier().is_some_and(|receipt| !receipt.left_alone) && (self.own.is_none() || self.own != self.final_file)
    }

    /// Whether there is a record of an unfinished file, and no part file.
    pub(super) fn is_just_named(&self, place: &Place) -> Result<bool, Halt> {
        Ok(self.progress.is_some() && on_disk(Stage::Plan, || place.part_file())?.is_none())
    }

    /// Whether the server's file is to take the place of the one here where they differ.
    fn may_replace(&self) -> bool {
        matches!(self.existing(), Existing::Overwrite | Existing::Backup)
    }

    /// Whether something is said of the content by which the file here was not checked yet.
    fn has_news(&self, receipt: &Receipt, remote: &Identity) -> bool {
        let job = self.task.job;
        let is_unknown = |word: &Word| !receipt.known_digests().any(|sum| *sum == word.checksum);
        let other_size = job.spec.expect.size.is_some_and(|size| size != receipt.size);
        let is_corrected = job.record.compare && job.record.expect.is_some();
        let is_listed_anew = self.is_listed_anew(receipt, remote);
        other_size || is_corrected || is_listed_anew || self.word.as_ref().is_some_and(is_unknown)
    }

    /// Whether the folder's listing says something else than before that the server's other words do not settle: a clock
    /// that was set to summer time moves the times of a listing, too.
    fn is_listed_anew(&self, receipt: &Receipt, remote: &Identity) -> bool {
        let record = &self.task.job.record;
        let unique = record.listed.as_ref().and_then(|listed| listed.unique.as_ref());
        let is_other = unique.is_some() && unique != receipt.identity.unique.as_ref();
        record.compare && (is_other || !self.settles(receipt, remote))
    }

    /// Whether the server's word on the file outweighs its folder's listing: it told a time then, and tells one now.
    fn settles(&self, receipt: &Receipt, remote: &Identity) -> bool {
        self.is_of_source(receipt) && receipt.identity.modified.is_some() && remote.modified.is_some()
    }

    /// A file that this job put there, and that was compared with what the server has.
    pub(super) fn stays_compared(
        &mut self,
        place: &Place,
        (by, note): (SameBy, &str),
        remote: &Identity,
    ) -> Result<Option<UnchangedFile>, Halt> {
        if stays_there(place)? != self.final_file {
            return Ok(None);
        }
        let earlier = self.earlier().cloned();
        Ok(earlier.map(|receipt| self.stays(place, receipt, note, Some((by, remote)))))
    }

    /// Ends the attempt on a file that stays as it is: the same as the server's, by what and as that tells of it; or whatever
    /// the server has.
    fn stays(
        &mut self,
        place: &Place,
        mut receipt: Receipt,
        note: &str,
        same: Option<(SameBy, &Identity)>,
    ) -> UnchangedFile {
        // Of another file on the server there may be a beginning: it is for whoever wants that one.
        if same.is_some() {
            self.clear_leftovers(place);
            self.progress = None;
        }
        self.add_note(note);
        match same {
            Some((by, now)) if self.is_of_source(&receipt) => {
                let stopped = now.modified.is_none() && receipt.identity.modified.is_some();
                receipt.untold = stopped && (receipt.untold || by == SameBy::Bytes);
                receipt.identity = merged(&receipt, now);
            }
            Some((SameBy::Bytes, now)) => {
                receipt.source = Some(self.task.source.clone());
                receipt.identity = now.clone();
            }
            _ => {}
        }
        if let Some(own) = self.own.filter(|own| !is_as_finished(&receipt, own.size, own.modified)) {
            // What proved it need not be looked at once more for the sake of the time.
            receipt.modified_here = own.modified.filter(|&modified| self.is_past(modified));
        }
        UnchangedFile { receipt: Box::new(receipt), same: same.map(|(by, _)| by) }
    }

    /// Whether the user wants what the server has in the place of what this job put there.
    pub(super) fn may_replace_own(&self) -> bool {
        let is_own = self.own.is_some_and(|own| self.final_file.is_none_or(|found| found == own));
        is_own && self.task.job.record.replace
    }

    /// The failure of a file that is not to be replaced: where ftpq itself put it there, it can be asked to do so.
    pub(super) fn own_way_out(&self, failure: Failure) -> Failure {
        if self.own.is_none() || failure.cause != Cause::Exists {
            return failure;
        }
        let id = self.task.job.id;
        failure.with_advice(format!(
            "`ftpq retry {id}` and then `ftpq run {id}` fetch the server's file; the one here stays until the new one is whole"
        ))
    }

    /// Adds the digests that are known of an unchanged file to those that were computed now.
    pub(super) fn keep_digests(&self, receipt: Receipt) -> Receipt {
        let is_own = self.own.is_some() && self.own == self.final_file;
        let Some(earlier) = self.earlier().filter(|_| is_own) else { return receipt };
        let mut digests = receipt.digests;
        for sum in earlier.known_digests() {
            if !digests.iter().any(|known| known.algorithm() == sum.algorithm()) {
                digests.push(sum.clone());
            }
        }
        let proof = receipt.proof.max(earlier.proof.clone());
        let checksum = receipt.checksum.or_else(|| earlier.checksum.clone());
        let stability = receipt.stability.or(earlier.stability);
        Receipt { proof, digests, checksum, stability, ..receipt }
    }

    /// Whether the file is the one that was put there: by length and time, or else by a digest.
    async fn is_unchanged(&self, receipt: &Receipt, found: Found, place: &Place) -> Result<bool, Halt> {
        // The user's own file is none of ftpq's, whatever its digest.
        if receipt.left_alone {
            return Ok(false);
        }
        if is_as_finished(receipt, found.size, found.modified) {
            return Ok(true);
        }
        let known = receipt.known_digests().max_by_key(|sum| sum.algorithm());
        let Some(known) = known.filter(|_| found.size == receipt.size) else { return Ok(false) };
        let wanted = Wanted { whole: vec![known.algorithm()], pieces: None };
        let surveyed = self.survey_final(place, wanted).await?;
        let is_at_rest = on_disk(Stage::Plan, || place.final_file())? == Some(found);
        Ok(is_at_rest && surveyed.digest(known.algorithm()) == Some(known))
    }
}

/// What the server says of a file that is the same: of what it does not tell now, what it told then. A length that it did
/// not tell then is not held against it when it tells none again.
pub(super) fn merged(receipt: &Receipt, now: &Identity) -> Identity {
    let then = &receipt.identity;
    let size = now.size.filter(|&told| told != 0 || receipt.size == 0);
    Identity {
        size: then.size.and(size).or(then.size),
        modified: now.modified.clone().or_else(|| then.modified.clone()),
        unique: now.unique.clone().or_else(|| then.unique.clone()),
    }
}

/// In what the server's file may differ from the one that was fetched.
fn told_apart(receipt: &Receipt, comparison: &Comparison) -> String {
    let then = rfc3339(receipt.finished_at);
    match comparison {
        Comparison::Different(how) => format!("the server has another file than the one fetched at {then}: {how}"),
        Comparison::Untold(what) => {
            format!("the server tells no {what} of the file: it can't be compared with the one fetched at {then}")
        }
        Comparison::NewTime(time) => format!(
            "the server tells {time} as its time and told none when it was fetched, at {then}: it may have been changed since"
        ),
        Comparison::OtherId => format!("its unique id is another than that of the one fetched at {then}"),
        Comparison::Same | Comparison::SameSize(_) => "its content is not compared".to_owned(),
    }
}
