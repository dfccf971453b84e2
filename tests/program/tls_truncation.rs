//! The end of data in TLS: only a file that is whole is ever accepted, and a cut is never taken for an end.

use crate::{
    support::{
        Act, Delivery, End, Tls, Traits,
        certs::Authority,
        pseudo_random,
        scripted::{TLS_12, TLS_13},
    },
    tls_case::Case,
};

const LEN: usize = 300_000;

/// A server whose RETR is changed by the hook, once or always.
fn case(change: impl Fn(usize, Delivery) -> Option<Delivery> + Send + Sync + 'static) -> (Case, Vec<u8>) {
    let case = Case::new_good(move |turn| match turn.verb {
        "RETR" => change(turn.before, turn.delivery()).map_or(Act::Usual, Act::Deliver),
        _ => Act::Usual,
    });
    let data = pseudo_random(650, LEN);
    case.queue_one("ftpes", &data);
    (case, data)
}

#[test]
fn all_bytes_without_close_notify_are_a_file_and_the_user_is_told() {
    for versions in [TLS_12, TLS_13] {
        let authority = Authority::new("tests");
        let tls = Tls { versions, ..Tls::new(authority.good()) };
        let case = Case::new(&authority, tls, |turn| match turn.verb {
            "RETR" => Act::Deliver(Delivery { end: End::Cut, ..turn.delivery() }),
            _ => Act::Usual,
        });
        let data = pseudo_random(651, LEN);
        case.queue_one("ftpes", &data);
        let (ended, story) = case.run(&[]);
        assert_eq!(ended.code, Some(0), "{story}");
        case.ftpq.assert_file("a.bin", &data, &story);
        let done = ended.events("done").remove(0);
        assert!(done["note"].as_str().is_some_and(|n| n.contains("close_notify")), "no warning: {done}\n{story}");
        assert_eq!(case.server.core().sent_total(), LEN as u64, "{story}");
    }
}

#[test]
fn missing_bytes_without_close_notify_are_resumed_and_never_accepted() {
    // A server that is cut on the way says 226: it has sent all.
    for verdict in ["226 Transfer complete.", "426 Connection closed; transfer aborted."] {
        let (case, data) = case(move |before, honest| {
            (before == 0).then(|| Delivery { upto: LEN / 3, end: End::Cut, verdict: verdict.to_owned(), ..honest })
        });
        let (ended, story) = case.run(&[]);
        assert_eq!(ended.code, Some(0), "{story}");
        case.ftpq.assert_file("a.bin", &data, &story);
        let sent = case.server.core().sent_total();
        assert!(sent <= LEN as u64 + 70_000, "{sent} bytes were sent: nothing was resumed\n{story}");
        assert!(case.server.core().args("REST").iter().any(|at| at != "0"), "{story}");
    }
}

#[test]
fn missing_bytes_are_never_accepted_however_the_connection_ends() {
    for end in [End::Close, End::Cut, End::Reset] {
        let (case, _) = case(move |_, honest| {
            // Never the last byte.
            let upto = honest.upto.min(LEN - 1);
            Some(Delivery { upto, from: honest.from.min(upto), end, ..honest })
        });
        let (ended, story) = case.run(&[]);
        assert!(matches!(ended.code, Some(1 | 3)), "{story}");
        case.ftpq.assert_absent("a.bin", &story);
    }
}

/// Without SIZE, and without a word of the size in the 150.
fn of_unknown_size(end: End, upto: usize) -> (Case, Vec<u8>) {
    let case = Case::new_good(move |turn| match turn.verb {
        "SIZE" | "MDTM" => Act::say("502 Command not implemented."),
        "RETR" => {
            let honest = turn.delivery();
            let opening = "150 Here it comes.".to_owned();
            Act::Deliver(Delivery { opening, end, upto, from: honest.from.min(upto), ..honest })
        }
        _ => Act::Usual,
    });
    let data = pseudo_random(652, LEN);
    case.queue_one("ftpes", &data);
    (case, data)
}

/// Row 54: nobody on the way can end a file of unknown length.
#[test]
fn truncation_of_a_file_of_unknown_size_is_a_failure() {
    for upto in [LEN, LEN / 2, 0] {
        let (case, _) = of_unknown_size(End::Cut, upto);
        let (ended, story) = case.run(&[]);
        assert!(matches!(ended.code, Some(1 | 3)), "{upto} bytes\n{story}");
        case.ftpq.assert_absent("a.bin", &story);
        assert!(ended.out.contains("close_notify"), "the reason is not told\n{story}");
    }
    // The same in order is a file.
    let (case, data) = of_unknown_size(End::Close, LEN);
    let (ended, story) = case.run(&[]);
    assert_eq!(ended.code, Some(0), "{story}");
    case.ftpq.assert_file("a.bin", &data, &story);
}

/// Row 54: the same FIN against a file whose size is known is found out too, at every length.
#[test]
fn truncation_by_an_injected_fin_is_found_out_at_any_byte() {
    for upto in [0, 1, 16_384, LEN - 1] {
        let (case, data) =
            case(move |before, honest| (before == 0).then_some(Delivery { upto, end: End::Cut, ..honest }));
        let (ended, story) = case.run(&[]);
        assert_eq!(ended.code, Some(0), "cut at {upto}\n{story}");
        case.ftpq.assert_file("a.bin", &data, &story);
        assert!(case.server.core().args("RETR").len() >= 2, "cut at {upto}\n{story}");
    }
}

#[test]
fn a_large_file_that_is_shared_survives_cuts_in_its_pieces() {
    const LARGE: usize = 20 << 20;
    let authority = Authority::new("tests");
    let traits = Traits { pace: 6 << 20, tls: Some(Tls::new(authority.good())), ..Traits::default() };
    let case = Case::with(&authority, traits, |turn| match turn.verb {
        "RETR" if turn.before % 2 == 1 && turn.before < 6 => {
            let honest = turn.delivery();
            let upto = (honest.from + (1 << 20)).min(honest.upto);
            Act::Deliver(Delivery { upto, end: End::Cut, ..honest })
        }
        _ => Act::Usual,
    });
    let data = pseudo_random(653, LARGE);
    case.queue_one("ftpes", &data);
    let (ended, story) = case.run(&["--per-host", "4", "--retries", "3"]);
    assert_eq!(ended.code, Some(0), "{story}");
    case.ftpq.assert_file("a.bin", &data, &story);
    case.assert_nothing_in_clear(&story);
}
