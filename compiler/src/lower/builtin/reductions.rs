//! Sums, means, products and shapes.

use num_rational::BigRational;
use num_traits::{One, ToPrimitive, Zero};

use super::{Args, axis_count, axis_from};
use crate::diagnostics::{Code, Diagnostic};
use crate::ir::Op;
use crate::lower::Lowerer;
use crate::lower::arith::{elem_of, shape_of};
use crate::lower::value::{Elem, Konst, Value, flat, indices};
use crate::syntax::ast::BinaryOp;

impl Lowerer<'_> {
    pub(super) fn reduction(&mut self, args: &Args<'_>, mean: bool) -> Value {
        let Some(x) = self.tensor_only(args.value(0), args, 0) else { return Value::Error };
        if elem_of(&x) == Elem::Bool {
            let text = self.sources.text(args.span(0)).to_string();
            self.report(
                Diagnostic::error(Code::T011, "a bool is not a number")
                    .at(args.span(0), x.describe())
                    .help(format!("int({text})")),
            );
            return Value::Error;
        }
        let shape = shape_of(&x);
        let Some(axes) = self.reduced_axes(args, shape.len()) else { return Value::Error };
        let keep = args.given(2) && matches!(args.value(2), Value::Const(k) if !k.is_zero());
        let count: usize = axes.iter().map(|a| shape[*a]).product();
        let total = self.sum_over(x, &axes);
        let total = if keep {
            let kept =
                shape.iter().enumerate().map(|(i, s)| if axes.contains(&i) { 1 } else { *s }).collect();
            self.reshaped(total, kept)
        } else {
            total
        };
        if !mean {
            return total;
        }
        if count == 0 {
            return self.error(Code::T010, args.span, "the mean of nothing", "no elements");
        }
        let divisor = Value::int(count);
        self.binary(BinaryOp::Div, args.span, total, args.span, divisor, args.span)
    }

    /// The axes that a reduction is along: one, several, or all.
    fn reduced_axes(&mut self, args: &Args<'_>, rank: usize) -> Option<Vec<usize>> {
        if !args.given(1) {
            return Some((0..rank).collect());
        }
        match args.value(1) {
            Value::Const(k) if k.shape.is_empty() => self.axis(args, 1, rank).map(|axis| vec![axis]),
            Value::Const(k) => {
                let axes: Option<Vec<usize>> =
                    k.iter().filter_map(ToPrimitive::to_i64).map(|n| axis_from(n, rank)).collect();
                if axes.is_none() {
                    let found = format!("of {}", axis_count(rank));
                    self.error(Code::T013, args.span(1), "there are no such axes", found);
                }
                axes
            }
            other => {
                let found = other.describe();
                self.error(Code::T004, args.span(1), "axes are constants", found);
                None
            }
        }
    }

    pub(super) fn sum_over(&mut self, x: Value, axes: &[usize]) -> Value {
        if axes.is_empty() {
            return x;
        }
        match x {
            Value::Const(k) => {
                let left: Vec<usize> = (0..k.shape.len()).filter(|i| !axes.contains(i)).collect();
                let shape: Vec<usize> = left.iter().map(|i| k.shape[*i]).collect();
                let mut sums = vec![BigRational::zero(); shape.iter().product()];
                for at in indices(&k.shape) {
                    let index: Vec<usize> = left.iter().map(|i| at[*i]).collect();
                    sums[flat(&shape, &index)] += k.at(flat(&k.shape, &at));
                }
                Value::Const(Konst::dense(k.elem, shape, sums))
            }
            Value::Tensor(t) => {
                let mask = axes.iter().fold(0, |m, a| m | 1 << a);
                let id = self.builder.one(Op::Sum { axes: mask }, &[t.id]);
                self.tensor(id, t.elem, t.since)
            }
            other => other,
        }
    }

    pub(super) fn list_product(&mut self, args: &Args<'_>) -> Value {
        match args.value(0) {
            Value::Const(k) if k.elem != Elem::Bool => {
                let product = k.iter().fold(BigRational::one(), |p, n| p * n);
                Value::Const(Konst::scalar(k.elem, product))
            }
            other => {
                let found = other.describe();
                self.report(
                    Diagnostic::error(Code::T004, "product is of constant sizes")
                        .at(args.span(0), found)
                        .help("use math::product"),
                );
                Value::Error
            }
        }
    }

    pub(super) fn shape_list(&mut self, args: &Args<'_>) -> Value {
        match args.value(0).shape() {
            Some(shape) => {
                let sizes: Vec<BigRational> =
                    shape.iter().map(|s| BigRational::from_integer((*s).into())).collect();
                Value::Const(Konst::dense(Elem::Int, vec![sizes.len()], sizes))
            }
            None => {
                let found = args.value(0).describe();
                self.error(Code::T003, args.span(0), "only tensors have a shape", found)
            }
        }
    }
}
