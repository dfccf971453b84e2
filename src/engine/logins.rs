//! Which password goes to which account, and how a server is dialled.

use super::order::Given;
use super::{RunOrder, TraceFile, clock};
use crate::config::{Config, Keyring};
use crate::ftp::{Dial, Login, PassivePorts, SessionOptions, TlsMode, TlsPolicy, Trace};
use crate::model::{
    Account, Cause, Failure, HostKey, Protection, Quirks, Scheme, Secret, Settings, Stage, printable, rfc3339,
};
use crate::queue::{Credentials, Kept};
use crate::transfer::Link;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Passwords of others on the same server that are looked for in what it says: each costs time on every line shown.
const OTHERS: usize = 64;

/// Everything that may hold a password, asked in this order: what this command gave for the very account and is to be
/// kept nowhere; what came with the job's URL, or by `login`, and is kept in the credential file; what the command line
/// gives for the user; the settings file; the keyring; netrc. What is for one account never goes to another.
pub(super) struct Logins {
    credentials: Arc<Mutex<Credentials>>,
    lent: HashMap<String, Kept>,
    given: Option<Given>,
    /// Hosts that the password given on the command line could be meant for, and whether any job there demands TLS.
    meant: BTreeMap<HostKey, bool>,
    config: Config,
    ring: Mutex<Ring>,
    /// The data ports that servers name in this run.
    ports: PassivePorts,
    scribe: Scribe,
}

/// What the keyring said, so that it is asked once for each account.
#[derive(Default)]
struct Ring {
    keyring: Option<Keyring>,
    known: HashMap<String, Option<Kept>>,
}

/// Who hears the dialogue.
pub(super) struct Scribe {
    /// Shows a line.
    pub(super) screen: Option<Trace>,
    pub(super) file: Option<TraceFile>,
    /// Tells of trouble with the file.
    pub(super) tell: Trace,
    /// Sessions so far.
    pub(super) sessions: Arc<AtomicU64>,
}

impl Logins {
    pub(super) fn new(order: &RunOrder, credentials: Arc<Mutex<Credentials>>, scribe: Scribe) -> Self {
        let lent = |login: &super::Credential| {
            let kept = Kept { password: Some(login.secret.clone()), tls: login.tls, refused_at: None };
            (login.account.credential(), kept)
        };
        Self {
            credentials,
            lent: order.lent.iter().map(lent).collect(),
            given: order.password.clone(),
            meant: BTreeMap::new(),
            config: order.config.clone(),
            ring: Mutex::default(),
            ports: PassivePorts::default(),
            scribe,
        }
    }

    /// Takes note of an account of this run, and of whether its settings demand TLS.
    pub(super) fn meet(&mut self, account: &Account, tls: bool) {
        if self.given.as_ref().is_some_and(|given| given.user == account.user) && self.kept(account).is_none() {
            *self.meant.entry(account.host_key()).or_default() |= tls;
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
    /// When the account's password, or a file for TLS, can't be had, or the password must not be sent: nothing is sent
    /// then.
    pub(super) fn dial(&self, account: &Account, options: SessionOptions, quirks: Quirks) -> Result<Dial, Failure> {
        options.tls.prepare()?;
        let mut login = self.login(account)?;
        login.others = self.others(account);
        if login.tls_only && options.tls.mode() == TlsMode::Off {
            return Err(tls_only(account));
        }
        let trace = self.scribe.of(account, &login);
        Ok(Dial {
            account: account.clone(),
            login,
            options,
            quirks,
            ticket: None,
            strikes: 0,
            only_tls12: false,
            ports: self.ports.clone(),
            trace,
        })
    }

    /// Takes note that the server refused what a session signed in with, where that is kept. Returns whether another
    /// password is kept for the account by now.
    pub(super) fn refused(&self, dial: &Dial) -> bool {
        let used = dial.login.secret.as_ref();
        if self.kept(&dial.account).is_some_and(|kept| kept.password.as_ref() != used) {
            return true;
        }
        if let Some(secret) = used {
            self.note(&dial.account, secret, Some(clock::now()));
        }
        false
    }

    /// Takes note that an account got in by a password that had been refused.
    pub(super) fn accepted(&self, account: &Account, secret: &Secret) {
        self.note(account, secret, None);
    }

    fn note(&self, account: &Account, secret: &Secret, refused_at: Option<u64>) {
        // It is a remark for the next failure; without it nothing is lost but that.
        let _ = tokio::task::block_in_place(|| lock(&self.credentials).note(account, secret, refused_at));
    }

    /// The passwords of other users on the same server: what it heard in one session it may repeat in another.
    fn others(&self, account: &Account) -> Vec<Secret> {
        let (own, host) = (account.credential(), format!("@{}", account.host_key()));
        let here = |name: &str| name.ends_with(&host) && *name != own;
        let credentials = lock(&self.credentials);
        let kept = credentials.entries().filter(|(name, _)| here(name)).map(|(_, kept)| kept);
        let lent = self.lent.iter().filter(|(name, _)| here(name)).map(|(_, kept)| kept);
        let meant = self.given.as_ref().filter(|_| self.meant.contains_key(&account.host_key()));
        let known = kept.chain(lent).filter_map(|kept| kept.password.clone());
        known.chain(meant.map(|given| given.secret.clone())).take(OTHERS).collect()
    }

    fn kept(&self, account: &Account) -> Option<Kept> {
        let lent = self.lent.get(&account.credential()).cloned();
        lent.or_else(|| lock(&self.credentials).get(account).cloned()).filter(|kept| kept.password.is_some())
    }

    fn login(&self, account: &Account) -> Result<Login, Failure> {
        let user = account.user.clone();
        if let Some(Kept { password: Some(secret), tls, refused_at }) = self.kept(account) {
            let remark = refused_at.map(|at| {
                format!(
                    "the same password was refused on {} already; `ftpq login {account}` gives another",
                    rfc3339(at)
                )
            });
            return Ok(Login { tls_only: tls, remark, ..Login::new(user, Some(secret)) });
        }
        if let Some(given) = self.given.as_ref().filter(|given| given.user == account.user) {
            if self.meant.len() > 1 {
                return Err(ambiguous(given, self.meant.len()));
            }
            let tls_only = self.meant.get(&account.host_key()).copied().unwrap_or_default();
            return Ok(Login { tls_only, ..Login::new(user, Some(given.secret.clone())) });
        }
        let from_file = self.config.password(account).map_err(|error| {
            Failure::local(Stage::Login, Cause::LocalIo, error.to_string())
                .with_advice("correct the settings file, then run ftpq again")
        })?;
        if from_file.is_some() {
            return Ok(Login::new(user, from_file));
        }
        if let Some(Kept { password, tls, .. }) = self.in_keyring(account)? {
            return Ok(Login { tls_only: tls, ..Login::new(user, password) });
        }
        let named = Some(account.user.as_str()).filter(|_| !account.is_anonymous());
        let found = self.config.netrc.as_ref().and_then(|netrc| netrc.login_at(&account.host_key(), named));
        match found {
            Some(entry) => Ok(Login { account: entry.account, ..Login::new(entry.login, Some(entry.password)) }),
            None if lock(&self.credentials).get(account).is_some() => Err(not_stored(account)),
            None => Ok(Login::new(user, None)),
        }
    }

    fn in_keyring(&self, account: &Account) -> Result<Option<Kept>, Failure> {
        if !self.config.keyring || account.is_anonymous() {
            return Ok(None);
        }
        let name = account.credential();
        let mut ring = lock(&self.ring);
        if let Some(known) = ring.known.get(&name) {
            return Ok(known.clone());
        }
        // It may ask its user for leave.
        let asked = tokio::task::block_in_place(|| {
            if ring.keyring.is_none() {
                ring.keyring = Some(Keyring::open()?);
            }
            ring.keyring.as_ref().map_or(Ok(None), |keyring| keyring.get(&name))
        });
        let found = asked.map_err(|error| {
            Failure::local(Stage::Login, Cause::LocalIo, error.to_string())
                .with_advice("unlock the keyring, or leave it out: `keyring = false` in the settings file")
        })?;
        let found = found.map(|(secret, tls)| Kept { password: Some(secret), tls, refused_at: None });
        ring.known.insert(name, found.clone());
        Ok(found)
    }
}

/// A new session.
pub(super) struct SignedIn {
    pub(super) account: Account,
    /// How it is protected.
    pub(super) protection: Option<Protection>,
    /// The password, where it was refused once before.
    pub(super) refused_before: Option<Secret>,
}

impl SignedIn {
    pub(super) fn over(link: &Link) -> Self {
        let Dial { account, login, .. } = link.dial();
        let refused_before = login.remark.as_ref().and(login.secret.clone());
        Self { account: account.clone(), protection: link.protection(), refused_before }
    }
}

/// What contradicts what among settings, all levels together, and a URL's scheme; a session would fail by it.
#[must_use]
pub fn contradiction(settings: &Settings, scheme: Scheme) -> Option<Failure> {
    TlsPolicy::new(settings, scheme).err()
}

impl Scribe {
    /// Hears the sessions of an account; its passwords are in nothing that is passed on.
    fn of(&self, account: &Account, login: &Login) -> Option<Trace> {
        if self.screen.is_none() && self.file.is_none() {
            return None;
        }
        let (screen, file, tell) = (self.screen.clone(), self.file.clone(), Arc::clone(&self.tell));
        let (passwords, host, sessions) = (login.redactor(), account.host_key(), Arc::clone(&self.sessions));
        let number = AtomicU64::new(0);
        Some(Arc::new(move |line: &str| {
            let line = passwords.clean(line);
            // A link opens another session after one that broke.
            if line.starts_with("* connected to ") || number.load(Ordering::Relaxed) == 0 {
                number.store(sessions.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            }
            let session = format!("#{} {host}", number.load(Ordering::Relaxed));
            if let Some(trouble) = file.as_ref().and_then(|file| file.add(clock::millis(), &session, &line)) {
                tell(&trouble);
            }
            if let Some(screen) = &screen {
                screen(&line);
            }
        }))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A password goes to the one server it is meant for, or nowhere.
fn ambiguous(given: &Given, hosts: usize) -> Failure {
    let (user, from) = (printable(&given.user, 60), given.from);
    let message = format!("{from} could be meant for {user} on any of {hosts} hosts, so it was sent to none");
    Failure::local(Stage::Login, Cause::LocalIo, message)
        .with_advice("give each host its own: `ftpq login USER@HOST`, or password-file in the settings file")
}

fn tls_only(account: &Account) -> Failure {
    let message = format!("the password for {} is for TLS alone, so it was not sent in clear", account.credential());
    Failure::permanent(Stage::Login, Cause::Unsupported, message).with_advice(format!(
        "queue the file with ftpes://; or, if it may be read on its way, give the password anew: `ftpq login {account}`"
    ))
}

fn not_stored(account: &Account) -> Failure {
    let message = format!("the password for {} was given with --no-store, so it is not stored", account.credential());
    Failure::permanent(Stage::Login, Cause::LoginRefused, message).with_advice(format!(
        "give it again with --ask-password or --password-file, or have it stored: `ftpq login {account}`"
    ))
}
