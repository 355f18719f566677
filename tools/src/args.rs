//! Arguments that several commands take.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tern_host::{Files, Format, Outputs};

/// Where data are.
#[derive(Args, Clone)]
pub(crate) struct FileArgs {
    /// Data of an input: NAME=FILE, of an archive NAME=FILE.npz:TENSOR, of some rows `NAME=FILE[START:END]`. What the
    /// file does not say follows after commas: header=yes|no, index=yes|no (a first column to leave out),
    /// separator=comma|semicolon|tab|bar|blanks, decimal=point|comma, transpose=0312 (its axes in this order). May be
    /// given several times.
    #[arg(long = "input", value_name = "NAME=FILE[ROWS][,OPTION=VALUE]…")]
    inputs: Vec<String>,
    /// A directory (or npz file) in which inputs are found by name; MNIST's own file names are known.
    #[arg(long)]
    data: Option<PathBuf>,
}

/// Where results go.
#[derive(Args, Clone)]
pub(crate) struct OutputArgs {
    /// Where outputs and metrics go: NAME.npz, metrics.jsonl.
    #[arg(long, visible_alias = "output", default_value = "tern-out")]
    out: PathBuf,
    /// The format of outputs.
    #[arg(long, value_enum, default_value_t)]
    format: FormatArg,
}

/// A file of named tensors.
#[derive(Clone, Copy, Default, ValueEnum)]
enum FormatArg {
    /// NumPy's archive.
    #[default]
    Npz,
    /// The format of many model hubs; in single precision if no value of the file loses anything by it.
    Safetensors,
    /// The same, rounded to single precision, for readers that take nothing else.
    SafetensorsF32,
}

impl FileArgs {
    /// What the library calls it.
    pub(crate) fn files(&self) -> Files {
        Files { inputs: self.inputs.clone(), data: self.data.clone() }
    }
}

impl OutputArgs {
    /// What the library calls it.
    pub(crate) fn outputs(&self) -> Outputs {
        let format = match self.format {
            FormatArg::Npz => Format::Npz,
            FormatArg::Safetensors => Format::Safetensors,
            FormatArg::SafetensorsF32 => Format::SafetensorsF32,
        };
        Outputs { out: self.out.clone(), format }
    }
}
