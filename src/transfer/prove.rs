//! How it is known that a file is right: by the list's word, by one found beside it, by the server's, or by its length.

use super::finisher::Content;
use super::follow;
use super::gauge::Phase;
use super::link::Link;
use super::task::{Halt, Run, aside, on_disk};
use super::wrong::Wrong;
use crate::disk::{DiskError, Place, Surveyed, Wanted, survey_of};
use crate::model::{Algorithm, Cause, Checksum, Failure, Identity, Proof, ServerHash, Stage, TransferType};
use crate::policy::expected_size;
use crate::wire::HashWay;
use std::sync::Arc;

/// A checksum that the file is to have, and whose word that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) checksum: Checksum,
    pub(super) proof: Proof,
}

/// What is known of a file that is right.
#[derive(Debug)]
pub(super) struct Proved {
    pub(super) proof: Proof,
    /// What was computed of it.
    pub(super) digests: Vec<Checksum>,
    /// What was given and matched.
    pub(super) checksum: Option<Checksum>,
}

impl Run<'_> {
    /// What is to be computed of the file while it arrives.
    pub(super) fn wanted(&self, link: &Link) -> Wanted {
        let way = if self.is_asking() { link.hash_way() } else { None };
        self.wanted_for(self.word.as_ref().map(|word| word.checksum.algorithm()).or(way.map(|way| way.algorithm)))
    }

    /// What is to be computed to compare a digest by this function, or else the list's pieces.
    fn wanted_for(&self, algorithm: Option<Algorithm>) -> Wanted {
        let mut wanted = Wanted::default();
        match (&self.word, &self.pieces) {
            (None, Some(pieces)) => wanted.pieces = Some(Arc::clone(pieces)),
            _ => algorithm.into_iter().for_each(|algorithm| wanted.add(algorithm)),
        }
        self.kept_digest().into_iter().for_each(|algorithm| wanted.add(algorithm));
        wanted
    }

    /// The digest that is kept of every file, by the user's wish.
    pub(super) fn kept_digest(&self) -> Option<Algorithm> {
        self.task.settings.digest.unwrap_or_default().algorithm()
    }

    /// Whether the server is to be asked for a checksum: where no other is known, and it may be.
    pub(super) fn is_asking(&self) -> bool {
        self.word.is_none()
            && self.pieces.is_none()
            && self.kind() == TransferType::Image
            && self.task.settings.server_hash.unwrap_or_default() == ServerHash::Auto
    }

    /// Looks for a checksum beside the file, where that is wanted and no better one is known.
    pub(super) async fn look_for_word(&mut self, link: &mut Link) -> Result<(), Halt> {
        let wanted = self.task.settings.sidecars == Some(true) && self.kind() == TransferType::Image;
        if wanted && self.word.is_none() && self.pieces.is_none() {
            self.task.gauge.set_phase(Phase::Asking);
            self.word = self.find_sidecar(link).await?;
        }
        Ok(())
    }

    /// Proves that the content is right, by the best word there is.
    pub(super) async fn prove(
        &mut self,
        place: &Place,
        content: Content,
        (remote, size): (&Identity, u64),
        link: &mut Link,
    ) -> Result<(Content, Proved), Halt> {
        let asked = match &self.word {
            Some(word) => Some((word.clone(), None)),
            None => self.ask_server(size, link).await?.map(|(word, way)| (word, Some(way))),
        };
        let (word, way) = asked.unzip();
        let wanted = self.wanted_for(word.as_ref().map(|word| word.checksum.algorithm()));
        if wanted.is_empty() {
            return Ok((content, Proved { proof: self.by_length(remote, size), digests: Vec::new(), checksum: None }));
        }
        self.task.gauge.set_phase(Phase::Checking);
        let (surveyed, content) = self.survey(place, content, size, &wanted).await?;
        if self.is_right(word.as_ref(), &surveyed, size) {
            return Ok((content, self.proved(word, surveyed, (remote, size))));
        }
        let wrong = Wrong { word, way: way.flatten(), surveyed };
        Err(Box::pin(self.is_wrong(place, content, (remote, size), wrong, link)).await)
    }

    /// Whether a survey shows what it is to show.
    pub(super) fn is_right(&self, word: Option<&Word>, surveyed: &Surveyed, size: u64) -> bool {
        let whole = surveyed.length == size;
        match (word, &self.pieces) {
            (Some(word), _) => whole && surveyed.digest(word.checksum.algorithm()) == Some(&word.checksum),
            (None, Some(pieces)) => whole && pieces.fit(size) && surveyed.wrong.is_empty(),
            (None, None) => true,
        }
    }

    /// The proof of a file whose survey is right.
    pub(super) fn proved(&self, word: Option<Word>, surveyed: Surveyed, (remote, size): (&Identity, u64)) -> Proved {
        let proof = match (&word, &self.pieces) {
            (Some(word), _) => word.proof.clone(),
            (None, Some(_)) => Proof::Pieces,
            (None, None) => self.by_length(remote, size),
        };
        Proved { proof, digests: surveyed.digests, checksum: word.map(|word| word.checksum) }
    }

    /// What a length proves.
    pub(super) fn by_length(&self, remote: &Identity, size: u64) -> Proof {
        let expect = &self.task.job.spec.expect;
        let told = match self.kind() {
            TransferType::Image => expected_size(remote, expect),
            TransferType::Ascii => expect.size,
        };
        if told == Some(size) { Proof::Size } else { Proof::Nothing }
    }

    /// Asks the server for the file's checksum, where it offers one and no better is known.
    pub(super) async fn ask_server(&mut self, size: u64, link: &mut Link) -> Result<Option<(Word, HashWay)>, Halt> {
        let host = self.source().account().host_key();
        if !self.is_asking() || size == 0 || self.task.findings.is_mute(&host) || link.hash_way().is_none() {
            return Ok(None);
        }
        self.task.gauge.set_phase(Phase::Checking);
        let mut why = None;
        // Each way that turns out to be unknown is asked for once.
        while let Some(way) = link.hash_way() {
            let path = self.path().clone();
            let asked = async { link.session().await?.hash(&path, way, size).await };
            match self.or_stop(asked).await? {
                Ok(Ok(checksum)) => {
                    let proof = Proof::Server { command: way.name().to_owned() };
                    return Ok(Some((Word { checksum, proof }, way)));
                }
                Ok(Err(no)) => {
                    why = Some(no.why);
                    if !no.unknown {
                        break;
                    }
                }
                Err(failure) => {
                    self.task.findings.note_trouble(host);
                    why = Some(format!("{}: {}", way.name(), failure.message));
                    break;
                }
            }
        }
        if let Some(why) = why {
            self.add_note(&format!("not proved by the server's own checksum, {why}"));
        }
        Ok(None)
    }

    /// Computes what is wanted of the content, or takes what was computed while it arrived.
    pub(super) async fn survey(
        &mut self,
        place: &Place,
        content: Content,
        size: u64,
        wanted: &Wanted,
    ) -> Result<(Surveyed, Content), Halt> {
        let part = match content {
            Content::Bytes(bytes) => return Ok((survey_of(&bytes, wanted), Content::Bytes(bytes))),
            Content::Part(part) => part,
        };
        if let Some(follower) = self.digest.take()
            && follower.covers(wanted)
            && let Some(surveyed) = self.or_stop(follower.finish(size)).await?
        {
            return Ok((surveyed, part.into()));
        }
        if size < follow::WORTH {
            let surveyed = aside(Stage::Verify, || part.survey(wanted, &|| *self.task.stop.borrow()))?;
            return Ok((surveyed.ok_or(Halt::Stopped)?, part.into()));
        }
        let wanted = wanted.clone();
        let work = move |stop: Box<dyn Fn() -> bool>| Ok(part.survey(&wanted, &stop)?.map(|found| (found, part)));
        let (surveyed, part) = self.compute(work, place).await?;
        Ok((surveyed, part.into()))
    }

    /// Surveys the file under the final name, if there is something to compare or to keep.
    pub(super) async fn survey_final(&self, place: &Place, wanted: Wanted) -> Result<Surveyed, Halt> {
        self.task.gauge.set_phase(Phase::Checking);
        let destination = self.task.job.spec.destination.clone();
        self.compute(move |stop| Place::open(&destination)?.survey_final(&wanted, &stop), place).await
    }

    /// Compares the file under the final name with what it is to be.
    pub(super) async fn compare_final(&mut self, place: &Place) -> Result<bool, Halt> {
        let wanted = self.wanted_for(self.word.as_ref().map(|word| word.checksum.algorithm()));
        let size = on_disk(Stage::Plan, || place.final_file())?.map_or(0, |found| found.size);
        let surveyed = self.survey_final(place, wanted).await?;
        let right = self.is_right(self.word.as_ref(), &surveyed, size);
        self.final_survey = Some(surveyed);
        Ok(right)
    }

    /// Runs a long computation on a thread of its own; it ends early when the worker is told to stop.
    pub(super) async fn compute<T: Send + 'static>(
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
}
