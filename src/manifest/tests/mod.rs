//! All formats through the one reader: what is read, what is refused and where, and what is never shown.

mod bounds;
mod broken;
mod samples;

use super::*;
use crate::model::{DataMode, JobSpec, TransferType};
use flate2::{Compression, write::GzEncoder};
use std::io::{BufReader, Cursor, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

fn options(format: Option<Format>, base: Option<&str>) -> ReadOptions {
    ReadOptions { format, base: base.map(|b| Base::parse(b).unwrap()), ..ReadOptions::below("/data".into()) }
}

fn read_named(name: &str, bytes: &[u8], options: ReadOptions) -> Vec<Result<Entry, LineError>> {
    // A small buffer: what is read must not depend on how the bytes come.
    let input = BufReader::with_capacity(7, Cursor::new(bytes.to_vec()));
    Reader::open(Box::new(input), name.to_owned(), options).collect()
}

fn read(bytes: &[u8]) -> Vec<Result<Entry, LineError>> {
    read_named("m", bytes, options(None, None))
}

fn good(text: &str) -> Vec<JobSpec> {
    read(text.as_bytes()).into_iter().map(|e| e.unwrap().spec).collect()
}

fn pairs(specs: &[JobSpec]) -> Vec<(String, String)> {
    specs.iter().map(|s| (s.source.to_string(), s.destination.to_string())).collect()
}

fn pair(source: &str, destination: &str) -> (String, String) {
    (source.to_owned(), destination.to_owned())
}

#[test]
fn a_list_is_read_as_wget_reads_it_with_destinations() {
    let specs = good("\u{feff}# comment\r\n\r\n  ftp://h/a%20b \r\nftp://h/d/c.z\t x/y 1.z\n#ftp://h/no\nftp://h/e");
    assert_eq!(
        pairs(&specs),
        [pair("ftp://h/a%20b", "/data/a b"), pair("ftp://h/d/c.z", "/data/x/y 1.z"), pair("ftp://h/e", "/data/e")]
    );
}

#[test]
fn all_formats_say_the_same() {
    let md5 = "d41d8cd98f00b204e9800998ecf8427e";
    let json = format!(r#"{{"url":"ftp://h/a,b","path":"p/q","size":12,"md5":"{md5}","type":"ascii","retries":3}}"#);
    let csv = format!("url,path,size,md5,type,retries,resume\n\"ftp://h/a,b\", p/q ,12,{md5},ascii,3,\n");
    let tsv = format!("size\turl\tpath\tchecksum\ttype\tretries\n12\tftp://h/a,b\tp/q\tMD5:{md5}\tascii\t3\n");
    let specs = good(&json);
    assert_eq!(specs[0].expect.size, Some(12));
    assert_eq!(specs[0].expect.checksum.as_ref().unwrap().to_string(), format!("md5={md5}"));
    assert_eq!((specs[0].settings.transfer_type, specs[0].settings.retries), (Some(TransferType::Ascii), Some(3)));
    assert_eq!(pairs(&specs), [pair("ftp://h/a,b", "/data/p/q")]);
    assert_eq!(good(&csv), specs);
    assert_eq!(good(&tsv), specs);
}

#[test]
fn null_and_empty_cells_mean_unset() {
    let specs = good("{\"url\":\"ftp://h/a\",\"path\":null,\"timeout\":null}\n\n{\"url\":\"ftp://h/b\"}");
    assert_eq!(specs.len(), 2);
    assert!(specs[0].settings.is_empty());
    assert_eq!(good("url,data-mode,path\nftp://h/a,pasv,\n")[0].settings.data_mode, Some(DataMode::Pasv));
}

#[test]
fn the_longest_of_several_checksums_is_the_one_to_verify() {
    let (md5, sha256) = ("0".repeat(32), "1".repeat(64));
    let text = format!(r#"{{"url":"ftp://h/a","sha256":"{sha256}","md5":"{md5}"}}"#);
    assert_eq!(good(&text)[0].expect.checksum.as_ref().unwrap().to_string(), format!("sha-256={sha256}"));
}

#[test]
fn gzip_and_extension_decide_before_the_bytes() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(b"url,path\nftp://h/a,b\n").unwrap();
    let packed = gzip.finish().unwrap();
    for name in ["m.csv.gz", "m", "m.bin"] {
        let specs: Vec<_> =
            read_named(name, &packed, options(None, None)).into_iter().map(|e| e.unwrap().spec).collect();
        assert_eq!(pairs(&specs), [pair("ftp://h/a", "/data/b")], "{name}");
    }
    // Told to be a list, the header is a bad line.
    let found = read_named("m.csv", b"url,path\n", options(Some(Format::List), None));
    assert!(found[0].is_err());
    let torn = read_named("m.csv.gz", &packed[..packed.len() - 9], options(None, None));
    assert!(torn.last().unwrap().as_ref().unwrap_err().fatal, "{torn:?}");
}

#[test]
fn relative_urls_go_behind_the_base() {
    let found = read_named("m", b"a/b\n/c\nftp://other/d\n", options(None, Some("ftp://u:hunter2@h/pub/")));
    let specs: Vec<_> = found.iter().map(|e| e.as_ref().unwrap().spec.clone()).collect();
    assert_eq!(
        pairs(&specs),
        [pair("ftp://u@h/pub/a/b", "/data/b"), pair("ftp://u@h/pub/c", "/data/c"), pair("ftp://other/d", "/data/d")]
    );
    assert_eq!(found[0].as_ref().unwrap().secret.as_ref().unwrap().reveal(), "hunter2");
    assert!(!format!("{:?}", options(None, Some("ftp://u:hunter2@h/pub/"))).contains("hunter2"));
    for bad in ["h/pub", "http://h/", "ftp://h/?q", ""] {
        assert!(Base::parse(bad).is_err(), "{bad}");
    }
}

/// A bad line's place, and words that its message must have.
#[test]
fn every_error_names_its_line_and_column() {
    let long = format!("ftp://h/a\n{}\nftp://h/b", "x".repeat(MAX_LINE + 1));
    let table: [(&str, u64, u64, &str); 36] = [
        ("ftp://h/a\nnonsense\n", 2, 1, "scheme"),
        ("  http://h/a", 1, 3, "no URL of FTP in this list"),
        ("ftp://u:pa/ss@h/a", 1, 1, "not a URL: invalid port number; in user name and password, write %2F"),
        ("ftp://h/a  ../b", 1, 12, "`..`"),
        ("ftp://h/grün  /b", 1, 15, "absolute"),
        ("ftp://h/a\0b", 1, 10, "NUL"),
        ("ftp://h/dir/  ../x", 1, 15, "`..`"),
        ("ftp://h/a%5Cb", 1, 1, "destination"),
        (&long, 2, 1, "1048577 bytes"),
        ("{\"url\":\"ftp://h/a\"}\n{\"url\": \"ftp://h/a\", \"sise\": 3}", 2, 22, "`sise` is unknown"),
        ("{\"url\":\"ftp://h/a\",}", 1, 20, ""),
        ("{\"url\":\"ftp://h/a\"} x", 1, 21, "trailing"),
        ("{\"url\":\"ftp://h/a\",\"url\":\"ftp://h/b\"}", 1, 37, "twice"),
        ("{\"path\":\"a\"}", 1, 1, "`url` is missing"),
        ("{\"path\":\"a\", \"url\":\"x\"}", 1, 14, "scheme"),
        ("{\"url\":\"ftp://h/a\",\"size\":-1}", 1, 20, "whole number"),
        ("{\"url\":\"ftp://h/a\",\"size\":1.5}", 1, 20, "whole number"),
        ("{\"url\":\"ftp://h/a\",\"md5\":\"12\"}", 1, 20, "32"),
        ("{\"url\":\"ftp://h/a\",\"checksum\":\"crc=12\"}", 1, 20, "crc"),
        ("{\"url\":\"ftp://h/a\",\"tls\":\"always\"}", 1, 20, "always"),
        ("{\"url\":\"ftps://h/a\",\"tls\":\"off\"}", 1, 21, "not for less"),
        ("{\"url\":\"ftp://h/a\",\"tls\":\"prefer\"}", 1, 20, "not for less"),
        ("{\"url\":\"ftps://h/a\",\"insecure\":true}", 1, 21, "`insecure`: a list of files has no say"),
        ("{\"url\":\"ftps://h/a\",\"ca-file\":\"/x\"}", 1, 21, "no say"),
        ("url,insecure\nftps://h/a,true\n", 1, 5, "no say"),
        ("url,path,client-key\nftps://h/a,b,\n", 1, 10, "no say"),
        ("{\"url\":\"ftp://h/a\",\"timeout\":0}", 1, 20, "86400"),
        ("{\"url\":5}", 1, 2, "in quotes"),
        ("[{\"url\":\"ftp://h/a\"}]", 1, 1, "array"),
        ("url,pth\nftp://h/a,b", 1, 5, "`pth` is unknown"),
        ("url,path,url\n", 1, 10, "twice"),
        ("url,path\nftp://h/a\n", 2, 10, "1 fields where the header has 2"),
        ("url,path\nftp://h/a,b,c\n", 2, 13, "3 fields where the header has 2"),
        ("url,size\n\n\"ftp://h/a,\"\"x\",many\n", 3, 17, "whole number"),
        ("url,path,size\nftp://h/a,\"x\ny\",3\n", 2, 11, "character"),
        ("path,url,size\nftp://h/a,ftp://h/b\0c,1\n", 2, 11, "control"),
    ];
    for (text, line, column, words) in table {
        let found = read(text.as_bytes());
        let error = found.iter().find_map(|e| e.as_ref().err()).unwrap_or_else(|| panic!("no error in {text:?}"));
        let shown: String = text.chars().take(80).collect();
        assert_eq!((error.line, error.column), (line, column), "{shown:?}: {error}");
        assert!(error.message.contains(words), "{shown:?}: {error}");
        assert!(error.to_string().starts_with(&format!("m:{line}:{column}: ")));
    }
}

#[test]
fn what_is_not_utf8_is_an_error_at_its_column_in_every_format() {
    for (text, line, column) in [
        (&b"ftp://h/a\nftp://h/\xFFb"[..], 2, 9),
        (b"{\"url\":\"ftp://h/\xFF\"}", 1, 17),
        (b"url,path\nftp://h/a,\xFF", 2, 11),
        (b"\xFF\xFEf\0t\0p\0", 1, 1),
    ] {
        let error = read(text).into_iter().find_map(Result::err).unwrap();
        assert_eq!((error.line, error.column), (line, column), "{error}");
    }
}

#[test]
fn after_a_bad_line_the_good_ones_are_still_read() {
    let table = ["ftp://h/a\nbad\nftp://h/b\n", "url,size\nftp://h/a,\nftp://h/c,x\nftp://h/b,1\n"];
    for text in table {
        let found = read(text.as_bytes());
        assert_eq!(found.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true], "{text:?}");
    }
}

/// CVE-2020-29529 and kin aside, the rule here: whatever is wrong, no error shows what could be a password.
#[test]
fn no_error_ever_shows_a_password() {
    let urls = [
        "ftp://u:hunter2@/a",
        "ftp://u:hunter2@h/",
        "ftp://u:hunter2@h:99999/a",
        "ftp://u:hunter2/x@h/a",
        "ftp://u:hunter2#x@h/a",
        "ftp://u:hunter2?x@h/a",
        "ftp://u:hunter2 x@h/a",
        "ftp://u:x hunter2@h/a",
        "ftp://u:x@hunter2@h/",
        "ftp://u:x hunter2@h/../a",
        "ftp//u:hunter2@h/a",
        "u:hunter2@h/a",
        "http://u:hunter2@h/a",
        "ftps://u:hunter2@h/a",
        "ftp://u:hunter2@h/a\\b",
        "ftp://u:hunter2@h/a;type=d",
        "ftp://u:hunter2%0d@h/a",
        "ftp://u:hunter2\u{7f}@h/a",
        "ftp://[u:hunter2@h/a",
        &format!("ftp://u:{}hunter2@h/../a", "x".repeat(500)),
        &format!("ftp://u:{}hunter2@h:x/a", "hunter2".repeat(10_000)),
    ];
    let mut errors = 0;
    for url in urls {
        let json = serde_json::to_string(url).unwrap();
        let texts = [
            url.to_owned(),
            format!("ftp://h/a {url}"),
            format!("{{\"url\":{json}}}"),
            format!("{{\"url\":\"ftp://h/a\",\"path\":{json}}}"),
            format!("{{\"url\":\"ftp://h/a\",\"checksum\":{json}}}"),
            format!("{{\"url\":\"ftp://h/a\",\"sha1\":{json}}}"),
            format!("{{\"url\":\"ftp://h/a\",\"size\":{json}}}"),
            format!("{{\"url\":\"ftp://h/a\",\"data-mode\":{json}}}"),
            format!("{{\"url\":\"ftp://h/a\",{json}:1}}"),
            json.clone(),
            format!("url,path\nftp://h/a,{url}\n"),
            format!("url,{url}\nftp://h/a,b\n"),
            format!("url\n{url},{url}\n"),
            format!("url\ttimeout\nftp://h/a\t{url}\n"),
            format!("url,mirrors\nftp://h/a,{url}|{url}x\n"),
            format!("{{\"url\":\"ftp://h/a\",\"mirrors\":[{json},{json}]}}"),
            format!("{{\"url\":\"ftp://h/a\",\"crc32\":{json},\"bsd-sum\":{json}}}"),
            format!("{url}\t{url}\n  out={url}\n"),
            format!("ftp://h/a\tftp://i/a\n  {url}={url}\n"),
            format!("ftp://h/a\n  dir=/{url}\n"),
            format!("ftp://h/a\n  out={url}\n  checksum={url}\n"),
            format!("ftp://h/a\n  ftp-pasv={url}\n"),
            format!("ftp://h/a\n  max-download-limit={url}\n"),
            format!("run_accession\tfastq_ftp\tfastq_md5\tfastq_bytes\n{url}\t{url}\t{url}\t{url}\n{url}\t\t\t\n"),
            format!("fastq_ftp\t{url}\n{url};{url}\n"),
            format!("[{{\"fastq_ftp\":{json},\"fastq_bytes\":{json}}},{{{json}:{json},\"fastq_ftp\":\"\"}},{json}]"),
            format!("<metalink><file name=\"{url}\"><url>{url}</url></file></metalink>"),
            format!(
                "<metalink><file name=\"a\"><size>{url}</size><url>{url}</url><url>ftp://h/a</url></file></metalink>"
            ),
            format!("<metalink><file name=\"a\"><hash type=\"md5\">{url}</hash><url>ftp://h/a</url></file></metalink>"),
            format!("<metalink><{url}><a {url}=\"{url}\"/></{url}> &{url}; </metalink>"),
            format!("<file {url}/><!DOCTYPE {url}>"),
            format!("d41d8cd98f00b204e9800998ecf8427e  {url}\n{url}  a\n{url} (a) = {url}\nMD5 ({url}) = {url}\n"),
            format!("1 2 {url}\n{url} 2 a\n3000000000 2 {url}\n"),
            format!("ftp://h/a\t{url}\t{url}\n{url};{url}\n{url},b;ftp://h/c {url} 12\n{url}  -O {url}  # {url}\n"),
            format!("MD5 ({url}) = d41d8cd98f00b204e9800998ecf8427e\nSIZE ({url}) = {url}\nSIZE ({url}) = 1\n{url}\n"),
            format!("#{url}\tftp_path\n{url}\t{url}\nx\thttps://{url}\n"),
            format!("ftp://h/a,{url}\n\"{url}\",b,{url}\n"),
            format!("FASTQ_FILE\tMD5\n{url}\t{url}\na\t{url}\n"),
        ];
        for text in texts {
            for format in [None].into_iter().chain(Format::ALL.map(Some)) {
                let bases = if format.is_none() { [None, Some("ftp://b/")] } else { [Some("ftp://b/d/"), None] };
                for base in bases {
                    let input = BufReader::with_capacity(4096, Cursor::new(text.clone().into_bytes()));
                    let mut reader = Reader::open(Box::new(input), "m".to_owned(), options(format, base));
                    for error in reader.by_ref().filter_map(Result::err) {
                        errors += 1;
                        let shown = format!("{error} {error:?}");
                        // A path may hold anything; the error texts may not.
                        assert!(!shown.contains("hunter2"), "{text:?} as {format:?} → {shown}");
                    }
                    for warning in reader.take_warnings() {
                        let shown = format!("{warning} {warning:?}");
                        assert!(!shown.contains("hunter2"), "{text:?} as {format:?} → {shown}");
                    }
                }
            }
        }
        if let Err(error) = single(url, None, 1, &options(None, None)) {
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        if let Err(error) = Base::parse(url) {
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
    assert!(errors > 10_000, "{errors}");
}

#[test]
fn a_well_formed_password_is_in_the_secret_and_nowhere_else() {
    let md5 = "d41d8cd98f00b204e9800998ecf8427e";
    for (text, format) in [
        ("ftp://u:hunter2@h/a".to_owned(), None),
        ("{\"url\":\"ftp://u:hunter2@h/a\"}".to_owned(), None),
        ("url\nftp://u:hunter2@h/a".to_owned(), None),
        ("ftp://u:hunter2@h/a\n  out=b\n".to_owned(), None),
        ("ftp://h/a\n  ftp-user=u\n  ftp-passwd=hunter2\n".to_owned(), None),
        ("fastq_ftp\nu:hunter2@h/a\n".to_owned(), None),
        ("[{\"fastq_ftp\":\"ftp://u:hunter2@h/a\"}]".to_owned(), None),
        ("<metalink><file name='a'><url>ftp://u:hunter2@h/a</url></file></metalink>".to_owned(), None),
        (format!("{md5}  ftp://u:hunter2@h/a\n"), None),
        ("1 2 ftp://u:hunter2@h/a\n".to_owned(), None),
        ("#ftp_path\nftp://u:hunter2@h/a/b\n".to_owned(), Some(Format::Assembly)),
        ("ftp://u:hunter2@h/a,b\n".to_owned(), Some(Format::Rclone)),
        ("FASTQ_FILE\nftp://u:hunter2@h/a\n".to_owned(), None),
    ] {
        let entry = read_named("m", text.as_bytes(), options(format, None)).remove(0).unwrap();
        assert_eq!(entry.secret.as_ref().map(crate::model::Secret::reveal), Some("hunter2"), "{text}");
        let shown = format!("{entry:?} {}", serde_json::to_string(&entry.spec).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn passwords_of_mirrors_go_with_their_accounts_and_one_beside_them_to_one_server_alone() {
    let table = [
        "ftp://h/a\tftp://u:hunter2@i/a\n",
        "{\"url\":\"ftp://h/a\",\"mirrors\":[\"ftp://u:hunter2@i/a\"]}",
        "url,mirrors\nftp://h/a,ftp://u:hunter2@i/a\n",
        "<metalink><file name='a'><url priority='1'>ftp://h/a</url><url>ftp://u:hunter2@i/a</url></file></metalink>",
    ];
    for text in table {
        let entry = read(text.as_bytes()).remove(0).unwrap();
        assert!(entry.secret.is_none(), "{text}");
        let [(account, secret)] = &entry.mirror_secrets[..] else { panic!("{text}: {entry:?}") };
        assert_eq!((account.credential().as_str(), secret.reveal()), ("u@i:21", "hunter2"), "{text}");
        assert_eq!(entry.spec.mirrors[0].source.to_string(), "ftp://u@i/a");
        let shown = format!("{entry:?} {}", serde_json::to_string(&entry.spec).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    // The same server twice: the password is meant for both paths.
    let entry = read(b"ftp://h/a\tftp://h/b/a\n ftp-user=u\n ftp-passwd=hunter2\n").remove(0).unwrap();
    assert_eq!(entry.spec.mirrors[0].source.to_string(), "ftp://u@h/b/a");
    // A user's name alone goes to all; a password of an unknown server goes nowhere.
    let entry = read(b"ftp://h/a\tftp://i/a\n ftp-user=u\n").remove(0).unwrap();
    assert_eq!(entry.spec.mirrors[0].source.to_string(), "ftp://u@i/a");
    let error = read(b"ftp://h/a\tftp://i/a\n ftp-user=u\n ftp-passwd=hunter2\n").remove(0).unwrap_err();
    assert!(error.message.contains("for h:21 or for i:21") && !error.message.contains("hunter2"), "{error}");
}

type Row = fn(u64) -> String;

/// Makes lines on demand, and counts the bytes that were asked for.
struct Endless {
    rows: std::ops::Range<u64>,
    rest: Cursor<Vec<u8>>,
    made: Arc<AtomicU64>,
    row: Row,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.rest.position() == self.rest.get_ref().len() as u64
            && let Some(n) = self.rows.next()
        {
            self.rest = Cursor::new((self.row)(n).into_bytes());
        }
        let count = self.rest.read(buffer)?;
        self.made.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[test]
fn two_hundred_thousand_lines_are_read_as_they_are_asked_for() {
    let cases: [(Format, u64, &str, Row); 14] = [
        (Format::List, 200_000, "", |n| format!("ftp://h/dir/{n}\tout/{n}\n")),
        (Format::Jsonl, 30_000, "", |n| format!("{{\"url\":\"ftp://h/dir/{n}\",\"path\":\"out/{n}\"}}\n")),
        (Format::Csv, 30_000, "url,path\n", |n| format!("ftp://h/dir/{n},out/{n}\n")),
        (Format::Tsv, 10_000, "url\tpath\n", |n| format!("ftp://h/dir/{n}\tout/{n}\n")),
        (Format::Aria2, 10_000, "", |n| format!("ftp://h/dir/{n}\tftp://i/{n}\n  dir=out\n")),
        (Format::Ena, 10_000, "submitted_ftp\trun_accession\n", |n| format!("h/dir/{n}\tout\n")),
        (Format::EnaJson, 10_000, "[", |n| {
            let comma = if n == 0 { "" } else { "," };
            let end = if n == 9_999 { "]" } else { "" };
            format!("{comma}{{\"submitted_ftp\":\"h/dir/{n}\",\"run_accession\":\"out\"}}{end}\n")
        }),
        (Format::Metalink, 10_000, "<metalink>", |n| {
            let end = if n == 9_999 { "</metalink>" } else { "" };
            format!("<file name=\"out/{n}\"><url>ftp://h/{n}</url></file>{end}\n")
        }),
        (Format::Sums, 10_000, "", |n| format!("{n:032x}  out/{n}\n")),
        (Format::BsdSums, 10_000, "", |n| format!("{} 1 out/{n}\n", n % 65_536)),
        (Format::Cksum, 10_000, "", |n| format!("{n} 1 out/{n}\n")),
        (Format::Assembly, 10_000, "#ftp_path\n", |n| format!("ftp://h/d/{n}\n")),
        (Format::Rclone, 10_000, "", |n| format!("ftp://h/dir/{n},out/{n}\n")),
        (Format::SequenceIndex, 10_000, "FASTQ_FILE\tMD5\n", |n| format!("out/{n}\t-\n")),
    ];
    for (format, rows, header, row) in cases {
        let made = Arc::new(AtomicU64::new(0));
        let source = Endless { rows: 0..rows, rest: Cursor::new(header.as_bytes().to_vec()), made: made.clone(), row };
        let mut reader =
            Reader::open(Box::new(BufReader::new(source)), "m".into(), options(Some(format), Some("ftp://h")));
        for n in 0..1000 {
            let destination = reader.next().unwrap().unwrap().spec.destination.to_string();
            // A folder is shown with a slash behind it.
            assert!(destination.trim_end_matches('/').ends_with(&format!("/{n}")), "{format:?}: {destination}");
        }
        assert!(made.load(Ordering::Relaxed) < 200_000, "{format:?} read {made:?} bytes for 1,000 lines");
        assert_eq!(reader.map(Result::unwrap).count() as u64, rows - 1000);
    }
}

#[test]
fn a_quotation_mark_that_never_closes_ends_in_an_error_and_not_in_memory() {
    let made = Arc::new(AtomicU64::new(0));
    let rest = Cursor::new(b"url,path\nftp://h/a,\"b\n".to_vec());
    let source = Endless { rows: 0..10_000_000, rest, made: made.clone(), row: |n| format!("{n}\n") };
    let found: Vec<_> = Reader::open(Box::new(BufReader::new(source)), "m.csv".into(), options(None, None)).collect();
    let error = found[0].as_ref().unwrap_err();
    assert!(error.fatal && error.line == 2 && error.message.contains("quotation mark"), "{error}");
    assert_eq!(found.len(), 1);
    assert!(made.load(Ordering::Relaxed) < 2 * MAX_LINE as u64);
}

/// Above the first good line as below it.
#[test]
fn a_damaged_line_of_a_list_of_checksums_is_an_error_wherever_it_stands() {
    let md5 = "d41d8cd98f00b204e9800998ecf8427e";
    let (good, cut, words) = (format!("{md5}  a.gz\n"), format!("{}  b.gz\n", &md5[..12]), "These are digests.\n");
    for (text, line) in [
        (format!("{good}{cut}"), 2),
        (format!("{cut}{good}"), 1),
        (format!("{words}{cut}{good}"), 2),
        (format!("{words}{good}{words}{cut}"), 4),
    ] {
        let found = read_named("md5sum.txt", text.as_bytes(), options(Some(Format::Sums), Some("ftp://h/")));
        let errors: Vec<&LineError> = found.iter().filter_map(|one| one.as_ref().err()).collect();
        assert_eq!((found.len(), errors.len()), (2, 1), "{text}: {found:?}");
        assert_eq!((errors[0].line, errors[0].fatal), (line, false), "{text}: {found:?}");
    }
    // Nothing else is there: no list at all, or a list of bad lines.
    for (number, errors) in [(3, 1), (200, 200)] {
        let text = format!("{words}{}", cut.repeat(number));
        let found = read_named("md5sum.txt", text.as_bytes(), options(Some(Format::Sums), Some("ftp://h/")));
        assert_eq!(found.iter().filter(|one| one.is_err()).count(), errors, "{number}: {:?}", found.first());
    }
}

#[test]
fn an_escape_that_no_tool_writes_is_no_part_of_a_name() {
    let md5 = "d41d8cd98f00b204e9800998ecf8427e";
    for (name, is_right) in [(r"a\qb", false), ("a\\", false), (r"a\\b", true)] {
        let text = format!("\\{md5}  {name}\n");
        let found = read_named("md5sum.txt", text.as_bytes(), options(Some(Format::Sums), Some("ftp://h/")));
        let said = format!("{:?}", found[0]);
        assert_eq!(found[0].is_err() && said.contains("leave out the"), !is_right, "{name}: {said}");
    }
}

#[test]
fn sftp_is_not_ftp() {
    for (text, is_ftp) in [("sftp://h/a\n", false), ("1.ftp://h/a\n", true), ("x,FTPES://h/a\n", true)] {
        let said = format!("{:?}", read(text.as_bytes()));
        assert_eq!(said.contains("no URL of FTP in this list"), !is_ftp, "{text}: {said}");
    }
}
