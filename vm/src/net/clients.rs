//! Connections of those who run none of the servers: mutual TLS as between parties, with another protocol's name, at an address of its own.
//!
//! Nothing of a run depends on them, and they carry few bytes compared with it, so they are plain blocking streams, one thread each.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, Error as TlsError, ServerConfig, ServerConnection, StreamOwned};
use thiserror::Error;

use super::endpoint::Endpoint;
use super::error::{NetError, Who};
use super::hosts::Hosts;
use super::identity::{Fingerprint, Identity};
use super::party::Party;
use super::tls;

/// The protocol's name in the handshake.
const ALPN: &[u8] = b"tern-clients/1";
/// How long a connection and its handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a connection between a client and a server failed.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the fields are what the message of the variant says")]
pub enum ClientError {
    /// The hosts file does not say where.
    #[error(
        "{who} has no address for clients in the hosts file: it needs  clients = \"host:port\"  in its entry"
    )]
    NoAddress { who: Who },
    /// Nobody answers.
    #[error("{who} is unreachable at {address}: {cause}")]
    Unreachable { who: Who, address: String, cause: io::Error },
    /// Somebody else answers.
    #[error(
        "{who} is not who it should be: at {address} there is the certificate {found}, expected {expected}"
    )]
    WrongCertificate { who: Who, address: String, found: Fingerprint, expected: Fingerprint },
    /// The server does not accept the client's certificate.
    #[error("{who} refuses the certificate {ours}: its hosts file lists another one, or none ({alert})")]
    NotAccepted { who: Who, ours: Fingerprint, alert: String },
    /// The handshake fails otherwise.
    #[error("the handshake with {who} failed: {cause}")]
    Handshake { who: Who, cause: String },
    /// Whoever has connected is none of the clients.
    #[error("{from}: {cause}")]
    Intruder { from: SocketAddr, cause: String },
    /// The port cannot be opened.
    #[error(transparent)]
    Port(#[from] NetError),
    /// The key and certificate given cannot be used.
    #[error("the key and certificate given cannot be used: {0}")]
    Unusable(TlsError),
}

impl ClientError {
    /// Whether it may be over when somebody tries again.
    pub fn is_passing(&self) -> bool {
        matches!(self, ClientError::Unreachable { .. })
    }
}

/// An authenticated stream of bytes.
pub struct Stream(End);

enum End {
    Dialing(Box<StreamOwned<ClientConnection, TcpStream>>),
    Listening(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Read for Stream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            End::Dialing(stream) => stream.read(out),
            End::Listening(stream) => stream.read(out),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            End::Dialing(stream) => stream.write(bytes),
            End::Listening(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            End::Dialing(stream) => stream.flush(),
            End::Listening(stream) => stream.flush(),
        }
    }
}

/// Connects to a party as a client whose key this is. `silence` is how long the party may keep it waiting for a byte.
///
/// # Errors
/// A party that cannot be reached, is somebody else, or does not know this client.
pub fn dial(
    hosts: &Hosts,
    party: Party,
    identity: &Identity,
    silence: Duration,
) -> Result<Stream, ClientError> {
    let (host, who) = (hosts.host(party), hosts.who(party));
    let address = host.clients.clone().ok_or_else(|| ClientError::NoAddress { who: who.clone() })?;
    let config = tls::dialing(tls::provider(), identity, host.fingerprint, ALPN);
    let config = config.map_err(ClientError::Unusable)?;
    let unreachable = |cause| ClientError::Unreachable { who: who.clone(), address: address.clone(), cause };
    let mut stream = reach(&address).map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    patience(&stream, PATIENCE).map_err(unreachable)?;
    // The name is not sent and not checked: the certificate is.
    let name = ServerName::try_from("tern.invalid").expect("a name");
    let mut session = ClientConnection::new(config, name).map_err(ClientError::Unusable)?;
    let ours = identity.fingerprint();
    let failed = |error: &io::Error| match tls_error(error) {
        Some(error) => match (tls::unknown(error), error) {
            (Some(found), _) => ClientError::WrongCertificate {
                who: who.clone(),
                address: address.clone(),
                found,
                expected: host.fingerprint,
            },
            (None, TlsError::AlertReceived(alert)) => {
                ClientError::NotAccepted { who: who.clone(), ours, alert: format!("{alert:?}") }
            }
            (None, error) => ClientError::Handshake { who: who.clone(), cause: tls::explain(error) },
        },
        None => ClientError::Unreachable {
            who: who.clone(),
            address: address.clone(),
            cause: io::Error::new(error.kind(), error.to_string()),
        },
    };
    while session.is_handshaking() {
        session.complete_io(&mut stream).map_err(|error| failed(&error))?;
    }
    let mut stream = StreamOwned::new(session, stream);
    // The other end judges this certificate last: it says a word when it has accepted it.
    let mut word = [0; 1];
    stream.read_exact(&mut word).map_err(|error| failed(&error))?;
    patience(&stream.sock, silence).map_err(|cause| failed(&cause))?;
    Ok(Stream(End::Dialing(Box::new(stream))))
}

fn reach(address: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn patience(stream: &TcpStream, time: Duration) -> io::Result<()> {
    stream.set_read_timeout(Some(time))?;
    stream.set_write_timeout(Some(time))
}

/// The error of TLS in one of a stream.
fn tls_error(error: &io::Error) -> Option<&TlsError> {
    error.get_ref()?.downcast_ref()
}

/// Where a party listens for clients.
pub struct Door {
    listeners: Vec<TcpListener>,
    config: Arc<ServerConfig>,
    hosts: Hosts,
}

impl Door {
    /// Opens the port that the hosts file gives for the clients of a party.
    ///
    /// # Errors
    /// No address, one that cannot be listened on, a key that cannot be used.
    pub fn open(hosts: &Hosts, me: Party, identity: &Identity) -> Result<Door, ClientError> {
        let who = hosts.who(me);
        let address = hosts.host(me).clients.as_deref().ok_or(ClientError::NoAddress { who })?;
        let accepted = hosts.clients.values().copied().collect();
        let config = tls::listening(tls::provider(), identity, accepted, &[ALPN]);
        let config = config.map_err(ClientError::Unusable)?;
        let Endpoint(listeners) = Endpoint::bind(address)?;
        Ok(Door { listeners, config, hosts: hosts.clone() })
    }

    /// The ports, to be waited at by a thread each.
    pub fn ports(&self) -> impl Iterator<Item = &TcpListener> {
        self.listeners.iter()
    }

    /// Finds out which client has connected; its name. `silence` is how long it may keep this party waiting for a byte.
    ///
    /// # Errors
    /// Whoever is none of the clients, or does not complete the handshake.
    pub fn admit(&self, mut stream: TcpStream, silence: Duration) -> Result<(String, Stream), ClientError> {
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let from = stream.peer_addr().unwrap_or(unknown);
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let intruder = |cause: String| ClientError::Intruder { from, cause };
        let broken = |error: io::Error| match tls_error(&error) {
            Some(error) => intruder(match tls::unknown(error) {
                Some(found) => format!("an unknown client, with the certificate {found}"),
                None => tls::explain(error),
            }),
            None => intruder(format!("it did not complete the handshake: {error}")),
        };
        stream.set_nodelay(true).map_err(broken)?;
        patience(&stream, PATIENCE).map_err(broken)?;
        let mut session = ServerConnection::new(self.config.clone()).map_err(ClientError::Unusable)?;
        let deadline = Instant::now() + PATIENCE;
        while session.is_handshaking() {
            // One that gives a byte now and then is no client.
            if Instant::now() > deadline {
                return Err(intruder("it did not complete the handshake in time".into()));
            }
            if let Err(error) = session.complete_io(&mut stream) {
                // The alert that says why.
                let _ = session.write_tls(&mut stream);
                return Err(broken(error));
            }
        }
        let found = session.peer_certificates().and_then(|all| all.first()).map(Fingerprint::of);
        let name = found.and_then(|found| self.hosts.client(found)).map(str::to_owned);
        let name = name.ok_or_else(|| intruder("it has no certificate".into()))?;
        let mut stream = StreamOwned::new(session, stream);
        stream.write_all(&[1]).and_then(|()| stream.flush()).map_err(broken)?;
        patience(&stream.sock, silence).map_err(broken)?;
        Ok((name, Stream(End::Listening(Box::new(stream)))))
    }
}
