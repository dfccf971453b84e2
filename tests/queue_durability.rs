//! What the queue confirmed survives kill -9, damage and power cuts, or its loss is said.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a test"
)]

use ftpq::model::{
    Attempt, Cause, Change, Destination, Failure, HostFacts, HostKey, IdSet, Job, JobId, JobSpec, JobState, Progress,
    Receipt, RelPath, Selection, Settlement, Stage,
};
use ftpq::queue::{OpenReport, Queue, QueueError};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn spec(n: u64) -> JobSpec {
    let source = format!("ftp://h{}/pub/dir/file{n}.gz", n % 2).parse().unwrap();
    JobSpec::new(source, Destination::new("/data", RelPath::new(format!("mirror/file{n}.gz")).unwrap()).unwrap())
}

fn done() -> Settlement {
    let attempt = Attempt { started_at: 1, ended_at: 2, fetched: 7, ..Attempt::default() };
    Settlement::Done { receipt: Box::new(Receipt { size: 7, ..Receipt::default() }), attempt, by_own_source: true }
}

async fn add(queue: &Queue, jobs: Vec<JobSpec>) {
    let mut intake = queue.begin_add().await.unwrap();
    for part in jobs.chunks(1000) {
        intake.push(part.to_vec()).await.unwrap();
    }
    intake.accept().await.unwrap();
}

async fn everything(queue: &Queue) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    loop {
        let page = queue.list(Selection::default(), jobs.last().map(|j| j.id), 10_000).await.unwrap();
        if page.is_empty() {
            return jobs;
        }
        jobs.extend(page);
    }
}

fn open(dir: &Path) -> (Queue, OpenReport) {
    Queue::open(dir).unwrap_or_else(|e| panic!("{e}"))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// The process that is killed: writes to the queue, and says what was confirmed. Does nothing in a plain test run.
#[test]
fn writer_process() {
    let (Ok(dir), Ok(mode)) = (std::env::var("QUEUE_WRITER_DIR"), std::env::var("QUEUE_WRITER_MODE")) else { return };
    runtime().block_on(async {
        let (queue, _) = open(Path::new(&dir));
        if mode == "add" {
            println!("\nack begun");
            add(&queue, (0..30_000).map(spec).collect()).await;
            println!("\nack total 30000");
            std::thread::sleep(Duration::from_secs(600));
        }
        loop {
            let total = queue.counts(Selection::default()).await.unwrap().total();
            // From the first job on: those that are there must not be taken twice.
            add(&queue, (0..total + 40).map(spec).collect()).await;
            println!("\nack total {}", total + 40);
            for load in queue.groups(None, 0).await.unwrap() {
                let claims = queue.claim(&load.account, 8, None, 0).await.unwrap();
                let settling = claims.into_iter().map(|claim| {
                    let queue = queue.clone();
                    tokio::spawn(async move {
                        let id = claim.job().id;
                        let progress = Progress { durable: id.0, ..Progress::default() };
                        queue.checkpoint(id, progress).await.unwrap();
                        queue.settle(claim, done()).await.unwrap();
                        println!("\nack done {id}");
                    })
                });
                for task in settling.collect::<Vec<_>>() {
                    task.await.unwrap();
                }
            }
        }
    });
}

#[derive(Clone, Default)]
struct Acks {
    begun: bool,
    total: u64,
    done: BTreeSet<JobId>,
}

struct Writer {
    child: Child,
    acks: Arc<Mutex<Acks>>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Writer {
    fn start(dir: &Path, mode: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["writer_process", "--exact", "--nocapture"])
            .env("QUEUE_WRITER_DIR", dir)
            .env("QUEUE_WRITER_MODE", mode)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let acks = Arc::new(Mutex::new(Acks::default()));
        let (lines, shared) = (BufReader::new(child.stdout.take().unwrap()).lines(), Arc::clone(&acks));
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut acks = shared.lock().unwrap();
                match line.split(' ').collect::<Vec<_>>()[..] {
                    ["ack", "begun"] => acks.begun = true,
                    ["ack", "total", n] => acks.total = n.parse().unwrap(),
                    ["ack", "done", n] => _ = acks.done.insert(JobId(n.parse().unwrap())),
                    _ => {}
                }
            }
        });
        Self { child, acks, reader: Some(reader) }
    }

    fn wait_until(&self, enough: impl Fn(&Acks) -> bool) {
        for _ in 0..6000 {
            if enough(&self.acks.lock().unwrap()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the writer does not get on");
    }

    fn kill(mut self) -> Acks {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        self.acks.lock().unwrap().clone()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything confirmed is there, no job twice, none missing.
fn check(dir: &Path, acks: &Acks) -> OpenReport {
    runtime().block_on(async {
        let (queue, report) = open(dir);
        let jobs = everything(&queue).await;
        let places: BTreeSet<String> = jobs.iter().map(|j| j.spec.destination.to_string()).collect();
        assert_eq!(places.len(), jobs.len(), "a job is there twice");
        assert!(jobs.len() as u64 >= acks.total, "{} jobs of {} confirmed", jobs.len(), acks.total);
        for n in 0..jobs.len() as u64 {
            assert!(places.contains(&spec(n).destination.to_string()), "job {n} is missing");
        }
        for job in &jobs {
            let confirmed = acks.done.contains(&job.id);
            assert!(!confirmed || job.state == JobState::Done && job.record.receipt.is_some(), "{job:?}");
        }
        queue.close().await.unwrap();
        report
    })
}

#[test]
fn what_was_confirmed_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(1);
    for round in 0..10 {
        let writer = Writer::start(dir.path(), "mixed");
        writer.wait_until(|acks| !acks.done.is_empty());
        std::thread::sleep(Duration::from_millis(random.u64(0..300)));
        let acks = writer.kill();
        let report = check(dir.path(), &acks);
        assert!(!report.rebuilt && report.notices.is_empty(), "round {round}: {:?}", report.notices);
    }
}

#[test]
fn an_add_that_is_killed_is_taken_whole_or_not_at_all() {
    let mut random = fastrand::Rng::with_seed(2);
    for _ in 0..6 {
        let dir = tempfile::tempdir().unwrap();
        let writer = Writer::start(dir.path(), "add");
        writer.wait_until(|acks| acks.begun);
        std::thread::sleep(Duration::from_millis(random.u64(0..1500)));
        let acks = writer.kill();
        check(dir.path(), &acks);
        runtime().block_on(async {
            let (queue, _) = open(dir.path());
            let total = queue.counts(Selection::default()).await.unwrap().total();
            assert!(total == 0 || total == 30_000, "{total}");
            add(&queue, (0..30_000).map(spec).collect()).await;
            assert_eq!(queue.counts(Selection::default()).await.unwrap().queued, 30_000);
            queue.close().await.unwrap();
        });
    }
}

/// A queue with jobs in every state that is stored, removed ones, two accounts, and something learned.
async fn furnish(dir: &Path) -> Vec<Job> {
    let (queue, _) = open(dir);
    add(&queue, (0..700).map(spec).collect()).await;
    let account = spec(0).source.account().clone();
    for (n, claim) in queue.claim(&account, 60, None, 0).await.unwrap().into_iter().enumerate() {
        let failure = Failure::transient(Stage::Retrieve, Cause::Timeout, "no progress");
        let attempt = Attempt { started_at: 1, ended_at: 2, failure: Some(failure), ..Attempt::default() };
        let settlement = match n % 3 {
            0 => done(),
            1 => Settlement::RetryAt { at: 500, attempt, progress: None },
            _ => Settlement::GiveUp { attempt, progress: Some(Progress::default()) },
        };
        queue.settle(claim, settlement).await.unwrap();
    }
    let numbers = |low, high| {
        let mut ids = IdSet::default();
        ids.insert_range(JobId(low), JobId(high));
        Selection { ids: Some(ids), ..Selection::default() }
    };
    queue.change(numbers(300, 320), Change::Remove).await.unwrap();
    queue.change(numbers(400, 420), Change::Pause).await.unwrap();
    queue.change(numbers(410, 411), Change::Cancel).await.unwrap();
    add(&queue, (700..710).map(spec).collect()).await;
    let facts = HostFacts { connection_limit: Some(2), ..HostFacts::default() };
    queue.set_facts(HostKey { host: "h0".to_owned(), port: 21 }, facts).await.unwrap();
    let jobs = everything(&queue).await;
    queue.close().await.unwrap();
    jobs
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &to) } else { _ = fs::copy(entry.path(), to).unwrap() }
    }
}

type Fault = Box<dyn FnOnce(&Path)>;
type Edit = Box<dyn FnOnce(&mut Vec<u8>)>;

/// Opens a damaged queue: all is there; returns what was said.
async fn mended(dir: &Path, expected: &[Job], what: &str) -> OpenReport {
    let (queue, report) = open(dir);
    let jobs = everything(&queue).await;
    assert_eq!(jobs.len(), expected.len(), "{what}: {:?}", report.notices);
    for (found, expected) in jobs.iter().zip(expected) {
        assert_eq!(found, expected, "{what}");
    }
    assert_eq!(queue.all_facts().await.unwrap().len(), 1, "{what}");
    assert!(!report.rebuilt || !report.notices.is_empty(), "{what}: {:?}", report.notices);
    queue.close().await.unwrap();
    // The second time there is nothing to say.
    let (queue, again) = open(dir);
    assert_eq!(again, OpenReport::default(), "{what}");
    queue.close().await.unwrap();
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_store_is_rebuilt_and_said() {
    let home = tempfile::tempdir().unwrap();
    let whole = home.path().join("whole");
    let jobs = furnish(&whole).await;
    let mut random = fastrand::Rng::with_seed(3);
    let len = fs::metadata(whole.join("store/db")).unwrap().len();
    let on_db = |change: Edit| -> Fault {
        Box::new(move |dir: &Path| {
            let mut bytes = fs::read(dir.join("store/db")).unwrap();
            change(&mut bytes);
            fs::write(dir.join("store/db"), bytes).unwrap();
        })
    };
    let mut faults: Vec<(String, bool, Fault)> = Vec::new();
    let used = fs::read(whole.join("store/db")).unwrap().iter().rposition(|&b| b != 0).unwrap();
    for _ in 0..24 {
        let (at, bit) = (random.usize(0..=used), random.u32(0..8));
        faults.push((format!("bit {bit} of byte {at}"), false, on_db(Box::new(move |b| b[at] ^= 1 << bit))));
    }
    for _ in 0..4 {
        let at = random.usize(0..used.saturating_sub(4096));
        faults.push((format!("zeros from {at}"), false, on_db(Box::new(move |b| b[at..at + 4096].fill(0)))));
    }
    faults.push(("halved".to_owned(), false, on_db(Box::new(move |b| b.truncate(used / 2)))));
    faults.push(("emptied".to_owned(), true, on_db(Box::new(Vec::clear))));
    faults.push(("a tail cut".to_owned(), false, on_db(Box::new(move |b| b.truncate(used.saturating_sub(3000))))));
    faults.push(("file gone".to_owned(), true, Box::new(|dir| fs::remove_file(dir.join("store/db")).unwrap())));
    faults.push(("folder gone".to_owned(), true, Box::new(|dir| fs::remove_dir_all(dir.join("store")).unwrap())));
    faults.push((
        "folder empty".to_owned(),
        true,
        Box::new(|dir| {
            fs::remove_dir_all(dir.join("store")).unwrap();
            fs::create_dir(dir.join("store")).unwrap();
        }),
    ));
    let (mut rebuilt, mut caught_up, count) = (0, 0, faults.len());
    for (n, (what, must_rebuild, fault)) in faults.into_iter().enumerate() {
        let dir = home.path().join(format!("fault{n}"));
        copy(&whole, &dir);
        fault(&dir);
        let report = mended(&dir, &jobs, &what).await;
        assert!(report.rebuilt || !must_rebuild, "{what}");
        rebuilt += u32::from(report.rebuilt);
        caught_up += u32::from(!report.rebuilt && !report.notices.is_empty());
        fs::remove_dir_all(&dir).unwrap();
    }
    println!(
        "{count} faults in a store of {len} bytes: {rebuilt} rebuilt, {caught_up} caught up from the journal, \
         the others in places that hold nothing that counts"
    );
    assert!(rebuilt + caught_up >= 10, "only {rebuilt} and {caught_up} faults were noticed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_beside_the_store_is_mended_from_it() {
    let home = tempfile::tempdir().unwrap();
    let whole = home.path().join("whole");
    let jobs = furnish(&whole).await;
    for what in ["journal gone", "journal bit", "manifests gone", "id gone"] {
        let dir = home.path().join(what.replace(' ', "-"));
        copy(&whole, &dir);
        let journal = dir.join("journal.jsonl");
        match what {
            "journal gone" => fs::remove_file(&journal).unwrap(),
            "journal bit" => {
                let mut bytes = fs::read(&journal).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 4;
                fs::write(&journal, bytes).unwrap();
            }
            "manifests gone" => fs::remove_dir_all(dir.join("manifests")).unwrap(),
            _ => fs::remove_file(dir.join("store-id")).unwrap(),
        }
        let (queue, report) = open(&dir);
        assert_eq!(everything(&queue).await, jobs, "{what}");
        assert_eq!(
            (report.rebuilt, report.notices.len()),
            (false, usize::from(what != "id gone")),
            "{what}: {report:?}"
        );
        queue.close().await.unwrap();
        // What was mended is as good as before: the store can go now.
        fs::remove_file(dir.join("store/db")).unwrap();
        assert!(mended(&dir, &jobs, what).await.rebuilt);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_rebuilt_is_named() {
    let home = tempfile::tempdir().unwrap();
    let whole = home.path().join("whole");
    let jobs = furnish(&whole).await;
    let dir = home.path().join("no-journal");
    copy(&whole, &dir);
    fs::remove_dir_all(dir.join("store")).unwrap();
    fs::remove_file(dir.join("journal.jsonl")).unwrap();
    let (queue, report) = open(&dir);
    let counts = queue.counts(Selection::default()).await.unwrap();
    assert_eq!((counts.queued, report.rebuilt), (710, true));
    assert!(report.notices.iter().any(|n| n.contains("journal is missing")), "{:?}", report.notices);
    queue.close().await.unwrap();

    let dir = home.path().join("no-manifest");
    copy(&whole, &dir);
    fs::remove_dir_all(dir.join("store")).unwrap();
    fs::remove_file(dir.join("manifests/1-700.jsonl.gz")).unwrap();
    let (queue, report) = open(&dir);
    assert_eq!(everything(&queue).await, jobs[jobs.len() - 10..]);
    assert!(report.notices.iter().any(|n| n.contains("679 of its 700 jobs are lost")), "{:?}", report.notices);
    queue.close().await.unwrap();
}

/// A crash between the journal and the store, and a store that lost its last changes.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_lags_behind_the_journal_catches_up() {
    let home = tempfile::tempdir().unwrap();
    let (dir, earlier) = (home.path().join("queue"), home.path().join("earlier"));
    furnish(&dir).await;
    copy(&dir, &earlier);
    let (queue, _) = open(&dir);
    add(&queue, (710..1500).map(spec).collect()).await;
    queue.change(Selection { state: Some(JobState::Failed), ..Selection::default() }, Change::Retry).await.unwrap();
    let claim = queue.claim(spec(0).source.account(), 1, None, 0).await.unwrap().remove(0);
    queue.settle(claim, done()).await.unwrap();
    let jobs = everything(&queue).await;
    queue.close().await.unwrap();
    fs::remove_dir_all(dir.join("store")).unwrap();
    copy(&earlier.join("store"), &dir.join("store"));
    assert!(!mended(&dir, &jobs, "the store of before").await.rebuilt);
    fs::remove_file(dir.join("journal.jsonl")).unwrap();
    fs::copy(earlier.join("journal.jsonl"), dir.join("journal.jsonl")).unwrap();
    assert!(!mended(&dir, &jobs, "the journal of before").await.rebuilt);
    fs::remove_dir_all(dir.join("store")).unwrap();
    assert!(mended(&dir, &jobs, "the journal written anew").await.rebuilt);
}

#[test]
fn a_second_process_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let writer = Writer::start(dir.path(), "mixed");
    writer.wait_until(|acks| acks.total > 0);
    let pid = writer.child.id();
    let error = Queue::open(dir.path()).err().unwrap();
    assert!(error.to_string().contains(&format!("process {pid}")), "{error}");
    writer.kill();
    assert!(Queue::open(dir.path()).is_ok());
}

fn run(program: &str, args: &[&str]) -> bool {
    let status = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|s| s.success())
}

/// A file system in a file, mounted.
struct Mounted {
    at: PathBuf,
}

impl Mounted {
    fn new(image: &Path, at: PathBuf) -> Option<Self> {
        fs::create_dir_all(&at).unwrap();
        run("mount", &["-o", "loop", image.to_str().unwrap(), at.to_str().unwrap()]).then_some(Self { at })
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        for _ in 0..100 {
            if run("umount", &[self.at.to_str().unwrap()]) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn skipped(test: &str, why: &str) {
    // Straight to standard error: the harness hides what a passing test prints.
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {why}");
}

/// On a full disk nothing is confirmed that isn't kept, what was confirmed stays, and work goes on once there is space.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_and_got_over() {
    let home = tempfile::tempdir().unwrap();
    let at = home.path().join("disk");
    fs::create_dir(&at).unwrap();
    if !run("mount", &["-t", "tmpfs", "-o", "size=24m", "tmpfs", at.to_str().unwrap()]) {
        return skipped("a_full_disk_is_said_and_got_over", "needs root to mount a small file system");
    }
    let disk = Mounted { at };
    let dir = disk.at.join("queue");
    let (queue, _) = open(&dir);
    add(&queue, (0..500).map(spec).collect()).await;
    // Whatever space is left goes to somebody else.
    let mut ballast = fs::File::create(disk.at.join("ballast")).unwrap();
    while ballast.write_all(&[1; 4096]).is_ok() {}
    let mut intake = queue.begin_add().await.ok();
    let mut refused = None;
    for from in (500..400_000).step_by(5000) {
        let Some(open) = &mut intake else { break };
        if let Err(error) = open.push((from..from + 5000).map(spec).collect()).await {
            refused = Some(error);
            break;
        }
    }
    assert!(matches!(refused, None | Some(QueueError::Full { .. })), "{refused:?}");
    drop(intake);
    let progress = |n| Progress { durable: n, boot_id: "x".repeat(4000), ..Progress::default() };
    let mut kept = 0;
    let error = loop {
        match queue.checkpoint(JobId(1), progress(kept + 1)).await {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 100_000, "the disk is not full");
    };
    assert!(matches!(error, QueueError::Full { .. }), "{error:?}");
    drop(ballast);
    fs::remove_file(disk.at.join("ballast")).unwrap();
    let job = queue.get(JobId(1)).await.unwrap().unwrap();
    let durable = job.record.progress.map_or(0, |p| p.durable);
    assert!(durable == kept || durable == kept + 1, "{durable} is there, {kept} was confirmed");
    add(&queue, (500..600).map(spec).collect()).await;
    assert_eq!(queue.counts(Selection::default()).await.unwrap().queued, 600);
    queue.close().await.unwrap();
    let (queue, report) = open(&dir);
    assert!(!report.rebuilt, "{report:?}");
    assert_eq!(queue.counts(Selection::default()).await.unwrap().queued, 600);
    queue.close().await.unwrap();
}

/// The image as the disk would have it is copied while the writer stands still, and read like after a power cut.
#[test]
fn what_was_confirmed_survives_a_power_cut() {
    let home = tempfile::tempdir().unwrap();
    let image = home.path().join("disk.img");
    let file = fs::File::create(&image).unwrap();
    file.set_len(192 << 20).unwrap();
    drop(file);
    if !run("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()]) {
        return skipped("what_was_confirmed_survives_a_power_cut", "mkfs.ext4 is missing");
    }
    let Some(disk) = Mounted::new(&image, home.path().join("disk")) else {
        return skipped("what_was_confirmed_survives_a_power_cut", "needs root and a loop device");
    };
    let writer = Writer::start(&disk.at.join("queue"), "mixed");
    let mut cuts = Vec::new();
    for (cut, enough) in [20usize, 60, 150, 300].into_iter().enumerate() {
        writer.wait_until(|acks| acks.done.len() >= enough);
        let pid = writer.child.id().to_string();
        let acks = writer.acks.lock().unwrap().clone();
        assert!(run("kill", &["-STOP", &pid]));
        let copy = home.path().join(format!("cut{cut}.img"));
        assert!(run("cp", &["--sparse=always", image.to_str().unwrap(), copy.to_str().unwrap()]));
        assert!(run("kill", &["-CONT", &pid]));
        cuts.push((copy, acks));
    }
    writer.kill();
    drop(disk);
    for (cut, (image, acks)) in cuts.iter().enumerate() {
        let disk = Mounted::new(image, home.path().join(format!("after{cut}"))).unwrap();
        let report = check(&disk.at.join("queue"), acks);
        println!(
            "cut {cut}: {} jobs and {} receipts confirmed; said: {:?}",
            acks.total,
            acks.done.len(),
            report.notices
        );
    }
}
