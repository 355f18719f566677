//! The program between instruction selection and memory planning: instructions of the bytecode on *stores*.
//!
//! A store is a buffer that holds one tensor (or one carried value of a loop) and shares its memory with nothing yet. Registers are views on
//! stores. What writes a store first is the beginning of its life; apart from homes (below) and rows that are replaced, an element is
//! written once.

use tern_bytecode::instr::{Instr, Reg};
use tern_bytecode::program::{Buffer, Line};
use tern_bytecode::{Kind, Program, View};

/// Handle of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockId(pub u32);

/// Handle of an operation; survives reordering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpId(pub u32);

/// What is known about a store besides its kind and length.
#[derive(Debug, Clone)]
pub struct Store {
    /// The block in which its life begins and ends.
    pub owner: BlockId,
    /// Elements in use, without the padding between planes of bits.
    pub elements: u64,
    /// A carried value's or a branch result's place, written more than once.
    pub home: bool,
}

/// An instruction.
#[derive(Debug, Clone)]
pub struct Op {
    /// Its name.
    pub id: OpId,
    /// The instruction; registers are views on stores.
    pub instr: Instr,
    /// The line that pays for it.
    pub line: Line,
}

/// A loop.
#[derive(Debug, Clone)]
pub struct Loop {
    /// Written before each iteration.
    pub counter: Reg,
    /// Iterations.
    pub trips: u32,
    /// The body.
    pub body: Block,
    /// Ends the loop after an iteration in which it is not zero.
    pub until: Option<Reg>,
    /// Stores of the carried values.
    pub homes: Vec<u32>,
    /// The line.
    pub line: Line,
}

/// A branch.
#[derive(Debug, Clone)]
pub struct Branch {
    /// Decides.
    pub cond: Reg,
    /// If it is not zero.
    pub then: Block,
    /// If it is zero.
    pub otherwise: Block,
    /// The line.
    pub line: Line,
}

/// A member of a block.
#[derive(Debug, Clone)]
pub enum Item {
    /// An instruction.
    Op(Op),
    /// A loop.
    Loop(Loop),
    /// A branch.
    Branch(Branch),
}

/// A sequence of items.
#[derive(Debug, Clone)]
pub struct Block {
    /// Its name.
    pub id: BlockId,
    /// In an order that is correct; the schedule finds a better one.
    pub items: Vec<Item>,
}

/// A declared range of what an operation computes.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// The operation.
    pub op: OpId,
    /// Fraction bits of its result.
    pub frac: u32,
    /// Smallest allowed value.
    pub low: f64,
    /// Largest allowed value.
    pub high: f64,
    /// Where that is said.
    pub line: Line,
    /// Where the function says it that is called there.
    pub inner: Line,
}

/// The whole program.
#[derive(Debug, Clone)]
pub struct Code {
    /// Everything but the code: its buffers are the stores, its views the registers.
    pub program: Program,
    /// By index of the buffer.
    pub stores: Vec<Store>,
    /// The outermost block.
    pub body: Block,
    /// Declared ranges.
    pub ranges: Vec<Range>,
    blocks: u32,
    ops: u32,
}

impl Code {
    /// Nothing yet but what `program` declares.
    pub fn new(program: Program) -> Code {
        let body = Block { id: BlockId(0), items: Vec::new() };
        Code { program, stores: Vec::new(), body, ranges: Vec::new(), blocks: 1, ops: 0 }
    }

    /// A new, empty block.
    pub fn block(&mut self) -> Block {
        self.blocks += 1;
        Block { id: BlockId(self.blocks - 1), items: Vec::new() }
    }

    /// A new store of `len` elements.
    pub fn store(&mut self, kind: Kind, len: u64, store: Store) -> u32 {
        let len = if kind == Kind::Bit { len.next_multiple_of(64) } else { len };
        self.program.buffers.push(Buffer { kind, len });
        self.stores.push(store);
        self.stores.len() as u32 - 1
    }

    /// A register for a view.
    pub fn register(&mut self, view: View) -> Reg {
        self.program.views.push(view);
        Reg(self.program.views.len() as u32 - 1)
    }

    /// A new operation.
    pub fn op(&mut self, instr: Instr, line: Line) -> Op {
        self.ops += 1;
        Op { id: OpId(self.ops - 1), instr, line }
    }

    /// The view of a register.
    pub fn view(&self, reg: Reg) -> &View {
        &self.program.views[reg.0 as usize]
    }

    /// The store of a register.
    pub fn store_of(&self, reg: Reg) -> u32 {
        self.view(reg).buffer
    }

    /// What a store holds.
    pub fn kind(&self, store: u32) -> Kind {
        self.program.buffers[store as usize].kind
    }
}
