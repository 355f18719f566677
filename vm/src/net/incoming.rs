//! The receiving end of a link: a state machine over the bytes of one stream, without the reading.
//!
//! Whoever reads asks [`Incoming::space`] where the next bytes belong, reads there, and reports the number with
//! [`Incoming::filled`]. Payload goes directly into the caller's buffer if one is offered. Every header is checked against what
//! the round announced before a byte of its chunk is taken, so a neighbour can make this party store no more than that, and [`MAX_EVIDENCE`] bytes when a
//! run has failed.

use zeroize::Zeroize;

use super::frame::{self, Frame, FrameError, HEADER, MAX_REASON, Report};
use super::party::Party;

/// The most that is read at once into the buffer of this module.
const DRAIN: usize = 128 << 10;
/// A buffer of this module that has grown beyond this size does not survive its round.
const KEEP: usize = 4 << 20;

/// The most evidence that is taken from a neighbour.
pub(super) const MAX_EVIDENCE: usize = 4 << 20;

/// The message of the round in progress from one side, and the state of the stream.
pub(super) struct Incoming {
    round: u64,
    announced: usize,
    /// Bytes of the message that were read.
    arrived: usize,
    /// Bytes of the message that the caller has, or has offered a buffer for.
    taken: usize,
    /// Bytes that arrived before the caller asked for them: `front..back`.
    spill: Vec<u8>,
    front: usize,
    back: usize,
    state: State,
    phase: Phase,
    /// Whether payload is thrown away, because the run has failed.
    discarding: bool,
    /// What the neighbour says of the third party: whether it hears it.
    witness: Option<(Party, bool)>,
    /// How many bytes the neighbour says it has, since somebody asked last.
    acknowledged: Option<u64>,
    /// What the neighbour knows about a failure, so far, and whether that is all.
    evidence: (Vec<u8>, bool),
}

/// How far the neighbour is with its run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// It may send messages.
    Running,
    /// It sends no more messages, but may still report a failure.
    Finished,
    /// It knows that all parties have finished.
    Left,
    /// And its stream has ended.
    Ended,
}

/// What the stream holds next.
enum State {
    /// A header, of which so many bytes are here.
    Header([u8; HEADER], usize),
    /// A chunk that has not been compared with the round: its header came before the round began here.
    Parked { round: u64, length: usize, last: bool },
    /// So many bytes of payload.
    Data(usize),
    /// The reason of an abort, of which so many bytes are here.
    Reason { report: Report, text: Vec<u8>, have: usize },
    /// So many bytes of evidence, and whether more follow.
    Evidence(usize, bool),
}

const NEXT_HEADER: State = State::Header([0; HEADER], 0);

/// What a neighbour's bytes can do wrong, or report.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    OutOfStep { got: u64, expected: u64 },
    Truncated { round: u64, got: usize, expected: usize },
    Oversized { round: u64, got: usize, expected: usize },
    Malformed(FrameError),
    Aborted(Report),
}

impl Incoming {
    pub(super) fn new() -> Self {
        Self {
            round: 0,
            announced: 0,
            arrived: 0,
            taken: 0,
            spill: Vec::new(),
            front: 0,
            back: 0,
            state: NEXT_HEADER,
            phase: Phase::Running,
            discarding: false,
            witness: None,
            acknowledged: None,
            evidence: (Vec::new(), false),
        }
    }

    /// Begins a round in which `announced` bytes are to arrive. The round before is over.
    pub(super) fn announce(&mut self, round: u64, announced: usize) -> Result<(), Fault> {
        (self.round, self.announced, self.arrived, self.taken) = (round, announced, 0, 0);
        (self.front, self.back) = (0, 0);
        if self.spill.len() > KEEP {
            self.spill = Vec::new();
        }
        self.admit()
    }

    /// Between two rounds: overwrites what was received.
    pub(super) fn wipe(&mut self) {
        self.spill.zeroize();
    }

    pub(super) fn announced(&self) -> usize {
        self.announced
    }

    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// Bytes that can be taken at once.
    pub(super) fn ready(&self) -> usize {
        self.back - self.front
    }

    /// Whether something that arrives now would be read.
    pub(super) fn is_listening(&self) -> bool {
        match self.state {
            State::Header(..) | State::Data(_) | State::Reason { .. } | State::Evidence(..) => {
                self.phase != Phase::Ended
            }
            State::Parked { .. } => false,
        }
    }

    /// The run has failed: from now on payload is thrown away, whatever its round, so that what follows it is read.
    pub(super) fn discard(&mut self) {
        self.discarding = true;
        if let State::Parked { length, .. } = self.state {
            self.state = State::Data(length);
        }
    }

    /// What the neighbour has said of the third party, if it was asked: whether it hears it.
    pub(super) fn witness(&self, of: Party) -> Option<bool> {
        self.witness.filter(|(party, _)| *party == of).map(|(_, hears)| hears)
    }

    /// How many bytes the neighbour says it has, if it has said so since the last call.
    pub(super) fn acknowledged(&mut self) -> Option<u64> {
        self.acknowledged.take()
    }

    /// All that the neighbour knows about a failure, if it has said so.
    pub(super) fn evidence(&self) -> Option<&[u8]> {
        let (bytes, whole) = &self.evidence;
        whole.then_some(bytes)
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// The stream has ended; whether that was to be expected.
    pub(super) fn end(&mut self) -> bool {
        let expected = self.phase >= Phase::Left;
        if expected {
            self.phase = Phase::Ended;
        }
        expected
    }

    /// The round of a message that has begun to arrive before its round began here.
    pub(super) fn parked(&self) -> Option<u64> {
        match self.state {
            State::Parked { round, .. } => Some(round),
            State::Header(..) | State::Data(_) | State::Reason { .. } | State::Evidence(..) => None,
        }
    }

    /// Accepts a buffer of the caller for the next bytes of the message, and moves what has already arrived to its front.
    pub(super) fn take(&mut self, sink: &mut &mut [u8]) {
        self.taken += sink.len();
        debug_assert!(self.taken <= self.announced);
        let count = self.ready().min(sink.len());
        if count > 0 {
            let (now, later) = std::mem::take(sink).split_at_mut(count);
            now.copy_from_slice(&self.spill[self.front..self.front + count]);
            *sink = later;
            self.front += count;
        }
        if self.front == self.back {
            (self.front, self.back) = (0, 0);
        }
    }

    /// Where the next bytes of the stream are to be read to; `sink` is the rest of the caller's buffer. None if the
    /// next bytes are not for this round.
    pub(super) fn space<'a>(&'a mut self, sink: &'a mut [u8]) -> Option<&'a mut [u8]> {
        match &mut self.state {
            State::Header(bytes, have) => Some(&mut bytes[*have..]),
            State::Data(left) if self.discarding => {
                self.spill.resize(DRAIN, 0);
                Some(&mut self.spill[..DRAIN.min(*left)])
            }
            State::Data(left) if !sink.is_empty() => {
                let most = sink.len().min(*left);
                Some(&mut sink[..most])
            }
            State::Data(left) => {
                let end = self.back + DRAIN.min(*left);
                if self.spill.len() < end {
                    self.spill.resize(end, 0);
                }
                Some(&mut self.spill[self.back..end])
            }
            State::Reason { text, have, .. } => Some(&mut text[*have..]),
            State::Evidence(left, _) => {
                let at = self.evidence.0.len() - *left;
                Some(&mut self.evidence.0[at..])
            }
            State::Parked { .. } => None,
        }
    }

    /// `count` bytes were read to the front of the last [`Incoming::space`] with the same `sink`. Returns how many of them are payload.
    pub(super) fn filled(&mut self, count: usize, sink: &mut &mut [u8]) -> Result<usize, Fault> {
        match &mut self.state {
            State::Header(bytes, have) => {
                *have += count;
                if *have == HEADER {
                    let frame = Frame::decode(bytes).map_err(Fault::Malformed)?;
                    self.enter(frame)?;
                }
                Ok(0)
            }
            State::Data(left) => {
                *left -= count;
                if *left == 0 {
                    self.state = NEXT_HEADER;
                }
                if self.discarding {
                    return Ok(0);
                }
                self.arrived += count;
                if sink.is_empty() {
                    self.back += count;
                } else {
                    *sink = &mut std::mem::take(sink)[count..];
                }
                Ok(count)
            }
            State::Reason { report, text, have } => {
                *have += count;
                if *have == text.len() {
                    let reason = frame::printable(text);
                    return Err(Fault::Aborted(Report { reason, ..report.clone() }));
                }
                Ok(0)
            }
            State::Evidence(left, last) => {
                *left -= count;
                if *left == 0 {
                    self.evidence.1 = *last;
                    self.state = NEXT_HEADER;
                }
                Ok(0)
            }
            State::Parked { .. } => {
                debug_assert_eq!(count, 0, "there was no space");
                Ok(0)
            }
        }
    }

    fn enter(&mut self, frame: Frame) -> Result<(), Fault> {
        self.state = match frame {
            Frame::Data { length, .. } if self.discarding => State::Data(length),
            Frame::Data { .. } if self.phase != Phase::Running => {
                return Err(Fault::Malformed(FrameError::Field));
            }
            Frame::Data { round, length, last } => State::Parked { round, length, last },
            Frame::Abort { origin, suspect, declines, length } => {
                let report = Report { origin, suspect, declines, reason: String::new() };
                if length == 0 {
                    return Err(Fault::Aborted(report));
                }
                debug_assert!(length <= MAX_REASON);
                State::Reason { report, text: vec![0; length], have: 0 }
            }
            Frame::Witness { of, hears } => {
                self.witness = Some((of, hears));
                NEXT_HEADER
            }
            Frame::Received { bytes } => {
                self.acknowledged = Some(bytes);
                NEXT_HEADER
            }
            Frame::Evidence { length, last } => {
                let (bytes, whole) = &mut self.evidence;
                if *whole || bytes.len() + length > MAX_EVIDENCE || self.phase != Phase::Running {
                    return Err(Fault::Malformed(FrameError::Field));
                }
                bytes.resize(bytes.len() + length, 0);
                *whole = last && length == 0;
                if length == 0 { NEXT_HEADER } else { State::Evidence(length, last) }
            }
            Frame::Finished if self.phase == Phase::Running => {
                self.phase = Phase::Finished;
                NEXT_HEADER
            }
            Frame::Goodbye if self.phase == Phase::Finished => {
                self.phase = Phase::Left;
                NEXT_HEADER
            }
            // A word of the set-up can be behind the one that ended it here.
            Frame::Heartbeat | Frame::Met { .. } => NEXT_HEADER,
            Frame::Finished | Frame::Goodbye | Frame::Hello { .. } | Frame::Taken => {
                return Err(Fault::Malformed(FrameError::Field));
            }
        };
        self.admit()
    }

    /// Compares a parked chunk with the round, and lets its bytes in if it belongs to it.
    fn admit(&mut self) -> Result<(), Fault> {
        let State::Parked { round: got, length, last } = self.state else { return Ok(()) };
        let (round, expected) = (self.round, self.announced);
        let missing = expected - self.arrived;
        if got > round && missing == 0 {
            return Ok(());
        }
        if got != round {
            return Err(Fault::OutOfStep { got, expected: round });
        }
        let after = self.arrived + length;
        if after > expected || (after == expected && !last) {
            let got = after.max(expected + 1);
            return Err(Fault::Oversized { round, got, expected });
        }
        if after < expected && last {
            return Err(Fault::Truncated { round, got: after, expected });
        }
        self.state = State::Data(length);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds bytes in pieces until they end, fail, or belong to a later round; returns how many were used.
    fn feed(
        incoming: &mut Incoming,
        bytes: &[u8],
        piece: usize,
        sink: &mut &mut [u8],
    ) -> Result<usize, Fault> {
        let mut used = 0;
        while used < bytes.len() {
            let Some(space) = incoming.space(sink) else { break };
            let count = space.len().min(piece).min(bytes.len() - used);
            space[..count].copy_from_slice(&bytes[used..used + count]);
            incoming.filled(count, sink)?;
            used += count;
        }
        Ok(used)
    }

    fn message(round: u64, payload: &[u8], chunk: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut left = payload.len();
        for chunk in payload.chunks(chunk) {
            left -= chunk.len();
            bytes.extend(Frame::Data { round, length: chunk.len(), last: left == 0 }.encode());
            bytes.extend(chunk);
        }
        bytes
    }

    proptest! {
        /// Whatever the sizes of chunks, reads and buffers, the payload comes out whole, and the next round's stays outside.
        #[test]
        fn payload_comes_out_whole(
            payload in prop::collection::vec(any::<u8>(), 1..200),
            chunk in 1..50usize, piece in 1..50usize, offered in 0..200usize,
        ) {
            let mut bytes = message(1, &payload, chunk);
            bytes.extend(Frame::Heartbeat.encode());
            let here = bytes.len();
            bytes.extend(message(2, b"later", 3));

            let mut incoming = Incoming::new();
            incoming.announce(1, payload.len()).unwrap();
            let mut out = vec![0; payload.len()];
            let (first, second) = out.split_at_mut(offered.min(payload.len()));
            let mut sink = first;
            incoming.take(&mut sink);
            let used = feed(&mut incoming, &bytes, piece, &mut sink).unwrap();
            prop_assert_eq!(used, here + HEADER);
            prop_assert_eq!(incoming.parked(), Some(2));
            prop_assert_eq!(incoming.ready(), second.len());
            sink = second;
            incoming.take(&mut sink);
            prop_assert!(sink.is_empty());
            prop_assert_eq!(&out, &payload);

            incoming.announce(2, 5).unwrap();
            let mut out = [0; 5];
            let mut sink = &mut out[..];
            incoming.take(&mut sink);
            feed(&mut incoming, &bytes[used..], piece, &mut sink).unwrap();
            prop_assert_eq!(&out, b"later");
        }

        /// A message that is not as long as announced is an error before the round can end.
        #[test]
        fn a_wrong_length_is_an_error(sent in 1..300usize, announced in 1..300usize, chunk in 1..100usize) {
            let mut incoming = Incoming::new();
            incoming.announce(7, announced).unwrap();
            let result = feed(&mut incoming, &message(7, &vec![0; sent], chunk), 64, &mut &mut [][..]);
            match sent.cmp(&announced) {
                std::cmp::Ordering::Less =>
                    prop_assert_eq!(result, Err(Fault::Truncated { round: 7, got: sent, expected: announced })),
                std::cmp::Ordering::Equal => prop_assert!(result.is_ok()),
                std::cmp::Ordering::Greater => {
                    let oversized = matches!(result, Err(Fault::Oversized { round: 7, got, expected }) if got > expected);
                    prop_assert!(oversized, "{:?}", result);
                    prop_assert!(incoming.ready() <= announced);
                }
            }
        }

        /// Random bytes, and frames with a damaged byte, never panic and never fill more than the round announced.
        #[test]
        fn bad_bytes_are_errors(
            random in prop::collection::vec(any::<u8>(), 0..200), place: prop::sample::Index, value: u8, announced in 0..100usize,
        ) {
            let mut damaged = message(1, &random, 30);
            damaged.extend(frame::abort(&Report::failed(Party::P1, None, "reason")));
            let place = place.index(damaged.len());
            damaged[place] = value;
            for bytes in [random, damaged] {
                let mut incoming = Incoming::new();
                incoming.announce(1, announced).unwrap();
                let _ = feed(&mut incoming, &bytes, 13, &mut &mut [][..]);
                prop_assert!(incoming.ready() <= announced);
            }
        }
    }

    #[test]
    fn rounds_must_agree() {
        for (sent, expected) in [(1, 2), (3, 2)] {
            let mut incoming = Incoming::new();
            incoming.announce(expected, 4).unwrap();
            let result = feed(&mut incoming, &message(sent, b"1234", 4), 64, &mut &mut [][..]);
            assert_eq!(result, Err(Fault::OutOfStep { got: sent, expected }));
        }
    }

    #[test]
    fn a_reason_is_reported_and_cannot_steer_a_terminal() {
        let mut incoming = Incoming::new();
        let report = |reason: &str| Report::failed(Party::P2, Some(Party::P0), reason);
        let bytes = frame::abort(&report("no file \x1b[31m"));
        let result = feed(&mut incoming, &bytes, 5, &mut &mut [][..]);
        let abort = report("no file  [31m");
        assert_eq!(result, Err(Fault::Aborted(abort)));
    }

    /// Evidence comes out whole, behind whatever was under way; more than is taken is an error.
    #[test]
    fn evidence_is_collected_and_bounded() {
        for size in [0, 1, frame::MAX_CHUNK, 3 * frame::MAX_CHUNK + 7] {
            let sent: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            let mut bytes = message(9, &[1; 300], 100);
            bytes.extend(frame::evidence(&sent));
            let mut incoming = Incoming::new();
            incoming.discard();
            assert_eq!(incoming.evidence(), None);
            feed(&mut incoming, &bytes, 1000, &mut &mut [][..]).unwrap();
            assert_eq!(incoming.evidence(), Some(&sent[..]));
            let again = feed(&mut incoming, &bytes, 1000, &mut &mut [][..]);
            assert_eq!(again, Err(Fault::Malformed(FrameError::Field)));
        }
        let mut incoming = Incoming::new();
        incoming.discard();
        let bytes = frame::evidence(&vec![0; MAX_EVIDENCE + 1]);
        assert!(feed(&mut incoming, &bytes, 1 << 16, &mut &mut [][..]).is_err());
        assert!(incoming.evidence.0.len() <= MAX_EVIDENCE);
    }

    /// When a run has failed, what follows the messages is read through them.
    #[test]
    fn a_word_behind_messages_that_are_not_wanted_any_more() {
        let mut bytes = message(9, &[1; 300], 100);
        bytes.extend(Frame::Witness { of: Party::P1, hears: true }.encode());
        for piece in [1, 7, 1000] {
            let mut incoming = Incoming::new();
            incoming.announce(3, 0).unwrap();
            let used = feed(&mut incoming, &bytes, piece, &mut &mut [][..]).unwrap();
            assert_eq!(incoming.parked(), Some(9));
            incoming.discard();
            feed(&mut incoming, &bytes[used..], piece, &mut &mut [][..]).unwrap();
            assert_eq!((incoming.witness(Party::P1), incoming.witness(Party::P0)), (Some(true), None));
            assert_eq!(incoming.ready(), 0);
        }
    }
}
