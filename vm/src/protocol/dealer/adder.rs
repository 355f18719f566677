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

use tern_bytecode::circuit::{Adder, Gate, Operands};

use super::draw::Draw;
use super::op::{Op, Planes};
use super::parcel::{Outgoing, Parcel};
use crate::bits::{self, planes, words};
use crate::ring::Ring;

/// At the dealer: shares what an evaluation takes.
pub(super) fn deal<R: Ring>(op: Op<'_, R>, adder: &Adder, mask: &[R], to: &mut Outgoing) {
    let (n, width) = (mask.len(), words(mask.len()));
    let mut own = vec![0; width * adder.high as usize];
    planes::split(&op.world.threads, &mut own, width, mask, 0, adder.high);
    let mut out = monomials(op, adder, &own, width);
    for (i, level) in adder.levels.iter().enumerate() {
        let operands = Adder::operands(level);
        let masks = op.both_words(Draw::Level(i as u32), operands.planes() as usize * width);
        for (high, low) in factors(&operands, level) {
            let at = out.len();
            out.extend_from_slice(plane(&masks, high, width));
            bits::apply(&op.world.threads, &mut out[at..], [plane(&masks, low, width)], |x, [y]| x & y);
        }
    }
    to.planes(op, Draw::Network, &out, n);
}

/// All products of the mask's bits in every leaf, by the number whose bits say which; and its highest bit.
fn monomials<R: Ring>(op: Op<'_, R>, adder: &Adder, own: &[u64], width: usize) -> Vec<u64> {
    let mut out = Vec::with_capacity(adder.monomial_planes() as usize * width);
    for leaf in &adder.leaves {
        let first = out.len();
        for set in 1usize..1 << leaf.width {
            let top = set.ilog2();
            let rest = set ^ 1 << top;
            let at = out.len();
            out.extend_from_slice(plane(own, (leaf.start + top) as usize, width));
            if rest > 0 {
                let (before, product) = out.split_at_mut(at);
                let rest = &before[first + (rest - 1) * width..][..width];
                bits::apply(&op.world.threads, product, [rest], |x, [y]| x & y);
            }
        }
    }
    if adder.high > adder.low {
        out.extend_from_slice(plane(own, adder.high as usize - 1, width));
    }
    out
}

fn plane(planes: &[u64], i: usize, width: usize) -> &[u64] {
    &planes[i * width..][..width]
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
        (0..self.adder.sums() as usize).map(|j| run.sum(j, carries.as_deref())).collect()
    }
}

/// An evaluation by one party.
struct Run<'a, 'w, R> {
    op: Op<'w, R>,
    adder: &'a Adder,
    width: usize,
    n: usize,
    /// Bits `0..high` of what is open.
    open: Vec<u64>,
    monomials: &'a [u64],
    products: &'a [u64],
}

impl<'a, 'w, R: Ring> Run<'a, 'w, R> {
    fn new(op: Op<'w, R>, network: &'a Network, open: &[R]) -> Self {
        let (adder, width) = (&network.adder, words(network.n));
        let mut planes = vec![0; width * adder.high as usize];
        planes::split(&op.world.threads, &mut planes, width, open, 0, adder.high);
        let (monomials, products) = network.dealt.split_at(adder.monomial_planes() as usize * width);
        Self { op, adder, width, n: network.n, open: planes, monomials, products }
    }

    fn plane<'p>(&self, planes: &'p [u64], i: usize) -> &'p [u64] {
        plane(planes, i, self.width)
    }

    /// Applies a boolean function to planes, into plane `i` of `dst`.
    fn set<const S: usize>(
        &self,
        dst: &mut [u64],
        i: usize,
        src: [&[u64]; S],
        f: impl Fn(u64, [u64; S]) -> u64 + Sync,
    ) {
        bits::apply(&self.op.world.threads, &mut dst[i * self.width..][..self.width], src, f);
    }

    /// The carries out of the leaves' prefixes, where the network computes them.
    async fn carries(&self) -> Vec<u64> {
        let (mut generate, mut propagate) = self.leaves();
        let mut products = self.products.chunks_exact(self.width.max(1));
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
        let mut shares = Vec::with_capacity(operands.planes() as usize * self.width);
        operands.high.iter().for_each(|leaf| shares.extend_from_slice(self.plane(propagate, *leaf)));
        operands.low.iter().for_each(|(leaf, _)| shares.extend_from_slice(self.plane(generate, *leaf)));
        for (leaf, _) in operands.low.iter().filter(|(_, wanted)| *wanted) {
            shares.extend_from_slice(self.plane(propagate, *leaf));
        }
        self.op.open_planes(Draw::Level(level), shares, self.n).await
    }

    /// This party's shares of generates and propagates of all leaves.
    fn leaves(&self) -> (Vec<u64>, Vec<u64>) {
        let count = self.adder.leaves.len();
        let [mut generate, mut propagate] = [vec![0; count * self.width], vec![0; count * self.width]];
        let mut monomial = 0;
        for (i, leaf) in self.adder.leaves.iter().enumerate() {
            let at = (leaf.start as usize, monomial, i);
            match leaf.width {
                1 => self.leaf::<1, 1>(at, &mut generate, &mut propagate),
                2 => self.leaf::<2, 3>(at, &mut generate, &mut propagate),
                _ => self.leaf::<3, 7>(at, &mut generate, &mut propagate),
            }
            monomial += (1 << leaf.width) - 1;
        }
        (generate, propagate)
    }

    /// The same of one leaf of W positions, which has M monomials.
    fn leaf<const W: usize, const M: usize>(
        &self,
        (start, monomial, out): (usize, usize, usize),
        generate: &mut [u64],
        propagate: &mut [u64],
    ) {
        let bits: [&[u64]; W] = std::array::from_fn(|j| self.plane(&self.open, start + j));
        let products: [&[u64]; M] = std::array::from_fn(|set| self.plane(self.monomials, monomial + set));
        let constant = if self.op.leads() { u64::MAX } else { 0 };
        let range = out * self.width..(out + 1) * self.width;
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
    fn sum(&self, j: usize, carries: Option<&[u64]>) -> Vec<u64> {
        // single positions are the last leaves, and the highest bit stands behind their monomials
        let monomial = self.adder.monomial_planes() as usize - self.adder.sums() as usize + j;
        let mut sum = self.plane(self.monomials, monomial).to_vec();
        if self.op.leads() {
            self.set(&mut sum, 0, [self.plane(&self.open, self.adder.low as usize + j)], |x, [e]| x ^ e);
        }
        if let (Some(before), Some(carries)) = ((self.adder.below() + j).checked_sub(1), carries) {
            self.set(&mut sum, 0, [self.plane(carries, before)], |x, [c]| x ^ c);
        }
        sum
    }
}

/// The coefficients of generate and propagate of a leaf of W positions, from the bits of e, for 64 elements.
#[inline(always)]
fn coefficients<const W: usize>(bit: impl Fn(usize) -> u64) -> [[u64; 8]; 2] {
    let [mut generate, mut propagate] = [[0; 8]; 2];
    propagate[0] = u64::MAX;
    for j in 0..W {
        let e = bit(j);
        for set in 0..1usize << j {
            let with = set | 1 << j;
            generate[with] = if set == 0 { e } else { generate[set] };
            generate[set] &= e;
            propagate[with] = propagate[set];
            propagate[set] &= e;
        }
    }
    [generate, propagate]
}
