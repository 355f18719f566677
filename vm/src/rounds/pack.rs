//! Values of m bits and planes of bits as the bytes of a message: values follow each other without gaps, lowest bit first; every plane
//! begins with a byte.

use crate::bits::words;
use crate::ring::{Ring, Target};

/// Bytes of `n` values of `bits` bits.
pub(crate) fn packed(n: usize, bits: u32) -> usize {
    (n * bits as usize).div_ceil(8)
}

/// The lowest `bits` bits of every value.
pub(crate) fn pack<R: Ring>(values: &[R], bits: u32) -> Vec<u8> {
    match bits {
        8 => pack_bytes::<R, 1>(values),
        16 => pack_bytes::<R, 2>(values),
        32 => pack_bytes::<R, 4>(values),
        64 => pack_bytes::<R, 8>(values),
        _ if bits == R::BITS => bytemuck::cast_slice(values).to_vec(),
        _ => pack_bits(values, bits),
    }
}

/// The values that [`pack`] packed into so many bytes.
pub(crate) fn unpack<R: Ring>(bytes: &[u8], bits: u32, values: &mut [R]) {
    match bits {
        8 => unpack_bytes::<R, 1>(bytes, values),
        16 => unpack_bytes::<R, 2>(bytes, values),
        32 => unpack_bytes::<R, 4>(bytes, values),
        64 => unpack_bytes::<R, 8>(bytes, values),
        _ if bits == R::BITS => bytemuck::cast_slice_mut(values).copy_from_slice(bytes),
        _ => unpack_bits(bytes, bits, values),
    }
}

/// Values of S bytes, at most 8.
fn pack_bytes<R: Ring, const S: usize>(values: &[R]) -> Vec<u8> {
    let mut out = vec![0; values.len() * S];
    Target::best().run(
        #[inline(always)]
        || {
            for (out, value) in out.as_chunks_mut::<S>().0.iter_mut().zip(values) {
                out.copy_from_slice(&value.limbs()[0].to_le_bytes()[..S]);
            }
        },
    );
    out
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

/// Values of any number of bits: what does not fill a word yet is carried along.
fn pack_bits<R: Ring>(values: &[R], bits: u32) -> Vec<u8> {
    let size = packed(values.len(), bits);
    let mut out = Vec::with_capacity(size + 8);
    let (mut carried, mut count) = (0u128, 0);
    for value in values {
        for (limb, more) in value.limbs().iter().zip(limbs(bits)) {
            carried |= u128::from(limb & (u64::MAX >> (64 - more))) << count;
            count += more;
            if count >= 64 {
                out.extend_from_slice(&(carried as u64).to_le_bytes());
                carried >>= 64;
                count -= 64;
            }
        }
    }
    out.extend_from_slice(&(carried as u64).to_le_bytes());
    out.truncate(size);
    out
}

fn unpack_bits<R: Ring>(bytes: &[u8], bits: u32, values: &mut [R]) {
    let mut words = bytes.chunks(8).map(|bytes| {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(word)
    });
    let (mut carried, mut count) = (0u128, 0);
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

/// Planes of `n` bits, each in whole words, to bytes.
pub(crate) fn pack_planes(planes: &[u64], n: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(planes.len() * 8);
    for plane in planes.chunks_exact(words(n).max(1)) {
        out.extend_from_slice(&bytemuck::cast_slice(plane)[..n.div_ceil(8)]);
    }
    out
}

/// The planes that [`pack_planes`] packed.
pub(crate) fn unpack_planes(bytes: &[u8], n: usize, count: usize) -> Vec<u64> {
    let mut planes = vec![0u64; words(n) * count];
    let to = planes.chunks_exact_mut(words(n).max(1));
    for (plane, bytes) in to.zip(bytes.chunks_exact(n.div_ceil(8).max(1))) {
        bytemuck::cast_slice_mut(plane)[..bytes.len()].copy_from_slice(bytes);
    }
    planes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::{Z64, Z256};

    fn values_come_back<R: Ring>() {
        let mut state = R::from_u64(0x9e37_79b9_7f4a_7c15);
        for n in [0, 1, 2, 7, 64, 65] {
            for bits in (1..=R::BITS).filter(|bits| bits % 7 < 2 || bits % 64 < 2) {
                let values: Vec<R> = (0..n)
                    .map(|i| {
                        state = state * state + R::from_u64(i) + R::ONE.shl(R::BITS - 1) + state.shr(29);
                        state
                    })
                    .collect();
                let bytes = pack(&values, bits);
                assert_eq!(bytes.len(), packed(values.len(), bits));
                // bit i of the message is bit i % bits of value i / bits
                for i in 0..values.len() * bits as usize {
                    let bit = bytes[i / 8] >> (i % 8) & 1 == 1;
                    assert_eq!(bit, values[i / bits as usize].bit((i % bits as usize) as u32), "{bits}");
                }
                let expected: Vec<R> = values.iter().map(|v| v.low_bits(bits)).collect();
                let mut found = vec![R::ONE; values.len()];
                unpack(&bytes, bits, &mut found);
                assert_eq!(found, expected, "{bits} bits, {n} values");
            }
        }
    }

    #[test]
    fn packed_values_come_back() {
        values_come_back::<Z64>();
        values_come_back::<Z256>();
    }

    #[test]
    fn packed_planes_come_back() {
        for n in [0, 1, 7, 8, 9, 63, 64, 65, 200] {
            for count in [0, 1, 3] {
                let mut planes = vec![0u64; words(n) * count];
                for plane in 0..count {
                    for i in 0..n {
                        let bit = (i * 7 + plane * 3) % 5 < 2;
                        planes[plane * words(n) + i / 64] |= u64::from(bit) << (i % 64);
                    }
                }
                let bytes = pack_planes(&planes, n);
                assert_eq!(bytes.len(), n.div_ceil(8) * count);
                assert_eq!(unpack_planes(&bytes, n, count), planes);
            }
        }
    }
}
