//! What `sync --delete` deletes, keeps and says beyond what listings do: names that a file system takes for one, and backup
//! folders.

use crate::support::{Act, Ended, Ftpq, Scripted, Traits, Turn, disk::Small, report, watch};
use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// A server with a folder of four files, mirrored here.
fn mirrored() -> (Scripted, Ftpq) {
    mirrored_by(true, |_| Act::Usual)
}

/// The same from a server that answers so, with or without MLSD.
fn mirrored_by(mlst: bool, hook: impl Fn(&Turn) -> Act + Send + Sync + 'static) -> (Scripted, Ftpq) {
    let server = Scripted::with(Traits { mlst, ..Traits::default() }, hook);
    for name in ["a", "b", "c", "F"] {
        server.put(&format!("d/{name}"), name);
    }
    let ftpq = Ftpq::new();
    sync(&server, &ftpq, &[]).expect_code(0);
    (server, ftpq)
}

fn sync(server: &Scripted, ftpq: &Ftpq, more: &[&str]) -> Ended {
    let (url, into) = (server.url("d/"), ftpq.downloads());
    ftpq.run(&[&["sync", &url, into.to_str().unwrap(), "--retries", "0"], more].concat())
}

/// On a file system that takes `F` and `f` for one (here two names of one file stand for it), the file that the server calls
/// `f` now is not deleted because it has none of the name `F` any more.
#[test]
fn a_file_that_is_listed_under_the_other_case_is_not_deleted() {
    let (server, ftpq) = mirrored();
    let into = ftpq.downloads();
    server.core().remove("d/F");
    server.put("d/f", "F");
    fs::hard_link(into.join("F"), into.join("f")).unwrap();
    let ended = sync(&server, &ftpq, &["--delete"]).expect_code(0);
    assert!(into.join("F").exists(), "the only copy is deleted\n{ended}");
    assert!(ended.err.contains("F: here it is one file with one that is not gone"), "{ended}");
    // It is told once, and the file goes with the name that the server has for it.
    server.core().remove("d/f");
    let ended = sync(&server, &ftpq, &["--delete"]).expect_code(0);
    assert!(!into.join("f").exists(), "{ended}");
    assert!(!ended.err.contains("one file with"), "{ended}");
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn what_was_changed_here_goes_to_the_backup_folder() {
    let (server, ftpq) = mirrored();
    let (into, backup) = (ftpq.downloads(), ftpq.folder().join("kept"));
    for name in ["a", "b"] {
        fs::write(into.join(name), "mine").unwrap();
    }
    server.core().put("d/a", b"second version".to_vec(), "20250101000000");
    server.core().put("d/c", b"second version".to_vec(), "20250101000000");
    server.core().remove("d/b");
    server.core().remove("d/F");
    let ended = sync(&server, &ftpq, &["--delete", "--backup-dir", backup.to_str().unwrap()]).expect_code(0);
    for (path, text) in [
        (into.join("a"), "second version"),
        (into.join("c"), "second version"),
        (backup.join("a"), "mine"),
        (backup.join("b"), "mine"),
    ] {
        assert_eq!(read(&path), text, "{}\n{ended}", path.display());
    }
    assert!(!into.join("b").exists() && !into.join("F").exists(), "{ended}");
    assert!(!backup.join("c").exists() && !backup.join("F").exists(), "{ended}");
}

/// Nothing is queued, and nobody is asked.
fn assert_refused(backup: &Path, words: &[&str], ftpq: &Ftpq, into: &Path) {
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, |_| Act::Usual);
    server.put("d/a", "a");
    let args = ["sync", &server.url("d/"), into.to_str().unwrap(), "--backup-dir", backup.to_str().unwrap()];
    let ended = ftpq.run(&args).expect_code(2);
    for word in words {
        assert!(ended.err.contains(word), "{word}\n{ended}");
    }
    assert_eq!((server.core().sessions().1, ftpq.count("queued")), (0, 0), "{ended}");
}

#[test]
fn a_backup_folder_on_another_file_system_is_refused_before_anything_is_queued() {
    let ftpq = Ftpq::new();
    let shm = tempfile::tempdir_in("/dev/shm").unwrap();
    let mounted;
    let mut other = shm.path().to_owned();
    if other.metadata().unwrap().dev() == ftpq.folder().metadata().unwrap().dev() {
        other = ftpq.folder().join("other");
        mounted = Small::mount(&other, 4);
        if mounted.is_none() {
            return report::skip("needs root, or another file system at /dev/shm");
        }
    }
    for backup in [other.clone(), other.join("still/to/be/made")] {
        assert_refused(&backup, &["another file system", "--backup-dir"], &ftpq, &ftpq.downloads());
    }
    assert!(!other.join("still").exists());
}

/// Root may write everywhere but where nobody may: the folder is made immutable.
fn chattr(how: &str, folder: &Path) -> bool {
    Command::new("chattr").arg(how).arg(folder).output().is_ok_and(|o| o.status.success())
}

#[test]
fn a_backup_folder_that_can_not_be_written_is_refused_before_anything_is_queued() {
    let ftpq = Ftpq::new();
    let place = ftpq.folder().join("small");
    let Some(_disk) = Small::mount_ext2(&place) else { return report::skip("needs root, mkfs.ext2 and a loop device") };
    let shut = place.join("shut");
    fs::create_dir(&shut).unwrap();
    if !chattr("+i", &shut) {
        return report::skip("needs chattr");
    }
    for backup in [shut.clone(), shut.join("below")] {
        assert_refused(&backup, &["can't write to the folder", "--backup-dir"], &ftpq, &place.join("into"));
    }
    fs::write(place.join("file"), "x").unwrap();
    assert_refused(&place.join("file"), &["Not a directory", "--backup-dir"], &ftpq, &place.join("into"));
    assert!(chattr("-i", &shut));
}

/// What turns out later: files that need the backup folder are held back unfetched, and no others.
#[test]
fn a_part_of_the_backup_folder_that_can_not_be_written_holds_back_what_goes_there_alone() {
    let ftpq = Ftpq::new();
    let place = ftpq.folder().join("small");
    let Some(_disk) = Small::mount_ext2(&place) else { return report::skip("needs root, mkfs.ext2 and a loop device") };
    let (into, backup) = (place.join("into"), place.join("kept"));
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, |_| Act::Usual);
    let put = |version: &str| {
        for (name, length) in [("sub/small", 10), ("sub/large", 300_000), ("sub/other", 10), ("top", 10)] {
            let date = if version == "1" { "20240101000000" } else { "20250101000000" };
            server.core().put(&format!("d/{name}"), version.repeat(length).into_bytes(), date);
        }
    };
    let sync = || {
        let (into, backup) = (into.to_str().unwrap(), backup.to_str().unwrap());
        ftpq.run(&["sync", &server.url("d/"), into, "--backup-dir", backup, "--retries", "0"])
    };
    put("1");
    sync().expect_code(0);
    fs::create_dir_all(backup.join("sub")).unwrap();
    if !chattr("+i", &backup.join("sub")) {
        return report::skip("needs chattr");
    }
    for name in ["sub/small", "sub/large", "top"] {
        fs::write(into.join(name), "mine").unwrap();
    }
    put("2");
    let sent = |name: &str| server.core().sent(&format!("d/{name}"));
    let before = [sent("sub/small"), sent("sub/large")];
    let ended = sync().expect_code(5);
    assert_eq!((read(&into.join("top")), read(&backup.join("top"))), ("2".repeat(10), "mine".to_owned()), "{ended}");
    assert_eq!(read(&into.join("sub/other")), "2".repeat(10), "what needs no backup is not held back\n{ended}");
    for name in ["sub/small", "sub/large"] {
        assert_eq!(read(&into.join(name)), "mine", "{ended}");
    }
    assert_eq!([sent("sub/small"), sent("sub/large")], before, "fetched in vain\n{ended}");
    assert!(ended.err.contains("held back: ") && ended.err.contains("--backup-dir"), "{ended}");
    assert_eq!(ftpq.count("failed"), 0, "{ended}");
    assert!(chattr("-i", &backup.join("sub")));
    let ended = sync().expect_code(0);
    for name in ["sub/small", "sub/large"] {
        assert_eq!((read(&backup.join(name)), read(&into.join(name)).len() > 9), ("mine".to_owned(), true), "{ended}");
    }
}

/// Runs the one command of this beginning that the text names.
fn paste(ftpq: &Ftpq, ended: &Ended, beginning: &str) -> Ended {
    let told = ended.everything();
    let named: Vec<&str> = told.split('`').filter(|text| text.starts_with(beginning)).collect();
    assert_eq!(named.len(), 1, "one `{beginning}` is wanted, not {named:?}\n{ended}");
    let args: Vec<&str> = named[0].split(' ').skip(1).collect();
    ftpq.run(&args).expect_code(0)
}

/// `sync --delete` is not certain of one file, names what ends that, and is through the next time.
fn assert_ends(server: &Scripted, ftpq: &Ftpq, words: &[&str], kept: &str) {
    let ended = sync(server, ftpq, &["--delete"]).expect_code(1);
    for word in words {
        assert!(ended.err.contains(word), "{word}\n{ended}");
    }
    assert!(!ended.err.contains("()"), "{ended}");
    paste(ftpq, &ended, "ftpq remove ");
    sync(server, ftpq, &["--delete"]).expect_code(0);
    assert_eq!(read(&ftpq.downloads().join(kept)), kept, "{ended}");
}

#[test]
fn a_file_that_the_server_has_and_does_not_list_is_told_with_what_ends_it() {
    let hides = Arc::new(AtomicBool::new(false));
    let is_hiding = Arc::clone(&hides);
    let (server, ftpq) = mirrored_by(true, move |turn| {
        if turn.verb != "MLSD" || turn.honest.is_none() || !is_hiding.load(Ordering::SeqCst) {
            return Act::Usual;
        }
        let mut told = turn.delivery();
        let text = String::from_utf8(told.data.to_vec()).unwrap();
        let lines = text.lines().filter(|line| !line.ends_with(" c")).map(|line| format!("{line}\r\n"));
        told.data = Arc::new(lines.collect::<String>().into_bytes());
        told.upto = told.data.len();
        Act::Deliver(told)
    });
    hides.store(true, Ordering::SeqCst);
    assert_ends(&server, &ftpq, &["still has", "into/c"], "c");
}

#[test]
fn a_server_that_can_not_be_asked_is_told_with_what_ends_it() {
    let (server, ftpq) = mirrored_by(false, |turn| match turn.verb {
        "SIZE" | "MDTM" | "MLST" => Act::say("502 Command not implemented."),
        _ => Act::Usual,
    });
    server.core().remove("d/c");
    assert_ends(&server, &ftpq, &["neither lists nor calls gone", "SIZE"], "c");
}

/// The server takes `F` and `f` for one.
#[test]
fn a_file_that_changed_its_case_on_a_server_that_folds_it_is_told_with_what_ends_it() {
    let (server, ftpq) = mirrored_by(true, |turn| match (turn.verb, turn.arg) {
        ("SIZE", arg) if arg.ends_with('F') => Act::say("213 1"),
        ("MDTM", arg) if arg.ends_with('F') => Act::say("213 20240229123456"),
        _ => Act::Usual,
    });
    server.core().remove("d/F");
    server.put("d/f", "F");
    assert_ends(&server, &ftpq, &["in case alone", "into/F"], "F");
}

/// The same source by another rule: its file belongs to no tree that is mirrored.
#[test]
fn files_of_an_earlier_get_are_none_of_a_tree() {
    let (server, ftpq) = mirrored();
    for name in ["x", "y"] {
        server.put(&format!("d/sub/{name}"), name);
    }
    let into = ftpq.downloads();
    ftpq.run(&["get", &server.url("d/sub/"), "--into", into.to_str().unwrap()]).expect_code(0);
    assert!(into.join("x").exists());
    server.core().remove("d/sub/y");
    let asked = server.core().args("SIZE").len();
    let ended = sync(&server, &ftpq, &["--delete"]).expect_code(0);
    assert!(into.join("x").exists() && into.join("y").exists() && into.join("sub/x").exists(), "{ended}");
    assert!(!ended.err.contains("deleted"), "{ended}");
    let asked: Vec<String> = server.core().args("SIZE").split_off(asked);
    assert!(!asked.iter().any(|file| file.ends_with('y')), "{asked:?}");
    // As on any other day.
    server.core().remove("d/sub/x");
    server.put("d/sub/z", "z");
    sync(&server, &ftpq, &["--delete"]).expect_code(0);
    assert!(into.join("x").exists() && !into.join("sub/x").exists());
}

#[test]
fn a_queue_that_another_process_works_on_is_told_with_what_to_do() {
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, |_| Act::Usual);
    server.core().hold_behind(300_000);
    server.put("big", vec![7; 400_000]);
    server.put("d/a", "a");
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url("big"), "big")]);
    let run = ftpq.spawn(&["run"]);
    let part = watch::part_of(&ftpq.downloads().join("big"));
    assert!(watch::wait_for(Duration::from_secs(20), || watch::length(&part) > 0), "{}", run.so_far());
    let ended = sync(&server, &ftpq, &["--delete"]).expect_code(1);
    assert!(ended.err.contains("another process") && ended.err.contains("give the command again"), "{ended}");
    server.core().release();
    run.wait(Duration::from_secs(60)).expect_code(0);
    sync(&server, &ftpq, &["--delete"]).expect_code(0);
}

/// Without `--delete` nobody is asked, so nothing is called gone, whatever was done to it here.
#[test]
fn what_was_changed_here_and_is_not_listed_any_more_is_not_called_gone() {
    let (server, ftpq) = mirrored();
    fs::write(ftpq.downloads().join("a"), "mine").unwrap();
    for name in ["a", "b"] {
        server.core().remove(&format!("d/{name}"));
    }
    let ended = sync(&server, &ftpq, &[]).expect_code(0);
    assert!(!ended.everything().contains("gone on the server"), "{ended}");
    assert!(ended.everything().contains("no longer listed: 2 files"), "{ended}");
    paste(&ftpq, &ended, "ftpq remove ");
    let ended = sync(&server, &ftpq, &[]).expect_code(0);
    assert!(!ended.everything().contains("no longer listed"), "{ended}");
    assert_eq!(read(&ftpq.downloads().join("a")), "mine", "{ended}");
}

#[test]
fn what_is_gone_and_was_changed_here_is_told_with_its_number_and_what_ends_it() {
    let (server, ftpq) = mirrored();
    for number in 0..25 {
        server.put(&format!("d/more{number}"), "x");
    }
    sync(&server, &ftpq, &[]).expect_code(0);
    for number in 0..25 {
        fs::write(ftpq.downloads().join(format!("more{number}")), "mine").unwrap();
        server.core().remove(&format!("d/more{number}"));
    }
    let ended = sync(&server, &ftpq, &["--delete"]).expect_code(0);
    assert!(ended.err.contains("not deleted: 25 files"), "{ended}");
    paste(&ftpq, &ended, "ftpq remove ");
    let ended = sync(&server, &ftpq, &["--delete"]).expect_code(0);
    assert!(!ended.everything().contains("not deleted"), "{ended}");
    assert_eq!(read(&ftpq.downloads().join("more24")), "mine", "{ended}");
}

/// They never came from the folder: they use up no bound, nobody is asked for them, and nothing is said of them.
#[test]
fn files_that_were_left_alone_are_none_of_a_folder() {
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, |_| Act::Usual);
    let ftpq = Ftpq::new();
    let into = ftpq.downloads();
    fs::create_dir_all(&into).unwrap();
    for name in ["own1", "own2", "own3", "a", "b", "c"] {
        server.put(&format!("d/{name}"), name);
        if name.starts_with("own") {
            fs::write(into.join(name), "another length").unwrap();
        }
    }
    sync(&server, &ftpq, &["--existing", "skip"]).expect_code(0);
    for name in ["own1", "own2", "own3", "a"] {
        server.core().remove(&format!("d/{name}"));
    }
    let asked = server.core().args("SIZE").len();
    let backup = ftpq.folder().join("kept");
    let ended = [
        sync(&server, &ftpq, &[]).expect_code(0),
        sync(&server, &ftpq, &["--delete", "--max-delete", "1", "--backup-dir", backup.to_str().unwrap()])
            .expect_code(0),
    ];
    assert!(!into.join("a").exists(), "{}", ended[1]);
    for ended in ended {
        assert!(!ended.everything().contains("own"), "{ended}");
    }
    for name in ["own1", "own2", "own3"] {
        assert_eq!(read(&into.join(name)), "another length");
    }
    let asked = server.core().args("SIZE").split_off(asked);
    assert!(!asked.iter().any(|file| file.contains("own")), "{asked:?}");
}

/// Below a folder that can't be entered all words may be the same: those for a name beside that folder tell.
#[test]
fn what_lies_deep_below_a_folder_that_is_not_entered_is_gone_only_in_words_for_nothing() {
    let (missing, no_path) = ("550 PATH: Datei fehlt.", "550 Pfad fehlt.");
    for (of_top, of_below, is_gone) in [
        ("550 Zugriff verweigert.", "550 Zugriff verweigert.", false),
        ("550 Geht nicht.", no_path, false),
        (missing, no_path, true),
    ] {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, move |turn| {
            let path = turn.arg;
            let say = |words: &str| Act::say(&words.replace("PATH", path));
            let is_nothing = path.contains("/ftpq") && !path.contains("/x");
            match turn.verb {
                _ if !over.load(Ordering::SeqCst) => Act::Usual,
                "CWD" if path.ends_with("/x") => say(of_top),
                "CWD" | "SIZE" | "MDTM" if path.contains("/x/") => say(of_below),
                "CWD" | "SIZE" | "MDTM" if is_nothing && path.matches("/ftpq").count() == 1 => say(missing),
                "CWD" | "SIZE" | "MDTM" if is_nothing => say(no_path),
                _ => Act::Usual,
            }
        });
        // One that is listed and mirrored would be asked for to compare with.
        for path in ["d/x/y/f", "d/other"] {
            server.put(path, "f");
        }
        let (ftpq, only) = (Ftpq::new(), ["--exclude", "other", "--delete=force"]);
        sync(&server, &ftpq, &only).expect_code(0);
        for path in ["d/x/y/f", "d/x/y", "d/x"] {
            server.core().remove(path);
        }
        is_over.store(true, Ordering::SeqCst);
        let ended = sync(&server, &ftpq, &only).expect_code(i32::from(!is_gone));
        let (is_here, dialogue) = (ftpq.downloads().join("x/y/f").exists(), server.core().dialogue());
        assert_eq!(is_here, !is_gone, "{of_top} {of_below}\n{ended}\n{dialogue}");
    }
}

/// Files of two folders whose jobs alternate, as when both were read side by side: each folder is gone to once.
#[test]
fn missing_files_are_asked_for_folder_by_folder() {
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, |_| Act::Usual);
    let ftpq = Ftpq::new();
    let mut jobs = Vec::new();
    for number in 0..10 {
        for folder in ["x", "y"] {
            let path = format!("{folder}/{number}");
            server.put(&format!("d/{path}"), "x");
            jobs.push((server.url(&format!("d/{path}")), path));
        }
    }
    ftpq.add(&jobs.iter().map(|(url, path)| (url.clone(), path.as_str())).collect::<Vec<_>>());
    sync(&server, &ftpq, &[]).expect_code(0);
    for path in ["x/1", "y/1", "x/4", "y/4", "x/5", "y/5", "x/8", "y/8"] {
        server.core().remove(&format!("d/{path}"));
    }
    let before = server.core().args("CWD").len();
    let ended = sync(&server, &ftpq, &["--delete"]).expect_code(0);
    assert!(ended.out.contains("8 files, deleted here"), "{ended}");
    // Three to list them, and two to ask.
    let entered = server.core().args("CWD").split_off(before);
    assert!(entered.len() <= 5, "{entered:?}\n{}", server.core().dialogue());
}

/// Whatever ends the process next: where the user's file is was said.
#[test]
fn what_is_moved_aside_is_told_at_once() {
    if !cfg!(feature = "failpoints") {
        return report::skip("needs the feature failpoints");
    }
    let (server, mut ftpq) = mirrored();
    let into = ftpq.downloads();
    fs::write(into.join("a"), "mine").unwrap();
    server.core().put("d/a", b"second version".to_vec(), "20250101000000");
    ftpq.set("FTPQ_WAIT_AT", "transfer-set-aside");
    let run = ftpq.spawn(&["sync", &server.url("d/"), into.to_str().unwrap()]);
    let told = watch::wait_for(Duration::from_secs(20), || run.so_far().contains("a.ftpq-changed"));
    let killed = run.kill();
    assert!(told, "{killed}");
    assert_eq!(read(&into.join("a.ftpq-changed")), "mine", "{killed}");
    ftpq.unset("FTPQ_WAIT_AT");
    let ended = sync(&server, &ftpq, &[]).expect_code(0);
    assert_eq!(read(&into.join("a")), "second version", "{ended}");
}

#[test]
fn a_signal_behind_the_run_keeps_it_from_deleting() {
    if !cfg!(feature = "failpoints") {
        return report::skip("needs the feature failpoints");
    }
    let (server, mut ftpq) = mirrored();
    server.core().remove("d/a");
    ftpq.set("FTPQ_INTERRUPT_AT", "sync-deletes");
    let ended = sync(&server, &ftpq, &["--delete"]).expect_code(3);
    assert!(ftpq.downloads().join("a").exists() && ended.err.contains("interrupted"), "{ended}");
    ftpq.unset("FTPQ_INTERRUPT_AT");
    let ended = sync(&server, &ftpq, &["--delete"]).expect_code(0);
    assert!(!ftpq.downloads().join("a").exists(), "{ended}");
}
