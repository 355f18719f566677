//! Choices and comparisons, as lowering writes them.

use num_traits::Zero;

use super::graph::Graph;
use crate::ir::{Const, Op, Program, ValueId};

/// A bit that says on which side of zero a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignTest {
    /// The value.
    pub of: ValueId,
    /// Set if the value is below zero; with `negated`, if it is not.
    pub negated: bool,
}

/// `then` where the bit is set, else `otherwise`; nothing stands for zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Where {
    /// The bit.
    pub bit: ValueId,
    /// The value where it is set.
    pub then: ValueId,
    /// The value where it is not.
    pub otherwise: Option<ValueId>,
    /// The result of the selection, if it is not the whole.
    pub select: Option<ValueId>,
    /// The difference that is selected.
    pub difference: Option<ValueId>,
}

/// Reads a bit as a comparison with zero, through complements.
pub fn sign_test(graph: &Graph, bit: ValueId) -> Option<SignTest> {
    let def = graph.def(bit)?;
    match def.op {
        Op::Sign { .. } => Some(SignTest { of: def.args[0], negated: false }),
        Op::Not => {
            let inner = sign_test(graph, def.args[0])?;
            Some(SignTest { negated: !inner.negated, ..inner })
        }
        _ => None,
    }
}

/// Reads a value as a choice: `b + select(c, a - b)`, `b - select(c, b - a)`, or `select(c, a)`.
pub fn choice(graph: &Graph, value: ValueId) -> Option<Where> {
    let def = graph.def(value)?;
    match (&def.op, def.args.as_slice()) {
        (Op::Select { .. }, [bit, then]) => {
            Some(Where { bit: *bit, then: *then, otherwise: None, select: None, difference: None })
        }
        (Op::Add, [x, y]) => blend(graph, *x, *y, false).or_else(|| blend(graph, *y, *x, false)),
        (Op::Sub, [x, y]) => blend(graph, *x, *y, true),
        _ => None,
    }
}

/// `base ± select(bit, a - b)` where `base` is what is subtracted (or subtracted from).
fn blend(graph: &Graph, base: ValueId, select: ValueId, minus: bool) -> Option<Where> {
    let selection = graph.def(select).filter(|d| matches!(d.op, Op::Select { .. }))?;
    let (bit, difference) = (selection.args[0], selection.args[1]);
    let terms = graph.def(difference).filter(|d| d.op == Op::Sub)?;
    let (a, b) = (terms.args[0], terms.args[1]);
    let (then, otherwise) = if minus { (b, a) } else { (a, b) };
    (otherwise == base).then_some(Where {
        bit,
        then,
        otherwise: Some(otherwise),
        select: Some(select),
        difference: Some(difference),
    })
}

/// How `value` follows from `other`: +1 if it is the same, -1 if it is the negative.
pub fn relation(graph: &Graph, value: ValueId, other: ValueId) -> Option<i32> {
    if value == other {
        return Some(1);
    }
    let (x, y) = (difference(graph, value), difference(graph, other));
    if x == y {
        return Some(1);
    }
    (x == (y.1, y.0)).then_some(-1)
}

/// A value as a difference of two; nothing stands for zero.
fn difference(graph: &Graph, value: ValueId) -> (Option<ValueId>, Option<ValueId>) {
    let some = |v: ValueId| (!is_zero(graph, v)).then_some(v);
    match graph.def(value).map(|d| (&d.op, d.args.as_slice())) {
        Some((Op::Neg, [x])) => {
            let (a, b) = difference(graph, *x);
            (b, a)
        }
        Some((Op::Sub, [x, y])) => match (some(*x), some(*y)) {
            (Some(x), None) => difference(graph, x),
            (None, Some(y)) => {
                let (a, b) = difference(graph, y);
                (b, a)
            }
            terms => terms,
        },
        _ => (Some(value), None),
    }
}

/// Whether a value is zero everywhere, as far as its definition says.
pub fn is_zero(graph: &Graph, value: ValueId) -> bool {
    match graph.def(value) {
        Some(def) => match &def.op {
            Op::Const(c) => c.as_splat().is_some_and(|n| n.is_zero()),
            Op::Broadcast(_) | Op::Reshape(_) | Op::Promote | Op::Widen | Op::Encode { .. } => {
                is_zero(graph, def.args[0])
            }
            _ => false,
        },
        None => false,
    }
}

/// Reads a value as max(x, 0), and as what of.
pub fn relu(graph: &Graph, value: ValueId) -> Option<ValueId> {
    let found = choice(graph, value)?;
    if found.otherwise.is_some_and(|o| !is_zero(graph, o)) {
        return None;
    }
    let test = sign_test(graph, found.bit)?;
    // kept where x > 0, that is -x < 0, or where x >= 0, that is not x < 0
    let same = relation(graph, found.then, test.of)?;
    ((same < 0) != test.negated).then_some(found.then)
}

/// Reads a value as the larger (or, if `false`, the smaller) of two others.
pub fn extreme(graph: &Graph, value: ValueId) -> Option<(ValueId, ValueId, bool)> {
    let found = choice(graph, value)?;
    let otherwise = found.otherwise?;
    let test = sign_test(graph, found.bit)?;
    let (a, b) = difference(graph, test.of);
    let larger = if (a, b) == (Some(found.then), Some(otherwise)) {
        test.negated // chosen where then >= otherwise
    } else if (a, b) == (Some(otherwise), Some(found.then)) {
        !test.negated // chosen where then > otherwise
    } else {
        return None;
    };
    Some((found.then, otherwise, larger))
}

/// The constant behind a value of the same shape; of one that is stretched, if all its elements are equal.
pub fn constant(graph: &Graph, value: ValueId) -> Option<Const> {
    let def = graph.def(value)?;
    match &def.op {
        Op::Const(c) => Some(c.clone()),
        Op::Broadcast(shape) => {
            let small = constant(graph, def.args[0])?;
            let number = small.as_splat()?.clone();
            Some(Const::splat(small.ty.with_shape(shape.clone()), number))
        }
        _ => None,
    }
}

/// Whether a value is a sum of products of secrets, which is additive once forms are explicit.
pub fn sums_products(graph: &Graph, program: &Program, value: ValueId) -> bool {
    // Long sums have their products near the end or not at all: the bound keeps shared terms from being visited again and again.
    sums_products_within(graph, program, value, 12)
}

fn sums_products_within(graph: &Graph, program: &Program, value: ValueId, depth: u32) -> bool {
    let Some(def) = graph.def(value).filter(|_| depth > 0) else { return false };
    let of = |i: usize| sums_products_within(graph, program, def.args[i], depth - 1);
    match def.op {
        Op::Mul | Op::Contract(_) if def.args.iter().all(|a| program.ty(*a).is_secret()) => true,
        Op::Mul | Op::Contract(_) | Op::Add | Op::Sub => of(0) || of(1),
        Op::Neg
        | Op::Sum { .. }
        | Op::Raise { .. }
        | Op::Rescale { .. }
        | Op::Assume { .. }
        | Op::Reshape(_)
        | Op::Permute(_)
        | Op::Slice { .. }
        | Op::Pad { .. }
        | Op::Reverse { .. }
        | Op::Broadcast(_)
        | Op::Windows { .. }
        | Op::Overlay { .. }
        | Op::Gather => of(0),
        _ => false,
    }
}
