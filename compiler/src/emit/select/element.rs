//! Element-wise operations.
//!
//! Axes along which every operand repeats one element are computed once and repeated in the result's view.

use tern_bytecode::instr::{Instr, Reg};
use tern_bytecode::model::Forms;
use tern_bytecode::{Kind, View};

use super::{ANY, Selected, Selector, unexpected};
use crate::emit::view;
use crate::ir::{Inst, Op};

impl Selector<'_> {
    pub(super) fn element_wise(&mut self, inst: &Inst) -> Selected<()> {
        let mut operands = Vec::with_capacity(3);
        for arg in &inst.args {
            operands.push(self.place(*arg)?);
        }
        let kinds: Vec<Kind> = inst.results.iter().map(|r| self.ty(*r).kind).collect();
        let results = match &inst.op {
            Op::Rescale { .. } => operands,
            Op::Raise { bits } => {
                let factor = self.power_of_two(*bits, &operands[0])?;
                operands.push(factor);
                self.map(&kinds, &operands, |r| Some(Instr::MulPlain { dst: r[0], a: r[1], b: r[2] }), inst)?
            }
            Op::Trunc { bits } => vec![self.truncated(inst, operands.remove(0), *bits)?],
            Op::Add | Op::Sub => {
                operands[0] = self.coerced(&operands[0], kinds[0], inst)?;
                operands[1] = self.coerced(&operands[1], kinds[0], inst)?;
                self.map(&kinds, &operands, |r| plainly(inst, r), inst)?
            }
            Op::Mul => {
                if self.kind(&operands[0]) == Kind::Plain {
                    operands.swap(0, 1);
                }
                let public = self.kind(&operands[1]) == Kind::Plain;
                let form = if public { kinds[0] } else { Kind::Additive };
                let results = self.map(&[form], &operands, |r| Some(product(r, public)), inst)?;
                vec![self.coerced(&results[0], kinds[0], inst)?]
            }
            Op::Reshare => vec![self.coerced(&operands[0], kinds[0], inst)?],
            Op::Reveal if self.opens() => {
                let whole = self.whole(&operands[0], inst)?;
                self.map(&kinds, &[whole], |r| plainly(inst, r), inst)?
            }
            Op::Select { .. } | Op::SelectAgain { .. } if self.opens() => {
                let kept = kinds[1..].iter().copied();
                let forms: Vec<Kind> = std::iter::once(Kind::Additive).chain(kept).collect();
                let mut results = self.map(&forms, &operands, |r| plainly(inst, r), inst)?;
                results[0] = self.coerced(&results[0], kinds[0], inst)?;
                results
            }
            Op::Sign { width: 0 } => {
                let width = self.code.program.header.ring;
                self.map(
                    &kinds,
                    &operands,
                    |r| Some(Instr::Sign { dst: r[0], a: r[1], width, route: ANY }),
                    inst,
                )?
            }
            Op::Decode => {
                let frac = self.ty(inst.args[0]).frac;
                self.map(&kinds, &operands, |r| Some(Instr::Decode { dst: r[0], a: r[1], frac }), inst)?
            }
            _ => self.map(&kinds, &operands, |r| plainly(inst, r), inst)?,
        };
        for (value, place) in inst.results.iter().zip(results) {
            self.set(*value, place);
        }
        Ok(())
    }

    /// Applies an instruction to operands of one shape; its registers are given as results, then operands.
    fn map(
        &mut self,
        kinds: &[Kind],
        operands: &[View],
        make: impl FnOnce(&[Reg]) -> Option<Instr>,
        inst: &Inst,
    ) -> Selected<Vec<View>> {
        let shape = view::shape(&operands[0]);
        let repeated: Vec<bool> =
            (0..shape.len()).map(|i| operands.iter().all(|v| view::repeats(&v.dims[i]))).collect();
        let mut views: Vec<View> = operands.iter().map(|v| view::compact(v, &repeated)).collect();
        let small = view::shape(&views[0]);
        let full = views.iter().find(|v| !v.dims.iter().any(view::repeats)).unwrap_or(&views[0]).clone();
        let mut results = Vec::with_capacity(kinds.len());
        for kind in kinds {
            results.push(self.fresh(*kind, &small, Some(&full))?);
        }
        if !small.contains(&0) {
            let mut all = results.clone();
            all.append(&mut views);
            in_memory_order(&mut all);
            let registers: Vec<Reg> = all.iter().map(|v| self.reg(v)).collect();
            self.push(make(&registers).ok_or_else(|| unexpected(inst))?);
        }
        Ok(results.iter().map(|v| view::broadcast(v, &shape)).collect())
    }

    /// The value in another form: what `forms` has left implicit.
    pub(super) fn coerced(&mut self, value: &View, to: Kind, inst: &Inst) -> Selected<View> {
        let from = self.kind(value);
        if from == to {
            return Ok(value.clone());
        }
        let (one, opens) = (std::slice::from_ref(value), self.opens());
        let width = match inst.op {
            Op::Reshare => self.widths.used(inst.results[0]),
            _ => self.code.program.header.ring,
        };
        let convert = |r: &[Reg]| match (from, to) {
            (Kind::Plain, Kind::Shared | Kind::Additive) => Some(Instr::Promote { dst: r[0], a: r[1] }),
            (Kind::Shared, Kind::Additive) => Some(Instr::Widen { dst: r[0], a: r[1] }),
            (Kind::Additive, Kind::Shared) if opens => {
                Some(Instr::Open { dst: r[0], a: r[1], width, mask: 0 })
            }
            (Kind::Additive, Kind::Shared) => Some(Instr::Reshare { dst: r[0], a: r[1], route: ANY }),
            _ => None,
        };
        Ok(self.map(&[to], one, convert, inst)?.remove(0))
    }

    /// Whether values are opened under masks.
    pub(super) fn opens(&self) -> bool {
        self.code.program.header.protocol.model().forms == Forms::Opened
    }

    fn truncated(&mut self, inst: &Inst, a: View, bits: u32) -> Selected<View> {
        let kind = self.ty(inst.results[0]).kind;
        if bits == 0 {
            return self.coerced(&a, kind, inst);
        }
        let truncate = |r: &[Reg]| Some(Instr::Truncate { dst: r[0], a: r[1], bits, route: ANY });
        if kind != Kind::Plain && self.opens() {
            return self.truncated_opened(inst, &a, bits);
        }
        let one = std::slice::from_ref(&a);
        if kind != Kind::Plain {
            return Ok(self.map(&[kind], one, truncate, inst)?.remove(0));
        }
        // Public numbers are rounded to nearest by way of doubles.
        let (from, frac) = (self.ty(inst.args[0]).frac, self.ty(inst.results[0]).frac);
        let decode = |r: &[Reg]| Some(Instr::Decode { dst: r[0], a: r[1], frac: from });
        let number = self.map(&[Kind::Real], one, decode, inst)?;
        let encode = |r: &[Reg]| Some(Instr::Encode { dst: r[0], a: r[1], frac });
        Ok(self.map(&[kind], &number, encode, inst)?.remove(0))
    }

    /// The truncation of an opened value. If all that is wanted of it is to open the result, it does so itself.
    fn truncated_opened(&mut self, inst: &Inst, a: &View, bits: u32) -> Selected<View> {
        let (arg, result) = (inst.args[0], inst.results[0]);
        let width = match self.kind(a) {
            Kind::Shared => self.widths.used(arg),
            _ => self.code.program.header.ring,
        };
        let open = [self.coerced(a, Kind::Shared, inst)?];
        let opened = self.widths.is_opened(result);
        let more = if opened { self.widths.used(result).saturating_sub(width - bits) } else { 0 };
        let truncate =
            |r: &[Reg]| Some(Instr::TruncateOpened { dst: r[0], a: r[1], bits, width, more, mask: 0 });
        let form = if opened { Kind::Shared } else { Kind::Additive };
        let made = self.map(&[form], &open, truncate, inst)?.remove(0);
        if opened { Ok(made) } else { self.coerced(&made, self.ty(result).kind, inst) }
    }

    /// A value with all bits right, to be told to somebody.
    pub(super) fn whole(&mut self, a: &View, inst: &Inst) -> Selected<View> {
        let (width, ring) = (self.widths.used(inst.args[0]), self.code.program.header.ring);
        if width >= ring || self.kind(a) != Kind::Shared || !self.opens() {
            return Ok(a.clone());
        }
        let extend =
            |r: &[Reg]| Some(Instr::TruncateOpened { dst: r[0], a: r[1], bits: 0, width, more: 0, mask: 0 });
        Ok(self.map(&[Kind::Additive], std::slice::from_ref(a), extend, inst)?.remove(0))
    }

    /// The public factor 2^bits.
    fn power_of_two(&mut self, bits: u32, like: &View) -> Selected<View> {
        let mut bytes = vec![0; bits as usize / 8 + 1];
        bytes[bits as usize / 8] = 1 << (bits % 8);
        if bits % 8 == 7 && (bytes.len() as u32) < self.code.program.header.ring.div_ceil(8) {
            bytes.push(0); // not the sign
        }
        self.plain(bytes, &view::shape(like))
    }
}

/// Permutes the axes of all views so that the first runs through memory in order; element-wise operations do not care.
pub(super) fn in_memory_order(views: &mut [View]) {
    let strides = views[0].dims.iter().filter(|d| d.size > 1).map(|d| d.stride);
    if !strides.is_sorted_by(|a, b| a >= b) {
        let order = view::memory_order(&views[0]);
        for v in views {
            *v = view::permute(v, &order);
        }
    }
}

fn product(r: &[Reg], public: bool) -> Instr {
    if public {
        Instr::MulPlain { dst: r[0], a: r[1], b: r[2] }
    } else {
        Instr::Mul { dst: r[0], a: r[1], b: r[2] }
    }
}

/// Operations that are an instruction as they stand: results, then operands.
fn plainly(inst: &Inst, r: &[Reg]) -> Option<Instr> {
    let (dst, route) = (r[0], ANY);
    Some(match (&inst.op, &r[1..]) {
        (Op::RealUnary(op), &[a]) => Instr::RealUnary { dst, op: *op, a },
        (Op::RealBinary(op), &[a, b]) => Instr::RealBinary { dst, op: *op, a, b },
        (Op::IntBinary(op), &[a, b]) => Instr::IntBinary { dst, op: *op, a, b },
        (Op::Compare(op), &[a, b]) => Instr::Compare { dst, op: *op, a, b },
        (Op::Choose, &[cond, a, b]) => Instr::Choose { dst, cond, a, b },
        (Op::IntToReal, &[a]) => Instr::IntToReal { dst, a },
        (Op::RealToInt, &[a]) => Instr::RealToInt { dst, a },
        (Op::Encode { frac }, &[a]) => Instr::Encode { dst, a, frac: *frac },
        (Op::DecodeInt, &[a]) => Instr::Decode { dst, a, frac: 0 },
        (Op::Add, &[a, b]) => Instr::Add { dst, a, b },
        (Op::Sub, &[a, b]) => Instr::Sub { dst, a, b },
        (Op::Neg, &[a]) => Instr::Neg { dst, a },
        (Op::Sign { width }, &[a]) => Instr::Sign { dst, a, width: *width, route },
        (Op::SignTested { low, high }, &[a]) => Instr::SignTested { dst, a, low: *low, high: *high, route },
        (Op::And, &[a, b]) => Instr::And { dst, a, b, route },
        (Op::Xor, &[a, b]) => Instr::Xor { dst, a, b },
        (Op::Not, &[a]) => Instr::Not { dst, a },
        (Op::AndPublic, &[a, b]) => Instr::AndPublic { dst, a, b },
        (Op::PromoteBits, &[a]) => Instr::PromoteBits { dst, a },
        (Op::Select { keep: false, .. }, &[bit, a]) => Instr::Select { dst, keep: None, bit, a, route },
        (Op::Select { keep: true, .. }, &[keep, bit, a]) => {
            Instr::Select { dst, keep: Some(keep), bit, a, route }
        }
        (Op::SelectAgain { bits, .. }, &[half, bit, a]) => {
            Instr::SelectAgain { dst, half, bit, a, bits: *bits, route }
        }
        (Op::Promote, &[a]) => Instr::Promote { dst, a },
        (Op::Widen, &[a]) => Instr::Widen { dst, a },
        (Op::Reveal, &[a]) => Instr::Reveal { dst, a, route },
        (Op::RevealBits, &[a]) => Instr::RevealBits { dst, a, route },
        _ => return None,
    })
}
