//! TLS on the server's side: what a scripted server may be told of it, and what it sees of the client.

use super::Core;
use crate::support::certs::Identity;
use rustls::{
    HandshakeKind, RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion,
    crypto::ring,
    pki_types::CertificateDer,
    server::{NoServerSessionStorage, ServerSessionMemoryCache, StoresServerSessions, WebPkiClientVerifier},
    version::{TLS12, TLS13},
};
use std::{
    io::{ErrorKind, Read, Result, Write},
    net::{Shutdown, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// How a server does TLS.
#[derive(Clone)]
pub(crate) struct Tls {
    /// Its certificate.
    pub(crate) identity: Identity,
    /// Another certificate on data connections, which then share no sessions with the control connection.
    pub(crate) data_identity: Option<Identity>,
    /// The versions it speaks.
    pub(crate) versions: &'static [&'static SupportedProtocolVersion],
    /// TLS before the greeting.
    pub(crate) implicit: bool,
    /// No login and no data without TLS.
    pub(crate) required: bool,
    /// What it demands of data connections.
    pub(crate) demand: Demand,
    /// Tickets of TLS 1.3 that a control connection brings.
    pub(crate) tickets: usize,
    /// Tickets of TLS 1.3 that a data connection brings.
    pub(crate) data_tickets: usize,
    /// Age of a control connection from which on none of its sessions is resumed.
    pub(crate) forgets_after: Option<Duration>,
    /// Number of data connections of a control connection behind which none of its sessions is resumed.
    pub(crate) forgets_behind: Option<usize>,
    /// The authority whose client certificates it demands, on control and, the same one, on data.
    pub(crate) client_authority: Option<CertificateDer<'static>>,
    /// The handshake on control connections.
    pub(crate) handshake: Handshake,
}

impl Tls {
    /// A server that takes TLS 1.2 and 1.3 by AUTH, requires it, and demands nothing further.
    pub(crate) fn new(identity: Identity) -> Self {
        Self {
            identity,
            data_identity: None,
            versions: TLS_BOTH,
            implicit: false,
            required: true,
            demand: Demand::Nothing,
            tickets: 2,
            data_tickets: 2,
            forgets_after: None,
            forgets_behind: None,
            client_authority: None,
            handshake: Handshake::Usual,
        }
    }
}

/// TLS 1.2 and 1.3.
const TLS_BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
/// TLS 1.2 only.
pub(crate) const TLS_12: &[&SupportedProtocolVersion] = &[&TLS12];
/// TLS 1.3 only.
pub(crate) const TLS_13: &[&SupportedProtocolVersion] = &[&TLS13];

/// What a server demands of the session of a data connection, and how it says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    /// Nothing.
    Nothing,
    /// Any session of this server, as vsftpd: 522 behind the 150, and the control connection is closed.
    Vsftpd,
    /// A session of this control connection, as proftpd: 425 behind the 150.
    Proftpd,
    /// A session of this control connection, as `FileZilla` Server 1.x: 425 with other words.
    FileZilla,
    /// The same, as `FileZilla` Server 0.9: 450.
    FileZilla09,
}

impl Demand {
    fn refusal(self) -> &'static str {
        match self {
            Self::Nothing => unreachable!("nothing was demanded"),
            Self::Vsftpd => {
                "522 SSL connection failed; session reuse required: see require_ssl_reuse option in vsftpd.conf man page"
            }
            Self::Proftpd => "425 Unable to build data connection: Operation not permitted",
            Self::FileZilla => "425 Unable to build data connection: TLS session of data connection not resumed.",
            Self::FileZilla09 => {
                "450 TLS session of data connection has not resumed or the session does not match the control connection"
            }
        }
    }
}

/// What a server makes of a client's first bytes of TLS.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Handshake {
    /// It answers.
    Usual,
    /// It answers byte by byte, with this pause after each.
    Drip(Duration),
    /// It is silent.
    Stall,
    /// It answers these bytes, and goes on in clear text.
    Say(Vec<u8>),
    /// It closes the connection.
    HangUp,
}

/// A handshake that came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shaken {
    /// Number of the control connection.
    pub(crate) session: usize,
    /// Whether it was on a data connection.
    pub(crate) data: bool,
    /// Whether a session was resumed.
    pub(crate) resumed: bool,
}

/// The settings of one control connection and its data connections.
pub(super) struct Configs {
    tls: Tls,
    sessions: Arc<dyn StoresServerSessions>,
}

impl Configs {
    /// Sessions are shared by all control connections where the server does not care whose they are.
    pub(super) fn new(tls: &Tls, shared: &Arc<ServerSessionMemoryCache>) -> Self {
        let any = matches!(tls.demand, Demand::Nothing | Demand::Vsftpd);
        let sessions = if any { Arc::clone(shared) } else { ServerSessionMemoryCache::new(256) };
        Self { tls: tls.clone(), sessions }
    }

    pub(super) fn tls(&self) -> &Tls {
        &self.tls
    }

    pub(super) fn control(&self) -> Arc<ServerConfig> {
        let mut config = config(&self.tls, &self.tls.identity, self.tls.tickets);
        config.session_storage = Arc::clone(&self.sessions);
        Arc::new(config)
    }

    /// For a data connection; with `forgotten`, nothing is resumed.
    pub(super) fn data(&self, identity: Option<&Identity>, forgotten: bool) -> Arc<ServerConfig> {
        let other = identity.or(self.tls.data_identity.as_ref());
        let mut config = config(&self.tls, other.unwrap_or(&self.tls.identity), self.tls.data_tickets);
        if forgotten || other.is_some() {
            config.session_storage = Arc::new(NoServerSessionStorage {});
        } else {
            config.session_storage = Arc::clone(&self.sessions);
        }
        Arc::new(config)
    }

    /// The words that refuse a session, where it is not what the server demands.
    pub(super) fn refusal(&self, kind: Option<HandshakeKind>) -> Option<&'static str> {
        let refused = self.tls.demand != Demand::Nothing && kind != Some(HandshakeKind::Resumed);
        refused.then(|| self.tls.demand.refusal())
    }
}

fn config(tls: &Tls, identity: &Identity, tickets: usize) -> ServerConfig {
    let provider = Arc::new(ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(tls.versions).unwrap();
    let builder = match &tls.client_authority {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(identity.chain(), identity.key()).unwrap();
    config.send_tls13_tickets = tickets;
    config
}

/// A connection as it is on the wire; every byte that arrives is kept.
struct Wire {
    socket: TcpStream,
    core: Arc<Core>,
    drip: Option<Duration>,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let n = self.socket.read(buffer)?;
        self.core.note_arrived(&buffer[..n]);
        Ok(n)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let Some(pause) = self.drip else { return self.socket.write(bytes) };
        thread::sleep(pause);
        if self.core.stopping() {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        self.socket.write(&bytes[..bytes.len().min(1)])
    }

    fn flush(&mut self) -> Result<()> {
        self.socket.flush()
    }
}

/// A connection, in clear text or in TLS.
pub(super) struct Line {
    wire: Wire,
    tls: Option<Box<ServerConnection>>,
}

impl Line {
    /// A connection in clear text.
    pub(super) fn new(socket: TcpStream, core: &Arc<Core>) -> Self {
        Self { wire: Wire { socket, core: Arc::clone(core), drip: None }, tls: None }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.wire.socket
    }

    pub(super) fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// The certificates that the client showed.
    pub(super) fn client_chain(&self) -> Option<&[CertificateDer<'static>]> {
        self.tls.as_ref()?.peer_certificates()
    }

    /// Carries out the handshake; how it ended, or why it did not come to its end.
    pub(super) fn secure(
        &mut self,
        config: Arc<ServerConfig>,
        how: &Handshake,
    ) -> std::result::Result<Option<HandshakeKind>, String> {
        let mut conn = Box::new(ServerConnection::new(config).unwrap());
        match how {
            Handshake::Usual => {}
            Handshake::Drip(pause) => self.wire.drip = Some(*pause),
            Handshake::Stall => return Err(self.stall()),
            Handshake::Say(bytes) => return Err(self.say_to_hello(bytes)),
            Handshake::HangUp => {
                let _ = self.wire.read(&mut [0; 4096]);
                let _ = self.wire.socket.shutdown(Shutdown::Both);
                return Err("hung up".to_owned());
            }
        }
        let patience = Instant::now() + Duration::from_secs(30);
        while conn.is_handshaking() {
            if self.wire.core.stopping() || Instant::now() > patience {
                return Err("no end came".to_owned());
            }
            match conn.complete_io(&mut self.wire) {
                Ok((0, 0)) => return Err("closed by the client".to_owned()),
                Ok(_) => {}
                Err(e) if is_pause(&e) => {}
                Err(e) => {
                    let _ = conn.write_tls(&mut self.wire);
                    return Err(e.to_string());
                }
            }
        }
        // The tickets of TLS 1.3 follow the handshake.
        while conn.wants_write() {
            conn.write_tls(&mut self.wire).map_err(|e| e.to_string())?;
        }
        self.wire.drip = None;
        let kind = conn.handshake_kind();
        self.tls = Some(conn);
        Ok(kind)
    }

    /// Reads until the client goes away.
    fn stall(&mut self) -> String {
        let patience = Instant::now() + Duration::from_secs(60);
        let _ = self.wire.socket.set_read_timeout(Some(Duration::from_millis(50)));
        while !self.wire.core.stopping() && Instant::now() < patience {
            match self.wire.read(&mut [0; 4096]) {
                Ok(0) => break,
                Err(e) if !is_pause(&e) => break,
                _ => {}
            }
        }
        "stalled".to_owned()
    }

    /// Answers in clear text, and keeps what the client says to that as clear text too.
    fn say_to_hello(&mut self, bytes: &[u8]) -> String {
        let _ = self.wire.socket.set_read_timeout(Some(Duration::from_secs(5)));
        let _ = self.wire.read(&mut [0; 4096]);
        let _ = self.wire.write_all(bytes);
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = self.wire.read(&mut buffer) {
            // An alert of TLS is no clear text.
            if buffer[0] != 21 {
                self.wire.core.note_clear(&buffer[..n]);
            }
        }
        "answered in clear text".to_owned()
    }

    /// Ends the sending side: with the word of TLS that this was all, or without.
    pub(super) fn close(&mut self, notify: bool) {
        if let Some(conn) = self.tls.as_mut().filter(|_| notify) {
            conn.send_close_notify();
            while conn.wants_write() && conn.write_tls(&mut self.wire).is_ok() {}
        }
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if let Some(conn) = &mut self.tls {
            return rustls::Stream::new(&mut **conn, &mut self.wire).read(buffer);
        }
        let n = self.wire.read(buffer)?;
        self.wire.core.note_clear(&buffer[..n]);
        Ok(n)
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match &mut self.tls {
            None => self.wire.write(bytes),
            Some(conn) => rustls::Stream::new(&mut **conn, &mut self.wire).write(bytes),
        }
    }

    fn flush(&mut self) -> Result<()> {
        match &mut self.tls {
            None => self.wire.flush(),
            Some(conn) => rustls::Stream::new(&mut **conn, &mut self.wire).flush(),
        }
    }
}

fn is_pause(e: &std::io::Error) -> bool {
    matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
