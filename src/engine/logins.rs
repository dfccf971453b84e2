//! Which password goes to which account, and how a server is dialled.

use super::RunOrder;
use crate::config::Config;
use crate::ftp::{Dial, Login, SessionOptions, TlsPolicy, Trace};
use crate::model::{Account, Cause, Failure, HostKey, Quirks, Scheme, Secret, Settings, Stage, printable};
use crate::queue::Credentials;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Everything that may hold a password, asked in this order: what came with the job's URL and is kept in the
/// credential file; the command line; the settings file; netrc. What is for one account never goes to another.
pub(super) struct Logins {
    credentials: Arc<Mutex<Credentials>>,
    given: Option<(String, Secret)>,
    /// Hosts that the password given on the command line could be meant for.
    meant: BTreeSet<HostKey>,
    config: Config,
    trace: Option<Trace>,
}

impl Logins {
    pub(super) fn new(order: &RunOrder, credentials: Arc<Mutex<Credentials>>, trace: Option<Trace>) -> Self {
        Self { credentials, given: order.password.clone(), meant: BTreeSet::new(), config: order.config.clone(), trace }
    }

    /// Takes note of an account of this run.
    pub(super) fn meet(&mut self, account: &Account) {
        let kept = self.credentials.lock().unwrap_or_else(PoisonError::into_inner).get(account).is_some();
        if !kept && self.given.as_ref().is_some_and(|(user, _)| *user == account.user) {
            self.meant.insert(account.host_key());
        }
    }

    /// How connections to a server are made under these settings.
    ///
    /// # Errors
    /// When they contradict the URL's scheme or each other over TLS.
    pub(super) fn options(settings: &Settings, scheme: Scheme) -> Result<SessionOptions, Failure> {
        Ok(SessionOptions {
            data_mode: settings.data_mode.unwrap_or_default(),
            pipelining: settings.pipelining.unwrap_or_default(),
            active_address: settings.active_address,
            active_ports: settings.active_ports,
            bind: settings.bind,
            tls: TlsPolicy::new(settings, scheme)?,
            timeout: Duration::from_secs(u64::from(settings.timeout.unwrap_or(60).max(1))),
        })
    }

    /// How the account's server is reached.
    ///
    /// # Errors
    /// When the account's password file, or a file for TLS, can't be read: nothing is sent then.
    pub(super) fn dial(&self, account: &Account, options: SessionOptions, quirks: Quirks) -> Result<Dial, Failure> {
        options.tls.prepare()?;
        let login = self.login(account)?;
        let trace = self.trace.clone();
        Ok(Dial {
            account: account.clone(),
            login,
            options,
            quirks,
            ticket: None,
            strikes: 0,
            only_tls12: false,
            trace,
        })
    }

    fn login(&self, account: &Account) -> Result<Login, Failure> {
        let kept = self.credentials.lock().unwrap_or_else(PoisonError::into_inner).get(account);
        let given = || self.given.as_ref().filter(|(user, _)| *user == account.user).map(|(_, secret)| secret.clone());
        let user = account.user.clone();
        if let Some(secret) = kept {
            return Ok(Login { user, secret: Some(secret), account: None });
        }
        if let Some(secret) = given() {
            if self.meant.len() > 1 {
                return Err(ambiguous(&user, self.meant.len()));
            }
            return Ok(Login { user, secret: Some(secret), account: None });
        }
        let from_file = self.config.password(account).map_err(|error| {
            Failure::local(Stage::Login, Cause::LocalIo, error.to_string())
                .with_advice("correct the settings file, then run ftpq again")
        })?;
        if let Some(secret) = from_file {
            return Ok(Login { user, secret: Some(secret), account: None });
        }
        let named = Some(account.user.as_str()).filter(|_| !account.is_anonymous());
        let found = self.config.netrc.as_ref().and_then(|netrc| netrc.login_at(&account.host_key(), named));
        Ok(match found {
            Some(entry) => Login { user: entry.login, secret: Some(entry.password), account: entry.account },
            None => Login { user, secret: None, account: None },
        })
    }
}

/// What contradicts what among settings, all levels together, and a URL's scheme; a session would fail by it.
#[must_use]
pub fn contradiction(settings: &Settings, scheme: Scheme) -> Option<Failure> {
    TlsPolicy::new(settings, scheme).err()
}

/// A password goes to the one server it is meant for, or nowhere.
fn ambiguous(user: &str, hosts: usize) -> Failure {
    let user = printable(user, 60);
    let message =
        format!("the password file could be meant for {user} on any of {hosts} hosts, so it was sent to none");
    Failure::local(Stage::Login, Cause::LocalIo, message)
        .with_advice("name it for its host in the settings file: [host.\"NAME\"] password-file = \"FILE\"")
}
