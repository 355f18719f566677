//! The sending end of a link: gathers pieces of a message into chunks, without the writing.

use std::time::Instant;

use zeroize::Zeroize;

use super::frame::{Frame, HEADER, MAX_CHUNK};

/// Small pieces are gathered up to this size, with the header: one record of TLS.
const STAGE: usize = 16 << 10;

/// The message of the round in progress to one side.
pub(super) struct Outgoing {
    round: u64,
    announced: usize,
    given: usize,
    /// Empty, or a header to be completed and the payload that waits for more.
    stage: Vec<u8>,
    /// Whether the stage was part of a chunk, and is to be emptied.
    complete: bool,
    /// Whether anything was written since `last` was.
    pub(super) wrote: bool,
    /// When this party last knew that it had written something.
    pub(super) last: Instant,
}

/// A chunk that is ready to be written: its header, its payload up to some point, and the rest of its payload.
pub(super) struct Chunk<'h, 't> {
    pub(super) head: &'h [u8],
    pub(super) tail: &'t [u8],
}

impl Chunk<'_, '_> {
    /// Bytes of payload.
    pub(super) fn payload(&self) -> usize {
        self.head.len() - HEADER + self.tail.len()
    }
}

impl Outgoing {
    pub(super) fn new() -> Self {
        Self {
            round: 0,
            announced: 0,
            given: 0,
            stage: Vec::with_capacity(STAGE),
            complete: false,
            wrote: false,
            last: Instant::now(),
        }
    }

    /// Begins a round in which `announced` bytes are to be sent. The round before is over.
    pub(super) fn announce(&mut self, round: u64, announced: usize) {
        debug_assert_eq!(self.given, self.announced);
        (self.round, self.announced, self.given) = (round, announced, 0);
    }

    /// Between two rounds: overwrites what was sent.
    pub(super) fn wipe(&mut self) {
        self.stage.zeroize();
    }

    pub(super) fn announced(&self) -> usize {
        self.announced
    }

    pub(super) fn given(&self) -> usize {
        self.given
    }

    /// Takes from the front of `bytes` what goes into the next chunk, and returns the chunk if it is complete: when it has filled
    /// the stage or ends the message. The head of a chunk is a copy, the tail is where it was.
    pub(super) fn gather<'h, 't>(&'h mut self, bytes: &mut &'t [u8]) -> Option<Chunk<'h, 't>> {
        if std::mem::take(&mut self.complete) {
            self.stage.clear();
        }
        if self.stage.is_empty() {
            self.stage.resize(HEADER, 0);
        }
        let (chunk, after) = bytes.split_at(bytes.len().min(HEADER + MAX_CHUNK - self.stage.len()));
        let (head, tail) = chunk.split_at(chunk.len().min(STAGE - self.stage.len()));
        *bytes = after;
        self.stage.extend_from_slice(head);
        self.given += chunk.len();
        let last = self.given == self.announced;
        self.complete = last || self.stage.len() == STAGE;
        self.complete.then(|| {
            let length = self.stage.len() - HEADER + tail.len();
            let header = Frame::Data { round: self.round, length, last }.encode();
            self.stage[..HEADER].copy_from_slice(&header);
            Chunk { head: &self.stage, tail }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However a message is cut into pieces, its chunks hold its bytes in order, are as long as they say, and only the
        /// last says that it is the last.
        #[test]
        fn chunks_add_up_to_the_message(
            pieces in prop::collection::vec(prop_oneof![1..100usize, 16_000..17_000usize, 100_000..400_000usize], 1..8),
        ) {
            let total = pieces.iter().sum();
            let message: Vec<u8> = (0..total).map(|i| (i % 251) as u8).collect();
            let mut outgoing = Outgoing::new();
            outgoing.announce(9, total);
            let (mut rest, mut sent, mut ended) = (&message[..], Vec::new(), false);
            for piece in pieces {
                let (mut bytes, after) = rest.split_at(piece);
                rest = after;
                while !bytes.is_empty() {
                    let Some(chunk) = outgoing.gather(&mut bytes) else { continue };
                    let (header, head) = chunk.head.split_first_chunk().unwrap();
                    let length = chunk.payload();
                    prop_assert!(!ended);
                    ended = sent.len() + length == total;
                    prop_assert_eq!(Frame::decode(header), Ok(Frame::Data { round: 9, length, last: ended }));
                    sent.extend_from_slice(head);
                    sent.extend_from_slice(chunk.tail);
                }
            }
            prop_assert!(ended);
            prop_assert!(sent == message);
        }
    }

    #[test]
    fn a_small_message_is_one_chunk() {
        let mut outgoing = Outgoing::new();
        outgoing.announce(1, 10);
        assert!(outgoing.gather(&mut &[0; 4][..]).is_none());
        let bytes = &mut &[0; 6][..];
        assert_eq!(outgoing.gather(bytes).map(|chunk| chunk.payload()), Some(10));
        outgoing.announce(2, 1);
        assert_eq!(outgoing.gather(&mut &[0; 1][..]).map(|chunk| chunk.payload()), Some(1));
    }
}
