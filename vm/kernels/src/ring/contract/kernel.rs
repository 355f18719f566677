//! What a kernel for tiles must provide.

use crate::ring::Ring;
use crate::ring::target::HasAvx512;

/// A kernel multiplies a panel of [`ROWS`](Kernel::ROWS) rows of `a` by a panel of [`COLS`](Kernel::COLS) columns of `b`.
///
/// An element is packed as [`WORDS`](Kernel::WORDS) words, that of a single limb as it is. A panel holds, for each inner index, first word 0 of all its
/// rows (or columns), then word 1, and so on.
pub(super) trait Kernel: Copy + Sync {
    /// The ring.
    type Element: Ring;
    /// Rows of a tile.
    const ROWS: usize;
    /// Columns of a tile.
    const COLS: usize;
    /// Words of a packed element.
    const WORDS: usize;
    /// Bits of a word: word i has the weight 2^(i WORD_BITS).
    const WORD_BITS: u32 = 64;
    /// If this is n, 2^n is added to an element before it is packed, so that small signed values are not negative.
    const BIAS: Option<u32> = None;

    /// Word `i` of a packed element.
    fn word(x: Self::Element, i: usize) -> u64;

    /// Proof of AVX-512, if the kernel is for it.
    #[inline(always)]
    fn vectors(self) -> Option<HasAvx512> {
        None
    }

    /// Runs `body` compiled for the processor that the kernel is for.
    fn enter(self, body: impl FnOnce());

    /// out\[i · COLS + j\] = the sum over the inner index of a\[i\] · b\[j\], of packed elements.
    fn tile(self, a: &[u64], b: &[u64], out: &mut [Self::Element; MAX_TILE]);
}

/// The most elements in a tile.
pub(super) const MAX_TILE: usize = 128;

/// The most rows or columns of a tile.
pub(super) const MAX_WIDTH: usize = 16;

/// The most words of a packed element.
pub(super) const MAX_WORDS: usize = 5;

/// The most inner indices in a panel: a panel stays in the second cache, and limbs of 52 bits do not overflow.
pub(super) const MAX_DEPTH: usize = 256;
