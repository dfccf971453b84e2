//! Sessions that end when the server likes: no file suffers, and no more connections are opened than allowed.

use crate::support::{Act, Delivery, Ended, Ftpq, Scripted, Traits, Turn, pseudo_random};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
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

/// Waits until the count is reached. Returns whether it was, in time.
fn reaches(count: &AtomicUsize, wanted: usize) -> bool {
    let begin = Instant::now();
    while count.load(Ordering::SeqCst) < wanted {
        if begin.elapsed() > Duration::from_secs(20) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

/// The server answers the first password once four sessions have been greeted, and refuses it or not.
fn greeted_beside_the_first_login(refuses: bool) -> (Scripted, Ended) {
    let greeted = AtomicUsize::new(0);
    let server = Scripted::lying(move |turn: &Turn| match turn.verb {
        "GREETING" => {
            greeted.fetch_add(1, Ordering::SeqCst);
            Act::Usual
        }
        "PASS" if turn.before == 0 && !reaches(&greeted, 4) => Act::say("451 The others do not come."),
        "PASS" if refuses => Act::say("530 Login incorrect."),
        _ => Act::Usual,
    });
    let data = pseudo_random(222, 5000);
    let names: Vec<String> = (0..12).map(|n| format!("f{n}")).collect();
    names.iter().for_each(|n| server.put(n, data.clone()));
    let ftpq = Ftpq::new();
    ftpq.add(&names.iter().map(|n| (server.url_as("user:password", n), n.as_str())).collect::<Vec<_>>());
    let ended = ftpq.run(&["--json", "run", "--retries", "0", "--per-host", "4"]);
    (server, ended)
}

#[test]
fn sessions_are_opened_side_by_side_with_the_first_login() {
    let (server, ended) = greeted_beside_the_first_login(false);
    let story = format!("{ended}{}", server.core().dialogue());
    assert_eq!((ended.code, ended.events("done").len()), (Some(0), 12), "{story}");
    assert_eq!(server.core().sessions().1, 4, "{story}");
}

#[test]
fn a_refused_first_login_keeps_the_others_from_sending_anything() {
    let (server, ended) = greeted_beside_the_first_login(true);
    let story = format!("{ended}{}", server.core().dialogue());
    assert_eq!(ended.code, Some(1), "{story}");
    assert_eq!((server.core().args("USER").len(), server.core().args("PASS").len()), (1, 1), "{story}");
    assert_eq!((ended.events("failed").len(), ended.events("retrying").len()), (1, 0), "{story}");
}

/// Each RETR is answered once all four sessions have one: a session without work would hold up all.
#[test]
fn no_session_is_idle_while_there_is_work() {
    const FILES: usize = 200;
    let asked = AtomicUsize::new(0);
    let server = Scripted::lying(move |turn: &Turn| {
        if turn.verb != "RETR" {
            return Act::Usual;
        }
        let wave = asked.fetch_add(1, Ordering::SeqCst) / 4 + 1;
        if reaches(&asked, (4 * wave).min(FILES)) { Act::Usual } else { Act::say("550 A session is idle.") }
    });
    let data = pseudo_random(223, 500);
    let names: Vec<String> = (0..FILES).map(|n| format!("f{n}")).collect();
    names.iter().for_each(|n| server.put(n, data.clone()));
    let ftpq = Ftpq::new();
    ftpq.add(&names.iter().map(|n| (server.url(n), n.as_str())).collect::<Vec<_>>());
    let ended = ftpq.run(&["--json", "run", "--retries", "0", "--per-host", "4"]);
    let story = format!("{ended}{}", server.core().dialogue());
    assert_eq!((ended.code, ended.events("done").len()), (Some(0), FILES), "{story}");
    assert_eq!(server.core().sessions().1, 4, "{story}");
}

/// Runs many small files with the budget left to ftpq. Returns the sessions that were opened, and the host's status.
fn left_to_auto(ftpq: &Ftpq, server: &Scripted, prefix: &str, files: usize) -> (usize, serde_json::Value) {
    let data = pseudo_random(224, 100);
    let names: Vec<String> = (0..files).map(|n| format!("{prefix}{n}")).collect();
    names.iter().for_each(|n| server.put(n, data.clone()));
    ftpq.add(&names.iter().map(|n| (server.url(n), n.as_str())).collect::<Vec<_>>());
    let before = server.core().sessions().1;
    let ended = ftpq.run(&["--json", "run", "--durability", "none"]);
    assert_eq!((ended.code, ended.events("done").len()), (Some(0), files), "{}", ended.err);
    (server.core().sessions().1 - before, ftpq.json_one(&["status"])["hosts"][0].clone())
}

#[test]
fn a_host_that_is_bound_by_round_trips_gets_more_connections_and_this_is_remembered() {
    let server = Scripted::lying(|turn| {
        if turn.verb == "RETR" {
            std::thread::sleep(Duration::from_millis(60));
        }
        Act::Usual
    });
    let ftpq = Ftpq::new();
    let (sessions, status) = left_to_auto(&ftpq, &server, "a", 500);
    let useful = status["useful_connections"].as_u64().unwrap();
    assert!(useful > 4 && sessions > 4, "{sessions} sessions, {status:#}");
    let (sessions, status) = left_to_auto(&ftpq, &server, "b", 60);
    assert!(sessions as u64 >= useful, "{sessions} sessions, {useful} were known to be useful, {status:#}");
}

#[test]
fn connections_that_bring_nothing_are_signed_off() {
    let one_at_a_time = Mutex::new(());
    let left = Arc::new(AtomicUsize::new(0));
    let signed_off = Arc::clone(&left);
    let server = Scripted::lying(move |turn| {
        match turn.verb {
            "RETR" => {
                let _turn = one_at_a_time.lock().unwrap();
                std::thread::sleep(Duration::from_millis(20));
            }
            "QUIT" => {
                signed_off.fetch_add(1, Ordering::SeqCst);
            }
            _ => {}
        }
        Act::Usual
    });
    let (sessions, status) = left_to_auto(&Ftpq::new(), &server, "a", 400);
    let useful = status["useful_connections"].as_u64();
    assert!(useful.is_some_and(|n| n < 10) && !status["useful_learned_at"].is_null(), "{sessions}: {status:#}");
    assert_eq!(left.load(Ordering::SeqCst), sessions, "{status:#}");
    assert!(sessions > 4, "none was tried: {sessions}, {status:#}");
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
