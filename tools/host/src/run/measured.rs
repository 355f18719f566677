//! What a run has cost, as counted where bytes pass to the links.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tern_bytecode::Program;
use tern_bytecode::report::report;
use tern_vm::net::NetworkModel;

/// What one party has measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Share {
    /// Its index.
    pub party: usize,
    /// Seconds from the first instruction to the last.
    pub seconds: f64,
    /// Seconds of these in which it waited for the others.
    pub waited: f64,
    /// Rounds of communication.
    pub rounds: u64,
    /// Bits of payload that it has sent, by receiver.
    pub sent: Vec<u64>,
    /// The largest resident size of its process, in bytes.
    pub peak_memory: u64,
    /// In the order of the source.
    pub by_line: Vec<LineShare>,
}

/// What one party, or all together, spent on a source line.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LineShare {
    /// The file; empty for what belongs to no line.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
    /// Bits of payload that were sent for it.
    pub bits: u64,
    /// Rounds that ended on it.
    pub rounds: u64,
    /// How often it was executed.
    pub executions: u64,
    /// Seconds of work.
    pub compute: f64,
    /// Seconds of waiting for the others.
    pub waited: f64,
}

/// What some source lines have taken in a run.
pub struct Spent {
    /// Of all parties.
    pub bits: u64,
    /// The same at every party.
    pub rounds: u64,
    /// Work and waiting of the party that took longest.
    pub seconds: f64,
}

impl Spent {
    /// Adds up the lines that count, over the shares of all parties.
    pub fn of(shares: &[Share], counts: impl Fn(&LineShare) -> bool) -> Spent {
        let mut spent = Spent { bits: 0, rounds: 0, seconds: 0.0 };
        for share in shares {
            let lines = || share.by_line.iter().filter(|line| counts(line));
            spent.bits += lines().map(|line| line.bits).sum::<u64>();
            // the same at every party
            spent.rounds = lines().map(|line| line.rounds).sum();
            spent.seconds = spent.seconds.max(lines().map(|line| line.compute + line.waited).sum());
        }
        spent
    }
}

impl Share {
    /// Its totals.
    fn summary(&self) -> Value {
        json!({
            "party": self.party, "seconds": self.seconds, "waited": self.waited, "rounds": self.rounds,
            "sent": self.sent, "peak_memory": self.peak_memory,
        })
    }
}

/// What the parties of a run have measured, as far as this process knows.
pub struct Measured {
    /// By party, in order.
    shares: Vec<Share>,
    /// The last value of each metric.
    metrics: Value,
    /// The number that all randomness came from.
    seed: Option<u64>,
    /// The network that was simulated.
    network: Option<NetworkModel>,
}

impl Measured {
    /// A report on the parties given, in order.
    ///
    /// # Panics
    /// Without any.
    pub fn new(
        shares: Vec<Share>,
        metrics: Value,
        seed: Option<u64>,
        network: Option<NetworkModel>,
    ) -> Measured {
        assert!(!shares.is_empty(), "a report is on one party or all");
        Measured { shares, metrics, seed, network }
    }

    /// By party, in order.
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// Seconds from the first instruction to the last, of the slowest party.
    pub fn seconds(&self) -> f64 {
        self.most(|share| share.seconds)
    }

    /// Seconds of these in which the party that waited most waited for the others.
    pub fn waited(&self) -> f64 {
        self.most(|share| share.waited)
    }

    /// Rounds of communication.
    pub fn rounds(&self) -> u64 {
        self.most(|share| share.rounds)
    }

    /// Bytes, of the largest process.
    pub fn peak_memory(&self) -> u64 {
        self.most(|share| share.peak_memory)
    }

    /// The network that was simulated, if one was.
    pub fn network(&self) -> Option<NetworkModel> {
        self.network
    }

    /// The number of which all randomness came, if one was given.
    pub fn seed(&self) -> Option<u64> {
        self.seed
    }

    /// Bits that these parties have sent.
    pub fn bits(&self) -> u64 {
        self.shares.iter().flat_map(|share| &share.sent).sum()
    }

    fn most<T: PartialOrd + Copy + Default>(&self, figure: impl Fn(&Share) -> T) -> T {
        self.shares.iter().map(figure).fold(T::default(), |a, b| if b > a { b } else { a })
    }

    /// Lines with the bits of all parties, and the times of the slowest one.
    pub fn by_line(&self) -> Vec<LineShare> {
        let (first, others) = self.shares.split_first().expect("one party or all");
        let mut lines = first.by_line.clone();
        // The program is the same, so its lines are.
        for share in others {
            for (all, part) in lines.iter_mut().zip(&share.by_line) {
                all.bits += part.bits;
                all.compute = all.compute.max(part.compute);
                all.waited = all.waited.max(part.waited);
            }
        }
        lines
    }

    /// Whether rounds and bits are what the program's costs say; `None` if these are an upper bound that was not reached.
    pub fn is_as_announced(&self, program: &Program) -> Option<bool> {
        let announced = report(program);
        let model = program.header.protocol.model();
        let rounds = |party| if model.computes(party) { announced.rounds } else { 0 };
        let same = self.shares.iter().all(|share| {
            share.rounds == rounds(share.party) && share.sent == announced.bits_by_link[share.party]
        });
        if !same && announced.at_most { None } else { Some(same) }
    }

    /// The event `done` of docs/json.md.
    pub fn to_json(&self, program: &Program) -> Value {
        let mut bits_by_link = vec![None; program.header.protocol.model().parties];
        for share in &self.shares {
            bits_by_link[share.party] = Some(&share.sent);
        }
        json!({
            "event": "done", "seconds": self.seconds(), "waited": self.waited(), "rounds": self.rounds(),
            "bits": self.bits(), "bits_by_link": bits_by_link, "peak_memory": self.peak_memory(),
            "metrics": self.metrics, "parties": self.shares.iter().map(Share::summary).collect::<Vec<_>>(),
            "by_line": self.by_line(), "simulated_network": self.network.map(|model| model.to_string()),
            "insecure_seed": self.seed,
        })
    }
}
