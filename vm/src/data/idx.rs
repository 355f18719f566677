//! The idx format, in which MNIST is kept: `00 00`, a type, the number of axes, the sizes (32 bits each, most significant
//! byte first), and the elements in row-major order. Described at the end of the page of the MNIST database.

use super::array::{Array, Dtype};
use super::error::Problem;
use super::stream::{Layout, Stream};

/// Whether a file that begins like this is one.
pub(super) fn is_idx(head: &[u8]) -> bool {
    matches!(head, [0, 0, code, ..] if dtype(*code).is_some())
}

/// Reads it.
pub(super) fn read(mut stream: Stream<'_>) -> Result<Array, Problem> {
    let cut = || Problem::Malformed { format: "idx", reason: "it ends within the header".into() };
    let [_, _, code, axes] = stream.bytes()?.ok_or_else(cut)?;
    let unsupported = || Problem::UnsupportedType { found: format!("0x{code:02x}") };
    let dtype = dtype(code).ok_or_else(unsupported)?;
    let mut shape = Vec::new();
    for _ in 0..axes {
        let size = u32::from_be_bytes(stream.bytes()?.ok_or_else(cut)?);
        shape.push(u64::from(size));
    }
    stream.tensor(&Layout { format: "idx", dtype, big_endian: true, shape })
}

fn dtype(code: u8) -> Option<Dtype> {
    Some(match code {
        0x08 => Dtype::U8,
        0x09 => Dtype::I8,
        0x0b => Dtype::I16,
        0x0c => Dtype::I32,
        0x0d => Dtype::F32,
        0x0e => Dtype::F64,
        _ => return None,
    })
}
