//! Whole trees from the three real servers: mirrored, compared with the disk, and kept in step.

use crate::support::{
    Ftpq, pseudo_random,
    real::{self, Kind, Options, Server},
    report,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fmt::Write,
    fs,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt, fs::symlink},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// 2026-11-01 10:11:12 UTC: long ago, so that no minute is in doubt.
const MODIFIED: u64 = 1_793_527_872;

/// A tree on a server: folders, and files in each.
struct Tree {
    root: PathBuf,
    files: usize,
}

/// Local name of a server's: bytes that are no UTF-8 are percent-encoded, all of that name's bytes but the plain ones.
fn local_name(name: &[u8]) -> String {
    match std::str::from_utf8(name) {
        Ok(name) => name.to_owned(),
        Err(_) => name.iter().fold(String::new(), |mut text, &b| {
            match b {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(b)),
                _ => write!(text, "%{b:02X}").unwrap(),
            }
            text
        }),
    }
}

impl Tree {
    /// Names of every kind that the servers can keep.
    fn name(kind: Kind, number: usize) -> Vec<u8> {
        let plain = match number % 10 {
            0 => format!("file {number} with spaces.txt"),
            1 => format!("#{number}%20;x=[1]*?.nc"),
            2 => format!("größe {number} 日本.dat"),
            3 => format!("-dash{number}"),
            // pure-ftpd takes blanks away at the start of a name.
            4 if kind != Kind::PureFtpd => format!(" blank{number}"),
            5 => return [b"caf\xe9 ", number.to_string().as_bytes()].concat(),
            6 => format!("100%{number}"),
            _ => format!("plain{number}.gz"),
        };
        plain.into_bytes()
    }

    fn grow(server: &Server, kind: Kind, folders: usize, files: usize) -> Self {
        let tree = Self { root: server.root(), files };
        for folder in 0..folders {
            let dir = tree.folder(folder);
            fs::create_dir_all(&dir).unwrap();
            for file in 0..files {
                let number = folder * files + file;
                let path = dir.join(OsStr::from_bytes(&Self::name(kind, number)));
                let data = pseudo_random(number as u64, number % 700);
                fs::write(&path, data).unwrap();
                touch(&path, MODIFIED);
            }
        }
        // Links: to a file, to folders beside, above and to itself, and to nothing.
        symlink(OsStr::from_bytes(&Self::name(kind, 7)), tree.folder(0).join("link to file")).unwrap();
        for (target, name) in [("..", "up"), (".", "self"), ("../nowhere", "dangling")] {
            symlink(target, tree.folder(1).join(name)).unwrap();
        }
        symlink(tree.folder(0).file_name().unwrap(), tree.root.join("beside")).unwrap();
        open_to_all(&tree.root);
        tree
    }

    /// Every tenth folder lies in the one before it.
    fn folder(&self, number: usize) -> PathBuf {
        let name = |number: usize| match number % 4 {
            0 => format!("folder {number}"),
            1 => format!("Ordner-ü{number}"),
            _ => format!("d{number}"),
        };
        if number % 10 == 9 {
            self.root.join(name(number - 1)).join(name(number))
        } else {
            self.root.join(name(number))
        }
    }

    fn file(&self, kind: Kind, number: usize) -> PathBuf {
        self.folder(number / self.files).join(OsStr::from_bytes(&Self::name(kind, number)))
    }
}

fn touch(path: &Path, seconds: u64) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
}

fn open_to_all(root: &Path) {
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            open_to_all(&path);
        } else if kind.is_file() {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        }
    }
}

/// What lies below a folder: the local path of each file that a mirror is to have, with content and time.
fn contents(root: &Path, local: bool) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![(root.to_owned(), String::new())];
    while let Some((folder, below)) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().as_bytes();
            let name = if local { String::from_utf8(name.to_vec()).unwrap() } else { local_name(name) };
            let name = format!("{below}{name}");
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            assert!(!(local && kind.is_symlink()), "a link was created: {name}");
            if kind.is_dir() {
                folders.push((path, format!("{name}/")));
            } else if let Ok(file) = fs::metadata(&path)
                && file.is_file()
            {
                found.insert(name, (fs::read(&path).unwrap(), file.modified().unwrap()));
            }
        }
    }
    found
}

/// Panics unless the mirror has exactly the server's files, with their content and times.
fn assert_equal(server: &Path, mirror: &Path, story: &str) {
    let (there, here) = (contents(server, false), contents(mirror, true));
    let names = |map: &BTreeMap<String, _>| map.keys().cloned().collect::<BTreeSet<_>>();
    let (missing, more): (Vec<_>, Vec<_>) = (
        names(&there).difference(&names(&here)).cloned().collect(),
        names(&here).difference(&names(&there)).cloned().collect(),
    );
    assert!(missing.is_empty() && more.is_empty(), "missing {missing:?}, too many {more:?}\n{story}");
    for (name, file) in &there {
        assert!(file.0 == here[name].0, "{name} differs\n{story}");
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(seconds(file.1), seconds(here[name].1), "the time of {name}\n{story}");
    }
}

/// How often each command was sent, as the trace has it.
fn commands(trace: &Path) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for line in String::from_utf8_lossy(&fs::read(trace).unwrap()).lines() {
        if let Some((_, command)) = line.split_once(" > ") {
            let verb = command.split(' ').next().unwrap().to_owned();
            *counted.entry(verb).or_default() += 1;
        }
    }
    counted
}

/// The table of one server: what each step took.
fn mirror(kind: Kind, folders: usize, files: usize) {
    if let Some(reason) = real::unavailable() {
        return report::skip(&reason);
    }
    let limit = Duration::from_secs(600);
    let server = Server::start(kind, Options::default());
    let tree = Tree::grow(&server, kind, folders, files);
    let ftpq = Ftpq::new();
    let into = ftpq.downloads();
    let url = server.url("", false);
    let mut table = String::new();
    let mut step = |name: &str, more: &[&str], code: i32| {
        let trace = ftpq.folder().join(format!("{name}.trace"));
        let (at, begin) = (trace.to_str().unwrap(), Instant::now());
        let args = [&["--json", "--trace", at, "sync", &url, into.to_str().unwrap()], more].concat();
        let ended = ftpq.spawn(&args).wait(limit).expect_code(code);
        let (sent, done) = (commands(&trace), ended.events("done").len());
        let count = |verb: &str| sent.get(verb).copied().unwrap_or(0);
        let lists = count("LIST") + count("MLSD");
        let took = begin.elapsed().as_secs_f64();
        writeln!(
            table,
            "{:<10} {name:<8} {took:6.1} s {done:6} files {:6} RETR {lists:5} listings",
            kind.name(),
            count("RETR")
        )
        .unwrap();
        let told = format!("{name}: {sent:?}\n{ended}");
        (ended, count("RETR"), lists, told)
    };

    let (ended, _, lists, told) = step("first", &[], 0);
    assert_equal(&tree.root, &into, &told);
    assert_eq!(lists, folders + 1, "{told}");
    assert!(ended.events("failed").is_empty(), "{told}");

    let (ended, retrieved, lists, told) = step("second", &[], 0);
    assert_eq!((retrieved, lists), (0, folders + 1), "{told}");
    let done = ended.events("done");
    assert!(done.is_empty() && ended.events("gone").is_empty(), "{done:?} {told}");

    // A hundred changes: new files, other sizes, another time at the same size, and files that go.
    let total = folders * files;
    let at = |n: usize| tree.file(kind, n * (total / 100) + 7 % files);
    let mut expected = BTreeSet::new();
    let mut gone = 0;
    for n in 0..100 {
        let path = at(n);
        match n % 4 {
            0 => {
                let new = path.with_file_name(format!("new {n}"));
                fs::write(&new, b"new").unwrap();
                touch(&new, MODIFIED + 7200);
                expected.insert(new);
            }
            1 => {
                fs::write(&path, pseudo_random(9_000_000 + n as u64, 900)).unwrap();
                touch(&path, MODIFIED + 7200);
                expected.insert(path);
            }
            2 => {
                let size = fs::metadata(&path).unwrap().len();
                fs::write(&path, pseudo_random(8_000_000 + n as u64, usize::try_from(size).unwrap())).unwrap();
                touch(&path, MODIFIED + 7200);
                expected.insert(path);
            }
            _ => {
                fs::remove_file(&path).unwrap();
                gone += 1;
            }
        }
    }
    open_to_all(&tree.root);
    let (ended, retrieved, _, told) = step("changed", &[], 0);
    let local = |path: &Path| {
        let below = path.strip_prefix(&tree.root).unwrap();
        below.iter().map(|name| local_name(name.as_bytes())).collect::<Vec<_>>().join("/")
    };
    let expected: BTreeSet<String> = expected.iter().map(|path| local(path)).collect();
    let fetched: BTreeSet<String> =
        ended.events("done").iter().map(|e| e["destination"]["path"].as_str().unwrap().to_owned()).collect();
    assert_eq!(fetched, expected, "{told}");
    assert_eq!(retrieved, expected.len(), "{told}");
    let told_gone = ended.events("gone");
    assert_eq!(told_gone.len(), gone, "{told}");
    assert!(told_gone.iter().all(|event| event["deleted"] == false), "{told}");
    let mine = into.join("my own file");
    fs::write(&mine, "mine").unwrap();

    let (ended, retrieved, _, told) = step("deleting", &["--delete"], 0);
    assert_eq!((retrieved, ended.events("gone").len()), (0, gone), "{told}");
    assert_eq!(fs::read(&mine).unwrap(), b"mine", "{told}");
    fs::remove_file(&mine).unwrap();
    assert_equal(&tree.root, &into, &told);
    report::table(&table);
}

#[test]
fn a_tree_on_vsftpd_is_mirrored_and_kept_in_step() {
    mirror(Kind::Vsftpd, 40, 50);
}

#[test]
fn a_tree_on_proftpd_is_mirrored_and_kept_in_step() {
    mirror(Kind::Proftpd, 40, 50);
}

#[test]
fn a_tree_on_pure_ftpd_is_mirrored_and_kept_in_step() {
    mirror(Kind::PureFtpd, 40, 50);
}

/// By hand: `cargo nextest run --run-ignored only -E 'test(twenty_thousand)'`.
#[test]
#[ignore = "takes minutes"]
fn twenty_thousand_files_on_each_server_are_mirrored_and_kept_in_step() {
    for kind in Kind::ALL {
        mirror(kind, 400, 50);
    }
}
