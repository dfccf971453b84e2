//! A server that names one data port to two sessions at once: each may get the other's bytes, and no reply tells.

use crate::support::{Act, Ftpq, Scripted, Traits, pseudo_random};
use std::{
    io::Write,
    net::{TcpListener, TcpStream},
    sync::Mutex,
    thread::sleep,
    time::{Duration, Instant},
};

/// A server with one passive port for all, which gives each transfer the connection that came last.
fn one_port_for_all(code: &'static str) -> Scripted {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let waiting: Mutex<Vec<TcpStream>> = Mutex::default();
    Scripted::with(Traits::default(), move |turn| match turn.verb {
        "EPSV" if code == "229" => Act::say(&format!("229 Entering Extended Passive Mode (|||{port}|)")),
        "EPSV" => Act::say("502 EPSV is not implemented."),
        "PASV" => Act::say(&format!("227 Entering Passive Mode (127,0,0,1,{},{})", port >> 8, port & 255)),
        "RETR" => {
            let honest = turn.delivery();
            let until = Instant::now() + Duration::from_millis(150);
            let mut mine = None;
            // A moment for others to connect.
            while Instant::now() < until || mine.is_none() {
                let mut waiting = waiting.lock().unwrap();
                while let Ok((stream, _)) = listener.accept() {
                    waiting.push(stream);
                }
                if Instant::now() >= until {
                    mine = waiting.pop();
                }
                drop(waiting);
                sleep(Duration::from_millis(2));
                if Instant::now() > until + Duration::from_secs(5) {
                    return Act::say("425 Nobody came.");
                }
            }
            let mut stream = mine.unwrap();
            stream.set_nonblocking(false).unwrap();
            let whole = stream.write_all(&honest.data[honest.from..]).is_ok();
            drop(stream);
            Act::say(if whole { "150 Here it comes.\r\n226 Done." } else { "150 Here it comes.\r\n426 Broken." })
        }
        _ => Act::Usual,
    })
}

fn each_file_gets_its_own_bytes(code: &'static str, more: &[&str]) {
    const FILES: usize = 12;
    let server = one_port_for_all(code);
    let files: Vec<Vec<u8>> = (0..FILES).map(|n| pseudo_random(760 + n as u64, 9_000)).collect();
    let ftpq = Ftpq::new();
    let mut jobs = Vec::new();
    for (n, data) in files.iter().enumerate() {
        server.put(&format!("f{n}"), data.clone());
        jobs.push((server.url(&format!("f{n}")), format!("f{n}")));
    }
    ftpq.add(&jobs.iter().map(|(url, path)| (url.clone(), path.as_str())).collect::<Vec<_>>());
    let args = [&["--json", "run", "--timeout", "10", "--retries", "6", "--per-host", "4"], more].concat();
    let ended = ftpq.run(&args);
    let story = format!("{ended}{}", server.core().dialogue());
    assert_eq!(ended.code, Some(0), "{story}");
    for (n, data) in files.iter().enumerate() {
        ftpq.assert_file(&format!("f{n}"), data, &story);
    }
    let status = ftpq.json_one(&["status"]);
    assert_eq!(status["hosts"][0]["quirks"]["shares_ports"], true, "{status:#}\n{story}");
    assert!(ftpq.run(&["status"]).out.contains("one connection at a time"), "{story}");
}

#[test]
fn files_of_equal_length_from_one_port_get_their_own_bytes() {
    each_file_gets_its_own_bytes("229", &[]);
}

#[test]
fn files_of_equal_length_from_one_port_of_pasv_get_their_own_bytes() {
    each_file_gets_its_own_bytes("227", &[]);
}

/// The data connection stands before the transfer is asked for.
#[test]
fn files_of_equal_length_from_one_port_get_their_own_bytes_where_commands_go_ahead() {
    each_file_gets_its_own_bytes("229", &["--pipelining", "burst"]);
}

/// What was learned is known to the next run, which makes one connection only.
#[test]
fn a_host_that_shares_its_port_is_met_with_one_connection_the_next_time() {
    let server = one_port_for_all("229");
    let ftpq = Ftpq::new();
    let data: Vec<Vec<u8>> = (0..8).map(|n| pseudo_random(780 + n, 7000)).collect();
    let queue = |from: usize, to: usize| {
        for (n, data) in data.iter().enumerate().take(to).skip(from) {
            server.put(&format!("f{n}"), data.clone());
            ftpq.add(&[(server.url(&format!("f{n}")), &format!("f{n}"))]);
        }
    };
    queue(0, 4);
    ftpq.run(&["run", "--timeout", "10", "--per-host", "4"]).expect_code(0);
    queue(4, 8);
    let before = server.core().sessions().1;
    let ended = ftpq.run(&["--json", "run", "--timeout", "10", "--per-host", "4"]).expect_code(0);
    let story = format!("{ended}{}", server.core().dialogue());
    assert_eq!(server.core().sessions().1, before + 1, "{story}");
    assert!(ended.events("retrying").is_empty(), "{story}");
}
