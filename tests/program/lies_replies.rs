//! A server whose replies are odd, late, huge or missing: right bytes or an honest failure, in time.

use crate::{
    support::{Act, Delivery, End, Scripted, Traits, pseudo_random},
    verdict::{Case, IMPATIENT},
};
use std::time::{Duration, Instant};

/// A server that answers one verb in its own way.
fn answering(verb: &'static str, answer: impl Fn() -> Act + Send + Sync + 'static) -> Scripted {
    Scripted::lying(move |turn| if turn.verb == verb { answer() } else { Act::Usual })
}

/// More than enough for two attempts with a time-out of 2 s and a pause between them.
const DEADLINE: Duration = Duration::from_secs(45);

fn assert_in_time(begin: Instant, story: &str) {
    assert!(begin.elapsed() < DEADLINE, "it took {:?}\n{story}", begin.elapsed());
}

#[test]
fn size_traps_a_wrong_negative_huge_or_absent_size_never_yields_wrong_bytes() {
    let data = pseudo_random(10, 200_000);
    for (reply, harmless) in [
        ("213 -1", true),
        ("213 99999999999999999999", true),
        ("213 18446744073709551616", true),
        ("502 SIZE not implemented.", true),
        ("500 What?", true),
        ("213 not a number", true),
        ("213 100000", false),
        ("213 300000", false),
        ("213 9223372036854775807", false),
        ("213 0", false),
    ] {
        let begin = Instant::now();
        let case = Case::new(answering("SIZE", move || Act::say(reply)), &data);
        let (verdict, story) = case.judge(&IMPATIENT, &data);
        if harmless {
            // An unknown size is no reason to fail: a clean end of data and 226 are proof enough.
            verdict.expect_right(&format!("SIZE said {reply:?}\n{story}"));
        }
        assert_in_time(begin, &story);
    }
}

#[test]
fn replies_that_arrive_one_byte_at_a_time_are_read() {
    let data = pseudo_random(11, 100_000);
    let server = Scripted::with(Traits { drip_ms: Some(2), ..Traits::default() }, |_| Act::Usual);
    let case = Case::new(server, &data);
    let (verdict, story) = case.judge(&IMPATIENT, &data);
    verdict.expect_right(&story);
}

/// GHSA-rpmf-866q-6p89, CVE-2013-1752, and the slow loris: a byte now and then is no progress.
#[test]
fn slow_loris_a_reply_that_never_ends_one_byte_at_a_time_meets_the_deadline() {
    let data = pseudo_random(12, 1000);
    for verb in ["GREETING", "PASS", "SIZE"] {
        let drip = || Act::Drip(vec![b'2'; 100_000], Duration::from_millis(300));
        let case = Case::new(answering(verb, drip), &data);
        let (verdict, story) =
            case.judge_within(Duration::from_secs(40), &["run", "--timeout", "2", "--retries", "0"], &data);
        verdict.expect_cause(&["timeout", "protocol"], &story);
    }
}

/// CVE-2000-0973, CVE-2007-0217: over-long replies.
#[test]
fn cve_2000_0973_a_reply_of_a_mebibyte_is_refused_or_read_within_bounds() {
    let data = pseudo_random(13, 1000);
    for verb in ["GREETING", "PASS", "PWD", "FEAT", "EPSV", "RETR"] {
        let begin = Instant::now();
        let line = || {
            let mut reply = b"220 ".to_vec();
            reply.resize(1 << 20, b'x');
            reply.extend(b"\r\n");
            Act::Say(reply)
        };
        let case = Case::new(answering(verb, line), &data);
        let (_, story, peak) = case.judge_and_weigh(&IMPATIENT, &data);
        assert!(peak < 200 << 10, "{peak} KiB of memory for one reply to {verb}\n{story}");
        assert_in_time(begin, &story);
    }
}

/// CVE-2013-1752, GHSA-rpmf-866q-6p89, CVE-2018-1000300: a reply without end, also at QUIT.
#[test]
fn cve_2013_1752_an_endless_reply_is_cut_off_in_bounded_memory() {
    let data = pseudo_random(14, 1000);
    for (verb, text) in [
        ("GREETING", "220-welcome to the endless greeting\r\n"),
        ("GREETING", "x"),
        ("FEAT", "211-FEAT\r\n"),
        ("PASS", "230-\r\n"),
        ("QUIT", "221-bye\r\n"),
    ] {
        let begin = Instant::now();
        let case = Case::new(answering(verb, move || Act::Flood(text.repeat(4096).into_bytes())), &data);
        let (verdict, story, peak) = case.judge_and_weigh(&IMPATIENT, &data);
        if verb == "QUIT" {
            verdict.expect_right(&story);
        }
        assert!(peak < 200 << 10, "{peak} KiB of memory for an endless reply to {verb}\n{story}");
        assert_in_time(begin, &story);
    }
}

#[test]
fn silence_on_the_control_connection_is_a_timeout_at_its_stage() {
    let data = pseudo_random(15, 1000);
    for (verb, stages) in [
        ("GREETING", &["greeting"][..]),
        ("USER", &["login"]),
        ("PASS", &["login"]),
        ("TYPE", &["prepare", "inspect"]),
        ("EPSV", &["data"]),
        ("RETR", &["retrieve"]),
    ] {
        let begin = Instant::now();
        let case = Case::new(answering(verb, || Act::Silence), &data);
        let (verdict, story) = case.judge(&IMPATIENT, &data);
        verdict.expect_cause(&["timeout"], &story);
        verdict.expect_stage(stages, &story);
        assert_in_time(begin, &story);
    }
}

#[test]
fn a_control_connection_that_closes_is_an_honest_failure_at_every_step() {
    let data = pseudo_random(16, 1000);
    for verb in ["GREETING", "USER", "PASS", "TYPE", "EPSV", "RETR"] {
        let begin = Instant::now();
        let case = Case::new(answering(verb, || Act::SayAndClose(Vec::new())), &data);
        let (verdict, story) = case.judge(&IMPATIENT, &data);
        verdict.expect_cause(&["disconnected"], &story);
        assert_in_time(begin, &story);
    }
}

#[test]
fn garbage_for_a_reply_is_a_protocol_failure() {
    let data = pseudo_random(17, 1000);
    for garbage in
        [&b"\r\n\r\n\r\n"[..], b"\0\xff\xfe\x01\r\n", b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 400 Bad\r\n", b"99\r\n"]
    {
        let begin = Instant::now();
        let case = Case::new(answering("GREETING", move || Act::SayAndClose(garbage.to_vec())), &data);
        let (verdict, story) = case.judge(&IMPATIENT, &data);
        verdict.expect_cause(&["protocol", "disconnected"], &story);
        assert_in_time(begin, &story);
    }
}

#[test]
fn a_550_that_is_transient_by_its_text_is_tried_again() {
    let data = pseudo_random(18, 50_000);
    let busy = "550 a.bin: The process cannot access the file because it is being used by another process.";
    let server = Scripted::lying(move |turn| match turn.verb {
        "RETR" if turn.before == 0 => Act::say(busy),
        _ => Act::Usual,
    });
    let case = Case::new(server, &data);
    let (verdict, story) = case.judge(&IMPATIENT, &data);
    verdict.expect_right(&story);
}

#[test]
fn a_550_that_is_permanent_is_not_tried_again() {
    let data = pseudo_random(19, 1000);
    let case = Case::new(answering("RETR", || Act::say("550 a.bin: No such file or directory")), &data);
    let (verdict, story) = case.judge(&["run", "--retries", "5"], &data);
    verdict.expect_cause(&["missing"], &story);
    assert_eq!(case.server.core().args("RETR").len(), 1, "{story}");
}

#[test]
fn a_421_in_mid_transfer_is_survived_without_starting_over() {
    let data = pseudo_random(20, 400_000);
    let server = Scripted::lying(|turn| match turn.verb {
        "RETR" if turn.before == 0 => Act::Deliver(Delivery {
            upto: 200_000,
            end: End::Reset,
            verdict: "421 Service not available, closing control connection.".to_owned(),
            hang_up: true,
            pace: 2_000_000,
            ..turn.delivery()
        }),
        _ => Act::Usual,
    });
    let case = Case::new(server, &data);
    let (verdict, story) = case.judge(&IMPATIENT, &data);
    verdict.expect_right(&story);
    let sent = case.server.core().sent("a.bin");
    // A reset may cost what was under way, not what had been written.
    assert!(sent < 550_000, "{sent} bytes were sent for a file of 400000\n{story}");
}

#[test]
fn a_host_that_is_full_costs_no_job() {
    let server = Scripted::with(Traits { max_sessions: 2, pace: 200_000, ..Traits::default() }, |_| Act::Usual);
    let data = pseudo_random(21, 30_000);
    let names: Vec<String> = (0..12).map(|n| format!("f{n}")).collect();
    let ftpq = crate::support::Ftpq::new();
    names.iter().for_each(|n| server.put(n, data.clone()));
    ftpq.add(&names.iter().map(|n| (server.url(n), n.as_str())).collect::<Vec<_>>());
    let ended = ftpq.run(&["--json", "run", "--connections", "8", "--per-host", "8", "--timeout", "5"]).expect_code(0);
    names.iter().for_each(|n| ftpq.assert_file(n, &data, &ended));
    assert!(ended.events("failed").is_empty(), "{ended}");
    assert!(!ended.events("budget").is_empty(), "nothing was said of the lower budget\n{ended}");
    let status = ftpq.json_one(&["status"]);
    assert_eq!(status["hosts"][0]["connection_limit"], 2, "{status:#}\n{ended}");
}

#[test]
fn a_reply_that_nobody_asked_for_spoils_no_later_file() {
    let (one, two) = (pseudo_random(22, 60_000), pseudo_random(23, 60_000));
    let server = Scripted::lying(|turn| match turn.verb {
        "RETR" if turn.before == 0 => {
            let verdict = "226 Transfer complete.\r\n226 Transfer complete.".to_owned();
            Act::Deliver(Delivery { verdict, ..turn.delivery() })
        }
        _ => Act::Usual,
    });
    server.put("two.bin", two.clone());
    let case = Case::new(server, &one);
    case.ftpq.add(&[(case.server.url("two.bin"), "two.bin")]);
    let (verdict, story) = case.judge(&["run", "--timeout", "2", "--retries", "2", "--connections", "1"], &one);
    verdict.expect_right(&story);
    case.ftpq.assert_file("two.bin", &two, &story);
}

/// pyftpdlib, FileZilla Server: the data of a transfer without a verdict may come over the next connection.
#[test]
fn reply_desync_a_session_without_a_verdict_is_not_used_again() {
    let (one, two) = (pseudo_random(24, 60_000), pseudo_random(25, 60_000));
    let server = Scripted::lying(|turn| match turn.verb {
        "RETR" if turn.before == 0 => Act::Deliver(Delivery { verdict: String::new(), ..turn.delivery() }),
        _ => Act::Usual,
    });
    server.put("two.bin", two.clone());
    let case = Case::new(server, &one);
    case.ftpq.add(&[(case.server.url("two.bin"), "two.bin")]);
    let (verdict, story) = case.judge(&["run", "--timeout", "2", "--retries", "2", "--connections", "1"], &one);
    verdict.expect_right(&story);
    case.ftpq.assert_file("two.bin", &two, &story);
    let commands = case.server.core().commands_of(1);
    let after = commands.iter().skip_while(|c| !c.starts_with("RETR")).skip(1);
    let used: Vec<&String> = after.filter(|c| *c != "QUIT" && *c != "ABOR").collect();
    assert!(used.is_empty(), "the session went on with {used:?}\n{story}");
}
