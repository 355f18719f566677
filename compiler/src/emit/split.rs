//! Large interactive operations in parts.
//!
//! An operation loads the links unevenly: one party may receive all of a round, and one computes while the
//! others wait. In parts, which [`crate::schedule::route`] sends over different links, the load is level, and a part travels while the next
//! one is computed. Costs stay the same to the byte: parts of planes of bits consist of whole words.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use num_integer::Integer;
use tern_bytecode::instr::{Instr, Reg, Role};
use tern_bytecode::{View, cost};

use super::code::{self, Block, BlockId, Code, Item, Op, OpId};
use super::view;

/// Bytes that a part sends at least, over all links and rounds.
const LEAST: u64 = 64 << 10;
/// Elements in a word of a plane.
const WORD: usize = 64;

/// How a tensor is cut: positions of an axis.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cut {
    axis: usize,
    parts: Vec<Range<usize>>,
}

/// Cuts operations that are worth it.
pub fn split(code: &mut Code) {
    let mut cuts = Cuts { code, by_op: HashMap::new(), halves: HashMap::new(), whole: HashSet::new() };
    cuts.block(&code.body);
    let cuts = cuts.finish();
    let mut body = std::mem::replace(&mut code.body, Block { id: BlockId(0), items: Vec::new() });
    rewrite(code, &mut body, &cuts);
    code.body = body;
}

/// What becomes of the operations.
struct Cuts<'a> {
    code: &'a Code,
    by_op: HashMap<OpId, Cut>,
    /// By store of a selection's half: how it is cut, the operations that use it, and the view that all of them must have.
    halves: HashMap<u32, (View, Option<Cut>, Vec<OpId>)>,
    /// Stores of halves that their users would not cut alike.
    whole: HashSet<u32>,
}

impl Cuts<'_> {
    fn block(&mut self, block: &Block) {
        for item in &block.items {
            match item {
                Item::Op(op) => self.op(op),
                Item::Loop(l) => self.block(&l.body),
                Item::Branch(b) => {
                    self.block(&b.then);
                    self.block(&b.otherwise);
                }
            }
        }
    }

    fn op(&mut self, op: &Op) {
        let cut = cut(self.code, &op.instr);
        if let Some(half) = half(&op.instr) {
            let store = self.code.store_of(half);
            let known = self.halves.entry(store);
            let (view, first, users) =
                known.or_insert_with(|| (self.code.view(half).clone(), cut.clone(), Vec::new()));
            if *first != cut || view != self.code.view(half) {
                self.whole.insert(store);
            }
            users.push(op.id);
        }
        if let Some(cut) = cut {
            self.by_op.insert(op.id, cut);
        }
    }

    fn finish(mut self) -> HashMap<OpId, Cut> {
        for store in self.whole {
            for user in &self.halves[&store].2 {
                self.by_op.remove(user);
            }
        }
        self.by_op
    }
}

fn half(instr: &Instr) -> Option<Reg> {
    match *instr {
        Instr::Select { keep, .. } => keep,
        Instr::SelectAgain { half, .. } => Some(half),
        _ => None,
    }
}

/// Where to cut an operation that goes element by element, if it is large.
fn cut(code: &Code, instr: &Instr) -> Option<Cut> {
    if !instr.can_be_cut() {
        return None;
    }
    let (dst, _) = instr.registers().find(|(_, role)| *role != Role::Read)?;
    let bytes = cost::bytes(&cost::traffic(&code.program, instr));
    let written: Vec<&View> =
        instr.registers().filter(|(_, role)| *role != Role::Read).map(|(reg, _)| code.view(reg)).collect();
    let shape = view::shape(code.view(dst));
    let axis = (0..shape.len()).find(|&i| shape[i] > 1 && written.iter().all(|view| outermost(view, i)))?;
    let inner = shape.iter().product::<usize>() / shape[axis];
    let grain = WORD / WORD.gcd(&inner);
    let grains = shape[axis] / grain;
    let choices = code.program.header.protocol.model().parts;
    let parts = choices.iter().copied().find(|&n| n <= grains && bytes / n as u64 >= LEAST)?;
    let at = |i: usize| if i == parts { shape[axis] } else { i * grains / parts * grain };
    Some(Cut { axis, parts: (0..parts).map(|i| at(i)..at(i + 1)).collect() })
}

/// Whether parts along this axis lie apart in memory.
fn outermost(view: &View, axis: usize) -> bool {
    let reach = |i: usize| view.dims[i].stride.unsigned_abs() * u64::from(view.dims[i].size - 1);
    (0..view.dims.len()).filter(|&i| i != axis).map(reach).sum::<u64>()
        < view.dims[axis].stride.unsigned_abs()
}

fn rewrite(code: &mut Code, block: &mut Block, cuts: &HashMap<OpId, Cut>) {
    let mut items = Vec::with_capacity(block.items.len());
    for mut item in std::mem::take(&mut block.items) {
        match &mut item {
            Item::Op(op) => {
                if let Some(cut) = cuts.get(&op.id) {
                    items.extend(parts(code, op, cut).into_iter().map(Item::Op));
                    continue;
                }
            }
            Item::Loop(l) => rewrite(code, &mut l.body, cuts),
            Item::Branch(b) => {
                rewrite(code, &mut b.then, cuts);
                rewrite(code, &mut b.otherwise, cuts);
            }
        }
        items.push(item);
    }
    block.items = items;
}

/// The parts of an operation. Each has the declared range of the whole.
fn parts(code: &mut Code, op: &Op, cut: &Cut) -> Vec<Op> {
    let ranges: Vec<_> = code.ranges.iter().filter(|range| range.op == op.id).copied().collect();
    code.ranges.retain(|range| range.op != op.id);
    let mut made = Vec::new();
    for positions in &cut.parts {
        let instr = op.instr.map_registers(|reg| part(code, &op.instr, reg, cut.axis, positions));
        let part = code.op(instr, op.line);
        code.ranges.extend(ranges.iter().map(|range| code::Range { op: part.id, ..*range }));
        made.push(part);
    }
    made
}

/// The part of an operand; the places of a word are a further axis in front.
fn part(code: &mut Code, instr: &Instr, reg: Reg, axis: usize, part: &Range<usize>) -> Reg {
    let places = matches!(*instr, Instr::Word { a, .. } | Instr::Compose { a, .. } if a == reg);
    let axis = axis + usize::from(places);
    let whole = code.view(reg);
    let (mut start, mut shape) = (vec![0; whole.dims.len()], view::shape(whole));
    (start[axis], shape[axis]) = (part.start, part.len());
    let step = vec![1; shape.len()];
    let view = view::slice(whole, &start, &step, &shape);
    code.register(view)
}
