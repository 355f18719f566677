//! The declarations of a program, as the bytecode has them.

use tern_bytecode::Program;
use tern_bytecode::program::{Header, Input, Output};

use crate::ir::{self, Inst, Op};

/// A program without code.
pub fn program(ir: &ir::Program) -> Program {
    let settings = &ir.settings;
    let header = Header {
        name: ir.name.clone(),
        protocol: settings.protocol,
        ring: settings.ring,
        frac: settings.frac,
        total: settings.total,
        rounding: settings.rounding,
        args: ir.args.clone(),
    };
    Program {
        inputs: ir.inputs.iter().map(input).collect(),
        outputs: outputs(ir),
        names: ir.names.clone(),
        ..Program::empty(header)
    }
}

fn input(input: &ir::Input) -> Input {
    Input {
        name: input.name.clone(),
        field: input.field.clone(),
        from: input.from,
        element: input.element,
        shape: sizes(&input.shape),
        frac: input.frac,
        prepare: input.prepare.clone(),
    }
}

/// Shape and scale of an output are those of the value that is written to it.
fn outputs(ir: &ir::Program) -> Vec<Output> {
    let declared = |o: &ir::Output| Output {
        name: o.name.clone(),
        field: o.field.clone(),
        to: o.to,
        element: o.element,
        shape: Vec::new(),
        frac: 0,
    };
    let mut outputs: Vec<Output> = ir.outputs.iter().map(declared).collect();
    visit(&ir.body, &mut |inst| {
        if let (Op::Output(index), [value, ..]) = (&inst.op, inst.args.as_slice())
            && let Some(output) = outputs.get_mut(*index as usize)
        {
            output.shape = sizes(&ir.ty(*value).shape);
            output.frac = ir.ty(*value).frac;
        }
    });
    outputs
}

fn visit(block: &ir::Block, f: &mut impl FnMut(&Inst)) {
    for inst in &block.insts {
        f(inst);
        inst.regions.iter().for_each(|region| visit(region, f));
    }
}

fn sizes(shape: &[usize]) -> Vec<u32> {
    shape.iter().map(|&n| n as u32).collect()
}
