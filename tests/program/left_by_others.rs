//! What other programs left, and do, where ftpq writes: nothing of it gets into a file that counts as right.

use crate::support::{Act, Ended, Ftpq, Scripted, Traits, ftpq::LIMIT, pseudo_random, scripted::Core, watch};
use std::{
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
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

/// One file that is being fetched from a server that holds on the way until somebody has meddled with what is here.
struct Meddled {
    server: Scripted,
    ftpq: Ftpq,
    data: Vec<u8>,
}

impl Meddled {
    fn new(server: Scripted, data: Vec<u8>) -> Self {
        server.put("a.bin", data.clone());
        let ftpq = Ftpq::new();
        ftpq.add(&[(server.url("a.bin"), "a.bin")]);
        Self { server, ftpq, data }
    }

    fn name(&self) -> PathBuf {
        self.ftpq.downloads().join("a.bin")
    }

    /// The end of a run in the midst of which, once it has come so far, something is done to the file at a path.
    fn run(&self, args: &[&str], is_so_far: impl Fn(&Core) -> bool, path: &Path, meddle: impl Fn(&File)) -> Ended {
        let run = self.ftpq.spawn(&[&["run", "--timeout", "60"], args].concat());
        let came = watch::wait_for(LIMIT, || is_so_far(self.server.core()));
        assert!(came, "it did not come so far: {}{}", run.so_far(), self.server.core().dialogue());
        meddle(&File::options().write(true).open(path).unwrap());
        self.server.core().release();
        run.wait(Duration::from_secs(120))
    }

    /// What somebody did to the part file keeps it from getting the name, is told, and costs nothing but itself.
    fn part_file(self, args: &[&str], is_so_far: impl Fn(&Core, &Path) -> bool, meddle: impl Fn(&File)) {
        let part = watch::part_of(&self.name());
        let ended = self.run(args, |core| is_so_far(core, &part), &part, meddle);
        let wrong = fs::read(self.name()).is_ok_and(|got| got != self.data);
        assert!(!wrong, "a file with a wrong byte has its name\n{ended}");
        assert!(ended.everything().contains("another program changed it"), "{ended}");
        self.ftpq.run(&["retry", "1"]).expect_code(0);
        let ended = self.ftpq.run(&["run"]).expect_code(0);
        self.ftpq.assert_file("a.bin", &self.data, &ended);
    }
}

/// A server that lets so many bytes go out at first.
fn holding(traits: Traits, bytes: u64) -> Scripted {
    let server = Scripted::with(traits, |_| Act::Usual);
    server.core().hold_behind(bytes);
    server
}

/// What is written behind a cut leaves a hole of zeros.
#[test]
fn a_part_file_that_is_cut_while_it_is_fetched_is_no_whole_file() {
    let case = Meddled::new(holding(Traits::default(), 800_000), pseudo_random(820, LEN));
    let is_so_far = |_: &Core, part: &Path| watch::length(part) > 400_000;
    case.part_file(&["--no-split"], is_so_far, |file| file.set_len(100_000).unwrap());
}

/// The same where several connections write at different places.
#[test]
fn a_part_file_that_is_cut_while_several_connections_fetch_it_is_no_whole_file() {
    let server = holding(Traits { pace: 4 << 20, ..Traits::default() }, 28 << 20);
    let case = Meddled::new(server, pseudo_random(823, 36 << 20));
    let is_so_far = |core: &Core, part: &Path| core.sessions().0 >= 3 && watch::length(part) > 20 << 20;
    case.part_file(&["--per-host", "4"], is_so_far, |file| file.set_len(300_000).unwrap());
}

/// Between the last byte and the name.
#[test]
fn a_part_file_that_is_written_to_after_its_last_byte_does_not_get_the_name() {
    let server = Scripted::lying(|turn| {
        if turn.verb == "SIZE" && turn.before == 1 {
            turn.core.wait_for_release();
        }
        Act::Usual
    });
    let case = Meddled::new(server, pseudo_random(821, LEN));
    let is_so_far = |core: &Core, _: &Path| core.args("SIZE").len() == 2;
    case.part_file(&["--no-split"], is_so_far, |file| file.write_all_at(b"edited", 500_000).unwrap());
}

/// `--existing overwrite` is a word on the file that was there, not on one that is saved meanwhile.
#[test]
fn a_file_that_is_saved_under_the_name_while_the_new_one_comes_is_kept() {
    let case = Meddled::new(holding(Traits::default(), 800_000), pseudo_random(822, LEN));
    let (name, part) = (case.name(), watch::part_of(&case.name()));
    fs::write(&name, "old").unwrap();
    let is_so_far = |_: &Core| watch::length(&part) > 100_000;
    let ended = case.run(&["--existing", "overwrite"], is_so_far, &name, |mut file| {
        file.set_len(0).unwrap();
        file.write_all(b"my own work").unwrap();
    });
    assert_eq!(fs::read(&name).unwrap(), b"my own work", "{ended}");
    assert!(ended.everything().contains("changed while the new one was fetched"), "{ended}");
}
