//! The table's `public` section: arithmetic on values that everybody knows.

use tern_bytecode::instr::{Comparison, RealBinary, RealUnary};
use tern_bytecode::program::Constant;
use tern_bytecode::{Instr, Kind, Reg};

use super::checked;
use super::context::Context;
use super::error::RunError;
use super::local;
use super::memory::Cell;
use super::seed::Purpose;
use crate::ring::{Ring, views};

/// Executes an instruction whose registers are all public.
pub(super) fn execute<R: Ring>(context: &mut Context<'_, R>, instr: &Instr) -> Result<(), RunError> {
    match *instr {
        Instr::Constant { dst, pool } => constant(context, dst, pool),
        Instr::Iota { dst, start, step } => return checked::iota(context, dst, start, step),
        Instr::RealUnary { dst, op, a } => local::map(context, dst, a, real_unary(op)),
        Instr::RealBinary { dst, op, a, b } => local::zip(context, dst, a, b, real_binary(op)),
        Instr::IntBinary { dst, op, a, b } => return checked::integers(context, dst, op, a, b),
        Instr::Compare { dst, op, a, b } => compare(context, dst, op, a, b),
        Instr::Choose { dst, cond, a, b } => return choose(context, dst, cond, a, b),
        Instr::IntToReal { dst, a } => local::convert(context, dst, a, |a: i64| a as f64),
        Instr::RealToInt { dst, a } => return checked::floor(context, dst, a),
        Instr::Encode { dst, a, frac } => return checked::encode(context, dst, a, frac),
        Instr::Decode { dst, a, frac } => return checked::decode(context, dst, a, frac),
        Instr::Shuffle { dst, n } => return shuffle(context, dst, n),
        Instr::PublicUniform { dst } => return uniform(context, dst),
        Instr::Metric { name, a } => return metric(context, name, a),
        _ => return local::execute(context, instr),
    }
    Ok(())
}

fn constant<R: Ring>(context: &mut Context<'_, R>, dst: Reg, pool: u32) {
    match &context.program.constants[pool as usize] {
        Constant::Ring { width, bytes } => {
            let elements: Vec<R> = bytes.chunks_exact(usize::from(*width)).map(sign_extended).collect();
            fill(context, dst, &elements);
        }
        Constant::Real(values) => fill(context, dst, values),
        Constant::Int(values) => fill(context, dst, values),
    }
}

/// Writes a tensor, or one value everywhere.
fn fill<R: Ring, T: Cell<R>>(context: &mut Context<'_, R>, dst: Reg, values: &[T]) {
    match values {
        [value] => views::fill(context.threads, context.memory.write(dst), *value),
        values => context.memory.store(context.threads, dst, values),
    }
}

/// The element with the given bytes, least significant first, in two's complement.
fn sign_extended<R: Ring>(bytes: &[u8]) -> R {
    let negative = bytes.last().is_some_and(|byte| byte >> 7 == 1);
    let mut element = if negative { -R::ONE } else { R::ZERO };
    for (to, from) in bytemuck::bytes_of_mut(&mut element).iter_mut().zip(bytes) {
        *to = *from;
    }
    element.reduced()
}

fn real_unary(op: RealUnary) -> fn(f64) -> f64 {
    match op {
        RealUnary::Neg => |a| -a,
        RealUnary::Abs => f64::abs,
        RealUnary::Sqrt => f64::sqrt,
        RealUnary::Exp => f64::exp,
        RealUnary::Ln => f64::ln,
        RealUnary::Floor => f64::floor,
        RealUnary::Ceil => f64::ceil,
        RealUnary::Sin => f64::sin,
        RealUnary::Cos => f64::cos,
    }
}

fn real_binary(op: RealBinary) -> fn(f64, f64) -> f64 {
    match op {
        RealBinary::Add => |a, b| a + b,
        RealBinary::Sub => |a, b| a - b,
        RealBinary::Mul => |a, b| a * b,
        RealBinary::Div => |a, b| a / b,
        RealBinary::Pow => f64::powf,
        RealBinary::Min => f64::min,
        RealBinary::Max => f64::max,
    }
}

fn compare<R: Ring>(context: &mut Context<'_, R>, dst: Reg, op: Comparison, a: Reg, b: Reg) {
    fn test<T: PartialOrd>(op: Comparison) -> fn(&T, &T) -> bool {
        match op {
            Comparison::Lt => |a, b| a < b,
            Comparison::Le => |a, b| a <= b,
            Comparison::Eq => |a, b| a == b,
            Comparison::Ne => |a, b| a != b,
        }
    }
    match context.kind(a) {
        Kind::Real => {
            let holds = test::<f64>(op);
            local::convert2(context, dst, a, b, move |a, b| i64::from(holds(&a, &b)));
        }
        _ => {
            let holds = test::<i64>(op);
            local::convert2(context, dst, a, b, move |a, b| i64::from(holds(&a, &b)));
        }
    }
}

fn choose<R: Ring>(
    context: &mut Context<'_, R>,
    dst: Reg,
    cond: Reg,
    a: Reg,
    b: Reg,
) -> Result<(), RunError> {
    fn typed<R: Ring, T: Cell<R>>(
        context: &mut Context<'_, R>,
        [dst, cond, a, b]: [Reg; 4],
    ) -> Result<(), RunError> {
        let memory = &context.memory;
        let cond = memory.load::<i64>(context.threads, cond)?;
        let a = memory.load::<T>(context.threads, a)?;
        let mut chosen = memory.load::<T>(context.threads, b)?;
        for ((value, a), cond) in chosen.iter_mut().zip(a).zip(cond) {
            if cond != 0 {
                *value = a;
            }
        }
        context.memory.store(context.threads, dst, &chosen);
        Ok(())
    }
    match context.kind(dst) {
        Kind::Real => typed::<R, f64>(context, [dst, cond, a, b]),
        Kind::Int => typed::<R, i64>(context, [dst, cond, a, b]),
        _ => typed::<R, R>(context, [dst, cond, a, b]),
    }
}

fn shuffle<R: Ring>(context: &mut Context<'_, R>, dst: Reg, n: u32) -> Result<(), RunError> {
    let rows = context.stream(context.public, Purpose::Public)?.permutation(n as usize);
    let mut picks = context.stream(context.public, Purpose::Filling)?.draws();
    let mut order: Vec<i64> = rows.into_iter().map(|row| row as i64).collect();
    let len = context.memory.layout(dst).len();
    order.extend((order.len()..len).map(|_| picks.below(n.into()) as i64));
    context.memory.store(context.threads, dst, &order);
    Ok(())
}

fn uniform<R: Ring>(context: &mut Context<'_, R>, dst: Reg) -> Result<(), RunError> {
    let mut words = vec![0u64; context.memory.layout(dst).len()];
    context.stream(context.public, Purpose::Public)?.fill(context.threads, 0, &mut words);
    let unit = |word: u64| (word >> 11) as f64 * 2f64.powi(-53);
    let values: Vec<f64> = words.into_iter().map(unit).collect();
    context.memory.store(context.threads, dst, &values);
    Ok(())
}

fn metric<R: Ring>(context: &mut Context<'_, R>, name: u32, a: Reg) -> Result<(), RunError> {
    let values = match context.kind(a) {
        Kind::Real => context.memory.load(context.threads, a)?,
        _ => context.memory.load::<i64>(context.threads, a)?.into_iter().map(|a| a as f64).collect(),
    };
    context.host.metric(&context.program.names[name as usize], &values, context.loops);
    Ok(())
}
