//! Where the results of a run go, and as which files.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::PathBuf;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use tern_vm::data::{self, Array};

use crate::clients::Store;
use crate::results;

/// Where results go.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outputs {
    /// A directory: NAME.npz, metrics.jsonl.
    pub out: PathBuf,
    /// The format of outputs.
    pub format: Format,
    /// Where shares of results for clients go; without it to `out`.
    pub store: Option<Store>,
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
    fn narrow(self, arrays: &[(String, Array)]) -> Option<Vec<(String, Array)>> {
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

    /// Writes a file of named tensors.
    pub(crate) fn write(self, file: &mut BufWriter<File>, arrays: &[(String, Array)]) -> io::Result<()> {
        let narrowed = self.narrow(arrays);
        let tensors = narrowed.as_deref().unwrap_or(arrays).iter().map(|(name, a)| (name.as_str(), a));
        match self {
            Format::Npz => data::write_npz(file, tensors),
            Format::Safetensors | Format::SafetensorsF32 => data::write_safetensors(file, tensors),
        }
    }
}

impl Outputs {
    /// Everything to one directory.
    pub fn to_directory(out: PathBuf) -> Outputs {
        Outputs { out, format: Format::default(), store: None }
    }

    /// Writes a result in the clear: where it is.
    ///
    /// # Errors
    /// If it can be written neither there nor to a directory for temporary files.
    pub fn write(&self, name: &str, tensors: &[(String, Array)]) -> anyhow::Result<PathBuf> {
        let file = format!("{name}.{}", self.format.suffix());
        let written = results::write(&self.out, &file, |file| self.format.write(file, tensors));
        let written = written.with_context(|| format!("cannot write {}", self.out.join(&file).display()))?;
        match written.instead {
            Some(cause) => bail!(
                "{} could not be written ({cause}), {name} is in {}",
                self.out.join(&file).display(),
                written.path.display()
            ),
            None => Ok(written.path),
        }
    }
}
