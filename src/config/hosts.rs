//! What the settings file says of single hosts.

use crate::model::{HostKey, PerHost, Settings, Source};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One `[host."name"]` table.
#[derive(Clone, Debug, Default)]
pub(super) struct HostTable {
    pub(super) settings: Settings,
    pub(super) per_host: Option<PerHost>,
    pub(super) user: Option<String>,
    pub(super) password_file: Option<PathBuf>,
}

/// All tables, by name and, where one is given, port.
#[derive(Clone, Debug, Default)]
pub(super) struct Hosts(BTreeMap<(String, Option<u16>), HostTable>);

impl Hosts {
    /// Adds a table under its name, in the form that URLs give names.
    ///
    /// # Errors
    /// When the name is none of a host, or was there already in another spelling.
    pub(super) fn add(&mut self, name: &str, table: HostTable) -> Result<(), String> {
        let key =
            read_name(name).ok_or("write a host name or address, with `:port` behind it where only one is meant")?;
        match self.0.insert(key, table) {
            Some(_) => Err("the same host has two tables".to_owned()),
            None => Ok(()),
        }
    }

    /// All tables.
    pub(super) fn all(&self) -> impl Iterator<Item = &HostTable> {
        self.0.values()
    }

    /// The tables for a host, the narrowest first.
    pub(super) fn of(&self, host: &HostKey) -> impl Iterator<Item = &HostTable> {
        [Some(host.port), None].into_iter().filter_map(|port| self.0.get(&(host.host.clone(), port)))
    }
}

/// A host as the URL parser writes it, so that a table is found however the name is spelled.
fn read_name(name: &str) -> Option<(String, Option<u16>)> {
    if name.is_empty() || name.contains(['/', '@', '?', '#', '\\']) {
        return None;
    }
    // An IPv6 address may stand without brackets when no port is meant.
    let name = if name.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{name}]") } else { name.to_owned() };
    let (source, _) = Source::parse(&format!("ftp://{name}/-")).ok()?;
    let port = match name.rsplit_once(':') {
        Some((_, port)) if !name.ends_with(']') => Some(port.parse().ok()?),
        _ => None,
    };
    Some((source.account().host.clone(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_however_they_are_spelled() {
        for (name, host, port) in [
            ("FTP.Example.org", "ftp.example.org", None),
            ("ftp.example.org:2121", "ftp.example.org", Some(2121)),
            ("h:21", "h", Some(21)),
            ("::1", "[::1]", None),
            ("[::1]", "[::1]", None),
            ("[0:0::1]:2121", "[::1]", Some(2121)),
            ("grün.example", "xn--grn-ioa.example", None),
        ] {
            assert_eq!(read_name(name), Some((host.to_owned(), port)), "{name}");
        }
        for name in ["", "h/x", "u@h", "h:port", "h:", "ftp://h", "h:70000"] {
            assert_eq!(read_name(name), None, "{name}");
        }
    }
}
