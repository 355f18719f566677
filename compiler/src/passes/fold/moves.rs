//! Moves of data: on constants, and one after another.

use num_rational::BigRational;
use num_traits::{ToPrimitive, Zero};

use super::Folder;
use super::LARGE;
use crate::ir::{Const, Op, Type, ValueId};

/// All indices of a shape in row-major order.
pub(super) fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    let len: usize = shape.iter().product();
    (0..len).map(move |flat| {
        let mut rest = flat;
        let mut index = vec![0; shape.len()];
        for (i, size) in index.iter_mut().zip(shape).rev() {
            *i = rest % size;
            rest /= size;
        }
        index
    })
}

fn offset(index: &[usize], shape: &[usize]) -> usize {
    index.iter().zip(shape).fold(0, |at, (i, size)| at * size + i)
}

/// What a move makes of constants.
pub(super) fn moved(op: &Op, args: &[&Const], ty: &Type) -> Option<Const> {
    if !op.moves_data() || *op == Op::Scatter {
        return None;
    }
    let data = if *op == Op::Gather { &args[..1] } else { args };
    if let Some(first) = data[0].as_splat()
        && data.iter().all(|part| part.as_splat() == Some(first))
        && (first.is_zero() || !matches!(op, Op::Pad { .. }))
    {
        return Some(Const::splat(ty.clone(), first.clone()));
    }
    if ty.len() > data.iter().map(|part| part.ty.len()).max().unwrap_or(0).max(LARGE) {
        return None;
    }
    let zero = BigRational::zero();
    let number = |index: Vec<usize>| {
        let (part, from) = source(op, args, &index)?;
        Some(from.map_or(&zero, |from| args[part].at(offset(&from, &args[part].ty.shape))).clone())
    };
    let numbers = indices(&ty.shape).map(number).collect::<Option<Vec<_>>>()?;
    Some(Const::dense(ty.clone(), numbers))
}

/// Where an element comes from: the operand and its index there, or nowhere if it is a zero of padding. Nothing for rows that are not there.
fn source(op: &Op, args: &[&Const], index: &[usize]) -> Option<(usize, Option<Vec<usize>>)> {
    let shape = &args[0].ty.shape;
    let each = |f: &dyn Fn(usize) -> usize| Some((0..index.len()).map(f).collect::<Vec<_>>());
    let from = match op {
        Op::Reshape(to) => {
            let mut rest = offset(index, to);
            let mut from = vec![0; shape.len()];
            for (i, size) in from.iter_mut().zip(shape).rev() {
                *i = rest % size;
                rest /= size;
            }
            Some(from)
        }
        Op::Permute(perm) => {
            let mut from = vec![0; index.len()];
            perm.iter().zip(index).for_each(|(axis, i)| from[*axis] = *i);
            Some(from)
        }
        Op::Slice { start, step, .. } => each(&|a| start[a] + index[a] * step[a]),
        Op::Pad { low, interior, .. } => (0..index.len())
            .map(|a| {
                let behind = index[a].checked_sub(low[a])?;
                let at = behind / (interior[a] + 1);
                (behind.is_multiple_of(interior[a] + 1) && at < shape[a]).then_some(at)
            })
            .collect(),
        Op::Reverse { axes } => {
            each(&|a| if axes >> a & 1 == 1 { shape[a] - 1 - index[a] } else { index[a] })
        }
        Op::Broadcast(_) => each(&|a| if shape[a] == 1 { 0 } else { index[a] }),
        Op::Windows { first, strides, .. } => {
            let mut from = index[..shape.len()].to_vec();
            for (i, stride) in strides.iter().enumerate() {
                from[first + i] = from[first + i] * stride + index[shape.len() + i];
            }
            Some(from)
        }
        Op::Gather => {
            let row = args[1].at(index[0]).to_usize().filter(|row| *row < shape[0])?;
            Some([&[row], &index[1..]].concat())
        }
        Op::Concat { axis } => {
            let mut from = index.to_vec();
            for (part, constant) in args.iter().enumerate() {
                if from[*axis] < constant.ty.shape[*axis] {
                    return Some((part, Some(from)));
                }
                from[*axis] -= constant.ty.shape[*axis];
            }
            return None;
        }
        _ => return None,
    };
    Some((0, from))
}

/// A move that does nothing, or that follows another one which it can be merged with.
pub(super) fn simplified(cx: &mut Folder, op: &Op, args: &[ValueId], ty: &Type) -> Option<ValueId> {
    let a = args[0];
    if idle(cx, op, a, ty) {
        return Some(a);
    }
    if let Op::Concat { axis } = op {
        let parts: Vec<ValueId> = args.iter().copied().filter(|part| cx.shape(*part)[*axis] > 0).collect();
        return match parts.as_slice() {
            [only] => Some(*only),
            [] => Some(a),
            _ if parts.len() < args.len() => Some(cx.make(op.clone(), &parts)),
            _ => None,
        };
    }
    let (before, inner) = cx.definition(a)?;
    let inner = inner.to_vec();
    let merged = match (op, before) {
        (Op::Reshape(to), Op::Reshape(_)) => Op::Reshape(to.clone()),
        (Op::Broadcast(to), Op::Broadcast(_)) => Op::Broadcast(to.clone()),
        (Op::Permute(second), Op::Permute(first)) => Op::Permute(second.iter().map(|i| first[*i]).collect()),
        (Op::Reverse { axes: second }, Op::Reverse { axes: first }) => Op::Reverse { axes: first ^ second },
        (Op::Slice { start, step, shape }, Op::Slice { start: s, step: t, .. }) => Op::Slice {
            start: (0..start.len()).map(|i| s[i] + start[i] * t[i]).collect(),
            step: (0..step.len()).map(|i| step[i] * t[i]).collect(),
            shape: shape.clone(),
        },
        (Op::Slice { start, step, shape }, Op::Concat { axis }) => {
            return part_of(cx, start, step, shape, *axis, &inner);
        }
        _ => return None,
    };
    Some(cx.make(merged, &inner))
}

/// Whether a move leaves everything where it is.
fn idle(cx: &Folder, op: &Op, a: ValueId, ty: &Type) -> bool {
    let same = cx.ty(a) == ty;
    match op {
        // A slice, stretch or padding of the same shape has all elements in their places.
        Op::Reshape(_) | Op::Slice { .. } | Op::Broadcast(_) | Op::Pad { .. } => same,
        Op::Windows { sizes, .. } | Op::Overlay { sizes, .. } => sizes.is_empty(),
        Op::Permute(perm) => perm.iter().copied().eq(0..perm.len()),
        Op::Reverse { axes } => ty.shape.iter().enumerate().all(|(i, size)| axes >> i & 1 == 0 || *size <= 1),
        _ => false,
    }
}

/// A slice of a concatenation that lies in one of the parts.
fn part_of(
    cx: &mut Folder,
    start: &[usize],
    step: &[usize],
    shape: &[usize],
    axis: usize,
    parts: &[ValueId],
) -> Option<ValueId> {
    let (mut low, last) = (0, start[axis] + shape[axis].checked_sub(1)? * step[axis]);
    for part in parts {
        let size = cx.shape(*part)[axis];
        if start[axis] >= low && last < low + size {
            let mut start = start.to_vec();
            start[axis] -= low;
            let slice = Op::Slice { start, step: step.to_vec(), shape: shape.to_vec() };
            return Some(cx.make(slice, &[*part]));
        }
        low += size;
    }
    None
}
