//! Stopping: cleanly within 2 s, a second time at once, and the next run goes on.

use crate::support::{Act, Delivery, End, Ftpq, Scripted, Traits, ftpq::Running, pseudo_random, watch};
use rustix::process::Signal;
use std::time::{Duration, Instant};

const LEN: usize = 600_000;

/// A run with two files under way; the server holds in the midst of both until it is released.
fn under_way(pace: u64) -> (Ftpq, Scripted, Running) {
    let server = Scripted::with(Traits { pace, ..Traits::default() }, |_| Act::Usual);
    server.core().hold_behind(LEN as u64 / 2);
    let ftpq = Ftpq::new();
    let names = ["a.bin", "b.bin"];
    names.iter().for_each(|n| server.put(n, pseudo_random(170, LEN)));
    ftpq.add(&names.map(|n| (server.url(n), n)));
    let run = ftpq.spawn(&["run"]);
    let parts = names.map(|n| watch::part_of(&ftpq.downloads().join(n)));
    let there = watch::wait_for(Duration::from_secs(20), || parts.iter().all(|p| watch::length(p) > 100_000));
    assert!(there, "{}{}", run.so_far(), server.core().dialogue());
    (ftpq, server, run)
}

fn stopped_by(signal: Signal) {
    let (ftpq, server, mut run) = under_way(300_000);
    let begin = Instant::now();
    run.signal(signal);
    let ended = run.wait(Duration::from_secs(10));
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(2), "it took {took:?} to stop\n{ended}");
    assert_eq!(ended.code, Some(3), "{ended}");
    assert_eq!(ftpq.count("queued"), 2, "{ended}");
    server.core().release();
    let again = ftpq.run(&["run"]).expect_code(0);
    for name in ["a.bin", "b.bin"] {
        ftpq.assert_file(name, &pseudo_random(170, LEN), &format!("{ended}{again}"));
    }
    let sent = server.core().sent_total();
    assert!(sent < 2 * (LEN as u64 + 40_000), "{sent} bytes were sent for {}: it began anew\n{ended}{again}", 2 * LEN);
}

#[test]
fn sigterm_stops_within_two_seconds_and_the_next_run_goes_on() {
    stopped_by(Signal::TERM);
}

#[test]
fn sigint_stops_within_two_seconds_and_the_next_run_goes_on() {
    stopped_by(Signal::INT);
}

#[test]
fn a_stalled_server_does_not_delay_the_stop() {
    for verb in ["GREETING", "USER", "EPSV", "RETR"] {
        let server = Scripted::lying(move |turn| match turn.verb {
            v if v == verb && v == "RETR" => Act::Deliver(Delivery { upto: 1000, end: End::Stall, ..turn.delivery() }),
            v if v == verb => Act::Silence,
            _ => Act::Usual,
        });
        server.put("a.bin", pseudo_random(171, 100_000));
        let ftpq = Ftpq::new();
        ftpq.add(&[(server.url("a.bin"), "a.bin")]);
        let mut run = ftpq.spawn(&["run", "--timeout", "60"]);
        let reached = || match verb {
            "GREETING" => server.core().sessions().1 > 0,
            "RETR" => server.core().sent_total() > 0,
            _ => !server.core().args(verb).is_empty(),
        };
        assert!(watch::wait_for(Duration::from_secs(15), reached), "{}", run.so_far());
        std::thread::sleep(Duration::from_millis(100));
        let begin = Instant::now();
        run.signal(Signal::TERM);
        let ended = run.wait(Duration::from_secs(10));
        assert!(begin.elapsed() < Duration::from_secs(2), "silent at {verb}: {:?}\n{ended}", begin.elapsed());
        assert_eq!(ended.code, Some(3), "silent at {verb}\n{ended}");
    }
}

#[test]
fn a_second_signal_stops_at_once() {
    let (ftpq, server, mut run) = under_way(100_000);
    run.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(5));
    run.signal(Signal::TERM);
    let begin = Instant::now();
    let ended = run.wait(Duration::from_secs(10));
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}\n{ended}", begin.elapsed());
    assert_ne!(ended.code, Some(0), "{ended}");
    server.core().release();
    let again = ftpq.run(&["run"]).expect_code(0);
    for name in ["a.bin", "b.bin"] {
        ftpq.assert_file(name, &pseudo_random(170, LEN), &format!("{ended}{again}"));
    }
}

#[test]
fn an_idle_control_connection_is_ended_with_quit() {
    let server = Scripted::honest();
    server.put("a.bin", pseudo_random(172, 1000));
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url("a.bin"), "a.bin")]);
    let ended = ftpq.run(&["run"]).expect_code(0);
    assert!(
        watch::wait_for(Duration::from_secs(2), || server.core().args("QUIT").len() == 1),
        "{}{ended}",
        server.core().dialogue()
    );
}
