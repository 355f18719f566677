//! What the program is trusted with is written down.
//!
//! Narrow comparisons and the head-room of truncations rest on the contract of `fix`. Behind every value of which the contract says more than could be
//! computed, this pass puts an [`Op::Assume`] that nothing uses; the emulator checks it.
//!
//! A difference may be compared on one line and be a number of the source on another; the promise belongs to the latter.

use std::collections::HashMap;

use num_bigint::BigInt;
use num_rational::BigRational;

use super::graph::Graph;
use super::interval::power;
use super::ranges::{Basis, Ranges};
use crate::ir::{Block, Inst, Op, Origin, Program, ValueId};

/// Writes assumptions down.
pub fn run(program: &mut Program) {
    let ranges = Ranges::of(program, &Graph::of(program), Basis::Contract);
    let mut body = std::mem::take(&mut program.body);
    let mut named = HashMap::new();
    name(&body, &mut named);
    write(program, &ranges, &named, &mut body);
    program.body = body;
}

/// Where values are used first for something else than comparing and choosing.
fn name(block: &Block, named: &mut HashMap<ValueId, Origin>) {
    for inst in &block.insts {
        if !matches!(
            inst.op,
            Op::Sign { .. } | Op::SignTested { .. } | Op::Select { .. } | Op::SelectAgain { .. }
        ) {
            inst.args.iter().for_each(|arg| {
                named.entry(*arg).or_insert(inst.origin);
            });
        }
        inst.regions.iter().for_each(|region| name(region, named));
    }
}

fn write(program: &mut Program, ranges: &Ranges, named: &HashMap<ValueId, Origin>, block: &mut Block) {
    for mut inst in std::mem::take(&mut block.insts) {
        for region in &mut inst.regions {
            write(program, ranges, named, region);
        }
        let trusted = inst.results.first().copied().filter(|r| ranges.is_assumed(*r));
        let promise = trusted.filter(|_| !matches!(inst.op, Op::Assume { .. })).map(|value| {
            let ty = program.ty(value).clone();
            let range = ranges.whole(program, value);
            let number = |raw: BigInt| BigRational::new(raw, power(ty.frac));
            let elsewhere = named.get(&value).filter(|_| inst.op == Op::Sub);
            Inst {
                op: Op::Assume { low: number(range.low), high: number(range.high) },
                args: vec![value],
                results: vec![program.value(ty)],
                regions: Vec::new(),
                origin: *elsewhere.unwrap_or(&inst.origin),
            }
        });
        block.insts.push(inst);
        block.insts.extend(promise);
    }
}
