//! Public numbers that another type must hold: either it does, or the run ends with a fault.
//!
//! Everybody computes the same public numbers, so everybody meets the same fault at the same instruction. Without it a quotient by zero or a sum
//! beyond 64 bits would become a number like any other, which no protocol could tell from a right one.

use std::sync::atomic::{AtomicBool, Ordering};

use tern_bytecode::instr::IntBinary;
use tern_bytecode::program::Header;
use tern_bytecode::{Kind, Reg};

use super::context::Context;
use super::error::{Fault, RunError};
use super::local;
use super::memory::Cell;
use crate::ring::Ring;

/// Whether something went wrong in an element-wise operation on any thread.
#[derive(Default)]
struct Flag(AtomicBool);

impl Flag {
    /// The value, or nothing and the flag is raised.
    fn checked<T: Default>(&self, value: Option<T>) -> T {
        value.unwrap_or_else(|| {
            self.0.store(true, Ordering::Relaxed);
            T::default()
        })
    }

    /// What `fault` finds, if the flag is raised.
    fn raised(self, fault: impl FnOnce() -> Result<Fault, RunError>) -> Result<(), RunError> {
        if self.0.into_inner() { Err(fault()?.into()) } else { Ok(()) }
    }
}

/// The first element of a register for which a test holds.
fn first<R: Ring, T: Cell<R>>(
    context: &Context<'_, R>,
    reg: Reg,
    test: impl Fn(T) -> bool,
) -> Result<Option<T>, RunError> {
    Ok(context.memory.load::<T>(context.threads, reg)?.into_iter().find(|&x| test(x)))
}

/// The numbers that ring elements with `frac` fraction bits stand for: the contract of `fix`, or of whole numbers.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    frac: u32,
    /// All numbers are below 2^`magnitude` in absolute value.
    magnitude: i32,
    ring: u32,
}

impl Bounds {
    fn of(header: &Header, frac: u32) -> Bounds {
        let whole = if frac == 0 { 0 } else { header.frac };
        let magnitude = header.total as i32 - 1 - whole as i32;
        Bounds { frac, magnitude, ring: header.ring }
    }

    /// The ring element of a double, to the nearest, ties away from zero.
    fn of_real<R: Ring>(self, x: f64) -> Option<R> {
        // the scaling and `from_f64` of a whole number are exact; a comparison with NaN fails
        let scaled = (x * 2f64.powi(self.frac as i32)).round();
        let limit = 2f64.powi((self.magnitude + self.frac as i32).min(self.ring as i32 - 1));
        (scaled.abs() < limit).then(|| R::from_f64(scaled))
    }

    fn of_whole<R: Ring>(self, x: i64) -> Option<R> {
        let fits = match self.magnitude {
            ..0 => x == 0,
            64.. => true,
            bits => i128::from(x).unsigned_abs() < 1 << bits,
        };
        fits.then(|| R::from_i128(x.into()).shl(self.frac))
    }

    fn fault(self, value: impl ToString) -> Fault {
        let what = if self.frac == 0 { "int" } else { "fix" };
        let bound = 2f64.powi(self.magnitude);
        Fault::Unrepresentable { value: value.to_string(), what, bound }
    }
}

/// Ring elements from public numbers.
pub(super) fn encode<R: Ring>(
    context: &mut Context<'_, R>,
    dst: Reg,
    a: Reg,
    frac: u32,
) -> Result<(), RunError> {
    let bounds = Bounds::of(&context.program.header, frac);
    let flag = Flag::default();
    if context.kind(a) == Kind::Real {
        local::convert(context, dst, a, |x: f64| flag.checked(bounds.of_real::<R>(x)));
        let beyond = |x: f64| bounds.of_real::<R>(x).is_none();
        flag.raised(|| Ok(bounds.fault(first(context, a, beyond)?.unwrap_or(f64::NAN))))
    } else {
        local::convert(context, dst, a, |x: i64| flag.checked(bounds.of_whole::<R>(x)));
        let beyond = |x: i64| bounds.of_whole::<R>(x).is_none();
        flag.raised(|| Ok(bounds.fault(first(context, a, beyond)?.unwrap_or_default())))
    }
}

/// Numbers from public ring elements; whole ones are rounded down.
pub(super) fn decode<R: Ring>(
    context: &mut Context<'_, R>,
    dst: Reg,
    a: Reg,
    frac: u32,
) -> Result<(), RunError> {
    let scale = 2f64.powi(-(frac as i32));
    if context.kind(dst) == Kind::Real {
        local::convert(context, dst, a, |a: R| a.to_f64() * scale);
        return Ok(());
    }
    let whole = |a: R| a.sar(frac).to_i128().and_then(|a| i64::try_from(a).ok());
    let flag = Flag::default();
    local::convert(context, dst, a, |a: R| flag.checked(whole(a)));
    flag.raised(|| {
        let beyond = first(context, a, |a: R| whole(a).is_none())?.unwrap_or(R::ZERO);
        Ok(Fault::NotWhole { value: beyond.to_f64() * scale })
    })
}

/// The largest integers not above doubles.
pub(super) fn floor<R: Ring>(context: &mut Context<'_, R>, dst: Reg, a: Reg) -> Result<(), RunError> {
    // both ends are exact; a comparison with NaN fails
    let whole = |x: f64| (-2f64.powi(63)..2f64.powi(63)).contains(&x).then(|| x.floor() as i64);
    let flag = Flag::default();
    local::convert(context, dst, a, |x: f64| flag.checked(whole(x)));
    flag.raised(|| {
        let value = first(context, a, |x: f64| whole(x).is_none())?.unwrap_or(f64::NAN);
        Ok(Fault::NotWhole { value })
    })
}

/// Arithmetic on whole numbers.
pub(super) fn integers<R: Ring>(
    context: &mut Context<'_, R>,
    dst: Reg,
    op: IntBinary,
    a: Reg,
    b: Reg,
) -> Result<(), RunError> {
    let divides = matches!(op, IntBinary::Div | IntBinary::Rem);
    if divides && first(context, b, |b: i64| b == 0)?.is_some() {
        return Err(Fault::DivisionByZero.into());
    }
    let flag = Flag::default();
    let compute = int_binary(op);
    local::zip(context, dst, a, b, |a: i64, b| flag.checked(compute(a, b)));
    flag.raised(|| Ok(Fault::IntegerOverflow))
}

fn int_binary(op: IntBinary) -> fn(i64, i64) -> Option<i64> {
    match op {
        IntBinary::Add => i64::checked_add,
        IntBinary::Sub => i64::checked_sub,
        IntBinary::Mul => i64::checked_mul,
        IntBinary::Div => |a, b| Some(a.checked_div(b)? - i64::from(rounds_up(a, b))),
        IntBinary::Rem => |a, b| Some(a.wrapping_rem(b) + if rounds_up(a, b) { b } else { 0 }),
        IntBinary::And => |a, b| Some(a & b),
        IntBinary::Or => |a, b| Some(a | b),
        IntBinary::Xor => |a, b| Some(a ^ b),
        IntBinary::Min => |a, b| Some(a.min(b)),
        IntBinary::Max => |a, b| Some(a.max(b)),
    }
}

/// Whether the processor's division, towards zero, gives more than the largest integer not above a / b.
fn rounds_up(a: i64, b: i64) -> bool {
    let rest = a.wrapping_rem(b);
    rest != 0 && (rest < 0) != (b < 0)
}

/// `start, start + step, …` in row-major order.
pub(super) fn iota<R: Ring>(
    context: &mut Context<'_, R>,
    dst: Reg,
    start: i64,
    step: i64,
) -> Result<(), RunError> {
    let len = context.memory.layout(dst).len() as i64;
    let value = |i: i64| step.checked_mul(i).and_then(|x| start.checked_add(x));
    let values: Option<Vec<i64>> = (0..len).map(value).collect();
    context.memory.store(context.threads, dst, &values.ok_or(Fault::IntegerOverflow)?);
    Ok(())
}
