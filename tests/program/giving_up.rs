//! Servers that refuse for ever: a run comes to its end by itself, after a bounded number of tries.

use crate::{
    support::{Act, Delivery, Ended, Ftpq, Port, Scripted, Traits, pseudo_random},
    verdict::Case,
};
use std::{thread, time::Duration};

const LEN: usize = 300_000;
/// A run that tries for ever is still at it by then.
const PATIENCE: Duration = Duration::from_secs(25);

fn refusing_every_transfer(refusal: &'static str) {
    let closes = refusal.starts_with("421");
    let server = Scripted::lying(move |turn| match turn.verb {
        "RETR" if closes => Act::say_and_close(refusal),
        "RETR" => Act::say(refusal),
        _ => Act::Usual,
    });
    let case = Case::new(server, &pseudo_random(210, LEN));
    let ended = case.ftpq.spawn(&["--json", "run", "--retries", "2"]).wait(PATIENCE);
    let story = format!("{ended}{}", case.server.core().dialogue());
    let tries = case.server.core().args("RETR").len();
    assert!(tries <= 8, "{tries} tries\n{story}");
    assert!(matches!(ended.code, Some(1 | 3)), "{story}");
    let job = case.ftpq.json_one(&["show", "1"]);
    let words = refusal.split_once(' ').unwrap().1;
    assert!(
        ended.everything().contains(words) || job.to_string().contains(words),
        "the server's words are missing\n{job:#}\n{story}"
    );
    case.ftpq.assert_absent("a.bin", &story);
}

#[test]
fn a_550_of_too_many_downloads_for_ever_comes_to_an_end() {
    refusing_every_transfer("550 Too many downloads, try later");
}

#[test]
fn a_451_of_too_many_transfers_for_ever_comes_to_an_end() {
    refusing_every_transfer("451 Too many transfers");
}

#[test]
fn a_421_of_too_many_downloads_for_ever_comes_to_an_end() {
    refusing_every_transfer("421 Too many downloads");
}

#[test]
fn a_451_after_all_bytes_for_ever_is_given_up() {
    let server = Scripted::lying(|turn| match turn.verb {
        "RETR" if turn.honest.is_some() => {
            let verdict = "451 Requested action aborted: local error in processing.".to_owned();
            Act::Deliver(Delivery { verdict, ..turn.delivery() })
        }
        _ => Act::Usual,
    });
    let case = Case::new(server, &pseudo_random(211, LEN));
    let ended = case.ftpq.spawn(&["run", "--retries", "2"]).wait(PATIENCE);
    let story = format!("{ended}{}", case.server.core().dialogue());
    let tries = case.server.core().args("RETR").len();
    assert!(tries <= 6, "{tries} tries\n{story}");
    assert_eq!(ended.code, Some(1), "{story}");
    assert!(ended.everything().contains("451"), "the server's words are missing\n{story}");
    case.ftpq.assert_absent("a.bin", &story);
}

fn says_unreachable(ended: &Ended) -> bool {
    let said = ended.everything().to_lowercase();
    ["unreachable", "can't be reached", "could not be reached", "can't reach", "refused", "no connection"]
        .iter()
        .any(|words| said.contains(words))
}

#[test]
fn a_host_that_is_down_is_left_soon_and_done_when_it_is_back() {
    let port = Port::new();
    let address = port.address();
    let ftpq = Ftpq::new();
    let names: Vec<String> = (0..20).map(|n| format!("f{n}")).collect();
    ftpq.add(&names.iter().map(|n| (format!("ftp://{address}/{n}"), n.as_str())).collect::<Vec<_>>());
    let down = ftpq.spawn(&["run", "--retries", "2"]).wait(Duration::from_secs(20));
    assert!(matches!(down.code, Some(1 | 3)), "{down}");
    assert!(says_unreachable(&down), "it is not said that the host can't be reached\n{down}");
    assert!(down.everything().contains(&address.port().to_string()), "the host is not named\n{down}");
    let spent = ftpq.count("failed");
    assert!(spent <= 1, "{spent} jobs are failed for the trouble of their host\n{down}");
    thread::sleep(Duration::from_secs(2));
    let server = Scripted::at_port(port, Traits::default(), |_| Act::Usual);
    let data = pseudo_random(212, 1000);
    names.iter().for_each(|n| server.put(n, data.clone()));
    ftpq.run(&["retry", "--state", "failed"]).expect_code(0);
    let up = ftpq.run(&["run", "--retries", "2"]).expect_code(0);
    names.iter().for_each(|n| ftpq.assert_file(n, &data, &format!("{down}{up}")));
}
