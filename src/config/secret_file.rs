//! Files that hold passwords.

use super::ConfigError;
use crate::model::{Secret, printable, without_userinfo};
use rustix::fs::OFlags;
use std::fs::{File, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Longest password, in bytes.
const LIMIT: u64 = 4096;

/// Reads the first line of a file as a password. The file must belong to this user and be closed to all others; a
/// pipe will do too, such as a shell's `<(…)`.
///
/// # Errors
/// When the file can't be read, is open to others, is empty, or its first line can't be a password.
pub fn read_password_file(path: &Path) -> Result<Secret, ConfigError> {
    let file = File::open(path).map_err(|e| ConfigError::read(path, e))?;
    let about = file.metadata().map_err(|e| ConfigError::read(path, e))?;
    if about.is_file() {
        must_be_private(path, &about)?;
    }
    let mut bytes = Vec::new();
    file.take(LIMIT + 2).read_to_end(&mut bytes).map_err(|e| ConfigError::read(path, e))?;
    let line = bytes.split(|&b| b == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() as u64 > LIMIT {
        return Err(ConfigError::file(path, format!("its first line is longer than {LIMIT} bytes")));
    }
    let text = std::str::from_utf8(line).map_err(|_| ConfigError::file(path, "its first line is not UTF-8"))?;
    if text.is_empty() {
        return Err(ConfigError::file(path, "its first line is empty; write the password there"));
    }
    if text.chars().any(char::is_control) {
        return Err(ConfigError::file(
            path,
            "its first line holds a control character, which no FTP command can carry",
        ));
    }
    Ok(Secret::new(text))
}

/// Checks a password file that is not needed yet: what a pipe holds can be read only once, and is left in it.
pub(super) fn check_password_file(path: &Path) -> Result<(), ConfigError> {
    let about = std::fs::metadata(path).map_err(|e| ConfigError::read(path, e))?;
    if about.is_file() { read_password_file(path).map(|_| ()) } else { Ok(()) }
}

/// The text of a file of at most `limit` bytes that belongs to this user and is closed to all others.
pub(super) fn read_private(path: &Path, limit: u64) -> Result<String, ConfigError> {
    // A FIFO of that name must not hold up the start.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|e| ConfigError::read(path, e))?;
    let about = file.metadata().map_err(|e| ConfigError::read(path, e))?;
    if !about.is_file() {
        return Err(ConfigError::file(path, "not a regular file"));
    }
    must_be_private(path, &about)?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|e| ConfigError::read(path, e))?;
    if bytes.len() as u64 > limit {
        return Err(ConfigError::file(path, format!("larger than {limit} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| ConfigError::file(path, "not UTF-8"))
}

fn must_be_private(path: &Path, about: &Metadata) -> Result<(), ConfigError> {
    if about.uid() != rustix::process::geteuid().as_raw() {
        return Err(ConfigError::file(path, "belongs to another user; secrets are taken from one's own files alone"));
    }
    if about.mode() & 0o077 != 0 {
        let shown = shell_word(&printable(&without_userinfo(&path.to_string_lossy()), 300));
        return Err(ConfigError::file(path, format!("can be read or written by other users; `chmod 600 {shown}`")));
    }
    Ok(())
}

/// A text as a shell takes it for one word.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:=@%".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
