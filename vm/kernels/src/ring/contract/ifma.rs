//! Kernels on limbs of 52 bits, with the multiply-add of AVX-512 IFMA.
//!
//! With x = sum of x_i 2^(52 i) and y likewise, the product is the sum of x_i y_j 2^(52 (i + j)). The instruction adds
//! the low or the high 52 bits of x_i y_j to a 64-bit lane: to the sum of weight 2^(52 t), t = i + j or i + j + 1. Sums of
//! weight 2^BITS and above are not computed. Per inner index, the sum of weight t receives at most 2 L - 1 <= 9 numbers
//! below 2^52, so it overflows no earlier than after 2^12 / 9 = 455 of them.
//!
//! Signed values that fit 52 L bits have the bias 2^(52 L - 1) added and are then L limbs, which is fewer than the ring's
//! elements need.

#![allow(unsafe_code)] // vector instructions that were found at run time

use super::kernel::{Kernel, MAX_DEPTH, MAX_TILE};
use crate::ring::target::HasIfma;
use crate::ring::{Ring, Z};

/// Modulo 2^B, on L limbs: for values of at most 52 L signed bits, or for any value if 52 L >= B.
#[derive(Clone, Copy)]
pub(super) struct Ifma<const N: usize, const B: u32, const L: usize>(pub(super) HasIfma);

/// Bits of a limb.
const LIMB: u32 = 52;
/// Lanes of a vector.
const LANES: usize = 8;
/// The most sums that a tile keeps per element: 5 limbs make 256 bits.
const MAX_SUMS: usize = 5;

const _: () = assert!(MAX_DEPTH * (2 * MAX_SUMS - 1) <= 1 << (64 - LIMB));

impl<const N: usize, const B: u32, const L: usize> Ifma<N, B, L> {
    const WHOLE: bool = LIMB * L as u32 >= B;
    /// How many sums, by weight, make up a result.
    const SUMS: usize = {
        let (all, ring) = (2 * L, B.div_ceil(LIMB) as usize);
        if all < ring { all } else { ring }
    };
}

impl<const N: usize, const B: u32, const L: usize> Kernel for Ifma<N, B, L> {
    type Element = Z<N, B>;
    const ROWS: usize = if Self::SUMS <= 2 { 8 } else { 4 }; // enough independent sums to hide the latency
    const COLS: usize = LANES;
    const WORDS: usize = L;
    const WORD_BITS: u32 = LIMB;
    const BIAS: Option<u32> = if Self::WHOLE { None } else { Some(LIMB * L as u32 - 1) };

    #[inline(always)]
    fn word(x: Z<N, B>, i: usize) -> u64 {
        let (limb, shift) = (LIMB as usize * i / 64, LIMB * i as u32 % 64);
        let limbs = x.to_limbs();
        let above = if limb + 1 < N { limbs[limb + 1] } else { 0 };
        let wide = u128::from(limbs[limb]) | u128::from(above) << 64;
        (wide >> shift) as u64 & ((1 << LIMB) - 1)
    }

    fn enter(self, body: impl FnOnce()) {
        self.0.0.run(body);
    }

    #[inline(always)]
    fn tile(self, a: &[u64], b: &[u64], out: &mut [Z<N, B>; MAX_TILE]) {
        let mut sums = [[[0; LANES]; MAX_SUMS]; 8];
        // SAFETY: HasIfma exists only where the instructions do.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            limbs::<N, B, L>(a, b, &mut sums);
        }
        #[cfg(not(target_arch = "x86_64"))]
        unreachable!("HasIfma is never made here: {:?}", (a, b));
        for (out, sums) in out.chunks_exact_mut(LANES).zip(&sums).take(Self::ROWS) {
            for (j, out) in out.iter_mut().enumerate() {
                let weighted = |t: usize| Z::from_u64(sums[t][j]).shl(LIMB * t as u32);
                *out = (1..Self::SUMS).fold(weighted(0), |sum, t| sum + weighted(t));
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512ifma")]
fn limbs<const N: usize, const B: u32, const L: usize>(
    a: &[u64],
    b: &[u64],
    out: &mut [[[u64; LANES]; MAX_SUMS]; 8],
) {
    use std::arch::x86_64::*;
    let (rows, count) = (<Ifma<N, B, L> as Kernel>::ROWS, Ifma::<N, B, L>::SUMS);
    let mut sums = [[_mm512_setzero_si512(); MAX_SUMS]; 8];
    for (a, b) in a.chunks_exact(rows * L).zip(b.chunks_exact(LANES * L)) {
        let mut y = [_mm512_setzero_si512(); L];
        for (y, b) in y.iter_mut().zip(b.as_chunks::<LANES>().0) {
            // SAFETY: `b` is 8 words.
            *y = unsafe { _mm512_loadu_si512(b.as_ptr().cast()) };
        }
        for (row, sums) in sums.iter_mut().take(rows).enumerate() {
            for i in 0..L {
                let x = _mm512_set1_epi64(a[i * rows + row] as i64);
                for j in 0..L {
                    if i + j < count {
                        sums[i + j] = _mm512_madd52lo_epu64(sums[i + j], x, y[j]);
                    }
                    if i + j + 1 < count {
                        sums[i + j + 1] = _mm512_madd52hi_epu64(sums[i + j + 1], x, y[j]);
                    }
                }
            }
        }
    }
    for (out, sums) in out.iter_mut().zip(&sums).take(rows) {
        for (out, sum) in out.iter_mut().zip(sums).take(count) {
            // SAFETY: `out` is 8 words.
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), *sum) };
        }
    }
}
