//! Random numbers that are addressed by instruction and loop counters.

use super::Tensor;
use crate::ir::{Op, Origin};

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(super) struct Stream {
    state: u64,
}

impl Stream {
    /// The stream of an instruction in one iteration.
    pub(super) fn new(seed: u64, origin: Origin, counters: &[u32]) -> Stream {
        let mut stream = Stream { state: seed };
        let place = [origin.user, origin.inner].map(|span| [span.file.0, span.start, span.end]);
        for number in place.as_flattened().iter().chain(counters) {
            stream.state ^= u64::from(*number);
            stream.state = stream.next();
        }
        stream
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in 0..bound, nearly.
    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// The result of a random operation; of others, nothing.
    pub(super) fn draw(&mut self, op: &Op) -> Tensor {
        match op {
            Op::Shuffle { n, len } => {
                let mut order: Vec<usize> = (0..*n as usize).collect();
                (1..order.len()).rev().for_each(|i| order.swap(i, self.below(i + 1)));
                order.extend((order.len()..*len).map(|_| self.below(*n as usize)).collect::<Vec<_>>());
                Tensor::new([*len], order.into_iter().map(|i| i as f64).collect())
            }
            Op::PublicUniform(shape) => Tensor::fill(shape, || (self.next() >> 32) as f64 / 4294967296.0),
            Op::RandomBits(shape) => Tensor::fill(shape, || (self.next() >> 63) as f64),
            _ => Tensor::new([0], Vec::new()),
        }
    }
}
