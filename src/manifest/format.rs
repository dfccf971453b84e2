//! The formats of manifests, and how one is recognized.

use super::entry::KEYS;
use crate::model::Settings;
use std::path::Path;

/// How a manifest is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A URL a line, with an optional destination after white space; `#` starts a comment line.
    List,
    /// A JSON object a line.
    Jsonl,
    /// Comma-separated values with a header (RFC 4180).
    Csv,
    /// The same with tabs.
    Tsv,
}

impl Format {
    /// Every format's name, as `--format` takes it.
    pub const NAMES: [&'static str; 4] = ["list", "jsonl", "csv", "tsv"];

    /// The format of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "list" => Some(Self::List),
            "jsonl" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            "tsv" => Some(Self::Tsv),
            _ => None,
        }
    }

    /// The format that a file's extension tells, one before `.gz` where that stands last. `.txt` tells nothing.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        let plain = lower.strip_suffix(".gz").unwrap_or(&lower);
        match Path::new(plain).extension()?.to_str()? {
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            "tsv" | "tab" => Some(Self::Tsv),
            "list" | "lst" | "urls" => Some(Self::List),
            _ => None,
        }
    }

    /// The format that the first bytes tell: an object, a header with known names, or else a list.
    pub(super) fn of_bytes(head: &[u8]) -> Self {
        // Blanks as the reader of the head counts them.
        let text = String::from_utf8_lossy(head.trim_ascii_start());
        if text.starts_with(['{', '[']) {
            return Self::Jsonl;
        }
        let first = text.lines().next().unwrap_or_default();
        if is_header(first, '\t') && first.contains('\t') {
            Self::Tsv
        } else if is_header(first, ',') {
            Self::Csv
        } else {
            Self::List
        }
    }
}

/// Whether a line has a `url` column and at least half of its columns are known: a header with a slip of the pen is
/// still a header, and its slip is reported.
fn is_header(line: &str, separator: char) -> bool {
    let names: Vec<&str> = line.split(separator).map(|name| name.trim().trim_matches('"')).collect();
    let known = names.iter().filter(|n| KEYS.contains(n) || Settings::KEYS.contains(n)).count();
    names.contains(&"url") && known * 2 >= names.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_tells_and_gz_does_not_count() {
        for (name, format) in [
            ("a.jsonl", Some(Format::Jsonl)),
            ("a.NDJSON.gz", Some(Format::Jsonl)),
            ("a.csv.GZ", Some(Format::Csv)),
            ("a.tsv", Some(Format::Tsv)),
            ("a.urls", Some(Format::List)),
            ("a.txt", None),
            ("a", None),
            ("-", None),
            (".gz", None),
        ] {
            assert_eq!(Format::of_name(name), format, "{name}");
        }
    }

    #[test]
    fn the_first_bytes_tell_where_the_name_does_not() {
        for (head, format) in [
            ("\n {\"url\":", Format::Jsonl),
            ("url,path\n", Format::Csv),
            ("url\n", Format::Csv),
            ("\"path\",\"url\",\"syze\"", Format::Csv),
            ("url\tsize\n", Format::Tsv),
            ("# url,path\nftp://h/a", Format::List),
            ("ftp://h/a,b", Format::List),
            ("", Format::List),
        ] {
            assert_eq!(Format::of_bytes(head.as_bytes()), format, "{head:?}");
        }
    }
}
