//! Data movement: views wherever strides can express it, copies elsewhere.

use tern_bytecode::instr::{Instr, IntBinary, RealBinary};
use tern_bytecode::program::Constant;
use tern_bytecode::{Kind, View};

use super::{Selected, Selector, unexpected};
use crate::emit::error::Cause;
use crate::emit::view;
use crate::ir::{Inst, Op};

impl Selector<'_> {
    pub(super) fn moved(&mut self, inst: &Inst) -> Selected<()> {
        let a = self.place(inst.args[0])?;
        let result = match &inst.op {
            Op::Reshape(shape) => self.reshape(&a, shape)?,
            Op::Permute(perm) => view::permute(&a, perm),
            Op::Slice { start, step, shape } => view::slice(&a, start, step, shape),
            Op::Reverse { axes } => view::reverse(&a, *axes),
            Op::Broadcast(shape) => view::broadcast(&a, shape),
            Op::Windows { first, sizes, strides } => view::windows(&a, *first, sizes, strides),
            Op::Pad { low, interior, .. } => {
                let shape = self.ty(inst.results[0]).shape.clone();
                self.pad(&a, low, interior, &shape)?
            }
            Op::Concat { axis } => self.concat(inst, *axis)?,
            Op::Overlay { first, sizes, strides, shape } => {
                self.overlay(&a, *first, sizes, strides, shape)?
            }
            Op::Gather => self.gather(&a, &self.place(inst.args[1])?)?,
            Op::Scatter => {
                let (b, index) = (self.place(inst.args[1])?, self.place(inst.args[2])?);
                self.scatter(&a, &b, &index)?
            }
            _ => return Err(unexpected(inst)),
        };
        super::check(&view::shape(&result))?;
        self.set(inst.results[0], result);
        Ok(())
    }

    /// The same elements in a store of their own, in row-major order.
    fn copied(&mut self, a: &View) -> Selected<View> {
        let result = self.dense(self.kind(a), &view::shape(a))?;
        self.copy(&result, a)?;
        Ok(result)
    }

    fn reshape(&mut self, a: &View, shape: &[usize]) -> Selected<View> {
        if let Some(result) = view::reshape(a, shape) {
            return Ok(result);
        }
        let dense = self.copied(a)?;
        view::reshape(&dense, shape)
            .ok_or_else(|| Cause::Unexpected(format!("a reshape of {} elements to {shape:?}", a.len())))
    }

    fn pad(&mut self, a: &View, low: &[usize], interior: &[usize], shape: &[usize]) -> Selected<View> {
        if view::shape(a) == shape {
            return Ok(a.clone());
        }
        let result = self.fresh(self.kind(a), shape, Some(a))?;
        self.zero(&result)?;
        self.copy(&view::interior(&result, low, interior, &view::shape(a)), a)?;
        Ok(result)
    }

    fn concat(&mut self, inst: &Inst, axis: usize) -> Selected<View> {
        let ty = self.ty(inst.results[0]).clone();
        let parts = inst.args.iter().map(|arg| self.place(*arg)).collect::<Selected<Vec<View>>>()?;
        if parts.len() == 1 {
            return Ok(parts[0].clone());
        }
        let result = self.fresh(ty.kind, &ty.shape, parts.iter().find(|p| !p.is_empty()))?;
        let (mut start, step) = (vec![0; ty.shape.len()], vec![1; ty.shape.len()]);
        for part in &parts {
            let shape = view::shape(part);
            self.copy(&view::slice(&result, &start, &step, &shape), part)?;
            start[axis] += shape[axis];
        }
        Ok(result)
    }

    fn overlay(
        &mut self,
        a: &View,
        first: usize,
        sizes: &[usize],
        strides: &[usize],
        shape: &[usize],
    ) -> Selected<View> {
        let result = self.dense(self.kind(a), shape)?;
        let windows = view::windows(&result, first, sizes, strides);
        if view::distinct(&windows) {
            if windows.len() != result.len() {
                self.zero(&result)?;
            }
            self.copy(&windows, a)?;
            return Ok(result);
        }
        self.zero(&result)?;
        let rank = shape.len();
        let offsets: usize = sizes.iter().product();
        for flat in 0..offsets {
            let mut start = vec![0; rank + sizes.len()];
            let mut left = flat;
            for (i, size) in sizes.iter().enumerate().rev() {
                start[rank + i] = left % size;
                left /= size;
            }
            let place = at(&windows, &start, rank);
            let part = at(a, &start, rank);
            self.accumulate(&place, &part)?;
        }
        Ok(result)
    }

    /// `place += part`
    fn accumulate(&mut self, place: &View, part: &View) -> Selected<()> {
        if place.is_empty() {
            return Ok(());
        }
        let (dst, b) = (self.reg(place), self.reg(part));
        let a = dst;
        self.push(match self.kind(place) {
            Kind::Plain | Kind::Shared | Kind::Additive => Instr::Add { dst, a, b },
            Kind::Real => Instr::RealBinary { dst, op: RealBinary::Add, a, b },
            Kind::Int => Instr::IntBinary { dst, op: IntBinary::Add, a, b },
            Kind::Bit | Kind::Half => {
                return Err(Cause::Unexpected("a sum of overlapping windows of bits".into()));
            }
        });
        Ok(())
    }

    fn gather(&mut self, a: &View, index: &View) -> Selected<View> {
        let mut shape = view::shape(a);
        shape[0] = index.dims[0].size as usize;
        let result = self.fresh(self.kind(a), &shape, Some(a))?;
        if !result.is_empty() {
            let (dst, a, index) = (self.reg(&result), self.reg(a), self.reg(index));
            self.push(Instr::Gather { dst, a, index });
        }
        Ok(result)
    }

    fn scatter(&mut self, a: &View, b: &View, index: &View) -> Selected<View> {
        let result = self.fresh(self.kind(a), &view::shape(a), Some(a))?;
        self.copy(&result, a)?;
        if !b.is_empty() {
            let (dst, a, index) = (self.reg(&result), self.reg(b), self.reg(index));
            self.push(Instr::Scatter { dst, a, index });
        }
        Ok(result)
    }

    /// Fills a new store with zeros.
    pub(super) fn zero(&mut self, dst: &View) -> Selected<()> {
        if dst.is_empty() {
            return Ok(());
        }
        let shape = view::shape(dst);
        let kind = self.kind(dst);
        let zero = match kind {
            Kind::Real => self.constant(Constant::Real(vec![0.0]), Kind::Real, &shape)?,
            Kind::Int | Kind::Bit => self.constant(Constant::Int(vec![0]), Kind::Int, &shape)?,
            Kind::Plain | Kind::Shared | Kind::Additive | Kind::Half => self.plain(vec![0], &shape)?,
        };
        let (dst, a) = (self.reg(dst), self.reg(&zero));
        self.push(match kind {
            Kind::Plain | Kind::Real | Kind::Int => Instr::Copy { dst, a },
            Kind::Shared | Kind::Additive => Instr::Promote { dst, a },
            Kind::Bit => Instr::PromoteBits { dst, a },
            Kind::Half => return Err(Cause::Unexpected("zeros in the half of a bit".into())),
        });
        Ok(())
    }
}

/// The view at fixed positions of the axes from `rank` on.
fn at(windows: &View, start: &[usize], rank: usize) -> View {
    let mut sizes = view::shape(windows);
    sizes[rank..].fill(1);
    let mut part = view::slice(windows, start, &vec![1; sizes.len()], &sizes);
    part.dims.truncate(rank);
    part
}
