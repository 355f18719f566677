//! An operation as one of the three sees it: its role, its keys, and the one message that there is between the parties.

use std::ops::Deref;

use super::draw::Draw;
use crate::bits;
use crate::machine::{Address, Fault};
use crate::net::Party;
use crate::par::Threads;
use crate::prg::{Key, Stream, Values};
use crate::ring::Ring;
use crate::rounds::engine::{self, Message};
use crate::rounds::pack::{packed, unpack};

/// What all operations use.
pub(super) struct World<R> {
    pub(super) rounds: engine::World<R>,
    /// By party: the key that it has in common with the dealer, where this one knows it.
    pub(super) keys: [Option<Key>; 2],
    /// A party's own, for bits that nobody else is to know.
    pub(super) own: Option<Key>,
}

impl<R> Deref for World<R> {
    type Target = engine::World<R>;

    fn deref(&self) -> &engine::World<R> {
        &self.rounds
    }
}

impl<R: Ring> World<R> {
    pub(super) fn new(me: Party, keys: [Option<Key>; 2], own: Option<Key>, threads: Threads) -> Self {
        let parties = tern_bytecode::model::dealer::MODEL.parties;
        Self { rounds: engine::World::new(me, parties, threads), keys, own }
    }
}

/// One execution of an instruction.
pub(super) struct Op<'w, R> {
    pub(super) world: &'w World<R>,
    rounds: engine::Op<'w, R>,
    address: Address,
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
    pub(super) fn new(world: &'w World<R>, address: Address) -> Result<Self, Fault> {
        Ok(Self { world, rounds: engine::Op::new(world, address)?, address })
    }

    /// The number of this party, 0 or 1; of the dealer, 2.
    pub(super) fn me(self) -> usize {
        self.world.me.index()
    }

    /// Whether this is the party that adds what both know.
    pub(super) fn leads(self) -> bool {
        self.me() == 0
    }

    /// The stream that party `i` has in common with the dealer.
    pub(super) fn stream_of(self, i: usize, draw: Draw) -> Stream<'w> {
        let key = self.world.keys[i].as_ref().expect("the dealer has both keys, a party its own");
        self.stream(key, draw.number())
    }

    /// A stream of the mask with this number.
    fn mask_stream(self, i: usize, mask: u32) -> Stream<'w> {
        let key = self.world.keys[i].as_ref().expect("the dealer has both keys, a party its own");
        Stream::new(key, Draw::Mask.number(), mask, self.address.iteration)
            .expect("the address was checked when the operation was made")
    }

    /// Party `i`'s part of the mask with this number.
    pub(super) fn mask_of(self, i: usize, mask: u32) -> Values<'w> {
        self.mask_stream(i, mask).values(R::BITS)
    }

    /// Elements of the stream that party `i` has in common with the dealer.
    pub(super) fn masks_of(self, i: usize, draw: Draw) -> Values<'w> {
        self.stream_of(i, draw).values(R::BITS)
    }

    /// The same in words.
    pub(super) fn words_of(self, i: usize, draw: Draw, n: usize) -> Vec<u64> {
        let mut words = vec![0; n];
        self.stream_of(i, draw).fill(&self.world.threads, 0, &mut words);
        words
    }

    /// At the dealer: both parties' words together.
    pub(super) fn both_words(self, draw: Draw, n: usize) -> Vec<u64> {
        let mut words = self.words_of(0, draw, n);
        bits::apply(&self.world.threads, &mut words, [&self.words_of(1, draw, n)[..]], |x, [y]| x ^ y);
        words
    }

    /// The other party.
    fn other(self) -> Party {
        Party::from_index(1 - self.me()).expect("one of two")
    }

    /// One round: both parties tell each other the lowest `width` bits of as many elements. Gives this party's, and the sums modulo 2^`width`.
    pub(super) async fn total(self, ours: Vec<R>, width: u32) -> (Vec<R>, Vec<R>) {
        let to = self.other();
        let mut sum = self.room(ours.len());
        if width == R::BITS {
            let send = [(to, Message::Elements(ours))];
            let ([ours], [theirs]) = self.round(send, [(to, Message::Elements(sum))]).await;
            let (ours, mut sum) = (ours.into_elements(), theirs.into_elements());
            self.each(&mut sum, [], [&ours], |theirs, [], [ours]| theirs + ours);
            return (ours, sum);
        }
        let (send, room) = (self.pack(&ours, width), self.packed(packed(ours.len(), width)));
        let ([sent], [theirs]) = self.round([(to, send)], [(to, room)]).await;
        unpack(theirs.as_bytes(), width, &mut sum);
        [sent, theirs].into_iter().for_each(|message| self.unpacked(message));
        self.each(&mut sum, [], [&ours], move |theirs, [], [ours]| (theirs + ours).low_bits(width));
        (ours, sum)
    }

    /// The same with planes of `n` bits; gives what was sent, and what comes.
    pub(super) async fn trade_planes(self, ours: Vec<u64>, n: usize) -> (Vec<u64>, Vec<u64>) {
        let count = ours.len().checked_div(bits::words(n)).unwrap_or(0);
        let (send, room) = (Message::planes(ours, n), Message::room_for_planes(count, n));
        let ([ours], [theirs]) = self.round([(self.other(), send)], [(self.other(), room)]).await;
        (ours.into_planes(count, n), theirs.into_planes(count, n))
    }

    /// A round in which this party only sends.
    pub(super) async fn tell(self, ours: Vec<R>) -> Vec<R> {
        let ([ours], []) = self.round([(self.other(), Message::Elements(ours))], []).await;
        ours.into_elements()
    }

    /// A round in which this party only receives.
    pub(super) async fn hear(self, n: usize) -> Vec<R> {
        let room = Message::Elements(self.room(n));
        let ([], [theirs]) = self.round([], [(self.other(), room)]).await;
        theirs.into_elements()
    }

    /// One round: planes of bits that the parties share are opened under masks of theirs, of which this is one party's part. Gives what is open, and
    /// the part of the masks.
    pub(super) async fn open_planes(self, draw: Draw, shares: Vec<u64>, n: usize) -> Planes {
        let part = self.words_of(self.me(), draw, shares.len());
        let mut open = shares;
        bits::apply(&self.world.threads, &mut open, [&part[..]], |x, [mask]| x ^ mask);
        let (mut open, theirs) = self.trade_planes(open, n).await;
        bits::apply(&self.world.threads, &mut open, [&theirs[..]], |x, [y]| x ^ y);
        Planes { open, part }
    }
}

/// Bits opened under masks, at a party.
pub(super) struct Planes {
    /// What both parties know: bit ⊕ mask.
    pub(super) open: Vec<u64>,
    /// This party's part of the mask.
    pub(super) part: Vec<u64>,
}
