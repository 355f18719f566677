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

use super::draw::Draw;
use super::{World, check};
use crate::bits;
use crate::machine::{Address, Fault};
use crate::net::Party;
use crate::prg::{Stream, Values};
use crate::ring::Ring;
use crate::rounds::engine::{self, Message};
use crate::rounds::pack::packed;

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

    /// `n` values of `bits` bits as they travel: f(\[masks\[0\]\[i\], …\], \[src\[0\]\[i\], …\]).
    pub(super) fn message<const S: usize, const T: usize>(
        self,
        (n, bits): (usize, u32),
        masks: [Values<'_>; S],
        src: [&[R]; T],
        f: impl Fn([R; S], [R; T]) -> R + Sync,
    ) -> Message<R> {
        match bits == R::BITS {
            true => Message::Elements(self.make(n, masks, src, f)),
            false => self.make_packed(n, bits, masks, src, f),
        }
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
                self.check(check::Route { from, to, checker }, message.as_bytes());
            }
            message
        };
        kept.into_iter().map(back).collect()
    }

    /// Adds a message of the round that has ended to the hash that this party keeps of it.
    pub(super) fn check(self, route: check::Route, message: &[u8]) {
        let at = (self.world.rounds.round(), self.address().instruction);
        self.world.checks.borrow_mut().add(route, at, message);
    }

    /// A message of `count` planes of `n` bits; `made` are those at its sender and its checker.
    pub(super) fn planes(self, way: Way, made: Vec<u64>, count: usize, n: usize) -> (Way, Message<R>) {
        let message = match self.role {
            role if role == way.from || role == way.checker => Message::planes(made, n),
            role if role == way.to => Message::room_for_planes(count, n),
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
        let mut shares: Shares<u64> = Default::default();
        let add = |to: &mut Vec<u64>, more: Vec<u64>| match to.is_empty() {
            true => *to = more,
            false => bits::apply(&self.world.threads, to, [&more], |x, [y]| x ^ y),
        };
        let mut messages = Vec::with_capacity(N);
        for (i, way) in ways.into_iter().enumerate() {
            let mut rest = Vec::new();
            if self.role != way.to {
                let mask = self.words(way.to, draw(i), size);
                if self.role != way.bystander() {
                    rest = made(way);
                    bits::apply(&self.world.threads, &mut rest, [&mask], |x, [y]| x ^ y);
                }
                add(&mut shares[way.to], mask);
            }
            messages.push(self.planes(way, rest, count, n));
        }
        let messages = self.exchange(messages).await;
        for (way, message) in ways.into_iter().zip(messages) {
            if self.role != way.bystander() {
                add(&mut shares[way.bystander()], message.into_planes(count, n));
            }
        }
        for role in self.others() {
            shares[role].resize(size, 0); // of a list that shares nothing there
        }
        shares
    }
}

/// A value that the sender and the checker of a message know, on its way to become shares.
pub(super) struct Joint<R> {
    way: Way,
    draw: Draw,
    bits: u32,
    /// The value less the mask, as it travels: at sender and checker, and at the receiver after the round.
    rest: Message<R>,
}

impl<R: Ring> Joint<R> {
    /// `n` values of `bits` bits. `masked` gives them less the given mask, at sender and checker.
    pub(super) fn new<'w>(
        op: Op<'w, R>,
        (way, draw): (Way, Draw),
        (n, bits): (usize, u32),
        masked: impl FnOnce(Values<'w>) -> Message<R>,
    ) -> Self {
        let rest = match op.role {
            role if role == way.from || role == way.checker => masked(op.narrow(way.to, draw, bits)),
            role if role == way.to && bits == R::BITS => Message::Elements(op.room(n)),
            role if role == way.to => op.packed(packed(n, bits)),
            _ => Message::bytes(0),
        };
        Self { way, draw, bits, rest }
    }

    /// What it travels as, with its way.
    pub(super) fn given(&mut self) -> (Way, Message<R>) {
        (self.way, std::mem::replace(&mut self.rest, Message::bytes(0)))
    }

    /// After the round, with what [`Self::given`] gave or what has arrived in its place.
    pub(super) fn taken(mut self, message: Message<R>) -> Self {
        self.rest = message;
        self
    }

    /// The summand that `role`, another one, lacks, if it is not 0: for two roles it is.
    pub(super) fn word<'a>(&'a self, op: Op<'a, R>, role: usize) -> Option<Values<'a>> {
        if role == self.way.to {
            return Some(op.narrow(role, self.draw, self.bits));
        }
        (role == self.way.bystander()).then(|| self.rest())
    }

    /// The value less its mask, where this party has it.
    pub(super) fn rest(&self) -> Values<'_> {
        match &self.rest {
            Message::Elements(elements) => Values::elements(elements),
            other => Values::packed(other.as_bytes(), self.bits),
        }
    }

    /// The mask, where this party has it.
    pub(super) fn mask<'w>(&self, op: Op<'w, R>) -> Values<'w> {
        op.narrow(self.way.to, self.draw, self.bits)
    }

    /// Who knows it.
    pub(super) fn way(&self) -> Way {
        self.way
    }

    /// Gives its vector back.
    pub(super) fn done(&mut self, op: Op<'_, R>) {
        match self.given() {
            (_, Message::Elements(rest)) => op.recycle(rest),
            (_, packed) => op.unpacked(packed),
        }
    }

    /// The summand that `role` lacks, if this is all that there is of it in memory of its own; the value has it no longer.
    fn summand(&mut self, role: usize) -> Option<Vec<R>> {
        match std::mem::replace(&mut self.rest, Message::bytes(0)) {
            Message::Elements(rest) if self.way.bystander() == role => Some(rest),
            other => {
                self.rest = other;
                None
            }
        }
    }
}

/// The shares of a sum of values, each times 2^up; `plus` is added to the sum.
pub(super) fn total<R: Ring>(
    op: Op<'_, R>,
    n: usize,
    mut joints: Vec<(Joint<R>, u32)>,
    plus: R,
) -> Shares<R> {
    ROLES.map(|role| {
        if role == op.role {
            return Vec::new();
        }
        let plus = if role == 0 { plus } else { R::ZERO };
        // the first summand is taken as it is, and the others are added to it
        let whole = |(at, (joint, up)): (usize, &mut (Joint<R>, u32))| {
            (*up == 0).then(|| joint.summand(role)).flatten().map(|begun| (at, begun))
        };
        let (taken, begun) = joints.iter_mut().enumerate().find_map(whole).unzip();
        let others = joints.iter().enumerate().filter(|(at, _)| Some(*at) != taken);
        let words = others.filter_map(|(_, (joint, up))| Some((joint.word(op, role)?, *up)));
        let share = sum(op, n, begun, &words.collect::<Vec<_>>(), plus);
        // what only this share is made of is memory for the next
        let over = joints.iter_mut().filter(|(joint, _)| joint.way.bystander() == role);
        over.for_each(|(joint, _)| joint.done(op));
        share
    })
}

/// What has `begun`, Σ 2^up x and `plus`, in as few passes as may be.
fn sum<R: Ring>(
    op: Op<'_, R>,
    n: usize,
    begun: Option<Vec<R>>,
    mut words: &[(Values<'_>, u32)],
    plus: R,
) -> Vec<R> {
    let mut sum = Sum { op, old: begun.is_some(), plus, sum: begun.unwrap_or_else(|| op.room(n)) };
    while let Some((four, rest)) = words.split_first_chunk::<4>() {
        sum.add(*four);
        words = rest;
    }
    match *words {
        [x, y, z] => sum.add([x, y, z]),
        [x, y] => sum.add([x, y]),
        [x] => sum.add([x]),
        _ if !sum.old || sum.plus != R::ZERO => sum.add([]),
        _ => {}
    }
    sum.sum
}

/// A sum on its way.
struct Sum<'w, R> {
    op: Op<'w, R>,
    sum: Vec<R>,
    /// Whether what stands there counts.
    old: bool,
    /// What is still to be added everywhere.
    plus: R,
}

impl<R: Ring> Sum<'_, R> {
    /// Adds N summands in one pass.
    fn add<const N: usize>(&mut self, words: [(Values<'_>, u32); N]) {
        let values = words.map(|(values, _)| values);
        let (old, plus) =
            (std::mem::replace(&mut self.old, true), std::mem::replace(&mut self.plus, R::ZERO));
        self.op.each(&mut self.sum, values, [], move |sum, x: [R; N], []| {
            let mut sum = plus + if old { sum } else { R::ZERO };
            for i in 0..N {
                sum += x[i].shl(words[i].1);
            }
            sum
        });
    }
}

/// One round: every value becomes shares.
pub(super) async fn share<R: Ring>(op: Op<'_, R>, mut joints: Vec<Joint<R>>) -> Vec<Joint<R>> {
    let messages = joints.iter_mut().map(Joint::given).collect();
    let messages = op.exchange(messages).await;
    joints.into_iter().zip(messages).map(|(joint, message)| joint.taken(message)).collect()
}

/// The two of a message's value that go into it in a product of addends: the summand of a that both its sender and its checker know, and
/// that of b, each by the role that lacks it.
pub(super) fn factors(way: Way) -> [usize; 2] {
    let without = [way.to, way.bystander()];
    let of = |group: [usize; 2]| if group.contains(&without[0]) { without[0] } else { without[1] };
    [of(Cast::L), of(Cast::H)]
}

/// Those of two values, of which H shared one and L the other, at the two that know a message.
pub(super) fn known<'a, R: Ring>(op: Op<'a, R>, of: [&'a Joint<R>; 2], way: Way) -> [Values<'a>; 2] {
    let [i, j] = factors(way);
    [of[0].word(op, i), of[1].word(op, j)].map(|word| word.expect("a shared addend has both summands"))
}

/// The other of the two that know a message.
pub(super) fn partner(way: Way, role: usize) -> usize {
    if role == way.from { way.checker } else { way.from }
}
