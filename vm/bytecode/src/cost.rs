//! What instructions send: bytes of payload per directed link, round by round, as the program's protocol has it ([`crate::model`]).
//!
//! A plane of N bits is ⌈N/8⌉ bytes, N values of m bits are ⌈N·m/8⌉ bytes.

use crate::instr::Instr;
use crate::model::{self, MAX_PARTIES};
use crate::program::Program;

/// Bytes by sender and receiver; 0 for parties that the protocol does not have.
pub type Links = [[u64; MAX_PARTIES]; MAX_PARTIES];

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
    model::traffic(program, instr)
}

/// What the dealer sends for one execution of `instr`, if the program's protocol has one.
pub fn dealt(program: &Program, instr: &Instr) -> Links {
    model::dealt(program, instr)
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

/// Two operations side by side, from the same round on.
pub fn overlay(a: Traffic, b: Traffic) -> Traffic {
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
