//! URLs, names and netrc files that have harmed other clients; each test carries the id of the case.

use crate::support::{Ended, Ftpq, Scripted, Traits, certs::Authority, pseudo_random, watch};
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
        ftpq.run_with_input(&["add", "-", "--into", into], format!("{url}\tx\n").as_bytes()),
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

/// Every other way in: options, files with passwords, netrc, the settings file, a base URL.
#[test]
fn rustsec_2026_0271_line_ends_through_options_and_files() {
    let server = Scripted::honest();
    server.put("a", pseudo_random(188, 100));
    let private = |ftpq: &Ftpq, name: &str, text: &str| {
        let path = ftpq.write(name, text);
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path
    };
    let url = server.url("a");
    let with_user = server.url_as("user", "a");
    for way in ["user", "password-file", "netrc-password", "netrc-login", "settings-user", "base"] {
        let ftpq = Ftpq::new();
        let ended = match way {
            "user" => {
                ftpq.run(&["get", &url, "--user", "u\r\nDELE a", "--password-file", &private(&ftpq, "pw", "x\n")])
            }
            "password-file" => {
                let file = private(&ftpq, "pw", "x\rDELE a\n");
                ftpq.run(&["get", &with_user, "--password-file", &file])
            }
            "netrc-password" => {
                private(&ftpq, "home/.netrc", "machine 127.0.0.1 login user password \"x\\r\\nDELE a\"\n");
                ftpq.run(&["get", &with_user, "--netrc"])
            }
            "netrc-login" => {
                private(&ftpq, "home/.netrc", "machine 127.0.0.1 login \"u\\r\\nDELE a\" password x\n");
                ftpq.run(&["get", &url, "--netrc"])
            }
            "settings-user" => {
                let file = private(&ftpq, "settings.toml", "[host.\"127.0.0.1\"]\nuser = \"u\\r\\nDELE a\"\n");
                ftpq.run(&["--config", &file, "get", &url])
            }
            _ => {
                let base = format!("{}%0d%0aDELE%20a", server.url("pub"));
                ftpq.run_with_input(&["add", "-", "--base", &base], b"a\n")
            }
        };
        assert_eq!(ended.code, Some(2), "{way} was not refused\n{ended}");
    }
    assert_eq!(server.core().commands(), Vec::<String>::new());
}

#[test]
fn cve_2026_39983_and_ghsa_6v7q_wjvx_w8wg_other_controls_after_decoding() {
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
    assert!(ended.err.contains("at byte 10"), "the refusal does not say where the byte stands\n{ended}");
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
    for url in [
        "ftp://127.0.0.1%0d%0aHELP:9/a",
        "ftp://127.0.0.1%0a:9/a",
        "ftp://127.0.0.1\r\nHELP:9/a",
        "ftp://127.0.0.1%00.elsewhere:9/a",
        "ftp://h%20h/a",
        "ftp://h%2fh/a",
    ] {
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

/// Names that a Windows client takes for a drive, a stream or a device are plain names, below the folder.
#[test]
fn cve_2005_2126_names_with_a_meaning_elsewhere_stay_below_the_folder() {
    assert_path_refused(&["C:\\x", "\\\\.\\pipe\\x"]);
    assert_lands_as_named(&["C:x", "a.txt:stream", "CON", "aux.txt", "a.", "~", "~root", "-rf", "--into"]);
}

/// Each is a name like any other: the file stands under it, and nothing else came about.
fn assert_lands_as_named(names: &[&str]) {
    let server = Scripted::honest();
    let data = pseudo_random(189, 300);
    server.put("a", data.clone());
    let ftpq = Ftpq::new();
    ftpq.add(&names.iter().map(|name| (server.url("a"), *name)).collect::<Vec<_>>());
    let ended = ftpq.run(&["run"]).expect_code(0);
    names.iter().for_each(|name| ftpq.assert_file(name, &data, &ended));
    let all = watch::files_below(&ftpq.downloads());
    assert_eq!(all.len(), names.len(), "{all:?}\n{ended}");
    assert_eq!(watch::files_below(&ftpq.home()), Vec::<std::path::PathBuf>::new(), "{ended}");
}

/// lftp took a remote name for a local URL.
#[test]
fn cve_2018_10916_a_name_is_never_read_as_a_url() {
    assert_lands_as_named(&["file:victim", "file:", "ftp:x"]);
    assert_path_refused(&["file:///etc/passwd", "ftp://127.0.0.1/x"]);
    // The same on the server's side: one file there, of that very name.
    let server = Scripted::honest();
    let data = pseudo_random(203, 300);
    server.put("file:%2Fetc", data.clone());
    let ftpq = Ftpq::new();
    let ended = ftpq.run(&["get", &server.url("file:%252Fetc")]).expect_code(0);
    ftpq.assert_file("file:%2Fetc", &data, &ended);
}

/// ftp(1) of AIX ran what stood behind a `|`; ncftp gave names to a shell.
#[test]
fn cve_1999_0097_and_cve_1999_1333_names_are_given_to_no_shell() {
    let server = Scripted::honest();
    let data = pseudo_random(204, 300);
    let ftpq = Ftpq::new();
    let names = ["|touch pwned", "$(touch pwned)", "`touch pwned`", "a;touch pwned;", "&touch pwned", "*", "a'\"b"];
    let url_of = |name: &str| server.url(&name.bytes().map(|b| format!("%{b:02X}")).collect::<String>());
    names.iter().for_each(|name| server.put(name, data.clone()));
    let mut args = vec!["get".to_owned()];
    args.extend(names.iter().map(|name| url_of(name)));
    let ended = ftpq.run(&args.iter().map(String::as_str).collect::<Vec<_>>()).expect_code(0);
    names.iter().for_each(|name| ftpq.assert_file(name, &data, &ended));
    let all = watch::files_below(&ftpq.downloads());
    assert_eq!(all.len(), names.len(), "something ran: {all:?}\n{ended}");
    assert_eq!(server.core().args("RETR").len(), names.len(), "{}", server.core().dialogue());
}

/// tnftp: a redirect named its local file `|command`. No reply of FTP leads to another URL, and none is taken for one.
#[test]
fn cve_2014_8517_no_reply_leads_elsewhere() {
    let decoy = Scripted::honest();
    decoy.put("|touch pwned", pseudo_random(205, 10));
    let to = decoy.url("%7Ctouch%20pwned");
    let server = Scripted::lying(move |turn| match turn.verb {
        "RETR" => crate::support::Act::say(&format!("350 301 Moved Permanently; Location: {to}")),
        "SIZE" | "MDTM" => crate::support::Act::say(&format!("550 see {to}")),
        _ => crate::support::Act::Usual,
    });
    server.put("a", pseudo_random(206, 10));
    let ftpq = Ftpq::new();
    let ended = ftpq.run(&["get", &server.url_as("user:password", "a"), "--retries", "0", "--timeout", "2"]);
    assert_ne!(ended.code, Some(0), "{ended}");
    assert_eq!(decoy.core().sessions().1, 0, "a reply led elsewhere\n{ended}");
    assert_eq!(watch::files_below(&ftpq.downloads()).len(), 0, "{ended}");
}

/// Ruby opened the local file through a shell where its name began with `|`.
#[test]
fn cve_2017_17405_a_local_name_is_a_name() {
    let server = Scripted::honest();
    let data = pseudo_random(207, 300);
    server.put("a", data.clone());
    let ftpq = Ftpq::new();
    let ended = ftpq.run(&["get", &server.url("a"), "-o", "|touch pwned"]).expect_code(0);
    ftpq.assert_file("|touch pwned", &data, &ended);
    assert_eq!(watch::files_below(&ftpq.downloads()).len(), 1, "{ended}");
}

/// lftp wrote names unquoted into a script. The one line of ours that is made for a shell names a file in quotes.
#[test]
fn cve_2007_2348_an_advice_for_the_shell_quotes_its_name() {
    let ftpq = Ftpq::new();
    let name = "pw'; touch pwned; $(touch pwned) '";
    let path = ftpq.write(name, "secret\n");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let ended = ftpq.run(&["get", "ftp://u@127.0.0.1:9/a", "--password-file", &path]).expect_code(2);
    let advice = ended.err.split('`').nth(1).unwrap_or_default().to_owned();
    // What stands between backticks has one of its own; the shell's own parser is the judge.
    let whole = ended.err.split_once('`').map_or("", |(_, rest)| rest.trim_end().trim_end_matches('`')).to_owned();
    assert!(advice.starts_with("chmod 600 "), "{ended}");
    let script = format!("set -- {whole}; printf '%s\\n' \"$#\" \"$3\"");
    let output = std::process::Command::new("sh").args(["-c", &script]).current_dir(ftpq.downloads()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said, format!("3\n{path}\n"), "{script}\n{ended}");
    assert_eq!(watch::files_below(&ftpq.downloads()).len(), 0, "the advice ran something\n{ended}");
}

/// curl's wildcards: a pattern that ends in `[` was read past its end, many `*` took for ever. ftpq has no patterns.
#[test]
fn cve_2017_8817_and_cve_2020_8285_patterns_are_names() {
    let server = Scripted::honest();
    let data = pseudo_random(208, 100);
    let ftpq = Ftpq::new();
    let stars = format!("{}b", "*".repeat(200));
    let names = ["a[", "[", "a?[!", &stars, "{a,b}"];
    names.iter().for_each(|name| server.put(name, data.clone()));
    let url_of = |name: &str| server.url(&name.bytes().map(|b| format!("%{b:02X}")).collect::<String>());
    ftpq.add(&names.iter().map(|name| (url_of(name), *name)).collect::<Vec<_>>());
    let ended = ftpq.run(&["run", "--connections", "1"]).expect_code(0);
    names.iter().for_each(|name| ftpq.assert_file(name, &data, &ended));
    let mut asked = server.core().args("RETR");
    asked.iter_mut().for_each(|path| *path = path.trim_start_matches('/').to_owned());
    asked.sort();
    let mut expected: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    expected.sort();
    assert_eq!(asked, expected, "{ended}");
    assert!(server.core().args("NLST").is_empty() && server.core().args("LIST").is_empty(), "{ended}");
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
            // The test is of the server, not of what this system trusts.
            let ca = ftpq.write("ca.pem", Authority::new("nobody").pem());
            let ended = ftpq.run(&["get", &url, "--timeout", "2", "--retries", "0", "--ca-file", &ca]);
            assert!(matches!(ended.code, Some(1 | 3)), "{ended}");
            let sent = server.core().commands();
            assert!(
                scheme == "ftps" || sent.iter().any(|c| c == "AUTH TLS"),
                "TLS was not asked for: {sent:?}\n{ended}"
            );
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

/// netrc and password files: closed to others, one's own, of bounded size, and no pipe that keeps one waiting.
#[test]
fn cve_2022_35260_a_netrc_that_is_open_huge_or_no_file_is_refused() {
    let server = Scripted::honest();
    server.put("a", pseudo_random(209, 100));
    let good = "machine 127.0.0.1 login user password right\n";
    let huge = format!("{good}{}", "# comment\n".repeat(200_000));
    for (how, text, mode) in [("open", good, 0o644), ("group", good, 0o640), ("huge", huge.as_str(), 0o600)] {
        let ftpq = Ftpq::new();
        let path = ftpq.write("home/.netrc", text);
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        let ended = ftpq.run(&["get", &server.url_as("user", "a"), "--netrc", "--retries", "0"]);
        assert_eq!(ended.code, Some(2), "{how}\n{ended}");
    }
    let ftpq = Ftpq::new();
    let made = std::process::Command::new("mkfifo").arg("-m600").arg(ftpq.home().join(".netrc")).status();
    if made.is_ok_and(|status| status.success()) {
        let ended = ftpq.run(&["get", &server.url_as("user", "a"), "--netrc", "--retries", "0"]);
        assert_eq!(ended.code, Some(2), "{ended}");
    }
    assert!(server.core().args("PASS").is_empty(), "{}", server.core().dialogue());
}

/// curl carried a password along to another port of the same host.
#[test]
fn cve_2022_27774_a_password_stays_with_its_port_and_user() {
    let (one, other) = (Scripted::honest(), Scripted::honest());
    one.put("a", pseudo_random(210, 100));
    other.put("a", pseudo_random(210, 100));
    let ftpq = Ftpq::new();
    let list = format!(
        "{}\tone\n{}\tother\n{}\tthird\n",
        one.url_as("user:password", "a"),
        other.url_as("user", "a"),
        one.url_as("User", "a"),
    );
    let into = ftpq.downloads();
    ftpq.run_with_input(&["add", "-", "--into", into.to_str().unwrap()], list.as_bytes()).expect_code(0);
    let ended = ftpq.run(&["run", "--retries", "0", "--timeout", "3"]);
    ftpq.assert_file("one", &pseudo_random(210, 100), &ended);
    assert_eq!(one.core().args("PASS"), ["password"], "the password served another user\n{ended}");
    assert!(!other.core().args("PASS").iter().any(|p| p == "password"), "it went to another port\n{ended}");
}
