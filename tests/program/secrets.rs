//! Passwords: tried once, kept in one place, shown nowhere.

use crate::support::{Act, Ftpq, Scripted, Traits, pseudo_random, watch};
use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

const SECRET: &str = "hunter2-Zx9";

/// A server where `user` has this password.
fn server_with(password: &str) -> Scripted {
    let passwords = [("user".to_owned(), password.to_owned())].into();
    Scripted::with(Traits { passwords, pace: 400_000, ..Traits::default() }, |_| Act::Usual)
}

#[test]
fn a_wrong_password_is_tried_once_for_twenty_jobs() {
    let server = server_with(SECRET);
    let ftpq = Ftpq::new();
    let names: Vec<String> = (0..20).map(|n| format!("f{n}")).collect();
    let url = |n: &String| server.url_as("user:wrong", n);
    ftpq.add(&names.iter().map(|n| (url(n), n.as_str())).collect::<Vec<_>>());
    let ended = ftpq.run(&["--json", "run", "--connections", "8", "--per-host", "8", "--retries", "5"]);
    let story = format!("{ended}{}", server.core().dialogue());
    assert!(matches!(ended.code, Some(1 | 3)), "{story}");
    assert_eq!(server.core().args("PASS").len(), 1, "a wrong password locks accounts\n{story}");
    assert!(ended.out.contains("login_refused"), "{story}");
    assert!(ended.everything().contains("530"), "the server's words are missing\n{story}");
}

#[test]
fn a_wrong_password_holds_up_no_other_account() {
    let server = server_with(SECRET);
    let data = pseudo_random(160, 1000);
    server.put("a", data.clone());
    server.put("b", data.clone());
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url_as("user:wrong", "a"), "a"), (server.url("b"), "b")]);
    let ended = ftpq.run(&["run"]);
    ftpq.assert_file("b", &data, &ended);
    ftpq.assert_absent("a", &ended);
}

#[test]
fn a_full_server_that_answers_530_is_not_a_wrong_password() {
    let data = pseudo_random(161, 1000);
    let server = Scripted::lying(|turn| match turn.verb {
        "PASS" if turn.before == 0 => Act::say_and_close("530 Sorry, too many users; try again later."),
        _ => Act::Usual,
    });
    server.put("a", data.clone());
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url("a"), "a")]);
    let ended = ftpq.run(&["run", "--retries", "2"]).expect_code(0);
    ftpq.assert_file("a", &data, &ended);
}

/// Every file of the queue that holds the bytes.
fn holders(ftpq: &Ftpq, needle: &str) -> Vec<String> {
    let mut found = Vec::new();
    for path in watch::files_below(ftpq.folder()) {
        let Ok(bytes) = fs::read(&path) else { continue };
        let mut plain = bytes.clone();
        // Kept manifests are packed.
        let mut unpacked = Vec::new();
        for at in bytes.windows(3).enumerate().filter(|(_, w)| *w == [0x1f, 0x8b, 8]).map(|(at, _)| at) {
            let mut decoder = flate2::read::MultiGzDecoder::new(&bytes[at..]);
            let _ = std::io::Read::read_to_end(&mut decoder, &mut unpacked);
        }
        plain.extend(unpacked);
        if plain.windows(needle.len()).any(|w| w == needle.as_bytes()) {
            found.push(path.strip_prefix(ftpq.folder()).unwrap().display().to_string());
        }
    }
    found
}

/// CVE-2004-1948, CVE-2019-3500, CVE-2018-20483: passwords in argument lists, logs and file attributes.
#[test]
fn cve_2019_3500_a_password_is_in_the_credential_file_alone() {
    let server = server_with(SECRET);
    let data = pseudo_random(162, 300_000);
    server.put("a.bin", data.clone());
    server.put("b.bin", data.clone());
    let ftpq = Ftpq::new();
    let userinfo = format!("user:{SECRET}");
    let list = format!("{} a.bin\n{} b.bin\n", server.url_as(&userinfo, "a.bin"), server.url_as(&userinfo, "b.bin"));
    let into = ftpq.downloads();
    let added =
        ftpq.run_with_input(&["-v", "add", "-", "--into", into.to_str().unwrap()], list.as_bytes()).expect_code(0);
    server.core().hold_behind(150_000);
    let mut run = ftpq.spawn(&["-v", "run", "--connections", "1"]);
    let part = watch::part_of(&ftpq.downloads().join("a.bin"));
    let mut arguments = String::new();
    let there = watch::wait_for(Duration::from_secs(20), || {
        arguments = fs::read_to_string(format!("/proc/{}/cmdline", run.pid())).unwrap_or_default();
        watch::length(&part) > 50_000
    });
    assert!(there, "{}", run.so_far());
    assert!(!arguments.contains(SECRET), "the password is in the argument list");
    let in_mid_transfer = holders(&ftpq, SECRET);
    assert!(!run.ended(), "too late to look at a run");
    server.core().release();
    let ended = run.wait(Duration::from_secs(30)).expect_code(0);
    let mut said = format!("{added}{ended}");
    for args in [&["status"][..], &["list"], &["show", "1"], &["--json", "list"], &["--json", "show", "1"]] {
        said += &ftpq.run(args).expect_code(0).everything();
    }
    assert!(!said.contains(SECRET), "the password is shown:\n{said}");
    for holders in [in_mid_transfer, holders(&ftpq, SECRET)] {
        let others: Vec<&String> = holders.iter().filter(|h| *h != "queue/credentials").collect();
        assert!(others.is_empty(), "the password is in {others:?}");
    }
    let mode = fs::metadata(ftpq.queue().join("credentials")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the credential file is open to others: {mode:o}");
    ftpq.assert_file("a.bin", &data, &said);
}

/// wget wrote the URL, with its password, into an attribute of the file.
#[test]
fn cve_2018_20483_no_password_in_a_files_attributes() {
    let server = server_with(SECRET);
    server.put("a.bin", pseudo_random(165, 300_000));
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url_as(&format!("user:{SECRET}"), "a.bin"), "a.bin")]);
    let attributes = |path: &std::path::Path| {
        let mut names = vec![0; 4096];
        let length = rustix::fs::llistxattr(path, names.as_mut_slice()).unwrap_or(0);
        names.truncate(length);
        let mut all = String::from_utf8_lossy(&names).into_owned();
        for name in all.clone().split_terminator('\0') {
            let mut value = vec![0; 65_536];
            let length = rustix::fs::lgetxattr(path, name, value.as_mut_slice()).unwrap_or(0);
            all += &String::from_utf8_lossy(&value[..length]);
        }
        all
    };
    let run = ftpq.spawn(&["run"]);
    let part = watch::part_of(&ftpq.downloads().join("a.bin"));
    assert!(watch::wait_for(Duration::from_secs(20), || watch::length(&part) > 50_000), "{}", run.so_far());
    let on_part = attributes(&part);
    let ended = run.wait(Duration::from_secs(30)).expect_code(0);
    let on_file = attributes(&ftpq.downloads().join("a.bin"));
    for text in [&on_part, &on_file] {
        assert!(!text.contains(SECRET) && !text.contains("hunter2"), "{text}\n{ended}");
    }
    // Nor who fetched what from where, once the file is whole.
    assert!(!on_file.contains("ftp://"), "{on_file}\n{ended}");
}

#[test]
fn a_password_outlives_the_process_that_took_it_in() {
    let server = server_with(SECRET);
    let data = pseudo_random(163, 1000);
    server.put("a.bin", data.clone());
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url_as(&format!("user:{SECRET}"), "a.bin"), "a.bin")]);
    let ended = ftpq.run(&["run"]).expect_code(0);
    ftpq.assert_file("a.bin", &data, &ended);
}

#[test]
fn a_password_file_serves_urls_with_the_user_alone() {
    let server = server_with(SECRET);
    let data = pseudo_random(164, 1000);
    server.put("a.bin", data.clone());
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url_as("user", "a.bin"), "a.bin")]);
    let password = ftpq.write("password", format!("{SECRET}\n"));
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
    let ended = ftpq.run(&["run", "--user", "user", "--password-file", &password]).expect_code(0);
    ftpq.assert_file("a.bin", &data, &ended);
    assert!(!ended.everything().contains(SECRET), "{ended}");
}

#[test]
fn a_bad_manifest_line_does_not_quote_its_password() {
    let ftpq = Ftpq::new();
    for list in [
        format!("ftp://user:{SECRET}@/x\n"),
        format!("ftp://user:{SECRET}@h:99999/x\n"),
        format!("gopher://user:{SECRET}@h/x\n"),
    ] {
        let ended = ftpq.run_with_input(&["add", "-"], list.as_bytes()).expect_code(2);
        assert!(!ended.everything().contains(SECRET), "{ended}");
    }
}

#[test]
fn a_server_that_repeats_the_password_does_not_get_it_shown() {
    let server = Scripted::with(Traits::default(), |turn| match turn.verb {
        "PASS" => Act::say(&format!("530 No user with the password {}.", turn.arg)),
        _ => Act::Usual,
    });
    let ftpq = Ftpq::new();
    let list = format!("{}\ta\n", server.url_as(&format!("user:{SECRET}"), "a"));
    ftpq.run_with_input(&["add", "-", "--into", ftpq.downloads().to_str().unwrap()], list.as_bytes()).expect_code(0);
    let ended = ftpq.run(&["-v", "run"]);
    assert!(!ended.everything().contains(SECRET), "{ended}");
    let holders = holders(&ftpq, SECRET);
    assert!(holders.iter().all(|h| h == "queue/credentials"), "the password is in {holders:?}");
}
