//! One instruction on operands of any placement, run by the emulator and by parties.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tern_bytecode::program::{Constant, Place, Rounding};
use tern_bytecode::{Instr, Kind, Protocol, Reg, Route};
use tern_vm::ring::Ring;

use super::reference::{Placement, elements, limbs, placement};
use super::support::{Build, emulated, mesh, over, seeded};

/// What a trial draws from.
#[derive(Debug, Clone)]
pub struct Case {
    pub protocol: Protocol,
    pub route: Route,
    /// Placements of operands, in the order in which they are made.
    pub places: Vec<Placement>,
    /// Their contents.
    pub contents: Vec<Vec<[u64; 4]>>,
    pub seed: u64,
}

/// Any case.
pub fn case() -> impl Strategy<Value = Case> {
    let contents = prop::collection::vec(prop::collection::vec(limbs(), 1..40), 4);
    let protocol = prop::sample::select(Protocol::ALL);
    (protocol, any::<u8>(), prop::collection::vec(placement(), 4), contents, any::<u64>()).prop_map(
        |(protocol, route, places, contents, seed)| {
            let route = Route(route % protocol.model().routes);
            Case { protocol, route, places, contents, seed }
        },
    )
}

/// The same case every time, on the given route.
pub fn fixed_case(protocol: Protocol, route: Route) -> Case {
    let tree = case().new_tree(&mut TestRunner::deterministic()).expect("any case will do");
    let route = Route(route.0 % protocol.model().routes);
    Case { protocol, route, ..tree.current() }
}

/// A program in the making, with what its parties put in.
pub struct Trial<'c, R> {
    pub b: Build,
    pub route: Route,
    case: &'c Case,
    inputs: Vec<Vec<R>>,
    operands: usize,
}

/// A register, and its whole buffer.
#[derive(Debug, Clone, Copy)]
pub struct Operand {
    pub reg: Reg,
    pub whole: Reg,
}

impl<'c, R: Ring> Trial<'c, R> {
    pub fn new(case: &'c Case, rounding: Rounding) -> Self {
        Self {
            b: Build::new(case.protocol, R::BITS, rounding),
            route: case.route,
            case,
            inputs: vec![],
            operands: 0,
        }
    }

    /// A register that an instruction writes; its buffer has contents.
    pub fn target(&mut self, kind: Kind, shape: &[u32]) -> Operand {
        self.operand(kind, shape, false, |x| x)
    }

    /// A register that an instruction reads.
    pub fn source(&mut self, kind: Kind, shape: &[u32]) -> Operand {
        self.operand(kind, shape, true, |x| x)
    }

    /// The same with contents of some range.
    pub fn source_of(&mut self, kind: Kind, shape: &[u32], range: impl Fn(R) -> R) -> Operand {
        self.operand(kind, shape, true, range)
    }

    /// Planes of bits to write, each of which begins with a word.
    pub fn planes(&mut self, places: u32, shape: &[u32]) -> Operand {
        let dense = self.b.reg(Kind::Shared, shape);
        let mut dims: Vec<(u32, i64)> =
            self.b.program.views[dense.0 as usize].dims.iter().map(|dim| (dim.size, dim.stride)).collect();
        let stride = shape.iter().product::<u32>().max(1).next_multiple_of(64);
        let whole = self.b.reg(Kind::Bit, &[places * stride]);
        dims.insert(0, (places, i64::from(stride)));
        Operand { reg: self.b.alias(whole, 0, &dims), whole }
    }

    fn operand(&mut self, kind: Kind, shape: &[u32], read: bool, range: impl Fn(R) -> R) -> Operand {
        let i = self.operands;
        self.operands += 1;
        let (offset, dims, len) = self.case.places[i].of(shape, read);
        let values: Vec<R> =
            elements(&self.case.contents[i], len as usize, i).into_iter().map(range).collect();
        let whole = self.b.reg(kind, &[len as u32]);
        self.fill(whole, kind, values, i);
        Operand { reg: self.b.alias(whole, offset, &dims), whole }
    }

    /// Gives a dense register its contents, by a party's input and, every other time, fresh shares.
    fn fill(&mut self, whole: Reg, kind: Kind, values: Vec<R>, i: usize) {
        let (shape, route) = (self.b.shape(whole), self.route);
        match kind {
            Kind::Plain => {
                let bytes = bytemuck::cast_slice(&values).to_vec();
                return self.constant(whole, Constant::Ring { width: R::BYTES as u8, bytes });
            }
            Kind::Int => {
                let ints = values.iter().map(|x| i64::from(x.bit(0))).collect();
                return self.constant(whole, Constant::Int(ints));
            }
            Kind::Shared | Kind::Additive | Kind::Bit => {}
            Kind::Half | Kind::Real => unreachable!("not an operand of a trial"),
        }
        let mut given = self.input(&shape, i as u8 % 3, values);
        if i % 2 == 1 || kind == Kind::Additive {
            let wide = if kind == Kind::Additive { whole } else { self.b.reg(Kind::Additive, &shape) };
            self.b.op(Instr::Widen { dst: wide, a: given });
            if kind == Kind::Additive {
                return;
            }
            given = self.b.reg(Kind::Shared, &shape);
            self.b.op(Instr::Reshare { dst: given, a: wide, route });
        }
        if kind == Kind::Bit {
            let plane = self.b.alias(whole, 0, &[(1, 0), (shape[0], 1)]);
            self.b.op(Instr::Bits { dst: plane, a: given, low: 0, high: 1, route });
        } else {
            self.b.op(Instr::Copy { dst: whole, a: given });
        }
    }

    /// An input of a party as it is.
    pub fn input(&mut self, shape: &[u32], from: u8, values: Vec<R>) -> Reg {
        self.inputs.push(values);
        self.b.input(shape, from, self.route)
    }

    /// Public integers.
    pub fn ints(&mut self, values: &[i64]) -> Reg {
        let dst = self.b.reg(Kind::Int, &[values.len() as u32]);
        self.constant(dst, Constant::Int(values.to_vec()));
        dst
    }

    fn constant(&mut self, dst: Reg, constant: Constant) {
        self.b.program.constants.push(constant);
        self.b.op(Instr::Constant { dst, pool: self.b.program.constants.len() as u32 - 1 });
    }

    /// Sends the whole buffer of a result to a party.
    pub fn show(&mut self, of: Operand) {
        self.b.output(of.whole, self.route);
    }

    /// Runs the program both ways: the outputs agree bit for bit, and arrive at their receivers only.
    pub fn agree(self) {
        let (program, seed) = (&self.b.program, self.case.seed);
        let expected = emulated(program, &self.inputs, seed);
        let hosts = over(mesh(program), program, &self.inputs, &seeded(seed));
        for (i, output) in program.outputs.iter().enumerate() {
            let Place::Party(to) = output.to else { panic!("trials show their results to parties") };
            for (party, host) in hosts.iter().enumerate() {
                let values = (party == usize::from(to)).then_some(&expected[&i]);
                assert_eq!(host.outputs.get(&i), values, "output {i} at party {party}");
            }
        }
    }
}
