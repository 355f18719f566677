//! Elementary functions, the larger and the smaller, and choices.

use num_rational::BigRational;
use num_traits::{One, Signed};
use tern_bytecode::instr::RealUnary;

use super::Args;
use super::library::library;
use super::table::builtins;
use crate::diagnostics::{Code, Span};
use crate::ir::{Op, Type};
use crate::lower::Lowerer;
use crate::lower::arith::{Relation, broadcast_shape, elem_of, shape_of};
use crate::lower::exact;
use crate::lower::value::{Elem, Konst, Tensor, Value, show_shape};
use crate::syntax::ast::BinaryOp;

builtins! {
    /// x², which costs what a product of two different values does.
    /// Example: `square(x)`.
    each "square"(x: Num("[..s]")) -> "num[..s]" = |l, args, _| {
        let x = args.value(0);
        l.product(x.clone(), x, args.span)
    };

    /// |x|; of secrets that of `math`.
    /// Example: `abs(x)`.
    each "abs"(x: Num("[..s]")) -> "num[..s]" = |l, args, _| l.elementary(Elementary::Abs, args);

    /// The largest whole number that is not above x; of secrets that of `math`.
    /// Example: `floor(x)`.
    each "floor"(x: Num("[..s]")) -> "int[..s]" = |l, args, _| l.elementary(Elementary::Floor, args);

    /// The smallest whole number that is not below x; of secrets that of `math`.
    /// Example: `ceil(x)`.
    each "ceil"(x: Num("[..s]")) -> "int[..s]" = |l, args, _| l.elementary(Elementary::Ceil, args);

    /// The largest whole number that is not above a / b, as Python's `//`, which begins a comment here. What is left is `a % b`, with the sign of
    /// b. A secret is divided by one constant; whole numbers below 2^(f - 5) by secret ones too (`math::quotient_by`).
    /// Example: `div(n, 7)`.
    each "div"(a: Num("[..s]"), b: Num("[..s]")) -> "int[..s]"
        = |l, args, _| l.divide_whole(args.span, (args.value(0), args.span(0)), (args.value(1), args.span(1)));

    /// The square root; of secrets that of `math`.
    /// Example: `sqrt(abs(x))`.
    each "sqrt"(x: Num("[..s]")) -> "fix[..s]" = |l, args, _| l.elementary(Elementary::Sqrt, args);

    /// e^x; of secrets that of `math`.
    /// Example: `exp(x)`.
    each "exp"(x: Num("[..s]")) -> "fix[..s]" = |l, args, _| l.elementary(Elementary::Exp, args);

    /// The natural logarithm; of secrets that of `math`.
    /// Example: `ln(square(x) + 1)`.
    each "ln"(x: Num("[..s]")) -> "fix[..s]" = |l, args, _| l.elementary(Elementary::Ln, args);

    /// The logarithm to base 2; of secrets that of `math`.
    /// Example: `log2(square(x) + 1)`.
    each "log2"(x: Num("[..s]")) -> "fix[..s]" = |l, args, _| l.elementary(Elementary::Log2, args);

    /// The square root of a constant, with 4f correct bits.
    /// Example: `exact::sqrt(2)`.
    each "exact::sqrt"(x: ConstNum("[..s]")) -> "const fix[..s]" = |l, args, _| l.exact_function(exact::sqrt, args);

    /// e^x of a constant, with 4f correct bits.
    /// Example: `exact::exp(1)`.
    each "exact::exp"(x: ConstNum("[..s]")) -> "const fix[..s]" = |l, args, _| l.exact_function(exact::exp, args);

    /// The natural logarithm of a constant, with 4f correct bits.
    /// Example: `exact::ln(2)`.
    each "exact::ln"(x: ConstNum("[..s]")) -> "const fix[..s]" = |l, args, _| l.exact_function(exact::ln, args);

    /// The logarithm to base 2 of a constant, with 4f correct bits.
    /// Example: `exact::log2(10)`.
    each "exact::log2"(x: ConstNum("[..s]")) -> "const fix[..s]" = |l, args, _| l.exact_function(exact::log2, args);

    /// The smaller of two values, element by element; of a single tensor, the smallest along the last axis. `min` and `max` of the same two take one comparison.
    /// Example: `min(x, 0)`.
    each "min"(a: Num("[..s]"), b: Num("[..s]") = "none") -> "num[..s]" = |l, args, _| {
        if args.given(1) {
            l.extreme(false, args)
        } else {
            l.library(library!(math::smallest), vec![args.value(0)], args.span)
        }
    };

    /// The larger of two values, element by element; of a single tensor, the largest along the last axis.
    /// Example: `max(x)`.
    each "max"(a: Num("[..s]"), b: Num("[..s]") = "none") -> "num[..s]" = |l, args, _| {
        if args.given(1) {
            l.extreme(true, args)
        } else {
            l.library(library!(math::largest), vec![args.value(0)], args.span)
        }
    };

    /// `then` where the condition holds, `otherwise` elsewhere. It is the only choice on a secret: both sides are computed,
    /// and nobody learns which was taken.
    /// Example: `where(x > 0, x, 0)`.
    each "where"(condition: Bool("[..s]"), then: Tensor("[..s]"), otherwise: Tensor("[..s]")) -> "tensor[..s]"
        = |l, args, _| l.where_function(args);
}

/// A function of one number.
#[derive(Debug, Clone, Copy)]
enum Elementary {
    Abs,
    Floor,
    Ceil,
    Sqrt,
    Exp,
    Ln,
    Log2,
}

/// A function of constants: the result to so many bits, if there is one.
type Exact = fn(&BigRational, u32) -> Option<BigRational>;

impl Lowerer<'_> {
    fn elementary(&mut self, function: Elementary, args: &Args) -> Value {
        match args.value(0) {
            Value::Const(k) => match function {
                Elementary::Abs => Value::Const(k.map(k.elem, Signed::abs)),
                Elementary::Floor => Value::Const(k.map(Elem::Int, BigRational::floor)),
                Elementary::Ceil => Value::Const(k.map(Elem::Int, BigRational::ceil)),
                Elementary::Sqrt => self.exact_function(exact::sqrt, args),
                Elementary::Exp => self.exact_function(exact::exp, args),
                Elementary::Ln => self.exact_function(exact::ln, args),
                Elementary::Log2 => self.exact_function(exact::log2, args),
            },
            Value::Tensor(t) if t.secret() => self.secret_elementary(function, t, args),
            Value::Tensor(t) => self.public_elementary(function, &t, args),
            _ => Value::Error,
        }
    }

    fn public_elementary(&mut self, function: Elementary, t: &Tensor, args: &Args) -> Value {
        let ty = Type::real(t.ty.shape.clone());
        let x = self.coerce(&Value::Tensor(t.clone()), Elem::Fix, &ty);
        let mut apply = |op| self.builder.one(Op::RealUnary(op), &[x]);
        let (id, whole) = match function {
            Elementary::Abs => (apply(RealUnary::Abs), t.elem == Elem::Int),
            Elementary::Floor => (apply(RealUnary::Floor), true),
            Elementary::Ceil => (apply(RealUnary::Ceil), true),
            Elementary::Sqrt => (apply(RealUnary::Sqrt), false),
            Elementary::Exp => (apply(RealUnary::Exp), false),
            Elementary::Ln | Elementary::Log2 => (apply(RealUnary::Ln), false),
        };
        if whole {
            let id = self.builder.one(Op::RealToInt, &[id]);
            return self.tensor(id, Elem::Int, None);
        }
        let value = self.tensor(id, Elem::Fix, None);
        if matches!(function, Elementary::Log2) {
            let ln2 = exact::ln(&BigRational::from_integer(2.into()), 64).unwrap_or_else(BigRational::one);
            let factor = Value::Const(Konst::scalar(Elem::Fix, ln2.recip()));
            return self.binary(BinaryOp::Mul, args.span, value, args.span, factor, args.span);
        }
        value
    }

    fn secret_elementary(&mut self, function: Elementary, t: Tensor, args: &Args) -> Value {
        let x = Value::Tensor(t);
        let from_library = match function {
            Elementary::Abs => library!(math::abs),
            Elementary::Floor => library!(math::whole_below),
            Elementary::Ceil => library!(math::whole_above),
            Elementary::Sqrt => library!(math::sqrt),
            Elementary::Exp => library!(math::exp),
            Elementary::Ln => library!(math::ln),
            Elementary::Log2 => library!(math::log2),
        };
        self.library(from_library, vec![x], args.span)
    }

    /// A function of constants with 4f bits.
    fn exact_function(&mut self, function: Exact, args: &Args) -> Value {
        let name = args.name();
        let Value::Const(k) = args.value(0) else {
            let found = args.value(0).describe();
            return self.error(Code::T004, args.span(0), format!("{name} is of constants"), found);
        };
        let bits = 4 * self.frac();
        // a root or a logarithm is a hundred operations or so
        if !self.weigh(&k, args.span) || !self.spend(k.weight().0.saturating_mul(100), args.span) {
            return Value::Error;
        }
        match k.try_map(Elem::Fix, |n| function(n, bits)) {
            Some(result) => self.short(result, args.span),
            None => {
                let found = args.value(0).describe();
                self.error(Code::T010, args.span(0), format!("{name} has no value here"), found)
            }
        }
    }

    /// The larger or the smaller of two. Both ask whether a > b, so that of the same two only one comparison is left; for the smaller of a secret and what everybody
    /// knows it is a < b, whose gradient is 0 where they are equal, like that of `relu`.
    fn extreme(&mut self, larger: bool, args: &Args) -> Value {
        let (a, b) = (args.value(0), args.value(1));
        let shared = larger || a.secret() && b.secret();
        let relation = if shared { Relation::Gt } else { Relation::Lt };
        let holds =
            self.binary(relation.operator(), args.span, a.clone(), args.span(0), b.clone(), args.span(1));
        if shared && !larger {
            self.select_broadcast(holds, b, a, args.span)
        } else {
            self.select_broadcast(holds, a, b, args.span)
        }
    }

    fn select_broadcast(&mut self, c: Value, a: Value, b: Value, span: Span) -> Value {
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
        if c.is_error() || a.is_error() || b.is_error() {
            return Value::Error;
        }
        self.choose(c, a, b, span)
    }

    fn where_function(&mut self, args: &Args) -> Value {
        let (c, a, b) = (args.value(0), args.value(1), args.value(2));
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
