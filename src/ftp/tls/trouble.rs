//! Failures of handshakes, and of data connections that were refused for their TLS session.

use super::policy::TlsMode;
use super::refusal::{self, handshake_failure};
use crate::model::{Cause, Failure, Stage};
use rustls::Error;
use std::io;

const AGAIN: &str = "it is tried again on a new session";

/// A host whose name can stand in no certificate.
pub(super) fn nameless(host: &str) -> Failure {
    Failure::permanent(Stage::Secure, Cause::Unsupported, format!("no certificate can be for the host {host}"))
        .with_advice("correct the host's name")
}

/// rustls can't begin at all.
pub(super) fn impossible(error: &Error) -> Failure {
    Failure::permanent(Stage::Secure, Cause::Unsupported, format!("TLS can't be begun: {error}"))
        .with_advice("check the settings of TLS for this host")
}

/// Something came in the clear where nothing may be but TLS (CVE-2011-0411, CVE-2021-22947).
pub(in crate::ftp) fn injected(mode: TlsMode) -> Failure {
    if mode == TlsMode::Implicit {
        return Failure::permanent(Stage::Secure, Cause::TlsRefused, "the server does not speak TLS on this port")
            .with_advice("for AUTH TLS, which usually is on port 21, write ftpes://");
    }
    let message = "what came behind the server's 234 is no TLS; someone on the way may have put it there";
    Failure::transient(Stage::Secure, Cause::Protocol, message)
        .with_advice("nothing was sent to it; if it stays, ask the server's operator")
}

/// The server's side of the handshake is something else.
pub(super) fn no_tls() -> Failure {
    let message = "the server answered TLS in clear text";
    Failure::transient(Stage::Secure, Cause::Protocol, message)
        .with_advice("it is tried again; if it stays, check scheme and port: ftpes:// is for port 21, ftps:// for 990")
}

/// The handshake of the control connection failed.
pub(super) fn control(mode: TlsMode, error: &io::Error) -> Failure {
    match inner(error) {
        Some(Error::InvalidMessage(_)) => injected(mode),
        Some(error) => handshake_failure(Stage::Secure, error),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            let message = "the server closed the connection during the TLS handshake";
            Failure::transient(Stage::Secure, Cause::Disconnected, message).with_advice(AGAIN)
        }
        None => {
            let message = format!("the connection broke during the TLS handshake: {error}");
            Failure::transient(Stage::Secure, Cause::Disconnected, message).with_advice(AGAIN)
        }
    }
}

/// The handshake of a data connection failed.
pub(in crate::ftp) fn data(error: &io::Error) -> Failure {
    match inner(error) {
        Some(Error::InvalidMessage(_)) => {
            let message = "the server sends data in the clear, or no TLS, over a connection that is to be private";
            Failure::permanent(Stage::Data, Cause::TlsRefused, message).with_advice("ask the server's operator")
        }
        Some(error @ Error::AlertReceived(_)) if refusal::client_refused(error).is_some() => {
            handshake_failure(Stage::Data, error)
        }
        Some(Error::AlertReceived(alert)) => reuse(&format!("the server broke off its TLS handshake ({alert:?})")),
        Some(error) => handshake_failure(Stage::Data, error),
        None => reuse(&format!("the server closed it during its TLS handshake ({error})")),
    }
}

fn reuse(why: &str) -> Failure {
    Failure::transient(Stage::Data, Cause::TlsReuse, format!("the data connection was refused: {why}"))
        .with_advice("it is tried again on a new session")
}

/// What a reply says that refuses a transfer after TLS began on its data connection: where that was for want of a resumed
/// session, this is what it is. vsftpd: `522 SSL connection failed; session reuse required`. `ProFTPD`:
/// `425 Unable to build data connection: Operation not permitted`. FileZilla Server: `425 Unable to build data
/// connection: TLS session of data connection not resumed.`, and of old `450 TLS session of data connection has not
/// resumed or the session does not match the control connection`.
pub(in crate::ftp) fn data_refused(mut failure: Failure) -> Failure {
    const WORDS: [&str; 6] = ["reuse", "resum", "tls", "ssl", "build data connection", "not permitted"];
    let reply = failure.reply.as_deref().unwrap_or_default().to_ascii_lowercase();
    let code = reply.get(..3).unwrap_or_default();
    if matches!(code, "425" | "426" | "431" | "450" | "521" | "522") && WORDS.iter().any(|word| reply.contains(word)) {
        failure = Failure {
            reply: failure.reply,
            ..reuse("the server demands that it resumes the control connection's TLS session")
        };
    }
    failure
}

/// The data ended without close_notify (RFC 8446, section 6.1).
pub(in crate::ftp) fn cut() -> Failure {
    let message = "the data ended without TLS's close_notify, as if someone on the way had cut it off";
    Failure::transient(Stage::Verdict, Cause::Disconnected, message)
        .with_advice("where the file's size is known, that tells whether it is whole; tell the server's operator")
}

/// What a connection broke of, where that was the client's certificate or the want of one.
pub(in crate::ftp) fn client_refused(error: &io::Error) -> Option<Failure> {
    inner(error).and_then(refusal::client_refused)
}

/// The error of rustls in an error of a stream.
fn inner(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}
