//! Values enter, leave, are opened and multiplied.
//!
//! **Opened values.** x = e + A: e is known to both parties, the mask A = A_0 + A_1 to the dealer, A_i to party i. What is public and linear is done to e, to A
//! and to the A_i, each where it is known, so what comes of an opened value by public linear maps is opened. Shares of x: e + A_0 and A_1.
//!
//! **Opening.** Party i has x_i. A_i is a stream that it has in common with the dealer; the parties tell each other x_i - A_i. The other's mask is uniform to
//! party i, so its message is, and e tells nothing. Every mask has a number of its own, and is drawn anew in every iteration of the loops around it.
//!
//! **As many bits as are used.** Where all that is computed of x depends on its lowest n bits alone, only those of x_i - A_i travel, and e is what they come to, less than 2^n.
//! Then e + A = x modulo 2^n; above, it is as random as A, whose highest bits hide nothing else. What is linear and products keep the lowest n bits right.
//!
//! **Products.** x y = e f + e B + A f + A B for y = f + B. The dealer shares A B ([`super::parcel`]), and party i has e B_i + A_i f + (A B)_i, party 0 with
//! e f besides. No message. The same of any bilinear map: matrix products, convolutions, squares.
//!
//! **Input.** The owner's part is the whole mask: it sends the other party x - A, uniform to it. An input from a file of shares is opened.
//!
//! **Output.** To learn x, a party needs the other's share of it, which is x less its own: of an opened value the other's part of the mask. So it learns nothing
//! but x. The dealer learns nothing at all.

use tern_bytecode::instr::Axes;

use super::draw::Draw;
use super::op::Op;
use crate::bits;
use crate::par::Threads;
use crate::prg::Values;
use crate::protocol::registers::contract_axes;
use crate::ring::contract::{SharesView, Write, contract_mod, contract_shares};
use crate::ring::{Layout, Ring, View, ViewMut, views};

/// An opened value at a party.
#[derive(Debug, Clone)]
pub(super) struct Opened<R> {
    /// What both parties know: the value less its mask.
    pub(super) open: Vec<R>,
    /// This party's part of the mask.
    pub(super) part: Vec<R>,
}

/// Opens the lowest `width` bits of a party's shares under a mask.
pub(super) async fn open<R: Ring>(op: Op<'_, R>, mut x: Vec<R>, width: u32, mask: Values<'_>) -> Opened<R> {
    op.each(&mut x, [mask], [], |x, [mask], []| x - mask);
    let (ours, open) = op.total(x, width).await;
    let mut part = ours;
    op.each(&mut part, [mask], [], |_, [mask], []| mask);
    Opened { open, part }
}

/// At the dealer: a mask of which the parties have these parts.
pub(super) fn mask<R: Ring>(op: Op<'_, R>, n: usize, parts: [Values<'_>; 2]) -> Vec<R> {
    op.make(n, parts, [], |[zero, one], []| zero + one)
}

/// This party's share of an opened value.
pub(super) fn share<R: Ring>(op: Op<'_, R>, x: Opened<R>) -> Vec<R> {
    let Opened { open, mut part } = x;
    if op.leads() {
        op.each(&mut part, [], [&open], |part, [], [open]| part + open);
    }
    op.recycle(open);
    part
}

/// Shares to what they are shares of, at both parties: a round.
pub(super) async fn reveal<R: Ring>(op: Op<'_, R>, x: Vec<R>) -> Vec<R> {
    let (ours, sum) = op.total(x, R::BITS).await;
    op.recycle(ours);
    sum
}

/// The same of `n` bits.
pub(super) async fn reveal_bits<R: Ring>(op: Op<'_, R>, x: Vec<u64>, n: usize) -> Vec<u64> {
    let (mut x, theirs) = op.trade_planes(x, n).await;
    bits::apply(&op.world.threads, &mut x, [&theirs[..]], |x, [y]| x ^ y);
    x
}

/// The same at one party.
pub(super) async fn output<R: Ring>(op: Op<'_, R>, receiver: usize, x: Vec<R>) -> Option<Vec<R>> {
    if receiver != op.me() {
        let sent = op.tell(x).await;
        op.recycle(sent);
        return None;
    }
    let mut sum = op.hear(x.len()).await;
    op.each(&mut sum, [], [&x], |theirs, [], [ours]| theirs + ours);
    op.recycle(x);
    Some(sum)
}

/// A register of opened values at a party: what is open, the part of the mask, and where they lie.
#[derive(Clone, Copy)]
pub(super) struct Factor<'a, R> {
    pub(super) open: &'a [R],
    pub(super) part: &'a [R],
    pub(super) layout: &'a Layout,
}

/// Adds to a party's shares of products of masks, which are `dst`'s contents, the rest of its shares of x y, element by element.
pub(super) fn multiply<R: Ring>(
    (threads, leads): (&Threads, bool),
    dst: ViewMut<R>,
    x: Factor<R>,
    y: Factor<R>,
) {
    let src = [
        View::new(x.open, x.layout),
        View::new(x.part, x.layout),
        View::new(y.open, y.layout),
        View::new(y.part, y.layout),
    ];
    match leads {
        true => views::apply(threads, dst, src, |c: R, [e, a, f, b]| c + e * (f + b) + a * f),
        false => views::apply(threads, dst, src, |c: R, [e, a, f, b]| c + e * b + a * f),
    }
}

/// The same of products over inner axes.
pub(super) fn contract<R: Ring>(
    (threads, leads): (&Threads, bool),
    dst: ViewMut<R>,
    x: Factor<R>,
    y: Factor<R>,
    axes: Axes,
) {
    let axes = contract_axes(axes);
    if leads {
        let x = SharesView { data: [x.open, x.part], layout: x.layout };
        let y = SharesView { data: [y.open, y.part], layout: y.layout };
        contract_shares(threads, dst, x, y, axes, Write::Add);
        return;
    }
    let view = |data, layout| View::new(data, layout);
    let ViewMut { data, layout } = dst;
    let (e, b) = (view(x.open, x.layout), view(y.part, y.layout));
    contract_mod(threads, ViewMut::new(&mut *data, layout), e, b, axes, Write::Add);
    let (a, f) = (view(x.part, x.layout), view(y.open, y.layout));
    contract_mod(threads, ViewMut::new(data, layout), a, f, axes, Write::Add);
}

/// The mask of an input, or this party's part of it.
pub(super) fn input_mask<R: Ring>(op: Op<'_, R>, of: usize) -> Values<'_> {
    op.masks_of(of, Draw::Input)
}
