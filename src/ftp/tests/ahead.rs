//! Sessions that go ahead of the server's replies.

use super::peer::{Peer, Play};
use super::{drain, fetch_on, path};
use crate::ftp::{Session, Verdict};
use crate::model::{Cause, DataMode, Pipelining, TransferType};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

const TIME: &str = "213 20260102030405";

/// A play for a session that goes as far ahead as it can.
async fn deep<F, R>(script: F) -> Play
where
    F: FnOnce(Peer) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let mut play = Play::of(script).await;
    play.dial.options.pipelining = Pipelining::Deep;
    play
}

/// What a session says of the next file, when the port for it is known already.
async fn burst(peer: &mut Peer, listener: &TcpListener, rest: Option<u64>) -> tokio::net::TcpStream {
    peer.hear("SIZE /f").await;
    peer.hear("MDTM /f").await;
    if let Some(rest) = rest {
        peer.hear(&format!("REST {rest}")).await;
    }
    peer.say("213 5").await;
    peer.say(TIME).await;
    if rest.is_some() {
        peer.say("350 ok").await;
    }
    listener.accept().await.unwrap().0
}

async fn look_and_fetch(session: &mut Session, likely: u64, from: u64) -> (Vec<u8>, Verdict) {
    let identity = session.inspect_ahead(&path("f"), likely, &[]).await.file.unwrap();
    assert_eq!(identity.size, Some(5));
    fetch_on(session, from).await.unwrap()
}

#[tokio::test]
async fn the_port_that_was_asked_for_behind_retr_serves_the_next_file() {
    let play = deep(|mut peer| async move {
        peer.login("").await;
        let mut listener = peer.epsv().await;
        for late in [false, true, false] {
            let mut data = burst(&mut peer, &listener, None).await;
            peer.hear("RETR /f").await;
            peer.hear("EPSV").await;
            peer.say("150 go").await;
            data.write_all(b"hello").await.unwrap();
            drop(data);
            let port;
            (listener, port) = peer.port().await;
            if late {
                peer.say("226 done").await;
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                peer.say(&format!("229 (|||{port}|)")).await;
            } else {
                peer.say(&format!("226 done\r\n229 (|||{port}|)")).await;
            }
        }
        peer.answer("QUIT", "221 bye").await;
    })
    .await;
    let mut session = Session::open(&play.dial).await.unwrap();
    for _ in 0..3 {
        assert_eq!(look_and_fetch(&mut session, 0, 0).await, (b"hello".to_vec(), Verdict::Confirmed));
        assert!(session.is_usable());
    }
    session.quit().await;
    play.over().await;
}

#[tokio::test]
async fn rest_is_not_repeated_for_the_offset_that_was_guessed_and_is_for_another() {
    let play = deep(|mut peer| async move {
        peer.login("").await;
        let mut listener = peer.epsv().await;
        for (guess, again) in [(Some(3), None), (None, Some(3)), (Some(3), Some(0)), (None, None)] {
            let data = burst(&mut peer, &listener, guess).await;
            if let Some(offset) = again {
                peer.answer(&format!("REST {offset}"), "350 ok").await;
            }
            peer.hear("RETR /f").await;
            peer.hear("EPSV").await;
            drop(data);
            let port;
            (listener, port) = peer.port().await;
            peer.say(&format!("226 done\r\n229 (|||{port}|)")).await;
        }
        peer.line().await;
    })
    .await;
    let mut session = Session::open(&play.dial).await.unwrap();
    for (guess, from) in [(3, 3), (0, 3), (3, 0), (0, 0)] {
        assert_eq!(look_and_fetch(&mut session, guess, from).await.1, Verdict::Confirmed);
    }
    drop(session);
    play.over().await;
}

#[tokio::test]
async fn an_aborted_transfer_gives_the_port_behind_it_to_the_next() {
    let play = deep(|mut peer| async move {
        peer.login("").await;
        let listener = peer.epsv().await;
        let (mut data, _) = listener.accept().await.unwrap();
        peer.hear("RETR /f").await;
        peer.hear("EPSV").await;
        peer.say("150 go").await;
        while data.write_all(&[0; 4096]).await.is_ok() {}
        let (listener, port) = peer.port().await;
        peer.say(&format!("426 broken\r\n229 (|||{port}|)")).await;
        let (data, _) = listener.accept().await.unwrap();
        peer.hear("RETR /f").await;
        peer.hear("EPSV").await;
        drop(data);
        peer.say("226 done").await;
        peer.line().await;
    })
    .await;
    let mut session = Session::open(&play.dial).await.unwrap();
    let mut retrieval = session.retrieve(&path("f"), TransferType::Image, 0).await.unwrap();
    assert!(retrieval.read(&mut [0; 10]).await.unwrap() > 0);
    retrieval.abort().await;
    assert!(session.is_usable());
    assert_eq!(fetch_on(&mut session, 0).await.unwrap().1, Verdict::Confirmed);
    assert!(session.is_usable(), "the reply to EPSV may still come");
    drop(session);
    play.over().await;
}

#[tokio::test]
async fn a_refused_file_leaves_the_port_behind_it_to_the_next() {
    let play = deep(|mut peer| async move {
        peer.login("").await;
        let listener = peer.epsv().await;
        let refused = listener.accept().await.unwrap();
        peer.hear("RETR /f").await;
        peer.hear("EPSV").await;
        let (listener, port) = peer.port().await;
        peer.say(&format!("550 no\r\n229 (|||{port}|)")).await;
        drop(refused);
        let data = burst(&mut peer, &listener, None).await;
        peer.hear("RETR /f").await;
        drop(data);
        peer.say("226 done").await;
        peer.line().await;
    })
    .await;
    let mut session = Session::open(&play.dial).await.unwrap();
    let failure = fetch_on(&mut session, 0).await.unwrap_err();
    assert_eq!(failure.cause, Cause::Missing);
    assert!(session.is_usable());
    assert_eq!(look_and_fetch(&mut session, 0, 0).await.1, Verdict::Confirmed);
    drop(session);
    play.over().await;
}

#[tokio::test]
async fn what_can_not_be_the_reply_to_the_command_behind_ends_the_session() {
    for (last, usable) in [
        ("", true),
        ("\r\n22", true),
        ("\r\n229 (|||5000|)", true),
        ("\r\n500 EPSV?", true),
        ("\r\n226 again", false),
        ("\r\n421 bye", false),
        ("\r\n229 (|||5000|)\r\n229 (|||5000|)", false),
        ("\r\nwhat", false),
    ] {
        let play = deep(move |mut peer| async move {
            peer.login("").await;
            let listener = peer.epsv().await;
            let (data, _) = listener.accept().await.unwrap();
            peer.hear("RETR /f").await;
            peer.hear("EPSV").await;
            drop(data);
            // One write: all is there once the verdict is.
            let text = format!("226 done{last}");
            let whole = if last.ends_with("22") { text } else { format!("{text}\r\n") };
            peer.stream.get_mut().write_all(whole.as_bytes()).await.unwrap();
            peer.line().await;
        })
        .await;
        let mut session = Session::open(&play.dial).await.unwrap();
        assert_eq!(fetch_on(&mut session, 0).await.unwrap().1, Verdict::Confirmed);
        assert_eq!(session.is_usable(), usable, "{last:?}");
    }
}

#[tokio::test]
async fn an_unknown_command_behind_retr_is_not_held_against_the_file() {
    let play = deep(|mut peer| async move {
        peer.login("").await;
        let listener = peer.epsv().await;
        let _unused = listener.accept().await.unwrap();
        peer.hear("RETR /f").await;
        peer.answer("EPSV", "500 not now").await;
        peer.line().await;
    })
    .await;
    let mut session = Session::open(&play.dial).await.unwrap();
    let failure = fetch_on(&mut session, 0).await.unwrap_err();
    assert_eq!(failure.kind, crate::model::FailureKind::Transient);
    assert!(session.quirks().no_queueing && !session.is_usable());
}

#[tokio::test]
async fn nothing_goes_ahead_in_active_modes() {
    let play = deep(|mut peer| async move {
        peer.login("").await;
        let target = Peer::told(&peer.line().await);
        peer.say("200 ok").await;
        peer.answer("RETR /f", "150 go").await;
        drop(tokio::net::TcpStream::connect(target).await.unwrap());
        peer.say("226 done").await;
        peer.hear("").await;
    })
    .await
    .with(DataMode::Active);
    let mut session = Session::open(&play.dial).await.unwrap();
    let mut retrieval = session.retrieve(&path("f"), TransferType::Image, 0).await.unwrap();
    drain(&mut retrieval).await.unwrap();
    assert_eq!(retrieval.finish().await, Verdict::Confirmed);
    drop(session);
    play.over().await;
}

#[tokio::test]
async fn a_late_reply_is_not_taken_for_an_answer() {
    let mut play = Play::of(|mut peer| async move {
        peer.login("").await;
        let _listener = peer.epsv().await;
        peer.hear("SIZE /f").await;
        peer.hear("MDTM /f").await;
        // SIZE is answered twice; what MDTM brings comes late.
        peer.say("213 5\r\n213 5").await;
        peer.hear("NOOP").await;
        peer.say(TIME).await;
        peer.say("200 ok").await;
        peer.line().await;
    })
    .await;
    play.dial.options.pipelining = Pipelining::Burst;
    let mut session = Session::open(&play.dial).await.unwrap();
    let failure = session.inspect_ahead(&path("f"), 0, &[]).await.file.unwrap_err();
    assert_eq!(failure.cause, Cause::Protocol);
    assert!(session.quirks().lockstep && !session.is_usable());
    drop(session);
    play.over().await;
}
