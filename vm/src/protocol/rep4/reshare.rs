//! Products, additive to replicated form, and the two-addend view.
//!
//! **Products.** x y is a sum of one term per pair of parties, which both can compute, and each party computes three products, none twice: with minus
//! on a perfect matching of the four indices, and plus elsewhere,
//!
//! > x y = Σ over pairs {i, j} of ± (x_i ± x_j)(y_i ± y_j): each square counts 1 + 1 - 1, each mixed product once.
//!
//! The term of {i, j} belongs to the two others. With exclusive or there are no signs: each square counts three times.
//!
//! **Resharing.** Each term becomes shares by itself ([`super::op::Joint`]), so that every message is uniform to its receiver.
//!
//! **Two addends.** With the parties in pairs H and L, a = x_l + x_l' is known to both of H and b = x_h + x_h' to both of L. Of a replicated value
//! this is free. Of an additive one ([`collect`]), the terms of H and of L are there; any other term, which l of L and h of H know, goes
//! masked to h' (or to l'), with the mask a stream that all but the receiver know: so the receiver's pair both know the rest, and the
//! other pair both know the mask.

use tern_bytecode::model::rep4::{Cast, Way};

use super::draw::Draw;
use super::op::{Joint, Op, Shares, partner, share, total};
use crate::ring::Ring;
use crate::rounds::engine::Message;

/// The two indices of the term that this party has in common with another, and whether they are matched. By party, not by role.
pub(super) fn term(me: usize, other: usize) -> ([usize; 2], bool) {
    let mut indices = (0..4).filter(|i| *i != me && *i != other);
    let mut next = || indices.next().unwrap_or_default();
    let indices = [next(), next()];
    (indices, indices[0] / 2 == indices[1] / 2)
}

/// A term of the conjunction of shared bits.
#[inline(always)]
pub(super) fn and_term(x: [u64; 2], y: [u64; 2]) -> u64 {
    (x[0] ^ x[1]) & (y[0] ^ y[1])
}

/// Terms, by partner, to replicated shares.
pub(super) async fn reshare<R: Ring>(op: Op<'_, R>, mut z: Shares<R>, n: usize) -> Shares<R> {
    let joints = masked_terms(op, Cast::RESHARE, Draw::Reshare, &mut z, n);
    let joints = share(op, joints).await;
    total(op, n, joints.into_iter().map(|joint| (joint, 0)).collect(), R::ZERO)
}

/// Messages of terms, which this takes.
fn masked_terms<R: Ring, const N: usize>(
    op: Op<'_, R>,
    ways: [Way; N],
    draw: fn(usize) -> Draw,
    z: &mut Shares<R>,
    n: usize,
) -> Vec<Joint<R>> {
    let mut joint = |(i, way)| {
        let term = &mut z[partner(way, op.role)];
        Joint::new(op, (way, draw(i)), (n, R::BITS), |mask| {
            let mut term = std::mem::take(term);
            op.each(&mut term, [mask], [], |z, [r], []| z - r);
            Message::Elements(term)
        })
    };
    ways.into_iter().enumerate().map(&mut joint).collect()
}

/// The addend that this party knows.
pub(super) fn addend<R: Ring>(op: Op<'_, R>, mut shares: Shares<R>) -> Vec<R> {
    let [one, other] = missing(op);
    let mut sum = std::mem::take(&mut shares[one]);
    op.each(&mut sum, [], [&shares[other]], |x, [], [y]| x + y);
    shares.into_iter().for_each(|summand| op.recycle(summand));
    sum
}

/// The roles of the other pair, whose missing summands make this party's addend.
pub(super) fn missing<R: Ring>(op: Op<'_, R>) -> [usize; 2] {
    if op.is_high() { Cast::L } else { Cast::H }
}

/// The addend that this party knows, of terms by partner; `plus` is added to a. One round.
pub(super) async fn collect<R: Ring>(op: Op<'_, R>, mut z: Shares<R>, n: usize, plus: R) -> Vec<R> {
    let group = if op.is_high() { Cast::H } else { Cast::L };
    let own = if op.role == group[0] { group[1] } else { group[0] };
    let mut addend = std::mem::take(&mut z[own]);
    let joints = masked_terms(op, Cast::COLLECT, Draw::Collect, &mut z, n);
    let plus = if op.is_high() { plus } else { R::ZERO };
    let joints = share(op, joints).await;
    let words = [0, 1, 2, 3].map(|i| match group.contains(&joints[i].way().to) {
        true => joints[i].rest(),
        false => joints[i].mask(op),
    });
    op.each(&mut addend, words, [], move |x, [r, s, t, u], []| x + (r + s) + (t + u) + plus);
    joints.into_iter().for_each(|mut joint| joint.done(op));
    addend
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The identity above, on numbers: every party's terms, each counted once.
    #[test]
    fn terms_add_up_to_the_product() {
        let (x, y) = ([3i64, -5, 7, 11], [2i64, 13, -17, 4]);
        let mut sum = 0;
        for me in 0..4 {
            for other in me + 1..4 {
                let ([m, n], matched) = term(me, other);
                assert_eq!(term(other, me), ([m, n], matched));
                sum += match matched {
                    true => -(x[m] - x[n]) * (y[m] - y[n]),
                    false => (x[m] + x[n]) * (y[m] + y[n]),
                };
            }
        }
        assert_eq!(sum, x.iter().sum::<i64>() * y.iter().sum::<i64>());
    }
}
