//! A source line with what it costs, or with what it has taken.

use tern_bytecode::report::LineCost;

/// A source line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The file; empty for what belongs to no line.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
    /// Bits that are sent for it.
    pub bits: u64,
    /// Rounds in which others wait for it.
    pub rounds: u64,
    /// How often it is executed.
    pub executions: u64,
    /// What it took when it ran, if it did.
    pub time: Option<Time>,
}

/// What a line took, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Time {
    /// Work.
    pub compute: f64,
    /// Waiting for the others.
    pub waited: f64,
}

impl Line {
    /// Both together, in whole microseconds.
    pub(crate) fn microseconds(&self) -> u64 {
        self.time.map_or(0, |time| microseconds(time.compute + time.waited))
    }
}

/// As a whole number, which adds up and sorts.
pub(crate) fn microseconds(seconds: f64) -> u64 {
    (seconds * 1e6).round() as u64
}

impl From<&LineCost> for Line {
    fn from(cost: &LineCost) -> Line {
        Line {
            file: cost.file.clone(),
            line: cost.line,
            bits: cost.bits,
            rounds: cost.rounds,
            executions: cost.executions,
            time: None,
        }
    }
}
