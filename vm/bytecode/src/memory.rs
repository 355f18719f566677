//! The memory that a program takes, known before it runs.
//!
//! Besides the buffers that is what is on its way: operations in flight own copies of their operands, make intermediate results of about the size of
//! what they send and receive, and their messages wait to be sent or to be complete. The figure is an estimate from above, held against
//! what processes really take by a test. Words of inputs that parties derive from keys count too: a run that goes on from a checkpoint has them.

use serde::Serialize;

use crate::cost::{self, Links, Traffic};
use crate::instr::{Instr, Reg};
use crate::program::Program;

/// Vectors of complete operations that a party keeps for later ones, at most.
pub const POOL: u64 = 96 << 20;

/// Blocks that were freed and that the allocator keeps, at most.
pub const KEPT: u64 = 96 << 20;

/// What a process takes for any program: code, threads, sessions.
pub const PROCESS: u64 = 40 << 20;

/// Bytes that a party of a program takes, besides its data. The emulator takes less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Needed {
    /// The program's buffers: shares and public values.
    pub buffers: u64,
    /// What is on its way at once, at most: operands and intermediate results of operations in flight, and their messages.
    pub in_flight: u64,
    /// The process, whatever the program.
    pub process: u64,
}

impl Needed {
    /// Of a party of the program's protocol.
    pub fn of(program: &Program) -> Needed {
        let (model, ring) = (program.header.protocol.model(), program.header.ring);
        let sizes = program.buffers.iter().map(|buffer| model.bytes(buffer.kind, buffer.len, ring));
        let most = in_flight(program);
        // what is done waits in the pool, or in the allocator, for what comes next
        let waiting = most.min(POOL + KEPT).max(most / 4);
        let (buffers, in_flight) = (sizes.fold(0, u64::saturating_add), most.saturating_add(waiting));
        Needed { buffers, in_flight, process: PROCESS }
    }

    /// What the program asks for.
    pub fn total(&self) -> u64 {
        self.buffers.saturating_add(self.in_flight)
    }
}

/// An operation in flight.
struct Flight {
    /// What it sends in the rounds to come.
    rounds: std::vec::IntoIter<Links>,
    /// Bytes of its operands and results, and of what it makes on its way.
    held: u64,
}

/// The most that is on its way at once, at the party that has most.
fn in_flight(program: &Program) -> u64 {
    let mut flights: Vec<Flight> = Vec::new();
    let mut most = 0;
    for instr in &program.code {
        if matches!(instr, Instr::Send {}) {
            let mut links = Links::default();
            flights.iter_mut().filter_map(|f| f.rounds.next()).for_each(|l| cost::add(&mut links, &l, 1));
            let held = flights.iter().fold(0u64, |sum, flight| sum.saturating_add(flight.held));
            most = most.max(held.saturating_add(busiest(&links)));
            flights.retain(|flight| flight.rounds.len() > 0);
            continue;
        }
        let traffic = cost::traffic(program, instr);
        if traffic.is_empty() {
            let own = copied(program, instr).saturating_add(dealt(program, instr));
            let held = flights.iter().fold(own, |sum, f| sum.saturating_add(f.held));
            most = most.max(held);
        } else {
            // an input goes piece by piece into its register and into messages
            let held = match instr {
                Instr::Input { .. } => 0,
                _ => {
                    held(program, instr).saturating_add(made(&traffic)).saturating_add(dealt(program, instr))
                }
            };
            flights.push(Flight { rounds: traffic.into_iter(), held });
        }
    }
    most
}

/// Bytes of the operand that an instruction without messages copies: of a view without limits on one element, more than all buffers.
fn copied(program: &Program, instr: &Instr) -> u64 {
    let (Instr::Contract { a: reg, .. } | Instr::Output { a: reg, .. }) = *instr else { return 0 };
    bytes(program, reg)
}

/// Bytes of what is dealt for an operation: as it comes, and as shares.
fn dealt(program: &Program, instr: &Instr) -> u64 {
    busiest(&cost::dealt(program, instr)).saturating_mul(2)
}

/// Bytes that an operation makes: for every message something that it is made of, or that is made of it.
fn made(traffic: &Traffic) -> u64 {
    let mut all = Links::default();
    traffic.iter().for_each(|links| cost::add(&mut all, links, 1));
    busiest(&all)
}

/// Bytes that the party with the most traffic sends and receives.
fn busiest(links: &Links) -> u64 {
    let all = 0..links.len();
    let of = |me: usize| {
        all.clone().fold(0u64, |n, i| n.saturating_add(links[me][i]).saturating_add(links[i][me]))
    };
    all.clone().map(of).max().unwrap_or(0)
}

fn held(program: &Program, instr: &Instr) -> u64 {
    instr.registers().fold(0, |sum, (reg, _)| bytes(program, reg).saturating_add(sum))
}

/// Bytes of a dense copy of a register.
fn bytes(program: &Program, reg: Reg) -> u64 {
    let view = &program.views[reg.0 as usize];
    let kind = program.buffers[view.buffer as usize].kind;
    program.header.protocol.model().bytes(kind, view.len(), program.header.ring)
}
