//! Jobs with several sources: which is used, what a switch keeps, and what a mirror with other content comes to.

use crate::{
    policies::digest,
    support::{
        Act, Delivery, End, Ended, Ftpq, Port, Scripted, Traits, Turn, pseudo_random,
        real::{self, Kind, Options, Server},
        report, watch,
    },
};
use serde_json::{Value, json};
use std::{
    fs,
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

const LEN: usize = 3_000_000;
/// What a switch may cost: the overlap, twice for good measure, and the ends of what was under way.
const OVERLAPS: u64 = 2 * 16_384;

/// Queues one file with mirrors, and what else the line says.
fn add(ftpq: &Ftpq, urls: &[String], more: &Value) {
    let mut line = json!({"url": urls[0], "mirrors": urls[1..], "path": "a.bin"});
    for (key, value) in more.as_object().into_iter().flatten() {
        line[key] = value.clone();
    }
    let manifest = ftpq.write("m.jsonl", format!("{line}\n"));
    ftpq.run(&["add", &manifest, "--into", ftpq.downloads().to_str().unwrap()]).expect_code(0);
}

fn slow(pace: u64) -> Scripted {
    Scripted::with(Traits { pace, ..Traits::default() }, |_| Act::Usual)
}

/// Where nobody listens, to the end of the test.
fn nobody() -> SocketAddr {
    let port = Box::leak(Box::new(Port::new()));
    port.address()
}

/// A server that breaks off the first transfer at a byte, with both connections, and is honest from then on.
fn breaks_once_at(upto: usize) -> Scripted {
    let broke = AtomicBool::new(false);
    Scripted::lying(move |turn: &Turn| match (turn.verb, turn.honest) {
        ("RETR", Some(honest)) if !broke.swap(true, Ordering::SeqCst) => {
            Act::Deliver(Delivery { upto, end: End::Close, verdict: String::new(), hang_up: true, ..honest.clone() })
        }
        _ => Act::Usual,
    })
}

/// Starts a run and waits until so many bytes of the file are there; returns the run and how many there are.
fn run_until(ftpq: &Ftpq, args: &[&str], bytes: u64) -> (crate::support::ftpq::Running, u64) {
    let part = watch::part_of(&ftpq.downloads().join("a.bin"));
    let run = ftpq.spawn(args);
    let there = watch::wait_for(Duration::from_secs(20), || watch::length(&part) >= bytes);
    assert!(there, "{bytes} bytes did not come: {}", run.so_far());
    let have = watch::length(&part);
    (run, have)
}

/// Bytes that all attempts fetched.
fn fetched(job: &Value) -> u64 {
    job["history"].as_array().unwrap().iter().map(|attempt| attempt["fetched"].as_u64().unwrap()).sum()
}

/// Show 5: the first server dies in the middle, for good; the second one goes on with the same part file.
#[test]
fn a_mirror_goes_on_with_the_part_file_of_a_server_that_died() {
    let data = pseudo_random(300, LEN);
    let (first, second) = (slow(1_500_000), Scripted::honest());
    first.put("a.bin", data.clone());
    // Mirrors have times of their own.
    second.core().put("pub/b.bin", data.clone(), "20250101000000");
    let ftpq = Ftpq::new();
    let urls = [first.url("a.bin"), second.url("pub/b.bin")];
    add(&ftpq, &urls, &json!({}));
    first.core().hold_behind(LEN as u64 / 3 * 2);
    let (run, have) = run_until(&ftpq, &["--json", "run", "--retries", "1", "--no-split"], 1_000_000);
    let _port = first.shut();
    let ended = run.wait(Duration::from_secs(30)).expect_code(0);
    ftpq.assert_file("a.bin", &data, &ended);
    let job = ftpq.json_one(&["show", "1"]);
    let (done, all) = (ended.events("done")[0]["fetched"].as_u64().unwrap(), fetched(&job));
    assert!(have + done <= LEN as u64 + OVERLAPS, "{have} bytes were there, and {done} were fetched\n{ended}");
    assert!(all <= LEN as u64 + OVERLAPS, "{all} of {LEN} bytes were fetched\n{job:#}");
    // Which source was used, and why it was switched.
    assert_eq!(job["receipt"]["source"], urls[1], "{job:#}");
    let sources: Vec<&Value> = job["history"].as_array().unwrap().iter().map(|attempt| &attempt["source"]).collect();
    assert_eq!(sources, [&urls[0], &urls[1]], "{job:#}");
    assert_eq!(ended.events("done")[0]["source"], urls[1], "{ended}");
    assert_eq!(ended.events("switched")[0]["source"], urls[0], "{ended}");
    let shown = ftpq.run(&["show", "1"]).expect_code(0);
    for text in [format!("came from    {}", urls[1]), format!("went on with what came from {}", urls[0])] {
        assert!(shown.out.contains(&text), "{text} is missing\n{shown}");
    }
}

/// The same for a file that came in pieces over several connections.
#[test]
fn a_mirror_goes_on_with_the_pieces_of_a_server_that_died() {
    let data = pseudo_random(301, 40 << 20);
    let (first, second) = (slow(6_000_000), Scripted::honest());
    first.put("a.bin", data.clone());
    second.core().put("a.bin", data.clone(), "20250101000000");
    let ftpq = Ftpq::new();
    add(&ftpq, &[first.url("a.bin"), second.url("a.bin")], &json!({"size": data.len()}));
    first.core().hold_behind(20 << 20);
    let run = ftpq.spawn(&["--json", "run", "--retries", "1"]);
    let there = watch::wait_for(Duration::from_secs(20), || first.core().sent("a.bin") >= 20 << 20);
    assert!(there && first.core().args("RETR").len() > 1, "no pieces came about: {}", run.so_far());
    let _port = first.shut();
    let ended = run.wait(Duration::from_secs(40)).expect_code(0);
    ftpq.assert_file("a.bin", &data, &ended);
    // What the fast server sent beyond a piece's end nobody took.
    let done = ended.events("done")[0]["fetched"].as_u64().unwrap();
    assert!(done <= (27 << 20), "{done} bytes were fetched, with 20 MiB sent before\n{ended}");
    let job = ftpq.json_one(&["show", "1"]);
    assert!(fetched(&job) <= (41 << 20), "{job:#}");
}

/// Show 5 on real servers, with a kill -9 in between.
#[test]
fn a_real_mirror_goes_on_after_kill_9_and_the_first_servers_end() {
    if let Some(reason) = real::unavailable() {
        return report::skip(&reason);
    }
    for (first, second) in [(Kind::Vsftpd, Kind::PureFtpd), (Kind::PureFtpd, Kind::Vsftpd)] {
        let data = pseudo_random(302, LEN);
        let slow = Server::start(first, Options { rate: 1_500_000, ..Options::default() });
        let fast = Server::start(second, Options::default());
        slow.put("pub/a.bin", &data);
        fast.put("other/b.bin", &data);
        let modified = std::time::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
        let file = fs::File::options().write(true).open(fast.root().join("other/b.bin")).unwrap();
        file.set_modified(modified).unwrap();
        let ftpq = Ftpq::new();
        let urls = [slow.url("pub/a.bin", false), fast.url("other/b.bin", true)];
        add(&ftpq, &urls, &json!({}));
        let (run, _) = run_until(&ftpq, &["run"], LEN as u64 / 3);
        let killed = run.kill().expect_killed();
        let have = watch::length(&watch::part_of(&ftpq.downloads().join("a.bin")));
        drop(slow);
        let ended = ftpq.run(&["--json", "run", "--retries", "0", "--timeout", "10"]).expect_code(0);
        let story = format!("{}, then {}\n{killed}{ended}", first.name(), second.name());
        ftpq.assert_file("a.bin", &data, &story);
        let fetched = ended.events("done")[0]["fetched"].as_u64().unwrap();
        assert!(have + fetched <= LEN as u64 + OVERLAPS, "{have} were there, {fetched} were fetched\n{story}");
        let time = fs::metadata(ftpq.downloads().join("a.bin")).unwrap().modified().unwrap();
        assert_eq!(time, modified, "{story}");
    }
}

/// A job whose first server died at a third, and whose mirror has another file of the same size.
fn with_another_content(more: &Value, other: &[u8]) -> (Ftpq, Scripted, Port, Ended) {
    let data = pseudo_random(303, LEN);
    let (first, second) = (slow(1_500_000), Scripted::honest());
    first.put("a.bin", data);
    second.put("a.bin", other);
    let ftpq = Ftpq::new();
    add(&ftpq, &[first.url("a.bin"), second.url("a.bin")], more);
    first.core().hold_behind(LEN as u64 / 3 * 2);
    let (run, _) = run_until(&ftpq, &["--json", "run", "--retries", "1", "--no-split"], 1_000_000);
    let port = first.shut();
    let ended = run.wait(Duration::from_secs(40));
    (ftpq, second, port, ended)
}

/// Without a checksum nobody knows which of the two is right: the one that the part file was begun with keeps it.
#[test]
fn a_mirror_of_another_content_is_found_out_by_the_overlap() {
    let (ftpq, second, place, ended) = with_another_content(&json!({}), &pseudo_random(304, LEN));
    let ended = ended.expect_code(1);
    ftpq.assert_absent("a.bin", &ended);
    let failure = &ended.events("failed")[0]["failure"]["message"];
    let text = failure.as_str().unwrap();
    assert!(text.contains("another file than") && text.contains("2 sources"), "{ended}");
    // Nothing but what was in flight beyond the overlap.
    let retrs = second.core().args("RETR").len();
    assert_eq!(retrs, 1, "it was asked again and again\n{ended}");
    let data = pseudo_random(303, LEN);
    let part = fs::read(watch::part_of(&ftpq.downloads().join("a.bin"))).unwrap();
    assert!(part.len() >= 1_000_000 && part == data[..part.len()], "the part file holds a foreign byte\n{ended}");
    // Back again, the first one finishes it.
    let first = Scripted::at_port(place, Traits::default(), |_| Act::Usual);
    first.put("a.bin", data.clone());
    ftpq.run(&["retry", "1"]).expect_code(0);
    let again = ftpq.run(&["run", "--retries", "0"]).expect_code(0);
    ftpq.assert_file("a.bin", &data, &again);
    let sent = first.core().sent("a.bin");
    assert!(sent <= (LEN - part.len()) as u64 + OVERLAPS, "{sent} bytes were sent\n{again}");
}

/// Two files that differ in their first bytes alone, or around a blank middle, are two files.
#[test]
fn a_mirror_with_the_same_middle_is_found_out_without_a_checksum() {
    let mut data = pseudo_random(320, 600_000);
    data[100_000..400_000].fill(0);
    let (mut head, mut around) = (data.clone(), data.clone());
    head[4] ^= 1;
    around[90_000] ^= 1;
    around[500_000] ^= 1;
    for (what, other) in [("head", head), ("around", around)] {
        let (first, second) = (breaks_once_at(300_000), Scripted::honest());
        first.put("a.bin", data.clone());
        second.put("a.bin", other);
        let ftpq = Ftpq::new();
        let urls = [first.url("a.bin"), second.url("a.bin")];
        add(&ftpq, &urls, &json!({}));
        let ended = ftpq.run(&["--json", "run", "--retries", "1"]).expect_code(0);
        let story = format!("{what}\n{ended}");
        ftpq.assert_file("a.bin", &data, &story);
        let told = ended.events("retrying").iter().any(|it| it["failure"]["cause"] == "other_content");
        assert!(told && ended.events("done")[0]["source"] == urls[0], "{story}");
    }
}

/// With a checksum that is the mirror's, the mirror's file is fetched from its start.
#[test]
fn a_checksum_decides_for_the_mirror() {
    let other = pseudo_random(304, LEN);
    let (ftpq, second, _, ended) = with_another_content(&json!({"sha256": digest("sha256sum", &other)}), &other);
    let ended = ended.expect_code(0);
    ftpq.assert_file("a.bin", &other, &ended);
    assert!(second.core().sent("a.bin") <= 2 * LEN as u64, "{ended}");
}

/// With a checksum that is the dead server's, the mirror's file never gets its name.
#[test]
fn a_checksum_decides_against_the_mirror() {
    let sum = digest("sha256sum", &pseudo_random(303, LEN));
    let (ftpq, second, _, ended) = with_another_content(&json!({"sha256": sum}), &pseudo_random(304, LEN));
    let ended = ended.expect_code(1);
    ftpq.assert_absent("a.bin", &ended);
    let text = ended.events("failed")[0]["failure"]["message"].as_str().unwrap().to_owned();
    assert!(text.contains("checksum") && text.contains("2 sources"), "{ended}");
    assert!(second.core().sent("a.bin") <= 2 * LEN as u64, "{ended}");
}

/// Where the overlap agrees, and a byte behind it differs, only the checksum shows it; then the right one is fetched.
#[test]
fn a_difference_behind_the_overlap_is_found_by_the_checksum() {
    let data = pseudo_random(305, 400_000);
    let mut other = data.clone();
    other[399_000] ^= 1;
    let (first, second) = (breaks_once_at(200_000), Scripted::honest());
    first.put("a.bin", data.clone());
    second.put("a.bin", other);
    let ftpq = Ftpq::new();
    let urls = [first.url("a.bin"), second.url("a.bin")];
    add(&ftpq, &urls, &json!({"sha256": digest("sha256sum", &data)}));
    let ended = ftpq.run(&["--json", "run", "--retries", "1"]).expect_code(0);
    ftpq.assert_file("a.bin", &data, &ended);
    assert_eq!(ended.events("done")[0]["source"], urls[0], "{ended}");
    let (a, b) = (first.core().sent("a.bin"), second.core().sent("a.bin"));
    assert!(a <= 650_000 && b <= 650_000, "{a} and {b} bytes were sent\n{ended}");
}

/// Sizes that differ are found out before the first byte; the one that began the file finishes it.
#[test]
fn a_mirror_of_another_size_is_passed_over() {
    let data = pseudo_random(306, 400_000);
    let (first, second) = (breaks_once_at(200_000), Scripted::honest());
    first.put("a.bin", data.clone());
    second.put("a.bin", pseudo_random(307, 400_001));
    let ftpq = Ftpq::new();
    add(&ftpq, &[first.url("a.bin"), second.url("a.bin")], &json!({}));
    let ended = ftpq.run(&["--json", "run", "--retries", "1"]).expect_code(0);
    ftpq.assert_file("a.bin", &data, &ended);
    assert!(first.core().sent("a.bin") <= 400_000 + OVERLAPS, "{ended}");
    assert_eq!(second.core().sent("a.bin"), 0, "{ended}");
    // Both were tried by then, so there is a pause.
    let told = ended.events("retrying").iter().any(|it| it["failure"]["cause"] == "other_content");
    assert!(told, "the mirror's other content is not told\n{ended}");
}

/// A first source that gives nothing, and how often it was tried.
fn useless() -> Vec<(&'static str, Option<Scripted>, String)> {
    let refuses = Scripted::lying(|turn| match turn.verb {
        "PASS" => Act::say("530 Login incorrect."),
        _ => Act::Usual,
    });
    let empty = Scripted::honest();
    let drops = Scripted::lying(|turn| match turn.verb {
        "GREETING" => Act::SayAndClose(Vec::new()),
        _ => Act::Usual,
    });
    let full = Scripted::with(Traits { max_sessions: 0, ..Traits::default() }, |_| Act::Usual);
    let cuts = Scripted::lying(|turn| match turn.honest {
        Some(honest) => Act::Deliver(Delivery { upto: 0, end: End::Reset, hang_up: true, ..honest.clone() }),
        None => Act::Usual,
    });
    cuts.put("a.bin", pseudo_random(308, 100_000));
    let wrong = Scripted::honest();
    wrong.put("a.bin", pseudo_random(309, 100_001));
    let url = |server: &Scripted| server.url("a.bin");
    vec![
        ("unreachable", None, format!("ftp://{}/a.bin", nobody())),
        ("login refused", None, url(&refuses)).with(refuses),
        ("550", None, url(&empty)).with(empty),
        ("closed at the greeting", None, url(&drops)).with(drops),
        ("421", None, url(&full)).with(full),
        ("cut at once", None, url(&cuts)).with(cuts),
        ("wrong size", None, url(&wrong)).with(wrong),
    ]
}

trait With {
    fn with(self, server: Scripted) -> Self;
}

impl With for (&'static str, Option<Scripted>, String) {
    fn with(self, server: Scripted) -> Self {
        (self.0, Some(server), self.2)
    }
}

#[test]
fn a_mirror_helps_out_whatever_is_wrong_with_the_first() {
    let data = pseudo_random(308, 100_000);
    for (what, first, url) in useless() {
        let second = Scripted::honest();
        second.put("a.bin", data.clone());
        let ftpq = Ftpq::new();
        add(&ftpq, &[url.clone(), second.url("a.bin")], &json!({"size": data.len()}));
        let ended = ftpq.run(&["--json", "run", "--retries", "1"]).expect_code(0);
        let story = format!("{what}\n{ended}");
        ftpq.assert_file("a.bin", &data, &story);
        assert_eq!(ended.events("done")[0]["source"], second.url("a.bin"), "{story}");
        assert_eq!(ended.events("summary")[0]["failed"], 0, "{story}");
        if let Some(first) = first {
            assert!(first.core().sessions().1 <= 4, "{story}");
            assert!(first.core().args("PASS").len() <= 1, "a password was tried twice\n{story}");
        }
        assert!(ended.took < Duration::from_secs(8), "the mirror was kept waiting\n{story}");
    }
}

#[test]
fn a_job_fails_when_all_its_sources_have_failed_and_names_each() {
    let useless = useless();
    for (what, _, url) in &useless {
        let missing = Scripted::honest();
        let ftpq = Ftpq::new();
        add(&ftpq, &[url.clone(), missing.url("b.bin")], &json!({"size": 100_000}));
        let ended = ftpq.run(&["--json", "run", "--retries", "0"]);
        let story = format!("{what}\n{ended}");
        ftpq.assert_absent("a.bin", &story);
        if *what == "421" {
            // No job is to blame for a host that takes no more connections.
            assert_eq!((ended.code, ftpq.count("failed")), (Some(3), 0), "{story}");
            continue;
        }
        assert_eq!(ended.code, Some(1), "{story}");
        let failure = ended.events("failed")[0]["failure"].clone();
        let text = failure["message"].as_str().unwrap();
        assert!(text.contains(url.as_str()) && text.contains(&missing.url("b.bin")), "{failure}\n{story}");
        assert_eq!(ftpq.json_one(&["show", "1"])["failure"], failure, "{story}");
        assert!(ended.took < Duration::from_secs(8), "{story}");
    }
}

#[test]
fn mirrors_of_lower_priority_are_left_alone_while_the_first_gives() {
    let data = pseudo_random(310, 300_000);
    let (first, second) = (Scripted::honest(), Scripted::honest());
    [&first, &second].iter().for_each(|server| server.put("a.bin", data.clone()));
    let ftpq = Ftpq::new();
    add(&ftpq, &[first.url("a.bin"), second.url("a.bin")], &json!({}));
    let ended = ftpq.run(&["--json", "run"]).expect_code(0);
    ftpq.assert_file("a.bin", &data, &ended);
    assert_eq!(second.core().sessions().1, 0, "{ended}");
}

/// Mirrors of one priority: each is tried, then the fast one is used, also by the next run.
#[test]
fn the_faster_of_equal_mirrors_is_learned_and_remembered() {
    let (first, second) = (slow(400_000), Scripted::honest());
    let names: Vec<String> = (0..16).map(|n| format!("f{n}")).collect();
    for (name, seed) in names.iter().zip(311..) {
        let data = pseudo_random(seed, 300_000);
        [&first, &second].iter().for_each(|server| server.put(name, data.clone()));
    }
    let ftpq = Ftpq::new();
    let queue = |names: &[String]| {
        let text: String = names.iter().map(|name| format!("{}\t{}\n", first.url(name), second.url(name))).collect();
        let list = ftpq.write("list.txt", text);
        ftpq.run(&["add", &list, "--into", ftpq.downloads().to_str().unwrap()]).expect_code(0);
    };
    queue(&names[..8]);
    let ended = ftpq.run(&["--json", "run", "--connections", "2", "--per-host", "1"]).expect_code(0);
    let used = |server: &Scripted| server.core().args("RETR").len();
    assert_eq!((used(&first), used(&second)), (1, 7), "{ended}");
    queue(&names[8..]);
    let ended = ftpq.run(&["--json", "run", "--connections", "2", "--per-host", "1"]).expect_code(0);
    assert_eq!((used(&first), used(&second)), (1, 15), "{ended}");
}

/// A thousand jobs whose first host is dead: it is looked at a few times, not a thousand times.
#[test]
fn a_dead_host_of_a_thousand_jobs_is_not_stormed() {
    let dead = Scripted::lying(|turn| match turn.verb {
        "GREETING" => Act::SayAndClose(Vec::new()),
        _ => Act::Usual,
    });
    let alive = Scripted::honest();
    let ftpq = Ftpq::new();
    let mut list = String::new();
    for n in 0..1000 {
        alive.put(&format!("f{n}"), format!("content {n}"));
        let (first, second) = (dead.url(&format!("f{n}")), alive.url(&format!("f{n}")));
        list.push_str(&json!({"url": first, "mirrors": [second]}).to_string());
        list.push('\n');
    }
    let list = ftpq.write("m.jsonl", list);
    ftpq.run(&["add", &list, "--into", ftpq.downloads().to_str().unwrap()]).expect_code(0);
    let ended = ftpq.run(&["--json", "run", "--retries", "3"]).expect_code(0);
    let (_, calls) = dead.core().sessions();
    let summary = &ended.events("summary")[0];
    report::table(&format!(
        "1,000 jobs, a dead host and its mirror: {calls} calls of the dead host, {:.1?}",
        ended.took
    ));
    assert_eq!((&summary["done"], &summary["failed"], &summary["left"]), (&json!(1000), &json!(0), &json!(0)));
    assert!((1..=12).contains(&calls), "{calls} calls of a dead host\n{ended}");
    for n in [0, 7, 999] {
        assert_eq!(fs::read(ftpq.downloads().join(format!("f{n}"))).unwrap(), format!("content {n}").as_bytes());
    }
}

/// All hosts dead: the run ends, tells why, and leaves what it did not try.
#[test]
fn with_all_hosts_dead_the_jobs_are_left_with_the_reasons() {
    let dead =
        || Scripted::lying(|turn| if turn.verb == "GREETING" { Act::SayAndClose(Vec::new()) } else { Act::Usual });
    let (first, second) = (dead(), dead());
    let ftpq = Ftpq::new();
    let line = |n| json!({"url": first.url(&format!("f{n}")), "mirrors": [second.url(&format!("f{n}"))]});
    let list: String = (0..300).map(|n| format!("{}\n", line(n))).collect();
    let list = ftpq.write("m.jsonl", list);
    ftpq.run(&["add", &list, "--into", ftpq.downloads().to_str().unwrap()]).expect_code(0);
    let ended = ftpq.run(&["--json", "run", "--retries", "1"]);
    let calls = first.core().sessions().1 + second.core().sessions().1;
    assert!(calls <= 24, "{calls} calls of dead hosts\n{ended}");
    let held: Vec<Value> = ended.events("held").into_iter().map(|it| it["account"].clone()).collect();
    let names = [&first, &second].map(|server| json!(server.address().to_string()));
    assert!(names.iter().all(|name| held.contains(name)), "{held:?}\n{ended}");
    let summary = &ended.events("summary")[0];
    let (failed, left) = (summary["failed"].as_u64().unwrap(), summary["left"].as_u64().unwrap());
    assert_eq!(failed + left, 300, "{ended}");
    assert!(left >= 290 && matches!(ended.code, Some(1 | 3)), "{ended}");
    assert_eq!(ftpq.count("queued") + ftpq.count("waiting"), left, "{ended}");
}
