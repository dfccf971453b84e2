//! Data connections under TLS: when they begin, how they end, and how they are refused.

use super::path;
use super::peer::{BOTH, Link, OLD, Pair, Peer, Play};
use crate::ftp::{Session, Verdict};
use crate::model::{Cause, Failure, FailureKind, Stage, Tls, TransferType};
use std::io::{ErrorKind, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

async fn fetch(session: &mut Session) -> Result<(Vec<u8>, Verdict), Failure> {
    let mut retrieval = session.retrieve(&path("f"), TransferType::Image, 0).await?;
    let (mut all, mut buf) = (Vec::new(), [0; 1000]);
    loop {
        match retrieval.read(&mut buf).await? {
            0 => return Ok((all, retrieval.finish().await)),
            count => all.extend_from_slice(&buf[..count]),
        }
    }
}

/// A session that is ready.
fn ready(peer: &mut Peer) {
    peer.auth();
    peer.sign_in();
}

/// Whether anything has come, within some time.
fn has_come(link: &Link, time: Duration) -> bool {
    let Link::Plain(socket) = link else { panic!("TLS is there already") };
    socket.set_read_timeout(Some(time)).unwrap();
    let come = match socket.peek(&mut [0; 1]) {
        Ok(count) => count > 0,
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        Err(error) => panic!("{error}"),
    };
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    come
}

/// EPSV, then RETR with no reply yet.
fn hear_retr(peer: &mut Peer) -> Link {
    let listener = peer.epsv();
    let data = Link::plain(listener.accept().unwrap().0);
    peer.hear("RETR /f");
    data
}

/// jlaffaye/ftp issue 282: `ProFTPD` and Pure-FTPd begin TLS only after RETR. A ticket is spent by `ClientHello`, so it goes
/// out before the 150 only where the file is known to be there, and another ticket is left.
#[tokio::test]
async fn client_hello_comes_with_retr_or_with_its_150() {
    let mut pair = Pair::new(BOTH);
    pair.server.send_tls13_tickets = 2;
    let play = Play::of(pair, Tls::Explicit, |peer| {
        ready(peer);
        let config = Arc::clone(&peer.config);
        let finish = |peer: &mut Peer, data: Link| {
            let mut data = data.secured(&config);
            data.write_all(b"hello").unwrap();
            data.close();
            peer.say("226 done");
        };
        // Not known to be there.
        let data = hear_retr(peer);
        assert!(!has_come(&data, Duration::from_millis(200)), "before the 150");
        peer.say("150 go");
        finish(peer, data);
        // Known to be there.
        let port = peer.epsv_with(&[("SIZE /f", "213 5"), ("MDTM /f", "213 20240229123456")]);
        let data = Link::plain(port.accept().unwrap().0);
        peer.hear("RETR /f");
        assert!(has_come(&data, Duration::from_secs(10)), "with RETR");
        peer.say("150 go");
        finish(peer, data);
    });
    let mut session = Session::open(&play.dial).await.unwrap();
    assert_eq!(fetch(&mut session).await.unwrap(), (b"hello".to_vec(), Verdict::Confirmed));
    session.inspect_ahead(&path("f"), 0, &[]).await.file.unwrap();
    assert_eq!(fetch(&mut session).await.unwrap(), (b"hello".to_vec(), Verdict::Confirmed));
    drop(session);
    play.over();
}

#[tokio::test]
async fn the_last_ticket_is_kept_for_a_transfer_that_is_accepted() {
    let mut pair = Pair::new(BOTH);
    pair.server.send_tls13_tickets = 1;
    let play = Play::of(pair, Tls::Explicit, |peer| {
        ready(peer);
        for _ in 0..5 {
            for (command, reply) in [("SIZE /f", "213 5"), ("MDTM /f", "213 20240229123456")] {
                peer.answer(command, reply);
            }
            let data = hear_retr(peer);
            assert!(!has_come(&data, Duration::from_millis(50)), "before the 150");
            peer.say("550 no right to read it");
        }
        let config = Arc::clone(&peer.config);
        let data = hear_retr(peer);
        peer.say("150 go");
        let data = data.secured(&config);
        assert_eq!(data.tls().handshake_kind(), Some(rustls::HandshakeKind::Resumed));
        data.close();
        peer.say("226 done");
    });
    let mut session = Session::open(&play.dial).await.unwrap();
    for _ in 0..5 {
        session.inspect(&path("f")).await.unwrap();
        assert_eq!(fetch(&mut session).await.unwrap_err().cause, Cause::Missing);
    }
    assert_eq!(fetch(&mut session).await.unwrap(), (Vec::new(), Verdict::Confirmed));
    drop(session);
    play.over();
}

/// Truncation: the row of the table of attacks without a number of its own.
#[tokio::test]
async fn data_that_ends_without_close_notify_is_told_so() {
    for versions in [BOTH, OLD] {
        let play = Play::of(Pair::new(versions), Tls::Explicit, |peer| {
            ready(peer);
            let config = Arc::clone(&peer.config);
            let mut data = peer.accept_retr("/f").secured(&config);
            data.write_all(b"hello").unwrap();
            drop(data);
            peer.say("226 done");
            peer.line();
        });
        let mut session = Session::open(&play.dial).await.unwrap();
        let (bytes, verdict) = fetch(&mut session).await.unwrap();
        assert_eq!(bytes, b"hello");
        assert!(matches!(&verdict, Verdict::Cut { failure } if failure.cause == Cause::Disconnected), "{verdict:?}");
        assert!(session.is_usable(), "the control connection is whole");
        drop(session);
        play.over();
    }
}

#[tokio::test]
async fn a_record_that_was_tampered_with_ends_the_transfer() {
    let play = Play::of(Pair::new(BOTH), Tls::Explicit, |peer| {
        ready(peer);
        let config = Arc::clone(&peer.config);
        let mut data = peer.accept_retr("/f").secured(&config);
        data.write_all(b"hello").unwrap();
        let Link::Tls(tls) = data else { panic!() };
        let (_, mut socket): (_, TcpStream) = tls.into_parts();
        socket.write_all(b"\x17\x03\x03\x00\x20 this was never encrypted by it ...").unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        peer.say("226 done");
    });
    let mut session = Session::open(&play.dial).await.unwrap();
    let failure = fetch(&mut session).await.unwrap_err();
    assert_eq!((failure.stage, failure.kind), (Stage::Retrieve, FailureKind::Transient), "{failure}");
    assert!(!session.is_usable());
    drop(session);
    play.over();
}

/// What servers say, and do, where the data connection's TLS session is not the control connection's.
#[tokio::test]
async fn a_refusal_for_want_of_reuse_is_known_as_such() {
    #[derive(Clone, Copy, Debug)]
    enum How {
        /// The handshake is done, then the reply comes.
        After(&'static str),
        /// It is cut off, then the reply comes.
        Instead(&'static str),
        /// It is cut off, and that is all.
        Silently,
    }
    for how in [
        How::After("522 SSL connection failed; session reuse required: see require_ssl_reuse option in vsftpd.conf"),
        How::After("425 Unable to build data connection: Operation not permitted"),
        How::Instead("425 Unable to build data connection: TLS session of data connection not resumed."),
        How::Instead("450 TLS session of data connection has not resumed or the session does not match"),
        How::Silently,
    ] {
        let play = Play::of(Pair::new(BOTH), Tls::Explicit, move |peer| {
            ready(peer);
            let config = Arc::clone(&peer.config);
            let data = peer.accept_retr("/f");
            match how {
                How::After(reply) => {
                    drop(data.secured(&config));
                    peer.say(reply);
                }
                How::Instead(reply) => {
                    assert!(has_come(&data, Duration::from_secs(10)));
                    drop(data);
                    peer.say(reply);
                }
                How::Silently => {
                    assert!(has_come(&data, Duration::from_secs(10)));
                    drop(data);
                }
            }
            peer.line();
        });
        let mut session = Session::open(&play.dial).await.unwrap();
        let failure = match fetch(&mut session).await {
            Err(failure) | Ok((_, Verdict::Refused { failure })) => failure,
            other => panic!("{how:?}: {other:?}"),
        };
        assert_eq!((failure.cause, failure.kind), (Cause::TlsReuse, FailureKind::Transient), "{how:?}: {failure}");
        // A connection that just broke teaches nothing for good.
        assert_eq!(session.quirks().demands_reuse, !matches!(how, How::Silently), "{how:?}");
        assert!(!session.is_usable(), "{how:?}");
        drop(session);
        play.over();
    }
}

/// Other refusals stay what they are, also under TLS.
#[tokio::test]
async fn other_refusals_are_not_taken_for_want_of_reuse() {
    for (reply, cause) in [
        ("425 Bad IP connecting.", Cause::DataConnection),
        ("425 Too many connections. Can't open data connection.", Cause::TooManyConnections),
        ("450 f: file busy", Cause::Refused),
        ("550 No such file", Cause::Missing),
        ("426 Failure writing network stream.", Cause::Disconnected),
    ] {
        let play = Play::of(Pair::new(BOTH), Tls::Explicit, move |peer| {
            ready(peer);
            let config = Arc::clone(&peer.config);
            drop(peer.accept_retr("/f").secured(&config));
            peer.say(reply);
        });
        let mut session = Session::open(&play.dial).await.unwrap();
        let failure = match fetch(&mut session).await {
            Err(failure) | Ok((_, Verdict::Refused { failure } | Verdict::Unconfirmed { failure })) => failure,
            other => panic!("{reply}: {other:?}"),
        };
        assert_eq!(failure.cause, cause, "{reply}: {failure}");
        assert!(!session.quirks().demands_reuse, "{reply}");
        drop(session);
        play.over();
    }
}

/// CVE-2014-2735, CVE-1999-0351: whoever gets at the data port has to be the server too.
#[tokio::test]
async fn another_certificate_on_the_data_connection_alone_is_refused() {
    for name in ["other.example", "localhost"] {
        let stranger = Arc::new(Pair::of(name, BOTH).server);
        let play = Play::of(Pair::new(BOTH), Tls::Explicit, move |peer| {
            ready(peer);
            let Link::Plain(mut data) = peer.accept_retr("/f") else { panic!() };
            let mut tls = rustls::ServerConnection::new(stranger).unwrap();
            while tls.complete_io(&mut data).is_ok_and(|(read, _)| read > 0) {}
            peer.line();
        });
        let mut session = Session::open(&play.dial).await.unwrap();
        let failure = fetch(&mut session).await.unwrap_err();
        assert_eq!(
            (failure.stage, failure.cause, failure.kind),
            (Stage::Data, Cause::Certificate, FailureKind::Permanent),
            "{failure}"
        );
        assert!(!session.is_usable());
        drop(session);
        play.over();
    }
}

#[tokio::test]
async fn data_in_the_clear_is_refused() {
    let play = Play::of(Pair::new(BOTH), Tls::Explicit, |peer| {
        ready(peer);
        let mut data = peer.accept_retr("/f");
        data.write_all(b"hello, all you listeners").unwrap();
        peer.say("226 done");
        peer.line();
    });
    let mut session = Session::open(&play.dial).await.unwrap();
    let failure = fetch(&mut session).await.unwrap_err();
    assert_eq!((failure.stage, failure.cause), (Stage::Data, Cause::TlsRefused), "{failure}");
    drop(session);
    play.over();
}

/// A data connection that is broken off takes the whole session with it on `ProFTPD`, unless the server is asked first.
#[tokio::test]
async fn a_transfer_is_broken_off_by_abor_and_the_session_goes_on() {
    for replies in
        [["426 aborted", "226 abort successful"], ["226 aborted", "426 closed"], ["426 closed", "225 no transfer"]]
    {
        let play = Play::of(Pair::new(BOTH), Tls::Explicit, move |peer| {
            ready(peer);
            let config = Arc::clone(&peer.config);
            let mut data = peer.accept_retr("/f").secured(&config);
            data.write_all(&vec![7; 50_000]).unwrap();
            peer.hear("ABOR");
            data.close();
            peer.say(replies[0]);
            peer.say(replies[1]);
            peer.answer("NOOP", "200 well");
            peer.answer("QUIT", "221 bye");
        });
        let mut session = Session::open(&play.dial).await.unwrap();
        let mut retrieval = session.retrieve(&path("f"), TransferType::Image, 0).await.unwrap();
        assert!(retrieval.read(&mut [0; 10]).await.unwrap() > 0);
        retrieval.abort().await;
        assert!(session.is_usable(), "{replies:?}");
        session.quit().await;
        play.over();
    }
}

/// vsftpd hears ABOR only once the data connection is closed: then no time is lost on it again.
#[tokio::test]
async fn a_server_that_is_deaf_to_abor_is_asked_once() {
    let play = Play::of(Pair::new(BOTH), Tls::Explicit, |peer| {
        ready(peer);
        let config = Arc::clone(&peer.config);
        for turn in 0..2 {
            let mut data = peer.accept_retr("/f").secured(&config);
            while data.write_all(&[7; 10_000]).is_ok() {
                std::thread::sleep(Duration::from_millis(5));
            }
            if turn == 0 {
                peer.say("426 broken");
                peer.answer("ABOR", "225 no transfer");
                peer.answer("NOOP", "200 well");
            } else {
                peer.say("426 broken");
            }
        }
        peer.answer("QUIT", "221 bye");
    });
    let mut session = Session::open(&play.dial).await.unwrap();
    for _ in 0..2 {
        let mut retrieval = session.retrieve(&path("f"), TransferType::Image, 0).await.unwrap();
        assert!(retrieval.read(&mut [0; 10]).await.unwrap() > 0);
        retrieval.abort().await;
        assert!(session.is_usable());
    }
    session.quit().await;
    play.over();
}

/// A reply too many would be taken for that of the next command.
#[tokio::test]
async fn a_session_whose_replies_do_not_settle_is_over() {
    for replies in [&["426 aborted"][..], &["426 aborted", "226 abort", "226 once more"]] {
        let play = Play::of(Pair::new(BOTH), Tls::Explicit, move |peer| {
            ready(peer);
            let config = Arc::clone(&peer.config);
            let mut data = peer.accept_retr("/f").secured(&config);
            data.write_all(&vec![7; 50_000]).unwrap();
            peer.hear("ABOR");
            data.close();
            for reply in replies {
                peer.say(reply);
            }
            while !peer.line().is_empty() {}
        });
        let mut session = Session::open(&play.dial).await.unwrap();
        let retrieval = session.retrieve(&path("f"), TransferType::Image, 0).await.unwrap();
        retrieval.abort().await;
        assert!(!session.is_usable(), "{replies:?}");
        drop(session);
        play.over();
    }
}

/// Where a server demands reuse and all tickets are spent, the next file gets a new session.
#[tokio::test]
async fn a_session_without_tickets_is_over_where_they_are_demanded() {
    for demands in [false, true] {
        let mut pair = Pair::new(BOTH);
        pair.server.send_tls13_tickets = 1;
        let mut play = Play::of(pair, Tls::Explicit, |peer| {
            ready(peer);
            let mut config = rustls::ServerConfig::clone(&peer.config);
            // None comes back with the data.
            config.send_tls13_tickets = 0;
            peer.accept_retr("/f").secured(&Arc::new(config)).close();
            peer.say("226 done");
            peer.line();
        });
        play.dial.quirks.demands_reuse = demands;
        let mut session = Session::open(&play.dial).await.unwrap();
        assert_eq!(fetch(&mut session).await.unwrap().1, Verdict::Confirmed);
        assert_eq!(session.is_usable(), !demands);
        drop(session);
        play.over();
    }
}
