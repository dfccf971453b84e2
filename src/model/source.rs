//! Where a file comes from.

use super::{Account, Secret, TransferType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write};
use std::str::FromStr;
use url::Url;
use zeroize::Zeroizing;

/// How the server is spoken to, as the URL says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Plain FTP (RFC 959), port 21.
    Ftp,
    /// FTP that turns to TLS by AUTH TLS (RFC 4217), port 21.
    Ftpes,
    /// FTP inside TLS from the first byte, port 990.
    Ftps,
}

impl Scheme {
    /// The name as it stands in a URL.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ftp => "ftp",
            Self::Ftpes => "ftpes",
            Self::Ftps => "ftps",
        }
    }

    /// The port where a URL names none.
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Ftp | Self::Ftpes => 21,
            Self::Ftps => 990,
        }
    }
}

/// A path on the server: bytes as they go over the wire. It can't hold CR, LF or NUL. One that ends in a slash, or the
/// empty one, is a folder's; the empty one is the login directory.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RemotePath(Vec<u8>);

impl RemotePath {
    /// The path of these bytes; one that starts with `/` is absolute, another is relative to the login directory.
    ///
    /// # Errors
    /// When it is empty, ends in `/`, or holds CR, LF or NUL, which would end the command it stands in.
    pub fn new(bytes: Vec<u8>) -> Result<Self, SourceError> {
        if let Some(at) = bytes.iter().position(|b| matches!(b, b'\r' | b'\n' | 0)) {
            return Err(SourceError::ForbiddenByte { part: "path", at });
        }
        match bytes.last() {
            None | Some(b'/') => Err(SourceError::NoFileName),
            Some(_) => Ok(Self(bytes)),
        }
    }

    /// The path of a folder: `/` is the server's root, nothing the login directory. A final slash is added where it lacks.
    ///
    /// # Errors
    /// When it holds CR, LF or NUL.
    pub fn folder(mut bytes: Vec<u8>) -> Result<Self, SourceError> {
        if let Some(at) = bytes.iter().position(|b| matches!(b, b'\r' | b'\n' | 0)) {
            return Err(SourceError::ForbiddenByte { part: "path", at });
        }
        if bytes.last().is_some_and(|&b| b != b'/') {
            bytes.push(b'/');
        }
        Ok(Self(bytes))
    }

    /// Whether it is a folder's.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        self.0.last().is_none_or(|&b| b == b'/')
    }

    /// The path of something in this folder, by its name; a folder's where `is_folder`.
    ///
    /// # Errors
    /// When the name is empty, holds a slash, CR, LF or NUL, or is `.` or `..`.
    pub fn join(&self, name: &[u8], is_folder: bool) -> Result<Self, SourceError> {
        if name.is_empty() || name.contains(&b'/') {
            return Err(SourceError::NoFileName);
        }
        if name == b"." || name == b".." {
            return Err(SourceError::DotComponent);
        }
        let mut bytes = self.0.clone();
        if !self.is_folder() {
            bytes.push(b'/');
        }
        bytes.extend_from_slice(name);
        if is_folder { Self::folder(bytes) } else { Self::new(bytes) }
    }

    /// The bytes as they go over the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether the path starts at the server's root and not at the login directory.
    #[must_use]
    pub fn is_absolute(&self) -> bool {
        self.0.first() == Some(&b'/')
    }

    /// The folder it stands in; for a folder, itself.
    #[must_use]
    pub fn parent(&self) -> Self {
        let end = self.0.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1);
        Self(self.0.iter().copied().take(end).collect())
    }

    /// The folder that it stands in, of a folder too; nothing where there is none.
    #[must_use]
    pub fn above(&self) -> Option<Self> {
        Some(Self::new(self.0.strip_suffix(b"/").unwrap_or(&self.0).to_vec()).ok()?.parent())
    }

    /// The last component; empty for a folder.
    #[must_use]
    pub fn file_name(&self) -> &[u8] {
        self.0.rsplit(|&b| b == b'/').next().unwrap_or(&self.0)
    }
}

impl fmt::Debug for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

/// One remote file or folder: the account to sign in with, and the path. Its text is a URL that never holds a password.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Source {
    account: Account,
    path: RemotePath,
    transfer_type: Option<TransferType>,
}

/// Why a text is no source. No variant holds any part of the user information.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The URL parser's own reason.
    #[error("not a URL: {0}")]
    NotAUrl(String),
    /// Another scheme than ftp, ftpes or ftps.
    #[error("the scheme {0:?} is not one that ftpq downloads from; use ftp://, ftpes:// or ftps://")]
    Scheme(String),
    /// There is no host.
    #[error("the URL names no host")]
    NoHost,
    /// CR, LF, NUL or, outside paths, another control byte.
    #[error("the {part} holds a forbidden control byte (at byte {at}), which would end the FTP command it stands in")]
    ForbiddenByte {
        /// Part of the URL.
        part: &'static str,
        /// Offset in the decoded part, in bytes.
        at: usize,
    },
    /// The path ends in `/`, or there is none.
    #[error("the URL names a folder, not a file; ftpq needs the file's own URL")]
    NoFileName,
    /// `;type=d` and other unknown suffixes.
    #[error("the transfer type {0:?} is not one of a (ASCII) and i (image)")]
    TransferType(String),
    /// A query or fragment, which FTP has not.
    #[error("an FTP URL has no {part}; write {mark:?} in a file name as {code}")]
    NotInFtp {
        /// Query or fragment.
        part: &'static str,
        /// Character that starts it.
        mark: char,
        /// Its percent code.
        code: &'static str,
    },
    /// User name that is not UTF-8 after decoding.
    #[error("the {0} is not UTF-8 after percent-decoding")]
    NotUtf8(&'static str),
    /// Longer than 64 KiB.
    #[error("the URL is {0} bytes long; the limit is 65536")]
    TooLong(usize),
    /// A path with too many components, or `.` or `..` in it.
    #[error("the path holds a `.` or `..` component")]
    DotComponent,
}

impl Source {
    /// A source of these parts.
    #[must_use]
    pub fn new(account: Account, path: RemotePath, transfer_type: Option<TransferType>) -> Self {
        Self { account, path, transfer_type }
    }

    /// Reads a URL, and takes the password out of it (RFC 1738, section 3.2; RFC 3986).
    ///
    /// The slash after the host only separates; `%2F` at the start of the path makes it absolute. The parts are
    /// split first and decoded afterwards. `;type=a` and `;type=i` are understood.
    ///
    /// # Errors
    /// When the text is no URL of a file on an FTP server.
    pub fn parse(text: &str) -> Result<(Self, Option<Secret>), SourceError> {
        match Self::parse_any(text)? {
            (source, _) if source.path.is_folder() => Err(SourceError::NoFileName),
            file => Ok(file),
        }
    }

    /// As [`Source::parse`], for a folder's URL too: one that ends in a slash, or has no path.
    ///
    /// # Errors
    /// When the text is no URL on an FTP server.
    pub fn parse_any(text: &str) -> Result<(Self, Option<Secret>), SourceError> {
        let text = text.trim();
        if text.len() > 65_536 {
            return Err(SourceError::TooLong(text.len()));
        }
        if let Some(at) = text.bytes().position(|b| b.is_ascii_control()) {
            // The URL parser would silently drop tabs and line ends.
            return Err(SourceError::ForbiddenByte { part: "URL", at });
        }
        let (scheme, rest) = split_scheme(text)?;
        if rest.starts_with("///") {
            // The URL parser would take the first part of the path for the host.
            return Err(SourceError::NoHost);
        }
        // `ftp` has a host parser of its own in the URL standard; the two others would be opaque to it.
        let url = Url::parse(&format!("ftp:{rest}")).map_err(|e| SourceError::NotAUrl(e.to_string()))?;
        if url.query().is_some() {
            return Err(SourceError::NotInFtp { part: "query", mark: '?', code: "%3F" });
        }
        if url.fragment().is_some() {
            return Err(SourceError::NotInFtp { part: "fragment", mark: '#', code: "%23" });
        }
        let host = url.host_str().filter(|h| !h.is_empty()).ok_or(SourceError::NoHost)?.to_owned();
        // The URL parser hides port 21 as the default of ftp, whatever the real scheme.
        let port = match url.port() {
            Some(port) => port,
            None if names_port_21(rest) => 21,
            None => scheme.default_port(),
        };
        let user = match url.username() {
            "" => Account::ANONYMOUS.to_owned(),
            user => decode_text(user, "user name")?,
        };
        let secret = url.password().map(|p| decode_text(p, "password")).transpose()?.map(Secret::new);
        // The parser's copy has the password too.
        drop(Zeroizing::new(String::from(url)));
        let (path, transfer_type) = parse_path(raw_path(rest))?;
        Ok((Self { account: Account { scheme, user, host, port }, path, transfer_type }, secret))
    }

    /// The server and user.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The path on the server.
    #[must_use]
    pub fn path(&self) -> &RemotePath {
        &self.path
    }

    /// What `;type=` said.
    #[must_use]
    pub fn transfer_type(&self) -> Option<TransferType> {
        self.transfer_type
    }

    /// The last component of the path for people and file names: UTF-8, or percent-encoded where it is not.
    #[must_use]
    pub fn file_name(&self) -> String {
        match std::str::from_utf8(self.path.file_name()) {
            Ok(name) => name.to_owned(),
            Err(_) => encode(self.path.file_name()),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.account)?;
        let bytes = self.path.as_bytes();
        f.write_str("/")?;
        if self.path.is_absolute() {
            write!(f, "%2F{}", encode(bytes.get(1..).unwrap_or_default()))?;
        } else {
            f.write_str(&encode(bytes))?;
        }
        match self.transfer_type {
            Some(TransferType::Ascii) => f.write_str(";type=a"),
            Some(TransferType::Image) => f.write_str(";type=i"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Source {
    type Err = SourceError;

    /// Reads a URL of a file or a folder and drops a password in it; see [`Source::parse_any`].
    fn from_str(text: &str) -> Result<Self, SourceError> {
        Self::parse_any(text).map(|(source, _)| source)
    }
}

impl TryFrom<String> for Source {
    type Error = SourceError;

    fn try_from(text: String) -> Result<Self, SourceError> {
        text.parse()
    }
}

impl From<Source> for String {
    fn from(source: Source) -> Self {
        source.to_string()
    }
}

/// Percent-encodes all but unreserved characters and `/`, so that the text is one word and one URL path.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &b in bytes {
        if b.is_ascii_alphanumeric() || b"-._~/+,=@!$&'()*:".contains(&b) {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "%{b:02X}");
        }
    }
    out
}

/// Decodes `%XX`; a `%` without two hexadecimal digits stands for itself, as users' lists have it.
pub(super) fn decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let hex = |at: usize| bytes.get(at).and_then(|&b| char::from(b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        if let (b'%', Some(high), Some(low)) = (b, hex(at + 1), hex(at + 2)) {
            out.push(high << 4 | low);
            at += 3;
        } else {
            out.push(b);
            at += 1;
        }
    }
    out
}

fn split_scheme(text: &str) -> Result<(Scheme, &str), SourceError> {
    let Some((scheme, rest)) = text.split_once(':').filter(|(_, rest)| rest.starts_with("//")) else {
        return Err(SourceError::NotAUrl("it has no scheme such as ftp://".to_owned()));
    };
    match scheme.to_ascii_lowercase().as_str() {
        "ftp" => Ok((Scheme::Ftp, rest)),
        "ftpes" => Ok((Scheme::Ftpes, rest)),
        "ftps" => Ok((Scheme::Ftps, rest)),
        _ => Err(SourceError::Scheme(super::printable(scheme, 40))),
    }
}

fn authority(rest: &str) -> &str {
    let rest = rest.trim_start_matches('/');
    rest.split(['/', '?', '#', '\\']).next().unwrap_or(rest)
}

fn names_port_21(rest: &str) -> bool {
    authority(rest).rsplit_once(':').is_some_and(|(_, port)| port.parse() == Ok(21u16))
}

/// The path as it was written: the URL parser would resolve `..` and so fetch another file than was named.
fn raw_path(rest: &str) -> &str {
    let after = rest.trim_start_matches('/');
    after.get(authority(rest).len()..).unwrap_or_default()
}

fn parse_path(raw: &str) -> Result<(RemotePath, Option<TransferType>), SourceError> {
    let raw = raw.strip_prefix('/').unwrap_or(raw);
    let (raw, transfer_type) = match raw.rsplit_once(";type=") {
        Some((path, "a" | "A")) => (path, Some(TransferType::Ascii)),
        Some((path, "i" | "I")) => (path, Some(TransferType::Image)),
        Some((_, other)) if !other.contains('/') => {
            return Err(SourceError::TransferType(super::printable(other, 40)));
        }
        _ => (raw, None),
    };
    let bytes = decode(raw);
    if bytes.split(|&b| b == b'/').any(|part| part == b"." || part == b"..") {
        return Err(SourceError::DotComponent);
    }
    let is_folder = bytes.last().is_none_or(|&b| b == b'/');
    let path = if is_folder { RemotePath::folder(bytes)? } else { RemotePath::new(bytes)? };
    Ok((path, transfer_type))
}

fn decode_text(raw: &str, part: &'static str) -> Result<String, SourceError> {
    let text = String::from_utf8(decode(raw)).map_err(|_| SourceError::NotUtf8(part))?;
    match text.bytes().position(|b| b.is_ascii_control()) {
        Some(at) => Err(SourceError::ForbiddenByte { part, at }),
        None => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Source {
        Source::parse_any(text).unwrap().0
    }

    #[test]
    fn splits_a_url_into_account_and_path() {
        let (source, secret) = Source::parse("ftp://bob:s%40cret@Example.org:2121/pub/a%20b.gz").unwrap();
        assert_eq!(source.to_string(), "ftp://bob@example.org:2121/pub/a%20b.gz");
        assert_eq!(source.path().as_bytes(), b"pub/a b.gz");
        assert_eq!(secret.unwrap().reveal(), "s@cret");
        assert!(!source.path().is_absolute());
    }

    #[test]
    fn a_source_reads_back_what_it_prints() {
        for text in [
            "ftp://example.org/a",
            "ftp://example.org/%2Fetc/motd",
            "ftp://example.org/",
            "ftp://example.org/%2F",
            "ftp://example.org/%2Fa/b/",
            "ftp://example.org/d/e%20/",
            "ftp://u%40corp@example.org/a%23b%3Fc%25;type=a",
            "ftps://example.org:21/x",
            "ftpes://[::1]:2121/d/%FF%0E",
        ] {
            let once = parse(text);
            assert_eq!(parse(&once.to_string()), once, "{text}");
        }
    }

    #[test]
    fn names_are_joined_to_a_folder_one_component_at_a_time() {
        let folder = |text: &str| parse(text).path().clone();
        for (url, name, joined) in
            [("ftp://h/", "a", &b"a"[..]), ("ftp://h/%2F", "a", b"/a"), ("ftp://h/d/", " -a#b", b"d/ -a#b")]
        {
            assert_eq!(folder(url).join(name.as_bytes(), false).unwrap().as_bytes(), joined);
        }
        assert_eq!(folder("ftp://h/").join(b"d", true).unwrap().as_bytes(), b"d/");
        for name in [&b""[..], b".", b"..", b"a/b", b"/", b"a\r", b"a\n", b"a\0"] {
            assert!(folder("ftp://h/d/").join(name, false).is_err());
            assert!(folder("ftp://h/d/").join(name, true).is_err());
        }
    }

    #[test]
    fn ports_follow_the_scheme_and_stay_when_written() {
        assert_eq!(parse("ftp://h/a").account().port, 21);
        assert_eq!(parse("ftps://h/a").account().port, 990);
        assert_eq!(parse("ftps://h:21/a").account().port, 21);
        assert_eq!(parse("ftps://u:21@h/a").account().port, 990);
    }

    #[test]
    fn an_encoded_slash_first_means_the_servers_root() {
        assert_eq!(parse("ftp://h/%2Fetc/motd").path().as_bytes(), b"/etc/motd");
        assert_eq!(parse("ftp://h//etc/motd").path().as_bytes(), b"/etc/motd");
        assert_eq!(parse("ftp://h/etc/motd").path().as_bytes(), b"etc/motd");
    }

    /// CVE-2007-2509, RUSTSEC-2026-0271, GHSA-6v7q-wjvx-w8wg and their kin: line ends smuggled into a command.
    #[test]
    fn refuses_line_ends_everywhere() {
        for text in [
            "ftp://h/a%0d%0aDELE%20b",
            "ftp://h/a%0Ab",
            "ftp://h/a%00b",
            "ftp://u%0d%0aX@h/a",
            "ftp://u:p%0a@h/a",
            "ftp://h%0d%0a/a",
            "ftp://h/a\tb",
        ] {
            assert!(Source::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_error_never_shows_the_password() {
        for text in ["ftp://u:hunter2@/a", "ftp://u:hunter2@h/", "http://u:hunter2@h/a", "ftp://u:hunter2@h:99999/a"] {
            let error = Source::parse(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn refuses_what_names_no_file() {
        assert_eq!(Source::parse("ftp://h/dir/").unwrap_err(), SourceError::NoFileName);
        assert!("ftp://h/dir/".parse::<Source>().unwrap().path().is_folder());
        assert_eq!(Source::parse("ftp://h").unwrap_err(), SourceError::NoFileName);
        assert_eq!(Source::parse("ftp://h/a/../b").unwrap_err(), SourceError::DotComponent);
        assert!(matches!(Source::parse("ftp://h/a?b"), Err(SourceError::NotInFtp { .. })));
        assert!(matches!(Source::parse("ftp://h/a;type=d"), Err(SourceError::TransferType(_))));
        assert_eq!(Source::parse("ftp:///pub/a").unwrap_err(), SourceError::NoHost);
        assert!(matches!(Source::parse("host/a"), Err(SourceError::NotAUrl(_))));
        assert!(matches!(Source::parse("http://h/a"), Err(SourceError::Scheme(_))));
    }
}
