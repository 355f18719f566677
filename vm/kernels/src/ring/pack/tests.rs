use std::ops::Range;

use proptest::prelude::*;

use super::*;
use crate::ring::tests::{elements, targets};
use crate::ring::{Z64, Z128, Z192, Z256};

/// The definition: bit i of the message is bit i % bits of value i / bits.
fn by_bits<R: Ring>(values: &[R], bits: u32) -> Vec<u8> {
    let mut out = vec![0; packed(values.len(), bits)];
    for i in 0..values.len() * bits as usize {
        let bit = values[i / bits as usize].bit((i % bits as usize) as u32);
        out[i / 8] |= u8::from(bit) << (i % 8);
    }
    out
}

fn values_come_back<R: Ring>() {
    let some = |bits: &u32| bits % 7 < 2 || bits.is_multiple_of(8) || bits % 64 < 2 || *bits == ONE_LIMB;
    for n in [0, 1, 2, 7, 64, 65] {
        for bits in (1..=R::BITS).filter(some) {
            let values = elements::<R>(u64::from(bits), n);
            let bytes = pack(&values, bits);
            assert_eq!(bytes, by_bits(&values, bits), "{bits} bits, {n} values");
            let expected: Vec<R> = values.iter().map(|v| v.low_bits(bits)).collect();
            for first in [0, 1, 5].into_iter().filter(|first| *first <= n) {
                let mut found = vec![R::ONE; n - first];
                unpack_from(&bytes, first, bits, &mut found);
                assert_eq!(found, expected[first..], "{bits} bits, {n} values from {first}");
            }
        }
    }
}

#[test]
fn packed_values_come_back() {
    values_come_back::<Z64>();
    values_come_back::<Z128>();
    values_come_back::<Z192>();
    values_come_back::<Z256>();
}

/// How many values, and which of them are unpacked.
fn lengths() -> impl Strategy<Value = (usize, Range<usize>)> {
    let n = prop_oneof![15 => 0..200usize, 1 => 5000..5100usize];
    n.prop_flat_map(|n| (Just(n), 0..=n, 0..=n)).prop_map(|(n, a, b)| (n, a.min(b)..a.max(b)))
}

/// What stands where nothing is to be written.
const UNTOUCHED: u8 = 0xa5;

/// Elements with all bits of their limbs, for each form that this processor has and for the one that is chosen.
fn thirteen_bytes<R: Ring, const BITS: u32>(
    (n, part): (usize, Range<usize>),
    seed: u64,
) -> Result<(), TestCaseError> {
    let values = elements::<R>(seed, n);
    let bytes = by_bits(&values, BITS);
    let expected: Vec<R> = values[part.clone()].iter().map(|v| v.low_bits(BITS)).collect();
    let (start, end) = (part.start * BITS as usize, packed(part.end, BITS));
    for target in targets().into_iter().map(Some).chain([None]) {
        let mut out = vec![UNTOUCHED; bytes.len() + 64];
        match target {
            Some(target) => {
                thirteen::pack::<BITS>(target, bytemuck::cast_slice(&values), &mut out[..bytes.len()]);
            }
            None => pack_into(&values, BITS, &mut out),
        }
        let (made, behind) = out.split_at(bytes.len());
        prop_assert_eq!(made, &bytes, "{:?}", target);
        prop_assert_eq!(behind, [UNTOUCHED; 64]);

        let untouched = R::from_limbs(&[u64::from_ne_bytes([UNTOUCHED; 8]); 2]);
        let mut found = vec![untouched; part.len() + 8];
        let values = &mut found[..part.len()];
        match target {
            Some(target) => {
                let limbs = bytemuck::cast_slice_mut(values);
                thirteen::unpack::<BITS>(target, &bytes[start / 8..end], start % 8, limbs);
            }
            None => unpack_from(&bytes, part.start, BITS, values),
        }
        let (found, behind) = found.split_at(part.len());
        prop_assert_eq!(found, &expected, "{:?}", target);
        prop_assert_eq!(behind, [untouched; 8]);
    }
    Ok(())
}

proptest! {
    #[test]
    fn elements_of_52_bits(lengths in lengths(), seed in any::<u64>()) { thirteen_bytes::<Z64, ONE_LIMB>(lengths, seed)?; }
    #[test]
    fn elements_of_104_bits(lengths in lengths(), seed in any::<u64>()) { thirteen_bytes::<Z128, TWO_LIMBS>(lengths, seed)?; }
}
