//! How what goes to and fro is protected, as it is shown.

use super::TlsVersion;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which TLS there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsInUse {
    /// None: everything goes in the clear.
    #[serde(rename = "none")]
    None,
    /// TLS 1.2.
    #[serde(rename = "1.2")]
    V12,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V13,
}

impl From<Option<TlsVersion>> for TlsInUse {
    fn from(version: Option<TlsVersion>) -> Self {
        match version {
            None => Self::None,
            Some(TlsVersion::V12) => Self::V12,
            Some(TlsVersion::V13) => Self::V13,
        }
    }
}

/// How much of a server's certificate is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CertificateCheck {
    /// Name, time, issuer, and pins where there are any.
    #[default]
    Full,
    /// The pinned key alone (`insecure` with `pin`).
    KeyAlone,
    /// Nothing (`insecure`): anybody may be the server.
    Nothing,
}

/// How a host's control and data connections are protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Protection {
    /// The TLS of its last session; absent where there was none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsInUse>,
    /// Whether it is left to the server if there is TLS (`prefer`).
    #[serde(default)]
    pub if_offered: bool,
    /// How much of its certificate is checked.
    #[serde(default)]
    pub check: CertificateCheck,
}

impl Protection {
    /// Whether it is less than TLS with a server that is known to be the right one: then every line says so.
    #[must_use]
    pub fn is_lax(&self) -> bool {
        self.if_offered || self.check != CertificateCheck::Full
    }

    /// What a job's history tells of it; nothing where all is as it should be.
    #[must_use]
    pub fn caveat(&self) -> Option<&'static str> {
        match (self.tls, self.check) {
            (Some(TlsInUse::None), _) if self.if_offered => {
                Some("came in the clear: the server offers no TLS, and tls is set to prefer")
            }
            (Some(TlsInUse::None), _) | (_, CertificateCheck::Full) => None,
            (_, CertificateCheck::KeyAlone) => Some("the server's key was checked, but not its certificate (insecure)"),
            (_, CertificateCheck::Nothing) => Some("the server's certificate was not checked (insecure)"),
        }
    }
}

/// In a few words: `TLS if offered`, `NO TLS`, `TLS 1.3`, `TLS 1.3, CERTIFICATE NOT CHECKED`.
impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.tls {
            Some(TlsInUse::None) => return f.write_str("NO TLS"),
            None if self.if_offered => "TLS if offered",
            None => "TLS",
            Some(TlsInUse::V12) => "TLS 1.2",
            Some(TlsInUse::V13) => "TLS 1.3",
        })?;
        f.write_str(match self.check {
            CertificateCheck::Full => "",
            CertificateCheck::KeyAlone => ", only the key checked",
            CertificateCheck::Nothing => ", CERTIFICATE NOT CHECKED",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lax_is_said() {
        use CertificateCheck::{Full, KeyAlone, Nothing};
        for (tls, if_offered, check, words, caveat) in [
            (None, true, Full, "TLS if offered", None),
            (Some(TlsInUse::None), true, Full, "NO TLS", Some("in the clear")),
            (Some(TlsInUse::None), true, Nothing, "NO TLS", Some("in the clear")),
            (Some(TlsInUse::V13), true, Full, "TLS 1.3", None),
            (Some(TlsInUse::V12), false, Full, "TLS 1.2", None),
            (Some(TlsInUse::V13), false, Nothing, "TLS 1.3, CERTIFICATE NOT CHECKED", Some("not checked")),
            (None, false, Nothing, "TLS, CERTIFICATE NOT CHECKED", Some("not checked")),
            (Some(TlsInUse::V13), false, KeyAlone, "TLS 1.3, only the key checked", Some("key was checked")),
        ] {
            let protection = Protection { tls, if_offered, check };
            assert_eq!(protection.to_string(), words);
            assert_eq!(protection.is_lax(), if_offered || check != Full);
            match caveat {
                None => assert_eq!(protection.caveat(), None, "{words}"),
                Some(part) => assert!(protection.caveat().unwrap().contains(part), "{words}"),
            }
        }
    }
}
