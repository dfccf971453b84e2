//! A remote file that changes, grows or goes while it is read.

use crate::{
    support::{Act, Delivery, Ftpq, Scripted, Traits, Turn, pseudo_random},
    verdict::{Case, IMPATIENT},
};
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

const LEN: usize = 300_000;
/// Bytes a second at which the file takes 2.5 s.
const SLOW: u64 = 120_000;
const NEW_TIME: &str = "20250101000000";

fn slow(hook: impl Fn(&Turn) -> Act + Send + Sync + 'static) -> Scripted {
    Scripted::with(Traits { pace: SLOW, ..Traits::default() }, hook)
}

/// Drop folders are emptied by whoever fetches first, often by the server itself.
#[test]
fn a_file_deleted_right_after_its_226_is_done() {
    let data = pseudo_random(230, LEN);
    let server = slow(|turn| match turn.verb {
        "SIZE" | "MDTM" | "RETR" if turn.core.sent("a.bin") >= LEN as u64 => Act::say("550 No such file."),
        _ => Act::Usual,
    });
    let case = Case::new(server, &data);
    let (verdict, story) = case.judge(&IMPATIENT, &data);
    verdict.expect_right(&story);
}

/// The first transfer meets a writer that rewrites the file from its start: the first half is old, the rest is new.
fn rewritten_while_read(to_the_new_end: bool) {
    let old = pseudo_random(231, LEN);
    let new = pseudo_random(232, LEN + 50_000);
    let mut mixed = new.clone();
    mixed[..LEN / 2].copy_from_slice(&old[..LEN / 2]);
    if !to_the_new_end {
        mixed.truncate(LEN);
    }
    let (mixed, becomes) = (Arc::new(mixed), new.clone());
    let server = slow(move |turn| match turn.verb {
        "RETR" if turn.before == 0 => {
            let delivery = Delivery { data: Arc::clone(&mixed), upto: mixed.len(), ..turn.delivery() };
            turn.core.put("a.bin", becomes.clone(), NEW_TIME);
            Act::Deliver(delivery)
        }
        _ => Act::Usual,
    });
    let case = Case::new(server, &old);
    let (verdict, story) = case.judge(&IMPATIENT, &new);
    verdict.expect_right(&story);
    let tries = case.server.core().args("RETR").len();
    assert!(tries <= 4, "{tries} tries\n{story}");
}

#[test]
fn a_file_rewritten_longer_while_it_is_read_is_never_half_old_and_half_new() {
    rewritten_while_read(false);
}

#[test]
fn a_file_rewritten_longer_and_read_to_its_new_end_is_never_half_old_and_half_new() {
    rewritten_while_read(true);
}

/// A file to which `grows` transfers each add bytes while they read.
fn appended_while_read(grows: usize, sends_all: bool) -> (Scripted, Vec<u8>) {
    const MORE: usize = 20_000;
    let whole = pseudo_random(233, LEN + 40 * MORE);
    let source = whole.clone();
    let server = slow(move |turn| match turn.verb {
        "RETR" if turn.before < grows => {
            let honest = turn.delivery();
            let longer = source[..(honest.data.len() + MORE).min(source.len())].to_vec();
            turn.core.put("a.bin", longer.clone(), &format!("202501010000{:02}", turn.before));
            let upto = if sends_all { longer.len() } else { honest.upto };
            Act::Deliver(Delivery { data: Arc::new(longer), upto, ..honest })
        }
        _ => Act::Usual,
    });
    server.put("a.bin", &whole[..LEN]);
    (server, whole)
}

/// What was there of it before it grew is no version that anybody asked for.
fn done_once_it_rests(sends_all: bool) {
    let (server, whole) = appended_while_read(1, sends_all);
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url("a.bin"), "a.bin")]);
    let ended = ftpq.run(&["--json", "run", "--timeout", "5", "--retries", "2"]);
    let story = format!("{ended}{}", server.core().dialogue());
    assert_eq!(ended.code, Some(0), "{story}");
    let got = fs::read(ftpq.downloads().join("a.bin")).unwrap();
    assert!(got == whole[..LEN + 20_000], "{} bytes, and not the last version\n{story}", got.len());
    let tries = server.core().args("RETR").len();
    assert!(tries <= 3, "{tries} transfers for a file that grew once\n{story}");
}

#[test]
fn a_file_that_grew_while_it_was_read_is_done_once_it_rests() {
    done_once_it_rests(false);
}

#[test]
fn a_file_that_grew_and_was_read_to_its_new_end_is_done_once_it_rests() {
    done_once_it_rests(true);
}

/// An upload that goes on has no version yet that is whole.
#[test]
fn a_file_that_grows_during_every_transfer_is_never_done() {
    let (server, _) = appended_while_read(usize::MAX, false);
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url("a.bin"), "a.bin")]);
    let ended = ftpq.run(&["--json", "run", "--timeout", "5", "--retries", "1"]);
    let story = format!("{ended}{}", server.core().dialogue());
    assert_eq!(ended.code, Some(1), "{story}");
    assert!(!ftpq.downloads().join("a.bin").exists(), "{story}");
    assert!(story.contains("changed on the server while it was fetched"), "{story}");
    let tries = server.core().args("RETR").len();
    assert_eq!(tries, 2, "{story}");
}

/// Some servers give the time of the question.
#[test]
fn a_modification_time_that_differs_at_every_look_ends_within_few_transfers() {
    let data = pseudo_random(234, LEN);
    let looks = AtomicUsize::new(0);
    let server = slow(move |turn| match turn.verb {
        "MDTM" => Act::say(&format!("213 202501010{:05}", 10_000 + looks.fetch_add(1, Ordering::SeqCst) % 50)),
        _ => Act::Usual,
    });
    let case = Case::new(server, &data);
    let (verdict, story) = case.judge(&IMPATIENT, &data);
    verdict.expect_right(&story);
    let tries = case.server.core().args("RETR").len();
    assert!(tries <= 3, "{tries} transfers of a file that never changed\n{story}");
}
