//! A full file system: nothing is lost, it is said, and the next run goes on.

pub(crate) use crate::support::disk::Small;
use crate::support::{Act, Delivery, Ended, Ftpq, Scripted, Traits, bytes::difference, pseudo_random, report, watch};
use std::{fmt::Write as _, fs, io::Write, time::Duration};

fn assert_said(ended: &Ended, words: &[&str]) {
    let text = ended.err.to_lowercase();
    assert!(words.iter().any(|w| text.contains(w)), "standard error has none of {words:?}:\n{ended}");
}

/// `unsized_` hides the size, so that the end of the space comes as a surprise in mid-transfer.
fn disk_full_in_mid_transfer(unsized_: bool) {
    let ftpq = Ftpq::new();
    let place = ftpq.folder().join("small");
    let Some(small) = Small::mount(&place, 4) else { return report::skip("needs root, to mount a small file system") };
    let data = pseudo_random(110, 6_000_000);
    let other = pseudo_random(111, 200_000);
    let server = Scripted::with(Traits { pace: 8_000_000, ..Traits::default() }, move |turn| match turn.verb {
        "SIZE" if unsized_ => Act::say("502 Command not implemented."),
        "RETR" if unsized_ && turn.honest.is_some() => {
            Act::Deliver(Delivery { opening: "150 Here.".to_owned(), ..turn.delivery() })
        }
        _ => Act::Usual,
    });
    server.put("big.bin", data.clone());
    server.put("other.bin", other.clone());
    let manifest = ftpq.write("list", format!("{} big.bin\n", server.url("big.bin")));
    ftpq.run(&["add", &manifest, "--into", place.to_str().unwrap()]).expect_code(0);
    // What goes elsewhere is not held up.
    ftpq.add(&[(server.url("other.bin"), "other.bin")]);
    let ended = ftpq.run(&["run"]).expect_code(5);
    assert_said(&ended, &["disk full", "no space", "is full", "space left", "not enough space"]);
    ftpq.assert_file("other.bin", &other, &ended);
    assert!(!place.join("big.bin").exists(), "{ended}");
    let job = ftpq.json_one(&["show", "1"]);
    assert!(["queued", "waiting", "paused"].contains(&job["state"].as_str().unwrap()), "{job:#}\n{ended}");
    let have = watch::length(&watch::part_of(&place.join("big.bin")));
    let before = server.core().sent("big.bin");
    small.grow(64);
    let again = ftpq.run(&["run"]).expect_code(0);
    let got = fs::read(place.join("big.bin")).unwrap();
    assert!(got == data, "{:?}\n{again}", difference(&got, &data));
    let fetched = server.core().sent("big.bin") - before;
    // Without a size there is no telling whether the file is still the same: it may begin anew.
    let limit = if unsized_ { data.len() as u64 } else { data.len() as u64 - have + 70_000 };
    assert!(fetched <= limit, "{have} bytes were there, and {fetched} of {} were fetched\n{ended}{again}", data.len());
    report::table(&format!(
        "disk full, size {}: exit 5 with {have} bytes kept; then {fetched} of {} fetched\n",
        if unsized_ { "unknown" } else { "known" },
        data.len()
    ));
}

/// Something else fills the file system while a file of known size is under way.
#[test]
fn a_disk_that_fills_up_in_mid_transfer_is_exit_5_and_the_next_run_fetches_only_the_rest() {
    let ftpq = Ftpq::new();
    let place = ftpq.folder().join("small");
    let Some(_small) = Small::mount_ext2(&place) else {
        return report::skip("needs root, mkfs.ext2 and a loop device");
    };
    let data = pseudo_random(113, 6_000_000);
    let server = Scripted::with(Traits { pace: 2_000_000, ..Traits::default() }, |_| Act::Usual);
    server.put("big.bin", data.clone());
    let manifest = ftpq.write("list", format!("{} big.bin\n", server.url("big.bin")));
    ftpq.run(&["add", &manifest, "--into", place.to_str().unwrap()]).expect_code(0);
    let run = ftpq.spawn(&["run"]);
    let part = watch::part_of(&place.join("big.bin"));
    assert!(watch::wait_for(Duration::from_secs(20), || watch::length(&part) > 2_000_000), "{}", run.so_far());
    let mut filler = fs::File::create(place.join("filler")).unwrap();
    while filler.write_all(&[1; 4096]).is_ok() {}
    let ended = run.wait(Duration::from_secs(20)).expect_code(5);
    assert_said(&ended, &["disk full", "no space", "is full", "space left", "not enough space"]);
    let have = watch::length(&part);
    assert!(have > 2_000_000, "what was there is gone: {have} bytes are left\n{ended}");
    assert!(!place.join("big.bin").exists(), "{ended}");
    let before = server.core().sent("big.bin");
    drop(filler);
    fs::remove_file(place.join("filler")).unwrap();
    let again = ftpq.run(&["run"]).expect_code(0);
    let got = fs::read(place.join("big.bin")).unwrap();
    assert!(got == data, "{:?}\n{again}", difference(&got, &data));
    let fetched = server.core().sent("big.bin") - before;
    assert!(fetched <= data.len() as u64 - have + 70_000, "{have} were there, {fetched} fetched\n{ended}{again}");
    report::table(&format!("disk full in mid-transfer: exit 5 with {have} bytes kept; then {fetched} fetched\n"));
}

#[test]
fn a_full_disk_holds_up_only_what_has_no_space_and_nothing_is_fetched_twice() {
    let ftpq = Ftpq::new();
    let place = ftpq.folder().join("small");
    let Some(small) = Small::mount(&place, 4) else { return report::skip("needs root, to mount a small file system") };
    let server = Scripted::with(Traits { pace: 4_000_000, ..Traits::default() }, |_| Act::Usual);
    let data = pseudo_random(114, 1_000_000);
    let names: Vec<String> = (0..6).map(|n| format!("f{n}")).collect();
    names.iter().for_each(|n| server.put(n, data.clone()));
    let list: String = names.iter().map(|n| format!("{}\n", server.url(n))).collect();
    ftpq.run(&["add", &ftpq.write("list", list), "--into", place.to_str().unwrap()]).expect_code(0);
    let ended = ftpq.run(&["run"]).expect_code(5);
    let done = ftpq.count("done");
    assert!(done >= 3, "4 MiB hold at least three files of 1 MB, but {done} are done\n{ended}");
    assert_eq!(ftpq.count("failed"), 0, "{ended}");
    small.grow(64);
    let again = ftpq.run(&["run"]).expect_code(0);
    for name in &names {
        assert!(fs::read(place.join(name)).unwrap() == data, "{name}\n{again}");
    }
    assert!(server.core().sent_total() <= 6_600_000, "{} bytes\n{ended}{again}", server.core().sent_total());
}

#[test]
fn a_full_disk_is_exit_5_and_the_next_run_continues() {
    disk_full_in_mid_transfer(false);
}

#[test]
fn a_full_disk_with_a_file_of_unknown_size_is_exit_5_and_the_next_run_continues() {
    disk_full_in_mid_transfer(true);
}

#[test]
fn a_full_disk_under_the_queue_is_exit_5_and_nothing_accepted_is_lost() {
    let ftpq = Ftpq::new();
    let Some(small) = Small::mount(&ftpq.queue(), 2) else {
        return report::skip("needs root, to mount a small file system");
    };
    let list: String = (0..200_000).map(|n| format!("ftp://127.0.0.1:9/a/rather/long/path/to/a/file/{n}\n")).collect();
    let manifest = ftpq.write("list", list);
    let into = ftpq.downloads();
    let ended = ftpq.run(&["add", &manifest, "--into", into.to_str().unwrap()]);
    assert!(ended.code == Some(5), "exit 5 was expected\n{ended}");
    small.grow(512);
    let jobs = |story: &Ended| {
        let status = ftpq.json_one(&["status"]);
        status["jobs"]["queued"].as_u64().unwrap_or_else(|| panic!("{status:#}\n{story}"))
    };
    assert_eq!(jobs(&ended), 0, "a manifest that was refused is there in part\n{ended}");
    let again = ftpq.run(&["add", &manifest, "--into", into.to_str().unwrap()]).expect_code(0);
    assert_eq!(jobs(&again), 200_000, "{again}");
}

#[test]
fn a_folder_without_permission_is_exit_5_and_names_the_folder() {
    let server = Scripted::honest();
    server.put("a.bin", pseudo_random(112, 1000));
    let ftpq = Ftpq::new();
    // A file where a folder should be stops root too.
    fs::write(ftpq.downloads().join("sub"), "not a folder").unwrap();
    ftpq.add(&[(server.url("a.bin"), "sub/a.bin")]);
    let ended = ftpq.run(&["run"]);
    assert!(matches!(ended.code, Some(1 | 5)), "{ended}");
    assert!(ended.err.contains("sub"), "it does not say what is in the way\n{ended}");
    assert_eq!(fs::read(ftpq.downloads().join("sub")).unwrap(), b"not a folder", "{ended}");
}

/// Takes all the space that is left of a file system.
fn fill(place: &std::path::Path) -> std::path::PathBuf {
    let path = place.join("filler");
    let file = fs::File::create(&path).unwrap();
    let mut at = 0;
    for bits in (12..24).rev() {
        while rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), at, 1 << bits).is_ok() {
            at += 1 << bits;
        }
    }
    path
}

/// The queue lies on the disk that fills up, and one run after the other meets it: the store must stay whole, so that it
/// need not be built anew from the journal.
#[test]
fn a_disk_that_fills_up_under_the_queue_damages_nothing() {
    let ftpq = Ftpq::new();
    let place = ftpq.queue();
    let Some(_small) = Small::mount(&place, 16) else {
        return report::skip("needs root, to mount a small file system");
    };
    let server = Scripted::with(Traits { pace: 400_000, ..Traits::default() }, |_| Act::Usual);
    let names: Vec<String> = (0..120).map(|n| format!("f{n}")).collect();
    names.iter().for_each(|name| server.put(name, pseudo_random(114, 20_000)));
    let list: String = names.iter().map(|name| format!("{}\n", server.url(name))).collect();
    let list = ftpq.write("list", list);
    let mut story = ftpq.run(&["add", &list]).expect_code(0).everything();
    for round in 0..6 {
        let run = ftpq.spawn(&["run"]);
        let before = server.core().sent_total();
        assert!(watch::wait_for(Duration::from_secs(20), || server.core().sent_total() > before + 100_000));
        let filler = fill(&place);
        let ended = run.wait(Duration::from_secs(20)).expect_code(5);
        let again = ftpq.run(&["run"]);
        fs::remove_file(filler).unwrap();
        writeln!(story, "round {round}: {ended}{again}").unwrap();
    }
    let ended = ftpq.run(&["run"]).expect_code(0);
    let damaged =
        fs::read_dir(&place).unwrap().flatten().filter(|e| e.file_name().to_string_lossy().contains("damaged"));
    assert_eq!(damaged.count(), 0, "{story}{ended}");
}
