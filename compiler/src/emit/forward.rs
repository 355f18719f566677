//! Values that are computed where they are needed.
//!
//! Concatenation and padding copy tensors into parts of a larger one. Where nothing speaks against it, the copied store becomes that part,
//! so its producer writes there at once: all its registers are expressed as views on the larger store, and the copy goes.

use std::collections::{HashMap, HashSet};

use tern_bytecode::instr::{Reg, Role};
use tern_bytecode::program::Dim;
use tern_bytecode::{Instr, Kind, View};

use super::code::{Block, BlockId, Code, Item, OpId};
use super::view::{distinct, extent};

/// Uses of a store beyond which it is neither forwarded nor forwarded to. Each part of a store is compared with all the others, so that
/// very many parts would take their square; copying them is local work.
const MANY_USES: usize = 500;

/// Forwards copies in all blocks.
pub fn forward(code: &mut Code) {
    let kept = code.ranges.iter().map(|range| range.op).collect();
    let mut body = std::mem::replace(&mut code.body, Block { id: BlockId(0), items: Vec::new() });
    block(code, &mut body, &kept);
    code.body = body;
}

fn block(code: &mut Code, b: &mut Block, kept: &HashSet<OpId>) {
    for item in &mut b.items {
        match item {
            Item::Op(_) => {}
            Item::Loop(l) => block(code, &mut l.body, kept),
            Item::Branch(branch) => {
                block(code, &mut branch.then, kept);
                block(code, &mut branch.otherwise, kept);
            }
        }
    }
    let mut forwarder = Forwarder::new(code, b);
    let copies: Vec<(usize, Reg, Reg)> = b
        .items
        .iter()
        .enumerate()
        .filter_map(|(at, item)| copy(item, kept).map(|(dst, a)| (at, dst, a)))
        .collect();
    for (at, dst, a) in copies {
        if let Some(plan) = forwarder.plan(at, dst, a) {
            forwarder.carry_out(at, dst, a, plan);
        }
    }
    let Forwarder { gone, order, .. } = forwarder;
    let mut items: Vec<((usize, bool), Item)> = std::mem::take(&mut b.items)
        .into_iter()
        .enumerate()
        .filter(|(at, _)| !gone.contains(at))
        .map(|(at, item)| (order.get(&at).map_or((at, true), |before| (*before, false)), item))
        .collect();
    items.sort_by_key(|(key, _)| *key);
    b.items = items.into_iter().map(|(_, item)| item).collect();
}

fn copy(item: &Item, kept: &HashSet<OpId>) -> Option<(Reg, Reg)> {
    match item {
        Item::Op(op) => match op.instr {
            Instr::Copy { dst, a } if !kept.contains(&op.id) => Some((dst, a)),
            _ => None,
        },
        Item::Loop(_) | Item::Branch(_) => None,
    }
}

/// A register's use by an instruction at (or within) an item of the block.
#[derive(Clone, Copy)]
struct Use {
    at: usize,
    reg: Reg,
    role: Role,
    instr: Instr,
}

struct Forwarder<'a> {
    code: &'a mut Code,
    block: BlockId,
    /// By store, in order.
    uses: HashMap<u32, Vec<Use>>,
    /// Copies that are not needed any more.
    gone: HashSet<usize>,
    /// Fills that have to run before another item.
    order: HashMap<usize, usize>,
}

/// How a copy is forwarded.
struct Plan {
    /// The new views of the copied store's registers.
    views: Vec<(Reg, View)>,
    /// A fill of the target that has to precede the copied store's producer.
    fill: Option<usize>,
    /// The producer.
    first: usize,
}

impl<'a> Forwarder<'a> {
    fn new(code: &'a mut Code, b: &Block) -> Forwarder<'a> {
        let mut uses = HashMap::new();
        for (at, item) in b.items.iter().enumerate() {
            visit(code, item, at, &mut uses);
        }
        Forwarder { block: b.id, code, uses, gone: HashSet::new(), order: HashMap::new() }
    }

    fn plan(&self, at: usize, dst: Reg, a: Reg) -> Option<Plan> {
        let (to, from) = (self.code.view(dst), self.code.view(a));
        let store = |view: &View| &self.code.stores[view.buffer as usize];
        let mine = |view: &View| store(view).owner == self.block && !store(view).home;
        if to.buffer == from.buffer || !mine(to) || !mine(from) {
            return None;
        }
        if from.len() != store(from).elements || !distinct(from) {
            return None;
        }
        if [to, from].iter().any(|view| self.uses[&view.buffer].len() > MANY_USES) {
            return None;
        }
        let map = Map::new(from, to)?;
        let uses = &self.uses[&from.buffer];
        // constants are loaded before everything else, counters by their loops
        let produced = |u: &&Use| u.role == Role::Write && !matches!(u.instr, Instr::Constant { .. });
        let first = uses.first().filter(produced)?.at;
        let mut views = Vec::with_capacity(uses.len());
        for u in uses.iter().filter(|u| u.at != at) {
            let view = map.express(self.code.view(u.reg))?;
            self.allowed(u, &view, to.buffer).then(|| views.push((u.reg, view)))?;
        }
        let fill = self.room(at, to, uses)?;
        Some(Plan { views, fill, first })
    }

    /// Whether an instruction may have this register on the target store.
    fn allowed(&self, u: &Use, view: &View, target: u32) -> bool {
        let words = |d: &Dim| d.stride % 64 == 0;
        if matches!(u.instr, Instr::Bits { .. })
            && self.code.kind(target) == Kind::Bit
            && u.role != Role::Read
        {
            return view.offset.is_multiple_of(64) && view.dims.first().is_none_or(words);
        }
        u.instr.registers().filter(|(reg, _)| self.code.store_of(*reg) == target).all(|(other, role)| {
            role == Role::Read && u.role == Role::Read || apart(self.code.view(other), view)
        })
    }

    /// Whether the target's part is free until the copy, and as long afterwards as the copied store is in use. The value is a fill of the
    /// target, which may move.
    fn room(&self, at: usize, to: &View, copied: &[Use]) -> Option<Option<usize>> {
        let mut fill = None;
        for u in &self.uses[&to.buffer] {
            if u.at == at || self.gone.contains(&u.at) || apart(self.code.view(u.reg), to) {
                continue;
            }
            let read = u.role == Role::Read;
            match u.instr {
                _ if u.at > at && read => {}
                Instr::Scatter { .. } if u.at > at && copied.last().is_some_and(|last| last.at <= at) => {}
                Instr::Promote { .. } | Instr::PromoteBits { .. } | Instr::Copy { .. }
                    if u.at < at && !read && fill.is_none() && self.is_fill(u) =>
                {
                    fill = Some(u.at);
                }
                _ => return None,
            }
        }
        Some(fill)
    }

    /// Whether the instruction fills its store with a constant.
    fn is_fill(&self, u: &Use) -> bool {
        let written = self.code.view(u.reg);
        let all = written.len() == self.code.stores[written.buffer as usize].elements;
        let loaded = |u: &Use| u.role == Role::Read || matches!(u.instr, Instr::Constant { .. });
        let constant = |reg: Reg| self.uses[&self.code.store_of(reg)].iter().all(loaded);
        all && u.instr.registers().all(|(reg, role)| role != Role::Read || constant(reg))
    }

    fn carry_out(&mut self, at: usize, dst: Reg, a: Reg, plan: Plan) {
        let (to, from) = (self.code.store_of(dst), self.code.store_of(a));
        for (reg, view) in plan.views {
            self.code.program.views[reg.0 as usize] = view;
        }
        if let Some(fill) = plan.fill.filter(|fill| *fill > plan.first) {
            self.order.insert(fill, plan.first);
        }
        self.gone.insert(at);
        let moved = self.uses.remove(&from).unwrap_or_default();
        let uses = self.uses.entry(to).or_default();
        uses.extend(moved);
        uses.retain(|u| u.at != at);
        uses.sort_by_key(|u| u.at);
    }
}

fn visit(code: &Code, item: &Item, at: usize, uses: &mut HashMap<u32, Vec<Use>>) {
    let mut add = |reg: Reg, role: Role, instr: Instr| {
        uses.entry(code.store_of(reg)).or_default().push(Use { at, reg, role, instr });
    };
    match item {
        Item::Op(op) => op.instr.registers().for_each(|(reg, role)| add(reg, role, op.instr)),
        Item::Loop(l) => {
            add(l.counter, Role::Write, Instr::Loop { counter: l.counter, trips: l.trips });
            l.until.iter().for_each(|cond| add(*cond, Role::Read, Instr::BreakIf { cond: *cond }));
            l.body.items.iter().for_each(|item| visit(code, item, at, uses));
        }
        Item::Branch(b) => {
            add(b.cond, Role::Read, Instr::If { cond: b.cond });
            b.then.items.iter().chain(&b.otherwise.items).for_each(|item| visit(code, item, at, uses));
        }
    }
}

/// Whether two views of one store lie in separate ranges.
fn apart(a: &View, b: &View) -> bool {
    match (extent(a), extent(b)) {
        (Some((a_low, a_high)), Some((b_low, b_high))) => a_high < b_low || b_high < a_low,
        (None, _) | (_, None) => true,
    }
}

/// From positions in one store to positions in another.
struct Map {
    buffer: u32,
    from: i64,
    to: i64,
    /// Size, stride here, stride there; falling strides, neighbours that are one axis in both stores merged.
    axes: Vec<(i64, i64, i64)>,
}

impl Map {
    /// The map that takes the elements of `a` to those of `dst`, if both lie in memory in the same order.
    fn new(a: &View, dst: &View) -> Option<Map> {
        let mut map =
            Map { buffer: dst.buffer, from: a.offset as i64, to: dst.offset as i64, axes: Vec::new() };
        for (x, y) in a.dims.iter().zip(&dst.dims).filter(|(x, _)| x.size > 1) {
            let (n, mut s, mut t) = (i64::from(x.size), x.stride, y.stride);
            if s < 0 {
                map.from += s * (n - 1);
                map.to += t * (n - 1);
                (s, t) = (-s, -t);
            }
            map.axes.push((n, s, t));
        }
        map.axes.sort_by_key(|(_, s, _)| -s);
        map.axes.dedup_by(|inner, outer| {
            let joint = outer.1 == inner.1 * inner.0 && outer.2 == inner.2 * inner.0;
            if joint {
                *outer = (outer.0 * inner.0, inner.1, inner.2);
            }
            joint
        });
        let ordered = map.axes.iter().all(|a| a.2 > 0) && map.axes.windows(2).all(|w| w[0].2 > w[1].2);
        ordered.then_some(map)
    }

    /// The view in the other store, if strides can express it there.
    fn express(&self, view: &View) -> Option<View> {
        if view.is_empty() {
            return Some(View { buffer: self.buffer, offset: 0, dims: view.dims.clone() });
        }
        let start = self.digits(view.offset as i64 - self.from)?;
        let (mut low, mut high) = (start.clone(), start.clone());
        let mut dims = Vec::with_capacity(view.dims.len());
        for d in &view.dims {
            if d.size <= 1 || d.stride == 0 {
                dims.push(*d);
                continue;
            }
            let steps = self.digits(d.stride.abs())?;
            let mut moving = (0..steps.len()).filter(|k| steps[*k] != 0);
            let (axis, None) = (moving.next()?, moving.next()) else { return None };
            let step = steps[axis] * d.stride.signum();
            let reach = step * (i64::from(d.size) - 1);
            low[axis] += reach.min(0);
            high[axis] += reach.max(0);
            dims.push(Dim { size: d.size, stride: step * self.axes[axis].2 });
        }
        let inside = (0..start.len()).all(|k| low[k] >= 0 && high[k] < self.axes[k].0);
        let offset = start.iter().zip(&self.axes).map(|(i, axis)| i * axis.2).sum::<i64>() + self.to;
        inside.then_some(View { buffer: self.buffer, offset: offset as u64, dims })
    }

    /// Indices along the axes of a distance in the first store.
    fn digits(&self, mut distance: i64) -> Option<Vec<i64>> {
        let mut digits = Vec::with_capacity(self.axes.len());
        for (n, s, _) in &self.axes {
            let digit = distance / s;
            if digit < 0 || digit >= *n {
                return None;
            }
            digits.push(digit);
            distance -= digit * s;
        }
        (distance == 0).then_some(digits)
    }
}
