//! What to do with one file, given what is on disk and what the server says.

use super::identity::{Sameness, compare, same_identity};
use crate::model::{Cause, Existing, Expectation, Failure, Identity, Progress, Source, Span, Stage, TransferType};

/// Bytes before the end of a part file that are fetched again and compared before anything new is written.
pub const OVERLAP: u64 = 16 * 1024;

/// A file under the final name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FinalFile {
    /// Length in bytes.
    pub size: u64,
    /// Modification time in seconds since 1970-01-01 UTC.
    pub modified: Option<i64>,
    /// Whether its digest is the one it should have; `None` while it was not computed, or none is known.
    pub digest_matches: Option<bool>,
    /// Whether its bytes are the server's in the places that were compared; `None` while none were.
    pub bytes_match: Option<bool>,
}

/// In what the server's file is known to differ from the one that was fetched before and stands here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Difference {
    /// In nothing, or it was not compared.
    #[default]
    None,
    /// In what does not tell of the content, or something is not told any more: the bytes tell.
    Doubt,
    /// In size, time or what else tells that it is another content.
    Content,
}

/// All that the decision rests on.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// What the server says of the file.
    pub remote: &'a Identity,
    /// What the manifest says of it.
    pub expect: &'a Expectation,
    /// Whether it is known what digest it should have.
    pub has_digest: bool,
    /// What stands under the final name.
    pub final_file: Option<FinalFile>,
    /// In what the server's differs from it, where it is the one that this job put there, as its receipt tells.
    pub own: Option<Difference>,
    /// Length of the part file in bytes.
    pub part: Option<u64>,
    /// What is recorded of the part file.
    pub progress: Option<&'a Progress>,
    /// The source that the part file was begun with, where that is another one of the job's sources.
    pub begun_with: Option<&'a Source>,
    /// This boot of the machine.
    pub boot_id: &'a str,
    /// The user's wish for files that are already there.
    pub existing: Existing,
    /// Whether unfinished files are continued.
    pub resume: bool,
    /// Representation type.
    pub kind: TransferType,
    /// Whether the server is known to refuse or ignore REST.
    pub no_rest: bool,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// The file is there and matches: done.
    Adopt {
        /// How that is known.
        note: String,
    },
    /// A file is there, and is not compared: done.
    LeaveAlone,
    /// Compute the digest of the file under the final name, then ask again.
    Compare,
    /// Compare some bytes of the file under the final name with the server's, then ask again.
    Sample,
    /// Make the shorter file under the final name the part file, with a record that it is to be the beginning of the
    /// server's file, then ask again: the overlap will prove it.
    TakeOver,
    /// All bytes are in the part file: check it and give it its name.
    Finish,
    /// Go on with the part file's first `have` bytes.
    Resume {
        /// Offset in bytes to start at; from here to `have`, bytes are compared and not written.
        from: u64,
        /// Length in bytes to truncate the part file to.
        have: u64,
        /// Why bytes that were there are fetched again, where that is more than the overlap.
        why: Option<String>,
    },
    /// Fetch what is missing between and behind these ranges of the part file.
    Patch {
        /// What the part file holds, from its beginning on. Ranges that touch are to be proved to belong together.
        held: Vec<Span>,
        /// Why bytes that were there are fetched again, where that is more than the overlaps.
        why: Option<String>,
    },
    /// Start at the file's first byte.
    Fresh {
        /// Why bytes that were there are fetched again, where there were any.
        why: Option<String>,
        /// Keep what is in the part file aside until the new one is further.
        set_aside: bool,
    },
    /// It can't be done.
    Refuse(Failure),
}

impl Plan {
    /// Whether bytes of the server's file come to stand under the final name by it.
    #[must_use]
    pub fn fetches(&self) -> bool {
        !matches!(self, Self::Adopt { .. } | Self::LeaveAlone | Self::Refuse(_) | Self::Compare | Self::Sample)
    }
}

/// What is known of a part file, from the queue's record and from the label on the file itself: the label was written
/// last, at the start of a transfer; the record may know more bytes to be durable.
#[must_use]
pub fn known_progress(record: Option<&Progress>, label: Option<&Progress>, boot_id: &str) -> Option<Progress> {
    let (record, label) = match (record, label) {
        (Some(record), Some(label)) => (record, label),
        (one, other) => return one.or(other).cloned(),
    };
    if record.source != label.source || !same_identity(&record.identity, &label.identity) {
        return Some(label.clone());
    }
    // In the boot that wrote it the label is the newest that is known; it says how the part file is to be read, too.
    let (boot, ranges) = match (label.boot_id == boot_id, record.boot_id == boot_id) {
        (false, true) => (&record.boot_id, &record.ranges),
        _ => (&label.boot_id, &label.ranges),
    };
    let sure = if bytes_in(&record.durable_ranges) >= bytes_in(&label.durable_ranges) { record } else { label };
    Some(Progress {
        identity: label.identity.clone(),
        source: label.source.clone(),
        durable: record.durable.max(label.durable),
        boot_id: boot.clone(),
        ranges: ranges.clone(),
        durable_ranges: sure.durable_ranges.clone(),
        wrong: record.wrong.max(label.wrong),
    })
}

/// Decides what to do with one file.
#[must_use]
pub fn plan(facts: &Facts<'_>) -> Plan {
    if let (Some(expected), Some(actual)) = (facts.expect.size, facts.remote.size)
        && expected != actual
        && actual != 0
        && facts.kind == TransferType::Image
    {
        let message = format!("the server's file has {actual} bytes, the manifest says {expected}");
        let advice = "correct the manifest, or ask the server's operator which of the two is right";
        return Plan::Refuse(Failure::permanent(Stage::Inspect, Cause::WrongSize, message).with_advice(advice));
    }
    match facts.final_file {
        Some(found) => with_final(facts, found),
        None => with_part(facts),
    }
}

/// Whether a transfer may have delivered more than the file holds: `size` is what the server says, 0 meaning that it
/// may not know (some servers answer 0 for every file).
#[must_use]
pub fn overshoots(end: u64, size: Option<u64>) -> bool {
    size.is_some_and(|size| size != 0 && end > size)
}

/// The file's size in bytes: what the server says, else what the manifest says. A 0 of the server counts only where
/// the manifest says nothing.
#[must_use]
pub fn expected_size(remote: &Identity, expect: &Expectation) -> Option<u64> {
    remote.size.filter(|&size| size != 0).or(expect.size).or(remote.size)
}

/// Seconds since 1970-01-01 UTC of a time in the form `YYYYMMDDhhmmss[.f]` (RFC 3659, section 2.3).
#[must_use]
pub fn unix_seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if whole.len() != 14 || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize, to: usize| whole.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(8, 10)?, number(10, 12)?, number(12, 14)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days since 1970-01-01 in the proleptic Gregorian calendar, with years that begin in March.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

fn with_final(facts: &Facts<'_>, found: FinalFile) -> Plan {
    if facts.existing == Existing::Error && facts.own.is_none() && !is_just_named(facts) {
        return refuse_existing("a file stands under the final name", Existing::Error);
    }
    if facts.existing == Existing::Skip && !is_just_named(facts) {
        return Plan::LeaveAlone;
    }
    let difference = match difference(facts, found) {
        Ok(plan) => return plan,
        Err(_) if facts.existing == Existing::Skip => return Plan::LeaveAlone,
        Err(difference) => difference,
    };
    match (facts.existing, size_of(facts)) {
        (Existing::Overwrite | Existing::Backup, _) => with_part(facts),
        // A part file that is as long already is the better beginning.
        (Existing::Resume, Some(size)) if found.size < size && facts.part.unwrap_or(0) >= found.size.max(1) => {
            with_part(facts)
        }
        (Existing::Resume, Some(size)) if found.size < size => Plan::TakeOver,
        (existing, size) => {
            let shorter = size.is_some_and(|size| found.size < size);
            refuse_existing(&difference, if shorter { existing } else { Existing::Resume })
        }
    }
}

const JUST_NAMED: &str = "was given its name just before an interruption";

/// Whether there is a record of an unfinished file and no part file: this job gave it its name just before a crash, or
/// somebody put another one there.
fn is_just_named(facts: &Facts<'_>) -> bool {
    facts.progress.is_some() && facts.part.is_none()
}

/// The plan for a file that matches or has to be hashed first; otherwise in what it differs.
fn difference(facts: &Facts<'_>, found: FinalFile) -> Result<Plan, String> {
    let size = size_of(facts);
    if facts.kind == TransferType::Image
        && let Some(size) = size
        && found.size != size
    {
        return Err(format!("the file there has {} bytes, the server's has {size}", found.size));
    }
    if facts.has_digest {
        return match found.digest_matches {
            None => Ok(Plan::Compare),
            Some(true) => Ok(Plan::Adopt { note: "was there already; its checksum matches".to_owned() }),
            Some(false) => Err("the file there has another checksum than it should have".to_owned()),
        };
    }
    if facts.own == Some(Difference::Content) {
        return Err("the server has another file than the one fetched before".to_owned());
    }
    if facts.own == Some(Difference::Doubt) && facts.kind == TransferType::Ascii {
        return Err(
            "facts of the server's file are not those of the one fetched before, and TYPE A tells no bytes".to_owned()
        );
    }
    if facts.own == Some(Difference::Doubt) && size.is_some() {
        return by_bytes(found, "was there already; size and the bytes compared match, other facts of it do not");
    }
    let remote_time = facts.remote.modified.as_deref().and_then(unix_seconds);
    let is_just_named = is_just_named(facts);
    match (remote_time, found.modified) {
        (Some(remote), Some(local)) if remote != local && !is_begun_ones(facts, local) => {
            Err("the file there has another modification time than the server's".to_owned())
        }
        (Some(_), Some(_)) if size.is_some() && facts.kind == TransferType::Image => {
            Ok(Plan::Adopt { note: "was there already; size and time match".to_owned() })
        }
        (Some(_), Some(_)) => Ok(Plan::Adopt { note: "was there already; its time matches".to_owned() }),
        _ if facts.kind == TransferType::Image && (size.is_some() || is_just_named) => {
            let note = "was there already; size and bytes match in the places compared, the server tells no time";
            by_bytes(found, if is_just_named { JUST_NAMED } else { note })
        }
        _ if is_just_named => Ok(Plan::Adopt { note: JUST_NAMED.to_owned() }),
        _ => Err("the server tells neither size nor time, so the file there can't be compared".to_owned()),
    }
}

/// The plan for a file that only its bytes tell of: they are compared, and then it matches as `note` says, or differs.
fn by_bytes(found: FinalFile, note: &str) -> Result<Plan, String> {
    match found.bytes_match {
        None => Ok(Plan::Sample),
        Some(true) => Ok(Plan::Adopt { note: note.to_owned() }),
        Some(false) => Err("the file there has other bytes than the server's".to_owned()),
    }
}

/// Whether a time is that of the file as the source has it that the part file was begun with: each mirror has its own.
fn is_begun_ones(facts: &Facts<'_>, time: i64) -> bool {
    let told = facts.begun_with.and(facts.progress).and_then(|progress| progress.identity.modified.as_deref());
    told.and_then(unix_seconds) == Some(time)
}

fn refuse_existing(difference: &str, existing: Existing) -> Plan {
    let advice = match existing {
        Existing::Check => {
            "--existing resume continues it (the overlap is compared), --existing overwrite replaces it, or move it away"
        }
        Existing::Resume | Existing::Overwrite | Existing::Backup | Existing::Skip => {
            "--existing overwrite replaces it once the new file is whole, --existing skip leaves it, or move it away"
        }
        Existing::Error => "move it away, or choose another --existing",
    };
    Plan::Refuse(Failure::local(Stage::Plan, Cause::Exists, difference).with_advice(advice))
}

fn with_part(facts: &Facts<'_>) -> Plan {
    let Some(length) = facts.part.filter(|&n| n > 0) else {
        // An empty file needs no transfer after its bytes were all there; it has to be confirmed by one.
        return Plan::Fresh { why: None, set_aside: false };
    };
    let fresh = |why: &str, set_aside| Plan::Fresh { why: Some(why.to_owned()), set_aside };
    if facts.kind == TransferType::Ascii {
        return fresh("TYPE A can't be resumed, since line ends are converted", false);
    }
    if !facts.resume {
        return fresh("resuming is switched off", false);
    }
    let Some(size) = size_of(facts).filter(|&size| size != 0) else {
        return fresh("the server doesn't tell the file's size, so a resume could not be checked", false);
    };
    let held = match trusted(facts, length) {
        Ok(held) => held,
        Err(plan) => return plan,
    };
    if held.iter().any(|span| span.end > size) {
        return fresh("the part file is longer than the server's file", true);
    }
    let have = match held.as_slice() {
        [] => 0,
        [Span { start: 0, end }] => *end,
        // Without REST only the file's beginning can be gone on with.
        [Span { start: 0, end }, ..] if facts.no_rest => *end,
        _ if facts.no_rest => 0,
        _ => return Plan::Patch { why: lost_pieces(facts), held },
    };
    if have == 0 {
        return fresh("after a restart of the machine no byte of the part file is known to be durable", false);
    }
    // Of a mirror that did not send any of it, the last bytes are still to be compared, unless a checksum tells more.
    if have == size && (facts.begun_with.is_none() || facts.expect.checksum.is_some()) {
        return Plan::Finish;
    }
    if facts.no_rest {
        let why = "the server can't restart in the middle of a file, so what is there is read again and compared";
        return Plan::Resume { from: 0, have, why: Some(why.to_owned()) };
    }
    let same_boot = facts.progress.is_some_and(|progress| progress.boot_id == facts.boot_id);
    let why = if same_boot { None } else { lost(have, length) };
    Plan::Resume { from: have.saturating_sub(OVERLAP), have, why }
}

/// The ranges of the part file that can be trusted to be the server's.
fn trusted(facts: &Facts<'_>, length: u64) -> Result<Vec<Span>, Plan> {
    let Some(progress) = facts.progress else {
        let why = "nothing is recorded of what the part file is the beginning of".to_owned();
        return Err(Plan::Fresh { why: Some(why), set_aside: false });
    };
    if let Some(begun_with) = facts.begun_with {
        agree_on_size(facts, progress, begun_with)?;
    } else {
        let why = match compare(&progress.identity, facts.remote) {
            Sameness::Same => None,
            Sameness::Moved(changes) => Some(format!("the file changed on the server: {changes}")),
            Sameness::Untold(what) => Some(format!("{what}, so nothing shows that it is the file that was begun")),
        };
        if why.is_some() {
            return Err(Plan::Fresh { why, set_aside: true });
        }
    }
    let same_boot = progress.boot_id == facts.boot_id;
    let (ranges, beginning) =
        if same_boot { (&progress.ranges, length) } else { (&progress.durable_ranges, progress.durable) };
    // Of a file that came in pieces, the length never tells how far its beginning goes.
    let spans = match ranges.as_slice() {
        [] if same_boot && !progress.durable_ranges.is_empty() => &progress.durable_ranges,
        [] => return Ok(vec![Span { start: 0, end: beginning.min(length) }]),
        _ => ranges,
    };
    let cut = |span: &Span| Span { start: span.start, end: span.end.min(length) };
    Ok(spans.iter().map(cut).filter(|span| span.start < span.end).collect())
}

/// Mirrors may give a file other times; its size has to be the same.
fn agree_on_size(facts: &Facts<'_>, progress: &Progress, begun_with: &Source) -> Result<(), Plan> {
    let (theirs, ours) = (size_of(facts), expected_size(&progress.identity, facts.expect));
    match (theirs, ours) {
        (Some(theirs), Some(ours)) if theirs != ours => {
            let why = format!("its file has {theirs} bytes, that of {begun_with} has {ours}");
            Err(if facts.expect.size == Some(theirs) {
                // The list says who is right.
                Plan::Fresh { why: Some(why), set_aside: false }
            } else {
                Plan::Refuse(other_content(begun_with, &why))
            })
        }
        _ => Ok(()),
    }
}

/// The failure of a mirror that has another file than the source that the part file was begun with.
#[must_use]
pub fn other_content(begun_with: &Source, why: &str) -> Failure {
    let message = format!("it has another file than {begun_with}, with which the part file was begun: {why}");
    let advice = "a checksum in the list tells which of the two is right; without one, leave the wrong one out";
    Failure::permanent(Stage::Plan, Cause::OtherContent, message).with_advice(advice)
}

/// How many bytes ranges hold together. A made-up label may hold any number of any length.
fn bytes_in(spans: &[Span]) -> u64 {
    spans.iter().map(|span| span.end.saturating_sub(span.start)).fold(0, u64::saturating_add)
}

/// Why bytes of a file that came in pieces are fetched again.
fn lost_pieces(facts: &Facts<'_>) -> Option<String> {
    let progress = facts.progress.filter(|progress| progress.boot_id != facts.boot_id)?;
    let (held, durable) = (bytes_in(&progress.ranges), bytes_in(&progress.durable_ranges));
    let unsure = "the machine was restarted: what was not known to be durable of the part file is fetched again";
    (held > durable).then(|| format!("{unsure} ({} bytes)", held - durable))
}

fn lost(have: u64, length: u64) -> Option<String> {
    (length > have).then(|| {
        let bytes = length - have;
        format!("the machine was restarted: {bytes} bytes of the part file were not known to be durable")
    })
}

fn size_of(facts: &Facts<'_>) -> Option<u64> {
    expected_size(facts.remote, facts.expect)
}

#[cfg(test)]
mod tests;
