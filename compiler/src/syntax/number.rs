//! Numbers as they are written, and their exact values.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, pow};

/// The most digits that a number may be written with, and the largest exponent of ten.
///
/// Both lie far beyond what any ring holds (2^256 has 78 digits) and keep exact arithmetic cheap.
pub const MAX_DIGITS: usize = 400;

/// A number literal: `15`, `60_000`, `0.01`, `1e-3`. Exact; nothing has been rounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    text: String,
    digits: BigInt,
    exponent: i32,
}

impl Number {
    /// Reads a token of the lexer: digits with `_` between them, a fraction, an exponent.
    /// `None` if it has more than [`MAX_DIGITS`] digits or an exponent beyond that.
    pub fn parse(text: &str) -> Option<Number> {
        let plain: String = text.chars().filter(|&c| c != '_').collect();
        let (mantissa, exponent) = match plain.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()?),
            None => (plain.as_str(), 0_i32),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.len() + fraction.len() > MAX_DIGITS || exponent.unsigned_abs() as usize > MAX_DIGITS {
            return None;
        }
        let digits = format!("{whole}{fraction}").parse().ok()?;
        Some(Number { text: text.to_string(), digits, exponent: exponent - fraction.len() as i32 })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is written as a whole number, without `.` and exponent, and so is an `int`.
    pub fn is_whole(&self) -> bool {
        !self.text.contains(['.', 'e', 'E'])
    }

    /// The exact value.
    pub fn value(&self) -> BigRational {
        let power = pow(BigInt::from(10), self.exponent.unsigned_abs() as usize);
        if self.exponent < 0 {
            BigRational::new(self.digits.clone(), power)
        } else {
            BigRational::new(&self.digits * power, BigInt::one())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(numerator: i64, denominator: i64) -> BigRational {
        BigRational::new(numerator.into(), denominator.into())
    }

    #[test]
    fn values_are_exact() {
        for (text, value, whole) in [
            ("0", ratio(0, 1), true),
            ("60_000", ratio(60_000, 1), true),
            ("0.01", ratio(1, 100), false),
            ("2.50", ratio(5, 2), false),
            ("1e3", ratio(1000, 1), false),
            ("1.25E-2", ratio(1, 80), false),
            ("0e-400", ratio(0, 1), false),
            ("007", ratio(7, 1), true),
        ] {
            let number = Number::parse(text).unwrap();
            assert_eq!((number.value(), number.is_whole()), (value, whole), "{text}");
            assert_eq!(number.text(), text);
        }
    }

    #[test]
    fn size_is_bounded() {
        assert!(Number::parse(&"9".repeat(MAX_DIGITS)).is_some());
        assert!(Number::parse(&"9".repeat(MAX_DIGITS + 1)).is_none());
        assert!(Number::parse("1e400").is_some());
        assert!(Number::parse("1e-401").is_none());
        assert!(Number::parse("1e99999999999999999999").is_none());
        assert!(Number::parse("1e-2147483648").is_none());
    }
}
