//! What one session keeps to resume TLS on its data connections.

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls_pki_types::ServerName;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Tickets kept: servers send two at the login, one with each data connection, and one with each PASV.
const KEPT: usize = 16;

/// The tickets of one control connection and its data connections. One store a session: with another session's ticket
/// a data connection is refused (ProFTPD, FileZilla Server; rclone issue 7234). It has one server name in it, so names are not
/// looked at.
///
/// A ticket of TLS 1.3 is used once (RFC 8446, appendix C.4), and rustls allows nothing else; a session of TLS 1.2 is
/// used as often as it is needed.
#[derive(Default)]
pub(in crate::ftp) struct Tickets(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    group: Option<NamedGroup>,
    session: Option<Tls12ClientSessionValue>,
    /// The newest last.
    tickets: Vec<Tls13ClientSessionValue>,
    /// Tickets that ever came.
    came: u64,
}

impl Tickets {
    /// Tickets of TLS 1.3 that are left, and whether there ever was one.
    pub(in crate::ftp) fn left(&self) -> (usize, bool) {
        let kept = self.kept();
        (kept.tickets.len(), kept.came > 0)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without what is in them: tickets are keys.
impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").field("left", &self.left().0).finish_non_exhaustive()
    }
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.kept().group = Some(group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.kept().group
    }

    fn set_tls12_session(&self, _: ServerName<'static>, session: Tls12ClientSessionValue) {
        self.kept().session = Some(session);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.kept().session.clone()
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.kept().session = None;
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        let mut kept = self.kept();
        if kept.tickets.len() == KEPT {
            kept.tickets.remove(0);
        }
        kept.tickets.push(ticket);
        kept.came += 1;
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        // FileZilla Server sends one right before each 227 and 229, and wants that back.
        self.kept().tickets.pop()
    }
}
