//! Listings that are not the whole truth: nothing here is deleted that is still on the server, and the folder is not called
//! read.

use crate::support::{
    Act, Delivery, End, Ended, Ftpq, Scripted, Traits, Turn,
    real::{self, Kind, Options, Server},
    report,
    scripted::Handshake,
};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Files of the folder, and of one in it.
const FILES: [&str; 8] = ["a.txt", "b.txt", "c.txt", "d.txt", "e.txt", "f.txt", "sub/s.txt", "sub/t.txt"];

/// What the server does with the listing of the folder once it lies.
enum Lie {
    /// These lines in the place of the honest ones, and 226.
    Lines(fn(&str) -> String),
    /// These lines, and these last words.
    Ends(fn(&str) -> String, &'static str),
    /// As many of the honest bytes, and the connection is reset.
    Breaks(usize),
    /// This reply, and no listing.
    Says(&'static str),
    /// The folder in it is listed so instead.
    Below(fn(&str) -> String),
    /// CWD into the folder below is confirmed and not done.
    StaysWhereItIs,
}

/// What comes of a listing.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expected {
    /// All of it is understood all the same.
    Good,
    /// The folder is not called read.
    Unread,
    /// It lost so much at once that nobody is asked.
    Held,
    /// The server was asked for each file, and has it.
    There,
}

use Expected::{Good, Held, There, Unread};

fn each(honest: &str, line: impl Fn(&str) -> String) -> String {
    honest.lines().map(|honest| line(honest) + "\r\n").collect()
}

fn name(line: &str) -> &str {
    line.rsplit(' ').next().unwrap()
}

/// The first lines; the files' come behind the folder's own.
fn first(honest: &str, count: usize) -> String {
    honest.lines().take(count).map(|line| format!("{line}\r\n")).collect()
}

fn files_below(folder: &Path) -> BTreeSet<String> {
    let (mut found, mut folders) = (BTreeSet::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

/// A server whose folder is mirrored here, and lies from then on.
struct Liar {
    server: Scripted,
    ftpq: Ftpq,
    lying: Arc<AtomicBool>,
}

impl Liar {
    fn new(mlst: bool, lie: Lie) -> Self {
        Self::by(mlst, move |turn| {
            if turn.verb == "CWD" && matches!(lie, Lie::StaysWhereItIs) && turn.arg.contains("sub") {
                return Act::say("250 There you are");
            }
            let Some(honest) = turn.honest.filter(|_| matches!(turn.verb, "MLSD" | "LIST")) else { return Act::Usual };
            let text = String::from_utf8(honest.data.to_vec()).unwrap();
            let is_below = !text.contains("sub");
            let mut told = honest.clone();
            match &lie {
                Lie::Below(lines) if is_below => told.data = Arc::new(lines(&text).into_bytes()),
                Lie::Lines(lines) if !is_below => told.data = Arc::new(lines(&text).into_bytes()),
                Lie::Ends(lines, words) if !is_below => {
                    (told.data, told.verdict) = (Arc::new(lines(&text).into_bytes()), (*words).to_owned());
                }
                Lie::Says(reply) if !is_below => return Act::say(reply),
                Lie::Breaks(bytes) if !is_below => {
                    (told.upto, told.end) = (*bytes, End::Reset);
                    return Act::Deliver(told);
                }
                _ => return Act::Usual,
            }
            told.upto = told.data.len();
            Act::Deliver(told)
        })
    }

    /// What the closure answers is the lie.
    fn by(mlst: bool, lie: impl Fn(&Turn) -> Act + Send + Sync + 'static) -> Self {
        let lying = Arc::new(AtomicBool::new(false));
        let is_lying = Arc::clone(&lying);
        let server = Scripted::with(Traits { mlst, ..Traits::default() }, move |turn| {
            if is_lying.load(Ordering::SeqCst) { lie(turn) } else { Act::Usual }
        });
        for file in FILES {
            server.put(&format!("d/{file}"), file);
        }
        let liar = Self { server, ftpq: Ftpq::new(), lying };
        liar.sync(&[]).expect_code(0);
        assert_eq!(files_below(&liar.ftpq.downloads()).len(), FILES.len());
        liar.lying.store(true, Ordering::SeqCst);
        liar
    }

    fn sync(&self, more: &[&str]) -> Ended {
        let (url, into) = (self.server.url("d/"), self.ftpq.downloads());
        self.ftpq.run(&[&["sync", &url, into.to_str().unwrap(), "--retries", "1"], more].concat())
    }
}

/// Mirrors, lies, and mirrors again with `--delete`.
fn lie_to_it(mlst: bool, lies: Vec<(&str, Expected, Lie)>) {
    for (what, expected, lie) in lies {
        let liar = Liar::new(mlst, lie);
        let ended = liar.sync(&["--delete"]);
        let here = files_below(&liar.ftpq.downloads());
        let lost: Vec<_> = FILES.iter().filter(|file| !here.contains(**file)).collect();
        let story = || format!("{what}\n{ended}\n{}", liar.server.core().dialogue());
        assert!(lost.is_empty(), "deleted here: {lost:?}: {}", story());
        let (code, said) = match expected {
            Good => (0, ""),
            Unread => (1, "nothing was deleted"),
            Held => (1, "lost too much at once"),
            There => (1, "does not list it, but still has it"),
        };
        assert_eq!(ended.code, Some(code), "{}", story());
        assert!(ended.err.contains(said), "{}", story());
    }
}

#[test]
fn machine_listings_that_tell_too_little_of_a_file_delete_nothing() {
    lie_to_it(
        true,
        vec![
            ("no fact at all", Good, Lie::Lines(|honest| each(honest, |line| format!(" {}", name(line))))),
            (
                "no type",
                Good,
                Lie::Lines(|honest| each(honest, |line| line.replace("type=file;", "").replace("type=dir;", ""))),
            ),
            ("type without a value", Good, Lie::Lines(|honest| honest.replace("type=file", "type="))),
            ("type=regular", Good, Lie::Lines(|honest| honest.replace("type=file", "type=regular"))),
            ("OS.unix=reg", Good, Lie::Lines(|honest| honest.replace("type=file", "type=OS.unix=reg"))),
            ("a blank in a group", Good, Lie::Lines(|honest| honest.replace("; ", ";UNIX.groupname=domain users; "))),
            ("a blank in front", Good, Lie::Lines(|honest| each(honest, |line| format!(" {line}")))),
            ("a file is called a folder", Unread, Lie::Lines(|honest| honest.replace("type=file", "type=dir"))),
            ("names in capitals", There, Lie::Lines(|honest| honest.replace(".txt", ".TXT"))),
            ("paths for names", Unread, Lie::Lines(|honest| each(honest, |line| line.replace("; ", "; /d/")))),
            ("facts without an end", Unread, Lie::Lines(|honest| each(honest, |line| line.replace("; ", ";")))),
            ("a page of HTML", Unread, Lie::Lines(|_| "<html>\r\n<body>\r\nlogin\r\n".to_owned())),
        ],
    );
}

#[test]
fn machine_listings_that_tell_too_few_files_delete_nothing() {
    lie_to_it(
        true,
        vec![
            ("nothing", Held, Lie::Lines(|_| String::new())),
            ("itself alone", Held, Lie::Lines(|honest| first(honest, 1))),
            ("the end of a line is missing", Unread, Lie::Lines(|honest| honest[..honest.len() - 3].to_owned())),
            ("the end of a line end is missing", Unread, Lie::Lines(|honest| honest[..honest.len() - 1].to_owned())),
            ("three lines", There, Lie::Lines(|honest| first(honest, 3))),
            (
                "every other line",
                There,
                Lie::Lines(|honest| honest.lines().step_by(2).map(|l| format!("{l}\r\n")).collect()),
            ),
            (
                "no folder",
                There,
                Lie::Lines(|honest| {
                    honest.lines().filter(|l| !l.ends_with("sub")).map(|l| format!("{l}\r\n")).collect()
                }),
            ),
            ("cut to a number", Unread, Lie::Ends(|honest| first(honest, 3), "226 Output truncated to 3 matches")),
            (
                "cut to a number, in two lines",
                Unread,
                Lie::Ends(|honest| first(honest, 3), "226-Options: -a -l\r\n226 Output truncated to 3 matches"),
            ),
            (
                "cut, in other words",
                Unread,
                Lie::Ends(|honest| first(honest, 3), "250 Too many files, listing aborted"),
            ),
            ("not opened", Unread, Lie::Ends(|_| String::new(), "226 Transfer done (but failed to open directory).")),
            (
                "not read",
                Unread,
                Lie::Ends(
                    |_| String::new(),
                    "226-Sorry, we were unable to read [.]\r\n226-Options: -l\r\n226 0 matches total",
                ),
            ),
            ("half, and 426", Unread, Lie::Ends(|honest| first(honest, 3), "426 Connection closed")),
            ("broken off", Unread, Lie::Breaks(100)),
        ],
    );
}

#[test]
fn people_s_listings_that_are_not_understood_delete_nothing() {
    lie_to_it(
        false,
        vec![
            ("names and sizes", Unread, Lie::Lines(|honest| each(honest, |line| format!("{} 5", name(line))))),
            ("names alone", Unread, Lie::Lines(|honest| each(honest, |line| name(line).to_owned()))),
            ("an error in the data", Unread, Lie::Lines(|_| "ls: .: Permission denied\r\n".to_owned())),
            ("a sentence", Unread, Lie::Lines(|_| "Directory not found\r\n".to_owned())),
            ("an unknown mode", Unread, Lie::Lines(|honest| honest.replace("-rw-r", "?rw-r"))),
            (
                "nothing but names",
                Unread,
                Lie::Lines(|honest| each(honest, |line| format!("-????????? ? ? ? ? ? {}", name(line)))),
            ),
            ("an unknown kind", Unread, Lie::Lines(|honest| honest.replace("-rw-r", "mrw-r"))),
            ("a month of no language", Unread, Lie::Lines(|honest| honest.replace("Feb", "Xyz"))),
            ("a day of no month", Unread, Lie::Lines(|honest| honest.replace("29", "39"))),
            ("two blanks more", Good, Lie::Lines(|honest| honest.replace("2024 ", "2024   "))),
            ("as AIX has it", Good, Lie::Lines(|honest| honest.replace("  2024 ", " 2024  "))),
            ("a file is called a folder", Unread, Lie::Lines(|honest| honest.replace("-rw-r", "drw-r"))),
        ],
    );
}

#[test]
fn people_s_listings_that_tell_too_few_files_delete_nothing() {
    lie_to_it(
        false,
        vec![
            ("nothing", Held, Lie::Lines(|_| String::new())),
            ("a sum of nothing", Held, Lie::Lines(|_| "total 0\r\n".to_owned())),
            ("the end of a line is missing", Unread, Lie::Lines(|honest| honest[..honest.len() - 3].to_owned())),
            ("three lines", There, Lie::Lines(|honest| first(honest, 3))),
            ("cut to a number", Unread, Lie::Ends(|honest| first(honest, 3), "226 Output truncated to 3 matches")),
            ("nothing found, for now", Held, Lie::Says("450 No files found")),
            ("nothing found", Held, Lie::Says("550 No files found")),
            ("no right", Unread, Lie::Says("550 Permission denied")),
            ("the folder below is empty", Held, Lie::Below(|_| String::new())),
            ("the folder below has one file", There, Lie::Below(|honest| first(honest, 1))),
            ("the folder below is another one", Unread, Lie::StaysWhereItIs),
        ],
    );
}

/// What is gone is deleted, and costs a question for each file; what was changed here stays.
#[test]
fn files_that_are_gone_are_asked_for_and_deleted() {
    for mlst in [true, false] {
        let liar = Liar::new(mlst, Lie::Below(str::to_owned));
        for file in ["a.txt", "c.txt", "e.txt", "sub/s.txt"] {
            liar.server.core().remove(&format!("d/{file}"));
        }
        fs::write(liar.ftpq.downloads().join("c.txt"), "mine").unwrap();
        let before = liar.server.core().args("SIZE").len();
        let ended = liar.sync(&["--delete"]).expect_code(0);
        let here: Vec<String> = files_below(&liar.ftpq.downloads()).into_iter().collect();
        assert_eq!(here, ["b.txt", "c.txt", "d.txt", "f.txt", "sub/t.txt"], "{ended}");
        assert_eq!(fs::read_to_string(liar.ftpq.downloads().join("c.txt")).unwrap(), "mine");
        let asked = liar.server.core().args("SIZE").len() - before;
        // Four of them, and in each of the two folders one that is there and a name that nothing has.
        assert_eq!(asked, 8, "{}", liar.server.core().dialogue());
        assert!(ended.everything().contains("3 files, deleted here"), "{ended}");
    }
}

/// Without `--delete` nobody is asked, and nothing is called gone.
#[test]
fn what_is_not_listed_any_more_is_told_as_that() {
    let liar = Liar::new(true, Lie::Below(str::to_owned));
    liar.server.core().remove("d/a.txt");
    let before = liar.server.core().args("SIZE").len();
    let ended = liar.sync(&[]).expect_code(0);
    assert!(ended.everything().contains("no longer listed: 1 file"), "{ended}");
    assert!(!ended.everything().contains("gone on the server"), "{ended}");
    assert_eq!(liar.server.core().args("SIZE").len(), before);
    assert!(liar.ftpq.downloads().join("a.txt").exists());
}

/// A server that refuses the questions of any file proves nothing by refusing them.
#[test]
fn refusals_of_a_server_that_refuses_everything_delete_nothing() {
    for refusal in ["550 no", "550 Permission denied", "450 busy", "502 not here", "553 no"] {
        let liar = Liar::by(true, move |turn| match turn.verb {
            "SIZE" | "MDTM" | "MLST" => Act::say(refusal),
            _ => Act::Usual,
        });
        liar.server.core().remove("d/c.txt");
        let ended = liar.sync(&["--delete"]).expect_code(1);
        assert_eq!(files_below(&liar.ftpq.downloads()).len(), FILES.len(), "{refusal}: {ended}");
        assert!(ended.err.contains("not deleted: "), "{refusal}: {ended}");
        liar.lying.store(false, Ordering::SeqCst);
        let ended = liar.sync(&["--delete"]).expect_code(0);
        assert_eq!(files_below(&liar.ftpq.downloads()).len(), FILES.len() - 1, "{refusal}: {ended}");
    }
}

/// What a server says of a file that is not listed, when it says otherwise of a name that nothing has, is not that the file
/// is gone, whatever its language; what it says of both is.
#[test]
fn only_the_words_for_a_name_that_nothing_has_say_that_a_file_is_gone() {
    let table = [
        ("550 Could not get file info.", "550 d/3: Input/output error", false),
        ("550 Could not get file info.", "550 Stale file handle", false),
        ("550 Datei nicht vorhanden.", "550 Zugriff verweigert.", false),
        ("550 Datei nicht vorhanden.", "550 Datei wird benutzt.", false),
        (
            "550 File unavailable (e.g., file not found, no access).",
            "550 File unavailable (e.g., file not found, no access).",
            false,
        ),
        ("550 Datei nicht vorhanden.", "550 Datei nicht vorhanden.", true),
        ("550 No.", "550 No.", true),
    ];
    for (of_nothing, of_file, is_gone) in table {
        let liar = Liar::by(true, move |turn| match turn.verb {
            "SIZE" | "MDTM" if turn.arg.ends_with("/c.txt") => Act::say(of_file),
            "SIZE" | "MDTM" if turn.arg.contains("/ftpq") => Act::say(of_nothing),
            _ => Act::Usual,
        });
        liar.server.core().remove("d/c.txt");
        let ended = liar.sync(&["--delete"]).expect_code(i32::from(!is_gone));
        let left = FILES.len() - usize::from(is_gone);
        assert_eq!(files_below(&liar.ftpq.downloads()).len(), left, "{of_file} beside {of_nothing}: {ended}");
    }
}

/// A folder that a listing left out, as vsftpd's does where its disk does not answer: that it can't be entered says that it is
/// gone only in the words for a folder that nothing is.
#[test]
fn a_folder_that_is_not_entered_for_another_reason_than_others_is_not_gone() {
    for (of_folder, is_gone) in
        [("550 d/sub: Input/output error", false), ("550 Zugriff verweigert.", false), ("550 Nicht da.", true)]
    {
        let is_dead = Arc::new(AtomicBool::new(false));
        let dead = Arc::clone(&is_dead);
        let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, move |turn| {
            if !dead.load(Ordering::SeqCst) {
                return Act::Usual;
            }
            match turn.verb {
                "CWD" if turn.arg.contains("/sub") => Act::say(of_folder),
                "CWD" if turn.arg.contains("/ftpq") => Act::say("550 Nicht da."),
                "SIZE" | "MDTM" if turn.arg.contains("/sub") || turn.arg.contains("/ftpq") => Act::say("550 No."),
                _ => Act::Usual,
            }
        });
        for file in ["d/a", "d/b", "d/c", "d/sub/s"] {
            server.put(file, "x");
        }
        let ftpq = Ftpq::new();
        let (url, into) = (server.url("d/"), ftpq.downloads());
        let sync = ["sync", "--delete", "--retries", "0", &url, into.to_str().unwrap()];
        ftpq.run(&sync).expect_code(0);
        server.core().remove("d/sub/s");
        server.core().remove("d/sub");
        is_dead.store(true, Ordering::SeqCst);
        let ended = ftpq.run(&sync).expect_code(i32::from(!is_gone));
        let dialogue = server.core().dialogue();
        assert_eq!(into.join("sub/s").exists(), !is_gone, "{of_folder}: {ended}\n{dialogue}");
    }
}

/// What was changed here is not lost when the server's file replaces it; what was not is simply replaced.
#[test]
fn sync_keeps_what_was_changed_here_under_another_name() {
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, |_| Act::Usual);
    for name in ["longer", "retimed", "untouched", "mine"] {
        server.put(&format!("d/{name}"), "first");
    }
    let ftpq = Ftpq::new();
    let (url, into) = (server.url("d/"), ftpq.downloads());
    // Never fetched, and in the way.
    fs::write(into.join("mine"), "my own").unwrap();
    let sync = || ftpq.run(&["sync", "--retries", "0", &url, into.to_str().unwrap()]);
    let ended = sync().expect_code(0);
    let read = |name: &str| fs::read_to_string(into.join(name)).unwrap_or_default();
    assert_eq!((read("mine"), read("mine.ftpq-changed")), ("first".to_owned(), "my own".to_owned()), "{ended}");
    fs::write(into.join("longer"), "edited here").unwrap();
    fs::write(into.join("retimed"), "FIRST").unwrap();
    for name in ["longer", "retimed", "untouched", "mine"] {
        server.core().put(&format!("d/{name}"), b"second version".to_vec(), "20250101000000");
    }
    let ended = sync().expect_code(0);
    for (name, kept) in [("longer", "edited here"), ("retimed", "FIRST"), ("untouched", ""), ("mine", "my own")] {
        assert_eq!(
            (read(name).as_str(), read(&format!("{name}.ftpq-changed")).as_str()),
            ("second version", kept),
            "{ended}"
        );
    }
    assert_eq!(files_below(&into).len(), 7, "{ended}");
    assert!(
        ended.err.contains("longer: what was changed here is kept as") && ended.err.contains("longer.ftpq-changed"),
        "{ended}"
    );
    assert!(!ended.err.contains("untouched"), "{ended}");
}

/// More than the user allows stays a question, and so does a folder that is suddenly empty.
#[test]
fn too_many_missing_files_stay_a_question() {
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, |_| Act::Usual);
    for n in 0..120 {
        server.put(&format!("d/{n:03}"), "x");
        server.put(&format!("d/other/{n:03}"), "x");
    }
    server.put("d/one/only", "x");
    server.put_folder("d/one");
    let ftpq = Ftpq::new();
    let (url, into) = (server.url("d/"), ftpq.downloads());
    let sync = |more: &[&str]| ftpq.run(&[&["sync", &url, into.to_str().unwrap(), "--retries", "0"], more].concat());
    let count = || files_below(&into).len();
    sync(&[]).expect_code(0);
    assert_eq!(count(), 241);
    for n in 0..10 {
        server.core().remove(&format!("d/{n:03}"));
    }
    let ended = sync(&["--delete", "--max-delete", "9"]).expect_code(1);
    assert!(ended.err.contains("10 of 241 files") && ended.err.contains("--delete=force"), "{ended}");
    sync(&["--delete", "--max-delete", "4%"]).expect_code(1);
    assert_eq!(count(), 241);
    sync(&["--delete", "--max-delete", "5%"]).expect_code(0);
    assert_eq!(count(), 231);
    // Most of one folder, and half of none.
    for n in 0..105 {
        server.core().remove(&format!("d/other/{n:03}"));
    }
    server.core().remove("d/one/only");
    server.core().remove("d/050");
    let ended = sync(&["--delete"]).expect_code(1);
    assert_eq!(count(), 230, "{ended}");
    assert!(into.join("one/only").exists() && into.join("other/000").exists() && !into.join("050").exists(), "{ended}");
    assert!(ended.err.contains("nothing is listed in it any more") && ended.err.contains("more than half"), "{ended}");
    for bad in ["--delete=maybe", "--max-delete=some"] {
        sync(&["--delete", bad]).expect_code(2);
    }
    sync(&["--max-delete", "3"]).expect_code(2);
    sync(&["--delete=force"]).expect_code(0);
    assert_eq!(count(), 124);
    assert!(!into.join("one").exists());
}

/// What a link leads to can't be reached this night: the link is listed, and so what came by it is not gone.
#[test]
fn a_link_that_leads_nowhere_for_now_deletes_nothing() {
    for follow in [&[][..], &["--follow-links"]] {
        let away = Arc::new(AtomicBool::new(false));
        let is_away = Arc::clone(&away);
        let server = Scripted::with(Traits::default(), move |turn| {
            let is_link = turn.arg.contains("link");
            match turn.verb {
                "LIST" if !is_link && turn.honest.is_some() => {
                    let mut told = turn.delivery();
                    let honest = String::from_utf8(told.data.to_vec()).unwrap();
                    let mut text: String = honest
                        .lines()
                        .filter(|line| !line.contains("link"))
                        .map(|line| format!("{line}\r\n"))
                        .collect();
                    if honest.contains("link") {
                        text += "lrwxrwxrwx 1 ftp ftp 9 Feb 29 2024 link.bin -> /disk2/f\r\n";
                    }
                    told.upto = text.len();
                    told.data = Arc::new(text.into_bytes());
                    Act::Deliver(told)
                }
                "SIZE" | "MDTM" | "CWD" if is_link && is_away.load(Ordering::SeqCst) => {
                    Act::say("550 No such file or directory")
                }
                _ => Act::Usual,
            }
        });
        for name in ["a.bin", "b.bin", "link.bin"] {
            server.put(&format!("d/{name}"), "x");
        }
        let ftpq = Ftpq::new();
        let (url, into) = (server.url("d/"), ftpq.downloads());
        let sync = |more: &[&str]| ftpq.run(&[&["sync", &url, into.to_str().unwrap()], follow, more].concat());
        sync(&[]).expect_code(0);
        assert_eq!(files_below(&into).len(), 3);
        away.store(true, Ordering::SeqCst);
        let ended = sync(&["--delete"]);
        assert_eq!(files_below(&into).len(), 3, "{ended}{}", server.core().dialogue());
    }
}

/// A disk that is not mounted, below which nothing but folders was: what was in those is in question too.
#[test]
fn a_folder_that_lost_all_its_folders_deletes_nothing_below_it() {
    for (mlst, emptied) in [(true, "d/"), (false, "d/"), (true, "d/disk/"), (false, "d/disk/")] {
        let server = Scripted::with(Traits { mlst, ..Traits::default() }, |_| Act::Usual);
        let files: Vec<String> =
            ["a", "b/deep"].iter().flat_map(|sub| (0..3).map(move |n| format!("d/disk/{sub}/{n}"))).collect();
        for file in &files {
            server.put(file, "x");
        }
        if emptied != "d/" {
            server.put("d/beside/x", "x");
        }
        let ftpq = Ftpq::new();
        let (url, into) = (server.url("d/"), ftpq.downloads());
        let sync = |more: &[&str]| ftpq.run(&[&["sync", &url, into.to_str().unwrap()], more].concat());
        sync(&[]).expect_code(0);
        let before = files_below(&into);
        for file in &files {
            server.core().remove(file);
        }
        server.put_folder(emptied.trim_end_matches('/'));
        let ended = sync(&["--delete"]).expect_code(1);
        assert_eq!(files_below(&into), before, "{emptied}\n{ended}");
        let word = format!("not deleted: {}: nothing is listed in it any more (6 files)", server.url(emptied));
        assert!(ended.err.contains(&word), "{word}\n{ended}");
        sync(&["--delete=force"]).expect_code(0);
        assert_eq!(files_below(&into).len(), before.len() - 6);
    }
}

/// ProFTPD's LIST of a folder that may be entered and not read: nothing, and 226.
#[test]
fn an_unreadable_folder_of_each_server_deletes_nothing() {
    if let Some(reason) = real::unavailable() {
        return report::skip(&reason);
    }
    for (kind, no_facts) in
        [(Kind::Proftpd, true), (Kind::Proftpd, false), (Kind::Vsftpd, false), (Kind::PureFtpd, false)]
    {
        let server = Server::start(kind, Options { no_facts, ..Options::default() });
        for file in FILES {
            server.put(&format!("d/{file}"), file.as_bytes());
        }
        let ftpq = Ftpq::new();
        let (url, into) = (server.url("d/", false), ftpq.downloads());
        let sync = ["sync", "--delete", "--retries", "0", &url, into.to_str().unwrap()];
        ftpq.run(&sync).expect_code(0);
        for folder in ["d/sub", "d"] {
            let path = server.root().join(folder);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o711)).unwrap();
            let ended = ftpq.run(&sync).expect_code(1);
            assert_eq!(files_below(&into).len(), FILES.len(), "{kind:?} {folder}: {ended}");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        // As if the disk below were not mounted.
        fs::rename(server.root().join("d/sub"), server.root().join("away")).unwrap();
        fs::create_dir(server.root().join("d/sub")).unwrap();
        let ended = ftpq.run(&sync).expect_code(1);
        assert_eq!(files_below(&into).len(), FILES.len(), "{kind:?}: {ended}");
        fs::remove_dir(server.root().join("d/sub")).unwrap();
        fs::rename(server.root().join("away"), server.root().join("d/sub")).unwrap();
        fs::remove_file(server.root().join("d/a.txt")).unwrap();
        fs::remove_file(server.root().join("d/sub/s.txt")).unwrap();
        let ended = ftpq.run(&sync).expect_code(0);
        assert_eq!(files_below(&into).len(), FILES.len() - 2, "{kind:?}: {ended}");
    }
}

/// How a server that lists 20 names of a folder answers `LIST -ra`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reversed {
    /// As Pure-FTPd does: the last names, from the end.
    Honest,
    /// The names that it listed before, turned round.
    SameNames,
    /// The last names, and one of those before is missing among them.
    WithGap,
    /// It takes it for a file's name.
    Refused,
    /// It takes any option for a file's name, lists nothing, and confirms that.
    Nothing,
}

impl Reversed {
    fn names(self, files: usize) -> Vec<usize> {
        match self {
            Self::Honest => (files - 20..files).rev().collect(),
            Self::SameNames => (0..20).rev().collect(),
            Self::WithGap => (files - 20..files).rev().filter(|&n| n != files - 15).collect(),
            Self::Refused | Self::Nothing => Vec::new(),
        }
    }
}

/// A server that lists 20 names of its folder, by MLSD in no order, as Pure-FTPd does.
fn short_of_breath(files: usize, mlst: bool, reversed: Reversed) -> Scripted {
    let server = Scripted::with(Traits { mlst, ..Traits::default() }, move |turn| {
        let machine = |n: usize| format!("type=file;size=3;modify=20240229123456; f{n:02}\r\n");
        let people = |n: usize| format!("-rw-r--r--    1 0        0               3 Feb 29  2024 f{n:02}\r\n");
        let lines: Vec<String> = match (turn.verb, turn.arg) {
            ("MLSD", "") if mlst => scattered(files).into_iter().map(machine).collect(),
            ("LIST", "" | "-a") => (0..20).map(people).collect(),
            ("LIST", "-r" | "-ra") if reversed == Reversed::Refused => {
                return Act::say("550 -ra: No such file or directory");
            }
            ("LIST", "-r" | "-ra") => reversed.names(files).into_iter().map(people).collect(),
            _ => return Act::Usual,
        };
        let is_nothing = reversed == Reversed::Nothing && !turn.arg.is_empty();
        let data = Arc::new(if is_nothing { Vec::new() } else { lines.concat().into_bytes() });
        let verdict = if is_nothing { "226 Done" } else { "226-Options: -l\r\n226 Output truncated to 20 matches" };
        Act::Deliver(Delivery {
            name: String::new(),
            from: 0,
            upto: data.len(),
            data,
            opening: "150 Here it comes".to_owned(),
            end: End::Close,
            verdict: verdict.to_owned(),
            verdict_first: false,
            hang_up: false,
            pace: 0,
            handshake: Handshake::Usual,
            identity: None,
        })
    });
    for n in 0..files {
        server.put(&format!("d/f{n:02}"), format!("{n:03}"));
    }
    server
}

/// 20 of so many numbers.
fn scattered(files: usize) -> Vec<usize> {
    (0..20).map(|n| n * 7 % files).collect()
}

/// A folder is read from both ends, and only two ends that meet are all of it.
#[test]
fn a_listing_that_is_cut_is_read_from_both_ends() {
    for (files, mlst, reversed, code) in [
        (30, true, Reversed::Honest, 0),
        (39, true, Reversed::Honest, 0),
        (30, false, Reversed::Honest, 0),
        (40, true, Reversed::Honest, 1),
        (51, true, Reversed::Honest, 1),
        (51, false, Reversed::Honest, 1),
        (30, true, Reversed::SameNames, 1),
        (30, false, Reversed::SameNames, 1),
        (30, true, Reversed::WithGap, 1),
        (30, true, Reversed::Refused, 1),
        (30, true, Reversed::Nothing, 1),
        (30, false, Reversed::Nothing, 1),
    ] {
        let server = short_of_breath(files, mlst, reversed);
        let ftpq = Ftpq::new();
        let (url, into) = (server.url("d/"), ftpq.downloads());
        let sync = ["sync", "--delete", "--retries", "0", &url, into.to_str().unwrap()];
        let ended = ftpq.run(&sync).expect_code(code);
        let sorted = if mlst && reversed == Reversed::Nothing { 0..0 } else { 0..20 };
        let mut listed: BTreeSet<usize> = sorted.chain(reversed.names(files)).collect();
        listed.extend(scattered(files).into_iter().filter(|_| mlst));
        let expected: BTreeSet<String> = listed.iter().map(|n| format!("f{n:02}")).collect();
        let story = format!("{files} {mlst} {reversed:?}: {ended}\n{}", server.core().dialogue());
        assert_eq!(files_below(&into), expected, "{story}");
        let asked = match (mlst, reversed) {
            (true, Reversed::Nothing) => vec!["-a"],
            (true, _) => vec!["-a", "-ra"],
            (false, _) => vec!["", "-r"],
        };
        assert_eq!(server.core().args("LIST"), asked, "{story}");
        // What is told of in part has lost nothing.
        ftpq.run(&sync).expect_code(code);
        assert_eq!(files_below(&into), expected, "{story}");
    }
}

/// Pure-FTPd lists 10,000 names of a folder. 12,000 are had from both ends of it, 25,000 are not.
fn large_folder(files: usize) -> Option<(Server, Ftpq)> {
    if let Some(reason) = real::unavailable() {
        report::skip(&reason);
        return None;
    }
    let server = Server::start(Kind::PureFtpd, Options::default());
    fs::create_dir(server.root().join("d")).unwrap();
    fs::set_permissions(server.root().join("d"), fs::Permissions::from_mode(0o755)).unwrap();
    for n in 0..files {
        let path = server.root().join(format!("d/f{n:05}.bin"));
        fs::write(&path, format!("x{n}")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }
    Some((server, Ftpq::new()))
}

#[test]
fn all_of_12000_files_in_one_folder_of_pure_ftpd_are_had_and_300_deleted() {
    let Some((server, ftpq)) = large_folder(12_000) else { return };
    let (url, into) = (server.url("d/", false), ftpq.downloads());
    let sync = ["sync", "--delete", "--durability", "none", &url, into.to_str().unwrap()];
    let ended = ftpq.spawn(&sync).wait(Duration::from_secs(150)).expect_code(0);
    assert_eq!(files_below(&into).len(), 12_000, "{ended}");
    let gone: Vec<usize> = (0..12_000).filter(|n| n % 40 == 7).collect();
    assert_eq!(gone.len(), 300);
    for n in &gone {
        fs::remove_file(server.root().join(format!("d/f{n:05}.bin"))).unwrap();
    }
    let ended = ftpq.spawn(&sync).wait(Duration::from_secs(150)).expect_code(0);
    let here = files_below(&into);
    assert_eq!(here.len(), 11_700, "{ended}");
    assert!(gone.iter().all(|n| !here.contains(&format!("f{n:05}.bin"))), "{ended}");
}

#[test]
fn a_folder_of_25000_files_of_pure_ftpd_is_said_to_be_incomplete() {
    let Some((server, ftpq)) = large_folder(25_000) else { return };
    let (url, into) = (server.url("d/", false), ftpq.downloads());
    // That folders are read is what is looked at: no file is fetched.
    let args = ["sync", "--dry-run", &url, into.to_str().unwrap()];
    let ended = ftpq.spawn(&args).wait(Duration::from_secs(150)).expect_code(1);
    assert!(ended.everything().contains("leaves a part of the folder out"), "{ended}");
    let known: u64 =
        ended.err.split(" entries are known").next().and_then(|text| text.rsplit(' ').next()?.parse().ok()).unwrap();
    assert!((20_000..25_000).contains(&known), "{ended}");
}
