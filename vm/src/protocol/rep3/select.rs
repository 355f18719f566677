//! A bit selects a value, without becoming a number itself.
//!
//! For s = g ⊕ d (g known to the corner, d to A and B) and x = a + b: s·x = d·x + (1 - 2d)(g·a + g·b). The corner shares g and g·a between A and B: A's parts are streams of C
//! and A, the rest is sent to B, uniform to it. A and B know b and d and hold x additively (A: x_B + x_C, B: x_A), so they hold
//!
//! > A: d (x_B + x_C) + (1 - 2d)(v_A + g_A b), B: d x_A + (1 - 2d)(v_B + g_B b),
//!
//! two summands of s·x. Left additive, that is all. Replicated, each sends its summand less a mask that it has in common with C (ρ, σ) to the other,
//! uniform to the receiver. The parts of g serve later selections by the same bit.
//!
//! **Of a quotient.** What [`super::truncate`] makes of x is u + w + 2^{k-m} t msb(b), with u and t = msb(a) known to the corner and w to A and B. So by a bit whose g they share already, the corner
//! shares u, g·u (k bits each), t and g·t (modulo 2^m), as above, and the others hold
//!
//! > A: d (u_A + w) + (1 - 2d)((g·u)_A + g_A w) + 2^{k-m} msb(b) (d t_A + (1 - 2d)(g·t)_A), and B the same of its parts without d w,
//!
//! two summands of s times the quotient, in the rounds of the selection alone; the quotient itself is nowhere. Every part that is sent is masked by a stream of C and A of its own, and
//! so uniform to B.

use tern_bytecode::program::Rounding;

use super::draw::Draw;
use super::op::{Op, Role};
use super::reshare::{Shares, shares};
use super::ring::Pair;
use super::truncate::{self, Operand, high_part, times_top, top_bit};
use super::word::half;
use crate::ring::Ring;
use crate::rounds::engine::Message;
use crate::rounds::pack::{packed, unpack};

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

/// `x` divided by 2^m, at random up or down, where `bit` is set, else 0. `kept` is this party's part of the corner's half of the bit.
pub(super) async fn select_quotient<R: Ring>(
    op: Op<'_, R>,
    bit: Shares<u64>,
    x: Operand<R>,
    m: u32,
    kept: Vec<R>,
    additive: bool,
) -> Selected<R> {
    let (own, plus) = truncate::dividend(op, x, m, Rounding::Probabilistic).await;
    let n = own.len();
    let known = half::<R>(op, bit, n);
    let summand = match op.role() {
        Role::Corner => {
            share_quotients(op, &known, &own, m).await;
            let mut zeros = op.room(if additive { n } else { 0 });
            zeros.fill(R::ZERO);
            zeros
        }
        role @ (Role::A | Role::B) => {
            let parts = quotients(op, n, m).await;
            let (up, adds) = (R::BITS - m, if role == Role::A { R::ONE } else { R::ZERO });
            let [mut sum, chosen_high, top, chosen_top] = parts;
            op.each(&mut sum, [], [&chosen_high, &known, &kept, &own], move |u, [], [v, d, g, b]| {
                let w = high_part(b, m) + plus;
                chosen(v, d, g, w, u + w * adds)
            });
            op.each(&mut sum, [], [&top, &chosen_top, &known, &own], move |sum, [], [t, v, d, b]| {
                sum + times_top(v.negate_if(d) + t.keep_if(d), b).shl(up)
            });
            [chosen_high, top, chosen_top].into_iter().for_each(|vec| op.recycle(vec));
            sum
        }
    };
    [known, own, kept].into_iter().for_each(|vec| op.recycle(vec));
    match additive {
        true => Selected::Additive(summand),
        false => Selected::Shared(replicate(op, summand, n).await),
    }
}

/// The corner's round: shares its part of the quotient and its top bit, each also where `g` is set.
async fn share_quotients<R: Ring>(op: Op<'_, R>, g: &[R], own: &[R], m: u32) {
    let (n, to_a, to_b) = (own.len(), op.side(Role::A), op.side(Role::B));
    let [high, chosen_high] = [Draw::High, Draw::Chosen].map(|draw| [op.masks(to_a, draw)]);
    let [top, chosen_top] = [Draw::Top, Draw::ChosenTop].map(|draw| [op.narrow(to_a, draw, m)]);
    let messages = [
        Message::Elements(op.make(n, high, [own], move |[mask], [a]| high_part(a, m) - mask)),
        Message::Elements(
            op.make(n, chosen_high, [own, g], move |[mask], [a, g]| high_part(a, m).keep_if(g) - mask),
        ),
        op.make_packed(n, m, top, [own], |[mask], [a]| top_bit(a) - mask),
        op.make_packed(n, m, chosen_top, [own, g], |[mask], [a, g]| top_bit(a).keep_if(g) - mask),
    ];
    let [high, chosen_high, top, chosen_top] = op.tell(messages.map(|message| (to_b, message))).await;
    [high, chosen_high].into_iter().for_each(|message| op.recycle(message.into_elements()));
    [top, chosen_top].into_iter().for_each(|message| op.unpacked(message));
}

/// The parts that A and B have of what the corner shares.
async fn quotients<R: Ring>(op: Op<'_, R>, n: usize, m: u32) -> [Vec<R>; 4] {
    let corner = op.side(Role::Corner);
    if op.role() == Role::A {
        op.idle().await;
        let [high, chosen_high] =
            [Draw::High, Draw::Chosen].map(|draw| op.make(n, [op.masks(corner, draw)], [], |[x], []| x));
        let [top, chosen_top] = [Draw::Top, Draw::ChosenTop]
            .map(|draw| op.make(n, [op.narrow(corner, draw, m)], [], |[x], []| x));
        return [high, chosen_high, top, chosen_top];
    }
    let elements = || (corner, Message::Elements(op.room(n)));
    let tops = || (corner, op.packed(packed(n, m)));
    let [high, chosen_high, top, chosen_top] = op.hear([elements(), elements(), tops(), tops()]).await;
    let [top, chosen_top] = [top, chosen_top].map(|message| {
        let mut unpacked = op.room(n);
        unpack(message.as_bytes(), m, &mut unpacked);
        op.unpacked(message);
        unpacked
    });
    [high.into_elements(), chosen_high.into_elements(), top, chosen_top]
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
