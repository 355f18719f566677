//! Where a party listens.
//!
//! The hosts file says where the *others* reach a party, which need not be an address of its machine: a router may forward it, a translator may turn
//! one kind of address into another, a cloud may map a public one to a private one. So an address that is not one of this machine means "on
//! this port, wherever it comes in", over IPv6 and IPv4.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};

use super::error::NetError;

/// Connections that the system keeps until they are accepted.
const BACKLOG: i32 = 128;

/// Ports on which a party listens.
#[derive(Debug)]
pub struct Endpoint(pub(super) Vec<TcpListener>);

impl Endpoint {
    /// Listens on `host:port`; port 0 is any free one. An address of this machine, written as such, is listened on alone. A name is listened on
    /// at all its addresses if they are this machine's and can be reached from outside; everything else means this port of all addresses.
    ///
    /// # Errors
    /// [`NetError::PortInUse`] and [`NetError::Listen`].
    pub fn bind(address: &str) -> Result<Self, NetError> {
        let bound = bind_all(address);
        bound.map(Self).map_err(|cause| match cause.kind() {
            io::ErrorKind::AddrInUse => NetError::PortInUse { address: address.to_owned() },
            _ => NetError::Listen { address: address.to_owned(), cause },
        })
    }

    /// The same ports once more.
    pub(super) fn again(&self) -> Result<Self, NetError> {
        let listeners = self.0.iter().map(TcpListener::try_clone).collect::<io::Result<Vec<_>>>();
        listeners.map(Self).map_err(|cause| NetError::of_system("cannot listen", cause))
    }

    /// Where it listens, or the first place.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn address(&self) -> Result<SocketAddr, NetError> {
        let first = self.0.first().ok_or(io::ErrorKind::NotConnected.into());
        let address = first.and_then(TcpListener::local_addr);
        address.map_err(|cause| NetError::System { what: "the address of a port is not known", cause })
    }
}

fn bind_all(address: &str) -> io::Result<Vec<TcpListener>> {
    let port = address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    let port = port.ok_or(io::Error::new(io::ErrorKind::InvalidInput, "no port"))?;
    let literal = address.parse::<SocketAddr>().is_ok() || address.starts_with("localhost:");
    // A name that is not known here yet may well be known to the others.
    let addresses: Vec<SocketAddr> = address.to_socket_addrs().into_iter().flatten().collect();
    let outside = |address: &SocketAddr| literal || !address.ip().to_canonical().is_loopback();
    if !addresses.is_empty() && addresses.iter().all(outside) {
        let bound = addresses.iter().map(TcpListener::bind).collect::<io::Result<Vec<_>>>();
        match bound {
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
            bound => return bound,
        }
    }
    Ok(vec![everywhere(port)?])
}

/// This port of all addresses of the machine, over both versions of IP where there are both.
fn everywhere(port: u16) -> io::Result<TcpListener> {
    let both = || {
        let socket = socket_with(AddressFamily::INET6, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        sockopt::set_ipv6_v6only(&socket, false)?;
        bind(&socket, &SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)))?;
        listen(&socket, BACKLOG)?;
        io::Result::Ok(TcpListener::from(socket))
    };
    both().or_else(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Err(error),
        // There are machines without IPv6.
        _ => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)),
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    fn reaches(endpoint: &Endpoint, host: &str) -> bool {
        let port = endpoint.address().unwrap().port();
        TcpStream::connect((host, port)).is_ok()
    }

    /// 192.0.2.0/24 and 2001:db8::/32 are for documentation: no machine has them.
    #[test]
    fn an_address_of_another_machine_is_listened_for_everywhere() {
        for address in ["192.0.2.7:0", "[2001:db8::7]:0", "[::ffff:192.0.2.7]:0", "[64:ff9b::192.0.2.7]:0"] {
            let endpoint = Endpoint::bind(address).unwrap();
            assert!(reaches(&endpoint, "127.0.0.1"), "{address}");
            if TcpListener::bind("[::1]:0").is_ok() {
                assert!(reaches(&endpoint, "::1"), "{address}");
                assert!(reaches(&endpoint, "::ffff:127.0.0.1"), "{address}: a mapped address");
            }
        }
    }

    #[test]
    fn an_address_of_this_machine_is_listened_on_alone() {
        let endpoint = Endpoint::bind("127.0.0.1:0").unwrap();
        assert!(reaches(&endpoint, "127.0.0.1"));
        assert!(!reaches(&endpoint, "127.0.0.2"));
        if TcpListener::bind("[::1]:0").is_ok() {
            let mapped = Endpoint::bind("[::ffff:127.0.0.1]:0").unwrap();
            assert!(reaches(&mapped, "127.0.0.1"));
        }
    }

    #[test]
    fn a_name_that_is_not_known_here_is_listened_for_everywhere() {
        let endpoint = Endpoint::bind("no-such-host.invalid:0").unwrap();
        assert!(reaches(&endpoint, "127.0.0.1"));
    }
}
