//! URLs, names and netrc files that have harmed other clients; each test carries the id of the case.

use crate::support::{Ended, Ftpq, Scripted, Traits, pseudo_random, watch};
use std::{fs, os::unix::fs::symlink};

/// Every way of giving this URL is refused as bad input, queues nothing, and sends nothing.
fn assert_refused(path_and_user: &[(&str, &str)]) {
    for (userinfo, path) in path_and_user {
        let server = Scripted::honest();
        let ftpq = Ftpq::new();
        let url = format!("ftp://{userinfo}{}/{path}", server.address());
        refused_at_every_door(&ftpq, &url);
        assert_eq!(server.core().commands(), Vec::<String>::new(), "{url}");
    }
}

fn refused_at_every_door(ftpq: &Ftpq, url: &str) {
    let into = ftpq.downloads();
    let into = into.to_str().unwrap();
    let json = format!("{}\n", serde_json::json!({"url": url, "path": "x"}));
    for ended in [
        ftpq.run(&["add", url, "--into", into]),
        ftpq.run(&["get", url]),
        ftpq.run_with_input(&["add", "-", "--into", into], format!("{url} x\n").as_bytes()),
        ftpq.run(&["add", &ftpq.write("m.jsonl", &json), "--into", into]),
    ] {
        assert_eq!(ended.code, Some(2), "{url} was not refused\n{ended}");
        assert!(!ended.err.contains("panicked"), "{ended}");
    }
    assert_eq!(ftpq.json(&["list"]).len(), 0, "{url} was queued");
    assert_eq!(watch::files_below(&ftpq.downloads()).len(), 0, "{url}");
}

#[test]
fn rustsec_2026_0271_line_ends_in_path_user_and_password() {
    assert_refused(&[("", "a%0d%0aDELE%20b"), ("u%0d%0aDELE%20b@", "a"), ("u:p%0d%0aDELE%20b@", "a")]);
}

#[test]
fn cve_2026_39983_and_ghsa_6v7q_other_controls_after_decoding() {
    assert_refused(&[("", "a%0Db"), ("", "a%0Ab"), ("u%07@", "a"), ("u%1b@", "a")]);
}

#[test]
fn cve_2026_28296_line_end_in_a_folder_name() {
    assert_refused(&[("", "dir%0d%0aRNFR%20x/file")]);
}

#[test]
fn ghsa_8c48_q9wj_3w37_line_end_without_an_encoder() {
    // In JSON a real line end can stand in the URL itself.
    let ftpq = Ftpq::new();
    let line = "{\"url\":\"ftp://127.0.0.1:9/a\\r\\nDELE b\",\"path\":\"x\"}\n";
    let ended = ftpq.run(&["add", &ftpq.write("m.jsonl", line), "--into", ftpq.downloads().to_str().unwrap()]);
    assert_eq!(ended.code, Some(2), "{ended}");
}

#[test]
fn cve_2017_3533_line_end_in_the_user_part() {
    assert_refused(&[("a%0APORT%20127,0,0,1,0,80@", "x")]);
    let ftpq = Ftpq::new();
    let ended = ftpq.run(&["get", "ftp://u:secretword%0a@h/x"]).expect_code(2);
    assert!(!ended.everything().contains("secretword"), "the refusal shows the secret\n{ended}");
}

#[test]
fn cve_2007_2509_line_end_in_an_argument() {
    assert_refused(&[("", "file%0d%0aCWD%20/etc")]);
}

#[test]
fn cve_2004_1165_encoded_line_feed() {
    assert_refused(&[("", "%0aPORT%201,2,3,4,5,6%0a")]);
}

#[test]
fn cve_2017_6508_line_end_in_the_host() {
    let ftpq = Ftpq::new();
    for url in ["ftp://127.0.0.1%0d%0aHELP:9/a", "ftp://127.0.0.1%0a:9/a", "ftp://h%20h/a", "ftp://h%2fh/a"] {
        refused_at_every_door(&ftpq, url);
    }
}

#[test]
fn aria2_row_9_encoded_line_end_before_the_file_name() {
    assert_refused(&[("", "dir/%0d%0aDELE%20x/f")]);
}

#[test]
fn cve_2018_1000120_nul_in_the_path() {
    assert_refused(&[("", "a%00b"), ("", "dir%00/b")]);
}

/// A manifest's path can't leave the folder, in any spelling.
fn assert_path_refused(paths: &[&str]) {
    for path in paths {
        let ftpq = Ftpq::new();
        let line = format!("{}\n", serde_json::json!({"url": "ftp://127.0.0.1:9/a", "path": path}));
        let ended = ftpq.run(&["add", &ftpq.write("m.jsonl", line), "--into", ftpq.downloads().to_str().unwrap()]);
        assert_eq!(ended.code, Some(2), "{path:?} was not refused\n{ended}");
        assert!(!ended.err.contains('\u{202e}') && !ended.err.contains('\u{1b}'), "shown raw\n{ended}");
    }
}

#[test]
fn cve_2002_1344_dots_and_absolute_paths() {
    assert_path_refused(&["../x", "a/../../x", "..", "/etc/x", "a/..", "./x", "a//x", ""]);
}

#[test]
fn cve_2004_1294_a_slash_in_the_name_makes_folders_below_and_nowhere_else() {
    let server = Scripted::honest();
    let data = pseudo_random(180, 1000);
    server.put("a", data.clone());
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url("a"), "deep/er/name")]);
    let ended = ftpq.run(&["run"]).expect_code(0);
    ftpq.assert_file("deep/er/name", &data, &ended);
}

#[test]
fn cve_2010_3096_backslashes() {
    assert_path_refused(&["..\\x", "a\\b", "\\\\host\\share"]);
}

#[test]
fn cve_2026_27699_names_that_hide_where_they_lead() {
    assert_path_refused(&["a\u{202e}b", "a\nb", "a\u{1b}[2Jb", "a\u{0}b", ".a.ftpq-part"]);
}

#[test]
fn cve_2025_11563_an_encoded_slash_in_the_last_segment() {
    let data = pseudo_random(181, 1000);
    for (path, remote) in [("dir/%2Fetc%2Fevil", "evil"), ("%2Fevil", "evil"), ("d%2Fevil", "d/evil")] {
        let server = Scripted::honest();
        for name in [remote, "dir//etc/evil", "etc/evil"] {
            server.put(name, data.clone());
        }
        let ftpq = Ftpq::new();
        let ended = ftpq.run(&["get", &server.url(path), "--into", ftpq.downloads().to_str().unwrap()]);
        let outside: Vec<_> = watch::files_below(&ftpq.downloads())
            .into_iter()
            .filter(|p| !p.ends_with("evil") || p.parent() != Some(&ftpq.downloads()))
            .collect();
        assert!(outside.is_empty(), "{path}: {outside:?}\n{ended}");
        assert!(matches!(ended.code, Some(0..=2)), "{path}\n{ended}");
    }
    let ftpq = Ftpq::new();
    for url in ["ftp://127.0.0.1:9/a/..%2F..%2Fx", "ftp://127.0.0.1:9/a/%2e%2e/x", "ftp://127.0.0.1:9/.."] {
        refused_at_every_door(&ftpq, url);
    }
}

/// A download of `a.bin` to `name` with something planted beforehand; the victim outside stays as it was.
fn with_planted_link(name: &str, plant: impl Fn(&Ftpq, &std::path::Path)) -> (Ftpq, Ended) {
    let server = Scripted::honest();
    server.put("a.bin", pseudo_random(182, 50_000));
    let ftpq = Ftpq::new();
    let outside = ftpq.folder().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("victim"), "precious").unwrap();
    ftpq.add(&[(server.url("a.bin"), name)]);
    plant(&ftpq, &outside);
    let ended = ftpq.run(&["run", "--retries", "0", "--existing", "overwrite"]);
    assert_eq!(fs::read(outside.join("victim")).unwrap(), b"precious", "the link was followed\n{ended}");
    assert_eq!(watch::files_below(&outside).len(), 1, "something was written outside\n{ended}");
    (ftpq, ended)
}

#[test]
fn cve_2014_4877_a_linked_folder_below_the_destination_is_not_entered() {
    let (_, ended) =
        with_planted_link("d/a.bin", |ftpq, outside| symlink(outside, ftpq.downloads().join("d")).unwrap());
    assert!(matches!(ended.code, Some(1 | 5)), "{ended}");
}

#[test]
fn cve_2004_2014_a_link_planted_at_the_final_name_is_not_followed() {
    with_planted_link("a.bin", |ftpq, outside| {
        symlink(outside.join("victim"), ftpq.downloads().join("a.bin")).unwrap();
    });
    with_planted_link("a.bin", |ftpq, outside| symlink(outside.join("new"), ftpq.downloads().join("a.bin")).unwrap());
}

#[test]
fn cve_2004_2014_a_link_planted_at_the_part_file_is_not_followed() {
    for target in ["victim", "new"] {
        with_planted_link("a.bin", |ftpq, outside| {
            symlink(outside.join(target), watch::part_of(&ftpq.downloads().join("a.bin"))).unwrap();
        });
    }
}

#[test]
fn a_folder_that_the_user_chose_may_be_a_link() {
    let server = Scripted::honest();
    let data = pseudo_random(183, 1000);
    server.put("a.bin", data.clone());
    let ftpq = Ftpq::new();
    let link = ftpq.folder().join("link");
    symlink(ftpq.downloads(), &link).unwrap();
    let ended = ftpq.run(&["get", &server.url("a.bin"), "--into", link.to_str().unwrap()]).expect_code(0);
    ftpq.assert_file("a.bin", &data, &ended);
}

/// CVE-2024-38428, CVE-2024-10524, CVE-2018-6508: what is taken for the host.
#[test]
fn cve_2024_10524_shorthand_and_odd_user_parts_name_no_other_host() {
    let server = Scripted::honest();
    let ftpq = Ftpq::new();
    let shorthand = format!("{}/a", server.address());
    let ended = ftpq.run(&["get", &shorthand]).expect_code(2);
    assert!(server.core().sessions().1 == 0, "{ended}");
    // The host is what follows the last `@`.
    let data = pseudo_random(184, 100);
    server.put("a", data.clone());
    let ended = ftpq.run(&["get", &server.url_as("x;y%40127.0.0.9:pw", "a"), "-o", "a"]).expect_code(0);
    ftpq.assert_file("a", &data, &ended);
    assert_eq!(server.core().args("USER"), ["x;y@127.0.0.9"], "{ended}");
}

/// CVE-2009-0037, CVE-2024-2004.
#[test]
fn cve_2009_0037_other_schemes_are_refused() {
    let ftpq = Ftpq::new();
    for url in ["file:///etc/passwd", "http://127.0.0.1:9/a", "sftp://h/a", "gopher://h/a", "FILE:///etc/passwd"] {
        refused_at_every_door(&ftpq, url);
    }
}

/// CVE-2021-22946, and no password in the clear where the URL demands TLS.
#[test]
fn cve_2021_22946_what_demands_tls_never_goes_on_without() {
    for greeting in ["220 ready", "230 you are in already"] {
        for scheme in ["ftps", "ftpes"] {
            let server = Scripted::lying(move |turn| match turn.verb {
                "GREETING" => crate::support::Act::say(greeting),
                _ => crate::support::Act::Usual,
            });
            server.put("a", pseudo_random(185, 100));
            let ftpq = Ftpq::new();
            let url = server.url_as("user:password", "a").replacen("ftp", scheme, 1);
            let ended = ftpq.run(&["get", &url, "--timeout", "2", "--retries", "0"]);
            assert!(matches!(ended.code, Some(1 | 2)), "{ended}");
            let sent = server.core().commands();
            assert!(!sent.iter().any(|c| c.starts_with("USER") || c.starts_with("PASS")), "{sent:?}\n{ended}");
            ftpq.assert_absent("a", &ended);
        }
    }
}

#[test]
fn a_greeting_of_230_logs_in_where_no_tls_is_asked_for() {
    let data = pseudo_random(186, 100);
    let server = Scripted::lying(|turn| match turn.verb {
        "GREETING" => crate::support::Act::say("220 ready"),
        "USER" => crate::support::Act::Reword(Box::new(|_| "331 go on".to_owned())),
        _ => crate::support::Act::Usual,
    });
    server.put("a", data.clone());
    let ftpq = Ftpq::new();
    let ended = ftpq.run(&["get", &server.url("a")]).expect_code(0);
    ftpq.assert_file("a", &data, &ended);
}

fn with_netrc(netrc: &[u8], userinfo: &str) -> (Scripted, Ended) {
    let passwords = [("user".to_owned(), "right".to_owned())].into();
    let server = Scripted::with(Traits { passwords, ..Traits::default() }, |_| crate::support::Act::Usual);
    server.put("a", pseudo_random(187, 100));
    let ftpq = Ftpq::new();
    let path = ftpq.write("home/.netrc", netrc);
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    ftpq.add(&[(server.url_as(userinfo, "a"), "a")]);
    let ended = ftpq.run(&["run", "--netrc", "--retries", "0", "--timeout", "3"]);
    (server, ended)
}

/// CVE-2024-11053, CVE-2025-0167, CVE-2026-6429, CVE-2026-8926.
#[test]
fn cve_2024_11053_a_netrc_entry_serves_its_own_host_and_user_alone() {
    for netrc in [
        &b"machine elsewhere login user password leaked\n"[..],
        b"machine 127.0.0.1 login someone password leaked\n",
        b"machine 127.0.0.10 login user password leaked\n",
        b"machine 27.0.0.1 login user password leaked\n",
        b"default login user password leaked\n",
    ] {
        let (server, ended) = with_netrc(netrc, "user");
        let given = server.core().args("PASS");
        assert!(!given.iter().any(|p| p == "leaked"), "{}: {given:?}\n{ended}", String::from_utf8_lossy(netrc));
    }
    // A password in the URL wins.
    let (server, ended) = with_netrc(b"machine 127.0.0.1 login user password leaked\n", "user:right");
    assert_eq!(server.core().args("PASS"), ["right"], "{ended}");
}

#[test]
fn cve_2022_35260_a_malformed_netrc_does_no_harm() {
    let long = [&b"machine 127.0.0.1 login user password "[..], &vec![b'x'; 300_000]].concat();
    for netrc in
        [&long[..], b"machine", b"machine 127.0.0.1 login", b"macdef init\nmachine", b"\xff\xfe\0\0", b"\"machine"]
    {
        let (_, ended) = with_netrc(netrc, "user");
        assert!(ended.signal.is_none() && ended.code != Some(101), "{ended}");
        assert!(!ended.err.contains("panicked"), "{ended}");
    }
}
