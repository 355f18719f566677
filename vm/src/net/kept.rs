//! What was encrypted for the other end of a link, until the other end says that it has it.
//!
//! The bytes of a TLS session are one stream, whichever connections carry it. They are sealed into blocks, written from there, and stay where they
//! are until they are acknowledged: keeping them costs no copy. If a connection breaks, the next one goes on from the byte that the other
//! end has not received. These are the very bytes that were sent before, so nothing is encrypted twice.

use std::collections::VecDeque;
use std::io::{IoSlice, Write};

use smallvec::SmallVec;

/// Bytes of a block, unless more are to be in one piece.
const BLOCK: usize = 256 << 10;
/// Blocks that wait to be used again.
const SPARE: usize = 4;
/// The most pieces that are written at once.
const PIECES: usize = 8;

/// The outgoing half of a stream: acknowledged, written, and waiting, in this order.
#[derive(Default)]
pub(super) struct Kept {
    /// The first holds the first byte that is kept.
    blocks: VecDeque<Block>,
    spare: Vec<Block>,
    /// The place in the stream of the first block's first byte.
    start: u64,
    /// Everything before is at the other end.
    acknowledged: u64,
    /// Everything before was written to the present connection or one before.
    sent: u64,
    end: u64,
}

#[derive(Default)]
struct Block {
    bytes: Vec<u8>,
    filled: usize,
}

impl Kept {
    /// Fills up to `most` bytes at the end.
    pub(super) fn append<E>(
        &mut self,
        most: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<(), E> {
        if self.blocks.back().is_none_or(|block| block.bytes.len() - block.filled < most) {
            let fits = self.spare.iter().rposition(|block| block.bytes.len() >= most);
            let block = fits.map(|at| self.spare.swap_remove(at)).unwrap_or_else(|| Block::new(most));
            self.blocks.push_back(block);
        }
        let block = self.blocks.back_mut().expect("there is one with room");
        let count = fill(&mut block.bytes[block.filled..])?;
        block.filled += count;
        self.end += count as u64;
        Ok(())
    }

    /// Bytes that wait to be written.
    pub(super) fn unsent(&self) -> usize {
        (self.end - self.sent) as usize
    }

    /// Bytes that the other end has not acknowledged, written or not.
    pub(super) fn open(&self) -> usize {
        (self.end - self.acknowledged) as usize
    }

    /// The place at which the stream ends so far.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Whether the other end has everything before a place.
    pub(super) fn has_arrived(&self, place: u64) -> bool {
        self.acknowledged >= place
    }

    /// The first bytes that wait to be written; empty if none do.
    pub(super) fn next(&self) -> &[u8] {
        self.pieces().next().unwrap_or_default()
    }

    /// Writes what waits to be written, or the beginning of it; the number of bytes.
    pub(super) fn write_to(&mut self, out: &mut impl Write) -> std::io::Result<usize> {
        let pieces: SmallVec<[IoSlice<'_>; PIECES]> = self.pieces().take(PIECES).map(IoSlice::new).collect();
        let count = match pieces.as_slice() {
            [one] => out.write(one)?,
            many => out.write_vectored(many)?,
        };
        drop(pieces);
        self.sent(count);
        Ok(count)
    }

    /// So many bytes were written.
    pub(super) fn sent(&mut self, count: usize) {
        self.sent += count as u64;
        debug_assert!(self.sent <= self.end);
    }

    /// The other end has everything before `place`, or had it when it said so: a word that was under way when a connection broke comes late.
    /// False if that cannot be.
    #[must_use]
    pub(super) fn acknowledge(&mut self, place: u64) -> bool {
        if place > self.end {
            return false;
        }
        self.acknowledged = self.acknowledged.max(place);
        let place = self.acknowledged;
        while let Some(first) = self.blocks.front().filter(|first| first.filled > 0) {
            let after = self.start + first.filled as u64;
            if after > place.min(self.sent) {
                break;
            }
            self.start = after;
            let mut block = self.blocks.pop_front().expect("it is there");
            block.filled = 0;
            if self.spare.len() < SPARE {
                self.spare.push(block);
            }
        }
        true
    }

    /// Goes back, or ahead, to `place`, which is how much the other end has: what follows is written next. False if that cannot be.
    #[must_use]
    pub(super) fn rewind(&mut self, place: u64) -> bool {
        if place > self.end || place < self.acknowledged {
            return false;
        }
        self.sent = place;
        self.acknowledge(place)
    }

    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let mut skip = (self.sent - self.start) as usize;
        self.blocks.iter().filter_map(move |block| {
            let from = skip.min(block.filled);
            skip -= from;
            Some(&block.bytes[from..block.filled]).filter(|piece| !piece.is_empty())
        })
    }
}

impl Block {
    fn new(least: usize) -> Self {
        Self { bytes: vec![0; least.max(BLOCK)], filled: 0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What can happen to a stream.
    #[derive(Clone, Debug)]
    enum Step {
        Append(usize),
        Write(usize),
        Acknowledge(prop::sample::Index),
        Break(prop::sample::Index),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (1..100_000usize).prop_map(Step::Append),
            (1..300_000usize).prop_map(Step::Write),
            any::<prop::sample::Index>().prop_map(Step::Acknowledge),
            any::<prop::sample::Index>().prop_map(Step::Break),
        ];
        prop::collection::vec(step, 1..60)
    }

    proptest! {
        /// Whatever is written, acknowledged and lost, the other end gets the stream, each byte in its place.
        #[test]
        fn a_stream_survives_its_connections(steps in steps()) {
            let (mut kept, mut stream, mut arrived) = (Kept::default(), Vec::new(), Vec::new());
            let mut known = 0;
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Append(count) => {
                        let bytes: Vec<u8> = (0..count).map(|i| (i * 7 + number) as u8).collect();
                        kept.append::<()>(count, |space| {
                            space[..count].copy_from_slice(&bytes);
                            Ok(count)
                        }).unwrap();
                        stream.extend(bytes);
                    }
                    Step::Write(most) => {
                        let mut out = Limited(Vec::new(), most);
                        while kept.unsent() > 0 && kept.write_to(&mut out).unwrap() > 0 {}
                        arrived.extend(out.0);
                    }
                    Step::Acknowledge(at) => {
                        known += at.index(arrived.len() - known + 1);
                        prop_assert!(kept.acknowledge(known as u64));
                        prop_assert!(kept.acknowledge(at.index(known + 1) as u64), "late");
                    }
                    Step::Break(at) => {
                        // what is under way is lost
                        arrived.truncate(known + at.index(arrived.len() - known + 1));
                        known = arrived.len();
                        prop_assert!(kept.rewind(known as u64));
                    }
                }
                prop_assert_eq!(kept.open(), stream.len() - known);
                prop_assert_eq!(kept.unsent(), stream.len() - arrived.len());
                prop_assert!(arrived == stream[..arrived.len()]);
            }
            prop_assert!(!kept.acknowledge(stream.len() as u64 + 1) && !kept.rewind(stream.len() as u64 + 1));
            prop_assert!(known == 0 || !kept.rewind(known as u64 - 1));
        }
    }

    /// Takes no more than so many bytes.
    struct Limited(Vec<u8>, usize);

    impl Write for Limited {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let count = bytes.len().min(self.1);
            self.1 -= count;
            self.0.extend(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn blocks_are_used_again() {
        let mut kept = Kept::default();
        for _ in 0..1000 {
            kept.append::<()>(100_000, |space| Ok(space.len().min(100_000))).unwrap();
            kept.sent(kept.unsent());
            assert!(kept.acknowledge(kept.end()));
            assert!(kept.blocks.len() + kept.spare.len() <= 2);
        }
    }
}
