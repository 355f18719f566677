//! Operations in flight, and the rounds that they share.
//!
//! An interactive operation is an async function: straight-line code in which every [`Op::round`] is one round of the program. It is polled when it is
//! issued, up to its first message, and once per round from then on, in the order of issue. Within a round, the messages to one
//! neighbour follow each other in that order, and so do those from it; sizes are known on both sides, so there are no
//! headers. Operations side by side within one instruction ([`join`]) are polled one after the other and follow the same rule.
//!
//! Operations own their operands (dense copies made when they are issued) and the engine writes results when they are complete, so nothing is borrowed from
//! the registers in between.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tern_bytecode::Route;

use super::draw::Draw;
use super::meter::Meter;
use crate::machine::{Address, Fault};
use crate::net::{Links, NetError, Pair, Party, Side, keys};
use crate::par::Threads;
use crate::prg::{Key, Stream};
use crate::ring::{Layout, Ring, View, ViewMut, views};

/// What all operations of a party use.
pub(super) struct World<R> {
    /// The party.
    pub(super) me: Party,
    /// Threads for kernels.
    pub(super) threads: Threads,
    keys: Pair<Key>,
    public: Key,
    mail: RefCell<Mail<R>>,
}

/// The messages of one round, by neighbour, in the order of issue.
struct Mail<R> {
    /// With the instructions that they are for.
    outgoing: Pair<VecDeque<(u32, Message<R>)>>,
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
    /// Room for `n` elements.
    pub(super) fn elements(n: usize) -> Self {
        Self::Elements(vec![R::ZERO; n])
    }

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
        let mail = RefCell::new(Mail { outgoing, awaited: empty(), arrived: empty() });
        Self { me, threads, keys, public, mail }
    }

    /// The key that this party has in common with the neighbour on `side` alone.
    pub(super) fn key(&self, side: Side) -> &Key {
        &self.keys[side]
    }
}

/// The part that a party plays in an operation with a corner; see [`Route`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Knows the addend a.
    Corner,
    /// Knows the addend b, and receives nothing from the corner.
    A,
    /// Knows the addend b, and receives what the corner sends.
    B,
}

/// One execution of an interactive instruction, as one party sees it.
pub(super) struct Op<'w, R> {
    pub(super) world: &'w World<R>,
    address: Address,
    route: Route,
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
        Ok(Self { world, address, route })
    }

    pub(super) fn role(self) -> Role {
        match self.world.me.index() {
            i if i == self.route.corner() => Role::Corner,
            i if i == self.route.a() => Role::A,
            _ => Role::B,
        }
    }

    /// The side of this party on which the party with another role stands.
    pub(super) fn side(self, role: Role) -> Side {
        let party = match role {
            Role::Corner => self.route.corner(),
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

    /// Random elements that this party and the neighbour on `side` have in common.
    pub(super) fn elements(self, side: Side, draw: Draw, n: usize) -> Vec<R> {
        let mut elements = vec![R::ZERO; n];
        self.stream(side, draw).fill(&self.world.threads, 0, &mut elements);
        elements
    }

    /// The same of `bits` bits.
    pub(super) fn values(self, side: Side, draw: Draw, bits: u32, n: usize) -> Vec<R> {
        let mut values = vec![R::ZERO; n];
        self.stream(side, draw).fill_bits(&self.world.threads, bits, 0, &mut values);
        values
    }

    /// The same in words.
    pub(super) fn words(self, side: Side, draw: Draw, n: usize) -> Vec<u64> {
        let mut words = vec![0; n];
        self.stream(side, draw).fill(&self.world.threads, 0, &mut words);
        words
    }

    /// dst\[i\] = f(dst\[i\], \[src\[0\]\[i\], …\]).
    pub(super) fn each<const S: usize>(
        self,
        dst: &mut [R],
        src: [&[R]; S],
        f: impl Fn(R, [R; S]) -> R + Sync,
    ) {
        let layout = Layout::contiguous(&[dst.len()]);
        let src = src.map(|data| View::new(data, &layout));
        views::apply(&self.world.threads, ViewMut::new(dst, &layout), src, f);
    }

    /// One round: sends and receives in the given orders. Gives what was received.
    pub(super) async fn round<const N: usize>(
        self,
        send: impl IntoIterator<Item = (Side, Message<R>)>,
        receive: [(Side, Message<R>); N],
    ) -> [Message<R>; N] {
        let from = receive.each_ref().map(|(side, _)| *side);
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
        from.map(|side| mail.arrived[side].pop_front().expect("the round filled what was awaited"))
    }

    /// A round in which this party only sends.
    pub(super) async fn tell(self, send: impl IntoIterator<Item = (Side, Message<R>)>) {
        self.round(send, []).await;
    }

    /// A round in which this party only receives.
    pub(super) async fn hear<const N: usize>(self, receive: [(Side, Message<R>); N]) -> [Message<R>; N] {
        self.round([], receive).await
    }

    /// A round in which others are busy.
    pub(super) async fn idle(self) {
        self.round([], []).await;
    }

    /// A round in which this party and the one on `side` send each other equally many bytes.
    pub(super) async fn swap_bytes(self, side: Side, ours: Vec<u8>) -> Vec<u8> {
        let room = Message::bytes(ours.len());
        let [theirs] = self.round([(side, Message::Bytes(ours))], [(side, room)]).await;
        theirs.into_bytes()
    }

    /// A round in which this party and the one on `side` send each other equally many elements.
    pub(super) async fn swap_elements(self, side: Side, ours: Vec<R>) -> Vec<R> {
        let room = Message::elements(ours.len());
        let [theirs] = self.round([(side, Message::Elements(ours))], [(side, room)]).await;
        theirs.into_elements()
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
    flights: Vec<Flight<'w, T>>,
    pub(super) meter: Meter,
}

struct Flight<'w, T> {
    instruction: u32,
    operation: Pin<Box<dyn Future<Output = T> + 'w>>,
}

impl<'w, R: Ring, T> Engine<'w, R, T> {
    /// An engine for a program of so many instructions.
    pub(super) fn new(world: &'w World<R>, links: &'w mut Links, instructions: usize) -> Self {
        Self { world, links, flights: Vec::new(), meter: Meter::new(instructions) }
    }

    /// What was measured.
    pub(super) fn into_meter(self) -> Meter {
        self.meter
    }

    /// Starts the operation of an instruction; gives its result if it takes no rounds.
    pub(super) fn issue(&mut self, instruction: u32, operation: impl Future<Output = T> + 'w) -> Option<T> {
        let mut operation: Pin<Box<dyn Future<Output = T> + 'w>> = Box::pin(operation);
        match operation.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => {
                self.flights.push(Flight { instruction, operation });
                None
            }
        }
    }

    /// The sending half of a round, in instruction `at`.
    pub(super) fn send(&mut self, at: u32) -> Result<(), NetError> {
        let before = self.links.traffic();
        let mut mail = self.world.mail.borrow_mut();
        let bytes = |queue: &VecDeque<(u32, Message<R>)>| queue.iter().map(|(_, m)| m.as_bytes().len()).sum();
        let room = |queue: &VecDeque<Message<R>>| queue.iter().map(|m| m.as_bytes().len()).sum();
        self.links.begin(mail.outgoing.as_ref().map(bytes), mail.awaited.as_ref().map(room))?;
        for side in Side::BOTH {
            for (instruction, message) in mail.outgoing[side].drain(..) {
                self.links.send(side, message.as_bytes())?;
                self.meter.sent(instruction, message.as_bytes().len());
            }
        }
        self.meter.waited(at, before, self.links);
        Ok(())
    }

    /// The receiving half, in instruction `at`: every operation goes one round further. Gives the results of those that end here, with their instructions.
    pub(super) fn receive(&mut self, at: u32) -> Result<Vec<(u32, T)>, NetError> {
        let before = self.links.traffic();
        for side in Side::BOTH {
            let mut awaited = std::mem::take(&mut self.world.mail.borrow_mut().awaited[side]);
            for message in &mut awaited {
                self.links.receive(side, message.as_bytes_mut())?;
            }
            self.world.mail.borrow_mut().arrived[side] = awaited;
        }
        self.meter.waited(at, before, self.links);
        self.meter.round(at);
        let mut results = Vec::new();
        let (context, meter) = (&mut Context::from_waker(Waker::noop()), &mut self.meter);
        self.flights.retain_mut(|Flight { instruction, operation }| {
            let started = Instant::now();
            let polled = operation.as_mut().poll(context);
            meter.worked(at, *instruction, started);
            match polled {
                Poll::Ready(result) => {
                    results.push((*instruction, result));
                    false
                }
                Poll::Pending => true,
            }
        });
        Ok(results)
    }
}
