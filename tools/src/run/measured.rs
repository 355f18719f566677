//! What a run has cost, as counted where bytes pass to the links.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tern_bytecode::report::{group, report};
use tern_vm::net::NetworkModel;

use crate::compile::Loaded;
use crate::events::Events;

/// What one party has measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Share {
    /// Its index.
    pub(crate) party: usize,
    /// Seconds from the first instruction to the last.
    pub(crate) seconds: f64,
    /// Seconds of these in which it waited for the others.
    pub(crate) waited: f64,
    pub(crate) rounds: u64,
    /// Bits of payload that it has sent, by receiver.
    pub(crate) sent: Vec<u64>,
    /// The largest resident size of its process, in bytes.
    pub(crate) peak_memory: u64,
    /// In the order of the source.
    pub(crate) by_line: Vec<LineShare>,
}

/// What one party, or all together, spent on a source line.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct LineShare {
    /// The file; empty for what belongs to no line.
    pub(crate) file: String,
    /// Counted from 1.
    pub(crate) line: u32,
    pub(crate) bits: u64,
    pub(crate) rounds: u64,
    pub(crate) executions: u64,
    /// Seconds of work.
    pub(crate) compute: f64,
    /// Seconds of waiting for the others.
    pub(crate) waited: f64,
}

/// What some source lines have taken in a run.
pub(crate) struct Spent {
    /// Of all parties.
    pub(crate) bits: u64,
    pub(crate) rounds: u64,
    /// Work and waiting of the party that took longest.
    pub(crate) seconds: f64,
}

impl Spent {
    /// Adds up the lines that count, over the shares of all parties.
    pub(crate) fn of(shares: &[Share], counts: impl Fn(&LineShare) -> bool) -> Spent {
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
pub(super) struct Measured {
    /// By party, in order.
    shares: Vec<Share>,
    /// The last value of each metric.
    metrics: Value,
    /// The number that all randomness came from.
    seed: Option<u64>,
}

impl Measured {
    /// A report on the parties given, in order.
    pub(super) fn new(shares: Vec<Share>, metrics: Value, seed: Option<u64>) -> Measured {
        Measured { shares, metrics, seed }
    }

    /// Bits that these parties have sent.
    fn bits(&self) -> u64 {
        self.shares.iter().flat_map(|share| &share.sent).sum()
    }

    fn most<T: PartialOrd + Copy + Default>(&self, figure: impl Fn(&Share) -> T) -> T {
        self.shares.iter().map(figure).fold(T::default(), |a, b| if b > a { b } else { a })
    }

    /// Lines with the bits of all parties, and the times of the slowest one.
    fn by_line(&self) -> Vec<LineShare> {
        let (first, others) = self.shares.split_first().expect("a report is on one party or all");
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

    /// The table of `tern cost`, measured.
    fn table(&self, lines: &[LineShare], loaded: &Loaded) -> String {
        let mut out = format!(
            "\n{:>20} {:>12} {:>10} {:>10} {:>10}  line\n",
            "bits", "rounds", "compute", "waiting", "times"
        );
        for l in lines {
            let text = loaded.line(&l.file, l.line).unwrap_or_default();
            let place = if l.file.is_empty() { "-".to_string() } else { format!("{}:{}", l.file, l.line) };
            let row = format!(
                "{:>20} {:>12} {:>8.3} s {:>8.3} s {:>10}  {place}  {text}",
                group(l.bits),
                group(l.rounds),
                l.compute,
                l.waited,
                group(l.executions),
            );
            out.push_str(row.trim_end());
            out.push('\n');
        }
        out
    }

    /// Emits the last event of a run.
    pub(super) fn tell(&self, events: &mut Events, loaded: &Loaded, network: Option<NetworkModel>) {
        let mut bits_by_link = vec![None; loaded.program.header.protocol.model().parties];
        for share in &self.shares {
            bits_by_link[share.party] = Some(&share.sent);
        }
        let (seconds, waited) = (self.most(|share| share.seconds), self.most(|share| share.waited));
        let (rounds, peak_memory) = (self.most(|share| share.rounds), self.most(|share| share.peak_memory));
        let by_line = self.by_line();
        let done = json!({
            "event": "done", "seconds": seconds, "waited": waited, "rounds": rounds, "bits": self.bits(),
            "bits_by_link": bits_by_link, "peak_memory": peak_memory, "metrics": self.metrics,
            "parties": self.shares.iter().map(Share::summary).collect::<Vec<_>>(), "by_line": by_line,
            "simulated_network": network.map(|model| model.to_string()), "insecure_seed": self.seed,
        });
        let sent = match &self.shares[..] {
            [one] => format!("party {} sent {:.1} MB", one.party, self.bits() as f64 / 8e6),
            _ => format!("{:.1} MB", self.bits() as f64 / 8e6),
        };
        let mut text = self.table(&by_line, loaded);
        text.push_str(&format!(
            "\n{seconds:.1} s, of which up to {waited:.1} s waiting; {} rounds, {sent}{}; at most {:.0} MB of memory per party",
            group(rounds),
            self.against_announced(loaded),
            peak_memory as f64 / 1e6,
        ));
        if let Some(model) = network {
            text.push_str(&format!("\nThe network was a simulation: {model}."));
        }
        if let Some(seed) = self.seed {
            text.push_str(&format!(
                "\nAll randomness came from the seed {seed}: nothing of this run is secret."
            ));
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
