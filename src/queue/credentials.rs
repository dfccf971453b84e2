//! The one file that holds passwords.

use super::{QueueError, files};
use crate::model::{Account, Secret};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The form that is written. The first one had no number: an object of passwords by `user@host:port`.
const VERSION: u8 = 2;
/// Longest file that is read, in bytes.
const LIMIT: u64 = 64 << 20;

/// Passwords by `user@host:port`, kept in the file `credentials` of the queue's folder, for its owner alone. Besides, those
/// that are to be kept nowhere, for as long as the process lives.
#[derive(Debug)]
pub struct Credentials {
    path: PathBuf,
    logins: BTreeMap<String, Kept>,
    lent: BTreeMap<String, Kept>,
}

/// What is known of an account's password.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The password; none where the user gave it and did not want it kept.
    #[serde(default, serialize_with = "reveal", skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// It came with a URL or a setting that demands TLS, and is never sent without.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tls: bool,
    /// When the server refused it first, in seconds since 1970-01-01 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_at: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u8,
    logins: BTreeMap<String, Kept>,
}

/// The number alone: of a later form nothing else is understood.
#[derive(Deserialize)]
struct Versioned {
    version: u8,
}

#[expect(clippy::ref_option, reason = "the signature that serde asks for")]
fn reveal<S: Serializer>(password: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    match password {
        Some(password) => serializer.serialize_some(password.reveal()),
        None => serializer.serialize_none(),
    }
}

impl Credentials {
    /// Reads the file of a queue's folder; none is as good as an empty one.
    ///
    /// # Errors
    /// When it can't be read, is damaged, of a later form, or open to others than its owner.
    pub fn load(dir: &Path) -> Result<Self, QueueError> {
        let path = dir.join("credentials");
        let empty = Self { path: path.clone(), logins: BTreeMap::new(), lent: BTreeMap::new() };
        let failed = |e: &std::io::Error| QueueError::io("reading", &path, e);
        let file = match files::own_file().read(true).open(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(empty),
            Err(e) if std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_symlink()) => {
                let why = format!("it is a symbolic link ({e}); put the file itself there, or move it away");
                return Err(QueueError::Io { doing: "reading", path, why });
            }
            result => result.map_err(|e| failed(&e))?,
        };
        let meta = file.metadata().map_err(|e| failed(&e))?;
        if !meta.is_file() || meta.mode() & 0o077 != 0 || meta.uid() != rustix::process::geteuid().as_raw() {
            return Err(QueueError::Exposed { path });
        }
        let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(meta.len().min(LIMIT)).unwrap_or(0) + 1));
        file.take(LIMIT).read_to_end(&mut text).map_err(|e| failed(&e))?;
        Ok(Self { logins: empty.read(&text)?, ..empty })
    }

    fn read(&self, text: &[u8]) -> Result<BTreeMap<String, Kept>, QueueError> {
        // The parser's own message could quote a password.
        let damaged = |e: serde_json::Error| QueueError::Io {
            doing: "reading",
            path: self.path.clone(),
            why: format!("line {} is none of a file of passwords; restore it, or remove it and log in anew", e.line()),
        };
        match serde_json::from_slice::<Versioned>(text) {
            Ok(Versioned { version: VERSION }) => {
                serde_json::from_slice(text).map(|stored: Stored| stored.logins).map_err(damaged)
            }
            Ok(Versioned { version }) => {
                Err(QueueError::Newer { path: self.path.clone(), found: version, known: VERSION })
            }
            Err(_) => {
                let plain: BTreeMap<String, Secret> = serde_json::from_slice(text).map_err(damaged)?;
                Ok(plain.into_iter().map(|(name, password)| (name, Kept::new(password, false))).collect())
            }
        }
    }

    /// What is known of an account's password.
    #[must_use]
    pub fn get(&self, account: &Account) -> Option<&Kept> {
        let name = account.credential();
        self.lent.get(&name).or_else(|| self.logins.get(&name))
    }

    /// All entries of the file, by name.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Kept)> {
        self.logins.iter().map(|(name, kept)| (name.as_str(), kept))
    }

    /// Keeps a password for an account; it is durable when this returns. Returns whether anything changed.
    ///
    /// # Errors
    /// When the file can't be written; the one that was there stays whole.
    pub fn put(&mut self, account: &Account, password: &Secret, tls: bool) -> Result<bool, QueueError> {
        let name = account.credential();
        let same = |kept: &&Kept| kept.password.as_ref() == Some(password) && kept.tls == tls;
        // The same one once more says nothing new of a refusal.
        if self.logins.get(&name).as_ref().is_some_and(same) {
            return Ok(false);
        }
        self.lent.remove(&name);
        self.change(|logins| logins.insert(name, Kept::new(password.clone(), tls)))?;
        Ok(true)
    }

    /// Holds a password for as long as the process lives, and stores nothing but that there was one.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn lend(&mut self, account: &Account, password: &Secret, tls: bool) -> Result<(), QueueError> {
        let name = account.credential();
        self.lent.insert(name.clone(), Kept::new(password.clone(), tls));
        if self.logins.contains_key(&name) {
            return Ok(());
        }
        self.change(|logins| logins.insert(name, Kept { tls, ..Kept::default() }))
    }

    /// Forgets an entry, durably. Returns whether there was one.
    ///
    /// # Errors
    /// When the file can't be written; the one that was there stays whole.
    pub fn remove(&mut self, name: &str) -> Result<bool, QueueError> {
        let lent = self.lent.remove(name).is_some();
        if !self.logins.contains_key(name) {
            return Ok(lent);
        }
        self.change(|logins| logins.remove(name))?;
        Ok(true)
    }

    /// Takes note that a server refused a kept password, or that it took it.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn note(&mut self, account: &Account, password: &Secret, refused_at: Option<u64>) -> Result<(), QueueError> {
        let name = account.credential();
        let Some(kept) = self.logins.get(&name) else { return Ok(()) };
        let is_known = kept.refused_at.is_some() == refused_at.is_some();
        if is_known || kept.password.as_ref() != Some(password) {
            return Ok(());
        }
        self.change(|logins| logins.get_mut(&name).map(|kept| kept.refused_at = refused_at))
    }

    /// Changes the entries, in the file first.
    fn change<T>(&mut self, change: impl FnOnce(&mut BTreeMap<String, Kept>) -> T) -> Result<(), QueueError> {
        let mut logins = self.logins.clone();
        change(&mut logins);
        let length: usize = logins.iter().map(|(n, k)| 6 * (n.len() + k.password.as_ref().map_or(0, secret_len))).sum();
        // A buffer that grew would leave copies behind.
        let mut text = Zeroizing::new(Vec::with_capacity(length + 160 * logins.len() + 160));
        let stored = Stored { version: VERSION, logins };
        serde_json::to_writer_pretty(&mut *text, &stored).map_err(|e| QueueError::Io {
            doing: "writing",
            path: self.path.clone(),
            why: e.to_string(),
        })?;
        text.write_all(b"\n").map_err(|e| QueueError::io("writing", &self.path, &e))?;
        files::replace(&self.path, &text)?;
        self.logins = stored.logins;
        Ok(())
    }
}

fn secret_len(secret: &Secret) -> usize {
    secret.reveal().len()
}

impl Kept {
    fn new(password: Secret, tls: bool) -> Self {
        Self { password: Some(password), tls, refused_at: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn account(text: &str) -> Account {
        Account::try_from(text.to_owned()).unwrap()
    }

    fn put(kept: &mut Credentials, name: &str, password: &str, tls: bool) -> bool {
        kept.put(&account(name), &Secret::new(password), tls).unwrap()
    }

    fn password(kept: &Credentials, name: &str) -> Option<String> {
        kept.get(&account(name))?.password.as_ref().map(|password| password.reveal().to_owned())
    }

    #[test]
    fn a_password_is_found_again_by_its_account_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut kept = Credentials::load(dir.path()).unwrap();
        assert!(put(&mut kept, "ftp://bob@h", "hunter2", false));
        assert!(put(&mut kept, "ftp://eve@h", "other", true));
        assert!(!put(&mut kept, "ftp://eve@h", "other", true), "the same once more is no change");
        let again = Credentials::load(dir.path()).unwrap();
        assert_eq!(password(&again, "ftp://bob@h").as_deref(), Some("hunter2"));
        assert_eq!(password(&again, "ftp://bob@h:2121"), None);
        assert!(again.get(&account("ftp://eve@h")).unwrap().tls && !again.get(&account("ftp://bob@h")).unwrap().tls);
        let mode = fs::metadata(dir.path().join("credentials")).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!format!("{again:?}").contains("hunter2"));
    }

    #[test]
    fn what_is_forgotten_is_gone_from_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut kept = Credentials::load(dir.path()).unwrap();
        put(&mut kept, "ftp://bob@h", "hunter2", false);
        assert!(!kept.remove("eve@h:21").unwrap());
        assert!(kept.remove("bob@h:21").unwrap());
        assert_eq!(password(&Credentials::load(dir.path()).unwrap(), "ftp://bob@h"), None);
        assert!(!fs::read_to_string(dir.path().join("credentials")).unwrap().contains("hunter2"));
    }

    #[test]
    fn what_is_lent_is_never_written() {
        let dir = tempfile::tempdir().unwrap();
        let mut kept = Credentials::load(dir.path()).unwrap();
        put(&mut kept, "ftp://eve@h", "old", false);
        for name in ["ftp://bob@h", "ftp://eve@h"] {
            kept.lend(&account(name), &Secret::new("hunter2"), true).unwrap();
            assert_eq!(password(&kept, name).as_deref(), Some("hunter2"));
        }
        assert!(!fs::read_to_string(dir.path().join("credentials")).unwrap().contains("hunter2"));
        let again = Credentials::load(dir.path()).unwrap();
        assert_eq!(password(&again, "ftp://eve@h").as_deref(), Some("old"));
        let withheld = again.get(&account("ftp://bob@h")).unwrap();
        assert_eq!((withheld.password.as_ref(), withheld.tls), (None, true), "it is known that there was one");
    }

    #[test]
    fn a_refusal_is_remembered_until_the_password_changes_or_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let mut kept = Credentials::load(dir.path()).unwrap();
        let (bob, wrong) = (account("ftp://bob@h"), Secret::new("wrong"));
        let since = |kept: &Credentials| kept.get(&bob).unwrap().refused_at;
        kept.put(&bob, &wrong, false).unwrap();
        kept.note(&bob, &Secret::new("another"), Some(1)).unwrap();
        assert_eq!(since(&kept), None, "another password's refusal");
        kept.note(&bob, &wrong, Some(7)).unwrap();
        kept.note(&bob, &wrong, Some(9)).unwrap();
        assert_eq!(since(&Credentials::load(dir.path()).unwrap()), Some(7));
        kept.note(&bob, &wrong, None).unwrap();
        assert_eq!(since(&kept), None);
        kept.note(&bob, &wrong, Some(7)).unwrap();
        kept.put(&bob, &Secret::new("right"), false).unwrap();
        assert_eq!(since(&kept), None);
    }

    fn with_file(content: &str, mode: u32) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("credentials");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        dir
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        for mode in [0o640, 0o604, 0o620, 0o610] {
            let dir = with_file("{}", mode);
            assert!(matches!(Credentials::load(dir.path()), Err(QueueError::Exposed { .. })), "{mode:o}");
        }
    }

    #[test]
    fn a_link_is_not_followed() {
        let dir = with_file("{\"bob@h:21\": \"hunter2\"}", 0o600);
        fs::rename(dir.path().join("credentials"), dir.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink("elsewhere", dir.path().join("credentials")).unwrap();
        let error = Credentials::load(dir.path()).unwrap_err().to_string();
        assert!(error.contains("symbolic link"), "{error}");
    }

    #[test]
    fn a_damaged_file_is_refused_without_showing_it() {
        for text in [
            "{\"a@b:21\": \"hunter2\", nonsense",
            "{\"version\": 2, \"logins\": {\"a@b:21\": {\"password\": \"hunter2\", \"x\": 1}}}",
            "{\"version\": 2, \"logins\": {\"a@b:21\": \"hunter2\"}}",
            "[\"hunter2\"]",
        ] {
            let error = Credentials::load(with_file(text, 0o600).path()).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    /// What this and earlier versions wrote must be read by every later one, and what a later one wrote be left alone.
    #[test]
    fn each_form_of_the_file_is_read_and_a_later_one_is_not_touched() {
        let first = Credentials::load(with_file("{\"bob@h:21\": \"hunter2\"}\n", 0o600).path()).unwrap();
        assert_eq!(password(&first, "ftp://bob@h").as_deref(), Some("hunter2"));
        assert_eq!(first.get(&account("ftp://bob@h")).unwrap(), &Kept::new(Secret::new("hunter2"), false));

        let golden = include_str!("../../queue-schema/golden/v2/credentials.json");
        let dir = with_file(golden, 0o600);
        let mut kept = Credentials::load(dir.path()).unwrap();
        let bob = Kept { refused_at: Some(1_763_856_000), ..Kept::new(Secret::new("hunter2"), true) };
        assert_eq!(kept.get(&account("ftp://bob@h")), Some(&bob));
        assert_eq!(kept.get(&account("ftp://eve@h:2121")), Some(&Kept::default()));
        assert!(put(&mut kept, "ftp://x@y", "z", false) && kept.remove("x@y:21").unwrap());
        assert_eq!(fs::read_to_string(dir.path().join("credentials")).unwrap(), golden);

        let later = with_file("{\"version\": 3, \"vault\": []}", 0o600);
        assert!(matches!(Credentials::load(later.path()), Err(QueueError::Newer { found: 3, .. })));
    }
}
