//! One piece of a file over one session: begun where it is proved to begin, and proved to meet what is behind it.

use super::fetch::{BUFFER, store};
use super::link::Link;
use super::split::{Invitation, Split};
use super::task::{Halt, Stop, on_disk};
use crate::disk::PartFile;
use crate::ftp::{Retrieval, Verdict};
use crate::model::{Cause, Failure, Stage, TransferType};
use crate::policy::{Meeting, OVERLAP, Piece, PieceId, same_identity, variety};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Different pieces of 64 bytes that a block has to have for its place in the file to be known by it.
const TELLING: usize = 16;
/// From so many on, a block that is there twice is no chance.
const UNIQUE: usize = 128;
/// How long a piece waits at its end before it looks again at one behind it that has only just begun.
const BEGINNING: Duration = Duration::from_millis(50);

/// One session's seat at a file that several fetch.
pub(super) struct Seat {
    pub(super) split: Arc<Split>,
    part: Option<Arc<PartFile>>,
    stop: Stop,
    is_helper: bool,
    /// Whether this session was seen to begin in the middle of the file.
    restarts: bool,
    /// The piece in hand.
    piece: Option<PieceId>,
    /// Bytes that this session wrote.
    gained: u64,
}

/// How the bytes of a piece ended.
enum Received {
    /// The piece met the one behind it.
    Met,
    /// The server ended the data, and all bytes are there.
    End,
    /// The server sends more than the file holds.
    TooMuch,
}

/// What a piece found at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// It goes on.
    GoOn,
    /// It is proved to be one with what is behind it.
    Joined,
}

impl Seat {
    /// The seat of the one who fetches the file.
    pub(super) fn of_owner(split: Arc<Split>, stop: Stop) -> Self {
        let part = split.part();
        Self { split, part, stop, is_helper: false, restarts: false, piece: None, gained: 0 }
    }

    /// The seat of a helper; none where all are to leave.
    pub(super) fn of_helper(split: &Arc<Split>, stop: Stop) -> Option<Self> {
        if !split.enter() {
            return None;
        }
        let mut seat = Self::of_owner(Arc::clone(split), stop);
        seat.is_helper = true;
        Some(seat)
    }

    /// The future's result, unless this session or all are told to stop first.
    pub(super) async fn or_stop<T>(&self, work: impl Future<Output = T>) -> Result<T, Halt> {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|&stop| stop) => Err(Halt::Stopped),
            halt = Split::sent_away(Some(&self.split)) => Err(halt),
            result = work => Ok(result),
        }
    }

    /// Waits until others may have left something to do.
    pub(super) async fn news(&self, changes: &mut watch::Receiver<usize>) -> Result<(), Halt> {
        // The sender is the split's own.
        self.or_stop(changes.changed()).await.map(|_| ())
    }

    /// Fetches a piece, after a look whether the file is still the same, and gives it back.
    pub(super) async fn fetch(&mut self, piece: Piece, link: &mut Link) -> Result<(), Halt> {
        self.piece = Some(piece.id);
        let done = self.attempt(piece, link).await;
        self.let_go();
        done
    }

    /// Gives back the piece in hand.
    pub(super) fn let_go(&mut self) {
        if let Some(id) = self.piece.take() {
            self.split.give_back(id);
        }
    }

    async fn attempt(&mut self, piece: Piece, link: &mut Link) -> Result<(), Halt> {
        let before = OVERLAP.min(piece.at - piece.start);
        let split = Arc::clone(&self.split);
        let session = self.or_stop(link.session()).await??;
        let now = self.or_stop(session.inspect_ahead(split.path(), piece.at - before, &[])).await?.file?;
        if now.size != split.plot.remote.size || !same_identity(&now, &split.plot.remote) {
            let message = "another session shows another version of the file";
            return Err(Failure::transient(Stage::Inspect, Cause::Changed, message).into());
        }
        let opened = self.or_stop(session.retrieve(split.path(), TransferType::Image, piece.at - before)).await?;
        let mut retrieval = opened?;
        let received = match self.judge_beginning(piece, before, &mut retrieval).await {
            Ok(()) => self.receive(piece.id, &mut retrieval).await,
            Err(halt) => Err(halt),
        };
        match received {
            Ok(Received::End) => {
                let verdict = self.or_stop(retrieval.finish()).await?;
                self.judge_end(piece.id, verdict)
            }
            Ok(ended @ (Received::Met | Received::TooMuch)) => {
                // Nobody waits for a farewell once all is over.
                let _ = self.or_stop(retrieval.abort()).await;
                if matches!(ended, Received::TooMuch) {
                    split.overshoot();
                }
                Ok(())
            }
            Err(halt) => {
                // When all leave there is no time for the server's word: dropping the session is as good.
                let leaving = split.is_over() || (self.is_stopped() && !self.is_helper);
                if !leaving {
                    retrieval.abort().await;
                }
                if is_ignored(&halt) {
                    link.learn_no_rest();
                }
                Err(halt)
            }
        }
    }

    /// Reads a piece's first bytes. They have to go on with what is there before, and must not be the file's own first
    /// bytes: a server that ignores REST sends those, whatever it answered.
    async fn judge_beginning(&mut self, piece: Piece, before: u64, retrieval: &mut Retrieval<'_>) -> Result<(), Halt> {
        if piece.at == before {
            // From the file's first byte: there is nothing to be ignored.
            return self.go_on_with(piece, before, retrieval).await;
        }
        let room = self.split.room(piece.id).map_or(0, |room| room.bytes);
        let wanted = if before > 0 { before } else { OVERLAP.min(room) };
        let theirs = self.read_exactly(wanted, retrieval).await?;
        let head = self.ours(0, theirs.len())?;
        let like_head = head == theirs;
        if before > 0 && self.ours(piece.at - before, theirs.len())? != theirs && !like_head {
            let at = piece.at - before;
            let why = format!("the bytes at offset {at} differ from what was received before: the file changed");
            self.split.doubt(why.clone());
            return Err(Halt::Doubt(why));
        }
        if like_head && !self.restarts {
            return Err(suspicious(piece.at - before, variety(&theirs) >= UNIQUE).into());
        }
        self.restarts |= variety(&theirs) >= TELLING;
        if before == 0 { self.store(piece.id, piece.at, &theirs) } else { Ok(()) }
    }

    /// Compares the bytes before a piece that begins with the file.
    async fn go_on_with(&mut self, piece: Piece, before: u64, retrieval: &mut Retrieval<'_>) -> Result<(), Halt> {
        let theirs = self.read_exactly(before, retrieval).await?;
        if self.ours(piece.at - before, theirs.len())? == theirs {
            return Ok(());
        }
        let why = "the file's first bytes differ from what was received before: the file changed".to_owned();
        self.split.doubt(why.clone());
        Err(Halt::Doubt(why))
    }

    async fn receive(&mut self, id: PieceId, retrieval: &mut Retrieval<'_>) -> Result<Received, Halt> {
        let mut buffer = vec![0u8; BUFFER];
        loop {
            let Some(room) = self.split.room(id) else { return Err(Halt::Stopped) };
            if room.bytes == 0 && !room.to_the_end {
                match self.meet(id, retrieval).await? {
                    Met::GoOn => continue,
                    Met::Joined => return Ok(Received::Met),
                }
            }
            let most = usize::try_from(room.bytes).unwrap_or(BUFFER).clamp(1, BUFFER);
            let count = self.or_stop(retrieval.read(buffer.get_mut(..most).unwrap_or_default())).await??;
            self.split.received(count);
            match (count, room.bytes) {
                (0, 0) => return Ok(Received::End),
                (0, _) => return Err(self.broken_off(retrieval)),
                (_, 0) => return Ok(Received::TooMuch),
                _ => self.store_next(id, buffer.get(..count).unwrap_or_default())?,
            }
        }
    }

    /// Proves at the end of a piece that it goes on with what is held behind it: reads on into that and compares, until the
    /// bytes tell where they stand.
    pub(super) async fn meet(&self, id: PieceId, retrieval: &mut Retrieval<'_>) -> Result<Met, Halt> {
        loop {
            match self.split.meet(id) {
                None => return Err(self.split.halt()),
                Some(Meeting::GoOn) => return Ok(Met::GoOn),
                Some(Meeting::Wait) => self.or_stop(tokio::time::sleep(BEGINNING)).await?,
                Some(Meeting::Compare { at, bytes }) => {
                    self.compare(at, bytes, retrieval).await?;
                    self.split.join(id);
                    return Ok(Met::Joined);
                }
            }
        }
    }

    async fn compare(&self, mut at: u64, bytes: u64, retrieval: &mut Retrieval<'_>) -> Result<(), Halt> {
        let end = at + bytes;
        while at < end {
            let theirs = self.read_exactly(OVERLAP.min(end - at), retrieval).await?;
            if self.ours(at, theirs.len())? != theirs {
                let why = format!("the bytes at offset {at} differ between two connections");
                self.split.doubt(why.clone());
                return Err(Halt::Doubt(why));
            }
            if variety(&theirs) >= TELLING {
                break;
            }
            at += theirs.len() as u64;
        }
        Ok(())
    }

    /// Takes the server's word on a piece that ends with the file.
    pub(super) fn judge_end(&self, id: PieceId, verdict: Verdict) -> Result<(), Halt> {
        match verdict {
            Verdict::Confirmed => Ok(()),
            // The number of bytes is known, and they are all there.
            Verdict::Cut { failure } => {
                self.split.note(format!("all bytes came, but {}", failure.message));
                Ok(())
            }
            Verdict::Unconfirmed { failure } => {
                let text =
                    format!("all bytes came, but the server did not confirm the last ones ({})", failure.message);
                self.split.note(text);
                Ok(())
            }
            Verdict::Refused { failure } => {
                // Who comes next has to get the server's word.
                self.split.rewind(id, self.split.plot.remote.size.unwrap_or(0).saturating_sub(OVERLAP));
                Err(failure.into())
            }
        }
    }

    async fn read_exactly(&self, wanted: u64, retrieval: &mut Retrieval<'_>) -> Result<Vec<u8>, Halt> {
        let mut bytes = vec![0; usize::try_from(wanted).unwrap_or(0)];
        let mut filled = 0;
        while filled < bytes.len() {
            let count = self.or_stop(retrieval.read(bytes.get_mut(filled..).unwrap_or_default())).await??;
            self.split.received(count);
            if count == 0 {
                return Err(self.broken_off(retrieval));
            }
            filled += count;
        }
        Ok(bytes)
    }

    fn ours(&self, at: u64, count: usize) -> Result<Vec<u8>, Halt> {
        let mut bytes = vec![0; count];
        let part = self.part.as_ref().ok_or(Halt::Stopped)?;
        let read = on_disk(Stage::Store, || part.read_at(&mut bytes, at))?;
        bytes.truncate(read);
        Ok(bytes)
    }

    fn store_next(&mut self, id: PieceId, bytes: &[u8]) -> Result<(), Halt> {
        let at = self.split.place(id).ok_or(Halt::Stopped)?;
        self.store(id, at, bytes)
    }

    fn store(&mut self, id: PieceId, at: u64, bytes: &[u8]) -> Result<(), Halt> {
        let part = self.part.as_ref().ok_or(Halt::Stopped)?;
        let least = self.split.least();
        store(bytes.len(), || {
            part.must_reach(least)?;
            part.write_at(bytes, at)
        })?;
        self.gained += bytes.len() as u64;
        self.split.advance(id, bytes.len() as u64)
    }

    fn broken_off(&self, retrieval: &Retrieval<'_>) -> Halt {
        retrieval.last_word().map_or_else(|| self.cut_short(), Halt::Failed)
    }

    /// The server ended the data before the end of a piece.
    pub(super) fn cut_short(&self) -> Halt {
        let (total, size) = (self.split.total(), self.split.plot.remote.size.unwrap_or(0));
        let message = format!("the server ended the data too early ({total} of {size} bytes came)");
        Failure::transient(Stage::Retrieve, Cause::Disconnected, message).into()
    }

    fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.let_go();
        // Before others hear of it: they may open the part file anew.
        self.part = None;
        if self.is_helper {
            self.split.leave();
        }
    }
}

/// The failure of a session whose data may begin with the file, whatever REST said.
fn suspicious(at: u64, surely: bool) -> Failure {
    let cause = if surely { Cause::Refused } else { Cause::Unsupported };
    let message = format!("the bytes at offset {at} are those of the file's beginning, as if REST were ignored");
    Failure::transient(Stage::Restart, cause, message)
}

/// Whether the server was seen to ignore REST.
fn is_ignored(halt: &Halt) -> bool {
    matches!(halt, Halt::Failed(failure) if failure.stage == Stage::Restart && failure.cause == Cause::Refused)
}

/// How a helper's work ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Help {
    /// Bytes by which it brought the file further.
    pub gained: u64,
    /// Why it broke off, where it did.
    pub failure: Option<Failure>,
}

/// Helps with a file until nothing is left to take, or until told to stop.
pub async fn assist(invitation: Invitation, link: &mut Link, stop: Stop) -> Help {
    let split = Arc::clone(&invitation.split);
    let Some(mut seat) = Seat::of_helper(&split, stop) else { return Help { gained: 0, failure: None } };
    let failure = match seat.help(invitation, link).await {
        Ok(()) | Err(Halt::Stopped | Halt::Doubt(_) | Halt::Again(_) | Halt::Mend(_)) => None,
        Err(Halt::Failed(failure)) => Some(failure),
    };
    if let Some(failure) = &failure {
        if failure.stage == Stage::Store {
            split.fail(failure.clone());
        } else if failure.stage == Stage::Restart || failure.cause == Cause::Changed {
            split.refuse_more();
        }
        split.note(format!("a further connection broke off: {}", failure.message));
    }
    Help { gained: seat.gained, failure }
}

impl Seat {
    async fn help(&mut self, invitation: Invitation, link: &mut Link) -> Result<(), Halt> {
        self.or_stop(link.session()).await??;
        let mut invitation = Some(invitation);
        while let Some(piece) = self.split.take() {
            invitation = None;
            self.piece = Some(piece.id);
            if !self.split.open().await? {
                break;
            }
            self.fetch(piece, link).await?;
        }
        drop(invitation);
        Ok(())
    }
}
