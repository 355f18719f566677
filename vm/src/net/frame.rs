//! Framing: what precedes the bytes of a round on a link.
//!
//! The payload of a round is the concatenation of what its operations send, in the order that the schedule fixed; operations
//! add no headers. The link cuts this message into chunks of at most [`MAX_CHUNK`] bytes and puts a header of [`HEADER`] bytes before
//! each, so that a message that is too short, too long or of another round is recognised, and so that a party that fails can say why
//! in the middle of a message. Headers are not payload: they are not in the compiler's cost, and are counted apart.
//!
//! ```text
//! byte 0      kind: 1 data, 2 heartbeat, 3 abort, 4 finished, 5 goodbye, 6 hello, 7 witness, 8 taken, 9 met, 10 evidence,
//!             11 received
//! byte 1      data, evidence: 1 if this chunk is the last of its message; abort: the party that failed; witness, met: the party in question; else 0
//! byte 2      abort: 1 more than the index of the party that the sender has lost, if that is the reason; else 0
//! byte 3      0
//! bytes 4–7   data, evidence: bytes of payload that follow; abort: bytes of the reason that follow; else 0
//! bytes 8–15  data: number of the round; hello: number of the trip; witness: 1 if the sender hears the party; met: number of the process;
//!             received: encrypted bytes of the link; abort: 1 if the party declines to begin; else 0
//! ```
//!
//! All numbers are little-endian. Any other content is an error; decoding never panics and reserves no memory.

use thiserror::Error;

use super::party::Party;

/// Bytes of a header.
pub const HEADER: usize = 16;
/// The most payload that follows one header.
pub const MAX_CHUNK: usize = 128 << 10;
/// The most bytes that a reason for an abort can take.
pub const MAX_REASON: usize = 1 << 10;

/// The meaning of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A piece of the message of a round.
    Data {
        /// The number of the round.
        round: u64,
        /// Bytes of payload that follow, 1 to [`MAX_CHUNK`].
        length: usize,
        /// Whether the message ends with this chunk.
        last: bool,
    },
    /// The sender is alive, and waiting itself.
    Heartbeat,
    /// The run has failed.
    Abort {
        /// The party at which it failed, as the sender says.
        origin: Party,
        /// The party that the sender does not hear, or not any more, if that is why.
        suspect: Option<Party>,
        /// Whether it declines to begin: to wait for it changes nothing.
        declines: bool,
        /// Bytes of the reason (UTF-8) that follow, at most [`MAX_REASON`].
        length: usize,
    },
    /// The sender has reached the end of the run.
    Finished,
    /// The sender knows that all parties have, and leaves.
    Goodbye,
    /// The answer to an abort with a suspect.
    Witness {
        /// The suspect.
        of: Party,
        /// Whether the sender hears it.
        hears: bool,
    },
    /// During the set-up: the sender has met another process of the receiver.
    Taken,
    /// During the set-up: the sender has met another party.
    Met {
        /// The party.
        of: Party,
        /// Which process of it.
        instance: u64,
    },
    /// The run has failed, and this is a piece of what the sender knows about why.
    Evidence {
        /// Bytes that follow, at most [`MAX_CHUNK`].
        length: usize,
        /// Whether nothing follows.
        last: bool,
    },
    /// The sender has so many encrypted bytes of the receiver's: they need not be kept any longer.
    Received {
        /// All since the link's beginning.
        bytes: u64,
    },
    /// An echo of the set-up.
    Hello {
        /// Which one.
        trip: u64,
    },
}

/// Why a header cannot be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The kind is not known.
    #[error("unknown kind of frame {0}")]
    Kind(u8),
    /// A length is beyond what its kind allows.
    #[error("a frame of {length} bytes, where {limit} are allowed")]
    Length {
        /// What the header says.
        length: u32,
        /// The limit.
        limit: usize,
    },
    /// A field has a value that its kind does not allow.
    #[error("a frame with a malformed header")]
    Field,
}

impl Frame {
    /// The bytes of the header.
    pub fn encode(self) -> [u8; HEADER] {
        let (kind, detail, length, number) = match self {
            Self::Data { round, length, last } => (1, [u8::from(last), 0], length, round),
            Self::Heartbeat => (2, [0, 0], 0, 0),
            Self::Abort { origin, suspect, declines, length } => {
                let lost = suspect.map_or(0, |party| 1 + u8::from(party));
                (3, [origin.into(), lost], length, declines.into())
            }
            Self::Finished => (4, [0, 0], 0, 0),
            Self::Goodbye => (5, [0, 0], 0, 0),
            Self::Hello { trip } => (6, [0, 0], 0, trip),
            Self::Witness { of, hears } => (7, [of.into(), 0], 0, hears.into()),
            Self::Taken => (8, [0, 0], 0, 0),
            Self::Met { of, instance } => (9, [of.into(), 0], 0, instance),
            Self::Received { bytes } => (11, [0, 0], 0, bytes),
            Self::Evidence { length, last } => (10, [u8::from(last), 0], length, 0),
        };
        debug_assert!(length <= MAX_CHUNK);
        let mut bytes = [0; HEADER];
        bytes[0] = kind;
        bytes[1..3].copy_from_slice(&detail);
        bytes[4..8].copy_from_slice(&(length as u32).to_le_bytes());
        bytes[8..].copy_from_slice(&number.to_le_bytes());
        bytes
    }

    /// Reads a header.
    ///
    /// # Errors
    /// Everything that [`Frame::encode`] does not write.
    pub fn decode(bytes: &[u8; HEADER]) -> Result<Self, FrameError> {
        let [kind, detail, more, 0, l0, l1, l2, l3, number @ ..] = *bytes else {
            return Err(FrameError::Field);
        };
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        let number = u64::from_le_bytes(number);
        let party = |index: u8| Party::from_index(index.into()).ok_or(FrameError::Field);
        match (kind, detail, more, length, number) {
            (1, 0 | 1, 0, 1.., round) => {
                Ok(Self::Data { round, length: bounded(length, MAX_CHUNK)?, last: detail == 1 })
            }
            (2, 0, 0, 0, 0) => Ok(Self::Heartbeat),
            (3, _, _, _, declines @ (0 | 1)) => Ok(Self::Abort {
                origin: party(detail)?,
                suspect: more.checked_sub(1).map(party).transpose()?,
                declines: declines == 1,
                length: bounded(length, MAX_REASON)?,
            }),
            (4, 0, 0, 0, 0) => Ok(Self::Finished),
            (5, 0, 0, 0, 0) => Ok(Self::Goodbye),
            (6, 0, 0, 0, trip) => Ok(Self::Hello { trip }),
            (7, _, 0, 0, hears @ (0 | 1)) => Ok(Self::Witness { of: party(detail)?, hears: hears == 1 }),
            (8, 0, 0, 0, 0) => Ok(Self::Taken),
            (9, _, 0, 0, instance) => Ok(Self::Met { of: party(detail)?, instance }),
            (10, 0 | 1, 0, _, 0) => {
                Ok(Self::Evidence { length: bounded(length, MAX_CHUNK)?, last: detail == 1 })
            }
            (11, 0, 0, 0, bytes) => Ok(Self::Received { bytes }),
            (1..=11, ..) => Err(FrameError::Field),
            _ => Err(FrameError::Kind(kind)),
        }
    }
}

/// An abort frame with as much of the reason as fits.
pub fn abort(report: &Report) -> Vec<u8> {
    let Report { origin, suspect, declines, ref reason } = *report;
    let mut end = reason.len().min(MAX_REASON);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut bytes = Frame::Abort { origin, suspect, declines, length: end }.encode().to_vec();
    bytes.extend_from_slice(&reason.as_bytes()[..end]);
    bytes
}

/// Evidence as frames.
pub fn evidence(bytes: &[u8]) -> Vec<u8> {
    let count = bytes.len().div_ceil(MAX_CHUNK).max(1);
    let mut frames = Vec::with_capacity(bytes.len() + count * HEADER);
    for i in 0..count {
        let chunk = &bytes[i * MAX_CHUNK..bytes.len().min((i + 1) * MAX_CHUNK)];
        frames.extend(Frame::Evidence { length: chunk.len(), last: i + 1 == count }.encode());
        frames.extend_from_slice(chunk);
    }
    frames
}

/// The reason of an abort as text that can be shown: a peer's bytes do not get to steer a terminal.
pub fn printable(reason: &[u8]) -> String {
    String::from_utf8_lossy(reason).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A failure that a neighbour reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Where it happened, as the neighbour says.
    pub origin: Party,
    /// Whom the neighbour has lost or not found, if that is the failure.
    pub suspect: Option<Party>,
    /// Whether the party where it happened declines to begin.
    pub declines: bool,
    /// What happened.
    pub reason: String,
}

impl Report {
    /// That a party has failed, or has lost another.
    pub fn failed(origin: Party, suspect: Option<Party>, reason: impl Into<String>) -> Report {
        Report { origin, suspect, declines: false, reason: reason.into() }
    }
}

/// The abort in a sequence of whole or cut-off frames, if there is one.
pub fn find_abort(mut bytes: &[u8]) -> Option<Report> {
    while let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() {
        match Frame::decode(header).ok()? {
            Frame::Data { length, .. } | Frame::Evidence { length, .. } => bytes = rest.get(length..)?,
            Frame::Abort { origin, suspect, declines, length } => {
                let reason = printable(rest.get(..length)?);
                return Some(Report { origin, suspect, declines, reason });
            }
            Frame::Heartbeat
            | Frame::Finished
            | Frame::Goodbye
            | Frame::Hello { .. }
            | Frame::Witness { .. }
            | Frame::Taken
            | Frame::Received { .. }
            | Frame::Met { .. } => bytes = rest,
        }
    }
    None
}

fn bounded(length: u32, limit: usize) -> Result<usize, FrameError> {
    usize::try_from(length).ok().filter(|&length| length <= limit).ok_or(FrameError::Length { length, limit })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_frame() -> impl Strategy<Value = Frame> {
        prop_oneof![
            (any::<u64>(), 1..=MAX_CHUNK, any::<bool>()).prop_map(|(round, length, last)| Frame::Data {
                round,
                length,
                last
            }),
            Just(Frame::Heartbeat),
            Just(Frame::Finished),
            Just(Frame::Goodbye),
            (0..3usize, 0..4usize, any::<bool>(), 0..=MAX_REASON).prop_map(
                |(party, suspect, declines, length)| Frame::Abort {
                    origin: Party::from_index(party).unwrap(),
                    suspect: Party::from_index(suspect),
                    declines,
                    length
                }
            ),
            (0..3usize, any::<bool>())
                .prop_map(|(party, hears)| Frame::Witness { of: Party::from_index(party).unwrap(), hears }),
            any::<u64>().prop_map(|trip| Frame::Hello { trip }),
            Just(Frame::Taken),
            any::<u64>().prop_map(|bytes| Frame::Received { bytes }),
            (0..=MAX_CHUNK, any::<bool>()).prop_map(|(length, last)| Frame::Evidence { length, last }),
            (0..3usize, any::<u64>())
                .prop_map(|(party, instance)| Frame::Met { of: Party::from_index(party).unwrap(), instance }),
        ]
    }

    proptest! {
        #[test]
        fn a_header_is_read_back(frame in any_frame()) {
            prop_assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
        }

        /// There is one encoding of each frame: whatever decodes is what `encode` writes.
        #[test]
        fn any_bytes_are_a_canonical_header_or_an_error(
            bytes in any::<[u8; HEADER]>(), frame in any_frame(), place in 0..HEADER, value: u8
        ) {
            let mut damaged = frame.encode();
            damaged[place] = value;
            for bytes in [bytes, damaged] {
                if let Ok(frame) = Frame::decode(&bytes) {
                    prop_assert_eq!(frame.encode(), bytes);
                }
            }
        }

        #[test]
        fn looking_for_an_abort_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = find_abort(&bytes);
        }

        #[test]
        fn a_reason_of_any_length_survives_cut_at_a_character(reason in "\\PC{0,700}") {
            let mut bytes = Frame::Heartbeat.encode().to_vec();
            bytes.extend(Frame::Data { round: 1, length: 3, last: true }.encode());
            bytes.extend([0; 3]);
            bytes.extend(abort(&Report { declines: true, ..Report::failed(Party::P2, None, &*reason) }));
            let Report { origin, reason: text, declines, .. } = find_abort(&bytes).expect("the abort is there");
            prop_assert_eq!((origin, declines), (Party::P2, true));
            prop_assert!(reason.starts_with(&text));
            prop_assert!(text.len() + 4 > reason.len().min(MAX_REASON));
        }
    }

    #[test]
    fn lengths_at_the_limits() {
        let mut bytes = Frame::Data { round: 1, length: MAX_CHUNK, last: true }.encode();
        bytes[4] += 1;
        assert_eq!(
            Frame::decode(&bytes),
            Err(FrameError::Length { length: MAX_CHUNK as u32 + 1, limit: MAX_CHUNK })
        );
        bytes[4..8].fill(0);
        assert_eq!(Frame::decode(&bytes), Err(FrameError::Field), "an empty chunk");
        bytes[4..8].fill(255);
        assert!(matches!(Frame::decode(&bytes), Err(FrameError::Length { length: u32::MAX, .. })));
    }
}
