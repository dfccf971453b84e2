//! Files small enough to be received into memory: a server that lies about them, and a process that is killed.

use crate::{
    support::{Act, Delivery, End, Scripted, pseudo_random, report, watch},
    verdict::{Case, IMPATIENT},
};

const LEN: usize = 40_000;
const HALF: usize = LEN / 2;
/// What a resume may cost besides the rest of the file.
const OVERLAP: u64 = 16 * 1024;

/// How the server departs from an honest delivery.
type Change = fn(Delivery) -> Delivery;

fn delivering(always: bool, change: impl Fn(Delivery) -> Delivery + Send + Sync + 'static) -> Scripted {
    Scripted::lying(move |turn| match turn.verb {
        "RETR" if always || turn.before == 0 => Act::Deliver(change(turn.delivery())),
        _ => Act::Usual,
    })
}

#[test]
fn what_came_of_a_small_file_before_it_broke_off_is_kept() {
    let ways: [(&str, Change); 4] = [
        ("early 226", |d| Delivery { upto: HALF, ..d }),
        ("reset", |d| Delivery { upto: HALF, end: End::Reset, verdict: "426 Broken.".to_owned(), ..d }),
        ("stalled", |d| Delivery { upto: HALF, end: End::Stall, verdict: String::new(), ..d }),
        ("control connection gone", |d| Delivery { upto: HALF, verdict: String::new(), hang_up: true, ..d }),
    ];
    for (seed, (name, change)) in (80..).zip(ways) {
        let data = pseudo_random(seed, LEN);
        let case = Case::new(delivering(false, change), &data);
        let (verdict, story) = case.judge(&IMPATIENT, &data);
        verdict.expect_right(&story);
        let sent = case.server.core().sent("a.bin");
        assert!(sent <= LEN as u64 + OVERLAP, "{name}: {sent} bytes were sent for {LEN}\n{story}");
    }
}

#[test]
fn a_small_file_without_the_servers_word_on_it_is_right_or_an_honest_failure() {
    for (seed, verdict) in [(84, String::new()), (85, "426 Failure writing network stream.".to_owned())] {
        let data = pseudo_random(seed, LEN);
        let word = verdict.clone();
        let case = Case::new(delivering(true, move |d| Delivery { verdict: word.clone(), ..d }), &data);
        // Judging panics where a wrong file has the final name, or a failure says nothing.
        let (judged, story) = case.judge(&IMPATIENT, &data);
        if verdict.is_empty() {
            judged.expect_right(&story);
        }
    }
}

#[test]
fn more_bytes_than_a_small_file_has_are_never_taken_for_it() {
    let data = pseudo_random(86, LEN);
    let server = Scripted::lying(|turn| match turn.verb {
        "SIZE" => Act::say(&format!("213 {HALF}")),
        _ => Act::Usual,
    });
    let case = Case::new(server, &data);
    let (verdict, story) = case.judge(&IMPATIENT, &data);
    verdict.expect_cause(&["wrong_size"], &story);
}

#[test]
fn a_small_file_that_always_breaks_off_is_an_honest_failure() {
    let data = pseudo_random(87, LEN);
    let change = |d: Delivery| Delivery { upto: HALF.max(d.from), end: End::Reset, verdict: String::new(), ..d };
    let case = Case::new(delivering(true, change), &data);
    let (verdict, story) = case.judge(&IMPATIENT, &data);
    verdict.expect_stage(&["retrieve", "verdict"], &story);
}

/// A small file has no label: what a kill leaves under the part name is nobody's, and never gets the final name.
#[test]
fn a_kill_while_small_files_are_put_away_leaves_right_files_only() {
    if !cfg!(feature = "failpoints") {
        return report::skip("needs the feature failpoints");
    }
    let steps = [
        "transfer-last-byte",
        "transfer-verified",
        "transfer-mtime",
        "transfer-synced",
        "transfer-renamed",
        "transfer-dir-synced",
        "engine-before-settle",
        "engine-settled",
    ];
    for (seed, step) in (90..).zip(steps) {
        let data = pseudo_random(seed, LEN);
        let mut case = Case::new(Scripted::honest(), &data);
        case.ftpq.set("FTPQ_STOP_AT", step);
        let first = case.ftpq.run(&["run"]).expect_killed();
        case.ftpq.unset("FTPQ_STOP_AT");
        let second = case.ftpq.run(&["--json", "run"]).expect_code(0);
        let story = format!("killed at {step}\n{first}{second}{}", case.server.core().dialogue());
        case.ftpq.assert_file("a.bin", &data, &story);
        let parts = watch::parts_below(&case.ftpq.downloads());
        assert!(parts.is_empty(), "part files are left: {parts:?}\n{story}");
        assert_eq!(case.ftpq.count("done"), 1, "{story}");
        let sent = case.server.core().sent_total();
        let durable =
            matches!(step, "transfer-renamed" | "transfer-dir-synced" | "engine-before-settle" | "engine-settled");
        let most = if durable { LEN } else { 2 * LEN };
        assert!(sent <= most as u64, "{sent} bytes were sent for {LEN}\n{story}");
    }
}
