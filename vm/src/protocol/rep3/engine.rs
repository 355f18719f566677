//! Operations in flight, and the rounds that they share.
//!
//! An interactive operation is an async function: straight-line code in which every [`Op::round`] is one round of the program. It is polled when it is
//! issued, up to its first message, and once per round from then on, in the order of issue. Within a round, the messages to one
//! neighbour follow each other in that order, and so do those from it; sizes are known on both sides, so there are no
//! headers. Operations side by side within one instruction ([`join`]) are polled one after the other and follow the same rule.
//!
//! **Streaming.** What a round moves in all is known from the [`Plan`], so a message leaves as soon as its operation has been polled, while the next one is
//! computed. A message is lent: the operation gets it back with what it receives, since often it is a share of the result.
//!
//! Operations own their operands (dense copies made when they are issued) and the engine writes results when they are complete, so nothing is borrowed from
//! the registers in between. Their vectors come from a pool ([`Op::room`]) to which complete operations' vectors return.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tern_bytecode::model::rep3::Corner;
use tern_bytecode::{Program, Route};

use super::draw::Draw;
use super::meter::Meter;
use super::plan::Plan;
use crate::machine::{Address, Fault};
use crate::net::{Links, NetError, Pair, Party, Side, keys};
use crate::par::Threads;
use crate::prg::{Key, Stream, Values};
use crate::ring::Ring;

/// What all operations of a party use.
pub(super) struct World<R> {
    /// The party.
    pub(super) me: Party,
    /// Threads for kernels.
    pub(super) threads: Threads,
    keys: Pair<Key>,
    public: Key,
    mail: RefCell<Mail<R>>,
    pool: RefCell<Pool<R>>,
}

/// Bytes that the pool keeps: what a layer of a convolutional network has in flight.
const POOL: usize = 96 << 20;

/// Vectors that wait for their next use, those used last at the end.
struct Pool<R> {
    vectors: VecDeque<Vec<R>>,
    /// Elements that they have room for.
    elements: usize,
}

impl<R> Pool<R> {
    /// The vector used last of those whose room fits `n` elements: it may still be in the cache.
    fn take(&mut self, n: usize) -> Option<Vec<R>> {
        let fits = |vec: &Vec<R>| vec.capacity() >= n && vec.capacity() / 4 <= n;
        let at = self.vectors.iter().rposition(fits)?;
        let vec = self.vectors.remove(at)?;
        self.elements -= vec.capacity();
        Some(vec)
    }

    fn give(&mut self, vec: Vec<R>) {
        self.elements += vec.capacity();
        self.vectors.push_back(vec);
        while self.elements > POOL / size_of::<R>() {
            let oldest = self.vectors.pop_front();
            self.elements -= oldest.map_or(0, |oldest| oldest.capacity());
        }
    }
}

/// The messages of one round, by neighbour, in the order of issue.
struct Mail<R> {
    /// To be sent, with the instruction that each is for.
    outgoing: Pair<VecDeque<(u32, Message<R>)>>,
    /// Sent, to be given back.
    sent: Pair<VecDeque<Message<R>>>,
    /// Of the right sizes, to be filled.
    awaited: Pair<VecDeque<Message<R>>>,
    arrived: Pair<VecDeque<Message<R>>>,
}

/// A part of a round's message.
#[derive(Debug)]
pub(super) enum Message<R> {
    /// Ring elements.
    Elements(Vec<R>),
    /// Packed values or planes.
    Bytes(Vec<u8>),
}

impl<R: Ring> Message<R> {
    /// Room for `n` bytes.
    pub(super) fn bytes(n: usize) -> Self {
        Self::Bytes(vec![0; n])
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Message::Elements(elements) => bytemuck::cast_slice(elements),
            Message::Bytes(bytes) => bytes,
        }
    }

    fn as_bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Message::Elements(elements) => bytemuck::cast_slice_mut(elements),
            Message::Bytes(bytes) => bytes,
        }
    }

    /// The elements of a message that was awaited as such.
    pub(super) fn into_elements(self) -> Vec<R> {
        match self {
            Message::Elements(elements) => elements,
            Message::Bytes(_) => unreachable!("a message is what it was awaited as"),
        }
    }

    /// The bytes of a message that was awaited as such.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        match self {
            Message::Bytes(bytes) => bytes,
            Message::Elements(_) => unreachable!("a message is what it was awaited as"),
        }
    }
}

impl<R: Ring> World<R> {
    pub(super) fn new(me: Party, keys: &keys::Keys, public: Key, threads: Threads) -> Self {
        let keys = Pair::new(Key::new(&keys.next), Key::new(&keys.prev));
        let empty = || Pair::from_fn(|_| VecDeque::new());
        let outgoing = Pair::from_fn(|_| VecDeque::new());
        let mail = Mail { outgoing, sent: empty(), awaited: empty(), arrived: empty() };
        Self {
            me,
            threads,
            keys,
            public,
            mail: RefCell::new(mail),
            pool: RefCell::new(Pool { vectors: VecDeque::new(), elements: 0 }),
        }
    }

    /// A vector of `n` elements, which may be anything.
    pub(super) fn room(&self, n: usize) -> Vec<R> {
        let mut room = self.pool.borrow_mut().take(n).unwrap_or_default();
        room.resize(n, R::ZERO);
        room
    }

    /// Takes back a vector that is not needed any more.
    pub(super) fn recycle(&self, vec: Vec<R>) {
        if vec.capacity() > 0 {
            self.pool.borrow_mut().give(vec);
        }
    }

    /// The key that this party has in common with the neighbour on `side` alone.
    pub(super) fn key(&self, side: Side) -> &Key {
        &self.keys[side]
    }
}

/// Links by hand, for tests of what travels on them.
#[cfg(test)]
impl<R: Ring> World<R> {
    /// What was written to one side since the last time.
    pub(super) fn take_outgoing(&self, side: Side) -> Vec<u8> {
        let mut mail = self.mail.borrow_mut();
        let messages: Vec<_> = mail.outgoing[side].drain(..).map(|(_, message)| message).collect();
        let bytes = messages.iter().flat_map(|message| message.as_bytes().to_vec()).collect();
        mail.sent[side].extend(messages);
        bytes
    }

    /// Fills what is awaited from one side.
    pub(super) fn deliver(&self, side: Side, mut bytes: &[u8]) {
        let mut mail = self.mail.borrow_mut();
        let mut awaited = std::mem::take(&mut mail.awaited[side]);
        for room in &mut awaited {
            let (now, later) = bytes.split_at(room.as_bytes().len());
            room.as_bytes_mut().copy_from_slice(now);
            bytes = later;
        }
        assert!(bytes.is_empty(), "more was sent than is awaited");
        mail.arrived[side].extend(awaited);
    }
}

/// The part that a party plays in an operation with a corner; see [`Corner`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Knows the addend a.
    Corner,
    /// Knows the addend b, and receives nothing from the corner.
    A,
    /// Knows the addend b, and receives what the corner sends.
    B,
}

impl Role {
    /// The other of A and B.
    pub(super) fn partner(self) -> Role {
        match self {
            Role::A => Role::B,
            Role::Corner | Role::B => Role::A,
        }
    }
}

/// One execution of an interactive instruction, as one party sees it.
pub(super) struct Op<'w, R> {
    pub(super) world: &'w World<R>,
    address: Address,
    route: Corner,
}

impl<R> Clone for Op<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Op<'_, R> {}

impl<'w, R: Ring> Op<'w, R> {
    /// # Errors
    /// If the loops around it run more often than streams can be addressed.
    pub(super) fn new(world: &'w World<R>, address: Address, route: Route) -> Result<Self, Fault> {
        Stream::new(&world.public, 0, address.instruction, address.iteration)?;
        Ok(Self { world, address, route: Corner(route) })
    }

    pub(super) fn role(self) -> Role {
        match self.world.me.index() {
            i if i == self.route.party() => Role::Corner,
            i if i == self.route.a() => Role::A,
            _ => Role::B,
        }
    }

    /// The side of this party on which the party with another role stands.
    pub(super) fn side(self, role: Role) -> Side {
        let party = match role {
            Role::Corner => self.route.party(),
            Role::A => self.route.a(),
            Role::B => self.route.b(),
        };
        self.side_at(party)
    }

    /// The side to which this party sends when everybody sends around the ring.
    pub(super) fn onward(self) -> Side {
        self.onward_of(self.world.me)
    }

    /// The side of this party on which `party`, another one, stands.
    pub(super) fn side_of(self, party: Party) -> Side {
        self.side_at(party.index())
    }

    /// The party to which `party` sends around the ring.
    pub(super) fn after(self, party: Party) -> Party {
        party.at(self.onward_of(party))
    }

    fn onward_of(self, party: Party) -> Side {
        if self.route.onward(party.index()) == party.next().index() { Side::Next } else { Side::Prev }
    }

    fn side_at(self, party: usize) -> Side {
        if party == self.world.me.next().index() { Side::Next } else { Side::Prev }
    }

    /// The stream that this party and the neighbour on `side` have in common.
    pub(super) fn stream(self, side: Side, draw: Draw) -> Stream<'w> {
        self.stream_of(self.world.key(side), draw.number())
    }

    /// The stream that everybody knows.
    pub(super) fn public_stream(self, draw: Draw) -> Stream<'w> {
        self.stream_of(&self.world.public, draw.number())
    }

    fn stream_of(self, key: &'w Key, purpose: u16) -> Stream<'w> {
        Stream::new(key, purpose, self.address.instruction, self.address.iteration)
            .expect("the address was checked when the operation was made")
    }

    /// Elements that this party and the neighbour on `side` have in common, as masks.
    pub(super) fn masks(self, side: Side, draw: Draw) -> Values<'w> {
        self.stream(side, draw).values(R::BITS)
    }

    /// The same of `bits` bits.
    pub(super) fn narrow(self, side: Side, draw: Draw, bits: u32) -> Values<'w> {
        self.stream(side, draw).values(bits)
    }

    /// The same in words.
    pub(super) fn words(self, side: Side, draw: Draw, n: usize) -> Vec<u64> {
        let mut words = vec![0; n];
        self.stream(side, draw).fill(&self.world.threads, 0, &mut words);
        words
    }

    /// A vector of `n` elements, which may be anything.
    pub(super) fn room(self, n: usize) -> Vec<R> {
        self.world.room(n)
    }

    /// Takes back a vector that is not needed any more.
    pub(super) fn recycle(self, vec: Vec<R>) {
        self.world.recycle(vec);
    }

    /// `n` new elements: f(\[masks\[0\]\[i\], …\], \[src\[0\]\[i\], …\]).
    pub(super) fn make<const S: usize, const T: usize>(
        self,
        n: usize,
        masks: [Values<'_>; S],
        src: [&[R]; T],
        f: impl Fn([R; S], [R; T]) -> R + Sync,
    ) -> Vec<R> {
        let mut made = self.room(n);
        Values::combine(&self.world.threads, &mut made, masks, src, move |_, masks, src| f(masks, src));
        made
    }

    /// dst\[i\] = f(dst\[i\], \[masks\[0\]\[i\], …\], \[src\[0\]\[i\], …\]).
    pub(super) fn each<const S: usize, const T: usize>(
        self,
        dst: &mut [R],
        masks: [Values<'_>; S],
        src: [&[R]; T],
        f: impl Fn(R, [R; S], [R; T]) -> R + Sync,
    ) {
        Values::combine(&self.world.threads, dst, masks, src, f);
    }

    /// One round: sends and receives in the given orders. Gives back what was sent, and what was received.
    pub(super) async fn round<const S: usize, const N: usize>(
        self,
        send: [(Side, Message<R>); S],
        receive: [(Side, Message<R>); N],
    ) -> ([Message<R>; S], [Message<R>; N]) {
        let (to, from) = (send.each_ref().map(|(side, _)| *side), receive.each_ref().map(|(side, _)| *side));
        {
            let mut mail = self.world.mail.borrow_mut();
            for (side, message) in send {
                mail.outgoing[side].push_back((self.address.instruction, message));
            }
            receive.into_iter().for_each(|(side, room)| mail.awaited[side].push_back(room));
        }
        let mut over = false;
        poll_fn(|_| if std::mem::replace(&mut over, true) { Poll::Ready(()) } else { Poll::Pending }).await;
        let mut mail = self.world.mail.borrow_mut();
        let sent = to.map(|side| mail.sent[side].pop_front().expect("the round sent what it was given"));
        let received =
            from.map(|side| mail.arrived[side].pop_front().expect("the round filled what was awaited"));
        (sent, received)
    }

    /// A round in which this party only sends.
    pub(super) async fn tell<const S: usize>(self, send: [(Side, Message<R>); S]) -> [Message<R>; S] {
        self.round(send, []).await.0
    }

    /// A round in which this party only receives.
    pub(super) async fn hear<const N: usize>(self, receive: [(Side, Message<R>); N]) -> [Message<R>; N] {
        self.round([], receive).await.1
    }

    /// A round in which others are busy.
    pub(super) async fn idle(self) {
        self.round([], []).await;
    }

    /// A round in which elements go `to` one side and equally many come `from` one. Gives both.
    pub(super) async fn pass(self, to: Side, ours: Vec<R>, from: Side) -> (Vec<R>, Vec<R>) {
        let room = Message::Elements(self.room(ours.len()));
        let ([ours], [theirs]) = self.round([(to, Message::Elements(ours))], [(from, room)]).await;
        (ours.into_elements(), theirs.into_elements())
    }

    /// The same with bytes; gives what comes.
    pub(super) async fn pass_bytes(self, to: Side, ours: Vec<u8>, from: Side) -> Vec<u8> {
        let room = Message::bytes(ours.len());
        let (_, [theirs]) = self.round([(to, Message::Bytes(ours))], [(from, room)]).await;
        theirs.into_bytes()
    }
}

/// Two operations side by side, from the same round on.
pub(super) async fn join<T, U>(first: impl Future<Output = T>, second: impl Future<Output = U>) -> (T, U) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut one, mut two) = (None, None);
    poll_fn(|context| {
        if one.is_none()
            && let Poll::Ready(result) = first.as_mut().poll(context)
        {
            one = Some(result);
        }
        if two.is_none()
            && let Poll::Ready(result) = second.as_mut().poll(context)
        {
            two = Some(result);
        }
        match (one.take(), two.take()) {
            (Some(one), Some(two)) => Poll::Ready((one, two)),
            (first, second) => {
                (one, two) = (first, second);
                Poll::Pending
            }
        }
    })
    .await
}

/// The operations in flight, with results of type `T`.
pub(super) struct Engine<'w, R, T> {
    world: &'w World<R>,
    links: &'w mut Links,
    plan: Plan,
    /// Whether the round in progress has begun at the links.
    begun: bool,
    flights: Vec<Flight<'w, T>>,
    pub(super) meter: Meter,
}

struct Flight<'w, T> {
    instruction: u32,
    operation: Pin<Box<dyn Future<Output = T> + 'w>>,
}

impl<'w, R: Ring, T> Engine<'w, R, T> {
    /// An engine for a valid program.
    pub(super) fn new(world: &'w World<R>, links: &'w mut Links, program: &Program) -> Self {
        let (plan, meter) = (Plan::new(program, world.me), Meter::new(program.code.len()));
        Self { world, links, plan, begun: false, flights: Vec::new(), meter }
    }

    /// What was measured.
    pub(super) fn into_meter(self) -> Meter {
        self.meter
    }

    /// Starts the operation of instruction `at`; gives its result if it takes no rounds.
    pub(super) fn issue(
        &mut self,
        at: u32,
        operation: impl Future<Output = T> + 'w,
    ) -> Result<Option<T>, NetError> {
        let mut operation: Pin<Box<dyn Future<Output = T> + 'w>> = Box::pin(operation);
        let polled = operation.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        self.post(at)?;
        Ok(match polled {
            Poll::Ready(result) => Some(result),
            Poll::Pending => {
                self.flights.push(Flight { instruction: at, operation });
                None
            }
        })
    }

    /// Sends a part of a message of the round in which `at` is issued, without an operation.
    pub(super) fn transmit(&mut self, at: u32, side: Side, bytes: &[u8]) -> Result<(), NetError> {
        let before = self.links.traffic();
        self.begin(at)?;
        self.links.send(side, bytes)?;
        self.meter.sent(at, bytes.len());
        self.meter.waited(at, before, self.links);
        Ok(())
    }

    /// The sending half of a round, in instruction `at`: most has left before.
    pub(super) fn send(&mut self, at: u32) -> Result<(), NetError> {
        self.begin(at)
    }

    /// The receiving half, in instruction `at`: every operation goes one round further. Gives the results of those that end here, with their instructions.
    pub(super) fn receive(&mut self, at: u32) -> Result<Vec<(u32, T)>, NetError> {
        self.collect(at)?;
        self.begun = false;
        let mut results = Vec::new();
        let mut flights = std::mem::take(&mut self.flights);
        for mut flight in flights.drain(..) {
            let started = Instant::now();
            let polled = flight.operation.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            self.meter.worked(at, flight.instruction, started);
            self.post(at)?;
            match polled {
                Poll::Ready(result) => results.push((flight.instruction, result)),
                Poll::Pending => self.flights.push(flight),
            }
        }
        Ok(results)
    }

    /// Announces the round of what is issued at `at`, unless that was done.
    fn begin(&mut self, at: u32) -> Result<(), NetError> {
        if !std::mem::replace(&mut self.begun, true) {
            let round = self.plan.round(at);
            self.links.begin(round.sent, round.received)?;
        }
        Ok(())
    }

    /// Lets the messages leave that an operation has written when it was polled in instruction `at`.
    fn post(&mut self, at: u32) -> Result<(), NetError> {
        let before = self.links.traffic();
        let world = self.world;
        let mut mail = world.mail.borrow_mut();
        for side in Side::BOTH {
            while let Some((instruction, message)) = mail.outgoing[side].pop_front() {
                self.begin(at)?;
                self.links.send(side, message.as_bytes())?;
                self.meter.sent(instruction, message.as_bytes().len());
                mail.sent[side].push_back(message);
            }
        }
        self.meter.waited(at, before, self.links);
        Ok(())
    }

    /// Takes what the round brings.
    fn collect(&mut self, at: u32) -> Result<(), NetError> {
        let before = self.links.traffic();
        let mut mail = self.world.mail.borrow_mut();
        for side in Side::BOTH {
            let mut awaited = std::mem::take(&mut mail.awaited[side]);
            for message in &mut awaited {
                self.links.receive(side, message.as_bytes_mut())?;
            }
            mail.arrived[side] = awaited;
        }
        self.meter.waited(at, before, self.links);
        self.meter.round(at);
        Ok(())
    }
}
