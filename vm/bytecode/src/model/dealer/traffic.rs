//! What the two parties send each other, and what the dealer sends them.
//!
//! For elements of k bits; figures are bits per element: in a round both parties send each other as much as is stated, of what is dealt one half of the elements
//! goes to each party. The protocols are those of `vm/src/protocol/dealer`, each documented there.
//!
//! | instruction | round 1 | further rounds | dealt |
//! |---|---|---|---|
//! | input | owner → other k; of a file of shares as open | | |
//! | output | other → receiver k | | |
//! | reveal | k; of bits 1 | | |
//! | open n bits | n | | |
//! | product | | | k |
//! | truncate n bits by m | | | 2k - n + m |
//! | … nearest, besides | carry into m | then 1 | carry, then k |
//! | … to n - m + t opened bits | t | | k + t |
//! | sign, bits | operands of the first level's gates | of the next level's | monomials, 1 per conjunction |
//! | and | 2 | | 1 |
//! | word of n bits | n | | Σ (k-j) |
//! | select | 1 | | 2k |
//! | select again | | | k |

use super::{COMPUTING, DEALER, first, first_bits};
use crate::circuit::Adder;
use crate::cost::{Links, Traffic, add, packed, plane};
use crate::instr::{Instr, MaybeReg, Reg, Route};
use crate::model::{Operands, Sends};
use crate::program::{Kind, Place, Rounding};

/// The rounds of every interactive instruction: those of the two parties.
pub struct Rounds<'a>(pub(crate) Operands<'a>);

impl Sends for Rounds<'_> {
    fn input(&self, dst: Reg, input: u32, _: Route) -> Traffic {
        let bytes = self.0.elements(dst);
        match self.0.owner(input) {
            Some(Place::Party(owner)) => vec![one(party(owner), other(owner), bytes)],
            Some(Place::Shares | Place::Client(_)) => vec![both(bytes)],
            None => Vec::new(),
        }
    }

    fn output(&self, a: Reg, output: u32, _: Route) -> Traffic {
        match self.0.receiver(output) {
            Some(Place::Party(to)) => vec![one(other(to), party(to), self.0.elements(a))],
            Some(Place::Shares | Place::Client(_)) | None => Vec::new(),
        }
    }

    fn reveal(&self, _dst: Reg, a: Reg, _: Route) -> Traffic {
        vec![both(self.0.elements(a))]
    }

    fn reveal_bits(&self, _dst: Reg, a: Reg, _: Route) -> Traffic {
        vec![both(plane(self.0.len(a)))]
    }

    fn reshare(&self, _dst: Reg, _a: Reg, _: Route) -> Traffic {
        Vec::new() // in no valid program
    }

    fn open(&self, _dst: Reg, a: Reg, width: u32, _mask: u32) -> Traffic {
        vec![both(packed(self.0.len(a), width.into()))]
    }

    /// In no valid program; what it costs is what its parts do.
    fn truncate(&self, dst: Reg, a: Reg, bits: u32, _: Route) -> Traffic {
        let k = self.0.program.header.ring;
        let mut rounds = Vec::new();
        if self.0.kind(a) == Some(Kind::Additive) {
            rounds.push(both(self.0.elements(a)));
        }
        rounds.extend(self.truncate_opened(dst, a, bits, k, 0, 0));
        rounds
    }

    fn truncate_opened(&self, _: Reg, a: Reg, bits: u32, _width: u32, more: u32, _mask: u32) -> Traffic {
        let n = self.0.len(a);
        let mut rounds = Vec::new();
        if self.0.program.header.rounding == Rounding::Nearest && bits > 0 {
            rounds.extend(levels(&self.adder(bits, bits), n));
            rounds.push(both(plane(n)));
        }
        if more > 0 {
            rounds.push(both(packed(n, more.into())));
        }
        rounds
    }

    fn sign(&self, _dst: Reg, a: Reg, width: u32, _: Route) -> Traffic {
        levels(&self.adder(width.saturating_sub(1), width), self.0.len(a))
    }

    fn sign_tested(&self, _dst: Reg, _a: Reg, _low: u32, _high: u32, _route: Route) -> Traffic {
        Vec::new() // in no valid program
    }

    fn bits(&self, _dst: Reg, a: Reg, low: u32, high: u32, _: Route) -> Traffic {
        levels(&self.adder(low, high), self.0.len(a))
    }

    fn and(&self, _dst: Reg, a: Reg, _b: Reg, _: Route) -> Traffic {
        vec![both(plane(self.0.len(a)).saturating_mul(2))]
    }

    fn word(&self, dst: Reg, a: Reg, _: Route) -> Traffic {
        vec![both(plane(self.0.len(dst)).saturating_mul(self.0.places(a)))]
    }

    fn compose(&self, dst: Reg, a: Reg, route: Route) -> Traffic {
        self.word(dst, a, route)
    }

    fn select(&self, _dst: Reg, _keep: MaybeReg, _bit: Reg, a: Reg, _: Route) -> Traffic {
        vec![both(plane(self.0.len(a)))]
    }

    fn select_again(&self, _dst: Reg, _half: Reg, _bit: Reg, _a: Reg, _bits: u32, _: Route) -> Traffic {
        Vec::new()
    }
}

impl Rounds<'_> {
    fn adder(&self, low: u32, high: u32) -> Adder {
        // programs that have not passed validation are listed too: their positions may be anything
        let [low, high] = [low, high].map(|position| position.min(self.0.program.header.ring.min(256)));
        Adder::new(low, high.max(low))
    }
}

/// What the dealer sends for one execution of an instruction, of either section of the table.
pub fn dealt(operands: Operands<'_>, instr: &Instr) -> Links {
    let rounds = Rounds(operands);
    let (n, k) = (|reg| operands.len(reg), operands.k);
    match *instr {
        Instr::Mul { dst, .. } => elements(n(dst), k),
        Instr::Contract { dst, b, .. } if operands.kind(b) == Some(Kind::Shared) => elements(n(dst), k),
        Instr::TruncateOpened { dst, a, bits, width, more, .. } => {
            let whole = k.saturating_sub(u64::from(width).saturating_sub(bits.into()));
            let top = if operands.kind(dst) == Some(Kind::Shared) { more.into() } else { whole };
            let mut links = sum([elements(n(a), k), elements(n(a), top)]);
            if operands.program.header.rounding == Rounding::Nearest && bits > 0 {
                let adder = rounds.adder(bits, bits);
                links = sum([links, network(&adder, n(a)), elements(n(a), k)]);
            }
            links
        }
        Instr::Sign { a, width, .. } => network(&rounds.adder(width.saturating_sub(1), width), n(a)),
        Instr::Bits { a, low, high, .. } => network(&rounds.adder(low, high), n(a)),
        Instr::And { a, .. } => planes(n(a), 1),
        Instr::Word { dst, a, .. } | Instr::Compose { dst, a, .. } => (0..operands.places(a))
            .map(|j| elements(n(dst), k - j))
            .fold(Links::default(), |a, b| sum([a, b])),
        Instr::Select { a, .. } => sum([elements(n(a), k), elements(n(a), k)]),
        Instr::SelectAgain { a, .. } => elements(n(a), k),
        _ => Links::default(),
    }
}

/// `n` values of `bits` bits, each to one party.
fn elements(n: u64, bits: u64) -> Links {
    to_each(packed(n - first(n), bits), packed(first(n), bits))
}

/// So many planes of `n` bits.
fn planes(n: u64, count: u64) -> Links {
    let first = first_bits(n);
    to_each(plane(n - first).saturating_mul(count), plane(first).saturating_mul(count))
}

/// An evaluation of an adder: the monomials, then what its gates take, level by level.
fn network(adder: &Adder, n: u64) -> Links {
    let gates: u64 = adder.levels.iter().map(|level| Adder::ands(level)).sum();
    planes(n, adder.monomial_planes() + gates)
}

/// The rounds of an adder: in each the operands of a level's gates are opened.
fn levels(adder: &Adder, n: u64) -> Traffic {
    let opened = |level: &Vec<_>| both(plane(n).saturating_mul(Adder::operands(level).planes()));
    adder.levels.iter().map(opened).collect()
}

fn to_each(zero: u64, one: u64) -> Links {
    let mut links = Links::default();
    (links[DEALER][0], links[DEALER][1]) = (zero, one);
    links
}

fn sum<const N: usize>(all: [Links; N]) -> Links {
    let mut total = Links::default();
    all.iter().for_each(|links| add(&mut total, links, 1));
    total
}

fn party(index: u8) -> usize {
    usize::from(index) % COMPUTING
}

/// The party that is not `index`.
fn other(index: u8) -> usize {
    1 - party(index)
}

fn one(from: usize, to: usize, bytes: u64) -> Links {
    let mut links = Links::default();
    links[from][to] = bytes;
    links
}

/// Both parties send each other as much.
fn both(bytes: u64) -> Links {
    let mut links = one(0, 1, bytes);
    links[1][0] = bytes;
    links
}
