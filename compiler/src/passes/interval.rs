//! Closed intervals of whole numbers, exact.

use std::fmt;

use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{One, Signed, ToPrimitive, Zero};

/// All whole numbers from `low` to `high`, both included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interval {
    /// The smallest.
    pub low: BigInt,
    /// The largest.
    pub high: BigInt,
}

impl Interval {
    /// From `low` to `high`; the other way round if they are in the wrong order.
    pub fn new(low: impl Into<BigInt>, high: impl Into<BigInt>) -> Interval {
        let (low, high) = (low.into(), high.into());
        if low <= high { Interval { low, high } } else { Interval { low: high, high: low } }
    }

    /// One number.
    pub fn point(number: impl Into<BigInt>) -> Interval {
        let number = number.into();
        Interval { low: number.clone(), high: number }
    }

    /// What fits `width` bits with a sign: -2^(width-1) ..= 2^(width-1) - 1.
    pub fn signed(width: u32) -> Interval {
        let half = power(width.max(1) - 1);
        Interval { low: -half.clone(), high: half - 1 }
    }

    /// The only number, if there is only one.
    pub fn as_point(&self) -> Option<&BigInt> {
        (self.low == self.high).then_some(&self.low)
    }

    /// Whether every number of `other` is in it.
    pub fn contains(&self, other: &Interval) -> bool {
        self.low <= other.low && other.high <= self.high
    }

    /// The largest absolute value.
    pub fn magnitude(&self) -> BigInt {
        self.low.abs().max(self.high.abs())
    }

    /// The smallest number of bits, with a sign, that all numbers fit.
    pub fn width(&self) -> u32 {
        // for a negative number n, -n - 1 has as many digits as n needs beside the sign
        let digits = |n: &BigInt| if n.is_negative() { (-n - 1u32).bits() } else { n.bits() };
        digits(&self.low).max(digits(&self.high)) as u32 + 1
    }

    /// Both.
    pub fn union(&self, other: &Interval) -> Interval {
        Interval {
            low: self.low.clone().min(other.low.clone()),
            high: self.high.clone().max(other.high.clone()),
        }
    }

    /// What is in both; nothing if there is none.
    pub fn intersection(&self, other: &Interval) -> Option<Interval> {
        let low = self.low.clone().max(other.low.clone());
        let high = self.high.clone().min(other.high.clone());
        (low <= high).then_some(Interval { low, high })
    }

    /// Sums.
    pub fn add(&self, other: &Interval) -> Interval {
        Interval { low: &self.low + &other.low, high: &self.high + &other.high }
    }

    /// Differences.
    pub fn sub(&self, other: &Interval) -> Interval {
        self.add(&other.neg())
    }

    /// Negatives.
    pub fn neg(&self) -> Interval {
        Interval { low: -&self.high, high: -&self.low }
    }

    /// Products.
    pub fn mul(&self, other: &Interval) -> Interval {
        let ends = [
            &self.low * &other.low,
            &self.low * &other.high,
            &self.high * &other.low,
            &self.high * &other.high,
        ];
        let [a, b, c, d] = ends.map(Interval::point);
        a.union(&b).union(&c.union(&d))
    }

    /// Products of numbers with themselves.
    pub fn square(&self) -> Interval {
        let largest = self.magnitude();
        let inside = self.low.is_positive() || self.high.is_negative();
        let smallest = if inside { self.low.abs().min(self.high.abs()) } else { BigInt::zero() };
        Interval { low: smallest.pow(2), high: largest.pow(2) }
    }

    /// Sums of up to `times` numbers, exactly `times` of them if `all`.
    pub fn sum(&self, times: u64, all: bool) -> Interval {
        let sum = Interval { low: &self.low * times, high: &self.high * times };
        if all { sum } else { sum.union(self).union(&Interval::point(0)) }
    }

    /// Times 2^`bits`.
    pub fn raise(&self, bits: u32) -> Interval {
        Interval { low: &self.low << bits, high: &self.high << bits }
    }

    /// Divided by 2^`bits`, rounded down or up.
    pub fn truncate(&self, bits: u32) -> Interval {
        Interval { low: &self.low >> bits, high: self.high.div_ceil(&power(bits)) }
    }

    /// The ends divided by 2^`frac`, as the doubles next to them.
    pub fn numbers(&self, frac: u32) -> (f64, f64) {
        let unit = 2f64.powi(-(frac.min(1000) as i32));
        let number = |n: &BigInt| n.to_f64().unwrap_or(f64::INFINITY) * unit;
        (number(&self.low), number(&self.high))
    }
}

/// 2^`exponent`.
pub fn power(exponent: u32) -> BigInt {
    BigInt::one() << exponent
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..={}", self.low, self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn interval() -> impl Strategy<Value = Interval> {
        (-40i64..40, -40i64..40).prop_map(|(a, b)| Interval::new(a, b))
    }

    fn numbers(interval: &Interval) -> impl Iterator<Item = i64> {
        interval.low.to_i64().unwrap()..=interval.high.to_i64().unwrap()
    }

    /// The smallest interval around some numbers.
    fn hull(numbers: impl Iterator<Item = i64>) -> Interval {
        numbers.map(Interval::point).reduce(|a, b| a.union(&b)).unwrap()
    }

    #[test]
    fn widths_at_the_ends() {
        for (low, high, width) in
            [(0, 0, 1), (-1, 0, 1), (0, 1, 2), (-2, 1, 2), (-3, 0, 3), (0, 127, 8), (-128, 0, 8), (0, 128, 9)]
        {
            assert_eq!(Interval::new(low, high).width(), width, "{low}..={high}");
        }
        for width in 1..300 {
            assert_eq!(Interval::signed(width).width(), width);
        }
    }

    proptest! {
        #[test]
        fn arithmetic_is_the_hull_of_what_can_happen(a in interval(), b in interval(), bits in 0u32..4) {
            let pairs = || numbers(&a).flat_map(|x| numbers(&b).map(move |y| (x, y)));
            prop_assert_eq!(a.add(&b), hull(pairs().map(|(x, y)| x + y)));
            prop_assert_eq!(a.sub(&b), hull(pairs().map(|(x, y)| x - y)));
            prop_assert_eq!(a.mul(&b), hull(pairs().map(|(x, y)| x * y)));
            prop_assert_eq!(a.square(), hull(numbers(&a).map(|x| x * x)));
            prop_assert_eq!(a.neg(), hull(numbers(&a).map(|x| -x)));
            let step = 1i64 << bits;
            let rounded = numbers(&a).flat_map(|x| (0..step).map(move |r| (x + r).div_euclid(step)));
            prop_assert_eq!(a.truncate(bits), hull(rounded));
        }
    }
}
