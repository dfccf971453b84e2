//! The formats of manifests, and how one is recognized.

use super::entry::{KEYS, scheme_of};
use super::number_sums::Tool;
use super::{aria2, assembly, ena, sequence_index, sums};
use crate::model::Settings;
use std::path::Path;

/// How a manifest is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A URL a line; after white space a destination, checksum, size, or other URLs; `#` starts a comment.
    List,
    /// A JSON object a line.
    Jsonl,
    /// Comma-separated values with a header (RFC 4180).
    Csv,
    /// The same with tabs.
    Tsv,
    /// aria2's input files: URLs with tabs between them, and indented options below.
    Aria2,
    /// ENA's file reports with tabs.
    Ena,
    /// The same as an array in JSON.
    EnaJson,
    /// Metalink 3 and 4 (RFC 5854).
    Metalink,
    /// What `md5sum` and its kin print, also in the style of BSD.
    Sums,
    /// What BSD `sum` prints: Ensembl's CHECKSUMS.
    BsdSums,
    /// NCBI's `assembly_summary`.
    Assembly,
    /// What `rclone copyurl --urls` reads: `URL,FILENAME`.
    Rclone,
    /// `sequence.index` of the 1000 Genomes Project.
    SequenceIndex,
    /// What POSIX `cksum` prints.
    Cksum,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 14] = [
        Self::List,
        Self::Jsonl,
        Self::Csv,
        Self::Tsv,
        Self::Aria2,
        Self::Ena,
        Self::EnaJson,
        Self::Metalink,
        Self::Sums,
        Self::BsdSums,
        Self::Assembly,
        Self::Rclone,
        Self::SequenceIndex,
        Self::Cksum,
    ];

    /// The name, as `--format` takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Aria2 => "aria2",
            Self::Ena => "ena",
            Self::EnaJson => "ena-json",
            Self::Metalink => "metalink",
            Self::Sums => "checksums",
            Self::BsdSums => "bsd-sums",
            Self::Assembly => "assembly-summary",
            Self::Rclone => "rclone",
            Self::SequenceIndex => "sequence-index",
            Self::Cksum => "cksum",
        }
    }

    /// The format of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The format that the first bytes tell; where they tell none, the file's name; where that does neither, a list.
    pub(super) fn recognized(head: &[u8], name: &str) -> Self {
        let by_name = Self::of_name(name);
        let by_bytes = Self::of_bytes(head);
        match (by_bytes, by_name) {
            // A comma may stand in a URL: only the name says that this is a table.
            (None, Some(Self::Csv)) if starts_with_url(head) => Self::Rclone,
            (Some(format), _) | (None, Some(format)) => format,
            (None, None) => Self::List,
        }
    }

    /// The format that a file's extension tells, one before `.gz` where that stands last. `.txt` tells nothing.
    fn of_name(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        let plain = lower.strip_suffix(".gz").unwrap_or(&lower);
        match Path::new(plain).extension()?.to_str()? {
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            "tsv" | "tab" => Some(Self::Tsv),
            "list" | "lst" | "urls" => Some(Self::List),
            "aria2" => Some(Self::Aria2),
            "metalink" | "meta4" => Some(Self::Metalink),
            "md5" | "sha1" | "sha256" | "sha512" | "md5sum" | "sha1sum" | "sha256sum" | "sha512sum" => Some(Self::Sums),
            _ => None,
        }
    }

    /// The format that the first bytes leave no doubt of.
    fn of_bytes(head: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(head);
        let text = text.trim_ascii_start();
        if text.starts_with('<') {
            return Some(Self::Metalink);
        }
        if text.starts_with(['{', '[']) {
            return Some(if ena::is_json(text) { Self::EnaJson } else { Self::Jsonl });
        }
        if assembly::is_header(text) {
            return Some(Self::Assembly);
        }
        if sequence_index::is_header(text) {
            return Some(Self::SequenceIndex);
        }
        let first = text.lines().next().unwrap_or_default();
        if ena::is_header(first) {
            return Some(Self::Ena);
        }
        if is_header(first, '\t') && first.contains('\t') {
            return Some(Self::Tsv);
        }
        if is_header(first, ',') {
            return Some(Self::Csv);
        }
        if sums::is_signed(first) {
            return Some(Self::Sums);
        }
        aria2::is_input(text).then_some(Self::Aria2).or_else(|| Self::of_sums(text))
    }

    /// The kind of a list of checksums, which may have words above and below.
    fn of_sums(text: &str) -> Option<Self> {
        let lines = || text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let is_url = |line: &str| line.split_whitespace().next().is_some_and(|word| scheme_of(word).is_some());
        if lines().next().is_none_or(is_url) {
            return None;
        }
        // From its first line on, a table is at least half of the text.
        let is_most = |is_line: &dyn Fn(&str) -> bool, is_kin: &dyn Fn(&str) -> bool| {
            let mut rest = lines().skip_while(|line| !is_line(line)).peekable();
            rest.peek().is_some() && {
                let (kin, others): (Vec<_>, Vec<_>) = rest.partition(|line| is_kin(line));
                kin.len() >= others.len()
            }
        };
        let is_number = |line: &str| Tool::of(line).is_some();
        if is_most(&sums::is_line, &sums::has_form) {
            Some(Self::Sums)
        } else if is_most(&is_number, &is_number) {
            let is_cksum = lines().any(|line| Tool::of(line) == Some(Tool::Cksum));
            Some(if is_cksum { Self::Cksum } else { Self::BsdSums })
        } else {
            None
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

/// Whether the first line's first cell is a URL.
fn starts_with_url(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head.trim_ascii_start());
    let first = text.lines().next().unwrap_or_default();
    first.split(',').next().is_some_and(|cell| cell.contains("://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_one_of_a_format() {
        for format in Format::ALL {
            assert_eq!(Format::named(format.name()), Some(format));
        }
        assert_eq!(Format::named("xml"), None);
    }

    #[test]
    fn the_extension_tells_where_the_bytes_do_not_and_gz_does_not_count() {
        for (name, format) in [
            ("a.jsonl", Some(Format::Jsonl)),
            ("a.NDJSON.gz", Some(Format::Jsonl)),
            ("a.csv.GZ", Some(Format::Csv)),
            ("a.tsv", Some(Format::Tsv)),
            ("a.urls", Some(Format::List)),
            ("RELEASE.metalink", Some(Format::Metalink)),
            ("a.iso.sha256", Some(Format::Sums)),
            ("a.txt", None),
            ("a", None),
            ("-", None),
            (".gz", None),
        ] {
            assert_eq!(Format::of_name(name), format, "{name}");
        }
    }

    #[test]
    fn the_first_bytes_tell() {
        let md5 = "d41d8cd98f00b204e9800998ecf8427e";
        for (head, name, format) in [
            ("\n {\"url\":", "m", Format::Jsonl),
            ("url,path\n", "m", Format::Csv),
            ("url\n", "m", Format::Csv),
            ("\"path\",\"url\",\"syze\"", "m", Format::Csv),
            ("url\tsize\n", "m", Format::Tsv),
            ("# url,path\nftp://h/a", "m", Format::List),
            ("ftp://h/a,b", "m", Format::List),
            ("ftp://h/a,b", "m.csv", Format::Rclone),
            ("\"ftp://h/a\",b", "m.csv", Format::Rclone),
            ("name,link\n", "m.csv", Format::Csv),
            ("", "m", Format::List),
            ("ftp://h/a\tb\nftp://h/c\n", "m", Format::List),
            ("ftp://h/a\tftp://i/a\n", "m", Format::List),
            ("ftp://h/a\tftp://i/a\n  out=b\n", "m", Format::Aria2),
            (&format!("ftp://h/a\n{md5}  b\n"), "m", Format::List),
            (&format!("These are the sums.\n\nMD5   Name\n{md5}  ./a\n{md5}  ./b\n"), "m", Format::Sums),
            (&format!("untrusted comment: x\nRWQ/x=\nSHA256 (a) = {md5}{md5}\n"), "SHA256.sig", Format::Sums),
            (&format!("TIMESTAMP = 1\nSHA256 (a) = {md5}{md5}\nSIZE (a) = 5\n"), "distinfo", Format::Sums),
            (&format!("BLAKE2s (a) = 00\nSHA512 (a) = {md5}\nSize (a) = 5 bytes\n"), "distinfo", Format::Sums),
            (&format!("{md5}  a\n1\n2\n3\n"), "m", Format::List),
            ("Sums\n\nCRC Size Name\n3000000001 2002 ./a\n16 5 b\n", "m", Format::Cksum),
            ("1 2 3\ngo\nand\nsee\n", "m", Format::List),
            ("# x\n\nftp://h/a\nftp://h/b\n  out=c\n", "m.txt", Format::Aria2),
            (" ftp://h/a=b\n", "m", Format::List),
            ("run_accession\tfastq_ftp\n", "filereport.tsv", Format::Ena),
            ("[\n {\"run_accession\":\"E\",\"fastq_ftp\":\"\"}]", "m.json", Format::EnaJson),
            ("[{\"url\":\"ftp://h/a\"}]", "m.json", Format::Jsonl),
            ("<?xml version=\"1.0\"?>\n", "m", Format::Metalink),
            (&format!("{md5}  ./a\n"), "md5checksums.txt", Format::Sums),
            (&format!("# by me\n{md5} *a\n"), "m", Format::Sums),
            (&format!("MD5 (a b) = {md5}\n"), "m", Format::Sums),
            ("-----BEGIN PGP SIGNED MESSAGE-----\n", "SHA256SUMS", Format::Sums),
            ("55610 198719 a.fa.gz\n", "CHECKSUMS", Format::BsdSums),
            ("#   See ftp://h/README for columns\n#assembly_accession\tbioproject\n", "m.txt", Format::Assembly),
            ("FASTQ_FILE\tMD5\tRUN_ID\n", "sequence.index", Format::SequenceIndex),
        ] {
            assert_eq!(Format::recognized(head.as_bytes(), name), format, "{head:?} in {name}");
        }
    }
}
