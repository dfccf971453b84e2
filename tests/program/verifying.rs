//! `verify`: what was changed, cut, taken away or replaced since it was downloaded is found.

use crate::{
    reports::{queue, sha256},
    support::{Act, Ended, Ftpq, Scripted, pseudo_random, schema::assert_valid, watch},
};
use rustix::process::Signal;
use serde_json::Value;
use std::{
    fs::{self, File, FileTimes},
    os::unix::fs::symlink,
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};

const NAMES: [&str; 7] = ["good", "flipped", "sly", "cut", "gone", "link", "deep/below"];

/// Files that were downloaded, and then met with all kinds of mishap.
struct Mishaps {
    ftpq: Ftpq,
    _server: Scripted,
    data: Vec<u8>,
}

impl Mishaps {
    fn new() -> Self {
        let server = Scripted::honest();
        let ftpq = Ftpq::new();
        let data = pseudo_random(11, 700_000);
        NAMES.iter().for_each(|name| server.put(name, data.clone()));
        let list: Vec<(&str, Option<String>)> = NAMES.iter().map(|&name| (name, Some(sha256(&data)))).collect();
        queue(&ftpq, &server, &list);
        ftpq.run(&["run"]).expect_code(0);
        let this = Self { ftpq, _server: server, data };
        let mut flipped = this.data.clone();
        flipped[654_321] ^= 0x10;
        let time = fs::metadata(this.path("sly")).unwrap().modified().unwrap();
        fs::write(this.path("flipped"), &flipped).unwrap();
        fs::write(this.path("sly"), &flipped).unwrap();
        File::options()
            .write(true)
            .open(this.path("sly"))
            .unwrap()
            .set_times(FileTimes::new().set_modified(time))
            .unwrap();
        fs::write(this.path("cut"), &this.data[..100]).unwrap();
        fs::remove_file(this.path("gone")).unwrap();
        fs::rename(this.path("link"), this.path("elsewhere")).unwrap();
        symlink("elsewhere", this.path("link")).unwrap();
        fs::rename(this.path("deep"), this.path("moved")).unwrap();
        symlink("moved", this.path("deep")).unwrap();
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.ftpq.downloads().join(name)
    }
}

fn standing<'a>(lines: &'a [Value], name: &str) -> &'a str {
    let is_it = |line: &&Value| line["destination"]["path"] == name;
    lines.iter().find(is_it).and_then(|line| line["standing"].as_str()).unwrap_or("not told of")
}

#[test]
fn every_mishap_is_found_and_told_with_what_to_do() {
    let case = Mishaps::new();
    let ended = case.ftpq.run(&["verify"]).expect_code(1);
    for (name, words) in [
        ("flipped", "its sha-256 is"),
        ("sly", "its sha-256 is"),
        ("cut", "it has 100 bytes, 700000 by its receipt"),
        ("gone", "it is gone"),
        ("link", "symbolic link"),
        ("deep/below", "symbolic link"),
    ] {
        let full = case.path(name);
        let line = ended.out.lines().find(|line| line.contains(&format!("{} (job", full.display())));
        assert!(line.is_some_and(|line| line.contains(words)), "{name}: {words}\n{ended}");
    }
    assert_eq!(ended.out.matches("what to do: `ftpq ").count(), 6, "{ended}");
    assert!(ended.out.contains("1 of 7 files are as they were: 1 by digest; 5 changed, 1 missing"), "{ended}");
    let lines = case.ftpq.run(&["verify", "--json"]).expect_code(1).lines();
    lines.iter().for_each(|line| assert_valid("verify", line));
    assert_eq!(
        (standing(&lines, "good"), standing(&lines, "sly"), standing(&lines, "gone")),
        ("right", "changed", "missing")
    );
}

#[test]
fn what_is_wrong_is_moved_aside_and_fetched_again() {
    let case = Mishaps::new();
    // ftpq writes through no link: that folder is the user's to put right.
    fs::remove_file(case.path("deep")).unwrap();
    let ended = case.ftpq.run(&["verify", "--retry"]).expect_code(1);
    assert!(ended.out.contains("6 jobs queued again: `ftpq run`"), "{ended}");
    assert!(case.path("flipped.ftpq-changed").exists(), "what was changed is kept\n{ended}");
    let again = case.ftpq.run(&["run"]).expect_code(0);
    for name in NAMES {
        case.ftpq.assert_file(name, &case.data, &format!("{ended}{again}"));
    }
    assert_eq!(fs::read(case.path("elsewhere")).unwrap(), case.data, "what the link led to stays as it is");
    case.ftpq.run(&["verify"]).expect_code(0);
}

#[test]
fn paths_and_numbers_narrow_what_is_verified() {
    let case = Mishaps::new();
    let files = |ended: &Ended| ended.lines().iter().filter(|line| line["verify"] == "file").count();
    let verify = |what: &str, code| case.ftpq.run(&["--json", "verify", what]).expect_code(code);
    assert_eq!(files(&verify("good", 0)), 1);
    assert_eq!(files(&verify("deep", 1)), 1);
    assert_eq!(files(&verify(case.ftpq.downloads().to_str().unwrap(), 1)), NAMES.len());
    assert_eq!(files(&verify("1-2", 1)), 2);
    let stray = verify("nowhere", 2);
    assert!(stray.err.contains("no finished job"), "{stray}");
    verify("99", 2);
}

/// Without a digest only length and time tell, and where the time tells of a change nothing is taken for right.
#[test]
fn a_file_without_a_digest_is_judged_by_length_and_time() {
    let server = Scripted::honest();
    let ftpq = Ftpq::new();
    let data = pseudo_random(12, 10_000);
    ["same", "touched"].iter().for_each(|name| server.put(name, data.clone()));
    queue(&ftpq, &server, &[("same", None), ("touched", None)]);
    ftpq.run(&["run"]).expect_code(0);
    let right = ftpq.run(&["verify"]).expect_code(0);
    assert!(right.out.contains("2 of 2 files are as they were: 2 by size and time"), "{right}");
    std::thread::sleep(Duration::from_millis(1100));
    fs::write(ftpq.downloads().join("touched"), &data).unwrap();
    let ended = ftpq.run(&["verify"]).expect_code(1);
    assert!(ended.out.contains("unprovable: ") && ended.out.contains("1 can't be proved"), "{ended}");
}

/// An older file of equal length, as a restored backup puts it there, is none that ftpq finished; one that was left alone
/// is nobody's business.
#[test]
fn a_file_with_another_time_is_not_proved_and_one_that_was_left_alone_not_looked_at() {
    let server = Scripted::lying(|turn| if turn.verb == "MDTM" { Act::say("500 What?") } else { Act::Usual });
    let ftpq = Ftpq::new();
    let list = [("a", None), ("users", None)];
    list.iter().for_each(|(name, _)| server.put(name, pseudo_random(13, 2_000)));
    fs::create_dir_all(ftpq.downloads()).unwrap();
    fs::write(ftpq.downloads().join("users"), "mine").unwrap();
    queue(&ftpq, &server, &list);
    ftpq.run(&["run", "--existing", "skip"]).expect_code(0);
    fs::write(ftpq.downloads().join("users"), "mine, and changed").unwrap();
    let ended = ftpq.run(&["verify"]).expect_code(0);
    assert!(ended.everything().contains("1 of 1 files are as they were"), "{ended}");
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    File::options().write(true).open(ftpq.downloads().join("a")).unwrap().set_modified(at).unwrap();
    let ended = ftpq.run(&["verify"]).expect_code(1);
    assert!(ended.everything().contains("not the one it had"), "{ended}");
    assert!(!ended.everything().contains("users"), "{ended}");
    let ended = ftpq.run(&["verify", "2"]).expect_code(0);
    assert!(ended.everything().contains("never compared (existing = skip)"), "{ended}");
    let ended = ftpq.run(&["report", "--format", "sha256sums"]);
    assert!(ended.everything().contains("`ftpq retry 2`, then `ftpq run 2 --existing backup`"), "{ended}");
    ftpq.run(&["retry", "2"]).expect_code(0);
    let ended = ftpq.run(&["run", "2", "--existing", "backup"]).expect_code(0);
    assert_eq!(fs::metadata(ftpq.downloads().join("users")).unwrap().len(), 2_000, "{ended}");
    assert_eq!(fs::read_to_string(ftpq.downloads().join("users.ftpq-changed")).unwrap(), "mine, and changed");
}

#[test]
fn ctrl_c_ends_it_within_a_second() {
    let server = Scripted::honest();
    let ftpq = Ftpq::new();
    let data = vec![7; 1 << 20];
    server.put("a", data.clone());
    queue(&ftpq, &server, &[("a", Some(sha256(&data)))]);
    ftpq.run(&["run"]).expect_code(0);
    // As if the file had been of 64 GiB: there is much to read, and a hole costs no disk. By its receipt's length it would
    // not be read at all.
    let receipt_says = 64u64 << 30;
    File::options().write(true).open(ftpq.downloads().join("a")).unwrap().set_len(receipt_says).unwrap();
    let ended = ftpq.run(&["verify"]).expect_code(1);
    assert!(ended.took < Duration::from_secs(5), "a file of another length is not read\n{ended}");
    // Many files take long, too.
    let files: Vec<String> = (0..60).map(|n| format!("many/{n}")).collect();
    let big = vec![1; 8 << 20];
    files.iter().for_each(|name| server.put(name, big.clone()));
    let sum = sha256(&big);
    let list: Vec<(&str, Option<String>)> = files.iter().map(|name| (name.as_str(), Some(sum.clone()))).collect();
    queue(&ftpq, &server, &list);
    ftpq.run(&["run", "--durability", "none"]).expect_code(0);
    let mut run = ftpq.spawn(&["verify", "-v"]);
    assert!(watch::wait_for(Duration::from_secs(20), || run.so_far().contains("right: ")
        || run.so_far().contains("changed")));
    if run.ended() {
        return;
    }
    let begin = Instant::now();
    run.signal(Signal::INT);
    let ended = run.wait(Duration::from_secs(10));
    assert!(begin.elapsed() < Duration::from_secs(1), "it took {:?}\n{ended}", begin.elapsed());
    assert!(matches!(ended.code, Some(3 | 1)), "{ended}");
}
