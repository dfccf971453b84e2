//! How quickly a million jobs are queued, and what they cost: `cargo bench --bench queue [-- JOBS]`.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a benchmark"
)]

use ftpq::model::{
    Attempt, Change, Destination, Expectation, JobSpec, Receipt, RelPath, Selection, Settings, Settlement,
};
use ftpq::queue::{Accepted, Queue};
use std::path::Path;
use std::time::Instant;

fn specs(from: u64, to: u64) -> Vec<JobSpec> {
    (from..to)
        .map(|n| JobSpec {
            source: format!("ftp://mirror.example.org/pub/archive/2024/{:03}/file-{n:08}.tar.gz", n % 997)
                .parse()
                .unwrap(),
            destination: Destination::new(
                "/data/mirror",
                RelPath::new(format!("{:03}/file-{n:08}.tar.gz", n % 997)).unwrap(),
            )
            .unwrap(),
            expect: Expectation { size: Some(n), checksum: None },
            settings: Settings::default(),
        })
        .collect()
}

fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |name: &str| {
        let kib = status.lines().find_map(|l| l.strip_prefix(name)?.split_whitespace().nth(1)?.parse::<u64>().ok());
        kib.unwrap_or(0) / 1024
    };
    format!("RSS {} MiB, peak {} MiB", of("VmRSS"), of("VmHWM"))
}

fn size(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => size(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.flatten().map(of).sum()
}

async fn add(queue: &Queue, jobs: u64) -> Accepted {
    let mut intake = queue.begin_add().await.unwrap();
    for from in (0..jobs).step_by(2000) {
        intake.push(specs(from, jobs.min(from + 2000))).await.unwrap();
    }
    intake.accept().await.unwrap()
}

fn main() {
    let jobs = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(1_000_000u64);
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let told = |what: &str, from: Instant, count: u64| {
        let seconds = from.elapsed().as_secs_f64();
        println!(
            "{what}: {seconds:.2} s, {:.0}/s; {}; {} MiB on disk",
            count as f64 / seconds,
            resident(),
            size(dir.path()) >> 20
        );
    };
    runtime.block_on(async {
        let (queue, _) = Queue::open(dir.path()).unwrap();
        let from = Instant::now();
        assert_eq!(add(&queue, jobs).await.new.len(), jobs);
        told("queued", from, jobs);
        queue.close().await.unwrap();
        let from = Instant::now();
        let (queue, _) = Queue::open(dir.path()).unwrap();
        told("opened", from, jobs);
        let from = Instant::now();
        assert_eq!(add(&queue, jobs).await.known.len(), jobs);
        told("queued again, all known", from, jobs);
        let account = specs(0, 1)[0].source.account().clone();
        let from = Instant::now();
        let rounds = 200;
        for _ in 0..rounds {
            let claims = queue.claim(&account, 64, None, 0).await.unwrap();
            let settling: Vec<_> = claims
                .into_iter()
                .map(|claim| {
                    let queue = queue.clone();
                    let attempt = Attempt {
                        started_at: 1,
                        ended_at: 2,
                        from: 0,
                        fetched: 7,
                        gained: 7,
                        note: None,
                        failure: None,
                    };
                    let settlement = Settlement::Done { receipt: Receipt::default(), attempt };
                    tokio::spawn(async move { queue.settle(claim, settlement).await.unwrap() })
                })
                .collect();
            for task in settling {
                task.await.unwrap();
            }
        }
        told("settled by 64 workers", from, rounds * 64);
        let from = Instant::now();
        queue.change(Selection::default(), Change::Pause).await.unwrap();
        told("paused all", from, jobs);
        queue.close().await.unwrap();
        std::fs::remove_dir_all(dir.path().join("store")).unwrap();
        let from = Instant::now();
        let (queue, report) = Queue::open(dir.path()).unwrap();
        told("rebuilt", from, jobs);
        println!("{:?}", report.notices);
        queue.close().await.unwrap();
    });
}
