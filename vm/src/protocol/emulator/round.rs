//! Truncation: division by 2^m with the program's rounding.
//!
//! Nearest is ⌊(x + 2^(m-1)) / 2^m⌋. Probabilistic is ⌊(x + r) / 2^m⌋ with r uniform in 0..2^m, drawn for every element by its place in
//! the run: instruction, loop counters, index in row-major order. Within the protocol's range the results have the distribution that
//! the parties' have; beyond it theirs are wrong by multiples of 2^(k-m), depending on their shares, and range mode says so.

use tern_bytecode::Reg;
use tern_bytecode::program::Rounding;

use crate::machine::local::convert;
use crate::machine::memory::{dense, row_major};
use crate::machine::{Context, Fault, Purpose};
use crate::par::Threads;
use crate::prg::{Key, Stream};
use crate::ring::{Ring, slices, views};

pub(super) fn truncate<R: Ring>(
    context: &mut Context<'_, R>,
    key: &Key,
    dst: Reg,
    a: Reg,
    bits: u32,
) -> Result<(), Fault> {
    match context.program.header.rounding {
        Rounding::Nearest => {
            let half = R::power_of_two(bits - 1);
            convert(context, dst, a, |x: R| (x + half).sar(bits));
        }
        Rounding::Probabilistic => {
            let stream = context.stream(key, Purpose::Rounding)?;
            probabilistic(context, stream, dst, a, bits)?;
        }
    }
    Ok(())
}

fn probabilistic<R: Ring>(
    context: &mut Context<'_, R>,
    stream: Stream<'_>,
    dst: Reg,
    a: Reg,
    bits: u32,
) -> Result<(), Fault> {
    let threads = context.threads;
    let round = |values: &mut [R]| {
        threads.for_pieces(values, CHUNK, |start, piece| {
            for (i, chunk) in piece.chunks_mut(CHUNK).enumerate() {
                round_chunk(&stream, start + i * CHUNK, chunk, bits);
            }
        });
    };
    let layout = context.memory.layout(dst).clone();
    if dense(&layout).is_some() {
        let (out, rest) = context.memory.split::<R>(dst);
        let a = rest.apart::<R>(a);
        views::copy(threads, views::ViewMut::new(out.data, &row_major(&layout)), a.view());
        round(out.data);
    } else {
        let mut values = context.memory.load::<R>(threads, a)?;
        round(&mut values);
        context.memory.store(threads, dst, &values);
    }
    Ok(())
}

/// Bit `high` - 1 of x - r with r uniform in 0..2^`low`.
pub(super) fn sign_of_less<R: Ring>(
    context: &mut Context<'_, R>,
    key: &Key,
    dst: Reg,
    a: Reg,
    low: u32,
    high: u32,
) -> Result<(), Fault> {
    let stream = context.stream(key, Purpose::Rounding)?;
    let threads = context.threads;
    let mut values = context.memory.load::<R>(threads, a)?;
    threads.for_pieces(&mut values, CHUNK, |start, piece| {
        for (i, chunk) in piece.chunks_mut(CHUNK).enumerate() {
            let mut random = [R::ZERO; CHUNK];
            let random = &mut random[..chunk.len()];
            stream.fill_bits(&Threads::single(), low, (start + i * CHUNK) as u64, random);
            slices::apply(chunk, [random], |x, [r]| x - r);
        }
    });
    let bits: Vec<u8> = values.iter().map(|x| u8::from(x.bit(high - 1))).collect();
    context.memory.store(threads, dst, &bits);
    Ok(())
}

/// Elements that are rounded at a time.
const CHUNK: usize = 512;

/// Rounds elements of which the first has index `start` in the tensor.
fn round_chunk<R: Ring>(stream: &Stream<'_>, start: usize, values: &mut [R], bits: u32) {
    let mut random = [R::ZERO; CHUNK];
    let random = &mut random[..values.len()];
    stream.fill_bits(&Threads::single(), bits, start as u64, random);
    slices::apply(values, [random], |x, [r]| (x + r).sar(bits));
}
