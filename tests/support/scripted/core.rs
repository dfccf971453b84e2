//! What all sessions of a scripted server share.

use super::{Act, Shaken, Tls, Turn, listing::Children};
use rustls::server::ServerSessionMemoryCache;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// A file in memory.
#[derive(Clone)]
pub(crate) struct RemoteFile {
    /// Content.
    pub(crate) data: Arc<Vec<u8>>,
    /// What MDTM says.
    pub(crate) modified: String,
}

/// What a server makes of commands that come without waiting for replies.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Batch {
    /// It takes each as it comes; turns are not counted.
    #[default]
    Plain,
    /// It answers all in order. As the others below, it waits for the client to fall silent first, so that every
    /// command that was sent without waiting is in one turn.
    Gathered,
    /// As `Gathered`, with the replies of a turn in one segment.
    Coalesced,
    /// It answers SIZE and MDTM last, in reverse order, as libunftp may.
    Shuffled,
    /// It drops all but the first.
    FirstOnly,
    /// It closes when there are several.
    Closes,
}

/// What a server makes of a command that comes while a transfer runs.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Behind {
    /// It answers after the transfer, as vsftpd.
    #[default]
    Queued,
    /// It answers at once, and EPSV ends the running data connection, as with pyftpdlib.
    AtOnce,
    /// It throws the command away with a 500, as pure-ftpd.
    Refused,
    /// It throws the command away with a 450, as proftpd where it does not use sendfile(2).
    Busy,
    /// It throws the command away without a word.
    Dropped,
}

/// Lasting ways of a server.
#[derive(Clone)]
pub(crate) struct Traits {
    /// Several commands at once.
    pub(crate) batch: Batch,
    /// Commands behind RETR.
    pub(crate) behind: Behind,
    /// REST is answered with 350 and forgotten.
    pub(crate) ignores_rest: bool,
    /// REST is forgotten when another command than RETR follows.
    pub(crate) rest_must_be_last: bool,
    /// MLST is offered and answered.
    pub(crate) mlst: bool,
    /// Bytes a second of each transfer; 0 for no limit.
    pub(crate) pace: u64,
    /// First and last port of data connections; `None` for any.
    pub(crate) passive: Option<(u16, u16)>,
    /// Control connections at a time.
    pub(crate) max_sessions: usize,
    /// What is said to a connection beyond that before it is closed; empty for nothing.
    pub(crate) full: String,
    /// Pause after each byte of a reply, in milliseconds.
    pub(crate) drip_ms: Option<u64>,
    /// Passwords by user; a user that is missing may use any password.
    pub(crate) passwords: BTreeMap<String, String>,
    /// What ACCT has to send behind the password, where the server asks for that.
    pub(crate) account: Option<String>,
    /// The reply to a wrong password.
    pub(crate) login_refusal: String,
    /// How it does TLS, where it does.
    pub(crate) tls: Option<Tls>,
}

impl Default for Traits {
    fn default() -> Self {
        Self {
            batch: Batch::Plain,
            behind: Behind::Queued,
            ignores_rest: false,
            rest_must_be_last: false,
            mlst: false,
            pace: 0,
            passive: None,
            max_sessions: usize::MAX,
            full: "421 There are too many connections from your internet address.".to_owned(),
            drip_ms: None,
            passwords: BTreeMap::from([("user".to_owned(), "password".to_owned())]),
            account: None,
            login_refusal: "530 Login incorrect.".to_owned(),
            tls: None,
        }
    }
}

/// A line of the dialogue.
struct Logged {
    session: usize,
    after: u128,
    from_client: bool,
    line: String,
}

#[derive(Default)]
struct Seen {
    files: BTreeMap<String, RemoteFile>,
    folders: BTreeSet<String>,
    dialogue: Vec<Logged>,
    sent: BTreeMap<String, u64>,
    sent_in_clear: u64,
    /// All that arrived on any connection, as it was on the wire.
    arrived: Vec<u8>,
    /// What arrived outside TLS.
    clear: Vec<u8>,
    shaken: Vec<Shaken>,
    unshaken: Vec<String>,
    sessions: usize,
    open: usize,
    peak: usize,
    turns: usize,
}

type Hook = Box<dyn Fn(&Turn) -> Act + Send + Sync>;

/// The shared part of a scripted server.
pub(crate) struct Core {
    /// Lasting ways.
    pub(crate) traits: Traits,
    seen: Mutex<Seen>,
    hook: Hook,
    stop: AtomicBool,
    hurries: AtomicBool,
    /// Bytes of a file behind which its transfers hold; `u64::MAX` for none.
    holds_behind: AtomicU64,
    released: AtomicBool,
    start: Instant,
    shared_sessions: Arc<ServerSessionMemoryCache>,
}

impl Core {
    pub(super) fn new(traits: Traits, hook: Hook) -> Self {
        let (seen, stop, start) = (Mutex::default(), AtomicBool::new(false), Instant::now());
        let (hurries, shared_sessions) = (AtomicBool::new(false), ServerSessionMemoryCache::new(256));
        let (holds_behind, released) = (AtomicU64::new(u64::MAX), AtomicBool::new(false));
        Self { traits, seen, hook, stop, hurries, holds_behind, released, start, shared_sessions }
    }

    /// Puts a file there, or replaces it.
    pub(crate) fn put(&self, path: &str, data: Vec<u8>, modified: &str) {
        self.put_shared(path, Arc::new(data), modified);
    }

    /// The same with content that others hold too.
    pub(crate) fn put_shared(&self, path: &str, data: Arc<Vec<u8>>, modified: &str) {
        let file = RemoteFile { data, modified: modified.to_owned() };
        self.lock().files.insert(path.to_owned(), file);
    }

    /// Takes a file away.
    #[allow(dead_code, reason = "tests/chaos.rs needs it")]
    pub(crate) fn remove(&self, path: &str) {
        self.lock().files.remove(path);
    }

    /// The file at a path.
    pub(crate) fn file(&self, path: &str) -> Option<RemoteFile> {
        self.lock().files.get(path).cloned()
    }

    /// Whether the path is the root or leads to files.
    pub(super) fn is_folder(&self, path: &str) -> bool {
        let prefix = format!("{path}/");
        let seen = self.lock();
        path.is_empty() || seen.folders.contains(path) || seen.files.keys().any(|name| name.starts_with(&prefix))
    }

    /// Makes a folder without files.
    pub(super) fn put_folder(&self, path: &str) {
        self.lock().folders.insert(path.to_owned());
    }

    /// What is in a folder, by name.
    pub(super) fn children(&self, folder: &str) -> Children {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let seen = self.lock();
        let mut children = BTreeMap::new();
        for (path, file) in &seen.files {
            match path.strip_prefix(&prefix).map(|rest| rest.split_once('/').ok_or(rest)) {
                Some(Ok((name, _))) => children.insert(name.to_owned(), None),
                Some(Err(name)) => children.insert(name.to_owned(), Some(file.clone())),
                None => None,
            };
        }
        for path in seen.folders.iter().filter_map(|path| path.strip_prefix(&prefix)) {
            children.insert(path.split('/').next().unwrap_or(path).to_owned(), None);
        }
        children.into_iter().collect()
    }

    /// Bytes of a file that went into data connections.
    pub(crate) fn sent(&self, path: &str) -> u64 {
        self.lock().sent.get(path).copied().unwrap_or_default()
    }

    /// Bytes of all files that went into data connections.
    pub(crate) fn sent_total(&self) -> u64 {
        self.lock().sent.values().sum()
    }

    /// Bytes of all files that went into data connections outside TLS.
    pub(crate) fn sent_in_clear(&self) -> u64 {
        self.lock().sent_in_clear
    }

    /// All that arrived outside TLS, on control and data connections.
    pub(crate) fn heard_in_clear(&self) -> String {
        String::from_utf8_lossy(&self.lock().clear).into_owned()
    }

    /// Whether these bytes stood anywhere in what arrived, as it was on the wire.
    pub(crate) fn arrived(&self, bytes: &[u8]) -> bool {
        self.lock().arrived.windows(bytes.len()).any(|w| w == bytes)
    }

    /// The handshakes that came to their end, in order.
    pub(crate) fn shaken(&self) -> Vec<Shaken> {
        self.lock().shaken.clone()
    }

    /// How many handshakes on data connections were full, and how many resumed a session.
    pub(crate) fn data_handshakes(&self) -> (usize, usize) {
        let seen = self.lock();
        let count = |resumed| seen.shaken.iter().filter(|s| s.data && s.resumed == resumed).count();
        (count(false), count(true))
    }

    /// Why handshakes did not come to their end.
    pub(crate) fn unshaken(&self) -> Vec<String> {
        self.lock().unshaken.clone()
    }

    /// Most sessions open at a time, and all that there ever were.
    pub(crate) fn sessions(&self) -> (usize, usize) {
        let seen = self.lock();
        (seen.peak, seen.sessions)
    }

    /// How often a client waited for the server before it went on, over all sessions.
    pub(crate) fn turns(&self) -> usize {
        self.lock().turns
    }

    pub(super) fn note_turn(&self) {
        self.lock().turns += 1;
    }

    /// The arguments of every command with this verb, in order.
    pub(crate) fn args(&self, verb: &str) -> Vec<String> {
        let seen = self.lock();
        let lines = seen.dialogue.iter().filter(|l| l.from_client).map(|l| split(&l.line));
        lines.filter(|(v, _)| v == verb).map(|(_, arg)| arg.to_owned()).collect()
    }

    /// Every command line of all sessions.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.lock().dialogue.iter().filter(|l| l.from_client).map(|l| l.line.clone()).collect()
    }

    /// Every command line of one session.
    pub(crate) fn commands_of(&self, session: usize) -> Vec<String> {
        let seen = self.lock();
        let lines = seen.dialogue.iter().filter(|l| l.from_client && l.session == session);
        lines.map(|l| l.line.clone()).collect()
    }

    /// The dialogue so far, for a failed test's message.
    pub(crate) fn dialogue(&self) -> String {
        let seen = self.lock();
        let skipped = seen.dialogue.len().saturating_sub(200);
        let mut text = format!("dialogue with the server ({skipped} earlier lines left out):\n");
        for line in &seen.dialogue[skipped..] {
            let arrow = if line.from_client { "->" } else { "<-" };
            let shown: String = line.line.chars().take(160).collect();
            writeln!(text, "  {:>6} ms #{} {arrow} {}", line.after, line.session, shown.escape_debug()).unwrap();
        }
        text
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    /// From now on nothing is sent at a pace.
    pub(crate) fn hurry(&self) {
        self.hurries.store(true, Ordering::SeqCst);
    }

    pub(super) fn hurries(&self) -> bool {
        self.hurries.load(Ordering::SeqCst)
    }

    /// Lets no more than about so many bytes of each file go out, over all its transfers, until `release`: what a test does
    /// in mid-transfer must not depend on how quick it is.
    #[allow(dead_code, reason = "not every binary needs it")]
    pub(crate) fn hold_behind(&self, bytes: u64) {
        self.holds_behind.store(bytes, Ordering::SeqCst);
    }

    /// Waits until `release`; for a hook whose answer is to come once the test has done its part.
    pub(crate) fn wait_for_release(&self) {
        // A test that failed meanwhile stops its server.
        while !self.is_released() && !self.stopping() {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends all waiting for this, now and later.
    #[allow(dead_code, reason = "not every binary needs it")]
    pub(crate) fn release(&self) {
        self.released.store(true, Ordering::SeqCst);
    }

    /// Whether `release` was called.
    pub(crate) fn is_released(&self) -> bool {
        self.released.load(Ordering::SeqCst)
    }

    /// Waits where transfers hold.
    pub(super) fn hold(&self, name: &str) {
        if self.sent(name) >= self.holds_behind.load(Ordering::SeqCst) {
            self.wait_for_release();
        }
    }

    pub(super) fn stopping(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    pub(super) fn ask_hook(&self, turn: &Turn) -> Act {
        (self.hook)(turn)
    }

    pub(super) fn times_seen(&self, verb: &str) -> usize {
        self.args(verb).len()
    }

    pub(super) fn note(&self, session: usize, from_client: bool, line: &str) {
        let line = line.trim_end_matches(['\r', '\n']).to_owned();
        let after = self.start.elapsed().as_millis();
        self.lock().dialogue.push(Logged { session, after, from_client, line });
    }

    pub(super) fn note_sent(&self, name: &str, bytes: usize, secure: bool) {
        let mut seen = self.lock();
        // Listings are no file's.
        if !name.is_empty() {
            *seen.sent.entry(name.to_owned()).or_default() += bytes as u64;
        }
        if !secure {
            seen.sent_in_clear += bytes as u64;
        }
    }

    pub(super) fn note_arrived(&self, bytes: &[u8]) {
        self.lock().arrived.extend_from_slice(bytes);
    }

    pub(super) fn note_clear(&self, bytes: &[u8]) {
        self.lock().clear.extend_from_slice(bytes);
    }

    pub(super) fn note_shaken(&self, shaken: Shaken) {
        let (place, kind) =
            (if shaken.data { "data" } else { "control" }, if shaken.resumed { "resumed" } else { "full" });
        self.note(shaken.session, false, &format!("* {place}: TLS, {kind}"));
        self.lock().shaken.push(shaken);
    }

    pub(super) fn note_unshaken(&self, session: usize, why: &str) {
        self.note(session, false, &format!("* no TLS: {why}"));
        self.lock().unshaken.push(why.to_owned());
    }

    pub(super) fn shared_sessions(&self) -> &Arc<ServerSessionMemoryCache> {
        &self.shared_sessions
    }

    /// Counts a session in; whether there is room for it.
    pub(super) fn enter(&self) -> bool {
        let mut seen = self.lock();
        seen.sessions += 1;
        seen.open += 1;
        let fits = seen.open <= self.traits.max_sessions;
        if fits {
            seen.peak = seen.peak.max(seen.open);
        }
        fits
    }

    pub(super) fn leave(&self) {
        self.lock().open -= 1;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Verb in upper case, and the rest of a command line.
pub(super) fn split(line: &str) -> (String, &str) {
    let (verb, arg) = line.split_once(' ').unwrap_or((line, ""));
    (verb.to_ascii_uppercase(), arg)
}
