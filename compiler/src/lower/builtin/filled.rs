//! Tensors that are filled with something.

use num_rational::BigRational;
use num_traits::{One, Zero};

use super::Args;
use super::table::builtins;
use crate::diagnostics::{Code, Diagnostic};
use crate::ir::Op;
use crate::lower::Lowerer;
use crate::lower::arith::{Relation, broadcast_shape};
use crate::lower::expr::Want;
use crate::lower::value::{Elem, Konst, Value, show_shape};
use crate::syntax::ast::BinaryOp;

builtins! {
    /// Zeros. Without a shape, of the shape that the place asks for: a field, a variable that is assigned, a declared type.
    /// Example: `zeros([4, 6])`.
    whole "zeros"(shape: ConstInt("[n]") = "what the place asks for") -> "const num[..shape]" = |l, args, want| {
        l.filled(BigRational::zero(), args, want)
    };

    /// Ones, of a shape as for `zeros`.
    /// Example: `ones([4, 6])`.
    whole "ones"(shape: ConstInt("[n]") = "what the place asks for") -> "const num[..shape]" = |l, args, want| {
        l.filled(BigRational::one(), args, want)
    };

    /// A value in every place, of a shape as for `zeros`.
    /// Example: `full(1/2, [4])`.
    whole "full"(value: Tensor("[..s]"), shape: ConstInt("[n]") = "what the place asks for") -> "tensor[..shape]"
        = |l, args, want| l.full(args, want);

    /// Zeros of the shape of a tensor, or of the shapes of a model.
    /// Example: `zeros_like(p)`.
    whole "zeros_like"(x: Any("")) -> "const fix of x's shapes" = |_, args, _| like(&args.value(0), &BigRational::zero());

    /// Ones of the shape of a tensor, or of the shapes of a model.
    /// Example: `ones_like(x)`.
    whole "ones_like"(x: Any("")) -> "const fix of x's shapes" = |_, args, _| like(&args.value(0), &BigRational::one());

    /// Numbers at equal distances, both ends included.
    /// Example: `linspace(0, 1, 5)`.
    whole "linspace"(from: ConstNum(""), to: ConstNum(""), count: ConstInt("")) -> "const fix[count]"
        = |l, args, _| l.linspace(args);

    /// Secret numbers between two bounds, of a shape as for `zeros`; nobody knows them. The upper bound is not reached.
    /// Example: `random::uniform(-1, 1, [4])`.
    whole "random::uniform"(low: Num("[..s]"), high: Num("[..s]"), shape: ConstInt("[n]") = "what the place asks for")
        -> "fix[..shape]" = |l, args, want| l.uniform(args, want);

    /// Public truth values that hold with probability p, of a shape as for `zeros`.
    /// Example: `random::bernoulli(1/2, [4])`.
    whole "random::bernoulli"(p: Num("[..s]"), shape: ConstInt("[n]") = "what the place asks for")
        -> "public bool[..shape]" = |l, args, want| l.bernoulli(args, want);
}

/// A number in every place of a value.
fn like(value: &Value, number: &BigRational) -> Value {
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

impl Lowerer<'_> {
    fn filled(&mut self, number: BigRational, args: &Args, want: Option<&Want>) -> Value {
        let way_out = format!("{}([…])", args.name());
        let shape = self.shape_or_wanted(args, 0, want, |error| error.at(args.span, "").help(way_out));
        let Some(shape) = shape else { return Value::Error };
        let elem = want.and_then(|w| w.elem).unwrap_or(Elem::Fix);
        Value::Const(Konst::splat(elem, shape, number))
    }

    fn full(&mut self, args: &Args, want: Option<&Want>) -> Value {
        let way_out = |error: Diagnostic| error.at(args.span, "").help("full(value, […])");
        let Some(shape) = self.shape_or_wanted(args, 1, want, way_out) else { return Value::Error };
        self.filling(args, 0, &shape)
    }

    /// An argument stretched to a shape, if it fits.
    fn filling(&mut self, args: &Args, i: usize, shape: &[usize]) -> Value {
        let value = args.value(i);
        if value.shape().and_then(|s| broadcast_shape(s, shape)).as_deref() != Some(shape) {
            let text = format!("{} does not fill {}", value.describe(), show_shape(shape));
            return self.error(Code::T008, args.span(i), text, "");
        }
        self.broadcast(value, shape)
    }

    /// The shape that an argument gives, or else the one that is wanted from outside; without either, an error, completed by `way_out`.
    fn shape_or_wanted(
        &mut self,
        args: &Args,
        at: usize,
        want: Option<&Want>,
        way_out: impl FnOnce(Diagnostic) -> Diagnostic,
    ) -> Option<Vec<usize>> {
        if args.given(at) {
            return self.sizes(args, at);
        }
        let wanted = want.and_then(|w| w.shape.clone());
        if wanted.is_none() {
            let error =
                Diagnostic::error(Code::T018, format!("{} does not know its shape here", args.name()));
            self.report(way_out(error));
        }
        wanted
    }

    fn linspace(&mut self, args: &Args) -> Value {
        let (Value::Const(from), Value::Const(to)) = (args.value(0), args.value(1)) else {
            return self.error(Code::T004, args.span, "linspace is of constants", "");
        };
        let Some(count) = self.size(args, 2) else { return Value::Error };
        if !self.listable(&[count], args.span) {
            return Value::Error;
        }
        let (Some(a), Some(b)) = (from.number(), to.number()) else {
            return self.error(Code::T004, args.span, "linspace is between two numbers", "");
        };
        let steps = BigRational::from_integer(count.saturating_sub(1).max(1).into());
        let numbers =
            (0..count).map(|i| a + (b - a) * BigRational::from_integer(i.into()) / &steps).collect();
        Value::Const(Konst::dense(Elem::Fix, vec![count], numbers))
    }

    fn bernoulli(&mut self, args: &Args, want: Option<&Want>) -> Value {
        let way_out = |error: Diagnostic| error.at(args.span, "give shape=[…]");
        let Some(shape) = self.shape_or_wanted(args, 1, want, way_out) else { return Value::Error };
        let p = self.filling(args, 0, &shape);
        if p.is_error() {
            return Value::Error;
        }
        let uniform = self.builder.one(Op::PublicUniform(shape), &[]);
        let uniform = self.tensor(uniform, Elem::Fix, None);
        self.compare(Relation::Lt, uniform, p, args.span)
    }

    fn uniform(&mut self, args: &Args, want: Option<&Want>) -> Value {
        let way_out = |error: Diagnostic| error.at(args.span, "give shape=[…]");
        let Some(shape) = self.shape_or_wanted(args, 2, want, way_out) else { return Value::Error };
        let frac = self.frac();
        let planes = [&[frac as usize], shape.as_slice()].concat();
        if !self.bounded(&planes, args.span) {
            return Value::Error;
        }
        let bits = self.builder.one(Op::RandomBits(planes), &[]);
        let word = self.builder.one(Op::Word { compact: true }, &[bits]);
        let unit = self.builder.one(Op::Rescale { frac }, &[word]);
        let unit = self.tensor(unit, Elem::Fix, Some(args.span));
        let (low, high) = (args.value(0), args.value(1));
        let width = self.binary(BinaryOp::Sub, args.span, high, args.span(1), low.clone(), args.span(0));
        let scaled = self.binary(BinaryOp::Mul, args.span, unit, args.span, width, args.span);
        self.binary(BinaryOp::Add, args.span, scaled, args.span, low, args.span(0))
    }
}
