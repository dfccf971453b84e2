//! Listings, URLs and manifests.

use super::bytes::Bytes;
use super::{MARK, assert_secret, assert_shown, knows_mark};
use flate2::{Compression, write::GzEncoder};
use ftpq::manifest::{Base, EnaColumn, Entry as Job, Format, LineError, ReadOptions, Reader, Warning};
use ftpq::model::{JobSpec, Source};
use ftpq::policy::{Pattern, local_name, split_pattern};
use ftpq::wire::Command;
use ftpq::wire::listing::{Entry, Excess, Form, Item, Kind, Limits, Listing, Size};
use std::io::{BufReader, Cursor, Write};

/// 2026-03-01 12:00 UTC.
const NOW: i64 = 1_772_366_400;

/// Listings by MLSD.
pub fn mlsd(data: &[u8]) {
    listing(Form::Machine, data);
}

/// Listings by LIST.
pub fn list(data: &[u8]) {
    listing(Form::People, data);
}

/// What is found does not depend on how the bytes arrive, and is never more than the lines; a name is one component that
/// a command can carry.
fn listing(form: Form, data: &[u8]) {
    let Some((&first, bytes)) = data.split_first() else { return };
    let whole = items(form, Limits::default(), bytes, bytes.len().max(1));
    assert_eq!(whole, items(form, Limits::default(), bytes, usize::from(first % 16) + 1), "in other pieces");
    let lines = bytes.split(|&b| b == b'\n').count();
    let (found, excess) = whole;
    assert!(found.len() <= lines, "{} items in {lines} lines", found.len());
    assert!(excess.is_none() || bytes.len() > 10_000, "{excess:?}");
    for item in &found {
        match item {
            Item::Entry(entry) => sound(entry),
            Item::Refused(refused) => {
                assert_shown(&refused.shown);
                assert!(refused.shown.len() <= 301 * 10);
            }
        }
    }
    // Within smaller limits the beginning of the same comes out, and then the reason why no more does.
    let limits = Limits { line: 100, bytes: 1000, entries: 5, name: 20 };
    let (less, excess) = items(form, limits, bytes, 7);
    assert!(less.len() <= 5 && less.len() <= found.len());
    assert!(excess.is_some() || less.len() == found.len());
}

fn items(form: Form, limits: Limits, bytes: &[u8], piece: usize) -> (Vec<Item>, Option<Excess>) {
    let mut listing = Listing::new(form, NOW, limits);
    let mut found = Vec::new();
    let mut read = || {
        for mut part in bytes.chunks(piece) {
            while let Some(item) = listing.next(&mut part)? {
                found.push(item);
            }
            assert!(part.is_empty());
        }
        while let Some(item) = listing.finish()? {
            found.push(item);
        }
        Ok(())
    };
    let excess = read().err();
    if excess.is_some() {
        assert_eq!(listing.finish().err(), excess, "an error lasts");
    }
    (found, excess)
}

fn sound(entry: &Entry) {
    for name in [&entry.name, &*entry.plain_name()] {
        assert!(!name.is_empty() && !matches!(name, b"." | b".."), "{entry:?}");
        assert!(!name.iter().any(|b| b.is_ascii_control() || *b == b'/'), "{entry:?}");
        assert!(name.len() <= 1024);
        assert!(Command::Retr(name.to_vec()).encode().is_ok());
    }
    if let Kind::Link(Some(target)) = &entry.kind {
        assert!(!target.is_empty() && !target.iter().any(u8::is_ascii_control), "{entry:?}");
    }
    match entry.size {
        Some(Size::Exact(size) | Size::About(size)) => {
            assert!(i64::try_from(size).is_ok(), "{entry:?}");
            assert!(matches!(entry.kind, Kind::File | Kind::Unknown), "only files have a length");
        }
        None => {}
    }
    if let Some(time) = entry.time {
        // From the year 0 to 9999, the one at most; EPLF counts seconds.
        assert!(time.seconds >= -62_200_000_000, "{entry:?}");
    }
    if entry.family == ftpq::wire::listing::Family::Machine {
        written_again(entry);
    }
}

/// What was read from a line of MLSD is read again from a line made of it.
fn written_again(entry: &Entry) {
    let mut line = match &entry.kind {
        Kind::File => b"type=file;".to_vec(),
        Kind::Folder => b"type=dir;".to_vec(),
        Kind::Link(None) => b"type=OS.unix=slink;".to_vec(),
        Kind::Link(Some(target)) => [b"Type=OS.unix=slink:", target.as_slice(), b";"].concat(),
        Kind::Other => b"type=OS.unix=chr-1/3;".to_vec(),
        Kind::Unknown => b"type=;".to_vec(),
    };
    if let Some(Size::Exact(size)) = entry.size {
        line.extend(format!("SIZE={size};").bytes());
    }
    for (key, value) in [("modify", &entry.modify), ("Unique", &entry.unique), ("perm", &entry.perm)] {
        if let Some(value) = value {
            line.extend(format!("{key}={value};").bytes());
        }
    }
    line.push(b' ');
    line.extend(&entry.name);
    // A name may end as a line does.
    line.extend(b"\r\n");
    let (found, _) = items(Form::Machine, Limits::default(), &line, line.len());
    assert_eq!(found, [Item::Entry(entry.clone())], "{:?}", String::from_utf8_lossy(&line));
}

/// A source never holds a byte that ends a command, never a password, and reads back what it prints.
pub fn urls(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    one_url(text);
    for text in [format!("ftp://{text}"), format!("ftps://h/{text}"), format!("ftpes://u@h:2121/{text}")] {
        one_url(&text);
    }
    for text in [format!("ftp://h/{text}"), format!("ftp://h/d/*{text}")] {
        one_pattern(&text);
    }
    if knows_mark(data) {
        return;
    }
    let with_password = format!("ftp://u:{MARK}{text}");
    match Source::parse(&with_password) {
        Err(error) => assert_secret(&format!("{error} {error:?}")),
        Ok((source, secret)) if secret.is_some() => {
            assert_secret(&format!("{source} {source:?} {secret:?} {}", source.account().credential()));
        }
        Ok(_) => {}
    }
}

/// A URL's pattern leaves the URL of a folder; where a path matches, no folder on the way to it is left unread; and what a
/// path is named here is one component.
fn one_pattern(text: &str) {
    let (folder, pattern) = split_pattern(text);
    let Some(pattern) = pattern else { return assert_eq!(folder, text) };
    assert!(Source::parse_any(&folder).is_err() || folder.parse::<Source>().unwrap().path().is_folder(), "{folder}");
    let pattern = match Pattern::parse(&pattern) {
        Ok(pattern) => pattern,
        Err(error) => return assert_shown(&error.to_string()),
    };
    for path in [text.as_bytes(), b"a/b/c.nc", b"a/", b"\xff"] {
        let parents = path.iter().enumerate().filter(|(at, b)| **b == b'/' && at + 1 < path.len());
        if pattern.matches(path) {
            parents.for_each(|(at, _)| assert!(pattern.may_match_below(&path[..at]), "{pattern:?} {path:?}"));
        }
    }
    for part in text.as_bytes().split(|&b| b == b'/') {
        let Ok(name) = local_name(part) else { continue };
        assert!(!(name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\'])), "{name:?}");
        assert_shown(&name);
    }
}

fn one_url(text: &str) {
    let (source, secret) = match Source::parse(text) {
        Ok(read) => read,
        Err(error) => return assert_shown(&error.to_string()),
    };
    let carries = |bytes: &[u8]| !bytes.iter().any(|b| matches!(b, b'\r' | b'\n' | 0));
    assert!(carries(source.path().as_bytes()), "{source:?}");
    for part in [&source.account().user, &source.account().host] {
        assert!(!part.contains(char::is_control), "{source:?}");
    }
    if let Some(secret) = &secret {
        assert!(carries(secret.reveal().as_bytes()));
        assert!(Command::Pass(secret.clone()).encode().is_ok());
    }
    assert!(Command::Retr(source.path().as_bytes().to_vec()).encode().is_ok());
    assert!(Command::User(source.account().user.clone()).encode().is_ok());
    let printed = source.to_string();
    assert!(printed.bytes().all(|b| b.is_ascii_graphic()) || !printed.is_ascii(), "{printed:?}");
    assert_shown(&printed);
    let (again, no_secret) = Source::parse(&printed).unwrap_or_else(|e| panic!("{printed:?} from {text:?}: {e}"));
    assert_eq!(again, source, "{printed:?} from {text:?}");
    assert!(no_secret.is_none(), "{printed:?} holds a password");
    let json = serde_json::to_vec(&source).unwrap();
    assert_eq!(serde_json::from_slice::<Source>(&json).unwrap(), source);
}

/// Manifests of every format, packed and plain: the same comes out however the bytes arrive; each error has its place
/// and can be shown; no password of a URL is in what is kept or said.
pub fn manifests(data: &[u8]) {
    if knows_mark(data) {
        return;
    }
    let mut bytes = Bytes(data);
    // The old numbers stay as they were, for the seeds' sake.
    let number = usize::from(bytes.below(Format::ALL.len() as u8 + 1));
    let format = number.checked_sub(1).and_then(|at| Format::ALL.get(at)).copied();
    let choice = bytes.byte();
    let base = (choice & 1 == 1).then(|| Base::parse(&format!("ftp://b:{MARK}@h/d")).unwrap());
    let (mut suffixes, mut columns) = (Vec::new(), Vec::new());
    if choice & 8 == 8 {
        suffixes.push("_genomic.fna.gz".to_owned());
        columns.extend([EnaColumn::Submitted, EnaColumn::Fastq]);
    }
    let split = ftpq::policy::split_pattern;
    let options = ReadOptions { format, base, suffixes, columns, split, ..ReadOptions::below("/into".into()) };
    let text = if choice & 2 == 2 { with_marks(bytes.0) } else { bytes.0.to_vec() };
    let (whole, warnings) = read(text.clone(), 64 << 10, &options);
    let packed = text.starts_with(&[0x1F, 0x8B]);
    // A cell may be a list, and a document may be one line; CSV takes a CR alone for the end of a record.
    let parts =
        text.iter().filter(|b| matches!(b, b'\n' | b'\r' | b';' | b',' | b'\t' | b' ' | b'<' | b'{')).count() + 1;
    assert!(packed || whole.len() <= 2 * parts + 1, "{} of {parts} parts", whole.len());
    let (pieces, warned) = read(text.clone(), usize::from(choice >> 4) + 1, &options);
    if packed && ends_fatally(&whole) {
        // How much comes out before the damage depends on the pieces; a manifest is taken whole or not at all.
        assert!(ends_fatally(&pieces), "damage that is passed over: {pieces:?}");
    } else {
        assert_eq!((&pieces, &warned), (&whole, &warnings), "in other pieces");
    }
    if choice & 4 == 4 && !packed {
        assert_eq!(read(gzip(&text), 64 << 10, &options).0, whole, "packed");
    }
    assert!(warnings.len() <= 1001);
    for warning in &warnings {
        assert!(warning.line >= 1 && warning.column >= 1 && warning.file == "m", "{warning:?}");
        assert_shown(&warning.to_string());
        assert_secret(&format!("{warning} {warning:?}"));
    }
    let mut line = 1;
    for (at, item) in whole.iter().enumerate() {
        match item {
            Ok(job) => {
                // In JSON the columns that were named may stand in another order than they were named in.
                assert!(job.position.line >= line || !options.columns.is_empty(), "{job:?}");
                assert!(job.position.column >= 1, "{job:?}");
                line = job.position.line;
                sound_job(&job.spec);
                sound_places(&job.spec);
            }
            Err(error) => {
                assert!(error.line >= 1 && error.column >= 1 && !error.message.is_empty(), "{error:?}");
                assert_eq!(error.file, "m");
                assert_shown(&error.to_string());
                assert_secret(&format!("{error} {error:?}"));
                assert!(!error.fatal || at + 1 == whole.len(), "nothing follows a fatal error");
            }
        }
    }
}

/// Whether reading came to an end before the list did.
fn ends_fatally(items: &[Result<Job, LineError>]) -> bool {
    matches!(items.last(), Some(Err(error)) if error.fatal)
}

/// The text with a password in each URL that has a user.
fn with_marks(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some((&first, others)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(b"ftp://u@") {
            out.extend(format!("ftp://u:{MARK}@").bytes());
            rest = after;
        } else {
            out.push(first);
            rest = others;
        }
    }
    out
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(text).unwrap();
    packer.finish().unwrap()
}

fn read(text: Vec<u8>, capacity: usize, options: &ReadOptions) -> (Vec<Result<Job, LineError>>, Vec<Warning>) {
    let input = Box::new(BufReader::with_capacity(capacity, Cursor::new(text)));
    let mut reader = Reader::open(input, "m".to_owned(), options.clone());
    let found = reader.by_ref().collect();
    (found, reader.take_warnings())
}

/// A job of a list has few mirrors, all of them files, and is a folder's where its source is.
fn sound_places(spec: &JobSpec) {
    assert!(spec.mirrors.len() <= 32, "{spec:?}");
    for mirror in &spec.mirrors {
        assert!(!mirror.source.path().as_bytes().iter().any(|b| matches!(b, b'\r' | b'\n' | 0)), "{spec:?}");
        assert!(!mirror.source.path().is_folder() && mirror.source != spec.source, "{spec:?}");
    }
    assert_eq!(spec.source.path().is_folder(), spec.folder.is_some(), "{spec:?}");
}

/// A job that could be accepted: its file lies below the folder, and it is read back as it was written.
pub(crate) fn sound_job(spec: &JobSpec) {
    assert!(!spec.source.path().as_bytes().iter().any(|b| matches!(b, b'\r' | b'\n' | 0)), "{spec:?}");
    assert!(spec.destination.dir().is_absolute(), "{spec:?}");
    let path = spec.destination.path().as_str();
    // Where a folder's files go is the folder itself.
    let is_root = path.is_empty() && spec.folder.is_some();
    assert!(is_root || !path.split('/').any(|part| matches!(part, "" | "." | "..")), "{spec:?}");
    assert!(!path.contains(char::is_control), "{spec:?}");
    let json = serde_json::to_vec(spec).unwrap();
    assert_eq!(serde_json::from_slice::<JobSpec>(&json).unwrap(), *spec);
}
