//! What everybody computes alone on values that are in the [`Memory`](super::Memory): moving, adding, scaling, summing. The machine uses it for
//! public values, the emulator for all.

use tern_bytecode::instr::Axes;
use tern_bytecode::{Instr, Kind, Reg};

use super::context::Context;
use super::error::{Fault, RunError};
use super::memory::{Cell, row_major};
use crate::ring::{Axis, Layout, Ring, contract, views};

/// Executes an instruction of the table's `share` section that needs no protocol, on registers in memory.
pub fn execute<R: Ring>(context: &mut Context<'_, R>, instr: &Instr) -> Result<(), RunError> {
    match *instr {
        Instr::Copy { dst, a } => match context.kind(dst) {
            Kind::Real => copy::<R, f64>(context, dst, a),
            Kind::Int => copy::<R, i64>(context, dst, a),
            Kind::Bit => copy::<R, u8>(context, dst, a),
            Kind::Plain | Kind::Shared | Kind::Additive | Kind::Half => copy::<R, R>(context, dst, a),
        },
        Instr::Gather { dst, a, index } => match context.kind(dst) {
            Kind::Real => gather::<R, f64>(context, dst, a, index)?,
            Kind::Int => gather::<R, i64>(context, dst, a, index)?,
            Kind::Bit => gather::<R, u8>(context, dst, a, index)?,
            Kind::Plain | Kind::Shared | Kind::Additive | Kind::Half => {
                gather::<R, R>(context, dst, a, index)?
            }
        },
        Instr::Scatter { dst, a, index } => match context.kind(dst) {
            Kind::Real => scatter::<R, f64>(context, dst, a, index)?,
            Kind::Int => scatter::<R, i64>(context, dst, a, index)?,
            Kind::Bit => scatter::<R, u8>(context, dst, a, index)?,
            Kind::Plain | Kind::Shared | Kind::Additive | Kind::Half => {
                scatter::<R, R>(context, dst, a, index)?
            }
        },
        Instr::Add { dst, a, b } => zip(context, dst, a, b, |a: R, b| a + b),
        Instr::Sub { dst, a, b } => zip(context, dst, a, b, |a: R, b| a - b),
        Instr::Neg { dst, a } => map(context, dst, a, |a: R| -a),
        Instr::MulPlain { dst, a, b } => zip(context, dst, a, b, |a: R, b| a * b),
        Instr::Contract { dst, a, b, axes } => product(context, dst, a, b, axes)?,
        Instr::Sum { dst, a, axes } => match context.kind(dst) {
            Kind::Real => sum_in_order(context, dst, a, axes, |a: f64, b| Some(a + b))?,
            Kind::Int => sum_in_order(context, dst, a, axes, i64::checked_add)?,
            Kind::Plain | Kind::Shared | Kind::Additive | Kind::Half | Kind::Bit => {
                sum(context, dst, a, axes)
            }
        },
        _ => unreachable!("{} has a protocol or no public operands: validated", instr.name()),
    }
    Ok(())
}

/// dst = f(a), also in place.
pub fn map<R: Ring, T: Cell<R>>(context: &mut Context<'_, R>, dst: Reg, a: Reg, f: impl Fn(T) -> T + Sync) {
    let threads = context.threads;
    let (mut out, rest) = context.memory.split::<T>(dst);
    match rest.operand::<T>(a) {
        Some(a) => views::apply(threads, out.view(), [a.view()], |_, [a]| f(a)),
        None => views::apply(threads, out.view(), [] as [views::View<'_, T>; 0], |d, []| f(d)),
    }
}

/// dst = f(a, b), also in place of either operand or both.
pub fn zip<R: Ring, T: Cell<R>>(
    context: &mut Context<'_, R>,
    dst: Reg,
    a: Reg,
    b: Reg,
    f: impl Fn(T, T) -> T + Sync,
) {
    let threads = context.threads;
    let (mut out, rest) = context.memory.split::<T>(dst);
    match (rest.operand::<T>(a), rest.operand::<T>(b)) {
        (Some(a), Some(b)) => views::apply(threads, out.view(), [a.view(), b.view()], |_, [a, b]| f(a, b)),
        (None, Some(b)) => views::apply(threads, out.view(), [b.view()], |d, [b]| f(d, b)),
        (Some(a), None) => views::apply(threads, out.view(), [a.view()], |d, [a]| f(a, d)),
        (None, None) => views::apply(threads, out.view(), [] as [views::View<'_, T>; 0], |d, []| f(d, d)),
    }
}

/// dst = f(a), not in place.
pub fn convert<R: Ring, D: Cell<R>, A: Cell<R>>(
    context: &mut Context<'_, R>,
    dst: Reg,
    a: Reg,
    f: impl Fn(A) -> D + Sync,
) {
    let (mut out, rest) = context.memory.split::<D>(dst);
    views::apply(context.threads, out.view(), [rest.apart::<A>(a).view()], |_, [a]| f(a));
}

/// dst = f(a, b), not in place.
pub fn convert2<R: Ring, D: Cell<R>, A: Cell<R>>(
    context: &mut Context<'_, R>,
    dst: Reg,
    a: Reg,
    b: Reg,
    f: impl Fn(A, A) -> D + Sync,
) {
    let (mut out, rest) = context.memory.split::<D>(dst);
    let (a, b) = (rest.apart::<A>(a), rest.apart::<A>(b));
    views::apply(context.threads, out.view(), [a.view(), b.view()], |_, [a, b]| f(a, b));
}

/// dst = f(dst, a), not in place.
pub fn update<R: Ring, D: Cell<R>, A: Cell<R>>(
    context: &mut Context<'_, R>,
    dst: Reg,
    a: Reg,
    f: impl Fn(D, A) -> D + Sync,
) {
    let (mut out, rest) = context.memory.split::<D>(dst);
    views::apply(context.threads, out.view(), [rest.apart::<A>(a).view()], |d, [a]| f(d, a));
}

/// dst = a.
pub fn copy<R: Ring, T: Cell<R>>(context: &mut Context<'_, R>, dst: Reg, a: Reg) {
    let (mut out, rest) = context.memory.split::<T>(dst);
    views::copy(context.threads, out.view(), rest.apart::<T>(a).view());
}

fn gather<R: Ring, T: Cell<R>>(
    context: &mut Context<'_, R>,
    dst: Reg,
    a: Reg,
    index: Reg,
) -> Result<(), RunError> {
    let rows = context.memory.layout(a).axes[0].len;
    let (out, rest) = context.memory.split::<T>(dst);
    let (a, index) = (rest.apart::<T>(a), rest.apart::<i64>(index));
    for (to, from) in indices(index.data, &index.layout, rows).enumerate() {
        let from = from?;
        let (to, from) = (row(&out.layout, to), row(&a.layout, from));
        views::copy(context.threads, views::ViewMut::new(out.data, &to), views::View::new(a.data, &from));
    }
    Ok(())
}

fn scatter<R: Ring, T: Cell<R>>(
    context: &mut Context<'_, R>,
    dst: Reg,
    a: Reg,
    index: Reg,
) -> Result<(), RunError> {
    let rows = context.memory.layout(dst).axes[0].len;
    let (out, rest) = context.memory.split::<T>(dst);
    let (a, index) = (rest.apart::<T>(a), rest.apart::<i64>(index));
    for (from, to) in indices(index.data, &index.layout, rows).enumerate() {
        let to = to?;
        let (to, from) = (row(&out.layout, to), row(&a.layout, from));
        views::copy(context.threads, views::ViewMut::new(out.data, &to), views::View::new(a.data, &from));
    }
    Ok(())
}

/// The entries of an index vector, each a row of `rows` or a fault.
fn indices(data: &[i64], layout: &Layout, rows: usize) -> impl Iterator<Item = Result<usize, Fault>> {
    let Axis { len, stride } = layout.axes[0];
    let at = move |i: usize| layout.offset.wrapping_add_signed(i as isize * stride);
    (0..len).map(move |i| {
        let index = data[at(i)];
        let row = usize::try_from(index).ok().filter(|row| *row < rows);
        row.ok_or(Fault::Index { index, rows })
    })
}

/// Row `i` of a view, without the first axis.
pub fn row(layout: &Layout, i: usize) -> Layout {
    let offset = layout.offset.wrapping_add_signed(i as isize * layout.axes[0].stride);
    Layout { offset, axes: layout.axes[1..].into() }
}

/// Working memory of a product per row, column and inner position: where it is in the operands.
const POSITION_BYTES: usize = 32;

fn product<R: Ring>(
    context: &mut Context<'_, R>,
    dst: Reg,
    a: Reg,
    b: Reg,
    axes: Axes,
) -> Result<(), RunError> {
    let count = |axes: &[Axis]| axes.iter().map(|axis| axis.len).product::<usize>();
    let batch = usize::from(axes.batch);
    let positions = count(&context.memory.layout(a).axes[batch..][..axes.rows.into()])
        + count(&context.memory.layout(b).axes[batch..][..axes.inner.into()])
        + count(&context.memory.layout(b).axes[batch + usize::from(axes.inner)..]);
    context.memory.spare(positions.saturating_mul(POSITION_BYTES) as u64)?;
    let (mut out, rest) = context.memory.split::<R>(dst);
    let (a, b) = (rest.apart::<R>(a), rest.apart::<R>(b));
    let axes = contract::Axes {
        batch: axes.batch.into(),
        rows: axes.rows.into(),
        inner: axes.inner.into(),
        cols: axes.cols.into(),
    };
    let write = contract::Write::Replace;
    contract::contract_exact(context.threads, out.view(), a.view(), b.view(), axes, write);
    Ok(())
}

/// The destination's layout over the operand's axes: stride 0 where it is summed.
fn summed(dst: &Layout, a: &Layout, axes: u32) -> Layout {
    let mut kept = dst.axes.iter();
    let axis = |(i, axis): (usize, &Axis)| match axes >> i & 1 {
        1 => Axis { len: axis.len, stride: 0 },
        _ => *kept.next().expect("dst has the axes that are not summed: validated"),
    };
    Layout { offset: dst.offset, axes: a.axes.iter().enumerate().map(axis).collect() }
}

fn sum<R: Ring>(context: &mut Context<'_, R>, dst: Reg, a: Reg, axes: u32) {
    let (mut out, rest) = context.memory.split::<R>(dst);
    let a = rest.apart::<R>(a);
    views::fill(context.threads, out.view(), R::ZERO);
    let layout = summed(&out.layout, &a.layout, axes);
    views::sum(context.threads, views::ViewMut::new(out.data, &layout), a.view());
}

/// A sum whose terms are added in row-major order, so that rounding does not depend on threads.
fn sum_in_order<R: Ring, T: Cell<R>>(
    context: &mut Context<'_, R>,
    dst: Reg,
    a: Reg,
    axes: u32,
    add: impl Fn(T, T) -> Option<T>,
) -> Result<(), RunError> {
    let layout = context.memory.layout(a).clone();
    let target = summed(&row_major(context.memory.layout(dst)), &layout, axes);
    let terms = context.memory.load::<T>(context.threads, a)?;
    let mut sums = vec![T::zeroed(); context.memory.layout(dst).len()];
    let mut index = vec![0; target.axes.len()];
    for term in terms {
        let at: usize = index.iter().zip(&target.axes).map(|(i, axis)| i * axis.stride as usize).sum();
        sums[at] = add(sums[at], term).ok_or(Fault::IntegerOverflow)?;
        advance(&mut index, &target);
    }
    context.memory.store(context.threads, dst, &sums);
    Ok(())
}

/// The next index in row-major order.
fn advance(index: &mut [usize], layout: &Layout) {
    for (i, axis) in index.iter_mut().zip(&layout.axes).rev() {
        *i += 1;
        if *i < axis.len {
            return;
        }
        *i = 0;
    }
}
