//! What the four parties send, by role; see [`Cast`].
//!
//! For elements of k bits. Every message has a sender, a checker and a receiver; figures are bits per element, over all links.
//!
//! | instruction | round 1 | round 2 | further rounds |
//! |---|---|---|---|
//! | input | owner → two others 2k | | |
//! | output to a party | comparison | k, and a digest | |
//! | output to shares | comparison | | |
//! | reveal | comparison | 4k, and four digests | |
//! | reshare | 6k | | |
//! | truncate by m, of replicated | 2k+2m | 4m | nearest: see below |
//! | … of additive | 4k | as round 1 of replicated | as round 2 |
//! | … nearest, beside it | carry into m | | then 2k, 4k |
//! | sign, bits | monomials of both addends | generates, propagates 4 each | gates 6 each |
//! | and | 6 | | |
//! | word of n bits | 2 Σ (k-j) | 4k | |
//! | compose n bits | 6n | gates 6 each | then 2n + 2(k-n); then 2k + 4(k-n) |
//! | select | 4k | 4k, unless additive | |
//! | select again | 2k | the same | |
//!
//! A comparison is [`COMPARISON`] bytes over every link, whatever it compares.

use super::{COMPARISON, Cast, DIGEST, PARTIES, Way};
use crate::circuit::Adder;
use crate::cost::{Links, Traffic, add, overlay, packed, plane};
use crate::instr::{MaybeReg, Reg, Route};
use crate::model::{Operands, Sends};
use crate::program::{Kind, Place, Rounding};

/// The rounds of every interactive instruction.
pub struct Rounds<'a>(pub(crate) Operands<'a>);

impl Sends for Rounds<'_> {
    fn input(&self, dst: Reg, input: u32, route: Route) -> Traffic {
        let Some(Place::Party(owner)) = self.0.owner(input) else { return Vec::new() };
        let owner = usize::from(owner) % PARTIES;
        let [_, first, second] = Cast(route).others(owner);
        let mut links = Links::default();
        for to in [first, second] {
            links[owner][to] = self.0.elements(dst);
        }
        vec![links]
    }

    fn output(&self, a: Reg, output: u32, route: Route) -> Traffic {
        match self.0.receiver(output) {
            Some(Place::Party(to)) => {
                let to = usize::from(to) % PARTIES;
                let [sender, checker, _] = Cast(route).others(to);
                let mut links = Links::default();
                links[sender][to] = self.0.elements(a);
                links[checker][to] = DIGEST as u64;
                vec![comparison(), links]
            }
            Some(Place::Shares | Place::Client(_)) => vec![comparison()],
            None => Vec::new(),
        }
    }

    fn reveal(&self, _dst: Reg, a: Reg, route: Route) -> Traffic {
        vec![comparison(), opening(route, self.0.elements(a))]
    }

    fn reveal_bits(&self, _dst: Reg, a: Reg, route: Route) -> Traffic {
        vec![comparison(), opening(route, plane(self.0.len(a)))]
    }

    fn reshare(&self, _dst: Reg, a: Reg, route: Route) -> Traffic {
        vec![along(route, &Cast::RESHARE, self.0.elements(a))]
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
        let (n, k, m) = (self.0.len(a), self.0.k, u64::from(bits));
        let mut first = shared(route, 0, packed(n, k));
        add(&mut first, &shared(route, 1, packed(n, m)), 1);
        let mut rounds = vec![first, along(route, &Cast::BILINEAR, packed(n, m))];
        if self.0.program.header.rounding == Rounding::Nearest {
            let mut carry = self.adder(bits, bits, n, route);
            carry.push(shared(route, 0, packed(n, k)));
            carry.push(along(route, &Cast::BILINEAR, packed(n, k)));
            rounds = overlay(rounds, carry);
        }
        if self.0.kind(a) == Some(Kind::Additive) {
            rounds.insert(0, along(route, &Cast::COLLECT, packed(n, k)));
        }
        rounds
    }

    fn sign(&self, _dst: Reg, a: Reg, width: u32, route: Route) -> Traffic {
        self.adder(width.saturating_sub(1), width, self.0.len(a), route)
    }

    fn sign_tested(&self, _dst: Reg, _a: Reg, _low: u32, _high: u32, _route: Route) -> Traffic {
        Vec::new() // in no valid program
    }

    fn bits(&self, _dst: Reg, a: Reg, low: u32, high: u32, route: Route) -> Traffic {
        self.adder(low, high, self.0.len(a), route)
    }

    fn and(&self, _dst: Reg, a: Reg, _b: Reg, route: Route) -> Traffic {
        vec![along(route, &Cast::RESHARE, plane(self.0.len(a)))]
    }

    fn word(&self, dst: Reg, a: Reg, route: Route) -> Traffic {
        let (n, k) = (self.0.len(dst), self.0.k);
        let places = (0..self.0.places(a)).map(|j| packed(n, k - j)).fold(0, u64::saturating_add);
        vec![shared(route, 0, places), along(route, &Cast::BILINEAR, packed(n, k))]
    }

    fn compose(&self, dst: Reg, a: Reg, route: Route) -> Traffic {
        let k = self.0.k;
        let places = self.0.places(a).min(k.saturating_sub(1)).min(255); // a listing may be of a program that is not valid
        let (n, carry) = (self.0.len(dst), k - places);
        let bits = plane(n);
        let mut rounds = vec![along(route, &Cast::RESHARE, bits.saturating_mul(places))];
        rounds.extend(gates(route, bits, &Adder::new(0, places as u32 + 1)));
        let mut opening = along(route, &Cast::OPEN_TO_H, bits.saturating_mul(places));
        add(&mut opening, &shared(route, 0, packed(n, carry)), 1);
        let mut last = shared(route, 0, packed(n, k));
        add(&mut last, &along(route, &Cast::BILINEAR, packed(n, carry)), 1);
        rounds.extend([opening, last]);
        rounds
    }

    fn select(&self, dst: Reg, _keep: MaybeReg, _bit: Reg, a: Reg, route: Route) -> Traffic {
        self.selection(dst, a, true, route)
    }

    fn select_again(&self, dst: Reg, _half: Reg, _bit: Reg, a: Reg, _bits: u32, route: Route) -> Traffic {
        self.selection(dst, a, false, route)
    }
}

impl Rounds<'_> {
    /// Bits `low..high` of a value, or the carry into `low`.
    fn adder(&self, low: u32, high: u32, n: u64, route: Route) -> Traffic {
        // programs that have not passed validation are listed too: their positions may be anything
        let [low, high] = [low, high].map(|position| position.min(self.0.program.header.ring.min(256)));
        let adder = Adder::new(low, high.max(low));
        let bits = plane(n);
        let mut rounds = vec![shared(route, 0, bits.saturating_mul(adder.monomial_planes()))];
        if !adder.leaves.is_empty() {
            rounds.push(along(route, &Cast::BILINEAR, bits.saturating_mul(adder.exchange_planes())));
            rounds.extend(gates(route, bits, &adder));
        }
        rounds
    }

    /// A selection, of which the bit's halves are shared first if they have not been before.
    fn selection(&self, dst: Reg, a: Reg, halves: bool, route: Route) -> Traffic {
        let bytes = self.0.elements(a);
        let mut first = shared(route, 1, bytes);
        if halves {
            add(&mut first, &shared(route, 0, bytes), 1);
        }
        let mut rounds = vec![first];
        if self.0.kind(dst) == Some(Kind::Shared) {
            rounds.push(along(route, &Cast::BILINEAR, bytes));
        }
        rounds
    }
}

/// The same number of bytes on each of some ways.
fn along(route: Route, ways: &[Way], bytes: u64) -> Links {
    let parties = Cast(route).parties();
    let mut links = Links::default();
    for way in ways {
        let link = &mut links[parties[way.from]][parties[way.to]];
        *link = link.saturating_add(bytes);
    }
    links
}

/// The same number of bytes for each addend, by the first or second of its messages.
fn shared(route: Route, which: usize, bytes: u64) -> Links {
    along(route, &[Cast::OF_A[which], Cast::OF_B[which]], bytes)
}

/// The gates of a prefix network, a round per level.
fn gates(route: Route, bits: u64, adder: &Adder) -> Traffic {
    let level = |level: &Vec<_>| along(route, &Cast::RESHARE, bits.saturating_mul(Adder::ands(level)));
    adder.levels.iter().map(level).collect()
}

/// All digests, to everybody.
fn comparison() -> Links {
    let mut links = Links::default();
    for (from, row) in links.iter_mut().enumerate() {
        row.fill(COMPARISON as u64);
        row[from] = 0;
    }
    links
}

/// To each party what it misses, and a digest of it.
fn opening(route: Route, bytes: u64) -> Links {
    let parties = Cast(route).parties();
    let mut links = along(route, &Cast::OPEN, bytes);
    for way in Cast::OPEN {
        links[parties[way.checker]][parties[way.to]] += DIGEST as u64;
    }
    links
}
