//! Types and constants.

use std::fmt;
use std::sync::Arc;

use num_rational::BigRational;
use num_traits::{Signed, Zero};
use tern_bytecode::Kind;

/// The type of a value: what it is made of, its scale and its shape.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Type {
    /// Public, shared, bits, ….
    pub kind: Kind,
    /// Of ring kinds, the fraction bits; otherwise 0.
    pub frac: u32,
    /// Sizes, outermost axis first.
    pub shape: Vec<usize>,
}

impl Type {
    /// A type.
    pub fn new(kind: Kind, frac: u32, shape: impl Into<Vec<usize>>) -> Type {
        Type { kind, frac, shape: shape.into() }
    }

    /// Public integers (counters, indices, truth values).
    pub fn int(shape: impl Into<Vec<usize>>) -> Type {
        Type::new(Kind::Int, 0, shape)
    }

    /// Public doubles.
    pub fn real(shape: impl Into<Vec<usize>>) -> Type {
        Type::new(Kind::Real, 0, shape)
    }

    /// Shared bits.
    pub fn bit(shape: impl Into<Vec<usize>>) -> Type {
        Type::new(Kind::Bit, 0, shape)
    }

    /// Replicated shares with `frac` fraction bits.
    pub fn shared(frac: u32, shape: impl Into<Vec<usize>>) -> Type {
        Type::new(Kind::Shared, frac, shape)
    }

    /// Public ring elements with `frac` fraction bits.
    pub fn plain(frac: u32, shape: impl Into<Vec<usize>>) -> Type {
        Type::new(Kind::Plain, frac, shape)
    }

    /// The same with another shape.
    pub fn with_shape(&self, shape: impl Into<Vec<usize>>) -> Type {
        Type { shape: shape.into(), ..self.clone() }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// True without elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether nobody knows the value.
    pub fn is_secret(&self) -> bool {
        is_secret(self.kind)
    }

    /// Whether rank, number of elements and scale are within what the compiler counts with: 31 axes, 2^40 elements, 2^16 fraction bits of ring
    /// elements and none of others.
    pub fn is_bounded(&self) -> bool {
        let len = self.shape.iter().try_fold(1usize, |n, size| n.checked_mul(*size));
        let frac = if self.is_ring() { 1 << 16 } else { 0 };
        self.shape.len() <= 31 && len.is_some_and(|n| n <= 1 << 40) && self.frac <= frac
    }

    /// Whether the elements are ring elements, which have a scale.
    pub fn is_ring(&self) -> bool {
        matches!(self.kind, Kind::Plain | Kind::Shared | Kind::Additive)
    }
}

/// Whether nobody knows values of this kind.
pub fn is_secret(kind: Kind) -> bool {
    match kind {
        Kind::Shared | Kind::Additive | Kind::Bit | Kind::Half => true,
        Kind::Plain | Kind::Real | Kind::Int => false,
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        if self.is_ring() {
            write!(f, ".{}", self.frac)?;
        }
        let dims: Vec<String> = self.shape.iter().map(usize::to_string).collect();
        write!(f, "[{}]", dims.join(", "))
    }
}

/// The elements of a constant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ConstData {
    /// Every element is this number.
    Splat(BigRational),
    /// Row-major.
    Dense(Arc<[BigRational]>),
}

/// A constant tensor of exact numbers. A ring type stores them rounded to its scale; integers and truth values are whole numbers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Const {
    /// `plain`, `real` or `int`.
    pub ty: Type,
    /// The numbers.
    pub data: ConstData,
}

impl Const {
    /// The same number everywhere.
    pub fn splat(ty: Type, number: BigRational) -> Const {
        Const { ty, data: ConstData::Splat(number) }
    }

    /// Row-major numbers; a tensor of equal numbers becomes a splat.
    pub fn dense(ty: Type, numbers: Vec<BigRational>) -> Const {
        debug_assert_eq!(ty.len(), numbers.len());
        let data = match numbers.first() {
            Some(first) if numbers.iter().all(|n| n == first) => ConstData::Splat(first.clone()),
            Some(_) => ConstData::Dense(numbers.into()),
            None => ConstData::Splat(BigRational::zero()),
        };
        Const { ty, data }
    }

    /// The number at a row-major index.
    pub fn at(&self, index: usize) -> &BigRational {
        match &self.data {
            ConstData::Splat(number) => number,
            ConstData::Dense(numbers) => &numbers[index],
        }
    }

    /// The largest absolute number; 0 of none.
    pub fn largest(&self) -> BigRational {
        match &self.data {
            ConstData::Splat(number) => number.abs(),
            ConstData::Dense(numbers) => numbers.iter().map(Signed::abs).max().unwrap_or_default(),
        }
    }

    /// The number that all elements are, if they are.
    pub fn as_splat(&self) -> Option<&BigRational> {
        match &self.data {
            ConstData::Splat(number) => Some(number),
            ConstData::Dense(_) => None,
        }
    }
}
