//! The last step: registers and buffers are numbered, every view once; so are masks, each for one instruction.

use std::collections::HashMap;

use tern_bytecode::instr::Reg;
use tern_bytecode::program::RangeCheck;
use tern_bytecode::{Instr, Program, View};

use super::code::Code;
use super::linear::Linear;
use super::memory::Plan;

/// The program. Copies from a place to itself are left out.
pub fn write(code: Code, linear: &Linear, memory: Plan) -> Program {
    let mut program = code.program;
    let stored = std::mem::take(&mut program.views);
    let mut registers = Registers { stored, memory: &memory.place, index: HashMap::new(), views: Vec::new() };
    let (mut position, mut masks) = (HashMap::new(), 0);
    for step in &linear.steps {
        let mut instr = step.instr.map_registers(|reg| registers.place(reg));
        if let Some(mask) = instr.mask_mut() {
            *mask = masks;
            masks += 1;
        }
        if !matches!(instr, Instr::Copy { dst, a } if dst == a) {
            if let Some(op) = step.op {
                position.insert(op, program.code.len() as u32);
            }
            program.code.push(instr);
            program.lines.push(step.line);
        }
    }
    program.ranges = code
        .ranges
        .iter()
        .filter_map(|r| {
            let at = *position.get(&r.op)?;
            Some(RangeCheck { at, frac: r.frac, low: r.low, high: r.high, line: r.line, inner: r.inner })
        })
        .collect();
    program.views = registers.views;
    program.buffers = memory.buffers;
    program
}

struct Registers<'a> {
    stored: Vec<View>,
    memory: &'a [u32],
    index: HashMap<View, u32>,
    views: Vec<View>,
}

impl Registers<'_> {
    fn place(&mut self, reg: Reg) -> Reg {
        let mut view = self.stored[reg.0 as usize].clone();
        view.buffer = self.memory[view.buffer as usize];
        let next = self.views.len() as u32;
        let index = *self.index.entry(view.clone()).or_insert(next);
        if index == next {
            self.views.push(view);
        }
        Reg(index)
    }
}
