use super::super::features::Features;
use super::super::reply::tests::reply;
use super::*;

const MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";
const OTHER: &str = "0123456789abcdef0123456789ABCDEF";
const SHA1: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
const WHOLE: Span = Span { start: 0, end: 50 };

fn sha256() -> String {
    "ab".repeat(32)
}

fn way(verb: HashVerb, algorithm: Algorithm) -> HashWay {
    HashWay { verb, algorithm }
}

fn offers(lines: &str) -> HashOffers {
    Features::parse(&reply(&format!("211-x\r\n{lines}\r\n211 End"))).hashes
}

#[test]
fn the_best_of_what_feat_offers_is_asked_for() {
    use Algorithm::{Crc32, Md5, Sha1, Sha256, Sha512};
    for (lines, expected) in [
        (" HASH SHA-256;SHA-512;SHA-1*;MD5;CRC32", Some(way(HashVerb::Hash, Sha256))),
        (" HASH MD5;SHA-1*", Some(way(HashVerb::Hash, Sha1))),
        (" hash sha-512*", Some(way(HashVerb::Hash, Sha512))),
        (" XCRC\r\n XMD5\r\n XSHA1", Some(way(HashVerb::Own("XSHA1"), Sha1))),
        (" XSHA\r\n XMD5", Some(way(HashVerb::Own("XSHA"), Sha1))),
        (" XSHA\r\n XSHA1", Some(way(HashVerb::Own("XSHA1"), Sha1))),
        (" XSHA1\r\n XSHA", Some(way(HashVerb::Own("XSHA1"), Sha1))),
        (" XCRC filename;start;end", Some(way(HashVerb::Own("XCRC"), Crc32))),
        (" XCRC \"filename\" SP EP\r\n MD5", Some(way(HashVerb::Md5, Md5))),
        (" XSHA512\r\n HASH MD5", Some(way(HashVerb::Own("XSHA512"), Sha512))),
        (" SITE MD5", Some(way(HashVerb::SiteMd5, Md5))),
        (" SITE UTIME;MD5", Some(way(HashVerb::SiteMd5, Md5))),
        (" SITE MD5SUM", None),
        (" HASH SHA3-256*;BLAKE2", None),
        (" MMD5", None),
        (" SIZE", None),
    ] {
        assert_eq!(offers(lines).best(), expected, "{lines}");
    }
}

#[test]
fn what_turns_out_to_be_unknown_is_not_asked_for_again() {
    let mut offers = offers(" HASH SHA-256*;MD5\r\n XSHA256\r\n XMD5\r\n MD5\r\n SITE MD5\r\n XCRC");
    let mut names = Vec::new();
    while let Some(way) = offers.best() {
        names.push(format!("{} {}", way.name(), way.algorithm.name()));
        offers.strike(way);
    }
    let expected = ["HASH sha-256", "XSHA256 sha-256", "HASH md5", "XMD5 md5", "MD5 md5", "SITE MD5 md5", "XCRC crc32"];
    assert_eq!(names, expected);
}

#[test]
fn a_part_is_asked_for_where_the_server_takes_ranges() {
    let ranged = |lines: &str| offers(lines).ranged(Algorithm::Md5).map(|way| way.verb);
    assert_eq!(ranged(" HASH MD5\r\n XMD5\r\n RANG STREAM"), Some(HashVerb::Own("XMD5")));
    assert_eq!(ranged(" HASH MD5\r\n RANG STREAM"), Some(HashVerb::Hash));
    assert_eq!(ranged(" HASH MD5"), None);
    assert_eq!(ranged(" MD5\r\n SITE MD5\r\n RANG STREAM"), None);
}

#[test]
fn paths_with_blanks_are_quoted_where_more_may_follow() {
    let line = |way: HashWay, path: &str, range| {
        let command = way.ask(path.as_bytes(), range)?;
        Some(String::from_utf8(command.encode().unwrap().to_vec()).unwrap())
    };
    let own = way(HashVerb::Own("XMD5"), Algorithm::Md5);
    for (way, path, range, expected) in [
        (own, "/a/b", None, Some("XMD5 /a/b\r\n")),
        (own, "/a b", None, Some("XMD5 \"/a b\"\r\n")),
        (own, "/a b", Some((0, 9)), Some("XMD5 \"/a b\" 0 9\r\n")),
        (own, "/a", Some((5, u64::MAX)), Some("XMD5 /a 5 18446744073709551615\r\n")),
        (own, "/a\"b", None, None),
        (own, "/a \\b", None, None),
        (way(HashVerb::Hash, Algorithm::Sha256), "/a \"b", Some((0, 9)), Some("HASH /a \"b\r\n")),
        (way(HashVerb::Md5, Algorithm::Md5), "/a b", None, Some("MD5 /a b\r\n")),
        (way(HashVerb::SiteMd5, Algorithm::Md5), "/a b", None, Some("SITE MD5 /a b\r\n")),
    ] {
        assert_eq!(line(way, path, range).as_deref(), expected, "{path}");
    }
    let choose = |algorithm| way(HashVerb::Hash, algorithm).choose().map(|c| c.encode().unwrap().to_vec());
    assert_eq!(choose(Algorithm::Sha256).as_deref(), Some(b"OPTS HASH SHA-256\r\n".as_slice()));
    assert_eq!(own.choose(), None);
    for verb in [HashVerb::Hash, HashVerb::Own("XMD5"), HashVerb::Md5, HashVerb::SiteMd5] {
        let command = way(verb, Algorithm::Md5).ask(b"a\r\nDELE b", None).unwrap();
        assert!(command.encode().is_err(), "{command}");
    }
}

#[test]
fn every_servers_form_of_answer_is_read() {
    let sha = sha256();
    let hash = |algorithm| way(HashVerb::Hash, algorithm);
    let own = way(HashVerb::Own("XMD5"), Algorithm::Md5);
    let crc = way(HashVerb::Own("XCRC"), Algorithm::Crc32);
    let md5 = way(HashVerb::Md5, Algorithm::Md5);
    let site = way(HashVerb::SiteMd5, Algorithm::Md5);
    for (way, path, text, expected) in [
        // The draft; proftpd gives the range's ends.
        (hash(Algorithm::Sha256), "/a", format!("213 SHA-256 0-49 {sha} /a"), sha.as_str()),
        (hash(Algorithm::Sha256), "/a", format!("213 SHA-256 0-50 {sha} a"), &sha),
        (hash(Algorithm::Sha256), "/a b", format!("213 SHA256 0-49 {sha} /a b"), &sha),
        (hash(Algorithm::Md5), "/x", format!("213 MD5 {MD5}"), MD5),
        (hash(Algorithm::Sha1), "/x", format!("213-Computing\r\n213 SHA-1 0-49 {SHA1} x"), SHA1),
        (hash(Algorithm::Md5), OTHER, format!("213 MD5 0-49 {MD5} {OTHER}"), MD5),
        (hash(Algorithm::Sha256), "a b", format!("213-Computing SHA-256 digest\r\n213 SHA-256 0-50 {sha} a b"), &sha),
        (md5, "a b", format!("251-Computing MD5 digest\r\n251 a b {}", MD5.to_uppercase()), MD5),
        (own, "/a", format!("250-Computing MD5 digest\r\n250 {}", MD5.to_uppercase()), MD5),
        // Serv-U and others.
        (own, "/a", format!("213 {}", MD5.to_uppercase()), MD5),
        (own, "/a", format!("250 {MD5}"), MD5),
        (own, "/a", format!("250-\r\n250 {MD5}"), MD5),
        (own, "/a", format!("251 \"/a\" {MD5}"), MD5),
        (own, "/a", format!("250 MD5={MD5}"), MD5),
        (own, "/a", format!("250 XMD5 \"/a\" = {MD5}."), ""),
        (own, OTHER, format!("250 {OTHER} {MD5}"), MD5),
        (own, OTHER, format!("250 {MD5} {OTHER}"), MD5),
        (own, OTHER, format!("250 {OTHER}"), OTHER),
        (crc, "/a", "250 00C0FFEE".to_owned(), "00c0ffee"),
        (crc, "/deadbeef", "250 /deadbeef 00c0ffee".to_owned(), "00c0ffee"),
        // draft-twine-ftpmd5
        (md5, "/a", format!("251 /a {MD5}"), MD5),
        (md5, OTHER, format!("251 {OTHER} {MD5}"), MD5),
        (md5, "/a b", format!("251 \"/a b\" {MD5}"), MD5),
        // libunftp
        (site, "/a b", format!("213 {MD5}    /a b"), MD5),
        (site, "/a", format!("213 {MD5}"), MD5),
    ] {
        let found = server_digest(&reply(&text), way, path.as_bytes(), WHOLE);
        if expected.is_empty() {
            assert!(found.is_err(), "{text}");
        } else {
            assert_eq!(found.unwrap().text(), expected.to_lowercase(), "{text}");
        }
    }
}

#[test]
fn what_may_be_meant_otherwise_is_no_answer() {
    use NoDigest::{OtherAlgorithm, OtherFile, OtherRange, Refused, Unknown, Unreadable};
    let sha = sha256();
    let hash = way(HashVerb::Hash, Algorithm::Sha256);
    let own = way(HashVerb::Own("XMD5"), Algorithm::Md5);
    let md5 = way(HashVerb::Md5, Algorithm::Md5);
    let site = way(HashVerb::SiteMd5, Algorithm::Md5);
    for (way, text, expected) in [
        (hash, "500 HASH not understood".to_owned(), Unknown),
        (hash, "502 no".to_owned(), Unknown),
        (hash, "450 HASH busy".to_owned(), Refused),
        (hash, "501 bad".to_owned(), Refused),
        (hash, "504 no such algorithm".to_owned(), Refused),
        (hash, "550 no such file".to_owned(), Refused),
        (hash, "556 refused".to_owned(), Refused),
        (hash, format!("350 SHA-256 0-49 {sha} /a"), Refused),
        (hash, format!("213 SHA-1 0-49 {SHA1} /a"), OtherAlgorithm),
        (hash, format!("213 SHA-512 0-49 {sha} /a"), OtherAlgorithm),
        (hash, format!("213 SHA-256 0-9 {sha} /a"), OtherRange),
        (hash, format!("213 SHA-256 1-49 {sha} /a"), OtherRange),
        (hash, format!("213 SHA-256 0-49 {sha} /b"), OtherFile),
        (hash, "213 SHA-256 0-49 /a".to_owned(), Unreadable),
        (hash, "213".to_owned(), Unreadable),
        (own, format!("250 {}", &MD5[1..]), Unreadable),
        (own, format!("250 {MD5}0"), Unreadable),
        (own, format!("250 0x{MD5}"), Unreadable),
        (own, format!("250 {MD5} {OTHER}"), Unreadable),
        (own, format!("250 {SHA1}"), OtherAlgorithm),
        (md5, format!("251 /b {MD5}"), OtherFile),
        (site, format!("213 {MD5}    /b"), OtherFile),
    ] {
        assert_eq!(server_digest(&reply(&text), way, b"/a", WHOLE), Err(expected), "{text}");
    }
}
