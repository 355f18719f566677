//! What those give and get who run none of the servers: files of shares, outside all rounds.
//!
//! Whoever shares a value draws all summands but one from keys ([`GIVEN`]); a server gets the keys, and that one if it has it. A result comes from
//! every server with all its summands. What is counted are the numbers; what a file says of itself takes some hundred bytes more.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::instr::Instr;
use crate::model::GIVEN;
use crate::program::{Place, Program};
use crate::rings::limbs;

/// What a client sends and receives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClientCost {
    /// Its name.
    pub client: String,
    /// Bits of numbers that it sends to each party.
    pub sends: Vec<u64>,
    /// Bits of numbers that it receives from each.
    pub receives: Vec<u64>,
}

/// The clients of a program, by name. `written` are the outputs with how often each is written.
pub(crate) fn clients(program: &Program, written: &[(usize, u64)]) -> Vec<ClientCost> {
    let model = program.header.protocol.model();
    let mut all: BTreeMap<&str, ClientCost> = BTreeMap::new();
    let mut add = |place: Place, shape: &[u32], times: u64, received: bool| {
        let Some(name) = program.client(place) else { return };
        let none = || vec![0u64; model.parties];
        let empty = || ClientCost { client: name.to_string(), sends: none(), receives: none() };
        let cost = all.entry(name).or_insert_with(empty);
        let elements = shape.iter().fold(times, |n, size| n.saturating_mul(u64::from(*size)));
        let bits = elements.saturating_mul(64 * u64::from(limbs(program.header.ring))); // as in files
        for party in 0..model.parties {
            let filed = (model.filed)(party);
            let (sum, summands) = match received {
                true => (&mut cost.receives[party], filed.len()),
                false => (&mut cost.sends[party], usize::from(filed.contains(&GIVEN))),
            };
            *sum = sum.saturating_add(bits.saturating_mul(summands as u64));
        }
    };
    program.inputs.iter().for_each(|input| add(input.from, &input.shape, 1, false));
    for (at, times) in written {
        if let Instr::Output { output, .. } = program.code[*at] {
            let output = &program.outputs[output as usize];
            add(output.to, &output.shape, *times, true);
        }
    }
    all.into_values().collect()
}
