//! Data connections resume the session of their control connection, whatever the server demands and however few tickets it
//! gives; where it refuses all the same, the ladder ends in a file or in a precise failure, never in clear text.

use crate::{
    support::{
        Act, Delivery, Ended, Tls, Traits, Turn,
        certs::Authority,
        pseudo_random, report,
        scripted::{Demand, Handshake, TLS_12, TLS_13},
    },
    tls_case::Case,
};
use std::{fmt::Write, time::Duration};

const DEMANDS: [Demand; 4] = [Demand::Vsftpd, Demand::Proftpd, Demand::FileZilla, Demand::FileZilla09];

fn files(count: usize) -> Vec<(String, Vec<u8>)> {
    (0..count).map(|n| (format!("f{n:02}"), pseudo_random(600 + n as u64, 211 * n))).collect()
}

/// All files arrive, in TLS alone.
fn all_arrive(case: &Case, count: usize, options: &[&str]) -> (Ended, String) {
    let files = files(count);
    case.queue("ftpes", &files);
    let (ended, story) = case.run(options);
    assert_eq!(ended.code, Some(0), "{story}");
    assert!(ended.events("failed").is_empty(), "{story}");
    files.iter().for_each(|(name, data)| case.ftpq.assert_file(name, data, &story));
    case.assert_nothing_in_clear(&story);
    assert!(!case.server.core().args("PROT").contains(&"C".to_owned()), "{story}");
    (ended, story)
}

#[test]
fn every_demand_for_reuse_is_met_over_four_connections() {
    let mut table = format!("{:<14}{:<9}data: resumed, full\n", "demand of", "TLS");
    for (demand, (name, versions)) in
        DEMANDS.into_iter().flat_map(|d| [("1.2", TLS_12), ("1.3", TLS_13)].map(|v| (d, v)))
    {
        let case = Case::honest(|tls| Tls { versions, demand, ..tls });
        let (ended, story) = all_arrive(&case, 40, &["--per-host", "4", "--retries", "0"]);
        let by_server = case.server.core().data_handshakes();
        // The other side of the same count.
        assert_eq!(ended.handshakes("data"), by_server, "{story}");
        assert_eq!(by_server.0, 0, "{demand:?}, {name}: {by_server:?}\n{story}");
        assert!(by_server.1 >= 40, "{demand:?}, {name}: {by_server:?}\n{story}");
        assert_eq!(case.server.core().sessions().1, 4, "{demand:?}, {name}\n{story}");
        writeln!(table, "{:<14}{name:<9}{}, {}", format!("{demand:?}"), by_server.1, by_server.0).unwrap();
    }
    report::table(&table);
}

#[test]
fn one_ticket_with_each_connection_is_enough() {
    let case =
        Case::honest(|tls| Tls { tickets: 1, data_tickets: 1, demand: Demand::Proftpd, versions: TLS_13, ..tls });
    let (_, story) = all_arrive(&case, 12, &["--per-host", "1", "--retries", "0"]);
    assert_eq!(case.server.core().data_handshakes(), (0, 12), "{story}");
    assert_eq!(case.server.core().sessions().1, 1, "{story}");
}

#[test]
fn where_data_connections_bring_no_tickets_a_new_session_is_opened_in_time() {
    for tickets in [1, 2] {
        let tls = |tls| Tls { tickets, data_tickets: 0, demand: Demand::FileZilla, versions: TLS_13, ..tls };
        let case = Case::honest(tls);
        let (_, story) = all_arrive(&case, 8, &["--per-host", "1"]);
        assert_eq!(case.server.core().data_handshakes().1, 8, "{story}");
        let sessions = case.server.core().sessions().1;
        assert!(sessions <= 8 / tickets + 3, "{sessions} sessions for 8 files, {tickets} tickets each\n{story}");
    }
}

#[test]
fn a_server_of_tls_13_without_tickets_is_served_with_tls_12() {
    for demand in DEMANDS {
        let case = Case::honest(|tls| Tls { tickets: 0, data_tickets: 0, demand, ..tls });
        let (ended, story) = all_arrive(&case, 6, &["--per-host", "1"]);
        assert!(ended.out.contains("data: TLSv1.2"), "{story}");
        let sessions = case.server.core().sessions().1;
        assert!(sessions <= 4, "{demand:?}: {sessions} sessions: the way is not remembered\n{story}");
    }
}

#[test]
fn a_server_that_never_takes_a_session_fails_with_the_reason_and_gets_nothing_in_clear() {
    for (demand, versions) in DEMANDS.into_iter().flat_map(|d| [(d, TLS_12), (d, TLS_13)]) {
        let case = Case::honest(|tls| Tls { forgets_behind: Some(0), demand, versions, ..tls });
        let files = files(6);
        case.queue("ftpes", &files);
        let (ended, story) = case.run(&["--per-host", "2"]);
        let story = format!("{demand:?}\n{story}");
        case.assert_nothing_in_clear(&story);
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        case.assert_refused(&ended, &names, "tls_reuse", &story);
        assert!(!case.server.core().args("PROT").contains(&"C".to_owned()), "{story}");
        let sessions = case.server.core().sessions().1;
        // Three at most for each of the two that were under way: once more, and once with TLS 1.2.
        assert!(sessions <= 6, "{sessions} sessions\n{story}");
    }
}

#[test]
fn a_session_that_is_forgotten_is_left_for_a_new_one() {
    for (demand, versions) in DEMANDS.into_iter().flat_map(|d| [(d, TLS_12), (d, TLS_13)]) {
        let case = Case::honest(|tls| Tls { forgets_behind: Some(3), demand, versions, ..tls });
        let (_, story) = all_arrive(&case, 9, &["--per-host", "1"]);
        let (full, resumed) = case.server.core().data_handshakes();
        // Three with each session; the fourth is refused.
        assert_eq!((resumed, case.server.core().sessions().1), (9, 3), "{demand:?}, {full} full\n{story}");
        assert!(full <= 2, "{demand:?}, {full} full\n{story}");
    }
}

#[test]
fn a_session_that_grew_too_old_is_left_for_a_new_one() {
    let authority = Authority::new("tests");
    let tls =
        Tls { forgets_after: Some(Duration::from_secs(1)), demand: Demand::Proftpd, ..Tls::new(authority.good()) };
    let case = Case::with(&authority, Traits { tls: Some(tls), pace: 60_000, ..Traits::default() }, |_| Act::Usual);
    let (_, story) = all_arrive(&case, 40, &["--per-host", "1"]);
    let (full, resumed) = case.server.core().data_handshakes();
    assert!((1..=4).contains(&full) && resumed == 40, "{full} full, {resumed} resumed\n{story}");
}

#[test]
fn files_that_are_missing_cost_no_other_file_its_ticket() {
    // Without SIZE and MLST, only RETR tells that a file is missing, when the data connection is there already.
    let authority = Authority::new("tests");
    for (demand, tickets) in [(Demand::Vsftpd, 2), (Demand::Proftpd, 1), (Demand::FileZilla, 2)] {
        let tls = Tls { demand, versions: TLS_13, tickets, data_tickets: 1, ..Tls::new(authority.good()) };
        let case = Case::new(&authority, tls, |turn: &Turn| match turn.verb {
            "SIZE" | "MDTM" => Act::say("502 Command not implemented."),
            _ => Act::Usual,
        });
        let files = files(40);
        case.queue("ftpes", &files);
        let missing: Vec<(String, String)> =
            (0..20).map(|n| (case.server.url_by("ftpes", &format!("m{n}")), format!("m{n}"))).collect();
        case.ftpq.add(&missing.iter().map(|(url, name)| (url.clone(), name.as_str())).collect::<Vec<_>>());
        let (ended, story) = case.run(&["--per-host", "4"]);
        assert_eq!(ended.code, Some(1), "{story}");
        files.iter().for_each(|(name, data)| case.ftpq.assert_file(name, data, &story));
        let failed = ended.events("failed");
        assert_eq!(failed.len(), 20, "{demand:?}\n{story}");
        failed.iter().for_each(|event| assert_eq!(event["failure"]["cause"], "missing", "{story}"));
        let (full, resumed) = case.server.core().data_handshakes();
        assert!(resumed >= 40 && full <= 3, "{demand:?}: {full} full, {resumed} resumed\n{story}");
    }
}

#[test]
fn a_data_handshake_that_breaks_or_stalls_is_tried_again() {
    for handshake in [Handshake::HangUp, Handshake::Stall, Handshake::Say(vec![0x15, 3, 3, 0, 2, 2, 80])] {
        let case = Case::new_good(move |turn| match turn.verb {
            "RETR" if turn.before == 1 => Act::Deliver(Delivery { handshake: handshake.clone(), ..turn.delivery() }),
            _ => Act::Usual,
        });
        let (_, story) = all_arrive(&case, 5, &["--per-host", "1"]);
        let (full, resumed) = case.server.core().data_handshakes();
        assert_eq!((full, resumed), (0, 5), "{story}");
    }
}

#[test]
fn a_data_handshake_that_comes_byte_by_byte_is_a_handshake() {
    let case = Case::new_good(|turn| match turn.verb {
        "RETR" => {
            let handshake = Handshake::Drip(Duration::from_micros(500));
            Act::Deliver(Delivery { handshake, ..turn.delivery() })
        }
        _ => Act::Usual,
    });
    all_arrive(&case, 3, &["--per-host", "1", "--retries", "0"]);
}
