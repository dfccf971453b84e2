//! Samples of every family, written from the formats' own rules, and what a listing does at its limits.

use super::*;
use std::fmt::Write;

/// 2026-03-01 12:00 UTC.
const NOW: i64 = 1_772_366_400;

fn listing(form: Form) -> Listing {
    Listing::new(form, NOW, Limits::default())
}

/// All items of a listing that arrives in pieces of so many bytes.
fn items(mut listing: Listing, bytes: &[u8], piece: usize) -> Result<Vec<Item>, Excess> {
    let mut found = Vec::new();
    let whole = if bytes.ends_with(b"\n") { bytes.to_vec() } else { [bytes, b"\r\n"].concat() };
    for mut chunk in whole.chunks(piece) {
        while let Some(item) = listing.next(&mut chunk)? {
            found.push(item);
        }
        assert!(chunk.is_empty(), "bytes were left");
    }
    while let Some(item) = listing.finish()? {
        found.push(item);
    }
    Ok(found)
}

/// `KIND SIZE TIME NAME -> TARGET`
fn show(item: &Item) -> String {
    let entry = match item {
        Item::Entry(entry) => entry,
        Item::Refused(refused) => return format!("! {:?} {}", refused.why, refused.shown),
    };
    let kind = match entry.kind {
        Kind::File => "f",
        Kind::Folder => "d",
        Kind::Link(_) => "l",
        Kind::Other => "o",
        Kind::Unknown => "?",
    };
    let size = match entry.size {
        Some(Size::Exact(size)) => size.to_string(),
        Some(Size::About(size)) => format!("~{size}"),
        None => "-".to_owned(),
    };
    let mut out = format!("{kind} {size} {} {}", entry.time.map_or("-".into(), moment), lossy(&entry.name));
    if let Kind::Link(Some(target)) = &entry.kind {
        let _ = write!(out, " -> {}", lossy(target));
    }
    out
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn moment(time: Time) -> String {
    let (days, rest) = (time.seconds.div_euclid(86_400), time.seconds.rem_euclid(86_400));
    // By counting, so that it does not share a mistake with what it shows.
    let (mut year, mut left) = (1970, days);
    let leap = |y: i64| y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    while left < 0 {
        year -= 1;
        left += 365 + i64::from(leap(year));
    }
    while left >= 365 + i64::from(leap(year)) {
        left -= 365 + i64::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    let mut out = format!("{year:04}-{month:02}-{:02}", left + 1);
    if time.resolution <= Resolution::Minute {
        let _ = write!(out, "T{:02}:{:02}", rest / 3600, rest / 60 % 60);
    }
    if time.resolution == Resolution::Second {
        let _ = write!(out, ":{:02}", rest % 60);
    }
    out + if time.zone == Zone::Utc { "Z" } else { "" }
}

/// Lines and the entries they are, one to one.
fn check(family: Family, table: &[(&str, &str)]) {
    for (line, expected) in table {
        let found = items(listing(Form::People), line.as_bytes(), 4096).unwrap();
        let shown: Vec<String> = found.iter().map(show).collect();
        assert_eq!(shown, [*expected], "{line:?}");
        let Item::Entry(entry) = &found[0] else { panic!("{line:?}") };
        assert_eq!(entry.family, family, "{line:?}");
    }
}

#[test]
fn unix() {
    check(
        Family::Unix,
        &[
            ("-rw-r--r--   1 root     other        531 Jan 29 03:26 README", "f 531 2026-01-29T03:26 README"),
            ("dr-xr-xr-x   2 root     other        512 Apr  8  1994 etc", "d - 1994-04-08 etc"),
            ("dr-xr-xr-x   2 root     512 Apr  8  1994 no group", "d - 1994-04-08 no group"),
            ("-rw-r--r--   1 0        20       531 Jan 29 03:26 numeric", "f 531 2026-01-29T03:26 numeric"),
            (
                "lrwxrwxrwx   1 root     other          7 Jan 25 00:17 bin -> usr/bin",
                "l - 2026-01-25T00:17 bin -> usr/bin",
            ),
            ("lrwxrwxrwx   1 root     other          7 Jan 25 00:17 bin", "l - 2026-01-25T00:17 bin"),
            ("-rw-r--r--   1 a b 3 Jan 29 03:26 x -> y", "f 3 2026-01-29T03:26 x -> y"),
            ("drwxrwsr-x+  2 u g 512 Jan 29 03:26 access list", "d - 2026-01-29T03:26 access list"),
            ("-rwsr-Sr-t.  2 u g 12 Jan 29 03:26 odd bits", "f 12 2026-01-29T03:26 odd bits"),
            ("drwxr-xr-x10 user group 512 Jan 29 03:26 glued links", "d - 2026-01-29T03:26 glued links"),
            ("-rw-r--r--   1 owner group1234 Jan 29 03:26 glued size", "f ~1234 2026-01-29T03:26 glued size"),
            ("-rw-r--r--   1 DOMAIN User Some Group 25 Jan 29 03:26 domain", "f 25 2026-01-29T03:26 domain"),
            ("-rw-r--r--   1 domain user 25 Jan 29 03:26 domain", "f 25 2026-01-29T03:26 domain"),
            ("-rw-r--r--   1 may 5 77 Jan 29 03:26 owner is a month", "f 77 2026-01-29T03:26 owner is a month"),
            ("-rw-r--r--   25 Jan 29 03:26 without links", "f 25 2026-01-29T03:26 without links"),
            ("-rw-r--r--   1 u g 1.5k Jan 29 03:26 kilo", "f ~1536 2026-01-29T03:26 kilo"),
            ("-rw-r--r--   1 u g 12M Jan 29 03:26 mega", "f ~12582912 2026-01-29T03:26 mega"),
            ("-rw-r--r--   1 u g 9223372036854775808 Jan 29 03:26 no length", "f - 2026-01-29T03:26 no length"),
            ("-rw-r--r--   1 u g 99999999999999999999999 Jan 29 03:26 x", "f - 2026-01-29T03:26 x"),
            ("crw-rw-rw-   1 root sys 13, 2 Jan 29 03:26 null", "o - 2026-01-29T03:26 null"),
            ("srwxrwxrwx   1 u g 0 Jan 29 03:26 socket", "o - 2026-01-29T03:26 socket"),
            ("-rw-r--r--   1 u g 5 Mar  2 03:26 a day ahead", "f 5 2026-03-02T03:26 a day ahead"),
            ("-rw-r--r--   1 u g 5 Mar  3 03:26 last year", "f 5 2025-03-03T03:26 last year"),
            ("-rw-r--r--   1 u g 5 Dec 31 24:00 midnight", "f 5 2026-01-01T00:00 midnight"),
            ("-rw-r--r--   1 u g 5 Feb 29 10:00 leap", "f 5 2024-02-29T10:00 leap"),
            ("-rw-r--r--   1 u g 5 Feb 30 10:00 no such day", "f 5 - no such day"),
            ("-rw-r--r--   1 u g 5 29 Jan 03:26 swapped", "f 5 2026-01-29T03:26 swapped"),
            ("-rw-r--r--   1 u g 5 29 Jan 2020 swapped", "f 5 2020-01-29 swapped"),
            ("-rw-r--r--   1 u g 5 26. Juli, 20:10 deutsch", "f 5 2025-07-26T20:10 deutsch"),
            ("-rw-r--r--   1 u g 5 26. März 2004 deutsch", "f 5 2004-03-26 deutsch"),
            ("-rw-r--r--   1 u g 5 févr. 3 2004 français", "f 5 2004-02-03 français"),
            ("-rw-r--r--   1 u g 5 3 août 10:00 français", "f 5 2025-08-03T10:00 français"),
            ("-rw-r--r--   1 u g 5 дек 3 2004 русский", "f 5 2004-12-03 русский"),
            ("-rw-r--r--   1 u g 5 8月 23 2020 asia", "f 5 2020-08-23 asia"),
            ("-rw-r--r--   1 u g 5 1月 23日 03:26 asia", "f 5 2026-01-23T03:26 asia"),
            ("-rw-r--r--   1 u g 5 2004年 1月 23日 asia", "f 5 2004-01-23 asia"),
            ("-rw-r--r--   1 u g 5 1월 23일 2004년 korea", "f 5 2004-01-23 korea"),
            ("-rw-r--r--   1 u g 5 2005-06-07 21:22 long iso", "f 5 2005-06-07T21:22 long iso"),
            ("-rw-r--r--   1 u g 5 2005-06-07 21:22:23.123456789 +0200 full", "f 5 2005-06-07T19:22:23Z full"),
            ("-rw-r--r--   1 u g 5 2005-06-07 day alone", "f 5 2005-06-07 day alone"),
            ("-rw-r--r--   1 u g 5 01-29 03:26 short iso", "f 5 2026-01-29T03:26 short iso"),
            ("-rw-r--r--   1 u g 5 29.01.2004 03:26 dotted", "f 5 2004-01-29T03:26 dotted"),
            ("-rw-r--r--   1 u g 5 01/29/04 03:26 slashed", "f 5 2004-01-29T03:26 slashed"),
            ("-rw-r--r--   1 u g 5 Jan 29 03:26:10 2020 ls -T", "f 5 2020-01-29T03:26:10 ls -T"),
            ("-rw-r--r--   1 u g 531 no date", "f 531 - no date"),
            ("-rw-r--r--   1 u 531 no date", "f 531 - no date"),
            ("-rw-r--r--   1 u g 5 Jan 29  2004  two blanks", "? 5 2004-01-29  two blanks"),
            ("-rw-r--r--   1 u g 5 Jan 29 03:26 trailing ", "f 5 2026-01-29T03:26 trailing "),
            ("-rw-r--r--   1 u g 5 Jan 29 03:26 Jan 29 2020", "f 5 2026-01-29T03:26 Jan 29 2020"),
            ("drwxr-xr-x   1 u g 5 Jan 29 03:26 marked/", "d - 2026-01-29T03:26 marked"),
        ],
    );
}

#[test]
fn netware_and_the_macintosh() {
    check(
        Family::NetWare,
        &[
            ("d [R----F--] supervisor            512       Jan 16 18:53    login", "d - 2026-01-16T18:53 login"),
            ("- [R----F--] rhesus             214059       Oct 20 15:27    cx.exe", "f 214059 2025-10-20T15:27 cx.exe"),
            ("- [-RWCE-F-] mlm                  11820       Feb  3 12:00    a b", "f 11820 2026-02-03T12:00 a b"),
            ("d[RWCEAFMS] a 512 Apr 19  2004 glued", "d - 2004-04-19 glued"),
        ],
    );
    check(
        Family::NetPresenz,
        &[
            (
                "-------r--         326  1391972  1392298 Nov 22  1995 MegaPhone.sit",
                "f 1391972 1995-11-22 MegaPhone.sit",
            ),
            ("drwxrwxr-x               folder        2 May 10  1996 network", "d - 1996-05-10 network"),
        ],
    );
}

#[test]
fn eplf() {
    check(
        Family::Eplf,
        &[
            ("+i8388621.48594,m825718503,r,s280,\tdjb.html", "f 280 1996-03-01T22:15:03Z djb.html"),
            ("+i8388621.50690,m824255907,/,\t514", "d - 1996-02-13T23:58:27Z 514"),
            ("+r,s10376293541461622786,\tlarge", "f - - large"),
            ("+up644,\tno kind", "o - - no kind"),
            ("+r,s7,\t leading blank", "f 7 -  leading blank"),
        ],
    );
}

#[test]
fn dos_and_iis() {
    check(
        Family::Dos,
        &[
            ("04-27-00  12:09PM       <DIR>          licensed", "d - 2000-04-27T12:09 licensed"),
            ("04-27-00  12:09AM       <DIR>           leading blank", "? - 2000-04-27T00:09  leading blank"),
            ("04-14-00  03:47PM                  589 readme.htm", "f 589 2000-04-14T15:47 readme.htm"),
            ("04-14-00  03:47PM                  589  leading blank", "? 589 2000-04-14T15:47  leading blank"),
            ("04-14-2000  03:47PM                589 four digits", "f 589 2000-04-14T15:47 four digits"),
            ("04/14/2000  03:47 PM             9,730 thousands", "f 9730 2000-04-14T15:47 thousands"),
            ("04/14/2000  03:47 PM    <DIR>          apart", "d - 2000-04-14T15:47 apart"),
            ("2002-09-02  18:48       <DIR>          iso", "d - 2002-09-02T18:48 iso"),
            ("2002-09-02  18:48                9,730 iso", "f 9730 2002-09-02T18:48 iso"),
            ("14/04/2000  15:47                  589 day first", "f 589 2000-04-14T15:47 day first"),
            ("14.04.2000  15:47              1.234.567 dotted", "f 1234567 2000-04-14T15:47 dotted"),
            ("04-14-00  3:47PM 5 short gap", "f 5 2000-04-14T15:47 short gap"),
            ("04-14-00  3:47PM <DIR> short gap", "d - 2000-04-14T15:47 short gap"),
            ("04/14/2000  03:47 PM    <JUNCTION>     old [C:\\new place]", "l - 2000-04-14T15:47 old -> C:\\new place"),
            ("04/14/2000  03:47 PM    <SYMLINKD>     old", "l - 2000-04-14T15:47 old"),
        ],
    );
}

#[test]
fn relatives_of_dos() {
    check(
        Family::Os2,
        &[
            ("     0           DIR   05-12-97   14:36  PSFONTS", "d - 1997-05-12T14:36 PSFONTS"),
            ("36611      A    04-23-103  10:57  a b", "f 36611 2003-04-23T10:57 a b"),
            ("  1123             07-14-99   12:37  plain", "f 1123 1999-07-14T12:37 plain"),
            ("     0 DIR       RA  02-11-103  16:15  d", "d - 2003-02-11T16:15 d"),
        ],
    );
    check(
        Family::VShell,
        &[
            ("206876  Apr 04, 2000 21:06 a file", "f 206876 2000-04-04T21:06 a file"),
            ("0  Dec 12, 2002 02:13 folder/", "d - 2002-12-12T02:13 folder"),
        ],
    );
    check(
        Family::VxWorks,
        &[
            ("       512    Jul-01-2004  10:29:24   dir one           <DIR>", "d - 2004-07-01T10:29:24 dir one"),
            ("     19014    Jul-01-2004  10:29:24   file.bin", "f 19014 2004-07-01T10:29:24 file.bin"),
        ],
    );
}

#[test]
fn vms() {
    check(
        Family::Vms,
        &[
            (
                "CI000.DAT;1             7   10-JUL-1998 12:00 [SYSTEM] (RWED,RWED,RE,)",
                "f ~3584 1998-07-10T12:00 CI000.DAT;1",
            ),
            ("A.B;12   7/9   5-JUL-1994 12:00:01.23 [G,USER] (RWED,,,)", "f ~3584 1994-07-05T12:00:01 A.B;12"),
            ("CORE.DIR;1   1   8-SEP-1996 16:09 [SYSTEM] (RWE,RWE,RE,RE)", "d - 1996-09-08T16:09 CORE"),
            ("FILE.TXT;1   %RMS-E-PRV, insufficient privilege or file protection violation", "f - - FILE.TXT;1"),
            ("A.B;1   10-JUL-1998 12:00   7/9   [SYSTEM]", "f ~3584 1998-07-10T12:00 A.B;1"),
            (
                "VERY-LONG-NAME-OF-A-FILE.PS;1\r\n     155   5-JUL-1994 12:00 [A] (R)",
                "f ~79360 1994-07-05T12:00 VERY-LONG-NAME-OF-A-FILE.PS;1",
            ),
            ("ALONE.TXT;3", "f - - ALONE.TXT;3"),
        ],
    );
    let names = |text: &str| {
        let found = items(listing(Form::People), text.as_bytes(), 7).unwrap();
        let plain = |item: &Item| match item {
            Item::Entry(entry) => lossy(&entry.plain_name()),
            Item::Refused(refused) => format!("! {:?}", refused.why),
        };
        found.iter().map(plain).collect::<Vec<_>>()
    };
    let text = "\r\nDirectory DISK$USER:[ANON.PUB]\r\n\r\nA^_B^.C^7ED.TXT;7 1 5-JUL-1994 12:00\r\nX^Y.T;1 1 5-JUL-1994 12:00\r\n\
        HALF.ONE;1\r\nHALF.TWO;1\r\n   3  5-JUL-1994 12:00\r\n\r\nTotal of 3 files, 12 blocks.\r\n";
    assert_eq!(names(text), ["A B.C~D.TXT", "XY.T", "HALF.ONE", "HALF.TWO"]);
    // What the escapes hide is no component: the name stays as it is.
    assert_eq!(names("^2E^2E;1 1 5-JUL-1994 12:00\r\nA^2FB;1 1 5-JUL-1994 12:00"), ["^2E^2E;1", "A^2FB;1"]);
}

#[test]
fn mvs() {
    let text = "Volume Unit    Referred Ext Used Recfm Lrecl BlkSz Dsorg Dsname\r\n\
        WYOSPT 3420   2003/05/21  1  200  FB      80  8053  PS  A.FILE\r\n\
        WPTA01 3290   2004/03/04  1    3  FB     125 10000  PO  A.PDS\r\n\
        NRP004 3390   **NONE**    1   15  NONE     0     0  NONE A.B\r\n\
        TSO005 3390   2005/06/06 213000 U         0 27998  PO  GLUED\r\n\
        TSO004 3390   VSAM A.VSAM\r\n\
        Migrated                                                A.MIGRATED\r\n\
        Pseudo Directory                                        A.PSEUDO\r\n\
        V43525 Tape                                             A.TAPE\r\n\
        ARCIVE Not Direct Access Device                         A.ARCHIVE\r\n\
        Error determining attributes                            A.ERROR\r\n";
    let found = items(listing(Form::People), text.as_bytes(), 4096).unwrap();
    let shown: Vec<String> = found.iter().map(show).collect();
    let expected = [
        "f - 2003-05-21 A.FILE",
        "d - 2004-03-04 A.PDS",
        "f - - A.B",
        "d - 2005-06-06 GLUED",
        "o - - A.VSAM",
        "f - - A.MIGRATED",
        "d - - A.PSEUDO",
        "f - - A.TAPE",
        "o - - A.ARCHIVE",
        "o - - A.ERROR",
    ];
    assert_eq!(shown, expected);

    let members = " Name     VV.MM   Created       Changed      Size  Init   Mod   Id\r\n\
        GEN       01.03 2002/09/12 2002/10/11 09:37    11    11     0 USER1\r\n\
        BARE\r\n";
    let found = items(listing(Form::People), members.as_bytes(), 4096).unwrap();
    assert_eq!(found.iter().map(show).collect::<Vec<_>>(), ["f - 2002-10-11T09:37 GEN", "f - - BARE"]);
    let members = " Name      Size     TTR   Alias-of AC --------- Attributes --------- Amode Rmode\r\n\
        EAGKCPT   000058   000009          00 FO             RN RU            31    ANY\r\n";
    let found = items(listing(Form::People), members.as_bytes(), 4096).unwrap();
    assert_eq!(found.iter().map(show).collect::<Vec<_>>(), ["f - - EAGKCPT"]);
}

#[test]
fn other_hosts() {
    check(
        Family::Zvm,
        &[
            (
                "README   EXEC     V         71         26          1 2005-10-04 15:28:42 USER1",
                "f - 2005-10-04T15:28:42 README.EXEC",
            ),
            (
                "LOADER   MODULE   F         80         10          1 10/4/05 15:28:42 -",
                "f ~800 2005-10-04T15:28:42 LOADER.MODULE",
            ),
            (
                "WORK     DIR      -          -          -          - 2005-10-04 15:28:42 -",
                "d - 2005-10-04T15:28:42 WORK",
            ),
        ],
    );
    check(
        Family::As400,
        &[
            ("QSYS            77824 02/23/00 15:09:55 *STMF      a file", "f 77824 2000-02-23T15:09:55 a file"),
            ("QSYS            77824 02/23/00 15:09:55 *DIR       home/", "d - 2000-02-23T15:09:55 home"),
            ("QPGMR                                   *MEM       FILE.MBR", "f - - FILE.MBR"),
            ("CFT             45056 12.04.06 14:19:31 *FILE      BOM.FILE", "f 45056 2006-04-12T14:19:31 BOM.FILE"),
        ],
    );
    check(
        Family::NonStop,
        &[
            (
                "ALIBFILE         101            5672 31-Dec-99 12:01:03 255,255 \"nnnn\"",
                "f 5672 1999-12-31T12:01:03 ALIBFILE",
            ),
            (
                "PUBS     O       101           16384 20-Sep-05 11:34:00   2, 76 \"oooo\"",
                "f 16384 2005-09-20T11:34:00 PUBS",
            ),
        ],
    );
    check(Family::Os9, &[("   20.20    07/03/29 1026   d-ewrewr    2650    85920  52 a", "d - 2007-03-29T10:26 52 a")]);
    check(Family::WfFtp, &[("config           23720   05/31/95  Wed. 16:39:28", "f 23720 1995-05-31T16:39:28 config")]);
}

#[test]
fn mlsd() {
    let table = [
        ("type=file;size=7;modify=20260102030405; a b", "f 7 2026-01-02T03:04:05Z a b"),
        ("Type=File;Size=7;Modify=20260102030405.123; A", "f 7 2026-01-02T03:04:05Z A"),
        ("size=7;type=file last semicolon missing", "f 7 - last semicolon missing"),
        ("type=dir;sizd=4096;size=4096; d", "d - - d"),
        ("type=file;  leading and trailing ", "f - -  leading and trailing "),
        ("type=file;\ttab", "f - - tab"),
        (" no facts", "? - - no facts"),
        ("type=OS.unix=slink:/usr/bin; bin", "l - - bin -> /usr/bin"),
        ("type=OS.unix=symlink; bin", "l - - bin"),
        ("type=OS.unix=slink:/a\u{1b}[2J; bin", "l - - bin"),
        ("type=OS.unix=slink; bin", "l - - bin"),
        ("type=OS.unix=chr-13/29; dev", "o - - dev"),
        ("type=file;size=-1;modify=then;unique=;perm=; odd", "f - - odd"),
        ("type=file;size=9223372036854775808; large", "f - - large"),
        ("type=file;modify=19600102030405; old", "f - 1960-01-02T03:04:05Z old"),
        ("type=file;modify=20260230030405; no such day", "f - - no such day"),
        ("type=file; grün \u{202e}", "f - - grün \u{202e}"),
        ("type=file", "! NotUnderstood type=file"),
        ("type;size=3; a", "! NotUnderstood type;size=3; a"),
        ("type=file; ", "! NoName type=file; "),
        ("type=file; ../../etc/passwd", "! Slash ../../etc/passwd"),
        ("type=file; /etc/passwd", "! Slash /etc/passwd"),
        ("type=dir; a/b/", "! Slash a/b"),
        ("type=file; a\u{1b}[2Jb", "! Control a\\u{1b}[2Jb"),
        ("type=file; a\rb", "! Control a\\u{d}b"),
        ("type=file; a\0b", "! Control a\\u{0}b"),
    ];
    for (line, expected) in table {
        let found = items(listing(Form::Machine), line.as_bytes(), 4096).unwrap();
        assert_eq!(found.iter().map(show).collect::<Vec<_>>(), [expected], "{line:?}");
    }
    for line in
        ["type=cdir; /pub", "type=pdir; ..", "type=dir; .", "type=dir; ..", "type=file; ..", "type=dir; ../", "", "\r"]
    {
        assert_eq!(items(listing(Form::Machine), line.as_bytes(), 4096), Ok(Vec::new()), "{line:?}");
    }
    let line = b"type=file;unique=8U1;perm=adfr;modify=20260102030405.5; a";
    let found = items(listing(Form::Machine), line, 1).unwrap();
    let [Item::Entry(entry)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((entry.unique.as_deref(), entry.perm.as_deref()), (Some("8U1"), Some("adfr")));
    assert_eq!((entry.modify.as_deref(), entry.family), (Some("20260102030405.5"), Family::Machine));
}

#[test]
fn frames_are_no_entries_and_rubbish_is_told() {
    let text = "total 24\r\n\r\ninsgesamt 7\r\nDirectory of /pub\r\n------  ------\r\n  size   date  time  name\r\n\
        drwxr-xr-x 2 u g 5 Jan 29 03:26 .\r\ndrwxr-xr-x 2 u g 5 Jan 29 03:26 ..\r\n      3 File(s)  1,234 bytes\r\n";
    assert_eq!(items(listing(Form::People), text.as_bytes(), 3), Ok(Vec::new()));
    for line in ["ls: a: Permission denied", "No files found.", "-rw-r--r--", "12", "drwx", "\u{1b}[2J", "a.b"] {
        let found = items(listing(Form::People), line.as_bytes(), 4096).unwrap();
        let [Item::Refused(refused)] = found.as_slice() else { panic!("{line:?}: {found:?}") };
        assert_eq!(refused.why, Refusal::NotUnderstood, "{line:?}");
        assert!(!refused.shown.contains(char::is_control), "{refused:?}");
    }
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for (name, why) in [
        ("../a", Refusal::Slash),
        ("/etc/passwd", Refusal::Slash),
        ("a/b", Refusal::Slash),
        ("a\tb", Refusal::Control),
        ("a\u{7f}", Refusal::Control),
        ("   ", Refusal::NoName),
    ] {
        let line = format!("-rw-r--r-- 1 u g 5 Jan 29 03:26 {name}");
        let found = items(listing(Form::People), line.as_bytes(), 4096).unwrap();
        let [Item::Refused(refused)] = found.as_slice() else { panic!("{name:?}: {found:?}") };
        assert_eq!(refused.why, why, "{name:?}");
    }
    let long = format!("type=file; {}", "x".repeat(1025));
    let found = items(listing(Form::Machine), long.as_bytes(), 100).unwrap();
    let [Item::Refused(refused)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(refused.why, Refusal::TooLong(1025));
    assert!(refused.shown.chars().count() <= 301);
}

#[test]
fn the_same_comes_out_however_the_bytes_arrive() {
    let text = "total 3\r\n-rw-r--r-- 1 u g 5 Jan 29 03:26 a\r\nLONG.NAME;1\r\n  7 10-JUL-1998 12:00\r\nrubbish\r\n\
        LONG.NAME;2\n04-27-00  12:09PM       <DIR>          d\nLAST.ONE;1";
    let whole = items(listing(Form::People), text.as_bytes(), text.len()).unwrap();
    assert_eq!(whole.len(), 6, "{whole:?}");
    for piece in 1..text.len() {
        assert_eq!(items(listing(Form::People), text.as_bytes(), piece).unwrap(), whole, "{piece}");
    }
}

/// A line is taken, or it is known to be none, or it is refused by name: nothing in between.
#[test]
fn each_line_of_ls_is_accounted_for() {
    let table: [(&str, &[&str]); 22] = [
        ("README 5", &["! NotUnderstood README 5"]),
        ("Makefile 12k", &["! NotUnderstood Makefile 12k"]),
        ("файл 5\r\nфайл 6", &["! NotUnderstood файл 6"]),
        ("Total 5", &[]),
        ("итого 1,5M", &[]),
        ("i alt 24", &[]),
        ("Directory not found", &["! NotUnderstood Directory not found"]),
        ("Directory of /pub was not found.", &["! NotUnderstood Directory of /pub was not found."]),
        ("Directory of C:\\not found\\yet", &[]),
        ("Total of nothing", &["! NotUnderstood Total of nothing"]),
        ("ls: .: Permission denied", &["! NotUnderstood ls: .: Permission denied"]),
        ("?rw-r--r-- 1 f f 5 Jan 01 2024 README", &["! NotUnderstood ?rw-r--r-- 1 f f 5 Jan 01 2024 README"]),
        ("-????????? ? ? ? ? ? a b", &["! NotUnderstood -????????? ? ? ? ? ? a b"]),
        ("d????????? ? ? ? ? ? d", &["! NotUnderstood d????????? ? ? ? ? ? d"]),
        ("-rw-r--r-- 1 u g 5 Xyz 29 03:26 a", &["! NotUnderstood -rw-r--r-- 1 u g 5 Xyz 29 03:26 a"]),
        ("-rw-r--r-- 1 u g 5 Xyz 29  2004 a", &["! NotUnderstood -rw-r--r-- 1 u g 5 Xyz 29  2004 a"]),
        ("-rw-r--r-- 1 u g 5 29 Xyz 2004 a", &["! NotUnderstood -rw-r--r-- 1 u g 5 29 Xyz 2004 a"]),
        ("-rw-r--r-- 1 u g 5 2004-13-77 a", &["! NotUnderstood -rw-r--r-- 1 u g 5 2004-13-77 a"]),
        ("-rw-r--r-- 1 u g 5 2004-13-77 25:61 a", &["! NotUnderstood -rw-r--r-- 1 u g 5 2004-13-77 25:61 a"]),
        ("-rw-r--r-- 1 u g 5 Jan 32 03:26 a", &["! NotUnderstood -rw-r--r-- 1 u g 5 Jan 32 03:26 a"]),
        ("-rw-r--r-- 1 u g 5 report 2024", &["f 5 - report 2024"]),
        ("mrw-r--r-- 1 u g 5 Jan 29 03:26 a", &["! NotUnderstood mrw-r--r-- 1 u g 5 Jan 29 03:26 a"]),
    ];
    for (text, expected) in table {
        let found = items(listing(Form::People), text.as_bytes(), 4096).unwrap();
        assert_eq!(found.iter().map(show).collect::<Vec<_>>(), expected, "{text:?}");
    }
}

/// AIX pads a year where others put the blank in front of it; a blank that is left over is a matter for the server.
#[test]
fn blanks_between_date_and_name_are_the_listings_own_where_that_is_known() {
    check(
        Family::Unix,
        &[
            ("-rw-r--r--    1 root     system         1604 Mar 12 2008  smit.log", "f 1604 2008-03-12 smit.log"),
            ("-rw-r--r--    1 root     system         1604 Mar 12 2008 narrow", "f 1604 2008-03-12 narrow"),
            ("-rw-r--r--    1 root     system           12 Jul 05 00:11 recent", "f 12 2025-07-05T00:11 recent"),
            ("-rw-r--r--    1 root     system         1604 12 Mar 2008  turned", "f 1604 2008-03-12 turned"),
            ("drwxr-xr-x    2 root     system          512 Mar 12 2008  lib", "d - 2008-03-12 lib"),
            ("lrwxrwxrwx    1 root     system            8 Mar 12 2008  l -> /usr/lib", "l - 2008-03-12 l -> /usr/lib"),
            ("-rw-r--r--    1 root     system         1604 Mar 12 2008   doubt", "? 1604 2008-03-12  doubt"),
            ("-rw-r--r--    1 root     system           12 Jul 05 00:11  doubt", "? 12 2025-07-05T00:11  doubt"),
        ],
    );
    check(
        Family::Dos,
        &[
            ("11/4/2018   9:09 PM  <DIR>         folder", "d - 2018-11-04T21:09 folder"),
            ("10/3/2018   2:58 PM    34,359,738,368  doubt.img", "? 34359738368 2018-10-03T14:58  doubt.img"),
            ("10-15-09  00:34AM       <DIR>          midnight", "d - 2009-10-15T00:34 midnight"),
            ("10-15-09  00:34PM                    7 noon", "f 7 2009-10-15T12:34 noon"),
        ],
    );
}

#[test]
fn vms_breaks_its_lines_in_many_places() {
    check(
        Family::Vms,
        &[
            (
                "WIDE-NAME.DAT;1\r\n170774/170775     24-APR-2003 08:16:15  [FTP,SCOT]      (RWED,RWED,RE,)",
                "f ~87436288 2003-04-24T08:16:15 WIDE-NAME.DAT;1",
            ),
            ("N.DAT;1\r\n10     2-JUL-2003 10:30:08.59  [A]      (RWED,,,)", "f ~5120 2003-07-02T10:30:08 N.DAT;1"),
            ("D.DIR;1        27/36\r\n         16-FEB-1999 10:01:46  [A,B]   (RWE)", "d - 1999-02-16T10:01:46 D"),
            ("A.B;2  27/36\r\n  16-FEB-1999 10:01  [A]  (RWE)", "f ~13824 1999-02-16T10:01 A.B;2"),
            (
                "NO-VERSION.AT-ALL\r\n            213  29-JAN-1996 03:33 [A,B] (RWED,RWED,,)",
                "f ~109056 1996-01-29T03:33 NO-VERSION.AT-ALL",
            ),
        ],
    );
    for (text, expected) in [
        ("lonely\r\n", vec!["! NotUnderstood lonely"]),
        ("lonely\r\n04-14-00  03:47PM 5 a\r\n", vec!["! NotUnderstood lonely", "f 5 2000-04-14T15:47 a"]),
        ("A.B;1\r\n%RMS-E-PRV (x)\r\n", vec!["f - - A.B;1", "! NotUnderstood %RMS-E-PRV (x)"]),
    ] {
        let found = items(listing(Form::People), text.as_bytes(), 5).unwrap();
        assert_eq!(found.iter().map(show).collect::<Vec<_>>(), expected, "{text:?}");
    }
}

/// A listing whose last line has no end may lack a part of its name, and lines behind it.
#[test]
fn a_last_line_without_an_end_is_refused() {
    for (form, text) in [
        (Form::Machine, "type=file;size=5; a\r\ntype=file;size=5; report-2"),
        (Form::Machine, "type=file;size=5; a\r\ntype=fi"),
        (Form::Machine, "type=file;size=5; a\r\ntype=file;size=5; b\r"),
        (Form::People, "04-14-00  03:47PM 5 a\r\n-rw-r--r-- 1 u g 5 Jan 29 03:26 report-2"),
        (Form::People, "04-14-00  03:47PM 5 a\r\ntotal 3"),
        (Form::People, "A.B;1\r\n   7  10-JUL"),
    ] {
        let (mut listing, mut input, mut found) = (listing(form), text.as_bytes(), Vec::new());
        while let Some(item) = listing.next(&mut input).unwrap() {
            found.push(item);
        }
        while let Some(item) = listing.finish().unwrap() {
            found.push(item);
        }
        let [Item::Entry(_), Item::Refused(refused)] = found.as_slice() else { panic!("{text:?}: {found:?}") };
        assert!(refused.why == Refusal::CutOff && refused.why.hides_files(), "{text:?}");
    }
}

/// GHSA-rp42-5vxx-qpwr, CVE-2010-20049 and their kin: listings and names without end.
#[test]
fn limits_are_errors_and_last() {
    let limits = Limits { line: 20, bytes: 100, entries: 3, name: 5 };
    let small = || Listing::new(Form::Machine, NOW, limits);
    let entry = b"type=file; a\r\n";
    assert_eq!(items(small(), &entry.repeat(3), 5).unwrap().len(), 3);
    for piece in [1, 7, 20, 21, 22, 100, 1000] {
        assert_eq!(items(small(), &[b'x'; 21], piece), Err(Excess::Line(20)), "{piece}");
        assert_eq!(items(small(), &b"\n".repeat(101), piece), Err(Excess::Bytes(100)), "{piece}");
        assert_eq!(items(small(), &entry.repeat(4), piece), Err(Excess::Entries(3)), "{piece}");
        let both = [b"\n".repeat(90), vec![b'x'; 30]].concat();
        assert_eq!(items(small(), &both, piece), Err(Excess::Bytes(100)), "{piece}");
    }
    let mut over = small();
    assert!(over.next(&mut &[b'x'; 21][..]).is_err());
    assert_eq!(over.next(&mut &b"type=file; a\n"[..]), Err(Excess::Line(20)));
    assert_eq!(over.finish(), Err(Excess::Line(20)));
}
