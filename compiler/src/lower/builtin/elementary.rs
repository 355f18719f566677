//! Elementary functions, the larger and the smaller, and choices.

use num_rational::BigRational;
use num_traits::{One, Signed, Zero};
use tern_bytecode::instr::RealUnary;

use super::Args;
use crate::diagnostics::{Code, Diagnostic, Span};
use crate::ir::{Op, Type};
use crate::lower::Lowerer;
use crate::lower::arith::{broadcast_shape, elem_of, shape_of};
use crate::lower::exact;
use crate::lower::value::{Elem, Konst, Tensor, Value, show_shape};
use crate::syntax::ast::BinaryOp;

impl Lowerer<'_> {
    pub(super) fn elementary(&mut self, name: &str, args: &Args<'_>) -> Value {
        match args.value(0) {
            Value::Const(k) => match name {
                "abs" => Value::Const(k.map(k.elem, Signed::abs)),
                "floor" => Value::Const(k.map(Elem::Int, BigRational::floor)),
                "ceil" => Value::Const(k.map(Elem::Int, BigRational::ceil)),
                _ => self.exact_function(name, args),
            },
            Value::Tensor(t) if t.secret() => self.secret_elementary(name, t, args),
            Value::Tensor(t) if t.elem != Elem::Bool => {
                let op = match name {
                    "abs" => RealUnary::Abs,
                    "floor" => RealUnary::Floor,
                    "ceil" => RealUnary::Ceil,
                    "sqrt" => RealUnary::Sqrt,
                    "exp" => RealUnary::Exp,
                    _ => RealUnary::Ln,
                };
                let ty = Type::real(t.ty.shape.clone());
                let x = self.coerce(&Value::Tensor(t.clone()), Elem::Fix, &ty);
                let id = self.builder.one(Op::RealUnary(op), &[x]);
                if matches!(name, "floor" | "ceil") {
                    let id = self.builder.one(Op::RealToInt, &[id]);
                    return self.tensor(id, Elem::Int, None);
                }
                let value = self.tensor(id, Elem::Fix, None);
                if name == "log2" {
                    let ln2 =
                        exact::ln(&BigRational::from_integer(2.into()), 64).unwrap_or_else(BigRational::one);
                    let factor = Value::Const(Konst::scalar(Elem::Fix, ln2.recip()));
                    return self.binary(BinaryOp::Mul, args.span, value, args.span, factor, args.span);
                }
                value
            }
            Value::Record(r) => self.map_record(&r, |l, v| {
                let slots = vec![Some((v, args.span(0)))];
                l.elementary(name, &Args { slots, function: args.function, span: args.span })
            }),
            other => {
                let found = other.describe();
                self.error(Code::T003, args.span(0), format!("{name} of {found}"), "a number is needed")
            }
        }
    }

    pub(super) fn secret_elementary(&mut self, name: &str, t: Tensor, args: &Args<'_>) -> Value {
        let x = Value::Tensor(t);
        match name {
            "abs" => {
                let zero = Value::Const(Konst::splat(Elem::Int, shape_of(&x), BigRational::zero()));
                let negative = self.compare(BinaryOp::Lt, x.clone(), zero, args.span);
                let minus = self.negate(x.clone(), args.span);
                self.choose(negative, minus, x, args.span)
            }
            "floor" | "ceil" => {
                self.report(
                    Diagnostic::error(Code::S006, format!("{name} of a secret"))
                        .at(args.span(0), x.describe())
                        .help("bits(x, a, b) gives its bits"),
                );
                Value::Error
            }
            _ => self.library("math", name, vec![x], args.span),
        }
    }

    /// A function of constants with 4f bits.
    pub(super) fn exact_function(&mut self, name: &str, args: &Args<'_>) -> Value {
        let Value::Const(k) = args.value(0) else {
            let found = args.value(0).describe();
            return self.error(Code::T004, args.span(0), format!("exact::{name} is of constants"), found);
        };
        let bits = 4 * self.frac();
        let f = |n: &BigRational| match name {
            "exp" => exact::exp(n, bits),
            "ln" => exact::ln(n, bits),
            "log2" => exact::log2(n, bits),
            _ => exact::sqrt(n, bits),
        };
        let numbers: Option<Vec<BigRational>> = k.iter().map(f).collect();
        match numbers {
            Some(numbers) => Value::Const(Konst::dense(Elem::Fix, k.shape.clone(), numbers)),
            None => {
                let found = args.value(0).describe();
                self.error(Code::T010, args.span(0), format!("{name} has no value here"), found)
            }
        }
    }

    pub(super) fn extreme(&mut self, name: &str, args: &Args<'_>) -> Value {
        if !args.given(1) {
            return self.library("math", "largest", vec![args.value(0)], args.span);
        }
        let (a, b) = (args.value(0), args.value(1));
        if let (Value::Record(x), Value::Record(y)) = (&a, &b)
            && x.ty == y.ty
        {
            return self.zip_records(x, y, |l, v, other| {
                let slots = vec![Some((v, args.span(0))), Some((other, args.span(1)))];
                l.extreme(name, &Args { slots, function: args.function, span: args.span })
            });
        }
        let op = if name == "min" { BinaryOp::Lt } else { BinaryOp::Gt };
        let first = self.binary(op, args.span, a.clone(), args.span(0), b.clone(), args.span(1));
        self.select_broadcast(first, a, b, args.span)
    }

    pub(super) fn select_broadcast(&mut self, c: Value, a: Value, b: Value, span: Span) -> Value {
        if c.is_error() || a.is_error() || b.is_error() {
            return Value::Error;
        }
        let shapes = [shape_of(&c), shape_of(&a), shape_of(&b)];
        let shape = shapes.iter().try_fold(Vec::new(), |s, t| broadcast_shape(&s, t));
        let Some(shape) = shape else {
            let found: Vec<String> = shapes.iter().map(|s| show_shape(s)).collect();
            return self.error(Code::T008, span, format!("where of shapes {}", found.join(", ")), "");
        };
        if !self.bounded(&shape, span) {
            return Value::Error;
        }
        let [c, a, b] = [c, a, b].map(|v| self.broadcast(v, &shape));
        self.choose(c, a, b, span)
    }

    pub(super) fn where_function(&mut self, args: &Args<'_>) -> Value {
        let c = args.value(0);
        if elem_of(&c) != Elem::Bool || !matches!(c, Value::Const(_) | Value::Tensor(_)) {
            let found = c.describe();
            return self.error(Code::T012, args.span(0), "where chooses by truth values", found);
        }
        let (a, b) = (args.value(1), args.value(2));
        for (i, v) in [(1, &a), (2, &b)] {
            if self.tensor_only(v.clone(), args, i).is_none() {
                return Value::Error;
            }
        }
        if (elem_of(&a) == Elem::Bool) != (elem_of(&b) == Elem::Bool) {
            let (x, y) = (a.describe(), b.describe());
            return self.error(
                Code::T012,
                args.span,
                format!("where of {x} or {y}"),
                "both are truth values, or both are numbers",
            );
        }
        self.select_broadcast(c, a, b, args.span)
    }
}
