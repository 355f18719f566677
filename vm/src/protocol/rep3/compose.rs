//! Bits become a number, through an adder: for long words in fewer bits and more rounds than [`super::word`].
//!
//! Of n shared bits s_j = g_j ⊕ d_j, the corner knows g and A and B know d. They add a number m of n uniform bits, which only A and B know, and open the sum
//! to the corner:
//!
//! > w = s + m mod 2^n, s = w - m + 2^n c, with c the carry out of the sum.
//!
//! 1. Bits of s + m by the network of [`super::adder`]: generate and propagate of a position are (g ⊕ d) m and g ⊕ d ⊕ m, linear in g with coefficients that A and B know.
//! 2. A sends the corner the share of w that it misses. It learns w, which is uniform as m is. It shares its half of c between A and B, modulo 2^{k-n}, as for
//!    a word of one bit.
//! 3. The corner shares w: a stream that it has in common with A, and the rest, uniform to B. A and B exchange their masked parts of c. The third
//!    share, known to both, is -m and what they know of c.

use tern_bytecode::circuit::Adder;

use super::adder;
use super::draw::Draw;
use super::op::{Op, Role};
use super::reshare::{Shares, shares};
use super::word::half;
use crate::bits::{self, planes, words};
use crate::ring::Ring;
use crate::rounds::engine::Message;
use crate::rounds::pack::{pack, packed, unpack};

/// The number of which each of `places` is a bit, lowest first; fewer of them than the ring has bits.
pub(super) async fn compose<R: Ring>(op: Op<'_, R>, places: Vec<Shares<u64>>, n: usize) -> Shares<R> {
    let count = places.len() as u32;
    let added = match op.role() {
        Role::Corner => Vec::new(),
        role @ (Role::A | Role::B) => {
            let other = op.side(role.partner());
            op.make(n, [op.narrow(other, Draw::Added, count)], [], |[m], []| m)
        }
    };
    let adder = Adder::new(0, count + 1);
    let mut sums = masked_sums(op, &adder, places, &added, n).await;
    // There is a sum bit per place and one for the carry.
    let carry = sums.pop().unwrap_or_else(|| unreachable!("an adder of {count} places"));
    let width = R::BITS - count;
    let carry = half(op, carry, n);
    match op.role() {
        Role::Corner => at_corner(op, sums, carry, width).await,
        Role::A => {
            let corner = op.side(Role::Corner);
            let missing: Vec<u64> = sums.iter().flat_map(|sum| &sum[op.side(Role::B)]).copied().collect();
            op.tell([(corner, Message::planes(missing, n))]).await;
            let mut part = op.make(n, [op.narrow(corner, Draw::Convert, width)], [], |[part], []| part);
            mask_part(op, &mut part, &carry, width);
            let theirs = op.pass_bytes(op.side(Role::B), pack(&part, width), op.side(Role::B)).await;
            let between = between(op, [&carry, &part, &added], &theirs, width);
            let masks = [op.masks(corner, Draw::Word), op.narrow(corner, Draw::Product, width)];
            let at_a = op.make(n, masks, [], move |[w, c], []| w + c.shl(count));
            shares(op, at_a, Vec::new(), between)
        }
        Role::B => {
            let (corner, other) = (op.side(Role::Corner), op.side(Role::A));
            let [bytes] = op.hear([(corner, Message::bytes(packed(n, width)))]).await;
            let mut part = op.room(n);
            unpack(&bytes.into_bytes(), width, &mut part);
            mask_part(op, &mut part, &carry, width);
            let room = [(corner, Message::Elements(op.room(n))), (other, Message::bytes(packed(n, width)))];
            let ours = Message::Bytes(pack(&part, width));
            let (_, [at_b, theirs]) = op.round([(other, ours)], room).await;
            let between = between(op, [&carry, &part, &added], &theirs.into_bytes(), width);
            let mut at_b = at_b.into_elements();
            let mask = [op.narrow(corner, Draw::Product, width)];
            op.each(&mut at_b, mask, [], move |w, [c], []| w + c.shl(count));
            shares(op, Vec::new(), at_b, between)
        }
    }
}

/// Bits of the number plus what A and B add, and the carry out of them.
async fn masked_sums<R: Ring>(
    op: Op<'_, R>,
    adder: &Adder,
    places: Vec<Shares<u64>>,
    added: &[R],
    n: usize,
) -> Vec<Shares<u64>> {
    let (count, width) = (places.len(), words(n));
    let threads = &op.world.threads;
    let (mut own, mut factor) = (vec![0; (count + 1) * width], vec![0; (count + 1) * width]);
    if op.role() != Role::Corner {
        planes::split(threads, &mut factor, width, added, 0, count as u32);
    }
    for (j, place) in places.iter().enumerate() {
        let range = j * width..(j + 1) * width;
        let known = match op.role() {
            Role::Corner => [&place.next[..], &place.prev],
            role @ (Role::A | Role::B) => [&place[op.side(role.partner())][..], &factor[range.clone()]],
        };
        bits::apply(threads, &mut own[range], known, |_, [x, y]| x ^ y);
    }
    adder::masked(op, adder, n, own, factor).await
}

/// What the corner does after the sum: it learns the sum, shares it, and shares its half of the carry.
async fn at_corner<R: Ring>(op: Op<'_, R>, sums: Vec<Shares<u64>>, carry: Vec<R>, width: u32) -> Shares<R> {
    let (to_a, to_b, n, count) = (op.side(Role::A), op.side(Role::B), carry.len(), sums.len());
    let mut g = carry;
    op.each(&mut g, [op.narrow(to_a, Draw::Convert, width)], [], |g, [mask], []| g - mask);
    let room = Message::room_for_planes(count, n);
    let (_, [opened]) = op.round([(to_b, Message::Bytes(pack(&g, width)))], [(to_a, room)]).await;
    let mut sum = opened.into_planes(count, n);
    for (plane, share) in sum.chunks_exact_mut(words(n).max(1)).zip(&sums) {
        bits::apply(&op.world.threads, plane, [&share.next[..], &share.prev], |x, [y, z]| x ^ y ^ z);
    }
    planes::join(&op.world.threads, &mut g, &sum, words(n), count as u32);
    op.each(&mut g, [op.masks(to_a, Draw::Word)], [], |w, [mask], []| w - mask);
    let [sent] = op.tell([(to_b, Message::Elements(g))]).await;
    let up = count as u32;
    let masks = [op.masks(to_a, Draw::Word), op.narrow(to_a, Draw::Product, width)];
    let at_a = op.make(n, masks, [], move |[w, c], []| w + c.shl(up));
    let mut at_b = sent.into_elements();
    op.each(&mut at_b, [op.narrow(to_b, Draw::Product, width)], [], move |w, [c], []| w + c.shl(up));
    shares(op, at_a, at_b, Vec::new())
}

/// A's or B's part of (1 - 2 d) g, less the mask that it has in common with the corner.
fn mask_part<R: Ring>(op: Op<'_, R>, part: &mut [R], d: &[R], width: u32) {
    let mask = op.narrow(op.side(Role::Corner), Draw::Product, width);
    op.each(part, [mask], [d], |part, [mask], [d]| part.negate_if(d) - mask);
}

/// The share that A and B have in common: 2^n (d + both masked parts) - m.
fn between<R: Ring>(op: Op<'_, R>, [d, ours, added]: [&[R]; 3], theirs: &[u8], width: u32) -> Vec<R> {
    let mut sum = op.room(d.len());
    unpack(theirs, width, &mut sum);
    let up = R::BITS - width;
    op.each(&mut sum, [], [d, ours, added], move |theirs, [], [d, ours, m]| (d + ours + theirs).shl(up) - m);
    sum
}
