//! Lists and settings made to harm: bombs, depths, lengths, numbers of hosts, names that collide.

use crate::support::{Ftpq, Scripted, pseudo_random, watch};
use flate2::{Compression, write::GzEncoder};
use rustix::process::Signal;
use std::{
    fs,
    io::Write,
    time::{Duration, Instant},
};

const MEMORY: u64 = 120 << 10;

/// Members of gzip that unpack to this text over and over: a small file, an endless list.
fn bomb(text: &[u8], times: usize) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(&text.repeat((16 << 20) / text.len())).unwrap();
    packer.finish().unwrap().repeat(times)
}

/// Gigabytes out of a few megabytes: bounded memory, and Ctrl-C ends it at once; nothing is queued.
#[test]
fn a_gzip_bomb_for_a_list_takes_no_memory_and_can_be_stopped() {
    for (kind, text) in [
        ("one line", &b"x"[..]),
        ("comments", b"# nothing\n"),
        ("blank lines", b"\n"),
        ("one job", b"ftp://127.0.0.1:9/a\n"),
        ("bad lines", b"gopher://h/a\n"),
    ] {
        let ftpq = Ftpq::new();
        let list = ftpq.write("list.gz", bomb(text, 600));
        let mut run = ftpq.spawn(&["add", &list, "--skip-bad"]);
        let mut peak = 0;
        watch::wait_for(Duration::from_secs(4), || {
            peak = run.peak_memory().max(peak);
            run.ended()
        });
        assert!(peak < MEMORY, "{kind}: {peak} KiB");
        if !run.ended() {
            run.signal(Signal::INT);
            let begin = Instant::now();
            let ended = run.wait(Duration::from_secs(10));
            assert!(begin.elapsed() < Duration::from_secs(3), "{kind}: {:?}\n{ended}", begin.elapsed());
            assert_eq!(ended.code, Some(3), "{kind}\n{ended}");
        }
        assert!(ftpq.json(&["list"]).len() <= 1, "{kind}");
    }
}

/// The same where a bad line makes all void: reading stops after a thousand of them.
#[test]
fn a_bomb_of_bad_lines_is_given_up() {
    let ftpq = Ftpq::new();
    let list = ftpq.write("list.gz", bomb(b"ftp://h:0x/a\n", 600));
    let ended = ftpq.run(&["add", &list]).expect_code(2);
    assert!(ended.took < Duration::from_secs(10), "{ended}");
    assert!(ended.err.contains("1000 bad lines"), "{ended}");
}

/// Paths longer or deeper than any system has them: refused at the door, each line by itself.
#[test]
fn paths_beyond_all_measure_are_refused_at_the_door() {
    let ftpq = Ftpq::new();
    let (long, deep) = ("y".repeat(5000), "d/".repeat(300));
    let long_but_cut = "y/".repeat(2500);
    for (url, path) in [
        (format!("ftp://127.0.0.1:9/{long}"), Some("a".to_owned())),
        (format!("ftp://127.0.0.1:9/{}a", "%64/".repeat(2100)), Some("a".to_owned())),
        ("ftp://127.0.0.1:9/a".to_owned(), Some(format!("{deep}a"))),
        ("ftp://127.0.0.1:9/a".to_owned(), Some(format!("{long_but_cut}a"))),
        ("ftp://127.0.0.1:9/a".to_owned(), Some("z".repeat(256))),
        (format!("ftp://127.0.0.1:9/{}", "z".repeat(256)), None),
        (format!("ftp://127.0.0.1:9/{}", "z".repeat(70_000)), None),
        (format!("ftp://{}/a", "h".repeat(300)), None),
        (format!("ftp://{}@127.0.0.1/a", "u".repeat(5000)), None),
    ] {
        let line = format!("{}\n", serde_json::json!({ "url": url, "path": path }));
        let ended = ftpq.run(&["add", &ftpq.write("m.jsonl", &line)]);
        assert_eq!(ended.code, Some(2), "{}…\n{ended}", &line[..60]);
        assert!(ended.err.len() < 4000, "the refusal is as long as the line\n{ended}");
    }
    assert!(ftpq.json(&["list"]).is_empty());
    // What is long, and no longer than paths can be, is taken.
    let path = format!("{}a", "d/".repeat(200));
    ftpq.add(&[(format!("ftp://127.0.0.1:9/{}", "y/".repeat(1000) + "a"), path.as_str())]);
    assert_eq!(ftpq.json(&["list"]).len(), 1);
}

/// Depth in JSON and TOML costs no stack; sizes are bounded.
#[test]
fn deep_and_huge_lists_and_settings_are_refused() {
    let ftpq = Ftpq::new();
    let deep = "[".repeat(500_000);
    for list in [
        format!("{{\"url\":{deep}}}\n"),
        format!("{{\"url\":\"ftp://h/a\",\"path\":{}1\n", "{\"a\":".repeat(150_000)),
        format!("{{{}}}\n", (0..50_000).map(|n| format!("\"k{n}\":1")).collect::<Vec<_>>().join(",")),
    ] {
        let ended = ftpq.run(&["add", &ftpq.write("m.jsonl", &list)]);
        assert_eq!(ended.code, Some(2), "{ended}");
        assert!(ended.err.len() < 4000, "{} bytes of message", ended.err.len());
    }
    let quote = format!("url,path\nftp://h/a,\"{}", "x\n".repeat(2 << 20));
    let ended = ftpq.run(&["add", &ftpq.write("m.csv", quote)]);
    assert_eq!(ended.code, Some(2), "{ended}");
    for settings in [
        format!("timeout = {deep}"),
        format!("{} = 1", vec!["a"; 200_000].join(".")),
        format!("[{}]", vec!["host"; 200_000].join(".")),
        format!("host = {}", "{a=".repeat(200_000)),
        "# filler\n".repeat(600_000),
    ] {
        let path = ftpq.write("settings.toml", settings);
        let begin = Instant::now();
        let ended = ftpq.run(&["--config", &path, "status"]);
        assert_eq!(ended.code, Some(2), "{ended}");
        assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
        assert!(ended.err.len() < 4000, "{} bytes of message", ended.err.len());
    }
}

/// A list that names thousands of hosts: bounded memory, and an end.
#[test]
fn a_list_of_many_hosts_is_worked_through_in_bounded_memory() {
    const HOSTS: usize = 2000;
    let ftpq = Ftpq::new();
    // Port 1 of any loopback address refuses at once.
    let list: String = (0..HOSTS).map(|n| format!("ftp://127.1.{}.{}:1/f\tf{n}\n", n / 250, n % 250 + 1)).collect();
    let add = ftpq.run(&["add", &ftpq.write("list", list)]).expect_code(0);
    assert!(add.out.contains("queued 2000 jobs"), "{add}");
    let mut run = ftpq.spawn(&["-q", "run", "--retries", "0", "--timeout", "2"]);
    let mut peak = 0;
    let ended = watch::wait_for(Duration::from_secs(50), || {
        peak = run.peak_memory().max(peak);
        run.ended()
    });
    assert!(ended, "it does not come to an end\n{}", run.so_far());
    assert!(peak < MEMORY, "{peak} KiB");
    let ended = run.wait(Duration::from_secs(1)).expect_code(1);
    // The first failures are told, and the rest is counted.
    assert!(ended.err.len() < 100_000, "{} bytes of messages", ended.err.len());
    assert_eq!(ftpq.count("failed"), HOSTS as u64, "{ended}");
}

/// Names that are one on some systems, or look like one; those that mislead are refused, the others are kept apart, and
/// no file takes another one's place.
#[test]
fn mlsd_names_that_collide_or_mislead_in_a_list_are_refused() {
    let server = Scripted::honest();
    let ftpq = Ftpq::new();
    let into = ftpq.downloads();
    let refused = |path: &str| {
        let line = format!("{}\n", serde_json::json!({ "url": server.url("a"), "path": path }));
        let ended = ftpq.run(&["add", &ftpq.write("m.jsonl", line), "--into", into.to_str().unwrap()]);
        assert_eq!(ended.code, Some(2), "{path:?}\n{ended}");
    };
    ["a\u{202e}gpj.exe", "a\u{200b}b", "a\u{2066}b", "\u{feff}a", ".a.ftpq-part", "a\u{7f}", "a\u{85}b"]
        .into_iter()
        .for_each(refused);
    // The same place for two sources: none is queued, and both are named.
    let both = format!("{}\tsame\n{}\tsame\n", server.url("a"), server.url("b"));
    let ended = ftpq.run(&["add", &ftpq.write("list", both), "--into", into.to_str().unwrap()]).expect_code(2);
    assert!(ended.err.contains("/a") && ended.err.contains("/b"), "{ended}");
    assert!(ftpq.json(&["list"]).is_empty(), "{ended}");
    // The same job twice is one. Others are apart, however alike they look.
    let names = ["same", "same", "Same", "SAME", "e\u{301}", "\u{e9}", "aux", "trailing ", "trailing."];
    let lines: String = names
        .iter()
        .map(|name| {
            let remote = name.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
            server.put(name, pseudo_random(250, 100 + name.len()));
            format!("{}\n", serde_json::json!({ "url": server.url(&remote), "path": name }))
        })
        .collect();
    ftpq.run(&["add", &ftpq.write("m.jsonl", lines), "--into", into.to_str().unwrap()]).expect_code(0);
    let ended = ftpq.run(&["run", "--retries", "0"]).expect_code(0);
    names.iter().for_each(|name| ftpq.assert_file(name, &pseudo_random(250, 100 + name.len()), &ended));
    assert_eq!(fs::read_dir(&into).unwrap().count(), names.len() - 1, "{ended}");
}
