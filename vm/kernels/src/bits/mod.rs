//! Tensors of bits, packed 64 to a word: bit i of a tensor is bit i % 64 of word i / 64, so the words as little-endian
//! bytes hold bit i in byte i / 8.
//!
//! Boolean operations work on whole words ([`apply`]) or on strided views of single bits ([`views`]); ring elements
//! are split into bit planes and put together from them in [`planes`].

pub mod lane;
pub mod planes;
mod transpose;
pub mod views;

#[cfg(test)]
mod tests;

use crate::par::Threads;
use crate::ring::{Target, slices};

/// The number of words that hold so many bits.
pub const fn words(bits: usize) -> usize {
    bits.div_ceil(64)
}

/// dst\[i\] = f(dst\[i\], \[src\[0\]\[i\], src\[1\]\[i\], ...\]) for every word: boolean operations on 64 bits at a time, in one pass
/// over memory. Bits beyond the end of a tensor are computed like all others.
///
/// # Panics
/// If a source is shorter than the destination.
pub fn apply<const S: usize>(
    threads: &Threads,
    dst: &mut [u64],
    src: [&[u64]; S],
    f: impl Fn(u64, [u64; S]) -> u64 + Sync,
) {
    apply_on(Target::best(), threads, dst, src, f);
}

/// [`apply`] with given instructions.
fn apply_on<const S: usize>(
    target: Target,
    threads: &Threads,
    dst: &mut [u64],
    src: [&[u64]; S],
    f: impl Fn(u64, [u64; S]) -> u64 + Sync,
) {
    threads.for_pieces(dst, 8, |at, dst| {
        let src = slices::ranges(src, at, dst.len());
        slices::apply_on(target, dst, src, &f);
    });
}
