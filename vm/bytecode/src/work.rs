//! What a party computes by itself, counted over a whole program: what the time of computing is foretold from.
//!
//! As in [`crate::report`] what stands in a loop counts as often as the loop runs, a branch as its costlier arm, and a `break` as if it never
//! happened.

use crate::instr::{Axes, Instr, Reg, Role};
use crate::program::Program;

/// What a party computes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Products of elements that are summed up in contractions.
    pub products: u64,
    /// Elements that all other instructions write.
    pub elements: u64,
}

impl Work {
    /// Of a valid program.
    pub fn of(program: &Program) -> Work {
        // blocks in progress, innermost last; what an arm before `else` has; how often the block runs
        let mut blocks = vec![(Work::default(), Work::default(), 1)];
        for instr in &program.code {
            match *instr {
                Instr::Loop { trips, .. } => blocks.push((Work::default(), Work::default(), trips.into())),
                Instr::If { .. } => blocks.push((Work::default(), Work::default(), 1)),
                Instr::Else {} => {
                    if let Some((work, first, _)) = blocks.last_mut() {
                        *first = std::mem::take(work);
                    }
                }
                Instr::End {} => {
                    let (work, first, times) = blocks.pop().unwrap_or_default();
                    if let Some((outer, _, _)) = blocks.last_mut() {
                        outer.add(work.most(first), times);
                    }
                }
                _ => {
                    if let Some((work, _, _)) = blocks.last_mut() {
                        work.add(once(program, instr), 1);
                    }
                }
            }
        }
        blocks.pop().map_or(Work::default(), |(work, _, _)| work)
    }

    fn add(&mut self, other: Work, times: u64) {
        self.products = self.products.saturating_add(other.products.saturating_mul(times));
        self.elements = self.elements.saturating_add(other.elements.saturating_mul(times));
    }

    fn most(self, other: Work) -> Work {
        Work { products: self.products.max(other.products), elements: self.elements.max(other.elements) }
    }
}

/// One execution of an instruction that is neither a loop's nor a branch's.
fn once(program: &Program, instr: &Instr) -> Work {
    let view = |reg: Reg| &program.views[reg.0 as usize];
    match *instr {
        Instr::Contract { dst, a, axes: Axes { batch, rows, inner, .. }, .. } => {
            let inner = view(a).dims.iter().skip((batch + rows).into()).take(inner.into());
            let summed = inner.fold(1u64, |n, dim| n.saturating_mul(dim.size.into()));
            Work { products: view(dst).len().saturating_mul(summed), elements: 0 }
        }
        _ => {
            let written = instr.registers().filter(|(_, role)| *role != Role::Read);
            let elements = written.fold(0u64, |n, (reg, _)| n.saturating_add(view(reg).len()));
            Work { products: 0, elements }
        }
    }
}
