//! The question for a password at a terminal.

use crate::support::{Act, Ftpq, Scripted, Traits, pseudo_random, pty::Terminal, report, watch};
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;

const SECRET: &str = "typed-Zx9";
const QUESTION: &str = "Password for user@";

fn server() -> Scripted {
    let passwords = [("user".to_owned(), SECRET.to_owned())].into();
    let server = Scripted::with(Traits { passwords, ..Traits::default() }, |_| Act::Usual);
    server.put("a", pseudo_random(300, 1000));
    server
}

fn start(ftpq: &Ftpq, args: &[&str]) -> Option<Terminal> {
    let terminal = Terminal::start(ftpq, args);
    if terminal.is_none() {
        report::skip("no setsid");
    }
    terminal
}

fn credentials(ftpq: &Ftpq) -> String {
    std::fs::read_to_string(ftpq.queue().join("credentials")).unwrap_or_default()
}

#[test]
fn get_asks_for_a_named_users_password_before_anything_is_queued() {
    let (server, ftpq) = (server(), Ftpq::new());
    let Some(mut terminal) = start(&ftpq, &["get", &server.url_as("user", "a")]) else { return };
    terminal.expect(QUESTION, 1);
    assert!(!terminal.echoes(), "what is typed is shown");
    assert_eq!(server.core().sessions().1, 0, "it was asked too late");
    terminal.type_in(&format!("{SECRET}\n"));
    assert_eq!(terminal.wait(), Some(0), "{}", terminal.shown());
    assert!(terminal.echoes(), "the terminal is left silent");
    ftpq.assert_file("a", &pseudo_random(300, 1000), &terminal.shown());
    assert!(!terminal.shown().contains(SECRET), "{}", terminal.shown());
    assert!(credentials(&ftpq).contains(SECRET), "the job could not go on after a restart");
}

#[test]
fn run_asks_for_what_no_source_knows_and_asks_again_once_it_was_refused() {
    let (server, ftpq) = (server(), Ftpq::new());
    ftpq.add(&[(server.url_as("user", "a"), "a"), (server.url("a"), "b")]);
    let Some(mut terminal) = start(&ftpq, &["run"]) else { return };
    terminal.expect(QUESTION, 1);
    terminal.type_in("wrong\n");
    assert!(terminal.wait().is_some_and(|code| code != 0), "{}", terminal.shown());
    ftpq.run(&["retry", "--state", "failed"]).expect_code(0);
    let mut terminal = start(&ftpq, &["run"]).unwrap();
    terminal.expect(QUESTION, 1);
    terminal.type_in(&format!("{SECRET}\n"));
    assert_eq!(terminal.wait(), Some(0), "{}", terminal.shown());
    assert_eq!(server.core().args("PASS").iter().filter(|p| *p == "wrong").count(), 1);
    ftpq.assert_file("a", &pseudo_random(300, 1000), &terminal.shown());
    // Now that one is known and good, nobody is asked.
    ftpq.run(&["retry", "--all"]).code.unwrap();
    let mut terminal = start(&ftpq, &["run"]).unwrap();
    assert_eq!(terminal.wait(), Some(0), "{}", terminal.shown());
    assert!(!terminal.shown().contains(QUESTION), "{}", terminal.shown());
}

#[test]
fn ctrl_c_at_the_question_leaves_the_terminal_as_it_was_and_queues_nothing() {
    let (server, ftpq) = (server(), Ftpq::new());
    let Some(mut terminal) = start(&ftpq, &["get", &server.url_as("user", "a")]) else { return };
    terminal.expect(QUESTION, 1);
    terminal.type_in("typ\x03");
    assert_eq!(terminal.wait(), Some(3), "{}", terminal.shown());
    assert!(terminal.echoes());
    assert_eq!(ftpq.count("queued"), 0);
}

#[test]
fn being_told_to_end_at_the_question_leaves_the_terminal_as_it_was() {
    let (server, ftpq) = (server(), Ftpq::new());
    let Some(mut terminal) = start(&ftpq, &["get", &server.url_as("user", "a")]) else { return };
    terminal.expect(QUESTION, 1);
    kill_process(Pid::from_raw(i32::try_from(terminal.pid()).unwrap()).unwrap(), Signal::TERM).unwrap();
    assert_eq!(terminal.wait(), Some(128 + 15), "{}", terminal.shown());
    assert!(terminal.echoes());
}

#[test]
fn ctrl_z_gives_the_terminal_back_until_it_goes_on() {
    let (server, ftpq) = (server(), Ftpq::new());
    let Some(mut terminal) = start(&ftpq, &["get", &server.url_as("user", "a")]) else { return };
    for stops in 1..=2 {
        terminal.expect(QUESTION, stops);
        assert!(!terminal.echoes());
        terminal.type_in("\x1a");
        let stopped = watch::wait_for(Duration::from_secs(20), || terminal.state() == Some('T'));
        assert!(stopped, "it was not stopped:\n{}", terminal.shown());
        assert!(terminal.echoes(), "a stopped program keeps the terminal silent ({stops})\n{}", terminal.shown());
        kill_process(Pid::from_raw(i32::try_from(terminal.pid()).unwrap()).unwrap(), Signal::CONT).unwrap();
    }
    terminal.expect(QUESTION, 3);
    assert!(!terminal.echoes());
    terminal.type_in(&format!("{SECRET}\n"));
    assert_eq!(terminal.wait(), Some(0), "{}", terminal.shown());
    assert!(!terminal.shown().contains(SECRET) && terminal.echoes());
}

#[test]
fn nothing_is_asked_without_a_terminal_and_asking_for_it_is_refused() {
    let (server, ftpq) = (server(), Ftpq::new());
    let ended = ftpq.run(&["get", &server.url_as("user", "a"), "--retries", "0"]);
    assert!(!ended.everything().contains(QUESTION), "{ended}");
    assert!(ended.err.contains("none is known"), "{ended}");
}

#[test]
fn login_asks_and_no_store_keeps_it_for_the_run_alone() {
    let (server, ftpq) = (server(), Ftpq::new());
    let Some(mut terminal) = start(&ftpq, &["get", "--no-store", &server.url_as("user", "a")]) else { return };
    terminal.expect(QUESTION, 1);
    terminal.type_in(&format!("{SECRET}\n"));
    assert_eq!(terminal.wait(), Some(0), "{}", terminal.shown());
    assert!(!credentials(&ftpq).contains(SECRET));
    let target = format!("user@{}", server.address());
    let mut terminal = start(&ftpq, &["login", &target]).unwrap();
    terminal.expect(QUESTION, 1);
    terminal.type_in(&format!("{SECRET}\n"));
    assert_eq!(terminal.wait(), Some(0), "{}", terminal.shown());
    assert!(credentials(&ftpq).contains(SECRET));
}
