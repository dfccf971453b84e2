//! A line of each family of listings, and what is made of it, in a table. All samples stand in `wire::listing::tests`.

use crate::support::report;
use ftpq::wire::listing::{Family, Form, Item, Kind, Limits, Listing, Resolution, Size, Time};
use std::{collections::BTreeSet, fmt::Write};

/// 2026-03-01 12:00 UTC.
const NOW: i64 = 1_772_366_400;

/// Family, lines, and of the last entry: kind, size, time (seconds since 1970), name.
type Sample = (Family, &'static str, char, &'static str, Option<i64>, &'static str);

fn samples() -> Vec<Sample> {
    use Family::{
        As400, Dos, Eplf, Machine, Mvs, NetPresenz, NetWare, NonStop, Os2, Os9, Pds, Unix, VShell, Vms, VxWorks, WfFtp,
        Zvm,
    };
    let day = |days: i64, hours: i64, minutes: i64| Some(days * 86_400 + hours * 3_600 + minutes * 60);
    vec![
        (Machine, "Type=File;Size=7;Modify=20260102030405.5;perm=; a b ", 'f', "7", Some(1_767_323_045), "a b "),
        (Machine, "modify=19600102030405;type=OS.unix=slink:/x; l", 'l', "-", Some(-315_521_755), "l"),
        (
            Unix,
            "-rw-r--r--   1 root     other        531 Jan 29 03:26 README",
            'f',
            "531",
            day(20_482, 3, 26),
            "README",
        ),
        (Unix, "dr-xr-xr-x   2 root     512 Apr  8  1994 no group", 'd', "-", day(8_863, 0, 0), "no group"),
        (Unix, "drwxr-xr-x10 user group 512 Jan 29 03:26 glued", 'd', "-", day(20_482, 3, 26), "glued"),
        (Unix, "-rw-r--r--   1 DOMAIN User Some Group 25 Jan 29 03:26 x", 'f', "25", day(20_482, 3, 26), "x"),
        (Unix, "-rw-r--r--   1 u g 1.5k 29 Jan 03:26 swapped", 'f', "~1536", day(20_482, 3, 26), "swapped"),
        (Unix, "-rw-r--r--   1 u g 5 26. März 2004 deutsch", 'f', "5", day(12_503, 0, 0), "deutsch"),
        (Unix, "-rw-r--r--   1 u g 5 2004年 1月 23日 asia", 'f', "5", day(12_440, 0, 0), "asia"),
        (Unix, "-rw-r--r--   1 u g 5 29.01.2004 03:26 dotted", 'f', "5", day(12_446, 3, 26), "dotted"),
        (Unix, "-rw-r--r--   1 u g 5 Dec 31 24:00 midnight", 'f', "5", day(20_454, 0, 0), "midnight"),
        (Unix, "-rw-r--r--   1 u g 531 no date", 'f', "531", None, "no date"),
        (Unix, "lrwxrwxrwx   1 u g 7 Jan 29 03:26 bin -> usr/bin", 'l', "-", day(20_482, 3, 26), "bin"),
        (NetWare, "- [R----F--] rhesus  214059  Oct 20 15:27  cx.exe", 'f', "214059", day(20_381, 15, 27), "cx.exe"),
        (NetPresenz, "-------r--  326  1391972  1392298 Nov 22  1995 M.sit", 'f', "1391972", day(9_456, 0, 0), "M.sit"),
        (Eplf, "+i8388621.48594,m825718503,r,s280,\tdjb.html", 'f', "280", Some(825_718_503), "djb.html"),
        (Dos, "04-27-00  12:09PM       <DIR>           lead", '?', "-", day(11_074, 12, 9), " lead"),
        (Dos, "04/14/2000  03:47 PM             9,730 thousands", 'f', "9730", day(11_061, 15, 47), "thousands"),
        (Dos, "14/04/2000  15:47                  589 day first", 'f', "589", day(11_061, 15, 47), "day first"),
        (VShell, "206876  Apr 04, 2000 21:06 a file", 'f', "206876", day(11_051, 21, 6), "a file"),
        (Os2, "36611      A    04-23-103  10:57  a b", 'f', "36611", day(12_165, 10, 57), "a b"),
        (
            Vms,
            "LONG-NAME.PS;1\r\n     155   5-JUL-1994 12:00 [A] (R)",
            'f',
            "~79360",
            day(8_951, 12, 0),
            "LONG-NAME.PS;1",
        ),
        (
            Mvs,
            "Volume Unit    Referred Ext Used Recfm Lrecl BlkSz Dsorg Dsname\r\n\
             WPTA01 3290   2004/03/04  1    3  FB     125 10000  PO  A.PDS",
            'd',
            "-",
            day(12_481, 0, 0),
            "A.PDS",
        ),
        (
            Mvs,
            "Volume Unit    Referred Ext Used Recfm Lrecl BlkSz Dsorg Dsname\r\n\
             V43525 Tape                                             A.TAPE\r\n\
             Migrated                                                A.MIGRATED",
            'f',
            "-",
            None,
            "A.MIGRATED",
        ),
        (
            Pds,
            " Name     VV.MM   Created       Changed      Size  Init   Mod   Id\r\n\
             GEN       01.03 2002/09/12 2002/10/11 09:37    11    11     0 USER1",
            'f',
            "-",
            day(11_971, 9, 37),
            "GEN",
        ),
        (Zvm, "LOADER   MODULE   F  80  10  1 10/4/05 15:28:42 -", 'f', "~800", Some(1_128_439_722), "LOADER.MODULE"),
        (As400, "QSYS  77824 02/23/00 15:09:55 *STMF      a file", 'f', "77824", Some(951_318_595), "a file"),
        (NonStop, "ALIB  101  5672 31-Dec-99 12:01:03 255,255 \"nnnn\"", 'f', "5672", Some(946_641_663), "ALIB"),
        (Os9, "   20.20    07/03/29 1026   d-ewrewr    2650    85920  52 a", 'd', "-", day(13_601, 10, 26), "52 a"),
        (VxWorks, "  19014    Jul-01-2004  10:29:24   file.bin", 'f', "19014", Some(1_088_677_764), "file.bin"),
        (WfFtp, "config           23720   05/31/95  Wed. 16:39:28", 'f', "23720", Some(801_938_368), "config"),
    ]
}

fn items(form: Form, text: &str) -> Vec<Item> {
    let mut listing = Listing::new(form, NOW, Limits::default());
    let text = format!("{text}\r\n");
    let (mut input, mut found) = (text.as_bytes(), Vec::new());
    while let Some(item) = listing.next(&mut input).unwrap() {
        found.push(item);
    }
    while let Some(item) = listing.finish().unwrap() {
        found.push(item);
    }
    found
}

fn resolution(time: Time) -> &'static str {
    match time.resolution {
        Resolution::Second => "second",
        Resolution::Minute => "minute",
        Resolution::Day => "day",
    }
}

#[test]
fn every_family_of_listings_is_read_with_sizes_times_and_names() {
    let mut table = format!("{:<11}{:<5}{:<9}{:<12}{:<8}name\n", "family", "kind", "size", "time", "to the");
    let (mut families, mut wrong) = (BTreeSet::new(), Vec::new());
    for (family, text, kind, size, time, name) in samples() {
        let form = if family == Family::Machine { Form::Machine } else { Form::People };
        let found = items(form, text);
        let Some(Item::Entry(entry)) = found.last() else { panic!("{text:?}: {found:?}") };
        let told = match entry.kind {
            Kind::File => 'f',
            Kind::Folder => 'd',
            Kind::Link(_) => 'l',
            Kind::Other => 'o',
            Kind::Unknown => '?',
        };
        let length = match entry.size {
            Some(Size::Exact(size)) => size.to_string(),
            Some(Size::About(size)) => format!("~{size}"),
            None => "-".to_owned(),
        };
        let shown = String::from_utf8_lossy(&entry.name);
        let seconds = entry.time.map(|time| time.seconds);
        families.insert(format!("{family:?}"));
        let (when, to) =
            (seconds.map_or_else(|| "-".to_owned(), |s| s.to_string()), entry.time.map_or("-", resolution));
        let label = format!("{family:?}");
        writeln!(table, "{label:<11}{told:<5}{length:<9}{when:<12}{to:<8}{shown:?}").unwrap();
        let right = (entry.family, told, length.as_str(), seconds, &*shown) == (family, kind, size, time, name);
        if !right {
            wrong.push(format!("{text:?}: {entry:?}, not {time:?}"));
        }
    }
    report::table(&table);
    assert_eq!(families.len(), 17, "{families:?}");
    assert!(wrong.is_empty(), "{}\n{table}", wrong.join("\n"));
}
