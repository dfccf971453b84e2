//! How often the client waits for the server, and what it makes of servers that take commands in their own way.

use crate::support::{Act, Batch, Behind, Delivery, Ftpq, Scripted, Traits, Turn, pseudo_random};
use serde_json::Value;

/// One session, one attempt: what does not work at once shows.
const ONE_GO: [&str; 9] = ["--json", "run", "--per-host", "1", "--connections=1", "--retries", "0", "--timeout", "2"];

/// A folder of small files on a server, and a queue for them.
struct Batchful {
    ftpq: Ftpq,
    server: Scripted,
    data: Vec<Vec<u8>>,
}

impl Batchful {
    fn new(server: Scripted, files: usize) -> Self {
        let data: Vec<Vec<u8>> = (0..files).map(|n| pseudo_random(400 + n as u64, 3_000 + 7 * n)).collect();
        let ftpq = Ftpq::new();
        for (n, data) in data.iter().enumerate() {
            server.put(&format!("f{n}"), data.clone());
        }
        let jobs: Vec<(String, String)> =
            (0..data.len()).map(|n| (server.url(&format!("f{n}")), format!("f{n}"))).collect();
        ftpq.add(&jobs.iter().map(|(url, path)| (url.clone(), path.as_str())).collect::<Vec<_>>());
        Self { ftpq, server, data }
    }

    /// Runs, and returns the story; every file has to be there after one attempt.
    fn run(&self, more: &[&str]) -> String {
        let ended = self.ftpq.run(&[&ONE_GO, more].concat());
        let story = format!("{ended}{}", self.server.core().dialogue());
        assert_eq!(ended.code, Some(0), "{story}");
        assert!(ended.events("retrying").is_empty() && ended.events("failed").is_empty(), "{story}");
        for (n, data) in self.data.iter().enumerate() {
            self.ftpq.assert_file(&format!("f{n}"), data, &story);
        }
        story
    }

    fn quirks(&self) -> Value {
        self.ftpq.json_one(&["status"])["hosts"][0]["quirks"].clone()
    }

    /// The commands of a session after its login, each file's from its EPSV on.
    fn commands(&self, session: usize) -> Vec<String> {
        let all = self.server.core().commands_of(session);
        all.into_iter().skip_while(|line| !line.starts_with("PWD")).skip(1).collect()
    }
}

fn server(traits: Traits) -> Scripted {
    Scripted::with(traits, |_| Act::Usual)
}

fn batch(batch: Batch) -> Traits {
    Traits { batch, ..Traits::default() }
}

fn count(lines: &[String], verb: &str) -> usize {
    lines.iter().filter(|line| line.starts_with(verb)).count()
}

// ---- how many round trips ----

/// Connect, USER, PASS, and FEAT with TYPE and PWD: in that order, and QUIT.
const LOGIN_AND_QUIT: usize = 4;
/// Whether a file is still the same is asked along with the next file's questions; the last has none to go with.
const LAST_LOOK: usize = 1;

#[test]
fn a_file_takes_three_round_trips_in_bursts_and_two_behind_retr() {
    const FILES: usize = 8;
    for (how, per_file) in [("burst", 3), ("deep", 2)] {
        for batch in [Batch::Gathered, Batch::Coalesced] {
            let case = Batchful::new(server(Traits { batch, ..Traits::default() }), FILES);
            let story = case.run(&["--pipelining", how]);
            let turns = case.server.core().turns() - LOGIN_AND_QUIT - LAST_LOOK;
            // The first EPSV of a session is a turn of its own.
            let expected = per_file * FILES + usize::from(how == "deep");
            assert_eq!(turns, expected, "{how}\n{story}");
        }
    }
}

#[test]
fn an_unknown_host_is_asked_one_by_one_for_its_first_file_only() {
    const FILES: usize = 6;
    let case = Batchful::new(server(batch(Batch::Gathered)), FILES);
    let story = case.run(&[]);
    // OPTS UTF8, SIZE, MDTM, EPSV, RETR; three for each of the others.
    assert_eq!(case.server.core().turns() - LOGIN_AND_QUIT - LAST_LOOK, 5 + 3 * (FILES - 1), "{story}");
    assert_eq!(case.quirks()["pipelines"], true, "{story}");
    assert_eq!(case.quirks()["lockstep"], false, "{story}");
    assert_eq!(count(&case.commands(1), "NOOP"), 0, "{story}");

    // What was learned is there for the next run.
    case.server.put("more", case.data[0].clone());
    case.ftpq.add(&[(case.server.url("more"), "more")]);
    let before = case.server.core().turns();
    let story = case.run(&[]);
    assert_eq!(case.server.core().turns() - before - LOGIN_AND_QUIT - LAST_LOOK, 3, "{story}");
}

#[test]
fn pipelining_off_and_active_modes_go_one_by_one() {
    for more in [&["--pipelining", "off"][..], &["--pipelining", "off", "--data-mode", "port"]] {
        let case = Batchful::new(server(batch(Batch::FirstOnly)), 3);
        let story = case.run(more);
        assert_eq!(case.server.core().sessions().1, 1, "{story}");
    }
    // Without a passive port size and time still go together.
    let case = Batchful::new(server(batch(Batch::Gathered)), 3);
    let story = case.run(&["--data-mode", "port", "--pipelining", "deep"]);
    assert_eq!(case.server.core().turns() - LOGIN_AND_QUIT - LAST_LOOK, 3 * 3, "{story}");
    assert_eq!(count(&case.commands(1), "EPSV"), 0, "{story}");
}

#[test]
fn replies_in_single_bytes_are_told_apart() {
    let traits = Traits { drip_ms: Some(1), mlst: true, ..batch(Batch::Gathered) };
    let case = Batchful::new(server(traits), 3);
    let story = case.run(&["--pipelining", "deep"]);
    assert_eq!(case.server.core().sessions().1, 1, "{story}");
}

// ---- what is learned of queueing ----

fn greeted(name: &'static str, traits: Traits) -> Scripted {
    Scripted::with(traits, move |turn| match turn.verb {
        "GREETING" => Act::say(&format!("220 ({name} 3.0.5)")),
        _ => Act::Usual,
    })
}

#[test]
fn a_server_with_the_name_for_it_is_proved_by_one_noop_and_sent_epsv_behind_retr_then() {
    let case = Batchful::new(greeted("vsFTPd", batch(Batch::Gathered)), 5);
    let story = case.run(&[]);
    assert_eq!(case.quirks()["queues_commands"], true, "{story}");
    let commands = case.commands(1);
    assert_eq!(count(&commands, "NOOP"), 1, "{story}");
    // One by one; a burst with NOOP behind; a burst; and from then on the port is there before it is needed.
    assert_eq!(case.server.core().turns() - LOGIN_AND_QUIT - LAST_LOOK, 5 + 3 + 3 + 2 + 2, "{story}");
    let at = commands.iter().position(|line| line == "NOOP").unwrap();
    assert!(commands[at - 1].starts_with("RETR"), "{story}");
}

#[test]
fn a_server_with_a_name_against_it_is_not_tried() {
    let case = Batchful::new(greeted("ProFTPD", batch(Batch::Gathered)), 1);
    case.run(&[]);
    let large = pseudo_random(451, 17 << 20);
    case.server.put("large", large.clone());
    case.ftpq.add(&[(case.server.url("large"), "large")]);
    let story = case.run(&[]);
    case.ftpq.assert_file("large", &large, &story);
    assert!(case.server.core().args("NOOP").is_empty(), "{story}");
}

#[test]
fn an_early_answer_harms_no_transfer_and_ends_the_matter_for_good() {
    for behind in [Behind::AtOnce, Behind::Refused] {
        let traits = Traits { behind, ..batch(Batch::Gathered) };
        let case = Batchful::new(greeted("vsFTPd", traits), 4);
        let story = case.run(&[]);
        let quirks = case.quirks();
        assert_eq!((&quirks["no_queueing"], &quirks["queues_commands"]), (&true.into(), &false.into()), "{story}");
        assert_eq!(quirks["lockstep"], false, "{story}");
        assert_eq!(count(&case.commands(1), "NOOP"), 1, "{story}");
        assert_eq!(case.server.core().sessions().1, 1, "{story}");
        assert_eq!(case.server.core().args("RETR").len(), 4, "{story}");
    }
}

#[test]
fn any_server_is_tried_behind_a_large_file() {
    for (behind, queues) in [(Behind::Queued, true), (Behind::AtOnce, false), (Behind::Refused, false)] {
        let case = Batchful::new(server(Traits { behind, ..batch(Batch::Gathered) }), 1);
        case.run(&[]);
        let large = pseudo_random(450, 17 << 20);
        case.server.put("large", large.clone());
        case.server.put("small", case.data[0].clone());
        case.ftpq.add(&[(case.server.url("large"), "large"), (case.server.url("small"), "small")]);
        let story = case.run(&[]);
        case.ftpq.assert_file("large", &large, &story);
        case.ftpq.assert_file("small", &case.data[0], &story);
        let quirks = case.quirks();
        assert_eq!(quirks["queues_commands"], queues, "{story}");
        assert_eq!(quirks["no_queueing"], !queues, "{story}");
    }
}

#[test]
fn a_user_who_vouches_wrongly_loses_no_file() {
    for behind in [Behind::AtOnce, Behind::Refused, Behind::Busy, Behind::Dropped] {
        let case = Batchful::new(server(Traits { behind, ..batch(Batch::Gathered) }), 4);
        let story = case.run(&["--pipelining", "deep"]);
        assert_eq!(case.quirks()["no_queueing"], true, "{story}");
        let behind = case.server.core().commands();
        let after_retr = behind.windows(2).filter(|two| two[0].starts_with("RETR") && two[1] == "EPSV").count();
        assert!(after_retr >= 1, "{story}");
    }
}

// ---- servers that don't take several commands at once ----

#[test]
fn replies_in_another_order_are_asked_for_again_and_the_host_goes_one_by_one() {
    let case = Batchful::new(server(batch(Batch::Shuffled)), 4);
    let story = case.run(&[]);
    assert_eq!(case.quirks()["lockstep"], true, "{story}");
    assert_eq!(case.server.core().sessions().1, 1, "nothing was lost by it\n{story}");
    // Of each file before and after, and twice of the two at which it showed.
    assert_eq!(case.server.core().args("SIZE").len(), 4 * 2 + 2, "{story}");
    assert!(case.ftpq.run(&["status"]).out.contains("one command at a time"), "{story}");
}

#[test]
fn dropped_commands_and_closed_connections_cost_sessions_and_no_file() {
    for batch in [Batch::FirstOnly, Batch::Closes] {
        let case = Batchful::new(server(self::batch(batch)), 4);
        let story = case.run(&[]);
        assert_eq!(case.quirks()["lockstep"], true, "{story}");
        // The login shows it once, and a file once more, before it is taken for the server's way.
        assert_eq!(case.server.core().sessions().1, 3, "{story}");
    }
}

#[test]
fn a_doubled_or_foreign_reply_ends_the_session_and_the_habit() {
    for odd in ["213 3000\r\n213 3000", "226 Transfer complete.", "150 going", "220 hello"] {
        let lying = Scripted::with(batch(Batch::Gathered), move |turn: &Turn| match turn.verb {
            "SIZE" if turn.before == 1 => Act::say(odd),
            _ => Act::Usual,
        });
        let case = Batchful::new(lying, 3);
        let story = case.run(&[]);
        assert_eq!(case.quirks()["lockstep"], true, "{odd}\n{story}");
        assert_eq!(case.server.core().sessions().1, 2, "{odd}\n{story}");
    }
}

#[test]
fn a_refusal_in_one_place_is_no_anomaly() {
    for (verb, odd) in [("MDTM", "500 What?"), ("SIZE", "550 SIZE not allowed here."), ("MDTM", "550 No.")] {
        let lying = Scripted::with(batch(Batch::Gathered), move |turn: &Turn| match turn.verb {
            v if v == verb && !turn.arg.ends_with("f0") => Act::say(odd),
            _ => Act::Usual,
        });
        let case = Batchful::new(lying, 4);
        let story = case.run(&[]);
        assert_eq!(case.quirks()["lockstep"], false, "{odd}\n{story}");
        assert_eq!(case.server.core().sessions().1, 1, "{odd}\n{story}");
    }
}

#[test]
fn a_size_that_looks_like_a_time_is_asked_for_again() {
    // 20 terabytes, for all that can be known: there is no room for them.
    let lying = Scripted::with(batch(Batch::Gathered), |turn: &Turn| match turn.verb {
        "SIZE" if turn.before > 0 && turn.arg.ends_with("f1") => Act::say("213 20240229123456"),
        _ => Act::Usual,
    });
    let case = Batchful::new(lying, 3);
    let ended = case.ftpq.run(&ONE_GO);
    let story = format!("{ended}{}", case.server.core().dialogue());
    assert_eq!(case.quirks()["lockstep"], false, "{story}");
    assert_eq!(case.server.core().args("SIZE").iter().filter(|arg| arg.ends_with("f1")).count(), 2, "{story}");
    for n in [0, 2] {
        case.ftpq.assert_file(&format!("f{n}"), &case.data[n], &story);
    }
    assert_eq!(ended.events("disk_full").len(), 1, "{story}");
}

#[test]
fn a_421_in_mid_burst_is_the_servers_word_and_no_anomaly() {
    let lying = Scripted::with(batch(Batch::Gathered), |turn: &Turn| match turn.verb {
        "MDTM" if turn.before == 1 => Act::say_and_close("421 Timeout."),
        _ => Act::Usual,
    });
    let case = Batchful::new(lying, 3);
    let ended = case.ftpq.run(&["--json", "run", "--per-host", "1", "--retries", "3", "--timeout", "2"]).expect_code(0);
    let story = format!("{ended}{}", case.server.core().dialogue());
    assert_eq!(case.quirks()["lockstep"], false, "{story}");
    (0..3).for_each(|n| case.ftpq.assert_file(&format!("f{n}"), &case.data[n], &story));
}

#[test]
fn a_missing_file_leaves_its_data_connection_to_the_next() {
    let case = Batchful::new(server(batch(Batch::Gathered)), 1);
    case.run(&[]);
    let turns = case.server.core().turns();
    case.server.put("last", case.data[0].clone());
    case.ftpq.add(&[(case.server.url("nothing"), "nothing"), (case.server.url("last"), "last")]);
    let ended = case.ftpq.run(&ONE_GO).expect_code(1);
    let story = format!("{ended}{}", case.server.core().dialogue());
    case.ftpq.assert_file("last", &case.data[0], &story);
    assert_eq!(ended.events("failed")[0]["failure"]["cause"], "missing", "{story}");
    // EPSV, burst, CWD to tell a folder from a missing file; then burst and RETR over the same connection.
    assert_eq!(case.server.core().turns() - turns - LOGIN_AND_QUIT - LAST_LOOK, 3 + 2, "{story}");
    assert_eq!(count(&case.commands(2), "EPSV"), 1, "{story}");
}

// ---- restarts ----

#[test]
fn a_server_that_forgets_rest_at_every_other_command_resumes_right() {
    for how in ["auto", "burst", "deep"] {
        let data = pseudo_random(430, 300_000);
        let traits = Traits { rest_must_be_last: true, ..batch(Batch::Gathered) };
        let lying = Scripted::with(traits, |turn: &Turn| match turn.verb {
            // The first half, and the connection breaks.
            "RETR" if turn.before == 0 => {
                let verdict = "426 Connection closed.".to_owned();
                Act::Deliver(Delivery { upto: 150_000, verdict, ..turn.delivery() })
            }
            _ => Act::Usual,
        });
        lying.put("a", data.clone());
        lying.put("b", data[..5_000].to_vec());
        let ftpq = Ftpq::new();
        ftpq.add(&[(lying.url("a"), "a"), (lying.url("b"), "b")]);
        let run = ["--json", "run", "--per-host", "1", "--retries", "3", "--timeout", "3", "--pipelining", how];
        let ended = ftpq.run(&run).expect_code(0);
        let story = format!("{ended}{}", lying.core().dialogue());
        ftpq.assert_file("a", &data, &story);
        ftpq.assert_file("b", &data[..5_000], &story);
        assert_eq!(lying.core().sent("a"), 300_000 + 16 * 1024, "{how}\n{story}");
        let commands = lying.core().commands();
        for (at, _) in commands.iter().enumerate().filter(|(_, line)| line.starts_with("RETR")) {
            let before = &commands[at.saturating_sub(1)];
            let rested = commands[..at].iter().rfind(|line| line.starts_with("REST"));
            assert!(
                rested.is_none_or(|_| before.starts_with("REST") || !commands[at].ends_with('a')),
                "{how}\n{story}"
            );
        }
    }
}
