//! The adder of [`tern_bytecode::circuit`] on words of bits: planes, the monomials of an addend, gates, sums.
//!
//! How leaves become shared generates and propagates is a protocol's own. From there on there are only gates, which are conjunctions; a protocol shares
//! the products that [`Network::conjunctions`] makes of its words, and [`Network::absorb`] goes one level up.

use tern_bytecode::circuit::{Adder, Gate, Leaf};

use super::Words;
use crate::bits::{self, planes, words};
use crate::par::Threads;
use crate::ring::Ring;

/// An adder for `n` elements.
#[derive(Clone, Copy)]
pub(in crate::protocol) struct Network<'a> {
    pub(in crate::protocol) threads: &'a Threads,
    pub(in crate::protocol) adder: &'a Adder,
    pub(in crate::protocol) n: usize,
}

/// Generates and propagates of all leaves.
pub(in crate::protocol) struct Prefixes<const N: usize> {
    pub(in crate::protocol) generate: Words<u64, N>,
    pub(in crate::protocol) propagate: Words<u64, N>,
}

/// A leaf and where its planes begin.
#[derive(Clone, Copy)]
pub(in crate::protocol) struct Place {
    /// Its number.
    pub(in crate::protocol) index: usize,
    pub(in crate::protocol) leaf: Leaf,
    /// Its first monomial.
    pub(in crate::protocol) monomial: usize,
    /// Its generate among what takes a message, before its propagate if that does.
    pub(in crate::protocol) out: usize,
    /// Whether its propagate takes a message.
    pub(in crate::protocol) spread: bool,
}

impl Network<'_> {
    /// Words in a plane.
    pub(in crate::protocol) fn width(&self) -> usize {
        words(self.n)
    }

    /// Plane `i`.
    pub(in crate::protocol) fn plane<'p>(&self, planes: &'p [u64], i: usize) -> &'p [u64] {
        &planes[i * self.width()..][..self.width()]
    }

    /// Applies a boolean function to planes, into plane `i` of `dst`.
    pub(in crate::protocol) fn set<const S: usize>(
        &self,
        dst: &mut [u64],
        i: usize,
        src: [&[u64]; S],
        f: impl Fn(u64, [u64; S]) -> u64 + Sync,
    ) {
        let width = self.width();
        bits::apply(self.threads, &mut dst[i * width..][..width], src, f);
    }

    /// The leaves, lowest first.
    pub(in crate::protocol) fn leaves(&self) -> impl Iterator<Item = Place> {
        let (mut monomial, mut out) = (0, 0);
        self.adder.leaves.iter().enumerate().map(move |(index, &leaf)| {
            let spread = Adder::shares_propagate(index, leaf);
            let place = Place { index, leaf, monomial, out, spread };
            monomial += (1 << leaf.width) - 1;
            out += 1 + usize::from(spread);
            place
        })
    }

    /// Bits `0..high` of an addend.
    pub(in crate::protocol) fn split<R: Ring>(&self, addend: &[R]) -> Vec<u64> {
        let mut bits = vec![0; self.width() * self.adder.high as usize];
        planes::split(self.threads, &mut bits, self.width(), addend, 0, self.adder.high);
        bits
    }

    /// All products of an addend's bits in every leaf, by the number whose bits say which; and its highest bit.
    pub(in crate::protocol) fn monomials(&self, own: &[u64]) -> Vec<u64> {
        let width = self.width();
        let mut out = Vec::with_capacity(self.adder.monomial_planes() as usize * width);
        for leaf in &self.adder.leaves {
            let first = out.len();
            for set in 1usize..1 << leaf.width {
                let top = set.ilog2();
                let rest = set ^ 1 << top;
                let at = out.len();
                out.extend_from_slice(self.plane(own, (leaf.start + top) as usize));
                if rest > 0 {
                    let (before, product) = out.split_at_mut(at);
                    let rest = &before[first + (rest - 1) * width..][..width];
                    bits::apply(self.threads, product, [rest], |x, [y]| x & y);
                }
            }
        }
        if self.adder.high > self.adder.low {
            out.extend_from_slice(self.plane(own, self.adder.high as usize - 1));
        }
        out
    }

    /// The conjunctions of a level: what `f` makes of the words `i` and `j` of each one's two factors.
    pub(in crate::protocol) fn conjunctions<const N: usize>(
        &self,
        level: &[Gate],
        Prefixes { generate, propagate }: &Prefixes<N>,
        [i, j]: [usize; 2],
        f: impl Fn([u64; 2], [u64; 2]) -> u64 + Sync,
    ) -> Vec<u64> {
        let mut products = vec![0; Adder::ands(level) as usize * self.width()];
        let mut at = 0;
        for gate in level {
            for lower in [Some(generate), gate.propagate.then_some(propagate)].into_iter().flatten() {
                let high = [i, j].map(|i| self.plane(&propagate[i], gate.high));
                let low = [i, j].map(|i| self.plane(&lower[i], gate.low));
                let src = [high[0], high[1], low[0], low[1]];
                self.set(&mut products, at, src, |_, [x, y, u, v]| f([x, y], [u, v]));
                at += 1;
            }
        }
        products
    }

    /// One level up, with the words of its conjunctions.
    pub(in crate::protocol) fn absorb<const N: usize>(
        &self,
        level: &[Gate],
        products: &Words<u64, N>,
        prefixes: &mut Prefixes<N>,
    ) {
        for (i, products) in products.iter().enumerate().filter(|(_, products)| !products.is_empty()) {
            let (generate, propagate) = (&mut prefixes.generate[i], &mut prefixes.propagate[i]);
            let mut at = 0;
            for gate in level {
                self.set(generate, gate.high, [self.plane(products, at)], |g, [t]| g ^ t);
                if gate.propagate {
                    self.set(propagate, gate.high, [self.plane(products, at + 1)], |_, [t]| t);
                }
                at += 1 + usize::from(gate.propagate);
            }
        }
    }

    /// Where the carry into bit `j` of the sum stands, if something comes in.
    pub(in crate::protocol) fn carry_into(&self, j: usize) -> Option<usize> {
        (self.adder.below() + j).checked_sub(1)
    }

    /// The monomial that is bit `j` of the sum's addend: single positions are the last leaves, and the highest bit stands behind their monomials.
    pub(in crate::protocol) fn top_monomial(&self, j: usize) -> usize {
        self.adder.monomial_planes() as usize - self.adder.sums() as usize + j
    }

    /// A word of bit `j` of the sum, from that of the two addends' bits there and those of the carries.
    pub(in crate::protocol) fn sum(
        &self,
        j: usize,
        half_sum: &[u64],
        carries: Option<&Vec<u64>>,
    ) -> Vec<u64> {
        let mut sum = half_sum.to_vec();
        if let (Some(before), Some(carries)) = (self.carry_into(j), carries) {
            self.set(&mut sum, 0, [self.plane(carries, before)], |x, [c]| x ^ c);
        }
        sum
    }
}

/// The coefficients of generate and propagate of a leaf of W positions, from the bits of the addend that is known, for 64 elements:
/// by the number whose bits say which of the other's are multiplied.
#[inline(always)]
pub(in crate::protocol) fn coefficients<const W: usize>(bit: impl Fn(usize) -> u64) -> [[u64; 8]; 2] {
    let [mut generate, mut propagate] = [[0; 8]; 2];
    propagate[0] = u64::MAX;
    for j in 0..W {
        let b = bit(j);
        for set in 0..1usize << j {
            let with = set | 1 << j;
            generate[with] = if set == 0 { b } else { generate[set] };
            generate[set] &= b;
            propagate[with] = propagate[set];
            propagate[set] &= b;
        }
    }
    [generate, propagate]
}
