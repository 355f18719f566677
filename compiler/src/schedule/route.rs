//! Which of the protocol's routes every operation takes: so that no link has much more to carry than the others.
//!
//! Greedy, round by round, the largest operations first: the route that adds least to the busiest link of its rounds, and of these the one
//! that levels the links over the whole block.

use std::cmp::Reverse;
use std::collections::HashMap;

use tern_bytecode::cost::{self, Links, Traffic};
use tern_bytecode::{Instr, Program, Route};

/// An operation to be routed.
pub struct Candidate<'a> {
    /// The round in which it is issued.
    pub round: u32,
    /// The instruction, whose route is set.
    pub instr: &'a mut Instr,
}

/// Routes that later operations must take: by the store of a selection's half, and where in it the half begins.
pub type Kept = HashMap<(u32, u64), Route>;

/// Sets the routes of the operations of one run of rounds; `total` is what the block's links carry.
pub fn assign(program: &Program, mut candidates: Vec<Candidate<'_>>, total: &mut Links, kept: &mut Kept) {
    let size = |c: &Candidate<'_>| cost::bytes(&cost::traffic(program, c.instr));
    candidates.sort_by_cached_key(|c| (c.round, Reverse(size(c))));
    let mut rounds: Vec<Links> = Vec::new();
    for candidate in candidates {
        let half = kept_half(program, candidate.instr);
        let choices: Vec<Route> = match (&*candidate.instr, half.and_then(|h| kept.get(&h))) {
            (Instr::SelectAgain { .. }, Some(route)) => vec![*route],
            _ => program.header.protocol.model().all_routes().collect(),
        };
        let first = candidate.round as usize;
        let Some((route, traffic)) = choices
            .into_iter()
            .map(|route| (route, traffic(program, candidate.instr, route)))
            .min_by_key(|(_, traffic)| burden(&rounds, first, traffic, total))
        else {
            continue;
        };
        rounds.resize(rounds.len().max(first + traffic.len()), Links::default());
        for (links, more) in rounds[first..].iter_mut().zip(&traffic) {
            cost::add(links, more, 1);
            cost::add(total, more, 1);
        }
        if let Some(place) = candidate.instr.route_mut() {
            *place = route;
        }
        if let Some(half) = half {
            kept.insert(half, route);
        }
    }
}

/// What a choice adds to the busiest links of its rounds, then the imbalance of the block.
fn burden(rounds: &[Links], first: usize, traffic: &Traffic, total: &Links) -> (u64, u128) {
    let mut after = *total;
    let mut peaks = 0;
    for (t, more) in traffic.iter().enumerate() {
        let mut links = rounds.get(first + t).copied().unwrap_or_default();
        let before = busiest(&links);
        cost::add(&mut links, more, 1);
        cost::add(&mut after, more, 1);
        peaks += busiest(&links) - before;
    }
    let imbalance =
        after.iter().flatten().fold(0u128, |sum, &b| sum.saturating_add(u128::from(b) * u128::from(b)));
    (peaks, imbalance)
}

fn busiest(links: &Links) -> u64 {
    links.iter().flatten().copied().max().unwrap_or(0)
}

fn traffic(program: &Program, instr: &Instr, route: Route) -> Traffic {
    let mut instr = *instr;
    if let Some(place) = instr.route_mut() {
        *place = route;
    }
    cost::traffic(program, &instr)
}

/// The place of the half that a selection keeps or uses.
fn kept_half(program: &Program, instr: &Instr) -> Option<(u32, u64)> {
    let half = match *instr {
        Instr::Select { keep, .. } => keep?,
        Instr::SelectAgain { half, .. } => half,
        _ => return None,
    };
    let view = &program.views[half.0 as usize];
    Some((view.buffer, view.offset))
}
