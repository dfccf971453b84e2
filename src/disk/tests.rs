//! What must hold of every file on disk, whatever stands beside it.

use super::*;
use crate::model::{Algorithm, Cause, Destination, RelPath, Stage};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

fn destination(dir: &Path, path: &str) -> Destination {
    Destination::new(dir, RelPath::new(path).unwrap()).unwrap()
}

fn place(dir: &Path, path: &str) -> Place {
    Place::open(&destination(dir, path)).unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_appears_under_its_final_name_only_by_the_rename() {
    let dir = TempDir::new().unwrap();
    let place = place(dir.path(), "a/b/c.gz");
    assert_eq!(place.final_file().unwrap(), None);
    let part = place.open_part().unwrap();
    part.allocate(11).unwrap();
    assert_eq!(part.len().unwrap(), 0, "reserving must not look like bytes that are there");
    part.write_at(b"hello world", 0).unwrap();
    part.set_modified(1_000_000_000).unwrap();
    part.sync().unwrap();
    let folder = dir.path().join("a/b");
    assert_eq!(names(&folder), [".c.gz.ftpq-part"]);
    assert_eq!(place.part_file().unwrap().unwrap().size, 11);
    let md5 = part.digest(Algorithm::Md5, &|| false).unwrap().unwrap();
    part.rename_to_final(&place, None).unwrap();
    place.sync_dir().unwrap();
    assert_eq!(names(&folder), ["c.gz"]);
    let found = place.final_file().unwrap().unwrap();
    assert_eq!((found.size, found.modified), (11, Some(1_000_000_000)));
    assert_eq!(place.digest_final(Algorithm::Md5, &|| false).unwrap().unwrap(), md5);
    let hex: Vec<String> = md5.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex.concat(), "5eb63bbbe01eeed093cb22bb8f5acdc3");
    assert_eq!(place.shown(), folder.join("c.gz").to_str().unwrap());
    assert_eq!(place.device(), fs::metadata(&folder).unwrap().dev());
    assert!(place.free_bytes().unwrap() > 0);
}

#[test]
fn the_final_file_has_the_mode_of_any_new_file() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("plain"), b"").unwrap();
    let place = place(dir.path(), "x");
    place.open_part().unwrap().rename_to_final(&place, None).unwrap();
    let mode = |name: &str| fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
    assert_eq!(mode("x"), mode("plain"));
}

#[test]
fn bytes_are_read_and_written_where_they_belong() {
    let dir = TempDir::new().unwrap();
    let part = place(dir.path(), "x").open_part().unwrap();
    part.write_at(b"abcdef", 0).unwrap();
    part.write_at(b"XY", 2).unwrap();
    let mut buffer = [0; 10];
    assert_eq!(part.read_at(&mut buffer, 1).unwrap(), 5);
    assert_eq!(&buffer[..5], b"bXYef");
    part.truncate(3).unwrap();
    assert_eq!(part.len().unwrap(), 3);
    assert!(!part.is_empty().unwrap());
    assert_eq!(part.digest(Algorithm::Sha256, &|| true).unwrap(), None);
}

/// Digests of long files span several reads; the lengths around one read are where it goes wrong.
#[test]
fn digests_cover_every_byte() {
    use sha2::Digest;
    let dir = TempDir::new().unwrap();
    let part = place(dir.path(), "x").open_part().unwrap();
    for len in [0usize, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20] {
        let bytes: Vec<u8> = (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect();
        part.truncate(0).unwrap();
        part.write_at(&bytes, 0).unwrap();
        let found = part.digest(Algorithm::Sha256, &|| false).unwrap().unwrap();
        assert_eq!(found, sha2::Sha256::digest(&bytes).to_vec(), "{len}");
        for algorithm in Algorithm::ALL {
            assert_eq!(part.digest(algorithm, &|| false).unwrap().unwrap().len(), algorithm.digest_len());
        }
    }
}

#[test]
fn renaming_never_replaces_what_is_not_ours() {
    let dir = TempDir::new().unwrap();
    let place = place(dir.path(), "x");
    fs::write(dir.path().join("x"), b"precious").unwrap();
    let part = place.open_part().unwrap();
    part.write_at(b"new", 0).unwrap();
    for error in [part.rename_to_final(&place, None).unwrap_err(), place.commit_by_link().unwrap_err()] {
        assert_eq!(error.cause(), Cause::Exists, "{error}");
    }
    assert_eq!(fs::read(dir.path().join("x")).unwrap(), b"precious");
    let there = place.final_file().unwrap();
    // Somebody saves his work meanwhile: in place, or by a new file of equal length.
    fs::rename(dir.path().join("x"), dir.path().join("y")).unwrap();
    fs::write(dir.path().join("x"), b"careless").unwrap();
    assert_eq!(part.rename_to_final(&place, there).unwrap_err().cause(), Cause::Exists);
    fs::rename(dir.path().join("y"), dir.path().join("x")).unwrap();
    fs::write(dir.path().join("x"), b"more precious").unwrap();
    assert_eq!(part.rename_to_final(&place, there).unwrap_err().cause(), Cause::Exists);
    assert_eq!(fs::read(dir.path().join("x")).unwrap(), b"more precious");
    let there = place.final_file().unwrap();
    part.rename_to_final(&place, there).unwrap();
    assert_eq!(fs::read(dir.path().join("x")).unwrap(), b"new");
}

/// CVE-2004-2014: a link planted under a name that is about to be written.
#[test]
fn a_planted_link_is_never_followed() {
    let dir = TempDir::new().unwrap();
    let victim = dir.path().join("victim");
    fs::write(&victim, b"precious").unwrap();
    let into = dir.path().join("into");
    let place = place(&into, "x");
    for target in [victim.as_path(), Path::new("/nonexistent/x")] {
        symlink(target, into.join(".x.ftpq-part")).unwrap();
        assert_eq!(place.part_file().unwrap_err().cause(), Cause::Exists);
        assert_eq!(place.open_part().unwrap_err().cause(), Cause::Exists);
        fs::remove_file(into.join(".x.ftpq-part")).unwrap();
        symlink(target, into.join("x")).unwrap();
        let failure = place.final_file().unwrap_err().into_failure(Stage::Plan);
        assert!(failure.cause == Cause::Exists && failure.message.contains("link"), "{failure}");
        assert!(place.digest_final(Algorithm::Md5, &|| false).is_err());
        assert!(place.adopt_final().is_err());
        let part = place.open_part().unwrap();
        for replaces in [None, place.part_file().unwrap()] {
            assert_eq!(part.rename_to_final(&place, replaces).unwrap_err().cause(), Cause::Exists);
        }
        fs::remove_file(into.join("x")).unwrap();
        place.remove_part().unwrap();
    }
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
}

/// CVE-2014-4877: a link in a folder on the way would lead out of the user's folder.
#[test]
fn a_link_is_followed_up_to_the_users_folder_and_nowhere_below() {
    let dir = TempDir::new().unwrap();
    let real = dir.path().join("real");
    fs::create_dir(&real).unwrap();
    symlink(&real, dir.path().join("into")).unwrap();
    let into = dir.path().join("into");
    place(&into, "a/x").open_part().unwrap();
    assert!(real.join("a/.x.ftpq-part").exists());
    symlink("/etc", real.join("evil")).unwrap();
    let error = Place::open(&destination(&into, "evil/deep/x")).unwrap_err();
    assert!(error.to_string().contains("evil: it is a symbolic link"), "{error}");
    fs::write(real.join("file"), b"").unwrap();
    let error = Place::open(&destination(&into, "file/x")).unwrap_err();
    assert_eq!(error.cause(), Cause::Exists, "{error}");
}

#[test]
fn things_that_are_no_files_are_refused_at_once() {
    let dir = TempDir::new().unwrap();
    let place = place(dir.path(), "x");
    fs::create_dir(dir.path().join("x")).unwrap();
    assert_eq!(place.final_file().unwrap_err().cause(), Cause::Exists);
    let part = dir.path().join(".x.ftpq-part");
    if Command::new("mkfifo").arg(&part).status().is_ok_and(|s| s.success()) {
        // A pipe without a reader would block a plain open for ever.
        assert_eq!(place.open_part().unwrap_err().cause(), Cause::Exists);
    } else {
        println!("skipped: the pipe (no mkfifo here)");
    }
}

#[test]
fn only_one_opener_writes_a_part_file() {
    let dir = TempDir::new().unwrap();
    let place = place(dir.path(), "x");
    let first = place.open_part().unwrap();
    let error = place.open_part().unwrap_err();
    assert!(error.to_string().contains("another ftpq is writing this file"), "{error}");
    drop(first);
    place.open_part().unwrap();
}

#[test]
fn a_part_file_with_a_second_name_is_not_written_to() {
    let dir = TempDir::new().unwrap();
    let place = place(dir.path(), "x");
    fs::write(dir.path().join("precious"), b"precious").unwrap();
    fs::hard_link(dir.path().join("precious"), dir.path().join(".x.ftpq-part")).unwrap();
    assert_eq!(place.open_part().unwrap_err().cause(), Cause::Exists);
    fs::rename(dir.path().join("precious"), dir.path().join("x")).unwrap();
    // Now it looks like a crash between linking the final name and deleting the part name.
    let part = place.open_part().unwrap();
    part.write_at(b"new", 0).unwrap();
    assert_eq!(fs::read(dir.path().join("x")).unwrap(), b"precious");
}

#[test]
fn a_part_that_was_renamed_meanwhile_is_not_committed() {
    let dir = TempDir::new().unwrap();
    let place = place(dir.path(), "x");
    let part = place.open_part().unwrap();
    place.set_aside().unwrap();
    fs::write(dir.path().join(".x.ftpq-part"), b"foreign").unwrap();
    assert!(part.rename_to_final(&place, None).is_err());
    assert_eq!(place.final_file().unwrap(), None);
}

#[test]
fn without_an_exclusive_rename_a_link_does_it() {
    let dir = TempDir::new().unwrap();
    let place = place(dir.path(), "x");
    place.open_part().unwrap().write_at(b"abc", 0).unwrap();
    place.commit_by_link().unwrap();
    assert_eq!(names(dir.path()), ["x"]);
}

#[test]
fn a_file_of_another_tool_is_taken_over() {
    let dir = TempDir::new().unwrap();
    let place = place(dir.path(), "x");
    assert!(place.adopt_final().is_err());
    fs::write(dir.path().join("x"), b"begin").unwrap();
    place.adopt_final().unwrap();
    assert_eq!(names(dir.path()), [".x.ftpq-part"]);
    fs::write(dir.path().join("x"), b"again").unwrap();
    assert_eq!(place.adopt_final().unwrap_err().cause(), Cause::Exists);
    fs::remove_file(dir.path().join(".x.ftpq-part")).unwrap();
    fs::hard_link(dir.path().join("x"), dir.path().join("y")).unwrap();
    assert_eq!(place.adopt_final().unwrap_err().cause(), Cause::Exists);
}

#[test]
fn an_old_part_is_kept_until_it_is_dropped() {
    let dir = TempDir::new().unwrap();
    let place = place(dir.path(), "x");
    place.set_aside().unwrap();
    assert_eq!(place.old_part().unwrap(), None);
    place.open_part().unwrap().write_at(b"old bytes", 0).unwrap();
    place.set_aside().unwrap();
    assert_eq!(place.old_part().unwrap().unwrap().size, 9);
    assert_eq!(place.part_file().unwrap(), None);
    place.open_part().unwrap();
    place.drop_old().unwrap();
    place.remove_part().unwrap();
    place.remove_part().unwrap();
    assert!(names(dir.path()).is_empty());
}

#[test]
fn the_longest_names_can_be_written() {
    let dir = TempDir::new().unwrap();
    for name in ["x".repeat(255), "ü".repeat(127), "y".repeat(240)] {
        let place = place(dir.path(), &name);
        place.open_part().unwrap();
        place.set_aside().unwrap();
        place.open_part().unwrap().rename_to_final(&place, None).unwrap();
        place.drop_old().unwrap();
        assert_eq!(names(dir.path()), [name.as_str()]);
        fs::remove_file(dir.path().join(name)).unwrap();
    }
}

#[test]
fn the_users_folder_is_created_with_its_parents() {
    let dir = TempDir::new().unwrap();
    place(&dir.path().join("a/b/../c"), "x").open_part().unwrap();
    assert!(dir.path().join("a/c/.x.ftpq-part").exists());
    fs::write(dir.path().join("file"), b"").unwrap();
    assert!(Place::open(&destination(&dir.path().join("file"), "x")).is_err());
    symlink("nowhere", dir.path().join("dangling")).unwrap();
    assert!(Place::open(&destination(&dir.path().join("dangling"), "x")).is_err());
}

/// A small file system of its own, where this process may mount one.
struct Mounted(TempDir);

impl Mounted {
    fn new(bytes: u64) -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let size = format!("size={bytes}");
        let args = ["-t", "tmpfs", "-o", &size, "tmpfs"];
        let done = Command::new("mount").args(args).arg(dir.path()).output();
        done.is_ok_and(|out| out.status.success()).then_some(Self(dir))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_told_and_keeps_what_was_written() {
    let Some(disk) = Mounted::new(1 << 20) else {
        println!("skipped: a full disk (mounting a tmpfs is not allowed here)");
        return;
    };
    let place = place(disk.0.path(), "x");
    assert!(place.free_bytes().unwrap() <= 1 << 20);
    let part = place.open_part().unwrap();
    part.write_at(&[7; 1000], 0).unwrap();
    part.allocate(2 << 20).expect("in memory nothing is reserved");
    let error = part.write_at(&vec![8; 2 << 20], 1000).unwrap_err();
    assert!(error.is_full(), "{error}");
    assert_eq!(error.into_failure(Stage::Store).cause, Cause::DiskFull);
    let mut head = [0; 1000];
    assert_eq!(part.read_at(&mut head, 0).unwrap(), 1000);
    assert_eq!(head, [7; 1000]);
    part.truncate(1000).unwrap();
    part.write_at(b"room again", 1000).unwrap();
}

/// A label is there at once, so that a kill before the queue's record costs nothing.
#[test]
fn a_part_file_says_what_it_is_the_beginning_of() {
    let folder = tempfile::tempdir().unwrap();
    let source: crate::model::Source = "ftp://h/a".parse().unwrap();
    let place = Place::open(&Destination::new(folder.path(), RelPath::new("a").unwrap()).unwrap()).unwrap();
    assert_eq!(place.part_label().unwrap().map(|label| label.progress), None);
    let part = place.open_part().unwrap();
    assert_eq!(place.part_label().unwrap().map(|label| label.progress), None);
    let progress = crate::model::Progress { durable: 7, boot_id: "boot".to_owned(), ..Default::default() };
    if !part.set_label(&source, &progress).unwrap() {
        eprintln!("skipped: labels of part files (this file system keeps no extended attributes)");
        return;
    }
    assert_eq!(place.part_label().unwrap().map(|label| label.progress), Some(progress.clone()));
    assert_eq!(place.part_label().unwrap().map(|label| label.source), Some(source.clone()));
    part.rename_to_final(&place, None).unwrap();
    assert_eq!(place.part_label().unwrap().map(|label| label.progress), None);
    place.clear_final_label();
    place.adopt_final().unwrap();
    assert_eq!(place.part_label().unwrap().map(|label| label.progress), None);
    part.set_label(&source, &progress).unwrap();
    part.clear_label();
    assert_eq!(place.part_label().unwrap().map(|label| label.progress), None);
}

/// A pipe from which bytes can't be spliced into a file of this file system must lose none of them.
#[test]
fn what_lies_in_a_pipe_can_be_written_by_way_of_memory_too() {
    let dir = TempDir::new().unwrap();
    let part = place(dir.path(), "x").open_part().unwrap();
    let pipe = Pipe::open().unwrap();
    rustix::io::write(pipe.inlet(), b"abcdef").unwrap();
    assert_eq!(part.splice_at(&pipe, 2, 0).unwrap(), Some(2));
    part.drain_at(&pipe, 4, 2).unwrap();
    let mut buffer = [0; 8];
    assert_eq!(part.read_at(&mut buffer, 0).unwrap(), 6);
    assert_eq!(&buffer[..6], b"abcdef");
    assert!(part.splice_at(&pipe, 1, 6).is_err(), "an empty pipe gives nothing, and nobody waits for it");
}
