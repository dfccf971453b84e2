//! What is done and asked for again, where size and time do not tell enough: servers without times, files of equal length.

use crate::{
    known::{By, NEW, OLD, WAYS, edit, follow, get, into, job},
    one_version::ago,
    support::{Act, Ended, Ftpq, Scripted, Traits, Turn, pseudo_random},
};
use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

const LEN: usize = 20_000;

pub(crate) fn without_times(turn: &Turn) -> Act {
    if matches!(turn.verb, "MDTM" | "MLST") { Act::say("500 What?") } else { Act::Usual }
}

/// A server that tells no times but in its listings; a file of it is here and done.
fn timeless(by: By) -> (Ftpq, Scripted, Vec<u8>) {
    let server = Scripted::lying(without_times);
    let data = pseudo_random(1400, LEN);
    server.core().put("d/a.bin", data.clone(), OLD);
    let ftpq = Ftpq::new();
    get(&ftpq, &server, by, &[]).expect_code(0);
    (ftpq, server, data)
}

pub(crate) fn sync(ftpq: &Ftpq, server: &Scripted, more: &[&str]) -> Ended {
    let (url, into) = (server.url("d/"), into(ftpq));
    ftpq.run(&[&["sync", &url, &into, "--retries", "0", "--timeout", "5"], more].concat())
}

/// The listing's date is the only word on it.
#[test]
fn a_file_that_only_its_listing_tells_to_be_new_is_fetched_by_sync() {
    let server = Scripted::lying(without_times);
    server.core().put("d/a.bin", pseudo_random(1401, LEN), OLD);
    let ftpq = Ftpq::new();
    sync(&ftpq, &server, &[]).expect_code(0);
    let new = pseudo_random(1402, LEN);
    server.core().put("d/a.bin", new.clone(), NEW);
    let ended = sync(&ftpq, &server, &[]).expect_code(0);
    ftpq.assert_file("a.bin", &new, &format!("{ended}{}", server.core().dialogue()));
}

#[test]
fn a_file_that_only_its_listing_tells_to_be_new_is_compared_by_get() {
    for by in [By::Pattern, By::Folder] {
        let (ftpq, server, old) = timeless(by);
        let new = pseudo_random(1403, LEN);
        server.core().put("d/a.bin", new.clone(), NEW);
        let ended = get(&ftpq, &server, by, &[]);
        let story = format!("{by:?}\n{ended}{}", server.core().dialogue());
        assert_eq!(ended.code, Some(1), "{story}");
        ftpq.assert_file("a.bin", &old, &story);
        let advice = ended.events("failed")[0]["failure"]["advice"].as_str().unwrap().to_owned();
        let ended = follow(&ftpq, &advice).expect_code(0);
        ftpq.assert_file("a.bin", &new, &format!("{story}{ended}"));
    }
}

/// Who says that what is here may be replaced is not put off with an equal length.
#[test]
fn a_wish_to_replace_is_heard_where_the_server_tells_no_time() {
    for by in WAYS {
        let (ftpq, server, _) = timeless(by);
        let new = pseudo_random(1404, LEN);
        server.core().put("d/a.bin", new.clone(), OLD);
        let ended = get(&ftpq, &server, By::Url, &["--existing", "overwrite"]).expect_code(0);
        ftpq.assert_file("a.bin", &new, &format!("{by:?}\n{ended}{}", server.core().dialogue()));
    }
    let (ftpq, server, _) = timeless(By::Url);
    let new = pseudo_random(1405, LEN);
    server.core().put("d/a.bin", new.clone(), OLD);
    ftpq.run(&["retry", "1"]).expect_code(0);
    let ended = ftpq.run(&["run"]).expect_code(0);
    ftpq.assert_file("a.bin", &new, &ended);
}

/// An edit of equal length is the user's own, with or without a time from the server.
#[test]
fn an_edit_of_equal_length_is_kept_by_sync() {
    for has_times in [false, true] {
        let server = Scripted::with(Traits { mlst: has_times, ..Traits::default() }, move |turn| {
            if has_times { Act::Usual } else { without_times(turn) }
        });
        server.core().put("d/a.bin", pseudo_random(1406, LEN), OLD);
        server.core().put("d/b.bin", pseudo_random(1407, LEN), OLD);
        server.core().put("d/c.bin", pseudo_random(1408, LEN), OLD);
        let ftpq = Ftpq::new();
        sync(&ftpq, &server, &[]).expect_code(0);
        // A download that ended within the same second could not be told from the edit.
        std::thread::sleep(std::time::Duration::from_millis(1_100));
        let mine = pseudo_random(1409, LEN);
        edit(&ftpq, "a.bin", &mine);
        edit(&ftpq, "b.bin", &mine);
        server.core().put("d/a.bin", pseudo_random(1410, LEN + 1), NEW);
        server.core().remove("d/b.bin");
        let ended = sync(&ftpq, &server, &["--delete"]);
        let story = format!("{has_times}\n{ended}{}", server.core().dialogue());
        ftpq.assert_file("a.bin.ftpq-changed", &mine, &story);
        ftpq.assert_file("b.bin", &mine, &story);
        assert!(ended.everything().contains("ftpq-changed"), "{story}");
        assert_eq!(fs::metadata(ftpq.downloads().join("a.bin")).unwrap().len(), LEN as u64 + 1, "{story}");
    }
}

/// Another file of the same length in its place, as a bad copy leaves it.
#[test]
fn an_edit_of_equal_length_is_not_counted_as_the_same() {
    for by in WAYS {
        let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, |_| Act::Usual);
        server.core().put("d/a.bin", pseudo_random(1411, LEN), OLD);
        let ftpq = Ftpq::new();
        get(&ftpq, &server, by, &[]).expect_code(0);
        let mine = pseudo_random(1412, LEN);
        edit(&ftpq, "a.bin", &mine);
        let ended = get(&ftpq, &server, by, &[]).expect_code(1);
        ftpq.assert_file("a.bin", &mine, &format!("{by:?}\n{ended}"));
    }
}

/// `unique` facts are numbers of a file system: after a restart of the server all may be others.
#[test]
fn a_file_whose_unique_fact_alone_differs_is_known_by_its_bytes() {
    for (by, is_other, retries) in
        WAYS.into_iter().flat_map(|by| [(by, false, false), (by, true, true)]).collect::<Vec<_>>()
    {
        let id = Arc::new(Mutex::new("before".to_owned()));
        let told = Arc::clone(&id);
        let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, move |turn| match turn.verb {
            "MLST" => Act::say(&format!(
                "250-Listing\r\n type=file;size={LEN};modify={OLD};unique={}; {}\r\n250 End",
                told.lock().unwrap(),
                turn.arg
            )),
            "MLSD" => {
                let mut listing = turn.delivery();
                let lines = String::from_utf8(listing.data.to_vec()).unwrap();
                let lines = lines.replace("; a.bin", &format!(";unique={}; a.bin", told.lock().unwrap()));
                (listing.upto, listing.data) = (lines.len(), Arc::new(lines.into_bytes()));
                Act::Deliver(listing)
            }
            _ => Act::Usual,
        });
        let old = pseudo_random(1413, LEN);
        server.core().put("d/a.bin", old.clone(), OLD);
        let ftpq = Ftpq::new();
        get(&ftpq, &server, by, &[]).expect_code(0);
        *id.lock().unwrap() = "after".to_owned();
        let new = if is_other { pseudo_random(1414, LEN) } else { old.clone() };
        server.core().put("d/a.bin", new.clone(), OLD);
        let ended = get(&ftpq, &server, by, &[]);
        let story = format!("{by:?} {is_other}\n{ended}{}", server.core().dialogue());
        assert_eq!(ended.code, Some(i32::from(is_other)), "{story}");
        ftpq.assert_file("a.bin", &old, &story);
        if retries {
            let advice = ended.events("failed")[0]["failure"]["advice"].as_str().unwrap().to_owned();
            let ended = follow(&ftpq, &advice).expect_code(0);
            ftpq.assert_file("a.bin", &new, &format!("{story}{ended}"));
        }
        // It is known by its new number from now on.
        let before = server.core().sent_total();
        get(&ftpq, &server, by, &[]).expect_code(0);
        assert_eq!(server.core().sent_total(), before, "{}", server.core().dialogue());
    }
}

/// The advice of a passing failure is to try again, not to replace what is here.
#[test]
fn trying_again_after_an_outage_replaces_nothing() {
    let is_down = Arc::new(AtomicBool::new(false));
    let down = Arc::clone(&is_down);
    let server = Scripted::lying(move |turn| match turn.verb {
        "SIZE" if down.load(Ordering::SeqCst) => Act::say_and_close("421 Going down."),
        _ => Act::Usual,
    });
    let old = pseudo_random(1415, LEN);
    server.core().put("d/a.bin", old.clone(), OLD);
    let ftpq = Ftpq::new();
    get(&ftpq, &server, By::Url, &[]).expect_code(0);
    is_down.store(true, Ordering::SeqCst);
    let failed = get(&ftpq, &server, By::Url, &[]).expect_code(1);
    assert_eq!(job(&ftpq)["state"], "failed", "{failed}");
    is_down.store(false, Ordering::SeqCst);
    let new = pseudo_random(1416, LEN + 5);
    server.core().put("d/a.bin", new.clone(), NEW);
    ftpq.run(&["retry", "1"]).expect_code(0);
    let ended = ftpq.run(&["--json", "run"]).expect_code(1);
    ftpq.assert_file("a.bin", &old, &ended);
    // Now that it is known what would be replaced, the same command says yes.
    let advice = ended.events("failed")[0]["failure"]["advice"].as_str().unwrap().to_owned();
    let ended = follow(&ftpq, &advice).expect_code(0);
    ftpq.assert_file("a.bin", &new, &ended);
}

/// What is left of a wish to replace is for whoever wishes so again.
#[test]
fn existing_skip_leaves_the_beginning_of_another_file_alone() {
    let cuts = Arc::new(AtomicBool::new(false));
    let cutting = Arc::clone(&cuts);
    let server = Scripted::lying(move |turn| match turn.verb {
        "RETR" if cutting.load(Ordering::SeqCst) => {
            let honest = turn.delivery();
            let upto = honest.data.len() / 2;
            Act::Deliver(crate::support::Delivery { upto, end: crate::support::End::Reset, ..honest })
        }
        _ => Act::Usual,
    });
    server.core().put("d/a.bin", pseudo_random(1417, 400_000), OLD);
    let ftpq = Ftpq::new();
    get(&ftpq, &server, By::Url, &[]).expect_code(0);
    let new = pseudo_random(1418, 600_000);
    server.core().put("d/a.bin", new.clone(), NEW);
    cuts.store(true, Ordering::SeqCst);
    get(&ftpq, &server, By::Url, &["--existing", "overwrite"]).expect_code(1);
    let part = crate::support::watch::part_of(&ftpq.downloads().join("a.bin"));
    assert!(fs::metadata(&part).unwrap().len() > 200_000);
    get(&ftpq, &server, By::Url, &["--existing", "skip"]).expect_code(0);
    assert!(part.exists(), "the beginning is gone");
    cuts.store(false, Ordering::SeqCst);
    let before = server.core().sent("d/a.bin");
    let ended = get(&ftpq, &server, By::Url, &["--existing", "overwrite"]).expect_code(0);
    ftpq.assert_file("a.bin", &new, &ended);
    assert!(server.core().sent("d/a.bin") - before < 400_000, "it came from its first byte\n{ended}");
}

/// What is not told any more is no other content: whoever wants the server's file has its bytes compared.
#[test]
fn a_file_whose_time_is_not_told_any_more_is_compared_and_not_fetched_by_whoever_would_replace_it() {
    for existing in ["overwrite", "resume", "backup"] {
        let is_mute = Arc::new(AtomicBool::new(false));
        let mute = Arc::clone(&is_mute);
        let server = Scripted::lying(move |turn| match turn.verb {
            "MDTM" if mute.load(Ordering::SeqCst) => Act::say("550 Not today."),
            _ => Act::Usual,
        });
        let data = pseudo_random(1416, 400_000);
        server.core().put("d/a.bin", data.clone(), OLD);
        let ftpq = Ftpq::new();
        get(&ftpq, &server, By::Url, &[]).expect_code(0);
        is_mute.store(true, Ordering::SeqCst);
        let ended = get(&ftpq, &server, By::Url, &["--existing", existing]).expect_code(0);
        ftpq.assert_file("a.bin", &data, &ended);
        let came = ended.events("summary")[0]["bytes"].as_u64().unwrap();
        assert!((1..200_000).contains(&came), "{existing}: {came} bytes\n{ended}");
        assert!(!ftpq.downloads().join("a.bin.ftpq-changed").exists(), "{ended}");
    }
}

/// Its content proved it, so the time of its own that it has here is no change.
#[test]
fn a_file_that_was_taken_by_its_checksum_is_vouched_for_by_listings() {
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, |_| Act::Usual);
    let data = pseudo_random(1417, LEN);
    server.core().put("d/a.bin", data.clone(), OLD);
    server.core().put(
        "d/SHA256SUMS",
        format!("{}  a.bin\n", crate::policies::digest("sha256sum", &data)).into_bytes(),
        OLD,
    );
    let ftpq = Ftpq::new();
    fs::create_dir_all(ftpq.downloads()).unwrap();
    fs::write(ftpq.downloads().join("a.bin"), &data).unwrap();
    let file = fs::File::options().write(true).open(ftpq.downloads().join("a.bin")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000)).unwrap();
    let ended = sync(&ftpq, &server, &["--sidecars"]);
    let story = format!("{ended}{}", server.core().dialogue());
    assert_eq!(ended.code, Some(0), "{story}");
    let before = (server.core().args("SIZE").len(), server.core().args("MLST").len());
    let ended = sync(&ftpq, &server, &[]).expect_code(0);
    let after = (server.core().args("SIZE").len(), server.core().args("MLST").len());
    assert_eq!(after, before, "{story}{ended}{}", server.core().dialogue());
}

/// What its bytes proved once is not moved aside and fetched by the next look.
#[test]
fn a_file_with_a_time_of_its_own_that_its_bytes_proved_stays_for_good() {
    let tells = Arc::new(AtomicBool::new(false));
    let is_telling = Arc::clone(&tells);
    let server = Scripted::lying(move |turn| match turn.verb {
        "MDTM" | "MLST" if !is_telling.load(Ordering::SeqCst) => Act::say("500 What?"),
        _ => Act::Usual,
    });
    let data = pseudo_random(1418, 400_000);
    server.core().put("d/a.bin", data.clone(), OLD);
    let ftpq = Ftpq::new();
    sync(&ftpq, &server, &[]).expect_code(0);
    tells.store(true, Ordering::SeqCst);
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    for night in 0..3 {
        let ended = sync(&ftpq, &server, &[]);
        let story = format!("{night}\n{ended}{}", server.core().dialogue());
        assert_eq!(ended.code, Some(0), "{story}");
        ftpq.assert_file("a.bin", &data, &story);
        assert!(!ftpq.downloads().join("a.bin.ftpq-changed").exists(), "{story}");
    }
}

/// A file that was changed in one byte that no sample meets but by chance.
pub(crate) fn changed_in_the_middle(data: &[u8]) -> Vec<u8> {
    let mut changed = data.to_vec();
    changed[1_000_000] ^= 1;
    changed
}

/// A time that is told only now, by which the file may have been changed since: some of its bytes do not say that it was not.
#[test]
fn a_file_that_may_have_been_changed_since_is_not_the_same_by_some_of_its_bytes() {
    for (existing, code) in [("backup", 0), ("check", 1)] {
        let tells = Arc::new(AtomicBool::new(false));
        let is_telling = Arc::clone(&tells);
        let server = Scripted::lying(move |turn| match turn.verb {
            "MDTM" | "MLST" if !is_telling.load(Ordering::SeqCst) => Act::say("550 Busy."),
            _ => Act::Usual,
        });
        let old = pseudo_random(1421, 4_000_000);
        server.core().put("d/a.bin", old.clone(), OLD);
        let ftpq = Ftpq::new();
        sync(&ftpq, &server, &[]).expect_code(0);
        let new = changed_in_the_middle(&old);
        server.core().put("d/a.bin", new.clone(), &ago(0));
        tells.store(true, Ordering::SeqCst);
        let ended = sync(&ftpq, &server, &["--existing", existing, "--min-age", "0"]);
        let story = format!("{existing}\n{ended}{}", server.core().dialogue());
        assert_eq!(ended.code, Some(code), "{story}");
        ftpq.assert_file("a.bin", if code == 0 { &new } else { &old }, &story);
        assert!(!ftpq.downloads().join("a.bin.ftpq-changed").exists(), "{story}");
        if code == 0 {
            let before = server.core().args("RETR").len();
            sync(&ftpq, &server, &[]).expect_code(0);
            assert_eq!(server.core().args("RETR").len(), before, "{}", server.core().dialogue());
        }
    }
}

/// A listing that tells another day tells of another file; one that tells another hour may tell of another clock.
#[test]
fn a_listing_s_other_time_is_believed_where_no_clock_explains_it() {
    const AN_HOUR_LATER: &str = "20240229133456";
    for (time, is_fetched) in [(NEW, true), (AN_HOUR_LATER, false)] {
        let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, without_times);
        let old = pseudo_random(1422, 4_000_000);
        server.core().put("d/a.bin", old.clone(), OLD);
        let ftpq = Ftpq::new();
        sync(&ftpq, &server, &[]).expect_code(0);
        let new = if is_fetched { changed_in_the_middle(&old) } else { old };
        server.core().put("d/a.bin", new.clone(), time);
        let before = server.core().args("RETR").len();
        let ended = sync(&ftpq, &server, &[]).expect_code(0);
        let story = format!("{time}\n{ended}{}", server.core().dialogue());
        ftpq.assert_file("a.bin", &new, &story);
        assert!(server.core().args("RETR").len() > before, "by its size alone\n{story}");
        let whole = ended.events("summary").is_empty() && ended.everything().contains("3.81 MiB");
        assert_eq!(whole, is_fetched, "{story}");
        sync(&ftpq, &server, &[]).expect_code(0);
    }
}

/// The listing's word counts where the server, asked for the time, refuses it that night.
#[test]
fn a_listing_s_other_time_is_believed_where_the_server_s_own_word_fails() {
    let refuses = Arc::new(AtomicBool::new(false));
    let is_refusing = Arc::clone(&refuses);
    let server = Scripted::lying(move |turn| match turn.verb {
        "MDTM" | "MLST" if is_refusing.load(Ordering::SeqCst) => Act::say("550 Busy."),
        _ => Act::Usual,
    });
    let old = pseudo_random(1426, 4_000_000);
    server.core().put("d/a.bin", old.clone(), OLD);
    let ftpq = Ftpq::new();
    sync(&ftpq, &server, &[]).expect_code(0);
    let new = changed_in_the_middle(&old);
    server.core().put("d/a.bin", new.clone(), NEW);
    refuses.store(true, Ordering::SeqCst);
    let ended = sync(&ftpq, &server, &[]);
    ftpq.assert_file("a.bin", &new, &format!("{ended}{}", server.core().dialogue()));
}

/// What is made anew each hour, or each day where dates are all that is listed, is explained by no clock.
#[test]
fn a_file_that_is_made_anew_each_hour_or_day_is_fetched_anew() {
    for (mlst, step) in [(true, 3_600), (false, 86_400)] {
        let server = Scripted::with(Traits { mlst, ..Traits::default() }, without_times);
        // A year ago, so that LIST tells the day alone; and now, as if it had been fetched in between.
        let begun = if mlst { 4_000 } else { 86_400 };
        let old = pseudo_random(1427, 4_000_000);
        server.core().put("d/a.bin", old.clone(), &ago(begun));
        let ftpq = Ftpq::new();
        sync(&ftpq, &server, &["--min-age", "0"]).expect_code(0);
        let new = changed_in_the_middle(&old);
        server.core().put("d/a.bin", new.clone(), &ago(begun - step));
        let ended = sync(&ftpq, &server, &["--min-age", "0"]);
        ftpq.assert_file("a.bin", &new, &format!("{mlst}\n{ended}{}", server.core().dialogue()));
    }
}

/// An edit is told each time it is asked for, and is the server's once it was sent there.
#[test]
fn a_file_that_was_changed_here_and_is_sent_to_the_server_is_the_same_again() {
    let server = Scripted::lying(without_times);
    let data = pseudo_random(1428, 4_000_000);
    server.core().put("d/a.bin", data.clone(), OLD);
    let ftpq = Ftpq::new();
    get(&ftpq, &server, By::Url, &[]).expect_code(0);
    let mine = changed_in_the_middle(&data);
    edit(&ftpq, "a.bin", &mine);
    date_long_ago(&ftpq);
    get(&ftpq, &server, By::Url, &[]).expect_code(1);
    get(&ftpq, &server, By::Url, &[]).expect_code(1);
    server.core().put("d/a.bin", mine.clone(), OLD);
    let ended = get(&ftpq, &server, By::Url, &[]).expect_code(0);
    ftpq.assert_file("a.bin", &mine, &ended);
}

fn date_long_ago(ftpq: &Ftpq) {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
    fs::File::options().write(true).open(ftpq.downloads().join("a.bin")).unwrap().set_modified(time).unwrap();
}

/// What was done for a URL has no listing: the first that tells of it is not its own.
#[test]
fn a_file_that_size_alone_compared_is_not_vouched_for_by_a_first_listing() {
    let (ftpq, server, old) = timeless(By::Url);
    let new = pseudo_random(1424, LEN);
    server.core().put("d/a.bin", new.clone(), NEW);
    let ended = get(&ftpq, &server, By::Folder, &[]).expect_code(1);
    ftpq.assert_file("a.bin", &old, &ended);
    let ended = sync(&ftpq, &server, &[]).expect_code(0);
    ftpq.assert_file("a.bin", &new, &format!("{ended}{}", server.core().dialogue()));
    let asked = server.core().args("RETR").len();
    sync(&ftpq, &server, &[]).expect_code(0);
    assert_eq!(server.core().args("RETR").len(), asked, "{}", server.core().dialogue());
}

/// As when the clock of a server that lists local time is set to summer time.
#[test]
fn a_time_that_only_the_listing_tells_makes_no_error_of_a_file_of_ftpq_s_own() {
    for (same, code) in [(true, 0), (false, 1)] {
        let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, without_times);
        let data = pseudo_random(1425, LEN);
        server.core().put("d/a.bin", data.clone(), OLD);
        let ftpq = Ftpq::new();
        get(&ftpq, &server, By::Folder, &[]).expect_code(0);
        let now = if same { data.clone() } else { pseudo_random(1420, LEN) };
        server.core().put("d/a.bin", now, "20240229133456");
        let before = server.core().args("RETR").len();
        let ended = get(&ftpq, &server, By::Folder, &["--existing", "error"]);
        let story = format!("{ended}{}", server.core().dialogue());
        assert_eq!(ended.code, Some(code), "{story}");
        ftpq.assert_file("a.bin", &data, &story);
        assert!(server.core().args("RETR").len() > before, "by its size alone\n{story}");
    }
}

/// A job that waits to be asked about is told of by a first listing: that one vouches for nothing either.
#[test]
fn a_first_listing_of_a_queued_job_vouches_for_nothing() {
    let (ftpq, server, _) = timeless(By::Url);
    let new = pseudo_random(1429, LEN);
    server.core().put("d/a.bin", new.clone(), NEW);
    let line = serde_json::json!({ "url": server.url("d/a.bin"), "path": "a.bin" }).to_string();
    let list = ftpq.write("list.jsonl", line);
    ftpq.run(&["add", "--recheck", "--into", &into(&ftpq), &list]).expect_code(0);
    get(&ftpq, &server, By::Folder, &[]);
    let ended = sync(&ftpq, &server, &[]).expect_code(0);
    ftpq.assert_file("a.bin", &new, &format!("{ended}{}", server.core().dialogue()));
}

/// In TYPE A no bytes are compared: another number of the same size and time is no other file.
#[test]
fn another_unique_fact_is_no_other_file_in_type_a() {
    let id = Arc::new(Mutex::new(1));
    let told = Arc::clone(&id);
    let server = Scripted::with(Traits { mlst: true, ..Traits::default() }, move |turn| match turn.verb {
        "MLST" => Act::say(&format!(
            "250-Listing\r\n type=file;size=60;modify={OLD};unique=u{}; {}\r\n250 End",
            told.lock().unwrap(),
            turn.arg
        )),
        _ => Act::Usual,
    });
    server.core().put("d/a.bin", vec![b'x'; 60], OLD);
    let ftpq = Ftpq::new();
    get(&ftpq, &server, By::Url, &["--type", "ascii"]).expect_code(0);
    let before = server.core().args("RETR").len();
    for _ in 0..2 {
        *id.lock().unwrap() += 1;
        get(&ftpq, &server, By::Url, &["--type", "ascii"]).expect_code(0);
    }
    assert_eq!(server.core().args("RETR").len(), before, "{}", server.core().dialogue());
}

/// A server that tells times only once it is let.
fn telling(first: bool) -> (Scripted, Arc<AtomicBool>) {
    let tells = Arc::new(AtomicBool::new(first));
    let is_telling = Arc::clone(&tells);
    let server = Scripted::lying(move |turn| match turn.verb {
        "MDTM" | "MLST" if !is_telling.load(Ordering::SeqCst) => Act::say("550 Busy."),
        _ => Act::Usual,
    });
    (server, tells)
}

/// An older time that is told only now does not outweigh a listing that tells of another file: mirrors keep files' times.
#[test]
fn a_time_that_is_told_only_now_does_not_settle_what_a_listing_says() {
    for len in [LEN, 4_000_000] {
        let (server, tells) = telling(false);
        let old = pseudo_random(1430, len);
        server.core().put("d/a.bin", old.clone(), OLD);
        let ftpq = Ftpq::new();
        sync(&ftpq, &server, &[]).expect_code(0);
        let new = if len == LEN { pseudo_random(1431, len) } else { changed_in_the_middle(&old) };
        server.core().put("d/a.bin", new.clone(), NEW);
        tells.store(true, Ordering::SeqCst);
        let ended = sync(&ftpq, &server, &[]).expect_code(0);
        ftpq.assert_file("a.bin", &new, &format!("{ended}{}", server.core().dialogue()));
        let before = server.core().args("RETR").len();
        sync(&ftpq, &server, &[]).expect_code(0);
        assert_eq!(server.core().args("RETR").len(), before, "{}", server.core().dialogue());
    }
}

/// A night without the server's times does not make it forget those of before.
#[test]
fn a_time_that_is_told_again_is_compared_with_the_one_of_before() {
    for existing in ["overwrite", "backup"] {
        let (server, tells) = telling(true);
        let old = pseudo_random(1432, 4_000_000);
        server.core().put("d/a.bin", old.clone(), OLD);
        let ftpq = Ftpq::new();
        get(&ftpq, &server, By::Url, &[]).expect_code(0);
        let new = changed_in_the_middle(&old);
        server.core().put("d/a.bin", new.clone(), NEW);
        let again = || get(&ftpq, &server, By::Url, &["--existing", existing]);
        tells.store(false, Ordering::SeqCst);
        again().expect_code(0);
        let asked = server.core().args("RETR").len();
        again().expect_code(0);
        tells.store(true, Ordering::SeqCst);
        let ended = again().expect_code(0);
        ftpq.assert_file("a.bin", &new, &format!("{existing} {asked}\n{ended}{}", server.core().dialogue()));
    }
}

/// A first listing in a night without the server's times is held against the time that it told at the download.
#[test]
fn a_first_listing_is_held_against_the_time_that_was_told() {
    for len in [LEN, 4_000_000] {
        let (server, tells) = telling(true);
        let old = pseudo_random(1433, len);
        server.core().put("d/a.bin", old.clone(), OLD);
        let ftpq = Ftpq::new();
        get(&ftpq, &server, By::Url, &[]).expect_code(0);
        let new = if len == LEN { pseudo_random(1434, len) } else { changed_in_the_middle(&old) };
        server.core().put("d/a.bin", new.clone(), NEW);
        tells.store(false, Ordering::SeqCst);
        let mut story = sync(&ftpq, &server, &[]).to_string();
        tells.store(true, Ordering::SeqCst);
        story += &sync(&ftpq, &server, &[]).to_string();
        ftpq.assert_file("a.bin", &new, &format!("{story}{}", server.core().dialogue()));
    }
}

/// A time that is told only later is the one that the next is held against.
#[test]
fn a_time_that_was_told_later_is_remembered() {
    for existing in ["overwrite", "backup"] {
        let (server, tells) = telling(false);
        server.core().put("d/a.bin", pseudo_random(1435, LEN), OLD);
        let ftpq = Ftpq::new();
        let again = || get(&ftpq, &server, By::Url, &["--existing", existing]);
        get(&ftpq, &server, By::Url, &[]).expect_code(0);
        tells.store(true, Ordering::SeqCst);
        again().expect_code(0);
        let new = pseudo_random(1436, LEN);
        server.core().put("d/a.bin", new.clone(), NEW);
        let ended = again().expect_code(0);
        ftpq.assert_file("a.bin", &new, &format!("{existing}\n{ended}{}", server.core().dialogue()));
    }
}

/// A listing that comes while a job is asked about is not settled by that.
#[test]
fn a_first_listing_that_comes_while_the_job_runs_is_looked_at() {
    let asks = Arc::new(AtomicBool::new(false));
    let is_asked = Arc::clone(&asks);
    let server = Scripted::lying(move |turn| match turn.verb {
        "MDTM" | "MLST" => Act::say("500 What?"),
        "SIZE" if !is_asked.swap(true, Ordering::SeqCst) => {
            std::thread::sleep(std::time::Duration::from_secs(4));
            Act::Usual
        }
        _ => Act::Usual,
    });
    asks.store(true, Ordering::SeqCst);
    let old = pseudo_random(1437, LEN);
    server.core().put("d/a.bin", old.clone(), OLD);
    let ftpq = Ftpq::new();
    get(&ftpq, &server, By::Url, &[]).expect_code(0);
    let new = pseudo_random(1438, LEN);
    server.core().put("d/a.bin", new.clone(), NEW);
    let line = serde_json::json!({ "url": server.url("d/a.bin"), "path": "a.bin" }).to_string();
    let list = ftpq.write("list.jsonl", line);
    ftpq.run(&["add", "--recheck", "--into", &into(&ftpq), &list]).expect_code(0);
    asks.store(false, Ordering::SeqCst);
    let run = ftpq.spawn(&["run"]);
    assert!(crate::support::watch::wait_for(std::time::Duration::from_secs(20), || asks.load(Ordering::SeqCst)));
    let mut story = get(&ftpq, &server, By::Folder, &[]).to_string();
    story += &run.wait(std::time::Duration::from_secs(60)).to_string();
    story += &sync(&ftpq, &server, &[]).to_string();
    ftpq.assert_file("a.bin", &new, &format!("{story}{}", server.core().dialogue()));
}

/// A server that tells no times any more, by an upgrade or another one behind its name, makes no failure of each night.
#[test]
fn a_time_that_is_told_no_more_is_compared_by_bytes_once() {
    let (server, tells) = telling(true);
    let data = pseudo_random(1439, LEN);
    server.core().put("d/a.bin", data.clone(), OLD);
    let ftpq = Ftpq::new();
    get(&ftpq, &server, By::Url, &[]).expect_code(0);
    tells.store(false, Ordering::SeqCst);
    let ended = get(&ftpq, &server, By::Url, &[]).expect_code(1);
    follow(&ftpq, ended.events("failed")[0]["failure"]["advice"].as_str().unwrap()).expect_code(0);
    for _ in 0..2 {
        get(&ftpq, &server, By::Url, &[]).expect_code(0);
    }
    let new = pseudo_random(1440, LEN);
    server.core().put("d/a.bin", new.clone(), NEW);
    tells.store(true, Ordering::SeqCst);
    let ended = get(&ftpq, &server, By::Url, &["--existing", "overwrite"]).expect_code(0);
    ftpq.assert_file("a.bin", &new, &format!("{ended}{}", server.core().dialogue()));
}

/// A length that is told in some nights alone is held against nothing.
#[test]
fn a_size_that_is_told_now_and_then_makes_no_other_file() {
    let tells = Arc::new(AtomicBool::new(false));
    let is_telling = Arc::clone(&tells);
    let server = Scripted::lying(move |turn| match turn.verb {
        "SIZE" if !is_telling.load(Ordering::SeqCst) => Act::say("550 Not now."),
        _ => Act::Usual,
    });
    server.core().put("d/a.bin", pseudo_random(1441, LEN), OLD);
    let ftpq = Ftpq::new();
    get(&ftpq, &server, By::Url, &[]).expect_code(0);
    for tell in [true, false, true, false] {
        tells.store(tell, Ordering::SeqCst);
        get(&ftpq, &server, By::Url, &[]).expect_code(0);
    }
    assert_eq!(server.core().args("RETR").len(), 1, "{}", server.core().dialogue());
}
