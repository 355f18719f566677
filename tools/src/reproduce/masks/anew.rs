//! What is opened when masks are not reused: of the same program, as it stands after differentiation, every product of secrets opens its operands for itself.
//!
//! - *No reuse*: both operands of every product with all their elements, convolutions as matrix products of patches.
//! - *Specialised*: what a triple for this kind of product takes: the image rather than its patches, of a pooling's gradient the small tensor, of a square its operand once. Still
//!   every product for itself.

use std::collections::HashMap;

use tern_compiler::ir::{Block, Inst, Op, Program, ValueId};

use super::LAYERS;
use super::opened::Product;

/// Values opened for the products of a layer: forward and backward.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Anew {
    pub(super) naive: [usize; 2],
    pub(super) specialised: [usize; 2],
}

/// By layer. The forward pass ends with the first product whose result has the classes.
pub(super) fn count(ir: &Program, classes: usize) -> Vec<Anew> {
    let mut steps = Steps { ir, made: HashMap::new() };
    let mut counts = vec![Anew::default(); LAYERS.len()];
    let mut backward = 0;
    for inst in steps.innermost(&ir.body) {
        inst.results.iter().for_each(|result| {
            steps.made.insert(*result, inst);
        });
        if !ir.multiplies_secrets(inst) {
            continue;
        }
        if let Some(layer) = steps.layer(inst) {
            let own = inst.args.iter().map(|arg| ir.ty(*arg).len());
            counts[layer].naive[backward] += own.sum::<usize>();
            let square = inst.args[0] == inst.args[1];
            let small = inst.args.iter().take(if square { 1 } else { 2 }).map(|arg| steps.smallest(*arg));
            counts[layer].specialised[backward] += small.sum::<usize>();
        }
        if ir.ty(inst.results[0]).shape.last() == Some(&classes) && matches!(inst.op, Op::Contract(_)) {
            backward = 1;
        }
    }
    counts
}

struct Steps<'a> {
    ir: &'a Program,
    made: HashMap<ValueId, &'a Inst>,
}

impl<'a> Steps<'a> {
    /// The instructions of the innermost loop that comes first.
    fn innermost(&self, block: &'a Block) -> Vec<&'a Inst> {
        let within = block.insts.iter().flat_map(|inst| &inst.regions);
        let deepest = within.map(|region| self.innermost(region)).find(|insts| !insts.is_empty());
        deepest.unwrap_or_else(|| block.insts.iter().collect())
    }

    /// The layer that a product is of: that with weights of an operand's or the result's size, or activations of that size.
    fn layer(&self, inst: &Inst) -> Option<usize> {
        let kind = match inst.op {
            Op::Mul => Product::Elementwise,
            _ => Product::Contraction,
        };
        let sizes: Vec<usize> =
            inst.args.iter().chain(&inst.results).map(|value| self.ir.ty(*value).len()).collect();
        LAYERS.iter().position(|layer| {
            let size = if kind == Product::Elementwise { layer.forward } else { layer.weights };
            layer.product == kind && sizes.contains(&size)
        })
    }

    /// The fewest elements that a value comes from by moving and repeating them.
    fn smallest(&self, mut value: ValueId) -> usize {
        let mut least = self.ir.ty(value).len();
        while let Some(inst) = self.made.get(&value).filter(|inst| moves(&inst.op)) {
            value = inst.args[0];
            least = least.min(self.ir.ty(value).len());
        }
        least
    }
}

/// Whether all elements of the result are elements of the one operand, or 0, or these times the same public number.
fn moves(op: &Op) -> bool {
    matches!(
        op,
        Op::Reshape(_)
            | Op::Permute(_)
            | Op::Pad { .. }
            | Op::Reverse { .. }
            | Op::Broadcast(_)
            | Op::Windows { .. }
            | Op::Neg
            | Op::Raise { .. }
            | Op::Rescale { .. }
    )
}
