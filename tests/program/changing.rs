//! Changing a queue, also while a run is going on in another process.

use crate::support::{Ftpq, Scripted, Traits, pseudo_random, report, watch};
use rustix::fs::{FlockOperation, flock};
use serde_json::Value;
use std::{
    fs::File,
    time::{Duration, Instant},
};

/// A server that gives 200 KB a second, and 150 KB of a file until it is released.
fn slow_server() -> Scripted {
    let server = Scripted::with(Traits { pace: 200_000, ..Traits::default() }, |_| crate::support::Act::Usual);
    server.core().hold_behind(150_000);
    server
}

fn state(ftpq: &Ftpq, id: &str) -> String {
    let job: Value = ftpq.json_one(&["show", id]);
    job["state"].as_str().unwrap_or_else(|| panic!("no state: {job:#}")).to_owned()
}

#[test]
fn pause_resume_cancel_retry_and_remove_move_jobs() {
    let ftpq = Ftpq::new();
    let jobs: Vec<(String, String)> = (1..=4).map(|n| (format!("ftp://h/{n}"), format!("f{n}"))).collect();
    ftpq.add(&jobs.iter().map(|(u, p)| (u.clone(), p.as_str())).collect::<Vec<_>>());
    ftpq.run(&["pause", "1", "2"]).expect_code(0);
    assert_eq!((ftpq.count("paused"), ftpq.count("queued")), (2, 2));
    ftpq.run(&["resume", "1"]).expect_code(0);
    assert_eq!(state(&ftpq, "1"), "queued");
    ftpq.run(&["cancel", "--state", "paused"]).expect_code(0);
    assert_eq!(state(&ftpq, "2"), "cancelled");
    ftpq.run(&["retry", "2"]).expect_code(0);
    assert_eq!(state(&ftpq, "2"), "queued");
    ftpq.run(&["remove", "3"]).expect_code(0);
    assert_eq!(ftpq.json(&["list"]).len(), 3);
    ftpq.run(&["cancel", "--all"]).expect_code(0);
    assert_eq!(ftpq.count("cancelled"), 3);
    // Every change is durable: another process sees it, and a run has nothing to do.
    ftpq.run(&["run"]).expect_code(0);
}

#[test]
fn a_removed_job_can_be_added_again_and_gets_a_new_number() {
    let ftpq = Ftpq::new();
    ftpq.add(&[("ftp://h/a".to_owned(), "a"), ("ftp://h/b".to_owned(), "b")]);
    ftpq.run(&["remove", "2"]).expect_code(0);
    ftpq.add(&[("ftp://h/c".to_owned(), "b")]);
    let ids: Vec<u64> = ftpq.json(&["list"]).iter().map(|j| j["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [1, 3]);
}

#[test]
fn status_from_another_process_answers_during_a_run() {
    let server = slow_server();
    server.put("a.bin", pseudo_random(140, 600_000));
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url("a.bin"), "a.bin")]);
    let run = ftpq.spawn(&["run"]);
    let part = watch::part_of(&ftpq.downloads().join("a.bin"));
    assert!(watch::wait_for(Duration::from_secs(15), || watch::length(&part) > 50_000), "{}", run.so_far());
    let begin = Instant::now();
    let status = ftpq.json_one(&["status"]);
    assert!(begin.elapsed() < Duration::from_secs(3), "it took {:?}", begin.elapsed());
    assert_eq!(status["pid"], run.pid(), "{status:#}");
    assert_eq!(status["jobs"]["running"], 1, "{status:#}");
    let file = &status["run"]["running"][0];
    assert!(file["have"].as_u64().is_some_and(|have| have > 0), "{status:#}");
    assert_eq!(file["size"], 600_000, "{status:#}");
    assert_eq!(ftpq.json(&["list"]).len(), 1);
    assert_eq!(state(&ftpq, "1"), "running");
    server.core().release();
    run.wait(Duration::from_secs(20)).expect_code(0);
    assert!(ftpq.json_one(&["status"])["run"].is_null());
}

#[test]
fn jobs_added_during_a_run_are_done_by_it() {
    let server = slow_server();
    let (a, b) = (pseudo_random(141, 500_000), pseudo_random(142, 10_000));
    server.put("a.bin", a.clone());
    server.put("b.bin", b.clone());
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url("a.bin"), "a.bin")]);
    let run = ftpq.spawn(&["run"]);
    let part = watch::part_of(&ftpq.downloads().join("a.bin"));
    assert!(watch::wait_for(Duration::from_secs(15), || watch::length(&part) > 50_000), "{}", run.so_far());
    ftpq.add(&[(server.url("b.bin"), "b.bin")]);
    server.core().release();
    let ended = run.wait(Duration::from_secs(20)).expect_code(0);
    ftpq.assert_file("a.bin", &a, &ended);
    ftpq.assert_file("b.bin", &b, &ended);
}

#[test]
fn a_running_job_can_be_paused_and_later_goes_on_where_it_was() {
    let server = slow_server();
    let data = pseudo_random(143, 500_000);
    server.put("a.bin", data.clone());
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url("a.bin"), "a.bin")]);
    let run = ftpq.spawn(&["run"]);
    let part = watch::part_of(&ftpq.downloads().join("a.bin"));
    assert!(watch::wait_for(Duration::from_secs(15), || watch::length(&part) > 100_000), "{}", run.so_far());
    ftpq.run(&["pause", "1"]).expect_code(0);
    let ended = run.wait(Duration::from_secs(10));
    assert_eq!(state(&ftpq, "1"), "paused", "{ended}");
    ftpq.assert_absent("a.bin", &ended);
    server.core().release();
    ftpq.run(&["resume", "1"]).expect_code(0);
    let again = ftpq.run(&["run"]).expect_code(0);
    ftpq.assert_file("a.bin", &data, &again);
    let sent = server.core().sent("a.bin");
    assert!(sent < 600_000, "{sent} bytes were sent for 500000\n{ended}{again}");
}

#[test]
fn a_running_job_can_be_cancelled_and_the_others_go_on() {
    let server = slow_server();
    let data = pseudo_random(144, 100_000);
    server.put("a.bin", pseudo_random(148, 300_000));
    server.put("b.bin", data.clone());
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url("a.bin"), "a.bin"), (server.url("b.bin"), "b.bin")]);
    let run = ftpq.spawn(&["run"]);
    let part = watch::part_of(&ftpq.downloads().join("a.bin"));
    assert!(watch::wait_for(Duration::from_secs(15), || watch::length(&part) > 50_000), "{}", run.so_far());
    ftpq.run(&["cancel", "1"]).expect_code(0);
    let ended = run.wait(Duration::from_secs(20)).expect_code(0);
    ftpq.assert_absent("a.bin", &ended);
    ftpq.assert_file("b.bin", &data, &ended);
    assert_eq!(state(&ftpq, "1"), "cancelled", "{ended}");
}

#[test]
fn run_with_numbers_does_only_those() {
    let server = Scripted::honest();
    let data = pseudo_random(145, 1000);
    for name in ["a", "b", "c"] {
        server.put(name, data.clone());
    }
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url("a"), "a"), (server.url("b"), "b"), (server.url("c"), "c")]);
    let ended = ftpq.run(&["run", "2"]).expect_code(0);
    ftpq.assert_file("b", &data, &ended);
    ftpq.assert_absent("a", &ended);
    assert_eq!(ftpq.count("queued"), 2, "{ended}");
}

#[test]
fn a_failed_job_can_be_tried_again() {
    let server = Scripted::honest();
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url("late"), "late")]);
    ftpq.run(&["run"]).expect_code(1);
    assert_eq!(state(&ftpq, "1"), "failed");
    let data = pseudo_random(146, 1000);
    server.put("late", data.clone());
    ftpq.run(&["retry", "1"]).expect_code(0);
    let ended = ftpq.run(&["run"]).expect_code(0);
    ftpq.assert_file("late", &data, &ended);
}

#[test]
fn a_second_run_on_the_same_queue_does_no_harm() {
    let server = slow_server();
    let data = pseudo_random(147, 200_000);
    server.put("a.bin", data.clone());
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url("a.bin"), "a.bin")]);
    let run = ftpq.spawn(&["run"]);
    let part = watch::part_of(&ftpq.downloads().join("a.bin"));
    assert!(watch::wait_for(Duration::from_secs(15), || watch::length(&part) > 10_000), "{}", run.so_far());
    let second = ftpq.spawn(&["run"]);
    // It goes as far as it can beside the first.
    std::thread::sleep(Duration::from_secs(1));
    server.core().release();
    let second = second.wait(Duration::from_secs(60));
    assert!(second.signal.is_none() && second.code != Some(101), "{second}");
    let ended = run.wait(Duration::from_secs(20)).expect_code(0);
    ftpq.assert_file("a.bin", &data, &format!("{ended}{second}"));
    assert_eq!(server.core().sent("a.bin"), 200_000, "{ended}{second}");
}

/// The job is removed by then: put to the next owner, the command would find no such job.
#[test]
fn a_run_that_is_killed_before_it_confirms_a_change_leaves_it_open_whether_it_is_done() {
    if !cfg!(feature = "failpoints") {
        return report::skip("needs the feature failpoints");
    }
    let server = slow_server();
    server.put("a.bin", pseudo_random(148, 2_000_000));
    let mut ftpq = Ftpq::new();
    ftpq.add(&[(server.url("a.bin"), "a.bin"), (server.url("b"), "b")]);
    ftpq.run(&["pause", "2"]).expect_code(0);
    ftpq.set("FTPQ_STOP_AT", "api-done");
    let run = ftpq.spawn(&["run"]);
    ftpq.unset("FTPQ_STOP_AT");
    let part = watch::part_of(&ftpq.downloads().join("a.bin"));
    assert!(watch::wait_for(Duration::from_secs(15), || watch::length(&part) > 50_000), "{}", run.so_far());
    let removed = ftpq.run(&["remove", "2"]).expect_code(4);
    assert!(removed.err.contains("may be done or not") && removed.err.contains("`ftpq list`"), "{removed}");
    run.wait(Duration::from_secs(20)).expect_killed();
    assert_eq!(ftpq.json(&["list"]).len(), 1, "{removed}");
}

/// A process that ends gives up its locks one after the other, that of the store a little after the queue's.
#[test]
fn a_store_that_is_only_just_given_up_is_waited_for() {
    let ftpq = Ftpq::new();
    ftpq.add(&[("ftp://h/a".to_owned(), "a")]);
    let store = File::open(ftpq.queue().join("store/db")).unwrap();
    flock(&store, FlockOperation::LockExclusive).unwrap();
    let list = ftpq.spawn(&["list"]);
    std::thread::sleep(Duration::from_millis(3500));
    flock(&store, FlockOperation::Unlock).unwrap();
    list.wait(Duration::from_secs(20)).expect_code(0);
    // One that does not end.
    flock(&store, FlockOperation::LockExclusive).unwrap();
    let busy = ftpq.run(&["list"]).expect_code(4);
    assert!(busy.err.contains("in use by another process; wait for it to end"), "{busy}");
    assert!(busy.err.contains(&format!("queue {} is", ftpq.queue().display())), "{busy}");
}
