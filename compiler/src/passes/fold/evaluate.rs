//! Operations on constants, with exact numbers.

use num_bigint::BigInt;
use num_integer::Integer;
use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};
use tern_bytecode::instr::{Axes, Comparison, IntBinary, RealBinary, RealUnary};

use super::{LARGE, moves};
use crate::ir::{Const, ConstData, Kind, Op, Type};

/// So many products may be computed for one constant.
const PRODUCTS: usize = 1 << 20;
/// Numbers with longer numerators or denominators are left to run time.
const BITS: u64 = 4096;

/// The constant that an operation computes, of type `ty`, in a ring of so many bits; nothing if it is too large, not exact, or not for the
/// compiler to decide.
pub(super) fn evaluate(op: &Op, args: &[&Const], ty: &Type, ring: u32) -> Option<Const> {
    let largest = args.iter().map(|c| c.ty.len()).max().unwrap_or(0);
    let splats = args.iter().all(|c| c.as_splat().is_some());
    if !splats && ty.len() > LARGE.max(largest) {
        return None;
    }
    let constant = compute(op, args, ty)?;
    let fits = |number: &BigRational| {
        let size = number.numer().bits().max(number.denom().bits());
        size <= BITS && (ty.kind != Kind::Plain || integer(number, ty.frac).bits() < u64::from(ring))
    };
    let fits = match &constant.data {
        ConstData::Splat(number) => fits(number),
        ConstData::Dense(numbers) => numbers.iter().all(fits),
    };
    fits.then_some(constant)
}

/// A constant as the program has it: ring elements are multiples of 2^-frac.
pub(super) fn rounded(constant: &Const) -> Const {
    if constant.ty.kind != Kind::Plain {
        return constant.clone();
    }
    let scale = power_of_two(constant.ty.frac);
    map(&constant.ty, constant, |number| Some((number * &scale).round() / &scale)).unwrap_or(constant.clone())
}

/// 2^bits
fn power_of_two(bits: u32) -> BigRational {
    BigRational::from_integer(BigInt::one() << bits)
}

/// The ring integer of a number at a scale, rounded down.
fn integer(number: &BigRational, frac: u32) -> BigInt {
    (number * power_of_two(frac)).floor().to_integer()
}

/// Element by element; nothing if an element has no result.
fn map(ty: &Type, a: &Const, f: impl Fn(&BigRational) -> Option<BigRational>) -> Option<Const> {
    match &a.data {
        ConstData::Splat(number) => Some(Const::splat(ty.clone(), f(number)?)),
        ConstData::Dense(numbers) => {
            Some(Const::dense(ty.clone(), numbers.iter().map(f).collect::<Option<Vec<_>>>()?))
        }
    }
}

fn zip(
    ty: &Type,
    a: &Const,
    b: &Const,
    f: impl Fn(&BigRational, &BigRational) -> Option<BigRational>,
) -> Option<Const> {
    if let (Some(x), Some(y)) = (a.as_splat(), b.as_splat()) {
        return Some(Const::splat(ty.clone(), f(x, y)?));
    }
    let numbers = (0..ty.len()).map(|i| f(a.at(i), b.at(i))).collect::<Option<Vec<_>>>()?;
    Some(Const::dense(ty.clone(), numbers))
}

fn compute(op: &Op, args: &[&Const], ty: &Type) -> Option<Const> {
    let truth = |holds: bool| Some(whole(i64::from(holds)));
    match (op, args) {
        (Op::Add, [a, b]) => zip(ty, a, b, |x, y| Some(x + y)),
        (Op::Sub, [a, b]) => zip(ty, a, b, |x, y| Some(x - y)),
        (Op::Mul | Op::And | Op::AndPublic, [a, b]) => zip(ty, a, b, |x, y| Some(x * y)),
        (Op::Xor, [a, b]) => zip(ty, a, b, |x, y| truth(x != y)),
        (Op::Not, [a]) => map(ty, a, |x| truth(x.is_zero())),
        (Op::Neg, [a]) => map(ty, a, |x| Some(-x)),
        (Op::Raise { .. }, [a]) => map(ty, a, |x| Some(x.clone())),
        (Op::Trunc { .. }, [a]) => {
            // As at run time where that is not random: ties go up.
            let (scale, half) = (power_of_two(ty.frac), BigRational::new(1.into(), 2.into()));
            map(ty, a, |x| Some((x * &scale + &half).floor() / &scale))
        }
        (Op::Rescale { frac }, [a]) => {
            let factor = power_of_two(a.ty.frac) / power_of_two(*frac);
            map(ty, a, |x| Some(x * &factor))
        }
        (Op::Assume { low, high }, [a]) => map(ty, a, |x| (low <= x && x <= high).then(|| x.clone())),
        (Op::Encode { frac }, [a]) => {
            let scale = power_of_two(*frac);
            map(ty, a, |x| Some((x * &scale).round() / &scale))
        }
        (Op::Decode | Op::DecodeInt | Op::IntToReal, [a]) => map(ty, a, |x| Some(x.clone())),
        (Op::RealToInt, [a]) => map(ty, a, |x| {
            let floor = x.floor().to_integer().clamp(i64::MIN.into(), i64::MAX.into());
            Some(BigRational::from_integer(floor))
        }),
        (Op::RealUnary(op), [a]) => map(ty, a, |x| real_unary(*op, x)),
        (Op::RealBinary(op), [a, b]) => zip(ty, a, b, |x, y| real_binary(*op, x, y)),
        (Op::IntBinary(op), [a, b]) => zip(ty, a, b, |x, y| int_binary(*op, x, y)),
        (Op::Compare(op), [a, b]) => zip(ty, a, b, |x, y| truth(compare(*op, x, y))),
        (Op::Choose, [c, a, b]) if c.as_splat().is_none() => {
            let numbers = (0..ty.len()).map(|i| if c.at(i).is_zero() { b.at(i) } else { a.at(i) });
            Some(Const::dense(ty.clone(), numbers.cloned().collect()))
        }
        (Op::Sign { width: 0 }, [a]) => map(ty, a, |x| truth(x.is_negative())),
        (Op::Bits { low, high }, [a]) => bits(ty, a, *low, *high),
        (Op::Word { .. }, [a]) => word(ty, a),
        (Op::Sum { axes }, [a]) => sum(ty, a, *axes),
        (Op::Contract(axes), [a, b]) => contract(ty, a, b, *axes),
        _ => moves::moved(op, args, ty),
    }
}

fn whole(number: i64) -> BigRational {
    BigRational::from_integer(number.into())
}

/// Where a double would be a negative zero, there is no rational number.
fn real_unary(op: RealUnary, x: &BigRational) -> Option<BigRational> {
    match op {
        RealUnary::Neg => (!x.is_zero()).then(|| -x),
        RealUnary::Abs => Some(x.abs()),
        RealUnary::Floor => Some(x.floor()),
        RealUnary::Ceil => Some(x.ceil()).filter(|ceil| !ceil.is_zero() || x.is_zero()),
        // Not rational.
        RealUnary::Sqrt | RealUnary::Exp | RealUnary::Ln | RealUnary::Sin | RealUnary::Cos => None,
    }
}

fn real_binary(op: RealBinary, x: &BigRational, y: &BigRational) -> Option<BigRational> {
    match op {
        RealBinary::Add => Some(x + y),
        RealBinary::Sub => Some(x - y),
        RealBinary::Mul => (!x.is_zero() && !y.is_zero()).then(|| x * y),
        RealBinary::Div => (!x.is_zero() && !y.is_zero()).then(|| x / y),
        RealBinary::Min => Some(x.min(y).clone()),
        RealBinary::Max => Some(x.max(y).clone()),
        RealBinary::Pow => None,
    }
}

fn compare(op: Comparison, x: &BigRational, y: &BigRational) -> bool {
    match op {
        Comparison::Lt => x < y,
        Comparison::Le => x <= y,
        Comparison::Eq => x == y,
        Comparison::Ne => x != y,
    }
}

/// Arithmetic of 64 bits wraps; division by zero is left to run time.
fn int_binary(op: IntBinary, x: &BigRational, y: &BigRational) -> Option<BigRational> {
    let (x, y) = (x.to_integer(), y.to_integer());
    let result = match op {
        IntBinary::Add => x + y,
        IntBinary::Sub => x - y,
        IntBinary::Mul => x * y,
        IntBinary::Div | IntBinary::Rem if y.is_zero() => return None,
        IntBinary::Div => x.div_floor(&y),
        IntBinary::Rem => x.mod_floor(&y),
        IntBinary::And => x & y,
        IntBinary::Or => x | y,
        IntBinary::Xor => x ^ y,
        IntBinary::Min => x.min(y),
        IntBinary::Max => x.max(y),
    };
    let low = result & BigInt::from(u64::MAX);
    low.to_u64().map(|bits| whole(bits as i64))
}

fn bits(ty: &Type, a: &Const, low: u32, high: u32) -> Option<Const> {
    if ty.len() > LARGE {
        return None;
    }
    let mut numbers = Vec::with_capacity(ty.len());
    for bit in low..high {
        // A shift rounds down, so negative numbers have the bits of their two's complement.
        let set = |i| (integer(a.at(i), a.ty.frac) >> bit).is_odd();
        numbers.extend((0..a.ty.len()).map(|i| whole(i64::from(set(i)))));
    }
    Some(Const::dense(ty.clone(), numbers))
}

fn word(ty: &Type, a: &Const) -> Option<Const> {
    let (len, width) = (ty.len(), *a.ty.shape.first()?);
    let number = |i: usize| (0..width).map(|bit| a.at(bit * len + i) * power_of_two(bit as u32)).sum();
    (a.ty.len() <= LARGE).then(|| Const::dense(ty.clone(), (0..len).map(number).collect()))
}

fn sum(ty: &Type, a: &Const, axes: u32) -> Option<Const> {
    if let Some(number) = a.as_splat() {
        let terms = a.ty.shape.iter().enumerate().filter(|(i, _)| axes >> i & 1 == 1).map(|(_, n)| n);
        return Some(Const::splat(ty.clone(), number * whole(terms.product::<usize>() as i64)));
    }
    let mut sums = vec![BigRational::zero(); ty.len()];
    for (i, index) in moves::indices(&a.ty.shape).enumerate() {
        let kept = index.iter().zip(&a.ty.shape).enumerate().filter(|(axis, _)| axes >> axis & 1 == 0);
        let at = kept.fold(0, |at, (_, (i, size))| at * size + i);
        sums[at] += a.at(i);
    }
    Some(Const::dense(ty.clone(), sums))
}

fn contract(ty: &Type, a: &Const, b: &Const, axes: Axes) -> Option<Const> {
    let [n, r, i, _] = [axes.batch, axes.rows, axes.inner, axes.cols].map(usize::from);
    let size = |part: &[usize]| part.iter().product::<usize>();
    let (batches, rows) = (size(&a.ty.shape[..n]), size(&a.ty.shape[n..n + r]));
    let (inner, cols) = (size(&a.ty.shape[n + r..]), size(&b.ty.shape[n + i..]));
    if let (Some(x), Some(y)) = (a.as_splat(), b.as_splat()) {
        return Some(Const::splat(ty.clone(), x * y * whole(inner as i64)));
    }
    if ty.len().saturating_mul(inner) > PRODUCTS {
        return None;
    }
    let mut numbers = Vec::with_capacity(ty.len());
    for batch in 0..batches {
        for row in 0..rows {
            for col in 0..cols {
                let term =
                    |k| a.at((batch * rows + row) * inner + k) * b.at((batch * inner + k) * cols + col);
                numbers.push((0..inner).map(term).sum());
            }
        }
    }
    Some(Const::dense(ty.clone(), numbers))
}
