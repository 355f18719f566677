//! `tern data`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use tern_tools::mnist;
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
}

pub(crate) fn run(set: &DataSet) -> anyhow::Result<ExitCode> {
    match set {
        DataSet::Mnist { from, to } => {
            let summary = mnist::prepare(&mnist::MNIST, from.as_deref(), to, &mnist::Bar::default())?;
            for (file, outcome) in &summary.files {
                say::outln(format_args!("{file}: {outcome}"));
            }
            say::outln(format_args!("use it with --data {}", summary.folder.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
}
