//! Models, inputs and outputs.

use std::rc::Rc;

use indexmap::IndexMap;
use num_rational::BigRational;
use num_traits::ToPrimitive;
use tern_bytecode::validate::names::MAX_TEXT;

use super::Lowerer;
use super::call::Given;
use super::expr::{Name, Want};
use super::transaction::Memo;
use super::value::{Elem, ItemId, Konst, ModelType, Record, Value, show_model};
use crate::diagnostics::{Code, Diagnostic, Span};
use crate::ir::{self, Element, Op, Place, Preparation, Type};
use crate::syntax::ast::{self, Expr, ExprOrRange, RangeEnd, Stage, TypeKind};

/// Bytes of a client's name at most, as of a party's.
const MAX_CLIENT: usize = 64;

/// A leaf of what a loss is differentiated by.
pub(super) struct Trainable {
    /// The leaf.
    pub(super) value: Value,
    /// Its path, if it is part of a model or a tuple.
    pub(super) name: String,
    /// Whether a derivative by it is meant.
    pub(super) open: bool,
}

/// Whether a field holds secret numbers: those of a model are, unless the field is marked public.
fn has_derivative(field: &ast::Field) -> bool {
    matches!(&field.ty.kind, TypeKind::Tensor { stage, elem: ast::Elem::Fix(_), .. } if *stage != Some(Stage::Public))
}

impl<'a> Lowerer<'a> {
    // ---- models

    /// `Net()`, `Dense(784, 128)`, `State(m=…, v=…)`.
    pub(super) fn construct(
        &mut self,
        item: ItemId,
        m: &'a ast::Model,
        given: Vec<Given<'a>>,
        span: Span,
    ) -> Value {
        if given.iter().any(|g| g.value.is_error()) || !self.step(span) {
            return Value::Error;
        }
        let value = self.in_frame(item.module, span, &m.name.name, |l| l.fill_model(item, m, given, span));
        value.unwrap_or(Value::Error)
    }

    fn fill_model(&mut self, item: ItemId, m: &'a ast::Model, given: Vec<Given<'a>>, span: Span) -> Value {
        let mut fields: Vec<Option<Value>> = m.fields.iter().map(|_| None).collect();
        let mut position = 0;
        for arg in given {
            match arg.name {
                None if position < m.params.len() => {
                    self.define(&m.params[position], arg.value, false);
                    position += 1;
                }
                Some(name) if m.params.iter().any(|p| p.name == name.name) => {
                    let param = m.params.iter().find(|p| p.name == name.name);
                    if let Some(param) = param {
                        self.define(param, arg.value, false);
                    }
                }
                Some(name) if m.fields.iter().any(|f| f.name.name == name.name) => {
                    let at = m.fields.iter().position(|f| f.name.name == name.name).unwrap_or(0);
                    self.infer_params(&m.fields[at].ty, &arg.value);
                    fields[at] = Some(arg.value);
                }
                _ => {
                    let params: Vec<&str> = m.params.iter().map(|p| p.name.as_str()).collect();
                    let text = format!("{} takes ({}) and fields by name", m.name.name, params.join(", "));
                    return self.error(Code::T001, arg.span, text, "");
                }
            }
        }
        for param in &m.params {
            if self.local(&param.name).is_none() {
                let params: Vec<&str> = m.params.iter().map(|p| p.name.as_str()).collect();
                self.report(
                    Diagnostic::error(Code::T001, format!("{} needs {}", m.name.name, param.name))
                        .at(span, "")
                        .note(format!("model {}({})", m.name.name, params.join(", "))),
                );
                return Value::Error;
            }
        }
        let mut record = IndexMap::new();
        for (field, value) in m.fields.iter().zip(fields) {
            let value = match value {
                Some(value) => value,
                None => self.initial(field),
            };
            let value = self.as_field(field, value);
            if self.oversized {
                return Value::Error;
            }
            record.insert(Rc::from(field.name.name.as_str()), value);
        }
        let args = m.params.iter().filter_map(|p| self.local(&p.name).map(|v| v.value.clone())).collect();
        let ty = ModelType { item, name: m.name.name.as_str().into(), args };
        self.compact(Value::Record(Rc::new(Record { ty: Rc::new(ty), fields: record })), span)
    }

    /// A parameter that is the type of a field follows from the field's value: `State(m=p)`.
    fn infer_params(&mut self, ty: &'a ast::Type, value: &Value) {
        if let (TypeKind::Model { path, .. }, Value::Record(r)) = (&ty.kind, value)
            && let Some(name) = path.as_ident()
            && self.local(&name.name).is_none()
            && !self.modules.list[self.module()].items.contains_key(&name.name)
        {
            self.define(name, Value::ModelType(r.ty.clone()), false);
        }
    }

    fn initial(&mut self, field: &'a ast::Field) -> Value {
        match (&field.default, &field.ty.kind) {
            (Some(default), _) => {
                let want = self.want_of_type(&field.ty);
                self.expr(default, Some(&want))
            }
            (None, TypeKind::Model { path, args, .. }) => {
                let given = args
                    .iter()
                    .map(|a| Given { name: None, value: self.expr(a, None), span: a.span })
                    .collect::<Vec<_>>();
                match self.name(path) {
                    Some(Name::Item(item)) => match self.modules.item(item) {
                        ast::Item::Model(m) => self.construct(item, m, given, field.ty.span),
                        _ => self.no_model(path),
                    },
                    Some(Name::Value(Value::ModelType(ty))) => {
                        let modules = self.modules;
                        let args = ty
                            .args
                            .iter()
                            .map(|v| Given { name: None, value: v.clone(), span: field.ty.span })
                            .collect();
                        match modules.item(ty.item) {
                            ast::Item::Model(m) => self.construct(ty.item, m, args, field.ty.span),
                            _ => Value::Error,
                        }
                    }
                    Some(Name::Value(Value::Error)) | None => Value::Error,
                    Some(Name::Value(_) | Name::Builtin(_)) => self.no_model(path),
                }
            }
            (None, TypeKind::Tensor { .. }) if self.shapes_only => {
                let elem = self.want_of_type(&field.ty).elem.unwrap_or(Elem::Fix);
                Value::Const(Konst::scalar(elem, BigRational::default()))
            }
            (None, kind) => {
                let name = &field.name.name;
                let error = Diagnostic::error(Code::T001, format!("{name} has no initial value"));
                let error = error.at(field.span, "");
                let text = self.sources.text(field.span).trim();
                self.report(match kind {
                    TypeKind::Tensor { elem: ast::Elem::Bool, .. } => error.help(format!("{text} = false")),
                    TypeKind::Tensor { elem: ast::Elem::Str, .. } => error.help(format!("{text} = \"\"")),
                    TypeKind::Tensor { .. } => error.help(format!("{text} = zeros()")),
                    TypeKind::Model { .. } | TypeKind::Tuple(_) | TypeKind::AnyModel(_) | TypeKind::Fn => {
                        error.note(format!("give it where the model is made: {name}=…"))
                    }
                });
                Value::Error
            }
        }
    }

    fn no_model(&mut self, path: &ast::Path) -> Value {
        self.error(Code::T003, path.span, format!("{} is not a model", path.last().name), "")
    }

    /// A field's value with the field's type. Numbers of a model are secret unless the field is marked public.
    fn as_field(&mut self, field: &'a ast::Field, value: Value) -> Value {
        let TypeKind::Tensor { .. } = &field.ty.kind else { return value };
        let value = self.ascribe(&field.ty, value, field.default.as_ref().map_or(field.span, |d| d.span));
        if has_derivative(field) { self.made_secret(value, field.name.span) } else { value }
    }

    /// A constant or public number as a secret one.
    fn made_secret(&mut self, value: Value, since: Span) -> Value {
        match &value {
            Value::Const(_) | Value::Tensor(_) if !value.secret() => {
                let ty = Type::shared(self.frac(), super::arith::shape_of(&value));
                let id = self.coerce(&value, Elem::Fix, &ty);
                self.tensor(id, Elem::Fix, Some(since))
            }
            _ => value,
        }
    }

    pub(super) fn field(&mut self, base: &Value, name: &'a ast::Ident) -> Value {
        match base {
            Value::Record(r) => match r.fields.get(name.name.as_str()) {
                Some(value) => value.clone(),
                // A model whose body could not be read has none, and that has been said.
                None if r.fields.is_empty() && !self.diagnostics.is_empty() => Value::Error,
                None => {
                    let near = super::names::closest(&name.name, r.fields.keys().map(|k| &**k));
                    let mut error = Diagnostic::error(
                        Code::N001,
                        format!("{} has no field {}", show_model(&r.ty), name.name),
                    )
                    .at(name.span, "");
                    error = match near {
                        Some(near) => error.help(near.to_string()),
                        None => error.note(format!(
                            "its fields are {}",
                            r.fields.keys().map(|k| &**k).collect::<Vec<_>>().join(", ")
                        )),
                    };
                    self.report(error);
                    Value::Error
                }
            },
            Value::Error => Value::Error,
            other => {
                let found = other.describe();
                self.error(
                    Code::T003,
                    name.span,
                    format!("{found} has no field {}", name.name),
                    "only models have fields",
                )
            }
        }
    }

    /// A model with one field replaced, reported if that is impossible.
    pub(super) fn with_field(&mut self, old: &Value, name: &'a ast::Ident, value: Value) -> Option<Value> {
        let before = self.field(old, name);
        let Value::Record(r) = old else { return None };
        if before.is_error() || value.is_error() {
            return Some(Value::Error);
        }
        let same = match (&before, &value) {
            (Value::Record(x), Value::Record(y)) => x.ty == y.ty,
            _ => before.shape() == value.shape(),
        };
        let value = match (before.shape(), value.shape()) {
            (Some(shape), Some([])) if !same => {
                let shape = shape.to_vec();
                self.broadcast(value, &shape)
            }
            _ if same => value,
            _ => {
                let text =
                    format!("{} is {}, assigned is {}", name.name, before.describe(), value.describe());
                self.error(Code::T002, name.span, text, "");
                return Some(Value::Error);
            }
        };
        let value = match self.declaration(&r.ty, &name.name) {
            Some(field) if has_derivative(field) => self.made_secret(value, name.span),
            _ => value,
        };
        let mut fields = r.fields.clone();
        fields.insert(name.name.as_str().into(), value);
        Some(Value::Record(Rc::new(Record { ty: r.ty.clone(), fields })))
    }

    /// The declaration of a model's field.
    fn declaration(&self, ty: &ModelType, name: &str) -> Option<&'a ast::Field> {
        match self.modules.item(ty.item) {
            ast::Item::Model(m) => m.fields.iter().find(|f| f.name.name == name),
            _ => None,
        }
    }

    /// Leaves of a value with their names, and whether a derivative by them is meant: not by fields that are marked `buffer` or `public`, nor by whole
    /// numbers and truth values.
    pub(super) fn trainable(&self, value: &Value) -> Vec<Trainable> {
        let mut leaves = Vec::new();
        self.collect_trainable(value, String::new(), true, &mut leaves);
        leaves
    }

    fn collect_trainable(&self, value: &Value, name: String, open: bool, leaves: &mut Vec<Trainable>) {
        match value {
            Value::Record(r) => {
                for (key, value) in &r.fields {
                    let trained = self.declaration(&r.ty, key).is_none_or(|f| {
                        !f.buffer && (has_derivative(f) || matches!(f.ty.kind, TypeKind::Model { .. }))
                    });
                    let name = if name.is_empty() { key.to_string() } else { format!("{name}.{key}") };
                    self.collect_trainable(value, name, open && trained, leaves);
                }
            }
            Value::Tuple(values) => {
                for (i, value) in values.iter().enumerate() {
                    let name = if name.is_empty() { format!("number {}", i + 1) } else { name.clone() };
                    self.collect_trainable(value, name, open, leaves);
                }
            }
            other => leaves.push(Trainable { value: other.clone(), name, open }),
        }
    }

    // ---- inputs

    /// Declares the main file's inputs. Those that nothing uses are dropped by a pass.
    pub(super) fn inputs(&mut self) {
        let modules = self.modules;
        for (i, item) in modules.list[0].ast.items.iter().enumerate() {
            if let ast::Item::Input(input) = item {
                let origin = self.at(input.span);
                let value = self.input(input);
                self.builder.origin = origin;
                self.globals.insert(ItemId { module: 0, item: i }, Memo { value, pure: false });
            }
        }
    }

    fn input(&mut self, input: &'a ast::Input) -> Value {
        let prepare = self.preparation(input);
        let Some(from) = self.place(&input.from) else { return Value::Error };
        match &input.ty.kind {
            TypeKind::Tensor { elem, .. } => {
                let said = self.diagnostics.len();
                let Want { shape: Some(shape), .. } = self.declared(&input.ty) else {
                    if self.diagnostics.len() > said {
                        return Value::Error;
                    }
                    let text = self.sources.text(input.ty.span).to_string();
                    return self.error(
                        Code::T002,
                        input.ty.span,
                        format!("the size of {text} is not known"),
                        "sizes of inputs are constants",
                    );
                };
                let (element, target) = match elem {
                    ast::Elem::Int => (Element::Int, Elem::Int),
                    ast::Elem::Bool => (Element::Bool, Elem::Bool),
                    ast::Elem::Fix(_) | ast::Elem::Num | ast::Elem::Str => (Element::Fix, Elem::Fix),
                };
                self.input_tensor(&input.name, String::new(), from, element, target, shape, prepare)
            }
            TypeKind::Model { path, args, .. } => {
                let given = args
                    .iter()
                    .map(|a| Given { name: None, value: self.expr(a, None), span: a.span })
                    .collect::<Vec<_>>();
                // the shapes are those of a fresh model; its initial values are not used and vanish
                let before = std::mem::replace(&mut self.shapes_only, true);
                let model = match self.name(path) {
                    Some(Name::Item(item)) => match self.modules.item(item) {
                        ast::Item::Model(m) => self.construct(item, m, given, input.ty.span),
                        _ => self.no_model(path),
                    },
                    Some(Name::Value(Value::Error)) | None => Value::Error,
                    Some(Name::Value(_) | Name::Builtin(_)) => self.no_model(path),
                };
                self.shapes_only = before;
                self.input_model(&input.name, from, &model, "")
            }
            TypeKind::Tuple(_) | TypeKind::AnyModel(_) | TypeKind::Fn => {
                self.error(Code::T003, input.ty.span, "an input is a tensor or a model", "")
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a declaration has that many parts")]
    fn input_tensor(
        &mut self,
        name: &'a ast::Ident,
        field: String,
        from: Place,
        element: Element,
        elem: Elem,
        shape: Vec<usize>,
        prepare: Preparation,
    ) -> Value {
        let frac = if elem == Elem::Fix { self.frac() } else { 0 };
        let index = self.builder.program.inputs.len() as u32;
        self.builder.program.inputs.push(ir::Input {
            name: name.name.clone(),
            field,
            from,
            element,
            shape,
            frac,
            prepare,
        });
        let id = self.builder.one(Op::Input(index), &[]);
        if elem == Elem::Bool {
            let zero = Value::Const(Konst::int(0));
            let value = self.tensor(id, Elem::Int, Some(name.span));
            let shape = super::arith::shape_of(&value);
            let zero = self.broadcast(zero, &shape);
            return self.compare(super::arith::Relation::Gt, value, zero, name.span);
        }
        self.tensor(id, elem, Some(name.span))
    }

    fn input_model(&mut self, name: &'a ast::Ident, from: Place, model: &Value, prefix: &str) -> Value {
        let Value::Record(r) = model else { return Value::Error };
        let mut fields = IndexMap::new();
        for (key, value) in &r.fields {
            let path = if prefix.is_empty() { key.to_string() } else { format!("{prefix}.{key}") };
            if !self.is_name(&path, name.span) {
                return Value::Error;
            }
            let value = match value {
                Value::Record(_) => self.input_model(name, from, value, &path),
                Value::Tensor(t) => {
                    let shape = t.ty.shape.clone();
                    self.input_tensor(
                        name,
                        path,
                        from,
                        Element::Fix,
                        Elem::Fix,
                        shape,
                        Preparation::default(),
                    )
                }
                other => other.clone(),
            };
            fields.insert(key.clone(), value);
        }
        Value::Record(Rc::new(Record { ty: r.ty.clone(), fields }))
    }

    fn place(&mut self, place: &'a ast::Place) -> Option<Place> {
        match place {
            ast::Place::Shares(_) => Some(Place::Shares),
            ast::Place::Client { name, .. } => {
                self.is_client(name).then(|| Place::Client(self.name_index(&name.name)))
            }
            ast::Place::Party { number, .. } => {
                let n = self.constant_int(number)?;
                let model = self.options.settings.protocol.model();
                let parties = model.owners;
                match u8::try_from(n) {
                    Ok(n) if model.dealer == Some(usize::from(n)) => {
                        let there = "parties 0 and 1 have the data: name one of them, or compile for another protocol";
                        let what = format!("party {n} only deals: it has no inputs and no outputs");
                        self.error(Code::N012, number.span, what, there.to_string());
                        None
                    }
                    Ok(n) if usize::from(n) < parties => Some(Place::Party(n)),
                    _ => {
                        let last = parties - 1;
                        let others: Vec<String> = (0..last).map(|party| party.to_string()).collect();
                        let there = format!("parties are {} and {last}", others.join(", "));
                        self.error(Code::N012, number.span, format!("there is no party {n}"), there);
                        None
                    }
                }
            }
        }
    }

    /// Whether a client can be called so; reports it if not.
    fn is_client(&mut self, name: &'a ast::Ident) -> bool {
        let fits = name.name.len() <= MAX_CLIENT;
        if !fits {
            let label = format!("{} bytes; there can be {MAX_CLIENT}", name.name.len());
            self.error(Code::B001, name.span, "the name of a client is too long", label);
        }
        fits
    }

    fn preparation(&mut self, input: &'a ast::Input) -> Preparation {
        let mut prepare = Preparation::default();
        let model = !matches!(input.ty.kind, TypeKind::Tensor { .. });
        for (i, option) in input.options.iter().enumerate() {
            let again = input.options[..i].iter().any(|earlier| earlier.name.name == option.name.name);
            if model || again {
                let text = if again {
                    "this option is given twice"
                } else {
                    "options are of tensors, not of models"
                };
                self.error(Code::N013, option.span, text, "");
                continue;
            }
            match (option.name.name.as_str(), &option.value) {
                ("one_hot", None) => prepare.one_hot = true,
                ("standardise", None) => prepare.standardise = true,
                ("first_rows", None) => prepare.first_rows = true,
                ("scale", Some(ExprOrRange::Expr(expr))) => prepare.scale = self.scale(expr),
                ("range", Some(ExprOrRange::Range(range))) => prepare.range = self.range_option(range),
                _ => {
                    let mut error = Diagnostic::error(
                        Code::N013,
                        format!("there is no option {}", self.sources.text(option.span)),
                    )
                    .at(option.span, "");
                    error = error
                        .note("options are scale = 1/256, one_hot, standardise, range = 0..1 and first_rows");
                    self.report(error);
                }
            }
        }
        prepare
    }

    fn scale(&mut self, expr: &'a Expr) -> Option<(i64, i64)> {
        match self.expr(expr, None) {
            Value::Const(k) => {
                let pair = k.number().and_then(|n| n.numer().to_i64().zip(n.denom().to_i64()));
                if pair.is_none() {
                    self.error(Code::T004, expr.span, "a scale is one fraction of 64-bit numbers", "");
                }
                pair
            }
            Value::Error => None,
            other => {
                let found = other.describe();
                self.error(Code::T004, expr.span, "a scale is a constant", found);
                None
            }
        }
    }

    fn range_option(&mut self, range: &'a ast::Range) -> Option<(f64, f64)> {
        let (low, high) = self.constant_bounds(range);
        let number = |n: Option<BigRational>| n.and_then(|n| n.to_f64());
        match (number(low), number(high), &range.end) {
            (Some(low), Some(high), _) => Some((low, high)),
            (_, _, RangeEnd::Open) => {
                self.error(Code::T004, range.span, "a range has two ends", "0..1");
                None
            }
            _ => None,
        }
    }

    // ---- outputs

    pub(super) fn output_statement(&mut self, results: &'a [ast::Results], to: &'a ast::Place) {
        let origin = self.at(results[0].names[0].span);
        let mut values = Vec::new();
        for ast::Results { names, value } in results {
            let of_these = match value {
                Some(expr) => self.values_by_name(names, expr),
                None => names.iter().map(|name| (self.variable(name), name.span)).collect(),
            };
            values.extend(names.iter().zip(of_these));
        }
        if let Some(to) = self.place(to) {
            for (name, (value, span)) in values {
                if self.is_only_output(name) {
                    self.output_value(name, &value, String::new(), to, span);
                }
            }
        }
        self.builder.origin = origin;
    }

    /// The value for one name, or the parts of a tuple for several; what does not fit is reported.
    fn values_by_name(&mut self, names: &[ast::Ident], expr: &'a Expr) -> Vec<(Value, Span)> {
        let value = self.expr(expr, None);
        let values = match value {
            value if names.len() == 1 => vec![value],
            Value::Tuple(values) if values.len() == names.len() => values.to_vec(),
            Value::Error => Vec::new(),
            other => {
                let text = format!("{} names for {}", names.len(), other.describe());
                let mut error = Diagnostic::error(Code::T003, text).at(expr.span, "no tuple of as many");
                if let ([front @ .., last], false) = (names, matches!(other, Value::Tuple(_))) {
                    let front: Vec<&str> = front.iter().map(|name| name.name.as_str()).collect();
                    let value = self.sources.text(expr.span);
                    let each: Vec<String> = front.iter().map(|name| format!("{name} = {name}, ")).collect();
                    error = error.help(format!("output {}{} = {value} to …", each.concat(), last.name));
                }
                self.report(error);
                Vec::new()
            }
        };
        values.into_iter().map(|value| (value, expr.span)).collect()
    }

    /// The value of a variable, reported if there is none of this name.
    fn variable(&mut self, name: &ast::Ident) -> Value {
        match self.local(&name.name) {
            Some(variable) => variable.value.clone(),
            None => self.error(Code::N001, name.span, format!("there is no variable {}", name.name), ""),
        }
    }

    /// Whether an output stands in one place, so that a file of its name can hold it, or in a run-time loop one of each iteration; reports why not.
    fn is_only_output(&mut self, name: &'a ast::Ident) -> bool {
        let output = &name.name;
        let first = self.outputs.insert(output.clone(), name.span);
        let error = match first {
            Some(first) if first != name.span => {
                Diagnostic::error(Code::N014, format!("{output} is output twice"))
                    .at(name.span, "")
                    .label(first, "first here")
                    .help(format!("a name of its own:  output {output}_again = {output} to …"))
            }
            Some(_) => Diagnostic::error(Code::N015, format!("{output} is output again and again"))
                .at(name.span, "an unrolled loop or several calls come here"),
            None => return true,
        };
        self.report(match error.code {
            Code::N015 => error
                .why("an output is one file, or in a run-time loop one for each iteration")
                .help(format!("the last value: write it behind the loop:   output {output} = …"))
                .help(format!("every value: keep each in a row, and write all of them behind the loop:   rows[i] = {output}")),
            _ => error,
        });
        false
    }

    /// Whether a field's path can be the name of a tensor; reports it if not.
    fn is_name(&mut self, path: &str, span: Span) -> bool {
        let fits = path.len() <= MAX_TEXT;
        if !fits {
            let label = format!("{} bytes, of names inside one another; there can be {MAX_TEXT}", path.len());
            self.error(Code::B001, span, "the name of a field is too long", label);
        }
        fits
    }

    fn output_value(&mut self, name: &'a ast::Ident, value: &Value, field: String, to: Place, span: Span) {
        if !self.is_name(&field, span) {
            return;
        }
        match value {
            Value::Record(r) => {
                for (key, value) in &r.fields {
                    let path = if field.is_empty() { key.to_string() } else { format!("{field}.{key}") };
                    self.output_value(name, value, path, to, span);
                }
            }
            Value::Tuple(values) => {
                for (i, value) in values.iter().enumerate() {
                    let path = if field.is_empty() { i.to_string() } else { format!("{field}.{i}") };
                    self.output_value(name, value, path, to, span);
                }
            }
            Value::Const(_) | Value::Tensor(_) => {
                let elem = super::arith::elem_of(value);
                let shape = super::arith::shape_of(value);
                let element = match elem {
                    Elem::Fix => Element::Fix,
                    Elem::Int => Element::Int,
                    Elem::Bool => Element::Bool,
                };
                let value = match value {
                    Value::Tensor(t) if t.elem == Elem::Bool && t.secret() => {
                        let id = self.bit_to_number(t, 0);
                        self.tensor(id, Elem::Int, t.since)
                    }
                    other => other.clone(),
                };
                let frac = match &value {
                    Value::Tensor(t) if t.secret() => t.ty.frac,
                    _ if elem == Elem::Fix => self.frac(),
                    _ => 0,
                };
                let id = self.coerce(&value, elem, &Type::shared(frac, shape));
                let index = self.builder.program.outputs.len() as u32;
                self.builder.program.outputs.push(ir::Output { name: name.name.clone(), field, to, element });
                self.builder
                    .push(Op::Output(index), &[id])
                    .unwrap_or_else(|e| unreachable!("outputs are shared: {e}"));
            }
            Value::Error => {}
            other => {
                let found = other.describe();
                self.error(Code::T003, span, "an output is a tensor, a model or a tuple", found);
            }
        }
    }
}
