//! Words of inputs that nobody has to keep.
//!
//! Of an owner's input each party has words that it knows before anything arrives: a stream of a key, or 0 ([`Entry`]). Of a data set they are half of what a party
//! would hold, so they are not stored where the register is all of its buffer. Rows are derived as a batch takes them; whatever else touches the
//! register finds its words written out. Nothing is sent here, and nothing is known that was not before.

use std::io;
use std::ops::Range;

use tern_bytecode::Reg;

use super::holder::Holder;
use super::{Entry, Sharing};
use crate::machine::memory::zeros;
use crate::machine::{Context, Fault};
use crate::par::Threads;
use crate::prg::Stream;
use crate::protocol::registers::{PIECE, slot, whole};
use crate::ring::Ring;

/// A word that follows from what a party knows.
#[derive(Clone, Copy)]
pub(super) enum Source<'w> {
    Zero,
    Stream(Stream<'w>),
}

impl<'w> Source<'w> {
    fn of(entry: &Entry<'w>) -> Option<Self> {
        match entry {
            Entry::Zero => Some(Source::Zero),
            Entry::Stream(stream) => Some(Source::Stream(*stream)),
            Entry::None | Entry::Rest(_) | Entry::Received => None,
        }
    }

    /// Elements `first` and following.
    pub(super) fn fill<R: Ring>(&self, threads: &Threads, first: usize, elements: &mut [R]) {
        match self {
            Source::Zero => elements.fill(R::ZERO),
            Source::Stream(stream) => stream.fill_bits(threads, R::BITS, first as u64, elements),
        }
    }

    /// Rows of so many elements.
    pub(super) fn fill_rows<R: Ring>(&self, threads: &Threads, rows: &[usize], elements: &mut [R]) {
        let len = elements.len().checked_div(rows.len()).unwrap_or(0);
        for (i, row) in rows.iter().enumerate() {
            self.fill(threads, row * len, &mut elements[i * len..][..len]);
        }
    }

    /// Elements of a range as they are in memory, for a checkpoint.
    pub(super) fn write<R: Ring>(
        &self,
        threads: &Threads,
        range: Range<usize>,
        to: &mut dyn io::Write,
    ) -> io::Result<()> {
        let mut piece = vec![R::ZERO; PIECE.min(range.len())];
        for first in range.clone().step_by(PIECE) {
            let piece = &mut piece[..PIECE.min(range.end - first)];
            self.fill(threads, first, piece);
            to.write_all(bytemuck::cast_slice(piece))?;
        }
        Ok(())
    }
}

/// By buffer, the words that are not stored.
pub(super) struct Derived<'w, const N: usize>(Vec<[Option<Source<'w>>; N]>);

impl<'w, const N: usize> Derived<'w, N> {
    /// Nothing yet, of so many buffers.
    pub(super) fn new(buffers: usize) -> Self {
        Self(vec![[None; N]; buffers])
    }

    /// A word, if it is not stored.
    pub(super) fn get(&self, buffer: usize, i: usize) -> Option<Source<'w>> {
        self.0[buffer][i]
    }

    pub(super) fn has(&self, buffer: usize) -> bool {
        self.0[buffer].iter().any(Option::is_some)
    }

    /// What is in a buffer is not needed any more.
    pub(super) fn forget(&mut self, buffer: usize) {
        self.0[buffer] = [None; N];
    }
}

impl<'w, R: Ring, S: Sharing<'w, R, N>, const N: usize> Holder<'w, R, S, N> {
    /// Notes the words of an input that need not be stored, and makes room for the others; says whether the register is one of which that is possible.
    pub(super) fn derive(
        &mut self,
        context: &Context<'_, R>,
        dst: Reg,
        entries: &[Entry<'w>; N],
    ) -> Result<bool, Fault> {
        if !whole(context, dst) {
            return Ok(false);
        }
        let buffer = slot(context, dst).buffer;
        for (i, entry) in entries.iter().enumerate() {
            let source = Source::of(entry);
            let len = match (source, entry) {
                (Some(_), _) | (None, Entry::None) => 0,
                (None, _) => context.program.buffers[buffer].len,
            };
            self.derived.0[buffer][i] = source;
            self.store[i].ring[buffer] = zeros(len)?;
        }
        Ok(true)
    }

    /// Writes the words of a buffer out, for an instruction that takes more than rows of them.
    pub(super) fn write_out(&mut self, context: &Context<'_, R>, buffer: usize) -> Result<(), Fault> {
        let len = context.program.buffers[buffer].len;
        for i in 0..N {
            if let Some(source) = self.derived.get(buffer, i) {
                let mut word = zeros(len)?;
                if let Source::Stream(_) = source {
                    source.fill(self.threads(), 0, &mut word);
                }
                self.store[i].ring[buffer] = word;
            }
        }
        self.derived.forget(buffer);
        Ok(())
    }
}
