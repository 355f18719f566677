//! One party's back-end: the words that it holds, and what becomes of operations that are complete.

use std::array;
use std::future::Future;
use std::io;
use std::marker::PhantomData;

use tern_bytecode::cost::traffic;
use tern_bytecode::instr::{Instr, Role, Route};
use tern_bytecode::live;
use tern_bytecode::program::Place;
use tern_bytecode::{Kind, Program, Reg};

use super::derived::Derived;
use super::{Entry, Held, Sharing, Words};
use crate::machine::checkpoint::conclude;
use crate::machine::memory::{dense, row_major};
use crate::machine::{Context, Fault, Memory, Registers, Report, RunError, run as run_machine};
use crate::net::Party;
use crate::par::Threads;
use crate::protocol::Terms;
use crate::protocol::party::{Host, PartyError, Setting};
use crate::protocol::registers::{give, pieces, slot, take, whole};
use crate::protocol::store::{self, Component, Slot};
use crate::ring::{Ring, View, ViewMut, views};
use crate::rounds::engine::{Engine, Message};

pub(super) type Result<T = (), E = RunError> = std::result::Result<T, E>;

/// Runs a program as the party of a world at these links; see [`crate::protocol::run_party`].
pub(in crate::protocol) fn run<'w, R: Ring, S: Sharing<'w, R, N>, const N: usize>(
    world: &'w S::World,
    program: &Program,
    links: &'w mut crate::net::Links,
    host: &mut dyn Host,
    setting: &Setting<'_>,
) -> Result<Report> {
    // vectors of elements are made as they are needed
    let store = store::new(program, N, |kind, i| kind == Kind::Bit && S::has(world.me, kind, i))?;
    let engine = Engine::new(world, links, program);
    let uses = live::uses(program)?;
    let (issued, touched) = (vec![0; program.code.len()], vec![0; program.buffers.len()]);
    let later = program.code.iter().map(|instr| comes_whole(program, instr)).collect();
    let (ended, derived) = (None, Derived::new(program.buffers.len()));
    let clock = Clock { now: 0, issued, touched };
    let mut party =
        Holder::<R, S, N> { world, engine, store, derived, uses, later, ended, clock, sharing: PhantomData };
    let public = &setting.keys.public;
    let mut report = run_machine(program, &mut party, Memory::public, public, host, &setting.machine())?;
    let (meter, links) = party.engine.into_parts();
    match &setting.options.checkpoints {
        None => links.finish().map_err(PartyError::Net)?,
        Some(checkpoints) => {
            let terms = Terms::of(program, setting.options);
            report.known = conclude(checkpoints, &terms, public, links)?;
            // A party that is killed now need not come back.
            if report.known {
                links.leave();
            }
        }
    }
    report.measured = Some(meter.measured(&report, links.traffic()));
    Ok(report)
}

/// Whether what an operation leaves is made when messages have come. An input is put into its register piece by piece.
fn comes_whole(program: &Program, instr: &Instr) -> bool {
    !matches!(instr, Instr::Input { .. }) && !traffic(program, instr).is_empty()
}

/// Bytes of a buffer's word that is not kept when it is no longer needed. Smaller ones are used again in the next iteration, and memory that
/// comes from the system anew costs as much time as an operation does.
const LARGE: usize = tern_bytecode::memory::POOL as usize / 4;

/// What was begun when, counted in executions.
struct Clock {
    now: u64,
    /// By instruction, its last execution.
    issued: Vec<u64>,
    /// By buffer, the last execution of an instruction that writes to it.
    touched: Vec<u64>,
}

/// One party's back-end.
///
/// A buffer's vectors are as long as what is in it asks for: a register that begins a buffer, and is all that is alive in it, has vectors of its own
/// size, which operations take and give.
pub(super) struct Holder<'w, R: Ring, S: Sharing<'w, R, N>, const N: usize> {
    pub(super) world: &'w S::World,
    pub(super) engine: Engine<'w, R, Result<Vec<Done<R, N>>, Fault>>,
    /// By word.
    pub(super) store: Vec<Component<R>>,
    /// The words of inputs that are not in there.
    pub(super) derived: Derived<'w, N>,
    /// Whose vectors an instruction can take, and which ones its result can take the place of.
    uses: live::Uses,
    /// By instruction, whether a result that fills its buffer comes as vectors of its own, when messages have.
    later: Vec<bool>,
    /// The instruction that was executed last.
    ended: Option<u32>,
    clock: Clock,
    sharing: PhantomData<S>,
}

impl<'w, R: Ring, S: Sharing<'w, R, N>, const N: usize> Registers for Holder<'w, R, S, N> {
    fn write(&self, live: &live::Live, to: &mut dyn io::Write) -> io::Result<()> {
        let me = self.world.me;
        let mut components = self.store.iter().enumerate();
        components.try_for_each(|(i, component)| {
            component.write(
                live,
                |kind| S::has(me, kind, i),
                to,
                |buffer, elements, to| {
                    let source = self.derived.get(buffer, i)?;
                    Some(source.write::<R>(self.threads(), elements, to))
                },
            )
        })
    }

    fn read(&mut self, live: &live::Live, from: &mut dyn io::Read) -> io::Result<()> {
        let me = self.world.me;
        let mut components = self.store.iter_mut().enumerate();
        components.try_for_each(|(i, component)| component.read(live, |kind| S::has(me, kind, i), from))
    }
}

/// What an operation gives when it is complete: dense values for registers or the host.
pub(super) enum Done<R, const N: usize> {
    /// The words of a value.
    Ring(Reg, Words<R, N>),
    /// One of them.
    Word(Reg, usize, Vec<R>),
    /// Planes along the first axis.
    Planes(Reg, Vec<Words<u64, N>>),
    Bits(Reg, Words<u64, N>),
    Plain(Reg, Vec<R>),
    Ints(Reg, Vec<i64>),
    Output(u32, Vec<R>),
    /// This party's shares, to the host.
    Shares(u32, Words<R, N>),
}

impl<'w, R: Ring, S: Sharing<'w, R, N>, const N: usize> Holder<'w, R, S, N> {
    pub(super) fn op(&self, context: &Context<'_, R>, route: Route) -> Result<S> {
        Ok(S::new(self.world, context.address, route)?)
    }

    pub(super) fn threads(&self) -> &'w Threads {
        let world: &'w S::World = self.world;
        &world.threads
    }

    pub(super) fn issue(
        &mut self,
        context: &mut Context<'_, R>,
        operation: impl Future<Output = Result<Vec<Done<R, N>>, Fault>> + 'w,
    ) -> Result {
        let results = self.engine.issue(context.address.instruction, operation).map_err(PartyError::Net)?;
        results.map_or(Ok(()), |results| self.keep(context, context.address.instruction, results?))
    }

    /// The words that this party has of values of a kind.
    pub(super) fn words(&self, kind: Kind) -> impl Iterator<Item = usize> + use<'w, R, S, N> {
        let me = self.world.me;
        (0..N).filter(move |i| S::has(me, kind, *i))
    }

    /// Before an instruction: gives back what is not read behind the one before, and makes room for what this one touches.
    ///
    /// # Errors
    /// If the system has no room.
    pub(super) fn ready(&mut self, context: &Context<'_, R>, instr: &Instr) -> Result<(), Fault> {
        let at = context.address.instruction;
        if let Some(ended) = self.ended.replace(at) {
            self.drop_large(ended);
        }
        self.clock.now += 1;
        self.clock.issued[at as usize] = self.clock.now;
        for (reg, role) in instr.registers() {
            let (written, buffer) = (role != Role::Read, slot(context, reg).buffer);
            if written {
                self.clock.touched[buffer] = self.clock.now;
            }
            if self.derived.has(buffer) {
                match instr {
                    Instr::Gather { a, .. } if *a == reg && whole(context, reg) => continue,
                    _ if self.begins(at, buffer).is_some() => self.derived.forget(buffer),
                    _ => self.write_out(context, buffer)?,
                }
            }
            let comes = match instr {
                // which makes its own room, but for shares that are given
                Instr::Input { input, .. } => {
                    let from = context.program.inputs[*input as usize].from;
                    matches!(from, Place::Party(_)) && whole(context, reg)
                }
                _ => written && self.later[at as usize] && self.comes_alone(context, at, reg),
            };
            if !comes {
                self.make_room(context, reg);
            }
        }
        Ok(())
    }

    /// Where what is touched of a buffer ends, if nothing of it is live before the instruction.
    fn begins(&self, at: u32, buffer: usize) -> Option<usize> {
        let begun = self.uses.begun[at as usize].iter().find(|(begun, _)| *begun == buffer as u32);
        begun.map(|(_, end)| *end as usize)
    }

    /// Gives buffers back to the system that nobody reads behind an instruction, if they are large: the pool would not hold them, and the
    /// largest ones of a program are what is left of one operation of a layer.
    fn drop_large(&mut self, ended: u32) {
        for buffer in &self.uses.last[ended as usize] {
            self.derived.forget(*buffer as usize);
            for component in &mut self.store {
                let word = &mut component.ring[*buffer as usize];
                if word.len() * R::BYTES >= LARGE {
                    *word = Vec::new();
                }
            }
        }
    }

    /// Whether a result is all that is alive of its buffer when it is complete, and begins it: its vectors take the place of the buffer's. No other
    /// instruction has written there since it was `issued`.
    fn comes_alone(&self, context: &Context<'_, R>, issued: u32, reg: Reg) -> bool {
        let (buffer, at) = (slot(context, reg).buffer, issued as usize);
        let untouched = self.clock.touched[buffer] == self.clock.issued[at];
        whole(context, reg) || untouched && self.uses.alone[at].contains(&(buffer as u32))
    }

    /// Makes the vectors of a register's buffer long enough for it, where an operation took them or left shorter ones; for all that will be there,
    /// where the instruction is the first to write to it.
    fn make_room(&mut self, context: &Context<'_, R>, reg: Reg) {
        let (Slot { buffer, layout }, kind) = (slot(context, reg), context.kind(reg));
        if !matches!(kind, Kind::Shared | Kind::Additive | Kind::Half) {
            return;
        }
        let needed = layout.span().map_or(0, |span| span.end);
        let all = self.begins(context.address.instruction, buffer);
        for i in self.words(kind) {
            let short = &mut self.store[i].ring[buffer];
            if short.len() < needed {
                let mut long = self.world.room(all.map_or(needed, |all| all.max(needed)));
                if all.is_none() {
                    long[..short.len()].copy_from_slice(short);
                    long[short.len()..].fill(R::ZERO);
                }
                self.world.recycle(std::mem::replace(short, long));
            }
        }
    }

    /// Whether nobody needs the buffer of an operand behind the instruction that is executed.
    fn is_last(&self, context: &Context<'_, R>, buffer: usize) -> bool {
        self.uses.last[context.address.instruction as usize].contains(&(buffer as u32))
    }

    /// Writes results to their registers: of the last execution of the instruction that was `issued`.
    pub(super) fn keep(
        &mut self,
        context: &mut Context<'_, R>,
        issued: u32,
        results: Vec<Done<R, N>>,
    ) -> Result {
        let threads = self.threads();
        for result in results {
            match result {
                Done::Ring(dst, words) => {
                    let kind = context.kind(dst);
                    for (i, word) in words.into_iter().enumerate() {
                        if S::has(self.world.me, kind, i) {
                            self.keep_word(context, (issued, dst), i, word);
                        }
                    }
                }
                Done::Word(dst, i, word) => self.keep_word(context, (issued, dst), i, word),
                Done::Bits(dst, value) => self.keep_bits(slot(context, dst), &value),
                Done::Planes(dst, planes) => {
                    let Slot { buffer, layout } = slot(context, dst);
                    for (row, plane) in planes.iter().enumerate() {
                        self.keep_bits(Slot { buffer, layout: &store::row(layout, row) }, plane);
                    }
                }
                Done::Plain(dst, value) => context.memory.store(threads, dst, &value),
                Done::Ints(dst, value) => context.memory.store(threads, dst, &value),
                Done::Output(output, value) => give(context, output, &value)?,
                Done::Shares(output, words) => give(context, output, &words.concat())?,
            }
        }
        Ok(())
    }

    fn keep_bits(&mut self, dst: Slot<'_>, value: &Words<u64, N>) {
        for i in self.words(Kind::Bit) {
            store::save::<R, u64>(&self.world.threads, &mut self.store[i].bits, dst, &value[i]);
        }
    }

    /// Writes a word to its register.
    fn keep_word(&mut self, context: &Context<'_, R>, (issued, dst): (u32, Reg), i: usize, value: Vec<R>) {
        if self.comes_alone(context, issued, dst) {
            let old = std::mem::replace(&mut self.store[i].ring[slot(context, dst).buffer], value);
            self.world.recycle(old);
        } else {
            self.make_room(context, dst);
            let (slot, buffers) = (slot(context, dst), &mut self.store[i].ring);
            store::save(&self.world.threads, buffers, slot, &value);
            self.world.recycle(value);
        }
    }

    /// The words of a register, where they are.
    pub(super) fn held<'a>(&'a self, Slot { buffer, layout }: Slot<'a>) -> Held<'a, R, N> {
        Held { data: array::from_fn(|i| self.store[i].ring[buffer].as_slice()), layout }
    }

    /// Takes the buffers of a register out, to be written while others are read.
    pub(super) fn taken(&mut self, buffer: usize) -> Words<R, N> {
        array::from_fn(|i| std::mem::take(&mut self.store[i].ring[buffer]))
    }

    pub(super) fn put_back(&mut self, buffer: usize, words: Words<R, N>) {
        for (component, word) in self.store.iter_mut().zip(words) {
            component.ring[buffer] = word;
        }
    }

    /// A value's words: copies, or what the register has if nobody reads it later.
    pub(super) fn ring(&mut self, context: &Context<'_, R>, reg: Reg) -> Words<R, N> {
        self.copies(context, reg, |_| true)
    }

    /// The same of the words of this party's addend.
    pub(super) fn addend(&mut self, context: &Context<'_, R>, op: S, reg: Reg) -> Words<R, N> {
        self.copies(context, reg, |i| op.in_addend(i))
    }

    fn copies(&mut self, context: &Context<'_, R>, reg: Reg, needed: impl Fn(usize) -> bool) -> Words<R, N> {
        let (Slot { buffer, layout }, kind) = (slot(context, reg), context.kind(reg));
        let (n, last) = (layout.len(), self.is_last(context, buffer));
        let first = last && dense(layout) == Some(0..n);
        array::from_fn(|i| {
            if !S::has(self.world.me, kind, i) || !needed(i) {
                return Vec::new();
            }
            let word = &mut self.store[i].ring[buffer];
            if first && word.capacity() / 2 <= n {
                word.truncate(n);
                return std::mem::take(word);
            }
            let mut copy = self.world.room(n);
            let from = View::new(&word[..], layout);
            views::copy(&self.world.threads, ViewMut::new(&mut copy, &row_major(layout)), from);
            if last {
                // room for the copy of the next word
                self.world.recycle(std::mem::take(word));
            }
            copy
        })
    }

    /// Copies of the words of shared bits.
    pub(super) fn bits_of(&self, Slot { buffer, layout }: Slot<'_>) -> Words<u64, N> {
        array::from_fn(|i| match S::has(self.world.me, Kind::Bit, i) {
            true => {
                let from = View::new(&self.store[i].bits[buffer][..], layout);
                store::load::<R, u64>(self.threads(), from)
            }
            false => Vec::new(),
        })
    }

    /// The planes of bits along the first axis of a register.
    pub(super) fn places(&self, context: &Context<'_, R>, a: Reg) -> Vec<Words<u64, N>> {
        let Slot { buffer, layout } = slot(context, a);
        let rows = (0..layout.axes[0].len).map(|i| store::row(layout, i));
        rows.map(|layout| self.bits_of(Slot { buffer, layout: &layout })).collect()
    }

    /// Applies `work` to every word of a ring register.
    pub(super) fn ring_local(
        &mut self,
        context: &Context<'_, R>,
        dst: Reg,
        work: impl Fn(&Threads, &mut [Vec<R>]),
    ) -> Result {
        for i in self.words(context.kind(dst)) {
            work(&self.world.threads, &mut self.store[i].ring);
        }
        Ok(())
    }

    /// The same to bits, with whether public values go to this word.
    pub(super) fn bits_local(&mut self, work: impl Fn(&Threads, bool, &mut [Vec<u64>])) -> Result {
        for i in self.words(Kind::Bit) {
            let public = S::public(self.world.me, Kind::Bit, i);
            work(&self.world.threads, public, &mut self.store[i].bits);
        }
        Ok(())
    }

    /// The owner's part of an input: piece by piece, so that the first has left before the last is read.
    pub(super) fn own_input(
        &mut self,
        context: &mut Context<'_, R>,
        op: S,
        (dst, input): (Reg, u32),
        entries: &[Entry<'w>; N],
    ) -> Result {
        let (at, threads) = (context.address.instruction, self.threads());
        let derived = self.derive(context, dst, entries)?;
        for (start, piece) in pieces(context.memory.layout(dst)) {
            let mut x = take(context, input, start, piece.len())?;
            let slot = Slot { layout: &piece, ..slot(context, dst) };
            for (i, entry) in entries.iter().enumerate() {
                if let Entry::Stream(mask) = entry {
                    let mut word = self.world.room(piece.len());
                    mask.fill_bits(threads, R::BITS, start as u64, &mut word);
                    op.each(&mut x, [], [&word], |x, [], [r]| x - r);
                    if !derived {
                        store::save(threads, &mut self.store[i].ring, slot, &word);
                    }
                    self.world.recycle(word);
                }
            }
            for (i, entry) in entries.iter().enumerate() {
                if let Entry::Rest(receivers) = entry {
                    for to in receivers {
                        self.engine.transmit(at, *to, &x).map_err(PartyError::Net)?;
                    }
                    store::save(threads, &mut self.store[i].ring, slot, &x);
                }
            }
        }
        Ok(())
    }

    /// What others know of an input before anything arrives.
    pub(super) fn known_input(
        &mut self,
        context: &Context<'_, R>,
        dst: Reg,
        entries: &[Entry<'w>; N],
    ) -> Result {
        if self.derive(context, dst, entries)? {
            return Ok(());
        }
        let threads = self.threads();
        for (start, piece) in pieces(context.memory.layout(dst)) {
            let slot = Slot { layout: &piece, ..slot(context, dst) };
            let mut values = self.world.room(piece.len());
            for (i, entry) in entries.iter().enumerate() {
                match entry {
                    Entry::Stream(stream) => {
                        stream.fill_bits(threads, R::BITS, start as u64, &mut values);
                    }
                    Entry::Zero => values.fill(R::ZERO),
                    Entry::None | Entry::Rest(_) | Entry::Received => continue,
                }
                store::save(threads, &mut self.store[i].ring, slot, &values);
            }
            self.world.recycle(values);
        }
        Ok(())
    }

    /// Receives the word of an input that the owner sends; a register that fills its buffer is received in place.
    pub(super) fn receive_input(
        &mut self,
        context: &mut Context<'_, R>,
        op: S,
        (dst, i): (Reg, usize),
        owner: Party,
    ) -> Result {
        let room = match whole(context, dst) {
            true => std::mem::take(&mut self.store[i].ring[slot(context, dst).buffer]),
            false => self.world.room(context.memory.layout(dst).len()),
        };
        self.issue(context, async move {
            let (_, [word]) = op.round([], [(owner, Message::Elements(room))]).await;
            let word = word.into_elements();
            op.received(owner, &word);
            Ok(vec![Done::Word(dst, i, word)])
        })
    }

    /// This party's shares of an input, from an earlier run: one word after the other.
    pub(super) fn given_shares(&mut self, context: &mut Context<'_, R>, dst: Reg, input: u32) -> Result {
        let n = context.memory.layout(dst).len();
        for (position, i) in self.words(Kind::Shared).enumerate() {
            for (start, piece) in pieces(context.memory.layout(dst)) {
                let x = take(context, input, position * n + start, piece.len())?;
                let slot = Slot { layout: &piece, ..slot(context, dst) };
                store::save(&self.world.threads, &mut self.store[i].ring, slot, &x);
            }
        }
        Ok(())
    }
}
