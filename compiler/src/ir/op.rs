//! The operations.
//!
//! Operands stand in [`Inst::args`](super::Inst), attributes here. Element-wise operations take operands of one shape; broadcasting is written
//! out with [`Op::Broadcast`]. "Ring" means plain, shared or additive.

use num_rational::BigRational;
use tern_bytecode::instr::{Axes, Comparison, IntBinary, RealBinary, RealUnary};

use super::table::Family;
use super::types::{Const, Type};

/// An operation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Op {
    // ---- leaves
    /// `[] → the constant's type`
    Const(Const),
    /// `[] → shared`: input by index.
    Input(u32),
    /// `[] → int[n]`: start, start + step, ….
    Iota {
        /// First number.
        start: i64,
        /// Difference.
        step: i64,
        /// How many.
        len: usize,
    },
    /// `[] → int[len]`: a fresh random order of 0..n, then uniform picks; known to all.
    Shuffle {
        /// Rows to choose from.
        n: u32,
        /// Length of the result, at least n.
        len: usize,
    },
    /// `[] → real[shape]`: uniform in [0, 1), known to all.
    PublicUniform(Vec<usize>),
    /// `[] → bit[shape]`: uniform bits that nobody knows.
    RandomBits(Vec<usize>),

    // ---- public numbers
    /// `[real] → real`
    RealUnary(RealUnary),
    /// `[real, real] → real`
    RealBinary(RealBinary),
    /// `[int, int] → int`
    IntBinary(IntBinary),
    /// `[a, b] → int`, both real or both int.
    Compare(Comparison),
    /// `[int, a, b] → a's type`: public choice, element by element.
    Choose,
    /// `[int] → real`
    IntToReal,
    /// `[real] → int`, rounded down.
    RealToInt,
    /// `[real or int] → plain.frac`, rounded to nearest.
    Encode {
        /// Fraction bits of the result.
        frac: u32,
    },
    /// `[plain] → real`
    Decode,
    /// `[plain] → int`: whole numbers, scale 0.
    DecodeInt,

    // ---- ring arithmetic
    /// `[ring, ring] → ring` of equal scale; the result has the more secret kind (plain < shared < additive).
    Add,
    /// The same for differences.
    Sub,
    /// `[ring] → ring`
    Neg,
    /// `[ring, ring] → ring`: scales add. Of two shared values the result is shared, or additive once
    /// [`Program::explicit_forms`](super::Program) holds.
    Mul,
    /// `[a, b] → ring`: product summed over the inner axes, see [`Axes`]; `a` [batch, rows, inner], `b` [batch, inner, cols]. Scales add.
    Contract(Axes),
    /// `[ring or real or int] → …` without the axes of the mask.
    Sum {
        /// Bit i set: axis i is summed over.
        axes: u32,
    },
    /// `[ring.f] → ring.(f - bits)`: rounds as the program does. The number stays, up to rounding.
    Trunc {
        /// How many.
        bits: u32,
    },
    /// `[ring.f] → ring.(f + bits)`: multiplies the ring integer by 2^bits. The number stays.
    Raise {
        /// How many.
        bits: u32,
    },
    /// `[ring.f] → ring.frac`: the ring integer stays, the number is multiplied by 2^(f - frac).
    Rescale {
        /// Fraction bits of the result.
        frac: u32,
    },
    /// `[x] → x`: promises that every element lies in low..=high; checked by the emulator's range mode.
    Assume {
        /// Smallest.
        low: BigRational,
        /// Largest.
        high: BigRational,
    },

    // ---- bits
    /// `[shared] → bit`: is it negative? Of the lowest `width` bits; by default as many as the range analysis proves.
    Sign {
        /// 0 until it is known.
        width: u32,
    },
    /// `[shared] → bit`: bit `high` - 1 of the ring integer less a random one below 2^`low`, by a test for zero, in few rounds.
    SignTested {
        /// Positions that are left out.
        low: u32,
        /// End of the positions.
        high: u32,
    },
    /// `[shared] → bit[high - low, ..s]`: bits of the ring integer, lowest first, along a new first axis.
    Bits {
        /// First position.
        low: u32,
        /// End of the positions.
        high: u32,
    },
    /// `[bit[n, ..s]] → shared.0[..s]`: the number with these bits, not signed.
    Word {
        /// Through an adder: in fewer bits and more rounds, if it has many places.
        compact: bool,
    },
    /// `[bit, bit] → bit`
    And,
    /// `[bit, bit] → bit`
    Xor,
    /// `[bit] → bit`
    Not,
    /// `[bit, int] → bit`
    AndPublic,
    /// `[int] → bit`: a public truth value as shared bits.
    PromoteBits,
    /// `[bit, shared] → shared`: the value where the bit is set, else 0. With `keep`, a second result (half) serves [`Op::SelectAgain`].
    Select {
        /// Whether there is the second result.
        keep: bool,
        /// Whether the result is left in additive form, a round earlier.
        additive: bool,
    },
    /// `[half, bit, shared] → shared`: a later selection by the same bit, of the value divided by 2^bits: then that may be additive.
    SelectAgain {
        /// Whether the result is left in additive form.
        additive: bool,
        /// What is taken away, as by [`Op::Trunc`].
        bits: u32,
    },

    // ---- moving data, on any kind
    /// Same elements in row-major order, another shape.
    Reshape(Vec<usize>),
    /// Result axis i is operand axis `perm[i]`.
    Permute(Vec<usize>),
    /// Every axis `start, start + step, …`, as many as the shape says.
    Slice {
        /// First index by axis.
        start: Vec<usize>,
        /// Step by axis, at least 1.
        step: Vec<usize>,
        /// The result's shape.
        shape: Vec<usize>,
    },
    /// Zeros around (low, high) and between (interior) the elements: the adjoint of `Slice`.
    Pad {
        /// Before, by axis.
        low: Vec<usize>,
        /// Behind, by axis.
        high: Vec<usize>,
        /// Between neighbours, by axis.
        interior: Vec<usize>,
    },
    /// Runs the axes of the mask backwards.
    Reverse {
        /// Bit i set: axis i.
        axes: u32,
    },
    /// `[a, b, …]`: one after the other along an axis.
    Concat {
        /// The axis.
        axis: usize,
    },
    /// Stretches axes of size 1; the rank stays.
    Broadcast(Vec<usize>),
    /// Sliding windows over `sizes.len()` axes from `first` on: these axes become positions, as many axes of window offsets are appended.
    Windows {
        /// First of the axes.
        first: usize,
        /// Window sizes.
        sizes: Vec<usize>,
        /// Steps.
        strides: Vec<usize>,
    },
    /// The adjoint of `Windows`: sums the windows back into the given shape.
    Overlay {
        /// First of the axes.
        first: usize,
        /// Window sizes.
        sizes: Vec<usize>,
        /// Steps.
        strides: Vec<usize>,
        /// The result's shape.
        shape: Vec<usize>,
    },
    /// `[x[m, ..], int[n]] → x[n, ..]`: rows by index.
    Gather,
    /// `[x[m, ..], y[n, ..], int[n]] → x`: with rows replaced.
    Scatter,

    // ---- forms
    /// `[plain] → shared`
    Promote,
    /// `[shared] → additive`
    Widen,
    /// `[additive] → shared`
    Reshare,

    // ---- effects
    /// `[shared] → plain`: published.
    Reveal,
    /// `[bit] → int`: published.
    RevealBits,
    /// `[real or int] → []`
    Metric(u32),
    /// `[shared] → []`
    Output(u32),
    /// `[any] → []`, in the emulator.
    Debug(u32),

    // ---- control
    /// `[initial…] → [final…]`; region: `(counter, carried…) → next…`. With `breaks`, the region yields one more value at the end, a public
    /// int: not zero leaves the loop after this iteration.
    For {
        /// Iterations.
        trips: u32,
        /// Whether the region yields a break flag.
        breaks: bool,
    },
    /// `[int] → […]`; two regions without parameters that yield alike.
    If,
    /// `[loss, x…] → [derivative by x…]`, of the types of x.
    Grad,
    /// `[y…, x…] → y…`: the values y, which for derivatives count as computed from the x by a rule of their own. The region has the derivatives by y as
    /// parameters and yields those by the x that `wants` names, in order; the others have none.
    Custom {
        /// How many y there are.
        values: usize,
        /// For every x, whether the rule yields its derivative.
        wants: Vec<bool>,
    },
}

impl Op {
    /// Whether the instruction must stay although nothing uses its results, and must keep its order among its like.
    pub fn has_effect(&self) -> bool {
        matches!(self, Op::Metric(_) | Op::Output(_) | Op::Debug(_) | Op::Reveal | Op::RevealBits)
    }

    /// Whether two equal instructions may have different results.
    pub fn is_random(&self) -> bool {
        matches!(self, Op::Shuffle { .. } | Op::PublicUniform(_) | Op::RandomBits(_))
    }

    /// Whether it only moves elements: linear, and the same for every kind.
    pub fn moves_data(&self) -> bool {
        self.family() == Family::Moves && !matches!(self, Op::Overlay { .. })
    }
}

/// The type of a constant tensor of plain ring elements; a shorthand of builders.
pub fn plain_const(frac: u32, shape: &[usize], number: BigRational) -> Op {
    Op::Const(Const::splat(Type::plain(frac, shape), number))
}
