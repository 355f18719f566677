//! The functions of the language itself. Everything else is library, in the language.

use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};
use tern_bytecode::instr::{Axes, RealUnary};

use super::arith::{elem_of, shape_of};
use super::call::{Given, secret_fix};
use super::exact;
use super::expr::Want;
use super::value::{Elem, Konst, Tensor, Value, show_shape};
use super::{Lowerer, MAX_ELEMENTS, MAX_LIST};
use crate::diagnostics::{Code, Diagnostic, Span};
use crate::ir::{Kind, Op, Type};
use crate::syntax::ast::{self, BinaryOp};

/// Every function of the language.
pub(super) const NAMES: &[&str] = &[
    "abs",
    "arg",
    "assume",
    "batches",
    "bit",
    "bits",
    "broadcast",
    "ceil",
    "close",
    "concat",
    "debug",
    "einsum",
    "exact::exp",
    "exact::ln",
    "exact::log2",
    "exact::sqrt",
    "exp",
    "expand",
    "fields",
    "floor",
    "from_raw",
    "full",
    "grad",
    "linspace",
    "ln",
    "log2",
    "max",
    "mean",
    "metric",
    "min",
    "ones",
    "ones_like",
    "permute",
    "product",
    "random::bernoulli",
    "random::uniform",
    "raw",
    "reshape",
    "reveal",
    "reverse",
    "secret",
    "shape",
    "sqrt",
    "square",
    "sum",
    "transpose",
    "where",
    "windows",
    "word",
    "zeros",
    "zeros_like",
];

/// Functions that the language has for constants and public values and the library for secrets.
pub(super) const LAYERED: &[&str] = &["exp", "ln", "log2", "product", "sqrt"];

/// Whether the language has a function of this name.
pub(super) fn exists(name: &str) -> bool {
    NAMES.binary_search(&name).is_ok()
}

/// Arguments of a built-in function by parameter.
struct Args<'g> {
    slots: Vec<Option<(Value, Span)>>,
    function: &'g str,
    span: Span,
}

impl Args<'_> {
    fn value(&self, i: usize) -> Value {
        self.slots[i].as_ref().map_or(Value::Error, |(v, _)| v.clone())
    }

    fn given(&self, i: usize) -> bool {
        self.slots[i].is_some()
    }

    fn span(&self, i: usize) -> Span {
        self.slots[i].as_ref().map_or(self.span, |(_, s)| *s)
    }
}

/// Parameters of each function; those from the number on may be left out.
fn signature(name: &str) -> (&'static [&'static str], usize) {
    match name {
        "sum" | "mean" => (&["x", "axis", "keep"], 1),
        "concat" => (&["a", "b", "axis"], 2),
        "reshape" | "broadcast" => (&["x", "shape"], 2),
        "permute" => (&["x", "axes"], 2),
        "expand" | "reverse" => (&["x", "axis"], 1),
        "windows" => (&["x", "size", "stride", "before", "after"], 2),
        "full" => (&["value", "shape"], 1),
        "zeros" | "ones" => (&["shape"], 0),
        "linspace" => (&["from", "to", "count"], 3),
        "where" => (&["condition", "then", "otherwise"], 3),
        "bits" => (&["x", "from", "to"], 3),
        "word" => (&["x", "compact"], 1),
        "bit" => (&["x", "place"], 2),
        "assume" => (&["x", "low", "high"], 3),
        "batches" => (&["rows", "size"], 2),
        "grad" => (&["loss", "by"], 2),
        "close" => (&["a", "b", "within"], 3),
        "metric" | "debug" => (&["name", "value"], 1),
        "min" => (&["a", "b"], 2),
        "max" => (&["a", "b"], 1),
        "random::uniform" => (&["low", "high", "shape"], 2),
        "random::bernoulli" => (&["p", "shape"], 1),
        "einsum" => (&["letters", "a", "b"], 3),
        _ => (&["x"], 1),
    }
}

impl<'a> Lowerer<'a> {
    pub(super) fn builtin(
        &mut self,
        name: &str,
        args: &'a [ast::Arg],
        span: Span,
        want: Option<&Want>,
    ) -> Value {
        let given = self.given(args);
        self.builtin_given(name, given, span, want)
    }

    /// A function of the language on evaluated arguments.
    pub(super) fn builtin_given(
        &mut self,
        name: &str,
        given: Vec<Given<'a>>,
        span: Span,
        want: Option<&Want>,
    ) -> Value {
        if given.iter().any(|g| g.value.is_error()) {
            return Value::Error;
        }
        let given = if name == "concat" { self.many(given) } else { given };
        let Some(args) = self.builtin_args(name, given, span) else { return Value::Error };
        match name {
            "sum" | "mean" => self.reduction(&args, name == "mean"),
            "square" => {
                let x = args.value(0);
                self.product(x.clone(), x, span)
            }
            "abs" | "floor" | "ceil" | "sqrt" | "exp" | "ln" | "log2" => self.elementary(name, &args),
            "exact::exp" | "exact::ln" | "exact::log2" | "exact::sqrt" => {
                self.exact_function(&name[7..], &args)
            }
            "min" | "max" => self.extreme(name, &args),
            "product" => self.list_product(&args),
            "shape" => self.shape_list(&args),
            "reshape" | "broadcast" | "permute" | "transpose" | "expand" | "reverse" | "concat" => {
                self.movement(name, &args)
            }
            "windows" => self.windows(&args),
            "einsum" => self.einsum(&args),
            "full" | "zeros" | "ones" | "zeros_like" | "ones_like" | "linspace" => {
                self.filled(name, &args, want)
            }
            "where" => self.where_function(&args),
            "secret" => self.secret(args.value(0), span),
            "reveal" => self.reveal(args.value(0), span),
            "bits" | "bit" | "word" | "raw" | "from_raw" => self.bit_function(name, &args),
            "assume" => self.assume(&args),
            "fields" => match args.value(0) {
                Value::Record(r) => Value::Fields(r),
                other => {
                    let found = other.describe();
                    self.error(Code::T003, args.span(0), "only models have fields", found)
                }
            },
            "batches" => self.batches(&args),
            "grad" => self.gradient(&args),
            "metric" | "debug" => self.effect(name, &args),
            "close" => self.close(&args),
            "random::uniform" | "random::bernoulli" => self.random(name, &args, want),
            "arg" => {
                self.error(Code::A003, span, "arg stands only behind `const NAME =` of the main file", "")
            }
            _ => self.error(Code::N001, span, format!("there is no {name}"), ""),
        }
    }

    /// `concat(a, b, c, …)`: any number of parts as one tuple.
    fn many(&mut self, given: Vec<Given<'a>>) -> Vec<Given<'a>> {
        let (parts, named): (Vec<_>, Vec<_>) = given.into_iter().partition(|g| g.name.is_none());
        let span = parts.first().map_or(self.builder.origin.inner, |p| p.span);
        let all = Value::tuple(parts.into_iter().map(|p| p.value).collect());
        let none = Given { name: None, value: Value::Unit, span };
        [vec![Given { name: None, value: all, span }, none], named].concat()
    }

    fn builtin_args<'g>(&mut self, name: &'g str, given: Vec<Given<'a>>, span: Span) -> Option<Args<'g>> {
        let (params, needed) = signature(name);
        let mut slots = vec![None; params.len()];
        let usage = format!("{name}({})", params.join(", "));
        for (i, arg) in given.iter().enumerate() {
            let at = match arg.name {
                None => Some(i).filter(|i| *i < params.len()),
                Some(n) => params.iter().position(|p| *p == n.name),
            };
            match at {
                Some(at) if slots[at].is_none() => slots[at] = Some((arg.value.clone(), arg.span)),
                _ => {
                    let text = match arg.name {
                        Some(n) => format!("{name} has no parameter {}", n.name),
                        None => format!("{name} takes {} arguments, found {}", params.len(), given.len()),
                    };
                    self.report(Diagnostic::error(Code::T001, text).at(arg.span, "").note(usage));
                    return None;
                }
            }
        }
        if let Some(missing) = (0..needed).find(|i| slots[*i].is_none()) {
            self.report(
                Diagnostic::error(Code::T001, format!("{name} needs {}", params[missing]))
                    .at(span, "")
                    .note(usage),
            );
            return None;
        }
        Some(Args { slots, function: name, span })
    }

    // ---- constants demanded

    fn whole(&mut self, args: &Args<'_>, i: usize) -> Option<i64> {
        match args.value(i) {
            Value::Const(k) if k.whole().is_some() && k.elem != Elem::Bool => k.whole(),
            other => {
                let found = other.describe();
                let text = format!("{} needs a constant whole number here", args.function);
                self.error(Code::T004, args.span(i), text, found);
                None
            }
        }
    }

    fn size(&mut self, args: &Args<'_>, i: usize) -> Option<usize> {
        let n = self.whole(args, i)?;
        usize::try_from(n).ok().or_else(|| {
            self.error(Code::T004, args.span(i), format!("{n} is no size"), "");
            None
        })
    }

    fn sizes(&mut self, args: &Args<'_>, i: usize) -> Option<Vec<usize>> {
        let found: Option<Vec<usize>> = match args.value(i) {
            Value::Const(k) if k.shape.len() <= 1 => {
                k.iter().map(|n| if n.is_integer() { n.to_usize() } else { None }).collect()
            }
            _ => None,
        };
        if found.is_none() {
            let what = args.value(i).describe();
            self.error(Code::T004, args.span(i), "a list of constant sizes is needed here", what);
        }
        found.filter(|shape| self.bounded(shape, args.span(i)))
    }

    /// An axis, counted from behind if negative.
    fn axis(&mut self, args: &Args<'_>, i: usize, rank: usize) -> Option<usize> {
        let n = self.whole(args, i)?;
        let at = if n < 0 { n + rank as i64 } else { n };
        usize::try_from(at).ok().filter(|a| *a < rank).or_else(|| {
            self.error(
                Code::T013,
                args.span(i),
                format!("there is no axis {n}"),
                format!("of {}", axis_count(rank)),
            );
            None
        })
    }

    fn tensor_only(&mut self, value: Value, args: &Args<'_>, i: usize) -> Option<Value> {
        match value {
            Value::Const(_) | Value::Tensor(_) => Some(value),
            Value::Error => None,
            other => {
                let text = format!("{} expects a tensor here", args.function);
                let found = other.describe();
                self.error(Code::T003, args.span(i), text, found);
                None
            }
        }
    }

    // ---- reductions

    fn reduction(&mut self, args: &Args<'_>, mean: bool) -> Value {
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
        let axes: Vec<usize> = if !args.given(1) {
            (0..shape.len()).collect()
        } else {
            match args.value(1) {
                Value::Const(k) if k.shape.is_empty() => match self.axis(args, 1, shape.len()) {
                    Some(axis) => vec![axis],
                    None => return Value::Error,
                },
                Value::Const(k) => {
                    let wrap =
                        |n: &BigRational| n.to_i64().map(|n| if n < 0 { n + shape.len() as i64 } else { n });
                    let axes: Vec<i64> = k.iter().filter_map(wrap).collect();
                    if axes.iter().any(|a| *a < 0 || *a >= shape.len() as i64) {
                        return self.error(
                            Code::T013,
                            args.span(1),
                            "there are no such axes",
                            format!("of {}", axis_count(shape.len())),
                        );
                    }
                    axes.into_iter().map(|a| a as usize).collect()
                }
                other => {
                    let found = other.describe();
                    return self.error(Code::T004, args.span(1), "axes are constants", found);
                }
            }
        };
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

    fn sum_over(&mut self, x: Value, axes: &[usize]) -> Value {
        if axes.is_empty() {
            return x;
        }
        match x {
            Value::Const(k) => {
                let left: Vec<usize> = (0..k.shape.len()).filter(|i| !axes.contains(i)).collect();
                let shape: Vec<usize> = left.iter().map(|i| k.shape[*i]).collect();
                let mut sums = vec![BigRational::zero(); shape.iter().product()];
                for at in super::value::indices(&k.shape) {
                    let index: Vec<usize> = left.iter().map(|i| at[*i]).collect();
                    sums[super::value::flat(&shape, &index)] += k.at(super::value::flat(&k.shape, &at));
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

    fn list_product(&mut self, args: &Args<'_>) -> Value {
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

    fn shape_list(&mut self, args: &Args<'_>) -> Value {
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

    // ---- elementary functions

    fn elementary(&mut self, name: &str, args: &Args<'_>) -> Value {
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
                    let factor = Value::Const(Konst::scalar(Elem::Fix, BigRational::new(1.into(), 1.into())));
                    let ln2 =
                        exact::ln(&BigRational::from_integer(2.into()), 64).unwrap_or_else(BigRational::one);
                    let factor = if let Value::Const(k) = factor {
                        Value::Const(k.map(Elem::Fix, |_| ln2.recip()))
                    } else {
                        factor
                    };
                    return self.binary(BinaryOp::Mul, args.span, value, args.span, factor, args.span);
                }
                value
            }
            Value::Record(r) => {
                let fields = r.fields.iter().map(|(n, v)| {
                    let slots = vec![Some((v.clone(), args.span(0)))];
                    let inner = Args { slots, function: args.function, span: args.span };
                    (n.clone(), self.elementary(name, &inner))
                });
                let fields = fields.collect();
                Value::Record(std::rc::Rc::new(super::value::Record { ty: r.ty.clone(), fields }))
            }
            other => {
                let found = other.describe();
                self.error(Code::T003, args.span(0), format!("{name} of {found}"), "a number is needed")
            }
        }
    }

    fn secret_elementary(&mut self, name: &str, t: Tensor, args: &Args<'_>) -> Value {
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
    fn exact_function(&mut self, name: &str, args: &Args<'_>) -> Value {
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

    fn extreme(&mut self, name: &str, args: &Args<'_>) -> Value {
        if !args.given(1) {
            return self.library("math", "largest", vec![args.value(0)], args.span);
        }
        let (a, b) = (args.value(0), args.value(1));
        if let (Value::Record(x), Value::Record(y)) = (&a, &b)
            && x.ty == y.ty
        {
            let fields = x.fields.iter().map(|(n, v)| {
                let other = y.fields.get(n).cloned().unwrap_or(Value::Error);
                let slots = vec![Some((v.clone(), args.span(0))), Some((other, args.span(1)))];
                (n.clone(), self.extreme(name, &Args { slots, function: args.function, span: args.span }))
            });
            let fields = fields.collect();
            return Value::Record(std::rc::Rc::new(super::value::Record { ty: x.ty.clone(), fields }));
        }
        let op = if name == "min" { BinaryOp::Lt } else { BinaryOp::Gt };
        let first = self.binary(op, args.span, a.clone(), args.span(0), b.clone(), args.span(1));
        self.select_broadcast(first, a, b, args.span)
    }

    fn select_broadcast(&mut self, c: Value, a: Value, b: Value, span: Span) -> Value {
        if c.is_error() || a.is_error() || b.is_error() {
            return Value::Error;
        }
        let shapes = [shape_of(&c), shape_of(&a), shape_of(&b)];
        let shape = shapes.iter().try_fold(Vec::new(), |s, t| super::arith::broadcast_shape(&s, t));
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

    fn where_function(&mut self, args: &Args<'_>) -> Value {
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

    // ---- movement

    fn movement(&mut self, name: &str, args: &Args<'_>) -> Value {
        if name == "concat" {
            let Value::Tuple(parts) = args.value(0) else { return Value::Error };
            let rank = parts.first().and_then(Value::shape).map_or(0, <[usize]>::len);
            let axis = if args.given(2) { self.axis(args, 2, rank) } else { rank.checked_sub(1) };
            return match axis {
                Some(axis) => self.concat(parts.to_vec(), axis, args.span),
                None => self.error(
                    Code::T008,
                    args.span,
                    "scalars have no axis to go along",
                    "use a list: [a, b]",
                ),
            };
        }
        let Some(x) = self.tensor_only(args.value(0), args, 0) else { return Value::Error };
        let shape = shape_of(&x);
        match name {
            "reshape" => {
                let Some(target) = self.sizes(args, 1) else { return Value::Error };
                if target.iter().product::<usize>() != shape.iter().product::<usize>() {
                    let text = format!("{} does not reshape to {}", show_shape(&shape), show_shape(&target));
                    return self.error(Code::T008, args.span, text, "another number of elements");
                }
                self.reshaped(x, target)
            }
            "broadcast" => {
                let Some(target) = self.sizes(args, 1) else { return Value::Error };
                if super::arith::broadcast_shape(&shape, &target).as_ref() != Some(&target) {
                    let text = format!("{} does not stretch to {}", show_shape(&shape), show_shape(&target));
                    return self.error(Code::T008, args.span, text, "");
                }
                self.broadcast(x, &target)
            }
            "permute" => {
                let Some(axes) = self.sizes(args, 1) else { return Value::Error };
                let mut sorted = axes.clone();
                sorted.sort_unstable();
                if !sorted.iter().copied().eq(0..shape.len()) {
                    return self.error(
                        Code::T013,
                        args.span(1),
                        format!("not an order of {} axes", shape.len()),
                        "",
                    );
                }
                self.permuted(x, &axes)
            }
            "transpose" => {
                if shape.len() < 2 {
                    return self.error(
                        Code::T008,
                        args.span(0),
                        "transpose needs two axes",
                        show_shape(&shape),
                    );
                }
                let mut axes: Vec<usize> = (0..shape.len()).collect();
                axes.swap(shape.len() - 2, shape.len() - 1);
                self.permuted(x, &axes)
            }
            "expand" => {
                let axis =
                    if args.given(1) { self.axis(args, 1, shape.len() + 1) } else { Some(shape.len()) };
                let Some(axis) = axis else { return Value::Error };
                let mut target = shape;
                target.insert(axis, 1);
                self.reshaped(x, target)
            }
            _ => {
                let axis =
                    if args.given(1) { self.axis(args, 1, shape.len()) } else { shape.len().checked_sub(1) };
                let Some(axis) = axis else { return x };
                self.reversed(x, axis)
            }
        }
    }

    fn reversed(&mut self, x: Value, axis: usize) -> Value {
        match x {
            Value::Const(k) => {
                let from = k.shape.clone();
                let source = |at: &[usize]| {
                    let mut index = at.to_vec();
                    index[axis] = from[axis] - 1 - index[axis];
                    super::value::flat(&from, &index)
                };
                Value::Const(k.picked(from.clone(), source))
            }
            Value::Tensor(t) => {
                let id = self.builder.one(Op::Reverse { axes: 1 << axis }, &[t.id]);
                self.tensor(id, t.elem, t.since)
            }
            other => other,
        }
    }

    /// Windows of the last two axes, with so many zeros before and after each of them; as many after as before, if only that is said.
    fn windows(&mut self, args: &Args<'_>) -> Value {
        let Some(size) = self.size(args, 1) else { return Value::Error };
        let stride = if args.given(2) { self.size(args, 2) } else { Some(1) };
        let before = if args.given(3) { self.size(args, 3) } else { Some(0) };
        let after = if args.given(4) { self.size(args, 4) } else { before };
        let (Some(stride), Some(before), Some(after)) = (stride, before, after) else { return Value::Error };
        let x = args.value(0);
        let shape = shape_of(&x);
        let Value::Tensor(t) = x else {
            let found = args.value(0).describe();
            return self.error(Code::T003, args.span(0), "windows of a run-time tensor", found);
        };
        let Some(first) = shape.len().checked_sub(2) else {
            let text = format!("windows lie along two axes, this has {}", show_shape(&shape));
            return self.error(Code::T015, args.span, text, "");
        };
        let padded = [first, first + 1].map(|axis| shape[axis].saturating_add(before).saturating_add(after));
        if let Some(why) = refused_windows(size, stride, [shape[first], shape[first + 1]], padded) {
            return self.error(Code::T015, args.span, why, "");
        }
        let counts = padded.map(|length| (length - size) / stride + 1);
        let grid = [&shape[..first], &counts, &[size, size]].concat();
        if !self.bounded(&grid, args.span) || !self.bounded(&[&shape[..first], &padded].concat(), args.span) {
            return Value::Error;
        }
        let mut id = t.id;
        if before + after > 0 {
            let around = |zeros: usize| [vec![0; first], vec![zeros; 2]].concat();
            let interior = vec![0; shape.len()];
            id = self.builder.one(Op::Pad { low: around(before), high: around(after), interior }, &[id]);
        }
        let op = Op::Windows { first, sizes: vec![size, size], strides: vec![stride, stride] };
        let id = self.builder.one(op, &[id]);
        self.tensor(id, t.elem, t.since)
    }

    /// `einsum("bcyxij,ocij->boyx", x, w)` as one contraction.
    fn einsum(&mut self, args: &Args<'_>) -> Value {
        let letters = match args.value(0) {
            Value::Text(t) => t,
            other => {
                let found = other.describe();
                return self.error(Code::T003, args.span(0), "einsum begins with its letters", found);
            }
        };
        let (x, y) = (args.value(1), args.value(2));
        let parsed = letters
            .split_once("->")
            .and_then(|(l, out)| l.split_once(',').map(|(a, b)| (chars(a), chars(b), chars(out))));
        let fits = |(a, b, out): &(Vec<char>, Vec<char>, Vec<char>)| {
            a.len() == shape_of(&x).len()
                && b.len() == shape_of(&y).len()
                && distinct(a)
                && distinct(b)
                && distinct(out)
                && out.iter().all(|c| a.contains(c) || b.contains(c))
                && a.iter().chain(b).all(|c| out.contains(c) || (a.contains(c) && b.contains(c)))
        };
        let Some((a, b, out)) = parsed.filter(fits) else {
            let text = format!(
                "\"{letters}\" does not fit {} and {}",
                show_shape(&shape_of(&x)),
                show_shape(&shape_of(&y))
            );
            return self.error(Code::T008, args.span(0), text, "a letter per axis: \"ij,jk->ik\"");
        };
        let pick = |f: &dyn Fn(&char) -> bool, from: &[char]| -> Vec<char> {
            from.iter().copied().filter(|c| f(c)).collect()
        };
        let batch = pick(&|c| b.contains(c) && out.contains(c), &a);
        let rows = pick(&|c| !b.contains(c), &a);
        let inner = pick(&|c| b.contains(c) && !out.contains(c), &a);
        let cols = pick(&|c| !a.contains(c), &b);
        let order = |from: &[char], to: &[char]| -> Vec<usize> {
            to.iter().filter_map(|c| from.iter().position(|d| d == c)).collect()
        };
        let (left, right) = ([&batch[..], &rows, &inner].concat(), [&batch[..], &inner, &cols].concat());
        let sizes_agree = batch.iter().chain(&inner).all(|c| {
            let size = |from: &[char], shape: Vec<usize>| from.iter().position(|d| d == c).map(|i| shape[i]);
            size(&a, shape_of(&x)) == size(&b, shape_of(&y))
        });
        if !sizes_agree {
            let text =
                format!("\"{letters}\" on {} and {}", show_shape(&shape_of(&x)), show_shape(&shape_of(&y)));
            return self.error(Code::T008, args.span, text, "a letter has two sizes");
        }
        let axes = Axes {
            batch: batch.len() as u8,
            rows: rows.len() as u8,
            inner: inner.len() as u8,
            cols: cols.len() as u8,
        };
        let x = self.permuted(x, &order(&a, &left));
        let y = self.permuted(y, &order(&b, &right));
        let product = self.contract(x, y, axes, args.span);
        let have = [&batch[..], &rows, &cols].concat();
        self.permuted(product, &order(&have, &out))
    }

    // ---- filled tensors

    fn filled(&mut self, name: &str, args: &Args<'_>, want: Option<&Want>) -> Value {
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
                let shape =
                    if args.given(at) { self.sizes(args, at) } else { want.and_then(|w| w.shape.clone()) };
                let Some(shape) = shape else {
                    if !args.given(at) {
                        self.report(
                            Diagnostic::error(Code::T018, format!("{name} does not know its shape here"))
                                .at(args.span, "")
                                .help(format!("{name}({}[…])", if name == "full" { "value, " } else { "" })),
                        );
                    }
                    return Value::Error;
                };
                let value = match name {
                    "zeros" => Value::Const(Konst::scalar(
                        want.and_then(|w| w.elem).unwrap_or(Elem::Fix),
                        BigRational::zero(),
                    )),
                    "ones" => Value::Const(Konst::scalar(
                        want.and_then(|w| w.elem).unwrap_or(Elem::Fix),
                        BigRational::one(),
                    )),
                    _ => args.value(0),
                };
                if value.shape().and_then(|s| super::arith::broadcast_shape(s, &shape)).as_ref()
                    != Some(&shape)
                {
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

    fn linspace(&mut self, args: &Args<'_>) -> Value {
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

    fn random(&mut self, name: &str, args: &Args<'_>, want: Option<&Want>) -> Value {
        let at = if name == "random::uniform" { 2 } else { 1 };
        let shape = if args.given(at) { self.sizes(args, at) } else { want.and_then(|w| w.shape.clone()) };
        let Some(shape) = shape else {
            if !args.given(at) {
                self.error(
                    Code::T018,
                    args.span,
                    format!("{name} does not know its shape here"),
                    "give shape=[…]",
                );
            }
            return Value::Error;
        };
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

    // ---- secrets

    /// `secret(e)`: a constant or public value as if it were secret, for tests.
    fn secret(&mut self, value: Value, span: Span) -> Value {
        let leaves: Vec<Value> = value
            .leaves()
            .iter()
            .map(|leaf| match leaf {
                Value::Const(_) | Value::Tensor(_) if !leaf.secret() => {
                    let elem = elem_of(leaf);
                    let ty = super::control::runtime_type(elem, true, self.frac(), shape_of(leaf));
                    let id = self.coerce(leaf, elem, &ty);
                    self.tensor(id, elem, Some(span))
                }
                other => other.clone(),
            })
            .collect();
        value.with_leaves(&mut leaves.into_iter())
    }

    /// `reveal(e)`: published to all parties.
    pub(super) fn reveal(&mut self, value: Value, span: Span) -> Value {
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

    fn bit_function(&mut self, name: &str, args: &Args<'_>) -> Value {
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

    fn assume(&mut self, args: &Args<'_>) -> Value {
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

    fn batches(&mut self, args: &Args<'_>) -> Value {
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

    fn gradient(&mut self, args: &Args<'_>) -> Value {
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

    // ---- effects

    fn effect(&mut self, name: &str, args: &Args<'_>) -> Value {
        let (text, value, at) = match (args.value(0), args.given(1)) {
            (Value::Text(text), true) => (text.to_string(), args.value(1), 1),
            (value, false) if name == "debug" => (self.sources.text(args.span(0)).to_string(), value, 0),
            (other, _) => {
                let found = other.describe();
                return self.error(Code::T003, args.span(0), format!("{name} begins with a name"), found);
            }
        };
        let index = self.builder.program.name_index(&text);
        for leaf in value.leaves() {
            let id = match &leaf {
                Value::Const(k) if k.elem == Elem::Fix => self.constant(k, Type::real(k.shape.clone())),
                Value::Const(k) => self.constant(k, Type::int(k.shape.clone())),
                Value::Tensor(t) if t.secret() && name == "metric" => {
                    return self.secret_metric(t, args.span(at));
                }
                Value::Tensor(t) => t.id,
                other => {
                    let found = other.describe();
                    return self.error(Code::T003, args.span(at), format!("{name} of {found}"), "");
                }
            };
            let op = if name == "metric" { Op::Metric(index) } else { Op::Debug(index) };
            self.builder.push(op, &[id]).unwrap_or_else(|e| unreachable!("metrics are public: {e}"));
        }
        Value::Unit
    }

    fn secret_metric(&mut self, t: &Tensor, span: Span) -> Value {
        let text = self.sources.text(span).to_string();
        let mut error =
            Diagnostic::error(Code::S006, "a metric is public").at(span, format!("secret {}", t.elem.name()));
        if let Some(since) = t.since {
            error = error.label(since, "secret from here");
        }
        self.report(error.help(format!("reveal({text})")));
        Value::Error
    }

    /// Whether two values are equal up to a bound, element by element; both are revealed.
    fn close(&mut self, args: &Args<'_>) -> Value {
        let a = self.reveal(args.value(0), args.span(0));
        let b = self.reveal(args.value(1), args.span(1));
        let difference = self.binary(BinaryOp::Sub, args.span, a, args.span(0), b, args.span(1));
        let distance = match difference {
            Value::Const(k) => Value::Const(k.map(k.elem, Signed::abs)),
            Value::Tensor(t) => {
                let x = self.coerce(&Value::Tensor(t.clone()), Elem::Fix, &Type::real(t.ty.shape.clone()));
                let id = self.builder.one(Op::RealUnary(RealUnary::Abs), &[x]);
                self.tensor(id, Elem::Fix, None)
            }
            _ => return Value::Error,
        };
        self.binary(BinaryOp::Le, args.span, distance, args.span, args.value(2), args.span(2))
    }

    /// Reports how many elements of a condition fail, under a name that test runners know.
    pub(super) fn assertion(&mut self, value: Value, text: &str, span: Span) {
        let value = self.reveal(value, span);
        match value {
            Value::Const(k) if k.elem == Elem::Bool => {
                if k.iter().any(Zero::is_zero) {
                    self.error(Code::T017, span, "this assertion fails", "");
                }
            }
            Value::Tensor(t) if t.elem == Elem::Bool => {
                let place = self.sources.place(span);
                let index = self.builder.program.name_index(&format!("{ASSERT}{place}: {text}"));
                let failed = self.complement(Value::Tensor(t), span);
                let Value::Tensor(mut failed) = failed else { return };
                failed.elem = Elem::Int;
                let axes: Vec<usize> = (0..failed.ty.shape.len()).collect();
                if let Value::Tensor(count) = self.sum_over(Value::Tensor(failed), &axes) {
                    self.builder
                        .push(Op::Metric(index), &[count.id])
                        .unwrap_or_else(|e| unreachable!("counts are public: {e}"));
                }
            }
            Value::Error => {}
            other => {
                let found = other.describe();
                self.error(Code::T012, span, "an assertion is a truth value", found);
            }
        }
    }
}

/// Metrics of this prefix count the elements for which an assertion fails.
pub const ASSERT: &str = "assert ";

fn axis_count(rank: usize) -> String {
    super::call::count(rank, "axis")
}

fn chars(text: &str) -> Vec<char> {
    text.trim().chars().collect()
}

fn distinct(letters: &[char]) -> bool {
    letters.iter().enumerate().all(|(i, c)| !letters[..i].contains(c))
}

/// Why there are no such windows on an image, if so.
fn refused_windows(size: usize, stride: usize, image: [usize; 2], padded: [usize; 2]) -> Option<String> {
    let [height, width] = image;
    if stride == 0 {
        return Some("windows 0 apart: the stride is at least 1".into());
    }
    if size == 0 {
        return Some("windows of no size: it is at least 1".into());
    }
    let zeros =
        if padded == image { String::new() } else { format!(", with zeros {} by {}", padded[0], padded[1]) };
    padded.iter().any(|length| size > *length).then(|| {
        format!("windows of {size} by {size} are larger than the image of {height} by {width}{zeros}")
    })
}
