//! Four parties, replicated shares, one of whom may do anything: the others notice and stop before anything is revealed.
//!
//! A value x of Z_{2^k} is x = x_0 + x_1 + x_2 + x_3, and party i lacks x_i. Bits are shared the same way with exclusive or. A product of shared values is a sum of one
//! term per pair of parties, known to both: the *additive* form. Key i is known to all parties but i.
//!
//! | module | what it holds |
//! |---|---|
//! | `op` | roles, messages with a checker, and the one primitive: a value that two parties know becomes shares |
//! | `check` | running hashes of all that travels, and their comparison before an opening |
//! | `evidence` | which message was the first to be disputed |
//! | `input_output`, `reshare`, `truncate`, `adder`, `word`, `compose`, `select` | one family of protocols each: algebra, messages, why they tell nothing |
//! | `draw` | purposes of random streams |
//! | [`super::linear`] | registers and instructions, the same for every protocol of this kind |
//!
//! **What one party that deviates can reach.** Whatever it sends, a second party computes too and compares before anything is opened; the digests are compared by all
//! others, so all of them stop in the same round, and what they have seen by then is uniform whatever the secrets are. A wrong summand of
//! an opening is noticed by its receiver at once. Of an input of its own it chooses the value, as any owner does. It cannot choose keys or the public seed: these
//! are committed to first and compared. It can make the run fail, and it may learn an opened value that others then do not get: neither
//! fairness nor guaranteed output is promised, and nothing at all against two parties together.
//!
//! What each instruction sends, to the byte, is stated in [`tern_bytecode::model::rep4`].

mod adder;
mod check;
mod compose;
mod draw;
mod evidence;
mod input_output;
mod op;
#[cfg(test)]
mod privacy;
mod reshare;
mod select;
mod truncate;
mod word;

use std::cell::RefCell;
use std::ops::Deref;

use tern_bytecode::circuit::Adder;
use tern_bytecode::model::rep4::MODEL;
use tern_bytecode::program::Rounding;
use tern_bytecode::{Kind, Program, Route};

use self::check::Checks;
pub use self::check::Disagreement;
use self::op::Op;
use self::truncate::Operand;
use super::linear::{self, Entry, Halves, Held, Sharing, Words};
use super::party::{Host, PartyError, Setting, When};
use crate::machine::{Address, Fault, Report, RunError, Seeds};
use crate::net::{Links, Party, Peers};
use crate::par::Threads;
use crate::prg::Key;
use crate::ring::{Layout, Ring, ViewMut, contract, views};
use crate::rounds::engine;

/// Words of a value, by party: of a replicated value the summand that the party lacks, of an additive one the term in common with it. A party has
/// all but its own.
const WORDS: usize = MODEL.parties;

/// Who has which key: all but one.
pub(super) fn groups() -> Vec<Vec<Party>> {
    let without = |party| Party::all(MODEL.parties).filter(|other| *other != party).collect();
    Party::all(MODEL.parties).map(without).collect()
}

#[cfg(test)]
pub(super) fn draws() -> Vec<crate::purposes::Listed> {
    draw::Draw::listed()
}

/// Runs a program as the party at these links; see [`super::run_party`].
pub(super) fn run_in<R: Ring>(
    program: &Program,
    links: &mut Links,
    host: &mut dyn Host,
    setting: Setting<'_>,
) -> Result<Report, RunError> {
    setting.compare_shares::<R>(program, host, links, &(MODEL.filed)(links.me().index()))?;
    let threads = Threads::new(setting.options.threads)?;
    let world =
        World::new(links.me(), &setting.keys.common, Seeds::public_key(&setting.keys.public), threads);
    linear::run::<R, Op<'_, R>, WORDS>(&world, program, links, host, &setting)
}

/// What all operations of a party use.
struct World<R> {
    rounds: engine::World<R>,
    /// By the party that does not know it.
    keys: [Option<Key>; 4],
    public: Key,
    checks: RefCell<Checks>,
}

impl<R> Deref for World<R> {
    type Target = engine::World<R>;

    fn deref(&self) -> &engine::World<R> {
        &self.rounds
    }
}

impl<R: Ring> World<R> {
    /// `keys` by the party that lacks each; this party's own is not there.
    fn new(me: Party, keys: &[Option<[u8; 16]>], public: Key, threads: Threads) -> Self {
        let known = [0, 1, 2, 3].map(|i| keys[i].unwrap_or_default());
        let checks = RefCell::new(Checks::new(me, &known));
        let keys = [0, 1, 2, 3].map(|i| keys[i].as_ref().map(Key::new));
        Self { rounds: engine::World::new(me, MODEL.parties, threads), keys, public, checks }
    }

    /// The key that all but one party know.
    fn key(&self, without: Party) -> &Key {
        self.keys[without.index()].as_ref().expect("a key that this party knows")
    }

    /// The end of the run when somebody has not followed the protocol: in this round, or before if it is a comparison that has failed.
    fn fault(&self, cause: Disagreement) -> Fault {
        let round = self.rounds.round();
        let when = match self.checks.borrow().dispute {
            Some(_) => When::By(round),
            None => When::In { round, place: None },
        };
        PartyError::Disagreement { cause, when }.into()
    }
}

/// The summand to which public values are added: that of party 0, which the others have.
const PUBLIC: usize = 0;
/// The two that have the public values among the terms of an additive value.
const PUBLIC_TERM: [usize; 2] = [0, 1];

/// Which term, by its two parties, the summand that `i` lacks becomes part of.
fn part_of(i: usize) -> [usize; 2] {
    [(i + 1) % 4, (i + 2) % 4]
}

impl<'w, R: Ring> Sharing<'w, R, WORDS> for Op<'w, R> {
    type World = World<R>;

    fn new(world: &'w World<R>, address: Address, route: Route) -> Result<Self, Fault> {
        Op::new(world, address, route)
    }

    fn has(me: Party, kind: Kind, i: usize) -> bool {
        match kind {
            Kind::Shared | Kind::Additive | Kind::Bit | Kind::Half => i != me.index(),
            Kind::Plain | Kind::Real | Kind::Int => false,
        }
    }

    /// The public value is x_0, or the term of two parties.
    fn public(me: Party, kind: Kind, i: usize) -> bool {
        match kind {
            Kind::Additive => PUBLIC_TERM.contains(&me.index()) && PUBLIC_TERM.contains(&i),
            Kind::Plain | Kind::Shared | Kind::Bit | Kind::Half | Kind::Real | Kind::Int => i == PUBLIC,
        }
    }

    /// Every summand becomes part of a term of two that have it.
    fn widened(me: Party, i: usize) -> Option<usize> {
        (0..4).find(|word| part_of(*word).contains(&me.index()) && part_of(*word).contains(&i))
    }

    /// The summand that a party lacks is the stream that it lacks.
    fn key(world: &'w World<R>, i: usize) -> &'w Key {
        world.key(Party::from_index(i).expect("one of four"))
    }

    fn in_addend(self, i: usize) -> bool {
        reshare::missing(self).map(|role| self.party(role).index()).contains(&i)
    }

    fn mul(
        world: &World<R>,
        (dst, layout): (&mut Words<R, WORDS>, &Layout),
        x: Held<'_, R, WORDS>,
        y: Held<'_, R, WORDS>,
    ) {
        let (threads, me) = (&world.threads, world.me.index());
        for (other, out) in dst.iter_mut().enumerate().filter(|(other, _)| *other != me) {
            let ([m, n], matched) = reshare::term(me, other);
            let src = [x.word(m), x.word(n), y.word(m), y.word(n)];
            let out = ViewMut::new(out, layout);
            match matched {
                true => views::apply(threads, out, src, |_, [x, v, y, w]: [R; 4]| (x - v) * (w - y)),
                false => views::apply(threads, out, src, |_, [x, v, y, w]: [R; 4]| (x + v) * (y + w)),
            }
        }
    }

    fn contract(
        world: &World<R>,
        (dst, layout): (&mut Words<R, WORDS>, &Layout),
        x: Held<'_, R, WORDS>,
        y: Held<'_, R, WORDS>,
        axes: contract::Axes,
    ) {
        let (threads, me) = (&world.threads, world.me.index());
        for (other, out) in dst.iter_mut().enumerate().filter(|(other, _)| *other != me) {
            let (pair, matched) = reshare::term(me, other);
            let [x, y] = [x, y].map(|held| {
                let data = pair.map(|i| held.data[i]);
                contract::SharesView { data, layout: held.layout }
            });
            let out = ViewMut::new(out, layout);
            contract::contract_term(threads, out, x, y, matched, axes, contract::Write::Replace);
        }
    }

    fn input(self, owner: Party) -> [Entry<'w>; WORDS] {
        input_output::entries(self, owner)
    }

    fn received(self, owner: Party, word: &[R]) {
        input_output::check(self, owner, word);
    }

    async fn reshare(self, z: Words<R, WORDS>, n: usize) -> Words<R, WORDS> {
        self.by_party(reshare::reshare(self, self.by_role(z), n).await)
    }

    async fn truncate(
        self,
        (kind, x): (Kind, Words<R, WORDS>),
        n: usize,
        bits: u32,
        rounding: Rounding,
    ) -> Words<R, WORDS> {
        let x = self.by_role(x);
        let x = match kind {
            Kind::Additive => Operand::Additive(x),
            Kind::Plain | Kind::Shared | Kind::Bit | Kind::Half | Kind::Real | Kind::Int => {
                Operand::Shared(x)
            }
        };
        self.by_party(truncate::truncate(self, x, n, bits, rounding).await)
    }

    async fn bits(self, x: Words<R, WORDS>, _: usize, adder: Adder) -> Vec<Words<u64, WORDS>> {
        let own = reshare::addend(self, self.by_role(x));
        let sums = adder::sums(self, &adder, own).await;
        sums.into_iter().map(|bit| self.by_party(bit)).collect()
    }

    async fn sign_tested(self, _: Words<R, WORDS>, _: usize, _: u32, _: u32) -> Words<u64, WORDS> {
        unreachable!("with four parties comparisons are networks: validated")
    }

    async fn and(self, x: Words<u64, WORDS>, y: Words<u64, WORDS>, n: usize) -> Words<u64, WORDS> {
        let [x, y] = [x, y].map(|bit| self.by_role(bit));
        self.by_party(adder::and(self, &x, &y, 1, n, draw::Draw::Reshare).await)
    }

    async fn word(self, places: Vec<Words<u64, WORDS>>, n: usize) -> Words<R, WORDS> {
        let places = places.into_iter().map(|bit| self.by_role(bit)).collect();
        self.by_party(word::word(self, places, n).await)
    }

    async fn compose(self, places: Vec<Words<u64, WORDS>>, n: usize) -> Words<R, WORDS> {
        let places = places.into_iter().map(|bit| self.by_role(bit)).collect();
        self.by_party(compose::compose(self, places, n).await)
    }

    async fn select(
        self,
        bit: Words<u64, WORDS>,
        x: Words<R, WORDS>,
        n: usize,
        halves: Halves<R, WORDS>,
        additive: bool,
    ) -> (Words<R, WORDS>, Words<R, WORDS>) {
        let halves = halves.sorted(|halves| self.by_role(halves));
        let (bit, x) = (self.by_role(bit), self.by_role(x));
        let (value, halves) = select::select(self, bit, x, n, halves, additive).await;
        (self.by_party(value), self.by_party(halves))
    }

    async fn select_quotient(
        self,
        _: Words<u64, WORDS>,
        _: (Kind, Words<R, WORDS>),
        _: u32,
        _: Words<R, WORDS>,
        _: bool,
    ) -> Words<R, WORDS> {
        unreachable!("with four parties quotients are made before they are selected: validated")
    }

    async fn reveal(self, x: Words<R, WORDS>, n: usize) -> Result<Vec<R>, Fault> {
        let opened = input_output::reveal(self, self.by_role(x), n).await;
        opened.map_err(|cause| self.world.fault(cause))
    }

    async fn reveal_bits(self, x: Words<u64, WORDS>, n: usize) -> Result<Vec<u64>, Fault> {
        let opened = input_output::reveal_bits(self, self.by_role(x), n).await;
        opened.map_err(|cause| self.world.fault(cause))
    }

    async fn output(self, to: Party, x: Words<R, WORDS>, n: usize) -> Result<Option<Vec<R>>, Fault> {
        let opened = input_output::output(self, to, self.by_role(x), n).await;
        opened.map_err(|cause| self.world.fault(cause))
    }

    fn explain(
        world: &'w World<R>,
        program: &Program,
        fault: Fault,
        exchange: impl FnOnce(&Peers<Vec<u8>>) -> Peers<Option<Vec<u8>>>,
    ) -> Fault {
        evidence::explain(world, program, fault, exchange)
    }

    /// What is written looks complete: it comes after a comparison.
    async fn release(self) -> Result<(), Fault> {
        check::compare(self).await.map_err(|cause| self.world.fault(cause))
    }

    /// Hashes begin anew with the keys of a run that goes on: what has travelled is compared before it is kept.
    fn settle(world: &'w World<R>, address: Address, links: &mut Links) -> Result<(), Fault> {
        let op = Op::new(world, address, Route(0))?;
        let verdict = check::compare_now(op, links).map_err(PartyError::Net)?;
        verdict.map_err(|cause| world.fault(cause))
    }
}
