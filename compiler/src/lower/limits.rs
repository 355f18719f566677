//! What a program may ask of the compiler. docs/language.md lists these limits; each of them ends in a message, and all together keep
//! any compilation within ten seconds and a gigabyte.
//!
//! Work is counted as fuel: a step of evaluation is one unit, and so is an element of a constant whose elements differ; long numbers
//! count more, because their fractions are reduced. Fuel is for the whole program, whatever is undone.

use num_rational::BigRational;
use tern_bytecode::validate::MAX_AXES;

use super::Lowerer;
use super::value::{self, Konst, Value};
use crate::diagnostics::{Code, Diagnostic, Span};

/// Units of work before the compiler gives up on a program that expands without end.
pub(super) const FUEL: u64 = 4_000_000;
/// Calls within one another before the same.
pub(super) const MAX_CALLS: usize = 200;
/// Expressions within one another, through all calls.
pub(super) const MAX_DEPTH: usize = 4_000;
/// Loops and branches within one another that the machine runs.
pub(super) const MAX_BLOCKS: usize = 64;
/// Values of the expanded program.
pub(super) const MAX_VALUES: usize = 1 << 17;
/// Messages that are shown.
pub(super) const MAX_MESSAGES: usize = 100;
/// Elements that a tensor of the program may have. Room is left for what is computed bit by bit: the intermediate representation counts
/// up to 2^40.
pub(super) const MAX_ELEMENTS: usize = 1 << 32;
/// Elements that a constant may have if they differ.
pub(super) const MAX_LIST: usize = 1 << 20;
/// Parts that are only known when the program runs, of a list or a concatenation. What memory each part has is compared with all others.
pub(super) const MAX_PARTS: usize = 1 << 13;
/// Bits of a constant number, numerator and denominator together.
pub(super) const MAX_BITS: u64 = 1 << 15;
/// Tensors of a model or a tuple.
pub(super) const MAX_TENSORS: usize = 1 << 12;

/// A limit of the whole program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    Fuel,
    Values,
}

impl Limit {
    /// What is said at the place where it was reached.
    pub(super) fn message(self, span: Span) -> Diagnostic {
        match self {
            Limit::Fuel => Diagnostic::error(Code::T020, "this program expands without end")
                .at(span, "still expanding here")
                .note(format!(
                    "it gives up after {FUEL} steps; a loop that is not expanded is one, long constants are many"
                )),
            Limit::Values => Diagnostic::error(Code::T020, "this program expands to too many instructions")
                .at(span, "still expanding here")
                .note(format!("there can be {MAX_VALUES}; loops are expanded under `unroll`, and where a loop inside is bounded by their counter")),
        }
    }
}

impl Lowerer<'_> {
    /// Counts a step of evaluation; `false` when the program has used up what there is.
    pub(super) fn step(&mut self, span: Span) -> bool {
        if self.builder.program.values.len() > MAX_VALUES {
            self.exhaust(Limit::Values, span);
        }
        self.spend(1, span)
    }

    /// Counts so much work; `false` when the program has used up what there is.
    pub(super) fn spend(&mut self, work: usize, span: Span) -> bool {
        self.fuel = self.fuel.saturating_sub(work as u64);
        if self.fuel == 0 {
            self.exhaust(Limit::Fuel, span);
        }
        self.exhausted.is_none()
    }

    fn exhaust(&mut self, limit: Limit, span: Span) {
        self.exhausted.get_or_insert((limit, span));
        self.fuel = 0;
    }

    /// Whether there are as many messages as anybody will read.
    pub(super) fn said_enough(&self) -> bool {
        self.diagnostics.len() >= MAX_MESSAGES
    }

    /// Whether a tensor may have this shape; reports it if not.
    pub(super) fn bounded(&mut self, shape: &[usize], span: Span) -> bool {
        let len = elements(shape);
        let text = if shape.len() > MAX_AXES {
            format!("a tensor of {} axes; there can be {MAX_AXES}", shape.len())
        } else if len.is_none_or(|n| n > MAX_ELEMENTS) {
            format!("a tensor of more than {MAX_ELEMENTS} elements")
        } else {
            return true;
        };
        let shown = if shape.len() > 3 * MAX_AXES { String::new() } else { value::show_shape(shape) };
        self.error(Code::B001, span, text, shown);
        false
    }

    /// Whether a constant of this shape may have a number for each of its elements; reports it if not, and counts the work.
    pub(super) fn listable(&mut self, shape: &[usize], span: Span) -> bool {
        let len = elements(shape);
        if len.is_none_or(|n| n > MAX_LIST) {
            let text = format!("a constant of more than {MAX_LIST} elements that differ");
            self.report(
                Diagnostic::error(Code::B001, text)
                    .at(span, value::show_shape(shape))
                    .help("make it an input: input x: fix[…] from party 0"),
            );
            return false;
        }
        self.spend(len.unwrap_or(0), span)
    }

    /// Counts what an operation on constants costs.
    pub(super) fn weigh(&mut self, k: &Konst, span: Span) -> bool {
        let (count, bits) = k.weight();
        let words = (bits / 64) as usize;
        self.spend(count.saturating_mul(1 + words * words / 64), span)
    }

    /// A constant that an operation gave, if its numbers are not too long.
    pub(super) fn short(&mut self, k: Konst, span: Span) -> Value {
        if k.weight().1 <= MAX_BITS {
            return Value::Const(k);
        }
        let largest = k.occurring().max_by_key(|n| length(n)).map(value::show_number).unwrap_or_default();
        let text = format!("a constant of more than {MAX_BITS} bits");
        self.report(Diagnostic::error(Code::B001, text).at(span, largest).note(
            "constants are exact: powers, products and sums of fractions grow by the bits of their operands",
        ));
        Value::Error
    }

    /// A structure, if it does not have too many tensors.
    pub(super) fn compact(&mut self, value: Value, span: Span) -> Value {
        let size = value.size();
        if size > MAX_TENSORS {
            self.oversized = true;
            let text = format!("more than {MAX_TENSORS} tensors in one value");
            return self.error(Code::B001, span, text, format!("{size} tensors"));
        }
        if self.spend(size, span) { value } else { Value::Error }
    }
}

fn length(n: &BigRational) -> u64 {
    n.numer().bits() + n.denom().bits()
}

/// Elements of a shape, if they can be counted.
fn elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1, |n: usize, size| n.checked_mul(*size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::{MAX_DIGITS, MAX_HEIGHT, MAX_NAME, MAX_SOURCE};

    /// 4,000,000
    fn grouped(n: u64) -> String {
        let digits = n.to_string();
        let groups: Vec<&str> =
            digits.as_bytes().rchunks(3).rev().map(|g| str::from_utf8(g).unwrap()).collect();
        groups.join(",")
    }

    #[test]
    fn the_language_page_has_every_limit() {
        let page = include_str!("../../../docs/language.md");
        let limits = page.split_once("\n## Limits\n").unwrap().1;
        let two_to = |n: usize| format!("2^{}", n.trailing_zeros());
        for said in [
            format!("| a file | {} MiB;", MAX_SOURCE >> 20),
            format!("| a name or a text | {MAX_NAME} bytes |"),
            format!("| {MAX_DIGITS} digits, and an exponent of {MAX_DIGITS} |"),
            format!("| operators and brackets inside one another | {MAX_HEIGHT} |"),
            format!("| {MAX_CALLS}; {} |", grouped(MAX_DEPTH as u64)),
            format!("through all calls | {MAX_BLOCKS} |"),
            format!("| {} steps |", grouped(FUEL)),
            format!("| the expanded program | {} values |", grouped(MAX_VALUES as u64)),
            format!("| a tensor | {MAX_AXES} axes, {} elements |", two_to(MAX_ELEMENTS)),
            format!("| a constant whose elements differ | {} elements |", grouped(MAX_LIST as u64)),
            format!("| a list of values that are not constants | {} values |", grouped(MAX_PARTS as u64)),
            format!("| {} bits |", grouped(MAX_BITS)),
            format!("| a model or a tuple | {} tensors |", grouped(MAX_TENSORS as u64)),
            format!("| messages | {MAX_MESSAGES},"),
        ] {
            assert!(limits.contains(&said), "{said}");
        }
    }
}
