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
use super::op::{Op, Role};
use super::ring::{Pair, Side};
use crate::bits;
use crate::ring::Ring;
use crate::rounds::engine::Message;

/// A replicated value: `[side]` is the summand that this party has in common with that neighbour.
pub(super) type Shares<T> = Pair<Vec<T>>;

/// Summands to replicated shares, around the ring.
pub(super) async fn reshare<R: Ring>(op: Op<'_, R>, mut z: Vec<R>) -> Shares<R> {
    let (to, from) = (op.onward(), op.onward().other());
    let masks = [to, from].map(|side| op.masks(side, Draw::Reshare));
    op.each(&mut z, masks, [], |z, [plus, minus], []| z + plus - minus);
    let (ours, theirs) = op.pass(to, z, from).await;
    match to {
        Side::Next => Pair::new(ours, theirs),
        Side::Prev => Pair::new(theirs, ours),
    }
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
    let (z, theirs) = op.pass_planes(to, z, from, n).await;
    match to {
        Side::Next => Pair::new(z, theirs),
        Side::Prev => Pair::new(theirs, z),
    }
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
            op.each(&mut shares.next, [], [&shares.prev], |x, [], [y]| x + y);
            op.recycle(shares.prev);
            shares.next
        }
        role @ (Role::A | Role::B) => {
            op.recycle(std::mem::take(&mut shares[op.side(Role::Corner)]));
            std::mem::take(&mut shares[op.side(role.partner())])
        }
    }
}

/// The addend that this party knows, of an additive value; `plus` is added to the corner's. One round.
pub(super) async fn to_pair<R: Ring>(op: Op<'_, R>, mut z: Vec<R>, plus: R) -> Vec<R> {
    let n = z.len();
    match op.role() {
        Role::Corner => {
            let room = [Role::A, Role::B].map(|role| (op.side(role), Message::Elements(op.room(n))));
            let [one, two] = op.hear(room).await.map(Message::into_elements);
            op.each(&mut z, [], [&one, &two], move |z, [], [one, two]| z + one + two + plus);
            [one, two].into_iter().for_each(|vec| op.recycle(vec));
            z
        }
        role @ (Role::A | Role::B) => {
            let other = op.side(role.partner());
            let masks = [Draw::PairA, Draw::PairB].map(|draw| op.masks(other, draw));
            let own = if role == Role::A { masks[0] } else { masks[1] };
            op.each(&mut z, [own], [], |z, [r], []| z - r);
            let [sent] = op.tell([(op.side(Role::Corner), Message::Elements(z))]).await;
            let mut sum = sent.into_elements();
            op.each(&mut sum, masks, [], |_, [r, s], []| r + s);
            sum
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
