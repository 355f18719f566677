//! Truncation: division of an opened value by 2^m, probabilistic or to the nearest.
//!
//! x = e + A mod 2^k is a sum of two addends, one known to both parties and one to the dealer. The dealer adds 2^{k-2} to A, so that 0 ≤ x < 2^{k-1} for signed x within
//! ±2^{k-2}; then the addition wraps around exactly if msb(e) or msb(A) is set. With u = (A ≫ m) - 2^{k-m} msb(A), v = (e ≫ m) - 2^{k-m} msb(e):
//!
//! > (e ≫ m) + (A ≫ m) - 2^{k-m} (msb(e) ∨ msb(A)) = u + v + 2^{k-m} msb(e) msb(A),
//!
//! which is ⌊x/2^m⌋ less the carry out of the low m bits. The dealer shares u (k bits) and msb(A) (m bits, since it is scaled by 2^{k-m}); the parties know msb(e). No
//! message between them.
//!
//! **Probabilistic.** With A - 1 in place of A, and 1 added at the end, this is ⌊(x + r)/2^m⌋ for r = 2^m - 1 - (e mod 2^m), which is uniform since the mask is. **Nearest.**
//! 2^{m-1} is added to A, and the carry out of the low m bits, from the adder, to the result: the carry is a shared bit c, opened as c ⊕ γ under a mask of
//! one bit, and c = (c ⊕ γ) + (1 - 2 (c ⊕ γ)) γ, with γ shared as an element.
//!
//! **What this tells.** The parties know e, so each knows the r that explains the result: a result that is revealed later tells it how x mod 2^m compares with a threshold of
//! its own; one that is not tells nothing. Nearest rounding is a function of x alone. docs/security.md says more.
//!
//! Range: |x| < 2^{k-2} (nearest: less 2^{m-1}).

use tern_bytecode::circuit::Adder;
use tern_bytecode::program::Rounding;

use super::adder::{self, Network};
use super::draw::Draw;
use super::op::Op;
use super::parcel::{Outgoing, Parcel};
use crate::bits::{planes, words};
use crate::ring::Ring;

/// What is added to the mask before, and to the result after.
fn offsets<R: Ring>(m: u32, rounding: Rounding) -> (R, R) {
    let (offset, back) = (R::power_of_two(R::BITS - 2), R::power_of_two(R::BITS - 2 - m));
    match rounding {
        Rounding::Probabilistic => (offset - R::ONE, R::ONE - back),
        Rounding::Nearest => (offset + R::power_of_two(m - 1), -back),
    }
}

/// At the dealer, which knows the mask.
pub(super) fn deal<R: Ring>(op: Op<'_, R>, mut mask: Vec<R>, m: u32, rounding: Rounding, to: &mut Outgoing) {
    let (before, _) = offsets::<R>(m, rounding);
    op.each(&mut mask, [], [], move |mask, [], []| mask + before);
    let n = mask.len();
    to.elements(op, Draw::High, op.make(n, [], [&mask], move |[], [a]| a.sar(m)), R::BITS);
    to.elements(op, Draw::Top, op.make(n, [], [&mask], |[], [a]| a.shr(R::BITS - 1)), m);
    if rounding == Rounding::Nearest {
        adder::deal(op, &Adder::new(m, m), &mask, to);
        let carry = op.both_words(Draw::Carry, words(n));
        let mut element = op.room(n);
        planes::join(&op.world.threads, &mut element, &carry, words(n), 1);
        to.elements(op, Draw::Carried, element, R::BITS);
    }
}

/// What a party takes for a truncation.
pub(super) struct Dealt<R> {
    high: Vec<R>,
    top: Vec<R>,
    carry: Option<(Network, Vec<R>)>,
}

impl<R: Ring> Dealt<R> {
    pub(super) fn take(op: Op<'_, R>, n: usize, m: u32, rounding: Rounding, from: &mut Parcel) -> Self {
        let high = from.elements(op, Draw::High, n, R::BITS);
        let top = from.elements(op, Draw::Top, n, m);
        let carry = (rounding == Rounding::Nearest).then(|| {
            let network = Network::take(op, Adder::new(m, m), n, from);
            (network, from.elements(op, Draw::Carried, n, R::BITS))
        });
        Self { high, top, carry }
    }
}

/// This party's shares of the value divided by 2^m, of which it knows what is `open`.
pub(super) async fn truncate<R: Ring>(
    op: Op<'_, R>,
    open: Vec<R>,
    m: u32,
    rounding: Rounding,
    dealt: Dealt<R>,
) -> Vec<R> {
    let (up, (_, after)) = (R::BITS - m, offsets::<R>(m, rounding));
    let Dealt { high: mut result, top, carry } = dealt;
    match op.leads() {
        true => op.each(&mut result, [], [&top, &open], move |u, [], [t, e]| {
            u + t.keep_if_negative(e).shl(up) + e.sar(m) + after
        }),
        false => {
            op.each(&mut result, [], [&top, &open], move |u, [], [t, e]| u + t.keep_if_negative(e).shl(up))
        }
    }
    if let Some((network, part)) = carry {
        let n = open.len();
        let carry = network.carry(op, &open).await;
        let carry = op.open_planes(Draw::Carry, carry, n).await;
        let mut known = op.room(n);
        planes::join(&op.world.threads, &mut known, &carry.open, words(n), 1);
        match op.leads() {
            true => op.each(&mut result, [], [&known, &part], |x, [], [c, g]| x + c + g.negate_if(c)),
            false => op.each(&mut result, [], [&known, &part], |x, [], [c, g]| x + g.negate_if(c)),
        }
        op.recycle(known);
        op.recycle(part);
    }
    [open, top].into_iter().for_each(|vec| op.recycle(vec));
    result
}
