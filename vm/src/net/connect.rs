//! Setting up the triangle: for a run, or to see whether it can be set up.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::time::Duration;

use super::error::{NetError, Who};
use super::frame;
use super::hosts::{Host, Hosts};
use super::identity::Identity;
use super::links::Links;
use super::meet::{Purpose, Reached, meet};
use super::model::NetworkModel;
use super::party::{Pair, Party, Side};
use super::session::Session;
use super::shape::{self, Shaped};
use super::tcp::{self, Tcp};
use super::transport::Transport;

/// How long those that are told of a failure have to read it.
const LINGER: Duration = Duration::from_secs(1);

/// What a party needs to meet the others.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// Who they are; the same at all three.
    pub hosts: &'a Hosts,
    /// Which of them this process is.
    pub me: Party,
    /// The key of this party.
    pub identity: &'a Identity,
    /// A network to simulate; the same at all three.
    pub network: Option<NetworkModel>,
}

/// A port on which a party listens.
#[derive(Debug)]
pub struct Endpoint(pub(super) TcpListener);

/// The state of a set-up that is not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Who is missing.
    pub missing: Vec<Who>,
    /// How much longer it waits.
    pub left: Duration,
    /// The last connection that was turned away, and why.
    pub refused: Option<String>,
}

/// Whether a party can be reached, as seen from this one.
#[derive(Debug)]
pub struct Reach {
    /// The party.
    pub who: Who,
    /// Its address in the hosts file.
    pub address: String,
    /// How long a round trip takes, or why there is none.
    pub rtt: Result<Duration, NetError>,
}

/// Meets the other parties for a run, and listens on the address that the hosts file gives for this one if a party is to dial it.
///
/// `progress` is called several times per second as long as somebody is missing.
///
/// # Errors
/// Whoever is missing when time is up; a party that is not who it should be; a port that cannot be used; a failure that a party
/// reports meanwhile. Those that are there are told.
pub fn connect(setup: Setup, progress: &mut dyn FnMut(&Waiting)) -> Result<Links, NetError> {
    connect_at(setup, setup.endpoint()?, progress)
}

/// [`connect`] with a port that is already open; party 0 needs none.
///
/// # Errors
/// As [`connect`].
pub fn connect_at(
    setup: Setup,
    endpoint: Option<Endpoint>,
    progress: &mut dyn FnMut(&Waiting),
) -> Result<Links, NetError> {
    let outcome = meet(setup, Purpose::Run, endpoint, progress)?.outcome(setup);
    let sessions = match outcome {
        Pair { next: Ok(next), prev: Ok(prev) } => Pair::new(next.session, prev.session),
        Pair { next: Err(error), prev: Ok(there) } | Pair { next: Ok(there), prev: Err(error) } => {
            tell(setup, &error, there.session);
            return Err(error);
        }
        Pair { next: Err(one), prev: Err(other) } => return Err(the_more_certain(one, other)),
    };
    let transport: Box<dyn Transport> = match setup.network {
        Some(model) => Box::new(Shaped::new(Tcp::new(sessions), model)),
        None => Box::new(Tcp::new(sessions)),
    };
    let who = Pair::from_fn(|side| setup.who(side));
    Ok(Links::new(setup.me, who, transport, setup.hosts.timeouts.stall))
}

/// Tries to meet the other parties, which do the same at the same time, and says for each whether it can be reached, is who it should be, and how
/// far away it is.
///
/// # Errors
/// Only what keeps this party from trying: a port in use, a key that is not the one in the hosts file.
pub fn ping(setup: Setup, progress: &mut dyn FnMut(&Waiting)) -> Result<[Reach; 2], NetError> {
    let outcome = meet(setup, Purpose::Ping, setup.endpoint()?, progress)?.outcome(setup);
    let reach = |side, outcome: Result<Reached, NetError>| Reach {
        who: setup.who(side),
        address: setup.host(side).address.clone(),
        rtt: outcome.map(|mut reached| {
            tcp::close([&mut reached.session], LINGER);
            reached.rtt
        }),
    };
    Ok([reach(Side::Next, outcome.next), reach(Side::Prev, outcome.prev)])
}

impl Setup<'_> {
    /// How messages name a neighbour.
    pub(super) fn who(&self, side: Side) -> Who {
        self.hosts.who(self.me.at(side))
    }

    /// The entry of a neighbour in the hosts file.
    pub(super) fn host(&self, side: Side) -> &Host {
        self.hosts.host(self.me.at(side))
    }

    /// Fails unless the key is the one that the hosts file lists for this party.
    pub(super) fn check_identity(&self) -> Result<(), NetError> {
        let (given, listed) = (self.identity.fingerprint(), self.hosts.host(self.me).fingerprint);
        if given == listed {
            return Ok(());
        }
        Err(NetError::NotOurs { who: self.hosts.who(self.me), given, listed })
    }

    /// The port on which this party is dialed. Nobody dials party 0.
    fn endpoint(&self) -> Result<Option<Endpoint>, NetError> {
        match self.me {
            Party::P0 => Ok(None),
            Party::P1 | Party::P2 => Endpoint::bind(&self.hosts.host(self.me).address).map(Some),
        }
    }
}

impl Endpoint {
    /// Listens on `host:port`; port 0 is any free one. If the address is not one of this machine, because a router forwards it, it listens on
    /// that port of all addresses of the machine.
    ///
    /// # Errors
    /// [`NetError::PortInUse`] and [`NetError::Listen`].
    pub fn bind(address: &str) -> Result<Self, NetError> {
        let bound = TcpListener::bind(address).or_else(|error| match error.kind() {
            io::ErrorKind::AddrNotAvailable => {
                let port = address.to_socket_addrs()?.next().map_or(0, |address| address.port());
                TcpListener::bind(("0.0.0.0", port))
            }
            _ => Err(error),
        });
        bound.map(Self).map_err(|cause| match cause.kind() {
            io::ErrorKind::AddrInUse => NetError::PortInUse { address: address.to_owned() },
            _ => NetError::Listen { address: address.to_owned(), cause },
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn address(&self) -> Result<SocketAddr, NetError> {
        let address = self.0.local_addr();
        address.map_err(|cause| NetError::System { what: "the address of a port is not known", cause })
    }
}

/// Tells the neighbour that is there why the set-up has failed.
fn tell(setup: Setup, error: &NetError, mut session: Session) {
    let frame = match error {
        NetError::Aborted { origin, reason, .. } => frame::abort(origin.party, None, reason),
        error => frame::abort(setup.me, None, &error.to_string()),
    };
    let told = match setup.network {
        // The neighbour may already expect the bytes of the simulated network.
        Some(_) => session.write(&shape::stamp(&frame)).and_then(|()| session.write(&frame)),
        None => session.write(&frame),
    };
    // If it cannot be told, it is gone as well.
    if told.is_ok() {
        tcp::close([&mut session], LINGER);
    }
}

/// That time was up says less than any other error.
fn the_more_certain(one: NetError, other: NetError) -> NetError {
    match one {
        NetError::Unreachable { .. } | NetError::NeverCame { .. } => other,
        one => one,
    }
}
