//! Patterns in URLs.

use std::fmt::Write;

/// Splits a URL as it was written, before it is decoded: the URL of the folder to read, and the pattern of what is wanted
/// below it. The pattern begins with the first component that holds `*` or `?`; brackets and braces alone make none, for
/// names have them. What is percent-encoded is a character of a name, also `%2A`.
#[must_use]
pub fn split_pattern(url: &str) -> (String, Option<String>) {
    let whole = || (url.to_owned(), None);
    let Some((scheme, rest)) = url.split_once("://") else { return whole() };
    let Some(slash) = rest.find('/') else { return whole() };
    let (path, kind) = match rest.rfind(";type=") {
        Some(at) if at > slash && !rest.get(at..).unwrap_or_default().contains('/') => rest.split_at(at),
        _ => (rest, ""),
    };
    let after = path.get(slash..).unwrap_or_default();
    let Some(wild) = after.find(['*', '?']) else { return whole() };
    let before = after.get(..wild).unwrap_or_default();
    // An encoded slash separates as well: `%2F*.nc` is in the server's root.
    let plain = before.rfind('/').map_or(0, |at| at + 1);
    let encoded = before.to_ascii_uppercase().rfind("%2F").map_or(0, |at| at + 3);
    let cut = slash + plain.max(encoded);
    let (folder, wanted) = path.split_at(cut);
    (format!("{scheme}://{folder}{kind}"), Some(pattern(wanted)))
}

/// The pattern that stands in a URL: what is encoded there is taken as it is.
fn pattern(raw: &str) -> String {
    let bytes = raw.as_bytes();
    let hex = |at: usize| bytes.get(at).and_then(|&b| char::from(b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let mut out = String::with_capacity(raw.len());
    let mut at = 0;
    while at < bytes.len() {
        let mut decoded = Vec::new();
        while let (Some(b'%'), Some(high), Some(low)) = (bytes.get(at), hex(at + 1), hex(at + 2)) {
            decoded.push(high << 4 | low);
            at += 3;
        }
        for chunk in decoded.utf8_chunks() {
            for c in chunk.valid().chars() {
                if "*?[]{},\\!^-".contains(c) {
                    out.push('\\');
                }
                out.push(c);
            }
            for byte in chunk.invalid() {
                let _ = write!(out, "\\x{byte:02X}");
            }
        }
        if let Some(c) = raw.get(at..).and_then(|rest| rest.chars().next()) {
            out.push(c);
            at += c.len_utf8();
        }
    }
    out
}
