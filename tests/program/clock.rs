//! The clock on the wall is set while retries wait: nobody waits for days.

use crate::support::{Act, Ftpq, Scripted, clock::Clock, pseudo_random, report, watch};
use rustix::process::Signal;
use std::time::Duration;

const DAY: i64 = 86_400;
const LIMIT: Duration = Duration::from_secs(20);

/// A server whose control connections break, or whose RETR fail, until it is released.
fn unsteady(is_host: bool) -> Scripted {
    Scripted::lying(move |turn| match turn.verb {
        "GREETING" if is_host && !turn.core.is_released() => Act::SayAndClose(Vec::new()),
        "RETR" if !is_host && !turn.core.is_released() => Act::say("451 Local error in processing."),
        _ => Act::Usual,
    })
}

/// The fourth try is due 3 to 4 s after the third.
fn has_failed_three_times(server: &Scripted, is_host: bool) -> bool {
    let failed = || if is_host { server.core().sessions().1 >= 3 } else { server.core().args("RETR").len() >= 3 };
    let so = watch::wait_for(LIMIT, failed);
    std::thread::sleep(Duration::from_millis(300));
    so
}

fn set_during_a_wait(is_host: bool, seconds: i64) {
    let (server, data) = (unsteady(is_host), pseudo_random(400, 5000));
    server.put("a.bin", data.clone());
    let mut ftpq = Ftpq::new();
    let Some(clock) = Clock::of(&mut ftpq) else { return report::skip("no libfaketime in the kit") };
    ftpq.add(&[(server.url("a.bin"), "a.bin")]);
    let run = ftpq.spawn(&["run", "--per-host", "1"]);
    assert!(has_failed_three_times(&server, is_host), "{}", run.so_far());
    server.core().release();
    clock.set(seconds);
    let ended = run.wait(LIMIT).expect_code(0);
    ftpq.assert_file("a.bin", &data, &ended);
}

#[test]
fn a_clock_set_back_by_days_holds_no_host_back() {
    set_during_a_wait(true, -3 * DAY);
}

#[test]
fn a_clock_set_back_by_days_holds_no_job_back() {
    set_during_a_wait(false, -3 * DAY);
}

#[test]
fn a_clock_set_back_by_half_an_hour_holds_no_job_back() {
    set_during_a_wait(false, -1800);
}

#[test]
fn a_clock_set_back_by_a_minute_holds_nothing_back() {
    set_during_a_wait(true, -57);
    set_during_a_wait(false, -57);
}

#[test]
fn a_clock_set_forward_makes_waits_no_longer() {
    set_during_a_wait(true, 30 * DAY);
    set_during_a_wait(false, 30 * DAY);
}

#[test]
fn a_clock_set_back_between_two_runs_holds_no_job_back() {
    for (seconds, only) in [(-57, None), (-1800, None), (-3 * DAY, None), (-3 * DAY, Some("1"))] {
        let (server, data) = (unsteady(false), pseudo_random(401, 5000));
        server.put("a.bin", data.clone());
        let mut ftpq = Ftpq::new();
        let Some(clock) = Clock::of(&mut ftpq) else { return report::skip("no libfaketime in the kit") };
        ftpq.add(&[(server.url("a.bin"), "a.bin")]);
        let mut run = ftpq.spawn(&["run", "--per-host", "1"]);
        assert!(has_failed_three_times(&server, false), "{}", run.so_far());
        run.signal(Signal::TERM);
        run.wait(LIMIT).expect_code(3);
        server.core().release();
        clock.set(seconds);
        let args: Vec<&str> = ["run"].into_iter().chain(only).collect();
        let ended = ftpq.spawn(&args).wait(LIMIT).expect_code(0);
        ftpq.assert_file("a.bin", &data, &ended);
    }
}
