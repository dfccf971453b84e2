//! A terminal of the test's own, with the program in front of it.

use super::{Ftpq, watch};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// The program at a terminal; killed when dropped.
pub(crate) struct Terminal {
    keyboard: File,
    screen: Arc<Mutex<Vec<u8>>>,
    other_end: File,
    child: Child,
}

impl Terminal {
    /// Starts the program at a new terminal. `None` where the system has no program to make it that terminal's master.
    pub(crate) fn start(ftpq: &Ftpq, args: &[&str]) -> Option<Self> {
        if !Path::new("/usr/bin/setsid").exists() {
            return None;
        }
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let open = || OpenOptions::new().read(true).write(true).open(&name).unwrap();
        let usual = ftpq.command(args);
        let mut command = Command::new("/usr/bin/setsid");
        command.arg("--ctty").arg(usual.get_program()).args(usual.get_args()).env_clear();
        command.envs(usual.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("TERM", "dumb");
        command.current_dir(usual.get_current_dir().unwrap());
        let out = ftpq.folder().join("io/terminal.out");
        command.stdin(Stdio::from(open())).stderr(Stdio::from(open())).stdout(File::create(out).unwrap());
        let other_end = open();
        let child = command.spawn().unwrap();
        let keyboard = File::from(master);
        let mut reader = keyboard.try_clone().unwrap();
        let screen: Arc<Mutex<Vec<u8>>> = Arc::default();
        let shown = Arc::clone(&screen);
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut chunk) {
                shown.lock().unwrap().extend_from_slice(&chunk[..n]);
            }
        });
        Some(Self { keyboard, screen, other_end, child })
    }

    /// Everything that was on the screen so far.
    pub(crate) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }

    /// Waits until a text was on the screen so many times.
    pub(crate) fn expect(&self, text: &str, times: usize) {
        let there = watch::wait_for(Duration::from_secs(30), || self.shown().matches(text).count() >= times);
        assert!(there, "{text:?} is not on the screen {times} times:\n{}", self.shown());
    }

    /// Types something.
    pub(crate) fn type_in(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
    }

    /// Whether the terminal shows what is typed.
    pub(crate) fn echoes(&self) -> bool {
        tcgetattr(&self.other_end).unwrap().local_modes.contains(LocalModes::ECHO)
    }

    /// The program's process id: what starts it becomes it.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The letter of the process's state, `T` where it is stopped.
    pub(crate) fn state(&self) -> Option<char> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    }

    /// Waits for its end: the exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let mut status = None;
        let ended = watch::wait_for(Duration::from_secs(60), || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert!(ended, "it does not end:\n{}", self.shown());
        // The reader may be a moment behind.
        thread::sleep(Duration::from_millis(50));
        status.and_then(|status| status.code())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
