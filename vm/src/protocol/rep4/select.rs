//! A bit selects a value, without becoming a number itself.
//!
//! For s = p ⊕ q (p known to H, q to L) and x = a + b: s·x = p·a (1 - 2 q) + q·b (1 - 2 p) + p·b + q·a.
//!
//! 1. H share p and p·a, L share q and q·b.
//! 2. With a = x_l + x_l' and b = x_h + x_h', the rest is a sum over i in L and j in H of p_i (x_j - 2 (q b)_j) + q_j (x_i - 2 (p a)_i), each term known to a pair.
//!
//! Left additive, the terms are all, with p·a and q·b themselves. Replicated, each pair shares its term. The shares of p and q serve later
//! selections by the same bit.

use tern_bytecode::model::rep4::Cast;

use super::draw::Draw;
use super::op::{Joint, Op, ROLES, Shares, factors, partner, share};
use super::reshare::missing;
use super::word::{half, known};
use crate::ring::Ring;

/// `x` where `bit` is set, else 0: shares, or terms by partner if `additive`; and the shares of the bit's halves. `kept` are those, if an
/// earlier selection by this bit left them.
pub(super) async fn select<R: Ring>(
    op: Op<'_, R>,
    bit: Shares<u64>,
    x: Shares<R>,
    n: usize,
    kept: Option<Shares<R>>,
    additive: bool,
) -> (Shares<R>, Shares<R>) {
    let own = half::<R>(op, &bit, n);
    let [one, other] = missing(op).map(|role| &x[role][..]);
    // d is 0 or 1: a product takes the same steps for both
    let chosen = |[d]: [R; 1], x: R, y: R| d * (x + y);
    let mut joints = Vec::with_capacity(4);
    for (i, ways) in [Cast::OF_A, Cast::OF_B].into_iter().enumerate() {
        joints.push(Joint::new(op, ways[1], Draw::Chosen(i), R::BITS, n, |mask| {
            op.make(n, [mask], [&own, one, other], move |[r], [d, x, y]| chosen([d], x, y) - r)
        }));
    }
    if kept.is_none() {
        for (i, ways) in [Cast::OF_A, Cast::OF_B].into_iter().enumerate() {
            joints.push(Joint::new(op, ways[0], Draw::Half(i), R::BITS, n, |mask| {
                op.make(n, [mask], [&own], |[r], [d]| d - r)
            }));
        }
    }
    let joints = share(op, joints).await;
    let halves = kept.unwrap_or_else(|| known(op, &joints[2], &joints[3]));
    let products = known(op, &joints[0], &joints[1]);
    let factors_of = |way| {
        let [i, j] = factors(way);
        [&halves[i][..], &halves[j], &products[i], &products[j], &x[i], &x[j]]
    };
    let result = if additive {
        let mut z = op.zero_shares(n);
        for way in Cast::BILINEAR.into_iter().filter(|way| [way.from, way.checker].contains(&op.role)) {
            let src = factors_of(way);
            op.each(&mut z[partner(way, op.role)], [], src, |_, [], src| product(src));
        }
        let mate = mate(op.role);
        op.each(&mut z[mate], [], [&own, one, other], move |_, [], [d, x, y]| chosen([d], x, y));
        z
    } else {
        let joint = |(i, way)| {
            Joint::new(op, way, Draw::Select(i), R::BITS, n, |mask| {
                op.make(n, [mask], factors_of(way), |[r], src| product(src) - r)
            })
        };
        let terms = share(op, Cast::BILINEAR.into_iter().enumerate().map(joint).collect()).await;
        let mut shares = op.zero_shares(n);
        for joint in joints[..2].iter().chain(&terms) {
            joint.add_to(op, &mut shares, 0);
        }
        terms.into_iter().for_each(|joint| joint.done(op));
        shares
    };
    joints.into_iter().for_each(|joint| joint.done(op));
    products.into_iter().chain(x).chain([own]).for_each(|summand| op.recycle(summand));
    (result, halves)
}

/// The other of H or of L.
fn mate(role: usize) -> usize {
    ROLES[role ^ 1]
}

/// p_i (x_j - 2 (q b)_j) + q_j (x_i - 2 (p a)_i).
#[inline(always)]
fn product<R: Ring>([p, q, pa, qb, x, y]: [R; 6]) -> R {
    p * (y - qb.shl(1)) + q * (x - pa.shl(1))
}
