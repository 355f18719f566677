//! The rule of each operation.

use num_bigint::BigInt;
use num_rational::BigRational;
use tern_bytecode::instr::{Axes, Comparison};

use super::adjoint::{Adjoint, Sweep};
use super::rule;
use crate::ir::{Const, Inst, Kind, Op, Type, ValueId};

/// Derivatives do not go through this instruction.
pub(super) struct Impossible;

/// Hands the adjoints of an instruction's results on to its operands. At least one is there.
pub(super) fn apply(cx: &mut Sweep, inst: &Inst, found: Vec<Option<Adjoint>>) -> Result<(), Impossible> {
    if let Op::Custom { values, .. } = inst.op {
        custom(cx, inst, values, found);
        return Ok(());
    }
    // Of other operations with derivatives, only `Select` has a second result, which has none.
    let Some(d) = found.into_iter().next().flatten() else { return Ok(()) };
    let args = inst.args.as_slice();
    match (&inst.op, args) {
        (Op::For { .. } | Op::If, _) => return Err(Impossible),
        (Op::Add, [x, y]) => {
            give(cx, *x, |_| d.clone());
            give(cx, *y, |_| d);
        }
        (Op::Sub, [x, y]) => {
            give(cx, *x, |_| d.clone());
            give(cx, *y, |cx| negative(cx, d));
        }
        (Op::Neg, [x]) => give(cx, *x, |cx| negative(cx, d)),
        (Op::Mul, [x, y]) => {
            give(cx, *x, |cx| product(cx, d.clone(), *y));
            give(cx, *y, |cx| product(cx, d, *x));
        }
        (Op::Contract(axes), [x, y]) => {
            give(cx, *x, |cx| by_first(cx, &d, *x, *y, *axes));
            give(cx, *y, |cx| by_second(cx, &d, *x, *y, *axes));
        }
        (Op::Rescale { frac }, [x]) => {
            let exponent = i64::from(cx.builder.ty(*x).frac) - i64::from(*frac);
            let shape = cx.shape(*x);
            give(cx, *x, |cx| cx.shifted(d, exponent, &shape));
        }
        (
            Op::Trunc { .. } | Op::Raise { .. } | Op::Assume { .. } | Op::Promote | Op::Widen | Op::Reshare,
            [x],
        ) => give(cx, *x, |_| d),
        (Op::Select { .. } | Op::SelectAgain { .. }, [.., bit, x]) => give(cx, *x, |cx| {
            let d = tensor(cx, d, *x);
            let select = Op::Select { keep: false, additive: false };
            Adjoint::Tensor(cx.builder.one(select, &[*bit, d]))
        }),
        (Op::Concat { axis }, _) => concat(cx, d, args, *axis, inst.results[0]),
        (Op::Gather, [x, index]) => give(cx, *x, |cx| gathered(cx, d, *x, *index, inst.results[0])),
        (Op::Scatter, [x, y, index]) => scattered(cx, d, *x, *y, *index),
        (op, [x]) => give(cx, *x, |cx| moved(cx, op, d, *x, inst.results[0])),
        (_, _) => {}
    }
    Ok(())
}

/// Adds to the adjoint of `value` what `adjoint` makes, if it is wanted.
fn give(cx: &mut Sweep, value: ValueId, adjoint: impl FnOnce(&mut Sweep) -> Adjoint) {
    if cx.wants(value) {
        let adjoint = adjoint(cx);
        cx.add(value, adjoint);
    }
}

/// An adjoint as a value, in the shape of `like`.
fn tensor(cx: &mut Sweep, d: Adjoint, like: ValueId) -> ValueId {
    let shape = cx.shape(like);
    cx.tensor(d, &shape)
}

fn negative(cx: &mut Sweep, d: Adjoint) -> Adjoint {
    match d {
        Adjoint::Splat(number) => Adjoint::Splat(-number),
        Adjoint::Tensor(value) => Adjoint::Tensor(cx.builder.one(Op::Neg, &[value])),
    }
}

/// `d * factor`
fn product(cx: &mut Sweep, d: Adjoint, factor: ValueId) -> Adjoint {
    match d {
        Adjoint::Splat(number) => cx.times(factor, &number),
        Adjoint::Tensor(value) => {
            // A constant below 1 has more fraction bits than `fix`, but no larger integer.
            let bits = match cx.builder.ty(factor).kind {
                Kind::Plain => 0,
                _ => cx.frac_of(factor),
            };
            let value = cx.multiplicable(value, bits);
            let product = cx.builder.one(Op::Mul, &[value, factor]);
            rounded(cx, product, factor)
        }
    }
}

/// A product with `factor` as an adjoint, with as many significant bits as before: of a secret factor all fraction bits are taken away again, of a
/// small public one as many as it has significant ones.
fn rounded(cx: &mut Sweep, product: ValueId, factor: ValueId) -> Adjoint {
    let bits = cx.frac_of(factor);
    match cx.builder.ty(factor).kind {
        Kind::Plain => {
            let before = cx.frac_of(product) - bits;
            cx.times_public(product, factor, before)
        }
        _ if bits == 0 => Adjoint::Tensor(product),
        _ => Adjoint::Tensor(cx.builder.one(Op::Trunc { bits }, &[product])),
    }
}

/// The sizes of a contraction's groups: batch, rows, inner, cols.
fn groups(axes: Axes) -> [usize; 4] {
    [axes.batch, axes.rows, axes.inner, axes.cols].map(usize::from)
}

/// A permutation that exchanges two neighbouring groups of axes behind `fixed` others.
fn exchange(fixed: usize, first: usize, second: usize) -> Vec<usize> {
    (0..fixed).chain(fixed + first..fixed + first + second).chain(fixed..fixed + first).collect()
}

/// Of x[batch, rows, inner] in a contraction: d[batch, rows, cols] contracted with y over the columns.
fn by_first(cx: &mut Sweep, d: &Adjoint, x: ValueId, y: ValueId, axes: Axes) -> Adjoint {
    let [n, r, i, c] = groups(axes);
    match d {
        Adjoint::Splat(number) => {
            let (shape, sizes) = (cx.shape(x), cx.shape(y));
            let narrow = [&shape[..n], &vec![1; r], &sizes[n..n + i]].concat();
            let sum = spread(cx, y, n + i..n + i + c, narrow, shape);
            cx.times(sum, number)
        }
        Adjoint::Tensor(d) => {
            let turned = cx.builder.one(Op::Permute(exchange(n, i, c)), &[y]);
            let axes = Axes { inner: axes.cols, cols: axes.inner, ..axes };
            let bits = cx.frac_of(y);
            let d = cx.multiplicable(*d, bits);
            let product = cx.builder.one(Op::Contract(axes), &[d, turned]);
            rounded(cx, product, y)
        }
    }
}

/// Of y[batch, inner, cols] in a contraction: x contracted with d[batch, rows, cols] over the rows.
fn by_second(cx: &mut Sweep, d: &Adjoint, x: ValueId, y: ValueId, axes: Axes) -> Adjoint {
    let [n, r, i, c] = groups(axes);
    match d {
        Adjoint::Splat(number) => {
            let (shape, sizes) = (cx.shape(y), cx.shape(x));
            let narrow = [&shape[..n], &sizes[n + r..], &vec![1; c]].concat();
            let sum = spread(cx, x, n..n + r, narrow, shape);
            cx.times(sum, number)
        }
        Adjoint::Tensor(d) => {
            let turned = cx.builder.one(Op::Permute(exchange(n, r, i)), &[x]);
            let axes = Axes { rows: axes.inner, inner: axes.rows, ..axes };
            let bits = cx.frac_of(x);
            let d = cx.multiplicable(*d, bits);
            let product = cx.builder.one(Op::Contract(axes), &[turned, d]);
            rounded(cx, product, x)
        }
    }
}

/// The sum over some axes, reshaped to `narrow` and stretched to `shape`.
fn spread(
    cx: &mut Sweep,
    value: ValueId,
    over: std::ops::Range<usize>,
    narrow: Vec<usize>,
    shape: Vec<usize>,
) -> ValueId {
    let mask = over.fold(0, |mask, axis| mask | 1 << axis);
    let sum = if mask == 0 { value } else { cx.builder.one(Op::Sum { axes: mask }, &[value]) };
    let flat = reshaped(cx, sum, &narrow);
    if narrow == shape { flat } else { cx.builder.one(Op::Broadcast(shape), &[flat]) }
}

fn reshaped(cx: &mut Sweep, value: ValueId, shape: &[usize]) -> ValueId {
    if cx.shape(value) == shape { value } else { cx.builder.one(Op::Reshape(shape.to_vec()), &[value]) }
}

/// Sums and moves of one operand, which are linear: their transposes.
fn moved(cx: &mut Sweep, op: &Op, d: Adjoint, x: ValueId, result: ValueId) -> Adjoint {
    let shape = cx.shape(x);
    let d = match (op, d) {
        (Op::Reshape(_) | Op::Permute(_) | Op::Reverse { .. } | Op::Sum { .. }, d @ Adjoint::Splat(_)) => {
            return d;
        }
        (Op::Broadcast(to), Adjoint::Splat(number)) => {
            let copies = |len: &[usize]| BigInt::from(len.iter().product::<usize>());
            let copies = BigRational::new(copies(to), copies(&shape).max(1.into()));
            return Adjoint::Splat(number * copies);
        }
        (_, d) => tensor(cx, d, result),
    };
    let transposed = match op {
        Op::Reshape(_) => Op::Reshape(shape),
        Op::Permute(perm) => {
            let mut inverse = vec![0; perm.len()];
            perm.iter().enumerate().for_each(|(to, from)| inverse[*from] = to);
            Op::Permute(inverse)
        }
        Op::Reverse { axes } => Op::Reverse { axes: *axes },
        Op::Sum { axes } => {
            let narrow: Vec<usize> = shape
                .iter()
                .enumerate()
                .map(|(i, size)| if axes >> i & 1 == 1 { 1 } else { *size })
                .collect();
            let column = reshaped(cx, d, &narrow);
            return Adjoint::Tensor(cx.builder.one(Op::Broadcast(shape), &[column]));
        }
        Op::Broadcast(to) => {
            let stretched = (0..to.len()).filter(|i| to[*i] != shape[*i]);
            let axes = stretched.fold(0, |mask, axis| mask | 1 << axis);
            let sum = if axes == 0 { d } else { cx.builder.one(Op::Sum { axes }, &[d]) };
            return Adjoint::Tensor(reshaped(cx, sum, &shape));
        }
        Op::Slice { start, step, shape: to } => padding(start, step, to, &shape),
        Op::Pad { low, interior, .. } => {
            Op::Slice { start: low.clone(), step: interior.iter().map(|i| i + 1).collect(), shape }
        }
        Op::Windows { first, sizes, strides } => {
            Op::Overlay { first: *first, sizes: sizes.clone(), strides: strides.clone(), shape }
        }
        Op::Overlay { first, sizes, strides, .. } => {
            Op::Windows { first: *first, sizes: sizes.clone(), strides: strides.clone() }
        }
        // Nothing else computes a shared value from one shared operand.
        other => unreachable!("{other:?} has no derivative"),
    };
    Adjoint::Tensor(cx.builder.one(transposed, &[d]))
}

/// The padding that puts a slice back to where it was taken from.
fn padding(start: &[usize], step: &[usize], to: &[usize], shape: &[usize]) -> Op {
    let behind = |i: usize| match to[i] {
        0 => shape[i] - start[i],
        n => shape[i] - start[i] - (n - 1) * step[i] - 1,
    };
    Op::Pad {
        low: start.to_vec(),
        high: (0..shape.len()).map(behind).collect(),
        interior: step.iter().map(|s| s - 1).collect(),
    }
}

fn concat(cx: &mut Sweep, d: Adjoint, args: &[ValueId], axis: usize, result: ValueId) {
    let mut at = 0;
    for part in args {
        let shape = cx.shape(*part);
        let mut start = vec![0; shape.len()];
        start[axis] = at;
        at += shape[axis];
        give(cx, *part, |cx| match &d {
            Adjoint::Splat(_) => d.clone(),
            Adjoint::Tensor(_) => {
                let step = vec![1; shape.len()];
                let whole = tensor(cx, d.clone(), result);
                Adjoint::Tensor(cx.builder.one(Op::Slice { start, step, shape }, &[whole]))
            }
        });
    }
}

/// Of x[m, …] in `Gather`: the rows of d are added up where they came from, which is the product with a public matrix of zeros and
/// ones. It costs no communication.
fn gathered(cx: &mut Sweep, d: Adjoint, x: ValueId, index: ValueId, result: ValueId) -> Adjoint {
    let d = tensor(cx, d, result);
    let (rank, rows, picks) = (cx.shape(x).len(), cx.shape(x)[0], cx.shape(index)[0]);
    let numbers = cx.builder.one(Op::Iota { start: 0, step: 1, len: rows }, &[]);
    let numbers = reshaped(cx, numbers, &[1, rows]);
    let index = reshaped(cx, index, &[picks, 1]);
    let sides = [numbers, index].map(|side| cx.builder.one(Op::Broadcast(vec![picks, rows]), &[side]));
    let equal = cx.builder.one(Op::Compare(Comparison::Eq), &sides);
    let picked = cx.builder.one(Op::Encode { frac: 0 }, &[equal]);
    // [picks, …] to […, picks], times [picks, rows], and the rows to the front again
    let last = cx.builder.one(Op::Permute(exchange(0, 1, rank - 1)), &[d]);
    let axes = Axes { batch: 0, rows: rank as u8 - 1, inner: 1, cols: 1 };
    let product = cx.builder.one(Op::Contract(axes), &[last, picked]);
    Adjoint::Tensor(cx.builder.one(Op::Permute(exchange(0, rank - 1, 1)), &[product]))
}

/// Of `Scatter`: x gets d apart from the rows that were replaced, y the rows that it replaced. Of equal indices the last one wins, the
/// others have no part in the result.
fn scattered(cx: &mut Sweep, d: Adjoint, x: ValueId, y: ValueId, index: ValueId) {
    let d = tensor(cx, d, x);
    give(cx, x, |cx| {
        let nothing = tensor(cx, Adjoint::Splat(BigRational::default()), y);
        let nothing = cx.scaled_to(nothing, cx.frac_of(d));
        Adjoint::Tensor(cx.builder.one(Op::Scatter, &[d, nothing, index]))
    });
    give(cx, y, |cx| {
        let (shape, rows) = (cx.shape(y), cx.shape(x)[0]);
        let nobody = Op::Const(Const::splat(Type::int([rows]), BigRational::default()));
        let nobody = cx.builder.one(nobody, &[]);
        let numbers = cx.builder.one(Op::Iota { start: 0, step: 1, len: shape[0] }, &[]);
        let winners = cx.builder.one(Op::Scatter, &[nobody, numbers, index]);
        let winners = cx.builder.one(Op::Gather, &[winners, index]);
        let won = cx.builder.one(Op::Compare(Comparison::Eq), &[winners, numbers]);
        let won = cx.builder.one(Op::Encode { frac: 0 }, &[won]);
        let column: Vec<usize> =
            shape.iter().enumerate().map(|(i, size)| if i == 0 { *size } else { 1 }).collect();
        let won = reshaped(cx, won, &column);
        let won = if column == shape { won } else { cx.builder.one(Op::Broadcast(shape), &[won]) };
        let rows = cx.builder.one(Op::Gather, &[d, index]);
        Adjoint::Tensor(cx.builder.one(Op::Mul, &[rows, won]))
    });
}

/// A copy of the rule; values without adjoint have the adjoint 0.
fn custom(cx: &mut Sweep, inst: &Inst, values: usize, found: Vec<Option<Adjoint>>) {
    let (Op::Custom { wants, .. }, [rule]) = (&inst.op, inst.regions.as_slice()) else { return };
    let found = found.into_iter().map(|d| d.unwrap_or(Adjoint::Splat(BigRational::default())));
    let given: Vec<ValueId> = rule.params.iter().zip(found).map(|(param, d)| tensor(cx, d, *param)).collect();
    let yields = rule::copied(cx, rule, given);
    let wanted = inst.args[values..].iter().zip(wants).filter(|(_, wanted)| **wanted);
    for ((x, _), derivative) in wanted.zip(yields) {
        give(cx, *x, |cx| cx.adjusted(derivative));
    }
}
