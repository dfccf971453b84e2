//! The owner's part in a file that several sessions fetch: to offer it, to take what nobody takes, and to bring it to its
//! end.

use super::copy::Copier;
use super::fetch::{Copied, Start};
use super::gauge::Phase;
use super::ledger::{Ledger, unrecorded};
use super::link::Link;
use super::piece::{Met, Seat};
use super::space::drop_old_part;
use super::split::Split;
use super::task::{Halt, Run, Started, on_disk};
use super::whole::Ready;
use crate::disk::{PartFile, Place};
use crate::ftp::{Retrieval, Verdict};
use crate::model::{Cause, Failure, Identity, Progress, Span, Stage, TransferType};
use crate::policy::{LEAST_PIECE, OVERLAP, PieceId};
use std::sync::Arc;
use tokio::time::{Duration, Instant};

/// What a single connection fetches within this time is not worth a further one.
const WORTH: Duration = Duration::from_secs(2);
/// Bytes a second of a connection that is not held up by the path to the server: more of them would only cost more.
const FAST: u128 = 100_000_000;
/// How long a transfer is watched before its rate is believed.
const WATCHED: Duration = Duration::from_millis(50);
/// How often the owner looks whether a record is due.
const TICK: Duration = Duration::from_millis(500);

/// The owner's seat, and how the file came to be split.
pub(super) struct Owner {
    pub(super) seat: Seat,
    /// Whether the server is known to begin in the middle of a file.
    pub(super) restarts: bool,
    /// The piece that the copy loop fetches.
    piece: Option<PieceId>,
    offered: bool,
    begun: Instant,
    /// Bytes that were there at the beginning.
    before: u64,
}

impl Drop for Owner {
    fn drop(&mut self) {
        // Whoever still knows of the split must not keep the part file from being opened anew.
        self.seat.split.release();
    }
}

/// What is missing of a part file that came in pieces.
#[derive(Clone, Debug)]
pub(super) struct Patch {
    pub(super) held: Vec<Span>,
    pub(super) why: Option<String>,
}

impl Run<'_> {
    /// Prepares the file to be split, where it may be.
    pub(super) fn prepare_split(
        &mut self,
        part: &PartFile,
        remote: &Identity,
        start: &Start,
        no_rest: bool,
    ) -> Result<(), Halt> {
        self.owner = None;
        let Some(progress) = self.progress.clone().filter(|_| self.may_split(remote) && !no_rest) else {
            return Ok(());
        };
        let left = remote.size.unwrap_or(0).saturating_sub(start.have);
        if start.from > start.have || left < 2 * LEAST_PIECE {
            return Ok(());
        }
        let held = [Span { start: 0, end: start.have }];
        let split = Arc::new(Split::new(self.task, part, (remote, &progress), &held)?);
        let piece = split.take().map(|piece| piece.id);
        let seat = Seat::of_owner(split, self.task.stop.clone());
        self.owner =
            Some(Owner { seat, restarts: false, piece, offered: false, begun: Instant::now(), before: start.have });
        Ok(())
    }

    /// Whether this file may come over several connections.
    fn may_split(&self, told: &Identity) -> bool {
        let settings = self.task.settings;
        // Without a time two sessions could not be told to see the same version.
        let known = self.progress.is_some() && told.size.is_some_and(|size| size > 0) && told.modified.is_some();
        settings.split.unwrap_or(true)
            && settings.limit_rate.is_none()
            && settings.resume.unwrap_or(true)
            && self.kind() == TransferType::Image
            && self.labelled
            && known
            && !self.alone
    }

    /// Bytes that the copy loop may read before it comes to what another session fetches.
    pub(super) fn room(&self) -> usize {
        let Some(owner) = &self.owner else { return usize::MAX };
        match owner.piece.and_then(|id| owner.seat.split.room(id)) {
            Some(room) if !room.to_the_end => usize::try_from(room.bytes).unwrap_or(usize::MAX),
            _ => usize::MAX,
        }
    }

    /// Proves that the copy loop's piece goes on with what is behind it.
    pub(super) async fn meet(&self, retrieval: &mut Retrieval<'_>) -> Result<Met, Halt> {
        match &self.owner {
            Some(Owner { seat, piece: Some(id), .. }) => seat.meet(*id, retrieval).await,
            _ => Err(Halt::Stopped),
        }
    }

    /// Takes note of how far the copy loop has got, and offers the file to further sessions once that is worth while.
    pub(super) fn reached(&mut self, copier: &Copier<'_>) -> Result<(), Halt> {
        let length = copier.length();
        let Some(owner) = &mut self.owner else {
            self.task.gauge.set_have(length);
            return Ok(());
        };
        let split = &owner.seat.split;
        let at = owner.piece.and_then(|id| Some((id, split.place(id)?)));
        if let Some((id, at)) = at.filter(|&(_, at)| length > at) {
            split.advance(id, length - at)?;
        }
        if !split.is_in_pieces() {
            self.task.gauge.set_have(length);
        }
        let passed = owner.begun.elapsed();
        if !owner.offered && owner.restarts && passed >= WATCHED && copier.position() >= owner.before.max(OVERLAP) {
            let (gained, left) = (length - owner.before, split.left());
            let (gained, left) = (u128::from(gained), u128::from(left));
            let is_fast = gained * 1000 > FAST * passed.as_millis();
            if !is_fast && passed.as_millis() * left > WORTH.as_millis() * gained {
                owner.offered = true;
                (self.task.offer)(split);
            }
        }
        Ok(())
    }

    /// Whether others had a hand in the file while the copy loop ran. Where nobody had, nobody will have.
    pub(super) async fn is_shared(&mut self) -> bool {
        let Some(owner) = &self.owner else { return false };
        let split = Arc::clone(&owner.seat.split);
        if split.is_in_pieces() {
            return true;
        }
        split.close().await;
        if split.is_in_pieces() {
            return true;
        }
        if let Some(progress) = &mut self.progress {
            progress.durable = split.durable();
        }
        self.owner = None;
        false
    }

    /// How the copy loop ended, as far as others have to go on with it.
    pub(super) fn as_begun(&mut self, outcome: Result<(Copied, Verdict), Halt>) -> Result<(), Halt> {
        let Some(Owner { seat, piece, .. }) = &self.owner else { return Err(Halt::Stopped) };
        let whole = piece.filter(|&id| seat.split.room(id).is_some_and(|room| room.bytes == 0));
        match (outcome?, whole) {
            ((Copied::Met, _), _) => Ok(()),
            ((Copied::TooMuch, _), _) => {
                seat.split.overshoot();
                Ok(())
            }
            ((Copied::End, verdict), Some(id)) => seat.judge_end(id, verdict),
            ((Copied::End, Verdict::Confirmed), None) => Err(seat.cut_short()),
            (
                (
                    Copied::End,
                    Verdict::Cut { failure } | Verdict::Unconfirmed { failure } | Verdict::Refused { failure },
                ),
                None,
            ) => Err(failure.into()),
        }
    }

    /// Fetches what is missing of a part file that came in pieces, and finishes it.
    pub(super) async fn patch(
        &mut self,
        place: &Place,
        remote: &Identity,
        patch: Patch,
        link: &mut Link,
    ) -> Result<Ready, Halt> {
        let size = remote.size.unwrap_or(0);
        let before: u64 = patch.held.iter().map(|span| span.end - span.start).sum();
        let part = self.open_pieces(place, &patch.held, size)?;
        if let Some(why) = &patch.why {
            self.add_note(why);
        }
        let progress = self.pieces_progress(remote, &patch.held);
        self.progress = Some(progress.clone());
        self.from = patch.held.first().filter(|span| span.start == 0).map_or(0, |span| span.end);
        let split = Arc::new(Split::new(self.task, &part, (remote, &progress), &patch.held)?);
        let seat = Seat::of_owner(Arc::clone(&split), self.task.stop.clone());
        self.owner = Some(Owner { seat, restarts: true, piece: None, offered: false, begun: Instant::now(), before });
        self.task.gauge.set_have(before);
        self.digest = self.follow(place, &part, Some(size), link);
        self.labelled = true;
        if !split.open().await? {
            // What is on the file system now can't be told from what is missing.
            return Err(Halt::Again(Some("the file system keeps no record of a file in pieces any more".to_owned())));
        }
        (self.task.started)(Started { size: Some(size), from: self.from, why: patch.why });
        let ready = Box::pin(self.gather(place, part, (remote, Ok(())), link)).await;
        if ready.is_err() {
            // The next transfer may be of another version of the file.
            self.digest = None;
        }
        ready
    }

    /// Ends what the copy loop began, once others have a hand in the file: waits for them, takes what is left, and finishes.
    pub(super) async fn gather(
        &mut self,
        place: &Place,
        part: PartFile,
        (remote, begun): (&Identity, Result<(), Halt>),
        link: &mut Link,
    ) -> Result<Ready, Halt> {
        let Some(mut owner) = self.owner.take() else { return Err(Halt::Stopped) };
        let split = Arc::clone(&owner.seat.split);
        if let Some(id) = owner.piece.take() {
            split.give_back(id);
        }
        if self.may_split(remote) && !owner.offered && begun.is_ok() && !link.quirks().no_rest {
            (self.task.offer)(&split);
        }
        let done = match begun {
            Ok(()) => Box::pin(self.take_all((place, &part), &mut owner.seat, link)).await,
            Err(halt) => Err(halt),
        };
        let ended = split.close().await;
        let (fetched, notes) = split.story();
        self.fetched += fetched;
        for note in &notes {
            self.add_note(note);
        }
        self.gained += split.total().saturating_sub(owner.before);
        let done = match (done, ended) {
            // What ended the work of all is why this session's ended.
            (Err(Halt::Stopped), Some(halt)) if !*self.task.stop.borrow() => Err(halt),
            (done, _) => done,
        };
        match done {
            Ok(()) => {
                self.progress = Some(split.conclude(false)?);
                if split.overshot() {
                    self.look_at_overshoot(remote, link).await?;
                }
                self.ready(place, part.into(), remote, link).await
            }
            // Which of the new bytes are right can't be known.
            Err(Halt::Doubt(why)) if self.foreign.is_some() => Err(Halt::Again(Some(why))),
            Err(Halt::Doubt(why)) => self.go_on_alone(&split, &why).await,
            Err(Halt::Failed(failure)) if failure.stage == Stage::Restart => {
                self.go_on_alone(&split, &failure.message).await
            }
            Err(halt) => {
                self.keep_pieces(place, &part, &split)?;
                Err(halt)
            }
        }
    }

    /// Takes piece after piece until nothing is left and the others are through.
    async fn take_all(&mut self, at: (&Place, &PartFile), seat: &mut Seat, link: &mut Link) -> Result<(), Halt> {
        self.task.gauge.set_phase(Phase::Receiving);
        let mut ledger = Ledger::new(at.0, at.1, seat.split.total());
        let done = self.take_turns(&mut ledger, seat, link).await;
        let recorded = ledger.finish(self).await;
        done.and(recorded)
    }

    async fn take_turns(&mut self, ledger: &mut Ledger<'_>, seat: &mut Seat, link: &mut Link) -> Result<(), Halt> {
        let split = Arc::clone(&seat.split);
        let mut changes = split.helpers();
        while !split.is_whole() {
            let others = *changes.borrow_and_update();
            let done = match split.take() {
                Some(piece) => self.beside(&split, ledger, Box::pin(seat.fetch(piece, link))).await,
                None if others > 0 => self.beside(&split, ledger, seat.news(&mut changes)).await,
                None => {
                    let message = "a file in pieces has no piece left to take, and is not whole";
                    Err(Failure::transient(Stage::Retrieve, Cause::Protocol, message).into())
                }
            };
            match done {
                // No room for a new session beside the others: they will do it.
                Err(Halt::Failed(failure)) if others > 0 && is_at_the_door(&failure) => {
                    self.beside(&split, ledger, seat.news(&mut changes)).await?;
                }
                done => done?,
            }
        }
        Ok(())
    }

    /// Does some work, and tells meanwhile how far all sessions have got.
    async fn beside(
        &mut self,
        split: &Arc<Split>,
        ledger: &mut Ledger<'_>,
        work: impl Future<Output = Result<(), Halt>>,
    ) -> Result<(), Halt> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = tokio::time::sleep(TICK) => {
                    if let Some(follower) = &self.digest {
                        follower.mark().reach(split.contiguous());
                    }
                    ledger.tick_pieces(self, split).await?;
                }
            }
        }
    }

    /// Whether the server now tells a larger size, after it sent more than the file held.
    async fn look_at_overshoot(&mut self, remote: &Identity, link: &mut Link) -> Result<(), Halt> {
        let now = self.inspect(link).await?;
        self.judge_again(remote, Ok(now))?;
        self.alone = true;
        Err(Halt::Again(Some("the server sent more than the rest of the file".to_owned())))
    }

    /// Keeps the file's proved beginning alone, and has the rest fetched over one session.
    async fn go_on_alone(&mut self, split: &Arc<Split>, why: &str) -> Result<Ready, Halt> {
        self.alone = true;
        let length = split.keep_beginning();
        self.add_note(&format!("{why}: what lay beyond the first {length} bytes is fetched again over one connection"));
        let progress = split.conclude(false)?;
        // Before the first new byte: the older record tells of what is thrown away.
        let recorded = self.task.queue.checkpoint(self.task.job.id, progress.clone()).await;
        recorded.map_err(|error| unrecorded(&error))?;
        self.progress = Some(progress);
        Err(Halt::Again(None))
    }

    /// Makes what is held durable, and says on the part file what that is.
    fn keep_pieces(&mut self, place: &Place, part: &PartFile, split: &Arc<Split>) -> Result<(), Halt> {
        self.make_durable(part)?;
        self.progress = Some(split.conclude(self.is_durable())?);
        drop_old_part(place, split.total())
    }

    fn open_pieces(&mut self, place: &Place, held: &[Span], size: u64) -> Result<PartFile, Halt> {
        let end = held.iter().map(|span| span.end).max().unwrap_or(0);
        let part = on_disk(Stage::Store, || {
            let part = place.open_part()?;
            if part.len()? > end {
                part.truncate(end)?;
            }
            Ok(part)
        })?;
        let needed = size.saturating_sub(on_disk(Stage::Store, || part.allocated())?);
        self.reserve(place, &part, needed, (end, size))?;
        Ok(part)
    }

    fn pieces_progress(&self, remote: &Identity, held: &[Span]) -> Progress {
        let (durable, durable_ranges) = match &self.progress {
            Some(old) if old.boot_id == self.task.boot_id => (old.durable, old.durable_ranges.clone()),
            // Another boot: only durable bytes were taken over.
            _ => (held.first().filter(|span| span.start == 0).map_or(0, |span| span.end), held.to_vec()),
        };
        let boot_id = self.task.boot_id.to_owned();
        let ranges = held.to_vec();
        let (identity, source) = self.origin(remote);
        Progress { identity, source, durable, boot_id, ranges, durable_ranges, wrong: self.wrong }
    }
}

/// Whether the failure came while a session was opened.
fn is_at_the_door(failure: &Failure) -> bool {
    matches!(failure.stage, Stage::Connect | Stage::Greeting | Stage::Secure | Stage::Login)
}
