use super::*;
use crate::disk::{PartFile, Place};
use crate::model::{Algorithm, Checksum, Destination, RelPath};
use sha2::{Digest, Sha256};

struct Bench {
    folder: tempfile::TempDir,
    place: Place,
    part: PartFile,
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let destination = Destination::new(folder.path(), RelPath::new("file").unwrap()).unwrap();
    let place = Place::open(&destination).unwrap();
    let part = place.open_part().unwrap();
    Bench { folder, place, part }
}

impl Bench {
    fn follower(&self) -> Follower {
        Follower::start(self.part.reader(&self.place).unwrap(), Wanted { whole: vec![Algorithm::Sha256], pieces: None })
    }
}

/// What another implementation computes.
fn of(bytes: &[u8]) -> Surveyed {
    let digest = Checksum::new(Algorithm::Sha256, Sha256::digest(bytes).to_vec()).unwrap();
    Surveyed { length: bytes.len() as u64, digests: vec![digest], wrong: Vec::new() }
}

fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(7).fill(&mut bytes);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_hashed_while_it_grows_whatever_the_pieces() {
    let bytes = noise(11_000_003);
    for piece in [100_000, 5_000_000, 11_000_003] {
        let bench = bench();
        let follower = bench.follower();
        let mut at = 0;
        for bytes in bytes.chunks(piece) {
            bench.part.write_at(bytes, at).unwrap();
            at += bytes.len() as u64;
            follower.mark().reach(at);
        }
        assert_eq!(follower.finish(at).await, Some(of(&bytes)), "pieces of {piece}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_files_than_cores_are_followed_side_by_side() {
    let bytes = noise(9_000_000);
    let benches: Vec<Bench> = (0..20).map(|_| bench()).collect();
    let followers: Vec<Follower> = benches.iter().map(Bench::follower).collect();
    for (bench, follower) in benches.iter().zip(&followers) {
        bench.part.write_at(&bytes, 0).unwrap();
        follower.mark().reach(bytes.len() as u64);
    }
    for follower in followers {
        assert_eq!(follower.finish(bytes.len() as u64).await, Some(of(&bytes)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_of_an_earlier_run_are_hashed_too() {
    let bytes = noise(6_000_000);
    let bench = bench();
    bench.part.write_at(&bytes, 0).unwrap();
    let follower = bench.follower();
    assert_eq!(follower.finish(6_000_000).await, Some(of(&bytes)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_as_long_as_it_was_said_to_be_has_no_digest() {
    let bench = bench();
    bench.part.write_at(&noise(5_000_000), 0).unwrap();
    assert_eq!(bench.follower().finish(5_000_001).await, None, "shorter than its length");
    let follower = bench.follower();
    follower.mark().reach(5_000_000);
    assert_eq!(follower.finish(4_999_999).await, None, "hashed beyond its end");
}

/// The file under the name may be another one by then.
#[test]
fn another_file_under_the_same_name_is_not_followed() {
    let bench = bench();
    let name = bench.folder.path().join(".file.ftpq-part");
    std::fs::rename(&name, bench.folder.path().join("away")).unwrap();
    std::fs::write(&name, b"other").unwrap();
    assert!(bench.part.reader(&bench.place).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_is_dropped_ends_and_keeps_nobody_from_the_file() {
    let bench = bench();
    bench.part.write_at(&noise(8_000_000), 0).unwrap();
    let follower = bench.follower();
    follower.mark().reach(8_000_000);
    let mark = Arc::clone(follower.mark());
    drop(follower);
    let Bench { part, place, folder: _folder } = bench;
    drop(part);
    place.open_part().unwrap();
    // The follower's own handle on the mark goes when it ends.
    while Arc::strong_count(&mark) > 1 {
        tokio::task::yield_now().await;
    }
}
