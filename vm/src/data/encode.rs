//! Values as fixed-point numbers.
//!
//! **Rounding.** A value x becomes ⌊x·2^f + 1/2⌋: to the nearest, and a value half-way between two to the larger. The
//! nearest truncation of the protocols rounds the same way. Nothing else is rounded: whole numbers and doubles are
//! multiplied by the exact factor. Only standardised values are doubles that were rounded before.

use super::array::{Number, Values, each_type};
use super::error::{DataError, Precision, Problem};
use super::prepare::{Content, Prepared, fill_one_hot, fill_standardised};
use super::spec::{Element, Ratio};
use num_bigint::BigInt;
use num_integer::Integer;
use std::ops::Range;

/// The most bits of a number, the sign included.
const MOST_BITS: u32 = 127;

/// An input in fixed point. Values are computed when they are asked for, so that an image stays a byte per pixel.
#[derive(Debug, Clone)]
pub struct Encoded {
    input: Prepared,
    factor: Factor,
    /// What each byte becomes, for the most frequent case.
    table: Option<Box<[i128; 256]>>,
}

impl Prepared {
    /// Chooses the precision: `frac` bits after the point of `bits` altogether, the sign included (more than 127 count as
    /// 127). For `int` and `bool` nothing is after the point, whatever `frac` is.
    ///
    /// # Errors
    /// D017, naming the first value that does not fit.
    pub fn encode(self, frac: u32, bits: u32) -> Result<Encoded, DataError> {
        let fixed = frac;
        let frac = if self.spec().element == Element::Fix { frac } else { 0 };
        let factor = match &self.content {
            Content::Scaled { scale, .. } | Content::OneHot { scale, .. } => Factor::new(*scale, frac),
            Content::Standardised { .. } => Factor::new(Ratio::ONE, frac),
        };
        let bytes = matches!(&self.content, Content::Scaled { values: Values::U8(_), .. });
        let table = bytes.then(|| Box::new(std::array::from_fn(|byte| factor.of_whole(byte as i64))));
        let encoded = Encoded { input: self, factor, table };
        match encoded.first_beyond(bits.clamp(1, MOST_BITS)) {
            None => Ok(encoded),
            Some(element) => {
                let (index, value) = encoded.input.found(element);
                let needed = encoded.needed_bits();
                let precision = Box::new(Precision { frac: fixed, bits, needed });
                Err(encoded.input.origin.blame(Problem::Overflow { index, value, precision }))
            }
        }
    }
}

impl Encoded {
    /// The input.
    pub fn input(&self) -> &Prepared {
        &self.input
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.input.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives some elements, in the order of the declared tensor, each with its place in the range: what `out` gets is
    /// (0, first), (1, second), …
    ///
    /// # Panics
    /// If the range ends after [`Encoded::len`].
    #[inline]
    pub fn fill(&self, range: Range<usize>, mut out: impl FnMut(usize, i128)) {
        let factor = &self.factor;
        match (&self.input.content, &self.table) {
            (Content::Scaled { values: Values::U8(v), .. }, Some(table)) => {
                v[range].iter().enumerate().for_each(|(i, &x)| out(i, table[usize::from(x)]));
            }
            (Content::Scaled { values, .. }, _) => each_type!(values, v => {
                v[range].iter().enumerate().for_each(|(i, &x)| out(i, x.times(factor)));
            }),
            (Content::OneHot { labels, classes, .. }, _) => {
                let one = factor.of_whole(1);
                fill_one_hot(labels, *classes, range, |i, hot| out(i, if hot { one } else { 0 }));
            }
            (Content::Standardised { values, columns }, _) => each_type!(values, v => {
                fill_standardised(v, columns, range, |i, x| out(i, factor.of_real(x)));
            }),
        }
    }

    /// The first element that needs more bits. The most negative number is none: its negative would not fit.
    fn first_beyond(&self, bits: u32) -> Option<usize> {
        let limit = 1u128 << (bits - 1);
        let fits = |raw: i128| raw.unsigned_abs() < limit;
        if self.table.as_ref().is_some_and(|table| table.iter().all(|&raw| fits(raw))) {
            return None;
        }
        let mut first = None;
        self.fill(0..self.len(), |i, raw| {
            if first.is_none() && !fits(raw) {
                first = Some(i);
            }
        });
        first
    }

    /// The bits that all elements fit, the sign included; 128 if they fit none that there are.
    fn needed_bits(&self) -> u32 {
        let mut most = 0;
        self.fill(0..self.len(), |_, raw| most = most.max(raw.unsigned_abs()));
        u128::BITS - most.leading_zeros() + 1
    }
}

/// A number that is to be rounded after a multiplication.
trait Encode: Number {
    fn times(self, factor: &Factor) -> i128;
}

macro_rules! encode {
    ($($type:ty => $method:ident($as:ty)),+) => {$(
        impl Encode for $type {
            #[inline]
            fn times(self, factor: &Factor) -> i128 {
                factor.$method(<$as>::from(self))
            }
        }
    )+};
}
encode!(u8 => of_whole(i64), i32 => of_whole(i64), i64 => of_whole(i64), f32 => of_real(f64), f64 => of_real(f64));

/// The exact factor num/den · 2^power, num and den being odd, or num 0.
///
/// Results beyond the range of i128 become its ends, which no precision accepts.
#[derive(Debug, Clone)]
struct Factor {
    num: i128,
    den: i128,
    power: i32,
    /// The factor as a double, where it is a power of two, or its negative, well within the range of doubles.
    binary: Option<f64>,
}

impl Factor {
    fn new(scale: Ratio, frac: u32) -> Factor {
        if scale.num() == 0 {
            return Factor { num: 0, den: 1, power: 0, binary: None };
        }
        let (up, down) = (scale.num().trailing_zeros(), scale.den().trailing_zeros());
        let (num, den) = (scale.num() >> up, scale.den() >> down);
        let power = (i64::from(up) - i64::from(down) + i64::from(frac)).clamp(-10_000, 10_000) as i32;
        let binary =
            (num.abs() == 1 && den == 1 && power.abs() <= 1000).then(|| num as f64 * 2.0f64.powi(power));
        Factor { num, den, power, binary }
    }

    #[inline]
    fn of_whole(&self, x: i64) -> i128 {
        self.exactly(i128::from(x), self.power)
    }

    #[inline]
    fn of_real(&self, x: f64) -> i128 {
        // Multiplying by a power of two rounds only what is far below 1/2, and what overflows stays too large.
        let Some(binary) = self.binary else { return self.of_any_real(x) };
        let y = x * binary;
        let floor = y.floor();
        // The difference of a double and its floor is exact.
        let rounded = if y - floor >= 0.5 { floor + 1.0 } else { floor };
        if rounded.abs() < 2.0f64.powi(63) { i128::from(rounded as i64) } else { rounded as i128 }
    }

    fn of_any_real(&self, x: f64) -> i128 {
        let bits = x.to_bits();
        let (fraction, exponent) = (bits & ((1 << 52) - 1), ((bits >> 52) & 0x7ff) as i32);
        let mantissa = if exponent == 0 { fraction } else { fraction | 1 << 52 };
        let signed = if x < 0.0 { -i128::from(mantissa) } else { i128::from(mantissa) };
        self.exactly(signed, self.power + exponent.max(1) - 1075)
    }

    /// ⌊m · num/den · 2^power + 1/2⌋.
    #[inline]
    fn exactly(&self, m: i128, power: i32) -> i128 {
        let Some(product) = m.checked_mul(self.num) else { return self.exactly_wide(m, power) };
        if power < 0 {
            let quotient = if self.den == 1 { product } else { product.div_euclid(self.den) };
            return halve_rounding(quotient >> (-power - 1).min(127));
        }
        // One bit more than the result has, so that the last one says how to round.
        match shift_left(product, power + 1) {
            Some(double) if self.den == 1 => halve_rounding(double),
            Some(double) => halve_rounding(double.div_euclid(self.den)),
            None => self.exactly_wide(m, power),
        }
    }

    /// The same where the steps between need more than 128 bits.
    #[cold]
    fn exactly_wide(&self, m: i128, power: i32) -> i128 {
        let double: BigInt = (BigInt::from(m) * self.num) << (power + 1).max(0).unsigned_abs();
        let divisor: BigInt = BigInt::from(self.den) << (-power - 1).max(0).unsigned_abs();
        let rounded: BigInt = (double.div_floor(&divisor) + 1u8).div_floor(&BigInt::from(2u8));
        let end = if m.signum() * self.num.signum() < 0 { i128::MIN } else { i128::MAX };
        i128::try_from(rounded).unwrap_or(end)
    }
}

/// ⌊q/2 + 1/2⌋. With q = ⌊2x⌋ this is ⌊x + 1/2⌋.
#[inline]
fn halve_rounding(q: i128) -> i128 {
    (q >> 1) + (q & 1)
}

/// q·2^by, if it fits.
#[inline]
fn shift_left(q: i128, by: i32) -> Option<i128> {
    let room = q.unsigned_abs().leading_zeros() as i32;
    (q == 0 || by < room).then(|| if q == 0 { 0 } else { q << by })
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::Sign;
    use proptest::prelude::*;

    /// ⌊m·2^e · num/den · 2^frac + 1/2⌋ by nothing but big integers.
    fn reference(m: i128, e: i32, scale: Ratio, frac: u32) -> i128 {
        let mut num: BigInt = (BigInt::from(m) * scale.num()) << frac;
        let mut den = BigInt::from(scale.den());
        if e < 0 {
            den <<= e.unsigned_abs()
        } else {
            num <<= e.unsigned_abs()
        }
        let above: BigInt = num * 2 + &den;
        let rounded = above.div_floor(&(den * 2));
        let end = if rounded.sign() == Sign::Minus { i128::MIN } else { i128::MAX };
        i128::try_from(rounded).unwrap_or(end)
    }

    fn any_ratio() -> impl Strategy<Value = Ratio> {
        let small = (-300i128..300, 1i128..300);
        let large = (any::<i128>(), any::<i128>());
        let powers = (prop_oneof![Just(1i128), Just(-1)], (0u32..126).prop_map(|p| 1i128 << p));
        prop_oneof![small, large, powers].prop_filter_map("a ratio", |(num, den)| Ratio::new(num, den))
    }

    proptest! {
        #[test]
        fn whole_numbers_are_rounded_exactly(x in any::<i64>(), scale in any_ratio(), frac in 0u32..=64) {
            prop_assert_eq!(Factor::new(scale, frac).of_whole(x), reference(x.into(), 0, scale, frac));
        }

        #[test]
        fn bytes_are_rounded_exactly(x in any::<u8>(), scale in any_ratio(), frac in 0u32..=64) {
            prop_assert_eq!(Factor::new(scale, frac).of_whole(x.into()), reference(x.into(), 0, scale, frac));
        }

        #[test]
        fn doubles_are_rounded_exactly(m in -(1i64 << 53)..=1 << 53, e in -1074i32..900, scale in any_ratio(), frac in 0u32..=64) {
            // Near 1 as often as anywhere.
            for e in [e, e.rem_euclid(80) - 70] {
                let x = m as f64 * 2.0f64.powi(e / 2) * 2.0f64.powi(e - e / 2);
                let exact = Factor::new(scale, frac).of_real(x);
                let (m, e) = parts(x);
                prop_assert_eq!(exact, reference(m, e, scale, frac), "{}", x);
            }
        }
    }

    /// A finite double as m·2^e.
    fn parts(x: f64) -> (i128, i32) {
        let (mut m, mut e) = (x.abs(), 0);
        while m != 0.0 && m.fract() != 0.0 {
            (m, e) = (m * 2.0, e - 1);
        }
        while m >= 2.0f64.powi(100) {
            (m, e) = (m / 2.0, e + 1);
        }
        (if x < 0.0 { -(m as i128) } else { m as i128 }, e)
    }

    #[test]
    fn ties_go_up() {
        let halves = Factor::new(Ratio::ONE, 0);
        let expected =
            [(-1.5, -1), (-0.5, 0), (0.5, 1), (1.5, 2), (2.5, 3), (0.49999999999999994, 0), (-0.0, 0)];
        for (x, rounded) in expected {
            assert_eq!(halves.of_real(x), rounded, "{x}");
        }
        let quarter = Factor::new(Ratio::new(1, 4).unwrap(), 1);
        assert_eq!([-3, -1, 1, 3].map(|x| quarter.of_whole(x)), [-1, 0, 1, 2]);
    }

    #[test]
    fn what_has_no_room_becomes_the_end() {
        let one = Factor::new(Ratio::ONE, 64);
        assert_eq!((one.of_real(f64::MAX), one.of_real(f64::MIN)), (i128::MAX, i128::MIN));
        assert_eq!(one.of_whole(i64::MAX), i128::from(i64::MAX) << 64);
        let huge = Factor::new(Ratio::new(i128::MAX, 1).unwrap(), 64);
        assert_eq!((huge.of_whole(-3), huge.of_whole(0)), (i128::MIN, 0));
    }
}
