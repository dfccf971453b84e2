//! From the fields of a line to a job.

use super::{Format, folder};
use crate::model::{
    Account, Algorithm, Checksum, Destination, Expectation, Folder, JobSpec, ManifestLine, RelPath, Secret,
    SettingError, Settings, Source, SourceError, printable, without_userinfo,
};
use serde_json::Value;
use std::{fmt, path::PathBuf};

/// Longest path that is taken, in bytes, here and on the server: `PATH_MAX` of Linux, and servers' longest line.
const LONGEST: usize = 4096;
/// Most folders of a destination: each is made, and held open for a moment.
const DEEPEST: usize = 255;
/// Longest user name that is taken, in bytes.
const LONGEST_USER: usize = 1024;
/// Longest host name, in bytes (RFC 1035, section 2.3.4).
const LONGEST_HOST: usize = 253;

/// The fields beside the settings.
pub(super) const KEYS: [&str; 10] =
    ["url", "path", "size", "checksum", "md5", "sha1", "sha256", "sha512", "ftp-user", PASSWORD];

/// The field that holds a password, under the name it has in lists of aria2.
pub(super) const PASSWORD: &str = "ftp-passwd";

/// A place in a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
}

/// One job as a manifest asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The job, without any password.
    pub spec: JobSpec,
    /// The password that stood in the URL or beside it.
    pub secret: Option<Secret>,
    /// Where it stands.
    pub position: Position,
}

/// How a manifest is read.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// The format; recognized where it is `None`.
    pub format: Option<Format>,
    /// What relative URLs are appended to.
    pub base: Option<Base>,
    /// Absolute folder that destinations lie below.
    pub into: PathBuf,
    /// The rules of folders that are named.
    pub folder: Folder,
    /// Takes a URL with wildcards apart: the folder, and the pattern of what is wanted below it.
    pub split: fn(&str) -> (String, Option<String>),
}

/// A URL that relative ones are appended to. May hold a password, which it never shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Base(String);

impl Base {
    /// Checks a URL of a folder on an FTP server.
    ///
    /// # Errors
    /// When no URL can be made with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let base = Self(text.trim().trim_end_matches('/').to_owned());
        read_url(&base.join("-")).map(|_| base)
    }

    fn join(&self, relative: &str) -> String {
        format!("{}/{}", self.0, relative.trim_start_matches('/'))
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", without_userinfo(&self.0))
    }
}

/// A field that can't be used: its name, and why.
#[derive(Debug)]
pub(super) struct BadField {
    pub(super) key: &'static str,
    pub(super) message: String,
}

impl BadField {
    pub(super) fn new(key: &'static str, message: impl fmt::Display) -> Self {
        Self { key, message: message.to_string() }
    }
}

/// Puts a value where its key says. A value of `null` counts as absent. Where passwords stand beside it, as `veiled` says,
/// no error shows a value: with a comma too many a password stands in any column.
pub(super) fn set(line: &mut ManifestLine, key: &str, value: Value, veiled: bool) -> Result<(), String> {
    if value.is_null() && (KEYS.contains(&key) || Settings::KEYS.contains(&key)) {
        return Ok(());
    }
    match key {
        "url" => line.url = text(key, value)?,
        "path" => line.path = Some(text(key, value)?),
        "size" => line.size = Some(value.as_u64().ok_or("`size`: write a whole number of bytes")?),
        "checksum" => line.checksum = Some(text(key, value)?),
        "md5" => line.md5 = Some(text(key, value)?),
        "sha1" => line.sha1 = Some(text(key, value)?),
        "sha256" => line.sha256 = Some(text(key, value)?),
        "sha512" => line.sha512 = Some(text(key, value)?),
        "ftp-user" => line.ftp_user = Some(text(key, value)?),
        PASSWORD => line.ftp_passwd = Some(Secret::new(text(key, value)?)),
        _ => line.settings.assign_from_list(key, value).map_err(|e| match e {
            SettingError::Unknown(_) => unknown(key),
            SettingError::Value { key, .. } if veiled => veil(key),
            bad @ SettingError::Value { .. } => bad.to_string(),
        })?,
    }
    Ok(())
}

/// What is said of a value that may be a password.
fn veil(key: &str) -> String {
    format!("`{key}`: this value can't be used; it is not shown, since passwords stand beside it")
}

/// What is said of a key or column that nobody knows.
pub(super) fn unknown(key: &str) -> String {
    let shown = printable(&without_userinfo(key), 60);
    let settings: Vec<&str> = Settings::KEYS.into_iter().filter(|key| !Settings::OWN_KEYS.contains(key)).collect();
    format!("`{shown}` is unknown; known are {}, {}", KEYS.join(", "), settings.join(", "))
}

fn text(key: &str, value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(format!("`{key}`: write a text in quotes")),
    }
}

/// The job that the fields ask for, and the password that stood in its URL.
pub(super) fn job(line: ManifestLine, options: &ReadOptions) -> Result<(JobSpec, Option<Secret>), BadField> {
    let veiled = line.ftp_passwd.is_some();
    whole_job(line, options).map_err(|bad| match bad.key {
        "url" | "ftp-user" | PASSWORD => bad,
        key if veiled => BadField::new(key, veil(key)),
        _ => bad,
    })
}

fn whole_job(mut line: ManifestLine, options: &ReadOptions) -> Result<(JobSpec, Option<Secret>), BadField> {
    if line.url.trim().is_empty() {
        return Err(BadField::new("url", "`url` is missing; every job needs one"));
    }
    let url = match &options.base {
        Some(base) if !has_scheme(&line.url) => base.join(line.url.trim()),
        _ => line.url.clone(),
    };
    let (url, pattern) = (options.split)(&url);
    let (source, secret) = read_url(&url).map_err(|e| BadField::new("url", e))?;
    let (source, secret) = signed_in(&source, secret, line.ftp_user.take(), line.ftp_passwd.take())?;
    let length = source.path().as_bytes().len();
    if length > LONGEST {
        return Err(BadField::new(
            "url",
            format!("the path is {length} bytes long; no server takes more than {LONGEST}"),
        ));
    }
    let Account { user, host, .. } = source.account();
    for (name, text, most) in [("user name", user, LONGEST_USER), ("host's name", host, LONGEST_HOST)] {
        if text.len() > most {
            return Err(BadField::new("url", format!("the {name} is longer than {most} bytes")));
        }
    }
    if source.path().is_folder() {
        return folder::job(&line, source, pattern, options).map(|spec| (spec, secret));
    }
    let path = match &line.path {
        Some(path) => quoting(path, |text| RelPath::new(text)).map_err(|e| BadField::new("path", e))?,
        None => quoting(&source.file_name(), |text| RelPath::new(text)).map_err(|e| {
            BadField::new("url", format!("no file can have the URL's last part as its name ({e}); give a destination"))
        })?,
    };
    let (length, depth) = (path.as_str().len(), path.folders().count());
    if length > LONGEST || depth > DEEPEST {
        let message =
            format!("the destination has {length} bytes and {depth} folders; the most are {LONGEST} and {DEEPEST}");
        return Err(BadField::new("path", message));
    }
    let destination = Destination::new(options.into.clone(), path).map_err(|e| BadField::new("path", e))?;
    let expect = Expectation { size: line.size, checksum: checksum(&line)?, pieces: None };
    Ok((JobSpec { expect, settings: line.settings, ..JobSpec::new(source, destination) }, secret))
}

/// The source with user and password that stand beside the URL, which must not say otherwise.
fn signed_in(
    source: &Source,
    in_url: Option<Secret>,
    user: Option<String>,
    secret: Option<Secret>,
) -> Result<(Source, Option<Secret>), BadField> {
    let control = |key, at| BadField::new(key, format!("`{key}` holds a control character (at byte {at})"));
    let mut account = source.account().clone();
    if let Some(user) = user.filter(|user| !user.is_empty()) {
        if let Some((at, _)) = user.char_indices().find(|(_, c)| c.is_control()) {
            return Err(control("ftp-user", at));
        }
        if account.user != Account::ANONYMOUS && account.user != user {
            return Err(BadField::new("ftp-user", "`ftp-user` and the user in the URL differ; leave one of them out"));
        }
        account.user = user;
    }
    let secret = secret.filter(|secret| !secret.reveal().is_empty());
    if let Some(at) = secret.as_ref().and_then(Secret::control_at) {
        return Err(control(PASSWORD, at));
    }
    if in_url.is_some() && secret.is_some() && in_url != secret {
        let message = format!("`{PASSWORD}` and the password in the URL differ; leave one of them out");
        return Err(BadField::new(PASSWORD, message));
    }
    let source = Source::new(account, source.path().clone(), source.transfer_type());
    Ok((source, secret.or(in_url)))
}

/// Whether a text starts with a scheme and two slashes (RFC 3986, section 3.1).
fn has_scheme(text: &str) -> bool {
    text.trim().split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    })
}

fn read_url(text: &str) -> Result<(Source, Option<Secret>), String> {
    Source::parse_any(text).map_err(|e| {
        let split_wrong = matches!(e, SourceError::NotAUrl(_) | SourceError::NotInFtp { .. });
        // Spelled out: an at sign here would be taken for the end of user information, and the text before it cut.
        let advice = "; in user name and password, write %2F for a slash, %40 for an at sign, %23 for #, %3F for ?";
        format!("{e}{}", if split_wrong && text.contains('@') { advice } else { "" })
    })
}

/// The one checksum to verify: where several are given, the longest says it all.
fn checksum(line: &ManifestLine) -> Result<Option<Checksum>, BadField> {
    let named = [
        ("md5", &line.md5, Algorithm::Md5),
        ("sha1", &line.sha1, Algorithm::Sha1),
        ("sha256", &line.sha256, Algorithm::Sha256),
        ("sha512", &line.sha512, Algorithm::Sha512),
    ];
    let mut best: Option<Checksum> = match &line.checksum {
        Some(given) => Some(quoting(given, str::parse).map_err(|e| BadField::new("checksum", e))?),
        None => None,
    };
    for (key, given, algorithm) in named {
        let Some(given) = given else { continue };
        let sum = quoting(given, |hex| Checksum::from_hex(algorithm, hex)).map_err(|e| BadField::new(key, e))?;
        match &best {
            Some(other) if other.algorithm() == algorithm && *other != sum => {
                return Err(BadField::new(key, format!("`{key}` and `checksum` differ")));
            }
            Some(other) if other.digest().len() >= sum.digest().len() => {}
            _ => best = Some(sum),
        }
    }
    Ok(best)
}

/// Parses a text whose error quotes it, such that nothing that could be user information is quoted: a URL with a
/// password may stand in any column by mistake.
pub(super) fn quoting<T, E: fmt::Display>(text: &str, parse: impl Fn(&str) -> Result<T, E>) -> Result<T, String> {
    parse(text).map_err(|error| {
        let clean = without_userinfo(text);
        if clean == text {
            return error.to_string();
        }
        match parse(&clean) {
            Err(error) => error.to_string(),
            Ok(_) => "this can't be used, and isn't shown: it looks like a URL with a password".to_owned(),
        }
    })
}
