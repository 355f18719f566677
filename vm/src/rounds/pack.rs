//! Values of m bits and planes of bits as the bytes of a message: values follow each other without gaps ([`crate::ring::pack`]); every plane begins with
//! a byte.

use crate::bits::words;
pub(crate) use crate::ring::pack::{pack, pack_into, packed, unpack};

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
