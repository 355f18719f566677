//! Four parties, replicated shares, one of whom may do anything: the others notice and stop before anything is revealed.
//!
//! A value x of Z_{2^k} is x = x_0 + x_1 + x_2 + x_3, and party i lacks x_i. Bits are shared the same way with exclusive or. A product of shared values is a sum of one
//! term per pair of parties, known to both: the *additive* form. Key i is known to all parties but i.
//!
//! | module | what it holds |
//! |---|---|
//! | `op` | roles, messages with a checker, and the one primitive: a value that two parties know becomes shares |
//! | `check` | running hashes of all that travels, and their comparison before an opening |
//! | `input_output`, `reshare`, `truncate`, `adder`, `word`, `compose`, `select` | one family of protocols each: algebra, messages, why they tell nothing |
//! | `draw` | purposes of random streams |
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
mod input_output;
mod op;
#[cfg(test)]
mod privacy;
mod reshare;
mod select;
mod truncate;
mod word;

use std::cell::RefCell;
use std::future::Future;
use std::ops::Deref;
use std::time::Instant;

use tern_bytecode::circuit::Adder;
use tern_bytecode::instr::{Axes, MaybeReg};
use tern_bytecode::model::rep4::{Cast, MODEL};
use tern_bytecode::program::Place;
use tern_bytecode::{Kind, Program, Reg, Route};

use self::check::Checks;
pub use self::check::Disagreement;
use self::op::{Op, ROLES, Shares};
use self::truncate::Operand;
use super::Backend;
use super::party::{Host, PartyError, Setting};
use super::registers::{contract_axes, give, party, pieces, public_bits, rows, slot, take, whole};
use super::store::{self, Component, Slot};
use crate::bits;
use crate::machine::memory::row_major;
use crate::machine::{Context, Fault, Memory, Purpose, Report, RunError, Seeds, run};
use crate::net::{Links, Party};
use crate::par::Threads;
use crate::prg::Key;
use crate::ring::{Ring, View, ViewMut, contract, views};
use crate::rounds::engine::{self, Engine};

/// Who has which key: all but one.
pub(super) fn groups() -> Vec<Vec<Party>> {
    let without = |party| Party::all(MODEL.parties).filter(|other| *other != party).collect();
    Party::all(MODEL.parties).map(without).collect()
}

/// Runs a program as the party at these links; see [`super::run_party`].
pub(super) fn run_in<R: Ring>(
    program: &Program,
    links: &mut Links,
    host: &mut dyn Host,
    setting: Setting<'_>,
) -> Result<Report> {
    let held: Vec<usize> = (0..MODEL.parties).filter(|i| *i != links.me().index()).collect();
    setting.compare_shares::<R>(program, host, links, &held)?;
    let threads = Threads::new(setting.options.threads)?;
    let world =
        World::new(links.me(), &setting.keys.common, Seeds::public_key(&setting.keys.public), threads);
    let store = store::new(program, MODEL.parties, |kind, component| {
        component != world.me.index() && is_secret(kind)
    })?;
    let (mut report, meter) = {
        let engine = Engine::new(&world.rounds, links, program);
        let mut party = Rep4::<R> { world: &world, engine, store };
        let report =
            run(program, &mut party, Memory::public, &setting.keys.public, host, &setting.machine())?;
        (report, party.engine.into_meter())
    };
    links.finish().map_err(PartyError::Net)?;
    report.measured = Some(meter.measured(&report, links.traffic()));
    Ok(report)
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
}

/// One party's back-end.
struct Rep4<'w, R: Ring> {
    world: &'w World<R>,
    engine: Engine<'w, R, Result<Vec<Done<R>>, Disagreement>>,
    /// By party: of a replicated value the summand that the party lacks, of an additive one the term in common with it.
    store: Vec<Component<R>>,
}

/// What an operation gives when it is complete: dense values for registers or the host.
enum Done<R> {
    /// Summands, or terms, by party.
    Ring(Reg, Shares<R>),
    /// Planes along the first axis.
    Planes(Reg, Vec<Shares<u64>>),
    Bits(Reg, Shares<u64>),
    /// One summand only.
    Summand(Reg, usize, Vec<R>),
    Plain(Reg, Vec<R>),
    Ints(Reg, Vec<i64>),
    Output(u32, Vec<R>),
    /// This party's shares, to the host.
    OutputShares(u32, Shares<R>),
}

type Result<T = (), E = RunError> = std::result::Result<T, E>;

fn is_secret(kind: Kind) -> bool {
    match kind {
        Kind::Shared | Kind::Additive | Kind::Bit | Kind::Half => true,
        Kind::Plain | Kind::Real | Kind::Int => false,
    }
}

impl<'w, R: Ring> Rep4<'w, R> {
    fn op(&self, context: &Context<'_, R>, route: Route) -> Result<Op<'w, R>> {
        Ok(Op::new(self.world, context.address, route)?)
    }

    fn issue(
        &mut self,
        context: &mut Context<'_, R>,
        operation: impl Future<Output = Result<Vec<Done<R>>, Disagreement>> + 'w,
    ) -> Result {
        let results = self.engine.issue(context.address.instruction, operation).map_err(PartyError::Net)?;
        match results {
            Some(results) => {
                let results = results.map_err(|cause| self.fault(cause))?;
                self.keep(context, results)
            }
            None => Ok(()),
        }
    }

    /// The end of the run when somebody has not followed the protocol.
    fn fault(&self, cause: Disagreement) -> Fault {
        PartyError::Disagreement { cause, round: self.engine.rounds() }.into()
    }

    /// The others' indices: the components that this party has.
    fn components(&self) -> impl Iterator<Item = usize> + use<R> {
        let me = self.world.me.index();
        (0..MODEL.parties).filter(move |i| *i != me)
    }

    /// Writes results to their registers.
    fn keep(&mut self, context: &mut Context<'_, R>, results: Vec<Done<R>>) -> Result {
        let threads = &self.world.threads;
        for result in results {
            match result {
                Done::Ring(dst, summands) => {
                    for (i, summand) in summands.into_iter().enumerate() {
                        if i != self.world.me.index() {
                            self.keep_summand(context, dst, i, summand);
                        }
                    }
                }
                Done::Summand(dst, i, summand) => self.keep_summand(context, dst, i, summand),
                Done::Bits(dst, value) => {
                    for i in self.components() {
                        let buffers = &mut self.store[i].bits;
                        store::save::<R, u64>(threads, buffers, slot(context, dst), &value[i]);
                    }
                }
                Done::Planes(dst, planes) => {
                    let Slot { buffer, layout } = slot(context, dst);
                    for (row, plane) in planes.iter().enumerate() {
                        let layout = store::row(layout, row);
                        for i in self.components() {
                            let dst = Slot { buffer, layout: &layout };
                            store::save::<R, u64>(threads, &mut self.store[i].bits, dst, &plane[i]);
                        }
                    }
                }
                Done::Plain(dst, value) => context.memory.store(threads, dst, &value),
                Done::Ints(dst, value) => context.memory.store(threads, dst, &value),
                Done::Output(output, value) => give(context, output, &value)?,
                Done::OutputShares(output, shares) => give(context, output, &shares.concat())?,
            }
        }
        Ok(())
    }

    /// Writes a summand to its register; a vector that fills the buffer becomes the buffer.
    fn keep_summand(&mut self, context: &Context<'_, R>, dst: Reg, i: usize, value: Vec<R>) {
        let (slot, buffers) = (slot(context, dst), &mut self.store[i].ring);
        if whole(context, dst) {
            self.world.recycle(std::mem::replace(&mut buffers[slot.buffer], value));
        } else {
            store::save(&self.world.threads, buffers, slot, &value);
            self.world.recycle(value);
        }
    }

    /// The summands of a value, or its terms, by role.
    fn ring(&self, context: &Context<'_, R>, op: Op<'_, R>, reg: Reg) -> Shares<R> {
        let Slot { buffer, layout } = slot(context, reg);
        ROLES.map(|role| {
            if role == op.role {
                return Vec::new();
            }
            let mut copy = self.world.room(layout.len());
            let dense = row_major(layout);
            let from = &self.store[op.party(role).index()].ring[buffer];
            views::copy(&self.world.threads, ViewMut::new(&mut copy, &dense), View::new(from, layout));
            copy
        })
    }

    /// Shared bits, by role.
    fn bits_of(&self, context: &Context<'_, R>, op: Op<'_, R>, reg: Reg) -> Shares<u64> {
        self.bits_in(op, slot(context, reg))
    }

    fn bits_in(&self, op: Op<'_, R>, Slot { buffer, layout }: Slot<'_>) -> Shares<u64> {
        ROLES.map(|role| {
            if role == op.role {
                return Vec::new();
            }
            let from = &self.store[op.party(role).index()].bits[buffer];
            store::load::<R, u64>(&self.world.threads, View::new(&from[..], layout))
        })
    }

    /// The planes of bits along the first axis of a register, by role.
    fn places(&self, context: &Context<'_, R>, op: Op<'_, R>, a: Reg) -> Vec<Shares<u64>> {
        let Slot { buffer, layout } = slot(context, a);
        let rows = (0..layout.axes[0].len).map(|i| store::row(layout, i));
        rows.map(|layout| self.bits_in(op, Slot { buffer, layout: &layout })).collect()
    }

    /// Applies `work` to every component of a ring register.
    fn ring_local(&mut self, work: impl Fn(&Threads, &mut [Vec<R>])) -> Result {
        for i in self.components() {
            work(&self.world.threads, &mut self.store[i].ring);
        }
        Ok(())
    }

    fn bits_local(&mut self, work: impl Fn(&Threads, usize, &mut [Vec<u64>])) -> Result {
        for i in self.components() {
            work(&self.world.threads, i, &mut self.store[i].bits);
        }
        Ok(())
    }

    fn moved(&mut self, context: &Context<'_, R>, dst: Reg, a: Reg, index: Reg, gather: bool) -> Result {
        let rows = rows(context, &self.world.threads, if gather { a } else { dst }, index)?;
        let (to, from, bits) = (slot(context, dst), slot(context, a), context.kind(dst) == Kind::Bit);
        for i in self.components() {
            store::move_rows(&self.world.threads, &mut self.store[i], bits, gather, to, from, &rows);
        }
        Ok(())
    }

    fn selection(
        &mut self,
        context: &mut Context<'_, R>,
        dst: Reg,
        [keep, kept]: [MaybeReg; 2],
        (bit, a, route): (Reg, Reg, Route),
    ) -> Result {
        let op = self.op(context, route)?;
        let kept = kept.map(|half| self.ring(context, op, half));
        let (bit, x) = (self.bits_of(context, op, bit), self.ring(context, op, a));
        let (additive, n) = (context.kind(dst) == Kind::Additive, context.memory.layout(a).len());
        self.issue(context, async move {
            let (value, halves) = select::select(op, bit, x, n, kept, additive).await;
            let mut done = vec![Done::Ring(dst, op.by_party(value))];
            match keep {
                Some(keep) => done.push(Done::Ring(keep, op.by_party(halves))),
                None => halves.into_iter().for_each(|half| op.recycle(half)),
            }
            Ok(done)
        })
    }

    /// The owner's part of an input: piece by piece, so that the first has left before the last is read.
    fn own_input(
        &mut self,
        context: &mut Context<'_, R>,
        op: Op<'w, R>,
        (dst, input): (Reg, u32),
        [left, first, second]: [Party; 3],
    ) -> Result {
        let (at, threads) = (context.address.instruction, &self.world.threads);
        for (start, piece) in pieces(context.memory.layout(dst)) {
            let mut x = take(context, input, start, piece.len())?;
            let masks = [first, second].map(|without| {
                let mut mask = self.world.room(piece.len());
                input_mask(op, without).fill(threads, start as u64, &mut mask);
                mask
            });
            op.each(&mut x, [], [&masks[0], &masks[1]], |x, [], [r, s]| x - r - s);
            for to in [first, second] {
                self.engine.transmit(at, to, bytemuck::cast_slice(&x)).map_err(PartyError::Net)?;
            }
            let slot = Slot { layout: &piece, ..slot(context, dst) };
            let [one, other] = masks;
            for (lacks, summand) in [(first, one), (second, other), (left, x)] {
                store::save(threads, &mut self.store[lacks.index()].ring, slot, &summand);
                self.world.recycle(summand);
            }
        }
        Ok(())
    }

    /// What the others know of an input before anything arrives: the streams, and the owner's summand, which is 0.
    fn known_input(
        &mut self,
        context: &Context<'_, R>,
        op: Op<'w, R>,
        dst: Reg,
        owner: Party,
        streams: &[Party],
    ) {
        let threads = &self.world.threads;
        for (start, piece) in pieces(context.memory.layout(dst)) {
            let slot = Slot { layout: &piece, ..slot(context, dst) };
            let mut values = self.world.room(piece.len());
            for without in streams.iter().filter(|without| **without != self.world.me) {
                input_mask(op, *without).fill(threads, start as u64, &mut values);
                store::save(threads, &mut self.store[without.index()].ring, slot, &values);
            }
            values.fill(R::ZERO);
            store::save(threads, &mut self.store[owner.index()].ring, slot, &values);
            self.world.recycle(values);
        }
    }

    /// This party's shares of an input, from an earlier run, by party.
    fn given_shares(&mut self, context: &mut Context<'_, R>, dst: Reg, input: u32) -> Result {
        let n = context.memory.layout(dst).len();
        for (position, i) in self.components().enumerate() {
            for (start, piece) in pieces(context.memory.layout(dst)) {
                let x = take(context, input, position * n + start, piece.len())?;
                let slot = Slot { layout: &piece, ..slot(context, dst) };
                store::save(&self.world.threads, &mut self.store[i].ring, slot, &x);
            }
        }
        Ok(())
    }
}

/// The stream that is one of an input's summands.
fn input_mask<'w, R: Ring>(op: Op<'w, R>, without: Party) -> crate::prg::Stream<'w> {
    op.stream_without(op.role_of(without), draw::Draw::Input)
}

/// The summand to which public values are added: that of party 0, which the others have.
const PUBLIC: usize = 0;
/// The two that have the public values among the terms of an additive value.
const PUBLIC_TERM: [usize; 2] = [0, 1];

/// Which term, by its two parties, the summand that `i` lacks becomes part of.
fn widened(i: usize) -> [usize; 2] {
    [(i + 1) % 4, (i + 2) % 4]
}

impl<R: Ring> Backend for Rep4<'_, R> {
    type Element = R;

    fn copy(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Result {
        let (to, from) = (slot(context, dst), slot(context, a));
        match context.kind(dst) {
            Kind::Bit => self.bits_local(|threads, _, buffers| {
                store::map::<R, u64>(threads, buffers, to, from, |x| x);
            }),
            Kind::Plain | Kind::Shared | Kind::Additive | Kind::Half | Kind::Real | Kind::Int => {
                self.ring_local(|threads, buffers| store::map::<R, R>(threads, buffers, to, from, |x| x))
            }
        }
    }

    fn gather(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, index: Reg) -> Result {
        self.moved(context, dst, a, index, true)
    }

    fn scatter(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, index: Reg) -> Result {
        self.moved(context, dst, a, index, false)
    }

    /// The public value is x_0, or the term of two parties; all else is 0.
    fn promote(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Result {
        let me = self.world.me.index();
        let here = |i: usize| match context.kind(dst) {
            Kind::Additive => PUBLIC_TERM.contains(&me) && PUBLIC_TERM.contains(&i),
            Kind::Plain | Kind::Shared | Kind::Bit | Kind::Half | Kind::Real | Kind::Int => i == PUBLIC,
        };
        let Slot { buffer, layout } = slot(context, dst);
        for i in self.components() {
            let out = ViewMut::new(&mut self.store[i].ring[buffer], layout);
            match here(i) {
                true => views::copy(&self.world.threads, out, context.memory.read::<R>(a)),
                false => views::fill(&self.world.threads, out, R::ZERO),
            }
        }
        Ok(())
    }

    fn promote_bits(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Result {
        let bits = public_bits(context, &self.world.threads, a)?;
        let zeros = vec![0; bits.len()];
        let value = [0, 1, 2, 3].map(|i| if i == PUBLIC { bits.clone() } else { zeros.clone() });
        self.keep(context, vec![Done::Bits(dst, value)])
    }

    /// Every summand becomes part of a term of two that have it.
    fn widen(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Result {
        let (to, from, me) = (slot(context, dst), slot(context, a), self.world.me.index());
        for other in self.components() {
            let summand = (0..4).find(|i| widened(*i).contains(&me) && widened(*i).contains(&other));
            let mut out = std::mem::take(&mut self.store[other].ring[to.buffer]);
            let view = ViewMut::new(&mut out, to.layout);
            match summand {
                Some(i) => {
                    let data = &self.store[i].ring[from.buffer];
                    views::copy(&self.world.threads, view, View::new(data, from.layout));
                }
                None => views::fill(&self.world.threads, view, R::ZERO),
            }
            self.store[other].ring[to.buffer] = out;
        }
        Ok(())
    }

    fn add(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg) -> Result {
        let (to, from) = (slot(context, dst), [slot(context, a), slot(context, b)]);
        self.ring_local(|threads, buffers| store::zip::<R, R>(threads, buffers, to, from, |x, y| x + y))
    }

    fn sub(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg) -> Result {
        let (to, from) = (slot(context, dst), [slot(context, a), slot(context, b)]);
        self.ring_local(|threads, buffers| store::zip::<R, R>(threads, buffers, to, from, |x, y| x - y))
    }

    fn neg(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Result {
        let (to, from) = (slot(context, dst), slot(context, a));
        self.ring_local(|threads, buffers| store::map::<R, R>(threads, buffers, to, from, |x| -x))
    }

    fn mul_plain(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg) -> Result {
        let (to, from, factor) = (slot(context, dst), slot(context, a), context.memory.read::<R>(b));
        self.ring_local(|threads, buffers| {
            store::zip_with::<R, R>(threads, buffers, to, from, factor, |x, y| x * y);
        })
    }

    fn mul(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg) -> Result {
        let ([to, x, y], me) = ([dst, a, b].map(|reg| slot(context, reg)), self.world.me.index());
        for other in self.components() {
            let ([m, n], matched) = reshare::term(me, other);
            let mut out = std::mem::take(&mut self.store[other].ring[to.buffer]);
            let view = |slot: Slot<'_>, i: usize| self.store[i].ring[slot.buffer].as_slice();
            let src = [
                View::new(view(x, m), x.layout),
                View::new(view(x, n), x.layout),
                View::new(view(y, m), y.layout),
                View::new(view(y, n), y.layout),
            ];
            let (threads, out_view) = (&self.world.threads, ViewMut::new(&mut out, to.layout));
            match matched {
                true => views::apply(threads, out_view, src, |_, [x, v, y, w]: [R; 4]| (x - v) * (w - y)),
                false => views::apply(threads, out_view, src, |_, [x, v, y, w]: [R; 4]| (x + v) * (y + w)),
            }
            self.store[other].ring[to.buffer] = out;
        }
        Ok(())
    }

    fn contract(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg, axes: Axes) -> Result {
        let (threads, me) = (&self.world.threads, self.world.me.index());
        let [to, x, y] = [dst, a, b].map(|reg| slot(context, reg));
        let (axes, replace) = (contract_axes(axes), contract::Write::Replace);
        if context.kind(b) == Kind::Shared {
            for other in self.components() {
                let ([m, n], matched) = reshare::term(me, other);
                let mut out = std::mem::take(&mut self.store[other].ring[to.buffer]);
                let [x, y] = [x, y].map(|slot| contract::SharesView {
                    data: [m, n].map(|i| &self.store[i].ring[slot.buffer][..]),
                    layout: slot.layout,
                });
                contract::contract_term(
                    threads,
                    ViewMut::new(&mut out, to.layout),
                    x,
                    y,
                    matched,
                    axes,
                    replace,
                );
                self.store[other].ring[to.buffer] = out;
            }
            return Ok(());
        }
        let factor = context.memory.read::<R>(b);
        for i in self.components() {
            // the operand may be another part of the same buffer
            let buffers = &mut self.store[i].ring;
            let operand = store::load::<R, R>(threads, View::new(&buffers[x.buffer], x.layout));
            let dense = row_major(x.layout);
            let out = ViewMut::new(&mut buffers[to.buffer], to.layout);
            contract::contract_mod(threads, out, View::new(&operand, &dense), factor, axes, replace);
        }
        Ok(())
    }

    fn sum(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, axes: u32) -> Result {
        let (to, from) = (slot(context, dst), slot(context, a));
        self.ring_local(|threads, buffers| store::sum(threads, buffers, to, from, axes))
    }

    fn xor(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg) -> Result {
        let (to, from) = (slot(context, dst), [slot(context, a), slot(context, b)]);
        self.bits_local(|threads, _, buffers| {
            store::zip::<R, u64>(threads, buffers, to, from, |x, y| x ^ y);
        })
    }

    fn not(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Result {
        let (to, from) = (slot(context, dst), slot(context, a));
        self.bits_local(|threads, i, buffers| {
            let flip = if i == PUBLIC { u64::MAX } else { 0 };
            store::map::<R, u64>(threads, buffers, to, from, |x| x ^ flip);
        })
    }

    fn and_public(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg) -> Result {
        let mask = public_bits(context, &self.world.threads, b)?;
        let (to, from) = (slot(context, dst), slot(context, a));
        let layout = row_major(to.layout);
        self.bits_local(|threads, _, buffers| {
            let mask = View::new(&mask[..], &layout);
            store::zip_with::<R, u64>(threads, buffers, to, from, mask, |x, y| x & y);
        })
    }

    /// The summand that a party lacks is the stream that it lacks.
    fn random_bits(&mut self, context: &mut Context<'_, R>, dst: Reg) -> Result {
        let len = context.memory.layout(dst).len();
        let mut value: Shares<u64> = Default::default();
        for i in self.components() {
            let without = Party::from_index(i).expect("one of four");
            let stream = context.stream(self.world.key(without), Purpose::RandomBits)?;
            value[i] = vec![0; bits::words(len)];
            stream.fill(&self.world.threads, 0, &mut value[i]);
        }
        self.keep(context, vec![Done::Bits(dst, value)])
    }

    fn input(&mut self, context: &mut Context<'_, R>, dst: Reg, input: u32, route: Route) -> Result {
        let Place::Party(owner) = context.program.inputs[input as usize].from else {
            return self.given_shares(context, dst, input);
        };
        let (op, owner) = (self.op(context, route)?, party(owner));
        let [left, first, second] = Cast(route).others(owner.index()).map(|i| party(i as u8));
        let me = self.world.me;
        if me == owner {
            self.own_input(context, op, (dst, input), [left, first, second])?;
        } else {
            self.known_input(context, op, dst, owner, &[first, second]);
        }
        let n = context.memory.layout(dst).len();
        self.issue(context, async move {
            if me == owner || me == left {
                op.round_of(Vec::new(), Vec::new()).await;
                return Ok(Vec::new());
            }
            let room = engine::Message::Elements(op.room(n));
            let (_, received) = op.round_of(Vec::new(), vec![(owner, room)]).await;
            let summand = received.into_iter().next().map(engine::Message::into_elements).unwrap_or_default();
            let message = bytemuck::cast_slice(&summand);
            op.world.checks.borrow_mut().add(owner, first, second, message);
            Ok(vec![Done::Summand(dst, left.index(), summand)])
        })
    }

    fn output(&mut self, context: &mut Context<'_, R>, a: Reg, output: u32, route: Route) -> Result {
        let op = self.op(context, route)?;
        let (value, n) = (self.ring(context, op, a), context.memory.layout(a).len());
        match context.program.outputs[output as usize].to {
            Place::Shares => self.issue(context, async move {
                check::compare(op).await?;
                Ok(vec![Done::OutputShares(output, op.by_party(value))])
            }),
            Place::Party(to) => {
                let [sender, checker, _] = Cast(route).others(to.into()).map(|i| party(i as u8));
                self.issue(context, async move {
                    let value = input_output::output(op, party(to), [sender, checker], value, n).await?;
                    Ok(value.map(|value| Done::Output(output, value)).into_iter().collect())
                })
            }
        }
    }

    fn reveal(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, route: Route) -> Result {
        let op = self.op(context, route)?;
        let (value, n) = (self.ring(context, op, a), context.memory.layout(a).len());
        self.issue(
            context,
            async move { Ok(vec![Done::Plain(dst, input_output::reveal(op, value, n).await?)]) },
        )
    }

    fn reveal_bits(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, route: Route) -> Result {
        let op = self.op(context, route)?;
        let (value, n) = (self.bits_of(context, op, a), context.memory.layout(a).len());
        self.issue(context, async move {
            let open = input_output::reveal_bits(op, value, n).await?;
            let ints = (0..n).map(|i| (open[i / 64] >> (i % 64) & 1) as i64).collect();
            Ok(vec![Done::Ints(dst, ints)])
        })
    }

    fn reshare(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, route: Route) -> Result {
        let op = self.op(context, route)?;
        let (z, n) = (self.ring(context, op, a), context.memory.layout(a).len());
        self.issue(context, async move {
            Ok(vec![Done::Ring(dst, op.by_party(reshare::reshare(op, z, n).await))])
        })
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
        let (x, n) = (self.ring(context, op, a), context.memory.layout(a).len());
        let x = match context.kind(a) {
            Kind::Additive => Operand::Additive(x),
            Kind::Plain | Kind::Shared | Kind::Bit | Kind::Half | Kind::Real | Kind::Int => {
                Operand::Shared(x)
            }
        };
        let rounding = context.program.header.rounding;
        self.issue(context, async move {
            let value = truncate::truncate(op, x, n, bits, rounding).await;
            Ok(vec![Done::Ring(dst, op.by_party(value))])
        })
    }

    fn sign(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, width: u32, route: Route) -> Result {
        let op = self.op(context, route)?;
        let x = self.ring(context, op, a);
        self.issue(context, async move {
            let own = reshare::addend(op, x);
            let sums = adder::sums(op, &Adder::new(width - 1, width), &own).await;
            op.recycle(own);
            Ok(sums.into_iter().map(|sign| Done::Bits(dst, op.by_party(sign))).collect())
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
        let op = self.op(context, route)?;
        let x = self.ring(context, op, a);
        self.issue(context, async move {
            let own = reshare::addend(op, x);
            let sums = adder::sums(op, &Adder::new(low, high), &own).await;
            op.recycle(own);
            Ok(vec![Done::Planes(dst, sums.into_iter().map(|bit| op.by_party(bit)).collect())])
        })
    }

    fn and(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg, route: Route) -> Result {
        let op = self.op(context, route)?;
        let (x, y) = (self.bits_of(context, op, a), self.bits_of(context, op, b));
        let n = context.memory.layout(a).len();
        self.issue(context, async move {
            let both = adder::and(op, &x, &y, 1, n, draw::Draw::Reshare).await;
            Ok(vec![Done::Bits(dst, op.by_party(both))])
        })
    }

    fn word(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, route: Route) -> Result {
        let op = self.op(context, route)?;
        let (places, n) = (self.places(context, op, a), context.memory.layout(dst).len());
        self.issue(
            context,
            async move { Ok(vec![Done::Ring(dst, op.by_party(word::word(op, places, n).await))]) },
        )
    }

    fn compose(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, route: Route) -> Result {
        let op = self.op(context, route)?;
        let (places, n) = (self.places(context, op, a), context.memory.layout(dst).len());
        self.issue(context, async move {
            Ok(vec![Done::Ring(dst, op.by_party(compose::compose(op, places, n).await))])
        })
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
        self.selection(context, dst, [keep, None], (bit, a, route))
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
        self.selection(context, dst, [None, Some(half)], (bit, a, route))
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
            let located = |cause| RunError::from(self.fault(cause)).located(context.program, issued);
            let results = results.map_err(located)?;
            self.keep(context, results)?;
            self.engine.meter.worked(at, issued, started);
        }
        Ok(())
    }
}
