//! What a model has to know of an instruction's operands. Nothing here relies on a program's being valid.

use crate::cost::packed;
use crate::instr::Reg;
use crate::program::{Kind, Place, Program, View};

/// A program whose instructions are priced.
#[derive(Clone, Copy)]
pub struct Operands<'a> {
    pub(crate) program: &'a Program,
    /// Bits of the ring.
    pub(crate) k: u64,
}

impl<'a> Operands<'a> {
    pub(crate) fn new(program: &'a Program) -> Self {
        Self { program, k: u64::from(program.header.ring) }
    }

    fn view(&self, reg: Reg) -> Option<&View> {
        self.program.views.get(reg.0 as usize)
    }

    /// The number of elements.
    pub(crate) fn len(&self, reg: Reg) -> u64 {
        self.view(reg).map_or(0, View::len)
    }

    pub(crate) fn kind(&self, reg: Reg) -> Option<Kind> {
        let buffer = self.view(reg)?.buffer;
        self.program.buffers.get(buffer as usize).map(|b| b.kind)
    }

    /// Bytes of a register's elements, k bits each.
    pub(crate) fn elements(&self, reg: Reg) -> u64 {
        packed(self.len(reg), self.k)
    }

    /// Positions of the first axis: the places of a word, of which no valid program has more than the ring has bits.
    pub(crate) fn places(&self, reg: Reg) -> u64 {
        let places = self.view(reg).and_then(|v| v.dims.first()).map_or(0, |d| u64::from(d.size));
        places.min(self.k).min(256)
    }

    /// Who provides an input.
    pub(crate) fn owner(&self, input: u32) -> Option<Place> {
        self.program.inputs.get(input as usize).map(|input| input.from)
    }

    /// Who receives an output.
    pub(crate) fn receiver(&self, output: u32) -> Option<Place> {
        self.program.outputs.get(output as usize).map(|output| output.to)
    }
}
