//! What a folder holds becomes jobs, while the folder is being read.

use super::books::Books;
use super::intake::{Packer, same_place, same_source};
use super::journal::Entry;
use super::{Queue, QueueError, order, pack};
use crate::model::{Clash, Folder, Job, JobId, JobRecord, JobSpec, JobState, Listed, Move, Receipt};
use std::collections::HashMap;

/// What became of a job that a folder gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is a new one.
    New(JobId),
    /// It was there already: same source, same destination.
    Known(Box<Known>),
    /// Another source has its destination; it was not taken.
    Clash(Box<Clash>),
}

/// A job that was there already, and what was known of it before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its number.
    pub id: JobId,
    /// Where it stands.
    pub state: JobState,
    /// What a listing said of the file when it was fetched last.
    pub listed: Option<Listed>,
    /// Proof of success.
    pub receipt: Option<Receipt>,
    /// What a listing told is still to be compared with the file here.
    pub compare: bool,
    /// When its last attempt began, in seconds since 1970-01-01 UTC.
    pub tried_at: Option<u64>,
    /// When the last attempt ended.
    pub ended_at: Option<u64>,
    /// A folder's rules.
    pub folder: Option<Box<Folder>>,
}

/// What is to be kept of a known file after its folder was read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The job.
    pub id: JobId,
    /// What the listing says of the file now.
    pub listed: Option<Listed>,
    /// Whether it is to be looked at again: asked about, or fetched.
    pub again: bool,
    /// Whether it was done.
    pub was_done: bool,
    /// How it tells otherwise than an earlier one.
    pub change: ListingChange,
}

/// How a listing tells otherwise of a file than an earlier one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListingChange {
    /// Not at all.
    #[default]
    None,
    /// In what a clock that was set anew explains, or by being the first: the file is to be compared.
    Doubt,
    /// In what tells of another content.
    Content,
}

/// While this lives, the queue keeps in memory which job has which destination.
pub struct Reading(Queue);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.tell(|books| {
            books.readers = books.readers.saturating_sub(1);
            books.drop_destinations();
        });
    }
}

impl Queue {
    /// Keeps the destinations of all jobs in memory from the next [`Queue::admit`] on: some 30 bytes a job.
    ///
    /// # Errors
    /// When the queue is closed or broken.
    pub async fn read_folders(&self) -> Result<Reading, QueueError> {
        self.ask(|books| {
            books.readers += 1;
            Ok(())
        })
        .await?;
        Ok(Reading(self.clone()))
    }

    /// Takes in what a folder gave, as one change that is durable on return; waits for an open intake. Tells of each
    /// job what became of it, in their order. A folder that is known from an earlier wish is queued again.
    ///
    /// # Errors
    /// When it could not be made durable; then nothing was taken.
    pub async fn admit(&self, jobs: Vec<JobSpec>) -> Result<Vec<Admission>, QueueError> {
        let _turn = self.turn().await?;
        self.ask(move |books| books.admit(jobs)).await
    }

    /// Which jobs have these destinations, whatever their source; nothing is changed.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn at_places(&self, jobs: Vec<JobSpec>) -> Result<Vec<JobId>, QueueError> {
        self.ask(move |books| books.at_places(&jobs)).await
    }

    /// Takes in jobs with their state and story, under numbers of their own: for a queue in memory that stands for
    /// another one.
    ///
    /// # Errors
    /// When the queue is closed.
    pub async fn restore(&self, jobs: Vec<Job>) -> Result<(), QueueError> {
        let _turn = self.turn().await?;
        self.ask(move |books| books.restore(jobs)).await
    }

    /// Keeps what a listing says of known files now, and queues again what is to be fetched again; durable on return.
    ///
    /// # Errors
    /// When it could not be made durable.
    pub async fn renew(&self, renewals: Vec<Renewal>) -> Result<(), QueueError> {
        self.ask(move |books| renewals.into_iter().try_for_each(|renewal| books.renew(renewal))).await
    }
}

impl Books {
    /// Lets the destinations go, unless folders are being read.
    pub(super) fn drop_destinations(&mut self) {
        if self.readers == 0 {
            self.destinations = None;
        }
    }

    fn admit(&mut self, jobs: Vec<JobSpec>) -> Result<Vec<Admission>, QueueError> {
        if self.destinations.is_none() {
            self.destinations = Some(self.load_destinations()?);
        }
        let hashes: Vec<u64> = jobs.iter().map(pack::hash).collect();
        let mut found = self.occupied(&jobs, &hashes)?;
        let mut fresh: HashMap<u64, Vec<(u64, JobSpec)>> = HashMap::new();
        let mut admissions = Vec::with_capacity(jobs.len());
        let mut packer: Option<Packer> = None;
        let mut next = self.numbers.next_id;
        for ((at, spec), hash) in jobs.into_iter().enumerate().zip(hashes) {
            let known = match found.remove(&at) {
                Some((id, other)) => Some((id, other)),
                None => {
                    fresh.get(&hash).and_then(|all| all.iter().find(|(_, other)| same_place(&spec, other))).cloned()
                }
            };
            if let Some((id, other)) = known {
                admissions.push(self.known(id, &other, spec)?);
                continue;
            }
            let account = spec.source.account();
            if let Some(full) = packer.as_mut().filter(|p| !p.takes(&spec)) {
                self.stage_pack(full)?;
                if full.account() != account {
                    packer = None;
                }
            }
            let text = self.text(&spec)?;
            let pack = packer.get_or_insert_with(|| Packer::new(account.clone(), next));
            pack.push(text, hash, order::of(&spec));
            pack.note_mirrors(&spec);
            if let Some(map) = &mut self.destinations {
                map.insert(hash, next);
            }
            fresh.entry(hash).or_default().push((next, spec));
            admissions.push(Admission::New(JobId(next)));
            next += 1;
        }
        if let Some(mut rest) = packer.filter(|packer| !packer.is_empty()) {
            self.stage_pack(&mut rest)?;
        }
        self.drop_destinations();
        Ok(admissions)
    }

    /// Stages a pack of new jobs, and makes them known.
    fn stage_pack(&mut self, packer: &mut Packer) -> Result<(), QueueError> {
        let batch = packer.seal().map_err(|e| self.broken(&e))?;
        let (first, last) = (packer.first(), packer.first() + packer.len().saturating_sub(1));
        if self.keeper.is_some() {
            let jobs = batch.get(&super::keys::numbered(super::keys::JOBS, first)).cloned().flatten();
            let jobs = pack::to_hex(&jobs.unwrap_or_default());
            self.stage_entry(Entry::Admitted { first, last, jobs });
        }
        self.stage_values(batch);
        packer.close().publish(&mut self.index);
        self.numbers.next_id = last + 1;
        Ok(())
    }

    /// Which of the jobs have their place already, by position: the job there, and what is asked for in it.
    fn occupied(&mut self, jobs: &[JobSpec], hashes: &[u64]) -> Result<HashMap<usize, (u64, JobSpec)>, QueueError> {
        let mut found = HashMap::new();
        for (id, at) in self.candidates(hashes, None) {
            let Some(job) = jobs.get(at) else { continue };
            let other = self.spec(id)?;
            if same_place(job, &other) {
                found.insert(at, (id, other));
            }
        }
        Ok(found)
    }

    fn known(&mut self, id: u64, other: &JobSpec, spec: JobSpec) -> Result<Admission, QueueError> {
        if let Err(error) = same_source(&spec, other, id) {
            return match error {
                QueueError::Clash(clash) => Ok(Admission::Clash(clash)),
                other => Err(other),
            };
        }
        let Some(stored) = self.index.state(id) else { return Err(QueueError::NoSuchJob(JobId(id))) };
        let (record, _) = self.record(id)?;
        if let Some(rules) = spec.folder {
            self.read_again(&[(id, rules)])?;
        }
        Ok(Admission::Known(Box::new(Known {
            id: JobId(id),
            state: self.effective(id, stored),
            listed: record.listed.or_else(|| other.listed.clone()),
            receipt: record.receipt,
            compare: record.compare,
            tried_at: record.history.last().map(|attempt| attempt.started_at),
            ended_at: record.history.last().map(|attempt| attempt.ended_at),
            folder: record.folder.or_else(|| other.folder.clone()),
        })))
    }

    /// Queues folders again that were read, or could not be, for an earlier wish. One that is still to be read keeps the
    /// wider of two wishes.
    pub(super) fn read_again(&mut self, folders: &[(u64, Box<Folder>)]) -> Result<(), QueueError> {
        for (id, rules) in folders {
            let id = *id;
            let Some(stored) = self.index.state(id) else { continue };
            let (mut record, _) = self.record(id)?;
            let before = match &record.folder {
                Some(before) => before.clone(),
                None => self.spec(id)?.folder.unwrap_or_default(),
            };
            if before.asked >= rules.asked {
                continue;
            }
            let mut rules = rules.clone();
            let is_over = matches!(stored, JobState::Done | JobState::Failed);
            if !is_over {
                rules.newer = before.newer.and_then(|old| rules.newer.map(|new| old.min(new)));
            }
            record.folder = Some(rules);
            if is_over {
                (record.fruitless, record.not_before, record.receipt) = (0, None, None);
            }
            self.stage_job(id, if is_over { JobState::Queued } else { stored }, record)?;
        }
        Ok(())
    }

    fn restore(&mut self, jobs: Vec<Job>) -> Result<(), QueueError> {
        let (specs, rest): (Vec<_>, Vec<_>) = jobs.into_iter().map(|job| (job.spec, (job.state, job.record))).unzip();
        for (admission, (state, record)) in self.admit(specs)?.into_iter().zip(rest) {
            let Admission::New(id) = admission else { continue };
            let state = if state == JobState::Running { JobState::Queued } else { state };
            if state != JobState::Queued || record != JobRecord::default() {
                self.stage_job(id.0, state, record)?;
            }
        }
        Ok(())
    }

    fn at_places(&mut self, jobs: &[JobSpec]) -> Result<Vec<JobId>, QueueError> {
        if self.destinations.is_none() {
            self.destinations = Some(self.load_destinations()?);
        }
        let hashes: Vec<u64> = jobs.iter().map(pack::hash).collect();
        let found = self.occupied(jobs, &hashes)?;
        self.drop_destinations();
        Ok(found.into_values().map(|(id, _)| JobId(id)).collect())
    }

    fn renew(&mut self, renewal: Renewal) -> Result<(), QueueError> {
        let Renewal { id, listed, again, change, .. } = renewal;
        let Some(stored) = self.index.state(id.0) else { return Ok(()) };
        let (before, _) = self.record(id.0)?;
        let mut record = before.clone();
        let mut to = stored;
        // One in a worker's hands is being fetched anyway.
        if again && let Ok(queued) = self.effective(id.0, stored).apply(Move::Retry) {
            (record.fruitless, record.not_before, record.replace) = (0, None, false);
            to = queued;
        }
        // Once the new word is stored, nothing else tells of the difference.
        record.compare |= change != ListingChange::None && record.receipt.is_some();
        record.other_content |= record.compare && change == ListingChange::Content;
        if listed.is_some() {
            record.listed = listed;
        }
        if to == stored && record == before { Ok(()) } else { self.stage_job(id.0, to, record) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Destination, IdSet, Selection, Source};
    use crate::queue::tests::{account, add, attempt, done, spec, specs};

    fn folder(url: &str, rules: Folder) -> JobSpec {
        let source = Source::parse_any(url).unwrap().0;
        JobSpec { folder: Some(Box::new(rules)), ..JobSpec::new(source, Destination::folder("/data").unwrap()) }
    }

    fn asked(asked: u64) -> Folder {
        Folder { asked, ..Folder::default() }
    }

    fn news(admissions: &[Admission]) -> Vec<u64> {
        admissions.iter().filter_map(|one| if let Admission::New(id) = one { Some(id.0) } else { None }).collect()
    }

    #[tokio::test]
    async fn what_is_known_is_told_and_a_clash_stops_nothing_else() {
        let queue = Queue::in_memory();
        add(&queue, vec![spec("ftp://h/a", "a")]).await.unwrap();
        let told = queue
            .admit(vec![spec("ftp://h/b", "b"), spec("ftp://h/a", "a"), spec("ftp://h/x", "a"), spec("ftp://h/y", "b")])
            .await
            .unwrap();
        assert_eq!(news(&told), [2]);
        assert!(matches!(&told[1], Admission::Known(known) if known.id == JobId(1)), "{told:?}");
        assert!(matches!(&told[2], Admission::Clash(clash) if clash.job == JobId(1)), "{told:?}");
        assert!(
            matches!(&told[3], Admission::Clash(clash) if clash.job == JobId(2)),
            "one of the same batch: {told:?}"
        );
        let again = queue.admit(vec![spec("ftp://h/b", "b"), spec("ftp://h/c", "c")]).await.unwrap();
        assert_eq!(news(&again), [3]);
    }

    /// A crash may come at any time: what was admitted is there, in the store and in what it is rebuilt from.
    #[tokio::test]
    async fn what_was_admitted_outlives_the_process_and_the_store() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Queue::open(dir.path()).unwrap();
        let (queue, _) = open();
        add(&queue, specs("g", 0..3)).await.unwrap();
        queue.admit(specs("h", 0..300)).await.unwrap();
        add(&queue, specs("i", 0..3)).await.unwrap();
        queue.admit(vec![folder("ftp://h/d/", asked(1))]).await.unwrap();
        let claim = queue.claim(&account("ftp://h"), 1, None, 1).await.unwrap().pop().unwrap();
        queue.settle(claim, done()).await.unwrap();
        let selection = Selection { ids: Some([JobId(5)].into_iter().collect()), ..Selection::default() };
        queue.change(selection, crate::model::Change::Remove).await.unwrap();
        let all = |queue: Queue| async move { queue.list(Selection::default(), None, 1000).await.unwrap() };
        let before = all(queue.clone()).await;
        queue.close().await.unwrap();
        let (queue, report) = open();
        assert_eq!((all(queue.clone()).await == before, report.notices), (true, Vec::new()));
        queue.close().await.unwrap();
        std::fs::remove_dir_all(dir.path().join("store")).unwrap();
        let (queue, report) = open();
        assert!(report.rebuilt && report.notices.len() == 1, "{report:?}");
        let after = all(queue.clone()).await;
        assert_eq!(after.len(), 306);
        assert!(after == before, "other jobs than before");
        queue.close().await.unwrap();
        let (queue, report) = open();
        assert_eq!((all(queue).await.len(), report.notices), (306, Vec::new()));
    }

    #[tokio::test]
    async fn several_folders_go_into_one_place_and_rules_tell_them_apart() {
        let queue = Queue::in_memory();
        let nc = Folder { pattern: Some("*.nc".to_owned()), asked: 1, ..Folder::default() };
        let jobs = vec![folder("ftp://h/d/", asked(1)), folder("ftp://h/e/", asked(1)), folder("ftp://h/d/", nc)];
        assert_eq!(news(&queue.admit(jobs.clone()).await.unwrap()), [1, 2, 3]);
        assert_eq!(add(&queue, jobs).await.unwrap().known.len(), 3);
    }

    /// A done folder is read again for a new wish, and not for the one for which it was read.
    #[tokio::test]
    async fn a_done_folder_is_queued_again_by_a_later_wish_alone() {
        let queue = Queue::in_memory();
        let newer = |asked, newer| Folder { asked, newer: Some(newer), ..Folder::default() };
        add(&queue, vec![folder("ftp://h/d/", newer(5, 100))]).await.unwrap();
        let claim = queue.claim(&account("ftp://h"), 1, None, 1).await.unwrap().pop().unwrap();
        queue.settle(claim, done()).await.unwrap();
        let state = || async { queue.get(JobId(1)).await.unwrap().unwrap() };
        queue.admit(vec![folder("ftp://h/d/", newer(5, 200))]).await.unwrap();
        assert_eq!(state().await.state, JobState::Done);
        add(&queue, vec![folder("ftp://h/d/", newer(6, 300))]).await.unwrap();
        let job = state().await;
        assert_eq!((job.state, job.spec.folder.unwrap().newer), (JobState::Queued, Some(300)));
        // Not read yet: both wishes hold.
        add(&queue, vec![folder("ftp://h/d/", newer(7, 400))]).await.unwrap();
        assert_eq!(state().await.spec.folder.unwrap().newer, Some(300));
    }

    #[tokio::test]
    async fn folders_are_counted_apart_and_leave_room_for_files() {
        let queue = Queue::in_memory();
        let folders: Vec<JobSpec> = (0..10).map(|n| folder(&format!("ftp://h/{n}/"), asked(1))).collect();
        queue.admit(folders).await.unwrap();
        queue.admit(specs("h", 0..20)).await.unwrap();
        let counts = queue.counts(Selection::default()).await.unwrap();
        assert_eq!((counts.left(), counts.folders, counts.files_left()), (30, 10, 20));
        let claims = queue.claim(&account("ftp://h"), 8, None, 1).await.unwrap();
        let ids: Vec<u64> = claims.iter().map(|claim| claim.job().id.0).collect();
        assert_eq!(ids, [1, 2, 11, 12, 13, 14, 15, 16]);
        for claim in claims {
            queue.settle(claim, done()).await.unwrap();
        }
        let only: IdSet = (1..=10).map(JobId).collect();
        let selection = Selection { ids: Some(only), ..Selection::default() };
        assert_eq!(queue.counts(selection).await.unwrap().folders, 8);
        assert_eq!(queue.claim(&account("ftp://h"), 30, None, 1).await.unwrap().len(), 22);
    }

    #[tokio::test]
    async fn a_renewed_file_is_queued_again_with_what_the_listing_says_now() {
        let queue = Queue::in_memory();
        queue.admit(specs("h", 0..2)).await.unwrap();
        for claim in queue.claim(&account("ftp://h"), 2, None, 1).await.unwrap() {
            queue.settle(claim, done()).await.unwrap();
        }
        let listed = Some(Listed { size: Some(9), ..Listed::default() });
        let renewal = |id, again| Renewal {
            id: JobId(id),
            listed: listed.clone(),
            again,
            was_done: true,
            change: ListingChange::None,
        };
        queue.renew(vec![renewal(1, true), renewal(2, false)]).await.unwrap();
        let told = queue.admit(specs("h", 0..2)).await.unwrap();
        let known: Vec<&Known> = told
            .iter()
            .map(|one| if let Admission::Known(known) = one { &**known } else { panic!("{one:?}") })
            .collect();
        assert_eq!((known[0].state, known[1].state), (JobState::Queued, JobState::Done));
        // What is here is proved until the server was asked.
        assert!(known.iter().all(|known| known.receipt.is_some()), "{known:?}");
        assert!(known.iter().all(|known| known.listed == listed), "{known:?}");
        assert_eq!(known[0].ended_at, Some(attempt(0, false).ended_at));
    }

    /// Whoever takes in a list gives jobs numbers that are not published yet: folders have to wait.
    #[tokio::test]
    async fn folders_wait_for_an_open_intake() {
        let queue = Queue::in_memory();
        let mut intake = queue.begin_add().await.unwrap();
        intake.push(specs("h", 0..2)).await.unwrap();
        let admit = queue.admit(specs("h", 1..3));
        let mut admit = std::pin::pin!(admit);
        let early = tokio::time::timeout(std::time::Duration::from_millis(50), &mut admit).await;
        assert!(early.is_err(), "it went ahead");
        intake.accept().await.unwrap();
        assert_eq!(news(&admit.await.unwrap()), [3]);
    }
}
