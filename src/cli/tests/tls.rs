//! TLS on the command line: what is taken, what is refused, what is said.

use super::fake::Trial;
use crate::cli::Exit;
use crate::cli::args::Args;
use crate::model::{
    CertificateCheck, Counts, HostStatus, LaxHost, Protection, Quirks, Settings, Snapshot, StatusReport, Tls, TlsInUse,
    TlsVersion,
};
use clap::Parser;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A certificate and its key, in files of this folder.
fn certificate(folder: &Path) {
    let key = rcgen::KeyPair::generate().unwrap();
    let made = rcgen::CertificateParams::new(["h".to_owned()]).unwrap().self_signed(&key).unwrap();
    fs::write(folder.join("ca.pem"), made.pem()).unwrap();
    fs::write(folder.join("me.key"), key.serialize_pem()).unwrap();
    private(&folder.join("me.key"), 0o600);
}

fn private(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

const PIN: &str = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
const OTHER_PIN: &str = "sha256//ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";

#[test]
fn options_of_tls_go_to_the_jobs_with_paths_from_the_root() {
    let trial = Trial::new();
    let folder = trial.folder.path();
    certificate(folder);
    let options = format!(
        "--tls explicit --ca-file ca.pem --pin {PIN} --pin {OTHER_PIN} --client-cert ./ca.pem --client-key me.key --tls-min 1.3"
    );
    let settings = Settings {
        tls: Some(Tls::Explicit),
        ca_file: Some(folder.join("ca.pem")),
        pin: Some(format!("{PIN};{OTHER_PIN}").parse().unwrap()),
        client_cert: Some(folder.join("ca.pem")),
        client_key: Some(folder.join("me.key")),
        tls_min: Some(TlsVersion::V13),
        ..Settings::default()
    };
    assert_eq!(trial.run(&format!("add ftp://h/a {options}")).err, "");
    assert_eq!(trial.house.state().accepted[0].settings, settings);
    assert_eq!(trial.run(&format!("run {options}")).err, "");
    assert_eq!(trial.house.state().orders[0].overrides, settings);
}

#[test]
fn words_of_tls_that_are_none_are_refused() {
    for (line, words) in [
        ("run --tls prefer", "only the settings file can ask for it"),
        ("run --tls on", "write auto, off, explicit or implicit"),
        ("add ftp://h/a --pin sha256//x", "base64"),
        ("run --tls-min 1.1", "1.2, 1.3"),
    ] {
        let error = Args::try_parse_from(std::iter::once("ftpq").chain(line.split(' '))).map(drop).unwrap_err();
        assert!(error.to_string().contains(words), "{line}: {error}");
    }
}

#[test]
fn what_contradicts_itself_over_tls_is_an_error_that_names_both() {
    let trial = Trial::new();
    let folder = trial.folder.path();
    certificate(folder);
    for (line, words) in [
        (format!("add ftp://h/a --pin {PIN}"), ["a pin is given", "ftp://h/a"]),
        (format!("get ftp://h/a --tls off --pin {PIN}"), ["a pin is given", "ftp://h/a"]),
        ("add ftpes://h/a --tls off".to_owned(), ["ftpes:// demands TLS", "`tls` is set to off"]),
        ("get ftps://h/a --tls off".to_owned(), ["ftps:// demands TLS", "`tls` is set to off"]),
        ("add ftps://h/a --client-key me.key".to_owned(), ["`client-key`", "no `client-cert`"]),
    ] {
        let ended = trial.run(&line);
        assert_eq!(ended.exit, Exit::Usage, "{line}: {ended:?}");
        for word in words {
            assert!(ended.err.contains(word), "{line}: {}", ended.err);
        }
    }
    assert!(trial.house.state().pushed.is_empty());
    trial.write(
        "config.toml",
        &format!("[host.soft]\ntls = \"prefer\"\n[host.hard]\ntls = \"explicit\"\npin = \"{PIN}\"\n[host.off]\ntls = \"off\"\n"),
    );
    for (url, fits) in [
        ("ftp://hard/a", true),
        ("ftps://hard/a", true),
        ("ftp://soft/a", false),
        ("ftpes://soft/a", true),
        ("ftp://off/a", false),
    ] {
        let ended = trial.run(&format!("add {url} --pin {PIN}"));
        assert_eq!(ended.exit, if fits { Exit::Done } else { Exit::Usage }, "{url}: {}", ended.err);
    }
}

#[test]
fn files_for_tls_are_looked_into_before_anything_is_done() {
    let trial = Trial::new();
    let folder = trial.folder.path();
    certificate(folder);
    private(&folder.join("me.key"), 0o644);
    for (options, words) in [
        ("--ca-file none.pem", "can't read"),
        ("--ca-file me.key", "holds no certificate"),
        ("--client-cert me.key", "holds no certificate"),
        ("--client-cert ca.pem --client-key me.key", "chmod 600"),
        ("--client-cert ca.pem --client-key ca.pem", "holds no private key"),
    ] {
        for line in ["add ftps://h/a", "get ftps://h/a", "run"] {
            private(&folder.join("ca.pem"), 0o600);
            let ended = trial.run(&format!("{line} {options}"));
            assert_eq!(ended.exit, Exit::Usage, "{line} {options}: {ended:?}");
            assert!(ended.err.contains(words), "{line} {options}: {}", ended.err);
        }
    }
    trial.write("config.toml", "[host.h]\nca-file = \"none.pem\"\n");
    let ended = trial.run("run");
    assert!(ended.exit == Exit::Usage && ended.err.contains("none.pem"), "{ended:?}");
    assert!(trial.house.state().orders.is_empty() && trial.house.state().pushed.is_empty());
}

#[test]
fn insecure_is_said_aloud() {
    let trial = Trial::new();
    for line in ["add ftps://h/a --insecure", "get ftps://h/a --insecure", "run --insecure"] {
        let ended = trial.run(line);
        assert!(ended.err.contains("ANY CERTIFICATE WILL DO"), "{line}: {}", ended.err);
    }
    let ended = trial.run(&format!("run --insecure --pin {PIN}"));
    assert!(ended.err.contains("only the pinned key counts"), "{}", ended.err);
    assert_eq!(trial.house.state().orders.last().unwrap().overrides.insecure, Some(true));
}

/// What the settings file leaves to the server is shown before a session has shown what comes of it.
#[test]
fn status_shows_what_is_left_to_the_server_or_not_checked() {
    let trial = Trial::new();
    let host = |name: &str, protection| HostStatus {
        host: format!("{name}:21"),
        left: 1,
        connection_limit: None,
        limit_learned_at: None,
        useful_connections: None,
        useful_learned_at: None,
        protection,
        quirks: Quirks::default(),
    };
    let seen = |tls| Some(Protection { tls: Some(tls), if_offered: true, check: CertificateCheck::Full });
    let lax = LaxHost { host: "a:21".to_owned(), protection: seen(TlsInUse::None).unwrap() };
    let report = StatusReport {
        queue: "/q".into(),
        jobs: Counts::default(),
        hosts: vec![
            host("a", seen(TlsInUse::None)),
            host("b", seen(TlsInUse::V13)),
            host("c", None),
            host("d", None),
            host("e", None),
        ],
        run: Some(Snapshot { lax: vec![lax], ..Snapshot::default() }),
        pid: Some(42),
    };
    trial.write("config.toml", "[host.\"c:21\"]\ntls = \"prefer\"\n[host.d]\ninsecure = true\n");
    trial.house.state().status = Some(report);
    let out = trial.run("status").out;
    for line in [
        "       a:21: NO TLS\n",
        "a:21  1     NO TLS\n",
        "b:21  1     TLS 1.3\n",
        "c:21  1     TLS if offered\n",
        "d:21  1     TLS, CERTIFICATE NOT CHECKED\n",
        "e:21  1\n",
    ] {
        assert!(out.contains(line), "{line}: {out}");
    }
    let read: StatusReport = serde_json::from_str(&trial.run("status --json").out).unwrap();
    assert_eq!(read.hosts[2].protection, Some(Protection { if_offered: true, ..Protection::default() }));
    assert_eq!(read.hosts[4].protection, None);
}
