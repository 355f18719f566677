//! Range analysis: between which numbers every value lies.
//!
//! Ranges are closed intervals of ring integers (a number times 2^frac), exact; of public doubles, intervals of doubles rounded
//! outwards. They are computed on one of two bases:
//!
//! - [`Basis::Proof`]: what holds whatever the inputs are. Sums and products that may leave the ring end all knowledge.
//! - [`Basis::Contract`]: what holds if the program keeps its word: every `fix` fits the total bits, truncated or not, and every
//!   [`Op::Assume`] is true, which takes the contract's place, narrower or wider. Where the contract or an assumption says more than
//!   could be computed, the value is [assumed](Ranges::is_assumed), which the emulator's range mode checks.
//!
//! Differences that are only compared with zero, or chosen ([`super::compared`]), are no numbers that the source names: the contract does not speak
//! of them, they have the range that their operands give them. Where a difference is used otherwise as well, it is promised, and a comparison of
//! it still goes by what was [computed](Ranges::compared).
//!
//! Carried values of loops have the contract's range. A selection by the sign of a value narrows that value: a rectified number is
//! not negative, the larger of two is not below either. The rules, operation by operation, are in [`super::transfer`].

use std::collections::{HashMap, HashSet};

use num_bigint::BigInt;
use num_rational::BigRational;

use super::compared;
use super::graph::Graph;
use super::interval::{Interval, power};
use super::reals::{self, Reals};
use super::transfer;
use crate::ir::{Block, Inst, Kind, Op, Program, Rounding, Settings, Type, ValueId};

/// What a range may rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// Nothing but the program.
    Proof,
    /// That every `fix` fits its bits, and that assumptions hold.
    Contract,
}

/// What is known of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Extent {
    /// Of ring elements, public integers and bits.
    Whole(Interval),
    /// Of public doubles.
    Real(Reals),
}

/// The ranges of all values.
#[derive(Debug, Clone)]
pub struct Ranges {
    basis: Basis,
    extents: Vec<Option<Extent>>,
    /// Values of which the contract or an assumption says more than what can be computed, with what was computed.
    assumed: HashMap<ValueId, Interval>,
    /// Differences that are only compared or chosen, of which the contract says nothing.
    differences: HashSet<ValueId>,
}

/// The ring integers that a `fix` of this scale may be: those whose truncation to the program's fraction bits fits its total
/// bits, without the most negative number. Whole numbers have all bits.
pub fn contract(settings: &Settings, frac: u32) -> Interval {
    let largest: BigInt = power(settings.total.max(1) - 1) - 1;
    let largest = match frac.checked_sub(settings.frac) {
        _ if frac == 0 => largest,
        Some(more) => largest << more,
        None => largest >> (settings.frac - frac),
    };
    Interval { low: -largest.clone(), high: largest }
}

/// Whether a ring integer within these bounds can be truncated by `bits`.
pub fn truncates(settings: &Settings, raw: &Interval, bits: u32) -> bool {
    let quarter = power(settings.ring - 2);
    bits < settings.ring
        && match settings.rounding {
            Rounding::Probabilistic => raw.magnitude() <= quarter,
            Rounding::Nearest => raw.magnitude() < quarter - (power(bits) >> 1u32),
        }
}

/// The ring integers between two numbers, rounded outwards.
pub fn raw(low: &BigRational, high: &BigRational, frac: u32) -> Interval {
    let scale = BigRational::from_integer(power(frac));
    Interval { low: (low * &scale).floor().to_integer(), high: (high * &scale).ceil().to_integer() }
}

impl Ranges {
    /// Analyses a program.
    pub fn of(program: &Program, graph: &Graph, basis: Basis) -> Ranges {
        let mut ranges = Ranges {
            basis,
            extents: vec![None; program.values.len()],
            assumed: HashMap::new(),
            differences: HashSet::new(),
        };
        ranges.block(program, graph, &program.body);
        ranges
    }

    /// The range of a ring element, an integer or a bit.
    pub fn whole(&self, program: &Program, value: ValueId) -> Interval {
        match self.extent(program, value) {
            Extent::Whole(interval) => interval,
            Extent::Real(_) => Interval::signed(program.settings.ring),
        }
    }

    /// The range of a double.
    pub fn real(&self, program: &Program, value: ValueId) -> Reals {
        match self.extent(program, value) {
            Extent::Real(reals) => reals,
            Extent::Whole(_) => reals::ANY,
        }
    }

    /// What is known of a value.
    pub fn extent(&self, program: &Program, value: ValueId) -> Extent {
        let known = self.extents.get(value.0 as usize).cloned().flatten();
        known.unwrap_or_else(|| self.top(&program.settings, program.ty(value)))
    }

    /// What holds for everything of a type.
    pub fn top(&self, settings: &Settings, ty: &Type) -> Extent {
        Extent::Whole(match (ty.kind, self.basis) {
            (Kind::Real, _) => return Extent::Real(reals::ANY),
            (Kind::Plain | Kind::Shared | Kind::Additive, Basis::Contract) => contract(settings, ty.frac),
            (Kind::Plain | Kind::Shared | Kind::Additive | Kind::Half, _) => Interval::signed(settings.ring),
            (Kind::Bit, _) => Interval::new(0, 1),
            (Kind::Int, _) => Interval::signed(64),
        })
    }

    /// Whether the range of a value is taken on trust; never on [`Basis::Proof`].
    pub fn is_assumed(&self, value: ValueId) -> bool {
        self.assumed.contains_key(&value)
    }

    /// The range of a value that is compared with zero. A difference is as wide as its operands make it, though the same difference
    /// is a number of the source elsewhere: the contract of the operands is enough for the sign to be right.
    pub fn compared(&self, program: &Program, graph: &Graph, value: ValueId) -> Interval {
        let settled = || self.whole(program, value);
        let Some(def) = graph.def(value) else { return settled() };
        match def.op {
            Op::Sub => self.assumed.get(&value).cloned().unwrap_or_else(settled),
            Op::Neg => self.compared(program, graph, def.args[0]).neg(),
            Op::Reshape(_) | Op::Permute(_) | Op::Slice { .. } | Op::Broadcast(_) | Op::Reshare => {
                self.compared(program, graph, def.args[0])
            }
            Op::Trunc { bits } => {
                let operand = self.compared(program, graph, def.args[0]);
                if truncates(&program.settings, &operand, bits) { operand.truncate(bits) } else { settled() }
            }
            _ => settled(),
        }
    }

    /// Whether a value is a difference that is only compared or chosen, so that the contract says nothing of it.
    pub fn is_difference(&self, value: ValueId) -> bool {
        self.differences.contains(&value)
    }

    /// Whether a value was met.
    pub fn knows(&self, value: ValueId) -> bool {
        self.extents.get(value.0 as usize).is_some_and(Option::is_some)
    }

    /// Takes note of an instruction; its operands are known, and `graph` knows it.
    pub fn define(&mut self, program: &Program, graph: &Graph, inst: &Inst) {
        for (i, result) in inst.results.iter().enumerate() {
            let computed = transfer::range(self, program, graph, inst, i);
            if compared::is_difference(graph, inst, *result, |v| self.is_difference(v)) {
                self.differences.insert(*result);
            }
            let settled = match computed {
                Extent::Whole(interval) => {
                    Extent::Whole(self.settle(program, graph, inst, *result, interval))
                }
                Extent::Real(reals) => Extent::Real(reals),
            };
            self.set(*result, settled);
        }
    }

    /// Takes note of the parameters of a loop's body.
    pub fn enter(&mut self, trips: u32, region: &Block) {
        if let Some(counter) = region.params.first() {
            self.set(*counter, Extent::Whole(Interval::new(0, trips.saturating_sub(1))));
        }
    }

    /// What is computed meets what is promised.
    fn settle(
        &mut self,
        program: &Program,
        graph: &Graph,
        inst: &Inst,
        result: ValueId,
        computed: Interval,
    ) -> Interval {
        let ty = program.ty(result);
        let promised = match (&inst.op, self.basis) {
            (Op::Assume { low, high }, Basis::Contract) => raw(low, high, ty.frac),
            (op, Basis::Contract) if ty.is_ring() && is_promised(op) && !self.is_difference(result) => {
                stated(program, graph, result).unwrap_or_else(|| contract(&program.settings, ty.frac))
            }
            _ if ty.is_ring() && !Interval::signed(program.settings.ring).contains(&computed) => {
                return Interval::signed(program.settings.ring);
            }
            _ if ty.kind == Kind::Int && !Interval::signed(64).contains(&computed) => {
                return Interval::signed(64);
            }
            _ => return computed,
        };
        if promised.contains(&computed) {
            return computed;
        }
        // An empty intersection is a program that cannot keep its word: range mode will tell.
        let settled = computed.intersection(&promised).unwrap_or(promised);
        self.assumed.insert(result, computed);
        settled
    }

    fn set(&mut self, value: ValueId, extent: Extent) {
        let at = value.0 as usize;
        if self.extents.len() <= at {
            self.extents.resize(at + 1, None);
        }
        self.extents[at] = Some(extent);
    }

    fn block(&mut self, program: &Program, graph: &Graph, block: &Block) {
        for inst in &block.insts {
            for region in &inst.regions {
                if let Op::For { trips, .. } = inst.op {
                    self.enter(trips, region);
                }
                self.block(program, graph, region);
            }
            self.define(program, graph, inst);
        }
    }
}

/// What the program says of a value instead of the contract, if it does: [`Op::Assume`], also behind a truncation, and of a whole
/// number that is only the integer behind another number, the contract of that.
fn stated(program: &Program, graph: &Graph, value: ValueId) -> Option<Interval> {
    let user = graph.sole_user(value)?;
    let frac = program.ty(value).frac;
    match user.op {
        Op::Assume { ref low, ref high } => Some(raw(low, high, frac)),
        Op::Trunc { bits } => {
            let after = stated(program, graph, user.results[0])?;
            let unit = Interval::new(-1, 1);
            Some(after.add(&unit).raise(bits))
        }
        Op::Rescale { frac: other } => stated(program, graph, user.results[0])
            .or_else(|| (frac == 0).then(|| contract(&program.settings, other))),
        _ => None,
    }
}

/// Whether the result is a number that the source computes, for which the contract is meant. Where a ring integer is only looked at in another
/// way, or passed on, it has the range that it has.
fn is_promised(op: &Op) -> bool {
    matches!(
        op,
        Op::Input(_)
            | Op::Encode { .. }
            | Op::Add
            | Op::Sub
            | Op::Neg
            | Op::Mul
            | Op::Contract(_)
            | Op::Sum { .. }
            | Op::Overlay { .. }
            | Op::Trunc { .. }
    )
}

/// The largest absolute number in an interval of ring integers, for messages.
pub fn largest(interval: &Interval, frac: u32) -> f64 {
    let (low, high) = interval.numbers(frac);
    low.abs().max(high.abs())
}

/// Whole numbers behind doubles times 2^frac, rounded outwards; nothing if they are not finite.
pub fn encoded((low, high): Reals, frac: u32) -> Option<Interval> {
    let scaled = |x: f64| BigRational::from_float(x);
    let (low, high) = (scaled(low)?, scaled(high)?);
    Some(raw(&low, &high, frac))
}
