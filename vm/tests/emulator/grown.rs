//! Random programs that are valid: instructions of the whole table, kept where the validator agrees.

use tern_bytecode::instr::OperandValue;
use tern_bytecode::program::{Buffer, Line, Protocol, RangeCheck};
use tern_bytecode::rings::RINGS;
use tern_bytecode::{Instr, Kind, Program, View, cost, validate};

use crate::common::{dense, empty, input, instruction, number, output, push, view};

/// A sequence of pseudo-random numbers (SplitMix64).
pub fn numbers(mut state: u64) -> impl Iterator<Item = u64> {
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    })
}

/// A valid program out of numbers.
pub fn program(numbers: &mut dyn Iterator<Item = u64>) -> Program {
    let mut p = empty();
    p.header.ring = RINGS[number(numbers) as usize % RINGS.len()];
    // only a protocol with a dealer opens values under masks
    p.header.protocol = [Protocol::Rep3, Protocol::Rep3, Protocol::Dealer][number(numbers) as usize % 3];
    registers(&mut p, numbers);
    let shape = |which: u64| p.views[which as usize % p.views.len()].shape();
    let (given, taken) = (shape(number(numbers)), shape(number(numbers)));
    p.inputs.push(input(&given));
    p.outputs.push(output(&taken));
    let mut open = 0; // loops and branches
    for _ in 0..600 {
        let instr = draw(&p, numbers);
        let before = p.code.len();
        append(&mut p, instr);
        match instr {
            Instr::Loop { trips, .. } if trips > 3 => cut(&mut p, before),
            Instr::Loop { .. } | Instr::If { .. } if holds(&p, open + 1) => open += 1,
            Instr::End {} if open > 0 && holds(&p, open - 1) => open -= 1,
            _ if !holds(&p, open) => cut(&mut p, before),
            _ => {}
        }
    }
    (0..open).for_each(|_| push(&mut p, Instr::End {}));
    for at in 0..p.code.len() as u32 {
        if number(numbers).is_multiple_of(4) {
            let line = Line { file: 0, line: 1 };
            p.ranges.push(RangeCheck { at, frac: 16, low: -1.0, high: 1.0, line, inner: line });
        }
    }
    p
}

/// Registers of every kind in a few shapes, some of them strided, repeated, or apart in one buffer.
fn registers(p: &mut Program, numbers: &mut dyn Iterator<Item = u64>) {
    let shapes: [&[u32]; 5] = [&[3, 4], &[4], &[], &[2, 3, 4], &[4, 0]];
    for _ in 0..9 {
        for (kind, _) in Kind::ALL {
            let shape = shapes[[0, 0, 0, 1, 1, 2, 3, 4][number(numbers) as usize % 8]];
            p.buffers.push(Buffer { kind, len: 256 });
            let buffer = p.buffers.len() as u32 - 1;
            let mut dims = dense(shape);
            match number(numbers) % 6 {
                0 if dims.len() > 1 => dims.iter_mut().for_each(|dim| dim.stride *= 2),
                1 if dims.len() == 3 => dims[0].stride = 64,
                2 => dims.iter_mut().for_each(|dim| dim.stride = 0),
                _ => {}
            }
            // sometimes on an earlier buffer of its kind, in the same place or in another
            let own = p.views.iter().map(|v| v.buffer).rfind(|b| p.buffers[*b as usize].kind == kind);
            let shared = own.filter(|_| number(numbers).is_multiple_of(3));
            view(p, shared.unwrap_or(buffer), 64 * (number(numbers) % 2), dims);
        }
    }
}

/// An instruction whose registers have kinds that it takes, and mostly one shape.
fn draw(p: &Program, numbers: &mut dyn Iterator<Item = u64>) -> Instr {
    let which = number(numbers) as usize;
    let mut shape = None;
    let mut chosen = Vec::new();
    let drawn = instruction(which, &mut std::iter::repeat(0));
    let (bits, mut places) = (matches!(drawn, Instr::Bits { .. }), 0);
    for operand in drawn.operands() {
        match operand.value {
            OperandValue::Reg(_, _, kinds) => {
                if operand.name == "keep" {
                    chosen.push(0); // it is there
                }
                let fits = |view: &View| kinds.contains(&p.buffers[view.buffer as usize].kind);
                let alike = |view: &View| shape.as_ref().is_none_or(|shape| view.shape() == *shape);
                let strict = !number(numbers).is_multiple_of(8);
                let all = || (0..p.views.len()).filter(|i| fits(&p.views[*i]));
                let same: Vec<usize> = all().filter(|i| alike(&p.views[*i])).collect();
                let any = if strict && !same.is_empty() { same } else { all().collect() };
                let register = any[number(numbers) as usize % any.len()];
                shape.get_or_insert_with(|| p.views[register].shape());
                chosen.push(register as u64);
                if bits && operand.name == "dst" {
                    // the operand has all axes but that of the places
                    shape = shape.map(|shape| shape.iter().skip(1).copied().collect());
                    places = p.views[register].shape().first().map_or(0, |n| u64::from(*n));
                }
            }
            OperandValue::Imm(_) if bits && operand.name == "low" => chosen.push(number(numbers) % 8),
            OperandValue::Imm(_) if bits && operand.name == "high" => {
                chosen.extend(chosen.last().map(|low| low + places));
            }
            OperandValue::Imm(_) if operand.name == "axes" => chosen.extend(numbers.take(4)),
            OperandValue::Route(_) | OperandValue::Imm(_) => chosen.push(number(numbers)),
        }
    }
    instruction(which, &mut chosen.into_iter())
}

/// Appends an instruction with its rounds.
fn append(p: &mut Program, instr: Instr) {
    push(p, instr);
    for _ in 0..cost::rounds(p, &instr) {
        push(p, Instr::Send {});
        push(p, Instr::Receive {});
    }
}

fn cut(p: &mut Program, len: usize) {
    p.code.truncate(len);
    p.lines.truncate(len);
}

/// Whether the program is valid once `open` blocks are closed.
fn holds(p: &Program, open: usize) -> bool {
    let mut closed = p.clone();
    (0..open).for_each(|_| push(&mut closed, Instr::End {}));
    validate(&closed).is_ok()
}
