//! What ranges are good for: narrow comparisons, comparisons that are decided already, and messages.
//!
//! - [`Op::Sign`] gets the smallest width that its operand's range fits.
//! - Bits whose value is known become constants, and selections by them what they select.
//! - A truncation whose operand may be beyond the ring's head-room is an error ([`Code::R001`]): its result would be wrong.
//! - A constant that becomes secret although its type does not hold it is an error ([`Code::R002`]).
//! - A public factor that may be smaller than one step of its scale deserves a warning ([`Code::R004`]): it loses its digits, or vanishes.

use num_rational::BigRational;
use num_traits::{One, ToPrimitive, Zero};
use tern_bytecode::rings;

use super::graph::{Graph, Rewriter, Rules, rewrite};
use super::interval::{Interval, power};
use super::pattern;
use super::ranges::{Basis, Ranges, contract, largest, truncates};
use crate::diagnostics::{Code, Diagnostic, Span};
use crate::ir::{Const, Inst, Kind, Op, Origin, Program, Settings, Type, ValueId};

/// Narrows comparisons and reports what does not fit.
pub fn run(program: &mut Program, messages: &mut Vec<Diagnostic>) {
    let ranges = Ranges::of(program, &Graph::of(program), Basis::Contract);
    let mut rules = Narrow { ranges, messages: Vec::new(), reported: Vec::new() };
    rewrite(program, &mut rules);
    messages.append(&mut rules.messages);
}

struct Narrow {
    ranges: Ranges,
    messages: Vec<Diagnostic>,
    /// Places that have their message.
    reported: Vec<(Code, Span)>,
}

impl Rules for Narrow {
    fn apply(&mut self, cx: &mut Rewriter, inst: &Inst) -> Option<Vec<ValueId>> {
        let result = *inst.results.first()?;
        match inst.op {
            Op::Trunc { bits } => self.check_room(cx, inst, bits),
            Op::Mul | Op::Contract(_) => self.check_factors(cx, inst),
            Op::Promote => self.check_constant(cx, inst),
            _ => {}
        }
        let value = match inst.op {
            Op::PromoteBits | Op::If | Op::For { .. } | Op::Custom { .. } => return None,
            _ if cx.ty(result).kind == Kind::Bit => {
                let known = self.ranges.whole(cx.program, result);
                match (known.as_point(), &inst.op) {
                    (Some(bit), _) => self.constant_bits(cx, result, !bit.is_zero()),
                    (None, Op::Sign { width }) => self.narrowed(cx, inst, *width)?,
                    (None, _) => return None,
                }
            }
            Op::Select { keep: false, .. } => self.chosen(cx, inst)?,
            _ => return None,
        };
        Some(vec![value])
    }

    fn added(&mut self, cx: &Rewriter, inst: &Inst) {
        if inst.results.iter().any(|r| !self.ranges.knows(*r)) {
            self.ranges.define(cx.program, &cx.graph, inst);
        }
    }
}

impl Narrow {
    fn narrowed(&mut self, cx: &mut Rewriter, inst: &Inst, width: u32) -> Option<ValueId> {
        let range = self.ranges.compared(cx.program, &cx.graph, inst.args[0]);
        let needed = range.width().min(cx.program.settings.ring);
        (width == 0 || needed < width).then(|| cx.emit(self, Op::Sign { width: needed }, &inst.args))
    }

    fn constant_bits(&mut self, cx: &mut Rewriter, like: ValueId, set: bool) -> ValueId {
        let number = if set { BigRational::one() } else { BigRational::zero() };
        let ty = Type::int(cx.ty(like).shape.clone());
        let public = cx.emit(self, Op::Const(Const::splat(ty, number)), &[]);
        cx.emit(self, Op::PromoteBits, &[public])
    }

    /// A selection whose bit is known.
    fn chosen(&mut self, cx: &mut Rewriter, inst: &Inst) -> Option<ValueId> {
        let bit = self.ranges.whole(cx.program, inst.args[0]);
        if !bit.as_point()?.is_zero() {
            return Some(inst.args[1]);
        }
        let ty = cx.ty(inst.results[0]);
        let ty = Type::plain(ty.frac, ty.shape.clone());
        let zero = cx.emit(self, Op::Const(Const::splat(ty, BigRational::zero())), &[]);
        Some(cx.emit(self, Op::Promote, &[zero]))
    }

    fn check_room(&mut self, cx: &Rewriter, inst: &Inst, bits: u32) {
        let operand = inst.args[0];
        let range = self.ranges.whole(cx.program, operand);
        if !cx.ty(operand).is_secret() || truncates(&cx.program.settings, &range, bits) {
            return;
        }
        let (ring, frac) = (cx.program.settings.ring, cx.ty(operand).frac);
        self.report(Code::R001, inst.origin, || no_room(&range, ring, frac, inst.origin));
    }

    /// Constants that become secret: no protocol could tell one that does not fit from another number.
    fn check_constant(&mut self, cx: &Rewriter, inst: &Inst) {
        let Some(constant) = pattern::constant(&cx.graph, inst.args[0]) else { return };
        let (settings, frac) = (cx.program.settings, constant.ty.frac);
        let range = self.ranges.whole(cx.program, inst.args[0]);
        let held = contract(&settings, frac);
        if !held.contains(&range) {
            let worst = if held.high < range.high { &range.high } else { &range.low };
            let number = BigRational::new(worst.clone(), power(frac));
            self.report(Code::R002, inst.origin, || not_held(&number, &settings, frac, inst.origin));
        }
    }

    /// Public factors that are not constants: those are stored with all their digits.
    fn check_factors(&mut self, cx: &Rewriter, inst: &Inst) {
        for (factor, other) in [(inst.args[0], inst.args[1]), (inst.args[1], inst.args[0])] {
            if cx.ty(factor).kind != Kind::Plain || !cx.ty(other).is_secret() {
                continue;
            }
            let Some(numbers) = encoded(&cx.graph, factor) else { continue };
            let (low, high) = self.ranges.real(cx.program, numbers);
            let frac = cx.ty(factor).frac;
            let step = 2f64.powi(-(frac.min(1000) as i32));
            let (smallest, greatest) = (low.abs().min(high.abs()), low.abs().max(high.abs()));
            let one_sided = low > 0.0 || high < 0.0;
            if greatest > 0.0 && (greatest < step || one_sided && smallest < step) {
                self.report(Code::R004, inst.origin, || small_factor(low, high, frac, inst.origin));
            }
        }
    }

    /// One message per code and place.
    fn report(&mut self, code: Code, origin: Origin, message: impl FnOnce() -> Diagnostic) {
        if !self.reported.contains(&(code, origin.user)) {
            self.reported.push((code, origin.user));
            self.messages.push(message());
        }
    }
}

/// The doubles behind a public ring value.
fn encoded(graph: &Graph, value: ValueId) -> Option<ValueId> {
    let def = graph.def(value)?;
    match def.op {
        Op::Encode { .. } => Some(def.args[0]),
        Op::Broadcast(_) | Op::Reshape(_) | Op::Permute(_) | Op::Slice { .. } => encoded(graph, def.args[0]),
        _ => None,
    }
}

fn no_room(range: &Interval, ring: u32, frac: u32, origin: Origin) -> Diagnostic {
    let largest = largest(range, frac);
    let (needed, room) = (range.width(), ring - 1);
    let message = format!(
        "this may take {needed} bits before it is rounded, and a ring of {ring} bits has room for {room}"
    );
    let mut diagnostic = Diagnostic::error(Code::R001, message)
        .at(origin.user, format!("up to {} with {frac} fraction bits", short(largest)));
    if origin.inner != origin.user {
        diagnostic = diagnostic.label(origin.inner, "here");
    }
    diagnostic = diagnostic
        .why("a product has the fraction bits of both factors until it is rounded; beyond the room the result would be wrong");
    if let Some(more) = rings::at_least(ring.max(needed) + 1) {
        diagnostic = diagnostic.help(format!("--ring {more}"));
    }
    diagnostic.help("assume(e, low, high) of a factor, if it is smaller than `fix` allows")
}

fn not_held(number: &BigRational, settings: &Settings, frac: u32, origin: Origin) -> Diagnostic {
    let (name, point) = if frac == 0 { ("int", 0) } else { ("fix", settings.frac) };
    let text = match number.to_f64() {
        Some(double) if double.abs() < 1e15 => format!("{double}"),
        Some(double) => format!("{double:e}"),
        None => number.to_string(),
    };
    let digits = number.to_integer().magnitude().bits() as u32;
    let total = digits + 1 + point;
    let magnitude = i64::from(settings.total) - 1 - i64::from(point);
    let mut diagnostic = Diagnostic::error(Code::R002, format!("{name} does not hold {text} here"))
        .at(origin.user, format!("{name} holds what is below 2^{magnitude} in absolute value"));
    if origin.inner != origin.user {
        diagnostic = diagnostic.label(origin.inner, "here");
    }
    if total <= 128 {
        diagnostic = diagnostic.help(format!("more bits in all:  --fixed {},{total}", settings.frac));
    }
    diagnostic
}

fn small_factor(low: f64, high: f64, frac: u32, origin: Origin) -> Diagnostic {
    let between = if low == high {
        format!("public, {}", short(low))
    } else {
        format!("public, between {} and {}", short(low), short(high))
    };
    Diagnostic::warning(Code::R004, format!("this factor is less than one step of 2^-{frac}"))
        .at(origin.user, between)
        .why(format!("public factors that the program computes have {frac} fraction bits; constants keep all their digits"))
        .help("multiply by the small constant apart from the rest: RATE * (decay * g)")
}

/// A number to two digits.
fn short(number: f64) -> String {
    let digits = 1 - number.abs().log10().floor().clamp(-40.0, 40.0) as i32;
    match usize::try_from(digits) {
        Ok(digits) => format!("{number:.digits$}"),
        Err(_) => format!("{number:.0}"),
    }
}
