//! Boolean operations on strided views of packed bits; positions and strides count bits.

use super::words;
use crate::par::Threads;
use crate::ring::{Loops, Target, View, ViewMut, slices};

/// dst\[i\] = f(dst\[i\], \[src\[0\]\[i\], src\[1\]\[i\], ...\]) for every index i. All shapes are equal; a source repeats along
/// axes of stride 0. `f` works on 64 bits at a time, some of which may be meaningless. Only bits in view are written.
///
/// # Panics
/// If shapes differ or a view leaves its buffer.
pub fn apply<const S: usize>(
    threads: &Threads,
    dst: ViewMut<u64>,
    src: [View<u64>; S],
    f: impl Fn(u64, [u64; S]) -> u64 + Sync,
) {
    apply_views(Target::best(), threads, dst, src, f);
}

/// dst = a.
pub fn copy(threads: &Threads, dst: ViewMut<u64>, a: View<u64>) {
    apply(threads, dst, [a], |_, [a]| a);
}

/// [`apply`] with given instructions.
pub(super) fn apply_views<const S: usize>(
    target: Target,
    threads: &Threads,
    dst: ViewMut<u64>,
    src: [View<u64>; S],
    f: impl Fn(u64, [u64; S]) -> u64 + Sync,
) {
    let kernel = |dst: &mut [u64], src: [&[u64]; S]| slices::apply_on(target, dst, src, &f);
    map(threads, dst, src, &kernel);
}

/// What an operation does to whole words.
type Kernel<'f, const S: usize> = &'f (dyn Fn(&mut [u64], [&[u64]; S]) + Sync);

/// Calls the kernel once per run.
fn map<const S: usize>(threads: &Threads, dst: ViewMut<u64>, src: [View<u64>; S], kernel: Kernel<'_, S>) {
    let loops = Loops::new(dst.layout, src.each_ref().map(|view| view.layout));
    let (dst, src) = (dst.data, src.map(|view| view.data));
    let (len, stride) = (loops.inner().len, loops.inner().stride);
    let dense = stride.iter().all(|stride| stride == 1);
    loops.for_each(|at| {
        let mut done = 0;
        if dense && at.iter().all(|at| at.is_multiple_of(64)) {
            done = len / 64 * 64;
            let whole = &mut dst[at.dst / 64..][..len / 64];
            threads.for_pieces(whole, 8, |from, piece| {
                kernel(piece, std::array::from_fn(|k| &src[k][at.src[k] / 64 + from..]));
            });
        }
        while done < len {
            let n = (len - done).min(STAGE * 64);
            let position = |at: usize, stride: isize| at.wrapping_add_signed(done as isize * stride);
            let mut staged = [[0; STAGE]; S];
            for k in 0..S {
                load(&mut staged[k], src[k], position(at.src[k], stride.src[k]), stride.src[k], n);
            }
            let (mut result, to) = ([0; STAGE], position(at.dst, stride.dst));
            load(&mut result, dst, to, stride.dst, n);
            kernel(&mut result[..words(n)], staged.each_ref().map(|staged| &staged[..]));
            store(dst, &result, to, stride.dst, n);
            done += n;
        }
    });
}

/// Words that are staged at a time where views are not whole words.
const STAGE: usize = 32;

/// Packs `n` bits from position `at` on, `stride` apart; what is beyond them in the last word is unspecified.
fn load(out: &mut [u64; STAGE], src: &[u64], at: usize, stride: isize, n: usize) {
    match stride {
        0 => out[..words(n)].fill((src[at / 64] >> (at % 64) & 1).wrapping_neg()),
        1 => {
            let (first, shift) = (at / 64, at % 64);
            let src = &src[first..words(at + n)];
            for (i, word) in out.iter_mut().enumerate().take(words(n)) {
                let above = src.get(i + 1).map_or(0, |above| above << 1 << (63 - shift));
                *word = src[i] >> shift | above;
            }
        }
        _ => {
            let mut at = at;
            for (i, word) in out.iter_mut().enumerate().take(words(n)) {
                *word = 0;
                for bit in 0..(n - 64 * i).min(64) {
                    *word |= (src[at / 64] >> (at % 64) & 1) << bit;
                    at = at.wrapping_add_signed(stride);
                }
            }
        }
    }
}

/// Unpacks `n` bits to position `at` and on, `stride` apart. Other bits stay.
fn store(dst: &mut [u64], values: &[u64; STAGE], at: usize, stride: isize, n: usize) {
    let mut at = at;
    for (i, &value) in values.iter().enumerate().take(words(n)) {
        let count = (n - 64 * i).min(64);
        if stride == 1 {
            let (mask, shift) = (u64::MAX >> (64 - count), at % 64);
            let low = &mut dst[at / 64];
            *low = *low & !(mask << shift) | (value & mask) << shift;
            if shift + count > 64 {
                let high = &mut dst[at / 64 + 1];
                *high = *high & !(mask >> 1 >> (63 - shift)) | (value & mask) >> 1 >> (63 - shift);
            }
            at += 64;
            continue;
        }
        for bit in 0..count {
            let word = &mut dst[at / 64];
            *word = *word & !(1 << (at % 64)) | (value >> bit & 1) << (at % 64);
            at = at.wrapping_add_signed(stride);
        }
    }
}
