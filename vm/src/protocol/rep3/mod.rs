//! Three parties, replicated shares, one semi-honest corruption.
//!
//! A value x of Z_{2^k} is x = x_0 + x_1 + x_2, of which party i holds x_{i-1} and x_{i+1}: one summand in common with each neighbour, which is how they are stored
//! and named here (x_{i-1} with the next party, x_{i+1} with the previous one). Bits are shared the same way with exclusive or. A product of shared values
//! leaves one summand at each party, the *additive* form.
//!
//! | module | what it holds |
//! |---|---|
//! | `input_output`, `reshare`, `truncate`, `adder`, `compare`, `word`, `select` | one family of protocols each: algebra, messages, why they tell nothing |
//! | `op`, `ring` | roles, sides and keys of an operation |
//! | [`super::linear`] | registers and instructions, the same for every protocol of this kind |
//! | `draw` | purposes of random streams |
//!
//! Each family's module says why every message is uniform to its receiver, so that a party's view can be simulated from its own shares and the result; the
//! tests of `privacy` check it, operation by operation. A party that fails tells the others why and ends ([`super::run_party`]). Keys are erased when the run ends.
//!
//! What each instruction sends, to the byte, is stated in [`tern_bytecode::model::rep3`].

mod adder;
mod compare;
mod compose;
mod draw;
mod input_output;
mod op;
#[cfg(test)]
mod privacy;
mod reshare;
mod ring;
mod select;
#[cfg(test)]
mod timing;
mod truncate;
mod word;

use tern_bytecode::circuit::Adder;
use tern_bytecode::model::rep3::MODEL;
use tern_bytecode::program::Rounding;
use tern_bytecode::{Kind, Program, Route};

use self::op::{Op, Role, World};
use self::reshare::and_summand;
use self::ring::{OnRing, Pair, Side};
use self::select::Selected;
use self::truncate::Operand;
use super::linear::{self, Entry, Halves, Held, Sharing, Words};
use super::party::{Host, Setting};
use crate::bits;
use crate::machine::{Address, Fault, Report, RunError, Seeds};
use crate::net::{Links, Party};
use crate::par::Threads;
use crate::prg::Key;
use crate::ring::{Layout, Ring, ViewMut, contract, views};

/// Words of a replicated value at a party, by [`Side`]: the summand in common with the next, and with the previous.
const WORDS: usize = 2;
/// The word of the summand in common with the next party: what stands for additive values and halves.
const NEXT: usize = 0;

/// Who has which key: each party and the next.
pub(super) fn groups() -> Vec<Vec<Party>> {
    Party::all(MODEL.parties).map(|party| vec![party, party.next()]).collect()
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
    let (me, options) = (links.me(), setting.options);
    let key = |group: Party| {
        setting.keys.common[group.index()].expect("a party is in its own group and the one before")
    };
    let keys = Pair::new(key(me), key(me.prev()));
    setting.compare_shares::<R>(program, host, links, &(MODEL.filed)(me.index()))?;
    let threads = Threads::new(options.threads)?;
    let world = World::new(me, keys, Seeds::public_key(&setting.keys.public), threads);
    linear::run::<R, Op<'_, R>, WORDS>(&world, program, links, host, &setting)
}

/// The word of a party to which public values are added: x_0, which party 0 does not hold.
fn public_word(me: Party) -> Option<usize> {
    match me {
        Party::P0 => None,
        party if party.prev() == Party::P0 => Some(Side::Next as usize),
        _ => Some(Side::Prev as usize),
    }
}

impl<'w, R: Ring> Sharing<'w, R, WORDS> for Op<'w, R> {
    type World = World<R>;

    fn new(world: &'w World<R>, address: Address, route: Route) -> Result<Self, Fault> {
        Op::new(world, address, route)
    }

    fn has(_: Party, kind: Kind, i: usize) -> bool {
        match kind {
            Kind::Shared | Kind::Bit => true,
            Kind::Additive | Kind::Half => i == NEXT,
            Kind::Plain | Kind::Real | Kind::Int => false,
        }
    }

    /// An additive value has them at party 0.
    fn public(me: Party, kind: Kind, i: usize) -> bool {
        match kind {
            Kind::Additive => me == Party::P0,
            Kind::Plain | Kind::Shared | Kind::Bit | Kind::Half | Kind::Real | Kind::Int => {
                public_word(me) == Some(i)
            }
        }
    }

    /// The summand of party i is x_{i-1}, which it has in common with the next.
    fn widened(_: Party, _: usize) -> Option<usize> {
        Some(NEXT)
    }

    /// The summand in common with a neighbour is a stream of the two.
    fn key(world: &'w World<R>, i: usize) -> &'w Key {
        world.key(Side::BOTH[i])
    }

    fn in_addend(self, i: usize) -> bool {
        match self.role() {
            Role::Corner => true,
            role @ (Role::A | Role::B) => Side::BOTH[i] == self.side(role.partner()),
        }
    }

    fn mul(
        world: &World<R>,
        (dst, layout): (&mut Words<R, WORDS>, &Layout),
        x: Held<'_, R, WORDS>,
        y: Held<'_, R, WORDS>,
    ) {
        let src = [x.word(0), x.word(1), y.word(0), y.word(1)];
        let product = |_, [x, v, y, w]: [R; 4]| x * (y + w) + v * y;
        views::apply(&world.threads, ViewMut::new(&mut dst[NEXT], layout), src, product);
    }

    fn contract(
        world: &World<R>,
        (dst, layout): (&mut Words<R, WORDS>, &Layout),
        x: Held<'_, R, WORDS>,
        y: Held<'_, R, WORDS>,
        axes: contract::Axes,
    ) {
        let [x, y] = [x, y].map(|held| contract::SharesView { data: held.data, layout: held.layout });
        let out = ViewMut::new(&mut dst[NEXT], layout);
        contract::contract_shares(&world.threads, out, x, y, axes, contract::Write::Replace);
    }

    fn input(self, owner: Party) -> [Entry<'w>; WORDS] {
        input_output::entries(self, owner).into()
    }

    async fn reshare(self, [z, _]: Words<R, WORDS>, _: usize) -> Words<R, WORDS> {
        reshare::reshare(self, z).await.into()
    }

    async fn truncate(
        self,
        (kind, x): (Kind, Words<R, WORDS>),
        _: usize,
        bits: u32,
        rounding: Rounding,
    ) -> Words<R, WORDS> {
        truncate::truncate(self, Operand::new(kind, x), bits, rounding).await.into()
    }

    async fn bits(self, x: Words<R, WORDS>, _: usize, adder: Adder) -> Vec<Words<u64, WORDS>> {
        let own = reshare::addend(self, x.into());
        adder::sums(self, &adder, &own).await.into_iter().map(Into::into).collect()
    }

    async fn sign_tested(self, x: Words<R, WORDS>, _: usize, low: u32, high: u32) -> Words<u64, WORDS> {
        let own = reshare::addend(self, x.into());
        compare::sign(self, low, high, own).await.into()
    }

    async fn and(self, x: Words<u64, WORDS>, y: Words<u64, WORDS>, n: usize) -> Words<u64, WORDS> {
        let mut z = vec![0; bits::words(n)];
        let src = [&x[0][..], &x[1], &y[0], &y[1]];
        bits::apply(&self.world.threads, &mut z, src, |_, [x, v, y, w]| and_summand([x, v], [y, w]));
        reshare::reshare_planes(self, draw::Draw::Reshare, z, n).await.into()
    }

    async fn word(self, places: Vec<Words<u64, WORDS>>, n: usize) -> Words<R, WORDS> {
        word::word(self, places.into_iter().map(Into::into).collect(), n).await.into()
    }

    async fn compose(self, places: Vec<Words<u64, WORDS>>, n: usize) -> Words<R, WORDS> {
        compose::compose(self, places.into_iter().map(Into::into).collect(), n).await.into()
    }

    async fn select(
        self,
        bit: Words<u64, WORDS>,
        x: Words<R, WORDS>,
        _: usize,
        halves: Halves<R, WORDS>,
        additive: bool,
    ) -> (Words<R, WORDS>, Words<R, WORDS>) {
        let (keep, kept) = match halves {
            Halves::New => (false, None),
            Halves::Keep => (true, None),
            Halves::Kept([part, _]) => (false, Some(part)),
        };
        let (selected, part) = select::select(self, bit.into(), x.into(), kept, additive).await;
        let selected = match selected {
            Selected::Shared(value) => value.into(),
            Selected::Additive(value) => [value, Vec::new()],
        };
        if !keep {
            self.recycle(part);
            return (selected, Words::default());
        }
        (selected, [part, Vec::new()])
    }

    async fn select_quotient(
        self,
        bit: Words<u64, WORDS>,
        (kind, x): (Kind, Words<R, WORDS>),
        bits: u32,
        [part, _]: Words<R, WORDS>,
        additive: bool,
    ) -> Words<R, WORDS> {
        let x = Operand::new(kind, x);
        match select::select_quotient(self, bit.into(), x, bits, part, additive).await {
            Selected::Shared(value) => value.into(),
            Selected::Additive(value) => [value, Vec::new()],
        }
    }

    async fn reveal(self, x: Words<R, WORDS>, _: usize) -> Result<Vec<R>, Fault> {
        Ok(input_output::reveal(self, x.into()).await)
    }

    async fn reveal_bits(self, x: Words<u64, WORDS>, n: usize) -> Result<Vec<u64>, Fault> {
        Ok(input_output::reveal_bits(self, x.into(), n).await)
    }

    async fn output(self, to: Party, x: Words<R, WORDS>, _: usize) -> Result<Option<Vec<R>>, Fault> {
        Ok(input_output::output(self, to, x.into()).await)
    }

    /// Everybody follows the protocol.
    async fn release(self) -> Result<(), Fault> {
        Ok(())
    }
}
