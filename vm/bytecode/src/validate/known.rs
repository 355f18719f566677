//! Rule 11: what a dealer has to know does not depend on what is revealed.
//!
//! A dealer runs the program without receiving anything, so it does not learn values that are opened to the parties, nor what follows from them. It
//! needs none of them as long as they decide neither which instructions run nor what becomes of a mask: by what an opened value is
//! multiplied, and which of its rows are picked. Additive values and bits have no part at the dealer; there everything is allowed.
//!
//! The check walks the code with the elements that the dealer does not know; a loop's body is walked until that set does not grow.

use std::collections::{BTreeMap, BTreeSet};

use super::{Fault, Nesting, extent, kind, view};
use crate::instr::{Instr, Reg, Role};
use crate::program::{Kind, Program};

/// Fails if the dealer, should the protocol have one, lacks a value that it needs.
pub(super) fn check(program: &Program) -> Result<(), Fault> {
    if program.header.protocol.model().dealer.is_some() {
        walk(program)?;
    }
    Ok(())
}

/// The public instructions of a program that its dealer cannot execute, and need not.
///
/// # Errors
/// If the program is not valid.
pub fn of(program: &Program) -> Result<BTreeSet<usize>, Fault> {
    walk(program)
}

fn walk(program: &Program) -> Result<BTreeSet<usize>, Fault> {
    let nesting = Nesting::of(program)?;
    let mut walk = Walk { program, nesting, unknown: BTreeSet::new() };
    walk.block(0, program.code.len(), &mut Hidden::default())?;
    Ok(walk.unknown)
}

/// Elements that the dealer does not know, as ranges by buffer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Hidden(BTreeMap<u32, BTreeSet<(i64, i64)>>);

impl Hidden {
    fn touches(&self, program: &Program, reg: Reg) -> Result<bool, Fault> {
        let view = view(program, reg)?;
        let (Some((low, high)), false) = (extent(view), view.is_empty()) else { return Ok(false) };
        Ok(self
            .0
            .get(&view.buffer)
            .is_some_and(|all| all.iter().any(|(from, to)| *from <= high && low <= *to)))
    }

    /// Takes note of a write.
    fn write(&mut self, program: &Program, reg: Reg, hidden: bool) -> Result<(), Fault> {
        let view = view(program, reg)?;
        let (Some((low, high)), false) = (extent(view), view.is_empty()) else { return Ok(()) };
        let ranges = self.0.entry(view.buffer).or_default();
        let all = u64::try_from(high - low).is_ok_and(|steps| steps + 1 == view.len());
        if hidden {
            ranges.insert((low, high));
        } else if all {
            let old = std::mem::take(ranges);
            let cut = |(from, to): (i64, i64)| {
                let before = (from < low).then(|| (from, to.min(low - 1)));
                let behind = (to > high).then(|| (from.max(high + 1), to));
                before.into_iter().chain(behind)
            };
            ranges.extend(old.into_iter().flat_map(cut));
        }
        Ok(())
    }

    fn join(&mut self, other: Hidden) {
        for (buffer, ranges) in other.0 {
            self.0.entry(buffer).or_default().extend(ranges);
        }
    }
}

struct Walk<'a> {
    program: &'a Program,
    nesting: Nesting,
    unknown: BTreeSet<usize>,
}

impl Walk<'_> {
    fn block(&mut self, from: usize, to: usize, hidden: &mut Hidden) -> Result<(), Fault> {
        let mut at = from;
        while at < to {
            let close = self.nesting.close.get(&(at as u32)).map(|close| *close as usize);
            match (self.program.code[at], close) {
                (Instr::Loop { counter, .. }, Some(end)) => {
                    loop {
                        let before = hidden.clone();
                        hidden.write(self.program, counter, false)?;
                        self.block(at + 1, end, hidden)?;
                        hidden.join(before.clone());
                        if *hidden == before {
                            break;
                        }
                    }
                    at = end;
                }
                (Instr::If { cond }, Some(middle)) => {
                    self.decides(at, cond, hidden)?;
                    let mut other = hidden.clone();
                    self.block(at + 1, middle, hidden)?;
                    at = middle;
                    if let Some(end) = self.nesting.close.get(&(middle as u32)).map(|end| *end as usize) {
                        self.block(middle + 1, end, &mut other)?;
                        at = end;
                    }
                    hidden.join(other);
                }
                (Instr::BreakIf { cond }, _) => self.decides(at, cond, hidden)?,
                (instr, _) => self.step(at, &instr, hidden)?,
            }
            at += 1;
        }
        Ok(())
    }

    /// A condition has to be known.
    fn decides(&self, at: usize, cond: Reg, hidden: &Hidden) -> Result<(), Fault> {
        match hidden.touches(self.program, cond)? {
            false => Ok(()),
            true => Err(Fault {
                at: Some(at as u32),
                message: "a revealed value decides what runs next, which the dealer does not know".into(),
            }),
        }
    }

    fn step(&mut self, at: usize, instr: &Instr, hidden: &mut Hidden) -> Result<(), Fault> {
        let mut reads = false;
        for (reg, role) in instr.registers() {
            reads |= role != Role::Write && hidden.touches(self.program, reg)?;
        }
        let reveals = matches!(instr, Instr::Reveal { .. } | Instr::RevealBits { .. });
        let (mut public, mut masked) = (true, false);
        for (reg, _) in instr.registers().filter(|(_, role)| *role != Role::Read) {
            match kind(self.program, reg)? {
                Kind::Plain | Kind::Real | Kind::Int => {
                    hidden.write(self.program, reg, reveals || reads)?;
                }
                kind => {
                    public = false;
                    masked |= kind == Kind::Shared;
                }
            }
        }
        // the mask of a public value is 0 whatever it is
        if reads && masked && !matches!(instr, Instr::Promote { .. }) {
            let message =
                format!("{}: a revealed value changes a mask, which the dealer has to know", instr.name());
            return Err(Fault { at: Some(at as u32), message });
        }
        if reads && public && !matches!(instr, Instr::Debug { .. }) {
            self.unknown.insert(at);
        }
        Ok(())
    }
}
