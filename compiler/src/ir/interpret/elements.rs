//! What operations without regions compute.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{FromPrimitive, ToPrimitive};
use tern_bytecode::instr::{Comparison, IntBinary, RealBinary, RealUnary};

use super::{InterpretError, Tensor};
use crate::ir::{Const, Op};

type Computed = Result<Vec<Tensor>, InterpretError>;

/// The results of an operation; `frac` is the scale of the first operand. Random operations, inputs and control are not computed here.
pub(super) fn compute(op: &Op, args: &[&Tensor], frac: u32) -> Computed {
    let one = |tensor: Tensor| Ok(vec![tensor]);
    match (op, args) {
        (Op::Const(c), _) => one(constant(c)),
        (Op::Iota { start, step, len }, _) => {
            let number = |i: usize| start.wrapping_add(step.wrapping_mul(i as i64)) as f64;
            one(Tensor::new([*len], (0..*len).map(number).collect()))
        }
        (Op::Metric(_) | Op::Output(_) | Op::Debug(_), _) => Ok(vec![]),
        (Op::RealUnary(op), [a]) => one(a.map(|x| real_unary(*op, x))),
        (Op::RealBinary(op), [a, b]) => one(a.zip(b, |x, y| real_binary(*op, x, y))),
        (Op::IntBinary(op), [a, b]) => int_binary(*op, a, b),
        (Op::Compare(op), [a, b]) => one(a.zip(b, |x, y| f64::from(u8::from(compare(*op, x, y))))),
        (Op::Choose, [c, a, b]) => {
            let masked = c.zip(a, |c, x| if c == 0.0 { 0.0 } else { x });
            let other = c.zip(b, |c, x| if c == 0.0 { x } else { 0.0 });
            one(masked.zip(&other, |x, y| x + y))
        }
        (Op::RealToInt, [a]) => one(a.map(|x| x.floor() as i64 as f64)),
        (Op::DecodeInt, [a]) => one(a.map(f64::round)),
        (Op::Add, [a, b]) => one(a.zip(b, |x, y| x + y)),
        (Op::Sub, [a, b]) => one(a.zip(b, |x, y| x - y)),
        (Op::Neg, [a]) => one(a.map(|x| -x)),
        (Op::Mul | Op::And | Op::AndPublic, [a, b]) => one(a.zip(b, |x, y| x * y)),
        (Op::Contract(axes), [a, b]) => one(a.contract(b, *axes)),
        (Op::Sum { axes }, [a]) => one(a.sum(*axes)),
        (Op::Trunc { bits }, [a]) if *bits == frac => one(a.map(|x| (x + 0.5).floor())),
        (Op::Rescale { frac: to }, [a]) => one(a.map(|x| x * 2f64.powi(frac as i32 - *to as i32))),
        (Op::Xor, [a, b]) => one(a.zip(b, |x, y| f64::from(u8::from(x != y)))),
        (Op::Not, [a]) => one(a.map(|x| 1.0 - x)),
        (Op::Sign { width: 0 }, [a]) => one(a.map(|x| f64::from(u8::from(x < 0.0)))),
        (Op::SignTested { high, .. }, [a]) => {
            let top = bits(a, frac, *high - 1, *high)?;
            one(Tensor::new(a.shape.clone(), top.data))
        }
        (Op::Sign { width }, [a]) => {
            let top = bits(a, frac, *width - 1, *width)?;
            one(Tensor::new(a.shape.clone(), top.data))
        }
        (Op::Bits { low, high }, [a]) => one(bits(a, frac, *low, *high)?),
        (Op::Word { .. }, [a]) => {
            let len = a.shape[1..].iter().product::<usize>();
            let number = |i| (0..a.shape[0]).map(|bit| a.data[bit * len + i] * 2f64.powi(bit as i32)).sum();
            one(Tensor::new(&a.shape[1..], (0..len).map(number).collect()))
        }
        (Op::Select { keep, .. }, [c, x]) => {
            let half = keep.then(|| (*c).clone());
            Ok(std::iter::once(c.zip(x, choose)).chain(half).collect())
        }
        (Op::SelectAgain { .. }, [h, _, x]) => one(h.zip(x, choose)),
        (Op::Gather | Op::Scatter, _) => rows(op, args),
        (_, [a, ..]) => one(moved(op, a, args)),
        (_, []) => Ok(vec![]),
    }
}

/// Moves of data, and operations that keep the number.
fn moved(op: &Op, a: &Tensor, args: &[&Tensor]) -> Tensor {
    match op {
        Op::Reshape(shape) => Tensor::new(shape.clone(), a.data.clone()),
        Op::Permute(perm) => a.permute(perm),
        Op::Slice { start, step, shape } => a.slice(start, step, shape),
        Op::Pad { low, high, interior } => a.pad(low, high, interior),
        Op::Reverse { axes } => a.reverse(*axes),
        Op::Concat { axis } => Tensor::concat(args, *axis),
        Op::Broadcast(shape) => a.broadcast(shape),
        Op::Windows { first, sizes, strides } => a.windows(*first, sizes, strides),
        Op::Overlay { first, strides, shape, .. } => a.overlay(*first, strides, shape),
        _ => a.clone(),
    }
}

/// Ring elements are multiples of 2^-frac.
fn constant(c: &Const) -> Tensor {
    let scale = BigRational::from_integer(BigInt::from(1) << c.ty.frac);
    let number = |i| {
        let number = c.at(i);
        let rounded = if c.ty.is_ring() { (number * &scale).round() / &scale } else { number.clone() };
        rounded.to_f64().unwrap_or(f64::NAN)
    };
    Tensor::new(c.ty.shape.clone(), (0..c.ty.len()).map(number).collect())
}

fn choose(c: f64, x: f64) -> f64 {
    if c == 0.0 { 0.0 } else { x }
}

fn real_unary(op: RealUnary, x: f64) -> f64 {
    match op {
        RealUnary::Neg => -x,
        RealUnary::Abs => x.abs(),
        RealUnary::Sqrt => x.sqrt(),
        RealUnary::Exp => x.exp(),
        RealUnary::Ln => x.ln(),
        RealUnary::Floor => x.floor(),
        RealUnary::Ceil => x.ceil(),
        RealUnary::Sin => x.sin(),
        RealUnary::Cos => x.cos(),
    }
}

fn real_binary(op: RealBinary, x: f64, y: f64) -> f64 {
    match op {
        RealBinary::Add => x + y,
        RealBinary::Sub => x - y,
        RealBinary::Mul => x * y,
        RealBinary::Div => x / y,
        RealBinary::Pow => x.powf(y),
        RealBinary::Min => x.min(y),
        RealBinary::Max => x.max(y),
    }
}

fn compare(op: Comparison, x: f64, y: f64) -> bool {
    match op {
        Comparison::Lt => x < y,
        Comparison::Le => x <= y,
        Comparison::Eq => x == y,
        Comparison::Ne => x != y,
    }
}

fn int_binary(op: IntBinary, a: &Tensor, b: &Tensor) -> Computed {
    if matches!(op, IntBinary::Div | IntBinary::Rem) && b.data.contains(&0.0) {
        return Err(InterpretError::Division);
    }
    let result = a.zip(b, |x, y| {
        let (x, y) = (x as i64, y as i64);
        let number = match op {
            IntBinary::Add => x.wrapping_add(y),
            IntBinary::Sub => x.wrapping_sub(y),
            IntBinary::Mul => x.wrapping_mul(y),
            IntBinary::Div => num_integer::Integer::div_floor(&i128::from(x), &i128::from(y)) as i64,
            IntBinary::Rem => num_integer::Integer::mod_floor(&i128::from(x), &i128::from(y)) as i64,
            IntBinary::And => x & y,
            IntBinary::Or => x | y,
            IntBinary::Xor => x ^ y,
            IntBinary::Min => x.min(y),
            IntBinary::Max => x.max(y),
        };
        number as f64
    });
    Ok(vec![result])
}

/// Bits of the largest ring integer not above the number, two's complement, along a new first axis.
fn bits(a: &Tensor, frac: u32, low: u32, high: u32) -> Result<Tensor, InterpretError> {
    let integer = |x: &f64| {
        let scaled = (x * 2f64.powi(frac as i32)).floor();
        BigInt::from_f64(scaled).ok_or(InterpretError::NotFinite(*x))
    };
    let integers = a.data.iter().map(integer).collect::<Result<Vec<BigInt>, _>>()?;
    let one = BigInt::from(1);
    // A shift rounds down, so negative numbers have the bits of their two's complement.
    let bit = |i: u32, n: &BigInt| f64::from(u8::from((n >> i) & &one == one));
    let data =
        (low..high).flat_map(|i| integers.iter().map(move |n| bit(i, n)).collect::<Vec<_>>()).collect();
    Ok(Tensor::new([&[(high - low) as usize], a.shape.as_slice()].concat(), data))
}

/// `Gather` and `Scatter`.
fn rows(op: &Op, args: &[&Tensor]) -> Computed {
    let (a, index) = (args[0], args[args.len() - 1]);
    let (count, width) = (a.shape[0], a.shape[1..].iter().product::<usize>());
    let row = |i: &f64| {
        let inside = *i >= 0.0 && *i < count as f64;
        if inside { Ok(*i as usize * width) } else { Err(InterpretError::Row { row: *i, rows: count }) }
    };
    let starts = index.data.iter().map(row).collect::<Result<Vec<usize>, _>>()?;
    if *op == Op::Gather {
        let shape = [&[starts.len()], &a.shape[1..]].concat();
        let data = starts.iter().flat_map(|at| a.data[*at..at + width].iter().copied()).collect();
        return Ok(vec![Tensor::new(shape, data)]);
    }
    let mut result = a.clone();
    for (i, at) in starts.into_iter().enumerate() {
        result.data[at..at + width].copy_from_slice(&args[1].data[i * width..(i + 1) * width]);
    }
    Ok(vec![result])
}
