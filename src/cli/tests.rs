//! Whole commands against a fake house.

mod fake;
mod lists;
mod logins;
mod standing;
mod tls;

use super::args::{Args, Global};
use super::face::{Face, Surroundings};
use super::{Door, Exit, without_passwords};
use crate::engine::{Changed, DeskError, RunReport};
use crate::model::{
    Attempt, Cause, Change, Clash, Counts, Destination, Expectation, Failure, HostStatus, Job, JobId, JobRecord,
    JobSpec, JobState, PerHost, Progress, Protection, Quirks, RelPath, RunningFile, Selection, Snapshot, Source, Stage,
    StatusReport, TlsInUse,
};
use clap::Parser;
use fake::{Fake, Trial};
use std::io::sink;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn source(url: &str) -> Source {
    Source::parse(url).unwrap().0
}

fn job(id: u64, state: JobState) -> Job {
    let destination = Destination::new("/data", RelPath::new(format!("f{id}")).unwrap()).unwrap();
    let expect = Expectation { size: Some(id * 1024), ..Expectation::default() };
    let spec = JobSpec { expect, ..JobSpec::new(source(&format!("ftp://h/f{id}")), destination) };
    Job { id: JobId(id), state, spec, record: JobRecord::default() }
}

#[test]
fn add_hands_a_manifest_over_in_chunks_and_counts() {
    let trial = Trial::new();
    let list: Vec<String> = (0..2500).map(|n| format!("ftp://h/d/{n}\n")).collect();
    trial.write("list", &list.concat());
    trial.house.state().known = [JobId(7)].into_iter().collect();
    let ended = trial.run("add list ftp://h/x --into out --retries 9");
    assert_eq!((ended.exit, ended.err.as_str()), (Exit::Done, ""));
    assert_eq!(ended.out, "queued 2500 jobs (1 was there already)\n");
    let state = trial.house.state();
    assert_eq!(state.pushed, [1000, 1000, 500, 1]);
    let out = trial.folder.path().join("out");
    assert_eq!(state.accepted[0].destination.full(), out.join("0"));
    assert!(state.accepted.iter().all(|spec| spec.settings.retries == Some(9)));
    assert!(!out.exists(), "the folder is made when first needed");
    assert!(state.queues.iter().all(|queue| queue == Path::new("/home/me/.local/state/ftpq")), "{:?}", state.queues);
}

#[test]
fn a_manifest_with_a_bad_line_is_not_taken_and_all_is_reported() {
    let trial = Trial::new();
    let list: Vec<String> = (0..25).map(|n| format!("ftp://h/{n}\nnonsense\n")).collect();
    trial.write("list", &list.concat());
    let ended = trial.run("add list");
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Usage, ""));
    assert_eq!(ended.err.lines().count(), 22, "{}", ended.err);
    assert!(ended.err.starts_with("ftpq: list:2:1: "), "{}", ended.err);
    assert!(ended.err.contains("ftpq: and 5 more\n") && ended.err.contains("--skip-bad"), "{}", ended.err);
    assert!(trial.house.state().accepted.is_empty());
    assert!(trial.house.state().pushed.is_empty());
}

#[test]
fn skip_bad_takes_the_good_lines_and_says_how_many_were_bad() {
    let mut trial = Trial::new();
    trial.input = b"ftp://h/a\nbad\nftp://h/b\n".to_vec();
    let ended = trial.run("add - --skip-bad");
    assert_eq!(ended.out, "queued 2 jobs, skipped 1 bad line\n");
    assert!(ended.err.starts_with("ftpq: standard input:2:1: "));
    assert_eq!(ended.exit, Exit::Done);
    let json = trial.run("add - --skip-bad --json").out;
    assert_eq!(json, "{\"new\":[[101,102]],\"known\":[],\"skipped\":1}\n");
    trial.input = b"bad\n".to_vec();
    assert_eq!(trial.run("add - --skip-bad").exit, Exit::Usage);
    // What can't be read to its end is never taken in part.
    trial.input = b"url,path\nftp://h/a,b\nftp://h/c,\"d".to_vec();
    trial.input.extend(std::iter::repeat_n(b'x', 3 << 20));
    let ended = trial.run("add - --skip-bad");
    assert_eq!(ended.exit, Exit::Usage);
    assert!(ended.err.contains("could not be read to its end"), "{}", ended.err);
}

#[test]
fn add_answers_in_json() {
    let trial = Trial::new();
    let ended = trial.run("add ftp://h/a ftp://h/b --json");
    assert_eq!(ended.out, "{\"new\":[[101,102]],\"known\":[]}\n");
}

#[test]
fn an_option_wins_over_the_manifest_and_the_manifest_over_nothing() {
    let trial = Trial::new();
    trial.write("m.jsonl", "{\"url\":\"ftp://h/a\",\"retries\":1,\"timeout\":7,\"path\":\"p/q\",\"size\":3}");
    trial.run("add m.jsonl --retries 2 --no-resume --limit-rate 2M --data-mode epsv");
    let spec = trial.house.state().accepted[0].clone();
    let settings = spec.settings;
    assert_eq!((settings.retries, settings.timeout, settings.resume), (Some(2), Some(7), Some(false)));
    assert_eq!(settings.limit_rate, Some(2 << 20));
    assert_eq!(spec.expect.size, Some(3));
}

#[test]
fn a_password_in_a_url_is_warned_of_once_and_goes_to_the_credentials_alone() {
    let trial = Trial::new();
    let ended = trial.run("add ftp://u:hunter2@h/a ftp://u:hunter2@h/b ftp://v:hunter2@h/c --json");
    assert_eq!(ended.exit, Exit::Done);
    assert_eq!(ended.err.matches("process list").count(), 1, "{}", ended.err);
    assert!(ended.err.contains("--password-file") && ended.err.contains("netrc"));
    let state = trial.house.state();
    assert_eq!(
        state.secrets,
        [("u@h:21".to_owned(), "hunter2".to_owned()), ("v@h:21".to_owned(), "hunter2".to_owned())]
    );
    let stored = serde_json::to_string(&state.accepted).unwrap();
    assert!(!format!("{}{}{stored}", ended.out, ended.err).contains("hunter2"));
}

#[test]
fn no_output_shows_a_password_whatever_is_wrong() {
    let urls = [
        "ftp://u:hunter2@/a",
        "ftp://u:hunter2@h/",
        "ftp://u:hunter2@h:99999/a",
        "ftp://u:hunter2/x@h/a",
        "ftp://u:hunter2#x@h/a",
        "http://u:hunter2@h/a",
        "ftps://u:hunter2@h/a",
        "ftpes://u:hunter2@h/a",
        "ftp://u:hunter2%0a@h/a",
        "ftp://u:hunter2@h/a/../b",
        "u:hunter2@h/a",
    ];
    for url in urls {
        let trial = Trial::new();
        trial.write("list", &format!("{url}\nftp://h/a {url}\n{{\"url\":\"{url}\"}}\n"));
        for line in [
            format!("add {url}"),
            format!("add ftp://h/a --base {url}"),
            format!("get ftp://h/a --manifest {url}"),
            format!("add ftp://h/a --into {url}/.. --password-file {url}"),
            format!("get ftp://h/a -o {url}/"),
            "add list --skip-bad".to_owned(),
            "add list --format csv --json".to_owned(),
            "get --manifest list -v".to_owned(),
        ] {
            let ended = trial.run(&line);
            assert!(!format!("{}{}", ended.out, ended.err).contains("hunter2"), "{line}: {ended:?}");
        }
        for line in [format!("run {url}"), format!("show {url}"), format!("add x --{url}"), format!("--config a {url}")]
        {
            let words = std::iter::once("ftpq").chain(line.split_whitespace());
            let error = Args::try_parse_from(words).err().unwrap().to_string();
            let shown = without_passwords(&error);
            assert!(!shown.contains("hunter2") && shown.starts_with("error: "), "{shown}");
        }
    }
}

#[test]
fn user_and_password_file_are_for_urls_that_have_none() {
    let trial = Trial::new();
    let file = trial.write("pw", "hunter2\n");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let file = file.display();
    trial
        .run(&format!("add ftp://h/a ftp://bob@h/b ftp://eve@h/c ftp://bob:own@g/d --user bob --password-file {file}"));
    let state = trial.house.state();
    let users: Vec<_> = state.accepted.iter().map(|spec| spec.source.account().credential()).collect();
    assert_eq!(users, ["bob@h:21", "bob@h:21", "eve@h:21", "bob@g:21"]);
    let secrets: Vec<_> = state.secrets.iter().map(|(who, what)| (who.as_str(), what.as_str())).collect();
    assert_eq!(secrets, [("bob@h:21", "hunter2"), ("bob@g:21", "own")]);
}

/// Promise 4: a password goes to the server it is meant for and nowhere else.
#[test]
fn one_password_file_is_for_one_account() {
    let trial = Trial::new();
    let file = trial.write("pw", "hunter2\n");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let file = file.display();
    for words in
        ["ftp://bob@h/a ftp://bob@g/b --user bob", "ftp://bob@h/a ftp://eve@h/b", "ftp://h/a ftp://g/b --user bob"]
    {
        let ended = trial.run(&format!("add {words} --password-file {file}"));
        assert_eq!(ended.exit, Exit::Usage, "{words}");
        assert!(ended.err.contains("nothing was queued") && !ended.err.contains("hunter2"), "{}", ended.err);
    }
    assert!(trial.house.state().accepted.is_empty());
}

#[test]
fn the_settings_file_may_name_a_hosts_user() {
    let trial = Trial::new();
    trial.write("config.toml", "[host.h]\nuser = \"bob\"\n");
    trial.run("add ftp://h/a ftp://g/a/b ftp://eve@h/c");
    let state = trial.house.state();
    let urls: Vec<_> = state.accepted.iter().map(|spec| spec.source.to_string()).collect();
    assert_eq!(urls, ["ftp://bob@h/a", "ftp://g/a/b", "ftp://eve@h/c"]);
}

#[test]
fn a_password_file_open_to_others_is_refused_wherever_it_is_named() {
    let trial = Trial::new();
    let file = trial.write("pw", "hunter2\n");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let shown = file.display();
    for line in ["add ftp://u@h/a", "get ftp://u@h/a", "run --user u"] {
        let ended = trial.run(&format!("{line} --password-file {shown}"));
        assert_eq!(ended.exit, Exit::Usage, "{line}");
        assert!(ended.err.contains(&format!("chmod 600 {shown}`")), "{}", ended.err);
    }
    trial.write("config.toml", "[host.h]\npassword-file = \"pw\"\n");
    for line in ["get ftp://u@h/a", "run"] {
        assert_eq!(trial.run(line).exit, Exit::Usage, "{line}");
    }
    let state = trial.house.state();
    assert!(state.offered.is_empty() && state.secrets.is_empty() && state.orders.is_empty());
}

#[test]
fn nothing_is_queued_before_all_secrets_are_read() {
    let trial = Trial::new();
    let netrc = trial.write("netrc", "machine h login u pasword x\n");
    std::fs::set_permissions(&netrc, std::fs::Permissions::from_mode(0o600)).unwrap();
    for netrc in [netrc.display().to_string(), "/nonexistent/netrc".to_owned()] {
        let ended = trial.run(&format!("get ftp://h/a --netrc={netrc}"));
        assert_eq!(ended.exit, Exit::Usage, "{ended:?}");
    }
    assert!(trial.house.state().accepted.is_empty() && trial.house.state().queues.is_empty());
}

#[test]
fn mistakes_in_the_settings_file_end_every_command() {
    let trial = Trial::new();
    trial.write("config.toml", "timeoot = 5\n");
    for line in ["add ftp://h/a", "run", "get ftp://h/a", "status", "list", "show 1", "pause 1", "remove --all"] {
        let ended = trial.run(line);
        assert_eq!(ended.exit, Exit::Usage, "{line}");
        assert!(ended.err.contains("config.toml:1:1: `timeoot` is unknown"), "{line}: {}", ended.err);
    }
    assert!(trial.house.state().queues.is_empty());
}

#[test]
fn get_runs_just_what_it_added_and_ends_by_what_became_of_it() {
    let trial = Trial::new();
    trial.house.state().known = [JobId(7)].into_iter().collect();
    trial.house.state().counts = Counts { done: 2, ..Counts::default() };
    let ended = trial.run("get ftp://h/a ftp://h/b --connections 9 --per-host 3 --existing resume --user u");
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Done, ""));
    {
        let state = trial.house.state();
        let order = &state.orders[0];
        let only: Vec<_> = order.only.as_ref().unwrap().ranges().map(|(a, b)| (a.0, b.0)).collect();
        assert_eq!(only, [(7, 7), (101, 101)]);
        assert_eq!((order.connections, order.per_host), (Some(9), Some(PerHost::Most(3))));
        assert_eq!(order.overrides, state.accepted[0].settings);
        // What failed or was paused before is asked for now.
        assert!(state.changes.iter().all(|(selection, _)| selection.ids.as_ref() == Some(&state.known)));
        assert!(state.changes.iter().any(|(s, c)| s.state == Some(JobState::Failed) && *c == Change::Recheck));
    }
    for (report, counts, exit) in [
        (RunReport { failed: 1, ..RunReport::default() }, Counts::default(), Exit::SomeFailed),
        (RunReport::default(), Counts { cancelled: 1, ..Counts::default() }, Exit::SomeFailed),
        (RunReport { left: 1, interrupted: true, ..RunReport::default() }, Counts::default(), Exit::Left),
        (RunReport { left: 1, storage: true, ..RunReport::default() }, Counts::default(), Exit::Storage),
    ] {
        trial.house.state().report = report;
        trial.house.state().counts = counts;
        assert_eq!(trial.run("get ftp://h/a").exit, exit);
    }
}

#[test]
fn get_names_one_file_where_it_is_told_to() {
    let trial = Trial::new();
    trial.run("get ftp://h/a -o b.gz");
    let place = |trial: &Trial| trial.house.state().accepted[0].destination.full();
    assert_eq!(place(&trial), trial.folder.path().join("b.gz"));
    trial.run("get ftp://h/a -o /srv//x/./b.gz");
    assert_eq!(place(&trial), PathBuf::from("/srv/x/b.gz"));
    for line in ["get ftp://h/a ftp://h/b -o c", "get ftp://h/a -o d/", "get ftp://h/a -o .."] {
        let ended = trial.run(line);
        assert_eq!(ended.exit, Exit::Usage, "{line}: {ended:?}");
    }
}

#[test]
fn run_takes_numbers_options_and_a_login() {
    let trial = Trial::new();
    trial.house.state().counts = Counts { done: 5, ..Counts::default() };
    assert_eq!(trial.run("run 5-9 2 --timeout 9 -q --json").exit, Exit::Done);
    let order = trial.house.state().orders[0].clone();
    assert_eq!(order.only.unwrap().len(), 6);
    assert_eq!(order.overrides.timeout, Some(9));
    assert!(order.display.quiet && order.display.json && !order.display.verbose);
    assert!(trial.run("run --user u").err.contains("go together"));
    trial.house.state().counts = Counts::default();
    let ended = trial.run("run 5");
    assert_eq!(ended.exit, Exit::Usage);
    assert!(ended.err.contains("no job has such a number"));
    assert_eq!(trial.run("run").exit, Exit::Done);
    assert!(trial.house.state().orders.last().unwrap().only.is_none());
}

#[test]
fn what_the_queue_can_not_do_has_its_exit_code_and_words() {
    let clash = Clash {
        destination: Destination::new("/data", RelPath::new("a").unwrap()).unwrap(),
        job: JobId(3),
        known: source("ftp://h/a"),
        refused: source("ftp://g/a"),
    };
    for (error, exit, words) in [
        (DeskError::NoAnswer("process 9 does not answer".into()), Exit::Busy, "process 9"),
        (DeskError::Storage("no permission".into()), Exit::Storage, "no permission"),
        (DeskError::StorageFull("disk full".into()), Exit::Storage, "disk full"),
        (DeskError::DestinationTaken(Box::new(clash)), Exit::Usage, "ftp://g/a too; nothing was queued"),
    ] {
        let trial = Trial::new();
        trial.house.state().fails = Some(error);
        for line in ["add ftp://h/a", "status", "list", "run", "pause --all"] {
            let ended = trial.run(line);
            assert_eq!(ended.exit, exit, "{line}");
            assert!(ended.err.starts_with("ftpq: ") && ended.err.contains(words), "{line}: {}", ended.err);
            assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
        }
    }
}

#[test]
fn list_goes_page_by_page() {
    let trial = Trial::new();
    trial.house.state().jobs = (1..=1201).map(|id| job(id, JobState::Queued)).collect();
    let ended = trial.run("list --state queued --host h:21");
    assert_eq!(ended.out.lines().count(), 1202);
    assert_eq!(ended.out.lines().nth(1201).unwrap(), "  1201  queued        1.2 MiB  /data/f1201  ftp://h/f1201");
    let selection = Selection { ids: None, state: Some(JobState::Queued), host: Some("h:21".into()) };
    let asked: Vec<_> = trial.house.state().listed.iter().map(|(s, a, l)| (s.clone(), a.map(|a| a.0), *l)).collect();
    let pages = [None, Some(500), Some(1000), Some(1201)];
    assert_eq!(asked, pages.map(|after| (selection.clone(), after, 500)));
}

#[test]
fn list_prints_a_job_a_line_in_json_and_is_safe_for_a_terminal() {
    let trial = Trial::new();
    let mut evil = job(2, JobState::Done);
    evil.spec.source = source("ftp://h/a%1B%5B2Jb");
    trial.house.state().jobs = vec![job(1, JobState::Failed), evil];
    let out = trial.run("list --json").out;
    let jobs: Vec<Job> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(jobs, trial.house.state().jobs);
    assert!(!trial.run("list").out.contains('\u{1b}'));
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let mut trial = Trial::new();
    trial.closed = true;
    trial.house.state().jobs = (1..=3).map(|id| job(id, JobState::Queued)).collect();
    let ended = trial.run("list");
    assert_eq!((ended.exit, ended.err.as_str()), (Exit::Done, ""));
}

#[test]
fn show_tells_the_whole_history() {
    let trial = Trial::new();
    let mut shown = job(5, JobState::Waiting);
    let failure = Failure::transient(Stage::Login, Cause::TooManyConnections, "the server is full")
        .with_reply("421 Too many \u{1b}[31musers")
        .with_advice("lower --per-host");
    shown.record.remember(Attempt {
        source: None,
        started_at: 1_000_000_000,
        ended_at: 1_000_000_065,
        from: 16_384,
        fetched: 5 << 20,
        gained: 5 << 20,
        millis: 65_400,
        note: Some("the overlap differed".into()),
        failure: Some(failure.clone()),
    });
    shown.record.failure = Some(failure);
    shown.record.not_before = Some(1_000_000_100);
    trial.house.state().jobs = vec![shown];
    let ended = trial.run("show 5");
    for words in [
        "waiting until 2001-09-09T01:48:20Z",
        "ftp://h/f5",
        "/data/f5",
        "5.0 KiB (5120 bytes)",
        "1 attempt",
        "2001-09-09T01:46:40Z to 2001-09-09T01:47:45Z (1 min 5 s)",
        "from 16.0 KiB (16384 bytes), fetched 5.0 MiB (5242880 bytes)",
        "note: the overlap differed",
        "login: the server is full",
        "the server said: 421 Too many \\u{1b}[31musers",
        "what to do: lower --per-host",
    ] {
        assert!(ended.out.contains(words), "{words}: {}", ended.out);
    }
    let read: Job = serde_json::from_str(&trial.run("show 5 --json").out).unwrap();
    assert_eq!(read, trial.house.state().jobs[0]);
    let ended = trial.run("show 6");
    assert_eq!(ended.exit, Exit::Usage);
    assert!(ended.err.contains("no job 6"));
}

#[test]
fn changes_go_to_the_jobs_that_are_named() {
    let trial = Trial::new();
    trial.house.state().changed = Changed { changed: 2, refused: Vec::new() };
    for (line, change, words) in [
        ("retry 1-3 7", Change::Retry, "queued again 2 jobs\n"),
        ("pause --state queued", Change::Pause, "paused 2 jobs\n"),
        ("resume --all", Change::Resume, "resumed 2 jobs\n"),
        ("cancel 1 --state waiting", Change::Cancel, "cancelled 2 jobs\n"),
        ("remove --all --json", Change::Remove, "{\"changed\":2,\"refused\":[]}\n"),
    ] {
        let ended = trial.run(line);
        assert_eq!((ended.exit, ended.out.as_str()), (Exit::Done, words), "{line}");
        assert_eq!(trial.house.state().changes.last().unwrap().1, change);
    }
    let selections: Vec<_> = trial.house.state().changes.iter().map(|(s, _)| s.clone()).collect();
    assert_eq!(selections[0].ids.as_ref().unwrap().len(), 4);
    assert_eq!((selections[1].ids.as_ref(), selections[1].state), (None, Some(JobState::Queued)));
    assert_eq!(selections[2], Selection::default());
    assert_eq!((selections[3].ids.is_some(), selections[3].state), (true, Some(JobState::Waiting)));
}

#[test]
fn a_change_without_jobs_changes_nothing() {
    let trial = Trial::new();
    for line in ["retry", "pause", "resume", "cancel", "remove"] {
        let ended = trial.run(line);
        assert_eq!(ended.exit, Exit::Usage, "{line}");
        assert!(ended.err.contains("--all"), "{}", ended.err);
    }
    assert!(trial.house.state().changes.is_empty());
}

/// The runtime may move a command from thread to thread.
#[test]
fn a_command_can_be_spawned() {
    fn spawnable(_: impl Future + Send) {}
    let args = Args::try_parse_from(["ftpq", "status"]).unwrap();
    spawnable(super::execute(args, Door::default(), &Fake::default(), Box::new(sink())));
}

#[test]
fn a_refused_change_says_why() {
    let trial = Trial::new();
    trial.house.state().changed = Changed {
        changed: 1,
        refused: (1..=9).map(|id| (JobId(id), "a job that is done can't be retried".into())).collect(),
    };
    let ended = trial.run("retry 1-10");
    assert_eq!(ended.exit, Exit::Usage);
    assert!(ended.err.contains("ftpq: job 9: a job that is done can't be retried"), "{}", ended.err);
    let ended = trial.run("retry --all");
    assert_eq!((ended.exit, ended.err.lines().count()), (Exit::Done, 4), "{}", ended.err);
    trial.house.state().changed = Changed::default();
    assert_eq!(trial.run("retry 77").exit, Exit::Usage);
    assert_eq!(trial.run("retry --state failed").exit, Exit::Done);
}

#[test]
fn status_shows_counts_hosts_and_the_run() {
    let trial = Trial::new();
    let run = Snapshot {
        running: vec![RunningFile {
            job: JobId(4),
            name: "big\u{202e}file".into(),
            phase: "receiving".into(),
            have: 1 << 20,
            size: Some(3 << 20),
            rate: 2048.0,
        }],
        files_left: 3,
        seconds_left: Some(75),
        ..Snapshot::default()
    };
    let quirks = Quirks { no_rest: true, ..Quirks::default() };
    let host = HostStatus {
        host: "h:21".into(),
        left: 3,
        connection_limit: Some(2),
        limit_learned_at: Some(1_000_000_000),
        useful_connections: Some(2),
        useful_learned_at: None,
        protection: Some(Protection { tls: Some(TlsInUse::V13), ..Protection::default() }),
        quirks,
    };
    let report = StatusReport {
        queue: "/q".into(),
        jobs: Counts { queued: 2, running: 1, done: 1, ..Counts::default() },
        hosts: vec![host],
        run: Some(run),
        pid: Some(42),
    };
    trial.house.state().status = Some(report.clone());
    let out = trial.run("status").out;
    for words in [
        "jobs   4: 2 queued, 1 running, 1 done\n",
        "process 42, 0 done, 0 failed, 3 left",
        "about 1 min 15 s left",
        "4    big\\u{202e}file  receiving  1.0 MiB  3.0 MiB  2.0 KiB/s",
        "h:21  3     TLS 1.3  2 at most, seen 2001-09-09T01:46:40Z; 2 or more are useful  no REST",
    ] {
        assert!(out.contains(words), "{words}: {out}");
    }
    assert_eq!(serde_json::from_str::<StatusReport>(&trial.run("status --json").out).unwrap(), report);
}

#[test]
fn the_queues_folder_is_found_as_the_help_says() {
    let house = Fake::default();
    let folder = |flag: Option<&str>, queue: Option<&str>, state: Option<&str>, home: Option<&str>| {
        let face = Face {
            house: &house,
            global: Global { queue: flag.map(Into::into), ..Global::default() },
            around: Surroundings {
                queue: queue.map(Into::into),
                state: state.map(Into::into),
                home: home.map(Into::into),
                folder: "/here".into(),
                ..Surroundings::default()
            },
            input: None,
            out: Box::new(sink()),
            err: Box::new(sink()),
            stand: None,
            rehearsal: None,
            drawn: false,
        };
        face.queue().ok()
    };
    let is = |path: &str| Some(PathBuf::from(path));
    assert_eq!(folder(Some("q"), Some("/e"), Some("/s"), Some("/h")), is("/here/q"));
    assert_eq!(folder(None, Some("/e"), Some("/s"), Some("/h")), is("/e"));
    assert_eq!(folder(None, Some(""), Some("/s"), Some("/h")), is("/s/ftpq"));
    assert_eq!(folder(None, None, Some("relative"), Some("/h")), is("/h/.local/state/ftpq"));
    assert_eq!(folder(None, None, None, Some("/h")), is("/h/.local/state/ftpq"));
    assert_eq!(folder(None, None, None, None), None);
}

#[test]
fn a_manifest_that_is_not_there_is_named() {
    let trial = Trial::new();
    let ended = trial.run("add nowhere.txt");
    assert_eq!(ended.exit, Exit::Usage);
    assert!(ended.err.contains("nowhere.txt") && ended.err.contains("ftp://"), "{}", ended.err);
    trial.write("empty", "");
    assert_eq!(trial.run("add empty").out, "queued 0 jobs\n");
    assert_eq!(trial.run("add - -").exit, Exit::Usage);
}

#[test]
fn what_is_no_list_is_told_apart() {
    let trial = Trial::new();
    std::fs::create_dir(trial.folder.path().join("folder")).unwrap();
    for (line, words) in [
        ("add folder", "folder is a folder; give a list file or a URL"),
        ("add h.example/x", "a URL starts with ftp://"),
        ("get ftp://h/a --manifest folder", "folder is a folder"),
    ] {
        let ended = trial.run(line);
        assert_eq!(ended.exit, Exit::Usage, "{line}");
        assert!(ended.err.contains(words), "{line}: {}", ended.err);
    }
    let ended = trial.run_words(&["add", ""]);
    assert_eq!(
        (ended.exit, ended.err.as_str()),
        (Exit::Usage, "ftpq: an argument is empty; give a list file or a URL\n")
    );
    assert!(!trial.run("add /nonexistent/list").err.contains("ftp://"));
}

#[test]
fn an_endless_stream_of_bad_lines_ends() {
    let trial = Trial::new();
    let ended = trial.run_on("add - --format jsonl", Box::new(std::io::BufReader::new(Yes)));
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Usage, ""));
    assert!(ended.err.contains("after 1000 bad lines the rest was not read"), "{}", ended.err);
    assert!(ended.err.lines().count() < 30);
}

/// `yes`, for ever.
struct Yes;

impl std::io::Read for Yes {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        buffer.chunks_exact_mut(2).for_each(|pair| pair.copy_from_slice(b"y\n"));
        Ok(buffer.len() / 2 * 2)
    }
}

#[test]
fn a_pattern_is_the_job_of_reading_its_folder() {
    let trial = Trial::new();
    let ended = trial.run("add ftp://h/d/*.gz ftp://h/d*/a ftp://h/e/ ftp://h/d%2A");
    assert_eq!((ended.exit, ended.out.as_str(), ended.err.as_str()), (Exit::Done, "queued 4 jobs\n", ""));
    let accepted = trial.house.state().accepted.clone();
    let told = |at: usize| {
        let rules = accepted[at].folder.as_ref();
        (accepted[at].source.to_string(), rules.map(|rules| (rules.pattern.clone(), rules.recursive)))
    };
    assert_eq!(told(0), ("ftp://h/d/".to_owned(), Some((Some("*.gz".to_owned()), false))));
    assert_eq!(told(1), ("ftp://h/".to_owned(), Some((Some("d*/a".to_owned()), true))));
    assert_eq!(told(2), ("ftp://h/e/".to_owned(), Some((None, false))));
    assert_eq!(told(3).1, None, "a star that is written as %2A is a name's");
}

#[test]
fn what_is_left_and_paused_is_said_with_the_way_on() {
    let trial = Trial::new();
    trial.house.state().jobs = (5..=9).map(|id| job(id, JobState::Paused)).collect();
    trial.house.state().counts = Counts { paused: 2, done: 1, ..Counts::default() };
    let ended = trial.run("run 5-6 8");
    assert_eq!(
        (ended.exit, ended.err.as_str()),
        (Exit::Left, "ftpq: 2 paused: `ftpq resume 5-6 8`, then `ftpq run`\n")
    );
    let ended = trial.run("run");
    assert_eq!(ended.exit, Exit::Left);
    assert_eq!(ended.err, "ftpq: 2 paused: `ftpq resume --state paused`, then `ftpq run`\n");
    trial.house.state().counts = Counts { paused: 2, queued: 1, ..Counts::default() };
    assert_eq!(trial.run("run 5-9").err, "");
}

#[test]
fn a_gap_of_numbers_is_one_line() {
    let trial = Trial::new();
    let refused = vec![(JobId(3), "there is no such job".into()), (JobId(612), "there are no jobs 612-700".into())];
    trial.house.state().changed = Changed { changed: 9, refused };
    let ended = trial.run("pause 1-700");
    assert_eq!(ended.err, "ftpq: job 3: there is no such job\nftpq: there are no jobs 612-700\n");
    assert_eq!(ended.exit, Exit::Usage);
}

#[test]
fn cancel_says_that_unfinished_files_are_kept() {
    let trial = Trial::new();
    trial.house.state().changed = Changed { changed: 1, refused: Vec::new() };
    trial.house.state().jobs = (1..=700).map(|id| job(id, JobState::Cancelled)).collect();
    assert_eq!(trial.run("cancel --all").err, "");
    trial.house.state().jobs[600].record.progress = Some(Progress::default());
    let ended = trial.run("cancel --all");
    assert!(ended.err.contains(".NAME.ftpq-part") && ended.err.contains("ftpq remove"), "{}", ended.err);
    assert_eq!(ended.err.lines().count(), 1);
    assert_eq!(trial.run("cancel 5-9").err, "");
    assert_eq!(trial.run("retry --all").err, "");
}
