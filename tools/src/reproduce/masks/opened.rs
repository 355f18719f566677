//! What is opened when masks are reused: counted in the program that the compiler has made, instruction by instruction of the loop over batches, with the products that it enters,
//! through whatever linear maps.

use std::collections::HashMap;

use tern_compiler::diagnostics::SourceMap;
use tern_compiler::emit::widths::Widths;
use tern_compiler::ir::{self, Inst, Kind, Op, ValueId};

/// What values are opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Product {
    /// Nothing but truncations.
    Truncation,
    /// Comparisons and selections.
    Comparison,
    /// Products of elements.
    Elementwise,
    /// Matrix products and convolutions.
    Contraction,
}

/// A value that is opened, or that its owner has opened and a batch of which is taken.
pub(super) struct Opened {
    pub(super) elements: usize,
    /// How many bits of each are opened.
    pub(super) bits: u32,
    /// How many are used.
    pub(super) used: u32,
    pub(super) product: Product,
    pub(super) backward: bool,
    pub(super) by_owner: bool,
}

/// The values that are opened in the innermost loop.
pub(super) fn opened(ir: &ir::Program, sources: &SourceMap) -> Vec<Opened> {
    Steps::of(ir, sources).opened()
}

/// The instructions of the program, and who uses what.
struct Steps<'a> {
    ir: &'a ir::Program,
    sources: &'a SourceMap,
    widths: Widths<'a>,
    /// With the number of loops around each.
    insts: Vec<(&'a Inst, usize)>,
    users: HashMap<ValueId, Vec<usize>>,
    makers: HashMap<ValueId, usize>,
    /// What a loop hands on, inside and out.
    same: HashMap<ValueId, Vec<ValueId>>,
}

impl<'a> Steps<'a> {
    fn of(ir: &'a ir::Program, sources: &'a SourceMap) -> Self {
        let (insts, users, makers, same) = (Vec::new(), HashMap::new(), HashMap::new(), HashMap::new());
        let mut steps = Steps { ir, sources, widths: Widths::of(ir), insts, users, makers, same };
        steps.block(&ir.body, 0);
        steps
    }

    fn block(&mut self, block: &'a ir::Block, depth: usize) {
        for inst in &block.insts {
            let at = self.insts.len();
            self.insts.push((inst, depth));
            inst.args.iter().for_each(|arg| self.users.entry(*arg).or_default().push(at));
            self.makers.extend(inst.results.iter().map(|result| (*result, at)));
            for region in &inst.regions {
                self.block(region, depth + 1);
                let params = region.params.iter().skip(1);
                for ((param, value), (result, arg)) in
                    params.zip(&region.yields).zip(inst.results.iter().zip(&inst.args))
                {
                    self.same.entry(*value).or_default().extend([*param, *result]);
                    self.same.entry(*arg).or_default().push(*param);
                }
            }
        }
    }

    /// What is opened in the innermost loops of the training, and batches of what owners have opened.
    fn opened(&self) -> Vec<Opened> {
        let deepest = self.insts.iter().map(|(_, depth)| *depth).max().unwrap_or(0);
        let inside = self.insts.iter().filter(|(_, depth)| *depth == deepest);
        let taken = inside.filter_map(|(inst, _)| {
            let by_owner = inst.op == Op::Gather && self.ir.ty(inst.args[0]).kind == Kind::Shared;
            let result = *inst.results.first().filter(|_| by_owner || inst.op == Op::Reshare)?;
            let backward = self.sources.get(inst.origin.user.file).is_some_and(|file| {
                let range = file.line_range(file.line(inst.origin.user.start).saturating_sub(1));
                file.text[range.start as usize..range.end as usize].contains("grad(")
            });
            let (elements, product) = (self.ir.ty(result).len(), self.product(result));
            let (bits, used) = (self.bits(inst, result), self.widths.used(result));
            Some(Opened { elements, bits, used, product, backward, by_owner })
        });
        taken.collect()
    }

    /// How many bits of each element the parties tell each other.
    fn bits(&self, inst: &Inst, result: ValueId) -> u32 {
        let used = self.widths.used(result);
        let maker = self.makers.get(&inst.args[0]).map(|at| self.insts[*at].0);
        match maker {
            _ if inst.op == Op::Gather => 0,
            Some(Inst { op: Op::Trunc { bits }, args, .. }) if self.widths.is_opened(inst.args[0]) => {
                used.saturating_sub(self.widths.used(args[0]) - bits)
            }
            _ => used,
        }
    }

    /// The most that an opened value is used for, itself or through linear maps.
    fn product(&self, value: ValueId) -> Product {
        let (mut seen, mut open) = (vec![false; self.ir.values.len()], vec![value]);
        let mut most = Product::Truncation;
        while let Some(value) = open.pop() {
            if std::mem::replace(&mut seen[value.0 as usize], true) {
                continue;
            }
            open.extend(self.same.get(&value).into_iter().flatten());
            for at in self.users.get(&value).into_iter().flatten() {
                let inst = self.insts[*at].0;
                let multiplies = self.ir.multiplies_secrets(inst);
                let found = match inst.op {
                    Op::Contract(_) if multiplies => Product::Contraction,
                    Op::Mul if multiplies => Product::Elementwise,
                    Op::Sign { .. }
                    | Op::SignTested { .. }
                    | Op::Bits { .. }
                    | Op::Select { .. }
                    | Op::SelectAgain { .. } => Product::Comparison,
                    _ => Product::Truncation,
                };
                most = most.max(found);
                let linear = inst.results.iter().filter(|result| self.ir.ty(**result).kind == Kind::Shared);
                if found == Product::Truncation && inst.regions.is_empty() {
                    open.extend(linear);
                }
            }
        }
        most
    }
}
