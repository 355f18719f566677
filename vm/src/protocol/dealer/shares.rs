//! What one of the three keeps of every register, and what it does with it alone.
//!
//! | kind | party i | dealer |
//! |---|---|---|
//! | shared | what is open, e; its part A_i of the mask | the mask A |
//! | additive | its share | |
//! | bit | its share | |
//! | half | the selecting bit less its mask; its share of the mask | the mask |
//!
//! Public linear maps are done to each of these by itself. Public values are added to e, which is as good as party 0's share, and to no mask.

use tern_bytecode::{Kind, Program, Reg};

use super::opened::{Factor, Opened};
use super::select::Half;
use crate::bits::words;
use crate::machine::{Context, Fault};
use crate::par::Threads;
use crate::protocol::registers::{slot, whole};
use crate::protocol::store::{self, Component, Slot};
use crate::ring::{Layout, Ring, View, ViewMut, views};
use crate::rounds::engine::World;

/// The first component: what is open, a share, or at the dealer a mask.
const FIRST: usize = 0;
/// The second: a party's part of a mask.
const PART: usize = 1;

/// The registers of one of the three.
pub(super) struct Shares<R> {
    components: Vec<Component<R>>,
    /// Whether it is the dealer.
    deals: bool,
    /// Whether it is the party whose shares have public values.
    leads: bool,
}

impl<R: Ring> Shares<R> {
    pub(super) fn new(program: &Program, me: usize) -> Result<Self, Fault> {
        let deals = me == tern_bytecode::model::dealer::DEALER;
        let here = |kind, component| component < count(kind, deals);
        Ok(Self { components: store::new(program, 2, here)?, deals, leads: me == 0 })
    }

    /// Applies `work` to what there is of a register.
    pub(super) fn each(&mut self, kind: Kind, mut work: impl FnMut(&mut Component<R>, usize)) {
        let count = count(kind, self.deals);
        self.components[..count].iter_mut().enumerate().for_each(|(i, component)| work(component, i));
    }

    /// The same of ring elements.
    pub(super) fn each_ring(&mut self, kind: Kind, mut work: impl FnMut(&mut [Vec<R>])) {
        self.each(kind, |component, _| work(&mut component.ring));
    }

    /// The same of bits.
    pub(super) fn each_bits(&mut self, mut work: impl FnMut(&mut [Vec<u64>])) {
        self.each(Kind::Bit, |component, _| work(&mut component.bits));
    }

    /// Whether public values are added to a component of a kind here.
    pub(super) fn has_public(&self, kind: Kind, component: usize) -> bool {
        component == FIRST && !self.deals && (kind == Kind::Shared || self.leads)
    }

    fn dense(&self, world: &World<R>, context: &Context<'_, R>, reg: Reg, component: usize) -> Vec<R> {
        let Slot { buffer, layout } = slot(context, reg);
        let mut copy = world.room(layout.len());
        let dense = crate::machine::memory::row_major(layout);
        let from = View::new(&self.components[component].ring[buffer], layout);
        views::copy(&world.threads, ViewMut::new(&mut copy, &dense), from);
        copy
    }

    /// What a party has of an opened value.
    pub(super) fn opened(&self, world: &World<R>, context: &Context<'_, R>, reg: Reg) -> Opened<R> {
        let [open, part] = [FIRST, PART].map(|component| self.dense(world, context, reg, component));
        Opened { open, part }
    }

    /// What a party has of a selecting bit.
    pub(super) fn half(&self, world: &World<R>, context: &Context<'_, R>, reg: Reg) -> Half<R> {
        let Opened { open, part } = self.opened(world, context, reg);
        Half { known: open, part }
    }

    /// A party's share of an additive value; what is open of an opened one; at the dealer a mask.
    pub(super) fn first(&self, world: &World<R>, context: &Context<'_, R>, reg: Reg) -> Vec<R> {
        self.dense(world, context, reg, FIRST)
    }

    /// A party's shares of bits.
    pub(super) fn bits(&self, threads: &Threads, context: &Context<'_, R>, reg: Reg) -> Vec<u64> {
        let Slot { buffer, layout } = slot(context, reg);
        store::load::<R, u64>(threads, View::new(&self.components[FIRST].bits[buffer][..], layout))
    }

    /// The planes of bits along the first axis, one after the other.
    pub(super) fn places(&self, threads: &Threads, context: &Context<'_, R>, reg: Reg) -> Vec<u64> {
        let Slot { buffer, layout } = slot(context, reg);
        let rows = (0..layout.axes[0].len).map(|i| store::row(layout, i));
        let bits = &self.components[FIRST].bits[buffer][..];
        rows.flat_map(|layout| store::load::<R, u64>(threads, View::new(bits, &layout))).collect()
    }

    /// A register of opened values where it lies.
    pub(super) fn factor<'a>(&'a self, slot: Slot<'a>) -> Factor<'a, R> {
        let [open, part] = [FIRST, PART].map(|component| &self.components[component].ring[slot.buffer][..]);
        Factor { open, part, layout: slot.layout }
    }

    /// The masks of a register where it lies.
    pub(super) fn masks<'a>(&'a self, slot: Slot<'a>) -> View<'a, R> {
        View::new(&self.components[FIRST].ring[slot.buffer], slot.layout)
    }

    /// Writes a component of a register; a vector that fills the buffer becomes the buffer.
    pub(super) fn keep(
        &mut self,
        world: &World<R>,
        context: &Context<'_, R>,
        dst: Reg,
        component: usize,
        value: Vec<R>,
    ) {
        let (slot, buffers) = (slot(context, dst), &mut self.components[component].ring);
        if whole(context, dst) {
            world.recycle(std::mem::replace(&mut buffers[slot.buffer], value));
        } else {
            store::save(&world.threads, buffers, slot, &value);
            world.recycle(value);
        }
    }

    /// Writes what a party has of an opened value.
    pub(super) fn keep_opened(&mut self, world: &World<R>, context: &Context<'_, R>, dst: Reg, x: Opened<R>) {
        self.keep(world, context, dst, FIRST, x.open);
        self.keep(world, context, dst, PART, x.part);
    }

    /// Writes a share, or a mask at the dealer.
    pub(super) fn keep_first(&mut self, world: &World<R>, context: &Context<'_, R>, dst: Reg, x: Vec<R>) {
        self.keep(world, context, dst, FIRST, x);
    }

    /// Writes shares of bits.
    pub(super) fn keep_bits(&mut self, threads: &Threads, context: &Context<'_, R>, dst: Reg, bits: &[u64]) {
        store::save::<R, u64>(threads, &mut self.components[FIRST].bits, slot(context, dst), bits);
    }

    /// Writes shares of planes along the first axis.
    pub(super) fn keep_planes(
        &mut self,
        threads: &Threads,
        context: &Context<'_, R>,
        dst: Reg,
        planes: &[Vec<u64>],
    ) {
        let Slot { buffer, layout } = slot(context, dst);
        for (i, plane) in planes.iter().enumerate() {
            let layout: Layout = store::row(layout, i);
            debug_assert_eq!(plane.len(), words(layout.len()));
            let dst = Slot { buffer, layout: &layout };
            store::save::<R, u64>(threads, &mut self.components[FIRST].bits, dst, plane);
        }
    }

    /// A piece of a register.
    pub(super) fn save_piece(&mut self, threads: &Threads, dst: Slot, component: usize, values: &[R]) {
        store::save(threads, &mut self.components[component].ring, dst, values);
    }
}

/// How many components one of the three has of a value.
fn count(kind: Kind, deals: bool) -> usize {
    match (kind, deals) {
        (Kind::Shared | Kind::Half, false) => 2,
        (Kind::Shared | Kind::Half, true) | (Kind::Additive | Kind::Bit, false) => 1,
        (Kind::Additive | Kind::Bit, true) | (Kind::Plain | Kind::Real | Kind::Int, _) => 0,
    }
}
