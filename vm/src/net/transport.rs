//! What moves bytes between one party and the others.
//!
//! A transport knows nothing of rounds, frames or instructions: it is an ordered, reliable byte stream per party that never
//! block except in [`Transport::wait`]. One thread owns it and does the reading and writing itself; there is no reader task
//! and no channel, since a hand-over between threads costs more than the system call that it would save.

use std::io;
use std::time::Duration;

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
