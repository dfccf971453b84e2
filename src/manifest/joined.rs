//! Words that hold one URL or several, and what a URL says of its file.

use super::columns::{ending, file_named, is_address};
use super::entry::{is_ftp, scheme_of};
use super::error::offset_in;
use crate::model::{Account, Source};

/// Whether a path is several, with `;` or `,` between: each part ends as a file does.
pub(super) fn is_several(word: &str) -> bool {
    let is_file = |piece: &str| scheme_of(piece).is_none() && ending(piece).is_some();
    pieces(word).nth(1).is_some() && pieces(word).all(|(piece, _)| is_file(piece))
}

/// The name of the file that a URL names; none where it can't be told, or is a folder's.
pub(super) fn name_at_end(url: &str) -> Option<String> {
    file_named(url).filter(|name| !name.is_empty())
}

/// Whether a URL names a folder, or files of a folder by a pattern: what follows is a folder, too.
pub(super) fn names_folder(url: &str) -> bool {
    url.ends_with('/') || url.contains(['*', '?'])
}

/// The server of a URL of FTP, and the path there; none where it can't be told.
pub(super) fn server_and_path(url: &str) -> Option<(String, String)> {
    scheme_of(url).filter(|scheme| is_ftp(scheme))?;
    let (source, _) = Source::parse(url).ok()?;
    let Account { host, port, .. } = source.account();
    // FTP and its form within TLS are two doors of one server.
    let server = if [21, 990].contains(port) { host.clone() } else { format!("{host}:{port}") };
    Some((server, format!("{:?}", source.path())))
}

/// What stands between a URL's scheme and its path, without a user.
pub(super) fn host_in(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or(rest);
    host.rsplit('@').next().unwrap_or(host)
}

/// The parts of a word between `;` or `,`, and where each begins. A last one ends the list.
pub(super) fn pieces(word: &str) -> impl Iterator<Item = (&str, usize)> {
    word.split([';', ',']).filter(|piece| !piece.is_empty()).map(|piece| (piece, offset_in(word, piece)))
}

/// The URLs of a word. `;` and `,` may stand in a name, too: they part where a URL or an address follows.
pub(super) fn joined(word: &str) -> Vec<(String, usize)> {
    let host = host_in(word);
    // What stands before the host is meant for all, as in cells of ENA that got a scheme.
    let prefix = scheme_of(word).and_then(|_| word.get(..offset_in(word, host)));
    let scheme = scheme_of(word).unwrap_or("ftp");
    let mut urls: Vec<(String, usize)> = Vec::new();
    for piece in word.split([';', ',']) {
        let at = offset_in(word, piece);
        let at_host = !host.is_empty() && piece.strip_prefix(host).is_some_and(|rest| rest.starts_with('/'));
        let whole = match prefix {
            _ if urls.is_empty() || scheme_of(piece).is_some() => Some(piece.to_owned()),
            Some(prefix) if at_host => Some(format!("{prefix}{piece}")),
            Some(_) if is_address(piece) => Some(format!("{scheme}://{piece}")),
            _ => None,
        };
        match (whole, urls.last_mut()) {
            (Some(url), _) => urls.push((url, at)),
            (None, Some((last, _))) => {
                last.push_str(word.get(at.saturating_sub(1)..at + piece.len()).unwrap_or_default());
            }
            (None, None) => {}
        }
    }
    let count = urls.len();
    if let Some((last, _)) = urls.last_mut().filter(|_| count > 1) {
        // At the end of a list a separator ends it; at the end of one URL it is a part of it.
        let length = last.trim_end_matches([';', ',']).len();
        last.truncate(length);
    }
    urls
}
