//! What moves bytes between one party and the others.
//!
//! A transport knows nothing of rounds, frames or instructions: it is an ordered, reliable byte stream per party that never
//! block except in [`Transport::wait`]. One thread owns it and does the reading and writing itself; there is no reader task
//! and no channel, since a hand-over between threads costs more than the system call that it would save. A stream may go from one connection to the
//! next; then it pauses meanwhile.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::live::Live;
use super::party::{Party, Peers};

/// A byte stream to and from each of the other parties, owned by one thread.
///
/// Errors are those of the operating system, plus [`io::ErrorKind::InvalidData`] for bytes that the encryption
/// layer rejects.
pub trait Transport: Send {
    /// The parties to which there are streams.
    fn peers(&self) -> Peers<()>;

    /// Takes all of `bytes` for a party. What cannot leave at once is queued.
    ///
    /// The queue has no limit of its own: whoever writes much looks at [`Transport::backlog`] in between.
    fn write(&mut self, peer: Party, bytes: &[u8]) -> io::Result<()>;

    /// Hands queued bytes on as far as possible without waiting.
    fn flush(&mut self, peer: Party) -> io::Result<()>;

    /// The number of queued bytes that have not been handed on yet.
    fn backlog(&self, peer: Party) -> usize;

    /// Reads into the front of `into` (not empty) without waiting.
    fn read(&mut self, peer: Party, into: &mut [u8]) -> io::Result<Read>;

    /// Waits until one of the parties to `read` has something to read, a queue can move, or `limit` has passed. It may return
    /// early. To be called only for parties whose last [`Transport::read`] said [`Read::Later`].
    fn wait(&mut self, read: Peers<bool>, limit: Duration) -> io::Result<()>;

    /// Overwrites what is left of bytes that were read in buffers of the transport.
    fn wipe(&mut self);

    /// Bytes that have come from a party since it was told last how many have: it keeps them until it is told. 0 where nothing is kept.
    fn owed(&self, _peer: Party) -> u64 {
        0
    }

    /// All bytes that have come from a party, which is told so now.
    fn receipt(&mut self, _peer: Party) -> u64 {
        0
    }

    /// A party says how many bytes it has. False if that cannot be.
    fn acknowledged(&mut self, _peer: Party, _bytes: u64) -> bool {
        true
    }

    /// A place in the stream to a party: behind everything that was written so far.
    fn place(&self, _peer: Party) -> u64 {
        0
    }

    /// Whether a party is known to have everything before a place.
    fn has_arrived(&self, _peer: Party, _place: u64) -> bool {
        true
    }

    /// Whether nothing can pass between this party and another at the moment, which may be over soon.
    fn is_interrupted(&self, _peer: Party) -> bool {
        false
    }

    /// Tells whoever watches when a link is interrupted, and when it is back.
    fn show(&mut self, _live: Arc<Live>) {}

    /// Ends all streams in order: what is queued leaves first, and what still arrives is thrown away, for at
    /// most `limit`. Errors no longer matter to anybody.
    fn close(&mut self, limit: Duration);
}

/// The result of a read that does not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// So many bytes were read, at least one.
    Bytes(usize),
    /// Nothing has arrived.
    Later,
    /// The other end has ended its stream; nothing will arrive any more.
    End,
}
