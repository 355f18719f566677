//! The end that is dialed.
//!
//! Anybody can connect to an open port and say nothing. A guest has limited time for its handshake, and a guest that is one too many pushes out the
//! oldest: of its own address, if that has sent many, else of all.

use std::collections::VecDeque;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::{Error as TlsError, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::error::NetError;
use super::greeting::Greeting;
use super::hosts::Hosts;
use super::line::{Failure, Line, Reached, is_exhausted, why};
use super::meet::{News, PATIENCE, TICK};
use super::party::Party;
use super::proof;
use super::session::Codec;

/// The most guests at a time.
const GUESTS: usize = 256;
/// The most guests at a time from one address.
const GUESTS_OF_ONE: usize = 32;

/// Listens for the parties that dial this one.
pub(super) struct Listen {
    pub(super) hosts: Arc<Hosts>,
    pub(super) greeting: Greeting,
    pub(super) config: Arc<ServerConfig>,
}

impl Listen {
    pub(super) async fn run(self: Arc<Self>, listener: TcpListener, news: UnboundedSender<News>) {
        let mut guests = Guests::default();
        loop {
            match listener.accept().await {
                Ok((stream, from)) => {
                    guests.admit(from.ip(), self.clone().receive(stream, from, news.clone()));
                }
                Err(cause) if is_exhausted(&cause) && guests.is_empty() => {
                    // The other end of the channel is gone when nobody wants to know any more.
                    return drop(news.send(News::Broken(NetError::Exhausted { cause })));
                }
                Err(_) => {
                    guests.leave_half();
                    sleep(TICK).await;
                }
            }
        }
    }

    async fn receive(self: Arc<Self>, stream: TcpStream, from: SocketAddr, news: UnboundedSender<News>) {
        let outcome = timeout(PATIENCE, self.admit(stream)).await;
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        // The other end of the channel is gone when nobody wants to know any more.
        let _ = match outcome {
            Ok(Ok((party, reached))) => news.send(News::Found(party, reached)),
            Ok(Err((Some(party), Failure::Hosts(difference)))) => {
                let who = self.hosts.who(party);
                news.send(News::Failed(party, NetError::HostsDiffer { who, difference }))
            }
            // It only looks whether this party is here.
            Ok(Err((Some(party), Failure::Closed))) if party > self.greeting.party => return,
            Ok(Err((_, Failure::Disowned))) => return,
            Ok(Err((_, failure @ Failure::Tls(_)))) => {
                news.send(News::Refused(format!("{from}: {}", why(&failure))))
            }
            Ok(Err((_, failure))) => news.send(News::Gone(format!("{from}: {}", why(&failure)))),
            Err(_) => news.send(News::Gone(format!("{from}: it did not complete the handshake"))),
        };
    }

    /// The party that has come, or whichever it was and why it cannot stay.
    async fn admit(&self, stream: TcpStream) -> Result<(Party, Reached), (Option<Party>, Failure)> {
        let unknown = |failure| (None, failure);
        let codec = Codec::listening(self.config.clone()).map_err(|error| unknown(error.into()))?;
        let mut line = Line::new(stream, codec).map_err(unknown)?;
        line.handshake().await.map_err(unknown)?;
        let party = line.codec.peer().and_then(|peer| self.hosts.find(peer));
        let party = party.ok_or_else(|| unknown(TlsError::NoCertificatesPresented.into()))?;
        let known = |failure| (Some(party), failure);
        if line.codec.protocol() == Some(proof::NAME) {
            // The other end of a link of a process before this one.
            line.disown().await.map_err(known)?;
            return Err(known(Failure::Disowned));
        }
        let theirs = line.greet(&self.greeting).await.map_err(known)?;
        if let Some(difference) = theirs.difference(&self.hosts.who(party), &self.hosts) {
            line.leave().await;
            return Err(known(Failure::Hosts(difference)));
        }
        if party > self.greeting.party {
            line.leave().await; // this party is the one to dial
            return Err(known(Failure::Closed));
        }
        let reached = line.answer(theirs.instance).await.map_err(known)?;
        Ok((party, reached))
    }
}

/// Whoever has connected and is not a party yet, the oldest first.
#[derive(Default)]
pub(super) struct Guests {
    tasks: JoinSet<()>,
    queue: VecDeque<(IpAddr, AbortHandle)>,
}

impl Guests {
    fn is_empty(&mut self) -> bool {
        self.forget_those_who_left();
        self.queue.is_empty()
    }

    /// Lets somebody in who has come from an address, as long as `guest` takes.
    pub(super) fn admit(&mut self, address: IpAddr, guest: impl Future<Output = ()> + Send + 'static) {
        self.forget_those_who_left();
        let same = self.queue.iter().filter(|(other, _)| *other == address).count();
        let too_many = match (same >= GUESTS_OF_ONE, self.queue.len() >= GUESTS) {
            (true, _) => self.queue.iter().position(|(other, _)| *other == address),
            (false, true) => Some(0),
            (false, false) => None,
        };
        if let Some((_, guest)) = too_many.and_then(|at| self.queue.remove(at)) {
            guest.abort();
        }
        let guest = self.tasks.spawn(guest);
        self.queue.push_back((address, guest));
    }

    /// Half of them, the oldest, have to go.
    pub(super) fn leave_half(&mut self) {
        let half = self.queue.len().div_ceil(2);
        self.queue.drain(..half).for_each(|(_, guest)| guest.abort());
    }

    fn forget_those_who_left(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        self.queue.retain(|(_, guest)| !guest.is_finished());
    }
}
