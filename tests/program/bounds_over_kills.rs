//! A tree is bounded over kills, also while the folder that the user named was still being read.

use crate::support::{Act, End, Ftpq, Scripted, Traits, watch};
use std::{
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// The listing of the named folder never ends in the first run, while its first folders are read.
#[test]
fn a_named_folder_that_a_kill_met_half_read_gives_its_tree_no_new_bound() {
    let stalls = Arc::new(AtomicUsize::new(1));
    let is_stalling = Arc::clone(&stalls);
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, move |turn| match turn.verb {
        "CWD" => Act::say("250 There you are"),
        "MLSD" => {
            let mut told = turn.delivery();
            let mut text = String::new();
            (0..10).for_each(|n| writeln!(text, "type=dir;modify=20240229123456; d{n}\r").unwrap());
            if is_stalling.swap(0, Ordering::SeqCst) == 1 {
                // What was told before is handed over once a line comes a moment later.
                (0..40).for_each(|n| writeln!(text, "type=file;size=1;modify=20240229123456; {n}.out\r").unwrap());
                (told.pace, told.end) = (1_000, End::Stall);
            }
            told.upto = text.len();
            told.data = Arc::new(text.into_bytes());
            Act::Deliver(told)
        }
        _ => Act::Usual,
    });
    server.put_folder("d");
    let ftpq = Ftpq::new();
    let into = ftpq.downloads();
    let bounds = ["--max-folders", "25", "--exclude", "*.out"];
    let add = ["add", "--recursive", &server.url("d/"), "--into", into.to_str().unwrap()];
    ftpq.run(&[&add[..], &bounds].concat()).expect_code(0);
    let run = ftpq.spawn(&["run", "--per-host", "2"]);
    let is_full = watch::wait_for(Duration::from_secs(30), || ftpq.count("failed") > 0 && ftpq.count("done") > 0);
    assert!(is_full, "{}", run.so_far());
    assert_eq!(ftpq.json(&["list"]).len(), 26, "the named folder, and 25 below it");
    let killed = run.kill();
    let ended = ftpq.run(&["run", "--per-host", "1"]).expect_code(1);
    assert_eq!(ftpq.json(&["list"]).len(), 26, "the named folder, and 25 below it\n{killed}{ended}");
}
