//! From the last byte to the final name.

use super::failpoint::failpoint;
use super::follow;
use super::gauge::Phase;
use super::task::{Halt, Run, on_disk};
use crate::disk::{DiskError, PartFile, Place};
use crate::model::{Cause, Checksum, Existing, Failure, Identity, Receipt, Stage, TransferType};
use crate::policy::{expected_size, unix_seconds};

impl Run<'_> {
    /// Checks the part file and gives it its final name. `fresh` tells whether all of it came in one transfer.
    pub(super) async fn finish(
        &mut self,
        place: &Place,
        part: PartFile,
        remote: &Identity,
        fresh: bool,
    ) -> Result<Receipt, Halt> {
        let size = on_disk(Stage::Verify, || part.len())?;
        let expected = expected_size(remote, &self.task.job.spec.expect).filter(|&size| size != 0);
        if let Some(expected) = expected.filter(|&expected| self.kind() == TransferType::Image && expected != size) {
            let message = format!("the part file has {size} bytes, {expected} are expected");
            return Err(Failure::transient(Stage::Verify, Cause::WrongSize, message).into());
        }
        self.check_manifest_size(size, place)?;
        self.task.gauge.set_have(size);
        let checksum = self.task.job.spec.expect.checksum.clone();
        let part = match &checksum {
            Some(expected) => self.verify(place, part, expected, fresh).await?,
            None => part,
        };
        failpoint("transfer-verified");
        self.task.gauge.set_phase(Phase::Storing);
        let replace = matches!(self.existing(), Existing::Overwrite | Existing::Resume);
        let time = remote.modified.as_deref().and_then(unix_seconds);
        let durable = self.is_durable();
        let sealed = on_disk(Stage::Commit, || {
            if let Some(time) = time {
                part.set_modified(time)?;
            }
            failpoint("transfer-mtime");
            if durable { part.seal() } else { Ok(()) }
        });
        self.or_distrust(&part, sealed)?;
        on_disk(Stage::Commit, || {
            failpoint("transfer-synced");
            part.rename_to_final(place, replace)?;
            failpoint("transfer-renamed");
            part.clear_label();
            if durable {
                place.sync_dir()?;
            }
            failpoint("transfer-dir-synced");
            Ok(())
        })?;
        self.progress = None;
        self.clear_leftovers(place);
        let (fetched, note) = (self.fetched, self.note.clone());
        Ok(Receipt { size, fetched, identity: remote.clone(), checksum, note, finished_at: 0 })
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
        let cleared = tokio::task::block_in_place(|| {
            if place.part_file()?.is_some() {
                place.remove_part()?;
            }
            place.drop_old()
        });
        if let Err(error) = cleared {
            self.add_note(&format!("a leftover could not be removed: {error}"));
        }
    }

    async fn verify(
        &mut self,
        place: &Place,
        part: PartFile,
        expected: &Checksum,
        fresh: bool,
    ) -> Result<PartFile, Halt> {
        self.task.gauge.set_phase(Phase::Checking);
        let algorithm = expected.algorithm();
        let size = on_disk(Stage::Verify, || part.len())?;
        let followed = match self.digest.take() {
            Some(follower) => self.or_stop(follower.finish(size)).await?,
            None => None,
        };
        let (digest, part) = match followed {
            Some(digest) => (digest, part),
            None if size < follow::WORTH => {
                let digest = on_disk(Stage::Verify, || part.digest(algorithm, &|| *self.task.stop.borrow()))?;
                (digest.ok_or(Halt::Stopped)?, part)
            }
            None => {
                let work =
                    move |stop: Box<dyn Fn() -> bool>| Ok(part.digest(algorithm, &stop)?.map(|digest| (digest, part)));
                self.hash(work, place).await?
            }
        };
        if digest == expected.digest() {
            return Ok(part);
        }
        if !fresh {
            return Err(Halt::Again(Some(format!("the {} checksum of the resumed file was wrong", algorithm.name()))));
        }
        on_disk(Stage::Verify, || place.remove_part())?;
        self.progress = None;
        let found = Checksum::new(algorithm, digest).map_or_else(|e| e.to_string(), |sum| sum.to_string());
        let message = format!("the checksum is {found}, the manifest gives {expected}; nothing was kept");
        let advice = "the manifest or the server's file is wrong: compare with the publisher's list, then ftpq retry";
        Err(Failure::permanent(Stage::Verify, Cause::WrongChecksum, message).with_advice(advice).into())
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
