//! Where the results of a run go, and as which files.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tern_vm::data::{self, Array};

/// Where results go.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outputs {
    /// A directory: NAME.npz, metrics.jsonl.
    pub out: PathBuf,
    /// The format of outputs.
    pub format: Format,
}

/// A file of named tensors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// NumPy's archive.
    #[default]
    Npz,
    /// The format of many model hubs; in single precision if no value of the file loses anything by it.
    Safetensors,
    /// The same, rounded to single precision, for readers that take nothing else.
    SafetensorsF32,
}

impl Format {
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Format::Npz => "npz",
            Format::Safetensors | Format::SafetensorsF32 => "safetensors",
        }
    }
}

impl Format {
    /// The tensors of a file in single precision, if that is how it holds them.
    pub(crate) fn narrow(self, arrays: &[(String, Array)]) -> Option<Vec<(String, Array)>> {
        let rounded = match self {
            Format::Npz => return None,
            Format::Safetensors => false,
            Format::SafetensorsF32 => true,
        };
        // One type for a file of doubles: readers of models expect it.
        let single = |(name, array): &(String, Array)| {
            let doubles = array.dtype() == data::Dtype::F64;
            let array = if doubles { array.single(rounded)? } else { array.clone() };
            Some((name.clone(), array))
        };
        arrays.iter().map(single).collect()
    }
}

impl Outputs {
    /// Everything to one directory.
    pub fn to_directory(out: PathBuf) -> Outputs {
        Outputs { out, format: Format::default() }
    }
}
