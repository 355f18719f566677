//! Network A (784-128-128-10, ReLU, squared error, gradient descent) as bytecode by hand: every operation waits for the one before.

use tern_bytecode::instr::Axes;
use tern_bytecode::program::{
    Buffer, Constant, Dim, Element, Header, Input, Line, Place, Preparation, Protocol, Rounding,
};
use tern_bytecode::{Instr, Kind, Program, Reg, Route, View, cost};

pub const SAMPLES: u32 = 60_000;
pub const BATCH: u32 = 128;
const LAYERS: [u32; 4] = [784, 128, 128, 10];

/// A program in the making.
pub struct Build(pub Program);

impl Build {
    /// For numbers of 2 `frac` bits, half of them behind the point.
    pub fn new(ring: u32, frac: u32, rounding: Rounding) -> Self {
        let header = Header {
            name: "bench".into(),
            protocol: Protocol::Rep3,
            ring,
            frac,
            total: 2 * frac,
            rounding,
            args: vec![],
        };
        Self(Program { constants: vec![Constant::Int(vec![0])], ..Program::empty(header) })
    }

    pub fn finish(mut self) -> Program {
        self.0.lines = vec![Line { file: 0, line: 0 }; self.0.code.len()];
        self.0
    }

    fn frac(&self) -> u32 {
        self.0.header.frac
    }

    /// The next of the six routes, so that the links carry equal loads.
    pub fn route(&self) -> Route {
        Route((self.0.code.len() % 6) as u8)
    }

    pub fn reg(&mut self, kind: Kind, shape: &[u32]) -> Reg {
        let len: u64 = shape.iter().map(|n| u64::from(*n)).product();
        self.0
            .buffers
            .push(Buffer { kind, len: if kind == Kind::Bit { len.next_multiple_of(64) } else { len } });
        let mut stride = len as i64;
        let dims = shape.iter().map(|&size| {
            stride /= i64::from(size);
            Dim { size, stride }
        });
        let dims = dims.collect();
        self.view(self.0.buffers.len() as u32 - 1, dims)
    }

    pub fn view(&mut self, buffer: u32, dims: Vec<Dim>) -> Reg {
        self.0.views.push(View { buffer, offset: 0, dims });
        Reg(self.0.views.len() as u32 - 1)
    }

    fn transposed(&mut self, of: Reg) -> Reg {
        let view = self.0.views[of.0 as usize].clone();
        self.view(view.buffer, view.dims.into_iter().rev().collect())
    }

    fn shape(&self, reg: Reg) -> Vec<u32> {
        self.0.views[reg.0 as usize].shape()
    }

    pub fn op(&mut self, instr: Instr) {
        let rounds = cost::rounds(&self.0, &instr);
        self.0.code.push(instr);
        (0..rounds).for_each(|_| self.0.code.extend([Instr::Send {}, Instr::Receive {}]));
    }

    pub fn input(&mut self, shape: &[u32]) -> Reg {
        let dst = self.reg(Kind::Shared, shape);
        let input = self.0.inputs.len() as u32;
        self.0.inputs.push(Input {
            name: format!("x{input}"),
            field: String::new(),
            from: Place::Party(0),
            element: Element::Fix,
            shape: shape.to_vec(),
            frac: self.0.header.frac,
            prepare: Preparation::default(),
        });
        self.op(Instr::Input { dst, input, route: self.route() });
        dst
    }

    /// A product of matrices, truncated.
    pub fn matmul(&mut self, a: Reg, b: Reg, bits: u32) -> Reg {
        let shape = [self.shape(a)[0], self.shape(b)[1]];
        let (product, dst) = (self.reg(Kind::Additive, &shape), self.reg(Kind::Shared, &shape));
        let axes = Axes { batch: 0, rows: 1, inner: 1, cols: 1 };
        self.op(Instr::Contract { dst: product, a, b, axes });
        self.op(Instr::Truncate { dst, a: product, bits, route: self.route() });
        dst
    }
}

/// An epoch of network A.
pub fn training(ring: u32, frac: u32, rounding: Rounding) -> Program {
    let mut b = Build::new(ring, frac, rounding);
    let (data, labels) = (b.input(&[SAMPLES, LAYERS[0]]), b.input(&[SAMPLES, LAYERS[3]]));
    let weights: Vec<Reg> = (0..3).map(|i| b.input(&[LAYERS[i], LAYERS[i + 1]])).collect();
    let batches = SAMPLES.div_ceil(BATCH);
    let order = b.reg(Kind::Int, &[batches, BATCH]);
    let flat = b.view(b.0.views[order.0 as usize].buffer, vec![Dim { size: batches * BATCH, stride: 1 }]);
    let (counter, batch) = (b.reg(Kind::Int, &[1]), b.reg(Kind::Int, &[1, BATCH]));
    let rows = b.view(b.0.views[batch.0 as usize].buffer, vec![Dim { size: BATCH, stride: 1 }]);
    b.op(Instr::Shuffle { dst: flat, n: SAMPLES });
    b.op(Instr::Loop { counter, trips: batches });
    b.op(Instr::Gather { dst: batch, a: order, index: counter });
    step(&mut b, [data, labels, rows], &weights);
    b.op(Instr::End {});
    b.finish()
}

/// One step of gradient descent on the rows of a batch.
fn step(b: &mut Build, [data, labels, rows]: [Reg; 3], weights: &[Reg]) {
    let (x, y) = (b.reg(Kind::Shared, &[BATCH, LAYERS[0]]), b.reg(Kind::Shared, &[BATCH, LAYERS[3]]));
    b.op(Instr::Gather { dst: x, a: data, index: rows });
    b.op(Instr::Gather { dst: y, a: labels, index: rows });
    let mut layers = vec![x];
    let mut signs = Vec::new();
    for (i, &w) in weights.iter().enumerate() {
        let z = b.matmul(layers[i], w, b.frac());
        if i < 2 {
            let [negative, positive] = [0; 2].map(|_| b.reg(Kind::Bit, &[BATCH, LAYERS[i + 1]]));
            let h = b.reg(Kind::Shared, &[BATCH, LAYERS[i + 1]]);
            let half = b.reg(Kind::Half, &[BATCH, LAYERS[i + 1]]);
            b.op(Instr::Sign { dst: negative, a: z, width: 2 * b.frac(), route: b.route() });
            b.op(Instr::Not { dst: positive, a: negative });
            b.op(Instr::Select { dst: h, keep: Some(half), bit: positive, a: z, route: b.route() });
            signs.push((positive, half));
            layers.push(h);
        } else {
            layers.push(z);
        }
    }
    let mut d = b.reg(Kind::Shared, &[BATCH, LAYERS[3]]);
    b.op(Instr::Sub { dst: d, a: layers[3], b: y });
    for i in (0..3).rev() {
        let input = b.transposed(layers[i]);
        // gradient, learning rate 2^-6 and batch size 2^7 in one truncation
        let gradient = b.matmul(input, d, b.frac() + 6 + 7);
        if i > 0 {
            let back = b.transposed(weights[i]);
            let (before, (bit, half)) = (b.matmul(d, back, b.frac()), signs[i - 1]);
            d = b.reg(Kind::Shared, &[BATCH, LAYERS[i]]);
            b.op(Instr::SelectAgain { dst: d, half, bit, a: before, bits: 0, route: b.route() });
        }
        b.op(Instr::Sub { dst: weights[i], a: weights[i], b: gradient });
    }
}
