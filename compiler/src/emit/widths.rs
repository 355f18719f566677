//! How many bits of every value are used, where values are opened under masks.
//!
//! An opening costs what it opens, and what is computed of a value modulo 2^n depends on nothing but its lowest n bits, through sums, products, selections and whatever moves
//! elements. What ends such a chain says how many it takes: a truncation those of its operand's range and two more, a comparison the bits that it compares, an
//! output those of the number's range. The analysis goes backwards from there ([`Widths::of`]), through loops until nothing changes.
//!
//! The ranges are those of the contract ([`crate::ir::Program::widths`]), as for the widths of comparisons; the emulator's range mode checks that they hold.

use std::collections::HashSet;

use tern_bytecode::model::Forms;

use crate::ir::{Block, Inst, Kind, Op, Program, Rounding, ValueId};
use crate::passes::graph::Graph;

/// The fewest bits that can be truncated by none.
const LEAST: u32 = 3;

/// By value.
pub struct Widths<'a> {
    ir: &'a Program,
    /// The lowest bits that are used.
    used: Vec<u32>,
    /// Truncations of which only the opened result is used.
    opened: HashSet<ValueId>,
}

impl<'a> Widths<'a> {
    /// Analyses a program whose forms are explicit. Where nothing is opened, all bits are used.
    pub fn of(ir: &'a Program) -> Widths<'a> {
        let mut widths = Widths { ir, used: vec![0; ir.values.len()], opened: HashSet::new() };
        let opens = ir.settings.protocol.model().forms == Forms::Opened;
        if opens && ir.explicit_forms {
            widths.block(&ir.body);
            if ir.settings.rounding == Rounding::Probabilistic {
                widths.truncations(&Graph::of(ir), &ir.body);
            }
        } else {
            widths.used.fill(ir.settings.ring);
        }
        widths
    }

    /// How many of the lowest bits of a value are used, and so are right.
    pub fn used(&self, value: ValueId) -> u32 {
        let used = self.used.get(value.0 as usize).copied().unwrap_or(self.ir.settings.ring);
        used.max(LEAST)
    }

    /// Whether the only use of a truncation's result is to be opened.
    pub fn is_opened(&self, truncation: ValueId) -> bool {
        self.opened.contains(&truncation)
    }

    /// The bits that an operand must have right to be truncated by `bits`.
    fn room(&self, value: ValueId, bits: u32) -> u32 {
        let ring = self.ir.settings.ring;
        self.ir.widths.get(&value).copied().unwrap_or(ring).max(bits + LEAST).min(ring)
    }

    fn raise(&mut self, value: ValueId, bits: u32) {
        if matches!(self.ir.ty(value).kind, Kind::Shared | Kind::Additive) {
            let used = &mut self.used[value.0 as usize];
            *used = bits.max(*used);
        }
    }

    fn block(&mut self, block: &Block) {
        block.insts.iter().rev().for_each(|inst| self.inst(inst));
    }

    fn inst(&mut self, inst: &Inst) {
        let ring = self.ir.settings.ring;
        let result = inst.results.first().map_or(0, |result| self.used[result.0 as usize]);
        match inst.op {
            Op::For { .. } => self.repeat(inst),
            Op::If => {
                for region in &inst.regions {
                    for (value, result) in region.yields.iter().zip(&inst.results) {
                        self.raise(*value, self.used[result.0 as usize]);
                    }
                    self.block(region);
                }
            }
            Op::Trunc { bits } => self.raise(inst.args[0], self.room(inst.args[0], bits)),
            Op::Sign { width: 0 } => self.raise(inst.args[0], ring),
            Op::Sign { width: high } | Op::SignTested { high, .. } | Op::Bits { high, .. } => {
                self.raise(inst.args[0], high)
            }
            Op::Output(_) | Op::Reveal => {
                let value = inst.args[0];
                let opened = self.ir.ty(value).kind == Kind::Shared;
                self.raise(value, if opened { self.room(value, 0) } else { ring });
            }
            Op::Raise { bits } => self.raise(inst.args[0], result.saturating_sub(bits)),
            Op::Debug(_) => {}
            _ => inst.args.iter().for_each(|arg| self.raise(*arg, result)),
        }
    }

    /// What an iteration hands to the next one is looked at until nothing more is used.
    fn repeat(&mut self, inst: &Inst) {
        let region = &inst.regions[0];
        let carried = || region.params[1..].iter().zip(&inst.results);
        loop {
            let bits: Vec<u32> =
                carried().map(|(a, b)| self.used[a.0 as usize].max(self.used[b.0 as usize])).collect();
            region.yields.iter().zip(&bits).for_each(|(value, bits)| self.raise(*value, *bits));
            self.block(region);
            inst.args.iter().zip(&bits).for_each(|(value, bits)| self.raise(*value, *bits));
            if carried().zip(&bits).all(|((param, _), bits)| self.used[param.0 as usize] <= *bits) {
                break;
            }
        }
    }

    fn truncations(&mut self, graph: &Graph, block: &Block) {
        for inst in &block.insts {
            inst.regions.iter().for_each(|region| self.truncations(graph, region));
            let (Op::Trunc { .. }, [result]) = (&inst.op, inst.results.as_slice()) else { continue };
            let promise = |op: &Op, results: &[ValueId]| {
                matches!(op, Op::Assume { .. }) && results.iter().all(|value| graph.uses(*value) == 0)
            };
            let mut users = graph.users(*result).filter(|user| !promise(&user.op, &user.results));
            let only = matches!((users.next(), users.next()), (Some(user), None) if user.op == Op::Reshare);
            if only && graph.users(*result).count() == graph.uses(*result) {
                self.opened.insert(*result);
            }
        }
    }
}
