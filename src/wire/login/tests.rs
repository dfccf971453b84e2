use super::*;
use crate::model::FailureKind;
use crate::wire::reply::tests::reply;

fn login(secret: Option<&str>, account: Option<&str>) -> Login {
    Login::new(Credentials {
        user: "bob".into(),
        secret: secret.map(Secret::new),
        account: account.map(Secret::new),
        tls_only: false,
    })
}

/// Plays the replies and returns the lines that were sent, and the end.
fn play(mut login: Login, replies: &[&str]) -> (Vec<String>, Result<Option<Ready>, Failure>) {
    let mut sent = Vec::new();
    for text in replies {
        let mut step = login.on(&reply(text));
        if matches!(step, Ok(LoginStep::Secure)) {
            sent.push("handshake".to_owned());
            step = Ok(login.secured());
        }
        match step {
            Ok(LoginStep::Send(command)) => {
                sent.push(String::from_utf8(command.encode().unwrap().to_vec()).unwrap().trim_end().to_owned());
            }
            Ok(LoginStep::SendAll(commands)) => sent.push(format!("{commands:?}")),
            Ok(LoginStep::Wait) => {}
            Ok(LoginStep::Done(ready)) => return (sent, Ok(Some(ready))),
            Ok(LoginStep::Secure) => panic!("TLS once more"),
            Err(failure) => return (sent, Err(failure)),
        }
    }
    (sent, Ok(None))
}

#[test]
fn the_usual_login() {
    let (sent, end) = play(
        login(Some("pw"), None),
        &["220-hi\r\n220 there", "331 pw?", "230 in", "211-F\r\n UTF8\r\n211 E", "200 ok", "200 I", "257 \"/home\""],
    );
    assert_eq!(sent, ["USER bob", "PASS pw", "FEAT", "OPTS UTF8 ON", "TYPE I", "PWD"]);
    let ready = end.unwrap().unwrap();
    assert!(ready.features.utf8);
    assert_eq!(ready.directory.as_deref(), Some(b"/home".as_slice()));
}

#[test]
fn shorter_and_longer_ways_in() {
    let tail = ["500 FEAT?", "200 I", "257 \"/\""];
    let table: [(&str, &[&str], &[&str]); 6] = [
        ("no password wanted", &["220 hi", "230 in"], &["USER bob", "FEAT"]),
        ("let in at once", &["230 in"], &["FEAT"]),
        ("has to wait first", &["120 soon", "220 hi", "230 in"], &["USER bob", "FEAT"]),
        ("superfluous password", &["220 hi", "331 pw?", "202 not needed"], &["USER bob", "PASS pw", "FEAT"]),
        (
            "account after PASS",
            &["220 hi", "331 pw?", "332 acct?", "230 in"],
            &["USER bob", "PASS pw", "ACCT x", "FEAT"],
        ),
        ("account at once", &["220 hi", "332 acct?", "202 in"], &["USER bob", "ACCT x", "FEAT"]),
    ];
    for (name, replies, commands) in table {
        let replies = [replies, &tail].concat();
        let (sent, end) = play(login(Some("pw"), Some("x")), &replies);
        assert_eq!(sent, [commands, &["TYPE I", "PWD"]].concat(), "{name}");
        assert!(end.unwrap().is_some(), "{name}");
    }
}

#[test]
fn refusals_of_small_things_do_no_harm() {
    let (_, end) = play(
        login(Some("pw"), None),
        &["220 hi", "331 pw?", "230 in", "211-F\r\n UTF8\r\n211 E", "501 no", "250 I", "550 no PWD"],
    );
    assert_eq!(end.unwrap().unwrap().directory, None);
}

#[test]
fn a_wrong_password_is_sent_once() {
    for again in ["331 again?", "530 Login incorrect."] {
        let (sent, end) = play(login(Some("pw"), None), &["220 hi", "331 pw?", again, "331 pw?"]);
        assert_eq!(sent, ["USER bob", "PASS pw"], "{again}");
        assert!(end.is_err(), "{again}");
    }
}

#[test]
fn after_a_failure_nothing_is_said() {
    for (together, replies) in [
        (false, vec!["220 hi", "331 pw?"]),
        (true, vec!["230 in", "200 I", "211 none", "257 \"/\""]),
        (false, vec!["220 hi", "530 no"]),
    ] {
        let mut login = if together { login(None, None).together() } else { login(None, None) };
        let steps: Vec<_> = replies.iter().map(|text| login.on(&reply(text))).collect();
        assert!(steps.last().unwrap().is_err(), "{replies:?}");
        for text in ["220 hi", "230 in", "331 pw?", "234 go", "200 ok", "150 go"] {
            assert!(login.on(&reply(text)).is_err(), "{text} behind {replies:?}");
        }
    }
}

#[test]
fn what_is_not_known_is_not_made_up() {
    let (sent, end) = play(login(None, None), &["220 hi", "331 pw?"]);
    let failure = end.unwrap_err();
    assert_eq!((sent.len(), failure.kind, failure.cause), (1, FailureKind::Permanent, Cause::LoginRefused));
    let (_, end) = play(login(Some("pw"), None), &["220 hi", "331 pw?", "332 acct?"]);
    assert_eq!(end.unwrap_err().cause, Cause::LoginRefused);
}

#[test]
fn each_refusal_carries_its_stage() {
    let table: [(&[&str], Stage, Cause); 6] = [
        (&["421 too many users"], Stage::Greeting, Cause::TooManyConnections),
        (&["331 what"], Stage::Greeting, Cause::Protocol),
        (&["220 hi", "530 no"], Stage::Login, Cause::LoginRefused),
        (&["220 hi", "230 in", "421 Timeout"], Stage::Prepare, Cause::Disconnected),
        (&["220 hi", "230 in", "530 log in first"], Stage::Prepare, Cause::Disconnected),
        (&["220 hi", "230 in", "500 ?", "504 no TYPE"], Stage::Prepare, Cause::Refused),
    ];
    for (replies, stage, cause) in table {
        let failure = play(login(Some("pw"), None), replies).1.unwrap_err();
        assert_eq!((failure.stage, failure.cause), (stage, cause), "{replies:?}");
    }
}

#[test]
fn what_follows_the_login_goes_out_together() {
    let replies =
        ["220 (vsFTPd 3.0.5)", "331 pw?", "230 in", "211-F\r\n UTF8\r\n211 E", "200 I", "257 \"/home\" is it"];
    let (sent, end) = play(login(Some("pw"), None).together(), &replies);
    assert_eq!(sent, ["USER bob", "PASS pw", "[FEAT, TYPE I, PWD]"]);
    let ready = end.unwrap().unwrap();
    assert!(ready.features.utf8 && ready.utf8_due && ready.queues_by_name == Some(true));
    assert_eq!(ready.directory.as_deref(), Some(b"/home".as_slice()));

    let named = ["230 in", "211-F\r\n UTF8\r\n211 E", "200 I", "257 \"/\u{e9}\"", "200 on", "200 I", "257 \"/e\""];
    let (sent, end) = play(login(None, None).together(), &named);
    assert_eq!(sent, ["[FEAT, TYPE I, PWD]", "OPTS UTF8 ON", "TYPE I", "PWD"]);
    let ready = end.unwrap().unwrap();
    assert_eq!((ready.directory.as_deref(), ready.utf8_due), (Some(b"/e".as_slice()), false));

    let replies = ["220 hi", "230 in", "500 FEAT?", "250 I", "550 no PWD"];
    let ready = play(login(None, None).together(), &replies).1.unwrap().unwrap();
    assert_eq!(ready, Ready::default());
}

#[test]
fn replies_that_can_not_be_told_apart_end_the_login() {
    for replies in [
        ["200 I", "211 none", "257 \"/\""],
        ["211 none", "257 \"/\"", "200 I"],
        ["211 none", "200 I", "200 I"],
        ["211 none", "331 what", "257 \"/\""],
        ["150 what", "200 I", "257 \"/\""],
    ] {
        let mut login = login(None, None).together();
        login.on(&reply("230 in")).unwrap();
        let results = replies.map(|text| login.on(&reply(text)));
        let Err(failure) = &results[2] else { panic!("{replies:?}: {results:?}") };
        assert!(login.is_together());
        assert_eq!((failure.stage, failure.cause), (Stage::Prepare, Cause::Protocol), "{replies:?}");
    }
    for (last, cause) in [("421 bye", Cause::Disconnected), ("504 no TYPE", Cause::Refused)] {
        let replies = ["230 in", "211 none", last, "257 \"/\""];
        let failure = play(login(None, None).together(), &replies).1.unwrap_err();
        assert_eq!((failure.stage, failure.cause), (Stage::Prepare, cause), "{last}");
    }
}

// ---- TLS ----

/// Replies to all that follows PROT P, one command at a time.
const TAIL: [&str; 3] = ["500 FEAT?", "200 I", "257 \"/\""];

fn private(privacy: Privacy) -> Login {
    login(Some("pw"), None).with_privacy(privacy)
}

#[test]
fn nothing_but_auth_is_sent_before_tls_is_up() {
    for greeting in ["220 hi", "230 welcome, you are in", "232 so are you"] {
        for auth in [&["234 go"][..], &["334 go"], &["500 TLS?", "234 go"], &["504 what", "334 go"]] {
            let replies = [&[greeting], auth, &["331 pw?", "230 in", "200 0", "200 P"], &TAIL].concat();
            let (sent, end) = play(private(Privacy::Required), &replies);
            let ssl: &[&str] = if auth.len() > 1 { &["AUTH SSL"] } else { &[] };
            let after = ["handshake", "USER bob", "PASS pw", "PBSZ 0", "PROT P", "FEAT", "TYPE I", "PWD"];
            assert_eq!(sent, [&["AUTH TLS"], ssl, &after].concat(), "{replies:?}");
            let ready = end.unwrap().unwrap();
            assert!(ready.is_private && ready.queues_by_name.is_none(), "{replies:?}");
        }
    }
}

/// CVE-2021-22946 and its kin: a server that has no TLS, or pretends not to have it, gets nothing.
#[test]
fn without_tls_there_is_no_login() {
    let table: [(&[&str], &[&str], Cause, FailureKind); 9] = [
        (&["500 AUTH?", "500 AUTH?"], &["AUTH TLS", "AUTH SSL"], Cause::TlsRefused, FailureKind::Permanent),
        (&["502 no", "534 no"], &["AUTH TLS", "AUTH SSL"], Cause::TlsRefused, FailureKind::Permanent),
        (&["530 Please login with USER and PASS."], &["AUTH TLS"], Cause::TlsRefused, FailureKind::Permanent),
        (&["530 Too many users"], &["AUTH TLS"], Cause::TooManyConnections, FailureKind::Transient),
        (&["431 not now"], &["AUTH TLS"], Cause::Refused, FailureKind::Transient),
        (&["421 bye"], &["AUTH TLS"], Cause::Disconnected, FailureKind::Transient),
        (&["230 no need, you are in"], &["AUTH TLS"], Cause::Protocol, FailureKind::Transient),
        (&["331 password?"], &["AUTH TLS"], Cause::Protocol, FailureKind::Transient),
        (&["150 hold on"], &["AUTH TLS"], Cause::Protocol, FailureKind::Transient),
    ];
    for together in [false, true] {
        for (replies, commands, cause, kind) in table {
            let login = private(Privacy::Required);
            let login = if together { login.together() } else { login };
            let (sent, end) = play(login, &[&["220 hi"], replies].concat());
            let failure = end.unwrap_err();
            assert_eq!((sent, failure.stage), (commands.iter().map(ToString::to_string).collect(), Stage::Secure));
            assert_eq!((failure.cause, failure.kind), (cause, kind), "{replies:?}");
        }
    }
}

#[test]
fn what_is_only_preferred_goes_on_in_the_clear_where_it_is_refused() {
    for refusals in [&["500 AUTH?", "500 AUTH?"][..], &["534 no", "504 no"], &["530 log in first"]] {
        let replies = [&["220 (vsFTPd)"], refusals, &["331 pw?", "230 in"], &TAIL].concat();
        let (sent, end) = play(private(Privacy::Preferred), &replies);
        assert_eq!(sent[refusals.len()..], ["USER bob", "PASS pw", "FEAT", "TYPE I", "PWD"], "{replies:?}");
        let ready = end.unwrap().unwrap();
        assert!(!ready.is_private && ready.queues_by_name == Some(true), "{replies:?}");
        let replies = [&["230 in"], refusals, &TAIL].concat();
        let (sent, end) = play(private(Privacy::Preferred), &replies);
        assert_eq!(sent[refusals.len()..], ["FEAT", "TYPE I", "PWD"], "{replies:?}");
        assert!(end.unwrap().is_some(), "{replies:?}");
    }
    // Refused for now is not refused: whoever can make a server busy could have the password in the clear.
    for passing in ["431 not now", "421 bye", "530 too many users", "200 what"] {
        let (sent, end) = play(private(Privacy::Preferred), &["220 hi", passing]);
        assert_eq!((sent.len(), end.is_err()), (1, true), "{passing}");
    }
}

#[test]
fn once_tls_is_up_nothing_goes_back() {
    for privacy in [Privacy::Required, Privacy::Preferred] {
        for refusals in [&["500 PBSZ?"][..], &["200 0", "534 no"], &["200 0", "536 no"], &["200 0", "530 no"]] {
            let up_to = ["220 hi", "234 go", "331 pw?", "230 in"];
            let (sent, end) = play(private(privacy), &[&up_to, refusals].concat());
            let failure = end.unwrap_err();
            assert_eq!((failure.stage, failure.cause), (Stage::Secure, Cause::TlsRefused), "{refusals:?}");
            assert_eq!(sent.len(), 4 + refusals.len(), "{sent:?}");
        }
    }
}

/// Both connections are private before anything is asked, and the replies still say which command they answer.
#[test]
fn protection_rides_with_what_follows() {
    let login = || private(Privacy::Required).together();
    let up_to = ["220 hi", "234 go", "331 pw?", "230 in"];
    let good = ["200 0", "200 P", "211 none", "200 I", "257 \"/\""];
    let (sent, end) = play(login(), &[&up_to[..], &good].concat());
    assert_eq!(sent[4..], ["[PBSZ 0, PROT P, FEAT, TYPE I, PWD]"]);
    assert!(end.unwrap().unwrap().is_private);
    let table: [(&[&str], Cause); 6] = [
        (&["503 PBSZ?"], Cause::TlsRefused),
        (&["200 0", "536 no"], Cause::TlsRefused),
        (&["211 none"], Cause::Protocol),
        (&["200 0", "211 none"], Cause::Protocol),
        (&["200 0", "200 P", "200 I"], Cause::Protocol),
        (&["200 0", "431 not now"], Cause::Refused),
    ];
    for (replies, cause) in table {
        // As many as were asked for have to come before they can be judged together.
        let replies = [&up_to[..], replies, &["200 I", "257 \"/\""]].concat();
        assert_eq!(play(login(), &replies).1.unwrap_err().cause, cause, "{replies:?}");
    }
}

#[test]
fn tls_from_the_first_byte_needs_no_auth_and_may_know_no_pbsz() {
    for pbsz in ["200 0", "500 PBSZ?"] {
        for together in [false, true] {
            let login = private(Privacy::Given);
            let login = if together { login.together() } else { login };
            let tail: &[&str] = if together { &["211 none", "200 I", "257 \"/\""] } else { &TAIL };
            let (sent, end) = play(login, &[&["220 (vsFTPd)", "331 pw?", "230 in", pbsz, "200 P"], tail].concat());
            assert_eq!(sent[..2], ["USER bob", "PASS pw"]);
            let ready = end.unwrap().unwrap();
            // This greeting came by TLS.
            assert!(ready.is_private && ready.queues_by_name == Some(true));
        }
        let (sent, end) = play(private(Privacy::Given), &["230 in", pbsz, "536 no"]);
        assert_eq!((sent, end.unwrap_err().cause), (vec!["PBSZ 0".into(), "PROT P".into()], Cause::TlsRefused));
    }
}

/// A password that came with ftpes:// for a server that is spoken to in clear, or that says it has no TLS.
#[test]
fn a_password_for_tls_is_never_sent_without() {
    let guarded = |privacy| {
        let credentials = Credentials {
            user: "bob".into(),
            secret: Some(Secret::new("pw")),
            account: Some(Secret::new("x")),
            tls_only: true,
        };
        Login::new(credentials).with_privacy(privacy)
    };
    for (privacy, replies) in [
        (Privacy::None, &["220 hi", "331 pw?"][..]),
        (Privacy::None, &["220 hi", "332 acct?"]),
        (Privacy::Preferred, &["220 hi", "502 no AUTH TLS", "502 no AUTH SSL", "331 pw?"]),
        (Privacy::Preferred, &["220 hi", "502 no AUTH TLS", "502 no AUTH SSL", "332 acct?"]),
    ] {
        let (sent, end) = play(guarded(privacy), replies);
        assert!(!sent.iter().any(|line| line.starts_with("PASS") || line.starts_with("ACCT")), "{sent:?}");
        assert_eq!(end.unwrap_err().cause, Cause::TlsRefused, "{replies:?}");
    }
    let (sent, _) = play(guarded(Privacy::Given), &["220 hi", "331 pw?", "332 acct?"]);
    assert_eq!(sent, ["USER bob", "PASS pw", "ACCT x"]);
}
