//! Part files of unknown or other origin: none is taken for the file that is asked for.

use crate::support::{Act, Ftpq, Scripted, Traits, bytes::difference, pseudo_random, watch};
use rustix::process::Signal;
use std::{fs, time::Duration};

const LEN: usize = 300_000;

/// `get --existing resume` with this part file, which nothing is recorded of.
fn with_part_of_unknown_origin(part: &[u8]) {
    let data = pseudo_random(240, LEN);
    let server = Scripted::honest();
    server.put("a.bin", data.clone());
    let ftpq = Ftpq::new();
    fs::write(watch::part_of(&ftpq.downloads().join("a.bin")), part).unwrap();
    let into = ftpq.downloads();
    let ended = ftpq.run(&["get", &server.url("a.bin"), "--into", into.to_str().unwrap(), "--existing", "resume"]);
    let story = format!("{ended}{}", server.core().dialogue());
    assert_eq!(ended.code, Some(0), "{story}");
    ftpq.assert_file("a.bin", &data, &story);
}

/// Other tools reserve the whole length beforehand.
#[test]
fn a_full_length_part_file_of_zeros_without_record_is_never_adopted() {
    with_part_of_unknown_origin(&vec![0; LEN]);
}

#[test]
fn a_full_length_part_file_whose_end_alone_is_zeros_is_never_adopted() {
    let mut part = pseudo_random(240, LEN);
    part[LEN / 2..].fill(0);
    with_part_of_unknown_origin(&part);
}

#[test]
fn a_full_length_part_file_whose_beginning_alone_is_zeros_is_never_adopted() {
    let mut part = pseudo_random(240, LEN);
    part[..LEN / 2].fill(0);
    with_part_of_unknown_origin(&part);
}

#[test]
fn a_shorter_part_file_of_zeros_without_record_is_never_continued() {
    with_part_of_unknown_origin(&vec![0; LEN / 2]);
}

/// A job that was stopped midway is removed, and another file of the same size goes to the same place. The two differ
/// in their first bytes alone, so that no overlap shows it.
fn another_url_after_removal(existing: Option<&str>, kill: bool) {
    let first = pseudo_random(241, LEN);
    let mut second = first.clone();
    second[..1000].copy_from_slice(&pseudo_random(242, 1000));
    let server = Scripted::with(Traits { pace: 150_000, ..Traits::default() }, |turn| match turn.verb {
        "MDTM" => Act::say("502 Command not implemented."),
        _ => Act::Usual,
    });
    server.put("first.bin", first);
    server.core().hold_behind(200_000);
    server.put("second.bin", second.clone());
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url("first.bin"), "a.bin")]);
    let mut run = ftpq.spawn(&["run"]);
    let part = watch::part_of(&ftpq.downloads().join("a.bin"));
    assert!(watch::wait_for(Duration::from_secs(20), || watch::length(&part) > 100_000), "{}", run.so_far());
    let stopped = if kill {
        run.kill()
    } else {
        run.signal(Signal::INT);
        run.wait(Duration::from_secs(20)).expect_code(3)
    };
    server.core().release();
    ftpq.run(&["remove", "1"]).expect_code(0);
    ftpq.add(&[(server.url("second.bin"), "a.bin")]);
    let policy: Vec<&str> = existing.iter().flat_map(|e| ["--existing", e]).collect();
    let ended = ftpq.run(&[&["run"], &policy[..]].concat()).expect_code(0);
    let story = format!("{stopped}{ended}{}", server.core().dialogue());
    let got = fs::read(ftpq.downloads().join("a.bin")).unwrap();
    let difference = difference(&got, &second);
    assert!(difference.is_none(), "the second file holds bytes of the first: {difference:?}\n{story}");
}

#[test]
fn the_part_file_of_a_removed_job_is_no_beginning_of_another_url() {
    another_url_after_removal(None, false);
}

#[test]
fn the_part_file_of_a_removed_job_that_was_killed_is_no_beginning_of_another_url() {
    another_url_after_removal(None, true);
}

#[test]
fn the_part_file_of_a_removed_job_is_no_beginning_of_another_url_with_existing_resume() {
    another_url_after_removal(Some("resume"), false);
}
