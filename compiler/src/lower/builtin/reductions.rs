//! Sums, means, products and shapes.

use num_rational::BigRational;
use num_traits::{One, ToPrimitive, Zero};

use super::library::library;
use super::table::builtins;
use super::{Args, axis_count, axis_from};
use crate::diagnostics::{Code, Diagnostic};
use crate::ir::Op;
use crate::lower::Lowerer;
use crate::lower::arith::shape_of;
use crate::lower::exact;
use crate::lower::value::{Elem, Konst, Value, flat, indices};
use crate::syntax::ast::BinaryOp;

builtins! {
    /// The sum of all elements, or along an axis or a list of axes, which go unless they are kept with size 1.
    /// Example: `sum(x, axis=0)`.
    whole "sum"(x: Num("[..s]"), axis: ConstInt("[n]") = "all", keep: ConstBool("") = "false") -> "num[..t]"
        = |l, args, _| l.reduction(args, false);

    /// The mean of all elements, or along an axis or a list of axes, as for `sum`.
    /// Example: `mean(x, axis=[0, 1])`.
    whole "mean"(x: Num("[..s]"), axis: ConstInt("[n]") = "all", keep: ConstBool("") = "false") -> "num[..t]"
        = |l, args, _| l.reduction(args, true);

    /// The product along the last axis. Of constants; `use math::product` for everything else.
    /// Example: `product([2, 3, 4])`.
    whole "product"(x: Num("[..s, n]")) -> "num[..s]" = |l, args, _| l.list_product(args);

    /// The sizes of a tensor, which are constants.
    /// Example: `shape(x)[0]`.
    whole "shape"(x: Tensor("[..s]")) -> "const int[n]" = |l, args, _| l.shape_list(args);
}

impl Lowerer<'_> {
    fn reduction(&mut self, args: &Args, mean: bool) -> Value {
        let x = args.value(0);
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
    fn reduced_axes(&mut self, args: &Args, rank: usize) -> Option<Vec<usize>> {
        if !args.given(1) {
            return Some((0..rank).collect());
        }
        match args.value(1) {
            Value::Const(k) if k.shape.is_empty() => self.axis(args, 1, rank).map(|axis| vec![axis]),
            Value::Const(k) if k.len() <= rank => {
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
                let span = self.builder.origin.inner;
                let left: Vec<usize> = (0..k.shape.len()).filter(|i| !axes.contains(i)).collect();
                let shape: Vec<usize> = left.iter().map(|i| k.shape[*i]).collect();
                if let Some(number) = k.as_splat() {
                    let count: usize = axes.iter().map(|axis| k.shape[*axis]).product();
                    let total = exact::mul(number, &BigRational::from_integer(count.into()));
                    return self.short(Konst::splat(k.elem, shape, total), span);
                }
                if !self.weigh(&k, span) {
                    return Value::Error;
                }
                let mut sums = vec![BigRational::zero(); shape.iter().product()];
                for at in indices(&k.shape) {
                    let index: Vec<usize> = left.iter().map(|i| at[*i]).collect();
                    let sum = &mut sums[flat(&shape, &index)];
                    *sum = exact::add(sum, k.at(flat(&k.shape, &at)));
                }
                self.short(Konst::dense(k.elem, shape, sums), span)
            }
            Value::Tensor(t) => {
                let mask = axes.iter().fold(0, |m, a| m | 1 << a);
                let id = self.builder.one(Op::Sum { axes: mask }, &[t.id]);
                self.tensor(id, t.elem, t.since)
            }
            other => other,
        }
    }

    fn list_product(&mut self, args: &Args) -> Value {
        match args.value(0) {
            Value::Const(k) => {
                let Some((inner, outer)) = k.shape.split_last() else { return Value::Const(k) };
                if let Some(number) = k.as_splat() {
                    let exponent = BigRational::from_integer((*inner).into());
                    let same = number.is_one() || number.is_zero() && *inner > 0;
                    let power = if same { Some(number.clone()) } else { exact::pow(number, &exponent, 0) };
                    return match power {
                        Some(power) => self.short(Konst::splat(k.elem, outer.to_vec(), power), args.span),
                        None => self.error(Code::T010, args.span, "this product is too large a number", ""),
                    };
                }
                if !self.weigh(&k, args.span) {
                    return Value::Error;
                }
                let all: Vec<BigRational> = k.iter().cloned().collect();
                let product =
                    |row: &[BigRational]| row.iter().fold(BigRational::one(), |p, n| exact::mul(&p, n));
                let products = all.chunks(*inner).map(product).collect();
                self.short(Konst::dense(k.elem, outer.to_vec(), products), args.span)
            }
            tensor if self.sees_library(library!(math::product)) => {
                self.library(library!(math::product), vec![tensor], args.span)
            }
            other => {
                let found = other.describe();
                self.report(
                    Diagnostic::error(Code::T004, "product is of constants")
                        .at(args.span(0), found)
                        .help("use math::product"),
                );
                Value::Error
            }
        }
    }

    fn shape_list(&mut self, args: &Args) -> Value {
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
