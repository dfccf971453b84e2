//! AUTH TLS, and what may not be done before and after it.

use super::path;
use super::peer::{BOTH, Link, Pair, Play};
use crate::ftp::{Session, Verdict};
use crate::model::{Cause, FailureKind, Quirks, Stage, Tls, TransferType};
use std::io::{Read, Write};

#[tokio::test]
async fn the_password_is_sent_under_tls_alone_and_both_sides_say_goodbye() {
    let play = Play::of(Pair::new(BOTH), Tls::Explicit, |peer| {
        peer.auth();
        peer.sign_in();
        peer.answer("QUIT", "221 bye");
        assert!(peer.control.take().unwrap().ends_well(), "no close_notify");
    });
    let mut session = Session::open(&play.dial).await.unwrap();
    assert!(session.is_private() && session.is_usable());
    session.quit().await;
    assert_eq!(play.lines("* control:"), ["* control: TLSv1.3 TLS13_AES_256_GCM_SHA384, full"]);
    play.over();
}

/// CVE-2011-0411, CVE-2021-22947: a reply that was there before TLS is not taken for one under TLS.
#[tokio::test]
async fn nothing_that_came_behind_234_is_believed() {
    let play = Play::of(Pair::new(BOTH), Tls::Explicit, |peer| {
        peer.say("220 hi");
        peer.answer("AUTH TLS", "234 go\r\n230 you are in already");
        peer.hear("");
    });
    let failure = Session::open(&play.dial).await.unwrap_err();
    assert_eq!((failure.stage, failure.cause), (Stage::Secure, Cause::Protocol), "{failure}");
    play.over();
    // What comes a moment later is no TLS either.
    let play = Play::of(Pair::new(BOTH), Tls::Explicit, |peer| {
        peer.say("220 hi");
        peer.answer("AUTH TLS", "234 go");
        let Some(Link::Plain(socket)) = &mut peer.control else { panic!() };
        let mut hello = [0; 5];
        socket.read_exact(&mut hello).unwrap();
        assert_eq!(hello[0], 0x16, "a ClientHello");
        socket.write_all(b"230 you are in already\r\n").unwrap();
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest);
        assert!(!rest.windows(4).any(|word| word == b"USER"), "in the clear");
    });
    let failure = Session::open(&play.dial).await.unwrap_err();
    assert_eq!((failure.stage, failure.cause), (Stage::Secure, Cause::Protocol), "{failure}");
    play.over();
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_before_anything_is_sent() {
    let play = Play::of(Pair::of("other.example", BOTH), Tls::Explicit, |peer| {
        peer.say("220 hi");
        peer.answer("AUTH TLS", "234 go");
        let Some(Link::Plain(mut socket)) = peer.control.take() else { panic!() };
        let mut tls = rustls::ServerConnection::new(peer.config.clone()).unwrap();
        while tls.complete_io(&mut socket).is_ok_and(|(read, _)| read > 0) {}
        let mut said = Vec::new();
        let _ = tls.reader().read_to_end(&mut said);
        assert_eq!(said, b"", "under TLS with a stranger");
    });
    let failure = Session::open(&play.dial).await.unwrap_err();
    assert_eq!(
        (failure.stage, failure.cause, failure.kind),
        (Stage::Secure, Cause::Certificate, FailureKind::Permanent),
        "{failure}"
    );
    play.over();
}

/// What a greeting claims in the clear is not what is gone by under TLS.
#[tokio::test]
async fn the_greeting_in_the_clear_teaches_nothing() {
    let play = Play::of(Pair::new(BOTH), Tls::Explicit, |peer| {
        peer.say("220-vsftpd\r\n226 by another code");
        peer.answer("AUTH TLS", "234 go");
        peer.secure();
        peer.sign_in();
        peer.control.take().unwrap().ends_well();
    });
    let session = Session::open(&play.dial).await.unwrap();
    assert_eq!(session.quirks(), Quirks::default());
    assert_eq!(session.ahead.queues_by_name(), None);
    drop(session);
    play.over();
}

#[tokio::test]
async fn a_session_is_for_one_policy_alone() {
    let pair = Pair::new(BOTH);
    let (same, other) = (pair.policy(Tls::Explicit), pair.policy(Tls::Prefer));
    let play = Play::of(pair, Tls::Explicit, |peer| {
        peer.auth();
        peer.sign_in();
        peer.answer("QUIT", "221 bye");
    });
    let mut session = Session::open(&play.dial).await.unwrap();
    let with = |tls| crate::ftp::SessionOptions { tls, ..play.dial.options.clone() };
    session.set_options(with(same.clone()));
    assert!(session.is_usable());
    session.set_options(with(other));
    assert!(!session.is_usable());
    let failure = session.inspect(&path("f")).await.unwrap_err();
    assert_eq!(failure.cause, Cause::Protocol, "nothing is sent");
    session.set_options(with(same));
    assert!(!session.is_usable(), "what was refused once stays so");
    session.quit().await;
    play.over();
}

#[tokio::test]
async fn one_file_over_a_private_session() {
    let play = Play::of(Pair::new(BOTH), Tls::Explicit, |peer| {
        peer.auth();
        peer.sign_in();
        let config = peer.config.clone();
        let mut data = peer.accept_retr("/f").secured(&config);
        assert_eq!(data.tls().handshake_kind(), Some(rustls::HandshakeKind::Resumed));
        data.write_all(b"hello").unwrap();
        // proftpd waits for ours before it says 226.
        let mut closing = data;
        if let Link::Tls(tls) = &mut closing {
            tls.conn.send_close_notify();
            tls.flush().unwrap();
        }
        assert!(closing.ends_well(), "no close_notify");
        peer.say("226 done");
        peer.answer("QUIT", "221 bye");
    });
    let mut session = Session::open(&play.dial).await.unwrap();
    let mut retrieval = session.retrieve(&path("f"), TransferType::Image, 0).await.unwrap();
    let mut buf = [0; 100];
    assert_eq!(retrieval.read(&mut buf).await.unwrap(), 5);
    assert_eq!(retrieval.read(&mut buf).await.unwrap(), 0);
    assert_eq!(retrieval.finish().await, Verdict::Confirmed);
    session.quit().await;
    assert_eq!(play.lines("* data:"), ["* data: TLSv1.3 TLS13_AES_256_GCM_SHA384, resumed"]);
    play.over();
}

/// TLS from the first byte on has no AUTH; a greeting that lets everyone in changes nothing for the data.
#[tokio::test]
async fn implicit_tls_makes_data_private_too() {
    let play = Play::of(Pair::new(BOTH), Tls::Implicit, |peer| {
        peer.secure();
        peer.say("230 come in");
        peer.prepare();
        peer.answer("QUIT", "221 bye");
    });
    let session = Session::open(&play.dial).await.unwrap();
    assert!(session.is_private());
    session.quit().await;
    play.over();
}

#[tokio::test]
async fn what_is_only_preferred_is_said_to_be_missing() {
    let play = Play::of(Pair::new(BOTH), Tls::Prefer, |peer| {
        peer.say("220 hi");
        peer.answer("AUTH TLS", "500 what?");
        peer.answer("AUTH SSL", "500 what?");
        peer.answer("USER anonymous", "230 in");
        for (command, reply) in [("FEAT", "211 none"), ("TYPE I", "200 I"), ("PWD", "257 \"/\""), ("QUIT", "221 bye")] {
            peer.answer(command, reply);
        }
    });
    let session = Session::open(&play.dial).await.unwrap();
    assert!(!session.is_private());
    session.quit().await;
    assert_eq!(play.lines("* the server offers no TLS").len(), 1);
    play.over();
}
