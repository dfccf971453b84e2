//! Nothing that came from elsewhere drives a terminal, whatever command prints it, and however: servers' words, names,
//! lists, paths, arguments.

use crate::support::{Act, Delivery, Ftpq, Scripted, Traits, pseudo_random, schema};
use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::Path,
    process::{Command, Stdio},
};

/// What a hostile text may hold.
fn corpus() -> Vec<Vec<u8>> {
    let long = "x".repeat(10_000);
    let flood = format!("e{}", "\u{301}".repeat(500));
    let mut texts: Vec<Vec<u8>> = [
        "\u{1b}[2J\u{1b}[1;1Howned",
        "\u{1b}]0;title\u{7}",
        "\u{1b}]8;;http://evil.example\u{1b}\\click\u{1b}]8;;\u{1b}\\",
        "\u{1b}]52;c;ZXZpbA==\u{7}",
        "\u{1b}P+q544e\u{1b}\\\u{1b}_x\u{1b}\\\u{1b}c",
        "\u{9b}31m\u{9d}0;x\u{9c}\u{90}q\u{85}",
        "del\u{7f}\u{8}\u{8}\u{8}",
        "photo\u{202e}gpj.exe",
        "\u{2066}a\u{2067}b\u{2068}c\u{2069}\u{200e}\u{200f}\u{61c}",
        "zero\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}width\u{ad}",
        "line\u{2028}paragraph\u{2029}end",
        "tab\there",
        "\u{e0041}\u{e0042}\u{e007f}tags",
        "\u{fff9}a\u{fffa}b\u{fffb}",
        "\u{3164}\u{115f}\u{2800}\u{180e}",
        "quote\"back\\slash'`$(x)%s{}",
        "\u{fdd0}\u{ffff}\u{10ffff}\u{e000}",
        "日本語👩‍👩‍👧 grün",
        &flood,
        &long,
    ]
    .into_iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    texts.extend([
        // C1 as raw bytes, as terminals in 8-bit mode take them.
        b"\x9b31mraw\x9d0;x\x9c".to_vec(),
        b"\xff\xfe\xfd".to_vec(),
        // Overlong forms, an encoded surrogate, a character cut short.
        b"\xc0\x9b\xc1\x8a\xe0\x80\x9b".to_vec(),
        b"\xed\xa0\x80\xed\xb0\x80".to_vec(),
        b"cut\xe2\x80".to_vec(),
        b"\xf4\x90\x80\x80".to_vec(),
    ]);
    texts
}

/// Why the bytes may not reach a terminal; written apart from the program's own idea of it.
fn forbidden(bytes: &[u8]) -> Option<String> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) => return Some(format!("bytes at {} that are no UTF-8", e.valid_up_to())),
    };
    let mut marks = 0;
    for (at, c) in text.char_indices() {
        marks = if c == '\u{301}' { marks + 1 } else { 0 };
        let bad = (c.is_control() && c != '\n')
            || matches!(c as u32,
                0xAD | 0x61C | 0x180E | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFEFF | 0xFFF9..=0xFFFB
                | 0x115F | 0x3164 | 0xE0000..=0xE007F)
            || marks > 10;
        if bad {
            return Some(format!("U+{:04X} at {at}", c as u32));
        }
    }
    None
}

/// Panics if any output of any invocation so far could drive a terminal.
fn assert_clean(ftpq: &Ftpq, what: &str) {
    for entry in fs::read_dir(ftpq.folder().join("io")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        if let Some(why) = forbidden(&bytes) {
            let shown = String::from_utf8_lossy(&bytes).chars().take(3000).collect::<String>();
            panic!("{what}: {} shows {why}\n{}", path.display(), shown.escape_debug());
        }
        assert!(!bytes.windows(8).any(|w| w == b"panicked"), "{what}: {}", String::from_utf8_lossy(&bytes));
    }
}

fn percent(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("%{b:02X}")).collect()
}

/// Every command that shows jobs, hosts or the queue, in both forms; JSON is valid by the schema.
fn show_everything(ftpq: &Ftpq, jobs: usize) {
    for args in [&["list"][..], &["status"], &["-v", "status"], &["list", "--state", "failed"]] {
        ftpq.run(args).expect_code(0);
    }
    for job in ftpq.json(&["list"]) {
        schema::assert_valid("job", &job);
    }
    schema::assert_valid("status", &ftpq.json_one(&["status"]));
    // Where a text stands in three jobs, one of them will do.
    for id in (1..=jobs).step_by((jobs / 25).max(1)) {
        ftpq.run(&["show", &id.to_string()]).expect_code(0);
        schema::assert_valid("job", &ftpq.json_one(&["show", &id.to_string()]));
    }
}

fn runs_in_every_form(ftpq: &Ftpq) {
    for args in [&["run"][..], &["-v", "run"], &["-q", "run"], &["--json", "run"], &["--json", "-v", "run"]] {
        let ended = ftpq.run(&[args, &["--retries", "0", "--timeout", "3"]].concat());
        assert!(ended.code.is_some_and(|code| code != 101), "{ended}");
        if args.contains(&"--json") {
            ended.lines().iter().for_each(|event| schema::assert_valid("event", event));
        }
        ftpq.run(&["retry", "--all"]);
    }
}

/// CVE-2004-1488 and kin, in full: each reply of a dialogue says each of the texts.
#[test]
fn cve_2004_1488_no_reply_drives_a_terminal() {
    let texts = corpus();
    let count = texts.len();
    let server = Scripted::lying(move |turn| {
        let number = turn.arg.rsplit('f').next().and_then(|n| n.parse::<usize>().ok());
        let text = &texts[number.unwrap_or(turn.session) % texts.len()];
        let say = |start: &str| [start.as_bytes(), text, b"\r\n"].concat();
        match turn.verb {
            "GREETING" => Act::Say([say("220-"), say("220 ")].concat()),
            "FEAT" => Act::Say([say("211-"), say(" "), b"211 End\r\n".to_vec()].concat()),
            "PWD" => Act::Say([b"257 \"/".as_slice(), text, b"\" \r\n"].concat()),
            "SIZE" if number.is_some_and(|n| n % 3 == 0) => Act::Say(say("550 ")),
            "MDTM" => Act::Say(say("213 20240101000000 ")),
            "RETR" if number.is_some_and(|n| n % 2 == 0) => Act::Say(say("550 ")),
            "RETR" => Act::Say(say("451 ")),
            "QUIT" => Act::Say(say("221 ")),
            _ => Act::Usual,
        }
    });
    let ftpq = Ftpq::new();
    let names: Vec<String> = (0..count).map(|n| format!("f{n}")).collect();
    // An absolute path does not go by what PWD says.
    names.iter().for_each(|name| server.put(name, b"some bytes".to_vec()));
    ftpq.add(&names.iter().map(|n| (server.url(&format!("%2F{n}")), n.as_str())).collect::<Vec<_>>());
    runs_in_every_form(&ftpq);
    ftpq.run(&["run", "--retries", "0"]);
    show_everything(&ftpq, count);
    assert_clean(&ftpq, "replies");
    assert!(server.core().args("RETR").len() >= count, "{}", server.core().dialogue());
}

/// Names on the server, of the user, of local files and of the folder that they go into.
#[test]
fn cve_2004_1488_no_name_drives_a_terminal() {
    let server = Scripted::with(Traits::default(), |turn| match turn.verb {
        "RETR" if turn.before % 2 == 0 => Act::Deliver(Delivery { verdict: "451 no".to_owned(), ..turn.delivery() }),
        "RETR" => Act::say("550 no"),
        _ => Act::Usual,
    });
    let ftpq = Ftpq::new();
    let into = ftpq.folder().join("in\u{1b}]0;x\u{7}to\u{202e}\u{9b}1m");
    fs::create_dir(&into).unwrap();
    let mut queued = Vec::new();
    for (number, text) in corpus().iter().enumerate() {
        let name = String::from_utf8_lossy(text);
        let user =
            if number % 2 == 0 { format!("{}@", percent("\u{202e}u\u{200b}é".as_bytes())) } else { String::new() };
        let url = server.url(&format!("d/{}", percent(text))).replacen("ftp://", &format!("ftp://{user}"), 1);
        let plain = format!("n{number}");
        let cut: String = name.chars().take(60).collect();
        for path in [plain.clone(), format!("{plain}-{cut}"), format!("{cut}/{plain}")] {
            let line = format!("{}\n", serde_json::json!({ "url": url, "path": path }));
            let args = ["--json", "add", "-", "--format", "jsonl", "--into", into.to_str().unwrap()];
            let ended = ftpq.run_with_input(&args, line.as_bytes());
            match ended.code {
                Some(0) => queued.push((text.clone(), format!("{}/{path}", into.display()))),
                // Refused for its path alone, never for what the server calls it, unless that is longer than paths can be.
                Some(2) => assert!(path != plain || text.len() > 4096, "{ended}"),
                _ => panic!("{ended}"),
            }
        }
    }
    runs_in_every_form(&ftpq);
    show_everything(&ftpq, queued.len());
    // JSON has the same names, whole: a program that reads it can find the files.
    for (job, (text, path)) in ftpq.json(&["list"]).iter().zip(&queued) {
        let source = job["source"].as_str().unwrap();
        let remote = source.rsplit_once("/d/").map(|(_, name)| unpercent(name));
        assert_eq!(remote.as_deref(), Some(text.as_slice()), "{source}");
        let place = &job["destination"];
        assert_eq!(format!("{}/{}", place["dir"].as_str().unwrap(), place["path"].as_str().unwrap()), *path);
    }
    assert_clean(&ftpq, "names");
}

fn unpercent(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        if b == b'%' {
            let hex: Vec<u8> = bytes.by_ref().take(2).collect();
            out.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
        } else {
            out.push(b);
        }
    }
    out
}

/// Lists in every format, with the texts in every place; what is refused is quoted safely.
#[test]
fn cve_2004_1488_no_list_drives_a_terminal() {
    let ftpq = Ftpq::new();
    let into = ftpq.downloads();
    let take = |format: &str, list: &[u8]| {
        let args = ["add", "-", "--skip-bad", "--format", format, "--into", into.to_str().unwrap()];
        let ended = ftpq.run_with_input(&args, list);
        assert!(matches!(ended.code, Some(0 | 2)), "{ended}");
    };
    // What stands before and behind the text in a line.
    let raw: [(&str, &str, &str); 9] = [
        ("list", "", ""),
        ("list", "ftp://127.0.0.1:9/", ""),
        ("list", "ftp://127.0.0.1:9/a ", ""),
        ("list", "ftp://127.0.0.1:", "/a"),
        ("list", "ftp://", "/a"),
        ("list", "", "://127.0.0.1/a"),
        ("jsonl", r#"{"url":"ftp://127.0.0.1:9/a","path":""#, "\"}"),
        ("jsonl", "{\"", "\":1}"),
        ("jsonl", "", ""),
    ];
    let fields: [fn(&str) -> serde_json::Value; 5] = [
        |text| serde_json::json!({ "url": text }),
        |text| serde_json::json!({ "url": "ftp://127.0.0.1:9/a", "path": text }),
        |text| serde_json::json!({ "url": "ftp://127.0.0.1:9/a", "checksum": text }),
        |text| serde_json::json!({ "url": "ftp://127.0.0.1:9/a", "data-mode": text }),
        |text| serde_json::json!({ "url": "ftp://127.0.0.1:9/a", text: 1 }),
    ];
    let tables = [("csv", "url,path\n", "ftp://127.0.0.1:9/a,"), ("tsv", "url\tmd5\n", "ftp://127.0.0.1:9/a\t")];
    // No more lines at once than are reported one by one.
    for texts in corpus().chunks(13) {
        for (format, before, after) in raw {
            let line = |text: &Vec<u8>| [before.as_bytes(), text, after.as_bytes(), b"\n"].concat();
            take(format, &texts.iter().flat_map(line).collect::<Vec<u8>>());
        }
        for field in fields {
            let line = |text: &Vec<u8>| format!("{}\n", field(&String::from_utf8_lossy(text)));
            take("jsonl", texts.iter().map(line).collect::<String>().as_bytes());
        }
        for (format, header, before) in tables {
            let line = |text: &Vec<u8>| [before.as_bytes(), text, b"\n"].concat();
            let lines: Vec<u8> = texts.iter().flat_map(line).collect();
            take(format, &[header.as_bytes(), &lines].concat());
        }
        // A bad column ends the reading of its list.
        for text in texts {
            take("csv", &[b"url,".as_slice(), text, b"\nftp://h/a,b\n"].concat());
        }
    }
    ftpq.run(&["list"]).expect_code(0);
    ftpq.json(&["list"]).iter().for_each(|job| schema::assert_valid("job", job));
    assert_clean(&ftpq, "lists");
}

/// Words of the command line, which a script may have from elsewhere: in the errors of the parser of arguments, of files
/// that are not there, of the queue's folder and the settings file.
#[test]
fn cve_2004_1488_no_argument_drives_a_terminal() {
    let ftpq = Ftpq::new();
    // Each costs a process a place: one of each kind will do.
    let kinds = corpus().into_iter().enumerate().filter(|(at, _)| [0, 2, 5, 7, 10, 11, 18, 19, 20, 22].contains(at));
    for (_, text) in kinds {
        let word = OsStr::from_bytes(&text).to_owned();
        let joined = |before: &str| {
            let mut whole = OsString::from(before);
            whole.push(&word);
            whole
        };
        let settings = ftpq.folder().join("settings.toml");
        let key = String::from_utf8_lossy(&text).replace(['"', '\\'], "_");
        fs::write(&settings, format!("\"{}\" = 1\n", key.replace(char::is_control, "\\u001b"))).unwrap();
        let raw_settings = ftpq.folder().join("raw.toml");
        fs::write(&raw_settings, [b"timeout = ".as_slice(), &text].concat()).unwrap();
        let (dash, empty) = (OsString::from("-"), OsString::new());
        let lines: Vec<Vec<OsString>> = vec![
            vec![word.clone()],
            vec![joined("--")],
            vec!["add".into(), word.clone()],
            vec!["add".into(), joined("ftp://")],
            vec!["add".into(), joined("ftp://127.0.0.1:9/")],
            vec!["add".into(), joined("./"), "--into".into(), word.clone()],
            vec!["add".into(), dash.clone(), "--format".into(), word.clone()],
            vec!["add".into(), dash.clone(), "--base".into(), joined("ftp://")],
            vec!["add".into(), dash.clone(), joined("--into=/proc/")],
            vec!["get".into(), "ftp://127.0.0.1:9/a".into(), "--retries=0".into(), "-o".into(), joined("x/")],
            vec!["add".into(), "ftp://127.0.0.1:9/a".into(), "--user".into(), word.clone()],
            vec!["get".into(), "ftp://127.0.0.1:9/a".into(), "--password-file".into(), joined("/nowhere/")],
            vec!["run".into(), joined("--netrc=/nowhere/")],
            vec!["run".into(), "--bind".into(), word.clone()],
            vec!["run".into(), "--limit-rate".into(), word.clone()],
            vec!["show".into(), word.clone()],
            vec!["retry".into(), word.clone()],
            vec!["list".into(), "--host".into(), word.clone()],
            vec!["list".into(), "--state".into(), word.clone()],
            vec!["--config".into(), joined("/nowhere/"), "status".into()],
            vec!["--config".into(), settings.clone().into(), "status".into()],
            vec!["--config".into(), raw_settings.clone().into(), "status".into()],
            vec!["--queue".into(), joined("/proc/"), "status".into()],
            vec!["--queue".into(), ftpq.folder().join(joined("q-")).into(), "status".into()],
            vec!["--json".into(), "--queue".into(), ftpq.folder().join(joined("q-")).into(), "status".into()],
            vec!["add".into(), empty],
        ];
        for line in lines {
            let (code, out) = run_raw(&ftpq, &line);
            assert!(code.is_some_and(|code| code <= 5), "{code:?} {line:?}\n{}", String::from_utf8_lossy(&out));
            if let Some(why) = forbidden(&out) {
                panic!("{line:?} shows {why}\n{}", String::from_utf8_lossy(&out).escape_debug());
            }
        }
    }
}

/// Runs with arguments of any bytes: exit code, and all that was printed.
fn run_raw(ftpq: &Ftpq, args: &[OsString]) -> (Option<i32>, Vec<u8>) {
    let mut command = ftpq.command(&[]);
    if args.first().is_some_and(|word| word == "--queue") || args.get(1).is_some_and(|word| word == "--queue") {
        // Not twice: the test's own is left out.
        let program = command.get_program().to_owned();
        let mut other = Command::new(program);
        other.env_clear().env("HOME", ftpq.home()).env("LANG", "C.UTF-8").current_dir(ftpq.downloads());
        command = other;
    }
    let output = command.args(args).stdin(Stdio::null()).output().unwrap();
    (output.status.code(), [output.stdout, output.stderr].concat())
}

/// Errors of the system name paths; so do notices of the queue.
#[test]
fn cve_2004_1488_no_path_in_an_error_drives_a_terminal() {
    let server = Scripted::honest();
    server.put("a", pseudo_random(220, 100));
    let ftpq = Ftpq::new();
    let nasty = "in\u{1b}[2J\u{202e}\u{9b}31m\u{7f}";
    let there = ftpq.folder().join(nasty);
    fs::write(&there, "a file where a folder is to be").unwrap();
    let line = format!("{}\n", serde_json::json!({ "url": server.url("a"), "path": "b/a" }));
    let args = ["add", "-", "--format", "jsonl", "--into", there.to_str().unwrap()];
    ftpq.run_with_input(&args, line.as_bytes()).expect_code(0);
    runs_in_every_form(&ftpq);
    show_everything(&ftpq, 1);
    // A damaged queue tells what it found, with its place.
    let queue = ftpq.folder().join(format!("queue-{nasty}"));
    copy_folder(&ftpq.queue(), &queue);
    fs::remove_dir_all(queue.join("store")).unwrap();
    let words: Vec<OsString> = vec!["--queue".into(), queue.clone().into(), "list".into()];
    let (code, out) = run_raw(&ftpq, &words);
    assert!(forbidden(&out).is_none(), "{code:?} {}", String::from_utf8_lossy(&out).escape_debug());
    fs::set_permissions(&queue, fs::Permissions::from_mode(0o777)).unwrap();
    let (_, out) = run_raw(&ftpq, &words);
    assert!(forbidden(&out).is_none(), "{}", String::from_utf8_lossy(&out).escape_debug());
    assert_clean(&ftpq, "paths");
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o700)).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let there = to.join(entry.file_name());
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => copy_folder(&entry.path(), &there),
            kind if kind.is_file() => drop(fs::copy(entry.path(), &there).unwrap()),
            _ => {}
        }
    }
}

/// Progress lines on a real terminal: what is left after our own few sequences is clean, and no line is too wide.
#[test]
fn cve_2004_1488_progress_on_a_terminal_is_clean() {
    let Ok(true) = Command::new("script").arg("--version").output().map(|o| o.status.success()) else {
        return crate::support::report::skip("no script(1) here to give a terminal");
    };
    let server = Scripted::with(Traits { pace: 40_000, ..Traits::default() }, |turn| match turn.verb {
        "RETR" if turn.arg.ends_with('0') => Act::say("550 \u{1b}]0;owned\u{7}\u{202e}"),
        _ => Act::Usual,
    });
    let ftpq = Ftpq::new();
    let names = [
        "a\u{301}\u{301}\u{301}\u{301}-0",
        "e\u{e0041}\u{ad}日本語-very-long-name-that-must-be-cut-somewhere",
        "flood",
    ];
    let flood = format!("flood{}", "\u{301}".repeat(100));
    let mut jobs = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let remote = format!("f\u{1b}[2J{number}");
        server.put(&remote, pseudo_random(221, 60_000));
        let local = if *name == "flood" { flood.as_str() } else { name };
        jobs.push((server.url(&percent(remote.as_bytes())), local));
    }
    ftpq.add(&jobs);
    let shell = |command: &Command| {
        let quoted = |word: &OsStr| format!("'{}'", word.to_str().unwrap().replace('\'', "'\\''"));
        let words: Vec<String> = std::iter::once(command.get_program()).chain(command.get_args()).map(quoted).collect();
        words.join(" ")
    };
    let inner =
        format!("stty cols 60 rows 10; {}", shell(&ftpq.command(&["-v", "run", "--retries", "0", "--no-split"])));
    let output = Command::new("script")
        .args(["-qfec", &inner, "/dev/null"])
        .env("TERM", "xterm")
        .env("HOME", ftpq.home())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).expect("what a terminal got is UTF-8");
    assert!(shown.contains("\u{1b}[?2026h"), "no progress was drawn: {}", shown.escape_debug());
    let mut plain = shown.clone();
    for own in ["\u{1b}[?2026h", "\u{1b}[?2026l", "\u{1b}[?7h", "\u{1b}[?7l", "\u{1b}[K", "\u{1b}[J"] {
        plain = plain.replace(own, "");
    }
    for count in 1..12 {
        for letter in "ABCD".chars() {
            plain = plain.replace(&format!("\u{1b}[{count}{letter}"), "");
        }
    }
    let plain = plain.replace('\r', "\n");
    assert_eq!(forbidden(plain.as_bytes()), None, "{}", plain.escape_debug());
    let drawn = plain.lines().filter(|line| line.contains("KiB/s") && !line.contains("done "));
    let wide: Vec<&str> = drawn.filter(|line| unicode_width::UnicodeWidthStr::width(*line) > 59).collect();
    assert!(wide.is_empty(), "{wide:?}");
}
