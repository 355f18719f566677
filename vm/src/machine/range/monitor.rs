//! Watching a run.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use tern_bytecode::instr::Role;
use tern_bytecode::program::{Line, RangeCheck, Rounding};
use tern_bytecode::{Instr, Program, Reg};

use super::scan::{bits, extremes};
use super::{LineRange, RangeReport, Violation, Watch, Wrong, product};
use crate::machine::error::{place, place_of};
use crate::machine::host::Trip;
use crate::machine::memory::Memory;
use crate::par::Threads;
use crate::ring::Ring;

/// A declared range, and the signed bits that surely lie in it.
struct Check {
    range: RangeCheck,
    safe: u32,
}

/// Looks at operands and results of instructions.
pub(in crate::machine) struct RangeMonitor<'a> {
    program: &'a Program,
    watch: Watch,
    checks: HashMap<u32, Vec<Check>>,
    largest: BTreeMap<Line, (u32, f64)>,
    outside: BTreeMap<(Line, u8), Violation>,
    /// Whether the truncation that is being executed has an operand other than zero.
    something: bool,
    /// For every truncation that had operands other than zero, whether its results were zero each time.
    vanished: BTreeMap<u32, bool>,
}

/// What a monitor has seen, as it is kept.
#[derive(Serialize, Deserialize)]
struct Seen {
    largest: Vec<(Line, (u32, f64))>,
    outside: Vec<(Line, Violation)>,
    vanished: Vec<(u32, bool)>,
}

/// Where something went wrong: the instruction, the user's line, and the library's.
#[derive(Clone, Copy)]
struct Site {
    at: u32,
    line: Line,
    inner: Line,
}

impl<'a> RangeMonitor<'a> {
    /// Nothing, if there is nothing to look at.
    pub(in crate::machine) fn new(program: &'a Program, watch: Watch) -> Option<Self> {
        if watch == Watch::Nothing {
            return None;
        }
        let mut checks: HashMap<u32, Vec<Check>> = HashMap::new();
        for range in &program.ranges {
            let safe = safe_bits(range);
            checks.entry(range.at).or_default().push(Check { range: *range, safe });
        }
        Some(Self {
            program,
            watch,
            checks,
            largest: BTreeMap::new(),
            outside: BTreeMap::new(),
            something: false,
            vanished: BTreeMap::new(),
        })
    }

    /// What was seen so far.
    pub(in crate::machine) fn save(&self) -> Vec<u8> {
        let seen = Seen {
            largest: self.largest.iter().map(|(line, largest)| (*line, *largest)).collect(),
            outside: self.outside.iter().map(|((line, _), violation)| (*line, violation.clone())).collect(),
            vanished: self.vanished.iter().map(|(at, all)| (*at, *all)).collect(),
        };
        postcard::to_stdvec(&seen).expect("numbers and texts")
    }

    /// Takes back what [`save`](Self::save) gave; `None` if that is something else.
    pub(in crate::machine) fn restore(&mut self, state: &[u8]) -> Option<()> {
        let seen: Seen = postcard::from_bytes(state).ok()?;
        self.largest = seen.largest.into_iter().collect();
        let outside = seen.outside.into_iter();
        self.outside = outside.map(|(line, violation)| ((line, violation.wrong.way()), violation)).collect();
        self.vanished = seen.vanished.into_iter().collect();
        Some(())
    }

    /// Looks at the operands of an instruction.
    pub(in crate::machine) fn before<R: Ring>(
        &mut self,
        at: u32,
        loops: &[Trip],
        memory: &Memory<R>,
        threads: &Threads,
    ) {
        let read = |reg: Reg| memory.read::<R>(reg);
        let ring = |reg: Reg| is_ring(self.program, reg);
        let wrapped = |factor: Option<f64>| factor.map(|factor| Wrong::Wrapped { factor });
        let wrong = match self.program.code[at as usize] {
            Instr::Truncate { a, bits, .. } | Instr::SelectAgain { a, bits: bits @ 1.., .. } => {
                self.truncation(memory, threads, a, (R::BITS, bits))
            }
            Instr::TruncateOpened { a, bits, width, .. } => {
                self.truncation(memory, threads, a, (width, bits))
            }
            Instr::Sign { a, width, .. } => compared(memory, threads, a, width),
            Instr::SignTested { a, high, .. } => compared(memory, threads, a, high),
            Instr::Mul { a, b, .. } => wrapped(product::elementwise(threads, read(a), read(b))),
            Instr::MulPlain { a, b, .. } => wrapped(product::elementwise(threads, read(a), read(b))),
            Instr::Contract { a, b, axes, .. } => {
                wrapped(product::contracted(threads, read(a), read(b), axes))
            }
            Instr::Sum { a, axes, .. } if ring(a) => wrapped(product::summed(threads, read(a), axes)),
            _ => None,
        };
        if let Some(wrong) = wrong {
            let line = self.program.lines[at as usize];
            self.violation(Site { at, line, inner: line }, loops, wrong);
        }
    }

    /// Looks at the result of an instruction.
    pub(in crate::machine) fn after<R: Ring>(
        &mut self,
        at: u32,
        loops: &[Trip],
        memory: &Memory<R>,
        threads: &Threads,
    ) {
        if let Instr::Truncate { dst, .. } | Instr::TruncateOpened { dst, .. } =
            self.program.code[at as usize]
            && self.something
        {
            let zero = extremes(memory.read::<R>(dst)) == Some((R::ZERO, R::ZERO));
            *self.vanished.entry(at).or_insert(true) &= zero;
        }
        let Some(checks) = self.checks.get(&at) else { return };
        let Some(dst) = self.result(at) else { return };
        if self.watch == Watch::Limits {
            let found = bits(threads, memory.read::<R>(dst));
            if checks.iter().all(|check| found <= check.safe) {
                return;
            }
        }
        let Some((low, high)) = extremes(memory.read::<R>(dst)) else { return };
        let mut outside = Vec::new();
        for Check { range, .. } in checks {
            let scale = 2f64.powi(-(range.frac as i32));
            let (low, high) = (low.to_f64() * scale, high.to_f64() * scale);
            let magnitude = high.max(-low);
            let line = self.largest.entry(self.program.lines[at as usize]).or_insert((at, magnitude));
            if magnitude > line.1 {
                *line = (at, magnitude);
            }
            let below = (range.low - low).max(0.0) > (high - range.high).max(0.0);
            let value = if below { low } else { high };
            if value < range.low || value > range.high {
                outside.push((*range, value));
            }
        }
        for (range, value) in outside {
            let wrong = self.wrong(&range, value);
            self.violation(Site { at, line: range.line, inner: range.inner }, loops, wrong);
        }
    }

    pub(in crate::machine) fn report(self) -> RangeReport {
        let line = |at, largest| LineRange { at, place: place(self.program, at), largest };
        let vanished = self.vanished.iter().filter(|(_, always)| **always);
        let lines = self.largest.values().filter(|_| self.watch == Watch::Everything);
        RangeReport {
            lines: lines.map(|&(at, largest)| line(at, largest)).collect(),
            vanished: vanished.map(|(&at, _)| line(at, 0.0)).collect(),
            outside: self.outside.into_values().collect(),
        }
    }

    /// The contract of `fix` is told from what the source states by its bound.
    fn wrong(&self, range: &RangeCheck, value: f64) -> Wrong {
        let header = &self.program.header;
        let whole = range.frac == 0;
        let bound = 2f64.powi(header.total as i32 - 1 - if whole { 0 } else { header.frac as i32 });
        let step = 2f64.powi(-(range.frac.min(header.frac) as i32));
        let near = |end: f64| (end.abs() - bound).abs() <= 2.0 * step.max(bound * f64::EPSILON);
        let open = |end: f64| near(end) || end.abs() > bound;
        if open(if value < range.low { range.low } else { range.high }) {
            return Wrong::Contract { value, bound, whole };
        }
        // Where the source leaves an end open, the contract's stands there.
        let low = if open(range.low) { f64::NEG_INFINITY } else { range.low };
        let high = if open(range.high) { f64::INFINITY } else { range.high };
        Wrong::Range { value, low, high }
    }

    fn violation(&mut self, site: Site, loops: &[Trip], wrong: Wrong) {
        let inside =
            (site.inner.file != site.line.file).then(|| place_of(self.program, site.inner)).flatten();
        let known = self.outside.entry((site.line, wrong.way())).or_insert_with(|| Violation {
            at: site.at,
            place: place_of(self.program, site.line),
            inside: inside.clone(),
            loops: loops.iter().map(|trip| trip.now).collect(),
            wrong,
            times: 0,
        });
        known.times += 1;
        if wrong.excess() > known.wrong.excess() {
            (known.wrong, known.inside) = (wrong, inside);
        }
    }

    fn truncation<R: Ring>(
        &mut self,
        memory: &Memory<R>,
        threads: &Threads,
        a: Reg,
        (width, places): (u32, u32),
    ) -> Option<Wrong> {
        let view = memory.read::<R>(a);
        let spare = match self.program.header.rounding {
            Rounding::Probabilistic => 1,
            Rounding::Nearest => 2,
        };
        let suspicious = bits(threads, view) > width - spare;
        if !suspicious && self.watch == Watch::Limits {
            return None;
        }
        let (low, high) = extremes(view)?;
        self.something = self.watch == Watch::Everything && (low, high) != (R::ZERO, R::ZERO);
        let bound = self.truncatable::<R>(width, places);
        let within = low.signed_cmp(&-bound).is_ge() && high.signed_cmp(&bound).is_le();
        let factor = high.to_f64().max(-low.to_f64()) / bound.to_f64();
        (!within).then_some(Wrong::Truncation { factor })
    }

    /// The largest magnitude of `width` bits that can be truncated by `bits`.
    fn truncatable<R: Ring>(&self, width: u32, bits: u32) -> R {
        let quarter = R::power_of_two(width - 2);
        match self.program.header.rounding {
            Rounding::Nearest if bits > 0 => quarter - R::power_of_two(bits - 1) - R::ONE,
            Rounding::Probabilistic | Rounding::Nearest => quarter,
        }
    }

    /// The register of ring elements that an instruction writes, if it does.
    fn result(&self, at: u32) -> Option<Reg> {
        let mut registers = self.program.code[at as usize].registers();
        registers.find(|&(reg, role)| role != Role::Read && is_ring(self.program, reg)).map(|(reg, _)| reg)
    }
}

/// Whether a sign is taken of a value that does not fit the width.
fn compared<R: Ring>(memory: &Memory<R>, threads: &Threads, a: Reg, width: u32) -> Option<Wrong> {
    let view = memory.read::<R>(a);
    if bits(threads, view) <= width {
        return None;
    }
    let (low, high) = extremes(view)?;
    let fits = low.bits_signed().max(high.bits_signed()) <= width;
    let factor = high.to_f64().max(-low.to_f64()) / 2f64.powi(width as i32 - 1);
    (!fits).then_some(Wrong::Comparison { factor })
}

fn is_ring(program: &Program, reg: Reg) -> bool {
    use tern_bytecode::Kind::{Additive, Plain, Shared};
    let buffer = program.views[reg.0 as usize].buffer;
    matches!(program.buffers[buffer as usize].kind, Plain | Shared | Additive)
}

/// The largest n for which all of -2^(n-1)..2^(n-1) lies within a range; 0 if there is none.
fn safe_bits(range: &RangeCheck) -> u32 {
    let scale = 2f64.powi(range.frac as i32);
    let room = (-range.low * scale).min(range.high * scale);
    if room < 1.0 { 0 } else { room.log2().floor().min(1000.0) as u32 + 1 }
}
