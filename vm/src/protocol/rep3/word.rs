//! Bits become numbers.
//!
//! Of a shared bit s = g ⊕ d, the corner knows g (the exclusive or of its two shares), A and B know d, and s = d + (1 - 2d) g. The corner shares g between A and B: g_A is a stream of
//! C and A, g_B = g - g_A is sent to B, uniform to it. Then A and B hold (1 - 2d) g additively; each sends its part to the other, less a mask that it has in
//! common with C (ρ, σ), uniform to the receiver. Shares: C and A have ρ, C and B σ, A and B the sum of the messages and d.
//!
//! **A word** Σ 2^j s_j takes only one such exchange: the parts are added up before. Since g_j is scaled by 2^j, it is shared with k - j bits.

use super::draw::Draw;
use super::engine::{Message, Op, Role};
use super::pack::{pack, packed, unpack};
use super::reshare::{Shares, shares};
use crate::bits::{self, planes};
use crate::ring::Ring;

/// The number of which each of `places` is a bit, lowest first. Two rounds.
pub(super) async fn word<R: Ring>(op: Op<'_, R>, places: Vec<Shares<u64>>, n: usize) -> Shares<R> {
    let halves = places.into_iter().take(R::BITS as usize).map(|bit| half(op, bit, n));
    let width = |j: usize| R::BITS - j as u32;
    match op.role() {
        Role::Corner => {
            let (to_a, to_b) = (op.side(Role::A), op.side(Role::B));
            let messages: Vec<_> = halves
                .enumerate()
                .map(|(j, g)| {
                    let mut rest = op.values(to_a, Draw::Place(j as u32), width(j), n);
                    op.each(&mut rest, [&g], |mask, [g]| g - mask);
                    (to_b, Message::Bytes(pack(&rest, width(j))))
                })
                .collect();
            op.tell(messages).await;
            op.idle().await;
            let [at_a, at_b] = [to_a, to_b].map(|side| op.elements(side, Draw::Word, n));
            shares(op, at_a, at_b, Vec::new())
        }
        Role::A => {
            let corner = op.side(Role::Corner);
            op.idle().await;
            let parts = (0..).map(|j| op.values(corner, Draw::Place(j as u32), width(j), n));
            finish(op, corner_sum(op, halves.zip(parts), n), op.side(Role::B), Draw::Word).await
        }
        Role::B => {
            let corner = op.side(Role::Corner);
            let halves: Vec<_> = halves.collect();
            let sizes = (0..halves.len()).map(|j| packed(n, width(j)));
            let [message] = op.hear([(corner, Message::bytes(sizes.clone().sum()))]).await;
            let message = message.into_bytes();
            let mut rest = &message[..];
            let parts = sizes.enumerate().map(|(j, size)| {
                let (part, more) = rest.split_at(size);
                rest = more;
                unpack(part, n, width(j))
            });
            finish(op, corner_sum(op, halves.into_iter().zip(parts), n), op.side(Role::A), Draw::Word).await
        }
    }
}

/// A bit as a number. Two rounds.
pub(super) async fn bit_to_element<R: Ring>(op: Op<'_, R>, bit: Shares<u64>, n: usize) -> Shares<R> {
    let own = half(op, bit, n);
    match op.role() {
        Role::Corner => {
            let (to_a, to_b) = (op.side(Role::A), op.side(Role::B));
            let mut rest = op.elements(to_a, Draw::Convert, n);
            op.each(&mut rest, [&own], |mask, [g]| g - mask);
            op.tell([(to_b, Message::Elements(rest))]).await;
            op.idle().await;
            let [at_a, at_b] = [to_a, to_b].map(|side| op.elements(side, Draw::Product, n));
            shares(op, at_a, at_b, Vec::new())
        }
        Role::A => {
            op.idle().await;
            let part = op.elements(op.side(Role::Corner), Draw::Convert, n);
            finish(op, corner_sum(op, [(own, part)], n), op.side(Role::B), Draw::Product).await
        }
        Role::B => {
            let [part] = op.hear([(op.side(Role::Corner), Message::elements(n))]).await;
            let part = part.into_elements();
            finish(op, corner_sum(op, [(own, part)], n), op.side(Role::A), Draw::Product).await
        }
    }
}

/// The half of a bit that this party knows, g at the corner and d at the others, as 0 or 1.
pub(super) fn half<R: Ring>(op: Op<'_, R>, mut bit: Shares<u64>, n: usize) -> Vec<R> {
    let threads = &op.world.threads;
    let known = match op.role() {
        Role::Corner => {
            bits::apply(threads, &mut bit.next, [&bit.prev], |x, [y]| x ^ y);
            bit.next
        }
        Role::A => std::mem::take(&mut bit[op.side(Role::B)]),
        Role::B => std::mem::take(&mut bit[op.side(Role::A)]),
    };
    let mut half = vec![R::ZERO; n];
    planes::join(threads, &mut half, &known, bits::words(n), 1);
    half
}

/// What A or B computes from (d_j, its part of g_j): Σ 2^j (1 - 2 d_j) g_j and Σ 2^j d_j.
fn corner_sum<R: Ring>(
    op: Op<'_, R>,
    places: impl IntoIterator<Item = (Vec<R>, Vec<R>)>,
    n: usize,
) -> [Vec<R>; 2] {
    let (mut product, mut known) = (vec![R::ZERO; n], vec![R::ZERO; n]);
    for (j, (d, part)) in places.into_iter().enumerate() {
        let j = j as u32;
        op.each(&mut product, [&d, &part], |sum, [d, part]| {
            sum + if d == R::ZERO { part } else { -part }.shl(j)
        });
        op.each(&mut known, [&d], |sum, [d]| sum + d.shl(j));
    }
    [product, known]
}

/// A or B's second round: exchanges the masked parts.
async fn finish<R: Ring>(
    op: Op<'_, R>,
    [mut product, mut known]: [Vec<R>; 2],
    other: crate::net::Side,
    draw: Draw,
) -> Shares<R> {
    let mask = op.elements(other.other(), draw, product.len());
    op.each(&mut product, [&mask], |part, [mask]| part - mask);
    let theirs = op.swap_elements(other, product.clone()).await;
    op.each(&mut known, [&product, &theirs], |d, [ours, theirs]| d + ours + theirs);
    match op.role() {
        Role::Corner | Role::A => shares(op, mask, Vec::new(), known),
        Role::B => shares(op, Vec::new(), mask, known),
    }
}
