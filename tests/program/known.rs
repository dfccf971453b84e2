//! What is done and is asked for again: the server is asked, and nothing counts as there on the word of the queue alone.

use crate::{
    policies::digest,
    support::{
        Act, Ended, Ftpq, Scripted, Traits, Turn, pseudo_random,
        real::{self, Kind, MODIFIED, Options, Server},
        report, watch,
    },
};
use serde_json::Value;
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

pub(crate) const OLD: &str = "20240229123456";
pub(crate) const NEW: &str = "20250301010203";

/// How the second `get` names the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Url,
    List,
    Pattern,
    Folder,
}

pub(crate) const WAYS: [By; 4] = [By::Url, By::List, By::Pattern, By::Folder];

pub(crate) fn into(ftpq: &Ftpq) -> String {
    ftpq.downloads().to_str().unwrap().to_owned()
}

/// `get` of `d/a.bin`, in one of the ways there are.
pub(crate) fn get(ftpq: &Ftpq, server: &Scripted, by: By, more: &[&str]) -> Ended {
    let into = into(ftpq);
    let file = server.url("d/a.bin");
    let what = match by {
        By::Url => vec![file],
        By::List => vec!["--manifest".to_owned(), ftpq.write("list.txt", format!("{file}\n"))],
        By::Pattern => vec![server.url("d/*.bin")],
        By::Folder => vec![server.url("d/"), "--recursive".to_owned()],
    };
    let what: Vec<&str> = what.iter().map(String::as_str).collect();
    ftpq.run(&[&["--json", "get", "--into", &into, "--retries", "0", "--timeout", "5"], &what[..], more].concat())
}

/// A server with one file, which is here and done.
pub(crate) fn done_by(by: By, traits: Traits) -> (Ftpq, Scripted, Vec<u8>) {
    let server = Scripted::with(traits, |_| Act::Usual);
    let data = pseudo_random(700, 20_000);
    server.core().put("d/a.bin", data.clone(), OLD);
    let ftpq = Ftpq::new();
    let ended = get(&ftpq, &server, by, &[]).expect_code(0);
    ftpq.assert_file("a.bin", &data, &ended);
    (ftpq, server, data)
}

fn done(by: By) -> (Ftpq, Scripted, Vec<u8>) {
    done_by(by, Traits::default())
}

/// The one job of a file.
pub(crate) fn job(ftpq: &Ftpq) -> Value {
    let mut files: Vec<Value> = ftpq.json(&["list"]).into_iter().filter(|job| job["folder"].is_null()).collect();
    assert_eq!(files.len(), 1, "{files:#?}");
    files.remove(0)
}

/// Runs the commands that an advice names in backquotes, as they stand; returns how the last one ended.
pub(crate) fn follow(ftpq: &Ftpq, advice: &str) -> Ended {
    let commands: Vec<&str> = advice.split('`').skip(1).step_by(2).collect();
    assert!(!commands.is_empty(), "no command in {advice:?}");
    let run = |command: &&str| {
        let words: Vec<&str> = command.split_whitespace().collect();
        assert_eq!(words[0], "ftpq", "{advice}");
        ftpq.run(&words[1..])
    };
    commands.iter().map(run).last().unwrap()
}

pub(crate) fn edit(ftpq: &Ftpq, name: &str, data: &[u8]) {
    fs::write(ftpq.downloads().join(name), data).unwrap();
}

// ---- the same ----

#[test]
fn a_done_file_is_asked_of_the_server_and_stays_done_with_its_proof() {
    for by in WAYS {
        let (ftpq, server, data) = done(by);
        let before = job(&ftpq);
        let asked = server.core().commands().len();
        let ended = get(&ftpq, &server, by, &[]).expect_code(0);
        let story = format!("{by:?}\n{ended}{}", server.core().dialogue());
        ftpq.assert_file("a.bin", &data, &story);
        let verbs: Vec<String> = server.core().commands().split_off(asked);
        let is_question = |line: &String| ["SIZE", "MDTM", "MLST", "MLSD", "LIST"].iter().any(|v| line.starts_with(v));
        assert!(verbs.iter().any(is_question), "the server was not asked\n{story}");
        assert_eq!(server.core().sent("d/a.bin"), data.len() as u64, "it was fetched again\n{story}");
        let after = job(&ftpq);
        assert_eq!(after["state"], "done", "{story}");
        for field in ["finished_at", "attempts", "digests", "proof", "fetched_in_all"] {
            assert_eq!(after["receipt"][field], before["receipt"][field], "{field}\n{story}");
        }
        assert_eq!(after["history"], before["history"], "the story of the download\n{story}");
        let told = match by {
            By::Url | By::List => ended.events("done")[0]["unchanged"] == "time",
            By::Pattern | By::Folder => ended.events("folder")[0]["tally"]["same"] == 1,
        };
        assert!(told, "it is not said\n{story}");
    }
}

#[test]
fn digests_and_proof_of_a_first_download_outlive_a_second_look() {
    let (ftpq, server, data) = done(By::Url);
    ftpq.run(&["remove", "--all"]).expect_code(0);
    fs::remove_file(ftpq.downloads().join("a.bin")).unwrap();
    let line = format!(
        "{{\"url\":\"{}\",\"path\":\"a.bin\",\"sha256\":\"{}\"}}\n",
        server.url("d/a.bin"),
        digest("sha256sum", &data)
    );
    let list = ftpq.write("sums.jsonl", line);
    ftpq.run(&["add", &list, "--into", &into(&ftpq)]).expect_code(0);
    ftpq.run(&["run"]).expect_code(0);
    let before = job(&ftpq)["receipt"].clone();
    assert_eq!(before["proof"]["by"], "manifest");
    let ended = get(&ftpq, &server, By::Url, &[]).expect_code(0);
    let after = job(&ftpq)["receipt"].clone();
    for field in ["proof", "checksum", "digests"] {
        assert_eq!(after[field], before[field], "{field}\n{ended}");
    }
    assert!(after["checked_at"].is_u64(), "{after:#}");
    let shown = ftpq.run(&["show", "2"]).expect_code(0);
    assert!(shown.out.contains("asked again"), "{shown}");
}

#[test]
fn a_retried_done_file_that_is_the_same_keeps_its_receipt() {
    let (ftpq, server, data) = done(By::Url);
    let before = job(&ftpq);
    ftpq.run(&["retry", "1"]).expect_code(0);
    assert_eq!(job(&ftpq)["state"], "queued");
    assert!(job(&ftpq)["receipt"].is_object(), "the proof is lost while it waits");
    let ended = ftpq.run(&["run"]).expect_code(0);
    assert_eq!(job(&ftpq)["receipt"]["finished_at"], before["receipt"]["finished_at"], "{ended}");
    assert_eq!(server.core().sent_total(), data.len() as u64, "{ended}");
}

// ---- another one ----

#[test]
fn a_file_that_changed_on_the_server_is_told_with_a_way_out_that_works() {
    for by in WAYS {
        for (longer, time) in [(true, NEW), (false, NEW), (true, OLD)] {
            let (ftpq, server, old) = done(by);
            let new = pseudo_random(701, if longer { 30_000 } else { 20_000 });
            server.core().put("d/a.bin", new.clone(), time);
            let ended = get(&ftpq, &server, by, &[]);
            let story = format!("{by:?} longer {longer}, {time}\n{ended}{}", server.core().dialogue());
            assert_eq!(ended.code, Some(1), "{story}");
            ftpq.assert_file("a.bin", &old, &story);
            let failed = ended.events("failed");
            assert_eq!(failed.len(), 1, "{story}");
            assert!(job(&ftpq)["receipt"].is_object(), "the proof of what is here is lost\n{story}");
            // The same question has the same answer.
            let again = get(&ftpq, &server, by, &[]).expect_code(1);
            let ended = follow(&ftpq, failed[0]["failure"]["advice"].as_str().unwrap());
            let story = format!("{story}{again}{ended}");
            assert_eq!(ended.code, Some(0), "{story}");
            ftpq.assert_file("a.bin", &new, &story);
            assert_eq!(get(&ftpq, &server, by, &[]).code, Some(0), "{story}");
        }
    }
}

#[test]
fn existing_overwrite_fetches_what_changed_on_the_server() {
    for by in WAYS {
        let (ftpq, server, _) = done(by);
        let new = pseudo_random(702, 30_000);
        server.core().put("d/a.bin", new.clone(), NEW);
        let ended = get(&ftpq, &server, by, &["--existing", "overwrite"]).expect_code(0);
        ftpq.assert_file("a.bin", &new, &format!("{by:?}\n{ended}"));
        assert_eq!(job(&ftpq)["receipt"]["size"], 30_000, "{ended}");
    }
}

/// What was not compared with the server's is never told to be the same as that, at whatever time it is asked again.
#[test]
fn existing_skip_keeps_what_is_here_and_says_that_it_differs() {
    for by in WAYS {
        for more in [&[][..], &["--digest", "sha256"]] {
            let server = Scripted::with(Traits::default(), |_| Act::Usual);
            let old = pseudo_random(700, 20_000);
            server.core().put("d/a.bin", old.clone(), OLD);
            let ftpq = Ftpq::new();
            get(&ftpq, &server, by, more).expect_code(0);
            let new = pseudo_random(703, 30_000);
            server.core().put("d/a.bin", new.clone(), NEW);
            for _ in 0..2 {
                let ended = get(&ftpq, &server, by, &["--existing", "skip"]).expect_code(0);
                ftpq.assert_file("a.bin", &old, &ended);
                assert!(ended.everything().contains("20000 became 30000"), "{by:?}: {ended}");
            }
            let ended = get(&ftpq, &server, by, &[]);
            assert_eq!(ended.code, Some(1), "{by:?} {more:?}\n{ended}");
            let ended = get(&ftpq, &server, by, &["--existing", "overwrite"]).expect_code(0);
            ftpq.assert_file("a.bin", &new, &format!("{by:?} {more:?}\n{ended}"));
        }
    }
}

/// A file that was here before any download, and was left as it is.
#[test]
fn what_was_skipped_at_first_is_compared_once_that_is_wished() {
    for by in WAYS {
        let server = Scripted::with(Traits::default(), |_| Act::Usual);
        let theirs = pseudo_random(764, 20_000);
        server.core().put("d/a.bin", theirs.clone(), OLD);
        let ftpq = Ftpq::new();
        let mine = pseudo_random(765, 20_000);
        fs::create_dir_all(ftpq.downloads()).unwrap();
        fs::write(ftpq.downloads().join("a.bin"), &mine).unwrap();
        get(&ftpq, &server, by, &["--existing", "skip"]).expect_code(0);
        let ended = get(&ftpq, &server, by, &["--existing", "check"]);
        assert_eq!(ended.code, Some(1), "{by:?}\n{ended}");
        get(&ftpq, &server, by, &["--existing", "skip"]).expect_code(0);
        ftpq.assert_file("a.bin", &mine, &ended);
        let ended = get(&ftpq, &server, by, &["--existing", "overwrite"]).expect_code(0);
        ftpq.assert_file("a.bin", &theirs, &format!("{by:?}\n{ended}"));
    }
}

#[test]
fn existing_resume_goes_on_with_a_file_that_grew() {
    let (ftpq, server, old) = done(By::Url);
    let new = [&old[..], &pseudo_random(704, 15_000)].concat();
    server.core().put("d/a.bin", new.clone(), NEW);
    let ended = get(&ftpq, &server, By::Url, &["--existing", "resume"]).expect_code(0);
    ftpq.assert_file("a.bin", &new, &ended);
    assert!(server.core().sent("d/a.bin") < 60_000, "{ended}");
}

/// Days pass: the nightly `run` of a job that was retried while its file changed again.
#[test]
fn a_retried_file_takes_whatever_the_server_has_by_then() {
    let (ftpq, server, _) = done(By::Url);
    for (day, time) in [(1, "20250301010203"), (2, "20250302010203"), (3, "20250303010203")] {
        let new = pseudo_random(705 + day, 20_000 + usize::try_from(day).unwrap() * 100);
        server.core().put("d/a.bin", new.clone(), time);
        ftpq.run(&["retry", "1"]).expect_code(0);
        let ended = ftpq.run(&["run"]).expect_code(0);
        ftpq.assert_file("a.bin", &new, &ended);
    }
}

#[test]
fn what_is_not_told_any_more_is_not_the_same() {
    for verb in ["MDTM", "SIZE"] {
        let silent = Arc::new(AtomicBool::new(false));
        let is_silent = Arc::clone(&silent);
        let server = Scripted::lying(move |turn: &Turn| match turn.verb {
            v if v == verb && is_silent.load(Ordering::SeqCst) => Act::say("550 Not today."),
            _ => Act::Usual,
        });
        let data = pseudo_random(710, 20_000);
        server.core().put("d/a.bin", data.clone(), OLD);
        let ftpq = Ftpq::new();
        get(&ftpq, &server, By::Url, &[]).expect_code(0);
        silent.store(true, Ordering::SeqCst);
        let ended = get(&ftpq, &server, By::Url, &[]);
        let story = format!("{verb}\n{ended}{}", server.core().dialogue());
        assert_eq!(ended.code, Some(1), "{story}");
        ftpq.assert_file("a.bin", &data, &story);
    }
}

#[test]
fn a_server_that_never_told_a_time_is_compared_by_size_and_that_is_said() {
    let server = Scripted::lying(|turn: &Turn| if turn.verb == "MDTM" { Act::say("500 What?") } else { Act::Usual });
    let data = pseudo_random(711, 20_000);
    server.core().put("d/a.bin", data.clone(), OLD);
    let ftpq = Ftpq::new();
    get(&ftpq, &server, By::Url, &[]).expect_code(0);
    let ended = get(&ftpq, &server, By::Url, &[]).expect_code(0);
    assert!(ended.everything().contains("no time"), "{ended}");
    server.core().put("d/a.bin", pseudo_random(712, 20_001), OLD);
    get(&ftpq, &server, By::Url, &[]).expect_code(1);
}

// ---- the server can't be asked, or has it no more ----

#[test]
fn a_server_that_can_not_be_asked_is_no_success_and_nothing_is_lost() {
    for by in [By::Url, By::List] {
        let (ftpq, server, data) = done(by);
        let server = Scripted::at_port(server.shut(), Traits::default(), |turn| {
            if turn.verb == "GREETING" { Act::say_and_close("421 Down for the night.") } else { Act::Usual }
        });
        let ended = get(&ftpq, &server, by, &[]);
        assert_ne!(ended.code, Some(0), "{ended}");
        ftpq.assert_file("a.bin", &data, &ended);
        assert!(job(&ftpq)["receipt"].is_object(), "{ended}");
        let server = Scripted::at_port(server.shut(), Traits::default(), |_| Act::Usual);
        server.core().put("d/a.bin", data.clone(), OLD);
        let ended = get(&ftpq, &server, by, &[]).expect_code(0);
        assert_eq!(server.core().sent_total(), 0, "{ended}");
        assert_eq!(job(&ftpq)["state"], "done", "{ended}");
    }
}

#[test]
fn a_file_that_is_gone_on_the_server_stays_here_and_is_told() {
    let (ftpq, server, data) = done(By::Url);
    server.core().remove("d/a.bin");
    let ended = get(&ftpq, &server, By::Url, &[]).expect_code(1);
    ftpq.assert_file("a.bin", &data, &ended);
    assert!(job(&ftpq)["receipt"].is_object(), "{ended}");
}

// ---- changed here ----

#[test]
fn a_file_that_was_changed_here_is_replaced_by_no_retry_and_no_get() {
    for (longer, changed_there) in [(true, true), (false, true), (true, false), (false, false)] {
        let (ftpq, server, data) = done(By::Url);
        let mine = pseudo_random(720, if longer { 25_000 } else { 20_000 });
        edit(&ftpq, "a.bin", &mine);
        if changed_there {
            server.core().put("d/a.bin", pseudo_random(721, 30_000), NEW);
        }
        let ended = get(&ftpq, &server, By::Url, &[]).expect_code(1);
        ftpq.assert_file("a.bin", &mine, &ended);
        ftpq.run(&["retry", "1"]).expect_code(0);
        let ended = ftpq.run(&["run"]).expect_code(1);
        ftpq.assert_file("a.bin", &mine, &ended);
        assert_eq!(server.core().sent_total(), data.len() as u64, "{ended}");
    }
}

#[test]
fn a_file_that_was_only_touched_here_is_known_by_its_digest() {
    let (ftpq, server, data) = {
        let server = Scripted::honest();
        let data = pseudo_random(722, 20_000);
        server.core().put("d/a.bin", data.clone(), OLD);
        let ftpq = Ftpq::new();
        get(&ftpq, &server, By::Url, &["--digest", "sha256"]).expect_code(0);
        (ftpq, server, data)
    };
    edit(&ftpq, "a.bin", &data);
    let ended = get(&ftpq, &server, By::Url, &[]).expect_code(0);
    assert!(ended.everything().contains("as it was"), "{ended}");
    // And one byte is enough.
    let mut mine = data;
    mine[7] ^= 1;
    edit(&ftpq, "a.bin", &mine);
    let ended = get(&ftpq, &server, By::Url, &[]).expect_code(1);
    ftpq.assert_file("a.bin", &mine, &ended);
}

#[test]
fn a_file_that_is_gone_here_is_fetched_again_by_get_and_by_retry() {
    for by_get in [true, false] {
        let (ftpq, server, data) = done(By::Url);
        fs::remove_file(ftpq.downloads().join("a.bin")).unwrap();
        let ended = if by_get {
            get(&ftpq, &server, By::Url, &[])
        } else {
            ftpq.run(&["retry", "1"]).expect_code(0);
            ftpq.run(&["run"])
        };
        assert_eq!(ended.code, Some(0), "{ended}");
        ftpq.assert_file("a.bin", &data, &ended);
        assert_eq!(job(&ftpq)["state"], "done", "{ended}");
    }
}

// ---- kill -9 ----

/// Killed at a step of the work on a file that changed, after `retry`: the next run ends right, and the old file or the new
/// one stands under the name at any time.
#[test]
fn a_kill_between_two_contents_leaves_one_of_them_and_the_next_run_ends_right() {
    if !cfg!(feature = "failpoints") {
        return report::skip("needs the feature failpoints");
    }
    for large in [false, true] {
        for step in
            ["transfer-verified", "transfer-renamed", "transfer-dir-synced", "engine-before-settle", "engine-settled"]
        {
            let (mut ftpq, server, old) = done(By::Url);
            let new = pseudo_random(730, if large { 400_000 } else { 30_000 });
            server.core().put("d/a.bin", new.clone(), NEW);
            ftpq.run(&["retry", "1"]).expect_code(0);
            ftpq.set("FTPQ_STOP_AT", step);
            let killed = ftpq.run(&["run"]).expect_killed();
            ftpq.unset("FTPQ_STOP_AT");
            let there = fs::read(ftpq.downloads().join("a.bin")).unwrap();
            let story = format!("{step}, large {large}\n{killed}");
            assert!(there == old || there == new, "a mixture\n{story}");
            let state = job(&ftpq)["state"].clone();
            assert!(state != "done" || there == new, "{state} with the old file\n{story}");
            let ended = ftpq.run(&["run"]).expect_code(0);
            ftpq.assert_file("a.bin", &new, &format!("{story}{ended}"));
            assert_eq!(job(&ftpq)["state"], "done", "{story}{ended}");
        }
    }
}

#[test]
fn a_kill_before_the_answer_is_stored_leaves_the_question() {
    if !cfg!(feature = "failpoints") {
        return report::skip("needs the feature failpoints");
    }
    for changed in [false, true] {
        let (mut ftpq, server, old) = done(By::Url);
        if changed {
            server.core().put("d/a.bin", pseudo_random(731, 30_000), NEW);
        }
        ftpq.set("FTPQ_STOP_AT", "engine-before-settle");
        let killed = get(&ftpq, &server, By::Url, &[]).expect_killed();
        ftpq.unset("FTPQ_STOP_AT");
        assert_eq!(job(&ftpq)["state"], "queued", "{killed}");
        assert!(job(&ftpq)["receipt"].is_object(), "{killed}");
        let ended = ftpq.run(&["run"]).expect_code(i32::from(changed));
        ftpq.assert_file("a.bin", &old, &ended);
        assert_eq!(job(&ftpq)["state"], if changed { "failed" } else { "done" }, "{ended}");
    }
}

/// What ftpq itself put there is no other one's, though it was killed before that was stored.
#[test]
fn a_kill_before_a_download_is_stored_makes_no_skipped_file_of_it() {
    if !cfg!(feature = "failpoints") {
        return report::skip("needs the feature failpoints");
    }
    // Long enough that how far it got is recorded; what comes in a moment leaves no record of its beginning.
    let server = Scripted::with(Traits { mlst: true, pace: 300_000, ..Traits::default() }, |_| Act::Usual);
    server.core().put("d/a.bin", pseudo_random(733, 2_400_000), OLD);
    let mut ftpq = Ftpq::new();
    let sync = |ftpq: &Ftpq, more: &[&str]| ftpq.run(&[&["sync", &server.url("d/"), &into(ftpq)], more].concat());
    ftpq.set("FTPQ_STOP_AT", "transfer-dir-synced");
    let killed = sync(&ftpq, &["--existing", "skip"]).expect_killed();
    ftpq.unset("FTPQ_STOP_AT");
    let ended = ftpq.run(&["run", "--existing", "skip"]).expect_code(0);
    assert!(ftpq.downloads().join("a.bin").exists(), "{killed}{ended}");
    let receipt = job(&ftpq)["receipt"].clone();
    assert!(receipt["left_alone"].is_null() && receipt["proof"]["by"] == "size", "{receipt}\n{killed}{ended}");
    server.core().remove("d/a.bin");
    server.put_folder("d");
    let ended = sync(&ftpq, &["--delete=force"]).expect_code(0);
    assert!(!ftpq.downloads().join("a.bin").exists(), "{ended}");
}

// ---- add ----

#[test]
fn add_of_what_is_done_says_how_many_since_when_and_how_to_ask() {
    let (ftpq, server, data) = done(By::Url);
    server.put("d/b.bin", data.clone());
    let list = ftpq.write("two.txt", format!("{}\n{}\n", server.url("d/a.bin"), server.url("d/b.bin")));
    let into = into(&ftpq);
    let add = ["add", &list, "--into", &into];
    let said = ftpq.run(&add).expect_code(0);
    assert!(said.everything().contains("1 was there already") && said.everything().contains("done since 20"), "{said}");
    assert!(said.everything().contains("--recheck"), "{said}");
    ftpq.run(&["run"]).expect_code(0);
    let said = ftpq.run(&add).expect_code(0);
    assert!(said.everything().contains("2 were there already") && said.everything().contains("2 done"), "{said}");
    let told = ftpq.json_one(&add);
    assert_eq!(told["done"], 2, "{told}");
    assert!(told["newest"].as_u64() >= told["oldest"].as_u64() && told["oldest"].is_u64(), "{told}");
    assert_eq!(ftpq.count("done"), 2);
}

#[test]
fn add_recheck_asks_the_server_and_changes_nothing_where_all_is_the_same() {
    for by in [By::Url, By::Folder] {
        let (ftpq, server, data) = done(by);
        let what = if by == By::Url { server.url("d/a.bin") } else { server.url("d/") };
        let into = into(&ftpq);
        let mut add = vec!["add", &what, "--into", &into, "--recheck"];
        if by == By::Folder {
            add.push("--recursive");
        }
        let said = ftpq.run(&add).expect_code(0);
        let ended = ftpq.run(&["--json", "run", "--retries", "0"]).expect_code(0);
        assert_eq!(server.core().sent_total(), data.len() as u64, "{said}{ended}");
        assert_eq!(job(&ftpq)["state"], "done", "{said}{ended}");
        server.core().put("d/a.bin", pseudo_random(740, 21_000), NEW);
        ftpq.run(&add).expect_code(0);
        let ended = ftpq.run(&["--json", "run", "--retries", "0"]).expect_code(1);
        ftpq.assert_file("a.bin", &data, &ended);
    }
}

const FILES: usize = 40;
const ONE: [&str; 6] = ["--per-host", "1", "--connections", "1", "--retries", "0"];

/// Files on a server, all of them done by a list; the list.
fn many(server: &Scripted) -> (Ftpq, String) {
    for n in 0..FILES {
        server.core().put(&format!("d/f{n}"), pseudo_random(750 + n as u64, 2_000 + n), OLD);
    }
    let ftpq = Ftpq::new();
    let list: String = (0..FILES).map(|n| format!("{}\n", server.url(&format!("d/f{n}")))).collect();
    let list = ftpq.write("list.txt", list);
    ftpq.run(&["add", &list, "--into", &into(&ftpq)]).expect_code(0);
    ftpq.run(&[&["run"], &ONE[..]].concat()).expect_code(0);
    (ftpq, list)
}

/// Has the server asked about all of them once more.
fn recheck(ftpq: &Ftpq, list: &str) -> Ended {
    ftpq.run(&["add", "--recheck", list, "--into", &into(ftpq)]).expect_code(0);
    ftpq.run(&[&["--json", "run"], &ONE[..]].concat())
}

/// Over a warm session one question for sixteen files, and for a folder none but its listing.
#[test]
fn rechecked_files_cost_a_round_trip_for_many_and_listed_ones_none() {
    for mlst in [false, true] {
        let traits = || Traits { mlst, ..Traits::default() };
        let server = Scripted::with(traits(), |_| Act::Usual);
        let (ftpq, list) = many(&server);
        let (turns, sent) = (server.core().turns(), server.core().sent_total());
        let ended = recheck(&ftpq, &list).expect_code(0);
        let story = format!("{ended}{}", server.core().dialogue());
        let used = server.core().turns() - turns;
        // Four for login and QUIT, one for the rest of the first file's questions where MLST is to be trusted first.
        assert!(used <= FILES / 8 + 6, "{used} round trips for {FILES} files, MLST {mlst}\n{story}");
        assert_eq!(server.core().sent_total(), sent, "{story}");
        assert_eq!(ftpq.count("done"), FILES as u64, "{story}");

        let ftpq = Ftpq::new();
        let (into, url) = (into(&ftpq), server.url("d/"));
        let get = [&["get", "--recursive", &url, "--into", &into], &ONE[..]].concat();
        ftpq.run(&get).expect_code(0);
        let turns = server.core().turns();
        let ended = ftpq.run(&get).expect_code(0);
        let used = server.core().turns() - turns;
        let story = format!("{ended}{}", server.core().dialogue());
        assert!(used <= 12, "{used} round trips for a listing of {FILES} known files\n{story}");
        assert!(ended.everything().contains(&format!("{FILES} files")), "it is not said\n{story}");
    }
}

#[test]
fn what_differs_among_many_is_asked_about_alone() {
    for mlst in [false, true] {
        let server = Scripted::with(Traits { mlst, ..Traits::default() }, |_| Act::Usual);
        let (ftpq, list) = many(&server);
        server.core().put("d/f7", pseudo_random(790, 2_007), NEW);
        server.core().put("d/f20", pseudo_random(791, 3_000), OLD);
        server.core().remove("d/f30");
        let ended = recheck(&ftpq, &list).expect_code(1);
        let story = format!("MLST {mlst}\n{ended}{}", server.core().dialogue());
        assert_eq!((ftpq.count("done"), ftpq.count("failed")), (FILES as u64 - 3, 3), "{story}");
        for n in [7, 20, 30] {
            ftpq.assert_file(&format!("f{n}"), &pseudo_random(750 + n, 2_000 + usize::try_from(n).unwrap()), &story);
        }
        let causes: Vec<String> =
            ended.events("failed").iter().map(|e| e["failure"]["cause"].as_str().unwrap().to_owned()).collect();
        assert_eq!(causes.iter().filter(|cause| *cause == "exists").count(), 2, "{causes:?}\n{story}");
    }
}

/// A server, or a firewall, that takes three commands at once and not thirty.
#[test]
fn a_server_that_breaks_under_many_questions_is_asked_about_one_file_at_a_time() {
    for hangs_up in [true, false] {
        let hit = AtomicBool::new(false);
        let server = Scripted::lying(move |turn: &Turn| match turn.verb {
            "SIZE" if turn.session > 1 && turn.arg.ends_with("f5") && !hit.swap(true, Ordering::SeqCst) => {
                if hangs_up {
                    Act::SayAndClose(Vec::new())
                } else {
                    Act::say("226 What was that?")
                }
            }
            _ => Act::Usual,
        });
        let (ftpq, list) = many(&server);
        let sent = server.core().sent_total();
        let ended = recheck(&ftpq, &list).expect_code(0);
        let story = format!("{ended}{}", server.core().dialogue());
        assert_eq!(ftpq.count("done"), FILES as u64, "{story}");
        assert_eq!(server.core().sent_total(), sent, "{story}");
        let quirks = ftpq.json_one(&["status"])["hosts"][0]["quirks"].clone();
        assert_eq!((&quirks["lockstep"], &quirks["pipelines"]), (&false.into(), &true.into()), "{story}");
    }
}

#[test]
fn a_file_of_a_mirror_is_compared_with_what_that_mirror_has() {
    let data = pseudo_random(795, 20_000);
    let (first, second) = (Scripted::honest(), Scripted::honest());
    second.core().put("d/a.bin", data.clone(), NEW);
    let ftpq = Ftpq::new();
    let line = serde_json::json!({"url": first.url("d/a.bin"), "path": "a.bin", "mirrors": [second.url("d/a.bin")]});
    let list = ftpq.write("mirrors.jsonl", format!("{line}\n"));
    let into = into(&ftpq);
    let get = ["--json", "get", "--manifest", &list, "--into", &into, "--retries", "0"];
    ftpq.run(&get).expect_code(0);
    // By now the first has it as well, with a time of its own.
    first.core().put("d/a.bin", data, OLD);
    let ended = ftpq.run(&get).expect_code(0);
    assert_eq!(ended.events("done")[0]["unchanged"], "time", "{ended}{}", second.core().dialogue());
    second.core().put("d/a.bin", pseudo_random(796, 20_000), OLD);
    ftpq.run(&get).expect_code(1);
}

#[test]
fn a_file_that_is_written_to_here_while_its_successor_comes_is_not_replaced() {
    for large in [false, true] {
        let ftpq = Ftpq::new();
        let mine = pseudo_random(797, 500);
        let (path, edited) = (ftpq.downloads().join("a.bin"), mine.clone());
        let server = Scripted::lying(move |turn: &Turn| {
            if turn.verb == "RETR" && turn.before == 1 {
                fs::write(&path, &edited).unwrap();
            }
            Act::Usual
        });
        server.core().put("d/a.bin", pseudo_random(798, 20_000), OLD);
        get(&ftpq, &server, By::Url, &[]).expect_code(0);
        server.core().put("d/a.bin", pseudo_random(799, if large { 400_000 } else { 30_000 }), NEW);
        ftpq.run(&["retry", "1"]).expect_code(0);
        let ended = ftpq.run(&["run", "--retries", "0"]).expect_code(1);
        assert!(fs::read(ftpq.downloads().join("a.bin")).unwrap() == mine, "{ended}");
    }
}

#[test]
fn a_dry_run_of_what_is_done_tells_of_questions_and_fetches_nothing() {
    let (ftpq, server, _) = done(By::Url);
    let commands = server.core().commands().len();
    let told = get(&ftpq, &server, By::Url, &["--dry-run"]).expect_code(0).lines().remove(0);
    assert_eq!((&told["files"], &told["asked"]), (&0.into(), &1.into()), "{told}");
    assert_eq!((job(&ftpq)["state"].as_str(), server.core().commands().len()), (Some("done"), commands));
}

// ---- lists that say something else than before ----

/// A list of one file with these fields more, added or got.
fn with_fields(ftpq: &Ftpq, server: &Scripted, fields: &[(&str, Value)]) -> String {
    let mut line = serde_json::json!({"url": server.url("d/a.bin"), "path": "a.bin"});
    for (name, value) in fields {
        line[*name] = value.clone();
    }
    ftpq.write("corrected.jsonl", format!("{line}\n"))
}

fn add_fields(ftpq: &Ftpq, server: &Scripted, fields: &[(&str, Value)]) -> Ended {
    let list = with_fields(ftpq, server, fields);
    ftpq.run(&["add", &list, "--into", &into(ftpq)]).expect_code(0)
}

#[test]
fn a_done_file_is_compared_with_the_checksum_that_a_later_list_gives() {
    let data = pseudo_random(700, 20_000);
    for (tool, field) in [("sha256sum", "sha256"), ("md5sum", "md5")] {
        // Right: proved by the new word now.
        let (ftpq, server, _) = done(By::Url);
        let said = add_fields(&ftpq, &server, &[(field, digest(tool, &data).into())]);
        assert!(said.everything().contains("checksum") && said.everything().contains("1 job"), "{said}");
        let ended = ftpq.run(&["run"]).expect_code(0);
        let receipt = job(&ftpq)["receipt"].clone();
        assert_eq!(receipt["proof"]["by"], "manifest", "{receipt:#}\n{said}{ended}");
        assert_eq!(server.core().sent_total(), data.len() as u64, "{ended}");
        // The same list again is no news, and a list that says less takes nothing away.
        for fields in [&[(field, Value::from(digest(tool, &data)))][..], &[]] {
            add_fields(&ftpq, &server, fields);
            assert_eq!(job(&ftpq)["state"], "done");
            assert!(job(&ftpq)["expect"]["checksum"].is_string(), "{:#}", job(&ftpq));
        }

        // Wrong: never done by the old word.
        let said = add_fields(&ftpq, &server, &[(field, digest(tool, b"another content").into())]);
        let ended = ftpq.run(&["run", "--retries", "0"]).expect_code(1);
        assert_eq!(job(&ftpq)["state"], "failed", "{said}{ended}");
        ftpq.assert_file("a.bin", &data, &ended);
        assert!(ended.everything().contains("checksum"), "{ended}");
    }
}

#[test]
fn settings_that_a_known_job_does_not_take_are_told() {
    let (server, ftpq) = (Scripted::with(Traits::default(), |_| Act::Usual), Ftpq::new());
    let list = ftpq.write("list.txt", format!("{}\n{}\n", server.url("a"), server.url("b")));
    let add = |options: &[&str]| ftpq.run(&[&["add", &list], options].concat()).expect_code(0);
    add(&["--retries", "2"]);
    for options in [&[][..], &["--retries", "2"]] {
        let said = add(options);
        assert!(!said.err.contains("settings"), "{options:?}: {said}");
    }
    let said = add(&["--retries", "3"]);
    assert!(said.err.contains("2 jobs that were there already keep their former settings"), "{said}");
    assert!(said.err.contains("`ftpq remove 1-2`") && said.err.contains("`ftpq run 1-2`"), "{said}");
    let said = ftpq.run(&["add", &server.url("a"), "--retries", "3"]).expect_code(0);
    assert!(said.err.contains("give the new ones to `ftpq run 1`, or `ftpq remove 1` and add it again"), "{said}");
    let told = ftpq.json_one(&["add", &list, "--timeout", "9"]);
    assert_eq!(told["kept_settings"], serde_json::json!([[1, 2]]), "{told}");
    // They are another's by now; get has them for its own run.
    assert!(!ftpq.run(&["get", "--manifest", &list, "--retries", "0"]).err.contains("settings"));
}

/// What was told of a job twice stands in its JSON under two names: the same commands read it while a run has the queue.
#[test]
fn jobs_that_were_told_of_twice_are_listed_while_a_run_goes_on() {
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, |turn| match turn.verb {
        "RETR" if turn.arg.contains("slow") => Act::Silence,
        _ => Act::Usual,
    });
    server.core().put("d/a.bin", pseudo_random(766, 20_000), OLD);
    let ftpq = Ftpq::new();
    for time in [OLD, NEW] {
        server.core().put("d/a.bin", pseudo_random(767, 20_000), time);
        get(&ftpq, &server, By::Folder, &["--existing", "overwrite"]).expect_code(0);
    }
    add_fields(&ftpq, &server, &[("size", 20_000.into())]);
    server.core().put("slow", vec![7; 100], OLD);
    ftpq.add(&[(server.url("slow"), "slow")]);
    let run = ftpq.spawn(&["run", "--timeout", "60"]);
    assert!(watch::wait_for(Duration::from_secs(30), || !server
        .core()
        .args("RETR")
        .iter()
        .all(|arg| !arg.contains("slow"))));
    for command in [&["--json", "list"][..], &["list"], &["show", "2"], &["report"], &["verify"]] {
        let ended = ftpq.run(command);
        assert!(ended.code.is_some_and(|code| code < 2), "{command:?}: {ended}");
    }
    let list = ftpq.write("again.txt", format!("{}\n", server.url("d/a.bin")));
    ftpq.run(&["add", &list, "--into", &into(&ftpq)]).expect_code(0);
    run.kill();
}

/// What a skipped file is told to have is still compared afterwards, by whoever reads the folder next.
#[test]
fn a_file_of_equal_size_that_was_skipped_once_is_no_other_one_s_equal() {
    for (by, mlst) in [(By::Folder, true), (By::Folder, false), (By::Url, false)] {
        let (ftpq, server, _) = done_by(by, Traits { mlst, ..Traits::default() });
        let new = pseudo_random(768, 20_000);
        server.core().put("d/a.bin", new.clone(), NEW);
        get(&ftpq, &server, By::Folder, &["--existing", "skip"]).expect_code(0);
        let ended = ftpq.run(&["sync", &server.url("d/"), &into(&ftpq)]).expect_code(0);
        ftpq.assert_file("a.bin", &new, &format!("{by:?} {mlst}\n{ended}{}", server.core().dialogue()));
    }
}

/// The user's own file, which was only left alone, is never taken for one that ftpq put there.
#[test]
fn a_file_that_was_left_alone_is_kept_when_it_is_replaced_and_never_deleted() {
    let cases = [(false, 20_000, "none"), (true, 20_000, "none"), (false, 20_000, "sha256"), (false, 30_000, "sha256")];
    for (is_gone, size, digest) in cases {
        let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, |_| Act::Usual);
        server.core().put("d/a.bin", pseudo_random(769, size), OLD);
        server.core().put("d/b.bin", pseudo_random(770, 20_000), OLD);
        let ftpq = Ftpq::new();
        let mine = pseudo_random(771, 20_000);
        fs::create_dir_all(ftpq.downloads()).unwrap();
        fs::write(ftpq.downloads().join("a.bin"), &mine).unwrap();
        let sync = |more: &[&str]| ftpq.run(&[&["sync", &server.url("d/"), &into(&ftpq)], more].concat());
        sync(&["--existing", "skip", "--digest", digest]).expect_code(0);
        if is_gone {
            server.core().remove("d/a.bin");
        }
        let ended = sync(&["--delete"]);
        let kept = if is_gone { "a.bin" } else { "a.bin.ftpq-changed" };
        ftpq.assert_file(kept, &mine, &format!("{is_gone} {size} {digest}\n{ended}"));
    }
}

#[test]
fn a_corrected_list_and_a_corrected_file_come_together() {
    let (ftpq, server, old) = done(By::Url);
    add_fields(&ftpq, &server, &[("md5", digest("md5sum", &old).into()), ("size", 20_000.into())]);
    ftpq.run(&["run"]).expect_code(0);
    let new = pseudo_random(760, 30_000);
    server.core().put("d/a.bin", new.clone(), NEW);
    let list = with_fields(&ftpq, &server, &[("md5", digest("md5sum", &new).into())]);
    let ended = ftpq.run(&["--json", "get", "--manifest", &list, "--into", &into(&ftpq)]).expect_code(1);
    ftpq.assert_file("a.bin", &old, &ended);
    let ended = follow(&ftpq, ended.events("failed")[0]["failure"]["advice"].as_str().unwrap());
    ftpq.assert_file("a.bin", &new, &ended);
    assert_eq!(job(&ftpq)["receipt"]["proof"]["by"], "manifest", "{ended}");
}

#[test]
fn a_corrected_size_is_held_against_what_is_here() {
    let (ftpq, server, data) = done(By::Url);
    let said = add_fields(&ftpq, &server, &[("size", 20_001.into())]);
    let ended = ftpq.run(&["run", "--retries", "0"]).expect_code(1);
    assert!(ended.everything().contains("20001") && said.everything().contains("size"), "{said}{ended}");
    ftpq.assert_file("a.bin", &data, &ended);
    let said = add_fields(&ftpq, &server, &[("size", 20_000.into())]);
    let ended = ftpq.run(&["run", "--retries", "0"]).expect_code(0);
    assert_eq!(job(&ftpq)["state"], "done", "{said}{ended}");
}

#[test]
fn digests_of_pieces_in_a_later_list_are_held_against_a_done_file() {
    for right in [true, false] {
        let (ftpq, server, data) = done(By::Url);
        let piece = |bytes: &[u8]| digest("sha1sum", if right { bytes } else { b"another piece" });
        let hashes: String = data.chunks(5_000).map(|bytes| format!("<hash>{}</hash>", piece(bytes))).collect();
        let list = format!(
            "<?xml version=\"1.0\"?><metalink xmlns=\"urn:ietf:params:xml:ns:metalink\"><file name=\"a.bin\">\
             <size>20000</size><pieces length=\"5000\" type=\"sha-1\">{hashes}</pieces><url>{}</url></file></metalink>",
            server.url("d/a.bin")
        );
        let said = ftpq.run(&["add", &ftpq.write("a.meta4", list), "--into", &into(&ftpq)]).expect_code(0);
        assert!(said.everything().contains("took another checksum"), "{said}");
        let ended = ftpq.run(&["run", "--retries", "0"]).expect_code(i32::from(!right));
        ftpq.assert_file("a.bin", &data, &ended);
        let job = job(&ftpq);
        assert_eq!(job["state"], if right { "done" } else { "failed" }, "{ended}");
        assert!(!right || job["receipt"]["proof"]["by"] == "pieces", "{job:#}");
    }
}

#[test]
fn a_job_that_failed_or_waits_takes_the_word_of_a_later_list() {
    let server = Scripted::honest();
    let data = pseudo_random(761, 20_000);
    server.core().put("d/a.bin", data.clone(), OLD);
    for fails_first in [true, false] {
        let ftpq = Ftpq::new();
        add_fields(&ftpq, &server, &[("md5", digest("md5sum", b"wrong").into())]);
        if fails_first {
            ftpq.run(&["run", "--retries", "0"]).expect_code(1);
            assert_eq!(job(&ftpq)["state"], "failed");
        }
        let said = add_fields(&ftpq, &server, &[("md5", digest("md5sum", &data).into())]);
        assert!(said.everything().contains("checksum"), "it is not told\n{said}");
        let ended = ftpq.run(&["run", "--retries", "0"]).expect_code(0);
        ftpq.assert_file("a.bin", &data, &format!("{said}{ended}"));
        assert_eq!(job(&ftpq)["receipt"]["proof"]["by"], "manifest", "{ended}");
    }
}

/// Of two kinds the stronger counts, but not where it may be that of an older content.
#[test]
fn a_corrected_list_may_give_a_weaker_kind_of_checksum() {
    let (ftpq, server, old) = done(By::Url);
    add_fields(&ftpq, &server, &[("sha256", digest("sha256sum", &old).into())]);
    ftpq.run(&["run"]).expect_code(0);
    let said = add_fields(&ftpq, &server, &[("md5", digest("md5sum", &old).into())]);
    ftpq.run(&["run"]).expect_code(0);
    assert_eq!(server.core().sent_total(), old.len() as u64, "compared here\n{said}");
    for (tool, field) in [("sha256sum", "sha256"), ("md5sum", "md5")] {
        add_fields(&ftpq, &server, &[(field, digest(tool, &old).into())]);
        assert_eq!(job(&ftpq)["state"], "done", "both are known to be the file's");
    }
    let new = pseudo_random(763, 30_000);
    server.core().put("d/a.bin", new.clone(), NEW);
    add_fields(&ftpq, &server, &[("md5", digest("md5sum", &new).into())]);
    let ended = ftpq.run(&["run", "--retries", "0", "--existing", "overwrite"]).expect_code(0);
    ftpq.assert_file("a.bin", &new, &ended);

    let ftpq = Ftpq::new();
    add_fields(&ftpq, &server, &[("sha256", digest("sha256sum", b"wrong").into())]);
    ftpq.run(&["run", "--retries", "0"]).expect_code(1);
    add_fields(&ftpq, &server, &[("md5", digest("md5sum", &new).into())]);
    let ended = ftpq.run(&["run", "--retries", "0"]).expect_code(0);
    ftpq.assert_file("a.bin", &new, &ended);
}

#[test]
fn a_second_list_in_one_command_adds_its_checksums() {
    let server = Scripted::honest();
    let data = pseudo_random(762, 20_000);
    server.core().put("d/a.bin", data.clone(), OLD);
    let ftpq = Ftpq::new();
    let plain = ftpq.write("plain.txt", format!("{}\n", server.url("d/a.bin")));
    let sums = with_fields(&ftpq, &server, &[("sha256", digest("sha256sum", &data).into())]);
    let ended = ftpq.run(&["add", &plain, &sums, "--into", &into(&ftpq)]).expect_code(0);
    assert!(job(&ftpq)["expect"]["checksum"].is_string(), "{ended}");
    ftpq.run(&["run"]).expect_code(0);
    assert_eq!(job(&ftpq)["receipt"]["proof"]["by"], "manifest");
}

#[test]
fn a_correction_outlives_a_kill_and_the_store() {
    let (ftpq, server, data) = done(By::Url);
    add_fields(&ftpq, &server, &[("md5", digest("md5sum", b"wrong").into())]);
    // The store is built anew from list and journal.
    fs::remove_dir_all(ftpq.queue().join("store")).unwrap();
    let job = job(&ftpq);
    assert!(job["expect"]["checksum"].as_str().unwrap().contains(&digest("md5sum", b"wrong")), "{job:#}");
    assert_eq!(job["state"], "queued", "{job:#}");
    let ended = ftpq.run(&["run", "--retries", "0"]).expect_code(1);
    ftpq.assert_file("a.bin", &data, &ended);
}

#[test]
fn mirrors_that_a_known_job_has_not_are_told() {
    let server = Scripted::honest();
    let ftpq = Ftpq::new();
    add_fields(&ftpq, &server, &[]);
    let said = add_fields(&ftpq, &server, &[("mirrors", serde_json::json!([server.url("e/a.bin")]))]);
    assert!(said.everything().contains("mirrors") && said.everything().contains("ftpq remove 1"), "{said}");
}

// ---- report ----

#[test]
fn a_report_tells_of_a_file_that_is_here_and_differs_there() {
    let (ftpq, server, _) = done(By::Url);
    server.core().put("d/a.bin", pseudo_random(770, 30_000), NEW);
    get(&ftpq, &server, By::Url, &[]).expect_code(1);
    let report = ftpq.run(&["report"]).expect_code(1);
    assert!(report.out.contains("20000 became 30000") && report.out.contains("ftpq retry 1"), "{report}");
    assert!(report.out.contains("an earlier one is here"), "{report}");
}

// ---- real servers ----

#[test]
fn real_servers_tell_what_changed() {
    if let Some(reason) = real::unavailable() {
        return report::skip(&reason);
    }
    for kind in Kind::ALL {
        let server = Server::start(kind, Options::default());
        let (old, new) = (pseudo_random(780, 50_000), pseudo_random(781, 50_000));
        server.put("pub/a.bin", &old);
        let ftpq = Ftpq::new();
        let (url, into) = (server.url("pub/a.bin", false), into(&ftpq));
        let get = ["--json", "get", "--into", &into, "--retries", "0", &url];
        ftpq.run(&get).expect_code(0);
        let same = ftpq.run(&get).expect_code(0);
        assert!(same.everything().contains("as it was"), "{kind:?}\n{same}");
        // Another content of the same length, a minute later.
        server.put("pub/a.bin", &new);
        let file = fs::File::options().write(true).open(server.root().join("pub/a.bin")).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(MODIFIED + 60)).unwrap();
        let ended = ftpq.run(&get).expect_code(1);
        ftpq.assert_file("a.bin", &old, &format!("{kind:?}\n{ended}"));
        let ended = follow(&ftpq, ended.events("failed")[0]["failure"]["advice"].as_str().unwrap());
        ftpq.assert_file("a.bin", &new, &format!("{kind:?}\n{ended}{}", server.log()));
    }
}
