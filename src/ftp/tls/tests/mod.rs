//! TLS against servers on loopback that keep to the rules, and others.

mod data;
mod peer;
mod session;

use super::security::Security;
use super::stream::Stream;
use crate::ftp::Dial;
use crate::model::{Cause, FailureKind, RemotePath, Stage, Tls};
use peer::{BOTH, Link, OLD, Pair};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::{JoinHandle, spawn};
use std::time::Duration;
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(20);

/// A listener, and what a client needs to dial it.
fn listen(pair: &Pair, tls: Tls) -> (TcpListener, Dial) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let dial = peer::dial(pair.policy(tls), listener.local_addr().unwrap().port());
    (listener, dial)
}

/// A server for one connection under TLS.
fn serve<T: Send + 'static>(
    pair: &Pair,
    listener: TcpListener,
    script: impl FnOnce(Link) -> T + Send + 'static,
) -> JoinHandle<T> {
    let config = Arc::new(pair.server.clone());
    spawn(move || {
        let socket = listener.accept().unwrap().0;
        script(Link::plain(socket).secured(&config))
    })
}

async fn connect(dial: &Dial) -> Stream {
    Stream::plain(TcpStream::connect(("127.0.0.1", dial.account.port)).await.unwrap())
}

async fn secured(dial: &Dial) -> (Security, Stream) {
    let mut security = Security::new(dial).unwrap().unwrap();
    let mut stream = connect(dial).await;
    security.secure(&mut stream, PATIENCE).await.unwrap();
    (security, stream)
}

/// Reads to the end, with a buffer of that size.
async fn read_all(stream: &mut Stream, size: usize) -> std::io::Result<Vec<u8>> {
    let (mut all, mut buf) = (Vec::new(), vec![0; size]);
    loop {
        match stream.try_read(&mut buf) {
            Ok(0) => return Ok(all),
            Ok(count) => all.extend_from_slice(&buf[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => stream.readable().await,
            Err(error) => return Err(error),
        }
    }
}

fn path(name: &str) -> RemotePath {
    RemotePath::new(name.as_bytes().to_vec()).unwrap()
}

/// Bytes of which each tells its place.
fn pattern(length: usize) -> Vec<u8> {
    (0..length as u64).flat_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()).take(length).collect()
}

#[tokio::test]
async fn bytes_pass_whole_in_pieces_of_any_size() {
    for versions in [BOTH, OLD] {
        for (piece, size) in
            [(1, 7), (100, 4096), (16 * 1024, 1), (5_000, 20_000), (1_000_000, 300_000), (40_000, 256 * 1024)]
        {
            let pair = Pair::new(versions);
            let (listener, dial) = listen(&pair, Tls::Implicit);
            let length = if piece == 1 || size == 1 { 30_000 } else { 3_000_000 };
            let server = serve(&pair, listener, move |mut link| {
                for part in pattern(length).chunks(piece) {
                    link.write_all(part).unwrap();
                }
                link.close();
            });
            let (_, mut stream) = secured(&dial).await;
            assert!(read_all(&mut stream, size).await.unwrap() == pattern(length), "{piece} {size}");
            assert!(!stream.is_cut());
            assert_eq!(stream.try_read(&mut [0; 9]).unwrap(), 0, "an end stays one");
            server.join().unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_written_arrives_also_at_a_slow_reader() {
    let pair = Pair::new(BOTH);
    let (listener, dial) = listen(&pair, Tls::Implicit);
    let server = serve(&pair, listener, |mut link| {
        link.write_all(b"x").unwrap();
        std::thread::sleep(Duration::from_millis(100));
        let mut all = Vec::new();
        link.read_to_end(&mut all).unwrap();
        all
    });
    let (_, mut stream) = secured(&dial).await;
    // What is not read when a connection is closed makes the kernel reset it.
    assert!(stream.has_bytes().await);
    for part in pattern(20_000).chunks(7_000) {
        stream.write_all(part).await.unwrap();
    }
    stream.close();
    assert!(server.join().unwrap() == pattern(20_000), "and close_notify says that this is all");
}

#[tokio::test]
async fn an_end_without_close_notify_is_told_from_one_with() {
    for versions in [BOTH, OLD] {
        let pair = Pair::new(versions);
        let (listener, dial) = listen(&pair, Tls::Implicit);
        let server = serve(&pair, listener, |mut link| link.write_all(b"hello").unwrap());
        let (_, mut stream) = secured(&dial).await;
        assert_eq!(read_all(&mut stream, 100).await.unwrap(), b"hello");
        assert!(stream.is_cut());
        server.join().unwrap();
    }
}

#[tokio::test]
async fn a_look_takes_nothing() {
    let pair = Pair::new(BOTH);
    let (listener, dial) = listen(&pair, Tls::Implicit);
    let server = serve(&pair, listener, |mut link| {
        link.read_exact(&mut [0; 1]).unwrap();
        link.write_all(&pattern(5_000)).unwrap();
        link.read_exact(&mut [0; 1]).unwrap();
        link.close();
    });
    let (_, mut stream) = secured(&dial).await;
    let mut seen = [0; 100];
    // The tickets are no bytes.
    assert_eq!(stream.peek(&mut seen).unwrap(), None);
    stream.write_all(b"1").await.unwrap();
    assert!(stream.has_bytes().await && stream.has_bytes().await);
    for _ in 0..2 {
        assert_eq!(stream.peek(&mut seen).unwrap(), Some(100));
        assert_eq!(seen[..], pattern(100));
    }
    let (mut all, mut buf) = (Vec::new(), [0; 300]);
    while all.len() < 5_000 {
        stream.readable().await;
        if let Ok(count) = stream.try_read(&mut buf) {
            all.extend_from_slice(&buf[..count]);
        }
    }
    assert!(all == pattern(5_000));
    assert_eq!(stream.peek(&mut seen).unwrap(), None);
    stream.write_all(b"2").await.unwrap();
    assert!(!stream.has_bytes().await);
    assert_eq!(stream.peek(&mut seen).unwrap(), Some(0));
    server.join().unwrap();
}

#[tokio::test]
async fn each_data_connection_resumes_the_sessions_tls_session() {
    for (versions, tickets) in [(BOTH, true), (OLD, false)] {
        let pair = Pair::new(versions);
        let config = Arc::new(pair.server.clone());
        let (listener, dial) = listen(&pair, Tls::Implicit);
        let server = spawn(move || {
            let mut control = Link::plain(listener.accept().unwrap().0).secured(&config);
            control.write_all(b"x").unwrap();
            (0..20)
                .map(|_| {
                    let mut data = Link::plain(listener.accept().unwrap().0).secured(&config);
                    data.write_all(b"data").unwrap();
                    let kind = data.tls().handshake_kind();
                    data.close();
                    kind
                })
                .collect::<Vec<_>>()
        });
        let (mut security, mut control) = secured(&dial).await;
        assert!(control.has_bytes().await);
        assert_eq!(security.has_tls13(), tickets);
        for _ in 0..20 {
            let mut data = connect(&dial).await;
            security.begin(&mut data).unwrap();
            let agreed = Security::shake(&mut data).await.unwrap();
            assert!(agreed.starts_with("data: TLSv1.") && agreed.ends_with(", resumed"), "{agreed}");
            assert_eq!(read_all(&mut data, 100).await.unwrap(), b"data");
            security.close(data);
            // A ticket is spent, and one or two came in its place.
            assert!(security.has_tickets_to_spare() && !security.is_out_of_tickets());
        }
        let kinds = server.join().unwrap();
        assert!(kinds.iter().all(|kind| *kind == Some(rustls::HandshakeKind::Resumed)), "{kinds:?}");
    }
}

/// Another session's tickets are refused by `ProFTPD` and FileZilla Server.
#[tokio::test]
async fn sessions_share_no_tickets() {
    let pair = Pair::new(BOTH);
    let config = Arc::new(pair.server.clone());
    let (listener, dial) = listen(&pair, Tls::Implicit);
    let server = spawn(move || {
        (0..2)
            .map(|_| {
                let mut link = Link::plain(listener.accept().unwrap().0).secured(&config);
                link.write_all(b"x").unwrap();
                let kind = link.tls().handshake_kind();
                link.close();
                kind
            })
            .collect::<Vec<_>>()
    });
    for _ in 0..2 {
        let (_, mut stream) = secured(&dial).await;
        assert!(stream.has_bytes().await);
    }
    let kinds = server.join().unwrap();
    assert!(kinds.iter().all(|kind| *kind != Some(rustls::HandshakeKind::Resumed)), "{kinds:?}");
}

#[tokio::test]
async fn a_server_without_tlss_tongue_is_told_as_such() {
    let pair = Pair::new(BOTH);
    for late in [false, true] {
        let (listener, dial) = listen(&pair, Tls::Implicit);
        let server = spawn(move || {
            let mut socket = listener.accept().unwrap().0;
            if late {
                socket.read_exact(&mut [0; 100]).unwrap();
            }
            socket.write_all(b"220 vsftpd\r\n").unwrap();
            let _ = socket.read_to_end(&mut Vec::new());
        });
        let mut security = Security::new(&dial).unwrap().unwrap();
        let mut stream = connect(&dial).await;
        let failure = security.secure(&mut stream, PATIENCE).await.unwrap_err();
        assert_eq!(
            (failure.stage, failure.cause, failure.kind),
            (Stage::Secure, Cause::TlsRefused, FailureKind::Permanent)
        );
        assert!(failure.to_string().contains("ftpes://"), "{failure}");
        drop(stream);
        server.join().unwrap();
    }
}

#[tokio::test]
async fn a_handshake_ends_in_time_whatever_the_server_does() {
    let pair = Pair::new(BOTH);
    // Silence, an end, and a record that never comes to its own.
    for (bytes, stays, cause) in [
        (&b""[..], true, Cause::Timeout),
        (b"", false, Cause::Disconnected),
        (b"\x16\x03\x03\x40\x00", true, Cause::Timeout),
    ] {
        let (listener, dial) = listen(&pair, Tls::Implicit);
        let server = spawn(move || {
            let mut socket = listener.accept().unwrap().0;
            socket.write_all(bytes).unwrap();
            if stays {
                let _ = socket.read_to_end(&mut Vec::new());
            } else {
                socket.read_exact(&mut [0; 100]).unwrap();
            }
        });
        let mut security = Security::new(&dial).unwrap().unwrap();
        let mut stream = connect(&dial).await;
        let failure = security.secure(&mut stream, Duration::from_millis(300)).await.unwrap_err();
        assert_eq!((failure.stage, failure.cause, failure.kind), (Stage::Secure, cause, FailureKind::Transient));
        drop(stream);
        server.join().unwrap();
    }
}

/// Handshake messages may be long, and come in any number of records; what never ends is left.
#[tokio::test]
async fn a_handshake_without_end_is_left() {
    let pair = Pair::new(BOTH);
    let (listener, dial) = listen(&pair, Tls::Implicit);
    let server = spawn(move || {
        let mut socket = listener.accept().unwrap().0;
        // A ServerHello of 16 MiB, by its own account, in records of 1,000 bytes.
        let mut first = true;
        loop {
            let mut record = vec![0x16, 3, 3, 3, 0xe8];
            let head: &[u8] = if first { &[2, 0xff, 0xff, 0xff] } else { &[0; 4] };
            record.extend_from_slice(head);
            record.resize(5 + 1000, 0);
            first = false;
            if socket.write_all(&record).is_err() {
                return;
            }
        }
    });
    let mut security = Security::new(&dial).unwrap().unwrap();
    let mut stream = connect(&dial).await;
    let failure = security.secure(&mut stream, PATIENCE).await.unwrap_err();
    assert_eq!(failure.stage, Stage::Secure);
    assert_ne!(failure.cause, Cause::Timeout, "{failure}");
    drop(stream);
    server.join().unwrap();
}
