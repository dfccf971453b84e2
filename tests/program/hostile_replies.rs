//! Servers that turn their replies against the client; each test carries the id of the case.

use crate::{
    support::{Act, Ftpq, Scripted, Turn, pseudo_random},
    verdict::{Case, IMPATIENT},
};
use std::{
    net::{Ipv4Addr, TcpListener},
    time::Duration,
};

/// A listener on another loopback address that nobody may come to.
struct Decoy(TcpListener);

impl Decoy {
    fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    fn assert_unvisited(&self, story: &str) {
        assert!(self.0.accept().is_err(), "the client followed a foreign address\n{story}");
    }
}

/// CVE-2020-8284, CVE-2021-4189, gh-87451, CVE-2021-31810, CVE-2021-37533, CVE-2021-2341, CVE-2021-40491, CVE-2026-28295,
/// CVE-2026-109681, CVE-2007-1562, CVE-2007-1563, CVE-2007-1564: the address in a PASV reply is the server's word only.
#[test]
fn cve_2020_8284_the_address_of_a_pasv_reply_is_not_followed() {
    let data = pseudo_random(190, 20_000);
    let decoy = Decoy::new();
    let server = Scripted::lying(|turn: &Turn| match turn.verb {
        // The port is the honest one; only the address is foreign.
        "PASV" => Act::Reword(Box::new(|reply| reply.replace("127,0,0,1", "127,0,0,2"))),
        _ => Act::Usual,
    });
    let case = Case::new(server, &data);
    let (verdict, story) = case.judge(&["run", "--data-mode", "pasv", "--timeout", "3", "--retries", "1"], &data);
    verdict.expect_right(&story);
    decoy.assert_unvisited(&story);
}

#[test]
fn cve_2020_8284_a_pasv_reply_is_no_port_scanner() {
    let data = pseudo_random(191, 1000);
    let decoy = Decoy::new();
    let (high, low) = (decoy.port() >> 8, decoy.port() & 255);
    let foreign = format!("227 Entering Passive Mode (127,0,0,2,{high},{low}).");
    let server = Scripted::lying(move |turn| if turn.verb == "PASV" { Act::say(&foreign) } else { Act::Usual });
    let case = Case::new(server, &data);
    let (_, story) = case.judge(&["run", "--data-mode", "pasv", "--timeout", "2", "--retries", "0"], &data);
    decoy.assert_unvisited(&story);
}

#[test]
fn cve_2021_4189_an_address_in_an_epsv_reply_is_not_followed() {
    let data = pseudo_random(192, 1000);
    let decoy = Decoy::new();
    let foreign = format!("229 Entering Extended Passive Mode (|1|127.0.0.2|{}|)", decoy.port());
    let server = Scripted::lying(move |turn| if turn.verb == "EPSV" { Act::say(&foreign) } else { Act::Usual });
    let case = Case::new(server, &data);
    let (_, story) = case.judge(&IMPATIENT, &data);
    decoy.assert_unvisited(&story);
}

#[test]
fn odd_addresses_in_passive_replies_are_read_or_honestly_refused() {
    let data = pseudo_random(193, 1000);
    for reply in [
        "227 Entering Passive Mode (127,0,0,1,300,1)",
        "227 Entering Passive Mode (127,0,0,1,0,0)",
        "227 Entering Passive Mode",
        "227 (1,2,3",
        "227 Entering Passive Mode (99999999999999999999,0,0,1,1,1)",
        "229 (|||0|)",
        "229 (|||65536|)",
        "229 (||||)",
        "229 |||",
        "229 ",
        "200 fine",
    ] {
        let mode = if reply.starts_with("227") { "pasv" } else { "epsv" };
        let server = Scripted::lying(move |turn| match turn.verb {
            "PASV" | "EPSV" => Act::say(reply),
            _ => Act::Usual,
        });
        let case = Case::new(server, &data);
        let (verdict, story) = case.judge(&["run", "--data-mode", mode, "--timeout", "2", "--retries", "0"], &data);
        verdict.expect_stage(&["data"], &format!("{reply}\n{story}"));
    }
}

#[test]
fn epsv_that_is_refused_or_leads_nowhere_falls_back_to_pasv() {
    let data = pseudo_random(194, 1000);
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let nowhere = format!("229 Entering Extended Passive Mode (|||{closed}|)");
    for reply in ["500 EPSV not understood".to_owned(), "502 No.".to_owned(), "522 No.".to_owned(), nowhere] {
        let said = reply.clone();
        let server = Scripted::lying(move |turn| if turn.verb == "EPSV" { Act::say(&reply) } else { Act::Usual });
        let case = Case::new(server, &data);
        let (verdict, story) = case.judge(&IMPATIENT, &data);
        verdict.expect_right(&format!("{said}\n{story}"));
    }
}

/// A client that falls back to PORT shows its own address.
#[test]
fn cve_2015_7665_passive_mode_never_turns_active_by_itself() {
    let data = pseudo_random(195, 1000);
    let server = Scripted::lying(|turn| match turn.verb {
        "EPSV" | "PASV" => Act::say("502 Use PORT."),
        _ => Act::Usual,
    });
    let case = Case::new(server, &data);
    let (verdict, story) = case.judge(&IMPATIENT, &data);
    verdict.expect_stage(&["data"], &story);
    let core = case.server.core();
    assert!(core.args("PORT").is_empty() && core.args("EPRT").is_empty(), "{story}");
}

#[test]
fn a_foreign_peer_on_an_active_listener_is_turned_away() {
    let data = pseudo_random(196, 20_000);
    // Before the server comes, somebody else does, from another address.
    let server = Scripted::lying(|turn| {
        if turn.verb == "PORT" {
            let numbers: Vec<u16> = turn.arg.split(',').map(|n| n.parse().unwrap()).collect();
            let port = numbers[4] << 8 | numbers[5];
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            let own: std::net::SocketAddr = "127.0.0.3:0".parse().unwrap();
            let there = std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            socket.bind(&own.into()).unwrap();
            if socket.connect(&there.into()).is_ok() {
                let _ = socket.send(b"poison");
            }
            std::mem::forget(socket);
        }
        Act::Usual
    });
    let case = Case::new(server, &data);
    let (verdict, story) = case.judge(&["run", "--data-mode", "port", "--timeout", "4", "--retries", "1"], &data);
    verdict.expect_right(&story);
}

/// CVE-2004-1488 and kin: control bytes of a server drive the terminal.
#[test]
fn cve_2004_1488_control_bytes_of_the_server_are_not_shown_raw() {
    let nasty = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}gpj.exe\u{9b}31m\u{8}\u{8}";
    let ftpq = Ftpq::new();
    let server = Scripted::lying(move |turn| match turn.verb {
        "GREETING" => Act::say(&format!("220 hello {nasty}")),
        "RETR" | "SIZE" | "MDTM" => Act::say(&format!("550 {nasty} no such file")),
        _ => Act::Usual,
    });
    server.put("a", pseudo_random(197, 100));
    ftpq.add(&[(server.url("a"), "a")]);
    for args in [&["-v", "run"][..], &["list"], &["show", "1"], &["status"], &["--json", "show", "1"]] {
        let ended = ftpq.run(args);
        let raw = ended
            .everything()
            .chars()
            .find(|&c| (c.is_control() && c != '\n' && c != '\t' && c != '\r') || c == '\u{202e}');
        assert_eq!(raw, None, "{args:?} shows a control character\n{}", ended.everything().escape_debug());
    }
}

/// CVE-2017-1000254: the quote in a PWD reply that never closes.
#[test]
fn cve_2017_1000254_odd_pwd_replies_do_not_stop_a_download() {
    let data = pseudo_random(198, 1000);
    for reply in ["257 \"/home", "257 ", "257 \"\"\"", "257 there is rubbish \"/\"", "257 \"C:/dir\"", "500 What?"] {
        let server = Scripted::lying(move |turn| if turn.verb == "PWD" { Act::say(reply) } else { Act::Usual });
        let case = Case::new(server, &data);
        let (verdict, story) = case.judge(&IMPATIENT, &data);
        verdict.expect_right(&format!("{reply:?}\n{story}"));
    }
}

/// CVE-2006-6719: an unexpected reply to SYST; here to every optional command.
#[test]
fn cve_2006_6719_optional_commands_may_be_answered_with_anything() {
    let data = pseudo_random(199, 1000);
    for reply in ["200", "215", "999 what", "502 Command not implemented.", "530 Not now.", "211 End", "211-x\r\n211 y"]
    {
        let server = Scripted::lying(move |turn| match turn.verb {
            "SYST" | "FEAT" | "OPTS" | "CLNT" | "HELP" => Act::say(reply),
            _ => Act::Usual,
        });
        let case = Case::new(server, &data);
        // Right, or refused honestly: nothing else.
        let (verdict, story) = case.judge(&IMPATIENT, &data);
        if reply.starts_with("502") {
            verdict.expect_right(&story);
        }
    }
}

#[test]
fn multi_line_replies_in_every_known_form_are_read() {
    let data = pseudo_random(200, 1000);
    for greeting in [
        "220-one\r\n220-two\r\n220 three",
        "220-one\r\n two\r\n 220 indented\r\n220 three",
        "220-one\r\n530 not me\r\n220 three",
        "220-\r\n\r\n220 ",
        "220",
    ] {
        let server = Scripted::lying(move |turn| match turn.verb {
            "GREETING" => Act::say(greeting),
            "FEAT" => Act::say("211-Features:\r\n211-EPSV\r\n211-530 foo\r\n SIZE\r\nMDTM\r\n211 End"),
            "PASS" => Act::Reword(Box::new(|reply| format!("230-Welcome\r\n230-to us\r\n{reply}"))),
            _ => Act::Usual,
        });
        let case = Case::new(server, &data);
        let (verdict, story) = case.judge(&IMPATIENT, &data);
        verdict.expect_right(&format!("{greeting:?}\n{story}"));
    }
}

#[test]
fn no_untrusted_bytes_reach_the_start_of_a_command_line() {
    // A file name that looks like a command stays an argument.
    let data = pseudo_random(201, 1000);
    let server = Scripted::honest();
    server.put("PORT 127,0,0,1,0,80", data.clone());
    let ftpq = Ftpq::new();
    let ended = ftpq.run(&["get", &server.url("PORT%20127,0,0,1,0,80"), "-o", "x"]).expect_code(0);
    ftpq.assert_file("x", &data, &ended);
    assert!(server.core().args("PORT").is_empty(), "{}", server.core().dialogue());
}

/// A server that takes the data port for granted and never comes.
#[test]
fn an_active_connection_that_never_comes_is_a_timeout() {
    let data = pseudo_random(202, 1000);
    let server = Scripted::lying(|turn| match turn.verb {
        "PORT" => Act::say("200 PORT command successful."),
        "RETR" => Act::say("150 Opening data connection."),
        _ => Act::Usual,
    });
    let case = Case::new(server, &data);
    let (verdict, story) = case.judge(&["run", "--data-mode", "port", "--timeout", "2", "--retries", "0"], &data);
    verdict.expect_cause(&["timeout", "data_connection"], &story);
}

#[test]
fn a_server_that_nobody_answers_for_is_unreachable() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let ftpq = Ftpq::new();
    ftpq.add(&[(format!("ftp://{closed}/a"), "a")]);
    let ended = ftpq.run(&["--json", "run", "--timeout", "2", "--retries", "0"]).expect_code(1);
    let causes: Vec<_> = ended.events("failed").iter().map(|e| e["failure"]["cause"].clone()).collect();
    assert_eq!(causes, ["unreachable"], "{ended}");
    assert!(ended.took < Duration::from_secs(30), "{ended}");
}
