//! Values enter and leave.
//!
//! **Input.** The owner O shares x with one neighbour N and the third party T: the summand common to O and T is a stream r of theirs, the one common to O and N is x - r,
//! which O sends, piece by piece, and the one common to N and T is 0. N does not know r, so the message is uniform to it; T receives nothing. (Eerikson et al., ITC 2020.)
//!
//! **Opening.** Everybody misses one summand, which both others hold. To everybody: each party sends the next around the ring the one that it misses. To one
//! receiver: a neighbour does. What the receiver learns is the value, and what that leaves of the missing summand.

use super::draw::Draw;
use super::op::Op;
use super::reshare::Shares;
use super::ring::{Pair, Side};
use crate::bits;
use crate::net::Party;
use crate::protocol::linear::Entry;
use crate::ring::Ring;
use crate::rounds::engine::Message;

/// What a party has of an input's summands.
pub(super) fn entries<'w, R: Ring>(op: Op<'w, R>, owner: Party) -> Pair<Entry<'w>> {
    let near = op.after(owner);
    let stream = |side| Entry::Stream(op.stream_with(side, Draw::Input));
    let (side, here, other) = match op.world.me {
        me if me == owner => {
            let to = op.side_of(near);
            (to, Entry::Rest(vec![near]), stream(to.other()))
        }
        me if me == near => (op.side_of(owner), Entry::Received, Entry::Zero),
        _ => {
            let with = op.side_of(owner);
            (with, stream(with), Entry::Zero)
        }
    };
    match side {
        Side::Next => Pair::new(here, other),
        Side::Prev => Pair::new(other, here),
    }
}

/// Opens to one party.
pub(super) async fn output<R: Ring>(op: Op<'_, R>, receiver: Party, shares: Shares<R>) -> Option<Vec<R>> {
    let (me, near) = (op.world.me, op.after(receiver));
    if me == receiver {
        let room = Message::Elements(op.room(shares.next.len()));
        let [missing] = op.hear([(op.side_of(near), room)]).await;
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
pub(super) async fn reveal<R: Ring>(op: Op<'_, R>, mut shares: Shares<R>) -> Vec<R> {
    let (to, from) = (op.onward(), op.onward().other());
    let (ours, missing) = op.pass(to, std::mem::take(&mut shares[from]), from).await;
    shares[from] = ours;
    opened(op, shares, missing)
}

/// Opens `n` bits to everybody.
pub(super) async fn reveal_bits<R: Ring>(op: Op<'_, R>, mut shares: Shares<u64>, n: usize) -> Vec<u64> {
    let (to, from) = (op.onward(), op.onward().other());
    let ours = std::mem::take(&mut shares[from]);
    let (ours, mut open) = op.pass_planes(to, ours, from, n).await;
    shares[from] = ours;
    let src = [&shares.next[..], &shares.prev];
    bits::apply(&op.world.threads, &mut open, src, |x, [y, z]| x ^ y ^ z);
    open
}

fn opened<R: Ring>(op: Op<'_, R>, shares: Shares<R>, mut missing: Vec<R>) -> Vec<R> {
    op.each(&mut missing, [], [&shares.next, &shares.prev], |x, [], [y, z]| x + y + z);
    missing
}
