//! Servers that send too much, too slowly, or tales of sizes: memory and time are bounded, and that is told.

use crate::{
    disk_full::Small,
    support::{Act, Ftpq, Scripted, Traits, pseudo_random, watch},
    verdict::{Case, IMPATIENT, Verdict},
};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// Most memory of a run, in KiB: a debug build with its libraries takes some 30 MiB.
const MEMORY: u64 = 100 << 10;

fn answering(verb: &'static str, answer: impl Fn() -> Act + Send + Sync + 'static) -> Scripted {
    Scripted::lying(move |turn| if turn.verb == verb { answer() } else { Act::Usual })
}

/// Buffers end at some length; a reply may end there too, or just before, or just behind.
#[test]
fn cve_2007_0217_replies_just_as_long_as_a_buffer_are_read_whole() {
    const LINE: usize = 64 * 1024;
    const REPLY: usize = 1024 * 1024;
    let data = pseudo_random(240, 1000);
    // Lengths with the line's own end.
    let one_line = |len: usize| [b"230 ".to_vec(), vec![b'x'; len - 6], b"\r\n".to_vec()].concat();
    let many_lines = |lines: usize, each: usize| {
        let mut reply = [b"230-".to_vec(), vec![b'x'; each - 6], b"\r\n".to_vec()].concat().repeat(lines - 1);
        reply.extend(one_line(each));
        reply
    };
    let mut cases: Vec<(Vec<u8>, bool)> = [512, 4094, 4095, 4096, 4097, 4098, 8191, 8192, 8193, 16_384, LINE, LINE + 1]
        .into_iter()
        .map(|len| (one_line(len), true))
        .collect();
    cases.push((one_line(LINE + 2), false));
    cases.extend([(many_lines(10_000, 8), true), (many_lines(10_001, 8), false)]);
    cases.extend([(many_lines(REPLY / 1024, 1024), true), (many_lines(REPLY / 1024 + 1, 1024), false)]);
    for (reply, good) in cases {
        let len = reply.len();
        let server = Scripted::lying(move |turn| match turn.verb {
            "PASS" => Act::Reword({
                let text = String::from_utf8(reply.clone()).unwrap();
                Box::new(move |_| text.trim_end().to_owned())
            }),
            _ => Act::Usual,
        });
        let case = Case::new(server, &data);
        let (verdict, story) = case.judge(&["run", "--timeout", "3", "--retries", "0"], &data);
        if good {
            verdict.expect_right(&format!("a reply of {len} bytes\n{story}"));
        } else {
            verdict.expect_cause(&["protocol"], &format!("a reply of {len} bytes\n{story}"));
        }
    }
}

/// Floods of every kind: one line, many, blank ones, NULs, Telnet commands, preliminary replies; before the login, in it,
/// behind it, and while data flows.
#[test]
fn ghsa_rpmf_866q_6p89_replies_without_end_of_every_kind_are_bounded() {
    let data = pseudo_random(241, 400_000);
    let kinds: [(&str, &[u8]); 9] = [
        ("one line", b"x"),
        ("blank lines", b"\r\n"),
        ("NULs", b"\0"),
        ("Telnet", b"\xff\xfb\x01"),
        ("half a Telnet command", b"\xff"),
        ("120", b"120 wait a little\r\n"),
        ("150", b"150 here it comes\r\n"),
        ("whole replies", b"200 ok\r\n"),
        ("lines of a reply", b"211-more\r\n 226 no end\r\n"),
    ];
    for (kind, text) in kinds {
        for verb in ["GREETING", "USER", "PWD", "SIZE", "EPSV", "RETR"] {
            let begin = Instant::now();
            let flood = text.repeat(64 * 1024 / text.len());
            let case = Case::new(answering(verb, move || Act::Flood(flood.clone())), &data);
            let args = ["run", "--timeout", "2", "--retries", "0", "--connections", "1"];
            let (_, story, peak) = case.judge_and_weigh(&args, &data);
            // Worst case on the way here: preliminary replies without end, whose reader never let the timer have a turn.
            assert!(peak < MEMORY, "{peak} KiB for a flood of {kind} at {verb}\n{story}");
            let took = begin.elapsed();
            assert!(took < Duration::from_secs(20), "{took:?} for a flood of {kind} at {verb}\n{story}");
        }
    }
}

/// The same in drops: each reply in time, and never the one that is waited for.
#[test]
fn ghsa_rpmf_866q_6p89_preliminary_replies_now_and_then_come_to_an_end() {
    let data = pseudo_random(242, 1000);
    for (verb, text) in [("GREETING", "120 soon\r\n"), ("RETR", "150 soon\r\n"), ("SIZE", "110 soon\r\n")] {
        let begin = Instant::now();
        let drops = text.repeat(2000).into_bytes();
        let case = Case::new(answering(verb, move || Act::Drip(drops.clone(), Duration::from_millis(20))), &data);
        let (verdict, story) = case.judge(&["run", "--timeout", "1", "--retries", "0"], &data);
        verdict.expect_cause(&["timeout", "protocol", "refused", "data_connection"], &story);
        assert!(begin.elapsed() < Duration::from_secs(30), "{:?}\n{story}", begin.elapsed());
    }
}

/// A flood on the control connection while data flows: the data is what counts.
#[test]
fn ghsa_rpmf_866q_6p89_a_flood_beside_the_data_costs_no_memory() {
    let data = pseudo_random(243, 400_000);
    for text in ["150-x\r\n", "226-x\r\n", "y", "\r\n"] {
        let text = text.repeat(30_000);
        let server = Scripted::with(Traits { pace: 200_000, ..Traits::default() }, move |turn| match turn.verb {
            "RETR" => {
                let opening = format!("150 here it comes\r\n{text}");
                Act::Deliver(crate::support::Delivery { opening, ..turn.delivery() })
            }
            _ => Act::Usual,
        });
        let case = Case::new(server, &data);
        let (_, story, peak) = case.judge_and_weigh(&IMPATIENT, &data);
        assert!(peak < MEMORY, "{peak} KiB\n{story}");
    }
}

type Answer = fn() -> Act;

/// curl wrote past its buffer when a server said goodbye at length. Whatever the answer to QUIT is, the run ends.
#[test]
fn cve_2018_1000300_a_goodbye_costs_a_second_at_most() {
    let data = pseudo_random(244, 1000);
    let answers: [(&str, Answer); 6] = [
        ("a flood", || Act::Flood(b"221-bye\r\n".repeat(4096))),
        ("one long line", || Act::Flood(vec![b'x'; 1 << 16])),
        ("drops", || Act::Drip(vec![b'2'; 10_000], Duration::from_millis(50))),
        ("preliminary replies", || Act::Drip(b"120 soon\r\n".repeat(1000), Duration::from_millis(5))),
        ("silence", || Act::Silence),
        ("the end", || Act::SayAndClose(Vec::new())),
    ];
    for (name, answer) in answers {
        let case = Case::new(answering("QUIT", answer), &data);
        let begin = Instant::now();
        let (verdict, story, peak) = case.judge_and_weigh(&["run", "--timeout", "30"], &data);
        verdict.expect_right(&format!("{name}\n{story}"));
        assert!(begin.elapsed() < Duration::from_secs(5), "{name}: {:?}\n{story}", begin.elapsed());
        assert!(peak < MEMORY, "{name}: {peak} KiB\n{story}");
    }
}

/// One byte now and then keeps a session for ever, if only silence counts.
#[test]
fn slow_loris_data_that_trickles_is_a_standstill() {
    for len in [3000, 300_000] {
        let data = pseudo_random(245, len);
        let server = Scripted::with(Traits { pace: 4, ..Traits::default() }, |_| Act::Usual);
        let case = Case::new(server, &data);
        let begin = Instant::now();
        let (verdict, story) =
            case.judge_within(Duration::from_secs(50), &["run", "--timeout", "1", "--retries", "0"], &data);
        verdict.expect_cause(&["timeout"], &story);
        verdict.expect_stage(&["retrieve"], &story);
        // 10 s, and none of it twice.
        assert!(begin.elapsed() < Duration::from_secs(25), "{:?}\n{story}", begin.elapsed());
        assert!(story.contains("a second"), "it is not said why\n{story}");
    }
}

/// A slow line is no attack: what the user's own limit makes slow, and what comes at a modem's pace.
#[test]
fn a_slow_transfer_is_no_standstill() {
    let data = pseudo_random(246, 4000);
    let server = Scripted::with(Traits { pace: 300, ..Traits::default() }, |_| Act::Usual);
    let case = Case::new(server, &data);
    let (verdict, story) =
        case.judge_within(Duration::from_secs(50), &["run", "--timeout", "1", "--retries", "0"], &data);
    verdict.expect_right(&story);
    // The server would send at once; it is the limit that holds it up.
    let data = pseudo_random(247, 700);
    let case = Case::new(Scripted::honest(), &data);
    let args = ["run", "--timeout", "1", "--retries", "0", "--limit-rate", "50"];
    let (verdict, story) = case.judge_within(Duration::from_secs(50), &args, &data);
    verdict.expect_right(&story);
}

/// A file said to be larger than the disk: nothing is asked for, nothing is reserved; one that would just fit is
/// reserved, and given back as soon as it proves to be a tale.
#[test]
fn size_traps_no_more_is_reserved_than_is_free() {
    let ftpq = Ftpq::new();
    let at = ftpq.folder().join("disk");
    let Some(_disk) = Small::mount_image(&at, "mkfs.ext4", 64) else {
        return crate::support::report::skip("no file system can be mounted here");
    };
    let free = || rustix::fs::statvfs(&at).map(|s| s.f_bavail * s.f_frsize).unwrap();
    let before = free();
    for said in [before + 1, 1 << 40, u64::MAX / 2, u64::MAX - 1] {
        let server = Scripted::lying(move |turn| match turn.verb {
            "SIZE" => Act::say(&format!("213 {said}")),
            _ => Act::Usual,
        });
        server.put("a", pseudo_random(248, 100));
        let url = server.url("a");
        let args = ["get", &url, "--into", at.to_str().unwrap(), "--retries", "0", "--timeout", "2"];
        let ended = ftpq.run(&args);
        // What u64 holds but no file can be is no size at all.
        let none = said > u64::MAX / 2;
        assert!(matches!(ended.code, Some(1 | 5)) || (none && ended.code == Some(0)), "{said}\n{ended}");
        assert!(before - free() < 1 << 20, "{said}: {} bytes are gone\n{ended}", before - free());
        ftpq.run(&["remove", "--all"]).expect_code(0);
        clear(&at);
    }
    let said = before - (4 << 20);
    let server = Scripted::lying(move |turn| match turn.verb {
        "SIZE" => Act::say(&format!("213 {said}")),
        _ => Act::Usual,
    });
    server.put("a", pseudo_random(249, 100_000));
    let url = server.url("a");
    let ended = ftpq.run(&["get", &url, "--into", at.to_str().unwrap(), "--retries", "0", "--timeout", "2"]);
    assert_ne!(ended.code, Some(0), "{ended}");
    assert!(before - free() < 2 << 20, "{} bytes stay reserved\n{ended}", before - free());
}

fn clear(folder: &Path) {
    for file in watch::files_below(folder) {
        let _ = std::fs::remove_file(file);
    }
}

/// What ftpq can't do it can't be made to do: there is no command for it. Kerberos and other protection (RFC 2228), MODE,
/// third parties' files, and whatever changes a server.
#[test]
fn cve_2005_0490_no_command_starts_what_ftpq_can_not_do() {
    let source = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/wire/command.rs")).unwrap();
    let verb = source.split("pub fn verb").nth(1).unwrap().split("\n    }\n").next().unwrap();
    let verbs: Vec<&str> = verb.split('"').skip(1).step_by(2).collect();
    assert!(verbs.contains(&"RETR") && verbs.contains(&"EPSV"), "{verbs:?}");
    for no in [
        "ADAT", "CCC", "CONF", "ENC", "MIC", "MODE", "STRU", "SITE", "STOR", "STOU", "APPE", "DELE", "RMD", "MKD",
        "RNFR", "RNTO", "ALLO", "NLST", "SYST", "REIN", "SMNT", "HOST",
    ] {
        assert!(!verbs.contains(&no), "{no} exists now: look at its attacks");
    }
    // And every byte on a control connection comes from that encoder.
    let control = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/ftp/control.rs")).unwrap();
    assert_eq!(control.matches("write_all(").count(), 1, "commands are written in one place");
}

/// Half a file, half a verdict: whatever is flooded, no wrong file gets its name. See `Case::judge`.
#[test]
fn a_flood_behind_the_last_byte_leaves_no_wrong_file() {
    let data = pseudo_random(238, 200_000);
    let server = Scripted::lying(|turn| match turn.verb {
        "RETR" => {
            let verdict = "226-\r\n".repeat(20_000);
            let upto = turn.delivery().upto / 2;
            Act::Deliver(crate::support::Delivery { upto, verdict, ..turn.delivery() })
        }
        _ => Act::Usual,
    });
    let case = Case::new(server, &data);
    let (verdict, story) = case.judge(&["run", "--timeout", "1", "--retries", "0"], &data);
    assert_ne!(verdict, Verdict::Right, "{story}");
}
