//! The kernels against big integers and naive loops.

mod element;

use proptest::prelude::*;

use super::Z;

/// Elements that are uniformly random, small, or at an edge.
pub(super) fn element<const N: usize>() -> impl Strategy<Value = Z<N>> {
    use super::Ring;
    prop_oneof![
        4 => any::<[u64; N]>().prop_map(Z::new),
        2 => any::<i32>().prop_map(|x| Z::from_i128(x.into())),
        1 => prop::sample::select(vec![Z::ZERO, Z::ONE, -Z::ONE, Z::MAX, Z::MIN]),
        1 => (0..Z::<N>::BITS, any::<bool>()).prop_map(|(n, less)| {
            let power = Z::power_of_two(n);
            if less { power - Z::ONE } else { power }
        }),
    ]
}
