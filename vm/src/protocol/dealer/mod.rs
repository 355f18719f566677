//! Two parties and a dealer that only sends: additive shares, one semi-honest corruption, nobody colludes with the dealer.
//!
//! A value x of Z_{2^k} is x = x_0 + x_1, of which party i holds x_i; bits are shared the same way with exclusive or. What products, truncations and comparisons
//! take is *opened*: x = e + A, e known to both parties, the mask A to the dealer, and each party has a part of A. That is the two-addend view of the three-party
//! protocol, with the dealer in the corner. The dealer runs the same program on masks: it has a key in common with each party, computes from
//! these and the program alone, and receives nothing. What it sends goes beside the rounds, in the order of the program, as far ahead of the parties as the links hold.
//!
//! | module | what it holds |
//! |---|---|
//! | `opened`, `truncate`, `adder`, `word`, `select` | one family of protocols each, the dealer's side beside the parties': algebra, messages, why they tell nothing |
//! | `parcel` | the one primitive of dealing |
//! | `ahead` | what is dealt as a file for each party, used once |
//! | `shares` | what each of the three keeps |
//! | `op`, `draw` | roles and keys of an operation, purposes of random streams |
//!
//! **Who learns what.** A party receives from the other only values under masks of which it lacks the other's part, and from the dealer shares whose other half it lacks;
//! both are uniform to it. The tests of `privacy` check it, operation by operation. **What the dealer must not do**: hand a party the other's key, or what
//! it has dealt to the other. With either, that party opens every value. docs/security.md says more.
//!
//! What each instruction sends, to the byte, is stated in [`tern_bytecode::model::dealer`].

mod adder;
pub mod ahead;
mod draw;
mod op;
mod opened;
mod parcel;
#[cfg(test)]
mod privacy;
mod select;
mod shares;
mod truncate;
mod word;

use std::collections::BTreeSet;
use std::future::Future;
use std::path::Path;
use std::time::Instant;

use tern_bytecode::circuit::Adder;
use tern_bytecode::cost;
use tern_bytecode::instr::{Axes, MaybeReg};
use tern_bytecode::model::MAX_PARTIES;
use tern_bytecode::model::dealer::{COMPUTING, DEALER};
use tern_bytecode::program::Place;
use tern_bytecode::validate::known;
use tern_bytecode::{Kind, Program, Protocol, Reg, Route};

use self::adder::Network;
use self::ahead::{Dealing, Dealt as Material};
use self::draw::Draw;
use self::op::{Op, World};
use self::opened::Opened;
use self::parcel::{Outgoing, Parcel};
use self::select::Half;
use self::shares::Shares;
use self::truncate::{Dealt, Masked, Truncation};
use super::Backend;
use super::party::{Host, PartyError, Setting};
use super::registers::{contract_axes, give, pieces, public_bits, rows, slot, take};
use super::store::{self, Slot};
use crate::bits::{self, words};
use crate::machine::memory::row_major;
use crate::machine::{
    Context, Elements, ElementsMut, HostError, Measured, Memory, Options, Purpose, Report, RunError, Seeds,
    Trip, run,
};
use crate::net::keys::{self, Keys};
use crate::net::{Links, Party};
use crate::par::Threads;
use crate::prg::Key;
use crate::ring::{Ring, View, ViewMut, contract, views};
use crate::rings::in_ring;
use crate::rounds::engine::Engine;
use crate::rounds::meter::Meter;

/// Who has which key: each party and the dealer; then each party alone, for bits that nobody knows.
pub(super) fn groups() -> Vec<Vec<Party>> {
    let dealer = Party::all(COMPUTING + 1).nth(DEALER);
    let with_dealer = Party::all(COMPUTING).map(|party| [party].into_iter().chain(dealer).collect());
    with_dealer.chain(Party::all(COMPUTING).map(|party| vec![party])).collect()
}

/// Runs a program as the party at these links, or as the dealer; see [`super::run_party`].
pub(super) fn run_in<R: Ring>(
    program: &Program,
    links: &mut Links,
    host: &mut dyn Host,
    setting: Setting<'_>,
) -> Result<Report> {
    let (me, options) = (links.me(), setting.options);
    let key = |group: usize| setting.keys.common[group].as_ref().map(Key::new);
    let own = key(COMPUTING + me.index().min(1)).filter(|_| me.index() < COMPUTING);
    let threads = Threads::new(options.threads)?;
    let world = World::new(me, [key(0), key(1)], own, threads);
    let shares = Shares::new(program, me.index())?;
    let (public, options) = (&setting.keys.public, setting.machine());
    let dealer = Party::P2;
    let supply = match setting.dealt {
        Some(dealt) => Supply::Ahead(Box::new(dealt)),
        None => Supply::Alongside(dealer),
    };
    match (me == dealer, &supply) {
        (true, _) => links.peers().for_each(|party| links.detach(party)),
        (false, Supply::Alongside(dealer)) => links.detach(*dealer),
        (false, Supply::Ahead(_)) => {}
    }
    let (mut report, meter) = {
        let end = match me == dealer {
            true => End::Dealer { sink: Sink::Links(links), unknown: known::of(program)? },
            false => End::Party { engine: Box::new(Engine::new(&world.rounds, links, program)), supply },
        };
        let mut backend =
            Dealer::<R> { world: &world, shares, sizes: sizes(program), room: Default::default(), end };
        let report = run(program, &mut backend, Memory::public, public, host, &options)?;
        (report, backend.into_meter())
    };
    links.finish().map_err(PartyError::Net)?;
    report.measured = Some(match meter {
        Some(meter) => meter.measured(&report, links.traffic()),
        None => by_dealer(&report, program, links),
    });
    Ok(report)
}

/// By instruction: bytes that are dealt to each party.
fn sizes(program: &Program) -> Vec<[usize; MAX_PARTIES]> {
    let dealt = program.code.iter().map(|instr| cost::dealt(program, instr)[DEALER]);
    dealt.map(|bytes| bytes.map(|n| n as usize)).collect()
}

/// The keys of a party whose dealer has dealt before: those that it was given, and one of its own, `fixed` or fresh.
pub(super) fn keys_ahead(links: &mut Links, dealt: &Material, fixed: Option<Keys>) -> Result<Keys> {
    let me = links.me().index();
    let alone: Vec<Vec<Party>> = Party::all(COMPUTING).map(|party| vec![party]).collect();
    let own = match fixed {
        Some(keys) => keys.common[COMPUTING..].to_vec(),
        None => keys::agree(links, &alone).map_err(PartyError::Net)?.common.clone(),
    };
    let with_dealer = (0..COMPUTING).map(|party| (party == me).then(|| dealt.key()));
    Ok(Keys { common: with_dealer.chain(own).collect(), public: dealt.public() })
}

/// Bytes of what was dealt to each party.
pub type Sizes = [u64; COMPUTING];

/// Deals ahead of time: a file for each party in the folder, which must not have any. Gives how much was dealt to each.
///
/// # Errors
/// If the program is of another protocol or not valid, if its dealer runs into a fault, or if a file cannot be written.
pub fn deal(program: &Program, folder: &Path, options: &Options) -> Result<Sizes> {
    tern_bytecode::validate(program)?;
    let protocol = program.header.protocol;
    if protocol != Protocol::Dealer {
        let found = COMPUTING + 1;
        return Err(PartyError::Parties { protocol: protocol.name(), needed: found, found: 0 }.into());
    }
    in_ring!(program.header.ring, R => deal_in::<R>(program, folder, options))
}

fn deal_in<R: Ring>(program: &Program, folder: &Path, options: &Options) -> Result<Sizes> {
    let seeds = match options.seed {
        Some(seed) => Seeds::fixed(seed, program),
        None => Seeds::fresh(program.header.protocol)?,
    };
    let keys = [0, 1].map(|party: usize| Some(Key::new(&seeds.common[party])));
    let world = World::<R>::new(Party::P2, keys, None, Threads::new(options.threads)?);
    // what names a dealing says nothing of its keys
    let dealing = Seeds::run_id(&seeds.public).to_string();
    let mut files = Vec::new();
    for party in Party::all(COMPUTING) {
        let (key, public) = (seeds.common[party.index()], seeds.public);
        files.push(Dealing::begin(folder, program, party, &dealing, key, public).map_err(PartyError::Dealt)?);
    }
    let end = End::Dealer { sink: Sink::Files(files), unknown: known::of(program)? };
    let shares = Shares::new(program, DEALER)?;
    let mut backend =
        Dealer::<R> { world: &world, shares, sizes: sizes(program), room: Default::default(), end };
    let machine = Options { threads: 1, ..options.clone() };
    let report = run(program, &mut backend, Memory::public, &seeds.public, &mut Nobody, &machine)?;
    if let End::Dealer { sink: Sink::Files(files), .. } = backend.end {
        for file in files {
            file.end().map_err(PartyError::Dealt)?;
        }
    }
    Ok([0, 1].map(|party: usize| report.dealt[DEALER][party]))
}

/// The surroundings of a dealer that deals before the run: there are none.
struct Nobody;

impl Host for Nobody {
    fn input(&mut self, _: usize, _: u64, _: ElementsMut<'_>) -> std::result::Result<(), HostError> {
        Err("a dealer has no data".into())
    }

    fn output(&mut self, _: usize, _: Elements<'_>) -> std::result::Result<(), HostError> {
        Err("a dealer has no results".into())
    }

    fn metric(&mut self, _: &str, _: &[f64], _: &[Trip]) {}
}

/// A dealer's figures.
fn by_dealer(report: &Report, program: &Program, links: &Links) -> Measured {
    let bytes = |at: usize| cost::total(&cost::dealt(program, &program.code[at]));
    let sent = (0..program.code.len()).map(|at| report.executions[at] * bytes(at)).collect();
    let len = program.code.len();
    Measured {
        traffic: links.traffic(),
        sent,
        rounds: vec![0; len],
        waited: vec![Default::default(); len],
        compute: report.times.clone(),
    }
}

/// The back-end of one of the three.
struct Dealer<'w, R: Ring> {
    world: &'w World<R>,
    shares: Shares<R>,
    /// By instruction: bytes that are dealt to each party.
    sizes: Vec<[usize; MAX_PARTIES]>,
    /// What was dealt to each party last, or to this one: room for the next parcel.
    room: [Vec<u8>; COMPUTING],
    end: End<'w, R>,
}

/// What a party has, and what the dealer has.
enum End<'w, R> {
    /// Rounds with the other party, and where what is dealt comes from.
    Party { engine: Box<Engine<'w, R, Vec<Done<R>>>>, supply: Supply },
    /// Where what it deals goes, and what it cannot compute.
    Dealer { sink: Sink<'w>, unknown: BTreeSet<usize> },
}

/// Where a party has from what it is dealt.
enum Supply {
    /// From the dealer, over a link.
    Alongside(Party),
    /// From a file that was written before.
    Ahead(Box<Material>),
}

/// Where what is dealt goes.
enum Sink<'w> {
    /// To the parties, over links.
    Links(&'w mut Links),
    /// Into a file for each party.
    Files(Vec<Dealing>),
}

impl Sink<'_> {
    fn send(&mut self, party: Party, bytes: &[u8]) -> std::result::Result<(), PartyError> {
        match self {
            Sink::Links(links) => Ok(links.portion_to(party, bytes)?),
            Sink::Files(files) => Ok(files[party.index()].write(bytes)?),
        }
    }
}

/// What an operation gives when it is complete: dense values for registers or the host.
enum Done<R> {
    Opened(Reg, Opened<R>),
    Share(Reg, Vec<R>),
    Half(Reg, Half<R>),
    /// Planes along the first axis.
    Planes(Reg, Vec<Vec<u64>>),
    Bits(Reg, Vec<u64>),
    Plain(Reg, Vec<R>),
    Ints(Reg, Vec<i64>),
    Output(u32, Vec<R>),
}

type Result<T = (), E = RunError> = std::result::Result<T, E>;

impl<'w, R: Ring> Dealer<'w, R> {
    fn op(&self, context: &Context<'_, R>) -> Result<Op<'w, R>> {
        Ok(Op::new(self.world, context.address)?)
    }

    /// What a party's engine has measured.
    fn into_meter(self) -> Option<Meter> {
        match self.end {
            End::Party { engine, .. } => Some(engine.into_parts().0),
            End::Dealer { .. } => None,
        }
    }

    /// Whether this is the dealer.
    fn deals(&self) -> bool {
        matches!(self.end, End::Dealer { .. })
    }

    /// At the dealer: sends what `deal` makes for this instruction.
    fn deal(
        &mut self,
        context: &Context<'_, R>,
        deal: impl FnOnce(&mut Shares<R>, &World<R>, Op<'w, R>, &mut Outgoing),
    ) -> Result {
        let (op, mut outgoing) = (self.op(context)?, Outgoing { to: std::mem::take(&mut self.room) });
        outgoing.to.iter_mut().for_each(Vec::clear);
        deal(&mut self.shares, self.world, op, &mut outgoing);
        let End::Dealer { sink, .. } = &mut self.end else { unreachable!("only the dealer deals") };
        let sizes = self.sizes[context.address.instruction as usize];
        for (party, bytes) in Party::all(COMPUTING).zip(&outgoing.to) {
            assert_eq!(bytes.len(), sizes[party.index()], "what is dealt is what was announced");
            if !bytes.is_empty() {
                sink.send(party, bytes)?;
            }
        }
        self.room = outgoing.to;
        Ok(())
    }

    /// At a party: what `take` makes of what it is dealt for this instruction.
    fn dealt<T>(&mut self, context: &Context<'_, R>, take: impl FnOnce(&mut Parcel) -> T) -> Result<T> {
        let at = context.address.instruction;
        let mut bytes = std::mem::take(&mut self.room[0]);
        bytes.resize(self.sizes[at as usize][self.world.me.index()], 0);
        if !bytes.is_empty() {
            let End::Party { engine, supply } = &mut self.end else { unreachable!("parties are dealt to") };
            match supply {
                Supply::Alongside(from) => engine.portion(at, *from, &mut bytes).map_err(PartyError::Net)?,
                Supply::Ahead(dealt) => dealt.read(&mut bytes).map_err(PartyError::Dealt)?,
            }
        }
        let mut parcel = Parcel::new(bytes);
        let taken = take(&mut parcel);
        self.room[0] = parcel.into_room();
        Ok(taken)
    }

    fn issue(
        &mut self,
        context: &mut Context<'_, R>,
        operation: impl Future<Output = Vec<Done<R>>> + 'w,
    ) -> Result {
        let End::Party { engine, .. } = &mut self.end else { unreachable!("the dealer sends no messages") };
        let results = engine.issue(context.address.instruction, operation).map_err(PartyError::Net)?;
        results.map_or(Ok(()), |results| self.keep(context, results))
    }

    /// Writes results to their registers.
    fn keep(&mut self, context: &mut Context<'_, R>, results: Vec<Done<R>>) -> Result {
        let (world, threads, shares) = (&self.world.rounds, &self.world.threads, &mut self.shares);
        for result in results {
            match result {
                Done::Opened(dst, x) => shares.keep_opened(world, context, dst, x),
                Done::Share(dst, x) => shares.keep_first(world, context, dst, x),
                Done::Half(dst, Half { known, part }) => {
                    shares.keep_opened(world, context, dst, Opened { open: known, part });
                }
                Done::Bits(dst, bits) => shares.keep_bits(threads, context, dst, &bits),
                Done::Planes(dst, planes) => shares.keep_planes(threads, context, dst, &planes),
                Done::Plain(dst, value) => context.memory.store(threads, dst, &value),
                Done::Ints(dst, value) => context.memory.store(threads, dst, &value),
                Done::Output(output, value) => give(context, output, &value)?,
            }
        }
        Ok(())
    }

    /// This party's share of a value of either form.
    fn share(&self, context: &Context<'_, R>, op: Op<'w, R>, reg: Reg) -> Vec<R> {
        match context.kind(reg) {
            Kind::Shared => opened::share(op, self.shares.opened(&self.world.rounds, context, reg)),
            Kind::Plain | Kind::Additive | Kind::Bit | Kind::Half | Kind::Real | Kind::Int => {
                self.shares.first(&self.world.rounds, context, reg)
            }
        }
    }

    /// Moves rows of any kind.
    fn moved(&mut self, context: &Context<'_, R>, dst: Reg, a: Reg, index: Reg, gather: bool) -> Result {
        let kind = context.kind(dst);
        if self.deals() && kind != Kind::Shared {
            return Ok(()); // it may not know the index
        }
        let rows = rows(context, &self.world.threads, if gather { a } else { dst }, index)?;
        let (to, from, threads) = (slot(context, dst), slot(context, a), &self.world.threads);
        self.shares.each(kind, |component, _| {
            store::move_rows(threads, component, kind == Kind::Bit, gather, to, from, &rows);
        });
        Ok(())
    }

    /// Fills a new additive register, row-major, with what `make` gives.
    fn product_share(
        &mut self,
        context: &Context<'_, R>,
        dst: Reg,
        make: impl FnOnce(&Shares<R>, &World<R>, ViewMut<R>),
    ) -> Result {
        let op = self.op(context)?;
        let dense = row_major(context.memory.layout(dst));
        let mut share =
            self.dealt(context, |parcel| parcel.elements(op, Draw::Product, dense.len(), R::BITS))?;
        make(&self.shares, self.world, ViewMut::new(&mut share, &dense));
        self.shares.keep_first(&self.world.rounds, context, dst, share);
        Ok(())
    }

    /// The owner's part of an input: piece by piece, so that the first has left before the last is read.
    fn own_input(&mut self, context: &mut Context<'_, R>, op: Op<'w, R>, dst: Reg, input: u32) -> Result {
        let (at, me, layout) = (context.address.instruction, op.me(), context.memory.layout(dst).clone());
        let End::Party { engine, .. } = &mut self.end else { unreachable!("the dealer owns nothing") };
        let to = Party::all(COMPUTING).nth(1 - me).expect("one of two");
        for (start, piece) in pieces(&layout) {
            let mut x = take(context, input, start, piece.len())?;
            let mut part = op.room(x.len());
            let stream = op.stream_of(me, Draw::Input);
            stream.fill_bits(&op.world.threads, R::BITS, start as u64, &mut part);
            op.each(&mut x, [], [&part], |x, [], [part]| x - part);
            engine.transmit(at, to, &x).map_err(PartyError::Net)?;
            let slot = Slot { layout: &piece, ..slot(context, dst) };
            self.shares.save_piece(&self.world.threads, slot, 0, &x);
            self.shares.save_piece(&self.world.threads, slot, 1, &part);
            op.recycle(part);
        }
        self.issue(context, async move {
            op.round([], []).await;
            Vec::new()
        })
    }

    fn selection(
        &mut self,
        context: &mut Context<'_, R>,
        (dst, keep): (Reg, MaybeReg),
        bit: Reg,
        a: Reg,
    ) -> Result {
        let n = context.memory.layout(a).len();
        if self.deals() {
            return self.deal(context, |shares, world, op, to| {
                let masks = select::masks(op, n);
                to.elements(op, Draw::Half, masks.clone(), R::BITS);
                select::deal(op, &masks, shares.first(&world.rounds, context, a), to);
                if let Some(keep) = keep {
                    shares.keep_first(&world.rounds, context, keep, masks);
                }
            });
        }
        let op = self.op(context)?;
        let [part, product] = self.dealt(context, |parcel| {
            [Draw::Half, Draw::Chosen].map(|draw| parcel.elements(op, draw, n, R::BITS))
        })?;
        let bit = self.shares.bits(&self.world.threads, context, bit);
        let x = self.shares.opened(&self.world.rounds, context, a);
        self.issue(context, async move {
            let half = select::open(op, bit, n, part).await;
            let selected = Done::Share(dst, select::select(op, &half, x, product));
            let kept = keep.map(|keep| Done::Half(keep, half));
            [Some(selected), kept].into_iter().flatten().collect()
        })
    }
}

impl<R: Ring> Backend for Dealer<'_, R> {
    type Element = R;

    fn skips(&self, at: u32) -> bool {
        matches!(&self.end, End::Dealer { unknown, .. } if unknown.contains(&(at as usize)))
    }

    fn copy(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Result {
        let (to, from, kind, threads) =
            (slot(context, dst), slot(context, a), context.kind(dst), &self.world.threads);
        self.shares.each(kind, |component, _| match kind {
            Kind::Bit => store::copy::<R, u64>(threads, &mut component.bits, to, from),
            Kind::Plain | Kind::Shared | Kind::Additive | Kind::Half | Kind::Real | Kind::Int => {
                store::copy::<R, R>(threads, &mut component.ring, to, from);
            }
        });
        Ok(())
    }

    fn gather(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, index: Reg) -> Result {
        self.moved(context, dst, a, index, true)
    }

    fn scatter(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, index: Reg) -> Result {
        self.moved(context, dst, a, index, false)
    }

    /// The mask of a public value is 0.
    fn promote(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Result {
        let (kind, threads) = (context.kind(dst), &self.world.threads);
        let Slot { buffer, layout } = slot(context, dst);
        let public = [0, 1].map(|component| self.shares.has_public(kind, component));
        self.shares.each(kind, |component, i| {
            let out = ViewMut::new(&mut component.ring[buffer], layout);
            match public[i] {
                true => views::copy(threads, out, context.memory.read::<R>(a)),
                false => views::fill(threads, out, R::ZERO),
            }
        });
        Ok(())
    }

    fn promote_bits(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Result {
        if self.deals() {
            return Ok(());
        }
        let mut bits = public_bits(context, &self.world.threads, a)?;
        if !self.shares.has_public(Kind::Bit, 0) {
            bits.fill(0);
        }
        self.keep(context, vec![Done::Bits(dst, bits)])
    }

    fn widen(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Result {
        if self.deals() {
            return Ok(());
        }
        let share = self.share(context, self.op(context)?, a);
        self.keep(context, vec![Done::Share(dst, share)])
    }

    fn add(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg) -> Result {
        let (to, from) = (slot(context, dst), [slot(context, a), slot(context, b)]);
        self.shares.each_ring(context.kind(dst), |buffers| {
            store::zip::<R, R>(&self.world.threads, buffers, to, from, |x, y| x + y);
        });
        Ok(())
    }

    fn sub(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg) -> Result {
        let (to, from) = (slot(context, dst), [slot(context, a), slot(context, b)]);
        self.shares.each_ring(context.kind(dst), |buffers| {
            store::zip::<R, R>(&self.world.threads, buffers, to, from, |x, y| x - y);
        });
        Ok(())
    }

    fn neg(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Result {
        let (to, from) = (slot(context, dst), slot(context, a));
        self.shares.each_ring(context.kind(dst), |buffers| {
            store::map::<R, R>(&self.world.threads, buffers, to, from, |x| -x);
        });
        Ok(())
    }

    fn mul_plain(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg) -> Result {
        let (to, from, factor) = (slot(context, dst), slot(context, a), context.memory.read::<R>(b));
        self.shares.each_ring(context.kind(dst), |buffers| {
            store::zip_with::<R, R>(&self.world.threads, buffers, to, from, factor, |x, y| x * y);
        });
        Ok(())
    }

    fn mul(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg) -> Result {
        let [x, y] = [a, b].map(|reg| slot(context, reg));
        if self.deals() {
            return self.deal(context, |shares, world, op, to| {
                let dense = row_major(x.layout);
                let mut product = op.room(dense.len());
                let factors = [shares.masks(x), shares.masks(y)];
                let out = ViewMut::new(&mut product, &dense);
                views::apply(&world.threads, out, factors, |_, [x, y]| x * y);
                to.elements(op, Draw::Product, product, R::BITS);
            });
        }
        self.product_share(context, dst, |shares, world, out| {
            let how = (&world.rounds.threads, world.me == Party::P0);
            opened::multiply(how, out, shares.factor(x), shares.factor(y));
        })
    }

    fn contract(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg, axes: Axes) -> Result {
        let [to, x, y] = [dst, a, b].map(|reg| slot(context, reg));
        if context.kind(b) == Kind::Shared && self.deals() {
            return self.deal(context, |shares, world, op, outgoing| {
                let dense = row_major(to.layout);
                let mut product = op.room(dense.len());
                let (x, y, out) = (shares.masks(x), shares.masks(y), ViewMut::new(&mut product, &dense));
                let axes = contract_axes(axes);
                contract::contract_mod(&world.threads, out, x, y, axes, contract::Write::Replace);
                outgoing.elements(op, Draw::Product, product, R::BITS);
            });
        }
        if context.kind(b) == Kind::Shared {
            return self.product_share(context, dst, |shares, world, out| {
                let how = (&world.rounds.threads, world.me == Party::P0);
                opened::contract(how, out, shares.factor(x), shares.factor(y), axes);
            });
        }
        let (factor, axes, threads) = (context.memory.read::<R>(b), contract_axes(axes), &self.world.threads);
        self.shares.each_ring(context.kind(dst), |buffers| {
            // the operand may be another part of the same buffer
            let operand = store::load::<R, R>(threads, View::new(&buffers[x.buffer], x.layout));
            let dense = row_major(x.layout);
            let out = ViewMut::new(&mut buffers[to.buffer], to.layout);
            let (operand, replace) = (View::new(&operand[..], &dense), contract::Write::Replace);
            contract::contract_mod(threads, out, operand, factor, axes, replace);
        });
        Ok(())
    }

    fn sum(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, axes: u32) -> Result {
        let (to, from) = (slot(context, dst), slot(context, a));
        self.shares.each_ring(context.kind(dst), |buffers| {
            store::sum(&self.world.threads, buffers, to, from, axes);
        });
        Ok(())
    }

    fn xor(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg) -> Result {
        let (to, from) = (slot(context, dst), [slot(context, a), slot(context, b)]);
        self.shares.each_bits(|buffers| {
            store::zip::<R, u64>(&self.world.threads, buffers, to, from, |x, y| x ^ y);
        });
        Ok(())
    }

    fn not(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Result {
        let (to, from) = (slot(context, dst), slot(context, a));
        let flip = if self.shares.has_public(Kind::Bit, 0) { u64::MAX } else { 0 };
        self.shares.each_bits(|buffers| {
            store::map::<R, u64>(&self.world.threads, buffers, to, from, |x| x ^ flip);
        });
        Ok(())
    }

    fn and_public(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg) -> Result {
        if self.deals() {
            return Ok(());
        }
        let mask = public_bits(context, &self.world.threads, b)?;
        let (to, from) = (slot(context, dst), slot(context, a));
        let layout = row_major(to.layout);
        self.shares.each_bits(|buffers| {
            let mask = View::new(&mask[..], &layout);
            store::zip_with::<R, u64>(&self.world.threads, buffers, to, from, mask, |x, y| x & y);
        });
        Ok(())
    }

    /// Each party draws its share from its keys, of which one is its own: the dealer is not to know the bits either.
    fn random_bits(&mut self, context: &mut Context<'_, R>, dst: Reg) -> Result {
        let world = self.world;
        let Some(own) = &world.own else { return Ok(()) };
        let [mut bits, mut more] = [(); 2].map(|()| vec![0u64; words(context.memory.layout(dst).len())]);
        context.stream(own, Purpose::RandomBits)?.fill(&world.threads, 0, &mut bits);
        for key in world.keys.iter().flatten() {
            context.stream(key, Purpose::RandomBits)?.fill(&world.threads, 0, &mut more);
            bits::apply(&world.threads, &mut bits, [&more[..]], |x, [y]| x ^ y);
        }
        self.keep(context, vec![Done::Bits(dst, bits)])
    }

    fn input(&mut self, context: &mut Context<'_, R>, dst: Reg, input: u32, _: Route) -> Result {
        let (op, n) = (self.op(context)?, context.memory.layout(dst).len());
        let from = context.program.inputs[input as usize].from;
        let me = self.world.me.index();
        match from {
            Place::Party(owner) if self.deals() => {
                let mask = op.make(n, [opened::input_mask(op, owner.into())], [], |[mask], []| mask);
                self.shares.keep_first(&self.world.rounds, context, dst, mask);
                Ok(())
            }
            Place::Shares | Place::Client(_) if self.deals() => {
                let mask = opened::mask(op, n, [0, 1].map(|i| opened::input_mask(op, i)));
                self.shares.keep_first(&self.world.rounds, context, dst, mask);
                Ok(())
            }
            Place::Shares | Place::Client(_) => {
                let x = take(context, input, 0, n)?;
                self.issue(context, async move {
                    vec![Done::Opened(dst, opened::open(op, x, R::BITS, opened::input_mask(op, me)).await)]
                })
            }
            Place::Party(owner) if me == usize::from(owner) => self.own_input(context, op, dst, input),
            Place::Party(_) => self.issue(context, async move {
                let open = op.hear(n).await;
                let mut part = op.room(n);
                part.fill(R::ZERO);
                vec![Done::Opened(dst, Opened { open, part })]
            }),
        }
    }

    fn output(&mut self, context: &mut Context<'_, R>, a: Reg, output: u32, _: Route) -> Result {
        if self.deals() {
            return Ok(());
        }
        let op = self.op(context)?;
        let share = self.share(context, op, a);
        match context.program.outputs[output as usize].to {
            Place::Shares | Place::Client(_) => give(context, output, &share),
            Place::Party(to) => self.issue(context, async move {
                let value = opened::output(op, to.into(), share).await;
                value.map(|value| Done::Output(output, value)).into_iter().collect()
            }),
        }
    }

    fn reveal(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, _: Route) -> Result {
        if self.deals() {
            return Ok(());
        }
        let op = self.op(context)?;
        let share = self.share(context, op, a);
        self.issue(context, async move { vec![Done::Plain(dst, opened::reveal(op, share).await)] })
    }

    fn reveal_bits(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, _: Route) -> Result {
        if self.deals() {
            return Ok(());
        }
        let (op, n) = (self.op(context)?, context.memory.layout(a).len());
        let share = self.shares.bits(&self.world.threads, context, a);
        self.issue(context, async move {
            let open = opened::reveal_bits(op, share, n).await;
            let ints = (0..n).map(|i| (open[i / 64] >> (i % 64) & 1) as i64).collect();
            vec![Done::Ints(dst, ints)]
        })
    }

    fn reshare(&mut self, _: &mut Context<'_, R>, _dst: Reg, _a: Reg, _: Route) -> Result {
        unreachable!("values are opened under this protocol: validated")
    }

    fn open(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, width: u32, mask: u32) -> Result {
        let (op, n, me) = (self.op(context)?, context.memory.layout(a).len(), self.world.me.index());
        if self.deals() {
            let mask = opened::mask(op, n, [0, 1].map(|i| op.mask_of(i, mask)));
            self.shares.keep_first(&self.world.rounds, context, dst, mask);
            return Ok(());
        }
        let share = self.shares.first(&self.world.rounds, context, a);
        self.issue(context, async move {
            vec![Done::Opened(dst, opened::open(op, share, width, op.mask_of(me, mask)).await)]
        })
    }

    fn truncate(&mut self, _: &mut Context<'_, R>, _dst: Reg, _a: Reg, _bits: u32, _: Route) -> Result {
        unreachable!("what is truncated is opened under this protocol: validated")
    }

    fn truncate_opened(
        &mut self,
        context: &mut Context<'_, R>,
        dst: Reg,
        a: Reg,
        bits: u32,
        width: u32,
        more: u32,
        mask: u32,
    ) -> Result {
        let opened = (context.kind(dst) == Kind::Shared).then_some(Masked { more, mask });
        let how = Truncation { bits, width, rounding: context.program.header.rounding, opened };
        if self.deals() {
            return self.deal(context, |shares, world, op, to| {
                let mask = truncate::deal(op, shares.first(&world.rounds, context, a), how, to);
                if how.opened.is_some() {
                    shares.keep_first(&world.rounds, context, dst, mask);
                }
            });
        }
        let (op, n) = (self.op(context)?, context.memory.layout(a).len());
        let dealt = self.dealt(context, |parcel| Dealt::take(op, n, how, parcel))?;
        let open = self.shares.first(&self.world.rounds, context, a);
        match opened {
            None => self.issue(context, async move {
                vec![Done::Share(dst, truncate::truncate(op, open, how, dealt).await)]
            }),
            Some(under) => self.issue(context, async move {
                vec![Done::Opened(dst, truncate::to_opened(op, open, how, under, dealt).await)]
            }),
        }
    }

    fn sign(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, width: u32, _: Route) -> Result {
        let adder = Adder::new(width - 1, width);
        if self.deals() {
            return self.deal(context, |shares, world, op, to| {
                adder::deal(op, &adder, &shares.first(&world.rounds, context, a), to);
            });
        }
        let (op, n) = (self.op(context)?, context.memory.layout(a).len());
        let network = self.dealt(context, |parcel| Network::take(op, adder, n, parcel))?;
        let open = self.shares.first(&self.world.rounds, context, a);
        self.issue(context, async move {
            let sums = network.sums(op, &open).await;
            op.recycle(open);
            sums.into_iter().map(|sign| Done::Bits(dst, sign)).collect()
        })
    }

    fn sign_tested(
        &mut self,
        _: &mut Context<'_, R>,
        _dst: Reg,
        _a: Reg,
        _low: u32,
        _high: u32,
        _: Route,
    ) -> Result {
        unreachable!("with a dealer comparisons are networks: validated")
    }

    fn bits(
        &mut self,
        context: &mut Context<'_, R>,
        dst: Reg,
        a: Reg,
        low: u32,
        high: u32,
        _: Route,
    ) -> Result {
        let adder = Adder::new(low, high);
        if self.deals() {
            return self.deal(context, |shares, world, op, to| {
                adder::deal(op, &adder, &shares.first(&world.rounds, context, a), to);
            });
        }
        let (op, n) = (self.op(context)?, context.memory.layout(a).len());
        let network = self.dealt(context, |parcel| Network::take(op, adder, n, parcel))?;
        let open = self.shares.first(&self.world.rounds, context, a);
        self.issue(context, async move {
            let sums = network.sums(op, &open).await;
            op.recycle(open);
            vec![Done::Planes(dst, sums)]
        })
    }

    fn and(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, b: Reg, _: Route) -> Result {
        let n = context.memory.layout(a).len();
        if self.deals() {
            return self.deal(context, |_, _, op, to| word::deal_and(op, n, to));
        }
        let op = self.op(context)?;
        let product = self.dealt(context, |parcel| parcel.planes(op, Draw::Conjunction, n, 1))?;
        let [x, y] = [a, b].map(|reg| self.shares.bits(&self.world.threads, context, reg));
        debug_assert_eq!(x.len(), words(n));
        self.issue(context, async move { vec![Done::Bits(dst, word::and(op, x, y, n, product).await)] })
    }

    fn word(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, _: Route) -> Result {
        let (places, n) = (context.memory.layout(a).axes[0].len, context.memory.layout(dst).len());
        if self.deals() {
            return self.deal(context, |_, _, op, to| word::deal(op, places, n, to));
        }
        let op = self.op(context)?;
        let masks = self.dealt(context, |parcel| word::take(op, places, n, parcel))?;
        let bits = self.shares.places(&self.world.threads, context, a);
        self.issue(context, async move { vec![Done::Share(dst, word::word(op, bits, n, masks).await)] })
    }

    /// Words are cheap for the parties as they are.
    fn compose(&mut self, context: &mut Context<'_, R>, dst: Reg, a: Reg, route: Route) -> Result {
        self.word(context, dst, a, route)
    }

    fn select(
        &mut self,
        context: &mut Context<'_, R>,
        dst: Reg,
        keep: MaybeReg,
        bit: Reg,
        a: Reg,
        _: Route,
    ) -> Result {
        self.selection(context, (dst, keep), bit, a)
    }

    fn select_again(
        &mut self,
        context: &mut Context<'_, R>,
        dst: Reg,
        half: Reg,
        _bit: Reg,
        a: Reg,
        _bits: u32,
        _: Route,
    ) -> Result {
        if self.deals() {
            return self.deal(context, |shares, world, op, to| {
                let masks = shares.first(&world.rounds, context, half);
                select::deal(op, &masks, shares.first(&world.rounds, context, a), to);
            });
        }
        let (op, n) = (self.op(context)?, context.memory.layout(a).len());
        let product = self.dealt(context, |parcel| parcel.elements(op, Draw::Chosen, n, R::BITS))?;
        let half = self.shares.half(&self.world.rounds, context, half);
        let x = self.shares.opened(&self.world.rounds, context, a);
        self.keep(context, vec![Done::Share(dst, select::select(op, &half, x, product))])
    }

    /// Secrets are shown by the emulator only.
    fn debug(&mut self, _: &mut Context<'_, R>, _label: u32, _a: Reg, _frac: u32) -> Result {
        Ok(())
    }

    fn send(&mut self, context: &mut Context<'_, R>) -> Result {
        match &mut self.end {
            End::Party { engine, .. } => {
                Ok(engine.send(context.address.instruction).map_err(PartyError::Net)?)
            }
            End::Dealer { .. } => Ok(()),
        }
    }

    fn receive(&mut self, context: &mut Context<'_, R>) -> Result {
        let at = context.address.instruction;
        let End::Party { engine, .. } = &mut self.end else { return Ok(()) };
        for (issued, results) in engine.receive(at).map_err(PartyError::Net)? {
            let started = Instant::now();
            self.keep(context, results)?;
            if let End::Party { engine, .. } = &mut self.end {
                engine.meter.worked(at, issued, started);
            }
        }
        Ok(())
    }
}
