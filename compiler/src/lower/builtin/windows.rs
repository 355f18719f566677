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
    /// The windows of `size` on the last two axes, `stride` apart: both grow by two axes. Zeros are laid around first, `before` and
    /// `after` each axis. The elements of a window are `dilation` apart. Each of these is one number for both axes, or a list of
    /// two. It is what convolutions and pooling are made of.
    /// Example: `windows(x, 2, stride=2)`.
    whole "windows"(
        x: Tensor("[..s, h, w]"),
        size: ConstInt("[..t]"),
        stride: ConstInt("[..t]") = "1",
        before: ConstInt("[..t]") = "0",
        after: ConstInt("[..t]") = "before",
        dilation: ConstInt("[..t]") = "1"
    ) -> "tensor[..s, y, x, ..size]" = |l, args, _| l.windows(args);

    /// A product of two tensors, summed over named axes: a letter per axis, `"bcyxij,ocij->boyx"`. Letters of both operands
    /// that are missing behind the arrow are summed over.
    /// Example: `einsum("ij,kj->ik", x, x)`.
    whole "einsum"(letters: Text(""), a: Num("[..s]"), b: Num("[..t]")) -> "num[..u]" = |l, args, _| l.einsum(args);
}

impl Lowerer<'_> {
    /// Windows of the last two axes, with so many zeros before and after each of them; as many after as before, if only that is said.
    fn windows(&mut self, args: &Args) -> Value {
        let Some(grid) = self.window_grid(args) else { return Value::Error };
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
        let (outer, image) = (&shape[..first], [shape[first], shape[first + 1]]);
        let padded = grid.padded(image);
        if let Some(why) = grid.refused(image, padded) {
            return self.error(Code::T015, args.span, why, "");
        }
        let counts = [0, 1].map(|i| (padded[i] - grid.span(i)) / grid.strides[i] + 1);
        let spans = [0, 1].map(|i| grid.span(i));
        if !self.bounded(&[outer, &counts, &spans].concat(), args.span)
            || !self.bounded(&[outer, &padded].concat(), args.span)
        {
            return Value::Error;
        }
        let mut id = t.id;
        if padded != image {
            let around = |zeros: [usize; 2]| [vec![0; first], zeros.to_vec()].concat();
            let interior = vec![0; shape.len()];
            id = self
                .builder
                .one(Op::Pad { low: around(grid.before), high: around(grid.after), interior }, &[id]);
        }
        let op = Op::Windows { first, sizes: spans.to_vec(), strides: grid.strides.to_vec() };
        id = self.builder.one(op, &[id]);
        if spans != grid.sizes {
            let step = [vec![1; first + 2], grid.dilation.to_vec()].concat();
            let shape = [outer, &counts, &grid.sizes].concat();
            id = self.builder.one(Op::Slice { start: vec![0; first + 4], step, shape }, &[id]);
        }
        self.tensor(id, t.elem, t.since)
    }

    /// What is said of the windows besides the image.
    fn window_grid(&mut self, args: &Args) -> Option<Grid> {
        let sizes = self.pair(args, 1)?;
        let strides = if args.given(2) { self.pair(args, 2)? } else { [1; 2] };
        let before = if args.given(3) { self.pair(args, 3)? } else { [0; 2] };
        let after = if args.given(4) { self.pair(args, 4)? } else { before };
        let dilation = if args.given(5) { self.pair(args, 5)? } else { [1; 2] };
        Some(Grid { sizes, strides, before, after, dilation })
    }

    /// One number for two axes, or one for each.
    fn pair(&mut self, args: &Args, i: usize) -> Option<[usize; 2]> {
        match args.value(i) {
            Value::Const(k) if k.shape.is_empty() => self.size(args, i).map(|n| [n; 2]),
            other => match self.sizes(args, i)?[..] {
                [a, b] => Some([a, b]),
                _ => {
                    let found = other.describe();
                    self.error(
                        Code::T004,
                        args.span(i),
                        "one number is needed here, or one for each of two axes",
                        found,
                    );
                    None
                }
            },
        }
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

/// How windows lie on the two axes of an image.
struct Grid {
    /// Elements of a window.
    sizes: [usize; 2],
    /// How far apart windows are.
    strides: [usize; 2],
    /// Zeros in front of the image.
    before: [usize; 2],
    /// Zeros behind it.
    after: [usize; 2],
    /// How far apart the elements of a window are.
    dilation: [usize; 2],
}

impl Grid {
    /// The image with its zeros.
    fn padded(&self, image: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|i| image[i].saturating_add(self.before[i]).saturating_add(self.after[i]))
    }

    /// From the first to the last element of a window, along an axis.
    fn span(&self, i: usize) -> usize {
        self.sizes[i].saturating_sub(1).saturating_mul(self.dilation[i]).saturating_add(1)
    }

    /// Why there are no such windows on an image, if so.
    fn refused(&self, image: [usize; 2], padded: [usize; 2]) -> Option<String> {
        let [height, width] = image;
        let zero = [
            (self.strides, "windows 0 apart: the stride is at least 1"),
            (self.dilation, "elements 0 apart: the dilation is at least 1"),
            (self.sizes, "windows of no size: it is at least 1"),
        ];
        if let Some((_, why)) = zero.into_iter().find(|(numbers, _)| numbers.contains(&0)) {
            return Some(why.into());
        }
        let zeros = if padded == image {
            String::new()
        } else {
            format!(", with zeros {} by {}", padded[0], padded[1])
        };
        let spans = [self.span(0), self.span(1)];
        (0..2).any(|i| spans[i] > padded[i]).then(|| {
            let [rows, columns] = spans;
            format!("windows of {rows} by {columns} are larger than the image of {height} by {width}{zeros}")
        })
    }
}
