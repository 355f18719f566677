//! Kernels on contiguous slices: loops that the compiler turns into vector instructions of a [`Target`].

use super::{Ring, Target};

/// dst\[i\] = f(dst\[i\], \[src\[0\]\[i\], src\[1\]\[i\], ...\]).
///
/// # Panics
/// If a source is shorter than the destination.
pub fn apply<D: Copy, S: Copy, const N: usize>(dst: &mut [D], src: [&[S]; N], f: impl Fn(D, [S; N]) -> D) {
    Target::best().run(
        #[inline(always)]
        || combine(dst, src, &f),
    );
}

/// The loop of [`apply`], to be inlined into code that already runs for a target.
#[inline(always)]
pub(crate) fn combine<D: Copy, S: Copy, const N: usize>(
    dst: &mut [D],
    src: [&[S]; N],
    f: &impl Fn(D, [S; N]) -> D,
) {
    let src = src.map(|s| &s[..dst.len()]);
    for (i, d) in dst.iter_mut().enumerate() {
        *d = f(*d, std::array::from_fn(|k| src[k][i]));
    }
}

/// The sum over i of f(\[src\[0\]\[i\], src\[1\]\[i\], ...\]), to be inlined into code that already runs for a target.
#[inline(always)]
pub(crate) fn reduce<R: Ring, const N: usize>(len: usize, src: [&[R]; N], f: &impl Fn([R; N]) -> R) -> R {
    let src = src.map(|s| &s[..len]);
    (0..len).fold(R::ZERO, |sum, i| sum + f(std::array::from_fn(|k| src[k][i])))
}

/// dst += a.
pub fn add_assign<R: Ring>(dst: &mut [R], a: &[R]) {
    apply(dst, [a], |d, [a]| d + a);
}

/// dst -= a.
pub fn sub_assign<R: Ring>(dst: &mut [R], a: &[R]) {
    apply(dst, [a], |d, [a]| d - a);
}

/// dst = a + b.
pub fn add<R: Ring>(dst: &mut [R], a: &[R], b: &[R]) {
    apply(dst, [a, b], |_, [a, b]| a + b);
}

/// dst = a - b.
pub fn sub<R: Ring>(dst: &mut [R], a: &[R], b: &[R]) {
    apply(dst, [a, b], |_, [a, b]| a - b);
}

/// dst = a · b.
pub fn mul<R: Ring>(dst: &mut [R], a: &[R], b: &[R]) {
    apply(dst, [a, b], |_, [a, b]| a * b);
}
