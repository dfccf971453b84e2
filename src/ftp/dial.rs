//! What a session is opened with.

use super::gate::Ticket;
use super::ports::PassivePorts;
use super::tls::TlsPolicy;
use crate::model::{Account, DataMode, Pipelining, PortRange, Quirks, Secret};
use crate::wire::{Credentials, Redactor};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Password of guests (RFC 1635).
const GUEST: &str = "ftpq@";

/// Takes the dialogue, one printable line a call, without passwords.
pub type Trace = Arc<dyn Fn(&str) + Send + Sync>;

/// How connections are made. May change between two transfers of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionOptions {
    /// How data connections are opened.
    pub data_mode: DataMode,
    /// How far commands may go ahead of the server's replies.
    pub pipelining: Pipelining,
    /// Address that PORT and EPRT tell the server, where it is not the socket's own.
    pub active_address: Option<IpAddr>,
    /// Ports that PORT and EPRT may name.
    pub active_ports: Option<PortRange>,
    /// Local address of every connection.
    pub bind: Option<IpAddr>,
    /// What TLS has to be. Belongs to a session from its beginning: another needs another session.
    pub tls: TlsPolicy,
    /// Longest time without progress.
    pub timeout: Duration,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            data_mode: DataMode::Auto,
            pipelining: Pipelining::Auto,
            active_address: None,
            active_ports: None,
            bind: None,
            tls: TlsPolicy::default(),
            timeout: Duration::from_secs(60),
        }
    }
}

/// Whom to be. The user may be another than the account's: netrc may name one.
#[derive(Clone, Debug)]
pub struct Login {
    /// User name.
    pub user: String,
    /// Password; guests need none.
    pub secret: Option<Secret>,
    /// What ACCT sends, should the server ask.
    pub account: Option<Secret>,
    /// Other passwords that this server was given, and may repeat.
    pub others: Vec<Secret>,
    /// Nothing but the user name is sent without TLS.
    pub tls_only: bool,
    /// What else is known of these words, for the day when the server refuses them.
    pub remark: Option<String>,
}

impl Login {
    /// Whom to be with that password, or none.
    #[must_use]
    pub fn new(user: String, secret: Option<Secret>) -> Self {
        Self { user, secret, account: None, others: Vec::new(), tls_only: false, remark: None }
    }

    /// Finds the passwords in what is shown to people.
    #[must_use]
    pub fn redactor(&self) -> Redactor {
        Redactor::new(self.secret.iter().chain(&self.account).chain(&self.others))
    }

    /// The credentials to send; guests get the usual password.
    pub(super) fn credentials(&self) -> Credentials {
        let guest = self.user.eq_ignore_ascii_case(Account::ANONYMOUS) || self.user.eq_ignore_ascii_case("ftp");
        let secret = self.secret.clone().or_else(|| guest.then(|| Secret::new(GUEST)));
        Credentials { user: self.user.clone(), secret, account: self.account.clone(), tls_only: self.tls_only }
    }
}

/// All that a session is opened with.
#[derive(Clone)]
pub struct Dial {
    /// Server and user.
    pub account: Account,
    /// Whom to be.
    pub login: Login,
    /// How connections are made.
    pub options: SessionOptions,
    /// What is known about the server.
    pub quirks: Quirks,
    /// Leave to sign in, where the account has yet to show that it gets in.
    pub ticket: Option<Ticket>,
    /// Sessions in a row that ended or fell silent when several commands were sent at once.
    pub strikes: u8,
    /// TLS 1.2 is tried, since data connections were refused under TLS 1.3.
    pub only_tls12: bool,
    /// The data ports that servers have named to any session of this run.
    pub ports: PassivePorts,
    /// Where the dialogue is shown.
    pub trace: Option<Trace>,
}

impl Dial {
    /// What TLS has to be, going by what is known of the server too.
    pub(super) fn tls_policy(&self) -> TlsPolicy {
        let older = (self.only_tls12 || self.quirks.only_tls12).then(|| self.options.tls.tls12()).flatten();
        older.unwrap_or_else(|| self.options.tls.clone())
    }
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dial")
            .field("account", &self.account)
            .field("login", &self.login)
            .field("options", &self.options)
            .field("quirks", &self.quirks)
            .finish_non_exhaustive()
    }
}
