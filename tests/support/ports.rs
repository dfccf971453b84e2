//! Ports that a test names by number.

use socket2::{Domain, Socket, Type};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

/// A port at which nobody listens until the test does, as often as it likes.
///
/// A port that was bound and freed may be anybody's by the time it is used, since every program here is given ports by the
/// system. This one stays bound by a socket that does not listen: connections are refused, the system gives it to nobody,
/// and by its number it can be listened at all the same (`SO_REUSEADDR` on both sockets).
pub(crate) struct Port {
    _keeper: Socket,
    address: SocketAddr,
}

impl Port {
    /// A port of 127.0.0.1 that nobody else has.
    pub(crate) fn new() -> Self {
        Self::of(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    /// A port of an address of this machine that nobody else has.
    pub(crate) fn of(ip: IpAddr) -> Self {
        let any = SocketAddr::new(ip, 0);
        let keeper = Socket::new(Domain::for_address(any), Type::STREAM, None).unwrap();
        keeper.set_reuse_address(true).unwrap();
        keeper.bind(&any.into()).unwrap();
        let address = keeper.local_addr().unwrap().as_socket().unwrap();
        Self { _keeper: keeper, address }
    }

    /// Its address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its number.
    pub(crate) fn number(&self) -> u16 {
        self.address.port()
    }

    /// Listens at it; `None` while another listener of the test does.
    pub(crate) fn listen(&self) -> Option<TcpListener> {
        TcpListener::bind(self.address).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn a_port_refuses_until_it_is_listened_at_and_again_behind_that() {
        let port = Port::new();
        for _ in 0..2 {
            assert!(TcpStream::connect(port.address()).is_err());
            let listener = port.listen().unwrap();
            assert!(port.listen().is_none());
            let _here = TcpStream::connect(port.address()).unwrap();
            let _there = listener.accept().unwrap();
        }
    }

    /// The system's own choice, for listeners and for clients, passes it by.
    #[test]
    fn a_port_is_given_to_nobody_else() {
        let port = Port::new();
        let others: Vec<TcpListener> = (0..200).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
        assert!(others.iter().all(|other| other.local_addr().unwrap().port() != port.number()));
    }
}
