//! Functions that only move elements.

use super::Args;
use crate::diagnostics::Code;
use crate::ir::Op;
use crate::lower::Lowerer;
use crate::lower::arith::{broadcast_shape, shape_of};
use crate::lower::value::{Value, flat, show_shape};

impl Lowerer<'_> {
    pub(super) fn movement(&mut self, name: &str, args: &Args<'_>) -> Value {
        if name == "concat" {
            let Value::Tuple(parts) = args.value(0) else { return Value::Error };
            let rank = parts.first().and_then(Value::shape).map_or(0, <[usize]>::len);
            let axis = if args.given(2) { self.axis(args, 2, rank) } else { rank.checked_sub(1) };
            return match axis {
                Some(axis) => self.concat(parts.to_vec(), axis, args.span),
                None => self.error(
                    Code::T008,
                    args.span,
                    "scalars have no axis to go along",
                    "use a list: [a, b]",
                ),
            };
        }
        let Some(x) = self.tensor_only(args.value(0), args, 0) else { return Value::Error };
        let shape = shape_of(&x);
        match name {
            "reshape" => {
                let Some(target) = self.sizes(args, 1) else { return Value::Error };
                if target.iter().product::<usize>() != shape.iter().product::<usize>() {
                    let text = format!("{} does not reshape to {}", show_shape(&shape), show_shape(&target));
                    return self.error(Code::T008, args.span, text, "another number of elements");
                }
                self.reshaped(x, target)
            }
            "broadcast" => {
                let Some(target) = self.sizes(args, 1) else { return Value::Error };
                if broadcast_shape(&shape, &target).as_ref() != Some(&target) {
                    let text = format!("{} does not stretch to {}", show_shape(&shape), show_shape(&target));
                    return self.error(Code::T008, args.span, text, "");
                }
                self.broadcast(x, &target)
            }
            "permute" => {
                let Some(axes) = self.sizes(args, 1) else { return Value::Error };
                let mut sorted = axes.clone();
                sorted.sort_unstable();
                if !sorted.iter().copied().eq(0..shape.len()) {
                    return self.error(
                        Code::T013,
                        args.span(1),
                        format!("not an order of {} axes", shape.len()),
                        "",
                    );
                }
                self.permuted(x, &axes)
            }
            "transpose" => {
                if shape.len() < 2 {
                    return self.error(
                        Code::T008,
                        args.span(0),
                        "transpose needs two axes",
                        show_shape(&shape),
                    );
                }
                let mut axes: Vec<usize> = (0..shape.len()).collect();
                axes.swap(shape.len() - 2, shape.len() - 1);
                self.permuted(x, &axes)
            }
            "expand" => {
                let axis =
                    if args.given(1) { self.axis(args, 1, shape.len() + 1) } else { Some(shape.len()) };
                let Some(axis) = axis else { return Value::Error };
                let mut target = shape;
                target.insert(axis, 1);
                self.reshaped(x, target)
            }
            _ => {
                let axis =
                    if args.given(1) { self.axis(args, 1, shape.len()) } else { shape.len().checked_sub(1) };
                let Some(axis) = axis else { return x };
                self.reversed(x, axis)
            }
        }
    }

    pub(super) fn reversed(&mut self, x: Value, axis: usize) -> Value {
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
