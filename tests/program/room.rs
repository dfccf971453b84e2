//! Space on the disk: a file that does not fit stands in nobody's way and keeps nothing.

use crate::{
    disk_full::Small,
    support::{Ftpq, Scripted, pseudo_random, report},
};
use std::{fs, path::Path};

const BIG: usize = 200 << 20;

fn free(place: &Path) -> u64 {
    let stat = rustix::fs::statvfs(place).unwrap();
    stat.f_bavail * stat.f_frsize
}

/// One file that can't fit among five small ones, on one file system of 64 MiB.
fn one_too_large(ftpq: &Ftpq, place: &Path) {
    let server = Scripted::honest();
    server.put("big.bin", vec![0; BIG]);
    let data = pseudo_random(200, 100_000);
    let names = ["s0", "s1", "big.bin", "s2", "s3", "s4"];
    let small: Vec<&str> = names.into_iter().filter(|n| *n != "big.bin").collect();
    small.iter().for_each(|n| server.put(n, data.clone()));
    let list: String = names.iter().map(|n| format!("{}\n", server.url(n))).collect();
    ftpq.run(&["add", &ftpq.write("list", list), "--into", place.to_str().unwrap()]).expect_code(0);
    let before = free(place);
    // One connection: the large file comes before three of the others.
    let ended = ftpq.run(&["run", "--connections", "1"]).expect_code(5);
    for name in &small {
        let got = fs::read(place.join(name)).unwrap_or_else(|e| panic!("{name}: {e}\n{ended}"));
        assert!(got == data, "{name} is wrong\n{ended}");
    }
    assert_eq!(ftpq.count("done"), 5, "{ended}");
    let job = ftpq.json_one(&["show", "3"]);
    assert!(["queued", "waiting", "paused"].contains(&job["state"].as_str().unwrap()), "{job:#}\n{ended}");
    assert!(!place.join("big.bin").exists(), "{ended}");
    let said = ended.everything();
    let needed = [BIG.to_string(), "200 MiB".to_owned(), "200.0 MiB".to_owned()];
    assert!(needed.iter().any(|n| said.contains(n)), "the bytes that are needed are not said\n{ended}");
    let free_is_said = said.lines().any(|l| l.contains("free") && needed.iter().any(|n| l.contains(n)));
    assert!(free_is_said, "the bytes that are free are not said\n{ended}");
    assert!(!said.contains(" 0 are free"), "what a failed reservation took is not counted as free\n{ended}");
    let after = free(place);
    let kept = before.saturating_sub(after);
    assert!(kept < 4 << 20, "{kept} bytes of {before} are gone, for 500 KB of files\n{ended}");
    assert_eq!(server.core().sent("big.bin"), 0, "bytes were fetched that have no place\n{ended}");
}

#[test]
fn a_file_too_large_for_the_space_left_stands_in_nobodys_way_on_tmpfs() {
    let ftpq = Ftpq::new();
    let place = ftpq.folder().join("small");
    let Some(_small) = Small::mount(&place, 64) else {
        return report::skip("needs root, to mount a small file system");
    };
    one_too_large(&ftpq, &place);
}

/// Unlike tmpfs, ext4 keeps the blocks that it found before a reservation failed.
#[test]
fn a_file_too_large_for_the_space_left_keeps_no_block_on_ext4() {
    let ftpq = Ftpq::new();
    let place = ftpq.folder().join("small");
    let Some(_small) = Small::mount_image(&place, "mkfs.ext4", 64) else {
        return report::skip("needs root, mkfs.ext4 and a loop device");
    };
    one_too_large(&ftpq, &place);
}
