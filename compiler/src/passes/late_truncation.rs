//! Sums of products are truncated once.
//!
//! Lowering truncates every product at once. This pass moves truncations below the operations that are linear, so that terms
//! are added before they are rounded: one truncation instead of one per term, fewer elements after a sum over axes, and less rounding.
//!
//! | from | to |
//! |---|---|
//! | `op(trunc(u, m))`, op a sum, negative, reshape, slice, … | `trunc(op(u), m)` |
//! | `trunc(u, m) ± trunc(v, n)`, m ≥ n | `trunc(u ± raise(v, m - n), m)` |
//! | `trunc(u, m) ± e` | `trunc(u ± raise(e, m), m)` |
//!
//! Only truncations that nothing else uses move, and never to where there are more elements, so the number of truncated elements cannot
//! grow. The value before the truncation must keep within the head-room: by the contract, which is meant for sums before their
//! truncation as well, or by its range. The third rule costs nothing and saves nothing by itself; it applies
//! where the sum goes on to another one, or where `e` is not later than `u`, so that no chain of rounds grows longer.
//!
//! The results differ from the original's by rounding only: one rounding error instead of one per term.

use super::cost;
use super::graph::{Graph, Rewriter, Rules, rewrite};
use super::ranges::{Basis, Ranges, contract, truncates};
use crate::ir::{Inst, Kind, Op, Program, ValueId};

/// Moves truncations.
pub fn run(program: &mut Program) {
    let ranges = Ranges::of(program, &Graph::of(program), Basis::Contract);
    let mut rules = LateTruncation { ranges, ready: Vec::new() };
    rewrite(program, &mut rules);
}

struct LateTruncation {
    ranges: Ranges,
    /// After how many rounds of its block a value is there, at the earliest.
    ready: Vec<u32>,
}

/// A truncation that nothing else uses.
#[derive(Clone, Copy)]
struct Sunk {
    from: ValueId,
    bits: u32,
}

impl Rules for LateTruncation {
    fn apply(&mut self, cx: &mut Rewriter, inst: &Inst) -> Option<Vec<ValueId>> {
        let result = match inst.op {
            Op::Add | Op::Sub => self.sum(cx, inst)?,
            Op::Neg
            | Op::Sum { .. }
            | Op::Overlay { .. }
            | Op::Reshape(_)
            | Op::Permute(_)
            | Op::Reverse { .. }
            | Op::Slice { .. }
            | Op::Gather
            | Op::Rescale { .. } => self.linear(cx, inst)?,
            _ => return None,
        };
        Some(vec![result])
    }

    fn added(&mut self, cx: &Rewriter, inst: &Inst) {
        if inst.results.iter().any(|r| !self.ranges.knows(*r)) {
            self.ranges.define(cx.program, &cx.graph, inst);
        }
        let start = inst.args.iter().map(|a| self.ready(cx, *a)).max().unwrap_or(0);
        let rounds = match inst.op {
            Op::For { .. } | Op::If => 0, // never later than something beside it: both rest on a boundary
            _ => cost::of(cx.program, inst).rounds,
        };
        for result in &inst.results {
            let at = result.0 as usize;
            if self.ready.len() <= at {
                self.ready.resize(at + 1, 0);
            }
            self.ready[at] = start + rounds;
        }
    }
}

impl LateTruncation {
    /// When a value is there; what comes from around the block is there from the beginning.
    fn ready(&self, cx: &Rewriter, value: ValueId) -> u32 {
        let own = cx.graph.def(value).is_some_and(|def| def.block == cx.block);
        if own { self.ready.get(value.0 as usize).copied().unwrap_or(0) } else { 0 }
    }

    /// The truncation behind a secret value, if it may move.
    fn sunk(&self, cx: &Rewriter, value: ValueId) -> Option<Sunk> {
        let def = cx.own(value)?;
        match def.op {
            Op::Trunc { bits } if cx.ty(value).kind != Kind::Plain => Some(Sunk { from: def.args[0], bits }),
            _ => None,
        }
    }

    /// Operations with one operand that counts.
    fn linear(&mut self, cx: &mut Rewriter, inst: &Inst) -> Option<ValueId> {
        let Sunk { from, bits } = self.sunk(cx, inst.args[0])?;
        let (before, after) = (cx.ty(from).clone(), cx.ty(inst.results[0]).clone());
        if after.len() > before.len() {
            return None;
        }
        let op = match inst.op {
            Op::Rescale { frac } => Op::Rescale { frac: frac + bits },
            ref other => other.clone(),
        };
        if !matches!(inst.op, Op::Rescale { .. }) && !self.fits(cx, after.frac + bits, bits) {
            return None;
        }
        let args = [&[from], &inst.args[1..]].concat();
        let moved = cx.emit(self, op, &args);
        Some(cx.emit(self, Op::Trunc { bits }, &[moved]))
    }

    /// Whether a number of this program, at this scale, can be truncated.
    fn fits(&self, cx: &Rewriter, frac: u32, bits: u32) -> bool {
        let settings = &cx.program.settings;
        truncates(settings, &contract(settings, frac), bits)
    }

    fn sum(&mut self, cx: &mut Rewriter, inst: &Inst) -> Option<ValueId> {
        let [a, b] = [inst.args[0], inst.args[1]];
        let bits = match (self.sunk(cx, a), self.sunk(cx, b)) {
            (Some(x), Some(y)) => x.bits.max(y.bits),
            (Some(x), None) if self.worthwhile(cx, inst.results[0], x, b) => x.bits,
            (None, Some(y)) if self.worthwhile(cx, inst.results[0], y, a) => y.bits,
            _ => return None,
        };
        if !self.raises(cx, a, bits) || !self.raises(cx, b, bits) || !self.sum_fits(cx, inst, bits) {
            return None;
        }
        let (a, b) = (self.raised(cx, a, bits), self.raised(cx, b, bits));
        let sum = cx.emit(self, inst.op.clone(), &[a, b]);
        Some(cx.emit(self, Op::Trunc { bits }, &[sum]))
    }

    /// Whether a sum can be truncated instead of its terms: by the contract, or by their ranges.
    fn sum_fits(&self, cx: &Rewriter, inst: &Inst, bits: u32) -> bool {
        let result = inst.results[0];
        if !self.ranges.is_difference(result) && self.fits(cx, cx.ty(result).frac + bits, bits) {
            return true;
        }
        let [a, b] = [inst.args[0], inst.args[1]].map(|term| self.ranges.whole(cx.program, term).raise(bits));
        let sum = if inst.op == Op::Sub { a.sub(&b) } else { a.add(&b) };
        truncates(&cx.program.settings, &sum, bits)
    }

    /// Whether adding `other` before the truncation may help, and cannot hurt.
    fn worthwhile(&self, cx: &Rewriter, result: ValueId, sunk: Sunk, other: ValueId) -> bool {
        let goes_on = cx.graph.sole_user(result).is_some_and(|user| {
            user.block == cx.block && matches!(user.op, Op::Add | Op::Sub | Op::Neg | Op::Sum { .. })
        });
        goes_on || self.ready(cx, other) <= self.ready(cx, sunk.from)
    }

    /// Whether a term has room for more fraction bits.
    fn raises(&self, cx: &Rewriter, term: ValueId, bits: u32) -> bool {
        let raised = self.ranges.whole(cx.program, term).raise(bits);
        truncates(&cx.program.settings, &raised, bits)
    }

    /// A term with `bits` more fraction bits: from before its truncation, if that can be dropped.
    fn raised(&mut self, cx: &mut Rewriter, term: ValueId, bits: u32) -> ValueId {
        let (from, more) = match self.sunk(cx, term) {
            Some(sunk) => (sunk.from, bits - sunk.bits),
            None => (term, bits),
        };
        if more == 0 { from } else { cx.emit(self, Op::Raise { bits: more }, &[from]) }
    }
}
