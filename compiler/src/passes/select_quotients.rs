//! Selections divide what they select, where the protocol has that ([`Model::divides`](tern_bytecode::model::Model::divides)) and results are rounded at random.
//!
//! | from | to |
//! |---|---|
//! | `select_again(half, bit, trunc(u, m))` | `select_again(half, bit, u, bits m)` |
//!
//! That is the step of a gradient through a rectifier behind a product. It takes the rounds of the truncation, two less, and m bits less per element. The truncation must
//! have no other use.

use super::graph::{Rewriter, Rules, rewrite};
use crate::ir::{Inst, Op, Program, Rounding, ValueId};

/// Joins truncations with the selections behind them.
pub fn run(program: &mut Program) {
    let settings = program.settings;
    if settings.protocol.model().divides && settings.rounding == Rounding::Probabilistic {
        rewrite(program, &mut SelectQuotients);
    }
}

struct SelectQuotients;

impl Rules for SelectQuotients {
    fn apply(&mut self, cx: &mut Rewriter, inst: &Inst) -> Option<Vec<ValueId>> {
        let (Op::SelectAgain { additive, bits: 0 }, &[half, bit, quotient]) = (&inst.op, &inst.args[..])
        else {
            return None;
        };
        let (op, from) = {
            let def = cx.own(quotient)?;
            (def.op.clone(), *def.args.first()?)
        };
        let Op::Trunc { bits } = op else { return None };
        // of a whole number there is nothing left to be rounded
        let divided = Op::SelectAgain { additive: *additive, bits };
        (bits < cx.ty(from).frac).then(|| vec![cx.emit(self, divided, &[half, bit, from])])
    }
}
