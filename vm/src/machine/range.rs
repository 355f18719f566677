//! Range mode: what the values of a run in the clear amount to, and where they leave what the program was compiled for.
//!
//! Fixed-point numbers have declared ranges, truncations and signs have ranges outside of which their protocols are wrong. Neither is an error that a
//! run could notice under secret sharing, so the emulator looks for them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use tern_bytecode::instr::Role;
use tern_bytecode::program::{Line, RangeCheck, Rounding};
use tern_bytecode::{Instr, Program, Reg};

use super::error::{place, place_of};
use super::host::Trip;
use super::memory::Memory;
use crate::ring::{Loops, Ring, views};

/// What the ranges of values were.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RangeReport {
    /// The largest magnitude on every line with fixed-point results, in the order of the source.
    pub lines: Vec<LineRange>,
    /// The first value that left its range, for every source line, in the order of the source.
    pub outside: Vec<Violation>,
    /// Truncations whose results were zero throughout the run although their operands were not: numbers too small for the precision.
    pub vanished: Vec<LineRange>,
}

impl RangeReport {
    /// How many executions of instructions left their range.
    pub fn violations(&self) -> u64 {
        self.outside.iter().map(|violation| violation.times).sum()
    }
}

/// The largest value of a line.
#[derive(Debug, Clone, PartialEq)]
pub struct LineRange {
    /// The instruction that had it.
    pub at: u32,
    /// Source file and line.
    pub place: Option<(String, u32)>,
    /// Its magnitude.
    pub largest: f64,
}

/// A value outside its range.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation {
    /// The instruction.
    pub at: u32,
    /// Source file and line.
    pub place: Option<(String, u32)>,
    /// The counters of the loops around it, outermost first.
    pub loops: Vec<u32>,
    /// What is wrong.
    pub wrong: Wrong,
    /// How many executions of instructions left a range on this line.
    pub times: u64,
}

/// In which way a value is outside its range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wrong {
    /// A result leaves the range that the program declares or assumes.
    Range {
        /// The value.
        value: f64,
        /// The smallest allowed.
        low: f64,
        /// The largest allowed.
        high: f64,
    },
    /// The operand of a truncation is too large for the protocol: the result would be wrong.
    Truncation {
        /// Signed bits of the operand.
        bits: u32,
        /// Signed bits that the protocol can take.
        allowed: u32,
    },
    /// The operand of a sign does not fit the width at which it is taken: the sign is another bit.
    Sign {
        /// Signed bits of the operand.
        bits: u32,
        /// The width.
        width: u32,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some((file, line)) => write!(f, "{file}:{line}: ")?,
            None => write!(f, "instruction {}: ", self.at)?,
        }
        match self.wrong {
            Wrong::Range { value, low, high } => write!(f, "the value {value} is not within {low}..{high}")?,
            Wrong::Truncation { bits, allowed } => {
                write!(f, "a value of {bits} bits is truncated, the ring allows {allowed}")?;
            }
            Wrong::Sign { bits, width } => {
                write!(f, "a value of {bits} bits is compared as one of {width} bits")?;
            }
        }
        if !self.loops.is_empty() {
            let loops: Vec<String> = self.loops.iter().map(u32::to_string).collect();
            write!(f, " (in iteration {})", loops.join(", "))?;
        }
        if self.times > 1 {
            write!(f, "; {} times on this line", self.times)?;
        }
        Ok(())
    }
}

/// Watches a run.
pub(super) struct RangeMonitor<'a> {
    program: &'a Program,
    checks: HashMap<u32, Vec<RangeCheck>>,
    largest: BTreeMap<Line, (u32, f64)>,
    outside: BTreeMap<Line, Violation>,
    /// Whether the truncation that is being executed has an operand other than zero.
    something: bool,
    /// For every truncation that had operands other than zero, whether its results were zero each time.
    vanished: BTreeMap<u32, bool>,
}

impl<'a> RangeMonitor<'a> {
    pub(super) fn new(program: &'a Program) -> Self {
        let mut checks: HashMap<u32, Vec<RangeCheck>> = HashMap::new();
        for check in &program.ranges {
            checks.entry(check.at).or_default().push(*check);
        }
        Self {
            program,
            checks,
            largest: BTreeMap::new(),
            outside: BTreeMap::new(),
            something: false,
            vanished: BTreeMap::new(),
        }
    }

    /// Looks at the operands of an instruction.
    pub(super) fn before<R: Ring>(&mut self, at: u32, loops: &[Trip], memory: &Memory<R>) {
        match self.program.code[at as usize] {
            Instr::Truncate { a, bits, .. } => {
                let Some((low, high)) = extremes(memory.read::<R>(a)) else { return };
                self.something = (low, high) != (R::ZERO, R::ZERO);
                let bound = self.truncatable::<R>(bits);
                if low.signed_cmp(&-bound).is_lt() || high.signed_cmp(&bound).is_gt() {
                    let bits = low.bits_signed().max(high.bits_signed());
                    self.violation(
                        at,
                        self.line(at),
                        loops,
                        Wrong::Truncation { bits, allowed: R::BITS - 1 },
                    );
                }
            }
            Instr::Sign { a, width, .. } => {
                let Some((low, high)) = extremes(memory.read::<R>(a)) else { return };
                let bits = low.bits_signed().max(high.bits_signed());
                if bits > width {
                    self.violation(at, self.line(at), loops, Wrong::Sign { bits, width });
                }
            }
            _ => {}
        }
    }

    /// Looks at the result of an instruction.
    pub(super) fn after<R: Ring>(&mut self, at: u32, loops: &[Trip], memory: &Memory<R>) {
        if let Instr::Truncate { dst, .. } = self.program.code[at as usize]
            && self.something
        {
            let zero = extremes(memory.read::<R>(dst)) == Some((R::ZERO, R::ZERO));
            *self.vanished.entry(at).or_insert(true) &= zero;
        }
        let Some(checks) = self.checks.get(&at) else { return };
        let Some((low, high)) = self.result(at).and_then(|dst| extremes(memory.read::<R>(dst))) else {
            return;
        };
        let mut outside = Vec::new();
        for check in checks {
            let scale = 2f64.powi(-(check.frac as i32));
            let (low, high) = (low.to_f64() * scale, high.to_f64() * scale);
            let magnitude = high.max(-low);
            let line = self.largest.entry(self.program.lines[at as usize]).or_insert((at, magnitude));
            if magnitude > line.1 {
                *line = (at, magnitude);
            }
            let value = if low < check.low { low } else { high };
            if value < check.low || value > check.high {
                outside.push((check.line, Wrong::Range { value, low: check.low, high: check.high }));
            }
        }
        for (line, wrong) in outside {
            self.violation(at, line, loops, wrong);
        }
    }

    pub(super) fn report(self) -> RangeReport {
        let line = |at, largest| LineRange { at, place: place(self.program, at), largest };
        let vanished = self.vanished.iter().filter(|(_, always)| **always);
        RangeReport {
            lines: self.largest.values().map(|&(at, largest)| line(at, largest)).collect(),
            vanished: vanished.map(|(&at, _)| line(at, 0.0)).collect(),
            outside: self.outside.into_values().collect(),
        }
    }

    fn line(&self, at: u32) -> Line {
        self.program.lines[at as usize]
    }

    fn violation(&mut self, at: u32, line: Line, loops: &[Trip], wrong: Wrong) {
        let known = self.outside.entry(line).or_insert_with(|| {
            let loops = loops.iter().map(|trip| trip.now).collect();
            Violation { at, place: place_of(self.program, line), loops, wrong, times: 0 }
        });
        known.times += 1;
    }

    /// The largest magnitude that can be truncated by `bits`.
    fn truncatable<R: Ring>(&self, bits: u32) -> R {
        let quarter = R::power_of_two(R::BITS - 2);
        match self.program.header.rounding {
            Rounding::Probabilistic => quarter,
            Rounding::Nearest => quarter - R::power_of_two(bits - 1) - R::ONE,
        }
    }

    /// The register of ring elements that an instruction writes, if it does.
    fn result(&self, at: u32) -> Option<Reg> {
        let ring = |reg: Reg| {
            let buffer = self.program.views[reg.0 as usize].buffer;
            use tern_bytecode::Kind::{Additive, Plain, Shared};
            matches!(self.program.buffers[buffer as usize].kind, Plain | Shared | Additive)
        };
        let mut registers = self.program.code[at as usize].registers();
        registers.find(|&(reg, role)| role != Role::Read && ring(reg)).map(|(reg, _)| reg)
    }
}

/// The smallest and the largest signed value of a view, if it has any.
fn extremes<R: Ring>(view: views::View<'_, R>) -> Option<(R, R)> {
    if view.layout.is_empty() {
        return None;
    }
    let first = view.data[view.layout.offset];
    let (mut low, mut high) = (first, first);
    let loops = Loops::new(view.layout, []);
    let inner = loops.inner();
    loops.for_each(|at| {
        for i in 0..inner.len as isize {
            let value = view.data[at.dst.wrapping_add_signed(i * inner.stride.dst)];
            if value.signed_cmp(&low).is_lt() {
                low = value;
            }
            if value.signed_cmp(&high).is_gt() {
                high = value;
            }
        }
    });
    Some((low, high))
}
