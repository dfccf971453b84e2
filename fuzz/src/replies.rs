//! Replies, and what is read from them.

use super::{MARK, assert_shown};
use ftpq::model::{Algorithm, Secret, Span, Stage};
use ftpq::wire::{
    Broken, Command, Context, Decoder, Features, HashVerb, HashWay, Redactor, Reply, announced_size, classify,
    directory, entry, extended_passive_port, modification_time, passive_address, server_digest, size,
};
use std::net::{Ipv4Addr, SocketAddrV4};

/// All replies in bytes that arrive in pieces of so many, and what ended them.
fn decode(bytes: &[u8], piece: usize) -> (Vec<Reply>, Option<Broken>) {
    let mut decoder = Decoder::new();
    let mut found = Vec::new();
    for part in bytes.chunks(piece) {
        if let Err(broken) = decoder.feed(part) {
            return (found, Some(broken));
        }
        loop {
            match decoder.next_reply() {
                Ok(Some(reply)) => found.push(reply),
                Ok(None) => break,
                Err(broken) => return (found, Some(broken)),
            }
        }
    }
    // Nothing more comes: doubts are settled.
    while let Some(reply) = decoder.settle() {
        found.push(reply);
        loop {
            match decoder.next_reply() {
                Ok(Some(reply)) => found.push(reply),
                Ok(None) => break,
                Err(broken) => return (found, Some(broken)),
            }
        }
    }
    (found, None)
}

/// Where replies end does not depend on how their bytes arrive; nothing grows beyond its limit; nothing shown can drive
/// a terminal, or hold a password that was to be hidden.
pub fn replies(data: &[u8]) {
    let Some((&first, bytes)) = data.split_first() else { return };
    let (whole, broken) = decode(bytes, bytes.len().max(1));
    let (pieces, broken_too) = decode(bytes, usize::from(first % 16) + 1);
    assert_eq!(whole, pieces, "the same bytes in other pieces");
    assert_eq!(broken, broken_too, "the same bytes in other pieces");
    let kept: usize = whole.iter().flat_map(|reply| &reply.lines).map(Vec::len).sum();
    assert!(kept <= bytes.len(), "more is kept than came");
    if let Some(broken) = broken {
        assert_shown(&broken.to_string());
    }
    for mut reply in whole {
        assert!((100..=599).contains(&reply.code.get()), "{reply:?}");
        assert!(!reply.lines.is_empty());
        assert!(reply.lines.iter().all(|line| line.len() <= 8 * 1024 && !line.contains(&b'\n')));
        assert_shown(&reply.text());
        // 300 characters, of which each may become an escape.
        assert!(reply.text().len() <= 304 * 10, "{}", reply.text().len());
        // As long as is looked for anywhere, and nothing that the form of a shown reply may hold.
        let secret = bytes.get(..4).and_then(|secret| std::str::from_utf8(secret).ok()).unwrap_or_default();
        reply.hide(&Redactor::new([&Secret::new(secret)]));
        let shown = reply.text();
        let telling = secret.bytes().all(|b| b.is_ascii_alphabetic()) && !secret.is_empty() && !shown.contains('\\');
        assert!(!telling || !shown.contains(secret), "{secret:?} in {shown:?}");
    }
    // By a word of its own, since it costs as much as thousands of others.
    if let Some(bytes) = bytes.strip_prefix(b"FLOOD") {
        flood(bytes);
    }
}

/// However a flood is made, it is stopped.
fn flood(bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let mut decoder = Decoder::new();
    let mut fed = 0;
    while fed < 3 << 20 {
        if decoder.feed(bytes).is_err() {
            return;
        }
        // Replies without end are for the deadline to stop.
        if !matches!(decoder.next_reply(), Ok(None)) {
            return;
        }
        fed += bytes.len();
    }
    panic!("3 MiB of one reply were taken in: {:?}", String::from_utf8_lossy(bytes));
}

/// A reply of one line that holds these bytes.
fn reply_of(code: &str, text: &[u8]) -> Option<Reply> {
    let text: Vec<u8> = text.iter().copied().filter(|b| !matches!(b, b'\n' | b'\r' | 0 | 0xFF)).collect();
    let mut decoder = Decoder::new();
    decoder.feed(&[code.as_bytes(), b" ", &text, b"\r\n"].concat()).ok()?;
    decoder.next_reply().ok().flatten()
}

/// An address is what stands in the reply, digit by digit, or there is none.
pub fn addresses(data: &[u8]) {
    if let Some(reply) = reply_of("227", data)
        && let Some((ip, port)) = passive_address(&reply)
    {
        assert_ne!(port, 0);
        let [a, b, c, d] = ip.octets().map(u64::from);
        let [high, low] = port.to_be_bytes().map(u64::from);
        let numbers = numbers(&reply.lines[0]);
        assert!(numbers.windows(6).any(|six| six == [a, b, c, d, high, low]), "{ip}:{port} is not in {numbers:?}");
    }
    if let Some(reply) = reply_of("229", data)
        && let Some(port) = extended_passive_port(&reply)
    {
        assert_ne!(port, 0);
        assert!(numbers(&reply.lines[0]).contains(&u64::from(port)), "{port}");
    }
    let mut bytes = super::bytes::Bytes(data);
    let ip = Ipv4Addr::new(bytes.byte(), bytes.byte(), bytes.byte(), bytes.byte());
    let port = u16::from_be_bytes([bytes.byte(), bytes.byte()]);
    let command = Command::Port(SocketAddrV4::new(ip, port)).encode().unwrap();
    let argument = command.strip_prefix(b"PORT ").and_then(|rest| rest.strip_suffix(b"\r\n")).unwrap();
    let read = reply_of("227", argument).as_ref().and_then(passive_address);
    assert_eq!(read, (port > 0).then_some((ip, port)), "what PORT says is read back");
    let reply = reply_of("229", format!("(|||{port}|)").as_bytes()).unwrap();
    assert_eq!(extended_passive_port(&reply), (port > 0).then_some(port));
}

/// The values of all runs of digits; too large ones are none of an address.
fn numbers(text: &[u8]) -> Vec<u64> {
    text.split(|b| !b.is_ascii_digit())
        .filter(|digits| !digits.is_empty())
        .map(|digits| digits.iter().fold(0u64, |sum, d| sum.saturating_mul(10).saturating_add(u64::from(d - b'0'))))
        .collect()
}

/// What PWD, FEAT, MLST, SIZE, MDTM and RETR answer is read within its bounds, or not at all; a refusal becomes a
/// failure that can be shown.
pub fn answers(data: &[u8]) {
    let mut decoder = Decoder::new();
    if decoder.feed(data).is_err() {
        return;
    }
    while let Ok(Some(reply)) = decoder.next_reply().map(|reply| reply.or_else(|| decoder.settle())) {
        if let Some(path) = directory(&reply) {
            assert!(!path.is_empty() && !path.iter().any(u8::is_ascii_control), "{path:?}");
            let mut quoted = b"257 \"".to_vec();
            quoted.extend(path.iter().flat_map(|&b| if b == b'"' { vec![b, b] } else { vec![b] }));
            quoted.extend(b"\" is it");
            let again = reply_of("257", quoted.get(4..).unwrap_or_default());
            // The byte 0xFF is Telnet's and is not sent again here.
            if !path.contains(&0xFF) {
                assert_eq!(again.as_ref().and_then(directory), Some(path), "what is quoted is read back");
            }
        }
        checksums(&reply);
        if let Some(entry) = entry(&reply) {
            assert!(entry.size.is_none_or(|size| i64::try_from(size).is_ok()), "{entry:?}");
            assert!(entry.modify.as_deref().is_none_or(is_timestamp), "{entry:?}");
            assert!(entry.unique.is_none_or(|unique| (1..=256).contains(&unique.len())));
        }
        assert!(size(&reply).is_none_or(|size| i64::try_from(size).is_ok()));
        assert!(announced_size(&reply).is_none_or(|size| i64::try_from(size).is_ok()));
        assert!(modification_time(&reply).as_deref().is_none_or(is_timestamp));
        for stage in [Stage::Greeting, Stage::Login, Stage::Data, Stage::Restart, Stage::Retrieve, Stage::Verdict] {
            let failure = classify(&Context::new(stage, "RETR").with_path(b"/a"), &reply);
            assert_eq!(failure.stage, stage);
            assert_shown(&failure.to_string());
        }
        let mut hidden = reply.clone();
        hidden.hide(&Redactor::new([&Secret::new(MARK)]));
    }
}

/// A checksum in a reply is one that stands there in full, by the function that was asked for; what FEAT offers is asked
/// for in lines that nothing can get out of.
fn checksums(reply: &Reply) {
    let mut offers = Features::parse(reply).hashes;
    let mut ways = vec![
        HashWay { verb: HashVerb::Hash, algorithm: Algorithm::Sha256 },
        HashWay { verb: HashVerb::Own("XCRC"), algorithm: Algorithm::Crc32 },
        HashWay { verb: HashVerb::Own("XSHA1"), algorithm: Algorithm::Sha1 },
        HashWay { verb: HashVerb::Md5, algorithm: Algorithm::Md5 },
        HashWay { verb: HashVerb::SiteMd5, algorithm: Algorithm::Md5 },
    ];
    let asked = ways.len();
    while let Some(way) = offers.best() {
        ways.push(way);
        offers.strike(way);
    }
    // Each of the functions by HASH and by a command of its own, and MD5 by two more.
    assert!(ways.len() - asked <= 12, "{ways:?}");
    let text = reply.lines.concat().to_ascii_lowercase();
    let hex_name = text.get(..32).unwrap_or(b"/a b");
    for (way, path) in ways.iter().flat_map(|&way| [(way, b"/a b".as_slice()), (way, hex_name)]) {
        if let Some(command) = way.ask(path, Some((0, 49)))
            && let Ok(line) = command.encode()
        {
            assert_eq!(line.iter().filter(|b| matches!(b, b'\r' | b'\n' | 0)).count(), 2, "{command}");
        }
        if let Ok(sum) = server_digest(reply, way, path, Span { start: 0, end: 50 }) {
            assert_eq!(sum.algorithm(), way.algorithm);
            let hex = sum.text();
            assert!((200..300).contains(&reply.code.get()), "{sum} of {reply:?}");
            assert!(text.windows(hex.len()).any(|part| part == hex.as_bytes()), "{sum} of {reply:?}");
        }
    }
}

fn is_timestamp(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    whole.len() == 14
        && [whole, fraction].iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}
