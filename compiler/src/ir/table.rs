//! The table of operations: what is said of each beside its type rule.
//!
//! A row reads `Variant = "name" { field: binding = Form "label", … }: Family Algebra same`. Name and attributes are the text form's, where the fields of
//! tuple variants are numbers; operations that are written in a way of their own stand at the end. [`Family`] is how emission
//! goes about it, [`Algebra`] what it does to secret operands in additive form. `same`: the result's ring integers or numbers
//! are among those of the first operand.
//!
//! **To add an operation**: its variant in [`super::op`], its row, its type rule in [`super::infer`], its arithmetic in [`super::interpret`], its
//! instructions in `emit::select`; if it computes numbers, their range in `passes::transfer` and its derivative in `passes::differentiate`. An operation that
//! the passes do not know is right, and only less well optimised.

use super::Op;

/// How an operation is emitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// It has no operands.
    Leaf,
    /// It goes element by element.
    Elements,
    /// It combines elements along axes, or makes an axis.
    Sums,
    /// It moves elements, of any kind.
    Moves,
    /// It is there for what it tells.
    Effect,
    /// It has regions that are run.
    Control,
    /// It has a region that only derivatives look at.
    Rule,
    /// It stands for a derivative until that is expanded.
    Derivative,
}

/// What an operation does to secret ring elements, as far as the form matters in which they are shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algebra {
    /// Linear: it takes either form, and the result has it.
    Linear,
    /// Linear, with all operands in one form.
    Joint,
    /// A product; linear if one factor is public.
    Product,
    /// A selection by a secret bit.
    Selection,
    /// A truncation.
    Truncation,
    /// A number made of bits.
    Word,
    /// It tells the value to somebody.
    Telling,
    /// No form is taken or given but the plainest.
    Apart,
}

/// Calls `$then! { written {rows} own {rows} }` with the whole table.
macro_rules! for_each_operation {
    ($then:ident) => {
        $then! {
            written {
                // leaves
                Input = "input" { 0: index = Number }: Leaf Apart,
                Iota = "iota" { len: len = Number, start: start = Number "from", step: step = Number "by" }: Leaf Apart,
                Shuffle = "shuffle" { n: n = Number, len: len = Number "to" }: Leaf Apart,
                PublicUniform = "public_uniform" { 0: shape = List }: Leaf Apart,
                RandomBits = "random_bits" { 0: shape = List }: Leaf Apart,
                // public numbers
                RealUnary = "real_unary" { 0: op = Member }: Elements Apart,
                RealBinary = "real_binary" { 0: op = Member }: Elements Apart,
                IntBinary = "int_binary" { 0: op = Member }: Elements Apart,
                Compare = "compare" { 0: op = Member }: Elements Apart,
                Choose = "choose" {}: Elements Apart,
                IntToReal = "int_to_real" {}: Elements Apart,
                RealToInt = "real_to_int" {}: Elements Apart,
                Encode = "encode" { frac: frac = Number }: Elements Apart,
                Decode = "decode" {}: Elements Apart,
                DecodeInt = "decode_int" {}: Elements Apart same,
                // ring arithmetic
                Add = "add" {}: Elements Linear,
                Sub = "sub" {}: Elements Linear,
                Neg = "neg" {}: Elements Linear,
                Mul = "mul" {}: Elements Product,
                Contract = "contract" { 0: axes = Groups }: Sums Product,
                Sum = "sum" { axes: axes = Mask }: Sums Linear,
                Trunc = "trunc" { bits: bits = Number }: Elements Truncation,
                Raise = "raise" { bits: bits = Number }: Elements Linear,
                Rescale = "rescale" { frac: frac = Number }: Elements Linear same,
                Assume = "assume" { low: low = Exact, high: high = Exact "to" }: Effect Linear same,
                // bits
                Sign = "sign" { width: width = NotZero }: Elements Apart,
                SignTested = "sign_tested" { low: low = Number, high: high = Number "to" }: Elements Apart,
                Bits = "bits" { low: low = Number, high: high = Number "to" }: Sums Apart,
                Word = "word" { compact: compact = Flag "compact" }: Sums Word,
                And = "and" {}: Elements Apart,
                Xor = "xor" {}: Elements Apart,
                Not = "not" {}: Elements Apart,
                AndPublic = "and_public" {}: Elements Apart,
                PromoteBits = "promote_bits" {}: Elements Apart same,
                Select = "select" { keep: keep = Flag "keep", additive: additive = Flag "additive" }: Elements Selection,
                SelectAgain = "select_again" { additive: additive = Flag "additive", bits: bits = NotZero }: Elements Selection,
                // moving data
                Reshape = "reshape" { 0: shape = List }: Moves Linear same,
                Permute = "permute" { 0: axes = List }: Moves Linear same,
                Slice = "slice" { start: start = List, step: step = List "by", shape: shape = List "shape" }: Moves Linear same,
                Pad = "pad" { low: low = List, high: high = List "and", interior: interior = List "between" }: Moves Linear,
                Reverse = "reverse" { axes: axes = Mask }: Moves Linear same,
                Concat = "concat" { axis: axis = Number }: Moves Joint,
                Broadcast = "broadcast" { 0: shape = List }: Moves Linear same,
                Windows = "windows" { first: first = Number, sizes: sizes = List "sizes", strides: strides = List "by" }: Moves Linear same,
                Overlay = "overlay" { first: first = Number, sizes: sizes = List "sizes", strides: strides = List "by", shape: shape = List "shape" }: Moves Linear,
                Gather = "gather" {}: Moves Linear same,
                Scatter = "scatter" {}: Moves Joint,
                // forms
                Promote = "promote" {}: Elements Apart same,
                Widen = "widen" {}: Elements Apart same,
                Reshare = "reshare" {}: Elements Apart same,
                // effects
                Reveal = "reveal" {}: Elements Telling same,
                RevealBits = "reveal_bits" {}: Elements Apart same,
                Metric = "metric" { 0: name = Name }: Effect Apart,
                Output = "output" { 0: index = Number }: Effect Telling,
                Debug = "debug" { 0: name = Name }: Effect Apart,
                Grad = "grad" {}: Derivative Apart,
            }
            own {
                Const: Leaf Apart,
                For: Control Apart,
                If: Control Apart,
                Custom: Rule Apart,
            }
        }
    };
}
pub(super) use for_each_operation;

macro_rules! properties {
    (
        written { $($variant:ident = $name:literal { $($field:tt: $bind:ident = $form:ident $($label:literal)?),* }:
            $family:ident $algebra:ident $($same:ident)?),* $(,)? }
        own { $($own:ident: $own_family:ident $own_algebra:ident),* $(,)? }
    ) => {
        impl Op {
            /// How it is emitted.
            pub fn family(&self) -> Family {
                match self {
                    $(Op::$variant { .. } => Family::$family,)*
                    $(Op::$own { .. } => Family::$own_family,)*
                }
            }

            /// What it does to the forms of secret operands.
            pub fn algebra(&self) -> Algebra {
                match self {
                    $(Op::$variant { .. } => Algebra::$algebra,)*
                    $(Op::$own { .. } => Algebra::$own_algebra,)*
                }
            }

            /// Whether the result's elements are among those of the first operand, as numbers or as ring integers.
            pub fn keeps_elements(&self) -> bool {
                match self {
                    $($(Op::$variant { .. } => stringify!($same) == "same",)?)*
                    _ => false,
                }
            }
        }
    };
}

for_each_operation!(properties);
