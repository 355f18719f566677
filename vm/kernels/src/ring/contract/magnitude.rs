//! How large clear values are.

use crate::ring::{Loops, Ring, Target, View};

/// The smallest n >= 1 such that all values in view fit n signed bits, or a little more: where that is quicker, values
/// that lie between those in view are looked at as well.
pub(super) fn signed_bits<R: Ring>(target: Target, view: View<R>) -> u32 {
    let span = view.layout.span().expect("the caller has checked the view");
    let mut union = R::ZERO;
    if span.len() <= view.layout.len() {
        unite(target, &mut union, &view.data[span], 1);
    } else {
        let loops = Loops::<0>::new(view.layout, []);
        let (len, stride) = (loops.inner().len, loops.inner().stride.dst as usize);
        loops
            .for_each(|at| unite(target, &mut union, &view.data[at.dst..][..(len - 1) * stride + 1], stride));
    }
    union.reduced().bits_signed() // a sign fills limbs that the ring does not
}

/// Unites the bits in which every `stride`th value differs from its sign.
fn unite<R: Ring>(target: Target, union: &mut R, values: &[R], stride: usize) {
    let step = |mut union: R, value: &R| {
        let sign = if value.is_negative() { u64::MAX } else { 0 };
        union.limbs_mut().iter_mut().zip(value.limbs()).for_each(|(union, limb)| *union |= limb ^ sign);
        union
    };
    target.run(
        #[inline(always)]
        || {
            *union = match stride {
                1 => values.iter().fold(*union, step),
                _ => values.iter().step_by(stride.max(1)).fold(*union, step),
            }
        },
    );
}
