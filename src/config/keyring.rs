//! The system's keyring: passwords under the service `ftpq` and the name `user@host:port`.

use super::ConfigError;
use crate::model::Secret;

#[cfg(not(feature = "keyring"))]
pub use absent::Keyring;
#[cfg(feature = "keyring")]
pub use real::Keyring;

#[cfg(not(feature = "keyring"))]
mod absent {
    use super::{ConfigError, Secret};

    /// The system's keyring, of which this build knows nothing.
    pub struct Keyring(std::convert::Infallible);

    impl Keyring {
        /// Always fails: a program without it must not pass over a password that is in it.
        ///
        /// # Errors
        /// Always.
        pub fn open() -> Result<Self, ConfigError> {
            Err(ConfigError::Keyring("this ftpq was built without it; build it with --features keyring".to_owned()))
        }

        /// Never called.
        ///
        /// # Errors
        /// None.
        pub fn get(&self, _: &str) -> Result<Option<(Secret, bool)>, ConfigError> {
            match self.0 {}
        }

        /// Never called.
        ///
        /// # Errors
        /// None.
        pub fn put(&self, _: &str, _: &Secret, _: bool) -> Result<bool, ConfigError> {
            match self.0 {}
        }

        /// Never called.
        ///
        /// # Errors
        /// None.
        pub fn remove(&self, _: &str) -> Result<bool, ConfigError> {
            match self.0 {}
        }
    }
}

#[cfg(feature = "keyring")]
mod real {
    use super::{ConfigError, Secret};
    use keyring_core::{CredentialStore, Entry, Error};
    use serde::{Deserialize, Serialize};
    use std::sync::Arc;
    use zeroize::Zeroizing;

    const SERVICE: &str = "ftpq";

    /// The system's keyring. Its calls block, for as long as its user takes to unlock it.
    pub struct Keyring {
        store: Arc<CredentialStore>,
    }

    /// What is stored; a plain password, as other programs store it, is read as well.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Stored {
        password: Secret,
        tls: bool,
    }

    /// The same, to be written.
    #[derive(Serialize)]
    struct Written<'a> {
        password: &'a str,
        tls: bool,
    }

    impl Keyring {
        /// Reaches the Secret Service of this session.
        ///
        /// # Errors
        /// When there is none.
        pub fn open() -> Result<Self, ConfigError> {
            let store = zbus_secret_service_keyring_store::Store::new().map_err(|e| failed(&e))?;
            Ok(Self { store })
        }

        #[cfg(test)]
        pub(super) fn with(store: Arc<CredentialStore>) -> Self {
            Self { store }
        }

        fn entry(&self, name: &str) -> Result<Entry, ConfigError> {
            self.store.build(SERVICE, name, None).map_err(|e| failed(&e))
        }

        /// The password of a name, and whether it is for TLS alone.
        ///
        /// # Errors
        /// When the keyring can't be read.
        pub fn get(&self, name: &str) -> Result<Option<(Secret, bool)>, ConfigError> {
            let text = match self.entry(name)?.get_password() {
                Ok(text) => Zeroizing::new(text),
                Err(Error::NoEntry) => return Ok(None),
                Err(error) => return Err(failed(&error)),
            };
            let (secret, tls) = match serde_json::from_str::<Stored>(&text) {
                Ok(stored) => (stored.password, stored.tls),
                Err(_) => (Secret::new(text.as_str()), false),
            };
            match secret.control_at() {
                None => Ok(Some((secret, tls))),
                Some(_) => Err(ConfigError::Keyring(format!(
                    "the password of {name} holds a control character, which no FTP command can carry"
                ))),
            }
        }

        /// Keeps a password. Returns whether anything changed.
        ///
        /// # Errors
        /// When the keyring can't be written.
        pub fn put(&self, name: &str, secret: &Secret, tls: bool) -> Result<bool, ConfigError> {
            if self.get(name)?.is_some_and(|(known, for_tls)| known == *secret && for_tls == tls) {
                return Ok(false);
            }
            let text = serde_json::to_string(&Written { password: secret.reveal(), tls }).map(Zeroizing::new);
            let text = text.map_err(|_| ConfigError::Keyring("the password can't be written down".to_owned()))?;
            self.entry(name)?.set_password(&text).map_err(|e| failed(&e))?;
            Ok(true)
        }

        /// Forgets a password. Returns whether there was one.
        ///
        /// # Errors
        /// When the keyring can't be written.
        pub fn remove(&self, name: &str) -> Result<bool, ConfigError> {
            match self.entry(name)?.delete_credential() {
                Ok(()) => Ok(true),
                Err(Error::NoEntry) => Ok(false),
                Err(error) => Err(failed(&error)),
            }
        }
    }

    /// The reason without what was stored, which some reasons carry.
    fn failed(error: &Error) -> ConfigError {
        ConfigError::Keyring(match error {
            Error::BadEncoding(_) | Error::BadDataFormat(..) => "an entry of it is no text".to_owned(),
            Error::Ambiguous(_) => "it has several entries of one name; remove all but one".to_owned(),
            other => other.to_string(),
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn mock() -> Keyring {
            Keyring::with(keyring_core::mock::Store::new().unwrap())
        }

        #[test]
        fn a_password_is_kept_found_and_forgotten_by_its_name() {
            let ring = mock();
            let secret = Secret::new("hunter2 \"ü\"");
            assert!(ring.get("bob@h:21").unwrap().is_none());
            assert!(ring.put("bob@h:21", &secret, true).unwrap());
            assert!(!ring.put("bob@h:21", &secret, true).unwrap(), "the same once more is no change");
            assert_eq!(ring.get("bob@h:21").unwrap(), Some((secret, true)));
            assert!(ring.get("bob@h:2121").unwrap().is_none());
            assert!(ring.remove("bob@h:21").unwrap());
            assert!(!ring.remove("bob@h:21").unwrap());
        }

        #[test]
        fn what_another_program_stored_is_a_plain_password() {
            let ring = mock();
            ring.entry("bob@h:21").unwrap().set_password("{\"password\": plain").unwrap();
            assert_eq!(ring.get("bob@h:21").unwrap(), Some((Secret::new("{\"password\": plain"), false)));
            ring.entry("bob@h:21").unwrap().set_password("a\r\nDELE x").unwrap();
            assert!(ring.get("bob@h:21").unwrap_err().to_string().contains("control character"));
        }
    }
}
