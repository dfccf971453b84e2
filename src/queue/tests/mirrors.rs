//! Jobs with mirrors stand apart from the others of their account, in memory and on disk.

use super::*;
use crate::model::{Mirror, SourceTrouble};

/// Jobs of which every second one has a mirror.
fn mixed(numbers: std::ops::Range<u64>) -> Vec<JobSpec> {
    let mut jobs = specs("h", numbers);
    for (n, job) in jobs.iter_mut().enumerate().filter(|(n, _)| n % 2 == 1) {
        let hosts = if n % 4 == 1 { &["m"][..] } else { &["m", "n"] };
        job.mirrors = hosts.iter().map(|host| mirror(&format!("ftp://ann@{host}/{n}"))).collect();
    }
    jobs
}

fn mirror(url: &str) -> Mirror {
    Mirror { source: url.parse().unwrap(), priority: 2 }
}

/// The groups: own account, mirrors' accounts, ready and claimed.
async fn groups(queue: &Queue) -> Vec<(String, Vec<String>, u64, u64)> {
    let text = |accounts: Vec<Account>| accounts.iter().map(Account::to_string).collect();
    let loads = queue.groups(None, 0).await.unwrap();
    loads.into_iter().map(|it| (it.account.to_string(), text(it.mirrors), it.ready, it.claimed)).collect()
}

fn expected(plain: u64, mirrored: u64) -> Vec<(String, Vec<String>, u64, u64)> {
    let both = ["ftp://ann@m", "ftp://ann@n"].map(str::to_owned).to_vec();
    vec![("ftp://h".to_owned(), vec![], plain, 0), ("ftp://h".to_owned(), both, mirrored, 0)]
}

#[tokio::test]
async fn jobs_with_mirrors_are_claimed_apart_and_survive_restart_and_rebuild() {
    let dir = tempfile::tempdir().unwrap();
    let (queue, _) = Queue::open(dir.path()).unwrap();
    add(&queue, mixed(0..600)).await.unwrap();
    assert_eq!(groups(&queue).await, expected(300, 300));
    let (h, m) = (account("ftp://h"), account("ftp://ann@m"));
    let plain = queue.claim(&h, 1000, None, 0).await.unwrap();
    assert!(plain.len() == 300 && plain.iter().all(|claim| !claim.job().spec.is_mirrored()));
    let others = queue.claim_mirrored(&h, 1000, None, 0).await.unwrap();
    assert!(others.len() == 300 && others.iter().all(|claim| claim.job().spec.is_mirrored()));
    assert!(queue.claim_mirrored(&m, 9, None, 0).await.unwrap().is_empty());
    for claim in plain.into_iter().chain(others).take(301) {
        queue.settle(claim, done()).await.unwrap();
    }
    queue.close().await.unwrap();
    let (queue, report) = Queue::open(dir.path()).unwrap();
    assert_eq!(report, OpenReport::default());
    assert_eq!(groups(&queue).await, expected(0, 299)[1..]);
    queue.close().await.unwrap();
    std::fs::remove_dir_all(dir.path().join("store")).unwrap();
    let (queue, report) = Queue::open(dir.path()).unwrap();
    assert!(report.rebuilt);
    assert_eq!(groups(&queue).await, expected(0, 299)[1..]);
    assert_eq!((all(&queue).await.done, all(&queue).await.queued), (301, 299));
}

#[tokio::test]
async fn the_accounts_of_mirrors_have_jobs_too() {
    let queue = Queue::in_memory();
    add(&queue, mixed(0..8)).await.unwrap();
    let loads = queue.accounts(None).await.unwrap();
    let mut named: Vec<(String, u64)> = loads.into_iter().map(|it| (it.account.to_string(), it.jobs)).collect();
    named.sort();
    let wanted = [("ftp://ann@m", 4), ("ftp://ann@n", 4), ("ftp://h", 8)];
    assert_eq!(named, wanted.map(|(name, jobs)| (name.to_owned(), jobs)));
}

#[tokio::test]
async fn a_shelved_job_is_claimed_by_nobody_until_the_shelf_is_cleared() {
    let queue = Queue::in_memory();
    add(&queue, mixed(0..4)).await.unwrap();
    let h = account("ftp://h");
    let claims = queue.claim_mirrored(&h, 1, None, 0).await.unwrap();
    queue.shelve(claims).await.unwrap();
    assert_eq!(groups(&queue).await[1].2, 1);
    assert_eq!(queue.groups(Some(ids(1..=4)), 0).await.unwrap()[1].ready, 1);
    assert_eq!((all(&queue).await.queued, all(&queue).await.running), (4, 0));
    assert_eq!(queue.claim_mirrored(&h, 9, None, 0).await.unwrap().len(), 1);
    queue.clear_shelf().await.unwrap();
    assert_eq!(queue.claim_mirrored(&h, 9, None, 0).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_same_places_in_another_order_are_the_same_job() {
    let queue = Queue::in_memory();
    let job = JobSpec { mirrors: vec![mirror("ftp://m/a")], ..spec("ftp://h/a", "a") };
    add(&queue, vec![job]).await.unwrap();
    assert_eq!(add(&queue, vec![spec("ftp://m/a", "a")]).await.unwrap().known, ids([1]));
    assert!(matches!(add(&queue, vec![spec("ftp://x/a", "a")]).await, Err(QueueError::Clash(_))));
}

#[tokio::test]
async fn each_sources_failures_are_counted_and_forgotten_on_retry() {
    let queue = Queue::in_memory();
    add(&queue, mixed(1..2)).await.unwrap();
    let (a, b): (Source, Source) = ("ftp://h/pub/1.gz".parse().unwrap(), "ftp://ann@m/1".parse().unwrap());
    let job = JobSpec { mirrors: vec![mirror("ftp://ann@m/1")], ..spec("ftp://h/pub/1.gz", "x") };
    add(&queue, vec![job]).await.unwrap();
    let mut record = crate::model::JobRecord::default();
    let failed = |source: &Source, fetched| {
        let attempt = Attempt { source: Some(Box::new(source.clone())), ..attempt(fetched, true) };
        Settlement::RetryAt { at: 9, attempt, progress: None }
    };
    let counts = |record: &crate::model::JobRecord| -> Vec<u32> {
        record.troubles.iter().map(|SourceTrouble { failures, .. }| *failures).collect()
    };
    for (source, fetched, wanted) in
        [(&a, 0, vec![1]), (&a, 0, vec![2]), (&b, 0, vec![2, 1]), (&b, 0, vec![2, 2]), (&a, 100_000, vec![1, 1])]
    {
        failed(source, fetched).write_to(&mut record);
        assert_eq!(counts(&record), wanted);
    }
    let given_up = Attempt { source: Some(Box::new(b.clone())), ..attempt(0, true) };
    Settlement::GiveUp { attempt: given_up, progress: None }.write_to(&mut record);
    let text = record.failure.clone().unwrap().to_string();
    assert!(text.contains(&a.to_string()) && text.contains(&b.to_string()), "{text}");
    let claim = queue.claim_mirrored(&account("ftp://h"), 1, None, 0).await.unwrap().remove(0);
    let id = claim.job().id;
    queue.settle(claim, failed(&a, 0)).await.unwrap();
    assert_eq!(queue.get(id).await.unwrap().unwrap().record.troubles.len(), 1);
    queue.change(by_ids([id.0]), Change::Retry).await.unwrap();
    assert!(queue.get(id).await.unwrap().unwrap().record.troubles.is_empty());
}

/// Admitted in one change, they stand apart as well, also when the store is built anew.
#[tokio::test]
async fn admitted_jobs_with_mirrors_stand_apart_too() {
    let dir = tempfile::tempdir().unwrap();
    let (queue, _) = Queue::open(dir.path()).unwrap();
    queue.admit(mixed(0..8)).await.unwrap();
    assert_eq!(groups(&queue).await, expected(4, 4));
    queue.close().await.unwrap();
    std::fs::remove_dir_all(dir.path().join("store")).unwrap();
    let (queue, _) = Queue::open(dir.path()).unwrap();
    assert_eq!(groups(&queue).await, expected(4, 4));
}
