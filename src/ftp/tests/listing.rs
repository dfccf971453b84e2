//! Listings and links against a server that follows a script.

use super::fetch_on;
use super::peer::{Peer, Play};
use crate::ftp::listing::{ListingKind, WantedListing};
use crate::ftp::{Session, Verdict};
use crate::model::{Cause, DataMode, Failure, FailureKind, RemotePath, Stage};
use crate::wire::listing::{Form, Item, Limits};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

pub(super) const MLST: &str = " MLST type*;size*;modify*;unique*;\r\n";
const NOW: i64 = 1_772_366_400;

fn folder(text: &str) -> RemotePath {
    RemotePath::folder(text.as_bytes().to_vec()).unwrap()
}

/// The names of a folder, with a `!` before what was refused.
pub(super) async fn names(session: &mut Session, folder_path: &str) -> Result<Vec<String>, Failure> {
    let mut listing = session.list(&folder(folder_path), NOW).await?;
    let mut names = Vec::new();
    while let Some(item) = listing.next().await? {
        names.push(match item {
            Item::Entry(entry) => String::from_utf8_lossy(&entry.name).into_owned(),
            Item::Refused(refused) => format!("! {}", refused.shown),
        });
    }
    assert_eq!(listing.next().await.unwrap(), None, "the end stays the end");
    Ok(names)
}

impl Peer {
    /// CWD, EPSV and the listing's command up to the 150; returns the data connection.
    async fn accept_list(&mut self, folder: &str, verb: &str) -> TcpStream {
        self.answer(&format!("CWD {folder}"), "250 there").await;
        let listener = self.epsv().await;
        let (data, _) = listener.accept().await.unwrap();
        self.answer(verb, "150 go").await;
        data
    }
}

#[tokio::test]
async fn a_folder_is_gone_to_and_listed_and_its_files_are_fetched_on_the_same_session() {
    let play = Play::of(|mut peer| async move {
        peer.login(MLST).await;
        let mut data = peer.accept_list("/a b/-c", "MLSD").await;
        data.write_all(b"type=cdir; /x\r\ntype=file;size=5;  f \r\ntype=dir; d\r\ntype=file; ../up\r\n").await.unwrap();
        drop(data);
        peer.say("226 done").await;
        let mut data = peer.accept_retr("/f").await;
        data.write_all(b"hello").await.unwrap();
        drop(data);
        peer.say("226 done").await;
    })
    .await;
    let mut session = Session::open(&play.dial).await.unwrap();
    assert_eq!(names(&mut session, "a b/-c/").await.unwrap(), [" f ", "d", "! ../up"]);
    assert!(session.is_usable());
    assert_eq!(fetch_on(&mut session, 0).await.unwrap(), (b"hello".to_vec(), Verdict::Confirmed));
    play.over().await;
}

#[tokio::test]
async fn an_mlsd_that_is_refused_is_learned_and_list_serves() {
    for refusal in ["500 MLSD?", "501 no", "502 no", "504 no"] {
        let play = Play::of(move |mut peer| async move {
            peer.login(MLST).await;
            peer.answer("CWD /d", "250 there").await;
            let listener = peer.epsv().await;
            let _unused = listener.accept().await.unwrap();
            peer.answer("MLSD", refusal).await;
            for again in [false, true] {
                let mut data = if again {
                    peer.accept_list("/d", "LIST").await
                } else {
                    let listener = peer.epsv().await;
                    let (data, _) = listener.accept().await.unwrap();
                    peer.answer("LIST", "150 go").await;
                    data
                };
                data.write_all(b"total 1\r\n-rw-r--r-- 1 u g 5 Jan 29 03:26 f\r\n").await.unwrap();
                drop(data);
                peer.say("226 done").await;
            }
            peer.line().await;
        })
        .await;
        let mut session = Session::open(&play.dial).await.unwrap();
        for _ in 0..2 {
            assert_eq!(names(&mut session, "d/").await.unwrap(), ["f"]);
        }
        assert!(session.quirks().no_mlsd && session.is_usable());
        drop(session);
        play.over().await;
    }
}

#[tokio::test]
async fn no_mlsd_is_tried_where_it_is_not_offered_or_known_to_fail() {
    for (features, known) in [("", false), (MLST, true), (" MLST type;size*;modify*;\r\n", false)] {
        let mut play = Play::of(move |mut peer| async move {
            peer.login(features).await;
            drop(peer.accept_list("/", "LIST").await);
            peer.say("226 done").await;
        })
        .await;
        play.dial.quirks.no_mlsd = known;
        let mut session = Session::open(&play.dial).await.unwrap();
        let mut listing = session.list(&folder(""), NOW).await.unwrap();
        assert_eq!(listing.form(), Form::People);
        assert_eq!(listing.next().await.unwrap(), None);
        play.over().await;
    }
}

#[tokio::test]
async fn every_legal_order_of_a_listing_gives_all_entries() {
    for order in ["early 226", "no 150", "226 before connecting", "two 150s", "last line without its end"] {
        let play = Play::of(move |mut peer| async move {
            peer.login(MLST).await;
            peer.answer("CWD /", "250 there").await;
            let listener = peer.epsv().await;
            let (mut data, _) = listener.accept().await.unwrap();
            peer.hear("MLSD").await;
            let (before, after): (&[&str], &[&str]) = match order {
                "early 226" => (&["150 go", "226 done"], &[]),
                "no 150" => (&[], &["226 done"]),
                "226 before connecting" => (&["226 done"], &[]),
                "two 150s" => (&["150 go", "150 again"], &["226 done"]),
                _ => (&["150 go"], &["250 done"]),
            };
            for text in before {
                peer.say(text).await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            data.write_all(b"type=file; a\r\ntype=fi").await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
            data.write_all(if order.starts_with("last") { b"le; b" } else { b"le; b\r\n" }).await.unwrap();
            drop(data);
            for text in after {
                peer.say(text).await;
            }
            peer.line().await;
        })
        .await;
        let mut session = Session::open(&play.dial).await.unwrap();
        // A last line without its end may lack a part of the name.
        let second = if order.starts_with("last") { "! type=file; b" } else { "b" };
        assert_eq!(names(&mut session, "/").await.unwrap(), ["a", second], "{order}");
        assert!(session.is_usable(), "{order}");
        drop(session);
        play.over().await;
    }
}

/// A script, and the failure that has to come of it.
struct Bad {
    name: &'static str,
    /// What MLSD is answered; data follows where it is a 1xx.
    opening: &'static str,
    /// What is said when the data is over; nothing closes the control connection.
    verdict: Option<&'static str>,
    expected: (FailureKind, Stage, Cause),
    usable: bool,
}

#[tokio::test]
async fn what_is_not_whole_is_a_failure_with_its_stage() {
    use Cause::{Disconnected, Missing, Protocol, Refused};
    use FailureKind::{Permanent, Transient};
    use Stage::{List, Verdict};
    let bad = |name, opening, verdict, expected, usable| Bad { name, opening, verdict, expected, usable };
    for Bad { name, opening, verdict, expected, usable } in [
        bad("refused", "550 no", None, (Permanent, List, Missing), true),
        bad("busy", "450 busy", None, (Transient, List, Refused), true),
        bad("226 missing", "150 go", None, (Transient, Verdict, Disconnected), false),
        bad("426 behind the data", "150 go", Some("426 broken"), (Transient, Verdict, Disconnected), true),
        bad("451 behind the data", "150 go", Some("451 disk"), (Transient, Verdict, Refused), true),
        bad("550 behind the data", "150 go", Some("550 /d: Input/output error"), (Permanent, Verdict, Missing), true),
        bad(
            "vsftpd's word of a folder it may not read",
            "150 go",
            Some("226 Transfer done (but failed to open directory)."),
            (Permanent, List, Missing),
            true,
        ),
        bad(
            "Pure-FTPd's",
            "150 go",
            Some("226-Sorry, we were unable to read [.]\r\n226-Options: -l \r\n226 0 matches total"),
            (Permanent, List, Missing),
            true,
        ),
        bad("another command's reply", "150 go", Some("213 5"), (Transient, Verdict, Protocol), false),
    ] {
        let play = Play::of(move |mut peer| async move {
            peer.login(MLST).await;
            peer.answer("CWD /d", "250 there").await;
            let listener = peer.epsv().await;
            let (mut data, _) = listener.accept().await.unwrap();
            peer.answer("MLSD", opening).await;
            if opening.starts_with('1') {
                data.write_all(b"type=file; a\r\n").await.unwrap();
                drop(data);
                match verdict {
                    Some(text) => peer.say(text).await,
                    None => return,
                }
            }
            peer.line().await;
        })
        .await
        .impatient(2_000);
        let mut session = Session::open(&play.dial).await.unwrap();
        let failure = names(&mut session, "/d/").await.expect_err(name);
        assert_eq!((failure.kind, failure.stage, failure.cause), expected, "{name}: {failure}");
        assert!(failure.advice.is_some(), "{name}: {failure}");
        assert_eq!(session.is_usable(), usable, "{name}");
        drop(session);
        play.over().await;
    }
}

#[tokio::test]
async fn a_folder_without_files_is_told_from_none() {
    // MVS and others refuse to list what is empty; where CWD leads, that is no failure.
    for (cwd, list, empty) in [
        ("250 there", "550 No data sets found.", true),
        ("250 there", "450 No files found", true),
        ("250 there", "550 Permission denied", false),
        ("550 Failed to change directory.", "", false),
    ] {
        let play = Play::of(move |mut peer| async move {
            peer.login("").await;
            peer.answer("CWD /d", cwd).await;
            if !list.is_empty() {
                let listener = peer.epsv().await;
                let _unused = listener.accept().await.unwrap();
                peer.answer("LIST", list).await;
            }
            peer.line().await;
        })
        .await;
        let mut session = Session::open(&play.dial).await.unwrap();
        let found = names(&mut session, "d/").await;
        assert_eq!(found.as_ref().ok(), empty.then(Vec::new).as_ref(), "{cwd} {list}: {found:?}");
        if let Err(failure) = found {
            assert_eq!(
                (failure.kind, failure.stage, failure.cause),
                (FailureKind::Permanent, Stage::List, Cause::Missing)
            );
        }
        assert!(session.is_usable());
        drop(session);
        play.over().await;
    }
}

#[tokio::test]
async fn silence_and_trickles_are_left_in_time() {
    for way in ["no reply", "no data", "no verdict", "cut"] {
        let play = Play::of(move |mut peer| async move {
            peer.login(MLST).await;
            peer.answer("CWD /", "250 there").await;
            let listener = peer.epsv().await;
            let (mut data, _) = listener.accept().await.unwrap();
            peer.hear("MLSD").await;
            if way != "no reply" {
                peer.say("150 go").await;
                data.write_all(b"type=file; a\r\n").await.unwrap();
            }
            match way {
                "no verdict" => drop(data),
                "cut" => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    data.set_zero_linger().unwrap();
                    drop(data);
                }
                _ => {}
            }
            peer.line().await;
        })
        .await
        .impatient(300);
        let mut session = Session::open(&play.dial).await.unwrap();
        let begun = Instant::now();
        let failure = names(&mut session, "/").await.expect_err(way);
        let expected = match way {
            "no reply" | "no data" => (Stage::List, Cause::Timeout),
            "no verdict" => (Stage::Verdict, Cause::Timeout),
            _ => (Stage::List, Cause::Disconnected),
        };
        assert_eq!((failure.stage, failure.cause), expected, "{way}: {failure}");
        assert_eq!(failure.kind, FailureKind::Transient, "{way}");
        assert!(begun.elapsed() < Duration::from_secs(15), "{way}");
        assert!(!session.is_usable(), "{way}");
        drop(session);
        play.over().await;
    }
}

/// GHSA-rp42-5vxx-qpwr: an endless listing.
#[tokio::test]
async fn an_endless_listing_ends_at_the_limit_and_is_broken_off() {
    let limits = Limits { entries: 20_000, ..Limits::default() };
    let play = Play::of(|mut peer| async move {
        peer.login(MLST).await;
        let mut data = peer.accept_list("/", "MLSD").await;
        let some = b"type=file; a\r\n".repeat(1000);
        while data.write_all(&some).await.is_ok() {}
        peer.say("426 broken").await;
        peer.line().await;
    })
    .await;
    let mut session = Session::open(&play.dial).await.unwrap();
    let wanted = WantedListing { kind: ListingKind::Best, limits };
    let mut listing = session.list_within(&folder("/"), NOW, wanted).await.unwrap();
    let mut count = 0;
    let failure = loop {
        match listing.next().await {
            Ok(Some(_)) => count += 1,
            Ok(None) => panic!("it has no end"),
            Err(failure) => break failure,
        }
    };
    assert_eq!((count, failure.kind, failure.stage), (20_000, FailureKind::Permanent, Stage::List));
    assert_eq!(listing.next().await, Err(failure), "for good");
    drop(listing);
    assert!(session.is_usable());
    drop(session);
    play.over().await;
}

#[tokio::test]
async fn a_listing_that_is_dropped_leaves_no_session_and_one_that_is_aborted_does() {
    for tidy in [false, true] {
        let play = Play::of(|mut peer| async move {
            peer.login(MLST).await;
            let mut data = peer.accept_list("/", "MLSD").await;
            while data.write_all(&b"type=file; a\r\n".repeat(1000)).await.is_ok() {}
            peer.say("426 broken").await;
            peer.line().await;
        })
        .await;
        let mut session = Session::open(&play.dial).await.unwrap();
        let mut listing = session.list(&folder("/"), NOW).await.unwrap();
        assert!(listing.next().await.unwrap().is_some());
        if tidy {
            listing.abort().await;
        } else {
            drop(listing);
        }
        assert_eq!(session.is_usable(), tidy);
        drop(session);
        play.over().await;
    }
}

#[tokio::test]
async fn a_restart_marker_is_taken_back_before_a_listing() {
    let play = Play::of(|mut peer| async move {
        peer.login(MLST).await;
        let listener = peer.epsv().await;
        let _unused = listener.accept().await.unwrap();
        peer.answer("REST 7", "350 ok").await;
        peer.answer("RETR /f", "450 busy").await;
        peer.answer("CWD /", "250 there").await;
        let listener = peer.epsv().await;
        let (data, _) = listener.accept().await.unwrap();
        peer.answer("REST 0", "350 ok").await;
        peer.answer("MLSD", "150 go").await;
        drop(data);
        peer.say("226 done").await;
        drop(peer.accept_retr("/f").await);
        peer.say("226 done").await;
    })
    .await;
    let mut session = Session::open(&play.dial).await.unwrap();
    fetch_on(&mut session, 7).await.unwrap_err();
    assert_eq!(names(&mut session, "/").await.unwrap(), Vec::<String>::new());
    assert_eq!(fetch_on(&mut session, 0).await.unwrap().1, Verdict::Confirmed);
    play.over().await;
}

#[tokio::test]
async fn every_data_mode_serves_listings() {
    for (mode, ip) in [
        (DataMode::Epsv, "127.0.0.1"),
        (DataMode::Pasv, "127.0.0.1"),
        (DataMode::Port, "127.0.0.1"),
        (DataMode::Eprt, "127.0.0.1"),
        (DataMode::Auto, "::1"),
        (DataMode::Active, "::1"),
    ] {
        let play = Play::on(ip, move |mut peer| async move {
            peer.login("").await;
            peer.answer("CWD /", "250 there").await;
            let mut data = match mode {
                DataMode::Pasv => peer.pasv("1,2,3,4").await.accept().await.unwrap().0,
                DataMode::Epsv | DataMode::Auto => peer.epsv().await.accept().await.unwrap().0,
                _ => {
                    let told = Peer::told(&peer.line().await);
                    peer.say("200 ok").await;
                    peer.answer("LIST", "150 go").await;
                    TcpStream::connect(told).await.unwrap()
                }
            };
            if matches!(mode, DataMode::Pasv | DataMode::Epsv | DataMode::Auto) {
                peer.answer("LIST", "150 go").await;
            }
            data.write_all(b"04-27-00  12:09PM       <DIR>          d\r\n").await.unwrap();
            drop(data);
            peer.say("226 done").await;
        })
        .await
        .with(mode);
        let mut session = Session::open(&play.dial).await.unwrap();
        assert_eq!(names(&mut session, "/").await.unwrap(), ["d"], "{mode:?}");
        play.over().await;
    }
}

#[tokio::test]
async fn a_reply_too_many_is_noticed_before_the_next_command() {
    let play = Play::of(|mut peer| async move {
        peer.login(MLST).await;
        drop(peer.accept_list("/", "MLSD").await);
        peer.say("226 done\r\n226 again").await;
        peer.line().await;
    })
    .await;
    let mut session = Session::open(&play.dial).await.unwrap();
    let listed = names(&mut session, "/").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(listed.is_ok() && !session.is_usable(), "{listed:?}");
    drop(session);
    play.over().await;
}
