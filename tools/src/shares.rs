//! Values that stay shared from one run to the next: every party keeps its own two summands of each element in a file of its own.
//!
//! The file is `NAME.shares-I.npz` (or `.safetensors`) at party I. A tensor is in it as the words of its ring elements, int64 in little-endian order, of shape [2, the tensor's …, words]:
//! first the summand in common with the next party, then that in common with the previous one. The three files together tell the value; one
//! alone is random.

use anyhow::bail;
use tern_bytecode::program::Output;
use tern_vm::data::{Array, Element, InputSpec, Options, Source, Values};
use tern_vm::machine::Elements;
use tern_vm::net::Party;

/// The name of a party's file, without suffix.
pub(crate) fn file_name(name: &str, party: Party) -> String {
    format!("{name}.{}", mark(party))
}

/// The file of `party` that belongs to the same value as `file`, which is some party's.
pub(crate) fn file_of(file: &str, party: Party) -> String {
    Party::ALL.into_iter().fold(file.to_string(), |file, other| file.replace(&mark(other), &mark(party)))
}

/// What a party writes.
pub(crate) fn to_array(declared: &Output, elements: Elements<'_>) -> Array {
    let words: Vec<i64> = elements.words.iter().map(|word| *word as i64).collect();
    let inner = declared.shape.iter().map(|size| *size as usize);
    let shape: Vec<usize> = std::iter::once(2).chain(inner).chain([elements.limbs]).collect();
    Array::new(shape, words)
}

/// What the file of a tensor holds: the words of both summands.
pub(crate) fn spec(declared: InputSpec, limbs: usize) -> InputSpec {
    let shape = std::iter::once(2).chain(declared.shape).chain([limbs]).collect();
    InputSpec { shape, element: Element::Int, options: Options::default(), ..declared }
}

/// What a party reads, if it is as [`spec`] says.
pub(crate) fn words(spec: &InputSpec, array: Array, source: &Source) -> anyhow::Result<Vec<u64>> {
    let (name, shape) = (&spec.name, &spec.shape);
    if array.shape() != shape {
        bail!("{source}: shares of {name} have the shape {shape:?}, not {:?}", array.shape());
    }
    match array.into_values() {
        Values::I64(words) => Ok(words.into_iter().map(|word| word as u64).collect()),
        Values::U8(_) | Values::I32(_) | Values::F32(_) | Values::F64(_) => {
            bail!("{source}: shares of {name} are int64")
        }
    }
}

fn mark(party: Party) -> String {
    format!("shares-{}", party.index())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_value_differ_in_the_party() {
        assert_eq!(file_name("w", Party::P2), "w.shares-2");
        assert_eq!(file_of("out/w.shares-0.npz:l1", Party::P1), "out/w.shares-1.npz:l1");
        assert_eq!(file_of("out/w.shares-2.npz", Party::P2), "out/w.shares-2.npz");
    }
}
