//! Each format: a sample of real shape, and the jobs that come of it.

use super::*;
use crate::model::{Mirror, Settings};
use std::fmt::Write as _;

/// A sample, and how it is read.
struct Sample {
    name: &'static str,
    text: &'static str,
    format: Format,
    base: Option<&'static str>,
    suffixes: &'static [&'static str],
    columns: &'static [EnaColumn],
}

macro_rules! sample {
    ($name:literal, $format:ident) => {
        sample!($name, $format, None, &[], &[])
    };
    ($name:literal, $format:ident, $base:expr, $suffixes:expr, $columns:expr) => {
        Sample {
            name: $name,
            text: include_str!(concat!("../samples/", $name)),
            format: Format::$format,
            base: $base,
            suffixes: $suffixes,
            columns: $columns,
        }
    };
}

const BASE: Option<&str> = Some("ftp://ftp.example.org/pub/");

fn samples() -> Vec<Sample> {
    vec![
        sample!("list.txt", List),
        sample!("columns.txt", List),
        sample!("paths.txt", List, BASE, &[], &[]),
        sample!("jobs.jsonl", Jsonl),
        sample!("jobs.csv", Csv),
        sample!("jobs.tsv", Tsv),
        sample!("aria2.txt", Aria2),
        sample!("ena.tsv", Ena),
        sample!("ena.tsv", Ena, None, &[], &[EnaColumn::Fastq, EnaColumn::Submitted]),
        sample!("ena.json", EnaJson),
        sample!("release.metalink", Metalink),
        sample!("image.meta4", Metalink),
        sample!("SHA256SUMS", Sums, BASE, &[], &[]),
        sample!("md5checksums.txt", Sums, BASE, &[], &[]),
        sample!("CHECKSUM", Sums, BASE, &[], &[]),
        sample!("CHECKSUMS.md5", Sums, BASE, &[], &[]),
        sample!("distinfo", Sums, BASE, &[], &[]),
        sample!("CHECKSUMS", BsdSums, BASE, &[], &[]),
        sample!("cksum.txt", Cksum, BASE, &[], &[]),
        sample!("assembly_summary.txt", Assembly),
        sample!("assembly_summary.txt", Assembly, None, &["_genomic.fna.gz", "_genomic.gff.gz"], &[]),
        sample!("rclone.csv", Rclone),
        sample!("sequence.index", SequenceIndex, BASE, &[], &[]),
        sample!("alignment.index", SequenceIndex, BASE, &[], &[]),
        sample!("ena.index", SequenceIndex),
    ]
}

impl Sample {
    fn options(&self, format: Option<Format>) -> ReadOptions {
        ReadOptions {
            suffixes: self.suffixes.iter().map(|&suffix| suffix.to_owned()).collect(),
            columns: self.columns.to_vec(),
            ..options(format, self.base)
        }
    }
}

/// All that is read of a text, and what is warned of, as a person reads it.
fn told(name: &str, text: &[u8], options: ReadOptions, capacity: usize) -> String {
    let input = BufReader::with_capacity(capacity, Cursor::new(text.to_vec()));
    let mut reader = Reader::open(Box::new(input), name.to_owned(), options);
    let mut out = String::new();
    for read in reader.by_ref() {
        let line = match read {
            Ok(entry) => line(&entry),
            Err(error) => format!("error {error}"),
        };
        writeln!(out, "{line}").unwrap();
    }
    for warning in reader.take_warnings() {
        writeln!(out, "{warning}").unwrap();
    }
    out
}

fn line(entry: &Entry) -> String {
    let Entry { spec, secret, mirror_secrets, position } = entry;
    let mut out = format!("{}:{} {} -> {}", position.line, position.column, spec.source, spec.destination);
    let mut add = |text: String| write!(out, " {text}").unwrap();
    spec.expect.size.iter().for_each(|size| add(format!("size {size}")));
    spec.expect.checksum.iter().for_each(|sum| add(sum.to_string()));
    spec.expect
        .pieces
        .iter()
        .for_each(|p| add(format!("{} pieces of {} by {:?}", p.count(), p.length(), p.algorithm())));
    spec.mirrors.iter().for_each(|Mirror { source, priority }| add(format!("mirror {priority} {source}")));
    if spec.settings != Settings::default() {
        add(serde_json::to_string(&spec.settings).unwrap());
    }
    if spec.folder.is_some() {
        add("folder".to_owned());
    }
    if secret.is_some() {
        add("with a password".to_owned());
    }
    for (account, _) in mirror_secrets {
        add(format!("with a password for {}", account.credential()));
    }
    out
}

/// The table of formats: what each sample becomes. `UPDATE_SAMPLES=1` writes it anew, to be looked at.
#[test]
fn each_format_is_recognized_and_becomes_its_jobs() {
    let mut table = String::new();
    for sample in samples() {
        let told = told(sample.name, sample.text.as_bytes(), sample.options(None), 8192);
        assert!(!told.contains("error "), "{}: {told}", sample.name);
        let format = Format::recognized(sample.text.as_bytes(), sample.name);
        assert_eq!(format, sample.format, "{}", sample.name);
        writeln!(table, "== {} is read as {}\n{told}", sample.name, format.name()).unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/manifest/samples/jobs.golden");
    if std::env::var_os("UPDATE_SAMPLES").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    println!("{table}");
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), table);
    assert!(Format::ALL.iter().all(|format| samples().iter().any(|sample| sample.format == *format)));
}

/// gzip, a byte order mark, CRLF and small pieces change nothing; the extension is not needed, but for what may be a list
/// of URLs with commas.
#[test]
fn each_format_is_the_same_in_any_wrapping() {
    for sample in samples() {
        let name = if sample.format == Format::Rclone { "x.csv" } else { "x" };
        let read = |text: &[u8], capacity, format| told(name, text, sample.options(format), capacity);
        let plain = read(sample.text.as_bytes(), 8192, None);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(sample.text.as_bytes()).unwrap();
        let crlf = sample.text.replace('\n', "\r\n");
        let marked = format!("\u{feff}{}", sample.text);
        assert_eq!(read(sample.text.as_bytes(), 1, None), plain, "{}", sample.name);
        assert_eq!(read(sample.text.as_bytes(), 5, Some(sample.format)), plain, "{}", sample.name);
        assert_eq!(read(&gzip.finish().unwrap(), 3, None), plain, "{}", sample.name);
        assert_eq!(read(crlf.as_bytes(), 2, None), plain, "{}", sample.name);
        assert_eq!(read(marked.as_bytes(), 4, None), plain, "{}", sample.name);
    }
}

/// Cut off anywhere, a list gives no job that it does not hold, and no panic; what is certain to be cut off is said to be.
#[test]
fn each_format_cut_off_anywhere_gives_no_other_jobs() {
    for sample in samples() {
        let whole: Vec<String> = told("x", sample.text.as_bytes(), sample.options(Some(sample.format)), 8192)
            .lines()
            .map(str::to_owned)
            .collect();
        for end in 0..sample.text.len() {
            let cut = told("x", &sample.text.as_bytes()[..end], sample.options(Some(sample.format)), 64);
            let lines: Vec<&str> = cut.lines().filter(|line| !line.contains("warning: ")).collect();
            // The last one may be a part of a line.
            for line in lines.iter().rev().skip(2) {
                assert!(whole.iter().any(|known| known == line), "{} cut at {end}: {line}", sample.name);
            }
            let is_document = matches!(sample.format, Format::Metalink | Format::EnaJson);
            if is_document && end > 10 && sample.text.trim_end().len() > end {
                assert!(
                    lines.last().is_some_and(|line| line.starts_with("error ")),
                    "{} cut at {end}: {cut}",
                    sample.name
                );
            }
        }
    }
}
