//! Whole runs over folders of a scripted server: hostile and broken listings, crashes, a million entries, dry runs.

use crate::support::{Act, End, Ftpq, Scripted, Traits, ftpq::LIMIT, watch};
use std::{
    collections::BTreeSet,
    fmt::Write,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

fn machine(names: impl IntoIterator<Item = String>) -> String {
    names.into_iter().fold(String::new(), |mut lines, name| {
        write!(lines, "type=file;size=5;modify=20240229123456; {name}\r\n").unwrap();
        lines
    })
}

/// A server whose folder `d` is told by these lines.
fn telling(lines: String) -> Scripted {
    let lines = Arc::new(lines.into_bytes());
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, move |turn| match turn.verb {
        "MLSD" if turn.honest.is_some() => {
            let mut delivery = turn.delivery();
            (delivery.data, delivery.upto) = (Arc::clone(&lines), lines.len());
            Act::Deliver(delivery)
        }
        _ => Act::Usual,
    });
    server.put_folder("d");
    server
}

/// Every file below a folder.
fn files_below(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else {
                assert!(!path.is_symlink(), "{} is a link", path.display());
                found.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

/// CVE-2002-1344, CVE-2002-1345, CVE-2004-1294, CVE-2010-3096, CVE-2026-27699, CVE-2010-2251, CVE-2018-10916: what has led
/// other clients out of the folder is refused by name, and everything else is fetched.
#[test]
fn names_that_lead_elsewhere_stop_nothing_else_and_fail_the_folder() {
    let bad = ["../up", "/etc/passwd", "a/b", "..\\up", "c:\\x", "bell\u{7}", "x\u{202e}gpj", ".a.ftpq-part"];
    let good = ["good", "file:///etc/passwd".split('/').next().unwrap(), "-rf"];
    let server = telling(machine(bad.iter().chain(&good).map(|name| (*name).to_owned())));
    for name in good {
        server.put(&format!("d/{name}"), "12345");
    }
    let ftpq = Ftpq::new();
    let ended = ftpq.run(&["get", &server.url("d/"), "--retries", "0", "--into", ftpq.downloads().to_str().unwrap()]);
    let ended = ended.expect_code(1);
    let here = files_below(ftpq.downloads().as_path());
    assert!(here.contains("good") && here.contains("-rf"), "{here:?}\n{ended}");
    assert!(here.iter().all(|name| good.contains(&name.as_str())), "{here:?}\n{ended}");
    assert!(ended.err.contains("names can't be stored here") && ended.err.contains("--exclude"), "{ended}");
    assert!(!ended.everything().contains('\u{7}') && !ended.everything().contains('\u{202e}'), "{ended}");
    assert!(!ftpq.folder().join("up").exists());
}

/// CVE-2014-4877: a link to a folder elsewhere, and then a folder of its name. No link is made, and one of the two is taken.
#[test]
fn a_link_and_a_folder_of_its_name_make_no_link_here() {
    let lines = "type=OS.unix=slink:/etc;modify=20240229123456; trap\r\ntype=dir;modify=20240229123456; trap\r\n";
    let server = telling(format!("{lines}{}", machine(["good".to_owned()])));
    server.put("d/good", "12345");
    let ftpq = Ftpq::new();
    let into = ftpq.downloads();
    let ended =
        ftpq.run(&["get", "--recursive", "--retries", "0", &server.url("d/"), "--into", into.to_str().unwrap()]);
    assert!(ended.code.is_some(), "{ended}");
    assert_eq!(files_below(&into), BTreeSet::from(["good".to_owned()]), "{ended}");
    assert!(fs::symlink_metadata(into.join("trap")).map_or(true, |there| there.is_dir()), "{ended}");
}

/// A folder that lists itself for ever, as a hostile server may: reading it comes to an end.
#[test]
fn folders_in_folders_without_end_come_to_one() {
    let lines = Arc::new(b"type=dir;modify=20240229123456; d\r\n".to_vec());
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, move |turn| match turn.verb {
        "CWD" => Act::say("250 There you are"),
        "MLSD" => {
            let mut delivery = turn.honest.cloned().unwrap_or_else(|| panic!("no folder"));
            (delivery.data, delivery.upto) = (Arc::clone(&lines), lines.len());
            Act::Deliver(delivery)
        }
        _ => Act::Usual,
    });
    server.put_folder("d");
    let ftpq = Ftpq::new();
    let into = ftpq.downloads();
    let ended =
        ftpq.run(&["get", "--recursive", "--retries", "0", &server.url("d/"), "--into", into.to_str().unwrap()]);
    assert!(matches!(ended.code, Some(0 | 1)), "{ended}");
    assert!(files_below(&into).is_empty());
    assert!(server.core().args("MLSD").len() + server.core().args("CWD").len() < 5000, "{ended}");
}

/// A listing that breaks off is no listing: what it told is kept, nothing counts as gone, and the next try goes on.
#[test]
fn a_listing_that_breaks_off_deletes_nothing() {
    let broken = Arc::new(AtomicBool::new(false));
    let breaks = Arc::clone(&broken);
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, move |turn| match turn.verb {
        "MLSD" if breaks.load(Ordering::SeqCst) && turn.honest.is_some() => {
            let mut delivery = turn.delivery();
            delivery.upto /= 2;
            delivery.end = End::Reset;
            delivery.verdict = "426 Broken".to_owned();
            Act::Deliver(delivery)
        }
        _ => Act::Usual,
    });
    for n in 0..20 {
        server.put(&format!("d/f{n}"), format!("{n}"));
    }
    let ftpq = Ftpq::new();
    let into = ftpq.downloads();
    let url = server.url("d/");
    let sync = ["sync", "--delete", "--retries", "0", &url, into.to_str().unwrap()];
    ftpq.run(&sync).expect_code(0);
    assert_eq!(files_below(&into).len(), 20);
    server.core().remove("d/f3");
    broken.store(true, Ordering::SeqCst);
    let ended = ftpq.run(&sync).expect_code(1);
    assert_eq!(files_below(&into).len(), 20, "{ended}");
    assert!(ended.err.contains("nothing was deleted"), "{ended}");
    broken.store(false, Ordering::SeqCst);
    let ended = ftpq.run(&sync).expect_code(0);
    assert_eq!(files_below(&into).len(), 19, "{ended}");
    assert!(!into.join("f3").exists(), "{ended}");
}

/// kill -9 while the listing comes in, again and again: each file is fetched once it is whole, none twice, none lost.
#[test]
fn a_kill_in_mid_expansion_loses_and_doubles_nothing() {
    const FILES: usize = 3000;
    let slow = Arc::new(AtomicUsize::new(60_000));
    let pace = Arc::clone(&slow);
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, move |turn| match turn.verb {
        "MLSD" if turn.honest.is_some() => {
            let mut delivery = turn.delivery();
            delivery.pace = pace.load(Ordering::SeqCst) as u64;
            Act::Deliver(delivery)
        }
        _ => Act::Usual,
    });
    for n in 0..FILES {
        server.put(&format!("d/file {n}"), format!("content {n}"));
    }
    let ftpq = Ftpq::new();
    let into = ftpq.downloads();
    let url = server.url("d/");
    ftpq.run(&["add", &url, "--into", into.to_str().unwrap()]).expect_code(0);
    for wait in [400, 900, 1500] {
        let run = ftpq.spawn(&["run"]);
        std::thread::sleep(Duration::from_millis(wait));
        // A machine with much else to do may need longer than that for the first file.
        let came = wait < 1500 || watch::wait_for(LIMIT, || !files_below(&into).is_empty());
        assert!(came, "files arrive while the listing comes in: {}", run.so_far());
        run.kill();
    }
    slow.store(0, Ordering::SeqCst);
    let ended = ftpq.run(&["run"]).expect_code(0);
    let whole: Vec<String> = files_below(&into).into_iter().filter(|name| !name.contains("ftpq-part")).collect();
    assert_eq!(whole.len(), FILES, "{ended}");
    for n in (0..FILES).step_by(97) {
        assert_eq!(fs::read_to_string(into.join(format!("file {n}"))).unwrap(), format!("content {n}"));
    }
    assert_eq!(ftpq.count("done"), FILES as u64 + 1, "a job a file, and the folder's");
}

/// Nothing is changed by a rehearsal: no queue is made, no file, and the figures are those of the run that follows.
#[test]
fn a_dry_run_tells_what_the_run_then_does() {
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, |_| Act::Usual);
    for n in 0..30 {
        server.put(&format!("d/sub{}/f{n}", n % 3), vec![b'x'; 100]);
    }
    let ftpq = Ftpq::new();
    let into = ftpq.downloads();
    let url = server.url("d/");
    let place = into.to_str().unwrap();
    let forecast = |args: &[&str]| {
        let lines = ftpq.json(args);
        lines.into_iter().find(|line| line["dry_run"] == true).unwrap_or_else(|| panic!("no forecast from {args:?}"))
    };
    for args in [
        &["get", "--recursive", "--dry-run", &url, "--into", place][..],
        &["add", "--recursive", "--dry-run", &url, "--into", place],
        &["sync", "--dry-run", &url, place],
    ] {
        let told = forecast(args);
        assert_eq!(
            (told["files"].as_u64(), told["bytes"].as_u64(), told["folders"].as_u64()),
            (Some(30), Some(3000), Some(4)),
            "{told}"
        );
        assert!(!ftpq.queue().join("store-id").exists(), "{args:?} made a queue");
        assert!(files_below(&into).is_empty(), "{args:?} made files");
    }
    ftpq.run(&["add", "--recursive", &url, "--into", place]).expect_code(0);
    assert_eq!(forecast(&["run", "--dry-run"])["files"], 30);
    ftpq.run(&["sync", &url, place]).expect_code(0);
    assert_eq!(files_below(&into).len(), 30);
    server.put("d/sub1/new", vec![b'y'; 7]);
    server.core().remove("d/sub0/f0");
    let told = forecast(&["sync", "--delete", "--dry-run", &url, place]);
    assert_eq!((told["files"].as_u64(), told["bytes"].as_u64()), (Some(1), Some(7)), "{told}");
    assert_eq!(files_below(&into).len(), 30, "a dry run deletes nothing");
}

#[test]
fn patterns_depth_and_sizes_choose_the_files() {
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, |_| Act::Usual);
    for (name, size) in [("d/a.nc", 10), ("d/b.txt", 10), ("d/x/c.nc", 10), ("d/x/y/d.nc", 10), ("d/x/large.nc", 5000)]
    {
        server.put(name, vec![b'x'; size]);
    }
    let table: [(&str, &[&str], &[&str]); 8] = [
        ("d/", &[], &["a.nc", "b.txt"]),
        ("d/*.nc", &[], &["a.nc"]),
        ("d/**/*.nc", &[], &["a.nc", "x/c.nc", "x/large.nc", "x/y/d.nc"]),
        ("d/", &["--recursive", "--include", "*.nc", "--max-size", "1K"], &["a.nc", "x/c.nc", "x/y/d.nc"]),
        ("d/", &["--depth", "2"], &["a.nc", "b.txt", "x/c.nc", "x/large.nc"]),
        ("d/", &["--recursive", "--exclude", "x/"], &["a.nc", "b.txt"]),
        ("d/", &["--recursive", "--flatten", "--exclude", "large*"], &["a.nc", "b.txt", "c.nc", "d.nc"]),
        ("d/", &["--recursive", "--newer", "2100-01-01"], &[]),
    ];
    for (path, options, expected) in table {
        let ftpq = Ftpq::new();
        let into = ftpq.downloads();
        let url = server.url(path);
        let args = [&["get", &url, "--into", into.to_str().unwrap()], options].concat();
        let ended = ftpq.run(&args).expect_code(0);
        let expected: BTreeSet<String> = expected.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(files_below(&into), expected, "{path} {options:?}\n{ended}");
    }
}

/// By hand, with a release build: `cargo test --release --features demo --test program -- --ignored million_entries`.
#[test]
#[ignore = "needs a release build to mean anything, and a minute"]
fn a_million_entries_are_expanded_in_less_than_150_mib() {
    let lines = machine((0..1_000_000).map(|n| format!("a file with a name of usual length {n:07}.nc")));
    let server = telling(lines);
    let ftpq = Ftpq::new();
    ftpq.run(&["add", &server.url("d/"), "--into", ftpq.downloads().to_str().unwrap()]).expect_code(0);
    let mut run = ftpq.spawn(&["run", "--connections", "1"]);
    let mut most = 0;
    let begin = std::time::Instant::now();
    while !run.ended() && begin.elapsed() < Duration::from_secs(300) {
        most = most.max(run.peak_memory());
        if ftpq.count("queued") >= 999_000 {
            break;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    println!("{} jobs after {:?}, {most} KiB at most", ftpq.count("queued"), begin.elapsed());
    run.kill();
    assert!(ftpq.count("queued") >= 999_000);
    assert!(most < 150 * 1024, "{most} KiB");
}
