//! Failures that no reply describes.

use super::tls::client_refused;
use crate::model::{Cause, Failure, Stage};
use crate::policy::LEAST;
use crate::wire::{Broken, Forbidden};
use rustix::io::Errno;
use std::io;
use std::time::Duration;

const AGAIN: &str = "it is tried again on a new session";

/// Nothing came for the time allowed.
pub(super) fn timed_out(stage: Stage, waited: Duration, what: &str) -> Failure {
    let message = format!("{what} for {} seconds", seconds(waited));
    Failure::transient(stage, Cause::Timeout, message).with_advice("it is tried again; --timeout sets how long to wait")
}

/// A whole reply took longer than any honest server needs.
pub(super) fn too_slow(stage: Stage, waited: Duration) -> Failure {
    let message = format!("the server's reply was not whole after {} seconds", seconds(waited));
    Failure::transient(stage, Cause::Timeout, message).with_advice(AGAIN)
}

/// Bytes come, and too few to ever come to an end.
pub(super) fn trickle(stage: Stage, bytes: u64, span: Duration) -> Failure {
    let message =
        format!("only {bytes} bytes came in {} seconds: fewer than {LEAST} a second are a standstill", seconds(span));
    Failure::transient(stage, Cause::Timeout, message)
        .with_advice("it is tried again; a longer --timeout gives four times as long to make up for it")
}

fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(1) { format!("{:.1}", time.as_secs_f64()) } else { time.as_secs().to_string() }
}

/// The server closed the control connection.
pub(super) fn closed(stage: Stage) -> Failure {
    Failure::transient(stage, Cause::Disconnected, "the server closed the control connection").with_advice(AGAIN)
}

/// Another session of the account did not get in.
pub(super) fn turned_away() -> Failure {
    Failure::transient(Stage::Login, Cause::Disconnected, "another session of this account did not get in")
        .with_advice("it is tried again; the failure of the other one says why")
}

/// The failure of a socket for want of a descriptor: this machine's passing trouble, whatever the server.
pub(super) fn no_descriptor(stage: Stage, error: &io::Error) -> Option<Failure> {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error)?;
    matches!(errno, Errno::MFILE | Errno::NFILE).then(|| {
        Failure::local(stage, Cause::Descriptors, format!("no further connection can be opened here: {error}"))
            .with_advice("raise the limit on open files (`ulimit -n`), then `ftpq run`")
    })
}

/// A connection broke.
pub(super) fn lost(stage: Stage, which: &str, error: &io::Error) -> Failure {
    no_descriptor(stage, error).or_else(|| client_refused(error)).unwrap_or_else(|| {
        let message = format!("the {which} connection broke: {error}");
        Failure::transient(stage, Cause::Disconnected, message).with_advice(AGAIN)
    })
}

/// What came is no reply.
pub(super) fn broken(stage: Stage, broken: &Broken) -> Failure {
    Failure::transient(stage, Cause::Protocol, broken.to_string())
        .with_advice("check that an FTP server listens on this port; `ftpq -v` shows the dialogue")
}

/// What happened doesn't fit the dialogue.
pub(super) fn out_of_step(stage: Stage, message: &str) -> Failure {
    Failure::transient(stage, Cause::Protocol, message).with_advice(AGAIN)
}

/// The command can't be sent at all.
pub(super) fn forbidden(stage: Stage, forbidden: Forbidden) -> Failure {
    Failure::permanent(stage, Cause::Unsupported, forbidden.to_string())
        .with_advice("FTP can't carry such a name; rename the file on the server, or correct the list")
}

/// The data connection of a passive mode can't be made.
pub(super) fn unreachable(port: u16, error: &io::Error) -> Failure {
    if let Some(failure) = no_descriptor(Stage::Data, error) {
        return failure;
    }
    let message = format!("the data port {port} that the server named can't be reached: {error}");
    let advice = match error.kind() {
        io::ErrorKind::ResourceBusy => "if it stays, --per-host 1 gives the server one session at a time",
        _ => "if it stays, choose another --data-mode, or look at the firewalls between",
    };
    Failure::transient(Stage::Data, Cause::DataConnection, message).with_advice(advice)
}

/// The server doesn't connect to the listener of an active mode.
pub(super) fn never_connected(told: std::net::SocketAddr) -> Failure {
    let message = format!("the server did not connect to {told}, which it was told to");
    Failure::transient(Stage::Data, Cause::DataConnection, message)
        .with_advice("behind a router set --active-address and --active-ports, or use --data-mode passive")
}

/// This machine can't do what is asked.
pub(super) fn local(stage: Stage, message: String, advice: &str) -> Failure {
    Failure::local(stage, Cause::LocalIo, message).with_advice(advice)
}

/// The options ask for what can't be.
pub(super) fn impossible(stage: Stage, message: &str, advice: &str) -> Failure {
    Failure::permanent(stage, Cause::Unsupported, message).with_advice(advice)
}
