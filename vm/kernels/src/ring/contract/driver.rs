//! The loops around a kernel: blocks are packed, tiles multiplied and written back.

use std::cell::RefCell;
use std::ops::Range;

use smallvec::SmallVec;

use super::kernel::{Kernel, MAX_DEPTH, MAX_TILE};
use super::pack::{Block, Line};
use super::plan::{Group, Plan, count, offsets};
use super::{Axes, Write};
use crate::par::Threads;
use crate::ring::layout::Each;
use crate::ring::views::{accumulate_on, fill};
use crate::ring::{Layout, Ring, Target, View, ViewMut};

/// One factor of a product: a buffer, or the sum or difference of two.
#[derive(Clone, Copy, Debug)]
pub(super) struct Factor<'a, R> {
    pub(super) data: &'a [R],
    pub(super) other: Option<(Sign, &'a [R])>,
}

/// What is done with the second buffer of a factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Plus,
    Minus,
}

impl Sign {
    #[inline(always)]
    pub(super) fn join<R: Ring>(self, x: R, y: R) -> R {
        match self {
            Sign::Plus => x + y,
            Sign::Minus => x - y,
        }
    }
}

impl<'a, R> From<&'a [R]> for Factor<'a, R> {
    fn from(data: &'a [R]) -> Self {
        Self { data, other: None }
    }
}

/// The factors `a` and `b` of one product.
pub(super) type Term<'a, R> = [Factor<'a, R>; 2];

/// A sum of products, all of whose factors have the same layouts.
#[derive(Debug)]
pub(super) struct Job<'a, R> {
    pub(super) threads: &'a Threads,
    pub(super) plan: Plan,
    pub(super) dst: &'a mut [R],
    pub(super) terms: SmallVec<[Term<'a, R>; 2]>,
    pub(super) write: Write,
}

/// Results with at most this many rows times columns are computed without packing.
const MIN_TILE: usize = 16;

/// Products of fewer elements than this are not worth another thread.
const MIN_PARALLEL: usize = 1 << 18;

impl<'a, R: Ring> Job<'a, R> {
    /// Checks the views and sorts their axes.
    pub(super) fn new(
        threads: &'a Threads,
        dst: ViewMut<'a, R>,
        factors: [&Layout; 2],
        axes: Axes,
        terms: SmallVec<[Term<'a, R>; 2]>,
        write: Write,
    ) -> Self {
        let inside = |data: &[R], layout: &Layout| layout.fits(data.len());
        assert!(inside(dst.data, dst.layout), "the destination's view leaves its buffer");
        for factor in terms.iter().flat_map(|term| term.iter().zip(factors)) {
            let (Factor { data, other }, layout) = factor;
            assert!(
                inside(data, layout) && other.is_none_or(|(_, other)| inside(other, layout)),
                "a factor's view leaves its buffer"
            );
        }
        let plan = Plan::new(dst.layout, factors[0], factors[1], axes);
        Self { threads, plan, dst: dst.data, terms, write }
    }

    /// Does the whole work, or the part of it that comes before the kernel: nothing where the destination is empty, zeros
    /// where the sum is, products of views where packing does not pay. Returns the job if there is work for a kernel.
    pub(super) fn without_kernel(self, target: Target) -> Option<Self> {
        let [batch, rows, inner, cols] = self.plan.groups().map(count);
        if batch * rows * cols == 0 {
            return None;
        }
        if rows > 1 && cols > 1 && rows * cols > MIN_TILE && inner > 0 {
            return Some(self);
        }
        let [dst_layout, a_layout, b_layout] = self.plan.layouts();
        if self.write == Write::Replace {
            fill(self.threads, ViewMut::new(self.dst, &self.plan.destination()), R::ZERO);
        }
        for [a, b] in self.terms {
            let dst = ViewMut::new(&mut *self.dst, &dst_layout);
            let [x, y] = [View::new(a.data, &a_layout), View::new(b.data, &b_layout)];
            match (a.other, b.other) {
                (None, None) => accumulate_on(target, self.threads, dst, [x, y], |[x, y]| x * y),
                (None, Some((sign, other))) => {
                    let src = [x, y, View::new(other, &b_layout)];
                    accumulate_on(target, self.threads, dst, src, |[x, y, w]| x * sign.join(y, w));
                }
                (Some((sign, other)), None) => {
                    let src = [x, y, View::new(other, &a_layout)];
                    accumulate_on(target, self.threads, dst, src, |[x, y, v]| sign.join(x, v) * y);
                }
                (Some((first, v)), Some((second, w))) => {
                    let src = [x, y, View::new(v, &a_layout), View::new(w, &b_layout)];
                    let product = |[x, y, v, w]: [R; 4]| first.join(x, v) * second.join(y, w);
                    accumulate_on(target, self.threads, dst, src, product);
                }
            }
        }
        None
    }

    /// The same job under the ring's own name.
    pub(super) fn cast<S: Ring>(self) -> Job<'a, S> {
        let Self { threads, plan, dst, terms, write } = self;
        let factor = |factor: Factor<'a, R>| Factor {
            data: bytemuck::cast_slice(factor.data),
            other: factor.other.map(|(sign, other)| (sign, bytemuck::cast_slice(other))),
        };
        let terms = terms.into_iter().map(|term| term.map(factor)).collect();
        Job { threads, plan, dst: bytemuck::cast_slice_mut(dst), terms, write }
    }

    /// Computes the sum with the given kernel.
    pub(super) fn run<K: Kernel<Element = R>>(mut self, kernel: K) {
        if cost::<K>(&self.plan.cols, &self.plan.rows) < cost::<K>(&self.plan.rows, &self.plan.cols) {
            self.plan.swap();
            self.terms.iter_mut().for_each(|term| term.swap(0, 1));
        }
        let products: usize = self.plan.groups().map(count).iter().product();
        let parts = if products < MIN_PARALLEL { 1 } else { self.threads.count() };
        let tasks = self.plan.split(self.dst, parts);
        self.threads.for_each(tasks, |(plan, dst)| {
            PANELS.with_borrow_mut(|panels| {
                kernel.enter(
                    #[inline(always)]
                    || multiply(kernel, &plan, dst, &self.terms, self.write, panels),
                );
            });
        });
    }
}

/// Relative cost of computing with these rows and columns: tiles are multiplied whole, and written faster along runs.
fn cost<K: Kernel>(rows: &Group, cols: &Group) -> usize {
    let padded = count(rows).next_multiple_of(K::ROWS) * count(cols).next_multiple_of(K::COLS);
    let scattered = cols.last().is_some_and(|axis| axis.stride.dst != 1);
    padded + if scattered { count(rows) * count(cols) / 8 } else { 0 }
}

/// Rows of `a` that are packed at a time, so that they stay in the second cache.
const fn row_block<K: Kernel>() -> usize {
    (128 / K::WORDS).next_multiple_of(K::ROWS)
}

/// Columns of `b` that are packed at a time.
const fn col_block<K: Kernel>() -> usize {
    (256 / K::WORDS).next_multiple_of(K::COLS)
}

/// The whole sum, on one thread.
#[inline(always)]
fn multiply<K: Kernel>(
    kernel: K,
    plan: &Plan,
    dst: &mut [K::Element],
    terms: &[Term<K::Element>],
    write: Write,
    [a_panels, b_panels]: &mut [Vec<Line>; 2],
) {
    let [batch, rows, inner, cols] = plan.groups().map(offsets);
    let row_offsets: Vec<usize> = rows.iter().map(|at| at.src[0]).collect();
    let col_offsets: Vec<usize> = cols.iter().map(|at| at.src[1]).collect();
    let [a_inner, b_inner] = [0, 1].map(|k| inner.iter().map(|at| at.src[k]).collect::<Vec<_>>());
    let (mut a_block, mut b_block) = (Block::<K::Element>::new(a_panels), Block::new(b_panels));
    for item in &batch {
        let start = plan.start.dst.wrapping_add(item.dst);
        let [a_start, b_start] = [0, 1].map(|k| plan.start.src[k].wrapping_add(item.src[k]));
        for col in ranges(0..cols.len(), col_block::<K>()) {
            let mut replace = write == Write::Replace;
            for ([a, b], depth) in blocks(terms, inner.len()) {
                b_block.pack::<K>(K::COLS, *b, b_start, &col_offsets[col.clone()], &b_inner[depth.clone()]);
                for row in ranges(0..rows.len(), row_block::<K>()) {
                    let lanes = &row_offsets[row.clone()];
                    a_block.pack::<K>(K::ROWS, *a, a_start, lanes, &a_inner[depth.clone()]);
                    let out = Output { start, rows: &rows[row], cols: &cols[col.clone()], replace };
                    out.tiles(kernel, dst, &a_block, &b_block);
                }
                replace = false;
            }
        }
    }
}

/// `range` in pieces of at most `size`.
fn ranges(range: Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(size).map(move |from| from..end.min(from + size))
}

/// Every term with every piece of the inner index.
fn blocks<'t, R>(
    terms: &'t [Term<'t, R>],
    inner: usize,
) -> impl Iterator<Item = (&'t Term<'t, R>, Range<usize>)> {
    terms.iter().flat_map(move |term| ranges(0..inner, MAX_DEPTH).map(move |depth| (term, depth)))
}

thread_local! {
    /// Memory for the packed blocks of `a` and `b`, kept from one product to the next.
    static PANELS: RefCell<[Vec<Line>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// Where a block of the destination goes.
struct Output<'a> {
    start: usize,
    rows: &'a [Each<usize, 2>],
    cols: &'a [Each<usize, 2>],
    replace: bool,
}

impl Output<'_> {
    /// Multiplies all panels of `a` with all panels of `b`.
    #[inline(always)]
    fn tiles<K: Kernel>(
        &self,
        kernel: K,
        dst: &mut [K::Element],
        a: &Block<K::Element>,
        b: &Block<K::Element>,
    ) {
        let mut tile = [K::Element::ZERO; MAX_TILE];
        for (j, cols) in self.cols.chunks(K::COLS).enumerate() {
            let run = cols.iter().zip(&cols[1..]).all(|(x, y)| x.dst.wrapping_add(1) == y.dst);
            for (i, rows) in self.rows.chunks(K::ROWS).enumerate() {
                kernel.tile(a.panel(i), b.panel(j), &mut tile);
                if let Some(bias) = K::BIAS {
                    let (a_sums, b_sums) = (&a.sums[i * K::ROWS..], &b.sums[j * K::COLS..]);
                    unbias::<K>(&mut tile, bias, a.depth, a_sums, b_sums);
                }
                for (row, values) in rows.iter().zip(tile.chunks_exact(K::COLS)) {
                    self.write(dst, self.start.wrapping_add(row.dst), cols, run, values);
                }
            }
        }
    }

    /// Writes one row of a tile.
    #[inline(always)]
    fn write<R: Ring>(&self, dst: &mut [R], at: usize, cols: &[Each<usize, 2>], run: bool, values: &[R]) {
        if run {
            let dst = &mut dst[at.wrapping_add(cols[0].dst)..][..cols.len()];
            for (dst, &value) in dst.iter_mut().zip(values) {
                *dst = if self.replace { value } else { *dst + value };
            }
        } else {
            for (col, &value) in cols.iter().zip(values) {
                let dst = &mut dst[at.wrapping_add(col.dst)];
                *dst = if self.replace { value } else { *dst + value };
            }
        }
    }
}

/// From the product of biased factors to that of the factors, B being the bias:
/// a b = (a + B)(b + B) - B (a + B) - B (b + B) + B².
#[inline(always)]
fn unbias<K: Kernel>(
    tile: &mut [K::Element; MAX_TILE],
    bias: u32,
    depth: usize,
    a_sums: &[K::Element],
    b_sums: &[K::Element],
) {
    let squares = K::Element::from_u64(depth as u64).shl(2 * bias);
    for (values, &a) in tile.chunks_exact_mut(K::COLS).zip(&a_sums[..K::ROWS]) {
        let of_row = a.shl(bias) - squares;
        for (value, &b) in values.iter_mut().zip(b_sums) {
            *value -= of_row + b.shl(bias);
        }
    }
}
