//! Truncation: division by 2^m, probabilistic or to the nearest.
//!
//! In the two-addend view of [`super::reshare`], x = a + b mod 2^k. First 2^{k-2} is added to a, so that 0 ≤ x < 2^{k-1} for signed x within ±2^{k-2}; then
//! the addition wraps around exactly if msb(a) or msb(b) is set. With u = (a ≫ m) - 2^{k-m} msb(a), v = (b ≫ m) - 2^{k-m} msb(b):
//!
//! > (a ≫ m) + (b ≫ m) - 2^{k-m} (msb(a) ∨ msb(b)) = u + v + 2^{k-m} msb(a) msb(b),
//!
//! which is ⌊x/2^m⌋ less the carry out of the low m bits.
//!
//! 1. H share u (k bits) and msb(a) modulo 2^m, L share v and msb(b).
//! 2. Of msb(a) = s_l + s_l' and msb(b) = t_h + t_h', each of the four products s_i t_j is known to a pair, which shares it modulo 2^m: it is scaled by 2^{k-m}.
//!
//! **Probabilistic.** With a - 1 in place of a, and 1 added at the end, this is ⌊(x + r)/2^m⌋ for r = 2^m - 1 - (b mod 2^m), which is uniform if b mod 2^m is. Of a
//! replicated value b may be a constant, so a pad from the public seed moves between the addends first. **Nearest.** 2^{m-1} is added to a, and
//! the carry out of the low m bits, from the adder, made arithmetic ([`super::word`]), to the result; side by side with the above.
//!
//! Range: |x| < 2^{k-2} (nearest: less 2^{m-1}). (Dalskov et al., PoPETs 2020 and USENIX Security 2021.)

use tern_bytecode::circuit::Adder;
use tern_bytecode::model::rep4::Cast;
use tern_bytecode::program::Rounding;

use super::draw::Draw;
use super::op::{Joint, Op, Shares, known, share, total};
use super::reshare::{addend, collect};
use super::{adder, word};
use crate::ring::Ring;
use crate::rounds::engine::join;

/// A value to truncate.
pub(super) enum Operand<R> {
    /// Replicated.
    Shared(Shares<R>),
    /// This party's terms, by partner.
    Additive(Shares<R>),
}

/// The value divided by 2^m.
pub(super) async fn truncate<R: Ring>(
    op: Op<'_, R>,
    x: Operand<R>,
    n: usize,
    m: u32,
    rounding: Rounding,
) -> Shares<R> {
    let (offset, back) = (R::power_of_two(R::BITS - 2), R::power_of_two(R::BITS - 2 - m));
    let (before, after) = match rounding {
        Rounding::Probabilistic => (offset - R::ONE, R::ONE - back),
        Rounding::Nearest => (offset + R::power_of_two(m - 1), -back),
    };
    let own = match x {
        Operand::Shared(x) => padded(op, addend(op, x), before),
        Operand::Additive(z) => collect(op, z, n, before).await,
    };
    match rounding {
        Rounding::Probabilistic => {
            let shared = share_parts(op, &own, m).await;
            op.recycle(own); // the shares that are made take more than all that was before
            high_parts(op, shared, n, m, after).await
        }
        Rounding::Nearest => {
            let high = async { high_parts(op, share_parts(op, &own, m).await, n, m, after).await };
            let (mut high, carry) = join(high, carried(op, &own, m)).await;
            op.recycle(own);
            for role in op.others() {
                op.each(&mut high[role], [], [&carry[role]], |x, [], [c]| x + c);
            }
            carry.into_iter().for_each(|summand| op.recycle(summand));
            high
        }
    }
}

/// Moves a pad that everybody knows from one addend to the other; `plus` is added to a.
fn padded<R: Ring>(op: Op<'_, R>, mut own: Vec<R>, plus: R) -> Vec<R> {
    let pad = [op.public_stream(Draw::Pad).values(R::BITS)];
    match op.is_high() {
        true => op.each(&mut own, pad, [], move |a, [pad], []| a + pad + plus),
        false => op.each(&mut own, pad, [], |b, [pad], []| b - pad),
    }
    own
}

/// What H and L have shared of the two addends.
struct Shared<R> {
    /// u and v.
    high: Vec<Joint<R>>,
    /// msb(a) and msb(b), modulo 2^m.
    tops: Vec<Joint<R>>,
}

/// Shares u, v and the highest bits. One round.
async fn share_parts<R: Ring>(op: Op<'_, R>, own: &[R], m: u32) -> Shared<R> {
    let n = own.len();
    let ways = [Cast::OF_A, Cast::OF_B].into_iter().enumerate();
    let mut joints: Vec<_> = ways
        .clone()
        .map(|(i, ways)| {
            let high = (n, R::BITS);
            Joint::new(op, (ways[0], Draw::High(i)), high, |mask| {
                op.message(high, [mask], [own], move |[r], [x]| x.sar(m) - r)
            })
        })
        .collect();
    joints.extend(ways.map(|(i, ways)| {
        Joint::new(op, (ways[1], Draw::Top(i)), (n, m), |mask| {
            op.message((n, m), [mask], [own], |[r], [x]| x.shr(R::BITS - 1) - r)
        })
    }));
    let mut high = share(op, joints).await;
    let tops = high.split_off(2);
    Shared { high, tops }
}

/// (a ≫ m) + (b ≫ m) - 2^{k-m} (msb(a) ∨ msb(b)) + `plus`. One round.
async fn high_parts<R: Ring>(op: Op<'_, R>, of: Shared<R>, n: usize, m: u32, plus: R) -> Shares<R> {
    let Shared { high, mut tops } = of;
    let product = |(i, way)| {
        Joint::new(op, (way, Draw::Wrap(i)), (n, m), |mask| {
            let [s, t] = known(op, [&tops[0], &tops[1]], way);
            op.message((n, m), [mask, s, t], [], |[r, s, t], []| s * t - r)
        })
    };
    let products: Vec<_> = Cast::BILINEAR.into_iter().enumerate().map(product).collect();
    tops.iter_mut().for_each(|top| top.done(op));
    let products = share(op, products).await;
    let high = high.into_iter().map(|joint| (joint, 0));
    let wraps = products.into_iter().map(|joint| (joint, R::BITS - m));
    total(op, n, high.chain(wraps).collect(), plus)
}

/// The carry out of the low m bits of a + b, as an element.
async fn carried<R: Ring>(op: Op<'_, R>, own: &[R], m: u32) -> Shares<R> {
    let carry = adder::carry(op, &Adder::new(m, m), own).await;
    word::bit_to_element(op, carry, own.len()).await
}
