//! Calls: arguments meet parameters, size variables are bound, and the body is lowered for this instance.

use std::collections::HashMap;

use num_rational::BigRational;

use super::arith::elem_of;
use super::builtin::library::LibraryFunction;
use super::builtin::table::Builtin;
use super::expr::{Name, Want};
use super::modules::Import;
use super::value::{Elem, ItemId, Konst, ModelType, Value, show_model, show_shape};
use super::{Lowerer, builtin};
use crate::diagnostics::{Code, Diagnostic, Span};
use crate::ir::{Op, ValueId};
use crate::syntax::ast::{self, Dim, Expr, ExprKind, Stage, TypeKind};

/// An evaluated argument.
#[derive(Debug, Clone)]
pub(super) struct Given<'a> {
    pub(super) name: Option<&'a ast::Ident>,
    pub(super) value: Value,
    pub(super) span: Span,
}

/// What matching a signature knows.
struct Matching<'a> {
    function: &'a ast::Function,
    /// Where each size variable got its value.
    sizes: HashMap<String, String>,
    /// Computed sizes, such as 2 * n, whose variables a later parameter may bind.
    computed: Vec<Computed<'a>>,
}

/// What does the same for operands of different shapes.
fn stretching(function: &str) -> Option<&'static str> {
    (function == "divide").then_some("`x / y` stretches its operands to a common shape as `*` does")
}

/// A computed size of a parameter, and what was found in its place.
struct Computed<'a> {
    size: &'a Expr,
    found: i64,
    what: String,
    span: Span,
}

impl<'a> Lowerer<'a> {
    pub(super) fn call(
        &mut self,
        callee: &'a Expr,
        args: &'a [ast::Arg],
        span: Span,
        want: Option<&Want>,
    ) -> Value {
        let ExprKind::Path(path) = &callee.kind else {
            let mut error = Diagnostic::error(Code::N006, "this is not a function").at(callee.span, "");
            if matches!(callee.kind, ExprKind::Call { .. }) {
                error = error.help(format!("without more brackets:  {}", self.sources.text(callee.span)));
            }
            self.report(error);
            return Value::Error;
        };
        match self.name(path) {
            Some(Name::Builtin(function)) => {
                let opened = args.iter().any(|arg| self.opens_axis(&arg.value));
                self.with_opened(opened, |l| l.builtin(function, args, span, want))
            }
            Some(Name::Item(item)) => {
                let given = self.given(args);
                let models = given.iter().any(|g| matches!(g.value, Value::Record(_)));
                match self.layered(item) {
                    // of a model each field is looked at for itself
                    Some(function) if models || !given.iter().any(|g| g.value.secret()) => {
                        self.builtin_given(function, given, span, want)
                    }
                    Some(_) | None => self.call_item(item, given, span, want),
                }
            }
            Some(Name::Value(Value::Function(item))) => {
                let given = self.given(args);
                self.call_item(item, given, span, want)
            }
            Some(Name::Value(Value::ModelType(ty))) => {
                let given = self.given(args);
                let mut all: Vec<Given<'a>> =
                    ty.args.iter().map(|v| Given { name: None, value: v.clone(), span }).collect();
                all.extend(given);
                self.call_item(ty.item, all, span, want)
            }
            Some(Name::Value(Value::Error)) | None => {
                // the arguments may have errors of their own
                self.given(args);
                Value::Error
            }
            Some(Name::Value(other)) => {
                let found = other.describe();
                self.error(Code::N006, callee.span, format!("{} is not a function", path.last().name), found)
            }
        }
    }

    pub(super) fn given(&mut self, args: &'a [ast::Arg]) -> Vec<Given<'a>> {
        args.iter()
            .map(|a| {
                let value = self.expr(&a.value, None);
                self.spend(value.size(), a.value.span); // each is looked through several times
                Given { name: a.name.as_ref(), value, span: a.value.span }
            })
            .collect()
    }

    fn call_item(&mut self, item: ItemId, given: Vec<Given<'a>>, span: Span, want: Option<&Want>) -> Value {
        let modules = self.modules;
        match modules.item(item) {
            ast::Item::Fn(f) => self.call_function(item, f, given, span, want),
            ast::Item::Model(m) => self.construct(item, m, given, span),
            _ => {
                let name = self.item_text(item);
                self.error(Code::N006, span, format!("{name} is not a function"), "")
            }
        }
    }

    /// `sqrt` and its like are the language's own on what is not secret, the library's on secrets: the former, if an item is the latter.
    fn layered(&self, item: ItemId) -> Option<&'static Builtin> {
        builtin::table::find(&self.item_text(item)).filter(|_| self.modules.list[item.module].is_math)
    }

    /// Whether a function of the library is known by its own name here.
    pub(super) fn sees_library(&self, function: LibraryFunction) -> bool {
        let here = &self.modules.list[self.module()];
        let item = self.library_item(function);
        matches!(here.imports.get(function.name), Some(Import::Item(found)) if Some(*found) == item)
    }

    fn library_item(&self, function: LibraryFunction) -> Option<ItemId> {
        let module = self.modules.of_library(function.module)?;
        let item = *self.modules.list[module].items.get(function.name)?;
        Some(ItemId { module, item })
    }

    /// Calls a function of the library.
    pub(super) fn library(&mut self, function: LibraryFunction, args: Vec<Value>, span: Span) -> Value {
        match self.library_item(function) {
            Some(item) => {
                let given = args.into_iter().map(|value| Given { name: None, value, span }).collect();
                self.call_item(item, given, span, None)
            }
            None => {
                let text = format!("{}::{} is missing", function.module, function.name);
                self.error(Code::B002, span, text, "needed here")
            }
        }
    }

    fn call_function(
        &mut self,
        item: ItemId,
        f: &'a ast::Function,
        given: Vec<Given<'a>>,
        span: Span,
        want: Option<&Want>,
    ) -> Value {
        if given.iter().any(|g| g.value.is_error()) {
            return Value::Error;
        }
        let Some(slots) = self.assign_arguments(f, given, span) else { return Value::Error };
        if let Some(mapped) = self.over_models(item, f, &slots, span, want) {
            return mapped;
        }
        self.of_constants(item, f, &slots, want).unwrap_or_else(|call| {
            let before = self.traces();
            let origin = self.at(span);
            let value = self.in_frame(item.module, span, &f.name.name, |l| l.instance(f, slots, span, want));
            self.builder.origin = origin;
            let value = value.unwrap_or(Value::Error);
            if self.traces() == before {
                self.remember(call, &value);
            }
            value
        })
    }

    /// Arguments in the order of the parameters; `None` for those left to their default.
    fn assign_arguments(
        &mut self,
        f: &'a ast::Function,
        given: Vec<Given<'a>>,
        span: Span,
    ) -> Option<Vec<Option<Given<'a>>>> {
        let mut slots: Vec<Option<Given<'a>>> = f.params.iter().map(|_| None).collect();
        let signature = self.sources.text(f.header).trim().to_string();
        let count = given.len();
        for (i, arg) in given.into_iter().enumerate() {
            let at = match arg.name {
                None => Some(i).filter(|i| *i < slots.len()),
                Some(name) => f.params.iter().position(|p| p.name.name == name.name),
            };
            match at {
                Some(at) if slots[at].is_none() => slots[at] = Some(arg),
                Some(at) => {
                    let text = format!("{} is given twice", f.params[at].name.name);
                    self.report(Diagnostic::error(Code::T001, text).at(arg.span, "").note(signature));
                    return None;
                }
                None => {
                    let text = match arg.name {
                        Some(name) => format!("{} has no parameter {}", f.name.name, name.name),
                        None => format!("{} takes {} arguments, found {count}", f.name.name, slots.len()),
                    };
                    self.report(Diagnostic::error(Code::T001, text).at(arg.span, "").note(signature));
                    return None;
                }
            }
        }
        for (slot, param) in slots.iter().zip(&f.params) {
            if slot.is_none() && param.default.is_none() {
                let text = format!("{} needs {}", f.name.name, param.name.name);
                self.report(Diagnostic::error(Code::T001, text).at(span, "").note(signature));
                return None;
            }
        }
        Some(slots)
    }

    /// A function of tensors applied to models goes field by field.
    fn over_models(
        &mut self,
        item: ItemId,
        f: &'a ast::Function,
        slots: &[Option<Given<'a>>],
        span: Span,
        want: Option<&Want>,
    ) -> Option<Value> {
        let is_model = |slot: &Option<Given<'a>>, param: &ast::Param| {
            matches!(param.ty.kind, TypeKind::Tensor { .. })
                && matches!(slot, Some(Given { value: Value::Record(_), .. }))
        };
        let lead = slots.iter().zip(&f.params).find(|(s, p)| is_model(s, p)).and_then(|(s, _)| s.as_ref())?;
        let Value::Record(record) = &lead.value else { return None };
        let record = record.clone();
        let others =
            slots.iter().zip(&f.params).filter(|(s, p)| is_model(s, p)).filter_map(|(s, _)| s.as_ref());
        let mut different =
            others.filter(|given| !matches!(&given.value, Value::Record(r) if r.ty == record.ty));
        if let Some(other) = different.next() {
            let (text, span) = (format!("{} of models of two types", f.name.name), other.span);
            return Some(self.error(Code::T003, span, text, other.value.describe()));
        }
        let mut results = Vec::new();
        for name in record.fields.keys() {
            let parts: Vec<Given<'a>> = slots
                .iter()
                .zip(&f.params)
                .flat_map(|(slot, param)| {
                    let given = slot.as_ref()?;
                    let value = match (&given.value, is_model(slot, param)) {
                        (Value::Record(r), true) => r.fields.get(name).cloned().unwrap_or(Value::Error),
                        (other, _) => other.clone(),
                    };
                    Some(Given { name: Some(&param.name), value, span: given.span })
                })
                .collect();
            results.push((name.clone(), self.call_item(item, parts, span, want)));
        }
        let fields = results.into_iter().collect();
        let result = Value::Record(std::rc::Rc::new(super::value::Record { ty: record.ty.clone(), fields }));
        Some(self.compact(result, span))
    }

    /// Lowers a function's body for these arguments, in the frame of the call.
    fn instance(
        &mut self,
        f: &'a ast::Function,
        slots: Vec<Option<Given<'a>>>,
        call: Span,
        want: Option<&Want>,
    ) -> Value {
        let mut matching = Matching { function: f, sizes: HashMap::new(), computed: Vec::new() };
        let mut values = Vec::with_capacity(slots.len());
        for (slot, param) in slots.into_iter().zip(&f.params) {
            let (value, span) = match slot {
                Some(given) => (given.value, given.span),
                None => match &param.default {
                    Some(default) => (self.expr(default, None), default.span),
                    None => (Value::Error, param.span),
                },
            };
            let value = self.check_stage(param, value, span);
            self.define(&param.name, value.clone(), false);
            values.push((value, span));
        }
        for ((value, span), param) in values.iter_mut().zip(&f.params) {
            match self.match_param(&param.ty, value.clone(), *span, &mut matching) {
                Some(converted) => {
                    self.define(&param.name, converted.clone(), false);
                    *value = converted;
                }
                None => return Value::Error,
            }
        }
        for size in std::mem::take(&mut matching.computed) {
            if self.compare_size(&size, &matching).is_none() {
                return Value::Error;
            }
        }
        if let (Some(result), Some(shape)) = (&f.result, want.and_then(|w| w.shape.as_ref())) {
            self.bind_result_shape(result, shape);
        }
        let wanted = f.result.as_ref().map(|ty| self.want_of_type(ty));
        if f.grad.is_some() {
            self.told_apart(f, &mut values);
        }
        // the rule sees the body's variables, so the body runs in the scope of the call
        let value = self.statements(&f.body.stmts, f.body.value.as_deref(), wanted.as_ref());
        let value = self.frame().returned.take().unwrap_or(value);
        let value = self.check_result(f, value, call);
        match &f.grad {
            Some(rule) if !value.is_error() => self.attach_rule(rule, f, value, &values),
            Some(_) | None => value,
        }
    }

    fn check_stage(&mut self, param: &ast::Param, value: Value, span: Span) -> Value {
        let constant = !matches!(value, Value::Tensor(_));
        if param.constant && !constant {
            let what = value.describe();
            return self.error(Code::S003, span, format!("{} must be a constant", param.name.name), what);
        }
        let public = matches!(param.ty.kind, TypeKind::Tensor { stage: Some(Stage::Public), .. });
        if public && let Some(since) = value.secret_since() {
            let mut error = Diagnostic::error(Code::S005, format!("{} must be public", param.name.name))
                .at(span, value.describe());
            if let Some(since) = since {
                error = error.label(since, "secret from here");
            }
            let text = self.sources.text(span).to_string();
            self.report(error.help(format!("publish it on purpose: reveal({text})")));
            return Value::Error;
        }
        value
    }

    // ---- types

    /// Matches an argument with a parameter's type; gives the (possibly widened) value.
    fn match_param(
        &mut self,
        ty: &'a ast::Type,
        value: Value,
        span: Span,
        matching: &mut Matching<'a>,
    ) -> Option<Value> {
        if value.is_error() {
            return Some(value);
        }
        match &ty.kind {
            TypeKind::Tensor { elem, shape, .. } => {
                let value = self.match_elem(elem, value, span, matching)?;
                let found = value.shape().map(<[usize]>::to_vec);
                match (elem, found) {
                    (ast::Elem::Str, _) => Some(value),
                    (_, Some(found)) => {
                        self.match_shape(shape, &found, &value, span, matching).then_some(value)
                    }
                    (_, None) => self.mismatch(ty, &value, span, matching),
                }
            }
            TypeKind::Model { path, args, .. } => self.match_model(ty, path, args, value, span, matching),
            TypeKind::Tuple(types) => match value {
                Value::Tuple(values) if values.len() == types.len() => {
                    let parts: Option<Vec<Value>> = types
                        .iter()
                        .zip(values.iter())
                        .map(|(t, v)| self.match_param(t, v.clone(), span, matching))
                        .collect();
                    parts.map(Value::tuple)
                }
                other => self.mismatch(ty, &other, span, matching),
            },
            TypeKind::AnyModel(name) => match &value {
                Value::Record(r) => {
                    let bound = Value::ModelType(r.ty.clone());
                    self.define(name, bound, false);
                    Some(value)
                }
                other => self.mismatch(ty, other, span, matching),
            },
            TypeKind::Fn => match &value {
                Value::Function(_) => Some(value),
                other => self.mismatch(ty, other, span, matching),
            },
        }
    }

    fn mismatch(
        &mut self,
        ty: &'a ast::Type,
        value: &Value,
        span: Span,
        matching: &Matching<'a>,
    ) -> Option<Value> {
        let expected = self.sources.text(ty.span).to_string();
        let f = matching.function;
        let signature = self.sources.text(f.header).trim().to_string();
        self.report(
            Diagnostic::error(
                Code::T003,
                format!("{} expects {expected} here, found {}", f.name.name, value.describe()),
            )
            .at(span, value.describe())
            .note(signature),
        );
        None
    }

    fn match_elem(
        &mut self,
        elem: &'a ast::Elem,
        value: Value,
        span: Span,
        matching: &mut Matching<'a>,
    ) -> Option<Value> {
        let found = match (&value, elem) {
            (Value::Text(_), ast::Elem::Str) => return Some(value),
            (Value::Const(_) | Value::Tensor(_), _) => elem_of(&value),
            _ => {
                let text = format!(
                    "{} expects a tensor here, found {}",
                    matching.function.name.name,
                    value.describe()
                );
                self.error(Code::T003, span, text, value.describe());
                return None;
            }
        };
        let fits = match (elem, found) {
            (ast::Elem::Fix(_), Elem::Fix | Elem::Int) | (ast::Elem::Num, Elem::Fix | Elem::Int) => true,
            (ast::Elem::Int, Elem::Int) | (ast::Elem::Bool, Elem::Bool) => true,
            (ast::Elem::Int, Elem::Fix) => {
                matches!(&value, Value::Const(k) if k.occurring().all(BigRational::is_integer))
            }
            _ => false,
        };
        if !fits {
            return self.wrong_elem(elem, found, &value, span, matching);
        }
        match (elem, &value) {
            (ast::Elem::Fix(precision), Value::Tensor(t)) => {
                if let Some(expr) = precision {
                    let frac = if t.secret() && t.elem == Elem::Fix { t.ty.frac } else { self.frac() };
                    self.bind_size(expr, i64::from(frac), "precision", span, matching)?;
                }
                if t.secret() && t.elem == Elem::Int {
                    let (frac, since) = (self.frac(), t.since);
                    let id = self.builder.one(Op::Raise { bits: frac }, &[t.id]);
                    return Some(self.tensor(id, Elem::Fix, since));
                }
                if !t.secret() && t.elem == Elem::Int {
                    let id = self.builder.one(Op::IntToReal, &[t.id]);
                    return Some(self.tensor(id, Elem::Fix, None));
                }
                Some(value)
            }
            (ast::Elem::Fix(precision), Value::Const(k)) => {
                if let Some(expr) = precision {
                    self.bind_size(expr, i64::from(self.frac()), "precision", span, matching)?;
                }
                Some(Value::Const(k.clone().into_elem(Elem::Fix)))
            }
            (ast::Elem::Int, Value::Const(k)) => Some(Value::Const(k.clone().into_elem(Elem::Int))),
            _ => Some(value),
        }
    }

    fn wrong_elem(
        &mut self,
        elem: &ast::Elem,
        found: Elem,
        value: &Value,
        span: Span,
        matching: &Matching<'a>,
    ) -> Option<Value> {
        let expected = match elem {
            ast::Elem::Fix(_) => "fix",
            ast::Elem::Int => "int",
            ast::Elem::Bool => "bool",
            ast::Elem::Num => "a number",
            ast::Elem::Str => "a text",
        };
        let name = &matching.function.name.name;
        let code = if found == Elem::Bool { Code::T011 } else { Code::T003 };
        let mut error =
            Diagnostic::error(code, format!("{name} expects {expected} here, found {}", found.name()))
                .at(span, value.describe());
        if found == Elem::Bool {
            error = error.help(format!("fix({})", self.sources.text(span)));
        }
        self.report(error.note(self.sources.text(matching.function.header).trim().to_string()));
        None
    }

    fn match_shape(
        &mut self,
        dims: &'a [Dim],
        found: &[usize],
        value: &Value,
        span: Span,
        matching: &mut Matching<'a>,
    ) -> bool {
        let spread = dims.iter().position(|d| matches!(d, Dim::Spread(_)));
        let fixed = dims.len() - usize::from(spread.is_some());
        let fits = if spread.is_some() { found.len() >= fixed } else { found.len() == fixed };
        // a constant scalar may stand for a tensor: it is stretched by what it meets
        if !fits {
            let name = &matching.function.name.name;
            let text = format!(
                "{name} expects {}{} here, found {}",
                if spread.is_some() { "at least " } else { "" },
                count(fixed, "axis"),
                found.len()
            );
            let signature = self.sources.text(matching.function.header).trim().to_string();
            self.report(Diagnostic::error(Code::T002, text).at(span, value.describe()).note(signature));
            return false;
        }
        let extra = found.len() - fixed;
        let mut at = 0;
        for dim in dims {
            match dim {
                Dim::Spread(name) => {
                    let sizes = &found[at..at + extra];
                    at += extra;
                    if !self.bind_spread(name, sizes, span, matching) {
                        return false;
                    }
                }
                Dim::One(expr) => {
                    let size = found[at];
                    at += 1;
                    if self.bind_size(expr, size as i64, &value.describe(), span, matching).is_none() {
                        return false;
                    }
                }
            }
        }
        true
    }

    fn bind_spread(
        &mut self,
        name: &'a ast::Ident,
        sizes: &[usize],
        span: Span,
        matching: &mut Matching<'a>,
    ) -> bool {
        let list = Konst::dense(
            Elem::Int,
            vec![sizes.len()],
            sizes.iter().map(|s| BigRational::from_integer((*s).into())).collect(),
        );
        match self.local(&name.name).map(|v| v.value.clone()) {
            Some(Value::Const(k)) if k.shape == list.shape && k.iter().eq(list.iter()) => true,
            Some(Value::Const(k)) => {
                let before: Vec<usize> = k.iter().filter_map(num_traits::ToPrimitive::to_usize).collect();
                let text = format!(
                    "{} expects {} here, found {}",
                    matching.function.name.name,
                    show_shape(&before),
                    show_shape(sizes)
                );
                let signature = self.sources.text(matching.function.header).trim().to_string();
                let from = matching.sizes.get(&name.name).cloned().unwrap_or_default();
                let mut error = Diagnostic::error(Code::T002, text).at(span, show_shape(sizes));
                error = error.note(format!(
                    "{signature}: ..{} is {} from {from}",
                    name.name,
                    show_shape(&before)
                ));
                if let Some(operator) = stretching(&matching.function.name.name) {
                    error = error.help(operator.to_string());
                }
                self.report(error);
                false
            }
            Some(other) => {
                let text = format!("{} is not a list of sizes", name.name);
                self.error(Code::T003, name.span, text, other.describe());
                false
            }
            None => {
                let text = self.sources.text(span).to_string();
                matching.sizes.insert(name.name.clone(), text);
                self.define(name, Value::Const(list), false);
                true
            }
        }
    }

    /// Binds a size variable that stands alone and is new; otherwise compares.
    fn bind_size(
        &mut self,
        expr: &'a Expr,
        found: i64,
        what: &str,
        span: Span,
        matching: &mut Matching<'a>,
    ) -> Option<()> {
        if let ExprKind::Path(path) = &expr.kind
            && let Some(name) = path.as_ident()
            && self.is_size_variable(name)
        {
            self.define(name, Value::Const(Konst::int(found)), false);
            let text = self.sources.text(span).to_string();
            matching.sizes.insert(name.name.clone(), text);
            return Some(());
        }
        let size = Computed { size: expr, found, what: what.to_string(), span };
        if matches!(expr.kind, ExprKind::Path(_) | ExprKind::Number(_)) {
            return self.compare_size(&size, matching);
        }
        matching.computed.push(size);
        Some(())
    }

    /// Whether a name that stands alone in a parameter's type is bound there. One in lower case always is, whatever else has that name:
    /// a constant of the file would otherwise change what the signature says.
    fn is_size_variable(&self, name: &ast::Ident) -> bool {
        let lower = name.name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        self.local(&name.name).is_none() && (lower || !self.is_item(name))
    }

    /// Whether the file declares or imports the name.
    pub(super) fn is_item(&self, name: &ast::Ident) -> bool {
        let module = &self.modules.list[self.module()];
        module.items.contains_key(&name.name) || module.imports.contains_key(&name.name)
    }

    /// Compares a size that the signature knows with the one that was found.
    fn compare_size(&mut self, size: &Computed<'a>, matching: &Matching<'a>) -> Option<()> {
        let Computed { size: expr, found, what, span } = size;
        let expected = self.constant_int(expr)?;
        if expected == *found {
            return Some(());
        }
        let f = matching.function;
        let dim = self.sources.text(expr.span).to_string();
        let signature = self.sources.text(f.header).trim().to_string();
        let here = self.sources.text(*span).to_string();
        let mut note = format!("{signature}: {dim} is {found} from {here}");
        if let Some(from) = matching.sizes.get(&dim) {
            note = format!("{note} and {expected} from {from}");
        }
        self.report(
            Diagnostic::error(
                Code::T002,
                format!("{} expects {expected} for {dim} here, found {found}", f.name.name),
            )
            .at(*span, what.clone())
            .note(note),
        );
        None
    }

    fn match_model(
        &mut self,
        ty: &'a ast::Type,
        path: &'a ast::Path,
        args: &'a [Expr],
        value: Value,
        span: Span,
        matching: &mut Matching<'a>,
    ) -> Option<Value> {
        let Value::Record(record) = &value else { return self.mismatch(ty, &value, span, matching) };
        let expected = match self.name(path)? {
            Name::Value(Value::ModelType(ty)) => (ty.item, ty.args.clone()),
            Name::Item(item) => (item, Vec::new()),
            Name::Value(_) | Name::Builtin(_) => return self.mismatch(ty, &value, span, matching),
        };
        let fixed = !expected.1.is_empty() || args.is_empty();
        if record.ty.item != expected.0 || (fixed && record.ty.args != expected.1) {
            return self.mismatch(ty, &value, span, matching);
        }
        if !args.is_empty() && args.len() != record.ty.args.len() {
            return self.mismatch(ty, &value, span, matching);
        }
        for (arg, found) in args.iter().zip(&record.ty.args) {
            if !self.match_model_argument(arg, found, &record.ty, span, matching)? {
                return self.mismatch(ty, &value, span, matching);
            }
        }
        Some(value)
    }

    /// Matches an argument of a model's type with what stands for it in a parameter's type: a name that is bound by it, or a value that it
    /// must be. `None` if that has been reported.
    fn match_model_argument(
        &mut self,
        arg: &'a Expr,
        found: &Value,
        model: &ModelType,
        span: Span,
        matching: &mut Matching<'a>,
    ) -> Option<bool> {
        if let Value::Const(k) = found
            && k.elem != Elem::Bool
            && let Some(size) = k.whole()
        {
            return self.bind_size(arg, size, &show_model(model), span, matching).map(|()| true);
        }
        if let ExprKind::Path(path) = &arg.kind
            && let Some(name) = path.as_ident()
            && self.is_size_variable(name)
        {
            self.define(name, found.clone(), false);
            return Some(true);
        }
        match self.expr(arg, None) {
            Value::Error => None,
            expected => Some(expected == *found),
        }
    }

    /// Binds `..s` and size variables of a result type that no parameter bound, from the place where the result goes.
    fn bind_result_shape(&mut self, ty: &'a ast::Type, shape: &[usize]) {
        let TypeKind::Tensor { shape: dims, .. } = &ty.kind else { return };
        let spread = dims.iter().any(|d| matches!(d, Dim::Spread(_)));
        let fixed = dims.len() - usize::from(spread);
        if shape.len() < fixed || (!spread && shape.len() != fixed) {
            return;
        }
        let mut at = 0;
        for dim in dims {
            match dim {
                Dim::Spread(name) => {
                    let extra = shape.len() - fixed;
                    if self.local(&name.name).is_none() {
                        let sizes = shape[at..at + extra]
                            .iter()
                            .map(|s| BigRational::from_integer((*s).into()))
                            .collect();
                        self.define(name, Value::Const(Konst::dense(Elem::Int, vec![extra], sizes)), false);
                    }
                    at += extra;
                }
                Dim::One(Expr { kind: ExprKind::Path(path), .. }) => {
                    let free = |n: &&ast::Ident| self.local(&n.name).is_none() && !self.is_item(n);
                    if let Some(name) = path.as_ident().filter(free) {
                        self.define(name, Value::int(shape[at]), false);
                    }
                    at += 1;
                }
                Dim::One(_) => at += 1,
            }
        }
    }

    /// What a type asks for, as far as its sizes are known here. Reports nothing: [`Self::declared`] does, when the value is there.
    pub(super) fn want_of_type(&mut self, ty: &'a ast::Type) -> Want {
        self.forecast(|l| l.declared(ty))
    }

    /// What a type asks for; reports sizes that cannot be computed.
    pub(super) fn declared(&mut self, ty: &'a ast::Type) -> Want {
        match &ty.kind {
            TypeKind::Tensor { elem, shape, .. } => {
                let elem = match elem {
                    ast::Elem::Fix(_) => Some(Elem::Fix),
                    ast::Elem::Int => Some(Elem::Int),
                    ast::Elem::Bool => Some(Elem::Bool),
                    ast::Elem::Num | ast::Elem::Str => None,
                };
                Want { shape: self.known_shape(shape), elem }
            }
            TypeKind::Model { .. } | TypeKind::Tuple(_) | TypeKind::AnyModel(_) | TypeKind::Fn => {
                Want::default()
            }
        }
    }

    /// Reports sizes of a written type that are known by no name here. In a signature they are what the arguments or the place make them.
    pub(super) fn check_sizes(&mut self, ty: &'a ast::Type) {
        let TypeKind::Tensor { shape, .. } = &ty.kind else { return };
        for dim in shape {
            let name = match dim {
                Dim::Spread(name) => Some(name),
                Dim::One(Expr { kind: ExprKind::Path(path), .. }) => path.as_ident(),
                Dim::One(_) => None,
            };
            let unknown = name.filter(|name| self.local(&name.name).is_none());
            if let Some(name) = unknown.filter(|name| matches!(dim, Dim::Spread(_)) || !self.is_item(name)) {
                self.unknown(name);
            }
        }
    }

    /// The sizes of a shape, if every name in it is known here.
    fn known_shape(&mut self, dims: &'a [Dim]) -> Option<Vec<usize>> {
        let mut shape = Vec::new();
        for dim in dims {
            match dim {
                Dim::Spread(name) => match self.local(&name.name).map(|v| &v.value) {
                    Some(Value::Const(k)) => {
                        shape.extend(k.iter().filter_map(num_traits::ToPrimitive::to_usize))
                    }
                    Some(_) | None => return None,
                },
                Dim::One(expr) => {
                    if let ExprKind::Path(path) = &expr.kind
                        && let Some(name) = path.as_ident()
                        && self.local(&name.name).is_none()
                        && !self.is_item(name)
                    {
                        return None;
                    }
                    let size = self.constant_int(expr)?;
                    let Ok(size) = usize::try_from(size) else {
                        self.error(Code::T004, expr.span, format!("{size} is no size"), "");
                        return None;
                    };
                    shape.push(size);
                }
            }
        }
        let span = self.builder.origin.inner;
        self.bounded(&shape, span).then_some(shape)
    }

    pub(super) fn want_of_target(&mut self, target: &'a Expr) -> Option<Want> {
        match &target.kind {
            ExprKind::Path(path) => {
                let value = path.as_ident().and_then(|n| self.local(&n.name)).map(|v| v.value.clone())?;
                Some(Want { shape: value.shape().map(<[usize]>::to_vec), elem: value.elem() })
            }
            _ => None,
        }
    }

    /// Checks a value against a written type: `let x: fix[3] = …`.
    pub(super) fn ascribe(&mut self, ty: &'a ast::Type, value: Value, span: Span) -> Value {
        if value.is_error() {
            return Value::Error;
        }
        let want = self.declared(ty);
        let text = self.sources.text(ty.span).to_string();
        let public = matches!(ty.kind, TypeKind::Tensor { stage: Some(Stage::Public), .. });
        if public && value.secret() {
            let what = value.describe();
            let error = Diagnostic::error(Code::S005, format!("{text} is declared, found {what}"));
            let shown = self.sources.text(span).to_string();
            self.report(error.at(span, what).help(format!("publish it on purpose: reveal({shown})")));
            return Value::Error;
        }
        if let (Some(expected), Some(found)) = (&want.shape, value.shape())
            && expected != found
        {
            // a number fills a tensor
            if found.is_empty() {
                let shape = expected.clone();
                return self.broadcast(value, &shape);
            }
            let described = value.describe();
            return self.error(Code::T002, span, format!("{text} is declared, found {described}"), described);
        }
        match (want.elem, value) {
            (Some(Elem::Fix), Value::Const(k)) if k.elem == Elem::Int => Value::Const(k.into_elem(Elem::Fix)),
            (Some(Elem::Fix), Value::Tensor(t)) if t.elem == Elem::Int => {
                let target =
                    super::control::runtime_type(Elem::Fix, t.secret(), self.frac(), t.ty.shape.clone());
                let since = t.since;
                let id = self.coerce(&Value::Tensor(t), Elem::Fix, &target);
                self.tensor(id, Elem::Fix, since)
            }
            (Some(expected), value) if value.elem().is_some_and(|e| e != expected) => {
                let described = value.describe();
                self.error(Code::T003, span, format!("{text} is declared, found {described}"), described)
            }
            (_, value) => value,
        }
    }

    fn check_result(&mut self, f: &'a ast::Function, value: Value, call: Span) -> Value {
        let Some(result) = &f.result else {
            return value;
        };
        if value.is_error() {
            return Value::Error;
        }
        if matches!(value, Value::Unit) {
            let text =
                format!("{} returns nothing, declared is {}", f.name.name, self.sources.text(result.span));
            return self.error(Code::T016, result.span, text, "");
        }
        self.check_result_type(result, value, f, call)
    }

    fn check_result_type(
        &mut self,
        ty: &'a ast::Type,
        value: Value,
        f: &'a ast::Function,
        call: Span,
    ) -> Value {
        match (&ty.kind, &value) {
            (TypeKind::Tuple(types), Value::Tuple(values)) if types.len() == values.len() => {
                let parts = types
                    .iter()
                    .zip(values.iter())
                    .map(|(t, v)| self.check_result_type(t, v.clone(), f, call))
                    .collect();
                Value::tuple(parts)
            }
            (TypeKind::Tensor { .. }, Value::Const(_) | Value::Tensor(_)) => {
                let want = self.declared(ty);
                let wrong = want.shape.as_ref().is_some_and(|s| {
                    value.shape() != Some(s) && !value.shape().is_some_and(<[usize]>::is_empty)
                });
                if wrong {
                    let shape = want.shape.unwrap_or_default();
                    let here = if shape.is_empty() { "one number".into() } else { show_shape(&shape) };
                    return self.wrong_result(ty, &value, f, format!("here {here}"));
                }
                let fits = match (want.elem, value.elem()) {
                    (Some(Elem::Fix), Some(found)) => found != Elem::Bool,
                    (Some(declared), Some(found)) => declared == found,
                    (_, _) => true,
                };
                if fits {
                    self.ascribe(ty, value, call)
                } else {
                    self.wrong_result(ty, &value, f, String::new())
                }
            }
            (TypeKind::Model { .. }, Value::Record(_)) | (TypeKind::AnyModel(_), Value::Record(_)) => value,
            (TypeKind::Tensor { elem: ast::Elem::Str, .. }, Value::Text(_)) => value,
            (_, _) => self.wrong_result(ty, &value, f, String::new()),
        }
    }

    fn wrong_result(&mut self, ty: &ast::Type, value: &Value, f: &ast::Function, here: String) -> Value {
        let declared = self.sources.text(ty.span).to_string();
        let found = value.describe();
        self.report(
            Diagnostic::error(Code::T016, format!("{} returns {found}, declared is {declared}", f.name.name))
                .at(f.body.value.as_ref().map_or(f.name.span, |v| v.span), found)
                .label(ty.span, here),
        );
        Value::Error
    }
}

/// `1 parameter`, `2 parameters`, `2 axes`.
pub(super) fn count(number: usize, what: &str) -> String {
    match (number, what) {
        (1, _) => format!("1 {what}"),
        (_, "axis") => format!("{number} axes"),
        (_, _) => format!("{number} {what}s"),
    }
}

/// The id of a secret fixed-point tensor.
pub(super) fn secret_fix(value: &Value) -> Option<ValueId> {
    match value {
        Value::Tensor(t) if t.secret() && t.elem == Elem::Fix => Some(t.id),
        _ => None,
    }
}
