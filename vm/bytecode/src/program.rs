//! A whole program.

use serde::{Deserialize, Serialize};

use crate::instr::Instr;

/// What a buffer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// Ring elements that everybody knows.
    Plain,
    /// Shares of ring elements that products and comparisons take: replicated, each summand known to all parties but one; with a dealer, opened
    /// under a mask of which the two parties have shares.
    Shared,
    /// Shares of ring elements as a local product leaves them.
    Additive,
    /// Shares of bits like those of elements, packed 64 to a word.
    Bit,
    /// What a selection has made of its bits; lives from one selection to the next.
    Half,
    /// IEEE doubles that everybody knows.
    Real,
    /// 64-bit integers that everybody knows: counters, indices, truth values.
    Int,
}

impl Kind {
    /// All kinds with their names in listings.
    pub const ALL: [(Kind, &'static str); 7] = [
        (Kind::Plain, "plain"),
        (Kind::Shared, "shared"),
        (Kind::Additive, "additive"),
        (Kind::Bit, "bit"),
        (Kind::Half, "half"),
        (Kind::Real, "real"),
        (Kind::Int, "int"),
    ];

    /// The name in listings.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Plain => "plain",
            Kind::Shared => "shared",
            Kind::Additive => "additive",
            Kind::Bit => "bit",
            Kind::Half => "half",
            Kind::Real => "real",
            Kind::Int => "int",
        }
    }
}

/// How the low bits go in a truncation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Rounding {
    /// ⌊(x + r) / 2^m⌋ with r uniform: right on average, cheap.
    Probabilistic,
    /// ⌊x / 2^m + 1/2⌋.
    Nearest,
}

impl Rounding {
    /// How people and files call it.
    pub const fn name(self) -> &'static str {
        match self {
            Rounding::Probabilistic => "probabilistic",
            Rounding::Nearest => "nearest",
        }
    }
}

/// The protocol that a program was compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// Three parties, replicated secret sharing, one semi-honest corruption.
    Rep3,
    /// Four parties, replicated secret sharing, one malicious corruption, with abort.
    Rep4,
    /// Two parties, additive secret sharing, and a dealer that only sends; one semi-honest corruption.
    Dealer,
}

impl Protocol {
    /// All protocols.
    pub const ALL: &'static [Protocol] = &[Protocol::Rep3, Protocol::Rep4, Protocol::Dealer];

    /// How people and files call it.
    pub const fn name(self) -> &'static str {
        match self {
            Protocol::Rep3 => "rep3",
            Protocol::Rep4 => "rep4",
            Protocol::Dealer => "dealer",
        }
    }

    /// The protocol of that name.
    pub fn from_name(name: &str) -> Option<Protocol> {
        Self::ALL.iter().copied().find(|protocol| protocol.name() == name)
    }
}

/// What the whole program has in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The program's name, without its suffix.
    pub name: String,
    /// The protocol.
    pub protocol: Protocol,
    /// Arithmetic is modulo 2^`ring`, one of [`rings`](crate::rings).
    pub ring: u32,
    /// Fraction bits of `fix`.
    pub frac: u32,
    /// Bits of `fix` in all, with sign.
    pub total: u32,
    /// How truncations round.
    pub rounding: Rounding,
    /// The program's arguments, as text, by name.
    pub args: Vec<(String, String)>,
}

/// Who provides an input or receives an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Place {
    /// One party, in the clear.
    Party(u8),
    /// All parties, as shares.
    Shares,
    /// Somebody who runs none of the servers, and gives them shares or gets theirs: an index into [`Program::names`].
    Client(u32),
}

impl Place {
    /// Whether the parties have shares of it, and none the value.
    pub const fn is_shared(self) -> bool {
        matches!(self, Place::Shares | Place::Client(_))
    }
}

/// The element type as the source declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Element {
    /// Fixed point.
    Fix,
    /// Whole numbers.
    Int,
    /// Truth values.
    Bool,
}

/// What an owner does with its data in the clear, before they are shared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Preparation {
    /// Multiply by this fraction (numerator, denominator).
    pub scale: Option<(i64, i64)>,
    /// Labels to indicator rows.
    pub one_hot: bool,
    /// Every column to mean 0 and variance 1.
    pub standardise: bool,
    /// Values must lie within these bounds, after scaling.
    pub range: Option<(f64, f64)>,
    /// The file may have more rows than the shape: the first ones are used.
    pub first_rows: bool,
}

/// A declared input that the program uses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// The name that the command line matches with a file.
    pub name: String,
    /// For a field of a model: the field's name in the file, else empty.
    pub field: String,
    /// Who has it.
    pub from: Place,
    /// The declared element type.
    pub element: Element,
    /// The declared shape.
    pub shape: Vec<u32>,
    /// Fraction bits of the shared value.
    pub frac: u32,
    /// What is done before sharing.
    pub prepare: Preparation,
}

/// A declared output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The name after `output`: the file's name.
    pub name: String,
    /// For a field of a model: the array's name in the file, else empty.
    pub field: String,
    /// Who receives it.
    pub to: Place,
    /// Element type.
    pub element: Element,
    /// Shape.
    pub shape: Vec<u32>,
    /// Fraction bits of the shared value.
    pub frac: u32,
}

/// A piece of memory of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buffer {
    /// What it holds.
    pub kind: Kind,
    /// Elements; of bits, a multiple of 64.
    pub len: u64,
}

/// One axis of a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Dim {
    /// Positions along the axis.
    pub size: u32,
    /// Distance between neighbours, in elements. 0 repeats one element; negative runs backwards.
    pub stride: i64,
}

/// A register: a strided window on a buffer. Reshape, transpose, slice, broadcast and convolution windows are views, not copies.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct View {
    /// Index of the buffer.
    pub buffer: u32,
    /// Element at index 0, 0, ….
    pub offset: u64,
    /// The axes, outermost first.
    pub dims: Vec<Dim>,
}

impl View {
    /// Number of elements; saturates.
    pub fn len(&self) -> u64 {
        self.dims.iter().fold(1, |n, d| n.saturating_mul(u64::from(d.size)))
    }

    /// True if an axis has no positions.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether its elements lie side by side, in row-major order.
    pub fn is_dense(&self) -> bool {
        let mut step = 1;
        self.dims.iter().rev().all(|dim| {
            let next_to = dim.size == 1 || dim.stride == step;
            step = step.saturating_mul(i64::from(dim.size));
            next_to
        })
    }

    /// The sizes of the axes.
    pub fn shape(&self) -> Vec<u32> {
        self.dims.iter().map(|d| d.size).collect()
    }
}

/// An entry of the constant pool: one element (fills the register) or as many as the register has, in row-major order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Constant {
    /// Ring elements, little-endian two's complement of `width` bytes each.
    Ring {
        /// Bytes per element.
        width: u8,
        /// The elements.
        bytes: Vec<u8>,
    },
    /// Doubles.
    Real(Vec<f64>),
    /// Integers.
    Int(Vec<i64>),
}

impl Constant {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Constant::Ring { width, bytes } => bytes.len() / usize::from((*width).max(1)),
            Constant::Real(v) => v.len(),
            Constant::Int(v) => v.len(),
        }
    }

    /// True without elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A place in the user's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Line {
    /// Index into [`Program::files`].
    pub file: u32,
    /// Counted from 1; 0 stands for what belongs to no line.
    pub line: u32,
}

/// A value that the program is assumed to keep within bounds; the emulator checks it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RangeCheck {
    /// The instruction that computes the value.
    pub at: u32,
    /// Fraction bits of the value.
    pub frac: u32,
    /// Smallest allowed value.
    pub low: f64,
    /// Largest allowed value.
    pub high: f64,
    /// Where the user says that: a call of a function, far from where the value was computed.
    pub line: Line,
    /// Where the function says it; the same line, if it is no other's.
    pub inner: Line,
}

/// A whole program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// What holds everywhere.
    pub header: Header,
    /// Inputs, by index.
    pub inputs: Vec<Input>,
    /// Outputs, by index.
    pub outputs: Vec<Output>,
    /// Names of metrics, labels of `debug`, names of clients.
    pub names: Vec<String>,
    /// Constants, by index.
    pub constants: Vec<Constant>,
    /// Memory.
    pub buffers: Vec<Buffer>,
    /// Registers.
    pub views: Vec<View>,
    /// The code.
    pub code: Vec<Instr>,
    /// Names of source files.
    pub files: Vec<String>,
    /// For every instruction, where it comes from. Of a `receive`: the line that the round is for.
    pub lines: Vec<Line>,
    /// Declared ranges, by instruction.
    pub ranges: Vec<RangeCheck>,
}

impl Program {
    /// The client that gives an input or gets an output, if it is one.
    pub fn client(&self, place: Place) -> Option<&str> {
        match place {
            Place::Client(name) => self.names.get(name as usize).map(String::as_str),
            Place::Party(_) | Place::Shares => None,
        }
    }

    /// A program that has nothing but a header.
    pub fn empty(header: Header) -> Program {
        Program {
            header,
            inputs: Vec::new(),
            outputs: Vec::new(),
            names: Vec::new(),
            constants: Vec::new(),
            buffers: Vec::new(),
            views: Vec::new(),
            code: Vec::new(),
            files: Vec::new(),
            lines: Vec::new(),
            ranges: Vec::new(),
        }
    }
}
