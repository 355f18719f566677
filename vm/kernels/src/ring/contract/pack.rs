//! Packing: elements of a strided view into dense panels, as [`Kernel`] describes them.

#![allow(unsafe_code)] // reading at positions that the driver has checked together

use bytemuck::{Pod, Zeroable};

use super::driver::{Factor, Sign};
use super::inner::Inner;
use super::kernel::{Kernel, MAX_WIDTH, MAX_WORDS};
use crate::ring::Ring;

/// A line of the cache, so that vectors in panels do not straddle two.
#[derive(Clone, Copy, Zeroable, Pod)]
#[repr(C, align(64))]
pub(super) struct Line([u64; 8]);

/// What is packed: lane i has the elements at `start` + `lanes[i]` + an offset of `inner`.
#[derive(Clone, Copy)]
pub(super) struct Source<'a, R> {
    pub(super) factor: Factor<'a, R>,
    pub(super) start: usize,
    pub(super) lanes: &'a [usize],
    pub(super) inner: &'a Inner,
}

/// A packed block: panels of rows (or columns), one after the other.
pub(super) struct Block<'a, R> {
    words: &'a mut Vec<Line>,
    /// Words of one panel.
    panel: usize,
    /// Inner indices in the panels.
    pub(super) depth: usize,
    /// For kernels with a bias: the sum of each lane's biased elements.
    sums: Vec<[R; MAX_WIDTH]>,
}

impl<'a, R: Ring> Block<'a, R> {
    pub(super) fn new(words: &'a mut Vec<Line>) -> Self {
        Self { words, panel: 0, depth: 0, sums: Vec::new() }
    }

    /// Makes room for panels of `width` lanes. What is packed is lost.
    pub(super) fn clear<K: Kernel<Element = R>>(&mut self, width: usize, panels: usize, depth: usize) {
        self.depth = depth;
        self.panel = depth * width * K::WORDS;
        let lines = (self.panel * panels).div_ceil(8);
        if self.words.len() < lines {
            self.words.resize(lines, Line::zeroed());
        }
        if K::BIAS.is_some() {
            self.sums.resize(panels, [R::ZERO; MAX_WIDTH]);
        }
    }

    /// Packs all of `source` into panels of `width` lanes, a constant.
    ///
    /// # Safety
    /// Its elements must lie in the factor's buffers.
    #[inline(always)]
    pub(super) unsafe fn pack<K: Kernel<Element = R>>(&mut self, kernel: K, width: usize, source: Source<R>) {
        let panels = source.lanes.len().div_ceil(width);
        self.clear::<K>(width, panels, source.inner.offsets.len());
        for i in 0..panels {
            // SAFETY: the caller's promise.
            unsafe { self.pack_panel(kernel, width, source, [i, i]) };
        }
    }

    /// Packs panel `i` of `source` as panel `to`.
    ///
    /// # Safety
    /// Its elements must lie in the factor's buffers.
    #[inline(always)]
    pub(super) unsafe fn pack_panel<K: Kernel<Element = R>>(
        &mut self,
        kernel: K,
        width: usize,
        source: Source<R>,
        [i, to]: [usize; 2],
    ) {
        let lanes = &source.lanes[i * width..];
        // Lanes that are missing in the last panel repeat the last one; their products are not written.
        let lane = |i: usize| source.start.wrapping_add(lanes[i.min(lanes.len() - 1)]);
        let at: [usize; MAX_WIDTH] = std::array::from_fn(lane);
        let panel = &mut bytemuck::cast_slice_mut(self.words)[to * self.panel..][..self.panel];
        // SAFETY: the caller's promise.
        unsafe { pack_lanes(kernel, panel, source.factor, &at[..width], source.inner) };
        if K::BIAS.is_some() {
            self.sums[to] = panel_sums::<K>(panel, width);
        }
    }

    /// The words of a panel.
    #[inline(always)]
    pub(super) fn panel(&self, i: usize) -> &[u64] {
        &bytemuck::cast_slice(self.words)[i * self.panel..][..self.panel]
    }

    /// The sums of a panel's lanes, for kernels with a bias.
    #[inline(always)]
    pub(super) fn sums(&self, i: usize) -> &[R; MAX_WIDTH] {
        &self.sums[i]
    }
}

/// Packs a panel with a lane at each entry of `at`.
///
/// # Safety
/// An entry of `at` + an inner offset must lie in the factor's buffers.
#[inline(always)]
unsafe fn pack_lanes<K: Kernel>(
    kernel: K,
    panel: &mut [u64],
    factor: Factor<K::Element>,
    at: &[usize],
    inner: &Inner,
) {
    if let Some(has) = kernel.vectors()
        && K::Element::LIMBS == 1
        && at.len().is_multiple_of(8)
    {
        // Such kernels do not mind what a sum or difference has beyond the ring.
        let other = factor.other.map(|(sign, other)| (sign, bytemuck::cast_slice(other)));
        let words = (bytemuck::cast_slice(factor.data), other);
        // SAFETY: the caller's promise.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            super::transpose::pack_words(has, panel, words, at, inner);
        }
        #[cfg(not(target_arch = "x86_64"))]
        unreachable!("HasAvx512 is never made here: {:?}", (has, words));
        return;
    }
    // SAFETY: `pack_elements` reads at the sums of which the caller speaks.
    let of = |data: &[K::Element], at: usize| unsafe { *data.get_unchecked(at) };
    let x = |at: usize| of(factor.data, at);
    match factor.other {
        None => pack_elements::<K>(panel, at, inner, x),
        Some((Sign::Plus, y)) => pack_elements::<K>(panel, at, inner, |at| x(at) + of(y, at)),
        Some((Sign::Minus, y)) => pack_elements::<K>(panel, at, inner, |at| x(at) - of(y, at)),
    }
}

/// Packs a panel of what `read` finds at an entry of `at` + an inner offset.
#[inline(always)]
fn pack_elements<K: Kernel>(
    panel: &mut [u64],
    at: &[usize],
    inner: &Inner,
    read: impl Fn(usize) -> K::Element,
) {
    // Plain loops: what is passed to `for_each` may stay a call, and is then compiled without the kernel's instructions.
    let (width, row) = (at.len(), at.len() * K::WORDS);
    if (1..width).all(|lane| at[lane] == at[0].wrapping_add(lane)) {
        for (row, offset) in panel.chunks_exact_mut(row).zip(&inner.offsets) {
            let from = at[0].wrapping_add(*offset);
            for lane in 0..width {
                put::<K>(row, width, lane, read(from + lane));
            }
        }
        return;
    }
    if K::Element::LIMBS > 1 {
        for (row, offset) in panel.chunks_exact_mut(row).zip(&inner.offsets) {
            for (lane, at) in at.iter().enumerate() {
                put::<K>(row, width, lane, read(at.wrapping_add(*offset)));
            }
        }
        return;
    }
    for &k in &inner.ones {
        let row = &mut panel[k * row..][..row];
        for (lane, at) in at.iter().enumerate() {
            put::<K>(row, width, lane, read(at.wrapping_add(inner.offsets[k])));
        }
    }
    for eight in &inner.eights {
        let rows = &mut panel[eight.first * row..][..8 * row];
        for (lane, at) in at.iter().enumerate() {
            for i in 0..8 {
                let row = &mut rows[(eight.index(i) - eight.first) * row..][..row];
                put::<K>(row, width, lane, read(at.wrapping_add(eight.lowest) + i));
            }
        }
    }
}

/// Writes the words of one element into a row of a panel.
#[inline(always)]
fn put<K: Kernel>(row: &mut [u64], width: usize, lane: usize, x: K::Element) {
    let x = x + K::BIAS.map_or(K::Element::ZERO, K::Element::power_of_two);
    for i in 0..K::WORDS {
        row[i * width + lane] = K::word(x, i);
    }
}

/// The sum of each lane's biased elements.
#[inline(always)]
fn panel_sums<K: Kernel>(panel: &[u64], width: usize) -> [K::Element; MAX_WIDTH] {
    let mut sums = [[0u64; MAX_WIDTH]; MAX_WORDS];
    for words in panel.chunks_exact(width * K::WORDS) {
        for (sums, words) in sums.iter_mut().zip(words.chunks_exact(width)) {
            for (sum, word) in sums.iter_mut().zip(words) {
                *sum += word; // of kernels with a bias, words have 52 bits: the sum fits
            }
        }
    }
    std::array::from_fn(|lane| {
        let weighted = |i: usize| K::Element::from_u64(sums[i][lane]).shl(K::WORD_BITS * i as u32);
        (1..K::WORDS).fold(weighted(0), |sum, i| sum + weighted(i))
    })
}
