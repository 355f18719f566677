//! What instructions send: bytes of payload per directed link, round by round.
//!
//! For elements of k bits, N of them, and an operation with corner C and neighbours A and B (see [`Route`]). The protocols are
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
//! | and | around the ring 3 | | |
//! | word of n bits | C→B Σ (k-j) | A↔B k each | |
//! | compose n bits | as bits 0..=n | … | A→C n, C→B k-n; then C→B k, A↔B k-n each |
//! | select | C→B 2k | A↔B k each, unless additive | |
//! | select again | C→B k | the same | |
//!
//! A plane of N bits is ⌈N/8⌉ bytes, N values of m bits are ⌈N·m/8⌉ bytes.

use crate::circuit::Adder;
use crate::instr::{Instr, Reg, Route};
use crate::program::{Kind, Place, Program, Rounding, View};

/// Bytes by sender and receiver.
pub type Links = [[u64; 3]; 3];

/// What one execution of an instruction sends, by round. Empty for instructions that do not communicate.
pub type Traffic = Vec<Links>;

/// Sum over all links.
pub fn total(links: &Links) -> u64 {
    links.iter().flatten().fold(0, |sum, bytes| sum.saturating_add(*bytes))
}

/// Sum over all rounds and links.
pub fn bytes(traffic: &Traffic) -> u64 {
    traffic.iter().map(total).fold(0, u64::saturating_add)
}

/// The traffic of one execution of `instr`.
pub fn traffic(program: &Program, instr: &Instr) -> Traffic {
    let model = Model { program, k: u64::from(program.header.ring) };
    match *instr {
        Instr::Input { dst, input, route } => model.input(dst, input, route),
        Instr::Output { a, output, route } => model.output(a, output, route),
        Instr::Reveal { a, route, .. } | Instr::Reshare { a, route, .. } => {
            vec![ring(route, model.elements(a))]
        }
        Instr::RevealBits { a, route, .. } | Instr::And { a, route, .. } => {
            vec![ring(route, plane(model.len(a)))]
        }
        Instr::Truncate { a, bits, route, .. } => model.truncate(a, bits, route),
        Instr::Sign { a, width, route, .. } => {
            model.adder(width.saturating_sub(1), width, model.len(a), route)
        }
        Instr::Bits { a, low, high, route, .. } => model.adder(low, high, model.len(a), route),
        Instr::Word { dst, a, route } => model.word(dst, a, route),
        Instr::Compose { dst, a, route } => model.compose(dst, a, route),
        Instr::Select { dst, a, route, .. } => model.select(dst, a, 2, route),
        Instr::SelectAgain { dst, a, route, .. } => model.select(dst, a, 1, route),
        Instr::Loop { .. }
        | Instr::BreakIf { .. }
        | Instr::If { .. }
        | Instr::Else {}
        | Instr::End {}
        | Instr::Send {}
        | Instr::Receive {}
        | Instr::Constant { .. }
        | Instr::Iota { .. }
        | Instr::RealUnary { .. }
        | Instr::RealBinary { .. }
        | Instr::IntBinary { .. }
        | Instr::Compare { .. }
        | Instr::Choose { .. }
        | Instr::IntToReal { .. }
        | Instr::RealToInt { .. }
        | Instr::Encode { .. }
        | Instr::Decode { .. }
        | Instr::Shuffle { .. }
        | Instr::PublicUniform { .. }
        | Instr::Metric { .. }
        | Instr::Copy { .. }
        | Instr::Gather { .. }
        | Instr::Scatter { .. }
        | Instr::Promote { .. }
        | Instr::PromoteBits { .. }
        | Instr::Widen { .. }
        | Instr::Add { .. }
        | Instr::Sub { .. }
        | Instr::Neg { .. }
        | Instr::MulPlain { .. }
        | Instr::Mul { .. }
        | Instr::Contract { .. }
        | Instr::Sum { .. }
        | Instr::Xor { .. }
        | Instr::Not { .. }
        | Instr::AndPublic { .. }
        | Instr::RandomBits { .. }
        | Instr::Debug { .. } => Vec::new(),
    }
}

/// Rounds from the issue of `instr` to its result; 0 for local instructions.
pub fn rounds(program: &Program, instr: &Instr) -> u32 {
    traffic(program, instr).len() as u32
}

/// Bytes of `n` packed values of `bits` bits.
pub fn packed(n: u64, bits: u64) -> u64 {
    n.saturating_mul(bits).div_ceil(8)
}

/// Bytes of a plane of `n` bits.
pub fn plane(n: u64) -> u64 {
    n.div_ceil(8)
}

struct Model<'a> {
    program: &'a Program,
    k: u64,
}

impl Model<'_> {
    fn view(&self, reg: Reg) -> Option<&View> {
        self.program.views.get(reg.0 as usize)
    }

    fn len(&self, reg: Reg) -> u64 {
        self.view(reg).map_or(0, View::len)
    }

    fn kind(&self, reg: Reg) -> Option<Kind> {
        let buffer = self.view(reg)?.buffer;
        self.program.buffers.get(buffer as usize).map(|b| b.kind)
    }

    /// Bytes of a register's elements, k bits each.
    fn elements(&self, reg: Reg) -> u64 {
        packed(self.len(reg), self.k)
    }

    fn input(&self, dst: Reg, input: u32, route: Route) -> Traffic {
        match self.program.inputs.get(input as usize).map(|i| i.from) {
            Some(Place::Party(owner)) => {
                vec![one(owner as usize % 3, neighbour(owner, route), self.elements(dst))]
            }
            Some(Place::Shares) | None => Vec::new(),
        }
    }

    fn output(&self, a: Reg, output: u32, route: Route) -> Traffic {
        match self.program.outputs.get(output as usize).map(|o| o.to) {
            Some(Place::Party(to)) => vec![one(neighbour(to, route), to as usize % 3, self.elements(a))],
            Some(Place::Shares) | None => Vec::new(),
        }
    }

    fn truncate(&self, a: Reg, bits: u32, route: Route) -> Traffic {
        let (n, m) = (self.len(a), u64::from(bits));
        let (c, pa, pb) = (route.corner(), route.a(), route.b());
        let mut rounds =
            vec![one(c, pb, packed(n, self.k).saturating_add(packed(n, m))), both(pa, pb, packed(n, m))];
        if self.program.header.rounding == Rounding::Nearest {
            let mut carry = self.adder(bits, bits, n, route);
            carry.push(one(c, pb, packed(n, self.k)));
            carry.push(both(pa, pb, packed(n, self.k)));
            rounds = overlay(rounds, carry);
        }
        if self.kind(a) == Some(Kind::Additive) {
            let mut pair = [[0; 3]; 3];
            pair[pa][c] = packed(n, self.k);
            pair[pb][c] = packed(n, self.k);
            rounds.insert(0, pair);
        }
        rounds
    }

    /// Bits `low..high` of a value, or the carry into `low`.
    fn adder(&self, low: u32, high: u32, n: u64, route: Route) -> Traffic {
        // programs that have not passed validation are listed too: their positions may be anything
        let [low, high] = [low, high].map(|position| position.min(self.program.header.ring.min(256)));
        let adder = Adder::new(low, high.max(low));
        let bits = plane(n);
        let mut rounds = vec![one(route.corner(), route.b(), bits.saturating_mul(adder.corner_planes()))];
        if !adder.leaves.is_empty() {
            rounds.push(both(route.a(), route.b(), bits.saturating_mul(adder.exchange_planes())));
            rounds.extend(
                adder.levels.iter().map(|level| ring(route, bits.saturating_mul(Adder::ands(level)))),
            );
        }
        rounds
    }

    fn word(&self, dst: Reg, a: Reg, route: Route) -> Traffic {
        let places = self.view(a).and_then(|v| v.dims.first()).map_or(0, |d| u64::from(d.size));
        let n = self.len(dst);
        let planes = (0..places.min(self.k).min(256)).map(|j| packed(n, self.k - j));
        let corner = planes.fold(0, u64::saturating_add);
        vec![one(route.corner(), route.b(), corner), both(route.a(), route.b(), packed(n, self.k))]
    }

    fn compose(&self, dst: Reg, a: Reg, route: Route) -> Traffic {
        let places = self.view(a).and_then(|v| v.dims.first()).map_or(0, |d| u64::from(d.size));
        let places = places.min(self.k.saturating_sub(1)).min(255); // a listing may be of a program that is not valid
        let (n, carry) = (self.len(dst), self.k - places);
        let mut rounds = self.adder(0, places as u32 + 1, n, route);
        let mut opening = one(route.a(), route.corner(), plane(n).saturating_mul(places));
        add(&mut opening, &one(route.corner(), route.b(), packed(n, carry)), 1);
        let mut sharing = one(route.corner(), route.b(), packed(n, self.k));
        add(&mut sharing, &both(route.a(), route.b(), packed(n, carry)), 1);
        rounds.extend([opening, sharing]);
        rounds
    }

    fn select(&self, dst: Reg, a: Reg, elements: u64, route: Route) -> Traffic {
        let bytes = self.elements(a);
        let mut rounds = vec![one(route.corner(), route.b(), bytes.saturating_mul(elements))];
        if self.kind(dst) == Some(Kind::Shared) {
            rounds.push(both(route.a(), route.b(), bytes));
        }
        rounds
    }
}

/// The neighbour that an owner shares with, or that sends to a receiver.
pub fn neighbour(party: u8, route: Route) -> usize {
    route.onward(party as usize % 3)
}

fn one(from: usize, to: usize, bytes: u64) -> Links {
    let mut links = [[0; 3]; 3];
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
    let mut links = [[0; 3]; 3];
    for i in 0..3 {
        links[i][route.onward(i)] = bytes;
    }
    links
}

/// Two operations side by side, from the same round on.
fn overlay(a: Traffic, b: Traffic) -> Traffic {
    let (mut long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    for (links, more) in long.iter_mut().zip(short) {
        add(links, &more, 1);
    }
    long
}

/// Adds `times` times `more` to `links`; saturates.
pub fn add(links: &mut Links, more: &Links, times: u64) {
    for (to, from) in links.iter_mut().flatten().zip(more.iter().flatten()) {
        *to = to.saturating_add(from.saturating_mul(times));
    }
}
