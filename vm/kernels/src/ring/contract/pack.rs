//! Packing: elements of a strided view into dense panels, as [`Kernel`] describes them.

use bytemuck::{Pod, Zeroable};

use super::driver::{Factor, Sign};
use super::kernel::{Kernel, MAX_WIDTH, MAX_WORDS};
use crate::ring::Ring;

/// A line of the cache, so that vectors in panels do not straddle two.
#[derive(Clone, Copy, Zeroable, Pod)]
#[repr(C, align(64))]
pub(super) struct Line([u64; 8]);

/// A packed block: panels of rows (or columns), one after the other.
pub(super) struct Block<'a, R> {
    words: &'a mut Vec<Line>,
    /// Words of one panel.
    panel: usize,
    /// Inner indices in the panels.
    pub(super) depth: usize,
    /// For kernels with a bias: the sum of each row's biased elements.
    pub(super) sums: Vec<R>,
}

impl<'a, R: Ring> Block<'a, R> {
    pub(super) fn new(words: &'a mut Vec<Line>) -> Self {
        Self { words, panel: 0, depth: 0, sums: Vec::new() }
    }

    /// Packs the elements at `start` + an entry of `lanes` + an entry of `inner` into panels of `width` lanes.
    #[inline(always)]
    pub(super) fn pack<K: Kernel<Element = R>>(
        &mut self,
        width: usize,
        factor: Factor<R>,
        start: usize,
        lanes: &[usize],
        inner: &[usize],
    ) {
        self.depth = inner.len();
        self.panel = inner.len() * width * K::WORDS;
        let words = self.panel * lanes.len().div_ceil(width);
        if self.words.len() * 8 < words {
            self.words.resize(words.div_ceil(8), Line::zeroed());
        }
        self.sums.clear();
        let panels = bytemuck::cast_slice_mut(self.words).chunks_exact_mut(self.panel);
        for (lanes, panel) in lanes.chunks(width).zip(panels) {
            // Lanes that are missing in the last panel repeat the last one; their products are not written.
            let lane = |i: usize| start.wrapping_add(lanes[i.min(lanes.len() - 1)]);
            let at: [usize; MAX_WIDTH] = std::array::from_fn(lane);
            let run = (1..width).all(|i| at[i] == at[0].wrapping_add(i));
            let from = |k: usize| at[0].wrapping_add(inner[k]);
            match (factor.other, run) {
                (None, true) => pack_panel::<K, _>(panel, width, |k| {
                    let x = &factor.data[from(k)..][..width];
                    move |lane| x[lane]
                }),
                (Some((Sign::Plus, plus)), true) => pack_panel::<K, _>(panel, width, |k| {
                    let (x, y) = (&factor.data[from(k)..][..width], &plus[from(k)..][..width]);
                    move |lane| x[lane] + y[lane]
                }),
                (Some((Sign::Minus, minus)), true) => pack_panel::<K, _>(panel, width, |k| {
                    let (x, y) = (&factor.data[from(k)..][..width], &minus[from(k)..][..width]);
                    move |lane| x[lane] - y[lane]
                }),
                (None, false) => pack_panel::<K, _>(panel, width, |k| {
                    let (at, inner) = (&at, inner[k]);
                    move |lane| factor.data[at[lane].wrapping_add(inner)]
                }),
                (Some((sign, other)), false) => pack_panel::<K, _>(panel, width, |k| {
                    let (at, inner) = (&at, inner[k]);
                    move |lane| {
                        let at = at[lane].wrapping_add(inner);
                        sign.join(factor.data[at], other[at])
                    }
                }),
            }
            if K::BIAS.is_some() {
                self.sums.extend_from_slice(&panel_sums::<K>(panel, width)[..width]);
            }
        }
    }

    /// The words of a panel.
    #[inline(always)]
    pub(super) fn panel(&self, i: usize) -> &[u64] {
        &bytemuck::cast_slice(self.words)[i * self.panel..][..self.panel]
    }
}

/// Packs a panel; `row(k)(lane)` is the element of a lane at inner index k.
#[inline(always)]
fn pack_panel<K: Kernel, F: Fn(usize) -> K::Element>(
    panel: &mut [u64],
    width: usize,
    row: impl Fn(usize) -> F,
) {
    let bias = K::BIAS.map_or(K::Element::ZERO, K::Element::power_of_two);
    for (k, words) in panel.chunks_exact_mut(width * K::WORDS).enumerate() {
        let element = row(k);
        for lane in 0..width {
            let x = element(lane) + bias;
            for i in 0..K::WORDS {
                words[i * width + lane] = K::word(x, i);
            }
        }
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
