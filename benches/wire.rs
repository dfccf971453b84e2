//! What it costs to read what servers say, without any socket: `cargo bench --bench wire`.

#![allow(missing_docs, clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a benchmark")]

mod support;

use ftpq::wire::listing::{Form, Limits, Listing};
use ftpq::wire::{Decoder, Features, Reply, entry, extended_passive_port, modification_time, passive_address, size};
use std::hint::black_box;
use support::measure;

const COUNT: u32 = 10_000;

const ONE_LINE: &[u8] = b"226 Transfer complete.\r\n";
const MLST: &[u8] = b"250-Listing file-00000001.tar.gz\r\n \
    type=file;size=1073741824;modify=20240131235959.123;UNIX.mode=0644;unique=803U4a0001; /pub/file-00000001.tar.gz\r\n\
    250 End\r\n";
const FEAT: &[u8] = b"211-Features:\r\n EPRT\r\n EPSV\r\n MDTM\r\n MLST type*;size*;modify*;unique*;UNIX.mode*;\r\n \
    PASV\r\n REST STREAM\r\n SIZE\r\n TVFS\r\n UTF8\r\n HASH SHA-1*;SHA-256\r\n211 End\r\n";

const MLSD: &[u8] =
    b"type=file;size=1073741824;modify=20240131235959;UNIX.mode=0644;unique=803U4a0001; file-00000001.tar.gz\r\n";
const UNIX: &[u8] = b"-rw-r--r--   1 ftp      ftp      1073741824 Jan 31 23:59 file-00000001.tar.gz\r\n";
const IIS: &[u8] = b"01-31-24  11:59PM           1073741824 file-00000001.tar.gz\r\n";
const VMS: &[u8] = b"FILE-00000001.TAR;1   2097152/2097152   31-JAN-2024 23:59:59 [SYSTEM] (RWED,RWED,RE,)\r\n";

fn greeting() -> Vec<u8> {
    let mut text = b"230-Welcome to the archive.\r\n".to_vec();
    for line in 0..48 {
        text.extend(
            format!("230-   notice {line}: mirrors are asked to come at night, one connection each\r\n").bytes(),
        );
    }
    text.extend(b"230 Login successful.\r\n");
    text
}

fn replies(bytes: &[u8]) -> Vec<Reply> {
    let mut decoder = Decoder::new();
    decoder.feed(bytes).unwrap();
    let mut found = Vec::new();
    while let Some(reply) = decoder.next_reply().unwrap() {
        found.push(reply);
    }
    found
}

/// As they come from a socket: some at a time, in pieces that end anywhere.
fn decode(name: &str, reply: &[u8]) {
    const PIECE: usize = 1400;
    let stream = reply.repeat(COUNT as usize);
    measure(name, COUNT, Decoder::new, |mut decoder| {
        let mut count = 0;
        for piece in stream.chunks(PIECE) {
            decoder.feed(piece).unwrap();
            while let Some(reply) = decoder.next_reply().unwrap() {
                count += u32::from(!black_box(reply).lines.is_empty());
            }
        }
        assert_eq!(count, COUNT);
    });
}

fn parse<T>(name: &str, text: &[u8], parser: impl Fn(&Reply) -> Option<T>) {
    let reply = replies(text).pop().unwrap();
    assert!(parser(&reply).is_some(), "{name}");
    measure(
        name,
        COUNT,
        || (),
        |()| {
            for _ in 0..COUNT {
                black_box(parser(black_box(&reply)));
            }
        },
    );
}

/// A folder's listing as it comes from a socket.
fn list(name: &str, form: Form, line: &[u8]) {
    const PIECE: usize = 64 << 10;
    let stream = line.repeat(COUNT as usize);
    measure(
        name,
        COUNT,
        || Listing::new(form, 1_772_366_400, Limits::default()),
        |mut listing| {
            let mut count = 0;
            for mut piece in stream.chunks(PIECE) {
                while let Some(item) = listing.next(&mut piece).unwrap() {
                    black_box(item);
                    count += 1;
                }
            }
            assert_eq!(count, COUNT);
        },
    );
}

fn main() {
    decode("reply of one line", ONE_LINE);
    decode("reply of three lines (MLST)", MLST);
    decode("reply of 50 lines (a greeting)", &greeting());
    parse("227 to an address", b"227 Entering Passive Mode (127,0,0,1,195,80).\r\n", passive_address);
    parse("229 to a port", b"229 Entering Extended Passive Mode (|||50000|)\r\n", extended_passive_port);
    parse("213 to a length", b"213 1073741824\r\n", size);
    parse("213 to a time", b"213 20240131235959.123\r\n", modification_time);
    parse("facts of a file (MLST)", MLST, entry);
    parse("features", FEAT, |r| Some(Features::parse(r)));
    list("entry of a listing (MLSD)", Form::Machine, MLSD);
    list("entry of a listing (Unix)", Form::People, UNIX);
    list("entry of a listing (IIS)", Form::People, IIS);
    list("entry of a listing (VMS)", Form::People, VMS);
}
