//! Windows of images, and products over named axes.

use tern_bytecode::instr::Axes;

use super::Args;
use super::table::builtins;
use crate::diagnostics::Code;
use crate::ir::Op;
use crate::lower::Lowerer;
use crate::lower::arith::shape_of;
use crate::lower::value::{Value, show_shape};

builtins! {
    /// The windows of `size` by `size` on the last two axes, `stride` apart: both grow by two axes. Zeros are laid around
    /// first, `before` and `after` each axis. It is what convolutions and pooling are made of.
    whole "windows"(
        x: Tensor("[..s, h, w]"),
        size: ConstInt(""),
        stride: ConstInt("") = "1",
        before: ConstInt("") = "0",
        after: ConstInt("") = "before"
    ) -> "tensor[..s, y, x, size, size]" = |l, args, _| l.windows(args);

    /// A product of two tensors, summed over named axes: a letter per axis, `"bcyxij,ocij->boyx"`. Letters of both operands
    /// that are missing behind the arrow are summed over.
    whole "einsum"(letters: Text(""), a: Num("[..s]"), b: Num("[..t]")) -> "num[..u]" = |l, args, _| l.einsum(args);
}

impl Lowerer<'_> {
    /// Windows of the last two axes, with so many zeros before and after each of them; as many after as before, if only that is said.
    fn windows(&mut self, args: &Args) -> Value {
        let Some(size) = self.size(args, 1) else { return Value::Error };
        let stride = if args.given(2) { self.size(args, 2) } else { Some(1) };
        let before = if args.given(3) { self.size(args, 3) } else { Some(0) };
        let after = if args.given(4) { self.size(args, 4) } else { before };
        let (Some(stride), Some(before), Some(after)) = (stride, before, after) else { return Value::Error };
        let x = args.value(0);
        let shape = shape_of(&x);
        let Value::Tensor(t) = x else {
            let found = args.value(0).describe();
            return self.error(Code::T003, args.span(0), "windows of a run-time tensor", found);
        };
        let Some(first) = shape.len().checked_sub(2) else {
            let text = format!("windows lie along two axes, this has {}", show_shape(&shape));
            return self.error(Code::T015, args.span, text, "");
        };
        let padded = [first, first + 1].map(|axis| shape[axis].saturating_add(before).saturating_add(after));
        if let Some(why) = refused_windows(size, stride, [shape[first], shape[first + 1]], padded) {
            return self.error(Code::T015, args.span, why, "");
        }
        let counts = padded.map(|length| (length - size) / stride + 1);
        let grid = [&shape[..first], &counts, &[size, size]].concat();
        if !self.bounded(&grid, args.span) || !self.bounded(&[&shape[..first], &padded].concat(), args.span) {
            return Value::Error;
        }
        let mut id = t.id;
        if before + after > 0 {
            let around = |zeros: usize| [vec![0; first], vec![zeros; 2]].concat();
            let interior = vec![0; shape.len()];
            id = self.builder.one(Op::Pad { low: around(before), high: around(after), interior }, &[id]);
        }
        let op = Op::Windows { first, sizes: vec![size, size], strides: vec![stride, stride] };
        let id = self.builder.one(op, &[id]);
        self.tensor(id, t.elem, t.since)
    }

    /// `einsum("bcyxij,ocij->boyx", x, w)` as one contraction.
    fn einsum(&mut self, args: &Args) -> Value {
        let Value::Text(letters) = args.value(0) else { return Value::Error };
        let (x, y) = (args.value(1), args.value(2));
        let parsed = letters
            .split_once("->")
            .and_then(|(l, out)| l.split_once(',').map(|(a, b)| (chars(a), chars(b), chars(out))));
        let fits = |(a, b, out): &(Vec<char>, Vec<char>, Vec<char>)| {
            a.len() == shape_of(&x).len()
                && b.len() == shape_of(&y).len()
                && distinct(a)
                && distinct(b)
                && distinct(out)
                && out.iter().all(|c| a.contains(c) || b.contains(c))
                && a.iter().chain(b).all(|c| out.contains(c) || (a.contains(c) && b.contains(c)))
        };
        let Some((a, b, out)) = parsed.filter(fits) else {
            let text = format!(
                "\"{letters}\" does not fit {} and {}",
                show_shape(&shape_of(&x)),
                show_shape(&shape_of(&y))
            );
            return self.error(Code::T008, args.span(0), text, "a letter per axis: \"ij,jk->ik\"");
        };
        let pick = |f: &dyn Fn(&char) -> bool, from: &[char]| -> Vec<char> {
            from.iter().copied().filter(|c| f(c)).collect()
        };
        let batch = pick(&|c| b.contains(c) && out.contains(c), &a);
        let rows = pick(&|c| !b.contains(c), &a);
        let inner = pick(&|c| b.contains(c) && !out.contains(c), &a);
        let cols = pick(&|c| !a.contains(c), &b);
        let order = |from: &[char], to: &[char]| -> Vec<usize> {
            to.iter().filter_map(|c| from.iter().position(|d| d == c)).collect()
        };
        let (left, right) = ([&batch[..], &rows, &inner].concat(), [&batch[..], &inner, &cols].concat());
        let sizes_agree = batch.iter().chain(&inner).all(|c| {
            let size = |from: &[char], shape: Vec<usize>| from.iter().position(|d| d == c).map(|i| shape[i]);
            size(&a, shape_of(&x)) == size(&b, shape_of(&y))
        });
        if !sizes_agree {
            let text =
                format!("\"{letters}\" on {} and {}", show_shape(&shape_of(&x)), show_shape(&shape_of(&y)));
            return self.error(Code::T008, args.span, text, "a letter has two sizes");
        }
        let axes = Axes {
            batch: batch.len() as u8,
            rows: rows.len() as u8,
            inner: inner.len() as u8,
            cols: cols.len() as u8,
        };
        let x = self.permuted(x, &order(&a, &left));
        let y = self.permuted(y, &order(&b, &right));
        let product = self.contract(x, y, axes, args.span);
        let have = [&batch[..], &rows, &cols].concat();
        self.permuted(product, &order(&have, &out))
    }
}

fn chars(text: &str) -> Vec<char> {
    text.trim().chars().collect()
}

fn distinct(letters: &[char]) -> bool {
    letters.iter().enumerate().all(|(i, c)| !letters[..i].contains(c))
}

/// Why there are no such windows on an image, if so.
fn refused_windows(size: usize, stride: usize, image: [usize; 2], padded: [usize; 2]) -> Option<String> {
    let [height, width] = image;
    if stride == 0 {
        return Some("windows 0 apart: the stride is at least 1".into());
    }
    if size == 0 {
        return Some("windows of no size: it is at least 1".into());
    }
    let zeros =
        if padded == image { String::new() } else { format!(", with zeros {} by {}", padded[0], padded[1]) };
    padded.iter().any(|length| size > *length).then(|| {
        format!("windows of {size} by {size} are larger than the image of {height} by {width}{zeros}")
    })
}
