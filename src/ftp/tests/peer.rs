//! A server that follows a script, and panics when the client does not.

use super::super::{Dial, Login, PassivePorts, SessionOptions};
use crate::model::{Account, DataMode, Quirks, Scheme};
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The server's end of one session.
pub(super) struct Peer {
    pub(super) stream: BufReader<TcpStream>,
}

/// A running script, and what a client needs to dial it.
pub(super) struct Play {
    pub(super) dial: Dial,
    pub(super) dialogue: Arc<Mutex<Vec<String>>>,
    script: JoinHandle<()>,
}

impl Play {
    /// Plays the script for the first client on the address.
    pub(super) async fn on<F, R>(ip: &str, script: F) -> Self
    where
        F: FnOnce(Peer) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let ip: IpAddr = ip.parse().unwrap();
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            script(Peer { stream: BufReader::new(stream) }).await;
        });
        let dialogue = Arc::new(Mutex::new(Vec::new()));
        let book = Arc::clone(&dialogue);
        let host = if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
        let dial = Dial {
            ticket: None,
            account: Account { scheme: Scheme::Ftp, user: "anonymous".into(), host, port },
            login: Login::new("anonymous".into(), None),
            options: SessionOptions { timeout: Duration::from_secs(20), ..SessionOptions::default() },
            quirks: Quirks::default(),
            strikes: 0,
            only_tls12: false,
            ports: PassivePorts::default(),
            trace: Some(Arc::new(move |line: &str| book.lock().unwrap().push(line.to_owned()))),
        };
        Self { dial, dialogue, script }
    }

    /// The same over IPv4.
    pub(super) async fn of<F, R>(script: F) -> Self
    where
        F: FnOnce(Peer) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        Self::on("127.0.0.1", script).await
    }

    /// The dial with another way to open data connections.
    pub(super) fn with(mut self, data_mode: DataMode) -> Self {
        self.dial.options.data_mode = data_mode;
        self
    }

    /// The dial with little patience.
    pub(super) fn impatient(mut self, milliseconds: u64) -> Self {
        self.dial.options.timeout = Duration::from_millis(milliseconds);
        self
    }

    /// Waits for the script's end and passes its panic on.
    pub(super) async fn over(self) {
        self.script.await.unwrap();
    }
}

impl Peer {
    pub(super) async fn say(&mut self, text: &str) {
        self.stream.get_mut().write_all(format!("{text}\r\n").as_bytes()).await.unwrap();
    }

    /// The client's next line; empty at its end.
    pub(super) async fn line(&mut self) -> String {
        let mut line = String::new();
        // A reset is an end too.
        let _ = self.stream.read_line(&mut line).await;
        line.trim_end_matches(['\r', '\n']).to_owned()
    }

    pub(super) async fn hear(&mut self, expected: &str) {
        assert_eq!(self.line().await, expected);
    }

    /// One exchange.
    pub(super) async fn answer(&mut self, expected: &str, reply: &str) {
        self.hear(expected).await;
        self.say(reply).await;
    }

    /// The login of a guest, into `/`, with these lines of FEAT.
    pub(super) async fn login(&mut self, features: &str) {
        self.login_to(features, "257 \"/\"").await;
    }

    pub(super) async fn login_to(&mut self, features: &str, directory: &str) {
        self.say("220 hi").await;
        self.answer("USER anonymous", "331 password").await;
        self.answer("PASS ftpq@", "230 in").await;
        self.answer("FEAT", &format!("211-Features\r\n{features}211 End")).await;
        self.answer("TYPE I", "200 I").await;
        self.answer("PWD", directory).await;
    }

    /// Opens a port for data on the address of the control connection.
    pub(super) async fn port(&self) -> (TcpListener, u16) {
        let ip = self.stream.get_ref().local_addr().unwrap().ip();
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    /// EPSV, answered.
    pub(super) async fn epsv(&mut self) -> TcpListener {
        let (listener, port) = self.port().await;
        self.answer("EPSV", &format!("229 Entering Extended Passive Mode (|||{port}|)")).await;
        listener
    }

    /// PASV, answered with any address and the right port.
    pub(super) async fn pasv(&mut self, address: &str) -> TcpListener {
        let (listener, port) = self.port().await;
        let reply = format!("227 Entering Passive Mode ({address},{},{})", port >> 8, port & 255);
        self.answer("PASV", &reply).await;
        listener
    }

    /// EPSV and RETR up to the 150; returns the data connection.
    pub(super) async fn accept_retr(&mut self, path: &str) -> TcpStream {
        let listener = self.epsv().await;
        let (data, _) = listener.accept().await.unwrap();
        self.answer(&format!("RETR {path}"), "150 go").await;
        data
    }

    /// Connects to the address in a PORT or EPRT line.
    pub(super) fn told(line: &str) -> SocketAddr {
        if let Some(numbers) = line.strip_prefix("PORT ") {
            let n: Vec<u8> = numbers.split(',').map(|n| n.parse().unwrap()).collect();
            return SocketAddr::from(([n[0], n[1], n[2], n[3]], u16::from_be_bytes([n[4], n[5]])));
        }
        let fields: Vec<&str> = line.strip_prefix("EPRT |").unwrap().split('|').collect();
        SocketAddr::new(fields[1].parse().unwrap(), fields[2].parse().unwrap())
    }
}
