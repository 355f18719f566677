//! The derivative of a convolution by its image is a convolution.
//!
//! A convolution is a contraction of windows of an image with a filter. Its derivative by the image comes out of differentiation as patches,
//! one contraction for all of them, laid over one another. This pass gathers instead: every pixel is the sum over the windows that
//! it was in, so that neither the patches are ever written nor more elements truncated than the image has.
//!
//! | from | to |
//! |---|---|
//! | `overlay(permute(trunc(contract(d, w), m)))` | `permute(trunc(contract(windows(pad(d)), reverse(w)), m))` |
//!
//! Of d\[…, y, …\] with positions y and w\[…, i\] with offsets i, pixel h is the sum of d\[y\]·w\[i\] over s·y + i = h, for windows s apart. With s - 1 zeros between the
//! positions and k - 1 around them, d is an image of h + k - 1 pixels, and pixel h the sum of d[h + i]·w[k - 1 - i].
//!
//! It applies where all positions are axes of one operand and all offsets are axes of the other, and where the patches have no other use.

use tern_bytecode::instr::Axes;

use super::graph::{Rewriter, Rules, rewrite};
use crate::ir::{Inst, Op, Program, ValueId};

/// Turns scattered patches into convolutions.
pub fn run(program: &mut Program) {
    rewrite(program, &mut Convolutions);
}

/// Axes that a tensor may have.
const RANK: usize = 12;

struct Convolutions;

impl Rules for Convolutions {
    fn apply(&mut self, cx: &mut Rewriter, inst: &Inst) -> Option<Vec<ValueId>> {
        let Op::Overlay { first, sizes, strides, shape } = &inst.op else { return None };
        let patches = Patches::of(cx, inst.args[0])?;
        let grid = Grid { first: *first, sizes, strides, pixels: &shape[*first..*first + sizes.len()] };
        let plan = patches.plan(cx, &grid)?;
        Some(vec![plan.write(cx, self, &patches, &grid)])
    }
}

/// How windows lie in an image.
struct Grid<'a> {
    /// First axis of the positions.
    first: usize,
    sizes: &'a [usize],
    strides: &'a [usize],
    /// Sizes of the image along these axes.
    pixels: &'a [usize],
}

/// Patches as a contraction, then truncated and with its axes in another order.
struct Patches {
    operands: [ValueId; 2],
    axes: Axes,
    /// Patches' axis i is the contraction's axis order\[i\].
    order: Vec<usize>,
    /// By how many bits the contraction is truncated.
    bits: u32,
}

/// Which axes of the operands are concerned.
struct Plan {
    /// The operand with the positions; the other one has the offsets.
    image: usize,
    /// Axes of the image that are positions.
    positions: Vec<usize>,
    /// Axes of the other operand that are offsets.
    offsets: Vec<usize>,
    /// The same among the axes of the contraction.
    dropped: Vec<usize>,
}

impl Patches {
    fn of(cx: &Rewriter, patches: ValueId) -> Option<Patches> {
        let mut order: Vec<usize> = (0..cx.ty(patches).shape.len()).collect();
        let (mut value, mut bits) = (patches, 0);
        loop {
            let def = cx.own(value)?;
            match &def.op {
                Op::Permute(perm) => order.iter_mut().for_each(|axis| *axis = perm[*axis]),
                Op::Trunc { bits: more } => bits += more,
                Op::Contract(axes) => {
                    return Some(Patches { operands: [def.args[0], def.args[1]], axes: *axes, order, bits });
                }
                _ => return None,
            }
            value = def.args[0];
        }
    }

    fn plan(&self, cx: &Rewriter, grid: &Grid<'_>) -> Option<Plan> {
        let n = grid.sizes.len();
        let positions = &self.order[grid.first..grid.first + n];
        let offsets = &self.order[self.order.len() - n..];
        let (batch, rows) = (usize::from(self.axes.batch), usize::from(self.axes.rows));
        let inner = usize::from(self.axes.inner);
        let row = |axis: &usize| (batch..batch + rows).contains(axis);
        let col = |axis: &usize| *axis >= batch + rows;
        let image = match () {
            () if positions.iter().all(row) && offsets.iter().all(col) => 0,
            () if positions.iter().all(col) && offsets.iter().all(row) => 1,
            () => return None,
        };
        // Rows have the same number in the first operand; columns stand behind the inner axes in the second.
        let of_operand = |axes: &[usize], operand: usize| match operand {
            0 => axes.to_vec(),
            _ => axes.iter().map(|axis| axis - rows + inner).collect(),
        };
        let plan = Plan {
            image,
            positions: of_operand(positions, image),
            offsets: of_operand(offsets, 1 - image),
            dropped: offsets.to_vec(),
        };
        let shape = &cx.ty(self.operands[image]).shape;
        let pixels: usize = grid.pixels.iter().chain(grid.sizes).product();
        let others = (0..shape.len()).filter(|axis| !plan.positions.contains(axis)).map(|axis| shape[axis]);
        let elements = others.fold(pixels as u64, |all, size| all.saturating_mul(size as u64));
        (shape.len() + n <= RANK && elements < 1 << 32).then_some(plan)
    }
}

impl Plan {
    fn write(
        &self,
        cx: &mut Rewriter,
        rules: &mut Convolutions,
        patches: &Patches,
        grid: &Grid<'_>,
    ) -> ValueId {
        let mut operands = patches.operands;
        operands[self.image] = self.windows(cx, rules, operands[self.image], patches, grid);
        operands[1 - self.image] = self.filter(cx, rules, operands[1 - self.image], patches);
        let more = grid.sizes.len() as u8;
        let mut axes = Axes { inner: patches.axes.inner + more, ..patches.axes };
        match self.image {
            0 => axes.cols -= more,
            _ => axes.rows -= more,
        }
        let mut value = cx.emit(rules, Op::Contract(axes), &operands);
        if patches.bits > 0 {
            value = cx.emit(rules, Op::Trunc { bits: patches.bits }, &[value]);
        }
        let left = |axis: &usize| axis - self.dropped.iter().filter(|d| *d < axis).count();
        let order: Vec<usize> =
            patches.order.iter().filter(|axis| !self.dropped.contains(axis)).map(left).collect();
        cx.emit(rules, Op::Permute(order), &[value])
    }

    /// Windows of the operand with the positions, spread and padded so that there is one for every pixel. Their offsets become inner axes.
    fn windows(
        &self,
        cx: &mut Rewriter,
        rules: &mut Convolutions,
        operand: ValueId,
        patches: &Patches,
        grid: &Grid<'_>,
    ) -> ValueId {
        let shape = cx.ty(operand).shape.clone();
        let (rank, n) = (shape.len(), grid.sizes.len());
        // Positions first, and in the order of the offsets.
        let others: Vec<usize> = (0..rank).filter(|axis| !self.positions.contains(axis)).collect();
        let front = [&self.positions[..], &others].concat();
        let mut value = cx.emit(rules, Op::Permute(front.clone()), &[operand]);
        let mut around = [vec![0; rank], vec![0; rank], vec![0; rank]];
        for i in 0..n {
            let (size, stride) = (grid.sizes[i], grid.strides[i]);
            let spread = (shape[self.positions[i]] - 1) * stride + 1;
            around[0][i] = size - 1;
            around[1][i] = grid.pixels[i] - spread;
            around[2][i] = stride - 1;
        }
        let [low, high, interior] = around;
        value = cx.emit(rules, Op::Pad { low, high, interior }, &[value]);
        let windows = Op::Windows { first: 0, sizes: grid.sizes.to_vec(), strides: vec![1; n] };
        value = cx.emit(rules, windows, &[value]);
        // Back to where the axes were, and the offsets to the end of the inner ones.
        let place = |axis: usize| front.iter().position(|f| *f == axis).unwrap_or(axis);
        let behind = self.behind_inner(patches, self.image);
        let mut order: Vec<usize> = (0..rank).map(place).collect();
        order.splice(behind..behind, rank..rank + n);
        cx.emit(rules, Op::Permute(order), &[value])
    }

    /// The operand with the offsets, which run backwards and become inner axes.
    fn filter(
        &self,
        cx: &mut Rewriter,
        rules: &mut Convolutions,
        operand: ValueId,
        patches: &Patches,
    ) -> ValueId {
        let axes = self.offsets.iter().fold(0, |mask, axis| mask | 1 << axis);
        let value = cx.emit(rules, Op::Reverse { axes }, &[operand]);
        let rank = cx.ty(operand).shape.len();
        let behind = self.behind_inner(patches, 1 - self.image);
        // Offsets are rows before the inner axes, or columns behind them: taking them out moves those in between.
        let mut order: Vec<usize> = (0..rank).filter(|axis| !self.offsets.contains(axis)).collect();
        let before = self.offsets.iter().filter(|axis| **axis < behind).count();
        order.splice(behind - before..behind - before, self.offsets.iter().copied());
        cx.emit(rules, Op::Permute(order), &[value])
    }

    /// The place behind the inner axes of an operand.
    fn behind_inner(&self, patches: &Patches, operand: usize) -> usize {
        let Axes { batch, rows, inner, .. } = patches.axes;
        usize::from(batch + inner) + if operand == 0 { usize::from(rows) } else { 0 }
    }
}
