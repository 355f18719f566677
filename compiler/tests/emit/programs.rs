//! Programs built by hand.

use num_rational::BigRational;
use tern_bytecode::Program;
use tern_bytecode::instr::{Axes, Comparison, IntBinary, RealBinary};
use tern_compiler::diagnostics::{FileId, Origin as FileOrigin, SourceMap, Span};
use tern_compiler::ir::{
    self, Builder, Const, Element, Input, Op, Optimise, Origin, Output, Place, Preparation, Protocol,
    Rounding, Settings, Type, ValueId,
};

/// The product of two matrices.
pub const MATRIX: Axes = Axes { batch: 0, rows: 1, inner: 1, cols: 1 };

/// A program under construction: every instruction on a line of its own.
pub struct Sketch {
    builder: Builder,
    sources: SourceMap,
    lines: u32,
}

pub fn number(p: i64, q: i64) -> BigRational {
    BigRational::new(p.into(), q.into())
}

impl Sketch {
    pub fn new() -> Sketch {
        let settings = Settings {
            protocol: Protocol::Rep3,
            ring: 64,
            frac: 16,
            total: 32,
            rounding: Rounding::Probabilistic,
            optimise: Optimise::Balanced,
        };
        let mut program = ir::Program::new("sketch", settings);
        program.explicit_forms = true;
        let mut sources = SourceMap::new();
        sources.add("sketch.mpc", "x\n".repeat(10_000), FileOrigin::User);
        let span = Span::new(FileId(0), 0, 1);
        Sketch { builder: Builder::new(program, Origin { user: span, inner: span }), sources, lines: 0 }
    }

    /// The bytecode, which has to be valid.
    pub fn emit(self) -> Program {
        let ir = self.builder.finish();
        let program = tern_compiler::emit::emit(&ir, &self.sources).unwrap_or_else(|e| panic!("{e:?}"));
        tern_bytecode::validate(&program).unwrap_or_else(|e| panic!("{e}"));
        program
    }

    pub fn push(&mut self, op: Op, args: &[ValueId]) -> Vec<ValueId> {
        self.next_line();
        self.builder.push(op, args).unwrap_or_else(|e| panic!("{e}"))
    }

    pub fn one(&mut self, op: Op, args: &[ValueId]) -> ValueId {
        self.push(op, args)[0]
    }

    fn next_line(&mut self) {
        let span = Span::new(FileId(0), 2 * self.lines, 2 * self.lines + 1);
        self.lines += 1;
        self.builder.origin = Origin { user: span, inner: span };
    }

    // ---- leaves and effects

    pub fn input(&mut self, shape: &[usize]) -> ValueId {
        let inputs = &mut self.builder.program.inputs;
        inputs.push(Input {
            name: format!("x{}", inputs.len()),
            field: String::new(),
            from: Place::Party((inputs.len() % 3) as u8),
            element: Element::Fix,
            shape: shape.to_vec(),
            frac: 16,
            prepare: Preparation::default(),
        });
        let index = inputs.len() as u32 - 1;
        self.one(Op::Input(index), &[])
    }

    pub fn output(&mut self, value: ValueId) {
        let outputs = &mut self.builder.program.outputs;
        outputs.push(Output {
            name: format!("y{}", outputs.len()),
            field: String::new(),
            to: Place::Party((outputs.len() % 3) as u8),
            element: Element::Fix,
        });
        let index = outputs.len() as u32 - 1;
        self.push(Op::Output(index), &[value]);
    }

    pub fn metric(&mut self, value: ValueId) {
        let name = self.builder.program.name_index("m");
        self.push(Op::Metric(name), &[value]);
    }

    pub fn splat(&mut self, ty: Type, value: BigRational) -> ValueId {
        self.one(Op::Const(Const::splat(ty, value)), &[])
    }

    pub fn plain(&mut self, frac: u32, shape: &[usize], value: i64) -> ValueId {
        self.splat(Type::plain(frac, shape), number(value, 1))
    }

    pub fn int(&mut self, shape: &[usize], value: i64) -> ValueId {
        self.splat(Type::int(shape), number(value, 1))
    }

    // ---- control

    /// A loop; `body` is given the counter and the carried values.
    pub fn repeat(
        &mut self,
        trips: u32,
        carried: &[ValueId],
        body: impl FnOnce(&mut Sketch, ValueId, &[ValueId]) -> Vec<ValueId>,
    ) -> Vec<ValueId> {
        self.repeat_until(trips, carried, false, body)
    }

    pub fn repeat_until(
        &mut self,
        trips: u32,
        carried: &[ValueId],
        breaks: bool,
        body: impl FnOnce(&mut Sketch, ValueId, &[ValueId]) -> Vec<ValueId>,
    ) -> Vec<ValueId> {
        let types: Vec<Type> = std::iter::once(Type::int([]))
            .chain(carried.iter().map(|v| self.builder.ty(*v).clone()))
            .collect();
        let params = self.builder.enter(&types);
        let next = body(self, params[0], &params[1..]);
        let region = self.builder.leave(next);
        self.next_line();
        self.builder
            .push_with(Op::For { trips, breaks }, carried, vec![region])
            .unwrap_or_else(|e| panic!("{e}"))
    }

    pub fn branch(
        &mut self,
        cond: ValueId,
        then: impl FnOnce(&mut Sketch) -> Vec<ValueId>,
        otherwise: impl FnOnce(&mut Sketch) -> Vec<ValueId>,
    ) -> Vec<ValueId> {
        self.builder.enter(&[]);
        let values = then(self);
        let first = self.builder.leave(values);
        self.builder.enter(&[]);
        let values = otherwise(self);
        let second = self.builder.leave(values);
        self.next_line();
        self.builder.push_with(Op::If, &[cond], vec![first, second]).unwrap_or_else(|e| panic!("{e}"))
    }

    // ---- one of each

    pub fn public_numbers(&mut self) {
        let ints = self.one(Op::Iota { start: 3, step: 2, len: 5 }, &[]);
        let order = self.one(Op::Shuffle { n: 5, len: 5 }, &[]);
        let sum = self.one(Op::IntBinary(IntBinary::Add), &[ints, order]);
        let less = self.one(Op::Compare(Comparison::Lt), &[sum, order]);
        let chosen = self.one(Op::Choose, &[less, sum, order]);
        let real = self.one(Op::IntToReal, &[chosen]);
        let uniform = self.one(Op::PublicUniform(vec![5]), &[]);
        let real = self.one(Op::RealBinary(RealBinary::Mul), &[real, uniform]);
        let back = self.one(Op::RealToInt, &[real]);
        let plain = self.one(Op::Encode { frac: 20 }, &[real]);
        let less = self.one(Op::Trunc { bits: 4 }, &[plain]);
        let real = self.one(Op::Decode, &[less]);
        let whole = self.one(Op::Encode { frac: 0 }, &[back]);
        let whole = self.one(Op::DecodeInt, &[whole]);
        let total = self.one(Op::Sum { axes: 1 }, &[whole]);
        self.metric(real);
        self.metric(total);
    }

    pub fn ring_arithmetic(&mut self, x: ValueId) {
        let shape = self.builder.ty(x).shape.clone();
        let c = self.plain(16, &shape, 3);
        let negative = self.one(Op::Neg, &[x]);
        let sum = self.one(Op::Add, &[negative, c]);
        let product = self.one(Op::Mul, &[sum, x]);
        let scaled = self.one(Op::Mul, &[c, x]);
        let wide = self.one(Op::Widen, &[scaled]);
        let both = self.one(Op::Sub, &[product, wide]);
        let summed = self.one(Op::Sum { axes: 1 }, &[both]);
        let shared = self.one(Op::Reshare, &[summed]);
        let short = self.one(Op::Trunc { bits: 20 }, &[shared]);
        let raised = self.one(Op::Raise { bits: 7 }, &[short]);
        let scaled = self.one(Op::Rescale { frac: 16 }, &[raised]);
        let bounded = self.one(Op::Assume { low: number(-1, 2), high: number(9, 1) }, &[scaled]);
        let promoted = self.one(Op::Promote, &[c]);
        let open = self.one(Op::Reveal, &[bounded]);
        let real = self.one(Op::Decode, &[open]);
        self.metric(real);
        self.output(promoted);
        self.output(bounded);
        let label = self.builder.program.name_index("both");
        self.push(Op::Debug(label), &[both]);
    }

    pub fn bit_arithmetic(&mut self, x: ValueId) {
        let shape = self.builder.ty(x).shape.clone();
        let sign = self.one(Op::Sign { width: 32 }, &[x]);
        let bits = self.one(Op::Bits { low: 3, high: 9 }, &[x]);
        let random = self.one(Op::RandomBits(shape.clone()), &[]);
        let both = self.one(Op::And, &[sign, random]);
        let either = self.one(Op::Xor, &[both, sign]);
        let not = self.one(Op::Not, &[either]);
        let ones = self.int(&shape, 1);
        let ones = self.one(Op::PromoteBits, &[ones]);
        let not = self.one(Op::Xor, &[not, ones]);
        let mask = self.int(&shape, 1);
        let masked = self.one(Op::AndPublic, &[not, mask]);
        let word = self.one(Op::Word { compact: false }, &[bits]);
        self.output(word);
        let kept = self.push(Op::Select { keep: true, additive: false }, &[masked, x]);
        let again = self.one(Op::SelectAgain { additive: true, bits: 0 }, &[kept[1], masked, kept[0]]);
        let again = self.one(Op::Reshare, &[again]);
        self.output(again);
        let open = self.one(Op::RevealBits, &[masked]);
        self.metric(open);
    }

    /// `x` is 4 by 6.
    pub fn movements(&mut self, x: ValueId) {
        let turned = self.one(Op::Permute(vec![1, 0]), &[x]);
        let flat = self.one(Op::Reshape(vec![24]), &[turned]);
        let slice = self.one(Op::Slice { start: vec![1, 0], step: vec![2, 3], shape: vec![2, 2] }, &[x]);
        let padded = self.one(Op::Pad { low: vec![1, 0], high: vec![0, 2], interior: vec![1, 0] }, &[slice]);
        let reversed = self.one(Op::Reverse { axes: 3 }, &[padded]);
        let joined = self.one(Op::Concat { axis: 1 }, &[reversed, reversed, padded]);
        let row = self.one(Op::Reshape(vec![1, 24]), &[flat]);
        let rows = self.one(Op::Broadcast(vec![3, 24]), &[row]);
        let windows = self.one(Op::Windows { first: 0, sizes: vec![2, 3], strides: vec![1, 2] }, &[x]);
        let overlay = Op::Overlay { first: 0, sizes: vec![2, 3], strides: vec![1, 2], shape: vec![4, 6] };
        let overlaid = self.one(overlay, &[windows]);
        let apart = self.one(Op::Windows { first: 0, sizes: vec![2, 2], strides: vec![2, 3] }, &[x]);
        let overlay = Op::Overlay { first: 0, sizes: vec![2, 2], strides: vec![2, 3], shape: vec![4, 6] };
        let spread = self.one(overlay, &[apart]);
        let order = self.one(Op::Shuffle { n: 4, len: 4 }, &[]);
        let gathered = self.one(Op::Gather, &[overlaid, order]);
        let scattered = self.one(Op::Scatter, &[spread, gathered, order]);
        for value in [joined, rows, scattered] {
            self.output(value);
        }
    }
}

/// A dense network of three layers, trained in batches: 784-128-128-10, squares for activations.
pub fn dense_training(epochs: u32, batches: u32) -> Sketch {
    let mut s = Sketch::new();
    let x = s.input(&[60000, 784]);
    let y = s.input(&[60000, 10]);
    let weights: Vec<ValueId> = [(784, 128), (128, 128), (128, 10)].map(|(a, b)| s.input(&[a, b])).to_vec();
    let trained = s.repeat(epochs, &weights, |s, _, weights| {
        let order = s.one(Op::Shuffle { n: 60000, len: 60032 }, &[]);
        let table = s.one(Op::Reshape(vec![469, 128]), &[order]);
        s.repeat(batches, weights, |s, batch, weights| {
            let batch = s.one(Op::Reshape(vec![1]), &[batch]);
            let row = s.one(Op::Gather, &[table, batch]);
            let row = s.one(Op::Reshape(vec![128]), &[row]);
            let (x, y) = (s.one(Op::Gather, &[x, row]), s.one(Op::Gather, &[y, row]));
            dense_step(s, x, y, weights)
        })
    });
    for weight in trained {
        s.output(weight);
    }
    s
}

/// One step of gradient descent.
pub fn dense_step(s: &mut Sketch, x: ValueId, y: ValueId, weights: &[ValueId]) -> Vec<ValueId> {
    let product = |s: &mut Sketch, a, b| {
        let p = s.one(Op::Contract(MATRIX), &[a, b]);
        s.one(Op::Trunc { bits: 16 }, &[p])
    };
    let mut inputs = vec![x];
    let mut halves = Vec::new();
    for (i, w) in weights.iter().enumerate() {
        let z = product(s, inputs[i], *w);
        if i + 1 == weights.len() {
            inputs.push(z);
            break;
        }
        let negative = s.one(Op::Sign { width: 32 }, &[z]);
        let positive = s.one(Op::Not, &[negative]);
        let kept = s.push(Op::Select { keep: true, additive: false }, &[positive, z]);
        halves.push((kept[1], positive));
        inputs.push(kept[0]);
    }
    let mut delta = s.one(Op::Sub, &[inputs[weights.len()], y]);
    let mut next = Vec::new();
    for (i, w) in weights.iter().enumerate().rev() {
        let turned = s.one(Op::Permute(vec![1, 0]), &[inputs[i]]);
        let gradient = s.one(Op::Contract(MATRIX), &[turned, delta]);
        let step = s.one(Op::Trunc { bits: 16 + 7 }, &[gradient]);
        let step = s.one(Op::Rescale { frac: 16 }, &[step]);
        next.push(s.one(Op::Sub, &[*w, step]));
        if i > 0 {
            let back = s.one(Op::Permute(vec![1, 0]), &[*w]);
            let d = product(s, delta, back);
            let (half, positive) = halves[i - 1];
            delta = s.one(Op::SelectAgain { additive: false, bits: 0 }, &[half, positive, d]);
        }
    }
    next.reverse();
    next
}
