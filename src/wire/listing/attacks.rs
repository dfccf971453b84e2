//! Listings that have harmed other clients; each test carries the id of the case.

use super::{Excess, Form, Item, Kind, Limits, Listing, Refusal, Size};
use crate::model::RelPath;

/// All items of a listing, under these limits.
fn items(form: Form, text: &[u8], limits: Limits) -> Result<Vec<Item>, Excess> {
    let mut listing = Listing::new(form, 1_700_000_000, limits);
    assert!(text.ends_with(b"\n"), "a cut listing");
    let (mut input, mut found) = (text, Vec::new());
    while let Some(item) = listing.next(&mut input)? {
        found.push(item);
    }
    while let Some(item) = listing.finish()? {
        found.push(item);
    }
    Ok(found)
}

/// A name as a line of MLSD, of `ls -l`, of DOS, and of EPLF.
fn listed(name: &str) -> Vec<Item> {
    let people = [
        format!("-rw-r--r-- 1 ftp ftp 5 Jan 01 2024 {name}\r\n"),
        format!("04-27-00  12:09PM  5 {name}\r\n"),
        format!("+r,s5,m824255902,\t{name}\r\n"),
    ];
    let mut all = items(Form::Machine, format!("type=file;size=5; {name}\r\n").as_bytes(), Limits::default()).unwrap();
    all.extend(people.iter().flat_map(|line| items(Form::People, line.as_bytes(), Limits::default()).unwrap()));
    all
}

/// The local names that come of a listing: what the parser lets through, and a destination may be made of.
fn local_names(name: &str) -> Vec<String> {
    let names = listed(name).into_iter().filter_map(|item| match item {
        Item::Entry(entry) => String::from_utf8(entry.plain_name().into_owned()).ok(),
        Item::Refused(_) => None,
    });
    names.filter(|name| !name.contains('/') && RelPath::new(name.as_str()).is_ok()).collect()
}

#[test]
fn cve_2002_1344_cve_2002_1345_a_listed_name_is_one_component() {
    for name in ["../../etc/passwd", "/etc/passwd", "..", ".", "/", "a/../../b", "...//..", "./x"] {
        assert_eq!(local_names(name), Vec::<String>::new(), "{name}");
        for item in listed(name) {
            let Item::Entry(entry) = item else { continue };
            let name = String::from_utf8_lossy(&entry.name).into_owned();
            assert!(!name.contains('/') && name != ".." && name != ".", "{name:?}");
        }
    }
    assert!(!local_names("plain").is_empty(), "the lines themselves are good");
}

#[test]
fn cve_2004_1294_a_listed_slash_is_refused_with_its_reason() {
    let found = items(Form::Machine, b"type=file;size=5; deep/er\r\n", Limits::default()).unwrap();
    assert!(matches!(&found[..], [Item::Refused(refused)] if refused.why == Refusal::Slash), "{found:?}");
}

#[test]
fn cve_2010_3096_cve_2010_3099_cve_2010_3102_a_listed_backslash_names_no_local_file() {
    for name in ["..\\..\\x", "a\\b", "\\\\host\\share", "C:\\x"] {
        assert_eq!(local_names(name), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn cve_2026_27699_no_listed_name_leads_out_of_the_folder() {
    for name in [".a.ftpq-part", "a\u{0}b", "a\u{1b}[2J", "..\u{7f}", "x\u{85}", "..\\", "../", "a\rb"] {
        assert_eq!(local_names(name), Vec::<String>::new(), "{name:?}");
    }
}

/// A link that leads out, and then a folder of its name: both are told for what they are, and nothing is made of either.
#[test]
fn cve_2014_4877_a_listed_link_stays_a_link_beside_a_folder_of_its_name() {
    let text = b"lrwxrwxrwx 1 ftp ftp 4 Jan 01 2024 d -> /etc\r\ndrwxr-xr-x 2 ftp ftp 4096 Jan 01 2024 d\r\n";
    let found = items(Form::People, text, Limits::default()).unwrap();
    let [Item::Entry(link), Item::Entry(folder)] = &found[..] else { panic!("{found:?}") };
    assert_eq!((link.name.as_slice(), &link.kind), (&b"d"[..], &Kind::Link(Some(b"/etc".to_vec()))));
    assert_eq!((folder.name.as_slice(), &folder.kind), (&b"d"[..], &Kind::Folder));
}

/// Entries, bytes or one line without end: an error at the limit, and no more memory than a line.
#[test]
fn ghsa_rp42_5vxx_qpwr_an_endless_listing_meets_a_limit() {
    let endless = |text: &[u8], limits: Limits| {
        let mut listing = Listing::new(Form::Machine, 0, limits);
        let mut given = 0u64;
        loop {
            let mut input = text;
            loop {
                match listing.next(&mut input) {
                    Ok(Some(_)) => given += 1,
                    Ok(None) => break,
                    Err(excess) => return (given, excess),
                }
            }
            assert!(listing.begun.capacity() <= 4 * limits.line && listing.ready.len() <= 2, "it is kept");
        }
    };
    let limits = Limits { line: 10_000, bytes: 3 << 20, entries: 20_000, name: 1024 };
    assert_eq!(endless(b"type=file; a\n", limits), (20_000, Excess::Entries(20_000)));
    assert_eq!(endless(&[b"type=file; ".to_vec(), vec![b'n'; 900], b"\n".to_vec()].concat(), limits).1, {
        Excess::Bytes(3 << 20)
    });
    assert_eq!(endless(b"x", limits), (0, Excess::Line(10_000)));
    assert_eq!(endless(b"\r\n", limits).1, Excess::Bytes(3 << 20));
    // Refused lines count too.
    assert_eq!(endless(b"rubbish\n", limits).1, Excess::Entries(20_000));
    let usual = Limits::default();
    assert!(usual.entries <= 10_000_000 && usual.bytes <= 4 << 30 && usual.line <= 64 << 10, "{usual:?}");
}

/// PHP added up lengths until the sum was small again.
#[test]
fn cve_2015_4022_cve_2015_4643_a_length_that_no_number_holds_is_none() {
    // What is glued to letters may be a group's name, so it is only ever a hint.
    let huge = ["18446744073709551616", "99999999999999999999", "-1", "-2147483648", "9".repeat(4000).as_str()]
        .map(str::to_owned);
    for size in &huge {
        let machine = format!("type=file;size={size}; a\r\n");
        let unix = format!("-rw-r--r-- 1 ftp ftp {size} Jan 01 2024 a\r\n");
        let dos = format!("04-27-00  12:09PM  {size} a\r\n");
        for (form, line) in [(Form::Machine, machine), (Form::People, unix), (Form::People, dos)] {
            for item in items(form, line.as_bytes(), Limits::default()).unwrap() {
                let Item::Entry(entry) = item else { continue };
                assert_eq!(entry.size, None, "{size:.30}: {entry:?}");
            }
        }
    }
    // Units and blocks must not carry a length over the end either.
    for size in ["18446744073709551615k", "99999999999999999T", "18014398509481984k"] {
        let line = format!("-rw-r--r-- 1 ftp ftp {size} Jan 01 2024 a\r\n");
        for item in items(Form::People, line.as_bytes(), Limits::default()).unwrap() {
            let Item::Entry(entry) = item else { continue };
            assert!(matches!(entry.size, None | Some(Size::About(u64::MAX))), "{size}: {entry:?}");
        }
    }
}

#[test]
fn cve_2010_20049_cve_2010_20108_cve_2003_0963_long_names_are_refused_by_themselves() {
    for length in [1025, 2000, 9900] {
        let line = format!("type=file;size=1; {}\r\ntype=file;size=2; next\r\n", "n".repeat(length));
        let found = items(Form::Machine, line.as_bytes(), Limits::default()).unwrap();
        let [Item::Refused(refused), Item::Entry(next)] = &found[..] else { panic!("{length}: {found:?}") };
        assert_eq!(refused.why, Refusal::TooLong(length));
        assert!(refused.shown.chars().count() <= 301, "{}", refused.shown.len());
        assert_eq!(next.name, b"next");
    }
    // What the parser takes, and no file system does.
    assert_eq!(local_names(&"n".repeat(256)), Vec::<String>::new());
    assert!(!local_names(&"n".repeat(255)).is_empty());
}

/// Names that mislead a person never become local names; what is double or differs by case alone comes out twice, for
/// whoever asked to decide.
#[test]
fn mlsd_names_that_mislead_are_refused_and_doubles_are_told() {
    for name in ["photo\u{202e}gpj.exe", "a\u{2066}b", "zero\u{200b}width", "\u{feff}x", "line\u{2028}end"] {
        assert_eq!(local_names(name), Vec::<String>::new(), "{name:?}");
    }
    let text = b"type=file;size=1; a\r\ntype=file;size=2; a\r\ntype=file;size=3; A\r\n";
    let found = items(Form::Machine, text, Limits::default()).unwrap();
    let sizes: Vec<_> = found
        .iter()
        .map(|item| match item {
            Item::Entry(entry) => (entry.name.clone(), entry.size),
            Item::Refused(refused) => panic!("{refused:?}"),
        })
        .collect();
    let exact = |name: &[u8], size| (name.to_vec(), Some(Size::Exact(size)));
    assert_eq!(sizes, [exact(b"a", 1), exact(b"a", 2), exact(b"A", 3)]);
}
