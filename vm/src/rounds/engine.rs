//! Operations in flight, and the rounds that they share.
//!
//! An interactive operation is an async function: straight-line code in which every [`Op::round`] is one round of the program. It is polled when it is
//! issued, up to its first message, and once per round from then on, in the order of issue. Within a round, the messages to one
//! party follow each other in that order, and so do those from it; sizes are known at both, so there are no
//! headers. Operations side by side within one instruction ([`join`]) are polled one after the other and follow the same rule.
//!
//! **Streaming.** What a round moves in all is known from the [`Plan`], so a message leaves as soon as its operation has been polled, while the next one is
//! computed. A message is lent: the operation gets it back with what it receives, since often it is a share of the result.
//!
//! Operations own their operands (dense copies made when they are issued) and the engine writes results when they are complete, so nothing is borrowed from
//! the registers in between. Their vectors come from a pool ([`Op::room`]) to which complete operations' vectors return.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tern_bytecode::Program;

use super::meter::Meter;
use super::pack::{pack_into, pack_planes, packed, unpack_planes};
use super::plan::Plan;
use super::wire::Wire;
use crate::bits::words;
use crate::machine::{Address, Fault};
use crate::net::{Counted, Links, NetError, Party, Peers};
use crate::par::Threads;
use crate::prg::{self, Key, Stream, Values};
use crate::ring::Ring;
use crate::scarce;

/// What all operations of a party use, whatever the protocol.
pub(crate) struct World<R> {
    /// The party.
    pub(crate) me: Party,
    /// How many there are.
    pub(crate) parties: usize,
    /// Threads for kernels.
    pub(crate) threads: Threads,
    /// The rounds that have ended.
    round: Cell<u64>,
    mail: RefCell<Mail<R>>,
    pool: RefCell<Pool<R>>,
}

/// Bytes that the pool keeps: what a layer of a convolutional network has in flight.
const POOL: usize = tern_bytecode::memory::POOL as usize;
const _: () = assert!(tern_bytecode::memory::KEPT as usize == crate::erase::KEPT, "the announced memory");

/// Vectors that wait for their next use, those used last at the end.
struct Pool<R> {
    vectors: VecDeque<Vec<R>>,
    /// Elements that they have room for.
    elements: usize,
}

impl<R> Pool<R> {
    /// The vector used last of those whose room fits `n` elements: it may still be in the cache. It may become a register's, which then has it for
    /// long: so it is not much larger.
    fn take(&mut self, n: usize) -> Option<Vec<R>> {
        let fits = |vec: &Vec<R>| vec.capacity() >= n && vec.capacity() / 2 <= n;
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

/// The messages of one round, by party, in the order of issue.
struct Mail<R> {
    /// To be sent, with the instruction that each is for.
    outgoing: Peers<VecDeque<(u32, Message<R>)>>,
    /// Sent, to be given back.
    sent: Peers<VecDeque<Message<R>>>,
    /// Of the right sizes, to be filled.
    awaited: Peers<VecDeque<Message<R>>>,
    arrived: Peers<VecDeque<Message<R>>>,
}

/// A part of a round's message.
#[derive(Debug)]
pub(crate) enum Message<R> {
    /// Ring elements.
    Elements(Vec<R>),
    /// Packed values or planes.
    Bytes(Vec<u8>),
    /// So many bytes, packed in the room of elements, which is used again.
    Packed(Vec<R>, usize),
    /// Planes of bits that fill whole words, which travel as they are.
    Words(Vec<u64>),
}

impl<R: Ring> Message<R> {
    /// Room for `n` bytes.
    pub(crate) fn bytes(n: usize) -> Self {
        Self::Bytes(vec![0; n])
    }

    /// Planes of `n` bits, each in whole words.
    pub(crate) fn planes(planes: Vec<u64>, n: usize) -> Self {
        match n.is_multiple_of(64) {
            true => Self::Words(planes),
            false => Self::Bytes(pack_planes(&planes, n)),
        }
    }

    /// Room for `count` of these.
    pub(crate) fn room_for_planes(count: usize, n: usize) -> Self {
        match n.is_multiple_of(64) {
            true => Self::Words(vec![0; count * words(n)]),
            false => Self::bytes(count * n.div_ceil(8)),
        }
    }

    /// The planes of a message that was made or awaited as `count` of these.
    pub(crate) fn into_planes(self, count: usize, n: usize) -> Vec<u64> {
        match self {
            Message::Words(planes) => planes,
            other => unpack_planes(&other.into_bytes(), n, count),
        }
    }

    /// How many bytes travel.
    fn length(&self) -> usize {
        match self {
            Message::Elements(elements) => Wire::length::<R>(elements.len()),
            Message::Bytes(_) | Message::Packed(..) | Message::Words(_) => self.as_bytes().len(),
        }
    }

    /// As they are in memory, which is how they travel, elements aside.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Message::Elements(elements) => bytemuck::cast_slice(elements),
            Message::Bytes(bytes) => bytes,
            Message::Packed(room, len) => &bytemuck::cast_slice(room)[..*len],
            Message::Words(words) => bytemuck::cast_slice(words),
        }
    }

    fn as_bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Message::Elements(elements) => bytemuck::cast_slice_mut(elements),
            Message::Bytes(bytes) => bytes,
            Message::Packed(room, len) => &mut bytemuck::cast_slice_mut(room)[..*len],
            Message::Words(words) => bytemuck::cast_slice_mut(words),
        }
    }

    /// The elements of a message that was awaited as such.
    pub(crate) fn into_elements(self) -> Vec<R> {
        match self {
            Message::Elements(elements) => elements,
            Message::Bytes(_) | Message::Packed(..) | Message::Words(_) => {
                unreachable!("a message is what it was awaited as")
            }
        }
    }

    /// The bytes of a message that was awaited as such.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        match self {
            Message::Bytes(bytes) => bytes,
            Message::Elements(_) | Message::Packed(..) | Message::Words(_) => {
                unreachable!("a message is what it was awaited as")
            }
        }
    }
}

impl<R: Ring> World<R> {
    pub(crate) fn new(me: Party, parties: usize, threads: Threads) -> Self {
        let empty = || Peers::new(me, parties, |_| VecDeque::new());
        let outgoing = Peers::new(me, parties, |_| VecDeque::new());
        let mail = Mail { outgoing, sent: empty(), awaited: empty(), arrived: empty() };
        let pool = Pool { vectors: VecDeque::new(), elements: 0 };
        let round = Cell::new(0);
        Self { me, parties, threads, round, mail: RefCell::new(mail), pool: RefCell::new(pool) }
    }

    /// The rounds of the program that have ended, counted from its begin.
    pub(crate) fn round(&self) -> u64 {
        self.round.get()
    }

    /// A vector of `n` elements, which may be anything.
    pub(crate) fn room(&self, n: usize) -> Vec<R> {
        let pooled = self.pool.borrow_mut().take(n);
        // new memory of the system is zero already, and is not written here; without any, it ends as everywhere
        let Some(mut room) = pooled else { return scarce::zeros(n).unwrap_or_else(|_| vec![R::ZERO; n]) };
        room.resize(n, R::ZERO);
        room
    }

    /// Takes back a vector that is not needed any more.
    pub(crate) fn recycle(&self, vec: Vec<R>) {
        if vec.capacity() > 0 {
            self.pool.borrow_mut().give(vec);
        }
    }
}

/// Links by hand, for tests of what travels on them.
#[cfg(test)]
impl<R: Ring> World<R> {
    /// What was written to one party since the last time.
    pub(crate) fn take_outgoing(&self, to: Party) -> Vec<u8> {
        let mut mail = self.mail.borrow_mut();
        let messages: Vec<_> = mail.outgoing[to].drain(..).map(|(_, message)| message).collect();
        let bytes = messages.iter().flat_map(|message| message.as_bytes().to_vec()).collect();
        mail.sent[to].extend(messages);
        bytes
    }

    /// Fills what is awaited from one party.
    pub(crate) fn deliver(&self, from: Party, mut bytes: &[u8]) {
        let mut mail = self.mail.borrow_mut();
        let mut awaited = std::mem::take(&mut mail.awaited[from]);
        for room in &mut awaited {
            let (now, later) = bytes.split_at(room.as_bytes().len());
            room.as_bytes_mut().copy_from_slice(now);
            bytes = later;
        }
        assert!(bytes.is_empty(), "more was sent than is awaited");
        mail.arrived[from].extend(awaited);
    }
}

/// One execution of an interactive instruction, as one party sees it. Protocols add to it what they call by names of their own: roles, keys, purposes.
pub(crate) struct Op<'w, R> {
    world: &'w World<R>,
    address: Address,
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
    pub(crate) fn new(world: &'w World<R>, address: Address) -> Result<Self, Fault> {
        prg::check_counter(address.iteration)?;
        Ok(Self { world, address })
    }

    /// Its place in the run.
    pub(crate) fn address(self) -> Address {
        self.address
    }

    /// The stream of a key for one purpose.
    pub(crate) fn stream(self, key: &'w Key, purpose: u16) -> Stream<'w> {
        Stream::new(key, purpose, self.address.instruction, self.address.iteration)
            .expect("the address was checked when the operation was made")
    }

    /// A vector of `n` elements, which may be anything.
    pub(crate) fn room(self, n: usize) -> Vec<R> {
        self.world.room(n)
    }

    /// Takes back a vector that is not needed any more.
    pub(crate) fn recycle(self, vec: Vec<R>) {
        self.world.recycle(vec);
    }

    /// Room for a message of `n` packed bytes, which may be anything.
    pub(crate) fn packed(self, n: usize) -> Message<R> {
        Message::Packed(self.room(n.div_ceil(size_of::<R>())), n)
    }

    /// The lowest `bits` bits of every value as a message.
    pub(crate) fn pack(self, values: &[R], bits: u32) -> Message<R> {
        let mut message = self.packed(packed(values.len(), bits));
        pack_into(values, bits, message.as_bytes_mut());
        message
    }

    /// Takes back the room of such a message.
    pub(crate) fn unpacked(self, message: Message<R>) {
        if let Message::Packed(room, _) = message {
            self.recycle(room);
        }
    }

    /// `n` new elements: f(\[masks\[0\]\[i\], …\], \[src\[0\]\[i\], …\]).
    pub(crate) fn make<const S: usize, const T: usize>(
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

    /// The lowest `bits` bits of the same as a message.
    pub(crate) fn make_packed<const S: usize, const T: usize>(
        self,
        n: usize,
        bits: u32,
        masks: [Values<'_>; S],
        src: [&[R]; T],
        f: impl Fn([R; S], [R; T]) -> R + Sync,
    ) -> Message<R> {
        let mut message = self.packed(packed(n, bits));
        Values::combine_packed(&self.world.threads, message.as_bytes_mut(), (n, bits), masks, src, f);
        message
    }

    /// dst\[i\] = f(dst\[i\], \[masks\[0\]\[i\], …\], \[src\[0\]\[i\], …\]).
    pub(crate) fn each<const S: usize, const T: usize>(
        self,
        dst: &mut [R],
        masks: [Values<'_>; S],
        src: [&[R]; T],
        f: impl Fn(R, [R; S], [R; T]) -> R + Sync,
    ) {
        Values::combine(&self.world.threads, dst, masks, src, f);
    }

    /// One round: sends and receives in the given orders. Gives back what was sent, and what was received.
    pub(crate) async fn round<const S: usize, const N: usize>(
        self,
        send: [(Party, Message<R>); S],
        receive: [(Party, Message<R>); N],
    ) -> ([Message<R>; S], [Message<R>; N]) {
        let (to, from) = (send.each_ref().map(|(to, _)| *to), receive.each_ref().map(|(from, _)| *from));
        self.give(send);
        self.await_from(receive);
        next_round().await;
        let mut mail = self.world.mail.borrow_mut();
        (to.map(|to| mail.take_sent(to)), from.map(|from| mail.take_arrived(from)))
    }

    /// The same with any number of messages.
    pub(crate) async fn round_of(
        self,
        send: Vec<(Party, Message<R>)>,
        receive: Vec<(Party, Message<R>)>,
    ) -> (Vec<Message<R>>, Vec<Message<R>>) {
        let to: Vec<Party> = send.iter().map(|(to, _)| *to).collect();
        let from: Vec<Party> = receive.iter().map(|(from, _)| *from).collect();
        self.give(send);
        self.await_from(receive);
        next_round().await;
        let mut mail = self.world.mail.borrow_mut();
        let sent = to.into_iter().map(|to| mail.take_sent(to)).collect();
        (sent, from.into_iter().map(|from| mail.take_arrived(from)).collect())
    }

    fn give(self, send: impl IntoIterator<Item = (Party, Message<R>)>) {
        let mut mail = self.world.mail.borrow_mut();
        for (to, message) in send {
            mail.outgoing[to].push_back((self.address.instruction, message));
        }
    }

    fn await_from(self, receive: impl IntoIterator<Item = (Party, Message<R>)>) {
        let mut mail = self.world.mail.borrow_mut();
        receive.into_iter().for_each(|(from, room)| mail.awaited[from].push_back(room));
    }
}

impl<R> Mail<R> {
    fn take_sent(&mut self, to: Party) -> Message<R> {
        self.sent[to].pop_front().expect("the round sent what it was given")
    }

    fn take_arrived(&mut self, from: Party) -> Message<R> {
        self.arrived[from].pop_front().expect("the round filled what was awaited")
    }
}

/// Until the messages of this round are here.
async fn next_round() {
    let mut over = false;
    poll_fn(|_| if std::mem::replace(&mut over, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Two operations side by side, from the same round on.
pub(crate) async fn join<T, U>(first: impl Future<Output = T>, second: impl Future<Output = U>) -> (T, U) {
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

/// An engine between two rounds, whatever its operations give.
pub trait Running {
    /// The links.
    fn links(&mut self) -> &mut Links;

    /// What was counted so far.
    fn progress(&self) -> Vec<u8>;

    /// Goes on counting from there; `None` if that is not what [`progress`](Self::progress) gave.
    fn resume(&mut self, progress: &[u8]) -> Option<()>;
}

/// The operations in flight, with results of type `T`.
pub(crate) struct Engine<'w, R, T> {
    world: &'w World<R>,
    links: &'w mut Links,
    plan: Plan,
    /// Whether the round in progress has begun at the links.
    begun: bool,
    flights: Vec<Flight<'w, T>>,
    wire: Wire,
    pub(crate) meter: Meter,
}

struct Flight<'w, T> {
    instruction: u32,
    operation: Pin<Box<dyn Future<Output = T> + 'w>>,
}

impl<R: Ring, T> Running for Engine<'_, R, T> {
    fn links(&mut self) -> &mut Links {
        self.links
    }

    fn progress(&self) -> Vec<u8> {
        postcard::to_stdvec(&(&self.meter, Counted::from(self.links.traffic()))).expect("numbers")
    }

    fn resume(&mut self, progress: &[u8]) -> Option<()> {
        let (meter, counted): (Meter, Counted) = postcard::from_bytes(progress).ok()?;
        if !meter.is_like(&self.meter) {
            return None;
        }
        self.meter = meter;
        self.world.round.set(counted.rounds());
        self.links.count_from(&counted);
        Some(())
    }
}

impl<'w, R: Ring, T> Engine<'w, R, T> {
    /// An engine for a valid program.
    pub(crate) fn new(world: &'w World<R>, links: &'w mut Links, program: &Program) -> Self {
        let (plan, meter) = (Plan::new(program, world.me, world.parties), Meter::new(program.code.len()));
        Self { world, links, plan, begun: false, flights: Vec::new(), wire: Wire::default(), meter }
    }

    /// What was measured, and the links.
    pub(crate) fn into_parts(self) -> (Meter, &'w mut Links) {
        (self.meter, self.links)
    }

    /// After a failure that all parties see in the same round; see [`Links::exchange_evidence`].
    pub(crate) fn exchange_evidence(&mut self, ours: &Peers<Vec<u8>>) -> Peers<Option<Vec<u8>>> {
        self.links.exchange_evidence(ours.as_ref().map(|_, bytes| &bytes[..]))
    }

    /// Starts the operation of instruction `at`; gives its result if it takes no rounds.
    pub(crate) fn issue(
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

    /// Sends elements of a message of the round in which `at` is issued, without an operation; a part of it is whole bytes.
    pub(crate) fn transmit(&mut self, at: u32, to: Party, elements: &[R]) -> Result<(), NetError> {
        let before = self.links.traffic();
        self.begin(at)?;
        self.wire.send(self.links, to, elements)?;
        self.meter.sent(at, Wire::length::<R>(elements.len()));
        self.meter.waited(at, before, self.links);
        Ok(())
    }

    /// Fills `into` with the next portion from a party whose link is detached, for the instruction `at`.
    pub(crate) fn portion(&mut self, at: u32, from: Party, into: &mut [u8]) -> Result<(), NetError> {
        let before = self.links.traffic();
        self.links.portion_from(from, into)?;
        self.meter.waited(at, before, self.links);
        Ok(())
    }

    /// The sending half of a round, in instruction `at`: most has left before.
    pub(crate) fn send(&mut self, at: u32) -> Result<(), NetError> {
        self.begin(at)
    }

    /// The receiving half, in instruction `at`: every operation goes one round further. Gives the results of those that end here, with their instructions.
    pub(crate) fn receive(&mut self, at: u32) -> Result<Vec<(u32, T)>, NetError> {
        self.collect(at)?;
        self.world.round.set(self.world.round.get() + 1);
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
        for to in mail.outgoing.parties() {
            while let Some((instruction, message)) = mail.outgoing[to].pop_front() {
                self.begin(at)?;
                match &message {
                    Message::Elements(elements) => self.wire.send(self.links, to, elements)?,
                    other => self.links.send(to, other.as_bytes())?,
                }
                self.meter.sent(instruction, message.length());
                mail.sent[to].push_back(message);
            }
        }
        self.meter.waited(at, before, self.links);
        Ok(())
    }

    /// Takes what the round brings.
    fn collect(&mut self, at: u32) -> Result<(), NetError> {
        let before = self.links.traffic();
        let mut mail = self.world.mail.borrow_mut();
        for from in mail.awaited.parties() {
            let mut awaited = std::mem::take(&mut mail.awaited[from]);
            for message in &mut awaited {
                match message {
                    Message::Elements(elements) => self.wire.receive(self.links, from, elements)?,
                    other => self.links.receive(from, other.as_bytes_mut())?,
                }
            }
            mail.arrived[from] = awaited;
        }
        self.meter.waited(at, before, self.links);
        self.meter.round(at);
        Ok(())
    }
}
