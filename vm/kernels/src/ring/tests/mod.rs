//! The kernels against big integers and naive loops.

mod element;
mod views;

use proptest::prelude::*;

use super::{Layout, Ring, Target, Z};

/// Elements that are uniformly random, small, or at an edge.
pub(crate) fn element<const N: usize, const B: u32>() -> impl Strategy<Value = Z<N, B>> {
    prop_oneof![
        4 => any::<[u64; N]>().prop_map(Z::new),
        2 => any::<i32>().prop_map(|x| Z::from_i128(x.into())),
        1 => prop::sample::select(vec![Z::ZERO, Z::ONE, -Z::ONE, Z::MAX, Z::MIN]),
        1 => (0..B, any::<bool>()).prop_map(|(n, less)| {
            let power = Z::power_of_two(n);
            if less { power - Z::ONE } else { power }
        }),
    ]
}

/// A pseudo-random sequence (splitmix64), to fill buffers of any size from one seed.
pub(crate) fn sequence(mut seed: u64) -> impl FnMut() -> u64 {
    move || {
        seed = seed.wrapping_add(0x9e3779b97f4a7c15);
        let x = (seed ^ seed >> 30).wrapping_mul(0xbf58476d1ce4e5b9);
        let x = (x ^ x >> 27).wrapping_mul(0x94d049bb133111eb);
        x ^ x >> 31
    }
}

/// Uniformly random elements.
pub(crate) fn elements<R: Ring>(seed: u64, len: usize) -> Vec<R> {
    let mut next = sequence(seed);
    let element = |_| R::from_limbs(&[next(), next(), next(), next()]);
    (0..len).map(element).collect()
}

/// A view of the given shape whose axes are nested in random order, with gaps, some of them backwards; where
/// `repeats`, some with stride 0. Also the smallest length of its buffer.
pub(crate) fn random_layout(shape: &[usize], repeats: bool, seed: u64) -> (Layout, usize) {
    let mut next = sequence(seed);
    let mut order: Vec<usize> = (0..shape.len()).collect();
    order.sort_by_key(|_| next());
    if next().is_multiple_of(2) {
        order = (0..shape.len()).rev().collect(); // row-major is the usual case
    }
    let mut layout = Layout::contiguous(shape);
    let (mut stride, mut offset) = (1, (next() % 3) as isize);
    for axis in order {
        let len = shape[axis] as isize;
        layout.axes[axis].stride = match next() % 6 {
            0 if repeats => 0,
            1 => {
                offset += stride * (len - 1).max(0);
                -stride
            }
            _ => stride,
        };
        stride = stride * len.max(1) + next().is_multiple_of(4) as isize;
    }
    layout.offset = offset as usize;
    let end = layout.span().expect("small strides").end;
    (layout, end)
}

/// Every position of a view, in row-major order of its indices.
pub(crate) fn positions(layout: &Layout) -> Vec<usize> {
    let mut at = vec![layout.offset];
    for axis in &layout.axes {
        let step = |at: usize, i: usize| at.wrapping_add_signed(i as isize * axis.stride);
        at = at.into_iter().flat_map(|at| (0..axis.len).map(move |i| step(at, i))).collect();
    }
    at
}

/// All instruction sets that this machine can test.
pub(crate) fn targets() -> Vec<Target> {
    Target::available().collect()
}
