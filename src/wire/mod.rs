//! FTP without sockets: replies, commands, addresses, and the dialogues as state machines fed with replies.
//!
//! | File | Subject |
//! |---|---|
//! | `reply` | bytes → [`Reply`], bounded (RFC 959, section 4.2) |
//! | `command` | [`Command`] → bytes; the one place that refuses CR, LF and NUL |
//! | `address` | 227, 229, PORT and EPRT |
//! | `features`, `pwd`, `facts`, `numbers` | what FEAT, PWD, MLST, SIZE and MDTM answer |
//! | `hash` | checksums that the server computes |
//! | `classify` | a refusing reply → [`Failure`](crate::model::Failure) with advice |
//! | `absence` | refusals that say that a file is missing, and others |
//! | `sequence`, `burst` | which reply belongs to which of several commands on their way |
//! | `listing` | MLSD and LIST, entry by entry |
//! | `login` | greeting to working directory |
//! | `redact` | passwords taken out of what a server repeats |
//! | `retrieve` | one transfer, of a file or a listing, control and data in any legal order |

mod absence;
mod address;
mod burst;
mod classify;
mod command;
mod facts;
mod features;
mod hash;
pub mod listing;
mod login;
mod numbers;
mod pwd;
mod redact;
mod reply;
mod retrieve;
mod sequence;

pub use absence::{FileAnswer, FileReplies, file_answer};
pub use address::{extended_passive_port, passive_address};
pub use burst::{Burst, Order};
pub use classify::{
    Context, classify, forbids_restart, says_empty, says_missing, says_truncated, says_unread, text_says_denied,
};
pub use command::{Command, Forbidden};
pub use facts::{Entry, EntryKind, entry};
pub use features::{Features, MachineListing};
pub use hash::{HashOffers, HashVerb, HashWay, NoDigest, server_digest};
pub use login::{Credentials, Login, LoginStep, Privacy, Ready};
pub use numbers::{announced_size, modification_time, size};
pub use pwd::directory;
pub use redact::Redactor;
pub use reply::{Broken, Decoder, Reply, ReplyClass, ReplyCode};
pub use retrieve::{End, Input, Lessons, Marker, Opening, Refused, Retrieve, RetrievePlan, Step};
pub use sequence::{Place, Sequence, fits_behind};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Stage;

    /// Pieces that replies are made of, and some that they are not.
    const PIECES: [&[u8]; 24] = [
        b"220",
        b"227 ",
        b"229 ",
        b"211-",
        b"211 ",
        b"257 ",
        b"550 ",
        b"226-",
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b"\xff",
        b"\xff\xfb",
        b"(|||",
        b"|",
        b"1,2,3,4,5,6",
        b",",
        b"\"",
        b"99999999999999999999",
        b"size=",
        b";",
        b"20260102030405",
        b" ",
    ];

    #[test]
    fn no_bytes_make_a_parser_panic_or_hang() {
        let mut dice = fastrand::Rng::with_seed(959);
        let mut replies = 0;
        for _ in 0..20_000 {
            let bytes: Vec<u8> =
                (0..dice.usize(..20)).flat_map(|_| PIECES[dice.usize(..PIECES.len())].to_vec()).collect();
            let mut decoder = Decoder::new();
            decoder.feed(&bytes).unwrap();
            while let Ok(Some(reply)) = decoder.next_reply().map(|reply| reply.or_else(|| decoder.settle())) {
                replies += 1;
                let _ = (passive_address(&reply), extended_passive_port(&reply), directory(&reply), entry(&reply));
                let _ = (size(&reply), modification_time(&reply), announced_size(&reply), Features::parse(&reply));
                let shown = classify(&Context::new(Stage::Retrieve, "RETR"), &reply).to_string();
                assert!(!shown.contains(char::is_control), "{shown:?}");
            }
        }
        assert!(replies > 1_000, "only {replies} replies: the pieces test nothing");
    }
}
