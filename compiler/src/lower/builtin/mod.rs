//! The functions of the language itself. Everything else is library, in the language. Here are their names, their parameters and what arguments have in
//! common; the functions themselves are in the modules below, by subject.

mod effects;
mod elementary;
mod filled;
mod movement;
mod reductions;
mod secrets;
mod windows;

pub use effects::ASSERT;

use num_traits::ToPrimitive;

use crate::diagnostics::{Code, Diagnostic, Span};
use crate::lower::Lowerer;
use crate::lower::call::Given;
use crate::lower::expr::Want;
use crate::lower::value::{Elem, Value};
use crate::syntax::ast;

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

    /// An axis, by its number.
    fn axis(&mut self, args: &Args<'_>, i: usize, rank: usize) -> Option<usize> {
        let n = self.whole(args, i)?;
        axis_from(n, rank).or_else(|| {
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
}

/// The axis of this number, counted from behind if negative, if there is one.
fn axis_from(n: i64, rank: usize) -> Option<usize> {
    let at = if n < 0 { n + rank as i64 } else { n };
    usize::try_from(at).ok().filter(|axis| *axis < rank)
}

fn axis_count(rank: usize) -> String {
    crate::lower::call::count(rank, "axis")
}
