//! Bits and carries of a + b, from a known to the corner and b known to A and B, by the network of [`tern_bytecode::circuit`].
//!
//! **Leaves.** In a leaf of up to three positions, generate and propagate are multilinear in the corner's bits, with coefficients that A and B compute from b. With t\[S\] the coefficient of
//! the product of the bits in S: one more position j maps
//!
//! > generate: t'\[S\] = b_j t\[S\], t'\[S ∪ j\] = t\[S\] (S ≠ ∅), t'\[{j}\] = b_j; propagate: t'\[S\] = b_j t\[S\], t'\[S ∪ j\] = t\[S\].
//!
//! 1. C shares every product ("monomial") between A and B: A's part is a stream of C and A, the rest is sent to B, uniform to it.
//! 2. A and B evaluate their parts and send them to each other, less masks that they have in common with C (ρ, σ), uniform to the receiver.
//!    Shares: C and A have ρ, C and B σ, A and B the two messages and t\[∅\]. A propagate of one position is a ⊕ b: it takes no message.
//! 3. The gates are conjunctions of shared bits, reshared around the ring, a round per level.
//!
//! For the sum of shared bits g ⊕ d and a number m of A and B ([`super::compose`]), generate and propagate of a position are (g ⊕ d) m and g ⊕ d ⊕ m: the same with other
//! coefficients.
//!
//! Bit j of the sum is a_j ⊕ b_j ⊕ the carry into j; for the highest one, C shares a_j among the monomials. (Mohassel–Rindal, CCS 2018; Dalskov et al., 2021.)

use std::ops::Deref;

use tern_bytecode::circuit::Adder;

use super::draw::Draw;
use super::op::{Op, Role};
use super::reshare::{Shares, and_summand, reshare_planes, shares};
use super::ring::{Pair, Side};
use crate::bits::{self, words};
use crate::protocol::linear::network::{Network, Place, Prefixes, coefficients};
use crate::ring::{Ring, Target};
use crate::rounds::engine::Message;

/// The bits of the sum that the network computes, lowest first. `own` is the addend that this party knows.
pub(super) async fn sums<R: Ring>(op: Op<'_, R>, adder: &Adder, own: &[R]) -> Vec<Shares<u64>> {
    Run::new(op, adder, own).sums().await
}

/// The same of s + m, where s = g ⊕ d. At the corner, `own` are the bits of g; at A and B, those of d ⊕ m, and `factor` those of m.
pub(super) async fn masked<R: Ring>(
    op: Op<'_, R>,
    adder: &Adder,
    n: usize,
    own: Vec<u64>,
    factor: Vec<u64>,
) -> Vec<Shares<u64>> {
    let network = Network { threads: &op.world.threads, adder, n };
    Run { op, network, own, factor: Some(factor) }.sums().await
}

/// The carry out of the positions below `adder.low`.
pub(super) async fn carry<R: Ring>(op: Op<'_, R>, adder: &Adder, own: &[R]) -> Shares<u64> {
    let run = Run::new(op, adder, own);
    let monomials = run.share_monomials().await;
    let carries = run.carries(&monomials).await;
    let last = adder.below() - 1;
    Pair::from_fn(|side| run.plane(&carries[side], last).to_vec())
}

/// An evaluation by one party.
struct Run<'a, 'w, R> {
    op: Op<'w, R>,
    network: Network<'a>,
    /// Bits `0..high` of the addend that this party knows: what a propagate has of it.
    own: Vec<u64>,
    /// By which A and B multiply the corner's bit in a generate, if it is not that.
    factor: Option<Vec<u64>>,
}

impl<'a, R> Deref for Run<'a, '_, R> {
    type Target = Network<'a>;

    fn deref(&self) -> &Network<'a> {
        &self.network
    }
}

impl<'a, 'w: 'a, R: Ring> Run<'a, 'w, R> {
    fn new(op: Op<'w, R>, adder: &'a Adder, own: &[R]) -> Self {
        let network = Network { threads: &op.world.threads, adder, n: own.len() };
        Self { op, network, own: network.split(own), factor: None }
    }

    async fn sums(&self) -> Vec<Shares<u64>> {
        let monomials = self.share_monomials().await;
        let carries = match self.adder.leaves.is_empty() {
            true => None,
            false => Some(self.carries(&monomials).await),
        };
        let word = |j: usize, side| {
            let half_sum = self.half_sum(&monomials, self.top_monomial(j), self.adder.low + j as u32, side);
            self.sum(j, half_sum, carries.as_ref().map(|carries| &carries[side]))
        };
        (0..self.adder.sums() as usize).map(|j| Pair::from_fn(|side| word(j, side))).collect()
    }

    /// Round 1: parts of the monomials, leaf by leaf, and of the corner's highest bit. At the corner, A's and B's.
    async fn share_monomials(&self) -> Shares<u64> {
        let op = self.op;
        let planes = self.adder.monomial_planes() as usize;
        let parts = |side| op.words(side, Draw::Monomials, planes * words(self.n));
        match op.role() {
            Role::Corner => {
                let at_a = parts(op.side(Role::A));
                let mut at_b = self.monomials(&self.own);
                bits::apply(&op.world.threads, &mut at_b, [&at_a], |x, [mask]| x ^ mask);
                let [sent] = op.tell([(op.side(Role::B), Message::planes(at_b, self.n))]).await;
                shares(op, at_a, sent.into_planes(planes, self.n), Vec::new())
            }
            Role::A => {
                op.idle().await;
                shares(op, parts(op.side(Role::Corner)), Vec::new(), Vec::new())
            }
            Role::B => {
                let room = Message::room_for_planes(planes, self.n);
                let [message] = op.hear([(op.side(Role::Corner), room)]).await;
                shares(op, Vec::new(), message.into_planes(planes, self.n), Vec::new())
            }
        }
    }

    /// The carries out of the leaves' prefixes, where the network computes them: all rounds after the first.
    async fn carries(&self, monomials: &Shares<u64>) -> Shares<u64> {
        let exchanged = self.exchange_leaves(monomials).await;
        let mut prefixes = self.prefixes(monomials, &exchanged);
        for (i, level) in self.adder.levels.iter().enumerate() {
            let z = self.conjunctions(level, &prefixes, [0, 1], and_summand);
            let products = reshare_planes(self.op, Draw::Level(i as u32), z, self.n).await;
            self.absorb(level, &products.into(), &mut prefixes);
        }
        prefixes.generate.into()
    }

    /// Round 2: the planes that take a message, leaf by leaf.
    async fn exchange_leaves(&self, monomials: &Shares<u64>) -> Shares<u64> {
        let op = self.op;
        let planes = self.adder.exchange_planes() as usize;
        let masks = |side| op.words(side, Draw::Leaves, planes * words(self.n));
        if op.role() == Role::Corner {
            op.idle().await;
            return Pair::from_fn(masks);
        }
        let (corner, other) = (op.side(Role::Corner), op.side(op.role().partner()));
        let mask = masks(corner);
        let mut parts = mask.clone();
        self.evaluate(&monomials[corner], &mut parts);
        let (mut parts, theirs) = op.pass_planes(other, parts, other, self.n).await;
        bits::apply(&op.world.threads, &mut parts, [&theirs], |x, [y]| x ^ y);
        self.add_constants(&mut parts);
        match op.role() {
            Role::Corner | Role::A => shares(op, mask, Vec::new(), parts),
            Role::B => shares(op, Vec::new(), mask, parts),
        }
    }

    /// Adds this party's (A's or B's) parts of generates and propagates, without their constant terms, to `parts`.
    fn evaluate(&self, monomials: &[u64], parts: &mut [u64]) {
        for place in self.leaves() {
            match place.leaf.width {
                1 => self.leaf::<1, 1, GENERATE>(place, monomials, parts),
                2 => self.leaf::<2, 3, GENERATE>(place, monomials, parts),
                _ => self.leaf::<3, 7, GENERATE>(place, monomials, parts),
            }
            let next = Place { out: place.out + 1, ..place };
            match (place.leaf.width, place.spread) {
                (_, false) => {}
                (2, true) => self.leaf::<2, 3, PROPAGATE>(next, monomials, parts),
                (_, true) => self.leaf::<3, 7, PROPAGATE>(next, monomials, parts),
            }
        }
    }

    /// The same for the generate or propagate of one leaf of W positions, which has M monomials.
    fn leaf<const W: usize, const M: usize, const WHICH: usize>(
        &self,
        at: Place,
        monomials: &[u64],
        parts: &mut [u64],
    ) {
        let factor = self.factor.as_ref().unwrap_or(&self.own);
        let bits: [&[u64]; W] = std::array::from_fn(|j| self.plane(factor, at.leaf.start as usize + j));
        let products: [&[u64]; M] = std::array::from_fn(|set| self.plane(monomials, at.monomial + set));
        let part = &mut parts[at.out * words(self.n)..][..words(self.n)];
        self.op.world.threads.for_pieces(part, 8, |from, part| {
            let bits = bits.map(|b| &b[from..][..part.len()]);
            let products = products.map(|m| &m[from..][..part.len()]);
            Target::best().run(
                #[inline(always)]
                || {
                    for (i, part) in part.iter_mut().enumerate() {
                        let t = coefficients::<W>(|j| bits[j][i])[WHICH];
                        for set in 0..M {
                            *part ^= t[set + 1] & products[set][i];
                        }
                    }
                },
            );
        });
    }

    /// Adds the constant terms, which A and B know: those of propagates, and of generates (g ⊕ d) m.
    fn add_constants(&self, parts: &mut [u64]) {
        for Place { leaf, out, spread, .. } in self.leaves() {
            if let Some(factor) = &self.factor {
                let planes = [factor, &self.own].map(|planes| self.plane(planes, leaf.start as usize));
                self.set(parts, out, planes, |g, [m, known]| g ^ m & !known);
            }
            if spread {
                let b = |j: u32| self.plane(&self.own, (leaf.start + j.min(leaf.width - 1)) as usize);
                self.set(parts, out + 1, [b(0), b(1), b(2)], |p, [x, y, z]| p ^ x & y & z);
            }
        }
    }

    /// Sorts what was exchanged by leaf, and adds the propagates that took no message.
    fn prefixes(&self, monomials: &Shares<u64>, exchanged: &Shares<u64>) -> Prefixes<2> {
        let zeros = || [(); 2].map(|()| vec![0; self.adder.leaves.len() * self.width()]);
        let (mut generate, mut propagate) = (zeros(), zeros());
        for Place { index, leaf, monomial, out, spread } in self.leaves() {
            for (i, side) in Side::BOTH.into_iter().enumerate() {
                let exchanged = |out| self.plane(&exchanged[side], out);
                self.set(&mut generate[i], index, [exchanged(out)], |_, [x]| x);
                if spread {
                    self.set(&mut propagate[i], index, [exchanged(out + 1)], |_, [x]| x);
                } else if leaf.width == 1 {
                    let half = self.half_sum(monomials, monomial, leaf.start, side);
                    self.set(&mut propagate[i], index, [half], |_, [x]| x);
                }
            }
        }
        Prefixes { generate, propagate }
    }

    /// The share on `side` of a_j ⊕ b_j at `position`, of which a_j is the given monomial.
    fn half_sum<'p>(
        &'p self,
        monomials: &'p Shares<u64>,
        index: usize,
        position: u32,
        side: Side,
    ) -> &'p [u64] {
        match self.op.role() {
            Role::A | Role::B if side != self.op.side(Role::Corner) => {
                self.plane(&self.own, position as usize)
            }
            Role::Corner | Role::A | Role::B => self.plane(&monomials[side], index),
        }
    }
}

/// Index of the generates among a leaf's coefficients.
const GENERATE: usize = 0;
/// Index of the propagates.
const PROPAGATE: usize = 1;
