//! Strided views of a buffer, and the loops that visit several of them together.

use std::cmp::Reverse;
use std::ops::Range;

use smallvec::{SmallVec, smallvec};

/// One axis of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Number of indices.
    pub len: usize,
    /// Distance between neighbours, in elements; 0 repeats one element (broadcasting), a negative one goes backwards.
    pub stride: isize,
}

/// A view of a buffer: index (i, j, ...) is the element at `offset + i * axes[0].stride + j * axes[1].stride + ...`.
/// A view without axes is one element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Position of index (0, 0, ...), in elements.
    pub offset: usize,
    /// The axes, outermost first.
    pub axes: SmallVec<[Axis; 6]>,
}

impl Layout {
    /// A dense row-major view of the given shape, starting at the front of its buffer.
    pub fn contiguous(shape: &[usize]) -> Self {
        let mut stride = 1;
        let mut axes: SmallVec<[Axis; 6]> = shape.iter().map(|&len| Axis { len, stride: 0 }).collect();
        for axis in axes.iter_mut().rev() {
            axis.stride = stride;
            stride *= axis.len as isize;
        }
        Self { offset: 0, axes }
    }

    /// A view from its parts: first position and (size, stride) of every axis, outermost first.
    pub fn strided(offset: usize, axes: &[(usize, isize)]) -> Self {
        Self { offset, axes: axes.iter().map(|&(len, stride)| Axis { len, stride }).collect() }
    }

    /// Number of indices.
    pub fn len(&self) -> usize {
        self.axes.iter().map(|axis| axis.len).product()
    }

    /// Whether there is no index at all.
    pub fn is_empty(&self) -> bool {
        self.axes.iter().any(|axis| axis.len == 0)
    }

    /// Whether both have the same sizes.
    pub fn same_shape(&self, other: &Self) -> bool {
        self.axes.iter().map(|axis| axis.len).eq(other.axes.iter().map(|axis| axis.len))
    }

    /// The positions from the lowest to the highest one in use, or None if one of them is not a `usize`.
    pub fn span(&self) -> Option<Range<usize>> {
        if self.is_empty() {
            return Some(self.offset..self.offset);
        }
        let (mut low, mut high) = (self.offset, self.offset);
        for axis in &self.axes {
            let reach = axis.stride.checked_mul(isize::try_from(axis.len - 1).ok()?)?;
            let end = if reach < 0 { &mut low } else { &mut high };
            *end = end.checked_add_signed(reach)?;
        }
        Some(low..high.checked_add(1)?)
    }

    /// Whether every position lies inside a buffer of `len` elements.
    pub fn fits(&self, len: usize) -> bool {
        self.span().is_some_and(|span| span.end <= len)
    }
}

/// A plan to visit a destination and `S` sources of one shape together.
///
/// Axes of length 1 are dropped, axes that are contiguous in all views are merged, axes on which the destination
/// goes backwards are turned around, and the innermost loop is the one with the longest cheap runs. The order of
/// visits is otherwise unspecified, so the plan suits maps and sums.
#[derive(Clone, Debug)]
pub struct Loops<const S: usize> {
    start: Each<usize, S>,
    /// Outermost first, by falling stride of the destination.
    outer: SmallVec<[LoopAxis<S>; 4]>,
    inner: LoopAxis<S>,
    empty: bool,
}

/// One value for the destination and for each of `S` sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Each<T, const S: usize> {
    /// The destination's.
    pub dst: T,
    /// The sources'.
    pub src: [T; S],
}

/// One loop: its trips, and the distance between neighbours in each view, in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopAxis<const S: usize> {
    /// Number of trips.
    pub len: usize,
    /// Stride in each view.
    pub stride: Each<isize, S>,
}

impl<const S: usize> Loops<S> {
    /// Plans the loops.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn new(dst: &Layout, src: [&Layout; S]) -> Self {
        assert!(src.iter().all(|layout| layout.same_shape(dst)), "views of different shapes");
        let mut start = Each { dst: dst.offset, src: src.map(|layout| layout.offset) };
        let single = LoopAxis { len: 1, stride: Each { dst: 0, src: [0; S] } };
        if dst.is_empty() {
            return Self { start, outer: SmallVec::new(), inner: single, empty: true };
        }
        let axes = dst.axes.iter().enumerate().map(|(i, axis)| LoopAxis {
            len: axis.len,
            stride: Each { dst: axis.stride, src: src.map(|layout| layout.axes[i].stride) },
        });
        let mut axes: SmallVec<[LoopAxis<S>; 4]> = axes.filter(|axis| axis.len != 1).collect();
        axes.iter_mut().for_each(|axis| axis.run_forwards(&mut start));
        axes.sort_by_key(|axis| Reverse(axis.stride.map(isize::unsigned_abs)));
        merge(&mut axes);
        let inner = cheapest(&axes).map_or(single, |i| axes.remove(i));
        Self { start, outer: axes, inner, empty: false }
    }

    /// The innermost loop.
    pub fn inner(&self) -> LoopAxis<S> {
        self.inner
    }

    /// Number of visits.
    pub fn len(&self) -> usize {
        if self.empty { 0 } else { self.axes().map(|axis| axis.len).product() }
    }

    /// Whether there is nothing to visit.
    pub fn is_empty(&self) -> bool {
        self.empty
    }

    /// Calls `run` once for every run of [`inner`](Self::inner), with the position of its first element in each view.
    #[inline]
    pub fn for_each(&self, mut run: impl FnMut(Each<usize, S>)) {
        if self.empty {
            return;
        }
        let mut index: SmallVec<[usize; 6]> = smallvec![0; self.outer.len()];
        let mut at = self.start;
        loop {
            run(at);
            let mut level = self.outer.len();
            loop {
                let Some(next) = level.checked_sub(1) else { return };
                level = next;
                let axis = &self.outer[level];
                index[level] += 1;
                if index[level] < axis.len {
                    at.advance(&axis.stride, 1);
                    break;
                }
                at.advance(&axis.stride, 1 - axis.len as isize);
                index[level] = 0;
            }
        }
    }

    /// Cuts the destination's widest axis into at most `parts` pieces that write to separate ranges of its
    /// buffer, in rising order. Each piece comes with its range, and its destination starts there. No visits, no
    /// pieces.
    pub fn split(&self, parts: usize) -> Vec<(Range<usize>, Self)> {
        if self.empty {
            return Vec::new();
        }
        let outermost = self.outer.first().filter(|axis| axis.stride.dst >= self.inner.stride.dst);
        let axis = outermost.unwrap_or(&self.inner);
        let stride = axis.stride.dst as usize; // not negative: every axis runs forwards
        // What the destination spans at one index of that axis.
        let reach = 1 + self.destination_reach() - stride * (axis.len - 1);
        let parts = if stride >= reach { parts.clamp(1, axis.len) } else { 1 };
        let piece = |part: usize| {
            let (from, to) = (axis.len * part / parts, axis.len * (part + 1) / parts);
            let start = self.start.dst + from * stride;
            let mut piece = self.clone();
            piece.start.advance(&axis.stride, from as isize);
            piece.start.dst -= start;
            match outermost {
                Some(_) => piece.outer[0].len = to - from,
                None => piece.inner.len = to - from,
            }
            (start..start + (to - from - 1) * stride + reach, piece)
        };
        (0..parts).map(piece).collect()
    }

    fn axes(&self) -> impl Iterator<Item = &LoopAxis<S>> {
        self.outer.iter().chain([&self.inner])
    }

    /// The distance from the destination's first to its last position.
    fn destination_reach(&self) -> usize {
        self.axes().map(|axis| axis.stride.dst as usize * (axis.len - 1)).sum()
    }
}

impl<T: Copy, const S: usize> Each<T, S> {
    /// `f` of every value.
    pub fn map<U>(self, f: impl Fn(T) -> U) -> Each<U, S> {
        Each { dst: f(self.dst), src: self.src.map(f) }
    }

    /// The destination's value, then the sources'.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        [self.dst].into_iter().chain(self.src)
    }
}

impl<const S: usize> Each<usize, S> {
    /// Moves every position by `steps` strides.
    #[inline(always)]
    pub(super) fn advance(&mut self, stride: &Each<isize, S>, steps: isize) {
        // A position may leave the buffer between two axes and come back, hence wrapping.
        let moved = |at: usize, stride: isize| at.wrapping_add_signed(stride.wrapping_mul(steps));
        self.dst = moved(self.dst, stride.dst);
        for (at, &stride) in self.src.iter_mut().zip(&stride.src) {
            *at = moved(*at, stride);
        }
    }
}

impl<const S: usize> LoopAxis<S> {
    /// Turns the loop around if it goes backwards in the first view that it moves in.
    pub(super) fn run_forwards(&mut self, start: &mut Each<usize, S>) {
        if self.stride.iter().find(|&stride| stride != 0).is_some_and(|stride| stride < 0) {
            start.advance(&self.stride, self.len as isize - 1);
            self.stride = self.stride.map(|stride| -stride);
        }
    }

    /// Rough cost of this loop as the innermost, in element times: each run costs about 16, and views that are
    /// neither dense nor constant cost more per element.
    fn cost(&self, total: usize) -> usize {
        let scattered = self.stride.iter().filter(|stride| !matches!(stride, 0 | 1)).count();
        total * (1 + 2 * scattered) + total / self.len * 16
    }
}

/// Merges neighbouring axes that are one axis in all views.
pub(super) fn merge<const S: usize>(axes: &mut SmallVec<[LoopAxis<S>; 4]>) {
    axes.dedup_by(|inner, outer| {
        let joint = outer.stride == inner.stride.map(|stride| stride * inner.len as isize);
        if joint {
            *outer = LoopAxis { len: outer.len * inner.len, stride: inner.stride };
        }
        joint
    });
}

/// Which axis to make the innermost loop; on a tie the last one.
fn cheapest<const S: usize>(axes: &[LoopAxis<S>]) -> Option<usize> {
    let total = axes.iter().map(|axis| axis.len).product();
    (0..axes.len()).rev().min_by_key(|&i| axes[i].cost(total))
}
