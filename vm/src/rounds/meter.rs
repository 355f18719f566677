//! What instructions send, and how long a party works and waits for them.
//!
//! The machine's clock runs by instruction: all that happens within a `receive` is the `receive`'s. Here the time in which operations in flight
//! are carried on is moved to the instructions that issued them, and the time spent waiting is set apart.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::machine::{Measured, Report};
use crate::net::{Links, Traffic};

/// Figures by instruction.
#[derive(Serialize, Deserialize)]
pub(crate) struct Meter {
    sent: Vec<u64>,
    rounds: Vec<u64>,
    waited: Vec<Duration>,
    /// Time that the machine's clock gave to another instruction.
    gained: Vec<Duration>,
    /// Time that the machine's clock gave to this one, but which is another's.
    lost: Vec<Duration>,
}

impl Meter {
    pub(crate) fn new(instructions: usize) -> Self {
        let times = || vec![Duration::ZERO; instructions];
        Self {
            sent: vec![0; instructions],
            rounds: vec![0; instructions],
            waited: times(),
            gained: times(),
            lost: times(),
        }
    }

    /// Whether both are of as many instructions.
    pub(crate) fn is_like(&self, other: &Meter) -> bool {
        let sizes = |meter: &Meter| {
            [meter.sent.len(), meter.rounds.len(), meter.waited.len(), meter.gained.len(), meter.lost.len()]
        };
        sizes(self) == sizes(other)
    }

    /// Counts a message of `bytes` bytes.
    pub(crate) fn sent(&mut self, instruction: u32, bytes: usize) {
        self.sent[instruction as usize] += bytes as u64;
    }

    /// Counts the end of a round.
    pub(crate) fn round(&mut self, receive: u32) {
        self.rounds[receive as usize] += 1;
    }

    /// Sets the time apart that the links have waited since they had counted `before`.
    pub(crate) fn waited(&mut self, at: u32, before: Traffic, links: &Links) {
        self.waited[at as usize] += links.traffic().waited - before.waited;
    }

    /// Gives the time since `started`, which passed in instruction `at`, to the instruction that issued the operation.
    pub(crate) fn worked(&mut self, at: u32, issued: u32, started: Instant) {
        let time = started.elapsed();
        self.lost[at as usize] += time;
        self.gained[issued as usize] += time;
    }

    /// The figures of a whole run, of which the machine's report has the time of every instruction.
    pub(crate) fn measured(self, report: &Report, traffic: Traffic) -> Measured {
        let compute = (0..report.times.len())
            .map(|i| (report.times[i] + self.gained[i]).saturating_sub(self.lost[i] + self.waited[i]))
            .collect();
        Measured { traffic, sent: self.sent, rounds: self.rounds, waited: self.waited, compute }
    }
}
