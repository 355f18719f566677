//! Three parties, replicated shares, one semi-honest corruption: `vm/src/protocol/rep3`.

mod traffic;

use super::{Forms, Held, Model, Prices};
use crate::instr::Route;

pub(super) use self::traffic::Rounds;

/// The three-party protocol as others see it.
pub const MODEL: Model = Model {
    parties: PARTIES,
    owners: PARTIES,
    routes: 6,
    parts: &[6, PARTIES], // all routes, or all corners
    prices: Prices { reshare: 3, collect: 2, replicate: 2 },
    held: Held { shared: 2, additive: 1, bits: 2, half: 1 },
    summands: PARTIES,
    // what is in common with the next party, then with the previous one
    filed: |party| vec![party, (party + PARTIES - 1) % PARTIES],
    forms: Forms::Replicated,
    tested: 33, // eight chunks of four, and the sign
    divides: true,
    dealer: None,
    route: |route| {
        let corner = Corner(route);
        format!("{}{}", corner.party(), if corner.mirrored() { "'" } else { "" })
    },
};

const PARTIES: usize = 3;

/// A route of this protocol: which party is the corner of an operation and to which neighbour it sends, one of six.
///
/// With corner C the other two are A and B; C sends its shares to B. A = C+1 and B = C-1, or the other way round in the upper three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corner(pub Route);

impl Corner {
    /// Party C: knows the sum of two shares of the operand.
    pub fn party(self) -> usize {
        usize::from(self.0.0) % PARTIES
    }

    /// True if A is C-1 and B is C+1.
    pub fn mirrored(self) -> bool {
        usize::from(self.0.0) >= PARTIES
    }

    /// Party A: shares a key with the corner, receives nothing from it.
    pub fn a(self) -> usize {
        self.onward(self.party())
    }

    /// Party B: receives what the corner sends.
    pub fn b(self) -> usize {
        self.onward(self.a())
    }

    /// The neighbour to which party `i` sends in operations where everybody sends one message around the ring.
    pub fn onward(self, i: usize) -> usize {
        (i + if self.mirrored() { 2 } else { 1 }) % PARTIES
    }
}
