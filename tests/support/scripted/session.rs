//! One control connection.

use super::{
    Act, Batch, Behind, Core, Delivery, End, Turn,
    core::split,
    data::{self, Meeting},
    listing,
    tls::{Configs, Handshake, Line},
};
use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// A flood ends after this many bytes, so that a client without bounds fails its test and not the machine.
const FLOOD_BYTES: usize = 256 << 20;
/// A client that sends nothing for so long waits for a reply.
const SILENCE: Duration = Duration::from_millis(30);

/// Serves one client until it goes away.
pub(super) fn serve(core: &Arc<Core>, stream: TcpStream, number: usize) {
    let fits = core.enter();
    let _ = stream.set_nodelay(true);
    let _ = stream.set_nonblocking(false);
    let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
    let _ = stream.set_write_timeout(Some(Duration::from_secs(5)));
    let mut session = Session {
        core,
        stream: Line::new(stream, core),
        configs: core.traits.tls.as_ref().map(|tls| Configs::new(tls, core.shared_sessions())),
        born: Instant::now(),
        data_connections: 0,
        data_ready: false,
        data_secure: false,
        number,
        unread: Vec::new(),
        unsent: Vec::new(),
        late: Vec::new(),
        user: None,
        logged_in: false,
        ascii: true,
        cwd: String::new(),
        rest: 0,
        meeting: None,
        words: None,
    };
    if fits {
        if session.begin() {
            session.converse();
        }
    } else if !core.traits.full.is_empty() {
        session.reply(&core.traits.full);
    }
    session.stream.close(true);
    let _ = session.stream.socket().shutdown(Shutdown::Both);
    core.leave();
}

#[allow(clippy::struct_excessive_bools, reason = "independent facts, each with a name")]
pub(super) struct Session<'a> {
    pub(super) core: &'a Arc<Core>,
    pub(super) stream: Line,
    pub(super) configs: Option<Configs>,
    pub(super) born: Instant,
    pub(super) data_connections: usize,
    /// PBSZ was said.
    pub(super) data_ready: bool,
    /// PROT P was said.
    pub(super) data_secure: bool,
    pub(super) number: usize,
    pub(super) unread: Vec<u8>,
    /// Replies that are kept back to the end of the turn.
    unsent: Vec<u8>,
    /// Replies that come after those.
    late: Vec<Vec<u8>>,
    pub(super) user: Option<String>,
    pub(super) logged_in: bool,
    ascii: bool,
    cwd: String,
    rest: u64,
    meeting: Option<Meeting>,
    words: Option<Words>,
}

type Words = Box<dyn FnOnce(&str) -> String>;

impl Session<'_> {
    fn converse(&mut self) {
        let act = self.ask("GREETING", "", 0, None);
        if !self.perform(act, "GREETING", "") {
            return;
        }
        while let Some(line) = self.read_line() {
            let (verb, arg) = split(&line);
            let before = self.core.times_seen(&verb);
            self.core.note(self.number, true, &line);
            if self.core.traits.rest_must_be_last && !matches!(verb.as_str(), "REST" | "RETR") {
                self.rest = 0;
            }
            let honest = self.honest_delivery(&verb, arg);
            let act = self.ask(&verb, arg, before, honest.as_ref());
            let shuffled = self.core.traits.batch == Batch::Shuffled && matches!(verb.as_str(), "SIZE" | "MDTM");
            let sent = self.unsent.len();
            if !self.perform(act, &verb, arg) {
                return;
            }
            if shuffled {
                let reply = self.unsent.split_off(sent);
                self.late.insert(0, reply);
            }
            if verb == "QUIT" {
                self.flush();
                return;
            }
        }
    }

    fn keeps_replies(&self) -> bool {
        matches!(self.core.traits.batch, Batch::Coalesced | Batch::Shuffled)
    }

    /// Sends the replies that were kept back.
    pub(super) fn flush(&mut self) -> bool {
        let mut bytes = std::mem::take(&mut self.unsent);
        bytes.extend(std::mem::take(&mut self.late).concat());
        self.put(&bytes)
    }

    /// What the client sends without waiting, once it has begun; whether the session goes on.
    fn gather(&mut self) -> bool {
        let batch = self.core.traits.batch;
        if batch == Batch::Plain {
            return true;
        }
        self.core.note_turn();
        self.listen(SILENCE);
        let ends: Vec<usize> = (0..self.unread.len()).filter(|&at| self.unread[at] == b'\n').collect();
        match batch {
            Batch::FirstOnly if ends.len() > 1 => self.unread.truncate(ends[0] + 1),
            Batch::Closes if ends.len() > 1 => return false,
            _ => {}
        }
        true
    }

    /// Takes in what comes until nothing has come for so long.
    fn listen(&mut self, silence: Duration) {
        let mut buffer = [0; 4096];
        let _ = self.stream.socket().set_read_timeout(Some(silence));
        while let Ok(n @ 1..) = self.stream.read(&mut buffer) {
            self.unread.extend_from_slice(&buffer[..n]);
        }
        let _ = self.stream.socket().set_read_timeout(Some(Duration::from_millis(50)));
    }

    /// What comes while a transfer runs; whether its data connection lives on.
    fn overhear(&mut self) -> bool {
        let behind = self.core.traits.behind;
        if behind == Behind::Queued {
            return true;
        }
        self.listen(Duration::from_millis(100));
        let heard = String::from_utf8_lossy(&std::mem::take(&mut self.unread)).into_owned();
        for line in heard.lines() {
            self.core.note(self.number, true, line);
            match behind {
                Behind::AtOnce if line == "EPSV" => {
                    self.usual("EPSV", "");
                    return false;
                }
                Behind::AtOnce => self.reply("200 I successfully did nothing."),
                Behind::Refused => self.reply("500 Unknown command"),
                Behind::Busy => self.reply(&format!("450 {line}: data transfer in progress")),
                Behind::Queued | Behind::Dropped => true,
            };
        }
        true
    }

    fn ask(&self, verb: &str, arg: &str, before: usize, honest: Option<&Delivery>) -> Act {
        let turn = Turn { core: self.core, session: self.number, before, verb, arg, rest: self.rest, honest };
        self.core.ask_hook(&turn)
    }

    /// Carries out the hook's wish; whether the session goes on.
    fn perform(&mut self, act: Act, verb: &str, arg: &str) -> bool {
        match act {
            Act::Usual => self.usual(verb, arg),
            Act::Say(bytes) => self.write(&bytes),
            Act::Drip(bytes, pause) => bytes.iter().all(|b| {
                thread::sleep(pause);
                !self.core.stopping() && self.write(&[*b])
            }),
            Act::Flood(bytes) => {
                let times = FLOOD_BYTES / bytes.len().max(1);
                (0..times).all(|_| !self.core.stopping() && self.stream.write_all(&bytes).is_ok())
            }
            Act::Silence => true,
            Act::SayAndClose(bytes) => {
                self.write(&bytes);
                false
            }
            Act::SayAndCloseLater(first, pause, last) => {
                self.write(&first);
                thread::sleep(pause);
                self.write(&last);
                false
            }
            Act::Reword(words) => {
                self.words = Some(words);
                self.usual(verb, arg)
            }
            Act::Deliver(delivery) => self.deliver(&delivery),
            Act::Secure { reply, later } => self.secure(&reply, later),
        }
    }

    fn usual(&mut self, verb: &str, arg: &str) -> bool {
        let needs_login = !matches!(
            verb,
            "GREETING" | "USER" | "PASS" | "ACCT" | "QUIT" | "FEAT" | "AUTH" | "PBSZ" | "PROT" | "NOOP"
        );
        if needs_login && !self.logged_in {
            return self.reply("530 Please login with USER and PASS.");
        }
        if let Some(refusal) = self.refused_in_clear(verb) {
            return self.reply(refusal);
        }
        match verb {
            "GREETING" => self.reply("220 scripted"),
            "USER" => {
                self.user = Some(arg.to_owned());
                self.reply("331 Please specify the password.")
            }
            "PASS" => self.pass(arg),
            "ACCT" => self.account(arg),
            "AUTH" => self.auth(arg),
            "PBSZ" | "PROT" => self.protect(verb, arg),
            "FEAT" => {
                let mlst = if self.core.traits.mlst { " MLST type*;size*;modify*;unique*;\r\n" } else { "" };
                let auth = if self.configs.is_some() { " AUTH TLS\r\n PBSZ\r\n PROT\r\n" } else { "" };
                self.reply(&format!(
                    "211-Features:\r\n{auth} EPRT\r\n EPSV\r\n MDTM\r\n{mlst} PASV\r\n REST STREAM\r\n SIZE\r\n UTF8\r\n211 End"
                ))
            }
            "TYPE" => {
                self.ascii = arg.to_ascii_uppercase().starts_with('A');
                self.reply("200 Type set.")
            }
            "OPTS" | "MODE" | "STRU" | "NOOP" | "ALLO" => self.reply("200 OK."),
            "SYST" => self.reply("215 UNIX Type: L8"),
            "PWD" | "XPWD" => self.reply(&format!("257 \"/{}\" is the current directory", self.cwd)),
            "CWD" => {
                let folder = self.resolve(arg.trim_end_matches('/'));
                if !self.core.is_folder(&folder) {
                    return self.reply("550 Failed to change directory.");
                }
                self.cwd = folder;
                self.reply("250 Directory successfully changed.")
            }
            "SIZE" | "MDTM" | "MLST" => self.inspect(verb, arg),
            "REST" => self.restart(arg),
            "EPSV" | "PASV" | "PORT" | "EPRT" => self.open(verb, arg),
            "MLSD" if !self.core.traits.mlst => self.reply("502 Command not implemented."),
            "RETR" | "MLSD" | "LIST" => {
                if let Some(delivery) = self.honest_delivery(verb, arg) {
                    return self.deliver(&delivery);
                }
                self.meeting = None;
                self.reply("550 Failed to open file.")
            }
            "ABOR" => self.reply("226 ABOR: nothing to abort."),
            "QUIT" => self.reply("221 Goodbye."),
            _ => self.reply("502 Command not implemented."),
        }
    }

    fn pass(&mut self, arg: &str) -> bool {
        let Some(user) = self.user.clone() else { return self.reply("503 Login with USER first.") };
        if self.core.traits.passwords.get(&user).is_some_and(|p| p != arg) {
            let refusal = self.core.traits.login_refusal.clone();
            return self.reply(&refusal);
        }
        if self.core.traits.account.is_some() {
            return self.reply("332 Need account for login.");
        }
        self.logged_in = true;
        self.reply("230 Login successful.")
    }

    fn account(&mut self, arg: &str) -> bool {
        if self.core.traits.account.as_deref() != Some(arg) {
            let refusal = self.core.traits.login_refusal.clone();
            return self.reply(&refusal);
        }
        self.logged_in = true;
        self.reply("230 Login successful.")
    }

    fn inspect(&mut self, verb: &str, arg: &str) -> bool {
        let Some(file) = self.core.file(&self.resolve(arg)) else { return self.reply("550 Could not get file info.") };
        match verb {
            "SIZE" if self.ascii => self.reply("550 SIZE not allowed in ASCII mode."),
            "SIZE" => self.reply(&format!("213 {}", file.data.len())),
            "MDTM" => self.reply(&format!("213 {}", file.modified)),
            _ if self.core.traits.mlst => {
                let (size, unique, modified) = (file.data.len(), listing::unique(&file), file.modified);
                self.reply(&format!(
                    "250-Listing {arg}\r\n type=file;size={size};modify={modified};unique={unique}; {arg}\r\n250 End"
                ))
            }
            _ => self.reply("502 Command not implemented."),
        }
    }

    fn restart(&mut self, arg: &str) -> bool {
        match arg.parse() {
            Ok(_) if self.ascii => self.reply("501 REST: Resuming transfers not allowed in ASCII mode"),
            Ok(offset) => {
                self.rest = if self.core.traits.ignores_rest { 0 } else { offset };
                self.reply(&format!("350 Restart position accepted ({offset})."))
            }
            Err(_) => self.reply("501 That is no offset."),
        }
    }

    fn open(&mut self, verb: &str, arg: &str) -> bool {
        match data::arrange(self.stream.socket(), self.core.traits.passive, verb, arg) {
            Ok((meeting, reply)) => {
                self.meeting = Some(meeting);
                self.reply(&reply)
            }
            Err(reply) => self.reply(&reply),
        }
    }

    fn honest_delivery(&self, verb: &str, arg: &str) -> Option<Delivery> {
        let (name, data, opening) = match verb {
            "RETR" => {
                let name = self.resolve(arg);
                let file = self.core.file(&name)?;
                let data = if self.ascii { Arc::new(with_crlf(&file.data)) } else { file.data };
                let opening = format!("150 Opening data connection for {name} ({} bytes).", data.len());
                (name, data, opening)
            }
            "MLSD" | "LIST" => {
                let folder = self.resolve(arg.trim_end_matches('/'));
                let folder = folder.trim_end_matches('/');
                let children = self.core.is_folder(folder).then(|| self.core.children(folder))?;
                let data = if verb == "MLSD" { listing::machine(&children) } else { listing::people(&children) };
                (String::new(), Arc::new(data), "150 Here comes the directory listing.".to_owned())
            }
            _ => return None,
        };
        let upto = data.len();
        // A listing begins at its beginning, whatever REST said.
        let from = if verb == "RETR" { usize::try_from(self.rest).unwrap_or(usize::MAX).min(upto) } else { 0 };
        Some(Delivery {
            name,
            data,
            from,
            upto,
            opening,
            end: End::Close,
            verdict: "226 Transfer complete.".to_owned(),
            verdict_first: false,
            hang_up: false,
            pace: self.core.traits.pace,
            handshake: Handshake::Usual,
            identity: None,
        })
    }

    /// As vsftpd, proftpd and pure-ftpd do: the data connection first, then 150, then the bytes.
    fn deliver(&mut self, delivery: &Delivery) -> bool {
        self.rest = 0;
        let Some(meeting) = self.meeting.take() else { return self.reply("425 Use PORT or PASV first.") };
        let Some(stream) = meeting.meet(self.core) else {
            return self.reply("425 Failed to establish connection.");
        };
        let mut stream = Line::new(stream, self.core);
        let (verdict, opening) = (delivery.verdict.clone(), delivery.opening.clone());
        if !(opening.is_empty() || (self.reply(&opening) && self.flush())) {
            return false;
        }
        // RFC 4217, section 9, and all servers that were looked at: the 150 first, then the handshake.
        if let Err(refusal) = self.secure_data(&mut stream, delivery) {
            return self.refuse_data(&refusal);
        }
        if !self.overhear() {
            return self.reply("426 Connection closed; transfer aborted.");
        }
        if delivery.verdict_first && !self.reply(&verdict) {
            return false;
        }
        let whole = data::send(self.core, &mut stream, delivery);
        data::end(self.core, stream, delivery.end);
        if !whole {
            return self.reply("426 Failure writing network stream.");
        }
        let said = verdict.is_empty() || delivery.verdict_first || self.reply(&verdict);
        said && !delivery.hang_up
    }

    fn resolve(&self, path: &str) -> String {
        match path.strip_prefix('/') {
            Some(absolute) => absolute.to_owned(),
            None if self.cwd.is_empty() => path.to_owned(),
            None => format!("{}/{path}", self.cwd),
        }
    }

    pub(super) fn reply(&mut self, line: &str) -> bool {
        let line = self.words.take().map_or_else(|| line.to_owned(), |words| words(line));
        self.write(format!("{line}\r\n").as_bytes())
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > 1 {
            self.core.note(self.number, false, &String::from_utf8_lossy(&bytes[..bytes.len().min(400)]));
        }
        if self.keeps_replies() {
            self.unsent.extend_from_slice(bytes);
            return true;
        }
        self.put(bytes)
    }

    fn put(&mut self, bytes: &[u8]) -> bool {
        match self.core.traits.drip_ms {
            None => self.stream.write_all(bytes).is_ok(),
            Some(ms) => bytes.iter().all(|b| {
                thread::sleep(Duration::from_millis(ms));
                self.stream.write_all(&[*b]).is_ok()
            }),
        }
    }

    fn read_line(&mut self) -> Option<String> {
        let patience = Instant::now() + Duration::from_secs(120);
        let mut buffer = [0; 4096];
        loop {
            if let Some(at) = self.unread.iter().position(|&b| b == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=at).collect();
                let line = line.strip_suffix(b"\n").unwrap_or(&line);
                return Some(String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned());
            }
            if !self.flush() {
                return None;
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(n) => {
                    self.unread.extend_from_slice(&buffer[..n]);
                    if !self.gather() {
                        return None;
                    }
                }
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return None,
            }
            if self.core.stopping() || Instant::now() > patience {
                return None;
            }
        }
    }
}

fn with_crlf(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    for &b in data {
        if b == b'\n' {
            out.push(b'\r');
        }
        out.push(b);
    }
    out
}
