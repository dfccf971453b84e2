//! The settings file: TOML whose every key is known, or named in an error with its place.

use super::hosts::HostTable;
use super::{Config, ConfigError, Netrc};
use crate::model::{PerHost, Settings, printable};
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Largest settings file, in bytes.
const LIMIT: u64 = 4 << 20;

/// Reads a settings file, and netrc where it asks for it.
pub(super) fn read(path: &Path, home: Option<&Path>) -> Result<Config, ConfigError> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(LIMIT + 1).read_to_string(&mut text))
        .map_err(|e| ConfigError::read(path, e))?;
    if text.len() as u64 > LIMIT {
        return Err(ConfigError::file(path, format!("larger than {LIMIT} bytes; a settings file never is")));
    }
    Walk { path, text: &text, home }.config()
}

/// Something wrong at a byte offset.
type Wrong = (usize, String);

/// A walk over the tables of a file; places of errors come from the values' spans.
struct Walk<'a> {
    path: &'a Path,
    text: &'a str,
    home: Option<&'a Path>,
}

impl Walk<'_> {
    fn config(&self) -> Result<Config, ConfigError> {
        let table = DeTable::parse(self.text).map_err(|e| {
            let offset = e.span().map_or(0, |span| span.start);
            ConfigError::place(self.path, self.text, offset, e.message())
        })?;
        let mut config = Config::default();
        let mut netrc = None;
        for (key, value) in table.get_ref() {
            let done = match key.get_ref().as_ref() {
                "connections" => count(value, Config::MAX_CONNECTIONS).map(|n| config.connections = Some(n)),
                "per-host" => per_host(value).map(|most| config.per_host = Some(most)),
                "netrc" => self.netrc_path(value).map(|path| netrc = path),
                "host" => self.hosts(&mut config, value),
                _ => self.assign(
                    &mut config.settings,
                    (key, value),
                    &["connections", "per-host", "netrc", "[host.\"name\"]"],
                ),
            };
            done.map_err(|(offset, message)| ConfigError::place(self.path, self.text, offset, &message))?;
        }
        match netrc {
            None => {}
            Some(NetrcPlace::Given(path)) => config.netrc = Some(Netrc::read(&path)?),
            Some(NetrcPlace::Usual(path)) => {
                config.netrc = Some(if path.exists() { Netrc::read(&path)? } else { Netrc::default() });
            }
        }
        Ok(config)
    }

    fn hosts(&self, config: &mut Config, value: &Spanned<DeValue<'_>>) -> Result<(), Wrong> {
        let at = value.span().start;
        let tables = value.get_ref().as_table().ok_or((at, "write [host.\"name\"] tables".to_owned()))?;
        for (name, value) in tables {
            let at = name.span().start;
            let table = value.get_ref().as_table().ok_or((at, "write a table, [host.\"name\"]".to_owned()))?;
            let table = self.host(table)?;
            config.hosts.add(name.get_ref(), table).map_err(|message| (at, message))?;
        }
        Ok(())
    }

    fn host(&self, table: &DeTable<'_>) -> Result<HostTable, Wrong> {
        let mut host = HostTable::default();
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "per-host" => host.per_host = Some(per_host(value)?),
                "user" => host.user = Some(user(value)?),
                "password-file" => host.password_file = Some(self.file(text(value)?)),
                _ => self.assign(&mut host.settings, (key, value), &["per-host", "user", "password-file"])?,
            }
        }
        Ok(host)
    }

    fn netrc_path(&self, value: &Spanned<DeValue<'_>>) -> Result<Option<NetrcPlace>, Wrong> {
        match value.get_ref() {
            DeValue::Boolean(false) => Ok(None),
            DeValue::Boolean(true) => Ok(self.home.map(|home| NetrcPlace::Usual(home.join(".netrc")))),
            DeValue::String(path) => Ok(Some(NetrcPlace::Given(self.file(path)))),
            _ => Err((value.span().start, "`netrc`: write true, false or a path".to_owned())),
        }
    }

    fn assign(
        &self,
        settings: &mut Settings,
        (key, value): (&Spanned<toml::de::DeString<'_>>, &Spanned<DeValue<'_>>),
        others: &[&str],
    ) -> Result<(), Wrong> {
        let name = key.get_ref().as_ref();
        if !Settings::KEYS.contains(&name) {
            let known = format!("{}, {}", others.join(", "), Settings::KEYS.join(", "));
            let advice = if name.contains("password") { "; a password is written into a file of its own" } else { "" };
            return Err((key.span().start, format!("`{}` is unknown; known are {known}{advice}", printable(name, 60))));
        }
        let at = value.span().start;
        let json = match value.get_ref() {
            DeValue::String(path) if FILES.contains(&name) => {
                let path = if path.is_empty() { PathBuf::new() } else { self.file(path) };
                Value::from(path.to_str().ok_or((at, format!("`{name}`: the path is not UTF-8")))?)
            }
            DeValue::String(text) => Value::from(text.as_ref()),
            DeValue::Boolean(flag) => Value::from(*flag),
            DeValue::Integer(_) => {
                Value::from(integer(value).ok_or((at, format!("`{name}`: the number is out of range")))?)
            }
            // TOML's own way to write several.
            DeValue::Array(several) if name == "pin" => {
                let pins: Result<Vec<&str>, Wrong> = several.iter().map(text).collect();
                Value::from(pins?.join(";"))
            }
            _ => return Err((at, format!("`{name}`: write a text, a whole number, true or false"))),
        };
        settings.assign(name, json).map_err(|e| (at, e.to_string()))
    }

    /// A path in the file: `~/` is the home folder, another relative one starts at the file's own folder.
    fn file(&self, path: &str) -> PathBuf {
        match (path.strip_prefix("~/"), self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => self.path.parent().unwrap_or(Path::new("")).join(path),
        }
    }
}

/// Settings that are paths of files.
const FILES: [&str; 3] = ["ca-file", "client-cert", "client-key"];

enum NetrcPlace {
    /// Must be there.
    Given(PathBuf),
    /// Need not be there.
    Usual(PathBuf),
}

fn integer(value: &Spanned<DeValue<'_>>) -> Option<u64> {
    let number = value.get_ref().as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn count(value: &Spanned<DeValue<'_>>, most: u32) -> Result<u32, Wrong> {
    integer(value)
        .and_then(|n| u32::try_from(n).ok())
        .filter(|n| (1..=most).contains(n))
        .ok_or((value.span().start, format!("write a whole number from 1 to {most}")))
}

fn per_host(value: &Spanned<DeValue<'_>>) -> Result<PerHost, Wrong> {
    let text = value.get_ref().as_str().map(str::to_owned).or_else(|| integer(value).map(|n| n.to_string()));
    text.unwrap_or_default().parse().map_err(|message| (value.span().start, message))
}

fn text<'a>(value: &'a Spanned<DeValue<'_>>) -> Result<&'a str, Wrong> {
    value.get_ref().as_str().filter(|t| !t.is_empty()).ok_or((value.span().start, "write a text in quotes".to_owned()))
}

fn user(value: &Spanned<DeValue<'_>>) -> Result<String, Wrong> {
    let name = text(value)?;
    if name.chars().any(char::is_control) {
        return Err((value.span().start, "a user name can't hold control characters".to_owned()));
    }
    Ok(name.to_owned())
}
