//! Passwords and where they come from.

use super::fake::Trial;
use crate::cli::Exit;
use crate::model::Secret;
use std::os::unix::fs::PermissionsExt;

fn password_file(trial: &Trial, text: &str) -> String {
    let path = trial.write("pw", text);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

fn secrets(trial: &Trial) -> Vec<String> {
    trial.house.state().secrets.iter().map(|(who, what)| format!("{who} {what}")).collect()
}

#[test]
fn login_stores_a_password_and_says_once_more_when_it_is_there() {
    let mut trial = Trial::new();
    trial.input = b"hunter2\nmore\n".to_vec();
    let ended = trial.run("login bob@H:2121 --password-stdin");
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Done, "the password for bob@h:2121 stored\n"));
    let ended = trial.run("login ftp://bob@h:2121/dir/file --password-stdin --json");
    assert_eq!(ended.out, "{\"login\":\"bob@h:2121\",\"changed\":false,\"keyring\":false}\n");
    let file = password_file(&trial, "other\n");
    let ended = trial.run(&format!("login ftpes://h --user eve --password-file {file}"));
    assert_eq!(ended.out, "the password for eve@h:21 stored, for TLS alone\n");
    assert_eq!(trial.house.state().kept.last(), Some(&("eve@h:21".to_owned(), true)));
    trial.write("config.toml", "[host.h]\ntls = \"explicit\"\nuser = \"zoe\"\n");
    trial.run(&format!("login h --password-file {file}"));
    assert_eq!(trial.house.state().kept.last(), Some(&("zoe@h:21".to_owned(), true)));
    assert_eq!(secrets(&trial), ["bob@h:2121 hunter2", "bob@h:2121 hunter2", "eve@h:21 other", "zoe@h:21 other"]);
}

#[test]
fn login_refuses_what_can_not_be_meant() {
    let mut trial = Trial::new();
    trial.input = b"hunter2\n".to_vec();
    for line in [
        "login h --password-stdin",
        "login bob@h --user eve --password-stdin",
        "login ftp://bob:hunter2@h --password-stdin",
        "login http://bob@h --password-stdin",
        "login bob:hunter2@h:99999 --password-stdin",
        "login bob@ --password-stdin",
        "login bob@h --keyring --password-stdin",
        "logout h",
        "logout bob@h",
    ] {
        let ended = trial.run(line);
        assert_eq!(ended.exit, Exit::Usage, "{line}: {ended:?}");
        assert!(!ended.err.contains("hunter2") && !ended.err.is_empty(), "{line}: {}", ended.err);
    }
    trial.input = b"\n".to_vec();
    assert_eq!(trial.run("login bob@h --password-stdin").exit, Exit::Usage);
    assert!(secrets(&trial).is_empty());
}

#[test]
fn logout_forgets_one_password_and_no_other() {
    let trial = Trial::new();
    trial.house.state().kept = vec![("bob@h:21".into(), false), ("bob@g:21".into(), false), ("eve@g:21".into(), true)];
    assert_eq!(trial.run("logout h").out, "the password for bob@h:21 was forgotten\n");
    let ended = trial.run("logout g");
    assert!(ended.exit == Exit::Usage && ended.err.contains("bob, eve"), "{ended:?}");
    assert_eq!(trial.run("logout ftp://eve@g").exit, Exit::Done);
    assert!(trial.run("logout zoe@g").err.contains("ftpq logins"));
    let forgotten = trial.house.state().forgotten.clone();
    assert_eq!(forgotten[0], (vec!["bob@h:21".to_owned()], false));
    assert_eq!(forgotten[1], (vec!["eve@g:21".to_owned()], false));
}

#[test]
fn logins_lists_accounts_and_no_password() {
    let trial = Trial::new();
    trial.house.state().kept = vec![("bob@h:21".into(), true)];
    assert_eq!(trial.run("logins").out, "ftp://bob@h  1 job, password stored, for TLS alone\n");
    let out = trial.run("logins --json").out;
    assert!(out.contains("\"kept\":{\"known\":true,\"tls\":true,\"refused_at\":null}"), "{out}");
}

#[test]
fn remove_forgets_passwords_only_when_told_to() {
    let trial = Trial::new();
    trial.house.state().kept = vec![("bob@h:21".into(), false)];
    trial.run("remove --all");
    assert!(trial.house.state().forgotten.is_empty());
    assert_eq!(trial.run("remove --all --forget-login").out, "removed 0 jobs\nforgot 1 password\n  bob@h:21\n");
    trial.write("config.toml", "forget-logins = true\n");
    trial.run("remove --all");
    let all_unused = (vec!["bob@h:21".to_owned()], true);
    assert_eq!(trial.house.state().forgotten, [all_unused.clone(), all_unused]);
}

#[test]
fn the_environment_names_user_and_password() {
    let mut trial = Trial::new();
    trial.user = Some("bob".to_owned());
    trial.password = Some(Secret::new("hunter2"));
    assert_eq!(trial.run("add ftp://h/a ftp://eve@h/b").exit, Exit::Done);
    assert_eq!(secrets(&trial), ["bob@h:21 hunter2"]);
    // What the command line says of a user wins; the password goes with whoever is named.
    trial.run("add ftp://h/a --user eve");
    assert_eq!(secrets(&trial).last().unwrap(), "eve@h:21 hunter2");
    let ended = trial.run("add ftp://h/a ftp://g/b");
    assert!(ended.exit == Exit::Usage && ended.err.contains("FTPQ_PASSWORD could be meant"), "{ended:?}");
    let file = password_file(&trial, "other\n");
    trial.run(&format!("add ftp://h/a --password-file {file}"));
    assert_eq!(secrets(&trial).last().unwrap(), "bob@h:21 other");
    trial.run("run");
    let order = trial.house.state().orders.pop().unwrap();
    assert_eq!(order.password.map(|given| given.user).as_deref(), Some("bob"));
    trial.user = None;
    let ended = trial.run("add ftp://eve@h/z");
    assert!(ended.exit == Exit::Done && ended.err.contains("FTPQ_PASSWORD was not used"), "{ended:?}");
    assert!(!secrets(&trial).iter().any(|secret| secret.starts_with("eve@h:21 other")));
}

#[test]
fn no_store_lends_passwords_to_the_run_and_add_refuses_them() {
    let trial = Trial::new();
    let ended = trial.run("add ftp://bob:hunter2@h/a --no-store");
    assert!(ended.exit == Exit::Usage && ended.err.contains("bob@h:21") && ended.err.contains("get"), "{ended:?}");
    assert!(trial.house.state().accepted.is_empty(), "something was queued");
    assert_eq!(trial.run("add ftp://h/a --no-store").exit, Exit::Done, "no password came");
    trial.run("get ftpes://bob:hunter2@h/a --no-store");
    let order = trial.house.state().orders.pop().unwrap();
    let [lent] = &order.lent[..] else { panic!("{order:?}") };
    assert_eq!((lent.account.credential().as_str(), lent.secret.reveal()), ("bob@h:21", "hunter2"));
    assert!(lent.tls && !lent.stored);
    assert!(!format!("{order:?}").contains("hunter2"));
}

#[test]
fn nobody_is_asked_where_nobody_sits() {
    let trial = Trial::new();
    for line in ["get ftp://bob@h/a --ask-password", "login bob@h", "add ftp://bob@h/a --ask-password"] {
        let ended = trial.run(line);
        // In a test run from a terminal there is one; the test program's own input is none.
        if std::fs::File::open("/dev/tty").is_err() {
            assert!(ended.exit == Exit::Usage && ended.err.contains("no terminal"), "{line}: {ended:?}");
        }
    }
    assert_eq!(trial.run("get ftp://bob@h/a").exit, Exit::Done, "nothing asks by itself");
}

#[test]
fn fields_of_a_list_give_user_and_password() {
    let trial = Trial::new();
    trial.write(
        "m.jsonl",
        "{\"url\":\"ftp://h/a\",\"ftp-user\":\"bob\",\"ftp-passwd\":\"hunter2\"}\n\
         {\"url\":\"ftp://eve@h/b\",\"ftp-passwd\":\"hunter3\"}\n{\"url\":\"ftp://zoe:own@h/c\",\"ftp-passwd\":\"own\"}\n",
    );
    assert_eq!(trial.run("add m.jsonl").exit, Exit::Done);
    trial.write("m.csv", "url,ftp-user,ftp-passwd,path\nftp://g/a,bob,12345678,x\nftp://g/b,,,\n");
    assert_eq!(trial.run("add m.csv").exit, Exit::Done);
    assert_eq!(secrets(&trial), ["bob@h:21 hunter2", "eve@h:21 hunter3", "zoe@h:21 own", "bob@g:21 12345678"]);
}

/// Whatever is wrong with a line that holds a password, and whichever column the password got into.
#[test]
fn a_bad_line_beside_a_password_shows_no_value() {
    let trial = Trial::new();
    let lists = [
        ("m.jsonl", r#"{"url":"ftp://h/a","retries":"hunter2","ftp-passwd":"x"}"#),
        ("m.jsonl", r#"{"url":"ftp://h/a","ftp-passwd":"hunter2","checksum":"hunter2"}"#),
        ("m.jsonl", r#"{"url":"ftp://h/a","ftp-passwd":"hunter2","path":"../hunter2"}"#),
        ("m.jsonl", r#"{"url":"ftp://h/a","ftp-passwd":["hunter2"]}"#),
        ("m.jsonl", r#"{"url":"ftp://h/a","ftp-passwd":"hunter2\n"}"#),
        ("m.jsonl", r#"{"url":"ftp://h/a","ftp-passwd":"hunter2""#),
        ("m.jsonl", r#"{"url":"ftp://h/a","ftp-passwd":"hunter2","ftp-passwd":"hunter2"}"#),
        ("m.jsonl", r#"{"url":"ftp://bob:hunter2@h/a","ftp-passwd":"hunter3"}"#),
        ("m.jsonl", r#"{"url":"ftp://bob@h/a","ftp-user":"hunter2"}"#),
        ("m.csv", "url,ftp-passwd,retries\nftp://h/a,x,hunter2\n"),
        ("m.csv", "url,ftp-passwd,data-mode\nftp://h/a,x,hunter2\n"),
        ("m.csv", "url,ftp-passwd,size,path\nftp://h/a,x,hunter2,y\n"),
        ("m.csv", "url,ftp-passwd\nftp://h/a,hunter2,hunter2\n"),
        ("m.csv", "url,ftp-passwd,md5\nftp://h/a,x,hunter2\n"),
    ];
    for (name, text) in lists {
        trial.write(name, text);
        let ended = trial.run(&format!("add {name}"));
        assert_eq!(ended.exit, Exit::Usage, "{text}");
        assert!(ended.err.contains(":1:") || ended.err.contains(":2:"), "{text}: no place\n{}", ended.err);
        assert!(!ended.err.contains("hunter"), "{text}: {}", ended.err);
    }
}

#[test]
fn a_trace_is_for_commands_that_speak_with_servers() {
    let trial = Trial::new();
    for line in ["status", "add ftp://h/a", "list", "login a@b"] {
        let ended = trial.run(&format!("{line} --trace t"));
        assert!(ended.exit == Exit::Usage && ended.err.contains("--trace"), "{line}: {ended:?}");
    }
    trial.write("precious", "precious");
    let ended = trial.run("run --trace precious");
    assert_eq!(ended.exit, Exit::Storage);
    assert!(trial.house.state().orders.is_empty(), "a run without its trace");
    assert_eq!(trial.run("run --trace t").exit, Exit::Done);
    assert!(trial.house.state().orders[0].trace.is_some());
}
