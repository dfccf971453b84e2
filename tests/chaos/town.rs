//! The servers, what lies on them, and the ways to them.

use crate::{
    deeds::Tally,
    house::mount,
    plan::{Plan, SERVERS, Secure},
    relay::Relay,
    support::{
        Act, Scripted, Traits,
        certs::Authority,
        real::{self, Kind, Options, Server},
        scripted::{self, Demand},
    },
};
use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    os::unix::fs::{FileExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, UNIX_EPOCH},
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Ports of the scripted server: below those of the real ones, and of those that the system gives to clients.
const PASSIVE: (u16, u16) = (9_100, 9_500);
const CONTROL: u16 = 9_000;

/// What the scripted server is to have when it is started again.
type Shelf = BTreeMap<String, (Arc<Vec<u8>>, String)>;

enum Origin {
    Scripted { server: Option<Scripted>, traits: Box<Traits>, shelf: Shelf },
    Real(Box<Server>),
}

/// One server and the way to it.
pub(crate) struct Site {
    /// Its name, which the list knows it by.
    pub(crate) host: String,
    /// Port of its control connections.
    pub(crate) port: u16,
    /// The certificate, in PEM, of the authority that signed its own.
    pub(crate) authority: String,
    /// The way to it.
    pub(crate) relay: Relay,
    /// What befell it as a whole.
    pub(crate) tally: Tally,
    origin: Origin,
}

/// All of them.
pub(crate) struct Town {
    /// The servers.
    pub(crate) sites: Vec<Site>,
    hosts: PathBuf,
    _folder: TempDir,
    _runtime: Runtime,
}

impl Town {
    /// Starts all servers, in a network namespace that has nothing yet. Files that are read in `span` come at a rate that
    /// fills it.
    pub(crate) fn found(plan: &Plan) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        ip(&["link", "set", "lo", "up"]);
        // The relays stay where they are while their addresses are gone.
        fs::write("/proc/sys/net/ipv4/ip_nonlocal_bind", "1").unwrap();
        if plan.silent {
            // Nobody reads what goes into this tunnel.
            ip(&["tuntap", "add", "dev", "hole", "mode", "tun"]);
            ip(&["link", "set", "hole", "up"]);
            ip(&["route", "add", "default", "dev", "hole"]);
        }
        let rate = plan.bytes() * 1000 / SERVERS as u64 / (plan.span * 7 / 10);
        let mut lines = String::from("127.0.0.1 localhost\n");
        let mut sites = Vec::new();
        for n in 0..SERVERS {
            ip(&["addr", "add", &format!("{}/32", address(n)), "dev", "lo"]);
            let Started { name, origin, address: server, passive, authority } = start(n, plan.tls[n]);
            let host = format!("{name}.test");
            writeln!(lines, "{} {host}", address(n)).unwrap();
            let seed = plan.seed.wrapping_mul(0x1_0001).wrapping_add(n as u64) << 32;
            let mut relay = Relay::new(runtime.handle().clone(), address(n), server, passive, (seed, rate));
            relay.open();
            sites.push(Site { host, port: server.port(), authority, relay, tally: Tally::default(), origin });
        }
        let hosts = folder.path().join("hosts");
        fs::write(&hosts, lines).unwrap();
        mount(&["--bind"], &hosts, Path::new("/etc/hosts"));
        // Without a name server a name that is not in this file is not known yet, rather than known not to be.
        let resolver = folder.path().join("resolv.conf");
        fs::write(&resolver, "options attempts:1 timeout:1\n").unwrap();
        mount(&["--bind"], &resolver, &fs::canonicalize("/etc/resolv.conf").unwrap());
        Self { sites, hosts, _folder: folder, _runtime: runtime }
    }

    /// Gives a server its address, or takes it.
    pub(crate) fn set_address(site: usize, there: bool) {
        let verb = if there { "add" } else { "del" };
        // Another such blow may have come first.
        let _ = Command::new("ip").args(["addr", verb, &format!("{}/32", address(site)), "dev", "lo"]).output();
    }

    /// Gives a server its name, or takes it: by one byte, so that nobody ever sees half a file.
    pub(crate) fn set_name(&self, site: usize, there: bool) {
        let text = fs::read_to_string(&self.hosts).unwrap();
        let at = text.find(&format!("0.99.{}.1 ", site + 1)).unwrap() - 1;
        let file = fs::File::options().write(true).open(&self.hosts).unwrap();
        file.write_all_at(if there { b"1" } else { b"#" }, at as u64).unwrap();
    }
}

fn address(site: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 99, u8::try_from(site).unwrap() + 1, 1))
}

fn ip(args: &[&str]) {
    let output = Command::new("ip").args(args).output().unwrap();
    assert!(output.status.success(), "ip {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A server as it is just started.
struct Started {
    name: &'static str,
    origin: Origin,
    address: SocketAddr,
    passive: (u16, u16),
    authority: String,
}

fn start(site: usize, secure: Secure) -> Started {
    let implicit = secure == Secure::Implicit;
    let Some(kind) = site.checked_sub(1).map(|n| Kind::ALL[n]) else {
        let authority = Authority::new("chaos");
        let tls = scripted::Tls { implicit, demand: Demand::FileZilla, ..scripted::Tls::new(authority.good()) };
        let tls = Some(tls).filter(|_| secure != Secure::Plain);
        let traits = Traits { passive: Some(PASSIVE), mlst: true, tls, ..Traits::default() };
        let origin =
            Origin::Scripted { server: Some(scripted(&traits)), traits: Box::new(traits), shelf: Shelf::new() };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, CONTROL));
        return Started { name: "scripted", origin, address, passive: PASSIVE, authority: authority.pem() };
    };
    let tls = real::Tls { implicit, reuse: kind != Kind::PureFtpd, ..real::Tls::default() };
    let server =
        Server::start(kind, Options { tls: Some(tls).filter(|_| secure != Secure::Plain), ..Options::default() });
    let (address, passive, authority) = (server.address(), server.passive(), server.authority());
    Started { name: kind.name(), origin: Origin::Real(Box::new(server)), address, passive, authority }
}

fn scripted(traits: &Traits) -> Scripted {
    for _ in 0..200 {
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, CONTROL)) {
            return Scripted::behind(listener, traits.clone(), |_| Act::Usual);
        }
        // The one before has not let go yet.
        thread::sleep(Duration::from_millis(5));
    }
    panic!("port {CONTROL} is taken");
}

impl Site {
    /// Kills the server with all its sessions.
    pub(crate) fn kill(&mut self) {
        match &mut self.origin {
            Origin::Scripted { server, .. } => *server = None,
            Origin::Real(server) => server.kill(),
        }
    }

    /// Starts it again.
    pub(crate) fn start_again(&mut self) {
        match &mut self.origin {
            Origin::Scripted { server, traits, shelf } => {
                let new = server.take().unwrap_or_else(|| scripted(traits));
                for (path, (data, modified)) in shelf.iter() {
                    new.core().put_shared(path, Arc::clone(data), modified);
                }
                *server = Some(new);
            }
            Origin::Real(server) => {
                server.kill();
                server.start_again();
            }
        }
    }

    /// Puts a file there, whole from one moment to the next.
    pub(crate) fn put(&mut self, path: &str, data: &Arc<Vec<u8>>, modified: u64) {
        match &mut self.origin {
            Origin::Scripted { server, shelf, .. } => {
                let modified = mdtm(modified);
                if let Some(server) = server {
                    server.core().put_shared(path, Arc::clone(data), &modified);
                }
                shelf.insert(path.to_owned(), (Arc::clone(data), modified));
            }
            Origin::Real(server) => put_real(&server.root(), path, data, modified),
        }
    }

    /// Takes a file away.
    pub(crate) fn remove(&mut self, path: &str) {
        match &mut self.origin {
            Origin::Scripted { server, shelf, .. } => {
                if let Some(server) = server {
                    server.core().remove(path);
                }
                shelf.remove(path);
            }
            Origin::Real(server) => fs::remove_file(server.root().join(path)).unwrap_or_default(),
        }
    }
}

fn put_real(root: &Path, path: &str, data: &[u8], modified: u64) {
    let (place, new) = (root.join(path), root.join(".new"));
    let folder = place.parent().unwrap();
    fs::create_dir_all(folder).unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(&new, data).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o644)).unwrap();
    let file = fs::File::options().write(true).open(&new).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(modified)).unwrap();
    fs::rename(new, place).unwrap();
}

/// A time as MDTM tells it. All times here are in 2024 and 2025.
fn mdtm(seconds: u64) -> String {
    const NEW_YEAR: u64 = 1_704_067_200;
    let (mut day, second) = ((seconds - NEW_YEAR) / 86_400, seconds % 86_400);
    let mut year = 2024;
    let months = loop {
        let february = if year == 2024 { 29 } else { 28 };
        let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let days: u64 = months.iter().sum();
        if day < days {
            break months;
        }
        day -= days;
        year += 1;
    };
    let mut month = 0;
    while day >= months[month] {
        day -= months[month];
        month += 1;
    }
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year}{:02}{:02}{hour:02}{minute:02}{:02}", month + 1, day + 1, second % 60)
}

#[cfg(test)]
mod tests {
    use super::mdtm;

    #[test]
    fn times_are_told_as_they_are() {
        for (seconds, told) in
            [(1_709_210_096, "20240229123456"), (1_735_689_599, "20241231235959"), (1_740_787_200, "20250301000000")]
        {
            assert_eq!(mdtm(seconds), told);
        }
    }
}
