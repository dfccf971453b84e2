//! What is done to the world, and counting it.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
};

/// One blow. Times are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// ftpq: SIGKILL.
    Kill,
    /// ftpq: SIGTERM.
    Terminate,
    /// ftpq: SIGINT.
    Interrupt,
    /// ftpq: SIGSTOP, and SIGCONT after a while.
    Freeze(u64),
    /// A server: killed, and started again after a while.
    KillServer(usize, u64),
    /// All connections to a server: reset.
    Reset(usize),
    /// All connections to a server: closed in order, wherever they are.
    Fin(usize),
    /// All connections to a server: not a byte for a while.
    Hush(usize, u64),
    /// A server's ports: connections are refused for a while.
    Close(usize, u64),
    /// A server's address: gone for a while.
    Vanish(usize, u64),
    /// A server's name: not found for a while.
    Forget(usize, u64),
    /// The disk: full for a while.
    Fill(u64),
    /// The clock on the wall: so many seconds beside the right time.
    Clock(i64),
    /// A file on its server: its next version.
    Replace(usize),
    /// A file on its server: gone for a while.
    Remove(usize, u64),
    /// The second half of the list is added, while ftpq runs or not.
    AddRest,
}

impl Deed {
    /// What it is counted as.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Kill => "SIGKILL",
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
            Self::Freeze(_) => "SIGSTOP",
            Self::KillServer(..) => "server killed",
            Self::Reset(_) => "all reset",
            Self::Fin(_) => "all closed",
            Self::Hush(..) => "silence",
            Self::Close(..) => "ports closed",
            Self::Vanish(..) => "address gone",
            Self::Forget(..) => "name gone",
            Self::Fill(_) => "disk full",
            Self::Clock(_) => "clock set",
            Self::Replace(_) => "file replaced",
            Self::Remove(..) => "file removed",
            Self::AddRest => "list added",
        }
    }

    /// The server that it strikes, where it strikes one.
    pub(crate) fn server(self) -> Option<usize> {
        match self {
            Self::KillServer(server, _)
            | Self::Reset(server)
            | Self::Fin(server)
            | Self::Hush(server, _)
            | Self::Close(server, _)
            | Self::Vanish(server, _)
            | Self::Forget(server, _) => Some(server),
            _ => None,
        }
    }
}

/// When a deed is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Milliseconds after the beginning.
    After(u64),
    /// Once so many bytes of files have come through.
    Bytes(u64),
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(ms) => write!(f, "after {}.{:03} s", ms / 1000, ms % 1000),
            Self::Bytes(bytes) => write!(f, "after {} KiB", bytes >> 10),
        }
    }
}

/// What was done, by kind.
#[derive(Default)]
pub(crate) struct Tally(Mutex<BTreeMap<&'static str, u64>>);

impl Tally {
    /// Counts one.
    pub(crate) fn count(&self, kind: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default() += 1;
    }

    /// How often one of these was done.
    pub(crate) fn of(&self, kinds: &[&str]) -> u64 {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.iter().filter(|(kind, _)| kinds.contains(kind)).map(|(_, n)| n).sum()
    }

    /// How much was done in all.
    pub(crate) fn total(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// Adds another's counts.
    pub(crate) fn add(&self, other: &Self) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (kind, n) in other.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            *counted.entry(kind).or_default() += n;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<String> = counted.iter().map(|(kind, n)| format!("{kind} {n}")).collect();
        f.write_str(&all.join(", "))
    }
}
