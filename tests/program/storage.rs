//! Storage that refuses: read-only file systems, folders that can't be written, limits on file sizes. What goes there is
//! held back before a byte is fetched where that can be known, costs no attempt, and goes on in a later run.

use crate::support::{Act, Delivery, Ended, Ftpq, Scripted, disk::Small, pseudo_random, report};
use std::{fs, path::Path, process::Command};

/// Jobs of so many files of one length in a folder.
fn add_files(ftpq: &Ftpq, server: &Scripted, into: &Path, names: &[String], size: usize) {
    names.iter().for_each(|name| server.put(name, pseudo_random(310, size)));
    let list: String = names.iter().map(|name| format!("{}\n", server.url(name))).collect();
    ftpq.run(&["add", &ftpq.write("list", list), "--into", into.to_str().unwrap()]).expect_code(0);
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}{n}")).collect()
}

/// The run was held back for want of storage, and no job paid for it.
fn assert_held_back(ftpq: &Ftpq, ended: &Ended, waiting: u64) {
    assert_eq!(ended.code, Some(5), "{ended}");
    assert_eq!((ftpq.count("failed"), ftpq.count("queued")), (0, waiting), "{ended}");
    assert!(ended.err.contains("held back") && ended.err.contains("ftpq run"), "it is not said\n{ended}");
    let job = ftpq.json_one(&["show", "1"]);
    assert_eq!(job["record"]["attempts"].as_u64().unwrap_or(0), 0, "an attempt was counted\n{job:#}");
}

fn read_only(size: usize) {
    let ftpq = Ftpq::new();
    let place = ftpq.folder().join("small");
    let Some(disk) = Small::mount(&place, 64) else { return report::skip("needs root, to mount a small file system") };
    let server = Scripted::honest();
    let names = names("f", 30);
    add_files(&ftpq, &server, &place, &names, size);
    disk.set_read_only(true);
    let ended = ftpq.run(&["run"]);
    assert_held_back(&ftpq, &ended, 30);
    assert!(server.core().args("RETR").is_empty(), "bytes were asked for that have no place\n{ended}");
    assert!(ended.err.contains("Read-only file system"), "{ended}");
    let told = ended.err.lines().filter(|line| line.starts_with("held back: ")).count();
    assert!(told <= 2, "the same was told {told} times\n{ended}");
    disk.set_read_only(false);
    let again = ftpq.run(&["run"]).expect_code(0);
    for name in &names {
        assert!(fs::read(place.join(name)).unwrap() == pseudo_random(310, size), "{name}\n{ended}{again}");
    }
}

#[test]
fn small_files_for_a_read_only_disk_are_held_back_unfetched_and_come_later() {
    read_only(20_000);
}

#[test]
fn large_files_for_a_read_only_disk_are_held_back_unfetched_and_come_later() {
    read_only(200_000);
}

#[test]
fn folders_that_a_read_only_disk_lacks_are_no_failure_either() {
    let ftpq = Ftpq::new();
    let place = ftpq.folder().join("small");
    let Some(disk) = Small::mount(&place, 64) else { return report::skip("needs root, to mount a small file system") };
    let server = Scripted::honest();
    add_files(&ftpq, &server, &place.join("new/folder"), &names("f", 5), 20_000);
    disk.set_read_only(true);
    let ended = ftpq.run(&["run"]);
    assert_held_back(&ftpq, &ended, 5);
    assert!(server.core().args("RETR").is_empty(), "{ended}");
    disk.set_read_only(false);
    ftpq.run(&["run"]).expect_code(0);
}

/// Root may write everywhere but where nobody may: the folder is made immutable.
#[test]
fn a_folder_that_can_not_be_written_holds_back_what_goes_there_alone() {
    let ftpq = Ftpq::new();
    let place = ftpq.folder().join("small");
    let Some(_disk) = Small::mount_ext2(&place) else { return report::skip("needs root, mkfs.ext2 and a loop device") };
    let shut = place.join("shut");
    fs::create_dir(&shut).unwrap();
    let chattr = |how: &str| Command::new("chattr").arg(how).arg(&shut).output().is_ok_and(|o| o.status.success());
    if !chattr("+i") {
        return report::skip("needs chattr");
    }
    let server = Scripted::honest();
    add_files(&ftpq, &server, &shut, &names("a", 10), 20_000);
    add_files(&ftpq, &server, &place, &names("b", 10), 20_000);
    let ended = ftpq.run(&["run"]);
    assert_held_back(&ftpq, &ended, 10);
    assert_eq!(ftpq.count("done"), 10, "{ended}");
    assert_eq!((0..10).map(|n| server.core().sent(&format!("a{n}"))).sum::<u64>(), 0, "{ended}");
    assert!(chattr("-i"));
    ftpq.run(&["run"]).expect_code(0);
}

#[test]
fn however_many_files_are_held_back_what_goes_elsewhere_comes() {
    let ftpq = Ftpq::new();
    let place = ftpq.folder().join("small");
    let Some(disk) = Small::mount(&place, 64) else { return report::skip("needs root, to mount a small file system") };
    let server = Scripted::honest();
    add_files(&ftpq, &server, &place, &names("f", 1_300), 100);
    add_files(&ftpq, &server, &ftpq.downloads(), &names("g", 3), 100);
    disk.set_read_only(true);
    let ended = ftpq.run(&["run"]);
    assert_held_back(&ftpq, &ended, 1_300);
    assert_eq!((ftpq.count("done"), server.core().args("RETR").len()), (3, 3), "{ended}");
    disk.set_read_only(false);
    ftpq.run(&["run"]).expect_code(0);
    assert_eq!(ftpq.count("done"), 1_303);
}

#[test]
fn a_file_above_the_limit_on_file_sizes_is_held_back_unfetched_and_alone() {
    let ftpq = Ftpq::new();
    let server = Scripted::honest();
    let into = ftpq.downloads();
    add_files(&ftpq, &server, &into, &["big.bin".to_owned()], 6_000_000);
    add_files(&ftpq, &server, &into, &names("s", 3), 20_000);
    let ended = ftpq.run_under(&["--fsize=4000000:4000000"], &["run"]);
    assert_held_back(&ftpq, &ended, 1);
    assert!(ended.err.contains("6000000 bytes") && ended.err.contains("ulimit -f"), "{ended}");
    assert_eq!((server.core().sent("big.bin"), ftpq.count("done")), (0, 3), "{ended}");
    let again = ftpq.run(&["run"]).expect_code(0);
    ftpq.assert_file("big.bin", &pseudo_random(310, 6_000_000), &again);
}

/// SIGXFSZ would end the process without a word, at each run anew.
#[test]
fn a_file_of_unknown_size_that_meets_the_limit_is_kept_as_far_as_it_came() {
    let ftpq = Ftpq::new();
    let server = Scripted::lying(|turn| match turn.verb {
        "SIZE" => Act::say("502 Command not implemented."),
        "RETR" if turn.honest.is_some() => {
            Act::Deliver(Delivery { opening: "150 Here.".to_owned(), ..turn.delivery() })
        }
        _ => Act::Usual,
    });
    add_files(&ftpq, &server, &ftpq.downloads(), &["big.bin".to_owned()], 6_000_000);
    let ended = ftpq.run_under(&["--fsize=4000000:4000000"], &["run"]);
    assert_eq!((ended.code, ended.signal), (Some(5), None), "{ended}");
    assert!(ended.err.contains("File too large") && ended.err.contains("ulimit -f"), "{ended}");
    assert_eq!((ftpq.count("failed"), ftpq.count("queued")), (0, 1), "{ended}");
    let again = ftpq.run(&["run"]).expect_code(0);
    ftpq.assert_file("big.bin", &pseudo_random(310, 6_000_000), &again);
}

#[test]
fn a_queue_that_outgrows_the_limit_on_file_sizes_is_exit_5_and_loses_nothing() {
    let ftpq = Ftpq::new();
    ftpq.add(&[("ftp://127.0.0.1:9/a".to_owned(), "a")]);
    let list: String = (0..200_000).map(|n| format!("ftp://127.0.0.1:9/a/rather/long/path/to/a/file/{n}\n")).collect();
    let manifest = ftpq.write("list", list);
    let ended = ftpq.run_under(&["--fsize=600000:600000"], &["add", &manifest]);
    assert_eq!((ended.code, ended.signal), (Some(5), None), "{ended}");
    assert!(ended.err.contains("ulimit -f"), "it is not said what to do\n{ended}");
    assert_eq!(ftpq.count("queued"), 1, "a list that was refused is there in part\n{ended}");
    let again = ftpq.run(&["add", &manifest]).expect_code(0);
    assert_eq!(ftpq.count("queued"), 200_001, "{ended}{again}");
}
