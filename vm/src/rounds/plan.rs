//! What every round moves, known before it begins: the schedule's rounds stand in the bytecode, and the cost of each instruction is fixed. So a round
//! can be announced to the links, and its first messages can leave, while later operations of the same round have not been issued.

use tern_bytecode::cost::{self, Links};
use tern_bytecode::{Instr, Program};

use crate::net::{Party, Peers};

/// The rounds of a program as one party sees them.
pub(crate) struct Plan {
    /// For every instruction, the `send` that ends the sending half of the round of what is issued there.
    next: Vec<usize>,
    /// For every `send`, what goes to each party in its round, and what comes.
    rounds: Vec<Round>,
    /// A round in which nothing moves.
    empty: Round,
}

/// Bytes by party.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) sent: Peers<usize>,
    pub(crate) received: Peers<usize>,
}

impl Plan {
    /// The plan of a program that is valid: an operation in flight does not leave its block, so the `send` that follows in the code is the next in time.
    pub(crate) fn new(program: &Program, me: Party, parties: usize) -> Self {
        let mut flights: Vec<std::vec::IntoIter<Links>> = Vec::new();
        let (mut next, mut rounds) = (Vec::new(), Vec::new());
        for instr in &program.code {
            next.push(rounds.len());
            match instr {
                Instr::Send {} => {
                    let mut total = Links::default();
                    flights.iter_mut().filter_map(Iterator::next).for_each(|l| cost::add(&mut total, &l, 1));
                    flights.retain(|flight| flight.len() > 0);
                    rounds.push(Round::of(me, parties, &total));
                }
                _ => flights.extend(Some(cost::traffic(program, instr).into_iter()).filter(|f| f.len() > 0)),
            }
        }
        Self { next, rounds, empty: Round::of(me, parties, &Links::default()) }
    }

    /// The round in which what is issued at this instruction begins.
    pub(crate) fn round(&self, at: u32) -> Round {
        let round = self.next.get(at as usize).and_then(|&next| self.rounds.get(next));
        *round.unwrap_or(&self.empty)
    }
}

impl Round {
    fn of(me: Party, parties: usize, links: &Links) -> Self {
        let bytes = |from: Party, to: Party| links[from.index()][to.index()] as usize;
        Self {
            sent: Peers::new(me, parties, |other| bytes(me, other)),
            received: Peers::new(me, parties, |other| bytes(other, me)),
        }
    }
}
