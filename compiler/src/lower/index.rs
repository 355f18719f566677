//! Subscripts, ranges, and the movement of elements.

use num_rational::BigRational;

use super::Lowerer;
use super::arith::{elem_of, elem_of_parts, shape_of};
use super::control::runtime_type;
use super::exact;
use super::limits::MAX_PARTS;
use super::value::{Elem, Konst, Tensor, Value, flat, show_shape};
use crate::diagnostics::{Code, Diagnostic, Span};
use crate::ir::{Op, Type, ValueId};
use crate::syntax::ast::{Expr, ExprKind, Range, RangeEnd, Sub, UnaryOp};

/// What stands for a new axis among subscripts, as in NumPy.
const NEW_AXIS: &str = "None";

/// What is taken of one axis.
enum Pick {
    /// Elements `start`, `start + step`, …, `len` of them.
    Slice { start: usize, step: usize, len: usize },
    /// A new axis of size 1.
    New,
    /// One element; the axis goes.
    One(usize),
    /// Elements by a public index of rank 1.
    Gather { index: ValueId },
    /// One element by a public number; the axis goes.
    GatherOne { index: ValueId },
}

/// A range that is known: `start`, `start + step`, … before `end`, `len` of them.
pub(super) struct Steps {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) step: usize,
    pub(super) len: usize,
}

impl<'a> Lowerer<'a> {
    pub(super) fn index(&mut self, base: Value, base_span: Span, subs: &'a [Sub], span: Span) -> Value {
        match &base {
            Value::Const(_) | Value::Tensor(_) => {}
            Value::Tuple(values) => return self.index_tuple(values, subs, span),
            Value::Error => return Value::Error,
            other => {
                let found = other.describe();
                return self.error(Code::T003, base_span, "this cannot be indexed", found);
            }
        }
        let Some(picks) = self.picks(&shape_of(&base), base_span, subs, span) else { return Value::Error };
        self.take(base, &picks)
    }

    fn index_tuple(&mut self, values: &[Value], subs: &'a [Sub], span: Span) -> Value {
        let index = match subs {
            [Sub::At(expr)] => self.constant_int(expr),
            _ => {
                self.error(Code::T003, span, "a tuple is indexed by one number", "");
                None
            }
        };
        match index {
            Some(i) => usize::try_from(i).ok().and_then(|i| values.get(i).cloned()).unwrap_or_else(|| {
                self.error(Code::T013, span, format!("index {i} of {} values", values.len()), "")
            }),
            None => Value::Error,
        }
    }

    /// What each axis of `shape` is asked for.
    fn picks(&mut self, shape: &[usize], base: Span, subs: &'a [Sub], span: Span) -> Option<Vec<Pick>> {
        let ellipses = subs.iter().filter(|s| matches!(s, Sub::Ellipsis(_))).count();
        let new = subs.iter().filter(|s| self.is_new_axis(s)).count();
        let named = subs.len() - ellipses - new;
        if named > shape.len() || ellipses > 1 {
            let text = format!("{named} subscripts for {}", super::call::count(shape.len(), "axis"));
            self.error(Code::T013, span, text, format!("of {}", show_shape(shape)));
            return None;
        }
        let whole = |axis: usize| Pick::Slice { start: 0, step: 1, len: shape[axis] };
        let mut picks = Vec::with_capacity(shape.len() + new);
        let mut axis = 0;
        for sub in subs {
            match sub {
                _ if self.is_new_axis(sub) => {
                    picks.push(Pick::New);
                    continue;
                }
                Sub::Ellipsis(_) => {
                    picks.extend((axis..axis + shape.len() - named).map(whole));
                    axis += shape.len() - named;
                    continue;
                }
                Sub::Full(_) => picks.push(whole(axis)),
                Sub::Range(range) => picks.push(self.pick_range(range, shape[axis])?),
                Sub::At(expr) => picks.push(self.pick_at(expr, axis, shape, base)?),
            }
            axis += 1;
        }
        picks.extend((axis..shape.len()).map(whole));
        Some(picks)
    }

    /// Whether a new axis is written in an operand: `x[.., None]`, `-x[None]`, `fix(a[.., None])`, `expand(x)`.
    pub(super) fn opens_axis(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Index { subs, .. } => subs.iter().any(|sub| self.is_new_axis(sub)),
            ExprKind::Unary { operand: inner, .. } | ExprKind::Convert { value: inner, .. } => {
                self.opens_axis(inner)
            }
            ExprKind::Binary { left, right, .. } => self.opens_axis(left) || self.opens_axis(right),
            ExprKind::Call { callee, .. } => {
                matches!(&callee.kind, ExprKind::Path(path) if path.as_ident().is_some_and(|f| f.name == "expand"))
            }
            _ => false,
        }
    }

    /// Runs an operation with or without a new axis written in its operands.
    pub(super) fn with_opened<T>(&mut self, opened: bool, f: impl FnOnce(&mut Self) -> T) -> T {
        let around = std::mem::replace(&mut self.opened, opened);
        let result = f(self);
        self.opened = around;
        result
    }

    /// `None` as a subscript, unless something is called so.
    fn is_new_axis(&self, sub: &Sub) -> bool {
        let Sub::At(Expr { kind: ExprKind::Path(path), .. }) = sub else { return false };
        path.as_ident().is_some_and(|name| {
            let module = &self.modules.list[self.module()];
            name.name == NEW_AXIS && self.local(NEW_AXIS).is_none() && !module.items.contains_key(NEW_AXIS)
        })
    }

    fn pick_at(&mut self, expr: &'a Expr, axis: usize, shape: &[usize], base: Span) -> Option<Pick> {
        let size = shape[axis];
        match self.expr(expr, None) {
            Value::Const(k) if k.shape.is_empty() => {
                let i = k.whole().map(|i| if i < 0 { i + size as i64 } else { i });
                match i.and_then(|i| usize::try_from(i).ok()).filter(|i| *i < size) {
                    Some(i) => Some(Pick::One(i)),
                    None => {
                        let found = Value::Const(k).describe();
                        self.error(
                            Code::T013,
                            expr.span,
                            format!("index {found} of {}", super::call::count(size, "element")),
                            "",
                        );
                        None
                    }
                }
            }
            Value::Const(k) if k.shape.len() == 1 => {
                let ok = k.occurring().all(|n| {
                    n.is_integer()
                        && *n >= BigRational::from_integer(0.into())
                        && *n < BigRational::from_integer(size.into())
                });
                if !ok {
                    self.error(Code::T013, expr.span, format!("an index outside {size} elements"), "");
                    return None;
                }
                let index = self.constant(&k, Type::int(k.shape.clone()));
                Some(Pick::Gather { index })
            }
            Value::Tensor(t) if t.secret() => {
                self.secret_index(&t, expr.span, axis, shape, base);
                None
            }
            Value::Tensor(t) if t.elem == Elem::Int && t.ty.shape.is_empty() => {
                Some(Pick::GatherOne { index: t.id })
            }
            Value::Tensor(t) if t.elem == Elem::Int && t.ty.shape.len() == 1 => {
                Some(Pick::Gather { index: t.id })
            }
            Value::Error => None,
            other => {
                let found = other.describe();
                self.error(Code::T013, expr.span, "an index is a whole number or a list of them", found);
                None
            }
        }
    }

    /// Says how to read by a secret index: by comparing with all, which the products below do literally, or by publishing it.
    fn secret_index(&mut self, index: &Tensor, span: Span, axis: usize, shape: &[usize], base: Span) {
        let (text, whole) = (self.sources.text(span), self.sources.text(base));
        let all = format!("[j for j in 0..{}]", shape[axis]);
        let selected = match (index.ty.shape.len(), axis, shape.len()) {
            (0, 0, 1) => format!("sum(where({text} == {all}, {whole}, 0))"),
            (0, 0, 2) => format!("fix({text} == {all}) @ {whole}"),
            (1, 0, 1 | 2) => {
                let pairs = show_shape(&[index.ty.shape[0], shape[0]]);
                format!("fix(broadcast(expand({text}), {pairs}) == {all}) @ {whole}")
            }
            (_, _, _) => format!("fix({text} == {all}), and its product with the elements along axis {axis}"),
        };
        let mut error = Diagnostic::error(Code::S002, "this index is secret").at(span, "secret index");
        if let Some(since) = index.since {
            error = error.label(since, "secret from here");
        }
        if index.elem == Elem::Bool {
            let error = error.why("every party would see how many elements are taken, and which");
            return self.report(error.help(format!("0 in place of the others: where({text}, {whole}, 0)")));
        }
        self.report(
            error
                .why("every party would see which element is read")
                .help(format!("compare with every index and select: {selected}"))
                .help(format!("publish the index on purpose:        reveal({text})")),
        );
    }

    fn pick_range(&mut self, range: &'a Range, size: usize) -> Option<Pick> {
        // a .. +n with a start known at run time
        if let (Some(start), RangeEnd::Length(len)) = (&range.start, &range.end) {
            let start_value = self.expr(start, None);
            match start_value {
                Value::Tensor(t)
                    if range.step.is_none()
                        && !t.secret()
                        && t.elem == Elem::Int
                        && t.ty.shape.is_empty() =>
                {
                    let len = self.constant_int(len)?;
                    let len = usize::try_from(len).ok().filter(|n| *n <= size);
                    let Some(len) = len else {
                        self.error(
                            Code::T013,
                            range.span,
                            format!("a slice longer than its axis of {size}"),
                            "",
                        );
                        return None;
                    };
                    let index = self.consecutive(t.id, len);
                    return Some(Pick::Gather { index });
                }
                _ => {}
            }
        }
        let Steps { start, end, step, len } = self.constant_range(range, Some(size))?;
        match usize::try_from(start).ok().filter(|_| end <= size as i64) {
            Some(start) => Some(Pick::Slice { start, step, len }),
            None => {
                self.error(
                    Code::T013,
                    range.span,
                    format!("{start}..{end} of {size} elements"),
                    "reaches outside",
                );
                None
            }
        }
    }

    fn take(&mut self, base: Value, picks: &[Pick]) -> Value {
        let shape = shape_of(&base);
        let old = || picks.iter().filter(|p| !matches!(p, Pick::New));
        let (start, (step, sliced)): (Vec<usize>, (Vec<usize>, Vec<usize>)) = old()
            .zip(&shape)
            .map(|(p, size)| match p {
                Pick::Slice { start, step, len } => (*start, (*step, *len)),
                Pick::One(start) => (*start, (1, 1)),
                Pick::Gather { .. } | Pick::GatherOne { .. } | Pick::New => (0, (1, *size)),
            })
            .unzip();
        let mut value = self.stepped(base, &start, &step, &sliced);
        for (axis, pick) in old().enumerate() {
            match pick {
                Pick::Gather { .. } | Pick::GatherOne { .. } if value.is_error() => {}
                Pick::Gather { index } => value = self.gather(value, axis, *index),
                Pick::GatherOne { index } => {
                    let index = self.builder.one(Op::Reshape(vec![1]), &[*index]);
                    value = self.gather(value, axis, index);
                }
                Pick::Slice { .. } | Pick::One(_) | Pick::New => {}
            }
        }
        if value.is_error() {
            return Value::Error;
        }
        let mut now = shape_of(&value).into_iter();
        let mut left = Vec::with_capacity(picks.len());
        for pick in picks {
            match pick {
                Pick::New => left.push(1),
                Pick::One(_) | Pick::GatherOne { .. } => _ = now.next(),
                Pick::Slice { .. } | Pick::Gather { .. } => left.extend(now.next()),
            }
        }
        self.reshaped(value, left)
    }

    /// Elements `start`, `start + step`, … of every axis, `shape` of them.
    fn stepped(&mut self, value: Value, start: &[usize], step: &[usize], shape: &[usize]) -> Value {
        if value.shape() == Some(shape) {
            return value;
        }
        match value {
            Value::Const(k) => {
                let from = k.shape.clone();
                let source = |at: &[usize]| {
                    let from_start = at.iter().zip(step).map(|(a, step)| a * step);
                    flat(&from, &from_start.zip(start).map(|(a, s)| a + s).collect::<Vec<_>>())
                };
                Value::Const(k.picked(shape.to_vec(), source))
            }
            Value::Tensor(t) => {
                let op = Op::Slice { start: start.to_vec(), step: step.to_vec(), shape: shape.to_vec() };
                let id = self.builder.one(op, &[t.id]);
                self.tensor(id, t.elem, t.since)
            }
            other => other,
        }
    }

    /// Elements of an axis by index.
    fn gather(&mut self, value: Value, axis: usize, index: ValueId) -> Value {
        let rank = shape_of(&value).len();
        let front: Vec<usize> = std::iter::once(axis).chain((0..rank).filter(|i| *i != axis)).collect();
        let mut back = vec![0; rank];
        for (i, axis) in front.iter().enumerate() {
            back[*axis] = i;
        }
        let mut shape = shape_of(&value);
        shape[axis] = self.builder.ty(index).shape.iter().product();
        let span = self.builder.origin.inner;
        if !self.bounded(&shape, span) {
            return Value::Error;
        }
        let (elem, since) = (elem_of(&value), value.secret_since().flatten());
        let value = self.permuted(value, &front);
        let ty = runtime_type(elem, value.secret(), self.frac(), shape_of(&value));
        let id = match &value {
            Value::Tensor(t) => t.id,
            other => self.coerce(other, elem, &ty),
        };
        let id = self.builder.one(Op::Gather, &[id, index]);
        let value = self.tensor(id, elem, since);
        self.permuted(value, &back)
    }

    /// The same elements with other axes order: result axis i is axis `perm[i]`.
    pub(super) fn permuted(&mut self, value: Value, perm: &[usize]) -> Value {
        if perm.iter().copied().eq(0..perm.len()) {
            return value;
        }
        match value {
            Value::Const(k) => {
                let from = k.shape.clone();
                let shape: Vec<usize> = perm.iter().map(|i| from[*i]).collect();
                let source = |at: &[usize]| {
                    let mut index = vec![0; from.len()];
                    for (i, axis) in perm.iter().enumerate() {
                        index[*axis] = at[i];
                    }
                    flat(&from, &index)
                };
                Value::Const(k.picked(shape, source))
            }
            Value::Tensor(t) => {
                let id = self.builder.one(Op::Permute(perm.to_vec()), &[t.id]);
                self.tensor(id, t.elem, t.since)
            }
            other => other,
        }
    }

    /// The same elements in another shape of the same size.
    pub(super) fn reshaped(&mut self, value: Value, shape: Vec<usize>) -> Value {
        if value.shape() == Some(&shape) {
            return value;
        }
        match value {
            Value::Const(k) => Value::Const(k.reshaped(shape)),
            Value::Tensor(t) => {
                let id = self.builder.one(Op::Reshape(shape), &[t.id]);
                self.tensor(id, t.elem, t.since)
            }
            other => other,
        }
    }

    /// One after the other along an axis. The parts agree in all other sizes, or this is reported.
    pub(super) fn concat(&mut self, parts: Vec<Value>, axis: usize, span: Span) -> Value {
        let parts: Vec<Value> =
            parts.into_iter().filter(|p| p.shape().is_none_or(|s| s.get(axis) != Some(&0))).collect();
        let Some(first) = parts.first() else {
            return Value::Const(Konst::splat(Elem::Fix, vec![0], BigRational::from_integer(0.into())));
        };
        if parts.iter().any(Value::is_error) {
            return Value::Error;
        }
        let mut shape = shape_of(first);
        let fits = parts.iter().all(|p| {
            let s = shape_of(p);
            s.len() == shape.len()
                && axis < s.len()
                && s.iter().zip(&shape).enumerate().all(|(i, (a, b))| i == axis || a == b)
        });
        let Some(elem) = elem_of_parts(&parts).filter(|_| fits) else {
            let found: Vec<String> = parts.iter().map(Value::describe).collect();
            return self.error(
                Code::T008,
                span,
                format!("these do not go together along axis {axis}"),
                found.join(", "),
            );
        };
        if parts.len() == 1 {
            return parts[0].clone();
        }
        shape[axis] = parts.iter().map(|p| shape_of(p)[axis]).sum();
        if !self.bounded(&shape, span) {
            return Value::Error;
        }
        if parts.iter().all(|p| matches!(p, Value::Const(_))) {
            return self.concat_constants(&parts, axis, elem, shape, span);
        }
        if parts.len() > MAX_PARTS {
            let text = format!("a list of more than {MAX_PARTS} values that are not constants");
            return self.error(Code::B001, span, text, format!("{} values", parts.len()));
        }
        let secret = parts.iter().any(Value::secret);
        let since = parts.iter().find_map(Value::secret_since).flatten();
        let frac =
            parts.iter().filter_map(|p| if let Value::Tensor(t) = p { Some(t.ty.frac) } else { None }).max();
        let frac = frac.filter(|f| *f > 0).unwrap_or(self.frac());
        let ids: Vec<ValueId> = parts
            .iter()
            .map(|p| {
                let ty = runtime_type(elem, secret, frac, shape_of(p));
                self.coerce(p, elem, &ty)
            })
            .collect();
        let id = self.builder.one(Op::Concat { axis }, &ids);
        self.tensor(id, elem, since)
    }

    /// `x[subs] = value`: rows of the first axis are replaced.
    pub(super) fn with_elements(
        &mut self,
        old: Value,
        old_span: Span,
        subs: &'a [Sub],
        value: Value,
        span: Span,
    ) -> Value {
        if old.is_error() || value.is_error() {
            return Value::Error;
        }
        let shape = shape_of(&old);
        let first = match subs.split_first() {
            Some((first, rest))
                if rest.iter().all(|s| matches!(s, Sub::Full(_) | Sub::Ellipsis(_))) && !shape.is_empty() =>
            {
                first
            }
            _ => {
                self.report(
                    Diagnostic::error(Code::T014, "only rows can be assigned")
                        .at(span, "")
                        .help("index the first axis alone: x[rows] = …"),
                );
                return Value::Error;
            }
        };
        let Some(picks) = self.picks(&shape, old_span, std::slice::from_ref(first), span) else {
            return Value::Error;
        };
        let index = match picks[0] {
            Pick::Slice { start, step, len } => {
                self.builder.one(Op::Iota { start: start as i64, step: step as i64, len }, &[])
            }
            Pick::One(i) => self.builder.one(Op::Iota { start: i as i64, step: 1, len: 1 }, &[]),
            Pick::Gather { index } => index,
            Pick::GatherOne { index } => self.builder.one(Op::Reshape(vec![1]), &[index]),
            Pick::New => {
                return self.error(Code::T014, span, "a new axis has no rows to assign", "");
            }
        };
        let mut rows = shape.clone();
        rows[0] = self.builder.ty(index).shape[0];
        let value = match super::arith::broadcast_shape(&shape_of(&value), &rows) {
            Some(s) if s == rows && value.shape().is_some() => self.broadcast(value, &rows),
            _ => {
                let (found, room) = (value.describe(), show_shape(&rows));
                return self.error(Code::T008, span, format!("{found} does not fit {room}"), "");
            }
        };
        if value.is_error() {
            return Value::Error;
        }
        let (a, b) = (elem_of(&old), elem_of(&value));
        if (a == Elem::Bool) != (b == Elem::Bool) {
            let text = format!("{} into {}", b.name(), a.name());
            return self.error(Code::T003, old_span, text, "");
        }
        let elem = if a == b { a } else { Elem::Fix };
        let secret = old.secret() || value.secret();
        let since = old.secret_since().or(value.secret_since()).flatten();
        let frac = self.frac();
        let target = self.coerce(&old, elem, &runtime_type(elem, secret, frac, shape));
        let source = self.coerce(&value, elem, &runtime_type(elem, secret, frac, rows));
        let id = self.builder.one(Op::Scatter, &[target, source, index]);
        self.tensor(id, elem, since)
    }

    // ---- ranges

    /// A constant range; open ends need the axis.
    pub(super) fn constant_range(&mut self, range: &'a Range, axis: Option<usize>) -> Option<Steps> {
        let step = self.constant_step(range)?;
        let start = range.start.as_ref().map_or(Some(0), |expr| self.bound(expr, axis));
        let end = match (&range.end, axis) {
            (RangeEnd::Before(expr), _) => self.bound(expr, axis),
            (RangeEnd::Length(expr), _) => {
                self.bound(expr, axis).zip(start).map(|(len, start)| start.saturating_add(len))
            }
            (RangeEnd::Open, Some(size)) => Some(size as i64),
            (RangeEnd::Open, None) => {
                self.error(Code::T005, range.span, "this range has no end", "write 0..n");
                None
            }
        };
        let (start, end) = start.zip(end)?;
        match end.checked_sub(start).map(usize::try_from) {
            Some(Ok(len)) => Some(Steps { start, end, step, len: len.div_ceil(step) }),
            Some(Err(_)) | None => {
                self.error(
                    Code::T013,
                    range.span,
                    format!("{start}..{end} runs backwards"),
                    "the end is exclusive",
                );
                None
            }
        }
    }

    /// An end of a range: of an axis, or of what a loop goes through, which may depend on the counters of loops around it.
    fn bound(&mut self, expr: &'a Expr, axis: Option<usize>) -> Option<i64> {
        let value = self.expr(expr, None);
        if axis.is_none() && self.expand_for(&value) {
            return None;
        }
        let bound = self.constant_whole(value, expr)?;
        // `-1` counts from the end; a difference that happens to be negative does not, and is an error
        let from_end = matches!(&expr.kind, ExprKind::Unary { op, .. } if op.node == UnaryOp::Neg);
        Some(axis.filter(|_| from_end && bound < 0).map_or(bound, |size| bound.saturating_add(size as i64)))
    }

    /// What stands behind `by`; 1 if nothing does.
    fn constant_step(&mut self, range: &'a Range) -> Option<usize> {
        let Some(expr) = &range.step else { return Some(1) };
        let step = self.constant_int(expr)?;
        let ahead = usize::try_from(step).ok().filter(|step| *step > 0);
        if ahead.is_none() {
            let error =
                Diagnostic::error(Code::T013, format!("a step of {step}")).at(expr.span, "steps go ahead");
            self.report(error.help("reverse(x, axis)"));
        }
        ahead
    }

    /// The bounds in `require x in a..b`, both of them included.
    pub(super) fn constant_bounds(&mut self, range: &'a Range) -> (Option<BigRational>, Option<BigRational>) {
        let number = |l: &mut Self, expr: &'a Expr| match l.expr(expr, None) {
            Value::Const(k) if k.elem != Elem::Bool && k.len() == 1 => k.number().cloned(),
            Value::Error => None,
            other => {
                let found = other.describe();
                l.error(Code::T004, expr.span, "a bound is one constant number", found);
                None
            }
        };
        if let Some(step) = &range.step {
            self.error(Code::T013, step.span, "bounds have no step", "");
        }
        let low = range.start.as_ref().and_then(|e| number(self, e));
        let high = match &range.end {
            RangeEnd::Open => None,
            RangeEnd::Before(e) => number(self, e),
            RangeEnd::Length(e) => number(self, e).zip(low.clone()).map(|(n, l)| n + l),
        };
        (low, high)
    }

    /// From here on the variable is taken to lie within bounds: the emulator's range mode checks it, narrower operations use it.
    pub(super) fn note_range(
        &mut self,
        t: Tensor,
        bounds: (Option<BigRational>, Option<BigRational>),
        expr: &'a Expr,
    ) {
        if !t.secret() || t.elem != Elem::Fix {
            return;
        }
        let settings = self.options.settings;
        let most = exact::pow2(i64::from(settings.total) - i64::from(t.ty.frac) - 1);
        let (low, high) = (bounds.0.unwrap_or_else(|| -most.clone()), bounds.1.unwrap_or(most));
        let id = self.builder.one(Op::Assume { low, high }, &[t.id]);
        let value = self.tensor(id, t.elem, t.since);
        if let ExprKind::Path(path) = &expr.kind
            && let Some(name) = path.as_ident()
            && let Some(variable) = self.local_mut(&name.name)
        {
            variable.value = value;
        }
    }

    fn concat_constants(
        &mut self,
        parts: &[Value],
        axis: usize,
        elem: Elem,
        shape: Vec<usize>,
        span: Span,
    ) -> Value {
        let constants: Vec<&Konst> =
            parts.iter().filter_map(|p| if let Value::Const(k) = p { Some(k) } else { None }).collect();
        let first = constants[0].as_splat();
        if let Some(number) = first.filter(|_| constants.iter().all(|k| k.as_splat() == first)) {
            return Value::Const(Konst::splat(elem, shape, number.clone()));
        }
        if !self.listable(&shape, span) {
            return Value::Error;
        }
        let numbers = super::value::indices(&shape)
            .map(|mut at| {
                let mut k = 0;
                while at[axis] >= constants[k].shape[axis] {
                    at[axis] -= constants[k].shape[axis];
                    k += 1;
                }
                constants[k].at(flat(&constants[k].shape, &at)).clone()
            })
            .collect();
        Value::Const(Konst::dense(elem, shape, numbers))
    }
}
