//! Transposition of matrices of 64 by 64 bits: bit j of word i becomes bit i of word j.

#![allow(unsafe_code)] // vector instructions that were found at run time

use crate::ring::Target;
use crate::ring::target::HasIfma;

/// A matrix of bits, a row per word.
pub(super) type Matrix = [u64; 64];

/// How matrices are transposed.
#[derive(Clone, Copy)]
pub(super) enum Transposer {
    /// With byte permutations and products of bit matrices.
    Vbmi(HasIfma),
    /// By exchanging ever smaller squares; the compiler uses the vector lanes of the target.
    Squares(Target),
}

impl Transposer {
    /// The quickest for the target.
    pub(super) fn new(target: Target) -> Self {
        target.ifma().map_or(Self::Squares(target), Self::Vbmi)
    }

    /// Runs `body`, which calls [`transpose`](Self::transpose) in a loop, compiled for the target.
    #[inline(always)]
    pub(super) fn enter(self, body: impl FnOnce()) {
        match self {
            Self::Vbmi(has) => has.0.run(body),
            Self::Squares(target) => target.run(body),
        }
    }

    /// The transposed matrix.
    #[inline(always)]
    pub(super) fn transpose(self, matrix: &Matrix) -> Matrix {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: HasIfma exists only where the instructions do.
            Self::Vbmi(_) => unsafe { with_bit_matrices(matrix) },
            #[cfg(not(target_arch = "x86_64"))]
            Self::Vbmi(has) => unreachable!("{has:?} does not exist here"),
            Self::Squares(_) => by_squares(matrix),
        }
    }
}

/// Exchanges the squares beside the diagonal of side 32, then within each quarter those of side 16, and so on.
#[inline(always)]
fn by_squares(matrix: &Matrix) -> Matrix {
    let mut m = *matrix;
    exchange::<32>(&mut m, 0x0000_0000_ffff_ffff);
    exchange::<16>(&mut m, 0x0000_ffff_0000_ffff);
    exchange::<8>(&mut m, 0x00ff_00ff_00ff_00ff);
    exchange::<4>(&mut m, 0x0f0f_0f0f_0f0f_0f0f);
    exchange::<2>(&mut m, 0x3333_3333_3333_3333);
    exchange::<1>(&mut m, 0x5555_5555_5555_5555);
    m
}

/// In every square of side 2 S on the diagonal, exchanges the upper right with the lower left quarter. `low` has the
/// lower S of every 2 S bits set.
#[inline(always)]
fn exchange<const S: usize>(m: &mut Matrix, low: u64) {
    for rows in m.chunks_exact_mut(2 * S) {
        let (upper, lower) = rows.split_at_mut(S);
        for (upper, lower) in upper.iter_mut().zip(lower) {
            let differences = (*upper >> S ^ *lower) & low;
            *lower ^= differences;
            *upper ^= differences << S;
        }
    }
}

/// Three exchanges: bytes within 8 rows, words between vectors, bits within 8 bytes.
///
/// Vector v holds rows 8 v to 8 v + 7. Its bytes are sorted by column, so that word p holds byte p of the 8 rows, the last
/// row first. The 8 vectors are transposed as a matrix of words: vector p then holds byte p of all 64 rows, in 8 words of
/// 8 rows. The product of a bit matrix with the unit vectors transposes each of these 8 by 8 bits (and turns the order of the
/// bytes around): byte b of word v holds column 8 p + b of rows 8 v to 8 v + 7. Sorting the bytes again puts columns together.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,gfni")]
fn with_bit_matrices(matrix: &Matrix) -> Matrix {
    use std::arch::x86_64::*;
    // Byte 8 p + r of the result is byte 8 r + p, or, for `LAST_FIRST`, byte 8 (7 - r) + p.
    const SORT: [u8; 64] = byte_order(false);
    const LAST_FIRST: [u8; 64] = byte_order(true);
    // SAFETY: both constants are 64 bytes.
    let (sort, last_first) =
        unsafe { (_mm512_loadu_si512(SORT.as_ptr().cast()), _mm512_loadu_si512(LAST_FIRST.as_ptr().cast())) };
    let units = _mm512_set1_epi64(0x8040_2010_0804_0201_u64 as i64);
    let mut v = [_mm512_setzero_si512(); 8];
    for (v, rows) in v.iter_mut().zip(matrix.as_chunks::<8>().0) {
        // SAFETY: `rows` is 8 words.
        *v = _mm512_permutexvar_epi8(last_first, unsafe { _mm512_loadu_si512(rows.as_ptr().cast()) });
    }
    // As for bits in `exchange`: of each pair of vectors, the first takes the lower parts of both, the second the upper ones.
    let pair = |x: __m512i, y: __m512i, lower: __m512i, step: i64| {
        let upper = _mm512_add_epi64(lower, _mm512_set1_epi64(step));
        (_mm512_permutex2var_epi64(x, lower, y), _mm512_permutex2var_epi64(x, upper, y))
    };
    let (fours, twos, ones) = (
        _mm512_setr_epi64(0, 1, 2, 3, 8, 9, 10, 11),
        _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13),
        _mm512_setr_epi64(0, 8, 2, 10, 4, 12, 6, 14),
    );
    for i in [0, 1, 2, 3] {
        (v[i], v[i + 4]) = pair(v[i], v[i + 4], fours, 4);
    }
    for i in [0, 1, 4, 5] {
        (v[i], v[i + 2]) = pair(v[i], v[i + 2], twos, 2);
    }
    for i in [0, 2, 4, 6] {
        (v[i], v[i + 1]) = pair(v[i], v[i + 1], ones, 1);
    }
    let mut out = [0; 64];
    for (out, &v) in out.as_chunks_mut::<8>().0.iter_mut().zip(&v) {
        let columns = _mm512_permutexvar_epi8(sort, _mm512_gf2p8affine_epi64_epi8(units, v, 0));
        // SAFETY: `out` is 8 words.
        unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), columns) };
    }
    out
}

/// The order that turns 8 words of 8 bytes into 8 words of the bytes at one place, from the last word if `reversed`.
#[cfg(target_arch = "x86_64")]
const fn byte_order(reversed: bool) -> [u8; 64] {
    let mut order = [0; 64];
    let mut i = 0;
    while i < 64 {
        let (place, word) = (i / 8, i % 8);
        order[i] = (8 * (if reversed { 7 - word } else { word }) + place) as u8;
        i += 1;
    }
    order
}
