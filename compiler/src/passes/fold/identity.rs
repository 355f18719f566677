//! Identities of operations whose operands are not all known.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::Signed;
use tern_bytecode::instr::{Comparison, IntBinary, RealBinary};

use super::{Folder, moves};
use crate::ir::{Const, Kind, Op, Type, ValueId};

/// A value that equals the first result of the operation, which has type `ty`.
pub(super) fn apply(cx: &mut Folder, op: &Op, args: &[ValueId], ty: &Type) -> Option<ValueId> {
    match (op, args) {
        (Op::Add, [a, b]) => sum(cx, *a, *b, ty),
        (Op::Sub, [a, b]) => difference(cx, *a, *b, ty),
        (Op::Neg, [a]) => negative(cx, *a),
        (Op::Mul, [a, b]) => product(cx, *a, *b, ty),
        (Op::Contract(_), [a, b]) => match [*a, *b].into_iter().any(|x| cx.is_zero(x)) {
            true => Some(cx.zeros(ty)),
            false => plain_factor(cx, op, *a, *b).or_else(|| both_plain(cx, op, *a, *b)),
        },
        (Op::Sum { axes }, [a]) => total(cx, *a, *axes, ty),
        (Op::Trunc { bits }, [a]) => truncation(cx, *a, *bits),
        (Op::Raise { bits }, [a]) => match cx.definition(*a) {
            _ if *bits == 0 => Some(*a),
            Some((Op::Raise { bits: more }, &[x])) => Some(cx.make(Op::Raise { bits: bits + more }, &[x])),
            _ => None,
        },
        (Op::Rescale { frac }, [a]) => match cx.definition(*a) {
            _ if *frac == cx.ty(*a).frac => Some(*a),
            Some((Op::Rescale { .. }, &[x])) => Some(cx.make(Op::Rescale { frac: *frac }, &[x])),
            _ => None,
        },
        (Op::Encode { frac }, [a]) => match cx.definition(*a) {
            Some((Op::Decode, &[x])) if cx.ty(x).frac == *frac => Some(x),
            Some((Op::IntToReal, &[x])) => Some(cx.make(op.clone(), &[x])),
            _ => None,
        },
        (Op::RealToInt, [a]) => match cx.definition(*a) {
            Some((Op::IntToReal, &[x])) => Some(x),
            _ => None,
        },
        (Op::Choose, [c, a, b]) => match cx.splat(*c) {
            _ if a == b => Some(*a),
            Some(condition) => Some(if *condition == BigRational::default() { *b } else { *a }),
            None => None,
        },
        (Op::IntBinary(op), [a, b]) => int_binary(cx, *op, *a, *b),
        (Op::RealBinary(op), [a, b]) => real_binary(cx, *op, *a, *b),
        (Op::Compare(op), [a, b]) if a == b && cx.ty(*a).kind == Kind::Int => {
            let holds = matches!(op, Comparison::Le | Comparison::Eq);
            Some(cx.constant(
                Const::splat(ty.clone(), BigRational::from_integer(i64::from(holds).into())),
                ty.kind,
            ))
        }
        (op, [_, ..]) if op.moves_data() || matches!(op, Op::Overlay { .. }) => {
            moves::simplified(cx, op, args, ty)
        }
        _ => bits(cx, op, args, ty),
    }
}

/// A ring value as one of type `ty`, which differs at most in being shared.
fn coerced(cx: &mut Folder, value: ValueId, ty: &Type) -> Option<ValueId> {
    match (cx.ty(value).kind, ty.kind) {
        (a, b) if a == b => Some(value),
        (Kind::Plain, Kind::Shared) => Some(cx.make(Op::Promote, &[value])),
        _ => None,
    }
}

/// The public value that a shared one is a trivial sharing of, through moves of data.
fn plain(cx: &mut Folder, value: ValueId) -> Option<ValueId> {
    if cx.ty(value).kind != Kind::Shared {
        return None;
    }
    match cx.definition(value) {
        Some((Op::Promote, &[x])) => Some(x),
        Some((op, &[x])) if op.moves_data() => {
            let op = op.clone();
            let x = plain(cx, x)?;
            Some(cx.make(op, &[x]))
        }
        _ => None,
    }
}

/// A product of which one shared factor is public in truth.
fn plain_factor(cx: &mut Folder, op: &Op, a: ValueId, b: ValueId) -> Option<ValueId> {
    let shared = |value: ValueId| cx.ty(value).kind == Kind::Shared;
    let (first, second) = (shared(a), shared(b));
    match (plain(cx, a), plain(cx, b)) {
        (None, Some(y)) if first => Some(cx.make(op.clone(), &[a, y])),
        (Some(x), None) if second => Some(cx.make(op.clone(), &[x, b])),
        _ => None,
    }
}

/// An operation on two shared values that are public in truth.
fn both_plain(cx: &mut Folder, op: &Op, a: ValueId, b: ValueId) -> Option<ValueId> {
    let (x, y) = (plain(cx, a)?, plain(cx, b)?);
    let public = cx.make(op.clone(), &[x, y]);
    Some(cx.make(Op::Promote, &[public]))
}

fn sum(cx: &mut Folder, a: ValueId, b: ValueId, ty: &Type) -> Option<ValueId> {
    for (x, zero) in [(a, b), (b, a)] {
        if cx.is_zero(zero) {
            return coerced(cx, x, ty);
        }
    }
    for (x, y) in [(a, b), (b, a)] {
        if let Some((Op::Neg, &[y])) = cx.definition(y) {
            return Some(cx.make(Op::Sub, &[x, y]));
        }
    }
    both_plain(cx, &Op::Add, a, b)
}

fn difference(cx: &mut Folder, a: ValueId, b: ValueId, ty: &Type) -> Option<ValueId> {
    if a == b {
        return Some(cx.zeros(ty));
    }
    if cx.is_zero(b) {
        return coerced(cx, a, ty);
    }
    if cx.is_zero(a) {
        let negative = cx.make(Op::Neg, &[b]);
        return coerced(cx, negative, ty);
    }
    if let Some((Op::Neg, &[y])) = cx.definition(b) {
        return Some(cx.make(Op::Add, &[a, y]));
    }
    both_plain(cx, &Op::Sub, a, b)
}

fn negative(cx: &mut Folder, a: ValueId) -> Option<ValueId> {
    match cx.definition(a) {
        Some((Op::Neg, &[x])) => Some(x),
        Some((Op::Sub, &[x, y])) => Some(cx.make(Op::Sub, &[y, x])),
        _ => None,
    }
}

fn product(cx: &mut Folder, a: ValueId, b: ValueId, ty: &Type) -> Option<ValueId> {
    for (x, factor) in [(a, b), (b, a)] {
        if cx.is_zero(factor) {
            return Some(cx.zeros(ty));
        }
        let Some(number) = cx.splat(factor).cloned() else { continue };
        if let Some(exponent) = exponent(&number.abs()) {
            // The ring integer of the factor is a power of two: a shift, and another scale.
            let bits = exponent + i64::from(cx.ty(factor).frac);
            let raised = cx.make(Op::Raise { bits: u32::try_from(bits).ok()? }, &[x]);
            let scaled = cx.make(Op::Rescale { frac: ty.frac }, &[raised]);
            let signed = if number.is_negative() { cx.make(Op::Neg, &[scaled]) } else { scaled };
            return coerced(cx, signed, ty);
        }
    }
    for (x, y) in [(a, b), (b, a)] {
        // What follows is truncated by so many bits less, or not at all.
        if let Some((Op::Raise { bits }, &[x])) = cx.definition(x) {
            let bits = *bits;
            let product = cx.make(Op::Mul, &[x, y]);
            return Some(cx.make(Op::Raise { bits }, &[product]));
        }
    }
    plain_factor(cx, &Op::Mul, a, b).or_else(|| both_plain(cx, &Op::Mul, a, b))
}

/// The exponent of a power of two.
fn exponent(number: &BigRational) -> Option<i64> {
    let (numerator, denominator) = (number.numer(), number.denom());
    let power = |n: &BigInt| n.is_positive() && n.trailing_zeros() == Some(n.bits() - 1);
    let exponent = numerator.bits() as i64 - denominator.bits() as i64;
    (power(numerator) && power(denominator)).then_some(exponent)
}

fn total(cx: &mut Folder, a: ValueId, axes: u32, ty: &Type) -> Option<ValueId> {
    let shape = cx.shape(a).to_vec();
    let summed = |i: usize| axes >> i & 1 == 1;
    if (0..shape.len()).all(|i| !summed(i) || shape[i] == 1) {
        return Some(cx.make(Op::Reshape(ty.shape.clone()), &[a]));
    }
    let Some((Op::Sum { axes: before }, &[x])) = cx.definition(a) else { return None };
    // The axes that the first sum leaves are those that the second one counts.
    let left = (0..cx.shape(x).len()).filter(|i| before >> i & 1 == 0).enumerate();
    let both = left.filter(|(i, _)| summed(*i)).fold(*before, |mask, (_, axis)| mask | 1 << axis);
    Some(cx.make(Op::Sum { axes: both }, &[x]))
}

fn truncation(cx: &mut Folder, a: ValueId, bits: u32) -> Option<ValueId> {
    if bits == 0 {
        return Some(a);
    }
    match cx.definition(a) {
        Some((Op::Raise { bits: up }, &[x])) => {
            let up = *up;
            Some(if up >= bits {
                cx.make(Op::Raise { bits: up - bits }, &[x])
            } else {
                cx.make(Op::Trunc { bits: bits - up }, &[x])
            })
        }
        Some((Op::Rescale { frac }, &[y])) => {
            let to = frac - bits;
            match cx.definition(y) {
                Some((Op::Raise { bits: up }, &[x])) if *up >= bits => {
                    let up = up - bits;
                    let raised = cx.make(Op::Raise { bits: up }, &[x]);
                    Some(cx.make(Op::Rescale { frac: to }, &[raised]))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn int_binary(cx: &mut Folder, op: IntBinary, a: ValueId, b: ValueId) -> Option<ValueId> {
    let ty = cx.ty(a).clone();
    let (zero, one) = (|cx: &Folder, x| cx.is_zero(x), |cx: &Folder, x| cx.is_one(x));
    match op {
        IntBinary::Add | IntBinary::Or | IntBinary::Xor if zero(cx, a) => Some(b),
        IntBinary::Add | IntBinary::Or | IntBinary::Xor | IntBinary::Sub if zero(cx, b) => Some(a),
        IntBinary::Mul if one(cx, a) => Some(b),
        IntBinary::Mul | IntBinary::Div if one(cx, b) => Some(a),
        IntBinary::Mul | IntBinary::And if zero(cx, a) || zero(cx, b) => Some(cx.zeros(&ty)),
        IntBinary::Rem if one(cx, b) => Some(cx.zeros(&ty)),
        IntBinary::Sub | IntBinary::Xor if a == b => Some(cx.zeros(&ty)),
        IntBinary::And | IntBinary::Or | IntBinary::Min | IntBinary::Max if a == b => Some(a),
        _ => None,
    }
}

/// Only what holds for infinities and negative zeros too.
fn real_binary(cx: &mut Folder, op: RealBinary, a: ValueId, b: ValueId) -> Option<ValueId> {
    match op {
        RealBinary::Sub if cx.is_zero(b) => Some(a),
        RealBinary::Mul if cx.is_one(a) => Some(b),
        RealBinary::Mul | RealBinary::Div | RealBinary::Pow if cx.is_one(b) => Some(a),
        RealBinary::Min | RealBinary::Max if a == b => Some(a),
        _ => None,
    }
}

fn bits(cx: &mut Folder, op: &Op, args: &[ValueId], ty: &Type) -> Option<ValueId> {
    match (op, args) {
        (Op::And | Op::AndPublic, [a, b]) if cx.is_zero(*a) || cx.is_zero(*b) => Some(cx.zeros(ty)),
        (Op::And | Op::AndPublic, [a, b]) if cx.is_one(*b) || op == &Op::And && a == b => Some(*a),
        (Op::And, [a, b]) if cx.is_one(*a) => Some(*b),
        (Op::Xor, [a, b]) if a == b => Some(cx.zeros(ty)),
        (Op::Xor, [a, b]) if cx.is_zero(*b) => Some(*a),
        (Op::Xor, [a, b]) if cx.is_zero(*a) => Some(*b),
        (Op::Xor, [a, b]) if cx.is_one(*b) => Some(cx.make(Op::Not, &[*a])),
        (Op::Xor, [a, b]) if cx.is_one(*a) => Some(cx.make(Op::Not, &[*b])),
        (Op::Not, [a]) => match cx.definition(*a) {
            Some((Op::Not, &[x])) => Some(x),
            _ => None,
        },
        (Op::And, [a, b]) => {
            // Public bits in disguise.
            let public = |cx: &Folder, x: ValueId| match cx.definition(x) {
                Some((Op::PromoteBits, &[x])) => Some(x),
                _ => None,
            };
            let (x, public) = match (public(cx, *a), public(cx, *b)) {
                (_, Some(public)) => (*a, public),
                (Some(public), None) => (*b, public),
                (None, None) => return None,
            };
            Some(cx.make(Op::AndPublic, &[x, public]))
        }
        (Op::Select { additive: false, .. } | Op::SelectAgain { additive: false, bits: 0 }, [.., bit, x]) => {
            selection(cx, *bit, *x, ty)
        }
        _ => None,
    }
}

/// A selection by known bits, or of zeros.
fn selection(cx: &mut Folder, bit: ValueId, x: ValueId, ty: &Type) -> Option<ValueId> {
    if cx.is_zero(x) || cx.is_zero(bit) {
        return Some(cx.zeros(ty));
    }
    if cx.is_one(bit) {
        return Some(x);
    }
    let bits = cx.known.get(&bit)?;
    let mask = Const { ty: Type::plain(0, bits.ty.shape.clone()), data: bits.data.clone() };
    let mask = cx.constant(mask, Kind::Plain);
    Some(cx.make(Op::Mul, &[x, mask]))
}
