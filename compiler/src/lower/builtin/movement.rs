//! Functions that only move elements.

use super::table::builtins;
use super::{Args, axis_count};
use crate::diagnostics::Code;
use crate::ir::Op;
use crate::lower::Lowerer;
use crate::lower::arith::{broadcast_shape, shape_of};
use crate::lower::value::{Value, flat, show_shape};

builtins! {
    /// The same elements in another shape of the same size, in row-major order. One of the sizes may be -1: what is left for it.
    /// Example: `reshape(x, [2, -1])`.
    whole "reshape"(x: Tensor("[..s]"), shape: ConstInt("[n]")) -> "tensor[..shape]" = |l, args, _| l.reshape(args);

    /// Stretched to a shape: sizes are equal or 1, counted from the right. Operators do so by themselves as long as only one
    /// side is stretched.
    /// Example: `broadcast(v, [4, 6])`.
    whole "broadcast"(x: Tensor("[..s]"), shape: ConstInt("[n]")) -> "tensor[..shape]" = |l, args, _| l.stretch(args);

    /// With the axes in another order: axis i of the result is axis `axes[i]` of x.
    /// Example: `permute(x, [1, 0])`.
    whole "permute"(x: Tensor("[..s]"), axes: ConstInt("[n]")) -> "tensor[..t]" = |l, args, _| l.permute(args);

    /// With the last two axes exchanged.
    /// Example: `transpose(x)`.
    whole "transpose"(x: Tensor("[..s, n, m]")) -> "tensor[..s, m, n]" = |l, args, _| l.transpose(args);

    /// With a new axis of size 1.
    /// Example: `expand(v, axis=0)`.
    whole "expand"(x: Tensor("[..s]"), axis: ConstInt("") = "behind the last") -> "tensor[..t]"
        = |l, args, _| l.expand(args);

    /// With the elements along an axis in the opposite order.
    /// Example: `reverse(x, axis=0)`.
    whole "reverse"(x: Tensor("[..s]"), axis: ConstInt("") = "the last") -> "tensor[..s]" = |l, args, _| l.reverse(args);

    /// One after the other along an axis; without one along the last (NumPy and PyTorch: the first).
    /// Example: `concat(x, x, axis=0)`.
    whole "concat"(parts: Parts("[..s]"), axis: ConstInt("") = "the last") -> "tensor[..t]" = |l, args, _| l.chain(args);
}

impl Lowerer<'_> {
    fn reshape(&mut self, args: &Args) -> Value {
        let x = args.value(0);
        let shape = shape_of(&x);
        let Some(target) = self.sizes_for(args, 1, shape.iter().product()) else { return Value::Error };
        if target.iter().product::<usize>() != shape.iter().product::<usize>() {
            let text = format!("{} does not reshape to {}", show_shape(&shape), show_shape(&target));
            return self.error(Code::T008, args.span, text, "another number of elements");
        }
        self.reshaped(x, target)
    }

    fn stretch(&mut self, args: &Args) -> Value {
        let (x, Some(target)) = (args.value(0), self.sizes(args, 1)) else { return Value::Error };
        let shape = shape_of(&x);
        if broadcast_shape(&shape, &target).as_ref() != Some(&target) {
            let text = format!("{} does not stretch to {}", show_shape(&shape), show_shape(&target));
            return self.error(Code::T008, args.span, text, "");
        }
        self.broadcast(x, &target)
    }

    fn permute(&mut self, args: &Args) -> Value {
        let (x, Some(axes)) = (args.value(0), self.sizes(args, 1)) else { return Value::Error };
        let rank = shape_of(&x).len();
        let mut sorted = axes.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..rank) {
            let text = format!("not an order of {}", axis_count(rank));
            return self.error(Code::T013, args.span(1), text, "each number once, from 0");
        }
        self.permuted(x, &axes)
    }

    fn transpose(&mut self, args: &Args) -> Value {
        let x = args.value(0);
        let rank = shape_of(&x).len();
        if rank < 2 {
            let found = show_shape(&shape_of(&x));
            return self.error(Code::T008, args.span(0), "transpose needs two axes", found);
        }
        let mut axes: Vec<usize> = (0..rank).collect();
        axes.swap(rank - 2, rank - 1);
        self.permuted(x, &axes)
    }

    fn expand(&mut self, args: &Args) -> Value {
        let x = args.value(0);
        let mut target = shape_of(&x);
        let axis = if args.given(1) { self.axis(args, 1, target.len() + 1) } else { Some(target.len()) };
        let Some(axis) = axis else { return Value::Error };
        target.insert(axis, 1);
        self.reshaped(x, target)
    }

    fn reverse(&mut self, args: &Args) -> Value {
        let x = args.value(0);
        let rank = shape_of(&x).len();
        match (args.given(1), rank.checked_sub(1)) {
            (true, _) => self.axis(args, 1, rank).map_or(Value::Error, |axis| self.reversed(x, axis)),
            (false, Some(last)) => self.reversed(x, last),
            (false, None) => x,
        }
    }

    fn chain(&mut self, args: &Args) -> Value {
        let Value::Tuple(parts) = args.value(0) else { return Value::Error };
        if parts.is_empty() {
            return self.error(Code::T001, args.span, "concat needs parts", "concat(a, b)");
        }
        if let Some(other) = parts.iter().find(|p| p.shape().is_none()) {
            return self.error(Code::T003, args.span, "concat is of tensors", other.describe());
        }
        let rank = parts[0].shape().map_or(0, <[usize]>::len);
        let axis = if args.given(1) { self.axis(args, 1, rank) } else { rank.checked_sub(1) };
        match axis {
            Some(axis) => self.concat(parts.to_vec(), axis, args.span),
            None if args.given(1) => Value::Error,
            None => {
                self.error(Code::T008, args.span, "scalars have no axis to go along", "use a list: [a, b]")
            }
        }
    }

    fn reversed(&mut self, x: Value, axis: usize) -> Value {
        match x {
            Value::Const(k) => {
                let from = k.shape.clone();
                let source = |at: &[usize]| {
                    let mut index = at.to_vec();
                    index[axis] = from[axis] - 1 - index[axis];
                    flat(&from, &index)
                };
                Value::Const(k.picked(from.clone(), source))
            }
            Value::Tensor(t) => {
                let id = self.builder.one(Op::Reverse { axes: 1 << axis }, &[t.id]);
                self.tensor(id, t.elem, t.since)
            }
            other => other,
        }
    }
}
