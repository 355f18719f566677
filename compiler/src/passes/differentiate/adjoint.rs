//! Adjoints and the sweep backwards over a block.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use num_rational::BigRational;
use num_traits::{One, Signed, Zero};

use super::flow::{self, Flow};
use super::{origin, rules};
use crate::diagnostics::{Code, Diagnostic};
use crate::ir::op::plain_const;
use crate::ir::{Builder, Inst, Kind, Op, ValueId};

/// The derivative of the loss by a value.
#[derive(Debug, Clone)]
pub(super) enum Adjoint {
    /// The same number for all elements.
    Splat(BigRational),
    /// Shared, of the value's shape, at the scale of `fix` or a finer one.
    Tensor(ValueId),
}

/// A walk from the loss back to what it is differentiated by.
pub(super) struct Sweep<'b> {
    pub(super) builder: &'b mut Builder,
    /// The scale of `fix`, the coarsest of adjoints.
    frac: u32,
    /// The finest scale of adjoints: twice that of `fix`, or what leaves head-room for a product with a `fix`.
    finest: u32,
    /// Whether it was the ring that kept an adjoint from being finer.
    cramped: Cell<bool>,
    /// Of constant factors below 1, how many bits behind the point are 0.
    small: HashMap<ValueId, u32>,
    flow: Flow,
    adjoints: HashMap<ValueId, Adjoint>,
}

impl<'b> Sweep<'b> {
    /// Finds out what depends on `by` among the results of the instructions `before`.
    pub(super) fn new(builder: &'b mut Builder, before: &[Inst], by: &[ValueId]) -> Sweep<'b> {
        let settings = builder.program.settings;
        let room = settings.ring.saturating_sub(settings.total + 1);
        let finest = room.min(2 * settings.frac).max(settings.frac);
        let small = before.iter().filter_map(|inst| match &inst.op {
            Op::Const(constant) if constant.ty.kind == Kind::Plain => {
                Some((inst.results[0], smallness(&constant.largest())))
            }
            _ => None,
        });
        let small = small.collect();
        let flow = Flow::new(builder, before, by);
        Sweep {
            builder,
            frac: settings.frac,
            finest,
            cramped: Cell::new(false),
            small,
            flow,
            adjoints: HashMap::new(),
        }
    }

    /// The derivatives, in the types of what they are taken by. `derived` are results of earlier derivatives.
    pub(super) fn run(
        &mut self,
        grad: &Inst,
        before: &[Inst],
        derived: &HashSet<ValueId>,
    ) -> Result<Vec<ValueId>, Box<Diagnostic>> {
        let (loss, by) = (grad.args[0], &grad.args[1..]);
        if let Some(error) = self.flow.without_derivative(grad, before) {
            return Err(Box::new(error));
        }
        if self.wants(loss) {
            self.adjoints.insert(loss, Adjoint::Splat(BigRational::one()));
        }
        for inst in before.iter().rev() {
            let found: Vec<Option<Adjoint>> =
                inst.results.iter().map(|r| self.adjoints.get(r).cloned()).collect();
            if found.iter().all(Option::is_none) || !flow::depends(inst, &self.flow.active) {
                continue;
            }
            if inst.results.iter().any(|r| derived.contains(r)) {
                return Err(Box::new(second(grad, inst)));
            }
            self.builder.origin = origin(grad, inst);
            rules::apply(self, inst, found).map_err(|rules::Impossible| Box::new(through(grad, inst)))?;
        }
        self.builder.origin = grad.origin;
        self.builder.program.cramped |= self.cramped.get();
        if let Some(missing) = by.iter().position(|value| !self.adjoints.contains_key(value)) {
            return Err(Box::new(self.independent(grad, before, missing)));
        }
        Ok(by.iter().map(|value| self.derivative(*value)).collect())
    }

    /// Whether a value needs an adjoint.
    pub(super) fn wants(&self, value: ValueId) -> bool {
        self.flow.active.contains(&value)
    }

    /// Adds to the adjoint of a value that wants one.
    pub(super) fn add(&mut self, value: ValueId, more: Adjoint) {
        let sum = match (self.adjoints.remove(&value), more) {
            (None, more) => more,
            (Some(Adjoint::Splat(a)), Adjoint::Splat(b)) => Adjoint::Splat(a + b),
            (Some(a), b) => {
                let shape = self.shape(value);
                let (a, b) = (self.tensor(a, &shape), self.tensor(b, &shape));
                let frac = self.frac_of(a).max(self.frac_of(b));
                let (a, b) = (self.scaled_to(a, frac), self.scaled_to(b, frac));
                Adjoint::Tensor(self.builder.one(Op::Add, &[a, b]))
            }
        };
        self.adjoints.insert(value, sum);
    }

    /// The shape of a value.
    pub(super) fn shape(&self, value: ValueId) -> Vec<usize> {
        self.builder.ty(value).shape.clone()
    }

    /// The fraction bits of a value.
    pub(super) fn frac_of(&self, value: ValueId) -> u32 {
        self.builder.ty(value).frac
    }

    /// The adjoint as a value.
    pub(super) fn tensor(&mut self, adjoint: Adjoint, shape: &[usize]) -> ValueId {
        match adjoint {
            Adjoint::Tensor(value) => value,
            Adjoint::Splat(number) => {
                let frac = self.frac_of_number(&number);
                self.constant(&number, frac, shape)
            }
        }
    }

    /// The scale at which a number has as many significant bits as 1 has at the scale of `fix`, as far as adjoints reach.
    fn frac_of_number(&self, number: &BigRational) -> u32 {
        self.within(|finest| (self.frac + smallness(number)).min(finest))
    }

    /// The product of an adjoint that had `frac` fraction bits with a public factor, as an adjoint with as many significant bits, if there is room.
    pub(super) fn times_public(&mut self, product: ValueId, factor: ValueId, frac: u32) -> Adjoint {
        let kept = frac + self.small.get(&factor).copied().unwrap_or(0);
        let frac = self.within(|finest| self.frac_of(product).min(kept).clamp(self.frac, finest.max(frac)));
        Adjoint::Tensor(self.scaled_to(product, frac))
    }

    /// A ring value as an adjoint: shared, and rounded no more than the head-room asks for.
    pub(super) fn adjusted(&mut self, value: ValueId) -> Adjoint {
        let value = match self.builder.ty(value).kind {
            Kind::Plain => self.builder.one(Op::Promote, &[value]),
            _ => value,
        };
        let frac = self.within(|finest| self.frac_of(value).clamp(self.frac, finest));
        Adjoint::Tensor(self.scaled_to(value, frac))
    }

    /// An adjoint that can be multiplied by a factor of `bits` more fraction bits, the product being a number like any other.
    pub(super) fn multiplicable(&mut self, value: ValueId, bits: u32) -> ValueId {
        if bits == 0 && self.frac_of(value) > self.finest {
            return value; // of a ring integer, see `shifted`
        }
        let room = |finest: u32| (finest + self.frac).saturating_sub(bits).max(self.frac);
        let frac = self.within(|finest| self.frac_of(value).min(room(finest)));
        self.scaled_to(value, frac)
    }

    /// By how many bits, if possible `more`, adjoints may be finer than a rule was written for, of whose products this is the largest scale.
    pub(super) fn room_above(&self, frac: u32, more: u32) -> u32 {
        self.within(|finest| (finest + self.frac).saturating_sub(frac).min(more))
    }

    /// A scale that depends on how fine adjoints may be. It is noted if a larger ring would have had room for a finer one.
    fn within(&self, scale: impl Fn(u32) -> u32) -> u32 {
        let found = scale(self.finest);
        self.cramped.set(self.cramped.get() || found < scale(2 * self.frac));
        found
    }

    /// The same number at another scale.
    pub(super) fn scaled_to(&mut self, value: ValueId, frac: u32) -> ValueId {
        let from = self.builder.ty(value).frac;
        match from.cmp(&frac) {
            std::cmp::Ordering::Less => self.builder.one(Op::Raise { bits: frac - from }, &[value]),
            std::cmp::Ordering::Equal => value,
            std::cmp::Ordering::Greater => self.builder.one(Op::Trunc { bits: from - frac }, &[value]),
        }
    }

    /// An adjoint of this shape times 2^exponent. That of a ring integer n behind a number n 2^-k is smaller by 2^-k than that of the number: it
    /// keeps all bits that an adjoint of the scale of `fix` has, however fine its own scale is, since the products that it goes into with other
    /// ring integers are as much larger.
    pub(super) fn shifted(&mut self, adjoint: Adjoint, exponent: i64, shape: &[usize]) -> Adjoint {
        match adjoint {
            adjoint if exponent < 0 => {
                let value = self.tensor(adjoint, shape);
                let before = self.frac_of(value);
                let value = if before <= self.finest { self.scaled_to(value, self.frac) } else { value };
                let to = i64::from(self.frac_of(value)) - exponent;
                Adjoint::Tensor(self.builder.one(Op::Rescale { frac: to as u32 }, &[value]))
            }
            Adjoint::Splat(number) => Adjoint::Splat(number * power_of_two(exponent)),
            Adjoint::Tensor(value) => Adjoint::Tensor(self.times_power(value, exponent)),
        }
    }

    /// A value times 2^exponent, as an adjoint if it is shared.
    fn times_power(&mut self, value: ValueId, exponent: i64) -> ValueId {
        let frac = self.frac_of(value);
        // The ring integer stays and counts as a number at another scale; what is missing of a scale that would be negative is multiplied in before.
        let bits = (exponent - i64::from(frac)).max(0) as u32;
        let raised = if bits == 0 { value } else { self.builder.one(Op::Raise { bits }, &[value]) };
        let to = (i64::from(frac + bits) - exponent) as u32;
        let moved =
            if exponent == 0 { raised } else { self.builder.one(Op::Rescale { frac: to }, &[raised]) };
        let to = self.within(|finest| to.clamp(self.frac, finest));
        self.scaled_to(moved, to)
    }

    /// A value times a number, as an adjoint.
    pub(super) fn times(&mut self, value: ValueId, number: &BigRational) -> Adjoint {
        if number.is_zero() {
            return Adjoint::Splat(BigRational::zero());
        }
        let (factor, exponent) = significant(&number.abs(), self.frac);
        let product = if factor.is_one() {
            self.times_power(value, -i64::from(exponent))
        } else {
            let shape = self.shape(value);
            let number = factor * power_of_two(-i64::from(exponent));
            let constant = self.builder.one(plain_const(exponent, &shape, number), &[]);
            self.builder.one(Op::Mul, &[value, constant])
        };
        let kept = self.frac_of(product).min(self.frac_of_number(number)).max(self.frac);
        let product = self.scaled_to(product, kept);
        let shared = self.adjusted(product);
        match shared {
            Adjoint::Tensor(value) if number.is_negative() => {
                Adjoint::Tensor(self.builder.one(Op::Neg, &[value]))
            }
            other => other,
        }
    }

    /// The adjoint of one of the values that the loss is differentiated by, in the value's own type.
    fn derivative(&mut self, value: ValueId) -> ValueId {
        let (shape, frac) = (self.shape(value), self.builder.ty(value).frac);
        // Every one of them was found to have an adjoint.
        match self.adjoints.get(&value).cloned().unwrap_or(Adjoint::Splat(BigRational::zero())) {
            Adjoint::Tensor(adjoint) => self.scaled_to(adjoint, frac),
            Adjoint::Splat(number) => self.constant(&number, frac, &shape),
        }
    }

    /// The number everywhere, shared.
    fn constant(&mut self, number: &BigRational, frac: u32, shape: &[usize]) -> ValueId {
        let plain = self.builder.one(plain_const(frac, shape, rounded(number, frac)), &[]);
        self.builder.one(Op::Promote, &[plain])
    }

    fn independent(&self, grad: &Inst, before: &[Inst], missing: usize) -> Diagnostic {
        let (loss, by) = (grad.args[0], &grad.args[1..]);
        let mut error =
            Diagnostic::error(Code::G001, "the loss does not depend on this").at(grad.origin.user, "");
        let place = |value| before.iter().position(|inst| inst.results.contains(&value));
        if let Some(at) = place(by[missing])
            && place(loss).is_none_or(|computed| computed < at)
        {
            error = error
                .label(before[at].origin.user, "it is assigned here, after the loss was computed")
                .help("take the gradient before the assignment");
        } else if by.len() > 1 {
            let shape = self.shape(by[missing]);
            let number = missing + 1;
            error = error.note(format!("of its {} tensors, number {number}, of shape {shape:?}", by.len()));
        }
        error
    }
}

fn second(grad: &Inst, inst: &Inst) -> Diagnostic {
    Diagnostic::error(Code::G005, "this would be a derivative of a derivative")
        .at(grad.origin.user, "")
        .label(inst.origin.user, "the loss depends on this derivative")
}

fn through(grad: &Inst, inst: &Inst) -> Diagnostic {
    let (what, help) = match inst.op {
        Op::If => ("branch", "compute both sides and select:  where(condition, a, b)"),
        _ => ("loop", "expand it:  unroll for"),
    };
    Diagnostic::error(Code::G004, format!("derivatives do not go through a {what}"))
        .at(grad.origin.user, "")
        .label(inst.origin.user, format!("the loss depends on this {what}"))
        .help(help)
}

/// How many bits of a number below 1 are 0 behind the point, give or take one.
fn smallness(number: &BigRational) -> u32 {
    let magnitude = number.numer().bits() as i64 - number.denom().bits() as i64;
    if number.is_zero() { 0 } else { (-magnitude).max(0) as u32 }
}

fn power_of_two(exponent: i64) -> BigRational {
    let power = BigRational::from_integer(num_traits::pow(2.into(), exponent.unsigned_abs() as usize));
    if exponent < 0 { power.recip() } else { power }
}

/// The nearest multiple of 2^-frac.
fn rounded(number: &BigRational, frac: u32) -> BigRational {
    (number * power_of_two(i64::from(frac))).round() * power_of_two(-i64::from(frac))
}

/// A positive number as an integer m and an exponent e, m * 2^-e, with so many significant bits and as small as possible.
fn significant(number: &BigRational, bits: u32) -> (BigRational, u32) {
    let magnitude = number.numer().bits() as i64 - number.denom().bits() as i64; // of number, or one more
    let exponent = (i64::from(bits) - magnitude).max(0) as u32;
    let mut factor = (number * power_of_two(i64::from(exponent))).round().to_integer();
    let shift = factor.trailing_zeros().unwrap_or(0).min(u64::from(exponent)) as u32;
    factor >>= shift;
    (BigRational::from_integer(factor), exponent - shift)
}
