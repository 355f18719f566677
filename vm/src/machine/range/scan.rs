//! How large the elements of a register are: by their bits, which is as fast as memory, and exactly, where the bits leave a doubt.

use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;

use crate::par::{MIN_PARALLEL, Threads};
use crate::ring::views::View;
use crate::ring::{Loops, Ring};

/// The signed bits that all elements in view fit, at least 1; of views with gaps perhaps more, since what lies in between counts.
pub(super) fn bits<R: Ring>(threads: &Threads, view: View<'_, R>) -> u32 {
    let Some(span) = view.layout.span().filter(|span| !span.is_empty()) else { return 1 };
    // Windows overlap and broadcasts repeat: what they span is often much less than what they count.
    if span.len() <= 2 * view.layout.len() {
        return bits_of_slice(threads, &view.data[span]);
    }
    let mut seen = Seen::<R>::new();
    let loops = Loops::new(view.layout, []);
    let inner = loops.inner();
    loops.for_each(|at| {
        for i in 0..inner.len as isize {
            seen.add(view.data[at.dst.wrapping_add_signed(i * inner.stride.dst)]);
        }
    });
    seen.bits()
}

fn bits_of_slice<R: Ring>(threads: &Threads, slice: &[R]) -> u32 {
    let pieces = threads.pieces(slice.len());
    if pieces == 1 {
        return Seen::of(slice).bits();
    }
    let shared: SmallVec<[AtomicU64; 4]> = (0..R::LIMBS).map(|_| AtomicU64::new(0)).collect();
    let size = slice.len().div_ceil(pieces).max(MIN_PARALLEL / 4);
    threads.for_each(slice.chunks(size).collect(), |piece| {
        for (limb, to) in Seen::of(piece).limbs.limbs().iter().zip(&shared) {
            to.fetch_or(*limb, Ordering::Relaxed);
        }
    });
    let limbs: SmallVec<[u64; 4]> = shared.into_iter().map(AtomicU64::into_inner).collect();
    Seen { limbs: R::from_limbs(&limbs) }.bits()
}

/// The places in which elements differ from their sign.
struct Seen<R> {
    limbs: R,
}

impl<R: Ring> Seen<R> {
    fn new() -> Self {
        Self { limbs: R::ZERO }
    }

    fn of(slice: &[R]) -> Self {
        let mut seen = Self::new();
        slice.iter().for_each(|x| seen.add(*x));
        seen
    }

    #[inline(always)]
    fn add(&mut self, x: R) {
        let x = x.extended();
        let sign = ((x.limbs()[R::LIMBS - 1] as i64) >> 63) as u64;
        for (to, limb) in self.limbs.limbs_mut().iter_mut().zip(x.limbs()) {
            *to |= limb ^ sign;
        }
    }

    /// The highest such place and one for the sign.
    fn bits(&self) -> u32 {
        // the highest limb's highest place is the sign itself and never set
        self.limbs.bits_signed()
    }
}

/// The smallest and the largest signed value of a view, if it has any.
pub(super) fn extremes<R: Ring>(view: View<'_, R>) -> Option<(R, R)> {
    if view.layout.is_empty() {
        return None;
    }
    let first = view.data[view.layout.offset];
    let (mut low, mut high) = (first, first);
    let loops = Loops::new(view.layout, []);
    let inner = loops.inner();
    loops.for_each(|at| {
        for i in 0..inner.len as isize {
            let value = view.data[at.dst.wrapping_add_signed(i * inner.stride.dst)];
            if value.signed_cmp(&low).is_lt() {
                low = value;
            }
            if value.signed_cmp(&high).is_gt() {
                high = value;
            }
        }
    });
    Some((low, high))
}

/// The elements in row-major order, as doubles.
pub(super) fn doubles<R: Ring>(view: View<'_, R>) -> Vec<f64> {
    let mut values = Vec::with_capacity(view.layout.len());
    let shape: SmallVec<[usize; 6]> = view.layout.axes.iter().map(|axis| axis.len).collect();
    let mut index: SmallVec<[usize; 6]> = shape.iter().map(|_| 0).collect();
    for _ in 0..view.layout.len() {
        let at = index
            .iter()
            .zip(&view.layout.axes)
            .fold(view.layout.offset, |at, (i, axis)| at.wrapping_add_signed(*i as isize * axis.stride));
        values.push(view.data[at].to_f64());
        for (i, len) in index.iter_mut().zip(&shape).rev() {
            *i += 1;
            if *i < *len {
                break;
            }
            *i = 0;
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::{Layout, Z52, Z64, Z104, Z192};

    fn check<R: Ring>(values: &[i128]) {
        let data: Vec<R> = values.iter().map(|x| R::from_i128(*x)).collect();
        let layout = Layout::contiguous(&[data.len()]);
        let expected = data.iter().map(|x| x.bits_signed()).max().unwrap_or(1);
        let threads = Threads::new(2).unwrap();
        assert_eq!(bits(&threads, View::new(&data, &layout)), expected, "{values:?}");
        let (low, high) = extremes(View::new(&data, &layout)).unwrap();
        let (least, most) = (values.iter().min().unwrap(), values.iter().max().unwrap());
        assert_eq!((low, high), (R::from_i128(*least), R::from_i128(*most)));
    }

    #[test]
    fn bits_are_those_of_the_widest_element() {
        for values in [&[0][..], &[-1], &[1, -2], &[127, -128], &[128, 3], &[-129, 0], &[1 << 50, -(1 << 51)]]
        {
            check::<Z52>(values);
            check::<Z64>(values);
            check::<Z192>(values);
        }
        check::<Z64>(&[1 << 62, -(1 << 63)]);
        check::<Z104>(&[1 << 102, -(1 << 103)]);
        check::<Z192>(&[1 << 62, -(1 << 63)]);
        let mut many: Vec<i128> = (0..100_000).map(|i| i % 500 - 250).collect();
        many[77_777] = -(1 << 40);
        check::<Z52>(&many);
        check::<Z64>(&many);
        check::<Z104>(&many);
        check::<Z192>(&many);
    }

    #[test]
    fn strided_repeated_and_scattered_views() {
        let data: Vec<Z64> = (0..64).map(|i| Z64::from_i128(if i == 63 { 1 << 20 } else { i })).collect();
        let threads = Threads::single();
        let of = |layout: Layout| bits(&threads, View::new(&data, &layout));
        assert_eq!(of(Layout::strided(0, &[(8, 1), (50, 0)])), 4);
        assert_eq!(of(Layout::strided(2, &[(6, 9)])), 7); // 2, 11, ..., 47: gaps are not looked into
        assert_eq!(of(Layout::strided(63, &[(2, -1)])), 22);
        assert_eq!(of(Layout::strided(5, &[(0, 1)])), 1);
        let values = doubles(View::new(&data, &Layout::strided(3, &[(2, 10), (2, -1)])));
        assert_eq!(values, [3.0, 2.0, 13.0, 12.0]);
    }
}
