//! `show`: one job with its whole history.

use super::exit::{Exit, Failed};
use super::face::Face;
use super::list::size;
use super::words::{self, bytes, count, safe, time};
use crate::model::{Attempt, Failure, Folder, Job, JobId, JobState, Receipt};
use crate::policy::given_up;

/// Runs the command.
pub(super) async fn show(face: &mut Face<'_>, id: JobId) -> Result<Exit, Failed> {
    let job = face.desk().await?.show(id).await?;
    let job = job.ok_or_else(|| Failed::Usage(format!("there is no job {id}; `ftpq list` shows what there is")))?;
    if face.global.json {
        face.say_json(&job)?;
    } else {
        for line in lines(&job)? {
            face.say(&line)?;
        }
    }
    Ok(Exit::Done)
}

fn lines(job: &Job) -> Result<Vec<String>, Failed> {
    let mut lines = Vec::new();
    let mut field = |name: &str, text: String| lines.push(format!("{name:<12} {text}"));
    field("job", job.id.to_string());
    let due = job.record.not_before.filter(|_| job.state == JobState::Waiting);
    field("state", format!("{}{}", job.state, due.map_or_else(String::new, |at| format!(" until {}", time(at)))));
    field("source", safe(&job.spec.source));
    for mirror in &job.spec.mirrors {
        field("mirror", format!("{} (priority {})", safe(&mirror.source), mirror.priority));
    }
    field("destination", safe(&job.spec.destination));
    if let Some(rules) = &job.spec.folder {
        lines.extend(rules_of(rules)?);
        return Ok([lines, folder(job), ends(job), history(job)].concat());
    }
    let mut field = |name: &str, text: String| lines.push(format!("{name:<12} {text}"));
    if let Some(size) = size(job) {
        field("size", exact(size));
    }
    if let Some(sum) = &job.spec.expect.checksum {
        field("checksum", sum.to_string());
    }
    if !job.spec.settings.is_empty() {
        let settings = serde_json::to_string(&job.spec.settings)
            .map_err(|e| Failed::Io("can't show the settings".to_owned(), std::io::Error::other(e)))?;
        field("settings", safe(&settings));
    }
    if let Some(progress) = &job.record.progress {
        let from = progress.source.as_ref().map_or_else(String::new, |it| format!(", begun with {}", safe(it)));
        field("kept", format!("{} durable{from}", exact(progress.durable)));
    }
    if let Some(receipt) = &job.record.receipt {
        if job.state != JobState::Done {
            lines.push(format!("{:<12} an earlier download of it:", "here"));
        }
        lines.extend(proof(receipt));
    }
    Ok([lines, ends(job), history(job)].concat())
}

/// The last failure of a job that is not done, and those of its sources.
fn ends(job: &Job) -> Vec<String> {
    let Some(failure) = job.record.failure.as_ref().filter(|_| job.state != JobState::Done) else { return Vec::new() };
    let mut lines = failed("last failure", failure);
    for trouble in &job.record.troubles {
        let failure = match job.state {
            // Written down while another source was still to be tried.
            JobState::Failed => given_up(trouble.failure.clone(), job.id),
            _ => trouble.failure.clone(),
        };
        lines.extend(failed(&format!("     {}", safe(&trouble.source)), &failure));
    }
    lines
}

/// The rules by which a folder's files become jobs.
fn rules_of(rules: &Folder) -> Result<Vec<String>, Failed> {
    let text = serde_json::to_string(rules)
        .map_err(|e| Failed::Io("can't show the rules".to_owned(), std::io::Error::other(e)))?;
    Ok(vec![format!("{:<12} {}", "folder", safe(&text))])
}

/// What was found in a folder.
fn folder(job: &Job) -> Vec<String> {
    let Some(receipt) = &job.record.receipt else { return Vec::new() };
    let mut lines = proof(receipt);
    if let Some(tally) = &receipt.folder {
        let text = format!(
            "{} by the rules, {} to folders that were not followed",
            tally.left_out,
            count(tally.links, "link")
        );
        lines.push(format!("{:<12} {text}", "left out"));
    }
    lines
}

/// The receipt: what is here, how that is known, and what it cost.
fn proof(receipt: &Receipt) -> Vec<String> {
    let mut lines = Vec::new();
    let mut field = |name: &str, text: String| lines.push(format!("{name:<12} {text}"));
    field("finished", time(receipt.finished_at));
    if let Some(at) = receipt.checked_at {
        let size = if receipt.identity.modified.is_some() { "file" } else { "size (it tells no time)" };
        field("asked again", format!("{}: the server had the same {size}", time(at)));
    }
    if let Some(source) = &receipt.source {
        field("came from", safe(source));
    }
    if let Some(modified) = &receipt.identity.modified {
        field("modified", safe(modified));
    }
    match &receipt.folder {
        Some(tally) => {
            let (files, folders) = (count(tally.files, "file"), count(tally.folders, "folder"));
            field("holds", format!("{files} ({}), {folders}", bytes(tally.bytes)));
        }
        None => field("proved by", safe(&receipt.proved_by())),
    }
    if let Some(stability) = receipt.stability {
        field("unchanged", stability.to_string());
    }
    if let Some(sum) = &receipt.checksum {
        field("verified", sum.to_string());
    }
    for sum in receipt.digests.iter().filter(|sum| Some(*sum) != receipt.checksum.as_ref()) {
        field("digest", sum.to_string());
    }
    // Receipts of earlier versions have no totals.
    if receipt.attempts > 0 {
        let (attempts, fetched) = (count(receipt.attempts.into(), "attempt"), exact(receipt.fetched_in_all));
        let took = words::millis(receipt.millis);
        field("cost", format!("{attempts} since it was queued, {fetched} fetched, {took}"));
    }
    if let Some(note) = &receipt.note {
        field("note", safe(note));
    }
    lines
}

fn history(job: &Job) -> Vec<String> {
    let history = &job.record.history;
    if history.is_empty() {
        return vec!["attempts     none yet".to_owned()];
    }
    let made = u64::from(job.record.attempts);
    let shown = history.len() as u64;
    let older = if made > shown { format!(", the last {shown} shown") } else { String::new() };
    let mut lines = vec![String::new(), format!("{}{older}", count(made, "attempt"))];
    for (number, attempt) in (made.saturating_sub(shown) + 1..).zip(history) {
        lines.extend(story(number, attempt));
    }
    lines
}

fn story(number: u64, attempt: &Attempt) -> Vec<String> {
    let Attempt { started_at, ended_at, from, fetched, note, failure, source, .. } = attempt;
    let took = words::millis(attempt.took());
    let (start, end) = (time(*started_at), time(*ended_at));
    let mut lines = vec![
        format!("#{number:<3} {start} to {end} ({took})"),
        format!("     from {}, fetched {}", exact(*from), exact(*fetched)),
    ];
    if let Some(source) = source {
        lines.push(format!("     with {}", safe(source)));
    }
    if let Some(note) = note {
        lines.push(format!("     note: {}", safe(note)));
    }
    if let Some(failure) = failure {
        lines.extend(failed("     failed", failure));
    }
    lines
}

/// Stage and message, the server's words, the advice: a line each.
fn failed(name: &str, failure: &Failure) -> Vec<String> {
    let Failure { stage, message, reply, advice, .. } = failure;
    let indent = if name.starts_with(' ') { "       " } else { "             " };
    let name = if name.starts_with(' ') { format!("{name}:") } else { name.to_owned() };
    let mut lines = vec![format!("{name} {}: {}", stage.name(), safe(message))];
    lines.extend(reply.as_ref().map(|words| format!("{indent}the server said: {}", safe(words))));
    lines.extend(advice.as_ref().map(|advice| format!("{indent}what to do: {}", safe(advice))));
    lines
}

/// A number of bytes in binary units and exactly.
fn exact(number: u64) -> String {
    if number < 1024 { bytes(number) } else { format!("{} ({number} bytes)", bytes(number)) }
}
