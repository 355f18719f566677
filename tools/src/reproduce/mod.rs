//! `tern reproduce`: the experiments of Keller and Sun, *Secure Quantized Training for Deep Learning* (ICML 2022), with ours beside them.
//!
//! | module | what it holds |
//! |---|---|
//! | `kept` | results of finished work in directories, which are found again |
//! | `training` | a network trained in the emulator |
//! | `secure` | a few batches in a process per party |
//! | `table1` | single operations: bits, rounds, errors |
//! | `table2` | networks: time, traffic, accuracy |
//! | `figures` | curves of training |
//! | `masks` | what a step opens under masks, with a dealer |
//! | `race` | a network trained by parties until it is as good as wanted |
//! | `table` | tables as text and as CSV |

mod figures;
mod kept;
mod masks;
mod race;
mod secure;
mod table;
mod table1;
mod table2;
mod training;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use tern_bytecode::Protocol;
use tern_tools::{mnist, say};
use tern_vm::machine::Every;

use crate::emulate::in_words;
use crate::protocol_named;
use table::Table;

/// What to reproduce, and how much of it.
#[derive(Args, Clone)]
pub(crate) struct ReproduceArgs {
    /// Which part of the paper.
    what: Part,
    /// Epochs of every training, instead of the paper's; of the race, those in which its rate falls. 0 leaves training out.
    #[arg(long)]
    epochs: Option<u32>,
    /// Who computes and whom they trust; the paper's tables and figures are for rep3, masks are always the dealer's.
    #[arg(long, value_parser = protocol_named, default_value = "rep3")]
    protocol: Protocol,
    /// Samples to train with, of 60,000; of table1, elements of each operation.
    #[arg(long)]
    samples: Option<u32>,
    /// Samples to test with, of 10,000.
    #[arg(long, default_value_t = 10_000)]
    test: u32,
    /// Batches that are run securely for table2. 0 leaves that out.
    #[arg(long, default_value_t = 4)]
    batches: u32,
    /// The part of the test images at which the race ends.
    #[arg(long, default_value_t = 0.99)]
    target: f64,
    /// Only rows or curves whose name contains this. May be given several times.
    #[arg(long)]
    only: Vec<String>,
    /// The network of figures 2 and 3.
    #[arg(long, default_value = "a")]
    network: String,
    /// Fraction bits, of figures 3 and 4 and of the race.
    #[arg(long, default_value_t = 16)]
    fixed: u32,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds; accuracies of table2 are the means.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100))]
    seeds: u64,
    /// Threads of the emulator; by default all cores.
    #[arg(long)]
    threads: Option<usize>,
    /// How often a training keeps a checkpoint, from which it goes on if it is interrupted and the same command is given
    /// again: after a time or so many iterations of loops.
    #[arg(long, value_name = "TIME|N", default_value = "1min")]
    every: Every,
    /// Run nothing: show what has been run, also of runs that are not finished.
    #[arg(long)]
    kept: bool,
    /// Where MNIST is.
    #[arg(long, default_value = mnist::FOLDER)]
    data: PathBuf,
    /// Where the programs are.
    #[arg(long, default_value = "programs")]
    programs: PathBuf,
    /// Where results go, and those of finished runs are kept.
    #[arg(long, default_value = "reproduction")]
    out: PathBuf,
}

/// A part of the paper.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Bits, rounds and errors of single operations.
    Table1,
    /// Networks A to D: secure time and traffic, accuracy.
    Table2,
    /// A network with f = 16, 32, 64 and both roundings.
    Figure2,
    /// A network with several optimizers and rates.
    Figure3,
    /// Networks A to D.
    Figure4,
    /// Of specialised triples with masks reused: the values that a step of a convolutional network opens, by layer.
    Masks,
    /// Network C trained by parties in processes of their own, with an evaluation a line, until it is as good as --target.
    Race,
}

/// `tern reproduce`.
pub(crate) fn reproduce(args: &ReproduceArgs) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(&args.out).with_context(|| format!("cannot create {}", args.out.display()))?;
    match args.what {
        Part::Table1 => table1::table1(args)?,
        Part::Table2 => table2::table2(args)?,
        Part::Figure2 => figures::figure2(args)?,
        Part::Figure3 => figures::figure3(args)?,
        Part::Figure4 => figures::figure4(args)?,
        Part::Masks => masks::masks(args)?,
        Part::Race => race::race(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

impl ReproduceArgs {
    /// Whether a row or curve is wanted.
    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()))
    }

    /// Where MNIST is.
    fn mnist(&self) -> anyhow::Result<PathBuf> {
        match self.data.is_dir() {
            true => Ok(self.data.clone()),
            false => bail!(
                "MNIST is not in {}; `tern data mnist` prepares it, --data DIR says where it is",
                self.data.display()
            ),
        }
    }

    /// How many parties there are.
    fn processes(&self) -> &'static str {
        in_words(self.protocol.model().parties)
    }

    /// What a title says of the protocol, if it is not the paper's.
    fn under(&self) -> String {
        match self.protocol {
            Protocol::Rep3 => String::new(),
            other => format!(", --protocol {}", other.name()),
        }
    }

    /// Writes a table as text and as CSV, and shows it.
    fn publish(&self, name: &str, table: &Table) -> anyhow::Result<()> {
        let text = table.to_text();
        write(&self.out.join(format!("{name}.txt")), &text)?;
        write(&self.out.join(format!("{name}.csv")), &table.to_csv())?;
        say::outln(format_args!("\n{text}"));
        for suffix in ["txt", "csv"] {
            say::outln(format_args!("{}", self.out.join(format!("{name}.{suffix}")).display()));
        }
        Ok(())
    }
}

/// What ends the name of a file or directory that is not for the paper's protocol.
fn suffix(protocol: Protocol) -> String {
    match protocol {
        Protocol::Rep3 => String::new(),
        other => format!("-{}", other.name()),
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    tern_vm::data::write_atomically(path, tern_vm::data::Access::Everybody, |file| {
        std::io::Write::write_all(file, text.as_bytes())
    })
    .with_context(|| format!("cannot write {}", path.display()))
}

/// A network of the paper, and what is known about it.
struct Network {
    /// As the programs are called: `mnist_a`.
    letter: &'static str,
    /// Epochs of Table 2.
    epochs: u32,
    /// Table 2, at f = 16 and 32: seconds per epoch on three machines of 36 cores, and the accuracy in percent.
    paper: [(f64, f64); 2],
    /// Accuracy in percent of one run in single precision, PyTorch, SGD with rate 0.01 and momentum 0.9, after 1, 5, 10 and 15 epochs.
    float: [f64; 4],
}

/// The epochs of [`Network::float`].
const MILESTONES: [usize; 4] = [1, 5, 10, 15];

const NETWORKS: [Network; 4] = [
    Network { letter: "a", epochs: 15, paper: [(31.0, 97.9), (50.0, 97.7)], float: [93.1, 96.6, 97.4, 97.6] },
    Network {
        letter: "b",
        epochs: 15,
        paper: [(144.0, 93.6), (249.0, 94.7)],
        float: [97.0, 98.7, 98.8, 99.1],
    },
    Network {
        letter: "c",
        epochs: 5,
        paper: [(344.0, 94.9), (643.0, 93.8)],
        float: [97.2, 98.8, 99.0, 99.2],
    },
    Network { letter: "d", epochs: 15, paper: [(41.0, 96.8), (68.0, 96.8)], float: [94.4, 97.3, 97.8, 98.1] },
];

/// Samples of MNIST, and the size of a batch.
const MNIST: u32 = 60_000;
const BATCH: u32 = 128;
