//! Products of tensors: dot and matrix products, batched or not, and convolutions over overlapping windows.
//!
//! dst\[batch.., rows.., cols..\] = sum over inner of a\[batch.., rows.., inner..\] · b\[batch.., inner.., cols..\], on views of any
//! stride. Blocks of both factors are copied through tables of offsets into dense panels, so that the kernels see
//! nothing of the views. The kernel is chosen by ring, processor and, for clear values, by how many bits they have:
//!
//! | ring | processor | values | kernel |
//! |---|---|---|---|
//! | 2^52 | AVX-512 IFMA | any | 64-bit lanes, the lower half of 52-bit products |
//! | 2^52, 2^64 | AVX-512 | any | 64-bit lanes, `vpmullq` |
//! | 2^52, 2^64 | others | up to 32 bits, any | 64-bit lanes, 32-bit and 64-bit products |
//! | wider | AVX-512 IFMA | up to 52 bits, 104 bits, ..., any | 52-bit limbs in 64-bit lanes |
//! | 2^104, 2^128 | others | up to 64 bits | 64-bit by 64-bit products |
//! | wider | others | any | one element at a time |
//!
//! Where a factor has a single row or column, packing would not pay, and the views are multiplied as they are.
//! Everything is exact modulo 2^k, so all ways agree bit for bit, in whatever order the threads work.

mod driver;
mod ifma;
mod inner;
mod kernel;
mod magnitude;
mod pack;
mod plan;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod transpose;
mod words;

use smallvec::smallvec;

use self::driver::{Factor, Job, Sign};
use self::ifma::Ifma;
use self::magnitude::signed_bits;
use self::words::{Scalar, Wide, Words, Words32, Words52, WordsAvx512};
use super::{Layout, Ring, Target, View, ViewMut, Z, Z52, Z64, Z192, Z256};
use crate::par::Threads;

/// How many axes of the operands belong to which group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Axes {
    /// Leading axes of all three operands.
    pub batch: usize,
    /// Axes of `a` that the result keeps.
    pub rows: usize,
    /// Axes that are summed over.
    pub inner: usize,
    /// Axes of `b` that the result keeps.
    pub cols: usize,
}

/// What becomes of the destination's old values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// They are overwritten.
    Replace,
    /// The product is added to them.
    Add,
}

/// Two buffers under one layout: the two shares that a party holds of a replicated value.
#[derive(Clone, Copy, Debug)]
pub struct SharesView<'a, R> {
    /// The buffers.
    pub data: [&'a [R]; 2],
    /// The elements in view.
    pub layout: &'a Layout,
}

/// The product of clear values. Their largest magnitude is found first; the smaller, the faster.
///
/// # Panics
/// If the shapes do not fit the axes or a view leaves its buffer.
pub fn contract_exact<R: Ring>(
    threads: &Threads,
    dst: ViewMut<R>,
    a: View<R>,
    b: View<R>,
    axes: Axes,
    write: Write,
) {
    let terms = smallvec![[a.data, b.data].map(Factor::from)];
    let job = Job::new(threads, dst, [a.layout, b.layout], axes, terms, write);
    execute(job, Target::best(), Values::Clear([a, b]));
}

/// The product of elements of any size.
///
/// # Panics
/// If the shapes do not fit the axes or a view leaves its buffer.
pub fn contract_mod<R: Ring>(
    threads: &Threads,
    dst: ViewMut<R>,
    a: View<R>,
    b: View<R>,
    axes: Axes,
    write: Write,
) {
    let terms = smallvec![[a.data, b.data].map(Factor::from)];
    execute(Job::new(threads, dst, [a.layout, b.layout], axes, terms, write), Target::best(), Values::Any);
}

/// One party's summand of the product of replicated shares, a\[0\] · (b\[0\] + b\[1\]) + a\[1\] · b\[0\].
///
/// # Panics
/// If the shapes do not fit the axes or a view leaves its buffer.
pub fn contract_shares<R: Ring>(
    threads: &Threads,
    dst: ViewMut<R>,
    a: SharesView<R>,
    b: SharesView<R>,
    axes: Axes,
    write: Write,
) {
    let both = Factor { data: b.data[0], other: Some((Sign::Plus, b.data[1])) };
    let terms = smallvec![[a.data[0].into(), both], [a.data[1].into(), b.data[0].into()]];
    execute(Job::new(threads, dst, [a.layout, b.layout], axes, terms, write), Target::best(), Values::Any);
}

/// One term of the product of shares of which a party has several: (a\[0\] + a\[1\]) · (b\[0\] + b\[1\]), or with `minus`
/// -(a\[0\] - a\[1\]) · (b\[0\] - b\[1\]).
///
/// # Panics
/// If the shapes do not fit the axes or a view leaves its buffer.
pub fn contract_term<R: Ring>(
    threads: &Threads,
    dst: ViewMut<R>,
    a: SharesView<R>,
    b: SharesView<R>,
    minus: bool,
    axes: Axes,
    write: Write,
) {
    let terms = smallvec![factors_of_term(a.data, b.data, minus)];
    execute(Job::new(threads, dst, [a.layout, b.layout], axes, terms, write), Target::best(), Values::Any);
}

fn factors_of_term<'a, R>(a: [&'a [R]; 2], b: [&'a [R]; 2], minus: bool) -> [Factor<'a, R>; 2] {
    let sign = if minus { Sign::Minus } else { Sign::Plus };
    // the negative of a difference is the difference the other way round
    let [c, d] = if minus { [b[1], b[0]] } else { b };
    [Factor { data: a[0], other: Some((sign, a[1])) }, Factor { data: c, other: Some((sign, d)) }]
}

/// What is known of the factors' values.
enum Values<'a, R> {
    /// Nothing, as of shares.
    Any,
    /// They are clear and may turn out to be small.
    Clear([View<'a, R>; 2]),
}

/// Chooses a kernel and runs it.
fn execute<R: Ring>(job: Job<R>, target: Target, values: Values<R>) {
    let Some(job) = job.without_kernel(target) else { return };
    let bits = || match values {
        Values::Any => R::BITS,
        Values::Clear(views) => views.map(|view| signed_bits(target, view)).into_iter().fold(1, u32::max),
    };
    match R::BITS {
        52 => modulo_52(job.cast(), target, &bits),
        64 => modulo_64(job.cast(), target, &bits),
        104 => modulo_104(job.cast(), target, bits()),
        128 => modulo_128(job.cast(), target, bits()),
        192 => modulo_192(job.cast(), target, bits()),
        _ => modulo_256(job.cast(), target, bits()),
    }
}

// What follows takes no type, so that kernels are compiled with this crate, whatever the one that uses it is optimised for.

fn modulo_52(job: Job<Z52>, target: Target, bits: &dyn Fn() -> u32) {
    match target.ifma() {
        Some(has) => job.run(Words52(has)),
        None => in_words(job, target, bits),
    }
}

fn modulo_64(job: Job<Z64>, target: Target, bits: &dyn Fn() -> u32) {
    in_words(job, target, bits);
}

fn in_words<const B: u32>(job: Job<Z<1, B>>, target: Target, bits: &dyn Fn() -> u32) {
    match target.avx512() {
        Some(has) => job.run(WordsAvx512(has)),
        None if bits() <= 32 => job.run(Words32(target)),
        None => job.run(Words(target)),
    }
}

fn modulo_104(job: Job<Z<2, 104>>, target: Target, bits: u32) {
    match (target.ifma(), bits) {
        (Some(has), ..=52) => job.run(Ifma::<2, 104, 1>(has)),
        (Some(has), _) => job.run(Ifma::<2, 104, 2>(has)),
        (None, ..=64) => job.run(Wide::<104>),
        (None, _) => job.run(Scalar::<2, 104>),
    }
}

fn modulo_128(job: Job<Z<2, 128>>, target: Target, bits: u32) {
    match (target.ifma(), bits) {
        (Some(has), ..=52) => job.run(Ifma::<2, 128, 1>(has)),
        (Some(has), ..=104) => job.run(Ifma::<2, 128, 2>(has)),
        (Some(has), _) => job.run(Ifma::<2, 128, 3>(has)),
        (None, ..=64) => job.run(Wide::<128>),
        (None, _) => job.run(Scalar::<2, 128>),
    }
}

fn modulo_192(job: Job<Z192>, target: Target, bits: u32) {
    match (target.ifma(), bits) {
        (Some(has), ..=52) => job.run(Ifma::<3, 192, 1>(has)),
        (Some(has), ..=104) => job.run(Ifma::<3, 192, 2>(has)),
        (Some(has), _) => job.run(Ifma::<3, 192, 4>(has)),
        (None, _) => job.run(Scalar::<3, 192>),
    }
}

fn modulo_256(job: Job<Z256>, target: Target, bits: u32) {
    match (target.ifma(), bits) {
        (Some(has), ..=52) => job.run(Ifma::<4, 256, 1>(has)),
        (Some(has), ..=104) => job.run(Ifma::<4, 256, 2>(has)),
        (Some(has), ..=156) => job.run(Ifma::<4, 256, 3>(has)),
        (Some(has), _) => job.run(Ifma::<4, 256, 5>(has)),
        (None, _) => job.run(Scalar::<4, 256>),
    }
}
