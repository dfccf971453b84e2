//! The golden records of `queue-schema/golden/`: every later version must read them.

use super::books::Numbers;
use super::tests::{account, attempt, specs};
use super::{frame, journal, manifests, pack};
use crate::model::{
    Change, Counts, Expectation, HostFacts, JobRecord, JobSpec, JobState, Progress, Receipt, Selection, Span,
};
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("queue-schema/golden/v1")
}

/// The bytes of a golden record, which is written in hexadecimal digits. A missing one is made on demand; one that
/// is there is never changed.
fn golden(name: &str, current: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    let path = folder().join(name);
    if !path.exists() && std::env::var_os("UPDATE_SCHEMAS").is_some() {
        let mut text = String::new();
        for row in current().chunks(40) {
            for byte in row {
                write!(text, "{byte:02x}").unwrap();
            }
            text.push('\n');
        }
        fs::write(&path, text).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap();
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    digits.chunks(2).map(|two| u8::from_str_radix(&two.iter().collect::<String>(), 16).unwrap()).collect()
}

fn record() -> JobRecord {
    let mut record = JobRecord { not_before: Some(500), fruitless: 1, ..JobRecord::default() };
    record.progress = Some(Progress { durable: 4096, boot_id: "boot".to_owned(), ..Progress::default() });
    record.remember(attempt(0, true));
    // Of a version that kept no totals.
    record.millis = 0;
    record
}

fn texts(specs: &[JobSpec]) -> Vec<Vec<u8>> {
    specs.iter().map(|spec| serde_json::to_vec(spec).unwrap()).collect()
}

#[test]
fn the_stored_values_are_still_read() {
    let jobs = specs("h", 0..2);
    let value = golden("j-jobs.hex", || pack::seal_jobs(&texts(&jobs)).unwrap());
    let texts = pack::open_jobs(&value).unwrap();
    let read: Vec<JobSpec> = (0..).map_while(|at| texts.job(at).unwrap()).collect();
    assert_eq!(read, jobs);

    let states = vec![Some(JobState::Queued), None, Some(JobState::Waiting), Some(JobState::Done)];
    let owner = pack::Owner::alone(&account("ftp://bob@h:2121"));
    let value = golden("s-states.hex", || pack::seal_states(&owner, &states).unwrap());
    assert_eq!(pack::open_states(&value).unwrap(), (owner.clone(), states.clone()));

    let mirrors: pack::Accounts = ["ftp://ann@m", "ftps://n"].map(account).into();
    let owner = pack::Owner { mirrors: std::sync::Arc::new(mirrors), ..owner };
    let value = golden("s-states-mirrored.hex", || pack::seal_states(&owner, &states).unwrap());
    assert_eq!(pack::open_states(&value).unwrap(), (owner, states));

    let hashes: Vec<u64> = jobs.iter().map(pack::hash).collect();
    let value = golden("d-hashes.hex", || pack::seal_hashes(&hashes));
    assert_eq!(pack::open_hashes(&value).unwrap(), hashes);

    let sized = |size: Option<u64>| {
        let expect = Expectation { size, ..Expectation::default() };
        super::order::of(&JobSpec { expect, ..jobs[0].clone() })
    };
    let classes: Vec<_> = [None, Some(5 << 20), Some(1 << 40)].into_iter().map(sized).collect();
    let value = golden("z-classes.hex", || pack::seal_classes(&classes).unwrap());
    assert_eq!(pack::open_classes(&value).unwrap(), classes);

    let value = golden("r-record.hex", || frame::seal_json(&record()).unwrap());
    assert_eq!(frame::open_json::<JobRecord>(&value).unwrap(), record());

    let mut pieces = record();
    let ranges = vec![Span { start: 0, end: 4096 }, Span { start: 8192, end: 9000 }];
    pieces.progress = pieces.progress.map(|p| Progress { durable_ranges: ranges[..1].to_vec(), ranges, ..p });
    let value = golden("r-record-pieces.hex", || frame::seal_json(&pieces).unwrap());
    assert_eq!(frame::open_json::<JobRecord>(&value).unwrap(), pieces);

    let mut asked = record();
    let expect = Expectation { size: Some(7), ..Expectation::default() };
    (asked.expect, asked.compare, asked.replace) = (Some(Box::new(expect)), true, true);
    asked.receipt = Some(Receipt { size: 7, checked_at: Some(9), ..Receipt::default() });
    let value = golden("r-record-asked-again.hex", || frame::seal_json(&asked).unwrap());
    assert_eq!(frame::open_json::<JobRecord>(&value).unwrap(), asked);

    let facts = HostFacts { connection_limit: Some(2), limit_learned_at: Some(9), ..HostFacts::default() };
    let value = golden("h-facts.hex", || frame::seal_json(&facts).unwrap());
    assert_eq!(frame::open_json::<HostFacts>(&value).unwrap(), facts);

    let facts = HostFacts { useful_connections: Some(9), useful_learned_at: Some(8), ..facts };
    let value = golden("h-facts-useful.hex", || frame::seal_json(&facts).unwrap());
    assert_eq!(frame::open_json::<HostFacts>(&value).unwrap(), facts);

    let counts = Counts { queued: 1, done: 2, ..Counts::default() };
    let numbers = Numbers { queue: "0123456789abcdef".to_owned(), next_id: 4, seq: 17, packs: 1, counts };
    let value = golden("m-numbers.hex", || frame::seal_json(&numbers).unwrap());
    assert_eq!(frame::open_json::<Numbers>(&value).unwrap(), numbers);
}

#[tokio::test]
async fn the_kept_journal_and_manifest_are_still_read() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, manifest) = (dir.path().join("journal.jsonl"), dir.path().join("manifests/1-3.jsonl.gz"));
    let made = tempfile::tempdir().unwrap();
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        let (queue, _) = super::Queue::open(made.path()).unwrap();
        super::tests::add(&queue, specs("h", 0..3)).await.unwrap();
        let claim = queue.claim(&account("ftp://h"), 1, None, 0).await.unwrap().remove(0);
        queue.settle(claim, super::tests::done()).await.unwrap();
        let one = |id| Selection { ids: Some([super::JobId(id)].into_iter().collect()), ..Selection::default() };
        queue.change(one(2), Change::Pause).await.unwrap();
        queue.change(one(3), Change::Remove).await.unwrap();
        let host = crate::model::HostKey { host: "h".to_owned(), port: 21 };
        queue.set_facts(host, HostFacts { connection_limit: Some(2), ..HostFacts::default() }).await.unwrap();
        queue.close().await.unwrap();
    }
    let read = |name: &str| fs::read(made.path().join(name)).unwrap();
    let (journal_bytes, manifest_bytes) = (
        golden("journal.hex", || read("journal.jsonl")),
        golden("manifest-1-3.hex", || read("manifests/1-3.jsonl.gz")),
    );
    fs::create_dir(dir.path().join("manifests")).unwrap();
    fs::write(&journal, &journal_bytes).unwrap();
    fs::write(&manifest, manifest_bytes).unwrap();
    // Nothing but these two files: the whole queue comes out of them.
    let survey = journal::read(dir.path(), &mut |_| Ok(())).unwrap();
    assert!(survey.damaged.is_empty(), "{survey:?}");
    let kept = manifests::Manifests::open(dir.path()).unwrap();
    assert_eq!(kept.read(1, 3, &mut |_| Ok(())).unwrap(), None);
    let (queue, report) = super::Queue::open(dir.path()).unwrap();
    assert!(report.rebuilt);
    let jobs = queue.list(Selection::default(), None, 9).await.unwrap();
    let found: Vec<_> = jobs.iter().map(|job| (job.id.0, job.state, job.record.receipt.is_some())).collect();
    assert_eq!(found, [(1, JobState::Done, true), (2, JobState::Paused, false)]);
    assert_eq!(jobs[1].spec, specs("h", 1..2)[0]);
    assert_eq!(queue.all_facts().await.unwrap().len(), 1);
}
