//! Replays the seeds of the fuzz targets, each also in some thousands of variants: a little of what `fuzz/run` does, on
//! every machine and in every run of the tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test ends by a panic, and says where"
)]

#[path = "../fuzz/src/lib.rs"]
#[allow(missing_docs, unreachable_pub, clippy::missing_panics_doc, reason = "another crate's library, for its own use")]
mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use targets::TARGETS;

/// Variants of each seed.
const VARIANTS: usize = 1000;
/// Bytes of a variant at most.
const LONGEST: usize = 4096;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = fs::read_dir(fuzz().join("corpus-seeds").join(target))
        .unwrap_or_else(|e| panic!("the seeds of {target}: {e}"))
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    found.sort();
    assert!(found.len() >= 3, "{target} has but {} seeds", found.len());
    found
}

/// The words of a target's dictionary, in libFuzzer's form.
fn dictionary(target: &str) -> Vec<Vec<u8>> {
    let text = fs::read_to_string(fuzz().join(format!("dictionaries/{target}"))).unwrap_or_default();
    text.lines().filter(|line| line.starts_with('"')).map(word).collect()
}

fn word(line: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = line.trim_matches('"').bytes();
    while let Some(byte) = bytes.next() {
        match (byte, byte == b'\\') {
            (_, true) => match bytes.next().unwrap() {
                b'x' => {
                    let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                    out.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
                }
                other => out.push(other),
            },
            _ => out.push(byte),
        }
    }
    out
}

/// Runs a body, and says of which input it panicked.
fn run(target: &str, body: targets::Target, name: &str, input: &[u8]) {
    let ended = catch_unwind(AssertUnwindSafe(|| body(input)));
    assert!(ended.is_ok(), "{target}: {name}, as {}", input.escape_ascii());
}

fn replay(target: &str) {
    let (_, body) = TARGETS.into_iter().find(|(name, _)| *name == target).unwrap();
    let (seeds, words) = (seeds(target), dictionary(target));
    let mut dice = fastrand::Rng::with_seed(3659);
    for (name, seed) in &seeds {
        run(target, body, name, seed);
        // Those that swell cost as much as hundreds of others.
        let variants = if name.ends_with("-bomb") { 10 } else { VARIANTS };
        for variant in 0..variants {
            let mut input = seed.clone();
            for _ in 0..dice.usize(1..5) {
                mutate(&mut input, &seeds, &words, &mut dice);
            }
            input.truncate(LONGEST);
            run(target, body, &format!("variant {variant} of {name}"), &input);
        }
    }
}

fn mutate(input: &mut Vec<u8>, seeds: &[(String, Vec<u8>)], words: &[Vec<u8>], dice: &mut fastrand::Rng) {
    let at = dice.usize(..=input.len());
    let end = dice.usize(at..=input.len().min(at + 64));
    match dice.u8(..9) {
        0 if at < input.len() => input[at] ^= 1 << dice.u8(..8),
        1 if at < input.len() => input[at] = dice.u8(..),
        2 => drop(input.drain(at..end)),
        3 => input.truncate(at),
        4 => {
            let part = input[at..end].to_vec();
            input.splice(at..at, part);
        }
        5 => input.insert(at, *dice.choice(b"\r\n\0\xff -;,:.\"'%/\\{}[]\t0123456789").unwrap()),
        6 if !words.is_empty() => {
            let word = dice.choice(words).unwrap().clone();
            input.splice(at..end, word);
        }
        7 => {
            let other = &dice.choice(seeds).unwrap().1;
            let from = dice.usize(..=other.len());
            input.splice(at.., other[from..].iter().copied());
        }
        _ => {
            let digits: Vec<u8> = dice.u64(..).to_string().into_bytes();
            input.splice(at..at, digits);
        }
    }
}

macro_rules! replays {
    ($($target:ident)*) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target));
        })*

        #[test]
        fn every_target_is_replayed_and_has_its_program() {
            let replayed: BTreeSet<&str> = [$(stringify!($target)),*].into();
            let known: BTreeSet<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(replayed, known);
            let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
            let named: BTreeSet<&str> = manifest.lines().filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\"")).collect();
            assert_eq!(named, known);
            for name in known {
                let program = fs::read_to_string(fuzz().join(format!("fuzz_targets/{name}.rs"))).unwrap();
                assert!(program.contains(&format!("ftpq_fuzz::{name}(data)")), "{name}");
            }
        }
    };
}

replays!(replies addresses answers mlsd list urls manifests netrc settings records exchange dialogues decisions);
