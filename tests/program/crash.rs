//! Crashes of the process and of the machine: right bytes, little fetched twice, nothing left lying about.

use crate::support::{
    Act, Ftpq, Scripted, Traits,
    bytes::{Dice, difference},
    pseudo_random,
    real::{self, Kind, Options, Server},
    report, watch,
};
use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    os::unix::fs::FileExt,
    thread,
    time::{Duration, Instant},
};

/// Bytes a second, over four connections.
const RATE: u32 = 2_000_000;
const KILLS: usize = 15;

/// Twelve files of 2 to 4 MB.
fn twelve_files() -> BTreeMap<String, Vec<u8>> {
    let mut dice = Dice::new(80);
    (0..12)
        .map(|n| {
            (
                format!("f{n:02}.bin"),
                pseudo_random(80 + n, usize::try_from(dice.between(2_000_000, 4_000_000)).unwrap()),
            )
        })
        .collect()
}

fn killed_at_random_moments(
    files: &BTreeMap<String, Vec<u8>>,
    url: impl Fn(&str) -> String,
    sent: impl Fn() -> u64,
) -> String {
    let ftpq = Ftpq::new();
    ftpq.add(&files.keys().map(|name| (url(name), name.as_str())).collect::<Vec<_>>());
    let whole = files.iter().map(|(name, data)| (ftpq.downloads().join(name), data.clone())).collect();
    let watcher = watch::Watcher::new(whole);
    let mut dice = Dice::new(1);
    let mut story = String::new();
    let mut killed = 0;
    for _ in 0..KILLS {
        let moment = Duration::from_millis(dice.between(200, 1400));
        let run = ftpq.spawn(&["run", "--connections", "4"]);
        thread::sleep(moment);
        let ended = run.kill();
        killed += usize::from(ended.signal == Some(9));
        let kept: u64 = watch::files_below(&ftpq.downloads()).iter().map(|p| watch::length(p)).sum();
        let costs = sent().saturating_sub(kept);
        write!(story, "killed after {moment:?}: so far {kept} bytes kept, {costs} sent in vain\n{ended}").unwrap();
    }
    let last = ftpq.run(&["run", "--connections", "4"]);
    let (breaches, rounds) = watcher.finish();
    let story = format!("{story}the last run:\n{last}");
    assert!(breaches.is_empty(), "a final name was incomplete: {breaches:#?}\n{story}");
    assert_eq!(last.code, Some(0), "{story}");
    for (name, data) in files {
        ftpq.assert_file(name, data, &story);
    }
    assert!(killed > KILLS * 2 / 3, "only {killed} of {KILLS} kills hit a run\n{story}");
    let left = watch::parts_below(&ftpq.downloads());
    assert!(left.is_empty(), "part files are left: {left:?}\n{story}");
    assert_eq!(ftpq.count("done"), files.len() as u64, "{story}");
    let sizes: u64 = files.values().map(|d| d.len() as u64).sum();
    let bytes = sent();
    let percent = bytes * 1000 / sizes;
    assert!(percent <= 1050, "{bytes} bytes were sent for {sizes}: {percent} per mille\n{story}");
    format!("{killed} kills, {bytes} bytes sent for {sizes} ({percent} per mille), {rounds} looks at the final names")
}

#[test]
fn kill_9_at_15_random_moments_on_a_scripted_server() {
    let files = twelve_files();
    let server = Scripted::with(Traits { pace: (RATE / 4).into(), ..Traits::default() }, |_| Act::Usual);
    for (name, data) in &files {
        server.put(name, data.clone());
    }
    let line = killed_at_random_moments(&files, |name| server.url(name), || server.core().sent_total());
    report::table(&format!("kill -9, scripted server: {line}\n"));
}

#[test]
fn kill_9_at_15_random_moments_on_vsftpd() {
    if let Some(reason) = real::unavailable() {
        return report::skip(&reason);
    }
    let files = twelve_files();
    let server = Server::start(Kind::Vsftpd, Options { rate: RATE / 4, ..Options::default() });
    for (name, data) in &files {
        server.put(name, data);
    }
    let sent = || {
        // It logs a broken transfer once it notices.
        thread::sleep(Duration::from_secs(1));
        server.sent()
    };
    let line = killed_at_random_moments(&files, |name| server.url(name, false), sent);
    report::table(&format!("kill -9, vsftpd: {line}\n"));
}

/// Kills a run with boot id A once something is durable or enough is there; gives the durable offset.
fn run_until_the_machine_crashes(ftpq: &mut Ftpq, wait_for_durable: bool, at_least: u64) -> u64 {
    ftpq.set("FTPQ_BOOT_ID", "boot-a");
    let part = watch::part_of(&ftpq.downloads().join("a.bin"));
    let run = ftpq.spawn(&["run"]);
    let begin = Instant::now();
    let there = watch::wait_for(Duration::from_secs(30), || {
        watch::length(&part) >= at_least && (!wait_for_durable || begin.elapsed() > Duration::from_millis(6500))
    });
    let ended = run.kill();
    assert!(there, "no part file of {at_least} bytes came about\n{ended}");
    let job = ftpq.json_one(&["show", "1"]);
    let progress = &job["progress"];
    if !wait_for_durable && progress.is_null() {
        // Nothing is recorded before the first fdatasync: what the file is the beginning of stands on the file itself.
        return 0;
    }
    assert_eq!(progress["boot_id"], "boot-a", "FTPQ_BOOT_ID is not what was stored: {job:#}");
    progress["durable"].as_u64().unwrap_or_else(|| panic!("no durable offset in {job:#}"))
}

fn the_machine_crashes(wait_for_durable: bool, at_least: u64) {
    if !cfg!(feature = "failpoints") {
        return report::skip("needs the feature failpoints");
    }
    let data = pseudo_random(85, 16_000_000);
    let server = Scripted::with(Traits { pace: RATE.into(), ..Traits::default() }, |_| Act::Usual);
    server.put("a.bin", data.clone());
    let mut ftpq = Ftpq::new();
    ftpq.add(&[(server.url("a.bin"), "a.bin")]);
    let durable = run_until_the_machine_crashes(&mut ftpq, wait_for_durable, at_least);
    let part = watch::part_of(&ftpq.downloads().join("a.bin"));
    let length = watch::length(&part);
    assert!(!wait_for_durable || durable > 0, "nothing was made durable in more than 6 s");
    assert!(durable <= length, "{durable} bytes are said to be durable, but the part file has {length}");
    // What the file system may leave after a power cut: the right length, and zeros where no block was written.
    let file = fs::File::options().write(true).open(&part).unwrap();
    let zeros = vec![0; usize::try_from(length - durable).unwrap()];
    file.write_all_at(&zeros, durable).unwrap();
    ftpq.set("FTPQ_BOOT_ID", "boot-b");
    let ended = ftpq.run(&["--json", "run"]).expect_code(0);
    let story = format!("durable {durable} of {length}\n{ended}{}", server.core().dialogue());
    ftpq.assert_file("a.bin", &data, &story);
    let from = ended.events("started")[0]["from"].as_u64().unwrap();
    assert!(from <= durable, "it began at {from}, beyond what is durable\n{story}");
    assert!(durable == 0 || from > 0, "what was durable was thrown away\n{story}");
}

#[test]
fn a_machine_crash_costs_only_what_was_not_durable() {
    the_machine_crashes(true, 5_000_000);
}

#[test]
fn a_machine_crash_before_anything_was_durable_ends_right() {
    the_machine_crashes(false, 1_500_000);
}

#[test]
fn a_part_file_damaged_in_its_tail_is_noticed_by_the_overlap() {
    let data = pseudo_random(86, 2_000_000);
    let server = Scripted::with(Traits { pace: RATE.into(), ..Traits::default() }, |_| Act::Usual);
    let case = crate::verdict::Case::new(server, &data);
    case.interrupt(1_000_000);
    let part = watch::part_of(&case.ftpq.downloads().join("a.bin"));
    let file = fs::File::options().write(true).open(&part).unwrap();
    file.write_all_at(&[0; 500], watch::length(&part) - 1000).unwrap();
    let (verdict, story) = case.judge(&["run"], &data);
    verdict.expect_right(&story);
}

#[test]
fn no_resume_starts_an_interrupted_file_again() {
    let data = pseudo_random(87, 600_000);
    let server = Scripted::with(Traits { pace: 600_000, ..Traits::default() }, |_| Act::Usual);
    let case = crate::verdict::Case::new(server, &data);
    case.interrupt(200_000);
    let (verdict, story) = case.judge(&["run", "--no-resume"], &data);
    verdict.expect_right(&story);
    assert!(case.server.core().sent("a.bin") >= 800_000, "it was resumed\n{story}");
}

#[test]
fn one_run_fetches_every_byte_exactly_once() {
    let server = Scripted::honest();
    let ftpq = Ftpq::new();
    let names: Vec<String> = (0..60).map(|n| format!("d{}/f{n}.bin", n % 7)).collect();
    for (n, name) in names.iter().enumerate() {
        server.put(name, pseudo_random(90, 1000 * n));
    }
    ftpq.add(&names.iter().map(|n| (server.url(n), n.as_str())).collect::<Vec<_>>());
    let ended = ftpq.run(&["run"]).expect_code(0);
    for (n, name) in names.iter().enumerate() {
        let data = pseudo_random(90, 1000 * n);
        let got = fs::read(ftpq.downloads().join(name)).unwrap();
        assert!(got == data, "{name}: {:?}\n{ended}", difference(&got, &data));
        assert_eq!(server.core().sent(name), data.len() as u64, "{name}\n{ended}");
    }
    assert!(server.core().sessions().1 <= 4, "{:?} sessions for 60 files: none is reused", server.core().sessions());
}
