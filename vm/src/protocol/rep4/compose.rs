//! Bits become a number, through an adder: for long words in fewer bits and more rounds than [`super::word`].
//!
//! Both of L add a number m of n uniform bits to the n shared bits of s and open the sum to both of H. The bits of m are the exclusive or of the streams that one and
//! the other of H do not know: known to both of L, each of H knows one of them and to it m is uniform; and the streams are a sharing of these bits as they are.
//!
//! > w = s + m mod 2^n, s = w - m + 2^n c, with c the carry out of the sum.
//!
//! 1. Bits of s + m by the gates of [`super::adder`]: generate of a position is a conjunction, propagate is linear.
//! 2. To each of H goes the summand that it lacks of each bit of w. It learns w, which is uniform to it as m is, whatever anybody has sent before: m is the only one
//!    to enter the lowest bit that it has not entered yet. Both halves of c are shared modulo 2^{k-n}.
//! 3. H share w, L share -m; the products of c's halves are shared.

use tern_bytecode::circuit::Adder;
use tern_bytecode::model::rep4::Cast;

use super::draw::Draw;
use super::op::{Joint, Op, Shares, share, total};
use super::{adder, word};
use crate::bits::{self, planes, words};
use crate::ring::Ring;

/// The number of which each of `places` is a bit, lowest first; fewer of them than the ring has bits.
pub(super) async fn compose<R: Ring>(op: Op<'_, R>, places: Vec<Shares<u64>>, n: usize) -> Shares<R> {
    let count = places.len() as u32;
    let size = places.len() * words(n);
    let added = super::op::ROLES.map(|role| match (role == op.role, Cast::H.contains(&role)) {
        (true, _) => Vec::new(),
        (false, true) => op.words(role, Draw::Added, size),
        (false, false) => vec![0; size],
    });
    let mut bits: Shares<u64> = Default::default();
    for place in places {
        for (all, plane) in bits.iter_mut().zip(place) {
            all.extend(plane);
        }
    }
    let adder = Adder::new(0, count + 1);
    let mut sums = adder::of_shares(op, &adder, n, bits, added.clone()).await;
    // there is a sum bit per place and one for the carry
    let carry = sums.pop().unwrap_or_else(|| unreachable!("an adder of {count} places"));
    let (known, halves) = open_and_share(op, &sums, &carry, &added, n).await;
    let mut joints: Vec<_> = [Cast::OF_A, Cast::OF_B]
        .into_iter()
        .enumerate()
        .map(|(i, ways)| {
            let whole = (n, R::BITS);
            Joint::new(op, (ways[0], Draw::Composed(i)), whole, |mask| {
                op.message(whole, [mask], [&known], |[r], [x]| x - r)
            })
        })
        .collect();
    op.recycle(known);
    joints.extend(word::products(op, &halves, n, R::BITS - count, Draw::Product));
    let mut joints = share(op, joints).await;
    let carries = joints.split_off(2).into_iter().chain(halves).map(|joint| (joint, count));
    total(op, n, joints.into_iter().map(|joint| (joint, 0)).chain(carries).collect(), R::ZERO)
}

/// The round in which both of H learn the sum and the carry's halves are shared. Gives w to H and -m to L, and the halves.
async fn open_and_share<R: Ring>(
    op: Op<'_, R>,
    sums: &[Shares<u64>],
    carry: &Shares<u64>,
    added: &Shares<u64>,
    n: usize,
) -> (Vec<R>, Vec<Joint<R>>) {
    let count = sums.len();
    let summand = |role: usize| sums.iter().flat_map(|sum| &sum[role]).copied().collect::<Vec<u64>>();
    let mut halves = word::halves(op, carry, n, R::BITS - count as u32, Draw::Convert);
    let mut messages: Vec<_> = halves.iter_mut().map(Joint::given).collect();
    for way in Cast::OPEN_TO_H {
        messages.push(op.planes(way, summand(way.to), count, n));
    }
    let mut messages = op.exchange(messages).await;
    let opened = messages.split_off(halves.len());
    let halves = halves.into_iter().zip(messages).map(|(half, message)| half.taken(message)).collect();
    let threads = &op.world.threads;
    let mut open = match op.is_high() {
        true => {
            let mine = Cast::OPEN_TO_H.into_iter().zip(opened).find(|(way, _)| way.to == op.role);
            let (_, message) = mine.unwrap_or_else(|| unreachable!("one of the two is this party's"));
            message.into_planes(count, n)
        }
        false => vec![0; count * words(n)],
    };
    let summands: Vec<Vec<u64>> = match op.is_high() {
        true => op.others().map(summand).collect(),
        false => Cast::H.map(|role| added[role].clone()).into(),
    };
    for more in &summands {
        bits::apply(threads, &mut open, [more], |x, [y]| x ^ y);
    }
    let mut known = op.room(n);
    planes::join(threads, &mut known, &open, words(n), count as u32);
    if !op.is_high() {
        op.each(&mut known, [], [], |m, [], []| -m);
    }
    (known, halves)
}
