//! Names, addresses and sockets.

use super::dial::SessionOptions;
use super::ports::{HeldPort, PassivePorts};
use super::trouble;
use crate::model::{Account, Cause, Failure, Stage};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;

/// Addresses of a host that are tried.
const ADDRESSES: usize = 8;
/// Longest wait for an address when there is another one to try.
const IMPATIENT: Duration = Duration::from_secs(10);
/// How often a silent control connection is probed.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// How long sent bytes may stay unacknowledged before the control connection counts as dead.
const UNACKNOWLEDGED: Duration = Duration::from_secs(120);

/// A control connection to the first of the host's addresses that answers.
///
/// # Errors
/// When the name has no address, or none of them can be reached.
pub(super) async fn control(account: &Account, options: &SessionOptions) -> Result<TcpStream, Failure> {
    let addresses = resolve(account, options).await?;
    let count = addresses.len();
    let mut trouble = None;
    for (at, address) in addresses.into_iter().enumerate() {
        let last = at + 1 == count;
        let patience = if last { options.timeout } else { options.timeout.min(IMPATIENT) };
        match dial(address, options.bind, patience).await {
            Ok(stream) => {
                keep_alive(&stream);
                return Ok(stream);
            }
            Err(error) => trouble = Some((address, error)),
        }
    }
    Err(match trouble {
        Some((address, error)) => unreachable(address, options.bind, &error),
        None => no_address(account),
    })
}

/// A data connection to that address.
///
/// # Errors
/// When it can't be made in time.
pub(super) async fn data(address: SocketAddr, bind: Option<IpAddr>, patience: Duration) -> io::Result<TcpStream> {
    let stream = dial(address, bind, patience).await?;
    // Keep-alive also here: a peer that vanished in mid-stream is found even when nobody reads.
    let _ = SockRef::from(&stream).set_keepalive(true);
    Ok(stream)
}

/// As [`data`], to a port that the server named, once no other session waits for bytes from it.
///
/// # Errors
/// When it can't be made in time.
pub(super) async fn data_alone(
    address: SocketAddr,
    bind: Option<IpAddr>,
    patience: Duration,
    ports: &PassivePorts,
) -> io::Result<(HeldPort, TcpStream)> {
    let held = timeout(patience, ports.hold(address.ip(), address.port())).await.map_err(|_| {
        io::Error::new(
            io::ErrorKind::ResourceBusy,
            "the server named it to another session too, which still waits for data",
        )
    })?;
    Ok((held, data(address, bind, patience).await?))
}

async fn resolve(account: &Account, options: &SessionOptions) -> Result<Vec<SocketAddr>, Failure> {
    let host = account.host.trim_start_matches('[').trim_end_matches(']');
    let found = match timeout(options.timeout, lookup_host((host, account.port))).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            if let Some(failure) = trouble::no_descriptor(Stage::Resolve, &error) {
                return Err(failure);
            }
            let message = format!("the name {host} can't be looked up: {error}");
            return Err(Failure::transient(Stage::Resolve, Cause::Unreachable, message)
                .with_advice("check the host's name and this machine's network"));
        }
        Err(_) => return Err(trouble::timed_out(Stage::Resolve, options.timeout, "the name service was silent")),
    };
    let fits = |address: &SocketAddr| options.bind.is_none_or(|bind| bind.is_ipv4() == address.is_ipv4());
    let addresses: Vec<SocketAddr> = found.filter(fits).take(ADDRESSES).collect();
    match (addresses.is_empty(), options.bind) {
        (false, _) => Ok(addresses),
        (true, Some(bind)) => Err(trouble::impossible(
            Stage::Resolve,
            &format!("{host} has no address of the same family as the local address {bind}"),
            "choose another --bind",
        )),
        (true, None) => Err(no_address(account)),
    }
}

fn no_address(account: &Account) -> Failure {
    Failure::transient(Stage::Resolve, Cause::Unreachable, format!("the name {} has no address", account.host))
        .with_advice("check the host's name")
}

fn unreachable(address: SocketAddr, bind: Option<IpAddr>, error: &io::Error) -> Failure {
    if let Some(failure) = trouble::no_descriptor(Stage::Connect, error) {
        return failure;
    }
    if let (Some(bind), io::ErrorKind::AddrNotAvailable) = (bind, error.kind()) {
        let message = format!("the local address {bind} can't be used: {error}");
        return trouble::local(Stage::Connect, message, "choose an address of this machine for --bind");
    }
    let cause = if error.kind() == io::ErrorKind::TimedOut { Cause::Timeout } else { Cause::Unreachable };
    Failure::transient(Stage::Connect, cause, format!("{address} can't be reached: {error}"))
        .with_advice("it is tried again; check that the server runs and no firewall stands between")
}

async fn dial(address: SocketAddr, bind: Option<IpAddr>, patience: Duration) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    if let Some(local) = bind {
        socket.bind(&SocketAddr::new(local, 0).into())?;
    }
    let socket = TcpSocket::from_std_stream(socket.into());
    match timeout(patience, socket.connect(address)).await {
        Ok(connected) => connected,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")),
    }
}

/// Probes keep the entry of a router alive while data flows elsewhere, and find a dead peer. A kernel that can't is
/// no reason to fail.
fn keep_alive(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE));
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
    #[cfg(not(target_os = "linux"))]
    let _ = UNACKNOWLEDGED;
}
