//! An FTP server of our own that can lie: a plain, correct server over files in memory, whose every answer a test may
//! replace. It records what it was asked and counts what it sent.

mod act;
mod core;
mod data;
mod session;

pub(crate) use act::{Act, Delivery, End, Turn};
pub(crate) use core::{Batch, Behind, Core, Traits};

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    sync::Arc,
    thread,
    time::Duration,
};

/// A running server; dropping it ends every session.
pub(crate) struct Scripted {
    core: Arc<Core>,
    address: SocketAddr,
}

impl Scripted {
    /// An honest server.
    pub(crate) fn honest() -> Self {
        Self::with(Traits::default(), |_| Act::Usual)
    }

    /// A server that is honest but for what the hook answers.
    pub(crate) fn lying(hook: impl Fn(&Turn) -> Act + Send + Sync + 'static) -> Self {
        Self::with(Traits::default(), hook)
    }

    /// A server with these traits and this hook on 127.0.0.1.
    pub(crate) fn with(traits: Traits, hook: impl Fn(&Turn) -> Act + Send + Sync + 'static) -> Self {
        Self::at(IpAddr::V4(Ipv4Addr::LOCALHOST), traits, hook)
    }

    /// The same on `::1`.
    pub(crate) fn on_ipv6(traits: Traits, hook: impl Fn(&Turn) -> Act + Send + Sync + 'static) -> Self {
        Self::at(IpAddr::V6(Ipv6Addr::LOCALHOST), traits, hook)
    }

    fn at(ip: IpAddr, traits: Traits, hook: impl Fn(&Turn) -> Act + Send + Sync + 'static) -> Self {
        Self::behind(TcpListener::bind((ip, 0)).unwrap(), traits, hook)
    }

    /// The same on a port that the test has chosen.
    pub(crate) fn behind(
        listener: TcpListener,
        traits: Traits,
        hook: impl Fn(&Turn) -> Act + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let core = Arc::new(Core::new(traits, Box::new(hook)));
        let shared = Arc::clone(&core);
        thread::spawn(move || {
            let mut number = 0;
            while !shared.stopping() {
                match listener.accept() {
                    Ok((stream, _)) => {
                        number += 1;
                        let core = Arc::clone(&shared);
                        thread::spawn(move || session::serve(&core, stream, number));
                    }
                    Err(_) => thread::sleep(Duration::from_millis(3)),
                }
            }
        });
        Self { core, address }
    }

    /// What the server knows and saw.
    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    /// Address of the control port.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Puts a file there, with a fixed time.
    pub(crate) fn put(&self, path: &str, data: impl Into<Vec<u8>>) {
        self.core.put(path, data.into(), "20240229123456");
    }

    /// The anonymous URL of a file.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("ftp://{}/{path}", self.address)
    }

    /// The URL of a file with user information.
    pub(crate) fn url_as(&self, userinfo: &str, path: &str) -> String {
        format!("ftp://{userinfo}@{}/{path}", self.address)
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.core.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::bytes::pseudo_random;
    use std::process::Command;

    fn curl(args: &[&str]) -> Option<(bool, Vec<u8>)> {
        let mut command = Command::new("curl");
        let output = command.args(["-sS", "--max-time", "20"]).args(args).output().ok()?;
        Some((output.status.success(), output.stdout))
    }

    /// The server itself has to be right before its lies mean anything.
    #[test]
    fn the_scripted_server_serves_another_client_in_every_data_mode() {
        for server in [Scripted::honest(), Scripted::on_ipv6(Traits::default(), |_| Act::Usual)] {
            let data = pseudo_random(1, 300_000);
            server.put("pub/a.bin", data.clone());
            let url = server.url("pub/a.bin");
            let mut modes = vec![vec![], vec!["-P", "-"], vec!["-r", "1000-"]];
            if server.address().is_ipv4() {
                modes.extend([vec!["--disable-epsv"], vec!["-P", "-", "--disable-eprt"]]);
            }
            for mode in modes {
                let mut args = mode.clone();
                args.push(&url);
                let Some((good, got)) = curl(&args) else { return crate::support::report::skip("no curl") };
                let from = if mode.contains(&"-r") { 1000 } else { 0 };
                assert!(good && got == data[from..], "{mode:?}: {} bytes, {}", got.len(), server.core().dialogue());
            }
            assert_eq!(server.core().sessions().1, if server.address().is_ipv4() { 5 } else { 3 });
        }
    }

    #[test]
    fn the_scripted_server_counts_what_it_sends_and_lies_as_told() {
        let server = Scripted::lying(|turn| match turn.verb {
            "RETR" => Act::Deliver(Delivery { upto: 500, ..turn.delivery() }),
            _ => Act::Usual,
        });
        server.put("a", pseudo_random(2, 2000));
        let Some((_, got)) = curl(&[&server.url("a")]) else { return crate::support::report::skip("no curl") };
        assert_eq!(got.len(), 500);
        assert_eq!(server.core().sent("a"), 500);
        assert_eq!(server.core().args("RETR"), ["a"]);
    }
}
