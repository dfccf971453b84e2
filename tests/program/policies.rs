//! What is done with files that are there, checksums, ASCII, and how a run ends.

use crate::{
    support::{Act, Ftpq, Scripted, Traits, pseudo_random, real::MODIFIED, watch},
    verdict::Case,
};
use std::{
    fs,
    io::Write,
    process::Command,
    time::{Duration, UNIX_EPOCH},
};

/// A digest by another program than the one under test.
pub(crate) fn digest(tool: &str, data: &[u8]) -> String {
    let mut child = Command::new(tool)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{tool}: {e}"));
    child.stdin.take().unwrap().write_all(data).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().next().unwrap().to_owned()
}

pub(crate) fn add_with(ftpq: &Ftpq, server: &Scripted, field: &str, value: &str) {
    let line = serde_json::json!({"url": server.url("a.bin"), "path": "a.bin", field: value});
    let manifest = ftpq.write("m.jsonl", format!("{line}\n"));
    ftpq.run(&["add", &manifest, "--into", ftpq.downloads().to_str().unwrap()]).expect_code(0);
}

#[test]
fn every_kind_of_checksum_is_verified() {
    let data = pseudo_random(150, 100_000);
    for (field, tool, prefix) in [
        ("md5", "md5sum", ""),
        ("sha1", "sha1sum", ""),
        ("sha256", "sha256sum", ""),
        ("sha512", "sha512sum", ""),
        ("checksum", "sha256sum", "sha-256="),
        ("checksum", "md5sum", "md5:"),
    ] {
        let server = Scripted::honest();
        server.put("a.bin", data.clone());
        let ftpq = Ftpq::new();
        add_with(&ftpq, &server, field, &format!("{prefix}{}", digest(tool, &data)));
        let ended = ftpq.run(&["--json", "run"]).expect_code(0);
        ftpq.assert_file("a.bin", &data, &ended);
        assert!(ended.events("done")[0]["checksum"].is_string(), "it is not said that it matched\n{ended}");
    }
}

#[test]
fn a_checksum_holds_for_a_resumed_file_too() {
    let data = pseudo_random(151, 400_000);
    let server = Scripted::with(Traits { pace: 400_000, ..Traits::default() }, |_| Act::Usual);
    server.put("a.bin", data.clone());
    let ftpq = Ftpq::new();
    add_with(&ftpq, &server, "sha256", &digest("sha256sum", &data));
    let case = Case { ftpq, server };
    case.interrupt(150_000);
    let (verdict, story) = case.judge(&["run"], &data);
    verdict.expect_right(&story);
}

#[test]
fn a_wrong_checksum_is_exit_1_without_a_final_name_and_in_clear_words() {
    let data = pseudo_random(152, 100_000);
    let server = Scripted::honest();
    server.put("a.bin", data.clone());
    let ftpq = Ftpq::new();
    add_with(&ftpq, &server, "md5", &digest("md5sum", b"something else"));
    let ended = ftpq.run(&["run", "--retries", "1"]).expect_code(1);
    ftpq.assert_absent("a.bin", &ended);
    let text = ended.everything();
    assert!(text.contains("checksum") && text.contains("md5"), "{ended}");
    assert!(server.core().args("RETR").len() <= 3, "it was fetched again and again\n{ended}");
    let job = ftpq.json_one(&["show", "1"]);
    assert_eq!(job["failure"]["cause"], "wrong_checksum", "{job:#}");
}

#[test]
fn an_expected_size_that_the_server_has_not_is_an_honest_failure() {
    let server = Scripted::honest();
    server.put("a.bin", pseudo_random(153, 1000));
    let ftpq = Ftpq::new();
    let line = format!("{{\"url\":\"{}\",\"path\":\"a.bin\",\"size\":2000}}\n", server.url("a.bin"));
    ftpq.run(&["add", &ftpq.write("m.jsonl", line), "--into", ftpq.downloads().to_str().unwrap()]).expect_code(0);
    let ended = ftpq.run(&["run", "--retries", "0"]).expect_code(1);
    ftpq.assert_absent("a.bin", &ended);
    assert!(ended.everything().contains("2000"), "the expected size is not named\n{ended}");
}

/// One existing file, one policy, what is there at the end, the exit code, and most bytes that may be sent.
fn existing(policy: &str, there: &[u8], code: i32, at_the_end: &[u8], most_sent: u64) {
    existing_of(MODIFIED, policy, there, code, at_the_end, most_sent);
}

/// The same, with the time of the file that is there in seconds since 1970.
fn existing_of(time: u64, policy: &str, there: &[u8], code: i32, at_the_end: &[u8], most_sent: u64) {
    let data = pseudo_random(154, 100_000);
    let server = Scripted::honest();
    server.put("a.bin", data);
    let ftpq = Ftpq::new();
    let path = ftpq.downloads().join("a.bin");
    fs::write(&path, there).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(time)).unwrap();
    ftpq.add(&[(server.url("a.bin"), "a.bin")]);
    let ended = ftpq.run(&["run", "--retries", "0", "--existing", policy]);
    let story = format!("--existing {policy} with {} bytes there\n{ended}", there.len());
    assert_eq!(ended.code, Some(code), "{story}");
    ftpq.assert_file("a.bin", at_the_end, &story);
    let sent = server.core().sent("a.bin");
    assert!(sent <= most_sent, "{sent} bytes were sent, {most_sent} were enough\n{story}");
}

#[test]
fn existing_check_takes_an_equal_file_and_refuses_a_different_one() {
    let data = pseudo_random(154, 100_000);
    existing("check", &data, 0, &data, 0);
    existing_of(MODIFIED - 86_400, "check", &data, 1, &data, 0);
    existing("check", &data[..60_000], 1, &data[..60_000], 0);
    existing("check", b"another file", 1, b"another file", 0);
}

#[test]
fn existing_resume_continues_what_another_tool_left() {
    let data = pseudo_random(154, 100_000);
    existing("resume", &data[..60_000], 0, &data, 40_000 + 20_000);
}

#[test]
fn existing_resume_proves_the_beginning_before_it_goes_on() {
    let data = pseudo_random(154, 100_000);
    let data_server = Scripted::honest();
    data_server.put("a.bin", data.clone());
    let ftpq = Ftpq::new();
    let other = pseudo_random(155, 60_000);
    fs::write(ftpq.downloads().join("a.bin"), &other).unwrap();
    ftpq.add(&[(data_server.url("a.bin"), "a.bin")]);
    let ended = ftpq.run(&["run", "--retries", "0", "--existing", "resume"]);
    let got = fs::read(ftpq.downloads().join("a.bin")).unwrap();
    assert!(got == data || got == other, "a mixture of two files stands under the final name\n{ended}");
    assert_eq!(ended.code == Some(0), got == data, "{ended}");
}

#[test]
fn existing_overwrite_replaces_only_by_a_whole_file() {
    let data = pseudo_random(154, 100_000);
    existing("overwrite", b"another file", 0, &data, 100_000);
    existing("overwrite", &data[..60_000], 0, &data, 100_000);
    // When the new one can't be had, the old one stays.
    let server = Scripted::lying(|turn| match turn.verb {
        "RETR" => Act::Deliver(crate::support::Delivery { upto: 500, ..turn.delivery() }),
        _ => Act::Usual,
    });
    server.put("a.bin", data);
    let ftpq = Ftpq::new();
    fs::write(ftpq.downloads().join("a.bin"), b"old").unwrap();
    ftpq.add(&[(server.url("a.bin"), "a.bin")]);
    let ended = ftpq.run(&["run", "--retries", "0", "--timeout", "2", "--existing", "overwrite"]).expect_code(1);
    assert_eq!(fs::read(ftpq.downloads().join("a.bin")).unwrap(), b"old", "{ended}");
}

#[test]
fn existing_skip_is_done_whatever_is_there() {
    existing("skip", b"another file", 0, b"another file", 0);
}

#[test]
fn existing_error_refuses_whatever_is_there() {
    let data = pseudo_random(154, 100_000);
    existing("error", &data, 1, &data, 0);
}

#[test]
fn ascii_converts_line_ends_and_starts_over_after_an_interruption() {
    let text: Vec<u8> = (0..20_000).flat_map(|n| format!("line {n} of a text\n").into_bytes()).collect();
    for url_says in [false, true] {
        let server = Scripted::with(Traits { pace: 500_000, ..Traits::default() }, |_| Act::Usual);
        server.put("a.txt", text.clone());
        let ftpq = Ftpq::new();
        let suffix = if url_says { ";type=a" } else { "" };
        ftpq.add(&[(format!("{}{suffix}", server.url("a.txt")), "a.bin")]);
        let kind: &[&str] = if url_says { &[] } else { &["--type", "ascii"] };
        let run = ftpq.spawn(&[&["run"], kind].concat());
        let part = watch::part_of(&ftpq.downloads().join("a.bin"));
        assert!(watch::wait_for(Duration::from_secs(15), || watch::length(&part) > 50_000), "{}", run.so_far());
        run.kill();
        let ended = ftpq.run(&[&["run"], kind].concat()).expect_code(0);
        ftpq.assert_file("a.bin", &text, &ended);
        assert!(server.core().args("TYPE").iter().any(|t| t.starts_with('A')), "{}", server.core().dialogue());
        assert!(
            server.core().args("REST").iter().all(|r| r == "0"),
            "a restart in ASCII\n{}",
            server.core().dialogue()
        );
    }
}

#[test]
fn netrc_gives_the_password_of_its_host_alone() {
    let data = pseudo_random(156, 1000);
    let server = Scripted::honest();
    server.put("a.bin", data.clone());
    let ftpq = Ftpq::new();
    let netrc = ftpq.write(
        "home/.netrc",
        "machine elsewhere login user password nope\nmachine 127.0.0.1 login user password password\n",
    );
    fs::set_permissions(&netrc, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    ftpq.add(&[(server.url_as("user", "a.bin"), "a.bin")]);
    let ended = ftpq.run(&["run", "--netrc"]).expect_code(0);
    ftpq.assert_file("a.bin", &data, &ended);
    assert_eq!(server.core().args("PASS"), ["password"], "{ended}");
}

#[test]
fn usage_errors_are_exit_2_and_touch_nothing() {
    for args in [
        &["run", "--nonsense"][..],
        &["frobnicate"],
        &["run", "--data-mode", "sideways"],
        &["run", "--timeout", "soon"],
        &["show", "x"],
        &["add", "/nowhere/at/all.txt"],
        &["get", "http://h/a"],
        &["get", "ftp://h/../a"],
        &["run", "--tls", "prefer"],
    ] {
        let ftpq = Ftpq::new();
        let ended = ftpq.run(args).expect_code(2);
        assert!(!ended.err.trim().is_empty(), "nothing is said\n{ended}");
        assert!(!ended.err.contains("panicked"), "{ended}");
        assert!(ended.out.is_empty(), "an error belongs on standard error\n{ended}");
    }
}

#[test]
fn the_exit_code_tells_how_a_run_ended() {
    let server = Scripted::honest();
    server.put("a.bin", pseudo_random(157, 1000));
    let ftpq = Ftpq::new();
    ftpq.run(&["run"]).expect_code(0);
    ftpq.add(&[(server.url("a.bin"), "a.bin"), (server.url("missing"), "missing")]);
    let ended = ftpq.run(&["run"]).expect_code(1);
    assert!(ended.everything().contains("550"), "the server's own words are missing\n{ended}");
    // What failed stays failed until it is tried again by hand, and is told of as long as it does.
    ftpq.run(&["run"]).expect_code(1);
}

#[test]
fn a_queue_that_another_process_holds_and_does_not_answer_for_is_exit_4() {
    let ftpq = Ftpq::new();
    ftpq.add(&[("ftp://h/a".to_owned(), "a")]);
    let server = Scripted::lying(|turn| if turn.verb == "GREETING" { Act::Silence } else { Act::Usual });
    ftpq.add(&[(server.url("b"), "b")]);
    let mut run = ftpq.spawn(&["run", "2", "--timeout", "60"]);
    assert!(watch::wait_for(Duration::from_secs(15), || server.core().sessions().1 > 0), "{}", run.so_far());
    run.signal(rustix::process::Signal::STOP);
    let status = ftpq.run(&["status"]);
    run.signal(rustix::process::Signal::CONT);
    assert_eq!(status.code, Some(4), "{status}");
    assert!(status.took < Duration::from_secs(40), "{status}");
}

#[test]
fn standard_output_is_for_results_and_standard_error_for_words() {
    let server = Scripted::honest();
    server.put("a.bin", pseudo_random(158, 1000));
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url("a.bin"), "a.bin")]);
    let ended = ftpq.run(&["-v", "--json", "run"]).expect_code(0);
    ended.lines();
    let said = ended.everything();
    assert!(said.contains("RETR") && said.contains("226"), "-v shows no dialogue\n{ended}");
    server.put("b.bin", pseudo_random(159, 1000));
    ftpq.add(&[(server.url("b.bin"), "b.bin")]);
    let quiet = ftpq.run(&["--quiet", "run"]).expect_code(0);
    assert!(quiet.err.lines().count() <= 2 && !quiet.everything().contains("RETR"), "{quiet}");
}

#[cfg(feature = "demo")]
#[test]
fn the_demo_keeps_its_promise() {
    let ftpq = Ftpq::new();
    ftpq.run(&["demo"]).expect_code(0);
}
