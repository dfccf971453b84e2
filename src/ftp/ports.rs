//! Ports that servers named for data connections. A server that names one port to two sessions at once may hand each the
//! other's bytes, and no reply tells: so ports are compared over all sessions of a run, until the first byte came.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The ports that servers have named to any session, and over which nothing has come yet.
#[derive(Clone, Debug, Default)]
pub struct PassivePorts {
    named: Arc<Mutex<HashMap<(IpAddr, u16), Holders>>>,
}

/// Sessions that hold a port, and whether there were ever two of them at once since the first.
#[derive(Debug, Default)]
struct Holders {
    count: usize,
    is_shared: Arc<AtomicBool>,
}

/// A port that a server named to a session. Dropped once the session is through with it.
#[derive(Debug)]
pub(super) struct NamedPort {
    ports: PassivePorts,
    server: IpAddr,
    number: u16,
    is_shared: Arc<AtomicBool>,
}

impl PassivePorts {
    /// Takes note that a server named a port to a session.
    pub(super) fn name(&self, server: IpAddr, number: u16) -> NamedPort {
        let mut named = self.lock();
        let holders = named.entry((server, number)).or_default();
        holders.count += 1;
        holders.is_shared.fetch_or(holders.count > 1, Relaxed);
        let is_shared = Arc::clone(&holders.is_shared);
        drop(named);
        NamedPort { ports: self.clone(), server, number, is_shared }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(IpAddr, u16), Holders>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NamedPort {
    /// Its number.
    pub(super) fn number(&self) -> u16 {
        self.number
    }

    /// Whether another session was told it meanwhile.
    pub(super) fn is_shared(&self) -> bool {
        self.is_shared.load(Relaxed)
    }
}

impl Drop for NamedPort {
    fn drop(&mut self) {
        let (key, mut named) = ((self.server, self.number), self.ports.lock());
        if let Some(holders) = named.get_mut(&key) {
            holders.count -= 1;
            if holders.count == 0 {
                named.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_two_sessions_are_told_at_once_is_shared_for_both() {
        let (ports, server) = (PassivePorts::default(), IpAddr::from([127, 0, 0, 1]));
        let first = ports.name(server, 2000);
        let other = ports.name(server, 2001);
        assert!(!first.is_shared());
        let second = ports.name(server, 2000);
        assert!(first.is_shared() && second.is_shared() && !other.is_shared());
        drop(second);
        assert!(first.is_shared(), "its bytes may be the other's all the same");
        // A third comes while the first still waits.
        assert!(ports.name(server, 2000).is_shared());
    }

    #[test]
    fn a_port_may_be_named_again_once_it_was_used() {
        let (ports, server) = (PassivePorts::default(), IpAddr::from([127, 0, 0, 1]));
        drop(ports.name(server, 2000));
        let again = ports.name(server, 2000);
        assert!(!again.is_shared());
        assert!(!ports.name(IpAddr::from([127, 0, 0, 2]), 2000).is_shared(), "another server's");
        drop(again);
        assert!(ports.lock().is_empty());
    }
}
