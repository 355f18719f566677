//! Expressions, and the step from constants to run-time values.

use num_rational::BigRational;
use num_traits::Zero;

use super::builtin::table::{Builtin, find};
use super::limits::{MAX_CALLS, MAX_DEPTH};
use super::modules::{Import, elsewhere, in_library, item_name};
use super::value::{Elem, ItemId, Konst, ModelType, Tensor, Value, show_number};
use super::{Frame, Lowerer};
use crate::diagnostics::{Code, Diagnostic, Span};
use crate::ir::{Const, Kind, Op, Type, ValueId};
use crate::syntax::ast::{self, Dim, Expr, ExprKind, UnaryOp};

/// What the place of an expression asks for; `zeros()` and its like take their shape from it.
#[derive(Debug, Clone, Default)]
pub(super) struct Want {
    pub(super) shape: Option<Vec<usize>>,
    pub(super) elem: Option<Elem>,
}

/// What a path leads to.
pub(super) enum Name {
    Value(Value),
    Item(ItemId),
    /// A function of the language itself, such as `sum` or `exact::ln`.
    Builtin(&'static Builtin),
}

impl<'a> Lowerer<'a> {
    pub(super) fn expr(&mut self, expr: &'a Expr, want: Option<&Want>) -> Value {
        if !self.step(expr.span) {
            return Value::Error;
        }
        if self.depth >= MAX_DEPTH {
            let label = format!("{MAX_DEPTH} expressions within one another, through all calls");
            return self.error(Code::T020, expr.span, "this program expands without end", label);
        }
        self.depth += 1;
        let origin = self.at(expr.span);
        let value = self.expr_here(expr, want);
        self.builder.origin = origin;
        self.depth -= 1;
        let value = match value.shape().map(<[usize]>::to_vec) {
            Some(shape) if !self.bounded(&shape, expr.span) => Value::Error,
            Some(_) | None => value,
        };
        if matches!(value, Value::Error) {
            self.failed.get_or_insert(expr.span);
        }
        self.watch(expr.span, &value);
        value
    }

    fn expr_here(&mut self, expr: &'a Expr, want: Option<&Want>) -> Value {
        match &expr.kind {
            ExprKind::Number(n) => {
                let elem = if n.is_whole() { Elem::Int } else { Elem::Fix };
                Value::Const(Konst::scalar(elem, n.value()))
            }
            ExprKind::Text(text) => Value::Text(text.as_str().into()),
            ExprKind::Bool(b) => Value::Const(Konst::bool(*b)),
            ExprKind::Hole => Value::Hole,
            ExprKind::Path(path) => match self.name(path) {
                Some(Name::Value(value)) => value,
                Some(Name::Item(item)) => self.item_value(item, path.span),
                Some(Name::Builtin(Builtin { name, .. })) => self.error(
                    Code::N006,
                    path.span,
                    format!("{name} is a function"),
                    format!("call it: {name}(…)"),
                ),
                None => Value::Error,
            },
            ExprKind::Unary { op, operand } => {
                let value = self.expr(operand, want);
                match op.node {
                    UnaryOp::Neg => self.negate(value, operand.span),
                    UnaryOp::Not => self.complement(value, operand.span),
                }
            }
            ExprKind::Binary { op, left, right } => {
                let a = self.expr(left, want);
                let b = self.expr(right, want);
                let opened = self.opens_axis(left) || self.opens_axis(right);
                self.with_opened(opened, |l| l.binary(op.node, op.span, a, left.span, b, right.span))
            }
            ExprKind::Call { callee, args } => self.call(callee, args, expr.span, want),
            ExprKind::Convert { elem, value } => {
                let inner = self.expr(value, want);
                self.convert(elem, inner, expr.span)
            }
            ExprKind::Index { base, subs } => {
                let base_value = self.expr(base, None);
                self.index(base_value, base.span, subs, expr.span)
            }
            ExprKind::Field { base, name } => {
                let base = self.expr(base, None);
                self.field(&base, name)
            }
            ExprKind::Tuple(parts) => {
                let tuple = Value::tuple(parts.iter().map(|p| self.expr(p, None)).collect());
                self.compact(tuple, expr.span)
            }
            ExprKind::List(dims) => self.list(dims, expr.span),
            ExprKind::Comprehension { body, name, iter } => self.comprehension(body, name, iter, expr.span),
            ExprKind::If(e) => self.if_expr(e, expr.span, want),
        }
    }

    // ---- names

    /// What the program's arithmetic is, by name: the smallest step of `fix`, the bound that every `fix` stays below, the bits of
    /// the ring.
    fn arithmetic(&self, name: &str) -> Option<Konst> {
        let settings = self.options.settings;
        let (ring, frac, total) = (settings.ring, i64::from(settings.frac), i64::from(settings.total));
        match name {
            "EPSILON" => Some(Konst::scalar(Elem::Fix, super::exact::pow2(-frac))),
            "BOUND" => Some(Konst::scalar(Elem::Fix, super::exact::pow2(total - frac - 1))),
            "RING" => Some(Konst::int(i64::from(ring))),
            _ => None,
        }
    }

    /// What a path stands for; reports names that do not exist.
    pub(super) fn name(&mut self, path: &'a ast::Path) -> Option<Name> {
        let module = &self.modules.list[self.module()];
        match path.segments.as_slice() {
            [name] => {
                if let Some(variable) = self.local(&name.name) {
                    return Some(Name::Value(variable.value.clone()));
                }
                if let Some(item) = module.items.get(&name.name) {
                    return Some(Name::Item(ItemId { module: self.module(), item: *item }));
                }
                match module.imports.get(&name.name) {
                    Some(Import::Item(item)) => return Some(Name::Item(*item)),
                    Some(Import::Missing) => return Some(Name::Value(Value::Error)),
                    Some(Import::Module(_)) if find(&name.name).is_some() => {}
                    Some(Import::Module(_)) => {
                        self.error(Code::N006, name.span, format!("{} is a module", name.name), "");
                        return None;
                    }
                    None => {}
                }
                if let Some(function) = find(&name.name) {
                    return Some(Name::Builtin(function));
                }
                if let Some(constant) = self.arithmetic(&name.name) {
                    return Some(Name::Value(Value::Const(constant)));
                }
                if !module.broken {
                    self.unknown(name);
                }
                None
            }
            [first, _] if matches!(module.imports.get(&first.name), Some(Import::Missing)) => {
                Some(Name::Value(Value::Error))
            }
            [first, second] => {
                let full = format!("{}::{}", first.name, second.name);
                if let Some(Import::Module(source)) = module.imports.get(&first.name) {
                    if let Some(item) = self.modules.list[*source].items.get(&second.name) {
                        return Some(Name::Item(ItemId { module: *source, item: *item }));
                    }
                    let near = super::names::closest(
                        &second.name,
                        self.modules.list[*source].items.keys().map(String::as_str),
                    );
                    let mut error =
                        Diagnostic::error(Code::N001, format!("{} has no {}", first.name, second.name))
                            .at(second.span, "");
                    if let Some(other) = elsewhere(&second.name) {
                        error = error.help(other);
                    } else if let Some(near) = near {
                        error = error.help(format!("{}::{near}", first.name));
                    }
                    self.report(error);
                    return None;
                }
                if let Some(function) = find(&full) {
                    return Some(Name::Builtin(function));
                }
                if !module.broken {
                    let mut error =
                        Diagnostic::error(Code::N001, format!("there is no {full}")).at(path.span, "");
                    let namespace = format!("{}::", first.name);
                    let alike = super::builtin::table::names().filter(|name| name.starts_with(&namespace));
                    let alike: Vec<&str> = alike.collect();
                    if let Some(near) = super::names::closest(&full, alike.iter().copied()) {
                        error = error.help(near.to_string());
                    } else if !alike.is_empty() {
                        error = error.note(format!("there are {}", alike.join(", ")));
                    } else {
                        error = error.note(format!("no module {} is in use here", first.name));
                    }
                    self.report(error);
                }
                None
            }
            _ => {
                self.error(Code::N003, path.span, "modules do not nest", "");
                None
            }
        }
    }

    pub(super) fn unknown(&mut self, name: &ast::Ident) {
        if self.said_enough() {
            self.said += 1;
            self.unshown += 1;
            return;
        }
        let module = &self.modules.list[self.module()];
        let mut names: Vec<String> =
            self.frames.last().iter().flat_map(|f| f.scopes.iter().flat_map(|s| s.keys().cloned())).collect();
        names.retain(|name| name != super::control::BREAK);
        names.extend(module.items.keys().cloned());
        names.extend(module.imports.keys().cloned());
        names.extend(super::builtin::table::names().map(str::to_string));
        let mut error =
            Diagnostic::error(Code::N001, format!("there is no {} here", name.name)).at(name.span, "");
        if let Some(library) = in_library(&name.name) {
            error = error.help(format!("use {library}::{}", name.name));
        } else if let Some(here) = super::names::foreign(&name.name) {
            error = error.help(here.to_string());
        } else if let Some(near) = super::names::closest(&name.name, names.iter().map(String::as_str)) {
            error = error.help(near.to_string());
        }
        self.report(error);
    }

    /// The value of an item as an expression.
    fn item_value(&mut self, id: ItemId, span: Span) -> Value {
        match self.modules.item(id) {
            ast::Item::Const(_) | ast::Item::Input(_) => self.global(id, span),
            ast::Item::Fn(_) => Value::Function(id),
            ast::Item::Model(m) if m.params.is_empty() => {
                let ty = ModelType { item: id, name: m.name.name.as_str().into(), args: Vec::new() };
                Value::ModelType(ty.into())
            }
            ast::Item::Model(m) => {
                let text = format!(
                    "{} takes {}",
                    m.name.name,
                    m.params.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(", ")
                );
                self.error(Code::N006, span, text, "")
            }
            ast::Item::Use(_) | ast::Item::Test(_) | ast::Item::Error(_) => Value::Error,
        }
    }

    /// The value of a constant or an input.
    pub(super) fn global(&mut self, id: ItemId, span: Span) -> Value {
        if let Some(memo) = self.globals.get(&id) {
            self.said += usize::from(!memo.pure); // whoever relies on it is forgotten with it
            return memo.value.clone();
        }
        let modules = self.modules;
        let ast::Item::Const(c) = modules.item(id) else {
            let text = format!("{} is not known here", self.item_text(id));
            return self.error(Code::S003, span, text, "an input, and what describes inputs is constant");
        };
        if self.pending.contains(&id) {
            return self.error(Code::N011, span, format!("{} is defined by itself", c.name.name), "");
        }
        self.pending.push(id);
        let scopes = vec![std::collections::HashMap::new()];
        let depth = self.builder.depth();
        self.frames.push(Frame { module: id.module, scopes, call: None, returned: None, depth });
        let before = self.traces();
        let value = match arg_call(&c.value) {
            Some(args) if id.module == 0 => self.argument(c, args),
            Some(args) => args.first().map_or(Value::Error, |a| self.expr(&a.value, None)),
            None => self.expr(&c.value, None),
        };
        self.frames.pop();
        self.pending.pop();
        let value = self.known_now(value, &c.name.name, c.value.span);
        self.memoise(id, value.clone(), before);
        value
    }

    /// `const NAME = arg(default, other choices…)`.
    fn argument(&mut self, c: &'a ast::Const, args: &'a [ast::Arg]) -> Value {
        if let Some(value) = self.rows_argument(c, args) {
            return value;
        }
        let choices: Vec<Value> = args.iter().map(|a| self.expr(&a.value, None)).collect();
        let Some(default) = choices.first().cloned() else {
            return self.error(Code::A003, c.value.span, "an argument needs a default", "arg(15)");
        };
        let name = &c.name.name;
        let value = match self.options.args.get(name) {
            None => default,
            Some(text) => match parse_argument(text, &default) {
                Some(value) => {
                    let allowed = choices.len() == 1 || choices.iter().any(|c| same_constant(c, &value));
                    if !allowed {
                        let list: Vec<String> = choices.iter().map(plain_text).collect();
                        let text = format!("{name} is one of {}, not {}", list.join(", "), value.describe());
                        return self.wrong_argument(c, text);
                    }
                    value
                }
                None => {
                    let kind = match &default {
                        Value::Text(_) => "a text",
                        Value::Const(k) if k.elem == Elem::Bool => "true or false",
                        Value::Const(k) if k.elem == Elem::Int => "a whole number",
                        _ => "a number",
                    };
                    return self.wrong_argument(c, format!("{name} is {kind}, not \"{text}\""));
                }
            },
        };
        self.args.push((name.clone(), plain_text(&value)));
        value
    }

    pub(super) fn wrong_argument(&mut self, c: &'a ast::Const, text: String) -> Value {
        let error =
            Diagnostic::error(Code::A001, text).at(c.value.span, "declared here").note(self.list_args());
        self.report(error);
        Value::Error
    }

    // ---- lists

    fn list(&mut self, dims: &'a [Dim], span: Span) -> Value {
        let mut parts = Vec::new();
        for dim in dims {
            match dim {
                Dim::One(expr) => parts.push(self.expr(expr, None)),
                Dim::Spread(name) => match self.local(&name.name).map(|v| v.value.clone()) {
                    Some(Value::Const(k)) => {
                        if !self.listable(&k.shape, name.span) {
                            return Value::Error;
                        }
                        parts.extend(k.iter().map(|n| Value::Const(Konst::scalar(k.elem, n.clone()))));
                    }
                    Some(Value::Error) => return Value::Error,
                    Some(_) | None => {
                        return self.error(
                            Code::T003,
                            name.span,
                            format!("{} is not a list of sizes", name.name),
                            "",
                        );
                    }
                },
            }
        }
        self.stack(parts, span)
    }

    /// Values of one shape along a new first axis.
    fn stack(&mut self, parts: Vec<Value>, span: Span) -> Value {
        if parts.iter().any(Value::is_error) {
            return Value::Error;
        }
        if parts.is_empty() {
            return Value::Const(Konst::splat(Elem::Int, vec![0], BigRational::zero()));
        }
        let shape = parts[0].shape().map(<[usize]>::to_vec);
        let Some(shape) = shape.filter(|s| parts.iter().all(|p| p.shape() == Some(s))) else {
            let found: Vec<String> = parts.iter().map(Value::describe).collect();
            return self.error(Code::T008, span, "the elements of a list have one shape", found.join(", "));
        };
        if !self.bounded(&[&[parts.len()], shape.as_slice()].concat(), span) {
            return Value::Error;
        }
        let constants: Option<Vec<&Konst>> =
            parts.iter().map(|p| if let Value::Const(k) = p { Some(k) } else { None }).collect();
        if let Some(constants) = constants {
            if !self.listable(&[&[parts.len()], shape.as_slice()].concat(), span) {
                return Value::Error;
            }
            let mut elem = constants[0].elem;
            for k in &constants {
                elem = match (elem, k.elem) {
                    (x, y) if x == y => x,
                    (Elem::Int | Elem::Fix, Elem::Int | Elem::Fix) => Elem::Fix,
                    _ => return self.error(Code::T003, span, "a list of truth values and numbers", ""),
                };
            }
            let numbers = constants.iter().flat_map(|k| k.iter().cloned()).collect();
            return Value::Const(Konst::dense(elem, [&[parts.len()], shape.as_slice()].concat(), numbers));
        }
        let rows: Vec<Value> =
            parts.into_iter().map(|p| self.reshaped(p, [&[1], shape.as_slice()].concat())).collect();
        self.concat(rows, 0, span)
    }

    fn comprehension(
        &mut self,
        body: &'a Expr,
        name: &'a ast::Ident,
        iter: &'a ast::ExprOrRange,
        span: Span,
    ) -> Value {
        let Some(values) = self.known_values(iter) else { return Value::Error };
        let mut parts = Vec::new();
        for value in values {
            if !self.step(span) {
                return Value::Error;
            }
            self.enter_scope();
            self.define(name, value, false);
            parts.push(self.expr(body, None));
            self.leave_scope();
        }
        self.stack(parts, span)
    }

    // ---- constants at run time

    /// A constant of the intermediate representation.
    pub(super) fn constant(&mut self, k: &Konst, ty: Type) -> ValueId {
        let data = k.to_data();
        self.builder.one(Op::Const(Const { ty, data }), &[])
    }

    pub(super) fn int_const(&mut self, number: i64) -> ValueId {
        self.constant(&Konst::int(number), Type::int([]))
    }

    /// A leaf as a run-time value of the given element and type (kinds only rise).
    pub(super) fn coerce(&mut self, value: &Value, elem: Elem, ty: &Type) -> ValueId {
        match value {
            Value::Const(k) => match ty.kind {
                Kind::Real | Kind::Int | Kind::Plain => self.constant(k, ty.clone()),
                Kind::Bit => {
                    let public = self.constant(k, Type::int(ty.shape.clone()));
                    self.builder.one(Op::PromoteBits, &[public])
                }
                Kind::Shared | Kind::Additive | Kind::Half => {
                    let plain = self.constant(k, Type::plain(ty.frac, ty.shape.clone()));
                    self.builder.one(Op::Promote, &[plain])
                }
            },
            Value::Tensor(t) if t.ty == *ty => t.id,
            Value::Tensor(t) => self.coerce_tensor(t, elem, ty),
            other => unreachable!("{} is no leaf of type {ty}", other.describe()),
        }
    }

    fn coerce_tensor(&mut self, t: &Tensor, elem: Elem, ty: &Type) -> ValueId {
        match (t.ty.kind, ty.kind) {
            (Kind::Int, Kind::Real) => self.builder.one(Op::IntToReal, &[t.id]),
            (Kind::Int, Kind::Bit) => self.builder.one(Op::PromoteBits, &[t.id]),
            (Kind::Int | Kind::Real, Kind::Plain) => self.builder.one(Op::Encode { frac: ty.frac }, &[t.id]),
            (Kind::Int | Kind::Real, Kind::Shared) => {
                let plain = self.builder.one(Op::Encode { frac: ty.frac }, &[t.id]);
                self.builder.one(Op::Promote, &[plain])
            }
            (Kind::Shared, Kind::Shared) if t.ty.frac < ty.frac => {
                self.builder.one(Op::Raise { bits: ty.frac - t.ty.frac }, &[t.id])
            }
            (Kind::Shared, Kind::Shared) => {
                self.builder.one(Op::Trunc { bits: t.ty.frac - ty.frac }, &[t.id])
            }
            (from, to) => unreachable!("no way from {} to {} of {}", from.name(), to.name(), elem.name()),
        }
    }

    /// The result of an instruction as a value; a secret result remembers where its operands became secret.
    pub(super) fn tensor(&mut self, id: ValueId, elem: Elem, since: Option<Span>) -> Value {
        let ty = self.builder.ty(id).clone();
        Value::Tensor(Tensor { id, ty, elem, since })
    }

    /// `fix(b)`, `int(b)`, `fix<g>(x)`.
    fn convert(&mut self, elem: &'a ast::Elem, value: Value, span: Span) -> Value {
        let (target, frac) = match elem {
            ast::Elem::Fix(None) => (Elem::Fix, self.frac()),
            ast::Elem::Fix(Some(expr)) => match self.constant_int(expr) {
                Some(frac) if (0..i64::from(self.options.settings.ring)).contains(&frac) => {
                    (Elem::Fix, frac as u32)
                }
                Some(frac) => {
                    return self.error(
                        Code::T004,
                        expr.span,
                        format!("{frac} fraction bits"),
                        "not in this ring",
                    );
                }
                None => return Value::Error,
            },
            ast::Elem::Int => (Elem::Int, 0),
            ast::Elem::Bool => (Elem::Bool, 0),
            ast::Elem::Num | ast::Elem::Str => {
                return self.error(Code::T003, span, "this is not a conversion", "");
            }
        };
        match value {
            Value::Const(k) => match (target, k.elem) {
                (Elem::Bool, Elem::Bool) | (Elem::Fix, _) => Value::Const(k.into_elem(target)),
                (Elem::Int, _) if k.occurring().all(BigRational::is_integer) => {
                    Value::Const(k.into_elem(target))
                }
                (Elem::Int, _) => {
                    let first = k.occurring().find(|n| !n.is_integer()).map(show_number).unwrap_or_default();
                    self.report(
                        Diagnostic::error(Code::T007, format!("{first} is not a whole number"))
                            .at(span, "")
                            .help("floor(…)")
                            .help("ceil(…)"),
                    );
                    Value::Error
                }
                (Elem::Bool, _) => {
                    self.error(Code::T003, span, "a number is not a truth value", "compare it: x != 0")
                }
            },
            Value::Tensor(t) => self.convert_tensor(t, target, frac, span),
            Value::Error => Value::Error,
            other => {
                let found = other.describe();
                self.error(Code::T003, span, format!("no conversion to {}", target.name()), found)
            }
        }
    }

    fn convert_tensor(&mut self, t: Tensor, target: Elem, frac: u32, span: Span) -> Value {
        let since = t.since;
        match (t.elem, target, t.secret()) {
            (a, b, _) if a == b && (a != Elem::Fix || !t.secret() || t.ty.frac == frac) => Value::Tensor(t),
            (Elem::Fix, Elem::Fix, true) => {
                let op = if t.ty.frac < frac {
                    Op::Raise { bits: frac - t.ty.frac }
                } else {
                    Op::Trunc { bits: t.ty.frac - frac }
                };
                let id = self.builder.one(op, &[t.id]);
                self.tensor(id, Elem::Fix, since)
            }
            (Elem::Bool, Elem::Int | Elem::Fix, true) => {
                let id = self.bit_to_number(&t, if target == Elem::Fix { frac } else { 0 });
                self.tensor(id, target, since)
            }
            (Elem::Int, Elem::Fix, true) => {
                let id = self.builder.one(Op::Raise { bits: frac }, &[t.id]);
                self.tensor(id, Elem::Fix, since)
            }
            (Elem::Bool, Elem::Int, false) => Value::Tensor(Tensor { elem: Elem::Int, ..t }),
            (Elem::Int | Elem::Bool, Elem::Fix, false) => {
                let id = self.builder.one(Op::IntToReal, &[t.id]);
                self.tensor(id, Elem::Fix, None)
            }
            (from, to, secret) => {
                let mut error = Diagnostic::error(
                    Code::T003,
                    format!("no conversion from {} to {}", from.name(), to.name()),
                )
                .at(span, "");
                if from == Elem::Fix && to == Elem::Int && !secret {
                    error = error.help("floor(…)");
                } else if to == Elem::Bool {
                    error = error.help("compare it: x != 0");
                }
                self.report(error);
                Value::Error
            }
        }
    }

    /// A secret truth value as a number of scale `frac`.
    pub(super) fn bit_to_number(&mut self, t: &Tensor, frac: u32) -> ValueId {
        let planes = self.builder.one(Op::Reshape([&[1], t.ty.shape.as_slice()].concat()), &[t.id]);
        let word = self.builder.one(Op::Word { compact: false }, &[planes]);
        if frac == 0 { word } else { self.builder.one(Op::Raise { bits: frac }, &[word]) }
    }

    // ---- constants demanded

    /// A constant whole number, or a report of why it is none.
    pub(super) fn constant_int(&mut self, expr: &'a Expr) -> Option<i64> {
        let value = self.expr(expr, None);
        self.constant_whole(value, expr)
    }

    /// What an expression came to as a constant whole number, or a report of why it is none.
    pub(super) fn constant_whole(&mut self, value: Value, expr: &Expr) -> Option<i64> {
        match value {
            Value::Const(k) if k.elem != Elem::Bool && k.len() == 1 => {
                let found = k.whole();
                if found.is_none() {
                    let number = k.number().map(show_number).unwrap_or_default();
                    let text = self.sources.text(expr.span).to_string();
                    self.report(
                        Diagnostic::error(Code::T007, format!("{number} is not a whole number"))
                            .at(expr.span, "a whole number is needed here")
                            .help(format!("floor({text})"))
                            .help(format!("ceil({text})")),
                    );
                }
                found
            }
            Value::Error => None,
            other => {
                let text = "a constant whole number is needed here";
                let mut error = Diagnostic::error(Code::T004, text).at(expr.span, other.describe());
                if !other.secret() && self.builder.depth() > 0 {
                    let bound = self.sources.text(expr.span);
                    error = error
                        .help("expand the loop around it, so that its counter is a constant: unroll for")
                        .help(format!(
                            "go to the largest bound there is: for j in 0..n {{ if j < {bound} {{ … }} }}"
                        ));
                }
                self.report(error);
                None
            }
        }
    }

    /// Runs `f` in a frame for a call; `None` if calls nest without end.
    pub(super) fn in_frame<T>(
        &mut self,
        module: usize,
        call: Span,
        name: &str,
        f: impl FnOnce(&mut Self) -> T,
    ) -> Option<T> {
        if self.frames.len() >= MAX_CALLS {
            self.error(
                Code::T020,
                call,
                "this program expands without end",
                format!("{MAX_CALLS} calls within one another"),
            );
            return None;
        }
        let frame = Frame {
            module,
            scopes: vec![std::collections::HashMap::new()],
            call: Some((call, name.to_string())),
            returned: None,
            depth: self.builder.depth(),
        };
        self.frames.push(frame);
        let result = f(self);
        self.frames.pop();
        Some(result)
    }

    /// The name that an item declares, for messages.
    pub(super) fn item_text(&self, id: ItemId) -> String {
        item_name(self.modules.item(id)).map_or_else(String::new, |n| n.name.clone())
    }
}

/// The arguments of `arg(…)`, if that is what the expression is.
pub(super) fn arg_call(expr: &Expr) -> Option<&[ast::Arg]> {
    match &expr.kind {
        ExprKind::Call { callee, args } => match &callee.kind {
            ExprKind::Path(path) if path.as_ident().is_some_and(|n| n.name == "arg") => Some(args),
            _ => None,
        },
        _ => None,
    }
}

/// An argument's text as a value of the default's kind.
fn parse_argument(text: &str, default: &Value) -> Option<Value> {
    match default {
        Value::Text(_) => Some(Value::Text(text.into())),
        Value::Const(k) if k.elem == Elem::Bool => {
            text.parse::<bool>().ok().map(|b| Value::Const(Konst::bool(b)))
        }
        Value::Const(k) => {
            let (negative, digits) = text.strip_prefix('-').map_or((false, text), |t| (true, t));
            let begins = digits.starts_with(|c: char| c.is_ascii_digit());
            let plain = begins
                && digits
                    .chars()
                    .all(|c| c.is_ascii_digit() || matches!(c, '.' | '_' | 'e' | 'E' | '-' | '+'));
            let (top, bottom) = digits.split_once('/').unwrap_or((digits, "1"));
            if !plain && !digits.contains('/') {
                return None;
            }
            let top = crate::syntax::Number::parse(top)?;
            let bottom = crate::syntax::Number::parse(bottom)?;
            if bottom.value().is_zero() {
                return None;
            }
            let whole = top.is_whole() && !digits.contains('/');
            if k.elem == Elem::Int && !whole {
                return None;
            }
            let number = top.value() / bottom.value();
            Some(Value::Const(Konst::scalar(k.elem, if negative { -number } else { number })))
        }
        _ => None,
    }
}

fn same_constant(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Const(x), Value::Const(y)) => x.number() == y.number(),
        (x, y) => x == y,
    }
}

/// A constant as it is given on the command line.
fn plain_text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        other => other.describe(),
    }
}
