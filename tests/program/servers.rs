//! The three real servers, in every data mode, with both logins and over both families.

use crate::support::{
    Ftpq, pseudo_random,
    real::{self, Kind, MODIFIED, Options, Server},
    report, watch,
};
use std::{fmt::Write, fs, thread, time::Duration};

const LEN: usize = 1_500_000;

/// One cell of the table: what was tried, and what came of it.
struct Cell {
    kind: Kind,
    ipv6: bool,
    login: bool,
    mode: &'static str,
    fresh: Result<String, String>,
    resumed: Result<String, String>,
}

#[test]
fn every_server_mode_login_and_family_downloads_and_resumes() {
    if let Some(reason) = real::unavailable() {
        return report::skip(&reason);
    }
    let threads = Kind::ALL.map(|kind| thread::spawn(move || cells_of(kind)));
    let cells: Vec<Cell> = threads.into_iter().flat_map(|t| t.join().unwrap()).collect();
    let (mut table, mut stories) = (String::new(), String::new());
    writeln!(table, "{:<10}{:<8}{:<11}{:<6}{:<26}resumed", "server", "family", "login", "mode", "fresh").unwrap();
    for cell in &cells {
        let family = if cell.ipv6 { "IPv6" } else { "IPv4" };
        let login = if cell.login { "user" } else { "anonymous" };
        let line = format!("{:<10}{family:<8}{login:<11}{:<6}", cell.kind.name(), cell.mode);
        let shown = |r: &Result<String, String>| r.as_ref().map_or_else(|_| "FAILED".to_owned(), Clone::clone);
        writeln!(table, "{line}{:<26}{}", shown(&cell.fresh), shown(&cell.resumed)).unwrap();
        for story in [&cell.fresh, &cell.resumed].into_iter().filter_map(|r| r.as_ref().err()) {
            writeln!(stories, "{line}:\n{story}").unwrap();
        }
    }
    report::table(&table);
    assert_eq!(cells.len(), 36);
    assert!(stories.is_empty(), "{stories}\n{table}");
}

fn cells_of(kind: Kind) -> Vec<Cell> {
    let mut cells = Vec::new();
    for ipv6 in [false, true] {
        let server = Server::start(kind, Options { rate: 4_000_000, ipv6, ..Options::default() });
        let data = pseudo_random(100, LEN);
        server.put("pub/some file.bin", &data);
        // PORT and PASV carry IPv4 addresses only (RFC 2428).
        let modes = if ipv6 { &["epsv", "eprt"][..] } else { &["epsv", "pasv", "eprt", "port"] };
        for (&mode, login) in modes.iter().flat_map(|m| [(m, false), (m, true)]) {
            let url = server.url("pub/some%20file.bin", login);
            let log = |story: String| format!("{story}{}", server.log());
            let fresh = fresh(&url, mode, &data).map_err(log);
            // The others answer what goes behind RETR at once, and refuse it.
            let pipelining = if kind == Kind::Vsftpd { "deep" } else { "burst" };
            let resumed = resumed(&url, mode, pipelining, &data).map_err(log);
            cells.push(Cell { kind, ipv6, login, mode, fresh, resumed });
        }
    }
    cells
}

fn fresh(url: &str, mode: &str, data: &[u8]) -> Result<String, String> {
    let ftpq = Ftpq::new();
    let ended = ftpq.run(&[
        "--json",
        "get",
        url,
        "-o",
        "file.bin",
        "--data-mode",
        mode,
        "--timeout",
        "10",
        "--pipelining",
        "burst",
    ]);
    let path = ftpq.downloads().join("file.bin");
    if ended.code != Some(0) || fs::read(&path).ok().as_deref() != Some(data) {
        return Err(ended.to_string());
    }
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    let right = modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() == MODIFIED;
    let time = if right { "time kept" } else { return Err(format!("the time is lost\n{ended}")) };
    Ok(format!("equal, {time}"))
}

fn resumed(url: &str, mode: &str, pipelining: &str, data: &[u8]) -> Result<String, String> {
    let ftpq = Ftpq::new();
    ftpq.add(&[(url.to_owned(), "file.bin")]);
    let path = ftpq.downloads().join("file.bin");
    let part = watch::part_of(&path);
    let run = ftpq.spawn(&["run", "--data-mode", mode]);
    let there = watch::wait_for(Duration::from_secs(15), || watch::length(&part) >= LEN as u64 / 3);
    let killed = run.kill();
    if !there {
        return Err(format!("no part file of a third came about\n{killed}"));
    }
    let have = watch::length(&part);
    let ended = ftpq.run(&["--json", "run", "--data-mode", mode, "--timeout", "10", "--pipelining", pipelining]);
    if ended.code != Some(0) || fs::read(&path).ok().as_deref() != Some(data) {
        return Err(format!("{killed}{ended}"));
    }
    let fetched = ended.events("done").iter().filter_map(|e| e["fetched"].as_u64()).sum::<u64>();
    if fetched > LEN as u64 - have + 70_000 {
        return Err(format!("{have} bytes were there, and {fetched} of {LEN} were fetched\n{killed}{ended}"));
    }
    Ok(format!("equal, {} of {} KB kept", have / 1000, LEN / 1000))
}

#[test]
fn commands_ahead_of_replies_lose_nothing_on_any_server() {
    if let Some(reason) = real::unavailable() {
        return report::skip(&reason);
    }
    let threads = Kind::ALL.map(|kind| thread::spawn(move || ahead_on(kind)));
    let table: String = threads.into_iter().map(|t| t.join().unwrap()).collect();
    report::table(&table);
}

/// Many small files and an interrupted large one over one session, however far commands go ahead. Returns the table.
fn ahead_on(kind: Kind) -> String {
    const SMALL: u64 = 12;
    let server = Server::start(kind, Options { rate: 6_000_000, ..Options::default() });
    let large = pseudo_random(110, LEN);
    server.put("large", &large);
    (0..SMALL).for_each(|n| server.put(&format!("f{n}"), &pseudo_random(120 + n, 900)));
    let mut table = String::new();
    for how in ["auto", "burst", "deep"] {
        let ftpq = Ftpq::new();
        ftpq.add(&[(server.url("large", true), "large")]);
        let part = watch::part_of(&ftpq.downloads().join("large"));
        let run = ftpq.spawn(&["run", "--pipelining", how]);
        let there = watch::wait_for(Duration::from_secs(15), || watch::length(&part) >= LEN as u64 / 3);
        let killed = run.kill();
        assert!(there, "{killed}");
        let names: Vec<String> = (0..SMALL).map(|n| format!("f{n}")).collect();
        ftpq.add(&names.iter().map(|n| (server.url(n, true), n.as_str())).collect::<Vec<_>>());
        let one = ["--json", "run", "--per-host", "1", "--retries", "0", "--timeout", "10", "--pipelining", how];
        let ended = ftpq.run(&one).expect_code(0);
        ftpq.assert_file("large", &large, &ended);
        (0..SMALL).for_each(|n| ftpq.assert_file(&format!("f{n}"), &pseudo_random(120 + n, 900), &ended));
        let quirks = ftpq.json_one(&["status"])["hosts"][0]["quirks"].clone();
        assert_eq!(quirks["lockstep"], false, "{} {how}: {quirks}\n{ended}", kind.name());
        let queues = kind == Kind::Vsftpd;
        let learned = (quirks["queues_commands"] == true, quirks["no_queueing"] == true);
        match how {
            "auto" => assert_eq!(learned, (queues, false), "{}: {quirks}\n{ended}", kind.name()),
            // The others are quick enough with small files to seem to queue.
            "deep" if queues => assert_eq!(learned, (false, false), "{}: {quirks}\n{ended}", kind.name()),
            _ => {}
        }
        writeln!(table, "{:<10} {how:<6} 13 files equal, one resumed", kind.name()).unwrap();
    }
    table
}

#[test]
fn vsftpd_with_two_connections_allowed_does_forty_files_and_the_limit_is_remembered() {
    if let Some(reason) = real::unavailable() {
        return report::skip(&reason);
    }
    let server = Server::start(Kind::Vsftpd, Options { max_per_ip: 2, rate: 300_000, ..Options::default() });
    let data = pseudo_random(101, 30_000);
    let names: Vec<String> = (0..40).map(|n| format!("f{n:02}")).collect();
    names.iter().for_each(|name| server.put(name, &data));
    let ftpq = Ftpq::new();
    ftpq.add(&names.iter().map(|n| (server.url(n, false), n.as_str())).collect::<Vec<_>>());
    let many = ["--json", "run", "--connections", "8", "--per-host", "8"];
    let ended = ftpq.run(&many).expect_code(0);
    names.iter().for_each(|name| ftpq.assert_file(name, &data, &ended));
    assert!(ended.events("failed").is_empty(), "{ended}");
    let limit = || ftpq.json_one(&["status"])["hosts"][0]["connection_limit"].clone();
    assert_eq!(limit(), 2, "the budget was to be learned\n{ended}");
    server.put("one more", &data);
    ftpq.add(&[(server.url("one%20more", false), "one more")]);
    let again = ftpq.run(&many).expect_code(0);
    assert_eq!(limit(), 2, "the budget was to be kept for the next run\n{again}");
    report::table(&format!(
        "vsftpd, max_per_ip=2, --per-host 8: {} files done, connection_limit {}\n",
        names.len(),
        limit()
    ));
}

#[test]
fn a_missing_file_and_a_wrong_password_are_told_apart_on_every_server() {
    if let Some(reason) = real::unavailable() {
        return report::skip(&reason);
    }
    for kind in Kind::ALL {
        let server = Server::start(kind, Options::default());
        let ftpq = Ftpq::new();
        let missing = ftpq.run(&["--json", "get", &server.url("nothing.bin", true)]).expect_code(1);
        let failed = missing.events("failed");
        assert_eq!(failed[0]["failure"]["cause"], "missing", "{}\n{missing}", kind.name());
        let wrong = server.url("nothing.bin", true).replace("user:password", "user:wrong");
        let ftpq = Ftpq::new();
        let refused = ftpq.run(&["--json", "get", &wrong]);
        assert!(matches!(refused.code, Some(1 | 3)), "{}\n{refused}", kind.name());
        assert!(refused.out.contains("login_refused"), "{}\n{refused}", kind.name());
        assert!(!refused.everything().contains("user:wrong"), "the password is shown\n{refused}");
    }
}
