//! One transfer, of a file or of a listing, as a state machine: control and data may end in either order, commands may
//! not.

use super::address::{extended_passive_port, passive_address};
use super::classify::{Context, classify, forbids_restart, says_truncated, says_unread};
use super::command::Command;
use super::reply::{Reply, ReplyClass};
use crate::model::{Cause, Failure, Stage};

/// Preliminary replies that are taken before the server is called mad.
const PRELIMINARY_LIMIT: u32 = 16;

/// How the data connection is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// EPSV alone.
    ExtendedPassive,
    /// EPSV, and PASV where that fails.
    ExtendedThenPassive,
    /// PASV alone.
    Passive,
    /// PORT or EPRT: the server connects after RETR.
    Active(Command),
    /// It stands already.
    Standing,
}

/// The restart marker that is in force at the server (RFC 3659, section 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Marker {
    /// None: a transfer starts at the file's first byte.
    #[default]
    Clear,
    /// An earlier one may be: servers differ in what takes it back.
    Unsure,
    /// This offset: REST was accepted, and no command has followed it.
    At(u64),
}

/// What is to be fetched, and from where on.
#[derive(Clone, Debug)]
pub struct RetrievePlan {
    /// RETR, MLSD or LIST.
    pub command: Command,
    /// Offset in bytes.
    pub from: u64,
    /// The restart marker in force.
    pub marker: Marker,
    /// How the data connection is opened.
    pub opening: Opening,
}

/// What happens.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A reply arrived.
    Reply(&'a Reply),
    /// The data connection stands.
    DataOpened,
    /// The data connection can't be made.
    DataUnreachable,
    /// The server ended the data.
    DataEnded,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this.
    Send(Command),
    /// Connect to this port of the control connection's peer.
    Connect(u16),
    /// Go on: read data, wait for a reply.
    Wait,
    /// The data connection can't be made, and no other way is left.
    Unreachable,
    /// The transfer is over.
    Done(End),
}

/// How a transfer ended, as far as the server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The data ended and the server says that all is well.
    Confirmed,
    /// The data ended; the server says that the data connection broke (426).
    Unconfirmed(Failure),
    /// The server refuses.
    Refused(Failure),
}

/// An input that can't be there: a mistake of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It has no place in the order of a transfer.
    #[error("a step of the transfer is out of order")]
    OutOfOrder,
}

/// What the dialogue taught about the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lessons {
    /// EPSV is refused or leads nowhere.
    pub no_epsv: bool,
    /// REST is refused.
    pub no_rest: bool,
}

/// The dialogue of one transfer (RFC 959, section 5.4; RFC 3659, section 5).
#[derive(Debug)]
pub struct Retrieve {
    at: At,
    plan: RetrievePlan,
    lessons: Lessons,
    /// The port that EPSV named could not be reached; a lesson only once PASV leads further.
    suspect: bool,
    preliminary: u32,
}

/// Where the dialogue stands; what has to happen next.
#[derive(Clone, Debug, PartialEq, Eq)]
enum At {
    /// The reply to EPSV, PASV, EPRT or PORT.
    Address,
    /// The data connection of a passive mode.
    Opening,
    /// The reply to REST.
    Rest,
    /// The first reply to RETR, MLSD or LIST.
    Transfer,
    /// The final reply or the end of the data.
    Streaming,
    /// The final reply; the data ended.
    Verdict,
    /// The end of the data; the final reply was good.
    Body,
    /// Nothing.
    Over,
}

impl Retrieve {
    /// The dialogue, and its first command.
    #[must_use]
    pub fn begin(plan: RetrievePlan) -> (Self, Command) {
        let mut machine = Self { at: At::Address, plan, lessons: Lessons::default(), suspect: false, preliminary: 0 };
        let first = match &machine.plan.opening {
            Opening::ExtendedPassive | Opening::ExtendedThenPassive => Command::Epsv,
            Opening::Passive => Command::Pasv,
            Opening::Active(command) => command.clone(),
            Opening::Standing => machine.after_opening(),
        };
        (machine, first)
    }

    /// The step that the next reply belongs to.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self.at {
            At::Address | At::Opening => Stage::Data,
            At::Rest => Stage::Restart,
            At::Transfer | At::Streaming | At::Body => self.transfer_stage(),
            At::Verdict | At::Over => Stage::Verdict,
        }
    }

    /// The step that the data belongs to.
    #[must_use]
    pub fn transfer_stage(&self) -> Stage {
        if self.is_listing() { Stage::List } else { Stage::Retrieve }
    }

    fn is_listing(&self) -> bool {
        matches!(self.plan.command, Command::Mlsd | Command::List | Command::ListSorted { .. })
    }

    /// Whether a way to open the data connection is left besides the one under way.
    #[must_use]
    pub fn has_another_way(&self) -> bool {
        self.plan.opening == Opening::ExtendedThenPassive
    }

    /// Whether the server confirmed the transfer before the data ended.
    #[must_use]
    pub fn is_confirmed_early(&self) -> bool {
        self.at == At::Body
    }

    /// Whether the server has accepted the transfer by a reply.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        matches!(self.at, At::Streaming | At::Body)
    }

    /// Offset in bytes that the transfer starts at.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.plan.from
    }

    /// What was learned so far.
    #[must_use]
    pub fn lessons(&self) -> Lessons {
        self.lessons
    }

    /// Takes an input and says what to do next.
    ///
    /// # Errors
    /// When the input has no place here.
    pub fn on(&mut self, input: Input<'_>) -> Result<Step, Refused> {
        let step = match (&self.at, input) {
            (At::Address, Input::Reply(reply)) => self.on_address(reply),
            (At::Opening, Input::DataOpened) => {
                self.lessons.no_epsv |= self.suspect;
                self.restart_or_transfer()
            }
            (At::Opening, Input::DataUnreachable) => {
                self.suspect = true;
                self.other_way(false).unwrap_or_else(|| self.end(Step::Unreachable))
            }
            (At::Rest, Input::Reply(reply)) => self.on_rest(reply),
            // A server may connect before or after its 150; a small body can even be over before its 150 arrives.
            (At::Transfer | At::Streaming | At::Body, Input::DataOpened) => Step::Wait,
            (At::Transfer | At::Streaming, Input::DataEnded) => self.go(At::Verdict, Step::Wait),
            (At::Body, Input::DataEnded) => self.end(Step::Done(End::Confirmed)),
            (At::Transfer | At::Streaming | At::Verdict, Input::Reply(reply)) => self.on_transfer(reply),
            _ => return Err(Refused::OutOfOrder),
        };
        Ok(step)
    }

    fn on_address(&mut self, reply: &Reply) -> Step {
        let code = reply.code.get();
        let port = match self.plan.opening {
            Opening::Active(_) if reply.is(ReplyClass::Completion) => return self.restart_or_transfer(),
            Opening::Passive if code == 227 => passive_address(reply).map(|(_, port)| port),
            Opening::ExtendedPassive | Opening::ExtendedThenPassive if code == 229 => extended_passive_port(reply),
            _ => None,
        };
        if let Some(port) = port {
            return self.go(At::Opening, Step::Connect(port));
        }
        // 425: some servers can't open the port for EPSV, and can for PASV; that teaches nothing for good.
        let lasting = matches!(code, 229 | 500..=529 | 531..=599);
        if (lasting || code == 425)
            && let Some(step) = self.other_way(lasting)
        {
            return step;
        }
        if matches!((code, &self.plan.opening), (227, Opening::Passive) | (229, Opening::ExtendedPassive)) {
            let message = "the address for the data connection that the server names can't be understood";
            let failure = Failure::permanent(Stage::Data, Cause::DataConnection, message)
                .with_reply(&reply.text())
                .with_advice("choose another --data-mode");
            return self.end(Step::Done(End::Refused(failure)));
        }
        self.refuse(reply, "")
    }

    /// PASV, where it is still allowed.
    fn other_way(&mut self, lasting: bool) -> Option<Step> {
        if !self.has_another_way() {
            return None;
        }
        self.plan.opening = Opening::Passive;
        self.lessons.no_epsv |= lasting;
        Some(self.go(At::Address, Step::Send(Command::Pasv)))
    }

    fn restart_or_transfer(&mut self) -> Step {
        Step::Send(self.after_opening())
    }

    /// RFC 3659, section 5.3: REST must be the last command before RETR, hence after EPSV.
    fn after_opening(&mut self) -> Command {
        let in_force = match self.plan.marker {
            Marker::Clear => Some(0),
            Marker::Unsure => None,
            Marker::At(offset) => Some(offset),
        };
        if in_force == Some(self.plan.from) {
            return self.transfer();
        }
        self.at = At::Rest;
        Command::Rest(self.plan.from)
    }

    fn transfer(&mut self) -> Command {
        self.at = At::Transfer;
        self.plan.command.clone()
    }

    fn on_rest(&mut self, reply: &Reply) -> Step {
        match reply.code.class() {
            ReplyClass::Intermediate | ReplyClass::Completion if reply.code.get() != 332 => Step::Send(self.transfer()),
            ReplyClass::Permanent if reply.code.get() != 530 => {
                self.lessons.no_rest = true;
                let failure =
                    Failure::transient(Stage::Restart, Cause::Refused, "the server can't resume: it refuses REST")
                        .with_reply(&reply.text())
                        .with_advice("the file is fetched from its beginning");
                self.end(Step::Done(End::Refused(failure)))
            }
            _ => self.refuse(reply, "REST"),
        }
    }

    fn on_transfer(&mut self, reply: &Reply) -> Step {
        let ended = self.at == At::Verdict;
        match reply.code.class() {
            ReplyClass::Preliminary if self.preliminary < PRELIMINARY_LIMIT => {
                self.preliminary += 1;
                let at = if ended { At::Verdict } else { At::Streaming };
                self.go(at, Step::Wait)
            }
            // Another command's: whatever it says, it is not the verdict.
            ReplyClass::Completion if matches!(reply.code.get(), 211 | 213 | 221 | 227 | 229 | 257) => {
                self.refuse(reply, self.plan.command.verb())
            }
            ReplyClass::Completion if self.is_listing() && says_unread(reply) => {
                let message = "the server could not read the folder, and says so in a reply of success";
                let failure = Failure::permanent(Stage::List, Cause::Missing, message)
                    .with_reply(&reply.text())
                    .with_advice("check whether this user may read the folder");
                self.end(Step::Done(End::Refused(failure)))
            }
            ReplyClass::Completion if self.is_listing() && says_truncated(reply) => {
                let message = "the server leaves a part of the folder out of its listing";
                let failure =
                    Failure::permanent(Stage::List, Cause::Incomplete, message).with_reply(&reply.text()).with_advice(
                        "what it listed was queued; name the other files one by one, or ask the server's operator for \
                         a higher limit (Pure-FTPd: LimitRecursion)",
                    );
                self.end(Step::Done(End::Refused(failure)))
            }
            ReplyClass::Completion if ended => self.end(Step::Done(End::Confirmed)),
            // A good end before the data's end is legal: the rest is still on its way.
            ReplyClass::Completion => self.go(At::Body, Step::Wait),
            _ if ended && reply.code.get() == 426 => {
                let failure = self.failure(reply, self.plan.command.verb());
                self.end(Step::Done(End::Unconfirmed(failure)))
            }
            _ => {
                self.lessons.no_rest |= forbids_restart(reply, self.path());
                self.refuse(reply, self.plan.command.verb())
            }
        }
    }

    fn refuse(&mut self, reply: &Reply, verb: &'static str) -> Step {
        let failure = self.failure(reply, verb);
        self.end(Step::Done(End::Refused(failure)))
    }

    fn failure(&self, reply: &Reply, verb: &'static str) -> Failure {
        let verb = match &self.plan.opening {
            _ if !verb.is_empty() => verb,
            Opening::Active(command) => command.verb(),
            Opening::Passive => "PASV",
            Opening::ExtendedPassive | Opening::ExtendedThenPassive | Opening::Standing => "EPSV",
        };
        // The words for a listing are its own to its end.
        let words = if self.is_listing() && self.stage() == Stage::Verdict { Stage::List } else { self.stage() };
        Failure { stage: self.stage(), ..classify(&Context::new(words, verb).with_path(self.path()), reply) }
    }

    /// The path in the command; a listing's has none.
    fn path(&self) -> &[u8] {
        match &self.plan.command {
            Command::Retr(path) => path,
            _ => b"",
        }
    }

    fn go(&mut self, at: At, step: Step) -> Step {
        self.at = at;
        step
    }

    fn end(&mut self, step: Step) -> Step {
        self.go(At::Over, step)
    }
}

#[cfg(test)]
mod tests {
    use super::super::reply::tests::reply;
    use super::*;

    /// One word of a play: a reply, or `open`, `unreachable`, `end`.
    fn feed(machine: &mut Retrieve, word: &str) -> Result<Step, Refused> {
        match word {
            "open" => machine.on(Input::DataOpened),
            "unreachable" => machine.on(Input::DataUnreachable),
            "end" => machine.on(Input::DataEnded),
            text => machine.on(Input::Reply(&reply(text))),
        }
    }

    fn show(step: &Step) -> String {
        match step {
            Step::Send(command) => command.to_string(),
            Step::Connect(port) => format!("connect {port}"),
            Step::Wait => "-".into(),
            Step::Unreachable => "unreachable".into(),
            Step::Done(End::Confirmed) => "confirmed".into(),
            Step::Done(End::Unconfirmed(failure)) => format!("unconfirmed {:?}", failure.cause),
            Step::Done(End::Refused(failure)) => format!("refused {:?} {:?}", failure.stage, failure.cause),
        }
    }

    fn play(opening: Opening, from: u64, rest_dirty: bool, words: &[&str]) -> (String, Lessons) {
        let marker = if rest_dirty { Marker::Unsure } else { Marker::Clear };
        play_marked(opening, from, marker, words)
    }

    fn play_marked(opening: Opening, from: u64, marker: Marker, words: &[&str]) -> (String, Lessons) {
        play_of(Command::Retr(b"/f".to_vec()), (opening, from, marker), words)
    }

    fn play_of(command: Command, (opening, from, marker): (Opening, u64, Marker), words: &[&str]) -> (String, Lessons) {
        let plan = RetrievePlan { command, from, marker, opening };
        let (mut machine, first) = Retrieve::begin(plan);
        let mut out = vec![first.to_string()];
        out.extend(words.iter().map(|word| match feed(&mut machine, word) {
            Ok(step) => show(&step),
            Err(Refused::OutOfOrder) => "out of order".into(),
        }));
        (out.join(", "), machine.lessons())
    }

    const EPSV: &str = "229 (|||5000|)";
    const PASV: &str = "227 (10,0,0,2,19,137)";

    #[test]
    fn every_legal_order_of_a_passive_transfer() {
        let table: [(u64, bool, &[&str], &str); 9] = [
            (0, false, &["150 go", "end", "226 ok"], "RETR /f, -, -, confirmed"),
            (0, false, &["150 go", "226 ok", "end"], "RETR /f, -, -, confirmed"),
            (0, false, &["end", "150 go", "226 ok"], "RETR /f, -, -, confirmed"),
            (0, false, &["226 ok", "end"], "RETR /f, -, confirmed"),
            (0, false, &["end", "226 ok"], "RETR /f, -, confirmed"),
            (0, false, &["150 go", "150 again", "end", "226 ok"], "RETR /f, -, -, -, confirmed"),
            (7, false, &["350 ok", "150 go", "end", "250 ok"], "REST 7, RETR /f, -, -, confirmed"),
            (0, true, &["350 ok", "125 go", "end", "226 ok"], "REST 0, RETR /f, -, -, confirmed"),
            (7, true, &["200 ok", "150 go", "end", "226 ok"], "REST 7, RETR /f, -, -, confirmed"),
        ];
        for (from, dirty, words, expected) in table {
            let words = [&[EPSV, "open"], words].concat();
            let (said, lessons) = play(Opening::ExtendedPassive, from, dirty, &words);
            assert_eq!(said, format!("EPSV, connect 5000, {expected}"), "{words:?}");
            assert_eq!(lessons, Lessons::default());
        }
    }

    #[test]
    fn a_standing_data_connection_needs_rest_only_for_another_offset() {
        let table: [(u64, Marker, &[&str], &str); 6] = [
            (0, Marker::Clear, &["150 go", "end", "226 ok"], "RETR /f, -, -, confirmed"),
            (0, Marker::At(0), &["150 go", "226 ok", "end"], "RETR /f, -, -, confirmed"),
            (7, Marker::At(7), &["end", "150 go", "226 ok"], "RETR /f, -, -, confirmed"),
            (0, Marker::At(7), &["350 ok", "226 ok", "end"], "REST 0, RETR /f, -, confirmed"),
            (8, Marker::At(7), &["350 ok", "end", "226 ok"], "REST 8, RETR /f, -, confirmed"),
            (0, Marker::Unsure, &["350 ok", "550 no"], "REST 0, RETR /f, refused Retrieve Missing"),
        ];
        for (from, marker, words, expected) in table {
            assert_eq!(play_marked(Opening::Standing, from, marker, words).0, expected, "{from} {marker:?}");
        }
    }

    #[test]
    fn pasv_follows_an_epsv_that_fails() {
        let learned = Lessons { no_epsv: true, no_rest: false };
        let tail = "PASV, connect 5001, RETR /f";
        for refusal in ["500 EPSV?", "522 no", "501 no", "229 Entering (|1|10.0.0.9|5000|)"] {
            let (said, lessons) = play(Opening::ExtendedThenPassive, 0, false, &[refusal, PASV, "open"]);
            assert_eq!((said, lessons), (format!("EPSV, {tail}"), learned), "{refusal}");
        }
        let (said, lessons) = play(Opening::ExtendedThenPassive, 0, false, &[EPSV, "unreachable", PASV, "open"]);
        assert_eq!((said, lessons), (format!("EPSV, connect 5000, {tail}"), learned));
        let (said, lessons) = play(Opening::ExtendedThenPassive, 0, false, &["425 no", PASV, "open"]);
        assert_eq!((said, lessons), (format!("EPSV, {tail}"), Lessons::default()));
    }

    #[test]
    fn pasv_does_not_follow_where_it_must_not() {
        let nowhere = [EPSV, "unreachable", PASV, "unreachable"];
        assert_eq!(play(Opening::ExtendedThenPassive, 0, false, &nowhere).1, Lessons::default());
        for (opening, words, expected) in [
            (Opening::ExtendedPassive, vec!["500 EPSV?"], "EPSV, refused Data DataConnection"),
            (Opening::ExtendedPassive, vec![EPSV, "unreachable"], "EPSV, connect 5000, unreachable"),
            (Opening::ExtendedThenPassive, vec!["530 log in"], "EPSV, refused Data Disconnected"),
            (Opening::ExtendedThenPassive, vec!["421 bye"], "EPSV, refused Data Disconnected"),
            (Opening::ExtendedThenPassive, vec!["500 ?", "500 ?"], "EPSV, PASV, refused Data DataConnection"),
            (
                Opening::ExtendedThenPassive,
                vec![EPSV, "unreachable", PASV, "unreachable"],
                "EPSV, connect 5000, PASV, connect 5001, unreachable",
            ),
            (Opening::Passive, vec!["227 (1,2,3,4,5)"], "PASV, refused Data DataConnection"),
            (Opening::Passive, vec![EPSV], "PASV, refused Data Protocol"),
        ] {
            assert_eq!(play(opening, 0, false, &words).0, expected, "{words:?}");
        }
    }

    #[test]
    fn an_active_transfer_is_opened_by_the_server_at_any_time() {
        let port = || Opening::Active(Command::Port("10.0.0.1:50000".parse().unwrap()));
        for words in [
            ["open", "150 go", "end", "226 ok"],
            ["150 go", "open", "end", "226 ok"],
            ["150 go", "226 ok", "open", "end"],
        ] {
            let words = [&["200 ok", "350 ok"], words.as_slice()].concat();
            assert_eq!(play(port(), 7, false, &words).0, "PORT 10,0,0,1,195,80, REST 7, RETR /f, -, -, -, confirmed");
        }
        assert_eq!(play(port(), 0, false, &["500 no"]).0, "PORT 10,0,0,1,195,80, refused Data DataConnection");
        let (said, _) = play(port(), 0, false, &["200 ok", "425 no"]);
        assert_eq!(said, "PORT 10,0,0,1,195,80, RETR /f, refused Retrieve DataConnection");
    }

    #[test]
    fn a_refused_restart_is_learned() {
        let learned = Lessons { no_epsv: false, no_rest: true };
        let (said, lessons) = play(Opening::ExtendedPassive, 7, false, &[EPSV, "open", "502 REST?"]);
        assert_eq!((said.as_str(), lessons), ("EPSV, connect 5000, REST 7, refused Restart Refused", learned));
        let (_, lessons) =
            play(Opening::Passive, 7, false, &[PASV, "open", "350 ok", "451 Restart not permitted, try again"]);
        assert_eq!(lessons, learned);
        let (said, lessons) = play(Opening::Passive, 7, false, &[PASV, "open", "530 log in"]);
        assert_eq!(
            (said.as_str(), lessons),
            ("PASV, connect 5001, REST 7, refused Restart Disconnected", Lessons::default())
        );
    }

    #[test]
    fn bad_ends_are_told_apart() {
        for (words, expected) in [
            (vec!["550 no"], "refused Retrieve Missing"),
            (vec!["150 go", "426 broken"], "-, refused Retrieve Disconnected"),
            (vec!["150 go", "end", "426 broken"], "-, -, unconfirmed Disconnected"),
            (vec!["150 go", "end", "451 disk"], "-, -, refused Verdict Refused"),
            (vec!["150 go", "end", "421 bye"], "-, -, refused Verdict Disconnected"),
            (vec!["150 go", "end", "331 eh"], "-, -, refused Verdict Protocol"),
            (vec!["150 go", "end", "229 (|||5000|)"], "-, -, refused Verdict Protocol"),
            (vec!["213 5"], "refused Retrieve Protocol"),
            (vec!["554 beyond end"], "refused Retrieve Changed"),
        ] {
            let words = [vec![PASV, "open"], words].concat();
            assert_eq!(play(Opening::Passive, 0, false, &words).0, format!("PASV, connect 5001, RETR /f, {expected}"));
        }
    }

    #[test]
    fn endless_preliminary_replies_are_refused() {
        let words = [vec![PASV, "open"], vec!["150 go"; 17]].concat();
        assert!(play(Opening::Passive, 0, false, &words).0.ends_with("refused Retrieve Protocol"));
    }

    #[test]
    fn what_has_no_place_is_out_of_order() {
        for words in [
            vec!["open"],
            vec!["end"],
            vec![PASV, "150 go"],
            vec![PASV, "open", "150 go", "226 ok", "226 again"],
            vec![PASV, "open", "end", "end"],
            vec![PASV, "open", "550 no", "226 ok"],
        ] {
            assert!(play(Opening::Passive, 0, false, &words).0.ends_with("out of order"), "{words:?}");
        }
    }

    #[test]
    fn a_listing_takes_the_same_turns_and_calls_them_its_own() {
        let table: [(&[&str], &str); 14] = [
            (&["150 go", "end", "226 ok"], "-, -, confirmed"),
            (&["226 ok", "end"], "-, confirmed"),
            (&["end", "226 ok"], "-, confirmed"),
            (&["125 go", "250 ok", "end"], "-, -, confirmed"),
            (&["500 MLSD?"], "refused List Refused"),
            (&["550 no"], "refused List Missing"),
            (&["450 busy"], "refused List Refused"),
            (&["150 go", "end", "426 broken"], "-, -, unconfirmed Disconnected"),
            (&["150 go", "end", "550 /d: Input/output error"], "-, -, refused Verdict Missing"),
            (&["150 go", "end", "226 Transfer done (but failed to open directory)."], "-, -, refused List Missing"),
            (
                &["150 go", "226-Sorry, we were unable to read [.]\r\n226-Options: -l \r\n226 0 matches total"],
                "-, refused List Missing",
            ),
            (
                &["150 go", "end", "226-Options: -a\r\n226 Output truncated to 3 matches"],
                "-, -, refused List Incomplete",
            ),
            (&["150 go", "226 Listing incomplete"], "-, refused List Incomplete"),
            (&["150 go", "end", "213 5"], "-, -, refused Verdict Protocol"),
        ];
        for (words, expected) in table {
            for command in [Command::Mlsd, Command::List, Command::ListSorted { hidden: true, reversed: false }] {
                let verb = command.to_string();
                let (said, lessons) =
                    play_of(command, (Opening::Standing, 0, Marker::Unsure), &[&["350 ok"], words].concat());
                assert_eq!((said, lessons), (format!("REST 0, {verb}, {expected}"), Lessons::default()), "{words:?}");
            }
        }
    }
}
