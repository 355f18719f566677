//! Three parties that start in any order find each other.
//!
//! Of two parties the one with the lower index dials and the other listens, so party 0 needs no open port. Whoever dials tries again until the
//! other end answers or time is up; whoever listens turns strangers away and goes on waiting, and remembers why, for the error if the
//! party never comes. A handshake is followed by a few echoes: they tell the dialing end that it was accepted, and both ends how long
//! a round trip takes.
//!
//! This is the only place with concurrent tasks (tokio, on the caller's thread). The sessions then go to the engine's thread and stay there.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{AlertDescription, ClientConfig, Error as TlsError, ServerConfig};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::connect::{Endpoint, Setup, Waiting};
use super::error::{NetError, Who};
use super::frame::{self, Frame, HEADER};
use super::hosts::Host;
use super::identity::Fingerprint;
use super::party::{Pair, Party, Side};
use super::session::{Codec, Session};
use super::shape;
use super::tls;
use super::transport::Read;

/// Between two attempts to reach a party, and between two reports of who is missing.
const TICK: Duration = Duration::from_millis(100);
/// Echoes after a handshake.
const TRIPS: u64 = 3;
/// How long a stranger may take for a handshake.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long whoever is turned away has to read why, and how long a party whose set-up has failed stays: one that knows why, to tell those who come
/// a little later; one that only knows that time is up, to hear the reason from a neighbour that knows more.
const LINGER: Duration = Duration::from_secs(1);

/// What the parties meet for. Those who meet for different purposes turn each other away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A run: the first failure ends it, shortly afterwards.
    Run,
    /// To see who can be reached: each of the others is waited for.
    Ping,
}

/// What is known of both neighbours.
pub(super) struct Meeting {
    peers: Pair<Peer>,
    begun: Instant,
    /// When the first neighbour turned out to be of no use.
    failed: Option<Duration>,
    refused: Option<String>,
}

/// What is known of a neighbour.
enum Peer {
    /// It is there.
    Found(Reached),
    /// It is not, and for dialing ends, why the last attempt failed.
    Missing(Option<String>),
    /// There is no use in waiting for it.
    Failed(NetError),
}

/// A neighbour that is there.
pub(super) struct Reached {
    pub(super) session: Session,
    /// The fastest of a few round trips.
    pub(super) rtt: Duration,
}

/// Meets the neighbours, until both are settled or time is up; in a run, also until shortly after one has failed.
pub(super) fn meet(
    setup: Setup,
    purpose: Purpose,
    endpoint: Option<Endpoint>,
    progress: &mut dyn FnMut(&Waiting),
) -> Result<Meeting, NetError> {
    setup.check_identity()?;
    let system = |what| move |cause| NetError::System { what, cause };
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(system("no event loop for the set-up"))?;
    let mut meeting = Meeting {
        peers: Pair::new(Peer::Missing(None), Peer::Missing(None)),
        begun: Instant::now(),
        failed: None,
        refused: None,
    };
    let result = runtime.block_on(async {
        let (news, mut incoming) = unbounded_channel();
        let mut tasks = JoinSet::new();
        start(setup, purpose, endpoint, &news, &mut tasks)?;
        while !meeting.is_settled() && meeting.begun.elapsed() < meeting.patience(setup, purpose) {
            progress(&meeting.waiting(setup));
            if let Ok(Some(news)) = timeout(TICK, incoming.recv()).await {
                meeting.note(setup.me, news);
            }
            if purpose == Purpose::Run {
                meeting.look_after(setup);
            }
        }
        Ok(())
    });
    // A look-up of a name may still be under way; nobody waits for it.
    runtime.shutdown_background();
    result.map(|()| meeting)
}

/// What the tasks report.
enum News {
    /// A party is there.
    Found(Party, Reached),
    /// An attempt to dial a party failed, and will be repeated.
    Again(Party, String),
    /// There is no use in dialing a party.
    Failed(Party, NetError),
    /// Somebody was turned away.
    Refused(String),
    /// Somebody went away.
    Gone(String),
}

impl Meeting {
    /// Both neighbours, or why they are not there.
    pub(super) fn outcome(self, setup: Setup) -> Pair<Result<Reached, NetError>> {
        let waited = self.begun.elapsed();
        let Pair { next, prev } = self.peers;
        let outcome = |side, peer| match (setup.who(side), peer) {
            (_, Peer::Found(reached)) => Ok(reached),
            (_, Peer::Failed(error)) => Err(error),
            (who, Peer::Missing(_)) if who.party < setup.me => {
                Err(NetError::NeverCame { who, waited, refused: self.refused.clone() })
            }
            (who, Peer::Missing(cause)) => {
                let cause = cause.unwrap_or_else(|| "no answer".to_owned());
                let address = setup.host(side).address.clone();
                Err(NetError::Unreachable { who, address, cause, waited })
            }
        };
        Pair::new(outcome(Side::Next, next), outcome(Side::Prev, prev))
    }

    fn is_settled(&self) -> bool {
        Side::BOTH.iter().all(|&side| !matches!(self.peers[side], Peer::Missing(_)))
    }

    /// How long after the beginning it is worth waiting for whoever is missing.
    fn patience(&self, setup: Setup, purpose: Purpose) -> Duration {
        let connect = setup.hosts.timeouts.connect;
        let somebody_is_there = Side::BOTH.iter().any(|&side| matches!(self.peers[side], Peer::Found(_)));
        match (purpose, self.failed) {
            (Purpose::Run, Some(failed)) => failed + LINGER,
            (Purpose::Run, None) if somebody_is_there && self.refused.is_none() => connect + LINGER,
            _ => connect,
        }
    }

    fn settle(&mut self, side: Side, peer: Peer) {
        if let Peer::Failed(_) = peer {
            self.failed.get_or_insert(self.begun.elapsed());
        }
        self.peers[side] = peer;
    }

    fn waiting(&self, setup: Setup) -> Waiting {
        let missing = Side::BOTH.into_iter().filter(|&side| matches!(self.peers[side], Peer::Missing(_)));
        Waiting {
            missing: missing.map(|side| setup.who(side)).collect(),
            left: setup.hosts.timeouts.connect.saturating_sub(self.begun.elapsed()),
            refused: self.refused.clone(),
        }
    }

    fn note(&mut self, me: Party, news: News) {
        let (party, peer) = match news {
            News::Found(party, reached) => (party, Peer::Found(reached)),
            News::Again(party, cause) => (party, Peer::Missing(Some(cause))),
            News::Failed(party, error) => (party, Peer::Failed(error)),
            News::Refused(why) => {
                self.refused = Some(why);
                return;
            }
            News::Gone(why) => {
                self.refused.get_or_insert(why);
                return;
            }
        };
        // A party that connects twice keeps its first connection.
        let side = me.side_of(party);
        if let Some(side) = side.filter(|&side| matches!(self.peers[side], Peer::Missing(_))) {
            self.settle(side, peer);
        }
    }

    /// Looks whether a neighbour that is there has failed while this party waits for the other.
    fn look_after(&mut self, setup: Setup) {
        for side in Side::BOTH {
            let Peer::Found(reached) = &mut self.peers[side] else { continue };
            let who = setup.who(side);
            let failure = match reached.session.look_ahead() {
                Ok((bytes, gone)) => {
                    let abort = match setup.network {
                        Some(_) => frame::find_abort(&shape::without_stamps(bytes)),
                        None => frame::find_abort(bytes),
                    };
                    match abort {
                        Some((origin, reason)) => {
                            Some(NetError::Aborted { who, origin: setup.hosts.who(origin), reason })
                        }
                        None if gone => {
                            Some(NetError::Died { who, cause: "it went away during the set-up".into() })
                        }
                        None => None,
                    }
                }
                Err(error) => Some(NetError::Died { who, cause: error.to_string() }),
            };
            if let Some(error) = failure {
                self.settle(side, Peer::Failed(error));
            }
        }
    }
}

/// Starts one task per party to dial, and one that listens for the others.
fn start(
    setup: Setup,
    purpose: Purpose,
    endpoint: Option<Endpoint>,
    news: &UnboundedSender<News>,
    tasks: &mut JoinSet<()>,
) -> Result<(), NetError> {
    let network = setup.network.map_or(String::new(), |model| model.to_string());
    let protocol = match purpose {
        Purpose::Run => format!("tern/1 run {network}"),
        Purpose::Ping => format!("tern/1 ping {network}"),
    };
    let (lower, higher): (Vec<_>, Vec<_>) =
        [setup.me.next(), setup.me.prev()].into_iter().partition(|&party| party < setup.me);
    for party in higher {
        let host = setup.hosts.host(party).clone();
        let config = tls::dialing(tls::provider(), setup.identity, host.fingerprint, protocol.as_bytes());
        let dial = Dial { who: setup.hosts.who(party), host, config: config.map_err(NetError::Unusable)? };
        tasks.spawn(dial.run(news.clone()));
    }
    if let Some(Endpoint(listener)) = endpoint {
        let listener = listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener));
        let listener = listener.map_err(|cause| NetError::System { what: "cannot listen", cause })?;
        let expected: Vec<_> =
            lower.into_iter().map(|party| (setup.hosts.host(party).fingerprint, party)).collect();
        let accepted = expected.iter().map(|(fingerprint, _)| *fingerprint).collect();
        let config = tls::listening(tls::provider(), setup.identity, accepted, protocol.as_bytes());
        let listen = Listen { expected, config: config.map_err(NetError::Unusable)? };
        tasks.spawn(Arc::new(listen).run(listener, news.clone()));
    }
    Ok(())
}

/// Dials one party.
struct Dial {
    who: Who,
    host: Host,
    config: Arc<ClientConfig>,
}

impl Dial {
    async fn run(self, news: UnboundedSender<News>) {
        let party = self.who.party;
        loop {
            // The other end of the channel is gone when nobody wants to know any more.
            let _ = match self.attempt().await {
                Ok(reached) => return drop(news.send(News::Found(party, reached))),
                Err(failure) => match self.judge(failure) {
                    Ok(cause) => news.send(News::Again(party, cause)),
                    Err(error) => return drop(news.send(News::Failed(party, error))),
                },
            };
            sleep(TICK).await;
        }
    }

    async fn attempt(&self) -> Result<Reached, Failure> {
        let stream = TcpStream::connect(&self.host.address).await?;
        let mut line = Line::new(stream, Codec::dialing(self.config.clone())?)?;
        line.handshake().await?;
        let mut rtt = Duration::MAX;
        for trip in 0..TRIPS {
            let sent = Instant::now();
            line.send(trip).await?;
            line.expect(trip).await?;
            rtt = rtt.min(sent.elapsed());
        }
        line.send(TRIPS).await?;
        line.reached(rtt)
    }

    /// The cause, if another attempt may succeed; else the error.
    fn judge(&self, failure: Failure) -> Result<String, NetError> {
        let (who, address) = (self.who.clone(), self.host.address.clone());
        let error = match failure {
            Failure::Io(error) => return Ok(error.to_string()),
            Failure::Closed => return Ok("it closed the connection during the handshake".to_owned()),
            Failure::Tls(error) => error,
        };
        Err(match (tls::unknown(&error), error) {
            (Some(found), _) => {
                NetError::WrongCertificate { who, address, found, expected: self.host.fingerprint }
            }
            (None, error) if tls::is_not_tls(&error) => NetError::NotTls { who, address },
            (None, TlsError::InvalidCertificate(error)) => {
                NetError::BadCertificate { who, cause: error.to_string() }
            }
            (None, TlsError::AlertReceived(alert)) => NetError::TurnedAway { who, alert: explain(alert) },
            (None, error) => NetError::Handshake { who, cause: error.to_string() },
        })
    }
}

/// Listens for the parties that dial this one.
struct Listen {
    expected: Vec<(Fingerprint, Party)>,
    config: Arc<ServerConfig>,
}

impl Listen {
    async fn run(self: Arc<Self>, listener: TcpListener, news: UnboundedSender<News>) {
        let mut guests = JoinSet::new();
        loop {
            match listener.accept().await {
                Ok((stream, from)) => {
                    guests.spawn(self.clone().receive(stream, from, news.clone()));
                }
                // Such as too many open files: it may pass.
                Err(_) => sleep(TICK).await,
            }
            while guests.try_join_next().is_some() {}
        }
    }

    async fn receive(self: Arc<Self>, stream: TcpStream, from: SocketAddr, news: UnboundedSender<News>) {
        let outcome = timeout(PATIENCE, self.admit(stream)).await;
        // The other end of the channel is gone when nobody wants to know any more.
        let _ = match outcome {
            Ok(Ok((party, reached))) => news.send(News::Found(party, reached)),
            Ok(Err(failure @ Failure::Tls(_))) => {
                news.send(News::Refused(format!("{from}: {}", why(failure))))
            }
            Ok(Err(failure)) => news.send(News::Gone(format!("{from}: {}", why(failure)))),
            Err(_) => news.send(News::Gone(format!("{from}: it did not complete the handshake"))),
        };
    }

    async fn admit(&self, stream: TcpStream) -> Result<(Party, Reached), Failure> {
        let mut line = Line::new(stream, Codec::listening(self.config.clone())?)?;
        line.handshake().await?;
        let peer = line.codec.peer();
        let party = self.expected.iter().find(|(fingerprint, _)| Some(*fingerprint) == peer);
        let party = party.ok_or(TlsError::NoCertificatesPresented)?.1;
        let mut rtt = Duration::MAX;
        line.expect(0).await?;
        for trip in 0..TRIPS {
            let sent = Instant::now();
            line.send(trip).await?;
            line.expect(trip + 1).await?;
            rtt = rtt.min(sent.elapsed());
        }
        Ok((party, line.reached(rtt)?))
    }
}

/// Why a handshake or what follows it failed.
#[derive(Debug, Error)]
enum Failure {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("closed")]
    Closed,
}

/// A connection on which the set-up waits for bytes.
struct Line {
    stream: TcpStream,
    codec: Codec,
}

impl Line {
    fn new(stream: TcpStream, codec: Codec) -> Result<Self, Failure> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, codec })
    }

    async fn handshake(&mut self) -> Result<(), Failure> {
        loop {
            let done = self.codec.handshake();
            let flushed = self.flush().await;
            match done {
                Ok(true) => return flushed,
                Ok(false) => {}
                Err(error) => {
                    self.leave().await;
                    return Err(error.into());
                }
            }
            flushed?;
            self.fetch().await?;
        }
    }

    async fn send(&mut self, trip: u64) -> Result<(), Failure> {
        self.codec.seal(&Frame::Hello { trip }.encode())?;
        // If the other end is gone, what it said before is read next and is the better error.
        let _ = self.flush().await;
        Ok(())
    }

    async fn expect(&mut self, trip: u64) -> Result<(), Failure> {
        let (mut bytes, mut have) = ([0; HEADER], 0);
        while have < HEADER {
            match self.codec.open(&mut bytes[have..])? {
                Read::Bytes(count) => have += count,
                Read::Later => self.fetch().await?,
                Read::End => return Err(Failure::Closed),
            }
        }
        match Frame::decode(&bytes) {
            Ok(Frame::Hello { trip: got }) if got == trip => Ok(()),
            Ok(_) | Err(_) => Err(TlsError::General("not the echo that was expected".to_owned()).into()),
        }
    }

    fn reached(self, rtt: Duration) -> Result<Reached, Failure> {
        let socket = self.stream.into_std()?;
        Ok(Reached { session: Session::new(socket, self.codec), rtt })
    }

    async fn fetch(&mut self) -> Result<(), Failure> {
        let count = self.stream.read(self.codec.incoming.space(16 << 10)).await?;
        self.codec.incoming.commit(count);
        if count == 0 { Err(Failure::Closed) } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        let outgoing = &mut self.codec.outgoing;
        let written = self.stream.write_all(outgoing.filled()).await;
        outgoing.consume(outgoing.filled().len());
        Ok(written?)
    }

    /// Gives the other end time to read an alert before the connection is closed, which may discard it.
    async fn leave(&mut self) {
        let _ = timeout(LINGER, async {
            self.stream.shutdown().await?;
            let mut scrap = [0; 1 << 10];
            while self.stream.read(&mut scrap).await? > 0 {}
            io::Result::Ok(())
        })
        .await;
    }
}

/// Why somebody was turned away.
fn why(failure: Failure) -> String {
    match failure {
        Failure::Tls(error) if tls::is_not_tls(&error) => "it does not speak TLS".to_owned(),
        Failure::Tls(TlsError::AlertReceived(alert)) => format!("it turned us away: {}", explain(alert)),
        Failure::Tls(error) => match tls::unknown(&error) {
            Some(found) => format!("its certificate {found} is not one of those expected here"),
            None => error.to_string(),
        },
        Failure::Closed => "it closed the connection during the handshake".to_owned(),
        Failure::Io(error) => error.to_string(),
    }
}

/// An alert in words that help.
fn explain(alert: AlertDescription) -> String {
    let text = match alert {
        AlertDescription::CertificateUnknown => "it expects another certificate; compare the hosts files",
        AlertDescription::CertificateExpired => "our certificate is not valid at this time",
        AlertDescription::NoApplicationProtocol => {
            "it runs another command or version of tern, or simulates another network"
        }
        _ => return format!("{alert:?}"),
    };
    text.to_owned()
}
