//! A server with TLS that follows a script on a thread of its own, and panics when the client does not.

use crate::ftp::{Dial, Login, PassivePorts, SessionOptions, TlsPolicy};
use crate::model::{Account, Quirks, Scheme, Settings, Tls};
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};
use rustls_pki_types::PrivateKeyDer;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;
use tempfile::TempDir;

pub(super) const BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
pub(super) const OLD: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];

/// A certificate for `localhost`, as the server has it, and as a file for the client.
pub(super) struct Pair {
    pub(super) server: ServerConfig,
    folder: TempDir,
}

impl Pair {
    pub(super) fn new(versions: &[&'static SupportedProtocolVersion]) -> Self {
        Self::of("localhost", versions)
    }

    /// The same for another name.
    pub(super) fn of(name: &str, versions: &[&'static SupportedProtocolVersion]) -> Self {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), made.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let mut server = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        server.ticketer = rustls::crypto::ring::Ticketer::new().unwrap();
        Self { server, folder }
    }

    /// A policy that trusts the certificate.
    pub(super) fn policy(&self, tls: Tls) -> TlsPolicy {
        let ca_file = Some(self.folder.path().join("ca.pem"));
        let settings = Settings { tls: Some(tls), ca_file, ..Settings::default() };
        TlsPolicy::new(&settings, Scheme::Ftp).unwrap()
    }
}

/// One connection as the server has it.
pub(super) enum Link {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Link {
    pub(super) fn plain(socket: TcpStream) -> Self {
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.set_nodelay(true).unwrap();
        Self::Plain(socket)
    }

    /// The same under TLS, with the handshake done.
    pub(super) fn secured(self, config: &Arc<ServerConfig>) -> Self {
        let Self::Plain(socket) = self else { panic!("it has TLS already") };
        let mut tls = StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), socket);
        while tls.conn.is_handshaking() {
            if let Err(error) = tls.conn.complete_io(&mut tls.sock) {
                panic!("handshake: {error}");
            }
        }
        // The tickets.
        while tls.conn.wants_write() {
            tls.conn.write_tls(&mut tls.sock).unwrap();
        }
        Self::Tls(Box::new(tls))
    }

    pub(super) fn tls(&self) -> &ServerConnection {
        match self {
            Self::Plain(_) => panic!("no TLS"),
            Self::Tls(tls) => &tls.conn,
        }
    }

    /// Ends it by close_notify.
    pub(super) fn close(mut self) {
        if let Self::Tls(tls) = &mut self {
            tls.conn.send_close_notify();
            let _ = tls.flush();
        }
    }

    /// Reads to the end. Returns whether that was a close_notify.
    pub(super) fn ends_well(&mut self) -> bool {
        let mut waste = Vec::new();
        self.read_to_end(&mut waste).is_ok()
    }
}

impl Read for Link {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buf),
            Self::Tls(tls) => tls.read(buf),
        }
    }
}

impl Write for Link {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(buf),
            Self::Tls(tls) => tls.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}

/// The server's end of a session.
pub(super) struct Peer {
    pub(super) control: Option<Link>,
    pub(super) config: Arc<ServerConfig>,
    listener: Arc<TcpListener>,
}

impl Peer {
    fn link(&mut self) -> &mut Link {
        self.control.as_mut().unwrap()
    }

    pub(super) fn say(&mut self, text: &str) {
        self.link().write_all(format!("{text}\r\n").as_bytes()).unwrap();
        self.link().flush().unwrap();
    }

    /// The client's next line; empty at its end.
    pub(super) fn line(&mut self) -> String {
        let (mut line, mut byte) = (Vec::new(), [0]);
        while matches!(self.link().read(&mut byte), Ok(1)) && byte != *b"\n" {
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap().trim_end().to_owned()
    }

    pub(super) fn hear(&mut self, expected: &str) {
        assert_eq!(self.line(), expected);
    }

    pub(super) fn answer(&mut self, expected: &str, reply: &str) {
        self.hear(expected);
        self.say(reply);
    }

    /// The next session's connection.
    pub(super) fn accept(&mut self) {
        self.control = Some(Link::plain(self.listener.accept().unwrap().0));
    }

    /// Puts TLS over the control connection.
    pub(super) fn secure(&mut self) {
        self.control = self.control.take().map(|link| link.secured(&self.config));
    }

    /// Greeting, AUTH TLS and the handshake.
    pub(super) fn auth(&mut self) {
        self.say("220 hi");
        self.answer("AUTH TLS", "234 go");
        self.secure();
    }

    /// From USER on to a session that is ready.
    pub(super) fn sign_in(&mut self) {
        self.answer("USER anonymous", "331 password");
        self.answer("PASS ftpq@", "230 in");
        self.prepare();
    }

    /// What follows USER and PASS.
    pub(super) fn prepare(&mut self) {
        for (command, reply) in [
            ("PBSZ 0", "200 PBSZ=0"),
            ("PROT P", "200 private"),
            ("FEAT", "211 none"),
            ("TYPE I", "200 I"),
            ("PWD", "257 \"/\""),
        ] {
            self.answer(command, reply);
        }
    }

    /// EPSV, answered.
    pub(super) fn epsv(&mut self) -> TcpListener {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        self.answer("EPSV", &format!("229 Entering Extended Passive Mode (|||{port}|)"));
        listener
    }

    /// EPSV, answered, and these commands in one write, answered.
    pub(super) fn epsv_with(&mut self, burst: &[(&str, &str)]) -> TcpListener {
        let listener = self.epsv();
        for (command, reply) in burst {
            self.answer(command, reply);
        }
        listener
    }

    /// EPSV and RETR up to the 150; returns the data connection, whose handshake is still to come.
    pub(super) fn accept_retr(&mut self, path: &str) -> Link {
        let listener = self.epsv();
        let (data, _) = listener.accept().unwrap();
        self.answer(&format!("RETR {path}"), "150 go");
        Link::plain(data)
    }
}

/// What a guest dials at that port of this machine.
pub(super) fn dial(tls: TlsPolicy, port: u16) -> Dial {
    Dial {
        ticket: None,
        account: Account { scheme: Scheme::Ftp, user: "anonymous".into(), host: "localhost".into(), port },
        login: Login {
            user: "anonymous".into(),
            secret: None,
            account: None,
            others: Vec::new(),
            tls_only: false,
            remark: None,
        },
        options: SessionOptions { timeout: Duration::from_secs(20), tls, ..SessionOptions::default() },
        quirks: Quirks::default(),
        strikes: 0,
        only_tls12: false,
        ports: PassivePorts::default(),
        trace: None,
    }
}

/// A running script, and what a client needs to dial it.
pub(super) struct Play {
    pub(super) dial: Dial,
    dialogue: Arc<Mutex<Vec<String>>>,
    script: JoinHandle<()>,
    _folder: TempDir,
}

impl Play {
    /// Plays the script, which begins with a connection from a client.
    pub(super) fn of(pair: Pair, tls: Tls, script: impl FnOnce(&mut Peer) + Send + 'static) -> Self {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let port = listener.local_addr().unwrap().port();
        let policy = pair.policy(tls);
        let Pair { server, folder } = pair;
        let mut peer = Peer { control: None, config: Arc::new(server), listener };
        let script = spawn(move || {
            peer.accept();
            script(&mut peer);
        });
        let dialogue = Arc::new(Mutex::new(Vec::new()));
        let book = Arc::clone(&dialogue);
        let mut dial = dial(policy, port);
        dial.trace = Some(Arc::new(move |line: &str| book.lock().unwrap().push(line.to_owned())));
        Self { dial, dialogue, script, _folder: folder }
    }

    /// Lines of the dialogue that begin so.
    pub(super) fn lines(&self, start: &str) -> Vec<String> {
        self.dialogue.lock().unwrap().iter().filter(|line| line.starts_with(start)).cloned().collect()
    }

    /// Waits for the script's end and passes its panic on.
    pub(super) fn over(self) {
        if let Err(panic) = self.script.join() {
            std::panic::resume_unwind(panic);
        }
    }
}
