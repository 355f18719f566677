//! Three parties, replicated shares, one semi-honest corruption.
//!
//! A value x of Z_{2^k} is x = x_0 + x_1 + x_2, of which party i holds x_{i-1} and x_{i+1}: one summand in common with each neighbour, which is how they are stored
//! and named here (x_{i-1} with the next party, x_{i+1} with the previous one). Bits are shared the same way with exclusive or. A product of shared values
//! leaves one summand at each party, the *additive* form.
//!
//! | module | what it holds |
//! |---|---|
//! | `input_output`, `reshare`, `truncate`, `adder`, `word`, `select` | one family of protocols each: algebra, messages, why they tell nothing |
//! | `op`, `ring` | roles, sides and keys of an operation |
//! | `draw` | purposes of random streams |
//!
//! Each family's module says why every message is uniform to its receiver, so that a party's view can be simulated from its own shares and the result; the
//! tests of `privacy` check it, operation by operation. A party that fails tells the others why and ends ([`super::run_party`]). Keys are erased when the run ends.
//!
//! What each instruction sends, to the byte, is stated in [`tern_bytecode::model::rep3`].

mod adder;
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

use std::future::Future;
use std::time::Instant;

use tern_bytecode::circuit::Adder;
use tern_bytecode::instr::{Axes, MaybeReg};
use tern_bytecode::model::rep3::MODEL;
use tern_bytecode::program::Place;
use tern_bytecode::{Kind, Program, Reg, Route};

use self::input_output::Part;
use self::op::{Op, World};
use self::reshare::{Shares, and_summand};
use self::ring::{OnRing, Pair, Side};
use self::select::Selected;
use self::truncate::Operand;
use super::Backend;
use super::party::{Host, PartyError, Setting};
use super::registers::{contract_axes, give, party, pieces, public_bits, rows, slot, take, whole};
use super::store::{self, Component, Slot};
use crate::bits;
use crate::machine::memory::row_major;
use crate::machine::{Context, Memory, Purpose, Report, RunError, Seeds, run};
use crate::net::{Links, Party};
use crate::par::Threads;
use crate::ring::{Ring, View, ViewMut, contract, views};
use crate::rounds::engine::Engine;

/// Who has which key: each party and the next.
pub(super) fn groups() -> Vec<Vec<Party>> {
    Party::all(MODEL.parties).map(|party| vec![party, party.next()]).collect()
}

/// Runs a program as the party at these links; see [`super::run_party`].
pub(super) fn run_in<R: Ring>(
    program: &Program,
    links: &mut Links,
    host: &mut dyn Host,
    setting: Setting<'_>,
) -> Result<Report> {
    let (me, options) = (links.me(), setting.options);
    let key = |group: Party| {
        setting.keys.common[group.index()].expect("a party is in its own group and the one before")
    };
    let keys = Pair::new(key(me), key(me.prev()));
    setting.compare_shares::<R>(program, host, links, &[me.index(), me.prev().index()])?;
    let threads = Threads::new(options.threads)?;
    let world = World::new(me, keys, Seeds::public_key(&setting.keys.public), threads);
    let mut components =
        store::new(program, 2, |kind, component| sides(kind).contains(&Side::BOTH[component]))?;
    let prev = components.pop().expect("two components");
    let next = components.pop().expect("two components");
    let (mut report, meter) = {
        let engine = Engine::new(&world.rounds, links, program);
        let mut party = Rep3::<R> { world: &world, engine, store: Pair::new(next, prev) };
        let report =
            run(program, &mut party, Memory::public, &setting.keys.public, host, &setting.machine())?;
        (report, party.engine.into_meter())
    };
    links.finish().map_err(PartyError::Net)?;
    report.measured = Some(meter.measured(&report, links.traffic()));
    Ok(report)
}

/// The sides on which values of a kind have summands.
fn sides(kind: Kind) -> &'static [Side] {
    match kind {
        Kind::Shared | Kind::Bit => &Side::BOTH,
        Kind::Additive | Kind::Half => &[Side::Next],
        Kind::Plain | Kind::Real | Kind::Int => &[],
    }
}

/// One party's back-end.
struct Rep3<'w, R: Ring> {
    world: &'w World<R>,
    engine: Engine<'w, R, Vec<Done<R>>>,
    /// By the neighbour that has the summands too.
    store: Pair<Component<R>>,
}

/// What an operation gives when it is complete: dense values for registers or the host.
enum Done<R> {
    Shared(Reg, Shares<R>),
    /// What stands on one side: the part of a half, additive shares, or one of two shares.
    Summand(Reg, Side, Vec<R>),
    /// Planes along the first axis.
    Planes(Reg, Vec<Shares<u64>>),
    Bits(Reg, Shares<u64>),
    Plain(Reg, Vec<R>),
    Ints(Reg, Vec<i64>),
    Output(u32, Vec<R>),
}

type Result<T = (), E = RunError> = std::result::Result<T, E>;

impl<'w, R: Ring> Rep3<'w, R> {
    fn op(&self, context: &Context<'_, R>, route: Route) -> Result<Op<'w, R>> {
        Ok(Op::new(self.world, context.address, route)?)
    }

    fn issue(
        &mut self,
        context: &mut Context<'_, R>,
        operation: impl Future<Output = Vec<Done<R>>> + 'w,
    ) -> Result {
        let results = self.engine.issue(context.address.instruction, operation).map_err(PartyError::Net)?;
        results.map_or(Ok(()), |results| self.keep(context, results))
    }

    /// Writes results to their registers.
    fn keep(&mut self, context: &mut Context<'_, R>, results: Vec<Done<R>>) -> Result {
        let threads = &self.world.threads;
        for result in results {
            match result {
                Done::Shared(dst, Pair { next, prev }) => {
                    self.keep_summand(context, dst, Side::Next, next);
                    self.keep_summand(context, dst, Side::Prev, prev);
                }
                Done::Summand(dst, side, value) => self.keep_summand(context, dst, side, value),
                Done::Bits(dst, value) => {
                    for side in Side::BOTH {
                        let buffers = &mut self.store[side].bits;
                        store::save::<R, u64>(threads, buffers, slot(context, dst), &value[side]);
                    }
                }
                Done::Planes(dst, planes) => {
                    let Slot { buffer, layout } = slot(context, dst);
                    for (i, plane) in planes.iter().enumerate() {
                        let layout = store::row(layout, i);
                        for side in Side::BOTH {
                            let (buffers, dst) =
                                (&mut self.store[side].bits, Slot { buffer, layout: &layout });
                            store::save::<R, u64>(threads, buffers, dst, &plane[side]);
                        }
                    }
                }
                Done::Plain(dst, value) => context.memory.store(threads, dst, &value),
                Done::Ints(dst, value) => context.memory.store(threads, dst, &value),
                Done::Output(output, value) => give(context, output, &value)?,
            }
        }
        Ok(())
    }

    /// Writes a summand to its register; a vector that fills the buffer becomes the buffer.
    fn keep_summand(&mut self, context: &Context<'_, R>, dst: Reg, side: Side, value: Vec<R>) {
        let (slot, buffers) = (slot(context, dst), &mut self.store[side].ring);
        if whole(context, dst) {
            self.world.recycle(std::mem::replace(&mut buffers[slot.buffer], value));
        } else {
            store::save(&self.world.threads, buffers, slot, &value);
            self.world.recycle(value);
        }
    }

    /// A replicated value.
    fn shared(&self, context: &Context<'_, R>, reg: Reg) -> Shares<R> {
        Pair::from_fn(|side| self.summand_on(context, reg, side))
    }

    /// This party's summand of an additive value, or its part of a half.
    fn summand(&self, context: &Context<'_, R>, reg: Reg) -> Vec<R> {
        self.summand_on(context, reg, Side::Next)
    }

    fn summand_on(&self, context: &Context<'_, R>, reg: Reg, side: Side) -> Vec<R> {
        let Slot { buffer, layout } = slot(context, reg);
        let mut copy = self.world.room(layout.len());
        let dense = row_major(layout);
        let to = ViewMut::new(&mut copy, &dense);
        views::copy(&self.world.threads, to, View::new(&self.store[side].ring[buffer], layout));
        copy
    }

    /// The planes of bits along the first axis of a register.
    fn places(&self, context: &Context<'_, R>, a: Reg) -> Vec<Shares<u64>> {
        let Slot { buffer, layout } = slot(context, a);
        let rows = (0..layout.axes[0].len).map(|i| store::row(layout, i));
        let plane = |layout| {
            let view = |side: Side| View::new(&self.store[side].bits[buffer][..], &layout);
            Pair::from_fn(|side| store::load::<R, u64>(&self.world.threads, view(side)))
        };
        rows.map(plane).collect()
    }

    /// Shared bits.
    fn shared_bits(&self, context: &Context<'_, R>, reg: Reg) -> Shares<u64> {
        let Slot { buffer, layout } = slot(context, reg);
        let bits = |side: Side| View::new(&self.store[side].bits[buffer][..], layout);
        Pair::from_fn(|side| store::load::<R, u64>(&self.world.threads, bits(side)))
    }

    /// The side of this party on which the summand stands to which public values are added: x_0, which party 0 does not hold.
    fn public_side(&self) -> Option<Side> {
        match self.world.me {
            Party::P0 => None,
            party if party.prev() == Party::P0 => Some(Side::Next),
            _ => Some(Side::Prev),
        }
    }

    /// Applies `work` to every summand of a ring register.
    fn ring_local(
        &mut self,
        context: &Context<'_, R>,
        dst: Reg,
        work: impl Fn(&Threads, &mut [Vec<R>]),
    ) -> Result {
        for &side in sides(context.kind(dst)) {
            work(&self.world.threads, &mut self.store[side].ring);
        }
        Ok(())
    }

    fn selection(
        &mut self,
        context: &mut Context<'_, R>,
        dst: Reg,
        keep: MaybeReg,
        kept: Option<Vec<R>>,
        (bit, a, route): (Reg, Reg, Route),
    ) -> Result {
        let op = self.op(context, route)?;
        let (bit, a) = (self.shared_bits(context, bit), self.shared(context, a));
        let additive = context.kind(dst) == Kind::Additive;
        self.issue(context, async move {
            let (selected, part) = select::select(op, bit, a, kept, additive).await;
            let selected = match selected {
                Selected::Shared(value) => Done::Shared(dst, value),
                Selected::Additive(value) => Done::Summand(dst, Side::Next, value),
            };
            [Some(selected), keep.map(|keep| Done::Summand(keep, Side::Next, part))]
                .into_iter()
                .flatten()
                .collect()
        })
    }

    /// The owner's part of an input: piece by piece, so that the first has left before the last is read.
    fn own_input(
        &mut self,
        context: &mut Context<'_, R>,
        op: Op<'w, R>,
        (dst, input): (Reg, u32),
        to: Side,
    ) -> Result {
        let (at, threads) = (context.address.instruction, &self.world.threads);
        for (start, piece) in pieces(context.memory.layout(dst)) {
            let mut x = take(context, input, start, piece.len())?;
            let masks = input_output::masked(op, to.other(), start, &mut x);
            self.engine
                .transmit(at, self.world.me.at(to), bytemuck::cast_slice(&x))
                .map_err(PartyError::Net)?;
            let slot = Slot { layout: &piece, ..slot(context, dst) };
            store::save(threads, &mut self.store[to].ring, slot, &x);
            store::save(threads, &mut self.store[to.other()].ring, slot, &masks);
            self.world.recycle(masks);
        }
        Ok(())
    }

    /// The part of the neighbour that an owner sends to; a register that fills its buffer is received in place.
    fn near_input(&mut self, context: &mut Context<'_, R>, op: Op<'w, R>, dst: Reg, from: Side) -> Result {
        self.fill_pieces(context, dst, from.other(), |_, _, piece| piece.fill(R::ZERO));
        let room = match whole(context, dst) {
            true => std::mem::take(&mut self.store[from].ring[slot(context, dst).buffer]),
            false => op.room(context.memory.layout(dst).len()),
        };
        self.issue(context, async move {
            vec![Done::Summand(dst, from, input_output::receive(op, from, room).await)]
        })
    }

    /// This party's shares of an input, from an earlier run: first those in common with the next, then those with the previous.
    fn given_shares(&mut self, context: &mut Context<'_, R>, dst: Reg, input: u32) -> Result {
        let n = context.memory.layout(dst).len();
        for (side, first) in [(Side::Next, 0), (Side::Prev, n)] {
            for (start, piece) in pieces(context.memory.layout(dst)) {
                let x = take(context, input, first + start, piece.len())?;
                let slot = Slot { layout: &piece, ..slot(context, dst) };
                store::save(&self.world.threads, &mut self.store[side].ring, slot, &x);
            }
        }
        Ok(())
    }

    /// Fills a summand of a register with what `fill` makes of pieces and their positions.
    fn fill_pieces(
        &mut self,
        context: &Context<'_, R>,
        dst: Reg,
        side: Side,
        fill: impl Fn(&Threads, usize, &mut [R]),
    ) {
        for (start, piece) in pieces(context.memory.layout(dst)) {
            let mut values = self.world.room(piece.len());
            fill(&self.world.threads, start, &mut values);
            let slot = Slot { layout: &piece, ..slot(context, dst) };
            store::save(&self.world.threads, &mut self.store[side].ring, slot, &values);
            self.world.recycle(values);
        }
    }

    /// Moves rows of any kind.
    fn moved(&mut self, context: &Context<'_, R>, dst: Reg, a: Reg, index: Reg, gather: bool) -> Result {
        let rows = rows(context, &self.world.threads, if gather { a } else { dst }, index)?;
        let (to, from, kind) = (slot(context, dst), slot(context, a), context.kind(dst));
        for &side in sides(kind) {
            let component = &mut self.store[side];
            store::move_rows(&self.world.threads, component, kind == Kind::Bit, gather, to, from, &rows);
        }
        Ok(())
    }
}

impl<R: Ring> Backend for Rep3<'_, R> {
    type Element = R;

    fn copy(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Result {
        let threads = &self.world.threads;
        let (to, from, kind) = (slot(context, dst), slot(context, a), context.kind(dst));
        for &side in sides(kind) {
            let component = &mut self.store[side];
            match kind {
                Kind::Bit => store::map::<R, u64>(threads, &mut component.bits, to, from, |x| x),
                Kind::Plain | Kind::Shared | Kind::Additive | Kind::Half | Kind::Real | Kind::Int => {
                    store::map::<R, R>(threads, &mut component.ring, to, from, |x| x);
                }
            }
        }
        Ok(())
    }

    fn gather(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, index: Reg) -> Result {
        self.moved(context, dst, a, index, true)
    }

    fn scatter(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, index: Reg) -> Result {
        self.moved(context, dst, a, index, false)
    }

    /// The public value is x_0, or the summand of party 0; all else is 0.
    fn promote(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Result {
        let kind = context.kind(dst);
        let here = match kind {
            Kind::Additive => (self.world.me == Party::P0).then_some(Side::Next),
            Kind::Plain | Kind::Shared | Kind::Bit | Kind::Half | Kind::Real | Kind::Int => {
                self.public_side()
            }
        };
        let Slot { buffer, layout } = slot(context, dst);
        for &side in sides(kind) {
            let out = ViewMut::new(&mut self.store[side].ring[buffer], layout);
            match here == Some(side) {
                true => views::copy(&self.world.threads, out, context.memory.read::<R>(a)),
                false => views::fill(&self.world.threads, out, R::ZERO),
            }
        }
        Ok(())
    }

    fn promote_bits(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Result {
        let bits = public_bits(context, &self.world.threads, a)?;
        let zeros = vec![0; bits.len()];
        let here = self.public_side();
        let value = Pair::from_fn(|side| if here == Some(side) { bits.clone() } else { zeros.clone() });
        self.keep(context, vec![Done::Bits(dst, value)])
    }

    /// The summand of party i is x_{i-1}, which it has in common with the next.
    fn widen(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Result {
        let (to, from) = (slot(context, dst), slot(context, a));
        store::map::<R, R>(&self.world.threads, &mut self.store.next.ring, to, from, |x| x);
        Ok(())
    }

    fn add(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg) -> Result {
        let (to, from) = (slot(context, dst), [slot(context, a), slot(context, b)]);
        self.ring_local(context, dst, |threads, buffers| {
            store::zip::<R, R>(threads, buffers, to, from, |x, y| x + y);
        })
    }

    fn sub(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg) -> Result {
        let (to, from) = (slot(context, dst), [slot(context, a), slot(context, b)]);
        self.ring_local(context, dst, |threads, buffers| {
            store::zip::<R, R>(threads, buffers, to, from, |x, y| x - y);
        })
    }

    fn neg(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Result {
        let (to, from) = (slot(context, dst), slot(context, a));
        self.ring_local(context, dst, |threads, buffers| {
            store::map::<R, R>(threads, buffers, to, from, |x| -x);
        })
    }

    fn mul_plain(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg) -> Result {
        let (to, from, factor) = (slot(context, dst), slot(context, a), context.memory.read::<R>(b));
        self.ring_local(context, dst, |threads, buffers| {
            store::zip_with::<R, R>(threads, buffers, to, from, factor, |x, y| x * y);
        })
    }

    fn mul(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg) -> Result {
        let [to, x, y] = [dst, a, b].map(|reg| slot(context, reg));
        let mut out = std::mem::take(&mut self.store.next.ring[to.buffer]);
        let view = |slot: Slot<'_>, side: Side| self.store[side].ring[slot.buffer].as_slice();
        let src = [
            View::new(view(x, Side::Next), x.layout),
            View::new(view(x, Side::Prev), x.layout),
            View::new(view(y, Side::Next), y.layout),
            View::new(view(y, Side::Prev), y.layout),
        ];
        let product = |_, [x, v, y, w]: [R; 4]| x * (y + w) + v * y;
        views::apply(&self.world.threads, ViewMut::new(&mut out, to.layout), src, product);
        self.store.next.ring[to.buffer] = out;
        Ok(())
    }

    fn contract(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg, axes: Axes) -> Result {
        let threads = &self.world.threads;
        let [to, x, y] = [dst, a, b].map(|reg| slot(context, reg));
        let axes = contract_axes(axes);
        let replace = contract::Write::Replace;
        if context.kind(b) == Kind::Shared {
            let mut out = std::mem::take(&mut self.store.next.ring[to.buffer]);
            let [x, y] = [x, y].map(|slot| contract::SharesView {
                data: Side::BOTH.map(|side| &self.store[side].ring[slot.buffer][..]),
                layout: slot.layout,
            });
            contract::contract_shares(threads, ViewMut::new(&mut out, to.layout), x, y, axes, replace);
            self.store.next.ring[to.buffer] = out;
            return Ok(());
        }
        let factor = context.memory.read::<R>(b);
        for &side in sides(context.kind(dst)) {
            // the operand may be another part of the same buffer
            let buffers = &mut self.store[side].ring;
            let operand = store::load::<R, R>(threads, View::new(&buffers[x.buffer], x.layout));
            let dense = row_major(x.layout);
            let out = ViewMut::new(&mut buffers[to.buffer], to.layout);
            contract::contract_mod(threads, out, View::new(&operand, &dense), factor, axes, replace);
        }
        Ok(())
    }

    fn sum(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, axes: u32) -> Result {
        let (to, from) = (slot(context, dst), slot(context, a));
        self.ring_local(context, dst, |threads, buffers| store::sum(threads, buffers, to, from, axes))
    }

    fn xor(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg) -> Result {
        let (to, from) = (slot(context, dst), [slot(context, a), slot(context, b)]);
        for side in Side::BOTH {
            let buffers = &mut self.store[side].bits;
            store::zip::<R, u64>(&self.world.threads, buffers, to, from, |x, y| x ^ y);
        }
        Ok(())
    }

    fn not(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Result {
        let (to, from) = (slot(context, dst), slot(context, a));
        let here = self.public_side();
        for side in Side::BOTH {
            let flip = if here == Some(side) { u64::MAX } else { 0 };
            let buffers = &mut self.store[side].bits;
            store::map::<R, u64>(&self.world.threads, buffers, to, from, |x| x ^ flip);
        }
        Ok(())
    }

    fn and_public(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg) -> Result {
        let mask = public_bits(context, &self.world.threads, b)?;
        let (to, from) = (slot(context, dst), slot(context, a));
        let layout = row_major(to.layout);
        for side in Side::BOTH {
            let (buffers, mask) = (&mut self.store[side].bits, View::new(&mask[..], &layout));
            store::zip_with::<R, u64>(&self.world.threads, buffers, to, from, mask, |x, y| x & y);
        }
        Ok(())
    }

    /// The summand in common with a neighbour is a stream of the two.
    fn random_bits(&mut self, context: &mut Context<'_, R>, dst: Reg) -> Result {
        let len = context.memory.layout(dst).len();
        let mut value = Pair::new(vec![0u64; bits::words(len)], vec![0u64; bits::words(len)]);
        for side in Side::BOTH {
            let stream = context.stream(self.world.key(side), Purpose::RandomBits)?;
            stream.fill(&self.world.threads, 0, &mut value[side]);
        }
        self.keep(context, vec![Done::Bits(dst, value)])
    }

    fn input(&mut self, context: &mut Context<'_, R>, dst: Reg, input: u32, route: Route) -> Result {
        let op = self.op(context, route)?;
        match context.program.inputs[input as usize].from {
            Place::Shares => self.given_shares(context, dst, input),
            Place::Party(owner) => match Part::of(op, party(owner)) {
                Part::Owner { to } => {
                    self.own_input(context, op, (dst, input), to)?;
                    self.issue(context, async move {
                        op.idle().await;
                        Vec::new()
                    })
                }
                Part::Near { from } => self.near_input(context, op, dst, from),
                Part::Far { with } => {
                    let mask = input_output::mask(op, with);
                    self.fill_pieces(context, dst, with, |threads, start, piece| {
                        mask.fill(threads, start as u64, piece);
                    });
                    self.fill_pieces(context, dst, with.other(), |_, _, piece| piece.fill(R::ZERO));
                    self.issue(context, async move {
                        op.idle().await;
                        Vec::new()
                    })
                }
            },
        }
    }

    fn output(&mut self, context: &mut Context<'_, R>, a: Reg, output: u32, route: Route) -> Result {
        let value = self.shared(context, a);
        match context.program.outputs[output as usize].to {
            Place::Shares => give(context, output, &[value.next, value.prev].concat()),
            Place::Party(to) => {
                let op = self.op(context, route)?;
                self.issue(context, async move {
                    let value = input_output::output(op, party(to), value).await;
                    value.map(|value| Done::Output(output, value)).into_iter().collect()
                })
            }
        }
    }

    fn reveal(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, route: Route) -> Result {
        let (op, value) = (self.op(context, route)?, self.shared(context, a));
        self.issue(context, async move { vec![Done::Plain(dst, input_output::reveal(op, value).await)] })
    }

    fn reveal_bits(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, route: Route) -> Result {
        let (op, value) = (self.op(context, route)?, self.shared_bits(context, a));
        let n = context.memory.layout(a).len();
        self.issue(context, async move {
            let open = input_output::reveal_bits(op, value, n).await;
            let ints = (0..n).map(|i| (open[i / 64] >> (i % 64) & 1) as i64).collect();
            vec![Done::Ints(dst, ints)]
        })
    }

    fn reshare(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, route: Route) -> Result {
        let (op, z) = (self.op(context, route)?, self.summand(context, a));
        self.issue(context, async move { vec![Done::Shared(dst, reshare::reshare(op, z).await)] })
    }

    fn truncate(
        &mut self,
        context: &mut Context<'_, R>,
        dst: Reg,
        a: Reg,
        bits: u32,
        route: Route,
    ) -> Result {
        let op = self.op(context, route)?;
        let x = match context.kind(a) {
            Kind::Additive => Operand::Additive(self.summand(context, a)),
            Kind::Plain | Kind::Shared | Kind::Bit | Kind::Half | Kind::Real | Kind::Int => {
                Operand::Shared(self.shared(context, a))
            }
        };
        let rounding = context.program.header.rounding;
        self.issue(context, async move {
            vec![Done::Shared(dst, truncate::truncate(op, x, bits, rounding).await)]
        })
    }

    fn sign(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, width: u32, route: Route) -> Result {
        let (op, x) = (self.op(context, route)?, self.shared(context, a));
        self.issue(context, async move {
            let own = reshare::addend(op, x);
            let sums = adder::sums(op, &Adder::new(width - 1, width), &own).await;
            sums.into_iter().map(|sign| Done::Bits(dst, sign)).collect()
        })
    }

    fn bits(
        &mut self,
        context: &mut Context<'_, R>,
        dst: Reg,
        a: Reg,
        low: u32,
        high: u32,
        route: Route,
    ) -> Result {
        let (op, x) = (self.op(context, route)?, self.shared(context, a));
        self.issue(context, async move {
            let own = reshare::addend(op, x);
            vec![Done::Planes(dst, adder::sums(op, &Adder::new(low, high), &own).await)]
        })
    }

    fn and(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg, route: Route) -> Result {
        let (op, x, y) =
            (self.op(context, route)?, self.shared_bits(context, a), self.shared_bits(context, b));
        let n = context.memory.layout(a).len();
        self.issue(context, async move {
            let mut z = vec![0; bits::words(n)];
            let src = [&x.next[..], &x.prev, &y.next, &y.prev];
            bits::apply(&op.world.threads, &mut z, src, |_, [x, v, y, w]| and_summand([x, v], [y, w]));
            vec![Done::Bits(dst, reshare::reshare_planes(op, draw::Draw::Reshare, z, n).await)]
        })
    }

    fn word(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, route: Route) -> Result {
        let op = self.op(context, route)?;
        let (places, n) = (self.places(context, a), context.memory.layout(dst).len());
        self.issue(context, async move { vec![Done::Shared(dst, word::word(op, places, n).await)] })
    }

    fn compose(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, route: Route) -> Result {
        let op = self.op(context, route)?;
        let (places, n) = (self.places(context, a), context.memory.layout(dst).len());
        self.issue(context, async move { vec![Done::Shared(dst, compose::compose(op, places, n).await)] })
    }

    fn select(
        &mut self,
        context: &mut Context<'_, R>,
        dst: Reg,
        keep: MaybeReg,
        bit: Reg,
        a: Reg,
        route: Route,
    ) -> Result {
        self.selection(context, dst, keep, None, (bit, a, route))
    }

    fn select_again(
        &mut self,
        context: &mut Context<'_, R>,
        dst: Reg,
        half: Reg,
        bit: Reg,
        a: Reg,
        route: Route,
    ) -> Result {
        let kept = self.summand(context, half);
        self.selection(context, dst, None, Some(kept), (bit, a, route))
    }

    /// Secrets are shown by the emulator only.
    fn debug(&mut self, _: &mut Context<'_, R>, _label: u32, _a: Reg, _frac: u32) -> Result {
        Ok(())
    }

    fn send(&mut self, context: &mut Context<'_, R>) -> Result {
        Ok(self.engine.send(context.address.instruction).map_err(PartyError::Net)?)
    }

    fn receive(&mut self, context: &mut Context<'_, R>) -> Result {
        let at = context.address.instruction;
        for (issued, results) in self.engine.receive(at).map_err(PartyError::Net)? {
            let started = Instant::now();
            self.keep(context, results)?;
            self.engine.meter.worked(at, issued, started);
        }
        Ok(())
    }
}
