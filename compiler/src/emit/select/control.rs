//! Loops, branches and effects.
//!
//! A carried value lives in a *home*: its initial value is copied there before the loop, the next value at the end of each iteration.
//! Memory planning removes the copies where the values can live at home in the first place.

use tern_bytecode::instr::Instr;
use tern_bytecode::{Kind, View};

use super::{ANY, Selected, Selector, unexpected};
use crate::emit::code::{BlockId, Branch, Item, Loop, Range};
use crate::emit::pool;
use crate::emit::view;
use crate::ir::{self, Inst, Op, ValueId};

impl Selector<'_> {
    pub(super) fn control(&mut self, inst: &Inst) -> Selected<()> {
        match &inst.op {
            Op::For { trips: 0, .. } => inst.results.iter().zip(&inst.args).try_for_each(|(result, arg)| {
                let place = self.place(*arg)?;
                self.set(*result, place);
                Ok(())
            }),
            Op::For { trips, breaks } => self.repeat(inst, *trips, *breaks),
            Op::If => self.branch(inst),
            _ => Err(unexpected(inst)),
        }
    }

    fn repeat(&mut self, inst: &Inst, trips: u32, breaks: bool) -> Selected<()> {
        let line = self.line;
        let region = &inst.regions[0];
        let owner = self.open[self.open.len() - 1].id;
        let mut homes = Vec::with_capacity(inst.args.len());
        for arg in &inst.args {
            let place = self.place(*arg)?;
            let home = self.home(owner, *arg, &place)?;
            self.copy(&home, &place)?;
            homes.push(home);
        }
        let body = self.code.block();
        self.open.push(body);
        let counter = self.dense(Kind::Int, &[])?;
        self.set(region.params[0], counter.clone());
        for (param, home) in region.params[1..].iter().zip(&homes) {
            self.set(*param, home.clone());
        }
        self.block(region)?;
        self.line = line;
        let until = self.next(region, &homes, breaks)?;
        let body = self.close();
        let (counter, until) = (self.reg(&counter), until.map(|v| self.reg(&v)));
        let stores = homes.iter().map(|home| home.buffer).collect();
        self.item(Item::Loop(Loop { counter, trips, body, until, homes: stores, line }));
        for (result, home) in inst.results.iter().zip(homes) {
            self.set(*result, home);
        }
        Ok(())
    }

    /// Copies the next values home at the end of an iteration; returns the break flag.
    fn next(&mut self, region: &ir::Block, homes: &[View], breaks: bool) -> Selected<Option<View>> {
        let mut next = Vec::with_capacity(region.yields.len());
        for (i, value) in region.yields.iter().enumerate() {
            let place = self.place(*value)?;
            let stays = homes.get(i) == Some(&place);
            let overwritten = homes.iter().any(|home| home.buffer == place.buffer);
            next.push(if overwritten && !stays { self.aside(&place)? } else { place });
        }
        for (home, place) in homes.iter().zip(&next).filter(|(home, place)| home != place) {
            self.copy(home, place)?;
        }
        Ok(if breaks { next.pop() } else { None })
    }

    /// A copy of a value whose store is about to be overwritten.
    fn aside(&mut self, place: &View) -> Selected<View> {
        let copy = self.fresh(self.kind(place), &view::shape(place), Some(place))?;
        self.copy(&copy, place)?;
        Ok(copy)
    }

    fn branch(&mut self, inst: &Inst) -> Selected<()> {
        let line = self.line;
        let cond = self.place(inst.args[0])?;
        let owner = self.open[self.open.len() - 1].id;
        let mut homes: Vec<View> = Vec::with_capacity(inst.results.len());
        let mut arms = Vec::with_capacity(2);
        for region in &inst.regions {
            let arm = self.code.block();
            self.open.push(arm);
            self.block(region)?;
            self.line = line;
            for (i, value) in region.yields.iter().enumerate() {
                let place = self.place(*value)?;
                if homes.len() == i {
                    let home = self.home(owner, *value, &place)?;
                    homes.push(home);
                }
                self.copy(&homes[i].clone(), &place)?;
            }
            arms.push(self.close());
        }
        let cond = self.reg(&cond);
        let [then, otherwise] = <[_; 2]>::try_from(arms).map_err(|_| unexpected(inst))?;
        self.item(Item::Branch(Branch { cond, then, otherwise, line }));
        for (result, home) in inst.results.iter().zip(homes) {
            self.set(*result, home);
        }
        Ok(())
    }

    /// A store for a value that is written in several places.
    fn home(&mut self, owner: BlockId, value: ValueId, model: &View) -> Selected<View> {
        let ty = self.ty(value).clone();
        let home = self.fresh_in(owner, ty.kind, &ty.shape, Some(model))?;
        self.code.stores[home.buffer as usize].home = true;
        Ok(home)
    }

    pub(super) fn effect(&mut self, inst: &Inst) -> Selected<()> {
        let mut place = self.place(inst.args[0])?;
        let frac = self.ty(inst.args[0]).frac;
        let instr = match &inst.op {
            Op::Assume { low, high } => {
                let place = self.assume(&place, frac, pool::real(low), pool::real(high))?;
                self.set(inst.results[0], place);
                return Ok(());
            }
            Op::Metric(name) => Instr::Metric { name: *name, a: self.reg(&place) },
            Op::Output(output) => {
                place = self.whole(&place, inst)?;
                Instr::Output { a: self.reg(&place), output: *output, route: ANY }
            }
            Op::Debug(label) => {
                if self.kind(&place) == Kind::Additive && !self.opens() {
                    place = self.coerced(&place, Kind::Shared, inst)?;
                }
                Instr::Debug { label: *label, a: self.reg(&place), frac }
            }
            _ => return Err(unexpected(inst)),
        };
        self.push(instr);
        Ok(())
    }

    /// Declares a range of the operation that computes exactly these elements; if there is none, a copy has that part.
    fn assume(&mut self, place: &View, frac: u32, low: f64, high: f64) -> Selected<View> {
        if place.is_empty() {
            return Ok(place.clone());
        }
        let repeated: Vec<bool> = place.dims.iter().map(view::repeats).collect();
        let once = view::compact(place, &repeated);
        let all = once.len() == self.code.stores[place.buffer as usize].elements && view::distinct(&once);
        let (op, place) = match self.makers[place.buffer as usize].filter(|_| all) {
            Some(op) => (op, place.clone()),
            None => {
                let copy = self.fresh(self.kind(place), &view::shape(&once), Some(&once))?;
                let (dst, a) = (self.reg(&copy), self.reg(&once));
                (self.push(Instr::Copy { dst, a }), view::broadcast(&copy, &view::shape(place)))
            }
        };
        self.code.ranges.push(Range { op, frac, low, high, line: self.line, inner: self.inner });
        Ok(place)
    }
}
