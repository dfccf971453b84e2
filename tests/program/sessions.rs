//! Sessions that end when the server likes: no file suffers, and no more connections are opened than allowed.

use crate::support::{Act, Delivery, Ftpq, Scripted, Traits, Turn, pseudo_random};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Sessions that the server has not given up itself: now, and most at a time.
///
/// The server's own count goes down a little after the client may know of the end. This one goes down just before.
#[derive(Clone, Default)]
struct Count(Arc<Mutex<(i64, i64)>>);

impl Count {
    fn begin(&self) {
        let mut count = self.0.lock().unwrap();
        count.0 += 1;
        count.1 = count.1.max(count.0);
    }

    fn end(&self) {
        self.0.lock().unwrap().0 -= 1;
    }

    fn most(&self) -> i64 {
        self.0.lock().unwrap().1
    }
}

/// Files `f0`, `f1` and so on, of which each is to arrive over as many connections at most.
fn all_arrive(server: &Scripted, count: &Count, files: usize, per_host: i64) {
    let data = pseudo_random(220, 50_000);
    let names: Vec<String> = (0..files).map(|n| format!("f{n}")).collect();
    names.iter().for_each(|n| server.put(n, data.clone()));
    let ftpq = Ftpq::new();
    ftpq.add(&names.iter().map(|n| (server.url(n), n.as_str())).collect::<Vec<_>>());
    let allowed = per_host.to_string();
    let ended = ftpq.run(&["--json", "run", "--retries", "2", "--per-host", &allowed, "--connections", "4"]);
    let story = format!("{ended}{}", server.core().dialogue());
    assert_eq!(ended.code, Some(0), "{story}");
    assert!(ended.events("failed").is_empty(), "{story}");
    names.iter().for_each(|n| ftpq.assert_file(n, &data, &story));
    let most = count.most().min(i64::try_from(server.core().sessions().0).unwrap());
    assert!(most <= per_host, "{most} sessions at a time\n{story}");
}

/// A server that closes after each transfer, with these words after its 226.
fn closing_after_each_226(last: &'static str) {
    let count = Count::default();
    let counted = count.clone();
    let server = Scripted::lying(move |turn: &Turn| match turn.verb {
        "GREETING" => {
            counted.begin();
            Act::Usual
        }
        "QUIT" => {
            counted.end();
            Act::Usual
        }
        "RETR" if turn.honest.is_some() => {
            counted.end();
            let verdict = format!("226 Transfer complete.{last}");
            Act::Deliver(Delivery { verdict, hang_up: true, ..turn.delivery() })
        }
        _ => Act::Usual,
    });
    all_arrive(&server, &count, 8, 2);
}

#[test]
fn a_plain_close_after_each_226_costs_no_file() {
    closing_after_each_226("");
}

#[test]
fn a_421_after_each_226_costs_no_file() {
    closing_after_each_226("\r\n421 Goodbye, one file a session.");
}

/// A server that keeps the last files back once, one for each session, so that all sessions rest; it closes them then.
fn closing_at_rest(per_host: u8, last: &'static str) {
    const FILES: u8 = 6;
    let count = Count::default();
    let counted = count.clone();
    let kept_back: Vec<(String, AtomicBool)> =
        (FILES - per_host..FILES).map(|n| (format!("f{n}"), AtomicBool::new(false))).collect();
    let server = Scripted::lying(move |turn: &Turn| match turn.verb {
        "GREETING" => {
            counted.begin();
            Act::Usual
        }
        "QUIT" => {
            counted.end();
            Act::Usual
        }
        "RETR" if kept_back.iter().any(|(n, done)| turn.arg.ends_with(n) && !done.swap(true, Ordering::SeqCst)) => {
            counted.end();
            let (first, last) = (b"450 File busy.\r\n".to_vec(), last.as_bytes().to_vec());
            Act::SayAndCloseLater(first, Duration::from_millis(300), last)
        }
        _ => Act::Usual,
    });
    all_arrive(&server, &count, usize::from(FILES), i64::from(per_host));
    // The test is about nothing unless all sessions were lost.
    let sessions = server.core().sessions().1;
    assert!(sessions > usize::from(per_host), "{sessions} sessions\n{}", server.core().dialogue());
}

#[test]
fn sessions_closed_at_rest_cost_no_file() {
    for per_host in [1, 2] {
        closing_at_rest(per_host, "");
    }
}

#[test]
fn sessions_ended_by_421_at_rest_cost_no_file() {
    for per_host in [1, 2] {
        closing_at_rest(per_host, "421 Idle for too long, closing.\r\n");
    }
}

/// Some servers, and the routers before them, don't say that they are full.
#[test]
fn a_server_that_shuts_out_every_second_connection_without_a_word_is_worked_off_over_one() {
    let traits = Traits { max_sessions: 1, full: String::new(), pace: 400_000, ..Traits::default() };
    let server = Scripted::with(traits, |_| Act::Usual);
    let data = pseudo_random(221, 100_000);
    let names: Vec<String> = (0..12).map(|n| format!("f{n}")).collect();
    names.iter().for_each(|n| server.put(n, data.clone()));
    let ftpq = Ftpq::new();
    ftpq.add(&names.iter().map(|n| (server.url(n), n.as_str())).collect::<Vec<_>>());
    let ended = ftpq.run(&["--json", "run", "--retries", "2", "--per-host", "4", "--connections", "8"]);
    let story = format!("{ended}{}", server.core().dialogue());
    assert_eq!(ended.code, Some(0), "{story}");
    assert!(ended.events("failed").is_empty(), "{story}");
    names.iter().for_each(|n| ftpq.assert_file(n, &data, &story));
}
