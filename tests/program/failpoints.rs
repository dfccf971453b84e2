//! kill -9 at every step between the last byte and the settled job: the next run ends right and fetches nothing again.

use crate::{
    support::{Ftpq, Scripted, pseudo_random, real::MODIFIED, report, watch},
    verdict::Case,
};
use std::{fs, time::UNIX_EPOCH};

fn killed_at(step: &str) {
    if !cfg!(feature = "failpoints") {
        return report::skip("needs the feature failpoints");
    }
    let data = pseudo_random(70, 300_000);
    let mut case = Case::new(Scripted::honest(), &data);
    case.ftpq.set("FTPQ_STOP_AT", step);
    let first = case.ftpq.run(&["run"]).expect_killed();
    let sent = case.server.core().sent_total();
    assert_eq!(sent, data.len() as u64, "not every byte had been sent before {step}\n{first}");
    case.ftpq.unset("FTPQ_STOP_AT");
    let second = case.ftpq.run(&["--json", "run"]).expect_code(0);
    let story = format!("killed at {step}\n{first}{second}{}", case.server.core().dialogue());
    assert_whole(&case.ftpq, &data, &story);
    assert_eq!(case.server.core().sent_total() - sent, 0, "bytes were fetched again\n{story}");
    let third = case.ftpq.run(&["run"]).expect_code(0);
    assert_eq!(case.server.core().sent_total(), sent, "a third run fetched again\n{story}{third}");
}

fn assert_whole(ftpq: &Ftpq, data: &[u8], story: &String) {
    ftpq.assert_file("a.bin", data, story);
    let parts = watch::parts_below(&ftpq.downloads());
    assert!(parts.is_empty(), "part files are left: {parts:?}\n{story}");
    assert_eq!(ftpq.count("done"), 1, "{story}");
    let modified = fs::metadata(ftpq.downloads().join("a.bin")).unwrap().modified().unwrap();
    let seconds = modified.duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(seconds, MODIFIED, "the modification time is lost\n{story}");
}

#[test]
fn killed_after_the_last_byte_nothing_is_fetched_again() {
    killed_at("transfer-last-byte");
}

#[test]
fn killed_after_the_sync_nothing_is_fetched_again() {
    killed_at("transfer-synced");
}

#[test]
fn killed_after_the_check_nothing_is_fetched_again() {
    killed_at("transfer-verified");
}

#[test]
fn killed_after_setting_the_time_nothing_is_fetched_again() {
    killed_at("transfer-mtime");
}

#[test]
fn killed_after_the_rename_nothing_is_fetched_again() {
    killed_at("transfer-renamed");
}

#[test]
fn killed_after_syncing_the_folder_nothing_is_fetched_again() {
    killed_at("transfer-dir-synced");
}

#[test]
fn killed_before_settling_nothing_is_fetched_again() {
    killed_at("engine-before-settle");
}

#[test]
fn killed_after_settling_nothing_is_fetched_again() {
    killed_at("engine-settled");
}
