//! Listings that have harmed other clients, over the wire: what comes out of a session, and what a file may be named here.

use super::listings::{dial, folder, in_time, now};
use crate::support::{Act, Scripted, Traits};
use ftpq::{
    ftp::Session,
    model::{Cause, DataMode, Failure, FailureKind, RemotePath, Stage},
    policy::{Collision, FoldedNames, local_name},
    wire::listing::{Entry, Item, Kind, Refusal, Refused, Size},
};
use std::{fmt::Write, fs, sync::Arc};

/// A server whose folder holds these lines; by MLSD or by LIST.
fn server(lines: Vec<u8>, mlst: bool) -> Scripted {
    let lines = Arc::new(lines);
    let server = Scripted::with(Traits { mlst, ..Traits::default() }, move |turn| match turn.verb {
        "MLSD" | "LIST" if turn.honest.is_some() => {
            let mut delivery = turn.delivery();
            (delivery.data, delivery.upto) = (Arc::clone(&lines), lines.len());
            Act::Deliver(delivery)
        }
        _ => Act::Usual,
    });
    server.put_folder("d");
    server
}

/// What a session makes of a folder with these lines.
fn listed(lines: Vec<u8>, mlst: bool) -> Result<Vec<Item>, Failure> {
    let server = server(lines, mlst);
    let (dial, _) = dial(&server.url(""), None, DataMode::Auto);
    in_time(async {
        let mut session = Session::open(&dial).await.unwrap();
        let mut listing = session.list(&folder("d"), now()).await?;
        let mut items = Vec::new();
        while let Some(item) = listing.next().await? {
            items.push(item);
        }
        Ok(items)
    })
}

/// The same names by MLSD and as `ls -l` has them.
fn both(names: &[&str]) -> [Vec<Item>; 2] {
    let machine = |name: &&str| format!("type=file;size=5;modify=20240229123456; {name}\r\n");
    let people = |name: &&str| format!("-rw-r--r--   1 ftp ftp 5 Feb 29  2024 {name}\r\n");
    let lines = |line: &dyn Fn(&&str) -> String| names.iter().map(line).collect::<String>().into_bytes();
    [listed(lines(&machine), true).unwrap(), listed(lines(&people), false).unwrap()]
}

/// The local names that come of these names on the server. Whatever is taken has to be one component of the remote path.
fn local_names(names: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for item in both(names).into_iter().flatten() {
        let Item::Entry(entry) = item else { continue };
        let path = folder("d").join(&entry.name, false).unwrap();
        assert_eq!(path.as_bytes().iter().filter(|&&b| b == b'/').count(), 1, "{path:?}");
        found.extend(local_name(&entry.name));
    }
    found
}

#[test]
fn cve_2002_1344_cve_2002_1345_a_listing_over_the_wire_leads_nowhere_else() {
    let names = ["../../etc/passwd", "/etc/passwd", "..", ".", "/", "a/../../b", "...//..", "./x", "good"];
    assert_eq!(local_names(&names), ["good", "good"]);
}

#[test]
fn cve_2004_1294_a_slash_over_the_wire_is_refused_with_its_reason() {
    for items in both(&["deep/er", "good"]) {
        assert!(
            matches!(&items[..], [Item::Refused(Refused { why: Refusal::Slash, .. }), Item::Entry(_)]),
            "{items:?}"
        );
    }
}

#[test]
fn cve_2010_3096_cve_2010_3099_cve_2010_3102_backslashes_over_the_wire_name_nothing_here() {
    assert_eq!(local_names(&["..\\..\\x", "a\\b", "\\\\host\\share", "C:\\x", "good"]), ["good", "good"]);
}

#[test]
fn cve_2026_27699_no_name_over_the_wire_hides_where_it_leads() {
    let names = [".a.ftpq-part", "a\u{1b}[2J", "..\u{7f}", "x\u{85}", "..\\", "../", "photo\u{202e}gpj.exe", "good"];
    assert_eq!(local_names(&names), ["good", "good"]);
}

#[test]
fn cve_2014_4877_a_link_and_a_folder_of_its_name_are_told_apart_and_as_a_pair() {
    let lines = b"lrwxrwxrwx 1 ftp ftp 4 Jan 01 2024 d -> /etc\r\ndrwxr-xr-x 2 ftp ftp 4096 Jan 01 2024 d\r\n".to_vec();
    let items = listed(lines, false).unwrap();
    let [Item::Entry(link), Item::Entry(folder)] = &items[..] else { panic!("{items:?}") };
    assert_eq!((&link.kind, &folder.kind), (&Kind::Link(Some(b"/etc".to_vec())), &Kind::Folder));
    let mut names = FoldedNames::default();
    let met: Vec<_> = [link, folder].iter().map(|e| names.meet(&local_name(&e.name).unwrap())).collect();
    assert_eq!(met, [None, Some(Collision::Same)]);
}

#[test]
fn mlsd_names_that_are_double_or_differ_by_case_are_told_over_the_wire() {
    for items in both(&["a", "A", "a", "b", "zero\u{200b}width"]) {
        let mut names = FoldedNames::default();
        let met: Vec<_> = items
            .iter()
            .filter_map(|item| match item {
                Item::Entry(entry) => local_name(&entry.name).ok(),
                Item::Refused(_) => None,
            })
            .map(|name| names.meet(&name))
            .collect();
        assert_eq!(met, [None, Some(Collision::Case), Some(Collision::Case), None]);
    }
}

#[test]
fn cve_2015_4022_cve_2015_4643_lengths_over_the_wire_are_numbers_or_none() {
    let sizes = ["18446744073709551616", "99999999999999999999", "-1", "9223372036854775807"];
    let line = |size: &&str| format!("type=file;size={size}; {size}\r\n");
    let items = listed(sizes.iter().map(line).collect::<String>().into_bytes(), true).unwrap();
    let size = |item: &Item| match item {
        Item::Entry(Entry { size, .. }) => *size,
        Item::Refused(refused) => panic!("{refused:?}"),
    };
    let exact = Some(Size::Exact(i64::MAX as u64));
    assert_eq!(items.iter().map(size).collect::<Vec<_>>(), [None, None, None, exact]);
}

#[test]
fn cve_2010_20049_cve_2010_20108_cve_2003_0963_long_names_over_the_wire_are_refused_by_themselves() {
    let long = "n".repeat(9_000);
    for items in both(&["x", &long, "y"]) {
        let why = Refusal::TooLong(9_000);
        let [Item::Entry(_), Item::Refused(refused), Item::Entry(_)] = &items[..] else { panic!("{items:?}") };
        assert_eq!(refused.why, why);
    }
    let failure = listed("n".repeat(20_000).into_bytes(), true).unwrap_err();
    assert_eq!((failure.kind, failure.stage, failure.cause), (FailureKind::Permanent, Stage::List, Cause::Refused));
}

/// Bytes that this process holds in memory.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// However long it is: what comes is handed on, and nothing is kept.
#[test]
fn ghsa_rp42_5vxx_qpwr_a_long_listing_over_the_wire_is_never_held_in_memory() {
    const ENTRIES: usize = 300_000;
    let mut lines = String::new();
    for at in 0..ENTRIES {
        write!(lines, "type=file;size={at};modify=20240229123456; a file of some length {at}\r\n").unwrap();
    }
    let whole = lines.len() as u64;
    let server = server(lines.into_bytes(), true);
    let (dial, _) = dial(&server.url(""), None, DataMode::Auto);
    in_time(async {
        let mut session = Session::open(&dial).await.unwrap();
        let before = resident();
        let mut listing = session.list(&folder("d"), now()).await.unwrap();
        let (mut count, mut most) = (0, 0);
        while let Some(item) = listing.next().await.unwrap() {
            assert!(matches!(item, Item::Entry(_)));
            count += 1;
            if count % 10_000 == 0 {
                most = most.max(resident().saturating_sub(before));
            }
        }
        assert_eq!(count, ENTRIES);
        assert_eq!(listing.bytes(), whole);
        assert!(most < whole / 4, "{most} bytes more for a listing of {whole}");
        drop(listing);
        assert!(session.is_usable());
    });
}

/// A path of the listing goes back to the server as the bytes that came.
#[test]
fn listed_names_go_back_as_they_came() {
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, |_| Act::Usual);
    for name in ["d/ a b ", "d/-x", "d/#%41;=", "d/grün", "d/*?[1]"] {
        server.put(name, name.as_bytes());
    }
    let (dial, _) = dial(&server.url(""), None, DataMode::Auto);
    in_time(async {
        let mut session = Session::open(&dial).await.unwrap();
        let mut listing = session.list(&folder("d"), now()).await.unwrap();
        let mut paths: Vec<RemotePath> = Vec::new();
        while let Some(item) = listing.next().await.unwrap() {
            let Item::Entry(entry) = item else { panic!("{item:?}") };
            paths.push(folder("d").join(&entry.name, false).unwrap());
        }
        drop(listing);
        assert_eq!(paths.len(), 5);
        for path in paths {
            let identity = session.inspect(&path).await.unwrap();
            assert_eq!(identity.size, Some(path.as_bytes().len() as u64), "{path:?}");
        }
    });
}
