//! Functions of constants. Rational arithmetic is exact; roots, exponentials and logarithms have `bits` correct fraction bits
//! (relative to 1, or to the result if that is larger).

use num_bigint::BigInt;
use num_integer::Integer;
use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};

/// The largest exponent that constants may be raised to, and the largest result in bits.
const LIMIT: i64 = 4096;
/// Bits kept beyond those asked for.
const GUARD: u32 = 32;

/// e where x = n / 2^e, the form that roots, exponentials and polynomials of them have; `None` for other denominators.
fn binary_places(x: &BigRational) -> Option<u64> {
    let e = x.denom().trailing_zeros()?;
    (e + 1 == x.denom().bits()).then_some(e)
}

/// n / 2^e. The common factor is seen from the last bits; a greatest common divisor takes the square of the length.
fn dyadic(n: BigInt, e: u64) -> BigRational {
    let common = n.trailing_zeros().map_or(e, |zeros| zeros.min(e));
    BigRational::new_raw(n >> common, BigInt::one() << (e - common))
}

/// x ± y, by `f`.
fn sum(x: &BigRational, y: &BigRational, f: fn(BigInt, BigInt) -> BigInt) -> Option<BigRational> {
    let (d, e) = (binary_places(x)?, binary_places(y)?);
    let common = d.max(e);
    Some(dyadic(f(x.numer() << (common - d), y.numer() << (common - e)), common))
}

/// x + y.
pub(crate) fn add(x: &BigRational, y: &BigRational) -> BigRational {
    sum(x, y, |x, y| x + y).unwrap_or_else(|| x + y)
}

/// x - y.
pub(crate) fn sub(x: &BigRational, y: &BigRational) -> BigRational {
    sum(x, y, |x, y| x - y).unwrap_or_else(|| x - y)
}

/// x · y.
pub(crate) fn mul(x: &BigRational, y: &BigRational) -> BigRational {
    match (binary_places(x), binary_places(y)) {
        (Some(d), Some(e)) => dyadic(x.numer() * y.numer(), d + e),
        _ => x * y,
    }
}

/// x / y for y other than 0.
pub(crate) fn div(x: &BigRational, y: &BigRational) -> BigRational {
    // by a power of two, which is not rare: one shift
    match (binary_places(x), binary_places(y)) {
        (Some(d), Some(e)) if y.numer().magnitude().count_ones() == 1 => {
            let zeros = y.numer().trailing_zeros().unwrap_or(0);
            let n = x.numer() << e;
            dyadic(if y.is_negative() { -n } else { n }, d + zeros)
        }
        _ => x / y,
    }
}

/// 2^n.
pub(crate) fn pow2(n: i64) -> BigRational {
    let power = BigInt::one() << n.unsigned_abs();
    if n < 0 { BigRational::new_raw(BigInt::one(), power) } else { BigRational::from_integer(power) }
}

/// ⌊x · 2^bits⌋.
fn fixed(x: &BigRational, bits: u32) -> BigInt {
    (x.numer() << bits).div_floor(x.denom())
}

fn from_fixed(x: BigInt, bits: u32) -> BigRational {
    dyadic(x, u64::from(bits))
}

/// Square root of x ≥ 0; `None` below.
pub(crate) fn sqrt(x: &BigRational, bits: u32) -> Option<BigRational> {
    if x.is_negative() {
        return None;
    }
    let precision = bits + GUARD;
    let (n, d) = (x.numer().sqrt(), x.denom().sqrt());
    if &(&n * &n) == x.numer() && &(&d * &d) == x.denom() {
        return Some(BigRational::new(n, d));
    }
    Some(from_fixed(fixed(x, 2 * precision).sqrt(), precision))
}

/// e^x; `None` if the result is absurdly large.
pub(crate) fn exp(x: &BigRational, bits: u32) -> Option<BigRational> {
    if x.is_zero() {
        return Some(BigRational::one());
    }
    if x.abs() > BigRational::from_integer(LIMIT.into()) {
        return if x.is_negative() { Some(BigRational::zero()) } else { None };
    }
    // e^x = (e^(x / 2^s))^(2^s) with x / 2^s below 1/2; each squaring doubles the error.
    let halvings = (x.abs().ceil().to_integer().bits() + 1) as u32;
    let whole = (x.to_f64()?.abs() * std::f64::consts::LOG2_E).ceil() as u32;
    let precision = bits + GUARD + 2 * halvings + whole;
    let r = fixed(&(x / pow2(i64::from(halvings))), precision);
    let (mut term, mut sum) = (BigInt::one() << precision, BigInt::zero());
    let mut i = 0u32;
    while !term.is_zero() && term != BigInt::from(-1) {
        sum += &term;
        i += 1;
        term = ((term * &r) >> precision) / i;
    }
    for _ in 0..halvings {
        sum = (&sum * &sum) >> precision;
    }
    Some(from_fixed(sum, precision))
}

/// Natural logarithm of x > 0; `None` elsewhere.
pub(crate) fn ln(x: &BigRational, bits: u32) -> Option<BigRational> {
    if !x.is_positive() {
        return None;
    }
    let shift = x.numer().bits() as i64 - x.denom().bits() as i64;
    let m = x / pow2(shift); // in (1/2, 2)
    let precision = bits + GUARD + 16;
    let series = |y: &BigRational| -> BigInt {
        // ln(y) = 2 artanh((y - 1) / (y + 1))
        let z = fixed(&((y - BigRational::one()) / (y + BigRational::one())), precision);
        let z2 = (&z * &z) >> precision;
        let (mut power, mut sum, mut i) = (z, BigInt::zero(), 1u32);
        while !power.is_zero() && power != BigInt::from(-1) {
            sum += &power / i;
            power = (power * &z2) >> precision;
            i += 2;
        }
        sum * 2
    };
    let ln2 = series(&BigRational::from_integer(2.into()));
    Some(from_fixed(series(&m) + ln2 * shift, precision))
}

/// Logarithm to base 2 of x > 0; exact for powers of two.
pub(crate) fn log2(x: &BigRational, bits: u32) -> Option<BigRational> {
    if !x.is_positive() {
        return None;
    }
    let shift = x.numer().bits() as i64 - x.denom().bits() as i64;
    if (x / pow2(shift)).is_one() {
        return Some(BigRational::from_integer(shift.into()));
    }
    Some(ln(x, bits + 16)? / ln(&BigRational::from_integer(2.into()), bits + 16)?)
}

/// x^y: exact for whole y, a root or e^(y ln x) otherwise. `None` where it has no real value or an absurd size.
pub(crate) fn pow(x: &BigRational, y: &BigRational, bits: u32) -> Option<BigRational> {
    if y.is_integer() {
        let exponent = y.to_integer().to_i64().filter(|e| e.abs() <= LIMIT)?;
        if x.is_zero() && exponent < 0 {
            return None;
        }
        let size = x.numer().bits().max(x.denom().bits()) as i64;
        if size.saturating_mul(exponent.abs()) > 64 * LIMIT {
            return None;
        }
        return Some(num_traits::Pow::pow(x, exponent as i32));
    }
    if x.is_zero() {
        return y.is_positive().then(BigRational::zero);
    }
    if *y.denom() == BigInt::from(2) {
        return sqrt(&pow(x, &BigRational::from_integer(y.numer().clone()), bits)?, bits);
    }
    exp(&(y * ln(x, bits + 16)?), bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(n: i64, d: i64) -> BigRational {
        BigRational::new(n.into(), d.into())
    }

    #[test]
    fn agrees_with_doubles() {
        for (n, d) in [(1, 3), (2, 1), (7, 2), (1, 1000), (123456, 7), (-5, 3), (-20, 1)] {
            let x = ratio(n, d);
            let f = n as f64 / d as f64;
            let close = |a: Option<BigRational>, b: f64| {
                let a = a.and_then(|a| a.to_f64()).unwrap_or(f64::NAN);
                assert!(
                    (a - b).abs() <= 1e-13 * b.abs().max(1.0) || a.is_nan() && b.is_nan(),
                    "{n}/{d}: {a} {b}"
                );
            };
            close(sqrt(&x, 64), f.sqrt());
            close(ln(&x, 64), f.ln());
            close(log2(&x, 64), f.log2());
            if f < 100.0 {
                close(exp(&x, 64), f.exp());
            }
            if f > 0.0 {
                close(pow(&x, &ratio(-1, 2), 64), f.powf(-0.5));
                close(pow(&x, &ratio(1, 3), 64), f.powf(1.0 / 3.0));
            }
            close(pow(&x, &ratio(-3, 1), 64), f.powi(-3));
        }
    }

    /// Sums, products and quotients of fractions of every kind are those of the library, in lowest terms.
    #[test]
    fn arithmetic_is_that_of_fractions() {
        let numbers: Vec<BigRational> = [-96i64, -7, -1, 0, 1, 3, 4, 1 << 40, (1 << 50) + 1]
            .iter()
            .flat_map(|&n| [1i64, 2, 8, 3, 12, 1 << 33].map(|d| ratio(n, d)))
            .collect();
        for x in &numbers {
            for y in &numbers {
                let same = |ours: BigRational, theirs: BigRational| {
                    assert_eq!((ours.numer(), ours.denom()), (theirs.numer(), theirs.denom()), "{x} {y}");
                };
                same(add(x, y), x + y);
                same(sub(x, y), x - y);
                same(mul(x, y), x * y);
                if !y.is_zero() {
                    same(div(x, y), x / y);
                }
            }
        }
    }

    #[test]
    fn exact_where_it_can_be() {
        assert_eq!(sqrt(&ratio(9, 4), 10), Some(ratio(3, 2)));
        assert_eq!(log2(&ratio(1, 1024), 10), Some(ratio(-10, 1)));
        assert_eq!(pow(&ratio(2, 1), &ratio(-3, 1), 10), Some(ratio(1, 8)));
        assert_eq!(pow(&ratio(2, 1), &ratio(1_000_000, 1), 10), None);
    }
}
