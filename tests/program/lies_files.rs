//! A remote file that changes between two attempts: the end is the new file, whole, whatever gave it away.

use crate::{
    support::{Act, Delivery, Scripted, Traits, pseudo_random},
    verdict::{Case, IMPATIENT},
};

const LEN: usize = 300_000;
const OLD_TIME: &str = "20240229123456";
const NEW_TIME: &str = "20250101000000";

/// A server that breaks the first transfer off half way, and then has another file there.
fn replacing(new: Vec<u8>, time: &'static str) -> Scripted {
    Scripted::lying(move |turn| match turn.verb {
        "RETR" if turn.before == 0 => {
            let verdict = "426 Failure writing network stream.".to_owned();
            let delivery = Delivery { upto: LEN / 2, verdict, ..turn.delivery() };
            turn.core.put("a.bin", new.clone(), time);
            Act::Deliver(delivery)
        }
        _ => Act::Usual,
    })
}

fn replaced_between_attempts(new: &[u8], time: &'static str) -> (Case, String) {
    let case = Case::new(replacing(new.to_vec(), time), &pseudo_random(50, LEN));
    let (verdict, story) = case.judge(&IMPATIENT, new);
    verdict.expect_right(&story);
    (case, story)
}

#[test]
fn a_file_replaced_between_attempts_same_size_other_time_is_fetched_anew() {
    replaced_between_attempts(&pseudo_random(51, LEN), NEW_TIME);
}

#[test]
fn a_file_replaced_between_attempts_same_time_other_size_is_fetched_anew() {
    replaced_between_attempts(&pseudo_random(52, LEN + 1000), OLD_TIME);
    replaced_between_attempts(&pseudo_random(53, LEN - 1000), OLD_TIME);
    // Shorter than what is there already.
    replaced_between_attempts(&pseudo_random(54, LEN / 4), OLD_TIME);
}

#[test]
fn a_file_replaced_between_attempts_same_size_and_time_is_found_by_its_bytes() {
    replaced_between_attempts(&pseudo_random(55, LEN), OLD_TIME);
}

#[test]
fn a_file_that_only_got_a_new_time_is_right_in_the_end() {
    replaced_between_attempts(&pseudo_random(50, LEN), NEW_TIME);
}

#[test]
fn a_file_replaced_between_runs_is_fetched_anew_and_that_is_said() {
    for (time, seed) in [(NEW_TIME, 56), (OLD_TIME, 57)] {
        let traits = Traits { pace: 300_000, ..Traits::default() };
        let case = Case::new(Scripted::with(traits, |_| Act::Usual), &pseudo_random(50, LEN));
        case.interrupt(100_000);
        let new = pseudo_random(seed, LEN);
        case.server.core().put("a.bin", new.clone(), time);
        let ended = case.ftpq.run(&["--json", "run", "--timeout", "3", "--retries", "2"]).expect_code(0);
        case.ftpq.assert_file("a.bin", &new, &ended);
        let why = ended.events("started").iter().any(|e| e["why"].as_str().is_some_and(|w| !w.is_empty()));
        let notes = case.ftpq.json_one(&["show", "1"])["history"].to_string();
        assert!(why || notes.contains("note"), "nothing says why it began anew\n{ended}{notes}");
    }
}

#[test]
fn a_file_that_is_gone_between_runs_is_an_honest_failure() {
    let traits = Traits { pace: 300_000, ..Traits::default() };
    let case = Case::new(
        Scripted::with(traits, |turn| match (turn.verb, turn.before) {
            ("RETR", 1..) => Act::say("550 No such file or directory."),
            _ => Act::Usual,
        }),
        &pseudo_random(58, LEN),
    );
    case.interrupt(100_000);
    let (verdict, story) = case.judge(&IMPATIENT, b"");
    verdict.expect_cause(&["missing"], &story);
}

#[test]
fn the_modification_time_is_kept() {
    let data = pseudo_random(59, 10_000);
    for mlst in [false, true] {
        let case = Case::new(Scripted::with(Traits { mlst, ..Traits::default() }, |_| Act::Usual), &data);
        let (verdict, story) = case.judge(&IMPATIENT, &data);
        verdict.expect_right(&story);
        let meta = std::fs::metadata(case.ftpq.downloads().join("a.bin")).unwrap();
        let seconds = meta.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(seconds, crate::support::real::MODIFIED, "MLST {mlst}\n{story}");
    }
}

#[test]
fn an_odd_modification_time_harms_nothing() {
    let data = pseudo_random(60, 10_000);
    for time in
        ["19700101000000", "19069999999999", "191240229123456", "99999999999999", "20240229123456.123", "no", ""]
    {
        let case = Case::new(Scripted::honest(), &data);
        case.server.core().put("a.bin", data.clone(), time);
        let (verdict, story) = case.judge(&IMPATIENT, &data);
        verdict.expect_right(&format!("MDTM said {time:?}\n{story}"));
    }
}
