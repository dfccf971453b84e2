//! How runs and jobs end: exit codes that tell of everything that stands as failed, and last words that help.

use crate::support::{Act, Ended, Ftpq, Scripted, pseudo_random};

/// A queue with a job that failed, one that is done, and nothing left to do.
fn with_a_failed_job() -> (Ftpq, Scripted) {
    let server = Scripted::honest();
    server.put("a.bin", pseudo_random(300, 1000));
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url("a.bin"), "a.bin"), (server.url("missing"), "missing")]);
    ftpq.run(&["run"]).expect_code(1);
    (ftpq, server)
}

/// `until ftpq run; do sleep 60; done` must not end as if all were well.
#[test]
fn a_run_is_exit_1_as_long_as_jobs_of_the_queue_stand_as_failed() {
    let (ftpq, _server) = with_a_failed_job();
    let again = ftpq.run(&["run"]).expect_code(1);
    assert!(again.err.contains("1 job that failed in an earlier run"), "it does not say how many\n{again}");
    assert!(again.err.contains("ftpq list --state failed"), "it does not say which\n{again}");
    let json = ftpq.run(&["--json", "run"]).expect_code(1);
    let summary = &json.events("summary")[0];
    assert_eq!((summary["failed"].as_u64(), summary["failed_before"].as_u64()), (Some(0), Some(1)), "{json}");
    ftpq.run(&["cancel", "--state", "failed"]).expect_code(0);
    let calm = ftpq.run(&["run"]).expect_code(0);
    assert!(!calm.err.contains("earlier"), "{calm}");
}

#[test]
fn a_job_that_fails_now_is_told_apart_from_those_that_failed_before() {
    let (ftpq, server) = with_a_failed_job();
    ftpq.add(&[(server.url("lost"), "lost")]);
    let ended = ftpq.run(&["--json", "run"]).expect_code(1);
    let summary = &ended.events("summary")[0];
    assert_eq!((summary["failed"].as_u64(), summary["failed_before"].as_u64()), (Some(1), Some(1)), "{ended}");
}

#[test]
fn a_run_or_get_of_some_jobs_is_not_held_to_those_that_it_was_not_asked_for() {
    let (ftpq, server) = with_a_failed_job();
    server.put("b.bin", pseudo_random(301, 1000));
    let into = ftpq.downloads();
    let got = ftpq.run(&["get", &server.url("b.bin"), "--into", into.to_str().unwrap()]).expect_code(0);
    assert!(!got.err.contains("earlier"), "{got}");
    ftpq.run(&["run", "1"]).expect_code(0);
    ftpq.run(&["run", "2"]).expect_code(1);
}

/// What promises that something happens by itself.
const STALE: [&str; 6] =
    ["is tried again", "session is opened", "goes on where", "is read again", "connections are used", "starts again"];

/// A server that answers RETR so for ever: the job's last words, and what `show` keeps of them, are to be followed by a
/// person.
fn last_words(refusal: &'static str, hint: &str) {
    let server = Scripted::lying(move |turn| match turn.verb {
        "RETR" if refusal.starts_with("421") => Act::say_and_close(refusal),
        "RETR" => Act::say(refusal),
        _ => Act::Usual,
    });
    server.put("a.bin", pseudo_random(302, 200_000));
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url("a.bin"), "a.bin")]);
    let ended = ftpq.run(&["run", "--retries", "1"]).expect_code(1);
    let said = ended.err.lines().filter(|line| line.contains("what to do:")).collect::<Vec<_>>().join("\n");
    let stored = ftpq.json_one(&["show", "1"])["failure"]["advice"].as_str().unwrap_or_default().to_owned();
    for words in [&said, &stored] {
        assert!(STALE.iter().all(|stale| !words.contains(stale)), "{refusal}: {words}\n{ended}");
        assert!(words.contains("`ftpq retry 1`") && words.contains(hint), "{refusal}: {words}\n{ended}");
    }
}

#[test]
fn the_last_words_of_a_busy_file_say_what_a_person_can_do() {
    last_words("450 file busy", "--retries");
}

#[test]
fn the_last_words_of_lost_commands_say_what_a_person_can_do() {
    last_words("503 Bad sequence of commands.", "ftpq -v run");
}

#[test]
fn the_last_words_of_a_refused_data_connection_name_another_data_mode() {
    last_words("425 Can't open data connection.", "--data-mode");
}

#[test]
fn the_last_words_of_a_full_server_name_fewer_connections() {
    last_words("421 Too many downloads", "--per-host 1");
}

#[test]
fn a_host_that_is_given_up_is_left_with_words_that_hold() {
    let server = Scripted::lying(|turn| match turn.verb {
        "GREETING" => Act::say_and_close("421 Service not available."),
        _ => Act::Usual,
    });
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url("a"), "a"), (server.url("b"), "b")]);
    let ended: Ended = ftpq.run(&["run", "--retries", "1"]);
    let said: Vec<&str> = ended.err.lines().filter(|line| line.contains("what to do:")).collect();
    assert!(!said.is_empty() && said.iter().all(|line| STALE.iter().all(|stale| !line.contains(stale))), "{ended}");
}
