//! Values of m bits as bytes: they follow each other without gaps, lowest bit first.

mod thirteen;
#[cfg(target_arch = "x86_64")]
mod vbmi;

use super::{Ring, Target};
use thirteen::{ONE_LIMB, TWO_LIMBS};

/// Bytes of `n` values of `bits` bits.
pub fn packed(n: usize, bits: u32) -> usize {
    (n * bits as usize).div_ceil(8)
}

/// The lowest `bits` bits of every value.
pub fn pack<R: Ring>(values: &[R], bits: u32) -> Vec<u8> {
    let mut out = vec![0; packed(values.len(), bits)];
    pack_into(values, bits, &mut out);
    out
}

/// The same, to bytes that are there.
///
/// # Panics
/// If these are too few.
pub fn pack_into<R: Ring>(values: &[R], bits: u32, out: &mut [u8]) {
    let out = &mut out[..packed(values.len(), bits)];
    match bits {
        _ if R::WHOLE && bits == R::BITS => out.copy_from_slice(bytemuck::cast_slice(values)),
        ONE_LIMB if R::LIMBS == 1 => {
            thirteen::pack::<ONE_LIMB>(Target::best(), bytemuck::cast_slice(values), out)
        }
        TWO_LIMBS if R::LIMBS == 2 => {
            thirteen::pack::<TWO_LIMBS>(Target::best(), bytemuck::cast_slice(values), out)
        }
        8 => pack_bytes::<R, 1>(values, out),
        16 => pack_bytes::<R, 2>(values, out),
        24 => pack_bytes::<R, 3>(values, out),
        32 => pack_bytes::<R, 4>(values, out),
        40 => pack_bytes::<R, 5>(values, out),
        48 => pack_bytes::<R, 6>(values, out),
        56 => pack_bytes::<R, 7>(values, out),
        64 => pack_bytes::<R, 8>(values, out),
        ..64 => pack_short(values, bits, out),
        _ => pack_bits(values, bits, out),
    }
}

/// The values that [`pack`] packed into so many bytes.
pub fn unpack<R: Ring>(bytes: &[u8], bits: u32, values: &mut [R]) {
    unpack_from(bytes, 0, bits, values);
}

/// The same from value `first` on.
pub(crate) fn unpack_from<R: Ring>(bytes: &[u8], first: usize, bits: u32, values: &mut [R]) {
    let start = first * bits as usize;
    let bytes = &bytes[start / 8..packed(first + values.len(), bits)];
    match bits {
        _ if R::WHOLE && bits == R::BITS => bytemuck::cast_slice_mut(values).copy_from_slice(bytes),
        ONE_LIMB if R::LIMBS == 1 => {
            thirteen::unpack::<ONE_LIMB>(Target::best(), bytes, start % 8, bytemuck::cast_slice_mut(values));
        }
        TWO_LIMBS if R::LIMBS == 2 => {
            thirteen::unpack::<TWO_LIMBS>(Target::best(), bytes, 0, bytemuck::cast_slice_mut(values));
        }
        8 => unpack_bytes::<R, 1>(bytes, values),
        16 => unpack_bytes::<R, 2>(bytes, values),
        24 => unpack_bytes::<R, 3>(bytes, values),
        32 => unpack_bytes::<R, 4>(bytes, values),
        40 => unpack_bytes::<R, 5>(bytes, values),
        48 => unpack_bytes::<R, 6>(bytes, values),
        56 => unpack_bytes::<R, 7>(bytes, values),
        64 => unpack_bytes::<R, 8>(bytes, values),
        1..=SHORT => unpack_short(bytes, start % 8, bits, values),
        _ => unpack_bits(bytes, start % 8, bits, values),
    }
}

/// Values of S bytes, at most 8.
fn pack_bytes<R: Ring, const S: usize>(values: &[R], out: &mut [u8]) {
    Target::best().run(
        #[inline(always)]
        || {
            for (out, value) in out.as_chunks_mut::<S>().0.iter_mut().zip(values) {
                out.copy_from_slice(&value.limbs()[0].to_le_bytes()[..S]);
            }
        },
    );
}

fn unpack_bytes<R: Ring, const S: usize>(bytes: &[u8], values: &mut [R]) {
    Target::best().run(
        #[inline(always)]
        || {
            for (bytes, value) in bytes.as_chunks::<S>().0.iter().zip(values) {
                // the compiler makes one load of this
                let limb = (0..S).fold(0, |limb, i| limb | u64::from(bytes[i]) << (8 * i));
                *value = R::from_u64(limb);
            }
        },
    );
}

/// Values of so many bits lie within the eight bytes from where they begin.
const SHORT: u32 = 57;

/// Values of fewer than 64 bits.
fn pack_short<R: Ring>(values: &[R], bits: u32, out: &mut [u8]) {
    let (whole, last) = out.as_chunks_mut::<8>();
    let mut words = whole.iter_mut();
    let (mut carried, mut count, mask) = (0u64, 0, (1u64 << bits) - 1);
    for value in values {
        let value = value.limbs()[0] & mask;
        carried |= value << count;
        count += bits;
        if count >= 64 {
            words.next().into_iter().for_each(|word| *word = carried.to_le_bytes());
            count -= 64;
            // what did not fit; all of it did if nothing is left
            carried = if count == 0 { 0 } else { value >> (bits - count) };
        }
    }
    // more than 56 bits take all bytes of a word
    match words.next() {
        Some(word) => *word = carried.to_le_bytes(),
        None => last.copy_from_slice(&carried.to_le_bytes()[..last.len()]),
    }
}

/// Values of at most [`SHORT`] bits, of which the first begins after `skipped` bits, fewer than 8.
fn unpack_short<R: Ring>(bytes: &[u8], skipped: usize, bits: u32, values: &mut [R]) {
    let (bits, mask) = (bits as usize, (1u64 << bits) - 1);
    let value = |bytes: &[u8], at: usize| {
        let word = bytes[at / 8..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
        R::from_u64(word >> (at % 8) & mask)
    };
    // those that have eight bytes
    let most = (bytes.len().saturating_sub(8) * 8).saturating_sub(skipped) / bits;
    let (near, end) = values.split_at_mut(most.min(values.len()));
    let mut at = skipped;
    for out in near {
        *out = value(bytes, at);
        at += bits;
    }
    let from = at / 8;
    let rest = [&bytes[from..], &[0; 8]].concat();
    for out in end {
        *out = value(&rest, at - 8 * from);
        at += bits;
    }
}

/// Values of any number of bits: what does not fill a word yet is carried along.
fn pack_bits<R: Ring>(values: &[R], bits: u32, out: &mut [u8]) {
    let (mut carried, mut count, mut at) = (0u128, 0, 0);
    for value in values {
        for (limb, more) in value.limbs().iter().zip(limbs(bits)) {
            carried |= u128::from(limb & (u64::MAX >> (64 - more))) << count;
            count += more;
            if count >= 64 {
                out[at..at + 8].copy_from_slice(&(carried as u64).to_le_bytes());
                at += 8;
                carried >>= 64;
                count -= 64;
            }
        }
    }
    let last = &mut out[at..];
    last.copy_from_slice(&(carried as u64).to_le_bytes()[..last.len()]);
}

/// The first value begins after `skipped` bits, fewer than 8.
fn unpack_bits<R: Ring>(bytes: &[u8], skipped: usize, bits: u32, values: &mut [R]) {
    let mut words = bytes.chunks(8).map(|bytes| {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(word)
    });
    let (mut carried, mut count) = (0u128, 0);
    if skipped > 0 {
        (carried, count) = (u128::from(words.next().unwrap_or(0)) >> skipped, 64 - skipped);
    }
    for value in values {
        *value = R::ZERO;
        for (limb, more) in value.limbs_mut().iter_mut().zip(limbs(bits)) {
            if count < more {
                carried |= u128::from(words.next().unwrap_or(0)) << count;
                count += 64;
            }
            *limb = carried as u64 & (u64::MAX >> (64 - more));
            carried >>= more;
            count -= more;
        }
    }
}

/// How many of `bits` bits each limb holds, lowest first.
fn limbs(bits: u32) -> impl Iterator<Item = usize> {
    (0..bits as usize).step_by(64).map(move |from| (bits as usize - from).min(64))
}

#[cfg(test)]
mod tests;
