//! What stands here under a final name: ftpq's own or somebody's, at rest or just being changed.

use crate::{
    known::{By, NEW, OLD, edit, get, into, job},
    known_bytes::{changed_in_the_middle, sync, without_times},
    policies::digest,
    support::{Act, Ended, Ftpq, Scripted, Traits, pseudo_random, watch},
};
use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

const LEN: usize = 20_000;

fn open(ftpq: &Ftpq, name: &str) -> File {
    File::options().read(true).write(true).open(ftpq.downloads().join(name)).unwrap()
}

fn date(ftpq: &Ftpq, name: &str, time: SystemTime) {
    open(ftpq, name).set_modified(time).unwrap();
}

fn long_ago() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000)
}

fn server_with_facts() -> Scripted {
    Scripted::with(Traits { mlst: true, ..Traits::default() }, |_| Act::Usual)
}

/// A digest proves the bytes that were read, not those that somebody wrote there meanwhile.
#[test]
fn what_is_written_here_while_it_is_hashed_counts_neither_as_proved_nor_as_own() {
    let (server, ftpq) = (server_with_facts(), Ftpq::new());
    let data = vec![7; 300_000_000];
    edit(&ftpq, "a.bin", &data);
    date(&ftpq, "a.bin", long_ago());
    let line = serde_json::json!({
        "url": server.url("d/a.bin"), "path": "a.bin", "checksum": format!("sha-256={}", digest("sha256sum", &data)),
    });
    server.core().put("d/a.bin", data, OLD);
    let list = ftpq.write("list.jsonl", line.to_string());
    let run = ftpq.spawn(&["get", "--manifest", &list, "--into", &into(&ftpq), "--existing", "backup"]);
    let path = ftpq.downloads().join("a.bin");
    let fds = format!("/proc/{}/fd", run.pid());
    let is_read = || {
        fs::read_dir(&fds).is_ok_and(|fds| fds.flatten().any(|fd| fs::read_link(fd.path()).is_ok_and(|to| to == path)))
    };
    assert!(watch::wait_for(Duration::from_secs(60), is_read), "{}", run.so_far());
    open(&ftpq, "a.bin").write_at(b"mine", 0).unwrap();
    let ended = run.wait(Duration::from_secs(100)).expect_code(0);
    let kept = fs::read(ftpq.downloads().join("a.bin.ftpq-changed")).ok();
    assert!(kept.is_some_and(|kept| kept.starts_with(b"mine")), "{ended}");
}

/// Where the server tells no time, what ftpq put there is known by the time that it has here.
#[test]
fn another_file_is_not_ftpq_s_own_for_want_of_a_time() {
    let data = pseudo_random(1500, 4_000_000);
    for mine in [changed_in_the_middle(&data), data.clone()] {
        for is_older in [true, false] {
            let server = Scripted::lying(without_times);
            server.core().put("d/a.bin", data.clone(), OLD);
            let ftpq = Ftpq::new();
            sync(&ftpq, &server, &[]).expect_code(0);
            edit(&ftpq, "a.bin", &mine);
            let time = if is_older { long_ago() } else { SystemTime::now() - Duration::from_secs(5) };
            date(&ftpq, "a.bin", time);
            let ended = sync(&ftpq, &server, &[]);
            let story = format!("{is_older}\n{ended}{}", server.core().dialogue());
            ftpq.assert_file("a.bin", &data, &story);
            let kept = fs::read(ftpq.downloads().join("a.bin.ftpq-changed")).ok();
            assert_eq!(kept.is_some(), mine != data, "{story}");
            assert!(kept.is_none_or(|kept| kept == mine), "{story}");
            let before = server.core().args("RETR").len();
            sync(&ftpq, &server, &[]).expect_code(0);
            assert_eq!(server.core().args("RETR").len(), before, "{}", server.core().dialogue());
        }
    }
}

/// `skip` has nothing to say of what was proved before.
#[test]
fn skipping_a_file_that_lost_its_time_keeps_what_is_known_of_it() {
    let (server, ftpq) = (server_with_facts(), Ftpq::new());
    let data = pseudo_random(1501, LEN);
    server.core().put("d/a.bin", data.clone(), OLD);
    let run = |more: &[&str]| sync(&ftpq, &server, more);
    run(&[]).expect_code(0);
    let before = job(&ftpq)["receipt"].clone();
    edit(&ftpq, "a.bin", &data);
    let ended = run(&["--existing", "skip"]).expect_code(0);
    assert_eq!(job(&ftpq)["receipt"], before, "{ended}");
    server.core().remove("d/a.bin");
    server.put_folder("d");
    let ended = run(&["--delete=force"]);
    assert!(ended.everything().contains("it is not the file that was fetched"), "{ended}");
    ftpq.assert_file("a.bin", &data, &ended);
}

/// A file that is skipped each night is asked about in none of them.
#[test]
fn a_file_that_was_left_alone_once_is_left_alone_without_a_question() {
    let (server, ftpq) = (server_with_facts(), Ftpq::new());
    server.core().put("d/a.bin", pseudo_random(1502, LEN), OLD);
    edit(&ftpq, "a.bin", &pseudo_random(1503, LEN));
    let night = || -> Ended { get(&ftpq, &server, By::Folder, &["--existing", "skip", "--digest", "sha256"]) };
    night().expect_code(0);
    let receipt = job(&ftpq)["receipt"].clone();
    assert_eq!(receipt["left_alone"], true, "{receipt}");
    let questions = || ["SIZE", "MDTM", "MLST"].iter().map(|verb| server.core().args(verb).len()).sum::<usize>();
    let asked = questions();
    let ended = night().expect_code(0);
    assert_eq!((questions(), job(&ftpq)["receipt"].clone()), (asked, receipt), "{ended}{}", server.core().dialogue());
}

/// What its checksum proved is known by the time it has here, be it one to come.
#[test]
fn a_file_with_a_time_to_come_is_hashed_once() {
    let (server, ftpq) = (server_with_facts(), Ftpq::new());
    let data = pseudo_random(1504, LEN);
    server.core().put("d/a.bin", data.clone(), OLD);
    server.core().put("d/SHA256SUMS", format!("{}  a.bin\n", digest("sha256sum", &data)).into_bytes(), OLD);
    edit(&ftpq, "a.bin", &data);
    date(&ftpq, "a.bin", SystemTime::now() + Duration::from_secs(90_000));
    sync(&ftpq, &server, &["--sidecars"]).expect_code(0);
    let receipts = ftpq.json(&["list"]);
    assert!(receipts.iter().any(|job| job["receipt"]["modified_here"].is_i64()), "{receipts:#?}");
}

/// A mirror that has the old file settles nothing of what the source's listing says.
#[test]
fn a_mirror_does_not_settle_what_the_source_s_listing_says() {
    for skips in [true, false] {
        let refuses = Arc::new(AtomicBool::new(false));
        let is_refusing = Arc::clone(&refuses);
        let source = Scripted::lying(move |turn| match turn.verb {
            "SIZE" | "MDTM" | "RETR" if is_refusing.load(Ordering::SeqCst) => Act::say("550 Permission denied."),
            _ => Act::Usual,
        });
        let mirror = Scripted::honest();
        let old = pseudo_random(1505, LEN);
        for server in [&source, &mirror] {
            server.core().put("d/a.bin", old.clone(), OLD);
        }
        let ftpq = Ftpq::new();
        let line = serde_json::json!({
            "url": source.url("d/a.bin"), "mirrors": [mirror.url("d/a.bin")], "path": "a.bin",
        });
        let list = ftpq.write("list.jsonl", line.to_string());
        ftpq.run(&["get", "--into", &into(&ftpq), "--manifest", &list]).expect_code(0);
        let new = pseudo_random(1506, LEN);
        source.core().put("d/a.bin", new.clone(), NEW);
        if skips {
            get(&ftpq, &source, By::Folder, &["--existing", "skip"]).expect_code(0);
        }
        refuses.store(true, Ordering::SeqCst);
        let mut story = sync(&ftpq, &source, &[]).to_string();
        refuses.store(false, Ordering::SeqCst);
        mirror.core().put("d/a.bin", new.clone(), NEW);
        story += &sync(&ftpq, &source, &[]).to_string();
        ftpq.assert_file("a.bin", &new, &format!("{skips}\n{story}"));
    }
}

/// A job with mirrors that its own source served is settled by that.
#[test]
fn a_job_with_mirrors_is_not_fetched_anew_each_night() {
    let (source, mirror) = (Scripted::lying(without_times), Scripted::lying(without_times));
    for server in [&source, &mirror] {
        server.core().put("d/a.bin", pseudo_random(1507, LEN), OLD);
    }
    let ftpq = Ftpq::new();
    let line = serde_json::json!({
        "url": source.url("d/a.bin"), "mirrors": [mirror.url("d/a.bin")], "path": "a.bin",
    });
    let list = ftpq.write("list.jsonl", line.to_string());
    ftpq.run(&["get", "--into", &into(&ftpq), "--manifest", &list]).expect_code(0);
    sync(&ftpq, &source, &[]).expect_code(0);
    let new = pseudo_random(1508, LEN);
    source.core().put("d/a.bin", new.clone(), NEW);
    let mut story = sync(&ftpq, &source, &[]).to_string();
    ftpq.assert_file("a.bin", &new, &story);
    let before = source.core().args("RETR").len();
    for _ in 0..2 {
        story += &sync(&ftpq, &source, &[]).to_string();
    }
    assert_eq!(source.core().args("RETR").len(), before, "{story}{}", source.core().dialogue());
}

/// A file that came from a mirror is asked of the job's own source once that source's listing tells of another.
#[test]
fn a_source_that_was_refused_once_is_asked_once_its_listing_changed() {
    let refuses = Arc::new(AtomicBool::new(true));
    let is_refusing = Arc::clone(&refuses);
    let source = Scripted::lying(move |turn| match turn.verb {
        "SIZE" | "MDTM" | "RETR" if is_refusing.load(Ordering::SeqCst) => Act::say("550 Permission denied."),
        _ => Act::Usual,
    });
    let mirror = Scripted::honest();
    for server in [&source, &mirror] {
        server.core().put("d/a.bin", pseudo_random(1509, LEN), OLD);
    }
    let ftpq = Ftpq::new();
    let line = serde_json::json!({
        "url": source.url("d/a.bin"), "mirrors": [mirror.url("d/a.bin")], "path": "a.bin",
    });
    let list = ftpq.write("list.jsonl", line.to_string());
    ftpq.run(&["get", "--into", &into(&ftpq), "--manifest", &list]).expect_code(0);
    refuses.store(false, Ordering::SeqCst);
    let mut story = sync(&ftpq, &source, &[]).to_string();
    let new = pseudo_random(1510, LEN);
    source.core().put("d/a.bin", new.clone(), NEW);
    story += &sync(&ftpq, &source, &[]).to_string();
    ftpq.assert_file("a.bin", &new, &format!("{story}{}", source.core().dialogue()));
    let before = source.core().args("RETR").len();
    for _ in 0..2 {
        story += &sync(&ftpq, &source, &[]).to_string();
    }
    assert_eq!(source.core().args("RETR").len(), before, "{story}{}", source.core().dialogue());
}

/// A record of an unfinished file is no word on what stands here: the user may have put it there.
#[test]
fn what_was_changed_here_after_a_kill_is_compared_whole() {
    if !cfg!(feature = "failpoints") {
        return;
    }
    let server = Scripted::with(Traits { pace: 300_000, ..Traits::default() }, without_times);
    server.core().put("d/a.bin", pseudo_random(1513, 2_400_000), OLD);
    let mut ftpq = Ftpq::new();
    sync(&ftpq, &server, &[]).expect_code(0);
    let new = pseudo_random(1514, 2_400_000);
    server.core().put("d/a.bin", new.clone(), NEW);
    ftpq.set("FTPQ_STOP_AT", "transfer-dir-synced");
    sync(&ftpq, &server, &[]).expect_killed();
    ftpq.unset("FTPQ_STOP_AT");
    let mine = changed_in_the_middle(&new);
    edit(&ftpq, "a.bin", &mine);
    let ended = sync(&ftpq, &server, &[]);
    ftpq.assert_file("a.bin.ftpq-changed", &mine, &format!("{ended}{}", server.core().dialogue()));
    ftpq.assert_file("a.bin", &new, &ended);
}
