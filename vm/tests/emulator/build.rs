//! Small programs by hand, and a host that keeps everything in memory.

use std::collections::HashMap;
use std::ops::ControlFlow;

use tern_bytecode::program::{
    Buffer, Constant, Dim, Element, Header, Input, Line, Output, Place, Preparation, Protocol, Rounding,
};
use tern_bytecode::{Instr, Kind, Program, Reg, Route, View};
use tern_vm::machine::Seeds;
use tern_vm::machine::{Elements, ElementsMut, HostError, Trip};
use tern_vm::protocol::emulator::emulate_with;
use tern_vm::ring::Ring;
use tern_vm::{Host, Options, Report, RunError, emulate};

use super::reference::{Placement, elements, positions};

/// The route of every operation here: the emulator has no parties.
pub const ROUTE: Route = Route(0);

/// A program in the making.
pub struct Build {
    pub program: Program,
}

impl Build {
    pub fn new(ring: u32, rounding: Rounding) -> Self {
        let header = Header {
            name: "test".into(),
            protocol: Protocol::Rep3,
            ring,
            frac: 16,
            total: 32,
            rounding,
            args: vec![],
        };
        Self { program: Program { files: vec!["test.mpc".into()], ..Program::empty(header) } }
    }

    /// A register with a buffer of its own, row-major.
    pub fn reg(&mut self, kind: Kind, shape: &[u32]) -> Reg {
        let len: u64 = shape.iter().map(|n| u64::from(*n)).product();
        let len = if kind == Kind::Bit { len.next_multiple_of(64) } else { len };
        let buffer = self.buffer(kind, len);
        self.view(buffer, 0, &row_major(shape))
    }

    /// Bit planes, each beginning with a word.
    pub fn planes(&mut self, places: u32, shape: &[u32]) -> Reg {
        let stride = shape.iter().map(|n| u64::from(*n)).product::<u64>().max(1).next_multiple_of(64);
        let buffer = self.buffer(Kind::Bit, stride * u64::from(places));
        let mut dims = row_major(shape);
        dims.insert(0, (places, stride as i64));
        self.view(buffer, 0, &dims)
    }

    pub fn buffer(&mut self, kind: Kind, len: u64) -> u32 {
        self.program.buffers.push(Buffer { kind, len });
        self.program.buffers.len() as u32 - 1
    }

    pub fn view(&mut self, buffer: u32, offset: u64, dims: &[(u32, i64)]) -> Reg {
        let dims = dims.iter().map(|&(size, stride)| Dim { size, stride }).collect();
        self.program.views.push(View { buffer, offset, dims });
        Reg(self.program.views.len() as u32 - 1)
    }

    /// Another view of a register's buffer.
    pub fn alias(&mut self, of: Reg, offset: u64, dims: &[(u32, i64)]) -> Reg {
        let buffer = self.program.views[of.0 as usize].buffer;
        self.view(buffer, offset, dims)
    }

    pub fn shape(&self, reg: Reg) -> Vec<u32> {
        self.program.views[reg.0 as usize].shape()
    }

    /// Appends an instruction, on a source line of its own; interactive ones with all their rounds.
    pub fn op(&mut self, instr: Instr) -> u32 {
        let at = self.program.code.len() as u32;
        let rounds = tern_bytecode::cost::rounds(&self.program, &instr);
        self.push(instr);
        for _ in 0..rounds {
            self.push(Instr::Send {});
            self.push(Instr::Receive {});
        }
        at
    }

    fn push(&mut self, instr: Instr) {
        self.program.lines.push(Line { file: 0, line: self.program.code.len() as u32 + 1 });
        self.program.code.push(instr);
    }

    pub fn name(&mut self, name: &str) -> u32 {
        self.program.names.push(name.into());
        self.program.names.len() as u32 - 1
    }

    pub fn ints(&mut self, dst: Reg, values: &[i64]) {
        self.program.constants.push(Constant::Int(values.to_vec()));
        self.op(Instr::Constant { dst, pool: self.program.constants.len() as u32 - 1 });
    }

    pub fn reals(&mut self, dst: Reg, values: &[f64]) {
        self.program.constants.push(Constant::Real(values.to_vec()));
        self.op(Instr::Constant { dst, pool: self.program.constants.len() as u32 - 1 });
    }

    /// Ring elements as a public constant.
    pub fn plain<R: Ring>(&mut self, dst: Reg, values: &[R]) {
        let bytes = bytemuck::cast_slice(values).to_vec();
        self.program.constants.push(Constant::Ring { width: R::BYTES as u8, bytes });
        self.op(Instr::Constant { dst, pool: self.program.constants.len() as u32 - 1 });
    }

    /// A secret input that the host has under the next index.
    pub fn input(&mut self, dst: Reg) {
        self.program.inputs.push(Input {
            name: format!("x{}", self.program.inputs.len()),
            field: String::new(),
            from: Place::Party(0),
            element: Element::Int,
            shape: self.shape(dst),
            frac: 0,
            prepare: Preparation::default(),
        });
        let input = self.program.inputs.len() as u32 - 1;
        self.op(Instr::Input { dst, input, route: ROUTE });
    }

    /// Sends a register to a party.
    pub fn output(&mut self, a: Reg) {
        self.program.outputs.push(Output {
            name: format!("y{}", self.program.outputs.len()),
            field: String::new(),
            to: Place::Party(1),
            element: Element::Int,
            shape: self.shape(a),
            frac: 0,
        });
        let output = self.program.outputs.len() as u32 - 1;
        self.op(Instr::Output { a, output, route: ROUTE });
    }

    /// Sends bits to a party, as 0 and 1.
    pub fn output_bits(&mut self, a: Reg) {
        let shape = self.shape(a);
        let open = self.reg(Kind::Int, &shape);
        self.op(Instr::RevealBits { dst: open, a, route: ROUTE });
        self.output_ints(open);
    }

    /// Sends public integers to a party.
    pub fn output_ints(&mut self, a: Reg) {
        let shape = self.shape(a);
        let plain = self.reg(Kind::Plain, &shape);
        self.op(Instr::Encode { dst: plain, a, frac: 0 });
        self.output_plain(plain);
    }

    /// Sends public ring elements to a party.
    pub fn output_plain(&mut self, a: Reg) {
        let shape = self.shape(a);
        let shared = self.reg(Kind::Shared, &shape);
        self.op(Instr::Promote { dst: shared, a });
        self.output(shared);
    }

    /// Sends an additive value to a party.
    pub fn output_additive(&mut self, a: Reg) {
        let shape = self.shape(a);
        let shared = self.reg(Kind::Shared, &shape);
        self.op(Instr::Reshare { dst: shared, a, route: ROUTE });
        self.output(shared);
    }

    /// A register of the given kind that is placed in a buffer with the given contents, and the view of the whole buffer.
    pub fn placed<R: Ring>(&mut self, tensor: &Tensor<'_>, read: bool) -> Placed<R> {
        let (offset, dims, len) = tensor.placement.of(tensor.shape, read);
        let values: Vec<R> = match tensor.kind {
            Kind::Bit => bits(tensor.contents, len),
            Kind::Plain | Kind::Shared | Kind::Additive => elements(tensor.contents, len as usize, 0),
            Kind::Half | Kind::Real | Kind::Int => unreachable!("operands of protocols"),
        };
        let whole = self.reg(tensor.kind, &[len as u32]);
        self.set(whole, tensor.kind, &values);
        let reg = self.alias(whole, offset, &dims);
        let at = positions(&self.program.views[reg.0 as usize]);
        Placed { reg, whole, kind: tensor.kind, values, at }
    }

    /// Gives all elements of a dense register of a buffer of its own.
    fn set<R: Ring>(&mut self, whole: Reg, kind: Kind, values: &[R]) {
        let shape = self.shape(whole);
        let plain = if kind == Kind::Plain { whole } else { self.reg(Kind::Plain, &shape) };
        if kind == Kind::Bit {
            let ints = self.reg(Kind::Int, &shape);
            self.ints(ints, &values.iter().map(|x| i64::from(x.bit(0))).collect::<Vec<_>>());
            self.op(Instr::PromoteBits { dst: whole, a: ints });
            return;
        }
        self.plain(plain, values);
        if kind != Kind::Plain {
            self.op(Instr::Promote { dst: whole, a: plain });
        }
    }

    /// Sends a register of any kind to a party.
    pub fn output_any(&mut self, a: Reg, kind: Kind) {
        match kind {
            Kind::Plain => self.output_plain(a),
            Kind::Shared => self.output(a),
            Kind::Additive => self.output_additive(a),
            Kind::Bit => self.output_bits(a),
            Kind::Int => self.output_ints(a),
            Kind::Half | Kind::Real => unreachable!("not looked at as elements"),
        }
    }

    /// Runs the program on the given inputs.
    pub fn run<R: Ring>(&self, inputs: &[&[R]], options: &Options) -> Result<(Memo<R>, Report), RunError> {
        let inputs = inputs.iter().map(|values| values.to_vec()).collect();
        let mut host = Memo { inputs, ..Memo::default() };
        let report = emulate(&self.program, &mut host, options)?;
        Ok((host, report))
    }

    /// The same with keys that depend on the seed alone, not on the program.
    pub fn run_alike<R: Ring>(&self, inputs: &[&[R]], options: &Options) -> Memo<R> {
        let inputs = inputs.iter().map(|values| values.to_vec()).collect();
        let mut host = Memo { inputs, ..Memo::default() };
        let byte = options.seed.expect("tests have seeds") as u8;
        let seeds = Seeds {
            public: [byte; 32],
            common: vec![[byte ^ 1 << 6; 16], [byte ^ 2 << 6; 16], [byte ^ 3 << 6; 16]],
        };
        emulate_with(&self.program, &mut host, options, &seeds).expect("it runs");
        host
    }

    /// The outputs on the given inputs.
    pub fn outputs<R: Ring>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        let (host, _) = self.run(inputs, &seeded(1)).unwrap_or_else(|error| panic!("{error}"));
        (0..self.program.outputs.len()).map(|i| host.outputs[&i].clone()).collect()
    }
}

/// A tensor for a test.
pub struct Tensor<'a> {
    pub kind: Kind,
    pub shape: &'a [u32],
    pub placement: &'a Placement,
    pub contents: &'a [[u64; 4]],
}

/// A register in a buffer whose contents are known.
pub struct Placed<R> {
    pub reg: Reg,
    /// The whole buffer.
    pub whole: Reg,
    pub kind: Kind,
    /// The contents of the buffer; of bits, 0 and 1.
    pub values: Vec<R>,
    /// The positions of the register's elements in the buffer, in row-major order.
    pub at: Vec<usize>,
}

impl<R: Ring> Placed<R> {
    /// The register's elements in row-major order.
    pub fn elements(&self) -> Vec<R> {
        self.at.iter().map(|at| self.values[*at]).collect()
    }

    /// The buffer after the register has got these elements.
    pub fn with(&self, elements: impl IntoIterator<Item = R>) -> Vec<R> {
        let mut values = self.values.clone();
        let mut count = 0;
        for (at, element) in self.at.iter().zip(elements) {
            values[*at] = element;
            count += 1;
        }
        assert_eq!(count, self.at.len());
        values
    }
}

/// 0 and 1, from the lowest bits of the contents.
fn bits<R: Ring>(contents: &[[u64; 4]], len: u64) -> Vec<R> {
    (0..len as usize)
        .map(|i| R::from_u64(contents[i % contents.len()][0] >> (i / contents.len() % 64) & 1))
        .collect()
}

/// Sizes and strides of a dense tensor.
pub fn row_major(shape: &[u32]) -> Vec<(u32, i64)> {
    let mut stride = 1;
    let mut dims: Vec<(u32, i64)> = shape
        .iter()
        .rev()
        .map(|&size| {
            let dim = (size, stride);
            stride *= i64::from(size);
            dim
        })
        .collect();
    dims.reverse();
    dims
}

/// Options with a fixed seed.
pub fn seeded(seed: u64) -> Options {
    Options { seed: Some(seed), ..Options::default() }
}

/// A host that keeps everything.
#[derive(Debug, Default)]
pub struct Memo<R> {
    pub inputs: Vec<Vec<R>>,
    pub outputs: HashMap<usize, Vec<R>>,
    pub metrics: Vec<(String, Vec<f64>, Vec<u32>)>,
    pub shown: Vec<(String, Vec<u32>, Vec<f64>)>,
    pub ticks: u64,
    /// Cancels at this tick.
    pub stop_at: Option<u64>,
}

impl<R: Ring> Host for Memo<R> {
    fn input(&mut self, input: usize, start: u64, elements: ElementsMut<'_>) -> Result<(), HostError> {
        let values = self.inputs.get(input).ok_or("not given")?;
        let out = elements.of::<R>().ok_or("of another ring")?;
        let values = values.get(start as usize..start as usize + out.len()).ok_or("too short")?;
        out.copy_from_slice(values);
        Ok(())
    }

    fn output(&mut self, output: usize, elements: Elements<'_>) -> Result<(), HostError> {
        let values: Vec<R> = elements.words.chunks(elements.limbs).map(R::from_limbs).collect();
        self.outputs.insert(output, values);
        Ok(())
    }

    fn metric(&mut self, name: &str, values: &[f64], loops: &[Trip]) {
        self.metrics.push((name.into(), values.to_vec(), loops.iter().map(|trip| trip.now).collect()));
    }

    fn debug(&mut self, label: &str, shape: &[u32], values: &[f64]) {
        self.shown.push((label.into(), shape.to_vec(), values.to_vec()));
    }

    fn tick(&mut self, _: &[Trip]) -> ControlFlow<()> {
        self.ticks += 1;
        if Some(self.ticks) == self.stop_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
