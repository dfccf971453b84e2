//! Commands that go out in one write, and whether their replies can be told apart.

use super::command::Command;
use super::numbers::modification_time;
use super::reply::{Reply, ReplyClass};

/// Commands in one write and the replies to them so far.
#[derive(Debug)]
pub struct Burst {
    verbs: Vec<&'static str>,
    replies: Vec<Reply>,
}

/// What the replies to a burst are worth, once there are as many as commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Each can only be the reply to the command in its place.
    Proved,
    /// Each may be, and one might be another's as well: the questions are put again, one by one.
    Doubtful,
    /// All belong to the commands, in another order: the server answers them side by side.
    Mixed,
    /// One belongs to none of them.
    Broken,
}

impl Burst {
    /// A burst of these commands.
    #[must_use]
    pub fn new(commands: &[Command]) -> Self {
        Self { verbs: commands.iter().map(Command::verb).collect(), replies: Vec::new() }
    }

    /// Takes a reply. Returns whether more are to come.
    pub fn take(&mut self, reply: Reply) -> bool {
        self.replies.push(reply);
        self.replies.len() < self.verbs.len()
    }

    /// What the replies are worth.
    #[must_use]
    pub fn order(&self) -> Order {
        let pairs = || self.verbs.iter().zip(&self.replies);
        if self.replies.len() != self.verbs.len() || !self.is_a_set() {
            Order::Broken
        } else if pairs().all(|(verb, reply)| fits(verb, reply)) {
            Order::Proved
        } else if pairs().all(|(verb, reply)| may_fit(verb, reply) && !belongs_elsewhere(verb, reply, &self.replies)) {
            Order::Doubtful
        } else {
            Order::Mixed
        }
    }

    /// The replies, with the verbs of their commands.
    #[must_use]
    pub fn into_answers(self) -> Vec<(&'static str, Reply)> {
        self.verbs.into_iter().zip(self.replies).collect()
    }

    /// Whether each reply belongs to a command of its own, in whatever order.
    fn is_a_set(&self) -> bool {
        let mut left = self.verbs.clone();
        // Those that many replies fit come last.
        left.sort_by_key(|verb| matches!(*verb, "TYPE" | "OPTS"));
        let mut refusals = 0;
        for reply in &self.replies {
            if is_refusal(reply) {
                refusals += 1;
                continue;
            }
            let Some(at) = left.iter().position(|verb| may_fit(verb, reply)) else { return false };
            left.remove(at);
        }
        left.len() == refusals
    }
}

/// Whether the reply can be the command's, and none but its.
fn fits(verb: &str, reply: &Reply) -> bool {
    may_fit(verb, reply)
        && match verb {
            "SIZE" => is_refusal(reply) || modification_time(reply).is_none(),
            "MDTM" => is_refusal(reply) || modification_time(reply).is_some(),
            _ => true,
        }
}

/// Whether the code is one of the command's.
fn may_fit(verb: &str, reply: &Reply) -> bool {
    let code = reply.code.get();
    is_refusal(reply)
        || match verb {
            "SIZE" | "MDTM" => code == 213,
            "MLST" => code == 250,
            "REST" => code == 350,
            "FEAT" => code == 211,
            "PWD" => code == 257,
            _ => reply.is(ReplyClass::Completion) && !matches!(code, 211 | 213 | 226 | 227 | 229 | 257),
        }
}

/// Whether it looks as if SIZE and MDTM had changed places.
fn belongs_elsewhere(verb: &str, reply: &Reply, all: &[Reply]) -> bool {
    let times = all.iter().filter(|reply| modification_time(reply).is_some()).count();
    verb == "MDTM" && !fits(verb, reply) && times > 0
}

fn is_refusal(reply: &Reply) -> bool {
    matches!(reply.code.class(), ReplyClass::Transient | ReplyClass::Permanent)
}

#[cfg(test)]
mod tests {
    use super::super::reply::tests::reply;
    use super::*;

    fn order(commands: &[Command], replies: &[&str]) -> Order {
        let mut burst = Burst::new(commands);
        for (at, text) in replies.iter().enumerate() {
            assert_eq!(burst.take(reply(text)), at + 1 < commands.len());
        }
        burst.order()
    }

    const TIME: &str = "213 20240229123456";

    #[test]
    fn replies_are_judged_by_their_places() {
        use Order::{Broken, Doubtful, Mixed, Proved};
        let file = || b"f".to_vec();
        let three = [Command::Size(file()), Command::Mdtm(file()), Command::Rest(7)];
        let table: [(&[&str], Order); 18] = [
            (&["213 5", TIME, "350 ok"], Proved),
            (&["213 -1", TIME, "350 ok"], Proved),
            (&["550 no", TIME, "350 ok"], Proved),
            (&["213 5", "500 ?", "350 ok"], Proved),
            (&["550 no", "550 no", "501 no"], Proved),
            // 20 terabytes and a time look alike.
            (&["213 20240229123456", TIME, "350 ok"], Doubtful),
            (&["213 20240229123456", "550 no", "350 ok"], Doubtful),
            (&["213 5", "213 yesterday", "350 ok"], Doubtful),
            // libunftp answers SIZE and MDTM from tasks of their own.
            (&["350 ok", "213 5", TIME], Mixed),
            (&["213 5", "350 ok", TIME], Mixed),
            (&[TIME, "213 5", "350 ok"], Mixed),
            (&["350 ok", "550 no", "550 no"], Mixed),
            (&["550 no", "213 5", "350 ok"], Doubtful),
            (&["213 5", TIME, "226 ok"], Broken),
            (&["213 5", "213 5", "213 5"], Broken),
            (&["213 5", TIME, "200 ok"], Broken),
            (&["213 5", "250 ok", "350 ok"], Broken),
            (&["213 5", TIME, "150 go"], Broken),
        ];
        for (replies, expected) in table {
            assert_eq!(order(&three, replies), expected, "{replies:?}");
        }
        let listed = [Command::OptsUtf8, Command::Mlst(file()), Command::Size(file())];
        let table: [(&[&str], Order); 6] = [
            (&["200 ok", "250 there", "213 5"], Proved),
            (&["202 ok", "550 no", "550 no"], Proved),
            (&["501 no", "250 there", "213 5"], Proved),
            (&["250 there", "200 ok", "213 5"], Mixed),
            (&["200 ok", "213 5", "250 there"], Mixed),
            (&["200 ok", "250 there", "200 ok"], Broken),
        ];
        for (replies, expected) in table {
            assert_eq!(order(&listed, replies), expected, "{replies:?}");
        }
    }

    #[test]
    fn a_reply_that_is_missing_breaks_the_burst() {
        assert_eq!(order(&[Command::Feat, Command::Pwd], &["211 none"]), Order::Broken);
    }
}
