//! A file that is known, found in a listing once more: whether it is to be fetched again.

use crate::model::{JobSpec, JobState, Listed, Receipt, TransferType};
use crate::policy::{SKEW, is_as_finished, unix_seconds};
use crate::queue::{Known, ListingChange, Renewal};
use std::fs::symlink_metadata;
use std::os::unix::fs::MetadataExt;

/// Digits of a time that tells seconds: `YYYYMMDDhhmmss`.
const TO_THE_SECOND: usize = 14;
/// Digits of one that tells minutes.
const TO_THE_MINUTE: usize = 12;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// A file may change once more in the minute in which it was fetched, and be listed as before. Servers' clocks differ by
/// another minute.
const RACY: i64 = 120;

/// For whom the folder is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// When it was asked for, in milliseconds since 1970-01-01 UTC.
    pub(super) asked: u64,
}

/// What is to be changed about a known job; nothing where nothing is.
pub(super) fn judge(job: &JobSpec, known: &Known, look: Look) -> Option<Renewal> {
    let again = match known.state {
        // Nothing counts as there by the queue's word alone: what the listing does not vouch for is asked about.
        JobState::Done => !stands(job, known) || !is_vouched_for(job, known),
        // What failed for this very wish is not tried again for it.
        JobState::Failed => known.ended_at.is_none_or(|at| at.saturating_mul(1000) < look.asked),
        JobState::Queued | JobState::Running | JobState::Waiting | JobState::Paused | JobState::Cancelled => false,
    };
    let is_news = known.listed.is_none() && job.listed.is_some();
    let was_done = known.state == JobState::Done;
    // What is done and not asked about is vouched for.
    let change =
        job.listed.as_ref().filter(|_| again || !was_done).map_or(ListingChange::None, |now| change(now, known));
    (again || is_news).then(|| Renewal { id: known.id, listed: job.listed.clone(), again, was_done, change })
}

/// How a listing tells otherwise than was known. One that is the first of a file says when that was changed: by the server's
/// own clock, which may be another than that of its other words.
fn change(now: &Listed, known: &Known) -> ListingChange {
    let finished = known.receipt.as_ref().map_or(0, |receipt| i64::try_from(receipt.finished_at).unwrap_or(i64::MAX));
    let is_other = match (&known.listed, &known.receipt) {
        (Some(before), _) if now.agrees(before) => return ListingChange::None,
        (Some(before), _) => is_other_content(before, now, finished),
        (None, Some(receipt)) => {
            let bound = SKEW + if is_dated(now) { DAY } else { 0 };
            let told = receipt.identity.modified.as_deref().and_then(unix_seconds);
            listed_at(now).is_some_and(|at| match told {
                Some(told) => at.saturating_sub(told).saturating_abs() > bound,
                None => at > finished.saturating_add(SKEW),
            })
        }
        (None, None) => return ListingChange::None,
    };
    if is_other { ListingChange::Content } else { ListingChange::Doubt }
}

/// Whether two listings tell of different contents. Clocks that are set to summer time move each time by an hour, and a date
/// alone by a day; one that lies behind the end of the last download, or not surely before it, may tell of what came since.
fn is_other_content(before: &Listed, now: &Listed, finished: i64) -> bool {
    let (then, at) = (listed_at(before), listed_at(now));
    let moved = then.zip(at).map(|(then, at)| at.saturating_sub(then).saturating_abs());
    let dated = is_dated(before) || is_dated(now);
    let is_past = at.is_some_and(|at| at.saturating_add(SKEW + if dated { DAY } else { 0 }) < finished);
    let is_exact = |listed: &Listed| listed.modified.as_ref().is_some_and(|time| time.len() >= TO_THE_SECOND);
    let slack = if is_exact(before) && is_exact(now) { 0 } else { 59 };
    let is_hour = moved.is_some_and(|moved| (moved - HOUR).abs() <= slack);
    let explained = is_past && if dated { moved <= Some(DAY) } else { is_hour };
    let times = |listed: &Listed| Listed { modified: listed.modified.clone(), ..Listed::default() };
    let other_time = !times(now).agrees(&times(before)) && !explained;
    let other_size = matches!((before.size, now.size), (Some(then), Some(now)) if then != now);
    other_time || other_size
}

/// Whether a listing tells a day alone.
fn is_dated(listed: &Listed) -> bool {
    listed.modified.as_ref().is_some_and(|time| time.len() < TO_THE_MINUTE)
}

/// The time that a listing tells, in seconds since 1970-01-01 in the server's own clock.
fn listed_at(listed: &Listed) -> Option<i64> {
    let time = listed.modified.as_ref()?;
    unix_seconds(&format!("{time}{}", "000000".get(time.len().checked_sub(8)?..).unwrap_or_default()))
}

/// Whether the local file is as it was finished.
fn stands(job: &JobSpec, known: &Known) -> bool {
    let file = symlink_metadata(job.destination.full()).ok().filter(std::fs::Metadata::is_file);
    match (file, &known.receipt) {
        (Some(file), Some(receipt)) => is_as_finished(receipt, file.len(), Some(file.mtime())),
        (file, _) => file.is_some(),
    }
}

/// Whether the listing tells of the content that was fetched.
fn is_vouched_for(job: &JobSpec, known: &Known) -> bool {
    let (Some(now), Some(receipt)) = (&job.listed, &known.receipt) else { return false };
    let fetched = fetched(job, receipt, now);
    let is_told = |before: &Listed| {
        let unique = now.unique.is_some() && before.unique.is_some();
        now.size.is_some() && now.modified.is_some() && (before.modified.is_some() || unique)
    };
    let before = known.listed.as_ref().unwrap_or(&fetched);
    let is_own = receipt.source.as_ref().is_none_or(|source| *source == job.source);
    let is_compared = is_own && !receipt.left_alone && !known.compare;
    is_compared && is_told(before) && now.agrees(before) && now.agrees(&fetched) && !is_racy(now, known)
}

/// What the server said of the file when it was fetched, as far as a listing tells of the same.
fn fetched(job: &JobSpec, receipt: &Receipt, now: &Listed) -> Listed {
    let image = job.source.transfer_type() != Some(TransferType::Ascii);
    // LIST tells the server's own time, MDTM that of UTC.
    let to_the_second = now.modified.as_ref().is_some_and(|time| time.len() >= TO_THE_SECOND);
    Listed {
        size: Some(receipt.size).filter(|_| image),
        modified: receipt.identity.modified.clone().filter(|_| to_the_second),
        unique: receipt.identity.unique.clone(),
    }
}

/// Whether the file was changed so shortly before it was fetched that another change may be listed with the same minute.
fn is_racy(now: &Listed, known: &Known) -> bool {
    if now.modified.as_ref().is_none_or(|time| time.len() >= TO_THE_SECOND) {
        return false;
    }
    let changed = known.receipt.as_ref().and_then(|receipt| unix_seconds(receipt.identity.modified.as_deref()?));
    let tried = known.tried_at.and_then(|at| i64::try_from(at).ok());
    changed.zip(tried).is_some_and(|(changed, tried)| tried.saturating_sub(changed) < RACY)
}
