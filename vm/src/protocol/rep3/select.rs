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
use super::engine::{Message, Op, Role};
use super::reshare::{Shares, shares};
use super::word::half;
use crate::net::Pair;
use crate::ring::Ring;

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
    let (part, summand) = match op.role() {
        Role::Corner => (vec![R::ZERO; n], share_products(op, known, x, kept.is_none()).await),
        Role::A => {
            op.idle().await;
            let corner = op.side(Role::Corner);
            let product = op.elements(corner, Draw::Chosen, n);
            let part = kept.unwrap_or_else(|| op.elements(corner, Draw::Half, n));
            let mut own = x.next.clone();
            op.each(&mut own, [&x.prev], |x, [y]| x + y);
            let summand = summand(op, product, [&known, &part, &x[op.side(Role::B)], &own]);
            (part, summand)
        }
        Role::B => {
            let corner = op.side(Role::Corner);
            let room = || (corner, Message::elements(n));
            let (part, product) = match kept {
                None => {
                    let [part, product] = op.hear([room(), room()]).await.map(Message::into_elements);
                    (part, product)
                }
                Some(part) => {
                    let [product] = op.hear([room()]).await.map(Message::into_elements);
                    (part, product)
                }
            };
            let summand = summand(op, product, [&known, &part, &x[op.side(Role::A)], &x[corner]]);
            (part, summand)
        }
    };
    if additive {
        return (Selected::Additive(summand), part);
    }
    (Selected::Shared(replicate(op, summand).await), part)
}

/// The corner's round: shares g (unless that was done before) and g·a. Its summand of the result is 0.
async fn share_products<R: Ring>(op: Op<'_, R>, g: Vec<R>, x: Shares<R>, with_half: bool) -> Vec<R> {
    let (to_a, to_b) = (op.side(Role::A), op.side(Role::B));
    let mut product = op.elements(to_a, Draw::Chosen, g.len());
    op.each(
        &mut product,
        [&g, &x.next, &x.prev],
        |mask, [g, x, y]| {
            if g == R::ZERO { -mask } else { x + y - mask }
        },
    );
    let zeros = vec![R::ZERO; g.len()];
    let mut messages = Vec::with_capacity(2);
    if with_half {
        let mut rest = op.elements(to_a, Draw::Half, g.len());
        op.each(&mut rest, [&g], |mask, [g]| g - mask);
        messages.push((to_b, Message::Elements(rest)));
    }
    messages.push((to_b, Message::Elements(product)));
    op.tell(messages).await;
    zeros
}

/// d·own + (1 - 2d)(product + part·b).
fn summand<R: Ring>(op: Op<'_, R>, mut product: Vec<R>, [d, part, b, own]: [&Vec<R>; 4]) -> Vec<R> {
    op.each(&mut product, [d, part, b, own], |product, [d, part, b, own]| {
        let chosen = product + part * b;
        if d == R::ZERO { chosen } else { own - chosen }
    });
    product
}

/// Summands at A and B to replicated shares: one round between the two.
async fn replicate<R: Ring>(op: Op<'_, R>, mut summand: Vec<R>) -> Shares<R> {
    let n = summand.len();
    let other = match op.role() {
        Role::Corner => {
            op.idle().await;
            let mask = |side| op.elements(side, Draw::Select, n);
            return Pair::from_fn(mask);
        }
        Role::A => op.side(Role::B),
        Role::B => op.side(Role::A),
    };
    let mask = op.elements(other.other(), Draw::Select, n);
    op.each(&mut summand, [&mask], |x, [mask]| x - mask);
    let theirs = op.swap_elements(other, summand.clone()).await;
    op.each(&mut summand, [&theirs], |x, [y]| x + y);
    match op.role() {
        Role::Corner | Role::A => shares(op, mask, Vec::new(), summand),
        Role::B => shares(op, Vec::new(), mask, summand),
    }
}
