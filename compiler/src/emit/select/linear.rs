//! Products over inner axes, sums, and the conversions between numbers and planes of bits.

use tern_bytecode::instr::{Axes, Instr};
use tern_bytecode::{Kind, View};

use super::{ANY, Selected, Selector, unexpected};
use crate::emit::code::Store;
use crate::emit::error::Cause;
use crate::emit::view;
use crate::ir::{Inst, Op};

impl Selector<'_> {
    pub(super) fn linear(&mut self, inst: &Inst) -> Selected<()> {
        let a = self.place(inst.args[0])?;
        let result = match &inst.op {
            Op::Contract(axes) => {
                let b = self.place(inst.args[1])?;
                self.contraction(inst, &a, &b, *axes)?
            }
            Op::Sum { axes } => self.sum(&a, *axes)?,
            Op::Bits { low, high } => self.bits(&a, *low, *high)?,
            Op::Word { compact } => {
                let word = self.word(&a, *compact)?;
                self.coerced(&word, self.ty(inst.results[0]).kind, inst)?
            }
            _ => return Err(unexpected(inst)),
        };
        self.set(inst.results[0], result);
        Ok(())
    }

    fn contraction(&mut self, inst: &Inst, a: &View, b: &View, axes: Axes) -> Selected<View> {
        if self.kind(a) == Kind::Plain && self.kind(b) != Kind::Plain {
            return self.mirrored(inst, a, b, axes);
        }
        let public = self.kind(b) == Kind::Plain;
        let kind = if public { self.kind(a) } else { Kind::Additive };
        let (n, r, i) = (usize::from(axes.batch), usize::from(axes.rows), usize::from(axes.inner));
        let shape = [&view::shape(a)[..n + r], &view::shape(b)[n + i..]].concat();
        let result = self.dense(kind, &shape)?;
        if !result.is_empty() {
            let (dst, a, b) = (self.reg(&result), self.reg(a), self.reg(b));
            self.push(Instr::Contract { dst, a, b, axes });
        }
        self.coerced(&result, self.ty(inst.results[0]).kind, inst)
    }

    /// The public operand comes second: the transposed product of the transposed operands, all of them views.
    fn mirrored(&mut self, inst: &Inst, a: &View, b: &View, axes: Axes) -> Selected<View> {
        let [n, r, i, c] = [axes.batch, axes.rows, axes.inner, axes.cols].map(usize::from);
        let swap = |first: usize, second: usize| -> Vec<usize> {
            (0..n).chain(n + first..n + first + second).chain(n..n + first).collect()
        };
        let (left, right) = (view::permute(b, &swap(i, c)), view::permute(a, &swap(r, i)));
        let axes = Axes { rows: axes.cols, cols: axes.rows, ..axes };
        let result = self.contraction(inst, &left, &right, axes)?;
        Ok(view::permute(&result, &swap(c, r)))
    }

    fn sum(&mut self, a: &View, axes: u32) -> Selected<View> {
        let kept = |i: &usize| axes >> *i & 1 == 0;
        let rest = View { dims: (0..a.dims.len()).filter(kept).map(|i| a.dims[i]).collect(), ..a.clone() };
        if (0..a.dims.len()).all(|i| kept(&i) || a.dims[i].size == 1) {
            return Ok(rest);
        }
        let result = self.fresh(self.kind(a), &view::shape(&rest), Some(&rest))?;
        if !result.is_empty() {
            let (dst, a) = (self.reg(&result), self.reg(a));
            self.push(Instr::Sum { dst, a, axes });
        }
        Ok(result)
    }

    /// Planes begin with words, and lie one behind the other whatever the order of the other axes.
    fn bits(&mut self, a: &View, low: u32, high: u32) -> Selected<View> {
        let shape = view::shape(a);
        let one = self.fresh(Kind::Bit, &shape, Some(a))?;
        let plane = self.code.program.buffers[one.buffer as usize].len;
        let planes = u64::from(high - low);
        let owner = self.code.stores[one.buffer as usize].owner;
        let elements = planes * self.code.stores[one.buffer as usize].elements;
        let len = plane.checked_mul(planes).filter(|n| *n <= tern_bytecode::validate::MAX_ELEMENTS);
        let len = len.ok_or(Cause::Elements(u128::from(plane) * u128::from(planes)))?;
        if shape.len() >= tern_bytecode::validate::MAX_AXES {
            return Err(Cause::Axes(shape.len() + 1));
        }
        let buffer = self.code.store(Kind::Bit, len, Store { owner, elements, home: false });
        self.makers.push(None);
        let mut result = View { buffer, ..one };
        result.dims.insert(0, view::dim(planes as usize, plane as i64));
        if !result.is_empty() {
            let (dst, a) = (self.reg(&result), self.reg(a));
            self.push(Instr::Bits { dst, a, low, high, route: ANY });
        }
        Ok(result)
    }

    fn word(&mut self, a: &View, compact: bool) -> Selected<View> {
        let plane = View { dims: a.dims[1..].to_vec(), ..a.clone() };
        let kind = if self.opens() { Kind::Additive } else { Kind::Shared };
        let result = self.fresh(kind, &view::shape(&plane), Some(&plane))?;
        if a.dims[0].size == 0 {
            self.zero(&result)?;
        } else if !result.is_empty() {
            let (dst, a) = (self.reg(&result), self.reg(a));
            self.push(match compact {
                true => Instr::Compose { dst, a, route: ANY },
                false => Instr::Word { dst, a, route: ANY },
            });
        }
        Ok(result)
    }
}
