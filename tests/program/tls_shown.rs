//! TLS that is left to the server, or not checked: what comes of it, and that nobody can overlook it.

use crate::support::{
    Act, Ftpq, Scripted, Traits, certs::Authority, certs::Identity, pseudo_random, scripted::Tls, watch,
};
use std::time::Duration;

/// The settings file of a program.
fn set(ftpq: &Ftpq, text: &str) -> String {
    ftpq.write("config.toml", text)
}

/// A program that trusts the certificates of somebody unconcerned, as a system does.
fn trusting_others() -> Ftpq {
    let mut ftpq = Ftpq::new();
    let roots = ftpq.write("roots.pem", Authority::new("others").pem());
    ftpq.set("SSL_CERT_FILE", &roots);
    ftpq
}

/// A server that takes TLS and clear text alike.
fn lenient(identity: Identity) -> Scripted {
    let tls = Tls { required: false, ..Tls::new(identity) };
    Scripted::with(Traits { tls: Some(tls), ..Traits::default() }, |_| Act::Usual)
}

fn was_in_clear(server: &Scripted) -> bool {
    server.core().heard_in_clear().contains("PASS")
}

#[test]
fn prefer_takes_tls_where_it_is_offered() {
    let authority = Authority::new("tests");
    let server = lenient(authority.good());
    let data = pseudo_random(900, 5000);
    server.put("a", data.clone());
    let ftpq = Ftpq::new();
    let ca = ftpq.write("ca.pem", authority.pem());
    let config = set(&ftpq, &format!("[host.\"127.0.0.1\"]\ntls = \"prefer\"\nca-file = \"{ca}\"\n"));
    ftpq.add(&[(server.url("a"), "a")]);
    let before = ftpq.run(&["--config", &config, "status"]);
    assert!(before.out.contains("TLS if offered"), "{before}");
    let ended = ftpq.run(&["--config", &config, "run"]).expect_code(0);
    ftpq.assert_file("a", &data, &ended);
    assert!(!was_in_clear(&server), "{}", server.core().dialogue());
    let after = ftpq.run(&["--config", &config, "status"]);
    assert!(after.out.contains("TLS 1.3") && !after.out.contains("NO TLS"), "{after}");
}

#[test]
fn prefer_goes_on_without_tls_and_says_so_everywhere() {
    let server = Scripted::with(Traits { pace: 200_000, ..Traits::default() }, |_| Act::Usual);
    let data = pseudo_random(901, 400_000);
    server.put("a", data.clone());
    let ftpq = trusting_others();
    let config = set(&ftpq, "[host.\"127.0.0.1\"]\ntls = \"prefer\"\n");
    ftpq.add(&[(server.url("a"), "a")]);
    let run = ftpq.spawn(&["--config", &config, "-v", "run"]);
    let seen = watch::wait_for(Duration::from_secs(10), || {
        let status = ftpq.run(&["status", "--json"]);
        let status = status.lines().remove(0);
        status["run"]["lax"][0]["protection"]["tls"] == "none"
    });
    assert!(seen, "{}", run.so_far());
    let ended = run.wait(Duration::from_secs(30)).expect_code(0);
    ftpq.assert_file("a", &data, &ended);
    assert!(ended.err.contains("the server offers no TLS: passwords and files go in the clear"), "{ended}");
    let host = format!("NO TLS: 127.0.0.1:{}", server.address().port());
    assert!(ended.err.contains(&host), "the run's own lines do not say so\n{ended}");
    let shown = ftpq.run(&["show", "1"]);
    assert!(shown.out.contains("note         came in the clear"), "{shown}");
    let status = ftpq.run(&["status"]);
    assert!(status.out.contains("NO TLS"), "{status}");
}

/// Whoever shows a wrong certificate is somebody else, not somebody without TLS.
#[test]
fn prefer_does_not_step_down_before_a_wrong_certificate() {
    for identity in [Identity::self_signed(), Authority::new("tests").expired()] {
        let server = lenient(identity);
        server.put("a", pseudo_random(902, 100));
        let ftpq = trusting_others();
        let config = set(&ftpq, "[host.\"127.0.0.1\"]\ntls = \"prefer\"\n");
        ftpq.add(&[(server.url("a"), "a")]);
        let ended = ftpq.run(&["--config", &config, "--json", "run"]).expect_code(1);
        assert_eq!(ended.events("failed")[0]["failure"]["cause"], "certificate", "{ended}");
        assert!(!was_in_clear(&server), "{}", server.core().dialogue());
        ftpq.assert_absent("a", &ended);
    }
}

/// However a list asks for it, nothing is sent in the clear, or to nobody knows whom.
#[test]
fn a_list_cannot_take_tls_away() {
    let server = lenient(Identity::self_signed());
    server.put("a", pseudo_random(903, 100));
    let ftpq = trusting_others();
    let config = set(&ftpq, "tls = \"explicit\"\n");
    for (setting, words) in [
        ("\"tls\":\"off\"", "not for less"),
        ("\"tls\":\"prefer\"", "not for less"),
        ("\"insecure\":true", "no say"),
        ("\"ca-file\":\"/dev/stdin\"", "no say"),
        ("\"client-key\":\"/etc/passwd\"", "no say"),
    ] {
        let list = ftpq.write("list.jsonl", format!("{{\"url\":\"{}\",{setting}}}\n", server.url("a")));
        let ended = ftpq.run(&["--config", &config, "add", &list]).expect_code(2);
        assert!(ended.err.contains(words) && ended.err.contains("list.jsonl:1:"), "{ended}");
    }
    // What asks for nothing takes nothing away either.
    let list = ftpq.write("list.jsonl", format!("{{\"url\":\"{}\",\"tls\":\"auto\"}}\n", server.url("a")));
    ftpq.run(&["--config", &config, "add", &list]).expect_code(0);
    let ended = ftpq.run(&["--config", &config, "--json", "run"]).expect_code(1);
    assert_eq!(ended.events("failed")[0]["failure"]["cause"], "certificate", "{ended}");
    assert!(!was_in_clear(&server), "{}", server.core().dialogue());
}

#[test]
fn insecure_is_seen_at_the_start_in_the_run_in_status_and_in_the_history() {
    let tls = Tls::new(Identity::self_signed());
    let (pin, pem) = (tls.identity.pin().to_owned(), tls.identity.pem().to_owned());
    let server = Scripted::with(Traits { tls: Some(tls), ..Traits::default() }, |_| Act::Usual);
    let data = pseudo_random(904, 1000);
    let ftpq = Ftpq::new();
    for (name, more, start, line) in [
        ("a", &["--insecure"][..], "ANY CERTIFICATE WILL DO", "TLS 1.3, CERTIFICATE NOT CHECKED"),
        ("b", &["--insecure", "--pin", &pin], "only the pinned key counts", "TLS 1.3, only the key checked"),
    ] {
        server.put(name, data.clone());
        ftpq.add(&[(server.url_by("ftpes", name), name)]);
        let ended = ftpq.run(&[&["run"], more].concat()).expect_code(0);
        ftpq.assert_file(name, &data, &ended);
        assert!(ended.err.lines().next().is_some_and(|first| first.contains(start)), "{ended}");
        assert!(ftpq.run(&["status"]).out.contains(line), "{line}\n{}", ftpq.run(&["status"]));
    }
    let history = ftpq.run(&["show", "1"]).out + &ftpq.run(&["show", "2"]).out;
    assert!(history.contains("note         the server's certificate was not checked (insecure)"), "{history}");
    assert!(history.contains("note         the server's key was checked, but not its certificate"), "{history}");
    // The next session that is checked takes the warning away.
    let ca = ftpq.write("self.pem", &pem);
    server.put("c", data.clone());
    ftpq.add(&[(server.url_by("ftpes", "c"), "c")]);
    ftpq.run(&["run", "--ca-file", &ca]).expect_code(0);
    let status = ftpq.run(&["status"]).out;
    assert!(status.contains("TLS 1.3") && !status.contains("CHECKED"), "{status}");
}

/// Files that a policy needs are looked into before anything is sent; a job that names one that is gone stays queued.
#[test]
fn a_file_of_a_job_that_is_gone_holds_the_host_and_fails_no_job() {
    let authority = Authority::new("tests");
    let server = lenient(authority.good());
    let ftpq = Ftpq::new();
    let ca = ftpq.write("ca.pem", authority.pem());
    for name in ["a", "b", "c"] {
        server.put(name, pseudo_random(905, 100));
        let url = server.url_by("ftpes", name);
        ftpq.run(&["add", &url, "--ca-file", &ca, "--into", &ftpq.downloads().display().to_string()]).expect_code(0);
    }
    std::fs::remove_file(&ca).unwrap();
    let ended = ftpq.run(&["--json", "run"]).expect_code(5);
    assert_eq!((ended.events("failed").len(), ended.events("held").len()), (0, 1), "{ended}");
    assert!(ended.everything().contains("ca.pem"), "{ended}");
    assert_eq!((ftpq.count("queued"), server.core().sessions().0), (3, 0), "{ended}");
    ftpq.write("ca.pem", authority.pem());
    ftpq.run(&["run"]).expect_code(0);
    assert_eq!(ftpq.count("done"), 3);
}
