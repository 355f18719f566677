//! What an instruction may touch besides its operands.

use tern_bytecode::{Kind, Program, Reg};

use super::error::Fault;
use super::host::{Host, Trip};
use super::memory::Memory;
use super::seed::Purpose;
use crate::par::Threads;
use crate::prg::{Key, Stream};

/// The surroundings of the instruction that is being executed.
pub struct Context<'a, R> {
    /// The program.
    pub program: &'a Program,
    /// Registers that everybody knows; in the emulator all of them.
    pub memory: &'a mut Memory<R>,
    /// The threads that kernels may use.
    pub threads: &'a Threads,
    /// Data and results.
    pub host: &'a mut dyn Host,
    /// The key of the streams that everybody knows.
    pub public: &'a Key,
    /// The instruction's place in the run.
    pub address: Address,
    /// The loops in progress, outermost first.
    pub loops: &'a [Trip],
}

/// The place of an execution in the run: no two executions have the same. Randomness is drawn by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address {
    /// Index of the instruction.
    pub instruction: u32,
    /// The counters of the loops around it as one number: innermost fastest, as in a row-major index.
    pub iteration: u64,
}

impl<R> Context<'_, R> {
    /// What a register holds.
    pub fn kind(&self, reg: Reg) -> Kind {
        let buffer = self.program.views[reg.0 as usize].buffer;
        self.program.buffers[buffer as usize].kind
    }

    /// A stream of `key` for this execution of the instruction.
    ///
    /// # Errors
    /// If the loops around it run more often than streams can be addressed.
    pub fn stream<'k>(&self, key: &'k Key, purpose: Purpose) -> Result<Stream<'k>, Fault> {
        Ok(Stream::new(key, purpose.number(), self.address.instruction, self.address.iteration)?)
    }
}
