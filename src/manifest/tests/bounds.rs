//! Lists made to harm, and lists of which only a part can be used.

use super::*;
use crate::model::PieceDigests;

fn reader(text: String, options: ReadOptions) -> Reader {
    Reader::open(Box::new(BufReader::new(Cursor::new(text.into_bytes()))), "m".to_owned(), options)
}

/// Entries, errors and warnings of a text.
fn all(text: &str, options: ReadOptions) -> (Vec<Entry>, Vec<LineError>, Vec<Warning>) {
    let mut reader = reader(text.to_owned(), options);
    let (mut entries, mut errors) = (Vec::new(), Vec::new());
    for read in reader.by_ref() {
        match read {
            Ok(entry) => entries.push(entry),
            Err(error) => errors.push(error),
        }
    }
    let warnings = reader.take_warnings();
    assert!(reader.take_warnings().is_empty(), "a warning is given once");
    (entries, errors, warnings)
}

fn metalink(inner: &str) -> String {
    format!("<metalink><file name=\"a\"><url>ftp://h/a</url>{inner}</file></metalink>")
}

#[test]
fn mirrors_beyond_the_bound_are_left_out_and_said_to_be() {
    let urls = (0..50).map(|n| format!("\tftp://h{n}/a")).collect::<Vec<_>>().concat();
    let (entries, errors, warnings) = all(&format!("ftp://h/a{urls}\n"), options(None, None));
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(entries[0].spec.mirrors.len(), 32);
    assert!(warnings.iter().any(|w| w.message.contains("18 of its mirrors")), "{warnings:?}");
    // The best of a Metalink are kept.
    let urls = (1..=50).rev().map(|n| format!("<url priority=\"{n}\">ftp://h{n}/a</url>")).collect::<Vec<_>>().concat();
    let (entries, ..) = all(&metalink(&urls), options(None, None));
    assert_eq!(entries[0].spec.source.to_string(), "ftp://h1/a");
    assert_eq!(entries[0].spec.mirrors[0].source.to_string(), "ftp://h2/a");
    assert_eq!(entries[0].spec.mirrors[0].priority, 2);
    assert_eq!(entries[0].spec.mirrors.len(), 32);
    for text in [metalink(&urls.repeat(30)), format!("ftp://h/a{}\n", "\tftp://i/a".repeat(2000))] {
        let (entries, errors, _) = all(&text, options(None, None));
        assert!(entries.is_empty() && errors[0].message.contains("more than 1000 URLs"), "{errors:?}");
    }
}

#[test]
fn the_same_mirror_twice_is_one() {
    let (entries, ..) = all("ftp://h/a\tftp://h/a\tftp://i/a\tftp://I/a\n", options(None, None));
    assert_eq!(entries[0].spec.mirrors.len(), 1);
}

#[test]
fn pieces_beyond_the_bound_are_left_out_and_said_to_be() {
    let hash = format!("<hash>{}</hash>", "0".repeat(32));
    for (count, kept) in [(PieceDigests::MOST, true), (PieceDigests::MOST + 1, false)] {
        let pieces = format!("<pieces length=\"9\" type=\"md5\">{}</pieces>", hash.repeat(count));
        let (entries, errors, warnings) = all(&metalink(&pieces), options(None, None));
        assert!(errors.is_empty(), "{errors:?}");
        let found = entries[0].spec.expect.pieces.as_ref().map(|pieces| pieces.count());
        assert_eq!(found, kept.then_some(count));
        assert_eq!(warnings.iter().any(|w| w.message.contains("16384 pieces")), !kept, "{warnings:?}");
    }
}

#[test]
fn the_strongest_digests_of_pieces_are_taken_whatever_their_order() {
    let pieces = |kind: &str, digits| {
        format!("<pieces length=\"9\" type=\"{kind}\"><hash>{}</hash></pieces>", "0".repeat(digits))
    };
    let (md5, sha, other) = (pieces("md5", 32), pieces("sha-256", 64), pieces("sha-384", 96));
    for inner in [format!("{md5}{sha}{other}"), format!("{other}{sha}{md5}")] {
        let (entries, errors, _) = all(&metalink(&inner), options(None, None));
        assert!(errors.is_empty(), "{errors:?}");
        let found = entries[0].spec.expect.pieces.as_ref().unwrap();
        assert_eq!(found.algorithm(), crate::model::Algorithm::Sha256);
    }
}

#[test]
fn a_digest_of_an_unknown_kind_is_a_warning_unless_another_is_known() {
    let hash = |kind: &str, digits| format!("<hash type=\"{kind}\">{}</hash>", "0".repeat(digits));
    let unknown = hash("sha-384", 96);
    let (entries, _, warnings) = all(&metalink(&unknown), options(None, None));
    assert!(entries[0].spec.expect.checksum.is_none());
    assert!(warnings[0].message.contains("not verified"), "{warnings:?}");
    let (entries, _, warnings) = all(&metalink(&(unknown + &hash("sha1", 40))), options(None, None));
    assert!(entries[0].spec.expect.checksum.is_some() && warnings.is_empty(), "{warnings:?}");
}

/// CVE-2003-1564 and kin: entities that swell; and depth, length and number of everything else.
#[test]
fn a_document_made_to_harm_ends_in_an_error() {
    let deep = format!("<metalink>{}", "<a>".repeat(100_000));
    let attributes = (0..100).map(|n| format!(" a{n}=\"\"")).collect::<Vec<_>>().concat();
    for (text, words) in [
        (
            "<!DOCTYPE m [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><metalink>&b;</metalink>".to_owned(),
            "type definition",
        ),
        ("<metalink>&b;</metalink>".to_owned(), "reference"),
        (deep, "nested"),
        (format!("<metalink><{}/></metalink>", "a".repeat(1000)), "longer than 200"),
        (format!("<metalink><a{attributes}/></metalink>"), "32 attributes"),
        ("<metalink><a b=\"1\" b=\"2\"/></metalink>".to_owned(), "twice"),
        (format!("<metalink><!--{}--></metalink>", "x".repeat(MAX_LINE + 9)), "longer than 1048576"),
        (format!("<metalink a=\"{}\"/>", "x".repeat(MAX_LINE + 9)), "longer than 1048576"),
        (metalink(&format!("<size>{}</size>", "1".repeat(100_000))), "longer than 65536"),
        (metalink(&format!("<url>ftp://h/{}</url>", "&amp;".repeat(100_000))), "longer than 65536"),
        (metalink("<file name=\"b\"/>"), "within another"),
        (metalink("<size>1<b/></size>"), "text alone"),
        ("<metalink/><metalink/>".to_owned(), "second"),
        ("<metalink/>x".to_owned(), "outside"),
        ("<!-- nothing -->".to_owned(), "no document"),
    ] {
        let shown: String = text.chars().take(80).collect();
        let (entries, errors, _) = all(&text, options(None, None));
        assert!(errors.len() == 1 && errors[0].message.contains(words), "{shown}: {errors:?} {}", entries.len());
    }
}

#[test]
fn an_object_or_an_element_without_end_ends_in_an_error_and_not_in_memory() {
    for (format, head) in [
        (Format::EnaJson, "[{\"fastq_ftp\":\""),
        (Format::EnaJson, "[{\"a\":[["),
        (Format::Metalink, "<metalink><a "),
        (Format::Metalink, "<metalink><!--"),
        (Format::Metalink, "<metalink><file name=\"a\"><url>"),
        (Format::Ena, "fastq_ftp\nh/a"),
        (Format::Aria2, "ftp://h/a\t"),
        (Format::Sums, "x  "),
    ] {
        let made = Arc::new(AtomicU64::new(0));
        let rest = Cursor::new(head.as_bytes().to_vec());
        let source = Endless { rows: 0..300_000, rest, made: made.clone(), row: |_| "aaaaaaaaaaaaaaaa".to_owned() };
        let found: Vec<_> =
            Reader::open(Box::new(BufReader::new(source)), "m".into(), options(Some(format), None)).collect();
        let error = found[0].as_ref().unwrap_err();
        assert!(error.message.contains("1048576") || error.message.contains("bytes long"), "{format:?}: {error}");
        assert_eq!(found.len(), 1, "{format:?}");
        if error.fatal {
            assert!(made.load(Ordering::Relaxed) < 2 * MAX_LINE as u64, "{format:?}: {made:?}");
        }
    }
}

#[test]
fn a_list_of_names_without_a_base_is_refused_once_and_says_the_way_out() {
    let md5 = "d41d8cd98f00b204e9800998ecf8427e";
    for text in [format!("{md5}  a\n{md5}  b\n"), "1 2 a\n3 4 b\n".to_owned(), "FASTQ_FILE\na\nb\n".to_owned()] {
        let (entries, errors, _) = all(&text, options(None, None));
        assert!(entries.is_empty() && errors.len() == 1, "{errors:?}");
        assert!(errors[0].fatal && errors[0].message.contains("--base ftp://HOST/FOLDER"), "{errors:?}");
    }
}

/// Names are bytes of a path, not parts of a URL.
#[test]
fn names_in_lists_of_checksums_stand_for_themselves() {
    let md5 = "d41d8cd98f00b204e9800998ecf8427e";
    for (name, url) in [
        ("a#b?c%41;type=a", "ftp://h/d/a%23b%3Fc%2541%3Btype=a"),
        ("a*[b]?", "ftp://h/d/a*%5Bb%5D%3F"),
        ("./x/ü y", "ftp://h/d/x/%C3%BC%20y"),
        ("-rf", "ftp://h/d/-rf"),
        ("u:v@w", "ftp://h/d/u:v@w"),
    ] {
        let (entries, errors, _) = all(&format!("{md5}  {name}\n"), options(None, Some("ftp://h/d")));
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(entries[0].spec.source.to_string(), url);
        let local = name.strip_prefix("./").unwrap_or(name);
        assert_eq!(entries[0].spec.destination.to_string(), format!("/data/{local}"));
    }
}

#[test]
fn an_option_without_use_is_named_once_with_its_line() {
    let text = "ftp://h/a\n  header=x\n  gid=1\nftp://h/b\n  header=y\n  pause=true\nftp://h/c\n  pause=false\n";
    let (entries, errors, warnings) = all(text, options(Some(Format::Aria2), None));
    assert_eq!((entries.len(), errors.len()), (3, 0));
    let said: Vec<(u64, bool)> = warnings.iter().map(|w| (w.line, w.message.contains("`header`"))).collect();
    assert_eq!(said, [(2, true), (3, false), (6, false)], "{warnings:?}");
}

#[test]
fn warnings_that_nobody_takes_stay_bounded() {
    let text = (0..5000).map(|n| format!("ftp://h/{n}\thttp://i/{n}\n")).collect::<Vec<_>>().concat();
    let (entries, _, warnings) = all(&text, options(None, None));
    assert_eq!((entries.len(), warnings.len()), (5000, 1001));
    assert!(warnings[1000].message.contains("4000 more"), "{:?}", warnings[1000]);
    assert_eq!(warnings[1000].line, 5000);
}

#[test]
fn an_option_of_the_command_line_that_does_nothing_is_said_to() {
    let idle = ReadOptions {
        suffixes: vec!["_genomic.fna.gz".to_owned()],
        columns: vec![EnaColumn::Sra],
        ..options(None, None)
    };
    let (_, _, warnings) = all("ftp://h/a\n", idle);
    assert!(warnings[0].message.contains("--suffix") && warnings[1].message.contains("--columns"), "{warnings:?}");
}

#[test]
fn the_columns_of_a_report_are_those_named_or_the_first() {
    let text = "submitted_ftp\tsra_ftp\nh/a\th/b\n";
    let found = |columns: &[EnaColumn]| {
        let options = ReadOptions { columns: columns.to_vec(), ..options(None, None) };
        let (entries, errors, _) = all(text, options);
        let urls: Vec<String> = entries.iter().map(|entry| entry.spec.source.to_string()).collect();
        (urls, errors.first().map(|error| error.message.clone()).unwrap_or_default())
    };
    assert_eq!(found(&[]).0, ["ftp://h/a"]);
    assert_eq!(found(&[EnaColumn::Sra]).0, ["ftp://h/b"]);
    let (none, why) = found(&[EnaColumn::Fastq]);
    assert!(none.is_empty() && why.contains("fastq_ftp") && why.contains("submitted, sra"), "{why}");
}

#[test]
fn a_folder_of_aria2_lies_below_the_one_that_is_named() {
    for (dir, place) in [
        ("sub", "/data/sub/a"),
        ("./sub/./deep/", "/data/sub/deep/a"),
        (".", "/data/a"),
        ("/data", "/data/a"),
        ("/data/x", "/data/x/a"),
    ] {
        let (entries, errors, _) = all(&format!("ftp://h/a\n dir={dir}\n"), options(None, None));
        assert!(errors.is_empty(), "{dir}: {errors:?}");
        assert_eq!(entries[0].spec.destination.to_string(), place, "{dir}");
    }
}

#[test]
fn options_of_aria2_become_settings() {
    for (option, json) in [
        ("split=5", r#"{"split":true}"#),
        ("split=1", r#"{"split":false}"#),
        ("max-connection-per-server=1\n split=8", r#"{"split":false}"#),
        ("max-download-limit=0", "{}"),
        ("max-download-limit=500K", r#"{"limit-rate":512000}"#),
        ("max-tries=0", r#"{"retries":1000000}"#),
        ("max-tries=1", r#"{"retries":0}"#),
        ("ftp-pasv=true", r#"{"data-mode":"passive"}"#),
        ("ftp-type=binary", r#"{"type":"image"}"#),
        ("continue=true", r#"{"existing":"resume"}"#),
        ("continue=false", "{}"),
        ("pause=false", "{}"),
    ] {
        let (entries, errors, _) = all(&format!("ftp://h/a\n {option}\n"), options(None, None));
        assert!(errors.is_empty(), "{option}: {errors:?}");
        assert_eq!(serde_json::to_string(&entries[0].spec.settings).unwrap(), json, "{option}");
    }
}

/// Rows that are as long as a line may be: few jobs or an error, and nothing that grows with the square of the length.
#[test]
fn a_row_made_to_harm_is_one_error() {
    let many = |part: &str, most: usize| part.repeat(most / part.len());
    for (row, words) in [
        (
            format!("ftp://h/0{}", (1..2000).map(|n| format!("\tftp://h/{n}")).collect::<Vec<_>>().concat()),
            "more than 1000 URLs in one row",
        ),
        (
            format!("ftp://h/0{}", (1..2000).map(|n| format!(";ftp://h/{n}")).collect::<Vec<_>>().concat()),
            "more than 1000 URLs in one row",
        ),
        (format!("ftp://h/a{}", "\tftp://i/a".repeat(2000)), "more than 1000 URLs in one row"),
        (format!("ftp://h/a\t{}", many("a ", MAX_LINE - 20)), "more than 1000 words"),
        (format!("ftp://h/a\t{}", many("1;", MAX_LINE - 20)), "values for 1 file:"),
        (format!("ftp://h/a;{}", many("h/a;", MAX_LINE - 20)), "more than 1000 URLs in one row"),
        (format!("ftp://h/a{}", many(" #x", MAX_LINE - 20)), "may begin a comment"),
        (format!("ftp://h/a\t{}", many("  x", MAX_LINE - 20)), "one destination at most"),
        (format!("ftp://h/{}", many(";,", MAX_LINE - 20)), "the URL is"),
    ] {
        let (entries, errors, warnings) = all(&format!("{row}\nftp://h/good\n"), options(None, None));
        let shown: String = row.chars().take(40).collect();
        assert_eq!((entries.len(), errors.len()), (1, 1), "{shown}: {errors:?}");
        assert!(errors[0].message.contains(words), "{shown}: {}", errors[0]);
        assert!(warnings.len() <= 2, "{warnings:?}");
    }
}

#[test]
fn lines_of_one_file_in_a_list_of_checksums_are_one_job() {
    let (md5, sha) = ("d41d8cd98f00b204e9800998ecf8427e", "0a".repeat(32));
    let base = || options(None, Some("ftp://h/d"));
    for (text, found) in [
        (format!("MD5 (a) = {md5}\nSHA256 (a) = {sha}\nSIZE (a) = 5\n"), vec![("sha-256", Some(5))]),
        (format!("SHA256 (a) = {sha}\nMD5 (a) = {md5}\n"), vec![("sha-256", None)]),
        (format!("MD5 (a) = {md5}\nMD5 (b) = {md5}\nSIZE (b) = 7\n"), vec![("md5", None), ("md5", Some(7))]),
        (format!("RMD160 (a) = {md5}\nMD5 (a) = {md5}\nSize (a) = 5 bytes\n"), vec![("md5", Some(5))]),
        (format!("{md5}  a\n{sha}  b\nSIZE (b) = 1\n"), vec![("md5", None), ("sha-256", Some(1))]),
    ] {
        let (entries, errors, _) = all(&text, base());
        assert!(errors.is_empty(), "{text}: {errors:?}");
        let said: Vec<_> = entries
            .iter()
            .map(|e| (e.spec.expect.checksum.as_ref().map_or("", |sum| sum.algorithm().name()), e.spec.expect.size))
            .collect();
        assert_eq!(said, found, "{text}");
    }
    for (text, words) in [
        (format!("SHA256 (a) = {sha}\nSHA256 (a) = {}\nSIZE (a) = 5\n", "1b".repeat(32)), "a second checksum"),
        (format!("SHA256 (a) = {sha}\nSIZE (a) = 5\nSIZE (a) = 6\n"), "a second size"),
        (format!("SHA256 (a) = {sha}\nSIZE (a) = 5,000\n"), "whole number of bytes"),
        (format!("MD5 (b) = {md5}\nRMD160 (a) = {md5}\nSIZE (a) = 5\n"), "does not know this kind"),
    ] {
        let (entries, errors, _) = all(&text, base());
        assert!(errors.len() == 1 && errors[0].message.contains(words), "{text}: {errors:?}");
        assert!(entries.iter().all(|e| e.spec.expect.checksum.is_some()), "{text}: {entries:?}");
    }
}

/// Words around a table are counted in one warning; what may be a part of the table is an error.
#[test]
fn words_in_a_list_of_checksums_are_counted_and_damage_is_an_error() {
    let md5 = "d41d8cd98f00b204e9800998ecf8427e";
    let read = |text: &str| all(text, options(Some(Format::Sums), Some("ftp://h/d")));
    for prose in ["See below.", "add a file", "decade by decade", "12 files", "MD5   Name", "RWQ0x/3Jd8f00b204e98Zz=="]
    {
        let (entries, errors, warnings) = read(&format!("{prose}\n{md5}  a\n\n{prose}\n"));
        assert_eq!((entries.len(), errors.len(), warnings.len()), (1, 0, 1), "{prose}: {errors:?}");
        assert!(warnings[0].line == 1 && warnings[0].message.contains("2 lines are left out"), "{warnings:?}");
        let (_, errors, _) = read(&format!("\n{prose}\n"));
        assert!(errors[0].fatal && errors[0].line == 2, "{prose}: {errors:?}");
    }
    for damage in [
        &md5[..20],
        &md5[..8],
        "ab d41d8cd98f00b204e9  a",
        "MD5 (a) = d4",
        "SHA384 (b) = 00",
        &format!("{md5}x a"),
        "d41d8cd98f00b2  b",
    ] {
        let (_, errors, _) = read(&format!("{md5}  a\n{damage}\n"));
        assert!(errors.len() == 1 && errors[0].line == 2, "{damage}: {errors:?}");
    }
}

/// Only of a whole text can it be said that there is no URL in it.
#[test]
fn a_list_with_its_urls_behind_a_long_preface_is_read() {
    let preface = "# words about the list\n".repeat(1000);
    let (entries, errors, _) = all(&format!("{preface}ftp://h/a\n"), options(None, None));
    assert_eq!((entries.len(), errors.len()), (1, 0), "{errors:?}");
    let text = format!("{}ftp://h/a\n", "words\n".repeat(4000));
    let (entries, errors, _) = all(&text, options(None, None));
    assert!(entries.len() == 1 && errors.len() == 4000 && errors.iter().all(|error| !error.fatal), "{:?}", errors[0]);
    let (_, errors, _) = all("words\nwords\n", options(None, None));
    assert!(errors.len() == 1 && errors[0].fatal, "{errors:?}");
}

/// A first file's name is counted in characters, however far right it stands.
#[test]
fn columns_of_a_row_are_counted_in_characters() {
    let (_, errors, _) = all("ftp://h/ü.gz\t../x\nftp://h/u.gz\t../x\n", options(None, None));
    assert_eq!(errors.iter().map(|error| error.column).collect::<Vec<_>>(), [14, 14], "{errors:?}");
}

/// By the format the second field is a name, whatever it looks like; where the file's name alone told the format, it may
/// be something else.
#[test]
fn the_second_field_of_a_list_of_rclone_is_a_name() {
    let md5 = "d41d8cd98f00b204e9800998ecf8427e";
    for (name, column) in [(md5, "checksum"), ("2024", "size"), ("NA", "nothing")] {
        let text = format!("ftp://h/a.bin,{name}\n");
        let (entries, errors, _) = all(&text, options(Some(Format::Rclone), None));
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(entries[0].spec.destination.to_string(), format!("/data/{name}"));
        let found = read_named("m.csv", text.as_bytes(), options(None, None)).remove(0).unwrap().spec;
        assert_eq!(found.destination.to_string(), "/data/a.bin");
        let told = (found.expect.checksum.is_some(), found.expect.size.is_some());
        assert_eq!(told, (column == "checksum", column == "size"), "{name}");
    }
}
