//! Users and passwords for URLs that have none.

use super::exit::Failed;
use super::face::Face;
use super::logins::keyring;
use super::options::LoginOptions;
use super::prompt;
use crate::config::{Config, read_password_file};
use crate::engine::{AccountStanding, Credential, Desk, Given};
use crate::model::{Account, JobSpec, Secret, Settings, Source, printable};
use std::collections::{BTreeMap, HashMap};

/// Accounts that are asked for in one command.
const ASKED: usize = 8;

/// Whether passwords are asked for on the terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// Only where that is asked for.
    Told,
    /// Also by itself, where one is needed, none is known, and somebody sits there.
    Needed,
}

/// What is given on the command line, in the environment and in the settings file.
pub(super) struct Login {
    user: Option<String>,
    password: Option<(Secret, &'static str)>,
    pub(super) config: Config,
    /// The account that the password was found to be meant for.
    meant: Option<Account>,
    stored: bool,
    /// None where nobody is asked; else whether for every account.
    asks: Option<bool>,
    /// Accounts that came without a password, by their names.
    wanting: BTreeMap<String, (Account, bool)>,
}

impl Login {
    /// Reads the password file.
    pub(super) fn new(face: &mut Face<'_>, options: &LoginOptions, config: Config, ask: Ask) -> Result<Self, Failed> {
        let user = options.user.clone().or_else(|| face.around.user.clone());
        let password = match &options.password_file {
            Some(path) => Some((read_password_file(path)?, "the password file")),
            None if options.ask_password => None,
            None => given_by_environment(face, user.is_some())?,
        };
        let asks = match ask {
            _ if options.ask_password => Some(true),
            Ask::Needed if face.around.attended && !face.global.json => Some(false),
            _ => None,
        };
        let (wanting, stored) = (BTreeMap::new(), !options.no_store);
        Ok(Self { user, password, config, meant: None, stored, asks, wanting })
    }

    /// Gives a job the user its URL lacks, and tells the password to keep: the URL's own, else the one given here for
    /// that user. `settings` are those of the command.
    ///
    /// # Errors
    /// When the password given here could be meant for more than one account: it goes to none then.
    pub(super) fn complete(
        &mut self,
        mut spec: JobSpec,
        own: Option<Secret>,
    ) -> Result<(JobSpec, Option<Credential>), Failed> {
        let account = spec.source.account();
        if own.is_none() && account.user == Account::ANONYMOUS {
            let user = self.user.as_deref().or_else(|| self.config.user(&account.host_key()));
            if let Some(user) = user {
                let account = Account { user: user.to_owned(), ..account.clone() };
                spec.source = Source::new(account, spec.source.path().clone(), spec.source.transfer_type());
            }
        }
        self.complete_mirrors(&mut spec);
        let account = spec.source.account().clone();
        let tls = self.demands_tls(&account, &spec.settings);
        let secret = match own {
            Some(own) => Some(own),
            None => self.given_for(&account)?,
        };
        let stored = self.stored;
        if secret.is_none() && self.asks.is_some() && !account.is_anonymous() && self.wanting.len() <= ASKED {
            self.wanting.insert(account.credential(), (account.clone(), tls));
        }
        Ok((spec, secret.map(|secret| Credential { account, secret, tls, stored })))
    }

    /// Gives mirrors whose URLs name no user the one that is known for their host: a user given for all is the job's own
    /// server's, and goes nowhere else.
    fn complete_mirrors(&self, spec: &mut JobSpec) {
        let own = spec.source.account();
        for mirror in &mut spec.mirrors {
            let account = mirror.source.account();
            if account.user != Account::ANONYMOUS {
                continue;
            }
            let host = account.host_key();
            let known = (host == own.host_key()).then_some(own.user.as_str()).or_else(|| self.config.user(&host));
            if let Some(user) = known {
                let account = Account { user: user.to_owned(), ..account.clone() };
                let (path, transfer_type) = (mirror.source.path().clone(), mirror.source.transfer_type());
                mirror.source = Source::new(account, path, transfer_type);
            }
        }
    }

    /// The password that stood in a mirror's URL, to be kept as one of a job's own.
    pub(super) fn of_mirror(&self, account: Account, secret: Secret, settings: &Settings) -> Credential {
        let tls = self.demands_tls(&account, settings);
        Credential { account, secret, tls, stored: self.stored }
    }

    /// Whether nothing goes to the account without TLS, by its URL, the job's settings and the settings file.
    pub(super) fn demands_tls(&self, account: &Account, settings: &Settings) -> bool {
        let settings = settings.or(&self.config.settings_for(&account.host_key()));
        settings.tls.unwrap_or_default().is_required(account.scheme)
    }

    /// The password given here, where it is meant for the account.
    fn given_for(&mut self, account: &Account) -> Result<Option<Secret>, Failed> {
        let meant = match &self.user {
            Some(user) => *user == account.user,
            None => !account.is_anonymous(),
        };
        let Some((secret, from)) = self.password.as_ref().filter(|_| meant) else { return Ok(None) };
        let first = self.meant.get_or_insert_with(|| account.clone());
        if first.credential() != account.credential() {
            return Err(ambiguous(from, first, account));
        }
        Ok(Some(secret.clone()))
    }

    /// Asks for the passwords of the accounts that came without one.
    ///
    /// # Errors
    /// When one is not given.
    pub(super) async fn ask(&mut self, face: &mut Face<'_>, desk: &dyn Desk) -> Result<Vec<Credential>, Failed> {
        let wanting = std::mem::take(&mut self.wanting);
        let (Some(all), false) = (self.asks, wanting.is_empty()) else { return Ok(Vec::new()) };
        let standings = if all { Vec::new() } else { desk.accounts(None).await? };
        self.ask_for(face, wanting.into_values().collect(), &standings).await
    }

    /// The same for the jobs that a run would work on.
    ///
    /// # Errors
    /// When one is not given.
    pub(super) async fn ask_for_run(
        &mut self,
        face: &mut Face<'_>,
        desk: &dyn Desk,
        ids: Option<crate::model::IdSet>,
    ) -> Result<Vec<Credential>, Failed> {
        let standings = desk.accounts(ids).await?;
        let needed = standings.iter().filter(|it| it.left > 0).filter_map(|it| it.account.clone());
        let needed = needed.filter(|account| {
            let given = self.password.is_some() && self.user.as_ref() == Some(&account.user);
            let meant = self.user.as_ref().is_none_or(|user| *user == account.user) || self.password.is_some();
            !account.is_anonymous() && meant && !given
        });
        let with_tls = |account: Account| {
            let tls = self.demands_tls(&account, &Settings::default());
            (account.credential(), (account, tls))
        };
        let needed: BTreeMap<String, (Account, bool)> = needed.map(with_tls).collect();
        self.ask_for(face, needed.into_values().collect(), &standings).await
    }

    async fn ask_for(
        &self,
        face: &mut Face<'_>,
        accounts: Vec<(Account, bool)>,
        standings: &[AccountStanding],
    ) -> Result<Vec<Credential>, Failed> {
        let Some(all) = self.asks else { return Ok(Vec::new()) };
        let mut asked = Vec::new();
        for (account, tls) in accounts {
            if !all && self.knows(&account, standings).await? {
                continue;
            }
            if asked.len() == ASKED {
                face.complain(&format!(
                    "more than {ASKED} accounts lack a password; `ftpq login USER@HOST` stores one"
                ));
                break;
            }
            let secret = face.ask_password(&account.credential()).await?;
            asked.push(Credential { account, secret, tls, stored: self.stored });
        }
        Ok(asked)
    }

    /// Whether a password for the account is known that was not refused.
    async fn knows(&self, account: &Account, standings: &[AccountStanding]) -> Result<bool, Failed> {
        let login = account.credential();
        let kept = standings.iter().filter(|it| it.login == login).find_map(|it| it.kept);
        if kept.is_some_and(|kept| kept.known) {
            return Ok(kept.is_some_and(|kept| kept.refused_at.is_none()));
        }
        let netrc = self.config.netrc.as_ref();
        if self.config.has_password_file(account)
            || netrc.is_some_and(|netrc| netrc.login_at(&account.host_key(), Some(&account.user)).is_some())
        {
            return Ok(true);
        }
        if !self.config.keyring {
            return Ok(false);
        }
        Ok(keyring(move |ring| ring.get(&login)).await?.is_some())
    }

    /// Whether anybody is asked for anything.
    pub(super) fn may_ask(&self) -> bool {
        self.asks.is_some()
    }

    /// User and password for a run, where both are given.
    pub(super) fn pair(&self) -> Option<Given> {
        let (secret, from) = self.password.clone()?;
        Some(Given { user: self.user.clone()?, secret, from })
    }

    /// Whether a password is given of which nobody says whose it is.
    pub(super) fn lacks_user(&self) -> bool {
        self.password.is_some() && self.user.is_none()
    }
}

/// The password of the environment, which is for the user that is named and for nobody else.
fn given_by_environment(face: &mut Face<'_>, has_user: bool) -> Result<Option<(Secret, &'static str)>, Failed> {
    let Some(secret) = face.around.password.clone() else { return Ok(None) };
    if !has_user {
        face.complain("FTPQ_PASSWORD was not used, since no user is named; add --user or set FTPQ_USER");
        return Ok(None);
    }
    match secret.control_at() {
        None => Ok(Some((secret, "the password in FTPQ_PASSWORD"))),
        Some(_) => {
            Err(Failed::Usage("FTPQ_PASSWORD holds a control character, which no FTP command can carry".to_owned()))
        }
    }
}

impl Face<'_> {
    /// Asks for the password of a login.
    pub(super) async fn ask_password(&mut self, login: &str) -> Result<Secret, Failed> {
        let (secret, stand) = prompt::password(login).await?;
        self.stand = Some(stand);
        Ok(secret)
    }
}

fn ambiguous(from: &str, first: &Account, second: &Account) -> Failed {
    let (first, second) = (printable(&first.credential(), 100), printable(&second.credential(), 100));
    Failed::Usage(format!(
        "{from} could be meant for {first} or for {second}, so nothing was queued; queue them apart, or give each its \
         own: `ftpq login USER@HOST`, or a password-file for the host in the settings file"
    ))
}

/// The passwords handed over already, so that each goes once; bounded, a forgotten one just goes again.
#[derive(Default)]
pub(super) struct Handed {
    known: HashMap<Account, (Secret, bool)>,
    warned: bool,
}

impl Handed {
    const LIMIT: usize = 4096;

    /// Whether the password still has to be handed over, and a warning when the account had another one before.
    pub(super) fn take(&mut self, account: &Account, secret: &Secret, tls: bool) -> (bool, Option<String>) {
        let warning = match self.known.get(account) {
            Some((known, for_tls)) if known == secret && (*for_tls || !tls) => return (false, None),
            Some((known, _)) if known == secret => None,
            Some(_) if !self.warned => {
                self.warned = true;
                Some(format!("two passwords are given for {}; the last one is kept", account.credential()))
            }
            _ => None,
        };
        if self.known.len() >= Self::LIMIT {
            self.known.clear();
        }
        self.known.insert(account.clone(), (secret.clone(), tls));
        (true, warning)
    }
}
