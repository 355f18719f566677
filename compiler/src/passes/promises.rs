//! What the program is trusted with is written down.
//!
//! Narrow comparisons and the head-room of truncations rest on the contract of `fix`. Behind every value of which the contract says more than could be
//! computed, this pass puts an [`Op::Assume`] that nothing uses; the emulator's range mode checks it.

use num_bigint::BigInt;
use num_rational::BigRational;

use super::graph::Graph;
use super::interval::power;
use super::ranges::{Basis, Ranges};
use crate::ir::{Block, Inst, Op, Program};

/// Writes assumptions down.
pub fn run(program: &mut Program) {
    let ranges = Ranges::of(program, &Graph::of(program), Basis::Contract);
    let mut body = std::mem::take(&mut program.body);
    write(program, &ranges, &mut body);
    program.body = body;
}

fn write(program: &mut Program, ranges: &Ranges, block: &mut Block) {
    for mut inst in std::mem::take(&mut block.insts) {
        for region in &mut inst.regions {
            write(program, ranges, region);
        }
        let trusted = inst.results.first().copied().filter(|r| ranges.is_assumed(*r));
        let promise = trusted.filter(|_| !matches!(inst.op, Op::Assume { .. })).map(|value| {
            let ty = program.ty(value).clone();
            let range = ranges.whole(program, value);
            let number = |raw: BigInt| BigRational::new(raw, power(ty.frac));
            Inst {
                op: Op::Assume { low: number(range.low), high: number(range.high) },
                args: vec![value],
                results: vec![program.value(ty)],
                regions: Vec::new(),
                origin: inst.origin,
            }
        });
        block.insts.push(inst);
        block.insts.extend(promise);
    }
}
