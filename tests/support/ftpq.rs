//! The program under test.

use super::{bytes::difference, watch};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    fmt, fs,
    io::Write,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// No invocation may take longer, whatever the server does.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A queue, a folder for downloads and a home of their own, and the program to work on them.
pub(crate) struct Ftpq {
    folder: TempDir,
    settings: Vec<(String, String)>,
    number: AtomicUsize,
}

impl Ftpq {
    /// Everything new and empty.
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("ftpq-test").tempdir().unwrap();
        let this = Self { folder, settings: Vec::new(), number: AtomicUsize::new(0) };
        for name in ["home", "into", "io"] {
            fs::create_dir(this.folder.path().join(name)).unwrap();
        }
        this
    }

    /// Sets an environment variable for all further invocations.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.settings.retain(|(n, _)| n != name);
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes an environment variable back.
    pub(crate) fn unset(&mut self, name: &str) -> &mut Self {
        self.settings.retain(|(n, _)| n != name);
        self
    }

    /// Folder of everything of this test.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Folder of the queue.
    pub(crate) fn queue(&self) -> PathBuf {
        self.folder.path().join("queue")
    }

    /// The home folder that the program sees.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Folder that downloads go into.
    pub(crate) fn downloads(&self) -> PathBuf {
        self.folder.path().join("into")
    }

    /// Writes a file of the test's own and gives its path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The command, ready to be started: queue, home and settings of its own, nothing of the person's who runs it.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ftpq"));
        command.arg("--queue").arg(self.queue()).args(args);
        command.env_clear().env("HOME", self.home()).env("LANG", "C.UTF-8").env("TZ", "UTC");
        command.env("PATH", "/usr/bin:/bin").env("RUST_BACKTRACE", "1");
        command.envs(self.settings.iter().map(|(n, v)| (n, v)));
        command.current_dir(self.downloads()).stdin(Stdio::null());
        command
    }

    /// Starts the program; its output goes to files, so that it never waits for a reader.
    pub(crate) fn spawn(&self, args: &[&str]) -> Running {
        self.spawn_with(args, None)
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        self.spawn(args).wait(LIMIT)
    }

    /// Runs the program under limits of the system, as `prlimit` takes them: `--nofile=32:32`.
    #[allow(dead_code, reason = "not every binary needs it")]
    pub(crate) fn run_under(&self, limits: &[&str], args: &[&str]) -> Ended {
        self.spawn_by(&[&["prlimit"], limits, &["--"]].concat(), args).wait(LIMIT)
    }

    /// Starts the program on one processor alone, so that it looks at one file at a time.
    #[allow(dead_code, reason = "not every binary needs it")]
    pub(crate) fn spawn_on_one_processor(&self, args: &[&str]) -> Running {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap().trim();
        let first = allowed.split([',', '-']).next().unwrap();
        self.spawn_by(&["taskset", "-c", first], args)
    }

    /// Starts the program by another one, which it takes the place of.
    fn spawn_by(&self, other: &[&str], args: &[&str]) -> Running {
        let program = self.command(args);
        let mut command = Command::new(other[0]);
        command.args(&other[1..]).arg(program.get_program()).args(program.get_args());
        command.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(self.downloads()).stdin(Stdio::null());
        self.start(command, &format!("{} ftpq {}", other.join(" "), args.join(" ")), None)
    }

    /// Runs the program with something on standard input.
    pub(crate) fn run_with_input(&self, args: &[&str], input: &[u8]) -> Ended {
        self.spawn_with(args, Some(input)).wait(LIMIT)
    }

    /// Runs the program with `--json`, and reads each line of its standard output.
    pub(crate) fn json(&self, args: &[&str]) -> Vec<Value> {
        let ended = self.run(&[&["--json"], args].concat());
        assert!(ended.code == Some(0), "exit 0 was expected:\n{ended}");
        ended.lines()
    }

    /// The one object that `--json` prints for these arguments.
    pub(crate) fn json_one(&self, args: &[&str]) -> Value {
        let mut lines = self.json(args);
        assert!(lines.len() == 1, "one JSON line was expected from {args:?}: {lines:#?}");
        lines.remove(0)
    }

    /// Adds a manifest of JSON Lines `{"url", "path"}` and expects it to be accepted.
    pub(crate) fn add(&self, jobs: &[(String, &str)]) -> Ended {
        let lines: String =
            jobs.iter().map(|(url, path)| format!("{}\n", serde_json::json!({"url": url, "path": path}))).collect();
        let manifest = self.write("manifest.jsonl", lines);
        let ended = self.run(&["add", &manifest, "--into", self.downloads().to_str().unwrap()]);
        assert!(ended.code == Some(0), "the manifest was not accepted:\n{ended}");
        ended
    }

    /// How many jobs stand in a state, as `status` says.
    pub(crate) fn count(&self, state: &str) -> u64 {
        let status = self.json_one(&["status"]);
        status["jobs"][state].as_u64().unwrap_or_else(|| panic!("no count of {state} in {status:#}"))
    }

    /// Panics unless the file in the download folder is exactly this, and no part file is left beside it.
    pub(crate) fn assert_file(&self, name: &str, expected: &[u8], story: &dyn fmt::Display) {
        let path = self.downloads().join(name);
        let got = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}\n{story}", path.display()));
        if let Some(difference) = difference(&got, expected) {
            panic!("{name} is wrong: {difference}\n{story}");
        }
        let parts = watch::parts_below(&self.downloads());
        let own = watch::part_of(&path);
        assert!(!parts.contains(&own), "a part file is left: {parts:?}\n{story}");
    }

    /// Panics if there is anything under the final name.
    pub(crate) fn assert_absent(&self, name: &str, story: &dyn fmt::Display) {
        let path = self.downloads().join(name);
        assert!(fs::symlink_metadata(&path).is_err(), "{name} must not exist\n{story}");
    }

    fn spawn_with(&self, args: &[&str], input: Option<&[u8]>) -> Running {
        self.start(self.command(args), &format!("ftpq {}", args.join(" ")), input)
    }

    fn start(&self, mut command: Command, shown: &str, input: Option<&[u8]>) -> Running {
        let number = self.number.fetch_add(1, Ordering::SeqCst);
        let file = |kind: &str| self.folder.path().join(format!("io/{number}.{kind}"));
        let (out, err) = (file("out"), file("err"));
        command.stdout(fs::File::create(&out).unwrap()).stderr(fs::File::create(&err).unwrap());
        if input.is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{shown}: {e}"));
        if let Some(input) = input {
            // A program that refuses early may close its end.
            let _ = child.stdin.take().unwrap().write_all(input);
        }
        Running { child, out, err, shown: shown.to_owned(), begin: Instant::now() }
    }
}

/// A running invocation; killed when dropped.
pub(crate) struct Running {
    child: Child,
    out: PathBuf,
    err: PathBuf,
    shown: String,
    begin: Instant,
}

impl Running {
    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal; nothing happens when it is gone already.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.child.try_wait().unwrap().is_none() {
            let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
            let _ = kill_process(pid, signal);
        }
    }

    /// kill -9, and what it had said until then.
    pub(crate) fn kill(mut self) -> Ended {
        let _ = self.child.kill();
        self.wait(LIMIT)
    }

    /// Whether it has ended by itself.
    pub(crate) fn ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// What it has printed so far, standard output first.
    pub(crate) fn so_far(&self) -> String {
        format!("{}{}", lossy(&self.out), lossy(&self.err))
    }

    /// Most memory it has held so far, in KiB; 0 when that is not known.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        line.and_then(|l| l.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or_default()
    }

    /// Waits for its end; panics when that takes longer than the limit.
    pub(crate) fn wait(mut self, limit: Duration) -> Ended {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return self.end(status);
            }
            if begin.elapsed() > limit {
                let _ = self.child.kill();
                let status = self.child.wait().unwrap();
                let ended = self.end(status);
                panic!("still running after {limit:?}, killed:\n{ended}");
            }
            thread::sleep(Duration::from_millis(3));
        }
    }

    fn end(&self, status: ExitStatus) -> Ended {
        Ended {
            code: status.code(),
            signal: status.signal(),
            out: lossy(&self.out),
            err: lossy(&self.err),
            shown: self.shown.clone(),
            took: self.begin.elapsed(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How an invocation ended.
pub(crate) struct Ended {
    /// Exit code, unless a signal ended it.
    pub(crate) code: Option<i32>,
    /// The signal that ended it.
    pub(crate) signal: Option<i32>,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
    /// The command line.
    shown: String,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Ended {
    /// Panics, with everything said, unless it ended with this code.
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert!(self.code == Some(code), "exit {code} was expected:\n{self}");
        self
    }

    /// Panics unless SIGKILL ended it.
    pub(crate) fn expect_killed(self) -> Self {
        assert!(self.signal == Some(9), "it was to end by SIGKILL:\n{self}");
        self
    }

    /// Every line of standard output as JSON.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("not JSON ({e}): {line:?}\n{self}"));
        self.out.lines().map(parse).collect()
    }

    /// The events of one kind that `run --json` or `get --json` printed.
    pub(crate) fn events(&self, kind: &str) -> Vec<Value> {
        self.lines().into_iter().filter(|line| line["event"] == kind).collect()
    }

    /// Handshakes on `control` or `data` connections that `-v --json` told of: full, and resumed.
    pub(crate) fn handshakes(&self, place: &str) -> (usize, usize) {
        let start = format!("* {place}: TLS");
        let told = self.events("notice").into_iter().filter_map(|e| e["text"].as_str().map(str::to_owned));
        let (full, resumed): (Vec<String>, Vec<String>) =
            told.filter(|text| text.contains(&start)).partition(|text| text.ends_with(", full"));
        assert!(resumed.iter().all(|text| text.ends_with(", resumed")), "{resumed:?}\n{self}");
        (full.len(), resumed.len())
    }

    /// Everything that was printed.
    pub(crate) fn everything(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, signal, took, shown, .. } = self;
        writeln!(f, "$ {shown}\n  exit {code:?}, signal {signal:?}, after {took:.1?}")?;
        for (name, text) in [("output", &self.out), ("error", &self.err)] {
            let skipped = text.lines().count().saturating_sub(60);
            for line in text.lines().skip(skipped) {
                writeln!(f, "  {name}: {line}")?;
            }
        }
        Ok(())
    }
}

fn lossy(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}
