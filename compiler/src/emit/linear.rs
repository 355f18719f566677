//! Code as a list, in the order in which it runs.

use std::collections::HashMap;

use tern_bytecode::instr::Instr;
use tern_bytecode::program::Line;

use super::code::OpId;

/// An instruction in its place.
#[derive(Debug, Clone)]
pub struct Step {
    /// The instruction; registers are views on stores.
    pub instr: Instr,
    /// Of a `receive`, the line that the round is for.
    pub line: Line,
    /// The operation; none for control.
    pub op: Option<OpId>,
}

/// The scheduled program.
#[derive(Debug, Clone, Default)]
pub struct Linear {
    /// In order.
    pub steps: Vec<Step>,
    /// By index of a loop's first step: the stores of its carried values.
    pub homes: HashMap<usize, Vec<u32>>,
}

impl Linear {
    /// Appends an instruction that is no operation.
    pub fn control(&mut self, instr: Instr, line: Line) {
        self.steps.push(Step { instr, line, op: None });
    }
}
