//! What other programs left, and do, where ftpq writes: nothing of it gets into a file that counts as right.

use crate::support::{Act, Ended, Ftpq, Scripted, Traits, pseudo_random, watch};
use std::{
    fs,
    io::{Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
    time::Duration,
};

const LEN: usize = 1_000_000;

/// `a.bin` on a server that tells no time, and `there` under its name here.
fn get(server: &Scripted, ftpq: &Ftpq, more: &[&str]) -> (Ended, String) {
    let into = ftpq.downloads();
    let args =
        ["--json", "get", &server.url("a.bin"), "--into", into.to_str().unwrap(), "--timeout", "5", "--retries", "1"];
    let ended = ftpq.run(&[&args[..], more].concat());
    let story = format!("{ended}{}", server.core().dialogue());
    (ended, story)
}

fn timeless(data: &[u8]) -> Scripted {
    let server = Scripted::lying(|turn| match turn.verb {
        "MDTM" | "MLST" => Act::say("502 Command not implemented."),
        _ => Act::Usual,
    });
    server.put("a.bin", data.to_vec());
    server
}

// ---- adopted by its length ----

#[test]
fn a_file_of_the_right_length_is_adopted_without_a_time_only_for_its_bytes() {
    let data = pseudo_random(800, LEN);
    let mut last_block = data.clone();
    last_block[LEN - 100] ^= 1;
    let mut first_block = data.clone();
    first_block[0] ^= 1;
    for (there, code) in
        [(data.clone(), 0), (vec![0; LEN], 1), (pseudo_random(801, LEN), 1), (first_block, 1), (last_block, 1)]
    {
        let server = timeless(&data);
        let ftpq = Ftpq::new();
        fs::write(ftpq.downloads().join("a.bin"), &there).unwrap();
        let (ended, story) = get(&server, &ftpq, &[]);
        assert_eq!(ended.code, Some(code), "{story}");
        assert!(fs::read(ftpq.downloads().join("a.bin")).unwrap() == there, "it was touched\n{story}");
        let bytes = ended.events("summary")[0]["bytes"].as_u64().unwrap();
        assert!((1..LEN as u64 / 4).contains(&bytes), "{bytes} bytes were read of it\n{story}");
    }
}

/// A few bytes are all compared, and so are those of a server that can't begin in the middle.
#[test]
fn every_byte_is_compared_where_places_can_not_be_chosen() {
    for (len, ignores_rest, refuses_rest) in [(40_000, false, false), (LEN, true, false), (LEN, false, true)] {
        let data = pseudo_random(802, len);
        let mut there = data.clone();
        there[len / 2 + 7] ^= 1;
        for (there, code) in [(data.clone(), 0), (there, 1)] {
            let traits = Traits { ignores_rest, ..Traits::default() };
            let server = Scripted::with(traits, move |turn| match turn.verb {
                "MDTM" | "MLST" => Act::say("502 Command not implemented."),
                "REST" if refuses_rest => Act::say("502 Command not implemented."),
                _ => Act::Usual,
            });
            server.put("a.bin", data.clone());
            let ftpq = Ftpq::new();
            fs::write(ftpq.downloads().join("a.bin"), &there).unwrap();
            let (ended, story) = get(&server, &ftpq, &[]);
            assert_eq!(ended.code, Some(code), "{len} {ignores_rest} {refuses_rest}\n{story}");
        }
    }
}

/// With `--existing overwrite` the difference leads to the right file.
#[test]
fn a_file_of_the_right_length_with_other_bytes_is_replaced_where_that_is_wished() {
    let data = pseudo_random(803, LEN);
    let server = timeless(&data);
    let ftpq = Ftpq::new();
    fs::write(ftpq.downloads().join("a.bin"), vec![0; LEN]).unwrap();
    let (ended, story) = get(&server, &ftpq, &["--existing", "overwrite"]);
    assert_eq!(ended.code, Some(0), "{story}");
    ftpq.assert_file("a.bin", &data, &story);
}

// ---- taken over ----

/// `--existing resume` with what another program left; `gap` says what is missing of it.
fn taken_over(there: &dyn Fn(&Ftpq), word: Option<&str>) {
    let data = pseudo_random(810, LEN);
    let server = Scripted::honest();
    server.put("a.bin", data.clone());
    let ftpq = Ftpq::new();
    there(&ftpq);
    let (ended, story) = get(&server, &ftpq, &["--existing", "resume"]);
    assert_eq!(ended.code, Some(0), "{story}");
    ftpq.assert_file("a.bin", &data, &story);
    match word {
        Some(word) => assert!(story.contains(word), "{story}"),
        None => assert!(server.core().sent("a.bin") < 500_000, "the beginning that was there came again\n{story}"),
    }
}

#[test]
fn the_plain_beginning_of_a_file_is_continued() {
    taken_over(&|ftpq| fs::write(ftpq.downloads().join("a.bin"), &pseudo_random(810, LEN)[..700_000]).unwrap(), None);
}

/// aria2 with several connections: the first and the last segment are there, and between them nothing.
#[test]
fn segments_with_holes_between_are_not_continued() {
    let write = |ftpq: &Ftpq| {
        let data = pseudo_random(810, LEN);
        let mut file = fs::File::create(ftpq.downloads().join("a.bin")).unwrap();
        file.write_all(&data[..200_000]).unwrap();
        file.seek(SeekFrom::Start(600_000)).unwrap();
        file.write_all(&data[600_000..900_000]).unwrap();
    };
    taken_over(&write, Some("it has a hole"));
}

#[test]
fn segments_with_zeros_between_are_not_continued() {
    let write = |ftpq: &Ftpq| {
        let mut data = pseudo_random(810, LEN);
        data[200_000..600_000].fill(0);
        fs::write(ftpq.downloads().join("a.bin"), &data[..900_000]).unwrap();
    };
    taken_over(&write, Some("nothing but zeros"));
}

#[test]
fn a_file_that_another_program_still_fetches_in_parts_is_not_continued() {
    for mark in ["a.bin.aria2", "a.bin.st", "a.bin-lftp-pget-status"] {
        let write = |ftpq: &Ftpq| {
            let mut data = pseudo_random(810, LEN);
            data[200_000..600_000].copy_from_slice(&pseudo_random(811, 400_000));
            fs::write(ftpq.downloads().join("a.bin"), &data[..900_000]).unwrap();
            fs::write(ftpq.downloads().join(mark), "x").unwrap();
        };
        taken_over(&write, Some("in parts"));
    }
}

// ---- meddled with ----

/// A server that takes three seconds for the file.
fn slow(data: &[u8]) -> Scripted {
    let server = Scripted::with(Traits { pace: LEN as u64 / 3, ..Traits::default() }, |_| Act::Usual);
    server.put("a.bin", data.to_vec());
    server
}

/// What is written behind a cut leaves a hole of zeros.
#[test]
fn a_part_file_that_is_cut_while_it_is_fetched_is_no_whole_file() {
    let data = pseudo_random(820, LEN);
    let server = slow(&data);
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url("a.bin"), "a.bin")]);
    let run = ftpq.spawn(&["run", "--timeout", "5", "--no-split"]);
    let part = watch::part_of(&ftpq.downloads().join("a.bin"));
    assert!(watch::wait_for(Duration::from_secs(20), || watch::length(&part) > 400_000));
    fs::File::options().write(true).open(&part).unwrap().set_len(100_000).unwrap();
    let ended = run.wait(Duration::from_secs(60));
    let wrong = fs::read(ftpq.downloads().join("a.bin")).is_ok_and(|got| got != data);
    assert!(!wrong, "a file with a hole has its name\n{ended}");
    assert!(ended.everything().contains("another program changed it"), "{ended}");
    // What is before the cut is right, and goes on.
    ftpq.run(&["retry", "1"]).expect_code(0);
    let ended = ftpq.run(&["run"]).expect_code(0);
    ftpq.assert_file("a.bin", &data, &ended);
}

/// The same where several connections write at different places.
#[test]
fn a_part_file_that_is_cut_while_several_connections_fetch_it_is_no_whole_file() {
    const LARGE: usize = 36 << 20;
    let data = pseudo_random(823, LARGE);
    let server = Scripted::with(Traits { pace: 4 << 20, ..Traits::default() }, |_| Act::Usual);
    server.put("a.bin", data.clone());
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url("a.bin"), "a.bin")]);
    let run = ftpq.spawn(&["run", "--timeout", "5", "--per-host", "4"]);
    let part = watch::part_of(&ftpq.downloads().join("a.bin"));
    let is_split = || server.core().sessions().0 >= 3 && watch::length(&part) > 20 << 20;
    assert!(watch::wait_for(Duration::from_secs(30), is_split), "it was not split");
    fs::File::options().write(true).open(&part).unwrap().set_len(300_000).unwrap();
    let ended = run.wait(Duration::from_secs(120));
    let wrong = fs::read(ftpq.downloads().join("a.bin")).is_ok_and(|got| got != data);
    assert!(!wrong, "a file with a hole has its name\n{ended}");
    assert!(ended.everything().contains("another program changed it"), "{ended}");
    ftpq.run(&["retry", "1"]).expect_code(0);
    let ended = ftpq.run(&["run"]).expect_code(0);
    ftpq.assert_file("a.bin", &data, &ended);
}

/// Between the last byte and the name.
#[test]
fn a_part_file_that_is_written_to_after_its_last_byte_does_not_get_the_name() {
    let data = pseudo_random(821, LEN);
    let server = Scripted::lying(|turn| {
        if turn.verb == "SIZE" && turn.before == 1 {
            std::thread::sleep(Duration::from_secs(2));
        }
        Act::Usual
    });
    server.put("a.bin", data.clone());
    let ftpq = Ftpq::new();
    ftpq.add(&[(server.url("a.bin"), "a.bin")]);
    let run = ftpq.spawn(&["run", "--timeout", "10", "--no-split"]);
    let part = watch::part_of(&ftpq.downloads().join("a.bin"));
    assert!(watch::wait_for(Duration::from_secs(20), || server.core().args("SIZE").len() == 2));
    let meddled = fs::File::options().write(true).open(&part).unwrap();
    meddled.write_all_at(b"edited", 500_000).unwrap();
    let ended = run.wait(Duration::from_secs(60));
    let wrong = fs::read(ftpq.downloads().join("a.bin")).is_ok_and(|got| got != data);
    assert!(!wrong, "an edited file has its name\n{ended}");
    assert!(ended.everything().contains("another program changed it"), "{ended}");
    ftpq.run(&["retry", "1"]).expect_code(0);
    let ended = ftpq.run(&["run"]).expect_code(0);
    ftpq.assert_file("a.bin", &data, &ended);
}

/// `--existing overwrite` is a word on the file that was there, not on one that is saved meanwhile.
#[test]
fn a_file_that_is_saved_under_the_name_while_the_new_one_comes_is_kept() {
    let data = pseudo_random(822, LEN);
    let server = slow(&data);
    let ftpq = Ftpq::new();
    let here = ftpq.downloads().join("a.bin");
    fs::write(&here, "old").unwrap();
    ftpq.add(&[(server.url("a.bin"), "a.bin")]);
    let run = ftpq.spawn(&["run", "--existing", "overwrite", "--timeout", "5"]);
    assert!(watch::wait_for(Duration::from_secs(20), || watch::length(&watch::part_of(&here)) > 100_000));
    fs::write(&here, "my own work").unwrap();
    let ended = run.wait(Duration::from_secs(60));
    assert_eq!(fs::read(&here).unwrap(), b"my own work", "{ended}");
    assert!(ended.everything().contains("changed while the new one was fetched"), "{ended}");
}
