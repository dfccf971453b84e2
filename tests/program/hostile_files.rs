//! Files planted, swapped and shared by other users of the machine: what is written stays below the folder, in files of
//! one's own.

use crate::support::{Act, Ended, Ftpq, Scripted, Traits, pseudo_random, watch};
use rustix::fs::{CWD, FileType, Mode, RenameFlags, mknodat, renameat_with};
use std::{
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

/// A folder with a file outside of all that ftpq may touch.
struct Outside(PathBuf);

impl Outside {
    fn new(ftpq: &Ftpq) -> Self {
        let path = ftpq.folder().join("outside");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("victim"), "precious").unwrap();
        fs::set_permissions(path.join("victim"), fs::Permissions::from_mode(0o644)).unwrap();
        Self(path)
    }

    fn assert_untouched(&self, story: &dyn std::fmt::Display) {
        let victim = self.0.join("victim");
        assert_eq!(fs::read(&victim).unwrap(), b"precious", "something was written through a link\n{story}");
        assert_eq!(fs::metadata(&victim).unwrap().mode() & 0o7777, 0o644, "its mode was changed\n{story}");
        let all = watch::files_below(&self.0);
        assert_eq!(all.len(), 1, "something was made outside: {all:?}\n{story}");
    }
}

/// wget followed a link that a server made it create; here somebody else on this machine puts a link in the place of a
/// folder, and takes it away again, all the time.
#[test]
fn cve_2014_4877_a_folder_swapped_for_a_link_at_any_moment_redirects_nothing() {
    const FILES: u64 = 300;
    let server = Scripted::honest();
    let ftpq = Ftpq::new();
    let outside = Outside::new(&ftpq);
    let names: Vec<String> = (0..FILES).map(|n| format!("d/e{}/f{n}", n % 7)).collect();
    for n in 0..FILES {
        // Small files go through memory, larger ones do not.
        server.put(&format!("f{n}"), pseudo_random(230 + n, if n % 3 == 0 { 100_000 } else { 2000 }));
    }
    let jobs: Vec<(String, &str)> =
        names.iter().enumerate().map(|(n, name)| (server.url(&format!("f{n}")), name.as_str())).collect();
    ftpq.add(&jobs);
    let (real, link) = (ftpq.downloads().join("d"), ftpq.downloads().join("swap"));
    fs::create_dir(&real).unwrap();
    symlink(&outside.0, &link).unwrap();
    let (stop, swaps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (stopped, count, a, b) = (Arc::clone(&stop), Arc::clone(&swaps), real.clone(), link.clone());
    let swapper = thread::spawn(move || {
        while !stopped.load(SeqCst) {
            renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).unwrap();
            count.fetch_add(1, SeqCst);
            thread::sleep(Duration::from_micros(if count.load(SeqCst) % 2 == 0 { 900 } else { 150 }));
        }
    });
    let mut story = String::new();
    for _ in 0..6 {
        let ended = ftpq.run(&["-q", "run", "--retries", "0", "--timeout", "5"]);
        story = format!("{}\n{ended}", swaps.load(SeqCst));
        ftpq.run(&["-q", "retry", "--state", "failed"]);
    }
    stop.store(true, SeqCst);
    swapper.join().unwrap();
    if fs::symlink_metadata(&real).unwrap().is_symlink() {
        renameat_with(CWD, &real, CWD, &link, RenameFlags::EXCHANGE).unwrap();
    }
    outside.assert_untouched(&story);
    let met = ftpq.json(&["list"]).iter().filter(|job| job["state"] != "done" || job["attempts"] != 1).count();
    assert!(met > 0 && swaps.load(SeqCst) > 100, "no job ever met the link: the race was not run\n{story}");
    // With the link gone all is well.
    let ended = ftpq.run(&["run", "--retries", "2", "--timeout", "5"]).expect_code(0);
    for (n, name) in (0..FILES).zip(&names) {
        let len = if n % 3 == 0 { 100_000 } else { 2000 };
        ftpq.assert_file(name, &pseudo_random(230 + n, len), &ended);
    }
    outside.assert_untouched(&ended);
}

/// wget wrote through a link at the final name; here the final name and the part file's are swapped all the time.
#[test]
fn cve_2004_2014_names_swapped_for_links_at_any_moment_redirect_nothing() {
    let server = Scripted::with(Traits { pace: 3_000_000, ..Traits::default() }, |_| Act::Usual);
    let data = pseudo_random(231, 300_000);
    server.put("a.bin", data.clone());
    let ftpq = Ftpq::new();
    let outside = Outside::new(&ftpq);
    ftpq.add(&[(server.url("a.bin"), "a.bin")]);
    let final_name = ftpq.downloads().join("a.bin");
    let names = [final_name.clone(), watch::part_of(&final_name), old_of(&final_name)];
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, victim) = (Arc::clone(&stop), outside.0.join("victim"));
    let planter = thread::spawn(move || {
        while !stopped.load(SeqCst) {
            for name in &names {
                let _ = symlink(&victim, name);
                thread::sleep(Duration::from_millis(2));
                if fs::symlink_metadata(name).is_ok_and(|meta| meta.is_symlink()) {
                    let _ = fs::remove_file(name);
                }
            }
        }
    });
    let mut story = String::new();
    for existing in ["check", "overwrite", "resume", "overwrite", "check"] {
        let ended = ftpq.run(&["run", "--retries", "0", "--timeout", "5", "--existing", existing]);
        story += &ended.to_string();
        ftpq.run(&["-q", "retry", "--all"]);
    }
    stop.store(true, SeqCst);
    planter.join().unwrap();
    outside.assert_untouched(&story);
    for name in [&final_name, &watch::part_of(&final_name), &old_of(&final_name)] {
        if fs::symlink_metadata(name).is_ok_and(|meta| meta.is_symlink()) {
            fs::remove_file(name).unwrap();
        }
    }
    let ended = ftpq.run(&["run", "--retries", "2"]).expect_code(0);
    ftpq.assert_file("a.bin", &data, &ended);
}

fn old_of(final_name: &Path) -> PathBuf {
    PathBuf::from(format!("{}.old", watch::part_of(final_name).display()))
}

/// One download of `a.bin` into a folder where something was planted.
fn with_planted(existing: &str, plant: impl Fn(&Path, &Path)) -> (Ftpq, Ended, Outside) {
    let server = Scripted::honest();
    server.put("a.bin", pseudo_random(232, 100_000));
    let ftpq = Ftpq::new();
    let outside = Outside::new(&ftpq);
    ftpq.add(&[(server.url("a.bin"), "a.bin")]);
    plant(&ftpq.downloads().join("a.bin"), &outside.0.join("victim"));
    let ended = ftpq.run(&["--json", "run", "--retries", "0", "--existing", existing, "--timeout", "5"]);
    outside.assert_untouched(&ended);
    (ftpq, ended, outside)
}

/// A part file that is another name of a file of somebody else's.
#[test]
fn cve_2004_2014_a_hard_link_planted_at_the_part_file_is_refused() {
    for existing in ["check", "overwrite", "resume"] {
        let (_, ended, _) = with_planted(existing, |name, victim| fs::hard_link(victim, watch::part_of(name)).unwrap());
        assert_eq!(ended.code, Some(1), "{ended}");
        assert!(ended.out.contains("hard links"), "it is not said why\n{ended}");
    }
    // At the final name it is a file like another one: replaced when that is asked for, never written to.
    let (ftpq, ended, _) = with_planted("overwrite", |name, victim| fs::hard_link(victim, name).unwrap());
    ftpq.assert_file("a.bin", &pseudo_random(232, 100_000), &ended);
    for existing in ["check", "resume"] {
        let (_, ended, _) = with_planted(existing, |name, victim| fs::hard_link(victim, name).unwrap());
        assert_eq!(ended.code, Some(1), "{ended}");
    }
}

/// Pipes and devices at the names: neither waited for, nor written to, nor taken away.
#[test]
fn cve_2004_2014_pipes_sockets_and_devices_planted_at_the_names_are_refused() {
    type NameOf = fn(&Path) -> PathBuf;
    let names: [NameOf; 2] = [Path::to_path_buf, watch::part_of];
    for name_of in names {
        for existing in ["check", "overwrite", "resume"] {
            let (ftpq, ended, _) = with_planted(existing, |name, _| {
                mknodat(CWD, name_of(name), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
            });
            assert_eq!(ended.code, Some(1), "{ended}");
            assert!(ended.took < Duration::from_secs(10), "{ended}");
            let kind = fs::symlink_metadata(name_of(&ftpq.downloads().join("a.bin"))).unwrap().file_type();
            assert!(kind.is_fifo(), "it was replaced\n{ended}");
        }
        with_planted("overwrite", |name, _| drop(std::os::unix::net::UnixListener::bind(name_of(name)).unwrap()));
    }
    // The device of zeros, where this user may make one.
    let zero = rustix::fs::makedev(1, 5);
    let probe = tempfile::tempdir().unwrap();
    let mode = Mode::RUSR | Mode::WUSR;
    if mknodat(CWD, probe.path().join("zero"), FileType::CharacterDevice, mode, zero).is_err() {
        return crate::support::report::skip_named("devices planted at the names", "no device can be made here");
    }
    for name_of in names {
        let (_, ended, _) = with_planted("overwrite", |name, _| {
            mknodat(CWD, name_of(name), FileType::CharacterDevice, mode, zero).unwrap();
        });
        assert_eq!(ended.code, Some(1), "{ended}");
    }
}

/// Another user's part file under our name, with a label that says it is ours: it keeps its owner and its mode, so it is
/// not gone on with.
#[test]
fn cve_2004_2014_a_part_file_of_another_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return crate::support::report::skip("only root can give a file to another user");
    }
    for name_of in [watch::part_of, old_of] {
        let (ftpq, ended, _) = with_planted("check", |name, _| {
            let part = name_of(name);
            fs::write(&part, vec![7; 50_000]).unwrap();
            fs::set_permissions(&part, fs::Permissions::from_mode(0o666)).unwrap();
            std::os::unix::fs::chown(&part, Some(65534), Some(65534)).unwrap();
        });
        match ended.code {
            Some(0) => {
                let meta = fs::metadata(ftpq.downloads().join("a.bin")).unwrap();
                assert_eq!(meta.uid(), 0, "the file under the final name belongs to another user\n{ended}");
                assert_eq!(meta.mode() & 0o022, 0, "others can write to the finished file\n{ended}");
                ftpq.assert_file("a.bin", &pseudo_random(232, 100_000), &ended);
            }
            Some(1) => assert!(ended.out.contains("another user"), "it is not said why\n{ended}"),
            _ => panic!("{ended}"),
        }
    }
}

/// A server that tells of modes (MLST's `UNIX.mode`, `perm`) sets none: files and folders have what the umask leaves.
#[test]
fn the_umask_of_the_user_decides_and_never_the_server() {
    for umask in ["077", "022", "002", "027"] {
        let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, |turn| match turn.verb {
            "MLST" => Act::Reword(Box::new(|reply| reply.replace("unique=", "UNIX.mode=06777;perm=adfrw;unique="))),
            _ => Act::Usual,
        });
        server.put("small", pseudo_random(233, 1000));
        server.put("large", pseudo_random(234, 300_000));
        let ftpq = Ftpq::new();
        ftpq.add(&[(server.url("small"), "d/e/small"), (server.url("large"), "d/e/large")]);
        let mut command = Command::new("sh");
        let program = ftpq.command(&["run"]);
        command.arg("-c").arg(format!("umask {umask}; exec \"$@\"")).arg("sh").arg(program.get_program());
        command.args(program.get_args()).env_clear().env("HOME", ftpq.home());
        let output = command.current_dir(ftpq.downloads()).output().unwrap();
        let story = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{story}");
        let mask = u32::from_str_radix(umask, 8).unwrap();
        for (name, all) in [("d", 0o777), ("d/e", 0o777), ("d/e/small", 0o666), ("d/e/large", 0o666)] {
            let mode = fs::metadata(ftpq.downloads().join(name)).unwrap().mode() & 0o7777;
            assert_eq!(mode, all & !mask, "{name} with umask {umask}\n{story}");
        }
    }
}

/// A folder where everybody may make files, as /tmp is: what others plant there is refused, one's own goes well.
#[test]
fn a_sticky_folder_of_another_user_takes_files_and_nothing_more() {
    let server = Scripted::honest();
    let data = pseudo_random(235, 100_000);
    server.put("a.bin", data.clone());
    let ftpq = Ftpq::new();
    let shared = ftpq.folder().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&shared, Some(65534), Some(65534)).unwrap();
    }
    let ended = ftpq.run(&["get", &server.url("a.bin"), "--into", shared.to_str().unwrap()]).expect_code(0);
    assert_eq!(fs::read(shared.join("a.bin")).unwrap(), data, "{ended}");
    assert_eq!(fs::metadata(shared.join("a.bin")).unwrap().mode() & 0o022, 0, "{ended}");
}

/// The folder of the queue holds what decides where files go: nobody else may write there, and nothing in it is reached
/// through a link.
#[test]
fn a_queue_that_others_can_write_to_is_refused() {
    for mode in [0o777, 0o1777, 0o707] {
        let ftpq = Ftpq::new();
        fs::create_dir(ftpq.queue()).unwrap();
        fs::set_permissions(ftpq.queue(), fs::Permissions::from_mode(mode)).unwrap();
        for args in [&["status"][..], &["list"], &["run"], &["add", "ftp://127.0.0.1:9/a"]] {
            let ended = ftpq.run(args);
            assert_eq!(ended.code, Some(5), "{mode:o} {args:?}\n{ended}");
            assert!(ended.err.contains("chmod"), "it is not said what to do\n{ended}");
        }
        assert_eq!(watch::files_below(&ftpq.queue()).len(), 0, "{mode:o}");
    }
}

#[test]
fn no_file_of_the_queue_is_reached_through_a_link() {
    let fresh = Ftpq::new();
    fresh.run(&["add", "ftp://127.0.0.1:9/a"]).expect_code(0);
    let names: Vec<String> = fs::read_dir(fresh.queue())
        .unwrap()
        .map(|entry| entry.unwrap())
        // A folder elsewhere may be the owner's wish; nobody else can put a link there.
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .chain(["credentials", "credentials.new", "control.sock", "journal.new", "overview.new"].map(str::to_owned))
        .collect();
    for name in names {
        for empty in [true, false] {
            let ftpq = Ftpq::new();
            let outside = Outside::new(&ftpq);
            if empty {
                fs::create_dir(ftpq.queue()).unwrap();
                fs::set_permissions(ftpq.queue(), fs::Permissions::from_mode(0o700)).unwrap();
            } else {
                ftpq.run(&["add", "ftp://127.0.0.1:9/a"]).expect_code(0);
            }
            let planted = ftpq.queue().join(&name);
            let _ = fs::remove_file(&planted);
            symlink(outside.0.join("victim"), &planted).unwrap();
            let mut story = format!("{name}, empty {empty}\n");
            for args in [
                &["add", "ftp://u:p@127.0.0.1:9/b"][..],
                &["run", "--retries", "0", "--timeout", "1"],
                &["list"],
                &["remove", "--all"],
            ] {
                story += &ftpq.run(args).to_string();
            }
            outside.assert_untouched(&story);
        }
    }
}

/// Whatever the umask, nobody else reads the queue.
#[test]
fn the_files_of_the_queue_are_for_their_owner_alone() {
    let server = Scripted::with(Traits { pace: 100_000, ..Traits::default() }, |_| Act::Usual);
    server.put("a.bin", pseudo_random(236, 300_000));
    let ftpq = Ftpq::new();
    let mut command = Command::new("sh");
    let list = ftpq.write("list", format!("{}\n", server.url_as("user:password", "a.bin")));
    let add = ftpq.command(&["add", &list]);
    command.arg("-c").arg("umask 000; exec \"$@\"").arg("sh").arg(add.get_program()).args(add.get_args());
    let output = command.env_clear().env("HOME", ftpq.home()).current_dir(ftpq.downloads()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut command = Command::new("sh");
    let run = ftpq.command(&["run"]);
    command.arg("-c").arg("umask 000; exec \"$@\"").arg("sh").arg(run.get_program()).args(run.get_args());
    let mut child = command.env_clear().env("HOME", ftpq.home()).current_dir(ftpq.downloads()).spawn().unwrap();
    let part = watch::part_of(&ftpq.downloads().join("a.bin"));
    assert!(watch::wait_for(Duration::from_secs(20), || watch::length(&part) > 20_000));
    let folder = fs::metadata(ftpq.queue()).unwrap().mode() & 0o777;
    let modes: Vec<(String, u32)> = watch::files_below(&ftpq.queue())
        .into_iter()
        .map(|path| (path.display().to_string(), fs::symlink_metadata(&path).unwrap().mode() & 0o777))
        .collect();
    assert!(child.wait().unwrap().success());
    assert_eq!(folder, 0o700);
    let top: Vec<_> = modes
        .iter()
        // The store's own files lie in a folder that is closed to others.
        .filter(|(path, mode)| !path.contains("/store/") && mode & 0o077 != 0)
        .collect();
    assert!(top.is_empty(), "open to others: {top:?}");
}
