//! A file's length by all who told it: a disagreement is settled by asking once more, or is the end of the attempt.

use super::link::Link;
use super::task::{Halt, Run};
use crate::model::{Cause, Failure, Identity, Listed, Stage, TransferType};
use crate::policy::{LengthFinding, Lengths};
use crate::wire::listing::{Entry, Item, Size};

/// Digits of a time that tells seconds: `YYYYMMDDhhmmss`.
const TO_THE_SECOND: usize = 14;

impl Run<'_> {
    /// Holds each length that was told of the file against its `size` bytes.
    pub(super) async fn check_lengths(&mut self, size: u64, remote: &Identity, link: &mut Link) -> Result<(), Halt> {
        if self.kind() == TransferType::Ascii {
            return self.check_lines(size, remote);
        }
        let listed = self.listed();
        let lengths = Lengths {
            came: size,
            from: self.from,
            size: remote.size,
            listed: listed.as_ref().and_then(|listed| listed.size),
            announced: self.announced,
        };
        match (lengths.judge(), listed) {
            (LengthFinding::ListingDiffers(told), Some(listed)) => {
                self.check_listing(size, (remote, &listed), told, link).await
            }
            (LengthFinding::AnnouncedOther(told), _) => {
                self.add_note(&format!("the server's reply to RETR announced {told} bytes"));
                Ok(())
            }
            (LengthFinding::AnnouncedAlone(told), _) => {
                Err(short(size, &format!("its reply to RETR announced {told}")).into())
            }
            _ => Ok(()),
        }
    }

    /// In TYPE A the file is as long as SIZE tells here or on its way, as the server has line ends of one byte or of two. It
    /// never gets shorter on its way.
    fn check_lines(&mut self, size: u64, remote: &Identity) -> Result<(), Halt> {
        let Some(told) = remote.size.filter(|&told| told != 0) else { return Ok(()) };
        let sent = size + self.line_ends;
        if sent < told {
            return Err(short(sent, &format!("SIZE tells {told}")).into());
        }
        if told != size && told != sent {
            self.add_note(&format!("SIZE tells {told} bytes, and {sent} came in TYPE A: this may be due to line ends"));
        }
        Ok(())
    }

    /// What the listing that the job came from, or a later one, said of the file.
    fn listed(&self) -> Option<Listed> {
        let job = self.task.job;
        let own = *self.task.source == job.spec.source;
        job.record.listed.clone().or_else(|| job.spec.listed.clone()).filter(|_| own)
    }

    /// Asks the folder's listing again where it told another length than what came.
    async fn check_listing(
        &mut self,
        size: u64,
        (remote, listed): (&Identity, &Listed),
        told: u64,
        link: &mut Link,
    ) -> Result<(), Halt> {
        let is_sized = remote.size.is_some_and(|size| size != 0);
        let same_time = |listed: &Listed| {
            listed.modified.as_ref().is_some_and(|time| time.len() >= TO_THE_SECOND)
                && listed.modified == remote.modified
        };
        // One that tells another time, or none to the second, was of another version.
        if is_sized && !same_time(listed) {
            return Ok(());
        }
        let host = self.source().account().host_key();
        let again = if self.task.findings.lists_other_lengths(&host) {
            Some(listed.clone())
        } else {
            self.list_again(link).await?
        };
        let now = again.as_ref().and_then(|again| again.size);
        if now == Some(size) {
            return Ok(());
        }
        if is_sized && again.as_ref().is_none_or(|again| !same_time(again)) {
            return Ok(());
        }
        // A file that grows is listed anew each time.
        if now.is_some() && now == listed.size {
            self.task.findings.note_other_length(host, self.path());
        }
        let told = now.unwrap_or(told);
        if !is_sized {
            return Err(short(size, &format!("the folder's listing tells {told}")).into());
        }
        let message = format!(
            "SIZE tells {size} bytes, as many as came, but the folder's listing tells {told} for the same time"
        );
        let failure = Failure::permanent(Stage::Verify, Cause::WrongSize, message);
        Err(failure
            .with_advice("ask the server's operator which is right; `ftpq get` of the file's own URL takes SIZE's word")
            .into())
    }

    /// What the folder's listing says of the file now.
    async fn list_again(&mut self, link: &mut Link) -> Result<Option<Listed>, Halt> {
        let (folder, name) = (self.path().parent(), self.path().file_name().to_vec());
        let now = i64::try_from((self.task.now)()).unwrap_or(i64::MAX);
        let look = async {
            let mut listing = link.session().await?.list(&folder, now).await?;
            let mut found = None;
            while let Some(item) = listing.next().await? {
                if let Item::Entry(entry) = item
                    && entry.name == name
                {
                    found = Some(as_listed(&entry));
                }
            }
            Ok::<_, Failure>(found)
        };
        Ok(self.or_stop(look).await??)
    }
}

fn as_listed(entry: &Entry) -> Listed {
    let size = match entry.size {
        Some(Size::Exact(size)) => Some(size),
        _ => None,
    };
    Listed { size, modified: entry.modify.clone(), unique: entry.unique.clone() }
}

fn short(came: u64, told: &str) -> Failure {
    let message = format!("the server says the transfer is complete after {came} bytes, but {told}");
    Failure::transient(Stage::Verdict, Cause::WrongSize, message)
        .with_advice("if this stays so, the server cuts the file or tells a wrong length: ask its operator")
}
