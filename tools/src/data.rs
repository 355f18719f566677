//! `tern data`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use tern_tools::cifar10::CIFAR10;
use tern_tools::fetch::{self, Bar, Dataset};
use tern_tools::mnist::MNIST;
use tern_tools::say;

#[derive(Subcommand)]
pub(crate) enum DataSet {
    /// MNIST: 60,000 training and 10,000 test images of handwritten digits.
    Mnist {
        /// Take the files from this directory instead of the public mirrors.
        #[arg(long)]
        from: Option<PathBuf>,
        /// Where they go.
        #[arg(long, default_value = "data/mnist")]
        to: PathBuf,
    },
    /// CIFAR-10: 50,000 training and 10,000 test images of ten kinds of things, in the binary version.
    #[command(name = "cifar10")]
    Cifar10 {
        /// Take the archive, or its files, from this directory instead of the public mirrors.
        #[arg(long)]
        from: Option<PathBuf>,
        /// Where they go.
        #[arg(long, default_value = "data/cifar10")]
        to: PathBuf,
    },
}

pub(crate) fn run(set: &DataSet) -> anyhow::Result<ExitCode> {
    match set {
        DataSet::Mnist { from, to } => prepare(&MNIST, from.as_deref(), to),
        DataSet::Cifar10 { from, to } => prepare(&CIFAR10, from.as_deref(), to),
    }
}

fn prepare(dataset: &Dataset<'_>, from: Option<&Path>, to: &Path) -> anyhow::Result<ExitCode> {
    let summary = fetch::prepare(dataset, from, to, &Bar::default())?;
    for (file, outcome) in &summary.files {
        say::outln(format_args!("{file}: {outcome}"));
    }
    say::outln(format_args!("use it with --data {}", summary.folder.display()));
    Ok(ExitCode::SUCCESS)
}
