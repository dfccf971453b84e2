//! From the last byte to a file that is known to be whole.

use super::finisher::Content;
use super::follow;
use super::gauge::Phase;
use super::task::{Halt, Run, aside, on_disk};
use super::whole::Ready;
use crate::disk::{DiskError, PartFile, Place, digest_of};
use crate::model::{Algorithm, Cause, Checksum, Failure, Identity, Stage, TransferType};
use crate::policy::expected_size;

impl Run<'_> {
    /// Checks that the content is all of it. `fresh` tells whether all of it came in one transfer: else its checksum is
    /// computed now, while there is a session to fetch it again.
    pub(super) async fn ready(
        &mut self,
        place: &Place,
        content: Content,
        remote: &Identity,
        fresh: bool,
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
        self.task.gauge.set_have(size);
        let content = if fresh { content } else { self.verify(place, content, false).await? };
        Ok(Ready { content, remote: remote.clone(), size, verified: !fresh })
    }

    /// Whether the file under the final name has the manifest's checksum.
    pub(super) async fn compare_final(&self, place: &Place) -> Result<bool, Halt> {
        let Some(expected) = self.task.job.spec.expect.checksum.clone() else { return Ok(true) };
        self.task.gauge.set_phase(Phase::Checking);
        let destination = self.task.job.spec.destination.clone();
        let algorithm = expected.algorithm();
        let digest = self.hash(move |stop| Place::open(&destination)?.digest_final(algorithm, &stop), place).await?;
        Ok(digest == expected.digest())
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

    /// Compares the content with the manifest's checksum, where it gives one.
    pub(super) async fn verify(&mut self, place: &Place, content: Content, fresh: bool) -> Result<Content, Halt> {
        let Some(expected) = self.task.job.spec.expect.checksum.clone() else { return Ok(content) };
        self.task.gauge.set_phase(Phase::Checking);
        let algorithm = expected.algorithm();
        let (digest, content) = match content {
            Content::Bytes(bytes) => (digest_of(&bytes, algorithm), Content::Bytes(bytes)),
            Content::Part(part) => {
                let (digest, part) = self.digest_of_part(place, part, algorithm).await?;
                (digest, Content::Part(part))
            }
        };
        if digest == expected.digest() {
            return Ok(content);
        }
        if !fresh {
            // Whose bytes are wrong can't be known; from its start, this source's file is judged for itself.
            self.foreign = None;
            return Err(Halt::Again(Some(format!("the {} checksum of the resumed file was wrong", algorithm.name()))));
        }
        on_disk(Stage::Verify, || place.remove_part())?;
        self.progress = None;
        let found = Checksum::new(algorithm, digest).map_or_else(|e| e.to_string(), |sum| sum.to_string());
        let message = format!("the checksum is {found}, the manifest gives {expected}; nothing was kept");
        let advice = "the manifest or the server's file is wrong: compare with the publisher's list, then ftpq retry";
        Err(Failure::permanent(Stage::Verify, Cause::WrongChecksum, message).with_advice(advice).into())
    }

    /// The digest of a whole part file, which may be known already: it was computed while the file arrived.
    async fn digest_of_part(
        &mut self,
        place: &Place,
        part: PartFile,
        algorithm: Algorithm,
    ) -> Result<(Vec<u8>, PartFile), Halt> {
        let size = on_disk(Stage::Verify, || part.len())?;
        if let Some(follower) = self.digest.take()
            && let Some(digest) = self.or_stop(follower.finish(size)).await?
        {
            return Ok((digest, part));
        }
        if size < follow::WORTH {
            let digest = aside(Stage::Verify, || part.digest(algorithm, &|| *self.task.stop.borrow()))?;
            return Ok((digest.ok_or(Halt::Stopped)?, part));
        }
        let work = move |stop: Box<dyn Fn() -> bool>| Ok(part.digest(algorithm, &stop)?.map(|digest| (digest, part)));
        self.hash(work, place).await
    }

    /// Runs a long computation on a thread of its own; it ends early when the worker is told to stop.
    async fn hash<T: Send + 'static>(
        &self,
        work: impl FnOnce(Box<dyn Fn() -> bool>) -> Result<Option<T>, DiskError> + Send + 'static,
        place: &Place,
    ) -> Result<T, Halt> {
        let stop = self.task.stop.clone();
        let done = tokio::task::spawn_blocking(move || work(Box::new(move || *stop.borrow()))).await;
        match done {
            Ok(Ok(Some(result))) => Ok(result),
            Ok(Ok(None)) => Err(Halt::Stopped),
            Ok(Err(error)) => Err(error.into_failure(Stage::Verify).into()),
            Err(error) => {
                let message = format!("computing the checksum of {} broke off: {error}", place.shown());
                Err(Failure::local(Stage::Verify, Cause::LocalIo, message).into())
            }
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
