//! One more look at a file on the server after its last byte: only a file that was the same before its first byte and after its
//! last is one version of it. Where commands may go ahead, the question travels with those about the next file.

use super::link::Link;
use super::task::{Halt, Run, on_disk};
use super::whole::Ready;
use crate::disk::Place;
use crate::model::{Cause, Failure, FailureKind, Identity, RemotePath, Stability, Stage, TransferType, printable};
use crate::policy::{Sameness, compare, unix_seconds};
use crate::wire::text_says_denied;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Questions that travel with those about a file that is about to be fetched.
const ALONG: usize = 4;
/// A question over which so many sessions failed is left to the file's next attempt.
const FAILURES: u8 = 2;
/// Questions in one write when nothing else is to be asked.
const TOGETHER: usize = 32;
/// After so many looks at a file that was always written to just now, the server's times are looked into.
pub const LOOKS: u32 = 3;
/// A file that is gone after its last byte counts where it had not been written to for so long before its first.
const OLD: Duration = Duration::from_secs(60);

/// What the server says of a file after its last byte.
pub(super) type Answer = Result<Identity, Failure>;

/// Files of one account that the server is to be asked about once more. Any of the account's sessions may ask.
#[derive(Clone, Debug, Default)]
pub struct Rechecks {
    waiting: Arc<Mutex<VecDeque<Question>>>,
}

/// A question about a file. Dropped without an answer, it was not asked.
#[derive(Debug)]
pub(super) struct Question {
    path: RemotePath,
    answer: oneshot::Sender<Answer>,
    /// Sessions that failed over it.
    failures: u8,
    /// When it was put.
    since: Instant,
}

impl Rechecks {
    /// Whether no question waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// For how long the oldest question waits.
    #[must_use]
    pub fn since(&self) -> Duration {
        self.lock().front().map_or(Duration::ZERO, |question| question.since.elapsed())
    }

    /// Lets go of all questions, since nobody will put them.
    pub fn forget(&self) {
        self.lock().clear();
    }

    /// Takes a question; whoever asked is told the answer.
    pub(super) fn put(&self, path: RemotePath) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        self.lock().push_back(Question { path, answer, failures: 0, since: Instant::now() });
        answered
    }

    /// The questions that may travel with those about another file.
    pub(super) fn take_along(&self) -> Vec<Question> {
        self.take(ALONG)
    }

    /// Hands on the answers to questions, in their order. One over which the session failed is put once more; one that was
    /// not asked waits on.
    pub(super) fn answer(&self, questions: Vec<Question>, answers: Vec<Option<Answer>>) {
        for (mut question, answer) in questions.into_iter().zip(answers) {
            match answer {
                Some(Err(failure)) if failure.kind == FailureKind::Transient => {
                    question.failures += 1;
                    if question.failures < FAILURES {
                        self.lock().push_back(question);
                    }
                }
                // Whoever asked may have been stopped.
                Some(answer) => drop(question.answer.send(answer)),
                None => self.lock().push_back(question),
            }
        }
    }

    fn take(&self, most: usize) -> Vec<Question> {
        let mut waiting = self.lock();
        let count = most.min(waiting.len());
        // Nobody waits for the answer any more where a worker was stopped.
        waiting.drain(..count).filter(|question| !question.answer.is_closed()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Question>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The paths of questions, in their order.
pub(super) fn paths(questions: &[Question]) -> Vec<&RemotePath> {
    questions.iter().map(|question| &question.path).collect()
}

/// Asks all that waits for the account of a session that has nothing else to do. Those that can't be asked go unanswered.
pub async fn recheck(link: &mut Link) {
    let rechecks = link.rechecks().clone();
    loop {
        let questions = rechecks.take(TOGETHER);
        if questions.is_empty() {
            return;
        }
        let Ok(session) = link.session().await else {
            let none = questions.iter().map(|_| None).collect();
            return rechecks.answer(questions, none);
        };
        let answers = session.inspect_all(&paths(&questions)).await;
        rechecks.answer(questions, answers.into_iter().map(Some).collect());
    }
}

impl Run<'_> {
    /// Asks now whether the file is still the same, or has the question travel with the next file's: then its answer is
    /// to be waited for before the file gets its name.
    pub(super) async fn look_again(
        &mut self,
        ready: &mut Ready,
        link: &mut Link,
    ) -> Result<Option<oneshot::Receiver<Answer>>, Halt> {
        if ready.stability.is_some() {
            return Ok(None);
        }
        if ready.remote == Identity::default() {
            ready.stability = Some(Stability::Untold);
            return Ok(None);
        }
        if self.is_continued(&ready.remote) && link.may_ask_along(self.path()) {
            return Ok(Some(link.rechecks().put(self.path().clone())));
        }
        let answer = self.inspect(link).await.map_or_else(as_answer, |now| Ok(Ok(now)))?;
        ready.stability = Some(self.judge_again(&ready.remote, answer)?);
        Ok(None)
    }

    /// Whether the next attempt would go on with what is there, and need nothing but the answer.
    fn is_continued(&self, remote: &Identity) -> bool {
        self.kind() == TransferType::Image
            && self.task.settings.resume != Some(false)
            && self.wanted_size(remote).is_some_and(|size| size > 0)
    }

    /// What the server's last word on the file shows.
    pub(super) fn judge_again(&mut self, before: &Identity, answer: Answer) -> Result<Stability, Halt> {
        let now = match answer {
            Ok(now) => now,
            Err(failure) if self.tells_absence(&failure) => return self.judge_gone(before, failure),
            Err(failure) => return Err(failure.into()),
        };
        match compare(before, &now) {
            Sameness::Same => Ok(told(&now)),
            Sameness::Moved(changes) => {
                self.note_move(before, &now);
                let message = format!("the file changed on the server while it was fetched: {changes}");
                Err(moved(message).into())
            }
            Sameness::Untold(what) => {
                Err(moved(format!("{what}, so nothing shows that the file did not change while it was fetched")).into())
            }
        }
    }

    /// Whether the server says that there is no such file, and does not rather refuse it.
    fn tells_absence(&self, failure: &Failure) -> bool {
        let is_denied = failure.reply.as_ref().is_some_and(|reply| text_says_denied(reply, self.path().as_bytes()));
        failure.kind == FailureKind::Permanent && failure.cause == Cause::Missing && !is_denied
    }

    /// What follows where the file is gone: one that was at rest before was not being written.
    fn judge_gone(&mut self, before: &Identity, failure: Failure) -> Result<Stability, Halt> {
        let rests = match before.modified.as_deref().and_then(unix_seconds) {
            Some(modified) => {
                let clock = self.task.findings.clock(&self.source().account().host_key());
                clock.until_settled(modified, self.now(), OLD).is_none()
            }
            None => before.size.is_some(),
        };
        if rests {
            self.add_note("the file was gone from the server after its last byte");
            return Ok(Stability::Gone);
        }
        let message = "the file was gone from the server after its last byte, and had been written to just before: nothing \
                       shows that it was whole";
        let failure = Failure { message: message.to_owned(), stage: Stage::Verify, ..failure };
        Err(failure
            .with_advice("what came is kept in the part file; look on the server whether the file was renamed")
            .into())
    }

    /// Takes note of what a file that moved shows of the server's clock.
    fn note_move(&self, before: &Identity, now: &Identity) {
        if let Some(modified) = now.modified.as_deref().and_then(unix_seconds)
            && before.modified != now.modified
        {
            self.task.findings.note_written(self.source().account().host_key(), modified, self.now());
        }
    }

    /// Waits for the answer to the question that travelled with another file's.
    pub(super) async fn hear_again(
        &mut self,
        before: &Identity,
        answered: oneshot::Receiver<Answer>,
    ) -> Result<Stability, Halt> {
        match self.or_stop(answered).await? {
            Ok(answer) => self.judge_again(before, answer),
            // The session is gone, and with it the question: the next attempt asks it first of all.
            Err(_) => Err(Halt::Stopped),
        }
    }

    /// Keeps what came of a file that has no name yet, for the next attempt to go on with; nothing where it may be of two
    /// versions.
    pub(super) fn keep_unnamed(&mut self, place: &Place, ready: Ready, halt: Halt) -> Halt {
        let kept = match &halt {
            Halt::Failed(failure) if failure.cause == Cause::Changed => {
                self.progress = None;
                self.gained = 0;
                on_disk(Stage::Store, || if place.part_file()?.is_some() { place.remove_part() } else { Ok(()) })
            }
            _ => self.keep_content(place, ready),
        };
        match kept {
            Ok(()) => halt,
            Err(other) => other,
        }
    }

    /// How long a file is to be left alone on the server before it is fetched.
    pub(super) fn min_age(&self) -> Duration {
        Duration::from_secs(self.task.settings.min_age.unwrap_or(0).into())
    }

    /// How long a file is to be left alone yet, so that it can't be written to again within the second that its time tells.
    fn until_settled(&self, remote: &Identity) -> Option<Duration> {
        let least = self.min_age();
        let modified = remote.modified.as_deref().and_then(unix_seconds)?;
        self.task.findings.clock(&self.source().account().host_key()).until_settled(modified, self.now(), least)
    }

    /// Fails where the file was written to a moment ago, and says when to come back.
    pub(super) fn let_settle(&mut self, remote: &Identity) -> Result<(), Halt> {
        self.pause = self.until_settled(remote);
        if self.pause.is_none() {
            return Ok(());
        }
        let message = format!(
            "still being written on the server, it seems: its time is {}, and --min-age asks for {} s without a change",
            printable(remote.modified.as_deref().unwrap_or_default(), 40),
            self.min_age().as_secs()
        );
        Err(Halt::Failed(Failure { stage: Stage::Inspect, ..moved(message) }))
    }

    /// Whether the server's times may move by themselves: the file's did while it was fetched, or it is always told that the
    /// file was written just now.
    pub(super) fn doubts_time(&self, remote: &Identity) -> bool {
        let record = &self.task.job.record;
        let changed = record.failure.as_ref().filter(|failure| failure.cause == Cause::Changed);
        let host = self.source().account().host_key();
        changed.is_some_and(|failure| failure.stage == Stage::Verify)
            || self.until_settled(remote).is_some()
                && (self.task.findings.has_moving_times(&host) || changed.is_some() && record.fruitless >= LOOKS)
    }

    pub(super) fn now(&self) -> i64 {
        i64::try_from((self.task.now)()).unwrap_or(i64::MAX)
    }
}

/// A failure of the question itself, as its answer.
pub(super) fn as_answer(halt: Halt) -> Result<Answer, Halt> {
    match halt {
        Halt::Failed(failure) => Ok(Err(failure)),
        halt => Err(halt),
    }
}

/// What it shows that a file's identity is still the same.
pub(super) fn told(identity: &Identity) -> Stability {
    match (&identity.size, &identity.modified) {
        (Some(_), Some(_)) => Stability::SizeAndTime,
        (Some(_), None) => Stability::Size,
        (None, Some(_)) => Stability::Time,
        (None, None) => Stability::Untold,
    }
}

fn moved(message: String) -> Failure {
    Failure::transient(Stage::Verify, Cause::Changed, message).with_advice("it is fetched once it is left alone")
}
