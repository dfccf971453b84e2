//! Users and passwords for URLs that have none.

use super::exit::Failed;
use super::options::LoginOptions;
use crate::config::{Config, read_password_file};
use crate::model::{Account, JobSpec, Secret, Source, printable};
use std::collections::HashMap;

/// What is given on the command line and in the settings file.
pub(super) struct Login {
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) config: Config,
    /// The account that the password file was found to be meant for.
    meant: Option<Account>,
}

impl Login {
    /// Reads the password file.
    pub(super) fn new(options: &LoginOptions, config: Config) -> Result<Self, Failed> {
        let password = options.password_file.as_deref().map(read_password_file).transpose()?;
        Ok(Self { user: options.user.clone(), password, config, meant: None })
    }

    /// Gives a job the user its URL lacks, and tells the password to keep: the URL's own, else the one given here for
    /// that user.
    ///
    /// # Errors
    /// When the password given here could be meant for more than one account: it goes to none then.
    pub(super) fn complete(
        &mut self,
        mut spec: JobSpec,
        own: Option<Secret>,
    ) -> Result<(JobSpec, Option<(Account, Secret)>), Failed> {
        let account = spec.source.account();
        if own.is_none() && account.user == Account::ANONYMOUS {
            let user = self.user.as_deref().or_else(|| self.config.user(&account.host_key()));
            if let Some(user) = user {
                let account = Account { user: user.to_owned(), ..account.clone() };
                spec.source = Source::new(account, spec.source.path().clone(), spec.source.transfer_type());
            }
        }
        let account = spec.source.account();
        let meant = match &self.user {
            Some(user) => *user == account.user,
            None => !account.is_anonymous(),
        };
        let account = account.clone();
        let secret = match own {
            Some(own) => Some(own),
            None if meant && self.password.is_some() => {
                let first = self.meant.get_or_insert_with(|| account.clone());
                if first.credential() != account.credential() {
                    return Err(ambiguous(first, &account));
                }
                self.password.clone()
            }
            None => None,
        };
        Ok((spec, secret.map(|secret| (account, secret))))
    }

    /// User and password for a run, where both are given.
    pub(super) fn pair(&self) -> Option<(String, Secret)> {
        self.user.clone().zip(self.password.clone())
    }
}

fn ambiguous(first: &Account, second: &Account) -> Failed {
    let (first, second) = (printable(&first.credential(), 100), printable(&second.credential(), 100));
    Failed::Usage(format!(
        "the password file could be meant for {first} or for {second}, so nothing was queued; queue them apart, or name \
         a password-file for each host in the settings file"
    ))
}

/// The passwords handed over already, so that each goes once; bounded, a forgotten one just goes again.
#[derive(Default)]
pub(super) struct Handed {
    known: HashMap<Account, Secret>,
    warned: bool,
}

impl Handed {
    const LIMIT: usize = 4096;

    /// Whether the password still has to be handed over, and a warning when the account had another one before.
    pub(super) fn take(&mut self, account: &Account, secret: &Secret) -> (bool, Option<String>) {
        let warning = match self.known.get(account) {
            Some(known) if known == secret => return (false, None),
            Some(_) if !self.warned => {
                self.warned = true;
                Some(format!("two passwords are given for {}; the last one is kept", account.credential()))
            }
            _ => None,
        };
        if self.known.len() >= Self::LIMIT {
            self.known.clear();
        }
        self.known.insert(account.clone(), secret.clone());
        (true, warning)
    }
}
