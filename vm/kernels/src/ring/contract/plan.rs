//! The axes of a product, sorted into groups, and how to cut it for several threads.

use std::cmp::Reverse;

use smallvec::SmallVec;

use super::Axes;
use crate::ring::Layout;
use crate::ring::layout::{Axis, Each, LoopAxis, merge};

/// Axes that belong together, outermost first. The sources are the factors `a` and `b`, in this order.
pub(super) type Group = SmallVec<[LoopAxis<2>; 4]>;

/// Where the elements of a product are.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Positions of the first elements.
    pub(super) start: Each<usize, 2>,
    /// Axes of all three operands.
    pub(super) batch: Group,
    /// Axes of `a` and the destination.
    pub(super) rows: Group,
    /// Axes of `a` and `b`.
    pub(super) inner: Group,
    /// Axes of `b` and the destination.
    pub(super) cols: Group,
}

impl Plan {
    /// Sorts the axes into groups; in each, drops those of length 1 and merges those that are one axis everywhere.
    ///
    /// # Panics
    /// If the shapes do not fit the axes.
    pub(super) fn new(dst: &Layout, a: &Layout, b: &Layout, axes: Axes) -> Self {
        let Axes { batch, rows, inner, cols } = axes;
        let ranks = (dst.axes.len(), a.axes.len(), b.axes.len());
        assert_eq!(ranks, (batch + rows + cols, batch + rows + inner, batch + inner + cols), "ranks");
        let mut start = Each { dst: dst.offset, src: [a.offset, b.offset] };
        // The axis of the given operands (destination, a, b), at its place in each of them.
        let mut group = |count: usize, places: [Option<usize>; 3]| {
            let axis = |i: usize| {
                let parts =
                    [dst, a, b].into_iter().zip(places).map(|(l, place)| place.map(|at| l.axes[at + i]));
                let parts: SmallVec<[_; 3]> = parts.collect();
                let mut lens = parts.iter().flatten().map(|axis| axis.len);
                let len = lens.next().expect("an axis belongs to some operand");
                assert!(lens.all(|other| other == len), "shapes differ");
                let stride = |k: usize| parts[k].map_or(0, |axis| axis.stride);
                LoopAxis { len, stride: Each { dst: stride(0), src: [stride(1), stride(2)] } }
            };
            let mut axes: Group = (0..count).map(axis).filter(|axis| axis.len != 1).collect();
            if axes.iter().all(|axis| axis.len > 0) {
                axes.iter_mut().for_each(|axis| axis.run_forwards(&mut start));
                axes.sort_by_key(|axis| Reverse(axis.stride.map(isize::unsigned_abs)));
                merge(&mut axes);
            }
            axes
        };
        let batch_axes = group(batch, [Some(0); 3]);
        let row_axes = group(rows, [Some(batch), Some(batch), None]);
        let inner_axes = group(inner, [None, Some(batch + rows), Some(batch)]);
        let col_axes = group(cols, [Some(batch + rows), None, Some(batch + inner)]);
        Self { start, batch: batch_axes, rows: row_axes, inner: inner_axes, cols: col_axes }
    }

    /// Batch, rows, inner, cols.
    pub(super) fn groups(&self) -> [&Group; 4] {
        [&self.batch, &self.rows, &self.inner, &self.cols]
    }

    /// Destination and factors as views of one shape, repeated along the axes that they do not have.
    pub(super) fn layouts(&self) -> [Layout; 3] {
        let view = |offset: usize, stride: fn(&Each<isize, 2>) -> isize| {
            let axes = self.groups().into_iter().flatten();
            Layout {
                offset,
                axes: axes.map(|axis| Axis { len: axis.len, stride: stride(&axis.stride) }).collect(),
            }
        };
        let Each { dst, src: [a, b] } = self.start;
        [view(dst, |stride| stride.dst), view(a, |stride| stride.src[0]), view(b, |stride| stride.src[1])]
    }

    /// The destination's elements, each once.
    pub(super) fn destination(&self) -> Layout {
        let axes = self.batch.iter().chain(&self.rows).chain(&self.cols);
        let axes = axes.map(|axis| Axis { len: axis.len, stride: axis.stride.dst }).collect();
        Layout { offset: self.start.dst, axes }
    }

    /// Exchanges the factors: the same product, transposed.
    pub(super) fn swap(&mut self) {
        self.start.src.swap(0, 1);
        std::mem::swap(&mut self.rows, &mut self.cols);
        for group in [&mut self.batch, &mut self.rows, &mut self.inner, &mut self.cols] {
            group.iter_mut().for_each(|axis| axis.stride.src.swap(0, 1));
        }
    }

    /// Cuts the product into at most about `parts` products that write to separate ranges of `dst`.
    pub(super) fn split<R>(mut self, dst: &mut [R], parts: usize) -> Vec<(Self, &mut [R])> {
        let Some((stride, len)) = self.widest().map(|axis| (axis.stride.dst as usize, axis.len)) else {
            return vec![(self, dst)];
        };
        let reach = self.destination_reach() - stride * (len - 1) + 1;
        if parts <= 1 || stride < reach {
            return vec![(self, dst)];
        }
        let cuts = parts.min(len);
        let (mut rest, mut done) = (dst, 0);
        let mut tasks = Vec::with_capacity(parts);
        for cut in 0..cuts {
            let (from, to) = (len * cut / cuts, len * (cut + 1) / cuts);
            let piece = self.piece(from, to);
            let start = self.start.dst + from * stride;
            let (_, tail) = rest.split_at_mut(start - done);
            let (mine, tail) = tail.split_at_mut((to - from - 1) * stride + reach);
            (rest, done) = (tail, start + mine.len());
            tasks.extend(piece.split(mine, parts / cuts));
        }
        tasks
    }

    /// Indices `from..to` of the widest axis; the destination starts at the front of its buffer.
    fn piece(&mut self, from: usize, to: usize) -> Self {
        let mut piece = self.clone();
        if let Some(axis) = piece.widest() {
            let stride = axis.stride;
            axis.len = to - from;
            piece.start.advance(&stride, from as isize);
        }
        piece.start.dst = 0;
        for group in [&mut piece.batch, &mut piece.rows, &mut piece.cols] {
            group.retain(|axis| axis.len != 1);
        }
        piece
    }

    /// The axis on which the destination's stride is largest.
    fn widest(&mut self) -> Option<&mut LoopAxis<2>> {
        let groups = [&mut self.batch, &mut self.rows, &mut self.cols];
        groups.into_iter().flatten().max_by_key(|axis| axis.stride.dst)
    }

    /// The distance from the destination's first to its last position; no axis is empty.
    fn destination_reach(&self) -> usize {
        let axes = self.batch.iter().chain(&self.rows).chain(&self.cols);
        axes.map(|axis| axis.stride.dst as usize * (axis.len - 1)).sum()
    }
}

/// Number of indices of a group.
pub(super) fn count(group: &Group) -> usize {
    group.iter().map(|axis| axis.len).product()
}

/// What each index of a group, in row-major order, adds to the position that moves by the given strides. Positions and
/// what is added to them wrap around, so that a stride may be negative. No axis is empty.
pub(super) fn offsets(group: &Group, stride: impl Fn(&Each<isize, 2>) -> isize) -> Vec<usize> {
    let mut at = vec![0usize; count(group)];
    let mut done = 1;
    for axis in group.iter().rev() {
        let stride = stride(&axis.stride) as usize;
        let (first, others) = at[..done * axis.len].split_at_mut(done);
        for (i, block) in others.chunks_exact_mut(done).enumerate() {
            let step = stride.wrapping_mul(i + 1);
            block.iter_mut().zip(&*first).for_each(|(to, at)| *to = at.wrapping_add(step));
        }
        done *= axis.len;
    }
    at
}
