//! Comparisons in fewer rounds, where that is what the program is compiled for ([`Optimise::Rounds`]) and the protocol has a test for zero for it.
//!
//! - A sign of up to 33 bits is found by a test, in three rounds, if an adder would take more.
//! - The sign of a truncated product is that of the product: it need not wait for the truncation, if positions below the result's are left out. What is left out is a
//!   carry, so that a number less than one unit of the result above zero may count as negative, at random: an error that rounding makes as well. It
//!   goes through what is linear or moves data. Where results are rounded to the nearest, and so are functions of their
//!   operands, signs wait.

use super::cost;
use super::graph::{Graph, Rewriter, Rules, rewrite};
use crate::ir::{Inst, Kind, Op, Optimise, Program, Rounding, Type, ValueId};

/// Through how many operations a sign is moved.
const DEPTH: u32 = 8;

/// Finds signs early.
pub fn run(program: &mut Program) {
    let settings = program.settings;
    let most = settings.protocol.model().tested;
    if settings.optimise == Optimise::Rounds && most > 0 {
        rewrite(program, &mut Early { most });
    }
}

struct Early {
    /// Positions of a test.
    most: u32,
}

impl Rules for Early {
    fn apply(&mut self, cx: &mut Rewriter, inst: &Inst) -> Option<Vec<ValueId>> {
        let Op::Sign { width } = inst.op else { return None };
        let (settings, operand) = (cx.program.settings, inst.args[0]);
        // one more: the carry that is left out may lead below the smallest number
        let fits = |low: u32| width > 0 && width < self.most && low + width < settings.ring;
        if settings.rounding == Rounding::Probabilistic
            && let Some(low) = taken_away(&cx.graph, operand, DEPTH).filter(|low| fits(*low))
        {
            let product = self.before(cx, operand)?;
            return Some(vec![cx.emit(self, Op::SignTested { low, high: low + width + 1 }, &[product])]);
        }
        let ty = |kind| Type::new(kind, 0, cx.ty(operand).shape.clone());
        let adder = cost::of_operation(&settings, &inst.op, &ty(Kind::Shared), &ty(Kind::Bit));
        let tested = Op::SignTested { low: 0, high: width };
        let test = (width > 0 && width <= self.most).then_some(tested)?;
        let rounds = cost::of_operation(&settings, &test, &ty(Kind::Shared), &ty(Kind::Bit)).rounds;
        (rounds < adder.rounds).then(|| vec![cx.emit(self, test, &[operand])])
    }
}

impl Early {
    /// The value before its truncations, of which [`taken_away`] knows.
    fn before(&mut self, cx: &mut Rewriter, value: ValueId) -> Option<ValueId> {
        let (op, args) = {
            let def = cx.graph.def(value)?;
            (def.op.clone(), def.args.clone())
        };
        match op {
            Op::Trunc { .. } => Some(args[0]),
            Op::Assume { .. } => self.before(cx, args[0]),
            _ => {
                let args = args.iter().map(|arg| self.before(cx, *arg)).collect::<Option<Vec<_>>>()?;
                Some(cx.emit(self, op, &args))
            }
        }
    }
}

/// How many bits the truncations took away of which a value is a linear image, if they all took equally many.
fn taken_away(graph: &Graph, value: ValueId, depth: u32) -> Option<u32> {
    let def = graph.def(value).filter(|_| depth > 0)?;
    let operand = |i: usize| taken_away(graph, def.args[i], depth - 1);
    match def.op {
        Op::Trunc { bits } => Some(bits),
        Op::Assume { .. }
        | Op::Neg
        | Op::Reshape(_)
        | Op::Permute(_)
        | Op::Slice { .. }
        | Op::Broadcast(_) => operand(0),
        Op::Sub | Op::Add => operand(0).filter(|bits| operand(1) == Some(*bits)),
        _ => None,
    }
}
