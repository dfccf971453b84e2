//! A password from every source, servers that repeat it in every form, and a search for it in all that is left behind.

use crate::support::{Act, Ended, Ftpq, Scripted, Traits, Turn, pseudo_random, pty::Terminal, watch};
use flate2::{Compression, Decompress, FlushDecompress, write::GzEncoder};
use rustix::process::Signal;
use std::{
    fmt::Write as _,
    fs,
    io::{Read, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    time::Duration,
};

/// One source, its server, and the word that only that server may get.
struct Source {
    name: &'static str,
    user: String,
    secret: String,
    server: Scripted,
}

/// In each way that a server may repeat a password, among others in its verdict on a transfer.
fn parrot(turn: &Turn, secret: &str) -> Act {
    let secret = secret.to_owned();
    if !matches!(turn.verb, "PASS" | "TYPE" | "EPSV" | "SIZE" | "ACCT") || turn.arg == "wrong" {
        return Act::Usual;
    }
    Act::Reword(Box::new(move |usual| {
        let (code, rest) = usual.split_at(3);
        if !matches!(rest.chars().next(), Some(' ')) {
            return usual.to_owned();
        }
        let halves = secret.split_at(secret.char_indices().nth(5).unwrap().0);
        let mut said = String::new();
        for form in forms(&secret) {
            let _ = write!(said, "{code}-<{}>\r\n", String::from_utf8_lossy(&form));
        }
        format!("{said}{code}-{}\r\n{code}-{}{}\r\n{usual}", halves.0, halves.1, secret.to_uppercase())
    }))
}

impl Source {
    fn new(number: usize, name: &'static str) -> Self {
        let (user, secret) = (format!("user{number}"), format!("C{number:02}-k/ü?Zx9!"));
        let account = (name == "acct").then(|| format!("acct-{secret}"));
        let told = account.clone().unwrap_or_else(|| secret.clone());
        let passwords = [(user.clone(), secret.clone())].into();
        let traits = Traits { passwords, account, pace: 60_000, ..Traits::default() };
        let server = Scripted::with(traits, move |turn| parrot(turn, &told));
        server.put(name, pseudo_random(320 + number as u64, 250_000));
        Self { name, user, secret, server }
    }

    /// The URL, with the password or without.
    fn url(&self, with_password: bool) -> String {
        let encoded: String = self.secret.bytes().map(|b| format!("%{b:02X}")).collect();
        // As far as it can stand as it is.
        let encoded = encoded.replace("%43", "C").replace("%2D", "-").replace("%6B", "k");
        let info = if with_password { format!("{}:{encoded}", self.user) } else { self.user.clone() };
        self.server.url_as(&info, self.name)
    }

    fn got_it(&self) -> bool {
        let account = self.name != "acct" || self.server.core().args("ACCT") == [format!("acct-{}", self.secret)];
        account && self.server.core().args("PASS").contains(&self.secret)
    }
}

/// A password as it is, in other encodings of bytes, percent-encoded, in base64 at each position, in hexadecimal.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let bytes = secret.as_bytes();
    let percent = |all: bool| -> Vec<u8> {
        let code =
            |&b: &u8| if all || !b.is_ascii_alphanumeric() { format!("%{b:02X}") } else { char::from(b).to_string() };
        bytes.iter().map(code).collect::<String>().into_bytes()
    };
    let mut found = vec![bytes.to_vec(), percent(true), percent(false), percent(false).to_ascii_lowercase()];
    found.push(bytes.iter().map(|b| format!("{b:02x}")).collect::<String>().into_bytes());
    found.push(secret.encode_utf16().flat_map(u16::to_le_bytes).collect());
    found.push(secret.encode_utf16().flat_map(u16::to_be_bytes).collect());
    found.push(secret.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect());
    for before in 0..3 {
        let padded = [vec![b':'; before], bytes.to_vec()].concat();
        let whole = base64(&padded);
        // What is left of the characters that stand for its bytes alone.
        let from = (8 * before).div_ceil(6);
        found.push(whole[from..padded.len() * 8 / 6].to_vec());
    }
    found
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |b| b >> (7 - at % 8) & 1);
    let sextet = |at: usize| (0..6).fold(0, |sum, n| sum << 1 | usize::from(bit(6 * at + n)));
    (0..(bytes.len() * 8).div_ceil(6)).map(|at| ALPHABET[sextet(at)]).collect()
}

/// Everything in a file that might be something: its bytes, and what unpacks from any place in it.
fn unpacked(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap_or_default();
    let mut all = bytes.clone();
    for at in 0..bytes.len() {
        if bytes[at..].starts_with(&[0x1f, 0x8b, 8]) {
            let _ = flate2::read::MultiGzDecoder::new(&bytes[at..]).read_to_end(&mut all);
        }
    }
    if path.to_string_lossy().contains("/store") {
        // Jobs are stored as bare deflate, which has no mark: every place may be a beginning.
        let mut inflate = Decompress::new(false);
        let mut out = vec![0; 256 << 10];
        // Blocks of a kind that compresses (RFC 1951, section 3.2.3).
        for at in (0..bytes.len()).filter(|&at| matches!(bytes[at] >> 1 & 3, 1 | 2)) {
            inflate.reset(false);
            let _ = inflate.decompress(&bytes[at..], &mut out, FlushDecompress::Finish);
            let length = usize::try_from(inflate.total_out()).unwrap();
            if length > 16 {
                all.extend_from_slice(&out[..length]);
            }
        }
    }
    all
}

/// Where a password is found that should not be there.
struct Search {
    needles: Vec<(String, Vec<Vec<u8>>)>,
    found: Vec<String>,
    looked_at: usize,
}

impl Search {
    fn look(&mut self, place: &str, bytes: &[u8]) {
        self.looked_at += 1;
        for (name, forms) in &self.needles {
            for (number, form) in forms.iter().enumerate() {
                if bytes.windows(form.len()).any(|w| w.eq_ignore_ascii_case(form)) {
                    self.found.push(format!("{name}, form {number}, in {place}"));
                }
            }
        }
    }

    fn look_at_process(&mut self, pid: u32) {
        for name in ["cmdline", "environ", "comm", "status"] {
            let bytes = fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
            assert!(name != "cmdline" || !bytes.is_empty(), "process {pid} is gone");
            self.look(&format!("/proc/PID/{name}"), &bytes);
        }
        for options in [&["-ef"][..], &["auxeww"]] {
            if let Ok(output) = Command::new("ps").args(options).output() {
                // Other tests run beside this one; their lines may hold what they like.
                let own = pid.to_string();
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                let lines: Vec<&str> = text.lines().filter(|l| l.split_whitespace().nth(1) == Some(&own)).collect();
                assert!(!lines.is_empty(), "ps does not show process {pid}");
                self.look(&format!("ps {options:?}"), lines.join("\n").as_bytes());
            }
        }
    }

    /// Every file below the test's folder, but for what the test itself wrote, what was downloaded, and the one file.
    fn look_at_files(&mut self, ftpq: &Ftpq) {
        for path in watch::files_below(ftpq.folder()) {
            let name = path.strip_prefix(ftpq.folder()).unwrap().display().to_string();
            if name.starts_with("into/") {
                self.look("the name of a file", name.as_bytes());
            } else if !name.starts_with("given/") && name != "queue/credentials" {
                self.look(&name, &unpacked(&path));
                self.look("the name of a file", name.as_bytes());
            }
        }
    }
}

/// Writes one of the files that the test hands over.
fn give(ftpq: &Ftpq, name: &str, content: impl AsRef<[u8]>) -> String {
    fs::create_dir_all(ftpq.folder().join("given")).unwrap();
    let path = ftpq.write(&format!("given/{name}"), content);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(text.as_bytes()).unwrap();
    packer.finish().unwrap()
}

/// Hands every password over that is not for the run itself. Returns what was said.
fn hand_over(ftpq: &mut Ftpq, sources: &[Source]) -> Vec<Ended> {
    let of = |name: &str| sources.iter().find(|s| s.name == name).unwrap();
    let mut said = Vec::new();
    let list = give(ftpq, "list", format!("# {}\n{}\n", of("list").url(true), of("list").url(true)));
    let line = |s: &Source| {
        serde_json::json!({"url": s.server.url(s.name), "ftp-user": s.user, "ftp-passwd": s.secret}).to_string()
    };
    let jsonl = give(ftpq, "fields.jsonl", line(of("fields")));
    let columns = of("columns");
    let table = format!("url,ftp-passwd\n{},{}\n", columns.url(false), columns.secret);
    let csv = give(ftpq, "columns.csv", table);
    let packed = give(ftpq, "packed.gz", gzip(&format!("\u{feff}{}\n", of("packed").url(true))));
    // A line that does not parse, with a password, in a list that is taken but for that.
    let (good, secret) = (line(of("broken")), &of("broken").secret);
    let broken = format!(
        "{good}\n{{\"url\":\"ftp://h/x\",\"ftp-passwd\":{secret:?},\"retries\":{secret:?}}}\n{{\"ftp-passwd\":{secret:?},\n"
    );
    let broken = give(ftpq, "broken.jsonl", broken);
    said.push(ftpq.run(&["-v", "add", &list, &jsonl, &csv, &packed]).expect_code(0));
    said.push(ftpq.run(&["-v", "add", "--skip-bad", &broken]).expect_code(0));
    let file = give(ftpq, "password", format!("{}\n", of("file").secret));
    said.push(ftpq.run(&["add", &of("file").url(false), "--password-file", &file]).expect_code(0));
    let login = of("login");
    let target = format!("{}@{}", login.user, login.server.address());
    said.push(
        ftpq.run_with_input(&["-v", "login", &target, "--password-stdin"], login.secret.as_bytes()).expect_code(0),
    );
    ftpq.set("FTPQ_USER", &of("environment").user).set("FTPQ_PASSWORD", &of("environment").secret);
    said.push(ftpq.run(&["-v", "add", &of("environment").url(false)]).expect_code(0));
    ftpq.unset("FTPQ_USER").unset("FTPQ_PASSWORD");
    said
}

#[test]
#[allow(clippy::too_many_lines, reason = "one run, and all the places that are searched after it")]
fn cve_2018_20483_no_password_is_anywhere_but_with_its_server_and_in_the_credential_file() {
    const NAMES: [&str; 14] = [
        "argument",
        "list",
        "fields",
        "columns",
        "packed",
        "broken",
        "file",
        "login",
        "environment",
        "running",
        "settings",
        "netrc",
        "acct",
        "prompt",
    ];
    let sources: Vec<Source> = NAMES.into_iter().enumerate().map(|(n, name)| Source::new(n, name)).collect();
    let of = |name: &str| sources.iter().find(|s| s.name == name).unwrap();
    let mut ftpq = Ftpq::new();
    let mut search = Search {
        needles: sources.iter().map(|s| (s.name.to_owned(), forms(&s.secret))).collect(),
        found: Vec::new(),
        looked_at: 0,
    };
    hand_over(&mut ftpq, &sources);
    let prompt = of("prompt");
    let typed = Terminal::start(&ftpq, &["add", &prompt.url(false), "--ask-password"]).map(|mut terminal| {
        terminal.expect("Password for ", 1);
        search.look_at_process(terminal.pid());
        terminal.type_in(&format!("{}\n", prompt.secret));
        assert_eq!(terminal.wait(), Some(0), "{}", terminal.shown());
        search.look("the screen", terminal.shown().as_bytes());
    });

    // The run, with those that are given to it.
    let machine = |s: &Source| {
        format!("machine 127.0.0.1 port {} login {} password {}", s.server.address().port(), s.user, s.secret)
    };
    let netrc = format!("{}\n{} account acct-{}\n", machine(of("netrc")), machine(of("acct")), of("acct").secret);
    let netrc = format!("--netrc={}", give(&ftpq, "netrc", netrc));
    give(&ftpq, "settings-password", &of("settings").secret);
    let table = format!(
        "[host.\"{}\"]\nuser = \"{}\"\npassword-file = \"settings-password\"\n",
        of("settings").server.address(),
        of("settings").user
    );
    let config = give(&ftpq, "config.toml", table);
    let rest = sources.iter().filter(|s| s.name != "argument" && (s.name != "prompt" || typed.is_some()));
    let rest = give(&ftpq, "rest", rest.map(|s| s.url(false) + "\n").collect::<String>());
    let trace = ftpq.folder().join("trace");
    ftpq.set("FTPQ_USER", &of("running").user).set("FTPQ_PASSWORD", &of("running").secret);
    let argument = of("argument").url(true);
    let mut run = ftpq.spawn(&[
        "-v",
        "--config",
        &config,
        "--trace",
        trace.to_str().unwrap(),
        "get",
        &argument,
        "--manifest",
        &rest,
        &netrc,
        "--connections",
        "20",
    ]);
    let all: Vec<&Source> = sources.iter().filter(|s| s.name != "prompt" || typed.is_some()).collect();
    let part = |s: &&Source| watch::length(&watch::part_of(&ftpq.downloads().join(s.name))) > 0;
    let under_way = watch::wait_for(Duration::from_secs(40), || all.iter().all(part) || run.ended());
    let missing: Vec<&str> = all.iter().filter(|s| !part(s)).map(|s| s.name).collect();
    assert!(under_way && !run.ended(), "not under way: {missing:?}\n{}", run.so_far());
    run.signal(Signal::STOP);
    search.look_at_process(run.pid());
    search.look_at_files(&ftpq);
    assert!(!run.ended(), "too late to look at a run");
    run.signal(Signal::CONT);
    let ended = run.wait(Duration::from_secs(60)).expect_code(0);
    ftpq.unset("FTPQ_USER").unset("FTPQ_PASSWORD");

    // A password that is refused, in words that repeat it; and a server that tells one user another's.
    let gossip = Scripted::with(
        Traits { passwords: [("teller".to_owned(), "other".to_owned())].into(), ..Traits::default() },
        |turn| match turn.verb {
            "PASS" if turn.before > 0 => Act::say("530 The last one had told-C99-k, and you wrong-C99-k."),
            _ => Act::Usual,
        },
    );
    gossip.put("argument2", "x");
    let wrong = format!(
        "{}\n{}\tfirst\n",
        gossip.url_as("teller:wrong-C99-k", "argument2"),
        gossip.url_as("b:told-C99-k", "argument2")
    );
    for name in ["wrong-C99-k", "told-C99-k"] {
        search.needles.push((name.to_owned(), forms(name)));
    }
    ftpq.run_with_input(&["add", "-"], format!("{wrong}\n").as_bytes()).expect_code(0);
    assert_ne!(ftpq.run(&["--json", "-v", "--trace", trace.to_str().unwrap(), "run", "--retries", "0"]).code, Some(0));
    for args in [&["list"][..], &["show", "1"], &["status"], &["logins"], &["--json", "list"], &["--json", "show", "1"]]
    {
        ftpq.run(args).expect_code(0);
    }
    ftpq.run(&["--json", "status"]).expect_code(0);
    ftpq.run(&["--json", "logins"]).expect_code(0);
    // What was printed lies in files of the test's folder too.
    search.look_at_files(&ftpq);

    assert!(search.looked_at > 60, "the search found nothing to look at: {}", search.looked_at);
    assert!(search.found.is_empty(), "{:#?}\n{ended}", search.found);
    for source in &all {
        assert!(
            source.got_it(),
            "{}: its server did not get its password\n{}",
            source.name,
            source.server.core().dialogue()
        );
        let number = NAMES.iter().position(|name| *name == source.name).unwrap() as u64;
        ftpq.assert_file(source.name, &pseudo_random(320 + number, 250_000), &ended);
        let strangers = sources.iter().filter(|s| s.name != source.name);
        for stranger in strangers {
            assert!(!stranger.server.core().heard_in_clear().contains(&source.secret), "{}", source.name);
        }
    }
    let text = fs::read_to_string(&trace).unwrap();
    assert!(
        text.matches("> PASS ***").count() >= all.len() && text.contains("<***>"),
        "the trace is no trace:\n{text}"
    );
    let kept = fs::read_to_string(ftpq.queue().join("credentials")).unwrap();
    assert!(kept.contains(&of("list").secret), "the search itself would find nothing");
}

/// A search that finds nothing must be one that could.
#[test]
fn the_search_finds_what_is_there() {
    let secret = "C00-k/ü?Zx9!";
    let ftpq = Ftpq::new();
    let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(format!("{{\"url\":\"ftp://u:{secret}@h/a\"}}").as_bytes()).unwrap();
    fs::create_dir_all(ftpq.folder().join("queue/store")).unwrap();
    let stored = [b"head".to_vec(), packer.finish().unwrap()].concat();
    ftpq.write("queue/store/db", stored);
    ftpq.write("log.gz", gzip(&format!("{{{secret}}}")));
    for (n, form) in forms(secret).into_iter().enumerate() {
        ftpq.write(&format!("form{n}"), [b"<".to_vec(), form, b">".to_vec()].concat());
    }
    let mut search = Search { needles: vec![("x".to_owned(), forms(secret))], found: Vec::new(), looked_at: 0 };
    search.look_at_files(&ftpq);
    for place in ["queue/store/db", "log.gz"].map(str::to_owned).into_iter().chain((0..11).map(|n| format!("form{n}")))
    {
        assert!(search.found.iter().any(|found| found.ends_with(&place)), "{place}: {:#?}", search.found);
    }
}
