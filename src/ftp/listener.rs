//! Where the server connects to in active modes.

use super::dial::{SessionOptions, Trace};
use super::trouble;
use crate::model::{DataMode, Failure, PortRange, Stage};
use crate::wire::Command;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::{TcpListener, TcpStream};

/// Connections that may wait: the server's, and some strangers' that are turned away.
const BACKLOG: i32 = 8;

/// A port of this machine that waits for the server's data connection.
pub(super) struct Listener {
    inner: TcpListener,
    told: SocketAddr,
    trace: Option<Trace>,
}

impl Listener {
    /// Listens on the control connection's own address.
    ///
    /// # Errors
    /// When no port of the range is free, or the options can't be met.
    pub(super) fn open(local: SocketAddr, options: &SessionOptions, trace: Option<Trace>) -> Result<Self, Failure> {
        let (low, high) = options.active_ports.map_or((0, 0), PortRange::bounds);
        let count = u32::from(high - low) + 1;
        let start = fastrand::u32(..count);
        let mut trouble = io::Error::from(io::ErrorKind::AddrInUse);
        for step in 0..count {
            let offset = u16::try_from((start + step) % count).unwrap_or(0);
            let mut address = local;
            address.set_port(low + offset);
            match listen(address) {
                Ok(inner) => return Self::told(inner, options, trace),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => trouble = error,
                Err(error) => {
                    trouble = error;
                    break;
                }
            }
        }
        Err(cannot_listen(local.ip(), &trouble))
    }

    fn told(inner: TcpListener, options: &SessionOptions, trace: Option<Trace>) -> Result<Self, Failure> {
        let mut told = inner.local_addr().map_err(|error| cannot_listen(IpAddr::from([0, 0, 0, 0]), &error))?;
        told.set_ip(told.ip().to_canonical());
        if let Some(outside) = options.active_address {
            told.set_ip(outside);
        }
        Ok(Self { inner, told, trace })
    }

    /// The address that the server is told.
    pub(super) fn address(&self) -> SocketAddr {
        self.told
    }

    /// The command that tells it.
    ///
    /// # Errors
    /// When PORT is asked for and the address is not IPv4.
    pub(super) fn command(&self, mode: DataMode) -> Result<Command, Failure> {
        match (mode, self.told) {
            (DataMode::Eprt, address) | (_, address @ SocketAddr::V6(_)) if mode != DataMode::Port => {
                Ok(Command::Eprt(address))
            }
            (_, SocketAddr::V4(address)) => Ok(Command::Port(address)),
            (_, SocketAddr::V6(_)) => Err(trouble::impossible(
                Stage::Data,
                "PORT can't tell an IPv6 address",
                "use --data-mode eprt, or an IPv4 address for --bind or --active-address",
            )),
        }
    }

    /// Returns the connection that comes from the server; all others are closed (RFC 2577, section 3).
    ///
    /// # Errors
    /// When the listener itself fails.
    pub(super) async fn accept(&self, server: IpAddr) -> io::Result<TcpStream> {
        loop {
            let (stream, from) = self.inner.accept().await?;
            if from.ip().to_canonical() == server {
                return Ok(stream);
            }
            if let Some(trace) = &self.trace {
                trace(&format!("* turned {from} away: not the server"));
            }
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // A small range is soon used up by ports that wait out their last connection.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn cannot_listen(ip: IpAddr, error: &io::Error) -> Failure {
    if let Some(failure) = trouble::no_descriptor(Stage::Data, error) {
        return failure;
    }
    trouble::local(
        Stage::Data,
        format!("no port of {ip} can be listened on: {error}"),
        "widen --active-ports, or use --data-mode passive",
    )
}
