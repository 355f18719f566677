//! What every round moves, known before it begins: the schedule's rounds stand in the bytecode, and the cost of each instruction is fixed. So a round
//! can be announced to the links, and its first messages can leave, while later operations of the same round have not been issued.

use tern_bytecode::cost::{self, Links};
use tern_bytecode::{Instr, Program};

use crate::net::{Pair, Party};

/// The rounds of a program as one party sees them.
pub(super) struct Plan {
    /// For every instruction, the `send` that ends the sending half of the round of what is issued there.
    next: Vec<usize>,
    /// For every `send`, what goes to either side in its round, and what comes.
    rounds: Vec<Round>,
}

/// Bytes by side.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Round {
    pub(super) sent: Pair<usize>,
    pub(super) received: Pair<usize>,
}

impl Plan {
    /// The plan of a program that is valid: an operation in flight does not leave its block, so the `send` that follows in the code is the next in time.
    pub(super) fn new(program: &Program, me: Party) -> Self {
        let mut flights: Vec<std::vec::IntoIter<Links>> = Vec::new();
        let (mut next, mut rounds) = (Vec::new(), Vec::new());
        for instr in &program.code {
            next.push(rounds.len());
            match instr {
                Instr::Send {} => {
                    let mut total = Links::default();
                    flights.iter_mut().filter_map(Iterator::next).for_each(|l| cost::add(&mut total, &l, 1));
                    flights.retain(|flight| flight.len() > 0);
                    rounds.push(Round::of(me, &total));
                }
                _ => flights.extend(Some(cost::traffic(program, instr).into_iter()).filter(|f| f.len() > 0)),
            }
        }
        Self { next, rounds }
    }

    /// The round in which what is issued at this instruction begins.
    pub(super) fn round(&self, at: u32) -> Round {
        let round = self.next.get(at as usize).and_then(|&next| self.rounds.get(next));
        round.copied().unwrap_or_default()
    }
}

impl Round {
    fn of(me: Party, links: &Links) -> Self {
        let bytes = |from: Party, to: Party| links[from.index()][to.index()] as usize;
        Self {
            sent: Pair::from_fn(|side| bytes(me, me.at(side))),
            received: Pair::from_fn(|side| bytes(me.at(side), me)),
        }
    }
}
