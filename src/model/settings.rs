//! What a user may set, for everything, for a host, or for one job.

use super::{KeptDigest, Pins, ServerHash, Tls, TlsVersion};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::PathBuf;

/// How data connections are opened (RFC 959, section 4.1.2; RFC 2428).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DataMode {
    /// EPSV, then PASV where the server can't. Never active: that would show the local address.
    #[default]
    Auto,
    /// The same as `auto`.
    Passive,
    /// EPSV alone.
    Epsv,
    /// PASV alone.
    Pasv,
    /// PORT over IPv4, EPRT over IPv6.
    Active,
    /// EPRT alone.
    Eprt,
    /// PORT alone.
    Port,
}

/// How far commands may go ahead of the server's replies (RFC 959, section 5.4, has none; most servers take it).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pipelining {
    /// As the host was seen to take it: its first file one command at a time, then in bursts, then behind RETR.
    #[default]
    Auto,
    /// One command at a time.
    Off,
    /// In bursts from the first file on, and nothing behind RETR.
    Burst,
    /// In bursts, and the next file's EPSV behind RETR, from the first file on: the server is known to queue commands.
    Deep,
}

/// The representation type of a transfer (RFC 959, section 3.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TransferType {
    /// TYPE I: bytes as they are.
    #[default]
    Image,
    /// TYPE A: lines; their ends are converted to the local form. Can't be resumed.
    Ascii,
}

/// What to do with a file that is already there under the final name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Existing {
    /// Done when size and, where known, time or checksum match; otherwise an error.
    #[default]
    Check,
    /// As `check`, but a shorter file becomes the part file and is continued.
    Resume,
    /// As `check`, but a file that differs is replaced once the new one is whole.
    Overwrite,
    /// As `overwrite`, but a file that is not as it was fetched, since it was changed here or never fetched, is kept under
    /// another name.
    Backup,
    /// Done, whatever is there.
    Skip,
    /// An error, whatever is there.
    Error,
}

/// How hard bytes are pushed to the disk before they count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// fdatasync before an offset is recorded and before the final name appears.
    #[default]
    Full,
    /// The operating system's own time. After a power cut an unfinished file starts again, and a finished one may be bad.
    None,
}

/// An inclusive range of TCP ports, written `LOW-HIGH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct PortRange {
    low: u16,
    high: u16,
}

impl PortRange {
    /// The range's ends, both included.
    #[must_use]
    pub fn bounds(self) -> (u16, u16) {
        (self.low, self.high)
    }
}

impl std::str::FromStr for PortRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let port = |part: &str| part.trim().parse::<u16>().ok().filter(|&p| p >= 1024);
        let (low, high) = text.split_once('-').unwrap_or((text, text));
        match (port(low), port(high)) {
            (Some(low), Some(high)) if low <= high => Ok(Self { low, high }),
            _ => Err(format!("{text:?} is no port range; write LOW-HIGH with ports from 1024 to 65535")),
        }
    }
}

impl TryFrom<String> for PortRange {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PortRange> for String {
    fn from(range: PortRange) -> Self {
        format!("{}-{}", range.low, range.high)
    }
}

/// What may be set for everything, for a host, or for one job; what is `None` is left to the next wider level.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// How data connections are opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_mode: Option<DataMode>,
    /// How far commands may go ahead of the server's replies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipelining: Option<Pipelining>,
    /// Address that PORT and EPRT tell the server, where it differs from the socket's own (behind NAT).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_address: Option<IpAddr>,
    /// Ports that PORT and EPRT may name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_ports: Option<PortRange>,
    /// Local address of every connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind: Option<IpAddr>,
    /// Representation type.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub transfer_type: Option<TransferType>,
    /// Use of TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// PEM file with the only certificates that are trusted; an absolute path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Public keys of which the server must show one: `sha256//BASE64`, several with `;` between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Pins>,
    /// PEM file with the certificate to show to the server, and those between it and its root; an absolute path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_cert: Option<PathBuf>,
    /// PEM file with that certificate's private key, where it is not in the same file; an absolute path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_key: Option<PathBuf>,
    /// Oldest version of TLS that is spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_min: Option<TlsVersion>,
    /// Whether any certificate will do, so that anybody on the line can read and change everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insecure: Option<bool>,
    /// Seconds without any progress, in any phase, after which an attempt has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// Further attempts after one that failed without bringing the file further.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// Seconds for which a file must not have been written to on the server before it is fetched; 0 asks for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_age: Option<u32>,
    /// Whether an unfinished file is continued; `false` starts it again each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<bool>,
    /// What to do with a file that is already there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing: Option<Existing>,
    /// Whether a large file is fetched over several connections where some have nothing else to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<bool>,
    /// How hard bytes are pushed to the disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durability: Option<Durability>,
    /// Most bytes a second of one transfer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_rate: Option<u64>,
    /// Whether a file without a checksum in the list is compared with one found beside it on the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sidecars: Option<bool>,
    /// Whether the server is asked for a checksum where no other is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_hash: Option<ServerHash>,
    /// A digest that is computed of every file and kept with its receipt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<KeptDigest>,
}

impl Settings {
    /// Whether a transfer by these settings can go on where it was stopped; a URL's own representation type wins.
    #[must_use]
    pub fn is_resumable(&self, by_url: Option<TransferType>) -> bool {
        self.resume != Some(false) && by_url.or(self.transfer_type).unwrap_or_default() == TransferType::Image
    }

    /// These settings, and where they say nothing, the wider ones.
    #[must_use]
    pub fn or(&self, wider: &Self) -> Self {
        Self {
            data_mode: self.data_mode.or(wider.data_mode),
            pipelining: self.pipelining.or(wider.pipelining),
            active_address: self.active_address.or(wider.active_address),
            active_ports: self.active_ports.or(wider.active_ports),
            bind: self.bind.or(wider.bind),
            transfer_type: self.transfer_type.or(wider.transfer_type),
            tls: self.tls.or(wider.tls),
            ca_file: self.ca_file.clone().or_else(|| wider.ca_file.clone()),
            pin: self.pin.clone().or_else(|| wider.pin.clone()),
            client_cert: self.client_cert.clone().or_else(|| wider.client_cert.clone()),
            client_key: self.client_key.clone().or_else(|| wider.client_key.clone()),
            tls_min: self.tls_min.or(wider.tls_min),
            insecure: self.insecure.or(wider.insecure),
            timeout: self.timeout.or(wider.timeout),
            retries: self.retries.or(wider.retries),
            min_age: self.min_age.or(wider.min_age),
            resume: self.resume.or(wider.resume),
            existing: self.existing.or(wider.existing),
            split: self.split.or(wider.split),
            durability: self.durability.or(wider.durability),
            limit_rate: self.limit_rate.or(wider.limit_rate),
            sidecars: self.sidecars.or(wider.sidecars),
            server_hash: self.server_hash.or(wider.server_hash),
            digest: self.digest.or(wider.digest),
        }
    }

    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrower_level_wins() {
        let job = Settings { retries: Some(1), ..Settings::default() };
        let host = Settings { retries: Some(9), timeout: Some(5), ..Settings::default() };
        let merged = job.or(&host);
        assert_eq!((merged.retries, merged.timeout, merged.bind), (Some(1), Some(5), None));
    }

    #[test]
    fn port_ranges_are_checked() {
        assert_eq!("50000-50010".parse::<PortRange>().unwrap().bounds(), (50000, 50010));
        assert_eq!("50000".parse::<PortRange>().unwrap().bounds(), (50000, 50000));
        for text in ["", "5-10", "50010-50000", "70000-70001", "a-b"] {
            assert!(text.parse::<PortRange>().is_err(), "{text}");
        }
    }
}
