//! The end that dials.
//!
//! A name can stand for several addresses, of which some lead nowhere from here: they are tried beside each other, each a little later than the one
//! before, and the first that answers is taken. From a network without IPv4, an IPv4 address is reached through the network's translator (NAT64),
//! whose prefix the name `ipv4only.arpa` gives away (RFC 7050).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, Error as TlsError};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::error::{NetError, Who};
use super::greeting::Greeting;
use super::hosts::Hosts;
use super::line::{Failure, Line, Reached, explain, is_exhausted};
use super::meet::{News, PATIENCE, TICK};
use super::party::Party;
use super::session::Codec;
use super::tls;

/// Between the beginnings of attempts at two addresses of one name.
const STAGGER: Duration = Duration::from_millis(250);
/// The addresses behind `ipv4only.arpa`.
const WELL_KNOWN: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 0, 170), Ipv4Addr::new(192, 0, 0, 171)];

/// Dials one party.
pub(super) struct Dial {
    pub(super) party: Party,
    pub(super) hosts: Arc<Hosts>,
    pub(super) greeting: Greeting,
    pub(super) config: Arc<ClientConfig>,
}

impl Dial {
    /// Until the party is there, or it is of no use to try again.
    pub(super) async fn run(self: Arc<Self>, news: UnboundedSender<News>) {
        loop {
            let attempt = timeout(PATIENCE, self.attempt()).await;
            let attempt = attempt.unwrap_or_else(|_| {
                let silent = "what answers there says nothing";
                Err(io::Error::new(io::ErrorKind::TimedOut, silent).into())
            });
            // The other end of the channel is gone when nobody wants to know any more.
            let _ = match attempt {
                Ok(reached) => return drop(news.send(News::Found(self.party, reached))),
                Err(failure) => match self.judge(failure) {
                    Ok(cause) => news.send(News::Again(self.party, cause)),
                    Err(error) => return drop(news.send(News::Failed(self.party, error))),
                },
            };
            sleep(TICK).await;
        }
    }

    /// Once, to a party that is to dial this one: whether it listens, and why it does not dial.
    pub(super) async fn probe(self: Arc<Self>, news: UnboundedSender<News>) {
        let told = match timeout(PATIENCE, self.attempt()).await {
            Ok(Err(Failure::Hosts(difference))) => {
                News::Failed(self.party, NetError::HostsDiffer { who: self.who(), difference })
            }
            // It is the one that ends a connection in the wrong direction.
            Ok(Err(Failure::Closed)) => {
                let hint =
                    "it is there, and does not find this party: which address has its hosts file for it?";
                News::Again(self.party, hint.to_owned())
            }
            Ok(Ok(_) | Err(_)) | Err(_) => return,
        };
        // The other end of the channel is gone when nobody wants to know any more.
        let _ = news.send(told);
    }

    fn who(&self) -> Who {
        self.hosts.who(self.party)
    }

    async fn attempt(&self) -> Result<Reached, Failure> {
        let stream = open(&self.hosts.host(self.party).address).await?;
        let mut line = Line::new(stream, Codec::dialing(self.config.clone())?)?;
        line.handshake().await?;
        let theirs = line.greet(&self.greeting).await?;
        if let Some(difference) = theirs.difference(&self.who(), &self.hosts) {
            line.leave().await;
            return Err(Failure::Hosts(difference));
        }
        line.call(theirs.instance).await
    }

    /// The cause, if another attempt may succeed; else the error.
    fn judge(&self, failure: Failure) -> Result<String, NetError> {
        let who = self.who();
        let address = self.hosts.host(self.party).address.clone();
        let error = match failure {
            Failure::Io(cause) if is_exhausted(&cause) => return Err(NetError::Exhausted { cause }),
            Failure::Io(error) => return Ok(error.to_string()),
            Failure::Closed => return Ok("it closed the connection during the handshake".to_owned()),
            failure @ Failure::Disowned => return Ok(failure.to_string()),
            Failure::Hosts(difference) => return Err(NetError::HostsDiffer { who, difference }),
            Failure::Tls(error) => error,
        };
        Err(match (tls::unknown(&error), error) {
            (Some(found), _) => {
                let expected = self.hosts.host(self.party).fingerprint;
                let owner = self.hosts.find(found).map(|party| Box::new(self.hosts.who(party)));
                NetError::WrongCertificate { who, address, found, expected, owner }
            }
            (None, error) if tls::is_not_tls(&error) => NetError::NotTls { who, address },
            (None, TlsError::InvalidCertificate(error)) => {
                NetError::BadCertificate { who, cause: error.to_string() }
            }
            (None, TlsError::AlertReceived(alert)) => NetError::TurnedAway { who, alert: explain(alert) },
            (None, error) => NetError::Handshake { who, cause: tls::explain(&error) },
        })
    }
}

/// Connects to `host:port`.
pub(super) async fn open(address: &str) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = lookup_host(address).await?.collect();
    let error = match first_of(&addresses).await {
        Ok(stream) => return Ok(stream),
        Err(error) => error,
    };
    let no_route = matches!(error.kind(), io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable);
    if no_route {
        let translated = translated(&addresses).await;
        if !translated.is_empty() {
            return first_of(&translated).await;
        }
    }
    Err(error)
}

/// The first connection that comes about; else the error of the last address.
async fn first_of(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut attempts = JoinSet::new();
    for (place, &address) in addresses.iter().enumerate() {
        attempts.spawn(async move {
            sleep(STAGGER * place as u32).await;
            TcpStream::connect(address).await
        });
    }
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    while let Some(attempt) = attempts.join_next().await {
        match attempt {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(error) => last = io::Error::other(error),
        }
    }
    Err(last)
}

/// How a translator between IPv6 and IPv4 calls these addresses, if this network has one.
async fn translated(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let Ok(examples) = lookup_host(("ipv4only.arpa", 0)).await else { return Vec::new() };
    let examples: Vec<Ipv6Addr> = examples
        .filter_map(|example| match example.ip() {
            IpAddr::V6(example) => Some(example),
            IpAddr::V4(_) => None,
        })
        .collect();
    let plain = addresses.iter().filter_map(|address| match address.ip().to_canonical() {
        IpAddr::V4(v4) => Some((v4, address.port())),
        IpAddr::V6(_) => None,
    });
    let synthesize = |(v4, port)| {
        let through = examples.iter().filter_map(move |example| embed(*example, v4));
        through.map(move |v6| SocketAddr::from((v6, port)))
    };
    plain.flat_map(synthesize).collect()
}

/// `v4` in the place in which `example` has an address that is well known (RFC 6052, section 2.2): after a prefix of 96, 64, 56, 48, 40 or 32
/// bits, leaving out byte 8.
fn embed(example: Ipv6Addr, v4: Ipv4Addr) -> Option<Ipv6Addr> {
    const PLACES: [[usize; 4]; 6] =
        [[12, 13, 14, 15], [9, 10, 11, 12], [7, 9, 10, 11], [6, 7, 9, 10], [5, 6, 7, 9], [4, 5, 6, 7]];
    let mut bytes = example.octets();
    let known = |places: &&[usize; 4]| WELL_KNOWN.contains(&Ipv4Addr::from(places.map(|place| bytes[place])));
    let places = PLACES.iter().find(known)?;
    for (place, byte) in places.iter().zip(v4.octets()) {
        bytes[*place] = byte;
    }
    Some(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 6052, section 2.4, for 192.0.2.33.
    #[test]
    fn a_translators_prefix_of_any_length() {
        let cases = [
            ("2001:db8:c000:aa::", "2001:db8:c000:221::"),
            ("2001:db8:1c0:0:aa::", "2001:db8:1c0:2:21::"),
            ("2001:db8:122:c000:0:aa00::", "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:3c0:0:aa::", "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344:c0:0:aa00::", "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::192.0.0.170", "2001:db8:122:344::192.0.2.33"),
            ("64:ff9b::192.0.0.171", "64:ff9b::192.0.2.33"),
        ];
        for (example, expected) in cases {
            let example = example.parse().unwrap();
            assert_eq!(
                embed(example, Ipv4Addr::new(192, 0, 2, 33)),
                Some(expected.parse().unwrap()),
                "{example}"
            );
        }
        assert_eq!(embed("2001:db8::1".parse().unwrap(), Ipv4Addr::LOCALHOST), None);
    }

    /// An address that swallows what is sent to it does not keep the party from being reached at another.
    #[test]
    fn one_dead_address_among_several() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let alive = listener.local_addr().unwrap();
        let dead = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 7000));
        let begun = std::time::Instant::now();
        let stream = runtime.block_on(first_of(&[dead, alive])).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), alive);
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}
