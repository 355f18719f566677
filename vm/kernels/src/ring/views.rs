//! Element-wise operations and sums on strided views.
//!
//! Every operation here is [`apply`] or [`accumulate`] with some arithmetic. An operation in place names its
//! destination once: the arithmetic is given the destination's old value beside the sources'.

use bytemuck::{Pod, Zeroable};

use super::slices;
use super::{Layout, Loops, Ring, Target};
use crate::par::Threads;

/// A strided view of a buffer, to read.
#[derive(Clone, Copy, Debug)]
pub struct View<'a, T> {
    /// The buffer.
    pub data: &'a [T],
    /// The elements in view.
    pub layout: &'a Layout,
}

/// A strided view of a buffer, to write. No two indices may denote the same element, save where noted.
#[derive(Debug)]
pub struct ViewMut<'a, T> {
    /// The buffer.
    pub data: &'a mut [T],
    /// The elements in view.
    pub layout: &'a Layout,
}

impl<'a, T> View<'a, T> {
    /// Joins a buffer and a layout.
    pub fn new(data: &'a [T], layout: &'a Layout) -> Self {
        Self { data, layout }
    }
}

impl<'a, T> ViewMut<'a, T> {
    /// Joins a buffer and a layout.
    pub fn new(data: &'a mut [T], layout: &'a Layout) -> Self {
        Self { data, layout }
    }
}

/// dst\[i\] = f(dst\[i\], \[src\[0\]\[i\], src\[1\]\[i\], ...\]) for every index i. All shapes are equal; a source repeats along
/// axes of stride 0. `f` is compiled to vector instructions if its arithmetic allows it.
///
/// # Panics
/// If shapes differ or a view leaves its buffer.
pub fn apply<D, T, const S: usize>(
    threads: &Threads,
    dst: ViewMut<D>,
    src: [View<T>; S],
    f: impl Fn(D, [T; S]) -> D + Sync,
) where
    D: Pod + Send,
    T: Pod + Sync,
{
    apply_on(Target::best(), threads, dst, src, f);
}

/// dst\[i\] += f(\[src\[0\]\[i\], src\[1\]\[i\], ...\]) for every index i. All shapes are equal; the destination has stride 0 along
/// the axes that are summed over.
///
/// # Panics
/// If shapes differ or a view leaves its buffer.
pub fn accumulate<R: Ring, const S: usize>(
    threads: &Threads,
    dst: ViewMut<R>,
    src: [View<R>; S],
    f: impl Fn([R; S]) -> R + Sync,
) {
    accumulate_on(Target::best(), threads, dst, src, f);
}
/// dst = value.
pub fn fill<T: Pod + Send + Sync>(threads: &Threads, dst: ViewMut<T>, value: T) {
    apply(threads, dst, [] as [View<T>; 0], |_, []| value);
}

/// dst = a.
pub fn copy<T: Pod + Send + Sync>(threads: &Threads, dst: ViewMut<T>, a: View<T>) {
    for_each_part(threads, dst, [a], &|loops, dst, [src]| copy_runs(loops, dst, src));
}

/// dst = a + b.
pub fn add<R: Ring>(threads: &Threads, dst: ViewMut<R>, a: View<R>, b: View<R>) {
    apply(threads, dst, [a, b], |_, [a, b]| a + b);
}

/// dst = a - b.
pub fn sub<R: Ring>(threads: &Threads, dst: ViewMut<R>, a: View<R>, b: View<R>) {
    apply(threads, dst, [a, b], |_, [a, b]| a - b);
}

/// dst = a · b, element by element.
pub fn mul<R: Ring>(threads: &Threads, dst: ViewMut<R>, a: View<R>, b: View<R>) {
    apply(threads, dst, [a, b], |_, [a, b]| a * b);
}

/// dst += the sum of a over the axes along which dst has stride 0.
pub fn sum<R: Ring>(threads: &Threads, dst: ViewMut<R>, a: View<R>) {
    accumulate(threads, dst, [a], |[a]| a);
}

/// What an operation does to dense slices of equal lengths. It is called once per run, not once per element; so the code around it is compiled
/// once per type of element and not once per operation.
type Kernel<'f, D, T, const S: usize> = &'f (dyn Fn(&mut [D], [&[T]; S]) + Sync);

/// Work on a part of a tensor: the destination's own range, and the sources.
type Part<'f, D, T, const S: usize> = &'f (dyn Fn(&Loops<S>, &mut [D], [&[T]; S]) + Sync);

/// The sum of an operation's results over dense slices of the given length.
type SumKernel<'f, R, const S: usize> = &'f (dyn Fn(usize, [&[R]; S]) -> R + Sync);

/// [`apply`] with given instructions.
pub(super) fn apply_on<D, T, const S: usize>(
    target: Target,
    threads: &Threads,
    dst: ViewMut<D>,
    src: [View<T>; S],
    f: impl Fn(D, [T; S]) -> D + Sync,
) where
    D: Pod + Send,
    T: Pod + Sync,
{
    map(threads, dst, src, &|dst, src| slices::apply_on(target, dst, src, &f));
}

/// [`accumulate`] with given instructions.
pub(super) fn accumulate_on<R: Ring, const S: usize>(
    target: Target,
    threads: &Threads,
    dst: ViewMut<R>,
    src: [View<R>; S],
    f: impl Fn([R; S]) -> R + Sync,
) {
    let add = |dst: &mut [R], src: [&[R]; S]| slices::apply_on(target, dst, src, &|d, s| d + f(s));
    let sum = |len, src: [&[R]; S]| slices::sum_on(target, len, src, &f);
    map_or_sum(threads, dst, src, &add, &sum);
}

fn map<D, T, const S: usize>(
    threads: &Threads,
    dst: ViewMut<D>,
    src: [View<T>; S],
    kernel: Kernel<'_, D, T, S>,
) where
    D: Pod + Send,
    T: Pod + Sync,
{
    for_each_part(threads, dst, src, &|loops, dst, src| map_runs(loops, dst, src, kernel));
}

fn map_or_sum<R: Ring, const S: usize>(
    threads: &Threads,
    dst: ViewMut<R>,
    src: [View<R>; S],
    add: Kernel<'_, R, R, S>,
    sum: SumKernel<'_, R, S>,
) {
    for_each_part(threads, dst, src, &|loops, dst, src| match loops.inner().stride.dst {
        0 => sum_runs(loops, dst, src, sum),
        _ => map_runs(loops, dst, src, add),
    });
}

/// Plans the loops and hands their pieces to the threads, each with its own range of the destination.
fn for_each_part<D: Send, T: Sync, const S: usize>(
    threads: &Threads,
    dst: ViewMut<D>,
    src: [View<T>; S],
    work: Part<'_, D, T, S>,
) {
    let loops = Loops::new(dst.layout, src.each_ref().map(|view| view.layout));
    let src = src.map(|view| view.data);
    let pieces = threads.pieces(loops.len());
    if pieces == 1 {
        return work(&loops, dst.data, src);
    }
    let (mut rest, mut done) = (dst.data, 0);
    let mut tasks = Vec::with_capacity(pieces);
    for (range, part) in loops.split(pieces) {
        let (_, tail) = rest.split_at_mut(range.start - done);
        let (mine, tail) = tail.split_at_mut(range.len());
        tasks.push((part, mine));
        (rest, done) = (tail, range.end);
    }
    threads.for_each(tasks, |(part, dst)| work(&part, dst, src));
}

/// Elements that are staged at a time where views are not dense: few enough to stay in the first cache.
const STAGE: usize = 128;

fn map_runs<D: Pod, T: Pod, const S: usize>(
    loops: &Loops<S>,
    dst: &mut [D],
    src: [&[T]; S],
    kernel: Kernel<'_, D, T, S>,
) {
    let (len, stride) = (loops.inner().len, loops.inner().stride);
    if stride.iter().all(|stride| stride == 1) {
        return loops.for_each(|at| {
            let src = std::array::from_fn(|k| &src[k][at.src[k]..][..len]);
            kernel(&mut dst[at.dst..][..len], src);
        });
    }
    let mut stages = Stages::new(src, len, stride.src);
    let mut staged = [D::zeroed(); STAGE];
    loops.for_each(|at| {
        stages.for_each(at.src, |from, n, src| {
            let at = at.dst.wrapping_add_signed(from as isize * stride.dst);
            if stride.dst == 1 {
                return kernel(&mut dst[at..][..n], src);
            }
            let staged = &mut staged[..n];
            gather(staged, dst, at, stride.dst);
            kernel(staged, src);
            scatter(dst, staged, at, stride.dst);
        });
    });
}

/// Copies need no stages: where a run is not dense, elements go to their places one by one.
fn copy_runs<T: Pod>(loops: &Loops<1>, dst: &mut [T], src: &[T]) {
    let (len, stride) = (loops.inner().len, loops.inner().stride);
    match (stride.dst, stride.src[0]) {
        (1, 1) => loops.for_each(|at| dst[at.dst..][..len].copy_from_slice(&src[at.src[0]..][..len])),
        (1, 0) => loops.for_each(|at| dst[at.dst..][..len].fill(src[at.src[0]])),
        (1, step @ 2..) => loops.for_each(|at| {
            let src = src[at.src[0]..].iter().step_by(step as usize);
            dst[at.dst..][..len].iter_mut().zip(src).for_each(|(to, from)| *to = *from);
        }),
        (step @ 2.., 1) => loops.for_each(|at| {
            let dst = dst[at.dst..].iter_mut().step_by(step as usize);
            dst.zip(&src[at.src[0]..][..len]).for_each(|(to, from)| *to = *from);
        }),
        (to, from) => loops.for_each(|at| {
            for i in 0..len as isize {
                let [to, from] =
                    [(at.dst, to), (at.src[0], from)].map(|(at, step)| at.wrapping_add_signed(i * step));
                dst[to] = src[from];
            }
        }),
    }
}

fn sum_runs<R: Ring, const S: usize>(
    loops: &Loops<S>,
    dst: &mut [R],
    src: [&[R]; S],
    kernel: SumKernel<'_, R, S>,
) {
    let (len, stride) = (loops.inner().len, loops.inner().stride);
    if stride.src.iter().all(|&stride| stride == 1) {
        return loops.for_each(|at| {
            dst[at.dst] += kernel(len, std::array::from_fn(|k| &src[k][at.src[k]..][..len]));
        });
    }
    let mut stages = Stages::new(src, len, stride.src);
    loops.for_each(|at| {
        stages.for_each(at.src, |_, n, src| dst[at.dst] += kernel(n, src));
    });
}

/// Presents runs of any stride as short dense slices.
struct Stages<'a, T, const S: usize> {
    src: [&'a [T]; S],
    len: usize,
    stride: [isize; S],
    buffers: [[T; STAGE]; S],
}

impl<'a, T: Pod, const S: usize> Stages<'a, T, S> {
    fn new(src: [&'a [T]; S], len: usize, stride: [isize; S]) -> Self {
        Self { src, len, stride, buffers: [Zeroable::zeroed(); S] }
    }

    /// Calls `work` with position, length and sources of each piece of the run that starts at `at`.
    fn for_each(&mut self, at: [usize; S], mut work: impl FnMut(usize, usize, [&[T]; S])) {
        for from in (0..self.len).step_by(STAGE) {
            let n = STAGE.min(self.len - from);
            for k in 0..S {
                match self.stride[k] {
                    1 => (),
                    0 if from > 0 => (), // filled by the first piece, which is the longest
                    0 => self.buffers[k][..n].fill(self.src[k][at[k]]),
                    stride => {
                        let at = at[k].wrapping_add_signed(from as isize * stride);
                        gather(&mut self.buffers[k][..n], self.src[k], at, stride);
                    }
                }
            }
            let dense = |k: usize| match self.stride[k] {
                1 => &self.src[k][at[k] + from..][..n],
                _ => &self.buffers[k][..n],
            };
            work(from, n, std::array::from_fn(dense));
        }
    }
}

fn gather<T: Copy>(out: &mut [T], src: &[T], at: usize, stride: isize) {
    for (i, o) in out.iter_mut().enumerate() {
        *o = src[at.wrapping_add_signed(i as isize * stride)];
    }
}

fn scatter<T: Copy>(dst: &mut [T], values: &[T], at: usize, stride: isize) {
    for (i, &value) in values.iter().enumerate() {
        dst[at.wrapping_add_signed(i as isize * stride)] = value;
    }
}
