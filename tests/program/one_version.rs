//! Promise 3 where the server's side moves: a final name holds one whole version of the file, or there is none.

use crate::support::{Act, Delivery, Ended, Ftpq, Scripted, Traits, Turn, pseudo_random};
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

const LEN: usize = 300_000;

/// A time as MDTM tells it, so many seconds before now.
pub(crate) fn ago(seconds: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - seconds;
    let (days, of_day) = (i64::try_from(now / 86_400).unwrap(), now % 86_400);
    // Years that begin in March.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * march + 2) / 5 + 1, if march < 10 { march + 3 } else { march - 9 });
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year}{month:02}{day:02}{:02}{:02}{:02}", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

#[test]
fn times_are_written_as_mdtm_tells_them() {
    let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(ago(epoch), "19700101000000");
    assert_eq!(ago(epoch - 1_709_210_096), "20240229123456");
}

/// `a.bin` on the server, fetched with a few attempts; the story of it.
fn fetch(server: &Scripted, more: &[&str]) -> (Ftpq, Ended, String) {
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url("a.bin"), "a.bin")]);
    let ended = ftpq.run(&[&["--json", "run", "--timeout", "5"], more].concat());
    let story = format!("{ended}{}", server.core().dialogue());
    (ftpq, ended, story)
}

fn never_done(server: &Scripted, more: &[&str], word: &str) {
    let (ftpq, ended, story) = fetch(server, more);
    assert_eq!(ended.code, Some(1), "{story}");
    ftpq.assert_absent("a.bin", &story);
    assert!(ended.everything().contains(word), "{story}");
}

// ---- what SIZE and MDTM say before and after ----

/// The server's cache of sizes lags behind: the time is the new one already.
#[test]
fn a_size_that_was_told_too_small_once_does_not_cut_the_file() {
    let data = pseudo_random(700, LEN);
    let server = Scripted::lying(|turn| match turn.verb {
        "SIZE" if turn.before == 0 => Act::say("213 100000"),
        "RETR" if turn.before == 0 => Act::Deliver(Delivery { upto: 100_000, ..turn.delivery() }),
        _ => Act::Usual,
    });
    server.put("a.bin", data.clone());
    let (ftpq, ended, story) = fetch(&server, &["--retries", "2"]);
    assert_eq!(ended.code, Some(0), "{story}");
    ftpq.assert_file("a.bin", &data, &story);
}

#[test]
fn a_time_that_is_not_told_any_more_after_the_last_byte_proves_nothing() {
    let data = pseudo_random(701, LEN);
    let server = Scripted::lying(|turn| match turn.verb {
        "MDTM" if turn.before > 0 => Act::say("550 No time for it."),
        _ => Act::Usual,
    });
    server.put("a.bin", data);
    never_done(&server, &["--retries", "0"], "no longer tells the file's time");
}

/// A file of which the second half is another's, on a server that told its time only at first.
#[test]
fn nothing_is_resumed_on_a_time_that_is_not_told_any_more() {
    let old = pseudo_random(702, LEN);
    let mut new = pseudo_random(703, LEN);
    // Alike where the overlap is compared.
    new[120_000..160_000].copy_from_slice(&old[120_000..160_000]);
    let becomes = new.clone();
    let server = Scripted::lying(move |turn| match turn.verb {
        "RETR" if turn.before == 0 => {
            let half = Delivery { upto: 150_000, verdict: "426 Broken.".to_owned(), hang_up: true, ..turn.delivery() };
            turn.core.put("a.bin", becomes.clone(), "20250101000000");
            Act::Deliver(half)
        }
        "MDTM" if turn.before > 0 => Act::say("502 Not any more."),
        _ => Act::Usual,
    });
    server.put("a.bin", old);
    let (ftpq, ended, story) = fetch(&server, &["--retries", "3"]);
    assert_eq!(ended.code, Some(0), "{story}");
    ftpq.assert_file("a.bin", &new, &story);
    assert!(story.contains("no longer tells the file's time"), "{story}");
}

/// What the receipt says where the server leaves something out.
#[test]
fn a_receipt_says_what_the_servers_silence_leaves_open() {
    for (silent, word) in [
        (&["MDTM", "MLST"][..], "the server tells no time"),
        (&["SIZE", "MLST"], "the server tells no size"),
        (&["SIZE", "MDTM", "MLST"], "the server tells neither size nor time"),
        (&[], "same size and time on the server before its first byte and after its last"),
    ] {
        let data = pseudo_random(704, 5000);
        let server = Scripted::lying(move |turn| {
            if silent.contains(&turn.verb) { Act::say("502 Command not implemented.") } else { Act::Usual }
        });
        server.put("a.bin", data.clone());
        let (ftpq, ended, story) = fetch(&server, &["--retries", "0"]);
        assert_eq!(ended.code, Some(0), "{silent:?}\n{story}");
        ftpq.assert_file("a.bin", &data, &story);
        let shown = ftpq.run(&["show", "1"]).out;
        assert!(shown.lines().any(|line| line.starts_with("unchanged") && line.contains(word)), "{silent:?}\n{shown}");
    }
}

// ---- files that are written to ----

/// One who writes at every look: each transfer brings a mix of two versions.
#[test]
fn a_file_that_is_rewritten_at_every_transfer_is_never_done() {
    for times in ["as written", "as asked"] {
        let looks = AtomicUsize::new(0);
        let server = Scripted::lying(move |turn| match turn.verb {
            "RETR" => {
                let old = turn.delivery();
                let new = pseudo_random(710 + turn.before as u64, LEN);
                let mut mixed = new.clone();
                mixed[..LEN / 2].copy_from_slice(&old.data[..LEN / 2]);
                turn.core.put("a.bin", new, &ago(3600 - turn.before as u64));
                Act::Deliver(Delivery { data: Arc::new(mixed), ..old })
            }
            // Another time at each look, whether or not anything changed.
            "MDTM" if times == "as asked" => {
                let look = looks.fetch_add(1, Ordering::SeqCst);
                Act::say(&format!("213 {}", ago(7200 - look as u64)))
            }
            _ => Act::Usual,
        });
        server.put("a.bin", pseudo_random(709, LEN));
        never_done(&server, &["--retries", "2"], "changed");
    }
}

/// A server whose MDTM is the time of the question: nothing but the bytes tells.
#[test]
fn a_file_at_rest_whose_time_is_always_now_is_read_twice_and_done() {
    for len in [5_000, LEN] {
        let data = pseudo_random(711, len);
        let server = Scripted::lying(|turn| match turn.verb {
            "MDTM" => Act::say(&format!("213 {}", ago(0))),
            _ => Act::Usual,
        });
        server.put("a.bin", data.clone());
        let (ftpq, ended, story) = fetch(&server, &["--retries", "5", "--min-age", "1"]);
        assert_eq!(ended.code, Some(0), "{story}");
        ftpq.assert_file("a.bin", &data, &story);
        assert_eq!(server.core().args("RETR").len(), 2, "{story}");
        assert!(ftpq.run(&["show", "1"]).out.contains("read twice and compared"), "{story}");
    }
}

/// What was found of a server's times is not held against it for ever.
#[test]
fn a_file_is_read_once_again_after_the_server_s_times_were_mended() {
    let is_mended = Arc::new(AtomicBool::new(false));
    let mended = Arc::clone(&is_mended);
    let server = Scripted::lying(move |turn| match turn.verb {
        "MDTM" if !mended.load(Ordering::SeqCst) => Act::say(&format!("213 {}", ago(0))),
        _ => Act::Usual,
    });
    server.core().put("a.bin", pseudo_random(718, LEN), &ago(7200));
    let (ftpq, _, story) = fetch(&server, &["--retries", "5", "--min-age", "1"]);
    assert_eq!(server.core().args("RETR").len(), 2, "{story}");
    is_mended.store(true, Ordering::SeqCst);
    let new = pseudo_random(719, LEN);
    server.core().put("a.bin", new.clone(), &ago(3600));
    let again = |existing: &str| {
        let into = ftpq.downloads();
        ftpq.run(&["get", &server.url("a.bin"), "--into", into.to_str().unwrap(), "--existing", existing])
    };
    let ended = again("check").expect_code(1);
    assert!(ended.everything().contains("it may have been changed since"), "{ended}");
    let ended = again("overwrite").expect_code(0);
    let story = format!("{ended}{}", server.core().dialogue());
    ftpq.assert_file("a.bin", &new, &story);
    assert_eq!(server.core().args("RETR").len(), 3, "read once\n{story}");
    assert!(ftpq.run(&["show", "1"]).out.contains("size and time"), "{story}");
    again("check").expect_code(0);
    assert_eq!(server.core().args("RETR").len(), 3, "{story}");
}

/// A writer that is slower than two readings: an equal length, a time that is always now, and a mix in between.
#[test]
fn a_file_that_is_rewritten_slowly_is_not_taken_for_one_whose_time_means_nothing() {
    for kind in ["image", "ascii"] {
        let (old, new) = (lines(716), lines(717));
        let begun = std::sync::Mutex::new(None);
        let (before, after) = (old.clone(), new.clone());
        let server = Scripted::lying(move |turn| match turn.verb {
            "MDTM" => Act::say(&format!("213 {}", ago(0))),
            "RETR" => {
                // From the first transfer on, the new version takes the place of the old one within nine seconds.
                let mut begun = begun.lock().unwrap();
                let passed = begun.get_or_insert_with(std::time::Instant::now).elapsed().as_millis();
                let written = after.len() * usize::try_from(passed).unwrap().min(9_000) / 9_000;
                let mut data = [&after[..written], &before[written..]].concat();
                if kind == "ascii" {
                    data = on_the_wire(&data);
                }
                Act::Deliver(Delivery { data: Arc::new(data), ..turn.delivery() })
            }
            _ => Act::Usual,
        });
        server.put("a.bin", old);
        let (ftpq, ended, story) = fetch(&server, &["--retries", "8", "--min-age", "1", "--type", kind]);
        assert_eq!(ended.code, Some(0), "{kind}\n{story}");
        ftpq.assert_file("a.bin", &new, &story);
    }
}

/// A text that is cut just before it is read again, on a server that tells no size.
#[test]
fn a_text_whose_second_reading_is_shorter_is_not_the_same() {
    let server = Scripted::lying(|turn| match turn.verb {
        "SIZE" | "MLST" => Act::say("500 What?"),
        "MDTM" => Act::say(&format!("213 {}", ago(0))),
        "RETR" if turn.before == 1 => {
            let whole = turn.delivery();
            let data = whole.data[..whole.data.len() / 2].to_vec();
            Act::Deliver(Delivery { upto: data.len(), data: Arc::new(data), ..whole })
        }
        _ => Act::Usual,
    });
    server.put("a.bin", lines(733));
    let (ftpq, ended, story) = fetch(&server, &["--retries", "5", "--min-age", "1", "--type", "ascii"]);
    assert!(story.contains("it was read twice, and was not the same"), "{story}");
    assert_eq!(ended.code, Some(0), "{story}");
    ftpq.assert_file("a.bin", &lines(733), &story);
}

/// Lines of equal length, so that no version shows by its size.
fn lines(seed: u64) -> Vec<u8> {
    let bytes = pseudo_random(seed, 60_000);
    bytes.chunks(30).flat_map(|line| line.iter().map(|byte| b'a' + byte % 26).chain(*b"\n")).collect()
}

fn on_the_wire(lines: &[u8]) -> Vec<u8> {
    lines.iter().flat_map(|&byte| if byte == b'\n' { vec![b'\r', b'\n'] } else { vec![byte] }).collect()
}

/// In TYPE A too the file has to be as long as SIZE tells, on its way at least.
#[test]
fn a_text_that_is_cut_is_never_done() {
    for upto in [0, 20_000, 61_000] {
        let server = Scripted::lying(move |turn| match turn.verb {
            "RETR" => Act::Deliver(Delivery { upto, ..turn.delivery() }),
            _ => Act::Usual,
        });
        server.put("a.bin", lines(732));
        never_done(&server, &["--retries", "0", "--type", "ascii"], "but SIZE tells 62000");
    }
}

/// Nobody can tell a file that is whole from one to which the next write is about to come, but by letting it rest.
#[test]
fn a_file_that_was_written_a_moment_ago_is_waited_for() {
    let data = pseudo_random(712, LEN);
    let server = Scripted::honest();
    let written = ago(0);
    server.core().put("a.bin", data.clone(), &written);
    let (ftpq, ended, story) = fetch(&server, &["--min-age", "3"]);
    assert_eq!(ended.code, Some(0), "{story}");
    ftpq.assert_file("a.bin", &data, &story);
    assert!(story.contains("still being written on the server"), "{story}");
    assert_eq!(server.core().args("RETR").len(), 1, "it was not fetched before its time\n{story}");
}

#[test]
fn a_file_that_was_written_a_moment_ago_is_fetched_at_once_by_who_asks_for_no_age() {
    let data = pseudo_random(713, LEN);
    let server = Scripted::honest();
    server.core().put("a.bin", data.clone(), &ago(0));
    let (ftpq, ended, story) = fetch(&server, &["--min-age", "0", "--retries", "0"]);
    assert_eq!(ended.code, Some(0), "{story}");
    ftpq.assert_file("a.bin", &data, &story);
}

/// The writer goes on each time somebody looks.
#[test]
fn a_file_that_is_written_to_all_the_time_costs_no_byte() {
    let server = Scripted::lying(|turn| match turn.verb {
        "SIZE" => Act::say(&format!("213 {}", 1000 + turn.before)),
        "MDTM" => Act::say(&format!("213 {}", ago(0))),
        _ => Act::Usual,
    });
    server.put("a.bin", pseudo_random(714, LEN));
    never_done(&server, &["--retries", "1", "--min-age", "2"], "still being written on the server");
    assert!(server.core().args("RETR").is_empty(), "{}", server.core().dialogue());
}

/// An upload under a name of its own that is renamed once it is there.
#[test]
fn a_file_that_was_being_written_and_is_gone_after_its_last_byte_is_not_done() {
    let data = pseudo_random(715, 5000);
    let server = Scripted::lying(|turn| match turn.verb {
        "RETR" => {
            turn.core.remove("a.bin");
            Act::Deliver(turn.delivery())
        }
        _ => Act::Usual,
    });
    server.core().put("a.bin", data, &ago(20));
    never_done(&server, &["--retries", "0"], "gone from the server");
}

/// A server that refuses the last look does not say that the file is gone.
#[test]
fn a_file_that_is_denied_after_its_last_byte_is_not_taken_for_gone() {
    let server = Scripted::lying(|turn| match turn.verb {
        "SIZE" | "MDTM" if turn.core.sent("a.bin") > 0 => Act::say(&format!("550 {}: Permission denied", turn.arg)),
        _ => Act::Usual,
    });
    server.put("a.bin", pseudo_random(718, 5000));
    never_done(&server, &["--retries", "0"], "Permission denied");
}

/// The folder of the next file is missing: that says nothing of the file before, whose last look was to travel along.
#[test]
fn a_missing_folder_of_the_next_file_answers_no_question_about_this_one() {
    let rewritten = pseudo_random(720, 5000);
    let new = rewritten.clone();
    let server = Scripted::lying(move |turn| match turn.verb {
        "RETR" if turn.before == 1 => {
            let old = turn.delivery();
            turn.core.put(turn.arg.trim_start_matches('/'), new.clone(), &ago(600));
            Act::Deliver(old)
        }
        "CWD" | "SIZE" | "MDTM" if turn.arg.contains("none") => Act::say("550 none: No such file or directory"),
        _ => Act::Usual,
    });
    server.put("first", pseudo_random(719, 5000));
    server.put("a.bin", pseudo_random(719, 5000));
    let ftpq = Ftpq::new();
    for (path, name) in [("first", "first"), ("a.bin", "a.bin"), ("none/x", "x"), ("none/y", "y")] {
        ftpq.add(&[(server.url(path), name)]);
    }
    let ended = ftpq.run(&["--json", "run", "--timeout", "5", "--per-host", "1", "--retries", "3"]);
    let story = format!("{ended}{}", server.core().dialogue());
    assert_eq!(ended.code, Some(1), "{story}");
    ftpq.assert_file("a.bin", &rewritten, &story);
}

/// No session is left that would ask, and nothing of the file could be gone on with: the attempts have an end.
#[test]
fn a_file_that_can_not_be_continued_is_not_fetched_for_ever_where_every_session_ends_with_its_transfer() {
    for more in [&["--type", "ascii"][..], &["--no-resume"]] {
        let server = Scripted::lying(|turn| match turn.verb {
            "RETR" => Act::Deliver(Delivery { hang_up: true, ..turn.delivery() }),
            _ => Act::Usual,
        });
        server.put("a.bin", lines(731));
        let (ftpq, ended, story) = fetch(&server, &[&["--retries", "1", "--pipelining", "burst"], more].concat());
        assert!(server.core().args("RETR").len() <= 2, "{story}");
        // On the next session the file is still the same.
        assert_eq!(ended.code, Some(0), "{story}");
        ftpq.assert_file("a.bin", &lines(731), &story);
    }
}

// ---- lengths ----

/// A folder with `a.bin`, of which the listing says one thing and the transfer brings another.
fn listed(
    answers: impl Fn(&Turn) -> Option<Act> + Send + Sync + 'static,
    mlst: bool,
    data: &[u8],
) -> (Ended, Ftpq, String) {
    let server = Scripted::with(Traits { mlst, ..Traits::default() }, move |turn| answers(turn).unwrap_or(Act::Usual));
    server.put("d/a.bin", data);
    let ftpq = Ftpq::new();
    let into = ftpq.downloads();
    let ended = ftpq.run(&[
        "--json",
        "get",
        "--recursive",
        &server.url("d/"),
        "--into",
        into.to_str().unwrap(),
        "--retries",
        "0",
        "--timeout",
        "5",
    ]);
    let story = format!("{ended}{}", server.core().dialogue());
    (ended, ftpq, story)
}

/// The server's disk is full of holes, or its process has a limit: it ends early, and says that all is well.
fn cut(turn: &Turn) -> Option<Act> {
    (turn.verb == "RETR")
        .then(|| Act::Deliver(Delivery { upto: 100_000, opening: "150 Here it comes.".to_owned(), ..turn.delivery() }))
}

#[test]
fn a_length_that_only_the_listing_tells_is_held_against_what_came() {
    let data = pseudo_random(720, LEN);
    for (mlst, size) in [(false, "502 What?"), (false, "213 0"), (true, "550 No."), (true, "213 0")] {
        let answers = move |turn: &Turn| match turn.verb {
            "SIZE" => Some(Act::say(size)),
            "MDTM" | "MLST" => Some(Act::say("502 What?")),
            _ => cut(turn),
        };
        let (ended, ftpq, story) = listed(answers, mlst, &data);
        assert_eq!(ended.code, Some(1), "{size}\n{story}");
        ftpq.assert_absent("a.bin", &story);
        assert!(story.contains("the folder's listing tells 300000"), "{size}\n{story}");
    }
}

#[test]
fn a_listing_that_is_out_of_date_is_asked_again() {
    let (old, new) = (pseudo_random(721, LEN), pseudo_random(722, LEN / 3));
    let becomes = new.clone();
    let answers = move |turn: &Turn| match turn.verb {
        "SIZE" | "MDTM" | "MLST" => Some(Act::say("502 What?")),
        "RETR" if turn.before == 0 => {
            turn.core.put("d/a.bin", becomes.clone(), "20250101000000");
            let now = turn.delivery();
            let data = Arc::new(becomes.clone());
            Some(Act::Deliver(Delivery { upto: data.len(), data, opening: "150 Here.".to_owned(), ..now }))
        }
        _ => None,
    };
    let (ended, ftpq, story) = listed(answers, false, &old);
    assert_eq!(ended.code, Some(0), "{story}");
    ftpq.assert_file("a.bin", &new, &story);
}

#[test]
fn a_length_that_only_the_150_tells_is_held_against_what_came() {
    let data = pseudo_random(723, LEN);
    for (announced, code) in
        [("150 Opening (300000 bytes).", 1), ("150 Opening (100000 bytes)", 0), ("150 Opening.", 0)]
    {
        let server = Scripted::lying(move |turn| match turn.verb {
            "SIZE" | "MDTM" | "MLST" => Act::say("502 What?"),
            "RETR" => {
                let opening = announced.to_owned();
                Act::Deliver(Delivery { upto: 100_000, opening, ..turn.delivery() })
            }
            _ => Act::Usual,
        });
        server.put("a.bin", data.clone());
        let (_, ended, story) = fetch(&server, &["--retries", "0"]);
        assert_eq!(ended.code, Some(code), "{announced}\n{story}");
    }
}

/// SIZE and MLSD read from two caches.
#[test]
fn two_lengths_for_one_time_are_no_length() {
    let data = pseudo_random(724, LEN / 3);
    let answers = |turn: &Turn| match turn.verb {
        "MLSD" => {
            let line = b"type=file;size=300000;modify=20240229123456; a.bin\r\n".to_vec();
            Some(Act::Deliver(Delivery { upto: line.len(), data: Arc::new(line), ..turn.delivery() }))
        }
        "MLST" => Some(Act::say("502 What?")),
        _ => None,
    };
    let (ended, ftpq, story) = listed(answers, true, &data);
    assert_eq!(ended.code, Some(1), "{story}");
    ftpq.assert_absent("a.bin", &story);
    assert!(story.contains("SIZE tells 100000 bytes") && story.contains("listing tells 300000"), "{story}");
}

/// A server whose listings and SIZE never agree is not made to list a folder again for each of its files.
#[test]
fn a_folder_is_not_read_again_for_each_file_whose_length_it_tells_otherwise() {
    const FILES: usize = 40;
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, |turn| match turn.verb {
        "MLSD" => {
            let line = |n| format!("type=file;size=999;modify=20240229123456; f{n}\r\n");
            let lines: String = (0..FILES).map(line).collect();
            let data = Arc::new(lines.into_bytes());
            Act::Deliver(Delivery { upto: data.len(), data, ..turn.delivery() })
        }
        "MLST" => Act::say("502 What?"),
        _ => Act::Usual,
    });
    for n in 0..FILES {
        server.put(&format!("d/f{n}"), pseudo_random(750 + n as u64, 3000));
    }
    let ftpq = Ftpq::new();
    let (into, url) = (ftpq.downloads(), server.url("d/"));
    let ended = ftpq.run(&["--json", "get", "--recursive", &url, "--into", into.to_str().unwrap(), "--timeout", "5"]);
    let story = format!("{ended}{}", server.core().dialogue());
    assert_eq!(ended.events("failed").len(), FILES, "{story}");
    let listings = server.core().args("MLSD").len();
    // The first, and those of the files that were under way at the same time.
    assert!((2..=16).contains(&listings), "{listings} listings\n{story}");
}

// ---- interruptions between the last byte and the name ----

/// Killed while the server is still to be asked: the bytes are there, and no byte comes twice.
#[test]
fn a_kill_before_the_last_look_costs_no_byte() {
    let data = pseudo_random(730, LEN);
    let server = Scripted::lying(|turn| {
        if turn.verb == "SIZE" && turn.core.sent("a.bin") >= LEN as u64 {
            turn.core.wait_for_release();
        }
        Act::Usual
    });
    server.put("a.bin", data.clone());
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url("a.bin"), "a.bin")]);
    let run = ftpq.spawn(&["run"]);
    let asks = || server.core().sent("a.bin") >= LEN as u64 && server.core().args("SIZE").len() == 2;
    assert!(crate::support::watch::wait_for(Duration::from_secs(30), asks), "{}", server.core().dialogue());
    run.kill().expect_killed();
    assert!(!ftpq.downloads().join("a.bin").exists(), "it has its name before the last look");
    server.core().release();
    let ended = ftpq.run(&["run"]).expect_code(0);
    ftpq.assert_file("a.bin", &data, &ended);
    assert_eq!(server.core().sent("a.bin"), LEN as u64, "{ended}");
    assert!(fs::metadata(ftpq.downloads().join("a.bin")).unwrap().len() == LEN as u64);
}

/// A server that hangs up after each file: whatever is still to be asked is asked on the next session.
#[test]
fn a_session_that_ends_with_its_transfer_leaves_no_file_without_its_last_look() {
    let server = Scripted::lying(|turn| match turn.verb {
        "RETR" => Act::Deliver(Delivery { hang_up: true, ..turn.delivery() }),
        _ => Act::Usual,
    });
    let files: Vec<Vec<u8>> =
        (0..6).map(|n| pseudo_random(740 + n, 4000 + 40_000 * usize::try_from(n).unwrap())).collect();
    let ftpq = Ftpq::new();
    let mut jobs = Vec::new();
    for (n, data) in files.iter().enumerate() {
        server.put(&format!("f{n}"), data.clone());
        jobs.push((server.url(&format!("f{n}")), format!("f{n}")));
    }
    ftpq.add(&jobs.iter().map(|(url, path)| (url.clone(), path.as_str())).collect::<Vec<_>>());
    let ended = ftpq.run(&["--json", "run", "--timeout", "5", "--retries", "2", "--per-host", "2"]).expect_code(0);
    let story = format!("{ended}{}", server.core().dialogue());
    for (n, data) in files.iter().enumerate() {
        ftpq.assert_file(&format!("f{n}"), data, &story);
        assert_eq!(server.core().sent(&format!("f{n}")), data.len() as u64, "{story}");
    }
}

/// The only session that is left has hours to do: a small file beside it gets its name all the same.
#[test]
fn a_last_look_does_not_wait_for_a_transfer_that_takes_long() {
    let server = Scripted::with(Traits { pace: 100_000, ..Traits::default() }, |turn| match turn.verb {
        "RETR" if turn.arg.contains("small") => Act::Deliver(Delivery { hang_up: true, ..turn.delivery() }),
        _ => Act::Usual,
    });
    let ftpq = Ftpq::new();
    server.put("long", pseudo_random(760, 3_000_000));
    server.put("small", pseudo_random(761, 3_000));
    ftpq.add(&[(server.url("long"), "long"), (server.url("small"), "small")]);
    let run = ftpq.spawn(&["run", "--per-host", "2", "--pipelining", "burst", "--no-split"]);
    let is_named = || ftpq.downloads().join("small").exists();
    assert!(crate::support::watch::wait_for(Duration::from_secs(25), is_named), "{}", server.core().dialogue());
    assert!(!ftpq.downloads().join("long").exists(), "the long one was through");
    assert_eq!(server.core().sent("small"), 3_000);
    run.kill().expect_killed();
}

/// Hosts with one file each cost one login each.
#[test]
fn a_session_that_makes_way_for_another_host_puts_its_question_first() {
    let servers: Vec<Scripted> = (0..6).map(|_| Scripted::honest()).collect();
    let ftpq = Ftpq::new();
    for (n, server) in servers.iter().enumerate() {
        server.put("f", pseudo_random(763, 3_000));
        ftpq.add(&[(server.url("f"), &format!("f{n}"))]);
    }
    let ended = ftpq.run(&["run", "--connections", "2"]).expect_code(0);
    for server in &servers {
        let core = server.core();
        assert_eq!((core.sessions().1, core.args("RETR").len()), (1, 1), "{ended}{}", core.dialogue());
    }
}
