//! vsftpd, proftpd and pure-ftpd, each started for one test, in namespaces of its own.
//!
//! A private mount namespace gives the server its own user list, so that no user has to be made on the machine; a
//! private process namespace ends every session with it. Both need root.

use super::{bytes::Dice, certs::Authority};
use std::{
    fmt::Write,
    fs,
    io::{BufRead, BufReader},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;

/// `password`, as crypt(3) keeps it.
const PASSWORD_HASH: &str =
    "$6$ftpqtests$M3dWIRoDuaLh5Qo2myOr5KvcvWEvo955XCiEBjY3qxQRB2tIFeu4glgXd.BgimEM0jTtJo9Sk2lQAsZ5KTXU00";

/// One of the three servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// vsftpd.
    Vsftpd,
    /// proftpd.
    Proftpd,
    /// pure-ftpd.
    PureFtpd,
}

impl Kind {
    /// All three.
    pub(crate) const ALL: [Self; 3] = [Self::Vsftpd, Self::Proftpd, Self::PureFtpd];

    /// Its name, which is its folder in the kit too.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Vsftpd => "vsftpd",
            Self::Proftpd => "proftpd",
            Self::PureFtpd => "pure-ftpd",
        }
    }

    fn program(self) -> PathBuf {
        kit().join(self.name()).join("usr/sbin").join(self.name())
    }
}

/// What a server is started with.
#[derive(Clone, Copy, Default)]
pub(crate) struct Options {
    /// Control connections from one address; 0 for no limit.
    pub(crate) max_per_ip: u32,
    /// Bytes a second of each transfer; 0 for no limit.
    pub(crate) rate: u32,
    /// On `::1` instead of 127.0.0.1.
    pub(crate) ipv6: bool,
    /// proftpd offers neither MLSD nor MLST.
    pub(crate) no_facts: bool,
    /// proftpd computes checksums (`mod_digest`).
    pub(crate) digests: bool,
    /// TLS for every login and all data; none otherwise.
    pub(crate) tls: Option<Tls>,
}

/// How a server does TLS.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tls {
    /// TLS before the greeting. pure-ftpd can't.
    pub(crate) implicit: bool,
    /// Data connections have to resume the session of the control connection. pure-ftpd can't.
    pub(crate) reuse: bool,
    /// The one version it speaks: vsftpd of this age chooses by itself, pure-ftpd too.
    pub(crate) version: Option<&'static str>,
    /// Seconds for which proftpd resumes a session; 0 for as long as it likes, which is more than 310.
    pub(crate) session_seconds: u32,
}

/// A running server; dropping it ends it with all its sessions.
pub(crate) struct Server {
    kind: Kind,
    folder: TempDir,
    address: SocketAddr,
    passive: (u16, u16),
    args: Vec<String>,
    child: Child,
    options: Options,
    authority: Authority,
}

/// Why no real server can be started here, where that is so.
pub(crate) fn unavailable() -> Option<String> {
    if let Some(kind) = Kind::ALL.into_iter().find(|k| !k.program().exists()) {
        return Some(format!("no {} in {}: run tests/run", kind.name(), kit().display()));
    }
    let namespaces = Command::new("unshare").args(["--mount", "--pid", "--fork", "true"]).output();
    match namespaces {
        Ok(output) if output.status.success() => None,
        _ => Some("needs root, for a private mount namespace".to_owned()),
    }
}

/// Why no real server can be started with TLS here, where that is so.
pub(crate) fn tls_unavailable() -> Option<String> {
    let module = kit().join("proftpd/usr/lib/proftpd/mod_tls.so");
    let without = || format!("no {}: run tests/run", module.display());
    unavailable().or_else(|| (!module.exists()).then(without))
}

/// Why no proftpd that computes checksums can be started here, where that is so.
#[allow(dead_code, reason = "tests/chaos.rs does without")]
pub(crate) fn digests_unavailable() -> Option<String> {
    let module = kit().join("proftpd/usr/lib/proftpd/mod_digest.so");
    let without = || format!("no {}: run tests/run", module.display());
    unavailable().or_else(|| (!module.exists()).then(without))
}

impl Server {
    /// Starts a server on a free port; its root holds nothing yet.
    pub(crate) fn start(kind: Kind, options: Options) -> Self {
        let mut stories = String::new();
        for _ in 0..5 {
            match Self::try_start(kind, options, Authority::new("tests")) {
                Ok(server) => return server,
                Err(story) => writeln!(stories, "{story}").unwrap(),
            }
        }
        panic!("{} does not start:\n{stories}", kind.name());
    }

    /// Puts a file into the root, with a fixed time.
    pub(crate) fn put(&self, path: &str, data: &[u8]) {
        let path = self.root().join(path);
        let folder = path.parent().unwrap();
        fs::create_dir_all(folder).unwrap();
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(&path, data).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(MODIFIED)).unwrap();
    }

    /// Address of the control port.
    #[allow(dead_code, reason = "tests/chaos.rs needs it")]
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// First and last port that data connections may come to.
    #[allow(dead_code, reason = "tests/chaos.rs needs it")]
    pub(crate) fn passive(&self) -> (u16, u16) {
        self.passive
    }

    /// Kills the server with all its sessions; its files and its ports stay what they are.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts a killed server again, and does not wait until it listens.
    #[allow(dead_code, reason = "tests/chaos.rs needs it")]
    pub(crate) fn start_again(&mut self) {
        self.child = spawn(self.kind, self.folder.path(), &self.args);
    }

    /// The URL of a file; with `login` as user, otherwise anonymous.
    pub(crate) fn url(&self, path: &str, login: bool) -> String {
        let user = if login { "user:password@" } else { "" };
        let scheme = match self.options.tls {
            None => "ftp",
            Some(Tls { implicit: true, .. }) => "ftps",
            Some(_) => "ftpes",
        };
        format!("{scheme}://{user}{}/{path}", self.address)
    }

    /// The certificate, in PEM, of the authority that signed the server's.
    pub(crate) fn authority(&self) -> String {
        self.authority.pem()
    }

    /// Data connections that resumed a session, by the server's own log. pure-ftpd does not say.
    pub(crate) fn resumed(&self) -> Option<usize> {
        let (file, words) = match self.kind {
            Kind::Vsftpd => ("log", ", reused"),
            Kind::Proftpd => ("tls", "client reused TLS session for data connection"),
            Kind::PureFtpd => return None,
        };
        let log = fs::read(self.folder.path().join("etc").join(file)).unwrap_or_default();
        Some(String::from_utf8_lossy(&log).lines().filter(|l| l.contains(words)).count())
    }

    /// What the server wrote to its log.
    pub(crate) fn log(&self) -> String {
        log_of(self.folder.path())
    }

    /// Bytes of files that it sent, by its transfer log; broken transfers count.
    pub(crate) fn sent(&self) -> u64 {
        let file = fs::File::open(self.folder.path().join("etc/transfers"));
        let lines = file.into_iter().flat_map(|f| BufReader::new(f).lines().map_while(Result::ok));
        // wu-ftpd's format: current time (5 words), seconds, remote host, bytes.
        lines.filter_map(|line| line.split_whitespace().nth(7)?.parse::<u64>().ok()).sum()
    }

    /// The folder that it serves.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn try_start(kind: Kind, options: Options, authority: Authority) -> Result<Self, String> {
        let ip: IpAddr = if options.ipv6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        let (address, passive) = free_ports(ip);
        let folder = tempfile::Builder::new().prefix("ftpq-server").tempdir().unwrap();
        let path = folder.path();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["root", "empty", "etc", "etc/pam.d"] {
            fs::create_dir(path.join(name)).unwrap();
            fs::set_permissions(path.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        write_users(path);
        write_identity(path, &authority);
        let plan = Plan { folder: path, address, passive, options };
        let args = match kind {
            Kind::Vsftpd => plan.vsftpd(),
            Kind::Proftpd => plan.proftpd(),
            Kind::PureFtpd => plan.pure_ftpd(),
        };
        let mut child = spawn(kind, path, &args);
        let begin = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return Err(format!("{} ended on {address} with {status}: {}", kind.name(), log_of(path)));
            }
            if TcpStream::connect(address).is_ok() {
                return Ok(Self { kind, folder, address, passive, args, child, options, authority });
            }
            if begin.elapsed() > Duration::from_secs(10) {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("{} does not listen on {address}: {}", kind.name(), log_of(path)));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("log of {} on {}:\n{}", self.kind.name(), self.address, self.log());
        }
    }
}

/// The time of every file that is put there: 2024-02-29 12:34:56 UTC.
pub(crate) const MODIFIED: u64 = 1_709_210_096;

fn kit() -> PathBuf {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join(".test-kit");
    std::env::var_os("FTPQ_TEST_KIT").map_or_else(own, PathBuf::from)
}

fn log_of(folder: &Path) -> String {
    let logs = ["etc/output", "etc/log", "etc/tls", "etc/transfers"]
        .map(|name| fs::read(folder.join(name)).unwrap_or_default());
    let text: Vec<String> = logs.iter().map(|l| String::from_utf8_lossy(l).into_owned()).collect();
    let text = text.concat();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(80)..].join("\n")
}

/// A free control port and 500 passive ports, below those that the system gives to clients.
fn free_ports(ip: IpAddr) -> (SocketAddr, (u16, u16)) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut dice = Dice::new(u64::from(now.subsec_nanos()) ^ (u64::from(std::process::id()) << 32));
    let mut port = |low, high| u16::try_from(dice.between(low, high)).unwrap();
    let low = port(10_000, 19_500);
    loop {
        let address = SocketAddr::new(ip, port(20_000, 32_000));
        if TcpListener::bind(address).is_ok() {
            return (address, (low, low + 499));
        }
    }
}

fn write_users(folder: &Path) {
    let root = folder.join("root");
    let home = root.display();
    let passwd = format!(
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n\
         ftp:x:60001:60001:ftp:{home}:/bin/sh\nuser:x:60002:60002:user:{home}:/bin/sh\n"
    );
    let shadow =
        format!("root:*:19000:0:99999:7:::\nftp:*:19000:0:99999:7:::\nuser:{PASSWORD_HASH}:19000:0:99999:7:::\n");
    let group = "root:x:0:\nnogroup:x:65534:\nftp:x:60001:\nuser:x:60002:\n";
    let pam = "auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_permit.so\n";
    let files = [("passwd", passwd.as_str()), ("shadow", &shadow), ("group", group), ("shells", "/bin/sh\n")];
    for (name, text) in files.into_iter().chain([("pam.d/other", pam), ("pam.d/ftp", pam)]) {
        fs::write(folder.join("etc").join(name), text).unwrap();
    }
    fs::set_permissions(folder.join("etc/shadow"), fs::Permissions::from_mode(0o600)).unwrap();
}

fn write_identity(folder: &Path, authority: &Authority) {
    let identity = authority.good();
    let both = format!("{}{}", identity.pem(), identity.key_pem());
    for (name, text) in [("cert.pem", identity.pem()), ("key.pem", identity.key_pem()), ("both.pem", &both)] {
        let path = folder.join("etc").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

fn spawn(kind: Kind, folder: &Path, args: &[String]) -> Child {
    // What is missing under /etc can't be covered; none of the servers needs it then. The shell stays as the first
    // process of the namespace: vsftpd dies of orphans that it does not know.
    let script = r#"
        etc=$1; shift
        for name in passwd shadow group shells pam.d; do
            [ ! -e "/etc/$name" ] || mount --bind "$etc/$name" "/etc/$name" || exit 1
        done
        "$@"
        exit $?"#;
    let output = fs::File::create(folder.join("etc/output")).unwrap();
    let library = |place: &str| kit().join("lib").join(place).join(format!("{}-linux-gnu", std::env::consts::ARCH));
    let libraries = std::env::join_paths([library("usr/lib"), library("lib")]).unwrap();
    Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh"])
        .arg(folder.join("etc"))
        .arg(kind.program())
        .args(args)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("TZ", "UTC")
        .env("LD_LIBRARY_PATH", libraries)
        .current_dir("/")
        // vsftpd complains about its settings on descriptor 0.
        .stdin(Stdio::from(output.try_clone().unwrap()))
        .stdout(Stdio::from(output.try_clone().unwrap()))
        .stderr(Stdio::from(output))
        .spawn()
        .unwrap()
}

struct Plan<'a> {
    folder: &'a Path,
    address: SocketAddr,
    passive: (u16, u16),
    options: Options,
}

impl Plan<'_> {
    fn vsftpd(&self) -> Vec<String> {
        let (folder, ip, port) = (self.folder.display(), self.address.ip(), self.address.port());
        let Options { max_per_ip, rate, ipv6, tls, .. } = self.options;
        let listen = if ipv6 {
            format!("listen=NO\nlisten_ipv6=YES\nlisten_address6={ip}")
        } else {
            format!("listen=YES\nlisten_ipv6=NO\nlisten_address={ip}")
        };
        let (low, high) = self.passive;
        // A slow server sends in small pieces, for what it hands to a client that is dead already counts as sent too.
        let chunk = if rate > 0 { 8192 } else { 0 };
        let path = self.folder.join("etc/vsftpd.conf");
        let text = format!(
            "background=NO\n{listen}\nlisten_port={port}\nanonymous_enable=YES\nanon_root={folder}/root\n\
             local_enable=YES\nlocal_root={folder}/root\nchroot_local_user=YES\npam_service_name=ftp\n\
             check_shell=NO\nsecure_chroot_dir={folder}/empty\nseccomp_sandbox=NO\nwrite_enable=NO\n\
             use_localtime=NO\npasv_min_port={low}\npasv_max_port={high}\nmax_per_ip={max_per_ip}\n\
             anon_max_rate={rate}\nlocal_max_rate={rate}\ntrans_chunk_size={chunk}\nport_enable=YES\nconnect_from_port_20=NO\n\
             xferlog_enable=YES\nxferlog_std_format=YES\nxferlog_file={folder}/etc/transfers\n\
             dual_log_enable=YES\nvsftpd_log_file={folder}/etc/log\nlog_ftp_protocol=NO\n"
        );
        let tls = tls.map_or_else(String::new, |tls| {
            let yes = |so| if so { "YES" } else { "NO" };
            format!(
                "ssl_enable=YES\nallow_anon_ssl=YES\nforce_local_logins_ssl=YES\nforce_local_data_ssl=YES\n\
                 force_anon_logins_ssl=YES\nforce_anon_data_ssl=YES\nrsa_cert_file={folder}/etc/cert.pem\n\
                 rsa_private_key_file={folder}/etc/key.pem\nssl_tlsv1=YES\nssl_ciphers=HIGH\ndebug_ssl=YES\n\
                 require_ssl_reuse={}\nimplicit_ssl={}\n",
                yes(tls.reuse),
                yes(tls.implicit)
            )
        });
        fs::write(&path, text + &tls).unwrap();
        vec![path.display().to_string()]
    }

    fn proftpd(&self) -> Vec<String> {
        let (folder, ip, port) = (self.folder.display(), self.address.ip(), self.address.port());
        let Options { max_per_ip, rate, ipv6, tls, .. } = self.options;
        let clients = if max_per_ip > 0 { format!("MaxClientsPerHost {max_per_ip}\n") } else { String::new() };
        let rate = if rate > 0 { format!("TransferRate RETR {}\n", f64::from(rate) / 1024.0) } else { String::new() };
        let v6 = if ipv6 { "on" } else { "off" };
        let (low, high) = self.passive;
        let path = self.folder.join("etc/proftpd.conf");
        let text = format!(
            "ServerName test\nServerType standalone\nDefaultAddress {ip}\nSocketBindTight on\nPort {port}\n\
             UseIPv6 {v6}\nUser nobody\nGroup nogroup\nAuthOrder mod_auth_unix.c\nWtmpLog off\nDelayEngine off\n\
             UseReverseDNS off\nRequireValidShell off\nTimesGMT on\nPassivePorts {low} {high}\nMaxInstances 300\n\
             PidFile {folder}/etc/pid\nScoreboardFile {folder}/etc/scoreboard\nSystemLog {folder}/etc/log\n\
             TransferLog {folder}/etc/transfers\nDefaultRoot {folder}/root\nAllowRetrieveRestart on\n{clients}{rate}\
             <Anonymous {folder}/root>\nUser ftp\nGroup ftp\nUserAlias anonymous ftp\nRequireValidShell off\n\
             AllowRetrieveRestart on\nTransferLog {folder}/etc/transfers\n{clients}{rate}</Anonymous>\n"
        );
        let modules = kit().join("proftpd/usr/lib/proftpd");
        let text = if self.options.no_facts { text + "FactsAdvertise off\n" } else { text };
        let digests = if self.options.digests {
            format!("ModulePath {}\nLoadModule mod_digest.c\nDigestEngine on\nDigestMaxSize 0\n", modules.display())
        } else {
            String::new()
        };
        let tls = tls.map_or_else(String::new, |tls| {
            // mod_tls_shmcache falls over TLS 1.3: OpenSSL's own cache has to do.
            let cache = match tls.session_seconds {
                0 => String::new(),
                seconds => format!("TLSSessionCache internal: {seconds}\n"),
            };
            let mut options = String::new();
            options.push_str(if tls.reuse { "" } else { " NoSessionReuseRequired" });
            options.push_str(if tls.implicit { " UseImplicitSSL" } else { "" });
            let options = if options.is_empty() { options } else { format!("TLSOptions{options}\n") };
            format!(
                "ModulePath {}\nLoadModule mod_tls.c\nTLSEngine on\nTLSRequired on\nTLSProtocol {}\n\
                 TLSLog {folder}/etc/tls\nTLSECCertificateFile {folder}/etc/cert.pem\n\
                 TLSECCertificateKeyFile {folder}/etc/key.pem\n{options}{cache}",
                modules.display(),
                tls.version.map_or_else(|| "TLSv1.2 TLSv1.3".to_owned(), |v| format!("TLSv{v}")),
            )
        });
        fs::write(&path, text + &digests + &tls).unwrap();
        ["--nodaemon", "-c"].map(str::to_owned).into_iter().chain([path.display().to_string()]).collect()
    }

    fn pure_ftpd(&self) -> Vec<String> {
        let (folder, ip, port) = (self.folder.display(), self.address.ip(), self.address.port());
        let Options { max_per_ip, rate, ipv6, tls, .. } = self.options;
        let (low, high) = self.passive;
        let clients = if max_per_ip > 0 { max_per_ip } else { 200 };
        let mut args = vec![
            format!("-S{ip},{port}"),
            format!("-p{low}:{high}"),
            "-c200".to_owned(),
            format!("-C{clients}"),
            "-H".to_owned(),
            "-A".to_owned(),
            "-lunix".to_owned(),
            "-u1".to_owned(),
            format!("-g{folder}/etc/pid"),
            format!("-Oxferlog:{folder}/etc/transfers"),
            if ipv6 { "-6" } else { "-4" }.to_owned(),
        ];
        if rate > 0 {
            let kib = rate / 1024;
            args.extend([format!("-t:{kib}"), format!("-T:{kib}")]);
        }
        if let Some(tls) = tls {
            assert!(!tls.implicit && !tls.reuse, "pure-ftpd can do neither");
            args.extend(["-Y3".to_owned(), format!("-2{}/etc/both.pem", self.folder.display())]);
        }
        args
    }
}

/// Every way of TLS that the servers have.
pub(crate) fn kinds_of_tls() -> [(Kind, Tls); 6] {
    let reuse = Tls { reuse: true, ..Tls::default() };
    [
        (Kind::Vsftpd, reuse),
        (Kind::Proftpd, Tls { version: Some("1.2"), ..reuse }),
        (Kind::Proftpd, Tls { version: Some("1.3"), ..reuse }),
        (Kind::PureFtpd, Tls::default()),
        (Kind::Vsftpd, Tls { implicit: true, ..reuse }),
        (Kind::Proftpd, Tls { implicit: true, ..reuse }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::{pseudo_random, report};

    /// The ground under all other tests with real servers.
    #[test]
    fn the_real_servers_serve_another_client_both_logins_and_both_families() {
        if let Some(reason) = unavailable() {
            return report::skip(&reason);
        }
        let data = pseudo_random(3, 300_000);
        for (kind, ipv6) in Kind::ALL.into_iter().flat_map(|k| [(k, false), (k, true)]) {
            let server = Server::start(kind, Options { ipv6, ..Options::default() });
            server.put("pub/a.bin", &data);
            for (login, active) in [(false, false), (true, false), (false, true)] {
                let mut command = Command::new("curl");
                command.args(["-sS", "-v", "--max-time", "20", &server.url("pub/a.bin", login)]);
                if active {
                    command.args(["-P", "-"]);
                }
                let Ok(output) = command.output() else { return report::skip("no curl") };
                let story = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(output.stdout == data, "{kind:?}, IPv6 {ipv6}, login {login}, active {active}:\n{story}");
            }
            assert_eq!(server.sent(), 3 * 300_000, "{kind:?}, IPv6 {ipv6}: its transfer log:\n{}", server.log());
        }
    }

    #[test]
    fn the_real_servers_speak_tls_with_another_client() {
        if let Some(reason) = tls_unavailable() {
            return report::skip(&reason);
        }
        let data = pseudo_random(3, 300_000);
        for (kind, tls) in kinds_of_tls() {
            let server = Server::start(kind, Options { tls: Some(tls), ..Options::default() });
            server.put("a.bin", &data);
            let authority = server.folder.path().join("ca.pem");
            fs::write(&authority, server.authority()).unwrap();
            let url = server.url("a.bin", true).replace("ftpes:", "ftp:");
            let mut command = Command::new("curl");
            command.args(["-sS", "-v", "--ssl-reqd", "--max-time", "20", "--cacert"]).arg(authority).args([&url, &url]);
            let Ok(output) = command.output() else { return report::skip("no curl") };
            let story = String::from_utf8_lossy(&output.stderr).into_owned();
            let right = output.stdout == [&data[..], &data[..]].concat();
            assert!(right, "{kind:?}, implicit {}:\n{story}{}", tls.implicit, server.log());
            let resumed = (kind != Kind::PureFtpd).then_some(2);
            assert_eq!(server.resumed(), resumed, "{kind:?}:\n{}", server.log());
        }
    }
}
