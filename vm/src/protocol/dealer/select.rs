//! A bit selects an opened value, without becoming a number itself.
//!
//! The bit is opened as d = s ⊕ α under a mask of one bit, and s = d + (1 - 2 d) α. For x = e + A,
//!
//! > s x = d x + (1 - 2 d)(e α + α A),
//!
//! of which the dealer shares α and α A; d and e are known to both parties, and they have shares of x. d and the shares of α serve later selections by the same bit, for which
//! only α A is dealt, and nothing is sent.

use super::draw::Draw;
use super::op::Op;
use super::opened::Opened;
use super::parcel::Outgoing;
use crate::bits::{planes, words};
use crate::ring::Ring;

/// At the dealer: the masks of `n` selecting bits, as elements.
pub(super) fn masks<R: Ring>(op: Op<'_, R>, n: usize) -> Vec<R> {
    let masks = op.both_words(Draw::Selector, words(n));
    let mut element = op.room(n);
    planes::join(&op.world.threads, &mut element, &masks, words(n), 1);
    element
}

/// At the dealer: the products of masks of bits with the mask of what they select.
pub(super) fn deal<R: Ring>(op: Op<'_, R>, bits: &[R], mut mask: Vec<R>, to: &mut Outgoing) {
    op.each(&mut mask, [], [bits], |mask, [], [bit]| mask.keep_if(bit));
    to.elements(op, Draw::Chosen, mask, R::BITS);
}

/// A selecting bit at a party.
#[derive(Debug, Clone)]
pub(super) struct Half<R> {
    /// What both parties know of it, as 0 or 1.
    pub(super) known: Vec<R>,
    /// This party's shares of its mask.
    pub(super) part: Vec<R>,
}

/// Opens selecting bits.
pub(super) async fn open<R: Ring>(op: Op<'_, R>, bit: Vec<u64>, n: usize, part: Vec<R>) -> Half<R> {
    let opened = op.open_planes(Draw::Selector, bit, n).await;
    let mut known = op.room(n);
    planes::join(&op.world.threads, &mut known, &opened.open, words(n), 1);
    Half { known, part }
}

/// This party's shares of `x` where the bit is set, else of 0.
pub(super) fn select<R: Ring>(op: Op<'_, R>, half: &Half<R>, x: Opened<R>, product: Vec<R>) -> Vec<R> {
    let mut chosen = product;
    let src = [&half.known[..], &half.part, &x.open, &x.part];
    match op.leads() {
        true => op.each(&mut chosen, [], src, |product, [], [d, a, e, part]| {
            (e * a + product).negate_if(d) + (e + part).keep_if(d)
        }),
        false => op.each(&mut chosen, [], src, |product, [], [d, a, e, part]| {
            (e * a + product).negate_if(d) + part.keep_if(d)
        }),
    }
    [x.open, x.part].into_iter().for_each(|vec| op.recycle(vec));
    chosen
}
