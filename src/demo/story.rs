//! What the demonstration does, in its order, and how it tells it.

use super::files::{Sample, Standing};
use super::server::Server;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, thread};

const FILES: u64 = 8;
/// Least size of a file in bytes; the largest is four times that.
const STEP: usize = 1_000_000;
/// Bytes a second of each of the four connections: slow enough to be watched and to be interrupted.
const RATE: u64 = 1_500_000;
/// The server may send this much more than the files hold, in percent: overlaps that are compared, bytes on the way.
const SURPLUS: u64 = 5;
/// Time for one run. It takes about 4 s.
const LIMIT: Duration = Duration::from_secs(120);
/// Between two looks at what is on disk.
const LOOK: Duration = Duration::from_millis(10);

/// A folder for this demonstration alone.
struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    fn new(keep: bool) -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("ftpq-demo-{}", std::process::id()));
        // Fails where somebody else has put something there.
        fs::create_dir(&path)?;
        Ok(Self { path, keep })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.keep {
            println!("Everything is still in {}", self.path.display());
        } else if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("can't delete {}: {error}", self.path.display());
        }
    }
}

/// Plays the whole story; returns whether everything held.
///
/// # Errors
/// When this machine doesn't let it: no loopback, no temporary folder.
pub(super) fn tell(keep: bool) -> io::Result<bool> {
    let mut folder = Folder::new(keep)?;
    let held = play(&folder.path)?;
    // What went wrong is worth a look.
    folder.keep |= !held;
    Ok(held)
}

fn play(folder: &Path) -> io::Result<bool> {
    let samples: Arc<[Sample]> = Sample::some(FILES, STEP).into();
    let total: u64 = samples.iter().map(|sample| sample.content.len() as u64).sum();
    let server = Server::start(Arc::clone(&samples), RATE)?;
    let stage = Stage { samples, server, total, into: folder.join("files"), folder };
    println!("An FTP server now runs on {} (this machine only). It offers", stage.server.address());
    println!("{FILES} files, {} together, and is slow on purpose.\n", mib(total));

    let manifest = stage.write_manifest()?;
    println!("A manifest lists them with sizes and SHA-256 checksums. It goes into the queue:");
    let added = stage.ftpq(&[Path::new("add"), &manifest, Path::new("--into"), &stage.into])?.wait()?;
    if !added.success() {
        println!("`ftpq add` failed ({added}).");
        return Ok(false);
    }
    Ok(stage.interrupt()? && stage.resume()?)
}

struct Stage<'a> {
    samples: Arc<[Sample]>,
    server: Server,
    total: u64,
    into: PathBuf,
    folder: &'a Path,
}

impl Stage<'_> {
    fn write_manifest(&self) -> io::Result<PathBuf> {
        let path = self.folder.join("manifest.jsonl");
        let address = self.server.address();
        let lines: Vec<String> = self.samples.iter().map(|sample| sample.manifest_line(&address)).collect();
        fs::write(&path, lines.join("\n") + "\n")?;
        Ok(path)
    }

    /// Starts this very program with a queue of its own, and without the user's settings.
    fn ftpq(&self, arguments: &[&Path]) -> io::Result<Child> {
        let queue = self.folder.join("queue");
        print!("\n  $ ftpq --queue {}", queue.display());
        for argument in arguments {
            print!(" {}", argument.display());
        }
        println!();
        io::stdout().flush()?;
        Command::new(std::env::current_exe()?)
            .arg("--queue")
            .arg(queue)
            .args(arguments)
            .env("HOME", self.folder)
            .env("XDG_CONFIG_HOME", self.folder)
            .env_remove("FTPQ_QUEUE")
            .stdin(Stdio::null())
            .spawn()
    }

    fn run(&self) -> io::Result<Child> {
        self.ftpq(&[Path::new("run"), Path::new("--per-host"), Path::new("4")])
    }

    /// The first run, killed when the server has sent half of everything.
    fn interrupt(&self) -> io::Result<bool> {
        println!("\nThe download starts. Half way it will be killed, as by `kill -9` or a crash:");
        let mut child = self.run()?;
        let watched = self.watch(&mut child, || self.server.sent() >= self.total / 2);
        // Fails only where it has ended by itself, which is told below.
        let _ = child.kill();
        child.wait()?;
        let Watched { status, wrong } = watched?;
        println!("\n");
        if let Some(status) = status {
            println!("It ended by itself before that ({status}).");
            return Ok(false);
        }
        println!("Killed, with no time to tidy up. The server had sent {}. On disk is now", mib(self.server.sent()));
        for sample in self.samples.iter() {
            let size = sample.content.len() as u64;
            match sample.standing(&self.into)? {
                Standing::Whole => println!("  {}: whole, {}", sample.name, mib(size)),
                Standing::Part(have) => println!("  .{}.ftpq-part: {} of {}", sample.name, mib(have), mib(size)),
                Standing::Absent => println!("  {}: nothing yet", sample.name),
                Standing::Wrong(_) => {}
            }
        }
        if wrong.is_empty() {
            println!("Under the final names stands nothing but whole files, and did at every moment.");
        }
        Ok(told(&wrong))
    }

    /// The second run, to its end, and the comparison.
    fn resume(&self) -> io::Result<bool> {
        println!("\nThe same command again. It goes on where it was:");
        let before = self.server.continued();
        let mut child = self.run()?;
        let watched = self.watch(&mut child, || false);
        let _ = child.kill();
        child.wait()?;
        let Watched { status, mut wrong } = watched?;
        println!();
        match status {
            Some(status) if status.success() => {}
            Some(status) => wrong.push(format!("the second run failed ({status})")),
            None => wrong.push(format!("the second run did not end within {} s", LIMIT.as_secs())),
        }
        for sample in self.samples.iter() {
            match sample.standing(&self.into)? {
                Standing::Whole => {}
                other => wrong.push(format!("{} is not whole: {other:?}", sample.name)),
            }
        }
        for entry in fs::read_dir(&self.into)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.contains(".ftpq-part") {
                wrong.push(format!("{name} was left behind"));
            }
        }
        let sent = self.server.sent();
        let continued = self.server.continued() - before;
        if sent > self.total + self.total * SURPLUS / 100 {
            wrong.push(format!("the server sent {} for files of {}", mib(sent), mib(self.total)));
        }
        if continued == 0 {
            wrong.push("no file was continued in its middle".to_owned());
        }
        if wrong.is_empty() {
            println!("All {FILES} files are there, equal to the server's in every byte, with their dates.");
            println!("{continued} of them were continued in the middle; none was fetched twice:");
            println!("the server sent {} for files of {}. The little more is", mib(sent), mib(self.total));
            println!("the end of each part file, read again to prove that it still fits.");
        }
        Ok(told(&wrong))
    }

    /// Looks at the final names until the program ends, `enough` says so, or time is up.
    fn watch(&self, child: &mut Child, enough: impl Fn() -> bool) -> io::Result<Watched> {
        let begun = Instant::now();
        let mut wrong = Vec::new();
        let mut pending: Vec<&Sample> = self.samples.iter().collect();
        loop {
            // Asked first, so that a last look comes after the end.
            let status = child.try_wait()?;
            let mut unseen = Vec::new();
            for sample in pending {
                match sample.standing(&self.into)? {
                    Standing::Absent | Standing::Part(_) => unseen.push(sample),
                    Standing::Whole => {}
                    Standing::Wrong(what) => wrong.push(format!("{} had its final name, but {what}", sample.name)),
                }
            }
            pending = unseen;
            if status.is_some() || enough() || begun.elapsed() > LIMIT {
                return Ok(Watched { status, wrong });
            }
            thread::sleep(LOOK);
        }
    }
}

struct Watched {
    /// How the program ended, if it did by itself.
    status: Option<ExitStatus>,
    /// What must not be.
    wrong: Vec<String>,
}

fn told(wrong: &[String]) -> bool {
    for text in wrong {
        println!("NOT as promised: {text}.");
    }
    wrong.is_empty()
}

#[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / 1_048_576.0)
}
