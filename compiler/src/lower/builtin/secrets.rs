//! What makes numbers secret or public, their bits, batches of rows, and derivatives.

use num_rational::BigRational;
use num_traits::Zero;

use super::Args;
use crate::diagnostics::{Code, Diagnostic, Span};
use crate::ir::{Kind, Op};
use crate::lower::arith::{elem_of, shape_of};
use crate::lower::call::secret_fix;
use crate::lower::exact;
use crate::lower::value::{Elem, Konst, Value};
use crate::lower::{Lowerer, MAX_ELEMENTS};

impl Lowerer<'_> {
    /// `secret(e)`: a constant or public value as if it were secret, for tests.
    pub(super) fn secret(&mut self, value: Value, span: Span) -> Value {
        let leaves: Vec<Value> = value
            .leaves()
            .iter()
            .map(|leaf| match leaf {
                Value::Const(_) | Value::Tensor(_) if !leaf.secret() => {
                    let elem = elem_of(leaf);
                    let ty = crate::lower::control::runtime_type(elem, true, self.frac(), shape_of(leaf));
                    let id = self.coerce(leaf, elem, &ty);
                    self.tensor(id, elem, Some(span))
                }
                other => other.clone(),
            })
            .collect();
        value.with_leaves(&mut leaves.into_iter())
    }

    /// `reveal(e)`: published to all parties.
    pub(in crate::lower) fn reveal(&mut self, value: Value, span: Span) -> Value {
        let leaves: Vec<Value> = value
            .leaves()
            .iter()
            .map(|leaf| match leaf {
                Value::Tensor(t) if t.secret() => {
                    let id = match (t.ty.kind, t.elem) {
                        (Kind::Bit, _) => self.builder.one(Op::RevealBits, &[t.id]),
                        (_, Elem::Int) => {
                            let plain = self.builder.one(Op::Reveal, &[t.id]);
                            self.builder.one(Op::DecodeInt, &[plain])
                        }
                        _ => {
                            let plain = self.builder.one(Op::Reveal, &[t.id]);
                            self.builder.one(Op::Decode, &[plain])
                        }
                    };
                    self.tensor(id, t.elem, None)
                }
                Value::Const(_) | Value::Tensor(_) | Value::Error => leaf.clone(),
                other => {
                    let found = other.describe();
                    self.error(Code::T003, span, "only numbers and truth values can be revealed", found)
                }
            })
            .collect();
        value.with_leaves(&mut leaves.into_iter())
    }

    pub(super) fn bit_function(&mut self, name: &str, args: &Args<'_>) -> Value {
        let x = args.value(0);
        match (name, &x) {
            ("bit", Value::Const(k)) => {
                let Some(place) = self.size(args, 1) else { return Value::Error };
                let odd = |n: &BigRational| {
                    let shifted = (n * exact::pow2(-(place as i64))).floor().to_integer();
                    BigRational::from_integer(num_integer::Integer::mod_floor(&shifted, &2.into()))
                };
                Value::Const(k.map(Elem::Bool, odd))
            }
            ("bits", Value::Tensor(t)) if t.secret() && t.elem != Elem::Bool => {
                let (Some(low), Some(high)) = (self.size(args, 1), self.size(args, 2)) else {
                    return Value::Error;
                };
                if low >= high || high > self.options.settings.ring as usize {
                    return self.error(
                        Code::T013,
                        args.span,
                        format!("bits {low}..{high} of {}", self.options.settings.ring),
                        "",
                    );
                }
                let id = self.builder.one(Op::Bits { low: low as u32, high: high as u32 }, &[t.id]);
                let rank = t.ty.shape.len() + 1;
                let planes = self.tensor(id, Elem::Bool, t.since);
                let last: Vec<usize> = (1..rank).chain([0]).collect();
                self.permuted(planes, &last)
            }
            ("word", Value::Tensor(t)) if t.secret() && t.elem == Elem::Bool && !t.ty.shape.is_empty() => {
                let rank = t.ty.shape.len();
                let since = t.since;
                // an adder has a carry beyond the last place
                let fits = t.ty.shape[rank - 1] < self.options.settings.ring as usize;
                let compact = fits && matches!(args.value(1), Value::Const(k) if !k.is_zero());
                let first: Vec<usize> = std::iter::once(rank - 1).chain(0..rank - 1).collect();
                let planes = match self.permuted(x, &first) {
                    Value::Tensor(t) => t.id,
                    _ => return Value::Error,
                };
                let id = self.builder.one(Op::Word { compact }, &[planes]);
                self.tensor(id, Elem::Int, since)
            }
            ("raw", Value::Tensor(t)) if t.secret() && t.elem == Elem::Fix => {
                let id = self.builder.one(Op::Rescale { frac: 0 }, &[t.id]);
                self.tensor(id, Elem::Int, t.since)
            }
            ("from_raw", Value::Tensor(t)) if t.secret() && t.elem == Elem::Int => {
                let frac = self.frac();
                let id = self.builder.one(Op::Rescale { frac }, &[t.id]);
                self.tensor(id, Elem::Fix, t.since)
            }
            _ => {
                let found = x.describe();
                self.error(Code::T003, args.span(0), format!("{name} of {found}"), "a secret is needed here")
            }
        }
    }

    pub(super) fn assume(&mut self, args: &Args<'_>) -> Value {
        let (Value::Const(low), Value::Const(high)) = (args.value(1), args.value(2)) else {
            return self.error(Code::T004, args.span, "the bounds of assume are constants", "");
        };
        match (args.value(0), low.number(), high.number()) {
            (Value::Tensor(t), Some(low), Some(high)) if t.secret() && t.elem != Elem::Bool => {
                let id = self.builder.one(Op::Assume { low: low.clone(), high: high.clone() }, &[t.id]);
                self.tensor(id, t.elem, t.since)
            }
            (other, _, _) => other,
        }
    }

    pub(super) fn batches(&mut self, args: &Args<'_>) -> Value {
        let (Some(rows), Some(size)) = (self.size(args, 0), self.size(args, 1)) else { return Value::Error };
        let drawn = rows.checked_next_multiple_of(size.max(1));
        if rows == 0 || size == 0 || u32::try_from(rows).is_err() || drawn.is_none_or(|n| n > MAX_ELEMENTS) {
            return self.error(
                Code::T004,
                args.span,
                format!("batches of {size} out of {rows} rows"),
                format!("both are from 1 to {}", u32::MAX),
            );
        }
        Value::Batches { rows, size }
    }

    pub(super) fn gradient(&mut self, args: &Args<'_>) -> Value {
        let loss = match args.value(0) {
            Value::Tensor(t) if t.secret() && t.elem == Elem::Fix && t.ty.len() == 1 => t,
            other => {
                let found = other.describe();
                let mut error = Diagnostic::error(Code::G003, "a derivative is of one secret number")
                    .at(args.span(0), found);
                if other.shape().is_some_and(|s| !s.is_empty()) {
                    error = error.help(format!("sum({})", self.sources.text(args.span(0))));
                }
                self.report(error);
                return Value::Error;
            }
        };
        let by = args.value(1);
        let leaves = self.trainable(&by);
        let wrt: Vec<_> =
            leaves.iter().filter(|(_, open)| *open).filter_map(|(leaf, _)| secret_fix(leaf)).collect();
        if wrt.is_empty() {
            let found = by.describe();
            return self.error(Code::G003, args.span(1), "there is nothing to differentiate by", found);
        }
        let loss = if loss.ty.shape.is_empty() {
            loss.id
        } else {
            self.builder.one(Op::Reshape(Vec::new()), &[loss.id])
        };
        let operands = [&[loss], wrt.as_slice()].concat();
        let origin = self.at(args.span(1));
        let results = self
            .builder
            .push(Op::Grad, &operands)
            .unwrap_or_else(|e| unreachable!("operands are values: {e}"));
        self.builder.origin = origin;
        let mut results = results.into_iter();
        let derivatives: Vec<Value> = leaves
            .iter()
            .map(|(leaf, open)| match (secret_fix(leaf).filter(|_| *open), leaf) {
                (Some(_), _) => match results.next() {
                    Some(id) => self.tensor(id, Elem::Fix, Some(args.span)),
                    None => Value::Error,
                },
                (None, Value::Const(k)) => {
                    Value::Const(Konst::splat(k.elem, k.shape.clone(), BigRational::zero()))
                }
                (None, Value::Tensor(t)) => {
                    Value::Const(Konst::splat(t.elem, t.ty.shape.clone(), BigRational::zero()))
                }
                (None, other) => other.clone(),
            })
            .collect();
        by.with_leaves(&mut derivatives.into_iter())
    }
}
