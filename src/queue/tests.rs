//! The contract of a queue, run for both backends.

use super::*;
use crate::model::{
    Attempt, Cause, Change, Claim, Counts, Destination, Expectation, Failure, Folder, HostFacts, HostKey, JobSpec,
    JobState, Progress, Receipt, RelPath, Selection, Settlement, Source, Stage,
};

pub(super) fn spec(url: &str, path: &str) -> JobSpec {
    JobSpec::new(url.parse().unwrap(), Destination::new("/data", RelPath::new(path).unwrap()).unwrap())
}

pub(super) fn specs(host: &str, numbers: std::ops::Range<u64>) -> Vec<JobSpec> {
    numbers.map(|n| spec(&format!("ftp://{host}/pub/{n}.gz"), &format!("{host}/{n}.gz"))).collect()
}

pub(super) fn account(text: &str) -> Account {
    Account::try_from(text.to_owned()).unwrap()
}

pub(super) fn attempt(fetched: u64, failed: bool) -> Attempt {
    let failure = failed.then(|| Failure::transient(Stage::Retrieve, Cause::Disconnected, "the connection broke"));
    Attempt { started_at: 1, ended_at: 2, fetched, gained: fetched, failure, ..Attempt::default() }
}

pub(super) fn done() -> Settlement {
    Settlement::Done {
        receipt: Box::new(Receipt { size: 7, ..Receipt::default() }),
        attempt: attempt(7, false),
        by_own_source: true,
    }
}

fn done_by(sums: &[&str]) -> Settlement {
    let digests = sums.iter().map(|sum| sum.parse().unwrap()).collect();
    Settlement::Done {
        receipt: Box::new(Receipt { size: 7, digests, ..Receipt::default() }),
        attempt: attempt(7, false),
        by_own_source: true,
    }
}

fn failed_by_checksum() -> Settlement {
    let failure = Some(Failure::permanent(Stage::Verify, Cause::WrongChecksum, "other bytes"));
    Settlement::GiveUp { attempt: Attempt { failure, ..attempt(7, true) }, progress: None }
}

pub(super) async fn add(queue: &Queue, jobs: Vec<JobSpec>) -> Result<Accepted, QueueError> {
    let mut intake = queue.begin_add().await?;
    intake.push(jobs).await?;
    intake.accept().await
}

pub(super) async fn all(queue: &Queue) -> Counts {
    queue.counts(Selection::default()).await.unwrap()
}

fn ids(numbers: impl IntoIterator<Item = u64>) -> IdSet {
    numbers.into_iter().map(JobId).collect()
}

fn by_ids(numbers: impl IntoIterator<Item = u64>) -> Selection {
    Selection { ids: Some(ids(numbers)), ..Selection::default() }
}

async fn claim_one(queue: &Queue, host: &str, now: u64) -> Claim {
    queue.claim(&account(&format!("ftp://{host}")), 1, None, now).await.unwrap().pop().unwrap()
}

mod mirrors;

/// One suite, and a run of it for each backend.
macro_rules! contract {
    ($($name:ident)*) => {
        mod in_memory { $(
            #[tokio::test]
            async fn $name() {
                super::$name(super::Queue::in_memory()).await;
            }
        )* }
        mod on_disk { $(
            #[tokio::test]
            async fn $name() {
                let dir = tempfile::tempdir().unwrap();
                super::$name(super::Queue::open(dir.path()).unwrap().0).await;
            }
        )* }
    };
}

contract! {
    the_same_jobs_are_known_the_second_time
    another_source_for_one_destination_is_refused_whole
    an_intake_that_is_dropped_leaves_nothing
    equal_hashes_do_not_make_equal_destinations
    jobs_are_claimed_once_and_lowest_first
    long_files_are_claimed_first
    a_retried_job_keeps_its_place_in_the_order
    waiting_jobs_come_back_when_their_time_has_come
    no_wait_is_made_longer_by_a_clock_that_is_set_back
    a_user_wins_over_a_worker_unless_the_file_is_done
    a_resumed_job_is_not_claimed_while_its_worker_stops
    removal_frees_the_destination_and_no_number_comes_back
    retry_starts_the_count_of_failures_anew
    illegal_changes_are_named_only_for_named_jobs
    missing_numbers_are_named_a_gap_at_a_time
    a_job_that_is_done_is_retried_only_where_it_is_meant
    a_recheck_moves_jobs_and_leaves_their_story
    later_lists_correct_what_is_known_whatever_its_state
    one_list_may_say_more_of_a_job_than_its_first_line
    the_stronger_of_two_checksums_stays_however_often_a_list_is_read
    a_weaker_checksum_counts_where_the_file_was_not_checked_by_it_or_failed_by_the_other
    a_weaker_checksum_beside_the_known_one_changes_nothing
    one_list_keeps_the_stronger_checksum_and_must_not_contradict_itself
    selections_narrow_by_state_host_and_number
    packs_hold_many_accounts_in_order
    progress_and_facts_are_kept
}

async fn the_same_jobs_are_known_the_second_time(queue: Queue) {
    let first = add(&queue, specs("h", 0..600)).await.unwrap();
    assert_eq!((first.new, first.known), (ids(1..=600), ids([])));
    let again = add(&queue, specs("h", 0..601)).await.unwrap();
    assert_eq!((again.new, again.known), (ids([601]), ids(1..=600)));
    // Twice within one intake is one job.
    let twice = add(&queue, [specs("i", 0..2), specs("i", 0..2)].concat()).await.unwrap();
    assert_eq!(twice.new, ids(602..=603));
    assert_eq!(all(&queue).await.queued, 603);
}

async fn another_source_for_one_destination_is_refused_whole(queue: Queue) {
    add(&queue, vec![spec("ftp://h/a", "a")]).await.unwrap();
    let error = add(&queue, vec![spec("ftp://h/b", "b"), spec("ftp://other/a", "a")]).await.unwrap_err();
    let QueueError::Clash(clash) = error else { panic!("{error:?}") };
    assert_eq!((clash.job, clash.known.to_string().as_str()), (JobId(1), "ftp://h/a"));
    // Within one intake too.
    let error = add(&queue, vec![spec("ftp://h/c", "c"), spec("ftp://h/d", "c")]).await.unwrap_err();
    assert!(matches!(error, QueueError::Clash(_)), "{error:?}");
    assert_eq!(all(&queue).await.total(), 1);
    assert_eq!(add(&queue, vec![spec("ftp://h/b", "b")]).await.unwrap().new, ids([2]));
}

async fn an_intake_that_is_dropped_leaves_nothing(queue: Queue) {
    let mut intake = queue.begin_add().await.unwrap();
    intake.push(specs("h", 0..10_000)).await.unwrap();
    intake.push(specs("h", 9_000..20_000)).await.unwrap();
    drop(intake);
    assert_eq!(all(&queue).await.total(), 0);
    // Its packs are gone: these have other borders.
    add(&queue, specs("h", 0..10)).await.unwrap();
    add(&queue, specs("h", 5..300)).await.unwrap();
    assert_eq!(queue.get(JobId(300)).await.unwrap().unwrap().spec, specs("h", 299..300)[0]);
    assert_eq!(queue.get(JobId(301)).await.unwrap(), None);
}

/// Two paths whose FNV-1a hash is the same, found by search, would do; the map is told to mistake them instead.
async fn equal_hashes_do_not_make_equal_destinations(queue: Queue) {
    add(&queue, specs("h", 0..2)).await.unwrap();
    let (a, b) = (super::pack::hash(&specs("h", 0..1)[0]), super::pack::hash(&specs("h", 7..8)[0]));
    let mut map = super::destinations::Destinations::default();
    map.insert(b, 1);
    map.insert(a, 2);
    map.insert(a, 1);
    queue
        .ask(move |books| {
            books.destinations = Some(map);
            Ok(())
        })
        .await
        .unwrap();
    let taken = add(&queue, [specs("h", 0..1), specs("h", 7..8)].concat()).await.unwrap();
    assert_eq!((taken.new, taken.known), (ids([3]), ids([1])));
}

async fn jobs_are_claimed_once_and_lowest_first(queue: Queue) {
    add(&queue, specs("h", 0..600)).await.unwrap();
    let account = account("ftp://h");
    let claims = queue.claim(&account, 300, None, 0).await.unwrap();
    let numbers: Vec<u64> = claims.iter().map(|c| c.job().id.0).collect();
    assert_eq!(numbers, (1..=300).collect::<Vec<_>>());
    assert_eq!(claims[0].job().state, JobState::Running);
    let only = queue.claim(&account, 9, Some(ids([2, 350, 360])), 0).await.unwrap();
    assert_eq!(only.iter().map(|c| c.job().id.0).collect::<Vec<_>>(), [350, 360]);
    let counts = all(&queue).await;
    assert_eq!((counts.running, counts.queued), (302, 298));
    assert_eq!(queue.groups(None, 0).await.unwrap()[0].ready, 298);
    assert_eq!(queue.groups(Some(ids(299..=302)), 0).await.unwrap()[0].ready, 2);
    for claim in claims {
        assert_eq!(queue.settle(claim, done()).await.unwrap(), JobState::Done);
    }
    assert_eq!(queue.claim(&account, 1, None, 0).await.unwrap()[0].job().id, JobId(301));
}

/// Jobs of these lengths in MiB, 0 where it is unknown.
fn of_lengths(mib: &[u64]) -> Vec<JobSpec> {
    let size = |mib: u64| (mib > 0).then_some(mib << 20);
    let expect = |mib: &u64| Expectation { size: size(*mib), ..Expectation::default() };
    specs("h", 0..mib.len() as u64).into_iter().zip(mib).map(|(s, m)| JobSpec { expect: expect(m), ..s }).collect()
}

async fn claimed(queue: &Queue, max: usize, only: Option<IdSet>, now: u64) -> Vec<u64> {
    let claims = queue.claim(&account("ftp://h"), max, only, now).await.unwrap();
    claims.iter().map(|claim| claim.job().id.0).collect()
}

async fn long_files_are_claimed_first(queue: Queue) {
    let mut lengths = vec![0, 5, 700, 4, 0, 9_000, 700];
    lengths.resize(600, 0);
    lengths.extend([800, 2]);
    add(&queue, of_lengths(&lengths)).await.unwrap();
    assert_eq!(claimed(&queue, 3, Some(ids([1, 4, 5, 601])), 0).await, [601, 4, 1]);
    assert_eq!(claimed(&queue, 3, None, 0).await, [6, 3, 7]);
    // 5 MiB and 4 MiB are of one class, and so are those of unknown length: by number.
    assert_eq!(claimed(&queue, 5, None, 0).await, [2, 602, 5, 8, 9]);
    queue.change(by_ids([10]), Change::Remove).await.unwrap();
    assert_eq!(claimed(&queue, 1000, None, 0).await, (11..=600).collect::<Vec<_>>());
}

async fn a_retried_job_keeps_its_place_in_the_order(queue: Queue) {
    add(&queue, of_lengths(&[3, 70, 0, 7, 600])).await.unwrap();
    let account = account("ftp://h");
    for claim in queue.claim(&account, 3, None, 0).await.unwrap() {
        let later = Settlement::RetryAt { at: 100, attempt: attempt(0, true), progress: None };
        queue.settle(claim, later).await.unwrap();
    }
    queue.change(by_ids([4]), Change::Retry).await.unwrap();
    assert_eq!(claimed(&queue, 1, None, 99).await, [4]);
    assert_eq!(claimed(&queue, 9, None, 100).await, [5, 2, 1, 3]);
}

async fn waiting_jobs_come_back_when_their_time_has_come(queue: Queue) {
    add(&queue, specs("h", 0..3)).await.unwrap();
    let claim = claim_one(&queue, "h", 10).await;
    let later = Settlement::RetryAt { at: 100, attempt: attempt(0, true), progress: None };
    assert_eq!(queue.settle(claim, later).await.unwrap(), JobState::Waiting);
    let load = queue.groups(None, 99).await.unwrap().remove(0);
    assert_eq!((load.ready, load.waiting, load.next_due), (2, 1, Some(100)));
    let load = queue.groups(Some(ids([1])), 99).await.unwrap().remove(0);
    assert_eq!((load.ready, load.waiting, load.next_due), (0, 1, Some(100)));
    assert_eq!(claim_one(&queue, "h", 99).await.job().id, JobId(2));
    let claim = claim_one(&queue, "h", 100).await;
    assert_eq!((claim.job().id, claim.job().record.fruitless), (JobId(1), 1));
    // Put back untried, it is ready at once.
    let untried = Settlement::Release { attempt: None, progress: None };
    assert_eq!(queue.settle(claim, untried).await.unwrap(), JobState::Queued);
    assert_eq!(claim_one(&queue, "h", 0).await.job().id, JobId(1));
}

async fn no_wait_is_made_longer_by_a_clock_that_is_set_back(queue: Queue) {
    add(&queue, specs("h", 0..2)).await.unwrap();
    for (ended_at, at) in [(1000, 1002), (1000, 1300)] {
        let attempt = Attempt { ended_at, ..attempt(0, true) };
        let claim = claim_one(&queue, "h", 1000).await;
        queue.settle(claim, Settlement::RetryAt { at, attempt, progress: None }).await.unwrap();
    }
    let ready = async |now| {
        let all = queue.groups(None, now).await.unwrap().remove(0);
        let first = queue.groups(Some(ids([1])), now).await.unwrap().remove(0);
        (all.ready, all.next_due, first.ready, first.next_due)
    };
    assert_eq!(ready(1001).await, (0, Some(1002), 0, Some(1002)));
    // Put right by a second.
    assert_eq!(ready(999).await, (0, Some(1002), 0, Some(1002)));
    assert_eq!(ready(950).await, (2, None, 1, None));
    assert_eq!(claimed(&queue, 9, None, 951).await, [1, 2]);
}

async fn a_user_wins_over_a_worker_unless_the_file_is_done(queue: Queue) {
    add(&queue, specs("h", 0..2)).await.unwrap();
    let (first, second) = (claim_one(&queue, "h", 0).await, claim_one(&queue, "h", 0).await);
    let paused = queue.change(Selection::default(), Change::Pause).await.unwrap();
    assert_eq!((paused.changed, paused.affected_running), (2, vec![JobId(1), JobId(2)]));
    let later = Settlement::RetryAt { at: 100, attempt: attempt(0, true), progress: None };
    assert_eq!(queue.settle(first, later).await.unwrap(), JobState::Paused);
    assert_eq!(queue.settle(second, done()).await.unwrap(), JobState::Done);
    assert!(queue.groups(None, 1000).await.unwrap().is_empty());
}

async fn a_resumed_job_is_not_claimed_while_its_worker_stops(queue: Queue) {
    add(&queue, specs("h", 0..1)).await.unwrap();
    let claim = claim_one(&queue, "h", 0).await;
    queue.change(Selection::default(), Change::Pause).await.unwrap();
    queue.change(Selection::default(), Change::Resume).await.unwrap();
    assert_eq!(all(&queue).await.running, 1);
    assert!(queue.claim(&account("ftp://h"), 1, None, 0).await.unwrap().is_empty());
    let untried = Settlement::Release { attempt: None, progress: None };
    assert_eq!(queue.settle(claim, untried).await.unwrap(), JobState::Queued);
    assert_eq!(claim_one(&queue, "h", 0).await.job().id, JobId(1));
}

async fn removal_frees_the_destination_and_no_number_comes_back(queue: Queue) {
    add(&queue, specs("h", 0..300)).await.unwrap();
    let claim = claim_one(&queue, "h", 0).await;
    let refused = queue.change(by_ids([1]), Change::Remove).await.unwrap();
    assert_eq!((refused.changed, refused.refused[0].0), (0, JobId(1)));
    queue.change(by_ids([1]), Change::Cancel).await.unwrap();
    assert_eq!(queue.change(by_ids([1]), Change::Remove).await.unwrap().changed, 0, "its worker is still there");
    queue.settle(claim, Settlement::Release { attempt: None, progress: None }).await.unwrap();
    assert_eq!(queue.change(by_ids(1..=300), Change::Remove).await.unwrap().changed, 300);
    assert_eq!(all(&queue).await.total(), 0);
    assert_eq!(queue.get(JobId(1)).await.unwrap(), None);
    let other = add(&queue, vec![spec("ftp://other/x", "h/0.gz")]).await.unwrap();
    assert_eq!(other.new, ids([301]));
}

async fn retry_starts_the_count_of_failures_anew(queue: Queue) {
    add(&queue, specs("h", 0..2)).await.unwrap();
    for _ in 0..3 {
        let claim = claim_one(&queue, "h", u64::MAX).await;
        let later = Settlement::RetryAt { at: 5, attempt: attempt(0, true), progress: None };
        queue.settle(claim, later).await.unwrap();
    }
    let claim = claim_one(&queue, "h", u64::MAX).await;
    queue.settle(claim, Settlement::GiveUp { attempt: attempt(0, true), progress: None }).await.unwrap();
    assert_eq!(queue.get(JobId(1)).await.unwrap().unwrap().record.fruitless, 4);
    let failed = Selection { state: Some(JobState::Failed), ..Selection::default() };
    assert_eq!(queue.change(failed, Change::Retry).await.unwrap().changed, 1);
    let job = queue.get(JobId(1)).await.unwrap().unwrap();
    assert_eq!((job.state, job.record.fruitless, job.record.not_before), (JobState::Queued, 0, None));
    assert_eq!(job.record.history.len(), 4);
}

async fn illegal_changes_are_named_only_for_named_jobs(queue: Queue) {
    add(&queue, specs("h", 0..2)).await.unwrap();
    let claim = claim_one(&queue, "h", 0).await;
    queue.settle(claim, done()).await.unwrap();
    let named = queue.change(by_ids([1, 2, 77]), Change::Pause).await.unwrap();
    assert_eq!(named.changed, 1);
    let refused: Vec<u64> = named.refused.iter().map(|(id, _)| id.0).collect();
    assert_eq!(refused, [77, 1], "{:?}", named.refused);
    let everything = queue.change(Selection::default(), Change::Resume).await.unwrap();
    assert_eq!((everything.changed, everything.refused.len()), (1, 0));
    let mut huge = IdSet::default();
    huge.insert_range(JobId(1), JobId(u64::MAX));
    let huge = queue.change(Selection { ids: Some(huge), ..Selection::default() }, Change::Cancel).await.unwrap();
    // One line for job 1, which is done, and one for all that never were.
    assert_eq!((huge.changed, huge.refused.len()), (1, 2));
    assert_eq!(huge.refused[0], (JobId(3), format!("there are no jobs 3-{}", u64::MAX)));
}

async fn missing_numbers_are_named_a_gap_at_a_time(queue: Queue) {
    add(&queue, specs("h", 0..6)).await.unwrap();
    queue.change(by_ids([2, 3, 5]), Change::Remove).await.unwrap();
    let gaps = queue.change(by_ids((1..=5).chain(6..=700)), Change::Pause).await.unwrap();
    let named: Vec<(u64, &str)> = gaps.refused.iter().map(|(id, why)| (id.0, why.as_str())).collect();
    let wanted = [(2, "there are no jobs 2-3"), (5, "there is no such job"), (7, "there are no jobs 7-700")];
    assert_eq!((gaps.changed, &named[..]), (3, &wanted[..]));
    let scattered = queue.change(by_ids((10..1000).step_by(2)), Change::Pause).await.unwrap();
    assert_eq!(scattered.refused.len(), 100);
}

async fn a_job_that_is_done_is_retried_only_where_it_is_meant(queue: Queue) {
    add(&queue, specs("h", 0..2)).await.unwrap();
    let claim = claim_one(&queue, "h", 0).await;
    queue.settle(claim, done()).await.unwrap();
    queue.change(by_ids([2]), Change::Cancel).await.unwrap();
    let failed = Selection { state: Some(JobState::Failed), ..Selection::default() };
    assert_eq!(queue.change(failed, Change::Retry).await.unwrap().changed, 0);
    assert_eq!(queue.change(Selection::default(), Change::Retry).await.unwrap().changed, 1);
    assert_eq!((all(&queue).await.done, all(&queue).await.queued), (1, 1));
    assert_eq!(queue.change(by_ids([1]), Change::Retry).await.unwrap().changed, 1);
    let job = queue.get(JobId(1)).await.unwrap().unwrap();
    // What is here is proved until the server was asked; where it has another file, that one is wished for.
    assert_eq!((job.state, job.record.receipt.is_some(), job.record.replace), (JobState::Queued, true, true));
    let claim = claim_one(&queue, "h", 0).await;
    assert_eq!((claim.job().id, queue.settle(claim, done()).await.unwrap()), (JobId(1), JobState::Done));
    let finished = Selection { state: Some(JobState::Done), ..Selection::default() };
    assert_eq!(queue.change(finished, Change::Retry).await.unwrap().changed, 1);
}

async fn a_recheck_moves_jobs_and_leaves_their_story(queue: Queue) {
    let folder = JobSpec {
        folder: Some(Box::default()),
        ..JobSpec::new("ftp://h/x/".parse().unwrap(), Destination::folder("/data").unwrap())
    };
    add(&queue, [specs("h", 0..3), vec![folder]].concat()).await.unwrap();
    for claim in queue.claim(&account("ftp://h"), 4, None, 0).await.unwrap() {
        let settlement = if claim.job().id == JobId(3) {
            Settlement::GiveUp { attempt: attempt(0, true), progress: None }
        } else {
            done()
        };
        queue.settle(claim, settlement).await.unwrap();
    }
    let before = queue.list(Selection::default(), None, 9).await.unwrap();
    let changes = queue.change(by_ids(1..=4), Change::Recheck).await.unwrap();
    let refused: Vec<JobId> = changes.refused.iter().map(|(id, _)| *id).collect();
    assert_eq!((changes.changed, refused), (3, vec![JobId(4)]), "a folder is read again by a wish of its own");
    let after = queue.list(Selection::default(), None, 9).await.unwrap();
    for (before, after) in before.iter().zip(&after).take(2) {
        assert_eq!((after.state, &after.record), (JobState::Queued, &before.record));
    }
    assert_eq!((after[2].state, after[2].record.fruitless), (JobState::Queued, 0));
    let claim = claim_one(&queue, "h", 0).await;
    let id = claim.job().id;
    assert_eq!(
        queue
            .settle(claim, Settlement::Unchanged { checked_at: Some(9), receipt: Box::default(), by_own_source: true })
            .await
            .unwrap(),
        JobState::Done
    );
    let job = queue.get(id).await.unwrap().unwrap();
    assert_eq!((job.record.attempts, job.record.receipt.unwrap().checked_at), (1, Some(9)));
}

async fn later_lists_correct_what_is_known_whatever_its_state(queue: Queue) {
    let say = |n: u64, size: u64| {
        let mut spec = specs("h", n..n + 1).remove(0);
        spec.expect.size = Some(size);
        spec
    };
    add(&queue, (0..6).map(|n| say(n, 7)).collect()).await.unwrap();
    let mut claims = queue.claim(&account("ftp://h"), 3, None, 0).await.unwrap();
    let running = claims.remove(2);
    queue.settle(claims.remove(0), done()).await.unwrap();
    queue.settle(claims.remove(0), Settlement::GiveUp { attempt: attempt(0, true), progress: None }).await.unwrap();
    queue.change(by_ids([4]), Change::Pause).await.unwrap();
    // The sixth says what was said; what says less takes nothing away.
    let accepted = add(&queue, [(0..5).map(|n| say(n, 8)).collect(), vec![say(5, 7)], specs("h", 0..6)].concat());
    let accepted = accepted.await.unwrap();
    assert_eq!((accepted.new, accepted.known, accepted.corrected), (ids([]), ids(1..=6), ids(1..=5)));
    assert_eq!(accepted.again, ids([1]));
    let states: Vec<JobState> =
        queue.list(Selection::default(), None, 9).await.unwrap().iter().map(|job| job.state).collect();
    let queued = JobState::Queued;
    assert_eq!(states, [queued, queued, JobState::Running, JobState::Paused, queued, queued]);
    for id in 1..=5 {
        assert_eq!(queue.get(JobId(id)).await.unwrap().unwrap().spec.expect.size, Some(8), "{id}");
    }
    // What was done by the earlier word is not done.
    assert_eq!(queue.settle(running, done()).await.unwrap(), queued);
    let job = queue.get(JobId(3)).await.unwrap().unwrap();
    assert!(job.record.compare && job.record.receipt.is_some(), "{job:?}");
    let again = add(&queue, (0..5).map(|n| say(n, 8)).collect()).await.unwrap();
    assert_eq!(again.corrected, ids([]), "the same list again is no news");
}

/// A list that gives a file two checksums says the same each time, in whichever order, and so do two lists.
async fn the_stronger_of_two_checksums_stays_however_often_a_list_is_read(queue: Queue) {
    let say = |sum: &str| {
        let mut spec = specs("h", 0..1).remove(0);
        spec.expect.checksum = Some(sum.parse().unwrap());
        spec
    };
    let [md5, sha] = [format!("md5={}", "0a".repeat(16)), format!("sha-256={}", "0a".repeat(32))];
    let other = format!("md5={}", "0b".repeat(16));
    add(&queue, vec![say(&md5), say(&sha)]).await.unwrap();
    let claim = claim_one(&queue, "h", 0).await;
    queue.settle(claim, done_by(&[&sha, &md5])).await.unwrap();
    for list in [vec![say(&md5), say(&sha)], vec![say(&sha), say(&md5)], vec![say(&md5)], vec![say(&sha)]] {
        let accepted = add(&queue, list).await.unwrap();
        assert_eq!((accepted.corrected, accepted.again), (ids([]), ids([])));
    }
    let known = queue.get(JobId(1)).await.unwrap().unwrap();
    assert_eq!(known.spec.expect.checksum.unwrap().to_string(), sha);
    // A weaker one that is not the file's tells of another content.
    let accepted = add(&queue, vec![say(&other)]).await.unwrap();
    assert_eq!((accepted.corrected, accepted.again), (ids([1]), ids([1])));
    let accepted = add(&queue, vec![say(&other)]).await.unwrap();
    assert_eq!(accepted.corrected, ids([]));
}

/// A list that was corrected may give another kind of checksum than before.
async fn a_weaker_checksum_counts_where_the_file_was_not_checked_by_it_or_failed_by_the_other(queue: Queue) {
    let say = |n: u64, sum: &str| {
        let mut spec = specs("h", n..n + 1).remove(0);
        spec.expect.checksum = Some(sum.parse().unwrap());
        spec
    };
    let [md5, sha] = [format!("md5={}", "0a".repeat(16)), format!("sha-256={}", "0a".repeat(32))];
    let list = |sum: &str| (0..3).map(|n| say(n, sum)).collect::<Vec<_>>();
    add(&queue, list(&sha)).await.unwrap();
    let mut claims = vec![claim_one(&queue, "h", 0).await, claim_one(&queue, "h", 0).await];
    queue.settle(claims.remove(0), done_by(&[&sha])).await.unwrap();
    queue.settle(claims.remove(0), failed_by_checksum()).await.unwrap();
    let accepted = add(&queue, list(&md5)).await.unwrap();
    assert_eq!(
        (accepted.corrected, accepted.again),
        (ids([1, 2]), ids([1])),
        "what is still to be fetched keeps the stronger"
    );
    // Once it was checked by both, neither list is news.
    let claim = claim_one(&queue, "h", 0).await;
    queue.settle(claim, done_by(&[&md5, &sha])).await.unwrap();
    for sum in [&sha, &md5] {
        let accepted = add(&queue, vec![say(0, sum)]).await.unwrap();
        assert_eq!(accepted.corrected, ids([]), "{sum}");
    }
}

/// A list that gives the stronger one as well is no word against it.
async fn a_weaker_checksum_beside_the_known_one_changes_nothing(queue: Queue) {
    let [md5, sha] = [format!("md5={}", "0a".repeat(16)), format!("sha-256={}", "0a".repeat(32))];
    for (n, settlement) in [failed_by_checksum(), done_by(&[&sha])].into_iter().enumerate() {
        let say = |sum: &String| {
            let mut spec = specs("h", n as u64..n as u64 + 1).remove(0);
            spec.expect.checksum = Some(sum.parse().unwrap());
            spec
        };
        add(&queue, vec![say(&sha)]).await.unwrap();
        let claim = claim_one(&queue, "h", 0).await;
        queue.settle(claim, settlement).await.unwrap();
        for lines in [[&sha, &md5], [&md5, &sha]] {
            let accepted = add(&queue, lines.map(say).to_vec()).await.unwrap();
            assert_eq!(accepted.corrected, ids([]), "{n} {lines:?}");
        }
        assert_eq!(add(&queue, vec![say(&md5)]).await.unwrap().corrected.len(), 1, "{n}");
        queue.change(Selection::default(), Change::Cancel).await.unwrap();
    }
}

async fn one_list_may_say_more_of_a_job_than_its_first_line(queue: Queue) {
    let sized = |n: u64| {
        let mut spec = specs("h", n..n + 1).remove(0);
        spec.expect.size = Some(9);
        spec
    };
    // Once among those that are gathered, and once behind a pack that was written.
    let jobs: Vec<JobSpec> = specs("h", 0..9_000).into_iter().chain([sized(1), sized(8_999)]).collect();
    let accepted = add(&queue, jobs).await.unwrap();
    assert_eq!(accepted.new.len(), 9_000);
    for id in [2, 9_000] {
        assert_eq!(queue.get(JobId(id)).await.unwrap().unwrap().spec.expect.size, Some(9), "{id}");
    }
}

async fn one_list_keeps_the_stronger_checksum_and_must_not_contradict_itself(queue: Queue) {
    let summed = |n: u64, sum: &str| {
        let mut spec = specs("h", n..n + 1).remove(0);
        spec.expect.checksum = Some(sum.parse().unwrap());
        spec
    };
    let (md5, sha) = (format!("md5={}", "0a".repeat(16)), format!("sha-256={}", "0a".repeat(32)));
    // Once among those that are gathered, and once behind a pack that was written.
    for (count, numbers) in [(2, [1, 2]), (9_000, [3, 4])] {
        let grouped = |first: &str, second: &str| {
            let pair = |sum: &str| vec![summed(0, sum), summed(count - 1, sum)];
            [pair(first), specs("h", 1..count - 1), pair(second)].concat()
        };
        for n in [0, count - 1] {
            let other = summed(n, &format!("md5={}", "0b".repeat(16)));
            let error = add(&queue, [grouped(&md5, &md5), vec![other]].concat()).await.unwrap_err();
            assert!(matches!(&error, QueueError::Contradiction(_)), "{error:?}");
        }
        assert_eq!(all(&queue).await.total(), 0);
        let accepted = add(&queue, grouped(&sha, &md5)).await.unwrap();
        assert_eq!(accepted.new.len(), count);
        for id in numbers {
            let expect = queue.get(JobId(id)).await.unwrap().unwrap().spec.expect;
            assert_eq!(expect.checksum, Some(sha.parse().unwrap()), "{id}");
        }
        queue.change(Selection::default(), Change::Remove).await.unwrap();
    }
}

async fn selections_narrow_by_state_host_and_number(queue: Queue) {
    add(
        &queue,
        [
            specs("a", 0..10),
            specs("b:2121", 0..10)
                .into_iter()
                .enumerate()
                .map(|(n, s)| JobSpec { destination: spec("ftp://x/y", &format!("b{n}")).destination, ..s })
                .collect(),
        ]
        .concat(),
    )
    .await
    .unwrap();
    let host = |name: &str| Selection { host: Some(name.to_owned()), ..Selection::default() };
    for (name, count) in [("a", 10), ("B", 10), ("b:2121", 10), ("b:21", 0), ("a:21", 10)] {
        assert_eq!(queue.counts(host(name)).await.unwrap().total(), count, "{name}");
    }
    queue.change(host("b"), Change::Pause).await.unwrap();
    let paused = Selection { state: Some(JobState::Paused), ..Selection::default() };
    let page = queue.list(paused.clone(), Some(JobId(13)), 3).await.unwrap();
    assert_eq!(page.iter().map(|j| j.id.0).collect::<Vec<_>>(), [14, 15, 16]);
    let both = Selection { ids: Some(ids([1, 15])), ..paused };
    assert_eq!(queue.list(both, None, 9).await.unwrap().len(), 1);
}

async fn packs_hold_many_accounts_in_order(queue: Queue) {
    let hosts = ["a", "b", "c"];
    let mixed: Vec<JobSpec> = (0..900).map(|n| specs(hosts[n % 3], (n as u64)..(n as u64) + 1).remove(0)).collect();
    let taken = add(&queue, mixed.clone()).await.unwrap();
    assert_eq!(taken.new, ids(1..=900));
    let mut found: Vec<String> =
        queue.list(Selection::default(), None, 1000).await.unwrap().iter().map(|j| j.spec.source.to_string()).collect();
    let mut expected: Vec<String> = mixed.iter().map(|s| s.source.to_string()).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    for load in queue.groups(None, 0).await.unwrap() {
        assert_eq!(load.ready, 300);
        let claims = queue.claim(&load.account, 1000, None, 0).await.unwrap();
        assert!(claims.iter().all(|c| *c.job().spec.source.account() == load.account));
        assert_eq!(claims.len(), 300);
    }
}

async fn progress_and_facts_are_kept(queue: Queue) {
    add(&queue, specs("h", 0..1)).await.unwrap();
    let claim = claim_one(&queue, "h", 0).await;
    let progress = Progress { durable: 4096, boot_id: "b".to_owned(), ..Progress::default() };
    queue.checkpoint(JobId(1), progress.clone()).await.unwrap();
    queue.settle(claim, Settlement::Release { attempt: None, progress: None }).await.unwrap();
    assert_eq!(claim_one(&queue, "h", 0).await.job().record.progress, Some(progress));
    assert!(matches!(queue.checkpoint(JobId(9), Progress::default()).await, Err(QueueError::NoSuchJob(JobId(9)))));
    let host = HostKey { host: "[::1]".to_owned(), port: 2121 };
    let facts = HostFacts { connection_limit: Some(2), ..HostFacts::default() };
    queue.set_facts(host.clone(), facts.clone()).await.unwrap();
    assert_eq!(queue.facts(&host).await.unwrap(), Some(facts.clone()));
    assert_eq!(queue.all_facts().await.unwrap(), [(host, facts)]);
    let source: Source = "ftp://h/pub/0.gz".parse().unwrap();
    assert_eq!(queue.get(JobId(1)).await.unwrap().unwrap().spec.source, source);
}

/// The classes of lengths outlive a restart; packs of a version that had none are worked on by number.
#[tokio::test]
async fn the_order_of_work_is_stored_and_may_be_missing() {
    for (is_kept, order) in [(true, [3, 2, 1]), (false, [1, 2, 3])] {
        let dir = tempfile::tempdir().unwrap();
        let (queue, _) = Queue::open(dir.path()).unwrap();
        add(&queue, of_lengths(&[1, 20, 400])).await.unwrap();
        queue.close().await.unwrap();
        if !is_kept {
            let mut store = sled_store::SledStore::open(&dir.path().join("store")).unwrap();
            let key = keys::numbered(keys::CLASSES, 1);
            assert!(backend::Backend::get(&store, &key).unwrap().is_some());
            backend::Backend::apply(&mut store, &backend::Batch::from([(key, None)])).unwrap();
            backend::Backend::sync(&mut store).unwrap();
        }
        let (queue, report) = Queue::open(dir.path()).unwrap();
        assert_eq!(report, OpenReport::default());
        assert_eq!(claimed(&queue, 9, None, 0).await, order);
        queue.close().await.unwrap();
        // The same from manifests and journal.
        std::fs::remove_dir_all(dir.path().join("store")).unwrap();
        let (queue, _) = Queue::open(dir.path()).unwrap();
        assert_eq!(claimed(&queue, 9, None, 0).await, [3, 2, 1]);
    }
}

/// A manifest that names hosts in turns is compared pack by pack, not line by line.
#[tokio::test]
async fn a_manifest_added_again_unpacks_each_pack_once_a_part() {
    let queue = Queue::in_memory();
    let hosts = |n: u64| format!("h{}", n % 150);
    let mixed: Vec<JobSpec> = (0..6000).map(|n| specs(&hosts(n), n..n + 1).remove(0)).collect();
    add(&queue, mixed.clone()).await.unwrap();
    assert_eq!(add(&queue, mixed).await.unwrap().known, ids(1..=6000));
    let unpacked = queue.ask(|books| Ok(books.unpacked.count)).await.unwrap();
    assert_eq!(unpacked, 150);
}

/// A value of a later version is refused by its number, and nothing is rebuilt over it.
#[tokio::test]
async fn a_queue_of_a_later_version_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    Queue::open(dir.path()).unwrap().0.close().await.unwrap();
    let mut store = sled_store::SledStore::open(&dir.path().join("store")).unwrap();
    let mut value = vec![9];
    value.extend_from_slice(&crc32fast::hash(b"\x09later").to_be_bytes());
    value.extend_from_slice(b"later");
    backend::Backend::apply(&mut store, &backend::Batch::from([(keys::meta(), Some(value))])).unwrap();
    backend::Backend::sync(&mut store).unwrap();
    drop(store);
    for _ in 0..2 {
        let error = Queue::open(dir.path()).err().unwrap();
        assert!(matches!(error, QueueError::Newer { found: 9, known: 1, .. }), "{error:?}");
    }
    assert!(!dir.path().join("store.damaged-1").exists());
}

/// A journal that is mostly history is rewritten, and the queue can be rebuilt from the new one.
#[tokio::test]
async fn a_journal_of_mostly_history_is_rewritten() {
    let dir = tempfile::tempdir().unwrap();
    let (queue, _) = Queue::open(dir.path()).unwrap();
    add(&queue, specs("h", 0..3)).await.unwrap();
    let text = "x".repeat(60_000);
    for durable in 0..60 {
        let progress = Progress { durable, boot_id: text.clone(), ..Progress::default() };
        queue.checkpoint(JobId(2), progress).await.unwrap();
    }
    let before = queue.get(JobId(2)).await.unwrap();
    queue.close().await.unwrap();
    let size = std::fs::metadata(dir.path().join("journal.jsonl")).unwrap().len();
    assert!(size < 2_000_000, "{size}");
    std::fs::remove_dir_all(dir.path().join("store")).unwrap();
    let (queue, report) = Queue::open(dir.path()).unwrap();
    assert!(report.rebuilt);
    assert_eq!(queue.get(JobId(2)).await.unwrap(), before);
    assert_eq!(all(&queue).await.queued, 3);
}

/// Two commands read one tree into two places: what is left of one is not counted as left of the other.
#[tokio::test]
async fn a_tree_is_counted_for_its_own_command_alone() {
    let queue = Queue::in_memory();
    let folder = |into: &str, below: &str, asked: u64| {
        let mut job = spec(&format!("ftp://h/d/{below}"), &format!("{into}/{below}x"));
        job.folder = Some(Box::new(Folder { below: below.to_owned(), asked, ..Folder::default() }));
        job
    };
    add(&queue, vec![folder("a", "", 1), folder("a", "sub/", 1)]).await.unwrap();
    for claim in queue.claim(&account("ftp://h"), 9, None, 0).await.unwrap() {
        queue.settle(claim, done()).await.unwrap();
    }
    assert_eq!(queue.tree_size(1).await.unwrap().folders, 1);
    add(&queue, vec![folder("b", "", 2)]).await.unwrap();
    assert_eq!(queue.tree_size(1).await.unwrap().folders, 1);
}
