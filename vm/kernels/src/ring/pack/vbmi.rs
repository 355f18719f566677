//! Elements of 52 and of 104 bits with permutations of bytes: a vector of eight limbs at a time.

#![allow(unsafe_code)] // vector instructions that were found at run time

use std::arch::x86_64::*;

use super::thirteen::{LOWEST, Limbs, ONE_LIMB, Packed, pack_all, unpack_all};
use crate::ring::target::HasIfma;

/// The bytes of a vector that eight packed limbs take.
const DENSE: u64 = (1 << 52) - 1;

/// As [`pack_all`].
pub(super) fn pack<const BITS: u32>(_: HasIfma, limbs: &[Limbs], out: &mut [Packed]) {
    let (vectors, limbs) = limbs.as_chunks();
    let (dense, out) = out.as_chunks_mut();
    // SAFETY: HasIfma exists only where the instructions do.
    unsafe { pack_vectors::<BITS>(vectors, dense) };
    pack_all::<BITS>(limbs, out);
}

/// As [`unpack_all`].
pub(super) fn unpack<const BITS: u32>(_: HasIfma, bytes: &[Packed], limbs: &mut [Limbs]) {
    let (dense, bytes) = bytes.as_chunks();
    let (vectors, limbs) = limbs.as_chunks_mut();
    // SAFETY: as for `pack`.
    unsafe { unpack_vectors::<BITS>(dense, vectors) };
    unpack_all::<BITS>(bytes, limbs);
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn pack_vectors<const BITS: u32>(limbs: &[[Limbs; 4]], out: &mut [[Packed; 4]]) {
    // byte 13 p + i is byte 16 p + i
    const ORDER: [u8; 64] = {
        let (mut order, mut at) = ([0; 64], 0);
        while at < 52 {
            order[at] = (at / 13 * 16 + at % 13) as u8;
            at += 1;
        }
        order
    };
    // SAFETY: the constant is 64 bytes.
    let order = unsafe { _mm512_loadu_si512(ORDER.as_ptr().cast()) };
    for (limbs, out) in limbs.iter().zip(out) {
        // SAFETY: `limbs` is 64 bytes.
        let mut v = unsafe { _mm512_loadu_si512(limbs.as_ptr().cast()) };
        if BITS == ONE_LIMB {
            v = close(v);
        }
        let dense = _mm512_permutexvar_epi8(order, v);
        // SAFETY: the bytes of the mask are the 52 of `out`.
        unsafe { _mm512_mask_storeu_epi8(out.as_mut_ptr().cast(), DENSE, dense) };
    }
}

/// Two elements of 52 bits as one of 104, which may have other bits above: 12 bits of the upper limb go to the lower.
#[inline]
#[target_feature(enable = "avx512f")]
fn close(v: __m512i) -> __m512i {
    let lowest = pairs(LOWEST, u64::MAX);
    let kept = _mm512_and_si512(_mm512_srlv_epi64(v, pairs(0, 12)), lowest);
    let swapped = _mm512_shuffle_epi32::<0b01_00_11_10>(v);
    // a shift by 64 leaves nothing
    _mm512_or_si512(kept, _mm512_sllv_epi64(swapped, pairs(52, 64)))
}

/// As in [`unpack_all`], the upper limb of a pair is the highest bits of the word that ends with the thirteenth byte.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn unpack_vectors<const BITS: u32>(bytes: &[[Packed; 4]], limbs: &mut [[Limbs; 4]]) {
    // byte 16 p + i is byte 13 p + i, and byte 16 p + 8 + i is byte 13 p + 5 + i
    const ORDER: [u8; 64] = {
        let (mut order, mut at) = ([0; 64], 0);
        while at < 64 {
            order[at] = (at / 16 * 13 + at / 8 % 2 * 5 + at % 8) as u8;
            at += 1;
        }
        order
    };
    // SAFETY: the constant is 64 bytes.
    let order = unsafe { _mm512_loadu_si512(ORDER.as_ptr().cast()) };
    let (shifts, lowest) = match BITS {
        ONE_LIMB => (pairs(0, 12), pairs(LOWEST, LOWEST)),
        _ => (pairs(0, 24), pairs(u64::MAX, u64::MAX)),
    };
    for (bytes, limbs) in bytes.iter().zip(limbs) {
        // SAFETY: the bytes of the mask are the 52 of `bytes`.
        let dense = unsafe { _mm512_maskz_loadu_epi8(DENSE, bytes.as_ptr().cast()) };
        let v = _mm512_srlv_epi64(_mm512_permutexvar_epi8(order, dense), shifts);
        // SAFETY: `limbs` is 64 bytes.
        unsafe { _mm512_storeu_si512(limbs.as_mut_ptr().cast(), _mm512_and_si512(v, lowest)) };
    }
}

/// The same two limbs four times.
#[inline]
#[target_feature(enable = "avx512f")]
fn pairs(lower: u64, upper: u64) -> __m512i {
    let (lower, upper) = (lower as i64, upper as i64);
    _mm512_set4_epi64(upper, lower, upper, lower)
}
