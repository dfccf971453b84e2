//! Every host with work gets a connection, however slow the others are.

use crate::support::{Act, Ftpq, Scripted, Traits, pseudo_random, watch};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Files of a slow host: at its pace they take minutes.
const SLOW: usize = 300_000;

/// Servers that send 1,500 bytes a second until they are told to be quick, each with so many files.
fn slow_servers(count: usize, files: usize) -> (Vec<Scripted>, Arc<AtomicBool>) {
    let quick = Arc::new(AtomicBool::new(false));
    let servers = (0..count).map(|number| {
        let quick = Arc::clone(&quick);
        let server = Scripted::with(Traits::default(), move |turn| match turn.verb {
            "RETR" if turn.honest.is_some() && !quick.load(Ordering::SeqCst) => {
                let mut delivery = turn.delivery();
                delivery.pace = 1_500;
                Act::Deliver(delivery)
            }
            _ => Act::Usual,
        });
        (0..files).for_each(|file| server.put(&format!("s{number}-{file}"), pseudo_random(330 + number as u64, SLOW)));
        server
    });
    (servers.collect(), quick)
}

fn jobs_of(servers: &[Scripted], files: usize) -> Vec<(String, String)> {
    let names = (0..servers.len()).flat_map(|number| (0..files).map(move |file| (number, format!("s{number}-{file}"))));
    names.map(|(number, name)| (servers[number].url(&name), name)).collect()
}

fn add(ftpq: &Ftpq, jobs: &[(String, String)]) {
    ftpq.add(&jobs.iter().map(|(url, name)| (url.clone(), name.as_str())).collect::<Vec<_>>());
}

/// A quick host with so many files.
fn good_server(files: usize) -> (Scripted, Vec<(String, String)>) {
    let server = Scripted::honest();
    let names: Vec<String> = (0..files).map(|n| format!("good{n}")).collect();
    names.iter().for_each(|name| server.put(name, pseudo_random(340, 20_000)));
    let jobs = names.into_iter().map(|name| (server.url(&name), name)).collect();
    (server, jobs)
}

fn all_there(ftpq: &Ftpq, jobs: &[(String, String)]) -> bool {
    jobs.iter().all(|(_, name)| ftpq.downloads().join(name).exists())
}

#[test]
fn slow_hosts_that_come_first_leave_a_connection_to_the_last() {
    let (slow, _quick) = slow_servers(4, 4);
    let (_good, good_jobs) = good_server(6);
    let ftpq = Ftpq::new();
    add(&ftpq, &[jobs_of(&slow, 4), good_jobs.clone()].concat());
    let run = ftpq.spawn(&["run", "--connections", "8", "--no-split"]);
    let done = watch::wait_for(Duration::from_secs(25), || all_there(&ftpq, &good_jobs));
    assert!(done, "the good host's files did not come beside the slow ones\n{}", run.so_far());
    assert!(slow.iter().all(|server| !server.core().args("RETR").is_empty()), "a slow host got nothing");
}

/// All connections are taken before the good host has any work; what the slow ones have so far is not lost.
#[test]
fn a_host_that_comes_later_gets_a_connection_of_those_that_have_several() {
    let (slow, quick) = slow_servers(2, 2);
    let ftpq = Ftpq::new();
    let slow_jobs = jobs_of(&slow, 2);
    add(&ftpq, &slow_jobs);
    let run = ftpq.spawn(&["run", "--connections", "4", "--per-host", "2", "--timeout", "3", "--no-split"]);
    let busy = || slow.iter().all(|server| server.core().args("RETR").len() == 2);
    assert!(watch::wait_for(Duration::from_secs(25), busy), "{}", run.so_far());
    let (_good, good_jobs) = good_server(6);
    add(&ftpq, &good_jobs);
    let done = watch::wait_for(Duration::from_secs(40), || all_there(&ftpq, &good_jobs));
    assert!(done, "the good host's files did not come beside the slow ones\n{}", run.so_far());
    // The screen has a thread of its own, which may be later than the files.
    let told = watch::wait_for(Duration::from_secs(10), || run.so_far().contains("it goes on where it stopped"));
    assert!(told, "it is not said\n{}", run.so_far());
    quick.store(true, Ordering::SeqCst);
    let stopped = run.kill();
    let again = ftpq.run(&["run"]).expect_code(0);
    assert_eq!(ftpq.count("failed"), 0, "{stopped}{again}");
    for (number, server) in slow.iter().enumerate() {
        for file in 0..2 {
            let name = format!("s{number}-{file}");
            ftpq.assert_file(&name, &pseudo_random(330 + number as u64, SLOW), &format!("{stopped}{again}"));
            // Each stop and the kill cost an overlap at most, beside what was under way.
            let sent = server.core().sent(&name);
            assert!(sent < SLOW as u64 + 150_000, "{name}: {sent} bytes were sent\n{stopped}{again}");
        }
    }
}

/// Nothing could go on where it was stopped: then it is not stopped, and the good host waits for the first file's end.
#[test]
fn a_transfer_that_can_not_go_on_later_is_not_stopped_for_others() {
    let (slow, _quick) = slow_servers(1, 2);
    let ftpq = Ftpq::new();
    add(&ftpq, &jobs_of(&slow, 2));
    let args = ["run", "--connections", "2", "--per-host", "2", "--timeout", "1", "--no-split", "--no-resume"];
    let run = ftpq.spawn(&args);
    assert!(watch::wait_for(Duration::from_secs(25), || slow[0].core().args("RETR").len() == 2), "{}", run.so_far());
    let (good, good_jobs) = good_server(1);
    add(&ftpq, &good_jobs);
    let begun = watch::wait_for(Duration::from_secs(6), || good.core().sessions().1 > 0);
    assert!(!begun && !run.so_far().contains("stopped"), "{}", run.so_far());
    assert_eq!(slow[0].core().args("RETR").len(), 2, "{}", run.so_far());
}

/// Fewer connections than hosts: these take turns, and none waits until another is through with all it has.
#[test]
fn hosts_take_turns_where_there_are_fewer_connections_than_hosts() {
    let servers: Vec<Scripted> = (0..2)
        .map(|number| {
            let server = Scripted::with(Traits { pace: 60_000, ..Traits::default() }, |_| Act::Usual);
            (0..100).for_each(|file| server.put(&format!("s{number}-{file}"), pseudo_random(350, 20_000)));
            server
        })
        .collect();
    let ftpq = Ftpq::new();
    add(&ftpq, &jobs_of(&servers, 100));
    let run = ftpq.spawn(&["run", "--connections", "1"]);
    let begun = |number: usize| !servers[number].core().args("RETR").is_empty();
    assert!(watch::wait_for(Duration::from_secs(40), || begun(0) && begun(1)), "{}", run.so_far());
    let fetched: Vec<usize> = servers.iter().map(|server| server.core().args("RETR").len()).collect();
    assert!(fetched.iter().all(|&files| files < 100), "one waited until the other was through: {fetched:?}");
    assert!(servers.iter().all(|server| server.core().sessions().0 == 1), "{}", run.so_far());
}
