//! What happened to a job: its attempts, what is kept of them, and how its sources failed.

use super::{Expectation, Failure, Folder, Listed, Progress, Receipt, Source};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One try at a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attempt {
    /// When it began, in seconds since 1970-01-01 UTC.
    pub started_at: u64,
    /// When it ended.
    pub ended_at: u64,
    /// Offset in bytes it began at.
    pub from: u64,
    /// Bytes it got over the network, those of the overlap included.
    pub fetched: u64,
    /// Bytes by which it brought the file further.
    #[serde(default)]
    pub gained: u64,
    /// Milliseconds it took by a clock that nobody sets; 0 in attempts of versions that did not tell.
    #[serde(default)]
    pub millis: u64,
    /// Why it began where it began, where that needs a reason: a restart, an overlap that differed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Why it failed; nothing when it finished the file or was stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Where it got the file from, where the job has mirrors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Box<Source>>,
}

/// How one of several sources of a job failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceTrouble {
    /// The source.
    pub source: Source,
    /// Attempts in a row that failed with it; no more than one once any source brought the file further since.
    pub failures: u32,
    /// The last failure.
    pub failure: Failure,
}

impl Attempt {
    /// What an attempt has to gain more than, in bytes, to count as progress: what one resume costs in overlap. A server that hands out less
    /// on each connection would otherwise be tried for ever.
    pub const LEAST_GAIN: u64 = 16 * 1024;

    /// Whether the attempt brought the file far enough to begin counting failures anew.
    #[must_use]
    pub fn is_fruitful(&self) -> bool {
        self.gained > Self::LEAST_GAIN
    }

    /// Milliseconds it took, by the time of day where that is all that is known.
    #[must_use]
    pub fn took(&self) -> u64 {
        if self.millis > 0 { self.millis } else { self.ended_at.saturating_sub(self.started_at).saturating_mul(1000) }
    }
}

/// From when to when a job waits, in seconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wait {
    /// When it began.
    pub since: u64,
    /// When the job can be tried again.
    pub until: u64,
}

impl Wait {
    /// Whether it is over: at its end, or where it would only begin later than now, and more than the second or two by which
    /// clocks are put right. Then the clock was set back since, nobody knows by how much.
    #[must_use]
    pub fn is_over(self, now: u64) -> bool {
        self.until <= now || self.since > now.saturating_add(2)
    }
}

/// What happened to a job so far. A job that was never touched has none stored. Its names in JSON are none of [`JobSpec`]'s:
/// the two stand side by side in a [`Job`].
///
/// [`JobSpec`]: super::JobSpec
/// [`Job`]: super::Job
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobRecord {
    /// Attempts in a row that failed without bringing the file further.
    #[serde(default)]
    pub fruitless: u32,
    /// All attempts that were made.
    #[serde(default)]
    pub attempts: u32,
    /// A waiting job is not tried before this time, in seconds since 1970-01-01 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<u64>,
    /// The unfinished file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// The last failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Bytes that came over the network in all attempts, and the milliseconds these took.
    #[serde(default)]
    pub fetched: u64,
    /// Milliseconds that all attempts took.
    #[serde(default)]
    pub millis: u64,
    /// What the latest listing said of the file, where that is not what the job was made from.
    #[serde(default, rename = "listed_now", alias = "listed", skip_serializing_if = "Option::is_none")]
    pub listed: Option<Listed>,
    /// How its sources failed, where it has mirrors: one entry each at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<SourceTrouble>,
    /// The rules of a folder as they were asked for last, where those are not the ones the job was made from.
    #[serde(default, rename = "folder_now", alias = "folder", skip_serializing_if = "Option::is_none")]
    pub folder: Option<Box<Folder>>,
    /// What later lists said of the content, where that is not what the job was made from.
    #[serde(default, rename = "expect_now", alias = "expect", skip_serializing_if = "Option::is_none")]
    pub expect: Option<Box<Expectation>>,
    /// Whether the file under the final name is still to be compared with a later list's word.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub compare: bool,
    /// Whether a listing told of another content than before, and not only of times that a clock set anew explains.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub other_content: bool,
    /// Whether the file that the receipt tells of is to be replaced where the server has another one now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replace: bool,
    /// Proof of success; of a job that is not done, that of an earlier file, which is still to be asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// The last attempts, oldest first, [`JobRecord::HISTORY`] at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Attempt>,
}

impl JobRecord {
    /// Attempts whose story is kept.
    pub const HISTORY: usize = 20;

    /// How long a waiting job waits.
    #[must_use]
    pub fn wait(&self) -> Option<Wait> {
        let since = self.history.last().map_or(0, |attempt| attempt.ended_at);
        self.not_before.map(|until| Wait { since, until })
    }

    /// Puts an attempt at the end of the history, adds it to the totals, and drops the oldest beyond the bound.
    pub fn remember(&mut self, attempt: Attempt) {
        if self.fetched == 0 && self.millis == 0 {
            // A record of a version without totals: what its history tells is all that is known.
            self.fetched = self.history.iter().map(|past| past.fetched).fold(0, u64::saturating_add);
            self.millis = self.history.iter().map(Attempt::took).fold(0, u64::saturating_add);
        }
        self.fetched = self.fetched.saturating_add(attempt.fetched);
        self.millis = self.millis.saturating_add(attempt.took());
        self.attempts = self.attempts.saturating_add(1);
        self.history.push(attempt);
        let surplus = self.history.len().saturating_sub(Self::HISTORY);
        self.history.drain(..surplus);
    }
}

impl JobRecord {
    /// What is known of a source's failures.
    #[must_use]
    pub fn trouble(&self, source: &Source) -> Option<&SourceTrouble> {
        self.troubles.iter().find(|trouble| trouble.source == *source)
    }

    /// Writes down by which source an attempt failed.
    pub fn note_trouble(&mut self, attempt: &Attempt) {
        let (Some(source), Some(failure)) = (&attempt.source, &attempt.failure) else { return };
        if attempt.is_fruitful() {
            for trouble in &mut self.troubles {
                trouble.failures = trouble.failures.min(1);
            }
        }
        if let Some(trouble) = self.troubles.iter_mut().find(|trouble| trouble.source == **source) {
            trouble.failures = if attempt.is_fruitful() { 1 } else { trouble.failures.saturating_add(1) };
            trouble.failure = failure.clone();
        } else {
            let (source, failure) = ((**source).clone(), failure.clone());
            self.troubles.push(SourceTrouble { source, failures: 1, failure });
        }
    }

    /// Why the job failed: the last failure, or, where it was one of several sources', those of all of them.
    #[must_use]
    pub fn verdict(&self) -> Option<Failure> {
        let last = self.failure.as_ref()?;
        if self.troubles.len() < 2 || !last.is_of_source() {
            return Some(last.clone());
        }
        let told = |trouble: &SourceTrouble| {
            let SourceTrouble { source, failure, .. } = trouble;
            let words = failure.reply.as_ref().map_or_else(String::new, |reply| format!(" (the server said: {reply})"));
            format!("{source}: {}: {}{words}", failure.stage.name(), failure.message)
        };
        let all: Vec<String> = self.troubles.iter().map(told).collect();
        let message = format!("none of its {} sources gave the file: {}", all.len(), all.join("; "));
        let failure = Failure { message, reply: None, ..last.clone() };
        Some(failure.with_advice(
            "see to one of the sources, then `ftpq retry --state failed`; `ftpq show` has what to do about each",
        ))
    }

    /// Forgets what only concerned the way to the end.
    pub(super) fn end_well(&mut self) {
        self.fruitless = 0;
        self.progress = None;
        self.failure = None;
        self.troubles.clear();
        (self.compare, self.other_content, self.replace) = (false, false, false);
    }

    pub(super) fn note_failure(&mut self, attempt: Attempt, progress: Option<Progress>) {
        self.note_trouble(&attempt);
        self.fruitless = if attempt.is_fruitful() { 0 } else { self.fruitless.saturating_add(1) };
        self.failure.clone_from(&attempt.failure);
        self.progress = progress;
        self.remember(attempt);
    }
}
