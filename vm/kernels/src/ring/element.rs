//! One element of Z_{2^k}: the trait [`Ring`] and its implementation [`Z`].
//!
//! An element is its representative in 0..2^k, in 64-bit limbs. Rings of 52 and 104 bits leave the top of their last limb 0: they are as many
//! bits as products of one and of two 52-bit limbs have, and what they need less of is messages and multiplications, not memory.

use std::cmp::Ordering;
use std::fmt;
use std::ops::{Add, AddAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use bytemuck::{Pod, Zeroable};

#[cfg(not(target_endian = "little"))]
compile_error!("ring elements are cast to and from little-endian bytes without copying");

/// Integers modulo 2^[`BITS`](Ring::BITS). Operators wrap. Where a sign matters, the element stands for the
/// representative in [-2^(BITS-1), 2^(BITS-1)) (two's complement).
///
/// A slice of elements is, through [`bytemuck`], a slice of little-endian bytes. The other way round, bytes that come from elsewhere may have more bits
/// than the ring: [`Ring::reduced`] drops them.
pub trait Ring:
    Pod
    + Default
    + Eq
    + fmt::Debug
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
{
    /// Number of 64-bit limbs.
    const LIMBS: usize;
    /// Number of bits, k of 2^k.
    const BITS: u32;
    /// Whether elements fill their limbs.
    const WHOLE: bool = Self::BITS == 64 * Self::LIMBS as u32;
    /// Size in bytes.
    const BYTES: usize = 8 * Self::LIMBS;
    /// Neutral element of addition.
    const ZERO: Self;
    /// Neutral element of multiplication.
    const ONE: Self;
    /// Largest signed value, 2^(BITS-1) - 1.
    const MAX: Self;
    /// Smallest signed value, -2^(BITS-1).
    const MIN: Self;

    /// The element without what its limbs hold beyond the ring.
    fn reduced(self) -> Self;
    /// The signed value in whole limbs, of which some may be more than the ring has: no element, but what others read.
    fn extended(self) -> Self;
    /// The limbs, least significant first.
    fn limbs(&self) -> &[u64];
    /// The limbs, least significant first, for writing: to be [`reduced`](Ring::reduced) if that was more than the ring has.
    fn limbs_mut(&mut self) -> &mut [u64];
    /// The element with these limbs, least significant first: missing ones are 0, superfluous ones are dropped.
    fn from_limbs(limbs: &[u64]) -> Self;
    /// An unsigned number, modulo 2^BITS.
    fn from_u64(x: u64) -> Self;
    /// A signed number, modulo 2^BITS.
    fn from_i128(x: i128) -> Self;
    /// The signed value, if 128 bits hold it.
    fn to_i128(self) -> Option<i128>;
    /// Multiplication by 2^n; 0 if n >= BITS.
    fn shl(self, n: u32) -> Self;
    /// Logical shift to the right (the element as an unsigned number, divided by 2^n and floored).
    fn shr(self, n: u32) -> Self;
    /// Arithmetic shift to the right (the signed value, divided by 2^n and floored).
    fn sar(self, n: u32) -> Self;
    /// 2^n modulo 2^BITS.
    fn power_of_two(n: u32) -> Self {
        Self::ONE.shl(n)
    }
    /// Bit `i`, counted from the least significant; false if i >= BITS.
    fn bit(self, i: u32) -> bool;
    /// The element modulo 2^n: only the lowest `n` bits are kept.
    fn low_bits(self, n: u32) -> Self;
    /// Whether the signed value is below zero.
    fn is_negative(self) -> bool {
        self.bit(Self::BITS - 1)
    }
    /// The element where `bit` is 1, and 0 where it is 0, which takes the same steps: `bit` may be secret.
    fn keep_if(self, bit: Self) -> Self;
    /// The element where `bit` is 0, and its negative where it is 1, which takes the same steps: `bit` may be secret.
    fn negate_if(self, bit: Self) -> Self;
    /// The element where the signed value of `other` is below zero, else 0, which takes the same steps: `other` may be secret.
    fn keep_if_negative(self, other: Self) -> Self;
    /// Comparison of signed values.
    fn signed_cmp(&self, other: &Self) -> Ordering;
    /// The smallest n >= 1 for which the signed value lies in [-2^(n-1), 2^(n-1)).
    fn bits_signed(self) -> u32;
    /// The double nearest to the signed value, ties to even.
    fn to_f64(self) -> f64;
    /// The integer nearest to `x`, ties to even. What does not fit becomes [`MIN`](Ring::MIN) or
    /// [`MAX`](Ring::MAX); NaN becomes 0.
    fn from_f64(x: f64) -> Self;
}

/// An element of Z_{2^B}: `N` limbs, least significant first. N is at least 1, and B more than N - 1 limbs have; three limbs and more are whole.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Zeroable, Pod)]
#[repr(transparent)]
pub struct Z<const N: usize, const B: u32>([u64; N]);

/// Integers modulo 2^52.
pub type Z52 = Z<1, 52>;
/// Integers modulo 2^64.
pub type Z64 = Z<1, 64>;
/// Integers modulo 2^104.
pub type Z104 = Z<2, 104>;
/// Integers modulo 2^128.
pub type Z128 = Z<2, 128>;
/// Integers modulo 2^192.
pub type Z192 = Z<3, 192>;
/// Integers modulo 2^256.
pub type Z256 = Z<4, 256>;

impl<const N: usize, const B: u32> Z<N, B> {
    /// Bits of the last limb that are not the ring's.
    const UNUSED: u32 = {
        assert!(B <= 64 * N as u32 && B > 64 * (N as u32 - 1) && (N < 3 || B == 64 * N as u32));
        64 * N as u32 - B
    };

    /// The element with these limbs, least significant first; what the ring does not have is dropped.
    pub const fn new(mut limbs: [u64; N]) -> Self {
        limbs[N - 1] &= u64::MAX >> Self::UNUSED;
        Self(limbs)
    }

    /// The limbs, least significant first.
    pub const fn to_limbs(self) -> [u64; N] {
        self.0
    }

    /// All bits of the sign: 0 or 2^64 - 1. In rings that do not fill their limbs it is had by a subtraction: of two shifts compilers make a test of one bit
    /// and a branch, which takes longer for random bits.
    #[inline(always)]
    fn sign_limb(self) -> u64 {
        let top = self.0[N - 1];
        if Self::UNUSED == 0 {
            (top as i64 >> 63) as u64
        } else {
            (top >> (63 - Self::UNUSED)).wrapping_neg()
        }
    }

    /// The signed value in whole limbs.
    #[inline(always)]
    fn whole_limbs(self) -> [u64; N] {
        let mut limbs = self.0;
        limbs[N - 1] = ((limbs[N - 1] << Self::UNUSED) as i64 >> Self::UNUSED) as u64;
        limbs
    }

    /// The two lowest limbs as one number, of rings that have them.
    #[inline(always)]
    fn to_u128(self) -> u128 {
        self.0[0] as u128 | (self.0[1 % N] as u128) << 64
    }

    /// The element with these two limbs, of a ring of 128 bits.
    #[inline(always)]
    fn from_u128(x: u128) -> Self {
        let mut limbs = [x as u64; N];
        limbs[N - 1] = (x >> 64) as u64;
        Self::new(limbs)
    }

    /// Shift to the right by n < BITS; `fill` enters from above.
    #[inline(always)]
    fn shift_right(self, n: u32, fill: u64) -> Self {
        let (whole, part) = ((n / 64) as usize, n % 64);
        let limb = |i: usize| if i < N { self.0[i] } else { fill };
        let mut out = [0; N];
        for (i, o) in out.iter_mut().enumerate() {
            let wide = limb(i + whole) as u128 | (limb(i + whole + 1) as u128) << 64;
            *o = (wide >> part) as u64;
        }
        Self(out)
    }

    /// The signed value as sign and magnitude; the magnitude is at most 2^(BITS-1).
    fn magnitude(self) -> Self {
        if self.is_negative() { -self } else { self }
    }

    /// The number of bits of the unsigned value; 0 for 0.
    #[inline(always)]
    fn bits_unsigned(self) -> u32 {
        for i in (0..N).rev() {
            if self.0[i] != 0 {
                return 64 * (i as u32 + 1) - self.0[i].leading_zeros();
            }
        }
        0
    }
}

impl<const N: usize, const B: u32> Default for Z<N, B> {
    fn default() -> Self {
        Self::ZERO
    }
}

impl<const N: usize, const B: u32> fmt::Debug for Z<N, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().rev().try_for_each(|limb| write!(f, "{limb:016x}"))
    }
}

impl<const N: usize, const B: u32> From<u64> for Z<N, B> {
    fn from(x: u64) -> Self {
        Self::from_u64(x)
    }
}

impl<const N: usize, const B: u32> Add for Z<N, B> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        if N == 1 {
            return Self::from_u64(self.0[0].wrapping_add(other.0[0]));
        }
        let (mut out, mut carry) = ([0; N], false);
        for (i, o) in out.iter_mut().enumerate() {
            (*o, carry) = self.0[i].carrying_add(other.0[i], carry);
        }
        Self::new(out)
    }
}

impl<const N: usize, const B: u32> Sub for Z<N, B> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        if N == 1 {
            return Self::from_u64(self.0[0].wrapping_sub(other.0[0]));
        }
        let (mut out, mut borrow) = ([0; N], false);
        for (i, o) in out.iter_mut().enumerate() {
            (*o, borrow) = self.0[i].borrowing_sub(other.0[i], borrow);
        }
        Self::new(out)
    }
}

impl<const N: usize, const B: u32> Neg for Z<N, B> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self::ZERO - self
    }
}

impl<const N: usize, const B: u32> Mul for Z<N, B> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        if N == 1 {
            return Self::from_u64(self.0[0].wrapping_mul(other.0[0]));
        }
        let mut out = [0; N];
        for i in 0..N {
            let mut carry = 0;
            for j in 0..N - i {
                (out[i + j], carry) = self.0[i].carrying_mul_add(other.0[j], out[i + j], carry);
            }
        }
        Self::new(out)
    }
}

impl<const N: usize, const B: u32> AddAssign for Z<N, B> {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl<const N: usize, const B: u32> SubAssign for Z<N, B> {
    #[inline(always)]
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl<const N: usize, const B: u32> MulAssign for Z<N, B> {
    #[inline(always)]
    fn mul_assign(&mut self, other: Self) {
        *self = *self * other;
    }
}

impl<const N: usize, const B: u32> Ring for Z<N, B> {
    const LIMBS: usize = N;
    const BITS: u32 = B;
    const ZERO: Self = Self([0; N]);
    const ONE: Self = {
        let mut limbs = [0; N];
        limbs[0] = 1;
        Self(limbs)
    };
    const MAX: Self = {
        let mut limbs = [u64::MAX; N];
        limbs[N - 1] >>= 1 + Self::UNUSED;
        Self(limbs)
    };
    const MIN: Self = {
        let mut limbs = [0; N];
        limbs[N - 1] = 1 << (63 - Self::UNUSED);
        Self(limbs)
    };

    #[inline(always)]
    fn reduced(self) -> Self {
        Self::new(self.0)
    }

    #[inline(always)]
    fn extended(self) -> Self {
        Self(self.whole_limbs())
    }

    #[inline(always)]
    fn limbs(&self) -> &[u64] {
        &self.0
    }

    #[inline(always)]
    fn limbs_mut(&mut self) -> &mut [u64] {
        &mut self.0
    }

    #[inline(always)]
    fn from_limbs(limbs: &[u64]) -> Self {
        let mut out = [0; N];
        let n = limbs.len().min(N);
        out[..n].copy_from_slice(&limbs[..n]);
        Self::new(out)
    }

    #[inline(always)]
    fn from_u64(x: u64) -> Self {
        let mut limbs = [0; N];
        limbs[0] = x;
        Self::new(limbs)
    }

    #[inline(always)]
    fn from_i128(x: i128) -> Self {
        let mut limbs = [(x >> 127) as u64; N];
        limbs[0] = x as u64;
        if N > 1 {
            limbs[1] = (x >> 64) as u64;
        }
        Self::new(limbs)
    }

    fn to_i128(self) -> Option<i128> {
        let limbs = self.whole_limbs();
        let high = if N > 1 { limbs[1] } else { self.sign_limb() };
        let fits = self.bits_signed() <= 128;
        fits.then_some((limbs[0] as u128 | (high as u128) << 64) as i128)
    }

    #[inline(always)]
    fn shl(self, n: u32) -> Self {
        if N == 1 {
            // without a branch, so that loops become vector instructions
            return Self::from_u64(self.0[0].wrapping_shl(n) & below(n, 64));
        }
        if n >= Self::BITS {
            return Self::ZERO;
        }
        if N == 2 {
            return Self::from_u128(self.to_u128() << n);
        }
        let (whole, part) = ((n / 64) as usize, n % 64);
        let limb = |i: usize| if i < N { self.0[i] } else { 0 };
        let mut out = [0; N];
        for (i, o) in out.iter_mut().enumerate() {
            // Limbs below the first wrap around to indices >= N and read as 0.
            let wide = limb(i.wrapping_sub(whole + 1)) as u128 | (limb(i.wrapping_sub(whole)) as u128) << 64;
            *o = ((wide << part) >> 64) as u64;
        }
        Self(out)
    }

    #[inline(always)]
    fn shr(self, n: u32) -> Self {
        if N == 1 {
            return Self::from_u64(self.0[0].wrapping_shr(n) & below(n, 64));
        }
        if n >= Self::BITS {
            return Self::ZERO;
        }
        if N == 2 {
            return Self::from_u128(self.to_u128() >> n);
        }
        self.shift_right(n, 0)
    }

    #[inline(always)]
    fn sar(self, n: u32) -> Self {
        if N == 1 {
            return Self::from_u64((self.whole_limbs()[0] as i64 >> n.min(63)) as u64);
        }
        if N == 2 {
            let extended = (self.to_u128() << Self::UNUSED) as i128 >> Self::UNUSED;
            return Self::from_u128((extended >> n.min(127)) as u128);
        }
        self.shift_right(n.min(Self::BITS - 1), self.sign_limb())
    }

    #[inline(always)]
    fn bit(self, i: u32) -> bool {
        i < Self::BITS && self.0[(i / 64) as usize] >> (i % 64) & 1 == 1
    }

    #[inline(always)]
    fn low_bits(self, n: u32) -> Self {
        let mut out = self.0;
        for (i, limb) in out.iter_mut().enumerate() {
            let kept = n.saturating_sub(64 * i as u32);
            if kept < 64 {
                *limb &= (1 << kept) - 1;
            }
        }
        Self(out)
    }

    #[inline(always)]
    fn keep_if(self, bit: Self) -> Self {
        let mask = bit.0[0].wrapping_neg();
        Self(self.0.map(|limb| limb & mask))
    }

    #[inline(always)]
    fn negate_if(self, bit: Self) -> Self {
        let mask = bit.0[0].wrapping_neg();
        Self(self.0.map(|limb| limb ^ mask)) + bit
    }

    #[inline(always)]
    fn keep_if_negative(self, other: Self) -> Self {
        let mask = other.sign_limb();
        Self(self.0.map(|limb| limb & mask))
    }

    #[inline(always)]
    fn signed_cmp(&self, other: &Self) -> Ordering {
        let top = |x: &Self| x.whole_limbs()[N - 1] as i64;
        let lower = |x: &Self, i: usize| x.0[i];
        (0..N - 1).rev().fold(top(self).cmp(&top(other)), |order, i| {
            order.then_with(|| lower(self, i).cmp(&lower(other, i)))
        })
    }

    #[inline(always)]
    fn bits_signed(self) -> u32 {
        let sign = self.sign_limb();
        Self(self.whole_limbs().map(|limb| limb ^ sign)).bits_unsigned() + 1
    }

    fn to_f64(self) -> f64 {
        let magnitude = self.magnitude();
        let dropped = magnitude.bits_unsigned().saturating_sub(64);
        let mut top = magnitude.shr(dropped).0[0];
        if magnitude.low_bits(dropped) != Self::ZERO {
            top |= 1; // sticky: 64 bits are more than 53 + 2, so one rounding below is the right one
        }
        let value = top as f64 * exact_power(dropped);
        if self.is_negative() { -value } else { value }
    }

    fn from_f64(x: f64) -> Self {
        let rounded = x.round_ties_even();
        if rounded.is_nan() {
            return Self::ZERO;
        }
        if rounded.abs() >= exact_power(Self::BITS - 1) {
            return if rounded < 0.0 { Self::MIN } else { Self::MAX };
        }
        let exponent = (rounded.to_bits() >> 52 & 0x7ff) as i32 - 1075;
        let mantissa = rounded.to_bits() & ((1 << 52) - 1) | 1 << 52; // of more bits than the smallest ring
        let magnitude = Self::from_u64(match u32::try_from(exponent) {
            Ok(_) => mantissa,
            Err(_) => mantissa.checked_shr(exponent.unsigned_abs()).unwrap_or(0), // exact: `rounded` is an integer
        });
        let magnitude = magnitude.shl(exponent.max(0) as u32);
        if rounded < 0.0 { -magnitude } else { magnitude }
    }
}

/// All bits if n < `end`, else none.
#[inline(always)]
const fn below(n: u32, end: u32) -> u64 {
    if n < end { u64::MAX } else { 0 }
}

/// 2^n as a double, n <= 1023.
fn exact_power(n: u32) -> f64 {
    f64::from_bits(u64::from(1023 + n) << 52)
}
