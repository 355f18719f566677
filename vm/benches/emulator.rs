//! Speed of the emulator: an epoch of network A (784-128-128-10, ReLU, squared error) on synthetic data of MNIST's size, f = 16.
//!
//! `cargo bench -p tern-vm --bench emulator [THREADS]` prints the time of a batch and the slowest instructions.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use tern_bytecode::instr::Axes;
use tern_bytecode::program::{
    Buffer, Constant, Dim, Element, Header, Input, Line, Place, Preparation, Protocol, Rounding,
};
use tern_bytecode::{Instr, Kind, Program, Reg, Route, View, cost};
use tern_vm::machine::{Elements, ElementsMut, HostError, Trip};
use tern_vm::{Host, Options, emulate};

const ROUTE: Route = Route(0);
const SAMPLES: u32 = 60_000;
const BATCH: u32 = 128;
const LAYERS: [u32; 4] = [784, 128, 128, 10];

fn main() {
    let threads = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(2);
    let program = training();
    let batches = SAMPLES.div_ceil(BATCH);
    for profile in [false, true] {
        let options = Options { seed: Some(1), threads, profile, ..Options::default() };
        let report = emulate(&program, &mut Synthetic, &options).expect("the program is valid");
        let seconds = report.elapsed.as_secs_f64();
        println!(
            "{threads} threads: {seconds:.2} s per epoch, {:.2} ms per batch",
            1e3 * seconds / f64::from(batches)
        );
        let mut times = BTreeMap::new();
        for (instr, time) in program.code.iter().zip(&report.times) {
            *times.entry(instr.name()).or_insert(0.0) += time.as_secs_f64();
        }
        let mut times: Vec<_> = times.into_iter().collect();
        times.sort_by(|a, b| b.1.total_cmp(&a.1));
        for (name, seconds) in times.into_iter().take(12) {
            println!("    {name:<12} {:8.3} ms per batch", 1e3 * seconds / f64::from(batches));
        }
    }
}

/// Small numbers instead of data.
struct Synthetic;

impl Host for Synthetic {
    fn input(&mut self, input: usize, _: u64, elements: ElementsMut<'_>) -> Result<(), HostError> {
        let small = if input < 2 { 1 << 16 } else { 1 << 13 };
        for (i, word) in elements.words.iter_mut().enumerate() {
            let mixed = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
            *word = (mixed % small).wrapping_sub(if input < 2 { 0 } else { small / 2 });
        }
        Ok(())
    }

    fn output(&mut self, _: usize, _: Elements<'_>) -> Result<(), HostError> {
        Ok(())
    }

    fn metric(&mut self, _: &str, _: &[f64], _: &[Trip]) {}

    fn tick(&mut self, _: &[Trip]) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

struct Build(Program);

impl Build {
    fn reg(&mut self, kind: Kind, shape: &[u32]) -> Reg {
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

    fn view(&mut self, buffer: u32, dims: Vec<Dim>) -> Reg {
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

    fn op(&mut self, instr: Instr) {
        let rounds = cost::rounds(&self.0, &instr);
        self.0.code.push(instr);
        (0..rounds).for_each(|_| self.0.code.extend([Instr::Send {}, Instr::Receive {}]));
    }

    fn input(&mut self, shape: &[u32]) -> Reg {
        let dst = self.reg(Kind::Shared, shape);
        let input = self.0.inputs.len() as u32;
        self.0.inputs.push(Input {
            name: format!("x{input}"),
            field: String::new(),
            from: Place::Party(0),
            element: Element::Fix,
            shape: shape.to_vec(),
            frac: 16,
            prepare: Preparation::default(),
        });
        self.op(Instr::Input { dst, input, route: ROUTE });
        dst
    }

    /// A product of matrices, truncated.
    fn matmul(&mut self, a: Reg, b: Reg, bits: u32) -> Reg {
        let shape = [self.shape(a)[0], self.shape(b)[1]];
        let (product, dst) = (self.reg(Kind::Additive, &shape), self.reg(Kind::Shared, &shape));
        let axes = Axes { batch: 0, rows: 1, inner: 1, cols: 1 };
        self.op(Instr::Contract { dst: product, a, b, axes });
        self.op(Instr::Truncate { dst, a: product, bits, route: ROUTE });
        dst
    }
}

fn training() -> Program {
    let header = Header {
        name: "network A".into(),
        protocol: Protocol::Rep3,
        ring: 64,
        frac: 16,
        total: 32,
        rounding: Rounding::Probabilistic,
        args: vec![],
    };
    let mut b = Build(Program {
        header,
        inputs: vec![],
        outputs: vec![],
        names: vec![],
        constants: vec![Constant::Int(vec![0])],
        buffers: vec![],
        views: vec![],
        code: vec![],
        files: vec![],
        lines: vec![],
        ranges: vec![],
    });
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
    b.0.lines = vec![Line { file: 0, line: 0 }; b.0.code.len()];
    b.0
}

/// One step of gradient descent on the rows of a batch.
fn step(b: &mut Build, [data, labels, rows]: [Reg; 3], weights: &[Reg]) {
    let (x, y) = (b.reg(Kind::Shared, &[BATCH, LAYERS[0]]), b.reg(Kind::Shared, &[BATCH, LAYERS[3]]));
    b.op(Instr::Gather { dst: x, a: data, index: rows });
    b.op(Instr::Gather { dst: y, a: labels, index: rows });
    let mut layers = vec![x];
    let mut signs = Vec::new();
    for (i, &w) in weights.iter().enumerate() {
        let z = b.matmul(layers[i], w, 16);
        if i < 2 {
            let [negative, positive] = [0; 2].map(|_| b.reg(Kind::Bit, &[BATCH, LAYERS[i + 1]]));
            let h = b.reg(Kind::Shared, &[BATCH, LAYERS[i + 1]]);
            let half = b.reg(Kind::Half, &[BATCH, LAYERS[i + 1]]);
            b.op(Instr::Sign { dst: negative, a: z, width: 32, route: ROUTE });
            b.op(Instr::Not { dst: positive, a: negative });
            b.op(Instr::Select { dst: h, keep: Some(half), bit: positive, a: z, route: ROUTE });
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
        let gradient = b.matmul(input, d, 16 + 6 + 7);
        if i > 0 {
            let back = b.transposed(weights[i]);
            let (before, (bit, half)) = (b.matmul(d, back, 16), signs[i - 1]);
            d = b.reg(Kind::Shared, &[BATCH, LAYERS[i]]);
            b.op(Instr::SelectAgain { dst: d, half, bit, a: before, route: ROUTE });
        }
        b.op(Instr::Sub { dst: weights[i], a: weights[i], b: gradient });
    }
}
