//! An FTP server of our own that can lie: a plain, correct server over files in memory, whose every answer a test may
//! replace. It records what it was asked and counts what it sent.

mod act;
mod core;
mod data;
mod listing;
mod secure;
mod session;
mod tls;

pub(crate) use act::{Act, Delivery, End, Turn};
pub(crate) use core::{Batch, Behind, Core, Traits};
pub(crate) use tls::{Demand, Handshake, Shaken, TLS_12, TLS_13, Tls};

use crate::support::{Port, watch};
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
    port: Option<Port>,
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

    /// A server that does TLS so and is honest but for what the hook answers.
    pub(crate) fn with_tls(tls: Tls, hook: impl Fn(&Turn) -> Act + Send + Sync + 'static) -> Self {
        Self::with(Traits { tls: Some(tls), ..Traits::default() }, hook)
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
        Self::at_port(Port::of(ip), traits, hook)
    }

    /// The same at a port of the test's, once a server that was there is gone.
    pub(crate) fn at_port(port: Port, traits: Traits, hook: impl Fn(&Turn) -> Act + Send + Sync + 'static) -> Self {
        let mut listener = None;
        let is_free = watch::wait_for(Duration::from_secs(60), || {
            listener = port.listen();
            listener.is_some()
        });
        assert!(is_free, "{} is still taken", port.address());
        let mut server = Self::behind(listener.unwrap(), traits, hook);
        server.port = Some(port);
        server
    }

    /// The same behind a listener of the test's.
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
        Self { core, address, port: None }
    }

    /// Ends it. Its port stays the test's: nobody answers there, unless the test starts another server.
    pub(crate) fn shut(mut self) -> Port {
        self.port.take().unwrap()
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

    /// Makes an empty folder; others come of their files.
    #[allow(dead_code, reason = "not every binary needs it")]
    pub(crate) fn put_folder(&self, path: &str) {
        self.core.put_folder(path);
    }

    /// The anonymous URL of a file.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("ftp://{}/{path}", self.address)
    }

    /// The URL of a file by any scheme, as the user whose password this server knows.
    pub(crate) fn url_by(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://user:password@{}/{path}", self.address)
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
    use crate::support::{
        bytes::pseudo_random,
        certs::{Authority, Identity},
    };
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

    /// A CA file for curl, and the options that every call with TLS takes.
    fn curl_tls(authority: &Authority, args: &[&str]) -> Option<(bool, Vec<u8>)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, authority.pem()).unwrap();
        curl(&[&["--cacert", path.to_str().unwrap()], args].concat())
    }

    #[test]
    fn the_scripted_server_speaks_tls_with_another_client() {
        let authority = Authority::new("tests");
        for (versions, implicit) in [TLS_12, TLS_13].into_iter().flat_map(|v| [(v, false), (v, true)]) {
            let tls = Tls { versions, implicit, demand: Demand::FileZilla, ..Tls::new(authority.good()) };
            let server = Scripted::with_tls(tls, |_| Act::Usual);
            let data = pseudo_random(4, 300_000);
            ["a", "b"].iter().for_each(|name| server.put(name, data.clone()));
            let scheme = if implicit { "ftps" } else { "ftp" };
            let (a, b) = (server.url_by(scheme, "a"), server.url_by(scheme, "b"));
            let Some((good, got)) = curl_tls(&authority, &["--ssl-reqd", &a, &b]) else {
                return crate::support::report::skip("no curl");
            };
            let story = server.core().dialogue();
            assert!(good && got == [&data[..], &data[..]].concat(), "{} bytes\n{story}", got.len());
            assert_eq!(server.core().data_handshakes(), (0, 2), "{story}");
            assert_eq!(server.core().sent_in_clear(), 0);
            let clear = if implicit { "" } else { "AUTH SSL\r\n" };
            assert_eq!(server.core().heard_in_clear(), clear, "{story}");
            assert!(server.core().arrived(&[22, 3]) && !server.core().arrived(b"PASS"), "{story}");
        }
    }

    /// Whether curl gets the file whole from a server that does TLS so.
    fn refused_by_curl(authority: &Authority, tls: Tls, hook: fn(&Turn) -> Act) -> Option<Scripted> {
        let server = Scripted::with_tls(tls, hook);
        server.put("a", pseudo_random(4, 3000));
        let (good, got) = curl_tls(authority, &["--ssl-reqd", "--max-time", "3", &server.url_by("ftp", "a")])?;
        assert!(!good, "{} bytes\n{}", got.len(), server.core().dialogue());
        Some(server)
    }

    #[test]
    fn the_scripted_server_does_tls_as_wrongly_as_told() {
        let authority = Authority::new("tests");
        let good = || Tls::new(authority.good());
        let of = |identity| Tls::new(identity);
        let foreign = Authority::new("foreign");
        for identity in [
            authority.expired(),
            authority.not_yet_valid(),
            authority.named(&["other.example"]),
            authority.address_as_name("127.0.0.1"),
            Identity::self_signed(),
            foreign.good(),
        ] {
            let Some(server) = refused_by_curl(&authority, of(identity), |_| Act::Usual) else {
                return crate::support::report::skip("no curl");
            };
            assert!(server.core().args("USER").is_empty(), "{}", server.core().dialogue());
        }
        for handshake in [Handshake::Stall, Handshake::HangUp, Handshake::Say(b"230 welcome\r\n".to_vec())] {
            refused_by_curl(&authority, Tls { handshake, ..good() }, |_| Act::Usual).unwrap();
        }
        for demand in [Demand::Vsftpd, Demand::Proftpd, Demand::FileZilla, Demand::FileZilla09] {
            let tls = Tls { demand, forgets_behind: Some(0), ..good() };
            let server = refused_by_curl(&authority, tls, |_| Act::Usual).unwrap();
            assert_eq!(server.core().data_handshakes(), (1, 0), "{demand:?} {}", server.core().dialogue());
        }
        refused_by_curl(&authority, good(), |turn| match turn.verb {
            "AUTH" => Act::Secure { reply: b"234 go\r\n230 logged in\r\n".to_vec(), later: None },
            _ => Act::Usual,
        });
    }
}
