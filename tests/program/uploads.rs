//! A folder that others write to while it is fetched: every name here holds, at each moment, a version that was whole there.

use crate::support::{
    Ended, Ftpq,
    bytes::Dice,
    pseudo_random,
    real::{self, Kind, Options, Server, Tls},
    report,
};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::{Seek, SeekFrom, Write},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// Seconds over which the writers begin.
const SPAN: u64 = 6;

/// The versions of each file that were ever whole, the last at the end.
type Versions = Arc<Mutex<BTreeMap<String, Vec<Vec<u8>>>>>;

/// One file of six is larger than the others.
fn length(dice: &mut Dice, n: usize) -> usize {
    let (low, high) = match n % 24 {
        0 => (3_000_000, 5_000_000),
        6 | 12 | 18 => (200_000, 900_000),
        _ => (1, 60_000),
    };
    usize::try_from(dice.between(low, high)).unwrap()
}

/// Writes a version in some way, in steps with pauses between.
fn write_version(path: &Path, old: &[u8], new: &[u8], dice: &mut Dice) {
    let steps = 3 + usize::try_from(dice.next() % 6).unwrap();
    let chunk = new.len().div_ceil(steps).max(1);
    match dice.next() % 4 {
        // Moved into place.
        0 => {
            let beside = path.with_file_name(format!("../incoming-{}", path.file_name().unwrap().display()));
            fs::write(&beside, new).unwrap();
            fs::rename(beside, path).unwrap();
        }
        // Grown.
        1 if new.starts_with(old) => {
            let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
            for piece in new[old.len()..].chunks(chunk) {
                file.write_all(piece).unwrap();
                pause(dice);
            }
        }
        // Uploaded anew.
        2 => {
            let mut file = fs::File::create(path).unwrap();
            for piece in new.chunks(chunk) {
                pause(dice);
                file.write_all(piece).unwrap();
            }
        }
        // Overwritten in place, beginning anywhere.
        _ => {
            let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
            let mut pieces: Vec<(usize, &[u8])> = new.chunks(chunk).enumerate().map(|(n, p)| (n * chunk, p)).collect();
            let first = usize::try_from(dice.next()).unwrap_or(0) % pieces.len().max(1);
            pieces.rotate_left(first);
            for (at, piece) in pieces {
                file.seek(SeekFrom::Start(at as u64)).unwrap();
                file.write_all(piece).unwrap();
                pause(dice);
            }
            file.set_len(new.len() as u64).unwrap();
        }
    }
}

fn pause(dice: &mut Dice) {
    thread::sleep(Duration::from_millis(dice.between(1, 150)));
}

/// Rewrites the file a few times at random moments. A version counts from the moment it is being written on: its last byte
/// may be there before that is known.
fn writer(path: &Path, name: &str, seed: u64, versions: &Versions) {
    let mut dice = Dice::new(seed);
    let begin = dice.between(0, SPAN * 1000);
    thread::sleep(Duration::from_millis(begin));
    for round in 0..=dice.next() % 2 {
        let old = versions.lock().unwrap()[name].last().unwrap().clone();
        let mut new = old.clone();
        if dice.next().is_multiple_of(2) {
            new.extend(pseudo_random(seed + round, 1 + old.len() / 3));
        } else {
            let same_length = dice.next().is_multiple_of(2);
            let len = if same_length { old.len() } else { 1 + usize::try_from(dice.next() % 50_000).unwrap() };
            new = pseudo_random(seed ^ (round + 77), len);
        }
        versions.lock().unwrap().get_mut(name).unwrap().push(new.clone());
        write_version(path, &old, &new, &mut dice);
        thread::sleep(Duration::from_millis(dice.between(50, 1500)));
    }
}

/// Looks at every name again and again; what it holds has to be one of the versions.
fn watch(into: &Path, versions: &Versions, over: &AtomicBool, looks: &AtomicUsize) -> Vec<String> {
    let mut wrong = Vec::new();
    while !over.load(Ordering::SeqCst) {
        for entry in fs::read_dir(into).into_iter().flatten().filter_map(Result::ok) {
            let name = entry.file_name().into_string().unwrap();
            if name.starts_with('.') {
                continue;
            }
            let Ok(bytes) = fs::read(entry.path()) else { continue };
            looks.fetch_add(1, Ordering::SeqCst);
            if !versions.lock().unwrap().get(&name).is_some_and(|known| known.contains(&bytes)) {
                wrong.push(format!("{name}: {} bytes that are no version", bytes.len()));
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
    wrong
}

fn sync(ftpq: &Ftpq, server: &Server, more: &[&str]) -> Ended {
    let into = ftpq.downloads();
    let url = server.url("d/", true);
    let args = ["--json", "sync", &url, into.to_str().unwrap(), "--per-host", "8", "--min-age", "2", "--retries", "8"];
    ftpq.spawn(&[&args[..], more].concat()).wait(Duration::from_secs(170))
}

/// Files of which each third is written to. Returns what it came to.
fn round(kind: Kind, tls: bool, files: usize) -> String {
    let options = Options { rate: 2_000_000, tls: tls.then(Tls::default), ..Options::default() };
    let server = Server::start(kind, options);
    let seed = 900 + files as u64 + u64::from(tls);
    let mut dice = Dice::new(seed);
    let versions = Versions::default();
    for n in 0..files {
        let (name, data) = (format!("f{n:03}"), pseudo_random(seed * 1000 + n as u64, length(&mut dice, n)));
        server.put(&format!("d/{name}"), &data);
        versions.lock().unwrap().insert(name, vec![data]);
    }
    let folder = server.root().join("d");
    let ftpq = Ftpq::new();
    let authority = ftpq.write("authority.pem", server.authority());
    let trust: Vec<&str> = if tls { vec!["--ca-file", &authority] } else { Vec::new() };
    let writers: Vec<_> = (0..files)
        .step_by(3)
        .map(|n| {
            let (name, versions) = (format!("f{n:03}"), Arc::clone(&versions));
            let path = folder.join(&name);
            thread::spawn(move || writer(&path, &name, seed + 31 * n as u64, &versions))
        })
        .collect();
    let (over, looks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let watcher = {
        let (into, versions) = (ftpq.downloads(), Arc::clone(&versions));
        let (over, looks) = (Arc::clone(&over), Arc::clone(&looks));
        thread::spawn(move || watch(&into, &versions, &over, &looks))
    };
    let first = sync(&ftpq, &server, &trust);
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    // Names that were written to in the second of the last look are old enough to be told apart then.
    thread::sleep(Duration::from_secs(3));
    let last = sync(&ftpq, &server, &trust);
    over.store(true, Ordering::SeqCst);
    let wrong = watcher.join().unwrap();
    let story = format!("{first}{last}{}", server.log());
    assert!(wrong.is_empty(), "{}: {wrong:#?}\n{story}", kind.name());
    assert_eq!(last.code, Some(0), "{}\n{story}", kind.name());
    for (name, known) in versions.lock().unwrap().iter() {
        let got = fs::read(ftpq.downloads().join(name)).unwrap_or_default();
        assert!(got == *known.last().unwrap(), "{} {name} is not the last version\n{story}", kind.name());
    }
    let again = first.events("retrying").len();
    let looks = looks.load(Ordering::SeqCst);
    format!(
        "{:<10} {:<5} {files} files, {looks} looks, {again} put off while written to",
        kind.name(),
        if tls { "FTPS" } else { "FTP" }
    )
}

fn all(files: usize) {
    if let Some(reason) = real::tls_unavailable() {
        return report::skip(&reason);
    }
    let cases = Kind::ALL.into_iter().flat_map(|kind| [(kind, false), (kind, true)]);
    let rounds: Vec<_> = cases.map(|(kind, tls)| thread::spawn(move || round(kind, tls, files))).collect();
    let mut table = String::new();
    for round in rounds {
        writeln!(table, "{}", round.join().unwrap()).unwrap();
    }
    report::table(&format!("a folder that is written to while it is fetched\n{table}"));
}

#[test]
fn a_folder_that_is_written_to_gives_whole_versions_alone() {
    all(48);
}

/// The same at length. By hand: `cargo nextest run --run-ignored only -E 'test(three_hundred_files)'`.
#[test]
#[ignore = "takes a minute of two processors"]
fn three_hundred_files_that_are_written_to_give_whole_versions_alone() {
    all(300);
}
