//! Names as archives print them: bytes of a path, where a URL would have them percent-encoded.

use super::entry::scheme_of;
use super::options::ReadOptions;
use std::fmt::Write;

/// The path as a part of a URL: a `#`, `?`, `%` or `;` in a name stands for itself.
pub(super) fn encode(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/+,=@!$&'()*:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The URL of what an archive writes as `host/path`, without a scheme. A text that has one is taken as a URL.
pub(super) fn with_scheme(text: &str) -> String {
    match text.split_once('/') {
        _ if scheme_of(text).is_some() => text.to_owned(),
        Some((host, path)) => format!("ftp://{host}/{}", encode(path)),
        None => format!("ftp://{text}"),
    }
}

/// What a list says that names files and no server.
pub(super) const NO_BASE: &str =
    "names files and not their server; say where they lie: --base ftp://HOST/FOLDER, the folder that this list was in";

/// The URL of a file by its name below the base, and its path there. Without a base there is none.
///
/// # Errors
/// When the name is absolute.
pub(super) fn below_base(name: &str, options: &ReadOptions) -> Result<Option<(String, String)>, String> {
    let mut path = name;
    while let Some(rest) = path.strip_prefix("./") {
        path = rest.trim_start_matches('/');
    }
    if path.starts_with('/') {
        return Err("an absolute path; the list must name files below --base".to_owned());
    }
    Ok(options.base.as_ref().map(|base| (base.join(&encode(path)), path.to_owned())))
}
