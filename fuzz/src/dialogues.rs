//! The state machines of login and retrieval, fed with whatever replies.

use super::bytes::Bytes;
use super::{MARK, assert_secret, assert_shown};
use ftpq::model::Secret;
use ftpq::wire::{
    Burst, Command, Credentials, Decoder, End, Input, Login, LoginStep, Marker, Opening, Place, Privacy, Redactor,
    Reply, Retrieve, RetrievePlan, Sequence, Step,
};

/// Dialogues of a login, of a transfer, and of several commands at once.
pub fn dialogues(data: &[u8]) {
    let mut bytes = Bytes(data);
    match bytes.below(3) {
        0 => login(&mut bytes),
        1 => retrieve(&mut bytes),
        _ => several(&mut bytes),
    }
}

/// A reply of a line of bytes: the line itself where it is one, else one of a common code.
fn reply(line: &[u8]) -> Option<Reply> {
    const CODES: [&str; 32] = [
        "120", "125", "150", "200", "202", "211", "213", "220", "221", "225", "226", "227", "229", "230", "232", "234",
        "250", "257", "331", "332", "334", "350", "421", "425", "426", "430", "450", "451", "500", "502", "530", "550",
    ];
    let mut decoder = Decoder::new();
    let digits = line.get(..3).is_some_and(|code| code.iter().all(u8::is_ascii_digit));
    let text = match line.split_first() {
        Some((&first, rest)) if !digits => [CODES[usize::from(first) % CODES.len()].as_bytes(), b" ", rest].concat(),
        _ => line.to_vec(),
    };
    decoder.feed(&[text.as_slice(), b"\r\n"].concat()).ok()?;
    decoder.next_reply().ok().flatten()
}

/// A password is sent once at most, only after the server asked for it behind USER, and where privacy is required never
/// before TLS is up; nothing shown holds it; a session that was to be private is; after the end nothing is sent any more.
fn login(bytes: &mut Bytes<'_>) {
    let choice = bytes.byte();
    let secret = (choice & 1 == 1).then(|| Secret::new(MARK));
    let account = (choice & 2 == 2).then(|| Secret::new(format!("{MARK}2")));
    let privacy = [Privacy::None, Privacy::Required, Privacy::Preferred, Privacy::Given][usize::from(choice >> 3 & 3)];
    let tls_only = choice & 32 == 32;
    let mut login =
        Login::new(Credentials { user: "u".to_owned(), secret: secret.clone(), account: account.clone(), tls_only })
            .with_privacy(privacy);
    if choice & 4 == 4 {
        login = login.together();
    }
    let mut sent: Vec<Command> = Vec::new();
    let (mut over, mut private) = (false, privacy == Privacy::Given);
    while !bytes.is_empty() {
        let Some(mut reply) = reply(bytes.line()) else { continue };
        // As the control connection does with what it sent.
        reply.hide(&Redactor::new([&Secret::new(MARK)]));
        assert_secret(&format!("{login:?}"));
        let mut step = login.on(&reply);
        if let Ok(LoginStep::Secure) = step {
            assert!(!private && !over && privacy != Privacy::None, "TLS that nobody wants");
            assert_eq!(sent.last().map(Command::verb), Some("AUTH"), "TLS that was not asked for");
            assert!(matches!(reply.code.get(), 234 | 334));
            private = true;
            step = Ok(login.secured());
        }
        let commands = match step {
            Ok(LoginStep::Send(command)) => vec![command],
            Ok(LoginStep::SendAll(commands)) => commands,
            Ok(LoginStep::Wait) => Vec::new(),
            Ok(LoginStep::Secure) => panic!("TLS within TLS"),
            Ok(LoginStep::Done(ready)) => {
                assert!(!over, "done twice");
                assert!(ready.directory.is_none_or(|path| !path.is_empty()));
                assert_eq!(ready.is_private, private);
                assert!(!private || sent.contains(&Command::ProtPrivate), "data in the clear: {sent:?}");
                over = true;
                Vec::new()
            }
            Err(failure) => {
                assert_shown(&failure.to_string());
                assert_secret(&format!("{failure} {failure:?}"));
                over = true;
                Vec::new()
            }
        };
        assert!(!over || commands.is_empty(), "{commands:?} after the end");
        for command in commands {
            if let Command::Pass(_) = command {
                assert_eq!(reply.code.get(), 331, "PASS that nobody asked for");
                assert!(matches!(sent.last(), Some(Command::User(_))), "PASS behind {:?}", sent.last());
            }
            let open = matches!(command, Command::User(_) | Command::Pass(_) | Command::Acct(_)) && !private;
            assert!(!open || privacy != Privacy::Required, "{command} before TLS");
            let bare = matches!(command, Command::Pass(_) | Command::Acct(_)) && !private;
            assert!(!(bare && tls_only), "{command} without the TLS that its password needs");
            assert_secret(&format!("{command} {command:?}"));
            assert!(command.encode().is_ok());
            sent.push(command);
        }
        for verb in ["USER", "PASS", "ACCT", "FEAT", "PROT"] {
            assert!(sent.iter().filter(|command| command.verb() == verb).count() <= 1, "{verb} twice: {sent:?}");
        }
        assert!(secret.is_some() || !sent.iter().any(|command| command.verb() == "PASS"));
        assert!(account.is_some() || !sent.iter().any(|command| command.verb() == "ACCT"));
        assert!(privacy != Privacy::None || !sent.iter().any(|command| command.verb() == "AUTH"));
    }
}

/// RETR is sent once at most, for the path that was asked for, in a passive mode never before the data connection stands,
/// and with the restart marker where it has to be; what comes after the end has no place.
fn retrieve(bytes: &mut Bytes<'_>) {
    let opening = match bytes.below(5) {
        0 => Opening::ExtendedPassive,
        1 => Opening::ExtendedThenPassive,
        2 => Opening::Passive,
        3 => Opening::Active(Command::Port("10.0.0.1:50000".parse().unwrap())),
        _ => Opening::Standing,
    };
    let passive = matches!(opening, Opening::ExtendedPassive | Opening::ExtendedThenPassive | Opening::Passive);
    let from = if bytes.flag() { bytes.length() } else { 0 };
    let marker = match bytes.below(4) {
        0 => Marker::Clear,
        1 => Marker::Unsure,
        2 => Marker::At(from),
        _ => Marker::At(bytes.length()),
    };
    let in_force = match marker {
        Marker::Clear => Some(0),
        Marker::Unsure => None,
        Marker::At(offset) => Some(offset),
    };
    let plan = RetrievePlan { command: Command::Retr(b"/f".to_vec()), from, marker, opening };
    let (mut machine, first) = Retrieve::begin(plan);
    let (mut sent, mut opened, mut over) = (vec![first], false, false);
    while !bytes.is_empty() {
        let (input, reply);
        match bytes.below(8) {
            0 => input = Input::DataOpened,
            1 => input = Input::DataUnreachable,
            2 => input = Input::DataEnded,
            _ => {
                reply = self::reply(bytes.line());
                let Some(reply) = &reply else { continue };
                input = Input::Reply(reply);
            }
        }
        let step = machine.on(input);
        assert!(!over || step.is_err(), "{step:?} after the end");
        let Ok(step) = step else { continue };
        opened |= matches!(input, Input::DataOpened);
        match step {
            Step::Send(command) => {
                if let Command::Rest(offset) = command {
                    assert_eq!(offset, from);
                }
                sent.push(command);
            }
            Step::Connect(port) => assert!(passive && port > 0),
            Step::Wait => {}
            Step::Unreachable => over = true,
            Step::Done(end) => {
                over = true;
                match end {
                    End::Confirmed => {
                        assert!(sent.iter().any(|command| command.verb() == "RETR"), "confirmed without RETR");
                    }
                    End::Unconfirmed(failure) | End::Refused(failure) => assert_shown(&failure.to_string()),
                }
            }
        }
        judge(&sent, from, in_force, passive && !opened);
    }
}

/// Whether commands follow one another as RFC 3659, section 5.3 asks.
fn judge(sent: &[Command], from: u64, in_force: Option<u64>, no_data_yet: bool) {
    let Some(at) = sent.iter().position(|command| command.verb() == "RETR") else { return };
    assert_eq!(at + 1, sent.len(), "a command behind RETR: {sent:?}");
    assert_eq!(sent[at], Command::Retr(b"/f".to_vec()));
    assert!(!no_data_yet, "RETR before the data connection stands: {sent:?}");
    let restarted = at > 0 && sent[at - 1].verb() == "REST";
    assert!(restarted || in_force == Some(from), "RETR from another offset than was asked for: {sent:?}");
}

/// Several commands on their way: no reply makes the list longer, and a burst is judged once it is full.
fn several(bytes: &mut Bytes<'_>) {
    const VERBS: [&str; 8] = ["SIZE", "MDTM", "REST", "RETR", "EPSV", "PASV", "NOOP", "MLST"];
    let mut sequence = Sequence::new();
    for _ in 0..bytes.below(6) {
        let verb = VERBS[usize::from(bytes.below(8))];
        if sequence.is_transfer() { sequence.expect_behind(verb) } else { sequence.expect(verb) }
    }
    let all = [
        Command::Feat,
        Command::Pwd,
        Command::Size(b"f".to_vec()),
        Command::Mdtm(b"f".to_vec()),
        Command::Mlst(b"f".to_vec()),
        Command::Rest(7),
        Command::OptsUtf8,
    ];
    let chosen = bytes.byte();
    let commands: Vec<Command> = (0u8..).zip(all).filter(|(bit, _)| chosen >> bit & 1 == 1).map(|(_, c)| c).collect();
    let (mut burst, mut taken) = (Burst::new(&commands), 0);
    while !bytes.is_empty() {
        let Some(reply) = reply(bytes.line()) else { continue };
        let before = sequence.len();
        let place = sequence.place(&reply);
        assert_eq!(place == Place::Uncalled, before == 0);
        let preliminary = reply.code.get() < 200;
        assert_eq!(sequence.len() + usize::from(before > 0 && !preliminary), before);
        if taken < commands.len() {
            taken += 1;
            assert_eq!(burst.take(reply), taken < commands.len());
            let _ = burst.order();
        }
    }
    assert_eq!(burst.into_answers().len(), taken);
}
