//! How files are proved: by a list's word, one found beside the file, the server's own, or the length; what is wrong is
//! found, mended where its place is known, and kept aside where it can't be.

use crate::{
    policies::digest,
    support::{
        Act, End, Ended, Ftpq, Scripted, Traits, Turn, pseudo_random,
        real::{self, Kind, Options, Server},
        report, watch,
    },
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

const MIB: usize = 1 << 20;

/// The digest that other programs compute, as a list writes it.
fn sum(algorithm: &str, data: &[u8]) -> String {
    match algorithm {
        "crc32" => format!("{:08x}", crc32fast::hash(data)),
        "bsd-sum" => {
            let sum = data.iter().fold(0u16, |sum, &b| sum.rotate_right(1).wrapping_add(u16::from(b)));
            format!("{sum}:{}", data.len().div_ceil(1024))
        }
        "cksum" => format!("{}:{}", digest("cksum", data), data.len()),
        _ => digest(&format!("{}sum", algorithm.replace('-', "")), data),
    }
}

const ALGORITHMS: [&str; 7] = ["md5", "sha-1", "sha-256", "sha-512", "crc32", "bsd-sum", "cksum"];

/// Adds one job with more fields.
fn add(ftpq: &Ftpq, url: &str, path: &str, fields: &Value) {
    let mut line = json!({"url": url, "path": path});
    line.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let manifest = ftpq.write("m.jsonl", format!("{line}\n"));
    ftpq.run(&["add", &manifest, "--into", ftpq.downloads().to_str().unwrap()]).expect_code(0);
}

/// Adds a job by a Metalink with digests of pieces, and of the whole where `whole` is given.
fn add_pieces(ftpq: &Ftpq, url: &str, path: &str, data: &[u8], length: usize, whole: Option<&str>) {
    let hashes: String = data.chunks(length).map(|piece| format!("<hash>{}</hash>", sum("sha-1", piece))).collect();
    let whole = whole.map_or_else(String::new, |sum| format!("<hash type=\"md5\">{sum}</hash>"));
    let text = format!(
        "<?xml version=\"1.0\"?><metalink xmlns=\"urn:ietf:params:xml:ns:metalink\"><file name=\"{path}\">\
         <size>{}</size>{whole}<pieces length=\"{length}\" type=\"sha-1\">{hashes}</pieces><url>{url}</url></file></metalink>",
        data.len()
    );
    let manifest = ftpq.write("m.meta4", text);
    ftpq.run(&["add", &manifest, "--into", ftpq.downloads().to_str().unwrap()]).expect_code(0);
}

/// The receipt of a job.
fn receipt(ftpq: &Ftpq, id: u32) -> Value {
    ftpq.json_one(&["show", &id.to_string()])["receipt"].clone()
}

/// The answers of a server that computes checksums: by these lines of FEAT.
#[derive(Clone, Copy)]
struct Hashing {
    feat: &'static str,
    /// What it answers instead of the truth.
    lie: Option<&'static str>,
    /// Whether it takes the end of a range for its last byte.
    inclusive: bool,
}

const EVERY: &str = " HASH SHA-256*;SHA-512;SHA-1;MD5;CRC32\r\n RANG STREAM\r\n XSHA256\r\n XSHA512\r\n XSHA1\r\n XMD5\r\n XCRC\r\n MD5\r\n";

impl Hashing {
    fn new(feat: &'static str) -> Self {
        Self { feat, lie: None, inclusive: false }
    }

    fn act(self, turn: &Turn) -> Act {
        match turn.verb {
            "FEAT" => Act::Reword(Box::new(move |text| text.replace(" EPRT\r\n", &format!("{} EPRT\r\n", self.feat)))),
            "OPTS" if turn.arg.starts_with("HASH ") => Act::say(&format!("200 {}", &turn.arg[5..])),
            "HASH" | "XSHA256" | "XSHA512" | "XSHA1" | "XSHA" | "XMD5" | "XCRC" | "MD5" | "SITE" => match self.lie {
                Some(lie) => Act::say(lie),
                None => Act::say(&self.answer(turn)),
            },
            _ => Act::Usual,
        }
    }

    fn answer(self, turn: &Turn) -> String {
        let arg = turn.arg.strip_prefix("MD5 ").filter(|_| turn.verb == "SITE").unwrap_or(turn.arg);
        let (path, range) = match arg.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
            Some((path, range)) => (path, range.trim()),
            None if turn.verb.starts_with('X') => arg.split_once(' ').unwrap_or((arg, "")),
            None => (arg, ""),
        };
        let Some(file) = turn.core.file(path.trim_start_matches('/')) else { return "550 no such file".to_owned() };
        let mut ends = range.split(' ').map_while(|n| n.parse::<usize>().ok());
        let (start, end) = (ends.next().unwrap_or(0), ends.next().unwrap_or(file.data.len()));
        let end = end + usize::from(self.inclusive && !range.is_empty());
        if start > end || end > file.data.len() {
            return "501 no such range".to_owned();
        }
        let data = &file.data[start..end];
        match turn.verb {
            "HASH" => {
                let chosen = turn.core.args("OPTS").into_iter().rfind(|arg| arg.starts_with("HASH ")).unwrap();
                let name = chosen[5..].to_owned();
                let hex = sum(&name.to_lowercase(), data);
                format!("213 {name} 0-{} {hex} {path}", data.len().saturating_sub(1))
            }
            "MD5" => format!("251 {path} {}", sum("md5", data)),
            "SITE" => format!("213 {}    {path}", sum("md5", data)),
            "XSHA1" | "XSHA" => format!("250 {}", sum("sha-1", data).to_uppercase()),
            "XSHA256" => format!("250 {}", sum("sha-256", data).to_uppercase()),
            "XSHA512" => format!("250 {}", sum("sha-512", data).to_uppercase()),
            "XMD5" => format!("250 {}", sum("md5", data).to_uppercase()),
            _ => format!("250 {}", sum("crc32", data).to_uppercase()),
        }
    }
}

/// A hook that flips one byte of a file in the first so many deliveries, and otherwise answers as another.
fn flipping(
    name: &'static str,
    at: usize,
    times: usize,
    other: impl Fn(&Turn) -> Act + Send + Sync + 'static,
) -> impl Fn(&Turn) -> Act + Send + Sync + 'static {
    let seen = AtomicUsize::new(0);
    move |turn| {
        if turn.verb == "RETR" && turn.arg.trim_start_matches('/') == name {
            if seen.fetch_add(1, Ordering::SeqCst) < times {
                let mut delivery = turn.delivery();
                let mut data = delivery.data.to_vec();
                data[at] ^= 0x10;
                delivery.data = Arc::new(data);
                return Act::Deliver(delivery);
            }
            return Act::Usual;
        }
        other(turn)
    }
}

/// Runs to the end while the final name is watched: it never holds anything but the right bytes.
fn run_watched(ftpq: &Ftpq, name: &str, data: &[u8], more: &[&str]) -> Ended {
    let expected = BTreeMap::from([(ftpq.downloads().join(name), data.to_vec())]);
    let watcher = watch::Watcher::new(expected);
    let ended = ftpq.run(&[&["--json", "run", "--retries", "2", "--timeout", "5"], more].concat());
    let (wrong, _) = watcher.finish();
    assert!(wrong.is_empty(), "the final name held wrong bytes: {wrong:?}\n{ended}");
    ended
}

#[test]
fn a_lists_checksum_of_every_kind_is_the_proof() {
    for (size, algorithm) in [5000, 300_000, 3_000_000].into_iter().flat_map(|size| ALGORITHMS.map(|a| (size, a))) {
        let data = pseudo_random(500, size);
        let server = Scripted::lying(|turn| Hashing::new(EVERY).act(turn));
        server.put("a.bin", data.clone());
        let ftpq = Ftpq::new();
        let given = format!("{algorithm}={}", sum(algorithm, &data));
        add(&ftpq, &server.url("a.bin"), "a.bin", &json!({"checksum": given}));
        let ended = run_watched(&ftpq, "a.bin", &data, &[]).expect_code(0);
        ftpq.assert_file("a.bin", &data, &ended);
        let receipt = receipt(&ftpq, 1);
        assert_eq!(receipt["proof"], json!({"by": "manifest"}), "{receipt:#}");
        assert_eq!(receipt["checksum"], given, "{receipt:#}");
        assert_eq!(receipt["digests"], json!([given]), "{receipt:#}");
        // With a list's word nobody else is asked.
        let asked =
            server.core().commands().iter().filter(|line| line.contains("HASH") || line.starts_with('X')).count();
        assert_eq!(asked, 0, "{}", server.core().dialogue());
    }
}

#[test]
fn a_checksum_of_every_kind_is_found_beside_the_file() {
    let data = pseudo_random(501, 100_000);
    let other = pseudo_random(502, 10);
    let line = |algorithm: &str, name: &str| format!("{}  {name}\n", sum(algorithm, &data));
    let bsd = |name: &str| format!("{} {name}\n", sum("bsd-sum", &data).replace(':', "    "));
    for (name, text) in [
        ("a.bin.md5", line("md5", "a.bin")),
        ("a.bin.sha1", line("sha-1", "other/name.bin")),
        ("a.bin.sha256", sum("sha-256", &data)),
        ("a.bin.sha512", format!("SHA512 (a.bin) = {}\n", sum("sha-512", &data))),
        ("a.bin.md5", format!("{}  x\n{}", sum("md5", &other), line("md5", "a.bin"))),
        ("MD5SUMS", format!("{}  x\n{}", sum("md5", &other), line("md5", "./a.bin"))),
        ("SHA1SUMS", line("sha-1", "a.bin")),
        ("SHA256SUMS", format!("{}  sub/a.bin\n{} *a.bin\r\n", sum("sha-256", &other), sum("sha-256", &data))),
        ("SHA512SUMS", line("sha-512", "a.bin")),
        ("md5checksums.txt", line("md5", "./a.bin")),
        ("CHECKSUMS", format!("00000 1 x\n{}", bsd("a.bin"))),
    ] {
        let server = Scripted::honest();
        server.put("pub/a.bin", data.clone());
        server.put(&format!("pub/{name}"), text.clone());
        let ftpq = Ftpq::new();
        add(&ftpq, &server.url("pub/a.bin"), "a.bin", &json!({}));
        let ended = run_watched(&ftpq, "a.bin", &data, &["--sidecars"]).expect_code(0);
        ftpq.assert_file("a.bin", &data, &ended);
        let receipt = receipt(&ftpq, 1);
        let story = format!("{name}: {text}{receipt:#}\n{}", server.core().dialogue());
        assert_eq!(receipt["proof"], json!({"by": "sidecar", "name": name}), "{story}");
        assert!(receipt["checksum"].is_string(), "{story}");
    }
}

/// Without the option nothing is looked for; with it each list comes once, whoever needs it.
#[test]
fn lists_in_a_folder_are_fetched_once_and_only_where_that_is_wanted() {
    let server = Scripted::lying(|turn| {
        if turn.verb == "RETR" && turn.arg.ends_with("SUMS") {
            std::thread::sleep(Duration::from_millis(200));
        }
        Act::Usual
    });
    let files: Vec<(String, Vec<u8>)> = (0..40).map(|n| (format!("f{n}"), pseudo_random(n, 2000))).collect();
    let sums: String = files.iter().map(|(name, data)| format!("{}  {name}\n", sum("md5", data))).collect();
    files.iter().for_each(|(name, data)| server.put(&format!("pub/{name}"), data.clone()));
    // A list that names itself, with a sum that can't be right.
    server.put("pub/MD5SUMS", format!("{sums}{}  MD5SUMS\n", "0".repeat(32)));
    for wanted in [false, true] {
        let ftpq = Ftpq::new();
        let names: Vec<String> = files.iter().map(|(name, _)| name.clone()).chain(["MD5SUMS".to_owned()]).collect();
        let jobs: Vec<(String, &str)> =
            names.iter().map(|name| (server.url(&format!("pub/{name}")), name.as_str())).collect();
        ftpq.add(&jobs);
        let before = server.core().args("RETR").len();
        let options: &[&str] = if wanted { &["--sidecars", "--per-host", "4"] } else { &["--per-host", "4"] };
        let ended = ftpq.run(&[&["--json", "run"], options].concat()).expect_code(0);
        let retrieved = server.core().args("RETR").split_off(before);
        let lists = retrieved.iter().filter(|path| path.ends_with("SUMS")).count();
        // Once as a list, and once as a file of its own.
        assert_eq!(lists, 1 + usize::from(wanted), "{ended}{}", server.core().dialogue());
        for id in 1..=41 {
            let job = ftpq.json_one(&["show", &id.to_string()]);
            let proof = &job["receipt"]["proof"];
            let is_list = job["source"].as_str().unwrap().ends_with("MD5SUMS");
            let expected = if wanted && !is_list { "sidecar" } else { "size" };
            assert_eq!(proof["by"], expected, "{job:#}");
        }
    }
}

#[test]
fn the_servers_own_checksum_is_asked_for_where_no_other_is_known() {
    for (feat, command, algorithm) in [
        (EVERY, "HASH", "sha-256"),
        (" HASH MD5;SHA-512*\r\n", "HASH", "sha-512"),
        (" XCRC\r\n XMD5\r\n XSHA256\r\n", "XSHA256", "sha-256"),
        (" XSHA512\r\n", "XSHA512", "sha-512"),
        (" XSHA1\r\n XMD5\r\n", "XSHA1", "sha-1"),
        (" XSHA\r\n", "XSHA", "sha-1"),
        (" XMD5\r\n XCRC\r\n", "XMD5", "md5"),
        (" XCRC filename;start;end\r\n", "XCRC", "crc32"),
        (" MD5\r\n", "MD5", "md5"),
        (" SITE MD5\r\n", "SITE MD5", "md5"),
    ] {
        for (name, size) in [("a.bin", 3000), ("a b.bin", 200_000)] {
            let data = pseudo_random(503, size);
            let server = Scripted::lying(move |turn| Hashing::new(feat).act(turn));
            server.put(name, data.clone());
            let ftpq = Ftpq::new();
            add(&ftpq, &server.url(&name.replace(' ', "%20")), name, &json!({}));
            let ended = run_watched(&ftpq, name, &data, &[]).expect_code(0);
            ftpq.assert_file(name, &data, &ended);
            let receipt = receipt(&ftpq, 1);
            let story = format!("{feat}{receipt:#}\n{}", server.core().dialogue());
            assert_eq!(receipt["proof"], json!({"by": "server", "command": command}), "{story}");
            assert_eq!(receipt["checksum"], format!("{algorithm}={}", sum(algorithm, &data)), "{story}");
        }
    }
}

#[test]
fn a_server_is_left_in_peace_where_the_user_says_so_and_for_empty_files() {
    for (options, size) in [(&["--server-hash", "off"][..], 1000), (&[], 0), (&["--type", "ascii"], 1000)] {
        let server = Scripted::lying(|turn| Hashing::new(EVERY).act(turn));
        let data = vec![b'x'; size];
        server.put("a.bin", data.clone());
        let ftpq = Ftpq::new();
        add(&ftpq, &server.url("a.bin"), "a.bin", &json!({}));
        run_watched(&ftpq, "a.bin", &data, options).expect_code(0);
        let story = server.core().dialogue();
        assert!(!server.core().commands().iter().any(|line| line.contains("HASH") || line.starts_with('X')), "{story}");
        let by = if options.contains(&"ascii") { "nothing" } else { "size" };
        assert_eq!(receipt(&ftpq, 1)["proof"], json!({"by": by}), "{options:?}");
    }
}

/// Every sign that it offers a checksum and can't give one: said, and no failure.
#[test]
fn what_a_server_makes_of_the_question_is_no_failure() {
    for (lie, words) in [
        ("450 HASH busy", "refuses"),
        ("501 Invalid argument", "refuses"),
        ("504 Unsupported", "refuses"),
        ("550 no such file", "refuses"),
        ("556 refused", "refuses"),
        ("213 SHA-1 0-999 da39a3ee5e6b4b0d3255bfef95601890afd80709 a.bin", "another hash function"),
        ("213 SHA-256 0-9 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 a.bin", "another part"),
        ("213 SHA-256 0-999 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 b.bin", "another file"),
        ("213 I am the walrus", "no checksum"),
        ("350 and now?", "refuses"),
    ] {
        let data = pseudo_random(504, 1000);
        let hashing = Hashing { lie: Some(lie), ..Hashing::new(" HASH SHA-256*\r\n") };
        let server = Scripted::lying(move |turn| hashing.act(turn));
        server.put("a.bin", data.clone());
        let ftpq = Ftpq::new();
        add(&ftpq, &server.url("a.bin"), "a.bin", &json!({}));
        let ended = run_watched(&ftpq, "a.bin", &data, &[]).expect_code(0);
        ftpq.assert_file("a.bin", &data, &ended);
        let receipt = receipt(&ftpq, 1);
        let note = receipt["note"].as_str().unwrap_or_default();
        assert_eq!(receipt["proof"], json!({"by": "size"}), "{lie}: {receipt:#}");
        assert!(note.contains("HASH") && note.contains(words), "{lie}: {receipt:#}");
    }
}

#[test]
fn a_server_that_knows_no_command_that_it_offers_is_asked_by_each_once() {
    let hashing = Hashing { lie: Some("502 Command not implemented."), ..Hashing::new(" XSHA256\r\n XMD5\r\n") };
    let server = Scripted::lying(move |turn| hashing.act(turn));
    let ftpq = Ftpq::new();
    let names: Vec<String> = (0..12).map(|n| format!("f{n}")).collect();
    names.iter().for_each(|name| server.put(name, pseudo_random(505, 500)));
    let jobs: Vec<(String, &str)> = names.iter().map(|name| (server.url(name), name.as_str())).collect();
    ftpq.add(&jobs);
    ftpq.run(&["run", "--per-host", "1"]).expect_code(0);
    let story = server.core().dialogue();
    assert_eq!((server.core().args("XSHA256").len(), server.core().args("XMD5").len()), (1, 1), "{story}");
    let status = ftpq.json_one(&["status"]);
    assert_eq!(status["hosts"][0]["quirks"]["no_hash"], true, "{status:#}\n{story}");
}

#[test]
fn a_server_that_never_ends_its_answer_holds_nothing_up_for_long() {
    for act in ["silence", "flood", "drip", "close"] {
        let server = Scripted::lying(move |turn| match (turn.verb, act) {
            ("XSHA256", "silence") => Act::Silence,
            ("XSHA256", "flood") => Act::Flood(b"250-still computing\r\n".to_vec()),
            ("XSHA256", "drip") => {
                Act::Drip("250-still computing\r\n".repeat(500).into_bytes(), Duration::from_millis(5))
            }
            ("XSHA256", "close") => Act::SayAndClose(Vec::new()),
            _ => Hashing::new(" XSHA256\r\n").act(turn),
        });
        let names: Vec<String> = (0..6).map(|n| format!("f{n}")).collect();
        let data = pseudo_random(506, 700);
        names.iter().for_each(|name| server.put(name, data.clone()));
        let ftpq = Ftpq::new();
        let jobs: Vec<(String, &str)> = names.iter().map(|name| (server.url(name), name.as_str())).collect();
        ftpq.add(&jobs);
        let ended = ftpq.run(&["--json", "run", "--timeout", "1", "--per-host", "1"]).expect_code(0);
        names.iter().for_each(|name| ftpq.assert_file(name, &data, &ended));
        // Two chances, and then never again in this run.
        let story = server.core().dialogue();
        assert_eq!(server.core().args("XSHA256").len(), 2, "{act}\n{ended}{story}");
        let receipt = receipt(&ftpq, 1);
        assert_eq!(receipt["proof"], json!({"by": "size"}), "{act}: {receipt:#}");
        assert!(receipt["note"].as_str().unwrap().contains("XSHA256"), "{act}: {receipt:#}");
    }
}

/// One way to know of a file what it should be.
type Way = (&'static str, fn(&Ftpq, &Scripted, &[u8]), &'static [&'static str], &'static str);

fn by_list(ftpq: &Ftpq, server: &Scripted, data: &[u8]) {
    let given = format!("md5={}", sum("md5", data));
    add(ftpq, &server.url("a.bin"), "a.bin", &json!({"checksum": given}));
}

fn by_nothing(ftpq: &Ftpq, server: &Scripted, _: &[u8]) {
    add(ftpq, &server.url("a.bin"), "a.bin", &json!({}));
}

fn by_sidecar(ftpq: &Ftpq, server: &Scripted, data: &[u8]) {
    server.put("a.bin.md5", sum("md5", data));
    by_nothing(ftpq, server, data);
}

fn by_pieces(ftpq: &Ftpq, server: &Scripted, data: &[u8]) {
    add_pieces(ftpq, &server.url("a.bin"), "a.bin", data, 256 * 1024, None);
}

fn by_both(ftpq: &Ftpq, server: &Scripted, data: &[u8]) {
    add_pieces(ftpq, &server.url("a.bin"), "a.bin", data, 256 * 1024, Some(&sum("md5", data)));
}

/// Name, how the job is added, options of the run, what FEAT offers.
const WAYS: [Way; 7] = [
    ("list", by_list, &[], ""),
    ("sidecar", by_sidecar, &["--sidecars"], ""),
    ("server", by_nothing, &[], " HASH SHA-256*\r\n"),
    ("server by ranges", by_nothing, &[], " XSHA256\r\n"),
    ("server by inclusive ranges", by_nothing, &[], " XMD5\r\n"),
    ("pieces", by_pieces, &[], ""),
    ("list and pieces", by_both, &[], ""),
];

fn hashing_of(name: &str, feat: &'static str) -> Hashing {
    Hashing { inclusive: name.contains("inclusive"), ..Hashing::new(feat) }
}

#[test]
fn a_flipped_byte_is_found_and_only_what_is_wrong_is_fetched_again_where_its_place_can_be_known() {
    let mut table = String::new();
    for (name, prepare, options, feat) in WAYS {
        for (size, at) in [(40_000, 20_000), (6 * MIB, 0), (6 * MIB, 3 * MIB + 17), (6 * MIB, 6 * MIB - 1)] {
            let data = pseudo_random(507, size);
            let hashing = hashing_of(name, feat);
            let server = Scripted::lying(flipping("a.bin", at, 1, move |turn| hashing.act(turn)));
            server.put("a.bin", data.clone());
            let ftpq = Ftpq::new();
            prepare(&ftpq, &server, &data);
            let ended = run_watched(&ftpq, "a.bin", &data, options);
            let story = format!("{name}, byte {at} of {size}\n{ended}{}", server.core().dialogue());
            assert_eq!(ended.code, Some(0), "{story}");
            ftpq.assert_file("a.bin", &data, &story);
            let receipt = receipt(&ftpq, 1);
            let fetched = usize::try_from(receipt["fetched"].as_u64().unwrap()).unwrap();
            let again = fetched - size;
            writeln!(table, "{name:<28} byte {at:>8} of {size:>8}: {again:>8} bytes fetched again").unwrap();
            let finds_place = name.contains("pieces") || name.contains("ranges");
            let most = if size > MIB && finds_place { 2 * 256 * 1024 } else { size };
            assert!(again > 0 && again <= most, "{again} bytes were fetched again\n{story}\n{receipt:#}");
            let note = receipt["note"].as_str().unwrap_or_default();
            assert!(note.contains("checksum") || note.contains("digests"), "{story}\n{receipt:#}");
            let kept = watch::files_below(&ftpq.downloads());
            assert_eq!(kept, [ftpq.downloads().join("a.bin")], "{story}");
        }
    }
    report::table(&table);
}

#[test]
fn a_file_that_stays_wrong_is_kept_aside_and_its_failure_says_by_whose_word() {
    for (name, prepare, options, feat) in WAYS {
        for (size, at) in [(40_000, 20_000), (3 * MIB, 2 * MIB + 17)] {
            let data = pseudo_random(508, size);
            let hashing = hashing_of(name, feat);
            let server = Scripted::lying(flipping_all(at, move |turn| hashing.act(turn)));
            server.put("a.bin", data.clone());
            let ftpq = Ftpq::new();
            prepare(&ftpq, &server, &data);
            let mut bad = data.clone();
            bad[at] ^= 0x10;
            let kind = match name {
                "pieces" => "pieces",
                "server" | "server by ranges" => "sha-256",
                _ => "md5",
            };
            for number in ["", ".2"] {
                let ended = run_watched(&ftpq, "a.bin", &data, options);
                let story = format!("{name}, byte {at} of {size}\n{ended}{}", server.core().dialogue());
                assert_eq!(ended.code, Some(1), "{story}");
                ftpq.assert_absent("a.bin", &story);
                let aside = format!("a.bin.ftpq-wrong-{kind}{number}");
                let kept = fs::read(ftpq.downloads().join(&aside)).unwrap_or_else(|e| panic!("{aside}: {e}\n{story}"));
                assert!(kept == bad, "{story}");
                let failure = ftpq.json_one(&["show", "1"])["failure"].clone();
                let message = failure["message"].as_str().unwrap();
                assert_eq!(failure["cause"], "wrong_checksum", "{story}");
                let word = match name {
                    "sidecar" => "a.bin.md5 on the server",
                    "server" => "the server's HASH",
                    "server by ranges" => "the server's XSHA256",
                    "server by inclusive ranges" => "the server's XMD5",
                    _ => "the manifest gives",
                };
                assert!(message.contains(word) && message.contains(&aside), "{message}\n{story}");
                assert!(failure["advice"].as_str().unwrap().contains("ftpq retry"), "{failure:#}");
                let most = 6 * size as u64 + 4 * MIB as u64;
                let sent = server.core().sent("a.bin");
                assert!(sent <= most, "{sent} bytes were sent\n{story}");
                assert!(watch::parts_below(&ftpq.downloads()).is_empty(), "{story}");
                ftpq.run(&["retry", "--all"]).expect_code(0);
            }
        }
    }
}

/// Every delivery has the byte flipped.
fn flipping_all(
    at: usize,
    other: impl Fn(&Turn) -> Act + Send + Sync + 'static,
) -> impl Fn(&Turn) -> Act + Send + Sync + 'static {
    flipping("a.bin", at, usize::MAX, other)
}

/// A server whose checksum is always the same, of whatever file.
#[test]
fn a_server_with_one_answer_for_everything_is_named() {
    let hashing = Hashing { lie: Some("250 0123456789ABCDEF0123456789ABCDEF"), ..Hashing::new(" XMD5\r\n") };
    let server = Scripted::lying(move |turn| hashing.act(turn));
    let data = pseudo_random(509, 2 * MIB);
    server.put("a.bin", data.clone());
    let ftpq = Ftpq::new();
    by_nothing(&ftpq, &server, &data);
    let ended = run_watched(&ftpq, "a.bin", &data, &[]).expect_code(1);
    let failure = ftpq.json_one(&["show", "1"])["failure"].clone();
    assert!(failure["message"].as_str().unwrap().contains("the server's XMD5 gives"), "{failure:#}");
    assert!(failure["advice"].as_str().unwrap().contains("--server-hash off"), "{failure:#}");
    assert!(server.core().args("XMD5").len() <= 50, "{}", server.core().dialogue());
    assert!(server.core().sent("a.bin") <= 2 * data.len() as u64, "{ended}");
    ftpq.run(&["retry", "--all"]).expect_code(0);
    let ended = run_watched(&ftpq, "a.bin", &data, &["--server-hash", "off"]).expect_code(0);
    ftpq.assert_file("a.bin", &data, &ended);
}

#[test]
fn a_file_that_came_over_several_connections_is_mended_by_its_pieces() {
    const LEN: usize = 24 * MIB;
    let data = pseudo_random(510, LEN);
    let seen = AtomicUsize::new(0);
    let server = Scripted::with(Traits { pace: 6 << 20, ..Traits::default() }, move |turn| {
        // The first delivery that reaches this byte has it wrong.
        if turn.verb == "RETR" && turn.rest > 8 << 20 && seen.fetch_add(1, Ordering::SeqCst) == 0 {
            let mut delivery = turn.delivery();
            let mut data = delivery.data.to_vec();
            data[delivery.from + MIB] ^= 1;
            delivery.data = Arc::new(data);
            return Act::Deliver(delivery);
        }
        Act::Usual
    });
    server.put("a.bin", data.clone());
    let ftpq = Ftpq::new();
    add_pieces(&ftpq, &server.url("a.bin"), "a.bin", &data, MIB, None);
    let ended = run_watched(&ftpq, "a.bin", &data, &["--per-host", "3"]);
    let story = format!("{ended}{}", server.core().dialogue());
    assert_eq!(ended.code, Some(0), "{story}");
    ftpq.assert_file("a.bin", &data, &story);
    let receipt = receipt(&ftpq, 1);
    assert_eq!(receipt["proof"], json!({"by": "pieces"}), "{receipt:#}\n{story}");
    let note = receipt["note"].as_str().unwrap();
    assert!(note.contains("connections") && note.contains("are fetched again"), "{note}\n{story}");
    let fetched = receipt["fetched"].as_u64().unwrap();
    assert!(fetched <= LEN as u64 + 3 * MIB as u64, "{fetched}\n{story}");
}

#[test]
fn a_server_that_ignores_rest_mends_by_the_whole_file() {
    let data = pseudo_random(511, 4 * MIB);
    let traits = Traits { ignores_rest: true, ..Traits::default() };
    let server = Scripted::with(traits, flipping("a.bin", 3 * MIB, 1, |_| Act::Usual));
    server.put("a.bin", data.clone());
    let ftpq = Ftpq::new();
    by_pieces(&ftpq, &server, &data);
    let ended = run_watched(&ftpq, "a.bin", &data, &[]);
    let story = format!("{ended}{}", server.core().dialogue());
    assert_eq!(ended.code, Some(0), "{story}");
    ftpq.assert_file("a.bin", &data, &story);
}

/// A file that is there already is proved like any other; one wrong byte is found, whoever knows better.
#[test]
fn a_file_that_is_there_already_is_proved_too() {
    let data = pseudo_random(512, 200_000);
    for (name, prepare, options, feat) in WAYS {
        for flipped in [false, true] {
            let server = Scripted::lying(move |turn| hashing_of(name, feat).act(turn));
            server.put("a.bin", data.clone());
            let ftpq = Ftpq::new();
            prepare(&ftpq, &server, &data);
            let path = ftpq.downloads().join("a.bin");
            let mut there = data.clone();
            there[77_777] ^= u8::from(flipped);
            fs::write(&path, &there).unwrap();
            // The time that the server tells: 2024-02-29 12:34:56 UTC.
            let file = fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(real::MODIFIED)).unwrap();
            let ended = ftpq.run(&[&["--json", "run"], options].concat());
            let story = format!("{name}\n{ended}{}", server.core().dialogue());
            assert!(fs::read(&path).unwrap() == there, "{story}");
            assert_eq!(server.core().sent("a.bin"), 0, "{story}");
            if flipped {
                assert_eq!(ended.code, Some(1), "{story}");
                let failure = ftpq.json_one(&["show", "1"])["failure"].clone();
                assert!(failure["message"].as_str().unwrap().contains("another checksum"), "{failure:#}\n{story}");
                continue;
            }
            assert_eq!(ended.code, Some(0), "{story}");
            let receipt = receipt(&ftpq, 1);
            let by = match name {
                "list" | "list and pieces" => "manifest",
                "sidecar" | "pieces" => name,
                _ => "server",
            };
            assert_eq!(receipt["proof"]["by"], by, "{receipt:#}\n{story}");
        }
    }
}

#[test]
fn a_digest_is_kept_of_every_file_where_that_is_wanted() {
    let data = pseudo_random(513, 5 * MIB);
    let small = pseudo_random(514, 900);
    let server = Scripted::honest();
    server.put("a.bin", data.clone());
    server.put("small", small.clone());
    server.put("there", small.clone());
    let ftpq = Ftpq::new();
    let md5 = format!("md5={}", sum("md5", &data));
    add(&ftpq, &server.url("a.bin"), "a.bin", &json!({"checksum": md5}));
    add(&ftpq, &server.url("small"), "small", &json!({}));
    add(&ftpq, &server.url("there"), "there", &json!({}));
    let path = ftpq.downloads().join("there");
    fs::write(&path, &small).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(real::MODIFIED)).unwrap();
    ftpq.run(&["run", "--digest", "sha-256"]).expect_code(0);
    let sha = |data: &[u8]| format!("sha-256={}", sum("sha-256", data));
    assert_eq!(receipt(&ftpq, 1)["digests"], json!([md5, sha(&data)]));
    for id in [2, 3] {
        let receipt = receipt(&ftpq, id);
        assert_eq!(receipt["digests"], json!([sha(&small)]), "{receipt:#}");
        assert_eq!(receipt["proof"], json!({"by": "size"}), "{receipt:#}");
    }
}

#[test]
fn proftpd_proves_its_files_itself_and_tells_where_they_are_wrong() {
    if let Some(reason) = real::digests_unavailable() {
        return report::skip(&reason);
    }
    let server = Server::start(Kind::Proftpd, Options { digests: true, ..Options::default() });
    let data = pseudo_random(515, 6 * MIB);
    server.put("pub/some file.bin", &data);
    server.put("pub/small", &data[..3000]);
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url("pub/some%20file.bin", true), "file.bin"), (server.url("pub/small", true), "small")]);
    let ended = run_watched(&ftpq, "file.bin", &data, &[]).expect_code(0);
    ftpq.assert_file("file.bin", &data, &ended);
    for id in [1, 2] {
        let receipt = receipt(&ftpq, id);
        assert_eq!(receipt["proof"], json!({"by": "server", "command": "HASH"}), "{receipt:#}");
    }
    assert_eq!(receipt(&ftpq, 1)["checksum"], format!("sha-256={}", sum("sha-256", &data)));
    // A byte turned on the disk, long before the overlap.
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url("pub/some%20file.bin", true), "file.bin")]);
    let path = ftpq.downloads().join("file.bin");
    let mut there = data[..5 * MIB].to_vec();
    there[2 * MIB + 5] ^= 1;
    fs::write(&path, &there).unwrap();
    let ended = run_watched(&ftpq, "part", &[], &["--existing", "resume"]).expect_code(0);
    ftpq.assert_file("file.bin", &data, &ended);
    let receipt = receipt(&ftpq, 1);
    let fetched = receipt["fetched"].as_u64().unwrap();
    assert!(fetched <= 2 * MIB as u64, "{fetched} bytes were fetched\n{receipt:#}\n{ended}{}", server.log());
}

/// What was found to be wrong stays wrong, also where nobody can say so any more: a kill in the middle of mending, and a
/// server that does not compute checksums then.
#[test]
fn a_kill_while_a_file_is_mended_forgets_nothing() {
    let data = pseudo_random(516, 6 * MIB);
    let killed = Arc::new(AtomicUsize::new(0));
    let over = Arc::clone(&killed);
    let server = Scripted::lying(move |turn| match (turn.verb, over.load(Ordering::SeqCst)) {
        ("RETR", 0) => {
            let mut delivery = turn.delivery();
            if turn.before == 0 {
                let mut data = delivery.data.to_vec();
                data[3 * MIB] ^= 1;
                delivery.data = Arc::new(data);
            } else {
                // Mending begins, and does not come far.
                delivery.upto = delivery.from + 20_000;
                delivery.end = End::Stall;
                delivery.verdict = String::new();
            }
            Act::Deliver(delivery)
        }
        ("XSHA256", 1) => Act::say("450 busy"),
        _ => Hashing::new(" XSHA256\r\n").act(turn),
    });
    server.put("a.bin", data.clone());
    let ftpq = Ftpq::new();
    by_nothing(&ftpq, &server, &data);
    let run = ftpq.spawn(&["run"]);
    let mending = watch::wait_for(Duration::from_secs(30), || server.core().sent("a.bin") > data.len() as u64);
    let ended = run.kill();
    assert!(mending, "{ended}{}", server.core().dialogue());
    ftpq.assert_absent("a.bin", &ended);
    killed.store(1, Ordering::SeqCst);
    let ended = run_watched(&ftpq, "a.bin", &data, &[]).expect_code(0);
    let story = format!("{ended}{}", server.core().dialogue());
    ftpq.assert_file("a.bin", &data, &story);
    let receipt = receipt(&ftpq, 1);
    assert_eq!(receipt["proof"], json!({"by": "size"}), "{receipt:#}{story}");
    let fetched = receipt["fetched"].as_u64().unwrap();
    assert!(fetched <= 256 * 1024, "{fetched} bytes were fetched again\n{story}");
}
