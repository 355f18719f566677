//! The intermediate representation: typed, static shapes, structured control flow.
//!
//! A [`Program`] holds all values in one arena; a [`Block`] is a list of instructions whose operands precede their users. Loops and
//! branches are instructions with regions; a region sees the values of the blocks around it and passes its own on by yielding them.
//! Functions are gone: lowering specialises and inlines every call.
//!
//! Numbers are real numbers with a scale: a value of type `shared.32` stands for its ring integer divided by 2^32. [`Op::Mul`] adds
//! the scales of its operands, [`Op::Trunc`] takes bits away, so where rounding happens is explicit and a pass can move it. An
//! interpreter in double precision reads the same ops as exact arithmetic.
//!
//! - [`types`]: types, constants. - [`op`]: the operations. - [`table`]: what is said of each. - [`infer`]: the result types of an operation, the one statement of its
//!   typing rules, shared by builder, parser and verifier. - [`build`]: appending instructions. - [`text`]: both directions of
//!   the text form. - [`verify`]: what every pass may rely on. - [`interpret`]: the operations as real arithmetic, for tests.

pub mod build;
pub mod infer;
pub mod interpret;
pub mod op;
pub mod table;
pub mod text;
pub mod types;
pub mod verify;

use std::collections::HashMap;
use std::ops::{Index, IndexMut};

pub use build::Builder;
pub use op::Op;
pub use table::{Algebra, Family};
pub use tern_bytecode::program::{Element, Kind, Place, Preparation, Protocol, Rounding};
pub use types::{Const, ConstData, Type};

use crate::diagnostics::Span;

/// Handle of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub u32);

/// Where an instruction comes from: the user's place first, through all inlining, and the innermost one (they differ in the library).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The place in the user's own source: costs are booked there.
    pub user: Span,
    /// The place that was being lowered.
    pub inner: Span,
}

/// A value of the arena.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// Its type.
    pub ty: Type,
}

/// One instruction.
#[derive(Debug, Clone, PartialEq)]
pub struct Inst {
    /// What is done.
    pub op: Op,
    /// Operands.
    pub args: Vec<ValueId>,
    /// Results.
    pub results: Vec<ValueId>,
    /// Loops have one region, branches two, custom rules one.
    pub regions: Vec<Block>,
    /// Where it comes from.
    pub origin: Origin,
}

/// A sequence of instructions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Block {
    /// Values that the block is given: of a loop the counter and the carried values.
    pub params: Vec<ValueId>,
    /// In order of execution.
    pub insts: Vec<Inst>,
    /// What the block passes on.
    pub yields: Vec<ValueId>,
}

impl Block {
    /// Calls `f` for every value that is used in the block or in regions inside it, as operand or yield.
    pub fn for_each_use(&self, f: &mut impl FnMut(ValueId)) {
        for inst in &self.insts {
            inst.for_each_use(f);
        }
        self.yields.iter().for_each(|v| f(*v));
    }

    /// The same, and the uses may be changed.
    pub fn for_each_use_mut(&mut self, f: &mut impl FnMut(&mut ValueId)) {
        for inst in &mut self.insts {
            inst.args.iter_mut().for_each(&mut *f);
            inst.regions.iter_mut().for_each(|region| region.for_each_use_mut(f));
        }
        self.yields.iter_mut().for_each(f);
    }
}

impl Inst {
    /// Calls `f` for every operand and every value that is used in the regions.
    pub fn for_each_use(&self, f: &mut impl FnMut(ValueId)) {
        self.args.iter().for_each(|v| f(*v));
        self.regions.iter().for_each(|region| region.for_each_use(f));
    }
}

/// What holds for the whole program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The protocol that the program is compiled for.
    pub protocol: Protocol,
    /// Bits of the ring, one of [`rings`](tern_bytecode::rings).
    pub ring: u32,
    /// Fraction bits of `fix`.
    pub frac: u32,
    /// Bits of `fix` in all: every `fix` is assumed to lie within ±2^(total - frac - 1).
    pub total: u32,
    /// How truncations round.
    pub rounding: Rounding,
    /// What is to be few.
    pub optimise: Optimise,
}

/// What a program is compiled for, where operations can be had in several ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Optimise {
    /// Fast where parties are near: few bits, and rounds as they come.
    #[default]
    Balanced,
    /// Few rounds, for parties that are far apart.
    Rounds,
}

impl Optimise {
    /// All, the default first.
    pub const ALL: &[Optimise] = &[Optimise::Balanced, Optimise::Rounds];

    /// By which it is asked for.
    pub fn name(self) -> &'static str {
        match self {
            Optimise::Balanced => "balanced",
            Optimise::Rounds => "rounds",
        }
    }
}

/// A declared input.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// The declared name.
    pub name: String,
    /// The field, if the input is a model.
    pub field: String,
    /// Who has it.
    pub from: Place,
    /// The declared element.
    pub element: Element,
    /// The declared shape.
    pub shape: Vec<usize>,
    /// Fraction bits when shared.
    pub frac: u32,
    /// What its owner does to it.
    pub prepare: Preparation,
}

/// A declared output.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// The declared name.
    pub name: String,
    /// The field, if the output is a model.
    pub field: String,
    /// Who receives it.
    pub to: Place,
    /// The element.
    pub element: Element,
}

/// A whole program.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    /// The program's name.
    pub name: String,
    /// Ring, precision, rounding.
    pub settings: Settings,
    /// The program's arguments as text.
    pub args: Vec<(String, String)>,
    /// By index in [`Op::Input`].
    pub inputs: Vec<Input>,
    /// By index in [`Op::Output`].
    pub outputs: Vec<Output>,
    /// Names of metrics and labels of `debug`.
    pub names: Vec<String>,
    /// The arena.
    pub values: Vec<Value>,
    /// The outermost block; yields nothing.
    pub body: Block,
    /// Whether additive values have their own kind, and resharing is explicit: after the pass `forms`.
    pub explicit_forms: bool,
    /// Where values are opened under masks, of those that are truncated or put out: how many bits their ranges take, with two that truncations need. After `forms`.
    pub widths: HashMap<ValueId, u32>,
    /// Whether derivatives were rounded where a larger ring would have kept more of their bits.
    pub cramped: bool,
}

impl Program {
    /// Whether an instruction multiplies two secrets.
    pub fn multiplies_secrets(&self, inst: &Inst) -> bool {
        inst.op.algebra() == Algebra::Product && inst.args.iter().all(|arg| self.ty(*arg).is_secret())
    }

    /// An empty program.
    pub fn new(name: impl Into<String>, settings: Settings) -> Program {
        Program {
            name: name.into(),
            settings,
            args: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            names: Vec::new(),
            values: Vec::new(),
            body: Block::default(),
            explicit_forms: false,
            widths: HashMap::new(),
            cramped: false,
        }
    }

    /// A new value of this type, not yet defined by anything.
    pub fn value(&mut self, ty: Type) -> ValueId {
        self.values.push(Value { ty });
        ValueId(self.values.len() as u32 - 1)
    }

    /// A value's type.
    pub fn ty(&self, value: ValueId) -> &Type {
        &self[value].ty
    }

    /// The index of `name` among [`Program::names`], added if it is new.
    pub fn name_index(&mut self, name: &str) -> u32 {
        let found = self.names.iter().position(|n| n == name);
        found.unwrap_or_else(|| {
            self.names.push(name.to_string());
            self.names.len() - 1
        }) as u32
    }
}

impl Index<ValueId> for Program {
    type Output = Value;

    fn index(&self, id: ValueId) -> &Value {
        &self.values[id.0 as usize]
    }
}

impl IndexMut<ValueId> for Program {
    fn index_mut(&mut self, id: ValueId) -> &mut Value {
        &mut self.values[id.0 as usize]
    }
}
