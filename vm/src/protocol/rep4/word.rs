//! Bits become numbers.
//!
//! Of a shared bit s = p ⊕ q, both of H know p (the exclusive or of the summands that L lack) and both of L know q, and s = p + q - 2 p q. Each pair shares its half; then
//! of the product of p = p_l + p_l' and q = q_h + q_h', each of the four p_i q_j is known to a pair, which shares it.
//!
//! **A word** Σ 2^j s_j takes only one round of products: they are added up before. Since p_j and q_j are scaled by 2^j, they are shared with k - j bits.

use tern_bytecode::model::rep4::Cast;

use super::draw::Draw;
use super::op::{Joint, Op, ROLES, Shares, factors, share};
use super::reshare::missing;
use crate::bits::{self, planes};
use crate::ring::Ring;

/// The number of which each of `places` is a bit, lowest first. Two rounds.
pub(super) async fn word<R: Ring>(op: Op<'_, R>, places: Vec<Shares<u64>>, n: usize) -> Shares<R> {
    let mut joints = Vec::new();
    for (j, bit) in places.into_iter().take(R::BITS as usize).enumerate() {
        let j = j as u32;
        joints.extend(halves(op, &bit, n, R::BITS - j, |i| Draw::Place(j, i)));
    }
    let joints = share(op, joints).await;
    let mut shares = op.zero_shares(n);
    for (j, pair) in joints.chunks(2).enumerate() {
        pair.iter().for_each(|joint| joint.add_to(op, &mut shares, j as u32));
    }
    let products = products(op, &joints, n, R::BITS, Draw::Word);
    let products = share(op, products).await;
    for joint in &products {
        joint.add_to(op, &mut shares, 0);
    }
    joints.into_iter().chain(products).for_each(|joint| joint.done(op));
    shares
}

/// A bit as a number. Two rounds.
pub(super) async fn bit_to_element<R: Ring>(op: Op<'_, R>, bit: Shares<u64>, n: usize) -> Shares<R> {
    let joints = share(op, halves(op, &bit, n, R::BITS, Draw::Convert)).await;
    let products = share(op, products(op, &joints, n, R::BITS, Draw::Product)).await;
    let mut shares = op.zero_shares(n);
    for joint in joints.into_iter().chain(products) {
        joint.add_to(op, &mut shares, 0);
        joint.done(op);
    }
    shares
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
        Joint::new(op, way, draw(i), bits, n, |mask| op.make(n, [mask], [&known], |[r], [s]| s - r))
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
    let mine = |way: tern_bytecode::model::rep4::Way| op.role == way.from || op.role == way.checker;
    let mut sums = Cast::BILINEAR.map(|way| if mine(way) { op.zeros(n) } else { Vec::new() });
    for (j, pair) in halves.chunks(2).enumerate() {
        let known = known(op, &pair[0], &pair[1]);
        for (sum, way) in sums.iter_mut().zip(Cast::BILINEAR).filter(|(_, way)| mine(*way)) {
            let [p, q] = factors(way).map(|role| &known[role][..]);
            op.each(sum, [], [p, q], move |sum, [], [p, q]| sum - (p * q).shl(j as u32 + 1));
        }
        known.into_iter().for_each(|summand| op.recycle(summand));
    }
    let mut sums = sums.into_iter();
    let joint = |(i, way)| {
        let sum = sums.next().unwrap_or_default();
        Joint::new(op, way, draw(i), bits, n, |mask| {
            let mut sum = sum;
            op.each(&mut sum, [mask], [], |x, [r], []| x - r);
            sum
        })
    };
    Cast::BILINEAR.into_iter().enumerate().map(joint).collect()
}

/// What this party has of two values of which H shared one and L the other: the summands of the first by the roles of L, those of
/// the second by the roles of H.
pub(super) fn known<R: Ring>(op: Op<'_, R>, of_a: &Joint<R>, of_b: &Joint<R>) -> Shares<R> {
    ROLES.map(|role| match (role == op.role, Cast::L.contains(&role)) {
        (true, _) => Vec::new(),
        (false, true) => of_a.summand(op, role),
        (false, false) => of_b.summand(op, role),
    })
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
