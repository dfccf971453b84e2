//! Passwords.

use serde::{Deserialize, Deserializer};
use std::fmt;
use zeroize::Zeroizing;

/// A password. It can't be printed, compared in logs or serialized by accident: whoever needs the bytes says so. Its
/// memory is overwritten when it goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the password in.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The password itself, for the command that sends it or the file that keeps it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Where the first control character stands, in bytes: no FTP command can carry one.
    #[must_use]
    pub fn control_at(&self) -> Option<usize> {
        self.0.char_indices().find(|(_, c)| c.is_control()).map(|(at, _)| at)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints_itself() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        assert_eq!(secret.reveal(), "hunter2");
    }

    #[test]
    fn what_no_command_can_carry_is_found() {
        assert_eq!(Secret::new("hunter2").control_at(), None);
        assert_eq!(Secret::new("hü\r\nDELE x").control_at(), Some(3));
        assert_eq!(Secret::new("\u{85}").control_at(), Some(0));
    }
}
