//! Values enter and leave.
//!
//! **Input.** The owner O shares x with one neighbour N and the third party T: the summand common to O and T is a stream r of theirs, the one common to O and N is x - r,
//! which O sends, and the one common to N and T is 0. N does not know r, so the message is uniform to it; T receives nothing. (Eerikson et al., ITC 2020.)
//!
//! **Opening.** Everybody misses one summand, which both others hold. To everybody: each party sends the next around the ring the one that it misses. To one
//! receiver: a neighbour does. What the receiver learns is the value, and what that leaves of the missing summand.

use super::draw::Draw;
use super::engine::{Message, Op};
use super::pack::{pack_planes, unpack_planes};
use super::reshare::Shares;
use crate::bits;
use crate::net::{Pair, Party};
use crate::ring::Ring;

/// A party's input of `n` elements; `x` is there at the owner.
pub(super) async fn input<R: Ring>(op: Op<'_, R>, owner: Party, x: Option<Vec<R>>, n: usize) -> Shares<R> {
    let near = op.after(owner);
    let mut shares = Pair::new(vec![R::ZERO; n], vec![R::ZERO; n]);
    match x {
        Some(mut x) => {
            let (to, other) = (op.side_of(near), op.side_of(near).other());
            let mask = op.elements(other, Draw::Input, n);
            op.each(&mut x, [&mask], |x, [r]| x - r);
            op.tell([(to, Message::Elements(x.clone()))]).await;
            (shares[to], shares[other]) = (x, mask);
        }
        None if op.world.me == near => {
            let from = op.side_of(owner);
            let [rest] = op.hear([(from, Message::elements(n))]).await;
            shares[from] = rest.into_elements();
        }
        None => {
            op.idle().await;
            let side = op.side_of(owner);
            shares[side] = op.elements(side, Draw::Input, n);
        }
    }
    shares
}

/// Opens to one party.
pub(super) async fn output<R: Ring>(op: Op<'_, R>, receiver: Party, shares: Shares<R>) -> Option<Vec<R>> {
    let (me, near) = (op.world.me, op.after(receiver));
    if me == receiver {
        let [missing] = op.hear([(op.side_of(near), Message::elements(shares.next.len()))]).await;
        return Some(opened(op, shares, missing.into_elements()));
    }
    let mut shares = shares;
    if me == near {
        // what the receiver misses is what this party has in common with the third
        let to = op.side_of(receiver);
        op.tell([(to, Message::Elements(std::mem::take(&mut shares[to.other()])))]).await;
    } else {
        op.idle().await;
    }
    None
}

/// Opens to everybody.
pub(super) async fn reveal<R: Ring>(op: Op<'_, R>, shares: Shares<R>) -> Vec<R> {
    let (to, from) = (op.onward(), op.onward().other());
    let ours = Message::Elements(shares[from].clone());
    let [missing] = op.round([(to, ours)], [(from, Message::elements(shares.next.len()))]).await;
    opened(op, shares, missing.into_elements())
}

/// Opens `n` bits to everybody.
pub(super) async fn reveal_bits<R: Ring>(op: Op<'_, R>, shares: Shares<u64>, n: usize) -> Vec<u64> {
    let (to, from) = (op.onward(), op.onward().other());
    let ours = pack_planes(&shares[from], n);
    let room = Message::bytes(ours.len());
    let [missing] = op.round([(to, Message::Bytes(ours))], [(from, room)]).await;
    let mut open = unpack_planes(&missing.into_bytes(), n, 1);
    let src = [&shares.next[..], &shares.prev];
    bits::apply(&op.world.threads, &mut open, src, |x, [y, z]| x ^ y ^ z);
    open
}

fn opened<R: Ring>(op: Op<'_, R>, shares: Shares<R>, mut missing: Vec<R>) -> Vec<R> {
    op.each(&mut missing, [&shares.next, &shares.prev], |x, [y, z]| x + y + z);
    missing
}
