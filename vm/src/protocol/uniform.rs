//! Whether what a party sees looks uniform, and alike for different secrets: for tests.
//!
//! A view is a string of bytes. Bits that are the same in all views, as the padding of a plane of bits is, tell nothing; all others
//! have to look uniform, byte by byte and in pairs of bytes, and alike for both secrets.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::net::Party;
use crate::ring::Ring;
use crate::rounds::engine::World;

/// One party's part of an operation.
pub(super) type Running<'w> = Pin<Box<dyn Future<Output = ()> + 'w>>;

/// Runs of an operation with one secret.
pub(super) const TRIALS: u32 = 2048;

/// As many as are enough where each takes long.
pub(super) const FEW: u32 = 256;

/// The views of some runs with the smallest secret, and of as many with the largest.
pub(super) type Samples = [Vec<Vec<u8>>; 2];

/// Whether samples of the view of one operation on `n` elements look uniform and alike.
pub(super) fn check(samples: &Samples, n: usize) -> Result<(), String> {
    let length = samples[0][0].len();
    // all pairs of a short view; of a long one each byte with the next few, and with those one operand further
    let near = |at: usize| [1, 2, 3, n, 2 * n, 8 * n].map(|step| at + step);
    let pairs = |at: usize| (at + 1..length).filter(move |other| length <= 24 || near(at).contains(other));
    check_pairs(samples, |at| pairs(at).collect())
}

/// The same of a view of several messages, which end at `ends`: each byte with the one at its place in every other message too, which
/// would tell of it if both had one mask.
pub(super) fn check_joint(samples: &Samples, ends: &[usize]) -> Result<(), String> {
    let starts: Vec<usize> = std::iter::once(0).chain(ends.iter().copied()).collect();
    check_pairs(samples, |at| {
        let message = ends.partition_point(|end| *end <= at);
        let place = at - starts[message];
        let others = starts.iter().zip(ends).skip(message + 1);
        let there = others.map(|(start, end)| (start + place, *end)).filter(|(other, end)| other < end);
        there.map(|(other, _)| other).chain([at + 1]).filter(|other| *other < samples[0][0].len()).collect()
    })
}

/// Every byte by itself, and with those that `others` names.
fn check_pairs(samples: &Samples, others: impl Fn(usize) -> Vec<usize>) -> Result<(), String> {
    let length = samples[0][0].len();
    let varying: Vec<u8> = (0..length).map(|at| varying(samples, at)).collect();
    for at in 0..length {
        let bits = varying[at].count_ones();
        compare(&format!("byte {at}"), bits, samples, &|view| gathered(view[at], varying[at]))?;
        for other in others(at) {
            let [first, second] = [at, other].map(|at| top(varying[at]));
            let both = |view: &[u8]| {
                gathered(view[at], first) << second.count_ones() | gathered(view[other], second)
            };
            let bits = first.count_ones() + second.count_ones();
            compare(&format!("bytes {at} and {other}"), bits, samples, &both)?;
        }
    }
    Ok(())
}

/// The bits of a byte that are not the same in all views.
fn varying(samples: &Samples, at: usize) -> u8 {
    let first = samples[0][0][at];
    samples.iter().flatten().fold(0, |varying, view| varying | (view[at] ^ first))
}

/// The four highest of some bits.
fn top(mut bits: u8) -> u8 {
    while bits.count_ones() > 4 {
        bits &= bits - 1;
    }
    bits
}

/// Some bits of a byte, side by side.
fn gathered(byte: u8, bits: u8) -> usize {
    (0..8).rev().filter(|i| bits >> i & 1 == 1).fold(0, |all, i| all << 1 | usize::from(byte >> i & 1))
}

/// χ² of each of two histograms of so many bits against the uniform distribution, and of one against the other. With d degrees of freedom it is
/// d ± √2d; beyond 7 deviations and a little for its long tail, one in some 10^8 would lie.
fn compare(what: &str, bits: u32, samples: &Samples, of: &dyn Fn(&[u8]) -> usize) -> Result<(), String> {
    let cells = 1usize << bits;
    let freedom = (cells - 1) as f64;
    let limit = freedom + 7.0 * (2.0 * freedom).sqrt() + 15.0;
    let [low, high] = samples.each_ref().map(|views| {
        let mut counts = vec![0.0; cells];
        views.iter().for_each(|view| counts[of(view)] += 1.0);
        counts
    });
    let expected = samples[0].len() as f64 / cells as f64;
    let uniform =
        |counts: &[f64]| counts.iter().map(|n: &f64| (n - expected).powi(2) / expected).sum::<f64>();
    let both = low.iter().zip(&high).filter(|(m, n)| *m + *n > 0.0);
    let apart: f64 = both.map(|(m, n): (&f64, &f64)| (m - n).powi(2) / (m + n)).sum();
    for (chi, of) in
        [(uniform(&low), "with the smallest"), (uniform(&high), "with the largest"), (apart, "between both")]
    {
        if chi > limit {
            return Err(format!("{what}, {of} secret: χ² = {chi:.0} with {freedom} degrees of freedom"));
        }
    }
    Ok(())
}

/// All that `receiver` receives while the parties of these worlds carry out their parts.
pub(super) fn view<R: Ring>(worlds: &[&World<R>], parts: Vec<Running<'_>>, receiver: Party) -> Vec<u8> {
    let mut parts: Vec<_> = parts.into_iter().map(Some).collect();
    let mut seen = Vec::new();
    while parts.iter().any(Option::is_some) {
        for part in &mut parts {
            let running = part.as_mut().expect("all parties take equally many rounds");
            if let Poll::Ready(()) = running.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                *part = None;
            }
        }
        for world in worlds {
            for to in Party::all(worlds.len()).filter(|to| *to != world.me) {
                let bytes = world.take_outgoing(to);
                worlds[to.index()].deliver(world.me, &bytes);
                if to == receiver {
                    seen.extend(bytes);
                }
            }
        }
    }
    seen
}

/// Samples of all receivers' views, for the smallest and for the largest secret; those that receive nothing have none. The number of a trial fixes the key
/// that the receiver does not know.
pub(super) fn receivers<R: Ring>(
    parties: usize,
    view: impl Fn(Party, R, u32) -> Vec<u8>,
) -> Vec<(Party, Samples)> {
    let sample = |receiver: Party| {
        [R::MIN, R::MAX].map(|secret| (0..TRIALS).map(|trial| view(receiver, secret, trial)).collect())
    };
    Party::all(parties)
        .map(|receiver| (receiver, sample(receiver)))
        .filter(|(_, s): &(_, Samples)| !s[0][0].is_empty())
        .collect()
}

/// The key that the receiver does not know.
pub(super) fn unknown_key(trial: u32) -> [u8; 16] {
    let hash = blake3::hash(&trial.to_le_bytes());
    std::array::from_fn(|i| hash.as_bytes()[i])
}

/// Pseudo-random words.
pub(super) fn word_at(seed: u64, index: u64) -> u64 {
    let hash = blake3::hash(&[seed.to_le_bytes(), index.to_le_bytes()].concat());
    u64::from_le_bytes(std::array::from_fn(|i| hash.as_bytes()[i]))
}

/// Words of `n` elements, all pseudo-random but one, which makes `secret` of them.
pub(super) fn words<R: Ring, const N: usize>(missing: usize, seed: u64, n: usize, secret: R) -> [Vec<R>; N] {
    let mut all: [Vec<R>; N] =
        std::array::from_fn(|i| (0..n as u64).map(|j| R::from_u64(word_at(seed + i as u64, j))).collect());
    let rest = (0..n).map(|at| (0..N).filter(|i| *i != missing).fold(secret, |left, i| left - all[i][at]));
    all[missing] = rest.collect();
    all
}

/// The same of at most 64 bits that are all alike. What fills the word is zero, as in every plane that is loaded from a register.
pub(super) fn bits<const N: usize>(missing: usize, seed: u64, n: usize, secret: bool) -> [u64; N] {
    let places = u64::MAX >> (64 - n);
    let mut all: [u64; N] = std::array::from_fn(|i| word_at(seed, i as u64) & places);
    let pattern = if secret { places } else { 0 };
    all[missing] = (0..N).filter(|i| *i != missing).fold(pattern, |left, i| left ^ all[i]);
    all
}

/// That all views of an operation are uniform, and that there are some.
pub(super) fn expect_uniform(name: &str, receivers: Vec<(Party, Samples)>, n: usize) {
    assert!(!receivers.is_empty(), "{name} sends nothing");
    for (receiver, samples) in receivers {
        check(&samples, n).unwrap_or_else(|fault| panic!("{name}, {receiver}: {fault}"));
    }
}

/// That an operation that tells something is noticed, at the one party that receives it.
pub(super) fn expect_leak(name: &str, receivers: &[(Party, Samples)], n: usize) {
    assert_eq!(receivers.len(), 1, "{name}: only one receives");
    assert!(check(&receivers[0].1, n).is_err(), "{name} goes unnoticed");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many views of four bytes each, pseudo-random ones changed by `spoil`.
    fn samples(trials: u32, spoil: impl Fn(usize, &mut [u8])) -> Samples {
        [0, 1].map(|secret| {
            let view = |trial: u32| {
                let hash = blake3::hash(&[&trial.to_le_bytes()[..], &[secret as u8]].concat());
                let mut view = hash.as_bytes()[..4].to_vec();
                spoil(secret, &mut view);
                view
            };
            (0..trials).map(view).collect()
        })
    }

    #[test]
    fn noise_and_padding_tell_nothing() {
        for trials in [FEW, TRIALS] {
            check(&samples(trials, |_, _| ()), 8).unwrap();
            check_joint(&samples(trials, |_, view| view[1] &= 0x1f), &[2, 4]).unwrap();
            check(&samples(trials, |_, view| view.fill(7)), 8).unwrap();
        }
    }

    #[test]
    fn what_tells_something_is_found() {
        for trials in [FEW, TRIALS] {
            check(&samples(trials, |secret, view| view[2] = secret as u8), 5).unwrap_err();
            check(&samples(trials, |_, view| view[2] &= view[3]), 8).unwrap_err();
            let top = |secret: usize, view: &mut [u8]| view[1] = view[1] & 0x1f | (secret as u8) << 6;
            check(&samples(trials, top), 5).unwrap_err();
            // one mask for two messages
            let twice = |secret: usize, view: &mut [u8]| view[2] = view[0] ^ (secret as u8) << 7;
            check_joint(&samples(trials, twice), &[2, 4]).unwrap_err();
        }
    }
}
