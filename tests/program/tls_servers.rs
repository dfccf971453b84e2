//! FTPS with the three real servers, as strict as they can be.

use crate::{
    policies::digest,
    support::{
        Ended, Ftpq, pseudo_random,
        real::{self, Kind, MODIFIED, Options, Server, Tls},
        report, watch,
    },
};
use std::{fmt::Write, fs, thread, time::Duration};

/// Files of which each server has all but every tenth.
const FILES: usize = 200;
const MISSING: usize = 20;

/// The program, and the file of the authority that it is to trust.
fn trusting(server: &Server) -> (Ftpq, String) {
    let ftpq = Ftpq::new();
    let authority = ftpq.write("ca.pem", server.authority());
    (ftpq, authority)
}

fn start(kind: Kind, tls: Tls, options: Options) -> Server {
    Server::start(kind, Options { tls: Some(tls), ..options })
}

fn name_of(kind: Kind, tls: Tls) -> String {
    let way = if tls.implicit { "implicit" } else { "AUTH TLS" };
    let reuse = if tls.reuse { "reuse required" } else { "TLS required" };
    let version = tls.version.map_or_else(String::new, |v| format!(", TLS {v}"));
    format!("{:<10} {:<34}", kind.name(), format!("{way}, {reuse}{version}"))
}

#[test]
fn two_hundred_files_over_four_connections_each_data_connection_resumes() {
    if let Some(reason) = real::tls_unavailable() {
        return report::skip(&reason);
    }
    let mut table = format!(
        "{:<46}{:<8}{:<9}{:<18}data: resumed, full; by the server\n",
        "server", "equal", "missing", "control handshakes"
    );
    for (kind, tls) in real::kinds_of_tls() {
        let server = start(kind, tls, Options::default());
        table.push_str(&two_hundred_files(&server, kind, tls));
    }
    report::table(&table);
}

fn two_hundred_files(server: &Server, kind: Kind, tls: Tls) -> String {
    let content = |n: usize| pseudo_random(700 + n as u64, if n % 50 == 1 { 1_200_000 } else { 37 * n });
    let names: Vec<String> = (0..FILES).map(|n| format!("f{n:03}")).collect();
    let is_there = |n: usize| n % (FILES / MISSING) != 3;
    (0..FILES).filter(|&n| is_there(n)).for_each(|n| server.put(&names[n], &content(n)));
    let (ftpq, authority) = trusting(server);
    ftpq.add(&names.iter().map(|n| (server.url(n, true), n.as_str())).collect::<Vec<_>>());
    let args = [
        "-v",
        "--json",
        "run",
        "--per-host",
        "4",
        "--retries",
        "0",
        "--timeout",
        "20",
        "--no-split",
        "--ca-file",
        &authority,
    ];
    let ended = ftpq.run(&args).expect_code(1);
    for (n, name) in names.iter().enumerate() {
        if is_there(n) {
            ftpq.assert_file(name, &content(n), &ended);
        } else {
            ftpq.assert_absent(name, &ended);
        }
    }
    let failed = ended.events("failed");
    assert_eq!(failed.len(), MISSING, "{ended}");
    for event in &failed {
        assert_eq!(event["failure"]["cause"], "missing", "{event}\n{ended}");
        let name = event["destination"]["path"].as_str().unwrap();
        assert!(names.iter().enumerate().any(|(n, own)| name == own && !is_there(n)), "{event}");
    }
    let (full, resumed) = ended.handshakes("data");
    let (control, _) = ended.handshakes("control");
    let there = FILES - MISSING;
    // pure-ftpd demands no reuse, and has sessions of TLS 1.2 alone.
    if kind == Kind::PureFtpd {
        assert!(full + resumed >= there, "{full} full, {resumed} resumed\n{ended}");
    } else {
        assert_eq!(full, 0, "{ended}\n{}", server.log());
        assert!(resumed >= there, "{resumed} data handshakes\n{ended}");
    }
    let by_server = server.resumed();
    if let Some(by_server) = by_server {
        assert!(by_server >= there, "{by_server} by the server\n{}", server.log());
    }
    // One for each connection; one that a missing file has cost its last ticket is replaced.
    assert!((4..=4 + MISSING).contains(&control), "{control} control connections\n{ended}");
    let shown = by_server.map_or_else(|| "-".to_owned(), |n| n.to_string());
    format!("{} {there:<7} {MISSING:<8} {control:<17} {resumed}, {full}; {shown}\n", name_of(kind, tls))
}

#[test]
fn every_data_mode_and_family_downloads_and_resumes_over_tls() {
    if let Some(reason) = real::tls_unavailable() {
        return report::skip(&reason);
    }
    let threads = [Kind::Vsftpd, Kind::Proftpd, Kind::PureFtpd].map(|kind| thread::spawn(move || modes_of(kind)));
    let table: String = threads.into_iter().map(|t| t.join().unwrap()).collect();
    report::table(&table);
}

fn modes_of(kind: Kind) -> String {
    const LEN: usize = 1_500_000;
    let mut table = String::new();
    let tls = Tls { reuse: kind != Kind::PureFtpd, ..Tls::default() };
    let data = pseudo_random(130, LEN);
    for ipv6 in [false, true] {
        let server = start(kind, tls, Options { rate: 2_000_000, ipv6, ..Options::default() });
        server.put("pub/some file.bin", &data);
        let modes = if ipv6 { &["epsv", "eprt"][..] } else { &["epsv", "pasv", "eprt", "port"] };
        for mode in modes {
            let kept = killed_and_resumed(&server, mode, &data);
            let family = if ipv6 { "IPv6" } else { "IPv4" };
            let kept = kept / 1000;
            writeln!(table, "{:<10} TLS  {family} {mode:<5} killed, resumed, equal; {kept} KB kept", kind.name())
                .unwrap();
        }
    }
    table
}

/// A transfer that a `kill -9` ends at a third goes on from there; returns how many bytes were there.
fn killed_and_resumed(server: &Server, mode: &str, data: &[u8]) -> u64 {
    let (ftpq, authority) = trusting(server);
    let url = server.url("pub/some%20file.bin", true);
    ftpq.add(&[(url, "file.bin")]);
    let path = ftpq.downloads().join("file.bin");
    let part = watch::part_of(&path);
    let args =
        ["-v", "--json", "run", "--data-mode", mode, "--timeout", "10", "--retries", "0", "--ca-file", &authority];
    let run = ftpq.spawn(&args);
    let there = watch::wait_for(Duration::from_secs(20), || watch::length(&part) >= data.len() as u64 / 3);
    let killed = run.kill();
    assert!(there, "no part file of a third came about\n{killed}{}", server.log());
    let have = watch::length(&part);
    let ended = ftpq.run(&args);
    let story = format!("{killed}{ended}{}", server.log());
    assert_eq!(ended.code, Some(0), "{story}");
    ftpq.assert_file("file.bin", data, &story);
    let time = fs::metadata(&path).unwrap().modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(time.as_secs(), MODIFIED, "{story}");
    let fetched = ended.events("done")[0]["fetched"].as_u64().unwrap();
    assert!(fetched <= data.len() as u64 - have + 70_000, "{have} bytes were there, {fetched} were fetched\n{story}");
    have
}

#[test]
fn a_large_file_comes_in_pieces_over_tls_and_its_checksum_is_right() {
    if let Some(reason) = real::tls_unavailable() {
        return report::skip(&reason);
    }
    let data = pseudo_random(131, 24 << 20);
    let sum = digest("md5sum", &data);
    for (kind, tls) in real::kinds_of_tls().into_iter().take(4) {
        let server = start(kind, tls, Options { rate: 4 << 20, ..Options::default() });
        server.put("large", &data);
        let (ftpq, authority) = trusting(&server);
        let line =
            serde_json::json!({"url": server.url("large", true), "path": "large", "checksum": format!("md5:{sum}")});
        let manifest = ftpq.write("m.jsonl", format!("{line}\n"));
        let into = ftpq.downloads();
        ftpq.run(&["add", &manifest, "--into", into.to_str().unwrap()]).expect_code(0);
        let args = ["-v", "--json", "run", "--per-host", "4", "--retries", "1", "--ca-file", &authority];
        let ended = ftpq.run(&args).expect_code(0);
        ftpq.assert_file("large", &data, &ended);
        let note = ended.events("done")[0]["note"].clone();
        assert!(note.as_str().is_some_and(|n| n.contains("pieces")), "{note}\n{ended}");
        assert_demand_met(kind, &ended);
    }
}

/// Where the server demands it, every data connection resumed a session.
fn assert_demand_met(kind: Kind, ended: &Ended) {
    let (full, resumed) = ended.handshakes("data");
    assert!(resumed + full > 0, "{ended}");
    assert!(full == 0 || kind == Kind::PureFtpd, "{full} full, {resumed} resumed\n{ended}");
}

#[test]
fn a_session_older_than_the_servers_cache_is_left_for_a_new_one_and_no_file_is_lost() {
    if let Some(reason) = real::tls_unavailable() {
        return report::skip(&reason);
    }
    let threads = ["1.2", "1.3"].map(|version| thread::spawn(move || outlived(version, 1, 4)));
    let table: String = threads.into_iter().map(|t| t.join().unwrap()).collect();
    report::table(&table);
}

/// The true case of the test above. `cargo test --test program -- --ignored true_300 --nocapture`
#[test]
#[ignore = "takes more than five minutes"]
fn a_session_older_than_the_true_300_s_is_left_for_a_new_one() {
    let threads = ["1.2", "1.3"].map(|version| thread::spawn(move || outlived(version, 300, 310)));
    let table: String = threads.into_iter().map(|t| t.join().unwrap()).collect();
    report::table(&table);
}

/// A transfer of some seconds, and files behind it, where `ProFTPD` resumes sessions for a shorter time only.
fn outlived(version: &'static str, kept: u32, seconds: u32) -> String {
    const RATE: u32 = 200_000;
    let tls = Tls { reuse: true, version: Some(version), session_seconds: kept, ..Tls::default() };
    let server = start(Kind::Proftpd, tls, Options { rate: RATE, ..Options::default() });
    let names = ["a", "b", "c", "d"];
    let len = |n| if n == 0 { RATE * seconds } else { RATE / 10 } as usize;
    let data = [0, 1, 2, 3].map(|n| pseudo_random(140 + n, len(n)));
    names.iter().zip(&data).for_each(|(name, data)| server.put(name, data));
    let (ftpq, authority) = trusting(&server);
    ftpq.add(&names.map(|n| (server.url(n, true), n)));
    let args = ["-v", "--json", "run", "--per-host", "1", "--retries", "1", "--timeout", "10", "--ca-file", &authority];
    let ended = ftpq.spawn(&args).wait(Duration::from_secs(60 + 2 * u64::from(seconds))).expect_code(0);
    names.iter().zip(&data).for_each(|(name, data)| ftpq.assert_file(name, data, &ended));
    assert!(ended.events("failed").is_empty(), "{ended}");
    // Once, the server refused a data connection with a new session; all bytes came over resumed ones.
    let ((full, resumed), (control, _)) = (ended.handshakes("data"), ended.handshakes("control"));
    let refused = server.log().matches("did not reuse TLS session, rejecting").count();
    assert!(refused >= 1 && resumed >= names.len(), "{refused} refused, {resumed} resumed\n{ended}{}", server.log());
    // With TLS 1.3 a client has seen the end of the handshake before the server says no.
    assert!(full <= refused, "{full} full, {refused} refused\n{ended}");
    assert_eq!(control, refused + 1, "each refusal costs one session\n{ended}");
    let first =
        ended.events("done").iter().find(|e| e["destination"]["path"] == "a").unwrap()["seconds"].as_f64().unwrap();
    let took = ended.took;
    format!(
        "proftpd, TLS {version}, sessions resumed for {kept} s: a transfer of {first:.0} s, then 3 files: all equal, \
         {refused} refused, {resumed} resumed, {control} control connections, {took:.0?}\n"
    )
}
