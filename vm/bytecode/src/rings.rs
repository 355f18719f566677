//! The rings that programs compute in.
//!
//! A number modulo 2^k takes whole limbs of 64 bits in memory and in files, and k bits in messages. Rings of 52 and 104 bits are what the default
//! precisions of 16 and 32 fraction bits need, and what one and two limbs of the multiply-add of AVX-512 IFMA hold.

/// Their bits, from the smallest.
pub const RINGS: [u32; 6] = [52, 64, 104, 128, 192, 256];

/// Limbs of 64 bits that a number takes.
pub const fn limbs(ring: u32) -> u32 {
    ring.div_ceil(64)
}

/// Whether programs can compute modulo 2^`ring`.
pub fn is_ring(ring: u32) -> bool {
    RINGS.contains(&ring)
}

/// The smallest ring of at least so many bits.
pub fn at_least(bits: u32) -> Option<u32> {
    RINGS.into_iter().find(|ring| *ring >= bits)
}

/// How many bits products, quotients and functions of `fix` need. A product has the fraction bits of both factors; a quotient's numerator is multiplied by
/// up to as much as `fix` holds; the library computes with numbers of some more fraction bits.
pub fn needed(frac: u32, total: u32) -> u32 {
    (frac + total + 4).max((2 * total).saturating_sub(frac)).max(2 * frac + 12)
}

/// All of them, for messages: "52, 64, … and 256".
pub fn listed() -> String {
    let [first @ .., last] = RINGS.map(|ring| ring.to_string());
    format!("{} and {last}", first.join(", "))
}
