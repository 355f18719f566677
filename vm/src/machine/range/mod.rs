//! Range mode: what the values of a run in the clear amount to, and where they leave what the program was compiled for.
//!
//! Fixed-point numbers have declared ranges, and the protocols of truncations, comparisons and products are right within ranges only. Leaving
//! one is no error that a run under secret sharing could notice, so the emulator looks for it. A public number that meets secrets is checked
//! everywhere ([`super::checked`]).

mod monitor;
mod product;
mod scan;

use std::fmt;

use serde::{Deserialize, Serialize};

pub(super) use monitor::RangeMonitor;

/// What the emulator looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Watch {
    /// Nothing.
    #[default]
    Nothing,
    /// Whether values leave their ranges.
    Limits,
    /// That, and how large the values of every line are.
    Everything,
}

/// What the ranges of values were.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RangeReport {
    /// The largest magnitude on every line with fixed-point results, in the order of the source; with [`Watch::Everything`].
    pub lines: Vec<LineRange>,
    /// The worst value outside its range, for every source line and each way of leaving it, in the order of the source.
    pub outside: Vec<Violation>,
    /// Truncations whose results were zero throughout the run although their operands were not: numbers too small for the
    /// precision; with [`Watch::Everything`].
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Violation {
    /// The first instruction that computed one.
    pub at: u32,
    /// Source file and line of the user.
    pub place: Option<(String, u32)>,
    /// Source file and line of the function of the library that computed it, if that is another.
    pub inside: Option<(String, u32)>,
    /// The counters of the loops around it when it happened first, outermost first.
    pub loops: Vec<u32>,
    /// What is wrong, where it is worst.
    pub wrong: Wrong,
    /// How many executions of instructions left a range on this line in this way.
    pub times: u64,
}

/// In which way a value is outside its range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Wrong {
    /// A result is beyond `fix` (or, without fraction bits, beyond `int`).
    Contract {
        /// The value.
        value: f64,
        /// What the type holds is below this in absolute value.
        bound: f64,
        /// Whether the value has no fraction bits.
        whole: bool,
    },
    /// A result leaves the range that a `require` or an `assume` states.
    Range {
        /// The value.
        value: f64,
        /// The smallest allowed.
        low: f64,
        /// The largest allowed.
        high: f64,
    },
    /// A product is too large to be rounded in this ring: the protocol's result would be wrong.
    Truncation {
        /// How many times as large as allowed.
        factor: f64,
    },
    /// Two numbers are compared whose difference does not fit the comparison: its outcome would be another.
    Comparison {
        /// How many times as large as allowed the difference is.
        factor: f64,
    },
    /// A product or a sum is beyond the ring: it is another number.
    Wrapped {
        /// How many times as large as the ring's largest number.
        factor: f64,
    },
}

impl Wrong {
    /// Of several values that are wrong in one way, the worst has the largest.
    fn excess(&self) -> f64 {
        match *self {
            Wrong::Contract { value, bound, .. } => value.abs() / bound,
            Wrong::Range { value, low, high } => (low - value).max(value - high),
            Wrong::Truncation { factor } | Wrong::Comparison { factor } | Wrong::Wrapped { factor } => factor,
        }
    }

    /// Ways of leaving a range, of which one line has at most one violation each.
    fn way(&self) -> u8 {
        match self {
            Wrong::Contract { .. } => 0,
            Wrong::Range { .. } => 1,
            Wrong::Truncation { .. } => 2,
            Wrong::Comparison { .. } => 3,
            Wrong::Wrapped { .. } => 4,
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Wrong::Contract { value, bound, whole } => {
                let name = if whole { "int" } else { "fix" };
                write!(f, "a number reaches {}, {name} holds what is below {}", short(value), short(bound))
            }
            Wrong::Range { value, low, high } => {
                let limits = match (low.is_finite(), high.is_finite()) {
                    (true, true) if low == high => format!("to be {}", short(low)),
                    (true, false) => format!("to be {} or more", short(low)),
                    (false, true) => format!("to be {} or less", short(high)),
                    (true, true) | (false, false) => format!("to be within {}..{}", short(low), short(high)),
                };
                write!(f, "a number reaches {}, and is said {limits}", short(value))
            }
            Wrong::Truncation { factor } => {
                write!(f, "a product is {} times too large to be rounded", short(factor))
            }
            Wrong::Comparison { factor } => {
                write!(f, "numbers that are compared are {} times too far apart", short(factor))
            }
            Wrong::Wrapped { factor } => {
                write!(f, "a product or a sum is {} times too large for the ring", short(factor))
            }
        }
    }
}

/// A number to about seven digits; large and small ones with an exponent.
fn short(number: f64) -> String {
    let magnitude = number.abs();
    if magnitude == 0.0 || (1e-4..1e10).contains(&magnitude) {
        let digits = (6.0 - magnitude.max(1e-4).log10().floor()).clamp(0.0, 10.0) as usize;
        let text = format!("{number:.digits$}");
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        text.to_string()
    } else {
        format!("{number:.3e}")
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some((file, line)) => write!(f, "{file}:{line}: ")?,
            None => write!(f, "instruction {}: ", self.at)?,
        }
        write!(f, "{}", self.wrong)?;
        if let Some((file, line)) = &self.inside {
            write!(f, " (inside the library, {file}:{line})")?;
        }
        let loops: Vec<String> = self.loops.iter().map(u32::to_string).collect();
        match (self.times, loops.is_empty()) {
            (0 | 1, true) => Ok(()),
            (0 | 1, false) => write!(f, "; in iteration {}", loops.join(", ")),
            (times, true) => write!(f, "; {times} times"),
            (times, false) => write!(f, "; {times} times, first in iteration {}", loops.join(", ")),
        }
    }
}
