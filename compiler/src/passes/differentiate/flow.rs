//! Which values change with what the loss is differentiated by, and where a change is lost.
//!
//! Bits, truth values and revealed numbers have no derivative. A condition needs none: what `where` chooses is right almost everywhere
//! without. But where a number is made of them, the derivative would lack a part without a word, so that is an error, unless the
//! program says that the number counts as a constant: by a function whose rule has `_` for it.

use std::collections::{HashMap, HashSet};

use crate::diagnostics::{Code, Diagnostic};
use crate::ir::{Builder, Inst, Kind, Op, ValueId};

/// What depends on the values that the loss is differentiated by, among the results of some instructions.
pub(super) struct Flow {
    /// By something with a derivative.
    pub(super) active: HashSet<ValueId>,
    /// By something without: the instruction at which a change is lost.
    lost: HashMap<ValueId, usize>,
}

impl Flow {
    pub(super) fn new(builder: &Builder, before: &[Inst], by: &[ValueId]) -> Flow {
        let active: HashSet<ValueId> = by.iter().copied().collect();
        let mut flow = Flow { active, lost: HashMap::new() };
        let mut places = HashMap::new();
        for (at, inst) in before.iter().enumerate() {
            let lost = match inst.op {
                // A rule stands for all that its function is computed from, if it names it.
                Op::Custom { values, .. } => {
                    let (values, named) = inst.args.split_at(values);
                    flow.reaches(values, named, before, &places).then_some(at)
                }
                _ => flow.loses(builder, inst, at),
            };
            if let Some(lost) = lost {
                flow.lost.extend(inst.results.iter().map(|result| (*result, lost)));
            }
            if depends(inst, &flow.active) {
                let carries = |v: &&ValueId| builder.ty(**v).kind == Kind::Shared;
                flow.active.extend(inst.results.iter().filter(carries));
                places.extend(inst.results.iter().map(|result| (*result, at)));
            }
        }
        flow
    }

    /// The instruction at which results of this one have lost a change, if they have.
    fn loses(&self, builder: &Builder, inst: &Inst, at: usize) -> Option<usize> {
        let counts = |arg: &ValueId| match inst.op {
            // Conditions and places: of a choice.
            Op::Select { .. } | Op::SelectAgain { .. } => builder.ty(*arg).kind != Kind::Bit,
            Op::Gather => *arg == inst.args[0],
            Op::Scatter => *arg != inst.args[2],
            Op::Choose => *arg != inst.args[0],
            _ => true,
        };
        let mut args: Vec<ValueId> = inst.args.iter().copied().filter(counts).collect();
        inst.regions.iter().for_each(|region| region.for_each_use(&mut |value| args.push(value)));
        let active = args.iter().any(|arg| self.active.contains(arg));
        match inst.op {
            Op::RevealBits | Op::Compare(_) => None,
            Op::Sign { .. } | Op::Bits { .. } | Op::Reveal if active => Some(at),
            _ => args.iter().find_map(|arg| self.lost.get(arg).copied()),
        }
    }

    /// Whether values change with what is differentiated by, other than through the `named` ones.
    fn reaches(
        &self,
        values: &[ValueId],
        named: &[ValueId],
        before: &[Inst],
        places: &HashMap<ValueId, usize>,
    ) -> bool {
        let mut open: Vec<ValueId> = values.to_vec();
        let mut seen: HashSet<ValueId> = named.iter().copied().collect();
        while let Some(value) = open.pop() {
            if !self.active.contains(&value) || !seen.insert(value) {
                continue;
            }
            let Some(at) = places.get(&value) else { return true };
            match &before[*at] {
                Inst { op: Op::Custom { values, wants }, args, .. } => {
                    let wanted = args[*values..].iter().zip(wants).filter(|(_, wanted)| **wanted);
                    open.extend(wanted.map(|(x, _)| *x));
                }
                inst => inst.for_each_use(&mut |value| open.push(value)),
            }
        }
        false
    }

    /// Why the derivative of the loss would lack a part: it is computed from something that has none.
    pub(super) fn without_derivative(&self, grad: &Inst, before: &[Inst]) -> Option<Diagnostic> {
        let source = &before[*self.lost.get(&grad.args[0])?];
        let here = match source.op {
            Op::Reveal => "this is revealed: a public number has no derivative",
            Op::Sign { .. } => "of this comparison a number is made, which has no derivative",
            Op::Custom { .. } => "the rule of this function leaves out something that it is computed from",
            _ => "bits have no derivative, nor has the number that is made of them",
        };
        let help = match source.op {
            Op::Custom { .. } => "make that a parameter of the function, with a derivative or _ in the rule",
            _ => "math::stop_gradient(…)  around what this is computed from lets it count as a constant",
        };
        let error = Diagnostic::error(Code::G006, "a part of the loss has no derivative");
        Some(error.at(grad.origin.user, "").label(source.origin.user, here).help(help))
    }
}

/// Whether results of an instruction change with the active values, as far as derivatives go.
pub(super) fn depends(inst: &Inst, active: &HashSet<ValueId>) -> bool {
    if let Op::Custom { values, wants } = &inst.op {
        return inst.args[*values..].iter().zip(wants).any(|(x, wanted)| *wanted && active.contains(x));
    }
    let mut found = false;
    inst.for_each_use(&mut |value| found |= active.contains(&value));
    found
}
