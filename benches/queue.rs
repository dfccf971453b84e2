//! How quickly a million jobs are queued, and what they cost: `cargo bench --bench queue [-- JOBS]`.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a benchmark"
)]

mod support;

use ftpq::model::{
    Attempt, Change, Claim, Destination, Expectation, JobId, JobSpec, Progress, Receipt, RelPath, Selection, Settlement,
};
use ftpq::queue::{Accepted, Queue};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use support::measure;
use tokio::sync::Semaphore;

fn specs(from: u64, to: u64) -> Vec<JobSpec> {
    (from..to)
        .map(|n| {
            let path = format!("{:03}/file-{n:08}.tar.gz", n % 997);
            let source = format!("ftp://mirror.example.org/pub/archive/2024/{path}").parse().unwrap();
            let destination = Destination::new("/data/mirror", RelPath::new(path).unwrap()).unwrap();
            let expect = Expectation { size: Some(n << (n % 24)), ..Expectation::default() };
            JobSpec { expect, ..JobSpec::new(source, destination) }
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

/// Looks at every job, as a report does.
async fn list(queue: &Queue) -> u64 {
    let (mut seen, mut after) = (0, None);
    loop {
        let page = queue.list(Selection::default(), after, 10_000).await.unwrap();
        let Some(last) = page.last() else { return seen };
        after = Some(last.id);
        seen += page.len() as u64;
    }
}

fn receipt() -> Settlement {
    let attempt = Attempt { started_at: 1, ended_at: 2, fetched: 1, gained: 1, ..Attempt::default() };
    Settlement::Done { receipt: Box::new(Receipt { size: 1, ..Receipt::default() }), attempt, by_own_source: true }
}

/// As a run does it: claims taken sixteen at a time, each settled by a worker that waits for its durable answer.
async fn settle(queue: &Queue, workers: usize, count: u64) {
    let account = specs(0, 1)[0].source.account().clone();
    let room = Arc::new(Semaphore::new(workers));
    let mut left = count;
    while left > 0 {
        let claims = queue.claim(&account, 16, None, 0).await.unwrap();
        assert!(!claims.is_empty());
        for claim in claims {
            left = left.saturating_sub(1);
            let permit = Arc::clone(&room).acquire_owned().await.unwrap();
            let queue = queue.clone();
            tokio::spawn(async move {
                queue.settle(claim, receipt()).await.unwrap();
                drop(permit);
            });
        }
    }
    let _ = room.acquire_many(u32::try_from(workers).unwrap()).await.unwrap();
}

/// What each move costs the queue's thread, without any disk.
async fn moves() {
    const COUNT: u32 = 4096;
    let account = specs(0, 1)[0].source.account().clone();
    let queue = Queue::in_memory();
    add(&queue, 100_000).await;
    let handle = tokio::runtime::Handle::current();
    let wait = |work: std::pin::Pin<Box<dyn Future<Output = ()> + '_>>| {
        tokio::task::block_in_place(|| handle.block_on(work));
    };
    let claim = || async {
        let mut claims = Vec::new();
        while claims.len() < COUNT as usize {
            claims.extend(queue.claim(&account, 16, None, 0).await.unwrap());
        }
        claims
    };
    let give_back = |claims: Vec<Claim>| async {
        for claim in claims {
            queue.settle(claim, Settlement::Release { attempt: None, progress: None }).await.unwrap();
        }
    };
    measure(
        "claim, sixteen at a time, and put back",
        COUNT,
        || (),
        |()| wait(Box::pin(async { give_back(claim().await).await })),
    );
    let claims = || tokio::task::block_in_place(|| handle.block_on(claim()));
    measure("put back untried", COUNT, claims, |claims| wait(Box::pin(give_back(claims))));
    measure(
        "look at what can be claimed",
        1,
        || (),
        |()| {
            wait(Box::pin(async { drop(queue.groups(None, 0).await.unwrap()) }));
        },
    );
    measure(
        "keep progress",
        COUNT,
        || (),
        |()| {
            wait(Box::pin(async {
                for id in 1..=u64::from(COUNT) {
                    queue.checkpoint(JobId(id), Progress { durable: id, ..Progress::default() }).await.unwrap();
                }
            }));
        },
    );
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
    runtime.block_on(moves());
    runtime.block_on(async {
        let (queue, _) = Queue::open(dir.path()).unwrap();
        let from = Instant::now();
        assert_eq!(add(&queue, jobs).await.new.len(), jobs);
        told("queued", from, jobs);
        queue.close().await.unwrap();
        let from = Instant::now();
        let (queue, _) = Queue::open(dir.path()).unwrap();
        told("opened", from, jobs);
        for what in ["what all jobs need of the disk", "the same again"] {
            let from = Instant::now();
            let needs = queue.needs(None).await.unwrap();
            assert_eq!(needs.iter().map(|need| need.files).sum::<u64>(), jobs);
            told(what, from, jobs);
        }
        let from = Instant::now();
        assert_eq!(list(&queue).await, jobs);
        told("listed page by page", from, jobs);
        let from = Instant::now();
        assert_eq!(add(&queue, jobs).await.known.len(), jobs);
        told("queued again, all known", from, jobs);
        for (workers, count) in [(64, 100_000u64.min(jobs / 2)), (1, 1_000.min(jobs / 4))] {
            let from = Instant::now();
            settle(&queue, workers, count).await;
            told(&format!("settled by {workers} workers"), from, count);
        }
        let from = Instant::now();
        assert_eq!(list(&queue).await, jobs);
        told("listed page by page, a tenth of them done", from, jobs);
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
