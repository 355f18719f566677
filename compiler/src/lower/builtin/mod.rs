//! The functions of the language itself. Everything else is library, in the language.
//!
//! `table` says what there is to say of a function; each module below has the rows of its subject and what they do. Here is what calls have in
//! common: arguments meet parameters, and models go field by field.

mod effects;
mod elementary;
mod filled;
pub(super) mod library;
mod movement;
mod reductions;
mod secrets;
pub mod table;
mod windows;

pub use effects::ASSERT;

use num_rational::BigRational;
use num_traits::{One, ToPrimitive, Zero};

use crate::diagnostics::{Code, Diagnostic, Span};
use crate::lower::Lowerer;
use crate::lower::call::Given;
use crate::lower::expr::Want;
use crate::lower::limits::MAX_LIST;
use crate::lower::value::{Elem, Record, Value};
use crate::syntax::ast::{self, Expr};
use std::rc::Rc;
use table::{Builtin, Models, Takes};

/// Arguments of a function of the language by parameter.
#[derive(Debug, Clone)]
pub(super) struct Args {
    slots: Vec<Option<(Value, Span)>>,
    function: &'static Builtin,
    span: Span,
}

impl Args {
    fn value(&self, i: usize) -> Value {
        self.slots[i].as_ref().map_or(Value::Error, |(v, _)| v.clone())
    }

    fn given(&self, i: usize) -> bool {
        self.slots[i].is_some()
    }

    fn span(&self, i: usize) -> Span {
        self.slots[i].as_ref().map_or(self.span, |(_, s)| *s)
    }

    /// The function's name.
    fn name(&self) -> &'static str {
        self.function.name
    }
}

impl<'a> Lowerer<'a> {
    pub(super) fn builtin(
        &mut self,
        function: &'static Builtin,
        args: &'a [ast::Arg],
        span: Span,
        want: Option<&Want>,
    ) -> Value {
        let given = match self.listed_parts(function, args) {
            Some(parts) => parts,
            None => self.given(args),
        };
        self.builtin_given(function, given, span, want)
    }

    /// The parts of `concat([a, b], axis=0)`, as NumPy and PyTorch have it: of tensors in a list, which would be one part otherwise.
    fn listed_parts(&mut self, function: &Builtin, args: &'a [ast::Arg]) -> Option<Vec<Given<'a>>> {
        let [first, named @ ..] = args else { return None };
        let ast::ExprKind::List(dims) = &first.value.kind else { return None };
        let takes_parts = function.params.first().is_some_and(|param| matches!(param.takes, Takes::Parts(_)));
        if !takes_parts || first.name.is_some() || named.iter().any(|arg| arg.name.is_none()) {
            return None;
        }
        let parts: Option<Vec<&Expr>> =
            dims.iter().map(|dim| if let ast::Dim::One(expr) = dim { Some(expr) } else { None }).collect();
        let parts: Vec<Given<'a>> = parts?
            .into_iter()
            .map(|expr| Given { name: None, value: self.expr(expr, None), span: expr.span })
            .collect();
        let tensors = parts.iter().all(|part| part.value.shape().is_none_or(|shape| !shape.is_empty()));
        (tensors && !parts.is_empty()).then(|| [parts, self.given(named)].concat())
    }

    /// A function of the language on evaluated arguments.
    pub(super) fn builtin_given(
        &mut self,
        function: &'static Builtin,
        given: Vec<Given<'a>>,
        span: Span,
        want: Option<&Want>,
    ) -> Value {
        if given.iter().any(|g| g.value.is_error()) {
            return Value::Error;
        }
        let parts = function.params.first().is_some_and(|p| matches!(p.takes, Takes::Parts(_)));
        let given = if parts { self.many(given) } else { given };
        match self.builtin_args(function, given, span) {
            Some(args) => self.apply(&args, want),
            None => Value::Error,
        }
    }

    fn apply(&mut self, args: &Args, want: Option<&Want>) -> Value {
        if args.function.models == Models::FieldByField {
            let values = args.slots.iter().flatten();
            let record =
                values.clone().find_map(|(v, _)| if let Value::Record(r) = v { Some(r) } else { None });
            if let Some(record) = record.cloned() {
                return self.field_by_field(args, &record, want);
            }
        }
        if (0..args.slots.len()).all(|i| self.fits(args, i)) {
            (args.function.lower)(self, args, want)
        } else {
            Value::Error
        }
    }

    /// A function of tensors on models of one type: on each of their fields, with all other arguments as they are.
    fn field_by_field(&mut self, args: &Args, record: &Record, want: Option<&Want>) -> Value {
        let other =
            args.slots.iter().flatten().find(|(v, _)| matches!(v, Value::Record(r) if r.ty != record.ty));
        if let Some((other, span)) = other {
            let (text, span) = (format!("{} of models of two types", args.name()), *span);
            return self.error(Code::T003, span, text, other.describe());
        }
        let mut fields = indexmap::IndexMap::new();
        for name in record.fields.keys() {
            let mut part = args.clone();
            for (value, _) in part.slots.iter_mut().flatten() {
                if let Value::Record(r) = value {
                    *value = r.fields.get(name).cloned().unwrap_or(Value::Error);
                }
            }
            fields.insert(name.clone(), self.apply(&part, want));
        }
        Value::Record(Rc::new(Record { ty: record.ty.clone(), fields }))
    }

    /// Whether an argument is of the sort that its parameter takes; reports it if not. That a constant is one, and of which size, is for
    /// the function to see.
    fn fits(&mut self, args: &Args, i: usize) -> bool {
        let Some((value, span)) = args.slots[i].clone() else { return true };
        let (name, param) = (args.name(), &args.function.params[i]);
        let truth = value.elem().map(|elem| elem == Elem::Bool);
        match (param.takes, truth) {
            (Takes::Num(_) | Takes::ConstNum(_) | Takes::ConstInt(_), Some(true)) => {
                let text = self.sources.text(span).to_string();
                let error = Diagnostic::error(Code::T011, "a bool is not a number");
                let error = error.at(span, format!("{}, where {name} takes a number", value.describe()));
                self.report(error.help(format!("int({text})")).note(args.function.signature()));
                false
            }
            (Takes::Bool(_) | Takes::ConstBool(_), Some(false)) => {
                let error =
                    Diagnostic::error(Code::T012, format!("{name} takes truth values for {}", param.name));
                self.report(error.at(span, value.describe()).note(args.function.signature()));
                false
            }
            (Takes::Num(_) | Takes::Bool(_) | Takes::Tensor(_), Some(_))
            | (Takes::ConstNum(_) | Takes::ConstInt(_) | Takes::ConstBool(_), Some(_))
            | (Takes::Any(_) | Takes::Parts(_), _) => true,
            (Takes::Text(_), _) if matches!(value, Value::Text(_)) => true,
            (Takes::Model(_), _) if matches!(value, Value::Record(_)) => true,
            (takes, _) => {
                let wanted = match takes {
                    Takes::Num(_) | Takes::ConstNum(_) | Takes::ConstInt(_) => "a number",
                    Takes::Bool(_) | Takes::ConstBool(_) => "a truth value",
                    Takes::Tensor(_) | Takes::Any(_) | Takes::Parts(_) => "a tensor",
                    Takes::Text(_) => "a text",
                    Takes::Model(_) => "a model",
                };
                let text = format!("{name} takes {wanted} for {}", param.name);
                let error = Diagnostic::error(Code::T003, text).at(span, value.describe());
                self.report(error.note(args.function.signature()));
                false
            }
        }
    }

    /// `concat(a, b, c, …)`: any number of parts as one tuple.
    fn many(&mut self, given: Vec<Given<'a>>) -> Vec<Given<'a>> {
        let (parts, named): (Vec<_>, Vec<_>) = given.into_iter().partition(|g| g.name.is_none());
        let span = parts.first().map_or(self.builder.origin.inner, |p| p.span);
        let all = Value::tuple(parts.into_iter().map(|p| p.value).collect());
        [vec![Given { name: None, value: all, span }], named].concat()
    }

    fn builtin_args(
        &mut self,
        function: &'static Builtin,
        given: Vec<Given<'a>>,
        span: Span,
    ) -> Option<Args> {
        let (name, params) = (function.name, function.params);
        let mut slots = vec![None; params.len()];
        for (i, arg) in given.iter().enumerate() {
            let at = match arg.name {
                None => Some(i).filter(|i| *i < params.len()),
                Some(n) => params.iter().position(|p| p.name == n.name),
            };
            match at {
                Some(at) if slots[at].is_none() => slots[at] = Some((arg.value.clone(), arg.span)),
                _ => {
                    let text = match (arg.name, at) {
                        (_, Some(at)) => format!("{} is given twice", params[at].name),
                        (Some(n), None) => format!("{name} has no parameter {}", n.name),
                        (None, None) => {
                            format!("{name} takes {} arguments, found {}", params.len(), given.len())
                        }
                    };
                    let error = Diagnostic::error(Code::T001, text).at(arg.span, "");
                    self.report(error.note(function.signature()));
                    return None;
                }
            }
        }
        let missing = params.iter().zip(&slots).find(|(p, slot)| p.default.is_none() && slot.is_none());
        if let Some((missing, _)) = missing {
            let text = format!("{name} needs {}", missing.name);
            self.report(Diagnostic::error(Code::T001, text).at(span, "").note(function.signature()));
            return None;
        }
        Some(Args { slots, function, span })
    }

    // ---- constants demanded

    fn whole(&mut self, args: &Args, i: usize) -> Option<i64> {
        match args.value(i) {
            Value::Const(k) if k.whole().is_some() && k.elem != Elem::Bool => k.whole(),
            other => {
                let found = other.describe();
                let text = format!("{} needs a constant whole number here", args.name());
                self.error(Code::T004, args.span(i), text, found);
                None
            }
        }
    }

    fn size(&mut self, args: &Args, i: usize) -> Option<usize> {
        let n = self.whole(args, i)?;
        usize::try_from(n).ok().or_else(|| {
            self.error(Code::T004, args.span(i), format!("{n} is no size"), "");
            None
        })
    }

    /// Sizes of so many elements in all, of which one may be -1, for what is left.
    fn sizes_for(&mut self, args: &Args, i: usize, elements: usize) -> Option<Vec<usize>> {
        let mut args = args.clone();
        if let Some((Value::Const(k), _)) = &mut args.slots[i]
            && k.len() <= MAX_LIST
        {
            let open = |n: &BigRational| n.to_i64() == Some(-1) && n.is_integer();
            let others: BigRational = k.iter().filter(|n| !open(n)).product();
            let left = BigRational::from_integer(elements.into())
                / if others.is_zero() { BigRational::one() } else { others };
            if k.iter().filter(|n| open(n)).count() == 1 && left.is_integer() {
                *k = k.map(k.elem, |n| if open(n) { left.clone() } else { n.clone() });
            }
        }
        self.sizes(&args, i)
    }

    fn sizes(&mut self, args: &Args, i: usize) -> Option<Vec<usize>> {
        let found: Option<Vec<usize>> = match args.value(i) {
            Value::Const(k) if k.shape.len() <= 1 && k.len() <= MAX_LIST => {
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
    fn axis(&mut self, args: &Args, i: usize, rank: usize) -> Option<usize> {
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
}

/// The axis of this number, counted from behind if negative, if there is one.
fn axis_from(n: i64, rank: usize) -> Option<usize> {
    let at = if n < 0 { n + rank as i64 } else { n };
    usize::try_from(at).ok().filter(|axis| *axis < rank)
}

fn axis_count(rank: usize) -> String {
    crate::lower::call::count(rank, "axis")
}
