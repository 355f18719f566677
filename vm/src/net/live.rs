//! What the links of a party have done so far, for whoever watches from another thread.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tern_bytecode::model::MAX_PARTIES;

use super::links::Traffic;
use super::party::Party;

/// Counts that are written at the end of each round and may be read at any time. Each is right by itself; they need not be of the same round.
#[derive(Debug, Default)]
pub struct Live {
    rounds: AtomicU64,
    /// Nanoseconds.
    waited: AtomicU64,
    sent: [AtomicU64; MAX_PARTIES],
    received: [AtomicU64; MAX_PARTIES],
    interruptions: AtomicU64,
    teller: Teller,
}

/// Says a line.
type Tell = dyn Fn(&str) + Send + Sync;

/// Who is told what happens to links.
#[derive(Default)]
struct Teller(OnceLock<Box<Tell>>);

impl fmt::Debug for Teller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Teller").field(&self.0.get().is_some()).finish()
    }
}

impl Live {
    /// Rounds begun.
    pub fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// Time spent waiting for the other parties.
    pub fn waited(&self) -> Duration {
        Duration::from_nanos(self.waited.load(Ordering::Relaxed))
    }

    /// Bytes of payload handed over for a party.
    pub fn sent(&self, peer: Party) -> u64 {
        self.sent[peer.index()].load(Ordering::Relaxed)
    }

    /// Bytes of payload from a party.
    pub fn received(&self, peer: Party) -> u64 {
        self.received[peer.index()].load(Ordering::Relaxed)
    }

    /// How often a link was interrupted.
    pub fn interruptions(&self) -> u64 {
        self.interruptions.load(Ordering::Relaxed)
    }

    /// From now on `tell` gets a line when a link is interrupted and when it is back, on whichever thread notices. The first call counts.
    pub fn on_links(&self, tell: impl Fn(&str) + Send + Sync + 'static) {
        // Whoever was there first is told.
        let _ = self.teller.0.set(Box::new(tell));
    }

    pub(super) fn interrupted(&self) {
        self.interruptions.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn tell(&self, line: &str) {
        if let Some(tell) = self.teller.0.get() {
            tell(line);
        }
    }

    pub(super) fn show(&self, traffic: &Traffic) {
        self.rounds.store(traffic.rounds, Ordering::Relaxed);
        self.waited.store(traffic.waited.as_nanos() as u64, Ordering::Relaxed);
        for (peer, bytes) in traffic.sent.iter() {
            self.sent[peer.index()].store(*bytes, Ordering::Relaxed);
        }
        for (peer, bytes) in traffic.received.iter() {
            self.received[peer.index()].store(*bytes, Ordering::Relaxed);
        }
    }
}
