//! Buffers of one element type, whichever it is: ring elements, bits in the clear, doubles, integers.

use super::Ring;

/// One buffer.
#[derive(Debug)]
pub enum Store<R> {
    /// Ring elements.
    Ring(Vec<R>),
    /// Bits in the clear, one to a byte, 0 or 1.
    Bit(Vec<u8>),
    /// Doubles.
    Real(Vec<f64>),
    /// Integers.
    Int(Vec<i64>),
    /// Not here: the back-end keeps it as shares.
    Absent,
}

/// Contiguous elements of a store.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a, R> {
    /// Ring elements.
    Ring(&'a [R]),
    /// Bits.
    Bit(&'a [u8]),
    /// Doubles.
    Real(&'a [f64]),
    /// Integers.
    Int(&'a [i64]),
    /// Nothing.
    Absent,
}

/// An element type of a [`Store`].
///
/// The methods panic if the store has another type. Callers name the type that the instruction table gives the operand, and programs are
/// validated before they run.
pub trait Cell<R>: bytemuck::Pod + Send + Sync {
    /// The elements of a store.
    fn cells(store: &mut Store<R>) -> &mut [Self];
    /// Elements with their type forgotten.
    fn part(cells: &[Self]) -> Part<'_, R>;
    /// And remembered.
    fn of(part: Part<'_, R>) -> &[Self];
}

macro_rules! cell {
    ($variant:ident, $ty:ty) => {
        impl<R: Ring> Cell<R> for $ty {
            fn cells(store: &mut Store<R>) -> &mut [Self] {
                match store {
                    Store::$variant(cells) => cells,
                    _ => panic!("{} expected: programs are validated before they run", stringify!($variant)),
                }
            }
            fn part(cells: &[Self]) -> Part<'_, R> {
                Part::$variant(cells)
            }
            fn of(part: Part<'_, R>) -> &[Self] {
                match part {
                    Part::$variant(cells) => cells,
                    _ => panic!("{} expected: programs are validated before they run", stringify!($variant)),
                }
            }
        }
    };
}
cell!(Ring, R);
cell!(Bit, u8);
cell!(Real, f64);
cell!(Int, i64);

impl<R: Ring> Store<R> {
    /// All its elements.
    pub fn part(&self) -> Part<'_, R> {
        match self {
            Store::Ring(cells) => Part::Ring(cells),
            Store::Bit(cells) => Part::Bit(cells),
            Store::Real(cells) => Part::Real(cells),
            Store::Int(cells) => Part::Int(cells),
            Store::Absent => Part::Absent,
        }
    }
}
