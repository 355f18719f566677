//! Elementary functions of numbers with [`PLACES`] binary places, as whole numbers of 2^-PLACES: far more exact than anything that is compared
//! with them, also at 64 fraction bits.

use std::sync::OnceLock;

use num_bigint::BigInt;
use num_traits::{One, Signed, Zero};

/// Binary places.
pub const PLACES: u32 = 320;

/// n · 2^exponent.
pub fn scaled(n: &BigInt, exponent: i64) -> BigInt {
    let places = i64::from(PLACES) + exponent;
    if places >= 0 { n << places as u32 } else { n >> (-places) as u32 }
}

/// 2^exponent.
pub fn power(exponent: i64) -> BigInt {
    scaled(&BigInt::one(), exponent)
}

/// a · b
pub fn times(a: &BigInt, b: &BigInt) -> BigInt {
    (a * b) >> PLACES
}

/// a / b
pub fn over(a: &BigInt, b: &BigInt) -> BigInt {
    (a << PLACES) / b
}

/// √a for a ≥ 0.
pub fn sqrt(a: &BigInt) -> BigInt {
    (a << PLACES).sqrt()
}

/// ln 2
pub fn ln_2() -> BigInt {
    static KNOWN: OnceLock<BigInt> = OnceLock::new();
    KNOWN.get_or_init(|| artanh_twice(&(power(0) / 3))).clone()
}

/// e^a; 0 where nothing is left of it.
pub fn exp(a: &BigInt) -> BigInt {
    let ln_2 = ln_2();
    let halvings = -(num_integer::Integer::div_floor(a, &ln_2));
    if halvings > BigInt::from(PLACES) {
        return BigInt::zero();
    }
    let rest = a + &halvings * &ln_2;
    let (mut term, mut sum, mut n) = (power(0), BigInt::zero(), 0);
    while !term.is_zero() {
        sum += &term;
        n += 1;
        term = times(&term, &rest) / n;
    }
    let halvings = i64::try_from(halvings).expect("a small number");
    if halvings >= 0 { sum >> halvings as u32 } else { sum << (-halvings) as u32 }
}

/// ln a for a > 0.
///
/// # Panics
/// If a is not positive.
pub fn ln(a: &BigInt) -> BigInt {
    assert!(a.is_positive(), "the logarithm of {a}");
    let doublings = a.bits() as i64 - i64::from(PLACES) - 1;
    let one = power(0);
    let m = if doublings >= 0 { a >> doublings as u32 } else { a << (-doublings) as u32 }; // in 1..2
    artanh_twice(&over(&(&m - &one), &(&m + &one))) + ln_2() * doublings
}

/// ln((1 + z) / (1 - z)) for |z| ≤ 1/3, by its series.
fn artanh_twice(z: &BigInt) -> BigInt {
    let square = times(z, z);
    let (mut power, mut sum, mut n) = (z.clone(), BigInt::zero(), 1);
    while power.abs() > BigInt::one() {
        sum += &power / n;
        power = times(&power, &square);
        n += 2;
    }
    sum * 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_traits::ToPrimitive;

    fn number(a: &BigInt) -> f64 {
        (a >> (PLACES - 60)).to_f64().expect("finite") / 2f64.powi(60)
    }

    #[test]
    fn they_agree_with_doubles() {
        for k in [-3_000, -700, -64, -1, 0, 1, 5, 64, 100, 1_000] {
            let (x, a) = (f64::from(k) / 64.0, scaled(&BigInt::from(k), -6));
            assert!((number(&exp(&a)) - x.exp()).abs() <= 1e-15 * x.exp().max(1.0), "{x}");
            if k > 0 {
                assert!((number(&ln(&a)) - x.ln()).abs() <= 1e-15 * x.ln().abs().max(1.0), "{x}");
                assert!((number(&sqrt(&a)) - x.sqrt()).abs() <= 1e-15 * x.sqrt().max(1.0), "{x}");
                assert!((number(&over(&power(0), &a)) - 1.0 / x).abs() <= 1e-15 / x.min(1.0), "{x}");
            }
        }
    }

    #[test]
    fn they_are_each_others_inverses() {
        for k in [1, 7, 64, 1_000, 12_345] {
            let a = scaled(&BigInt::from(k), -6);
            let close = |b: BigInt| (b - &a).abs() < power(16 - i64::from(PLACES)) * k;
            assert!(close(exp(&ln(&a))), "{k}");
            assert!(close(times(&sqrt(&a), &sqrt(&a))), "{k}");
        }
    }
}
