//! Bits and carries of a + b, from a known to both of H and b known to both of L, by the network of [`tern_bytecode::circuit`].
//!
//! **Leaves.** In a leaf of up to three positions T, generate and propagate are sums of products of one monomial of a's bits and one of b's. With A_S the
//! product of a's bits in S, and T_j the positions above j:
//!
//! > propagate: Σ over S ⊆ T of A_S B_{T∖S}; generate: Σ over j and S ⊆ T_j of A_{S ∪ j} B_{(T_j∖S) ∪ j}.
//!
//! 1. H share the monomials of a, L those of b ([`super::op::Joint`] with exclusive or).
//! 2. Of A_S = A_S,l + A_S,l' and B_U = B_U,h + B_U,h', each of the four A_S,i B_U,j is known to a pair, which adds them up and shares the sum. What is linear
//!    takes no message.
//! 3. The gates are conjunctions of shared bits, a round per level.
//!
//! Bit j of the sum is a_j ⊕ b_j ⊕ the carry into j; for the highest one, a_j and b_j are shared among the monomials. (Mohassel–Rindal, CCS 2018; Dalskov et al., 2021.)

use tern_bytecode::circuit::{Adder, Gate};
use tern_bytecode::model::rep4::{Cast, Way};

use super::draw::Draw;
use super::op::{Op, ROLES, Shares, factors, partner};
use super::reshare::{and_term, term};
use crate::bits::{self, planes, words};
use crate::ring::{Ring, Target};

/// The bits of the sum that the network computes, lowest first. `own` is the addend that this party knows.
pub(super) async fn sums<R: Ring>(op: Op<'_, R>, adder: &Adder, own: &[R]) -> Vec<Shares<u64>> {
    let run = Run { op, adder, n: own.len() };
    let monomials = run.share_monomials(own).await;
    let carries = match adder.leaves.is_empty() {
        true => None,
        false => Some(run.carries(&monomials).await),
    };
    // single positions are the last leaves, and the highest bit stands behind their monomials
    let first = adder.monomial_planes() as usize - adder.sums() as usize;
    (0..adder.sums() as usize).map(|j| run.sum(j, &monomials, first + j, carries.as_ref())).collect()
}

/// The carry out of the positions below `adder.low`.
pub(super) async fn carry<R: Ring>(op: Op<'_, R>, adder: &Adder, own: &[R]) -> Shares<u64> {
    let run = Run { op, adder, n: own.len() };
    let monomials = run.share_monomials(own).await;
    let carries = run.carries(&monomials).await;
    run.each(|role| run.plane(&carries[role], adder.below() - 1).to_vec())
}

/// The bits of s + m of single positions, from shares of both numbers' bits, and the carry out of them: `first` levels of gates are numbered before.
pub(super) async fn of_shares<R: Ring>(
    op: Op<'_, R>,
    adder: &Adder,
    n: usize,
    s: Shares<u64>,
    m: Shares<u64>,
) -> Vec<Shares<u64>> {
    let run = Run { op, adder, n };
    let places = adder.leaves.len();
    let generate = run.and(&s, &m, places, Draw::Leaves).await;
    let half_sums = run.each(|role| {
        let mut sum = s[role].clone();
        bits::apply(&op.world.threads, &mut sum, [&m[role]], |x, [y]| x ^ y);
        sum
    });
    let mut prefixes = Prefixes { generate, propagate: half_sums.clone() };
    run.gates(&mut prefixes).await;
    let carries = prefixes.generate;
    let mut sums: Vec<_> = (0..places).map(|j| run.sum(j, &half_sums, j, Some(&carries))).collect();
    sums.push(run.each(|role| run.plane(&carries[role], places - 1).to_vec()));
    sums
}

/// An evaluation by one party.
struct Run<'a, 'w, R> {
    op: Op<'w, R>,
    adder: &'a Adder,
    /// Elements.
    n: usize,
}

/// Generates and propagates of all leaves.
struct Prefixes {
    generate: Shares<u64>,
    propagate: Shares<u64>,
}

impl<R: Ring> Run<'_, '_, R> {
    /// Something for every role but this party's.
    fn each(&self, of: impl Fn(usize) -> Vec<u64>) -> Shares<u64> {
        ROLES.map(|role| if role == self.op.role { Vec::new() } else { of(role) })
    }

    fn plane<'p>(&self, planes: &'p [u64], i: usize) -> &'p [u64] {
        &planes[i * words(self.n)..][..words(self.n)]
    }

    /// Applies a boolean function to planes, into plane `i` of `dst`.
    fn set<const S: usize>(
        &self,
        dst: &mut [u64],
        i: usize,
        src: [&[u64]; S],
        f: impl Fn(u64, [u64; S]) -> u64 + Sync,
    ) {
        let width = words(self.n);
        bits::apply(&self.op.world.threads, &mut dst[i * width..][..width], src, f);
    }

    /// Round 1: the monomials of both addends, leaf by leaf, and their highest bits. Those of a have summands that one of L lacks, those of b
    /// summands that one of H lacks.
    async fn share_monomials(&self, own: &[R]) -> Shares<u64> {
        let planes = self.adder.monomial_planes() as usize;
        let made = |_: Way| self.monomials(own, planes);
        let ways = [Cast::OF_A[0], Cast::OF_B[0]];
        self.op.share_planes(ways, Draw::Monomials, planes, self.n, made).await
    }

    /// All products of the addend's bits in every leaf, by the number whose bits say which; and its highest bit.
    fn monomials(&self, own: &[R], planes: usize) -> Vec<u64> {
        let (width, threads) = (words(self.n), &self.op.world.threads);
        let mut bits = vec![0; width * self.adder.high as usize];
        planes::split(threads, &mut bits, width, own, 0, self.adder.high);
        let mut out = Vec::with_capacity(planes * width);
        for leaf in &self.adder.leaves {
            let first = out.len();
            for set in 1usize..1 << leaf.width {
                let top = set.ilog2();
                let rest = set ^ 1 << top;
                let bit = self.plane(&bits, (leaf.start + top) as usize);
                let at = out.len();
                out.extend_from_slice(bit);
                if rest > 0 {
                    let (before, product) = out.split_at_mut(at);
                    let rest = &before[first + (rest - 1) * width..][..width];
                    bits::apply(threads, product, [rest], |x, [y]| x & y);
                }
            }
        }
        if self.adder.high > self.adder.low {
            out.extend_from_slice(self.plane(&bits, self.adder.high as usize - 1));
        }
        out
    }

    /// The carries out of the leaves' prefixes, where the network computes them: all rounds after the first.
    async fn carries(&self, monomials: &Shares<u64>) -> Shares<u64> {
        let planes = self.adder.exchange_planes() as usize;
        let made = |way: Way| {
            let [i, j] = factors(way);
            let mut sums = vec![0; planes * words(self.n)];
            self.evaluate(&monomials[i], &monomials[j], &mut sums);
            sums
        };
        let exchanged = self.op.share_planes(Cast::BILINEAR, Draw::Leaves, planes, self.n, made).await;
        let mut prefixes = self.prefixes(monomials, &exchanged);
        self.gates(&mut prefixes).await;
        prefixes.generate
    }

    /// Of generates and propagates, the products of one summand of each addend's monomials.
    fn evaluate(&self, a: &[u64], b: &[u64], sums: &mut [u64]) {
        let (mut monomial, mut out) = (0, 0);
        for (i, leaf) in self.adder.leaves.iter().enumerate() {
            match leaf.width {
                1 => self.leaf::<1, 1>([a, b], monomial, sums, out, generate::<1>),
                2 => self.leaf::<2, 3>([a, b], monomial, sums, out, generate::<2>),
                _ => self.leaf::<3, 7>([a, b], monomial, sums, out, generate::<3>),
            }
            if Adder::shares_propagate(i, *leaf) {
                match leaf.width {
                    2 => self.leaf::<2, 3>([a, b], monomial, sums, out + 1, mixed::<2>),
                    _ => self.leaf::<3, 7>([a, b], monomial, sums, out + 1, mixed::<3>),
                }
                out += 1;
            }
            monomial += (1 << leaf.width) - 1;
            out += 1;
        }
    }

    /// One sum of a leaf of W positions, which has M monomials of either addend.
    fn leaf<const W: usize, const M: usize>(
        &self,
        [a, b]: [&[u64]; 2],
        monomial: usize,
        sums: &mut [u64],
        out: usize,
        f: impl Fn(&[u64; 8], &[u64; 8]) -> u64 + Sync + Copy,
    ) {
        let a: [&[u64]; M] = std::array::from_fn(|set| self.plane(a, monomial + set));
        let b: [&[u64]; M] = std::array::from_fn(|set| self.plane(b, monomial + set));
        let sum = &mut sums[out * words(self.n)..][..words(self.n)];
        self.op.world.threads.for_pieces(sum, 8, |from, sum| {
            let a = a.map(|a| &a[from..][..sum.len()]);
            let b = b.map(|b| &b[from..][..sum.len()]);
            Target::best().run(
                #[inline(always)]
                || {
                    for (i, sum) in sum.iter_mut().enumerate() {
                        let [mut x, mut y] = [[0; 8]; 2];
                        for set in 0..M {
                            (x[set + 1], y[set + 1]) = (a[set][i], b[set][i]);
                        }
                        *sum = f(&x, &y);
                    }
                },
            );
        });
    }

    /// Sorts what was exchanged by leaf, and adds what took no message.
    fn prefixes(&self, monomials: &Shares<u64>, exchanged: &Shares<u64>) -> Prefixes {
        let size = self.adder.leaves.len() * words(self.n);
        let (mut generate, mut propagate) = (self.each(|_| vec![0; size]), self.each(|_| vec![0; size]));
        let (mut monomial, mut from) = (0, 0);
        for (i, leaf) in self.adder.leaves.iter().enumerate() {
            let spread = Adder::shares_propagate(i, *leaf);
            let all = monomial + (1 << leaf.width) - 2; // the product of all bits of the leaf
            for role in self.op.others() {
                self.set(&mut generate[role], i, [self.plane(&exchanged[role], from)], |_, [x]| x);
                let linear = self.plane(&monomials[role], all);
                if spread {
                    let mixed = self.plane(&exchanged[role], from + 1);
                    self.set(&mut propagate[role], i, [mixed, linear], |_, [x, y]| x ^ y);
                } else if leaf.width == 1 {
                    self.set(&mut propagate[role], i, [linear], |_, [x]| x);
                }
            }
            monomial += (1 << leaf.width) - 1;
            from += 1 + usize::from(spread);
        }
        Prefixes { generate, propagate }
    }

    /// All levels of the network, a round each.
    async fn gates(&self, prefixes: &mut Prefixes) {
        for (i, level) in self.adder.levels.iter().enumerate() {
            self.level(i as u32, level, prefixes).await;
        }
    }

    async fn level(&self, index: u32, level: &[Gate], prefixes: &mut Prefixes) {
        let (mut high, mut low) = (self.each(|_| Vec::new()), self.each(|_| Vec::new()));
        for gate in level {
            let Prefixes { generate, propagate } = &*prefixes;
            for lower in [Some(generate), gate.propagate.then_some(propagate)].into_iter().flatten() {
                for role in self.op.others() {
                    high[role].extend_from_slice(self.plane(&propagate[role], gate.high));
                    low[role].extend_from_slice(self.plane(&lower[role], gate.low));
                }
            }
        }
        let count = Adder::ands(level) as usize;
        let products = self.and(&high, &low, count, |i| Draw::Level(index, i)).await;
        let mut at = 0;
        for gate in level {
            for role in self.op.others() {
                let product = self.plane(&products[role], at);
                self.set(&mut prefixes.generate[role], gate.high, [product], |g, [t]| g ^ t);
                if gate.propagate {
                    let product = self.plane(&products[role], at + 1);
                    self.set(&mut prefixes.propagate[role], gate.high, [product], |_, [t]| t);
                }
            }
            at += 1 + usize::from(gate.propagate);
        }
    }

    async fn and(
        &self,
        x: &Shares<u64>,
        y: &Shares<u64>,
        count: usize,
        draw: impl Fn(usize) -> Draw,
    ) -> Shares<u64> {
        and(self.op, x, y, count, self.n, draw).await
    }

    /// Bit j of the sum, of which plane `at` of `half_sums` is what the carry is added to.
    fn sum(
        &self,
        j: usize,
        half_sums: &Shares<u64>,
        at: usize,
        carries: Option<&Shares<u64>>,
    ) -> Shares<u64> {
        let before = (self.adder.below() + j).checked_sub(1);
        self.each(|role| {
            let mut sum = self.plane(&half_sums[role], at).to_vec();
            if let (Some(before), Some(carries)) = (before, carries) {
                self.set(&mut sum, 0, [self.plane(&carries[role], before)], |x, [c]| x ^ c);
            }
            sum
        })
    }
}

/// Conjunctions of `count` planes of shared bits: one round.
pub(super) async fn and<R: Ring>(
    op: Op<'_, R>,
    x: &Shares<u64>,
    y: &Shares<u64>,
    count: usize,
    n: usize,
    draw: impl Fn(usize) -> Draw,
) -> Shares<u64> {
    let made = |way: Way| {
        let ([i, j], _) = term(op.role, partner(way, op.role));
        let mut z = vec![0; count * words(n)];
        let src = [&x[i][..], &x[j], &y[i], &y[j]];
        bits::apply(&op.world.threads, &mut z, src, |_, [x, v, y, w]| and_term([x, v], [y, w]));
        z
    };
    op.share_planes(Cast::RESHARE, draw, count, n, made).await
}

/// The generate of a leaf of W positions, for 64 elements, from the monomials of both addends by their sets.
#[inline(always)]
fn generate<const W: usize>(a: &[u64; 8], b: &[u64; 8]) -> u64 {
    let mut sum = 0;
    for j in 0..W {
        let above = ((1usize << W) - 1) >> (j + 1) << (j + 1);
        let mut set = above;
        loop {
            sum ^= a[set | 1 << j] & b[above ^ set | 1 << j];
            if set == 0 {
                break;
            }
            set = (set - 1) & above;
        }
    }
    sum
}

/// The propagate of a leaf without its linear terms.
#[inline(always)]
fn mixed<const W: usize>(a: &[u64; 8], b: &[u64; 8]) -> u64 {
    let all = (1usize << W) - 1;
    (1..all).fold(0, |sum, set| sum ^ a[set] & b[all ^ set])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Monomials of the bits of a number.
    fn monomials(x: usize) -> [u64; 8] {
        std::array::from_fn(|set| if x & set == set { u64::MAX } else { 0 })
    }

    #[test]
    fn leaves_generate_and_propagate() {
        for a in 0..8 {
            for b in 0..8 {
                let (x, y) = (monomials(a), monomials(b));
                assert_eq!(generate::<3>(&x, &y) != 0, a + b > 7);
                let linear = x[7] ^ y[7];
                assert_eq!(mixed::<3>(&x, &y) ^ linear != 0, a ^ b == 7);
                assert_eq!(generate::<2>(&x, &y) != 0, (a & 3) + (b & 3) > 3);
                assert_eq!(generate::<1>(&x, &y) != 0, a & b & 1 == 1);
            }
        }
    }
}
