use proptest::prelude::*;

use super::planes::{join_on, split_on};
use super::transpose::Transposer;
use super::views::apply_views;
use super::{apply_on, words};
use crate::par::Threads;
use crate::ring::tests::{elements, positions, random_layout, sequence, targets};
use crate::ring::{Layout, Ring, View, ViewMut, Z64, Z128, Z192, Z256};

fn random_words(seed: u64, len: usize) -> Vec<u64> {
    std::iter::repeat_with(sequence(seed)).take(len).collect()
}

fn bit(words: &[u64], i: usize) -> bool {
    words[i / 64] >> (i % 64) & 1 == 1
}

#[test]
fn transposition() {
    for seed in 0..50 {
        let matrix: [u64; 64] = random_words(seed, 64).try_into().unwrap();
        for target in targets() {
            let turned = Transposer::new(target).transpose(&matrix);
            for i in 0..64 {
                for j in 0..64 {
                    assert_eq!(bit(&turned, 64 * i + j), bit(&matrix, 64 * j + i), "{i}, {j}, {target:?}");
                }
            }
        }
    }
}

fn planes<R: Ring>(
    n: usize,
    bits: std::ops::Range<u32>,
    gap: usize,
    seed: u64,
    threads: &Threads,
) -> Result<(), TestCaseError> {
    let src = elements::<R>(seed, n);
    let (stride, count) = (words(n) + gap, bits.len());
    for target in targets() {
        let before = random_words(seed, stride * count + 2);
        let mut dst = before.clone();
        split_on(target, threads, &mut dst, stride, &src, bits.clone());
        for (at, (&word, &old)) in dst.iter().zip(&before).enumerate() {
            let (plane, column) = (at / stride.max(1), at % stride.max(1));
            let inside = plane < count && column < words(n);
            let expected = (0..64).filter(|i| 64 * column + i < n).fold(0, |word, i| {
                word | u64::from(src[64 * column + i].bit(bits.start + plane as u32)) << i
            });
            prop_assert_eq!(word, if inside { expected } else { old }, "word {}, {:?}", at, target);
        }
        let mut joined = elements::<R>(!seed, n);
        join_on(target, threads, &mut joined, &dst, stride, count as u32);
        for (joined, src) in joined.iter().zip(&src) {
            prop_assert_eq!(*joined, src.shr(bits.start).low_bits(count as u32));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn planes_of_any_ring(n in prop_oneof![0..70usize, 500..1100usize], a in 0..=256u32, b in 0..=256u32, gap in 0..3usize, seed in any::<u32>()) {
        let (low, high) = (a.min(b), a.max(b));
        let (threads, seed) = (Threads::single(), seed.into());
        planes::<Z64>(n, low / 4..high / 4, gap, seed, &threads)?;
        planes::<Z128>(n, low / 2..high / 2, gap, seed, &threads)?;
        planes::<Z192>(n, low * 3 / 4..high * 3 / 4, gap, seed, &threads)?;
        planes::<Z256>(n, low..high, gap, seed, &threads)?;
    }

    #[test]
    fn views_of_bits(shape in prop::collection::vec(prop_oneof![8 => 1..6usize, 1 => Just(0), 1 => 60..300usize], 0..4), shift in 0..130usize, seed in any::<u32>()) {
        views(&shape, shift, seed.into())?;
    }

    #[test]
    fn long_runs(n in 2000..6000usize, shift in 0..2usize, seed in any::<u32>()) {
        views(&[n], 64 * shift, seed.into())?;
    }
}

fn views(shape: &[usize], shift: usize, seed: u64) -> Result<(), TestCaseError> {
    let shifted = |repeats: bool, seed: u64| {
        let (mut layout, end) = random_layout(shape, repeats, seed);
        layout.offset += shift;
        (layout, words(end + shift))
    };
    let ((dl, dn), (al, an), (bl, bn)) =
        (shifted(false, seed), shifted(true, seed + 1), shifted(true, seed + 2));
    let (a, b) = (random_words(seed + 3, an), random_words(seed + 4, bn));
    let before = random_words(seed + 5, dn + 1);
    let mut expected = before.clone();
    for ((d, x), y) in positions(&dl).into_iter().zip(positions(&al)).zip(positions(&bl)) {
        let value = bit(&before, d) ^ (bit(&a, x) & !bit(&b, y));
        expected[d / 64] = expected[d / 64] & !(1 << (d % 64)) | u64::from(value) << (d % 64);
    }
    for target in targets() {
        let mut dst = before.clone();
        let src = [View::new(&a, &al), View::new(&b, &bl)];
        apply_views(target, &Threads::single(), ViewMut::new(&mut dst, &dl), src, |d, [a, b]| d ^ a & !b);
        prop_assert_eq!(&dst, &expected, "{:?} on {:?}, {:?}, {:?}", target, dl, al, bl);
    }
    Ok(())
}

#[test]
fn words_of_any_number() {
    for len in [0, 1, 7, 8, 9, 1000] {
        let [a, b, before] = [1, 2, 3].map(|seed| random_words(seed, len));
        for target in targets() {
            let mut dst = before.clone();
            apply_on(target, &Threads::single(), &mut dst, [&a, &b], |d, [a, b]| d ^ a & b);
            assert!((0..len).all(|i| dst[i] == before[i] ^ a[i] & b[i]));
        }
    }
}

#[test]
fn threads_do_not_matter() {
    let threads = Threads::new(3).unwrap();
    planes::<Z64>(100_000, 5..8, 1, 1, &threads).unwrap();
    planes::<Z128>(70_001, 62..66, 0, 2, &threads).unwrap();
    let n = 64 * 100_000 + 17;
    let (a, layout) = (random_words(1, words(n)), Layout::contiguous(&[n]));
    let negated = |threads: &Threads| {
        let mut dst = vec![0; words(n)];
        super::views::apply(threads, ViewMut::new(&mut dst, &layout), [View::new(&a, &layout)], |_, [a]| !a);
        dst
    };
    assert!(negated(&threads) == negated(&Threads::single()));
    assert_eq!(negated(&threads)[words(n) - 1], !a[words(n) - 1] & ((1 << 17) - 1));
}
