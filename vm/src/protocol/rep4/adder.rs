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

use std::ops::Deref;

use tern_bytecode::circuit::Adder;
use tern_bytecode::model::rep4::{Cast, Way};

use super::draw::Draw;
use super::op::{Op, ROLES, Shares, factors, partner};
use super::reshare::{and_term, term};
use crate::bits::{self, words};
use crate::protocol::linear::network::{Network, Place, Prefixes};
use crate::ring::{Ring, Target};

/// The bits of the sum that the network computes, lowest first. `own` is the addend that this party knows.
pub(super) async fn sums<R: Ring>(op: Op<'_, R>, adder: &Adder, own: Vec<R>) -> Vec<Shares<u64>> {
    let run = Run::new(op, adder, own.len());
    let monomials = run.monomials(&run.split(&own));
    op.recycle(own);
    let monomials = run.share_monomials(monomials).await;
    let tops = run.each(|role| run.tops(&monomials[role]).to_vec());
    let carries = match adder.leaves.is_empty() {
        true => None,
        false => Some(run.carries(monomials).await),
    };
    (0..adder.sums() as usize).map(|j| run.sum(j, &tops, carries.as_ref())).collect()
}

/// The carry out of the positions below `adder.low`.
pub(super) async fn carry<R: Ring>(op: Op<'_, R>, adder: &Adder, own: &[R]) -> Shares<u64> {
    let run = Run::new(op, adder, own.len());
    let monomials = run.share_monomials(run.monomials(&run.split(own))).await;
    let carries = run.carries(monomials).await;
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
    let run = Run::new(op, adder, n);
    let places = adder.leaves.len();
    let generate = and(op, &s, &m, places, n, Draw::Leaves).await;
    let half_sums = run.each(|role| {
        let mut sum = s[role].clone();
        bits::apply(&op.world.threads, &mut sum, [&m[role]], |x, [y]| x ^ y);
        sum
    });
    let mut prefixes = Prefixes { generate, propagate: half_sums.clone() };
    run.gates(&mut prefixes).await;
    let carries = prefixes.generate;
    let mut sums: Vec<_> = (0..places).map(|j| run.sum(j, &half_sums, Some(&carries))).collect();
    sums.push(run.each(|role| run.plane(&carries[role], places - 1).to_vec()));
    sums
}

/// An evaluation by one party.
struct Run<'a, 'w, R> {
    op: Op<'w, R>,
    network: Network<'a>,
}

impl<'a, R> Deref for Run<'a, '_, R> {
    type Target = Network<'a>;

    fn deref(&self) -> &Network<'a> {
        &self.network
    }
}

impl<'a, 'w: 'a, R: Ring> Run<'a, 'w, R> {
    fn new(op: Op<'w, R>, adder: &'a Adder, n: usize) -> Self {
        Self { op, network: Network { threads: &op.world.threads, adder, n } }
    }

    /// Something for every role but this party's.
    fn each(&self, of: impl Fn(usize) -> Vec<u64>) -> Shares<u64> {
        ROLES.map(|role| if role == self.op.role { Vec::new() } else { of(role) })
    }

    /// Round 1: the monomials of both addends, leaf by leaf, and their highest bits. Those of a have summands that one of L lacks, those of b
    /// summands that one of H lacks.
    async fn share_monomials(&self, mut own: Vec<u64>) -> Shares<u64> {
        let planes = self.adder.monomial_planes() as usize;
        let ways = [Cast::OF_A[0], Cast::OF_B[0]];
        // a party knows one of the two
        let made = |_: Way| std::mem::take(&mut own);
        self.op.share_planes(ways, Draw::Monomials, planes, self.n, made).await
    }

    /// The carries out of the leaves' prefixes, where the network computes them: all rounds after the first. Monomials are most of what an
    /// adder has in memory, and are given back before anything is sent.
    async fn carries(&self, monomials: Shares<u64>) -> Shares<u64> {
        let planes = self.adder.exchange_planes() as usize;
        let known = Cast::BILINEAR.into_iter().filter(|way| [way.from, way.checker].contains(&self.op.role));
        let sums = known.map(|way| {
            let [i, j] = factors(way);
            let mut sums = vec![0; planes * words(self.n)];
            self.evaluate(&monomials[i], &monomials[j], &mut sums);
            sums
        });
        let mut sums = sums.collect::<Vec<_>>().into_iter();
        let linear = self.each(|role| self.linear(&monomials[role]));
        drop(monomials);
        let made = |_: Way| sums.next().expect("one for each that is asked for");
        let exchanged = self.op.share_planes(Cast::BILINEAR, Draw::Leaves, planes, self.n, made).await;
        let mut prefixes = self.prefixes(&linear, &exchanged);
        drop((linear, exchanged));
        self.gates(&mut prefixes).await;
        prefixes.generate
    }

    /// The product of all bits of each leaf.
    fn linear(&self, monomials: &[u64]) -> Vec<u64> {
        let all = self.leaves().map(|place| place.monomial + (1 << place.leaf.width) - 2);
        all.flat_map(|all| self.plane(monomials, all)).copied().collect()
    }

    /// The two addends' bits at the places of the sums, which stand behind all monomials.
    fn tops<'p>(&self, monomials: &'p [u64]) -> &'p [u64] {
        &monomials[self.top_monomial(0) * self.width()..]
    }

    /// Of generates and propagates, the products of one summand of each addend's monomials.
    fn evaluate(&self, a: &[u64], b: &[u64], sums: &mut [u64]) {
        for Place { leaf, monomial, out, spread, .. } in self.leaves() {
            match leaf.width {
                1 => self.leaf::<1, 1>([a, b], monomial, sums, out, generate::<1>),
                2 => self.leaf::<2, 3>([a, b], monomial, sums, out, generate::<2>),
                _ => self.leaf::<3, 7>([a, b], monomial, sums, out, generate::<3>),
            }
            match (leaf.width, spread) {
                (_, false) => {}
                (2, true) => self.leaf::<2, 3>([a, b], monomial, sums, out + 1, mixed::<2>),
                (_, true) => self.leaf::<3, 7>([a, b], monomial, sums, out + 1, mixed::<3>),
            }
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
    fn prefixes(&self, linear: &Shares<u64>, exchanged: &Shares<u64>) -> Prefixes<4> {
        let size = self.adder.leaves.len() * self.width();
        let (mut generate, mut propagate) = (self.each(|_| vec![0; size]), self.each(|_| vec![0; size]));
        for Place { index, leaf, out, spread, .. } in self.leaves() {
            for role in self.op.others() {
                let exchanged = |out| self.plane(&exchanged[role], out);
                self.set(&mut generate[role], index, [exchanged(out)], |_, [x]| x);
                let linear = self.plane(&linear[role], index);
                if spread {
                    let src = [exchanged(out + 1), linear];
                    self.set(&mut propagate[role], index, src, |_, [x, y]| x ^ y);
                } else if leaf.width == 1 {
                    self.set(&mut propagate[role], index, [linear], |_, [x]| x);
                }
            }
        }
        Prefixes { generate, propagate }
    }

    /// All levels of the network, a round each.
    async fn gates(&self, prefixes: &mut Prefixes<4>) {
        for (i, level) in self.adder.levels.iter().enumerate() {
            let (count, draw) = (Adder::ands(level) as usize, |message| Draw::Level(i as u32, message));
            let made = |way: Way| self.conjunctions(level, prefixes, pair(self.op, way), and_term);
            let products = self.op.share_planes(Cast::RESHARE, draw, count, self.n, made).await;
            self.absorb(level, &products, prefixes);
        }
    }

    /// Bit j of the sum, of which plane j of `half_sums` is what the carry is added to.
    fn sum(&self, j: usize, half_sums: &Shares<u64>, carries: Option<&Shares<u64>>) -> Shares<u64> {
        self.each(|role| {
            let half_sum = self.plane(&half_sums[role], j);
            self.network.sum(j, half_sum, carries.map(|carries| &carries[role]))
        })
    }
}

/// The two summands, by role, of which the term of a message's sender and checker is made.
fn pair<R: Ring>(op: Op<'_, R>, way: Way) -> [usize; 2] {
    term(op.role, partner(way, op.role)).0
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
        let [i, j] = pair(op, way);
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
