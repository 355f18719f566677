//! A bit selects a value, without becoming a number itself.
//!
//! For s = p ⊕ q (p known to H, q to L) and x = a + b: s·x = p·a (1 - 2 q) + q·b (1 - 2 p) + p·b + q·a.
//!
//! 1. H share p and p·a, L share q and q·b.
//! 2. With a = x_l + x_l' and b = x_h + x_h', the rest is a sum over i in L and j in H of p_i (x_j - 2 (q b)_j) + q_j (x_i - 2 (p a)_i), each term known to a pair.
//!
//! Left additive, the terms are all, with p·a and q·b themselves. Replicated, each pair shares its term. The shares of p and q serve later
//! selections by the same bit.

use tern_bytecode::model::rep4::{Cast, Way};

use super::draw::Draw;
use super::op::{Joint, Op, ROLES, Shares, factors, known, partner, share, total};
use super::reshare::missing;
use super::word::half;
use crate::prg::Values;
use crate::protocol::linear::Halves;
use crate::ring::Ring;
use crate::rounds::engine::Message;

/// `x` where `bit` is set, else 0: shares, or terms by partner if `additive`; and the halves' shares if they are to be kept.
pub(super) async fn select<R: Ring>(
    op: Op<'_, R>,
    bit: Shares<u64>,
    mut x: Shares<R>,
    n: usize,
    halves: Halves<R, 4>,
    additive: bool,
) -> (Shares<R>, Shares<R>) {
    let mut own = half::<R>(op, &bit, n);
    let [one, other] = missing(op);
    let whole = (n, R::BITS);
    // d is 0 or 1: a product takes the same steps for both
    let chosen = |d: R, [x, y]: [R; 2]| d * (x + y);
    let ways = [Cast::OF_A, Cast::OF_B].into_iter().enumerate();
    let mut joints: Vec<_> = ways
        .clone()
        .map(|(i, ways)| {
            Joint::new(op, (ways[1], Draw::Chosen(i)), whole, |mask| {
                let src = [&own[..], &x[one], &x[other]];
                op.message(whole, [mask], src, |[r], [d, x, y]| chosen(d, [x, y]) - r)
            })
        })
        .collect();
    if !matches!(halves, Halves::Kept(_)) {
        joints.extend(ways.map(|(i, ways)| {
            Joint::new(op, (ways[0], Draw::Half(i)), whole, |mask| {
                op.message(whole, [mask], [&own], |[r], [d]| d - r)
            })
        }));
    }
    let mut joints = share(op, joints).await;
    let mut shared = joints.split_off(2);
    // The terms take the place of what only they are made of, so that no more than that is there at any time.
    let result = if additive {
        op.each(&mut own, [], [&x[one], &x[other]], |d, [], src| chosen(d, src));
        let mut z: Shares<R> = Default::default();
        for way in Cast::BILINEAR.into_iter().filter(|way| [way.from, way.checker].contains(&op.role)) {
            let words = factors_of(op, way, &joints, &shared, &halves);
            z[partner(way, op.role)] = in_place(op, way, &mut x, words, product);
        }
        z[mate(op.role)] = own;
        joints.into_iter().for_each(|mut joint| joint.done(op));
        z
    } else {
        op.recycle(own);
        let masked = |(i, way)| {
            Joint::new(op, (way, Draw::Select(i)), whole, |mask| {
                let [p, q, pa, qb] = factors_of(op, way, &joints, &shared, &halves);
                let less = |[r, p, q, pa, qb]: [R; 5], src| product([p, q, pa, qb], src) - r;
                Message::Elements(in_place(op, way, &mut x, [mask, p, q, pa, qb], less))
            })
        };
        let terms: Vec<_> = Cast::BILINEAR.into_iter().enumerate().map(masked).collect();
        if matches!(halves, Halves::New) {
            shared.drain(..).for_each(|mut joint| joint.done(op));
        }
        x.iter_mut().for_each(|summand| op.recycle(std::mem::take(summand)));
        let terms = share(op, terms).await;
        total(op, n, joints.into_iter().chain(terms).map(|joint| (joint, 0)).collect(), R::ZERO)
    };
    let kept = match halves {
        Halves::Keep => shares(op, [&shared[0], &shared[1]], n),
        Halves::New => Shares::default(),
        Halves::Kept(kept) => {
            kept.into_iter().for_each(|half| op.recycle(half));
            Shares::default()
        }
    };
    shared.into_iter().for_each(|mut joint| joint.done(op));
    x.into_iter().for_each(|summand| op.recycle(summand));
    (result, kept)
}

/// Of a message: the summands of p, q, p·a and q·b that its sender and its checker know.
fn factors_of<'a, R: Ring>(
    op: Op<'a, R>,
    way: Way,
    chosen: &'a [Joint<R>],
    shared: &'a [Joint<R>],
    halves: &'a Halves<R, 4>,
) -> [Values<'a>; 4] {
    let [i, j] = factors(way);
    let [pa, qb] = known(op, [&chosen[0], &chosen[1]], way);
    let [p, q] = match halves {
        Halves::Kept(kept) => [&kept[i], &kept[j]].map(|half| Values::elements(half)),
        Halves::New | Halves::Keep => known(op, [&shared[0], &shared[1]], way),
    };
    [p, q, pa, qb]
}

/// What `f` makes of some words and of a message's two summands of x, in the place of the one that no other message of this party has.
fn in_place<R: Ring, const N: usize>(
    op: Op<'_, R>,
    way: Way,
    x: &mut Shares<R>,
    words: [Values<'_>; N],
    f: impl Fn([R; N], [R; 2]) -> R + Sync,
) -> Vec<R> {
    let [i, j] = factors(way);
    let in_a = missing(op).contains(&i);
    let mut term = std::mem::take(&mut x[if in_a { i } else { j }]);
    match in_a {
        true => op.each(&mut term, words, [&x[j]], |x, words, [y]| f(words, [x, y])),
        false => op.each(&mut term, words, [&x[i]], |y, words, [x]| f(words, [x, y])),
    }
    term
}

/// The shares of two values of which H shared one and L the other: of the first what one of L lacks, of the second what one of H lacks.
fn shares<R: Ring>(op: Op<'_, R>, [of_a, of_b]: [&Joint<R>; 2], n: usize) -> Shares<R> {
    ROLES.map(|role| {
        let joint = if Cast::L.contains(&role) { of_a } else { of_b };
        let word = (role != op.role).then(|| joint.word(op, role)).flatten();
        word.map_or_else(Vec::new, |word| op.make(n, [word], [], |[x], []| x))
    })
}

/// The other of H or of L.
fn mate(role: usize) -> usize {
    ROLES[role ^ 1]
}

/// p_i (x_j - 2 (q b)_j) + q_j (x_i - 2 (p a)_i).
#[inline(always)]
fn product<R: Ring>([p, q, pa, qb]: [R; 4], [x, y]: [R; 2]) -> R {
    p * (y - qb.shl(1)) + q * (x - pa.shl(1))
}
