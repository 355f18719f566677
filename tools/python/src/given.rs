//! Inputs as Python gives them: arrays, dictionaries of arrays, files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use tern_host::inputs::{Tensor, Tensors};
use tern_host::{Files, Stop, clients::Store};
use tern_vm::data::{Array, Source, read_all};

use crate::arrays::{array, tensor};
use crate::attend::attend;
use crate::failed::exception;

/// Data of inputs, in memory and in files.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) tensors: Tensors,
    pub(crate) files: Files,
}

impl Given {
    /// From a dictionary by name: of texts that say which file, of pairs of an array and its type, or of dictionaries of such.
    pub(crate) fn of(
        inputs: &Bound<'_, PyDict>,
        data: Option<PathBuf>,
        store: Option<Store>,
    ) -> PyResult<Given> {
        let mut given = Given { files: Files { data, store, ..Files::default() }, ..Given::default() };
        for (name, value) in inputs {
            let name: String = name.extract()?;
            if let Ok(file) = value.cast::<PyString>() {
                given.files.inputs.push(format!("{name}={file}"));
            } else if let Ok(state) = value.cast::<PyDict>() {
                given.tensors.insert(name, Tensor::Model(model(state)?));
            } else {
                given.tensors.insert(name, Tensor::One(one(&value)?));
            }
        }
        Ok(given)
    }
}

/// The tensors of a dictionary, by name.
fn model(state: &Bound<'_, PyDict>) -> PyResult<BTreeMap<String, Array>> {
    state.iter().map(|(field, pair)| Ok((field.extract()?, one(&pair)?))).collect()
}

fn one(pair: &Bound<'_, PyAny>) -> PyResult<Array> {
    let pair = pair.cast::<PyTuple>()?;
    tensor(&pair.get_item(0)?, &pair.get_item(1)?.extract::<String>()?)
}

/// Every tensor of an npz or safetensors file, by name.
#[pyfunction]
pub(crate) fn read_tensors<'py>(py: Python<'py>, path: PathBuf) -> PyResult<Bound<'py, PyDict>> {
    let read = move |_| {
        let source = Source::file(path);
        read_all(&source).map_err(|error| anyhow::Error::msg(error.message()))
    };
    let tensors = PyDict::new(py);
    for (name, tensor) in attend(py, &Stop::default(), None, read)? {
        tensors.set_item(name, array(py, tensor)?)?;
    }
    Ok(tensors)
}

/// Whether a tensor of this name may be one of those that a layer computes a weight from.
#[pyfunction]
pub(crate) fn is_part_of_weight(name: &str) -> bool {
    tern_vm::data::is_part_of_weight(name)
}

/// A state dictionary, as pairs of an array and its type, in which layers under weight normalisation have their weights; `path` is what messages
/// call it.
#[pyfunction]
pub(crate) fn with_weights<'py>(
    py: Python<'py>,
    path: PathBuf,
    state: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyDict>> {
    let tensors = tern_vm::data::with_weights(model(state)?, &Source::file(path));
    let tensors = tensors.map_err(|error| exception(py, anyhow::Error::msg(error.message())))?;
    let arrays = PyDict::new(py);
    for (name, tensor) in tensors {
        arrays.set_item(name, array(py, tensor)?)?;
    }
    Ok(arrays)
}
