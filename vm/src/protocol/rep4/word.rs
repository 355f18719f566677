//! Bits become numbers.
//!
//! Of a shared bit s = p ⊕ q, both of H know p (the exclusive or of the summands that L lack) and both of L know q, and s = p + q - 2 p q. Each pair shares its half; then
//! of the product of p = p_l + p_l' and q = q_h + q_h', each of the four p_i q_j is known to a pair, which shares it.
//!
//! **A word** Σ 2^j s_j takes only one round of products: they are added up before. Since p_j and q_j are scaled by 2^j, they are shared with k - j bits.

use tern_bytecode::model::rep4::{Cast, Way};

use super::draw::Draw;
use super::op::{Joint, Op, Shares, known, share, total};
use super::reshare::missing;
use crate::bits::{self, planes};
use crate::ring::Ring;

/// The number of which each of `places` is a bit, lowest first. Two rounds.
pub(super) async fn word<R: Ring>(op: Op<'_, R>, places: Vec<Shares<u64>>, n: usize) -> Shares<R> {
    let mut joints = Vec::new();
    for (j, bit) in (0..R::BITS).zip(&places) {
        joints.extend(halves(op, bit, n, R::BITS - j, |i| Draw::Place(j, i)));
    }
    drop(places);
    let joints = share(op, joints).await;
    let products = share(op, products(op, &joints, n, R::BITS, Draw::Word)).await;
    let halves = joints.into_iter().enumerate().map(|(i, joint)| (joint, i as u32 / 2));
    total(op, n, halves.chain(products.into_iter().map(|joint| (joint, 0))).collect(), R::ZERO)
}

/// A bit as a number. Two rounds.
pub(super) async fn bit_to_element<R: Ring>(op: Op<'_, R>, bit: Shares<u64>, n: usize) -> Shares<R> {
    let joints = share(op, halves(op, &bit, n, R::BITS, Draw::Convert)).await;
    let products = share(op, products(op, &joints, n, R::BITS, Draw::Product)).await;
    total(op, n, joints.into_iter().chain(products).map(|joint| (joint, 0)).collect(), R::ZERO)
}

/// Both halves of a bit, to be shared with `bits` bits.
pub(super) fn halves<R: Ring>(
    op: Op<'_, R>,
    bit: &Shares<u64>,
    n: usize,
    bits: u32,
    draw: impl Fn(usize) -> Draw,
) -> Vec<Joint<R>> {
    let known = half(op, bit, n);
    let joint = |(i, way)| {
        Joint::new(op, (way, draw(i)), (n, bits), |mask| {
            op.message((n, bits), [mask], [&known], |[r], [s]| s - r)
        })
    };
    let joints = [Cast::OF_A[0], Cast::OF_B[0]].into_iter().enumerate().map(joint).collect();
    op.recycle(known);
    joints
}

/// -Σ 2^{j+1} p_j q_j of halves in turn, to be shared with `bits` bits.
pub(super) fn products<R: Ring>(
    op: Op<'_, R>,
    halves: &[Joint<R>],
    n: usize,
    bits: u32,
    draw: fn(usize) -> Draw,
) -> Vec<Joint<R>> {
    let joint = |(i, way): (usize, Way)| {
        Joint::new(op, (way, draw(i)), (n, bits), |mask| {
            if let [of_a, of_b] = halves {
                let [p, q] = known(op, [of_a, of_b], way);
                return op.message((n, bits), [mask, p, q], [], |[r, p, q], []| -(p * q).shl(1) - r);
            }
            let mut sum = op.zeros(n);
            for (pair, up) in halves.chunks(2).zip(1u32..) {
                let pair = known(op, [&pair[0], &pair[1]], way);
                op.each(&mut sum, pair, [], move |sum, [p, q], []| sum - (p * q).shl(up));
            }
            let message = op.message((n, bits), [mask], [&sum], |[r], [sum]| sum - r);
            op.recycle(sum);
            message
        })
    };
    Cast::BILINEAR.into_iter().enumerate().map(joint).collect()
}

/// The half of a bit that this party knows, as 0 or 1.
pub(super) fn half<R: Ring>(op: Op<'_, R>, bit: &Shares<u64>, n: usize) -> Vec<R> {
    let [one, other] = missing(op).map(|role| &bit[role]);
    let mut known = one.clone();
    bits::apply(&op.world.threads, &mut known, [other], |x, [y]| x ^ y);
    let mut half = op.room(n);
    planes::join(&op.world.threads, &mut half, &known, bits::words(n), 1);
    half
}
