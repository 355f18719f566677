//! Random programs as the parties run them: after all passes, with inputs and outputs of every party.

use std::time::Duration;

use tern_bytecode::Protocol;
use tern_bytecode::rings::RINGS;
use tern_compiler::ir::interpret::Setting;
use tern_compiler::ir::{self, Element, Op, Output, Place, Rounding};
use tern_compiler::passes;

use crate::losses::{Tail, random_loss};
use crate::random::{Flavour, generate, setting};

/// A random program of ten operations or more, after all passes, in a ring that has room for it, if any has: every third a loss with its gradients.
pub fn program(seed: u64, protocol: Protocol) -> Option<(ir::Program, Setting)> {
    let size = 10 + (seed % 40) as usize;
    let program =
        if seed.is_multiple_of(3) { gradient(seed, size) } else { generate(seed, size, Flavour::Any) };
    compiled(program, seed, protocol)
}

/// A random loss with its gradients, rounded up or down at random: results vary from one rounding to another by little, since what is compared is not close.
pub fn rounded(seed: u64, protocol: Protocol) -> Option<(ir::Program, Setting)> {
    let mut program = gradient(seed, 10 + (seed % 40) as usize);
    program.settings.rounding = Rounding::Probabilistic;
    compiled(program, seed, protocol)
}

/// The program after all passes.
fn compiled(mut program: ir::Program, seed: u64, protocol: Protocol) -> Option<(ir::Program, Setting)> {
    program.settings.protocol = protocol;
    let parties = protocol.model().owners;
    // Each party has something, and gets something.
    for (i, input) in program.inputs.iter_mut().enumerate() {
        input.from = Place::Party((i % parties) as u8);
    }
    for (i, output) in program.outputs.iter_mut().enumerate() {
        output.to = Place::Party((i % parties) as u8);
    }
    let setting = setting(&program, seed);
    let rings = &RINGS[(seed / 3 % 6) as usize..];
    let compiled = rings.iter().find_map(|&ring| {
        let mut program = program.clone();
        program.settings.ring = ring;
        let mut nobody = |_: &passes::Pass, _: &ir::Program, _: Duration| ();
        match passes::run(&mut program, &mut nobody) {
            // A product that is never rounded may be finer than the ring has bits.
            Ok(_) => program.values.iter().all(|value| value.ty.frac < ring).then_some(program),
            Err(passes::Failure::Messages(_)) => None,
            Err(broken @ passes::Failure::Broken { .. }) => panic!("seed {seed}: {broken}"),
        }
    });
    compiled.map(|program| (program, setting))
}

/// A random loss whose gradients are put out.
fn gradient(seed: u64, size: usize) -> ir::Program {
    let (mut program, loss, by) = random_loss(seed, size);
    let without = program.clone();
    let mut tail = Tail(&mut program);
    let gradients = tail.push(Op::Grad, &[&[loss], by.as_slice()].concat());
    for value in [&[loss], gradients.as_slice()].concat() {
        let index = tail.0.outputs.len() as u32;
        let to = Place::Party(0);
        tail.0.outputs.push(Output {
            name: format!("y{index}"),
            field: String::new(),
            to,
            element: Element::Fix,
        });
        tail.push(Op::Output(index), &[value]);
    }
    // A loss may not depend on what it is differentiated by, which is an error: then without gradients.
    if passes::differentiate::run(&mut program.clone()).is_ok() {
        program
    } else {
        with_output(without, loss)
    }
}

fn with_output(mut program: ir::Program, value: ir::ValueId) -> ir::Program {
    program.outputs.push(Output {
        name: "y".into(),
        field: String::new(),
        to: Place::Party(0),
        element: Element::Fix,
    });
    Tail(&mut program).push(Op::Output(0), &[value]);
    program
}

/// Whether a block has a loop.
pub fn has_loop(block: &ir::Block) -> bool {
    let inside = |inst: &ir::Inst| matches!(inst.op, Op::For { .. }) || inst.regions.iter().any(has_loop);
    block.insts.iter().any(inside)
}
