//! Operators: on constants exactly, on public values as doubles and integers, on secrets in fixed point.
//!
//! A product of fixed-point values is followed by a truncation back to the scale; passes move it. A constant factor becomes m·2^-e with
//! as many significant bits as `fix`, or the secret factor, has fraction bits, and is truncated by e.

use std::rc::Rc;

use num_rational::BigRational;
use num_traits::{One, Signed, Zero};
use tern_bytecode::instr::{Axes, Comparison, IntBinary, RealBinary, RealUnary};

use super::Lowerer;
use super::builtin::library::library;
use super::exact;
use super::value::{Elem, Konst, Record, Tensor, Value, flat};
use crate::diagnostics::{Code, Diagnostic, Span};
use crate::ir::{Kind, Op, Type, ValueId};
use crate::syntax::ast::BinaryOp;

/// A comparison of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Relation {
    pub(super) fn operator(self) -> BinaryOp {
        match self {
            Relation::Eq => BinaryOp::Eq,
            Relation::Ne => BinaryOp::Ne,
            Relation::Lt => BinaryOp::Lt,
            Relation::Le => BinaryOp::Le,
            Relation::Gt => BinaryOp::Gt,
            Relation::Ge => BinaryOp::Ge,
        }
    }

    fn holds(self, x: &BigRational, y: &BigRational) -> bool {
        match self {
            Relation::Eq => x == y,
            Relation::Ne => x != y,
            Relation::Lt => x < y,
            Relation::Le => x <= y,
            Relation::Gt => x > y,
            Relation::Ge => x >= y,
        }
    }
}

/// An operation on truth values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Logic {
    And,
    Or,
    Xor,
}

/// Two operands with what messages need.
struct Pair {
    op: BinaryOp,
    span: Span,
    left: Span,
    right: Span,
}

/// What is asked of a division that ends at whole numbers. Both are those of Python: the quotient is rounded down, the remainder has the divisor's sign.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Quotient,
    Remainder,
}

impl<'a> Lowerer<'a> {
    pub(super) fn binary(
        &mut self,
        op: BinaryOp,
        span: Span,
        a: Value,
        left: Span,
        b: Value,
        right: Span,
    ) -> Value {
        let pair = Pair { op, span, left, right };
        match (a, b) {
            (Value::Error, _) | (_, Value::Error) => Value::Error,
            (Value::Text(x), Value::Text(y)) if matches!(op, BinaryOp::Eq | BinaryOp::Ne) => {
                Value::Const(Konst::bool((x == y) == (op == BinaryOp::Eq)))
            }
            (Value::Record(x), Value::Record(y)) => self.records(&pair, &x, &y),
            (Value::Record(x), y @ (Value::Const(_) | Value::Tensor(_))) => {
                self.map_record(&x, |l, v| l.binary(op, span, v, left, y.clone(), right))
            }
            (x @ (Value::Const(_) | Value::Tensor(_)), Value::Record(y)) => {
                self.map_record(&y, |l, v| l.binary(op, span, x.clone(), left, v, right))
            }
            (a @ (Value::Const(_) | Value::Tensor(_)), b @ (Value::Const(_) | Value::Tensor(_))) => {
                let weighed = [&a, &b].iter().all(|v| match v {
                    Value::Const(k) => self.weigh(k, span),
                    _ => true,
                });
                if !weighed {
                    return Value::Error;
                }
                match self.tensors(&pair, a, b) {
                    Value::Const(k) => self.short(k, span),
                    other => other,
                }
            }
            (a, b) => {
                let text = format!("{} and {}", a.describe(), b.describe());
                self.error(Code::T003, span, format!("{} of {text}", op.symbol()), "")
            }
        }
    }

    /// A model with every field changed.
    pub(super) fn map_record(&mut self, r: &Record, mut f: impl FnMut(&mut Self, Value) -> Value) -> Value {
        let fields = r.fields.iter().map(|(n, v)| (n.clone(), f(self, v.clone()))).collect();
        Value::Record(Rc::new(Record { ty: r.ty.clone(), fields }))
    }

    fn records(&mut self, pair: &Pair, x: &Record, y: &Record) -> Value {
        if x.fields.len() != y.fields.len() || x.ty != y.ty {
            let text = format!(
                "{} of {} and {}",
                pair.op.symbol(),
                super::value::show_model(&x.ty),
                super::value::show_model(&y.ty)
            );
            return self.error(Code::T003, pair.span, text, "models of one type go field by field");
        }
        self.zip_records(x, y, |l, v, other| l.binary(pair.op, pair.span, v, pair.left, other, pair.right))
    }

    /// Two models of one type, field by field.
    pub(super) fn zip_records(
        &mut self,
        x: &Record,
        y: &Record,
        mut f: impl FnMut(&mut Self, Value, Value) -> Value,
    ) -> Value {
        let mut others = y.fields.values().cloned();
        self.map_record(x, |l, v| {
            let other = others.next().unwrap_or(Value::Error);
            f(l, v, other)
        })
    }

    fn tensors(&mut self, pair: &Pair, a: Value, b: Value) -> Value {
        let (x, y) = (elem_of(&a), elem_of(&b));
        let boolean = matches!(pair.op, BinaryOp::And | BinaryOp::Or | BinaryOp::Xor);
        let equality = matches!(pair.op, BinaryOp::Eq | BinaryOp::Ne);
        match (x == Elem::Bool, y == Elem::Bool) {
            (true, true) if boolean || equality => {}
            (false, false) if !boolean => {}
            (false, false) if x == Elem::Int && y == Elem::Int && !a.secret() && !b.secret() => {}
            (true, _) | (_, true) if pair.op == BinaryOp::MatMul && !boolean => {}
            _ => return self.not_a_number(pair, &a, &b),
        }
        match pair.op {
            BinaryOp::MatMul => self.matmul(a, b, pair.span),
            BinaryOp::Add | BinaryOp::Sub => self.aligned(pair, a, b, |l, a, b| l.sum(pair, a, b)),
            BinaryOp::Mul => self.aligned(pair, a, b, |l, a, b| l.product(a, b, pair.span)),
            BinaryOp::Div => self.aligned(pair, a, b, |l, a, b| l.quotient(pair, a, b)),
            BinaryOp::Rem => {
                self.aligned(pair, a, b, |l, a, b| l.whole_division(Part::Remainder, pair, a, b))
            }
            BinaryOp::Pow => self.power(pair, a, b),
            BinaryOp::Eq => self.relation(pair, Relation::Eq, a, b),
            BinaryOp::Ne => self.relation(pair, Relation::Ne, a, b),
            BinaryOp::Lt => self.relation(pair, Relation::Lt, a, b),
            BinaryOp::Le => self.relation(pair, Relation::Le, a, b),
            BinaryOp::Gt => self.relation(pair, Relation::Gt, a, b),
            BinaryOp::Ge => self.relation(pair, Relation::Ge, a, b),
            BinaryOp::And => self.aligned(pair, a, b, |l, a, b| l.logic(Logic::And, a, b)),
            BinaryOp::Or => self.aligned(pair, a, b, |l, a, b| l.logic(Logic::Or, a, b)),
            BinaryOp::Xor => self.aligned(pair, a, b, |l, a, b| l.logic(Logic::Xor, a, b)),
            BinaryOp::Shl | BinaryOp::Shr => self.shift(pair, a, b),
        }
    }

    fn relation(&mut self, pair: &Pair, relation: Relation, a: Value, b: Value) -> Value {
        self.aligned(pair, a, b, |l, a, b| l.compare(relation, a, b, pair.span))
    }

    fn not_a_number(&mut self, pair: &Pair, a: &Value, b: &Value) -> Value {
        let symbol = pair.op.symbol();
        let (bool_span, other_span, secret) = if elem_of(a) == Elem::Bool {
            (pair.left, pair.right, a.secret())
        } else {
            (pair.right, pair.left, b.secret())
        };
        if matches!(pair.op, BinaryOp::And | BinaryOp::Or | BinaryOp::Xor) {
            let (x, y) = (a.describe(), b.describe());
            let mut error = Diagnostic::error(Code::T012, format!("{symbol} of {x} and {y}"))
                .at(pair.span, "both must be truth values");
            if pair.op == BinaryOp::Xor {
                let [x, y] = [pair.left, pair.right].map(|span| self.sources.text(span));
                error = error.help(format!("a power: {x} ** {y}"));
            }
            self.report(error);
            return Value::Error;
        }
        let bool_text = unwrapped(self.sources.text(bool_span)).to_string();
        let other = self.sources.text(other_span).to_string();
        let label = if secret {
            "secret bool: turning it into a number costs 3 ring elements and 2 rounds per element"
        } else {
            "bool"
        };
        let mut error = Diagnostic::error(Code::T011, "a bool is not a number").at(bool_span, label);
        if pair.op == BinaryOp::Mul {
            error = error.help(format!("where({bool_text}, {other}, 0)"));
        }
        self.report(error.help(format!("on purpose: fix({bool_text})")));
        Value::Error
    }

    // ---- shapes

    /// Broadcasts both operands to one shape, then applies `f`; on constants that are both known, elements are combined by the caller.
    fn aligned(
        &mut self,
        pair: &Pair,
        a: Value,
        b: Value,
        f: impl FnOnce(&mut Self, Value, Value) -> Value,
    ) -> Value {
        let (x, y) = (shape_of(&a), shape_of(&b));
        let Some(shape) = self.common_shape(&x, &y, pair) else { return Value::Error };
        let a = self.broadcast(a, &shape);
        let b = self.broadcast(b, &shape);
        if a.is_error() || b.is_error() { Value::Error } else { f(self, a, b) }
    }

    /// The shape to which both broadcast. Both are stretched only where that is meant: a new axis is written in the operation, or there are
    /// as many axes on both sides. A column less a row of the same numbers is a slip otherwise, of which there are n² results.
    fn common_shape(&mut self, x: &[usize], y: &[usize], pair: &Pair) -> Option<Vec<usize>> {
        let (left, right) = (pair.left, pair.right);
        match broadcast_shape(x, y) {
            Some(shape) if same_shape(&shape, x) || same_shape(&shape, y) => Some(shape),
            Some(shape) if self.opened || x.len() == y.len() => {
                if self.bounded(&shape, pair.span) {
                    Some(shape)
                } else {
                    None
                }
            }
            Some(shape) => {
                self.stretches_both(x, y, &shape, pair);
                None
            }
            None => {
                let (a, b) = (super::value::show_shape(x), super::value::show_shape(y));
                self.report(
                    Diagnostic::error(Code::T008, format!("{} of shapes {a} and {b}", pair.op.symbol()))
                        .at(pair.span, "sizes are equal or 1, counted from the right")
                        .label(left, a)
                        .label(right, b),
                );
                None
            }
        }
    }

    fn stretches_both(&mut self, x: &[usize], y: &[usize], shape: &[usize], pair: &Pair) {
        let [a, b, result] = [x, y, shape].map(super::value::show_shape);
        let (shorter, few, many) = if x.len() < y.len() { (pair.left, x, y) } else { (pair.right, y, x) };
        let text = unwrapped(self.sources.text(shorter)).to_string();
        let text = if text.contains(' ') { format!("({text})") } else { text };
        let mut error =
            Diagnostic::error(Code::T009, format!("{} stretches both sides, {a} and {b}", pair.op.symbol()))
                .at(pair.span, format!("the result would be {result}"))
                .label(pair.left, a)
                .label(pair.right, b);
        if many.len() == few.len() + 1 && many[..few.len()] == *few {
            error = error.help(format!("each with its own:  {text}[.., None]"));
        }
        let new = "None, ".repeat(many.len() - few.len());
        self.report(error.help(format!("each with all:  {text}[{new}..]")));
    }

    /// Stretches a value to a shape that it broadcasts to.
    pub(super) fn broadcast(&mut self, value: Value, shape: &[usize]) -> Value {
        if value.shape().is_some_and(|own| same_shape(own, shape)) {
            return value;
        }
        match value {
            Value::Const(k) => {
                let span = self.builder.origin.inner;
                if k.as_splat().is_none() && !self.listable(shape, span) {
                    return Value::Error;
                }
                let from = k.shape.clone();
                let offset = shape.len() - from.len();
                let source = move |at: &[usize]| {
                    let index: Vec<usize> = from
                        .iter()
                        .enumerate()
                        .map(|(i, s)| if *s == 1 { 0 } else { at[offset + i] })
                        .collect();
                    flat(&from, &index)
                };
                Value::Const(k.picked(shape.to_vec(), source))
            }
            Value::Tensor(t) => {
                let mut full = vec![1; shape.len() - t.ty.shape.len()];
                full.extend(&t.ty.shape);
                let id = if full == t.ty.shape {
                    t.id
                } else {
                    self.builder.one(Op::Reshape(full.clone()), &[t.id])
                };
                let id =
                    if full == shape { id } else { self.builder.one(Op::Broadcast(shape.to_vec()), &[id]) };
                self.tensor(id, t.elem, t.since)
            }
            other => other,
        }
    }

    // ---- sums

    fn sum(&mut self, pair: &Pair, a: Value, b: Value) -> Value {
        let minus = pair.op == BinaryOp::Sub;
        if let (Value::Const(x), Value::Const(y)) = (&a, &b) {
            let elem = number_elem(x.elem, y.elem);
            return Value::Const(zip(x, y, elem, if minus { exact::sub } else { exact::add }));
        }
        // x + 0 and x - 0
        match (&a, &b) {
            (Value::Tensor(t), Value::Const(k))
                if k.is_zero() && (t.elem == Elem::Fix || k.elem == Elem::Int) =>
            {
                return a;
            }
            (Value::Const(k), Value::Tensor(t))
                if k.is_zero() && !minus && (t.elem == Elem::Fix || k.elem == Elem::Int) =>
            {
                return b;
            }
            _ => {}
        }
        let elem = joined_elem(&a, &b);
        if !a.secret() && !b.secret() {
            let (int, real) =
                if minus { (IntBinary::Sub, RealBinary::Sub) } else { (IntBinary::Add, RealBinary::Add) };
            return self.public_binary(&a, &b, elem, int, real);
        }
        let since = a.secret_since().or(b.secret_since()).flatten();
        let frac = self.common_frac(&a, &b, elem);
        let (x, y) = (self.ring(&a, elem, frac), self.ring(&b, elem, frac));
        let id = self.builder.one(if minus { Op::Sub } else { Op::Add }, &[x, y]);
        self.tensor(id, elem, since)
    }

    /// The scale in which two numbers are added or compared.
    fn common_frac(&self, a: &Value, b: &Value, elem: Elem) -> u32 {
        let scale = |v: &Value| match v {
            Value::Tensor(t) if t.secret() && t.elem == Elem::Fix => Some(t.ty.frac),
            _ => None,
        };
        match elem {
            Elem::Fix => scale(a).max(scale(b)).unwrap_or(self.frac()),
            Elem::Int | Elem::Bool => 0,
        }
    }

    /// A number as ring elements of a scale: secrets stay shared, public values and constants become plain.
    fn ring(&mut self, value: &Value, elem: Elem, frac: u32) -> ValueId {
        let shape = shape_of(value);
        match value {
            Value::Tensor(t) if t.secret() => self.coerce(value, elem, &Type::shared(frac, shape)),
            _ => self.coerce(value, elem, &Type::plain(frac, shape)),
        }
    }

    fn public_binary(&mut self, a: &Value, b: &Value, elem: Elem, int: IntBinary, real: RealBinary) -> Value {
        let shape = shape_of(a);
        let id = if elem == Elem::Int {
            let ty = Type::int(shape);
            let (x, y) = (self.coerce(a, elem, &ty), self.coerce(b, elem, &ty));
            self.builder.one(Op::IntBinary(int), &[x, y])
        } else {
            let ty = Type::real(shape);
            let (x, y) = (self.coerce(a, elem, &ty), self.coerce(b, elem, &ty));
            self.builder.one(Op::RealBinary(real), &[x, y])
        };
        self.tensor(id, elem, None)
    }

    pub(super) fn negate(&mut self, value: Value, span: Span) -> Value {
        match value {
            Value::Const(k) if k.elem != Elem::Bool => Value::Const(k.map(k.elem, |n| -n)),
            Value::Tensor(t) if t.elem == Elem::Bool => {
                self.error(Code::T011, span, "a bool is not a number", "bool")
            }
            Value::Tensor(t) => {
                let id = match t.ty.kind {
                    Kind::Real => self.builder.one(Op::RealUnary(RealUnary::Neg), &[t.id]),
                    Kind::Int => {
                        let zero = self.constant(&Konst::int(0), t.ty.clone());
                        self.builder.one(Op::IntBinary(IntBinary::Sub), &[zero, t.id])
                    }
                    Kind::Plain | Kind::Shared | Kind::Additive | Kind::Bit | Kind::Half => {
                        self.builder.one(Op::Neg, &[t.id])
                    }
                };
                self.tensor(id, t.elem, t.since)
            }
            Value::Record(r) => self.map_record(&r, |l, v| l.negate(v, span)),
            Value::Error => Value::Error,
            other => {
                let found = other.describe();
                self.error(Code::T003, span, format!("- of {found}"), "")
            }
        }
    }

    // ---- products

    /// Element-wise product of operands of one shape.
    pub(super) fn product(&mut self, a: Value, b: Value, span: Span) -> Value {
        match (a, b) {
            (Value::Const(x), Value::Const(y)) => {
                Value::Const(zip(&x, &y, number_elem(x.elem, y.elem), exact::mul))
            }
            (Value::Tensor(t), Value::Const(k)) | (Value::Const(k), Value::Tensor(t)) if t.secret() => {
                self.times_constant(t, &k, span)
            }
            (Value::Tensor(x), Value::Tensor(y)) if x.secret() && y.secret() => self.secret_product(x, y),
            (Value::Tensor(s), p) | (p, Value::Tensor(s)) if s.secret() => self.times_public(s, p),
            (a, b) => {
                let elem = joined_elem(&a, &b);
                self.public_binary(&a, &b, elem, IntBinary::Mul, RealBinary::Mul)
            }
        }
    }

    fn secret_product(&mut self, x: Tensor, y: Tensor) -> Value {
        let id = self.builder.one(Op::Mul, &[x.id, y.id]);
        self.rescaled(id, &[&x, &y])
    }

    /// Truncates a product of fixed-point factors back to the largest of their scales.
    fn rescaled(&mut self, id: ValueId, factors: &[&Tensor]) -> Value {
        let since = factors.iter().find(|t| t.secret()).and_then(|t| t.since);
        let elem = if factors.iter().any(|t| t.elem == Elem::Fix) { Elem::Fix } else { Elem::Int };
        let target = factors.iter().map(|t| t.ty.frac).max().unwrap_or(0);
        let excess = self.builder.ty(id).frac - target;
        let id = if excess == 0 { id } else { self.builder.one(Op::Trunc { bits: excess }, &[id]) };
        self.tensor(id, elem, since)
    }

    fn times_public(&mut self, s: Tensor, p: Value) -> Value {
        let whole = elem_of(&p) != Elem::Fix;
        let frac = if whole { 0 } else { self.frac() };
        let factor = self.coerce(&p, elem_of(&p), &Type::plain(frac, shape_of(&p)));
        let id = self.builder.one(Op::Mul, &[s.id, factor]);
        let elem = if whole { s.elem } else { Elem::Fix };
        let target = if s.elem == Elem::Int && !whole { 0 } else { s.ty.frac };
        let excess = self.builder.ty(id).frac - target;
        // an int times a public fraction has the fraction's scale: nothing to take away
        let id = if excess == 0 || (s.elem == Elem::Int && !whole) {
            id
        } else {
            self.builder.one(Op::Trunc { bits: excess }, &[id])
        };
        self.tensor(id, elem, s.since)
    }

    /// A secret times a constant, truncated once by the exponent of the constant.
    pub(super) fn times_constant(&mut self, t: Tensor, k: &Konst, span: Span) -> Value {
        if k.is_zero() {
            return Value::Const(Konst::splat(k.elem, t.ty.shape.clone(), BigRational::zero()));
        }
        if k.as_splat().is_some_and(One::is_one) {
            return Value::Tensor(t);
        }
        if k.as_splat().is_some_and(|n| (-n).is_one()) {
            return self.negate(Value::Tensor(t), span);
        }
        let exponent = factor_exponent(k, self.frac().max(t.ty.frac));
        let factor = self.constant(k, Type::plain(exponent, t.ty.shape.clone()));
        let id = self.builder.one(Op::Mul, &[t.id, factor]);
        if t.elem == Elem::Int && exponent > 0 {
            // whole numbers become fix: bring the product to the program's scale
            let frac = self.frac();
            let id = match exponent.cmp(&frac) {
                std::cmp::Ordering::Less => self.builder.one(Op::Raise { bits: frac - exponent }, &[id]),
                std::cmp::Ordering::Equal => id,
                std::cmp::Ordering::Greater => self.builder.one(Op::Trunc { bits: exponent - frac }, &[id]),
            };
            return self.tensor(id, Elem::Fix, t.since);
        }
        let id = if exponent == 0 { id } else { self.builder.one(Op::Trunc { bits: exponent }, &[id]) };
        let elem = if t.elem == Elem::Int && k.elem == Elem::Int { Elem::Int } else { t.elem };
        self.tensor(id, elem, t.since)
    }

    fn quotient(&mut self, pair: &Pair, a: Value, b: Value) -> Value {
        match (a, b) {
            (_, Value::Const(k)) if k.occurring().any(Zero::is_zero) => {
                self.error(Code::T010, pair.right, "division by zero", "this is 0")
            }
            (Value::Const(x), Value::Const(y)) => {
                let quotient = zip(&x, &y, Elem::Fix, exact::div);
                let whole = x.elem == Elem::Int
                    && y.elem == Elem::Int
                    && quotient.occurring().all(BigRational::is_integer);
                Value::Const(if whole { quotient.into_elem(Elem::Int) } else { quotient })
            }
            (Value::Tensor(t), Value::Const(k)) if t.secret() => {
                let inverse = k.map(Elem::Fix, |n| n.recip());
                self.times_constant(t, &inverse, pair.span)
            }
            (a, Value::Tensor(t)) if a.secret() && t.secret() && a.shape() == Some(&t.ty.shape[..]) => {
                self.library(library!(math::divide), vec![a, Value::Tensor(t)], pair.span)
            }
            // A divisor that is stretched is inverted before.
            (a, Value::Tensor(t)) if t.secret() => {
                let inverse = self.library(library!(math::reciprocal), vec![Value::Tensor(t)], pair.span);
                self.binary(BinaryOp::Mul, pair.span, a, pair.left, inverse, pair.right)
            }
            (a, b) if a.secret() => {
                let one = Value::Const(Konst::splat(Elem::Fix, shape_of(&b), BigRational::one()));
                let inverse = self.public_binary(&one, &b, Elem::Fix, IntBinary::Div, RealBinary::Div);
                self.product(a, inverse, pair.span)
            }
            (a, b) => self.public_binary(&a, &b, Elem::Fix, IntBinary::Div, RealBinary::Div),
        }
    }

    /// A part of a division that ends at whole numbers, of operands of one shape.
    fn whole_division(&mut self, part: Part, pair: &Pair, a: Value, b: Value) -> Value {
        match (a, b) {
            (_, Value::Const(k)) if k.occurring().any(Zero::is_zero) => {
                self.error(Code::T010, pair.right, "division by zero", "this is 0")
            }
            (Value::Const(x), Value::Const(y)) => Value::Const(match part {
                Part::Quotient => zip(&x, &y, Elem::Int, |a, b| (a / b).floor()),
                Part::Remainder => zip(&x, &y, number_elem(x.elem, y.elem), |a, b| a - b * (a / b).floor()),
            }),
            (a, b) if (a.secret() || b.secret()) && is_whole(&a) && is_whole(&b) && several(&b) => {
                let function = match part {
                    Part::Quotient => library!(math::quotient_by),
                    Part::Remainder => library!(math::remainder_by),
                };
                self.library(function, vec![a, b], pair.span)
            }
            (a, b) if a.secret() || b.secret() => {
                let Some(divisor) = self.known_divisor(pair, &a, &b) else { return Value::Error };
                let function = match (part, is_whole(&a) && is_whole(&divisor)) {
                    (Part::Quotient, true) => library!(math::quotient),
                    (Part::Quotient, false) => library!(math::quotient_of_fix),
                    (Part::Remainder, true) => library!(math::remainder),
                    (Part::Remainder, false) => library!(math::remainder_of_fix),
                };
                self.library(function, vec![a, divisor], pair.span)
            }
            (a, b) if joined_elem(&a, &b) == Elem::Int => {
                let op = match part {
                    Part::Quotient => IntBinary::Div,
                    Part::Remainder => IntBinary::Rem,
                };
                self.public_binary(&a, &b, Elem::Int, op, RealBinary::Div)
            }
            (a, b) => {
                let quotient = self.public_binary(&a, &b, Elem::Fix, IntBinary::Div, RealBinary::Div);
                let whole = self.public_floor(&quotient);
                if part == Part::Quotient {
                    return whole;
                }
                let multiple = self.public_binary(&whole, &b, Elem::Fix, IntBinary::Mul, RealBinary::Mul);
                self.public_binary(&a, &multiple, Elem::Fix, IntBinary::Sub, RealBinary::Sub)
            }
        }
    }

    /// `div(a, b)`
    pub(super) fn divide_whole(
        &mut self,
        span: Span,
        (a, left): (Value, Span),
        (b, right): (Value, Span),
    ) -> Value {
        let pair = Pair { op: BinaryOp::Div, span, left, right };
        self.aligned(&pair, a, b, |l, a, b| l.whole_division(Part::Quotient, &pair, a, b))
    }

    /// The one constant by which a secret is divided without a remainder beyond it; reports what else there is.
    fn known_divisor(&mut self, pair: &Pair, a: &Value, b: &Value) -> Option<Value> {
        match b {
            Value::Const(k) if k.as_splat().is_some() => k.as_splat().map(|n| {
                let elem = if n.is_integer() { Elem::Int } else { k.elem };
                Value::Const(Konst::scalar(elem, n.clone()))
            }),
            _ => {
                let what =
                    if a.secret() { "a secret is divided by one constant here" } else { "a secret divisor" };
                let error = Diagnostic::error(Code::T004, what).at(pair.right, b.describe());
                let (x, y) = (self.sources.text(pair.left), self.sources.text(pair.right));
                let error = error.help(format!("floor({x} / {y}), within the accuracy of the quotient"));
                self.report(error);
                None
            }
        }
    }

    fn public_floor(&mut self, x: &Value) -> Value {
        let ty = Type::real(shape_of(x));
        let id = self.coerce(x, Elem::Fix, &ty);
        let floor = self.builder.one(Op::RealUnary(RealUnary::Floor), &[id]);
        let id = self.builder.one(Op::RealToInt, &[floor]);
        self.tensor(id, Elem::Int, None)
    }

    fn power(&mut self, pair: &Pair, a: Value, b: Value) -> Value {
        let bits = 4 * self.frac();
        match (&a, &b) {
            (Value::Const(x), Value::Const(y)) => {
                let Some(shape) = self.common_shape(&x.shape.clone(), &y.shape.clone(), pair) else {
                    return Value::Error;
                };
                let (Value::Const(x), Value::Const(y)) =
                    (self.broadcast(a, &shape), self.broadcast(b, &shape))
                else {
                    return Value::Error;
                };
                let whole = x.elem == Elem::Int && y.occurring().all(|n| n.is_integer() && !n.is_negative());
                let elem = if whole { Elem::Int } else { Elem::Fix };
                match try_zip(&x, &y, elem, |x, y| exact::pow(x, y, bits)) {
                    Some(power) => Value::Const(power),
                    None => {
                        self.error(Code::T010, pair.span, "this power is no number, or too large a one", "")
                    }
                }
            }
            (Value::Tensor(t), Value::Const(k)) if t.secret() => match k.whole() {
                Some(n) if (1..=64).contains(&n) => self.whole_power(a.clone(), n as u32, pair.span),
                _ => {
                    self.error(Code::T010, pair.right, "a secret has whole powers from 1 to 64", b.describe())
                }
            },
            (_, _) if !a.secret() && !b.secret() => self.aligned(pair, a, b, |l, a, b| {
                l.public_binary(&a, &b, Elem::Fix, IntBinary::Mul, RealBinary::Pow)
            }),
            (_, _) => self.error(Code::T010, pair.right, "an exponent is public", b.describe()),
        }
    }

    /// x^n with as few levels of products as possible.
    fn whole_power(&mut self, x: Value, n: u32, span: Span) -> Value {
        if n == 1 {
            return x;
        }
        let half = self.whole_power(x.clone(), n / 2, span);
        let rest = if n.is_multiple_of(2) { half.clone() } else { self.whole_power(x, n - n / 2, span) };
        self.product(half, rest, span)
    }

    fn shift(&mut self, pair: &Pair, a: Value, b: Value) -> Value {
        let places = match &b {
            Value::Const(k) => k.whole().filter(|n| (0..=512).contains(n)),
            _ => None,
        };
        let Some(places) = places else {
            return self.error(Code::T004, pair.right, "a shift is by a constant", b.describe());
        };
        let left = pair.op == BinaryOp::Shl;
        if let (Value::Const(k), false) = (&a, left)
            && k.elem == Elem::Int
        {
            return Value::Const(k.map(Elem::Int, |n| (n * exact::pow2(-places)).floor()));
        }
        let factor = Konst::splat(Elem::Int, shape_of(&a), exact::pow2(if left { places } else { -places }));
        let factor = if left { factor } else { factor.into_elem(Elem::Fix) };
        self.product(a, Value::Const(factor), pair.span)
    }

    // ---- comparisons and truth values

    /// Comparison of operands of one shape.
    pub(super) fn compare(&mut self, op: Relation, a: Value, b: Value, span: Span) -> Value {
        if let (Value::Const(x), Value::Const(y)) = (&a, &b) {
            return Value::Const(zip(x, y, Elem::Bool, |x, y| truth(op.holds(x, y))));
        }
        if elem_of(&a) == Elem::Bool {
            let differ = self.logic(Logic::Xor, a, b);
            return if op == Relation::Ne { differ } else { self.complement(differ, span) };
        }
        if !a.secret() && !b.secret() {
            return self.public_compare(op, &a, &b);
        }
        match op {
            Relation::Lt => self.less(a, b),
            Relation::Gt => self.less(b, a),
            Relation::Ge => {
                let less = self.less(a, b);
                self.complement(less, span)
            }
            Relation::Le => {
                let more = self.less(b, a);
                self.complement(more, span)
            }
            Relation::Eq | Relation::Ne => {
                let less = self.less(a.clone(), b.clone());
                let more = self.less(b, a);
                let differ = self.logic(Logic::Xor, less, more);
                if op == Relation::Ne { differ } else { self.complement(differ, span) }
            }
        }
    }

    fn public_compare(&mut self, op: Relation, a: &Value, b: &Value) -> Value {
        let elem = joined_elem(a, b);
        let ty = if elem == Elem::Fix { Type::real(shape_of(a)) } else { Type::int(shape_of(a)) };
        let (x, y) = (self.coerce(a, elem, &ty), self.coerce(b, elem, &ty));
        let (op, x, y) = match op {
            Relation::Lt => (Comparison::Lt, x, y),
            Relation::Gt => (Comparison::Lt, y, x),
            Relation::Le => (Comparison::Le, x, y),
            Relation::Ge => (Comparison::Le, y, x),
            Relation::Eq => (Comparison::Eq, x, y),
            Relation::Ne => (Comparison::Ne, x, y),
        };
        let id = self.builder.one(Op::Compare(op), &[x, y]);
        self.tensor(id, Elem::Bool, None)
    }

    /// a < b on secrets: the sign of a - b.
    fn less(&mut self, a: Value, b: Value) -> Value {
        let elem = joined_elem(&a, &b);
        let since = a.secret_since().or(b.secret_since()).flatten();
        let frac = self.common_frac(&a, &b, elem);
        let difference = match (&a, &b) {
            (_, Value::Const(k)) if k.is_zero() => self.ring(&a, elem, frac),
            (Value::Const(k), _) if k.is_zero() => {
                let y = self.ring(&b, elem, frac);
                self.builder.one(Op::Neg, &[y])
            }
            _ => {
                let (x, y) = (self.ring(&a, elem, frac), self.ring(&b, elem, frac));
                self.builder.one(Op::Sub, &[x, y])
            }
        };
        let id = self.builder.one(Op::Sign { width: 0 }, &[difference]);
        self.tensor(id, Elem::Bool, since)
    }

    pub(super) fn complement(&mut self, value: Value, span: Span) -> Value {
        match value {
            Value::Const(k) if k.elem == Elem::Bool => {
                Value::Const(k.map(Elem::Bool, |n| BigRational::one() - n))
            }
            Value::Tensor(t) if t.elem == Elem::Bool && t.secret() => {
                let id = self.builder.one(Op::Not, &[t.id]);
                self.tensor(id, Elem::Bool, t.since)
            }
            Value::Tensor(t) if t.elem == Elem::Bool => {
                let one = self.constant(&Konst::int(1), t.ty.clone());
                let id = self.builder.one(Op::IntBinary(IntBinary::Xor), &[t.id, one]);
                self.tensor(id, Elem::Bool, None)
            }
            Value::Error => Value::Error,
            other => {
                let found = other.describe();
                self.error(Code::T012, span, format!("! of {found}"), "must be a truth value")
            }
        }
    }

    /// And, or, exclusive or of truth values of one shape (also of public integers, bit by bit).
    pub(super) fn logic(&mut self, op: Logic, a: Value, b: Value) -> Value {
        match (a, b) {
            (Value::Error, _) | (_, Value::Error) => Value::Error,
            (Value::Const(x), Value::Const(y)) => Value::Const(zip(&x, &y, Elem::Bool, |x, y| {
                let (x, y) = (!x.is_zero(), !y.is_zero());
                truth(match op {
                    Logic::And => x && y,
                    Logic::Or => x || y,
                    Logic::Xor => x != y,
                })
            })),
            (Value::Tensor(t), Value::Const(k)) | (Value::Const(k), Value::Tensor(t))
                if k.as_splat().is_some() =>
            {
                let set = !k.is_zero();
                let shape = t.ty.shape.clone();
                match (op, set) {
                    (Logic::And, true) | (Logic::Or | Logic::Xor, false) => Value::Tensor(t),
                    (Logic::And, false) => Value::Const(Konst::splat(Elem::Bool, shape, BigRational::zero())),
                    (Logic::Or, true) => Value::Const(Konst::splat(Elem::Bool, shape, BigRational::one())),
                    (Logic::Xor, true) => {
                        let span = self.builder.origin.inner;
                        self.complement(Value::Tensor(t), span)
                    }
                }
            }
            (Value::Tensor(x), Value::Tensor(y)) if x.secret() && y.secret() => self.secret_logic(op, x, y),
            (Value::Tensor(s), p) | (p, Value::Tensor(s)) if s.secret() => self.half_public_logic(op, s, p),
            (a, b) => {
                let ty = Type::int(shape_of(&a));
                let elem = elem_of(&a);
                let (x, y) = (self.coerce(&a, elem, &ty), self.coerce(&b, elem, &ty));
                let op = match op {
                    Logic::And => IntBinary::And,
                    Logic::Or => IntBinary::Or,
                    Logic::Xor => IntBinary::Xor,
                };
                let id = self.builder.one(Op::IntBinary(op), &[x, y]);
                self.tensor(id, elem, None)
            }
        }
    }

    fn secret_logic(&mut self, op: Logic, x: Tensor, y: Tensor) -> Value {
        let id = match op {
            Logic::And => self.builder.one(Op::And, &[x.id, y.id]),
            Logic::Or => {
                let both = self.builder.one(Op::And, &[x.id, y.id]);
                let differ = self.builder.one(Op::Xor, &[x.id, y.id]);
                self.builder.one(Op::Xor, &[differ, both])
            }
            Logic::Xor => self.builder.one(Op::Xor, &[x.id, y.id]),
        };
        self.tensor(id, Elem::Bool, x.since.or(y.since))
    }

    fn half_public_logic(&mut self, op: Logic, s: Tensor, p: Value) -> Value {
        let public = self.coerce(&p, Elem::Bool, &Type::int(shape_of(&p)));
        let id = match op {
            Logic::And => self.builder.one(Op::AndPublic, &[s.id, public]),
            Logic::Xor => {
                let bits = self.builder.one(Op::PromoteBits, &[public]);
                self.builder.one(Op::Xor, &[s.id, bits])
            }
            Logic::Or => {
                // s | p = s ^ p ^ (s & p)
                let both = self.builder.one(Op::AndPublic, &[s.id, public]);
                let bits = self.builder.one(Op::PromoteBits, &[public]);
                let differ = self.builder.one(Op::Xor, &[s.id, bits]);
                self.builder.one(Op::Xor, &[differ, both])
            }
        };
        self.tensor(id, Elem::Bool, s.since)
    }

    // ---- choice

    /// `where(c, a, b)` on operands of one shape.
    pub(super) fn choose(&mut self, c: Value, a: Value, b: Value, span: Span) -> Value {
        match (&c, &a, &b) {
            (Value::Const(k), _, _) if k.as_splat().is_some() => {
                let elem = joined_elem(&a, &b);
                let chosen = if k.is_zero() { b } else { a };
                return match chosen {
                    Value::Const(k) if k.elem != Elem::Bool => Value::Const(k.into_elem(elem)),
                    other => other,
                };
            }
            (Value::Const(k), Value::Const(x), Value::Const(y)) => {
                let elem = number_elem(x.elem, y.elem);
                let numbers = (0..k.len())
                    .map(|i| if k.at(i).is_zero() { y.at(i).clone() } else { x.at(i).clone() })
                    .collect();
                return Value::Const(Konst::dense(
                    if x.elem == Elem::Bool { Elem::Bool } else { elem },
                    k.shape.clone(),
                    numbers,
                ));
            }
            _ => {}
        }
        if elem_of(&a) == Elem::Bool {
            // b ^ (c & (a ^ b))
            let differ = self.logic(Logic::Xor, a, b.clone());
            let part = self.logic(Logic::And, c, differ);
            return self.logic(Logic::Xor, part, b);
        }
        match &c {
            Value::Tensor(t) if t.secret() => {
                let t = t.clone();
                self.secret_choice(t, a, b, span)
            }
            _ if a.secret() || b.secret() => self.public_choice(c, a, b, span),
            _ => {
                let elem = joined_elem(&a, &b);
                let ty = if elem == Elem::Fix { Type::real(shape_of(&a)) } else { Type::int(shape_of(&a)) };
                let cond = self.coerce(&c, Elem::Bool, &Type::int(shape_of(&c)));
                let (x, y) = (self.coerce(&a, elem, &ty), self.coerce(&b, elem, &ty));
                let id = self.builder.one(Op::Choose, &[cond, x, y]);
                self.tensor(id, elem, None)
            }
        }
    }

    /// By a public mask: mask · a + (1 - mask) · b. Everybody knows the mask, so nothing travels; a - b, which would save a product, is
    /// beyond the contract for numbers at its two ends.
    fn public_choice(&mut self, c: Value, a: Value, b: Value, span: Span) -> Value {
        let mask = match c {
            Value::Const(k) => Value::Const(k.into_elem(Elem::Int)),
            Value::Tensor(t) => Value::Tensor(Tensor { elem: Elem::Int, ..t }),
            other => other,
        };
        let pair = |op| Pair { op, span, left: span, right: span };
        let zero = |value: &Value| matches!(value, Value::Const(k) if k.is_zero());
        if zero(&b) {
            return self.product(a, mask, span);
        }
        let one = Value::Const(Konst::splat(Elem::Int, shape_of(&mask), BigRational::one()));
        let others = self.sum(&pair(BinaryOp::Sub), one, mask.clone());
        let other = self.product(b, others, span);
        if zero(&a) {
            return other;
        }
        let part = self.product(a, mask, span);
        self.sum(&pair(BinaryOp::Add), part, other)
    }

    /// By a secret bit: b + bit · (a - b); a difference of constants needs only the bit as a number.
    fn secret_choice(&mut self, c: Tensor, a: Value, b: Value, span: Span) -> Value {
        let pair = |op| Pair { op, span, left: span, right: span };
        let elem = joined_elem(&a, &b);
        let since = c.since.or(a.secret_since().flatten()).or(b.secret_since().flatten());
        let difference = self.sum(&pair(BinaryOp::Sub), a, b.clone());
        let part = match difference {
            Value::Const(k) => {
                let frac = if elem == Elem::Fix { self.frac() } else { 0 };
                let bit = self.bit_to_number(&c, 0);
                let factor = self.constant(&k, Type::plain(frac, k.shape.clone()));
                let id = self.builder.one(Op::Mul, &[bit, factor]);
                let id = self.chosen_constant(id);
                self.tensor(id, elem, since)
            }
            difference => {
                let frac = self.common_frac(&difference, &difference, elem);
                let value = self.coerce(&difference, elem, &Type::shared(frac, shape_of(&difference)));
                let id = self.builder.one(Op::Select { keep: false, additive: false }, &[c.id, value]);
                self.tensor(id, elem, since)
            }
        };
        self.sum(&pair(BinaryOp::Add), part, b)
    }

    /// A number that is chosen by a bit, for derivatives a constant: here the program asked for a choice, and that has none.
    fn chosen_constant(&mut self, id: ValueId) -> ValueId {
        let ty = Type::shared(self.frac(), self.builder.ty(id).shape.clone());
        self.builder.enter(&[ty]);
        let rule = self.builder.leave(Vec::new());
        let none = Op::Custom { values: 1, wants: vec![false] };
        match self.builder.push_with(none, &[id, id], vec![rule]).as_deref() {
            Ok([marked]) => *marked,
            _ => id,
        }
    }

    // ---- matrix products

    /// `a @ b`: the last axis of a with the last but one of b (or its only one).
    pub(super) fn matmul(&mut self, a: Value, b: Value, span: Span) -> Value {
        let (x, y) = (shape_of(&a), shape_of(&b));
        if x.is_empty() || y.is_empty() {
            return self.error(Code::T008, span, "@ of a scalar", "use * for that");
        }
        let batch = y.len().saturating_sub(2);
        let inner = if y.len() == 1 { y[0] } else { y[y.len() - 2] };
        let fits = x[x.len() - 1] == inner && x.len() > batch && x[..batch] == y[..batch];
        if !fits {
            let (p, q) = (super::value::show_shape(&x), super::value::show_shape(&y));
            return self.error(
                Code::T002,
                span,
                format!("@ of {p} and {q}"),
                format!(
                    "{} meets {inner}: the last axis of the left side, the last but one of the right",
                    x[x.len() - 1]
                ),
            );
        }
        let axes = Axes {
            batch: batch as u8,
            rows: (x.len() - 1 - batch) as u8,
            inner: 1,
            cols: u8::from(y.len() > 1),
        };
        self.contract(a, b, axes, span)
    }

    /// A product summed over inner axes.
    pub(super) fn contract(&mut self, a: Value, b: Value, axes: Axes, span: Span) -> Value {
        if let (Some(x), Some(y)) = (a.shape(), b.shape()) {
            let [n, r, i, _] = [axes.batch, axes.rows, axes.inner, axes.cols].map(usize::from);
            let shape = [&x[..n + r], &y[n + i..]].concat();
            if !self.bounded(&shape, span) {
                return Value::Error;
            }
        }
        match (a, b) {
            (Value::Error, _) | (_, Value::Error) => Value::Error,
            (Value::Const(x), Value::Const(y)) => self.contract_constants(&x, &y, axes, span),
            (Value::Tensor(x), Value::Tensor(y)) if x.elem == Elem::Bool || y.elem == Elem::Bool => self
                .error(
                    Code::T011,
                    span,
                    "a bool is not a number",
                    format!("{} @ {}: fix(…) or int(…)", x.elem.name(), y.elem.name()),
                ),
            (Value::Tensor(x), Value::Tensor(y)) if x.secret() && y.secret() => {
                let id = self.builder.one(Op::Contract(axes), &[x.id, y.id]);
                self.rescaled(id, &[&x, &y])
            }
            (Value::Tensor(s), p) if s.secret() => self.contract_public(s, p, axes, span),
            (p, Value::Tensor(s)) if s.secret() => self.contract_flipped(p, s, axes, span),
            // of public numbers there is no such product: one of them is taken for a secret
            (a, b) => {
                let elem = a.elem().filter(|elem| *elem != Elem::Bool && b.elem() != Some(Elem::Bool));
                match elem.and_then(|elem| self.taken_for_secret(a.clone(), elem, span)) {
                    Some(secret) => self.contract(Value::Tensor(secret), b, axes, span),
                    None => {
                        let text = "a matrix product needs a secret or two constants";
                        self.error(Code::T003, span, text, a.describe())
                    }
                }
            }
        }
    }

    fn contract_public(&mut self, s: Tensor, p: Value, axes: Axes, span: Span) -> Value {
        if s.elem == Elem::Bool {
            return self.error(
                Code::T011,
                span,
                "a bool is not a number",
                "secret bool: int(…) or fix(…) makes it one",
            );
        }
        let frac = match &p {
            Value::Const(k) => factor_exponent(k, self.frac()),
            other if elem_of(other) == Elem::Fix => self.frac(),
            _ => 0,
        };
        let factor = self.coerce(&p, elem_of(&p), &Type::plain(frac, shape_of(&p)));
        let id = self.builder.one(Op::Contract(axes), &[s.id, factor]);
        if s.elem == Elem::Int && frac > 0 {
            let target = self.frac();
            let id = match frac.cmp(&target) {
                std::cmp::Ordering::Less => self.builder.one(Op::Raise { bits: target - frac }, &[id]),
                std::cmp::Ordering::Equal => id,
                std::cmp::Ordering::Greater => self.builder.one(Op::Trunc { bits: frac - target }, &[id]),
            };
            return self.tensor(id, Elem::Fix, s.since);
        }
        let id = if frac == 0 { id } else { self.builder.one(Op::Trunc { bits: frac }, &[id]) };
        self.tensor(id, s.elem, s.since)
    }

    fn contract_constants(&mut self, x: &Konst, y: &Konst, axes: Axes, span: Span) -> Value {
        let [n, r, i, _] = [axes.batch, axes.rows, axes.inner, axes.cols].map(usize::from);
        let shape = [&x.shape[..n + r], &y.shape[n + i..]].concat();
        let inner = x.shape[n + r..].to_vec();
        let terms: usize = inner.iter().product();
        let elem = number_elem(x.elem, y.elem);
        if let (Some(a), Some(b)) = (x.as_splat(), y.as_splat()) {
            let number = a * b * BigRational::from_integer(terms.into());
            return self.short(Konst::splat(elem, shape, number), span);
        }
        let work = shape.iter().product::<usize>().saturating_mul(terms);
        if !self.listable(&shape, span) || !self.spend(work, span) {
            return Value::Error;
        }
        let numbers = super::value::indices(&shape)
            .map(|at| {
                super::value::indices(&inner)
                    .map(|k| {
                        let left = [&at[..n + r], k.as_slice()].concat();
                        let right = [&at[..n], k.as_slice(), &at[n + r..]].concat();
                        exact::mul(x.at(flat(&x.shape, &left)), y.at(flat(&y.shape, &right)))
                    })
                    .fold(BigRational::zero(), |sum, p| exact::add(&sum, &p))
            })
            .collect();
        self.short(Konst::dense(elem, shape, numbers), span)
    }

    /// A public left side: the transposed product, transposed back.
    fn contract_flipped(&mut self, p: Value, s: Tensor, axes: Axes, span: Span) -> Value {
        let [n, r, i, c] = [axes.batch, axes.rows, axes.inner, axes.cols].map(usize::from);
        let swap = |n: usize, a: usize, b: usize| -> Vec<usize> {
            (0..n).chain(n + a..n + a + b).chain(n..n + a).collect()
        };
        let left = self.permuted(Value::Tensor(s), &swap(n, i, c));
        let right = self.permuted(p, &swap(n, r, i));
        let flipped = Axes { batch: axes.batch, rows: axes.cols, inner: axes.inner, cols: axes.rows };
        let product = self.contract(left, right, flipped, span);
        self.permuted(product, &swap(n, c, r))
    }
}

// ---- constants

/// The exponent e of a constant factor m·2^-e: 0 for whole numbers, exact for short binary fractions, else such that the largest m has
/// `significant` bits.
fn factor_exponent(k: &Konst, significant: u32) -> u32 {
    let largest = k.occurring().map(|n| n.abs()).max().unwrap_or_else(BigRational::zero);
    if largest.is_zero() {
        return 0;
    }
    // 2^magnitude <= largest < 2^(magnitude + 1)
    let mut magnitude = largest.numer().bits() as i64 - largest.denom().bits() as i64;
    if exact::pow2(magnitude) > largest {
        magnitude -= 1;
    }
    let rounded = (i64::from(significant) - 1 - magnitude).max(0) as u32;
    let exact = k
        .occurring()
        .map(|n| {
            let zeros = n.denom().trailing_zeros().unwrap_or(0);
            (n.denom().bits() == zeros + 1).then_some(zeros)
        })
        .try_fold(0u64, |most, zeros| zeros.map(|z| most.max(z)));
    match exact {
        Some(exact) if exact <= u64::from(rounded) => exact as u32,
        Some(_) | None => rounded,
    }
}

fn zip(x: &Konst, y: &Konst, elem: Elem, f: impl Fn(&BigRational, &BigRational) -> BigRational) -> Konst {
    if let (Some(a), Some(b)) = (x.as_splat(), y.as_splat()) {
        return Konst::splat(elem, x.shape.clone(), f(a, b));
    }
    Konst::dense(elem, x.shape.clone(), x.iter().zip(y.iter()).map(|(a, b)| f(a, b)).collect())
}

/// The same, where `f` may have no result for two numbers.
fn try_zip(
    x: &Konst,
    y: &Konst,
    elem: Elem,
    f: impl Fn(&BigRational, &BigRational) -> Option<BigRational>,
) -> Option<Konst> {
    if let (Some(a), Some(b)) = (x.as_splat(), y.as_splat()) {
        return Some(Konst::splat(elem, x.shape.clone(), f(a, b)?));
    }
    let numbers = x.iter().zip(y.iter()).map(|(a, b)| f(a, b)).collect::<Option<Vec<_>>>()?;
    Some(Konst::dense(elem, x.shape.clone(), numbers))
}

/// A text without the parentheses around all of it.
fn unwrapped(text: &str) -> &str {
    let Some(inner) = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')) else { return text };
    let mut depth = 0_i32;
    let whole = inner.chars().all(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth >= 0
    });
    if whole { inner } else { text }
}

fn truth(b: bool) -> BigRational {
    if b { BigRational::one() } else { BigRational::zero() }
}

/// Whether this is more than one constant number.
fn several(value: &Value) -> bool {
    !matches!(value, Value::Const(k) if k.as_splat().is_some())
}

/// Whether a number is an int, or a constant that could be one.
fn is_whole(value: &Value) -> bool {
    match value {
        Value::Const(k) => k.occurring().all(BigRational::is_integer),
        other => elem_of(other) == Elem::Int,
    }
}

fn number_elem(a: Elem, b: Elem) -> Elem {
    if a == Elem::Int && b == Elem::Int { Elem::Int } else { Elem::Fix }
}

/// The element of a result of two numbers: one without a point is an int, and leaves an int an int.
fn joined_elem(a: &Value, b: &Value) -> Elem {
    number_elem(elem_of(a), elem_of(b))
}

/// The element of a tensor that these are parts of, or nothing if truth values stand beside numbers. Beside what is computed, a constant counts as
/// what it is: `zeros([2])` behind secret ints is two of them.
pub(super) fn elem_of_parts(parts: &[Value]) -> Option<Elem> {
    let computed = parts.iter().any(|part| matches!(part, Value::Tensor(_)));
    let elems = parts.iter().map(|part| match elem_of(part) {
        Elem::Fix if computed && is_whole(part) => Elem::Int,
        elem => elem,
    });
    let joined = |a, b| match (a, b) {
        (Elem::Bool, Elem::Bool) => Some(Elem::Bool),
        (Elem::Bool, _) | (_, Elem::Bool) => None,
        (a, b) => Some(number_elem(a, b)),
    };
    elems.map(Some).reduce(|a, b| joined(a?, b?)).unwrap_or(Some(Elem::Fix))
}

pub(super) fn elem_of(value: &Value) -> Elem {
    value.elem().unwrap_or(Elem::Fix)
}

pub(super) fn shape_of(value: &Value) -> Vec<usize> {
    value.shape().map(<[usize]>::to_vec).unwrap_or_default()
}

/// Whether two shapes are equal, element by element: most are empty, and a vectorised comparison of memory that asks an empty slice's
/// address takes hundreds of cycles.
fn same_shape(x: &[usize], y: &[usize]) -> bool {
    x.len() == y.len() && x.iter().zip(y).all(|(a, b)| a == b)
}

/// NumPy's rule: sizes are equal or 1, counted from the right.
pub(super) fn broadcast_shape(x: &[usize], y: &[usize]) -> Option<Vec<usize>> {
    let rank = x.len().max(y.len());
    let size = |s: &[usize], i: usize| if i + s.len() >= rank { s[i + s.len() - rank] } else { 1 };
    (0..rank)
        .map(|i| match (size(x, i), size(y, i)) {
            (a, b) if a == b => Some(a),
            (1, b) => Some(b),
            (a, 1) => Some(a),
            _ => None,
        })
        .collect()
}
