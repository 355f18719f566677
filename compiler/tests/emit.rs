//! Emission: every operation, loops and branches, against the validator; listings of small programs.

#[path = "emit/programs.rs"]
mod programs;

use programs::{MATRIX, Sketch, dense_training};
use tern_bytecode::instr::{Comparison, IntBinary, RealBinary, RealUnary};
use tern_compiler::ir::Op;

#[test]
fn every_operation_has_instructions() {
    let mut s = Sketch::new();
    let x = s.input(&[4, 6]);
    let w = s.input(&[6, 3]);
    s.public_numbers();
    let product = s.one(Op::Contract(MATRIX), &[x, w]);
    let y = s.one(Op::Trunc { bits: 16 }, &[product]);
    let public = s.plain(16, &[3, 4], 2);
    let mixed = s.one(Op::Contract(MATRIX), &[public, y]);
    let mixed = s.one(Op::Trunc { bits: 16 }, &[mixed]);
    s.output(mixed);
    s.ring_arithmetic(x);
    s.bit_arithmetic(x);
    s.movements(x);
    s.emit();
}

#[test]
fn loops_and_branches() {
    let mut s = Sketch::new();
    let x = s.input(&[8]);
    let y = s.input(&[8]);
    let zero = s.int(&[], 0);
    let results = s.repeat(3, &[x, y, zero], |s, counter, carried| {
        let sum = s.one(Op::Add, &[carried[0], carried[1]]);
        let limit = s.int(&[], 1);
        let first = s.one(Op::Compare(Comparison::Lt), &[counter, limit]);
        let chosen = s.branch(first, |s| vec![s.one(Op::Neg, &[sum])], |_| vec![carried[0]]);
        let one = s.int(&[], 1);
        let count = s.one(Op::IntBinary(IntBinary::Add), &[carried[2], one]);
        vec![carried[1], chosen[0], count]
    });
    s.output(results[0]);
    s.output(results[1]);
    s.metric(results[2]);
    s.emit();
}

#[test]
fn the_bytecode_of_a_loop_does_not_depend_on_its_trips() {
    let size = |epochs, batches| tern_bytecode::encode(&dense_training(epochs, batches).emit()).len();
    assert!(size(1, 1).abs_diff(size(15, 469)) < 64);
    assert!(size(15, 469) < 64 * 1024, "{}", size(15, 469));
}

#[test]
fn empty_tensors_take_no_instructions() {
    let mut s = Sketch::new();
    let x = s.input(&[0, 3]);
    let sign = s.one(Op::Sign { width: 32 }, &[x]);
    let kept = s.one(Op::Select { keep: false, additive: false }, &[sign, x]);
    let padded = s.one(Op::Pad { low: vec![0, 1], high: vec![0, 0], interior: vec![0, 0] }, &[kept]);
    let sum = s.one(Op::Sum { axes: 2 }, &[padded]);
    let all = s.one(Op::Reshape(vec![5, 0]), &[padded]);
    s.output(sum);
    s.output(all);
    let program = s.emit();
    let names: Vec<&str> = program.code.iter().map(|i| i.name()).collect();
    assert!(!names.contains(&"sign") && !names.contains(&"select"), "{names:?}");
}

#[test]
fn unary_operations_of_reals() {
    let mut s = Sketch::new();
    let u = s.one(Op::PublicUniform(vec![5]), &[]);
    let mut total = u;
    for &(op, _) in RealUnary::ALL {
        let y = s.one(Op::RealUnary(op), &[u]);
        total = s.one(Op::RealBinary(RealBinary::Add), &[total, y]);
    }
    s.metric(total);
    let program = s.emit();
    assert_eq!(program.code.iter().filter(|i| i.name() == "real_unary").count(), RealUnary::ALL.len());
}
