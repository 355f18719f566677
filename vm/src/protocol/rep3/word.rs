//! Bits become numbers.
//!
//! Of a shared bit s = g ⊕ d, the corner knows g (the exclusive or of its two shares), A and B know d, and s = d + (1 - 2d) g. The corner shares g between A and B: g_A is a stream of
//! C and A, g_B = g - g_A is sent to B, uniform to it. Then A and B hold (1 - 2d) g additively; each sends its part to the other, less a mask that it has in
//! common with C (ρ, σ), uniform to the receiver. Shares: C and A have ρ, C and B σ, A and B the sum of the messages and d.
//!
//! **A word** Σ 2^j s_j takes only one such exchange: the parts are added up before. Since g_j is scaled by 2^j, it is shared with k - j bits.

use super::draw::Draw;
use super::op::{Op, Role};
use super::reshare::{Shares, shares};
use super::ring::Side;
use crate::bits::{self, planes};
use crate::ring::Ring;
use crate::rounds::engine::Message;
use crate::rounds::pack::{pack, packed, unpack};

/// The number of which each of `places` is a bit, lowest first. Two rounds.
pub(super) async fn word<R: Ring>(op: Op<'_, R>, places: Vec<Shares<u64>>, n: usize) -> Shares<R> {
    let halves = places.into_iter().take(R::BITS as usize).map(|bit| half(op, bit, n));
    let width = |j: usize| R::BITS - j as u32;
    let mask = |side: Side, j: usize| op.narrow(side, Draw::Place(j as u32), width(j));
    match op.role() {
        Role::Corner => {
            let (to_a, to_b) = (op.side(Role::A), op.side(Role::B));
            let mut message = Vec::new();
            for (j, mut g) in halves.enumerate() {
                op.each(&mut g, [mask(to_a, j)], [], |g, [mask], []| g - mask);
                message.extend(pack(&g, width(j)));
                op.recycle(g);
            }
            op.tell([(to_b, Message::Bytes(message))]).await;
            op.idle().await;
            let [at_a, at_b] =
                [to_a, to_b].map(|side| op.make(n, [op.masks(side, Draw::Word)], [], |[mask], []| mask));
            shares(op, at_a, at_b, Vec::new())
        }
        Role::A => {
            let corner = op.side(Role::Corner);
            op.idle().await;
            let mut sum = Sum::new(op, n);
            for (j, d) in halves.enumerate() {
                let part = op.make(n, [mask(corner, j)], [], |[part], []| part);
                sum.add(op, j, d, part);
            }
            sum.exchange(op, Draw::Word).await
        }
        Role::B => {
            let halves: Vec<_> = halves.collect();
            let size = (0..halves.len()).map(|j| packed(n, width(j))).sum();
            let [message] = op.hear([(op.side(Role::Corner), Message::bytes(size))]).await;
            let message = message.into_bytes();
            let (mut rest, mut sum) = (&message[..], Sum::new(op, n));
            for (j, d) in halves.into_iter().enumerate() {
                let (bytes, more) = rest.split_at(packed(n, width(j)));
                rest = more;
                let mut part = op.room(n);
                unpack(bytes, width(j), &mut part);
                sum.add(op, j, d, part);
            }
            sum.exchange(op, Draw::Word).await
        }
    }
}

/// A bit as a number. Two rounds.
pub(super) async fn bit_to_element<R: Ring>(op: Op<'_, R>, bit: Shares<u64>, n: usize) -> Shares<R> {
    let mut own = half(op, bit, n);
    match op.role() {
        Role::Corner => {
            let (to_a, to_b) = (op.side(Role::A), op.side(Role::B));
            op.each(&mut own, [op.masks(to_a, Draw::Convert)], [], |g, [mask], []| g - mask);
            let [sent] = op.tell([(to_b, Message::Elements(own))]).await;
            op.recycle(sent.into_elements());
            op.idle().await;
            let [at_a, at_b] =
                [to_a, to_b].map(|side| op.make(n, [op.masks(side, Draw::Product)], [], |[mask], []| mask));
            shares(op, at_a, at_b, Vec::new())
        }
        Role::A => {
            op.idle().await;
            let mask = op.masks(op.side(Role::Corner), Draw::Convert);
            let part = op.make(n, [mask], [], |[part], []| part);
            let mut sum = Sum::new(op, n);
            sum.add(op, 0, own, part);
            sum.exchange(op, Draw::Product).await
        }
        Role::B => {
            let room = Message::Elements(op.room(n));
            let [part] = op.hear([(op.side(Role::Corner), room)]).await;
            let mut sum = Sum::new(op, n);
            sum.add(op, 0, own, part.into_elements());
            sum.exchange(op, Draw::Product).await
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
        role @ (Role::A | Role::B) => std::mem::take(&mut bit[op.side(role.partner())]),
    };
    let mut half = op.room(n);
    planes::join(threads, &mut half, &known, bits::words(n), 1);
    half
}

/// What A or B adds up over the places: Σ 2^j (1 - 2 d_j) g_j of its parts of g_j, and Σ 2^j d_j.
struct Sum<R> {
    product: Vec<R>,
    known: Vec<R>,
}

impl<R: Ring> Sum<R> {
    fn new(op: Op<'_, R>, n: usize) -> Self {
        let [mut product, mut known] = [op.room(n), op.room(n)];
        product.fill(R::ZERO);
        known.fill(R::ZERO);
        Self { product, known }
    }

    fn add(&mut self, op: Op<'_, R>, j: usize, d: Vec<R>, part: Vec<R>) {
        let j = j as u32;
        op.each(&mut self.product, [], [&d, &part], move |sum, [], [d, part]| sum + part.negate_if(d).shl(j));
        op.each(&mut self.known, [], [&d], move |sum, [], [d]| sum + d.shl(j));
        op.recycle(d);
        op.recycle(part);
    }

    /// The second round: exchanges the masked parts.
    async fn exchange(mut self, op: Op<'_, R>, draw: Draw) -> Shares<R> {
        let (corner, other) = (op.side(Role::Corner), op.side(op.role().partner()));
        op.each(&mut self.product, [op.masks(corner, draw)], [], |part, [mask], []| part - mask);
        let (ours, theirs) = op.pass(other, self.product, other).await;
        op.each(&mut self.known, [], [&ours, &theirs], |d, [], [ours, theirs]| d + ours + theirs);
        op.recycle(theirs);
        let mut mask = ours;
        op.each(&mut mask, [op.masks(corner, draw)], [], |_, [mask], []| mask);
        match op.role() {
            Role::Corner | Role::A => shares(op, mask, Vec::new(), self.known),
            Role::B => shares(op, Vec::new(), mask, self.known),
        }
    }
}
