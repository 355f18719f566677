//! How large products and sums are before the ring reduces them.
//!
//! The bits of the operands bound a product; nearly always that settles it. Otherwise it is computed in double precision, which is exact enough to
//! say whether 63 bits hold it.

use tern_bytecode::instr::Axes;

use super::scan::{bits, doubles};
use crate::par::Threads;
use crate::ring::views::View;
use crate::ring::{Layout, Ring};

/// What the signed values of a ring stay below.
fn end<R: Ring>() -> f64 {
    2f64.powi(R::BITS as i32 - 1)
}

/// How many times too large for the ring the largest number is, if it is.
fn excess<R: Ring>(largest: f64) -> Option<f64> {
    let factor = largest / end::<R>();
    (factor >= 1.0).then_some(factor)
}

/// Bits of 0..n.
fn log2_up(n: usize) -> u32 {
    usize::BITS - n.saturating_sub(1).leading_zeros()
}

/// Of an element-wise product.
pub(super) fn elementwise<R: Ring>(threads: &Threads, a: View<'_, R>, b: View<'_, R>) -> Option<f64> {
    if bits(threads, a) + bits(threads, b) <= R::BITS {
        return None;
    }
    let products = doubles(a).into_iter().zip(doubles(b)).map(|(x, y)| (x * y).abs());
    excess::<R>(products.fold(0.0, f64::max))
}

/// Of sums over the axes whose bits are set.
pub(super) fn summed<R: Ring>(threads: &Threads, a: View<'_, R>, axes: u32) -> Option<f64> {
    let is_summed = |i: usize| axes >> i & 1 == 1;
    let shape: Vec<usize> = a.layout.axes.iter().map(|axis| axis.len).collect();
    let count: usize = shape.iter().enumerate().filter(|(i, _)| is_summed(*i)).map(|(_, n)| n).product();
    if bits(threads, a) + log2_up(count) <= R::BITS {
        return None;
    }
    let mut strides = vec![0; shape.len()];
    let mut kept = 1;
    for i in (0..shape.len()).rev().filter(|i| !is_summed(*i)) {
        strides[i] = kept;
        kept *= shape[i];
    }
    let mut sums = vec![0.0f64; kept];
    for (at, value) in doubles(a).into_iter().enumerate() {
        let mut rest = at;
        let mut to = 0;
        for (len, stride) in shape.iter().zip(&strides).rev() {
            to += rest % len * stride;
            rest /= len;
        }
        sums[to] += value;
    }
    excess::<R>(sums.into_iter().map(f64::abs).fold(0.0, f64::max))
}

/// Of a product that is summed over inner axes.
pub(super) fn contracted<R: Ring>(
    threads: &Threads,
    a: View<'_, R>,
    b: View<'_, R>,
    axes: Axes,
) -> Option<f64> {
    let [n, r, i, _] = [axes.batch, axes.rows, axes.inner, axes.cols].map(usize::from);
    let size = |layout: &Layout, from: usize, to: usize| -> usize {
        layout.axes[from..to].iter().map(|axis| axis.len).product()
    };
    let inner = size(b.layout, n, n + i);
    if bits(threads, a) + bits(threads, b) + log2_up(inner) <= R::BITS {
        return None;
    }
    let rows = size(a.layout, n, n + r);
    let cols = size(b.layout, n + i, b.layout.axes.len());
    if rows == 0 || cols == 0 || inner == 0 {
        return None;
    }
    let (a, b) = (doubles(a), doubles(b));
    let largest = a.chunks_exact(rows * inner).zip(b.chunks_exact(inner * cols));
    let largest = largest.map(|(a, b)| largest_entry(a, b, inner, cols, end::<R>()));
    excess::<R>(largest.fold(0.0, f64::max))
}

/// The largest entry of a product of matrices, of those that may reach `bound`: the lengths of a row and of a column bound their product.
fn largest_entry(a: &[f64], b: &[f64], inner: usize, cols: usize, bound: f64) -> f64 {
    let mut squares = vec![0.0f64; cols];
    for row in b.chunks_exact(cols) {
        row.iter().zip(&mut squares).for_each(|(x, sum)| *sum += x * x);
    }
    let mut largest = 0.0f64;
    for row in a.chunks_exact(inner) {
        let square: f64 = row.iter().map(|x| x * x).sum();
        for (col, _) in squares.iter().enumerate().filter(|(_, other)| square * *other >= bound * bound) {
            let entry: f64 = row.iter().enumerate().map(|(k, x)| x * b[k * cols + col]).sum();
            largest = largest.max(entry.abs());
        }
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::Z64;

    fn ring(values: &[i128]) -> Vec<Z64> {
        values.iter().map(|x| Z64::from_i128(*x)).collect()
    }

    #[test]
    fn products_and_sums_around_the_end_of_the_ring() {
        let threads = Threads::single();
        let one = Layout::contiguous(&[1]);
        for (x, y, fits) in [(1 << 31, 1 << 31, true), (1 << 32, 1 << 31, false), (1 << 32, -(3 << 29), true)]
        {
            let (a, b) = (ring(&[x]), ring(&[y]));
            let found = elementwise(&threads, View::new(&a, &one), View::new(&b, &one));
            assert_eq!(found.is_none(), fits, "{x} {y}");
        }
        let (a, b) = (ring(&[-(1 << 40)]), ring(&[1 << 25]));
        let found = elementwise(&threads, View::new(&a, &one), View::new(&b, &one));
        assert_eq!(found, Some(4.0));

        let layout = Layout::contiguous(&[2, 3]);
        let a = ring(&[1 << 62, 1, 1 << 62, -(1 << 62), 1 << 62, 1 << 61]);
        assert_eq!(summed(&threads, View::new(&a, &layout), 0b01), None);
        assert_eq!(summed(&threads, View::new(&a, &layout), 0b10), Some(1.0));
        assert_eq!(summed(&threads, View::new(&ring(&[1 << 62; 6]), &layout), 0b11), Some(3.0));
    }

    #[test]
    fn a_matrix_product_with_one_entry_that_does_not_fit() {
        let threads = Threads::single();
        let axes = Axes { batch: 0, rows: 1, inner: 1, cols: 1 };
        let (left, right) = (Layout::contiguous(&[2, 2]), Layout::contiguous(&[2, 2]));
        let a = ring(&[1 << 32, 1 << 32, 1 << 32, -(1 << 32)]);
        let product = |b: &[i128]| {
            let b = ring(b);
            contracted(&threads, View::new(&a, &left), View::new(&b, &right), axes)
        };
        assert_eq!(product(&[1 << 31, 0, 1 << 31, 0]), Some(2.0)); // 2^64 and 0
        assert_eq!(product(&[1 << 33, 0, 1 << 33, 0]), Some(8.0));
        assert_eq!(product(&[1 << 33, 0, -(1 << 33), 0]), Some(8.0));
        assert_eq!(product(&[1 << 28, 5, -(1 << 28), 7]), None);
    }
}
