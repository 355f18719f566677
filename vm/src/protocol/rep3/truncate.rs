//! Truncation: division by 2^m, probabilistic or to the nearest.
//!
//! In the two-addend view of [`super::reshare`], x = a + b mod 2^k. First the corner adds 2^{k-2} to a, so that 0 ≤ x < 2^{k-1} for signed x within ±2^{k-2}; then the addition
//! wraps around exactly if msb(a) or msb(b) is set, and x = a + b - 2^k (msb(a) ∨ msb(b)). With u = (a ≫ m) - 2^{k-m} msb(a), v = (b ≫ m) - 2^{k-m} msb(b):
//!
//! > (a ≫ m) + (b ≫ m) - 2^{k-m} (msb(a) ∨ msb(b)) = u + v + 2^{k-m} msb(a) msb(b),
//!
//! which is ⌊x/2^m⌋ less the carry out of the low m bits.
//!
//! 1. C → B: u - u_A (k bits) and msb(a) - t_A mod 2^m (m bits), with u_A, t_A streams of C and A. Uniform to B.
//! 2. A ↔ B: f_A = t_A msb(b) - ρ and f_B = t_B msb(b) - σ mod 2^m, with ρ a stream of C and A, σ of C and B. Each is uniform to its receiver.
//!
//! Shares: C and A have u_A + 2^{k-m} ρ, C and B u_B + 2^{k-m} σ, A and B v + 2^{k-m} (f_A + f_B).
//!
//! **Probabilistic.** With a - 1 in place of a, and 1 added at the end, this is ⌊(x + r)/2^m⌋ for r = 2^m - 1 - (b mod 2^m), which is uniform if b mod 2^m is. Of a
//! replicated value b may be a constant (an input's is 0), so a pad from the public seed moves between the addends first. **Nearest.** 2^{m-1} is added to a, and
//! the carry out of the low m bits, from the adder, made arithmetic ([`super::word`]), to the result; side by side with the above.
//!
//! **What this tells.** The corner knows a, A and B know b, so each party knows a value of r that explains the result: a result that is revealed later tells it how
//! x mod 2^m compares with a threshold of its own; one that is not tells nothing. Nearest rounding is a function of x alone. docs/security.md says more.
//!
//! Range: |x| < 2^{k-2} (nearest: less 2^{m-1}). (Dalskov et al., PoPETs 2020 and USENIX Security 2021.)

use tern_bytecode::Kind;
use tern_bytecode::circuit::Adder;
use tern_bytecode::program::Rounding;

use super::adder;
use super::draw::Draw;
use super::op::{Op, Role};
use super::reshare::{Shares, addend, shares, to_pair};
use super::ring::Side;
use super::word;
use crate::ring::Ring;
use crate::rounds::engine::{Message, join};
use crate::rounds::pack::{pack, packed, unpack};

/// A value to truncate.
pub(super) enum Operand<R> {
    /// Replicated.
    Shared(Shares<R>),
    /// This party's summand.
    Additive(Vec<R>),
}

impl<R> Operand<R> {
    /// The words of a value of a kind.
    pub(super) fn new(kind: Kind, x: [Vec<R>; 2]) -> Self {
        match kind {
            Kind::Additive => {
                let [summand, _] = x;
                Operand::Additive(summand)
            }
            Kind::Plain | Kind::Shared | Kind::Bit | Kind::Half | Kind::Real | Kind::Int => {
                Operand::Shared(x.into())
            }
        }
    }
}

/// This party's addend of what is divided by 2^m, moved to where it is not negative, and what is added to the quotient.
pub(super) async fn dividend<R: Ring>(
    op: Op<'_, R>,
    x: Operand<R>,
    m: u32,
    rounding: Rounding,
) -> (Vec<R>, R) {
    let (offset, back) = (R::power_of_two(R::BITS - 2), R::power_of_two(R::BITS - 2 - m));
    let (before, after) = match rounding {
        Rounding::Probabilistic => (offset - R::ONE, R::ONE - back),
        Rounding::Nearest => (offset + R::power_of_two(m - 1), -back),
    };
    let own = match x {
        Operand::Shared(x) => padded(op, addend(op, x), before),
        Operand::Additive(z) => to_pair(op, z, before).await,
    };
    (own, after)
}

/// The value divided by 2^m.
pub(super) async fn truncate<R: Ring>(op: Op<'_, R>, x: Operand<R>, m: u32, rounding: Rounding) -> Shares<R> {
    let (own, after) = dividend(op, x, m, rounding).await;
    let result = match rounding {
        Rounding::Probabilistic => high_parts(op, &own, m, after).await,
        Rounding::Nearest => {
            let (mut high, carry) = join(high_parts(op, &own, m, after), carried(op, &own, m)).await;
            for side in Side::BOTH {
                op.each(&mut high[side], [], [&carry[side]], |x, [], [c]| x + c);
            }
            op.recycle(carry.next);
            op.recycle(carry.prev);
            high
        }
    };
    op.recycle(own);
    result
}

/// Moves a pad that everybody knows from one addend to the other; `plus` is added to the corner's.
pub(super) fn padded<R: Ring>(op: Op<'_, R>, mut own: Vec<R>, plus: R) -> Vec<R> {
    let pad = [op.public_stream(Draw::Pad).values(R::BITS)];
    match op.role() {
        Role::Corner => op.each(&mut own, pad, [], move |a, [pad], []| a + pad + plus),
        Role::A | Role::B => op.each(&mut own, pad, [], |b, [pad], []| b - pad),
    }
    own
}

/// (a ≫ m) + (b ≫ m) - 2^{k-m} (msb(a) ∨ msb(b)) + `plus`. Two rounds.
async fn high_parts<R: Ring>(op: Op<'_, R>, own: &[R], m: u32, plus: R) -> Shares<R> {
    let (n, up) = (own.len(), R::BITS - m);
    let (high, top, wrap) = (
        |side| op.masks(side, Draw::High),
        |side| op.narrow(side, Draw::Top, m),
        |side| op.narrow(side, Draw::Wrap, m),
    );
    match op.role() {
        Role::Corner => {
            let (to_a, to_b) = (op.side(Role::A), op.side(Role::B));
            let u = op.make(n, [high(to_a)], [own], move |[mask], [a]| high_part(a, m) - mask);
            let bit = op.make(n, [top(to_a)], [own], |[mask], [a]| top_bit(a) - mask);
            let messages = [Message::Elements(u), Message::Bytes(pack(&bit, m))];
            op.recycle(bit);
            let [u, _] = op.tell(messages.map(|message| (to_b, message))).await;
            op.idle().await;
            let at_a = op.make(n, [high(to_a), wrap(to_a)], [], move |[u, w], []| u + w.shl(up));
            let mut at_b = u.into_elements();
            op.each(&mut at_b, [wrap(to_b)], [], move |u, [w], []| u + w.shl(up));
            shares(op, at_a, at_b, Vec::new())
        }
        Role::A => {
            let corner = op.side(Role::Corner);
            op.idle().await;
            let wrapped = op.make(n, [top(corner), wrap(corner)], [own], |[t, w], [b]| times_top(t, b) - w);
            let at_a = op.make(n, [high(corner), wrap(corner)], [], move |[u, w], []| u + w.shl(up));
            shares(op, at_a, Vec::new(), between(op, wrapped, own, m, plus).await)
        }
        Role::B => {
            let corner = op.side(Role::Corner);
            let room = [Message::Elements(op.room(n)), Message::bytes(packed(n, m))];
            let [at_b, bit] = op.hear(room.map(|room| (corner, room))).await;
            let mut wrapped = op.room(n);
            unpack(&bit.into_bytes(), m, &mut wrapped);
            op.each(&mut wrapped, [wrap(corner)], [own], |t, [w], [b]| times_top(t, b) - w);
            let mut at_b = at_b.into_elements();
            op.each(&mut at_b, [wrap(corner)], [], move |u, [w], []| u + w.shl(up));
            shares(op, Vec::new(), at_b, between(op, wrapped, own, m, plus).await)
        }
    }
}

/// The share that A and B have in common, from this party's masked part of the product of top bits. One round.
async fn between<R: Ring>(op: Op<'_, R>, wrapped: Vec<R>, own: &[R], m: u32, plus: R) -> Vec<R> {
    let (other, up) = (op.side(op.role().partner()), R::BITS - m);
    let theirs = op.pass_bytes(other, pack(&wrapped, m), other).await;
    let mut sum = op.room(own.len());
    unpack(&theirs, m, &mut sum);
    op.each(&mut sum, [], [&wrapped, own], move |g, [], [f, b]| high_part(b, m) + (f + g).shl(up) + plus);
    op.recycle(wrapped);
    sum
}

/// (x ≫ m) - 2^{k-m} msb(x): the shift that keeps the sign.
#[inline(always)]
pub(super) fn high_part<R: Ring>(x: R, m: u32) -> R {
    x.sar(m)
}

/// msb(x).
#[inline(always)]
pub(super) fn top_bit<R: Ring>(x: R) -> R {
    x.shr(R::BITS - 1)
}

/// `t` where msb(b) is set, else 0, in the same steps.
#[inline(always)]
pub(super) fn times_top<R: Ring>(t: R, b: R) -> R {
    t.keep_if_negative(b)
}

/// The carry out of the low m bits of a + b, as an element.
async fn carried<R: Ring>(op: Op<'_, R>, own: &[R], m: u32) -> Shares<R> {
    let carry = adder::carry(op, &Adder::new(m, m), own).await;
    word::bit_to_element(op, carry, own.len()).await
}
