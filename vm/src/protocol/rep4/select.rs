//! A bit selects a value, without becoming a number itself.
//!
//! For s = p ⊕ q (p known to H, q to L) and x = a + b: s·x = p·a (1 - 2 q) + q·b (1 - 2 p) + p·b + q·a.
//!
//! 1. H share p and p·a, L share q and q·b.
//! 2. With a = x_l + x_l' and b = x_h + x_h', the rest is a sum over i in L and j in H of p_i (x_j - 2 (q b)_j) + q_j (x_i - 2 (p a)_i), each term known to a pair.
//!
//! Left additive, the terms are all, with p·a and q·b themselves. Replicated, each pair shares its term. The shares of p and q serve later
//! selections by the same bit.

use bytemuck::cast_slice;
use tern_bytecode::model::rep4::Cast;

use super::draw::Draw;
use super::op::{Joint, Op, ROLES, Shares, factors, known, partner, share, total};
use super::reshare::missing;
use super::word::half;
use crate::prg::Values;
use crate::protocol::linear::Halves;
use crate::ring::Ring;

/// `x` where `bit` is set, else 0: shares, or terms by partner if `additive`; and the halves' shares if they are to be kept.
pub(super) async fn select<R: Ring>(
    op: Op<'_, R>,
    bit: Shares<u64>,
    x: Shares<R>,
    n: usize,
    halves: Halves<R, 4>,
    additive: bool,
) -> (Shares<R>, Shares<R>) {
    let own = half::<R>(op, &bit, n);
    let [one, other] = missing(op).map(|role| &x[role][..]);
    let whole = (n, R::BITS);
    // d is 0 or 1: a product takes the same steps for both
    let chosen = |[d, x, y]: [R; 3]| d * (x + y);
    let ways = [Cast::OF_A, Cast::OF_B].into_iter().enumerate();
    let mut joints: Vec<_> = ways
        .clone()
        .map(|(i, ways)| {
            Joint::new(op, (ways[1], Draw::Chosen(i)), whole, |mask| {
                op.message(whole, [mask], [&own, one, other], |[r], src| chosen(src) - r)
            })
        })
        .collect();
    if !matches!(halves, Halves::Kept(_)) {
        joints.extend(ways.map(|(i, ways)| {
            Joint::new(op, (ways[0], Draw::Half(i)), whole, |mask| {
                op.message(whole, [mask], [&own], |[r], [d]| d - r)
            })
        }));
    }
    let mut joints = share(op, joints).await;
    let shared = joints.split_off(2);
    let factors_of = |way| {
        let [i, j] = factors(way);
        let [pa, qb] = known(op, [&joints[0], &joints[1]], way);
        let [p, q] = match &halves {
            Halves::Kept(kept) => [&kept[i], &kept[j]].map(|half| Values::packed(cast_slice(half), R::BITS)),
            Halves::New | Halves::Keep => known(op, [&shared[0], &shared[1]], way),
        };
        ([p, q, pa, qb], [&x[i][..], &x[j]])
    };
    let result = if additive {
        let mut z: Shares<R> = Default::default();
        for way in Cast::BILINEAR.into_iter().filter(|way| [way.from, way.checker].contains(&op.role)) {
            let (words, src) = factors_of(way);
            z[partner(way, op.role)] = op.make(n, words, src, product);
        }
        z[mate(op.role)] = op.make(n, [], [&own, one, other], |[], src| chosen(src));
        joints.into_iter().for_each(|mut joint| joint.done(op));
        z
    } else {
        let joint = |(i, way)| {
            Joint::new(op, (way, Draw::Select(i)), whole, |mask| {
                let ([p, q, pa, qb], src) = factors_of(way);
                let less = |[r, p, q, pa, qb]: [R; 5], src| product([p, q, pa, qb], src) - r;
                op.message(whole, [mask, p, q, pa, qb], src, less)
            })
        };
        let terms = share(op, Cast::BILINEAR.into_iter().enumerate().map(joint).collect()).await;
        total(op, n, joints.into_iter().chain(terms).map(|joint| (joint, 0)).collect(), R::ZERO)
    };
    let kept = match halves {
        Halves::Keep => shares(op, [&shared[0], &shared[1]], n),
        Halves::New => Shares::default(),
        Halves::Kept(kept) => {
            kept.into_iter().for_each(|half| op.recycle(half));
            Shares::default()
        }
    };
    shared.into_iter().for_each(|mut joint| joint.done(op));
    x.into_iter().chain([own]).for_each(|summand| op.recycle(summand));
    (result, kept)
}

/// The shares of two values of which H shared one and L the other: of the first what one of L lacks, of the second what one of H lacks.
fn shares<R: Ring>(op: Op<'_, R>, [of_a, of_b]: [&Joint<R>; 2], n: usize) -> Shares<R> {
    ROLES.map(|role| {
        let joint = if Cast::L.contains(&role) { of_a } else { of_b };
        let word = (role != op.role).then(|| joint.word(op, role)).flatten();
        word.map_or_else(Vec::new, |word| op.make(n, [word], [], |[x], []| x))
    })
}

/// The other of H or of L.
fn mate(role: usize) -> usize {
    ROLES[role ^ 1]
}

/// p_i (x_j - 2 (q b)_j) + q_j (x_i - 2 (p a)_i).
#[inline(always)]
fn product<R: Ring>([p, q, pa, qb]: [R; 4], [x, y]: [R; 2]) -> R {
    p * (y - qb.shl(1)) + q * (x - pa.shl(1))
}
