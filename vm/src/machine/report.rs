//! What a run was.

use std::time::{Duration, Instant};

use tern_bytecode::cost::{self, Links};
use tern_bytecode::{Instr, Program};

use super::checkpoint::State;
use super::range::RangeReport;
use crate::net::Traffic;

/// Figures of a run that came to its end.
#[derive(Debug, Clone)]
pub struct Report {
    /// Rounds of communication.
    pub rounds: u64,
    /// Bytes of payload by sender and receiver, by the cost model: those of rounds.
    pub links: Links,
    /// The same of what a dealer sends.
    pub dealt: Links,
    /// How often every instruction was executed.
    pub executions: Vec<u64>,
    /// The time spent in every instruction, if it was measured.
    pub times: Vec<Duration>,
    /// Bytes in the machine's buffers.
    pub memory: u64,
    /// Wall-clock time.
    pub elapsed: Duration,
    /// The ranges of values, if they were watched.
    pub ranges: Option<RangeReport>,
    /// What was counted at the links, if there were any.
    pub measured: Option<Measured>,
    /// Whether all parties know that the run came to its end. Of a run that keeps points, one may have been killed before it knew; with the others
    /// that are there it goes on once more.
    pub known: bool,
}

/// What a party measured: in total, and by instruction. In an order of its own, every instruction's figures can be added up by source line.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Bytes by side, rounds, time spent waiting.
    pub traffic: Traffic,
    /// Bytes that this party sent for the instruction.
    pub sent: Vec<u64>,
    /// Rounds that ended with the instruction, a `receive`; its line is the one that the round is for.
    pub rounds: Vec<u64>,
    /// Time spent waiting for the other parties in the instruction, a `send` or a `receive`.
    pub waited: Vec<Duration>,
    /// Time spent working for the instruction, in whichever round; of a `send` or a `receive`, on moving bytes.
    pub compute: Vec<Duration>,
}

impl Report {
    /// Bits that travel in rounds, over all links.
    pub fn bits(&self) -> u64 {
        cost::total(&self.links).saturating_mul(8)
    }
}

/// What is counted while a program runs.
pub(super) struct Tally {
    executions: Vec<u64>,
    times: Vec<Duration>,
    started: Instant,
    /// What passed before the point that the run goes on from.
    before: Duration,
}

impl Tally {
    pub(super) fn new(program: &Program, profile: bool) -> Self {
        let len = program.code.len();
        let times = if profile { vec![Duration::ZERO; len] } else { Vec::new() };
        Self { executions: vec![0; len], times, started: Instant::now(), before: Duration::ZERO }
    }

    /// What was counted so far, `current` being the instruction that has not come to its end.
    pub(super) fn save(&self, current: u32, state: &mut State) {
        state.executions.clone_from(&self.executions);
        state.executions[current as usize] += 1;
        state.times.clone_from(&self.times);
        state.elapsed = self.before + self.started.elapsed();
    }

    /// Goes on from there; `None` if that was another program.
    pub(super) fn restore(&mut self, state: &State) -> Option<()> {
        if (state.executions.len(), state.times.len()) != (self.executions.len(), self.times.len()) {
            return None;
        }
        self.executions.clone_from(&state.executions);
        self.times.clone_from(&state.times);
        self.before = state.elapsed;
        Some(())
    }

    /// Starts the clock of an instruction, if there is one.
    pub(super) fn start(&self) -> Option<Instant> {
        (!self.times.is_empty()).then(Instant::now)
    }

    pub(super) fn executed(&mut self, at: u32, started: Option<Instant>) {
        self.executions[at as usize] += 1;
        if let Some(started) = started {
            self.times[at as usize] += started.elapsed();
        }
    }

    pub(super) fn report(self, program: &Program, memory: u64, ranges: Option<RangeReport>) -> Report {
        let [mut links, mut dealt] = [Links::default(); 2];
        let mut rounds = 0;
        for (instr, &times) in program.code.iter().zip(&self.executions) {
            if matches!(instr, Instr::Receive {}) {
                rounds += times;
            }
            for round in cost::traffic(program, instr) {
                cost::add(&mut links, &round, times);
            }
            cost::add(&mut dealt, &cost::dealt(program, instr), times);
        }
        let elapsed = self.before + self.started.elapsed();
        let (executions, times) = (self.executions, self.times);
        Report {
            rounds,
            links,
            dealt,
            executions,
            times,
            memory,
            elapsed,
            ranges,
            measured: None,
            known: true,
        }
    }
}
