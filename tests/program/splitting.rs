//! A large file over several connections: the right bytes, little fetched twice, and no job kept waiting.

use crate::{
    disk_full::Small,
    support::{
        Act, Delivery, End, Ended, Ftpq, Scripted, Traits, Turn,
        bytes::difference,
        pseudo_random,
        real::{self, Kind, Options, Server},
        report, watch,
    },
};
use rustix::process::Signal;
use std::{
    fs,
    io::Write,
    os::unix::fs::FileExt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

const MIB: usize = 1 << 20;
/// Bytes a second of each connection.
const PACE: u64 = 6 << 20;
const LEN: usize = 36 * MIB;

fn paced(pace: u64) -> Traits {
    Traits { pace, ..Traits::default() }
}

/// One large file, queued from a scripted server.
struct Large {
    ftpq: Ftpq,
    server: Scripted,
    data: Vec<u8>,
}

impl Large {
    fn new(traits: Traits, hook: impl Fn(&Turn) -> Act + Send + Sync + 'static) -> Self {
        Self::of(pseudo_random(300, LEN), traits, hook)
    }

    fn of(data: Vec<u8>, traits: Traits, hook: impl Fn(&Turn) -> Act + Send + Sync + 'static) -> Self {
        let server = Scripted::with(traits, hook);
        server.put("a.bin", data.clone());
        let ftpq = Ftpq::new();
        ftpq.add(&[(server.url("a.bin"), "a.bin")]);
        Self { ftpq, server, data }
    }

    /// Runs to the end; the file has to be right then.
    fn arrives(&self, more: &[&str]) -> (Ended, String) {
        let ended = self.ftpq.run(&[&["--json", "run", "--retries", "3", "--timeout", "5"], more].concat());
        let story = format!("{ended}{}", self.server.core().dialogue());
        assert_eq!(ended.code, Some(0), "{story}");
        self.ftpq.assert_file("a.bin", &self.data, &story);
        (ended, story)
    }

    /// Starts a run and lets it go on until the server has sent so much.
    fn under_way(&self, sent: u64, args: &[&str]) -> crate::support::ftpq::Running {
        let run = self.ftpq.spawn(&[&["run"], args].concat());
        let there = watch::wait_for(Duration::from_secs(30), || self.server.core().sent_total() >= sent);
        assert!(there, "{}{}", run.so_far(), self.server.core().dialogue());
        run
    }

    fn sent(&self) -> u64 {
        self.server.core().sent_total()
    }
}

fn note(ended: &Ended) -> String {
    ended.events("done")[0]["note"].as_str().unwrap_or_default().to_owned()
}

/// What may be on its way when a connection is closed in mid-transfer, and an overlap.
const CUT: u64 = 600_000;

#[test]
fn sessions_without_work_share_a_large_file_and_each_byte_comes_once() {
    let large = Large::new(paced(PACE), |_| Act::Usual);
    let (ended, story) = large.arrives(&["--per-host", "4"]);
    assert_eq!(large.server.core().sessions().0, 4, "{story}");
    assert!(note(&ended).contains("pieces"), "{story}");
    assert_eq!((ended.events("started").len(), ended.events("done").len()), (1, 1), "{story}");
    let (sent, fetched) = (large.sent(), ended.events("done")[0]["fetched"].as_u64().unwrap());
    assert!(sent <= LEN as u64 + 4 * CUT, "{sent} bytes were sent\n{story}");
    assert!(fetched >= LEN as u64 && fetched <= sent, "{fetched} of {sent}\n{story}");
}

#[test]
fn nothing_is_shared_where_the_user_does_not_want_it_or_it_can_not_be_done() {
    let table: [&[&str]; 4] = [&["--no-split"], &["--no-resume"], &["--limit-rate", "1G"], &["--type", "ascii"]];
    for options in table {
        let data = vec![b'x'; 20 * MIB];
        let large = Large::of(data, paced(2 * PACE), |_| Act::Usual);
        let (_, story) = large.arrives(options);
        assert_eq!(large.server.core().sessions().1, 1, "{options:?}\n{story}");
    }
}

#[test]
fn a_setting_of_the_host_forbids_to_share() {
    let large = Large::of(pseudo_random(301, 20 * MIB), paced(2 * PACE), |_| Act::Usual);
    let config = large.ftpq.write("config.toml", "[host.\"127.0.0.1\"]\nsplit = false\n");
    let (_, story) = large.arrives(&["--config", &config]);
    assert_eq!(large.server.core().sessions().1, 1, "{story}");
}

#[test]
fn a_server_without_rest_stream_or_time_is_asked_once_only() {
    for missing in ["FEAT", "MDTM"] {
        let large = Large::of(pseudo_random(302, 20 * MIB), paced(2 * PACE), move |turn| match turn.verb {
            verb if verb == missing => Act::say("502 Command not implemented."),
            _ => Act::Usual,
        });
        let (_, story) = large.arrives(&[]);
        assert_eq!(large.server.core().sessions().1, 1, "{missing}\n{story}");
    }
}

/// As a kill -9 of 8 connections: what is fetched again is at most a MiB a connection.
#[test]
fn a_kill_costs_at_most_a_mebibyte_a_connection() {
    let large = Large::of(pseudo_random(303, 120 * MIB), paced(PACE), |_| Act::Usual);
    let run = large.under_way(50 << 20, &["--per-host", "8", "--connections", "8"]);
    let killed = run.kill();
    let peak = large.server.core().sessions().0;
    assert_eq!(peak, 8, "{killed}{}", large.server.core().dialogue());
    std::thread::sleep(Duration::from_millis(300));
    let (ended, story) = large.arrives(&["--per-host", "8", "--connections", "8"]);
    let twice = large.sent() - large.data.len() as u64;
    report::table(&format!("kill -9 with 8 connections: {} KiB were fetched twice, both runs together\n", twice >> 10));
    // The pieces' ends in both runs, where connections are closed in mid-transfer, are not the kill's.
    let fetched = ended.events("done")[0]["fetched"].as_u64().unwrap();
    assert!(twice <= 8 << 20, "{twice} bytes were sent twice\n{killed}{story}");
    assert!(fetched < 80 << 20, "{fetched} bytes were fetched after the kill\n{killed}{story}");
}

#[test]
fn kills_at_any_moment_leave_nothing_wrong() {
    let large = Large::of(pseudo_random(304, 60 * MIB), paced(PACE), |_| Act::Usual);
    for kill in 1..=4 {
        let run = large.under_way(large.sent() + (9 << 20), &["--per-host", "4"]);
        let ended = run.kill();
        assert_eq!(ended.signal, Some(9), "kill {kill} came too late\n{ended}");
    }
    let (_, story) = large.arrives(&["--per-host", "4"]);
    let twice = large.sent() - large.data.len() as u64;
    assert!(twice <= 20 << 20, "{twice} bytes were sent twice\n{story}");
}

#[test]
fn a_server_that_ignores_rest_gives_the_right_file() {
    let large = Large::new(Traits { ignores_rest: true, ..paced(2 * PACE) }, |_| Act::Usual);
    let (_, story) = large.arrives(&["--per-host", "4"]);
    assert!(large.sent() < LEN as u64 + (4 << 20), "{} bytes\n{story}", large.sent());
    let status = large.ftpq.json_one(&["status"]);
    assert_eq!(status["hosts"][0]["quirks"]["no_rest"], true, "{status:#}\n{story}");
}

/// The file's beginning, and what lies where it is divided, look alike for a while: zeros.
#[test]
fn a_server_that_ignores_rest_gives_the_right_file_where_its_bytes_look_alike() {
    for zeros in [MIB, 30 * MIB] {
        let mut data = pseudo_random(305, LEN);
        data[..MIB].fill(0);
        let from = LEN / 4;
        data[from..from + zeros.min(LEN - from - MIB)].fill(0);
        let large = Large::of(data, Traits { ignores_rest: true, ..paced(2 * PACE) }, |_| Act::Usual);
        large.arrives(&["--per-host", "4"]);
    }
}

#[test]
fn a_file_of_zeros_arrives() {
    let large = Large::of(vec![0; 20 * MIB], paced(2 * PACE), |_| Act::Usual);
    large.arrives(&["--per-host", "4"]);
}

/// Zeros where pieces meet prove nothing; the proof goes on to bytes that do.
#[test]
fn a_file_with_long_runs_of_zeros_arrives() {
    let mut data = pseudo_random(306, LEN);
    data[MIB..LEN - MIB].fill(0);
    let large = Large::of(data, paced(PACE), |_| Act::Usual);
    large.arrives(&["--per-host", "4"]);
}

#[test]
fn a_server_that_refuses_rest_gives_the_right_file() {
    let large = Large::new(paced(2 * PACE), |turn| match turn.verb {
        "REST" => Act::say("502 REST not implemented."),
        _ => Act::Usual,
    });
    let (ended, story) = large.arrives(&["--per-host", "4"]);
    assert!(ended.events("retrying").is_empty(), "{story}");
    assert!(large.sent() < LEN as u64 + (1 << 20), "{} bytes\n{story}", large.sent());
}

/// Sessions but the first give another file of the same size.
fn another_version(honest_about_time: bool) {
    let other = Arc::new(pseudo_random(307, LEN));
    let large = Large::new(paced(PACE), move |turn| match turn.verb {
        "MDTM" if turn.session > 1 && honest_about_time => Act::say("213 20250101000000"),
        "RETR" if turn.session > 1 => Act::Deliver(Delivery { data: Arc::clone(&other), ..turn.delivery() }),
        _ => Act::Usual,
    });
    let ended = large.ftpq.run(&["--json", "run", "--retries", "1", "--timeout", "5", "--per-host", "4"]);
    let story = format!("{ended}{}", large.server.core().dialogue());
    let got = fs::read(large.ftpq.downloads().join("a.bin"));
    match ended.code {
        Some(0) => assert!(difference(&got.unwrap(), &large.data).is_none(), "the file is mixed\n{story}"),
        _ => assert!(got.is_err(), "{story}"),
    }
    assert_eq!(ended.code, Some(0), "{story}");
    assert!(large.server.core().sessions().1 > 1, "{story}");
    if honest_about_time {
        // Nothing of the other version was asked for.
        assert!(large.sent() < LEN as u64 + (1 << 20), "{} bytes\n{story}", large.sent());
    } else {
        assert!(note(&ended).contains("differ"), "it does not say why bytes were fetched again\n{story}");
    }
}

#[test]
fn a_session_that_tells_of_another_version_does_not_help() {
    another_version(true);
}

#[test]
fn a_session_that_secretly_gives_another_version_is_found_out_where_the_pieces_meet() {
    another_version(false);
}

#[test]
fn helpers_whose_connections_are_cut_cost_no_job_an_attempt() {
    let cuts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&cuts);
    let large = Large::new(paced(PACE), move |turn| match turn.verb {
        "RETR" if turn.rest > 0 && counted.fetch_add(1, Ordering::SeqCst) < 6 => {
            let upto = usize::try_from(turn.rest).unwrap() + MIB;
            Act::Deliver(Delivery { upto, end: End::Reset, verdict: String::new(), hang_up: true, ..turn.delivery() })
        }
        _ => Act::Usual,
    });
    let (ended, story) = large.arrives(&["--per-host", "3"]);
    assert!(ended.events("retrying").is_empty(), "{story}");
    assert!(cuts.load(Ordering::SeqCst) >= 6, "{story}");
    assert!(large.sent() < LEN as u64 + 10 * CUT, "{} bytes\n{story}", large.sent());
}

/// Helpers that get nothing at all are not sent for ever.
#[test]
fn helpers_in_vain_are_sent_a_few_times_only() {
    let large = Large::new(paced(PACE), |turn| match turn.verb {
        "RETR" if turn.rest > 0 => Act::say("550 Not twice at a time."),
        _ => Act::Usual,
    });
    let (ended, story) = large.arrives(&["--per-host", "3"]);
    assert!(ended.events("retrying").is_empty(), "{story}");
    assert!(large.server.core().args("RETR").len() <= 8, "{story}");
    assert!(large.sent() <= LEN as u64, "{} bytes\n{story}", large.sent());
}

#[test]
fn what_all_connections_brought_is_kept_when_the_first_is_cut() {
    let large = Large::new(paced(PACE), |turn| match turn.verb {
        "RETR" if turn.rest == 0 => {
            Act::Deliver(Delivery { upto: 7 * MIB, end: End::Reset, verdict: String::new(), ..turn.delivery() })
        }
        _ => Act::Usual,
    });
    let (ended, story) = large.arrives(&["--per-host", "3"]);
    assert_eq!(ended.events("retrying").len(), 1, "{story}");
    assert!(large.sent() < LEN as u64 + 8 * CUT, "{} bytes\n{story}", large.sent());
}

#[test]
fn a_server_that_takes_two_connections_only_costs_nothing_but_the_budget() {
    let large = Large::new(Traits { max_sessions: 2, ..paced(PACE) }, |_| Act::Usual);
    let (ended, story) = large.arrives(&["--per-host", "4"]);
    assert!(ended.events("retrying").is_empty(), "{story}");
    assert_eq!(large.ftpq.json_one(&["status"])["hosts"][0]["connection_limit"], 2, "{story}");
    assert!(note(&ended).contains("pieces"), "{story}");
    let logins = large.server.core().sessions().1;
    assert!(logins <= 5, "{logins} connections were tried\n{story}");
}

#[test]
fn a_stop_in_the_middle_is_quick_and_keeps_what_all_brought() {
    let large = Large::new(paced(PACE / 2), |_| Act::Usual);
    let mut run = large.under_way(14 << 20, &["--per-host", "4"]);
    let begin = Instant::now();
    run.signal(Signal::TERM);
    let stopped = run.wait(Duration::from_secs(10)).expect_code(3);
    assert!(begin.elapsed() < Duration::from_secs(2), "{stopped}");
    assert!(large.server.core().sessions().0 > 1, "{stopped}");
    let (ended, story) = large.arrives(&["--per-host", "4"]);
    let fetched = ended.events("done")[0]["fetched"].as_u64().unwrap();
    assert!(fetched <= LEN as u64 - (13 << 20), "{fetched} bytes were fetched after the stop\n{stopped}{story}");
    assert!(large.sent() < LEN as u64 + 8 * CUT, "{} bytes\n{stopped}{story}", large.sent());
}

#[test]
fn a_stopped_file_is_finished_over_one_connection_where_it_is_not_to_be_shared() {
    let large = Large::new(paced(PACE), |_| Act::Usual);
    let killed = large.under_way(14 << 20, &["--per-host", "4"]).kill();
    let before = large.server.core().sessions().1;
    let (_, story) = large.arrives(&["--per-host", "4", "--no-split"]);
    assert_eq!(large.server.core().sessions().1, before + 1, "{story}");
    assert!(large.sent() < LEN as u64 + (8 << 20), "{} bytes\n{killed}{story}", large.sent());
}

/// What a power cut may leave: right lengths, and zeros where nothing was made durable.
#[test]
fn after_a_machine_crash_only_durable_ranges_count() {
    if !cfg!(feature = "failpoints") {
        return report::skip("needs the feature failpoints");
    }
    let mut large = Large::of(pseudo_random(308, 60 * MIB), paced(2 << 20), |_| Act::Usual);
    large.ftpq.set("FTPQ_BOOT_ID", "boot-a");
    let run = large.ftpq.spawn(&["run", "--per-host", "4"]);
    let ranges = || large.ftpq.json_one(&["show", "1"])["progress"]["durable_ranges"].as_array().map_or(0, Vec::len);
    let there = watch::wait_for(Duration::from_secs(20), || ranges() > 1);
    // Further bytes, which are not durable.
    let sent = large.sent();
    watch::wait_for(Duration::from_secs(20), || large.sent() > sent + (6 << 20));
    let killed = run.kill();
    assert!(there, "no ranges were made durable\n{killed}");
    let job = large.ftpq.json_one(&["show", "1"]);
    let durable: Vec<(u64, u64)> = serde_json::from_value(job["progress"]["durable_ranges"].clone()).unwrap();
    let part = watch::part_of(&large.ftpq.downloads().join("a.bin"));
    let file = fs::File::options().write(true).open(&part).unwrap();
    let length = watch::length(&part);
    let mut at = 0;
    for &(start, end) in durable.iter().chain([&(length, length)]) {
        file.write_all_at(&vec![0; usize::try_from(start.saturating_sub(at)).unwrap()], at).unwrap();
        at = end;
    }
    let kept: u64 = durable.iter().map(|(start, end)| end - start).sum();
    large.ftpq.set("FTPQ_BOOT_ID", "boot-b");
    let (ended, story) = large.arrives(&["--per-host", "4"]);
    let fetched = ended.events("done")[0]["fetched"].as_u64().unwrap();
    let most = large.data.len() as u64 - kept + 8 * 100_000;
    assert!(fetched <= most, "{kept} bytes were durable, {fetched} were fetched\n{killed}{story}");
    assert!(note(&ended).contains("restarted"), "{story}");
}

#[test]
fn a_disk_that_fills_up_under_several_connections_keeps_what_is_there() {
    let ftpq = Ftpq::new();
    let place = ftpq.folder().join("small");
    let Some(_small) = Small::mount_image(&place, "mkfs.ext2", 60) else {
        return report::skip("needs root, mkfs.ext2 and a loop device");
    };
    let data = pseudo_random(309, 40 * MIB);
    let server = Scripted::with(paced(PACE / 2), |_| Act::Usual);
    server.put("a.bin", data.clone());
    let manifest = ftpq.write("list", format!("{} a.bin\n", server.url("a.bin")));
    ftpq.run(&["add", &manifest, "--into", place.to_str().unwrap()]).expect_code(0);
    let run = ftpq.spawn(&["run", "--per-host", "4"]);
    let there = watch::wait_for(Duration::from_secs(20), || server.core().sent_total() > 16 << 20);
    assert!(there, "{}", run.so_far());
    let mut filler = fs::File::create(place.join("filler")).unwrap();
    while filler.write_all(&[1; 4096]).is_ok() {}
    let ended = run.wait(Duration::from_secs(20)).expect_code(5);
    assert!(server.core().sessions().0 > 1, "{ended}");
    drop(filler);
    fs::remove_file(place.join("filler")).unwrap();
    let again = ftpq.run(&["--json", "run", "--per-host", "4"]).expect_code(0);
    let got = fs::read(place.join("a.bin")).unwrap();
    assert!(got == data, "{:?}\n{ended}{again}", difference(&got, &data));
    let fetched = again.events("done")[0]["fetched"].as_u64().unwrap();
    assert!(fetched < 26 << 20, "{fetched} bytes were fetched again\n{ended}{again}");
}

/// While a file is shared, a new job finds no room; it gets some at once.
#[test]
fn a_job_that_comes_later_does_not_wait_for_helpers() {
    let large = Large::of(pseudo_random(310, 50 * MIB), paced(3 << 20), |_| Act::Usual);
    large.server.put("small.bin", pseudo_random(311, 1000));
    let run = large.under_way(10 << 20, &["--per-host", "2"]);
    assert_eq!(large.server.core().sessions().0, 2, "{}", large.server.core().dialogue());
    large.ftpq.add(&[(large.server.url("small.bin"), "small.bin")]);
    let small = large.ftpq.downloads().join("small.bin");
    let there = watch::wait_for(Duration::from_secs(5), || small.exists());
    let whole = large.ftpq.downloads().join("a.bin").exists();
    assert!(there && !whole, "small: {there}, large: {whole}\n{}{}", run.so_far(), large.server.core().dialogue());
    let ended = run.wait(Duration::from_secs(60)).expect_code(0);
    large.ftpq.assert_file("a.bin", &large.data, &ended);
    assert!(large.server.core().sessions().0 <= 2, "{ended}");
}

/// A log grows while it is read.
#[test]
fn a_file_that_grows_while_it_is_shared_is_taken_as_it_was() {
    let large = Large::new(paced(PACE), |_| Act::Usual);
    let run = large.ftpq.spawn(&["run", "--per-host", "3"]);
    assert!(watch::wait_for(Duration::from_secs(20), || large.sent() > 4 << 20), "{}", run.so_far());
    let longer = [large.data.clone(), pseudo_random(312, MIB)].concat();
    large.server.core().put("a.bin", longer.clone(), "20250101000000");
    let ended = run.wait(Duration::from_secs(60)).expect_code(0);
    let got = fs::read(large.ftpq.downloads().join("a.bin")).unwrap();
    let story = format!("{ended}{}", large.server.core().dialogue());
    assert!(got == large.data || got == longer, "{:?}\n{story}", difference(&got, &longer));
}

#[test]
fn the_real_servers_share_a_large_file() {
    if let Some(reason) = real::unavailable() {
        return report::skip(&reason);
    }
    for kind in Kind::ALL {
        let server = Server::start(kind, Options { rate: 12_000_000, ..Options::default() });
        let data = pseudo_random(313, 64 * MIB);
        server.put("a.bin", &data);
        let ftpq = Ftpq::new();
        ftpq.add(&[(server.url("a.bin", false), "a.bin")]);
        let ended = ftpq.run(&["--json", "run", "--per-host", "4"]).expect_code(0);
        let story = format!("{ended}{}", server.log());
        ftpq.assert_file("a.bin", &data, &story);
        let done = &ended.events("done")[0];
        assert!(note(&ended).contains("pieces"), "{}: {done:#}\n{story}", kind.name());
        assert!(ended.events("retrying").is_empty(), "{}\n{story}", kind.name());
        let (fetched, seconds) = (done["fetched"].as_u64().unwrap(), done["seconds"].as_f64().unwrap());
        assert!(fetched < 65 << 20, "{}: {fetched} bytes\n{story}", kind.name());
        report::table(&format!("{}: 64 MiB over 4 connections, {fetched} bytes, {seconds:.1} s\n", kind.name()));
    }
}
