//! Files large enough to be spliced, and to be hashed while they arrive: whole, or an honest failure, by either way.

use crate::{
    policies::{add_with, digest},
    support::{Act, Delivery, Ftpq, Scripted, Traits, pseudo_random, watch},
    verdict::Case,
};
use std::{fs, os::unix::fs::FileExt, sync::Arc, time::Duration};

const LEN: usize = 5_000_003;
/// A transfer in two seconds and a half.
const PACE: u64 = 2_000_000;

/// The ways of bytes into the file: spliced; and read and written, for a rate has to be kept, if one without effect.
const WAYS: [&[&str]; 2] = [&[], &["--limit-rate", "100G"]];

fn run(way: &[&'static str]) -> Vec<&'static str> {
    [&["run", "--timeout", "2", "--retries", "1"], way].concat()
}

/// A file queued with its SHA-256.
fn checked(server: Scripted, data: &[u8], sum_of: &[u8]) -> Case {
    server.put("a.bin", data);
    let ftpq = Ftpq::new();
    add_with(&ftpq, &server, "sha256", &digest("sha256sum", sum_of));
    Case { ftpq, server }
}

/// Bytes that the process has read and written by ordinary calls, as the kernel counts them.
fn passed_through(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let of = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    of("rchar:").unwrap_or(0) + of("wchar:").unwrap_or(0)
}

#[test]
fn only_bytes_that_somebody_has_to_see_pass_through_memory() {
    let data = pseudo_random(300, LEN);
    for (way, spliced) in WAYS.into_iter().zip([true, false]) {
        let case = Case::new(Scripted::with(Traits { pace: PACE, ..Traits::default() }, |_| Act::Usual), &data);
        let run = case.ftpq.spawn(&run(way));
        let part = watch::part_of(&case.ftpq.downloads().join("a.bin"));
        let half = || watch::length(&part) > LEN as u64 / 2;
        assert!(watch::wait_for(Duration::from_secs(20), half), "{}", run.so_far());
        let passed = passed_through(run.pid());
        let ended = run.wait(Duration::from_secs(20)).expect_code(0);
        case.ftpq.assert_file("a.bin", &data, &ended);
        assert_eq!(passed < LEN as u64 / 2, spliced, "{way:?}: {passed} bytes by read and write\n{ended}");
    }
}

#[test]
fn a_large_file_is_whole_and_its_checksum_right() {
    let data = pseudo_random(301, LEN);
    for way in WAYS {
        let case = checked(Scripted::honest(), &data, &data);
        let (verdict, story) = case.judge(&run(way), &data);
        verdict.expect_right(&story);
        assert_eq!(case.server.core().sent("a.bin"), LEN as u64, "{story}");
    }
}

#[test]
fn a_large_file_with_a_wrong_checksum_never_gets_its_final_name() {
    let data = pseudo_random(302, LEN);
    for way in WAYS {
        let case = checked(Scripted::honest(), &data, b"something else");
        let (verdict, story) = case.judge(&run(way), &data);
        verdict.expect_cause(&["wrong_checksum"], &story);
        let parts = watch::parts_below(&case.ftpq.downloads());
        assert!(parts.is_empty(), "{parts:?}\n{story}");
    }
}

/// What is beyond SIZE is never written, and the file is not taken for whole.
#[test]
fn a_server_that_sends_more_than_size_is_an_honest_failure() {
    let data = pseudo_random(303, LEN);
    for way in WAYS {
        let longer = Arc::new(pseudo_random(303, LEN + 1));
        let server = Scripted::lying(move |turn| match turn.verb {
            "RETR" => Act::Deliver(Delivery { data: Arc::clone(&longer), upto: LEN + 1, ..turn.delivery() }),
            _ => Act::Usual,
        });
        let case = Case::new(server, &data);
        let (verdict, story) = case.judge(&run(way), &data);
        verdict.expect_cause(&["wrong_size"], &story);
        for part in watch::parts_below(&case.ftpq.downloads()) {
            assert!(watch::length(&part) <= LEN as u64, "{part:?}\n{story}");
        }
    }
}

#[test]
fn a_server_that_sends_less_than_size_is_asked_for_the_rest() {
    let data = pseudo_random(304, LEN);
    for way in WAYS {
        let server = Scripted::lying(move |turn| match turn.verb {
            "RETR" if turn.before == 0 => Act::Deliver(Delivery { upto: LEN / 2, ..turn.delivery() }),
            _ => Act::Usual,
        });
        let case = checked(server, &data, &data);
        let (verdict, story) = case.judge(&run(way), &data);
        verdict.expect_right(&story);
        let sent = case.server.core().sent("a.bin");
        assert!(sent < LEN as u64 + 70_000, "{sent} bytes were sent for {LEN}\n{story}");
    }
}

#[test]
fn a_killed_large_file_is_continued_and_its_checksum_right() {
    let data = pseudo_random(305, LEN);
    for way in WAYS {
        let case = checked(Scripted::with(Traits { pace: PACE, ..Traits::default() }, |_| Act::Usual), &data, &data);
        case.interrupt(3_000_000);
        let (verdict, story) = case.judge(&run(way), &data);
        verdict.expect_right(&story);
        let sent = case.server.core().sent("a.bin");
        // The kill loses what was on its way.
        assert!(sent < LEN as u64 + 1_500_000, "{sent} bytes were sent for {LEN}: it began anew\n{story}");
    }
}

/// A byte that turned on the disk, far before the overlap, shows in the checksum alone.
#[test]
fn a_resumed_file_with_a_torn_beginning_starts_again_and_ends_right() {
    let data = pseudo_random(306, LEN);
    for way in WAYS {
        let case = checked(Scripted::with(Traits { pace: PACE, ..Traits::default() }, |_| Act::Usual), &data, &data);
        case.interrupt(3_000_000);
        let part = watch::part_of(&case.ftpq.downloads().join("a.bin"));
        let file = fs::File::options().write(true).open(&part).unwrap();
        file.write_all_at(&[data[1_000_000] ^ 1], 1_000_000).unwrap();
        drop(file);
        let (verdict, story) = case.judge(&run(way), &data);
        verdict.expect_right(&story);
        assert!(case.server.core().sent("a.bin") > LEN as u64, "the wrong byte was not noticed\n{story}");
    }
}

#[test]
fn a_server_that_ignores_rest_still_ends_with_the_right_bytes_and_checksum() {
    let data = pseudo_random(307, LEN);
    for way in WAYS {
        let traits = Traits { ignores_rest: true, pace: PACE, ..Traits::default() };
        let case = checked(Scripted::with(traits, |_| Act::Usual), &data, &data);
        case.interrupt(3_000_000);
        let (verdict, story) = case.judge(&run(way), &data);
        verdict.expect_right(&story);
    }
}

/// A follower of the first version must not lend its digest to the second.
#[test]
fn a_large_file_that_was_replaced_between_two_runs_is_checked_anew() {
    let (old, new) = (pseudo_random(308, LEN), pseudo_random(309, LEN));
    for way in WAYS {
        let case = checked(Scripted::with(Traits { pace: PACE, ..Traits::default() }, |_| Act::Usual), &old, &new);
        case.interrupt(3_000_000);
        // Same size and time: the overlap alone tells.
        case.server.put("a.bin", new.clone());
        let (verdict, story) = case.judge(&run(way), &new);
        verdict.expect_right(&story);
    }
}
