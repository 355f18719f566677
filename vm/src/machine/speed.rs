//! How fast this machine computes, measured before a run: what the time of computing is foretold from.
//!
//! Two kernels stand for all: a product of matrices, and a pass that draws a mask for each of its elements. A party's threads do them, while
//! those of others on the same machine do the same.

use std::time::{Duration, Instant};

use crate::par::{Threads, ThreadsError};
use crate::prg::{Key, Stream, Values};
use crate::ring::contract::{self, Axes, contract_mod};
use crate::ring::{Layout, Ring, View, ViewMut};
use crate::rings::in_ring;

/// Rows, inner and outer sizes of the product: as large as a dense layer of a batch.
const SIZES: [usize; 3] = [128, 384, 64];
/// Elements of a pass: more than fit into a cache.
const PASS: usize = 1 << 20;
/// How long either is repeated.
const TIME: Duration = Duration::from_millis(20);

/// What a party's threads do in a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed {
    /// Products of elements that are summed up.
    pub products: f64,
    /// Elements of a pass.
    pub elements: f64,
}

impl Speed {
    /// In the ring of so many bits.
    ///
    /// # Errors
    /// If the operating system refuses to start threads.
    pub fn measure(ring: u32, threads: usize) -> Result<Speed, ThreadsError> {
        let threads = Threads::new(threads)?;
        Ok(in_ring!(ring, R => Speed::of::<R>(&threads)))
    }

    fn of<R: Ring>(threads: &Threads) -> Speed {
        Speed {
            products: rate(SIZES.into_iter().product(), product::<R>(threads)),
            elements: rate(PASS, pass::<R>(threads)),
        }
    }
}

/// Units in a second. The first time, memory and code are fetched, which does not count.
fn rate(units: usize, mut work: impl FnMut()) -> f64 {
    work();
    let (begun, mut times) = (Instant::now(), 0);
    while begun.elapsed() < TIME {
        work();
        times += 1;
    }
    (units * times) as f64 / begun.elapsed().as_secs_f64()
}

fn product<R: Ring>(threads: &Threads) -> impl FnMut() {
    let [rows, inner, cols] = SIZES;
    let layouts = [[rows, inner], [inner, cols], [rows, cols]].map(|shape| Layout::contiguous(&shape));
    // products of any size take the same time
    let [a, b, mut dst] = layouts.each_ref().map(|layout| vec![R::ONE; layout.len()]);
    move || {
        let [from_a, from_b, to] = &layouts;
        let axes = Axes { rows: 1, inner: 1, cols: 1, ..Axes::default() };
        let (dst, a, b) = (ViewMut::new(&mut dst, to), View::new(&a, from_a), View::new(&b, from_b));
        contract_mod(threads, dst, a, b, axes, contract::Write::Replace);
    }
}

fn pass<R: Ring>(threads: &Threads) -> impl FnMut() {
    let (key, mut counter) = (Key::new(&[0; 16]), 0);
    let mut data = vec![R::ONE; PASS];
    move || {
        counter += 1;
        let Ok(stream) = Stream::new(&key, 0, 0, counter) else { return };
        Values::combine(threads, &mut data, [stream.values(R::BITS)], [], |x, [r], []| x + r);
    }
}

#[cfg(test)]
mod tests {
    use tern_bytecode::rings::RINGS;

    use super::*;

    #[test]
    fn every_ring_has_a_speed_and_wider_ones_are_not_faster() {
        let speeds = RINGS.map(|ring| Speed::measure(ring, 1).expect("no threads to start"));
        for speed in speeds {
            assert!(speed.products > 1e5 && speed.elements > 1e5, "{speed:?}");
        }
        assert!(speeds[0].products > speeds[5].products, "{speeds:?}");
    }
}
