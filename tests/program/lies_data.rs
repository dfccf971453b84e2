//! A server that is wrong about the end of a file, or about REST: right bytes or an honest failure, in time.

use crate::{
    support::{Act, Delivery, End, Scripted, Traits, Turn, pseudo_random},
    verdict::{Case, IMPATIENT},
};
use std::time::{Duration, Instant};

const LEN: usize = 300_000;
const HALF: usize = LEN / 2;

/// A server that delivers in its own way, the first time or every time.
fn delivering(always: bool, change: impl Fn(Delivery) -> Delivery + Send + Sync + 'static) -> Scripted {
    Scripted::lying(move |turn| match turn.verb {
        "RETR" if always || turn.before == 0 => Act::Deliver(change(turn.delivery())),
        _ => Act::Usual,
    })
}

/// The same without SIZE, MDTM and the size in 150: nothing tells how long the file is.
fn delivering_unsized(always: bool, change: impl Fn(Delivery) -> Delivery + Send + Sync + 'static) -> Scripted {
    Scripted::lying(move |turn| match turn.verb {
        "SIZE" | "MDTM" => Act::say("502 Command not implemented."),
        "RETR" if always || turn.before == 0 => {
            let opening = "150 Here it comes.".to_owned();
            Act::Deliver(change(Delivery { opening, ..turn.delivery() }))
        }
        _ => Act::Usual,
    })
}

fn assert_in_time(begin: Instant, story: &str) {
    assert!(begin.elapsed() < Duration::from_secs(50), "it took {:?}\n{story}", begin.elapsed());
}

#[test]
fn data_that_ends_early_with_226_is_fetched_to_its_end() {
    let data = pseudo_random(30, LEN);
    let case = Case::new(delivering(false, |d| Delivery { upto: HALF, ..d }), &data);
    let (verdict, story) = case.judge(&IMPATIENT, &data);
    verdict.expect_right(&story);
    let sent = case.server.core().sent("a.bin");
    assert!(sent < LEN as u64 + 70_000, "{sent} bytes were sent for {LEN}: what was there was not kept\n{story}");
}

#[test]
fn data_that_ends_early_with_226_every_time_is_an_honest_failure() {
    let begin = Instant::now();
    let data = pseudo_random(31, LEN);
    let case = Case::new(delivering(true, |d| Delivery { upto: HALF.max(d.from), ..d }), &data);
    let (verdict, story) = case.judge(&IMPATIENT, &data);
    verdict.expect_stage(&["retrieve", "verdict", "verify"], &story);
    assert_in_time(begin, &story);
}

#[test]
fn a_missing_226_is_right_or_an_honest_failure() {
    let begin = Instant::now();
    let data = pseudo_random(32, LEN);
    let case = Case::new(delivering(true, |d| Delivery { verdict: String::new(), ..d }), &data);
    let (_, story) = case.judge(&IMPATIENT, &data);
    assert_in_time(begin, &story);
}

#[test]
fn half_a_file_of_unknown_size_without_226_never_gets_its_final_name() {
    let begin = Instant::now();
    let data = pseudo_random(33, LEN);
    let change = |d: Delivery| Delivery { upto: HALF.max(d.from), verdict: String::new(), ..d };
    let case = Case::new(delivering_unsized(true, change), &data);
    let (verdict, story) = case.judge(&IMPATIENT, &data);
    verdict.expect_stage(&["retrieve", "verdict", "verify"], &story);
    assert_in_time(begin, &story);
}

#[test]
fn half_a_file_of_unknown_size_with_426_never_gets_its_final_name() {
    let data = pseudo_random(34, LEN);
    let change = |d: Delivery| Delivery { upto: HALF, verdict: "426 Failure writing network stream.".to_owned(), ..d };
    let case = Case::new(delivering_unsized(false, change), &data);
    let (verdict, story) = case.judge(&IMPATIENT, &data);
    verdict.expect_right(&story);
}

#[test]
fn a_226_before_the_data_is_not_the_end_of_the_data() {
    let data = pseudo_random(35, LEN);
    let change = |d: Delivery| Delivery { verdict_first: true, pace: 600_000, ..d };
    let case = Case::new(delivering(true, change), &data);
    let (verdict, story) = case.judge(&IMPATIENT, &data);
    verdict.expect_right(&story);
}

#[test]
fn a_reply_without_150_is_survived() {
    let data = pseudo_random(36, LEN);
    let case = Case::new(delivering(true, |d| Delivery { opening: String::new(), ..d }), &data);
    let (verdict, story) = case.judge(&IMPATIENT, &data);
    verdict.expect_right(&story);
}

#[test]
fn a_426_after_all_bytes_is_right_or_an_honest_failure() {
    let begin = Instant::now();
    let data = pseudo_random(37, LEN);
    let change = |d: Delivery| Delivery { verdict: "426 Connection closed; transfer aborted.".to_owned(), ..d };
    let case = Case::new(delivering(true, change), &data);
    let (_, story) = case.judge(&IMPATIENT, &data);
    assert_in_time(begin, &story);
}

#[test]
fn a_stall_in_mid_transfer_times_out_and_is_resumed() {
    let begin = Instant::now();
    let data = pseudo_random(38, LEN);
    let case = Case::new(delivering(false, |d| Delivery { upto: HALF, end: End::Stall, ..d }), &data);
    let (verdict, story) = case.judge(&IMPATIENT, &data);
    verdict.expect_right(&story);
    let sent = case.server.core().sent("a.bin");
    assert!(sent < LEN as u64 + 70_000, "{sent} bytes were sent for {LEN}\n{story}");
    assert_in_time(begin, &story);
}

#[test]
fn a_stall_before_the_first_byte_every_time_is_an_honest_failure() {
    let begin = Instant::now();
    let data = pseudo_random(39, LEN);
    let case = Case::new(delivering(true, |d| Delivery { upto: d.from, end: End::Stall, ..d }), &data);
    let (verdict, story) = case.judge(&IMPATIENT, &data);
    verdict.expect_cause(&["timeout"], &story);
    verdict.expect_stage(&["retrieve"], &story);
    assert_in_time(begin, &story);
}

#[test]
fn a_data_connection_that_is_reset_is_resumed() {
    let data = pseudo_random(40, LEN);
    let change = |d: Delivery| Delivery {
        upto: HALF,
        end: End::Reset,
        verdict: "426 Connection reset.".to_owned(),
        pace: 1_000_000,
        ..d
    };
    let case = Case::new(delivering(false, change), &data);
    let (verdict, story) = case.judge(&IMPATIENT, &data);
    verdict.expect_right(&story);
}

#[test]
fn more_bytes_than_size_said_are_never_taken_for_the_file() {
    let begin = Instant::now();
    let data = pseudo_random(41, LEN);
    let server = Scripted::lying(|turn| match turn.verb {
        "SIZE" => Act::say(&format!("213 {HALF}")),
        _ => Act::Usual,
    });
    let case = Case::new(server, &data);
    // Either the whole file, or nothing under its name.
    let (_, story) = case.judge(&IMPATIENT, &data);
    assert_in_time(begin, &story);
}

/// The number in 150 is a hint at most.
#[test]
fn size_traps_a_lie_in_the_150_reply_changes_nothing() {
    for said in ["5", "999999999999", "-1", "18446744073709551617", "not a number"] {
        let data = pseudo_random(42, 50_000);
        let change = move |d: Delivery| Delivery { opening: format!("150 Opening for a.bin ({said} bytes)."), ..d };
        let case = Case::new(delivering(true, change), &data);
        let (verdict, story) = case.judge(&IMPATIENT, &data);
        verdict.expect_right(&format!("150 said {said}\n{story}"));
    }
}

#[test]
fn an_empty_file_arrives_as_an_empty_file() {
    let case = Case::new(Scripted::honest(), b"");
    let (verdict, story) = case.judge(&IMPATIENT, b"");
    verdict.expect_right(&story);
}

#[test]
fn a_server_that_ignores_rest_still_ends_with_the_right_bytes() {
    let data = pseudo_random(43, LEN);
    let server = Scripted::with(Traits { ignores_rest: true, pace: 300_000, ..Traits::default() }, |_| Act::Usual);
    let case = Case::new(server, &data);
    case.interrupt(100_000);
    let (verdict, story) = case.judge(&IMPATIENT, &data);
    verdict.expect_right(&story);
    let status = case.ftpq.json_one(&["status"]);
    assert_eq!(status["hosts"][0]["quirks"]["no_rest"], true, "it was to be learned: {status:#}\n{story}");
}

#[test]
fn a_server_that_refuses_rest_still_ends_with_the_right_bytes() {
    let data = pseudo_random(44, LEN);
    let hook = |turn: &Turn| if turn.verb == "REST" { Act::say("502 REST not implemented.") } else { Act::Usual };
    let case = Case::new(Scripted::with(Traits { pace: 300_000, ..Traits::default() }, hook), &data);
    case.interrupt(100_000);
    let (verdict, story) = case.judge(&IMPATIENT, &data);
    verdict.expect_right(&story);
}

#[test]
fn rest_is_the_last_command_before_retr() {
    let data = pseudo_random(45, LEN);
    let traits = Traits { rest_must_be_last: true, pace: 300_000, ..Traits::default() };
    let case = Case::new(Scripted::with(traits, |_| Act::Usual), &data);
    case.interrupt(150_000);
    let (verdict, story) = case.judge(&IMPATIENT, &data);
    verdict.expect_right(&story);
    let sent = case.server.core().sent("a.bin");
    assert!(sent < LEN as u64 + 70_000, "{sent} bytes were sent for {LEN}: the restart was lost\n{story}");
}

/// vsftpd and proftpd keep an offset until a transfer is tried.
#[test]
fn a_restart_marker_never_leaks_into_the_next_file() {
    let (one, two) = (pseudo_random(46, LEN), pseudo_random(47, LEN));
    // The first RETR after a REST is refused, and the offset stays in force.
    let server = Scripted::with(Traits { pace: 400_000, ..Traits::default() }, |turn| match turn.verb {
        "RETR" if turn.rest > 0 && turn.arg.ends_with("a.bin") && turn.before < 3 => Act::say("450 File busy."),
        _ => Act::Usual,
    });
    server.put("two.bin", two.clone());
    let case = Case::new(server, &one);
    case.interrupt(100_000);
    case.ftpq.add(&[(case.server.url("two.bin"), "two.bin")]);
    let (verdict, story) = case.judge(&["run", "--timeout", "3", "--retries", "4", "--connections", "1"], &one);
    verdict.expect_right(&story);
    case.ftpq.assert_file("two.bin", &two, &story);
}

#[test]
fn an_interrupted_file_of_unknown_size_ends_right() {
    let data = pseudo_random(48, LEN);
    let case = Case::new(delivering_unsized(true, |d| Delivery { pace: 400_000, ..d }), &data);
    case.interrupt(100_000);
    let (verdict, story) = case.judge(&IMPATIENT, &data);
    verdict.expect_right(&story);
}
