//! The ranges of results, from those of operands: one rule per operation.

use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{FromPrimitive, One, Signed, ToPrimitive, Zero};
use tern_bytecode::instr::{Axes, IntBinary};

use super::graph::Graph;
use super::interval::{Interval, power};
use super::pattern;
use super::ranges::{Extent, Ranges, encoded, raw, truncates};
use super::reals;
use crate::ir::{Const, ConstData, Inst, Kind, Op, Place, Program, ValueId};

/// The largest constant matrix whose columns are summed one by one.
const DENSE: usize = 1 << 16;

/// What can be computed of result `index` of an instruction.
pub fn range(ranges: &Ranges, program: &Program, graph: &Graph, inst: &Inst, index: usize) -> Extent {
    let rule = Rule { ranges, program, graph, inst, index };
    match &inst.op {
        Op::Const(_) | Op::Input(_) | Op::Iota { .. } | Op::Shuffle { .. } | Op::PublicUniform(_) => {
            rule.leaf()
        }
        Op::RealUnary(op) => Extent::Real(reals::unary(*op, rule.real(0))),
        Op::RealBinary(op) => Extent::Real(reals::binary(*op, rule.real(0), rule.real(1))),
        Op::IntToReal | Op::Decode => Extent::Real(rule.number()),
        Op::Choose => rule.union(&inst.args[1..]),
        Op::IntBinary(op) => Extent::Whole(int_binary(*op, &rule.whole(0), &rule.whole(1))),
        Op::RealToInt => Extent::Whole(rule.floor()),
        Op::Encode { frac } => match program.ty(inst.args[0]).kind {
            Kind::Int => Extent::Whole(rule.whole(0).raise(*frac)),
            _ => encoded(rule.real(0), *frac).map_or_else(|| rule.top(), Extent::Whole),
        },
        Op::Add | Op::Sub => Extent::Whole(rule.sum()),
        Op::Neg => Extent::Whole(rule.whole(0).neg()),
        Op::Mul if inst.args[0] == inst.args[1] => Extent::Whole(rule.whole(0).square()),
        Op::Mul => Extent::Whole(rule.whole(0).mul(&rule.whole(1))),
        Op::Contract(axes) => Extent::Whole(rule.contract(*axes)),
        Op::Sum { axes } => rule.sum_axes(*axes),
        Op::Trunc { bits } if truncates(&program.settings, &rule.whole(0), *bits) => {
            Extent::Whole(rule.whole(0).truncate(*bits))
        }
        Op::Trunc { .. } => rule.top(), // beyond the head-room the result is wrong
        Op::Raise { bits } => Extent::Whole(rule.whole(0).raise(*bits)),
        Op::Sign { .. }
        | Op::SignTested { .. }
        | Op::Bits { .. }
        | Op::Word { .. }
        | Op::And
        | Op::Xor
        | Op::Not
        | Op::AndPublic => Extent::Whole(rule.bits()),
        Op::Select { .. } | Op::SelectAgain { .. } => rule.select(),
        Op::Pad { .. } => rule.with_zero(rule.extent(0)),
        Op::Overlay { sizes, strides, .. } => rule.overlay(sizes, strides),
        Op::Concat { .. } => rule.union(&inst.args),
        Op::Scatter => rule.union(&inst.args[..2]),
        Op::Custom { .. } => ranges.extent(program, inst.args[index]),
        Op::If => match inst.regions.as_slice() {
            [then, otherwise] => rule.union(&[then.yields[index], otherwise.yields[index]]),
            _ => rule.top(),
        },
        Op::Compare(_) => Extent::Whole(Interval::new(0, 1)),
        op if op.keeps_elements() => rule.extent(0),
        // no numbers, or none that are known
        _ => rule.top(),
    }
}

struct Rule<'a> {
    ranges: &'a Ranges,
    program: &'a Program,
    graph: &'a Graph,
    inst: &'a Inst,
    index: usize,
}

impl Rule<'_> {
    fn extent(&self, arg: usize) -> Extent {
        self.ranges.extent(self.program, self.inst.args[arg])
    }

    fn whole(&self, arg: usize) -> Interval {
        self.ranges.whole(self.program, self.inst.args[arg])
    }

    fn real(&self, arg: usize) -> reals::Reals {
        self.ranges.real(self.program, self.inst.args[arg])
    }

    fn top(&self) -> Extent {
        self.ranges.top(&self.program.settings, self.program.ty(self.inst.results[self.index]))
    }

    fn union(&self, values: &[ValueId]) -> Extent {
        let extents = values.iter().map(|v| self.ranges.extent(self.program, *v));
        extents.reduce(union).unwrap_or_else(|| self.top())
    }

    fn with_zero(&self, extent: Extent) -> Extent {
        match extent {
            Extent::Whole(interval) => Extent::Whole(interval.union(&Interval::point(0))),
            Extent::Real(reals) => Extent::Real(reals::union(reals, (0.0, 0.0))),
        }
    }

    fn leaf(&self) -> Extent {
        match &self.inst.op {
            Op::Const(c) => constant(c),
            Op::Input(i) => self.input(*i),
            Op::Iota { start, step, len } => {
                let last = BigInt::from(*start) + BigInt::from(*step) * len.saturating_sub(1);
                Extent::Whole(Interval::new(*start, last))
            }
            Op::Shuffle { n, .. } => Extent::Whole(Interval::new(0, n.saturating_sub(1))),
            Op::PublicUniform(_) => Extent::Real((0.0, 1.0)),
            _ => self.top(),
        }
    }

    /// An owner checks the declared range before it shares; shares of an earlier run cannot be checked.
    fn input(&self, index: u32) -> Extent {
        let Some(input) = self.program.inputs.get(index as usize) else { return self.top() };
        let checked = matches!(input.from, Place::Party(_) | Place::Client(_));
        let declared = match input.prepare.range {
            Some(range) if checked => encoded(range, input.frac),
            _ if input.prepare.one_hot && checked => Some(Interval::new(0, power(input.frac))),
            _ => None,
        };
        declared.map_or(Extent::Whole(Interval::signed(self.program.settings.ring)), Extent::Whole)
    }

    /// Integers as numbers, ring elements as what they stand for; one step outwards for the rounding of large ones.
    fn number(&self) -> reals::Reals {
        let (low, high) = self.whole(0).numbers(self.program.ty(self.inst.args[0]).frac);
        let exact = low.abs().max(high.abs()) < 2f64.powi(52);
        if exact { (low, high) } else { (low.next_down(), high.next_up()) }
    }

    fn floor(&self) -> Interval {
        let (low, high) = self.real(0);
        let whole = |x: f64| BigInt::from_f64(x.floor()).unwrap_or_else(|| power(63) * x.signum() as i64);
        let found = Interval::new(whole(low), whole(high));
        // beyond the ends it saturates, and what is no number becomes 0
        let found = if low.is_finite() && high.is_finite() { found } else { Interval::signed(64) };
        found.intersection(&Interval::signed(64)).unwrap_or(Interval::signed(64))
    }

    /// Sums and differences; those that are choices are as wide as what can be chosen.
    fn sum(&self) -> Interval {
        let (a, b) = (self.whole(0), self.whole(1));
        let sum = if self.inst.op == Op::Add { a.add(&b) } else { a.sub(&b) };
        let chosen = self.chosen(self.inst.results[self.index]);
        chosen.and_then(|c| c.intersection(&sum)).unwrap_or(sum)
    }

    fn chosen(&self, value: ValueId) -> Option<Interval> {
        if let Some((a, b, larger)) = pattern::extreme(self.graph, value) {
            let (a, b) = (self.ranges.whole(self.program, a), self.ranges.whole(self.program, b));
            return Some(if larger {
                Interval { low: a.low.max(b.low), high: a.high.max(b.high) }
            } else {
                Interval { low: a.low.min(b.low), high: a.high.min(b.high) }
            });
        }
        let choice = pattern::choice(self.graph, value)?;
        let then = self.restricted(choice.then, choice.bit, true);
        let otherwise = match choice.otherwise {
            Some(otherwise) => self.restricted(otherwise, choice.bit, false),
            None => Some(Interval::point(0)),
        };
        match (then, otherwise) {
            (Some(a), Some(b)) => Some(a.union(&b)),
            (one, None) | (None, one) => one,
        }
    }

    /// The range of a value where a bit is set, or where it is not; nothing if that never happens.
    fn restricted(&self, value: ValueId, bit: ValueId, set: bool) -> Option<Interval> {
        let whole = self.ranges.whole(self.program, value);
        let Some(test) = pattern::sign_test(self.graph, bit) else { return Some(whole) };
        let Some(relation) = pattern::relation(self.graph, value, test.of) else { return Some(whole) };
        let below = set != test.negated;
        let half = match (below, relation > 0) {
            (true, true) => Interval { low: whole.low.clone().min((-1).into()), high: (-1).into() },
            (true, false) => Interval { low: 1.into(), high: whole.high.clone().max(1.into()) },
            (false, true) => Interval { low: 0.into(), high: whole.high.clone().max(0.into()) },
            (false, false) => Interval { low: whole.low.clone().min(0.into()), high: 0.into() },
        };
        whole.intersection(&half)
    }

    fn select(&self) -> Extent {
        if self.index > 0 {
            return self.top(); // the half
        }
        let [.., bit, value] = self.inst.args.as_slice() else { return self.top() };
        let zero = Interval::point(0);
        let Some(chosen) = self.restricted(*value, *bit, true) else { return Extent::Whole(zero) };
        match self.inst.op {
            Op::SelectAgain { bits: bits @ 1.., .. } if truncates(&self.program.settings, &chosen, bits) => {
                Extent::Whole(chosen.truncate(bits).union(&zero))
            }
            Op::SelectAgain { bits: 1.., .. } => self.top(),
            _ => Extent::Whole(chosen.union(&zero)),
        }
    }

    /// Sums of products. Against a constant, every column of it is summed by itself.
    fn contract(&self, axes: Axes) -> Interval {
        let shape = |arg: usize| self.program.ty(self.inst.args[arg]).shape.as_slice();
        let size = |sizes: &[usize]| sizes.iter().product::<usize>();
        let [n, r, i, _] = [axes.batch, axes.rows, axes.inner, axes.cols].map(usize::from);
        let inner = size(&shape(0)[n + r..]);
        let (a, b) = (self.whole(0), self.whole(1));
        let sums = match (self.dense(0), self.dense(1)) {
            (_, Some(weights)) => {
                let cols = size(&shape(1)[n + i..]);
                weighted(&weights, &a, |at| at / (inner * cols) * cols + at % cols)
            }
            (Some(weights), None) => weighted(&weights, &b, |at| at / inner),
            (None, None) => None,
        };
        sums.unwrap_or_else(|| a.mul(&b).sum(inner as u64, true))
    }

    /// The elements of an operand that is a constant tensor, as ring integers.
    fn dense(&self, arg: usize) -> Option<Vec<BigInt>> {
        match &self.graph.def(self.inst.args[arg])?.op {
            Op::Const(Const { ty, data: ConstData::Dense(numbers) }) if numbers.len() <= DENSE => {
                Some(numbers.iter().map(|n| raw(n, n, ty.frac).low).collect())
            }
            _ => None,
        }
    }

    fn sum_axes(&self, axes: u32) -> Extent {
        let shape = &self.program.ty(self.inst.args[0]).shape;
        let summed = shape.iter().enumerate().filter(|(i, _)| axes >> i & 1 == 1);
        let times: usize = summed.map(|(_, n)| *n).product();
        match self.extent(0) {
            Extent::Whole(interval) => Extent::Whole(interval.sum(times as u64, true)),
            Extent::Real(reals) => Extent::Real(reals::sum(reals, times)),
        }
    }

    /// An element is in as many windows as fit over it, or fewer at the border.
    fn overlay(&self, sizes: &[usize], strides: &[usize]) -> Extent {
        let times: usize = sizes.iter().zip(strides).map(|(size, stride)| size.div_ceil(stride)).product();
        match self.extent(0) {
            Extent::Whole(interval) => Extent::Whole(interval.sum(times as u64, false)),
            Extent::Real(reals) => Extent::Real(reals::union((0.0, 0.0), reals::sum(reals, times))),
        }
    }

    fn bits(&self) -> Interval {
        let bit = Interval::new(0, 1);
        match &self.inst.op {
            Op::Sign { .. } => {
                let of = self.whole(0);
                match (of.low.is_negative(), of.high.is_negative()) {
                    (false, _) => Interval::point(0),
                    (_, true) => Interval::point(1),
                    (true, false) => bit,
                }
            }
            Op::Not => Interval::point(1).sub(&self.whole(0)),
            Op::And | Op::AndPublic => {
                let (a, b) = (self.whole(0), self.whole(1));
                let sure = a.low.is_one() && b.low.is_one();
                let never = a.high.is_zero() || b.high.is_zero();
                if never { Interval::point(0) } else { Interval::new(i32::from(sure), 1) }
            }
            Op::Xor => match (self.whole(0).as_point(), self.whole(1).as_point()) {
                (Some(a), Some(b)) => Interval::point(u32::from(a != b)),
                _ => bit,
            },
            Op::Word { .. } => {
                let places = self.program.ty(self.inst.args[0]).shape.first().copied().unwrap_or(0);
                Interval::new(0, power(places as u32) - 1)
            }
            _ => bit,
        }
    }
}

fn union(a: Extent, b: Extent) -> Extent {
    match (a, b) {
        (Extent::Whole(a), Extent::Whole(b)) => Extent::Whole(a.union(&b)),
        (Extent::Real(a), Extent::Real(b)) => Extent::Real(reals::union(a, b)),
        (Extent::Whole(_), Extent::Real(_)) | (Extent::Real(_), Extent::Whole(_)) => Extent::Real(reals::ANY),
    }
}

fn constant(c: &Const) -> Extent {
    let numbers: Vec<_> = match &c.data {
        ConstData::Splat(number) => vec![number],
        ConstData::Dense(numbers) => numbers.iter().collect(),
    };
    let (Some(low), Some(high)) = (numbers.iter().min(), numbers.iter().max()) else {
        return Extent::Whole(Interval::point(0));
    };
    if c.ty.kind != Kind::Real {
        return Extent::Whole(raw(low, high, c.ty.frac));
    }
    let double = |n: &num_rational::BigRational| n.to_f64().unwrap_or(f64::NAN);
    let (low, high) = (double(low), double(high));
    if low.is_nan() || high.is_nan() { Extent::Real(reals::ANY) } else { Extent::Real((low, high)) }
}

/// The hull of Σ wᵢ·xᵢ over groups of weights, each x within the interval.
fn weighted(weights: &[BigInt], x: &Interval, group: impl Fn(usize) -> usize) -> Option<Interval> {
    let mut sums: Vec<Interval> = Vec::new();
    for (at, weight) in weights.iter().enumerate() {
        let group = group(at);
        if sums.len() <= group {
            sums.resize(group + 1, Interval::point(0));
        }
        sums[group] = sums[group].add(&x.mul(&Interval::point(weight.clone())));
    }
    sums.into_iter().reduce(|a, b| a.union(&b))
}

fn int_binary(op: IntBinary, a: &Interval, b: &Interval) -> Interval {
    let any = Interval::signed(64);
    let natural = !a.low.is_negative() && !b.low.is_negative();
    match op {
        IntBinary::Add => a.add(b),
        IntBinary::Sub => a.sub(b),
        IntBinary::Mul => a.mul(b),
        IntBinary::Min => {
            Interval { low: (&a.low).min(&b.low).clone(), high: (&a.high).min(&b.high).clone() }
        }
        IntBinary::Max => {
            Interval { low: (&a.low).max(&b.low).clone(), high: (&a.high).max(&b.high).clone() }
        }
        IntBinary::Div if b.low.is_positive() => {
            let ends = [&a.low, &a.high]
                .map(|x| Interval::point(x.div_floor(&b.low)).union(&Interval::point(x.div_floor(&b.high))));
            ends[0].union(&ends[1])
        }
        IntBinary::Rem if b.low.is_positive() => Interval::new(0, &b.high - 1),
        IntBinary::And if natural => Interval::new(0, (&a.high).min(&b.high).clone()),
        IntBinary::Or | IntBinary::Xor if natural => {
            Interval::new(0, power((&a.high).max(&b.high).bits() as u32) - 1)
        }
        IntBinary::Div | IntBinary::Rem | IntBinary::And | IntBinary::Or | IntBinary::Xor => any,
    }
}
