//! Columns brought to mean 0 and variance 1.

use super::array::Number;

/// What standardising does to each column: `(x·unit − centre) / spread`, and 0 where the column is constant.
///
/// Statistics are those of the rows that are used, the variance being the mean squared distance from the mean (divided
/// by n, not n − 1). They are computed in double precision; `unit` is a power of two that keeps them from overflowing.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    unit: Vec<f64>,
    centre: Vec<f64>,
    spread: Vec<f64>,
}

impl Columns {
    /// Statistics of the columns of a row-major matrix of finite numbers. With `negative`, the columns stand for their
    /// negatives: of a scale, only the sign survives standardising.
    pub(super) fn of<T: Number>(values: &[T], columns: usize, negative: bool) -> Columns {
        // Without rows, however many columns there would be, nothing is kept of them.
        let columns = if values.is_empty() { 0 } else { columns };
        let mut result =
            Columns { unit: units(values, columns), centre: vec![0.0; columns], spread: vec![0.0; columns] };
        if columns == 0 {
            return result;
        }
        let rows = (values.len() / columns) as f64;
        // The second round removes what rounding left of the mean in the first.
        for _ in 0..2 {
            let mut sums = vec![0.0; columns];
            result.each(values, |column, distance| sums[column] += distance);
            result.centre.iter_mut().zip(sums).for_each(|(centre, sum)| *centre += sum / rows);
        }
        let mut squares = vec![0.0; columns];
        result.each(values, |column, distance| squares[column] += distance * distance);
        let sign = if negative { -1.0 } else { 1.0 };
        let varies = varying(values, columns);
        for (column, square) in squares.into_iter().enumerate() {
            result.spread[column] = if varies[column] { sign * (square / rows).sqrt() } else { 0.0 };
        }
        result
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.unit.len()
    }

    /// A value of a column, standardised. Finite if the value is.
    #[inline]
    pub(super) fn value(&self, column: usize, x: f64) -> f64 {
        let spread = self.spread[column];
        if spread == 0.0 { 0.0 } else { (x * self.unit[column] - self.centre[column]) / spread }
    }

    /// Distances from the centre, in units.
    fn each<T: Number>(&self, values: &[T], mut found: impl FnMut(usize, f64)) {
        for row in values.chunks_exact(self.len()) {
            for (column, x) in row.iter().enumerate() {
                found(column, x.float() * self.unit[column] - self.centre[column]);
            }
        }
    }
}

/// A power of two for each column that brings its largest value to about 1, so that no square leaves the range of
/// doubles.
fn units<T: Number>(values: &[T], columns: usize) -> Vec<f64> {
    let mut largest = vec![0.0f64; columns];
    for row in values.chunks_exact(columns.max(1)) {
        largest.iter_mut().zip(row).for_each(|(largest, x)| *largest = largest.max(x.float().abs()));
    }
    let unit =
        |largest: f64| if largest == 0.0 { 1.0 } else { 2.0f64.powi(-exponent(largest).clamp(-1000, 1000)) };
    largest.into_iter().map(unit).collect()
}

/// The exponent of a finite double above 0; for the subnormal ones, that of the smallest normal one.
fn exponent(x: f64) -> i32 {
    ((x.to_bits() >> 52) & 0x7ff) as i32 - 1023
}

/// Whether a column has two different values.
fn varying<T: Number>(values: &[T], columns: usize) -> Vec<bool> {
    let mut varies = vec![false; columns];
    let first = &values[..columns];
    for row in values.chunks_exact(columns) {
        for (column, x) in row.iter().enumerate() {
            varies[column] |= x.float() != first[column].float();
        }
    }
    varies
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standardised(values: &[f64], columns: usize) -> Vec<f64> {
        let stats = Columns::of(values, columns, false);
        values.iter().enumerate().map(|(i, &x)| stats.value(i % columns, x)).collect()
    }

    #[test]
    fn known_values() {
        assert_eq!(standardised(&[1.0, 7.0, 3.0, 7.0], 2), [-1.0, 0.0, 1.0, 0.0]);
        assert_eq!(standardised(&[5.0], 1), [0.0]);
        assert!(standardised(&[], 3).is_empty());
        assert_eq!(Columns::of::<f64>(&[], usize::MAX, false).len(), 0, "no memory for columns of nothing");
        let negated = Columns::of(&[1u8, 3], 1, true);
        assert_eq!((negated.value(0, 1.0), negated.value(0, 3.0)), (1.0, -1.0));
    }

    #[test]
    fn extremes_neither_overflow_nor_vanish() {
        assert_eq!(standardised(&[f64::MAX, -f64::MAX], 1), [1.0, -1.0]);
        let tiny = f64::from_bits(1);
        assert_eq!(standardised(&[0.0, tiny], 1), [-1.0, 1.0]);
        // A tenth is no double, so a naive mean of equal values need not be equal to them.
        assert_eq!(standardised(&[0.1; 7], 1), [0.0; 7]);
    }
}
