//! Servers that turn their replies against the client; each test carries the id of the case.

use crate::{
    support::{Act, Delivery, Ftpq, Port, Scripted, Traits, Turn, pseudo_random, watch},
    verdict::{Case, IMPATIENT},
};
use std::{
    net::{IpAddr, Ipv4Addr, TcpListener},
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

/// Python mended its FTP class, and for five years not the other path that read the same reply: here helpers that fetch
/// pieces, transfers that go ahead of replies, and resumed ones, each with PASV and each lied to.
#[test]
fn cve_2021_4189_no_second_path_follows_the_address() {
    let data = pseudo_random(211, 36 << 20);
    let decoy = Decoy::new();
    let traits = Traits { pace: 6 << 20, ..Traits::default() };
    let server = Scripted::with(traits, |turn| match turn.verb {
        "PASV" => Act::Reword(Box::new(|reply| reply.replace("127,0,0,1", "127,0,0,2"))),
        "RETR" if turn.before == 8 && turn.arg.ends_with("a.bin") => Act::Deliver(Delivery {
            upto: (turn.delivery().from + 100_000).min(turn.delivery().upto),
            verdict: "426 Failure writing network stream.".to_owned(),
            ..turn.delivery()
        }),
        _ => Act::Usual,
    });
    let small = pseudo_random(212, 20_000);
    (0..6).for_each(|n| server.put(&format!("f{n}"), small.clone()));
    let case = Case::new(server, &data);
    let names: Vec<String> = (0..6).map(|n| format!("f{n}")).collect();
    case.ftpq.add(&names.iter().map(|n| (case.server.url(n), n.as_str())).collect::<Vec<_>>());
    let args =
        ["run", "--data-mode", "pasv", "--pipelining", "deep", "--per-host", "4", "--timeout", "5", "--retries", "3"];
    let (verdict, story) = case.judge(&args, &data);
    verdict.expect_right(&story);
    names.iter().for_each(|n| case.ftpq.assert_file(n, &small, &story));
    let resumed = case.server.core().args("REST").iter().filter(|offset| *offset != "0").count();
    assert!(resumed > 0, "no piece and no resumed transfer was seen\n{story}");
    decoy.assert_unvisited(&story);
}

/// Java, Ruby, Commons Net and inetutils; addresses of every kind, private and impossible ones too.
#[test]
fn cve_2021_31810_cve_2021_37533_whatever_address_is_named_the_peer_is_used() {
    let data = pseudo_random(213, 5000);
    for address in ["10,0,0,1", "0,0,0,0", "255,255,255,255", "224,0,0,1", "169,254,169,254", "192,168,0,1", "8,8,8,8"]
    {
        let server = Scripted::lying(move |turn| match turn.verb {
            "PASV" => Act::Reword(Box::new(move |reply| reply.replace("127,0,0,1", address))),
            _ => Act::Usual,
        });
        let case = Case::new(server, &data);
        let args = ["run", "--data-mode", "pasv", "--timeout", "3", "--retries", "0"];
        let (verdict, story) = case.judge(&args, &data);
        verdict.expect_right(&format!("{address}\n{story}"));
    }
}

/// gvfs; here over IPv6, where a server may name an IPv4 host in a 227, and where a file is continued.
#[test]
fn cve_2026_28295_a_resumed_transfer_follows_no_foreign_address() {
    let data = pseudo_random(214, 300_000);
    let decoy = Decoy::new();
    let (high, low) = (decoy.port() >> 8, decoy.port() & 255);
    let foreign = format!("227 Entering Passive Mode (127,0,0,2,{high},{low}).");
    let traits = Traits { pace: 300_000, ..Traits::default() };
    let server = Scripted::on_ipv6(traits, move |turn| match turn.verb {
        "EPSV" if turn.before > 0 => Act::say("500 EPSV not understood"),
        "PASV" => Act::say(&foreign),
        _ => Act::Usual,
    });
    let case = Case::new(server, &data);
    case.interrupt(100_000);
    for mode in ["auto", "pasv"] {
        let (_, story) = case.judge(&["run", "--data-mode", mode, "--timeout", "2", "--retries", "0"], &data);
        decoy.assert_unvisited(&story);
        case.ftpq.run(&["retry", "--all"]).expect_code(0);
    }
}

/// Browsers told by the kind of failure whether a port of a third host was open.
#[test]
fn cve_2007_1562_a_pasv_reply_tells_nothing_of_other_hosts() {
    let data = pseudo_random(215, 1000);
    let open = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).unwrap();
    let (port, closed) = (open.local_addr().unwrap().port(), Port::of(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2))));
    let outcome = |port: u16| {
        let foreign = format!("227 Entering Passive Mode (127,0,0,2,{},{}).", port >> 8, port & 255);
        let server = Scripted::lying(move |turn| if turn.verb == "PASV" { Act::say(&foreign) } else { Act::Usual });
        let case = Case::new(server, &data);
        let (verdict, story) = case.judge(&["run", "--data-mode", "pasv", "--timeout", "2", "--retries", "0"], &data);
        // What the server sees: the same commands in the same order.
        let verbs: Vec<String> =
            case.server.core().commands().iter().map(|c| c.split(' ').next().unwrap_or("").to_owned()).collect();
        (verdict, verbs, story)
    };
    let ((open_end, open_verbs, story), (closed_end, closed_verbs, _)) = (outcome(port), outcome(closed.number()));
    assert_eq!(open_end, closed_end, "{story}");
    assert_eq!(open_verbs, closed_verbs, "{story}");
    open.set_nonblocking(true).unwrap();
    assert!(open.accept().is_err(), "{story}");
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
    let closed = Port::new();
    let nowhere = format!("229 Entering Extended Passive Mode (|||{}|)", closed.number());
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

/// `FileZilla` took a server's words for a format, and long ones past their buffer.
#[test]
fn cve_2007_2318_and_cve_2006_2403_the_words_of_a_server_are_no_format() {
    let words = "550 %n%s%x%p {} {0:?} {{}} %1$s ${HOME} $(id) \\n";
    let server = Scripted::lying(move |turn| match turn.verb {
        "RETR" | "SIZE" => Act::say(words),
        "PASS" => Act::Reword(Box::new(|_| format!("230-{}\r\n230 %s%n in", "%s%n{}".repeat(1000)))),
        _ => Act::Usual,
    });
    let ftpq = Ftpq::new();
    server.put("a", pseudo_random(216, 100));
    ftpq.add(&[(server.url("a"), "a")]);
    let ended = ftpq.run(&["-v", "run", "--retries", "0"]).expect_code(1);
    let shown = ftpq.run(&["show", "1"]).expect_code(0);
    for text in [&ended.err, &shown.out] {
        assert!(text.contains("%n%s%x%p {} {0:?} {{}} %1$s ${HOME} $(id) \\n"), "{text}");
    }
}

/// A reply chooses the name of no local file: neither what 150 says, nor what MLST lists (wget, lftp).
#[test]
fn cve_2016_4971_cve_2010_2252_a_reply_chooses_no_local_name() {
    names_nothing("../../evil");
    names_nothing("/tmp/evil");
}

/// The same with a name that some program would read its settings from.
#[test]
fn cve_2010_2251_a_reply_chooses_no_dotfile() {
    names_nothing(".bashrc");
    names_nothing(".ssh/authorized_keys");
}

fn names_nothing(evil: &'static str) {
    let data = pseudo_random(217, 3000);
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, move |turn| match turn.verb {
        "MLST" => Act::Reword(Box::new(move |reply| reply.replace("a.bin", evil))),
        "RETR" => {
            let opening = format!("150 Opening BINARY mode data connection for {evil} (3000 bytes).");
            Act::Deliver(Delivery { opening, verdict: format!("226 {evil} sent."), ..turn.delivery() })
        }
        "SIZE" => Act::Reword(Box::new(move |reply| format!("{reply} {evil}"))),
        "CWD" => Act::say(&format!("250 now in {evil}")),
        _ => Act::Usual,
    });
    server.put("pub/a.bin", data.clone());
    let ftpq = Ftpq::new();
    let into = ftpq.downloads();
    let url = server.url("pub/a.bin");
    let ended = ftpq.run(&["get", &url, "--into", into.to_str().unwrap(), "--retries", "0", "--timeout", "3"]);
    let all: Vec<_> = watch::files_below(ftpq.folder())
        .into_iter()
        .filter(|path| !path.starts_with(ftpq.queue()) && !path.starts_with(ftpq.folder().join("io")))
        .collect();
    assert!(all.iter().all(|path| *path == into.join("a.bin")), "{all:?}\n{ended}");
    if ended.code == Some(0) {
        ftpq.assert_file("a.bin", &data, &ended);
    }
}

/// curl's Kerberos read protected replies (631 to 633, RFC 2228). ftpq has no such command, and reads no such reply.
#[test]
fn cve_2019_5481_cve_2022_32208_protected_replies_are_no_replies() {
    let data = pseudo_random(218, 1000);
    for code in ["631", "632", "633"] {
        let server = Scripted::lying(move |turn| match turn.verb {
            "PASS" => Act::say(&format!("{code} AAAAAAAAAAAAAAAA")),
            _ => Act::Usual,
        });
        let case = Case::new(server, &data);
        let (verdict, story) = case.judge(&["run", "--timeout", "2", "--retries", "0"], &data);
        verdict.expect_cause(&["protocol"], &story);
        let protects = ["ADAT", "CCC", "CONF", "ENC", "MIC"];
        let commands = case.server.core().commands();
        let sent: Vec<&String> =
            commands.iter().filter(|c| protects.contains(&c.split(' ').next().unwrap_or(""))).collect();
        assert!(sent.is_empty(), "{sent:?}\n{story}");
    }
}

/// A few bytes of deflate that become gigabytes: MODE Z is never asked for, and what comes is stored as it came.
#[test]
fn mode_z_is_never_asked_for_and_nothing_is_inflated() {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut packer, &vec![0; 64 << 20]).unwrap();
    let bomb = packer.finish().unwrap();
    let server = Scripted::lying(|turn| match turn.verb {
        "FEAT" => Act::say("211-Features:\r\n MODE Z\r\n EPSV\r\n SIZE\r\n MDTM\r\n REST STREAM\r\n211 End"),
        "TYPE" | "PASS" => Act::Reword(Box::new(|reply| format!("{} MODE Z set to Z.", &reply[..3]))),
        "RETR" => Act::Deliver(Delivery {
            opening: "150 Opening data connection in MODE Z (67108864 bytes).".to_owned(),
            ..turn.delivery()
        }),
        _ => Act::Usual,
    });
    let case = Case::new(server, &bomb);
    let (verdict, story) = case.judge(&IMPATIENT, &bomb);
    verdict.expect_right(&story);
    let core = case.server.core();
    assert!(core.args("MODE").is_empty() && !core.args("OPTS").iter().any(|o| o.contains("MODE")), "{story}");
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
fn cve_2020_28041_no_untrusted_bytes_reach_the_start_of_a_command_line() {
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
    let closed = Port::new();
    let ftpq = Ftpq::new();
    ftpq.add(&[(format!("ftp://{}/a", closed.address()), "a")]);
    let ended = ftpq.run(&["--json", "run", "--timeout", "2", "--retries", "0"]).expect_code(1);
    let causes: Vec<_> = ended.events("failed").iter().map(|e| e["failure"]["cause"].clone()).collect();
    assert_eq!(causes, ["unreachable"], "{ended}");
    assert!(ended.took < Duration::from_secs(30), "{ended}");
}
