//! TLS that was asked for is TLS or an error: no password, and no byte, goes out in clear text instead, and nothing that a
//! wrong server sends is ever stored.

use crate::{
    support::{
        Act, Delivery, Scripted, Tls,
        certs::{Authority, Identity},
        pseudo_random,
        scripted::{Handshake, TLS_12, TLS_13},
        watch,
    },
    tls_case::Case,
};
use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

fn files() -> Vec<(String, Vec<u8>)> {
    NAMES.iter().zip(500..).map(|(&name, seed)| (name.to_owned(), pseudo_random(seed, 3000))).collect()
}

/// Certificates that are wrong in one way each, and words that tell the user which way.
fn wrong(authority: &Authority) -> Vec<(&'static str, Identity, &'static [&'static str])> {
    vec![
        ("expired", authority.expired(), &["expired", "2001"]),
        ("not yet valid", authority.not_yet_valid(), &["not yet", "2090"]),
        ("another name", authority.named(&["other.example"]), &["127.0.0.1", "other.example"]),
        ("an address as a name", authority.address_as_name("127.0.0.1"), &["127.0.0.1"]),
        ("common name only", authority.common_name_only("127.0.0.1"), &["127.0.0.1"]),
        ("self-signed", Identity::self_signed(), &["self-signed"]),
        ("another authority", Authority::new("foreign").good(), &["foreign"]),
        ("a client's", authority.client("127.0.0.1"), &["purpose", "127.0.0.1"]),
    ]
}

#[test]
fn a_wrong_certificate_on_the_control_connection_gets_no_password_and_is_asked_once() {
    let authority = Authority::new("tests");
    for (scheme, (what, identity, words)) in
        ["ftpes", "ftps"].into_iter().flat_map(|s| wrong(&authority).into_iter().map(move |w| (s, w)))
    {
        let pin = identity.pin().to_owned();
        let tls = Tls { implicit: scheme == "ftps", ..Tls::new(identity) };
        let case = Case::new(&authority, tls, |_| Act::Usual);
        case.queue(scheme, &files());
        let (ended, story) = case.run(&["--per-host", "4"]);
        let story = format!("{what}, {scheme}\n{story}");
        case.assert_nothing_in_clear(&story);
        let failures = case.assert_refused(&ended, &NAMES, "certificate", &story);
        for failure in &failures {
            let text = failure.to_string();
            assert_eq!(failure["stage"], "secure", "{story}");
            assert!(words.iter().any(|word| text.contains(word)), "{text} has none of {words:?}\n{story}");
            // The way out, with all that it takes.
            assert!(text.contains("--pin") && text.contains(&pin), "{text} shows no pin {pin}\n{story}");
        }
        let asked = case.server.core().unshaken().len();
        assert!((1..=4).contains(&asked), "{asked} handshakes for {} jobs\n{story}", NAMES.len());
        assert!(watch::files_below(&case.ftpq.downloads()).is_empty(), "{story}");
    }
}

#[test]
fn a_wrong_certificate_on_data_connections_alone_stores_nothing() {
    let authority = Authority::new("tests");
    for (what, identity, words) in wrong(&authority) {
        let pin = identity.pin().to_owned();
        let tls = Tls { data_identity: Some(identity), ..Tls::new(authority.good()) };
        let case = Case::new(&authority, tls, |_| Act::Usual);
        case.queue("ftpes", &files());
        let (ended, story) = case.run(&["--per-host", "2"]);
        let story = format!("{what}\n{story}");
        case.assert_nothing_in_clear(&story);
        let failures = case.assert_refused(&ended, &NAMES, "certificate", &story);
        for failure in &failures {
            let text = failure.to_string();
            assert_eq!(failure["stage"], "data", "{story}");
            assert!(words.iter().any(|word| text.contains(word)), "{text} has none of {words:?}\n{story}");
            assert!(text.contains(&pin), "{text} shows no pin {pin}\n{story}");
        }
        assert_eq!(case.server.core().sent_total(), 0, "{story}");
    }
}

#[test]
fn a_certificate_file_a_pin_and_insecure_are_ways_out() {
    let (authority, foreign) = (Authority::new("tests"), Authority::new("foreign"));
    let data = pseudo_random(510, 60_000);
    let own = Identity::self_signed();
    let right = own.pin().to_owned();
    let expired = authority.expired();
    let (expired_pin, other_pin) = (expired.pin().to_owned(), authority.good().pin().to_owned());
    let all = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    // Certificate, options, whether all is well.
    let table: Vec<(Identity, Vec<&str>, bool)> = vec![
        (foreign.good(), vec!["--ca-file", "foreign.pem"], true),
        (authority.good(), vec!["--ca-file", "foreign.pem"], false),
        (own.clone(), vec!["--ca-file", "own.pem"], true),
        (own.clone(), vec!["--insecure"], true),
        (own.clone(), vec!["--insecure", "--pin", &right], true),
        (own.clone(), vec!["--insecure", "--pin", all, "--pin", &right], true),
        (own.clone(), vec!["--insecure", "--pin", &other_pin], false),
        // A pin is asked for in addition to the usual checks.
        (own.clone(), vec!["--pin", &right], false),
        (expired, vec!["--ca-file", "ca.pem", "--pin", &expired_pin], false),
        (authority.good(), vec!["--ca-file", "ca.pem", "--pin", all], false),
        (authority.expired(), vec!["--insecure"], true),
        (authority.named(&["other.example"]), vec!["--insecure"], true),
    ];
    for (identity, options, well) in table {
        let case = Case::new(&authority, Tls::new(identity), |_| Act::Usual);
        case.ftpq.write("foreign.pem", foreign.pem());
        case.ftpq.write("own.pem", own.pem());
        case.queue_one("ftpes", &data);
        let full = in_folder(&case, &options);
        let (ended, story) = case.run_as(&full.iter().map(String::as_str).collect::<Vec<_>>());
        let story = format!("{options:?}\n{story}");
        case.assert_nothing_in_clear(&story);
        if !well {
            case.assert_refused(&ended, &["a.bin"], "certificate", &story);
            continue;
        }
        assert_eq!(ended.code, Some(0), "{story}");
        case.ftpq.assert_file("a.bin", &data, &story);
        let loud = ended.everything().to_lowercase();
        assert_eq!(loud.contains("insecure"), options.contains(&"--insecure"), "{story}");
    }
}

#[test]
fn a_pin_is_checked_on_data_connections_too() {
    let authority = Authority::new("tests");
    let (control, data) = (authority.good(), authority.good());
    for (pins, well) in [(vec![control.pin()], false), (vec![control.pin(), data.pin()], true)] {
        let tls = Tls { data_identity: Some(data.clone()), ..Tls::new(control.clone()) };
        let case = Case::new(&authority, tls, |_| Act::Usual);
        let content = pseudo_random(511, 5000);
        case.queue_one("ftpes", &content);
        let (ended, story) = case.run(&pins.iter().flat_map(|&p| ["--pin", p]).collect::<Vec<_>>());
        if well {
            assert_eq!(ended.code, Some(0), "{story}");
            case.ftpq.assert_file("a.bin", &content, &story);
        } else {
            case.assert_refused(&ended, &["a.bin"], "certificate", &story);
            assert_eq!(case.server.core().sent_total(), 0, "{story}");
        }
    }
}

/// Runs a server that does something else than TLS by a hook; it is to cost every job, and to learn nothing.
fn refused(hook: impl Fn(&crate::support::Turn) -> Act + Send + Sync + 'static, causes: &[&str]) -> Case {
    let authority = Authority::new("tests");
    let tls = Tls { required: false, ..Tls::new(authority.good()) };
    let case = Case::new(&authority, tls, hook);
    case.queue_one("ftpes", &pseudo_random(512, 3000));
    let (ended, story) = case.run(&[]);
    case.assert_nothing_in_clear(&story);
    assert!(matches!(ended.code, Some(1 | 3)), "{story}");
    case.ftpq.assert_absent("a.bin", &story);
    assert!(watch::files_below(&case.ftpq.downloads()).is_empty(), "{story}");
    assert!(causes.iter().any(|cause| ended.out.contains(&format!("\"cause\":\"{cause}\""))), "{causes:?}\n{story}");
    assert_eq!(case.server.core().sent_total(), 0, "{story}");
    case
}

#[test]
fn a_server_that_refuses_auth_gets_no_password() {
    for line in
        ["500 Unknown command.", "502 Not implemented.", "504 Unknown mechanism.", "530 Please login.", "534 No."]
    {
        let case = refused(move |turn| if turn.verb == "AUTH" { Act::say(line) } else { Act::Usual }, &["tls_refused"]);
        assert!(!case.server.core().args("AUTH").is_empty());
    }
}

#[test]
fn a_server_that_knows_no_tls_at_all_gets_no_password() {
    for scheme in ["ftpes", "ftps"] {
        let server = Scripted::honest();
        let ftpq = crate::support::Ftpq::new();
        server.put("a.bin", pseudo_random(513, 3000));
        ftpq.add(&[(server.url_by(scheme, "a.bin"), "a.bin")]);
        let ended = ftpq.run(&["--json", "run", "--timeout", "2", "--retries", "1"]);
        let story = format!("{ended}{}", server.core().dialogue());
        assert_eq!(ended.code, Some(1), "{story}");
        assert!(ended.out.contains("\"cause\":\"tls_refused\""), "{story}");
        assert!(!server.core().arrived(b"password") && server.core().args("USER").is_empty(), "{story}");
        ftpq.assert_absent("a.bin", &story);
    }
}

#[test]
fn tls_on_an_ftp_url_is_demanded_by_the_option_too() {
    for (how, implicit) in [("explicit", false), ("implicit", true)] {
        let case = Case::honest(|tls| Tls { implicit, ..tls });
        let data = pseudo_random(514, 3000);
        case.queue_one("ftp", &data);
        let (ended, story) = case.run(&["--tls", how]);
        assert_eq!(ended.code, Some(0), "{story}");
        case.ftpq.assert_file("a.bin", &data, &story);
        case.assert_nothing_in_clear(&story);
        // And where there is none, nothing is done without.
        let plain = Scripted::honest();
        plain.put("b.bin", data.clone());
        case.ftpq.add(&[(plain.url_by("ftp", "b.bin"), "b.bin")]);
        let (ended, story) = case.run(&["--tls", how]);
        let story = format!("{story}{}", plain.core().dialogue());
        assert_eq!(ended.code, Some(1), "{story}");
        assert!(plain.core().args("USER").is_empty(), "{story}");
        case.ftpq.assert_absent("b.bin", &story);
    }
}

#[test]
fn a_server_that_refuses_private_data_sends_no_data() {
    for (verb, line) in
        [("PROT", "534 No."), ("PROT", "504 No."), ("PROT", "500 ?"), ("PROT", "536 No."), ("PROT", "502 No.")]
    {
        let case = refused(move |turn| if turn.verb == verb { Act::say(line) } else { Act::Usual }, &["tls_refused"]);
        assert!(case.server.core().args("RETR").is_empty(), "{line}\n{}", case.server.core().dialogue());
        assert!(!case.server.core().args("PROT").contains(&"C".to_owned()), "{line}");
    }
}

#[test]
fn private_data_refused_for_now_is_asked_for_again() {
    // RFC 4217, section 10.2: 431 is for a resource that is wanting.
    let case = Case::new_good(|turn| match turn.verb {
        "PROT" if turn.before == 0 => Act::say("431 Need some unavailable resource to process security."),
        _ => Act::Usual,
    });
    let data = pseudo_random(520, 3000);
    case.queue_one("ftpes", &data);
    let (ended, story) = case.run(&[]);
    assert_eq!(ended.code, Some(0), "{story}");
    case.ftpq.assert_file("a.bin", &data, &story);
    case.assert_nothing_in_clear(&story);
}

#[test]
fn data_in_clear_text_after_prot_p_is_not_taken() {
    for begin in [&b"plain text, and no TLS at all"[..], b"\x16\x03\x03\x40\x00", b"\x15\x03\x03\x00\x02\x02\x28"] {
        let begin = begin.to_vec();
        let case = refused(
            move |turn| match turn.verb {
                "RETR" => Act::Deliver(Delivery { handshake: Handshake::Say(begin.clone()), ..turn.delivery() }),
                _ => Act::Usual,
            },
            &["tls_refused", "tls_reuse", "timeout"],
        );
        assert_eq!(case.server.core().data_handshakes(), (0, 0));
    }
}

#[test]
fn a_handshake_that_stalls_or_breaks_ends_in_time_and_tells_nothing() {
    for handshake in [
        Handshake::Stall,
        Handshake::HangUp,
        Handshake::Say(b"220 nobody here speaks TLS\r\n".to_vec()),
        Handshake::Say(b"230 Login successful.\r\n200 PBSZ\r\n200 PROT\r\n".to_vec()),
        Handshake::Say(vec![0x16, 3, 3, 0xff, 0xff, 0, 0, 0, 0]),
        Handshake::Say(vec![0x15, 3, 3, 0, 2, 2, 40]),
    ] {
        for scheme in ["ftpes", "ftps"] {
            let handshake = handshake.clone();
            let case = Case::honest(move |tls| Tls { handshake, implicit: scheme == "ftps", ..tls });
            case.queue_one(scheme, &pseudo_random(515, 3000));
            let (ended, story) = case.run(&[]);
            case.assert_nothing_in_clear(&story);
            assert!(matches!(ended.code, Some(1 | 3)), "{story}");
            case.ftpq.assert_absent("a.bin", &story);
            assert!(ended.took < Duration::from_secs(15), "{story}");
        }
    }
}

/// A server that is full says so before TLS, and so does one whose process fails: that is no lack of TLS.
#[test]
fn a_server_that_refuses_in_clear_text_before_tls_is_tried_again() {
    for text in ["421 There are too many connections from your internet address.", "500 OOPS: child died"] {
        let handshake = Handshake::Say(format!("{text}\r\n").into_bytes());
        let case = Case::honest(move |tls| Tls { handshake, implicit: true, ..tls });
        case.queue_one("ftps", &pseudo_random(518, 3000));
        let (ended, story) = case.run(&[]);
        case.assert_nothing_in_clear(&story);
        assert!(ended.everything().contains(text), "{story}");
        assert!(case.server.core().sessions().1 > 1, "it was tried once\n{story}");
        let failure = &case.ftpq.json_one(&["show", "1"])["failure"];
        assert_ne!(failure["kind"], "permanent", "{failure}\n{story}");
    }
}

#[test]
fn a_handshake_that_comes_byte_by_byte_is_a_handshake() {
    let case = Case::honest(|tls| Tls { handshake: Handshake::Drip(Duration::from_millis(1)), ..tls });
    let data = pseudo_random(516, 30_000);
    case.queue_one("ftpes", &data);
    let (ended, story) = case.run(&[]);
    assert_eq!(ended.code, Some(0), "{story}");
    case.ftpq.assert_file("a.bin", &data, &story);
}

#[test]
fn a_handshake_that_never_ends_has_a_deadline() {
    // A byte every half second resets every timer that only asks whether something came.
    let case = Case::honest(|tls| Tls { handshake: Handshake::Drip(Duration::from_millis(500)), ..tls });
    case.queue_one("ftpes", &pseudo_random(517, 3000));
    let (ended, story) = case.run(&[]);
    assert!(matches!(ended.code, Some(1 | 3)), "{story}");
    assert!(ended.took < Duration::from_secs(30), "{story}");
    case.assert_nothing_in_clear(&story);
}

#[test]
fn a_version_that_is_too_old_is_said_to_be_so() {
    let case = Case::honest(|tls| Tls { versions: TLS_12, ..tls });
    case.queue_one("ftpes", &pseudo_random(518, 3000));
    let (ended, story) = case.run(&["--tls-min", "1.3"]);
    let failures = case.assert_refused(&ended, &["a.bin"], "tls_refused", &story);
    assert!(failures[0].to_string().contains("1.3") || failures[0].to_string().contains("tls-min"), "{story}");
    case.assert_nothing_in_clear(&story);
}

#[test]
fn a_client_certificate_is_shown_on_control_and_data() {
    let (authority, clients) = (Authority::new("tests"), Authority::new("clients"));
    let (own, stranger) = (clients.client("drop box"), Authority::new("strangers").client("drop box"));
    let data = pseudo_random(519, 200_000);
    let table: [(&[&str], bool); 4] = [
        (&[], false),
        (&["--client-cert", "strange.pem"], false),
        (&["--client-cert", "both.pem"], true),
        (&["--client-cert", "cert.pem", "--client-key", "key.pem"], true),
    ];
    for (versions, (options, well)) in [TLS_12, TLS_13].into_iter().flat_map(|v| table.map(|row| (v, row))) {
        let tls = Tls { versions, client_authority: Some(clients.certificate()), ..Tls::new(authority.good()) };
        let case = Case::new(&authority, tls, |_| Act::Usual);
        case.ftpq.write("cert.pem", own.pem());
        let (both, strange) = [&own, &stranger].map(|id| format!("{}{}", id.key_pem(), id.pem())).into();
        for (name, text) in [("key.pem", own.key_pem()), ("both.pem", &both), ("strange.pem", &strange)] {
            let path = case.ftpq.write(name, text);
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        case.queue_one("ftpes", &data);
        let options = in_folder(&case, options);
        let (ended, story) = case.run(&options.iter().map(String::as_str).collect::<Vec<_>>());
        let story = format!("{options:?}\n{story}");
        case.assert_nothing_in_clear(&story);
        if well {
            assert_eq!(ended.code, Some(0), "{story}");
            case.ftpq.assert_file("a.bin", &data, &story);
        } else {
            assert!(matches!(ended.code, Some(1 | 3)), "{story}");
            case.ftpq.assert_absent("a.bin", &story);
            assert!(ended.out.contains("client-cert"), "the way out is not told\n{story}");
        }
    }
}

/// Options with the paths of files that the case has written.
fn in_folder(case: &Case, options: &[&str]) -> Vec<String> {
    let path = |name: &str| case.ftpq.folder().join(name).display().to_string();
    options.iter().map(|&o| if o.contains(".pem") { path(o) } else { o.to_owned() }).collect()
}
