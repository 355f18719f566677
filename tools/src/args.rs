//! Arguments that several commands take.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tern_host::{Files, Format, Keeping, Outputs};
use tern_vm::machine::Every;
use tern_vm::machine::checkpoint::duration;

/// Where data are.
#[derive(Args, Clone)]
pub(crate) struct FileArgs {
    /// Data of an input: NAME=FILE, of an archive NAME=FILE.npz:TENSOR, of some rows `NAME=FILE[START:END]`. What the
    /// file does not say follows after commas: header=yes|no, index=yes|no (a first column to leave out),
    /// separator=comma|semicolon|tab|bar|blanks, decimal=point|comma, transpose=0312 (its axes in this order). May be
    /// given several times.
    #[arg(long = "input", value_name = "NAME=FILE[ROWS][,OPTION=VALUE]…")]
    inputs: Vec<String>,
    /// A directory (or npz file) in which inputs are found by name; the own file names of MNIST and CIFAR-10 are known.
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

/// Whether the run is kept on disk.
#[derive(Args, Clone)]
pub(crate) struct KeepArgs {
    /// Keep the state of the run in files of this directory, and go on from them if it is started again with the same
    /// command line.
    #[arg(long, value_name = "DIR")]
    checkpoint: Option<PathBuf>,
    /// How often: after a time (10min) or so many iterations of loops (50); the same at all parties.
    #[arg(long, value_name = "TIME|N", requires = "checkpoint", default_value = "10min")]
    every: Every,
    /// Go on, and do not begin: an error if there is nothing to go on from.
    #[arg(long, requires = "checkpoint")]
    resume: bool,
}

/// What becomes of a run when a party is gone.
#[derive(Args, Clone)]
pub(crate) struct WaitArgs {
    /// How long a party that is gone is waited for: its link goes on where it was if it is interrupted for less, and if it is
    /// another process then, all go on from the last checkpoint. By default a link is waited for as long as a sign of life
    /// (--timeout), unless nobody listens at the party's address any more, and a process for 10min.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    wait: Option<Duration>,
    /// How often that may happen without a new checkpoint in between.
    #[arg(long, value_name = "N", requires = "checkpoint", default_value_t = 10)]
    retries: u32,
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
        Files { inputs: self.inputs.clone(), data: self.data.clone(), store: None }
    }
}

impl WaitArgs {
    /// How long a link may be interrupted, if the command line says so.
    pub(crate) fn link(&self) -> Option<Duration> {
        self.wait
    }
}

impl KeepArgs {
    /// What the library calls it, if anything is kept.
    pub(crate) fn keeping(&self, waits: Option<&WaitArgs>) -> Option<Keeping> {
        let directory = self.checkpoint.clone()?;
        let (wait, retries) =
            waits.map_or((Duration::ZERO, 0), |waits| (waits.wait.unwrap_or(Keeping::WAIT), waits.retries));
        Some(Keeping { directory, every: self.every, resume: self.resume, wait, retries })
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
        Outputs { out: self.out.clone(), format, store: None }
    }
}
