//! Which reply belongs to which command, when several are on their way.

use super::reply::{Reply, ReplyClass};
use std::collections::VecDeque;

/// A command whose final reply is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Awaited {
    verb: &'static str,
    /// It was sent behind a RETR that was still under way.
    behind: bool,
}

/// Where a reply belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// To the command that was sent first of those without a final reply.
    Due,
    /// To the command behind RETR, before RETR's own final reply: the server does not queue commands.
    Early,
    /// To none.
    Uncalled,
}

/// The commands that were sent and have no final reply yet, in their order (RFC 959, section 5.4: a server answers in
/// the order of the commands).
#[derive(Debug, Default)]
pub struct Sequence {
    awaited: VecDeque<Awaited>,
    /// The first of them has had a preliminary reply.
    accepted: bool,
}

impl Sequence {
    /// Nothing is awaited.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of a command, or of the greeting (with no verb).
    pub fn expect(&mut self, verb: &'static str) {
        self.awaited.push_back(Awaited { verb, behind: false });
    }

    /// Takes note of a command that was sent behind a RETR under way.
    pub fn expect_behind(&mut self, verb: &'static str) {
        self.awaited.push_back(Awaited { verb, behind: true });
    }

    /// Final replies that are still to come.
    #[must_use]
    pub fn len(&self) -> usize {
        self.awaited.len()
    }

    /// Whether no final reply is still to come.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.awaited.is_empty()
    }

    /// Whether a transfer's final reply is the next to come.
    #[must_use]
    pub fn is_transfer_first(&self) -> bool {
        matches!(self.first(), Some("RETR" | "MLSD" | "LIST"))
    }

    /// Whether a transfer's final reply is the next to come, with nothing behind it.
    #[must_use]
    pub fn is_transfer(&self) -> bool {
        self.awaited.len() == 1 && self.is_transfer_first()
    }

    /// The command whose final reply comes next.
    #[must_use]
    pub fn first(&self) -> Option<&'static str> {
        self.awaited.front().map(|awaited| awaited.verb)
    }

    /// The command behind RETR, while RETR's final reply is still to come.
    #[must_use]
    pub fn behind(&self) -> Option<&'static str> {
        self.awaited.get(1).filter(|awaited| awaited.behind).map(|awaited| awaited.verb)
    }

    /// The command that was sent behind a RETR which is over now, if only its reply is still to come.
    #[must_use]
    pub fn left_behind(&self) -> Option<&'static str> {
        self.awaited.front().filter(|awaited| awaited.behind && self.awaited.len() == 1).map(|awaited| awaited.verb)
    }

    /// Whether a reply can be that of [`Sequence::left_behind`].
    #[must_use]
    pub fn fits(&self, reply: &Reply) -> bool {
        self.left_behind().is_some_and(|verb| fits_behind(verb, reply))
    }

    /// Says where a reply belongs, and strikes its command off the list if it is final.
    pub fn place(&mut self, reply: &Reply) -> Place {
        if self.awaited.is_empty() {
            return Place::Uncalled;
        }
        if reply.is(ReplyClass::Preliminary) {
            self.accepted = true;
            return Place::Due;
        }
        if self.is_early(reply) {
            self.awaited.remove(1);
            return Place::Early;
        }
        self.awaited.pop_front();
        self.accepted = false;
        Place::Due
    }

    /// Whether the reply can only be that of the command behind RETR, while RETR's is still to come.
    fn is_early(&self, reply: &Reply) -> bool {
        let Some(behind) = self.behind() else { return false };
        match (behind, reply.code.get()) {
            ("NOOP", 200) | ("EPSV", 229) | ("PASV", 227) => true,
            // RETR was accepted, so it is known; but vsftpd's `500 OOPS` is its process's last word.
            (_, 500 | 502 | 503) => self.accepted && !reply.words().contains("oops"),
            // proftpd: `450 EPSV: data transfer in progress`.
            (verb, 400..) => self.accepted && reply.names(verb),
            _ => false,
        }
    }
}

/// Whether the reply can be that of a command which was sent behind RETR.
#[must_use]
pub fn fits_behind(verb: &str, reply: &Reply) -> bool {
    match (verb, reply.code.get()) {
        ("NOOP", 200) | ("EPSV", 229) | ("PASV", 227) => true,
        (_, 421 | 430 | 530) => false,
        _ => matches!(reply.code.class(), ReplyClass::Transient | ReplyClass::Permanent),
    }
}

#[cfg(test)]
mod tests {
    use super::super::reply::tests::reply;
    use super::*;

    /// RETR with a command behind it, and what the replies are taken for.
    fn play(behind: &'static str, replies: &[&str]) -> (Vec<Place>, usize) {
        let mut sequence = Sequence::new();
        sequence.expect("RETR");
        sequence.expect_behind(behind);
        (replies.iter().map(|text| sequence.place(&reply(text))).collect(), sequence.len())
    }

    #[test]
    fn replies_in_order_belong_to_the_commands_in_order() {
        let mut sequence = Sequence::new();
        for verb in ["SIZE", "MDTM", "REST"] {
            sequence.expect(verb);
        }
        for (verb, text) in [("SIZE", "213 1"), ("MDTM", "550 no"), ("REST", "350 ok")] {
            assert_eq!((sequence.first(), sequence.place(&reply(text))), (Some(verb), Place::Due));
        }
        assert!(sequence.is_empty());
        assert_eq!(sequence.place(&reply("200 again")), Place::Uncalled);
    }

    #[test]
    fn a_server_that_queues_commands_answers_behind_the_transfer() {
        use Place::Due;
        for (behind, answer) in [("NOOP", "200 ok"), ("EPSV", "229 (|||5000|)"), ("PASV", "227 (1,2,3,4,5,6)")] {
            for transfer in [&["150 go", "226 ok"][..], &["226 ok"], &["550 no"], &["150 go", "150 go", "426 no"]] {
                let all = [transfer, &[answer]].concat();
                assert_eq!(play(behind, &all), (vec![Due; all.len()], 0), "{all:?}");
                let mut sequence = Sequence::new();
                sequence.expect("RETR");
                sequence.expect_behind(behind);
                for text in transfer {
                    assert_eq!(sequence.place(&reply(text)), Due);
                }
                assert_eq!(sequence.left_behind(), Some(behind));
                assert!(sequence.fits(&reply(answer)) && sequence.fits(&reply("500 ?")));
                assert!(!sequence.fits(&reply("226 again")) && !sequence.fits(&reply("421 bye")));
            }
        }
    }

    #[test]
    fn an_early_answer_is_not_taken_for_the_transfers() {
        use Place::{Due, Early};
        let table: [(&str, &[&str], &[Place]); 7] = [
            ("NOOP", &["150 go", "200 ok", "226 ok"], &[Due, Early, Due]),
            ("NOOP", &["200 ok", "150 go", "226 ok"], &[Early, Due, Due]),
            ("NOOP", &["150 go", "500 not now", "226 ok"], &[Due, Early, Due]),
            ("EPSV", &["150 go", "229 (|||5000|)", "426 broken"], &[Due, Early, Due]),
            ("EPSV", &["229 (|||5000|)", "150 go", "226 ok"], &[Early, Due, Due]),
            ("PASV", &["150 go", "502 busy", "226 ok"], &[Due, Early, Due]),
            ("EPSV", &["150 go", "450 EPSV: data transfer in progress", "226 ok"], &[Due, Early, Due]),
        ];
        for (behind, replies, places) in table {
            assert_eq!(play(behind, replies), (places.to_vec(), 0), "{behind} {replies:?}");
        }
    }

    #[test]
    fn what_may_be_the_transfers_own_is_the_transfers() {
        use Place::Due;
        let table: [(&str, &[&str]); 6] = [
            ("EPSV", &["150 go", "426 epsv.txt: broken", "229 (|||5000|)"]),
            ("EPSV", &["450 EPSV: busy", "229 (|||5000|)"]),
            ("NOOP", &["500 RETR?", "200 ok"]),
            ("EPSV", &["150 go", "500 OOPS: child died", "500 OOPS"]),
            ("EPSV", &["150 go", "451 disk", "229 (|||5000|)"]),
            ("NOOP", &["226 ok", "500 NOOP?"]),
        ];
        for (behind, replies) in table {
            assert_eq!(play(behind, replies), (vec![Due; replies.len()], 0), "{behind} {replies:?}");
        }
    }
}
