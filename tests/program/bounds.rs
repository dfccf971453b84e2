//! Trees without end: how many folders and jobs one command makes is bounded, and what is left out is said.

use crate::support::{Act, Delivery, Ended, Ftpq, Scripted, Traits, Turn, watch};
use std::{
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// These lines as a listing.
fn listed(turn: &Turn, lines: &str) -> Delivery {
    Delivery { upto: lines.len(), data: Arc::new(lines.as_bytes().to_vec()), ..turn.delivery() }
}

/// A server on which each folder lists what the closure says of the so-manieth listing.
fn server(listing: impl Fn(usize) -> String + Send + Sync + 'static) -> Scripted {
    let count = AtomicUsize::new(0);
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, move |turn| match turn.verb {
        "CWD" => Act::say("250 There you are"),
        "MLSD" => Act::Deliver(listed(turn, &listing(count.fetch_add(1, Ordering::SeqCst)))),
        _ => Act::Usual,
    });
    server.put_folder("d");
    server
}

fn folders(count: usize) -> String {
    (0..count).fold(String::new(), |mut text, n| {
        writeln!(text, "type=dir;modify=20240229123456; d{n}\r").unwrap();
        text
    })
}

fn get(ftpq: &Ftpq, server: &Scripted, more: &[&str]) -> Ended {
    let into = ftpq.downloads();
    let args = ["get", "--recursive", &server.url("d/"), "--into", into.to_str().unwrap()];
    ftpq.run(&[&args, more].concat())
}

/// Ten to the power of what a path may be deep: no machine would ever come to its end.
#[test]
fn a_tree_in_which_each_folder_lists_ten_more_comes_to_an_end_and_says_what_was_left_out() {
    let server = server(|_| folders(10));
    let ftpq = Ftpq::new();
    let ended = get(&ftpq, &server, &["--max-folders", "25"]).expect_code(1);
    assert_eq!(server.core().args("MLSD").len(), 26, "the named folder, and 25 below it\n{ended}");
    assert!(ended.err.contains("25 folders at most"), "{ended}");
    assert!(ended.err.contains("--max-folders") && ended.err.contains("d5, d6, d7"), "{ended}");
    // Nothing of it is left for another run to go on with for ever.
    let again = ftpq.run(&["run"]).expect_code(1);
    assert_eq!(server.core().args("MLSD").len(), 26, "{again}");
}

/// A server of which no folder can be read whole, for one reason or another.
fn fails_each(words: &'static str, closes: bool, listing: impl Fn() -> String + Send + Sync + 'static) -> Scripted {
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, move |turn| match turn.verb {
        "CWD" => Act::say("250 There you are"),
        "LIST" if closes => Act::SayAndClose(Vec::new()),
        "LIST" => Act::say("550 No"),
        "MLSD" => Act::Deliver(Delivery { verdict: words.to_owned(), ..listed(turn, &listing()) }),
        _ => Act::Usual,
    });
    server.put_folder("d");
    server
}

/// A folder that fails for good keeps what it gave: else its tree has no end.
#[test]
fn a_tree_of_folders_that_all_fail_is_bounded_too() {
    let whole = "226 Transfer complete";
    let reasons = [
        ("a line that is not understood", whole, false, "mrw-r--r-- what is this\r\n"),
        ("words of truncation", "226 Output truncated to 10 matches", false, ""),
        ("the session ends when the rest is asked for", "226 Output truncated to 10 matches", true, ""),
    ];
    for (what, words, closes, line) in reasons {
        let server = fails_each(words, closes, move || folders(10) + line);
        let ftpq = Ftpq::new();
        let ended = get(&ftpq, &server, &["--max-folders", "25", "--retries", "0"]).expect_code(1);
        assert_eq!(ftpq.json(&["list"]).len(), 26, "{what}: the named folder, and 25 below it\n{ended}");
        let again = ftpq.run(&["retry"]);
        let ended = ftpq.run(&["run"]).expect_code(1);
        assert_eq!(ftpq.json(&["list"]).len(), 26, "{what}: all of them read once more\n{again}{ended}");
    }
}

#[test]
fn the_same_command_with_a_higher_bound_reads_on() {
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, |_| Act::Usual);
    for n in 0..5 {
        server.put(&format!("d/sub{n}/f"), "content");
    }
    let ftpq = Ftpq::new();
    let ended = get(&ftpq, &server, &["--max-folders", "3"]).expect_code(1);
    assert!(ended.err.contains("2 folders and 0 files were left out"), "{ended}");
    assert_eq!(watch::files_below(&ftpq.downloads()).len(), 3, "{ended}");
    let ended = get(&ftpq, &server, &["--max-folders", "5"]).expect_code(0);
    assert_eq!(watch::files_below(&ftpq.downloads()).len(), 5, "{ended}");
}

#[test]
fn files_are_bounded_as_jobs_and_the_first_that_are_left_out_are_named() {
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, |_| Act::Usual);
    for n in 0..9 {
        server.put(&format!("d/f{n}"), "content");
    }
    let ftpq = Ftpq::new();
    let ended = get(&ftpq, &server, &["--max-jobs", "4"]).expect_code(1);
    assert_eq!(watch::files_below(&ftpq.downloads()).len(), 4, "{ended}");
    assert!(ended.err.contains("0 folders and 5 files were left out") && ended.err.contains("f4, f5, f6"), "{ended}");
    assert!(ended.err.contains("--max-jobs"), "{ended}");
}

/// A folder mounted into itself: the server tells by `unique` that it is one above.
#[test]
fn a_folder_that_is_one_above_it_once_more_is_not_entered_and_told_of() {
    let listing = "type=dir;unique=801U2; back\r\ntype=file;size=7;modify=20240229123456;unique=801U9; f\r\n";
    let server = server(move |_| listing.to_owned());
    server.put("d/f", "content");
    server.put("d/back/f", "content");
    let ftpq = Ftpq::new();
    let ended = get(&ftpq, &server, &[]);
    assert_eq!(server.core().args("MLSD").len(), 2, "the named folder, and the one in it\n{ended}");
    assert!(ended.err.contains("one above them once more") && ended.err.contains("back"), "{ended}");
}

/// Where the server has the same `unique` for everything, it proves nothing: the tree is read as it is.
#[test]
fn a_server_for_which_all_folders_are_the_same_is_not_believed() {
    let server = server(|at| if at < 3 { "type=dir;unique=1; d\r\n".to_owned() } else { String::new() });
    let ftpq = Ftpq::new();
    let ended = get(&ftpq, &server, &[]).expect_code(0);
    assert_eq!(server.core().args("MLSD").len(), 4, "{ended}");
}

/// A run is killed while it reads a tree in which each folder lists ten more and a line; the server gives so many listings
/// until then. Neither it nor the run that goes on makes more jobs than the bound and the named folder.
fn bounded_over_a_kill(bound: usize, listings: usize, line: &'static str, is_stuck: impl Fn(&Ftpq) -> bool) {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, move |turn| match turn.verb {
        "CWD" => Act::say("250 There you are"),
        "MLSD" => {
            if count.fetch_add(1, Ordering::SeqCst) >= listings {
                turn.core.wait_for_release();
            }
            Act::Deliver(listed(turn, &(folders(10) + line)))
        }
        _ => Act::Usual,
    });
    server.put_folder("d");
    let ftpq = Ftpq::new();
    let (into, most) = (ftpq.downloads(), bound.to_string());
    let args = ["add", "--recursive", "--max-folders", &most, &server.url("d/"), "--into", into.to_str().unwrap()];
    ftpq.run(&args).expect_code(0);
    let run = ftpq.spawn(&["run"]);
    let stuck =
        watch::wait_for(Duration::from_secs(30), || seen.load(Ordering::SeqCst) > listings + 2 && is_stuck(&ftpq));
    assert!(stuck, "{}", run.so_far());
    let killed = run.kill();
    server.core().release();
    let ended = ftpq.run(&["run"]).expect_code(1);
    assert_eq!(ftpq.json(&["list"]).len(), bound + 1, "the named folder, and {bound} below it\n{killed}{ended}");
}

/// A run that is killed on its way gives the tree no new bound. What a listing gave that is still to be settled is counted
/// when it is read again.
#[test]
fn a_tree_that_was_interrupted_is_bounded_as_one_that_was_not() {
    bounded_over_a_kill(25, 2, "", |ftpq| ftpq.count("done") == 2);
}

/// Nor does a kill give it one where its folders fail: what they gave is known by the jobs that they made.
#[test]
fn a_tree_of_folders_that_fail_is_bounded_over_a_kill() {
    bounded_over_a_kill(15, 3, "mrw-r--r-- what is this\r\n", |ftpq| ftpq.count("failed") > 0);
}

/// What lies behind a bound is not known, so nothing counts as gone.
#[test]
fn sync_deletes_nothing_of_a_tree_that_was_not_read_to_its_end() {
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, |_| Act::Usual);
    for folder in 0..4 {
        server.put(&format!("d/sub{folder}/f"), "content");
    }
    let ftpq = Ftpq::new();
    let into = ftpq.downloads();
    let sync = |more: &[&str]| {
        let args = ["sync", &server.url("d/"), into.to_str().unwrap()];
        ftpq.run(&[&args, more].concat())
    };
    sync(&[]).expect_code(0);
    server.core().remove("d/sub0/f");
    let ended = sync(&["--delete", "--max-folders", "2"]).expect_code(1);
    assert_eq!(watch::files_below(&into).len(), 4, "{ended}");
    assert!(ended.err.contains("nothing was deleted"), "{ended}");
}
