//! Registers of shares, and what a host gives and takes: what back-ends with parties have in common.

use tern_bytecode::Reg;
use tern_bytecode::instr::Axes;

use super::store::Slot;
use crate::machine::memory::dense;
use crate::machine::{Context, Elements, ElementsMut, Fault, Host, HostError, RunError};
use crate::net::Party;
use crate::par::Threads;
use crate::ring::{Layout, Ring, contract, slices};

/// Whether a register is all of its buffer, in row-major order.
pub(super) fn whole<R: Ring>(context: &Context<'_, R>, reg: Reg) -> bool {
    let buffer = &context.program.buffers[context.program.views[reg.0 as usize].buffer as usize];
    dense(context.memory.layout(reg)) == Some(0..buffer.len as usize)
}

/// A register of the program in the store.
pub(super) fn slot<'a, R: Ring>(context: &'a Context<'_, R>, reg: Reg) -> Slot<'a> {
    Slot { buffer: context.program.views[reg.0 as usize].buffer as usize, layout: context.memory.layout(reg) }
}

/// Public integers as bits in row-major order: 1 where they are not 0.
pub(super) fn public_bits<R: Ring>(
    context: &Context<'_, R>,
    threads: &Threads,
    reg: Reg,
) -> Result<Vec<u64>, RunError> {
    let ints = context.memory.load::<i64>(threads, reg)?;
    let word =
        |ints: &[i64]| ints.iter().enumerate().fold(0, |word, (i, &int)| word | u64::from(int != 0) << i);
    Ok(ints.chunks(64).map(word).collect())
}

/// Indices as rows of a register.
pub(super) fn rows<R: Ring>(
    context: &Context<'_, R>,
    threads: &Threads,
    of: Reg,
    index: Reg,
) -> Result<Vec<usize>, RunError> {
    let count = context.memory.layout(of).axes[0].len;
    let index = context.memory.load::<i64>(threads, index)?;
    let row = |&index: &i64| {
        let row = usize::try_from(index).ok().filter(|row| *row < count);
        row.ok_or(Fault::Index { index, rows: count })
    };
    Ok(index.iter().map(row).collect::<Result<Vec<_>, _>>()?)
}

/// The axes of a product as the kernels take them.
pub(super) fn contract_axes(axes: Axes) -> contract::Axes {
    contract::Axes {
        batch: axes.batch.into(),
        rows: axes.rows.into(),
        inner: axes.inner.into(),
        cols: axes.cols.into(),
    }
}

/// Elements that are input at a time.
pub(super) const PIECE: usize = 1 << 16;

/// A register in pieces, each with the number of elements before it: many if it is dense, else the whole.
pub(super) fn pieces(layout: &Layout) -> Vec<(usize, Layout)> {
    match dense(layout) {
        Some(range) => (0..range.len())
            .step_by(PIECE)
            .map(|start| {
                (start, Layout::strided(range.start + start, &[(PIECE.min(range.len() - start), 1)]))
            })
            .collect(),
        None => vec![(0, layout.clone())],
    }
}

/// Hands an output to the host.
pub(super) fn give<R: Ring>(context: &mut Context<'_, R>, output: u32, value: &[R]) -> Result<(), RunError> {
    let declared = &context.program.outputs[output as usize];
    let name = full_name(&declared.name, &declared.field);
    let failed = |cause| Fault::Output { name, cause };
    Ok(put_out(context.host, output, value).map_err(failed)?)
}

/// Hands elements to the host, in whole limbs.
pub(super) fn put_out<R: Ring>(host: &mut dyn Host, output: u32, value: &[R]) -> Result<(), HostError> {
    if R::WHOLE {
        return host.output(output as usize, Elements::new(value));
    }
    let extended: Vec<R> = value.iter().map(|x| x.extended()).collect();
    host.output(output as usize, Elements::new(&extended))
}

/// Takes elements from the host, `start` and following, whose whole limbs may be more than the ring has.
pub(super) fn given<R: Ring>(
    host: &mut dyn Host,
    input: u32,
    start: usize,
    elements: &mut [R],
) -> Result<(), HostError> {
    host.input(input as usize, start as u64, ElementsMut::new(elements))?;
    slices::reduce(elements);
    Ok(())
}

/// Takes elements of an input from the host, `start` and following.
pub(super) fn take<R: Ring>(
    context: &mut Context<'_, R>,
    input: u32,
    start: usize,
    n: usize,
) -> Result<Vec<R>, RunError> {
    let declared = &context.program.inputs[input as usize];
    let name = full_name(&declared.name, &declared.field);
    let mut elements = vec![R::ZERO; n];
    given(context.host, input, start, &mut elements).map_err(|cause| Fault::Input { name, cause })?;
    Ok(elements)
}

fn full_name(name: &str, field: &str) -> String {
    if field.is_empty() { name.into() } else { format!("{name}.{field}") }
}

/// The party with the number that a program names.
pub(super) fn party(index: u8) -> Party {
    Party::from_index(usize::from(index)).expect("places are parties: validated")
}
