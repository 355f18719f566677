//! Adjoints and the sweep backwards over a block.

use std::collections::{HashMap, HashSet};

use num_rational::BigRational;
use num_traits::{One, Signed, Zero};

use super::{origin, rules};
use crate::diagnostics::{Code, Diagnostic};
use crate::ir::op::plain_const;
use crate::ir::{Builder, Inst, Kind, Op, ValueId};

/// The derivative of the loss by a value.
#[derive(Debug, Clone)]
pub(super) enum Adjoint {
    /// The same number for all elements.
    Splat(BigRational),
    /// Shared, of the value's shape, at the scale of `fix`.
    Tensor(ValueId),
}

/// A walk from the loss back to what it is differentiated by.
pub(super) struct Sweep<'b> {
    pub(super) builder: &'b mut Builder,
    /// The scale of adjoints.
    frac: u32,
    /// Values that change with what the loss is differentiated by.
    active: HashSet<ValueId>,
    adjoints: HashMap<ValueId, Adjoint>,
}

impl<'b> Sweep<'b> {
    /// Finds out what depends on `by` among the results of the instructions `before`.
    pub(super) fn new(builder: &'b mut Builder, before: &[Inst], by: &[ValueId]) -> Sweep<'b> {
        let frac = builder.program.settings.frac;
        let mut active: HashSet<ValueId> = by.iter().copied().collect();
        for inst in before {
            if depends(inst, &active) {
                let carries = |v: &&ValueId| builder.ty(**v).kind == Kind::Shared;
                active.extend(inst.results.iter().filter(carries));
            }
        }
        Sweep { builder, frac, active, adjoints: HashMap::new() }
    }

    /// The derivatives, in the types of what they are taken by. `derived` are results of earlier derivatives.
    pub(super) fn run(
        &mut self,
        grad: &Inst,
        before: &[Inst],
        derived: &HashSet<ValueId>,
    ) -> Result<Vec<ValueId>, Box<Diagnostic>> {
        let (loss, by) = (grad.args[0], &grad.args[1..]);
        if self.active.contains(&loss) {
            self.adjoints.insert(loss, Adjoint::Splat(BigRational::one()));
        }
        for inst in before.iter().rev() {
            let found: Vec<Option<Adjoint>> =
                inst.results.iter().map(|r| self.adjoints.get(r).cloned()).collect();
            if found.iter().all(Option::is_none) || !depends(inst, &self.active) {
                continue;
            }
            if inst.results.iter().any(|r| derived.contains(r)) {
                return Err(Box::new(second(grad, inst)));
            }
            self.builder.origin = origin(grad, inst);
            rules::apply(self, inst, found).map_err(|rules::Impossible| Box::new(through(grad, inst)))?;
        }
        self.builder.origin = grad.origin;
        if let Some(missing) = by.iter().position(|value| !self.adjoints.contains_key(value)) {
            return Err(Box::new(self.independent(grad, before, missing)));
        }
        Ok(by.iter().map(|value| self.derivative(*value)).collect())
    }

    /// Whether a value needs an adjoint.
    pub(super) fn wants(&self, value: ValueId) -> bool {
        self.active.contains(&value)
    }

    /// Adds to the adjoint of a value that wants one.
    pub(super) fn add(&mut self, value: ValueId, more: Adjoint) {
        let sum = match (self.adjoints.remove(&value), more) {
            (None, more) => more,
            (Some(Adjoint::Splat(a)), Adjoint::Splat(b)) => Adjoint::Splat(a + b),
            (Some(a), b) => {
                let shape = self.shape(value);
                let (a, b) = (self.tensor(a, &shape), self.tensor(b, &shape));
                Adjoint::Tensor(self.builder.one(Op::Add, &[a, b]))
            }
        };
        self.adjoints.insert(value, sum);
    }

    /// The shape of a value.
    pub(super) fn shape(&self, value: ValueId) -> Vec<usize> {
        self.builder.ty(value).shape.clone()
    }

    /// The adjoint as a value.
    pub(super) fn tensor(&mut self, adjoint: Adjoint, shape: &[usize]) -> ValueId {
        match adjoint {
            Adjoint::Tensor(value) => value,
            Adjoint::Splat(number) => {
                let constant = plain_const(self.frac, shape, rounded(&number, self.frac));
                let plain = self.builder.one(constant, &[]);
                self.builder.one(Op::Promote, &[plain])
            }
        }
    }

    /// A ring value as an adjoint: shared, at the scale of adjoints.
    pub(super) fn adjusted(&mut self, value: ValueId) -> Adjoint {
        let value = match self.builder.ty(value).kind {
            Kind::Plain => self.builder.one(Op::Promote, &[value]),
            _ => value,
        };
        Adjoint::Tensor(self.scaled_to(value, self.frac))
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

    /// An adjoint times 2^exponent.
    pub(super) fn shifted(&mut self, adjoint: Adjoint, exponent: i64) -> Adjoint {
        match adjoint {
            Adjoint::Splat(number) => Adjoint::Splat(number * power_of_two(exponent)),
            Adjoint::Tensor(value) => Adjoint::Tensor(self.times_power(value, exponent)),
        }
    }

    /// A value times 2^exponent, as an adjoint.
    fn times_power(&mut self, value: ValueId, exponent: i64) -> ValueId {
        let frac = self.builder.ty(value).frac;
        // The ring integer stays and counts as a number at another scale; what is missing of a scale that would be negative is multiplied in before.
        let bits = (exponent - i64::from(frac)).max(0) as u32;
        let raised = if bits == 0 { value } else { self.builder.one(Op::Raise { bits }, &[value]) };
        let to = (i64::from(frac + bits) - exponent) as u32;
        let moved =
            if exponent == 0 { raised } else { self.builder.one(Op::Rescale { frac: to }, &[raised]) };
        self.scaled_to(moved, self.frac)
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
            let product = self.builder.one(Op::Mul, &[value, constant]);
            self.scaled_to(product, self.frac)
        };
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
        let adjoint = self.adjoints.get(&value).cloned().unwrap_or(Adjoint::Splat(BigRational::zero()));
        let tensor = self.tensor(adjoint, &shape);
        self.scaled_to(tensor, frac)
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

/// Whether results of an instruction change with the active values, as far as derivatives go.
fn depends(inst: &Inst, active: &HashSet<ValueId>) -> bool {
    if let Op::Custom { values, wants } = &inst.op {
        return inst.args[*values..].iter().zip(wants).any(|(x, wanted)| *wanted && active.contains(x));
    }
    let mut found = false;
    inst.for_each_use(&mut |value| found |= active.contains(&value));
    found
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
