//! What is done to shares takes the same steps whatever their bits are.
//!
//! A branch on a random bit is predicted wrongly half of the time, which costs more than the work itself here: 3.0 in place of 2.1 ns per element
//! was measured before there were masks. So the time for random bits must be that for bits that are all 0 or all 1, in which a branch would be
//! predicted. The least of many short loops is compared, which a busy machine does not disturb.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::select::chosen;
use super::truncate::times_top;
use crate::ring::{Ring, Z52, Z64, Z104, Z128, Z192, Z256};

const N: usize = 2048;
const REPEATS: u64 = 400;
/// A mispredicted branch per two elements is far above, the noise of the least time below.
const TOLERANCE: f64 = 1.25;

/// A pseudo-random sequence (splitmix64).
fn sequence(seed: u64) -> impl Iterator<Item = u64> {
    (1u64..).map(move |i| {
        let x = seed.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x ^ x >> 27
    })
}

fn elements<R: Ring>(seed: u64) -> Vec<R> {
    let words: Vec<u64> = sequence(seed).take(N * R::LIMBS).collect();
    words.chunks_exact(R::LIMBS).map(R::from_limbs).collect()
}

/// The least time of `work` on elements that `of` makes of bits, on each of three choices of bits: none, all, random. The random ones are new each time,
/// since processors learn what repeats, and all are worked on in one place, since times depend on places.
fn least<R: Ring>(of: impl Fn(u64) -> R, mut work: impl FnMut(&[R])) -> [Duration; 3] {
    let (mut least, mut operand) = ([Duration::MAX; 3], vec![R::ZERO; N]);
    for repeat in 0..REPEATS {
        for (choice, least) in least.iter_mut().enumerate() {
            for (element, word) in operand.iter_mut().zip(sequence(repeat)) {
                *element = of([0, 1, word >> 63][choice]);
            }
            let begun = Instant::now();
            work(black_box(&operand));
            *least = (*least).min(begun.elapsed());
        }
    }
    least
}

fn check(name: &str, bits: u32, [zeros, ones, random]: [Duration; 3]) {
    let constant = zeros.min(ones).as_secs_f64();
    for (what, time) in [("random bits", random), ("zeros", zeros), ("ones", ones)] {
        let ratio = time.as_secs_f64() / constant;
        assert!(ratio < TOLERANCE, "{name} modulo 2^{bits}: {what} take {ratio:.2} times as long");
    }
}

fn every_function<R: Ring>() {
    let [v, g, b, own] = [1, 2, 3, 4].map(elements::<R>);
    let mut out = vec![R::ZERO; N];
    let times = least(R::from_u64, |d| {
        for i in 0..N {
            out[i] = chosen(v[i], d[i], g[i], b[i], own[i]);
        }
        black_box(&mut out);
    });
    check("a selection", R::BITS, times);

    let top = |bit| R::from_u64(bit).shl(R::BITS - 1) + R::ONE;
    let times = least(top, |b| {
        for i in 0..N {
            out[i] = times_top(v[i], b[i]);
        }
        black_box(&mut out);
    });
    check("a top bit", R::BITS, times);

    let times = least(R::from_u64, |d| {
        for i in 0..N {
            out[i] += v[i].negate_if(d[i]) + own[i].keep_if(d[i]);
        }
        black_box(&mut out);
    });
    check("a place of a word", R::BITS, times);
}

#[test]
fn times_do_not_depend_on_bits_of_shares() {
    every_function::<Z52>();
    every_function::<Z64>();
    every_function::<Z104>();
    every_function::<Z128>();
    every_function::<Z192>();
    every_function::<Z256>();
}
