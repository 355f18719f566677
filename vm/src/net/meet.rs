//! Parties that start in any order find each other.
//!
//! Of two parties the one with the lower index dials and the other listens, so party 0 needs no open port. Whoever dials tries again until the
//! other end answers or time is up; whoever listens turns strangers away and goes on waiting, and remembers why, for the error if the
//! party never comes. A handshake is followed by greetings ([`greeting`](super::greeting)) and a few echoes, which tell both ends how long
//! a round trip takes.
//!
//! **One process per party.** A party may be running twice by mistake. Each process has a number of its own, and a run begins when all
//! have met the same processes: everybody tells everybody which processes of the others it has met. A second process of a
//! party that is there already is turned away, and keeps trying. If the others have met different ones, that of the party with the lower
//! index stays. So the process that came second waits in vain and says why, and the run of the others does not notice.
//!
//! A party that does not come, and should dial, is looked for at its own address: if it listens there, its hosts file has another order, or
//! another address for this party.
//!
//! A connection that ends before that is no failure either: the process may be started again. What fails the set-up at once is what waiting does not
//! cure, such as a wrong certificate, and whatever a neighbour reports.
//!
//! This is the only place with concurrent tasks (tokio, on the caller's thread). The sessions then go to the engine's thread and stay there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::connect::{Setup, Waiting};
use super::dial::Dial;
use super::endpoint::Endpoint;
use super::error::NetError;
use super::frame::{self, Frame, HEADER, Report};
use super::greeting::Greeting;
use super::hosts::Hosts;
use super::line::Reached;
use super::listen::Listen;
use super::model::NetworkModel;
use super::party::{Party, Peers};
use super::proof::{self, Secret};
use super::session::Session;
use super::shape;
use super::tcp;
use super::tls;

/// Between two attempts to reach a party, and between two reports of who is missing.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// How long a connection may take to become a party.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at neighbours that are there.
const LOOK: Duration = Duration::from_millis(5);
/// How long a party whose set-up has failed stays: one that knows why, to tell those who come
/// a little later; one that only knows that time is up, to hear the reason from a neighbour that knows more.
const LINGER: Duration = Duration::from_secs(1);
/// After so long without a party that is to dial, and between two looks, it is looked for at its address.
const PROBE: Duration = Duration::from_millis(800);
/// The most connections that are kept until whoever was turned away has read why.
const TURNED_AWAY: usize = 16;

/// What the parties meet for. Those who meet for different purposes turn each other away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A run: the first failure ends it, shortly afterwards.
    Run,
    /// To see who can be reached: each of the others is waited for.
    Ping,
}

impl Purpose {
    /// The protocol's name in the handshake.
    pub(super) fn protocol(self, network: Option<NetworkModel>) -> String {
        let purpose = if self == Purpose::Run { "run" } else { "ping" };
        let network = network.map_or(String::new(), |model| model.to_string());
        format!("tern/3 {purpose} {network}")
    }
}

/// What is known of both neighbours.
pub(super) struct Meeting<'a> {
    setup: Setup<'a>,
    purpose: Purpose,
    /// The number of this process.
    instance: u64,
    peers: Peers<Peer>,
    begun: Instant,
    /// When the first neighbour turned out to be of no use.
    failed: Option<Duration>,
    refused: Option<String>,
    /// When another process of a neighbour knocked last.
    rivals: Peers<Option<Instant>>,
    /// Whether a neighbour has another process of this party.
    taken: Option<Party>,
    /// Who was turned away and may still be reading why.
    leaving: Vec<Session>,
    /// Since when both neighbours are there.
    complete: Option<Instant>,
    /// Whether a neighbour that is there was told of a failure.
    spread: bool,
}

/// What is known of a neighbour.
enum Peer {
    /// It is there.
    Found(Reached),
    /// It is not, and why the last attempt failed.
    Missing(Option<String>),
    /// There is no use in waiting for it.
    Failed(NetError),
}

/// What the tasks report.
pub(super) enum News {
    /// A party is there.
    Found(Party, Reached),
    /// An attempt to dial a party failed, and will be repeated.
    Again(Party, String),
    /// There is no use in waiting for a party.
    Failed(Party, NetError),
    /// Somebody was turned away.
    Refused(String),
    /// Somebody went away.
    Gone(String),
    /// This party cannot go on.
    Broken(NetError),
}

/// Meets the neighbours, until both are settled or time is up; in a run, also until shortly after one has failed.
pub(super) fn meet<'a>(
    setup: Setup<'a>,
    purpose: Purpose,
    endpoint: Option<Endpoint>,
    progress: &mut dyn FnMut(&Waiting),
) -> Result<Meeting<'a>, NetError> {
    setup.check_identity()?;
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|cause| NetError::of_system("no event loop for the set-up", cause))?;
    let mut instance = [0; 8];
    getrandom::fill(&mut instance).map_err(|error| NetError::Entropy(error.to_string()))?;
    let mut meeting = Meeting {
        setup,
        purpose,
        instance: u64::from_le_bytes(instance),
        peers: Peers::new(setup.me, setup.hosts.count(), |_| Peer::Missing(None)),
        begun: Instant::now(),
        failed: None,
        refused: None,
        rivals: Peers::new(setup.me, setup.hosts.count(), |_| None),
        taken: None,
        leaving: Vec::new(),
        complete: None,
        spread: false,
    };
    let result = runtime.block_on(async {
        let (sender, mut incoming) = unbounded_channel();
        let mut tasks = Tasks::new(&meeting, sender);
        tasks.start(endpoint)?;
        meeting.follow(&mut tasks, &mut incoming, progress).await
    });
    // A look-up of a name may still be under way; nobody waits for it.
    runtime.shutdown_background();
    result.map(|()| meeting)
}

/// What runs beside the meeting.
struct Tasks<'a> {
    setup: Setup<'a>,
    hosts: Arc<Hosts>,
    greeting: Greeting,
    purpose: Purpose,
    protocol: String,
    news: UnboundedSender<News>,
    tasks: JoinSet<()>,
}

impl<'a> Tasks<'a> {
    fn new(meeting: &Meeting<'a>, news: UnboundedSender<News>) -> Self {
        let setup = meeting.setup;
        let protocol = meeting.purpose.protocol(setup.network);
        let greeting = Greeting::new(setup.me, meeting.instance, setup.hosts);
        let (hosts, purpose) = (Arc::new(setup.hosts.clone()), meeting.purpose);
        Self { setup, hosts, greeting, purpose, protocol, news, tasks: JoinSet::new() }
    }

    /// Starts one task per party to dial, and those that listen for the others.
    fn start(&mut self, endpoint: Option<Endpoint>) -> Result<(), NetError> {
        for party in self.setup.others() {
            self.dial(party)?;
        }
        let Some(Endpoint(listeners)) = endpoint else { return Ok(()) };
        // Also those that this party dials: if they dial it, their hosts file has another order, which shows when they greet.
        let accepted = self.setup.others().map(|party| self.hosts.host(party).fingerprint).collect();
        let names = match self.purpose {
            Purpose::Run => vec![self.protocol.as_bytes(), proof::NAME],
            Purpose::Ping => vec![self.protocol.as_bytes()],
        };
        let config = tls::listening(tls::provider(), self.setup.identity, accepted, &names);
        let config = config.map_err(NetError::Unusable)?;
        let listen = Arc::new(Listen { hosts: self.hosts.clone(), greeting: self.greeting, config });
        for listener in listeners {
            let listener = listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener));
            let listener = listener.map_err(|cause| NetError::of_system("cannot listen", cause))?;
            self.tasks.spawn(listen.clone().run(listener, self.news.clone()));
        }
        Ok(())
    }

    /// Begins to dial a party, unless it is the one that dials.
    fn dial(&mut self, party: Party) -> Result<(), NetError> {
        if party > self.setup.me {
            let dial = self.way_to(party)?;
            self.tasks.spawn(dial.run(self.news.clone()));
        }
        Ok(())
    }

    /// Looks whether a party that is to dial this one can be dialed itself.
    fn probe(&mut self, party: Party) -> Result<(), NetError> {
        let dial = self.way_to(party)?;
        self.tasks.spawn(dial.probe(self.news.clone()));
        Ok(())
    }

    fn way_to(&self, party: Party) -> Result<Arc<Dial>, NetError> {
        let fingerprint = self.hosts.host(party).fingerprint;
        let config =
            tls::dialing(tls::provider(), self.setup.identity, fingerprint, self.protocol.as_bytes());
        let config = config.map_err(NetError::Unusable)?;
        Ok(Arc::new(Dial { party, hosts: self.hosts.clone(), greeting: self.greeting, config }))
    }
}

/// Until everybody has met everybody.
impl Meeting<'_> {
    async fn follow(
        &mut self,
        tasks: &mut Tasks<'_>,
        incoming: &mut UnboundedReceiver<News>,
        progress: &mut dyn FnMut(&Waiting),
    ) -> Result<(), NetError> {
        let mut reported: Option<Instant> = None;
        let mut probed = self.begun;
        while !self.is_settled() && self.begun.elapsed() < self.patience() {
            if reported.is_none_or(|reported| reported.elapsed() >= TICK) {
                reported = Some(Instant::now());
                let waiting = self.waiting();
                if !waiting.missing.is_empty() || !waiting.trouble.is_empty() {
                    progress(&waiting);
                }
            }
            if probed.elapsed() >= PROBE {
                probed = Instant::now();
                for party in self.setup.others() {
                    if party < self.setup.me && matches!(self.peers[party], Peer::Missing(_)) {
                        tasks.probe(party)?;
                    }
                }
            }
            let there = self.is_complete();
            self.complete = self.complete.filter(|_| there).or(there.then(Instant::now));
            if let Ok(Some(news)) = timeout(if there { LOOK } else { TICK }, incoming.recv()).await {
                self.note(news)?;
            }
            if self.purpose == Purpose::Run {
                self.introduce();
                for party in self.setup.others() {
                    if let Some(lost) = self.look_after(party) {
                        tasks.dial(lost)?;
                    }
                }
                self.spread();
            }
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.peers.iter().all(|(_, peer)| matches!(peer, Peer::Found(_)))
    }

    fn is_settled(&self) -> bool {
        self.peers.iter().all(|(party, peer)| match peer {
            Peer::Missing(_) => false,
            Peer::Failed(_) => true,
            Peer::Found(_) => self.purpose == Purpose::Ping || self.agrees(party),
        })
    }

    /// Those that are neither this party nor `party`.
    fn besides(&self, party: Party) -> impl Iterator<Item = Party> + use<> {
        self.setup.others().filter(move |other| *other != party)
    }

    /// Whether a party and this one have met the same processes of all others, and both know it.
    fn agrees(&self, party: Party) -> bool {
        self.besides(party).all(|third| self.agrees_on(party, third))
    }

    fn agrees_on(&self, party: Party, third: Party) -> bool {
        match (&self.peers[party], &self.peers[third]) {
            (Peer::Found(one), Peer::Found(other)) => {
                let same = |seen: &[Option<u64>]| seen[third.index()] == Some(other.instance);
                same(&one.met) && same(&one.told)
            }
            (Peer::Found(_), Peer::Failed(_)) => true,
            _ => false,
        }
    }

    /// How long after the beginning it is worth waiting for whoever is missing.
    fn patience(&self) -> Duration {
        let connect = self.setup.hosts.timeouts.connect;
        if self.purpose == Purpose::Ping {
            return connect;
        }
        if let Some(failed) = self.failed {
            return failed + LINGER;
        }
        // Whoever dials knows best why a party is not reached, and speaks first; whoever only listens hears it from the third party.
        let missing = |(party, peer)| matches!(peer, &Peer::Missing(_)).then_some(party);
        let mut missing = self.peers.iter().filter_map(missing);
        match (missing.next(), missing.next()) {
            (None, _) => connect + 2 * LINGER,
            (Some(party), None) if party < self.setup.me && self.refused.is_none() => connect + LINGER,
            (Some(_), _) => connect,
        }
    }

    fn waiting(&self) -> Waiting {
        let setup = self.setup;
        let missing = self.peers.iter().filter(|(_, peer)| matches!(peer, Peer::Missing(_)));
        let trouble = self.peers.iter().filter_map(|(party, peer)| match peer {
            Peer::Missing(Some(cause)) => {
                Some(format!("{} at {}: {cause}", setup.who(party), setup.host(party).address))
            }
            Peer::Missing(None) | Peer::Found(_) | Peer::Failed(_) => None,
        });
        let mut trouble: Vec<String> = trouble.collect();
        if self.complete.is_some_and(|since| since.elapsed() > LINGER) {
            let apart: Vec<String> = setup
                .others()
                .filter(|party| !self.agrees(*party))
                .map(|party| setup.who(party).to_string())
                .collect();
            trouble.push(format!("{} have not met each other yet", apart.join(" and ")));
        }
        Waiting {
            missing: missing.map(|(party, _)| setup.who(party)).collect(),
            left: setup.hosts.timeouts.connect.saturating_sub(self.begun.elapsed()),
            refused: self.refused.clone(),
            trouble,
        }
    }

    fn settle(&mut self, party: Party, peer: Peer) {
        if let Peer::Failed(_) = peer {
            self.failed.get_or_insert(self.begun.elapsed());
        }
        self.peers[party] = peer;
    }

    fn note(&mut self, news: News) -> Result<(), NetError> {
        let (party, peer) = match news {
            News::Found(party, reached) => {
                self.receive(party, reached);
                return Ok(());
            }
            News::Again(party, cause) => (party, Peer::Missing(Some(cause))),
            News::Failed(party, error) => (party, Peer::Failed(error)),
            News::Refused(why) => {
                self.refused = Some(why);
                return Ok(());
            }
            News::Gone(why) => {
                self.refused.get_or_insert(why);
                return Ok(());
            }
            News::Broken(error) => return Err(error),
        };
        if matches!(self.peers.get(party), Some(Peer::Missing(_))) {
            self.settle(party, peer);
        }
        Ok(())
    }

    /// A party has come. If it is there already, this is another process of it, or the same one whose connection has broken.
    fn receive(&mut self, party: Party, mut reached: Reached) {
        if self.peers.get(party).is_none() {
            return;
        }
        // One that decides has met another process.
        let decided =
            self.besides(party).filter(|third| *third < self.setup.me).find_map(|third| {
                match &self.peers[third] {
                    Peer::Found(third) => third.met[party.index()],
                    Peer::Missing(_) | Peer::Failed(_) => None,
                }
            });
        let other = match &self.peers[party] {
            Peer::Found(present) => Some(present.instance),
            Peer::Missing(_) => decided,
            Peer::Failed(_) => return,
        };
        if other.is_none_or(|other| other == reached.instance) {
            self.peers[party] = Peer::Found(reached);
            return;
        }
        self.rivals[party] = Some(Instant::now());
        // It may be gone already.
        let _ = reached.session.write(&Frame::Taken.encode());
        reached.session.close();
        let _ = reached.session.flush();
        self.leaving.push(reached.session);
        if self.leaving.len() > TURNED_AWAY {
            self.leaving.remove(0);
        }
    }

    /// Tells each party that is there which processes of the others this one has met.
    fn introduce(&mut self) {
        let here = self.peers.as_ref().map(|_, peer| match peer {
            Peer::Found(reached) => Some(reached.instance),
            Peer::Missing(_) | Peer::Failed(_) => None,
        });
        for party in self.setup.others() {
            let thirds: Vec<Party> = self.besides(party).collect();
            let Peer::Found(reached) = &mut self.peers[party] else { continue };
            for third in thirds {
                let Some(instance) = here[third] else { continue };
                if reached.told[third.index()].replace(instance) != Some(instance) {
                    // If it is gone, the next look at it says so.
                    let _ = reached.session.write(&Frame::Met { of: third, instance }.encode());
                }
            }
            let _ = reached.session.flush();
        }
    }

    /// Looks what a party that is there says; who is to be dialed again.
    fn look_after(&mut self, party: Party) -> Option<Party> {
        loop {
            let Peer::Found(reached) = &mut self.peers[party] else { return None };
            let looked = reached.session.look_ahead();
            let Ok((bytes, gone)) = looked else { return self.lose(party, "the connection broke") };
            let first = bytes.first_chunk::<HEADER>().and_then(|header| Frame::decode(header).ok());
            match first {
                Some(Frame::Met { of, instance }) => {
                    reached.met[of.index()] = Some(instance);
                    // It was seen to be there.
                    let _ = reached.session.read(&mut [0; HEADER]);
                    if self.must_yield(party, of, instance) {
                        return self.lose(of, "another process of it has met the others");
                    }
                }
                Some(Frame::Taken) => {
                    self.taken = Some(party);
                    return self.lose(party, "it has met another process of this party");
                }
                Some(_) | None => {
                    let report = match self.setup.network {
                        Some(_) => frame::find_abort(&shape::without_stamps(bytes)),
                        None => frame::find_abort(bytes),
                    };
                    return match report {
                        Some(report) => self.hear_failure(party, report),
                        None if gone => self.lose(party, "it went away during the set-up"),
                        None => None,
                    };
                }
            }
        }
    }

    /// Whether a party, which has met the process `instance` of a third, and another one than this party, decides.
    fn must_yield(&self, party: Party, third: Party, instance: u64) -> bool {
        let differs = matches!(self.peers.get(third), Some(Peer::Found(third)) if third.instance != instance);
        differs && party != third && party < self.setup.me
    }

    /// A party is not there any more; gives it if it is to be dialed again.
    fn lose(&mut self, party: Party, cause: &str) -> Option<Party> {
        self.peers[party] = Peer::Missing(Some(cause.to_owned()));
        for (_, peer) in self.peers.iter_mut() {
            if let Peer::Found(other) = peer {
                other.told[party.index()] = None;
            }
        }
        (self.setup.me < party).then_some(party)
    }

    /// A party reports that the set-up has failed. If the reason is that this one did not come, this one may know better why.
    fn hear_failure(&mut self, party: Party, report: Report) -> Option<Party> {
        let who = self.setup.who(party);
        if self.rivals[party].is_some_and(|knocked| knocked.elapsed() < LINGER) {
            return self.lose(party, "one of its processes has given up");
        }
        let Report { origin, suspect, declines, reason } = report;
        if origin == self.setup.me {
            return self.lose(party, "it speaks of an attempt of this party before this one");
        }
        if suspect == Some(self.setup.me)
            && let Some(Peer::Missing(Some(cause))) = self.peers.get(origin)
        {
            let error = self.unreachable(origin, cause.clone());
            self.settle(origin, Peer::Failed(error));
        }
        let known = self.peers.get(origin).is_some();
        let origin = self.setup.hosts.who(if known { origin } else { party });
        self.settle(party, Peer::Failed(NetError::Aborted { who, origin, suspect, declines, reason }));
        None
    }

    /// Tells those that are there, at once, why there is no use in waiting for another.
    fn spread(&mut self) {
        let failed = self.peers.iter().find_map(|(_, peer)| match peer {
            Peer::Failed(error) => report(self.setup, error),
            Peer::Missing(_) | Peer::Found(_) => None,
        });
        let Some(report) = failed.filter(|_| !self.spread) else { return };
        for (_, peer) in self.peers.iter_mut() {
            if let Peer::Found(reached) = peer {
                self.spread = true;
                // If it cannot be told, it is gone as well.
                let _ = reached.session.write(&report).and_then(|()| reached.session.flush());
            }
        }
    }
}

/// The end of a meeting.
impl Meeting<'_> {
    /// All others, or the error; whoever is there is told.
    pub(super) fn sessions(self) -> Result<Peers<(Session, Secret)>, NetError> {
        let (setup, spread) = (self.setup, self.spread);
        let (mut sessions, mut failed) = (self.peers.as_ref().map(|_, _| None), None);
        for (party, outcome) in self.outcome().into_values() {
            match outcome {
                Ok(reached) => sessions[party] = Some((reached.session, reached.secret)),
                Err(error) => {
                    failed = Some(match failed {
                        None => error,
                        Some(first) => the_more_certain(setup.me, first, error),
                    });
                }
            }
        }
        let Some(error) = failed else {
            return Ok(sessions.map(|_, session| match session {
                Some(session) => session,
                None => unreachable!("a party that is not there has failed"),
            }));
        };
        let there = sessions.into_values().filter_map(|(_, found)| found);
        let mut there: Vec<Session> = there.map(|(session, _)| session).collect();
        if let Some(report) = report(setup, &error).filter(|_| !spread) {
            // If one cannot be told, it is gone as well.
            there.retain_mut(|session| session.write(&report).is_ok());
        }
        tcp::close(&mut there, LINGER);
        Err(error)
    }

    /// Each of the others, or why it is not there.
    pub(super) fn outcome(mut self) -> Peers<Result<Reached, NetError>> {
        let apart = self
            .peers
            .as_ref()
            .map(|party, _| self.besides(party).find(|third| !self.agrees_on(party, *third)));
        let (complete, ping) = (self.is_complete(), self.purpose == Purpose::Ping);
        let missing = Peers::new(self.setup.me, self.setup.hosts.count(), |_| Peer::Missing(None));
        let peers = std::mem::replace(&mut self.peers, missing);
        let waited = self.begun.elapsed();
        peers.map(|party, peer| {
            let who = self.setup.who(party);
            match (peer, apart[party]) {
                (Peer::Found(reached), Some(third)) if complete && !ping => {
                    let (other, twice) = (self.setup.who(third), reached.met[third.index()].is_some());
                    Err(NetError::Unmet { who, other, twice, waited })
                }
                (Peer::Found(reached), _) => Ok(reached),
                (Peer::Failed(error), _) => Err(error),
                (Peer::Missing(_), _) if self.taken == Some(party) => {
                    Err(NetError::Twice { who: self.setup.hosts.who(self.setup.me), at: who, waited })
                }
                (Peer::Missing(seen), _) if party < self.setup.me => {
                    let refused = self.refused.as_ref().map(|refused| format!("turned away: {refused}"));
                    Err(NetError::NeverCame { who, waited, hint: seen.or(refused) })
                }
                (Peer::Missing(cause), _) => {
                    Err(self.unreachable(party, cause.unwrap_or_else(|| "no answer".to_owned())))
                }
            }
        })
    }

    fn unreachable(&self, party: Party, cause: String) -> NetError {
        let address = self.setup.host(party).address.clone();
        NetError::Unreachable { who: self.setup.who(party), address, cause, waited: self.begun.elapsed() }
    }
}

/// What a neighbour is told of a failure of the set-up, if it does not hear that elsewhere. What comes second-hand goes no further: parties that try again
/// would tell each other for ever, each when the other has come back.
fn report(setup: Setup<'_>, error: &NetError) -> Option<Vec<u8>> {
    let report = match error {
        NetError::Aborted { who, origin, .. } if who != origin => return None,
        NetError::Aborted { origin, suspect, declines, reason, .. } => {
            Report { declines: *declines, ..Report::failed(origin.party, *suspect, reason) }
        }
        NetError::NeverCame { who, .. } | NetError::Unreachable { who, .. } => {
            Report::failed(setup.me, Some(who.party), error.to_string())
        }
        // Time does not cure it.
        NetError::HostsDiffer { .. }
        | NetError::WrongCertificate { .. }
        | NetError::BadCertificate { .. } => {
            Report { declines: true, ..Report::failed(setup.me, None, error.to_string()) }
        }
        error => Report::failed(setup.me, None, error.to_string()),
    };
    let frame = frame::abort(&report);
    Some(match setup.network {
        // The neighbour may already expect the bytes of the simulated network.
        Some(_) => [&shape::stamp(&frame)[..], &frame].concat(),
        None => frame,
    })
}

/// That time was up says less than any other error; that this party did not come says less than why it did not.
fn the_more_certain(me: Party, one: NetError, other: NetError) -> NetError {
    let doubt = |error: &NetError| match error {
        NetError::NeverCame { .. } => 4,
        NetError::Aborted { suspect, .. } if *suspect == Some(me) => 3,
        NetError::Unreachable { .. } => 2,
        NetError::Unmet { .. } => 1,
        _ => 0,
    };
    if doubt(&one) <= doubt(&other) { one } else { other }
}
