//! A bit selects a value, without becoming a number itself.
//!
//! For s = g ⊕ d (g known to the corner, d to A and B) and x = a + b: s·x = d·x + (1 - 2d)(g·a + g·b). The corner shares g and g·a between A and B: A's parts are streams of C
//! and A, the rest is sent to B, uniform to it. A and B know b and d and hold x additively (A: x_B + x_C, B: x_A), so they hold
//!
//! > A: d (x_B + x_C) + (1 - 2d)(v_A + g_A b), B: d x_A + (1 - 2d)(v_B + g_B b),
//!
//! two summands of s·x. Left additive, that is all. Replicated, each sends its summand less a mask that it has in common with C (ρ, σ) to the other,
//! uniform to the receiver. The parts of g serve later selections by the same bit.

use super::draw::Draw;
use super::op::{Op, Role};
use super::reshare::{Shares, shares};
use super::ring::Pair;
use super::word::half;
use crate::ring::Ring;
use crate::rounds::engine::Message;

/// The result of a selection, in the form asked for.
pub(super) enum Selected<R> {
    /// Replicated.
    Shared(Shares<R>),
    /// This party's summand.
    Additive(Vec<R>),
}

/// `x` where `bit` is set, else 0, and this party's part of the corner's half of the bit. `kept` is that part, if an earlier selection by this bit left it.
pub(super) async fn select<R: Ring>(
    op: Op<'_, R>,
    bit: Shares<u64>,
    x: Shares<R>,
    kept: Option<Vec<R>>,
    additive: bool,
) -> (Selected<R>, Vec<R>) {
    let n = x.next.len();
    let known = half::<R>(op, bit, n);
    let corner = op.side(Role::Corner);
    let (part, summand) = match op.role() {
        Role::Corner => {
            share_products(op, &known, &x, kept.is_none()).await;
            let zeros = || {
                let mut zeros = op.room(n);
                zeros.fill(R::ZERO);
                zeros
            };
            (zeros(), if additive { zeros() } else { Vec::new() })
        }
        Role::A => {
            op.idle().await;
            let half = || op.make(n, [op.masks(corner, Draw::Half)], [], |[part], []| part);
            let part = kept.unwrap_or_else(half);
            let [b, own] = [&x[op.side(Role::B)], &x[corner]];
            let summand = op.make(
                n,
                [op.masks(corner, Draw::Chosen)],
                [&known, &part, b, own],
                |[v], [d, g, b, own]| chosen(v, d, g, b, b + own),
            );
            (part, summand)
        }
        Role::B => {
            let room = || (corner, Message::Elements(op.room(n)));
            let (part, mut product) = match kept {
                None => op.hear([room(), room()]).await.map(Message::into_elements).into(),
                Some(part) => {
                    let [product] = op.hear([room()]).await;
                    (part, product.into_elements())
                }
            };
            let [b, own] = [&x[op.side(Role::A)], &x[corner]];
            op.each(&mut product, [], [&known, &part, b, own], |v, [], [d, g, b, own]| {
                chosen(v, d, g, b, own)
            });
            (part, product)
        }
    };
    [known, x.next, x.prev].into_iter().for_each(|vec| op.recycle(vec));
    if additive {
        return (Selected::Additive(summand), part);
    }
    (Selected::Shared(replicate(op, summand, n).await), part)
}

/// The corner's round: shares g (unless that was done before) and g·a.
async fn share_products<R: Ring>(op: Op<'_, R>, g: &[R], x: &Shares<R>, with_half: bool) {
    let (n, to_a, to_b) = (g.len(), op.side(Role::A), op.side(Role::B));
    let product = op.make(n, [op.masks(to_a, Draw::Chosen)], [g, &x.next, &x.prev], |[mask], [g, x, y]| {
        (x + y).keep_if(g) - mask
    });
    let product = (to_b, Message::Elements(product));
    if with_half {
        let half = op.make(n, [op.masks(to_a, Draw::Half)], [g], |[mask], [g]| g - mask);
        let sent = op.tell([(to_b, Message::Elements(half)), product]).await;
        sent.into_iter().for_each(|message| op.recycle(message.into_elements()));
    } else {
        let [sent] = op.tell([product]).await;
        op.recycle(sent.into_elements());
    }
}

/// d·own + (1 - 2d)(v + g b), of which d is 0 or 1. As everything here, it takes the same steps whatever the bits are.
#[inline(always)]
pub(super) fn chosen<R: Ring>(v: R, d: R, g: R, b: R, own: R) -> R {
    (v + g * b).negate_if(d) + own.keep_if(d)
}

/// Summands at A and B to replicated shares: one round between the two.
async fn replicate<R: Ring>(op: Op<'_, R>, mut summand: Vec<R>, n: usize) -> Shares<R> {
    let mask = |side| [op.masks(side, Draw::Select)];
    if op.role() == Role::Corner {
        op.idle().await;
        return Pair::from_fn(|side| op.make(n, mask(side), [], |[mask], []| mask));
    }
    let (corner, other) = (op.side(Role::Corner), op.side(op.role().partner()));
    op.each(&mut summand, mask(corner), [], |x, [mask], []| x - mask);
    let (ours, mut sum) = op.pass(other, summand, other).await;
    op.each(&mut sum, [], [&ours], |x, [], [y]| x + y);
    let mut masks = ours;
    op.each(&mut masks, mask(corner), [], |_, [mask], []| mask);
    match op.role() {
        Role::Corner | Role::A => shares(op, masks, Vec::new(), sum),
        Role::B => shares(op, Vec::new(), masks, sum),
    }
}
