//! Setting up the links: for a run, or to see whether it can be set up.

use std::time::Duration;

use super::again::Again;
use super::endpoint::Endpoint;
use super::error::{NetError, Who};
use super::hosts::{Host, Hosts};
use super::identity::Identity;
use super::line::Reached;
use super::link::{Link, Patience};
use super::links::Links;
use super::meet::{Purpose, meet};
use super::model::NetworkModel;
use super::party::{Party, Peers};
use super::shape::Shaped;
use super::tcp::{self, Tcp};
use super::transport::Transport;

/// How long those that are told of a failure have to read it.
const LINGER: Duration = Duration::from_secs(1);

/// Without a sign of life for so long, or half of the time-out, a connection is taken for dead and replaced.
const QUIET: Duration = Duration::from_secs(10);

/// What a party needs to meet the others.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// Who they are; the same at all of them.
    pub hosts: &'a Hosts,
    /// Which of them this process is.
    pub me: Party,
    /// The key of this party.
    pub identity: &'a Identity,
    /// A network to simulate; the same at all of them.
    pub network: Option<NetworkModel>,
}

/// The state of a set-up that is not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Who is missing.
    pub missing: Vec<Who>,
    /// How much longer it waits.
    pub left: Duration,
    /// The last connection that was turned away, and why.
    pub refused: Option<String>,
    /// What keeps the parties apart, as far as this one can see.
    pub trouble: Vec<String>,
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
    // The port stays open: whoever has lost its connection dials it again, or sees that this process is still there. That alone is no reason to fail.
    let open = match &endpoint {
        Some(endpoint) => Some(endpoint.again()?),
        None => Endpoint::bind(&setup.host(setup.me).address).ok(),
    };
    let sessions = meet(setup, Purpose::Run, endpoint, progress)?.sessions()?;
    let again = Again::start(setup, open, sessions.as_ref().map(|_, (_, secret)| secret.clone()))?;
    let links = sessions
        .map(|party, (session, secret)| Link::new(setup.who(party), party > setup.me, session, secret));
    let timeouts = setup.hosts.timeouts;
    let (quiet, insists) = ((timeouts.stall / 2).min(QUIET), timeouts.link.is_some());
    let patience = Patience { link: timeouts.link(), quiet, insists };
    let tcp = Tcp::new(links, again, patience);
    let transport: Box<dyn Transport> = match setup.network {
        Some(model) => Box::new(Shaped::new(tcp, model)),
        None => Box::new(tcp),
    };
    let who = Peers::new(setup.me, setup.hosts.count(), |party| setup.who(party));
    Ok(Links::new(setup.me, who, transport, setup.hosts.timeouts.stall))
}

/// Tries to meet the other parties, which do the same at the same time, and says for each whether it can be reached, is who it should be, and how
/// far away it is.
///
/// # Errors
/// Only what keeps this party from trying: a port in use, a key that is not the one in the hosts file.
pub fn ping(setup: Setup, progress: &mut dyn FnMut(&Waiting)) -> Result<Vec<Reach>, NetError> {
    let outcome = meet(setup, Purpose::Ping, setup.endpoint()?, progress)?.outcome();
    let reach = |(party, outcome): (Party, Result<Reached, NetError>)| Reach {
        who: setup.who(party),
        address: setup.host(party).address.clone(),
        rtt: outcome.map(|mut reached| {
            tcp::close([&mut reached.session], LINGER);
            reached.rtt
        }),
    };
    Ok(outcome.into_values().map(reach).collect())
}

impl Setup<'_> {
    /// The other parties.
    pub(super) fn others(&self) -> impl Iterator<Item = Party> + use<> {
        let me = self.me;
        Party::all(self.hosts.count()).filter(move |party| *party != me)
    }

    /// How messages name a party.
    pub(super) fn who(&self, party: Party) -> Who {
        self.hosts.who(party)
    }

    /// The entry of a party in the hosts file.
    pub(super) fn host(&self, party: Party) -> &Host {
        self.hosts.host(party)
    }

    /// Fails unless the key is the one that the hosts file lists for this party.
    pub(super) fn check_identity(&self) -> Result<(), NetError> {
        let (given, listed) = (self.identity.fingerprint(), self.hosts.host(self.me).fingerprint);
        if given == listed {
            return Ok(());
        }
        let owner = self.hosts.find(given).map(|party| Box::new(self.hosts.who(party)));
        Err(NetError::NotOurs { who: self.hosts.who(self.me), given, listed, owner })
    }

    /// The port on which this party is dialed. Nobody dials party 0.
    fn endpoint(&self) -> Result<Option<Endpoint>, NetError> {
        match self.me {
            Party::P0 => Ok(None),
            _ => Endpoint::bind(&self.hosts.host(self.me).address).map(Some),
        }
    }
}
