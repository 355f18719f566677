//! Conjunctions of bits, and numbers made of them.
//!
//! **A conjunction** is a gate of [`super::adder`]: both bits are opened under masks, the dealer shares the product of the masks.
//!
//! **A word** Σ 2^j s_j: every bit is opened as e_j = s_j ⊕ α_j under a mask of one bit, and s_j = e_j + (1 - 2 e_j) α_j. The dealer shares α_j as an element, with k - j bits
//! since it is scaled by 2^j; the rest is known to both parties. One round, one bit per place and party.

use super::draw::Draw;
use super::op::{Op, Planes};
use super::parcel::{Outgoing, Parcel};
use crate::bits::{self, planes, words};
use crate::ring::Ring;

/// At the dealer: the product of the masks of a conjunction of `n` bits.
pub(super) fn deal_and<R: Ring>(op: Op<'_, R>, n: usize, to: &mut Outgoing) {
    let mut masks = op.both_words(Draw::Operands, 2 * words(n));
    let (one, other) = masks.split_at_mut(words(n));
    bits::apply(&op.world.threads, one, [&*other], |x, [y]| x & y);
    to.planes(op, Draw::Conjunction, one, n);
}

/// This party's shares of the conjunction of `n` shared bits, of which it has shares `x` and `y`.
pub(super) async fn and<R: Ring>(
    op: Op<'_, R>,
    mut x: Vec<u64>,
    y: Vec<u64>,
    n: usize,
    product: Vec<u64>,
) -> Vec<u64> {
    x.extend(y);
    let Planes { open, part } = op.open_planes(Draw::Operands, x, n).await;
    let ((e, f), (a, b)) = (open.split_at(words(n)), part.split_at(words(n)));
    let both = if op.leads() { u64::MAX } else { 0 };
    let mut result = product;
    bits::apply(&op.world.threads, &mut result, [e, a, f, b], move |c, [e, a, f, b]| {
        c ^ e & f & both ^ e & b ^ a & f
    });
    result
}

/// At the dealer: the masks of a word of so many places.
pub(super) fn deal<R: Ring>(op: Op<'_, R>, places: usize, n: usize, to: &mut Outgoing) {
    let masks = op.both_words(Draw::Word, places * words(n));
    for j in 0..places {
        let mut element = op.room(n);
        planes::join(&op.world.threads, &mut element, &masks[j * words(n)..], words(n), 1);
        to.elements(op, Draw::Place(j as u32), element, R::BITS - j as u32);
    }
}

/// This party's shares of them.
pub(super) fn take<R: Ring>(op: Op<'_, R>, places: usize, n: usize, from: &mut Parcel) -> Vec<Vec<R>> {
    (0..places).map(|j| from.elements(op, Draw::Place(j as u32), n, R::BITS - j as u32)).collect()
}

/// This party's shares of the number whose bits, lowest first, it has shares of.
pub(super) async fn word<R: Ring>(op: Op<'_, R>, places: Vec<u64>, n: usize, masks: Vec<Vec<R>>) -> Vec<R> {
    let opened = op.open_planes(Draw::Word, places, n).await;
    let [mut sum, mut known] = [op.room(n), op.room(n)];
    sum.fill(R::ZERO);
    for (j, mask) in masks.into_iter().enumerate() {
        planes::join(&op.world.threads, &mut known, &opened.open[j * words(n)..], words(n), 1);
        let j = j as u32;
        match op.leads() {
            true => op.each(&mut sum, [], [&known, &mask], move |sum, [], [e, mask]| {
                sum + (e + mask.negate_if(e)).shl(j)
            }),
            false => op.each(&mut sum, [], [&known, &mask], move |sum, [], [e, mask]| {
                sum + mask.negate_if(e).shl(j)
            }),
        }
        op.recycle(mask);
    }
    op.recycle(known);
    sum
}
