//! The settings file, netrc, password files, certificates and keys: read once, asked per host.
//!
//! Nothing here prints a password: errors name a file and a line, `Debug` shows `***`.

mod error;
mod file;
mod hosts;
mod keyring;
mod netrc;
mod pem;
mod secret_file;
#[cfg(test)]
mod tests;

pub use error::ConfigError;
pub use keyring::Keyring;
pub use netrc::{Netrc, NetrcEntry};
pub use pem::{check_tls_files, read_certificates, read_private_key};
pub use secret_file::{read_password_file, read_password_line};

use crate::model::{
    Account, DataMode, Durability, Existing, HostKey, KeptDigest, PerHost, Pipelining, Secret, ServerHash, Settings,
    Tls, TlsVersion, TransferType,
};
use hosts::Hosts;
use secret_file::check_password_file;
use std::env;
use std::path::{Path, PathBuf};

/// The settings file and netrc, read.
#[derive(Clone, Debug, Default)]
pub struct Config {
    settings: Settings,
    connections: Option<u32>,
    per_host: Option<PerHost>,
    hosts: Hosts,
    /// The logins of netrc, where the settings file or the command line asks for it.
    pub netrc: Option<Netrc>,
    netrc_default: bool,
    /// Whether the system's keyring is asked for passwords.
    pub keyring: bool,
    /// Whether a kept password goes with the last job of its account.
    pub forget_logins: bool,
}

impl Config {
    /// Most connections that may be set, over all hosts.
    pub const MAX_CONNECTIONS: u32 = 256;

    /// Reads the settings file at that path, which must be there; or at the usual one,
    /// `$XDG_CONFIG_HOME/ftpq/config.toml`, which need not.
    ///
    /// # Errors
    /// When a file can't be read, or says what ftpq doesn't understand.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let home = env::home_dir();
        if let Some(path) = path {
            return file::read(path, home.as_deref());
        }
        let folder = env::var_os("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .filter(|folder| folder.is_absolute())
            .or_else(|| home.as_ref().map(|home| home.join(".config")));
        match folder.map(|folder| folder.join("ftpq/config.toml")) {
            Some(path) if path.exists() => file::read(&path, home.as_deref()),
            _ => Ok(Self::default()),
        }
    }

    /// The built-in settings, all that have a default filled in; the widest level of [`Settings::or`].
    #[must_use]
    pub fn defaults() -> Settings {
        Settings {
            data_mode: Some(DataMode::Auto),
            pipelining: Some(Pipelining::Auto),
            transfer_type: Some(TransferType::Image),
            tls: Some(Tls::Auto),
            tls_min: Some(TlsVersion::V12),
            insecure: Some(false),
            timeout: Some(60),
            retries: Some(20),
            min_age: Some(5),
            resume: Some(true),
            existing: Some(Existing::Check),
            split: Some(true),
            durability: Some(Durability::Full),
            sidecars: Some(false),
            server_hash: Some(ServerHash::Auto),
            digest: Some(KeptDigest::None),
            ..Settings::default()
        }
    }

    /// What the file sets for that host: the table of its name and port over that of its name over the top level.
    #[must_use]
    pub fn settings_for(&self, host: &HostKey) -> Settings {
        self.hosts.of(host).fold(Settings::default(), |sum, table| sum.or(&table.settings)).or(&self.settings)
    }

    /// Connections to that host at a time, where the file says.
    #[must_use]
    pub fn per_host(&self, host: &HostKey) -> Option<PerHost> {
        self.hosts.of(host).find_map(|table| table.per_host).or(self.per_host)
    }

    /// Connections over all hosts at a time, where the file says.
    #[must_use]
    pub fn connections(&self) -> Option<u32> {
        self.connections
    }

    /// The user name for URLs of that host that name none.
    #[must_use]
    pub fn user(&self, host: &HostKey) -> Option<&str> {
        self.hosts.of(host).find_map(|table| table.user.as_deref())
    }

    /// The password from the `password-file` of the account's host. A table that names a user is for that user
    /// alone; one that names none is for every user but the anonymous.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn password(&self, account: &Account) -> Result<Option<Secret>, ConfigError> {
        self.password_file(account).map(read_password_file).transpose()
    }

    /// Whether a `password-file` is meant for the account; it is not read.
    #[must_use]
    pub fn has_password_file(&self, account: &Account) -> bool {
        self.password_file(account).is_some()
    }

    fn password_file(&self, account: &Account) -> Option<&Path> {
        self.hosts.of(&account.host_key()).find_map(|table| {
            let meant = table.user.as_ref().map_or(!account.is_anonymous(), |user| *user == account.user);
            table.password_file.as_deref().filter(|_| meant)
        })
    }

    /// Checks every `password-file` that the settings name, so that a run needn't find out half way.
    ///
    /// # Errors
    /// When one can't be read, is open to others, or holds no password.
    pub fn check_password_files(&self) -> Result<(), ConfigError> {
        self.hosts.all().filter_map(|table| table.password_file.as_deref()).try_for_each(check_password_file)
    }

    /// Checks every file that the settings name for TLS, as [`check_tls_files`] does.
    ///
    /// # Errors
    /// The same.
    pub fn check_tls_files(&self) -> Result<(), ConfigError> {
        let tables = self.hosts.all().map(|table| &table.settings);
        std::iter::once(&self.settings).chain(tables).try_for_each(check_tls_files)
    }

    /// Reads netrc from that path, which must be there; or from `~/.netrc`, which need not. With `default` its entry of
    /// that name is used as well, as the settings file may ask for too.
    ///
    /// # Errors
    /// When the file is open to others, or isn't understood.
    pub fn read_netrc(&mut self, path: Option<&Path>, default: bool) -> Result<(), ConfigError> {
        let netrc = match path {
            Some(path) => Netrc::read(path)?,
            None => match env::home_dir().map(|home| home.join(".netrc")) {
                Some(path) if path.exists() => Netrc::read(&path)?,
                _ => Netrc::default(),
            },
        };
        self.netrc = Some(netrc.with_default(default || self.netrc_default));
        Ok(())
    }
}
