//! Rule 9: a later selection by a bit uses what the first one left of it where it lies.
//!
//! A [`Select`](Instr::Select) leaves the corner's half of its bit between the two other parties of its route; a
//! [`SelectAgain`](Instr::SelectAgain) of another corner would take it from parties that do not have it. Code is looked at in its
//! order; what is read before it is written comes from an earlier iteration, so all that writes it counts.

use super::{Fault, extent, overlap, view};
use crate::instr::{Instr, Reg, Route};
use crate::model::rep3::Corner;
use crate::program::{Program, Protocol, View};

/// What a selection has left.
struct Half {
    at: usize,
    reg: Reg,
    corner: usize,
}

pub(super) fn check(program: &Program) -> Result<(), Fault> {
    let written = |(at, instr): (usize, &Instr)| match *instr {
        Instr::Select { keep: Some(reg), route, .. } => {
            Some(Half { at, reg, corner: corner(program, route) })
        }
        _ => None,
    };
    let halves: Vec<Half> = program.code.iter().enumerate().filter_map(written).collect();
    for (at, instr) in program.code.iter().enumerate() {
        let Instr::SelectAgain { half, route, .. } = *instr else { continue };
        let read = view(program, half)?;
        let left = left_in(program, &halves, at, read)?;
        if let Some(other) = left.iter().find(|known| known.corner != corner(program, route)) {
            return Err(Fault {
                at: Some(at as u32),
                message: format!(
                    "select_again has its corner at party {}, but the half of its bit is from instruction {}, which \
                     has it at party {}",
                    corner(program, route),
                    other.at,
                    other.corner
                ),
            });
        }
    }
    Ok(())
}

/// The selections of which the instruction `at` may find something in the view `read`.
fn left_in<'a>(
    program: &Program,
    halves: &'a [Half],
    at: usize,
    read: &View,
) -> Result<Vec<&'a Half>, Fault> {
    let mut here: Vec<&Half> = Vec::new();
    for known in halves {
        if overlap(view(program, known.reg)?, read) {
            here.push(known);
        }
    }
    let before: Vec<&Half> = here.iter().copied().filter(|known| known.at < at).collect();
    let (false, Some(read)) = (before.is_empty(), extent(read)) else { return Ok(here) };
    // The latest first: what it has filled does not have to come from an earlier one, whose memory it was given.
    let (mut found, mut open) = (Vec::new(), vec![read]);
    for known in before.into_iter().rev() {
        let written = view(program, known.reg)?;
        let Some((low, high)) = extent(written) else {
            found.push(known);
            continue;
        };
        if !open.iter().any(|&(first, last)| first <= high && low <= last) {
            continue;
        }
        found.push(known);
        // Elements of a written view are distinct, so as many as there are places leave none out.
        if u64::try_from(high - low).is_ok_and(|steps| steps + 1 == written.len()) {
            open = open.into_iter().flat_map(|part| without(part, low, high)).collect();
        }
    }
    Ok(found)
}

/// What is left of the places `first..=last` without `low..=high`.
fn without((first, last): (i64, i64), low: i64, high: i64) -> Vec<(i64, i64)> {
    let mut left = Vec::new();
    if first < low {
        left.push((first, last.min(low - 1)));
    }
    if high < last {
        left.push((first.max(high + 1), last));
    }
    left
}

fn corner(program: &Program, route: Route) -> usize {
    match program.header.protocol {
        Protocol::Rep3 => Corner(route).party(),
        // who has which half follows from the whole order
        Protocol::Rep4 => usize::from(route.0),
        // there is one route
        Protocol::Dealer => 0,
    }
}
