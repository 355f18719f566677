//! Inputs as Python gives them: arrays, dictionaries of arrays, files.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use tern_host::inputs::{Tensor, Tensors};
use tern_host::{Files, Stop, clients::Store};
use tern_vm::data::{Array, Source, read_all};

use crate::arrays::{array, tensor};
use crate::attend::attend;

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
                let fields = state.iter().map(|(field, pair)| Ok((field.extract()?, one(&pair)?)));
                given.tensors.insert(name, Tensor::Model(fields.collect::<PyResult<_>>()?));
            } else {
                given.tensors.insert(name, Tensor::One(one(&value)?));
            }
        }
        Ok(given)
    }
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
