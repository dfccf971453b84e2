//! Passwords that are kept, lent, forgotten, bound to TLS; and the transcript.

use crate::support::{Act, Ftpq, Scripted, Traits, certs::Authority, pseudo_random, scripted::Tls, watch};
use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

const SECRET: &str = "hunter2-Zx9";

fn traits() -> Traits {
    Traits { passwords: [("user".to_owned(), SECRET.to_owned())].into(), ..Traits::default() }
}

fn server_of(traits: Traits) -> Scripted {
    let server = Scripted::with(traits, |_| Act::Usual);
    server.put("a", pseudo_random(310, 1000));
    server.put("b", pseudo_random(311, 1000));
    server
}

fn server() -> Scripted {
    server_of(traits())
}

fn login(ftpq: &Ftpq, target: &str, password: &str) -> String {
    ftpq.run_with_input(&["login", target, "--password-stdin"], password.as_bytes()).expect_code(0).out
}

fn credentials(ftpq: &Ftpq) -> String {
    fs::read_to_string(ftpq.queue().join("credentials")).unwrap_or_default()
}

#[test]
fn a_login_serves_later_runs_until_logout() {
    let (server, ftpq) = (server(), Ftpq::new());
    let target = format!("user@{}", server.address());
    assert!(login(&ftpq, &target, SECRET).contains("stored"));
    assert!(login(&ftpq, &target, SECRET).contains("was stored already"));
    ftpq.add(&[(server.url_as("user", "a"), "a")]);
    let ended = ftpq.run(&["run"]).expect_code(0);
    ftpq.assert_file("a", &pseudo_random(310, 1000), &ended);
    ftpq.run(&["logout", &target]).expect_code(0);
    assert!(!credentials(&ftpq).contains(SECRET));
    let again = ftpq.run(&["logout", &target]).expect_code(2);
    assert!(again.err.contains("no password") && again.err.contains("ftpq logins"), "{again}");
    ftpq.add(&[(server.url_as("user", "b"), "b")]);
    let ended = ftpq.run(&["run", "--retries", "0"]);
    assert_eq!(server.core().args("PASS").len(), 1, "the forgotten password was sent\n{ended}");
}

#[test]
fn only_a_password_on_the_command_line_is_warned_of() {
    let ftpq = Ftpq::new();
    for (target, is_warned_of) in
        [("ftpes://u@h:21", false), ("u@h:21", false), ("ftpes://u:pw12@h", true), ("u:pw12@h", true)]
    {
        let stdin: &[&str] = if is_warned_of { &[] } else { &["--password-stdin"] };
        let said = ftpq.run_with_input(&[&["login", target], stdin].concat(), b"pw12").everything();
        assert_eq!(said.contains("process list"), is_warned_of, "{target}: {said}");
    }
}

/// Also where the jobs that waited for the login were put back before its refusal had gone through the queue.
#[test]
fn every_account_that_is_left_alone_is_named() {
    let users: Vec<String> = (0..32).map(|n| format!("user{n}")).collect();
    let passwords = users.iter().map(|user| (user.clone(), SECRET.to_owned())).collect();
    let (server, ftpq) = (server_of(Traits { passwords, ..Traits::default() }), Ftpq::new());
    let job = |user: &String, name| (server.url_as(&format!("{user}:not-it"), name), format!("{user}-{name}"));
    let jobs: Vec<_> = users.iter().flat_map(|user| [job(user, "a"), job(user, "b")]).collect();
    ftpq.add(&jobs.iter().map(|(url, path)| (url.clone(), path.as_str())).collect::<Vec<_>>());
    let ended =
        ftpq.run(&["--json", "run", "--retries", "0", "--per-host", "64", "--connections", "64"]).expect_code(1);
    let named: std::collections::BTreeSet<String> =
        ended.events("held").iter().map(|event| event["account"].as_str().unwrap().to_owned()).collect();
    assert_eq!((named.len(), ended.events("failed").len()), (users.len(), users.len()), "{ended}");
    assert_eq!(server.core().args("PASS").len(), users.len(), "a wrong password was sent twice\n{ended}");
}

/// The notice comes before there is anything to forgive.
#[test]
fn a_login_that_is_given_while_the_old_one_is_being_refused_is_not_lost() {
    let server = Scripted::with(traits(), |turn| {
        if turn.verb == "PASS" && turn.arg == "not-it" {
            turn.core.wait_for_release();
        }
        Act::Usual
    });
    for name in ["a", "b", "c"] {
        server.put(name, pseudo_random(310, 1000));
    }
    let ftpq = Ftpq::new();
    let job = |name| (server.url_as("user:not-it", name), name);
    ftpq.add(&["a", "b", "c"].map(job));
    let run = ftpq.spawn(&["run", "--retries", "0"]);
    let asked = || !server.core().args("PASS").is_empty();
    assert!(watch::wait_for(Duration::from_secs(20), asked), "{}", run.so_far());
    login(&ftpq, &format!("user@{}", server.address()), SECRET);
    server.core().release();
    let ended = run.wait(Duration::from_secs(60)).expect_code(1);
    assert_eq!((ftpq.count("done"), ftpq.count("failed")), (2, 1), "{ended}");
    assert_eq!(server.core().args("PASS").iter().filter(|p| *p == "not-it").count(), 1, "{ended}");
}

/// Jobs that came after it are given the new one while the old one is still being refused.
#[test]
fn the_refusal_of_an_old_password_is_not_the_new_ones() {
    let server = Scripted::with(traits(), |turn| {
        if turn.verb == "PASS" && turn.arg == "not-it" {
            turn.core.wait_for_release();
        }
        Act::Usual
    });
    for name in ["a", "b", "c"] {
        server.put(name, pseudo_random(310, 1000));
    }
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url_as("user:not-it", "a"), "a")]);
    let run = ftpq.spawn(&["run", "--retries", "0", "--per-host", "4"]);
    let asked = || !server.core().args("PASS").is_empty();
    assert!(watch::wait_for(Duration::from_secs(20), asked), "{}", run.so_far());
    login(&ftpq, &format!("user@{}", server.address()), SECRET);
    ftpq.add(&["b", "c"].map(|name| (server.url_as("user", name), name)));
    // Time for the run to take them up; one that is slower takes them up behind the refusal, which must do no harm either.
    std::thread::sleep(Duration::from_secs(3));
    server.core().release();
    let ended = run.wait(Duration::from_secs(60)).expect_code(1);
    assert_eq!((ftpq.count("done"), ftpq.count("failed")), (2, 1), "{ended}");
    assert!(!credentials(&ftpq).contains("refused_at"), "{}", credentials(&ftpq));
    assert_eq!(server.core().args("PASS").iter().filter(|p| *p == "not-it").count(), 1, "{ended}");
}

/// A run that gave an account up goes on with it once it is told the right password.
#[test]
fn a_login_reaches_the_run_that_owns_the_queue() {
    let (wrong, slow) = (server(), server());
    slow.core().hold_behind(1_000_000);
    slow.put("slow", pseudo_random(312, 3_000_000));
    let ftpq = Ftpq::new();
    let refused = |name| wrong.url_as("user:not-it", name);
    ftpq.add(&[(refused("a"), "a"), (refused("b"), "b"), (slow.url_as(&format!("user:{SECRET}"), "slow"), "slow")]);
    let mut run = ftpq.spawn(&["-v", "run", "--no-split", "--retries", "0"]);
    assert!(watch::wait_for(Duration::from_secs(20), || run.so_far().contains("left alone")), "{}", run.so_far());
    login(&ftpq, &format!("user@{}", wrong.address()), SECRET);
    ftpq.run(&["retry", "--state", "failed"]).expect_code(0);
    assert!(!run.ended(), "too late to reach a run");
    slow.core().release();
    let ended = run.wait(Duration::from_secs(60));
    for (name, seed) in [("a", 310), ("b", 311)] {
        ftpq.assert_file(name, &pseudo_random(seed, 1000), &ended);
    }
    assert_eq!(wrong.core().args("PASS").iter().filter(|p| *p == "not-it").count(), 1, "{ended}");
}

#[test]
fn a_password_refused_before_is_told_with_its_date() {
    let (server, ftpq) = (server(), Ftpq::new());
    ftpq.add(&[(server.url_as("user:not-it", "a"), "a")]);
    let first = ftpq.run(&["run", "--retries", "0"]);
    assert!(!first.everything().contains("refused on"), "{first}");
    assert!(ftpq.run(&["logins"]).out.contains("refused since 20"), "{}", ftpq.run(&["logins"]));
    ftpq.run(&["retry", "--all"]).expect_code(0);
    let second = ftpq.run(&["run", "--retries", "0"]);
    let said = "the same password was refused on 20";
    assert!(second.err.contains(said) && second.err.contains("ftpq login ftp://user@"), "{second}");
    let story = ftpq.run(&["show", "1"]).everything();
    assert!(story.contains(said), "{story}");
    login(&ftpq, &format!("user@{}", server.address()), SECRET);
    ftpq.run(&["retry", "--all"]).expect_code(0);
    ftpq.run(&["run"]).expect_code(0);
    assert!(!ftpq.run(&["logins"]).out.contains("refused"));
}

#[test]
fn an_entry_goes_with_the_last_job_of_its_account_when_asked() {
    let (server, ftpq) = (server(), Ftpq::new());
    let url = |name| server.url_as(&format!("user:{SECRET}"), name);
    ftpq.add(&[(url("a"), "a"), (url("b"), "b")]);
    login(&ftpq, "other@elsewhere", "kept-all-the-while");
    ftpq.run(&["remove", "1", "--forget-login"]).expect_code(0);
    assert!(credentials(&ftpq).contains(SECRET), "another job needs it");
    ftpq.run(&["remove", "2"]).expect_code(0);
    assert!(credentials(&ftpq).contains(SECRET), "nobody asked for that");
    ftpq.add(&[(url("a"), "a")]);
    let ended = ftpq.run(&["remove", "--all", "--forget-login"]).expect_code(0);
    assert!(ended.out.contains("forgot 1 password"), "{ended}");
    let left = credentials(&ftpq);
    assert!(!left.contains(SECRET) && left.contains("kept-all-the-while"), "{left}");
}

#[test]
fn what_is_not_stored_lasts_as_long_as_the_run() {
    let (server, ftpq) = (server_of(Traits { pace: 100_000, ..traits() }), Ftpq::new());
    server.put("slow", pseudo_random(313, 2_000_000));
    let url = server.url_as(&format!("user:{SECRET}"), "slow");
    let run = ftpq.spawn(&["get", "--no-store", &url]);
    let part = watch::part_of(&ftpq.downloads().join("slow"));
    assert!(watch::wait_for(Duration::from_secs(20), || watch::length(&part) > 100_000), "{}", run.so_far());
    run.kill();
    let files = watch::files_below(&ftpq.queue());
    let holders: Vec<_> = files
        .iter()
        .filter(|path| fs::read(path).unwrap_or_default().windows(SECRET.len()).any(|w| w == SECRET.as_bytes()))
        .collect();
    assert!(holders.is_empty(), "it was stored: {holders:?}");
    let before = server.core().sessions().1;
    let ended = ftpq.run(&["run", "--retries", "0"]);
    assert!(ended.code.is_some_and(|code| code != 0), "{ended}");
    assert!(ended.err.contains("not stored") && ended.err.contains("--ask-password"), "{ended}");
    assert_eq!(server.core().sessions().1, before, "the server was called for nothing\n{ended}");
    let file = ftpq.write("pw", SECRET);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let ended = ftpq.run(&["get", "--password-file", &file, "--no-store", &server.url_as("user", "a")]).expect_code(0);
    ftpq.assert_file("a", &pseudo_random(310, 1000), &ended);
    assert!(!credentials(&ftpq).contains(SECRET));
}

#[test]
fn a_password_lent_by_another_command_reaches_the_run() {
    let (server, ftpq) = (server(), Ftpq::new());
    let slow = Scripted::honest();
    slow.core().hold_behind(1_000_000);
    slow.put("slow", pseudo_random(314, 1_500_000));
    ftpq.add(&[(slow.url("slow"), "slow")]);
    let mut run = ftpq.spawn(&["run", "--no-split"]);
    let part = watch::part_of(&ftpq.downloads().join("slow"));
    assert!(watch::wait_for(Duration::from_secs(20), || watch::length(&part) > 50_000), "{}", run.so_far());
    let url = server.url_as(&format!("user:{SECRET}"), "a");
    let get = ftpq.run(&["get", "--no-store", &url]).expect_code(0);
    ftpq.assert_file("a", &pseudo_random(310, 1000), &get);
    assert!(!run.ended(), "too late to reach a run");
    slow.core().release();
    assert!(!credentials(&ftpq).contains(SECRET));
    run.wait(Duration::from_secs(60)).expect_code(0);
}

/// What came with ftpes:// is for TLS: an ftp:// URL of the same account must not bring it into the clear.
#[test]
fn a_password_for_tls_is_not_sent_in_clear() {
    let (server, ftpq) = (server(), Ftpq::new());
    login(&ftpq, &format!("ftpes://user@{}", server.address()), SECRET);
    ftpq.add(&[(server.url_as("user", "a"), "a")]);
    let ended = ftpq.run(&["run", "--retries", "0"]);
    assert!(ended.code.is_some_and(|code| code != 0), "{ended}");
    assert!(!server.core().heard_in_clear().contains(SECRET), "{}", server.core().dialogue());
    assert_eq!(server.core().sessions().1, 0, "the server was called for nothing");
    assert!(ended.err.contains("for TLS alone") && ended.err.contains("ftpq login ftp://user@"), "{ended}");
    // The way out that is named works.
    login(&ftpq, &format!("ftp://user@{}", server.address()), SECRET);
    ftpq.run(&["run"]).expect_code(0);
}

/// With `prefer` it turns out only at the server that there is no TLS.
#[test]
fn a_password_for_tls_is_not_sent_where_the_server_takes_tls_away() {
    let (server, ftpq) = (server(), Ftpq::new());
    login(&ftpq, &format!("ftpes://user@{}", server.address()), SECRET);
    ftpq.add(&[(server.url_as("user", "a"), "a")]);
    let ca = ftpq.write("authority.pem", Authority::new("test").pem());
    let config = ftpq.write("config.toml", format!("tls = \"prefer\"\nca-file = {ca:?}\n"));
    let ended = ftpq.run(&["--config", &config, "run", "--retries", "0"]);
    assert!(ended.code.is_some_and(|code| code != 0), "{ended}");
    assert!(server.core().sessions().1 > 0, "the server was never asked for TLS\n{ended}");
    assert!(!server.core().heard_in_clear().contains(SECRET), "{}", server.core().dialogue());
    assert!(ended.everything().contains("for TLS alone"), "{ended}");
}

#[test]
fn a_password_for_tls_reaches_its_server_by_tls() {
    let authority = Authority::new("test");
    let server = Scripted::with(Traits { tls: Some(Tls::new(authority.good())), ..traits() }, |_| Act::Usual);
    server.put("a", pseudo_random(310, 1000));
    let ftpq = Ftpq::new();
    let ca = ftpq.write("ca.pem", authority.pem());
    let url = format!("ftpes://user:{SECRET}@{}/a", server.address());
    let ended = ftpq.run(&["get", "--ca-file", &ca, &url]).expect_code(0);
    ftpq.assert_file("a", &pseudo_random(310, 1000), &ended);
    assert_eq!(server.core().args("PASS"), [SECRET]);
    assert!(!server.core().heard_in_clear().contains(SECRET));
    assert!(credentials(&ftpq).contains("\"tls\": true"), "{}", credentials(&ftpq));
}

#[test]
fn the_default_of_netrc_is_used_when_asked_for_alone() {
    let (server, ftpq) = (server(), Ftpq::new());
    ftpq.add(&[(server.url("a"), "a")]);
    let netrc =
        ftpq.write("netrc", format!("machine elsewhere login x password y\ndefault login user password {SECRET}\n"));
    fs::set_permissions(&netrc, fs::Permissions::from_mode(0o600)).unwrap();
    let netrc = format!("--netrc={netrc}");
    ftpq.run(&["run", &netrc]).expect_code(0);
    assert_eq!(server.core().args("USER"), ["anonymous"]);
    ftpq.add(&[(server.url("b"), "b")]);
    ftpq.run(&["run", &netrc, "--netrc-default"]).expect_code(0);
    assert_eq!(server.core().args("USER"), ["anonymous", "user"]);
    assert_eq!(server.core().args("PASS").last().map(String::as_str), Some(SECRET));
}

/// The transcript holds every command and reply, in order, with times, and goes on where another run ended.
#[test]
fn the_trace_holds_the_whole_dialogue_but_no_password() {
    let server = Scripted::with(traits(), |turn| match turn.verb {
        "PASS" => {
            let pw = turn.arg.to_owned();
            Act::Reword(Box::new(move |usual| format!("230-so it is {pw}\r\n{usual}")))
        }
        _ => Act::Usual,
    });
    server.put("a", pseudo_random(310, 1000));
    let ftpq = Ftpq::new();
    let trace = ftpq.folder().join("trace");
    let shown = trace.to_str().unwrap();
    let url = server.url_as(&format!("user:{SECRET}"), "a");
    ftpq.run(&["get", "--trace", shown, &url]).expect_code(0);
    let text = fs::read_to_string(&trace).unwrap();
    assert_eq!(fs::metadata(&trace).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!text.contains(SECRET), "{text}");
    assert!(text.contains("> PASS ***\n") && text.contains("< 230-so it is ***\n"), "{text}");
    let host = server.address().to_string();
    let mut sent = Vec::new();
    for line in text.lines().skip(1) {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let [time, number, at, rest] = words[..] else { panic!("{line}") };
        assert!(time.len() == 24 && time.starts_with("20") && time.ends_with('Z'), "{line}");
        assert_eq!((number, at), ("#1", host.as_str()), "{line}");
        sent.extend(rest.strip_prefix("> ").map(str::to_owned));
    }
    let commands: Vec<String> = server.core().commands().into_iter().map(|c| c.replace(SECRET, "***")).collect();
    assert_eq!(sent, commands);
    fs::remove_file(ftpq.downloads().join("a")).unwrap();
    ftpq.run(&["retry", "1"]).expect_code(0);
    ftpq.run(&["--trace", shown, "run"]).expect_code(0);
    let more = fs::read_to_string(&trace).unwrap();
    assert!(more.starts_with(&text) && more.len() > text.len() + 100, "it was not gone on with:\n{more}");
}

#[test]
fn a_trace_never_goes_into_somebody_elses_file() {
    let (server, ftpq) = (server(), Ftpq::new());
    let precious = ftpq.write("precious", "precious");
    let link = ftpq.folder().join("link");
    std::os::unix::fs::symlink(&precious, &link).unwrap();
    for target in [precious.as_str(), link.to_str().unwrap()] {
        let ended = ftpq.run(&["get", "--trace", target, &server.url("a")]).expect_code(5);
        assert!(ended.err.contains("can't write the trace"), "{ended}");
    }
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    assert_eq!((server.core().sessions().1, ftpq.count("queued")), (0, 0), "it went on without its trace");
}
