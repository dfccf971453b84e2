//! Settings by name: how manifests, the settings file and the command line all fill them, under one set of rules.

use super::{KeptDigest, ServerHash, Settings, Tls, TlsVersion};
use serde_json::{Map, Value};
use std::path::Path;

/// Why a setting can't be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// No setting has that name.
    #[error("`{0}` is unknown; the settings are {list}", list = Settings::KEYS.join(", "))]
    Unknown(String),
    /// The value is not of the setting's kind, or out of its range.
    #[error("`{key}`: {message}")]
    Value {
        /// The setting.
        key: &'static str,
        /// What is wrong with it.
        message: String,
    },
}

impl Settings {
    /// The names of all settings, as they are written.
    pub const KEYS: [&'static str; 24] = [
        "data-mode",
        "pipelining",
        "active-address",
        "active-ports",
        "bind",
        "type",
        "tls",
        "ca-file",
        "pin",
        "client-cert",
        "client-key",
        "tls-min",
        "insecure",
        "timeout",
        "retries",
        "min-age",
        "resume",
        "existing",
        "split",
        "durability",
        "limit-rate",
        "sidecars",
        "server-hash",
        "digest",
    ];

    /// Settings of the user alone: a list of files may be a stranger's, and has no say in whom to trust and whom to be.
    pub const OWN_KEYS: [&'static str; 5] = ["ca-file", "pin", "client-cert", "client-key", "insecure"];

    /// Gives one setting the value that a list of files asks for. Over TLS it may ask for more than the user, never for
    /// less.
    ///
    /// # Errors
    /// As [`Settings::assign`], and when it is not for a list to say; nothing is changed then.
    pub fn assign_from_list(&mut self, key: &str, value: Value) -> Result<(), SettingError> {
        let bad = |key, message: &str| Err(SettingError::Value { key, message: message.to_owned() });
        if let Some(&key) = Self::OWN_KEYS.iter().find(|own| **own == key) {
            return bad(
                key,
                "a list of files has no say in whom ftpq trusts; give it on the command line or in the settings file",
            );
        }
        let mut asked = Self::default();
        asked.assign(key, value)?;
        match asked.tls {
            Some(Tls::Off | Tls::Prefer) => {
                return bad(
                    "tls",
                    "a list of files may ask for more TLS, not for less; write explicit or implicit, or leave it out",
                );
            }
            // Both ask for nothing, and must not stand before what the user wants.
            Some(Tls::Auto) => asked.tls = None,
            _ => {}
        }
        if asked.tls_min == Some(TlsVersion::V12) {
            asked.tls_min = None;
        }
        // It may ask for more proof that a file is right, never for less.
        if asked.sidecars == Some(false) || asked.server_hash == Some(ServerHash::Off) {
            let key = if asked.sidecars.is_some() { "sidecars" } else { "server-hash" };
            return bad(key, "a list of files may ask for more proof, not for less; leave it out");
        }
        if asked.server_hash == Some(ServerHash::Auto) {
            asked.server_hash = None;
        }
        if asked.digest == Some(KeptDigest::None) {
            asked.digest = None;
        }
        *self = asked.or(self);
        Ok(())
    }

    /// Gives one setting a value, and checks it. `limit-rate` may be a text with a binary suffix, such as `2M`.
    ///
    /// # Errors
    /// When there is no such setting, or the value doesn't fit it; nothing is changed then.
    pub fn assign(&mut self, key: &str, value: Value) -> Result<(), SettingError> {
        let Some(&key) = Self::KEYS.iter().find(|k| **k == key) else {
            return Err(SettingError::Unknown(super::printable(key, 60)));
        };
        let bad = |message: String| SettingError::Value { key, message };
        let value = match value {
            Value::String(text) if key == "limit-rate" => Value::from(parse_bytes(&text).map_err(bad)?),
            other => other,
        };
        let one = Value::Object(Map::from_iter([(key.to_owned(), value)]));
        let read: Self = serde_json::from_value(one).map_err(|e| bad(e.to_string()))?;
        read.check()?;
        *self = read.or(self);
        Ok(())
    }

    /// Checks what the types alone don't.
    ///
    /// # Errors
    /// When a value is out of its range.
    pub fn check(&self) -> Result<(), SettingError> {
        let bad = |key, message: &str| Err(SettingError::Value { key, message: message.to_owned() });
        match self {
            Self { timeout: Some(0 | 86_401..), .. } => bad("timeout", "write seconds from 1 to 86400"),
            Self { retries: Some(1_000_001..), .. } => bad("retries", "write a number from 0 to 1000000"),
            Self { min_age: Some(86_401..), .. } => bad("min-age", "write seconds from 0 to 86400"),
            Self { limit_rate: Some(0), .. } => bad("limit-rate", "write 1 byte a second or more"),
            Self { ca_file: Some(path), .. } if !is_text(path) => bad("ca-file", PATH),
            Self { client_cert: Some(path), .. } if !is_text(path) => bad("client-cert", PATH),
            Self { client_key: Some(path), .. } if !is_text(path) => bad("client-key", PATH),
            _ => Ok(()),
        }
    }
}

const PATH: &str = "write a path of a file, in UTF-8";

/// Whether a path can be stored as it is.
fn is_text(path: &Path) -> bool {
    path.to_str().is_some_and(|text| !text.is_empty())
}

/// Reads a number of bytes with an optional binary suffix K, M or G.
///
/// # Errors
/// When it is no such number, or too large.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (text.get(..at), 1 << 10),
        Some((at, 'm' | 'M')) => (text.get(..at), 1 << 20),
        Some((at, 'g' | 'G')) => (text.get(..at), 1 << 30),
        _ => (Some(text), 1),
    };
    digits
        .filter(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|d| d.parse::<u64>().ok())
        .and_then(|n| n.checked_mul(unit))
        .ok_or_else(|| "write a number of bytes, with K, M or G behind it for binary multiples".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_names_are_exactly_the_fields() {
        let values = json!({
            "data-mode": "epsv", "pipelining": "deep", "active-address": "192.0.2.1", "active-ports": "2000-3000", "bind": "::1",
            "type": "ascii", "tls": "off", "ca-file": "/ca", "pin": "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "client-cert": "/cert", "client-key": "/key", "tls-min": "1.3", "insecure": true, "timeout": 1, "retries": 0, "min-age": 0, "resume": false, "existing": "skip",
            "split": false, "durability": "none", "limit-rate": 9, "sidecars": true, "server-hash": "off", "digest": "sha-256",
        });
        let mut settings = Settings::default();
        for key in Settings::KEYS {
            settings.assign(key, values[key].clone()).unwrap();
        }
        assert_eq!(serde_json::to_value(&settings).unwrap(), values);
        // A field that KEYS forgot would be left out of the struct's own list.
        let unknown = serde_json::from_value::<Settings>(json!({"-": 1})).unwrap_err().to_string();
        assert_eq!(unknown.matches('`').count() / 2 - 1, Settings::KEYS.len(), "{unknown}");
    }

    #[test]
    fn a_bad_value_changes_nothing_and_names_its_key() {
        let mut settings = Settings::default();
        let table = [
            ("timeout", json!(0)),
            ("timeout", json!(86_401)),
            ("timeout", json!("soon")),
            ("limit-rate", json!(0)),
            ("limit-rate", json!("5X")),
            ("tls", json!("always")),
            ("pin", json!("sha256//short=")),
            ("ca-file", json!("")),
            ("tls-min", json!("1.1")),
            ("data-mode", json!("pasiv")),
            ("min-age", json!(86_401)),
            ("retries", json!(-1)),
            ("sidecars", json!("yes")),
            ("server-hash", json!("always")),
            ("digest", json!("sha-3")),
        ];
        for (key, value) in table {
            let error = settings.assign(key, value.clone()).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{key}`")), "{error}");
            assert!(settings.is_empty(), "{key} {value}");
        }
        assert!(matches!(settings.assign("timeoot", json!(1)), Err(SettingError::Unknown(k)) if k == "timeoot"));
    }

    /// A list comes from anywhere.
    #[test]
    fn a_list_may_ask_for_more_tls_and_for_nothing_else() {
        let user = Settings {
            tls: Some(Tls::Explicit),
            tls_min: Some(TlsVersion::V13),
            ca_file: Some("/ca".into()),
            ..Settings::default()
        };
        let pin = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        for (key, value, words) in [
            ("insecure", json!(true), "no say"),
            ("insecure", json!(false), "no say"),
            ("ca-file", json!("/mine"), "no say"),
            ("pin", json!(pin), "no say"),
            ("client-cert", json!("/mine"), "no say"),
            ("client-key", json!("/mine"), "no say"),
            ("tls", json!("off"), "not for less"),
            ("tls", json!("prefer"), "not for less"),
            ("tls-min", json!("1.0"), "1.0"),
            ("sidecars", json!(false), "not for less"),
            ("server-hash", json!("off"), "not for less"),
        ] {
            let mut list = Settings::default();
            let error = list.assign_from_list(key, value).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains(key), "{error}");
            assert!(list.is_empty());
        }
        for (key, value, tls, min) in [
            ("tls", "auto", Tls::Explicit, TlsVersion::V13),
            ("tls", "implicit", Tls::Implicit, TlsVersion::V13),
            ("tls", "explicit", Tls::Explicit, TlsVersion::V13),
            ("tls-min", "1.2", Tls::Explicit, TlsVersion::V13),
        ] {
            let mut list = Settings::default();
            list.assign_from_list(key, json!(value)).unwrap();
            let all = list.or(&user);
            assert_eq!(
                (all.tls, all.tls_min, all.ca_file),
                (Some(tls), Some(min), Some("/ca".into())),
                "{key} {value}"
            );
        }
        let mut list = Settings::default();
        list.assign_from_list("tls-min", json!("1.3")).unwrap();
        list.assign_from_list("timeout", json!(5)).unwrap();
        assert_eq!((list.tls_min, list.timeout), (Some(TlsVersion::V13), Some(5)));
        list.assign_from_list("sidecars", json!(true)).unwrap();
        list.assign_from_list("digest", json!("none")).unwrap();
        list.assign_from_list("server-hash", json!("auto")).unwrap();
        assert_eq!((list.sidecars, list.server_hash, list.digest), (Some(true), None, None));
    }

    #[test]
    fn bytes_take_binary_suffixes() {
        assert_eq!(parse_bytes("10"), Ok(10));
        assert_eq!(parse_bytes(" 2k "), Ok(2048));
        assert_eq!(parse_bytes("3M"), Ok(3 << 20));
        assert_eq!(parse_bytes("1G"), Ok(1 << 30));
        for text in ["", "K", "1T", "-1", "+1", "1.5M", "99999999999G", "é"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
