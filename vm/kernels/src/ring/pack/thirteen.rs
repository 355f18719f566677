//! Elements of 52 bits in one limb and of 104 bits in two: two limbs of either are 13 bytes.

#[cfg(target_arch = "x86_64")]
use super::vbmi;
use crate::ring::Target;

/// The limbs of two elements of 52 bits, or of one of 104.
pub(super) type Limbs = [u64; 2];
/// The same, packed.
pub(super) type Packed = [u8; 13];

/// The bits of an element of one limb, where they are not all of it.
pub(super) const ONE_LIMB: u32 = 52;
/// The bits of an element of two limbs, likewise.
pub(super) const TWO_LIMBS: u32 = 104;
/// The lowest [`ONE_LIMB`] bits.
pub(super) const LOWEST: u64 = (1 << ONE_LIMB) - 1;

/// Elements of `BITS` bits, [`ONE_LIMB`] or [`TWO_LIMBS`]; what their limbs have above is dropped.
pub(super) fn pack<const BITS: u32>(target: Target, limbs: &[u64], out: &mut [u8]) {
    let (limbs, odd) = limbs.as_chunks();
    let (out, rest) = out.as_chunks_mut();
    match target.ifma() {
        None => pack_all::<BITS>(limbs, out),
        #[cfg(target_arch = "x86_64")]
        Some(has) => vbmi::pack::<BITS>(has, limbs, out),
        #[cfg(not(target_arch = "x86_64"))]
        Some(has) => unreachable!("{has:?} does not exist here"),
    }
    if let [last] = odd {
        rest.copy_from_slice(&(last & LOWEST).to_le_bytes()[..7]);
    }
}

/// The inverse, where the first element begins after `skipped` bits: 0, or 4 if an element of 52 bits ends in
/// the first byte.
pub(super) fn unpack<const BITS: u32>(target: Target, bytes: &[u8], skipped: usize, limbs: &mut [u64]) {
    let alone = usize::from(skipped > 0).min(limbs.len());
    let (first, limbs) = limbs.split_at_mut(alone);
    let (its, bytes) = bytes.split_at(7 * alone);
    if let [first] = first {
        *first = seven(its) >> skipped;
    }
    let (limbs, odd) = limbs.as_chunks_mut();
    let (bytes, rest) = bytes.as_chunks();
    match target.ifma() {
        None => unpack_all::<BITS>(bytes, limbs),
        #[cfg(target_arch = "x86_64")]
        Some(has) => vbmi::unpack::<BITS>(has, bytes, limbs),
        #[cfg(not(target_arch = "x86_64"))]
        Some(has) => unreachable!("{has:?} does not exist here"),
    }
    if let [last] = odd {
        *last = seven(rest) & LOWEST;
    }
}

/// A number of seven bytes.
fn seven(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..7].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

/// For any processor. The 13 bytes are written as the word of the first 8 and that of the last 8. The
/// compiler does worse with wide vectors, so this is not compiled for the target.
pub(super) fn pack_all<const BITS: u32>(limbs: &[Limbs], out: &mut [Packed]) {
    for ([a, b], out) in limbs.iter().zip(out) {
        let [first, last] = match BITS {
            ONE_LIMB => [a & LOWEST | b << 52, (a & LOWEST) >> 40 | b << 12],
            _ => [*a, a >> 40 | b << 24],
        };
        out[..8].copy_from_slice(&first.to_le_bytes());
        out[5..].copy_from_slice(&last.to_le_bytes());
    }
}

/// The inverse, from the same two words.
pub(super) fn unpack_all<const BITS: u32>(bytes: &[Packed], limbs: &mut [Limbs]) {
    for (bytes, limbs) in bytes.iter().zip(limbs) {
        let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) else { unreachable!() };
        let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        *limbs = match BITS {
            ONE_LIMB => [first & LOWEST, last >> 12],
            _ => [first, last >> 24],
        };
    }
}
