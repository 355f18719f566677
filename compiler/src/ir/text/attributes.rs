//! The attributes of operations as text: how each kind of attribute is written and read. Which operation has which stands in [`crate::ir::table`].

use std::fmt::{self, Display, Write};
use std::str::FromStr;

use num_rational::BigRational;
use tern_bytecode::instr::{Axes, Comparison, IntBinary, RealBinary, RealUnary};

use super::parse::{Parser, Result};
use super::print::{Printer, join};
use crate::ir::Op;
use crate::ir::table::for_each_operation;

/// A way to write attributes of type `T`. Whatever is written begins with a space.
trait Form<T> {
    fn write(value: &T, label: &str, to: &mut Printer) -> fmt::Result;
    fn read(label: &str, from: &mut Parser) -> Result<T>;
}

macro_rules! attributes {
    (
        written { $($variant:ident = $name:literal { $($field:tt: $bind:ident = $form:ident $($label:literal)?),* }:
            $($property:ident)*),* $(,)? }
        own { $($own:ident: $($own_property:ident)*),* $(,)? }
    ) => {
        /// Writes name and attributes; false for an operation that is written in a way of its own.
        pub(super) fn write(op: &Op, to: &mut Printer) -> std::result::Result<bool, fmt::Error> {
            match op {
                $(Op::$variant { $($field: $bind),* } => {
                    to.write_str($name)?;
                    $($form::write($bind, concat!($($label)?), to)?;)*
                })*
                $(Op::$own { .. } => return Ok(false),)*
            }
            Ok(true)
        }

        /// Reads the attributes of the operation of this name; `None` if it is not in the table.
        pub(super) fn read(name: &str, from: &mut Parser) -> Result<Option<Op>> {
            Ok(Some(match name {
                $($name => {
                    $(let $bind = $form::read(concat!($($label)?), from)?;)*
                    Op::$variant { $($field: $bind),* }
                })*
                _ => return Ok(None),
            }))
        }
    };
}

for_each_operation!(attributes);

fn write_label(label: &str, to: &mut Printer) -> fmt::Result {
    if label.is_empty() { Ok(()) } else { write!(to, " {label}") }
}

fn read_label(label: &str, from: &mut Parser) -> Result<()> {
    if label.is_empty() { Ok(()) } else { from.keyword(label) }
}

/// An integer.
struct Number;

impl<T: Display + FromStr> Form<T> for Number {
    fn write(value: &T, label: &str, to: &mut Printer) -> fmt::Result {
        write_label(label, to)?;
        write!(to, " {value}")
    }

    fn read(label: &str, from: &mut Parser) -> Result<T> {
        read_label(label, from)?;
        from.number()
    }
}

/// An integer that is left out if it is 0.
struct NotZero;

impl Form<u32> for NotZero {
    fn write(value: &u32, _: &str, to: &mut Printer) -> fmt::Result {
        if *value == 0 { Ok(()) } else { write!(to, " {value}") }
    }

    fn read(_: &str, from: &mut Parser) -> Result<u32> {
        if from.at_digit() { from.number() } else { Ok(0) }
    }
}

/// A label that is there or not.
struct Flag;

impl Form<bool> for Flag {
    fn write(value: &bool, label: &str, to: &mut Printer) -> fmt::Result {
        if *value { write_label(label, to) } else { Ok(()) }
    }

    fn read(label: &str, from: &mut Parser) -> Result<bool> {
        Ok(from.try_keyword(label))
    }
}

/// Numbers in brackets.
struct List;

impl Form<Vec<usize>> for List {
    fn write(value: &Vec<usize>, label: &str, to: &mut Printer) -> fmt::Result {
        write_label(label, to)?;
        write!(to, " [{}]", join(value))
    }

    fn read(label: &str, from: &mut Parser) -> Result<Vec<usize>> {
        read_label(label, from)?;
        from.list()
    }
}

/// The positions of the bits that are set, in brackets.
struct Mask;

impl Form<u32> for Mask {
    fn write(value: &u32, _: &str, to: &mut Printer) -> fmt::Result {
        write!(to, " [{}]", join((0..32).filter(|i| value >> i & 1 == 1)))
    }

    fn read(_: &str, from: &mut Parser) -> Result<u32> {
        from.list()?.into_iter().try_fold(0u32, |mask, axis: usize| match 1u32.checked_shl(axis as u32) {
            Some(bit) if axis < 32 => Ok(mask | bit),
            _ => Err(from.error(format!("there is no axis {axis}"))),
        })
    }
}

/// The groups of a contraction: batch, rows, inner, cols.
struct Groups;

impl Form<Axes> for Groups {
    fn write(value: &Axes, _: &str, to: &mut Printer) -> fmt::Result {
        write!(to, " {}.{}.{}.{}", value.batch, value.rows, value.inner, value.cols)
    }

    fn read(_: &str, from: &mut Parser) -> Result<Axes> {
        let batch = from.number()?;
        let mut next = || from.sign(".").and_then(|()| from.number());
        Ok(Axes { batch, rows: next()?, inner: next()?, cols: next()? })
    }
}

/// An exact number.
struct Exact;

impl Form<BigRational> for Exact {
    fn write(value: &BigRational, label: &str, to: &mut Printer) -> fmt::Result {
        write_label(label, to)?;
        write!(to, " {value}")
    }

    fn read(label: &str, from: &mut Parser) -> Result<BigRational> {
        read_label(label, from)?;
        from.exact()
    }
}

/// An entry of [`Program::names`](crate::ir::Program).
struct Name;

impl Form<u32> for Name {
    fn write(value: &u32, _: &str, to: &mut Printer) -> fmt::Result {
        to.write_str(" ")?;
        to.name_at(*value)
    }

    fn read(_: &str, from: &mut Parser) -> Result<u32> {
        let name = from.name()?;
        Ok(from.program.name_index(&name))
    }
}

/// One of the operations that the bytecode lists.
struct Member;

macro_rules! members {
    ($($ty:ident),*) => { $(
        impl Form<$ty> for Member {
            fn write(value: &$ty, _: &str, to: &mut Printer) -> fmt::Result {
                write!(to, " {value}")
            }

            fn read(_: &str, from: &mut Parser) -> Result<$ty> {
                let word = from.word()?;
                let found = $ty::ALL.iter().find(|(_, name)| *name == word);
                found.map(|(op, _)| *op).ok_or_else(|| from.error(format!("there is no operation {word}")))
            }
        }
    )* };
}
members!(RealUnary, RealBinary, IntBinary, Comparison);
