//! `status`: counts, hosts, and the run going on.

use super::exit::{Exit, Failed};
use super::face::Face;
use super::words::{bytes, count, rate, safe, span, time};
use crate::config::Config;
use crate::model::{
    CertificateCheck, HostKey, HostStatus, JobState, Protection, Quirks, RunningFile, Snapshot, StatusReport, Tls,
};

/// Runs the command.
pub(super) async fn status(face: &mut Face<'_>) -> Result<Exit, Failed> {
    let mut report = face.house.status(&face.queue()?).await?;
    match face.config() {
        Ok(config) => report.hosts.iter_mut().for_each(|host| foretell(host, &config)),
        // What the queue knows is true whatever the settings file says.
        Err(error) => face.complain(&error.text().unwrap_or_default()),
    }
    if face.global.json {
        face.say_json(&report)?;
    } else {
        for line in lines(&report) {
            face.say(&line)?;
        }
    }
    Ok(Exit::Done)
}

/// Puts in how a host is to be protected by the settings file, where no session has shown yet what comes of it.
fn foretell(host: &mut HostStatus, config: &Config) {
    let (None, Some((name, port))) = (host.protection, host.host.rsplit_once(':')) else { return };
    let Ok(port) = port.parse() else { return };
    let settings = config.settings_for(&HostKey { host: name.to_owned(), port });
    let if_offered = settings.tls == Some(Tls::Prefer);
    let check = match (settings.insecure, &settings.pin) {
        (Some(true), Some(_)) => CertificateCheck::KeyAlone,
        (Some(true), None) => CertificateCheck::Nothing,
        _ => CertificateCheck::Full,
    };
    host.protection = Some(Protection { tls: None, if_offered, check }).filter(Protection::is_lax);
}

fn lines(report: &StatusReport) -> Vec<String> {
    let mut lines = vec![format!("queue  {}", safe(&report.queue))];
    let counts: Vec<String> = JobState::ALL
        .into_iter()
        .filter(|&state| report.jobs.get(state) > 0)
        .map(|state| format!("{} {state}", report.jobs.get(state)))
        .collect();
    let total = report.jobs.total();
    let counts = if total == 0 { String::new() } else { format!(": {}", counts.join(", ")) };
    let folders = match report.jobs.folders {
        0 => String::new(),
        folders => {
            format!("; of those left {folders} {} to be read", if folders == 1 { "is a folder" } else { "are folders" })
        }
    };
    lines.push(format!("jobs   {total}{counts}{folders}"));
    match &report.run {
        Some(run) => lines.extend(running(run, report.pid)),
        None if report.jobs.left() > 0 => lines.push("run    none; `ftpq run` starts one".to_owned()),
        None => lines.push("run    none".to_owned()),
    }
    lines.extend(hosts(&report.hosts));
    lines
}

fn running(run: &Snapshot, pid: Option<u32>) -> Vec<String> {
    let process = pid.map_or_else(String::new, |pid| format!("process {pid}, "));
    let left = run.seconds_left.map_or_else(String::new, |s| format!(", about {} left", span(s)));
    let unknown = if run.unsized_left > 0 {
        format!(" and {} of unknown size", count(run.unsized_left, "file"))
    } else {
        String::new()
    };
    let mut lines = vec![
        format!("run    {process}{} done, {} failed, {} left", run.files_done, run.files_failed, run.files_left),
        format!("       {} at {}, {} to come{unknown}{left}", bytes(run.bytes), rate(run.rate), bytes(run.bytes_left)),
    ];
    let kinds: Vec<String> = run.proved.kinds().map(|(count, by)| format!("{count} {by}")).collect();
    if !kinds.is_empty() {
        lines.push(format!("       proved: {}", kinds.join(", ")));
    }
    lines.extend(run.lax.iter().map(|lax| format!("       {}: {}", safe(&lax.host), lax.protection)));
    lines.extend(table(
        &["JOB", "NAME", "PHASE", "HAVE", "OF", "RATE"],
        run.running.iter().map(|file: &RunningFile| {
            let of = file.size.map_or_else(|| "?".to_owned(), bytes);
            vec![file.job.to_string(), safe(&file.name), safe(&file.phase), bytes(file.have), of, rate(file.rate)]
        }),
    ));
    lines
}

fn hosts(hosts: &[HostStatus]) -> Vec<String> {
    table(
        &["HOST", "LEFT", "TLS", "CONNECTIONS", "KNOWN OF IT"],
        hosts.iter().map(|host| {
            let protection = host.protection.map_or_else(String::new, |protection| protection.to_string());
            vec![safe(&host.host), host.left.to_string(), protection, connections(host), quirks(host.quirks)]
        }),
    )
}

/// What the host takes, and how many were worth having.
fn connections(host: &HostStatus) -> String {
    let seen = |at: Option<u64>| at.map_or_else(String::new, |at| format!(", seen {}", time(at)));
    let most = host.connection_limit.map(|most| format!("{most} at most{}", seen(host.limit_learned_at)));
    let useful = host.useful_connections.map(|useful| match host.useful_learned_at {
        None => format!("{useful} or more are useful"),
        at => format!("{useful} are useful{}", seen(at)),
    });
    [most, useful].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn quirks(quirks: Quirks) -> String {
    let Quirks { no_epsv, no_rest, no_size, no_mdtm, no_mlsd, foreign_terminator, .. } = quirks;
    let pace = match quirks {
        Quirks { lockstep: true, .. } => "one command at a time",
        Quirks { pipelines: false, .. } => "",
        Quirks { no_queueing: true, .. } => "several commands at once, none behind RETR",
        Quirks { queues_commands: true, .. } => "several commands at once, also behind RETR",
        Quirks { .. } => "several commands at once",
    };
    [
        (no_epsv, "no EPSV"),
        (no_rest, "no REST"),
        (no_size, "no SIZE"),
        (no_mdtm, "no MDTM"),
        (no_mlsd, "no MLSD"),
        (quirks.no_hash, "no checksums of its own"),
        (foreign_terminator, "ends replies with another code"),
        (quirks.only_tls12, "TLS 1.2, since it refused data connections under 1.3"),
        (!pace.is_empty(), pace),
    ]
    .into_iter()
    .filter_map(|(is_so, words)| is_so.then_some(words))
    .collect::<Vec<_>>()
    .join(", ")
}

/// A table with a blank line before it and columns as wide as their widest cell; nothing without rows.
fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Vec<String> {
    let mut rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() {
        return Vec::new();
    }
    rows.insert(0, header.iter().map(|&name| name.to_owned()).collect());
    let wide = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|c| unicode_width::UnicodeWidthStr::width(c.as_str())).max()
    };
    let widths: Vec<usize> = (0..header.len()).map(|column| wide(column).unwrap_or(0)).collect();
    let mut lines = vec![String::new()];
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let pad = width.saturating_sub(unicode_width::UnicodeWidthStr::width(cell.as_str()));
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', pad + 2));
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}
