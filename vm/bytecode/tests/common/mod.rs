//! Parts of programs, and instructions out of numbers.

use tern_bytecode::instr::{Axes, Comparison, IntBinary, MaybeReg, RealBinary, RealUnary};
use tern_bytecode::program::{
    Constant, Dim, Element, Header, Input, Line, Output, Place, Preparation, Protocol, Rounding,
};
use tern_bytecode::{Instr, Kind, Program, Reg, Route, View};

/// An empty program modulo 2^64.
pub fn empty() -> Program {
    let header = Header {
        name: "t".into(),
        protocol: Protocol::Rep3,
        ring: 64,
        frac: 16,
        total: 32,
        rounding: Rounding::Nearest,
        args: vec![],
    };
    Program {
        names: vec!["name".into()],
        constants: vec![
            Constant::Ring { width: 2, bytes: vec![1, 2] },
            Constant::Real(vec![0.5]),
            Constant::Int(vec![1, 2, 3]),
        ],
        files: vec!["t.mpc".into()],
        ..Program::empty(header)
    }
}

/// An input of party 0.
pub fn input(shape: &[u32]) -> Input {
    Input {
        name: "x".into(),
        field: String::new(),
        from: Place::Party(0),
        element: Element::Fix,
        shape: shape.to_vec(),
        frac: 16,
        prepare: Preparation::default(),
    }
}

/// An output to party 1.
pub fn output(shape: &[u32]) -> Output {
    Output {
        name: "y".into(),
        field: String::new(),
        to: Place::Party(1),
        element: Element::Fix,
        shape: shape.to_vec(),
        frac: 16,
    }
}

/// Strides of a dense tensor.
pub fn dense(shape: &[u32]) -> Vec<Dim> {
    let mut stride = 1;
    let mut dims: Vec<Dim> = shape
        .iter()
        .rev()
        .map(|&size| {
            let dim = Dim { size, stride };
            stride *= i64::from(size);
            dim
        })
        .collect();
    dims.reverse();
    dims
}

/// Adds a register on a buffer.
pub fn view(program: &mut Program, buffer: u32, offset: u64, dims: Vec<Dim>) -> Reg {
    program.views.push(View { buffer, offset, dims });
    Reg(program.views.len() as u32 - 1)
}

/// Adds an instruction.
pub fn push(program: &mut Program, instr: Instr) {
    program.code.push(instr);
    program.lines.push(Line { file: 0, line: program.code.len() as u32 });
}

/// Values of operands and immediates out of a sequence of numbers, most of them small.
pub trait Draw {
    fn draw(numbers: &mut dyn Iterator<Item = u64>) -> Self;
}

/// The next number.
pub fn number(numbers: &mut dyn Iterator<Item = u64>) -> u64 {
    numbers.next().unwrap_or(0)
}

impl Draw for Reg {
    fn draw(numbers: &mut dyn Iterator<Item = u64>) -> Self {
        Reg(number(numbers) as u32 % 64)
    }
}

impl Draw for MaybeReg {
    fn draw(numbers: &mut dyn Iterator<Item = u64>) -> Self {
        number(numbers).is_multiple_of(2).then(|| Reg::draw(numbers))
    }
}

impl Draw for u32 {
    fn draw(numbers: &mut dyn Iterator<Item = u64>) -> Self {
        let x = number(numbers) as u32;
        if x.is_multiple_of(16) { x } else { x % 9 }
    }
}

impl Draw for i64 {
    fn draw(numbers: &mut dyn Iterator<Item = u64>) -> Self {
        number(numbers) as i64
    }
}

impl Draw for Route {
    fn draw(numbers: &mut dyn Iterator<Item = u64>) -> Self {
        Route((number(numbers) % 7) as u8)
    }
}

impl Draw for Axes {
    fn draw(numbers: &mut dyn Iterator<Item = u64>) -> Self {
        let mut next = || (number(numbers) % 3) as u8;
        Axes { batch: next(), rows: next(), inner: next(), cols: next() }
    }
}

macro_rules! draw_from_list {
    ($($ty:ident),*) => {$(
        impl Draw for $ty {
            fn draw(numbers: &mut dyn Iterator<Item = u64>) -> Self {
                $ty::ALL[number(numbers) as usize % $ty::ALL.len()].0
            }
        }
    )*};
}
draw_from_list!(RealUnary, RealBinary, IntBinary, Comparison, Kind);

macro_rules! drawing {
    ($($section:ident { $($(#[$doc:meta])* $variant:ident = $name:ident { $($op:ident : $role:ident $([$($kind:ident)*])? $ty:ident),* } $($property:ident)? ),* $(,)? })*) => {
        /// Every instruction of the table in turn, with operands out of `numbers`.
        pub fn instruction(which: usize, numbers: &mut dyn Iterator<Item = u64>) -> Instr {
            let table: &[fn(&mut dyn Iterator<Item = u64>) -> Instr] = &[
                $($(|_numbers| Instr::$variant { $($op: <$ty>::draw(_numbers)),* },)*)*
            ];
            table[which % table.len()](numbers)
        }
    };
}
tern_bytecode::for_each_instruction!(drawing);
