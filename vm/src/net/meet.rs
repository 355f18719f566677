//! Three parties that start in any order find each other.
//!
//! Of two parties the one with the lower index dials and the other listens, so party 0 needs no open port. Whoever dials tries again until the
//! other end answers or time is up; whoever listens turns strangers away and goes on waiting, and remembers why, for the error if the
//! party never comes. A handshake is followed by greetings ([`greeting`](super::greeting)) and a few echoes, which tell both ends how long
//! a round trip takes.
//!
//! **One process per party.** A party may be running twice by mistake. Each process has a number of its own, and a run begins when all three
//! have met the same processes: whoever has met both neighbours tells each which process of the other it has met. A second process of a
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
use super::party::{Pair, Party, Side};
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

/// What is known of both neighbours.
pub(super) struct Meeting<'a> {
    setup: Setup<'a>,
    purpose: Purpose,
    /// The number of this process.
    instance: u64,
    peers: Pair<Peer>,
    begun: Instant,
    /// When the first neighbour turned out to be of no use.
    failed: Option<Duration>,
    refused: Option<String>,
    /// When another process of a neighbour knocked last.
    rivals: Pair<Option<Instant>>,
    /// Whether a neighbour has another process of this party.
    taken: Option<Side>,
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
    let system = |what| move |cause| NetError::System { what, cause };
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(system("no event loop for the set-up"))?;
    let mut instance = [0; 8];
    getrandom::fill(&mut instance).map_err(|error| NetError::Entropy(error.to_string()))?;
    let mut meeting = Meeting {
        setup,
        purpose,
        instance: u64::from_le_bytes(instance),
        peers: Pair::new(Peer::Missing(None), Peer::Missing(None)),
        begun: Instant::now(),
        failed: None,
        refused: None,
        rivals: Pair::default(),
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
    protocol: String,
    news: UnboundedSender<News>,
    tasks: JoinSet<()>,
}

impl<'a> Tasks<'a> {
    fn new(meeting: &Meeting<'a>, news: UnboundedSender<News>) -> Self {
        let setup = meeting.setup;
        let network = setup.network.map_or(String::new(), |model| model.to_string());
        let protocol = match meeting.purpose {
            Purpose::Run => format!("tern/2 run {network}"),
            Purpose::Ping => format!("tern/2 ping {network}"),
        };
        let greeting = Greeting::new(setup.me, meeting.instance, setup.hosts);
        Self { setup, hosts: Arc::new(setup.hosts.clone()), greeting, protocol, news, tasks: JoinSet::new() }
    }

    /// Starts one task per party to dial, and those that listen for the others.
    fn start(&mut self, endpoint: Option<Endpoint>) -> Result<(), NetError> {
        for party in [self.setup.me.next(), self.setup.me.prev()] {
            self.dial(party)?;
        }
        let Some(Endpoint(listeners)) = endpoint else { return Ok(()) };
        // Also those that this party dials: if they dial it, their hosts file has another order, which shows when they greet.
        let accepted = [self.setup.me.next(), self.setup.me.prev()];
        let accepted = accepted.map(|party| self.hosts.host(party).fingerprint).to_vec();
        let config = tls::listening(tls::provider(), self.setup.identity, accepted, self.protocol.as_bytes());
        let config = config.map_err(NetError::Unusable)?;
        let listen = Arc::new(Listen { hosts: self.hosts.clone(), greeting: self.greeting, config });
        for listener in listeners {
            let listener = listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener));
            let listener = listener.map_err(|cause| NetError::System { what: "cannot listen", cause })?;
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
                for side in Side::BOTH {
                    let party = self.setup.me.at(side);
                    if party < self.setup.me && matches!(self.peers[side], Peer::Missing(_)) {
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
                for side in Side::BOTH {
                    if self.look_after(side) {
                        tasks.dial(self.setup.me.at(side))?;
                    }
                }
                self.spread();
            }
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        Side::BOTH.iter().all(|&side| matches!(self.peers[side], Peer::Found(_)))
    }

    fn is_settled(&self) -> bool {
        Side::BOTH.iter().all(|&side| match &self.peers[side] {
            Peer::Missing(_) => false,
            Peer::Failed(_) => true,
            Peer::Found(_) => self.purpose == Purpose::Ping || self.agrees(side),
        })
    }

    /// Whether the neighbour and this party have met the same process of the third, and both know it.
    fn agrees(&self, side: Side) -> bool {
        match (&self.peers[side], &self.peers[side.other()]) {
            (Peer::Found(one), Peer::Found(other)) => {
                one.met == Some(other.instance) && one.told == Some(other.instance)
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
        let missing = |side: &Side| matches!(self.peers[*side], Peer::Missing(_));
        let mut sides = Side::BOTH.into_iter().filter(missing);
        match (sides.next(), sides.next()) {
            (None, _) => connect + 2 * LINGER,
            (Some(side), None) if self.setup.me.at(side) < self.setup.me && self.refused.is_none() => {
                connect + LINGER
            }
            (Some(_), _) => connect,
        }
    }

    fn waiting(&self) -> Waiting {
        let setup = self.setup;
        let missing = Side::BOTH.into_iter().filter(|&side| matches!(self.peers[side], Peer::Missing(_)));
        let trouble = Side::BOTH.into_iter().filter_map(|side| match &self.peers[side] {
            Peer::Missing(Some(cause)) => {
                Some(format!("{} at {}: {cause}", setup.who(side), setup.host(side).address))
            }
            Peer::Missing(None) | Peer::Found(_) | Peer::Failed(_) => None,
        });
        let mut trouble: Vec<String> = trouble.collect();
        if self.complete.is_some_and(|since| since.elapsed() > LINGER) {
            let [one, other] = Side::BOTH.map(|side| setup.who(side));
            trouble.push(format!("{one} and {other} have not met each other yet"));
        }
        Waiting {
            missing: missing.map(|side| setup.who(side)).collect(),
            left: setup.hosts.timeouts.connect.saturating_sub(self.begun.elapsed()),
            refused: self.refused.clone(),
            trouble,
        }
    }

    fn settle(&mut self, side: Side, peer: Peer) {
        if let Peer::Failed(_) = peer {
            self.failed.get_or_insert(self.begun.elapsed());
        }
        self.peers[side] = peer;
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
        let side = self.setup.me.side_of(party);
        if let Some(side) = side.filter(|&side| matches!(self.peers[side], Peer::Missing(_))) {
            self.settle(side, peer);
        }
        Ok(())
    }

    /// A party has come. If it is there already, this is another process of it, or the same one whose connection has broken.
    fn receive(&mut self, party: Party, mut reached: Reached) {
        let Some(side) = self.setup.me.side_of(party) else { return };
        // The neighbour that decides has met another process.
        let decided = match &self.peers[side.other()] {
            Peer::Found(other) if self.setup.me.at(side.other()) < self.setup.me => other.met,
            Peer::Found(_) | Peer::Missing(_) | Peer::Failed(_) => None,
        };
        let other = match &self.peers[side] {
            Peer::Found(present) => Some(present.instance),
            Peer::Missing(_) => decided,
            Peer::Failed(_) => return,
        };
        if other.is_none_or(|other| other == reached.instance) {
            self.peers[side] = Peer::Found(reached);
            return;
        }
        self.rivals[side] = Some(Instant::now());
        // It may be gone already.
        let _ = reached.session.write(&Frame::Taken.encode());
        reached.session.close();
        let _ = reached.session.flush();
        self.leaving.push(reached.session);
        if self.leaving.len() > TURNED_AWAY {
            self.leaving.remove(0);
        }
    }

    /// Tells each neighbour that is there which process of the other this party has met.
    fn introduce(&mut self) {
        for side in Side::BOTH {
            let third = match &self.peers[side.other()] {
                Peer::Found(other) => other.instance,
                Peer::Missing(_) | Peer::Failed(_) => continue,
            };
            let Peer::Found(reached) = &mut self.peers[side] else { continue };
            if reached.told.replace(third) != Some(third) {
                // If it is gone, the next look at it says so.
                let _ = reached.session.write(&Frame::Met { instance: third }.encode());
            }
            let _ = reached.session.flush();
        }
    }

    /// Looks what a neighbour that is there says; whether it is to be dialed again.
    fn look_after(&mut self, side: Side) -> bool {
        loop {
            let Peer::Found(reached) = &mut self.peers[side] else { return false };
            let looked = reached.session.look_ahead();
            let Ok((bytes, gone)) = looked else { return self.lose(side, "the connection broke") };
            let first = bytes.first_chunk::<HEADER>().and_then(|header| Frame::decode(header).ok());
            match first {
                Some(Frame::Met { instance }) => {
                    reached.met = Some(instance);
                    // It was seen to be there.
                    let _ = reached.session.read(&mut [0; HEADER]);
                    if self.must_yield(side, instance) {
                        return self.lose(side.other(), "another process of it has met the others");
                    }
                }
                Some(Frame::Taken) => {
                    self.taken = Some(side);
                    return self.lose(side, "it has met another process of this party");
                }
                Some(_) | None => {
                    let report = match self.setup.network {
                        Some(_) => frame::find_abort(&shape::without_stamps(bytes)),
                        None => frame::find_abort(bytes),
                    };
                    return match report {
                        Some(report) => self.hear_failure(side, report),
                        None if gone => self.lose(side, "it went away during the set-up"),
                        None => false,
                    };
                }
            }
        }
    }

    /// Whether the neighbour on `side`, which has met the process `instance` of the third party, and another one than this party, decides.
    fn must_yield(&self, side: Side, instance: u64) -> bool {
        let differs = matches!(&self.peers[side.other()], Peer::Found(third) if third.instance != instance);
        differs && self.setup.me.at(side) < self.setup.me
    }

    /// A neighbour is not there any more; whether it is to be dialed again.
    fn lose(&mut self, side: Side, cause: &str) -> bool {
        self.peers[side] = Peer::Missing(Some(cause.to_owned()));
        if let Peer::Found(other) = &mut self.peers[side.other()] {
            other.told = None;
        }
        self.setup.me < self.setup.me.at(side)
    }

    /// A neighbour reports that the set-up has failed. If the reason is that this party did not come, this party may know better why.
    fn hear_failure(&mut self, side: Side, report: Report) -> bool {
        let who = self.setup.who(side);
        if self.rivals[side].is_some_and(|knocked| knocked.elapsed() < LINGER) {
            return self.lose(side, "one of its processes has given up");
        }
        let Report { origin, suspect, reason } = report;
        let own = self.setup.me.side_of(origin).filter(|_| suspect == Some(self.setup.me));
        if let Some(own) = own
            && let Peer::Missing(Some(cause)) = &self.peers[own]
        {
            let error = self.unreachable(own, cause.clone());
            self.settle(own, Peer::Failed(error));
        }
        let origin = self.setup.hosts.who(origin);
        self.settle(side, Peer::Failed(NetError::Aborted { who, origin, suspect, reason }));
        false
    }

    /// Tells a neighbour that is there, at once, why there is no use in waiting for the other.
    fn spread(&mut self) {
        for side in Side::BOTH {
            let Peer::Failed(error) = &self.peers[side.other()] else { continue };
            let report = report(self.setup, error);
            if let Peer::Found(reached) = &mut self.peers[side]
                && !std::mem::replace(&mut self.spread, true)
            {
                // If it cannot be told, it is gone as well.
                let _ = reached.session.write(&report).and_then(|()| reached.session.flush());
            }
        }
    }
}

/// The end of a meeting.
impl Meeting<'_> {
    /// Both neighbours, or the error; whoever is there is told.
    pub(super) fn sessions(self) -> Result<Pair<Session>, NetError> {
        let (setup, spread) = (self.setup, self.spread);
        match self.outcome() {
            Pair { next: Ok(next), prev: Ok(prev) } => Ok(Pair::new(next.session, prev.session)),
            Pair { next: Err(error), prev: Ok(mut there) }
            | Pair { next: Ok(mut there), prev: Err(error) } => {
                // If it cannot be told, it is gone as well.
                let told = if spread { Ok(()) } else { there.session.write(&report(setup, &error)) };
                if told.is_ok() {
                    tcp::close([&mut there.session], LINGER);
                }
                Err(error)
            }
            Pair { next: Err(one), prev: Err(other) } => Err(the_more_certain(setup.me, one, other)),
        }
    }

    /// Each neighbour, or why it is not there.
    pub(super) fn outcome(mut self) -> Pair<Result<Reached, NetError>> {
        let agreed = Pair::from_fn(|side| self.purpose == Purpose::Ping || self.agrees(side));
        let complete = self.is_complete();
        let missing = || Peer::Missing(None);
        let peers = std::mem::replace(&mut self.peers, Pair::new(missing(), missing()));
        let waited = self.begun.elapsed();
        let outcome = |side: Side, peer: Peer| {
            let who = self.setup.who(side);
            match peer {
                Peer::Found(reached) if !complete || agreed[side] => Ok(reached),
                Peer::Found(reached) => {
                    let (other, twice) = (self.setup.who(side.other()), reached.met.is_some());
                    Err(NetError::Unmet { who, other, twice, waited })
                }
                Peer::Failed(error) => Err(error),
                Peer::Missing(_) if self.taken == Some(side) => {
                    Err(NetError::Twice { who: self.setup.hosts.who(self.setup.me), at: who, waited })
                }
                Peer::Missing(seen) if who.party < self.setup.me => {
                    let refused = self.refused.as_ref().map(|refused| format!("turned away: {refused}"));
                    Err(NetError::NeverCame { who, waited, hint: seen.or(refused) })
                }
                Peer::Missing(cause) => {
                    Err(self.unreachable(side, cause.unwrap_or_else(|| "no answer".to_owned())))
                }
            }
        };
        let Pair { next, prev } = peers;
        Pair::new(outcome(Side::Next, next), outcome(Side::Prev, prev))
    }

    fn unreachable(&self, side: Side, cause: String) -> NetError {
        let address = self.setup.host(side).address.clone();
        NetError::Unreachable { who: self.setup.who(side), address, cause, waited: self.begun.elapsed() }
    }
}

/// What a neighbour is told of a failure of the set-up.
fn report(setup: Setup<'_>, error: &NetError) -> Vec<u8> {
    let frame = match error {
        NetError::Aborted { origin, suspect, reason, .. } => frame::abort(origin.party, *suspect, reason),
        NetError::NeverCame { who, .. } | NetError::Unreachable { who, .. } => {
            frame::abort(setup.me, Some(who.party), &error.to_string())
        }
        error => frame::abort(setup.me, None, &error.to_string()),
    };
    match setup.network {
        // The neighbour may already expect the bytes of the simulated network.
        Some(_) => [&shape::stamp(&frame)[..], &frame].concat(),
        None => frame,
    }
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
