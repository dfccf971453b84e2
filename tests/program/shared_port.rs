//! Servers that name one data port to two sessions at once: each could get the other's bytes, and no reply would tell.

use crate::support::{Act, Ended, Ftpq, Port, Scripted, Traits, Turn, pseudo_random};
use std::{
    io::Write,
    net::{TcpListener, TcpStream},
    sync::Mutex,
    thread::sleep,
    time::{Duration, Instant},
};

/// Which of the connections that wait a transfer is given.
#[derive(Clone, Copy)]
enum Given {
    First,
    Last,
}

fn names(verb: &str, code: &str, port: u16) -> Act {
    match verb {
        "EPSV" if code == "229" => Act::say(&format!("229 Entering Extended Passive Mode (|||{port}|)")),
        "EPSV" => Act::say("502 EPSV is not implemented."),
        _ => Act::say(&format!("227 Entering Passive Mode (127,0,0,1,{},{})", port >> 8, port & 255)),
    }
}

/// Sends what the turn asks for over a connection.
fn send(turn: &Turn, mut stream: TcpStream) -> Act {
    let honest = turn.delivery();
    stream.set_nonblocking(false).unwrap();
    let whole = stream.write_all(&honest.data[honest.from..]).is_ok();
    drop(stream);
    Act::say(if whole { "150 Here it comes.\r\n226 Done." } else { "150 Here it comes.\r\n426 Broken." })
}

/// A server with one passive port for all.
fn one_port_for_all(code: &'static str, given: Given) -> Scripted {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let waiting: Mutex<Vec<TcpStream>> = Mutex::default();
    Scripted::with(Traits::default(), move |turn| match turn.verb {
        "EPSV" | "PASV" => names(turn.verb, code, port),
        "RETR" if turn.arg.ends_with("silent") => {
            sleep(Duration::from_secs(8));
            Act::say_and_close("451 Nothing comes.")
        }
        "RETR" => {
            let until = Instant::now() + Duration::from_millis(50);
            let mut mine = None;
            // A moment for others to connect.
            while Instant::now() < until || mine.is_none() {
                let mut waiting = waiting.lock().unwrap();
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true).unwrap();
                    waiting.push(stream);
                }
                // What was closed since would take the bytes of the next one.
                waiting.retain(|stream| !matches!(stream.peek(&mut [0; 1]), Ok(0)));
                if Instant::now() >= until && !waiting.is_empty() {
                    mine = Some(match given {
                        Given::First => waiting.remove(0),
                        Given::Last => waiting.pop().unwrap(),
                    });
                }
                drop(waiting);
                sleep(Duration::from_millis(2));
                if Instant::now() > until + Duration::from_secs(5) {
                    return Act::say("425 Nobody came.");
                }
            }
            send(turn, mine.unwrap())
        }
        _ => Act::Usual,
    })
}

/// Fetches files of equal length over four sessions; each is to have its own bytes after one attempt.
fn each_file_gets_its_own_bytes(server: &Scripted, more: &[&str]) -> Ended {
    const FILES: usize = 16;
    let files: Vec<Vec<u8>> = (0..FILES).map(|n| pseudo_random(760 + n as u64, 9_000)).collect();
    let ftpq = Ftpq::new();
    let mut jobs = Vec::new();
    for (n, data) in files.iter().enumerate() {
        server.put(&format!("f{n}"), data.clone());
        jobs.push((server.url(&format!("f{n}")), format!("f{n}")));
    }
    ftpq.add(&jobs.iter().map(|(url, path)| (url.clone(), path.as_str())).collect::<Vec<_>>());
    let args = [&["--json", "run", "--timeout", "10", "--retries", "0", "--per-host", "4"], more].concat();
    let ended = ftpq.run(&args);
    let story = format!("{ended}{}", server.core().dialogue());
    assert_eq!(ended.code, Some(0), "{story}");
    for (n, data) in files.iter().enumerate() {
        ftpq.assert_file(&format!("f{n}"), data, &story);
    }
    assert!(server.core().sessions().0 > 1, "one session at a time\n{story}");
    ended
}

#[test]
fn files_of_equal_length_from_one_port_get_their_own_bytes() {
    for given in [Given::First, Given::Last] {
        each_file_gets_its_own_bytes(&one_port_for_all("229", given), &[]);
    }
}

#[test]
fn files_of_equal_length_from_one_port_of_pasv_get_their_own_bytes() {
    for given in [Given::First, Given::Last] {
        each_file_gets_its_own_bytes(&one_port_for_all("227", given), &[]);
    }
}

/// The data connection stands before the transfer is asked for.
#[test]
fn files_of_equal_length_from_one_port_get_their_own_bytes_where_commands_go_ahead() {
    for given in [Given::First, Given::Last] {
        for how in ["burst", "deep"] {
            each_file_gets_its_own_bytes(&one_port_for_all("229", given), &["--pipelining", how]);
        }
    }
}

/// pyftpdlib with few ports: each is free again as soon as its connection was accepted, long before the transfer.
#[test]
fn a_port_that_is_named_anew_once_its_connection_was_accepted_costs_no_attempt() {
    let ports = [Port::new(), Port::new()];
    // What each session has: its listener, or the connection it accepted.
    let accepted: Mutex<Vec<(usize, TcpStream)>> = Mutex::default();
    let listening: Mutex<Vec<(usize, TcpListener)>> = Mutex::default();
    let take_up =
        move |wanted: usize, accepted: &Mutex<Vec<(usize, TcpStream)>>, at: &Mutex<Vec<(usize, TcpListener)>>| {
            let mut at = at.lock().unwrap();
            let mut accepted = accepted.lock().unwrap();
            at.retain(|(session, listener)| match listener.accept() {
                Ok((stream, _)) => {
                    accepted.retain(|(other, _)| other != session);
                    accepted.push((*session, stream));
                    false
                }
                Err(_) => true,
            });
            let found = accepted.iter().position(|(session, _)| *session == wanted);
            found.map(|found| accepted.remove(found).1)
        };
    let server = Scripted::with(Traits::default(), move |turn| match turn.verb {
        "EPSV" => {
            let until = Instant::now() + Duration::from_secs(5);
            loop {
                if let Some(standing) = take_up(turn.session, &accepted, &listening) {
                    drop(standing);
                }
                for port in &ports {
                    if let Some(listener) = port.listen() {
                        listener.set_nonblocking(true).unwrap();
                        listening.lock().unwrap().push((turn.session, listener));
                        return names("EPSV", "229", port.number());
                    }
                }
                sleep(Duration::from_millis(2));
                if Instant::now() > until {
                    return Act::say("425 No port is free.");
                }
            }
        }
        "RETR" => {
            let until = Instant::now() + Duration::from_secs(5);
            loop {
                if let Some(stream) = take_up(turn.session, &accepted, &listening) {
                    return send(turn, stream);
                }
                sleep(Duration::from_millis(2));
                if Instant::now() > until {
                    return Act::say("425 Nobody came.");
                }
            }
        }
        _ => Act::Usual,
    });
    for how in ["off", "burst"] {
        each_file_gets_its_own_bytes(&server, &["--pipelining", how]);
    }
}

/// Who waits for a first byte that does not come keeps the others waiting no longer than itself.
#[test]
fn a_transfer_that_never_begins_frees_its_port_in_the_end() {
    let server = one_port_for_all("229", Given::First);
    let data = pseudo_random(790, 5000);
    let ftpq = Ftpq::new();
    for name in ["silent", "a", "b", "c"] {
        server.put(name, data.clone());
        ftpq.add(&[(server.url(name), name)]);
    }
    let ended = ftpq.run(&["--json", "run", "--timeout", "3", "--retries", "3", "--per-host", "4"]);
    let story = format!("{ended}{}", server.core().dialogue());
    assert_eq!(ended.code, Some(1), "{story}");
    for name in ["a", "b", "c"] {
        ftpq.assert_file(name, &data, &story);
    }
    assert_eq!(ended.events("failed").len(), 1, "{story}");
}
