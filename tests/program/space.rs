//! Space: what can't fit is said before the first byte.

use crate::{
    disk_full::Small,
    support::{Ended, Ftpq, Scripted, pseudo_random, report, schema::assert_valid},
};
use serde_json::json;
use std::{fmt::Write as _, fs, path::Path};

/// Queues files with the lengths that the list gives.
fn queue(ftpq: &Ftpq, server: &Scripted, files: &[(&str, Option<u64>)], into: &Path) {
    let mut list = String::new();
    for (name, size) in files {
        let mut line = json!({"url": server.url(name), "path": name});
        if let Some(size) = size {
            line["size"] = (*size).into();
        }
        writeln!(list, "{line}").unwrap();
    }
    ftpq.run(&["add", &ftpq.write("sized.jsonl", list), "--into", into.to_str().unwrap()]).expect_code(0);
}

fn is_refused(ended: Ended, server: &Scripted, needed: u64) {
    let ended = ended.expect_code(5);
    assert!(ended.err.contains("not enough space"), "{ended}");
    assert!(ended.err.contains(&format!("({needed} bytes)")) && ended.err.contains("are free"), "{ended}");
    assert!(ended.err.contains("--force"), "{ended}");
    assert_eq!(server.core().turns(), 0, "the server was called\n{ended}{}", server.core().dialogue());
}

#[test]
fn too_little_space_is_said_before_the_first_byte_and_force_goes_on() {
    let ftpq = Ftpq::new();
    let place = ftpq.folder().join("small");
    let Some(small) = Small::mount(&place, 4) else { return report::skip("needs root, to mount a small file system") };
    let server = Scripted::honest();
    let data = pseudo_random(120, 1_500_000);
    let names = ["a", "b", "c", "d"];
    names.iter().for_each(|name| server.put(name, data.clone()));
    server.put("elsewhere", data.clone());
    server.put("unknown", b"short".to_vec());
    let size = Some(data.len() as u64);
    let below = place.join("still/to/be/made");
    queue(&ftpq, &server, &[("a", size), ("b", size), ("c", size), ("d", size), ("unknown", None)], &below);
    queue(&ftpq, &server, &[("elsewhere", size)], &ftpq.downloads());
    let ended = ftpq.run(&["run"]);
    assert!(ended.err.contains("4 files need") && ended.err.contains("1 more file is of unknown length"), "{ended}");
    is_refused(ended, &server, 6_000_000);
    let json = ftpq.run(&["--json", "run"]).expect_code(5);
    json.lines().iter().for_each(|line| assert_valid("event", line));
    assert_eq!(json.events("too_little_space")[0]["needed"], 6_000_000, "{json}");
    // What is not asked for needs no space.
    ftpq.run(&["run", "1-2"]).expect_code(0);
    assert_eq!(server.core().sent_total(), 3_000_000);
    // What is done, and what lies on another file system, is not counted.
    let ended = ftpq.run(&["run"]).expect_code(5);
    assert!(ended.err.contains("2 files need") && ended.err.contains("(3000000 bytes)"), "{ended}");
    let forced = ftpq.run(&["run", "--force"]).expect_code(5);
    assert!(forced.err.contains("warning: not enough space"), "{forced}");
    assert_eq!(fs::read(ftpq.downloads().join("elsewhere")).unwrap(), data, "{forced}");
    small.grow(64);
    ftpq.run(&["run"]).expect_code(0);
    for name in names {
        assert_eq!(fs::read(below.join(name)).unwrap(), data, "{name}");
    }
}

/// Files that are there already, and what part files hold, need no space a second time.
#[test]
fn what_is_there_already_is_not_counted_twice() {
    let ftpq = Ftpq::new();
    let place = ftpq.folder().join("small");
    let Some(_small) = Small::mount(&place, 4) else { return report::skip("needs root, to mount a small file system") };
    let server = Scripted::honest();
    let data = pseudo_random(121, 1_500_000);
    let size = Some(data.len() as u64);
    ["a", "b"].iter().for_each(|name| server.put(name, data.clone()));
    fs::write(place.join("a"), &data).unwrap();
    // As it was downloaded; the server's time.
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_709_210_096);
    fs::File::options().write(true).open(place.join("a")).unwrap().set_modified(time).unwrap();
    queue(&ftpq, &server, &[("a", size), ("b", size)], &place);
    let filler = place.join("filler");
    fs::write(&filler, vec![1; 1_000_000]).unwrap();
    // 4 MiB less 2.5 MB leave room for one of the two.
    let ended = ftpq.run(&["run"]).expect_code(0);
    assert_eq!(server.core().sent("a"), 0, "{ended}");
    assert_eq!(fs::read(place.join("b")).unwrap(), data, "{ended}");
}

#[test]
fn a_half_of_a_file_that_is_there_needs_only_the_other_half() {
    let ftpq = Ftpq::new();
    let place = ftpq.folder().join("small");
    let Some(_small) = Small::mount_image(&place, "mkfs.ext4", 24) else {
        return report::skip("needs root, mkfs.ext4 and a loop device");
    };
    let stat = rustix::fs::statvfs(&place).unwrap();
    let free = stat.f_bavail * stat.f_frsize;
    // It fits once, and its part file leaves no room for another of its kind.
    let length = usize::try_from(free * 6 / 10).unwrap();
    let data = pseudo_random(122, length);
    let server = Scripted::with(crate::support::Traits { pace: 4_000_000, ..Default::default() }, |_| {
        crate::support::Act::Usual
    });
    server.put("big", data.clone());
    queue(&ftpq, &server, &[("big", Some(length as u64))], &place);
    let mut run = ftpq.spawn(&["run"]);
    let part = crate::support::watch::part_of(&place.join("big"));
    let half = || crate::support::watch::length(&part) > length as u64 / 4;
    assert!(crate::support::watch::wait_for(std::time::Duration::from_secs(20), half), "{}", run.so_far());
    run.signal(rustix::process::Signal::INT);
    let stopped = run.wait(std::time::Duration::from_secs(10)).expect_code(3);
    let ended = ftpq.run(&["run"]).expect_code(0);
    assert_eq!(fs::read(place.join("big")).unwrap(), data, "{stopped}{ended}");
}
