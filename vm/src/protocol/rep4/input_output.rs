//! Values enter and leave.
//!
//! **Input.** The owner o shares x with two of the others, j and l: x_j and x_l are the streams that j and l lack, x_n = x - x_j - x_l, which the owner sends to both,
//! and x_o is 0. The fourth party n knows the streams and receives nothing. Neither j nor l knows both streams, so x_n is uniform to each. The owner
//! may send j and l different things: each adds what it received to the hash of what the other received.
//!
//! **Opening.** After a comparison ([`super::check`]), each party that is to learn the value receives the summand that it lacks from one of the three others, and a digest of it from
//! a second; one of the two is honest, so a wrong summand is noticed before anything is done with it. What a receiver learns is the value.
//!
//! **Output to shares.** Nothing leaves, but what is written looks complete: it comes after a comparison too.

use tern_bytecode::model::rep4::{Cast, DIGEST};

use super::check::{Disagreement, Route, compare};
use super::draw::Draw;
use super::op::{Op, Shares};
use crate::bits;
use crate::net::Party;
use crate::protocol::linear::Entry;
use crate::ring::Ring;
use crate::rounds::engine::Message;

/// The three others of a party, as the route has them: of an input's owner who has no part, and the two who receive the same summand; of an
/// output's receiver who sends, who checks, and who has no part.
fn others<R: Ring>(op: Op<'_, R>, owner: Party) -> [Party; 3] {
    let party = |index| Party::from_index(index).expect("a route names the protocol's parties");
    Cast(op.route).others(owner.index()).map(party)
}

/// What a party has of an input's summands.
pub(super) fn entries<'w, R: Ring>(op: Op<'w, R>, owner: Party) -> [Entry<'w>; 4] {
    let (me, [left, first, second]) = (op.world.me, others(op, owner));
    let mut entries = [const { Entry::None }; 4];
    for lacks in [first, second].into_iter().filter(|party| *party != me) {
        entries[lacks.index()] = Entry::Stream(op.stream_without(op.role_of(lacks), Draw::Input));
    }
    if me != owner {
        entries[owner.index()] = Entry::Zero;
    }
    if me != left {
        let received = if me == owner { Entry::Rest(vec![first, second]) } else { Entry::Received };
        entries[left.index()] = received;
    }
    entries
}

/// Adds the summand of an input to the hash of what the other has received.
pub(super) fn check<R: Ring>(op: Op<'_, R>, owner: Party, summand: &[R]) {
    let [_, first, second] = others(op, owner);
    op.check(Route { from: owner, to: first, checker: second }, bytemuck::cast_slice(summand));
}

/// Opens to one party. Two rounds.
pub(super) async fn output<R: Ring>(
    op: Op<'_, R>,
    receiver: Party,
    mut shares: Shares<R>,
    n: usize,
) -> Result<Option<Vec<R>>, Disagreement> {
    compare(op).await?;
    let [sender, checker, _] = others(op, receiver);
    let route = Route { from: sender, to: receiver, checker };
    let me = op.world.me;
    let lacks = op.role_of(receiver);
    if me == receiver {
        let room = vec![(sender, Message::Elements(op.room(n))), (checker, Message::bytes(DIGEST))];
        let (_, received) = op.round_of(Vec::new(), room).await;
        let missing = verified(op, route, received)?.into_elements();
        return Ok(Some(opened(op, shares, missing)));
    }
    let message = if me == sender {
        vec![(receiver, Message::Elements(std::mem::take(&mut shares[lacks])))]
    } else if me == checker {
        let summand = bytemuck::cast_slice(&shares[lacks]);
        let digest = op.world.checks.borrow().of_opening(route, summand);
        vec![(receiver, Message::Bytes(digest.to_vec()))]
    } else {
        Vec::new()
    };
    op.round_of(message, Vec::new()).await;
    Ok(None)
}

/// Opens to everybody. Two rounds.
pub(super) async fn reveal<R: Ring>(
    op: Op<'_, R>,
    mut shares: Shares<R>,
    n: usize,
) -> Result<Vec<R>, Disagreement> {
    compare(op).await?;
    let message = |role: usize| Message::Elements(std::mem::take(&mut shares[role]));
    let room = Message::Elements(op.room(n));
    let (sent, missing) = open(op, message, room).await?;
    let [sent, checked] = sent.map(|(role, message)| (role, message.into_elements()));
    (shares[sent.0], shares[checked.0]) = (sent.1, checked.1);
    Ok(opened(op, shares, missing.into_elements()))
}

/// Opens `n` bits to everybody. Two rounds.
pub(super) async fn reveal_bits<R: Ring>(
    op: Op<'_, R>,
    shares: Shares<u64>,
    n: usize,
) -> Result<Vec<u64>, Disagreement> {
    compare(op).await?;
    let message = |role: usize| Message::planes(shares[role].clone(), n);
    let (_, missing) = open(op, message, Message::room_for_planes(1, n)).await?;
    let mut open = missing.into_planes(1, n);
    for role in op.others() {
        bits::apply(&op.world.threads, &mut open, [&shares[role]], |x, [y]| x ^ y);
    }
    Ok(open)
}

/// The round of an opening to everybody. `message` gives the summand that a role lacks. Gives the two that this party has sent and
/// checked, and the one that it lacked.
async fn open<R: Ring>(
    op: Op<'_, R>,
    mut message: impl FnMut(usize) -> Message<R>,
    room: Message<R>,
) -> Result<([(usize, Message<R>); 2], Message<R>), Disagreement> {
    let route = |way: tern_bytecode::model::rep4::Way| Route {
        from: op.party(way.from),
        to: op.party(way.to),
        checker: op.party(way.checker),
    };
    let find = |of: fn(&tern_bytecode::model::rep4::Way) -> usize| {
        let way = Cast::OPEN.into_iter().find(|way| of(way) == op.role);
        way.unwrap_or_else(|| unreachable!("every role sends, checks and receives once"))
    };
    let (sending, checking, receiving) = (find(|way| way.from), find(|way| way.checker), find(|way| way.to));
    let (sent, checked) = (message(sending.to), message(checking.to));
    let digest = op.world.checks.borrow().of_opening(route(checking), checked.as_bytes());
    let send = vec![(op.party(sending.to), sent), (op.party(checking.to), Message::Bytes(digest.to_vec()))];
    let room = vec![(op.party(receiving.from), room), (op.party(receiving.checker), Message::bytes(DIGEST))];
    let (sent, received) = op.round_of(send, room).await;
    let missing = verified(op, route(receiving), received)?;
    let sent = sent.into_iter().next().unwrap_or_else(|| unreachable!("what was sent comes back"));
    Ok(([(sending.to, sent), (checking.to, checked)], missing))
}

/// A summand that has come with its digest.
fn verified<R: Ring>(
    op: Op<'_, R>,
    route: Route,
    received: Vec<Message<R>>,
) -> Result<Message<R>, Disagreement> {
    let [summand, digest] =
        <[Message<R>; 2]>::try_from(received).unwrap_or_else(|_| unreachable!("two messages"));
    op.world.checks.borrow().verify(route, summand.as_bytes(), digest.as_bytes())?;
    Ok(summand)
}

fn opened<R: Ring>(op: Op<'_, R>, shares: Shares<R>, mut missing: Vec<R>) -> Vec<R> {
    for role in op.others() {
        op.each(&mut missing, [], [&shares[role]], |x, [], [y]| x + y);
    }
    missing
}
