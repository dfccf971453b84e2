//! Sessions against a server that follows a script on loopback.

mod ahead;
mod listing;
mod peer;

use super::{Retrieval, Session, Verdict};
use crate::model::{Cause, DataMode, Failure, FailureKind, Identity, RemotePath, Secret, Stage, TransferType};
use peer::{Peer, Play};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

fn path(text: &str) -> RemotePath {
    RemotePath::new(text.as_bytes().to_vec()).unwrap()
}

async fn drain(retrieval: &mut Retrieval<'_>) -> Result<Vec<u8>, Failure> {
    let mut all = Vec::new();
    let mut buf = [0; 1000];
    loop {
        match retrieval.read(&mut buf).await? {
            0 => return Ok(all),
            count => all.extend_from_slice(&buf[..count]),
        }
    }
}

/// Fetches `f` from its start and returns the bytes, the verdict and whether the session is still usable.
async fn fetch(play: &Play) -> Result<(Vec<u8>, Verdict, bool), Failure> {
    let mut session = Session::open(&play.dial).await?;
    fetch_on(&mut session, 0).await.map(|(bytes, verdict)| (bytes, verdict, session.is_usable()))
}

async fn fetch_on(session: &mut Session, from: u64) -> Result<(Vec<u8>, Verdict), Failure> {
    let mut retrieval = session.retrieve(&path("f"), TransferType::Image, from).await?;
    let bytes = drain(&mut retrieval).await?;
    Ok((bytes, retrieval.finish().await))
}

fn confirmed(bytes: &[u8]) -> (Vec<u8>, Verdict, bool) {
    (bytes.to_vec(), Verdict::Confirmed, true)
}

// ---- login ----

#[tokio::test]
async fn a_guest_gets_in_and_out() {
    let play = Play::of(|mut peer| async move {
        peer.login(" SIZE\r\n").await;
        peer.answer("QUIT", "221 bye").await;
    })
    .await;
    let mut session = Session::open(&play.dial).await.unwrap();
    assert!(session.is_usable());
    session.quit().await;
    play.over().await;
}

#[tokio::test]
async fn a_server_that_does_not_say_goodbye_is_left_all_the_same() {
    let play = Play::of(|mut peer| async move {
        peer.login("").await;
        peer.hear("QUIT").await;
        peer.hear("").await;
    })
    .await;
    let session = Session::open(&play.dial).await.unwrap();
    let begun = Instant::now();
    session.quit().await;
    assert!(begun.elapsed() < Duration::from_secs(10));
    play.over().await;
}

#[tokio::test]
async fn the_dialogue_is_shown_without_passwords() {
    let mut play = Play::of(|mut peer| async move {
        peer.say("220 \x1b[2Jhi").await;
        peer.answer("USER bob", "331 password").await;
        peer.answer("PASS hunter2", "530 no").await;
    })
    .await;
    play.dial.login.user = "bob".into();
    play.dial.login.secret = Some(Secret::new("hunter2"));
    let failure = Session::open(&play.dial).await.unwrap_err();
    assert_eq!(
        (failure.kind, failure.stage, failure.cause),
        (FailureKind::Permanent, Stage::Login, Cause::LoginRefused)
    );
    let dialogue = play.dialogue.lock().unwrap().join("\n");
    assert!(dialogue.contains("> PASS ***\n< 530 no"), "{dialogue}");
    assert!(!format!("{dialogue}{:?}{failure}", play.dial).contains("hunter2"));
    assert!(!dialogue.contains('\x1b'), "{dialogue}");
    play.over().await;
}

#[tokio::test]
async fn replies_may_come_one_byte_at_a_time() {
    let play = Play::of(|mut peer| async move {
        for byte in b"220-a\r\n530 b\r\n220 c\r\n" {
            peer.stream.get_mut().write_all(&[*byte]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        peer.answer("USER anonymous", "230 in").await;
        peer.answer("FEAT", "500 ?").await;
        peer.answer("TYPE I", "200 I").await;
        peer.answer("PWD", "257 \"/\"").await;
    })
    .await;
    let session = Session::open(&play.dial).await.unwrap();
    assert!(!session.quirks().foreign_terminator);
    play.over().await;
}

#[tokio::test]
async fn a_reply_that_another_code_ends_is_taken_and_remembered() {
    let play = Play::of(|mut peer| async move {
        peer.say("220-hi\r\n226 there").await;
        peer.answer("USER anonymous", "230 in").await;
        peer.answer("FEAT", "500 ?").await;
        peer.answer("TYPE I", "200 I").await;
        peer.answer("PWD", "257 \"/\"").await;
        peer.line().await;
    })
    .await;
    let session = Session::open(&play.dial).await.unwrap();
    assert!(session.quirks().foreign_terminator);
}

#[tokio::test]
async fn hostile_greetings_are_refused() {
    let endless_line = vec![b'x'; 70_000];
    let endless_reply = [b"220-hi\r\n".as_slice(), &b"220-again\r\n".repeat(11_000)].concat();
    for (bytes, cause) in [
        (endless_line, Cause::Protocol),
        (endless_reply, Cause::Protocol),
        (b"SSH-2.0-OpenSSH\r\n".to_vec(), Cause::Protocol),
        (Vec::new(), Cause::Disconnected),
    ] {
        let play = Play::of(|mut peer| async move {
            // The client may hang up in the middle.
            let _ = peer.stream.get_mut().write_all(&bytes).await;
        })
        .await;
        let failure = Session::open(&play.dial).await.unwrap_err();
        // A server that hangs up on unread bytes may cut its own words short.
        assert_eq!((failure.stage, failure.cause), (Stage::Greeting, cause), "{failure}");
        play.over().await;
    }
}

#[tokio::test]
async fn a_silent_server_is_left_in_time() {
    let play = Play::of(|mut peer| async move {
        peer.line().await;
    })
    .await
    .impatient(200);
    let begun = Instant::now();
    let failure = Session::open(&play.dial).await.unwrap_err();
    assert_eq!((failure.stage, failure.cause, failure.kind), (Stage::Greeting, Cause::Timeout, FailureKind::Transient));
    assert!(begun.elapsed() < Duration::from_secs(15));
    play.over().await;
}

#[tokio::test]
async fn a_reply_that_trickles_for_ever_is_left_in_time() {
    let play = Play::of(|mut peer| async move {
        while peer.stream.get_mut().write_all(b"2").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .impatient(1_000);
    let failure = Session::open(&play.dial).await.unwrap_err();
    assert_eq!((failure.stage, failure.cause), (Stage::Greeting, Cause::Timeout));
    assert!(failure.message.contains("whole"), "{failure}");
    play.over().await;
}

#[tokio::test]
async fn a_host_that_can_not_be_reached_is_transient() {
    let mut play = Play::of(|_| async {}).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    play.dial.account.port = listener.local_addr().unwrap().port();
    drop(listener);
    let failure = Session::open(&play.dial).await.unwrap_err();
    assert_eq!(
        (failure.stage, failure.cause, failure.kind),
        (Stage::Connect, Cause::Unreachable, FailureKind::Transient)
    );
}

#[tokio::test]
async fn line_ends_never_reach_the_server() {
    let play = Play::of(|mut peer| async move {
        peer.say("220 hi").await;
        peer.hear("").await;
    })
    .await;
    let mut dial = play.dial.clone();
    dial.login.user = "bob\r\nDELE f".into();
    let failure = Session::open(&dial).await.unwrap_err();
    assert_eq!((failure.kind, failure.cause), (FailureKind::Permanent, Cause::Unsupported));
    play.over().await;
}

#[tokio::test]
async fn a_worker_on_any_thread_can_drive_a_session() {
    let play = Play::of(|mut peer| async move {
        peer.login("").await;
        drop(peer.accept_retr("/f").await);
        peer.say("226 done").await;
        peer.line().await;
    })
    .await;
    let dial = play.dial.clone();
    let worker = tokio::spawn(async move {
        let mut session = Session::open(&dial).await.unwrap();
        let verdict = fetch_on(&mut session, 0).await.unwrap().1;
        session.quit().await;
        verdict
    });
    assert_eq!(worker.await.unwrap(), Verdict::Confirmed);
    play.over().await;
}

// ---- passive modes ----

#[tokio::test]
async fn a_file_comes_by_epsv_and_the_session_is_used_again() {
    let play = Play::of(|mut peer| async move {
        peer.login("").await;
        for _ in 0..2 {
            let mut data = peer.accept_retr("/f").await;
            data.write_all(b"hello").await.unwrap();
            drop(data);
            peer.say("226 done").await;
        }
        peer.line().await;
    })
    .await;
    let mut session = Session::open(&play.dial).await.unwrap();
    for _ in 0..2 {
        let (bytes, verdict) = fetch_on(&mut session, 0).await.unwrap();
        assert_eq!((bytes, verdict, session.is_usable()), confirmed(b"hello"));
    }
    drop(session);
    play.over().await;
}

#[tokio::test]
async fn rest_stands_right_before_retr_and_is_taken_back_after_a_failure() {
    let play = Play::of(|mut peer| async move {
        peer.login("").await;
        let listener = peer.epsv().await;
        let _unused = listener.accept().await.unwrap();
        peer.answer("REST 7", "350 ok").await;
        peer.answer("RETR /f", "450 busy").await;

        for (restart, then) in [(Some("REST 0"), "226 done"), (None, "226 done")] {
            let listener = peer.epsv().await;
            let (data, _) = listener.accept().await.unwrap();
            if let Some(restart) = restart {
                peer.answer(restart, "350 ok").await;
            }
            peer.answer("RETR /f", "150 go (5 bytes)").await;
            drop(data);
            peer.say(then).await;
        }
    })
    .await;
    let mut session = Session::open(&play.dial).await.unwrap();
    let failure = fetch_on(&mut session, 7).await.unwrap_err();
    assert_eq!((failure.kind, failure.stage), (FailureKind::Transient, Stage::Retrieve));
    assert!(session.is_usable());
    for _ in 0..2 {
        let mut retrieval = session.retrieve(&path("f"), TransferType::Image, 0).await.unwrap();
        assert_eq!(retrieval.announced(), Some(5));
        drain(&mut retrieval).await.unwrap();
        assert_eq!(retrieval.finish().await, Verdict::Confirmed);
    }
    play.over().await;
}

#[tokio::test]
async fn a_refused_rest_is_learned_and_harms_nothing() {
    let play = Play::of(|mut peer| async move {
        peer.login("").await;
        let listener = peer.epsv().await;
        let _unused = listener.accept().await.unwrap();
        peer.answer("REST 7", "502 REST?").await;
        peer.line().await;
    })
    .await;
    let mut session = Session::open(&play.dial).await.unwrap();
    let failure = fetch_on(&mut session, 7).await.unwrap_err();
    assert_eq!((failure.kind, failure.stage), (FailureKind::Transient, Stage::Restart));
    assert!(session.quirks().no_rest && session.is_usable());
}

#[tokio::test]
async fn pasv_follows_a_refused_epsv_and_is_remembered() {
    let play = Play::of(|mut peer| async move {
        peer.login("").await;
        peer.answer("EPSV", "500 EPSV?").await;
        for _ in 0..2 {
            let listener = peer.pasv("127,0,0,1").await;
            let (data, _) = listener.accept().await.unwrap();
            peer.answer("RETR /f", "150 go").await;
            drop(data);
            peer.say("226 done").await;
        }
    })
    .await;
    let mut session = Session::open(&play.dial).await.unwrap();
    for _ in 0..2 {
        assert_eq!(fetch_on(&mut session, 0).await.unwrap().1, Verdict::Confirmed);
    }
    assert!(session.quirks().no_epsv);
    play.over().await;
}

#[tokio::test]
async fn pasv_follows_an_epsv_port_that_can_not_be_reached() {
    let play = Play::of(|mut peer| async move {
        peer.login("").await;
        // The port is closed again before the client hears of it.
        let (closed, port) = peer.port().await;
        drop(closed);
        peer.answer("EPSV", &format!("229 (|||{port}|)")).await;
        let listener = peer.pasv("127,0,0,1").await;
        let (data, _) = listener.accept().await.unwrap();
        peer.answer("RETR /f", "150 go").await;
        drop(data);
        peer.say("226 done").await;
    })
    .await;
    let mut session = Session::open(&play.dial).await.unwrap();
    assert_eq!(fetch_on(&mut session, 0).await.unwrap().1, Verdict::Confirmed);
    assert!(session.quirks().no_epsv);
    play.over().await;
}

#[tokio::test]
async fn epsv_alone_means_epsv_alone() {
    let play = Play::of(|mut peer| async move {
        peer.login("").await;
        peer.answer("EPSV", "500 EPSV?").await;
        peer.hear("").await;
    })
    .await
    .with(DataMode::Epsv);
    let failure = fetch(&play).await.unwrap_err();
    assert_eq!((failure.kind, failure.cause), (FailureKind::Permanent, Cause::DataConnection));
    play.over().await;
}

/// CVE-2020-8284, CVE-2021-4189, CVE-2021-31810, CVE-2021-37533: the address in 227 leads elsewhere.
#[tokio::test]
async fn the_address_in_227_is_not_followed() {
    for address in ["127,0,0,9", "10,255,255,1", "0,0,0,0"] {
        let play = Play::of(move |mut peer| async move {
            peer.login("").await;
            let listener = peer.pasv(address).await;
            let (mut data, _) = listener.accept().await.unwrap();
            peer.answer("RETR /f", "150 go").await;
            data.write_all(b"right").await.unwrap();
            drop(data);
            peer.say("226 done").await;
            peer.line().await;
        })
        .await
        .with(DataMode::Pasv);
        assert_eq!(fetch(&play).await.unwrap(), confirmed(b"right"), "{address}");
        play.over().await;
    }
}

#[tokio::test]
async fn only_epsv_is_used_over_ipv6() {
    let play = Play::on("::1", |mut peer| async move {
        peer.login("").await;
        let data = peer.accept_retr("/f").await;
        drop(data);
        peer.say("226 done").await;
        peer.answer("EPSV", "500 EPSV?").await;
        peer.hear("").await;
    })
    .await;
    let mut session = Session::open(&play.dial).await.unwrap();
    assert_eq!(fetch_on(&mut session, 0).await.unwrap().1, Verdict::Confirmed);
    assert_eq!(fetch_on(&mut session, 0).await.unwrap_err().cause, Cause::DataConnection);
    drop(session);
    play.over().await;
}

// ---- active modes ----

async fn active(ip: &'static str, mode: DataMode, verb: &'static str, connect_first: bool) {
    let play = Play::on(ip, move |mut peer| async move {
        peer.login("").await;
        let line = peer.line().await;
        assert!(line.starts_with(verb), "{line}");
        let target = Peer::told(&line);
        peer.say("200 ok").await;
        peer.hear("RETR /f").await;
        if !connect_first {
            peer.say("150 go").await;
        }
        let mut data = TcpStream::connect(target).await.unwrap();
        if connect_first {
            peer.say("150 go").await;
        }
        data.write_all(b"hello").await.unwrap();
        drop(data);
        peer.say("226 done").await;
        peer.line().await;
    })
    .await
    .with(mode);
    assert_eq!(fetch(&play).await.unwrap(), confirmed(b"hello"), "{ip} {mode:?}");
    play.over().await;
}

#[tokio::test]
async fn active_modes_work_over_both_families_and_in_either_order() {
    for connect_first in [true, false] {
        active("127.0.0.1", DataMode::Active, "PORT ", connect_first).await;
        active("127.0.0.1", DataMode::Port, "PORT ", connect_first).await;
        active("127.0.0.1", DataMode::Eprt, "EPRT |1|", connect_first).await;
        active("::1", DataMode::Active, "EPRT |2|", connect_first).await;
        active("::1", DataMode::Eprt, "EPRT |2|", connect_first).await;
    }
}

#[tokio::test]
async fn a_stranger_on_the_active_port_is_turned_away() {
    let play = Play::of(|mut peer| async move {
        peer.login("").await;
        let target = Peer::told(&peer.line().await);
        peer.say("200 ok").await;
        peer.hear("RETR /f").await;
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let mut stranger = socket.connect(target).await.unwrap();
        let _ = stranger.write_all(b"poison").await;
        peer.say("150 go").await;
        let mut end = Vec::new();
        let _ = stranger.read_to_end(&mut end).await;
        let mut data = TcpStream::connect(target).await.unwrap();
        data.write_all(b"hello").await.unwrap();
        drop(data);
        peer.say("226 done").await;
        peer.line().await;
    })
    .await
    .with(DataMode::Active);
    assert_eq!(fetch(&play).await.unwrap(), confirmed(b"hello"));
    assert!(play.dialogue.lock().unwrap().iter().any(|line| line.contains("127.0.0.2")));
    play.over().await;
}

#[tokio::test]
async fn a_refusal_ends_the_wait_for_an_active_connection_at_once() {
    for (reply, cause) in [("425 can't connect", Cause::DataConnection), ("550 no such file", Cause::Missing)] {
        let play = Play::of(move |mut peer| async move {
            peer.login("").await;
            peer.line().await;
            peer.say("200 ok").await;
            peer.answer("RETR /f", reply).await;
            peer.line().await;
        })
        .await
        .with(DataMode::Active);
        let begun = Instant::now();
        assert_eq!(fetch(&play).await.unwrap_err().cause, cause);
        assert!(begun.elapsed() < Duration::from_secs(15));
        play.over().await;
    }
}

#[tokio::test]
async fn a_server_that_never_connects_is_left_in_time() {
    let play = Play::of(|mut peer| async move {
        peer.login("").await;
        peer.line().await;
        peer.say("200 ok").await;
        peer.answer("RETR /f", "150 go").await;
        peer.line().await;
    })
    .await
    .with(DataMode::Active)
    .impatient(300);
    let mut session = Session::open(&play.dial).await.unwrap();
    let failure = fetch_on(&mut session, 0).await.unwrap_err();
    assert_eq!((failure.stage, failure.cause), (Stage::Data, Cause::DataConnection));
    assert!(!session.is_usable(), "a late transfer would run into the next one");
}

#[tokio::test]
async fn the_outside_address_and_the_port_range_are_told() {
    let mut play = Play::of(|mut peer| async move {
        peer.login("").await;
        let told = Peer::told(&peer.line().await);
        assert_eq!(told.ip().to_string(), "192.0.2.7");
        assert!((41_000..=41_900).contains(&told.port()));
        peer.say("500 no").await;
        peer.line().await;
    })
    .await
    .with(DataMode::Active);
    play.dial.options.active_address = Some("192.0.2.7".parse().unwrap());
    play.dial.options.active_ports = Some("41000-41900".parse().unwrap());
    assert_eq!(fetch(&play).await.unwrap_err().cause, Cause::DataConnection);
    play.over().await;
}

#[tokio::test]
async fn a_port_range_that_is_used_up_is_a_local_failure() {
    let mut play = Play::of(|mut peer| async move {
        peer.login("").await;
        peer.line().await;
    })
    .await
    .with(DataMode::Active);
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let SocketAddr::V4(address) = taken.local_addr().unwrap() else { panic!("not IPv4") };
    play.dial.options.active_ports = Some(address.port().to_string().parse().unwrap());
    let mut session = Session::open(&play.dial).await.unwrap();
    let failure = fetch_on(&mut session, 0).await.unwrap_err();
    assert_eq!((failure.kind, failure.stage), (FailureKind::Local, Stage::Data));
    assert!(session.is_usable(), "nothing was sent");
}

// ---- ends of transfers ----

#[tokio::test]
async fn an_early_226_does_not_cut_the_data() {
    let play = Play::of(|mut peer| async move {
        peer.login("").await;
        let listener = peer.epsv().await;
        let (mut data, _) = listener.accept().await.unwrap();
        peer.answer("RETR /f", "150 go\r\n226 done").await;
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            data.write_all(b"hello").await.unwrap();
        }
    })
    .await;
    assert_eq!(fetch(&play).await.unwrap().0, b"hello".repeat(5));
    play.over().await;
}

#[tokio::test]
async fn data_may_come_without_any_150() {
    let play = Play::of(|mut peer| async move {
        peer.login("").await;
        for words in ["226 done", "150 go\r\n226 done"] {
            let listener = peer.epsv().await;
            let (mut data, _) = listener.accept().await.unwrap();
            peer.hear("RETR /f").await;
            data.write_all(b"hello").await.unwrap();
            drop(data);
            tokio::time::sleep(Duration::from_millis(50)).await;
            peer.say(words).await;
        }
        peer.line().await;
    })
    .await;
    let mut session = Session::open(&play.dial).await.unwrap();
    for _ in 0..2 {
        assert_eq!(fetch_on(&mut session, 0).await.unwrap(), (b"hello".to_vec(), Verdict::Confirmed));
    }
}

#[tokio::test]
async fn a_data_connection_that_closes_before_a_550_is_no_file() {
    let play = Play::of(|mut peer| async move {
        peer.login("").await;
        let listener = peer.epsv().await;
        drop(listener.accept().await.unwrap());
        peer.hear("RETR /f").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        peer.say("550 no such file").await;
        peer.line().await;
    })
    .await;
    let mut session = Session::open(&play.dial).await.unwrap();
    let failure = fetch_on(&mut session, 0).await.unwrap_err();
    assert_eq!((failure.kind, failure.cause), (FailureKind::Permanent, Cause::Missing));
    assert!(session.is_usable());
}

/// A server that gives `hello`, ends the data and then does this.
async fn after_the_data(last: &'static str, timeout: u64) -> (Vec<u8>, Verdict, bool) {
    let play = Play::of(move |mut peer| async move {
        peer.login("").await;
        let mut data = peer.accept_retr("/f").await;
        data.write_all(b"hello").await.unwrap();
        drop(data);
        if !last.is_empty() {
            peer.say(last).await;
        }
        if last != "close" {
            peer.line().await;
        }
    })
    .await
    .impatient(timeout);
    fetch(&play).await.unwrap()
}

#[tokio::test]
async fn a_missing_226_leaves_the_file_unconfirmed_and_the_session_unusable() {
    let (bytes, verdict, usable) = after_the_data("", 300).await;
    let Verdict::Unconfirmed { failure } = verdict else { panic!("{verdict:?}") };
    assert_eq!((bytes.as_slice(), failure.cause, usable), (b"hello".as_slice(), Cause::Timeout, false));
}

#[tokio::test]
async fn a_426_after_all_data_is_no_verdict_on_the_file() {
    let (bytes, verdict, usable) = after_the_data("426 broken pipe", 20_000).await;
    assert!(matches!(verdict, Verdict::Unconfirmed { .. }), "{verdict:?}");
    assert_eq!((bytes.as_slice(), usable), (b"hello".as_slice(), true));
}

#[tokio::test]
async fn a_451_after_the_data_is_a_refusal() {
    let (_, verdict, usable) = after_the_data("451 read error", 20_000).await;
    assert!(matches!(verdict, Verdict::Refused { .. }), "{verdict:?}");
    assert!(usable);
}

#[tokio::test]
async fn a_reply_too_many_makes_the_session_unusable() {
    let (_, verdict, usable) = after_the_data("226 done\r\n226 done again", 20_000).await;
    assert_eq!((verdict, usable), (Verdict::Confirmed, false));
}

#[tokio::test]
async fn a_closed_control_connection_leaves_the_file_unconfirmed() {
    let play = Play::of(|mut peer| async move {
        peer.login("").await;
        let mut data = peer.accept_retr("/f").await;
        drop(peer);
        tokio::time::sleep(Duration::from_millis(50)).await;
        data.write_all(b"hello").await.unwrap();
    })
    .await;
    let (bytes, verdict, usable) = fetch(&play).await.unwrap();
    let Verdict::Unconfirmed { failure } = verdict else { panic!("{verdict:?}") };
    assert_eq!((bytes.as_slice(), failure.cause, usable), (b"hello".as_slice(), Cause::Disconnected, false));
}

#[tokio::test]
async fn a_421_in_mid_transfer_is_heard_before_the_data_times_out() {
    let play = Play::of(|mut peer| async move {
        peer.login("").await;
        let mut data = peer.accept_retr("/f").await;
        data.write_all(b"hel").await.unwrap();
        peer.say("421 shutting down").await;
        peer.line().await;
        drop(data);
    })
    .await
    .impatient(1_000);
    let mut session = Session::open(&play.dial).await.unwrap();
    let mut retrieval = session.retrieve(&path("f"), TransferType::Image, 0).await.unwrap();
    let failure = drain(&mut retrieval).await.unwrap_err();
    assert_eq!((failure.cause, failure.reply.as_deref()), (Cause::Disconnected, Some("421 shutting down")));
    retrieval.abort().await;
    assert!(!session.is_usable());
}

#[tokio::test]
async fn stalled_data_is_left_in_time() {
    let play = Play::of(|mut peer| async move {
        peer.login("").await;
        let mut data = peer.accept_retr("/f").await;
        data.write_all(b"hel").await.unwrap();
        peer.line().await;
        drop(data);
    })
    .await
    .impatient(300);
    let failure = fetch(&play).await.unwrap_err();
    assert_eq!((failure.stage, failure.cause, failure.kind), (Stage::Retrieve, Cause::Timeout, FailureKind::Transient));
}

#[tokio::test]
async fn a_reset_of_the_data_connection_is_a_transient_failure() {
    let play = Play::of(|mut peer| async move {
        peer.login("").await;
        let data = peer.accept_retr("/f").await;
        // Closing with this option on sends a reset.
        socket2::SockRef::from(&data).set_linger(Some(Duration::ZERO)).unwrap();
        drop(data);
        peer.line().await;
    })
    .await;
    let failure = fetch(&play).await.unwrap_err();
    assert_eq!(
        (failure.stage, failure.cause, failure.kind),
        (Stage::Retrieve, Cause::Disconnected, FailureKind::Transient)
    );
}

#[tokio::test]
async fn an_aborted_transfer_leaves_a_usable_session_when_the_server_settles() {
    let play = Play::of(|mut peer| async move {
        peer.login("").await;
        let mut data = peer.accept_retr("/f").await;
        while data.write_all(&[0; 4096]).await.is_ok() {}
        peer.say("426 broken").await;
        let data = peer.accept_retr("/f").await;
        drop(data);
        peer.say("226 done").await;
    })
    .await;
    let mut session = Session::open(&play.dial).await.unwrap();
    let mut retrieval = session.retrieve(&path("f"), TransferType::Image, 0).await.unwrap();
    assert!(retrieval.read(&mut [0; 10]).await.unwrap() > 0);
    retrieval.abort().await;
    assert!(session.is_usable());
    assert_eq!(fetch_on(&mut session, 0).await.unwrap().1, Verdict::Confirmed);
    play.over().await;
}

#[tokio::test]
async fn an_aborted_or_dropped_transfer_without_a_final_reply_ends_the_session() {
    for aborted in [true, false] {
        let play = Play::of(|mut peer| async move {
            peer.login("").await;
            let _data = peer.accept_retr("/f").await;
            peer.line().await;
        })
        .await;
        let mut session = Session::open(&play.dial).await.unwrap();
        let retrieval = session.retrieve(&path("f"), TransferType::Image, 0).await.unwrap();
        if aborted {
            retrieval.abort().await;
        } else {
            drop(retrieval);
        }
        assert!(!session.is_usable());
        assert_eq!(fetch_on(&mut session, 0).await.unwrap_err().cause, Cause::Protocol, "nothing more is sent");
    }
}

#[tokio::test]
async fn an_idle_session_that_the_server_closed_is_noticed() {
    let play = Play::of(|mut peer| async move {
        peer.login("").await;
        peer.say("421 idle for too long").await;
        peer.line().await;
    })
    .await;
    let mut session = Session::open(&play.dial).await.unwrap();
    while session.is_usable() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let failure = fetch_on(&mut session, 0).await.unwrap_err();
    assert_eq!((failure.kind, failure.cause), (FailureKind::Transient, Cause::Disconnected));
    assert_eq!(failure.reply.as_deref(), Some("421 idle for too long"));
}

#[tokio::test]
async fn a_session_that_lost_its_login_is_not_used_again() {
    let play = Play::of(|mut peer| async move {
        peer.login("").await;
        peer.answer("EPSV", "530 log in first").await;
        peer.line().await;
    })
    .await;
    let mut session = Session::open(&play.dial).await.unwrap();
    let failure = fetch_on(&mut session, 0).await.unwrap_err();
    assert_eq!((failure.kind, failure.cause), (FailureKind::Transient, Cause::Disconnected));
    assert!(!session.is_usable());
}

// ---- types and paths ----

#[tokio::test]
async fn the_type_is_set_when_it_changes() {
    let play = Play::of(|mut peer| async move {
        peer.login("").await;
        for (set, path) in [("TYPE A", "/f"), ("", "/f"), ("TYPE I", "/f")] {
            if !set.is_empty() {
                peer.answer(set, "200 ok").await;
            }
            drop(peer.accept_retr(path).await);
            peer.say("226 done").await;
        }
    })
    .await;
    let mut session = Session::open(&play.dial).await.unwrap();
    for kind in [TransferType::Ascii, TransferType::Ascii, TransferType::Image] {
        let mut retrieval = session.retrieve(&path("f"), kind, 0).await.unwrap();
        drain(&mut retrieval).await.unwrap();
        assert_eq!(retrieval.finish().await, Verdict::Confirmed);
    }
    let failure = session.retrieve(&path("f"), TransferType::Ascii, 5).await.unwrap_err();
    assert_eq!(failure.cause, Cause::Unsupported);
    play.over().await;
}

#[tokio::test]
async fn paths_are_put_together_with_the_login_directory() {
    let play = Play::of(|mut peer| async move {
        peer.login_to("", "257 \"/home/bob\"").await;
        for path in ["/home/bob/a b/c", "/etc/motd"] {
            peer.answer(&format!("SIZE {path}"), "213 1").await;
            peer.answer(&format!("MDTM {path}"), "213 20260102030405").await;
        }
    })
    .await;
    let mut session = Session::open(&play.dial).await.unwrap();
    for text in ["a b/c", "/etc/motd"] {
        assert_eq!(session.inspect(&path(text)).await.unwrap().size, Some(1));
    }
    play.over().await;
}

#[tokio::test]
async fn where_paths_are_foreign_each_component_is_gone_to() {
    for directory in ["257 \"[BOB]\" is your directory", "550 no PWD"] {
        let play = Play::of(move |mut peer| async move {
            peer.login_to("", directory).await;
            peer.answer("CWD a", "250 ok").await;
            peer.answer("CWD b", "250 ok").await;
            peer.answer("SIZE f", "213 1").await;
            peer.answer("MDTM f", "500 ?").await;
            peer.answer("SIZE g", "213 2").await;
            peer.answer("CDUP", "200 ok").await;
            peer.answer("CWD c", "250 ok").await;
            peer.answer("SIZE h", "213 3").await;
            peer.answer("CDUP", "200 ok").await;
            peer.answer("CDUP", "200 ok").await;
            peer.answer("CWD x", "550 no such folder").await;
            peer.answer("SIZE i", "213 4").await;
        })
        .await;
        let mut session = Session::open(&play.dial).await.unwrap();
        for (text, size) in [("a/b/f", Some(1)), ("a/b/g", Some(2)), ("a/c/h", Some(3)), ("x/y", None), ("i", Some(4))]
        {
            match session.inspect(&path(text)).await {
                Ok(identity) => assert_eq!(identity.size, size, "{text}"),
                Err(failure) => assert_eq!((failure.cause, size), (Cause::Missing, None), "{text}: {failure}"),
            }
        }
        play.over().await;
    }
}

// ---- size and time ----

const MLST: &str = " MLST type*;size*;modify*;unique*;\r\n SIZE\r\n";

/// What the client says, and what it is told.
type Exchanges = &'static [(&'static str, &'static str)];

/// Inspects `f` with these exchanges, and returns what came of it.
async fn inspect(features: &'static str, exchanges: Exchanges) -> (Result<Identity, Failure>, Session) {
    let play = Play::of(move |mut peer| async move {
        peer.login(features).await;
        for (expected, reply) in exchanges {
            peer.answer(expected, reply).await;
        }
    })
    .await;
    let mut session = Session::open(&play.dial).await.unwrap();
    let result = session.inspect(&path("f")).await;
    play.over().await;
    (result, session)
}

fn known(size: Option<u64>, modified: Option<&str>, unique: Option<&str>) -> Identity {
    Identity { size, modified: modified.map(str::to_owned), unique: unique.map(str::to_owned) }
}

#[tokio::test]
async fn what_the_server_can_tell_is_the_identity() {
    let told = "250-x\r\n type=file;size=7;modify=20260102030405;unique=u1; /f\r\n250 End";
    let link = "250-x\r\n type=OS.unix=symlink;size=3;modify=20200102030405; /f\r\n250 End";
    let both: &[(&str, &str)] = &[("SIZE /f", "213 7"), ("MDTM /f", "213 20260102030405")];
    let seven = || known(Some(7), Some("20260102030405"), None);
    let table: [(&str, Exchanges, Identity); 9] = [
        ("", both, seven()),
        (
            MLST,
            Box::leak(Box::new([("MLST /f", told), ("SIZE /f", "213 7")])),
            known(Some(7), Some("20260102030405"), Some("u1")),
        ),
        (
            MLST,
            Box::leak(Box::new([
                ("MLST /f", told),
                ("SIZE /f", "213 8"),
                ("SIZE /f", "213 8"),
                ("MDTM /f", "213 20260102030405"),
            ])),
            known(Some(8), Some("20260102030405"), None),
        ),
        (MLST, Box::leak(Box::new([("MLST /f", link), both[0], both[1]])), seven()),
        (MLST, Box::leak(Box::new([("MLST /f", "500 MLST?"), both[0], both[1]])), seven()),
        (MLST, Box::leak(Box::new([("MLST /f", "550 no"), both[0], both[1]])), seven()),
        (
            "",
            &[("SIZE /f", "550 no SIZE for this"), ("MDTM /f", "213 20260102030405")],
            known(None, Some("20260102030405"), None),
        ),
        ("", &[("SIZE /f", "213 -1"), ("MDTM /f", "501 no")], known(None, None, None)),
        ("", &[("SIZE /f", "550 not now"), ("MDTM /f", "502 ?")], known(None, None, None)),
    ];
    for (at, (features, exchanges, identity)) in table.into_iter().enumerate() {
        let (result, session) = inspect(features, exchanges).await;
        assert_eq!(result.unwrap(), identity, "row {at}");
        assert_eq!(session.quirks().no_mdtm, exchanges.last().unwrap().1 == "502 ?", "row {at}");
    }
}

#[tokio::test]
async fn missing_files_and_folders_are_told_apart() {
    let folder = "250-x\r\n type=dir;modify=20260102030405; /f\r\n250 End";
    let table: [(&str, Exchanges, FailureKind, Cause); 6] = [
        (
            "",
            &[("SIZE /f", "550 no"), ("MDTM /f", "550 no"), ("CWD /f", "550 no")],
            FailureKind::Permanent,
            Cause::Missing,
        ),
        (
            "",
            &[("SIZE /f", "550 no"), ("MDTM /f", "550 no"), ("CWD /f", "250 in")],
            FailureKind::Permanent,
            Cause::Unsupported,
        ),
        (
            "",
            &[("SIZE /f", "550 f: no such file"), ("MDTM /f", "500 ?"), ("CWD /f", "550 no")],
            FailureKind::Permanent,
            Cause::Missing,
        ),
        (MLST, Box::leak(Box::new([("MLST /f", folder)])), FailureKind::Permanent, Cause::Unsupported),
        ("", &[("SIZE /f", "550 file in use")], FailureKind::Transient, Cause::Refused),
        ("", &[("SIZE /f", "421 bye")], FailureKind::Transient, Cause::Disconnected),
    ];
    for (at, (features, exchanges, kind, cause)) in table.into_iter().enumerate() {
        let failure = inspect(features, exchanges).await.0.unwrap_err();
        assert_eq!((failure.kind, failure.cause, failure.stage), (kind, cause, Stage::Inspect), "row {at}: {failure}");
        assert!(failure.advice.is_some(), "row {at}");
    }
}
