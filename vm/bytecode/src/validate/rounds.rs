//! Rule 7: the schedule's rounds are consistent.
//!
//! An operation of r rounds that is issued before the t-th `send` of its block takes part in rounds t … t+r-1; its result is there after
//! the last of those `receive`s. The check walks the code once and keeps what is in flight.

use super::{Fault, Nesting, overlap, view};
use crate::cost;
use crate::instr::{Instr, Reg, Role};
use crate::program::Program;

struct Flight {
    at: u32,
    left: u32,
    registers: Vec<(Reg, Role)>,
}

pub(super) fn check(program: &Program, _nesting: &Nesting) -> Result<(), Fault> {
    let mut flights: Vec<Flight> = Vec::new();
    let mut sent = false;
    for (at, instr) in program.code.iter().enumerate() {
        let at = at as u32;
        let fault = |message: String| Err(Fault { at: Some(at), message });
        match instr {
            Instr::Loop { .. }
            | Instr::If { .. }
            | Instr::Else {}
            | Instr::End {}
            | Instr::BreakIf { .. } => {
                if let Some(flight) = flights.first() {
                    return fault(format!(
                        "instruction {} is still in flight at the end of a block",
                        flight.at
                    ));
                }
                if sent {
                    return fault("a block ends between send and receive".into());
                }
            }
            Instr::Send {} if sent => return fault("two sends without a receive".into()),
            Instr::Send {} => sent = true,
            Instr::Receive {} if !sent => return fault("a receive without its send".into()),
            Instr::Receive {} => {
                sent = false;
                for flight in &mut flights {
                    flight.left -= 1;
                }
                flights.retain(|f| f.left > 0);
            }
            _ => {
                let rounds = cost::rounds(program, instr);
                if rounds > 0 && sent {
                    return fault(format!("{} is issued between send and receive", instr.name()));
                }
                let registers: Vec<(Reg, Role)> = instr.registers().collect();
                if let Some(flight) = conflict(program, &flights, &registers)? {
                    return fault(format!(
                        "{} uses a register of instruction {flight}, which is in flight",
                        instr.name()
                    ));
                }
                if rounds > 0 {
                    flights.push(Flight { at, left: rounds, registers });
                }
            }
        }
    }
    match (flights.first(), sent) {
        (Some(flight), _) => {
            Err(Fault { at: Some(flight.at), message: "still in flight at the end of the program".into() })
        }
        (None, true) => Err(Fault::new("the program ends between send and receive")),
        (None, false) => Ok(()),
    }
}

/// The instruction in flight, if any, with which `registers` conflict: one of the two writes what the other touches.
fn conflict(program: &Program, flights: &[Flight], registers: &[(Reg, Role)]) -> Result<Option<u32>, Fault> {
    for flight in flights {
        for &(theirs, their_role) in &flight.registers {
            for &(ours, our_role) in registers {
                let both_read = their_role == Role::Read && our_role == Role::Read;
                if !both_read && overlap(view(program, theirs)?, view(program, ours)?) {
                    return Ok(Some(flight.at));
                }
            }
        }
    }
    Ok(None)
}
