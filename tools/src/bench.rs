//! `tern bench`: what operations cost, measured.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Subcommand;
use serde_json::json;
use tern_bytecode::Program;
use tern_compiler::Entry;
use tern_vm::data::{Array, write_npy};
use tern_vm::net::TIMEOUT;

use crate::compile::{compile_text, show};
use crate::events::{Audience, Events};
use crate::host::{Files, Outputs};
use crate::run::{Job, Share};
use crate::{RoundingArg, SourceArgs};

/// What to measure.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Bits, rounds and time of every operation, with three local processes of one thread each.
    Protocols {
        /// Elements of a vector.
        #[arg(long, default_value_t = 100_000)]
        elements: usize,
        /// Only operations whose name contains this.
        filter: Option<String>,
        /// One JSON object per operation instead of a table.
        #[arg(long)]
        json: bool,
    },
}

/// An operation: an expression in `z`, which becomes its next value, and `y`; both are `fix[N]`, about 1. That each needs the last one's result keeps
/// the compiler from doing several at once.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) expression: &'static str,
    pub(crate) rounding: RoundingArg,
    /// Of which a run takes longer than anyone wants to wait with all elements: a tenth is enough.
    pub(crate) heavy: bool,
    /// Bits per element at f = 16 and f = 32: the paper's Table 1 (f = 32 only), and its system as it is today.
    pub(crate) paper: Option<u32>,
    pub(crate) system: Option<[u32; 2]>,
    /// Nanoseconds per element of its system as it is today, at f = 16 with one thread.
    pub(crate) system_time: Option<f64>,
}

/// Repetitions within a run, and of heavy operations: enough for the steady state.
const TIMES: usize = 64;
const HEAVY_TIMES: usize = 16;
/// Sides of the matrix product.
const SIDES: [usize; 3] = [128, 784, 128];
const MATRIX: &str = "matrix product 128×784×128";

pub(crate) const fn operation(name: &'static str, expression: &'static str) -> Operation {
    Operation {
        name,
        expression,
        rounding: RoundingArg::Probabilistic,
        heavy: false,
        paper: None,
        system: None,
        system_time: None,
    }
}

/// The figures of the paper are those of Table 1 in Keller and Sun, Secure Quantized Training for Deep Learning (ICML 2022).
const OPERATIONS: &[Operation] = &[
    operation("reveal", "reveal(z)"),
    Operation { paper: Some(1536), ..operation("truncation", "z * 0.9") },
    Operation {
        paper: Some(1920),
        system: Some([448, 896]),
        system_time: Some(105.0),
        ..operation("product, truncation", "z * y")
    },
    Operation {
        rounding: RoundingArg::Nearest,
        paper: Some(4462),
        ..operation("nearest truncation", "z * 0.9")
    },
    Operation {
        rounding: RoundingArg::Nearest,
        system: Some([1523, 3058]),
        ..operation("product, nearest truncation", "z * y")
    },
    Operation {
        paper: Some(1369),
        system: Some([541, 1115]),
        system_time: Some(138.0),
        ..operation("comparison", "fix(z < 0.5)")
    },
    Operation { system: Some([733, 1499]), system_time: Some(264.0), ..operation("ReLU", "relu(z)") },
    Operation { heavy: true, system: Some([7252, 16522]), ..operation("division", "y / z") },
    Operation { heavy: true, system: Some([10424, 37379]), ..operation("exponential", "exp(-z)") },
    Operation { heavy: true, system: Some([6608, 13430]), ..operation("inverse square root", "inv_sqrt(z)") },
    Operation { heavy: true, system: Some([36452, 129552]), ..operation("square root", "sqrt(z)") },
    Operation { heavy: true, system: Some([32643, 122024]), ..operation("logarithm", "log2(1 + z)") },
    Operation {
        system: Some([1208, 1910]),
        ..operation("random fraction", "z + random::uniform(0, 1, shape=[N])")
    },
    Operation { system_time: Some(44e6), ..operation(MATRIX, "a @ z") },
];

impl Operation {
    fn times(&self) -> usize {
        if self.heavy { HEAVY_TIMES } else { TIMES }
    }
}

/// What was measured.
pub(crate) struct Figures {
    /// Per element.
    pub(crate) bits: f64,
    /// Per execution.
    pub(crate) rounds: f64,
    /// Per element.
    pub(crate) nanoseconds: f64,
}

/// `tern bench`.
pub(crate) fn bench(what: &Bench) -> anyhow::Result<ExitCode> {
    let Bench::Protocols { elements, filter, json } = what;
    for (column, frac) in [16, 32].into_iter().enumerate() {
        if !json {
            println!("f = {frac}, modulo 2^{}, vectors of {elements}\n", 4 * frac);
            println!(
                "{:<28} {:>10} {:>8} {:>12} {:>12} {:>12} {:>14}",
                "operation", "bits", "rounds", "ns", "paper bits", "system bits", "system ns"
            );
        }
        let wanted =
            OPERATIONS.iter().filter(|o| filter.as_ref().is_none_or(|filter| o.name.contains(filter)));
        for operation in wanted {
            let figures = measure(operation, frac, *elements).with_context(|| operation.name)?;
            let paper = operation.paper.filter(|_| frac == 32);
            let system = operation.system.map(|system| system[column]);
            let system_time = operation.system_time.filter(|_| frac == 16);
            if *json {
                let event = json!({
                    "operation": operation.name, "frac": frac, "bits": figures.bits, "rounds": figures.rounds,
                    "nanoseconds": figures.nanoseconds, "paper_bits": paper, "system_bits": system,
                    "system_nanoseconds": system_time,
                });
                println!("{event}");
            } else {
                let shown = |value: Option<f64>| value.map_or("-".to_string(), |value| format!("{value:.0}"));
                println!(
                    "{:<28} {:>10.1} {:>8} {:>12.1} {:>12} {:>12} {:>14}",
                    operation.name,
                    figures.bits,
                    figures.rounds,
                    figures.nanoseconds,
                    shown(paper.map(f64::from)),
                    shown(system.map(f64::from)),
                    shown(system_time),
                );
            }
        }
        if !json {
            println!();
        }
    }
    if !json {
        println!(
            "Bits are those of all parties together, per element; of the matrix product, per element of the result, but its time is that of all of it."
        );
        println!(
            "paper: Keller and Sun, Secure Quantized Training for Deep Learning, Table 1; system: theirs, measured in 2026."
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs an operation in three processes.
pub(crate) fn measure(operation: &Operation, frac: u32, elements: usize) -> anyhow::Result<Figures> {
    let elements = if operation.heavy { elements.div_ceil(10) } else { elements };
    let (text, line) = source(operation, elements);
    let args = SourceArgs {
        program: PathBuf::from("bench.mpc"),
        args: Vec::new(),
        fixed: Some(frac.to_string()),
        ring: None,
        rounding: Some(operation.rounding),
    };
    let compilation = compile_text(&args, text, &|_| None, Entry::Main, None)?;
    show(&compilation.diagnostics, &compilation.sources);
    let program = compilation.program.context("it does not compile")?;
    let directory = tempfile::tempdir()?;
    let files = Files::of_directory(write_inputs(&program, directory.path())?);
    let job = Job {
        program: &program,
        files: &files,
        outputs: &Outputs::to_directory(directory.path().to_path_buf()),
        seed: None,
        threads: 1,
        network: None,
        timeout: TIMEOUT.max(Duration::from_secs(120)),
    };
    let shares = job.run(&mut Events::new(Audience::Nobody, None))?;
    let count = match operation.name {
        MATRIX => SIDES[0] * SIDES[2],
        _ => elements,
    };
    let mut figures = on_line(&shares, line, operation.times(), count);
    if operation.name == MATRIX {
        figures.nanoseconds *= count as f64;
    }
    Ok(figures)
}

/// The program, and the line on which the operation stands.
fn source(operation: &Operation, elements: usize) -> (String, u32) {
    let [n, inner, m] = SIDES;
    let times = operation.times();
    let expression = operation.expression;
    let (inputs, assignment) = match operation.name {
        // The result takes the place of a part of the factor; entries are small so that it stays so.
        MATRIX => (
            format!(
                "input a: fix[{n}, {inner}] from party 0, scale = 1/1000\ninput x: fix[{inner}, {m}] from party 1"
            ),
            format!("z[0 .. +{n}] = {expression}"),
        ),
        _ => (
            "input x: fix[N] from party 0\ninput y: fix[N] from party 1".to_string(),
            format!("z = {expression}"),
        ),
    };
    let text = format!(
        "use nn::relu
use math::{{inv_sqrt, sigmoid}}
const N = {elements}
{inputs}
fn main() {{
    var z = x
    for i in 0..{times} {{
        {assignment}
    }}
    output z = z to party 2
}}
"
    );
    let line = text.lines().position(|line| line.trim() == assignment).expect("it was just written");
    (text, line as u32 + 1)
}

/// Numbers between 0.5 and 1.5, which every operation takes.
fn write_inputs(program: &Program, directory: &Path) -> anyhow::Result<PathBuf> {
    for input in &program.inputs {
        let shape: Vec<usize> = input.shape.iter().map(|size| *size as usize).collect();
        let values: Vec<f64> =
            (0..shape.iter().product()).map(|i: usize| 0.5 + (i % 1009) as f64 / 1009.0).collect();
        let file = File::create(directory.join(format!("{}.npy", input.name)))?;
        write_npy(file, &Array::new(shape, values))?;
    }
    Ok(directory.to_path_buf())
}

/// What a source line took, per element.
fn on_line(shares: &[Share], line: u32, times: usize, elements: usize) -> Figures {
    let lines = |share: &Share| {
        let lines = share.by_line.iter().filter(|part| part.line == line && part.file == "bench.mpc");
        lines.fold((0, 0, 0.0), |(bits, rounds, seconds), part| {
            (bits + part.bits, rounds + part.rounds, seconds + part.compute + part.waited)
        })
    };
    let parts: Vec<(u64, u64, f64)> = shares.iter().map(lines).collect();
    let bits: u64 = parts.iter().map(|part| part.0).sum();
    let seconds = parts.iter().map(|part| part.2).fold(0.0, f64::max);
    let count = (times * elements) as f64;
    Figures {
        bits: bits as f64 / count,
        rounds: parts.first().map_or(0, |part| part.1) as f64 / times as f64,
        nanoseconds: 1e9 * seconds / count,
    }
}
