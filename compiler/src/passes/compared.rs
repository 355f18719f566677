//! Differences that comparisons make.
//!
//! `x < y` is the sign of `x - y`, and `max(x, y)` is `y` and a part of `x - y`. Of two numbers that keep the contract the difference may need
//! one bit more than it allows. That is no fault of the program, which names only the two numbers; so the contract is not meant for
//! such differences, and the comparison pays for the bit.

use super::graph::{Def, Graph};
use crate::ir::{Inst, Op, ValueId};

/// Through how many operations uses are followed.
const DEPTH: u32 = 6;

/// Whether a result is a difference that is only compared with zero or chosen; `known` says it of operands.
///
/// A sum counts only if nothing but comparisons use it: `x < -y` is the sign of `x + y`, but a rectified sum is a sum that the source names.
pub fn is_difference(graph: &Graph, inst: &Inst, result: ValueId, known: impl Fn(ValueId) -> bool) -> bool {
    match inst.op {
        Op::Sub => only(graph, result, true, DEPTH),
        Op::Add => only(graph, result, false, DEPTH),
        Op::Neg | Op::Trunc { .. } => known(inst.args[0]),
        _ => false,
    }
}

/// Whether all uses are comparisons with zero, or also choices.
fn only(graph: &Graph, value: ValueId, choices: bool, depth: u32) -> bool {
    let uses = graph.uses(value);
    let mut fine = 0;
    for user in graph.users(value) {
        if !is_fine(graph, user, value, choices, depth) {
            return false;
        }
        fine += 1;
    }
    // What a block yields is used by nobody whom `users` would name.
    fine == uses && uses > 0
}

fn is_fine(graph: &Graph, user: &Def, value: ValueId, choices: bool, depth: u32) -> bool {
    match user.op {
        Op::Sign { .. } | Op::SignTested { .. } => true,
        Op::Select { .. } | Op::SelectAgain { .. } => choices && user.args.last() == Some(&value),
        Op::Neg
        | Op::Trunc { .. }
        | Op::Reshape(_)
        | Op::Permute(_)
        | Op::Slice { .. }
        | Op::Broadcast(_)
        | Op::Reshare => depth > 0 && only(graph, user.results[0], choices, depth - 1),
        _ => false,
    }
}
