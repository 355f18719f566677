//! Additive to replicated form, of elements and of bits; and the two-addend view.
//!
//! **Resharing.** Party i holds z_i with z = z_0 + z_1 + z_2. With r_i the stream common to i and the next party around the ring, i sends w_i = z_i + r_i - r_{i-1} to the
//! next. The masks cancel in the sum, so the w_i are summands of z, and each is known to i and i+1: a replicated sharing. The receiver of w_i
//! knows r_i but not r_{i-1}, so w_i is uniform to it. For bits the same with exclusive or. (Araki et al., CCS 2016.)
//!
//! **Two addends.** For a corner C, x = a + b with a = x_A + x_B known to C alone and b = x_C known to A and B. Of a replicated value this view is free. Of an
//! additive one ([`to_pair`]), A and B each send their summand to C, masked with a stream of the pair A, B: C gets a = z_C + (z_A - r) + (z_B - r'), the other
//! two know b = r + r'. C knows neither mask, so both messages are uniform to it; A and B receive nothing.

use super::draw::Draw;
use super::engine::{Message, Op, Role};
use super::pack::{pack_planes, unpack_planes};
use crate::bits;
use crate::net::Pair;
use crate::ring::Ring;

/// A replicated value: `[side]` is the summand that this party has in common with that neighbour.
pub(super) type Shares<T> = Pair<Vec<T>>;

/// Summands to replicated shares, around the ring.
pub(super) async fn reshare<R: Ring>(op: Op<'_, R>, mut z: Vec<R>) -> Shares<R> {
    let (to, from) = (op.onward(), op.onward().other());
    let [plus, minus] = [to, from].map(|side| op.elements(side, Draw::Reshare, z.len()));
    op.each(&mut z, [&plus, &minus], |z, [plus, minus]| z + plus - minus);
    let message = Message::Elements(z.clone());
    let [theirs] = op.round([(to, message)], [(from, Message::elements(z.len()))]).await;
    let mut shares = Pair::new(z, theirs.into_elements());
    if to == crate::net::Side::Prev {
        std::mem::swap(&mut shares.next, &mut shares.prev);
    }
    shares
}

/// The same of planes of `n` bits.
pub(super) async fn reshare_planes<R: Ring>(
    op: Op<'_, R>,
    draw: Draw,
    mut z: Vec<u64>,
    n: usize,
) -> Shares<u64> {
    let (to, from) = (op.onward(), op.onward().other());
    let masks = [to, from].map(|side| op.words(side, draw, z.len()));
    bits::apply(&op.world.threads, &mut z, masks.each_ref().map(|m| &m[..]), |z, [a, b]| z ^ a ^ b);
    let planes = z.len().checked_div(bits::words(n)).unwrap_or(0);
    let message = pack_planes(&z, n);
    let room = Message::bytes(message.len());
    let [theirs] = op.round([(to, Message::Bytes(message))], [(from, room)]).await;
    let mut shares = Pair::new(z, unpack_planes(&theirs.into_bytes(), n, planes));
    if to == crate::net::Side::Prev {
        std::mem::swap(&mut shares.next, &mut shares.prev);
    }
    shares
}

/// One party's summand of the conjunction of shared bits.
#[inline(always)]
pub(super) fn and_summand(x: [u64; 2], y: [u64; 2]) -> u64 {
    x[0] & (y[0] ^ y[1]) ^ x[1] & y[0]
}

/// The addend that this party knows: a at the corner, b at the others.
pub(super) fn addend<R: Ring>(op: Op<'_, R>, mut shares: Shares<R>) -> Vec<R> {
    match op.role() {
        Role::Corner => {
            op.each(&mut shares.next, [&shares.prev], |x, [y]| x + y);
            shares.next
        }
        Role::A => std::mem::take(&mut shares[op.side(Role::B)]),
        Role::B => std::mem::take(&mut shares[op.side(Role::A)]),
    }
}

/// The addend that this party knows, of an additive value.
pub(super) async fn to_pair<R: Ring>(op: Op<'_, R>, mut z: Vec<R>) -> Vec<R> {
    let n = z.len();
    let masks = |side| [Draw::PairA, Draw::PairB].map(|draw| op.elements(side, draw, n));
    match op.role() {
        Role::Corner => {
            let room = [Role::A, Role::B].map(|role| (op.side(role), Message::elements(n)));
            let [one, two] = op.hear(room).await.map(Message::into_elements);
            op.each(&mut z, [&one, &two], |z, [one, two]| z + one + two);
            z
        }
        Role::A => {
            let [mut own, other] = masks(op.side(Role::B));
            op.each(&mut z, [&own], |z, [r]| z - r);
            op.tell([(op.side(Role::Corner), Message::Elements(z))]).await;
            op.each(&mut own, [&other], |r, [s]| r + s);
            own
        }
        Role::B => {
            let [other, mut own] = masks(op.side(Role::A));
            op.each(&mut z, [&own], |z, [r]| z - r);
            op.tell([(op.side(Role::Corner), Message::Elements(z))]).await;
            op.each(&mut own, [&other], |r, [s]| r + s);
            own
        }
    }
}

/// A replicated value of what the corner shares with A and with B (at A and B: of what it has in common with the corner), and of what A and
/// B have in common (at the corner: nothing).
pub(super) fn shares<T, R: Ring>(op: Op<'_, R>, at_a: Vec<T>, at_b: Vec<T>, between: Vec<T>) -> Shares<T> {
    let mut shares = Pair::new(Vec::new(), Vec::new());
    match op.role() {
        Role::Corner => {
            shares[op.side(Role::A)] = at_a;
            shares[op.side(Role::B)] = at_b;
        }
        Role::A => {
            shares[op.side(Role::Corner)] = at_a;
            shares[op.side(Role::B)] = between;
        }
        Role::B => {
            shares[op.side(Role::Corner)] = at_b;
            shares[op.side(Role::A)] = between;
        }
    }
    shares
}
