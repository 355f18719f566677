//! What instructions of the intermediate representation will cost. The figures are the bytecode's ([`tern_bytecode::cost`]): an
//! instruction is priced as the one that it becomes.

use tern_bytecode::cost;
use tern_bytecode::instr::{Instr, Reg, Route};
use tern_bytecode::model::Forms;
use tern_bytecode::program::{self as bytecode, Buffer, Dim, Header, View};

use crate::ir::{Block, Inst, Kind, Op, Program, Settings, Type, ValueId};

/// Traffic and latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Bytes of payload, all parties together.
    pub bytes: u64,
    /// Rounds.
    pub rounds: u32,
}

/// The cost of one execution of an instruction without its regions. Before forms are explicit, products count as additive for what
/// truncates them, and nothing else is reshared.
pub fn of(program: &Program, inst: &Inst) -> Cost {
    let ty = |v: &ValueId| program.ty(*v);
    let secret = inst.args.iter().any(|a| ty(a).is_secret());
    if !secret && !matches!(inst.op, Op::Input(_)) {
        return Cost::default();
    }
    let operand = |i: usize| inst.args.get(i).map(ty).cloned().unwrap_or_else(|| Type::int([]));
    let result = inst.results.first().map(ty).cloned().unwrap_or_else(|| Type::int([]));
    of_operation(&program.settings, &inst.op, &operand(0), &result)
}

/// The cost of a truncation of so many elements.
pub fn truncation(settings: &Settings, elements: usize, bits: u32, additive: bool) -> Cost {
    let kind = if additive { Kind::Additive } else { Kind::Shared };
    let ty = |kind| Type::new(kind, 0, [elements]);
    of_operation(settings, &Op::Trunc { bits }, &ty(kind), &ty(Kind::Shared))
}

/// The cost of everything in a block: bytes with all iterations, rounds along the longest chain of operands, of a loop all its
/// iterations one after the other, of a branch the dearer arm.
pub fn block(program: &Program, block: &Block) -> Cost {
    let mut ready = vec![0u32; program.values.len()];
    walk(program, block, &mut ready)
}

fn walk(program: &Program, block: &Block, ready: &mut [u32]) -> Cost {
    let mut total = Cost::default();
    for inst in &block.insts {
        let mut own = of(program, inst);
        let start = match inst.op {
            Op::For { .. } | Op::If => total.rounds, // a boundary: nothing overlaps it
            _ => inst.args.iter().map(|a| ready[a.0 as usize]).max().unwrap_or(0),
        };
        let regions = inst.regions.iter().map(|r| walk(program, r, &mut vec![0; program.values.len()]));
        let dearest = regions.fold(Cost::default(), |a, b| Cost {
            bytes: a.bytes.max(b.bytes),
            rounds: a.rounds.max(b.rounds),
        });
        let trips = if let Op::For { trips, .. } = inst.op { trips } else { 1 };
        own.bytes += dearest.bytes * u64::from(trips);
        own.rounds += dearest.rounds * trips;
        for result in &inst.results {
            ready[result.0 as usize] = start + own.rounds;
        }
        total.bytes += own.bytes;
        total.rounds = total.rounds.max(start + own.rounds);
    }
    total
}

/// The price of an operation on its (first or, of selections, last) operand.
pub fn of_operation(settings: &Settings, op: &Op, operand: &Type, result: &Type) -> Cost {
    let (dst, a, b, route) = (Reg(0), Reg(1), Reg(2), Route(0));
    let instr = match *op {
        Op::Trunc { bits } => Instr::Truncate { dst, a, bits, route },
        Op::Sign { width } => {
            Instr::Sign { dst, a, width: if width == 0 { settings.total } else { width }, route }
        }
        Op::SignTested { low, high } => Instr::SignTested { dst, a, low, high, route },
        Op::Bits { low, high } => Instr::Bits { dst, a, low, high, route },
        Op::And => Instr::And { dst, a, b, route },
        Op::Word { compact: false } => Instr::Word { dst, a, route },
        Op::Word { compact: true } => Instr::Compose { dst, a, route },
        Op::Reshare => match settings.protocol.model().forms {
            Forms::Replicated => Instr::Reshare { dst, a, route },
            Forms::Opened => Instr::Open { dst, a, width: settings.ring, mask: 0 },
        },
        Op::Reveal => Instr::Reveal { dst, a, route },
        Op::RevealBits => Instr::RevealBits { dst, a, route },
        // the operand that counts is the value, of the result's shape
        Op::Select { .. } => Instr::Select { dst, keep: None, bit: b, a: dst, route },
        Op::SelectAgain { bits, .. } => {
            let a = if bits == 0 { dst } else { a };
            Instr::SelectAgain { dst, half: b, bit: b, a, bits, route }
        }
        _ => return Cost::default(),
    };
    let program = sample(settings, [result, operand, operand]);
    let traffic = cost::traffic(&program, &instr);
    Cost { bytes: cost::bytes(&traffic), rounds: traffic.len() as u32 }
}

/// A program with registers of these types.
fn sample(settings: &Settings, types: [&Type; 3]) -> bytecode::Program {
    let dims = |ty: &Type| ty.shape.iter().map(|n| Dim { size: *n as u32, stride: 0 }).collect();
    let view = |(i, ty): (usize, &&Type)| View { buffer: i as u32, offset: 0, dims: dims(ty) };
    let header = Header {
        name: String::new(),
        protocol: settings.protocol,
        ring: settings.ring,
        frac: settings.frac,
        total: settings.total,
        rounding: settings.rounding,
        args: Vec::new(),
    };
    bytecode::Program {
        buffers: types.iter().map(|ty| Buffer { kind: ty.kind, len: ty.len() as u64 }).collect(),
        views: types.iter().enumerate().map(view).collect(),
        ..bytecode::Program::empty(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Optimise, Protocol, Rounding};

    /// The table of the protocols: bits per element at 64 bits with 16 fraction bits.
    #[test]
    fn figures_are_those_of_the_protocols() {
        let settings = Settings {
            protocol: Protocol::Rep3,
            ring: 64,
            frac: 16,
            total: 32,
            rounding: Rounding::Probabilistic,
            optimise: Optimise::Balanced,
        };
        let bits = |op: Op, from: Kind, to: Kind| {
            let (from, to) = (Type::new(from, 0, [1024]), Type::new(to, 0, [1024]));
            of_operation(&settings, &op, &from, &to).bytes * 8 / 1024
        };
        use Kind::{Additive, Bit, Shared};
        assert_eq!(bits(Op::Trunc { bits: 16 }, Shared, Shared), 112);
        assert_eq!(bits(Op::Trunc { bits: 16 }, Additive, Shared), 240);
        assert_eq!(bits(Op::Reshare, Additive, Shared), 192);
        assert!(bits(Op::Sign { width: 32 }, Shared, Bit) <= 162);
        assert_eq!(bits(Op::Select { keep: true, additive: false }, Shared, Shared), 256);
        assert_eq!(bits(Op::Select { keep: false, additive: true }, Shared, Additive), 128);
        assert_eq!(bits(Op::SelectAgain { additive: false, bits: 0 }, Shared, Shared), 192);
        assert_eq!(bits(Op::Reveal, Shared, Kind::Plain), 192);
        assert_eq!(truncation(&settings, 1024, 16, true).rounds, 3);
    }
}
