//! Ports that servers named for data connections, one connection at a time on each.
//!
//! A server that names one port to two sessions may hand each the other's connection, and no reply tells. So whoever is told
//! a port over which another session of this run still waits for its first byte connects once that byte has come: until
//! then only one connection to it exists, and can't be taken for another. Servers that accept early and name the port anew
//! right then (pyftpdlib with few ports) lose nothing by it.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// The ports of servers over which a session waits for its first byte.
#[derive(Clone, Debug, Default)]
pub struct PassivePorts {
    held: Arc<watch::Sender<HashSet<(IpAddr, u16)>>>,
}

/// A port that no other session connects to. Dropped once the first byte came, or the data connection is closed.
#[derive(Debug)]
pub(super) struct HeldPort {
    ports: PassivePorts,
    key: (IpAddr, u16),
}

impl PassivePorts {
    /// Waits until no session holds the port, and holds it.
    pub(super) async fn hold(&self, server: IpAddr, number: u16) -> HeldPort {
        let key = (server, number);
        let mut changes = self.held.subscribe();
        loop {
            let mut is_free = false;
            self.held.send_if_modified(|held| {
                is_free = held.insert(key);
                false
            });
            if is_free {
                return HeldPort { ports: self.clone(), key };
            }
            // The sender is this one's own.
            let _ = changes.wait_for(|held| !held.contains(&key)).await;
        }
    }
}

impl Drop for HeldPort {
    fn drop(&mut self) {
        self.ports.held.send_modify(|held| {
            held.remove(&self.key);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test]
    async fn a_port_is_held_by_one_session_at_a_time() {
        let (ports, server) = (PassivePorts::default(), IpAddr::from([127, 0, 0, 1]));
        let first = ports.hold(server, 2000).await;
        let other = ports.hold(server, 2001).await;
        let elsewhere = ports.hold(IpAddr::from([127, 0, 0, 2]), 2000).await;
        assert!(timeout(Duration::from_millis(50), ports.hold(server, 2000)).await.is_err(), "two hold it");
        let waits: Vec<_> = (0..3)
            .map(|_| {
                let ports = ports.clone();
                tokio::spawn(async move { drop(ports.hold(server, 2000).await) })
            })
            .collect();
        drop((other, elsewhere));
        tokio::task::yield_now().await;
        assert!(waits.iter().all(|wait| !wait.is_finished()));
        drop(first);
        for wait in waits {
            timeout(Duration::from_secs(20), wait).await.expect("nobody told it that the port is free").unwrap();
        }
        assert!(ports.held.borrow().is_empty());
    }

    /// What is to be done about a port that another session of ours holds is told of that.
    #[tokio::test]
    async fn a_port_that_stays_held_is_told_with_what_avoids_it() {
        let ports = PassivePorts::default();
        let address: std::net::SocketAddr = ([192, 0, 2, 1], 9).into();
        let _held = ports.hold(address.ip(), address.port()).await;
        let patience = std::time::Duration::from_millis(5);
        let error = crate::ftp::connect::data_alone(address, None, patience, &ports).await.err().unwrap();
        let failure = crate::ftp::trouble::unreachable(9, &error);
        assert!(failure.advice.as_deref().unwrap().contains("--per-host 1"), "{failure:?}");
    }
}
