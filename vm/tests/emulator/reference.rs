//! What the tests compare with: big integers, and positions of views by their definition.

use num_bigint::{BigInt, Sign};
use proptest::prelude::*;
use tern_bytecode::View;
use tern_vm::ring::Ring;

/// The signed value.
pub fn signed<R: Ring>(x: R) -> BigInt {
    BigInt::from_signed_bytes_le(bytemuck::bytes_of(&x.extended()))
}

/// The element that a number stands for.
pub fn reduced<R: Ring>(x: &BigInt) -> R {
    let modulus = BigInt::from(1) << R::BITS;
    let residue = ((x % &modulus) + &modulus) % &modulus;
    assert_ne!(residue.sign(), Sign::Minus);
    R::from_limbs(&residue.to_u64_digits().1)
}

/// Rounds towards minus infinity.
pub fn floor_shift(x: &BigInt, bits: u32) -> BigInt {
    let divisor = BigInt::from(1) << bits;
    let rest = ((x % &divisor) + &divisor) % &divisor;
    (x - rest) / divisor
}

/// The positions of a view's elements in its buffer, in row-major order.
pub fn positions(view: &View) -> Vec<usize> {
    let mut all = vec![view.offset as i64];
    for dim in &view.dims {
        all = all.iter().flat_map(|at| (0..i64::from(dim.size)).map(move |i| at + i * dim.stride)).collect();
    }
    all.into_iter().map(|at| at as usize).collect()
}

/// Any contents for elements of any ring: uniform, small, and the edges.
pub fn limbs() -> impl Strategy<Value = [u64; 4]> {
    prop_oneof![
        3 => any::<[u64; 4]>(),
        3 => any::<i32>().prop_map(|x| [x as i64 as u64, (x >> 31) as i64 as u64, (x >> 31) as i64 as u64, (x >> 31) as i64 as u64]),
        1 => prop::sample::select(vec![[0; 4], [1, 0, 0, 0], [u64::MAX; 4]]),
        1 => (0..256usize).prop_map(|n| { let mut x = [0; 4]; x[n / 64] = 1 << (n % 64); x }),
    ]
}

/// Elements of ring `R` from such contents, repeated as often as needed.
pub fn elements<R: Ring>(contents: &[[u64; 4]], len: usize, skip: usize) -> Vec<R> {
    (0..len).map(|i| R::from_limbs(&contents[(i + skip) % contents.len()])).collect()
}

/// How a tensor lies in its buffer.
#[derive(Debug, Clone)]
pub struct Placement {
    /// The order of the axes in memory.
    order: Vec<usize>,
    /// Steps per axis, at least 1.
    steps: Vec<i64>,
    /// Axes that run backwards.
    flipped: Vec<bool>,
    /// Axes along which one element repeats; only for operands that are read.
    repeated: Vec<bool>,
    /// Unused elements before the first.
    lead: u64,
}

impl Placement {
    /// Offset, sizes and strides of a tensor of this shape, and the buffer's length.
    pub fn of(&self, shape: &[u32], read: bool) -> (u64, Vec<(u32, i64)>, u64) {
        let mut dims = vec![(0, 0); shape.len()];
        let mut reach = 1; // elements that the axes placed so far span
        let mut first = self.lead as i64;
        let mut order: Vec<usize> = (0..shape.len()).collect();
        order.sort_by_key(|&i| self.order[i]);
        for i in order {
            if read && self.repeated[i] {
                dims[i] = (shape[i], 0);
                continue;
            }
            let stride = reach * self.steps[i];
            let span = stride * (i64::from(shape[i]) - 1).max(0);
            dims[i] = (shape[i], if self.flipped[i] { -stride } else { stride });
            first += if self.flipped[i] { span } else { 0 };
            reach += span;
        }
        (first as u64, dims, self.lead + reach as u64)
    }
}

/// Placements of tensors with up to six axes.
pub fn placement() -> impl Strategy<Value = Placement> {
    let order = Just((0..6).collect::<Vec<_>>()).prop_shuffle();
    let plain = Just((0..6).rev().collect::<Vec<_>>());
    (
        prop_oneof![plain, order],
        prop::collection::vec(prop_oneof![3 => Just(1), 1 => 2..4i64], 6),
        prop::collection::vec(prop::bool::weighted(0.2), 6),
        prop::collection::vec(prop::bool::weighted(0.15), 6),
        0..3u64,
    )
        .prop_map(|(order, steps, flipped, repeated, lead)| Placement {
            order,
            steps,
            flipped,
            repeated,
            lead,
        })
}

/// Shapes of up to four axes, with empty and single ones.
pub fn shape() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(prop_oneof![1 => Just(0), 2 => Just(1), 6 => 2..6u32, 1 => 30..70u32], 0..4)
}

/// How many rings there are.
pub const RINGS: usize = 6;

/// Calls a generic function for one of the rings, of which there are [`RINGS`], by its index from the smallest.
macro_rules! in_ring {
    ($index:expr, $f:ident($($arg:expr),*)) => {
        match $index {
            0 => $f::<tern_vm::ring::Z52>($($arg),*),
            1 => $f::<tern_vm::ring::Z64>($($arg),*),
            2 => $f::<tern_vm::ring::Z104>($($arg),*),
            3 => $f::<tern_vm::ring::Z128>($($arg),*),
            4 => $f::<tern_vm::ring::Z192>($($arg),*),
            _ => $f::<tern_vm::ring::Z256>($($arg),*),
        }
    };
}
pub(crate) use in_ring;
