//! The transcript of a run: every command and reply of every session, with its time, in a file.

use crate::model::{printable, rfc3339_millis, without_userinfo};
use rustix::fs::OFlags;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The first words of every transcript: a file without them is somebody else's, and is left alone.
const HEAD: &str = "# ftpq trace";
/// Length in bytes at which the file is set aside as `FILE.1` and begun anew. One more is kept, so twice this is the most.
const LIMIT: u64 = if cfg!(test) { 4096 } else { 64 << 20 };

/// A transcript that is being written. Clones write to the same file.
#[derive(Clone)]
pub struct TraceFile(Arc<Shared>);

struct Shared {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    /// None once it can't be written any more.
    file: Option<File>,
    length: u64,
}

impl TraceFile {
    /// Opens a transcript, to go on behind what is there. It is made for its owner alone.
    ///
    /// # Errors
    /// When it can't be opened, is no transcript of ftpq, or isn't this user's alone.
    pub fn open(path: &Path) -> io::Result<Self> {
        let (file, length) = begin(path)?;
        let state = Mutex::new(State { file: Some(file), length });
        Ok(Self(Arc::new(Shared { path: path.to_owned(), state })))
    }

    /// Adds a line of the dialogue at a time in milliseconds since 1970-01-01 UTC. Returns what a person should know: once,
    /// that no more is written, and why.
    pub(super) fn add(&self, millis: u64, session: &str, line: &str) -> Option<String> {
        let text = format!("{} {session} {line}\n", rfc3339_millis(millis));
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.length >= LIMIT && state.file.is_some() {
            match aside(&self.0.path) {
                Ok((file, length)) => *state = State { file: Some(file), length },
                Err(error) => return Some(self.give_up(&mut state, &error)),
            }
        }
        // In one write, so that what other processes add does not come between.
        match state.file.as_mut()?.write_all(text.as_bytes()) {
            Ok(()) => {
                state.length += text.len() as u64;
                None
            }
            Err(error) => Some(self.give_up(&mut state, &error)),
        }
    }

    fn give_up(&self, state: &mut State, error: &io::Error) -> String {
        state.file = None;
        format!("the trace {} can't be written any more: {error}; the run goes on without it", shown(&self.0.path))
    }
}

impl fmt::Debug for TraceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceFile({})", shown(&self.0.path))
    }
}

/// Opens the file, and gives its length. Nobody else's file is written to: no link is followed, and what is there must
/// be a transcript that this user alone can reach.
fn begin(path: &Path) -> io::Result<(File, u64)> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or(0);
    let mut file =
        OpenOptions::new().read(true).append(true).create(true).mode(0o600).custom_flags(flags).open(path)?;
    let about = file.metadata()?;
    let refuse = |why: &str| Err(io::Error::other(why.to_owned()));
    if !about.is_file() {
        return refuse("it is no file; a trace goes to a file of its own");
    }
    if about.uid() != rustix::process::geteuid().as_raw() || about.nlink() != 1 {
        return refuse("it belongs to another user, or has other names; name another file");
    }
    if about.mode() & 0o077 != 0 {
        return refuse("others can read or write it; `chmod 600` it, or name another file");
    }
    let mut length = about.len();
    if length == 0 {
        let head = format!("{HEAD} of process {}, times in UTC; passwords stand as ***\n", std::process::id());
        file.write_all(head.as_bytes())?;
        length = head.len() as u64;
    } else if !is_trace(&mut file)? {
        return refuse("it is there and is no trace of ftpq; name another file");
    }
    Ok((file, length))
}

fn is_trace(file: &mut File) -> io::Result<bool> {
    let mut head = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(HEAD.len() as u64).read_to_end(&mut head)?;
    Ok(head == HEAD.as_bytes())
}

/// Sets a full transcript aside, in place of the one before it, and begins anew.
fn aside(path: &Path) -> io::Result<(File, u64)> {
    let mut old = path.as_os_str().to_owned();
    old.push(".1");
    let old = PathBuf::from(old);
    match fs::symlink_metadata(&old) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
        Ok(_) => {
            // Refused where it is none of ours.
            begin(&old)?;
        }
    }
    fs::rename(path, &old)?;
    begin(path)
}

fn shown(path: &Path) -> String {
    printable(&without_userinfo(&path.to_string_lossy()), 300)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn file(name: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        (dir, path)
    }

    #[test]
    fn a_transcript_is_its_owners_alone_and_is_gone_on_with() {
        let (_dir, path) = file("trace");
        for n in 0..2 {
            let trace = TraceFile::open(&path).unwrap();
            assert_eq!(trace.add(1_000_000_000_042 + n, "#1 h:21", "> QUIT"), None);
        }
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("# ftpq trace of process "), "{text}");
        assert_eq!(lines[1..], ["2001-09-09T01:46:40.042Z #1 h:21 > QUIT", "2001-09-09T01:46:40.043Z #1 h:21 > QUIT"]);
    }

    #[test]
    fn nobody_elses_file_is_written_to() {
        let (dir, path) = file("trace");
        let precious = dir.path().join("precious");
        fs::write(&precious, "precious").unwrap();
        fs::set_permissions(&precious, fs::Permissions::from_mode(0o600)).unwrap();
        symlink(&precious, &path).unwrap();
        assert!(TraceFile::open(&path).is_err(), "a link was followed");
        assert!(TraceFile::open(&precious).unwrap_err().to_string().contains("no trace"));
        assert!(TraceFile::open(dir.path()).is_err());
        assert!(TraceFile::open(Path::new("/dev/null")).unwrap_err().to_string().contains("no file"));
        fs::remove_file(&path).unwrap();
        TraceFile::open(&path).unwrap();
        fs::hard_link(&path, dir.path().join("other")).unwrap();
        assert!(TraceFile::open(&path).unwrap_err().to_string().contains("other names"));
        fs::remove_file(dir.path().join("other")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(TraceFile::open(&path).unwrap_err().to_string().contains("chmod 600"));
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    }

    #[test]
    fn it_never_takes_more_than_twice_its_limit() {
        let (_dir, path) = file("trace");
        let trace = TraceFile::open(&path).unwrap();
        for n in 0..400 {
            assert_eq!(trace.add(n, "#1 h:21", "> NOOP of some length"), None);
        }
        let old = path.with_file_name("trace.1");
        let (now, before) = (fs::metadata(&path).unwrap().len(), fs::metadata(&old).unwrap().len());
        assert!(now <= LIMIT + 100 && before <= LIMIT + 100, "{now} {before}");
        assert!(fs::read_to_string(&path).unwrap().contains(".399Z"), "the end is missing");
    }

    #[test]
    fn what_can_not_be_set_aside_ends_it_aloud_and_once() {
        let (_dir, path) = file("trace");
        fs::write(path.with_file_name("trace.1"), "precious").unwrap();
        let trace = TraceFile::open(&path).unwrap();
        let told: Vec<String> = (0..400).filter_map(|n| trace.add(n, "#1 h:21", "> NOOP of some length")).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("can't be written any more"), "{told:?}");
        assert_eq!(fs::read_to_string(path.with_file_name("trace.1")).unwrap(), "precious");
    }
}
