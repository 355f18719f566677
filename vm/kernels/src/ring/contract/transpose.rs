//! Packing words with AVX-512: eight lanes at once, wherever they are.
//!
//! Lanes that are neighbours in memory are loaded as one vector, those in two runs as two. Where instead the inner indices are
//! neighbours, vectors along these are loaded for eight lanes and transposed in registers.

#![allow(unsafe_code)] // vector instructions that were found at run time

use std::arch::x86_64::*;

use super::driver::Sign;
use super::inner::Inner;
use crate::ring::target::HasAvx512;

/// Eight words of a row of a panel.
type Vector = [u64; 8];

/// Packs one panel of words: rows of as many lanes as there are in `at`, a multiple of 8.
///
/// # Safety
/// An entry of `at` + an inner offset must lie in `data`, and in the other buffer.
#[inline]
pub(super) unsafe fn pack_words(
    _: HasAvx512,
    panel: &mut [u64],
    (data, other): (&[u64], Option<(Sign, &[u64])>),
    at: &[usize],
    inner: &Inner,
) {
    // SAFETY: HasAvx512 exists only where the instructions do; the rest is the caller's promise.
    unsafe {
        match other {
            None => pack(panel, Words::<NONE> { x: data, y: data }, at, inner),
            Some((Sign::Plus, y)) => pack(panel, Words::<PLUS> { x: data, y }, at, inner),
            Some((Sign::Minus, y)) => pack(panel, Words::<MINUS> { x: data, y }, at, inner),
        }
    }
}

const NONE: u8 = 0;
const PLUS: u8 = 1;
const MINUS: u8 = 2;

/// The words of `x` alone, or the sums or differences of those of `x` and `y`.
#[derive(Clone, Copy)]
struct Words<'a, const JOIN: u8> {
    x: &'a [u64],
    y: &'a [u64],
}

/// Lanes of a vector whose words are neighbours.
#[derive(Clone, Copy)]
struct Piece {
    /// Where the vector's first lane would be, were it a neighbour as well.
    at: usize,
    lanes: __mmask8,
}

/// The most pieces that are loaded one by one.
const PIECES: usize = 3;

/// The pieces of eight lanes, the first ones at least, and how many there are: if not all lanes are in them, PIECES + 1.
#[target_feature(enable = "avx512f,avx512dq")]
#[inline]
fn pieces(at: &[usize; 8]) -> (usize, [Piece; PIECES]) {
    // SAFETY: `at` is eight words.
    let lanes = unsafe { _mm512_loadu_si512(at.as_ptr().cast()) };
    let firsts = _mm512_sub_epi64(lanes, _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7));
    let (mut pieces, mut rest) = ([Piece { at: 0, lanes: 0 }; PIECES], 0xff);
    for (i, piece) in pieces.iter_mut().enumerate() {
        let lane = __mmask8::trailing_zeros(rest) as usize;
        piece.at = at[lane].wrapping_sub(lane);
        piece.lanes = _mm512_cmpeq_epi64_mask(firsts, _mm512_set1_epi64(piece.at as i64));
        rest &= !piece.lanes;
        if rest == 0 {
            return (i + 1, pieces);
        }
    }
    (PIECES + 1, pieces)
}

impl<const JOIN: u8> Words<'_, JOIN> {
    /// The words at `offset` from the lanes of all pieces.
    ///
    /// # Safety
    /// These must lie in the buffers; a single piece has all lanes.
    #[target_feature(enable = "avx512f,avx512dq")]
    #[inline]
    unsafe fn load(self, pieces: &[Piece], offset: usize) -> __m512i {
        // SAFETY: the caller's promise.
        unsafe { self.joined(|words| gather(words, pieces, offset)) }
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn joined(self, of: impl Fn(&[u64]) -> __m512i) -> __m512i {
        match JOIN {
            PLUS => _mm512_add_epi64(of(self.x), of(self.y)),
            MINUS => _mm512_sub_epi64(of(self.x), of(self.y)),
            _ => of(self.x),
        }
    }
}

/// # Safety
/// See [`Words::load`].
#[target_feature(enable = "avx512f,avx512dq")]
#[inline]
unsafe fn gather(words: &[u64], pieces: &[Piece], offset: usize) -> __m512i {
    let from = |piece: &Piece| words.as_ptr().wrapping_add(piece.at.wrapping_add(offset));
    // SAFETY: only the words of the pieces' lanes are read.
    unsafe {
        match pieces {
            [piece] => _mm512_loadu_si512(from(piece).cast()),
            pieces => pieces.iter().fold(_mm512_setzero_si512(), |vector, piece| {
                _mm512_mask_loadu_epi64(vector, piece.lanes, from(piece).cast())
            }),
        }
    }
}

/// # Safety
/// See [`pack_words`].
#[target_feature(enable = "avx512f,avx512dq")]
unsafe fn pack<const JOIN: u8>(panel: &mut [u64], words: Words<JOIN>, at: &[usize], inner: &Inner) {
    let (groups, _) = at.as_chunks::<8>();
    let (vectors, _) = panel.as_chunks_mut::<8>();
    for (group, at) in groups.iter().enumerate() {
        let rows = Rows { vectors: &mut *vectors, group, groups: groups.len() };
        let (count, pieces) = pieces(at);
        // SAFETY: the caller's promise; all lanes are in `count` pieces.
        unsafe {
            match (count, inner.eights.is_empty()) {
                (1, _) => rows.one_by_one(words, &[pieces[0]], inner),
                (2, _) => rows.one_by_one(words, &[pieces[0], pieces[1]], inner),
                (3, true) => rows.one_by_one(words, &[pieces[0], pieces[1], pieces[2]], inner),
                _ => rows.by_eights(words, at, inner),
            }
        }
    }
}

/// The vectors of a panel that belong to one group of eight lanes.
struct Rows<'a> {
    vectors: &'a mut [Vector],
    group: usize,
    groups: usize,
}

impl Rows<'_> {
    /// # Safety
    /// See [`Words::load`], for every inner offset.
    #[target_feature(enable = "avx512f,avx512dq")]
    #[inline]
    unsafe fn one_by_one<const JOIN: u8, const N: usize>(
        self,
        words: Words<JOIN>,
        pieces: &[Piece; N],
        inner: &Inner,
    ) {
        let vectors = self.vectors.iter_mut().skip(self.group).step_by(self.groups);
        for (to, &offset) in vectors.zip(&inner.offsets) {
            // SAFETY: the caller's promise; `to` is eight words.
            unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), words.load(pieces, offset)) };
        }
    }

    /// # Safety
    /// An entry of `at` + an inner offset must lie in the buffers.
    #[target_feature(enable = "avx512f,avx512dq")]
    #[inline]
    unsafe fn by_eights<const JOIN: u8>(mut self, words: Words<JOIN>, at: &[usize; 8], inner: &Inner) {
        for eight in &inner.eights {
            // SAFETY: the caller's promise, for the eight offsets from the lowest.
            let lanes = at.map(|at| unsafe { words.load(&[Piece { at, lanes: 0xff }], eight.lowest) });
            for (i, row) in transpose(lanes).into_iter().enumerate() {
                let to = self.row(eight.index(i));
                // SAFETY: `to` is eight words.
                unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), row) };
            }
        }
        for &k in &inner.ones {
            let word = |words: &[u64], at: usize| {
                // SAFETY: the caller's promise.
                (unsafe { *words.get_unchecked(at.wrapping_add(inner.offsets[k])) }) as i64
            };
            let [a, b, c, d, e, f, g, h] = *at;
            let vector = words.joined(|words| {
                let [a, b, c, d, e, f, g, h] = [a, b, c, d, e, f, g, h].map(|at| word(words, at));
                _mm512_setr_epi64(a, b, c, d, e, f, g, h)
            });
            // SAFETY: the vector is eight words.
            unsafe { _mm512_storeu_si512(self.row(k).as_mut_ptr().cast(), vector) };
        }
    }

    #[inline(always)]
    fn row(&mut self, k: usize) -> &mut Vector {
        &mut self.vectors[k * self.groups + self.group]
    }
}

/// Word `j` of vector `i` becomes word `i` of vector `j`.
#[target_feature(enable = "avx512f")]
#[inline]
fn transpose(rows: [__m512i; 8]) -> [__m512i; 8] {
    // Pairs of words, then pairs of pairs, and so on. An immediate of 0x88 takes the even halves of either vector's quarters, 0xdd the odd ones.
    let [a, b, c, d, e, f, g, h] = rows;
    let low = [(a, b), (c, d), (e, f), (g, h)].map(|(x, y)| _mm512_unpacklo_epi64(x, y));
    let high = [(a, b), (c, d), (e, f), (g, h)].map(|(x, y)| _mm512_unpackhi_epi64(x, y));
    let [[row0, row2, row4, row6], [row1, row3, row5, row7]] = [low, high].map(|[ab, cd, ef, gh]| {
        let even = [_mm512_shuffle_i64x2::<0x88>(ab, cd), _mm512_shuffle_i64x2::<0x88>(ef, gh)];
        let odd = [_mm512_shuffle_i64x2::<0xdd>(ab, cd), _mm512_shuffle_i64x2::<0xdd>(ef, gh)];
        [
            _mm512_shuffle_i64x2::<0x88>(even[0], even[1]),
            _mm512_shuffle_i64x2::<0x88>(odd[0], odd[1]),
            _mm512_shuffle_i64x2::<0xdd>(even[0], even[1]),
            _mm512_shuffle_i64x2::<0xdd>(odd[0], odd[1]),
        ]
    });
    [row0, row1, row2, row3, row4, row5, row6, row7]
}
