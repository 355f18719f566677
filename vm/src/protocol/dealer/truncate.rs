//! Truncation: division of an opened value by 2^m, probabilistic or to the nearest.
//!
//! x = e + A mod 2^n is a sum of two addends, one known to both parties and one to the dealer; n is how many bits of x were opened, or all k of the ring. The dealer adds
//! 2^{n-2} to A, so that 0 ≤ x < 2^{n-1} for signed x within ±2^{n-2}; then the addition wraps around exactly if msb(e) or msb(A) is set, bit n - 1 of each. With
//! u = (A ≫ m) - 2^{n-m} msb(A), v = (e ≫ m) - 2^{n-m} msb(e), both signed:
//!
//! > (e ≫ m) + (A ≫ m) - 2^{n-m} (msb(e) ∨ msb(A)) = u + v + 2^{n-m} msb(e) msb(A),
//!
//! which is ⌊x/2^m⌋ less the carry out of the low m bits, as a whole number and so modulo 2^k. The dealer shares u (k bits) and msb(A) (k - n + m bits, since it is
//! scaled by 2^{n-m}); the parties know msb(e). No message between them. With m = 0 this brings x from n bits to the whole ring.
//!
//! **Probabilistic.** With A - 1 in place of A, and 1 added at the end, this is ⌊(x + r)/2^m⌋ for r = 2^m - 1 - (e mod 2^m), which is uniform since the mask is. **Nearest.**
//! 2^{m-1} is added to A, and the carry out of the low m bits, from the adder, to the result: the carry is a shared bit c, opened as c ⊕ γ under a mask of
//! one bit, and c = (c ⊕ γ) + (1 - 2 (c ⊕ γ)) γ, with γ shared as an element.
//!
//! **To an opened value.** All but w = msb(e) msb(A) is an opened value as it stands: v is known to both parties, u to the dealer. So only w is opened, of which the parties have
//! shares, under a mask B of its own: d = w - B modulo 2^t, if the lowest n - m + t bits of the result are used. Then the result is
//!
//! > (v + 2^{n-m} d) + (u + 2^{n-m} B),
//!
//! what is open and a mask that the dealer knows. To the nearest there is the carry besides, whose sign in front of γ only the parties know; such results stay additive.
//!
//! **What this tells.** d is uniform, since the other party's part of B is, and independent of e, since A and B are: u is a function of A, but nothing is opened under it; what is open of
//! the result follows from e and d. Products of the result are dealt with shares of their own, as all products are. B has all k bits also where fewer travel, or none, so what
//! is above the opened bits is as random as B. The parties know e, so each knows the r that explains the result: a result that is revealed later tells it how x mod 2^m compares with a
//! threshold of its own; one that is not tells nothing. Nearest rounding is a function of x alone. docs/security.md says more.
//!
//! Range: |x| < 2^{n-2} (nearest: less 2^{m-1}).

use tern_bytecode::circuit::Adder;
use tern_bytecode::program::Rounding;

use super::adder::{self, Network};
use super::draw::Draw;
use super::op::Op;
use super::opened::Opened;
use super::parcel::{Outgoing, Parcel};
use crate::bits::{planes, words};
use crate::ring::Ring;

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Truncation {
    /// m
    pub(super) bits: u32,
    /// n
    pub(super) width: u32,
    pub(super) rounding: Rounding,
    /// The result is opened.
    pub(super) opened: Option<Masked>,
}

/// Under which mask a result is opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Masked {
    /// t: how many bits are opened.
    pub(super) more: u32,
    /// The number of B.
    pub(super) mask: u32,
}

impl Truncation {
    /// n - m: by how many bits the wrap-around is scaled.
    fn up(self) -> u32 {
        self.width - self.bits
    }

    /// How many bits of msb(A) are dealt.
    fn top<R: Ring>(self) -> u32 {
        self.opened.map_or(R::BITS - self.up(), |under| under.more)
    }

    /// What is added to the mask before, and to the result after.
    fn offsets<R: Ring>(self) -> (R, R) {
        let (offset, back) = (R::power_of_two(self.width - 2), R::power_of_two(self.up() - 2));
        match self.nearest() {
            false => (offset - R::ONE, R::ONE - back),
            true => (offset + R::power_of_two(self.bits - 1), -back),
        }
    }

    /// Whether there is something to be rounded to the nearest.
    fn nearest(self) -> bool {
        self.rounding == Rounding::Nearest && self.bits > 0
    }

    /// How far bit n - 1 is from the ring's highest.
    fn left<R: Ring>(self) -> u32 {
        R::BITS - self.width
    }

    /// The signed value of n bits, divided.
    fn high<R: Ring>(self, x: R) -> R {
        x.shl(self.left::<R>()).sar(self.left::<R>() + self.bits)
    }
}

/// At the dealer, which knows the mask. Gives the mask of an opened result.
pub(super) fn deal<R: Ring>(op: Op<'_, R>, mut mask: Vec<R>, how: Truncation, to: &mut Outgoing) -> Vec<R> {
    let (before, _) = how.offsets::<R>();
    op.each(&mut mask, [], [], move |mask, [], []| mask + before);
    let n = mask.len();
    let mut high = op.make(n, [], [&mask], move |[], [a]| how.high(a));
    to.elements(op, Draw::High, op.make(n, [], [&high], |[], [u]| u), R::BITS);
    if how.top::<R>() > 0 {
        let top = move |a: R| a.shl(how.left::<R>()).shr(R::BITS - 1);
        to.elements(op, Draw::Top, op.make(n, [], [&mask], move |[], [a]| top(a)), how.top::<R>());
    }
    if let Some(under) = how.opened {
        let parts = [0, 1].map(|i| op.mask_of(i, under.mask));
        op.each(&mut high, parts, [], move |u, [zero, one], []| u + (zero + one).shl(how.up()));
    }
    if how.nearest() {
        adder::deal(op, &Adder::new(how.bits, how.bits), &mask, to);
        let carry = op.both_words(Draw::Carry, words(n));
        let mut element = op.room(n);
        planes::join(&op.world.threads, &mut element, &carry, words(n), 1);
        to.elements(op, Draw::Carried, element, R::BITS);
    }
    op.recycle(mask);
    high
}

/// What a party takes for a truncation.
pub(super) struct Dealt<R> {
    high: Vec<R>,
    /// Nothing where no bit of it is used.
    top: Option<Vec<R>>,
    carry: Option<(Network, Vec<R>)>,
}

impl<R: Ring> Dealt<R> {
    pub(super) fn take(op: Op<'_, R>, n: usize, how: Truncation, from: &mut Parcel) -> Self {
        let high = from.elements(op, Draw::High, n, R::BITS);
        let top = (how.top::<R>() > 0).then(|| from.elements(op, Draw::Top, n, how.top::<R>()));
        let carry = how.nearest().then(|| {
            let network = Network::take(op, Adder::new(how.bits, how.bits), n, from);
            (network, from.elements(op, Draw::Carried, n, R::BITS))
        });
        Self { high, top, carry }
    }
}

/// This party's shares of the value divided by 2^m, of which it knows what is `open`.
pub(super) async fn truncate<R: Ring>(
    op: Op<'_, R>,
    open: Vec<R>,
    how: Truncation,
    dealt: Dealt<R>,
) -> Vec<R> {
    let (up, left, (_, after)) = (how.up(), how.left::<R>(), how.offsets::<R>());
    let Dealt { high: mut result, top, carry } = dealt;
    if let Some(top) = top {
        op.each(&mut result, [], [&top, &open], move |u, [], [t, e]| {
            u + t.keep_if_negative(e.shl(left)).shl(up)
        });
        op.recycle(top);
    }
    if op.leads() {
        op.each(&mut result, [], [&open], move |u, [], [e]| u + how.high(e) + after);
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
    op.recycle(open);
    result
}

/// The same as an opened value.
pub(super) async fn to_opened<R: Ring>(
    op: Op<'_, R>,
    mut open: Vec<R>,
    how: Truncation,
    under: Masked,
    dealt: Dealt<R>,
) -> Opened<R> {
    let (up, left, (_, after)) = (how.up(), how.left::<R>(), how.offsets::<R>());
    let mask = op.mask_of(op.me(), under.mask);
    let Dealt { high: mut part, top, .. } = dealt;
    op.each(&mut part, [mask], [], move |u, [mask], []| u + mask.shl(up));
    if let Some(mut wrap) = top {
        op.each(&mut wrap, [mask], [&open], move |t, [mask], [e]| t.keep_if_negative(e.shl(left)) - mask);
        let (ours, wrap) = op.total(wrap, under.more).await;
        op.each(&mut open, [], [&wrap], move |e, [], [d]| how.high(e) + after + d.shl(up));
        [ours, wrap].into_iter().for_each(|vec| op.recycle(vec));
    } else {
        op.each(&mut open, [], [], move |e, [], []| how.high(e) + after);
    }
    Opened { open, part }
}
