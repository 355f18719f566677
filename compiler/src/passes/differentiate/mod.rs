//! Derivatives: every `Grad` becomes ordinary instructions, by reverse mode.
//!
//! Post-condition: there is no `Grad` and no `Custom` left.
//!
//! The adjoint of a value, the derivative of the loss by it, is a number like any other. Whatever the value's scale, its adjoint is shared at the
//! scale of `fix` or a finer one, so truncations have no derivative of their own: of `Mul(x.f, y.g)` with the adjoint d, x gets `Trunc(Mul(d, y), g)`.
//! Adjoints that are the same number everywhere, like the 1 that everything begins with, stay numbers as long as they can.
//!
//! An adjoint is small where the loss is a mean: of one over n positions, 1/n. Rounded to a `fix` before it is spread, the error would count n times, and
//! always in the same direction. So a product with a public factor keeps its fraction bits, as many as a later product
//! with a `fix` has head-room for, and what is derived is rounded at its end (decision 0007).
//!
//! What lies between the values that are differentiated by and the loss must be in the block of the `Grad`; all other values count as
//! constants, and so do bits and revealed values. A rule ([`Op::Custom`]) is copied to where it is needed.

mod adjoint;
mod flow;
mod rule;
mod rules;

use std::collections::{HashMap, HashSet};

use crate::diagnostics::{Code, Diagnostic};
use crate::ir::{Block, Builder, Inst, Kind, Op, Origin, Program, ValueId};
use adjoint::Sweep;

/// Expands all derivatives.
///
/// # Errors
/// One message for every `Grad` that has no meaning; the program is then of no use any more.
pub fn run(program: &mut Program) -> Result<(), Vec<Diagnostic>> {
    let Some(first) = program.body.insts.first() else { return Ok(()) };
    let origin = first.origin;
    let body = std::mem::take(&mut program.body);
    let taken = std::mem::replace(program, Program::new("", program.settings));
    let mut pass = Differentiate {
        builder: Builder::new(taken, origin),
        names: HashMap::new(),
        derived: HashSet::new(),
        errors: Vec::new(),
    };
    let mut body = pass.block(body);
    drop_rules(&mut body, &mut HashMap::new());
    *program = pass.builder.finish();
    program.body = body;
    if pass.errors.is_empty() { Ok(()) } else { Err(pass.errors) }
}

struct Differentiate {
    builder: Builder,
    /// What has taken the place of the results of `Grad`.
    names: HashMap<ValueId, ValueId>,
    /// Values that were made by differentiating.
    derived: HashSet<ValueId>,
    errors: Vec<Diagnostic>,
}

impl Differentiate {
    fn name(&self, value: &mut ValueId) {
        *value = self.names.get(value).copied().unwrap_or(*value);
    }

    fn block(&mut self, block: Block) -> Block {
        self.builder.reopen(block.params);
        for mut inst in block.insts {
            inst.args.iter_mut().for_each(|arg| self.name(arg));
            inst.regions = inst.regions.into_iter().map(|region| self.block(region)).collect();
            if inst.op != Op::Grad {
                self.builder.append(inst);
                continue;
            }
            let derivatives = self.expand(&inst).unwrap_or_else(|error| {
                self.errors.push(*error);
                inst.args[1..].to_vec() // of the right types, so that the other errors can be found
            });
            self.names.extend(inst.results.iter().copied().zip(derivatives));
        }
        let mut yields = block.yields;
        yields.iter_mut().for_each(|value| self.name(value));
        self.builder.leave(yields)
    }

    /// Appends the computation of the derivatives of `args[0]` by the other operands, and returns them.
    fn expand(&mut self, grad: &Inst) -> Result<Vec<ValueId>, Box<Diagnostic>> {
        let (loss, by) = (grad.args[0], &grad.args[1..]);
        for value in &grad.args {
            let (ty, scalar) = (self.builder.ty(*value), *value == loss);
            if ty.kind != Kind::Shared || scalar && !ty.shape.is_empty() {
                let error = Diagnostic::error(Code::G003, format!("there is no derivative of or by {ty}"));
                return Err(Box::new(error.at(grad.origin.user, "")));
            }
        }
        let before = std::mem::take(&mut self.builder.block().insts);
        let mut sweep = Sweep::new(&mut self.builder, &before, by);
        let derivatives = sweep.run(grad, &before, &self.derived);
        let after = std::mem::replace(&mut self.builder.block().insts, before);
        self.derived.extend(after.iter().flat_map(|inst| inst.results.iter().copied()));
        self.builder.block().insts.extend(after);
        derivatives
    }
}

/// Puts the values of rules in the place of their results.
fn drop_rules(block: &mut Block, names: &mut HashMap<ValueId, ValueId>) {
    for mut inst in std::mem::take(&mut block.insts) {
        rename(&mut inst.args, names);
        if let Op::Custom { values, .. } = inst.op {
            names.extend(inst.results.iter().copied().zip(inst.args.iter().copied().take(values)));
        } else {
            inst.regions.iter_mut().for_each(|region| drop_rules(region, names));
            block.insts.push(inst);
        }
    }
    rename(&mut block.yields, names);
}

fn rename(values: &mut [ValueId], names: &HashMap<ValueId, ValueId>) {
    for value in values {
        *value = names.get(value).copied().unwrap_or(*value);
    }
}

/// Where the instructions come from that a derivative needs: from the place of `grad` in the user's text, and inside the library from
/// where the function was computed.
fn origin(grad: &Inst, inst: &Inst) -> Origin {
    Origin { user: grad.origin.user, inner: inst.origin.inner }
}
