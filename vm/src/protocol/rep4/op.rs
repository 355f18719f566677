//! An operation as one party sees it: its role, its keys, messages with a checker, and the one primitive, [`Joint`].
//!
//! **Messages.** Whatever travels is known to two parties. One sends it, the other, the checker, adds it to a running hash; so does the
//! receiver with what arrives ([`super::check`]).
//!
//! **The primitive.** A value v that a pair knows becomes shares by one message: with r the stream that all but the receiver know, v - r
//! goes to the receiver. The summand that the receiver lacks is r, the one that the fourth party lacks is v - r, the others are 0. The
//! receiver does not know r, so the message is uniform to it; the fourth party receives nothing. (Dalskov, Escudero, Keller: Fantastic Four,
//! USENIX Security 2021.)

use std::ops::Deref;

use tern_bytecode::Route;
use tern_bytecode::model::rep4::{Cast, Way};

use super::World;
use super::draw::Draw;
use crate::bits;
use crate::machine::{Address, Fault};
use crate::net::Party;
use crate::prg::{Stream, Values};
use crate::ring::Ring;
use crate::rounds::engine::{self, Message};
use crate::rounds::pack::{pack, pack_planes, packed, unpack, unpack_planes};

/// A value's summands by the role that lacks each; that of the party itself is empty.
pub(super) type Shares<T> = [Vec<T>; 4];

/// The roles.
pub(super) const ROLES: [usize; 4] = [0, 1, 2, 3];

/// One execution of an interactive instruction.
pub(super) struct Op<'w, R> {
    pub(super) world: &'w World<R>,
    rounds: engine::Op<'w, R>,
    pub(super) route: Route,
    /// By role.
    parties: [Party; 4],
    /// That of this party.
    pub(super) role: usize,
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
        let party = |index| Party::from_index(index).expect("a route names the protocol's parties");
        let parties = Cast(route).parties().map(party);
        let role = parties.iter().position(|party| *party == world.me).expect("this party is one of them");
        Ok(Self { world, rounds: engine::Op::new(world, address)?, route, parties, role })
    }

    /// The party with a role.
    pub(super) fn party(self, role: usize) -> Party {
        self.parties[role]
    }

    /// The role of a party.
    pub(super) fn role_of(self, party: Party) -> usize {
        self.parties.iter().position(|other| *other == party).expect("all parties have roles")
    }

    /// What is listed by role, by party.
    pub(super) fn by_party<T: Default>(self, by_role: [T; 4]) -> [T; 4] {
        let mut by_party: [T; 4] = Default::default();
        for (party, item) in self.parties.into_iter().zip(by_role) {
            by_party[party.index()] = item;
        }
        by_party
    }

    /// What is listed by party, by role.
    pub(super) fn by_role<T: Default>(self, mut by_party: [T; 4]) -> [T; 4] {
        self.parties.map(|party| std::mem::take(&mut by_party[party.index()]))
    }

    /// Whether this party knows the addend a.
    pub(super) fn is_high(self) -> bool {
        Cast::H.contains(&self.role)
    }

    /// The roles of the others.
    pub(super) fn others(self) -> impl Iterator<Item = usize> {
        ROLES.into_iter().filter(move |role| *role != self.role)
    }

    /// The stream that all but one role know; not to be asked by that one.
    pub(super) fn stream_without(self, role: usize, draw: Draw) -> Stream<'w> {
        self.stream(self.world.key(self.parties[role]), draw.number())
    }

    /// The same as ring elements.
    pub(super) fn masks(self, without: usize, draw: Draw) -> Values<'w> {
        self.stream_without(without, draw).values(R::BITS)
    }

    /// The same as numbers of so many bits.
    pub(super) fn narrow(self, without: usize, draw: Draw, bits: u32) -> Values<'w> {
        self.stream_without(without, draw).values(bits)
    }

    /// The same in words.
    pub(super) fn words(self, without: usize, draw: Draw, n: usize) -> Vec<u64> {
        let mut words = vec![0; n];
        self.stream_without(without, draw).fill(&self.world.threads, 0, &mut words);
        words
    }

    /// The stream that everybody knows.
    pub(super) fn public_stream(self, draw: Draw) -> Stream<'w> {
        self.stream(&self.world.public, draw.number())
    }

    /// `n` zeros.
    pub(super) fn zeros(self, n: usize) -> Vec<R> {
        let mut zeros = self.room(n);
        zeros.fill(R::ZERO);
        zeros
    }

    /// The value 0: `n` of them.
    pub(super) fn zero_shares(self, n: usize) -> Shares<R> {
        ROLES.map(|role| if role == self.role { Vec::new() } else { self.zeros(n) })
    }

    /// One round of messages. Sender and checker give the message, the receiver room for it, the fourth party anything: all get it back,
    /// the receiver with what has arrived.
    pub(super) async fn exchange(self, messages: Vec<(Way, Message<R>)>) -> Vec<Message<R>> {
        let (mut send, mut receive) = (Vec::new(), Vec::new());
        let mut kept = Vec::with_capacity(messages.len());
        for (way, message) in messages {
            kept.push(match self.role {
                role if role == way.from => {
                    send.push((self.parties[way.to], message));
                    (way, None)
                }
                role if role == way.to => {
                    receive.push((self.parties[way.from], message));
                    (way, None)
                }
                _ => (way, Some(message)),
            });
        }
        let (sent, received) = self.round_of(send, receive).await;
        let (mut sent, mut received) = (sent.into_iter(), received.into_iter());
        let back = |(way, kept): (Way, Option<Message<R>>)| {
            let own = || unreachable!("a round gives back what it was given");
            if self.role == way.from {
                return sent.next().unwrap_or_else(own);
            }
            let message = kept.or_else(|| received.next()).unwrap_or_else(own);
            if self.role != way.bystander() {
                let [from, checker, to] = [way.from, way.checker, way.to].map(|role| self.parties[role]);
                self.world.checks.borrow_mut().add(from, to, checker, message.as_bytes());
            }
            message
        };
        kept.into_iter().map(back).collect()
    }

    /// A message of `count` planes of `n` bits; `made` are those at its sender and its checker.
    pub(super) fn planes(self, way: Way, made: &[u64], count: usize, n: usize) -> (Way, Message<R>) {
        let message = match self.role {
            role if role == way.from || role == way.checker => Message::Bytes(pack_planes(made, n)),
            role if role == way.to => Message::bytes(count * n.div_ceil(8)),
            _ => Message::bytes(0),
        };
        (way, message)
    }

    /// One round in which bits become shares: what `made` gives for each way is known to its sender and its checker, `count` planes.
    pub(super) async fn share_planes<const N: usize>(
        self,
        ways: [Way; N],
        draw: impl Fn(usize) -> Draw,
        count: usize,
        n: usize,
        mut made: impl FnMut(Way) -> Vec<u64>,
    ) -> Shares<u64> {
        let size = count * bits::words(n);
        let mut shares = ROLES.map(|role| if role == self.role { Vec::new() } else { vec![0; size] });
        let add = |to: &mut Vec<u64>, more: &[u64]| {
            bits::apply(&self.world.threads, to, [more], |x, [y]| x ^ y);
        };
        let mut messages = Vec::with_capacity(N);
        let mut rests = Vec::with_capacity(N);
        for (i, way) in ways.into_iter().enumerate() {
            let mask = (self.role != way.to).then(|| self.words(way.to, draw(i), size));
            let mut rest = Vec::new();
            if self.role == way.from || self.role == way.checker {
                rest = made(way);
                mask.iter().for_each(|mask| add(&mut rest, mask));
            }
            mask.iter().for_each(|mask| add(&mut shares[way.to], mask));
            messages.push(self.planes(way, &rest, count, n));
            rests.push(rest);
        }
        let messages = self.exchange(messages).await;
        for ((way, message), mut rest) in ways.into_iter().zip(messages).zip(rests) {
            if self.role == way.to {
                rest = unpack_planes(&message.into_bytes(), n, count);
            }
            if self.role != way.bystander() {
                add(&mut shares[way.bystander()], &rest);
            }
        }
        shares
    }
}

/// A value that the sender and the checker of a message know, on its way to become shares.
pub(super) struct Joint<R> {
    way: Way,
    draw: Draw,
    bits: u32,
    n: usize,
    /// The value less the mask: at sender and checker, and at the receiver after the round.
    rest: Vec<R>,
}

impl<R: Ring> Joint<R> {
    /// Values of `bits` bits. `masked` gives the value less the given mask, at sender and checker.
    pub(super) fn new<'w>(
        op: Op<'w, R>,
        way: Way,
        draw: Draw,
        bits: u32,
        n: usize,
        masked: impl FnOnce(Values<'w>) -> Vec<R>,
    ) -> Self {
        let rest = match op.role {
            role if role == way.from || role == way.checker => masked(op.narrow(way.to, draw, bits)),
            role if role == way.to => op.room(n),
            _ => Vec::new(),
        };
        Self { way, draw, bits, n, rest }
    }

    /// What it travels as, with its way.
    pub(super) fn given(&mut self, op: Op<'_, R>) -> (Way, Message<R>) {
        (self.way, self.message(op))
    }

    fn message(&mut self, op: Op<'_, R>) -> Message<R> {
        let known = op.role == self.way.from || op.role == self.way.checker;
        match (self.bits == R::BITS, known) {
            (true, _) => Message::Elements(std::mem::take(&mut self.rest)),
            (false, true) => Message::Bytes(pack(&self.rest, self.bits)),
            (false, false) => Message::bytes(packed(self.rest.len(), self.bits)),
        }
    }

    /// After the round, with what [`Self::given`] gave or what has arrived in its place.
    pub(super) fn taken(mut self, op: Op<'_, R>, message: Message<R>) -> Self {
        match message {
            Message::Elements(elements) => self.rest = elements,
            Message::Bytes(bytes) if op.role == self.way.to => unpack(&bytes, self.bits, &mut self.rest),
            Message::Bytes(_) => {}
        }
        self
    }

    /// Adds the shares, times 2^`up`, to those of a value.
    pub(super) fn add_to(&self, op: Op<'_, R>, shares: &mut Shares<R>, up: u32) {
        if op.role != self.way.to {
            let mask = [op.narrow(self.way.to, self.draw, self.bits)];
            op.each(&mut shares[self.way.to], mask, [], move |x, [r], []| x + r.shl(up));
        }
        if op.role != self.way.bystander() {
            op.each(&mut shares[self.way.bystander()], [], [&self.rest], move |x, [], [w]| x + w.shl(up));
        }
    }

    /// The summand that `role`, another one, lacks: 0 but for two roles.
    pub(super) fn summand(&self, op: Op<'_, R>, role: usize) -> Vec<R> {
        if role == self.way.to {
            return op.make(self.n, [op.narrow(role, self.draw, self.bits)], [], |[r], []| r);
        }
        if role == self.way.bystander() {
            let mut copy = op.room(self.n);
            copy.copy_from_slice(&self.rest);
            return copy;
        }
        op.zeros(self.n)
    }

    /// The value less its mask, where this party has it.
    pub(super) fn rest(&self) -> &[R] {
        &self.rest
    }

    /// Gives its vector back.
    pub(super) fn done(self, op: Op<'_, R>) {
        op.recycle(self.rest);
    }
}

/// One round: every value becomes shares.
pub(super) async fn share<R: Ring>(op: Op<'_, R>, mut joints: Vec<Joint<R>>) -> Vec<Joint<R>> {
    let messages = joints.iter_mut().map(|joint| joint.given(op)).collect();
    let messages = op.exchange(messages).await;
    joints.into_iter().zip(messages).map(|(joint, message)| joint.taken(op, message)).collect()
}

/// The two of a message's value that go into it in a product of addends: the summand of a that both its sender and its checker know, and
/// that of b, each by the role that lacks it.
pub(super) fn factors(way: Way) -> [usize; 2] {
    let without = [way.to, way.bystander()];
    let of = |group: [usize; 2]| if group.contains(&without[0]) { without[0] } else { without[1] };
    [of(Cast::L), of(Cast::H)]
}

/// The other of the two that know a message.
pub(super) fn partner(way: Way, role: usize) -> usize {
    if role == way.from { way.checker } else { way.from }
}
