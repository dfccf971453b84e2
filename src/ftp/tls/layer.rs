//! TLS over one connection, driven by hand: records in, bytes out, and the other way round.
//!
//! Received records are decrypted where they lie, in a buffer that one system call fills as far as it can; what they
//! held is copied once into the reader's own buffer. rustls's own buffered reader takes 4 KiB a call.

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::unbuffered::{
    AppDataRecord, ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus, WriteTraffic,
};
use std::io;

/// The longest record there is, with its header (RFC 5246, section 6.2.3).
pub(in crate::ftp) const RECORD: usize = 5 + (1 << 14) + 2048;
/// Received bytes of a stream that is in full flow: as many as a system call may bring.
const FLOW: usize = 256 * 1024 + RECORD;
/// The longest message of a handshake, which may lie in several records.
const MESSAGE: usize = 96 * 1024;
/// Received bytes in a row that hold no data, before the other side is called mad: a certificate chain is the longest
/// that may be.
const FRUITLESS: usize = 512 * 1024;
/// Bytes held back for a side that takes none.
const HELD: usize = 64 * 1024;
/// Bytes of a record's header.
const HEADER: usize = 5;
/// What encryption adds to a record at least.
const OVERHEAD: usize = 17;

/// A socket as the layer sees it: reads and writes that never wait.
pub(in crate::ftp) trait Wire {
    /// Reads some bytes; 0 is the end.
    fn receive(&mut self, room: &mut [u8]) -> io::Result<usize>;
    /// Writes some bytes.
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize>;
}

/// How the other side ended what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// By close_notify.
    Closed,
    /// Without: anyone on the way could have done that.
    Cut,
}

/// What is to be done once data may be sent.
#[derive(Clone, Copy)]
enum Errand<'a> {
    None,
    Send(&'a [u8]),
    Close,
}

/// What a look at the received records brought.
enum Step {
    /// So many bytes of data.
    Data(usize),
    /// Something that holds no data.
    Again,
    /// The records are used up, or not whole.
    More,
    /// The errand is done.
    Sent,
    /// The other side has closed.
    Closed,
}

/// The state of TLS over one connection.
pub(in crate::ftp) struct Layer {
    connection: UnbufferedClientConnection,
    /// Received records; those not looked at yet are in `start..end`.
    incoming: Vec<u8>,
    start: usize,
    end: usize,
    /// Encrypted bytes that the system has not taken yet.
    outgoing: Vec<u8>,
    /// Data that the reader had no room for, from `taken` on.
    left: Vec<u8>,
    taken: usize,
    /// Received bytes since data came last.
    fruitless: usize,
    ended: Option<End>,
    broken: Option<rustls::Error>,
}

impl Layer {
    /// A layer whose handshake is still to come, with a buffer that another one has used before, or an empty one.
    pub(super) fn new(connection: UnbufferedClientConnection, buffer: Vec<u8>) -> Self {
        Self {
            connection,
            incoming: buffer,
            start: 0,
            end: 0,
            outgoing: Vec::new(),
            left: Vec::new(),
            taken: 0,
            fruitless: 0,
            ended: None,
            broken: None,
        }
    }

    /// The buffer, for another layer.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.incoming
    }

    pub(super) fn connection(&self) -> &UnbufferedClientConnection {
        &self.connection
    }

    /// Whether the other side ended without close_notify.
    pub(super) fn is_cut(&self) -> bool {
        self.ended == Some(End::Cut)
    }

    /// Whether a read brings something, or its end, without a look at the socket.
    pub(super) fn has_something(&self) -> bool {
        self.taken < self.left.len() || self.ended.is_some() || self.broken.is_some() || self.holds_a_record()
    }

    /// Whether encrypted bytes wait for the system to take them.
    pub(super) fn has_to_send(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Brings the handshake as far as it goes without waiting. Returns whether it is over.
    ///
    /// # Errors
    /// `UnexpectedEof` where the other side closes; `InvalidData` holds a [`rustls::Error`].
    pub(super) fn shake(&mut self, wire: &mut impl Wire) -> io::Result<bool> {
        loop {
            match self.step(&mut [], Errand::None, wire)? {
                Step::Data(_) | Step::Again | Step::Sent => {}
                Step::More => {
                    self.push(wire);
                    if !self.connection.is_handshaking() {
                        return Ok(self.outgoing.is_empty());
                    }
                    match self.receive(wire) {
                        Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                        Ok(_) => {}
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                        Err(error) => return Err(error),
                    }
                }
                Step::Closed => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    /// Reads some bytes; 0 is the end, clean or not.
    ///
    /// # Errors
    /// `WouldBlock` where nothing is there yet; `InvalidData` holds a [`rustls::Error`].
    pub(super) fn read(&mut self, buf: &mut [u8], wire: &mut impl Wire) -> io::Result<usize> {
        let mut filled = self.take_left(buf);
        while filled < buf.len() && self.ended.is_none() && (filled == 0 || self.next_fits(buf.len() - filled)) {
            let room = buf.get_mut(filled..).unwrap_or_default();
            let step = match self.step(room, Errand::None, wire) {
                // It shows again at the next read.
                Err(_) if filled > 0 => break,
                step => step?,
            };
            match step {
                Step::Data(count) => filled += count,
                Step::Again | Step::Sent => {}
                Step::Closed => self.ended = Some(End::Closed),
                Step::More if filled > 0 => break,
                Step::More => {
                    self.push(wire);
                    if self.receive(wire)? == 0 {
                        self.ended = Some(End::Cut);
                    }
                }
            }
        }
        Ok(filled)
    }

    /// Copies data that is here into `bytes`, and leaves it to be read. Returns how much; 0 is the end.
    ///
    /// # Errors
    /// As [`Layer::read`].
    pub(super) fn peek(&mut self, bytes: &mut [u8], wire: &mut impl Wire) -> io::Result<usize> {
        if self.taken == self.left.len() {
            let mut room = [0; 512];
            let count = self.read(&mut room, wire)?;
            // Behind it stands what a long record left.
            let rest = self.left.split_off(self.taken);
            self.left = [room.get(..count).unwrap_or_default(), &rest].concat();
            self.taken = 0;
        }
        let left = self.left.get(self.taken..).unwrap_or_default();
        let count = left.len().min(bytes.len());
        if let (Some(to), Some(from)) = (bytes.get_mut(..count), left.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }

    /// Encrypts bytes. They go out by [`Layer::flush`].
    ///
    /// # Errors
    /// `InvalidData` holds a [`rustls::Error`]; `BrokenPipe` where the other side has closed.
    pub(super) fn encrypt(&mut self, bytes: &[u8], wire: &mut impl Wire) -> io::Result<()> {
        self.run(Errand::Send(bytes), wire)
    }

    /// Encrypts a close_notify. It goes out by [`Layer::flush`].
    ///
    /// # Errors
    /// As [`Layer::encrypt`].
    pub(super) fn close(&mut self, wire: &mut impl Wire) -> io::Result<()> {
        self.run(Errand::Close, wire)
    }

    /// Lets the system take what it takes of the encrypted bytes.
    ///
    /// # Errors
    /// When the connection broke.
    pub(super) fn flush(&mut self, wire: &mut impl Wire) -> io::Result<()> {
        let mut sent = 0;
        let result = loop {
            let rest = self.outgoing.get(sent..).unwrap_or_default();
            if rest.is_empty() {
                break Ok(());
            }
            match wire.send(rest) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.outgoing.drain(..sent.min(self.outgoing.len()));
        result
    }

    /// As [`Layer::flush`], before a read: one that fails shows there, after what the other side had to say.
    fn push(&mut self, wire: &mut impl Wire) {
        if self.flush(wire).is_err() {
            self.outgoing.clear();
        }
    }

    fn run(&mut self, errand: Errand<'_>, wire: &mut impl Wire) -> io::Result<()> {
        loop {
            match self.step(&mut [], errand, wire)? {
                Step::Sent => return Ok(()),
                Step::Data(_) | Step::Again => {}
                Step::Closed if self.ended.is_none() => self.ended = Some(End::Closed),
                Step::Closed | Step::More => return Err(io::ErrorKind::BrokenPipe.into()),
            }
        }
    }

    /// Looks at the next record. Data goes to `room`, and what has no place there is kept.
    fn step(&mut self, room: &mut [u8], errand: Errand<'_>, wire: &mut impl Wire) -> io::Result<Step> {
        if let Some(error) = &self.broken {
            return Err(invalid(error.clone()));
        }
        match self.advance(room, errand) {
            Ok(step) => {
                if self.outgoing.len() > HELD || self.left.len() > FRUITLESS {
                    return Err(self.fail("the other side takes nothing, or sends without end"));
                }
                Ok(step)
            }
            Err(error) => {
                self.broken = Some(error.clone());
                // The other side is to know why; it may be gone, which changes nothing.
                if matches!(self.advance(&mut [], Errand::None), Ok(Step::Again)) {
                    let _ = self.flush(wire);
                }
                Err(invalid(error))
            }
        }
    }

    fn advance(&mut self, room: &mut [u8], errand: Errand<'_>) -> Result<Step, rustls::Error> {
        let Self { connection, incoming, outgoing, left, .. } = self;
        let records = incoming.get_mut(self.start..self.end).unwrap_or_default();
        let UnbufferedStatus { mut discard, state } = connection.process_tls_records(records);
        let step = match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                let mut filled = 0;
                while let Some(record) = traffic.next_record() {
                    let AppDataRecord { discard: more, payload } = record?;
                    discard += more;
                    let fits = payload.len().min(room.len() - filled);
                    let (now, later) = payload.split_at(fits);
                    if let Some(to) = room.get_mut(filled..filled + fits) {
                        to.copy_from_slice(now);
                    }
                    filled += fits;
                    left.extend_from_slice(later);
                }
                self.fruitless = 0;
                Ok(Step::Data(filled))
            }
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                append(outgoing, |room| match data.encode(room) {
                    Ok(count) => Ok(Ok(count)),
                    Err(EncodeError::InsufficientSize(size)) => Err(size),
                    Err(EncodeError::AlreadyEncoded) => Ok(Ok(0)),
                })?;
                Ok(Step::Again)
            }
            Ok(ConnectionState::TransmitTlsData(data)) => {
                data.done();
                Ok(Step::Again)
            }
            Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Ok(Step::Closed),
            Ok(ConnectionState::WriteTraffic(mut traffic)) => run_errand(&mut traffic, outgoing, errand),
            Ok(ConnectionState::BlockedHandshake) => Ok(Step::More),
            Ok(_) => Err(rustls::Error::General("an unknown state of the connection".into())),
            Err(error) => Err(error),
        };
        self.start += discard;
        if self.start >= self.end {
            (self.start, self.end) = (0, 0);
        }
        step
    }

    /// Reads what has arrived, as much as the buffer takes.
    fn receive(&mut self, wire: &mut impl Wire) -> io::Result<usize> {
        if self.fruitless > FRUITLESS {
            return Err(self.fail("the other side sends, but no data"));
        }
        self.make_room()?;
        let room = self.incoming.get_mut(self.end..).unwrap_or_default();
        let space = room.len();
        let count = loop {
            match wire.receive(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.end += count;
        self.fruitless += count;
        if count == space && !self.connection.is_handshaking() && self.incoming.len() < FLOW {
            // It comes faster than it is read.
            self.incoming.resize(FLOW, 0);
        }
        Ok(count)
    }

    /// Moves what is left of the records to the front; a message longer than the buffer makes it grow.
    fn make_room(&mut self) -> io::Result<()> {
        if self.incoming.len() < RECORD {
            self.incoming.resize(RECORD, 0);
        }
        if self.start > 0 {
            self.incoming.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.incoming.len() {
            if self.end >= MESSAGE {
                return Err(self.fail("the other side sends a message that is too long"));
            }
            self.incoming.resize(self.end * 2, 0);
        }
        Ok(())
    }

    fn take_left(&mut self, buf: &mut [u8]) -> usize {
        let left = self.left.get(self.taken..).unwrap_or_default();
        let count = left.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..count), left.get(..count)) {
            to.copy_from_slice(from);
        }
        self.taken += count;
        if self.taken == self.left.len() {
            self.left.clear();
            self.taken = 0;
        }
        count
    }

    /// Length of the record that comes next, with its header, where it has begun.
    fn next_record(&self) -> Option<usize> {
        match self.incoming.get(self.start..self.end)? {
            &[_, _, _, high, low, ..] => Some(HEADER + usize::from(u16::from_be_bytes([high, low]))),
            _ => None,
        }
    }

    fn holds_a_record(&self) -> bool {
        self.next_record().is_some_and(|length| length <= self.end - self.start)
    }

    /// Whether the next record's data goes into so much room, as far as that can be told.
    fn next_fits(&self, room: usize) -> bool {
        self.next_record().is_none_or(|length| length.saturating_sub(HEADER + OVERHEAD) <= room)
    }

    fn fail(&mut self, why: &str) -> io::Error {
        let error = rustls::Error::General(why.to_owned());
        self.broken = Some(error.clone());
        invalid(error)
    }
}

fn run_errand(
    traffic: &mut WriteTraffic<'_, ClientConnectionData>,
    outgoing: &mut Vec<u8>,
    errand: Errand<'_>,
) -> Result<Step, rustls::Error> {
    let mut write = |room: &mut [u8]| match errand {
        Errand::Send(bytes) => traffic.encrypt(bytes, room),
        Errand::Close => traffic.queue_close_notify(room),
        Errand::None => Ok(0),
    };
    if matches!(errand, Errand::None) {
        return Ok(Step::More);
    }
    append(outgoing, |room| match write(room) {
        Ok(count) => Ok(Ok(count)),
        Err(EncryptError::InsufficientSize(size)) => Err(size),
        Err(EncryptError::EncryptExhausted) => Ok(Err(rustls::Error::EncryptError)),
    })?;
    Ok(Step::Sent)
}

/// Puts at the end of `outgoing` what `write` writes there; it says where it needs more room.
fn append(
    outgoing: &mut Vec<u8>,
    mut write: impl FnMut(&mut [u8]) -> Result<Result<usize, rustls::Error>, InsufficientSizeError>,
) -> Result<(), rustls::Error> {
    let at = outgoing.len();
    let mut room = 512;
    loop {
        outgoing.resize(at + room, 0);
        match write(outgoing.get_mut(at..).unwrap_or_default()) {
            Ok(written) => {
                outgoing.truncate(at + written.as_ref().map_or(0, |&count| count));
                return written.map(|_| ());
            }
            // Should it ask for no more than it has, it gets twice as much: this has an end.
            Err(InsufficientSizeError { required_size }) => room = required_size.max(room * 2),
        }
    }
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
