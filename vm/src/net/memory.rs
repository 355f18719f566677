//! Links between three threads of one process, for tests.
//!
//! Bytes travel through queues in memory; the frames on them are the ones that travel through TLS. A *tap* sees, and
//! may change, the payload of each message: tests add a byte to one, or compare what a party receives with what it may learn.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::frame::{Frame, HEADER, MAX_CHUNK};
use super::links::Links;
use super::party::{Pair, Party, Side};
use super::transport::{Read, Transport};

/// The message of one round on one directed link, as a tap sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who sends it.
    pub from: Party,
    /// Who is to receive it.
    pub to: Party,
    /// The number of its round; rounds of the set-up count too.
    pub round: u64,
    /// Its bytes. What the tap leaves here is delivered; an empty message is not sent.
    pub payload: Vec<u8>,
}

/// Sees each message before it is delivered. Called on the sender's thread.
pub type Tap = Arc<dyn Fn(&mut Message) + Send + Sync>;

/// Links between three threads; the one at index i belongs to party i.
pub fn triangle(stall: Duration) -> [Links; 3] {
    transports(usize::MAX).map(|transport| {
        let me = transport.me;
        Links::new(me, Pair::from_fn(|side| me.at(side).into()), Box::new(transport), stall)
    })
}

/// The same, with a tap on every link.
pub fn triangle_with_tap(stall: Duration, tap: Tap) -> [Links; 3] {
    transports(usize::MAX).map(|transport| {
        let me = transport.me;
        let tapped = Tapped { me, inner: transport, tap: tap.clone(), pending: Pair::default() };
        Links::new(me, Pair::from_fn(|side| me.at(side).into()), Box::new(tapped), stall)
    })
}

/// The bare transports. A queue holds `capacity` bytes before its content counts as the sender's backlog.
pub fn transports(capacity: usize) -> [Memory; 3] {
    let shared = Arc::new(Shared::default());
    Party::ALL.map(|me| Memory { me, capacity, full: Pair::default(), shared: shared.clone() })
}

/// The transport of one thread.
#[derive(Debug)]
pub struct Memory {
    me: Party,
    capacity: usize,
    /// Whether the queue was above its capacity after the last write.
    full: Pair<bool>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// What each party has sent to each side and was not yet read.
    streams: Mutex<[Pair<Stream>; 3]>,
    /// Wakes each party.
    changed: [Condvar; 3],
}

#[derive(Debug, Default)]
struct Stream {
    bytes: VecDeque<u8>,
    ended: bool,
}

impl Memory {
    /// A thread that panicked while it held the lock leaves whole streams behind: every change is one call.
    fn lock(&self) -> MutexGuard<'_, [Pair<Stream>; 3]> {
        self.shared.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, side: Side) {
        self.shared.changed[self.me.at(side).index()].notify_all();
    }

    fn end(&self) {
        for side in Side::BOTH {
            self.lock()[self.me.index()][side].ended = true;
            self.wake(side);
        }
    }
}

impl Transport for Memory {
    fn write(&mut self, side: Side, bytes: &[u8]) -> io::Result<()> {
        let mut streams = self.lock();
        if streams[self.me.at(side).index()][side.other()].ended {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let queue = &mut streams[self.me.index()][side].bytes;
        queue.extend(bytes);
        let full = queue.len() > self.capacity;
        drop(streams);
        self.full[side] = full;
        self.wake(side);
        Ok(())
    }

    fn flush(&mut self, _side: Side) -> io::Result<()> {
        Ok(())
    }

    fn backlog(&self, side: Side) -> usize {
        self.lock()[self.me.index()][side].bytes.len().saturating_sub(self.capacity)
    }

    fn read(&mut self, side: Side, into: &mut [u8]) -> io::Result<Read> {
        let mut streams = self.lock();
        let stream = &mut streams[self.me.at(side).index()][side.other()];
        let count = io::Read::read(&mut stream.bytes, into)?;
        let ended = stream.ended;
        drop(streams);
        if count > 0 {
            self.wake(side);
        }
        Ok(match (count, ended) {
            (0, true) => Read::End,
            (0, false) => Read::Later,
            (count, _) => Read::Bytes(count),
        })
    }

    fn wait(&mut self, read: Pair<bool>, limit: Duration) -> io::Result<()> {
        let streams = self.lock();
        let readable = Side::BOTH.into_iter().any(|side| {
            let stream = &streams[self.me.at(side).index()][side.other()];
            read[side] && (!stream.bytes.is_empty() || stream.ended)
        });
        let writable = Side::BOTH
            .into_iter()
            .any(|side| self.full[side] && streams[self.me.index()][side].bytes.len() <= self.capacity);
        if !readable && !writable {
            let changed = &self.shared.changed[self.me.index()];
            drop(changed.wait_timeout(streams, limit).unwrap_or_else(PoisonError::into_inner));
        }
        Ok(())
    }

    fn wipe(&mut self) {}

    fn close(&mut self, _limit: Duration) {
        self.end();
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.end();
    }
}

/// Puts whole messages before a tap. They leave when they are complete.
struct Tapped<T> {
    me: Party,
    inner: T,
    tap: Tap,
    pending: Pair<Pending>,
}

/// What was written to one side and not yet passed on.
#[derive(Default)]
struct Pending {
    /// Frames of which the last may be incomplete.
    frames: Vec<u8>,
    /// Payload of the message of which the last chunk is missing.
    payload: Vec<u8>,
}

impl<T: Transport> Tapped<T> {
    /// Passes on the complete frame at the front, if there is one.
    fn pass_on(&mut self, side: Side) -> io::Result<bool> {
        let Pending { frames, payload } = &mut self.pending[side];
        let Some((header, rest)) = frames.split_first_chunk::<HEADER>() else {
            return Ok(false);
        };
        let frame = Frame::decode(header).map_err(io::Error::other)?;
        let length = match frame {
            Frame::Data { length, .. } | Frame::Abort { length, .. } => length,
            Frame::Heartbeat
            | Frame::Finished
            | Frame::Goodbye
            | Frame::Hello { .. }
            | Frame::Witness { .. }
            | Frame::Taken
            | Frame::Met { .. } => 0,
        };
        if rest.len() < length {
            return Ok(false);
        }
        let bytes: Vec<u8> = frames.drain(..HEADER + length).collect();
        match frame {
            Frame::Data { round, last, .. } => {
                payload.extend_from_slice(&bytes[HEADER..]);
                if last {
                    let payload = std::mem::take(payload);
                    self.deliver(side, round, payload)?;
                }
            }
            Frame::Abort { .. }
            | Frame::Heartbeat
            | Frame::Finished
            | Frame::Goodbye
            | Frame::Hello { .. }
            | Frame::Witness { .. }
            | Frame::Taken
            | Frame::Met { .. } => {
                self.inner.write(side, &bytes)?;
            }
        }
        Ok(true)
    }

    fn deliver(&mut self, side: Side, round: u64, payload: Vec<u8>) -> io::Result<()> {
        let mut message = Message { from: self.me, to: self.me.at(side), round, payload };
        (self.tap)(&mut message);
        let mut chunks = message.payload.chunks(MAX_CHUNK).peekable();
        while let Some(chunk) = chunks.next() {
            let last = chunks.peek().is_none();
            self.inner.write(side, &Frame::Data { round, length: chunk.len(), last }.encode())?;
            self.inner.write(side, chunk)?;
        }
        Ok(())
    }
}

impl<T: Transport> Transport for Tapped<T> {
    fn write(&mut self, side: Side, bytes: &[u8]) -> io::Result<()> {
        self.pending[side].frames.extend_from_slice(bytes);
        while self.pass_on(side)? {}
        Ok(())
    }

    fn flush(&mut self, side: Side) -> io::Result<()> {
        self.inner.flush(side)
    }

    fn backlog(&self, side: Side) -> usize {
        self.inner.backlog(side)
    }

    fn read(&mut self, side: Side, into: &mut [u8]) -> io::Result<Read> {
        self.inner.read(side, into)
    }

    fn wait(&mut self, read: Pair<bool>, limit: Duration) -> io::Result<()> {
        self.inner.wait(read, limit)
    }

    fn wipe(&mut self) {
        self.inner.wipe();
    }

    fn close(&mut self, limit: Duration) {
        self.inner.close(limit);
    }
}
