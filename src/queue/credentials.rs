//! The one file that holds passwords.

use super::{QueueError, files};
use crate::model::{Account, Secret};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Passwords by `user@host:port`, kept in the file `credentials` of the queue's folder, for its owner alone.
#[derive(Debug)]
pub struct Credentials {
    path: PathBuf,
    secrets: BTreeMap<String, Secret>,
}

impl Credentials {
    /// Reads the file of a queue's folder; none is as good as an empty one.
    ///
    /// # Errors
    /// When it can't be read, is damaged, or is open to others than its owner.
    pub fn load(dir: &Path) -> Result<Self, QueueError> {
        let path = dir.join("credentials");
        let failed = |e: &std::io::Error| QueueError::io("reading", &path, e);
        let meta = match fs::symlink_metadata(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Self { path, secrets: BTreeMap::new() }),
            result => result.map_err(|e| failed(&e))?,
        };
        if !meta.is_file() || meta.mode() & 0o077 != 0 || meta.uid() != rustix::process::geteuid().as_raw() {
            return Err(QueueError::Exposed { path });
        }
        let text = fs::read(&path).map_err(|e| failed(&e))?;
        // The parser's own message could quote a password.
        let plain: BTreeMap<String, String> = serde_json::from_slice(&text).map_err(|e| QueueError::Io {
            doing: "reading",
            path: path.clone(),
            why: format!("line {} is no JSON object of passwords", e.line()),
        })?;
        Ok(Self { path, secrets: plain.into_iter().map(|(name, text)| (name, Secret::new(text))).collect() })
    }

    /// The password kept for an account.
    #[must_use]
    pub fn get(&self, account: &Account) -> Option<Secret> {
        self.secrets.get(&account.credential()).cloned()
    }

    /// Keeps a password for an account; it is durable when this returns.
    ///
    /// # Errors
    /// When the file can't be written; the one that was there stays whole.
    pub fn put(&mut self, account: &Account, secret: &Secret) -> Result<(), QueueError> {
        let name = account.credential();
        if self.secrets.get(&name) == Some(secret) {
            return Ok(());
        }
        let mut secrets = self.secrets.clone();
        secrets.insert(name, secret.clone());
        let plain: BTreeMap<&str, &str> = secrets.iter().map(|(n, s)| (n.as_str(), s.reveal())).collect();
        let mut text = serde_json::to_vec_pretty(&plain).map_err(|e| QueueError::Io {
            doing: "writing",
            path: self.path.clone(),
            why: e.to_string(),
        })?;
        text.push(b'\n');
        files::replace(&self.path, &text)?;
        self.secrets = secrets;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn account(text: &str) -> Account {
        Account::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn a_password_is_found_again_by_its_account_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut kept = Credentials::load(dir.path()).unwrap();
        kept.put(&account("ftp://bob@h"), &Secret::new("hunter2")).unwrap();
        kept.put(&account("ftp://eve@h"), &Secret::new("other")).unwrap();
        let again = Credentials::load(dir.path()).unwrap();
        assert_eq!(again.get(&account("ftp://bob@h")).unwrap().reveal(), "hunter2");
        assert!(again.get(&account("ftp://bob@h:2121")).is_none());
        let mode = fs::metadata(dir.path().join("credentials")).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!format!("{again:?}").contains("hunter2"));
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("credentials");
        fs::write(&path, "{}").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Credentials::load(dir.path()), Err(QueueError::Exposed { .. })));
    }

    #[test]
    fn a_damaged_file_is_refused_without_showing_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("credentials");
        fs::write(&path, "{\"a@b:21\": \"hunter2\", nonsense").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let error = Credentials::load(dir.path()).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
