//! Links between threads of one process, for tests.
//!
//! Bytes travel through queues in memory; the frames on them are the ones that travel through TLS. A *tap* sees, and
//! may change, the payload of each message: tests add a byte to one, or compare what a party receives with what it may learn.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::frame::{Frame, HEADER, MAX_CHUNK};
use super::links::Links;
use super::party::{Party, Peers};
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

/// Links between so many threads; the one at index i belongs to party i.
pub fn mesh(parties: usize, stall: Duration) -> Vec<Links> {
    let links = |transport: Memory| {
        let (me, who) = (transport.me, transport.peers().map(|peer, ()| peer.into()));
        Links::new(me, who, Box::new(transport), stall)
    };
    transports(parties, usize::MAX).into_iter().map(links).collect()
}

/// The same, with a tap on every link.
pub fn mesh_with_tap(parties: usize, stall: Duration, tap: Tap) -> Vec<Links> {
    let links = |transport: Memory| {
        let (me, who) = (transport.me, transport.peers().map(|peer, ()| peer.into()));
        let pending = transport.peers().map(|_, ()| Pending::default());
        let tapped = Tapped { me, inner: transport, tap: tap.clone(), pending };
        Links::new(me, who, Box::new(tapped), stall)
    };
    transports(parties, usize::MAX).into_iter().map(links).collect()
}

/// The bare transports. A queue holds `capacity` bytes before its content counts as the sender's backlog.
pub fn transports(parties: usize, capacity: usize) -> Vec<Memory> {
    let streams = Party::all(parties).map(|me| Peers::new(me, parties, |_| Stream::default())).collect();
    let changed = Party::all(parties).map(|_| Condvar::new()).collect();
    let shared = Arc::new(Shared { streams: Mutex::new(streams), changed });
    let memory = |me| {
        let full = Peers::new(me, parties, |_| false);
        Memory { me, capacity, full, shared: shared.clone() }
    };
    Party::all(parties).map(memory).collect()
}

/// The transport of one thread.
#[derive(Debug)]
pub struct Memory {
    me: Party,
    capacity: usize,
    /// Whether the queue was above its capacity after the last write.
    full: Peers<bool>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// What each party has sent to each other one and was not yet read.
    streams: Mutex<Vec<Peers<Stream>>>,
    /// Wakes each party.
    changed: Vec<Condvar>,
}

#[derive(Debug, Default)]
struct Stream {
    bytes: VecDeque<u8>,
    ended: bool,
}

impl Memory {
    /// A thread that panicked while it held the lock leaves whole streams behind: every change is one call.
    fn lock(&self) -> MutexGuard<'_, Vec<Peers<Stream>>> {
        self.shared.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, peer: Party) {
        self.shared.changed[peer.index()].notify_all();
    }

    fn end(&self) {
        for peer in self.full.parties() {
            self.lock()[self.me.index()][peer].ended = true;
            self.wake(peer);
        }
    }
}

impl Transport for Memory {
    fn peers(&self) -> Peers<()> {
        self.full.map(|_, _| ())
    }

    fn write(&mut self, peer: Party, bytes: &[u8]) -> io::Result<()> {
        let mut streams = self.lock();
        if streams[peer.index()][self.me].ended {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let queue = &mut streams[self.me.index()][peer].bytes;
        queue.extend(bytes);
        let full = queue.len() > self.capacity;
        drop(streams);
        self.full[peer] = full;
        self.wake(peer);
        Ok(())
    }

    fn flush(&mut self, _peer: Party) -> io::Result<()> {
        Ok(())
    }

    fn backlog(&self, peer: Party) -> usize {
        self.lock()[self.me.index()][peer].bytes.len().saturating_sub(self.capacity)
    }

    fn read(&mut self, peer: Party, into: &mut [u8]) -> io::Result<Read> {
        let mut streams = self.lock();
        let stream = &mut streams[peer.index()][self.me];
        let count = io::Read::read(&mut stream.bytes, into)?;
        let ended = stream.ended;
        drop(streams);
        if count > 0 {
            self.wake(peer);
        }
        Ok(match (count, ended) {
            (0, true) => Read::End,
            (0, false) => Read::Later,
            (count, _) => Read::Bytes(count),
        })
    }

    fn wait(&mut self, read: Peers<bool>, limit: Duration) -> io::Result<()> {
        let streams = self.lock();
        let readable = self.full.parties().any(|peer| {
            let stream = &streams[peer.index()][self.me];
            read[peer] && (!stream.bytes.is_empty() || stream.ended)
        });
        let writable = self
            .full
            .parties()
            .any(|peer| self.full[peer] && streams[self.me.index()][peer].bytes.len() <= self.capacity);
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
    pending: Peers<Pending>,
}

/// What was written to one party and not yet passed on.
#[derive(Default)]
struct Pending {
    /// Frames of which the last may be incomplete.
    frames: Vec<u8>,
    /// Payload of the message of which the last chunk is missing.
    payload: Vec<u8>,
}

impl<T: Transport> Tapped<T> {
    /// Passes on the complete frame at the front, if there is one.
    fn pass_on(&mut self, peer: Party) -> io::Result<bool> {
        let Pending { frames, payload } = &mut self.pending[peer];
        let Some((header, rest)) = frames.split_first_chunk::<HEADER>() else {
            return Ok(false);
        };
        let frame = Frame::decode(header).map_err(io::Error::other)?;
        let length = match frame {
            Frame::Data { length, .. } | Frame::Abort { length, .. } | Frame::Evidence { length, .. } => {
                length
            }
            Frame::Heartbeat
            | Frame::Finished
            | Frame::Goodbye
            | Frame::Hello { .. }
            | Frame::Witness { .. }
            | Frame::Taken
            | Frame::Received { .. }
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
                    self.deliver(peer, round, payload)?;
                }
            }
            Frame::Abort { .. }
            | Frame::Evidence { .. }
            | Frame::Heartbeat
            | Frame::Finished
            | Frame::Goodbye
            | Frame::Hello { .. }
            | Frame::Witness { .. }
            | Frame::Taken
            | Frame::Received { .. }
            | Frame::Met { .. } => {
                self.inner.write(peer, &bytes)?;
            }
        }
        Ok(true)
    }

    fn deliver(&mut self, peer: Party, round: u64, payload: Vec<u8>) -> io::Result<()> {
        let mut message = Message { from: self.me, to: peer, round, payload };
        (self.tap)(&mut message);
        let mut chunks = message.payload.chunks(MAX_CHUNK).peekable();
        while let Some(chunk) = chunks.next() {
            let last = chunks.peek().is_none();
            self.inner.write(peer, &Frame::Data { round, length: chunk.len(), last }.encode())?;
            self.inner.write(peer, chunk)?;
        }
        Ok(())
    }
}

impl<T: Transport> Transport for Tapped<T> {
    fn peers(&self) -> Peers<()> {
        self.inner.peers()
    }

    fn write(&mut self, peer: Party, bytes: &[u8]) -> io::Result<()> {
        self.pending[peer].frames.extend_from_slice(bytes);
        while self.pass_on(peer)? {}
        Ok(())
    }

    fn flush(&mut self, peer: Party) -> io::Result<()> {
        self.inner.flush(peer)
    }

    fn backlog(&self, peer: Party) -> usize {
        self.inner.backlog(peer)
    }

    fn read(&mut self, peer: Party, into: &mut [u8]) -> io::Result<Read> {
        self.inner.read(peer, into)
    }

    fn wait(&mut self, read: Peers<bool>, limit: Duration) -> io::Result<()> {
        self.inner.wait(read, limit)
    }

    fn wipe(&mut self) {
        self.inner.wipe();
    }

    fn close(&mut self, limit: Duration) {
        self.inner.close(limit);
    }
}
