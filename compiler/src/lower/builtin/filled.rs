//! Tensors that are filled with something.

use num_rational::BigRational;
use num_traits::{One, Zero};

use super::Args;
use crate::diagnostics::{Code, Diagnostic};
use crate::ir::Op;
use crate::lower::arith::broadcast_shape;
use crate::lower::expr::Want;
use crate::lower::value::{Elem, Konst, Value, show_shape};
use crate::lower::{Lowerer, MAX_LIST};
use crate::syntax::ast::BinaryOp;

impl Lowerer<'_> {
    pub(super) fn filled(&mut self, name: &str, args: &Args<'_>, want: Option<&Want>) -> Value {
        match name {
            "zeros_like" | "ones_like" => {
                let number = if name == "ones_like" { BigRational::one() } else { BigRational::zero() };
                let value = args.value(0);
                let leaves: Vec<Value> = value
                    .leaves()
                    .iter()
                    .map(|leaf| match leaf.shape() {
                        Some(shape) => Value::Const(Konst::splat(Elem::Fix, shape.to_vec(), number.clone())),
                        None => leaf.clone(),
                    })
                    .collect();
                value.with_leaves(&mut leaves.into_iter())
            }
            "linspace" => self.linspace(args),
            _ => {
                let at = usize::from(name == "full");
                let shape = self.shape_or_wanted(name, args, at, want, |error| {
                    let value = if name == "full" { "value, " } else { "" };
                    error.at(args.span, "").help(format!("{name}({value}[…])"))
                });
                let Some(shape) = shape else { return Value::Error };
                let elem = want.and_then(|w| w.elem).unwrap_or(Elem::Fix);
                let value = match name {
                    "zeros" => Value::Const(Konst::scalar(elem, BigRational::zero())),
                    "ones" => Value::Const(Konst::scalar(elem, BigRational::one())),
                    _ => args.value(0),
                };
                if value.shape().and_then(|s| broadcast_shape(s, &shape)).as_ref() != Some(&shape) {
                    let found = value.describe();
                    return self.error(
                        Code::T008,
                        args.span(0),
                        format!("{found} does not fill {}", show_shape(&shape)),
                        "",
                    );
                }
                self.broadcast(value, &shape)
            }
        }
    }

    /// The shape that an argument gives, or else the one that is wanted from outside; without either, an error, completed by `way_out`.
    fn shape_or_wanted(
        &mut self,
        name: &str,
        args: &Args<'_>,
        at: usize,
        want: Option<&Want>,
        way_out: impl FnOnce(Diagnostic) -> Diagnostic,
    ) -> Option<Vec<usize>> {
        if args.given(at) {
            return self.sizes(args, at);
        }
        let wanted = want.and_then(|w| w.shape.clone());
        if wanted.is_none() {
            let error = Diagnostic::error(Code::T018, format!("{name} does not know its shape here"));
            self.report(way_out(error));
        }
        wanted
    }

    pub(super) fn linspace(&mut self, args: &Args<'_>) -> Value {
        let (Value::Const(from), Value::Const(to)) = (args.value(0), args.value(1)) else {
            return self.error(Code::T004, args.span, "linspace is of constants", "");
        };
        let Some(count) = self.size(args, 2) else { return Value::Error };
        if count > MAX_LIST {
            return self.error(
                Code::B001,
                args.span,
                format!("a list of more than {MAX_LIST} constants"),
                "",
            );
        }
        let (Some(a), Some(b)) = (from.number(), to.number()) else {
            return self.error(Code::T004, args.span, "linspace is between two numbers", "");
        };
        let steps = BigRational::from_integer(count.saturating_sub(1).max(1).into());
        let numbers =
            (0..count).map(|i| a + (b - a) * BigRational::from_integer(i.into()) / &steps).collect();
        Value::Const(Konst::dense(Elem::Fix, vec![count], numbers))
    }

    pub(super) fn random(&mut self, name: &str, args: &Args<'_>, want: Option<&Want>) -> Value {
        let at = if name == "random::uniform" { 2 } else { 1 };
        let shape = self.shape_or_wanted(name, args, at, want, |error| error.at(args.span, "give shape=[…]"));
        let Some(shape) = shape else { return Value::Error };
        if name == "random::bernoulli" {
            let uniform = self.builder.one(Op::PublicUniform(shape.clone()), &[]);
            let uniform = self.tensor(uniform, Elem::Fix, None);
            let p = self.broadcast(args.value(0), &shape);
            return self.compare(BinaryOp::Lt, uniform, p, args.span);
        }
        let frac = self.frac();
        let bits = self.builder.one(Op::RandomBits([&[frac as usize], shape.as_slice()].concat()), &[]);
        let word = self.builder.one(Op::Word { compact: true }, &[bits]);
        let unit = self.builder.one(Op::Rescale { frac }, &[word]);
        let unit = self.tensor(unit, Elem::Fix, Some(args.span));
        let (low, high) = (args.value(0), args.value(1));
        let width = self.binary(BinaryOp::Sub, args.span, high, args.span(1), low.clone(), args.span(0));
        let scaled = self.binary(BinaryOp::Mul, args.span, unit, args.span, width, args.span);
        self.binary(BinaryOp::Add, args.span, scaled, args.span, low, args.span(0))
    }
}
