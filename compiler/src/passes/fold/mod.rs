//! Constant folding and algebraic identities, in one walk in program order.
//!
//! Runs behind differentiation: a value that equals another one is not the same value to a derivative.
//!
//! Values are known if they are constants, shared or not, or computed from such ([`evaluate`], with exact numbers). Known values
//! become constants where that is not larger than computing them; with some known operands an identity may apply ([`identity`]). Branches on
//! known conditions and loops without iterations are replaced by what they do. What nothing uses any more is left to the elimination of
//! dead code.

mod evaluate;
mod identity;
mod moves;

use std::collections::HashMap;

use num_rational::BigRational;
use num_traits::{One, Zero};

use crate::ir::infer::infer;
use crate::ir::{Block, Builder, Const, Inst, Kind, Op, Program, Type, ValueId};

/// Constants of so many elements may be made from smaller ones.
const LARGE: usize = 4096;

/// Folds the whole program.
pub fn run(program: &mut Program) {
    let Some(first) = program.body.insts.first() else { return };
    let origin = first.origin;
    let body = std::mem::take(&mut program.body);
    let taken = std::mem::replace(program, Program::new("", program.settings));
    let mut folder = Folder {
        builder: Builder::new(taken, origin),
        names: HashMap::new(),
        definitions: HashMap::new(),
        known: HashMap::new(),
    };
    let body = folder.block(body);
    *program = folder.builder.finish();
    program.body = body;
}

struct Folder {
    builder: Builder,
    /// What has taken a value's place.
    names: HashMap<ValueId, ValueId>,
    /// What computes a value, if that has one result and no regions.
    definitions: HashMap<ValueId, (Op, Vec<ValueId>)>,
    /// Values of shared elements are known as plain ones, of bits as integers.
    known: HashMap<ValueId, Const>,
}

impl Folder {
    fn block(&mut self, block: Block) -> Block {
        self.builder.reopen(block.params);
        self.insts(block.insts);
        let yields = self.renamed(&block.yields);
        self.builder.leave(yields)
    }

    fn renamed(&self, values: &[ValueId]) -> Vec<ValueId> {
        values.iter().map(|v| self.names.get(v).copied().unwrap_or(*v)).collect()
    }

    fn insts(&mut self, insts: Vec<Inst>) {
        for mut inst in insts {
            inst.args = self.renamed(&inst.args);
            self.builder.origin = inst.origin;
            match inst.op {
                Op::If => self.branch(inst),
                Op::For { trips: 0, .. } => self.names.extend(inst.results.into_iter().zip(inst.args)),
                Op::For { .. } | Op::Custom { .. } => {
                    inst.regions = inst.regions.into_iter().map(|region| self.block(region)).collect();
                    self.builder.append(inst);
                }
                _ => self.simple(inst),
            }
        }
    }

    fn branch(&mut self, mut inst: Inst) {
        let condition = self.splat(inst.args[0]).map(Zero::is_zero);
        match condition {
            Some(zero) => {
                // A region moves out as it is: nothing else is named like the values in it.
                let arm = inst.regions.swap_remove(usize::from(zero));
                self.insts(arm.insts);
                let values = self.renamed(&arm.yields);
                self.names.extend(inst.results.into_iter().zip(values));
            }
            None => {
                inst.regions = inst.regions.into_iter().map(|region| self.block(region)).collect();
                self.builder.append(inst);
            }
        }
    }

    fn simple(&mut self, inst: Inst) {
        let [result, others @ ..] = inst.results.as_slice() else { return self.builder.append(inst) };
        let ty = self.builder.ty(*result).clone();
        if let Some(value) = self.simplified(&inst.op, &inst.args, &ty) {
            self.names.insert(*result, value);
            if others.is_empty() {
                return;
            }
            // The other result may still be needed.
        } else if others.is_empty() {
            self.note(*result, &inst.op, &inst.args);
        }
        self.builder.append(inst);
    }

    /// Another value for the first result of an operation, of type `ty`.
    fn simplified(&mut self, op: &Op, args: &[ValueId], ty: &Type) -> Option<ValueId> {
        if op.has_effect() || op.is_random() || matches!(op, Op::Const(_) | Op::Promote | Op::PromoteBits) {
            return None;
        }
        let known: Option<Vec<&Const>> = args.iter().map(|arg| self.known.get(arg)).collect();
        if let Some(known) = known.filter(|known| !known.is_empty())
            && let Some(constant) =
                evaluate::evaluate(op, &known, &public(ty), self.builder.program.settings.ring)
        {
            return Some(self.constant(constant, ty.kind));
        }
        // With explicit forms, some identities would change the form.
        identity::apply(self, op, args, ty).filter(|value| self.ty(*value) == ty)
    }

    /// Remembers what computes a value.
    fn note(&mut self, value: ValueId, op: &Op, args: &[ValueId]) {
        let known = match (op, args) {
            (Op::Const(constant), _) => Some(evaluate::rounded(constant)),
            (Op::Promote | Op::PromoteBits, [arg]) => self.known.get(arg).cloned(),
            _ => None,
        };
        self.known.extend(known.map(|known| (value, known)));
        self.definitions.insert(value, (op.clone(), args.to_vec()));
    }

    /// Appends an operation of one result, or finds a value that makes it superfluous.
    fn make(&mut self, op: Op, args: &[ValueId]) -> ValueId {
        let types = infer(&self.builder.program, &op, args, &[]);
        if let Ok([ty]) = types.as_deref()
            && let Some(value) = self.simplified(&op, args, &ty.clone())
        {
            return value;
        }
        let value = self.builder.one(op.clone(), args);
        self.note(value, &op, args);
        value
    }

    /// Appends a constant, as a value of this kind.
    fn constant(&mut self, constant: Const, kind: Kind) -> ValueId {
        let public = self.make(Op::Const(constant), &[]);
        match kind {
            Kind::Shared => self.make(Op::Promote, &[public]),
            Kind::Bit => self.make(Op::PromoteBits, &[public]),
            _ => public,
        }
    }

    /// Zeros of this type.
    fn zeros(&mut self, ty: &Type) -> ValueId {
        self.constant(Const::splat(public(ty), BigRational::zero()), ty.kind)
    }

    /// The number that all elements of a known value are.
    fn splat(&self, value: ValueId) -> Option<&BigRational> {
        self.known.get(&value).and_then(Const::as_splat)
    }

    fn is_zero(&self, value: ValueId) -> bool {
        self.splat(value).is_some_and(Zero::is_zero)
    }

    fn is_one(&self, value: ValueId) -> bool {
        self.splat(value).is_some_and(One::is_one)
    }

    /// The operation that computes a value, and its operands.
    fn definition(&self, value: ValueId) -> Option<(&Op, &[ValueId])> {
        self.definitions.get(&value).map(|(op, args)| (op, args.as_slice()))
    }

    fn ty(&self, value: ValueId) -> &Type {
        self.builder.ty(value)
    }

    fn shape(&self, value: ValueId) -> &[usize] {
        &self.builder.ty(value).shape
    }
}

/// The type of a constant that stands for a value of this type.
fn public(ty: &Type) -> Type {
    let kind = match ty.kind {
        Kind::Shared | Kind::Additive | Kind::Plain => Kind::Plain,
        Kind::Bit | Kind::Half | Kind::Int => Kind::Int,
        Kind::Real => Kind::Real,
    };
    Type { kind, ..ty.clone() }
}
