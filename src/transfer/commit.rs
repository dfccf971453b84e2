//! From the last byte to a file that is known to be whole.

use super::finisher::Content;
use super::link::Link;
use super::task::{Halt, Run, on_disk};
use super::whole::Ready;
use crate::disk::Place;
use crate::model::{Cause, Failure, Identity, Stability, Stage, TransferType};
use crate::policy::expected_size;

impl Run<'_> {
    /// Checks that the content is all of it, and right, while there is a session to fetch again what is not.
    pub(super) async fn ready(
        &mut self,
        place: &Place,
        content: Content,
        remote: &Identity,
        link: &mut Link,
    ) -> Result<Ready, Halt> {
        let size = match &content {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Part(part) => on_disk(Stage::Verify, || part.len())?,
        };
        let expected = expected_size(remote, &self.task.job.spec.expect).filter(|&size| size != 0);
        if let Some(expected) = expected.filter(|&expected| self.kind() == TransferType::Image && expected != size) {
            let message = format!("the part file has {size} bytes, {expected} are expected");
            return Err(Failure::transient(Stage::Verify, Cause::WrongSize, message).into());
        }
        self.check_manifest_size(size, place)?;
        self.check_lengths(size, remote, link).await?;
        self.task.gauge.set_have(size);
        let (content, proved) = self.prove(place, content, (remote, size), link).await?;
        let stability = proved.proof.is_by_digest().then_some(Stability::Digest);
        let stamp = match &content {
            Content::Bytes(_) => None,
            Content::Part(part) => Some(on_disk(Stage::Verify, || part.stamp())?),
        };
        Ok(Ready { content, remote: remote.clone(), size, proved, stability, stamp })
    }

    /// Removes what earlier attempts left; what can't be removed is no reason to fail a file that is whole.
    pub(super) fn clear_leftovers(&mut self, place: &Place) {
        let cleared = on_disk(Stage::Commit, || {
            if place.part_file()?.is_some() {
                place.remove_part()?;
            }
            place.drop_old()
        });
        if let Err(Halt::Failed(failure)) = cleared {
            self.add_note(&format!("a leftover could not be removed: {}", failure.message));
        }
    }

    /// In TYPE A, and where the server knows no size, the manifest's size is still to be met.
    fn check_manifest_size(&mut self, size: u64, place: &Place) -> Result<(), Halt> {
        let Some(expected) = self.task.job.spec.expect.size.filter(|&expected| expected != size) else {
            return Ok(());
        };
        on_disk(Stage::Verify, || place.remove_part())?;
        self.progress = None;
        let message = format!("the file has {size} bytes, the manifest says {expected}; nothing was kept");
        let advice = "the manifest or the server's file is wrong: compare with the publisher's list";
        Err(Failure::permanent(Stage::Verify, Cause::WrongSize, message).with_advice(advice).into())
    }
}
