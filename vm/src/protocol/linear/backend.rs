//! Every instruction, in terms of a party's words and of its protocol's operations.

use std::time::Instant;

use tern_bytecode::circuit::Adder;
use tern_bytecode::instr::{Axes, Instr, MaybeReg};
use tern_bytecode::program::Place;
use tern_bytecode::{Kind, Reg, Route};

use super::holder::{Done, Holder, Result};
use super::{Entry, Halves, Sharing, Words};
use crate::bits;
use crate::machine::memory::row_major;
use crate::machine::{Address, Context, Purpose, Registers, RunError};
use crate::protocol::party::PartyError;
use crate::protocol::registers::{contract_axes, party, public_bits, rows, slot};
use crate::protocol::store;
use crate::protocol::{Backend, Running};
use crate::ring::{Ring, View, ViewMut, contract, views};

impl<'w, R: Ring, S: Sharing<'w, R, N>, const N: usize> Holder<'w, R, S, N> {
    /// Moves rows of any kind.
    fn moved(&mut self, context: &Context<'_, R>, dst: Reg, a: Reg, index: Reg, gather: bool) -> Result {
        let rows = rows(context, self.threads(), if gather { a } else { dst }, index)?;
        let (to, from, kind) = (slot(context, dst), slot(context, a), context.kind(dst));
        for i in self.words(kind) {
            if let Some(source) = self.derived.get(from.buffer, i) {
                let mut word = self.world.room(to.layout.len());
                source.fill_rows(self.threads(), &rows, &mut word);
                store::save(self.threads(), &mut self.store[i].ring, to, &word);
                self.world.recycle(word);
                continue;
            }
            let component = &mut self.store[i];
            store::move_rows(&self.world.threads, component, kind == Kind::Bit, gather, to, from, &rows);
        }
        Ok(())
    }

    /// What is divided, of either form: of a replicated value the words of this party's addend.
    fn dividend(&mut self, context: &Context<'_, R>, op: S, a: Reg) -> (Kind, Words<R, N>) {
        let kind = context.kind(a);
        match kind {
            Kind::Additive => (kind, self.ring(context, a)),
            Kind::Plain | Kind::Shared | Kind::Bit | Kind::Half | Kind::Real | Kind::Int => {
                (kind, self.addend(context, op, a))
            }
        }
    }

    fn selection(
        &mut self,
        context: &mut Context<'_, R>,
        dst: Reg,
        [keep, kept]: [MaybeReg; 2],
        (bit, a, route): (Reg, Reg, Route),
    ) -> Result {
        let op = self.op(context, route)?;
        let halves = match (keep, kept) {
            (_, Some(half)) => Halves::Kept(self.ring(context, half)),
            (Some(_), None) => Halves::Keep,
            (None, None) => Halves::New,
        };
        let (bit, x) = (self.bits_of(slot(context, bit)), self.ring(context, a));
        let (additive, n) = (context.kind(dst) == Kind::Additive, context.memory.layout(a).len());
        self.issue(context, async move {
            let (value, halves) = op.select(bit, x, n, halves, additive).await;
            let kept = keep.map(|keep| Done::Ring(keep, halves));
            Ok([Some(Done::Ring(dst, value)), kept].into_iter().flatten().collect())
        })
    }
}

impl<'w, R: Ring, S: Sharing<'w, R, N>, const N: usize> Backend for Holder<'w, R, S, N> {
    type Element = R;

    fn registers(&self) -> Option<&dyn Registers> {
        Some(self)
    }

    fn registers_mut(&mut self) -> Option<&mut dyn Registers> {
        Some(self)
    }

    fn engine(&mut self) -> Option<&mut dyn Running> {
        Some(&mut self.engine)
    }

    fn before(&mut self, context: &Context<'_, R>, instr: &Instr) -> Result {
        Ok(self.ready(context, instr)?)
    }

    fn settle(&mut self, address: Address) -> Result {
        Ok(S::settle(self.world, address, self.engine.links())?)
    }

    fn copy(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Result {
        let (to, from) = (slot(context, dst), slot(context, a));
        match context.kind(dst) {
            Kind::Bit => self.bits_local(|threads, _, buffers| {
                store::copy::<R, u64>(threads, buffers, to, from);
            }),
            Kind::Plain | Kind::Shared | Kind::Additive | Kind::Half | Kind::Real | Kind::Int => self
                .ring_local(context, dst, |threads, buffers| {
                    store::copy::<R, R>(threads, buffers, to, from);
                }),
        }
    }

    fn gather(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, index: Reg) -> Result {
        self.moved(context, dst, a, index, true)
    }

    fn scatter(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, index: Reg) -> Result {
        self.moved(context, dst, a, index, false)
    }

    /// The public value is one of the words; all else is 0.
    fn promote(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Result {
        let (to, kind) = (slot(context, dst), context.kind(dst));
        for i in self.words(kind) {
            let out = ViewMut::new(&mut self.store[i].ring[to.buffer], to.layout);
            match S::public(self.world.me, kind, i) {
                true => views::copy(&self.world.threads, out, context.memory.read::<R>(a)),
                false => views::fill(&self.world.threads, out, R::ZERO),
            }
        }
        Ok(())
    }

    fn promote_bits(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Result {
        let bits = public_bits(context, self.threads(), a)?;
        let me = self.world.me;
        let word = |i| if S::public(me, Kind::Bit, i) { bits.clone() } else { vec![0; bits.len()] };
        let value = std::array::from_fn(word);
        self.keep(context, context.address.instruction, vec![Done::Bits(dst, value)])
    }

    fn widen(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Result {
        let (to, from) = (slot(context, dst), slot(context, a));
        for i in self.words(Kind::Additive) {
            let mut out = std::mem::take(&mut self.store[i].ring[to.buffer]);
            let view = ViewMut::new(&mut out, to.layout);
            match S::widened(self.world.me, i) {
                Some(word) => views::copy(self.threads(), view, self.held(from).word(word)),
                None => views::fill(self.threads(), view, R::ZERO),
            }
            self.store[i].ring[to.buffer] = out;
        }
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
        let mut out = self.taken(to.buffer);
        S::mul(self.world, (&mut out, to.layout), self.held(x), self.held(y));
        self.put_back(to.buffer, out);
        Ok(())
    }

    fn contract(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg, axes: Axes) -> Result {
        let [to, x, y] = [dst, a, b].map(|reg| slot(context, reg));
        let axes = contract_axes(axes);
        if context.kind(b) == Kind::Shared {
            let mut out = self.taken(to.buffer);
            S::contract(self.world, (&mut out, to.layout), self.held(x), self.held(y), axes);
            self.put_back(to.buffer, out);
            return Ok(());
        }
        let factor = context.memory.read::<R>(b);
        self.ring_local(context, dst, |threads, buffers| {
            // the operand may be another part of the same buffer
            let operand = store::load::<R, R>(threads, View::new(&buffers[x.buffer], x.layout));
            let dense = row_major(x.layout);
            let (out, operand) =
                (ViewMut::new(&mut buffers[to.buffer], to.layout), View::new(&operand, &dense));
            contract::contract_mod(threads, out, operand, factor, axes, contract::Write::Replace);
        })
    }

    fn sum(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, axes: u32) -> Result {
        let (to, from) = (slot(context, dst), slot(context, a));
        self.ring_local(context, dst, |threads, buffers| store::sum(threads, buffers, to, from, axes))
    }

    fn xor(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg) -> Result {
        let (to, from) = (slot(context, dst), [slot(context, a), slot(context, b)]);
        self.bits_local(|threads, _, buffers| {
            store::zip::<R, u64>(threads, buffers, to, from, |x, y| x ^ y);
        })
    }

    fn not(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Result {
        let (to, from) = (slot(context, dst), slot(context, a));
        self.bits_local(|threads, public, buffers| {
            let flip = if public { u64::MAX } else { 0 };
            store::map::<R, u64>(threads, buffers, to, from, |x| x ^ flip);
        })
    }

    fn and_public(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg) -> Result {
        let mask = public_bits(context, self.threads(), b)?;
        let (to, from) = (slot(context, dst), slot(context, a));
        let layout = row_major(to.layout);
        self.bits_local(|threads, _, buffers| {
            let mask = View::new(&mask[..], &layout);
            store::zip_with::<R, u64>(threads, buffers, to, from, mask, |x, y| x & y);
        })
    }

    /// Every word is the stream of its key.
    fn random_bits(&mut self, context: &mut Context<'_, R>, dst: Reg) -> Result {
        let len = context.memory.layout(dst).len();
        let mut value = [const { Vec::new() }; N];
        for i in self.words(Kind::Bit) {
            let stream = context.stream(S::key(self.world, i), Purpose::RandomBits)?;
            value[i] = vec![0; bits::words(len)];
            stream.fill(self.threads(), 0, &mut value[i]);
        }
        self.keep(context, context.address.instruction, vec![Done::Bits(dst, value)])
    }

    fn input(&mut self, context: &mut Context<'_, R>, dst: Reg, input: u32, route: Route) -> Result {
        let Place::Party(owner) = context.program.inputs[input as usize].from else {
            return self.given_shares(context, dst, input);
        };
        let (op, owner) = (self.op(context, route)?, party(owner));
        let entries = op.input(owner);
        if owner == self.world.me {
            self.own_input(context, op, (dst, input), &entries)?;
        } else {
            self.known_input(context, dst, &entries)?;
        }
        match entries.iter().position(|entry| matches!(entry, Entry::Received)) {
            Some(i) => self.receive_input(context, op, (dst, i), owner),
            None => self.issue(context, async move {
                op.round([], []).await;
                Ok(Vec::new())
            }),
        }
    }

    fn output(&mut self, context: &mut Context<'_, R>, a: Reg, output: u32, route: Route) -> Result {
        let op = self.op(context, route)?;
        let (value, n) = (self.ring(context, a), context.memory.layout(a).len());
        match context.program.outputs[output as usize].to {
            Place::Shares | Place::Client(_) => self.issue(context, async move {
                op.release().await?;
                Ok(vec![Done::Shares(output, value)])
            }),
            Place::Party(to) => self.issue(context, async move {
                let value = op.output(party(to), value, n).await?;
                Ok(value.map(|value| Done::Output(output, value)).into_iter().collect())
            }),
        }
    }

    fn reveal(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, route: Route) -> Result {
        let (op, value) = (self.op(context, route)?, self.ring(context, a));
        let n = context.memory.layout(a).len();
        self.issue(context, async move { Ok(vec![Done::Plain(dst, op.reveal(value, n).await?)]) })
    }

    fn reveal_bits(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, route: Route) -> Result {
        let (op, value) = (self.op(context, route)?, self.bits_of(slot(context, a)));
        let n = context.memory.layout(a).len();
        self.issue(context, async move {
            let open = op.reveal_bits(value, n).await?;
            let ints = (0..n).map(|i| (open[i / 64] >> (i % 64) & 1) as i64).collect();
            Ok(vec![Done::Ints(dst, ints)])
        })
    }

    fn reshare(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, route: Route) -> Result {
        let (op, z) = (self.op(context, route)?, self.ring(context, a));
        let n = context.memory.layout(a).len();
        self.issue(context, async move { Ok(vec![Done::Ring(dst, op.reshare(z, n).await)]) })
    }

    fn open(&mut self, _: &mut Context<'_, R>, _dst: Reg, _a: Reg, _width: u32, _mask: u32) -> Result {
        unreachable!("values are reshared, not opened, where each party holds words of them: validated")
    }

    fn truncate_opened(
        &mut self,
        _: &mut Context<'_, R>,
        _dst: Reg,
        _a: Reg,
        _bits: u32,
        _width: u32,
        _more: u32,
        _mask: u32,
    ) -> Result {
        unreachable!("nothing is opened where each party holds words of a value: validated")
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
        let (x, n) = (self.dividend(context, op, a), context.memory.layout(a).len());
        let rounding = context.program.header.rounding;
        self.issue(context, async move { Ok(vec![Done::Ring(dst, op.truncate(x, n, bits, rounding).await)]) })
    }

    fn sign(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, width: u32, route: Route) -> Result {
        let op = self.op(context, route)?;
        let (x, n) = (self.addend(context, op, a), context.memory.layout(a).len());
        self.issue(context, async move {
            let sums = op.bits(x, n, Adder::new(width - 1, width)).await;
            Ok(sums.into_iter().map(|sign| Done::Bits(dst, sign)).collect())
        })
    }

    fn sign_tested(
        &mut self,
        context: &mut Context<'_, R>,
        dst: Reg,
        a: Reg,
        low: u32,
        high: u32,
        route: Route,
    ) -> Result {
        let op = self.op(context, route)?;
        let (x, n) = (self.addend(context, op, a), context.memory.layout(a).len());
        self.issue(context, async move { Ok(vec![Done::Bits(dst, op.sign_tested(x, n, low, high).await)]) })
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
        let (op, x) = (self.op(context, route)?, self.ring(context, a));
        let n = context.memory.layout(a).len();
        self.issue(
            context,
            async move { Ok(vec![Done::Planes(dst, op.bits(x, n, Adder::new(low, high)).await)]) },
        )
    }

    fn and(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg, route: Route) -> Result {
        let op = self.op(context, route)?;
        let [x, y] = [a, b].map(|reg| self.bits_of(slot(context, reg)));
        let n = context.memory.layout(a).len();
        self.issue(context, async move { Ok(vec![Done::Bits(dst, op.and(x, y, n).await)]) })
    }

    fn word(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, route: Route) -> Result {
        let (op, places) = (self.op(context, route)?, self.places(context, a));
        let n = context.memory.layout(dst).len();
        self.issue(context, async move { Ok(vec![Done::Ring(dst, op.word(places, n).await)]) })
    }

    fn compose(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, route: Route) -> Result {
        let (op, places) = (self.op(context, route)?, self.places(context, a));
        let n = context.memory.layout(dst).len();
        self.issue(context, async move { Ok(vec![Done::Ring(dst, op.compose(places, n).await)]) })
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
        bits: u32,
        route: Route,
    ) -> Result {
        if bits == 0 {
            return self.selection(context, dst, [None, Some(half)], (bit, a, route));
        }
        let op = self.op(context, route)?;
        let (half, bit) = (self.ring(context, half), self.bits_of(slot(context, bit)));
        let x = self.dividend(context, op, a);
        let additive = context.kind(dst) == Kind::Additive;
        self.issue(context, async move {
            Ok(vec![Done::Ring(dst, op.select_quotient(bit, x, bits, half, additive).await)])
        })
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
            let results = results.map_err(|fault| {
                let exchange = |ours: &_| self.engine.exchange_evidence(ours);
                let fault = S::explain(self.world, context.program, fault, exchange);
                RunError::from(fault).located(context.program, issued)
            })?;
            self.keep(context, issued, results)?;
            self.engine.meter.worked(at, issued, started);
        }
        Ok(())
    }
}
