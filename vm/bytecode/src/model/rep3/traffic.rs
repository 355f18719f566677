//! What the three parties send.
//!
//! For elements of k bits, N of them, and an operation with corner C and neighbours A and B (see [`Corner`]). The protocols are
//! those of `vm/src/protocol/rep3`, each documented there; figures are bits per element.
//!
//! | instruction | round 1 | round 2 | further rounds |
//! |---|---|---|---|
//! | input | owner → one neighbour k | | |
//! | output | a neighbour → receiver k | | |
//! | reveal | around the ring 3k | | |
//! | reshare | around the ring 3k | | |
//! | truncate by m, of replicated | C→B k+m | A↔B m each | nearest: see below |
//! | … of additive | A→C, B→C k each | as round 1 of replicated | as round 2 |
//! | … nearest, beside it | carry into m | | then C→B k, A↔B k each |
//! | sign, bits | C→B monomials | A↔B generates, propagates | gates, around the ring |
//! | sign tested | C→B 128 | A→C, B→C 64 each | C→B 1 |
//! | and | around the ring 3 | | |
//! | word of n bits | C→B Σ (k-j) | A↔B k each | |
//! | compose n bits | as bits 0..=n | … | A→C n, C→B k-n; then C→B k, A↔B k-n each |
//! | select | C→B 2k | A↔B k each, unless additive | |
//! | select again | C→B k | the same | |
//! | … of a quotient by 2^m, of replicated | C→B 2k+2m | the same | |
//! | … of additive | A→C, B→C k each | as round 1 of replicated | as round 2 |

use super::{Corner, PARTIES};
use crate::circuit::Adder;
use crate::cost::{Links, Traffic, add, overlay, packed, plane};
use crate::instr::{MaybeReg, Reg, Route};
use crate::model::{Operands, Sends};
use crate::program::{Kind, Place, Rounding};

/// The rounds of every interactive instruction.
pub struct Rounds<'a>(pub(crate) Operands<'a>);

impl Sends for Rounds<'_> {
    fn input(&self, dst: Reg, input: u32, route: Route) -> Traffic {
        match self.0.owner(input) {
            Some(Place::Party(owner)) => {
                vec![one(party(owner), neighbour(owner, route), self.0.elements(dst))]
            }
            Some(Place::Shares | Place::Client(_)) | None => Vec::new(),
        }
    }

    fn output(&self, a: Reg, output: u32, route: Route) -> Traffic {
        match self.0.receiver(output) {
            Some(Place::Party(to)) => vec![one(neighbour(to, route), party(to), self.0.elements(a))],
            Some(Place::Shares | Place::Client(_)) | None => Vec::new(),
        }
    }

    fn reveal(&self, _dst: Reg, a: Reg, route: Route) -> Traffic {
        vec![ring(route, self.0.elements(a))]
    }

    fn reveal_bits(&self, _dst: Reg, a: Reg, route: Route) -> Traffic {
        vec![ring(route, plane(self.0.len(a)))]
    }

    fn reshare(&self, _dst: Reg, a: Reg, route: Route) -> Traffic {
        vec![ring(route, self.0.elements(a))]
    }

    fn open(&self, _dst: Reg, _a: Reg, _width: u32, _mask: u32) -> Traffic {
        Vec::new() // in no valid program
    }

    fn truncate_opened(
        &self,
        _dst: Reg,
        _a: Reg,
        _bits: u32,
        _width: u32,
        _more: u32,
        _mask: u32,
    ) -> Traffic {
        Vec::new() // in no valid program
    }

    fn truncate(&self, _dst: Reg, a: Reg, bits: u32, route: Route) -> Traffic {
        let (n, m, k) = (self.0.len(a), u64::from(bits), self.0.k);
        let corner = Corner(route);
        let (c, pa, pb) = (corner.party(), corner.a(), corner.b());
        let first = packed(n, k).saturating_add(packed(n, m));
        let mut rounds = vec![one(c, pb, first), both(pa, pb, packed(n, m))];
        if self.0.program.header.rounding == Rounding::Nearest {
            let mut carry = self.adder(bits, bits, n, route);
            carry.push(one(c, pb, packed(n, k)));
            carry.push(both(pa, pb, packed(n, k)));
            rounds = overlay(rounds, carry);
        }
        rounds.splice(..0, self.to_pair(a, route));
        rounds
    }

    fn sign(&self, _dst: Reg, a: Reg, width: u32, route: Route) -> Traffic {
        self.adder(width.saturating_sub(1), width, self.0.len(a), route)
    }

    fn sign_tested(&self, _dst: Reg, a: Reg, _low: u32, _high: u32, route: Route) -> Traffic {
        let (n, corner) = (self.0.len(a), Corner(route));
        let (c, pa, pb) = (corner.party(), corner.a(), corner.b());
        let mut vectors = one(pa, c, packed(n, 64));
        add(&mut vectors, &one(pb, c, packed(n, 64)), 1);
        vec![one(c, pb, packed(n, 128)), vectors, one(c, pb, plane(n))]
    }

    fn bits(&self, _dst: Reg, a: Reg, low: u32, high: u32, route: Route) -> Traffic {
        self.adder(low, high, self.0.len(a), route)
    }

    fn and(&self, _dst: Reg, a: Reg, _b: Reg, route: Route) -> Traffic {
        vec![ring(route, plane(self.0.len(a)))]
    }

    fn word(&self, dst: Reg, a: Reg, route: Route) -> Traffic {
        let (n, k) = (self.0.len(dst), self.0.k);
        let planes = (0..self.0.places(a)).map(|j| packed(n, k - j));
        let corner = Corner(route);
        let shared = planes.fold(0, u64::saturating_add);
        vec![one(corner.party(), corner.b(), shared), both(corner.a(), corner.b(), packed(n, k))]
    }

    fn compose(&self, dst: Reg, a: Reg, route: Route) -> Traffic {
        let k = self.0.k;
        let places = self.0.places(a).min(k.saturating_sub(1)).min(255); // a listing may be of a program that is not valid
        let (n, carry) = (self.0.len(dst), k - places);
        let corner = Corner(route);
        let (c, pa, pb) = (corner.party(), corner.a(), corner.b());
        let mut rounds = self.adder(0, places as u32 + 1, n, route);
        let mut opening = one(pa, c, plane(n).saturating_mul(places));
        add(&mut opening, &one(c, pb, packed(n, carry)), 1);
        let mut sharing = one(c, pb, packed(n, k));
        add(&mut sharing, &both(pa, pb, packed(n, carry)), 1);
        rounds.extend([opening, sharing]);
        rounds
    }

    fn select(&self, dst: Reg, _keep: MaybeReg, _bit: Reg, a: Reg, route: Route) -> Traffic {
        self.selection(dst, a, 2, route)
    }

    fn select_again(&self, dst: Reg, _half: Reg, _bit: Reg, a: Reg, bits: u32, route: Route) -> Traffic {
        if bits == 0 {
            return self.selection(dst, a, 1, route);
        }
        let mut rounds = self.to_pair(a, route);
        let mut selection = self.selection(dst, a, 2, route);
        let corner = Corner(route);
        let tops = packed(self.0.len(a), bits.into()).saturating_mul(2);
        add(&mut selection[0], &one(corner.party(), corner.b(), tops), 1);
        rounds.extend(selection);
        rounds
    }
}

impl Rounds<'_> {
    /// Bits `low..high` of a value, or the carry into `low`.
    fn adder(&self, low: u32, high: u32, n: u64, route: Route) -> Traffic {
        // programs that have not passed validation are listed too: their positions may be anything
        let [low, high] = [low, high].map(|position| position.min(self.0.program.header.ring.min(256)));
        let adder = Adder::new(low, high.max(low));
        let (bits, corner) = (plane(n), Corner(route));
        let mut rounds = vec![one(corner.party(), corner.b(), bits.saturating_mul(adder.monomial_planes()))];
        if !adder.leaves.is_empty() {
            rounds.push(both(corner.a(), corner.b(), bits.saturating_mul(adder.exchange_planes())));
            rounds.extend(
                adder.levels.iter().map(|level| ring(route, bits.saturating_mul(Adder::ands(level)))),
            );
        }
        rounds
    }

    /// The round in which an additive value is brought into the two-addend view; a replicated one is in it.
    fn to_pair(&self, a: Reg, route: Route) -> Traffic {
        if self.0.kind(a) != Some(Kind::Additive) {
            return Vec::new();
        }
        let (bytes, corner) = (self.0.elements(a), Corner(route));
        let mut pair = one(corner.a(), corner.party(), bytes);
        add(&mut pair, &one(corner.b(), corner.party(), bytes), 1);
        vec![pair]
    }

    fn selection(&self, dst: Reg, a: Reg, elements: u64, route: Route) -> Traffic {
        let (bytes, corner) = (self.0.elements(a), Corner(route));
        let mut rounds = vec![one(corner.party(), corner.b(), bytes.saturating_mul(elements))];
        if self.0.kind(dst) == Some(Kind::Shared) {
            rounds.push(both(corner.a(), corner.b(), bytes));
        }
        rounds
    }
}

fn party(index: u8) -> usize {
    usize::from(index) % PARTIES
}

/// The neighbour that an owner shares with, or that sends to a receiver.
fn neighbour(index: u8, route: Route) -> usize {
    Corner(route).onward(party(index))
}

fn one(from: usize, to: usize, bytes: u64) -> Links {
    let mut links = Links::default();
    links[from][to] = bytes;
    links
}

fn both(a: usize, b: usize, bytes: u64) -> Links {
    let mut links = one(a, b, bytes);
    links[b][a] = bytes;
    links
}

/// Everybody sends `bytes` to the next around the ring.
fn ring(route: Route, bytes: u64) -> Links {
    let mut links = Links::default();
    for i in 0..PARTIES {
        links[i][Corner(route).onward(i)] = bytes;
    }
    links
}
