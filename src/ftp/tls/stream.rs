//! One kind of stream for control and data: a TCP connection, with TLS over it or without.

use super::layer::{Layer, Wire};
use crate::wire::{Decoder, Reply};
use rustix::net::{RecvFlags, recv};
use rustls::client::UnbufferedClientConnection;
use std::io;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// A connection to the server.
pub(in crate::ftp) struct Stream {
    socket: TcpStream,
    tls: Option<Box<Layer>>,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("socket", &self.socket).field("tls", &self.tls.is_some()).finish()
    }
}

impl Stream {
    /// The connection as it is.
    pub(in crate::ftp) fn plain(socket: TcpStream) -> Self {
        Self { socket, tls: None }
    }

    /// Puts TLS over the connection. ClientHello goes out at once; the rest is [`Stream::handshake`]'s.
    pub(super) fn start(&mut self, connection: UnbufferedClientConnection, buffer: Vec<u8>) -> io::Result<()> {
        let tls = self.tls.insert(Box::new(Layer::new(connection, buffer)));
        tls.shake(&mut Ready(&self.socket)).map(|_| ())
    }

    /// The connection below.
    pub(in crate::ftp) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Whether TLS is over it.
    pub(in crate::ftp) fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// What TLS over it has agreed upon.
    pub(super) fn agreed(&self) -> Option<&UnbufferedClientConnection> {
        self.tls.as_ref().map(|tls| tls.connection())
    }

    /// Whether the other side ended without close_notify, where TLS is over it: someone on the way may have done that.
    pub(in crate::ftp) fn is_cut(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_cut())
    }

    /// Brings the handshake to its end. May be dropped and called again without loss.
    pub(super) async fn handshake(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        while !tls.shake(&mut Ready(&self.socket))? {
            let interest = if tls.has_to_send() { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
            self.socket.ready(interest).await?;
        }
        Ok(())
    }

    /// Whether what came last is the beginning of a reply, where TLS should have been.
    pub(super) fn has_clear_text(&self) -> bool {
        self.tls.as_ref().and_then(|tls| tls.rubbish().first()).is_some_and(|byte| byte.is_ascii() && *byte >= b' ')
    }

    /// The reply that came where the other side's part of the handshake should have come, if that is what came.
    pub(super) async fn reply_instead(&mut self) -> Option<Reply> {
        let mut decoder = Decoder::new();
        decoder.feed(self.tls.as_ref()?.rubbish()).ok()?;
        let mut room = [0; 512];
        loop {
            if let Some(reply) = decoder.next_reply().ok()? {
                return Some(reply);
            }
            self.socket.readable().await.ok()?;
            match self.socket.try_read(&mut room) {
                Ok(0) => return None,
                Ok(count) => decoder.feed(room.get(..count)?).ok()?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return None,
            }
        }
    }

    /// Returns when there is something to read. An error shows again, and better, when bytes are asked for.
    pub(in crate::ftp) async fn readable(&self) {
        if !self.tls.as_ref().is_some_and(|tls| tls.has_something()) {
            let _ = self.socket.readable().await;
        }
    }

    /// Reads some bytes; 0 is the end, of which [`Stream::is_cut`] tells more.
    ///
    /// # Errors
    /// `WouldBlock` where nothing is there yet.
    pub(in crate::ftp) fn try_read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.socket.try_read(buf),
            Some(tls) => tls.read(buf, &mut Ready(&self.socket)),
        }
    }

    /// A look at what has arrived, without taking it: how many bytes, 0 being the end; nothing where none have. Asks the
    /// kernel, for tokio's readiness may be old.
    pub(in crate::ftp) fn peek(&mut self, bytes: &mut [u8]) -> io::Result<Option<usize>> {
        let seen = match &mut self.tls {
            None => return peek(&self.socket, bytes),
            Some(tls) => tls.peek(bytes, &mut Now(&self.socket)),
        };
        match seen {
            Ok(count) => Ok(Some(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether there are bytes to be read, once there are some, or their end.
    pub(in crate::ftp) async fn has_bytes(&mut self) -> bool {
        let Some(tls) = &mut self.tls else { return matches!(self.socket.peek(&mut [0; 1]).await, Ok(1..)) };
        loop {
            match tls.peek(&mut [0; 1], &mut Ready(&self.socket)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                seen => return matches!(seen, Ok(1..)),
            }
            if self.socket.readable().await.is_err() {
                return false;
            }
        }
    }

    /// Writes all bytes. Dropped before its end, it leaves the connection unfit for more.
    pub(in crate::ftp) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            None => tokio::io::AsyncWriteExt::write_all(&mut self.socket, bytes).await,
            Some(tls) => {
                tls.encrypt(bytes, &mut Ready(&self.socket))?;
                loop {
                    tls.flush(&mut Ready(&self.socket))?;
                    if !tls.has_to_send() {
                        return Ok(());
                    }
                    self.socket.writable().await?;
                }
            }
        }
    }

    /// Closes the connection. Under TLS the other side is told so by close_notify, as far as that needs no waiting.
    /// Returns a buffer for the next layer.
    pub(in crate::ftp) fn close(self) -> Vec<u8> {
        let Some(mut tls) = self.tls else { return Vec::new() };
        let wire = &mut Ready(&self.socket);
        // The other side may be gone already.
        let _ = tls.close(wire).and_then(|()| tls.flush(wire));
        tls.into_buffer()
    }
}

/// How many bytes have arrived on a connection without TLS, and are not taken yet, 0 being the end; nothing where none
/// have.
pub(in crate::ftp) fn peek(socket: &TcpStream, bytes: &mut [u8]) -> io::Result<Option<usize>> {
    match recv(socket, bytes, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok((count, _)) => Ok(Some(count)),
        Err(rustix::io::Errno::AGAIN) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The socket, going by tokio's readiness.
struct Ready<'a>(&'a TcpStream);

impl Wire for Ready<'_> {
    fn receive(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(room)
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }
}

/// The socket as the kernel has it now.
struct Now<'a>(&'a TcpStream);

impl Wire for Now<'_> {
    fn receive(&mut self, room: &mut [u8]) -> io::Result<usize> {
        Ok(recv(self.0, room, RecvFlags::DONTWAIT)?.0)
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }
}
