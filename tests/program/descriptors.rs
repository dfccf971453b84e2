//! Limits on open files: a budget, and never a job's failure.

use crate::support::{Act, Ended, Ftpq, Scripted, Traits, pseudo_random};

/// Twenty files, small and large, under a limit on open files.
fn under(limit: &str) -> (Ftpq, Scripted, Ended) {
    let server = Scripted::with(Traits { pace: 4_000_000, ..Traits::default() }, |_| Act::Usual);
    let ftpq = Ftpq::new();
    let names: Vec<String> = (0..20).map(|n| format!("f{n}")).collect();
    for (at, name) in names.iter().enumerate() {
        server.put(name, pseudo_random(320, if at % 4 == 0 { 400_000 } else { 9_000 }));
    }
    ftpq.add(&names.iter().map(|name| (server.url(name), name.as_str())).collect::<Vec<_>>());
    let ended = ftpq.run_under(&[limit], &["run", "--retries", "0"]);
    (ftpq, server, ended)
}

#[test]
fn thirty_two_open_files_do_for_a_run() {
    let (ftpq, server, ended) = under("--nofile=32:32");
    assert_eq!(ended.code, Some(0), "{ended}{}", server.core().dialogue());
    assert_eq!((ftpq.count("done"), ftpq.count("failed")), (20, 0), "{ended}");
}

/// Too few even for one transfer, or just enough: either way no job pays for it.
#[test]
fn twenty_four_open_files_cost_no_job() {
    let (ftpq, _server, ended) = under("--nofile=24:24");
    assert!(matches!(ended.code, Some(0 | 5)), "{ended}");
    if ended.code == Some(5) {
        assert!(ended.err.contains("ulimit -n"), "it is not said what to do\n{ended}");
    }
    let counts = (ftpq.count("failed"), ftpq.count("done") + ftpq.count("queued"));
    assert_eq!(counts, (0, 20), "{ended}");
    let again = ftpq.run(&["run"]).expect_code(0);
    assert_eq!(ftpq.count("done"), 20, "{again}");
}

#[test]
fn a_soft_limit_is_raised_to_the_hard_one() {
    let (ftpq, server, ended) = under("--nofile=26:1024");
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(ftpq.count("done"), 20, "{ended}");
    assert!(!ended.err.contains("connection at a time"), "it ran short\n{ended}");
    assert!(server.core().sessions().0 > 1, "a single connection was used\n{ended}");
}
