//! Kernels for whole elements: modulo 2^64 and 2^52 in vector lanes, wider rings in scalar registers.

#![allow(unsafe_code)] // vector instructions that were found at run time

use super::kernel::{Kernel, MAX_TILE};
use crate::ring::target::{HasAvx512, HasIfma};
use crate::ring::{Ring, Target, Z, Z52};

/// Modulo 2^B, a divisor of 2^64, written so that the compiler uses the vector lanes of the target.
#[derive(Clone, Copy)]
pub(super) struct Words<const B: u32>(pub(super) Target);

/// The tile that [`lanes`] computes.
const LANE_ROWS: usize = 4;
const LANE_COLS: usize = 8;

impl<const B: u32> Kernel for Words<B> {
    type Element = Z<1, B>;
    const ROWS: usize = LANE_ROWS;
    const COLS: usize = LANE_COLS;
    const WORDS: usize = 1;

    #[inline(always)]
    fn word(x: Self::Element, _: usize) -> u64 {
        x.to_limbs()[0]
    }

    fn enter(self, body: impl FnOnce()) {
        self.0.run(body);
    }

    #[inline(always)]
    fn tile(self, a: &[u64], b: &[u64], out: &mut [Self::Element; MAX_TILE]) {
        lanes(a, b, out, u64::wrapping_mul);
    }
}

/// Modulo 2^B, for signed values of at most 32 bits.
#[derive(Clone, Copy)]
pub(super) struct Words32<const B: u32>(pub(super) Target);

impl<const B: u32> Kernel for Words32<B> {
    type Element = Z<1, B>;
    const ROWS: usize = LANE_ROWS;
    const COLS: usize = LANE_COLS;
    const WORDS: usize = 1;

    #[inline(always)]
    fn word(x: Self::Element, _: usize) -> u64 {
        x.to_limbs()[0]
    }

    fn enter(self, body: impl FnOnce()) {
        self.0.run(body);
    }

    #[inline(always)]
    fn tile(self, a: &[u64], b: &[u64], out: &mut [Self::Element; MAX_TILE]) {
        lanes(a, b, out, |x, y| (i64::from(x as i32) * i64::from(y as i32)) as u64);
    }
}

#[inline(always)]
fn lanes<R: Ring>(a: &[u64], b: &[u64], out: &mut [R; MAX_TILE], multiply: impl Fn(u64, u64) -> u64) {
    let mut sums = [[0u64; LANE_COLS]; LANE_ROWS];
    for (a, b) in a.as_chunks::<LANE_ROWS>().0.iter().zip(b.as_chunks::<LANE_COLS>().0) {
        for i in 0..LANE_ROWS {
            for j in 0..LANE_COLS {
                sums[i][j] = sums[i][j].wrapping_add(multiply(a[i], b[j]));
            }
        }
    }
    for (out, sum) in out.iter_mut().zip(sums.as_flattened()) {
        *out = R::from_u64(*sum);
    }
}

/// Modulo 2^B, a divisor of 2^64, with AVX-512. Its 64-bit multiplication is as fast as the 32-bit one on the processors measured
/// (22 against 18 products per nanosecond), so there is no variant for small values.
#[derive(Clone, Copy)]
pub(super) struct WordsAvx512<const B: u32>(pub(super) HasAvx512);

/// The tile that fills the registers of AVX-512.
const WIDE_ROWS: usize = 8;
const WIDE_COLS: usize = 16;

impl<const B: u32> Kernel for WordsAvx512<B> {
    type Element = Z<1, B>;
    const ROWS: usize = WIDE_ROWS;
    const COLS: usize = WIDE_COLS;
    const WORDS: usize = 1;

    #[inline(always)]
    fn word(x: Self::Element, _: usize) -> u64 {
        x.to_limbs()[0]
    }

    #[inline(always)]
    fn vectors(self) -> Option<HasAvx512> {
        Some(self.0)
    }

    fn enter(self, body: impl FnOnce()) {
        self.0.run(body);
    }

    #[inline(always)]
    fn tile(self, a: &[u64], b: &[u64], out: &mut [Self::Element; MAX_TILE]) {
        // SAFETY: HasAvx512 exists only where the instructions do.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            lanes_avx512(a, b, out);
        }
        #[cfg(not(target_arch = "x86_64"))]
        unreachable!("HasAvx512 is never made here: {:?}", (a, b, out));
    }
}

/// A tile of products of whole words: `$step` adds the products of one column's words to eight sums. (A macro, since instructions are enabled by function, and a
/// closure that is not inlined would cost more than the product.)
macro_rules! lanes {
    ($name:ident, $features:literal, |$sum:ident, $a:ident, $b:ident| $step:expr) => {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = $features)]
        fn $name<R: Ring>(a: &[u64], b: &[u64], out: &mut [R; MAX_TILE]) {
            use std::arch::x86_64::*;
            let mut sums = [[_mm512_setzero_si512(); 2]; WIDE_ROWS];
            for (a, b) in a.as_chunks::<WIDE_ROWS>().0.iter().zip(b.as_chunks::<WIDE_COLS>().0) {
                let b = two_vectors(b);
                for i in 0..WIDE_ROWS {
                    let $a = _mm512_set1_epi64(a[i] as i64);
                    for j in 0..2 {
                        let ($sum, $b) = (sums[i][j], b[j]);
                        sums[i][j] = $step;
                    }
                }
            }
            store_tile(&sums, out);
        }
    };
}

lanes!(lanes_avx512, "avx512f,avx512dq", |sum, a, b| _mm512_add_epi64(sum, _mm512_mullo_epi64(a, b)));
lanes!(lanes_ifma, "avx512f,avx512ifma", |sum, a, b| _mm512_madd52lo_epu64(sum, a, b));

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
#[inline]
fn two_vectors(words: &[u64; WIDE_COLS]) -> [std::arch::x86_64::__m512i; 2] {
    use std::arch::x86_64::*;
    // SAFETY: both loads lie within the words.
    unsafe { [_mm512_loadu_si512(words.as_ptr().cast()), _mm512_loadu_si512(words[8..].as_ptr().cast())] }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
#[inline]
fn store_tile<R: Ring>(sums: &[[std::arch::x86_64::__m512i; 2]; WIDE_ROWS], out: &mut [R; MAX_TILE]) {
    use std::arch::x86_64::*;
    // In vectors throughout: of the same thing written for elements the compiler may make gathers and scatters.
    let ring = _mm512_set1_epi64(R::from_u64(u64::MAX).limbs()[0] as i64);
    let (out, _) = bytemuck::cast_slice_mut::<R, u64>(out).as_chunks_mut::<8>();
    for (out, sum) in out.iter_mut().zip(sums.as_flattened()) {
        // SAFETY: `out` is eight words.
        unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), _mm512_and_si512(*sum, ring)) };
    }
}

/// Modulo 2^52 with the multiply-add of IFMA: its lower half is the whole product, and sums need no care, since 2^52 divides 2^64. What a word has
/// beyond 52 bits the instruction does not read.
#[derive(Clone, Copy)]
pub(super) struct Words52(pub(super) HasIfma);

impl Kernel for Words52 {
    type Element = Z52;
    const ROWS: usize = WIDE_ROWS;
    const COLS: usize = WIDE_COLS;
    const WORDS: usize = 1;

    #[inline(always)]
    fn word(x: Z52, _: usize) -> u64 {
        x.to_limbs()[0]
    }

    #[inline(always)]
    fn vectors(self) -> Option<HasAvx512> {
        Some(self.0.0)
    }

    fn enter(self, body: impl FnOnce()) {
        self.0.0.run(body);
    }

    #[inline(always)]
    fn tile(self, a: &[u64], b: &[u64], out: &mut [Z52; MAX_TILE]) {
        // SAFETY: HasIfma exists only where the instructions do.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            lanes_ifma(a, b, out);
        }
        #[cfg(not(target_arch = "x86_64"))]
        unreachable!("HasIfma is never made here: {:?}", (a, b, out));
    }
}

/// Modulo 2^B, a divisor of 2^128, for signed values of at most 64 bits: one multiplication of 64 by 64 bits per product.
#[derive(Clone, Copy)]
pub(super) struct Wide<const B: u32>;

impl<const B: u32> Kernel for Wide<B> {
    type Element = Z<2, B>;
    const ROWS: usize = 2;
    const COLS: usize = 2;
    const WORDS: usize = 1;

    #[inline(always)]
    fn word(x: Self::Element, _: usize) -> u64 {
        x.to_limbs()[0]
    }

    fn enter(self, body: impl FnOnce()) {
        body(); // no vectors
    }

    #[inline(always)]
    fn tile(self, a: &[u64], b: &[u64], out: &mut [Self::Element; MAX_TILE]) {
        let mut sums = [[0i128; 2]; 2];
        for (a, b) in a.as_chunks::<2>().0.iter().zip(b.as_chunks::<2>().0) {
            for i in 0..2 {
                for j in 0..2 {
                    let product = i128::from(a[i] as i64) * i128::from(b[j] as i64);
                    sums[i][j] = sums[i][j].wrapping_add(product);
                }
            }
        }
        for (out, sum) in out.iter_mut().zip(sums.as_flattened()) {
            *out = Z::from_i128(*sum);
        }
    }
}

/// Any ring, one product at a time.
#[derive(Clone, Copy)]
pub(super) struct Scalar<const N: usize, const B: u32>;

impl<const N: usize, const B: u32> Kernel for Scalar<N, B> {
    type Element = Z<N, B>;
    const ROWS: usize = 2;
    const COLS: usize = 2;
    const WORDS: usize = N;

    #[inline(always)]
    fn word(x: Z<N, B>, i: usize) -> u64 {
        x.to_limbs()[i]
    }

    fn enter(self, body: impl FnOnce()) {
        body(); // no vectors
    }

    #[inline(always)]
    fn tile(self, a: &[u64], b: &[u64], out: &mut [Z<N, B>; MAX_TILE]) {
        let mut sums = [[Z::<N, B>::ZERO; 2]; 2];
        for (a, b) in a.chunks_exact(2 * N).zip(b.chunks_exact(2 * N)) {
            let element = |words: &[u64], i: usize| Z::new(std::array::from_fn(|l| words[2 * l + i]));
            for (i, sums) in sums.iter_mut().enumerate() {
                for (j, sum) in sums.iter_mut().enumerate() {
                    *sum += element(a, i) * element(b, j);
                }
            }
        }
        for (out, sum) in out.iter_mut().zip(sums.as_flattened()) {
            *out = *sum;
        }
    }
}
