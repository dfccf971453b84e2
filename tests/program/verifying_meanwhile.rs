//! What `verify` and `report` say of files while other processes use the queue, and what a sudden end of `verify` leaves.

use crate::{
    reports::{queue, sha256},
    support::{Ended, Ftpq, Scripted, Traits, ftpq::Running, pseudo_random, report, watch},
    unread::{Place, Unread},
};
use rustix::process::Signal;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

const LATE: Duration = Duration::from_secs(60);
/// Files that all get wrong.
const MANY: usize = 100;

/// Files that came, each of them changed since. Their length and time are as they were.
fn wrong_files() -> (Ftpq, Scripted, Vec<(String, Vec<u8>)>) {
    let (server, ftpq) = (Scripted::honest(), Ftpq::new());
    let files: Vec<(String, Vec<u8>)> =
        (0..MANY).zip(0..).map(|(n, seed)| (format!("f{n}"), pseudo_random(seed, 200))).collect();
    files.iter().for_each(|(name, data)| server.put(name, data.clone()));
    let list: Vec<(&str, Option<String>)> =
        files.iter().map(|(name, data)| (name.as_str(), Some(sha256(data)))).collect();
    queue(&ftpq, &server, &list);
    ftpq.run(&["run"]).expect_code(0);
    for (name, data) in &files {
        let path = ftpq.downloads().join(name);
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        let wrong: Vec<u8> = data.iter().map(|byte| !byte).collect();
        fs::write(&path, wrong).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    }
    (ftpq, server, files)
}

fn moved(ftpq: &Ftpq) -> Vec<PathBuf> {
    let is_aside = |path: &PathBuf| path.to_string_lossy().ends_with(".ftpq-changed");
    watch::files_below(&ftpq.downloads()).into_iter().filter(is_aside).collect()
}

/// Each file that was moved aside comes again by a run.
fn assert_fetched_again(ftpq: &Ftpq, files: &[(String, Vec<u8>)], story: &str) {
    let aside = moved(ftpq);
    assert!(
        ftpq.count("queued") >= aside.len() as u64,
        "{story}: {} moved, {} queued",
        aside.len(),
        ftpq.count("queued")
    );
    let run = ftpq.run(&["run"]);
    for (name, data) in files {
        if aside.contains(&ftpq.downloads().join(format!("{name}.ftpq-changed"))) {
            ftpq.assert_file(name, data, &format!("{story}\n{run}"));
        }
    }
    // The others are still found out.
    let verified = ftpq.run(&["verify", "--retry"]);
    let again = ftpq.run(&["run"]).expect_code(0);
    for (name, data) in files {
        ftpq.assert_file(name, data, &format!("{story}\n{verified}{again}"));
    }
}

#[test]
fn what_was_moved_aside_is_fetched_again_though_nobody_read_of_it_and_a_signal_came() {
    for signal in [Signal::INT, Signal::KILL] {
        let (ftpq, _server, files) = wrong_files();
        let mut verify = Unread::start(&ftpq, Place::Pipes, &["verify", "--retry"]);
        assert!(watch::wait_for(LATE, || !moved(&ftpq).is_empty()), "{signal:?}: nothing was moved");
        verify.signal(signal);
        let status = verify.wait(LATE, &format!("{signal:?}"));
        assert!(matches!(status.code(), Some(3) | None), "{signal:?}: {status:?}");
        assert_fetched_again(&ftpq, &files, &format!("{signal:?}"));
    }
}

/// The moment between the two steps.
#[test]
fn killed_before_a_file_is_moved_its_job_is_queued() {
    if !cfg!(feature = "failpoints") {
        return report::skip("needs the feature failpoints");
    }
    let (mut ftpq, _server, files) = wrong_files();
    ftpq.set("FTPQ_STOP_AT", "verify-queued");
    let killed = ftpq.run(&["verify", "--retry"]).expect_killed();
    ftpq.unset("FTPQ_STOP_AT");
    assert!(moved(&ftpq).is_empty() && ftpq.count("queued") > 0, "{killed}");
    assert!(!killed.out.contains("queued again"), "{killed}");
    assert_fetched_again(&ftpq, &files, "between");
}

/// A run begins with what is queued at once: it must not meet the wrong files.
#[test]
fn files_are_fetched_again_by_a_run_that_is_going_on() {
    let (ftpq, _server, files) = wrong_files();
    let slow = Scripted::with(Traits { pace: 2_000, ..Traits::default() }, |_| crate::support::Act::Usual);
    slow.put("slow", pseudo_random(1, 200_000));
    ftpq.add(&[(slow.url("slow"), "slow")]);
    let run = ftpq.spawn(&["run"]);
    assert!(watch::wait_for(LATE, || !watch::parts_below(&ftpq.downloads()).is_empty()), "it does not begin");
    let verified = ftpq.run(&["verify", "--retry"]).expect_code(1);
    assert!(verified.out.contains("100 jobs queued again"), "{verified}");
    slow.core().hurry();
    let ended = run.wait(LATE).expect_code(0);
    assert_eq!(moved(&ftpq).len(), MANY, "{verified}{ended}");
    for (name, data) in &files {
        ftpq.assert_file(name, data, &format!("{verified}{ended}"));
    }
}

/// Beside a run the jobs are paused until their files are away: a kill leaves no moved file whose job counts as done, and
/// the run says how it goes on.
#[test]
fn killed_beside_a_run_no_file_is_moved_whose_job_counts_as_done() {
    if !cfg!(feature = "failpoints") {
        return report::skip("needs the feature failpoints");
    }
    for (step, is_moved) in [("verify-queued", false), ("verify-moved", true)] {
        let (mut ftpq, _server, files) = wrong_files();
        let slow = Scripted::with(Traits { pace: 2_000, ..Traits::default() }, |_| crate::support::Act::Usual);
        slow.put("slow", pseudo_random(1, 200_000));
        ftpq.add(&[(slow.url("slow"), "slow")]);
        let run = ftpq.spawn(&["run"]);
        assert!(watch::wait_for(LATE, || !watch::parts_below(&ftpq.downloads()).is_empty()), "it does not begin");
        ftpq.set("FTPQ_STOP_AT", step);
        let killed = ftpq.run(&["verify", "--retry"]).expect_killed();
        ftpq.unset("FTPQ_STOP_AT");
        let (aside, paused) = (moved(&ftpq).len() as u64, ftpq.count("paused"));
        assert_eq!(aside > 0, is_moved, "{step}: {killed}");
        assert!(paused > 0 && paused >= aside, "{step}: {aside} moved, {paused} paused\n{killed}");
        slow.core().hurry();
        let ended = run.wait(LATE).expect_code(3);
        assert!(ended.err.contains("`ftpq resume --state paused`"), "{ended}");
        ftpq.run(&["resume", "--state", "paused"]).expect_code(0);
        assert_fetched_again(&ftpq, &files, step);
    }
}

/// A command that is reading a large file on its only thread, the queue's page being in its memory and the queue free.
struct Reading {
    ftpq: Ftpq,
    server: Scripted,
}

impl Reading {
    fn new() -> Self {
        let (server, ftpq) = (Scripted::honest(), Ftpq::new());
        let big = vec![7; 64 << 20];
        let sum = sha256(&big);
        server.put("big", big);
        server.put("small", "old");
        queue(&ftpq, &server, &[("big", Some(sum)), ("small", None)]);
        ftpq.run(&["run", "--durability", "none"]).expect_code(0);
        // What may have been written to is read for a list of checksums.
        let path = ftpq.downloads().join("big");
        File::options().write(true).open(path).unwrap().set_modified(SystemTime::now()).unwrap();
        Self { ftpq, server }
    }

    /// Has something done while the command holds still between its look at the queue and that at the small file.
    fn meanwhile(&self, args: &[&str], act: impl Fn(&Self)) -> Ended {
        for _ in 0..20 {
            let mut run = self.ftpq.spawn_on_one_processor(args);
            let has_open = |run: &Running, what: &Path| open_files(run).iter().any(|path| path.starts_with(what));
            let big = self.ftpq.downloads().join("big");
            let queue = self.ftpq.queue();
            watch::wait_for(LATE, || has_open(&run, &big) || run.ended());
            run.signal(Signal::STOP);
            // Once it goes on, its time with the queue is up.
            std::thread::sleep(Duration::from_millis(300));
            run.signal(Signal::CONT);
            watch::wait_for(LATE, || !has_open(&run, &queue) || run.ended());
            run.signal(Signal::STOP);
            if run.ended() || !has_open(&run, &big) {
                // The machine was too quick, or this test too slow.
                run.signal(Signal::CONT);
                continue;
            }
            act(self);
            run.signal(Signal::CONT);
            return run.wait(LATE);
        }
        panic!("it was never caught while it read");
    }
}

fn open_files(run: &Running) -> Vec<PathBuf> {
    let Ok(all) = fs::read_dir(format!("/proc/{}/fd", run.pid())) else { return Vec::new() };
    all.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).collect()
}

fn replaced(case: &Reading) {
    case.server.put("small", "another");
    case.ftpq.run(&["retry", "2"]).expect_code(0);
    case.ftpq.run(&["run"]).expect_code(0);
    assert_eq!(fs::read(case.ftpq.downloads().join("small")).unwrap(), b"another");
}

fn queued_again(case: &Reading) {
    fs::remove_file(case.ftpq.downloads().join("small")).unwrap();
    case.ftpq.run(&["retry", "2"]).expect_code(0);
}

#[test]
fn a_file_that_another_process_replaced_meanwhile_is_verified_as_it_is_now() {
    for args in [&["verify"][..], &["verify", "--retry"]] {
        let ended = Reading::new().meanwhile(args, replaced).expect_code(0);
        assert!(ended.out.contains("2 of 2 files are as they were"), "{ended}");
    }
}

#[test]
fn a_file_that_another_process_queued_again_meanwhile_is_left_out_and_said_to_be() {
    let case = Reading::new();
    let ended = case.meanwhile(&["verify"], queued_again).expect_code(0);
    assert!(ended.out.contains("1 of 1 files are as they were"), "{ended}");
    assert!(ended.err.contains("1 file was left out"), "{ended}");
}

#[test]
fn a_file_that_another_process_replaced_meanwhile_is_in_the_list_of_checksums() {
    let case = Reading::new();
    let sums = ["report", "--format", "sha256sums"];
    let ended = case.meanwhile(&sums, replaced).expect_code(0);
    assert!(ended.out.contains(&format!("{}  small", sha256(b"another"))), "{ended}");
    let ended = case.meanwhile(&sums, queued_again).expect_code(1);
    assert!(ended.err.contains("1 jobs are not done") && !ended.err.contains("(job 2)"), "{ended}");
}
