//! The socket's place, and who is at its other end.

use rustix::fs::{AtFlags, FileType, Mode, chmodat, statat, unlinkat};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixStream};

const NAME: &str = "control.sock";
/// Longest path of a socket in bytes, with the zero behind it (unix(7)).
const LONGEST: usize = 108;

/// A bound socket; its name goes away with it.
pub(super) struct Bound {
    folder: File,
    id: (u64, u64),
}

impl Bound {
    /// Binds the socket in a folder that this process owns, in place of one that a dead process left.
    ///
    /// # Errors
    /// When something else has the name, or it can't be bound.
    pub(super) fn new(dir: &Path) -> io::Result<(Self, UnixListener)> {
        let folder = File::open(dir)?;
        match statat(&folder, NAME, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Socket => {
                unlinkat(&folder, NAME, AtFlags::empty())?;
            }
            Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something else has its name")),
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let listener = StdListener::bind(address(dir, &folder))?;
        // Until here the umask decides who may connect; every peer is asked for its user besides.
        chmodat(&folder, NAME, Mode::RUSR | Mode::WUSR, AtFlags::empty())?;
        let stat = statat(&folder, NAME, AtFlags::SYMLINK_NOFOLLOW)?;
        listener.set_nonblocking(true)?;
        let bound = Self { folder, id: (stat.st_dev, stat.st_ino) };
        Ok((bound, UnixListener::from_std(listener)?))
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        // A later owner's socket stays.
        let now = statat(&self.folder, NAME, AtFlags::SYMLINK_NOFOLLOW).map(|stat| (stat.st_dev, stat.st_ino));
        if now == Ok(self.id) {
            // What is left behind is replaced by the next owner.
            let _ = unlinkat(&self.folder, NAME, AtFlags::empty());
        }
    }
}

/// A connection to the folder's socket, whose other end is the folder's owner.
///
/// # Errors
/// When nobody listens there, or another user does.
pub(super) async fn connect(dir: &Path) -> io::Result<UnixStream> {
    let folder = File::open(dir)?;
    let stream = UnixStream::connect(address(dir, &folder)).await?;
    if is_peer(&stream, folder.metadata()?.uid())? {
        Ok(stream)
    } else {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "another user listens there"))
    }
}

/// Whether the other end runs as this process's user, or as `other`.
///
/// # Errors
/// When the system doesn't say.
pub(super) fn is_peer(stream: &UnixStream, other: u32) -> io::Result<bool> {
    let uid = stream.peer_cred()?.uid();
    Ok(uid == rustix::process::geteuid().as_raw() || uid == other)
}

/// The path to bind or connect to. A socket's path is short; a long one is reached through the open folder.
fn address(dir: &Path, folder: &File) -> PathBuf {
    let path = dir.join(NAME);
    if path.as_os_str().len() < LONGEST {
        return path;
    }
    PathBuf::from(format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd()))
}
