//! Nobody reads what is printed: a terminal that was stopped (Ctrl-S), a pipe that is full. Work goes on, signals and
//! other processes are heard, and the program ends when its work does.

use crate::support::{Ftpq, Scripted, Traits, pseudo_random, schema, watch};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{PipeReader, Read, Write, pipe},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// Files that tell of themselves by more events than the program holds for a reader.
const MANY: usize = 1_200;
/// What a pipe holds here, all of it taken.
const FULL: usize = 4096;
/// Ctrl-S.
const XOFF: &[u8] = b"\x13";
/// Ctrl-Q.
const XON: &[u8] = b"\x11";
/// A signal is answered within two seconds; the rest is for machines that have much else to do.
const SOON: Duration = Duration::from_secs(15);
const LATE: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A terminal that somebody stopped.
    Terminal,
    /// Pipes that are full.
    Pipes,
}

const PLACES: [Place; 2] = [Place::Terminal, Place::Pipes];

/// The program, and what it writes to; killed when dropped.
pub(crate) struct Unread {
    child: Child,
    keyboard: Option<File>,
    out: Option<PipeReader>,
    err: Option<PipeReader>,
}

/// Both ends of a pipe that is full.
fn full_pipe() -> (PipeReader, Stdio) {
    let (reader, mut writer) = pipe().unwrap();
    rustix::pipe::fcntl_setpipe_size(&writer, FULL).unwrap();
    writer.write_all(&[b'x'; FULL]).unwrap();
    (reader, writer.into())
}

impl Unread {
    pub(crate) fn start(ftpq: &Ftpq, place: Place, args: &[&str]) -> Self {
        let mut command = ftpq.command(args);
        if place == Place::Pipes {
            let ((out, to), (err, complain)) = (full_pipe(), full_pipe());
            let child = command.stdout(to).stderr(complain).spawn().unwrap();
            return Self { child, keyboard: None, out: Some(out), err: Some(err) };
        }
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let open = || OpenOptions::new().read(true).write(true).open(&name).unwrap();
        let mut keyboard = File::from(master);
        let (out, err) = (open(), open());
        keyboard.write_all(XOFF).unwrap();
        let child = command.env("TERM", "xterm").stdout(out).stderr(err).spawn().unwrap();
        Self { child, keyboard: Some(keyboard), out: None, err: None }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap(), signal).unwrap();
    }

    /// How it ended; panics where it does not in time.
    pub(crate) fn wait(&mut self, limit: Duration, story: &str) -> ExitStatus {
        let mut status = None;
        let ended = watch::wait_for(limit, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert!(ended, "{story}: still there after {limit:?}");
        status.unwrap()
    }

    /// Waits until a thread of it is held up in a write to its terminal, or to the pipe of its standard output: what that
    /// tells of is known to it by then.
    fn until_held_up(&mut self, story: &str) {
        let out = self.out.as_ref().map(|out| format!("pipe:[{}]", rustix::fs::fstat(out).unwrap().st_ino));
        let is_to = |to: &Path| out.as_ref().map_or(to.starts_with("/dev/pts"), |out| to.as_os_str() == out.as_str());
        let held_up = watch::wait_for(LATE, || {
            assert!(self.child.try_wait().unwrap().is_none(), "{story}: nobody read, and it ended");
            writes_that_wait(self.child.id()).iter().any(|to| is_to(to))
        });
        assert!(held_up, "{story}: it writes nothing");
    }

    /// Reads from now on all that comes on standard output.
    fn read_out(&mut self) -> std::thread::JoinHandle<String> {
        let mut out = self.out.take().unwrap();
        std::thread::spawn(move || {
            let mut text = String::new();
            out.read_to_string(&mut text).unwrap();
            text[FULL..].to_owned()
        })
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the threads of a process write to that wait in a write.
fn writes_that_wait(pid: u32) -> Vec<PathBuf> {
    // write and writev, by the numbers of x86-64 and of AArch64.
    const WRITES: [&str; 4] = ["1", "20", "64", "66"];
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let calls = threads.filter_map(|thread| fs::read_to_string(thread.path().join("syscall")).ok());
    let targets = calls.filter_map(|call| {
        let mut words = call.split(' ');
        words.next().filter(|number| WRITES.contains(number))?;
        let descriptor = u32::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
        fs::read_link(format!("/proc/{pid}/fd/{descriptor}")).ok()
    });
    targets.collect()
}

/// So many small files on a server, and all of them in a queue.
fn queued(number: usize) -> (Scripted, Ftpq) {
    queued_at(Traits::default(), number, 100)
}

fn queued_at(traits: Traits, number: usize, length: usize) -> (Scripted, Ftpq) {
    let server = Scripted::with(traits, |_| crate::support::Act::Usual);
    let names: Vec<String> = (0..number).map(|n| format!("f{n}")).collect();
    for (seed, name) in (0..).zip(&names) {
        server.put(name, pseudo_random(seed, length));
    }
    let ftpq = Ftpq::new();
    let jobs: Vec<(String, &str)> = names.iter().map(|name| (server.url(name), name.as_str())).collect();
    ftpq.add(&jobs);
    (server, ftpq)
}

fn finished(ftpq: &Ftpq) -> usize {
    watch::files_below(&ftpq.downloads()).iter().filter(|path| !path.to_string_lossy().contains("ftpq-part")).count()
}

/// Waits until a run begins nothing new though there is work, as another process sees it. Returns how many files came.
fn until_it_rests(ftpq: &Ftpq) -> usize {
    let (mut last, mut since) = (0, Instant::now());
    let rests = watch::wait_for(LATE, || {
        std::thread::sleep(Duration::from_millis(100));
        let status = ftpq.json_one(&["status"]);
        let is_idle = status["run"]["running"].as_array().is_some_and(Vec::is_empty);
        let now = finished(ftpq);
        if now != last || !is_idle {
            (last, since) = (now, Instant::now());
        }
        last > 0 && since.elapsed() > Duration::from_secs(2)
    });
    assert!(rests, "it never rests");
    last
}

fn events(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?}"))).collect()
}

/// How often each job is told of by events of one kind.
fn times(events: &[Value], kind: &str) -> BTreeMap<u64, usize> {
    let mut times = BTreeMap::new();
    for job in events.iter().filter(|event| event["event"] == kind).map(|event| event["job"].as_u64().unwrap()) {
        *times.entry(job).or_default() += 1;
    }
    times
}

#[test]
fn all_files_come_and_the_program_ends_where_nobody_reads() {
    // Each tells of two events, which are counted whether shown or not.
    let number = 2_200;
    let (_server, ftpq) = queued(number);
    let mut run = Unread::start(&ftpq, Place::Terminal, &["run"]);
    assert_eq!(run.wait(LATE, "a terminal").code(), Some(0));
    assert_eq!((finished(&ftpq), ftpq.count("done")), (number, number as u64));
}

#[test]
fn a_dialogue_that_nobody_reads_holds_nothing_up() {
    for place in PLACES {
        let (_server, ftpq) = queued(400);
        let mut run = Unread::start(&ftpq, place, &["-v", "run"]);
        let status = run.wait(LATE, &format!("{place:?}"));
        assert_eq!((status.code(), finished(&ftpq)), (Some(0), 400), "{place:?}");
    }
}

#[test]
fn failures_that_nobody_reads_are_counted_all_the_same() {
    let (server, ftpq) = queued(10);
    let jobs: Vec<(String, String)> = (0..400).map(|n| (server.url(&format!("none{n}")), format!("none{n}"))).collect();
    ftpq.add(&jobs.iter().map(|(url, name)| (url.clone(), name.as_str())).collect::<Vec<_>>());
    for place in PLACES {
        let mut run = Unread::start(&ftpq, place, &["-v", "run", "--retries", "0"]);
        let status = run.wait(LATE, &format!("{place:?}"));
        assert_eq!((status.code(), ftpq.count("failed")), (Some(1), 400), "{place:?}");
        ftpq.run(&["retry", "--state", "failed"]).expect_code(0);
    }
}

#[test]
fn signals_are_heard_where_nobody_reads() {
    for (place, signal) in [
        (Place::Terminal, Signal::INT),
        (Place::Terminal, Signal::HUP),
        (Place::Pipes, Signal::INT),
        (Place::Pipes, Signal::TERM),
    ] {
        let (server, ftpq) = queued_at(Traits { pace: 2_000, ..Traits::default() }, 40, 40_000);
        // No file is done before the signal, however late that comes.
        server.core().hold_behind(10_000);
        let mut run = Unread::start(&ftpq, place, &["-v", "run"]);
        // Small files have no part file before they are stopped.
        assert!(watch::wait_for(LATE, || server.core().sent_total() > 0), "{place:?} {signal:?}: it does not begin");
        std::thread::sleep(Duration::from_millis(500));
        run.signal(signal);
        let status = run.wait(SOON, &format!("{place:?} {signal:?}"));
        assert_eq!(status.code(), Some(3), "{place:?} {signal:?}: {status:?}");
        assert_eq!(ftpq.count("queued"), 40, "{place:?} {signal:?}");
    }
}

#[test]
fn other_processes_are_answered_while_nobody_reads() {
    for (place, args) in
        [(Place::Terminal, ["-v", "run"]), (Place::Pipes, ["-v", "run"]), (Place::Pipes, ["--json", "run"])]
    {
        let (_server, ftpq) = queued_at(Traits { pace: 10_000, ..Traits::default() }, 40, 40_000);
        let mut run = Unread::start(&ftpq, place, &args);
        let owns = || ftpq.json_one(&["status"])["pid"] == run.child.id();
        assert!(watch::wait_for(LATE, owns), "{place:?}: another process hears nothing of it");
        ftpq.run(&["pause", "--all"]).expect_code(0);
        if args[0] == "--json" {
            // Its reader may still want to know; nothing else is waited for.
            let idle = || ftpq.json_one(&["status"])["pid"].is_null();
            assert!(watch::wait_for(SOON, idle), "the queue is not free");
            run.signal(Signal::TERM);
        }
        let status = run.wait(SOON, &format!("{place:?}: all is paused"));
        assert_eq!((status.code(), ftpq.count("running")), (Some(3), 0), "{place:?}");
    }
}

#[test]
fn events_that_nobody_reads_hold_back_new_files_and_are_all_there_in_the_end() {
    let (_server, ftpq) = queued(MANY);
    let mut run = Unread::start(&ftpq, Place::Pipes, &["--json", "run"]);
    let came = until_it_rests(&ftpq);
    assert!((1..MANY).contains(&came), "{came} files came though nobody read of them");
    // Those that were under way are settled; another process sees how things stand.
    let status = ftpq.json_one(&["status"]);
    schema::assert_valid("status", &status);
    assert_eq!(
        (&status["pid"], &status["jobs"]["done"]),
        (&Value::from(run.child.id()), &Value::from(came)),
        "{status:#}"
    );
    assert_eq!(status["run"]["running"], Value::Array(Vec::new()), "{status:#}");
    let reader = run.read_out();
    assert_eq!(run.wait(LATE, "read at last").code(), Some(0));
    let told = events(&reader.join().unwrap());
    for kind in ["started", "done"] {
        let times = times(&told, kind);
        assert!(times.len() == MANY && times.values().all(|n| *n == 1), "{kind}: {} jobs told of", times.len());
    }
    assert_eq!(told.last().unwrap()["event"], "summary");
    assert_eq!(finished(&ftpq), MANY);
}

#[test]
fn events_that_nobody_reads_do_not_keep_a_signal_from_being_heard() {
    for signal in [Signal::INT, Signal::TERM] {
        let (_server, ftpq) = queued(MANY);
        let mut run = Unread::start(&ftpq, Place::Pipes, &["--json", "run"]);
        let came = until_it_rests(&ftpq);
        run.signal(signal);
        let status = run.wait(SOON, &format!("{signal:?}"));
        assert_eq!(status.code(), Some(3), "{signal:?}: {status:?}");
        assert_eq!((finished(&ftpq), ftpq.count("done")), (came, came as u64));
        assert_eq!(ftpq.count("queued"), (MANY - came) as u64);
    }
}

/// What a program has not read yet when all work is done is still its to read; a signal ends the wait.
#[test]
fn the_last_events_are_waited_for_until_a_signal_comes() {
    for stops in [false, true] {
        let (_server, ftpq) = queued(20);
        let mut run = Unread::start(&ftpq, Place::Pipes, &["--json", "run"]);
        // The queue is free meanwhile.
        let is_free = || finished(&ftpq) == 20 && ftpq.json_one(&["status"])["pid"].is_null();
        assert!(watch::wait_for(LATE, is_free), "the queue is not free");
        assert_eq!(ftpq.count("done"), 20);
        std::thread::sleep(Duration::from_secs(3));
        assert!(run.child.try_wait().unwrap().is_none(), "it did not wait for its reader");
        if stops {
            run.signal(Signal::INT);
            assert_eq!(run.wait(SOON, "stopped").code(), Some(0), "all was done");
            continue;
        }
        let reader = run.read_out();
        assert_eq!(run.wait(SOON, "read").code(), Some(0));
        assert_eq!(times(&events(&reader.join().unwrap()), "done").len(), 20);
    }
}

#[test]
fn a_reader_that_goes_away_holds_nothing_up() {
    for (args, number) in [(["--json", "run"], MANY), (["-v", "run"], 300)] {
        let (_server, ftpq) = queued(number);
        let mut run = Unread::start(&ftpq, Place::Pipes, &args);
        assert!(watch::wait_for(LATE, || finished(&ftpq) > 100), "{args:?}");
        drop((run.out.take(), run.err.take()));
        assert_eq!(run.wait(LATE, args[0]).code(), Some(0), "{args:?}");
        assert_eq!(finished(&ftpq), number, "{args:?}");
    }
}

/// Nobody can hear of it either: neither that standard output is closed nor anything else.
#[test]
fn events_whose_reader_went_away_are_not_waited_for_where_nobody_reads_messages_either() {
    let (_server, ftpq) = queued(30);
    let mut run = Unread::start(&ftpq, Place::Pipes, &["--json", "run"]);
    drop(run.out.take());
    assert_eq!(run.wait(LATE, "standard output closed, standard error full").code(), Some(0));
    assert_eq!(finished(&ftpq), 30);
}

#[test]
fn a_terminal_that_goes_on_shows_how_many_messages_were_left_out() {
    let (_server, ftpq) = queued(600);
    let mut run = Unread::start(&ftpq, Place::Terminal, &["-v", "run"]);
    assert!(watch::wait_for(LATE, || finished(&ftpq) > 400), "it stands still");
    let mut keyboard = run.keyboard.take().unwrap();
    let mut reader = keyboard.try_clone().unwrap();
    let shown = std::thread::spawn(move || {
        let (mut text, mut chunk) = (Vec::new(), [0; 4096]);
        while let Ok(n @ 1..) = reader.read(&mut chunk) {
            text.extend_from_slice(&chunk[..n]);
        }
        String::from_utf8_lossy(&text).into_owned()
    });
    keyboard.write_all(XON).unwrap();
    assert_eq!(run.wait(LATE, "read").code(), Some(0));
    let shown = shown.join().unwrap();
    assert!(shown.contains("messages were left out"), "{shown}");
    assert!(shown.contains("done 600"), "{shown}");
}

#[test]
fn looking_at_a_queue_ends_by_a_signal_where_nobody_reads() {
    let (_server, ftpq) = queued(600);
    ftpq.run(&["run"]).expect_code(0);
    for args in
        [&["list"][..], &["--json", "list"], &["report", "--format", "json"], &["show", "1"], &["verify"], &["status"]]
    {
        for place in PLACES {
            let mut look = Unread::start(&ftpq, place, args);
            look.until_held_up(&format!("{args:?} {place:?}"));
            look.signal(Signal::INT);
            let status = look.wait(SOON, &format!("{args:?} {place:?}"));
            let cleanly = status.code() == Some(3) || status.signal() == Some(Signal::INT.as_raw());
            assert!(cleanly, "{args:?} {place:?}: {status:?}");
        }
        let mut look = Unread::start(&ftpq, Place::Pipes, args);
        drop((look.out.take(), look.err.take()));
        assert_eq!(look.wait(SOON, "closed").code(), Some(0), "{args:?}: the reader went away");
    }
}

/// `ftpq list | less` in one window, a run in another.
#[test]
fn a_queue_that_is_being_looked_at_is_free_for_others() {
    for (args, lines) in [
        (&["list"][..], 1 + 1_200),
        (&["report", "--format", "json"], 1_200 + 1),
        (&["report", "--format", "sha256sums"], 1 + 20 + 1),
        (&["-v", "verify"], 20 + 1),
    ] {
        let (_server, ftpq) = queued(1_200);
        ftpq.run(&["cancel", "31-1200"]).expect_code(0);
        ftpq.run(&["run", "11-30"]).expect_code(0);
        let mut look = Unread::start(&ftpq, Place::Pipes, args);
        look.until_held_up(&format!("{args:?}"));
        ftpq.run(&["pause", "1"]).expect_code(0);
        ftpq.run(&["run"]).expect_code(3);
        assert_eq!(finished(&ftpq), 20 + 9, "{args:?}");
        let reader = look.read_out();
        let status = look.wait(SOON, "read").code();
        assert!(matches!(status, Some(0 | 1)), "{args:?}: {status:?}");
        let told = reader.join().unwrap();
        assert_eq!(told.lines().count(), lines, "{args:?}: {told}");
    }
}

/// A run that waits for another process's, which does not even answer.
#[test]
fn who_waits_for_another_run_hears_signals() {
    let (_server, ftpq) = queued_at(Traits { pace: 2_000, ..Traits::default() }, 20, 40_000);
    let mut owner = ftpq.spawn(&["run"]);
    assert!(watch::wait_for(LATE, || ftpq.json_one(&["status"])["pid"] == owner.pid()));
    let mut second = Unread::start(&ftpq, Place::Terminal, &["run"]);
    std::thread::sleep(Duration::from_secs(2));
    owner.signal(Signal::STOP);
    second.signal(Signal::INT);
    let status = second.wait(SOON, "the second run");
    let cleanly = status.code() == Some(3) || status.signal() == Some(Signal::INT.as_raw());
    assert!(cleanly, "{status:?}");
    owner.signal(Signal::CONT);
    owner.signal(Signal::INT);
    owner.wait(LATE).expect_code(3);
}

#[test]
fn a_hangup_ends_a_run_that_was_not_told_to_outlive_it() {
    let (_server, ftpq) = queued_at(Traits { pace: 100_000, ..Traits::default() }, 4, 600_000);
    let mut run = ftpq.spawn(&["run"]);
    assert!(watch::wait_for(LATE, || !watch::parts_below(&ftpq.downloads()).is_empty()));
    run.signal(Signal::HUP);
    let ended = run.wait(LATE).expect_code(3);
    assert!(ended.err.contains("stopped; `ftpq run` goes on"), "{ended}");
    let plain = ftpq.command(&["run"]);
    let mut command = std::process::Command::new("/usr/bin/nohup");
    command.arg(plain.get_program()).args(plain.get_args()).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(ftpq.downloads()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut outlives = command.spawn().unwrap();
    assert!(watch::wait_for(LATE, || ftpq.json_one(&["status"])["pid"] == outlives.id()));
    kill_process(Pid::from_raw(i32::try_from(outlives.id()).unwrap()).unwrap(), Signal::HUP).unwrap();
    assert_eq!(outlives.wait().unwrap().code(), Some(0));
    assert_eq!(finished(&ftpq), 4);
}

/// The shell hangs its jobs up, and so does the terminal.
#[test]
fn a_second_hangup_ends_nothing_that_the_first_one_is_ending() {
    let (_server, ftpq) = queued_at(Traits { pace: 100_000, ..Traits::default() }, 4, 600_000);
    let run = ftpq.spawn(&["run"]);
    assert!(watch::wait_for(LATE, || !watch::parts_below(&ftpq.downloads()).is_empty()));
    let pid = Pid::from_raw(i32::try_from(run.pid()).unwrap()).unwrap();
    let hanging = std::thread::spawn(move || {
        for _ in 0..2_000 {
            if kill_process(pid, Signal::HUP).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let ended = run.wait(LATE).expect_code(3);
    hanging.join().unwrap();
    assert!(ended.err.contains("stopped; `ftpq run` goes on"), "{ended}");
}

/// What is wrong with a list is told to nobody; that must not keep a signal from being heard, nor the end away.
#[test]
fn complaints_that_nobody_reads_hold_nothing_up() {
    for place in PLACES {
        let ftpq = Ftpq::new();
        let lines: String = (0..50).map(|n| format!("http://h/{n}\n")).collect();
        let list = ftpq.write("bad.txt", lines);
        let mut add = Unread::start(&ftpq, place, &["add", &list]);
        assert_eq!(add.wait(SOON, &format!("{place:?}")).code(), Some(2), "{place:?}");
    }
}

#[test]
fn a_mistake_is_told_by_the_exit_code_where_standard_error_is_closed() {
    let ftpq = Ftpq::new();
    for args in [&["no-such-command"][..], &["run", "--no-such-option"]] {
        let mut mistake = Unread::start(&ftpq, Place::Pipes, args);
        drop((mistake.out.take(), mistake.err.take()));
        assert_eq!(mistake.wait(SOON, args[0]).code(), Some(2), "{args:?}");
    }
}

#[test]
fn a_trace_is_never_written_to_a_pipe() {
    let (_server, ftpq) = queued(1);
    let fifo = ftpq.folder().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let ended = ftpq.run(&["--trace", fifo.to_str().unwrap(), "run"]).expect_code(5);
    assert!(ended.err.contains("no file"), "{ended}");
    assert_eq!((ftpq.count("queued"), finished(&ftpq)), (1, 0));
}

/// Nothing could begin in its place: a transfer is not stopped for a host that has to wait for the reader.
#[test]
fn no_transfer_gives_way_to_a_host_while_nothing_new_is_begun() {
    let server = Scripted::with(Traits::default(), |turn| match turn.verb {
        "RETR" if turn.honest.is_some() && turn.arg.contains("big") => {
            let mut delivery = turn.delivery();
            delivery.pace = 4_000;
            crate::support::Act::Deliver(delivery)
        }
        _ => crate::support::Act::Usual,
    });
    let names: Vec<String> = std::iter::once("big".to_owned()).chain((0..MANY).map(|n| format!("f{n}"))).collect();
    names.iter().for_each(|name| server.put(name, pseudo_random(7, if name == "big" { 1_200_000 } else { 100 })));
    let ftpq = Ftpq::new();
    ftpq.add(&names.iter().map(|name| (server.url(name), name.as_str())).collect::<Vec<_>>());
    let args = ["--json", "run", "--connections", "2", "--per-host", "2", "--timeout", "2", "--no-split"];
    let mut run = Unread::start(&ftpq, Place::Pipes, &args);
    let (mut last, mut since) = (0, Instant::now());
    let rests = watch::wait_for(LATE, || {
        let now = finished(&ftpq);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        last > 0 && since.elapsed() > Duration::from_secs(2)
    });
    assert!(rests && last < MANY && !ftpq.downloads().join("big").exists(), "{last} files came");
    let other = Scripted::honest();
    other.put("other", "x");
    ftpq.add(&[(other.url("other"), "other")]);
    // Several times as long as a host waits before others give way.
    let is_there = watch::wait_for(Duration::from_secs(10), || ftpq.downloads().join("big").exists());
    assert!(!is_there, "it came too early for this test");
    server.core().hurry();
    let is_there = watch::wait_for(LATE, || ftpq.downloads().join("big").exists());
    assert!(is_there, "it was stopped, though nothing could begin in its place");
    let reader = run.read_out();
    assert_eq!(run.wait(LATE, "read at last").code(), Some(0));
    assert!(!reader.join().unwrap().contains("stopped for now"), "a transfer was stopped");
    assert_eq!(finished(&ftpq), MANY + 2);
}
