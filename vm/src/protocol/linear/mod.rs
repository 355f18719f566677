//! Linear secret sharing: what protocols have in common in which a party holds *words* of every value.
//!
//! A value is the sum of words (of bits: the exclusive or), of which each party has some, up to N of them. Whatever is linear a party does to each of its words by
//! itself, with no word to anybody; so the registers, all local instructions and the course of the interactive ones are the same for every such
//! protocol, and stand here. What is left to a protocol is [`Sharing`]: who has which words, what a product leaves at each party, and the families of
//! interactive operations. Three parties with two words each are [`super::rep3`], four with three are [`super::rep4`].
//!
//! | module | what it holds |
//! |---|---|
//! | `holder` | one party's back-end: registers, and results that are complete |
//! | `backend` | every instruction in terms of words and of [`Sharing`] |
//! | `derived` | words of inputs that are not stored, since they follow from keys |
//! | `network` | the adder of [`tern_bytecode::circuit`] on words of bits |
//!
//! Nothing here sends anything but an owner's input, as [`Entry`] says: who learns what, and why, is stated by the protocols.

mod backend;
mod derived;
mod holder;
pub(super) mod network;

use std::future::Future;
use std::ops::Deref;

use tern_bytecode::circuit::Adder;
use tern_bytecode::program::Rounding;
use tern_bytecode::{Kind, Program, Route};

pub(super) use self::holder::run;
use crate::machine::{Address, Fault};
use crate::net::{Links, Party, Peers};
use crate::prg::{Key, Stream};
use crate::ring::{Layout, Ring, View, contract};
use crate::rounds::engine;

/// A value's words at a party, each dense; those that it has none of are empty.
pub(super) type Words<T, const N: usize> = [Vec<T>; N];

/// The words of a register.
#[derive(Clone, Copy)]
pub(super) struct Held<'a, R, const N: usize> {
    /// The buffers, empty where there is no word.
    pub(super) data: [&'a [R]; N],
    /// The elements in view, in each.
    pub(super) layout: &'a Layout,
}

impl<'a, R, const N: usize> Held<'a, R, N> {
    /// One word.
    pub(super) fn word(&self, i: usize) -> View<'a, R> {
        View::new(self.data[i], self.layout)
    }
}

/// What a party has of an input's word before anything arrives.
#[derive(Clone)]
pub(super) enum Entry<'w> {
    /// No such word.
    None,
    /// 0.
    Zero,
    /// A stream that the owner knows too.
    Stream(Stream<'w>),
    /// At the owner: the value less all streams, which it sends to these parties.
    Rest(Vec<Party>),
    /// The same, at one who receives it from the owner.
    Received,
}

/// What becomes of the halves of a bit that selects.
pub(super) enum Halves<R, const N: usize> {
    /// They are made and used.
    New,
    /// They are made, used and kept for later selections by this bit.
    Keep,
    /// An earlier selection left them.
    Kept(Words<R, N>),
}

impl<R, const N: usize> Halves<R, N> {
    /// The same in the protocol's own order.
    pub(super) fn sorted(self, sort: impl FnOnce(Words<R, N>) -> Words<R, N>) -> Self {
        match self {
            Halves::Kept(halves) => Halves::Kept(sort(halves)),
            Halves::New | Halves::Keep => self,
        }
    }
}

/// One execution of an interactive instruction, as an operation of a protocol with up to N words of a value at a party.
///
/// Operands are dense words of `n` elements, the results too. Each operation is one party's part: it says in its module what it sends, and takes as many
/// rounds as the protocol's [model](tern_bytecode::model) announces.
pub(super) trait Sharing<'w, R: Ring, const N: usize>:
    Copy + Deref<Target = engine::Op<'w, R>> + 'w
{
    /// What all operations of a party use.
    type World: Deref<Target = engine::World<R>>;

    /// # Errors
    /// If the loops around it run more often than streams can be addressed.
    fn new(world: &'w Self::World, address: Address, route: Route) -> Result<Self, Fault>;

    /// Whether a party has the word `i` of values of a kind.
    fn has(me: Party, kind: Kind, i: usize) -> bool;

    /// Whether public values are added to the word `i`, where a party has it: of all words of a value this must be one.
    fn public(me: Party, kind: Kind, i: usize) -> bool;

    /// The word of a replicated value that becomes part of the word `i` of the same in additive form; none leaves 0.
    fn widened(me: Party, i: usize) -> Option<usize>;

    /// The key of the word `i` of random values.
    fn key(world: &'w Self::World, i: usize) -> &'w Key;

    /// Whether this party's addend of a replicated value has the word `i`: of others it needs no copy where only the addend counts.
    fn in_addend(self, i: usize) -> bool;

    /// A product of elements, in additive form: writes the words of it in `dst`, whose buffers are listed as words.
    fn mul(world: &Self::World, dst: (&mut Words<R, N>, &Layout), x: Held<'_, R, N>, y: Held<'_, R, N>);

    /// The same summed over axes.
    fn contract(
        world: &Self::World,
        dst: (&mut Words<R, N>, &Layout),
        x: Held<'_, R, N>,
        y: Held<'_, R, N>,
        axes: contract::Axes,
    );

    /// An owner's input, by word.
    fn input(self, owner: Party) -> [Entry<'w>; N];

    /// Sees what an owner has sent.
    fn received(self, _owner: Party, _word: &[R]) {}

    /// Additive to replicated form.
    fn reshare(self, z: Words<R, N>, n: usize) -> impl Future<Output = Words<R, N>> + 'w;

    /// Division by 2^`bits` of a value of a kind; of a replicated one the words of this party's addend are there.
    fn truncate(
        self,
        x: (Kind, Words<R, N>),
        n: usize,
        bits: u32,
        rounding: Rounding,
    ) -> impl Future<Output = Words<R, N>> + 'w;

    /// The bits of a value that an adder computes, lowest first; the words of this party's addend are there.
    fn bits(self, x: Words<R, N>, n: usize, adder: Adder) -> impl Future<Output = Vec<Words<u64, N>>> + 'w;

    /// Bit `high` - 1 of a value, but for what stands below `low`, by a test for zero; the words of this party's addend are there.
    fn sign_tested(
        self,
        x: Words<R, N>,
        n: usize,
        low: u32,
        high: u32,
    ) -> impl Future<Output = Words<u64, N>> + 'w;

    /// Conjunction of bits.
    fn and(self, x: Words<u64, N>, y: Words<u64, N>, n: usize) -> impl Future<Output = Words<u64, N>> + 'w;

    /// The number of which each of `places` is a bit, lowest first.
    fn word(self, places: Vec<Words<u64, N>>, n: usize) -> impl Future<Output = Words<R, N>> + 'w;

    /// The same through an adder.
    fn compose(self, places: Vec<Words<u64, N>>, n: usize) -> impl Future<Output = Words<R, N>> + 'w;

    /// `x` where `bit` is set, else 0, replicated or additive, and the bit's halves if they are to be kept.
    fn select(
        self,
        bit: Words<u64, N>,
        x: Words<R, N>,
        n: usize,
        halves: Halves<R, N>,
        additive: bool,
    ) -> impl Future<Output = (Words<R, N>, Words<R, N>)> + 'w;

    /// `x` of a kind divided by 2^`bits`, at random up or down, where `bit` is set, else 0; the bit's halves are there, and of a replicated value the words of
    /// this party's addend.
    fn select_quotient(
        self,
        bit: Words<u64, N>,
        x: (Kind, Words<R, N>),
        bits: u32,
        halves: Words<R, N>,
        additive: bool,
    ) -> impl Future<Output = Words<R, N>> + 'w;

    /// Opens to everybody.
    fn reveal(self, x: Words<R, N>, n: usize) -> impl Future<Output = Result<Vec<R>, Fault>> + 'w;

    /// Opens bits to everybody.
    fn reveal_bits(self, x: Words<u64, N>, n: usize) -> impl Future<Output = Result<Vec<u64>, Fault>> + 'w;

    /// Opens to one party.
    fn output(
        self,
        to: Party,
        x: Words<R, N>,
        n: usize,
    ) -> impl Future<Output = Result<Option<Vec<R>>, Fault>> + 'w;

    /// What more the parties can find out about a failure that all that follow the protocol see in the same round; `exchange` sends to each what
    /// this one knows, and gives what the others know.
    fn explain(
        _world: &'w Self::World,
        _program: &Program,
        fault: Fault,
        _exchange: impl FnOnce(&Peers<Vec<u8>>) -> Peers<Option<Vec<u8>>>,
    ) -> Fault {
        fault
    }

    /// What must be sure before a party's shares are written.
    fn release(self) -> impl Future<Output = Result<(), Fault>> + 'w;

    /// What must be sure before the state of the run is kept, outside the program's rounds. No other execution has the address.
    fn settle(_world: &'w Self::World, _address: Address, _links: &mut Links) -> Result<(), Fault> {
        Ok(())
    }
}
