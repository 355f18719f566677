//! Random programs, most of which are invalid in one place or a few.

use tern_bytecode::program::{Buffer, Line, RangeCheck};
use tern_bytecode::{Kind, Program, View};

use crate::common::{Draw, dense, empty, input, instruction, number, output, push, view};

/// A program out of numbers: mostly sensible tables, instructions at random.
pub fn random(numbers: &mut dyn Iterator<Item = u64>) -> Program {
    let mut p = empty();
    let small = |numbers: &mut dyn Iterator<Item = u64>| number(numbers) % 5;
    for _ in 0..6 + small(numbers) {
        let kind = Kind::draw(numbers);
        let len = 64 * (1 + number(numbers) % 2) - if kind == Kind::Bit { 0 } else { number(numbers) % 60 };
        p.buffers.push(Buffer { kind, len });
    }
    for _ in 0..12 + 3 * small(numbers) {
        let buffer = number(numbers) as u32 % p.buffers.len() as u32;
        let shape: Vec<u32> = (0..number(numbers) % 3).map(|_| number(numbers) as u32 % 5).collect();
        let mut dims = dense(&shape);
        for dim in &mut dims {
            match number(numbers) % 8 {
                0 => dim.stride = 0,
                1 => dim.stride = -dim.stride,
                _ => {}
            }
        }
        view(&mut p, buffer, number(numbers) % 8, dims);
    }
    let shape = |view: &View| view.shape();
    p.inputs.push(input(&shape(&p.views[0])));
    p.outputs.push(output(&shape(&p.views[1])));
    for _ in 0..2 * small(numbers) {
        let which = number(numbers) as usize;
        let instr = instruction(which, numbers);
        push(&mut p, instr);
    }
    if !p.code.is_empty() && small(numbers) == 0 {
        p.ranges.push(RangeCheck {
            at: number(numbers) as u32 % 4,
            frac: 16,
            low: -1.0,
            high: 1.0,
            line: Line { file: 0, line: 1 },
            inner: Line { file: 0, line: 2 },
        });
    }
    p
}
