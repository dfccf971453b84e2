//! What all connections of one session have in common: the certificate check, the server's name, the tickets.

use super::config::client_config;
use super::policy::TlsMode;
use super::stream::Stream;
use super::tickets::Tickets;
use super::trouble;
use crate::ftp::Dial;
use crate::ftp::trouble as general;
use crate::model::{Failure, FailureKind, Stage, TlsVersion};
use crate::wire::{Context, ReplyClass, classify};
use rustls::client::{Resumption, Tls12Resumption, UnbufferedClientConnection};
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion};
use rustls_pki_types::ServerName;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Time for the rest of a reply that came instead of a handshake.
const REFUSAL: Duration = Duration::from_secs(2);
/// So few tickets are spent only on a transfer that the server has accepted.
const SCARCE: usize = 1;

/// TLS of one session.
pub(in crate::ftp) struct Security {
    mode: TlsMode,
    config: Arc<ClientConfig>,
    /// The host as the user named it, for every connection: never an address that the server names.
    name: ServerName<'static>,
    tickets: Arc<Tickets>,
    has_tls13: bool,
    /// TLS 1.2 is tried, since data connections were refused under TLS 1.3.
    pub(in crate::ftp) tries_tls12: bool,
    /// An ABOR brought nothing before the data connection was closed.
    pub(in crate::ftp) deaf_to_abort: bool,
    /// What the last data connection received into.
    buffer: Vec<u8>,
}

impl Security {
    /// Nothing where the policy wants no TLS.
    ///
    /// # Errors
    /// When the policy can't be met, as where a file of certificates can't be read.
    pub(in crate::ftp) fn new(dial: &Dial) -> Result<Option<Self>, Failure> {
        let policy = dial.tls_policy();
        if policy.mode() == TlsMode::Off {
            return Ok(None);
        }
        let host = &dial.account.host;
        let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(name).map_err(|_| trouble::nameless(host))?;
        let tickets = Arc::new(Tickets::default());
        let mut config = ClientConfig::clone(&*client_config(&policy)?);
        config.resumption =
            Resumption::store(Arc::clone(&tickets) as _).tls12_resumption(Tls12Resumption::SessionIdOrTickets);
        Ok(Some(Self {
            mode: policy.mode(),
            config: Arc::new(config),
            name,
            tickets,
            has_tls13: false,
            tries_tls12: dial.only_tls12,
            deaf_to_abort: false,
            buffer: Vec::new(),
        }))
    }

    /// When TLS begins.
    pub(in crate::ftp) fn mode(&self) -> TlsMode {
        self.mode
    }

    /// Puts TLS over the control connection. Returns what was agreed upon, in words.
    ///
    /// # Errors
    /// When the handshake fails or does not come to an end.
    pub(in crate::ftp) async fn secure(&mut self, stream: &mut Stream, patience: Duration) -> Result<String, Failure> {
        let handshake = async {
            stream.start(self.connection()?, Vec::new()).map_err(|error| trouble::control(self.mode, &error))?;
            stream.handshake().await.map_err(|error| trouble::control(self.mode, &error))
        };
        match timeout(patience, handshake).await {
            Ok(Err(failure)) => Err(self.refused_instead(stream, failure).await),
            Ok(done) => {
                self.has_tls13 =
                    stream.agreed().and_then(|tls| tls.protocol_version()) == Some(ProtocolVersion::TLSv1_3);
                done.map(|()| agreed("control", stream))
            }
            Err(_) => Err(general::timed_out(Stage::Secure, patience, "the TLS handshake did not come to an end")),
        }
    }

    /// What it means that a server which begins with TLS answered in clear text, if it did. One that is full or whose process
    /// fails says so before any TLS; only a greeting shows that this port has none.
    async fn refused_instead(&self, stream: &mut Stream, failure: Failure) -> Failure {
        if self.mode != TlsMode::Implicit || !stream.has_clear_text() {
            return failure;
        }
        let reply = timeout(REFUSAL, stream.reply_instead()).await.ok().flatten();
        let Some(reply) = reply else { return trouble::no_tls() };
        if reply.is(ReplyClass::Completion) {
            return failure.with_reply(&reply.text());
        }
        // No login was tried, so none was refused; and what anybody on the way can say is no reason to give up for good.
        let refusal = classify(&Context::new(Stage::Greeting, ""), &reply);
        if refusal.kind == FailureKind::Transient { refusal } else { trouble::no_tls().with_reply(&reply.text()) }
    }

    /// Begins TLS on a data connection: ClientHello goes out. The rest is [`Security::shake`]'s.
    pub(in crate::ftp) fn begin(&mut self, stream: &mut Stream) -> Result<(), Failure> {
        let connection = self.connection()?;
        // What goes wrong here shows again in the handshake.
        let _ = stream.start(connection, std::mem::take(&mut self.buffer));
        Ok(())
    }

    /// Brings the handshake of a data connection to its end. Returns what was agreed upon, in words. May be dropped and
    /// called again without loss.
    pub(in crate::ftp) async fn shake(stream: &mut Stream) -> Result<String, std::io::Error> {
        stream.handshake().await.map(|()| agreed("data", stream))
    }

    /// Closes a data connection.
    pub(in crate::ftp) fn close(&mut self, stream: Stream) {
        let buffer = stream.close();
        if !buffer.is_empty() {
            self.buffer = buffer;
        }
    }

    /// The version of the control connection's TLS.
    pub(in crate::ftp) fn version(&self) -> TlsVersion {
        if self.has_tls13 { TlsVersion::V13 } else { TlsVersion::V12 }
    }

    /// Whether the control connection has TLS 1.3.
    pub(in crate::ftp) fn has_tls13(&self) -> bool {
        self.has_tls13
    }

    /// Whether there are tickets to spare for a transfer that may yet be refused.
    pub(in crate::ftp) fn has_tickets_to_spare(&self) -> bool {
        match self.tickets.left() {
            (left, true) => left > SCARCE,
            (_, false) => true,
        }
    }

    /// Whether all tickets are spent, so that the next data connection would not resume a session.
    pub(in crate::ftp) fn is_out_of_tickets(&self) -> bool {
        self.tickets.left() == (0, true)
    }

    fn connection(&self) -> Result<UnbufferedClientConnection, Failure> {
        UnbufferedClientConnection::new(Arc::clone(&self.config), self.name.clone())
            .map_err(|error| trouble::impossible(&error))
    }
}

/// `control: TLSv1.3 TLS13_AES_256_GCM_SHA384, full`.
fn agreed(which: &str, stream: &Stream) -> String {
    let Some(connection) = stream.agreed() else { return String::new() };
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        _ => "TLS",
    };
    let suite = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("?");
    let kind = if connection.handshake_kind() == Some(HandshakeKind::Resumed) { "resumed" } else { "full" };
    format!("{which}: {version} {suite}, {kind}")
}
