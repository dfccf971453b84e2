//! What stands between ftpq and a server: an address of its own, each of whose ports leads to the same port of the
//! server's address. A client goes for its data to the address of its control connection; so nothing has to be read
//! or rewritten, and encrypted connections pass as well.

use crate::{deeds::Tally, support::bytes::Dice};
use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    runtime::Handle,
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};

/// What befalls one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Reset at both ends.
    Reset,
    /// Closed in order, as if that had been all.
    Fin,
    /// Not a byte for so many milliseconds.
    Stall(u64),
    /// The next bytes come one by one.
    Drip,
}

impl Fault {
    fn kind(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Fin => "FIN",
            Self::Stall(..2000) => "delayed",
            Self::Stall(_) => "stalled",
            Self::Drip => "dripped",
        }
    }
}

/// How a connection ends before its time.
enum Broken {
    /// By RST.
    Reset,
    /// By FIN.
    Fin,
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Reset
    }
}

/// What all connections share.
struct Shared {
    /// Of the faults.
    seed: u64,
    server: IpAddr,
    control: u16,
    /// Bytes a second of all data connections together.
    rate: u64,
    /// When the line is free again.
    free: Mutex<Instant>,
    faults: AtomicBool,
    /// Controls and data connections so far.
    count: [AtomicU64; 2],
    bytes: AtomicU64,
    tally: Tally,
    /// Grows with every blow to all connections; odd for RST, even for FIN.
    cut: watch::Sender<u64>,
    hush: watch::Sender<bool>,
}

/// A relay to one server.
pub(crate) struct Relay {
    shared: Arc<Shared>,
    address: IpAddr,
    ports: Vec<u16>,
    listeners: Vec<JoinHandle<()>>,
    runtime: Handle,
}

impl Relay {
    /// A relay at this address to that of the server, closed yet.
    pub(crate) fn new(
        runtime: Handle,
        address: IpAddr,
        server: SocketAddr,
        passive: (u16, u16),
        (seed, rate): (u64, u64),
    ) -> Self {
        let shared = Shared {
            seed,
            server: server.ip(),
            control: server.port(),
            rate,
            free: Mutex::new(Instant::now()),
            faults: AtomicBool::new(true),
            count: Default::default(),
            bytes: AtomicU64::new(0),
            tally: Tally::default(),
            cut: watch::Sender::new(0),
            hush: watch::Sender::new(false),
        };
        let ports = std::iter::once(server.port()).chain(passive.0..=passive.1).collect();
        Self { shared: Arc::new(shared), address, ports, listeners: Vec::new(), runtime }
    }

    /// Listens on all ports.
    pub(crate) fn open(&mut self) {
        self.close();
        for &port in &self.ports {
            let address = SocketAddr::new(self.address, port);
            let listener = self.runtime.block_on(async move {
                for _ in 0..100 {
                    if let Ok(listener) = TcpListener::bind(address).await {
                        return listener;
                    }
                    // The one of before is still on its way out.
                    sleep(Duration::from_millis(10)).await;
                }
                panic!("{address} is taken")
            });
            self.listeners.push(self.runtime.spawn(listen(Arc::clone(&self.shared), listener, port)));
        }
    }

    /// Refuses further connections.
    pub(crate) fn close(&mut self) {
        for listener in self.listeners.drain(..) {
            listener.abort();
        }
    }

    /// Ends all connections, by RST or else by FIN.
    pub(crate) fn cut(&self, by_reset: bool) {
        self.shared.cut.send_modify(|n| *n += if (*n % 2 == 0) == by_reset { 1 } else { 2 });
    }

    /// Lets not a byte through, or lets them through again.
    pub(crate) fn hush(&self, on: bool) {
        self.shared.hush.send_replace(on);
    }

    /// Single connections are left in peace from now on.
    pub(crate) fn end_faults(&self) {
        self.shared.faults.store(false, Relaxed);
    }

    /// Bytes of files that went to the client.
    pub(crate) fn bytes(&self) -> u64 {
        self.shared.bytes.load(Relaxed)
    }

    /// Control connections so far.
    pub(crate) fn logins(&self) -> u64 {
        self.shared.count[0].load(Relaxed)
    }

    /// What befell single connections.
    pub(crate) fn tally(&self) -> &Tally {
        &self.shared.tally
    }
}

async fn listen(shared: Arc<Shared>, listener: TcpListener, port: u16) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                tokio::spawn(carry(Arc::clone(&shared), client, port));
            }
            Err(_) => sleep(Duration::from_millis(5)).await,
        }
    }
}

impl Shared {
    /// What befalls the next connection, and after how many of the server's bytes.
    fn next_fault(&self, is_data: bool) -> Option<(u64, Fault)> {
        let number = self.count[usize::from(is_data)].fetch_add(1, Relaxed);
        if !self.faults.load(Relaxed) {
            return None;
        }
        let mut dice = Dice::new(self.seed ^ (number << 1) ^ u64::from(is_data));
        dice.next();
        let (chance, most) = if is_data { (10, 20) } else { (35, 12) };
        if dice.between(0, 100) >= chance {
            return None;
        }
        // Of each order of magnitude as many, and some before the first byte.
        let bits = dice.between(0, most);
        let after = if bits == 0 { 0 } else { dice.between(1 << (bits - 1), 1 << bits) };
        let fault = match dice.between(0, 7) {
            0..2 => Fault::Reset,
            2 => Fault::Fin,
            3 => Fault::Stall(dice.between(2000, 7000)),
            4..6 => Fault::Stall(dice.between(50, 1500)),
            _ => Fault::Drip,
        };
        Some((after, fault))
    }

    /// Waits for the line to be free for so many bytes.
    async fn pace(&self, bytes: usize) {
        let due = {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            let begin = (*free).max(Instant::now());
            *free = begin + Duration::from_micros(bytes as u64 * 1_000_000 / self.rate);
            begin
        };
        sleep_until(due).await;
    }

    async fn while_not_hushed(&self) {
        let _ = self.hush.subscribe().wait_for(|hushed| !hushed).await;
    }
}

/// One connection from its beginning to its end.
async fn carry(shared: Arc<Shared>, mut client: TcpStream, port: u16) {
    let is_data = port != shared.control;
    let fault = shared.next_fault(is_data);
    let mut cut = shared.cut.subscribe();
    cut.mark_unchanged();
    let Ok(mut server) = TcpStream::connect((shared.server, port)).await else { return reset(&client) };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ended = {
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        let down = down(&shared, &mut from_server, &mut to_client, is_data, fault);
        let up = up(&shared, &mut from_client, &mut to_server);
        tokio::select! {
            ended = both(down, up) => ended,
            Ok(()) = cut.changed() => Err(if *cut.borrow() % 2 == 1 { Broken::Reset } else { Broken::Fin }),
        }
    };
    match ended {
        Ok(()) => {}
        Err(Broken::Reset) => {
            reset(&client);
            reset(&server);
        }
        Err(Broken::Fin) => {
            reset(&server);
            let _ = client.shutdown().await;
            // Unread bytes would make a RST of it.
            let _ = timeout(Duration::from_secs(1), tokio::io::copy(&mut client, &mut tokio::io::sink())).await;
        }
    }
}

async fn both(
    down: impl Future<Output = Result<(), Broken>>,
    up: impl Future<Output = Result<(), Broken>>,
) -> Result<(), Broken> {
    tokio::try_join!(down, up).map(|_| ())
}

/// Makes a RST of the close that follows.
fn reset(stream: &TcpStream) {
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

async fn up(shared: &Shared, from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>) -> Result<(), Broken> {
    let mut buffer = [0; 4096];
    loop {
        let count = from.read(&mut buffer).await?;
        shared.while_not_hushed().await;
        if count == 0 {
            return Ok(to.shutdown().await?);
        }
        to.write_all(&buffer[..count]).await?;
    }
}

async fn down(
    shared: &Shared,
    from: &mut ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    is_data: bool,
    fault: Option<(u64, Fault)>,
) -> Result<(), Broken> {
    let mut buffer = vec![0; 16 << 10];
    let mut left = fault.map_or(u64::MAX, |(after, _)| after);
    let mut drops: u32 = 0;
    loop {
        if left == 0 {
            left = u64::MAX;
            drops = strike(shared, fault).await?;
        }
        let most = if drops > 0 { 1 } else { usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len()) };
        let count = from.read(&mut buffer[..most]).await?;
        shared.while_not_hushed().await;
        if count == 0 {
            return Ok(to.shutdown().await?);
        }
        if is_data {
            shared.pace(count).await;
        }
        if drops > 0 {
            drops -= 1;
            sleep(Duration::from_millis(1)).await;
        }
        to.write_all(&buffer[..count]).await?;
        left = left.saturating_sub(count as u64);
        if is_data {
            shared.bytes.fetch_add(count as u64, Relaxed);
        }
    }
}

/// Carries out what befalls a connection. Returns how many bytes come one by one after it.
async fn strike(shared: &Shared, fault: Option<(u64, Fault)>) -> Result<u32, Broken> {
    let Some((_, fault)) = fault else { return Ok(0) };
    shared.tally.count(fault.kind());
    match fault {
        Fault::Reset => Err(Broken::Reset),
        Fault::Fin => Err(Broken::Fin),
        Fault::Stall(ms) => {
            sleep(Duration::from_millis(ms)).await;
            Ok(0)
        }
        Fault::Drip => Ok(300),
    }
}
