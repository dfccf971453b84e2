//! One line of a JSON Lines manifest.

use super::{Secret, Settings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One object of a JSON Lines manifest, as it is written; nothing in it is checked yet.
///
/// Settings stand beside the other fields, under their names in the settings file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
// On the outer struct: a flattened inner one never sees the fields that nobody knows.
#[serde(deny_unknown_fields)]
pub struct ManifestLine {
    /// The remote file. A password in it is taken out at the door.
    pub url: String,
    /// Other URLs of the same file, the best first. The one in `url` is preferred to them. A password in one is taken out
    /// at the door.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<String>,
    /// Where the file goes, below the folder that `--into` names; the URL's last component where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Length in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Digest of the whole file: `sha-256=<hex>`, or bare hexadecimal digits of a known length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// MD5 digest in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
    /// SHA-1 digest in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha1: Option<String>,
    /// SHA-256 digest in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// SHA-512 digest in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha512: Option<String>,
    /// CRC-32 in 8 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc32: Option<String>,
    /// What BSD `sum` prints: the sum and the number of blocks, in decimal digits, with a colon between.
    #[serde(default, rename = "bsd-sum", skip_serializing_if = "Option::is_none")]
    pub bsd_sum: Option<String>,
    /// User name, where the URL names none.
    #[serde(default, rename = "ftp-user", skip_serializing_if = "Option::is_none")]
    pub ftp_user: Option<String>,
    /// Password. It is taken out at the door, as one in the URL.
    #[serde(default, rename = "ftp-passwd", skip_serializing)]
    #[schemars(with = "Option<String>")]
    pub ftp_passwd: Option<Secret>,
    /// Settings of this job alone.
    #[serde(flatten)]
    pub settings: Settings,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_stand_beside_the_other_fields() {
        let line: ManifestLine =
            serde_json::from_str(r#"{"url":"ftp://h/a","size":3,"type":"ascii","limit-rate":10}"#).unwrap();
        assert_eq!((line.size, line.settings.limit_rate), (Some(3), Some(10)));
        assert_eq!(
            serde_json::to_string(&line).unwrap(),
            r#"{"url":"ftp://h/a","size":3,"type":"ascii","limit-rate":10}"#
        );
    }

    #[test]
    fn a_password_is_read_and_never_written() {
        let line: ManifestLine =
            serde_json::from_str(r#"{"url":"ftp://h/a","ftp-user":"bob","ftp-passwd":"hunter2"}"#).unwrap();
        assert_eq!(line.ftp_passwd.as_ref().map(Secret::reveal), Some("hunter2"));
        let shown = format!("{} {line:?}", serde_json::to_string(&line).unwrap());
        assert!(!shown.contains("hunter2") && shown.contains("bob"), "{shown}");
    }

    #[test]
    fn an_unknown_field_is_refused_by_its_name() {
        let error = serde_json::from_str::<ManifestLine>(r#"{"url":"ftp://h/a","sise":3}"#).unwrap_err();
        assert!(error.to_string().contains("`sise`"), "{error}");
        assert!(serde_json::from_str::<ManifestLine>(r#"{"path":"a"}"#).is_err());
    }
}
