//! A truncation that meets another becomes one.
//!
//! | from | to |
//! |---|---|
//! | `trunc(trunc(u, m), n)` | `trunc(u, m + n)` |
//! | `trunc(rescale(trunc(u, m)), n)`, a product with a power of two | `trunc(rescale(u), m + n)` |
//! | `trunc(trunc(u, m) · c, n)` with a public c, also in a contraction | `trunc(u · c, m + n)` |
//! | `(u · c) · d` with constants c and d | `u · (c · d)` |
//!
//! So a gradient that is multiplied by the learning rate over the batch size is truncated once. The inner truncation must have no
//! other use, the ranges of u and c must prove that the longer product keeps the head-room, and one long truncation must be
//! cheaper than the two. The result differs by the inner truncation's rounding error, which is gone.

use super::cost;
use super::graph::{Def, Graph, Rewriter, Rules, rewrite};
use super::pattern;
use super::ranges::{Basis, Ranges, contract, truncates};
use crate::ir::{Const, Inst, Kind, Op, Program, Type, ValueId};

/// Fuses truncations.
pub fn run(program: &mut Program) {
    // Factors meet only when the truncation between them is gone: in the second walk.
    for _ in 0..2 {
        let ranges = Ranges::of(program, &Graph::of(program), Basis::Contract);
        rewrite(program, &mut FuseTruncations { ranges });
    }
}

struct FuseTruncations {
    ranges: Ranges,
}

/// The operation between the two truncations without the first.
struct Longer {
    op: Op,
    args: Vec<ValueId>,
    inner: u32,
}

impl Rules for FuseTruncations {
    fn apply(&mut self, cx: &mut Rewriter, inst: &Inst) -> Option<Vec<ValueId>> {
        match inst.op {
            Op::Trunc { bits } => self.truncation(cx, inst, bits),
            Op::Mul => self.factors(cx, inst),
            _ => None,
        }
        .map(|result| vec![result])
    }

    fn added(&mut self, cx: &Rewriter, inst: &Inst) {
        if inst.results.iter().any(|r| !self.ranges.knows(*r)) {
            self.ranges.define(cx.program, &cx.graph, inst);
        }
    }
}

impl FuseTruncations {
    fn truncation(&mut self, cx: &mut Rewriter, inst: &Inst, outer: u32) -> Option<ValueId> {
        let def = cx.own(inst.args[0])?.clone();
        if let Op::Trunc { bits: inner } = def.op {
            let from = def.args[0];
            let fits = truncates(&cx.program.settings, &self.ranges.whole(cx.program, from), inner + outer);
            let pays = fits && self.pays(cx, (from, inner), (inst.args[0], outer));
            return pays.then(|| cx.emit(self, Op::Trunc { bits: inner + outer }, &[from]));
        }
        let Longer { op, args, inner } = self
            .rescaled(cx, &def, outer)
            .or_else(|| self.longer(cx, &def, 0, outer))
            .or_else(|| self.longer(cx, &def, 1, outer))?;
        let product = cx.emit(self, op, &args);
        Some(cx.emit(self, Op::Trunc { bits: inner + outer }, &[product]))
    }

    /// A product with a power of two, from before the truncation of its operand.
    fn rescaled(&self, cx: &Rewriter, def: &Def, outer: u32) -> Option<Longer> {
        let Op::Rescale { frac } = def.op else { return None };
        let truncation = cx.own(def.args[0])?;
        let Op::Trunc { bits: inner } = truncation.op else { return None };
        let from = truncation.args[0];
        let whole = self.ranges.whole(cx.program, from);
        let fits = truncates(&cx.program.settings, &whole, inner + outer);
        let pays = fits && self.pays(cx, (from, inner), (def.results[0], outer));
        pays.then(|| Longer { op: Op::Rescale { frac: frac + inner }, args: vec![from], inner })
    }

    /// A product with a public factor, from before the truncation of its operand `secret`.
    fn longer(&self, cx: &Rewriter, def: &Def, secret: usize, outer: u32) -> Option<Longer> {
        let terms = match def.op {
            Op::Mul => 1,
            Op::Contract(axes) => {
                let kept = usize::from(axes.batch + axes.rows);
                cx.ty(def.args[0]).shape[kept..].iter().product()
            }
            _ => return None,
        };
        let (x, y) = (def.args[secret], def.args[1 - secret]);
        let truncation = cx.own(x).filter(|_| cx.ty(y).kind == Kind::Plain && cx.ty(x).is_secret())?;
        let Op::Trunc { bits: inner } = truncation.op else { return None };
        let from = truncation.args[0];
        let range = |value| self.ranges.whole(cx.program, value);
        let product = range(from).mul(&range(y)).sum(terms as u64, true);
        let promised = contract(&cx.program.settings, cx.ty(from).frac + cx.ty(y).frac);
        let bound = product.intersection(&promised).unwrap_or(product);
        let result = def.results[0];
        let fits = truncates(&cx.program.settings, &bound, inner + outer);
        (fits && self.pays(cx, (from, inner), (result, outer))).then(|| {
            let mut args = def.args.clone();
            args[secret] = from;
            Longer { op: def.op.clone(), args, inner }
        })
    }

    /// Whether one truncation of the second value, by the bits of both, is cheaper than two.
    fn pays(&self, cx: &Rewriter, (from, inner): (ValueId, u32), (value, outer): (ValueId, u32)) -> bool {
        let price = |value: ValueId, bits, additive| {
            cost::truncation(&cx.program.settings, cx.ty(value).len(), bits, additive).bytes
        };
        let additive = pattern::sums_products(&cx.graph, cx.program, from);
        price(value, inner + outer, additive) < price(from, inner, additive) + price(value, outer, false)
    }

    /// Two constant factors become one.
    fn factors(&mut self, cx: &mut Rewriter, inst: &Inst) -> Option<ValueId> {
        for secret in 0..2 {
            let Some(def) = cx.own(inst.args[secret]).filter(|d| d.op == Op::Mul).cloned() else { continue };
            let Some(d) = pattern::constant(&cx.graph, inst.args[1 - secret]) else { continue };
            for (u, c) in [(def.args[0], def.args[1]), (def.args[1], def.args[0])] {
                let Some(c) = pattern::constant(&cx.graph, c) else { continue };
                let ty = Type::plain(c.ty.frac + d.ty.frac, cx.ty(u).shape.clone());
                let both = match (c.as_splat(), d.as_splat()) {
                    (Some(c), Some(d)) => Const::splat(ty, c * d),
                    _ => {
                        let numbers = (0..ty.len()).map(|i| c.at(i) * d.at(i)).collect();
                        Const::dense(ty, numbers)
                    }
                };
                let factor = cx.emit(self, Op::Const(both), &[]);
                return Some(cx.emit(self, Op::Mul, &[u, factor]));
            }
        }
        None
    }
}
