//! The loops around a kernel: blocks are packed, tiles multiplied and written back.

#![allow(unsafe_code)] // packing reads at positions that are checked together

use std::cell::RefCell;
use std::ops::Range;

use smallvec::SmallVec;

use super::inner::Inner;
use super::kernel::{Kernel, MAX_DEPTH, MAX_TILE, MAX_WIDTH};
use super::pack::{Block, Line, Source};
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

/// The packed rows of `a` are kept for all columns if they are at most as many words.
const KEPT: usize = 1 << 17;

/// The whole sum, on one thread.
#[inline(always)]
fn multiply<K: Kernel>(
    kernel: K,
    plan: &Plan,
    dst: &mut [K::Element],
    terms: &[Term<K::Element>],
    write: Write,
    panels: &mut Panels,
) {
    assert_inside(plan, terms);
    let inner = [0, 1].map(|k| offsets(&plan.inner, |stride| stride.src[k]));
    let tables = Tables {
        kernel,
        terms,
        write,
        rows: offsets(&plan.rows, |stride| stride.dst),
        cols: offsets(&plan.cols, |stride| stride.dst),
        a_rows: offsets(&plan.rows, |stride| stride.src[0]),
        b_cols: offsets(&plan.cols, |stride| stride.src[1]),
        depths: inner.map(|inner| inner.chunks(MAX_DEPTH).map(Inner::new).collect()),
    };
    for start in starts(plan) {
        // SAFETY: `assert_inside` went over the positions that the groups of the plan make together.
        unsafe { tables.multiply(dst, start, panels) };
    }
}

/// One product of a batch: what an index of each group adds to the positions.
struct Tables<'a, K: Kernel> {
    kernel: K,
    terms: &'a [Term<'a, K::Element>],
    write: Write,
    /// Rows and columns of the destination.
    rows: Vec<usize>,
    cols: Vec<usize>,
    a_rows: Vec<usize>,
    b_cols: Vec<usize>,
    /// The inner indices of both factors, in pieces of at most MAX_DEPTH.
    depths: [Vec<Inner>; 2],
}

impl<K: Kernel> Tables<'_, K> {
    /// # Safety
    /// The elements of the factors must lie in their buffers.
    #[inline(always)]
    unsafe fn multiply(&self, dst: &mut [K::Element], start: Each<usize, 2>, panels: &mut Panels) {
        let steps = self.terms.len() * self.depths[0].len();
        let keep = self.keeps();
        let (mut a_blocks, mut b_block) = panels.blocks::<K>(if keep { steps } else { 1 });
        for col in ranges(0..self.cols.len(), col_block::<K>()) {
            for step in 0..steps {
                let a_block = &mut a_blocks[if keep { step } else { 0 }];
                for row in ranges(0..self.rows.len(), row_block::<K>()) {
                    let [a, b] = self.sources(step, start.src, [&row, &col]);
                    // SAFETY: the caller's promise.
                    unsafe {
                        if col.start == 0 || !keep {
                            a_block.pack(self.kernel, K::ROWS, a);
                        }
                        self.tiles(dst, start.dst, step, [&row, &col], a_block, &mut b_block, b);
                    }
                }
            }
        }
    }

    /// Whether all of `a` is packed but once.
    fn keeps(&self) -> bool {
        let inner: usize = self.depths[0].iter().map(|inner| inner.offsets.len()).sum();
        let words = self.terms.len() * inner * self.rows.len() * K::WORDS;
        self.rows.len() <= row_block::<K>() && words <= KEPT
    }

    /// What is packed of either factor: every term has every piece of the inner index.
    fn sources(
        &self,
        step: usize,
        start: [usize; 2],
        [row, col]: [&Range<usize>; 2],
    ) -> [Source<'_, K::Element>; 2] {
        let ([a_depths, b_depths], count) = (&self.depths, self.depths[0].len());
        let [a, b] = self.terms[step / count];
        let (a_inner, b_inner) = (&a_depths[step % count], &b_depths[step % count]);
        [
            Source { factor: a, start: start[0], lanes: &self.a_rows[row.clone()], inner: a_inner },
            Source { factor: b, start: start[1], lanes: &self.b_cols[col.clone()], inner: b_inner },
        ]
    }

    /// Multiplies a block of `a` by all panels of `b`. If these are needed but once, each is packed just before, into the same
    /// place, which the nearest cache holds.
    ///
    /// # Safety
    /// The elements of `source` must lie in the factor's buffers.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    unsafe fn tiles(
        &self,
        dst: &mut [K::Element],
        start: usize,
        step: usize,
        [row, col]: [&Range<usize>; 2],
        a: &Block<K::Element>,
        b: &mut Block<K::Element>,
        source: Source<K::Element>,
    ) {
        let once = row.len() == self.rows.len();
        if once {
            b.clear::<K>(K::COLS, 1, a.depth);
        } else if row.start == 0 {
            // SAFETY: the caller's promise.
            unsafe { b.pack(self.kernel, K::COLS, source) };
        }
        let replace = self.write == Write::Replace && step == 0;
        for (j, cols) in self.cols[col.clone()].chunks(K::COLS).enumerate() {
            if once {
                // SAFETY: the caller's promise.
                unsafe { b.pack_panel(self.kernel, K::COLS, source, [j, 0]) };
            }
            let out = Output { start, rows: &self.rows[row.clone()], cols, replace };
            out.tiles(self.kernel, dst, a, b, if once { 0 } else { j });
        }
    }
}

/// Panics if any position of the factors lies outside their buffers.
fn assert_inside<R>(plan: &Plan, terms: &[Term<R>]) {
    let [_, a, b] = plan.layouts();
    for (factor, layout) in terms.iter().flat_map(|term| term.iter().zip([&a, &b])) {
        let mut buffers = [factor.data].into_iter().chain(factor.other.map(|(_, other)| other));
        assert!(buffers.all(|buffer| layout.fits(buffer.len())), "a factor's plan leaves its buffer");
    }
}

/// Where each product of the batch begins.
fn starts(plan: &Plan) -> impl Iterator<Item = Each<usize, 2>> {
    let Each { dst, src: [a, b] } = plan.start;
    let dst_starts = offsets(&plan.batch, |stride| stride.dst);
    let [a_starts, b_starts] = [0, 1].map(|k| offsets(&plan.batch, |stride| stride.src[k]));
    let starts = dst_starts.into_iter().zip(a_starts.into_iter().zip(b_starts));
    starts.map(move |(d, (x, y))| Each {
        dst: dst.wrapping_add(d),
        src: [a.wrapping_add(x), b.wrapping_add(y)],
    })
}

/// `range` in pieces of at most `size`.
fn ranges(range: Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(size).map(move |from| from..end.min(from + size))
}

/// Memory for packed blocks of `a`, and for one of `b`.
struct Panels {
    a: Vec<Vec<Line>>,
    b: Vec<Line>,
}

impl Panels {
    /// So many blocks of `a`, and one of `b`.
    fn blocks<K: Kernel>(&mut self, count: usize) -> (Vec<Block<'_, K::Element>>, Block<'_, K::Element>) {
        if self.a.len() < count {
            self.a.resize(count, Vec::new());
        }
        let a = self.a.iter_mut().take(count).map(Block::new);
        (a.collect(), Block::new(&mut self.b))
    }
}

thread_local! {
    /// Kept from one product to the next.
    static PANELS: RefCell<Panels> = const { RefCell::new(Panels { a: Vec::new(), b: Vec::new() }) };
}

/// Where the products of a block of `a` and a panel of `b` go.
struct Output<'a> {
    start: usize,
    rows: &'a [usize],
    cols: &'a [usize],
    replace: bool,
}

impl Output<'_> {
    /// Multiplies all panels of `a` with one of `b`.
    #[inline(always)]
    fn tiles<K: Kernel>(
        &self,
        kernel: K,
        dst: &mut [K::Element],
        a: &Block<K::Element>,
        b: &Block<K::Element>,
        panel: usize,
    ) {
        let mut tile = [K::Element::ZERO; MAX_TILE];
        let run = self.cols.windows(2).all(|pair| pair[0].wrapping_add(1) == pair[1]);
        for (i, rows) in self.rows.chunks(K::ROWS).enumerate() {
            kernel.tile(a.panel(i), b.panel(panel), &mut tile);
            if let Some(bias) = K::BIAS {
                unbias::<K>(&mut tile, bias, a.depth, a.sums(i), b.sums(panel));
            }
            for (row, values) in rows.iter().zip(tile.chunks_exact(K::COLS)) {
                self.write(dst, self.start.wrapping_add(*row), run, values);
            }
        }
    }

    /// Writes one row of a tile.
    #[inline(always)]
    fn write<R: Ring>(&self, dst: &mut [R], at: usize, run: bool, values: &[R]) {
        let cols = self.cols;
        if run {
            let dst = &mut dst[at.wrapping_add(cols[0])..][..cols.len()];
            for (dst, &value) in dst.iter_mut().zip(values) {
                *dst = if self.replace { value } else { *dst + value };
            }
        } else {
            for (col, &value) in cols.iter().zip(values) {
                let dst = &mut dst[at.wrapping_add(*col)];
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
    a_sums: &[K::Element; MAX_WIDTH],
    b_sums: &[K::Element; MAX_WIDTH],
) {
    let squares = K::Element::from_u64(depth as u64).shl(2 * bias);
    for (values, &a) in tile.chunks_exact_mut(K::COLS).zip(a_sums) {
        let of_row = a.shl(bias) - squares;
        for (value, &b) in values.iter_mut().zip(b_sums) {
            *value -= of_row + b.shl(bias);
        }
    }
}
