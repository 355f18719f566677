//! A simulated network: delays and limits what travels, without the rights that the kernel's own means would need.
//!
//! Every write is preceded by its length and the time at which it happened. The receiving end gives the bytes out when they would have
//! arrived: a byte waits for those before it to pass the bottleneck, and is under way for half of the round-trip time. Bytes travel over the real link
//! meanwhile, so that a party which is busy when they arrive is not delayed any further, as in a real network.
//!
//! Times are compared between the two ends. In one machine they come from one clock; between machines, an offset of their clocks adds to the
//! delay or takes from it, but a time that has not come yet counts as now. What is simulated is added to what the real link takes. Both ends of a
//! link must use the same model. The slow start of TCP is not simulated.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::live::Live;
use super::model::NetworkModel;
use super::party::{Party, Peers};
use super::transport::{Read, Transport};

/// Bytes before each write: its length (4) and its time in nanoseconds since 1970 (8), little-endian.
const STAMP: usize = 12;
/// The most that a stamp can announce.
const LONGEST: usize = 1 << 20;
/// The most that is read at once.
const READ: usize = 64 << 10;

/// A transport whose bytes arrive as if over the network that `model` describes.
pub struct Shaped<T> {
    inner: T,
    model: NetworkModel,
    links: Peers<Link>,
}

/// The receiving end of one link.
#[derive(Default)]
struct Link {
    stamp: [u8; STAMP],
    have: usize,
    /// Bytes of the current write that have not arrived.
    left: usize,
    /// When the current write happened.
    written: Duration,
    /// When the last byte so far passes the bottleneck.
    passed: Duration,
    /// Arrived and not given out.
    bytes: VecDeque<u8>,
    /// When the bytes may be given out: up to this many, from this time on.
    due: VecDeque<(usize, Duration)>,
    ended: bool,
}

impl<T: Transport> Shaped<T> {
    /// Shapes what arrives over `inner`, whose other ends are shaped as well.
    pub fn new(inner: T, model: NetworkModel) -> Self {
        let links = inner.peers().map(|_, ()| Link::default());
        Self { inner, model, links }
    }
}

impl Link {
    /// How many bytes may be given out at the time `now`.
    fn due(&self, now: Duration) -> usize {
        self.due.iter().take_while(|(_, due)| *due <= now).map(|(count, _)| count).sum()
    }

    fn give(&mut self, into: &mut [u8], due: usize) -> io::Result<usize> {
        let most = into.len().min(due);
        let count = io::Read::read(&mut self.bytes, &mut into[..most])?;
        let mut given = count;
        while let Some((first, _)) = self.due.front_mut().filter(|_| given > 0) {
            let part = given.min(*first);
            *first -= part;
            given -= part;
            if *first == 0 {
                self.due.pop_front();
            }
        }
        Ok(count)
    }

    /// `bytes` have come over the real link.
    fn arrived(&mut self, mut bytes: &[u8], model: &NetworkModel, now: Duration) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.left == 0 {
                let count = bytes.len().min(STAMP - self.have);
                let (stamp, rest) = bytes.split_at(count);
                self.stamp[self.have..self.have + count].copy_from_slice(stamp);
                self.have += count;
                bytes = rest;
                if self.have == STAMP {
                    self.begin(now)?;
                }
            } else {
                let (now, later) = bytes.split_at(bytes.len().min(self.left));
                self.left -= now.len();
                self.bytes.extend(now);
                self.passed = self.passed.max(self.written) + model.serialize(now.len() as u64);
                self.due.push_back((now.len(), self.passed + model.rtt / 2));
                bytes = later;
            }
        }
        Ok(())
    }

    fn begin(&mut self, now: Duration) -> io::Result<()> {
        let [l0, l1, l2, l3, time @ ..] = self.stamp;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        self.left = usize::try_from(length).ok().filter(|length| (1..=LONGEST).contains(length)).ok_or(
            io::Error::new(io::ErrorKind::InvalidData, "a malformed stamp of the simulated network"),
        )?;
        self.written = Duration::from_nanos(u64::from_le_bytes(time)).min(now);
        self.have = 0;
        Ok(())
    }
}

impl<T: Transport> Shaped<T> {
    /// Takes what has come over the real link.
    fn fetch(&mut self, peer: Party) -> io::Result<()> {
        let mut bytes = [0; READ];
        let link = &mut self.links[peer];
        while !link.ended {
            match self.inner.read(peer, &mut bytes)? {
                Read::Bytes(count) => link.arrived(&bytes[..count], &self.model, clock())?,
                Read::Later => break,
                Read::End => link.ended = true,
            }
        }
        Ok(())
    }
}

impl<T: Transport> Transport for Shaped<T> {
    fn peers(&self) -> Peers<()> {
        self.inner.peers()
    }

    fn write(&mut self, peer: Party, bytes: &[u8]) -> io::Result<()> {
        for bytes in bytes.chunks(LONGEST) {
            self.inner.write(peer, &stamp(bytes))?;
            self.inner.write(peer, bytes)?;
        }
        Ok(())
    }

    fn flush(&mut self, peer: Party) -> io::Result<()> {
        self.inner.flush(peer)
    }

    fn backlog(&self, peer: Party) -> usize {
        self.inner.backlog(peer)
    }

    fn read(&mut self, peer: Party, into: &mut [u8]) -> io::Result<Read> {
        self.fetch(peer)?;
        let link = &mut self.links[peer];
        let due = link.due(clock());
        Ok(match link.give(into, due)? {
            0 if link.ended && link.bytes.is_empty() => Read::End,
            0 => Read::Later,
            count => Read::Bytes(count),
        })
    }

    fn wait(&mut self, read: Peers<bool>, limit: Duration) -> io::Result<()> {
        let now = clock();
        let mut limit = limit;
        for (peer, link) in self.links.iter() {
            if let Some((_, due)) = link.due.front().filter(|_| read[peer]) {
                limit = limit.min(due.saturating_sub(now));
            }
        }
        // The end of a stream can be waiting behind bytes that are not due.
        let open = self.links.as_ref().map(|peer, link| read[peer] && !link.ended);
        self.inner.wait(open, limit)
    }

    fn wipe(&mut self) {
        self.inner.wipe();
    }

    fn owed(&self, peer: Party) -> u64 {
        self.inner.owed(peer)
    }

    fn receipt(&mut self, peer: Party) -> u64 {
        self.inner.receipt(peer)
    }

    fn acknowledged(&mut self, peer: Party, bytes: u64) -> bool {
        self.inner.acknowledged(peer, bytes)
    }

    fn place(&self, peer: Party) -> u64 {
        self.inner.place(peer)
    }

    fn has_arrived(&self, peer: Party, place: u64) -> bool {
        self.inner.has_arrived(peer, place)
    }

    fn is_interrupted(&self, peer: Party) -> bool {
        self.inner.is_interrupted(peer)
    }

    fn show(&mut self, live: Arc<Live>) {
        self.inner.show(live);
    }

    fn close(&mut self, limit: Duration) {
        self.inner.close(limit);
    }
}

/// What precedes a write at this moment.
pub(super) fn stamp(bytes: &[u8]) -> [u8; STAMP] {
    debug_assert!(bytes.len() <= LONGEST);
    let mut stamp = [0; STAMP];
    stamp[..4].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
    stamp[4..].copy_from_slice(&(clock().as_nanos() as u64).to_le_bytes());
    stamp
}

/// The bytes of whole writes, without what precedes them.
pub(super) fn without_stamps(mut bytes: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(([l0, l1, l2, l3, ..], rest)) = bytes.split_first_chunk::<STAMP>() {
        let length = u32::from_le_bytes([*l0, *l1, *l2, *l3]) as usize;
        let Some((write, rest)) = rest.split_at_checked(length) else { break };
        all.extend_from_slice(write);
        bytes = rest;
    }
    all
}

fn clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MODEL: NetworkModel = NetworkModel { rtt: Duration::from_millis(10), bandwidth: Some(8_000_000) };

    /// One write of so many bytes at a time, as it comes over the real link.
    fn write(at: Duration, count: usize) -> Vec<u8> {
        let mut bytes = (count as u32).to_le_bytes().to_vec();
        bytes.extend((at.as_nanos() as u64).to_le_bytes());
        bytes.resize(STAMP + count, 1);
        bytes
    }

    /// At 1 MB/s and 5 ms one way: 1000 bytes take a millisecond and then five.
    #[test]
    fn bytes_wait_for_those_before_them_and_for_the_way() {
        let ms = Duration::from_millis;
        let mut link = Link::default();
        for bytes in [write(ms(100), 1000), write(ms(100), 1000), write(ms(200), 1000)] {
            link.arrived(&bytes, &MODEL, ms(300)).unwrap();
        }
        let due = [105, 106, 107, 205, 206].map(|at| link.due(ms(at)));
        assert_eq!(due, [0, 1000, 2000, 2000, 3000]);
        // A clock that is ahead does not delay for longer than the network does.
        let mut link = Link::default();
        link.arrived(&write(ms(9_000), 1000), &MODEL, ms(300)).unwrap();
        assert_eq!(link.due(ms(306)), 1000);
    }

    proptest! {
        /// However the real link cuts them, all bytes come out once, in order.
        #[test]
        fn all_bytes_come_out(sizes in prop::collection::vec(1..2000usize, 1..10), cut in 1..3000usize, take in 1..3000usize) {
            let (mut stream, mut expected) = (Vec::new(), Vec::new());
            for (index, &size) in sizes.iter().enumerate() {
                let mut bytes = write(Duration::ZERO, size);
                bytes[STAMP..].fill(index as u8);
                expected.extend_from_slice(&bytes[STAMP..]);
                stream.extend(bytes);
            }
            prop_assert_eq!(&without_stamps(&stream), &expected);
            let (mut link, mut out, end) = (Link::default(), Vec::new(), Duration::from_secs(3600));
            for bytes in stream.chunks(cut) {
                link.arrived(bytes, &MODEL, Duration::ZERO).unwrap();
                let mut into = vec![0; take];
                let due = link.due(end);
                let count = link.give(&mut into, due).unwrap();
                out.extend_from_slice(&into[..count]);
            }
            // one call need not give everything that is due
            let mut rest = vec![0; expected.len()];
            while out.len() < expected.len() {
                let due = link.due(end);
                let count = link.give(&mut rest, due).unwrap();
                prop_assert!(count > 0, "{} of {} bytes came out", out.len(), expected.len());
                out.extend_from_slice(&rest[..count]);
            }
            prop_assert_eq!(out, expected);
            prop_assert!(link.due.is_empty() && link.bytes.is_empty());
        }

        #[test]
        fn any_bytes_are_a_stream_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Link::default().arrived(&bytes, &MODEL, Duration::ZERO);
            let _ = without_stamps(&bytes);
        }
    }
}
