//! Data connections of a scripted server.

use super::{Core, Delivery, End, tls::Line};
use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Where server and client meet for the data.
pub(super) enum Meeting {
    /// The client comes here.
    Here(TcpListener),
    /// The server goes there.
    There(SocketAddr),
}

/// Arranges a data connection: the meeting and the reply, or the refusal.
pub(super) fn arrange(
    control: &TcpStream,
    passive: Option<(u16, u16)>,
    verb: &str,
    arg: &str,
) -> Result<(Meeting, String), String> {
    let own = control.local_addr().map_err(|e| format!("425 {e}"))?.ip();
    match verb {
        "PORT" => there(parse_port(arg)),
        "EPRT" => there(parse_eprt(arg)),
        "PASV" if own.is_ipv6() => Err("425 PASV is for IPv4.".to_owned()),
        _ => {
            let listener = listen(own, passive).ok_or("425 No port is free.")?;
            let port = listener.local_addr().map_err(|e| format!("425 {e}"))?.port();
            let reply = if verb == "EPSV" {
                format!("229 Entering Extended Passive Mode (|||{port}|).")
            } else {
                let address = own.to_string().replace('.', ",");
                format!("227 Entering Passive Mode ({address},{},{}).", port >> 8, port & 255)
            };
            Ok((Meeting::Here(listener), reply))
        }
    }
}

/// A listener on a free port; of a range on the one behind that of the last call, so that none is used again soon.
fn listen(own: IpAddr, passive: Option<(u16, u16)>) -> Option<TcpListener> {
    static CALLS: AtomicU16 = AtomicU16::new(0);
    let Some((low, high)) = passive else { return TcpListener::bind((own, 0)).ok() };
    (low..=high).find_map(|_| {
        let port = low + CALLS.fetch_add(1, Ordering::Relaxed) % (high - low + 1);
        TcpListener::bind((own, port)).ok()
    })
}

fn there(address: Option<SocketAddr>) -> Result<(Meeting, String), String> {
    let address = address.ok_or("501 That is no address.")?;
    Ok((Meeting::There(address), "200 PORT command successful.".to_owned()))
}

fn parse_port(arg: &str) -> Option<SocketAddr> {
    let numbers: Vec<u8> = arg.split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [a, b, c, d, high, low] = numbers[..] else { return None };
    Some(SocketAddr::from((Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low]))))
}

fn parse_eprt(arg: &str) -> Option<SocketAddr> {
    let fields: Vec<&str> = arg.split('|').collect();
    let ["", family, address, port, ""] = fields[..] else { return None };
    let ip: IpAddr = address.parse().ok()?;
    let right = if ip.is_ipv4() { "1" } else { "2" };
    (family == right).then_some(SocketAddr::new(ip, port.parse().ok()?))
}

impl Meeting {
    /// The data connection, unless nobody comes within 20 s.
    pub(super) fn meet(self, core: &Core) -> Option<TcpStream> {
        let stream = match self {
            Self::There(address) => TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?,
            Self::Here(listener) => {
                listener.set_nonblocking(true).ok()?;
                let patience = Instant::now() + Duration::from_secs(20);
                loop {
                    match listener.accept() {
                        Ok((stream, _)) => break stream,
                        Err(_) if core.stopping() || Instant::now() > patience => return None,
                        Err(_) => thread::sleep(Duration::from_millis(1)),
                    }
                }
            }
        };
        stream.set_nonblocking(false).ok()?;
        stream.set_write_timeout(Some(Duration::from_secs(20))).ok()?;
        stream.set_read_timeout(Some(Duration::from_millis(50))).ok()?;
        Some(stream)
    }
}

/// Sends the bytes and counts them; whether all went out.
pub(super) fn send(core: &Core, stream: &mut Line, delivery: &Delivery) -> bool {
    let bytes = delivery.data.get(delivery.from..delivery.upto).unwrap_or_default();
    let begin = Instant::now();
    let mut sent: u64 = 0;
    // A trickle comes byte by byte.
    let portion = usize::try_from(delivery.pace / 4).unwrap_or(usize::MAX).clamp(1, 2 << 10);
    for chunk in bytes.chunks(if delivery.pace > 0 { portion } else { 64 << 10 }) {
        core.hold(&delivery.name);
        if core.stopping() || stream.write_all(chunk).is_err() {
            return false;
        }
        core.note_sent(&delivery.name, chunk.len(), stream.is_secure());
        sent += chunk.len() as u64;
        if let Some(due) = (sent * 1_000_000).checked_div(delivery.pace).filter(|_| !core.hurries()) {
            let due = Duration::from_micros(due);
            thread::sleep(due.saturating_sub(begin.elapsed()));
        }
    }
    true
}

/// Ends the data connection.
pub(super) fn end(core: &Core, mut stream: Line, end: End) {
    match end {
        End::Close => stream.close(true),
        End::Cut => {}
        End::Reset => {
            let _ = socket2::SockRef::from(stream.socket()).set_linger(Some(Duration::ZERO));
        }
        End::Stall => {
            let patience = Instant::now() + Duration::from_secs(60);
            while !core.stopping() && Instant::now() < patience {
                if matches!(stream.read(&mut [0; 16]), Ok(0)) {
                    return;
                }
            }
        }
    }
}
