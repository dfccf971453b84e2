//! A password given for one host goes to that host alone; where it is not clear which is meant, to none.

use crate::support::{Act, Ended, Ftpq, Scripted, Traits, pseudo_random};
use std::{fs, os::unix::fs::PermissionsExt};

const SECRET: &str = "correct-horse-7";

fn traits() -> Traits {
    let passwords = [("bob", SECRET), ("alice", SECRET)].map(|(u, p)| (u.to_owned(), p.to_owned()));
    Traits { passwords: passwords.into(), ..Traits::default() }
}

/// Two servers at two addresses, each with its own file.
fn two_hosts() -> (Scripted, Scripted) {
    let (one, other) = (Scripted::with(traits(), |_| Act::Usual), Scripted::on_ipv6(traits(), |_| Act::Usual));
    one.put("a", pseudo_random(250, 1000));
    other.put("b", pseudo_random(251, 1000));
    (one, other)
}

fn password_file(ftpq: &Ftpq) -> String {
    let path = ftpq.write("password", format!("{SECRET}\n"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn got_secret(server: &Scripted) -> bool {
    server.core().args("PASS").iter().any(|p| p == SECRET)
}

fn assert_says_why(ended: &Ended) {
    let said = ended.err.to_lowercase();
    assert!(said.contains("password") && said.contains("host"), "it is not said why\n{ended}");
    assert!(!ended.everything().contains(SECRET), "{ended}");
}

fn jobs(ftpq: &Ftpq) -> u64 {
    ["queued", "waiting", "paused", "running", "done", "failed"].iter().map(|state| ftpq.count(state)).sum()
}

#[test]
fn a_run_whose_jobs_are_on_two_hosts_sends_the_given_password_to_neither() {
    let (one, other) = two_hosts();
    let ftpq = Ftpq::new();
    ftpq.add(&[(one.url_as("bob", "a"), "a"), (other.url_as("bob", "b"), "b")]);
    let file = password_file(&ftpq);
    let ended = ftpq.run(&["run", "--retries", "0", "--user", "bob", "--password-file", &file]);
    assert!(!got_secret(&one) && !got_secret(&other), "the password went out\n{ended}");
    assert!(ended.code.is_some_and(|code| code != 0), "{ended}");
    assert_says_why(&ended);
}

#[test]
fn a_run_whose_jobs_are_on_one_host_sends_the_given_password_there() {
    let (one, _) = two_hosts();
    let ftpq = Ftpq::new();
    ftpq.add(&[(one.url_as("bob", "a"), "a")]);
    let file = password_file(&ftpq);
    let ended = ftpq.run(&["run", "--retries", "0", "--user", "bob", "--password-file", &file]).expect_code(0);
    ftpq.assert_file("a", &pseudo_random(250, 1000), &ended);
    assert!(got_secret(&one), "{ended}");
}

/// What a job brought with it is not in question.
#[test]
fn a_host_whose_job_has_a_password_of_its_own_does_not_get_the_given_one() {
    let (one, other) = two_hosts();
    let ftpq = Ftpq::new();
    ftpq.add(&[(one.url_as("bob", "a"), "a"), (other.url_as("bob:own-one", "b"), "b")]);
    let file = password_file(&ftpq);
    let ended = ftpq.run(&["run", "--retries", "0", "--user", "bob", "--password-file", &file]);
    assert!(!got_secret(&other), "{ended}{}", other.core().dialogue());
}

fn add_for_two_hosts(users: [&str; 2]) {
    let (one, other) = two_hosts();
    let ftpq = Ftpq::new();
    let list = format!("{}\n{}\n", one.url_as(users[0], "a"), other.url_as(users[1], "b"));
    let (list, file, into) = (ftpq.write("list", list), password_file(&ftpq), ftpq.downloads());
    let ended = ftpq.run(&["add", &list, "--password-file", &file, "--into", into.to_str().unwrap()]).expect_code(2);
    assert_says_why(&ended);
    assert_eq!(jobs(&ftpq), 0, "something was queued\n{ended}");
}

#[test]
fn a_list_with_one_user_on_two_hosts_and_one_password_is_refused_whole() {
    add_for_two_hosts(["bob", "bob"]);
}

#[test]
fn a_list_with_users_on_two_hosts_and_one_password_is_refused_whole() {
    add_for_two_hosts(["bob", "alice"]);
}

#[test]
fn a_list_with_a_user_on_one_host_and_one_password_is_taken_and_works() {
    let (one, _) = two_hosts();
    let ftpq = Ftpq::new();
    let (file, into) = (password_file(&ftpq), ftpq.downloads());
    let list = ftpq.write("list", format!("{}\n", one.url_as("bob", "a")));
    ftpq.run(&["add", &list, "--password-file", &file, "--into", into.to_str().unwrap()]).expect_code(0);
    let ended = ftpq.run(&["run", "--retries", "0"]).expect_code(0);
    ftpq.assert_file("a", &pseudo_random(250, 1000), &ended);
}
