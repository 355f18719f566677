//! An operation as one party sees it: its role, its two neighbours, its keys.

use std::ops::Deref;

use tern_bytecode::Route;
use tern_bytecode::model::rep3::{Corner, MODEL};

use super::draw::Draw;
use super::ring::{OnRing, Pair, Side};
use crate::bits;
use crate::machine::{Address, Fault};
use crate::net::Party;
use crate::par::Threads;
use crate::prg::{Key, Stream, Values};
use crate::ring::Ring;
use crate::rounds::engine::{self, Message};

/// What all operations of a party use.
pub(super) struct World<R> {
    pub(super) rounds: engine::World<R>,
    keys: Pair<Key>,
    public: Key,
}

impl<R> Deref for World<R> {
    type Target = engine::World<R>;

    fn deref(&self) -> &engine::World<R> {
        &self.rounds
    }
}

impl<R: Ring> World<R> {
    pub(super) fn new(me: Party, keys: Pair<[u8; 16]>, public: Key, threads: Threads) -> Self {
        let keys = Pair::new(Key::new(&keys.next), Key::new(&keys.prev));
        Self { rounds: engine::World::new(me, MODEL.parties, threads), keys, public }
    }

    /// The key that this party has in common with the neighbour on `side` alone.
    pub(super) fn key(&self, side: Side) -> &Key {
        &self.keys[side]
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

/// One execution of an interactive instruction.
pub(super) struct Op<'w, R> {
    pub(super) world: &'w World<R>,
    rounds: engine::Op<'w, R>,
    route: Corner,
}

impl<R> Clone for Op<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Op<'_, R> {}

impl<'w, R> Deref for Op<'w, R> {
    type Target = engine::Op<'w, R>;

    fn deref(&self) -> &engine::Op<'w, R> {
        &self.rounds
    }
}

impl<'w, R: Ring> Op<'w, R> {
    /// # Errors
    /// If the loops around it run more often than streams can be addressed.
    pub(super) fn new(world: &'w World<R>, address: Address, route: Route) -> Result<Self, Fault> {
        Ok(Self { world, rounds: engine::Op::new(world, address)?, route: Corner(route) })
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
    pub(super) fn stream_with(self, side: Side, draw: Draw) -> Stream<'w> {
        self.stream(self.world.key(side), draw.number())
    }

    /// The stream that everybody knows.
    pub(super) fn public_stream(self, draw: Draw) -> Stream<'w> {
        self.stream(&self.world.public, draw.number())
    }

    /// Elements that this party and the neighbour on `side` have in common, as masks.
    pub(super) fn masks(self, side: Side, draw: Draw) -> Values<'w> {
        self.stream_with(side, draw).values(R::BITS)
    }

    /// The same of `bits` bits.
    pub(super) fn narrow(self, side: Side, draw: Draw, bits: u32) -> Values<'w> {
        self.stream_with(side, draw).values(bits)
    }

    /// The same in words.
    pub(super) fn words(self, side: Side, draw: Draw, n: usize) -> Vec<u64> {
        let mut words = vec![0; n];
        self.stream_with(side, draw).fill(&self.world.threads, 0, &mut words);
        words
    }

    /// One round: sends and receives in the given orders. Gives back what was sent, and what was received.
    pub(super) async fn round<const S: usize, const N: usize>(
        self,
        send: [(Side, Message<R>); S],
        receive: [(Side, Message<R>); N],
    ) -> ([Message<R>; S], [Message<R>; N]) {
        let at = |(side, message): (Side, Message<R>)| (self.world.me.at(side), message);
        self.rounds.round(send.map(at), receive.map(at)).await
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

    /// The same with planes of `n` bits.
    pub(super) async fn pass_planes(
        self,
        to: Side,
        ours: Vec<u64>,
        from: Side,
        n: usize,
    ) -> (Vec<u64>, Vec<u64>) {
        let count = ours.len().checked_div(bits::words(n)).unwrap_or(0);
        let room = Message::room_for_planes(count, n);
        let ([ours], [theirs]) = self.round([(to, Message::planes(ours, n))], [(from, room)]).await;
        (ours.into_planes(count, n), theirs.into_planes(count, n))
    }

    /// The same with bytes; gives what comes.
    pub(super) async fn pass_bytes(self, to: Side, ours: Vec<u8>, from: Side) -> Vec<u8> {
        let room = Message::bytes(ours.len());
        let (_, [theirs]) = self.round([(to, Message::Bytes(ours))], [(from, room)]).await;
        theirs.into_bytes()
    }
}
