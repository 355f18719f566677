//! Rule 10: values have the forms that the protocol computes with ([`Forms`]), and a mask is one instruction's.
//!
//! Two values under one mask tell their difference to whoever has seen both opened. A mask is drawn at its number and the counters of the loops around
//! the instruction that names it, so an instruction opens each value of a loop under another mask; what remains to be seen to is that
//! no other instruction has its number.

use std::collections::HashMap;

use super::{Fault, kind};
use crate::instr::{Instr, Reg};
use crate::model::Forms;
use crate::program::{Kind, Program, Rounding};

pub(super) fn check(program: &Program) -> Result<(), Fault> {
    let forms = program.header.protocol.model().forms;
    let mut masks: HashMap<u32, usize> = HashMap::new();
    for (at, instr) in program.code.iter().enumerate() {
        let fault = |message: String| Err(Fault { at: Some(at as u32), message });
        if let Some(message) = misfit(program, forms, instr)? {
            return fault(message);
        }
        if let Some(mask) = instr.mask()
            && let Some(first) = masks.insert(mask, at)
        {
            return fault(format!(
                "{}: mask {mask} is that of instruction {first}; two values under one mask tell their difference",
                instr.name()
            ));
        }
    }
    Ok(())
}

/// Whether selections divide on the way: by the protocol, which rounds at random then.
fn divides(program: &Program) -> bool {
    program.header.protocol.model().divides && program.header.rounding == Rounding::Probabilistic
}

/// What an instruction has that the protocol does not compute with.
fn misfit(program: &Program, forms: Forms, instr: &Instr) -> Result<Option<String>, Fault> {
    let (replicated, opened) = (forms == Forms::Replicated, forms == Forms::Opened);
    let wanted = |reg: Reg, wanted: Kind, role: &str| -> Result<Option<String>, Fault> {
        let found = kind(program, reg)?;
        let name = instr.name();
        let message = || {
            let protocol = program.header.protocol.name();
            format!("{name}: with {protocol} {role} is {}, not {}", wanted.name(), found.name())
        };
        Ok((found != wanted).then(message))
    };
    match *instr {
        Instr::Reshare { .. } if opened => Ok(Some(format!("{} instead of open", instr.name()))),
        Instr::Open { .. } if replicated => Ok(Some(format!("{} instead of reshare", instr.name()))),
        Instr::Truncate { .. } if opened => Ok(Some(format!("{} instead of truncate_opened", instr.name()))),
        Instr::TruncateOpened { .. } if replicated => {
            Ok(Some(format!("{} instead of truncate", instr.name())))
        }
        // the carry that rounds to the nearest has no mask that the dealer knows
        Instr::TruncateOpened { dst, .. } if program.header.rounding == Rounding::Nearest => {
            wanted(dst, Kind::Additive, "its result, rounded to the nearest,")
        }
        Instr::SignTested { .. } if program.header.protocol.model().tested == 0 => {
            Ok(Some(format!("{} instead of sign", instr.name())))
        }
        Instr::SignTested { low: 1.., .. } if program.header.rounding == Rounding::Nearest => Ok(Some(
            format!("{}: positions are left out where results are rounded to the nearest", instr.name()),
        )),
        Instr::SelectAgain { bits: 1.., .. } if !divides(program) => {
            Ok(Some(format!("{} of a quotient instead of truncate and {0}", instr.name())))
        }
        Instr::SelectAgain { a, bits: 0, .. } if kind(program, a)? != Kind::Shared => {
            wanted(a, Kind::Shared, "its undivided operand")
        }
        Instr::Word { dst, .. }
        | Instr::Compose { dst, .. }
        | Instr::Select { dst, .. }
        | Instr::SelectAgain { dst, .. }
            if opened =>
        {
            wanted(dst, Kind::Additive, "its result")
        }
        Instr::Truncate { dst, .. } | Instr::Word { dst, .. } | Instr::Compose { dst, .. } if replicated => {
            wanted(dst, Kind::Shared, "its result")
        }
        Instr::Output { a, .. } | Instr::Reveal { a, .. } if replicated => {
            wanted(a, Kind::Shared, "its operand")
        }
        _ => Ok(None),
    }
}
