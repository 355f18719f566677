//! Kernels on contiguous slices: loops that the compiler turns into vector instructions of a [`Target`].

use bytemuck::Zeroable;

use super::{Ring, Target};

/// dst\[i\] = f(dst\[i\], \[src\[0\]\[i\], src\[1\]\[i\], ...\]).
///
/// # Panics
/// If a source is shorter than the destination.
pub fn apply<D: Copy, S: Copy + Zeroable, const N: usize>(
    dst: &mut [D],
    src: [&[S]; N],
    f: impl Fn(D, [S; N]) -> D,
) {
    apply_on(Target::best(), dst, src, &f);
}

/// [`apply`] with given instructions.
pub(crate) fn apply_on<D: Copy, S: Copy + Zeroable, const N: usize>(
    target: Target,
    dst: &mut [D],
    src: [&[S]; N],
    f: &impl Fn(D, [S; N]) -> D,
) {
    if const { !suits_lanes::<D>() } {
        return combine(dst, src, f);
    }
    target.run(
        #[inline(always)]
        || combine(dst, src, f),
    );
}

/// dst\[i\] = f(dst\[i\], \[a\[0\]\[i\], ...\], \[b\[0\]\[i\], ...\]), with given instructions.
pub(crate) fn apply_both_on<R: Ring, const M: usize, const N: usize>(
    target: Target,
    dst: &mut [R],
    a: [&[R]; M],
    b: [&[R]; N],
    f: &impl Fn(R, [R; M], [R; N]) -> R,
) {
    if const { !suits_lanes::<R>() } {
        return combine_both(dst, a, b, f);
    }
    target.run(
        #[inline(always)]
        || combine_both(dst, a, b, f),
    );
}

/// The loop of [`apply_both_on`].
#[inline(always)]
fn combine_both<R: Ring, const M: usize, const N: usize>(
    dst: &mut [R],
    a: [&[R]; M],
    b: [&[R]; N],
    f: &impl Fn(R, [R; M], [R; N]) -> R,
) {
    let (a, b) = (ranges(a, 0, dst.len()), ranges(b, 0, dst.len()));
    for (i, d) in dst.iter_mut().enumerate() {
        *d = f(*d, column(&a, i), column(&b, i));
    }
}

/// Element `i` of every slice. (`array::from_fn` and `array::map` are not always inlined where vector instructions are enabled, and a call per
/// element costs more than the work.)
#[inline(always)]
fn column<S: Copy + Zeroable, const N: usize>(src: &[&[S]; N], i: usize) -> [S; N] {
    let mut column = [S::zeroed(); N];
    for k in 0..N {
        column[k] = src[k][i];
    }
    column
}

/// `len` elements of every slice. (`array::map` would be compiled anew for every operation, with a dozen functions behind it.)
#[inline(always)]
pub(crate) fn ranges<S, const N: usize>(mut src: [&[S]; N], from: usize, len: usize) -> [&[S]; N] {
    for slice in &mut src {
        *slice = &slice[from..][..len];
    }
    src
}

/// Elements of one word are computed with the given instructions, wider ones with portable code: carries do not suit vector lanes, and
/// the compiler's attempts (two to three times slower, measured) are not wanted.
const fn suits_lanes<D>() -> bool {
    size_of::<D>() <= 8
}

/// The loop of [`apply`]. Its parameter tells the compiler that the destination overlaps nothing.
#[inline(always)]
fn combine<D: Copy, S: Copy + Zeroable, const N: usize>(
    dst: &mut [D],
    src: [&[S]; N],
    f: &impl Fn(D, [S; N]) -> D,
) {
    let src = ranges(src, 0, dst.len());
    for (i, d) in dst.iter_mut().enumerate() {
        *d = f(*d, column(&src, i));
    }
}

/// The sum of f(\[src\[0\]\[i\], src\[1\]\[i\], ...\]) over i below `len`, with given instructions.
pub(crate) fn sum_on<R: Ring, const N: usize>(
    target: Target,
    len: usize,
    src: [&[R]; N],
    f: &impl Fn([R; N]) -> R,
) -> R {
    if const { !suits_lanes::<R>() } {
        return fold(len, src, f);
    }
    target.run(
        #[inline(always)]
        || fold(len, src, f),
    )
}

/// The loop of [`sum_on`].
#[inline(always)]
fn fold<R: Ring, const N: usize>(len: usize, src: [&[R]; N], f: &impl Fn([R; N]) -> R) -> R {
    let src = ranges(src, 0, len);
    let mut sum = R::ZERO;
    for i in 0..len {
        sum += f(column(&src, i));
    }
    sum
}

/// Drops what the limbs of elements have beyond the ring, as those that come from elsewhere may.
pub fn reduce<R: Ring>(elements: &mut [R]) {
    if !R::WHOLE {
        apply(elements, [] as [&[R]; 0], |x, []| x.reduced());
    }
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
