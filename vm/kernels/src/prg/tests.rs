use num_bigint::BigUint;
use proptest::prelude::*;

use super::*;
use crate::ring::pack::pack;
use crate::ring::{Z52, Z64, Z104, Z128, Z192, Z256};

const KEY: [u8; 16] = *b"\x2b\x7e\x15\x16\x28\xae\xd2\xa6\xab\xf7\x15\x88\x09\xcf\x4f\x3c";

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// NIST SP 800-38A, F.5.1 (CTR-AES128.Encrypt): ciphertext = plaintext xor stream.
#[test]
fn counter_mode_as_published() {
    let key = Key::new(&KEY);
    let start = u128::from_be_bytes(hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff").try_into().unwrap());
    let plain = hex(concat!(
        "6bc1bee22e409f96e93d7e117393172a",
        "ae2d8a571e03ac9c9eb76fac45af8e51",
        "30c81c46a35ce411e5fbc1191a0a52ef",
        "f69f2445df4f9b17ad2b417be66c3710"
    ));
    let cipher = hex(concat!(
        "874d6191b620e3261bef6864990db6ce",
        "9806f66b7970fdff8617187bb9fffdff",
        "5ae4df3edbd5d35e5b4f09020db03eab",
        "1e031dda2fbe03d1792170a0f3009cee"
    ));
    let mut stream = [0; 64];
    Stream { key: &key, start }.fill_bytes(0, &mut stream);
    let encrypted: Vec<u8> = plain.iter().zip(stream).map(|(p, s)| p ^ s).collect();
    assert_eq!(encrypted, cipher);
}

/// The stream from the block layout of the module's documentation, one block at a time.
fn reference(purpose: u16, instruction: u32, counter: u64, bytes: usize) -> Vec<u8> {
    let aes = Aes128::new(&KEY.into());
    let prefix: BigUint = (BigUint::from(purpose) << 112u32)
        + (BigUint::from(instruction) << 80u32)
        + (BigUint::from(counter) << 36u32);
    let block = |number: usize| {
        let digits = (&prefix + BigUint::from(number)).to_bytes_be();
        let mut input = [0; 16];
        input[16 - digits.len()..].copy_from_slice(&digits);
        let mut block = input.into();
        aes.encrypt_block(&mut block);
        <[u8; 16]>::from(block)
    };
    (0..bytes.div_ceil(16)).flat_map(block).take(bytes).collect()
}

fn values_are_drawn<R: Ring>(bits: u32, size: usize, first: usize, n: usize) -> Result<(), TestCaseError> {
    let key = Key::new(&KEY);
    let stream = Stream::new(&key, 1, 2, 3).unwrap();
    let bytes = reference(1, 2, 3, (first + n) * size);
    let mut values = vec![R::ONE; n];
    stream.fill_bits(&Threads::single(), bits, first as u64, &mut values);
    for (value, bytes) in values.iter().zip(bytes.chunks_exact(size).skip(first)) {
        let expected = BigUint::from_bytes_le(bytes) % (BigUint::from(1u32) << bits);
        prop_assert_eq!(BigUint::from_bytes_le(bytemuck::bytes_of(value)), expected);
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_part_of_a_stream(purpose in any::<u16>(), instruction in any::<u32>(), counter in 0..1u64 << 44, from in 0..6000usize, len in 0..6000usize) {
        let key = Key::new(&KEY);
        let stream = Stream::new(&key, purpose, instruction, counter).unwrap();
        let mut bytes = vec![0; len];
        stream.fill_bytes(from as u64, &mut bytes);
        prop_assert_eq!(&bytes, &reference(purpose, instruction, counter, from + len)[from..]);
    }

    #[test]
    fn values_of_few_bits(bits in 0..=64u32, first in 0..5000usize, n in 0..1500usize) {
        let size = match bits { 0..=8 => 1, 9..=16 => 2, 17..=32 => 4, _ => 8 };
        values_are_drawn::<Z64>(bits, size, first, n)?;
        values_are_drawn::<Z192>(bits, size, first, n)?;
        if bits <= 52 {
            values_are_drawn::<Z52>(bits, size, first, n)?;
        }
        values_are_drawn::<Z52>(52, 8, first, n)?;
    }

    #[test]
    fn values_of_many_bits(limbs in 2..=4u32, less in 0..64u32, first in 0..5000usize, n in 0..1500usize) {
        let (bits, size) = (64 * limbs - less, 8 * limbs as usize);
        values_are_drawn::<Z256>(bits, size, first, n)?;
        if limbs == 2 {
            values_are_drawn::<Z128>(bits, size, first, n)?;
            values_are_drawn::<Z104>(bits.min(104), size, first, n)?;
        }
    }

    #[test]
    fn masks_are_the_streams(n in 0..3000usize) {
        let key = Key::new(&KEY);
        let streams = [Stream::new(&key, 0, 7, 9).unwrap(), Stream::new(&key, 1, 7, 9).unwrap()];
        let mut drawn = [vec![Z192::ZERO; n], vec![Z192::ZERO; n]];
        drawn.iter_mut().zip(streams).for_each(|(drawn, stream)| stream.fill(&Threads::single(), 0, drawn));
        let mut masked: Vec<Z192> = (0..n as u64).map(Z192::from_u64).collect();
        let other = masked.clone();
        let values = streams.map(|stream| stream.values(Z192::BITS));
        Values::combine(&Threads::single(), &mut masked, values, [&other], |x, [r, s], [y]| x + r - s + y + y);
        for (i, masked) in masked.into_iter().enumerate() {
            prop_assert_eq!(masked, Z192::from_u64(3 * i as u64) + drawn[0][i] - drawn[1][i]);
        }
    }

    #[test]
    fn permutations_are_permutations(n in 0..200usize, instruction in any::<u32>()) {
        let key = Key::new(&KEY);
        let mut order = Stream::new(&key, 0, instruction, 0).unwrap().permutation(n);
        order.sort();
        prop_assert!(order.into_iter().eq(0..n as u64));
    }
}

#[test]
fn threads_do_not_matter() {
    let key = Key::new(&KEY);
    let stream = Stream::new(&key, 5, 6, 7).unwrap();
    let draw = |count: usize| {
        let threads = Threads::new(count).unwrap();
        let mut wide = vec![Z128::ZERO; 100_001];
        stream.fill(&threads, 3, &mut wide);
        let mut narrow = vec![Z64::ZERO; 100_001];
        stream.fill_bits(&threads, 13, 5, &mut narrow);
        let mut masked = narrow.clone();
        let values = [stream.values(64), stream.values(13)];
        Values::combine(&threads, &mut masked, values, [&narrow], |x, [r, s], [y]| x - r + s * y);
        (wide, narrow, masked)
    };
    assert!(draw(1) == draw(3));
}

#[test]
fn addresses_end() {
    let key = Key::new(&KEY);
    assert_eq!(Stream::new(&key, 0, 0, 1 << 44).unwrap_err(), CounterTooLarge { counter: 1 << 44 });
    let last = Stream::new(&key, u16::MAX, u32::MAX, (1 << 44) - 1).unwrap();
    let end = 1u64 << 40;
    last.fill_bytes(end - 5, &mut [0; 5]);
    assert!(std::panic::catch_unwind(|| last.fill_bytes(end - 5, &mut [0; 6])).is_err());
}

/// Every order of four, and every number below a bound that rejects half of the words, about equally often.
#[test]
fn permutations_and_numbers_are_uniform() {
    let key = Key::new(&KEY);
    let mut orders = std::collections::HashMap::new();
    for counter in 0..24_000 {
        let order = Stream::new(&key, 0, 0, counter).unwrap().permutation(4);
        *orders.entry(order).or_insert(0u32) += 1;
    }
    assert_eq!(orders.len(), 24);
    assert!(orders.values().all(|n| n.abs_diff(1000) < 160), "five standard deviations: {orders:?}");
    let stream = Stream::new(&key, 1, 0, 0).unwrap();
    let (mut draws, bound) = (stream.draws(), (1 << 63) + 1);
    let low = (0..10_000).filter(|_| draws.below(bound) < bound / 2).count();
    assert!(low.abs_diff(5000) < 250, "{low}");
    assert!((9_000..).contains(&draws.next), "words are rejected: {}", draws.next);
    assert_eq!(stream.draws().below(1), 0);
}

proptest! {
    /// One pass over streams, messages and elements gives what several give.
    #[test]
    fn packed_numbers_are_combined(n in 0..3000usize, bits in 1..=192u32, other in 1..=192u32) {
        let key = Key::new(&KEY);
        let stream = |purpose| Stream::new(&key, purpose, 1, 2).unwrap();
        let threads = Threads::new(3).unwrap();
        let (mut mask, mut sent, mut x) = (vec![Z192::ZERO; n], vec![Z192::ZERO; n], vec![Z192::ZERO; n]);
        stream(1).fill_bits(&threads, bits, 0, &mut mask);
        stream(2).fill_bits(&threads, other, 0, &mut sent);
        stream(3).fill(&threads, 0, &mut x);
        let message = pack(&sent, other);
        let values = [stream(1).values(bits), Values::packed(&message, other)];
        let f = |[r, s]: [Z192; 2], [x]: [Z192; 1]| x * s - r;
        let mut found = vec![0xff; packed(n, bits)];
        Values::combine_packed(&threads, &mut found, (n, bits), values, [&x[..]], f);
        let expected: Vec<_> = (0..n).map(|i| f([mask[i], sent[i]], [x[i]])).collect();
        prop_assert_eq!(found, pack(&expected, bits));
    }
}
