//! The sign of a + b by a test for zero: three rounds, however wide the sum is.
//!
//! The corner knows a, A and B know b. Of the positions below the sign, p ≤ 32, the corner has the number α and the other two β, and the carry out of them is
//! \[α + β ≥ 2^p\] = \[α > τ\] with τ = 2^p - 1 - β. Both are cut into eight *chunks* of four bits.
//!
//! 1. C shares the thermometer of every chunk, T\[v\] = \[α_i ≥ v\] for v in 0..16, between A and B: A's part is a stream of C and A, the rest is sent to B, uniform to it. A and
//!    B know τ, and so have shares of \[α_i > τ_i\] = T\[τ_i + 1\] and \[α_i ≠ τ_i\] = 1 ⊕ T\[τ_i\] ⊕ T\[τ_i + 1\], by looking at two bits.
//! 2. For chunk i they form the vector over GF(2) of \[α_j ≠ τ_j\] for all j above i, and of 1 ⊕ \[α_i > τ_i\]. It is 0 in the first chunk that differs, if α is the larger one there, and nowhere else.
//!    Each vector, as an element of GF(2^8), is multiplied by a random one that is not 0, the eight are turned around by a random number of places, and a mask is added; all these A and B have in
//!    common. Both send what they have to C, whose sum lets it see whether one of the eight is 0. Half of the time, as a random bit of A and B says, they test for α ≤ τ instead.
//! 3. What C has seen, with the top bit of a, is its half of the sign; the other half, of the top bit of b and of that random bit, A and B know. C shares its half as in 1.
//!
//! Each of the two messages in step 2 is uniform to C. Their sum has a 0 or not; if it has, the place is uniform, and what is not 0 is uniform and independent. Whether it has is the carry plus a
//! bit that C does not know. So C learns nothing. (With a prime field in place of GF(2^8) and bits in place of chunks: Wagh et al., SecureNN, PETS 2019, private compare; after Damgård et al., 2007.)

use super::draw::Draw;
use super::op::{Op, Role};
use super::reshare::{Shares, shares};
use super::truncate::padded;
use crate::bits::{self, planes, words};
use crate::ring::{Ring, Target};
use crate::rounds::engine::Message;

/// Bit `high` - 1 of a + b, of which `own` is the addend that this party knows. Positions below `low` are left out, and with them the carry that comes from there: one is there with
/// the probability with which a number below 2^`low`, uniform since a pad from the public seed moves between the addends first, is above what the sum has in these positions.
pub(super) async fn sign<R: Ring>(op: Op<'_, R>, low: u32, high: u32, own: Vec<R>) -> Shares<u64> {
    let positions = Positions { low, high };
    let own = if low == 0 { own } else { padded(op, own, R::ZERO) };
    let shares = match op.role() {
        Role::Corner => corner(op, positions, &own).await,
        role @ (Role::A | Role::B) => other(op, positions, role, &own).await,
    };
    op.recycle(own);
    shares
}

/// The positions of a comparison, the last of which is the sign's.
#[derive(Clone, Copy)]
struct Positions {
    low: u32,
    high: u32,
}

impl Positions {
    /// What stands in the positions below the sign.
    #[inline(always)]
    fn below<R: Ring>(self, x: R) -> u32 {
        x.sar(self.low).limbs()[0] as u32 & self.mask()
    }

    /// τ, of the addend of A and B.
    #[inline(always)]
    fn threshold<R: Ring>(self, b: R) -> u32 {
        self.mask() - self.below(b)
    }

    #[inline(always)]
    fn mask(self) -> u32 {
        ((1u64 << (self.high - self.low - 1)) - 1) as u32
    }

    /// The bits of the sign's position, in planes.
    fn tops<R: Ring>(self, op: Op<'_, R>, own: &[R]) -> Vec<u64> {
        let mut tops = vec![0; words(own.len())];
        planes::split(&op.world.threads, &mut tops, words(own.len()), own, self.high - 1, self.high);
        tops
    }
}

async fn corner<R: Ring>(op: Op<'_, R>, positions: Positions, own: &[R]) -> Shares<u64> {
    let (n, to_a, to_b) = (own.len(), op.side(Role::A), op.side(Role::B));
    let mut sent = op.words(to_a, Draw::Thermometers, 2 * n);
    each_pair(op, &mut sent, |i, at_a| {
        let known = thermometers(positions.below(own[i]));
        [at_a[0] ^ known[0], at_a[1] ^ known[1]]
    });
    op.tell([(to_b, Message::Words(sent))]).await;
    let room = || Message::Words(vec![0; n]);
    let [one, two] = op.hear([(to_a, room()), (to_b, room())]).await;
    let [one, two] = [one, two].map(|message| message.into_planes(1, 64 * n));
    let at_a = op.words(to_a, Draw::Seen, words(n));
    let mut half = positions.tops(op, own);
    op.world.threads.for_pieces(&mut half, 1, |from, piece| {
        Target::best().run(
            #[inline(always)]
            || {
                for (i, half) in piece.iter_mut().enumerate() {
                    *half ^= zeros(64 * (from + i), &one, &two) ^ at_a[from + i];
                }
            },
        );
    });
    let [sent] = op.tell([(to_b, Message::planes(half, n))]).await;
    shares(op, at_a, sent.into_planes(1, n), Vec::new())
}

async fn other<R: Ring>(op: Op<'_, R>, positions: Positions, role: Role, own: &[R]) -> Shares<u64> {
    let (n, corner, partner) = (own.len(), op.side(Role::Corner), op.side(role.partner()));
    let parts = match role {
        Role::Corner | Role::A => {
            op.idle().await;
            op.words(corner, Draw::Thermometers, 2 * n)
        }
        Role::B => {
            let [message] = op.hear([(corner, Message::Words(vec![0; 2 * n]))]).await;
            message.into_planes(1, 128 * n)
        }
    };
    let reversed = op.words(partner, Draw::Reversed, words(n));
    let turns = op.words(partner, Draw::Turns, n.div_ceil(16));
    let factors = factors(op, role, n);
    let mut vectors = op.words(partner, Draw::Tested, n);
    let ones = if role == Role::A { u64::MAX } else { 0 };
    op.world.threads.for_pieces(&mut vectors, 1, |from, piece| {
        Target::best().run(
            #[inline(always)]
            || {
                for (i, vector) in piece.iter_mut().enumerate() {
                    let at = from + i;
                    let reverse = 0u64.wrapping_sub(reversed[at / 64] >> (at % 64) & 1);
                    let part = [parts[2 * at], parts[2 * at + 1]];
                    let tests = tests(part, positions.threshold(own[at]), reverse, ones);
                    let turn = (turns[at / 16] >> (4 * (at % 16)) & 7) as u32;
                    *vector ^= product(tests, factors[at]).rotate_left(8 * turn);
                }
            },
        );
    });
    op.tell([(corner, Message::Words(vectors))]).await;
    let mut half = positions.tops(op, own);
    bits::apply(&op.world.threads, &mut half, [&reversed], |top, [reverse]| top ^ reverse);
    match role {
        Role::Corner | Role::A => {
            op.idle().await;
            shares(op, op.words(corner, Draw::Seen, words(n)), Vec::new(), half)
        }
        Role::B => {
            let [message] = op.hear([(corner, Message::room_for_planes(1, n))]).await;
            shares(op, Vec::new(), message.into_planes(1, n), half)
        }
    }
}

/// Replaces each pair of words, given its index.
fn each_pair<R: Ring>(op: Op<'_, R>, words: &mut [u64], of: impl Fn(usize, [u64; 2]) -> [u64; 2] + Sync) {
    op.world.threads.for_pieces(words, 2, |from, piece| {
        Target::best().run(
            #[inline(always)]
            || {
                for (i, pair) in piece.as_chunks_mut::<2>().0.iter_mut().enumerate() {
                    *pair = of(from / 2 + i, *pair);
                }
            },
        );
    });
}

/// Of each chunk of four bits, lowest first, a word of 16 bits whose lowest 1 + chunk are set.
#[inline(always)]
fn thermometers(number: u32) -> [u64; 2] {
    [number & 0xffff, number >> 16].map(|number| {
        (0..4).fold(0, |all, chunk| all | ((2 << (number >> (4 * chunk) & 15)) - 1) << (16 * chunk))
    })
}

/// The eight vectors, a byte each, of this party's share of the thermometers, and `threshold`: for α > τ, or, reversed, for α ≤ τ. `ones` says whether this party adds
/// the constant terms.
#[inline(always)]
fn tests(part: [u64; 2], threshold: u32, reverse: u64, ones: u64) -> u64 {
    let (mut here, mut next) = (0, 0);
    for chunk in 0..8 {
        let word = part[chunk / 4] >> (16 * (chunk % 4)) & 0xffff;
        let two = word >> (threshold >> (4 * chunk) & 15);
        here |= (two & 1) << chunk;
        next |= (two >> 1 & 1) << chunk;
    }
    let differs = here ^ next ^ ones & 0xff;
    // reversed, the lowest chunk may be equal as well
    let strictly = reverse & 0xfe;
    let wrong = here & strictly | next & !strictly & 0xff;
    let wrong = wrong ^ ones & !reverse & 0xff;
    ((differs * EACH) & ABOVE) | ((wrong * EACH) & OWN)
}

/// A 1 in every byte.
const EACH: u64 = 0x0101_0101_0101_0101;
/// In byte i, all bits above bit i.
const ABOVE: u64 = 0x0080_c0e0_f0f8_fcfe;
/// In byte i, bit i.
const OWN: u64 = 0x8040_2010_0804_0201;

/// The products of the bytes of both as elements of GF(2^8) = GF(2)\[x\] / (x^8 + x^4 + x^3 + x + 1). It takes the same steps whatever they are.
#[inline(always)]
fn product(mut a: u64, b: u64) -> u64 {
    let mut product = 0;
    for bit in 0..8 {
        let set = b >> bit & EACH;
        product ^= a & ((set << 8).wrapping_sub(set));
        let over = a >> 7 & EACH;
        a = (a & !(EACH << 7)) << 1 ^ over ^ over << 1 ^ over << 3 ^ over << 4;
    }
    product
}

/// Of 64 elements from `from` on, those of which a byte of the sum of both is 0.
#[inline(always)]
fn zeros(from: usize, one: &[u64], two: &[u64]) -> u64 {
    let pairs = one[from..].iter().zip(&two[from..]).take(64).enumerate();
    pairs.fold(0, |plane, (i, (one, two))| plane | u64::from(has_zero(one ^ two)) << i)
}

/// Whether one of the bytes is 0.
#[inline(always)]
fn has_zero(bytes: u64) -> bool {
    bytes.wrapping_sub(EACH) & !bytes & EACH << 7 != 0
}

/// For every element eight random bytes that are not 0, which A and B have in common: uniform, since each that is 0 gives way to the next of a second stream that is not. That one is sixteen
/// times as long as it has to be on average.
fn factors<R: Ring>(op: Op<'_, R>, role: Role, n: usize) -> Vec<u64> {
    let partner = op.side(role.partner());
    let mut factors = op.words(partner, Draw::Factors, n);
    let spare = op.words(partner, Draw::Spare, n / 16 + 64);
    let mut spare = spare.iter().flat_map(|word| word.to_le_bytes()).filter(|byte| *byte != 0);
    for word in factors.iter_mut().filter(|word| has_zero(**word)) {
        *word = u64::from_le_bytes(word.to_le_bytes().map(|byte| match byte {
            0 => spare.next().unwrap_or(1), // less likely than guessing a key
            byte => byte,
        }));
    }
    factors
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the corner would see of α and τ, before anything is random.
    fn seen(alpha: u32, tau: u32, reverse: bool) -> u64 {
        let mask = 0x1234_5678_9abc_def0_0fed_cba9_8765_4321_u128;
        let shared = [mask as u64, (mask >> 64) as u64];
        let known = thermometers(alpha);
        let rest = [known[0] ^ shared[0], known[1] ^ shared[1]];
        let reverse = if reverse { u64::MAX } else { 0 };
        tests(shared, tau, reverse, u64::MAX) ^ tests(rest, tau, reverse, 0)
    }

    #[test]
    fn one_vector_is_zero_or_none() {
        let near = |x: u32| [x, x.wrapping_sub(1), x.wrapping_add(1), x ^ 1 << 28, !x];
        let mut numbers: Vec<u32> = [0, 1, 15, 16, 0x7fff_ffff, 0x8000_0000, u32::MAX].to_vec();
        numbers.extend((0..40u32).map(|i| i.wrapping_mul(0x9e37_79b9) ^ i << 7));
        for alpha in numbers {
            for tau in near(alpha).into_iter().chain(near(alpha.rotate_left(9))) {
                for (reverse, found) in [(false, alpha > tau), (true, alpha <= tau)] {
                    let seen = seen(alpha, tau, reverse);
                    let zeros = seen.to_le_bytes().iter().filter(|byte| **byte == 0).count();
                    assert_eq!(zeros, usize::from(found), "{alpha:x} and {tau:x}, reversed: {reverse}");
                    assert_eq!(has_zero(seen), found);
                }
            }
        }
    }

    /// Products of bytes against shifts and reductions one by one.
    #[test]
    fn products_are_those_of_the_field() {
        let slowly = |a: u8, b: u8| {
            let mut wide = (0..8).fold(0u16, |sum, i| sum ^ ((u16::from(a) << i) * u16::from(b >> i & 1)));
            (8..15).rev().for_each(|i| wide ^= (0x11b << (i - 8)) * (wide >> i & 1));
            wide as u8
        };
        for a in 0..=255u8 {
            for b in 0..=255u8 {
                let [x, y] = [a, b].map(|byte| u64::from_le_bytes([byte, 0, byte, 1, byte, 255, 7, byte]));
                let expected = std::array::from_fn(|i| slowly(x.to_le_bytes()[i], y.to_le_bytes()[i]));
                assert_eq!(product(x, y), u64::from_le_bytes(expected));
            }
            assert_eq!(product(u64::from(a), 0), 0);
        }
    }
}
