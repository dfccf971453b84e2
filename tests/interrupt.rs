//! Ctrl-C while a list is being read.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What was read so far is not queued, and the command says so instead of just dying.
#[test]
fn an_add_that_is_interrupted_queues_nothing_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let ftpq = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ftpq"));
        command.current_dir(folder.path()).env("HOME", folder.path()).arg("--queue").arg(folder.path().join("queue"));
        command.env_remove("XDG_CONFIG_HOME").env_remove("XDG_STATE_HOME").env_remove("FTPQ_QUEUE");
        command
    };
    let mut add = ftpq();
    add.args(["add", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut add = add.spawn().unwrap();
    // Standard input stays open: there is always more to come. A pipe holds less than is written here, so the list is
    // being read, and the handler installed before, once this returns.
    let mut input = add.stdin.take().unwrap();
    for n in 0..20_000 {
        writeln!(input, "ftp://h/{n}").unwrap();
    }
    input.flush().unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(add.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let begin = Instant::now();
    while add.try_wait().unwrap().is_none() {
        assert!(begin.elapsed() < Duration::from_secs(20), "it goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
    let ended = add.wait_with_output().unwrap();
    drop(input);
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!((ended.status.code(), ended.status.signal()), (Some(3), None), "{said}");
    assert_eq!(said, "ftpq: interrupted: nothing was queued\n");
    let status = ftpq().arg("status").output().unwrap();
    assert!(String::from_utf8_lossy(&status.stdout).contains("jobs   0"), "{status:?}");
}
