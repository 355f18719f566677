//! Whether what a party sees looks uniform, and alike for different secrets: for tests.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::net::Party;
use crate::ring::{Ring, Z64};
use crate::rounds::engine::World;

/// One party's part of an operation.
pub(super) type Running<'w> = Pin<Box<dyn Future<Output = ()> + 'w>>;

/// Runs of an operation with one secret.
pub(super) const TRIALS: u32 = 2048;

/// Whether samples of a view, for the smallest and for the largest secret, look uniform and alike.
pub(super) fn check(samples: &[Vec<Vec<u8>>; 2], n: usize) -> Result<(), String> {
    let length = samples[0][0].len();
    let distinct = |of: &dyn Fn(&[u8]) -> usize| samples.each_ref().map(|views| histogram(views, of));
    for at in 0..length {
        compare(&format!("byte {at}"), &distinct(&|view| view[at].into()))?;
        // all pairs of a short view; of a long one each byte with the next few, and with those one operand further
        let near = [1, 2, 3, n, 2 * n, 8 * n].map(|step| at + step);
        for other in at + 1..length {
            if length <= 24 || near.contains(&other) {
                let nibbles = |view: &[u8]| usize::from(view[at] >> 4) << 4 | usize::from(view[other] >> 4);
                compare(&format!("bytes {at} and {other}"), &distinct(&nibbles))?;
            }
        }
    }
    Ok(())
}

fn histogram(views: &[Vec<u8>], of: &dyn Fn(&[u8]) -> usize) -> [f64; 256] {
    let mut counts = [0.0; 256];
    views.iter().for_each(|view| counts[of(view)] += 1.0);
    counts
}

/// χ² of each of two histograms against the uniform distribution, and of one against the other. With 255 degrees of freedom it is 255 ± 22.6;
/// beyond 7 deviations, 413, one in some 10^8 would lie.
fn compare(what: &str, [low, high]: &[[f64; 256]; 2]) -> Result<(), String> {
    const LIMIT: f64 = 413.0;
    let expected = f64::from(TRIALS) / 256.0;
    let uniform = |counts: &[f64; 256]| counts.iter().map(|n| (n - expected).powi(2) / expected).sum::<f64>();
    let apart =
        low.iter().zip(high).filter(|(m, n)| *m + *n > 0.0).map(|(m, n)| (m - n).powi(2) / (m + n)).sum();
    for (chi, of) in
        [(uniform(low), "with the smallest"), (uniform(high), "with the largest"), (apart, "between both")]
    {
        if chi > LIMIT {
            return Err(format!("{what}, {of} secret: χ² = {chi:.0}"));
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
pub(super) fn receivers(
    parties: usize,
    view: impl Fn(Party, Z64, u32) -> Vec<u8>,
) -> Vec<(Party, [Vec<Vec<u8>>; 2])> {
    let sample = |receiver: Party| {
        [Z64::MIN, Z64::MAX].map(|secret| (0..TRIALS).map(|trial| view(receiver, secret, trial)).collect())
    };
    Party::all(parties)
        .map(|receiver| (receiver, sample(receiver)))
        .filter(|(_, s): &(_, [Vec<Vec<u8>>; 2])| !s[0][0].is_empty())
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
pub(super) fn words<const N: usize>(missing: usize, seed: u64, n: usize, secret: Z64) -> [Vec<Z64>; N] {
    let mut all: [Vec<Z64>; N] =
        std::array::from_fn(|i| (0..n as u64).map(|j| Z64::from_u64(word_at(seed + i as u64, j))).collect());
    let rest = (0..n).map(|at| (0..N).filter(|i| *i != missing).fold(secret, |left, i| left - all[i][at]));
    all[missing] = rest.collect();
    all
}

/// The same of eight bits that are all alike.
pub(super) fn bits<const N: usize>(missing: usize, seed: u64, secret: bool) -> [u64; N] {
    let mut all: [u64; N] = std::array::from_fn(|i| word_at(seed, i as u64) & 0xff);
    let pattern = if secret { 0xff } else { 0 };
    all[missing] = (0..N).filter(|i| *i != missing).fold(pattern, |left, i| left ^ all[i]);
    all
}

/// That all views of an operation are uniform, and that there are some.
pub(super) fn expect_uniform(name: &str, receivers: Vec<(Party, [Vec<Vec<u8>>; 2])>, n: usize) {
    assert!(!receivers.is_empty(), "{name} sends nothing");
    for (receiver, samples) in receivers {
        check(&samples, n).unwrap_or_else(|fault| panic!("{name}, {receiver}: {fault}"));
    }
}

/// That an operation that tells something is noticed, at the one party that receives it.
pub(super) fn expect_leak(name: &str, receivers: &[(Party, [Vec<Vec<u8>>; 2])], n: usize) {
    assert_eq!(receivers.len(), 1, "{name}: only one receives");
    assert!(check(&receivers[0].1, n).is_err(), "{name} goes unnoticed");
}
