//! The first act of the process: passwords are taken off the command line and out of the environment, where others can
//! see them for as long as it runs.

use crate::model::Secret;
use std::env;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use zeroize::Zeroizing;

/// The variable that may hold a password.
const VARIABLE: &str = "FTPQ_PASSWORD";

/// What the process was started with, taken in.
#[derive(Debug, Default)]
pub struct Door {
    pub(super) args: Vec<OsString>,
    pub(super) password: Option<Secret>,
    /// A password stays where others can see it.
    pub(super) exposed: Option<&'static str>,
}

impl Door {
    /// Takes in the arguments and the password of the environment, and overwrites what is secret of them in the memory
    /// that `ps` and `/proc` show. To be called before anything else, while the process has one thread.
    #[must_use]
    pub fn shut() -> Self {
        let args: Vec<OsString> = env::args_os().collect();
        let variable = env::var_os(VARIABLE);
        let secret_args = args.iter().any(|arg| secret_part(arg.as_bytes()).is_some());
        let mut exposed = None;
        if (secret_args || variable.is_some()) && scrub().is_err() {
            exposed = Some(if secret_args { "command line" } else { "environment" });
        }
        let password = variable.and_then(|text| text.into_string().ok()).filter(|text| !text.is_empty());
        Self { args, password: password.map(Secret::new), exposed }
    }
}

/// Overwrites what is secret of arguments and environment in this process's own memory.
fn scrub() -> io::Result<()> {
    let [args, args_end, env, env_end] = borders().ok_or(io::ErrorKind::InvalidData)?;
    // The system's own way into memory; a pointer would need code that the compiler can't check.
    let memory = OpenOptions::new().read(true).write(true).open("/proc/self/mem")?;
    rewrite(&memory, args, args_end, |arg| {
        if let Some(part) = secret_part(arg).and_then(|(from, to)| arg.get_mut(from..to)) {
            part.fill(b'*');
        }
    })?;
    rewrite(&memory, env, env_end, |entry| {
        if entry.strip_prefix(VARIABLE.as_bytes()).is_some_and(|rest| rest.starts_with(b"=")) {
            // An empty entry is none to whoever reads or inherits it.
            entry.fill(0);
        }
    })
}

/// Changes the texts, each with a zero behind it, between two addresses.
fn rewrite(memory: &fs::File, from: u64, to: u64, change: impl Fn(&mut [u8])) -> io::Result<()> {
    let length = to.checked_sub(from).and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= 64 << 20);
    let mut block = Zeroizing::new(vec![0; length.ok_or(io::ErrorKind::InvalidData)?]);
    memory.read_exact_at(&mut block, from)?;
    let before = block.clone();
    block.split_mut(|&b| b == 0).for_each(change);
    if *block == *before {
        return Ok(());
    }
    memory.write_all_at(&block, from)
}

/// Where arguments and environment begin and end: fields 48 to 51 of `/proc/self/stat` (proc(5)).
fn borders() -> Option<[u64; 4]> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is a name in parentheses, and may hold anything; the third follows.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<u64> = rest.split_whitespace().skip(45).take(4).map(str::parse).collect::<Result<_, _>>().ok()?;
    <[u64; 4]>::try_from(fields).ok().filter(|fields| fields.iter().all(|at| *at != 0))
}

/// From where to where an argument holds what may be a password: all between the first colon of what may be user
/// information and the last at sign. Too much rather than too little: it is but shown.
fn secret_part(arg: &[u8]) -> Option<(usize, usize)> {
    let end = arg.iter().rposition(|&b| b == b'@')?;
    let start = arg.windows(3).position(|w| w == b"://").map_or(0, |at| at + 3);
    let info = arg.get(start..end)?;
    let colon = start + info.iter().position(|&b| b == b':')? + 1;
    (colon < end).then_some((colon, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_password_is_found() {
        for (arg, secret) in [
            ("ftp://u:hunter2@h/a", Some("hunter2")),
            ("--base=ftp://u:hunt:er@2@h:21/", Some("hunt:er@2")),
            ("u:hunter2@h", Some("hunter2")),
            ("ftp://u:hunt/er2@h/a", Some("hunt/er2")),
            ("ftp://u@h/a", None),
            ("ftp://u:@h/a", None),
            ("ftp://h:21/a", None),
            ("plain", None),
            ("a@b", None),
            ("", None),
        ] {
            let found = secret_part(arg.as_bytes()).map(|(from, to)| &arg[from..to]);
            assert_eq!(found, secret, "{arg}");
        }
    }

    /// The borders are those of this very process.
    #[test]
    fn the_system_says_where_the_arguments_lie() {
        let [args, args_end, env, env_end] = borders().unwrap();
        assert!(args < args_end && args_end <= env && env <= env_end);
        let memory = OpenOptions::new().read(true).open("/proc/self/mem").unwrap();
        let mut block = vec![0; usize::try_from(args_end - args).unwrap()];
        memory.read_exact_at(&mut block, args).unwrap();
        assert_eq!(block, fs::read("/proc/self/cmdline").unwrap());
    }
}
