//! Published attacks on TLS in FTP clients, each by its id: what the attacker does, and that nothing comes of it.

use crate::{
    support::{
        Act, Delivery, Ftpq, Scripted, Tls, Traits, Turn,
        certs::{Authority, Identity},
        pseudo_random,
        scripted::{Demand, TLS_13},
    },
    tls_case::Case,
};
use std::{fs, os::unix::fs::PermissionsExt, sync::Arc, time::Duration};

/// Runs one file behind the hook, which is to come to nothing: no password, nothing stored.
fn comes_to_nothing(
    scheme: &str,
    change: impl Fn(Tls) -> Tls,
    hook: impl Fn(&Turn) -> Act + Send + Sync + 'static,
) -> Case {
    let authority = Authority::new("tests");
    let case = Case::new(&authority, change(Tls { required: false, ..Tls::new(authority.good()) }), hook);
    case.queue_one(scheme, &pseudo_random(660, 3000));
    let (ended, story) = case.run(&[]);
    case.assert_nothing_in_clear(&story);
    assert!(matches!(ended.code, Some(1 | 3)), "{story}");
    case.ftpq.assert_absent("a.bin", &story);
    case
}

/// A party that connects to the passive port first, or stands at it, has no certificate of the server's.
#[test]
fn cve_1999_0351_who_stands_at_the_data_port_is_not_believed() {
    let authority = Authority::new("tests");
    let thief = Authority::new("thief").good();
    for (scheme, tls) in [("ftpes", None), ("ftps", Some(Demand::FileZilla))] {
        let own =
            Tls { implicit: scheme == "ftps", demand: tls.unwrap_or(Demand::Nothing), ..Tls::new(authority.good()) };
        let thief = thief.clone();
        let case = Case::new(&authority, own, move |turn| match turn.verb {
            "RETR" => {
                let data = Arc::new(vec![b'!'; 3000]);
                Act::Deliver(Delivery { identity: Some(thief.clone()), data, ..turn.delivery() })
            }
            _ => Act::Usual,
        });
        case.queue_one(scheme, &pseudo_random(661, 3000));
        let (ended, story) = case.run(&[]);
        case.assert_refused(&ended, &["a.bin"], "certificate", &story);
        case.assert_nothing_in_clear(&story);
        assert_eq!(case.server.core().sent_total(), 0, "{story}");
    }
}

/// Where the server gave its data connection to another, ours is refused: another port, and the file is right.
#[test]
fn cve_1999_0351_a_stolen_data_connection_costs_one_more_try() {
    for line in ["425 Security: Bad IP connecting.", "425 Can't open data connection."] {
        let case = Case::new_good(move |turn| match turn.verb {
            "RETR" if turn.before == 0 => Act::say(line),
            _ => Act::Usual,
        });
        let data = pseudo_random(662, 3000);
        case.queue_one("ftpes", &data);
        let (ended, story) = case.run(&[]);
        assert_eq!(ended.code, Some(0), "{story}");
        case.ftpq.assert_file("a.bin", &data, &story);
        assert_eq!(case.server.core().args("EPSV").len(), 2, "{story}");
    }
}

#[test]
fn cve_2021_22947_replies_before_tls_are_not_trusted_after_it() {
    let login = "331 Password?\r\n230 You are in.\r\n200 PBSZ\r\n200 PROT\r\n";
    for more in ["230 You are in.\r\n", login, "220 again\r\n", "\r\n", "2"] {
        comes_to_nothing(
            "ftpes",
            |tls| tls,
            move |turn| match turn.verb {
                "AUTH" => Act::Secure { reply: format!("234 go\r\n{more}").into_bytes(), later: None },
                _ => Act::Usual,
            },
        );
        // A moment later: between the 234 and the server's part of the handshake.
        comes_to_nothing(
            "ftpes",
            |tls| tls,
            move |turn| match turn.verb {
                "AUTH" => Act::Secure {
                    reply: b"234 go\r\n".to_vec(),
                    later: Some((Duration::from_millis(50), more.as_bytes().to_vec())),
                },
                _ => Act::Usual,
            },
        );
    }
}

/// The other end of the same: an answer to AUTH that was there before AUTH was.
#[test]
fn cve_2021_22947_an_answer_before_its_question_begins_no_tls() {
    for greeting in
        ["220 hello\r\n234 go\r\n", "220 hello\r\n234 go\r\n331 who\r\n230 in\r\n", "220 hello\r\n530 no\r\n"]
    {
        comes_to_nothing(
            "ftpes",
            |tls| tls,
            move |turn| match turn.verb {
                "GREETING" => Act::Say(greeting.as_bytes().to_vec()),
                _ => Act::Usual,
            },
        );
    }
}

#[test]
fn cve_2021_22946_a_greeting_of_230_skips_no_tls() {
    for reply in ["500 What?", "503 You are logged in.", "230 You are logged in.", "200 OK."] {
        comes_to_nothing(
            "ftpes",
            |tls| tls,
            move |turn| match turn.verb {
                "GREETING" => Act::say("230 You are logged in."),
                "AUTH" => Act::say(reply),
                _ => Act::Usual,
            },
        );
    }
    // A server that greets so and then takes AUTH is a server like any other.
    let case = Case::new_good(|turn| match turn.verb {
        "GREETING" => Act::say("230 You are logged in."),
        _ => Act::Usual,
    });
    let data = pseudo_random(663, 3000);
    case.queue_one("ftpes", &data);
    let (ended, story) = case.run(&[]);
    case.assert_nothing_in_clear(&story);
    assert_eq!(ended.code, Some(0), "{story}");
    case.ftpq.assert_file("a.bin", &data, &story);
}

/// The session that each file was asked for on, and whether TLS was there.
fn sessions_of(server: &Scripted) -> Vec<(String, usize, bool)> {
    let mut found = Vec::new();
    for session in 1..=server.core().sessions().1 {
        let commands = server.core().commands_of(session);
        let secure = server.core().shaken().iter().any(|s| s.session == session && !s.data);
        let files =
            commands.iter().filter_map(|c| c.strip_prefix("RETR ")).map(|f| f.trim_start_matches('/').to_owned());
        found.extend(files.map(|file| (file, session, secure)));
    }
    found
}

/// One connection to the host at a time would do for both jobs, were they not of different policies.
#[test]
fn cve_2026_4873_cve_2026_8286_a_connection_without_tls_serves_no_job_that_wants_it() {
    let authority = Authority::new("tests");
    let traits = Traits { tls: Some(Tls { required: false, ..Tls::new(authority.good()) }), ..Traits::default() };
    let case = Case::with(&authority, traits, |_| Act::Usual);
    let names = ["plain 1", "secret 1", "plain 2", "secret 2"];
    let data = pseudo_random(664, 3000);
    names.iter().for_each(|name| case.server.put(name, data.clone()));
    let url = |name: &str| {
        let scheme = if name.starts_with("plain") { "ftp" } else { "ftpes" };
        // As a guest: a password for TLS would not go out in clear in any case.
        format!("{scheme}://{}/{}", case.server.address(), name.replace(' ', "%20"))
    };
    case.ftpq.add(&names.map(|name| (url(name), name)));
    let (ended, story) = case.run(&["--per-host", "1"]);
    assert_eq!(ended.code, Some(0), "{story}");
    names.iter().for_each(|name| case.ftpq.assert_file(name, &data, &story));
    let sessions = sessions_of(&case.server);
    assert_eq!(sessions.len(), 4, "{sessions:?}\n{story}");
    for (file, session, secure) in &sessions {
        assert_eq!(*secure, file.starts_with("secret"), "{file} on #{session}: {sessions:?}\n{story}");
    }
}

/// Each job is queued with options of its own, and all are done in one run.
fn queue_with(case: &Case, name: &str, options: &[&str]) {
    let into = case.ftpq.downloads();
    let url = case.server.url_by("ftpes", name);
    let args = [&["add", &url, "--into", into.to_str().unwrap()], options].concat();
    case.ftpq.run(&args).expect_code(0);
}

#[test]
fn cve_2026_4873_a_connection_whose_certificate_was_not_checked_serves_no_job_that_checks() {
    let authority = Authority::new("tests");
    let case = Case::new(&authority, Tls::new(Identity::self_signed()), |_| Act::Usual);
    let data = pseudo_random(665, 3000);
    ["a", "b", "c"].iter().for_each(|name| case.server.put(name, data.clone()));
    queue_with(&case, "a", &["--insecure"]);
    queue_with(&case, "c", &["--insecure"]);
    queue_with(&case, "b", &["--ca-file", &case.authority]);
    let (ended, story) = case.run_as(&["--per-host", "1"]);
    assert_eq!(ended.code, Some(1), "{story}");
    ["a", "c"].iter().for_each(|name| case.ftpq.assert_file(name, &data, &story));
    case.ftpq.assert_absent("b", &story);
    assert!(!sessions_of(&case.server).iter().any(|(file, ..)| file == "b"), "{story}");
}

#[test]
fn cve_2021_22924_cve_2026_8458_connections_of_other_certificates_and_pins_are_not_shared() {
    let (authority, clients) = (Authority::new("tests"), Authority::new("clients"));
    let identity = authority.good();
    let pin = identity.pin().to_owned();
    let tls = Tls { client_authority: Some(clients.certificate()), ..Tls::new(identity) };
    let case = Case::new(&authority, tls, |_| Act::Usual);
    let client = |name: &str| {
        let own = clients.client(name);
        let path = case.ftpq.write(&format!("{name}.pem"), format!("{}{}", own.key_pem(), own.pem()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    let (one, two) = (client("one"), client("two"));
    let data = pseudo_random(666, 3000);
    ["a", "b", "c"].iter().for_each(|name| case.server.put(name, data.clone()));
    let trust = ["--ca-file", &case.authority];
    queue_with(&case, "a", &[&trust[..], &["--client-cert", &one]].concat());
    queue_with(&case, "b", &[&trust[..], &["--client-cert", &two]].concat());
    queue_with(&case, "c", &[&trust[..], &["--client-cert", &one, "--pin", &pin]].concat());
    let (ended, story) = case.run_as(&["--per-host", "1"]);
    assert_eq!(ended.code, Some(0), "{story}");
    let session =
        |name: &str| sessions_of(&case.server).iter().find(|(file, ..)| file == name).map(|&(_, s, _)| s).unwrap();
    let of = ["a", "b", "c"].map(session);
    assert!(of[0] != of[1] && of[0] != of[2] && of[1] != of[2], "{of:?}\n{story}");
}

/// RFC 959 says nothing of case in user names, and most servers tell them apart.
#[test]
fn cve_2016_8616_cve_2023_27535_connections_of_other_accounts_are_not_shared() {
    let authority = Authority::new("tests");
    let passwords =
        [("user", "password"), ("User", "PASSWORD"), ("USER", "password")].map(|(u, p)| (u.to_owned(), p.to_owned()));
    let traits = Traits { tls: Some(Tls::new(authority.good())), passwords: passwords.into(), ..Traits::default() };
    let case = Case::with(&authority, traits, |_| Act::Usual);
    let data = pseudo_random(667, 3000);
    ["a", "b", "c"].iter().for_each(|name| case.server.put(name, data.clone()));
    let url = |who: &str, file: &str| case.server.url_as(who, file).replace("ftp://", "ftpes://");
    case.ftpq.add(&[
        (url("user:password", "a"), "a"),
        (url("User:PASSWORD", "b"), "b"),
        (url("USER:password", "c"), "c"),
    ]);
    let (ended, story) = case.run(&["--per-host", "1"]);
    assert_eq!(ended.code, Some(0), "{story}");
    for (user, file) in [("user", "a"), ("User", "b"), ("USER", "c")] {
        let sessions = sessions_of(&case.server);
        let (_, session, _) = sessions.iter().find(|(f, ..)| f == file).unwrap();
        let commands = case.server.core().commands_of(*session);
        assert!(commands.contains(&format!("USER {user}")), "{file}: {commands:?}\n{story}");
        assert_eq!(commands.iter().filter(|c| c.starts_with("RETR")).count(), 1, "{commands:?}\n{story}");
    }
}

/// Whether a server of this certificate is believed to be this host.
fn is_believed(identity: Identity, authority: &Authority, host: &str) -> bool {
    // Each data connection shows the certificate too.
    let tls = Tls { tickets: 0, data_tickets: 0, versions: TLS_13, ..Tls::new(identity) };
    let case = Case::new(authority, tls, |_| Act::Usual);
    let data = pseudo_random(668, 3000);
    case.server.put("a.bin", data.clone());
    let url = case.server.url_by("ftpes", "a.bin").replace("127.0.0.1", host);
    case.ftpq.add(&[(url, "a.bin")]);
    let (ended, story) = case.run(&[]);
    case.assert_nothing_in_clear(&story);
    if ended.code == Some(0) {
        case.ftpq.assert_file("a.bin", &data, &story);
        assert_eq!(case.server.core().data_handshakes(), (1, 0), "{story}");
        return true;
    }
    case.assert_refused(&ended, &["a.bin"], "certificate", &story);
    assert!(case.server.core().args("USER").is_empty(), "{story}");
    false
}

/// The name is the one in the URL, on data connections too, whatever address they go to.
#[test]
fn cve_2014_2735_cve_2014_2845_the_name_that_the_user_gave_is_checked() {
    let authority = Authority::new("tests");
    for (names, host, well) in [
        (&["localhost"][..], "localhost", true),
        (&["LocalHost"], "localhost", true),
        (&["localhost"], "127.0.0.1", false),
        (&["127.0.0.1"], "localhost", false),
        (&["127.0.0.1"], "127.0.0.1", true),
        (&["localhost.example", "example"], "localhost", false),
        (&["other.example", "localhost"], "localhost", true),
        (&["127.0.0.2", "::1"], "127.0.0.1", false),
    ] {
        assert_eq!(is_believed(authority.named(names), &authority, host), well, "{names:?} for {host}");
    }
}

#[test]
fn cve_2014_2522_cve_2014_1263_cve_2014_0139_no_wildcard_and_no_address_matches_too_much() {
    let authority = Authority::new("tests");
    for (identity, host) in [
        (authority.named(&["*"]), "localhost"),
        (authority.named(&["*host"]), "localhost"),
        (authority.named(&["l*t"]), "localhost"),
        (authority.named(&["*.localhost"]), "localhost"),
        (authority.named(&["*.0.0.1"]), "127.0.0.1"),
        (authority.named(&["*"]), "127.0.0.1"),
        (authority.address_as_name("127.0.0.1"), "127.0.0.1"),
        (authority.common_name_only("127.0.0.1"), "127.0.0.1"),
        (authority.common_name_only("localhost"), "localhost"),
    ] {
        assert!(!is_believed(identity, &authority, host), "{host}");
    }
}

/// A server of another protocol with a certificate that is good for the host.
#[test]
fn cve_2021_3618_another_protocol_behind_the_right_certificate_gets_no_password() {
    for greeting in
        ["HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "* OK IMAP4rev1 ready\r\n", "+OK POP3 ready\r\n"]
    {
        let case = comes_to_nothing(
            "ftps",
            |tls| Tls { implicit: true, ..tls },
            move |turn| match turn.verb {
                "GREETING" => Act::SayAndClose(greeting.as_bytes().to_vec()),
                _ => Act::Usual,
            },
        );
        assert!(case.server.core().args("USER").is_empty(), "{}", case.server.core().dialogue());
    }
    // HTTP waits for the client; SMTP greets as FTP does, and knows no USER.
    for greeting in ["", "220 mail.example ESMTP"] {
        let case = comes_to_nothing(
            "ftps",
            |tls| Tls { implicit: true, ..tls },
            move |turn| match turn.verb {
                "GREETING" if greeting.is_empty() => Act::Silence,
                "GREETING" => Act::say(greeting),
                _ => Act::say("502 5.5.2 Error: command not recognized"),
            },
        );
        assert!(case.server.core().args("PASS").is_empty(), "{}", case.server.core().dialogue());
    }
}

/// `prefer` takes what it gets, so it is in nobody's power but the user's, and always shown.
#[test]
fn tls_if_offered_is_for_the_settings_file_alone_and_shown() {
    let data = pseudo_random(669, 3000);
    let authority = Authority::new("tests");
    for offered in [true, false] {
        let tls = offered.then(|| Tls::new(authority.good()));
        let case = Case::with(&authority, Traits { tls, ..Traits::default() }, |_| Act::Usual);
        let config = case.ftpq.write("config.toml", "[host.\"127.0.0.1\"]\ntls = \"prefer\"\n");
        case.queue_one("ftp", &data);
        let status = || case.ftpq.run(&["--config", &config, "status"]).expect_code(0);
        assert!(status().out.contains("TLS if offered"), "{}", status());
        let ended = case.ftpq.run(&["--config", &config, "run", "--ca-file", &case.authority]).expect_code(0);
        case.ftpq.assert_file("a.bin", &data, &ended);
        assert_eq!(case.server.core().arrived(b"password"), !offered, "{ended}");
        assert_eq!(ended.everything().contains("offers no TLS"), !offered, "{ended}");
        if offered {
            case.assert_nothing_in_clear(&ended.to_string());
        }
        // What it turned out to be stays to be seen.
        case.ftpq.add(&[(case.server.url_by("ftp", "a.bin"), "again")]);
        let now = status();
        assert_eq!((now.out.contains("NO TLS"), now.out.contains("TLS 1.3")), (!offered, offered), "{now}\n{ended}");
    }
    let ftpq = Ftpq::new();
    ftpq.run(&["get", "ftp://127.0.0.1:1/a", "--tls", "prefer"]).expect_code(2);
    for (key, value) in
        [("tls", "\"prefer\""), ("tls", "\"off\""), ("insecure", "true"), ("pin", "[]"), ("ca-file", "\"/x\"")]
    {
        let line = format!(
            "{{\"url\":\"ftp://127.0.0.1:1/a\",\"path\":\"a\",\"settings\":{{\"{key}\":{value}}},\"{key}\":{value}}}\n"
        );
        let manifest = ftpq.write("m.jsonl", line);
        let ended = ftpq.run(&["add", &manifest]);
        assert_ne!(ended.code, Some(0), "{key} = {value} was taken from a manifest\n{ended}");
    }
}
