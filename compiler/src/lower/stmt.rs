//! Blocks and statements.

use std::collections::HashSet;

use super::expr::Want;
use super::value::{Konst, Value};
use super::{Lowerer, control};
use crate::diagnostics::{Code, Diagnostic, Span};
use crate::syntax::ast::{self, BinaryOp, Expr, ExprKind, Pattern, Stmt, StmtKind};

impl<'a> Lowerer<'a> {
    /// Runs a block in a scope of its own; gives the value of its last expression.
    pub(super) fn block(&mut self, block: &'a ast::Block, want: Option<&Want>) -> Value {
        self.enter_scope();
        let value = self.statements(&block.stmts, block.value.as_deref(), want);
        self.leave_scope();
        value
    }

    /// Runs a block for its effect only; a value at its end is an error.
    pub(super) fn block_for_effect(&mut self, block: &'a ast::Block) {
        let value = self.block(block, None);
        if let Some(last) = &block.value {
            self.check_dropped(last, &value);
        }
    }

    /// Runs statements in the present scope.
    pub(super) fn statements(
        &mut self,
        stmts: &'a [Stmt],
        last: Option<&'a Expr>,
        want: Option<&Want>,
    ) -> Value {
        for (i, stmt) in stmts.iter().enumerate() {
            self.statement(stmt);
            if self.frame().returned.is_some() {
                return Value::Unit;
            }
            if control::breaks_stmt(stmt) {
                match self.break_flag() {
                    Some(Value::Const(flag)) if flag.is_zero() => {}
                    Some(Value::Tensor(flag)) => {
                        self.rest_unless_broken(flag, &stmts[i + 1..], last);
                        return Value::Unit;
                    }
                    Some(_) => return Value::Unit,
                    None => {} // outside a loop, which was reported
                }
            }
        }
        match last {
            Some(expr) => self.expr(expr, want),
            None => Value::Unit,
        }
    }

    fn statement(&mut self, stmt: &'a Stmt) {
        if !self.step(stmt.span) {
            return;
        }
        match &stmt.kind {
            StmtKind::Let(binding) => self.binding(binding, false),
            StmtKind::Var(binding) => self.binding(binding, true),
            StmtKind::Const(binding) => self.constant_binding(binding),
            StmtKind::Assign { target, value } => {
                let want = self.want_of_target(target);
                let value = self.expr(value, want.as_ref());
                self.assign(target, value);
            }
            StmtKind::Augment { target, op, value } => {
                self.augment(target, op.node, op.span, value, stmt.span)
            }
            StmtKind::Expr(expr) => {
                let value = self.expr(expr, None);
                self.check_dropped(expr, &value);
            }
            StmtKind::For(f) => self.for_statement(f, stmt.span),
            StmtKind::Break => self.break_statement(stmt.span),
            StmtKind::Return(expr) => self.return_statement(expr, stmt.span),
            StmtKind::Output { results, to } => self.output_statement(results, to),
            StmtKind::Assert { condition, message } => {
                self.assert_statement(condition, message.as_ref(), stmt.span)
            }
            StmtKind::Require { value, range, message } => {
                self.require_statement(value, range.as_ref(), message.as_ref(), stmt.span);
            }
            StmtKind::Error => {}
        }
    }

    /// An expression statement must not have a value: nothing would happen with it.
    fn check_dropped(&mut self, expr: &Expr, value: &Value) {
        if matches!(value, Value::Unit | Value::Error | Value::Hole) {
            return;
        }
        let mut message = Diagnostic::error(Code::N004, "this value is dropped")
            .at(expr.span, "nothing changes: functions do not assign");
        if let ExprKind::Call { args, .. } = &expr.kind
            && let Some(ast::Arg { value: Expr { kind: ExprKind::Path(path), .. }, .. }) = args.first()
        {
            let text = self.sources.text(expr.span);
            message = message.help(format!("{} = {text}", path.last().name));
        }
        self.report(message);
    }

    fn binding(&mut self, binding: &'a ast::Binding, mutable: bool) {
        let value = self.bound_value(binding);
        self.bind(&binding.pattern, value, mutable);
    }

    fn constant_binding(&mut self, binding: &'a ast::Binding) {
        let value = self.bound_value(binding);
        let name = self.sources.text(binding.pattern.span());
        let value = self.known_now(value, name, binding.value.span);
        self.bind(&binding.pattern, value, false);
    }

    /// The value if it is known when the program is compiled; reports that the name is no constant otherwise.
    pub(super) fn known_now(&mut self, value: Value, name: &str, span: Span) -> Value {
        match value {
            Value::Tensor(t) => {
                let what = if t.secret() { "secret" } else { "known only at run time" };
                self.error(Code::S003, span, format!("{name} is not a constant"), what)
            }
            other => other,
        }
    }

    /// The value of a binding, of the type that is written.
    fn bound_value(&mut self, binding: &'a ast::Binding) -> Value {
        let want = binding.ty.as_ref().map(|ty| self.want_of_type(ty));
        let mut value = self.expr(&binding.value, want.as_ref());
        if let Some(ty) = &binding.ty {
            self.check_sizes(ty);
            value = self.ascribe(ty, value, binding.value.span);
        }
        if matches!(value, Value::Unit) {
            value = self.error(Code::N006, binding.value.span, "this has no value", "returns nothing");
        }
        value
    }

    /// Takes a value apart into names.
    pub(super) fn bind(&mut self, pattern: &'a Pattern, value: Value, mutable: bool) {
        match (pattern, value) {
            (Pattern::Name(name), value) => self.define(name, value, mutable),
            (Pattern::Hole(_), _) => {}
            (Pattern::Tuple(parts, _), Value::Tuple(values)) if parts.len() == values.len() => {
                for (part, value) in parts.iter().zip(values.iter()) {
                    self.bind(part, value.clone(), mutable);
                }
            }
            (Pattern::Tuple(parts, span), value) => {
                if !value.is_error() {
                    let found = value.describe();
                    self.error(
                        Code::T003,
                        *span,
                        format!("{} names for {found}", parts.len()),
                        "cannot be taken apart like this",
                    );
                }
                for part in parts {
                    self.bind(part, Value::Error, mutable);
                }
            }
        }
    }

    fn augment(&mut self, target: &'a Expr, op: BinaryOp, op_span: Span, value: &'a Expr, span: Span) {
        let old = self.expr(target, None);
        let right = self.expr(value, None);
        let origin = self.at(span);
        let new = self.binary(op, op_span, old, target.span, right, value.span);
        self.builder.origin = origin;
        self.assign(target, new);
    }

    /// Assigns to a name, a field, an index, `_` or a tuple of these.
    pub(super) fn assign(&mut self, target: &'a Expr, value: Value) {
        match &target.kind {
            ExprKind::Hole => {}
            ExprKind::Path(path) => {
                // other paths and expressions were reported by the parser
                if let Some(name) = path.as_ident() {
                    self.assign_name(name, value);
                }
            }
            ExprKind::Tuple(targets) => match value {
                Value::Tuple(values) if values.len() == targets.len() => {
                    for (target, value) in targets.iter().zip(values.iter()) {
                        self.assign(target, value.clone());
                    }
                }
                Value::Error => targets.iter().for_each(|t| self.assign(t, Value::Error)),
                other => {
                    let found = other.describe();
                    self.error(Code::T003, target.span, format!("{} targets for {found}", targets.len()), "");
                }
            },
            ExprKind::Field { base, name } => {
                let old = self.expr(base, None);
                if let Some(new) = self.with_field(&old, name, value) {
                    self.assign(base, new);
                }
            }
            ExprKind::Index { base, subs } => {
                let old = self.expr(base, None);
                let new = self.with_elements(old, base.span, subs, value, target.span);
                self.assign(base, new);
            }
            _ => {}
        }
    }

    fn assign_name(&mut self, name: &ast::Ident, value: Value) {
        if matches!(value, Value::Unit) {
            self.error(Code::N006, name.span, "this has no value", "is assigned nothing");
            return;
        }
        let is_item = self.modules.list[self.module()].items.contains_key(&name.name);
        match self.local_mut(&name.name) {
            Some(variable) if variable.mutable => variable.value = value,
            Some(variable) => {
                let declared = variable.span;
                self.report(
                    Diagnostic::error(Code::N008, format!("{} cannot be assigned", name.name))
                        .at(name.span, "")
                        .label(declared, "declared here with let, or as a parameter")
                        .help(format!("var {} = …", name.name)),
                );
            }
            None if is_item => {
                self.report(
                    Diagnostic::error(Code::N008, format!("{} cannot be assigned", name.name))
                        .at(name.span, "an item of the file, not a variable")
                        .help(format!("var {0} = {0}", name.name)),
                );
            }
            None => {
                let names: Vec<String> = self
                    .frames
                    .last()
                    .iter()
                    .flat_map(|f| f.scopes.iter().flat_map(|s| s.keys().cloned()))
                    .collect();
                let mut error = Diagnostic::error(Code::N001, format!("there is no variable {}", name.name))
                    .at(name.span, "");
                error = match super::names::closest(&name.name, names.iter().map(String::as_str)) {
                    Some(near) => error.help(format!("{near} = …")),
                    None => error.help(format!("var {} = …", name.name)),
                };
                self.report(error);
            }
        }
    }

    fn return_statement(&mut self, expr: &'a Expr, span: Span) {
        let value = self.expr(expr, None);
        if self.builder.depth() != self.frame().depth {
            self.report(
                Diagnostic::error(Code::N009, "return inside a run-time loop or branch")
                    .at(span, "")
                    .why("the number of rounds must not depend on when a function returns")
                    .help("assign the result to a var and let the block end"),
            );
            return;
        }
        self.frame().returned = Some(value);
    }

    fn assert_statement(&mut self, condition: &'a Expr, message: Option<&'a ast::Text>, span: Span) {
        let origin = self.at(span);
        let value = self.expr(condition, None);
        let text = message.map_or_else(|| self.sources.text(condition.span).to_string(), |m| m.value.clone());
        self.assertion(value, &text, condition.span);
        self.builder.origin = origin;
    }

    fn require_statement(
        &mut self,
        value: &'a Expr,
        range: Option<&'a ast::Range>,
        message: Option<&'a ast::Text>,
        span: Span,
    ) {
        let origin = self.at(span);
        self.requirement(value, range, message, span);
        self.builder.origin = origin;
    }

    fn requirement(
        &mut self,
        value: &'a Expr,
        range: Option<&'a ast::Range>,
        message: Option<&'a ast::Text>,
        span: Span,
    ) {
        let found = self.expr(value, None);
        let Some(range) = range else {
            match found {
                Value::Const(k) if k.elem == super::value::Elem::Bool => {
                    if k.is_zero() {
                        let known = self.known_names(value.span);
                        self.require_failed(span, message, &known);
                    }
                }
                Value::Error => {}
                other => {
                    let what = other.describe();
                    self.error(Code::T004, value.span, "require needs a constant condition", what);
                }
            }
            return;
        };
        let bounds = self.constant_bounds(range);
        match found {
            Value::Const(k) => {
                let outside = k.occurring().find(|n| {
                    bounds.0.as_ref().is_some_and(|l| *n < l) || bounds.1.as_ref().is_some_and(|h| *n > h)
                });
                if let Some(n) = outside {
                    let found = super::value::show_number(n);
                    let found = format!("{} is {found}", self.sources.text(value.span));
                    self.require_failed(span, message, &found);
                }
            }
            // A range of a secret is a promise that nobody can check here: `assume` narrows, the emulator checks.
            Value::Tensor(t) => self.note_range(t, bounds, value),
            Value::Error => {}
            other => {
                let what = other.describe();
                self.error(Code::T004, value.span, "require needs a number", what);
            }
        }
    }

    /// The sizes and other constants that a condition mentions, with their values: `h is 27, k is 2`.
    fn known_names(&self, condition: Span) -> String {
        let text = self.sources.text(condition);
        let mut names: Vec<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let mut seen = HashSet::new();
        names.retain(|name| seen.insert(*name));
        let shown = names.into_iter().filter_map(|name| match &self.local(name)?.value {
            Value::Const(k) => Some(format!("{name} is {}", super::value::show_number(k.number()?))),
            Value::Text(text) => Some(format!("{name} is {text:?}")),
            Value::Tensor(_)
            | Value::Record(_)
            | Value::Tuple(_)
            | Value::ModelType(_)
            | Value::Function(_)
            | Value::Batches { .. }
            | Value::Fields(_)
            | Value::Unit
            | Value::Hole
            | Value::Error => None,
        });
        shown.collect::<Vec<_>>().join(", ")
    }

    /// Whoever called is at fault. The rest of the function relies on what is required, so it is not lowered.
    fn require_failed(&mut self, span: Span, message: Option<&ast::Text>, found: &str) {
        let requirement = self.sources.text(span).to_string();
        let text = match message {
            Some(text) => text.value.clone(),
            None => format!("this does not hold: {requirement}"),
        };
        let call = self.frame().call.clone();
        let mut error = Diagnostic::error(Code::T015, text);
        error = match &call {
            Some((call, name)) => error.at(*call, format!("{name} requires it")).label(span, found),
            None => error.at(span, found),
        };
        self.report(error);
        if call.is_some() {
            self.frame().returned = Some(Value::Error);
        }
    }

    fn break_statement(&mut self, span: Span) {
        match self.local_mut(control::BREAK) {
            Some(flag) => flag.value = Value::Const(Konst::int(1)),
            None => {
                self.error(Code::N010, span, "break outside a loop", "");
            }
        }
    }

    pub(super) fn break_flag(&self) -> Option<Value> {
        self.local(control::BREAK).map(|v| v.value.clone())
    }
}
