//! A small FTP server for the demonstration: loopback only, passive data connections, slow on purpose.
//!
//! Threads and blocking sockets, as it serves a handful of connections and has to compile in no time.

use super::files::Sample;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes written at a time.
const CHUNK: usize = 8 << 10;
/// Longest command line in bytes.
const LINE: u64 = 4096;
/// How long a client may take for its next step.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks whether a data connection came.
const LOOK: Duration = Duration::from_millis(2);

/// A server that runs until it is dropped.
pub(super) struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
}

struct Shared {
    files: Arc<[Sample]>,
    /// Bytes a second of one transfer.
    rate: u64,
    sent: AtomicU64,
    continued: AtomicU64,
    over: AtomicBool,
}

impl Server {
    /// Listens on a free port of 127.0.0.1; each transfer gets `rate` bytes a second.
    ///
    /// # Errors
    /// When there is no loopback to listen on.
    pub(super) fn start(files: Arc<[Sample]>, rate: u64) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            files,
            rate,
            sent: AtomicU64::new(0),
            continued: AtomicU64::new(0),
            over: AtomicBool::new(false),
        });
        let all = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if all.over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let shared = Arc::clone(&all);
                // A client that is killed breaks its connection: that ends the session and nothing else.
                thread::spawn(move || Session::new(shared, stream).and_then(Session::run));
            }
        });
        Ok(Self { shared, address })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Bytes of files sent so far.
    pub(super) fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
    }

    /// Transfers so far that began in the middle of a file.
    pub(super) fn continued(&self) -> u64 {
        self.shared.continued.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // Wakes the listener; where it can't be reached it has ended already.
        let _ = TcpStream::connect(self.address);
    }
}

struct Session {
    shared: Arc<Shared>,
    commands: BufReader<TcpStream>,
    replies: TcpStream,
    passive: Option<TcpListener>,
    /// Offset that REST set, for the very next command only (RFC 3659, section 5).
    restart: u64,
}

impl Session {
    fn new(shared: Arc<Shared>, stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let commands = BufReader::new(stream.try_clone()?);
        Ok(Self { shared, commands, replies: stream, passive: None, restart: 0 })
    }

    fn run(mut self) -> io::Result<()> {
        self.reply("220 the ftpq demonstration")?;
        loop {
            let mut line = Vec::new();
            self.commands.by_ref().take(LINE).read_until(b'\n', &mut line)?;
            if !line.ends_with(b"\n") {
                return Ok(());
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
            let restart = std::mem::take(&mut self.restart);
            match verb.to_ascii_uppercase().as_str() {
                "QUIT" => return self.reply("221 goodbye"),
                "RETR" => self.retrieve(argument, restart)?,
                "REST" => self.restart(argument)?,
                "EPSV" => self.listen(|port| format!("229 entering extended passive mode (|||{port}|)"))?,
                "PASV" => {
                    self.listen(|port| format!("227 entering passive mode (127,0,0,1,{},{})", port >> 8, port & 0xff))?;
                }
                verb => {
                    let reply = self.simple(verb, argument);
                    self.reply(&reply)?;
                }
            }
        }
    }

    fn reply(&mut self, text: &str) -> io::Result<()> {
        self.replies.write_all(format!("{text}\r\n").as_bytes())
    }

    /// Replies that need nothing but the command.
    fn simple(&self, verb: &str, argument: &str) -> String {
        match verb {
            "USER" => "331 any password will do".to_owned(),
            "PASS" => "230 welcome".to_owned(),
            "SYST" => "215 UNIX Type: L8".to_owned(),
            "FEAT" => "211-features\r\n EPSV\r\n MDTM\r\n REST STREAM\r\n SIZE\r\n UTF8\r\n211 end".to_owned(),
            "OPTS" | "TYPE" | "NOOP" => "200 fine".to_owned(),
            "PWD" => "257 \"/\" is the folder".to_owned(),
            "CWD" if argument == "/" => "250 here we are".to_owned(),
            "SIZE" => self.about(argument, |file| format!("213 {}", file.content.len())),
            "MDTM" => self.about(argument, |file| format!("213 {}", file.modified_text())),
            "CWD" => "550 no such folder".to_owned(),
            _ => "502 not in this server".to_owned(),
        }
    }

    fn about(&self, path: &str, say: impl Fn(&Sample) -> String) -> String {
        self.find(path)
            .map_or_else(|| "550 no such file".to_owned(), |at| self.shared.files.get(at).map_or_else(String::new, say))
    }

    fn find(&self, path: &str) -> Option<usize> {
        let name = path.trim_start_matches('/');
        self.shared.files.iter().position(|file| file.name == name)
    }

    fn restart(&mut self, argument: &str) -> io::Result<()> {
        match argument.parse() {
            Ok(offset) => {
                self.reply(&format!("350 restarting at {offset}"))?;
                self.restart = offset;
                Ok(())
            }
            Err(_) => self.reply("501 no offset"),
        }
    }

    fn listen(&mut self, say: impl Fn(u16) -> String) -> io::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        self.passive = Some(listener);
        self.reply(&say(port))
    }

    fn retrieve(&mut self, path: &str, from: u64) -> io::Result<()> {
        let Some(at) = self.find(path) else {
            return self.reply("550 no such file");
        };
        let Some(listener) = self.passive.take() else {
            return self.reply("425 use EPSV or PASV first");
        };
        let files = Arc::clone(&self.shared.files);
        let content = files.get(at).map(|file| file.content.as_slice()).unwrap_or_default();
        let Some(rest) = usize::try_from(from).ok().and_then(|from| content.get(from..)) else {
            return self.reply("554 the file is shorter than that");
        };
        let Some(data) = accept(&listener)? else {
            return self.reply("425 no data connection came");
        };
        if from > 0 {
            self.shared.continued.fetch_add(1, Ordering::SeqCst);
        }
        self.reply("150 here it comes")?;
        match self.send(data, rest) {
            Ok(()) => self.reply("226 that was all"),
            Err(_) => self.reply("426 the data connection broke"),
        }
    }

    /// Sends at the server's rate and counts what the network took.
    fn send(&self, mut data: TcpStream, bytes: &[u8]) -> io::Result<()> {
        let begun = Instant::now();
        let mut sent = 0;
        data.set_write_timeout(Some(PATIENCE))?;
        for chunk in bytes.chunks(CHUNK) {
            data.write_all(chunk)?;
            sent += chunk.len() as u64;
            self.shared.sent.fetch_add(chunk.len() as u64, Ordering::SeqCst);
            let due = Duration::from_micros(sent * 1_000_000 / self.shared.rate.max(1));
            thread::sleep(due.saturating_sub(begun.elapsed()));
        }
        Ok(())
    }
}

/// Waits for the data connection; turns away whoever does not come from this machine.
fn accept(listener: &TcpListener) -> io::Result<Option<TcpStream>> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        match listener.accept() {
            Ok((stream, peer)) if peer.ip().is_loopback() => {
                stream.set_nonblocking(false)?;
                return Ok(Some(stream));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(LOOK),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Client {
        lines: BufReader<TcpStream>,
        control: TcpStream,
    }

    impl Client {
        fn new(server: &Server) -> Self {
            let control = TcpStream::connect(server.address()).unwrap();
            let mut client = Self { lines: BufReader::new(control.try_clone().unwrap()), control };
            assert!(client.reply().starts_with("220 "));
            client
        }

        fn reply(&mut self) -> String {
            let mut line = String::new();
            self.lines.read_line(&mut line).unwrap();
            line.trim_end().to_owned()
        }

        fn ask(&mut self, command: &str) -> String {
            self.control.write_all(format!("{command}\r\n").as_bytes()).unwrap();
            self.reply()
        }

        fn passive(&mut self) -> TcpStream {
            let reply = self.ask("EPSV");
            let port: u16 = reply.split('|').nth(3).unwrap().parse().unwrap();
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap()
        }
    }

    fn read(mut data: TcpStream) -> Vec<u8> {
        let mut bytes = Vec::new();
        data.read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn server() -> (Server, Arc<[Sample]>) {
        let files: Arc<[Sample]> = Sample::some(2, 50_000).into();
        (Server::start(Arc::clone(&files), 100_000_000).unwrap(), files)
    }

    #[test]
    fn files_come_whole_or_from_an_offset() {
        let (server, files) = server();
        let mut client = Client::new(&server);
        assert!(client.ask("USER anonymous").starts_with("331 "));
        assert!(client.ask("PASS x").starts_with("230 "));
        let (name, content) = (&files[1].name, &files[1].content);
        assert_eq!(client.ask(&format!("SIZE {name}")), format!("213 {}", content.len()));
        assert_eq!(client.ask(&format!("MDTM /{name}")), "213 20240102120000");
        let data = client.passive();
        assert!(client.ask(&format!("RETR {name}")).starts_with("150 "));
        assert!(read(data) == *content);
        assert!(client.reply().starts_with("226 "));
        let reply = client.ask("PASV");
        let numbers: Vec<u16> =
            reply.split(['(', ')']).nth(1).unwrap().split(',').map(|n| n.parse().unwrap()).collect();
        let data = TcpStream::connect((Ipv4Addr::LOCALHOST, numbers[4] << 8 | numbers[5])).unwrap();
        assert!(client.ask("REST 40000").starts_with("350 "));
        assert!(client.ask(&format!("RETR {name}")).starts_with("150 "));
        assert!(read(data) == content[40_000..]);
        assert!(client.reply().starts_with("226 "));
        assert_eq!(server.sent(), (content.len() * 2 - 40_000) as u64);
        assert_eq!(server.continued(), 1);
        assert!(client.ask("QUIT").starts_with("221 "));
    }

    #[test]
    fn an_offset_is_for_the_next_command_only() {
        let (server, files) = server();
        let mut client = Client::new(&server);
        client.ask("REST 40000");
        let data = client.passive();
        client.ask(&format!("RETR {}", files[0].name));
        assert!(read(data) == files[0].content);
        assert_eq!(server.continued(), 0);
    }

    #[test]
    fn what_can_not_be_done_is_refused() {
        let (server, files) = server();
        let mut client = Client::new(&server);
        assert!(client.ask("RETR nothing").starts_with("550 "));
        assert!(client.ask("SIZE nothing").starts_with("550 "));
        assert!(client.ask(&format!("RETR {}", files[0].name)).starts_with("425 "));
        assert!(client.ask("STOR x").starts_with("502 "));
        assert!(client.ask("REST x").starts_with("501 "));
        let _data = client.passive();
        assert!(client.ask("REST 99999999").starts_with("350 "));
        assert!(client.ask(&format!("RETR {}", files[0].name)).starts_with("554 "));
    }
}
