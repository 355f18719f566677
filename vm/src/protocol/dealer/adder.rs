//! Bits and carries of an opened value e + A, by the network of [`tern_bytecode::circuit`]: e is known to both parties, A to the dealer.
//!
//! **Leaves.** In a leaf of up to three positions, generate and propagate are multilinear in the bits of A, with coefficients that the parties compute from e. With t\[S\] the
//! coefficient of the product of the bits in S: one more position j maps
//!
//! > generate: t'\[S\] = e_j t\[S\], t'\[S ∪ j\] = t\[S\] (S ≠ ∅), t'\[{j}\] = e_j; propagate: t'\[S\] = e_j t\[S\], t'\[S ∪ j\] = t\[S\].
//!
//! The dealer shares every product ("monomial"), and the parties evaluate their shares: no message.
//!
//! **Gates.** The conjunction of shared bits x and y: both are opened under masks α and β of one bit, of which each party has a part that it draws from its key, and the
//! dealer shares α β, one bit:
//!
//! > x y = (x ⊕ α)(y ⊕ β) ⊕ (x ⊕ α) β ⊕ α (y ⊕ β) ⊕ α β.
//!
//! A level is a round. What several gates have in common is opened once. The other's part of a mask is uniform to each party, so what is opened tells nothing.
//!
//! Bit j of the sum is e_j ⊕ A_j ⊕ the carry into j; for the highest one the dealer shares A_j among the monomials. (Mohassel–Rindal, CCS 2018; Dalskov et al., 2021;
//! Beaver 1991.)

use std::ops::Deref;

use tern_bytecode::circuit::{Adder, Gate, Operands};

use super::draw::Draw;
use super::op::{Op, Planes};
use super::parcel::{Outgoing, Parcel};
use crate::bits;
use crate::protocol::linear::network::{self as linear, Place, coefficients};
use crate::ring::Ring;

/// At the dealer: shares what an evaluation takes.
pub(super) fn deal<R: Ring>(op: Op<'_, R>, adder: &Adder, mask: &[R], to: &mut Outgoing) {
    let network = linear::Network { threads: &op.world.threads, adder, n: mask.len() };
    let mut out = network.monomials(&network.split(mask));
    for (i, level) in adder.levels.iter().enumerate() {
        let operands = Adder::operands(level);
        let masks = op.both_words(Draw::Level(i as u32), operands.planes() as usize * network.width());
        for (high, low) in factors(&operands, level) {
            let at = out.len();
            out.extend_from_slice(network.plane(&masks, high));
            bits::apply(network.threads, &mut out[at..], [network.plane(&masks, low)], |x, [y]| x & y);
        }
    }
    to.planes(op, Draw::Network, &out, network.n);
}

/// The conjunctions of a level, each as the places of its factors among what the level opens: propagates of high leaves, generates of low ones,
/// propagates of low ones. A gate has one or two.
fn factors(operands: &Operands, level: &[Gate]) -> Vec<(usize, usize)> {
    let (highs, lows) = (operands.high.len(), operands.low.len());
    let propagates: Vec<usize> =
        operands.low.iter().filter(|(_, propagate)| *propagate).map(|(leaf, _)| *leaf).collect();
    let place = |list: &[usize], leaf: usize| {
        list.iter().position(|other| *other == leaf).expect("every operand of a gate is opened")
    };
    let low: Vec<usize> = operands.low.iter().map(|(leaf, _)| *leaf).collect();
    let mut all = Vec::new();
    for gate in level {
        let high = place(&operands.high, gate.high);
        all.push((high, highs + place(&low, gate.low)));
        if gate.propagate {
            all.push((high, highs + lows + place(&propagates, gate.low)));
        }
    }
    all
}

/// What a party takes for an evaluation.
pub(super) struct Network {
    adder: Adder,
    n: usize,
    /// Its shares of the monomials, then of the products of masks.
    dealt: Vec<u64>,
}

impl Network {
    pub(super) fn take<R: Ring>(op: Op<'_, R>, adder: Adder, n: usize, from: &mut Parcel) -> Self {
        let gates: u64 = adder.levels.iter().map(|level| Adder::ands(level)).sum();
        let count = (adder.monomial_planes() + gates) as usize;
        Self { n, dealt: from.planes(op, Draw::Network, n, count), adder }
    }

    /// This party's shares of the carry out of the positions below `adder.low`.
    pub(super) async fn carry<R: Ring>(&self, op: Op<'_, R>, open: &[R]) -> Vec<u64> {
        let run = Run::new(op, self, open);
        let carries = run.carries().await;
        run.plane(&carries, self.adder.below() - 1).to_vec()
    }

    /// This party's shares of the bits of the sum that the network computes, lowest first.
    pub(super) async fn sums<R: Ring>(&self, op: Op<'_, R>, open: &[R]) -> Vec<Vec<u64>> {
        let run = Run::new(op, self, open);
        let carries = match self.adder.leaves.is_empty() {
            true => None,
            false => Some(run.carries().await),
        };
        (0..self.adder.sums() as usize).map(|j| run.share(j, carries.as_ref())).collect()
    }
}

/// An evaluation by one party.
struct Run<'a, 'w, R> {
    op: Op<'w, R>,
    network: linear::Network<'a>,
    /// Bits `0..high` of what is open.
    open: Vec<u64>,
    monomials: &'a [u64],
    products: &'a [u64],
}

impl<'a, R> Deref for Run<'a, '_, R> {
    type Target = linear::Network<'a>;

    fn deref(&self) -> &linear::Network<'a> {
        &self.network
    }
}

impl<'a, 'w: 'a, R: Ring> Run<'a, 'w, R> {
    fn new(op: Op<'w, R>, Network { adder, n, dealt }: &'a Network, open: &[R]) -> Self {
        let network = linear::Network { threads: &op.world.threads, adder, n: *n };
        let (monomials, products) = dealt.split_at(adder.monomial_planes() as usize * network.width());
        Self { op, network, open: network.split(open), monomials, products }
    }

    /// The carries out of the leaves' prefixes, where the network computes them.
    async fn carries(&self) -> Vec<u64> {
        let (mut generate, mut propagate) = self.prefixes();
        let mut products = self.products.chunks_exact(self.width().max(1));
        for (i, level) in self.adder.levels.iter().enumerate() {
            let operands = Adder::operands(level);
            let opened = self.open_operands(i as u32, &operands, &generate, &propagate).await;
            let mut factors = factors(&operands, level).into_iter();
            let mut conjunction = |dst: &mut [u64], leaf: usize, replace: bool| {
                let (Some((x, y)), Some(c)) = (factors.next(), products.next()) else { return };
                let src = [
                    self.plane(&opened.open, x),
                    self.plane(&opened.part, x),
                    self.plane(&opened.open, y),
                    self.plane(&opened.part, y),
                    c,
                ];
                let keep = if replace { 0 } else { u64::MAX };
                let both = if self.op.leads() { u64::MAX } else { 0 };
                self.set(dst, leaf, src, move |old, [e, a, f, b, c]| {
                    old & keep ^ e & f & both ^ e & b ^ a & f ^ c
                });
            };
            for gate in level {
                conjunction(&mut generate, gate.high, false);
                if gate.propagate {
                    conjunction(&mut propagate, gate.high, true);
                }
            }
        }
        generate
    }

    /// The round of a level.
    async fn open_operands(
        &self,
        level: u32,
        operands: &Operands,
        generate: &[u64],
        propagate: &[u64],
    ) -> Planes {
        let mut shares = Vec::with_capacity(operands.planes() as usize * self.width());
        operands.high.iter().for_each(|leaf| shares.extend_from_slice(self.plane(propagate, *leaf)));
        operands.low.iter().for_each(|(leaf, _)| shares.extend_from_slice(self.plane(generate, *leaf)));
        for (leaf, _) in operands.low.iter().filter(|(_, wanted)| *wanted) {
            shares.extend_from_slice(self.plane(propagate, *leaf));
        }
        self.op.open_planes(Draw::Level(level), shares, self.n).await
    }

    /// This party's shares of generates and propagates of all leaves.
    fn prefixes(&self) -> (Vec<u64>, Vec<u64>) {
        let size = self.adder.leaves.len() * self.width();
        let [mut generate, mut propagate] = [vec![0; size], vec![0; size]];
        for place in self.leaves() {
            match place.leaf.width {
                1 => self.leaf::<1, 1>(place, &mut generate, &mut propagate),
                2 => self.leaf::<2, 3>(place, &mut generate, &mut propagate),
                _ => self.leaf::<3, 7>(place, &mut generate, &mut propagate),
            }
        }
        (generate, propagate)
    }

    /// The same of one leaf of W positions, which has M monomials.
    fn leaf<const W: usize, const M: usize>(&self, at: Place, generate: &mut [u64], propagate: &mut [u64]) {
        let bits: [&[u64]; W] = std::array::from_fn(|j| self.plane(&self.open, at.leaf.start as usize + j));
        let products: [&[u64]; M] = std::array::from_fn(|set| self.plane(self.monomials, at.monomial + set));
        let constant = if self.op.leads() { u64::MAX } else { 0 };
        let range = at.index * self.width()..(at.index + 1) * self.width();
        let outs = generate[range.clone()].iter_mut().zip(&mut propagate[range]);
        for (i, (generate, propagate)) in outs.enumerate() {
            let [g, p] = coefficients::<W>(|j| bits[j][i]);
            *propagate = p[0] & constant;
            for set in 0..M {
                *generate ^= g[set + 1] & products[set][i];
                *propagate ^= p[set + 1] & products[set][i];
            }
        }
    }

    /// This party's share of bit `low + j` of the sum.
    fn share(&self, j: usize, carries: Option<&Vec<u64>>) -> Vec<u64> {
        let mut half_sum = self.plane(self.monomials, self.top_monomial(j)).to_vec();
        if self.op.leads() {
            let open = self.plane(&self.open, self.adder.low as usize + j);
            self.set(&mut half_sum, 0, [open], |x, [e]| x ^ e);
        }
        self.sum(j, &half_sum, carries)
    }
}
