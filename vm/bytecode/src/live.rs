//! Which buffers hold something that is still needed: where an iteration begins, what a checkpoint has to keep; behind an instruction, what
//! it may take.
//!
//! An element is live where it may be read before it has been written. Views share buffers, so this is followed by ranges of elements. An
//! operation in flight writes its result later than it is issued, but within the block, and nobody touches the
//! register until then: nothing is in flight where an iteration begins, so it counts as written when it is issued.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::instr::{Instr, Reg, Role};
use crate::program::{Program, View};
use crate::validate::{Fault, Nesting};

/// By buffer, ranges of elements: in order, apart, not empty.
pub type Live = BTreeMap<u32, Vec<Range<u64>>>;

/// For every `loop`, what is live where an iteration of it begins, its counter having been set.
///
/// # Errors
/// Blocks that do not match; a valid program has none.
pub fn at_heads(program: &Program) -> Result<BTreeMap<u32, Live>, Fault> {
    Ok(found(program)?.heads)
}

/// What instructions are to the buffers that they touch, by instruction.
#[derive(Debug)]
pub struct Uses {
    /// Buffers that it can take: it reads them through one register alone and writes nothing of them, and nothing of them is read behind it before
    /// it has been written again.
    pub last: Vec<Vec<u32>>,
    /// Buffers whose first elements it writes, side by side, and of which nothing else is live behind it, or touched before all of it is dead.
    pub alone: Vec<Vec<u32>>,
    /// Buffers of which nothing is live before it, and where what is read or written of them ends from here on, until nothing is live again.
    pub begun: Vec<Vec<(u32, u64)>>,
}

/// What all instructions are to buffers.
///
/// # Errors
/// As [`at_heads`].
pub fn uses(program: &Program) -> Result<Uses, Fault> {
    Ok(found(program)?.uses)
}

/// What is known at the end.
struct Found {
    heads: BTreeMap<u32, Live>,
    uses: Uses,
    /// By buffer, where what is touched of it ends: from the instruction on that the walk has come to.
    ends: BTreeMap<u32, u64>,
}

fn found(program: &Program) -> Result<Found, Fault> {
    let nesting = Nesting::of(program)?;
    let flow = Flow { program, nesting: &nesting };
    let none = || vec![Vec::new(); program.code.len()];
    let begun = vec![Vec::new(); program.code.len()];
    let uses = Uses { last: none(), alone: none(), begun };
    let mut found = Found { heads: BTreeMap::new(), uses, ends: BTreeMap::new() };
    // What is live at a head depends on what is live where the iteration ends, which is that head again. What the last walk says is right.
    loop {
        let before = found.heads.clone();
        flow.block(0..program.code.len() as u32, Live::new(), &mut found);
        if found.heads == before {
            return Ok(found);
        }
    }
}

struct Flow<'a> {
    program: &'a Program,
    nesting: &'a Nesting,
}

impl Flow<'_> {
    /// What is live before some instructions that form whole blocks, of what is live behind them.
    fn block(&self, range: Range<u32>, mut live: Live, found: &mut Found) -> Live {
        // Blocks are found from their beginnings, so these are listed first.
        let mut steps = Vec::new();
        let mut at = range.start;
        while at < range.end {
            steps.push(at);
            at = self.behind(at);
        }
        for at in steps.into_iter().rev() {
            live = self.step(at, live, found);
        }
        live
    }

    /// The instruction behind a block that begins here, or the next one.
    fn behind(&self, at: u32) -> u32 {
        let mut end = at;
        while let Some(&close) = self.nesting.close.get(&end) {
            end = close;
        }
        end + 1
    }

    fn step(&self, at: u32, mut live: Live, found: &mut Found) -> Live {
        let instr = &self.program.code[at as usize];
        match *instr {
            Instr::Loop { counter, .. } => {
                let end = self.nesting.close[&at];
                let mut exits = live.clone();
                join(&mut exits, found.heads.get(&at).unwrap_or(&Live::new()));
                // a loop with `break` ends there too, which `exits` has
                let mut head = self.block(at + 1..end, exits, found);
                join(found.heads.entry(at).or_default(), &head);
                self.written(counter, &mut head);
                // the loop may be jumped over
                join(&mut head, &live);
                head
            }
            Instr::If { cond } => {
                let close = self.nesting.close[&at];
                let other = match self.program.code[close as usize] {
                    Instr::Else {} => self.block(close + 1..self.nesting.close[&close], live.clone(), found),
                    _ => live.clone(),
                };
                let mut before = self.block(at + 1..close, live, found);
                join(&mut before, &other);
                self.read(cond, &mut before);
                before
            }
            _ => {
                let all = instr.registers().collect::<Vec<_>>();
                self.touched(&all, &mut found.ends);
                found.uses.last[at as usize] = self.last(&all, &live);
                found.uses.alone[at as usize] = self.alone(&all, &live, &found.ends);
                let with = |wanted: Role| all.iter().filter(move |(_, role)| *role == wanted);
                with(Role::Write).for_each(|(reg, _)| self.written(*reg, &mut live));
                with(Role::Read).for_each(|(reg, _)| self.read(*reg, &mut live));
                found.uses.begun[at as usize] = self.begun(&all, &live, &mut found.ends);
                live
            }
        }
    }

    /// Which buffers one of these registers reads and no other one touches, where nothing of them is live behind the instruction.
    fn last(&self, registers: &[(Reg, Role)], behind: &Live) -> Vec<u32> {
        let buffer = |reg: Reg| self.program.views[reg.0 as usize].buffer;
        let read = registers.iter().filter(|(_, role)| *role == Role::Read).map(|(reg, _)| buffer(*reg));
        let alone = |own: &u32| registers.iter().filter(|(reg, _)| buffer(*reg) == *own).count() == 1;
        read.filter(|own| !behind.contains_key(own) && alone(own)).collect()
    }

    /// Which buffers one of these registers writes from their beginning on, where nothing further behind in them is live behind the instruction, or
    /// touched before all of them is dead.
    fn alone(&self, registers: &[(Reg, Role)], behind: &Live, ends: &BTreeMap<u32, u64>) -> Vec<u32> {
        let view = |reg: Reg| &self.program.views[reg.0 as usize];
        let written = || registers.iter().filter(|(_, role)| *role == Role::Write).map(|(reg, _)| view(*reg));
        let first = |own: &&View| own.offset == 0 && own.is_dense() && !own.is_empty();
        let once = |own: &&View| written().filter(|other| other.buffer == own.buffer).count() == 1;
        let all = |own: &&View| {
            let behind =
                behind.get(&own.buffer).and_then(|ranges| ranges.last()).map_or(0, |range| range.end);
            behind.max(ends.get(&own.buffer).copied().unwrap_or(0)) <= own.len()
        };
        written().filter(first).filter(once).filter(all).map(|own| own.buffer).collect()
    }

    /// Registers are touched.
    fn touched(&self, registers: &[(Reg, Role)], ends: &mut BTreeMap<u32, u64>) {
        for (reg, _) in registers {
            let view = &self.program.views[reg.0 as usize];
            if let Some(reach) = reach(view) {
                let end = ends.entry(view.buffer).or_default();
                *end = reach.end.max(*end);
            }
        }
    }

    /// Which buffers of these registers are dead before the instruction, and where what is touched of them ends.
    fn begun(
        &self,
        registers: &[(Reg, Role)],
        before: &Live,
        ends: &mut BTreeMap<u32, u64>,
    ) -> Vec<(u32, u64)> {
        let mut dead: Vec<_> =
            registers.iter().map(|(reg, _)| self.program.views[reg.0 as usize].buffer).collect();
        dead.sort_unstable();
        dead.dedup();
        dead.retain(|buffer| !before.contains_key(buffer));
        dead.into_iter().filter_map(|buffer| Some((buffer, ends.remove(&buffer)?))).collect()
    }

    /// A register is read: at most all between its first and its last element.
    fn read(&self, reg: Reg, live: &mut Live) {
        let view = &self.program.views[reg.0 as usize];
        if let Some(reach) = reach(view) {
            insert(live.entry(view.buffer).or_default(), reach);
        }
    }

    /// A register is written: if its elements lie side by side, all of these.
    fn written(&self, reg: Reg, live: &mut Live) {
        let view = &self.program.views[reg.0 as usize];
        let dense = view.is_dense() && !view.is_empty();
        if let (true, Some(ranges)) = (dense, live.get_mut(&view.buffer)) {
            remove(ranges, view.offset..view.offset.saturating_add(view.len()));
            if ranges.is_empty() {
                live.remove(&view.buffer);
            }
        }
    }
}

/// All between the first and the last element of a view that has elements.
fn reach(view: &View) -> Option<Range<u64>> {
    if view.is_empty() {
        return None;
    }
    let (mut low, mut high) = (view.offset, view.offset);
    for dim in &view.dims {
        let reach = dim.stride.unsigned_abs().saturating_mul(u64::from(dim.size) - 1);
        if dim.stride < 0 {
            low = low.saturating_sub(reach);
        } else {
            high = high.saturating_add(reach);
        }
    }
    Some(low..high.saturating_add(1))
}

fn join(live: &mut Live, other: &Live) {
    for (buffer, ranges) in other {
        let own = live.entry(*buffer).or_default();
        ranges.iter().for_each(|range| insert(own, range.clone()));
    }
}

fn insert(ranges: &mut Vec<Range<u64>>, mut new: Range<u64>) {
    let (touching, mut apart): (Vec<_>, Vec<_>) =
        ranges.drain(..).partition(|range| range.start <= new.end && new.start <= range.end);
    for range in touching {
        new = new.start.min(range.start)..new.end.max(range.end);
    }
    let at = apart.partition_point(|range| range.start < new.start);
    apart.insert(at, new);
    *ranges = apart;
}

fn remove(ranges: &mut Vec<Range<u64>>, old: Range<u64>) {
    let rest =
        |range: Range<u64>| [range.start..range.end.min(old.start), range.start.max(old.end)..range.end];
    *ranges = ranges.drain(..).flat_map(rest).filter(|range| range.start < range.end).collect();
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ranges_are_what_sets_of_elements_are() {
        let mut state = 1u64;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..500 {
            let (mut ranges, mut set) = (Vec::new(), BTreeSet::new());
            for _ in 0..12 {
                let start = next(20);
                let range = start..start + 1 + next(8);
                if next(2) == 0 {
                    insert(&mut ranges, range.clone());
                    set.extend(range);
                } else {
                    remove(&mut ranges, range.clone());
                    set.retain(|element| !range.contains(element));
                }
                let listed: Vec<u64> = ranges.iter().cloned().flatten().collect();
                assert_eq!(listed, set.iter().copied().collect::<Vec<_>>(), "{ranges:?}");
                assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start), "{ranges:?}");
            }
        }
    }
}
