//! Where a session stands behind listings and links.

use super::listing::{MLST, names};
use super::peer::Play;
use super::{fetch_on, path};
use crate::ftp::{LinkKind, Session, Verdict};
use crate::model::{Cause, FailureKind, Stage};

#[tokio::test]
async fn paths_stay_right_where_only_components_are_understood() {
    let play = Play::of(|mut peer| async move {
        peer.login_to("", "257 \"[ANON]\"").await;
        for cwd in ["CWD a", "CWD b"] {
            peer.answer(cwd, "250 there").await;
        }
        drop(peer.epsv().await.accept().await.unwrap());
        peer.answer("LIST", "150 go").await;
        peer.say("226 done").await;
        // A file of the login directory.
        for _ in 0..2 {
            peer.answer("CDUP", "250 up").await;
        }
        drop(peer.accept_retr("f").await);
        peer.say("226 done").await;
        // Behind an absolute path and behind a link the way back is the login directory's own name.
        for cwd in ["CWD /x", "CWD l"] {
            peer.answer(cwd, "250 there").await;
            if cwd == "CWD /x" {
                drop(peer.epsv().await.accept().await.unwrap());
                peer.answer("LIST", "150 go").await;
                peer.say("226 done").await;
            } else {
                peer.answer("PWD", "257 \"[REAL.L]\"").await;
            }
            peer.answer("CWD [ANON]", "250 home").await;
        }
        drop(peer.accept_retr("f").await);
        peer.say("226 done").await;
    })
    .await;
    let mut session = Session::open(&play.dial).await.unwrap();
    assert_eq!(names(&mut session, "a/b/").await.unwrap(), Vec::<String>::new());
    assert_eq!(fetch_on(&mut session, 0).await.unwrap().1, Verdict::Confirmed);
    assert_eq!(names(&mut session, "/x/").await.unwrap(), Vec::<String>::new());
    let real = Some(b"[REAL.L]".to_vec());
    assert_eq!(session.kind_of_link(&path("l")).await.unwrap(), LinkKind::Folder { real });
    assert_eq!(fetch_on(&mut session, 0).await.unwrap().1, Verdict::Confirmed);
    play.over().await;
}

#[tokio::test]
async fn a_server_that_drops_outer_blanks_does_not_show_another_folder() {
    for (pwd, good) in [("257 \"/d\"", false), ("257 \"/d \"", true), ("500 ?", true)] {
        let play = Play::of(move |mut peer| async move {
            peer.login(MLST).await;
            peer.answer("CWD /d ", "250 there").await;
            peer.answer("PWD", pwd).await;
            if good {
                drop(peer.epsv().await.accept().await.unwrap());
                peer.answer("MLSD", "150 go").await;
                peer.say("226 done").await;
            }
            peer.line().await;
        })
        .await;
        let mut session = Session::open(&play.dial).await.unwrap();
        let found = names(&mut session, "d /").await;
        assert_eq!(found.is_ok(), good, "{pwd}: {found:?}");
        if let Err(failure) = found {
            assert_eq!((failure.kind, failure.stage), (FailureKind::Permanent, Stage::List));
        }
        drop(session);
        play.over().await;
    }
}

#[tokio::test]
async fn links_are_told_by_where_they_lead() {
    let play = Play::of(|mut peer| async move {
        peer.login("").await;
        peer.answer("CWD /d", "250 there").await;
        peer.answer("PWD", "257 \"/real/d\"").await;
        peer.answer("CWD /d", "250 there").await;
        peer.answer("PWD", "500 ?").await;
        peer.answer("CWD /f", "550 Not a directory").await;
        peer.answer("SIZE /f", "213 5").await;
        peer.answer("MDTM /f", "213 20260102030405").await;
        peer.answer("CWD /x", "550 Too many levels of symbolic links").await;
        peer.answer("SIZE /x", "550 no").await;
        peer.answer("MDTM /x", "550 no").await;
        peer.answer("CWD /x", "550 no").await;
        peer.answer("CWD /d", "421 bye").await;
    })
    .await;
    let mut session = Session::open(&play.dial).await.unwrap();
    for real in [Some(b"/real/d".to_vec()), None] {
        assert_eq!(session.kind_of_link(&path("d")).await.unwrap(), LinkKind::Folder { real });
    }
    assert_eq!(session.kind_of_link(&path("f")).await.unwrap(), LinkKind::File);
    assert_eq!(session.kind_of_link(&path("x")).await.unwrap(), LinkKind::Dangling);
    assert!(session.is_usable());
    let failure = session.kind_of_link(&path("d")).await.unwrap_err();
    assert_eq!((failure.kind, failure.cause), (FailureKind::Transient, Cause::Disconnected));
    play.over().await;
}
