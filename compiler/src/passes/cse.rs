//! Common subexpressions: an instruction that computes what an earlier one has computed already is replaced by it.
//!
//! The earlier one stands in the same block or in one around it. Random numbers, effects, loops and branches are left alone. Runs behind
//! differentiation: equal values are not the same value to a derivative.

use std::collections::HashMap;

use tern_bytecode::instr::{Comparison, IntBinary, RealBinary};

use crate::ir::{Block, Op, Program, ValueId};

/// Merges equal instructions.
pub fn run(program: &mut Program) {
    let mut merger = Merger::default();
    merger.block(&mut program.body);
}

/// An operation with its operands.
type Expression = (Op, Vec<ValueId>);

#[derive(Default)]
struct Merger {
    /// What has taken a value's place.
    names: HashMap<ValueId, ValueId>,
    /// Expressions computed in this block or around it, with their results.
    computed: HashMap<Expression, Vec<ValueId>>,
}

impl Merger {
    fn block(&mut self, block: &mut Block) {
        let mut own: Vec<Expression> = Vec::new();
        block.insts.retain_mut(|inst| {
            self.rename(&mut inst.args);
            inst.regions.iter_mut().for_each(|region| self.block(region));
            if !inst.regions.is_empty() || inst.op.has_effect() || inst.op.is_random() {
                return true;
            }
            let expression = (inst.op.clone(), sorted(&inst.op, &inst.args));
            if let Some(results) = self.computed.get(&expression) {
                self.names.extend(inst.results.iter().copied().zip(results.iter().copied()));
                return false;
            }
            self.computed.insert(expression.clone(), inst.results.clone());
            own.push(expression);
            true
        });
        self.rename(&mut block.yields);
        for expression in own {
            self.computed.remove(&expression);
        }
    }

    fn rename(&self, values: &mut [ValueId]) {
        for value in values {
            *value = self.names.get(value).copied().unwrap_or(*value);
        }
    }
}

/// Operands in an order that does not matter are put into a fixed one.
fn sorted(op: &Op, args: &[ValueId]) -> Vec<ValueId> {
    let mut args = args.to_vec();
    let commutes = match op {
        Op::Add | Op::Mul | Op::And | Op::Xor => true,
        Op::Compare(op) => matches!(op, Comparison::Eq | Comparison::Ne),
        Op::RealBinary(op) => matches!(op, RealBinary::Add | RealBinary::Mul),
        Op::IntBinary(op) => !matches!(op, IntBinary::Sub | IntBinary::Div | IntBinary::Rem),
        _ => false,
    };
    if commutes {
        args.sort_unstable();
    }
    args
}
