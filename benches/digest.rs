//! How fast digests are, ring's beside `RustCrypto`'s, in GiB for each second of processor time: `cargo bench --bench digest`.
//!
//! `RustCrypto`'s SHA-2 without the processor's own instructions: `RUSTFLAGS='--cfg sha2_backend="soft"'`.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a benchmark"
)]

use ftpq::disk::Hasher;
use ftpq::model::Algorithm;
use rustix::time::{ClockId, clock_gettime};
use sha1::{Digest, Sha1};
use sha2::{Sha256, Sha512};
use std::hint::black_box;

const PIECE: usize = 256 * 1024;
const PIECES: usize = 512;
const ROUNDS: usize = 7;

fn main() {
    for algorithm in Algorithm::ALL {
        let mut hasher = Hasher::new(algorithm);
        measure(&format!("{} as used", algorithm.name()), |bytes| hasher.update(bytes));
        black_box(hasher.finish());
    }
    other::<Sha1>("sha-1 RustCrypto");
    other::<Sha256>("sha-256 RustCrypto");
    other::<Sha512>("sha-512 RustCrypto");
    let legacy = &ring::digest::SHA1_FOR_LEGACY_USE_ONLY;
    for (name, algorithm) in
        [("sha-1 ring", legacy), ("sha-256 ring", &ring::digest::SHA256), ("sha-512 ring", &ring::digest::SHA512)]
    {
        let mut context = ring::digest::Context::new(algorithm);
        measure(name, |bytes| context.update(bytes));
        black_box(context.finish());
    }
}

fn other<D: Digest>(name: &str) {
    let mut hasher = D::new();
    measure(name, |bytes| hasher.update(bytes));
    black_box(hasher.finalize());
}

fn measure(name: &str, mut update: impl FnMut(&[u8])) {
    let bytes = vec![7; PIECE];
    let mut seconds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begun = processor_time();
            (0..PIECES).for_each(|_| update(&bytes));
            processor_time() - begun
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    let gib = (PIECE * PIECES) as f64 / f64::from(1 << 30);
    println!("{name:20} median {:.2}, best {:.2} GiB/s", gib / seconds[ROUNDS / 2], gib / seconds[0]);
}

fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
