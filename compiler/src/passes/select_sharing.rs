//! Selections by one bit share what the first of them sends.
//!
//! In a selection the corner shares its half of the bit; a later selection by the same bit, say the derivative of a rectifier, needs
//! only that. The first selection of a block keeps its half, the others become [`Op::SelectAgain`].

use std::collections::HashMap;

use crate::ir::{Block, Inst, Kind, Op, Program, Type, ValueId};

/// Shares halves within every block.
pub fn run(program: &mut Program) {
    let mut body = std::mem::take(&mut program.body);
    share(program, &mut body);
    program.body = body;
}

fn share(program: &mut Program, block: &mut Block) {
    let mut times: HashMap<ValueId, u32> = HashMap::new();
    for inst in &block.insts {
        if let Op::Select { keep: false, .. } = inst.op {
            *times.entry(inst.args[0]).or_default() += 1;
        }
    }
    let mut halves: HashMap<ValueId, ValueId> = HashMap::new();
    for inst in &mut block.insts {
        for region in &mut inst.regions {
            share(program, region);
        }
        if let Op::Select { keep: false, additive } = inst.op
            && times[&inst.args[0]] > 1
        {
            match halves.get(&inst.args[0]) {
                Some(half) => again(inst, *half, additive),
                None => {
                    let half = keep(program, inst, additive);
                    halves.insert(inst.args[0], half);
                }
            }
        }
    }
}

/// The first selection: its half gets a name.
fn keep(program: &mut Program, inst: &mut Inst, additive: bool) -> ValueId {
    let shape = program.ty(inst.args[0]).shape.clone();
    let half = program.value(Type::new(Kind::Half, 0, shape));
    inst.op = Op::Select { keep: true, additive };
    inst.results.push(half);
    half
}

fn again(inst: &mut Inst, half: ValueId, additive: bool) {
    inst.op = Op::SelectAgain { additive, bits: 0 };
    inst.args.insert(0, half);
}
