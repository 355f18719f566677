//! Kernels for whole elements: modulo 2^64 in vector lanes, wider rings in scalar registers.

#![allow(unsafe_code)] // vector instructions that were found at run time

use super::kernel::{Kernel, MAX_TILE};
use crate::ring::target::HasAvx512;
use crate::ring::{Ring, Target, Z, Z64, Z128};

/// Modulo 2^64, written so that the compiler uses the vector lanes of the target.
#[derive(Clone, Copy)]
pub(super) struct Words(pub(super) Target);

impl Kernel for Words {
    type Element = Z64;
    const ROWS: usize = 4;
    const COLS: usize = 8;
    const WORDS: usize = 1;

    #[inline(always)]
    fn word(x: Z64, _: usize) -> u64 {
        x.to_limbs()[0]
    }

    fn enter(self, body: impl FnOnce()) {
        self.0.run(body);
    }

    #[inline(always)]
    fn tile(self, a: &[u64], b: &[u64], out: &mut [Z64; MAX_TILE]) {
        lanes(a, b, out, u64::wrapping_mul);
    }
}

/// Modulo 2^64, for signed values of at most 32 bits.
#[derive(Clone, Copy)]
pub(super) struct Words32(pub(super) Target);

impl Kernel for Words32 {
    type Element = Z64;
    const ROWS: usize = Words::ROWS;
    const COLS: usize = Words::COLS;
    const WORDS: usize = 1;

    #[inline(always)]
    fn word(x: Z64, _: usize) -> u64 {
        x.to_limbs()[0]
    }

    fn enter(self, body: impl FnOnce()) {
        self.0.run(body);
    }

    #[inline(always)]
    fn tile(self, a: &[u64], b: &[u64], out: &mut [Z64; MAX_TILE]) {
        lanes(a, b, out, |x, y| (i64::from(x as i32) * i64::from(y as i32)) as u64);
    }
}

#[inline(always)]
fn lanes(a: &[u64], b: &[u64], out: &mut [Z64; MAX_TILE], multiply: impl Fn(u64, u64) -> u64) {
    let mut sums = [[0u64; Words::COLS]; Words::ROWS];
    for (a, b) in a.as_chunks::<{ Words::ROWS }>().0.iter().zip(b.as_chunks::<{ Words::COLS }>().0) {
        for i in 0..Words::ROWS {
            for j in 0..Words::COLS {
                sums[i][j] = sums[i][j].wrapping_add(multiply(a[i], b[j]));
            }
        }
    }
    for (out, sum) in out.iter_mut().zip(sums.as_flattened()) {
        *out = Z64::from_u64(*sum);
    }
}

/// Modulo 2^64 with AVX-512. Its 64-bit multiplication is as fast as the 32-bit one on the processors measured
/// (22 against 18 products per nanosecond), so there is no variant for small values.
#[derive(Clone, Copy)]
pub(super) struct WordsAvx512(pub(super) HasAvx512);

impl Kernel for WordsAvx512 {
    type Element = Z64;
    const ROWS: usize = 8;
    const COLS: usize = 16;
    const WORDS: usize = 1;

    #[inline(always)]
    fn word(x: Z64, _: usize) -> u64 {
        x.to_limbs()[0]
    }

    fn enter(self, body: impl FnOnce()) {
        self.0.run(body);
    }

    #[inline(always)]
    fn tile(self, a: &[u64], b: &[u64], out: &mut [Z64; MAX_TILE]) {
        // SAFETY: HasAvx512 exists only where the instructions do.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            lanes_avx512(a, b, out);
        }
        #[cfg(not(target_arch = "x86_64"))]
        unreachable!("HasAvx512 is never made here: {:?}", (a, b, out));
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq")]
fn lanes_avx512(a: &[u64], b: &[u64], out: &mut [Z64; MAX_TILE]) {
    use std::arch::x86_64::*;
    let mut sums = [[_mm512_setzero_si512(); 2]; 8];
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<16>().0) {
        // SAFETY: both loads lie within the 16 words of `b`.
        let b =
            unsafe { [_mm512_loadu_si512(b.as_ptr().cast()), _mm512_loadu_si512(b[8..].as_ptr().cast())] };
        for i in 0..8 {
            let a = _mm512_set1_epi64(a[i] as i64);
            for j in 0..2 {
                sums[i][j] = _mm512_add_epi64(sums[i][j], _mm512_mullo_epi64(a, b[j]));
            }
        }
    }
    for (out, sum) in out.as_chunks_mut::<8>().0.iter_mut().zip(sums.as_flattened()) {
        // SAFETY: `out` is 8 elements of 64 bits.
        unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), *sum) };
    }
}

/// Modulo 2^128, for signed values of at most 64 bits: one multiplication of 64 by 64 bits per product.
#[derive(Clone, Copy)]
pub(super) struct Wide;

impl Kernel for Wide {
    type Element = Z128;
    const ROWS: usize = 2;
    const COLS: usize = 2;
    const WORDS: usize = 1;

    #[inline(always)]
    fn word(x: Z128, _: usize) -> u64 {
        x.to_limbs()[0]
    }

    fn enter(self, body: impl FnOnce()) {
        body(); // no vectors
    }

    #[inline(always)]
    fn tile(self, a: &[u64], b: &[u64], out: &mut [Z128; MAX_TILE]) {
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
            *out = Z128::from_i128(*sum);
        }
    }
}

/// Any ring, one product at a time.
#[derive(Clone, Copy)]
pub(super) struct Scalar<const N: usize>;

impl<const N: usize> Kernel for Scalar<N> {
    type Element = Z<N>;
    const ROWS: usize = 2;
    const COLS: usize = 2;
    const WORDS: usize = N;

    #[inline(always)]
    fn word(x: Z<N>, i: usize) -> u64 {
        x.to_limbs()[i]
    }

    fn enter(self, body: impl FnOnce()) {
        body(); // no vectors
    }

    #[inline(always)]
    fn tile(self, a: &[u64], b: &[u64], out: &mut [Z<N>; MAX_TILE]) {
        let mut sums = [[Z::<N>::ZERO; 2]; 2];
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
