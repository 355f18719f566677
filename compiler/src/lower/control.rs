//! Loops and branches.
//!
//! A run-time loop carries the variables that its body assigns. Their types are found by trying: the body is lowered with the types
//! of the initial values; where a value comes back with another type (a constant that changes, a public number that becomes secret), the
//! type is raised and the body lowered again. Constant < public < secret is a short ladder, so this ends soon.

use std::collections::{BTreeSet, HashMap};

use tern_bytecode::instr::{Comparison, IntBinary};

use super::index::Steps;
use super::limits::MAX_BLOCKS;
use super::transaction::Outcome;
use super::value::{Elem, Konst, Tensor, Value};
use super::{Lowerer, Variable};
use crate::diagnostics::{Code, Diagnostic, Span};
use crate::ir::{Block, Kind, Op, Type, ValueId};
use crate::syntax::ast::{self, Expr, ExprKind, ExprOrRange, Stmt, StmtKind};

/// The hidden variable that `break` sets.
pub(super) const BREAK: &str = "break";

/// Why a loop is expanded that does not say so.
const BOUNDS_ANOTHER: &str = "it is expanded because a loop inside is bounded by its counter";

/// Where the two types of a message stand.
const AROUND_LOOP: [&str; 2] = ["before the loop", "after its body"];
const ARMS: [&str; 2] = ["in one branch", "in the other"];

/// What a variable's leaf is while a loop runs.
#[derive(Debug, Clone, PartialEq)]
enum Slot {
    /// A constant (or a text, …) that the body does not change.
    Fixed(Value),
    /// A carried value.
    Carried { ty: Type, elem: Elem, since: Option<Span> },
}

/// What a loop goes through.
enum Iteration {
    /// `start, start + step, …`, `trips` of them.
    Counter { start: i64, step: i64, trips: u32 },
    /// Rows in random order, `size` at a time.
    Batches { rows: usize, size: usize },
    /// Values known to the compiler.
    Values(Vec<Value>),
}

impl Iteration {
    /// All values, one after the other, if they are known.
    fn known(self) -> Option<Box<dyn Iterator<Item = Value>>> {
        match self {
            Iteration::Counter { start, step, trips } => {
                let number = move |i| Value::Const(Konst::int(start + i * step));
                Some(Box::new((0..i64::from(trips)).map(number)))
            }
            Iteration::Values(values) => Some(Box::new(values.into_iter())),
            Iteration::Batches { .. } => None,
        }
    }
}

/// A variable (its scope and name) or the result of a branch, as the first arm and as the second leaves it.
type Merged = (Option<(usize, String)>, Value, Value);

/// What a leaf of a value becomes where two arms meet: nothing new if both leave the same, or a result of this type.
type Leaf = Option<(Type, Elem, Option<Span>)>;

impl<'a> Lowerer<'a> {
    pub(super) fn for_statement(&mut self, f: &'a ast::For, span: Span) {
        let origin = self.at(span);
        match self.iteration(&f.iter, f.unroll) {
            Some(Iteration::Values(values)) => self.unrolled(f, values.into_iter()),
            Some(counter @ Iteration::Counter { .. }) if f.unroll => {
                self.unrolled(f, counter.known().into_iter().flatten());
            }
            Some(Iteration::Batches { .. }) if f.unroll => {
                self.error(
                    Code::T005,
                    f.iter.span(),
                    "batches cannot be unrolled",
                    "their order is drawn when the program runs",
                );
            }
            Some(counter @ Iteration::Counter { start, step, trips }) => {
                let element = |l: &mut Self, counter| l.counter_value(counter, start, step);
                if let Ended::Expand = self.run_time_loop(f, trips, element) {
                    self.unrolled(f, counter.known().into_iter().flatten());
                }
            }
            Some(Iteration::Batches { rows, size }) => {
                let trips = rows.div_ceil(size);
                let order = self.builder.one(Op::Shuffle { n: rows as u32, len: trips * size }, &[]);
                self.run_time_loop(f, trips as u32, |l, counter| l.batch_rows(order, counter, size));
            }
            None => {}
        }
        self.builder.origin = origin;
    }

    /// What the expression after `in` goes through; reports why it cannot.
    fn iteration(&mut self, iter: &'a ExprOrRange, unroll: bool) -> Option<Iteration> {
        match iter {
            ExprOrRange::Range(range) => {
                let Steps { start, step, len, .. } = self.constant_range(range, None)?;
                let trips = u32::try_from(len).ok().or_else(|| {
                    self.error(
                        Code::T005,
                        range.span,
                        "a loop of so many iterations",
                        format!("{len} iterations"),
                    );
                    None
                })?;
                Some(Iteration::Counter { start, step: step as i64, trips })
            }
            ExprOrRange::Expr(expr) => match self.expr(expr, None) {
                Value::Batches { rows, size } => Some(Iteration::Batches { rows, size }),
                Value::Fields(record) if unroll => {
                    Some(Iteration::Values(record.fields.values().cloned().collect()))
                }
                Value::Const(k) if unroll && !k.shape.is_empty() => {
                    if !self.listable(&k.shape[..1], expr.span) {
                        return None;
                    }
                    let rest: Vec<usize> = k.shape[1..].to_vec();
                    let step: usize = rest.iter().product();
                    let part =
                        |i: usize| k.picked(rest.clone(), |at| i * step + super::value::flat(&rest, at));
                    Some(Iteration::Values((0..k.shape[0]).map(|i| Value::Const(part(i))).collect()))
                }
                Value::Tuple(values) if unroll => Some(Iteration::Values(values.to_vec())),
                Value::Error => None,
                other => {
                    let mut error = Diagnostic::error(Code::T005, "a loop cannot go through this")
                        .at(expr.span, other.describe());
                    let text = self.sources.text(expr.span);
                    error = match &other {
                        Value::Const(k) if k.shape.is_empty() => error.help(format!("for … in 0..{text}")),
                        Value::Fields(_) | Value::Const(_) | Value::Tuple(_) => {
                            error.help(format!("unroll for … in {text}"))
                        }
                        _ => error.note(
                            "loops go through ranges (0..n) and batches(n, size); unrolled ones also through constants and fields(p)",
                        ),
                    };
                    self.report(error);
                    None
                }
            },
        }
    }

    fn unrolled(&mut self, f: &'a ast::For, values: impl Iterator<Item = Value>) {
        for value in values {
            if !self.step(f.body.span) {
                return;
            }
            self.enter_scope();
            self.hide_break();
            self.bind(&f.pattern, value, false);
            self.block_for_effect(&f.body);
            let flag = self.break_flag();
            self.leave_scope();
            match flag {
                Some(Value::Const(flag)) if flag.is_zero() => {}
                Some(Value::Tensor(_)) => {
                    let text = "an unrolled loop is left on a condition known only at run time";
                    let error =
                        Diagnostic::error(Code::S004, text).at(f.pattern.span(), "expanded by the compiler");
                    self.report(if f.unroll { error } else { error.note(BOUNDS_ANOTHER) });
                    return;
                }
                Some(_) | None => return,
            }
        }
    }

    /// Defines the hidden variable of the innermost loop.
    fn hide_break(&mut self) {
        let variable =
            Variable { value: Value::Const(Konst::int(0)), mutable: true, span: self.builder.origin.inner };
        if let Some(scope) = self.frame().scopes.last_mut() {
            scope.insert(BREAK.into(), variable);
        }
    }

    fn counter_value(&mut self, counter: ValueId, start: i64, step: i64) -> Value {
        let mut id = counter;
        for (op, by, neutral) in [(IntBinary::Mul, step, 1), (IntBinary::Add, start, 0)] {
            if by != neutral {
                let by = self.int_const(by);
                id = self.builder.one(Op::IntBinary(op), &[id, by]);
            }
        }
        self.public_int(id)
    }

    /// What a list in brackets goes through, which is known; reports it if it is not.
    pub(super) fn known_values(&mut self, iter: &'a ExprOrRange) -> Option<Box<dyn Iterator<Item = Value>>> {
        let values = self.iteration(iter, true)?.known();
        if values.is_none() {
            self.error(
                Code::T005,
                iter.span(),
                "a list cannot go through this",
                "known only when the program runs",
            );
        }
        values
    }

    /// Rows `counter * size .. + size` of a random order.
    fn batch_rows(&mut self, order: ValueId, counter: ValueId, size: usize) -> Value {
        let factor = self.int_const(size as i64);
        let first = self.builder.one(Op::IntBinary(IntBinary::Mul), &[counter, factor]);
        let index = self.consecutive(first, size);
        let rows = self.builder.one(Op::Gather, &[order, index]);
        self.public_int(rows)
    }

    /// `first, first + 1, …`, `len` of them.
    pub(super) fn consecutive(&mut self, first: ValueId, len: usize) -> ValueId {
        let iota = self.builder.one(Op::Iota { start: 0, step: 1, len }, &[]);
        let first = self.builder.one(Op::Reshape(vec![1]), &[first]);
        let first = self.builder.one(Op::Broadcast(vec![len]), &[first]);
        self.builder.one(Op::IntBinary(IntBinary::Add), &[iota, first])
    }

    pub(super) fn public_int(&self, id: ValueId) -> Value {
        Value::Tensor(Tensor { id, ty: self.builder.ty(id).clone(), elem: Elem::Int, since: None })
    }

    /// Whether one more loop or branch of the machine may be inside those around it; reports it if not.
    fn shallow(&mut self, span: Span) -> bool {
        let fits = self.builder.depth() <= MAX_BLOCKS;
        if !fits {
            let text = format!("more than {MAX_BLOCKS} run-time loops and branches within one another");
            self.error(Code::B001, span, text, "through all calls");
        }
        fits
    }

    fn run_time_loop(
        &mut self,
        f: &'a ast::For,
        trips: u32,
        element: impl Fn(&mut Self, ValueId) -> Value,
    ) -> Ended {
        if !self.shallow(f.pattern.span()) {
            return Ended::Done;
        }
        let mut names = BTreeSet::new();
        assigned_block(&f.body, &mut names);
        names.retain(|n| self.local(n).is_some_and(|v| v.mutable));
        let initial: Vec<(String, Value)> =
            names.iter().filter_map(|n| self.local(n).map(|v| (n.clone(), v.value.clone()))).collect();
        let mut slots: Vec<Vec<Slot>> =
            initial.iter().map(|(_, v)| v.leaves().into_iter().map(slot).collect()).collect();
        let breaks = f.body.stmts.iter().any(breaks_stmt) || f.body.value.as_deref().is_some_and(breaks_expr);
        loop {
            let attempt = self.transaction(|l| match l.try_body(f, &initial, &slots, breaks, &element) {
                again @ (Attempt::Raise(_) | Attempt::Expand) => Outcome::Undo(again),
                done @ (Attempt::Fits(_) | Attempt::Failed) => Outcome::Keep(done),
            });
            match attempt {
                Attempt::Fits(body) => {
                    self.settle_doubts();
                    self.finish_loop(trips, &initial, &slots, *body);
                    return Ended::Done;
                }
                Attempt::Raise(raised) => slots = raised,
                Attempt::Expand if self.expand.is_empty() => return Ended::Expand,
                // a loop around this one is expanded first, and this is tried anew
                Attempt::Expand | Attempt::Failed => {
                    for (name, _) in &initial {
                        self.set(name, Value::Error);
                    }
                    return Ended::Done;
                }
            }
        }
    }

    /// Behind the outermost loop nothing becomes secret any more by lowering it again.
    fn settle_doubts(&mut self) {
        if self.loops.is_empty() {
            for message in std::mem::take(&mut self.doubtful) {
                self.report(message);
            }
        }
    }

    fn set(&mut self, name: &str, value: Value) {
        if let Some(variable) = self.local_mut(name) {
            variable.value = value;
        }
    }

    /// Lowers the body once with the given slots.
    fn try_body(
        &mut self,
        f: &'a ast::For,
        initial: &[(String, Value)],
        slots: &[Vec<Slot>],
        breaks: bool,
        element: &impl Fn(&mut Self, ValueId) -> Value,
    ) -> Attempt {
        let mut types = vec![Type::int([])];
        types.extend(
            slots
                .iter()
                .flatten()
                .filter_map(|s| if let Slot::Carried { ty, .. } = s { Some(ty.clone()) } else { None }),
        );
        let params = self.builder.enter(&types);
        let mut given = params[1..].iter();
        for ((name, value), slots) in initial.iter().zip(slots) {
            let leaves: Vec<Value> = slots
                .iter()
                .map(|slot| match slot {
                    Slot::Fixed(value) => value.clone(),
                    Slot::Carried { ty, elem, since } => match given.next() {
                        Some(id) => {
                            Value::Tensor(Tensor { id: *id, ty: ty.clone(), elem: *elem, since: *since })
                        }
                        None => Value::Error,
                    },
                })
                .collect();
            self.set(name, value.with_leaves(&mut leaves.into_iter()));
        }
        self.enter_scope();
        self.hide_break();
        let current = element(self, params[0]);
        self.bind(&f.pattern, current, false);
        self.loops.push(params[0]);
        self.block_for_effect(&f.body);
        self.loops.pop();
        if self.expand.remove(&params[0]) {
            return Attempt::Expand;
        }
        let flag = self.break_flag();
        self.leave_scope();
        let after: Vec<Value> =
            initial.iter().map(|(n, _)| self.local(n).map_or(Value::Error, |v| v.value.clone())).collect();
        for (name, value) in initial {
            self.set(name, value.clone());
        }
        self.judge(initial, slots, &after, flag.filter(|_| breaks))
    }

    /// Compares what the body left with what it was given.
    fn judge(
        &mut self,
        initial: &[(String, Value)],
        slots: &[Vec<Slot>],
        after: &[Value],
        flag: Option<Value>,
    ) -> Attempt {
        let mut raised = Vec::with_capacity(slots.len());
        let mut yields = Vec::new();
        for (((name, before), slots), after) in initial.iter().zip(slots).zip(after) {
            let leaves = after.leaves();
            if after.is_error() || leaves.len() != slots.len() {
                if !after.is_error() {
                    self.type_changes(before, after, name, AROUND_LOOP);
                }
                self.builder.leave(Vec::new());
                return Attempt::Failed;
            }
            let mut row = Vec::with_capacity(slots.len());
            for (slot, leaf) in slots.iter().zip(leaves) {
                let Some(next) = self.join(slot, &leaf, name) else {
                    self.builder.leave(Vec::new());
                    return Attempt::Failed;
                };
                row.push(next);
                yields.push((slot.clone(), leaf));
            }
            raised.push(row);
        }
        let same = raised.iter().flatten().zip(slots.iter().flatten()).all(|(a, b)| same_slot(a, b));
        if !same {
            return Attempt::Raise(raised);
        }
        let mut values: Vec<ValueId> = yields
            .iter()
            .filter_map(|(slot, leaf)| match slot {
                Slot::Fixed(_) => None,
                Slot::Carried { ty, elem, .. } => Some(self.coerce(leaf, *elem, ty)),
            })
            .collect();
        let breaks = flag.is_some();
        if let Some(flag) = flag {
            values.push(self.coerce(&flag, Elem::Int, &Type::int([])));
        }
        let block = self.builder.leave(values);
        Attempt::Fits(Box::new(Body { block, breaks }))
    }

    fn finish_loop(&mut self, trips: u32, initial: &[(String, Value)], slots: &[Vec<Slot>], body: Body) {
        let mut args = Vec::new();
        for ((_, value), slots) in initial.iter().zip(slots) {
            for (leaf, slot) in value.leaves().iter().zip(slots) {
                if let Slot::Carried { ty, elem, .. } = slot {
                    args.push(self.coerce(leaf, *elem, ty));
                }
            }
        }
        let op = Op::For { trips, breaks: body.breaks };
        let results = match self.builder.push_with(op, &args, vec![body.block]) {
            Ok(results) => results,
            Err(error) => unreachable!("loops are typed by their slots: {error}"),
        };
        let mut results = results.into_iter();
        for ((name, value), slots) in initial.iter().zip(slots) {
            let leaves: Vec<Value> = slots
                .iter()
                .map(|slot| match slot {
                    Slot::Fixed(value) => value.clone(),
                    Slot::Carried { ty, elem, since } => match results.next() {
                        Some(id) => Value::Tensor(Tensor { id, ty: ty.clone(), elem: *elem, since: *since }),
                        None => Value::Error,
                    },
                })
                .collect();
            self.set(name, value.with_leaves(&mut leaves.into_iter()));
        }
    }

    /// The slot that holds both what a slot holds and another value.
    fn join(&mut self, slot: &Slot, value: &Value, name: &str) -> Option<Slot> {
        match (slot, value) {
            (Slot::Fixed(a), b) if a == b => Some(slot.clone()),
            (Slot::Fixed(a), b) => {
                let (ty, elem, since) = self.common(a, b, name, AROUND_LOOP)?;
                Some(Slot::Carried { ty, elem, since })
            }
            (Slot::Carried { ty, elem, since }, b) => {
                let carried =
                    Value::Tensor(Tensor { id: ValueId(0), ty: ty.clone(), elem: *elem, since: *since });
                let (ty, elem, since) = self.common(&carried, b, name, AROUND_LOOP)?;
                Some(Slot::Carried { ty, elem, since })
            }
        }
    }

    /// The run-time type that holds both values, reported if there is none.
    fn common(
        &mut self,
        a: &Value,
        b: &Value,
        name: &str,
        places: [&str; 2],
    ) -> Option<(Type, Elem, Option<Span>)> {
        let both = a.shape().zip(b.shape()).filter(|(x, y)| x == y).map(|(s, _)| s.to_vec());
        let elem = match (a.elem(), b.elem()) {
            (Some(x), Some(y)) if x == y => Some(x),
            (Some(Elem::Int), Some(Elem::Fix)) | (Some(Elem::Fix), Some(Elem::Int)) => Some(Elem::Fix),
            _ => None,
        };
        let (Some(shape), Some(elem)) = (both, elem) else {
            self.type_changes(a, b, name, places);
            return None;
        };
        let since = a.secret_since().or(b.secret_since()).flatten();
        let secret = a.secret() || b.secret();
        let frac = [a, b]
            .iter()
            .filter_map(|v| if let Value::Tensor(t) = v { Some(t.ty.frac) } else { None })
            .max()
            .filter(|f| *f > 0)
            .unwrap_or(self.frac());
        Some((runtime_type(elem, secret, frac, shape), elem, since))
    }

    fn type_changes(&mut self, a: &Value, b: &Value, name: &str, places: [&str; 2]) {
        let text = format!("{name} is {} {} and {} {}", a.describe(), places[0], b.describe(), places[1]);
        self.report(
            Diagnostic::error(Code::T006, text)
                .at(self.builder.origin.inner, "")
                .why("what a run-time loop or branch leaves has one shape and element"),
        );
    }

    // ---- branches

    /// `if` of any kind. A constant condition is decided here, and only the branch taken is lowered.
    pub(super) fn if_expr(&mut self, e: &'a ast::If, span: Span, want: Option<&super::expr::Want>) -> Value {
        let condition = self.expr(&e.condition, None);
        match condition {
            Value::Const(k) if k.elem == Elem::Bool && k.len() == 1 => {
                if !k.is_zero() {
                    self.block(&e.then, want)
                } else {
                    e.otherwise.as_ref().map_or(Value::Unit, |b| self.block(b, want))
                }
            }
            Value::Tensor(t) if t.secret() && t.elem == Elem::Bool => {
                self.secret_condition(&t, e.condition.span)
            }
            Value::Tensor(t) if t.elem == Elem::Bool && t.ty.len() == 1 => {
                let origin = self.at(span);
                let cond = self.scalar_id(&t);
                let value = self.branch(
                    cond,
                    |l| l.block(&e.then, want),
                    |l| e.otherwise.as_ref().map_or(Value::Unit, |b| l.block(b, want)),
                );
                self.builder.origin = origin;
                value
            }
            Value::Error => Value::Error,
            other => {
                let found = other.describe();
                self.error(Code::T004, e.condition.span, "a condition is one truth value", found)
            }
        }
    }

    /// A shape-`[]` form of a tensor of one element.
    fn scalar_id(&mut self, t: &Tensor) -> ValueId {
        if t.ty.shape.is_empty() { t.id } else { self.builder.one(Op::Reshape(Vec::new()), &[t.id]) }
    }

    pub(super) fn secret_condition(&mut self, t: &Tensor, span: Span) -> Value {
        let text = self.sources.text(span).to_string();
        let mut error = Diagnostic::error(Code::S001, "this condition is secret")
            .at(span, format!("secret {}", t.elem.name()));
        if let Some(since) = t.since {
            error = error.label(since, "secret from here");
        }
        self.report(
            error
                .why("every party would see which branch ran, and so learn this bit")
                .help(format!("compute both sides and select:  y = where({text}, a, b)"))
                .help(format!("publish the bit on purpose:     if reveal({text}) {{ … }}   adds one published value each time")),
        );
        Value::Error
    }

    fn rest_unless_broken_condition(&mut self, flag: &Tensor) -> ValueId {
        let zero = self.int_const(0);
        self.builder.one(Op::Compare(Comparison::Eq), &[flag.id, zero])
    }

    /// The statements after one that may have left the loop.
    pub(super) fn rest_unless_broken(&mut self, flag: Tensor, rest: &'a [Stmt], last: Option<&'a Expr>) {
        if rest.is_empty() && last.is_none() {
            return;
        }
        let cond = self.rest_unless_broken_condition(&flag);
        self.branch(
            cond,
            |l| {
                l.enter_scope();
                l.statements(rest, last, None);
                l.leave_scope();
                Value::Unit
            },
            |_| Value::Unit,
        );
    }

    /// A branch decided at run time: both arms are lowered; variables that differ afterwards become results.
    fn branch(
        &mut self,
        cond: ValueId,
        then: impl FnOnce(&mut Self) -> Value,
        otherwise: impl FnOnce(&mut Self) -> Value,
    ) -> Value {
        let span = self.builder.origin.inner;
        if !self.shallow(span) {
            return Value::Error;
        }
        self.spend(3 * self.variables(), span); // copied that often
        let before = self.frame().scopes.clone();
        self.builder.enter(&[]);
        let a = then(self);
        let then_block = self.builder.leave(Vec::new());
        let then_scopes = std::mem::replace(&mut self.frame().scopes, before.clone());
        self.builder.enter(&[]);
        let b = otherwise(self);
        let else_block = self.builder.leave(Vec::new());
        let else_scopes = std::mem::replace(&mut self.frame().scopes, before.clone());
        let mut merge: Vec<Merged> = Vec::new();
        for (i, scope) in before.iter().enumerate() {
            for name in sorted_names(scope) {
                let (x, y) = (&then_scopes[i][&name].value, &else_scopes[i][&name].value);
                if x != y || *x != scope[&name].value {
                    merge.push((Some((i, name)), x.clone(), y.clone()));
                }
            }
        }
        if !matches!((&a, &b), (Value::Unit, _) | (_, Value::Unit)) {
            merge.push((None, a, b));
        }
        self.merge(cond, then_block, else_block, merge)
    }

    fn merge(&mut self, cond: ValueId, then: Block, otherwise: Block, pairs: Vec<Merged>) -> Value {
        // What the two arms leave, leaf by leaf: equal constants stay, everything else becomes a result.
        let mut plan: Vec<Vec<Leaf>> = Vec::new();
        for (target, a, b) in &pairs {
            let name = target.as_ref().map_or("the result", |(_, n)| n.as_str()).to_string();
            let (x, y) = (a.leaves(), b.leaves());
            if a.is_error() || b.is_error() || x.len() != y.len() {
                if !a.is_error() && !b.is_error() {
                    self.type_changes(a, b, &name, ARMS);
                }
                plan.push(Vec::new());
                continue;
            }
            let row = x
                .iter()
                .zip(&y)
                .map(|(x, y)| if x == y { Some(None) } else { self.common(x, y, &name, ARMS).map(Some) });
            plan.push(row.collect::<Option<Vec<_>>>().unwrap_or_default());
        }
        let arm = |l: &mut Self, block: Block, second: bool| {
            l.builder.reenter(block);
            let mut yields = Vec::new();
            for ((_, a, b), row) in pairs.iter().zip(&plan) {
                let leaves = if second { b.leaves() } else { a.leaves() };
                for (leaf, ty) in leaves.iter().zip(row) {
                    if let Some((ty, elem, _)) = ty {
                        yields.push(l.coerce(leaf, *elem, ty));
                    }
                }
            }
            l.builder.leave(yields)
        };
        let then = arm(self, then, false);
        let otherwise = arm(self, otherwise, true);
        let results = match self.builder.push_with(Op::If, &[cond], vec![then, otherwise]) {
            Ok(results) => results,
            Err(error) => unreachable!("branches are typed by their plan: {error}"),
        };
        let mut results = results.into_iter();
        let mut value = Value::Unit;
        for ((target, a, _), row) in pairs.iter().zip(plan) {
            let merged = if row.is_empty() && !a.leaves().is_empty() {
                Value::Error
            } else {
                let leaves: Vec<Value> = a
                    .leaves()
                    .into_iter()
                    .zip(row)
                    .map(|(leaf, ty)| match ty {
                        None => leaf,
                        Some((ty, elem, since)) => match results.next() {
                            Some(id) => Value::Tensor(Tensor { id, ty, elem, since }),
                            None => Value::Error,
                        },
                    })
                    .collect();
                a.with_leaves(&mut leaves.into_iter())
            };
            match target {
                Some((scope, name)) => {
                    if let Some(variable) = self.frame().scopes[*scope].get_mut(name) {
                        variable.value = merged;
                    }
                }
                None => value = merged,
            }
        }
        value
    }
}

struct Body {
    block: Block,
    breaks: bool,
}

enum Attempt {
    Fits(Box<Body>),
    Raise(Vec<Vec<Slot>>),
    /// A loop inside is bounded by the counter.
    Expand,
    Failed,
}

/// How it ended to lower a run-time loop.
enum Ended {
    Done,
    /// It has to be expanded instead; nothing of it is left.
    Expand,
}

fn slot(value: Value) -> Slot {
    match value {
        Value::Tensor(t) => Slot::Carried { ty: t.ty, elem: t.elem, since: t.since },
        other => Slot::Fixed(other),
    }
}

fn same_slot(a: &Slot, b: &Slot) -> bool {
    match (a, b) {
        (Slot::Fixed(x), Slot::Fixed(y)) => x == y,
        (Slot::Carried { ty: x, elem: e, .. }, Slot::Carried { ty: y, elem: g, .. }) => x == y && e == g,
        (Slot::Fixed(_), Slot::Carried { .. }) | (Slot::Carried { .. }, Slot::Fixed(_)) => false,
    }
}

fn sorted_names(scope: &HashMap<String, Variable>) -> Vec<String> {
    let mut names: Vec<String> = scope.iter().filter(|(_, v)| v.mutable).map(|(n, _)| n.clone()).collect();
    names.sort();
    names
}

/// The type of run-time values of an element.
pub(super) fn runtime_type(elem: Elem, secret: bool, frac: u32, shape: Vec<usize>) -> Type {
    match (elem, secret) {
        (Elem::Fix, true) => Type::shared(frac, shape),
        (Elem::Int, true) => Type::shared(0, shape),
        (Elem::Bool, true) => Type::bit(shape),
        (Elem::Fix, false) => Type::new(Kind::Real, 0, shape),
        (Elem::Int | Elem::Bool, false) => Type::int(shape),
    }
}

/// Names that a block assigns, without those of nested functions (there are none).
fn assigned_block(block: &ast::Block, names: &mut BTreeSet<String>) {
    block.stmts.iter().for_each(|s| assigned_stmt(s, names));
    if let Some(value) = &block.value {
        assigned_expr(value, names);
    }
}

fn assigned_stmt(stmt: &Stmt, names: &mut BTreeSet<String>) {
    match &stmt.kind {
        StmtKind::Assign { target, .. } | StmtKind::Augment { target, .. } => assigned_target(target, names),
        StmtKind::For(f) => assigned_block(&f.body, names),
        StmtKind::Expr(e) => assigned_expr(e, names),
        StmtKind::Let(b) | StmtKind::Var(b) | StmtKind::Const(b) => assigned_expr(&b.value, names),
        StmtKind::Break | StmtKind::Return(_) | StmtKind::Output { .. } => {}
        StmtKind::Assert { .. } | StmtKind::Require { .. } | StmtKind::Error => {}
    }
}

fn assigned_target(target: &Expr, names: &mut BTreeSet<String>) {
    match &target.kind {
        ExprKind::Path(path) => {
            names.insert(path.last().name.clone());
        }
        ExprKind::Tuple(parts) => parts.iter().for_each(|p| assigned_target(p, names)),
        ExprKind::Field { base, .. } | ExprKind::Index { base, .. } => assigned_target(base, names),
        _ => {}
    }
}

/// Blocks inside expressions stand in `if` only.
fn assigned_expr(expr: &Expr, names: &mut BTreeSet<String>) {
    if let ExprKind::If(e) = &expr.kind {
        assigned_block(&e.then, names);
        if let Some(block) = &e.otherwise {
            assigned_block(block, names);
        }
    }
}

/// Whether a statement may leave the loop around it.
pub(super) fn breaks_stmt(stmt: &Stmt) -> bool {
    match &stmt.kind {
        StmtKind::Break => true,
        StmtKind::Expr(e) => breaks_expr(e),
        _ => false,
    }
}

fn breaks_expr(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::If(e) => breaks_block(&e.then) || e.otherwise.as_ref().is_some_and(breaks_block),
        _ => false,
    }
}

fn breaks_block(block: &ast::Block) -> bool {
    block.stmts.iter().any(breaks_stmt) || block.value.as_deref().is_some_and(breaks_expr)
}
