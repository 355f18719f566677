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
//! **Probabilistic.** a - 1 in place of a and 1 added at the end give ⌊(x + r)/2^m⌋ with r = 2^m - 1 - ... uniform, as b mod 2^m is uniform. Of a replicated value b may be a
//! constant (an input's is 0), so a pad from the public seed moves between the addends first. **Nearest.** 2^{m-1} is added to a, and
//! the carry out of the low m bits, from the adder, made arithmetic ([`super::word`]), to the result; side by side with the above.
//!
//! Range: |x| < 2^{k-2} (nearest: less 2^{m-1}). (Dalskov et al., PoPETs 2020 and USENIX Security 2021.)

use tern_bytecode::circuit::Adder;
use tern_bytecode::program::Rounding;

use super::adder;
use super::draw::Draw;
use super::engine::{Message, Op, Role, join};
use super::pack::{pack, packed, unpack};
use super::reshare::{Shares, addend, shares, to_pair};
use super::word;
use crate::net::Side;
use crate::prg::Stream;
use crate::ring::Ring;

/// A value to truncate.
pub(super) enum Operand<R> {
    /// Replicated.
    Shared(Shares<R>),
    /// This party's summand.
    Additive(Vec<R>),
}

/// The value divided by 2^m.
pub(super) async fn truncate<R: Ring>(op: Op<'_, R>, x: Operand<R>, m: u32, rounding: Rounding) -> Shares<R> {
    let mut own = match x {
        Operand::Shared(x) => padded(op, addend(op, x)),
        Operand::Additive(z) => to_pair(op, z).await,
    };
    let (offset, back) = (R::power_of_two(R::BITS - 2), R::power_of_two(R::BITS - 2 - m));
    let (before, after) = match rounding {
        Rounding::Probabilistic => (offset - R::ONE, R::ONE - back),
        Rounding::Nearest => (offset + R::power_of_two(m - 1), -back),
    };
    if op.role() == Role::Corner {
        op.each(&mut own, [], |a, []| a + before);
    }
    let mut result = match rounding {
        Rounding::Probabilistic => high_parts(op, &own, m).await,
        Rounding::Nearest => {
            let (mut high, carry) = join(high_parts(op, &own, m), carried(op, &own, m)).await;
            for side in Side::BOTH {
                op.each(&mut high[side], [&carry[side]], |x, [c]| x + c);
            }
            high
        }
    };
    let between = match op.role() {
        Role::Corner => None,
        Role::A => Some(op.side(Role::B)),
        Role::B => Some(op.side(Role::A)),
    };
    if let Some(side) = between {
        op.each(&mut result[side], [], |x, []| x + after);
    }
    result
}

/// Moves a pad that everybody knows from one addend to the other.
fn padded<R: Ring>(op: Op<'_, R>, mut own: Vec<R>) -> Vec<R> {
    let pad = [op.public_stream(Draw::Pad)];
    let threads = &op.world.threads;
    match op.role() {
        Role::Corner => Stream::combine(threads, &mut own, pad, |a, [pad]| a + pad),
        Role::A | Role::B => Stream::combine(threads, &mut own, pad, |b, [pad]| b - pad),
    }
    own
}

/// (a ≫ m) + (b ≫ m) - 2^{k-m} (msb(a) ∨ msb(b)). Two rounds.
async fn high_parts<R: Ring>(op: Op<'_, R>, own: &[R], m: u32) -> Shares<R> {
    let (n, up) = (own.len(), R::BITS - m);
    let top = move |x: R| if x.is_negative() { R::ONE } else { R::ZERO };
    let mut high = own.to_vec(); // u or v
    op.each(&mut high, [], |x, []| x.shr(m) - top(x).shl(up));
    let scaled = |share: &mut [R], low: &[R]| op.each(share, [low], |x, [low]| x + low.shl(up));
    match op.role() {
        Role::Corner => {
            let (to_a, to_b) = (op.side(Role::A), op.side(Role::B));
            let mut at_a = op.elements(to_a, Draw::High, n);
            op.each(&mut high, [&at_a], |u, [mask]| u - mask);
            let mut bit = op.values(to_a, Draw::Top, m, n);
            op.each(&mut bit, [own], |mask, [a]| top(a) - mask);
            let messages = [Message::Elements(high.clone()), Message::Bytes(pack(&bit, m))];
            op.tell(messages.map(|message| (to_b, message))).await;
            op.idle().await;
            scaled(&mut at_a, &op.values(to_a, Draw::Wrap, m, n));
            scaled(&mut high, &op.values(to_b, Draw::Wrap, m, n));
            shares(op, at_a, high, Vec::new())
        }
        Role::A => {
            let corner = op.side(Role::Corner);
            op.idle().await;
            let bit = op.values(corner, Draw::Top, m, n);
            let mask = op.values(corner, Draw::Wrap, m, n);
            let wrap = wrapped(op, Role::B, bit, own, &mask, m).await;
            scaled(&mut high, &wrap);
            let mut at_a = op.elements(corner, Draw::High, n);
            scaled(&mut at_a, &mask);
            shares(op, at_a, Vec::new(), high)
        }
        Role::B => {
            let corner = op.side(Role::Corner);
            let room = [Message::elements(n), Message::bytes(packed(n, m))];
            let [at_b, bit] = op.hear(room.map(|room| (corner, room))).await;
            let bit = unpack(&bit.into_bytes(), n, m);
            let mask = op.values(corner, Draw::Wrap, m, n);
            let wrap = wrapped(op, Role::A, bit, own, &mask, m).await;
            scaled(&mut high, &wrap);
            let mut at_b = at_b.into_elements();
            scaled(&mut at_b, &mask);
            shares(op, Vec::new(), at_b, high)
        }
    }
}

/// The masked product of top bits, modulo 2^m, from this party's part of msb(a), b and its mask. One round between A and B.
async fn wrapped<R: Ring>(
    op: Op<'_, R>,
    other: Role,
    mut bit: Vec<R>,
    b: &[R],
    mask: &[R],
    m: u32,
) -> Vec<R> {
    op.each(&mut bit, [b, mask], |t, [b, mask]| if b.is_negative() { t - mask } else { -mask });
    let theirs = op.swap_bytes(op.side(other), pack(&bit, m)).await;
    op.each(&mut bit, [&unpack::<R>(&theirs, b.len(), m)], |f, [g]| f + g);
    bit
}

/// The carry out of the low m bits of a + b, as an element.
async fn carried<R: Ring>(op: Op<'_, R>, own: &[R], m: u32) -> Shares<R> {
    let carry = adder::carry(op, &Adder::new(m, m), own).await;
    word::bit_to_element(op, carry, own.len()).await
}
