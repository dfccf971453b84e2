//! From the fields of a line to a job.

use super::folder;
use super::mirrors::mirrors;
use super::options::ReadOptions;
use super::warning::Reading;
use crate::model::{
    Account, Algorithm, Checksum, Destination, Expectation, JobSpec, ManifestLine, PieceDigests, RelPath, Secret,
    SettingError, Settings, Source, SourceError, printable, without_userinfo,
};
use serde_json::Value;
use std::fmt;

/// Longest path that is taken, in bytes, here and on the server: `PATH_MAX` of Linux, and servers' longest line.
const LONGEST: usize = 4096;
/// Most folders of a destination: each is made, and held open for a moment.
const DEEPEST: usize = 255;
/// Longest user name that is taken, in bytes.
const LONGEST_USER: usize = 1024;
/// Longest host name, in bytes (RFC 1035, section 2.3.4).
const LONGEST_HOST: usize = 253;

/// The fields beside the settings.
pub(super) const KEYS: [&str; 13] = [
    "url", "path", "size", "checksum", "md5", "sha1", "sha256", "sha512", "crc32", "bsd-sum", MIRRORS, "ftp-user",
    PASSWORD,
];

/// The field that holds other URLs of the same file.
pub(super) const MIRRORS: &str = "mirrors";

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
    /// The passwords that stood in the URLs of mirrors.
    pub mirror_secrets: Vec<(Account, Secret)>,
    /// Where it stands.
    pub position: Position,
}

/// What a line asks for, as it stands there.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) line: ManifestLine,
    /// Priorities of the line's mirrors, in their order; [`SECOND`] where there are fewer.
    pub(super) priorities: Vec<u32>,
    pub(super) pieces: Option<Box<PieceDigests>>,
    /// Folder for the file, where `path` does not tell it.
    pub(super) below: Option<String>,
    /// What the URL has to name.
    pub(super) names: Names,
}

/// What a URL names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Names {
    /// A file or a folder, as it is written; wildcards tell which files of a folder are wanted.
    #[default]
    Either,
    /// A file: the format knows no folders, and its names no wildcards.
    File,
    /// A folder, whose files are to become jobs.
    Folder,
}

impl From<ManifestLine> for Wanted {
    fn from(line: ManifestLine) -> Self {
        Self { line, ..Self::default() }
    }
}

/// Priority of a mirror that stands behind the job's own source.
pub(super) const SECOND: u32 = 2;

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
        "crc32" => line.crc32 = Some(text(key, value)?),
        "bsd-sum" => line.bsd_sum = Some(text(key, value)?),
        MIRRORS => line.mirrors = texts(key, value)?,
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

fn texts(key: &str, value: Value) -> Result<Vec<String>, String> {
    let wrong = || format!("`{key}`: write an array of URLs in quotes");
    match value {
        Value::Array(values) => values.into_iter().map(|value| text(key, value).map_err(|_| wrong())).collect(),
        _ => Err(wrong()),
    }
}

/// The entry that the fields ask for, with the passwords that stood in its URLs.
pub(super) fn entry(wanted: Wanted, at: Position, reading: &mut Reading) -> Result<Entry, BadField> {
    let veiled = wanted.line.ftp_passwd.is_some();
    whole_entry(wanted, at, reading).map_err(|bad| match bad.key {
        // Of these nothing is quoted.
        "url" | "ftp-user" | PASSWORD | MIRRORS => bad,
        key if veiled => BadField::new(key, veil(key)),
        _ => bad,
    })
}

fn whole_entry(wanted: Wanted, at: Position, reading: &mut Reading) -> Result<Entry, BadField> {
    let Wanted { mut line, priorities, pieces, below, names } = wanted;
    let url = absolute(&line.url, &reading.options).map_err(|e| BadField::new("url", e))?;
    let (url, pattern) = if names == Names::Either { (reading.options.split)(&url) } else { (url, None) };
    let (source, in_url) = read_url(&url, names != Names::File).map_err(|e| BadField::new("url", e))?;
    let (user, beside) = (line.ftp_user.take(), line.ftp_passwd.take());
    let (source, secret) = signed_in(&source, in_url, user.clone(), beside.clone())?;
    measure(&source).map_err(|e| BadField::new("url", e))?;
    if source.path().is_folder() {
        let spec = folder::job(line, below.as_deref(), (source, pattern), &reading.options)?;
        return Ok(Entry { spec, secret, mirror_secrets: Vec::new(), position: at });
    }
    if names == Names::Folder {
        return Err(BadField::new("url", "this has to be a folder's URL, with a slash at its end"));
    }
    let path = local_path(&line, below.as_deref(), &source)?;
    let destination = Destination::new(reading.options.into.clone(), path).map_err(|e| BadField::new("path", e))?;
    let mut expect = Expectation { size: line.size, checksum: checksum(&line)?, pieces: None };
    if let Some(pieces) = pieces {
        fits(&pieces, expect.size)?;
        expect.pieces = Some(pieces);
    }
    let mut spec = JobSpec { expect, settings: line.settings, ..JobSpec::new(source, destination) };
    let mut mirror_secrets = Vec::new();
    let beside = (user, beside.is_some());
    for (mirror, secret) in mirrors(&line.mirrors, &priorities, &spec.source, &beside, at, reading)? {
        mirror_secrets.extend(secret.map(|secret| (mirror.source.account().clone(), secret)));
        spec.mirrors.push(mirror);
    }
    Ok(Entry { spec, secret, mirror_secrets, position: at })
}

/// Where the file goes: as the line says, or under the name that it has in the URL.
fn local_path(line: &ManifestLine, below: Option<&str>, source: &Source) -> Result<RelPath, BadField> {
    let name = line.path.clone().unwrap_or_else(|| source.file_name());
    let path = match below {
        Some(folder) => format!("{folder}/{name}"),
        None => name,
    };
    let path = quoting(&path, |text| RelPath::new(text)).map_err(|e| match (&line.path, below) {
        (None, None) => {
            BadField::new("url", format!("no file can have the URL's last part as its name ({e}); give a destination"))
        }
        _ => BadField::new("path", e),
    })?;
    let (length, depth) = (path.as_str().len(), path.folders().count());
    if length > LONGEST || depth > DEEPEST {
        let message =
            format!("the destination has {length} bytes and {depth} folders; the most are {LONGEST} and {DEEPEST}");
        return Err(BadField::new("path", message));
    }
    Ok(path)
}

/// Sees that the path, the user and the host are no longer than any server or system has them.
pub(super) fn measure(source: &Source) -> Result<(), String> {
    let length = source.path().as_bytes().len();
    if length > LONGEST {
        return Err(format!("the path is {length} bytes long; no server takes more than {LONGEST}"));
    }
    let Account { user, host, .. } = source.account();
    for (name, text, most) in [("user name", user, LONGEST_USER), ("host's name", host, LONGEST_HOST)] {
        if text.len() > most {
            return Err(format!("the {name} is longer than {most} bytes"));
        }
    }
    Ok(())
}

/// Sees that there are as many digests of pieces as the file has pieces.
fn fits(pieces: &PieceDigests, size: Option<u64>) -> Result<(), BadField> {
    let (count, length) = (pieces.count() as u64, pieces.length());
    match size {
        Some(size) if size.div_ceil(length) != count => {
            let message = format!("{count} digests of pieces of {length} bytes don't fit a file of {size} bytes");
            Err(BadField::new(PIECES, message))
        }
        _ => Ok(()),
    }
}

/// What errors of piece digests are called by.
pub(super) const PIECES: &str = "pieces";

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

/// The scheme that a text starts with, where two slashes follow it (RFC 3986, section 3.1).
pub(super) fn scheme_of(text: &str) -> Option<&str> {
    let (scheme, _) = text.trim_start().split_once("://")?;
    let plain = !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    plain.then_some(scheme)
}

/// Whether a scheme is one that ftpq downloads from.
pub(super) fn is_ftp(scheme: &str) -> bool {
    ["ftp", "ftps", "ftpes"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

/// A URL that is whole: as it stands, or put behind the base.
fn absolute(url: &str, options: &ReadOptions) -> Result<String, String> {
    if url.trim().is_empty() {
        return Err("`url` is missing; every job needs one".to_owned());
    }
    if url.bytes().any(|b| matches!(b, b';' | b',')) && is_several(url) {
        return Err("several URLs in one, with `;` or `,` between: write each on a line of its own".to_owned());
    }
    Ok(match &options.base {
        Some(base) if scheme_of(url).is_none() => base.join(url.trim()),
        _ => url.to_owned(),
    })
}

/// Whether a text is several URLs that were pasted together: behind `;` or `,` in its path another one begins.
fn is_several(url: &str) -> bool {
    let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map(|(_, path)| path);
    path.is_some_and(|path| path.split([';', ',']).skip(1).any(|piece| scheme_of(piece).is_some()))
}

/// Reads a URL of a file, or what stands below the base.
pub(super) fn read_relative(url: &str, options: &ReadOptions) -> Result<(Source, Option<Secret>), String> {
    read_url(&absolute(url, options)?, false)
}

/// Reads a URL of a file, or of a folder.
pub(super) fn read_url(text: &str, is_folder: bool) -> Result<(Source, Option<Secret>), String> {
    let read = if is_folder { Source::parse_any(text) } else { Source::parse(text) };
    read.map_err(|e| {
        let split_wrong = matches!(e, SourceError::NotAUrl(_) | SourceError::NotInFtp { .. });
        // Spelled out: an at sign here would be taken for the end of user information, and the text before it cut.
        let advice = "; in user name and password, write %2F for a slash, %40 for an at sign, %23 for #, %3F for ?";
        format!("{e}{}", if split_wrong && text.contains('@') { advice } else { "" })
    })
}

/// The one checksum to verify: where several are given, the strongest says it all.
fn checksum(line: &ManifestLine) -> Result<Option<Checksum>, BadField> {
    let named = [
        ("md5", &line.md5, Algorithm::Md5),
        ("sha1", &line.sha1, Algorithm::Sha1),
        ("sha256", &line.sha256, Algorithm::Sha256),
        ("sha512", &line.sha512, Algorithm::Sha512),
        ("crc32", &line.crc32, Algorithm::Crc32),
        ("bsd-sum", &line.bsd_sum, Algorithm::BsdSum),
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
            Some(other) if other.algorithm() >= algorithm => {}
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
