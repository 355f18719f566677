//! The safetensors format: the length of a header, the header as JSON, the elements of every tensor.

use super::array::{Array, Dtype, Values};
use super::error::Problem;
use super::npy::write_elements;
use super::open::Wanted;
use super::stream::{Layout, Stream};
use ::safetensors::tensor::TensorView;
use ::safetensors::{Dtype as Type, SafeTensors, serialize};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// The format's own bound on the length of its header.
const LONGEST_HEADER: u64 = 100_000_000;

/// Whether a file that begins like this is one.
pub(super) fn is_safetensors(head: &[u8]) -> bool {
    let length = head.first_chunk().map(|&bytes| u64::from_le_bytes(bytes));
    length.is_some_and(|length| length <= LONGEST_HEADER) && head.get(8) == Some(&b'{')
}

/// Reads tensors, as `wanted` says which.
pub(super) fn read(mut stream: Stream<'_>, wanted: Wanted<'_>) -> Result<Vec<(String, Array)>, Problem> {
    let malformed = |error: &dyn std::fmt::Display| Problem::Malformed {
        format: "safetensors",
        reason: format!("its header is wrong: {error}"),
    };
    let bytes = stream.rest()?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| malformed(&error))?;
    let mut names = file.names();
    names.sort_unstable();
    let one = |name: &str| {
        let tensor = file.tensor(name).map_err(|error| malformed(&error))?;
        Ok((name.to_string(), array(&tensor)?))
    };
    wanted.of(&names)?.into_iter().map(one).collect()
}

fn array(tensor: &TensorView<'_>) -> Result<Array, Problem> {
    let layout = Layout {
        format: "safetensors",
        dtype: dtype(tensor.dtype())?,
        big_endian: false,
        shape: tensor.shape().iter().map(|&size| size as u64).collect(),
    };
    Stream::plain(tensor.data(), tensor.data().len() as u64).tensor(&layout)
}

/// Writes named tensors to one file. Of two tensors with one name, the last is written.
///
/// # Errors
/// Those of the writer.
pub fn write_safetensors<'a>(
    mut out: impl Write,
    arrays: impl IntoIterator<Item = (&'a str, &'a Array)>,
) -> io::Result<()> {
    let mut elements = BTreeMap::new();
    for (name, array) in arrays {
        let mut bytes = Vec::new();
        write_elements(&mut bytes, array.values())?;
        elements.insert(name, (array, bytes));
    }
    let mut views = BTreeMap::new();
    for (name, (array, bytes)) in &elements {
        let view = TensorView::new(type_of(array), array.shape().to_vec(), bytes);
        views.insert(*name, view.map_err(io::Error::other)?);
    }
    out.write_all(&serialize(views, None).map_err(io::Error::other)?)
}

fn type_of(array: &Array) -> Type {
    match (array.dtype(), array.values()) {
        (Dtype::Bool, _) => Type::BOOL,
        (_, Values::U8(_)) => Type::U8,
        (_, Values::I32(_)) => Type::I32,
        (_, Values::I64(_)) => Type::I64,
        (_, Values::F32(_)) => Type::F32,
        (_, Values::F64(_)) => Type::F64,
    }
}

fn dtype(found: Type) -> Result<Dtype, Problem> {
    Ok(match found {
        Type::BOOL => Dtype::Bool,
        Type::U8 => Dtype::U8,
        Type::I8 => Dtype::I8,
        Type::U16 => Dtype::U16,
        Type::I16 => Dtype::I16,
        Type::U32 => Dtype::U32,
        Type::I32 => Dtype::I32,
        Type::U64 => Dtype::U64,
        Type::I64 => Dtype::I64,
        Type::F16 => Dtype::F16,
        Type::BF16 => Dtype::BF16,
        Type::F32 => Dtype::F32,
        Type::F64 => Dtype::F64,
        other => return Err(Problem::UnsupportedType { found: other.to_string() }),
    })
}
