//! What a run has cost, as counted where bytes pass to the links.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tern_bytecode::report::report;
use tern_vm::net::NetworkModel;

use crate::compile::Loaded;
use crate::events::Events;

/// What one party has measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Share {
    /// Its index.
    pub(super) party: usize,
    /// Seconds from the first instruction to the last.
    pub(super) seconds: f64,
    /// Seconds of these in which it waited for the others.
    pub(super) waited: f64,
    pub(super) rounds: u64,
    /// Bits of payload that it has sent, by receiver.
    pub(super) sent: [u64; 3],
    /// The largest resident size of its process, in bytes.
    pub(super) peak_memory: u64,
}

/// What the parties of a run have measured, as far as this process knows.
pub(super) struct Measured {
    /// By party, in order.
    shares: Vec<Share>,
    /// The last value of each metric.
    metrics: BTreeMap<String, f64>,
}

impl Measured {
    /// A report on the parties given, in order.
    pub(super) fn new(shares: Vec<Share>, metrics: BTreeMap<String, f64>) -> Measured {
        Measured { shares, metrics }
    }

    /// Bits that these parties have sent.
    fn bits(&self) -> u64 {
        self.shares.iter().flat_map(|share| share.sent).sum()
    }

    fn most<T: PartialOrd + Copy + Default>(&self, figure: impl Fn(&Share) -> T) -> T {
        self.shares.iter().map(figure).fold(T::default(), |a, b| if b > a { b } else { a })
    }

    /// Emits the last event of a run.
    pub(super) fn tell(&self, events: &mut Events, loaded: &Loaded, network: Option<NetworkModel>) {
        let mut bits_by_link = [None; 3];
        for share in &self.shares {
            bits_by_link[share.party] = Some(share.sent);
        }
        let (seconds, waited) = (self.most(|share| share.seconds), self.most(|share| share.waited));
        let (rounds, peak_memory) = (self.most(|share| share.rounds), self.most(|share| share.peak_memory));
        let done = json!({
            "event": "done", "seconds": seconds, "waited": waited, "rounds": rounds, "bits": self.bits(),
            "bits_by_link": bits_by_link, "peak_memory": peak_memory, "metrics": self.metrics,
            "parties": self.shares, "simulated_network": network.map(|model| model.to_string()),
        });
        let sent = match &self.shares[..] {
            [one] => format!("party {} sent {:.1} MB", one.party, self.bits() as f64 / 8e6),
            _ => format!("{:.1} MB", self.bits() as f64 / 8e6),
        };
        let mut text = format!(
            "{seconds:.1} s, of which up to {waited:.1} s waiting; {rounds} rounds, {sent}{}; at most {:.0} MB of memory per party",
            self.against_announced(loaded),
            peak_memory as f64 / 1e6,
        );
        if let Some(model) = network {
            text.push_str(&format!("\nThe network was a simulation: {model}."));
        }
        events.emit(&done, Some(&text));
    }

    /// Whether rounds and bits are what `tern cost` says.
    fn against_announced(&self, loaded: &Loaded) -> &'static str {
        let announced = report(&loaded.program);
        let same = self.shares.iter().all(|share| {
            share.rounds == announced.rounds && share.sent == announced.bits_by_link[share.party]
        });
        match (same, announced.at_most) {
            (true, _) => ", as announced",
            (false, true) => "",
            (false, false) => " (tern cost says something else: please report this)",
        }
    }
}
