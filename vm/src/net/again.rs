//! Connecting again, beside the run: a thread that listens and dials when a connection that carried a link has broken.
//!
//! It knows who may go on with which link ([`super::proof`]) and nothing of what a link carries. Whoever has the links tells it whom to
//! dial, and gets from it sockets on which the other end has proved to be the other end, and word of processes that are none of this run.
//!
//! Of two parties the one that dialed at the start dials again. The port at which the other one was dialed stays open during the run, for this alone:
//! strangers get no further than the handshake, have little time for it, and push each other out when they are many ([`listen`](super::listen)).
//!
//! Where nobody listens any more the process has ended ([`gone`](super::gone)). The end that waits to be dialed looks for that too, if the other one
//! can be reached at its own address, which is found out at the beginning.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::{ClientConfig, ServerConfig};
use tern_bytecode::model::MAX_PARTIES;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::connect::Setup;
use super::dial;
use super::endpoint::Endpoint;
use super::error::NetError;
use super::gone::{Refusals, is_refusal};
use super::hosts::Hosts;
use super::line::{Failure, Line};
use super::listen::Guests;
use super::meet::{PATIENCE, Purpose, TICK};
use super::party::{Party, Peers};
use super::proof::{self, ANSWER, Answer, CLAIM, Claim, RANDOM, Secret};
use super::session::Codec;
use super::tls;

/// How long an attempt to connect again may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// Between the first attempts; twice as long each time, up to the most.
const FIRST: Duration = Duration::from_millis(50);
const MOST: Duration = Duration::from_secs(1);
/// How long a process that begins a run is kept until it may try again.
const HOLD: Duration = Duration::from_secs(1);
/// How often a party that may not listen at its address yet is looked for there.
const LOOKS: usize = 10;

/// What has come.
pub(super) enum Arrival {
    /// A party that was dialed goes on with its link over this socket, and has received so many bytes.
    Back { party: Party, socket: TcpStream, received: u64 },
    /// A party has given up the connection that carried its link, and waits at this one for an answer.
    Claimed { party: Party, guest: Box<Guest> },
    /// A party's certificate, at a process that is not the one of this run.
    Another { party: Party, dialed: bool },
    /// Nobody listens any more where a party did.
    Gone { party: Party },
}

/// The other end of a link, at a connection that may carry it.
pub(super) struct Guest {
    pub(super) socket: TcpStream,
    pub(super) claim: Claim,
    codec: Codec,
}

impl Guest {
    /// Answers that its claim is accepted, and that so many bytes of its stream were received.
    pub(super) fn accept(mut self, secret: &Secret, received: u64) -> io::Result<TcpStream> {
        let answer = secret.accept(&self.claim, received);
        self.codec.seal(&answer).map_err(io::Error::other)?;
        // A new socket has room for so little.
        while self.codec.outgoing.unsent() > 0 {
            self.codec.outgoing.write_to(&mut self.socket)?;
        }
        Ok(self.socket)
    }
}

/// The thread, for whoever has the links.
pub(super) struct Again {
    orders: Option<UnboundedSender<Order>>,
    arrivals: Receiver<Arrival>,
    thread: Option<JoinHandle<()>>,
}

/// What is to be done about a party, instead of what was to be done before.
struct Order {
    party: Party,
    work: Work,
}

enum Work {
    /// Dial it; so many bytes were received from it.
    Dial { received: u64 },
    /// It is to dial: look whether its process is still there.
    Watch,
    /// It is there.
    Rest,
}

impl Again {
    /// Listens at the ports at which this party was met, if it was dialed, and dials on demand.
    pub(super) fn start(
        setup: Setup<'_>,
        endpoint: Option<Endpoint>,
        secrets: Peers<Secret>,
    ) -> Result<Self, NetError> {
        let ways = Arc::new(Ways::new(setup, secrets).map_err(NetError::Unusable)?);
        let (sender, arrivals) = channel();
        let (orders, taken) = unbounded_channel();
        let system = |what| move |cause| NetError::of_system(what, cause);
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(system("no event loop for connecting again"))?;
        let thread = thread::Builder::new().name("links".to_owned()).spawn(move || {
            runtime.block_on(ways.serve(endpoint, taken, sender));
            // A look-up of a name may still be under way; nobody waits for it.
            runtime.shutdown_background();
        });
        let thread = thread.map_err(system("no thread for connecting again"))?;
        Ok(Self { orders: Some(orders), arrivals, thread: Some(thread) })
    }

    /// From now on a party is dialed until it is there.
    pub(super) fn dial(&self, party: Party, received: u64) {
        self.order(party, Work::Dial { received });
    }

    /// From now on it is looked whether the process of a party that dials is still there.
    pub(super) fn watch(&self, party: Party) {
        self.order(party, Work::Watch);
    }

    /// A party that was watched is there.
    pub(super) fn rest(&self, party: Party) {
        self.order(party, Work::Rest);
    }

    fn order(&self, party: Party, work: Work) {
        if let Some(orders) = &self.orders {
            // The thread ends after this.
            let _ = orders.send(Order { party, work });
        }
    }

    /// Ends it. The ports are free afterwards.
    pub(super) fn stop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // It has nothing to say that the run does not say.
            let _ = thread.join();
        }
    }

    /// What has come, if anything has.
    pub(super) fn arrival(&self) -> Option<Arrival> {
        self.arrivals.try_recv().ok()
    }
}

impl Drop for Again {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Who may come, and how the others are reached.
struct Ways {
    me: Party,
    hosts: Hosts,
    secrets: Peers<Secret>,
    dialing: Peers<Arc<ClientConfig>>,
    listening: Arc<ServerConfig>,
    /// Of parties that dial: whether their addresses lead to them.
    found: Peers<AtomicBool>,
}

impl Ways {
    fn new(setup: Setup<'_>, secrets: Peers<Secret>) -> Result<Self, rustls::Error> {
        let mut dialing = Vec::new();
        for (party, _) in secrets.iter() {
            let fingerprint = setup.host(party).fingerprint;
            dialing.push(tls::dialing(tls::provider(), setup.identity, fingerprint, proof::NAME)?);
        }
        let mut configs = dialing.into_iter();
        let dialing = secrets.as_ref().map(|_, _| configs.next().expect("one for each"));
        let accepted = setup.others().map(|party| setup.host(party).fingerprint).collect();
        // A process that begins a run is let in so far that it can be told from strangers.
        let run = Purpose::Run.protocol(setup.network);
        let names = [proof::NAME, run.as_bytes()];
        let listening = tls::listening(tls::provider(), setup.identity, accepted, &names)?;
        let found = secrets.as_ref().map(|_, _| AtomicBool::new(false));
        Ok(Self { me: setup.me, hosts: setup.hosts.clone(), secrets, dialing, listening, found })
    }

    /// Until nobody gives orders any more.
    async fn serve(
        self: Arc<Self>,
        endpoint: Option<Endpoint>,
        mut orders: UnboundedReceiver<Order>,
        arrivals: Sender<Arrival>,
    ) {
        for listener in endpoint.into_iter().flat_map(|Endpoint(listeners)| listeners) {
            let listener = listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener));
            // Without it the link waits in vain, and says so.
            let Ok(listener) = listener else { continue };
            tokio::spawn(self.clone().listen(listener, arrivals.clone()));
        }
        for party in self.secrets.parties().filter(|party| *party < self.me) {
            tokio::spawn(self.clone().find(party));
        }
        let mut works: [(u64, Option<AbortHandle>); MAX_PARTIES] = Default::default();
        while let Some(Order { party, work }) = orders.recv().await {
            let (attempts, last) = &mut works[party.index()];
            last.take().into_iter().for_each(|last| last.abort());
            let task = match work {
                Work::Dial { received } => {
                    // More than one order can take: attempts are numbered across orders.
                    *attempts += 1 << 32;
                    tokio::spawn(self.clone().dial(party, received, *attempts, arrivals.clone()))
                }
                Work::Watch => tokio::spawn(self.clone().watch(party, arrivals.clone())),
                Work::Rest => continue,
            };
            *last = Some(task.abort_handle());
        }
    }

    /// Finds out whether the address of a party that dials leads to it, so that a refusal there means something later. Some listen a moment later, or never.
    async fn find(self: Arc<Self>, party: Party) {
        let mut pause = FIRST;
        for _ in 0..LOOKS {
            if let Ok(Ok(_)) = timeout(ATTEMPT, self.reach(party)).await {
                return self.found[party].store(true, Ordering::Relaxed);
            }
            sleep(pause).await;
            pause = (2 * pause).min(MOST);
        }
    }

    /// Looks whether somebody listens where a party does that is to dial.
    async fn watch(self: Arc<Self>, party: Party, arrivals: Sender<Arrival>) {
        let mut refusals = Refusals::default();
        loop {
            let attempt = timeout(ATTEMPT, dial::open(&self.hosts.host(party).address)).await;
            let refused = matches!(attempt, Ok(Err(error)) if is_refusal(&error));
            let known = self.found[party].load(Ordering::Relaxed);
            // The other end of the channel is gone when nobody wants to know any more.
            if refusals.tell(refused && known) && arrivals.send(Arrival::Gone { party }).is_err() {
                return;
            }
            sleep(MOST).await;
        }
    }

    /// Dials a party until it is there.
    async fn dial(self: Arc<Self>, party: Party, received: u64, mut number: u64, arrivals: Sender<Arrival>) {
        let (mut pause, mut refusals) = (FIRST, Refusals::default());
        loop {
            number += 1;
            let attempt = timeout(ATTEMPT, self.attempt(party, number, received)).await;
            let refused = matches!(&attempt, Ok(Err(Failure::Io(error))) if is_refusal(error));
            let gone = refusals.tell(refused).then_some(Arrival::Gone { party });
            let arrival = match attempt {
                Ok(Ok((socket, Answer::Go(received)))) => Some(Arrival::Back { party, socket, received }),
                Ok(Ok((_, Answer::Another))) => Some(Arrival::Another { party, dialed: true }),
                Ok(Ok((_, Answer::Wrong)) | Err(_)) | Err(_) => gone,
            };
            let back = matches!(arrival, Some(Arrival::Back { .. }));
            // The other end of the channel is gone when nobody wants to know any more.
            let gone = arrival.is_some_and(|arrival| arrivals.send(arrival).is_err());
            if back || gone {
                return;
            }
            sleep(pause).await;
            pause = (2 * pause).min(MOST);
        }
    }

    async fn attempt(
        &self,
        party: Party,
        number: u64,
        received: u64,
    ) -> Result<(TcpStream, Answer), Failure> {
        let mut line = self.reach(party).await?;
        let mut challenge = [0; RANDOM];
        line.hear(&mut challenge).await?;
        let (claim, bytes) = self.secrets[party].claim(challenge, random()?, number, received);
        line.send(&bytes).await?;
        let mut answer = [0; ANSWER];
        // What follows is of another session.
        line.hear_alone(&mut answer).await?;
        let answer = self.secrets[party].judge(&claim, &answer);
        Ok((line.into_parts()?.0, answer))
    }

    /// A connection with a party, or whoever has its key.
    async fn reach(&self, party: Party) -> Result<Line, Failure> {
        let stream = dial::open(&self.hosts.host(party).address).await?;
        let mut line = Line::new(stream, Codec::dialing(self.dialing[party].clone())?)?;
        line.handshake().await?;
        Ok(line)
    }

    async fn listen(self: Arc<Self>, listener: TcpListener, arrivals: Sender<Arrival>) {
        let mut guests = Guests::default();
        loop {
            match listener.accept().await {
                Ok((stream, from)) => {
                    let (ways, arrivals) = (self.clone(), arrivals.clone());
                    guests.admit(from.ip(), async move {
                        // A stranger, or somebody who tries again.
                        let _ = timeout(PATIENCE, ways.receive(stream, arrivals)).await;
                    });
                }
                Err(_) => {
                    guests.leave_half();
                    sleep(TICK).await;
                }
            }
        }
    }

    /// Finds out who has come, and passes on the other end of a link.
    async fn receive(&self, stream: tokio::net::TcpStream, arrivals: Sender<Arrival>) -> Result<(), Failure> {
        let mut line = Line::new(stream, Codec::listening(self.listening.clone())?)?;
        line.handshake().await?;
        let party = line.codec.peer().and_then(|peer| self.hosts.find(peer)).ok_or(Failure::Closed)?;
        // The other end of the channel is gone when nobody wants to know any more.
        if line.codec.protocol() != Some(proof::NAME) {
            let _ = arrivals.send(Arrival::Another { party, dialed: false });
            sleep(HOLD).await;
            return Ok(());
        }
        let challenge = random()?;
        line.send(&challenge).await?;
        let mut claim = [0; CLAIM];
        line.hear(&mut claim).await?;
        let secret = self.secrets.get(party).filter(|_| party < self.me);
        let Some(claim) = secret.and_then(|secret| secret.check(challenge, &claim)) else {
            line.send(&proof::another()).await?;
            line.leave().await;
            return Ok(());
        };
        let (socket, codec) = line.into_parts()?;
        let guest = Box::new(Guest { socket, claim, codec });
        let _ = arrivals.send(Arrival::Claimed { party, guest });
        Ok(())
    }
}

/// Random bytes for a challenge or in answer to one.
pub(super) fn random() -> io::Result<[u8; RANDOM]> {
    let mut bytes = [0; RANDOM];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::hosts::{Host, Timeouts};
    use super::super::identity::Identity;
    use super::*;

    /// Two parties and a third that nobody needs, with keys and ports of the two.
    struct World {
        hosts: Hosts,
        identities: Vec<Identity>,
        endpoints: Vec<Endpoint>,
    }

    impl World {
        fn new() -> Self {
            let day = Duration::from_secs(24 * 3600);
            let identities: Vec<Identity> =
                ["alice", "bob", "carol"].map(|name| Identity::generate(name, day).unwrap()).into();
            let endpoints: Vec<Endpoint> = (0..2).map(|_| Endpoint::bind("127.0.0.1:0").unwrap()).collect();
            let address = |party: usize| {
                let endpoint = endpoints.get(party).map(|endpoint| endpoint.address().unwrap().to_string());
                endpoint.unwrap_or_else(|| "127.0.0.1:1".to_owned())
            };
            let parties = identities.iter().enumerate().map(|(party, identity)| Host {
                name: party.to_string(),
                address: address(party),
                fingerprint: identity.fingerprint(),
                clients: None,
            });
            let (timeouts, clients) = (Timeouts::default(), Default::default());
            let parties = parties.collect();
            Self { hosts: Hosts { parties, timeouts, clients }, identities, endpoints }
        }

        /// The process of a party that has the secrets made from `seed`.
        fn process(&self, me: Party, seed: u8) -> Again {
            let identity = &self.identities[me.index()];
            let setup = Setup { hosts: &self.hosts, me, identity, network: None };
            let endpoint = self.endpoints.get(me.index()).map(|endpoint| endpoint.again().unwrap());
            let secrets = Peers::new(me, 3, |other| {
                let pair = (me.index() + other.index()) as u8;
                Secret::agree(&[seed; RANDOM], &[pair; RANDOM])
            });
            Again::start(setup, endpoint, secrets).unwrap()
        }
    }

    fn next(of: &Again) -> Arrival {
        of.arrivals.recv_timeout(Duration::from_secs(20)).expect("something comes")
    }

    /// Whoever dials learns that it is none of this run, whoever listens is not bothered.
    fn is_turned_away(dialing: &Again, listening: &Again) {
        dialing.dial(Party::P1, 70);
        assert!(matches!(next(dialing), Arrival::Another { party: Party::P1, dialed: true }));
        assert!(listening.arrival().is_none());
    }

    #[test]
    fn the_other_end_of_a_link_is_let_in() {
        let world = World::new();
        let (dialing, listening) = (world.process(Party::P0, 1), world.process(Party::P1, 1));
        for round in 0..2 {
            dialing.dial(Party::P1, 70 + round);
            let Arrival::Claimed { party: Party::P0, guest } = next(&listening) else { panic!("no claim") };
            assert_eq!(guest.claim.received, 70 + round);
            // Attempts are numbered upwards, so one that was overtaken is known.
            assert_eq!(guest.claim.attempt >> 32, 1 + round);
            let _socket = guest.accept(&Secret::agree(&[1; RANDOM], &[1; RANDOM]), 80).unwrap();
            let Arrival::Back { party: Party::P1, received: 80, .. } = next(&dialing) else {
                panic!("it is not back")
            };
        }
    }

    /// It has the certificate, and not the secret.
    #[test]
    fn another_process_of_a_party_is_not() {
        let world = World::new();
        let (dialing, listening) = (world.process(Party::P0, 2), world.process(Party::P1, 1));
        is_turned_away(&dialing, &listening);
    }

    /// The right certificate is no help to a party at the place of another one.
    #[test]
    fn another_party_is_not() {
        let world = World::new();
        let (dialing, listening) = (world.process(Party::P2, 1), world.process(Party::P1, 1));
        is_turned_away(&dialing, &listening);
    }

    /// Where nobody listens any more the process has ended, and if it was only the way that was closed, the link goes on all the same.
    #[test]
    fn a_refusal_is_told_and_no_end() {
        let mut world = World::new();
        let dialing = world.process(Party::P0, 1);
        world.endpoints.truncate(1);
        dialing.dial(Party::P1, 70);
        assert!(matches!(next(&dialing), Arrival::Gone { party: Party::P1 }));
        world.endpoints.push(Endpoint::bind(&world.hosts.host(Party::P1).address).unwrap());
        let listening = world.process(Party::P1, 1);
        let Arrival::Claimed { party: Party::P0, guest } = next(&listening) else { panic!("no claim") };
        let _socket = guest.accept(&Secret::agree(&[1; RANDOM], &[1; RANDOM]), 80).unwrap();
        assert!(matches!(next(&dialing), Arrival::Back { party: Party::P1, received: 80, .. }));
    }

    /// A party that is to dial is missed too, if its address has led to it; and not when it is there, or was never seen there.
    #[test]
    fn a_party_that_dials_is_missed_where_it_listened() {
        let mut world = World::new();
        let (dialing, listening) = (world.process(Party::P0, 1), world.process(Party::P1, 1));
        let (beyond, quiet) = (world.process(Party::P2, 1), Duration::from_secs(7));
        world.endpoints.clear();
        for process in [&listening, &beyond] {
            process.watch(Party::P0);
        }
        assert!(listening.arrivals.recv_timeout(quiet).is_err(), "it is there");
        drop(dialing);
        for process in [&listening, &beyond] {
            assert!(matches!(next(process), Arrival::Gone { party: Party::P0 }));
            process.rest(Party::P0);
            assert!(process.arrival().is_none(), "it is told once");
        }
        drop(listening);
        let stranger = world.process(Party::P2, 1);
        stranger.watch(Party::P0);
        assert!(stranger.arrivals.recv_timeout(quiet).is_err(), "nobody was ever seen there");
    }

    #[test]
    fn it_ends_at_once_and_its_port_is_free() {
        let world = World::new();
        let listening = world.process(Party::P1, 1);
        let dialing = world.process(Party::P0, 1);
        dialing.dial(Party::P2, 0); // where nobody is
        let address = world.hosts.host(Party::P1).address.clone();
        drop(world.endpoints);
        let begun = Instant::now();
        drop((listening, dialing));
        assert!(begun.elapsed() < Duration::from_secs(5));
        Endpoint::bind(&address).unwrap();
    }
}
